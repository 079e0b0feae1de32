"""A full disk and a folder that may not be written to: told before the work, or all is as it was, in one sentence."""

from __future__ import annotations

import errno
import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from disk_faults import Outcome, contents, every_failure, full_at, no_file_above, told
from small_dataset import OTHER, POSE, ct, radiograph, record, small_dataset, view_in
from solids import vtk_sphere

from XRayTo3DLib.cli.main import main
from XRayTo3DLib.dataset.case_views import add_view, write_registration, write_review
from XRayTo3DLib.dataset.dataset_builder import add_case
from XRayTo3DLib.dataset.dataset_folder import CaseEntry, DatasetFolder
from XRayTo3DLib.dataset.resplit import resplit
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.explain import explained
from XRayTo3DLib.files import disk, whole, write_json, write_text, written_together
from XRayTo3DLib.files.disk import CannotWrite, require_room, size_text
from XRayTo3DLib.imaging.ct_writer import write_ct, write_labels
from XRayTo3DLib.jobs import JobFolder, JobStatus
from XRayTo3DLib.jobs.progress_lines import append_line
from XRayTo3DLib.models.install import install_bundles
from XRayTo3DLib.registration.result import Review
from XRayTo3DLib.shape.surfaces import write_surface
from XRayTo3DLib.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint

REPOSITORY = Path(__file__).resolve().parents[2]
BUNDLE = REPOSITORY / "Resources" / "models" / "wrist-shapes-demo"
posix = pytest.mark.skipif(os.name == "nt", reason="limits of POSIX")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two cases; the first has a view that was registered and accepted."""
    folder = small_dataset(tmp_path_factory.mktemp("made") / "mine")
    write_review(view_in(folder), Review.ACCEPTED, "", "radiologist")
    return folder


# ---- everything that is written, with every step failing in its turn ------------------------------------------------


def checkpoint(total: int) -> Checkpoint:
    import torch

    return Checkpoint(0, total, total, {"network/a": torch.full((3,), float(total))}, {}, {"seconds": 1.0})


OPERATIONS: dict[str, Callable[[Path], object]] = {
    "a file": lambda folder: write_json(folder / "dataset.json.bak", {"a": 1}),
    "a case": lambda folder: add_case(folder, CaseEntry("three", "three", "train", ""), ct()),
    "a split": lambda folder: resplit(folder, cases=["two"]),
    "a view": lambda folder: add_view(DatasetFolder.open(folder).case("two"), "lat", radiograph()),
    "another picture": lambda folder: add_view(
        DatasetFolder.open(folder).case("one"), "pa", radiograph(1.0), replace=True
    ),
    "another registration": lambda folder: write_registration(view_in(folder), record(OTHER), OTHER, {"b.png": b"b"}),
    "a review": lambda folder: write_review(view_in(folder), Review.REJECTED, "no", "radiologist"),
    "a job folder": lambda folder: JobFolder.create(folder / "jobs" / "one", "dataset", {}),
    "an installed bundle": lambda folder: install_bundles(BUNDLE, folder / "models"),
    "a bundle in another's place": lambda folder: install_bundles(BUNDLE, folder, replace=True),
    "a surface": lambda folder: write_surface(vtk_sphere(20.0), folder / "cases" / "one" / "meshes" / "radius.vtp"),
    "a checkpoint": lambda folder: save_checkpoint(folder / "run", checkpoint(2)),
}
TOGETHER = ("a split", "another registration", "another picture", "a review", "a view", "an installed bundle")
"""After a failure all of what they write is as it was; a case may be whole, without its line in dataset.json yet."""


def without_dates(folder: Path) -> dict[str, str]:
    """What a folder holds, but for the time of a review, which is of no two runs the same."""
    for path in folder.rglob("registration*.json"):
        content = json.loads(path.read_text(encoding="utf-8"))
        content["review"].pop("date", None)
        path.write_text(json.dumps(content), encoding="utf-8")
    return contents(folder)


@pytest.mark.parametrize(
    ("name", "lasting"),
    [*((name, False) for name in OPERATIONS), *((name, True) for name in ("a case", "another registration"))],
)
def test_whatever_step_finds_no_room_every_file_is_old_or_new(
    name: str, lasting: bool, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence for the person, nothing half written, nothing unfinished left, and the same again succeeds."""
    start = tmp_path / "start"
    shutil.copytree(dataset, start)
    shutil.copytree(BUNDLE, start / BUNDLE.name)
    (start / BUNDLE.name / "old.safetensors").write_bytes(b"of an older one")
    save_checkpoint(start / "run", checkpoint(1))
    monkeypatch.setattr("disk_faults.contents", without_dates)
    outcomes, old, new = every_failure(OPERATIONS[name], start, tmp_path, lasting=lasting)
    assert outcomes, "nothing was made to fail"
    assert old != new
    for outcome in outcomes:
        check(outcome, old, new)
        if outcome.sentence and name in TOGETHER:
            assert outcome.left == old, f"step {outcome.step}"
    if name == "a checkpoint":
        assert load_checkpoint(tmp_path / "copy" / "run") is not None


