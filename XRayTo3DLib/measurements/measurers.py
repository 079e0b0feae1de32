"""What is measured on which anatomy: from bones to measurements, from people to the landmarks a model carries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.measurements import femur, forearm
from XRayTo3DLib.measurements.carried_landmarks import CarriedLandmarks, learn_landmarks
from XRayTo3DLib.measurements.propagate import Points, Spread, measured
from XRayTo3DLib.measurements.types import Definition, Measurement

Surface = tuple[Any, Any]
"""Vertices (n, 3) mm and triangles (m, 3) of a bone."""
LandmarksByBone = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Measurer:
    """How an anatomy is measured.

    Attributes:
        bones: Those that are measured together, by name without side.
        function: From landmarks by name to values by name, as many as the landmarks allow.
        definitions: Of those values.
        find: From bones and given landmarks of a person to that person's landmarks by bone.
    """

    bones: tuple[str, ...]
    function: Callable[[Mapping[str, Any]], dict[str, float]]
    definitions: Mapping[str, Definition]
    find: Callable[[Mapping[str, Surface], Mapping[str, Any]], dict[str, dict[str, FloatArray]]]


def _find_forearm(bones: Mapping[str, Surface], given: Mapping[str, Any]) -> dict[str, dict[str, FloatArray]]:
    return forearm.forearm_landmarks({label: points for label, (points, _) in bones.items()}, given)


def _find_femur(bones: Mapping[str, Surface], given: Mapping[str, Any]) -> dict[str, dict[str, FloatArray]]:
    return {label: femur.femur_landmarks(*surface) for label, surface in bones.items()}


def _find_knee(bones: Mapping[str, Surface], given: Mapping[str, Any]) -> dict[str, dict[str, FloatArray]]:
    own = {name: np.asarray(given[name], dtype=np.float64) for name in femur.EPICONDYLES if name in given}
    return dict.fromkeys(bones, own)


WRIST = Measurer(("radius", "ulna"), forearm.forearm_measures, forearm.DEFINITIONS, _find_forearm)
FEMUR = Measurer(("femur",), femur.femur_measures, femur.DEFINITIONS, _find_femur)
KNEE = Measurer(("femur",), femur.femur_measures, femur.DEFINITIONS, _find_knee)
MEASURERS: dict[str, Measurer] = {"wrist": WRIST, "femur": FEMUR, "hip": FEMUR, "hips": FEMUR, "knee": KNEE}
"""By anatomy, as configurations and bundles call it."""


def measurements_of(
    bones: Mapping[str, Any],
    landmarks: Mapping[str, CarriedLandmarks],
    draws: Mapping[str, Any] | None,
    anatomy: str,
    *,
    seed: int = 0,
) -> tuple[Measurement, ...]:
    """Measure a reconstruction.

    Args:
        bones: By label: (n, 3) vertices of the bone's shape model where they were reconstructed, mm, or these and
            triangles. Any pose; all bones in one frame.
        landmarks: By label: what the bone's model carries. A bone without is left out.
        draws: By label: (S, n, 3) mm, draws of the vertices from the posterior; number s of all bones from one draw.
            None, or a bone without draws: the uncertainty is not known.
        anatomy: A name in :data:`MEASURERS`; of another nothing is measured.
        seed: Of the draws of the landmarks' own errors.

    Returns:
        As many measurements as the bones and their landmarks allow, perhaps none.

    Raises:
        InputError: Vertices that are not those of the landmarks' model.
    """
    measurer = MEASURERS.get(anatomy)
    if measurer is None:
        return ()
    found: list[Measurement] = []
    for side, labels in _sides(measurer, bones):
        carried = {label: landmarks[label] for label in labels if label in landmarks}
        if carried:
            points = {label: _vertices(bones[label]) for label in carried}
            found += _measured(measurer, side, points, carried, draws or {}, np.random.default_rng(seed))
    return tuple(found)


def person_landmarks(
    bones: Mapping[str, Surface], given: Mapping[str, Any], anatomy: str
) -> dict[str, dict[str, FloatArray]]:
    """A person's own landmarks by bone, for :func:`learn_from_people`.

    Args:
        bones: By label: the person's whole bones, vertices (n, 3) mm and triangles.
        given: Name to point (3,), mm in the same frame: what is known of the person; wrists need it
            (:func:`~XRayTo3DLib.measurements.forearm.forearm_landmarks`), femora do not, knees their epicondyles.
        anatomy: A name in :data:`MEASURERS`; of another there are none.

    Raises:
        InputError: A landmark or bone is missing, or the landmarks cannot be found on the bone.
    """
    measurer = MEASURERS.get(anatomy)
    if measurer is None:
        return {}
    found: dict[str, dict[str, FloatArray]] = {}
    for _, labels in _sides(measurer, bones):
        found.update(measurer.find({label: bones[label] for label in labels}, given))
    return {label: names for label, names in found.items() if names}


def learn_from_people(shapes: Mapping[str, Any], people: Sequence[LandmarksByBone]) -> dict[str, CarriedLandmarks]:
    """Landmarks for every bone's model to carry.

    Args:
        shapes: By label: (N, n, 3) mm, people in correspondence, as :func:`learn_landmarks` takes them.
        people: N people's landmarks by bone from :func:`person_landmarks`, in the shapes' frame and order.

    Returns:
        By label; a bone without a landmark that everybody has is left out.

    Raises:
        InputError: Numbers of people that differ.
    """
    learnt = {}
    for label, points in shapes.items():
        if len(points) != len(people):
            raise InputError(
                f"carried landmarks of {label}: {len(points)} shapes, but landmarks of {len(people)} people."
            )
        own = [person.get(label, {}) for person in people]
        names = [name for name in own[0] if all(name in each for each in own)] if own else []
        if names:
            learnt[label] = learn_landmarks(points, {name: [each[name] for each in own] for name in names}, label)
    return learnt


def _measured(
    measurer: Measurer,
    side: str,
    points: Points,
    carried: Mapping[str, CarriedLandmarks],
    draws: Mapping[str, Any],
    rng: np.random.Generator,
) -> list[Measurement]:
    mean, drawn, errors = {}, {}, {}
    all_drawn = all(label in draws for label in carried)
    all_known = all(np.isfinite(each.covariance).all() for each in carried.values())
    count = len(draws[next(iter(carried))]) if all_drawn else ERRORS
    for label, each in carried.items():
        mean.update(each.at(points[label]))
        drawn.update(each.at(draws[label]) if all_drawn else {})
        errors.update(each.errors(points[label], count, rng) if all_known else {})
    spreads = measured(measurer.function, mean, drawn or None, errors or None)
    return [
        _measurement(f"{name}_{side}" if side else name, spread, measurer.definitions[name])
        for name, spread in spreads.items()
    ]


ERRORS = 200
"""Draws of the landmarks' errors where there are none of the shape."""


def _measurement(name: str, spread: Spread, definition: Definition) -> Measurement:
    return Measurement(
        name,
        spread.value,
        spread.sd,
        definition.unit,
        spread.interval_95,
        f"{definition.text} ({definition.source})",
        spread.sd_of_shape,
        spread.sd_of_landmarks,
    )


def _sides(measurer: Measurer, bones: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """("", ["radius", "ulna"]) or ("right", ["femur_right"]), ("left", ["femur_left"]): what is measured together."""
    sides: dict[str, list[str]] = {}
    for label in bones:
        bone, _, side = label.partition("_")
        if bone in measurer.bones and side in ("", "left", "right"):
            sides.setdefault(side, []).append(label)
    return list(sides.items())


def _vertices(bone: Any) -> FloatArray:
    return np.asarray(bone[0] if isinstance(bone, tuple) else bone, dtype=np.float64)
