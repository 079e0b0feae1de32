"""xrayto3d compare on a tiny data set: trains, loads, measures in processes of their own, reports, and goes on."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from XRayTo3DLib.cli import compare_run
from XRayTo3DLib.cli.compare_clock import Clock, left_text
from XRayTo3DLib.cli.compare_run import MethodFailed, Training, trained
from XRayTo3DLib.cli.compare_session import Options, Session
from XRayTo3DLib.cli.compare_worker import work
from XRayTo3DLib.cli.main import main
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.compare_results import Row
from XRayTo3DLib.evaluation.compare_tables import Columns, main_table
from XRayTo3DLib.evaluation.experiment_report import Part
from XRayTo3DLib.experiments import compare_report
from XRayTo3DLib.experiments.compare_methods import Candidate
from XRayTo3DLib.files import write_json
from XRayTo3DLib.jobs import JobFolder, JobState, JobStatus
from XRayTo3DLib.jobs.process_mark import ProcessMark
from XRayTo3DLib.jobs.run import start_worker


def table_only(rows: Sequence[Row], columns: Columns, hard: int, **more: object) -> list[Part]:
    """The report without its figures, which take seconds."""
    return [Part("Comparison", tables=(main_table(rows, columns, hard),))]


def started(job: JobFolder, arguments: list[str]) -> None:
    """A worker: one in a process of its own, the others here, where all libraries are loaded."""
    folder = Path(arguments[-1])
    if folder.parent.name == "mean-shape":
        start_worker(job, arguments)
    else:
        work(folder)


def trained_here(config: Path, folder: Path, options: Sequence[str]) -> JobFolder:
    """A training in this process."""
    job = JobFolder.create(folder, "training", {})
    ProcessMark.of(os.getpid()).save(folder / "start.json")
    assert main(["train", str(config), "--job", str(folder), *options]) == 0
    return job


def compare(wrists: Path, output: Path, *more: str) -> list[str]:
    return ["compare", "--data", str(wrists), "-o", str(output), "--size", "tiny", "--json", *more]


@pytest.fixture(scope="module")
def compared(wrists: Path, two_view_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A trained method, a given one, one that cannot take part; one person, who is asked everything."""
    output = tmp_path_factory.mktemp("compared") / "out"
    models = ["--models", f"mine={two_view_bundle}", "--people", "1", "--device", "cpu"]
    command = compare(wrists, output, "--methods", "mean-shape", "dual-face-depth", *models)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compare_run, "start_worker", started)
        patch.setattr(compare_run, "start_training", trained_here)
        assert main(command) == 0
    return output, command


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare_report, "comparison_parts", table_only)


@pytest.mark.usefixtures("no_figures")
def test_every_row_has_numbers_or_a_reason(compared: tuple[Path, list[str]], capsys: pytest.CaptureFixture) -> None:
    output, command = compared
    stamps = {path: path.stat().st_mtime_ns for path in output.rglob("*.safetensors")}
    capsys.readouterr()
    assert main(command) == 0  # nothing is trained or measured again
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*.safetensors")} == stamps
    content = json.loads(capsys.readouterr().out)
    rows = {row["name"]: row for row in content["methods"]}
    assert list(rows) == ["mean-shape", "dual-face-depth", "mine"] and content["synthetic"]
    assert rows["mean-shape"]["training_s"] > 0 and not rows["mean-shape"]["given"]
    assert rows["mine"]["training_s"] > 0 and rows["mine"]["given"]  # of its updates, which lie beside the bundle
    for name in ("mean-shape", "mine"):
        assert rows[name]["state"] == "measured" and rows[name]["assd_mean_mm"] > 0 and rows[name]["case_s"] > 0
        assert rows[name]["memory_mb"] is None or rows[name]["memory_mb"] >= rows[name]["memory_before_mb"]
    assert rows["mean-shape"]["assd_mean_mm View 10°"] == rows["mean-shape"]["assd_mean_mm same people"]
    assert rows["dual-face-depth"]["state"] == "left out" and "AP radiographs" in rows["dual-face-depth"]["why_not"]


def test_the_report_and_its_files_are_there(compared: tuple[Path, list[str]]) -> None:
    output, _ = compared
    page = (output / "report.html").read_text(encoding="utf-8")
    assert "Comparison of methods" in page and "left out: it needs AP radiographs" in page and "Synthetic data" in page
    names = {path.name for path in output.iterdir()}
    assert {"comparison.csv", "bone-by-bone.csv", "outcomes.csv", "accuracy.png", "robustness.png", "cost.png"} <= names
    assert {"reconstructions.png", "conditions.png", "mean-shape", "mine"} <= names
    assert not list(output.rglob("task.json"))  # it names a person's folders
    config = yaml.safe_load((output / "mean-shape" / "config.yaml").read_text(encoding="utf-8"))
    assert config["method"] == "mean-shape" and config["data"]["views"] == ["PA", "LAT"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--size", "small"], "another size"),
        (["--seed", "3"], "another seed"),
        (["--methods", "magic"], "'magic' is not known"),
        (["--models", "mine"], "write NAME=BUNDLE"),
        (["--people", "0"], "--people must be 1 or more"),
        (["--threads", "0"], "--threads must be 1 or more"),
        (["--methods", "dual-face-depth", "style-transfer"], "no method can take part"),
    ],
)
def test_what_cannot_be_is_refused(
    compared: tuple[Path, list[str]], more: list[str], message: str, capsys: pytest.CaptureFixture
) -> None:
    output, command = compared
    base = command[: command.index("--methods")] + ["--people", "1"]
    assert main([*base, *more]) == 2
    assert message in capsys.readouterr().err
    assert (output / "report.html").exists()


