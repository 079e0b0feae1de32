"""Batch registration: what it finds, keeps and refuses, and that it can be stopped, killed and started again."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from case_view_cases import NEAR, QUICK, QUICK_WORDS, TRUTH, bone_volume, bones, drr, error_of, stripes, unfinished

from XRayTo3DLib.dataset.batch_registration import register_dataset
from XRayTo3DLib.dataset.case_views import add_view, view_of, views_of, write_review
from XRayTo3DLib.dataset.dataset_builder import add_case, start_dataset
from XRayTo3DLib.dataset.dataset_folder import CaseEntry, DatasetFolder
from XRayTo3DLib.dataset.registration_plan import BatchOptions, outcome_of
from XRayTo3DLib.errors import Cancelled, InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.geometry.calibration import standard_camera
from XRayTo3DLib.imaging.attenuation import attenuation_of
from XRayTo3DLib.imaging.ct_writer import write_ct
from XRayTo3DLib.projection.engines import make_projector
from XRayTo3DLib.registration.global_search import GlobalSearchOptions
from XRayTo3DLib.registration.result import Review

OPTIONS = BatchOptions(search=QUICK)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two cases with PA and LAT; tests copy it."""
    return bones(tmp_path_factory.mktemp("made") / "bones").folder


@pytest.fixture
def dataset(made: Path, tmp_path: Path) -> DatasetFolder:
    shutil.copytree(made, tmp_path / "bones")
    return DatasetFolder.open(tmp_path / "bones")


def stamps(dataset: DatasetFolder) -> dict[str, int]:
    """When each registration was written."""
    return {str(path): path.stat().st_mtime_ns for path in dataset.folder.glob("cases/*/views/*/registration.json")}


def _written(dataset: DatasetFolder) -> dict[str, Any]:
    return json.loads((dataset.folder / "registrations.json").read_text())


def actions(report: Any) -> dict[str, str]:
    return {f"{each.case_id} {each.view}": each.action for each in report.outcomes}


# ---- what is found ---------------------------------------------------------------------------------------------------


def test_every_view_is_registered_once(dataset: DatasetFolder) -> None:
    told: list[tuple[str, float]] = []
    report = register_dataset(dataset.folder, OPTIONS, report=lambda text, share: told.append((text, share)))
    assert set(actions(report).values()) == {"registered"} and len(report.outcomes) == 4
    assert report.counts["converged"] == 4
    for case in dataset.cases():
        assert len(views_of(case)) == 2 and not unfinished(case)
        for view in views_of(case):
            degrees, millimetres = error_of(view.pose())
            assert degrees < 2 and millimetres < 0.5
            record = view.registration()
            assert record is not None and record["bone"] == "bone" and record["started_from"] == "a pose that was given"
            assert [each["name"] for each in record["views"]] == ["lat", "pa"] and record["synthetic"]
    shares = [share for _, share in told]
    assert shares == sorted(shares) and shares[-1] == 1
    assert re.match(r"case 1 of 2, view LAT and PA: ", told[0][0])
    rows = list(csv.DictReader((dataset.folder / "registrations.csv").open()))
    assert [(row["case_id"], row["view"], row["together"]) for row in rows][:2] == [
        ("case-1", "lat", "pa"), ("case-1", "pa", "lat")
    ]  # fmt: skip
    before = stamps(dataset)
    again = register_dataset(dataset.folder, OPTIONS)
    assert set(actions(again).values()) == {"kept"} and stamps(dataset) == before
    assert json.loads(again.json_path.read_text())["counts"]["kept"] == 4
    assert [each.similarity for each in again.outcomes] == [each.similarity for each in report.outcomes]


@pytest.mark.parametrize(
    ("more", "how"), [({}, "a search near the view's usual pose"), ({"everywhere": True}, "a search everywhere")]
)
def test_without_a_start_it_is_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: dict[str, Any], how: str
) -> None:
    quick = partial(GlobalSearchOptions, refined=12, kept=4, pixel_mm=4.0)
    monkeypatch.setattr("XRayTo3DLib.dataset.case_registration.GlobalSearchOptions", quick)
    dataset = bones(tmp_path / "bones", 1, near=False)
    drawn: list[str] = []

    def overlay(radiograph: Any, _bone: Any, found: RigidPose, _start: RigidPose) -> bytes:
        drawn.append(radiograph.name)
        assert error_of(found)[1] < 0.5
        return b"picture"

    register_dataset(dataset.folder, replace(OPTIONS, **more), overlay=overlay)
    view = view_of(dataset.case("case-1"), "pa")
    assert view.registration()["started_from"] == how  # type: ignore[index]
    assert view.verdict == "converged" and error_of(view.pose())[0] < 2
    assert drawn == ["lat", "pa"] and (view.folder / "overlay.png").read_bytes() == b"picture"


