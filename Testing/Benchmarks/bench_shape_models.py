"""Shape models of femora, one person left out at a time: how near the model comes, and what fitting makes of less.

Three populations: six whole femora (GIAS2, real, in correspondence), ten proximal femora (Narra et al. 2018, real,
correspondence found here), fifty distal femora (Clouthier et al. 2019, SYNTHETIC, in correspondence).

  floor        ASSD of the model's nearest shape when all vertices are known: no fit can be expected to do better
  completion   cut to 60 % of the length, 0.5 mm noise on every coordinate, start 5 mm and 5 degrees off (SD per axis)
  known        as completion, but the seen vertices are known without noise and without doubt which is which
  faces        clouds of front and back depth of one radiograph (96 x 96 pixels, 1 mm noise in depth) fitted in both
               directions or in one, and the front alone
  outlines     the same bone's outlines in two radiographs (AP and lateral, 256 x 256 pixels), and in AP alone; ASSD
               where the fit leaves it, so with one view the place along the beam counts in full

  nice -n 19 python Testing/Benchmarks/bench_shape_models.py -o run

About ten minutes on one CPU core; the correspondence found is kept in the folder.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np  # noqa: E402
from femur_dataset import DATA, LEFT  # noqa: E402

from XRayTo3DLib.evaluation.shape_model_figures import generalisation_picture, shape_model_picture  # noqa: E402
from XRayTo3DLib.geometry import RigidPose  # noqa: E402
from XRayTo3DLib.geometry.calibration import standard_camera  # noqa: E402
from XRayTo3DLib.projection.depth_maps import mesh_depth, z_from_distance  # noqa: E402
from XRayTo3DLib.projection.silhouette import mesh_silhouette  # noqa: E402
from XRayTo3DLib.shape.correspondence import correspond_population  # noqa: E402
from XRayTo3DLib.shape.depth_surface import depth_points  # noqa: E402
from XRayTo3DLib.shape.meshes import make_surface, sample_surface, transformed  # noqa: E402
from XRayTo3DLib.shape.model_curves import generalisation, nearest_shape, specificity  # noqa: E402
from XRayTo3DLib.shape.model_fitting import FitOptions, fit_shape_model  # noqa: E402
from XRayTo3DLib.shape.model_fitting_clip import frustum_clip, plane_clip  # noqa: E402
from XRayTo3DLib.shape.model_fitting_contours import fit_to_contours, outline_of_mask  # noqa: E402
from XRayTo3DLib.shape.procrustes import aligned_shapes, similarity_between  # noqa: E402
from XRayTo3DLib.shape.statistical_shape_model import build_shape_model  # noqa: E402
from XRayTo3DLib.shape.surface_distance import surface_distance  # noqa: E402
from XRayTo3DLib.shape.surfaces import read_surface  # noqa: E402

SEEN, NOISE_MM = 0.6, 0.5
FIELD_MM = {"whole femur": 400.0, "proximal femur": 130.0, "distal femur": 110.0}


class Population(NamedTuple):
    """Shapes of one bone; ``limits``: numbers of modes tried in fits (None: all); ``who`` is left out in turn."""

    name: str
    shapes: np.ndarray
    triangles: np.ndarray
    curve: tuple[int, ...] | None
    limits: tuple[int | None, ...]
    who: range
    synthetic: bool


def populations(folder: Path) -> list[Population]:
    whole = np.load(DATA / "femur_full_10_gias2" / "femur_left_6x.npz")
    distal = np.load(DATA / "knee_ssm_instances_clouthier" / "femur_50x.npz")
    found = proximal(folder)
    made = []
    for name, arrays, curve, limits, step, synthetic in (
        ("whole femur", whole, None, (None,), 1, False),
        ("proximal femur", found, None, (None, 5), 1, False),
        ("distal femur", distal, (0, 2, 4, 6, 8, 10, 12, 13, 14, 16), (5, 8, 10, 13), 5, True),
    ):
        shapes = aligned_shapes(arrays["vertices"]).shapes
        made.append(Population(name, shapes, arrays["faces"], curve, limits, range(0, len(shapes), step), synthetic))
    return made


def proximal(folder: Path) -> dict[str, np.ndarray]:
    """The proximal femora in correspondence, all as right ones."""
    kept = folder / "proximal.npz"
    if not kept.is_file():
        flip = np.diag([-1.0, 1.0, 1.0, 1.0])
        surfaces = []
        for path in sorted((DATA / "femur_proximal_population").glob("*.ply")):
            surface = read_surface(path)
            surfaces.append(transformed(surface, flip) if path.stem in LEFT else surface)
        vertices, faces = correspond_population(surfaces, workers=1)
        np.savez(kept, vertices=vertices, faces=faces)
    return dict(np.load(kept))


def assd(truth: np.ndarray, found: np.ndarray, triangles: np.ndarray) -> float:
    pair = (make_surface(each, triangles) for each in (truth, found))
    return surface_distance(*pair, samples=8000, require_overlap=False).assd


def left_out(population: Population, number: int, limit: int | None):
    """Model of the others, the one left out in its frame, and the floor."""
    model = build_shape_model(np.delete(population.shapes, number, axis=0), population.triangles)
    model = model if limit is None else model.truncated(limit)
    truth, nearest = nearest_shape(model, population.shapes[number])
    return model, truth, assd(truth, nearest, population.triangles)


def disturbed(random) -> RigidPose:
    return RigidPose.from_rotation(random.normal(size=3) * 5, random.normal(size=3) * 5)


def known_part(model, truth: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least squares on known vertices of the seen part: pose and shape in turn."""
    basis = (model.modes * model.deviations[:, None, None])[:, seen].reshape(model.size, -1)
    found = model.mean
    for _ in range(30):
        truth = similarity_between(truth[seen], found[seen]).apply(truth)
        inner = basis @ basis.T / seen.sum() + 0.01 / model.size * np.eye(model.size)
        found = model.shape(np.linalg.solve(inner, basis @ (truth - model.mean)[seen].ravel() / seen.sum()))
    return truth, found


