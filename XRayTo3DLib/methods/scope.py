"""What a model was made for, and in what radiographs it is asked for something else; said before and in the result.

Nothing here needs pixels or torch: a panel can ask while somebody chooses.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.dataset.canonical_view import CanonicalView, frame_matrix
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.imaging.types import Radiograph
from XRayTo3DLib.methods.catalogue import checked
from XRayTo3DLib.methods.registry import TRANSLATIONS
from XRayTo3DLib.refinement.quality import Finding

SHAPE_MODELS = "shape-intensity-fit"
CALIBRATED = ("biplanar", SHAPE_MODELS)
"""Methods that are told where the cameras truly were."""
LATERALS = ("LAT", "LL", "RL")
SIDES = {"L": "left", "R": "right"}
DISTANCE_SHARE = 0.10
"""Of the source's distance: a bone 25 mm off the joint is then shown 0.3 % too large or too small."""
COARSER, SHOWN_SHARE = 1.5, 0.9
LEAST_ANGLE_DEG = 5.0
DEVIATIONS = 3.0
"""Of a normal distribution: beyond it hardly anybody was held in training."""
SAME_CAMERA_MM = 0.1
SAMPLES = 16
OPAQUE, MORE_OPAQUE, AROUND_MM = 0.3, 1.3, 4.0
"""Line integral of 15 mm of soft tissue at 60 keV; how much more of a picture than the mean shape's bones, with so much
around them, may be as opaque. Bare phantoms of wrist and knee: 0.84 to 0.99 times; with soft tissue: 1.5 to 2.2."""
SHOWN_IN = {
    "WRIST": ("wrist", "forearm", "radius", "ulna"),
    "FOREARM": ("wrist", "forearm", "radius", "ulna"),
    "HAND": ("wrist", "forearm", "hand"),
    "KNEE": ("knee", "tibia", "patella", "fibula"),
    "HIP": ("hip", "pelvis"),
    "PELVIS": ("hip", "pelvis"),
    "FEMUR": ("femur", "hip", "knee"),
    "THIGH": ("femur", "hip", "knee"),
    **dict.fromkeys(("CHEST", "SKULL", "HEAD", "ABDOMEN", "CSPINE", "TSPINE", "LSPINE", "SPINE"), ()),
    **dict.fromkeys(("ANKLE", "FOOT", "SHOULDER", "ELBOW", "HUMERUS", "CLAVICLE", "LEG"), ()),
}
"""Body parts that DICOM files name (0018,0015), and words one of which a model of that part has in anatomy or bones."""


@dataclass(frozen=True)
class Expected:
    """What a model was trained for.

    Attributes:
        anatomy: In words.
        labels: Its bones.
        views: Its canonical views in their order; empty for a model of any views.
        turned_deg: How far off its view a beam may be that the training has seen, degrees.
        bones_alone: Whether it knows pictures of bones alone.
        synthetic: Whether it learnt from made-up people or simulated radiographs.
        calibrated: Whether it is told where the cameras truly were.
        view: The one view's name of a model without canonical views ("AP"), "".
    """

    anatomy: str
    labels: tuple[str, ...]
    views: tuple[CanonicalView, ...]
    turned_deg: float
    bones_alone: bool
    synthetic: bool
    calibrated: bool = False
    view: str = ""

    @property
    def view_names(self) -> tuple[str, ...]:
        """Names of its views; empty where any will do."""
        return tuple(each.view for each in self.views) or ((self.view,) if self.view else ())


@dataclass(frozen=True)
class Exposed:
    """What is known of a radiograph besides its pixels; see ``imaging.types.Radiograph``.

    Attributes:
        absolute: Whether its line integrals have a scale of their own.
        body_part: That its file names, one of :data:`SHOWN_IN`, or "".
    """

    name: str
    camera: XRayCamera
    view: str = ""
    laterality: str = ""
    synthetic: bool = False
    assumed_placement: bool = False
    absolute: bool = True
    body_part: str = ""

    @classmethod
    def of(cls, radiograph: Radiograph) -> Exposed:
        """Of a radiograph."""
        return cls(
            radiograph.name,
            radiograph.camera,
            radiograph.view,
            radiograph.laterality,
            radiograph.synthetic,
            radiograph.assumed_placement,
            radiograph.intensity.absolute,
            radiograph.facts.body_part,
        )


def expected_of(bundle: Any) -> Expected:
    """What a bundle says of itself.

    Args:
        bundle: A ``models.Bundle``.

    Raises:
        InputError: A configuration that cannot be read, or that is about other bones or views than the description.
    """
    return expected_by(checked(bundle.configuration), bundle.anatomy, tuple(bundle.labels), bundle.synthetic)


