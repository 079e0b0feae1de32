"""Data sets, tables and names from anywhere: nothing leads out of a folder, becomes a formula, a page or a command."""

from __future__ import annotations

import csv
import io
import json
import os
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_dataset import OTHER, POSE, ct, radiograph, record, small_dataset, view_in

from XRayTo3DLib.cli.console import complain, say
from XRayTo3DLib.cli.main import main
from XRayTo3DLib.dataset.batch_registration import register_dataset
from XRayTo3DLib.dataset.case_views import add_view, views_of, write_review
from XRayTo3DLib.dataset.dataset_builder import add_case, start_dataset
from XRayTo3DLib.dataset.dataset_folder import CaseEntry, DatasetFolder
from XRayTo3DLib.dataset.depth_views import read_depth_view
from XRayTo3DLib.dataset.population import write_population
from XRayTo3DLib.dataset.registration_plan import BatchOptions
from XRayTo3DLib.dataset.review import DAMAGED, view_states
from XRayTo3DLib.dataset.standard_geometry import StandardGeometry
from XRayTo3DLib.dataset.view_pairs import accepted_pose, read_pair, write_pair, write_registered_drrs
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.report import figure, note, page, paragraph, section, table, tiles, warnings
from XRayTo3DLib.files import safe_file_name
from XRayTo3DLib.files.spreadsheets import as_cells
from XRayTo3DLib.registration.result import Review
from XRayTo3DLib.shape.shape_model_file import read_arrays

EVIL = ["<script>alert(1)</script>\"'><img src=x onerror=alert(1)>", "=cmd|' /C calc'!A0", "\x1b[2J\x1b]0;pwned\x07"]