def completion(population: Population, limit: int | None) -> np.ndarray:
    """Rows: floor, ASSD after completion, with known vertices, seconds."""
    random = np.random.default_rng(1)
    rows = []
    for number in population.who:
        model, truth, floor = left_out(population, number, limit)
        axis = np.linalg.svd(truth - truth.mean(axis=0), full_matrices=False)[2][0]
        for along in (axis, -axis):
            height = truth @ along
            clip = plane_clip(along * (height.min() + SEEN * np.ptp(height)), -along)
            points, _ = sample_surface(make_surface(truth, population.triangles), 5000)
            points = points[clip(points)]
            points += random.normal(size=points.shape) * NOISE_MM
            pose = disturbed(random)
            options = FitOptions(clip=lambda world, clip=clip, pose=pose: clip(pose.inverse().apply(world)))
            begin = time.process_time()
            fitted = fit_shape_model(model, pose.apply(points), options, RigidPose.identity())
            seconds = time.process_time() - begin
            back = pose.inverse().apply(fitted.points)
            known = assd(*known_part(model, truth, clip(truth)), population.triangles)
            rows.append((floor, assd(truth, back, population.triangles), known, seconds))
    return np.array(rows)


def faces(population: Population, limit: int | None, noise_mm: float = 1.0) -> np.ndarray:
    """Rows: floor, ASSD of dual face in both directions, of dual face to the model, of the front alone."""
    random = np.random.default_rng(2)
    field = FIELD_MM[population.name]
    camera = standard_camera(1000, (field / 96, field / 96), (96, 96), source_isocentre=900)
    rows = []
    for number in population.who:
        model, truth, floor = left_out(population, number, limit)
        world = disturbed(random).apply(truth)
        maps = mesh_depth(camera, world, population.triangles, strict=False)
        whole = np.isfinite(maps.thickness_mm)
        front, back = (
            np.where(whole, z_from_distance(camera, each), np.nan) + random.normal(size=whole.shape) * noise_mm
            for each in (maps.front_mm, maps.back_mm)
        )
        row = [floor]
        for direction, behind in (("both", back), ("to_model", back), ("to_model", None)):
            points = depth_points(camera, front, behind)
            options = FitOptions(direction=direction, clip=frustum_clip(camera, 2))
            fitted = fit_shape_model(model, points, options, RigidPose.identity())
            row.append(assd(world, fitted.points, population.triangles))
        rows.append(row)
    return np.array(rows)


