"""A stranger's folder may hold what looks like the rest of a killed writer: nothing outside that folder is touched."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from pathlib import Path

import pytest

from XRayTo3DLib.files.unfinished import GONE, OLD_S, READY, REPLACED, UNFINISHED, abandoned, remove_abandoned
from XRayTo3DLib.processes import own_mark

LINKS = pytest.mark.skipif(sys.platform == "win32", reason="making links needs a right of its own on Windows")


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Somebody's own folder beside the stranger's."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "work.json").write_text("years of it", encoding="utf-8")
    return folder


@pytest.fixture
def stranger(tmp_path: Path) -> Path:
    folder = tmp_path / "stranger"
    folder.mkdir()
    (folder / "kept.json").write_text("as it was", encoding="utf-8")
    return folder


def scratch_in(folder: Path) -> Path:
    """What a writer of another machine would have left two days ago."""
    scratch = folder / f"{UNFINISHED}another-1-2-x"
    scratch.mkdir()
    return scratch


def aged(scratch: Path) -> None:
    old = scratch.stat().st_mtime - 2 * OLD_S
    os.utime(scratch, (old, old))


def left(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir() if not path.is_symlink()}


@pytest.mark.parametrize(
    "name", ["../mine/work.json", "{outside}/work.json", "..", ".", "../mine", "a/../../mine/work.json"]
)
def test_no_name_leads_out_of_the_folder(stranger: Path, outside: Path, name: str) -> None:
    ready = scratch_in(stranger) / READY
    ready.mkdir()
    (ready / "kept.json").write_text("forged", encoding="utf-8")
    (ready / GONE).write_text(name.format(outside=outside), encoding="utf-8")
    aged(ready.parent)
    remove_abandoned(stranger)
    assert left(outside) == {"work.json": "years of it"}
    assert left(stranger) == {"kept.json": "as it was"}


@LINKS
@pytest.mark.parametrize("part", [READY, REPLACED, f"{READY}/{GONE}", "", f"{READY}/work.json"])
def test_no_link_leads_out_of_the_folder(stranger: Path, outside: Path, part: str) -> None:
    """A linked ``ready`` would have moved somebody's files into the folder."""
    (outside / GONE).touch()
    scratch = stranger / f"{UNFINISHED}another-1-2-x"
    (scratch / part).parent.mkdir(parents=True, exist_ok=True)
    target = {f"{READY}/{GONE}": outside / GONE, f"{READY}/work.json": outside / "work.json"}.get(part, outside)
    (scratch / part).symlink_to(target)
    if part.endswith("work.json"):
        (scratch / READY / GONE).touch()
    if not scratch.is_symlink():
        aged(scratch)
    os.utime(outside, (1, 1))
    remove_abandoned(stranger)
    assert left(outside) == {"work.json": "years of it", GONE: ""}
    assert left(stranger) == {"kept.json": "as it was"}


def test_what_others_begin_and_end_meanwhile_disturbs_nobody(tmp_path: Path) -> None:
    """Several work in one data set: folders that are listed are gone when they are looked into."""
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            busy = tmp_path / "case" / f"{UNFINISHED}{own_mark()}-x" / "deep"
            busy.mkdir(parents=True)
            shutil.rmtree(busy.parent)

    other = threading.Thread(target=work)
    other.start()
    try:
        assert [list(abandoned(tmp_path, below=True)) for _ in range(3000)] == [[]] * 3000
    finally:
        over.set()
        other.join()


@LINKS
def test_a_link_and_a_file_of_that_name_are_nobodys_rest(stranger: Path, outside: Path) -> None:
    os.utime(outside, (1, 1))
    (stranger / f"{UNFINISHED}a").symlink_to(outside)
    (stranger / f"{UNFINISHED}b").touch()
    os.utime(stranger / f"{UNFINISHED}b", (1, 1))
    assert list(abandoned(stranger)) == []


def test_a_list_of_names_without_end_is_not_read(stranger: Path) -> None:
    ready = scratch_in(stranger) / READY
    ready.mkdir()
    with (ready / GONE).open("wb") as file:
        file.truncate(1 << 40)  # takes no room on the disk
    aged(ready.parent)
    remove_abandoned(stranger)
    assert left(stranger) == {"kept.json": "as it was"}