def a_data_set(folder: Path, **changes: Any) -> Path:
    for part in ("cases/p1/meshes", "cases/p1/views/pa"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    content = {
        "format": "xrayto3d.dataset/1",
        "anatomy": "wrist",
        "labels": ["radius", "ulna"],
        "frame": "wrist",
        "synthetic": True,
        "provenance": "made up",
        "licence": "CC0",
        "cases": [{"id": "p1", "patient": "p1"}],
    }
    (folder / "dataset.json").write_text(json.dumps({**content, **changes}), encoding="utf-8")
    return folder


def refused(folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        for case in DatasetFolder.open(folder).cases():
            views_of(case)
    message = str(caught.value)
    assert message.isprintable() and len(message) < 600
    return message


def test_an_honest_one_is_opened(tmp_path: Path) -> None:
    (case,) = DatasetFolder.open(a_data_set(tmp_path / "d")).cases()
    assert [view.name for view in views_of(case)] == ["pa"]


IDS = ["..", ".", "../p1", "/p1", "p1/../p1", "..\\p1", "C:p1", "p1\0", "con", "p1.", "", "a" * 400, ".writing-p1"]


@pytest.mark.parametrize("name", IDS)
def test_a_case_s_name_is_no_path(tmp_path: Path, name: str) -> None:
    refused(a_data_set(tmp_path / "d", cases=[{"id": name, "patient": "p"}]))


def test_what_a_data_set_says_of_itself_forges_no_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    forged = "made up\nxrayto3d: error: your disk is broken"
    folder = a_data_set(tmp_path / "d", provenance=forged, licence=forged, anatomy=forged)
    assert main(["dataset", "show", str(folder)]) == 0
    registration = folder / "cases/p1/views/pa/registration.json"
    registration.write_text(json.dumps(record(POSE, reason=forged, review=dict.fromkeys(("note", "by_role"), forged))))
    assert main(["dataset", "review", str(folder)]) == 0
    assert not [line for line in capsys.readouterr().out.splitlines() if line.startswith("xrayto3d")]


def test_two_cases_that_some_system_takes_for_one(tmp_path: Path) -> None:
    for one, other in (("p1", "P1"), ("ﬁ1", "fi1")):
        cases = [{"id": one, "patient": "a"}, {"id": other, "patient": "b"}]
        assert "is used twice" in refused(a_data_set(tmp_path / "d", cases=cases))


@pytest.mark.parametrize("label", ["../../secret", "/etc/x", "..", "a\\b", "C:x", "nul", "", "a\x1b[2J", "=cmd|'C'!A0"])
def test_a_bone_s_name_is_no_path(tmp_path: Path, label: str) -> None:
    """Its mesh would be read from, or written to, where the name leads."""
    refused(a_data_set(tmp_path / "d", labels=["radius", label]))


def linked(folder: Path, place: str, target: Path) -> Path:
    path = folder / place
    if path.is_dir():
        for each in sorted(path.rglob("*"), reverse=True):
            each.rmdir()
        path.rmdir()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)
    return folder


FOLDERS = ["cases", "cases/p1", "cases/p1/meshes", "cases/p1/views", "cases/p1/views/pa", "prepared"]
FILES = ["cases/p1/ct.nrrd", "cases/p1/landmarks.mrk.json", "cases/p1/meshes/radius.vtp", "prepared/p1.safetensors"]
FILES += ["cases/p1/views/pa/radiograph.nrrd", "cases/p1/views/pa/pose.tfm"]


@pytest.mark.parametrize("place", [*FOLDERS, *FILES])
def test_links_out_of_the_data_set_are_refused(tmp_path: Path, place: str) -> None:
    outside = tmp_path / "home"
    (outside / "p1" / "views" / "pa").mkdir(parents=True)
    (outside / "pa").mkdir()
    (outside / "secret").write_text("secret")
    target = outside / "secret" if place in FILES else outside
    folder = linked(a_data_set(tmp_path / "d"), place, target)
    assert f"{place} is a link that leads out" in refused(folder)
    assert (outside / "secret").read_text() == "secret"


def test_a_link_out_of_one_case_ends_no_batch(tmp_path: Path) -> None:
    """It is that case's problem, in a batch and in a list."""
    folder = a_data_set(tmp_path / "d", cases=[{"id": "p1", "patient": "p1"}, {"id": "p2", "patient": "p2"}])
    (folder / "cases" / "p2" / "views" / "pa").mkdir(parents=True)
    linked(folder, "cases/p1/views/pa", tmp_path)
    told = {each.case_id: each.note for each in register_dataset(folder, BatchOptions()).outcomes}
    assert "views/pa is a link that leads out" in told["p1"] and "leads out" not in told["p2"]
    states = view_states(DatasetFolder.open(folder))
    assert [(each.case_id, each.view, each.status) for each in states] == [
        ("p1", "", DAMAGED),
        ("p2", "pa", "unregistered"),
    ]
    assert "views/pa is a link that leads out" in states[0].problem


def test_links_inside_and_to_the_whole_are_fine(tmp_path: Path) -> None:
    """As DataLad and git-annex have them, and as people reach another disk."""
    folder = a_data_set(tmp_path / "d")
    (folder / "store").mkdir()
    (folder / "store" / "ct").write_text("x")
    (folder / "cases" / "p1" / "ct.nrrd").symlink_to(Path("../../store/ct"))
    (tmp_path / "link").symlink_to(folder)
    assert len(DatasetFolder.open(tmp_path / "link").cases()) == 1


def test_loops_pipes_and_devices_are_refused(tmp_path: Path) -> None:
    """A loop ended in a traceback, a pipe was read for ever."""
    folder = a_data_set(tmp_path / "d")
    (folder / "cases/p1/loop").symlink_to("loop")
    assert "cases/p1/loop" in refused(folder)
    (folder / "cases/p1/loop").unlink()
    os.mkfifo(folder / "cases/p1/ct.nrrd")
    assert "cases/p1/ct.nrrd is a pipe or a device" in refused(folder)
    (folder / "cases/p1/ct.nrrd").unlink()
    (folder / "cases/p1/ct.nrrd").symlink_to("../../not/fetched")  # as DataLad leaves it
    assert len(DatasetFolder.open(folder).cases()) == 1


def outside_of(folder: Path, place: str) -> Path:
    """A folder elsewhere with a file in it, in the place of one of the data set's."""
    outside = folder.parent / f"outside of {folder.name}"
    outside.mkdir()
    (outside / "theirs").write_text("theirs")
    linked(folder, place, outside)
    return outside


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


def test_a_case_is_added_inside(tmp_path: Path) -> None:
    """It was written wherever a stranger's ``cases`` or lock led: a network drive perhaps."""
    start_dataset(tmp_path / "d", frame="lps")
    outside = outside_of(tmp_path / "d", "cases")
    with pytest.raises(InputError, match="cases is a link that leads out"):
        add_case(tmp_path / "d", CaseEntry("one", "one"), ct())
    assert names_in(outside) == ["theirs"]
    (tmp_path / "d" / "cases").unlink()
    (tmp_path / "d" / ".dataset.lock").symlink_to(outside / "made")
    with pytest.raises(InputError, match="lock is a link that leads out"):
        add_case(tmp_path / "d", CaseEntry("one", "one"), ct())
    assert names_in(outside) == ["theirs"]


def test_people_are_made_inside(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    outside = outside_of(tmp_path / "d", "cases")
    with pytest.raises(InputError, match="cases is a link that leads out"):
        write_population(tmp_path / "d", 1, workers=1)
    assert names_in(outside) == ["theirs"]


def test_a_view_is_written_inside(tmp_path: Path) -> None:
    """Pictures, poses and simulated radiographs went, and old ones were removed, where a view's link led."""
    case = DatasetFolder.open(small_dataset(tmp_path / "d")).case("one")
    outside = outside_of(tmp_path / "d", "cases/one/views/lat")
    with pytest.raises(InputError, match="views/lat is a link that leads out"):
        add_view(case, "lat", radiograph(), replace=True)
    for use in (write_pair, read_pair):
        with pytest.raises(InputError, match="views/lat is a link that leads out"):
            use(case, "LAT", None)
    _, refused = write_registered_drrs(DatasetFolder.open(tmp_path / "d"), ["LAT"])
    assert "leads out" in refused["one lat"] and names_in(outside) == ["theirs"]


def test_the_pose_that_was_accepted_is_the_one_that_is_learnt_from(tmp_path: Path) -> None:
    """Training took pose.tfm, whatever it was; only lists and panels held it against the record that was judged."""
    view = view_in(small_dataset(tmp_path / "d"))
    write_review(view, Review.ACCEPTED, "", "tester")
    assert accepted_pose(view.folder).distance_to(POSE, (0, 0, 0)) == pytest.approx((0, 0), abs=1e-4)
    OTHER.save(view.pose_path)
    with pytest.raises(InputError, match="pose.tfm is not the pose of registration.json"):
        accepted_pose(view.folder)
    case = DatasetFolder.open(tmp_path / "d").case("one")
    with pytest.raises(InputError, match="pose.tfm is not the pose of registration.json"):
        read_depth_view(case, "pa", StandardGeometry(16), {})


# ---- names -----------------------------------------------------------------------------------------------------------


@given(st.text(max_size=300))
def test_a_file_s_name_stays_in_its_folder(name: str) -> None:
    safe = safe_file_name(name)
    assert safe == safe_file_name(safe) and len(safe.encode()) <= 255 - len("overlay_.png")
    assert safe.strip(".") == safe and not set(safe) & set('/\\:*?"<>|\0')


# ---- tables ----------------------------------------------------------------------------------------------------------

FORMULAS = ["=cmd()", "+1+cmd()", "-2+3+cmd()", "@SUM(A1)", "\t=1", "\r=1", " =1", "=1\n=2", "-cmd"]
FORMULAS += ["\uff1dcmd()", "\uff0b1+cmd()", "\uff0dcmd", "\uff20SUM(A1)"]  # full-width


@pytest.mark.parametrize("text", FORMULAS)
def test_a_name_is_no_formula(text: str) -> None:
    stream = io.StringIO()
    csv.writer(stream).writerow(as_cells([text, 1.5, "p1"]))
    ((cell, *rest),) = csv.reader(io.StringIO(stream.getvalue()))
    assert cell.startswith("'") and cell.isprintable() and rest == ["1.5", "p1"]


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers())
def test_numbers_stay_numbers(value: float) -> None:
    assert as_cells([value, repr(value)]) == [value, repr(value)]


def test_tables_of_the_library_have_no_formula(tmp_path: Path) -> None:
    from XRayTo3DLib.cli.reconstruct_batch import LineOutcome, _save
    from XRayTo3DLib.dataset.batch_registration import BatchReport, ViewOutcome
    from XRayTo3DLib.evaluation.experiment_tables import _csv

    evil = "=cmd()"
    outcome = ViewOutcome(evil, evil, "problem", together=(evil,), similarity=-0.5, note=evil)
    BatchReport(tmp_path, (outcome,), tmp_path / "registrations.json").save()
    _save(tmp_path, [LineOutcome(evil, "problem", (evil,), 1.0, evil)])
    texts = [path.read_text() for path in tmp_path.glob("*.csv")] + [_csv([evil], [(evil, -0.5)])]
    assert len(texts) == 3
    for text in texts:
        cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
        assert f"'{evil}" in cells and evil not in cells
    assert "-0.5" in texts[-1]


# ---- pages and terminals ---------------------------------------------------------------------------------------------


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))