def outlines(population: Population, limit: int | None) -> np.ndarray:
    """Rows: floor, ASSD from two outlines, from one."""
    random = np.random.default_rng(3)
    pixel = 1.6 * FIELD_MM[population.name] / 256
    cameras = [standard_camera(1000, (pixel, pixel), (256, 256), source_isocentre=900, view=v) for v in ("AP", "LAT")]
    rows = []
    for number in population.who:
        model, truth, floor = left_out(population, number, limit)
        world = disturbed(random).apply(truth)
        seen = [outline_of_mask(each, mesh_silhouette(each, world, population.triangles)) for each in cameras]
        found = [fit_to_contours(model, chosen, RigidPose.identity()).points for chosen in (seen, seen[:1])]
        rows.append([floor, *(assd(world, points, population.triangles) for points in found)])
    return np.array(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("bench-output/shape_models"), help="folder for the pictures"
    )
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    curves = {}
    for population in reversed(populations(args.output)):
        people = f"{len(population.shapes)} {'SYNTHETIC' if population.synthetic else 'people'}"
        found = generalisation(population.shapes, population.triangles, population.curve, samples=800)
        curves[f"{population.name}, {people.lower()}"] = found
        model = build_shape_model(population.shapes, population.triangles, synthetic=population.synthetic)
        (args.output / f"{population.name.replace(' ', '_')}.png").write_bytes(shape_model_picture(model))
        print(f"\n{population.name}, {people}; specificity {specificity(model, population.shapes).mean():.2f} mm")
        for column, modes in enumerate(found.modes):
            vertex, surface = found.vertex_mm[:, column].mean(), found.surface_mm[:, column].mean()
            print(f"  {modes:3d} modes   vertices {vertex:7.4f} mm   ASSD {surface:7.4f} mm")
        for limit in population.limits:
            rows = completion(population, limit)
            ratio = rows[:, 1] / rows[:, 0]
            print(
                f"  completion, {limit or 'all'} modes: floor {rows[:, 0].mean():.3f}  ASSD {rows[:, 1].mean():.3f}  "
                f"ratio of means {rows[:, 1].mean() / rows[:, 0].mean():.2f}  mean ratio {ratio.mean():.2f}  "
                f"worst {ratio.max():.2f}  known vertices {rows[:, 2].mean():.3f}  {rows[:, 3].mean():.2f} CPU s each",
                flush=True,
            )
        limit = 8 if population.synthetic else population.limits[-1]
        rows = faces(population, limit)
        floor, both, one, front = rows.mean(axis=0)
        print(
            f"  faces: floor {floor:.3f}  dual, both directions {both:.3f}  dual, to the model {one:.3f}  front alone "
            f"{front:.3f} mm ASSD; both directions better in {(rows[:, 1] < rows[:, 2]).sum()} of {len(rows)}",
            flush=True,
        )
        if FIELD_MM[population.name] < 400:
            floor, two, single = outlines(population, limit).mean(axis=0)
            print(f"  outlines: floor {floor:.3f}  two views {two:.3f}  AP alone {single:.3f} mm ASSD", flush=True)
    (args.output / "generalisation.png").write_bytes(generalisation_picture(dict(reversed(curves.items()))))


if __name__ == "__main__":
    main()
