"""Killed at any file operation, work leaves the old or the new, and goes on; ``make soak`` is the long version."""

from __future__ import annotations

import multiprocessing.spawn
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from XRayTo3DLib.dataset.dataset_builder import start_dataset
from XRayTo3DLib.dataset.population import write_population
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import write_text
from XRayTo3DLib.files.unfinished import OLD_S, UNFINISHED, finish_replacing, remove_abandoned, unfinished_folder
from XRayTo3DLib.processes import is_gone, own_mark, process_pool, real_python

HERE = Path(__file__).parent
WORKS = ("bundles", "installed:4", "removed:2", "added:5", "registered:7", "samples:4", "people")
"""With a number after the colon only every so many operations, for the time's sake."""
posix = pytest.mark.skipif(os.name == "nt", reason="SIGKILL and fork are POSIX")


@posix
def test_killed_before_its_file_operations_each_work_is_done_or_not_and_goes_on(tmp_path: Path) -> None:
    command = [sys.executable, str(HERE / "kill_nursery.py"), str(tmp_path), *WORKS]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]


# ---- what is unfinished ------------------------------------------------------------------------------------------


def left_by(mark: str, parent: Path) -> Path:
    """What a process of that mark was killed over."""
    path = parent / f"{UNFINISHED}{mark}-abc"
    path.mkdir(parents=True)
    (path / "half.json").write_text("{")
    return path


def gone_mark() -> str:
    """Of a process of this machine that has ended."""
    code = "from XRayTo3DLib.processes import own_mark; print(own_mark())"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_what_a_dead_process_left_is_removed_and_what_others_write_is_not(tmp_path: Path) -> None:
    mark = gone_mark()
    assert is_gone(mark) and is_gone(own_mark()) is False and is_gone("0ther0-12-34") is None is is_gone("abc")
    ours, dead = left_by(own_mark(), tmp_path / "a"), left_by(mark, tmp_path / "a")
    deep, elsewhere = left_by(mark, tmp_path / "a" / "b"), left_by("0ther0-12-34", tmp_path / "a")
    remove_abandoned(tmp_path / "a")
    assert (ours.exists(), dead.exists(), deep.exists(), elsewhere.exists()) == (True, False, True, True)
    old = time.time() - OLD_S - 60
    os.utime(elsewhere, (old, old))
    remove_abandoned(tmp_path / "a", below=True)
    assert (ours.exists(), deep.exists(), elsewhere.exists()) == (True, False, False)


def test_the_next_write_into_a_folder_removes_what_was_left_there(tmp_path: Path) -> None:
    left_by(gone_mark(), tmp_path)
    write_text(tmp_path / "note.txt", "whole")
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]
    mine = unfinished_folder(tmp_path)
    write_text(tmp_path / "other.txt", "whole")
    assert mine.is_dir()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_who_may_only_read_leaves_everything(tmp_path: Path) -> None:
    left = left_by(gone_mark(), tmp_path / "shared")
    (tmp_path / "shared").chmod(0o555)
    finish_replacing(tmp_path / "shared")
    (tmp_path / "shared").chmod(0o755)
    assert left.is_dir()


# ---- who was not killed ------------------------------------------------------------------------------------------

POOL = """
import os, sys, time
from functools import partial
from pathlib import Path
from XRayTo3DLib.dataset.dataset_folder import CaseEntry
from XRayTo3DLib.dataset.population import make_each

def work(folder, entry):
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(0.02)
    return entry.id

if __name__ == "__main__":
    make_each([CaseEntry(str(n), "p") for n in range(10_000)], partial(work, sys.argv[1]), 2, None)
"""


@posix
def test_a_pools_processes_end_with_whoever_started_them(tmp_path: Path) -> None:
    """Where only the parent is killed, as the system does that is out of memory, they would wait for work for ever."""
    (tmp_path / "pids").mkdir()
    (tmp_path / "pool.py").write_text(POOL)
    parent = subprocess.Popen([sys.executable, str(tmp_path / "pool.py"), str(tmp_path / "pids")])
    while len(list((tmp_path / "pids").iterdir())) < 2:
        assert parent.poll() is None
        time.sleep(0.01)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    pids = [int(path.name) for path in (tmp_path / "pids").iterdir()]
    until = time.monotonic() + 60
    while any(map(runs, pids)) and time.monotonic() < until:
        time.sleep(0.02)
    left = [pid for pid in pids if runs(pid)]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left


HELD = """
import threading
from XRayTo3DLib.dataset.dataset_folder import CaseEntry
from XRayTo3DLib.dataset.population import make_each

LOCK = threading.Lock()

def work(entry):
    with LOCK:
        return entry.id

if __name__ == "__main__":
    with LOCK:  # as a thread of ITK or OpenMP does
        make_each([CaseEntry(str(n), "p") for n in range(8)], work, 2, lambda name, share: print(name))
"""


def test_what_a_thread_holds_stops_no_pool(tmp_path: Path) -> None:
    """A forked process gets the lock as held, and nobody in it lets go."""
    (tmp_path / "held.py").write_text(HELD)
    done = subprocess.run([sys.executable, str(tmp_path / "held.py")], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == [str(n) for n in range(8)], done.stderr


@posix
def test_slicer_s_launcher_starts_no_pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PythonSlicer ends at once where ``multiprocessing`` starts it, and the pool would wait for ever."""
    launcher, real = tmp_path / "PythonSlicer", tmp_path / "python-real"
    launcher.write_text("#!/bin/sh\nexit 1\n")
    launcher.chmod(0o755)
    assert real_python(launcher) == launcher and real_python(tmp_path / "python3") == tmp_path / "python3"
    real.symlink_to(sys.executable)
    monkeypatch.setattr(multiprocessing.spawn, "_python_exe", str(launcher))
    monkeypatch.setattr(sys, "executable", str(launcher))
    with process_pool(1) as pool:
        assert pool.submit(os.getpid).result(60) != os.getpid()


def runs(pid: int) -> bool:
    """Whether there is such a process that has not ended."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_no_synthetic_people_take_the_place_of_real_ones(tmp_path: Path) -> None:
    start_dataset(tmp_path / "mine")
    before = (tmp_path / "mine" / "dataset.json").read_bytes()
    with pytest.raises(InputError, match="holds a data set that is not synthetic"):
        write_population(tmp_path / "mine", 1, workers=1)
    assert (tmp_path / "mine" / "dataset.json").read_bytes() == before
