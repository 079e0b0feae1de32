"""How reconstruction errors grow when people are turned: about the forearm, in flexion, in deviation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from XRayTo3DLib.evaluation.experiment_statistics import Summary, summarise
from XRayTo3DLib.experiments.reconstruction import CT_DRR, MEAN, RIDGE, baselines
from XRayTo3DLib.experiments.trials import Trials, judge
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.methods.data import exposures_of, in_folder, people_of
from XRayTo3DLib.methods.reconstruct import GridReconstructor

Points = list[tuple[float, Summary]]
AXES = {"rotation about the forearm (deg)": 2, "flexion (deg)": 0, "deviation (deg)": 1}
"""What is varied, and about which axis of the anatomical frame."""
SAMPLES = 4000
"""Points measured from on each surface: a third of the time, means the same within 0.01 mm."""
ANGLES = (-15.0, -10.0, -5.0, 0.0, 5.0, 10.0, 15.0)


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """Errors over one thing that was varied: ``panels[bone][method]`` are (value, summary over people)."""

    varied: str
    panels: dict[str, dict[str, Points]]


def run_sensitivity(
    reconstructor: GridReconstructor,
    folder: Path,
    seed: int = 0,
    angles: Sequence[float] = ANGLES,
    report: Callable[[str], None] = lambda text: None,
) -> tuple[list[Sensitivity], bool]:
    """Test people turned by known angles about each axis; the second value says whether they are made up.

    Raises:
        InputError: A data set that cannot be used.
    """
    data = in_folder(reconstructor.data, folder)
    people = people_of(data, Path())
    report("fitting the baselines")
    mean, ridge = baselines(data, people.training, people.validation, seed)
    methods = {MEAN: mean, RIDGE: ridge, CT_DRR: reconstructor.predictor}
    exposures = exposures_of(data, people.test, seed)
    found = []
    for varied, axis in AXES.items():
        panels: dict[str, dict[str, Points]] = {bone: {name: [] for name in methods} for bone in data.labels}
        for angle in angles:
            report(f"{varied}: {angle:g}")
            pose = RigidPose.from_rotation(angle * np.eye(3)[axis], [0.0, 0.0, 0.0])
            count = len(people.test)  # of each the pictures alone are kept: labels would fill the memory
            images = np.concatenate([exposures.exposed(each, [pose]).images.cpu().numpy() for each in range(count)])
            trials = Trials(people.test.cases, images, np.stack([pose.matrix] * count))
            for name, predictor in methods.items():
                outcomes = judge(name, predictor, reconstructor, trials, samples=SAMPLES).outcomes
                for bone in data.labels:
                    errors = [outcome.assd_mm for outcome in outcomes if outcome.bone == bone]
                    panels[bone][name].append((angle, summarise(errors)))
        found.append(Sensitivity(varied, panels))
    return found, people.synthetic or reconstructor.synthetic
