"""Samples of validation people while training: what they show, and that nothing is learnt otherwise because of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from depth_cases import CONTENT as DEPTH_CONTENT
from depth_cases import write_depth_dataset
from learning_cases import PIX2PIX, TL_NET, changed, write_yaml
from solids import vtk_sphere
from test_methods_biplanar import BIPLANAR
from test_methods_encoder_decoder import TINY as TINY_ENCODER
from training_cases import TinyTask, weights_of

from XRayTo3DLib.cli.main import main
from XRayTo3DLib.methods.configuration import changed as depth_changed
from XRayTo3DLib.methods.dual_face_depth.samples import front_samples, mask_samples
from XRayTo3DLib.methods.registry import method_named
from XRayTo3DLib.methods.validation import _assd
from XRayTo3DLib.models.bundle import load_bundle
from XRayTo3DLib.shape.surfaces import read_surface
from XRayTo3DLib.training.loop import train
from XRayTo3DLib.training.samples import TrainingSample, as_grey, samples_in, write_samples

CYCLEGAN: dict[str, Any] = {
    **PIX2PIX,
    "method": "style-transfer",
    "gan": {"channels": 4, "blocks": 1, "discriminator_channels": 4, "layers": 1, "steps": 4, "batch": 1, "pool": 2},
}


class SamplingTask(TinyTask):
    """Also draws random numbers for its samples: the steps after it must not notice."""

    def samples(self, stage: str, device: Any, count: int) -> list[TrainingSample]:
        torch.rand(7)
        self.networks["maker"](torch.randn(2, 1, 6, 6))
        bone = {} if stage == "pair" else {"bone": vtk_sphere(10.0)}
        return [TrainingSample(f"person {number}", bone, {"bone": vtk_sphere(20.0)}) for number in range(count)]


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


@pytest.mark.parametrize("content", [BIPLANAR, TINY_ENCODER], ids=["biplanar", "encoder-decoder"])
def test_samples_are_the_people_that_the_validation_measures(content: dict, wrists: Path) -> None:
    """The millimetres of both shown people, measured here, have the mean that the validation tells."""
    settings = changed(content, data={"folder": str(wrists)})
    task = method_named(content["method"]).prepare_training(settings, Path(), "cpu").task
    task.networks.eval()
    (stage,) = task.stages
    with torch.no_grad():
        shown, told = task.samples(stage.name, torch.device("cpu"), 2), task.validate(stage.name, torch.device("cpu"))
    assert len({each.person for each in shown}) == 2
    for bone in ("radius", "ulna"):
        assert all(bone in each.truth for each in shown)
        errors = [_assd(each.truth[bone], each.found[bone]) for each in shown if bone in each.found]
        assert np.mean(errors or [np.nan]) == pytest.approx(told[f"{bone}_mm"], nan_ok=True)
    assert told["lost"] == sum(bone not in each.found for each in shown for bone in each.truth)


def test_dual_face_depth_shows_masks_and_how_near_front_faces_are(tmp_path: Path) -> None:
    people = write_depth_dataset(tmp_path / "people", 4, 1)
    content = depth_changed(DEPTH_CONTENT, [f"data.folder={people}"])
    task = method_named("dual-face-depth").prepare_training(content, people, "cpu").task
    task.networks.eval()
    with torch.no_grad():
        masks, fronts = (task.samples(stage, torch.device("cpu"), 1) for stage in ("segmentation", "depth"))
        assert task.samples("pretraining", torch.device("cpu"), 1) == []
    for (sample,) in (masks, fronts):
        assert list(sample.pictures) == ["radiograph", "found", "true"]
        assert len({picture.shape for picture in sample.pictures.values()}) == 1
    bones = masks[0].pictures["true"] > 0
    assert 0.02 < bones.mean() < 0.8
    np.testing.assert_array_equal(fronts[0].pictures["true"] > 0, bones)


def test_the_nearer_a_front_face_the_brighter() -> None:
    depth = torch.tensor([[[[900.0, 950.0], [1000.0, 900.0]], [[800.0, 990.0], [1000.0, 700.0]]]])
    mask = torch.tensor([[[[True, True], [False, True]], [[False, True], [False, False]]]])
    (sample,) = front_samples(torch.zeros(1, 2, 2), depth, depth, mask)
    true = sample.pictures["true"]
    # Only the first bone counts at (0, 0) and (1, 1); the nearer of both at (0, 1); none at (1, 0).
    assert true[0, 0] == true[1, 1] == 1.0 and 0 < true[0, 1] < 1 and true[1, 0] == 0
    (counted,) = mask_samples(torch.zeros(1, 2, 2), mask, mask)
    np.testing.assert_allclose(counted.pictures["true"], [[0.5, 1.0], [0.0, 0.5]])
