"""Views of a case on disk: what is written is read again, and what cannot be is said in one sentence."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from geometry_cases import cameras
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from XRayTo3DLib.dataset.case_views import (
    FURTHER,
    CaseView,
    add_view,
    view_of,
    views_of,
    write_registration,
    write_review,
)
from XRayTo3DLib.dataset.dataset_folder import DatasetCase
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.geometry.calibration import standard_camera
from XRayTo3DLib.imaging.types import IntensityNote, Radiograph, SpacingSource
from XRayTo3DLib.registration.result import RegistrationResult, Review, Verdict

NOTE = IntensityNote("line-integral", None, True, "made up")
POSE = RigidPose.from_rotation((10, 20, 30), (1, 2, 3))
NAMES = st.from_regex(r"[a-z]{2,4}(-[1-9][0-9]?)?", fullmatch=True)
NUMBER = st.floats(-150, 150)
POSES = st.builds(RigidPose.from_rotation, st.tuples(NUMBER, NUMBER, NUMBER), st.tuples(NUMBER, NUMBER, NUMBER))
QUICK = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def case(tmp_path: Path) -> DatasetCase:
    return case_in(tmp_path / "cases" / "case-7")


def case_in(folder: Path, side: str = "left") -> DatasetCase:
    folder.mkdir(parents=True, exist_ok=True)
    return DatasetCase("case-7", folder, "P7", "train", side, ("radius", "ulna"), "wrist", False)


def radiograph(camera: XRayCamera | None = None, **changes: Any) -> Radiograph:
    camera = camera or standard_camera(1000.0, (0.5, 0.7), (8, 6), source_isocentre=900.0, view="PA")
    rows, columns = camera.size[1], camera.size[0]
    pixels = np.random.default_rng(0).random((rows, columns), dtype=np.float32)
    return replace(Radiograph(pixels, camera, NOTE, SpacingSource.DETECTOR, "PA", "L", "made up"), **changes)


def record(pose: RigidPose = POSE, verdict: Verdict = Verdict.CONVERGED, **more: Any) -> dict[str, Any]:
    """A registration's record as ``xrayto3d register`` writes it."""
    result = RegistrationResult(
        pose, RigidPose.identity(), np.zeros(3), ("PA",), (0.7,), (0.2,), verdict, "It fits.", (), 4, 3, 1.5
    )
    return {**result.to_dict(), **more}


def registered(case: DatasetCase) -> CaseView:
    view = add_view(case, "PA", radiograph())
    write_registration(view, record(), POSE)
    return view


# ---- round trips -----------------------------------------------------------------------------------------------------


@QUICK
@given(camera=cameras(), name=NAMES)
def test_a_radiograph_is_read_as_it_was_added(tmp_path_factory: Any, camera: XRayCamera, name: str) -> None:
    case = case_in(tmp_path_factory.mktemp("case"))
    small = camera.resampled((5, 4))
    given_picture = radiograph(small)
    view = add_view(case, name.upper(), given_picture)
    found = view.radiograph()
    assert views_of(case) == (view,) == (view_of(case, name.upper()),)
    assert (view.name, view.case_id, view.folder) == (name, "case-7", case.folder / "views" / name)
    assert np.array_equal(found.pixels, given_picture.pixels) and found.camera.is_close(small, 1e-6)
    assert (found.view, found.laterality) == ("PA", "L")
    assert (view.status, view.verdict, view.pose(), view.registration()) == ("unregistered", "", None, None)


