"""What a registration found, and in plain words how far to trust it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np

from XRayTo3DLib import __version__
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import read_json, write_json
from XRayTo3DLib.files.json_values import check_fields, parse_json
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.registration.uncertainty import PoseUncertainty

RESULT_FORMAT = "xrayto3d.registration/1"
_REVIEW = {"status?": str, "note?": str, "by_role?": str, "date?": str}
SHAPE: dict[str, Any] = {
    "synthetic?": bool,
    "bone?": str,
    "verdict??": str,
    "reason?": str,
    "views?": [{"name?": str, "similarity?": float, "initial_similarity?": float}],
    "mean_similarity?": float,
    "pose_ct_to_world??": [[float]],
    "initial_ct_to_world?": [[float]],
    "centre_ct?": [float],
    "moved?": {"rotation_deg?": float, "centre_mm?": float},
    "uncertainty??": {"standard_deviation?": {"*": float}, "axes_world": [[float]], "covariance": [[float]]},
    "others_ct_to_world?": {"*": [[float]]},
    "starts?": int,
    "agreeing_starts?": int,
    "seconds?": float,
    "trace?": [{"stage": str, "similarity": float, "seconds": float}],
    "settings?": dict,
    "review??": _REVIEW,
    "earlier_reviews?": [_REVIEW],
}
"""Fields of a registration.json, as ``json_values.check_fields`` takes them."""


class Verdict(Enum):
    """Plain-word judgement of a registration."""

    CONVERGED = "converged"
    AMBIGUOUS = "ambiguous"
    FAILED = "failed"


class Review(Enum):
    """What a person said of it; adjusted: moved by hand and registered anew from there."""

    UNREVIEWED = "unreviewed"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    ADJUSTED = "adjusted"


NO_REVIEW = {"status": Review.UNREVIEWED.value, "note": "", "by_role": ""}
SAME_POSE = 1e-4
SHOWN = ("verdict", "reason", "views", "pose_ct_to_world", "initial_ct_to_world", "moved", "settings")
"""Fields of a record that a panel shows: in a scene they are all there."""


@dataclass(frozen=True)
class TracePoint:
    """One accepted step: stage name, similarity (mean over views) and seconds since the start."""

    stage: str
    similarity: float
    seconds: float


@dataclass(frozen=True, eq=False)
class RegistrationResult:
    """The outcome of one registration.

    Attributes:
        pose: Found CT-to-world pose, LPS mm.
        initial: The pose it started from.
        centre: (3,) the bone's centre in CT coordinates, LPS mm.
        view_names: Names of the radiographs.
        similarity: Gradient correlation per view at the found pose, -1 to 1.
        initial_similarity: The same at the start.
        verdict: Converged, ambiguous or failed.
        reason: The verdict's reason in one or two plain sentences.
        trace: Accepted steps of the winning path.
        starts: Number of starts tried; ``agreeing`` of them ended at the found pose.
        agreeing: See ``starts``.
        seconds: Wall-clock time.
        settings: The options used.
        synthetic: Whether CT or radiographs are simulated.
        uncertainty: How sure the pose is, per degree of freedom.
        others: Where the other bodies (further bones, the surroundings) were found, by name.
    """

    pose: RigidPose
    initial: RigidPose
    centre: Any
    view_names: tuple[str, ...]
    similarity: tuple[float, ...]
    initial_similarity: tuple[float, ...]
    verdict: Verdict
    reason: str
    trace: tuple[TracePoint, ...]
    starts: int
    agreeing: int
    seconds: float
    settings: dict[str, Any] = field(default_factory=dict)
    synthetic: bool = False
    uncertainty: PoseUncertainty | None = None
    others: dict[str, RigidPose] = field(default_factory=dict)

    @property
    def mean_similarity(self) -> float:
        """Mean gradient correlation over the views."""
        return sum(self.similarity) / len(self.similarity)

    @property
    def moved(self) -> tuple[float, float]:
        """How far the bone turned (degrees) and its centre moved (mm) from the start."""
        return self.initial.distance_to(self.pose, self.centre)

    def to_dict(self, review: Review = Review.UNREVIEWED, note: str = "", reviewer_role: str = "") -> dict[str, Any]:
        """JSON types; matrices are CT-to-world in LPS mm. A review names a role, never a person."""
        degrees, millimetres = self.moved
        return {
            "format": RESULT_FORMAT,
            "version": __version__,
            "research_use_only": True,
            "synthetic": self.synthetic,
            "verdict": self.verdict.value,
            "reason": self.reason,
            "similarity_measure": "gradient correlation (-1 to 1)",
            "views": [
                {"name": name, "similarity": round(found, 5), "initial_similarity": round(start, 5)}
                for name, found, start in zip(self.view_names, self.similarity, self.initial_similarity, strict=True)
            ],
            "mean_similarity": round(self.mean_similarity, 5),
            "frame": "LPS",
            "unit": "mm",
            "pose_ct_to_world": self.pose.matrix.tolist(),
            "initial_ct_to_world": self.initial.matrix.tolist(),
            "centre_ct": [float(value) for value in self.centre],
            "moved": {"rotation_deg": round(degrees, 4), "centre_mm": round(millimetres, 4)},
            "uncertainty": None if self.uncertainty is None else self.uncertainty.to_dict(),
            "others_ct_to_world": {name: pose.matrix.tolist() for name, pose in self.others.items()},
            "starts": self.starts,
            "agreeing_starts": self.agreeing,
            "seconds": round(self.seconds, 2),
            "trace": [
                {"stage": p.stage, "similarity": round(p.similarity, 5), "seconds": round(p.seconds, 3)}
                for p in self.trace
            ],
            "settings": self.settings,
            "review": {"status": review.value, "note": note, "by_role": reviewer_role},
        }

    def save(self, path: Path | str, **review: Any) -> None:
        """Write ``registration.json``; ``review`` as in :meth:`to_dict`."""
        write_json(path, self.to_dict(**review))


def read_registration(path: Path | str) -> dict[str, Any]:
    """Content of a ``registration.json``; which fields it has is for the reader to see, what they hold was checked.

    Raises:
        InputError: Missing file, not JSON, another format, or a field of another kind.
    """
    return read_json(path, "registration", RESULT_FORMAT, SHAPE)


def recorded_pose(folder: Path, record: Mapping[str, Any]) -> RigidPose:
    """CT to world, LPS mm: ``pose.tfm`` of a view's folder, which is what its record says, and was judged.

    Raises:
        InputError: A file is missing, or they are two poses.
    """
    pose = RigidPose.load(folder / "pose.tfm")
    if not np.allclose(pose.matrix, RigidPose(record.get("pose_ct_to_world")).matrix, atol=SAME_POSE):  # type: ignore[arg-type]
        raise InputError(
            "pose.tfm is not the pose of registration.json: one of them was changed by itself; register again."
        )
    return pose


def record_from_text(text: str, where: str) -> dict[str, Any]:
    """A registration's record as a scene keeps it on the bone's transform, further bones' records in it.

    Args:
        text: JSON.
        where: How messages begin: whose it is.

    Raises:
        InputError: Not JSON, another format, a field that is missing or of another kind, or no pose.
    """
    content = parse_json(text, where)
    whole = {**SHAPE, **{name: SHAPE.get(f"{name}?") or SHAPE[f"{name}??"] for name in SHOWN}}
    whole |= {"review": dict.fromkeys(NO_REVIEW, str)}
    check_fields(content, {**whole, "further?": [{**whole, "bone": str}]}, where)
    for each in (content, *content.get("further", [])):
        check_record(each, where)
    return content


def check_record(record: Mapping[str, Any], where: str = "the registration") -> None:
    """Refuse a record that lacks what every registration has.

    Raises:
        InputError: A field of another kind, another format, an unknown verdict or review, or no rigid pose.
    """
    check_fields(record, SHAPE, where)
    if record.get("format") != RESULT_FORMAT:
        raise InputError(f'{where} has format {record.get("format")!r}, expected "{RESULT_FORMAT}".')
    if record.get("verdict") not in [verdict.value for verdict in Verdict]:
        raise InputError(f"{where}: the verdict {record.get('verdict')!r} is not known; register again.")
    if (record.get("review") or NO_REVIEW).get("status") not in [review.value for review in Review]:
        raise InputError(f"{where}: the review is not known; register again.")
    try:
        RigidPose(record.get("pose_ct_to_world"))  # type: ignore[arg-type]
    except InputError as error:
        raise InputError(f"{where} holds no pose ({error}); register again.") from error


def record_review(path: Path | str, review: Review, note: str = "", reviewer_role: str = "") -> None:
    """Write a person's verdict into an existing ``registration.json``; earlier ones are kept under "earlier_reviews".

    Raises:
        InputError: Missing file, another format, or a rejection without a note.
    """
    if review is Review.REJECTED and not note.strip():
        raise InputError("a rejected registration needs a note that says why; write one line.")
    write_json(path, reviewed(read_registration(path), review, note, reviewer_role))


def reviewed(content: dict[str, Any], review: Review, note: str = "", reviewer_role: str = "") -> dict[str, Any]:
    """A registration's content with a person's verdict; one given before moves to "earlier_reviews"."""
    before = content.get("review") or {}
    changed = {**content, "review": {"status": review.value, "note": note, "by_role": reviewer_role}}
    if before.get("status", Review.UNREVIEWED.value) != Review.UNREVIEWED.value:
        changed["earlier_reviews"] = [*(content.get("earlier_reviews") or []), before]
    return changed
