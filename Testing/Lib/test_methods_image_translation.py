"""Image translation: pairs, the two optimisers, losses written out slowly, histogram matching, bundle."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from learning_cases import PIX2PIX, TL_NET, changed
from numpy.typing import NDArray
from torch import nn

from XRayTo3DLib.dataset.voxel_grid import VoxelGrid
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.methods.configuration import parsed
from XRayTo3DLib.methods.data import DataConfiguration
from XRayTo3DLib.methods.image_translation.configuration import ImageTranslationConfiguration
from XRayTo3DLib.methods.image_translation.histograms import BONE, HistogramMatching
from XRayTo3DLib.methods.image_translation.pairs import SplitPairs, split_pairs
from XRayTo3DLib.methods.image_translation.task import PairBatch, Pix2PixTask
from XRayTo3DLib.methods.image_translation.translator import Translator, to_network
from XRayTo3DLib.methods.registry import method_named
from XRayTo3DLib.methods.validation import meshes_of, posed_truth
from XRayTo3DLib.models.bundle import load_bundle
from XRayTo3DLib.registration.result import Review, record_review
from XRayTo3DLib.training.loop import train
from XRayTo3DLib.training.optimisers import only_trained

CPU = torch.device("cpu")


def settings_of(wrists: Path, **changes: Any) -> ImageTranslationConfiguration:
    content = changed(changed(PIX2PIX, data={"folder": str(wrists)}), **changes)
    return parsed(ImageTranslationConfiguration, content)


@pytest.fixture(scope="module")
def pairs(wrists: Path) -> SplitPairs:
    return split_pairs(settings_of(wrists).data, Path())


@pytest.fixture
def task(wrists: Path, pairs: SplitPairs) -> Pix2PixTask:
    return Pix2PixTask(settings_of(wrists), pairs)


def normal(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(7).standard_normal(shape).astype(np.float32)


# ---- pairs -----------------------------------------------------------------------------------------------------------


def test_pairs_are_split_by_person(pairs: SplitPairs) -> None:
    parts = [{case.patient for case in part.cases} for part in (pairs.training, pairs.validation, pairs.test)]
    assert [len(part) for part in parts] == [6, 2, 3] and len(set.union(*parts)) == 11 and pairs.synthetic
    assert {case.split for case in pairs.test.cases} == {"test"}


def test_radiographs_show_more_than_bones(pairs: SplitPairs) -> None:
    for radiograph, drr in zip(pairs.training.radiographs, pairs.training.drrs, strict=True):
        # Fatty marrow attenuates less than the tissue it takes the place of.
        assert drr.min() > -0.05 and 0.1 < (drr > BONE).mean() < 0.7
        bone = drr > drr.max() / 4
        assert radiograph[bone].mean() > radiograph[drr == 0].mean() + 0.1
        assert np.corrcoef(radiograph[drr > 0], drr[drr > 0])[0, 1] > 0.4


def test_poses_say_how_the_bones_lie_in_the_pictures(pairs: SplitPairs, wrists: Path) -> None:
    """The DRR's shadow ends where the posed true radius' silhouette does."""
    from XRayTo3DLib.dataset.canonical_view import CanonicalView
    from XRayTo3DLib.dataset.prepared import truth_meshes
    from XRayTo3DLib.methods.types import ShapeFields
    from XRayTo3DLib.shape.meshes import points_of

    view, field = CanonicalView("PA", 32, 3.0), ShapeFields(np.zeros((2, 2, 2, 2), np.float32), 0.5, VoxelGrid(16, 5.0))
    for case, drr, pose in zip(pairs.test.cases, pairs.test.drrs, pairs.test.poses, strict=True):
        truth = posed_truth(truth_meshes(case), pose.matrix, field.grid)
        shadow = np.zeros((32, 32), dtype=bool)
        for mesh in truth.values():
            columns, rows = np.round(view.camera().project(points_of(mesh))).astype(int).T
            shadow[rows.clip(0, 31), columns.clip(0, 31)] = True
        middle = slice(5, 27)  # of the rows: clipped to the grid, and the shadow is of vertices only
        assert (drr[middle][shadow[middle]] > 0).mean() > 0.95


def test_cases_without_an_accepted_registration_are_left_out(wrists: Path, pairs: SplitPairs, tmp_path: Path) -> None:
    """A data set grows while people review it; where nobody is left a case is named."""
    folder = shutil.copytree(wrists, tmp_path / "copy")
    cases = {case.id for part in (pairs.training, pairs.validation, pairs.test) for case in part.cases}
    (folder / "cases" / "wrist-0003" / "views" / "pa" / "registration.json").unlink()
    rejected = folder / "cases" / "wrist-test-0002" / "views" / "pa" / "registration.json"
    record_review(rejected, Review.REJECTED, "shifted", "tester")
    found = split_pairs(settings_of(folder).data, Path())
    left = {case.id for part in (found.training, found.validation, found.test) for case in part.cases}
    assert cases - left == {"wrist-0003", "wrist-test-0002"}
    for case in ("wrist-test-0001", "wrist-test-0003"):
        (folder / "cases" / case / "views" / "pa" / "registration.json").unlink()
    with pytest.raises(InputError, match=r"case wrist-test-0001.*registration"):
        split_pairs(settings_of(folder).data, Path())
    with pytest.raises(InputError, match=r"case wrist-.*"):
        split_pairs(settings_of(wrists, data={"view": "LAT"}).data, Path())


# ---- scales ----------------------------------------------------------------------------------------------------------


def test_the_scale_is_the_same_for_every_image() -> None:
    values = torch.tensor([-1.0, 0.0, 1.0, 2.0, 4.0, 9.0])
    assert to_network(values, 4.0).tolist() == [-1.0, -1.0, -0.5, 0.0, 1.0, 1.0]


def test_translation_is_the_generator_between_two_scales(wrists: Path, pairs: SplitPairs) -> None:
    configuration = settings_of(wrists, data={"radiograph_scale": 5.0, "image": {"scale": 0.5}})
    found = Translator(configuration, Through()).translate(pairs.training.radiographs)
    assert found == pytest.approx(np.clip(pairs.training.radiographs / 5, 0, 1) * 0.5, abs=1e-6)
    assert found.dtype == np.float32


class Through(nn.Module):
    """A generator that gives back what it gets."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return pictures


