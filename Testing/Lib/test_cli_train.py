"""``xrayto3d train`` as a user runs it: to a bundle, through Ctrl-C and a moved data set, and into clear errors."""

from __future__ import annotations

import csv
import json
import shutil
import signal
from pathlib import Path

import pytest
import torch
from learning_cases import TL_NET, changed, write_yaml

from XRayTo3DLib.cli.main import INTERRUPTED, main
from XRayTo3DLib.methods.tl_net.task import TlNetTask
from XRayTo3DLib.models.bundle import load_bundle

Out = pytest.CaptureFixture[str]


def train(config: Path, *words: object) -> int:
    return main(["train", str(config), "--device", "cpu", *map(str, words)])


@pytest.fixture
def config(wrists: Path, tmp_path: Path) -> Path:
    return write_yaml(tmp_path / "mine.yaml", changed(TL_NET, data={"folder": str(wrists)}))


def test_a_training_leaves_a_bundle_that_says_what_it_is(tl_net_bundle: Path) -> None:
    bundle = load_bundle(tl_net_bundle).bundle
    assert bundle.synthetic and bundle.method == "tl-net" and bundle.labels == ("radius", "ulna")
    assert bundle.training["people"] == {"training": 6, "validation": 2, "test": 3}
    assert bundle.training["updates"] == {"autoencoder": 6, "predictor": 5, "joint": 4}
    assert set(bundle.metrics) == {"radius_mm", "ulna_mm", "lost"}
    for path in tl_net_bundle.iterdir():
        assert str(tl_net_bundle.parents[1]).encode() not in path.read_bytes(), path.name
    with (tl_net_bundle.parent / "metrics.csv").open() as file:
        assert {row["stage"] for row in csv.DictReader(file)} == {"autoencoder", "predictor", "joint"}


@pytest.mark.parametrize("stopped_in", ["autoencoder", "predictor", "joint"])
def test_ctrl_c_and_data_that_moved_change_nothing(
    stopped_in: str, config: Path, wrists: Path, tl_net_bundle: Path, tmp_path: Path, monkeypatch, capsys: Out
) -> None:
    def interrupted(self: TlNetTask, stage: str, items: range, step: int, device: object) -> object:
        if (stage, step) == (stopped_in, 3):  # the checkpoint is of step 2
            signal.raise_signal(signal.SIGINT)
        return whole(self, stage, items, step, device)

    whole = TlNetTask.batch
    monkeypatch.setattr(TlNetTask, "batch", interrupted)
    assert train(config, "-o", tmp_path / "run", "--checkpoint-every", 2) == INTERRUPTED
    assert not (tmp_path / "run" / "bundle").exists()
    monkeypatch.setattr(TlNetTask, "batch", whole)
    moved = shutil.copytree(wrists, tmp_path / "elsewhere")
    write_yaml(config, changed(TL_NET, data={"folder": str(tmp_path / "is not there any more")}))
    assert train(config, "-o", tmp_path / "run", "--data", moved, "--checkpoint-every", 2) == 0
    weights = [load_bundle(folder).weights for folder in (tl_net_bundle, tmp_path / "run" / "bundle")]
    for network in ("predictor", "decoder"):
        undisturbed, resumed = (each(network) for each in weights)
        for name, tensor in undisturbed.items():
            assert torch.equal(tensor, resumed[name]), name
    capsys.readouterr()


def test_another_configuration_does_not_go_on(config: Path, wrists: Path, tmp_path: Path, monkeypatch, capsys: Out):
    def interrupted(*args: object) -> object:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(TlNetTask, "batch", interrupted)
        assert train(config, "-o", tmp_path / "run") == INTERRUPTED
    write_yaml(config, changed(TL_NET, data={"folder": str(wrists), "noise": 0.5}))
    assert train(config, "-o", tmp_path / "run") == 2
    error = capsys.readouterr().err
    assert "task.data.noise: 0.02 there, 0.5 here" in error


def test_a_job_tells_others_how_it_goes(config: Path, tmp_path: Path, capsys: Out) -> None:
    from XRayTo3DLib.jobs.folder import JobFolder
    from XRayTo3DLib.jobs.state import JobStatus

    job = JobFolder.create(tmp_path / "job", "training", {"name": "tiny"})
    assert train(config, "--job", job.path, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["synthetic"] and Path(told["bundle"]) == tmp_path / "job" / "bundle"
    state = job.state()
    assert state.status is JobStatus.FINISHED and state.result["bundle"] == "bundle"
    assert state.result["metrics"]["lost"] == told["metrics"]["lost"]
    records, _ = job.tail()
    assert [record["stage"] for record in records][-1] == "joint" and records[-1]["step"] == 4


def test_a_failed_job_says_why(wrists: Path, tmp_path: Path, capsys: Out) -> None:
    from XRayTo3DLib.jobs.folder import JobFolder
    from XRayTo3DLib.jobs.state import JobStatus

    job = JobFolder.create(tmp_path / "job", "training", {})
    config = write_yaml(tmp_path / "bad.yaml", changed(TL_NET, data={"folder": str(wrists), "labels": ["femur"]}))
    assert train(config, "--job", job.path) == 2
    state = job.state()
    assert state.status is JobStatus.FAILED and "radius, ulna" in state.message
    assert "change data.labels" in capsys.readouterr().err


def test_half_the_space(config: Path, tl_net_bundle: Path, tmp_path: Path, capsys: Out) -> None:
    assert train(config, "-o", tmp_path / "run", "--float16", "--licence", "CC0") == 0
    assert "SYNTHETIC" in capsys.readouterr().out
    found = load_bundle(tmp_path / "run" / "bundle")
    assert found.bundle.licence == "CC0"
    for name, tensor in load_bundle(tl_net_bundle).weights("decoder").items():
        torch.testing.assert_close(found.weights("decoder")[name].float(), tensor, atol=2e-3, rtol=1e-3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": {"folder": "nowhere"}}, "nowhere"),
        ({"method": "magic"}, "'magic' is not known; choose"),
        ({"network": {"chanels": 3}}, "network.chanels is not known"),
        ({"network": {"norm": "none of these"}}, "norm"),
        ({"network": {"predictor": "vgg"}}, "network.predictor must be one of"),
        ({"loss": {"latent_of": "guess"}}, "loss.latent_of must be one of"),
        ({"stages": {"joint": {"steps": 0}}}, "stage joint"),
        ({"stages": {"joint": {"schedule": "steep"}}}, "one-cycle"),
        ({"data": {"views": ["skyline"]}}, "skyline"),
        ({"data": {"validation_share": 0.99}}, "too few"),
        ({"data": {"folds": 3, "fold": 3}}, "data.fold is 3"),
        ({"data": {"pose": {"distribution": "flat"}}}, "'flat'"),
        ({"data": {"grid": {"centre_mm": [500, 0, 0]}}}, "radius lies in data.grid"),
    ],
)
def test_what_cannot_be_trained(changes: dict, message: str, wrists: Path, tmp_path: Path, capsys: Out) -> None:
    content = changed(changed(TL_NET, data={"folder": str(wrists)}), **changes)
    assert train(write_yaml(tmp_path / "bad.yaml", content), "-o", tmp_path / "run") == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