@QUICK
@given(pose=POSES, others=st.dictionaries(st.sampled_from(["ulna", "os lunatum", "scaphoid_2"]), POSES, max_size=3))
def test_a_registration_is_read_as_it_was_written(
    tmp_path_factory: Any, pose: RigidPose, others: dict[str, RigidPose]
) -> None:
    view = add_view(case_in(tmp_path_factory.mktemp("case")), "pa", radiograph())
    write_registration(view, record(RigidPose.identity(), further=[record(bone="stale")]), RigidPose.identity())
    further = [record(found, bone=bone) for bone, found in others.items()]
    write_registration(view, record(pose, bone="radius", further=further), pose)
    content = view.registration()
    assert content is not None and content["bone"] == "radius" and view.verdict == "converged"
    assert np.allclose(view.pose().matrix, pose.matrix, atol=1e-6)  # type: ignore[union-attr]
    assert np.allclose(RigidPose.load(view.pose_path).matrix, pose.matrix, atol=1e-6)
    found = {each["bone"]: np.array(each["pose_ct_to_world"]) for each in content.get(FURTHER, [])}
    assert found.keys() == others.keys()
    for bone, other in others.items():
        assert np.allclose(found[bone], other.matrix, atol=1e-9)
    assert len(list(view.folder.glob("pose*.tfm"))) == 1 + len(others) == len(list(view.folder.glob("*registration*")))


def test_views_come_in_the_order_of_their_numbers(case: DatasetCase) -> None:
    for name in ("ap-10", "lat", "ap-2", "AP"):
        add_view(case, name, radiograph())
    (case.folder / "views" / ".writing-abc").mkdir()  # left behind by a program that was killed
    (case.folder / "views" / "notes.txt").write_text("no view")
    assert [view.name for view in views_of(case)] == ["ap", "ap-2", "ap-10", "lat"]


def test_a_review_is_dated_and_keeps_what_was_said_before(case: DatasetCase) -> None:
    view = registered(case)
    assert view.status == "unreviewed"
    write_review(view, Review.REJECTED, " the ulna is off ", "radiographer")
    assert view.status == "rejected"
    write_review(view, Review.ACCEPTED, "", "radiologist")
    content = json.loads(view.registration_path.read_text())
    when = datetime.fromisoformat(content["review"].pop("date"))
    assert when.utcoffset() is not None and abs((when - datetime.now(UTC)).total_seconds()) < 60
    assert content["review"] == {"status": "accepted", "note": "", "by_role": "radiologist"}
    assert [each["note"] for each in content["earlier_reviews"]] == ["the ulna is off"]
    assert np.allclose(view.pose().matrix, POSE.matrix)  # type: ignore[union-attr]


def test_another_picture_takes_the_registration_of_the_old_one_away(case: DatasetCase) -> None:
    view = registered(case)
    POSE.save(view.initial_path)
    with pytest.raises(InputError, match="case-7 has a view pa already"):
        add_view(case, "pa", radiograph())
    other = radiograph(pixels=radiograph().pixels + 1)
    assert add_view(case, "pa", other, replace=True) == view
    assert view.status == "unregistered" and view.radiograph().pixels.min() >= 1
    assert sorted(path.name for path in view.folder.iterdir()) == ["camera.json", "initial.tfm", "radiograph.nrrd"]
    assert np.allclose(view.initial().matrix, POSE.matrix)  # type: ignore[union-attr]


def test_a_write_that_fails_leaves_what_was_there(case: DatasetCase, monkeypatch: pytest.MonkeyPatch) -> None:
    view = registered(case)

    def full(*_: Any) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="the disk of"):
        patch.setattr(RigidPose, "save", full)
        write_registration(view, record(RigidPose.identity()), RigidPose.identity())
    assert np.allclose(view.pose().matrix, POSE.matrix)  # type: ignore[union-attr]
    with monkeypatch.context() as patch, pytest.raises(OSError, match="the disk of"):
        patch.setattr("XRayTo3DLib.dataset.case_views.write_radiograph", full)
        add_view(case, "lat", radiograph())
    assert [path.name for path in view.folder.parent.iterdir()] == ["pa"]