def test_views_taken_at_two_moments_have_two_poses(tmp_path: Path) -> None:
    dataset = bones(tmp_path / "bones", 1, ())
    case = dataset.case("case-1")
    other = RigidPose.from_rotation((0, 0, 6), (3, 0, 2)) @ TRUTH
    add_view(case, "ap-1", drr())
    add_view(case, "ap-2", drr(other))
    add_view(case, "lat", drr(NEAR, "LAT", assumed_placement=True))  # placed by its name: no common world
    register_dataset(dataset.folder, OPTIONS)
    found = {view.name: view.pose() for view in views_of(case)}
    assert error_of(found["ap-1"])[0] < 3 and error_of(found["ap-2"], other)[0] < 3
    assert error_of(found["lat"], NEAR)[0] < 3
    assert all(len(view.registration()["views"]) == 1 for view in views_of(case))  # type: ignore[index]


def test_bones_that_move_by_themselves_have_records_of_their_own(tmp_path: Path) -> None:
    """The CT holds the bone twice, 60 mm apart; the second one is turned by 8 degrees in the radiographs."""
    one = bone_volume()
    hu = np.full((*one.hu.shape[:2], 56), -1000, np.float32)
    labels = np.zeros(hu.shape, dtype=np.int32)
    for number, place in enumerate((slice(0, one.hu.shape[2]), slice(28, 28 + one.hu.shape[2])), 1):
        hu[:, :, place] = np.maximum(hu[:, :, place], one.hu)
        labels[:, :, place] += number * (one.labels > 0) * (labels[:, :, place] == 0)  # type: ignore[operator]
    ct = replace(one, hu=hu, labels=labels, label_names={"first": 1, "second": 2})
    start_dataset(tmp_path / "two", bones=["first", "second"], frame="lps")
    add_case(tmp_path / "two", CaseEntry("case-1", "P1"), ct)
    case = DatasetFolder.open(tmp_path / "two").case("case-1")
    parts = {name: attenuation_of(ct, name) for name in ("first", "second")}
    place = TRUTH.apply(parts["second"].centre_lps)
    poses = {"first": TRUTH, "second": RigidPose.from_rotation((0, 8, 0), centre=place) @ TRUTH}
    for view in ("PA", "LAT"):
        camera = standard_camera(1000.0, (0.8, 0.9), (300, 130), source_isocentre=900.0, view=view)
        pixels = sum(make_projector(parts[n].mu, parts[n].voxel_to_lps)(camera, poses[n]).numpy() for n in parts)
        add_view(case, view, drr(view=view, camera=camera, pixels=pixels))
    TRUTH.save(case.folder / "initial.tfm")
    report = register_dataset(tmp_path / "two", OPTIONS)
    view = view_of(case, "pa")
    record = view.registration()
    assert report.counts["converged"] == 2 and record is not None and record["bone"] == "first"
    assert view.pose().distance_to(TRUTH, parts["first"].centre_lps)[0] < 3  # type: ignore[union-attr]
    (second,) = record["further"]
    found = RigidPose(np.array(second["pose_ct_to_world"]))
    assert second["bone"] == "second" and found.distance_to(poses["second"], parts["second"].centre_lps)[0] < 3
    assert np.allclose(RigidPose.load(view.folder / "pose_second.tfm").matrix, found.matrix, atol=1e-6)


# ---- what people said ------------------------------------------------------------------------------------------------


def test_what_people_said_is_respected(dataset: DatasetFolder) -> None:
    register_dataset(dataset.folder, OPTIONS)
    one, two = (dataset.case(name) for name in ("case-1", "case-2"))
    write_review(view_of(one, "pa"), Review.ACCEPTED, "", "radiologist")
    write_review(view_of(one, "lat"), Review.REJECTED, "the head is off", "radiographer")
    before = stamps(dataset)

    def changed() -> list[str]:
        return sorted("/".join(Path(p).parts[-4:-1:2]) for p, t in stamps(dataset).items() if before[p] != t)

    assert set(actions(register_dataset(dataset.folder, OPTIONS)).values()) == {"kept"} and not changed()
    redo = register_dataset(dataset.folder, replace(OPTIONS, redo=True), only=["case-1"])
    assert actions(redo) == {"case-1 lat": "registered", "case-1 pa": "kept"}
    assert changed() == ["case-1/lat"]
    lat = view_of(one, "lat").registration()
    assert (
        lat is not None and lat["review"]["status"] == "unreviewed" and lat["started_from"] == "a pose that was given"
    )
    assert lat["earlier_results"][0]["review"]["note"] == "the head is off"
    assert np.allclose(lat["initial_ct_to_world"], view_of(one, "pa").pose().matrix), "from what was accepted"  # type: ignore[union-attr]
    everything = register_dataset(dataset.folder, replace(OPTIONS, redo_accepted=True))
    assert set(actions(everything).values()) == {"registered"}
    pa = view_of(one, "pa").registration()
    assert pa is not None and pa["earlier_results"][0]["review"]["by_role"] == "radiologist"
    assert view_of(two, "pa").status == "unreviewed"


