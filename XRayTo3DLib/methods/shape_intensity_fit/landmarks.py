"""Landmarks that a bundle's shape models carry, learnt from the people the models are made of."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.dataset.dataset_folder import DatasetCase
from XRayTo3DLib.dataset.prepared import PreparedCase
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.measurements import CarriedLandmarks, arrays_of, landmarks_from, learn_from_people, person_landmarks
from XRayTo3DLib.shape.meshes import points_of, triangles_of
from XRayTo3DLib.shape.shape_intensity_building import BuiltModel

BONES = "landmarks"
"""Array that names the bones with landmarks, and whether it is known how far they are off; a bundle made before there
were any does not have it."""
UNKNOWN = "covariance"
PARTS = ("vertices", "weights", UNKNOWN, "mean", "header")


def learnt_landmarks(
    people: Sequence[tuple[DatasetCase, PreparedCase]],
    shapes: Mapping[str, FloatArray],
    models: Mapping[str, BuiltModel],
    anatomy: str,
) -> tuple[dict[str, CarriedLandmarks], str]:
    """Landmarks by bone for models to carry; none, and why, where people do not have them.

    From a handful of people it is not known how far they are off.

    Args:
        people: Whom the models are made of.
        shapes: By bone (N, n, 3) mm, those people in correspondence, in the frame.
        models: Made of them.
        anatomy: A name in ``measurements.MEASURERS``; of others there are none.
    """
    known = []
    for case, prepared in people:
        try:
            known.append(_of_person(case, prepared, anatomy))
        except InputError as error:
            return {}, f"case {case.id}: {error}"
    poses = {label: _poses(built) for label, built in models.items()}
    aligned = {
        label: np.stack(
            [pose.inverse().apply(points) for pose, points in zip(poses[label], shapes[label], strict=True)]
        )
        for label in models
    }
    own = [
        {
            label: {name: poses[label][number].inverse().apply(point) for name, point in landmarks.items()}
            for label, landmarks in each.items()
            if label in models
        }
        for number, each in enumerate(known)
    ]
    learnt: dict[str, CarriedLandmarks] = {}
    for label, built in models.items():
        learnt |= learn_from_people({label: aligned[label]}, own, built.model.shape.size)
    return learnt, "" if learnt else f"nothing is measured on the anatomy {anatomy!r} by carried landmarks"


def _of_person(case: DatasetCase, prepared: PreparedCase, anatomy: str) -> dict[str, dict[str, FloatArray]]:
    """A person's landmarks by bone, in the frame."""
    bones = {label: (points_of(mesh), triangles_of(mesh)) for label, mesh in case.meshes().items()}
    given = case.landmarks() if case.landmarks_path.is_file() else {}
    found = person_landmarks(bones, given, anatomy)
    return {
        label: {name: prepared.frame.points_from_lps(point) for name, point in landmarks.items()}
        for label, landmarks in found.items()
    }


def _poses(built: BuiltModel) -> list[RigidPose]:
    """From the model to each person it was made of."""
    assert built.people is not None  # just made
    middle = built.model.shape.mean.mean(axis=0)
    return [RigidPose.from_rotation(each[:3], each[3:6], middle) for each in built.people]


def landmark_arrays(landmarks: Mapping[str, CarriedLandmarks]) -> dict[str, NDArray[Any]]:
    """What a bundle keeps of them, by name; inverse of :func:`landmarks_of`."""
    known = {label: bool(np.isfinite(carried.covariance).all()) for label, carried in landmarks.items()}
    arrays: dict[str, NDArray[Any]] = {BONES: np.frombuffer(json.dumps(known).encode(), dtype=np.uint8).copy()}
    for label, carried in landmarks.items():
        kept = {name: array for name, array in arrays_of(carried).items() if known[label] or name != UNKNOWN}
        arrays |= {_key(label, name): array for name, array in kept.items()}
    return arrays


def landmarks_of(arrays: Callable[[str], NDArray[Any]]) -> dict[str, CarriedLandmarks]:
    """Landmarks by bone from a bundle's arrays; none of a bundle that was made before there were any.

    Raises:
        InputError: Arrays that do not fit together.
    """
    try:
        names = arrays(BONES)
    except InputError:  # no such array
        return {}
    known = json.loads(np.asarray(names).astype(np.uint8).tobytes().decode())
    found = {}
    for label, errors in known.items():
        parts = {name: arrays(_key(label, name)) for name in PARTS if errors or name != UNKNOWN}
        if not errors:
            parts[UNKNOWN] = np.full((3 * len(parts["vertices"]),) * 2, np.nan)
        found[label] = landmarks_from(parts, f"landmarks of {label}")
    return found


def _key(label: str, name: str) -> str:
    return f"landmarks-{label}-{name}".lower().replace("_", "-")
