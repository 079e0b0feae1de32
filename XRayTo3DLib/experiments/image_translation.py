"""Experiment 1 of Shiode et al. 2021 for any translators: how near translated radiographs come to the true DRR."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.experiment_image_figure import SideBySide, TranslationPicture
from XRayTo3DLib.evaluation.reconstruction_trials import TranslationOutcome, translation_outcome
from XRayTo3DLib.experiments.reconstruction import REGISTRATION, translated
from XRayTo3DLib.methods.data import in_folder
from XRayTo3DLib.methods.histogram_matching.translator import HistogramTranslator, template_of
from XRayTo3DLib.methods.image_translation.histograms import HistogramMatching
from XRayTo3DLib.methods.image_translation.pairs import Pairs, split_pairs
from XRayTo3DLib.methods.translation import ImageTranslator, common_pictures

ORACLE = "histogram-matched, oracle template"
WHOLE = "histogram-matched, no mask"
Images = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class TranslationExperiment:
    """Errors per radiograph and method, and pictures of the first translator's best, median and worst.

    Attributes:
        outcomes: Per radiograph and method.
        pictures: With the difference from the target: three of a single translator; of several each one's median.
        beside: The three radiographs as every translator sees them, if there are several.
        synthetic: Whether radiographs, or those that a translator learnt from, are made up.
    """

    outcomes: list[TranslationOutcome]
    pictures: list[TranslationPicture]
    beside: list[SideBySide]
    synthetic: bool


def run_image_translation(
    translators: Mapping[str, ImageTranslator], folder: Path, report: Callable[[str], None] = lambda text: None
) -> TranslationExperiment:
    """Every translator, the radiograph as it is and histogram matching against the registration-DRRs.

    Histogram matching three times: inside the true bones (as the paper), there with the case's own DRR as template (the
    paper's oracle), and of the whole picture, as a new patient's radiograph would be (unless a translator does that).

    Args:
        translators: By name, for the same images.
        folder: The data set; radiographs of its test people are asked.
        report: Told what is being done.

    Raises:
        InputError: No translator, some that do not fit each other, a name that is taken, or a data set that cannot be
            used.
    """
    if not translators:
        raise InputError("image translation: give one translation or more.")
    if {ORACLE, WHOLE} & set(translators):
        raise InputError(f"a translation can be called neither {ORACLE!r} nor {WHOLE!r}: those rows are there already.")
    pictures = common_pictures(translators.values())
    report("reading the radiographs")
    pairs = split_pairs(in_folder(pictures, folder), Path())
    report("translating")
    images = {name: each for name, each in translated(pairs, translators).items() if name != REGISTRATION}
    if not any(isinstance(each, HistogramTranslator) for each in translators.values()):
        whole = HistogramTranslator(next(iter(translators.values())).configuration, template_of(pairs.training.drrs))
        images[WHOLE] = whole.translate(pairs.test.radiographs)
    images[ORACLE] = HistogramMatching(pairs.training).matched(pairs.test, oracle=True)
    outcomes = [
        translation_outcome(image, drr, case=case.id, method=name, patient=case.patient)
        for name, each in images.items()
        for image, drr, case in zip(each, pairs.test.drrs, pairs.test.cases, strict=True)
    ]
    synthetic = pairs.synthetic or any(each.synthetic for each in translators.values())
    made = {name: images[name] for name in translators}
    return TranslationExperiment(outcomes, _examples(made, pairs.test), _beside(made, pairs.test, outcomes), synthetic)


def _examples(made: Images, pairs: Pairs) -> list[TranslationPicture]:
    """Best, median and worst of a single translator; of several each one's median."""
    rows = []
    for name, images in made.items():
        errors = np.abs(images - pairs.drrs).mean(axis=(1, 2))
        for n in _ordered(errors) if len(made) == 1 else [_ordered(errors)[len(_ordered(errors)) // 2]]:
            title = f"{pairs.cases[n].id}, {name}"
            rows.append(TranslationPicture(title, pairs.radiographs[n], images[n], pairs.drrs[n], float(errors[n])))
    return rows


def _beside(made: Images, pairs: Pairs, outcomes: Sequence[TranslationOutcome]) -> list[SideBySide]:
    if len(made) == 1:
        return []
    numbers = {name: [each for each in outcomes if each.method == name] for name in made}
    first = np.array([each.mae for each in next(iter(numbers.values()))])
    return [
        SideBySide(
            pairs.cases[n].id,
            pairs.radiographs[n],
            {name: images[n] for name, images in made.items()},
            pairs.drrs[n],
            {name: f"MAE {of[n].mae:.3f}, structure {of[n].structure:.2f}" for name, of in numbers.items()},
        )
        for n in _ordered(first)
    ]


def _ordered(errors: NDArray[np.floating]) -> list[int]:
    """Best, median and worst, each once."""
    order = np.argsort(errors)
    return list(dict.fromkeys(order[[0, len(order) // 2, -1]].tolist()))