def test_a_review_given_meanwhile_is_not_overwritten(dataset: DatasetFolder) -> None:
    register_dataset(dataset.folder, OPTIONS, only=["case-1"])
    pa = view_of(dataset.case("case-1"), "pa")

    def accept(text: str, share: float) -> None:
        if pa.status == "unreviewed":
            write_review(pa, Review.ACCEPTED, "", "radiologist")

    report = register_dataset(dataset.folder, replace(OPTIONS, redo=True), only=["case-1"], report=accept)
    assert actions(report) == {"case-1 lat": "registered", "case-1 pa": "kept"} and pa.status == "accepted"


# ---- what cannot be used ---------------------------------------------------------------------------------------------


def test_a_bad_pair_is_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    dataset = bones(tmp_path / "bones", 6, ("PA",))
    view = {case.id: views_of(case)[0] for case in dataset.cases()}
    view["case-1"].camera_path.unlink()
    write_ct(bone_volume(), view["case-2"].radiograph_path)  # wrong modality: a volume
    RigidPose.from_rotation((0, 0, 0), (300, 0, 0)).save(view["case-3"].initial_path)  # no bone in the view
    add_view(dataset.case("case-4"), "pa", stripes(), replace=True)
    (dataset.case("case-5").folder / "labels.seg.nrrd").unlink()
    report = register_dataset(dataset.folder, OPTIONS)
    notes = {each.case_id: each.note for each in report.outcomes if each.action == "problem"}
    for name, text in {
        "case-1": "camera: there is no file",
        "case-2": "radiograph",
        "case-3": "misses the picture",
        "case-5": "no label map",
    }.items():
        assert notes.pop(name).startswith(f"case {name}") and text in {e.case_id: e.note for e in report.outcomes}[name]
    assert not notes
    verdicts = {each.case_id: each.verdict for each in report.outcomes if each.action == "registered"}
    assert verdicts == {"case-4": "failed", "case-6": "converged"}
    assert report.counts == {
        "registered": 2,
        "kept": 0,
        "problem": 4,
        "waiting": 0,
        "converged": 1,
        "ambiguous": 0,
        "failed": 1,
    }
    view["case-3"].initial_path.unlink()  # mended: only what was a problem is tried again
    mended = register_dataset(dataset.folder, OPTIONS)
    assert actions(mended)["case-3 pa"] == "registered" and actions(mended)["case-6 pa"] == "kept"


def test_accepted_views_registered_again_and_again_begin_where_the_accepted_ones_were(dataset: DatasetFolder) -> None:
    """So a batch of them that is killed and started again ends as one that was not."""
    case = dataset.case("case-1")
    register_dataset(dataset.folder, OPTIONS, only=["case-1"])
    for view in views_of(case):
        write_review(view, Review.ACCEPTED, "", "radiologist")
    found = []
    for _ in range(2):
        register_dataset(dataset.folder, replace(OPTIONS, redo_accepted=True), only=["case-1"])
        records = [view.registration() for view in views_of(case)]
        found.append([(each["pose_ct_to_world"], each["earlier_results"]) for each in records if each is not None])
    assert found[0] == found[1] and len(found[0]) == 2


def test_a_damaged_registration_is_left_alone(dataset: DatasetFolder) -> None:
    """It may be one that somebody accepted."""
    register_dataset(dataset.folder, OPTIONS, only=["case-1"])
    pa = view_of(dataset.case("case-1"), "pa")
    TRUTH.save(pa.pose_path)
    for options in (OPTIONS, replace(OPTIONS, redo=True)):
        report = register_dataset(dataset.folder, options, only=["case-1"])
        assert actions(report)["case-1 pa"] == "problem"
        assert "pose.tfm is not the pose of registration.json" in report.outcomes[1].note
    register_dataset(dataset.folder, replace(OPTIONS, redo_accepted=True), only=["case-1"])
    assert outcome_of(pa).verdict == "converged"


def test_a_bug_of_ours_is_told_as_one(dataset: DatasetFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Any) -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr("XRayTo3DLib.registration.register.Registration.steps", broken)
    report = register_dataset(dataset.folder, OPTIONS)
    assert (
        set(actions(report).values()) == {"problem"} and "unexpected ZeroDivisionError: oh" in report.outcomes[0].note
    )


