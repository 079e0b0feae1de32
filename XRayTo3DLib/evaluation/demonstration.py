"""The whole way on SYNTHETIC wrists: make, expose, register from a wrong start, compare with the truth, report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.dataset.case import write_case
from XRayTo3DLib.dataset.phantoms import ForearmShape, PhantomCase, make_forearm, wrist_camera
from XRayTo3DLib.dataset.simulate import EXTREMITY_KEV, simulate_radiograph
from XRayTo3DLib.evaluation.comparison import Comparison, compare
from XRayTo3DLib.evaluation.comparison_files import write_comparison
from XRayTo3DLib.evaluation.overlay import registration_overlay
from XRayTo3DLib.evaluation.scene_colours import BONE
from XRayTo3DLib.evaluation.scene_file import SceneFile
from XRayTo3DLib.files import write_bytes
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.imaging.attenuation import Attenuation, attenuation_of
from XRayTo3DLib.imaging.surroundings import surroundings_of
from XRayTo3DLib.imaging.types import Radiograph
from XRayTo3DLib.registration.result import RegistrationResult
from XRayTo3DLib.shape.label_surface import surface_from_labels
from XRayTo3DLib.shape.meshes import points_of, transformed

BONE_NAME = "radius"
START_DEG, START_MM = 8.0, 8.0
"""How wrong every start is: rotation about a random axis and shift in a random direction."""
POSED_DEG, POSED_MM = 6.0, 6.0
"""Spread (uniform, per axis) of how the forearm lies on the table, so that the truth is not the identity."""
Say = Callable[[str, float], None]


@dataclass(frozen=True, eq=False)
class DemoRegistration:
    """One registration of the demonstration and its errors against the known truth.

    Attributes:
        views: Names of the views used.
        result: What was found.
        start_mm: mTRE of the start over the bone's surface points, mm.
        mtre_mm: mTRE of the result, mm.
        in_plane_mm: The same without the part along the first view's direction, mm.
        files: Pictures and data written, by name.
    """

    views: tuple[str, ...]
    result: RegistrationResult
    start_mm: float
    mtre_mm: float
    in_plane_mm: float
    files: dict[str, Path]


@dataclass(frozen=True, eq=False)
class DemoPerson:
    """One synthetic person: registrations, the comparison of the two-view result with the truth, files."""

    name: str
    registrations: tuple[DemoRegistration, ...]
    comparison: Comparison
    files: dict[str, Path]


def demonstrate_person(folder: Path, number: int, seed: int, spacing: float, say: Say) -> DemoPerson:
    """Everything for one synthetic person, written into ``folder``.

    Args:
        folder: Gets ``case/``, ``registration_*/``, ``evaluation/`` and the Slicer scene.
        number: Counted from 1; with ``seed`` it decides who the person is.
        seed: Of the whole demonstration.
        spacing: Voxel size of the CT, mm.
        say: Called with what is being done and how much of this person is done (0..1).
    """
    generator = np.random.default_rng([seed, number])
    name = f"wrist-{number}"
    say(f"{name}: making a synthetic forearm", 0.0)
    case = make_forearm(ForearmShape.sample(generator), spacing=spacing, seed=seed + number, name=name)
    truth = _random_pose(generator)
    say(f"{name}: simulating two radiographs", 0.15)
    radiographs = [_expose(case, truth, view, (seed, number, index)) for index, view in enumerate(("PA", "LAT"))]
    files = write_case(case, folder / "case", {r.view: r for r in radiographs})
    bone = attenuation_of(case.ct, BONE_NAME, energy_kev=EXTREMITY_KEV, in_tissue=True)
    rest = surroundings_of(case.ct, [BONE_NAME], energy_kev=EXTREMITY_KEV)
    targets = points_of(case.meshes[BONE_NAME])[::20]
    start = _wrong_start(truth, bone.centre_lps, generator)
    say(f"{name}: registering with two views", 0.3)
    both = _register(folder / "registration_2_views", (bone, rest), radiographs, start, truth, targets)
    say(f"{name}: registering with one view", 0.6)
    single = _register(folder / "registration_1_view", (bone, rest), radiographs[:1], start, truth, targets)
    say(f"{name}: comparing with the truth", 0.85)
    found = transformed(_ct_surface(case), both.result.pose.matrix)
    true_surface = transformed(case.meshes[BONE_NAME], truth.matrix)
    names = (f"{BONE_NAME}, true pose", f"{BONE_NAME} of the CT, registered pose")
    comparison = compare(true_surface, found, synthetic=True, names=names)
    files |= write_comparison(comparison, folder / "evaluation", range_mm=2.0, side=case.shape.side)
    files["scene"] = _write_scene(folder, case, radiographs, both, true_surface, comparison)
    return DemoPerson(name, (both, single), comparison, files)


def _random_pose(generator: np.random.Generator) -> RigidPose:
    turn = generator.uniform(-POSED_DEG, POSED_DEG, 3)
    return RigidPose.from_rotation(turn, generator.uniform(-POSED_MM, POSED_MM, 3))


def _wrong_start(truth: RigidPose, centre: FloatArray, generator: np.random.Generator) -> RigidPose:
    axis, direction = (v / np.linalg.norm(v) for v in generator.normal(size=(2, 3)))
    return RigidPose.from_rotation(START_DEG * axis, START_MM * direction, truth.apply(centre)) @ truth


def _expose(case: PhantomCase, pose: RigidPose, view: str, seed: tuple[int, ...]) -> Radiograph:
    return simulate_radiograph(
        case.ct,
        wrist_camera(view, side=case.shape.side),
        pose,
        seed=seed,
        view=view,
        laterality=case.shape.side[0].upper(),
        name=f"{case.name} {view} (synthetic)",
    )


def _register(
    folder: Path,
    parts: tuple[Attenuation, Attenuation],
    radiographs: Sequence[Radiograph],
    start: RigidPose,
    truth: RigidPose,
    targets: FloatArray,
) -> DemoRegistration:
    """Register a bone in its surroundings, write what ``xrayto3d register`` writes, and measure against the truth."""
    from XRayTo3DLib.registration.register import register

    bone, surroundings = parts
    result = register(bone, radiographs, start, surroundings=surroundings)
    files = {"pose": folder / "pose.tfm", "registration": folder / "registration.json", "start": folder / "start.tfm"}
    result.pose.save(files["pose"])
    start.save(files["start"])
    result.save(files["registration"])
    for radiograph in radiographs:
        path = folder / f"overlay_{radiograph.view}.png"
        write_bytes(path, registration_overlay(radiograph, bone, result.pose, start))
        files[f"overlay_{radiograph.view}"] = path
    error = result.pose.apply(targets) - truth.apply(targets)
    along = radiographs[0].camera.view_direction
    in_plane = error - (error @ along)[:, None] * along
    return DemoRegistration(
        views=tuple(r.view for r in radiographs),
        result=result,
        start_mm=start.mean_target_error(truth, targets),
        mtre_mm=float(np.linalg.norm(error, axis=1).mean()),
        in_plane_mm=float(np.linalg.norm(in_plane, axis=1).mean()),
        files=files,
    )


def _ct_surface(case: PhantomCase) -> vtkPolyData:
    """The bone as a user has it: extracted from the CT's label map, in CT coordinates."""
    return surface_from_labels(case.ct.labels, case.ct.voxel_to_lps, case.ct.label_value(BONE_NAME))


def _write_scene(
    folder: Path,
    case: PhantomCase,
    radiographs: Sequence[Radiograph],
    registration: DemoRegistration,
    truth: vtkPolyData,
    comparison: Comparison,
) -> Path:
    """A Slicer scene with the radiographs in place, the true bone, and the registered one with its distances."""
    scene = SceneFile(folder / "scene", case.name, synthetic=True)
    for radiograph in radiographs:
        scene.add_radiograph(radiograph)
    pose = scene.add_transform(registration.result.pose, "CT pose (registered)")
    scene.add_volume(folder / "case" / "ct.nrrd", "CT", parent=pose)
    scene.add_model(truth, f"{BONE_NAME}, true pose", BONE, opacity=0.35)
    scene.add_model(
        comparison.distance_map, f"{BONE_NAME}, registered", scalars="SurfaceDistance_mm", scalar_range=(0.0, 2.0)
    )
    scene.save()
    return scene.save_bundle()
