"""Where translators plug in: one per view or one for all, which fit which model; histogram matching as one of them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from learning_cases import PIX2PIX, TL_NET, changed, write_yaml
from numpy.typing import NDArray

from XRayTo3DLib.cli.main import main
from XRayTo3DLib.cli.models_used import loaded_translator
from XRayTo3DLib.dataset.dataset_folder import DatasetFolder
from XRayTo3DLib.dataset.view_pairs import write_pairs
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.methods.configuration import parsed
from XRayTo3DLib.methods.data import DataConfiguration
from XRayTo3DLib.methods.histogram_matching.configuration import HistogramMatchingConfiguration
from XRayTo3DLib.methods.histogram_matching.translator import HistogramTranslator, template_of
from XRayTo3DLib.methods.image_translation.pairs import SplitPairs, canonical_pairs, split_pairs
from XRayTo3DLib.methods.registry import METHODS
from XRayTo3DLib.methods.translation import (
    TRANSLATIONS,
    CanonicalTranslator,
    NoTranslation,
    common_pictures,
    translators_for,
)
from XRayTo3DLib.models.bundle import load_bundle

HISTOGRAM = {**{key: PIX2PIX[key] for key in ("format", "data")}, "method": "histogram-matching", "name": "histogram"}


class Times(CanonicalTranslator):
    """Multiplies every line integral."""

    def __init__(self, factor: float, **data: Any) -> None:
        super().__init__(configured(**data))
        self.factor = factor

    def translate(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        return images * self.factor


def configured(**data: Any) -> HistogramMatchingConfiguration:
    return parsed(HistogramMatchingConfiguration, changed(HISTOGRAM, data=data))


def model_of(*views: str, **changes: Any) -> DataConfiguration:
    content = {**TL_NET["data"], "labels": ["radius", "ulna"], "views": list(views), **changes}
    return parsed(DataConfiguration, content)


IMAGES = np.random.default_rng(3).random((2, 2, 32, 32)).astype(np.float32)


# ---- which translator for which view ---------------------------------------------------------------------------------


def test_every_translation_is_in_the_registry() -> None:
    assert set(TRANSLATIONS) <= set(METHODS)


def test_one_for_each_view_in_their_order() -> None:
    found = translators_for([Times(2), Times(3, view="LAT")], model_of("PA", "LAT")).translate(IMAGES)
    assert np.array_equal(found, IMAGES * np.array([2, 3], dtype=np.float32)[:, None, None])


def test_one_for_all_views() -> None:
    found = translators_for([Times(2, view="PA+LAT")], model_of("LAT", "PA")).translate(IMAGES)
    assert np.array_equal(found, 2 * IMAGES)
    single = translators_for([Times(2)], model_of("PA")).translate(IMAGES[:, :1])
    assert np.array_equal(single, 2 * IMAGES[:, :1])


def test_none_leaves_a_view_as_it_is() -> None:
    nothing = loaded_translator("none")
    assert isinstance(nothing, NoTranslation)
    assert np.array_equal(translators_for([nothing], model_of("PA", "LAT")).translate(IMAGES), IMAGES)
    found = translators_for([nothing, Times(3, view="LAT")], model_of("PA", "LAT")).translate(IMAGES)
    assert np.array_equal(found[:, 0], IMAGES[:, 0]) and np.array_equal(found[:, 1], 3 * IMAGES[:, 1])


def test_whoever_learnt_from_synthetic_pictures_marks_the_result() -> None:
    real, made_up = Times(1), Times(1, view="LAT")
    made_up.synthetic = True
    assert translators_for([real, made_up], model_of("PA", "LAT")).synthetic
    assert not translators_for([real, NoTranslation()], model_of("PA", "LAT")).synthetic


def test_translators_that_do_not_fit_are_refused() -> None:
    for given, model, message in (
        ([Times(1)], model_of("PA", "LAT"), r"view PA\) was made for other images than the model \(LAT"),
        ([Times(1, view="LAT"), Times(1)], model_of("PA", "LAT"), "other images"),
        ([Times(1)] * 3, model_of("PA", "LAT"), "3 translations were given, but the model has 2 views, PA and LAT"),
        ([], model_of("PA"), "0 translations"),
        ([Times(1, image={"pixel_mm": 2.0})], model_of("PA"), "other images"),
        ([Times(1)], model_of("PA", grid={"centre_mm": [0.0, 0.0, 9.0]}), "made for wrists"),
    ):
        with pytest.raises(InputError, match=message):
            translators_for(given, model)
    translators_for([Times(1, image={"scale": 3.0})], model_of("PA"))  # a scale is each network's own


def test_what_is_compared_must_be_comparable() -> None:
    one = Times(1)
    assert common_pictures([one, Times(1, view="PA+LAT"), Times(1, image={"scale": 3.0})]) == one.configuration.data
    for other, message in (
        (Times(1, view="LAT"), "one has PA, another LAT"),
        (Times(1, image={"size": 64}), "data.image differ"),
        (Times(1, folds=4, fold=1), "train both on the same fold"),
    ):
        with pytest.raises(InputError, match=message):
            common_pictures([one, other])


# ---- histogram matching ----------------------------------------------------------------------------------------------


def test_a_matched_picture_has_the_templates_distribution_in_its_own_order() -> None:
    rng = np.random.default_rng(0)
    drrs = np.maximum(rng.normal(size=(5, 32, 32)), 0).astype(np.float32)  # half of it background
    radiographs = np.exp(rng.normal(size=(3, 32, 32))).astype(np.float32)
    found = HistogramTranslator(configured(), template_of(drrs)).translate(radiographs)
    assert found.dtype == np.float32 and found.shape == radiographs.shape
    shares = np.linspace(0, 1, 41)
    wanted = np.mean([np.quantile(drr, shares) for drr in drrs], axis=0)
    for picture, radiograph in zip(found, radiographs, strict=True):
        assert np.quantile(picture, shares) == pytest.approx(wanted, abs=0.02)
        assert np.all(np.diff(picture.ravel()[np.argsort(radiograph.ravel())]) >= 0)


def test_gain_and_offset_of_a_radiograph_do_not_matter() -> None:
    translator = HistogramTranslator(configured(), template_of(IMAGES[:, 0]))
    one, other = (translator.translate(each) for each in (IMAGES[:, 1], 3 * IMAGES[:, 1] + 5))
    assert one == pytest.approx(other, abs=1e-3)


@pytest.fixture(scope="module")
def pairs(wrists: Path) -> SplitPairs:
    return split_pairs(configured(folder=str(wrists)).data, Path())


def test_histogram_matching_through_a_bundle(wrists: Path, pairs: SplitPairs, tmp_path: Path) -> None:
    config = write_yaml(tmp_path / "histogram.yaml", changed(HISTOGRAM, data={"folder": str(wrists)}))
    assert main(["train", str(config), "-o", str(tmp_path / "run"), "--json"]) == 0
    assert not (tmp_path / "run" / "checkpoint").exists(), "there is nothing to train step by step"
    told = load_bundle(tmp_path / "run" / "bundle").bundle
    assert told.method == "histogram-matching" and told.synthetic and told.views[0]["view"] == "PA"
    translator = loaded_translator(str(tmp_path / "run" / "bundle"))
    assert translator.synthetic
    found = translator.translate(pairs.test.radiographs)
    here = HistogramTranslator(configured(), template_of(pairs.training.drrs)).translate(pairs.test.radiographs)
    assert found == pytest.approx(here, abs=1e-5)
    assert told.metrics["mae"] == pytest.approx(np.abs(found - pairs.test.drrs).mean(), rel=1e-4)
    raw = np.abs(pairs.test.radiographs - pairs.test.drrs).mean()
    assert told.metrics["mae"] < raw and -1 <= told.metrics["structure"] <= 1


# ---- pictures of several views ---------------------------------------------------------------------------------------


def test_pictures_of_two_views_follow_each_other(wrists: Path, pairs: SplitPairs, tmp_path: Path) -> None:
    folder = shutil.copytree(wrists, tmp_path / "wrists")
    dataset = DatasetFolder.open(folder)
    chosen = tuple(case for case in dataset.cases() if case.id in {each.id for each in pairs.test.cases[:2]})
    ids = {case.id for case in chosen}
    few = dataset.__class__(**{**vars(dataset), "entries": tuple(e for e in dataset.entries if e.id in ids)})
    write_pairs(few, ("LAT",), pixel_mm=1.5)
    both, lateral = (canonical_pairs(chosen, configured(view=view).data) for view in ("PA+LAT", "LAT"))
    assert [case.id for case in both.cases] == 2 * [case.id for case in chosen]
    assert np.array_equal(both.drrs[:2], pairs.test.drrs[:2]) and np.array_equal(both.drrs[2:], lateral.drrs)
    assert len(both.radiographs) == len(both.poses) == 4
