"""Real data: metal knee implants (surfaces only) registered to fluoroscopy, from random wrong starts.

Starts are off by a fixed angle about a random axis and a fixed distance in a random direction (about the implant's
centre). Success: the implant's points within 1 mm of the published pose across the first view's rays, on average, and
the rotation within 1.5 degrees. The published poses were fitted to silhouettes by hand, their masks drawn from them;
``--edges`` measures how far the outlines of both poses lie from the picture's edges.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from XRayTo3DLib.evaluation.registration_trials import errors_of
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.geometry.calibration import opencv_camera
from XRayTo3DLib.imaging.attenuation import Attenuation
from XRayTo3DLib.imaging.radiograph_reader import read_radiograph
from XRayTo3DLib.imaging.types import Radiograph
from XRayTo3DLib.projection.mesh_attenuation import mesh_attenuation
from XRayTo3DLib.projection.silhouette import mesh_silhouette
from XRayTo3DLib.registration.register import RegistrationOptions, register
from XRayTo3DLib.shape.meshes import points_of, triangles_of
from XRayTo3DLib.shape.surfaces import read_surface

DATA = Path(os.environ.get("XRAYTO3D_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
SDD_MM = 1800.0
"""A pinhole calibration does not say where the detector is: anywhere behind the knee serves."""
LIMIT_DEG, LIMIT_MM = 1.5, 1.0
EDGE_REACH = 8.0
"""How far from an outline its edge in the picture is looked for, pixels."""


@dataclass(frozen=True)
class Implant:
    """Surface and solid of an implant, in its own coordinates, mm."""

    points: np.ndarray
    triangles: np.ndarray
    solid: Attenuation


@dataclass(frozen=True)
class Case:
    """One implant in one exposure, with the published pose."""

    group: str
    name: str
    implant: Implant
    views: tuple[Radiograph, ...]
    published: RigidPose


def load_implant(path: Path, spacing_mm: float = 0.5) -> Implant:
    surface = read_surface(path, what="Implant")
    points, triangles = points_of(surface), triangles_of(surface)
    return Implant(points, triangles, mesh_attenuation(points, triangles, spacing_mm=spacing_mm))


def biplane_cases(folder: Path) -> Iterator[Case]:
    geometry = json.loads((folder / "geometry.json").read_text())
    implant = load_implant(folder / "femur_component.ply")
    cameras = {name: jointtrack_camera(values) for name, values in geometry["cameras"].items()}
    for frame, values in geometry["frames"].items():
        published = RigidPose(values["world_from_femur_component"])
        views = tuple(
            read_radiograph(folder / f"{name}_frame{frame}.png", camera=camera) for name, camera in cameras.items()
        )
        yield Case("biplane, both views, femur", f"frame {frame}", implant, views, published)
        for view in views:
            yield Case("biplane, one view alone, femur", f"{view.name}", implant, (view,), published)


def mono_cases(folder: Path) -> Iterator[Case]:
    geometry = json.loads((folder / "geometry.json").read_text())
    still = {"R_world_to_camera": np.eye(3), "t_world_to_camera_mm": np.zeros(3)}
    camera = jointtrack_camera({**geometry, **still})
    for bone in ("femur", "tibia"):
        implant = load_implant(folder / f"{bone}_component.ply")
        for frame, values in geometry["frames"].items():
            view = read_radiograph(folder / f"frame{frame}.png", camera=camera)
            published = RigidPose(values[bone]["camera_from_component"])
            yield Case(f"single plane, {bone}", f"frame {frame} {bone}", implant, (view,), published)


def jointtrack_camera(values: dict) -> XRayCamera:
    rotation, translation = values["R_world_to_camera"], values["t_world_to_camera_mm"]
    size = tuple(values["image_size"])
    return opencv_camera(values["K"], rotation, translation, size, sdd=SDD_MM, from_corner=True)


def wrong_start(truth: RigidPose, centre: np.ndarray, degrees: float, millimetres: float, seed: int) -> RigidPose:
    axis, direction = (v / np.linalg.norm(v) for v in np.random.default_rng(seed).normal(size=(2, 3)))
    return RigidPose.from_rotation(degrees * axis, millimetres * direction, truth.apply(centre)) @ truth


def edge_distances(case: Case, pose: RigidPose) -> np.ndarray:
    """Distance of the picture's strongest edge from the outline along its normals, outwards, pixels, all views.

    Of the light that came through, not its logarithm, in which blurred edges lie up to half a pixel further inside.
    """
    found = []
    for view in case.views:
        inside = gaussian_filter(
            mesh_silhouette(view.camera, case.implant.points, case.implant.triangles, pose).astype(float), 1.0
        )
        down, across = np.gradient(inside)
        length = np.hypot(down, across)
        # The outline: pixels nearest to one half. What is left of its distance to the pixel's centre is taken off.
        row, column = np.nonzero((np.abs(inside - 0.5) < 0.5 * length) & (length > 0.1))
        normal = -np.stack([down, across])[:, row, column] / length[row, column]
        outline = np.stack([row, column]) + normal * (inside - 0.5)[row, column] / length[row, column]
        steps = np.arange(-EDGE_REACH, EDGE_REACH + 0.1, 0.25)
        where = outline[:, :, None] + normal[:, :, None] * steps
        profile = map_coordinates(gaussian_filter(-np.exp(-view.pixels), 1.2), where, order=1, mode="nearest")
        fall = -np.gradient(profile, axis=1)
        clear = fall.max(axis=1) > 0.015
        found.append(steps[fall.argmax(axis=1)][clear])
    return np.concatenate(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--degrees", type=float, default=5.0)
    parser.add_argument("--millimetres", type=float, default=5.0)
    parser.add_argument("--starts", type=int, default=RegistrationOptions.starts)
    parser.add_argument("--only", default="", help="part of a group's name")
    parser.add_argument("--edges", action="store_true", help="also measure outlines against the picture's edges")
    args = parser.parse_args()
    folder = DATA / "knee_tka_fluoro_jtml"
    if not folder.is_dir():
        print(f"skipped: real anatomy not found at {DATA} (set XRAYTO3D_DATA)")
        return
    options, groups = RegistrationOptions(starts=args.starts), defaultdict(list)
    for case in (*biplane_cases(folder / "biplane"), *mono_cases(folder / "mono_kneel")):
        if args.only in case.group:
            for seed in range(args.first_seed, args.first_seed + args.seeds):
                groups[case.group].append(one_run(case, seed, args.degrees, args.millimetres, options, args.edges))
    for group, runs in groups.items():
        plane, turn, seconds = ([run[k] for run in runs] for k in range(3))
        hits = sum(p <= LIMIT_MM and t <= LIMIT_DEG for p, t, _ in runs)
        print(
            f"{group:31}: {hits} of {len(runs)} within {LIMIT_MM:g} mm and {LIMIT_DEG:g} degrees from "
            f"{args.degrees:g} degrees, {args.millimetres:g} mm; median {statistics.median(plane):.2f} mm in plane, "
            f"{statistics.median(turn):.2f} degrees, {statistics.median(seconds):.1f} s; "
            f"worst {max(plane):.2f} mm, {max(turn):.2f} degrees"
        )


def one_run(
    case: Case, seed: int, degrees: float, millimetres: float, options: RegistrationOptions, edges: bool
) -> tuple[float, float, float]:
    centre = case.implant.solid.centre_lps
    start = wrong_start(case.published, centre, degrees, millimetres, seed)
    result = register(case.implant.solid, case.views, start, replace(options, seed=seed))
    errors = errors_of(result.pose, case.published, case.implant.points, case.views[0].camera)
    line = (
        f"{case.name:18} seed {seed:2d}: in plane {errors.plane_mm:5.2f} mm, {errors.rotation_deg:5.2f} degrees, "
        f"mTRE {errors.mtre_mm:5.2f} mm  "
        f"{result.verdict.value:10} similarity {result.mean_similarity:.3f} {result.seconds:5.1f} s"
    )
    if edges:
        for name, pose in (("published", case.published), ("found", result.pose)):
            distances = edge_distances(case, pose)
            line += f"  {name}: {np.median(distances):+.2f}, mean size {np.abs(distances).mean():.2f} px"
    print(line, flush=True)
    return errors.plane_mm, errors.rotation_deg, result.seconds


if __name__ == "__main__":
    main()