def check(outcome: Outcome, old: dict[str, str], new: dict[str, str]) -> None:
    where = f"step {outcome.step} ({outcome.sentence})"
    for name, digest in outcome.left.items():
        assert ".writing-" not in name and ".lock" not in name, f"{where}: {name} is left"
        assert digest in (old.get(name), new.get(name)), f"{where}: {name} is neither the old nor the new one"
    missing = [name for name in old if name in new and name not in outcome.left]
    assert not missing, f"{where}: {missing[0]} is gone"


def test_the_same_command_goes_on_once_there_is_room(dataset: Path, tmp_path: Path) -> None:
    """Before, a case whose line found no room in dataset.json kept its own id from being used again."""
    for step in range(1, 40):
        folder = tmp_path / str(step)
        shutil.copytree(dataset, folder)
        with full_at(step, folder) as fault:
            try:
                OPERATIONS["a case"](folder)
            except OSError as error:
                assert fault.fired and told(error)
                OPERATIONS["a case"](folder)
        assert [entry.id for entry in DatasetFolder.open(folder).entries] == ["one", "two", "three"]
        if not fault.fired:
            return
    raise AssertionError("never whole")


# ---- writers that do not tell: the system refuses what is behind a byte ---------------------------------------------

WRITERS: dict[str, Callable[[Path], object]] = {
    "ct.nrrd": lambda path: write_ct(ct(), path),
    "labels.seg.nrrd": lambda path: write_labels(ct(), path),
    "pose.tfm": POSE.save,
    **{
        f"bone{suffix}": lambda path: write_surface(vtk_sphere(20.0), path)
        for suffix in (".vtp", ".ply", ".stl", ".vtk", ".obj")
    },
    "text.json": lambda path: write_text(path, "x" * 3000),
}


