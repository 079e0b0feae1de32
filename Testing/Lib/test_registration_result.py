"""Results, verdicts and reviews: what is written, and in which words."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.registration.result import (
    RESULT_FORMAT,
    RegistrationResult,
    Review,
    TracePoint,
    Verdict,
    record_review,
)
from XRayTo3DLib.registration.uncertainty import PoseUncertainty
from XRayTo3DLib.registration.verdict import Evidence, best_of, judge

RESULT = RegistrationResult(
    pose=RigidPose.from_rotation((0, 0, 10), (1, 2, 3), (5, 6, 7)),
    initial=RigidPose.identity(),
    centre=np.array([5.0, 6.0, 7.0]),
    view_names=("PA", "LAT"),
    similarity=(0.6, 0.5),
    initial_similarity=(0.2, 0.1),
    verdict=Verdict.CONVERGED,
    reason="4 of 5 starts agree.",
    trace=(TracePoint("1.4 mm pixels", 0.15, 0.1), TracePoint("0.7 mm pixels", 0.55, 1.2)),
    starts=5,
    agreeing=4,
    seconds=1.25,
    settings={"starts": 5},
    synthetic=True,
)

# ---- verdict ------------------------------------------

CLEAR = Evidence(
    similarity=(0.6, 0.5),
    initial=(0.2, 0.1),
    lead=0.2,
    agreeing=4,
    starts=5,
    settled=True,
    moved_deg=5.0,
    moved_mm=4.0,
    reach_deg=24.0,
    reach_mm=20.0,
)
CASES: list[tuple[str, dict[str, Any], Verdict, str]] = [
    ("clear", {}, Verdict.CONVERGED, r"^4 of 5 starts agree, similarity 0\.55 \(start 0\.15\)\.$"),
    ("no rival", {"lead": 1.5}, Verdict.CONVERGED, "4 of 5 starts agree"),
    ("second view lost", {"similarity": (0.6, 0.1)}, Verdict.FAILED, "In view 2 the bone's edges were not found.*0.10"),
    (
        "first view lost",
        {"similarity": (-0.2, 0.1)},
        Verdict.FAILED,
        "In view 1 .*start nearer, or check that CT, side",
    ),
    ("rival equal", {"lead": 0.0}, Verdict.AMBIGUOUS, "Another pose fits nearly as well: 4 of 5.*overlay"),
    ("rival close", {"lead": 0.015}, Verdict.AMBIGUOUS, "Another pose fits nearly as well"),
    ("rival far", {"lead": 0.03}, Verdict.CONVERGED, "starts agree"),
    ("weak", {"similarity": (0.2, 0.22)}, Verdict.AMBIGUOUS, r"The match is weak: similarity 0\.21.*Check the overlay"),
    ("lost beats rival", {"similarity": (0.1, 0.1), "lead": 0.0}, Verdict.FAILED, "not found"),
    ("one view", {"similarity": (0.6,), "initial": (0.1,)}, Verdict.CONVERGED, "From one view.*plane; depth.*95 %"),
    ("one view lost", {"similarity": (0.1,), "initial": (0.1,)}, Verdict.FAILED, "In view 1"),
    ("not at rest", {"settled": False}, Verdict.AMBIGUOUS, "had not come to rest.*Check the overlay"),
    ("far off", {"moved_mm": 75.0}, Verdict.AMBIGUOUS, r"moved 75 mm and 5 degrees.*beyond what was searched \(20 mm"),
    ("turned far", {"moved_deg": 50.0}, Verdict.AMBIGUOUS, "beyond what was searched"),
    ("not calibrated", {"assumed_placement": True}, Verdict.AMBIGUOUS, "assumed from their names, not calibrated"),
    (
        "one view needs no calibration between views",
        {"similarity": (0.6,), "initial": (0.1,), "assumed_placement": True},
        Verdict.CONVERGED,
        "From one view",
    ),
    ("one view, rival", {"similarity": (0.6,), "initial": (0.1,), "lead": 0.0}, Verdict.AMBIGUOUS, "Another"),
]


@pytest.mark.parametrize(("change", "verdict", "words"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_verdicts_and_their_words(change: dict[str, Any], verdict: Verdict, words: str) -> None:
    found, reason = judge(replace(CLEAR, **change))
    assert found is verdict
    assert re.search(words, reason), reason
    assert reason.endswith(".") and "nan" not in reason


def test_two_views_are_not_told_about_depth() -> None:
    _, reason = judge(CLEAR)
    assert "one view" not in reason and "depth" not in reason


def other(similarity: float, turn: float = 0.0, shift: tuple[float, float, float] = (0, 0, 0)) -> RegistrationResult:
    """A result turned and shifted against ``RESULT``, about the bone."""
    place = RESULT.pose.apply(RESULT.centre)
    moved = RigidPose.from_rotation((0, turn, 0), shift, place) @ RESULT.pose
    return replace(RESULT, pose=moved, similarity=(similarity, similarity))


def test_another_start_that_ends_elsewhere_as_well_makes_it_ambiguous() -> None:
    turned = best_of([other(0.54, turn=170), RESULT])
    assert turned.pose is RESULT.pose and turned.verdict is Verdict.AMBIGUOUS
    assert "170 degrees away" in turned.reason and "0.54 against 0.55" in turned.reason
    assert best_of([RESULT, other(0.54, shift=(0, 0, 3))]).verdict is Verdict.AMBIGUOUS
    for harmless in (other(0.5, turn=170), other(0.54, turn=2), other(0.54, shift=(0, 0, 1))):
        assert best_of([RESULT, harmless]) is RESULT


def test_depth_alone_is_no_other_pose_in_one_view() -> None:
    views = {"view_names": ("PA",), "similarity": (0.55,), "uncertainty": PoseUncertainty(np.eye(3), np.eye(6))}
    one, deeper, beside = (
        replace(result, **views) for result in (RESULT, other(0.5, shift=(0, 0, 9)), other(0.5, shift=(9, 0, 0)))
    )
    assert best_of([one, deeper]) is one
    assert best_of([one, beside]).verdict is Verdict.AMBIGUOUS


def test_of_starts_that_end_together_the_one_from_near_by_speaks() -> None:
    _, reason = judge(replace(CLEAR, moved_deg=99.0))
    far = replace(other(0.7001), verdict=Verdict.AMBIGUOUS, reason=reason)
    sure, elsewhere = other(0.7), other(0.7, turn=30)
    assert best_of([far, sure]) is sure and best_of([sure, far]) is sure
    assert best_of([far, elsewhere]) is far, "another pose says nothing of this one"
    assert best_of([far, other(0.5)]) is far, "a worse fit neither"
    rival = replace(far, reason=judge(replace(CLEAR, lead=0.0))[1])
    assert best_of([rival, sure]) is rival, "a rival that one start has met is there"


# ---- registration.json ------------------------------------------


def test_the_file_tells_everything_in_plain_json(tmp_path: Path) -> None:
    RESULT.save(tmp_path / "registration.json")
    content = json.loads((tmp_path / "registration.json").read_text())
    assert content["format"] == RESULT_FORMAT == "xrayto3d.registration/1"
    assert content["research_use_only"] is True and content["synthetic"] is True
    assert (content["frame"], content["unit"], content["verdict"]) == ("LPS", "mm", "converged")
    assert RigidPose(content["pose_ct_to_world"]).distance_to(RESULT.pose, RESULT.centre) == pytest.approx((0, 0))
    assert content["initial_ct_to_world"] == np.eye(4).tolist() and content["centre_ct"] == [5, 6, 7]
    assert content["views"][1] == {"name": "LAT", "similarity": 0.5, "initial_similarity": 0.1}
    assert content["mean_similarity"] == pytest.approx(0.55)
    assert content["trace"][0] == {"stage": "1.4 mm pixels", "similarity": 0.15, "seconds": 0.1}
    assert content["moved"]["rotation_deg"] == pytest.approx(10.0)
    assert content["moved"]["centre_mm"] == pytest.approx(np.sqrt(14), abs=1e-4)
    assert content["review"] == {"status": "unreviewed", "note": "", "by_role": ""}
    assert (content["starts"], content["agreeing_starts"], content["settings"]) == (5, 4, {"starts": 5})


def test_uncertainty_and_the_other_bodies_are_in_the_file(tmp_path: Path) -> None:
    covariance = np.diag(np.square([0.1, 0.2, 0.3, 0.4, 0.5, 2.0]))
    sure, ulna = PoseUncertainty(np.eye(3), covariance), RigidPose.from_rotation((0, 5, 0), (1, 0, 0))
    replace(RESULT, uncertainty=sure, others={"ulna": ulna}).save(tmp_path / "registration.json")
    content = json.loads((tmp_path / "registration.json").read_text())
    assert content["uncertainty"]["standard_deviation"]["depth"] == 2.0
    assert content["uncertainty"]["standard_deviation"]["turn about the beam"] == 0.3
    assert content["uncertainty"]["unit"] == "degrees for turns, mm for the others"
    assert np.array(content["uncertainty"]["covariance"]) == pytest.approx(covariance)
    assert content["others_ct_to_world"] == {"ulna": ulna.matrix.tolist()}
    RESULT.save(tmp_path / "registration.json")
    content = json.loads((tmp_path / "registration.json").read_text())
    assert content["uncertainty"] is None and content["others_ct_to_world"] == {}


def test_a_result_that_is_not_finite_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        replace(RESULT, similarity=(float("nan"), 0.5)).save(tmp_path / "registration.json")
    assert list(tmp_path.iterdir()) == []


# ---- review ------------------------------------------


def test_a_review_is_recorded_and_the_rest_stays(tmp_path: Path) -> None:
    path = tmp_path / "registration.json"
    RESULT.save(path)
    before = json.loads(path.read_text())
    record_review(path, Review.REJECTED, "the styloid is 2 mm off", "radiographer")
    after = json.loads(path.read_text())
    assert after.pop("review") == {
        "status": "rejected",
        "note": "the styloid is 2 mm off",
        "by_role": "radiographer",
    }
    before.pop("review")
    assert after == before
    record_review(path, Review.ACCEPTED)
    assert json.loads(path.read_text())["review"] == {"status": "accepted", "note": "", "by_role": ""}


def test_earlier_reviews_are_kept(tmp_path: Path) -> None:
    """Oldest first; that nobody had looked yet is no review."""
    path = tmp_path / "registration.json"
    RESULT.save(path)
    history = [(Review.REJECTED, "twisted", "surgeon"), (Review.ADJUSTED, "", "engineer"), (Review.ACCEPTED, "", "")]
    for review, note, role in history:
        record_review(path, review, note, role)
    content = json.loads(path.read_text())
    assert content["review"] == {"status": "accepted", "note": "", "by_role": ""}
    assert content["earlier_reviews"] == [
        {"status": "rejected", "note": "twisted", "by_role": "surgeon"},
        {"status": "adjusted", "note": "", "by_role": "engineer"},
    ]


def test_a_result_can_be_saved_with_its_review(tmp_path: Path) -> None:
    """Adjusted: moved by hand and registered anew from there."""
    path = tmp_path / "registration.json"
    RESULT.save(path, review=Review.ADJUSTED, note="moved 3 mm", reviewer_role="engineer")
    first = {"status": "adjusted", "note": "moved 3 mm", "by_role": "engineer"}
    assert json.loads(path.read_text())["review"] == first
    record_review(path, Review.ACCEPTED)
    assert json.loads(path.read_text())["earlier_reviews"] == [first]


@pytest.mark.parametrize("note", ["", "  \n"])
def test_a_rejection_needs_a_reason(tmp_path: Path, note: str) -> None:
    path = tmp_path / "registration.json"
    RESULT.save(path)
    before = path.read_text()
    with pytest.raises(InputError, match="rejected registration needs a note that says why"):
        record_review(path, Review.REJECTED, note, "surgeon")
    assert path.read_text() == before


def test_only_a_registration_can_be_reviewed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="registration: there is no file"):
        record_review(tmp_path / "registration.json", Review.ACCEPTED)
    (tmp_path / "other.json").write_text('{"format": "xrayto3d.camera/1"}')
    with pytest.raises(InputError, match='expected "xrayto3d.registration/1"'):
        record_review(tmp_path / "other.json", Review.ACCEPTED)
