"""Bones followed through a sequence (fluoroscopy, biplane video): each frame starts where the last ones point."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.imaging.types import Radiograph
from XRayTo3DLib.registration.levels import Poses
from XRayTo3DLib.registration.options import RegistrationOptions
from XRayTo3DLib.registration.register import Registration
from XRayTo3DLib.registration.result import RegistrationResult

LOST_BELOW = 0.8
"""A frame whose similarity is below this share of the median so far is searched anew from the last poses."""


@dataclass(frozen=True)
class TrackedFrame:
    """One frame of a sequence.

    Attributes:
        index: Its number, from 0.
        results: Per bone.
        searched: Whether a new search was needed: the first frame, and where the bones had been lost.
        similarity: Mean over the views.
    """

    index: int
    results: list[RegistrationResult]
    searched: bool
    similarity: float


def track(
    bones: Any,
    frames: Iterable[Sequence[Radiograph]],
    initial: Any,
    options: RegistrationOptions | None = None,
    **arguments: Any,
) -> Iterator[TrackedFrame]:
    """Follow bones through frames; yields every frame when it is done.

    The first frame is registered in full. Every other starts at constant velocity (each body's last motion once more)
    and from where it was, takes the better, and is only refined; if the bones are lost it is searched in full from the
    last poses.

    Args:
        bones: As in :class:`Registration`.
        frames: Per frame its radiographs, calibrated to each other, in order; may be read one at a time.
        initial: Rough pose(s) in the first frame.
        options: Of the full search; frames are refined at its pixel sizes after the first.
        arguments: ``device``, ``engine``, ``surroundings``, ``names`` of :class:`Registration`.

    Raises:
        InputError: No frame at all, or what :class:`Registration` refuses.
    """
    first: Registration | None = None
    path: list[Poses] = []
    heights: list[float] = []
    for index, radiographs in enumerate(frames):
        if first is None:
            registration = first = _finished(Registration(bones, radiographs, initial, options, **arguments))
            searched = True
        else:
            registration = _refined(first, radiographs, _guesses(path))
            searched = registration.result.mean_similarity < LOST_BELOW * float(np.median(heights))
            if searched:
                again = _finished(first.searched_on(radiographs, path[-1][-len(registration.results) :]))
                registration = max(registration, again, key=lambda each: each.result.mean_similarity)
        path.append(registration.poses)
        heights.append(registration.result.mean_similarity)
        yield TrackedFrame(index, registration.results, searched, heights[-1])
    if first is None:
        raise InputError("tracking needs at least one frame.")


def _guesses(path: Sequence[Poses]) -> list[Poses]:
    """Where the bodies may be next: moving on as before, or resting."""
    if len(path) < 2:
        return [path[-1]]
    onward = tuple(
        RigidPose(now.matrix @ before.inverse().matrix @ now.matrix)
        for now, before in zip(path[-1], path[-2], strict=True)
    )
    return [onward, path[-1]]


def _refined(first: Registration, radiographs: Sequence[Radiograph], guesses: Sequence[Poses]) -> Registration:
    """The best refinement; a guess that left the picture counts only where no other is."""
    found: list[Registration] = []
    for number, poses in enumerate(guesses, start=1):
        try:
            found.append(_finished(first.refined_on(radiographs, poses)))
        except InputError:
            if number == len(guesses) and not found:
                raise
    return max(found, key=lambda each: each.result.mean_similarity)


def _finished(registration: Registration) -> Registration:
    for _ in registration.steps():
        pass
    return registration
