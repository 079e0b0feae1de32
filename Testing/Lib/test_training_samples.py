"""Samples of validation people while training: what they show, and that nothing is learnt otherwise because of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from learning_cases import PIX2PIX, TL_NET, changed, write_yaml
from training_cases import TinyTask, weights_of
from vtkmodules.vtkFiltersSources import vtkSphereSource

from XRayTo3DLib.cli.main import main
from XRayTo3DLib.models.bundle import load_bundle
from XRayTo3DLib.shape.surfaces import read_surface
from XRayTo3DLib.training.loop import train
from XRayTo3DLib.training.samples import TrainingSample, as_grey, samples_in, write_samples

CYCLEGAN: dict[str, Any] = {
    **PIX2PIX,
    "method": "style-transfer",
    "gan": {"channels": 4, "blocks": 1, "discriminator_channels": 4, "layers": 1, "steps": 4, "batch": 1, "pool": 2},
}


def sphere(radius: float) -> Any:
    source = vtkSphereSource()
    source.SetRadius(radius)
    source.Update()
    return source.GetOutput()


class SamplingTask(TinyTask):
    """Also draws random numbers for its samples: the steps after it must not notice."""

    def samples(self, stage: str, device: Any, count: int) -> list[TrainingSample]:
        torch.rand(7)
        self.networks["maker"](torch.randn(2, 1, 6, 6))
        bone = {} if stage == "pair" else {"bone": sphere(10.0)}
        return [TrainingSample(f"person {number}", bone, {"bone": sphere(20.0)}) for number in range(count)]


def test_samples_change_nothing_that_is_learnt(tmp_path: Path) -> None:
    silent, shown = TinyTask(), SamplingTask()
    train(silent, tmp_path / "silent", device="cpu")
    train(shown, tmp_path / "shown", device="cpu", samples=2)
    for (name, before), after in zip(weights_of(silent).items(), weights_of(shown).values(), strict=True):
        assert torch.equal(before, after), name
    assert not (tmp_path / "silent" / "samples").exists()
    found = samples_in(tmp_path / "shown")
    assert [(each.step, each.stage, each.stage_step) for each in found] == [
        (5, "alone", 5),
        (10, "alone", 10),
        (12, "alone", 12),
        (17, "pair", 5),
        (22, "pair", 10),
        (24, "pair", 12),
    ]
    assert [person["found"] for person in found[-1].people] == [[], []]  # lost bones are told
    person = found[0].people[1]
    mesh = read_surface(found[0].path / person["folder"] / "bone_truth.vtp")
    assert max(np.abs(mesh.GetBounds())) == pytest.approx(20.0, rel=0.02)


def test_a_method_without_samples_writes_none(tmp_path: Path) -> None:
    train(TinyTask(steps=2), tmp_path, device="cpu", samples=2)
    assert samples_in(tmp_path) == []


@pytest.mark.parametrize("content", [TL_NET, PIX2PIX, CYCLEGAN], ids=["tl-net", "pix2pix", "cyclegan"])
def test_real_methods_learn_the_same_with_samples(content: dict, wrists: Path, tmp_path: Path, capsys: Any) -> None:
    config = write_yaml(tmp_path / "mine.yaml", changed(content, data={"folder": str(wrists)}))
    for name, more in (("silent", []), ("shown", ["--samples", "2"])):
        assert main(["train", str(config), "-o", str(tmp_path / name), "--device", "cpu", *more]) == 0
    capsys.readouterr()
    bundles = [load_bundle(tmp_path / name / "bundle") for name in ("silent", "shown")]
    for network in bundles[0].networks:
        for name, tensor in bundles[0].weights(network).items():
            assert torch.equal(tensor, bundles[1].weights(network)[name]), name
    last = samples_in(tmp_path / "shown")[-1]
    person = last.people[0]
    if content is TL_NET:
        assert person["truth"] == ["radius", "ulna"] and person["person"].startswith("wrist-")
        radius = read_surface(last.path / person["folder"] / "radius_truth.vtp")
        assert np.abs(np.array(radius.GetBounds()) - np.array([-8, -8, 0, 0, -26, -26])).max() < 45  # in the grid
    else:
        from PIL import Image

        assert person["pictures"] == ["radiograph", "made", "true DRR"]
        with Image.open(last.path / person["folder"] / "pictures.png") as picture:
            assert picture.size == (3 * 32 + 2 * 4, 32)


def test_only_the_newest_are_kept_and_a_damaged_one_is_passed_over(tmp_path: Path) -> None:
    sample = TrainingSample("p", pictures={"made": np.linspace(0, 1, 6).reshape(2, 3)})
    for step in range(1, 6):
        write_samples(tmp_path, step, "stage", step, [sample], kept=3)
    assert [each.step for each in samples_in(tmp_path)] == [3, 4, 5]
    write_samples(tmp_path, 5, "stage", 5, [sample], kept=3)  # done again after an interruption
    (tmp_path / "samples" / "step-000004" / "sample.json").write_text("{")
    assert [each.step for each in samples_in(tmp_path)] == [3, 5]
    assert write_samples(tmp_path, 9, "stage", 9, []) is None


def test_grey_values() -> None:
    grey = as_grey(np.array([-1.0, 0.0, 1.0, 2.0, 9.0, np.nan]), 0.0, 2.0)
    np.testing.assert_allclose(grey, [0, 0, 0.5, 1, 1, 0])
