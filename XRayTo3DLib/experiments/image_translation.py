"""Experiment 1 of Shiode et al. 2021: how near translated radiographs come to the registration-DRR."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from XRayTo3DLib.evaluation.experiment_image_figure import TranslationPicture
from XRayTo3DLib.evaluation.reconstruction_trials import TranslationOutcome, translation_outcome
from XRayTo3DLib.experiments.reconstruction import GAN, REGISTRATION, translated
from XRayTo3DLib.methods.data import in_folder
from XRayTo3DLib.methods.image_translation.histograms import HistogramMatching
from XRayTo3DLib.methods.image_translation.pairs import split_pairs
from XRayTo3DLib.methods.image_translation.translator import Translator

ORACLE = "histogram-matched, oracle template"


@dataclass(frozen=True, eq=False)
class TranslationExperiment:
    """Errors per radiograph and method, and pictures of the translator's best, median and worst."""

    outcomes: list[TranslationOutcome]
    pictures: list[TranslationPicture]
    synthetic: bool


def run_image_translation(
    translator: Translator, folder: Path, report: Callable[[str], None] = lambda text: None
) -> TranslationExperiment:
    """All inputs of experiment 2, and histogram matching with the paper's oracle template, against registration-DRRs.

    Raises:
        InputError: A data set that cannot be used.
    """
    report("reading the radiographs")
    pairs = split_pairs(in_folder(translator.configuration.data, folder), Path())
    report("translating")
    images = {name: each for name, each in translated(pairs, translator).items() if name != REGISTRATION}
    images[ORACLE] = HistogramMatching(pairs.training).matched(pairs.test, oracle=True)
    outcomes = [
        translation_outcome(image, drr, case=case.id, method=name, patient=case.patient)
        for name, each in images.items()
        for image, drr, case in zip(each, pairs.test.drrs, pairs.test.cases, strict=True)
    ]
    errors = np.abs(images[GAN] - pairs.test.drrs).mean(axis=(1, 2))
    order = np.argsort(errors)
    chosen = dict.fromkeys(order[[0, len(order) // 2, -1]].tolist())
    pictures = [
        TranslationPicture(
            f"{pairs.test.cases[n].id}, pix2pix",
            pairs.test.radiographs[n],
            images[GAN][n],
            pairs.test.drrs[n],
            float(errors[n]),
        )
        for n in chosen
    ]
    return TranslationExperiment(outcomes, pictures, pairs.synthetic or translator.synthetic)
