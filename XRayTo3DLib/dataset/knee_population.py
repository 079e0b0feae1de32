"""A data set of SYNTHETIC right knees: people drawn at random, each with CT, labels, landmarks and meshes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np

from XRayTo3DLib.dataset.case import write_case
from XRayTo3DLib.dataset.dataset_folder import SPLITS, CaseEntry, write_dataset_json
from XRayTo3DLib.dataset.phantoms import KneeShape, PhantomCase, make_knee
from XRayTo3DLib.dataset.population import (
    LICENCE,
    PROVENANCE,
    begin_population,
    case_to_make,
    check_counts,
    make_each,
)

KNEE_BONES = ("femur", "tibia", "patella", "fibula")
"""The bones to learn, in the order of their channels."""
KNEE_CENTRE_MM = (0.0, -10.0, 0.0)
"""Middle of the field of view in a knee's frame, mm; the origin is the middle of the joint line."""
PREPARATION = {"spacing_mm": 2.0, "energy_kev": 45.0, "centre_mm": list(KNEE_CENTRE_MM), "field_mm": 64.0}
"""How the cases are prepared for training: the middle 128 mm of the leg."""


@dataclass(frozen=True)
class KneePopulationOptions:
    """How people are made.

    Attributes:
        seed: Of people and texture.
        spacing: Voxel size, mm.
        mesh_spacing: Sampling of the meshes, mm.
        soft_tissue: Skin, fat and muscle around the bones, or bones in air.
    """

    seed: int = 0
    spacing: float = 1.5
    mesh_spacing: float = 1.2
    soft_tissue: bool = True


def write_knee_population(
    folder: Path | str,
    people: int,
    seed: int = 0,
    *,
    test: int = 0,
    spacing: float = 1.5,
    mesh_spacing: float = 1.2,
    soft_tissue: bool = True,
    workers: int = 2,
    shard: tuple[int, int] = (1, 1),
    report: Callable[[str, float], None] | None = None,
) -> Path:
    """Write (or finish) a data set of SYNTHETIC right knees in extension, as :func:`make_knee` makes them.

    Its frame is the CT's own: origin in the middle of the joint line, +x medial, +y backwards, +z up. A person depends
    on the seed and its own number only: more can be added later, whole cases made with the same options are kept, and
    shards of one population can be made on several machines into one folder.

    Args:
        folder: Gets ``cases/<id>/`` and ``dataset.json``.
        people: How many people to train on.
        seed: Of people and texture.
        test: How many further people to test on.
        spacing: Voxel size, mm.
        mesh_spacing: Sampling of the meshes, mm.
        soft_tissue: Whole legs, or bones in air.
        workers: Processes; 1 makes them in this one.
        shard: (i, n), i from 1: make every n-th person only.
        report: Called with (case id, share done).

    Returns:
        ``dataset.json``.

    Raises:
        InputError: A number out of range.
    """
    check_counts(people, test, seed, workers, shard)
    options = KneePopulationOptions(seed, spacing, mesh_spacing, soft_tissue)
    begin_population(Path(folder), asdict(options))
    counts = (("train", people), ("test", test))
    entries = [_entry(split, number) for split, count in counts for number in range(count)]
    make = partial(_write_person, Path(folder) / "cases", options)
    make_each(entries[shard[0] - 1 :: shard[1]], make, workers, report)
    return write_dataset_json(folder, entries, _description(options))


def draw_knee(seed: int, split: str, number: int) -> tuple[KneeShape, int]:
    """Shape and texture seed of one person of a population."""
    sequence = np.random.SeedSequence([seed, SPLITS.index(split), number])
    shape = KneeShape.sample(np.random.default_rng(sequence), side="right")
    return shape, int(sequence.generate_state(1)[0])


def _entry(split: str, number: int) -> CaseEntry:
    name = f"knee-{'' if split == 'train' else 'test-'}{number + 1:04d}"
    return CaseEntry(name, name, split, "right")


def _write_person(cases: Path, options: KneePopulationOptions, entry: CaseEntry) -> str:
    """Write one case unless it is there, made with the same options; returns its id."""
    with case_to_make(cases / entry.id, asdict(options)) as folder:
        if folder is not None:
            write_case(_person(options, entry), folder)
    return entry.id


def _person(options: KneePopulationOptions, entry: CaseEntry) -> PhantomCase:
    shape, texture = draw_knee(options.seed, entry.split, int(entry.id[-4:]) - 1)
    return make_knee(
        shape,
        options.spacing,
        texture,
        soft_tissue=options.soft_tissue,
        mesh_spacing=options.mesh_spacing,
        name=entry.id,
    )


def _description(options: KneePopulationOptions) -> dict[str, object]:
    return {
        "anatomy": "knee",
        "labels": list(KNEE_BONES),
        "landmarks": [],
        "frame": "lps",
        "preparation": PREPARATION,
        "synthetic": True,
        "provenance": PROVENANCE,
        "licence": LICENCE,
        "made_with": asdict(options),
    }