def expected_by(configuration: Any, anatomy: str, labels: tuple[str, ...], synthetic: bool) -> Expected:
    """The same from a configuration's dataclass."""
    data, method = configuration.data, configuration.method
    geometry = getattr(data, "geometry", None)
    if geometry is not None:
        return Expected(anatomy, labels, (), LEAST_ANGLE_DEG, False, synthetic, view=geometry.view)
    any_views = method == SHAPE_MODELS
    return Expected(
        anatomy,
        labels,
        () if any_views else tuple(data.canonical_views),
        _turned_deg(data),
        not any_views and method not in TRANSLATIONS,
        synthetic,
        method in CALIBRATED,
    )


def _turned_deg(data: Any) -> float:
    pose = getattr(data, "pose", None)
    if pose is None:
        return LEAST_ANGLE_DEG
    reach = max(pose.rotation_deg) * (DEVIATIONS if pose.distribution == "normal" else 1.0)
    return max(LEAST_ANGLE_DEG, reach) + float(data.view_turn_deg)


def outside(
    expected: Expected,
    exposed: Sequence[Exposed],
    side: str = "",
    frame_to_world: RigidPose | None = None,
    *,
    translated: bool = False,
    positioned: bool = False,
) -> tuple[Finding, ...]:
    """What of these radiographs the model was not made for; empty where it knows such.

    Args:
        expected: The model.
        exposed: The radiographs, in the order of its views.
        side: "right", "left", or "" for a model that is not told.
        frame_to_world: Where the reconstruction frame is, LPS mm; ``None`` where that is not known yet.
        translated: Whether everything but the bones is taken away before.
        positioned: Whether it is found out where the cameras stood.
    """
    found = [*_about_people(expected, exposed, side), *_about_views(expected, exposed, positioned)]
    if frame_to_world is not None and len(expected.views) == len(exposed):
        for view, each in zip(expected.views, exposed, strict=True):
            found += _about_geometry(expected, view, each, frame_to_world, side == "left")
    return (*found, *_about_pictures(expected, exposed, translated))


def bone_share(view: CanonicalView, mean_distances: NDArray[np.float32], points: NDArray[np.floating]) -> float:
    """How much of a view's picture the mean shape's bones cover, with 4 mm around them.

    Args:
        view: The view.
        mean_distances: (bones, D, H, W) signed distances, mm.
        points: (D, H, W, 3) of these voxels, mm in the frame.
    """
    near = points[(mean_distances < AROUND_MM).any(axis=0)]
    pixels = np.rint(view.camera().project(near.reshape(-1, 3))).astype(int)
    seen = np.zeros((view.size, view.size), dtype=bool)
    inside = ((pixels >= 0) & (pixels < view.size)).all(axis=1)
    seen[pixels[inside, 1], pixels[inside, 0]] = True
    return float(seen.mean())


def not_bones_alone(images: NDArray[np.float32], names: Sequence[str], shares: Sequence[float]) -> tuple[Finding, ...]:
    """Pictures of which more is opaque than bones alone can be.

    Args:
        images: (views, rows, columns) line integrals, as a model of bones alone is shown them.
        names: Of the radiographs.
        shares: Of :func:`bone_share`.
    """
    found = []
    for image, name, share in zip(images, names, shares, strict=True):
        opaque = float(np.mean(image > OPAQUE))
        if opaque > MORE_OPAQUE * share:
            text = (
                f"{name}: {100 * opaque:.0f} % of the picture are opaque, its bones would make {100 * share:.0f} %; "
                "the model knows bones alone."
            )
            found.append(Finding("not-bones-alone", text))
    return tuple(found)


# ---- inside ----------------------------------------------------------------------------------------------------------


def _about_people(expected: Expected, exposed: Sequence[Exposed], side: str) -> Iterator[Finding]:
    words = " ".join((expected.anatomy, *expected.labels)).lower()
    for each in exposed:
        known = SHOWN_IN.get(each.body_part)
        if known is not None and not any(word in words for word in known):
            text = f"{each.name} says it shows {each.body_part}; the model is of the {expected.anatomy}."
            yield Finding("other-anatomy", text)
        said = SIDES.get(each.laterality, "")
        if side and said and said != side:
            yield Finding("other-side", f"{each.name} says side {each.laterality}, but {side} was chosen.")
        if said and not side and _both_sides(expected.labels):
            yield Finding("other-side", f"{each.name} says side {each.laterality}; the model is of both sides.")


