"""Bundle writing killed: new, over an older one, installed, replaced, removed; and a synthetic case written anew.

.venv/bin/python Testing/Soak/soak_kills_bundle.py --kills 80 --fresh 4 --seed 0
"""

from __future__ import annotations

import shutil
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import safetensors.torch  # noqa: F401  imported before the children are forked, as all that follow
import SimpleITK  # noqa: F401
import torch  # noqa: F401
from kill_checks import differences, digests, faults_of_files
from kill_harness import LIBRARY, Job
from kill_program import soak

import XRayTo3DLib.cli.models
import XRayTo3DLib.cli.phantom  # noqa: F401
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.models.bundle import Bundle, load_bundle, save_bundle
from XRayTo3DLib.models.find import find_bundles
from XRayTo3DLib.models.install import install_bundles

DEMO = LIBRARY / "Resources" / "models" / "wrist-shapes-demo"
NAME = "wrist"


def jobs(scratch: Path) -> Sequence[Job]:
    """Everything that writes a bundle."""
    old, new = scratch / "old" / NAME, scratch / "new" / NAME
    shutil.copytree(DEMO, old)
    _save(new, 2.0)
    archive = scratch / f"{NAME}.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in new.iterdir():
            file.write(path, f"{NAME}/{path.name}")
    states = [digests(old), digests(new)]
    installed = _installed(old)
    return (
        _job("save_bundle, new", [], states[1:], lambda folder: None, work=_save_in),
        _job("save_bundle over another", states[:1], states[1:], installed, work=_save_in),
        _job("models install", [], states[1:], lambda folder: None, ("install", str(archive)), codes=(0, 2)),
        _job("models install --replace", states[:1], states[1:], installed, ("install", str(archive), "--replace")),
        _job("models remove", states[:1], [{}], installed, ("remove", NAME), codes=(0, 2)),
        Job(
            "phantom",
            lambda folder: ["phantom", "--people", "2", "--spacing", "3", "--pixel", "3", "-o", str(folder / "made")],
            lambda folder: None,
            faults_of_files,
            lambda whole, other: differences(whole, other, (), ("phantom.json",)),
        ),
    )


def _job(
    name: str, before: list[dict[str, str]], after: list[dict[str, str]], prepare: object, words: Sequence[str] = (),
    **more: object,
) -> Job:  # fmt: skip
    """Work on the bundle ``own/wrist``, which is one of the states of before or after, and nothing else."""
    nothing = [{}] if not before else []

    def faults(folder: Path) -> list[str]:
        found = faults_of_files(folder)
        bundles = find_bundles([folder / "own"])  # as every command looks for them
        state = digests(folder / "own" / NAME)
        if state not in [*before, *after, *nothing]:
            found.append(f"the bundle is neither the old nor the new one: {sorted(state)}")
        try:
            for bundle in bundles:
                load_bundle(bundle)
        except InputError as error:
            found.append(str(error))
        return found

    return Job(
        name,
        lambda folder: ["models", *words],
        prepare,  # type: ignore[arg-type]
        faults,
        differences,
        environment=lambda folder: {"XRAYTO3D_MODELS": str(folder / "own")},
        **more,  # type: ignore[arg-type]
    )


def _installed(bundle: Path) -> object:
    return lambda folder: install_bundles(bundle, folder / "own") and None


def _save_in(folder: Path) -> None:
    _save(folder / "own" / NAME, 2.0)


def _save(folder: Path, value: float) -> None:
    about = Bundle(
        method="mean-shape",
        configuration={},
        anatomy="distal forearm",
        labels=("radius",),
        views=({"view": "PA"},),
        grid={"size": 16},
        training={},
        metrics={},
        intended_use="None: made for a test.",
        licence="Apache-2.0",
        synthetic=True,
    )
    draws = np.random.default_rng(int(value))
    arrays = {f"a{number}": draws.random(200_000, np.float32) for number in range(5)}
    save_bundle(folder, about, {}, arrays)


if __name__ == "__main__":
    sys.exit(soak("Kills, bundle writing", jobs))