def test_many_pictures_in_parts(wrists: Path, task: Pix2PixTask) -> None:
    translator = Translator(settings_of(wrists), task.networks["generator"])
    images = np.abs(normal(35, 32, 32))
    together = translator.translate(images)
    alone = np.concatenate([translator.translate(image[None]) for image in images])
    assert together == pytest.approx(alone, abs=1e-5)


# ---- training --------------------------------------------------------------------------------------------------------


def test_each_optimiser_trains_its_network_alone(task: Pix2PixTask) -> None:
    (stage,) = task.stages
    batch = task.batch("pix2pix", [0, 1], 0, CPU)
    assert batch.radiographs.shape == batch.wanted.shape == (2, 1, 32, 32)
    assert float(batch.wanted.min()) >= -1 and float(batch.wanted.max()) <= 1
    assert [plan.name for plan in stage.optimisers] == ["discriminator", "generator"]
    for plan, other in zip(stage.optimisers, ("generator", "discriminator"), strict=True):
        task.networks.zero_grad(set_to_none=True)
        with only_trained(task.networks, plan):
            assert task.networks["generator"].training and task.networks["discriminator"].training, "dropout"
            task.loss("pix2pix", plan.name, batch)["loss"].backward()
        assert all(parameter.grad is not None for parameter in task.networks[plan.name].parameters())
        assert all(parameter.grad is None for parameter in task.networks[other].parameters())
        assert plan.betas == (0.5, 0.999) and plan.schedule.kind == "linear-decay"


def test_losses_written_out(task: Pix2PixTask) -> None:
    nets = task.networks.eval()
    batch = task.batch("pix2pix", [0, 1, 2], 0, CPU)
    with torch.no_grad():
        made = nets["generator"](batch.radiographs)
        real, false = (nets["discriminator"](batch.radiographs, each) for each in (batch.wanted, made))
        found = {name: task.loss("pix2pix", name, batch) for name in ("discriminator", "generator")}

    def entropy(logits: torch.Tensor, target: float) -> float:
        total = 0.0
        for logit in logits.ravel().tolist():
            share = 1 / (1 + math.exp(-logit))
            total -= target * math.log(share) + (1 - target) * math.log(1 - share)
        return total / logits.numel()

    differences = [abs(a - b) for a, b in zip(made.ravel().tolist(), batch.wanted.ravel().tolist(), strict=True)]
    l1 = sum(differences) / len(differences)
    judged = (entropy(real, 1.0) + entropy(false, 0.0)) / 2
    assert float(found["discriminator"]["loss"]) == pytest.approx(judged, rel=1e-4)
    assert float(found["generator"]["loss"]) == pytest.approx(entropy(false, 1.0) + 100 * l1, rel=1e-4)
    assert float(found["generator"]["l1"]) == pytest.approx(l1, rel=1e-4)