# ---- what cannot be used ---------------------------------------------------------------------------------------------


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _change(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


DAMAGE = {
    "no picture": (lambda v: v.radiograph_path.unlink(), "there is no file"),
    "no camera": (lambda v: v.camera_path.unlink(), "camera: there is no file"),
    "cut picture": (lambda v: _cut(v.radiograph_path), "radiograph"),
    "cut camera": (lambda v: _cut(v.camera_path), "not a JSON file"),
    "another camera": (
        lambda v: standard_camera(1200.0, (0.5, 0.7), (8, 6), view="PA").save(v.camera_path),
        "not the geometry in the header",
    ),
    "another size": (lambda v: standard_camera(1000.0, (1, 1), (9, 9)).save(v.camera_path), "camera"),
    "a table": (lambda v: v.radiograph_path.write_text("a;b"), "radiograph"),
    "cut registration": (lambda v: _cut(v.registration_path), "not a JSON file"),
    "cut pose": (lambda v: _cut(v.pose_path), "pose"),
    "no pose": (lambda v: v.pose_path.unlink(), "pose: there is no file"),
    "another pose": (lambda v: RigidPose.identity().save(v.pose_path), "not the pose of registration.json"),
    "no verdict": (lambda v: _change(v.registration_path, verdict=None), "verdict None is not known"),
    "unknown review": (lambda v: _change(v.registration_path, review={"status": "fine"}), "review is not known"),
    "review is text": (lambda v: _change(v.registration_path, review="fine"), "review must be an object, not text"),
    "no matrix": (lambda v: _change(v.registration_path, pose_ct_to_world=None), "holds no pose"),
    "scaled matrix": (lambda v: _change(v.registration_path, pose_ct_to_world=np.diag([2, 2, 2, 1]).tolist()), "rigid"),
    "cut further": (lambda v: (v.folder / "registration_ulna.json").write_text("{"), "registration_ulna.json"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_and_contradictory_files_are_told_in_one_sentence(case: DatasetCase, damage: str) -> None:
    view = registered(case)
    spoil, text = DAMAGE[damage]
    spoil(view)
    with pytest.raises(InputError, match=f"(?s)^case case-7, view pa: .*{re.escape(text)}") as caught:
        view.radiograph()
        view.status  # noqa: B018
    assert "\n" not in str(caught.value)


def test_a_case_and_a_picture_of_two_sides_are_refused(case: DatasetCase) -> None:
    with pytest.raises(InputError, match=r"case case-7, view pa: the radiograph is of side R, the case is left"):
        add_view(case, "pa", radiograph(laterality="R"))
    add_view(case_in(case.folder, side=""), "pa", radiograph(laterality="R"))
    with pytest.raises(InputError, match=r"view pa: the radiograph is of side R"):
        view_of(case, "pa").radiograph()


@pytest.mark.parametrize("name", ["", "..", ".hidden", "a/b", "a b", "pa_"])
def test_names_that_are_no_folder_are_refused(case: DatasetCase, name: str) -> None:
    with pytest.raises(InputError, match="plain folder name"):
        add_view(case, name, radiograph())


def test_what_is_not_there_is_said(case: DatasetCase) -> None:
    view = add_view(case, "pa", radiograph())
    with pytest.raises(InputError, match="case case-7 has no view 'lat'; it has pa"):
        view_of(case, "lat")
    with pytest.raises(InputError, match="case case-7, view pa: there is no registration to judge"):
        write_review(view, Review.ACCEPTED, "", "")
    write_registration(view, record(), POSE)
    with pytest.raises(InputError, match="case case-7, view pa: a rejection needs a note"):
        write_review(view, Review.REJECTED, " ", "radiologist")
    assert view.status == "unreviewed"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({"format": "other/1"}, "format 'other/1'"),
        (record(RigidPose.identity()), "about another pose"),
        (record(further=[record(bone="ulna"), record(bone="ulna")]), "two further bones are called 'ulna'"),
        (record(further=[{"bone": "ulna"}]), "format None"),
    ],
)
def test_records_that_cannot_be_are_not_written(case: DatasetCase, content: dict[str, Any], text: str) -> None:
    view = add_view(case, "pa", radiograph())
    with pytest.raises(InputError, match=f"case case-7, view pa: .*{text}"):
        write_registration(view, content, POSE)
    assert view.status == "unregistered" and not view.pose_path.exists()
