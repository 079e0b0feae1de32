"""Bones followed through a sequence, through a jump too, and bodies refined on other pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from phantoms_analytic import BONE, bone_ct
from phantoms_limb import CAMERAS, pictures

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.imaging.attenuation import Attenuation, attenuation_of
from XRayTo3DLib.imaging.types import Radiograph
from XRayTo3DLib.registration import tracking
from XRayTo3DLib.registration.register import Registration, RegistrationOptions
from XRayTo3DLib.registration.result import Verdict
from XRayTo3DLib.registration.tracking import TrackedFrame, track

TRUTH = RigidPose.from_rotation((3, -4, 2), (2, 1, -3))
OPTIONS = RegistrationOptions(starts=3, screened=32, pixel_mm=(2.8, 1.4, 0.7))
JUMP = 3
"""The frame in which the bone is somewhere else at once."""


@pytest.fixture(scope="module")
def bone() -> Attenuation:
    return attenuation_of(bone_ct(), "bone")


@pytest.fixture(scope="module")
def truth(bone: Attenuation) -> list[RigidPose]:
    """Steady turning and shifting, then a jump."""
    middle = TRUTH.apply(bone.centre_lps)
    steady = [RigidPose.from_rotation((0, 0, 2 * k), (1.5 * k, 0, k), middle) for k in range(JUMP)]
    return [motion @ TRUTH for motion in (*steady, RigidPose.from_rotation((10, 0, -6), (-14, 2, 12), middle))]


@pytest.fixture(scope="module")
def frames(truth: list[RigidPose]) -> list[list[Radiograph]]:
    return [pictures([(BONE, pose)], CAMERAS) for pose in truth]


@pytest.fixture(scope="module")
def rough(bone: Attenuation) -> RigidPose:
    return RigidPose.from_rotation((2, -2, 1), (2, 1, -2), TRUTH.apply(bone.centre_lps)) @ TRUTH


@pytest.fixture(scope="module")
def tracked(bone: Attenuation, frames: list[list[Radiograph]], rough: RigidPose) -> list[TrackedFrame]:
    return list(track(bone, frames, rough, OPTIONS))


def test_every_frame_is_found(bone: Attenuation, tracked: list[TrackedFrame], truth: list[RigidPose]) -> None:
    assert [frame.index for frame in tracked] == [0, 1, 2, 3]
    for frame, pose in zip(tracked, truth, strict=True):
        (result,) = frame.results
        degrees, millimetres = result.pose.distance_to(pose, bone.centre_lps)
        assert millimetres < 0.1 and degrees < 0.4, frame.index
        assert result.verdict is Verdict.CONVERGED
        assert frame.similarity == pytest.approx(np.mean(result.similarity))


def test_only_the_first_frame_and_the_jump_are_searched(tracked: list[TrackedFrame]) -> None:
    assert [frame.searched for frame in tracked] == [True, False, False, True]
    assert [frame.results[0].starts > 1 for frame in tracked] == [True, False, False, True]


def test_frames_are_read_one_at_a_time(bone: Attenuation, frames: list[list[Radiograph]], rough: RigidPose) -> None:
    read = []

    def reading() -> Iterator[list[Radiograph]]:
        for number, frame in enumerate(frames):
            read.append(number)
            yield frame

    steps = track(bone, reading(), rough, replace(OPTIONS, starts=1, pixel_mm=(2.8, 1.4)))
    assert next(steps).index == 0 and read == [0]
    assert next(steps).index == 1 and read == [0, 1]


def test_steady_motion_is_foreseen(bone: Attenuation) -> None:
    """18 mm and 5 degrees per frame: too far to climb from where the bone was, but not from where it points."""
    step = RigidPose.from_rotation((0, 0, 5), (18, 0, 0), TRUTH.apply(bone.centre_lps))
    path = [step.inverse() @ TRUTH, TRUTH, step @ TRUTH]
    found = list(track(bone, [pictures([(BONE, pose)], CAMERAS) for pose in path], path[0], OPTIONS))
    assert [frame.searched for frame in found] == [True, True, False]
    last = found[-1].results[0]
    assert last.pose.distance_to(path[-1], bone.centre_lps)[1] < 0.1
    assert last.initial.distance_to(path[-1], bone.centre_lps)[1] < 0.5


def test_a_guess_outside_the_picture_ends_nothing(
    bone: Attenuation, frames: list[list[Radiograph]], rough: RigidPose, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bone that turns back at the picture's edge: moving on it would leave, resting it is found."""
    away = RigidPose.from_rotation((0, 0, 0), (500, 0, 0))
    monkeypatch.setattr(tracking, "_guesses", lambda path: [(away @ path[-1][0],), path[-1]])
    found = list(track(bone, frames[:2], rough, OPTIONS))
    assert [frame.searched for frame in found] == [True, False]
    monkeypatch.setattr(tracking, "_guesses", lambda path: [(away @ path[-1][0],)])
    with pytest.raises(InputError, match="misses the picture"):
        list(track(bone, frames[:2], rough, OPTIONS))


def test_no_frame_is_told(bone: Attenuation) -> None:
    with pytest.raises(InputError, match="tracking needs at least one frame"):
        list(track(bone, [], TRUTH))


# ---- refining without a search ------------------------------------------


@pytest.fixture(scope="module")
def registration(bone: Attenuation, frames: list[list[Radiograph]], rough: RigidPose) -> Registration:
    done = Registration(bone, frames[0], rough, OPTIONS, names=["bone"])
    for _ in done.steps():
        pass
    return done


def test_other_pictures_are_refined_from_the_poses_given(
    registration: Registration, bone: Attenuation, frames: list[list[Radiograph]], truth: list[RigidPose]
) -> None:
    before = registration.result
    other = registration.refined_on(frames[1], registration.poses)
    with pytest.raises(InputError, match="has not ended"):
        _ = other.result
    stages = [state.stage for state in other.steps()]
    assert not any("choosing starts" in stage or "2.8 mm" in stage for stage in stages)
    assert other.result.initial is before.pose and other.result.starts == 1
    assert other.result.pose.distance_to(truth[1], bone.centre_lps)[1] < 0.1
    assert registration.result is before, "the first registration keeps its own"


def test_a_correction_by_hand_is_refined_on_the_same_pictures(
    registration: Registration, bone: Attenuation, frames: list[list[Radiograph]], truth: list[RigidPose]
) -> None:
    nudged = RigidPose.from_rotation((1, 1, 1), (1, -1, 1), truth[0].apply(bone.centre_lps)) @ truth[0]
    again = registration.refined_on(frames[0], (nudged,), replace(OPTIONS, pixel_mm=(1.4, 0.7)))
    assert list(again.steps())[-1].stage == "done"
    assert again.result.pose.distance_to(registration.result.pose, bone.centre_lps)[1] < 0.05
    assert again.result.settings["pixel_mm"] == (1.4, 0.7)


def test_every_body_needs_its_pose(registration: Registration, frames: list[list[Radiograph]]) -> None:
    with pytest.raises(InputError, match="1 bodies need one pose each, not 2"):
        registration.refined_on(frames[0], (TRUTH, TRUTH))
