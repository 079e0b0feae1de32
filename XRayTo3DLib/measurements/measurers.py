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
        find: From bones and given landmarks of a person to that person's landmarks by bone, for models to carry.
        on_surface: From a bone's vertices and triangles to what finds its landmarks on these vertices, wherever they
            move: for bones whose surface itself says them.
    """

    bones: tuple[str, ...]
    function: Callable[[Mapping[str, Any]], dict[str, float]]
    definitions: Mapping[str, Definition]
    find: Callable[[Mapping[str, Surface], Mapping[str, Any]], dict[str, dict[str, FloatArray]]] | None = None
    on_surface: Callable[[Any, Any], Callable[[Any], dict[str, FloatArray]]] | None = None


def _find_forearm(bones: Mapping[str, Surface], given: Mapping[str, Any]) -> dict[str, dict[str, FloatArray]]:
    return forearm.forearm_landmarks({label: points for label, (points, _) in bones.items()}, given)


def _find_knee(bones: Mapping[str, Surface], given: Mapping[str, Any]) -> dict[str, dict[str, FloatArray]]:
    own = {name: np.asarray(given[name], dtype=np.float64) for name in femur.EPICONDYLES if name in given}
    return dict.fromkeys(bones, own)


WRIST = Measurer(("radius", "ulna"), forearm.forearm_measures, forearm.DEFINITIONS, _find_forearm)
FEMUR = Measurer(("femur",), femur.femur_measures, femur.DEFINITIONS, on_surface=femur.femur_finder)
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
        bones: By label: (n, 3) vertices where they were reconstructed, mm, or a pair of these and triangles (m, 3).
            Any pose; all bones in one frame.
        landmarks: By label: what the bone's shape model carries; then the vertices are the model's. A femur needs none
            where its triangles are given: its surface shows its landmarks. Of other bones nothing is measured without.
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
    rng, found = np.random.default_rng(seed), []
    for side, labels in _sides(measurer, bones):
        sources = [
            _source(measurer, bones[label], landmarks.get(label), (draws or {}).get(label), rng) for label in labels
        ]
        spreads = _measured(measurer, [each for each in sources if each is not None and each.mean])
        for name, spread in spreads.items():
            found.append(_measurement(f"{name}_{side}" if side else name, spread, measurer.definitions[name]))
    return tuple(found)


def person_landmarks(
    bones: Mapping[str, Surface], given: Mapping[str, Any], anatomy: str
) -> dict[str, dict[str, FloatArray]]:
    """A person's own landmarks by bone, for :func:`learn_from_people`.

    Args:
        bones: By label: the person's whole bones, vertices (n, 3) mm and triangles.
        given: Name to point (3,), mm in the same frame: what is known of the person; wrists need it
            (:func:`~XRayTo3DLib.measurements.forearm.forearm_landmarks`), knees their epicondyles.
        anatomy: A name in :data:`MEASURERS`; of another, and of femora, whose surface shows them, there are none.

    Raises:
        InputError: A landmark or bone is missing, or the landmarks cannot be found on the bone.
    """
    measurer = MEASURERS.get(anatomy)
    if measurer is None or measurer.find is None:
        return {}
    found: dict[str, dict[str, FloatArray]] = {}
    for _, labels in _sides(measurer, bones):
        found.update(measurer.find({label: bones[label] for label in labels}, given))
    return {label: names for label, names in found.items() if names}


def learn_from_people(
    shapes: Mapping[str, Any], people: Sequence[LandmarksByBone], modes: int | None = None
) -> dict[str, CarriedLandmarks]:
    """Landmarks for every bone's model to carry.

    Args:
        shapes: By label: (N, n, 3) mm, people in correspondence, as :func:`learn_landmarks` takes them.
        people: N people's landmarks by bone from :func:`person_landmarks`, in the shapes' frame and order.
        modes: How many the shape models keep, see :func:`learn_landmarks`.

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
            known = {name: [each[name] for each in own] for name in names}
            learnt[label] = learn_landmarks(points, known, label, modes)
    return learnt


@dataclass(frozen=True)
class _Source:
    """A bone's landmarks by name: (3,) on the reconstruction, (S, 3) on draws of its shape, (S, 3) own errors, mm."""

    mean: Points
    draws: Points | None
    errors: Points | None


def _source(
    measurer: Measurer, bone: Any, carried: CarriedLandmarks | None, draws: Any, rng: np.random.Generator
) -> _Source | None:
    surface = bone if isinstance(bone, tuple) else (bone, None)
    if carried is not None:
        count = DRAWS if draws is None else len(draws)
        known = bool(np.isfinite(carried.covariance).all())
        return _Source(
            carried.at(surface[0]),
            None if draws is None else carried.at(draws),
            carried.errors(surface[0], count, rng) if known else None,
        )
    if measurer.on_surface is None or surface[1] is None:
        return None
    find = measurer.on_surface(*surface)
    drawn = None if draws is None else [find(points) for points in draws[:SURFACE_DRAWS]]
    mean = find(surface[0])
    shared = [name for name in mean if drawn and all(name in each for each in drawn)]
    # Of its own surface a landmark is a part by definition: it has no error of its own.
    return _Source(
        mean, None if drawn is None else {name: np.array([each[name] for each in drawn]) for name in shared}, {}
    )


def _measured(measurer: Measurer, sources: Sequence[_Source]) -> dict[str, Spread]:
    """Of bones that are measured together; what is not known of one is not known of all."""
    if not sources:
        return {}
    mean, draws, errors = (_together([getattr(each, part) for each in sources]) for part in ("mean", "draws", "errors"))
    return measured(measurer.function, mean or {}, draws or None, errors)


def _together(parts: Sequence[Points | None]) -> Points | None:
    known = [each for each in parts if each is not None]
    return {name: point for each in known for name, point in each.items()} if len(known) == len(parts) else None


DRAWS, SURFACE_DRAWS = 200, 100
"""Draws of landmarks' errors where there are none of the shape; draws of a shape that landmarks are looked for on."""


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
