"""A bundle's refinements of people with known bones, and how far they may be trusted after that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from XRayTo3DLib.dataset.clinical_exposures import ClinicalOptions
from XRayTo3DLib.dataset.dataset_folder import DatasetFolder
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.experiments.refinement import exposed, known_refinement
from XRayTo3DLib.methods.refiner import Refiner
from XRayTo3DLib.methods.shape_intensity_fit.making import TRUST, trust_array
from XRayTo3DLib.models.bundle import LoadedBundle, save_bundle
from XRayTo3DLib.refinement.calibration import LEVELS, Calibrated, KnownRefinement, calibrated, trusts_from


def calibrate(
    refiner: Refiner,
    folder: Path,
    *,
    views: Sequence[Sequence[str]],
    people: int = 60,
    skip: int = 0,
    options: ClinicalOptions | None = None,
    seed: int = 0,
    report: Callable[[str], None] = lambda text: None,
) -> list[Calibrated]:
    """Refine training people of a data set from the mean shape, and learn what to trust, by the number of views.

    Test people are never asked: on them it is shown whether the result holds.

    Args:
        refiner: Of the bundle.
        folder: The data set; its people must not be those the bundle learnt from.
        views: A set of views for each number of views.
        people: How many of its training people.
        skip: The first so many are left out.
        options: Of the exposures.
        seed: Of everything drawn.
        report: Told what is being done.

    Raises:
        InputError: Two sets of equally many views, too few people, or a data set that cannot be used.
    """
    if not views or len({len(each) for each in views}) < len(views):
        raise InputError("calibration: give one set of views for each number of views.")
    cases = DatasetFolder.open(folder).cases("train")[skip : skip + people]
    known: dict[int, list[KnownRefinement]] = {len(each): [] for each in views}
    for number, case in enumerate(cases, skip):
        report(f"{case.id}, {number - skip + 1} of {len(cases)}")
        # Another seed than a test of the same number has: nobody here is exposed as somebody there.
        exposure = exposed(refiner, case, views, options or ClinicalOptions(), seed + 1, number)
        for each in views:
            known[len(each)].append(known_refinement(refiner, exposure.only(each)))
    return [calibrated(each) for each in known.values()]


def calibrated_bundle(loaded: LoadedBundle, found: Sequence[Calibrated], data: str, output: Path) -> Path:
    """Write the bundle again, with trust in it.

    Args:
        loaded: The bundle.
        found: Of :func:`calibrate`.
        data: Name of the data set, for the card.
        output: Folder of the new bundle.

    Returns:
        The folder.

    Raises:
        InputError: The folder holds something else.
    """
    labels = list(loaded.bundle.labels)
    arrays: dict[str, np.ndarray] = {name: loaded.array(name) for name in loaded.arrays}
    arrays[TRUST] = trust_array(trusts_from(found), labels)
    told = {
        f"{each.views} view{'s' if each.views > 1 else ''}": {
            "people": each.people,
            "temperature": each.trust.temperature,
            "floor_mm": dict(each.trust.floor_mm),
            "usual_misfit": each.trust.usual_misfit,
            "misfit_mm": each.trust.misfit_mm,
            "coverage": {bone: dict(zip(map(str, LEVELS), held, strict=True)) for bone, held in each.coverage.items()},
        }
        for each in found
    }
    training = {**loaded.bundle.training, "uncertainty calibrated": {"data": data, **told}}
    networks = {name: loaded.weights(name) for name in loaded.networks}
    return save_bundle(output, replace(loaded.bundle, training=training), networks, arrays)