def test_copies_are_moved_alike(task: Pix2PixTask, pairs: SplitPairs) -> None:
    task._pictures = task._pictures[:, 1:].repeat(1, 2, 1, 1)
    batch = task.batch("pix2pix", range(8), 0, CPU)
    assert torch.equal(batch.radiographs, batch.wanted)
    originals = task._pictures[:, :1]
    assert not any(torch.equal(copy, original) for copy in batch.wanted for original in originals)


def test_validation_is_the_mean_absolute_error(task: Pix2PixTask, pairs: SplitPairs) -> None:
    task.networks["generator"] = Through()
    clipped = np.clip(pairs.validation.radiographs / 4, 0, 1)
    expected = np.abs(clipped - pairs.validation.drrs).mean()
    assert task.validate("pix2pix", CPU)["mae"] == pytest.approx(expected, rel=1e-5)


def test_it_learns_a_pair_by_heart(wrists: Path, pairs: SplitPairs, tmp_path: Path) -> None:
    gan = {"steps": 60, "lr": 3.0e-3, "batch": 4, "channels": 8}
    task = Pix2PixTask(settings_of(wrists, gan=gan), pairs)
    one = task._pictures[:1]
    task.batch = lambda stage, items, step, device: PairBatch(*one.repeat(len(items), 1, 1, 1).split(1, dim=1))
    before = task.loss("pix2pix", "generator", task.batch("pix2pix", [0], 0, CPU))["l1"]
    result = train(task, tmp_path, device="cpu", tensorboard=False)
    assert result.losses["pix2pix"]["generator/l1"] < 0.25 * float(before)


# ---- histogram matching ----------------------------------------------------------------------------------------------


def test_matched_bones_have_the_training_distribution(pairs: SplitPairs) -> None:
    matching = HistogramMatching(pairs.training)
    found = matching.matched(pairs.test)
    shares = np.linspace(0.05, 0.95, 19)
    wanted = np.mean([np.quantile(drr[drr > BONE], shares) for drr in pairs.training.drrs], axis=0)
    for image, radiograph, drr in zip(found, pairs.test.radiographs, pairs.test.drrs, strict=True):
        assert not image[drr <= BONE].any()
        inside = drr > BONE
        assert np.quantile(image[inside], shares) == pytest.approx(wanted, abs=0.03)
        order = np.argsort(radiograph[inside])
        assert np.all(np.diff(image[inside][order]) >= -1e-6)


def test_the_oracle_takes_the_case_s_own_distribution(pairs: SplitPairs) -> None:
    found = HistogramMatching(pairs.training).matched(pairs.test, oracle=True)
    for image, drr in zip(found, pairs.test.drrs, strict=True):
        assert np.sort(image[drr > BONE]) == pytest.approx(np.sort(drr[drr > BONE]), abs=0.02)


# ---- a trained one ---------------------------------------------------------------------------------------------------


def test_through_a_bundle(translation_bundle: Path, pairs: SplitPairs) -> None:
    found = load_bundle(translation_bundle)
    assert (
        found.bundle.method == "image-translation" and found.bundle.views[0]["view"] == "PA" and found.bundle.synthetic
    )
    load = method_named("image-translation").load_model
    images = [
        load(found.bundle.configuration, found.weights, found.array).translate(pairs.test.radiographs) for _ in range(2)
    ]
    assert np.array_equal(*images) and images[0].shape == (3, 32, 32)
    assert found.bundle.metrics["mae"] == pytest.approx(np.abs(images[0] - pairs.test.drrs).mean(), rel=1e-5)


def test_it_refuses_models_of_other_images(wrists: Path) -> None:
    translator = Translator(settings_of(wrists), Through())
    data = {**TL_NET["data"], "labels": ["radius", "ulna"]}
    for same in ({}, {"image": {"size": 32, "pixel_mm": 3.0, "scale": 2.0}}):  # between them go line integrals
        translator.require_for(parsed(DataConfiguration, {**data, **same}))
    for other, message in (
        ({"views": ["LAT"]}, "other images than the model"),
        ({"views": ["PA", "LAT"]}, "other images than the model"),
        ({"image": {"size": 64, "pixel_mm": 3.0}}, "other images than the model"),
        ({"grid": {"centre_mm": [0, 0, -26]}}, r"made for wrists.* the model's is at \(0.0, 0.0, -26.0\) mm"),
    ):
        with pytest.raises(InputError, match=message):
            translator.require_for(parsed(DataConfiguration, {**data, **other}))


def test_a_bone_lost_leaves_no_mesh() -> None:
    from XRayTo3DLib.methods.types import ShapeFields

    values = np.zeros((2, 4, 4, 4), np.float32)
    values[0, 1:3, 1:3, 1:3] = 1
    assert set(meshes_of(ShapeFields(values, 0.5, VoxelGrid(4, 1.0)), ("radius", "ulna"))) == {"radius"}
