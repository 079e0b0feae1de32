"""Radiographs of a data set with the DRRs of the bones registered to them: what image translation learns from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.dataset.actual_radiograph import ActualOptions, actual_radiograph, registration_drr
from XRayTo3DLib.dataset.canonical_view import OBJECT_DETECTOR_MM, CanonicalView
from XRayTo3DLib.dataset.dataset_folder import DatasetCase, DatasetFolder
from XRayTo3DLib.dataset.exposure_ranges import PoseRange
from XRayTo3DLib.dataset.phantoms.exposures import FIELD_MM, SDD_MM
from XRayTo3DLib.dataset.places import view_folder
from XRayTo3DLib.dataset.prepared import PreparedCase
from XRayTo3DLib.dataset.prepared_files import prepared_file, read_prepared
from XRayTo3DLib.dataset.voxel_grid import WRIST_CENTRE_MM
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import written_together
from XRayTo3DLib.files.unfinished import remove_abandoned, whole_folder
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.geometry.anatomical_frame import MIRROR
from XRayTo3DLib.geometry.calibration import VIEWS, standard_camera
from XRayTo3DLib.imaging.radiograph_header import write_radiograph
from XRayTo3DLib.imaging.radiograph_reader import open_any, read_radiograph
from XRayTo3DLib.imaging.types import CtVolume, IntensityNote, Radiograph
from XRayTo3DLib.registration.result import RegistrationResult, Review, Verdict, read_registration, recorded_pose

HELD = PoseRange((1.5, 5.0, 5.0), (4.0, 1.0, 4.0), "normal")
"""How people are held whose radiographs are simulated: standard deviations about the ideal view. The hand lies flat on
the cassette: it hardly tilts towards the tube, and its distance is known."""
OTHER_SIDE = {"LAT": "RL", "LL": "RL", "RL": "LL"}
"""Views of a left limb that, mirrored, are those of a right one."""


@dataclass(frozen=True, eq=False)
class ViewPair:
    """A radiograph and where a case's bones lie in it.

    Attributes:
        case: The bones.
        radiograph: The picture.
        pose: CT to world, LPS mm: an accepted registration.
        drr: (rows, columns) float32 line integrals of the bones alone, before the same camera.
    """

    case: PreparedCase
    radiograph: Radiograph
    pose: RigidPose
    drr: NDArray[np.float32]

    @property
    def frame_to_world(self) -> RigidPose:
        """The case's anatomical frame (before mirroring) in the radiograph's world, LPS mm."""
        return self.pose @ self.case.frame.rigid

    def canonical(
        self,
        view: CanonicalView,
        object_detector_mm: float = OBJECT_DETECTOR_MM,
        up: tuple[float, float] = (0.0, -1.0),
    ) -> CanonicalPair:
        """Both pictures as a network sees them, framed by the articular centre's pixel alone, as a new patient's are.

        Args:
            view: The view.
            object_detector_mm: Assumed distance of the articular centre from the detector, mm.
            up: Direction (columns, rows) in the radiograph that points distally along the bone.

        Raises:
            InputError: The radiograph is of another view.
        """
        camera, mirrored = self.radiograph.camera, self.case.frame.mirrored
        frame = view.frame_from_landmark(
            camera,
            camera.project(self.frame_to_world.translation),
            object_detector_mm=object_detector_mm,
            up=up,
            shows_first=_side_of(view, camera, self.frame_to_world),
            mirrored=mirrored,
        )
        held = frame.inverse().matrix @ self.frame_to_world.matrix
        bones = replace(self.radiograph, pixels=self.drr)
        return CanonicalPair(
            view.resampled(self.radiograph, frame, mirrored),
            view.resampled(bones, frame, mirrored),
            RigidPose(MIRROR @ held @ MIRROR if mirrored else held),
            frame,
        )


@dataclass(frozen=True, eq=False)
class CanonicalPair:
    """A pair in the canonical view.

    Attributes:
        image: (N, N) float32, the radiograph.
        drr: (N, N) float32, its bones alone.
        pose: The case's anatomical frame in the reconstruction frame, mm: how the person was held.
        frame_to_world: The reconstruction frame (before mirroring) in the radiograph's world, LPS mm.
    """

    image: NDArray[np.float32]
    drr: NDArray[np.float32]
    pose: RigidPose
    frame_to_world: RigidPose


def write_pairs(
    dataset: DatasetFolder,
    views: Sequence[str] = ("PA",),
    *,
    split: str | None = None,
    options: ActualOptions | None = None,
    pose: PoseRange = HELD,
    pixel_mm: float = 0.4,
    seed: int = 0,
    report: Callable[[str, float], None] | None = None,
) -> None:
    """Simulate "actual" radiographs of a data set's people, SYNTHETIC, each with its true pose.

    Every case gets ``views/<view>/`` with radiograph.nrrd, camera.json, drr.nrrd, pose.tfm and a registration.json that
    is accepted by "simulation". What is drawn depends on seed, case and view alone.

    Args:
        dataset: Its CTs should have soft tissue.
        views: "PA", "LAT", ...
        split: "train", "test" or ``None`` for all.
        options: What radiographs differ in.
        pose: How people are held.
        pixel_mm: Pixel pitch on the detector.
        seed: Of everything drawn.
        report: Called with (case id, share done).

    Raises:
        InputError: A case that cannot be prepared, or an unknown view.
    """
    remove_abandoned(dataset.folder, below=True)
    cases = dataset.cases(split)
    for number, case in enumerate(cases, 1):
        prepared, ct = read_prepared(prepared_file(case)), case.ct()
        for view in views:
            write_pair(case, view, _simulated_pair(prepared, ct, view, options, pose, pixel_mm, seed))
        if report is not None:
            report(case.id, number / len(cases))


def _simulated_pair(
    case: PreparedCase,
    ct: CtVolume,
    view: str,
    options: ActualOptions | None,
    held: PoseRange,
    pixel_mm: float,
    seed: int,
) -> ViewPair:
    seeds = [seed, *case.id.encode(), *view.encode()]
    mirrored = case.frame.mirrored
    camera = _camera(view, mirrored, pixel_mm)
    motion = held.draw(np.random.default_rng([*seeds, 2])).matrix
    pose = RigidPose(MIRROR @ motion @ MIRROR if mirrored else motion) @ case.frame.rigid.inverse()
    names = {"view": view, "laterality": "L" if mirrored else "R", "name": f"{case.id} {view} (synthetic)"}
    radiograph = actual_radiograph(ct, camera, pose, options, seeds, **names)
    return ViewPair(case, radiograph, pose, registration_drr(case, camera, pose))


def write_pair(case: DatasetCase, view: str, pair: ViewPair) -> None:
    """Write one simulated pair into ``views/<view>/`` of its case, all files together.

    Raises:
        InputError: There is a radiograph that is not simulated.
    """
    place = view_folder(case.folder, view.lower())
    if (place / "radiograph.nrrd").exists():
        saved = open_any(place / "radiograph.nrrd").saved
        if saved is None or not saved.synthetic:
            raise InputError(
                f"case {case.id}, view {view.lower()}: there is a real radiograph, which no simulated one replaces; "
                f"simulate another view, or use the real ones with --registered."
            )
    radiograph, centre = pair.radiograph, pair.case.frame.points_to_lps(WRIST_CENTRE_MM)
    with written_together(place, "registration.json") if place.exists() else whole_folder(place) as new:
        radiograph.camera.save(new / "camera.json")
        write_radiograph(radiograph, new / "radiograph.nrrd")
        _write_drr(pair, new)
        write_true_pose(new, pair.pose, centre, radiograph.name, gradient_correlation(radiograph, pair.drr))


def write_true_pose(place: Path, pose: RigidPose, centre: Any, name: str, similarity: float) -> None:
    """Write ``pose.tfm`` and a ``registration.json`` accepted by "simulation" into a view's folder.

    Args:
        place: ``views/<view>``.
        pose: CT to world, LPS mm: the pose the radiograph was simulated in.
        centre: (3,) the bones' centre in the CT, LPS mm.
        name: Of the radiograph.
        similarity: Gradient correlation in this pose.
    """
    pose.save(place / "pose.tfm")
    result = RegistrationResult(
        pose=pose,
        initial=pose,
        centre=centre,
        view_names=(name,),
        similarity=(similarity,),
        initial_similarity=(similarity,),
        verdict=Verdict.CONVERGED,
        reason="The pose is known: the radiograph was simulated in it.",
        trace=(),
        starts=0,
        agreeing=0,
        seconds=0.0,
        synthetic=True,
    )
    result.save(place / "registration.json", review=Review.ACCEPTED, reviewer_role="simulation")


def read_pair(case: DatasetCase, view: str, prepared: PreparedCase | None = None) -> ViewPair:
    """The radiograph of a view and the DRR of the bones as its accepted registration has placed them.

    Args:
        case: The case on disk.
        view: "PA", "LAT", ...: the folder under ``views/``.
        prepared: Its bones, prepared now if ``None``.

    Raises:
        InputError: A file is missing, or the registration was not accepted.
    """
    try:
        place = view_folder(case.folder, view.lower())
        pose = accepted_pose(place)
        camera = XRayCamera.load(place / "camera.json")
        radiograph = read_radiograph(place / "radiograph.nrrd", camera=camera)
    except InputError as error:
        raise case.refused(error) from error
    bones = prepared or read_prepared(prepared_file(case))
    return ViewPair(bones, radiograph, pose, registration_drr(bones, camera, pose))


def write_registered_drrs(
    dataset: DatasetFolder,
    views: Sequence[str] = ("PA",),
    *,
    split: str | None = None,
    report: Callable[[str, float], None] | None = None,
) -> tuple[list[str], dict[str, str]]:
    """Draw the bones of accepted registrations: ``drr.nrrd`` beside each radiograph, to look at.

    Training reads radiograph, camera and pose and draws the bones itself.

    Args:
        dataset: With radiographs that were registered.
        views: "PA", "LAT", ...
        split: "train", "test" or ``None`` for all.
        report: Called with (case id, share done).

    Returns:
        "case view" of all pairs, and by "case view" why the others are none.
    """
    cases, done, others = dataset.cases(split), [], {}
    for number, case in enumerate(cases, 1):
        for view in views:
            name = f"{case.id} {view.lower()}"
            try:
                place = view_folder(case.folder, view.lower())
                if not place.is_dir():
                    raise InputError(f"case {case.id}: there is no view {view.lower()}; add a radiograph.")
                pair = read_pair(case, view)
                _write_drr(pair, place)
                done.append(name)
            except InputError as error:
                others[name] = str(error)
        if report is not None:
            report(case.id, number / len(cases))
    return done, others


def _write_drr(pair: ViewPair, place: Path) -> None:
    bones = IntensityNote("line-integral", None, True, "DRR of the segmented bones alone.")
    write_radiograph(replace(pair.radiograph, pixels=pair.drr, intensity=bones), place / "drr.nrrd")


def accepted_pose(place: Path) -> RigidPose:
    """CT to world, LPS mm: the registration of a view's folder.

    Raises:
        InputError: A file is missing, the registration was not accepted, or another pose was.
    """
    content = read_registration(place / "registration.json")
    status = (content.get("review") or {}).get("status")
    if status not in (Review.ACCEPTED.value, Review.ADJUSTED.value):
        raise InputError(f"the registration of view {place.name.upper()} is {status}; look at it and accept it first.")
    return recorded_pose(place, content)


def _camera(view: str, mirrored: bool, pixel_mm: float) -> XRayCamera:
    """A wrist exposure in the anatomical frame before mirroring, for which a left and a right limb look alike.

    The articular centre lies :data:`OBJECT_DETECTOR_MM` before the detector.
    """
    name = OTHER_SIDE.get(view, view) if mirrored else view
    if name not in VIEWS:
        raise InputError(f"view {view!r} is not known; use one of {', '.join(VIEWS)}.")
    centre, beam = WRIST_CENTRE_MM * np.array([-1.0 if mirrored else 1.0, 1.0, 1.0]), np.array(VIEWS[name][0])
    size = (round(FIELD_MM[0] / pixel_mm), round(FIELD_MM[1] / pixel_mm))
    return standard_camera(
        SDD_MM,
        (pixel_mm, pixel_mm),
        size,
        source_isocentre=SDD_MM - OBJECT_DETECTOR_MM,
        view=name,
        isocentre=centre - beam * (beam @ centre),
    )


def _side_of(view: CanonicalView, camera: XRayCamera, frame_to_world: RigidPose) -> str:
    """On which side the picture shows +x (PA, AP) or +y (LAT) of the anatomical frame."""
    column = frame_to_world.rotation @ view.camera().column_direction
    return "right" if float(column @ camera.column_direction) > 0 else "left"


def gradient_correlation(radiograph: Radiograph, drr: NDArray[np.floating]) -> float:
    """Gradient correlation (-1 to 1) of a radiograph with a DRR (rows, columns), where the DRR shows anything."""
    import torch

    from XRayTo3DLib.registration.similarity import GradientCorrelation

    target, picture = torch.from_numpy(radiograph.pixels), torch.from_numpy(drr.astype(np.float32))
    weight = (picture > 0).float()
    return float(GradientCorrelation(target, weight)(picture[None])[0])
