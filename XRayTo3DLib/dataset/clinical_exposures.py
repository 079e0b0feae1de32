"""SYNTHETIC radiographs of a data set's people as a clinic hands them over, with cameras that are believed a bit wrong.

Nothing in them comes from a projector that a method of ours fits with: whole CTs with soft tissue and carpals are
traced ray by ray, hardness, scatter, noise, gain, blades and a marker are drawn at random (``actual_radiograph``), the
limb is held at random, and what is told of each camera is not where it was. The world of all pictures is the person's
reconstruction frame (a left limb seen as a right one).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.dataset.actual_radiograph import ActualOptions, actual_radiograph, registration_drr
from XRayTo3DLib.dataset.canonical_view import CanonicalView
from XRayTo3DLib.dataset.dataset_folder import DatasetCase
from XRayTo3DLib.dataset.exposure_ranges import PoseRange
from XRayTo3DLib.dataset.prepared import truth_meshes
from XRayTo3DLib.dataset.prepared_files import PreparedCases, prepared_file
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.imaging.types import IntensityNote, Radiograph, SpacingSource
from XRayTo3DLib.projection.engines import Engine
from XRayTo3DLib.shape.meshes import transformed

SDD_MOVES = ("source", "detector")
FLAT_HAND = PoseRange((1.5, 5.0, 5.0), (1.0, 1.0, 1.0), "normal")
"""How wrists are held: standard deviations, degrees about and mm along x (radial), y (dorsal), z (distal)."""


@dataclass(frozen=True)
class ClinicalOptions:
    """What is shown and how wrong it is believed to be.

    Attributes:
        camera_turn_deg: Every view's whole camera, source and detector, is believed turned by this angle about an axis
            of random direction through the origin of the reconstruction frame, degrees.
        sdd_error: And its source-detector distance wrong by this share, longer or shorter at random.
        sdd_moves: What that moves, along the detector's normal. "source": bones and detector are where they are, the
            tube is nearer or farther (with a source at 955 of 1194 mm, 1 % of the distance changes magnification by
            0.2 %). "detector": tube and bones are where they are, the detector is nearer or farther, and the picture
            is as much too large or too small (1 %).
        pixels: Columns and rows of the pictures.
        pixel_mm: Pitch at the middle of the bones, mm.
        source_mm: Source to the frame's origin, mm.
        pose: How the limb is held.
        radiograph: Tissue, hardness, scatter, noise, curve, blades, marker.

    Raises:
        InputError: Numbers that cannot be.
    """

    camera_turn_deg: float = 1.0
    sdd_error: float = 0.01
    sdd_moves: str = "source"
    pixels: int = 240
    pixel_mm: float = 0.4
    source_mm: float = 955.0
    pose: PoseRange = FLAT_HAND
    radiograph: ActualOptions = field(default_factory=ActualOptions)

    def __post_init__(self) -> None:
        if not (0 <= self.camera_turn_deg <= 45 and 0 <= self.sdd_error <= 0.2):
            raise InputError("clinical exposures: camera_turn_deg goes from 0 to 45, sdd_error from 0 to 0.2.")
        if self.sdd_moves not in SDD_MOVES:
            raise InputError(f"clinical exposures: sdd_moves is {' or '.join(SDD_MOVES)}, not {self.sdd_moves!r}.")


@dataclass(frozen=True, eq=False)
class ClinicalExposure:
    """One person's radiographs, and what is true.

    Attributes:
        id: Of the case.
        patient: Whose.
        radiographs: In the order of the views; their cameras are where they are BELIEVED to be, in the reconstruction
            frame, mm.
        cameras: Where they were, likewise.
        bones: True surfaces by name in the same frame, mm.
        held: Anatomical to reconstruction frame.
        case: The person.
    """

    id: str
    patient: str
    radiographs: tuple[Radiograph, ...]
    cameras: tuple[XRayCamera, ...]
    bones: dict[str, vtkPolyData]
    held: RigidPose
    case: DatasetCase

    def only(self, views: Sequence[str]) -> ClinicalExposure:
        """The same exposure with these views, in this order.

        Raises:
            InputError: A view that was not exposed.
        """
        known = [each.view for each in self.radiographs]
        if not views or not set(views) <= set(known):
            raise InputError(f"clinical exposures: {', '.join(views) or 'no view'} asked of {', '.join(known)}.")
        places = [known.index(view) for view in views]
        return replace(
            self,
            radiographs=tuple(self.radiographs[place] for place in places),
            cameras=tuple(self.cameras[place] for place in places),
        )

    def bone_drrs(self, engine: Engine = "auto") -> tuple[Radiograph, ...]:
        """The same views, cameras believed equally wrong, of the segmented bones alone: what a perfect translation is.

        Raises:
            InputError: The case cannot be prepared.
        """
        prepared = PreparedCases([prepared_file(self.case)])[0]
        back = prepared.frame.to_lps @ self.held.inverse().matrix
        note = IntensityNote("line-integral", None, True, "Simulated: bones alone.")
        return tuple(
            replace(
                each,
                pixels=registration_drr(prepared, camera.moved(back), RigidPose.identity(), engine),
                intensity=note,
                name=f"{each.view} bones alone (synthetic)",
            )
            for each, camera in zip(self.radiographs, self.cameras, strict=True)
        )


def clinical_exposure(
    case: DatasetCase,
    views: Sequence[str],
    centre_mm: Sequence[float],
    options: ClinicalOptions | None = None,
    seed: int = 0,
    number: int = 0,
    engine: Engine = "auto",
) -> ClinicalExposure:
    """Expose a person. The same seed, number and view give the same picture, whatever other views are asked for.

    Args:
        case: Whose CT should hold soft tissue.
        views: "PA", "LAT", ... in the order wanted.
        centre_mm: (3,) middle of what is shown, in the reconstruction frame, mm.
        options: What is shown and how wrong it is believed to be.
        seed: Of everything drawn.
        number: Of the case, for the same.
        engine: Of the projector.

    Raises:
        InputError: No view or an unknown one, or a case that cannot be read.
    """
    options = options or ClinicalOptions()
    if not views:
        raise InputError("clinical exposures: name at least one view.")
    ct = case.ct()
    prepared = PreparedCases([prepared_file(case)])[0]
    held = options.pose.draw(np.random.default_rng([seed, number, 0]))
    back = prepared.frame.to_lps @ held.inverse().matrix
    radiographs, cameras = [], []
    for view in views:
        canonical = CanonicalView(view, options.pixels, options.pixel_mm, options.source_mm, tuple(centre_mm))
        camera, drawn = canonical.camera(), [seed, number, *view.encode()]
        believed = believed_camera(camera, options, np.random.default_rng([*drawn, 1]))
        picture = actual_radiograph(
            ct, camera.moved(back), RigidPose.identity(), options.radiograph, [*drawn, 2], view=view,
            laterality="R" if case.side == "right" else "L" if case.side == "left" else "",
            name=f"{view} (synthetic)", engine=engine,
        )  # fmt: skip
        radiographs.append(replace(picture, camera=believed, spacing_source=SpacingSource.DETECTOR, synthetic=True))
        cameras.append(camera)
    bones = {name: transformed(mesh, held.matrix) for name, mesh in truth_meshes(case).items()}
    return ClinicalExposure(case.id, case.patient, tuple(radiographs), tuple(cameras), bones, held, case)


def believed_camera(camera: XRayCamera, options: ClinicalOptions, rng: np.random.Generator) -> XRayCamera:
    """Where a camera in the reconstruction frame is believed to be; see :class:`ClinicalOptions`."""
    axis = rng.normal(size=3)
    turn = RigidPose.from_rotation(options.camera_turn_deg * axis / np.linalg.norm(axis), [0, 0, 0], [0, 0, 0])
    turned = camera.moved(turn.matrix)
    longer = float(rng.choice([-1.0, 1.0])) * options.sdd_error * turned.sdd * _along_beam(turned)
    if options.sdd_moves == "source":
        return replace(turned, source=turned.source - longer)
    return replace(turned, origin=turned.origin + longer)


def _along_beam(camera: XRayCamera) -> FloatArray:
    """(3,) the detector's normal, from the source to the detector."""
    return camera.normal * np.sign(camera.normal @ (camera.origin - camera.source))