def _both_sides(labels: Sequence[str]) -> bool:
    return all(any(side in label.lower() for label in labels) for side in SIDES.values())


def same_view(shown: str, view: str) -> bool:
    """Whether a radiograph's view is what the model calls it; a lateral has three names."""
    return shown == view or (shown in LATERALS and view in LATERALS)


def _about_views(expected: Expected, exposed: Sequence[Exposed], positioned: bool) -> Iterator[Finding]:
    names = expected.view_names
    for view, each in zip(names, exposed, strict=False):
        shown = each.view.upper()
        if shown and not same_view(shown, view.upper()):
            yield Finding("other-view", f"{each.name} says view {each.view}, not {view}.")
    if names and len(names) != len(exposed):
        text = f"The model is made for {len(names)} radiograph(s), {' and '.join(names)}; {len(exposed)} are given."
        yield Finding("number-of-views", text)
    for one, other in itertools.combinations(exposed, 2):
        if one.camera.size == other.camera.size and one.camera.is_close(other.camera, SAME_CAMERA_MM):
            yield Finding("one-camera", f"{one.name} and {other.name} have one camera: they are the same view.")
    assumed = [each.name for each in exposed if each.assumed_placement]
    if assumed and len(exposed) > 1 and not positioned:
        text = f"{', '.join(assumed)}: placed by the view's name, not calibrated."
        yield Finding("not-calibrated", text)


def _about_geometry(
    expected: Expected, view: CanonicalView, each: Exposed, frame: RigidPose, mirrored: bool
) -> Iterator[Finding]:
    to_world = frame_matrix(frame, mirrored)
    centre = to_world[:3, :3] @ np.array(view.centre_mm) + to_world[:3, 3]
    distance = float(np.linalg.norm(to_world[:3, 3] - each.camera.source))
    if abs(distance / view.source_mm - 1.0) > DISTANCE_SHARE:
        text = f"{each.name}: its source is {distance:.0f} mm from the joint, the model learnt {view.source_mm:.0f} mm."
        yield Finding("distance", text)
    angle = view.beam_angle_deg(each.camera, frame, mirrored)
    off = min(angle, 180.0 - angle)
    if off > expected.turned_deg:
        text = (
            f"{each.name}: its beam is {off:.0f} degrees off the {view.view} view; the model learnt up to "
            f"{expected.turned_deg:.0f}."
        )
        yield Finding("angle", text)
    if angle > 90.0 and not expected.calibrated:
        text = f"{each.name} was exposed from behind the {view.view} view: what is near is taken for far."
        yield Finding("from-behind", text)
    pitch = max(each.camera.pixel_size_at(centre))
    if pitch > COARSER * view.pixel_mm:
        text = (
            f"{each.name}: its pixels are {pitch:.2g} mm at the bones, the model's {view.pixel_mm:.2g} mm: too coarse."
        )
        yield Finding("coarse-pixels", text)
    share = _shown_share(view, each.camera, to_world)
    if share < SHOWN_SHARE:
        text = f"{each.name} shows {100 * share:.0f} % of the field that the model looks at; the rest is left empty."
        yield Finding("field-of-view", text)


def _shown_share(view: CanonicalView, camera: XRayCamera, to_world: Any) -> float:
    """How much of the view's field lies in the picture."""
    coarse = CanonicalView(view.view, SAMPLES, view.pixel_mm * view.size / SAMPLES, view.source_mm, view.centre_mm)
    pixels = camera.project(coarse.plane_points() @ to_world[:3, :3].T + to_world[:3, 3])
    return float(np.mean(np.all((pixels >= -0.5) & (pixels <= np.array(camera.size) - 0.5), axis=-1)))


def _about_pictures(expected: Expected, exposed: Sequence[Exposed], translated: bool) -> Iterator[Finding]:
    real = [each.name for each in exposed if not each.synthetic]
    named = ", ".join(real)
    if real and expected.synthetic:
        text = f"The model learnt from simulated radiographs alone; it has never seen actual ones as {named}."
        yield Finding("actual-radiograph", text)
    if real and expected.bones_alone and not translated:
        text = f"The model knows bones alone; {named} show more, and no translation was chosen."
        yield Finding("not-translated", text)
    loose = [each.name for each in exposed if not each.absolute]
    if loose and (expected.bones_alone or expected.view) and not translated:
        text = f"{', '.join(loose)}: grey values without a scale of their own; how bright bone is misleads the model."
        yield Finding("grey-values", text)