def test_a_training_with_other_settings_is_not_taken_for_this_one(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("method: another\n", encoding="utf-8")
    with pytest.raises(ValueError, match="trained with other settings"):
        trained(Candidate("a", "a", {"method": "a"}), tmp_path, Training(tmp_path), lambda *told: None)


@pytest.mark.usefixtures("no_figures")
def test_a_method_that_fails_does_not_stop_the_others(
    compared: tuple[Path, list[str]], wrists: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    """The training of one method ends with an error: its row says so, the report is there, the exit code tells."""
    shutil.copytree(compared[0], tmp_path / "out")

    def failing(config: Path, folder: Path, options: object) -> JobFolder:
        job = JobFolder.create(folder, "training", {})
        with pytest.raises(MemoryError), job.working():
            raise MemoryError("too much was wanted")
        return job

    monkeypatch.setattr(compare_run, "start_training", failing)
    monkeypatch.setattr(compare_run, "start_worker", lambda job, arguments: work(Path(arguments[-1])))
    base = compared[1][: compared[1].index("-o")] + ["-o", str(tmp_path / "out"), "--size", "tiny", "--people", "1"]
    assert main([*base, "--methods", "ridge", "mean-shape"]) == 1
    said = capsys.readouterr().out
    assert "FAILED: ridge" in said and "there was not enough memory" in said and "Mean shape" in said
    assert main([*base, "--methods", "ridge"]) == 2
    said = capsys.readouterr().err
    assert "no method gave a number" in said and "ridge: " in said and "there was not enough memory" in said


def test_a_translator_that_is_not_there_is_missed_before_anything_is_trained(wrists: Path, tmp_path: Path) -> None:
    options = Options(wrists, tmp_path / "out", translations={"x": (str(tmp_path / "nowhere"),)})
    with pytest.raises(InputError, match="nowhere"):
        Session(options, lambda text, share: None)


def test_a_training_that_nobody_watched_counts_its_time(tmp_path: Path) -> None:
    """A comparison was killed, its training went on to the end: 50 s; an attempt before had taken 30 s."""
    job, clock = JobFolder.create(tmp_path / "training", "training", {}), tmp_path / "training.json"
    compare_run._count(job, clock)
    assert not clock.exists()  # it never began
    write_json(clock, {"format": compare_run.TIME_FORMAT, "seconds": 30.0})
    for path, written in ((clock, 1000), (job.path / "start.json", 2000), (job.path / "worker.json", 2049)):
        path.touch()
        os.utime(path, (written, written))
    (job.path / "result.json").touch()
    os.utime(job.path / "result.json", (2050, 2050))
    compare_run._count(job, clock)
    assert compare_run._seconds(clock) == 80.0
    compare_run._count(job, clock)  # once is enough
    assert compare_run._seconds(clock) == 80.0


def test_a_worker_that_was_told_to_stop_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = JobFolder.create(tmp_path / "job", "comparison", {})
    running, stopping = JobState(JobStatus.RUNNING), JobState(JobStatus.RUNNING, cancelling=True)
    monkeypatch.setattr(compare_run.time, "sleep", lambda seconds: None)
    told: list[str] = []
    for states, expected in (
        ([running], True),
        ([stopping, stopping, JobState(JobStatus.CANCELLED)], False),
        ([JobState(JobStatus.DEAD)], False),
    ):
        looks = iter(states)
        monkeypatch.setattr(JobFolder, "state", lambda job, looks=looks: next(looks))
        assert compare_run._runs(job, "a", lambda text, *more: told.append(text)) is expected
    assert told == ["a: an earlier run is stopping"] * 2
    assert not compare_run._runs(JobFolder(tmp_path / "new"), "a", lambda *told: None)


def test_an_interrupt_reaches_the_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = JobFolder.create(tmp_path / "job", "training", {})

    def interrupted(job: JobFolder, since: int) -> list[dict]:
        job.begin()
        raise KeyboardInterrupt

    monkeypatch.setattr(compare_run, "follow", interrupted)
    monkeypatch.setattr(compare_run, "STOP_S", 0.1)
    with pytest.raises(KeyboardInterrupt):
        compare_run._followed(job, lambda record: None)
    assert job.cancelled()
    job.fail("stopped")
    monkeypatch.setattr(compare_run, "follow", lambda job, since: [])
    with pytest.raises(MethodFailed, match="stopped"):
        compare_run._followed(job, lambda record: None)


def test_the_clock_learns_from_what_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("XRayTo3DLib.cli.compare_clock.time.monotonic", lambda: now)
    clock = Clock()
    clock.plan({"a": 10.0, "b": 10.0, "c": 20.0})
    clock.start("a")
    assert clock.state(0.0, None) == (0.0, 40.0)
    now += 20.0  # twice as long as expected
    clock.end("a")
    clock.start("b")
    share, left = clock.state(0.0, None)
    assert left == pytest.approx(60.0) and share == pytest.approx(0.25)
    assert clock.state(0.5, 100.0)[1] == pytest.approx(140.0)  # the work at hand knows better
    assert left_text(45) == "about 45 s left" and left_text(600) == "about 10 min left"