@posix
@pytest.mark.parametrize("name", WRITERS)
def test_a_file_cut_short_never_gets_its_name(name: str, tmp_path: Path) -> None:
    """VTK's PLY, ITK's NRRD and transforms say nothing when the last bytes find no room."""
    WRITERS[name](tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(b"old")
    for size in sorted({0, 1, *range(0, len(whole), max(1, len(whole) // 8)), len(whole) - 1}):
        with no_file_above(size), pytest.raises(CannotWrite) as raised:
            WRITERS[name](tmp_path / name)
        told(raised.value)
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {name: b"old"}, size
    WRITERS[name](tmp_path / name)
    assert len((tmp_path / name).read_bytes()) == len(whole)


@posix
def test_a_line_of_progress_that_finds_no_room_harms_no_other(tmp_path: Path) -> None:
    """The system writes as much as fits and says how much; the rest of the line would have joined the next one."""
    path = tmp_path / "progress.jsonl"
    append_line(path, '{"step": 1}')
    with no_file_above(18), pytest.raises(OSError, match="No space left"):
        append_line(path, '{"step": 2}')
    append_line(path, '{"step": 3}')
    assert path.read_text(encoding="utf-8") == '{"step": 1}\n{"step": 3}\n'


# ---- before the work begins -----------------------------------------------------------------------------------------


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk with 6 MB left."""
    monkeypatch.setattr(disk, "disk_free_bytes", lambda folder: 6_000_000)


def test_too_little_room_is_told_with_how_much_there_is_and_is_needed(tmp_path: Path, small: None) -> None:
    require_room(tmp_path / "a" / "b", 500_000)
    with pytest.raises(CannotWrite) as raised:
        require_room(tmp_path / "a" / "b", 3e9, "training")
    assert str(raised.value) == (
        f"training: the disk of {tmp_path / 'a' / 'b'} has 6.0 MB free, about 3.0 GB are needed. "
        f"Free some space, or choose a folder on another disk."
    )
    assert list(tmp_path.iterdir()) == []


def test_a_drive_that_does_not_say_its_size_is_not_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(0, 0, 0))
    require_room(tmp_path, 1e12)


@pytest.mark.parametrize(
    "command",
    [
        ["dataset", "synthetic", "-o", "FOLDER/people", "--people", "300"],
        ["train", str(REPOSITORY / "Resources/configs/wrist_pa_small.yaml"), "-o", "FOLDER/run"],
        ["train", str(REPOSITORY / "Resources/configs/wrist_pa_small.yaml"), "--job", "FOLDER/run"],
        ["demo", "-o", "FOLDER/demo"],
        ["reconstruct", "--view", "x.png", "--model", "wrist-pa-demo", "-o", "FOLDER/out"],
        ["evaluate", "a.vtp", "b.vtp", "-o", "FOLDER/out"],
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_commands_refuse_before_they_work(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(disk, "disk_free_bytes", lambda folder: 1_000_000)
    assert main([word.replace("FOLDER", str(tmp_path)) for word in command]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1 and "has 1.0 MB free, about" in said[0], said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
def test_a_folder_that_may_not_be_written_to_is_refused(tmp_path: Path, code: int) -> None:
    with full_at(1, tmp_path, code=code, lasting=True), pytest.raises(CannotWrite) as raised:
        require_room(tmp_path / "out", 0, "training")
    assert str(raised.value).startswith(f"training: {tmp_path / 'out'} cannot be written to ({os.strerror(code)}).")


AS_NOBODY = """
import os, sys
from XRayTo3DLib.cli.main import build_parser, main
from XRayTo3DLib.processes import own_mark
build_parser(), own_mark()  # nobody may not read root's Python
os.setgid(65534)
os.setuid(65534)
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can be somebody else")
def test_somebody_elses_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_mode & 0o055 != 0o055:
            folder.chmod(0o755)  # pytest's own folders are root's alone
    command = [sys.executable, "-c", AS_NOBODY, "dataset", "synthetic", "-o", str(tmp_path / "people"), "--people", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    said = [line for line in done.stderr.splitlines() if line.startswith("xrayto3d:")]
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    assert said == [
        f"xrayto3d: error: output: {tmp_path / 'people'} cannot be written to (Permission denied). Choose another "
        f"folder, or see to the right to write there."
    ]


# ---- what a person reads --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/data/x.json"), "the disk of /data "),
        (OSError(errno.EDQUOT, "Disk quota exceeded", "/data/x.json"), "the disk of /data "),
        (OSError(errno.EROFS, "Read-only file system", "/data/x.json"), "/data cannot be written to (Read-only"),
        (OSError(errno.EFBIG, "File too large", "/data/x.json"), "/data: a file would be larger than"),
        (PermissionError(errno.EACCES, "Permission denied", "/data/x"), "Permission denied: /data/x. Check that"),
        (RuntimeError("SafetensorError: I/O error: No space left on device (os error 28)"), "the disk of the folder"),
        (MemoryError(), "there was not enough memory."),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:114] DefaultCPUAllocator: can't allocate memory"),
            "there was not",
        ),
    ],
)
def test_what_is_nobodys_bug_is_not_called_one(
    error: Exception, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert explained(error).startswith(words)
    monkeypatch.setattr("XRayTo3DLib.cli.info.run", lambda args: (_ for _ in ()).throw(error))
    assert main(["info", "x.dcm"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and said.startswith(f"xrayto3d: error: {words}") and "report it" not in said


def test_a_bug_is_still_called_one() -> None:
    assert explained(KeyError("x")) == explained(RuntimeError("x")) == explained(TypeError("writing")) == ""


def test_a_refusal_comes_whole_out_of_a_worker_process() -> None:
    error = pickle.loads(pickle.dumps(CannotWrite("the disk is full.")))
    assert isinstance(error, InputError) and isinstance(error, OSError) and str(error) == "the disk is full."


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 kB"), (10, "1 kB"), (25_400, "25 kB"), (1.25e7, "12 MB"), (3.14e9, "3.1 GB")]
)
def test_sizes_are_read_at_a_glance(size: float, text: str) -> None:
    assert size_text(size) == text


def test_files_that_belong_together_are_put_back_if_one_cannot_take_its_place(tmp_path: Path) -> None:
    """A rename that fails after another one has succeeded."""
    (tmp_path / "a").write_text("old a", encoding="utf-8")
    (tmp_path / "c").write_text("old c", encoding="utf-8")
    moves: list[Path] = []
    before = Path.replace

    def replace_or_fail(self: Path, target: Path) -> Path:
        moves.append(target)
        if len(moves) == 3:
            raise OSError(errno.ENOSPC, "No space left on device", str(self), None, str(target))
        return before(self, target)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(CannotWrite):
        patch.setattr(whole.Path, "replace", replace_or_fail)
        with written_together(tmp_path, "c") as new:
            for name in "abc":
                (new / name).write_text(f"new {name}", encoding="utf-8")
    assert {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()} == {"a": "old a", "c": "old c"}


# ---- jobs -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def job(tmp_path: Path) -> Iterator[JobFolder]:
    yield JobFolder.create(tmp_path / "job", "training", {})


@posix
def test_a_worker_on_a_full_disk_ends_in_a_sentence_and_its_folder_stays_readable(job: JobFolder) -> None:
    for step in range(1, 30):
        child = os.fork()
        if child == 0:
            with full_at(step, job.path, lasting=True) as fault:
                try:
                    with job.working():
                        job.progress({"step": step})
                except OSError as error:
                    told(error)
                os._exit(1 if fault.fired else 0)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        status = JobFolder.open(job.path).state().status
        if code == 0:
            assert status is JobStatus.FINISHED
            return
        assert code == 1 and status in (JobStatus.FAILED, JobStatus.DEAD, JobStatus.WAITING)
    raise AssertionError("never whole")


def test_a_worker_that_could_not_even_say_it_is_told_by_the_disk(
    job: JobFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    from XRayTo3DLib.jobs.process_mark import ProcessMark

    replace(ProcessMark.of(os.getpid()), started="1").save(job.path / "worker.json")
    monkeypatch.setattr("XRayTo3DLib.jobs.folder.disk_free_bytes", lambda folder: 1000)
    assert job.state().message == "The worker ended without a result. Its disk is full: free some space."