def test_what_cannot_be_asked_for_is_refused(dataset: DatasetFolder) -> None:
    for words, text in (
        ({"workers": 0}, "0 workers cannot be"),
        ({"shard": (3, 2)}, "shard 3/2"),
        ({"only": ["case-9"]}, "no case 'case-9'"),
    ):
        with pytest.raises(InputError, match=text):
            register_dataset(dataset.folder, OPTIONS, **words)
    with pytest.raises(InputError, match="'ulna' is no bone of the data set; it has bone"):
        register_dataset(dataset.folder, replace(OPTIONS, bones=("ulna",)))


# ---- stopped, killed, shared -----------------------------------------------------------------------------------------


def test_stopped_within_a_pair_and_gone_on(dataset: DatasetFolder) -> None:
    asked = 0

    def cancelled() -> bool:
        nonlocal asked
        asked += 1
        return len(stamps(dataset)) == 2 and asked > 20  # in the middle of the second case

    with pytest.raises(Cancelled, match="what was done is kept"):
        register_dataset(dataset.folder, OPTIONS, cancelled=cancelled)
    assert [view.status for view in views_of(dataset.case("case-2"))] == ["unregistered"] * 2
    assert [view.status for view in views_of(dataset.case("case-1"))] == ["unreviewed"] * 2
    assert not any(unfinished(case) for case in dataset.cases())
    assert _written(dataset)["counts"]["registered"] == 2
    assert [each["view"] for each in _written(dataset)["views"] if each["action"] == "waiting"] == ["lat", "pa"]
    assert sorted(actions(register_dataset(dataset.folder, OPTIONS)).values()) == ["kept"] * 2 + ["registered"] * 2


def test_shards_are_the_whole(dataset: DatasetFolder) -> None:
    reports = [register_dataset(dataset.folder, OPTIONS, shard=(number, 2)) for number in (1, 2)]
    assert [list(actions(each)) for each in reports] == [
        ["case-1 lat", "case-1 pa"], ["case-2 lat", "case-2 pa"]
    ]  # fmt: skip
    assert [each.csv_path.name for each in reports] == ["registrations_1of2.csv", "registrations_2of2.csv"]
    assert all(each.csv_path.exists() and each.json_path.exists() for each in reports)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_or_killed_with_workers_nothing_is_lost(tmp_path: Path, how: int) -> None:
    dataset = bones(tmp_path / "bones", 6)
    command = [
        sys.executable,
        "-m",
        "XRayTo3DLib.cli.main",
        "dataset",
        "register",
        str(dataset.folder),
        "--workers",
        "2",
    ]
    options = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "start_new_session": True}
    process = subprocess.Popen([*command, "--no-overlays"], **options)  # type: ignore[call-overload]
    _wait(lambda: len(stamps(dataset)) > 0 or process.poll() is not None)
    process.send_signal(how)
    _, said = process.communicate(timeout=60)
    assert process.returncode == (130 if how == signal.SIGINT else -signal.SIGKILL), said
    _wait(lambda: not _alive(process.pid))  # the workers do not work on
    statuses = [view.status for case in dataset.cases() for view in views_of(case)]  # every file can be read
    assert 0 < statuses.count("unreviewed") < 12 and statuses.count("unregistered") > 0
    if how == signal.SIGINT:
        assert not any(unfinished(case) for case in dataset.cases()) and b"Traceback" not in said
    report = register_dataset(dataset.folder, OPTIONS)
    assert report.counts["kept"] == statuses.count("unreviewed") and report.counts["problem"] == 0
    assert report.counts["registered"] == statuses.count("unregistered")


def _alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _wait(until: Any) -> None:
    for _ in range(1200):
        if until():
            return
        time.sleep(0.05)
    raise AssertionError("it never came")


def test_as_a_user_runs_it(dataset: DatasetFolder, capsys: pytest.CaptureFixture[str]) -> None:
    from XRayTo3DLib.cli.main import main

    words = ["dataset", "register", str(dataset.folder), "--case", "case-1", "--workers", "1", *QUICK_WORDS]
    view_of(dataset.case("case-1"), "lat").camera_path.unlink()
    assert main([*words, "--separately"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"case-1 +pa +converged +0\.9\d", out) and "1 views registered, 0 kept, 1 not registered" in out
    assert "case case-1, view lat: camera: there is no file" in out
    overlay = dataset.folder / "cases" / "case-1" / "views" / "pa" / "overlay.png"
    assert overlay.read_bytes().startswith(b"\x89PNG")
    assert main([*words, "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["counts"]["kept"] == 1 and Path(content["files"]["csv"]).exists()
