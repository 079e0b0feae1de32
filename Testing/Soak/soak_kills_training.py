"""Trainings killed: three stages, a pair of opponents, a bundle without steps; resumed they end in the same bits.

.venv/bin/python Testing/Soak/soak_kills_training.py --kills 60 --fresh 4 --seed 0
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import lightning.fabric  # noqa: F401  imported before the children are forked, as all that follow
import lightning.fabric.loggers  # noqa: F401
import numba  # noqa: F401
import safetensors.torch  # noqa: F401
import scipy.ndimage  # noqa: F401
import SimpleITK  # noqa: F401
import torch.utils.tensorboard  # noqa: F401
from kill_checks import differences, faults_of_files
from kill_harness import LIBRARY, Job, done_in_child
from kill_program import soak

import XRayTo3DLib.cli.train
import XRayTo3DLib.dataset.view_pairs
import XRayTo3DLib.methods.image_translation.method
import XRayTo3DLib.methods.tl_net.method
import XRayTo3DLib.training.loop  # noqa: F401
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.models.bundle import load_bundle
from XRayTo3DLib.training.checkpoint import load_checkpoint

sys.path.append(str(LIBRARY / "Testing" / "Lib"))
from learning_cases import PEOPLE, PIX2PIX, TESTED, TL_NET, changed, write_yaml  # noqa: E402

STEPS = {"autoencoder": 12, "predictor": 10, "joint": 8}
OPTIONS = ("--device", "cpu", "--threads", "1", "--checkpoint-every", "2", "--samples", "1", "--json")
IGNORED = ("log.txt", "progress.jsonl", "worker.json", "start.json", "tensorboard/*")
TIMED = ("state.json", "latest.json", "bundle.json", "result.json")


def jobs(scratch: Path) -> Sequence[Job]:
    """Trainings on one small data set."""
    done_in_child(lambda: _wrists(scratch / "wrists"), scratch / "wrists.log")
    stages = {name: {"steps": steps, "validate_every": 5} for name, steps in STEPS.items()}
    tl_net = write_yaml(scratch / "tl_net.yaml", changed(TL_NET, stages=stages))
    gan = {"steps": 16, "validate_every": 6}
    pix2pix = write_yaml(scratch / "pix2pix.yaml", changed(PIX2PIX, gan=gan))
    mean = write_yaml(
        scratch / "mean.yaml",
        {**{key: TL_NET[key] for key in ("format", "name", "data")}, "method": "mean-shape"},
    )
    return (
        _job("train --job, three stages", tl_net, "--job", 4),
        _job("train -o, two opponents", pix2pix, "-o", 2),
        _job("train -o, no steps", mean, "-o", 1),
    )


def _job(name: str, config: Path, where: str, share: float) -> Job:
    return Job(
        name,
        lambda folder: ["train", str(config), where, str(folder / "run"), *OPTIONS],
        prepare=lambda folder: None,
        faults=_faults,
        differences=lambda whole, other: differences(whole, other, IGNORED, TIMED),
        share=share,
    )


def _wrists(folder: Path) -> None:
    from XRayTo3DLib.dataset.dataset_folder import DatasetFolder
    from XRayTo3DLib.dataset.population import write_population
    from XRayTo3DLib.dataset.prepared_files import prepare_all
    from XRayTo3DLib.dataset.view_pairs import write_pairs

    made = {"spacing": 2.5, "mesh_spacing": 2.0, "length_mm": 70.0, "soft_tissue": True}
    write_population(folder, PEOPLE, 3, test=TESTED, workers=1, **made)
    prepare_all(folder, 1)
    write_pairs(DatasetFolder.open(folder), ("PA",), pixel_mm=1.0)


def _faults(folder: Path) -> list[str]:
    """Every file is whole, the checkpoint and the bundle are what was written."""
    found, run = faults_of_files(folder), folder / "run"
    try:
        load_checkpoint(run)
        if (run / "bundle").exists():
            load_bundle(run / "bundle")
    except InputError as error:
        found.append(str(error))
    return found


if __name__ == "__main__":
    sys.exit(soak("Kills, training", jobs))