def tags_of(text: str) -> list[tuple[str, tuple[str, ...]]]:
    parser = Tags()
    parser.feed(text)
    return parser.tags


def whole_page(text: str) -> str:
    rows = [(text, text, text), (text,), (text, text)]
    parts = [section(text, note(text), paragraph(text)), warnings([text]), tiles([(text, text, text)])]
    return page(text, [*parts, table(rows, (text, text, text)), figure(b"png", text)], True, text, text)


@pytest.mark.parametrize("text", EVIL)
def test_a_page_has_no_tag_that_is_not_ours(text: str) -> None:
    assert tags_of(whole_page(text)) == tags_of(whole_page("radius"))


def test_nothing_that_is_said_steers_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    for text in EVIL:
        say(text)
        complain(text)
    say("two\nlines")
    out, err = capsys.readouterr()
    assert all(each.isprintable() or each == "\n" for each in out + err) and "two\nlines" in out


# ---- shape models ----------------------------------------------------------------------------------------------------


def test_a_small_archive_of_giant_arrays_is_refused(tmp_path: Path) -> None:
    import zipfile

    header = io.BytesIO()
    about = {"descr": "<f8", "fortran_order": False, "shape": (10**6, 10**6)}
    np.lib.format.write_array_header_1_0(header, about)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("mean.npy", header.getvalue())
    with zipfile.ZipFile(tmp_path / "b.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mean.npy", b"")
        archive.filelist[0].file_size = 10**15
    np.savez(tmp_path / "c.npz", mean=np.array([print], dtype=object))
    for name in ("a", "b", "c"):
        with pytest.raises(InputError, match=f"{name}.npz"):
            read_arrays(tmp_path / f"{name}.npz")
