"""A data set of SYNTHETIC wrists: people drawn at random, each with CT, labels, landmarks and meshes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np

from XRayTo3DLib.dataset.case import write_case
from XRayTo3DLib.dataset.dataset_folder import DATASET_FORMAT, CaseEntry, require_own_folders, write_dataset_json
from XRayTo3DLib.dataset.phantoms import ForearmShape, PhantomCase, make_forearm
from XRayTo3DLib.dataset.turns import making_case
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import read_json, write_json
from XRayTo3DLib.files.unfinished import remove_abandoned, whole_folder
from XRayTo3DLib.geometry.anatomical_frame import WRIST_LANDMARKS
from XRayTo3DLib.processes import process_pool

PROVENANCE = "SYNTHETIC: computed from parameters by xrayto3d dataset synthetic; no patient and no real anatomy."
LICENCE = "Apache-2.0"
MARKER = "person.json"
"""In a case's folder: what it was made from, so that a case made with other options is known and made again."""
MARKER_FORMAT = "xrayto3d.person/1"


@dataclass(frozen=True)
class PopulationOptions:
    """How people are made.

    Attributes:
        seed: Of people, texture and turn.
        spacing: Voxel size, mm.
        soft_tissue: Skin, fat, muscle and the hand's bones around radius and ulna, or the two bones in air.
        turn_sd_deg: SD of the ulna's turn about its head (pro- and supination), degrees; clipped at 2.5 SD.
        length_mm: How much of the bones lies proximal of the joint.
        mesh_spacing: Sampling of the meshes, mm.
    """

    seed: int = 0
    spacing: float = 1.0
    soft_tissue: bool = False
    turn_sd_deg: float = 4.0
    length_mm: float = 80.0
    mesh_spacing: float = 0.7


def write_population(
    folder: Path | str,
    people: int,
    seed: int = 0,
    *,
    test: int = 0,
    spacing: float = 1.0,
    soft_tissue: bool = False,
    turn_sd_deg: float = 4.0,
    length_mm: float = 80.0,
    mesh_spacing: float = 0.7,
    workers: int = 2,
    shard: tuple[int, int] = (1, 1),
    report: Callable[[str, float], None] | None = None,
) -> Path:
    """Write (or finish) a data set of SYNTHETIC wrists.

    A person depends on the seed and its own number only: more people can be added later, whole cases made with the
    same options are kept, and shards of one population can be made on several machines into one folder.

    Args:
        folder: Gets ``cases/<id>/`` and ``dataset.json``.
        people: How many people to train on.
        seed: Of people, texture and turn.
        test: How many further people to test on.
        spacing: Voxel size, mm.
        soft_tissue: Whole limbs with the hand's bones, or radius and ulna in air.
        turn_sd_deg: SD of the ulna's turn, degrees, 0 to 20.
        length_mm: How much of the bones lies proximal of the joint, mm.
        mesh_spacing: Sampling of the meshes, mm.
        workers: Processes; 1 makes them in this one.
        shard: (i, n), i from 1: make every n-th person only.
        report: Called with (case id, share done).

    Returns:
        ``dataset.json``.

    Raises:
        InputError: A number out of range.
    """
    check_counts(people, test, seed, workers, shard)
    if not 0.0 <= turn_sd_deg <= 20.0:
        raise InputError(f"population: the turn's SD must lie between 0 and 20 degrees, not {turn_sd_deg:g}.")
    options = PopulationOptions(seed, spacing, soft_tissue, turn_sd_deg, length_mm, mesh_spacing)
    begin_population(Path(folder), asdict(options))
    counts = (("train", people), ("test", test))
    entries = [_entry(seed, split, number) for split, count in counts for number in range(count)]
    mine = entries[shard[0] - 1 :: shard[1]]
    make = partial(_write_person, Path(folder) / "cases", options)
    make_each(mine, make, workers, report)
    return write_dataset_json(folder, entries, _description(options))


def begin_population(folder: Path, options: Mapping[str, object]) -> None:
    """Remove what a killed process left, and the ``dataset.json`` of a population that is to become another one.

    Half of one and half of the other are no data set: there is none until the last case is made.

    Raises:
        InputError: The folder holds a data set that is not synthetic, or a link out of it.
    """
    require_own_folders(folder)
    remove_abandoned(folder, below=True)
    path = folder / "dataset.json"
    if not path.exists():
        return
    content = read_json(path, "dataset", DATASET_FORMAT)
    if content.get("synthetic") is not True:
        raise InputError(f"population: {folder} holds a data set that is not synthetic; name another folder.")
    if content.get("made_with") != options:
        path.unlink()


def make_each(
    entries: Sequence[CaseEntry],
    make: Callable[[CaseEntry], str],
    workers: int,
    report: Callable[[str, float], None] | None,
) -> None:
    """Call ``make`` for every entry, in ``workers`` processes or in this one, and report (case id, share done)."""
    tell = report or (lambda name, share: None)
    if workers == 1:
        for number, entry in enumerate(entries, 1):
            tell(make(entry), number / len(entries))
        return
    with process_pool(workers) as pool:
        for number, name in enumerate(pool.map(make, entries, chunksize=4), 1):
            tell(name, number / len(entries))


def draw_person(seed: int, split: str, number: int, turn_sd_deg: float) -> tuple[ForearmShape, float, int]:
    """Shape, turn of the ulna (degrees) and texture seed of one person of a population."""
    sequence = np.random.SeedSequence([seed, ("train", "test").index(split), number])
    rng = np.random.default_rng(sequence)
    shape = ForearmShape.sample(rng)
    turn = turn_sd_deg * float(np.clip(rng.standard_normal(), -2.5, 2.5))
    return shape, round(turn, 4), int(sequence.generate_state(1)[0])


def _entry(seed: int, split: str, number: int) -> CaseEntry:
    name = f"wrist-{'' if split == 'train' else 'test-'}{number + 1:04d}"
    return CaseEntry(name, name, split, draw_person(seed, split, number, 0.0)[0].side)


def _write_person(cases: Path, options: PopulationOptions, entry: CaseEntry) -> str:
    """Write one case unless it is there, made with the same options; returns its id."""
    with case_to_make(cases / entry.id, asdict(options)) as folder:
        if folder is not None:
            write_case(_person(options, entry), folder)
    return entry.id


@contextlib.contextmanager
def case_to_make(folder: Path, options: Mapping[str, object]) -> Iterator[Path | None]:
    """Yield an empty folder that becomes the case's, whole, if the block succeeds; None where nothing is to be done.

    Args:
        folder: The case's. One that was made with other options is another person's body: all that is in it goes.
        options: What the case is made with, JSON types.
    """
    made = {"format": MARKER_FORMAT, "synthetic": True, **options}
    with making_case(folder):
        if (folder / MARKER).exists() and read_json(folder / MARKER, "person", MARKER_FORMAT) == made:
            yield None
            return
        with whole_folder(folder) as new:
            yield new
            write_json(new / MARKER, made)


def _person(options: PopulationOptions, entry: CaseEntry) -> PhantomCase:
    shape, turn, texture = draw_person(options.seed, entry.split, int(entry.id[-4:]) - 1, options.turn_sd_deg)
    return make_forearm(
        shape,
        spacing=options.spacing,
        length_mm=options.length_mm,
        seed=texture,
        soft_tissue=options.soft_tissue,
        carpals=options.soft_tissue,
        mesh_spacing=options.mesh_spacing,
        name=entry.id,
        forearm_turn_deg=turn,
    )


def _description(options: PopulationOptions) -> dict[str, object]:
    return {
        "anatomy": "distal forearm",
        "labels": ["radius", "ulna"],
        "landmarks": list(WRIST_LANDMARKS),
        "frame": "wrist",
        "synthetic": True,
        "provenance": PROVENANCE,
        "licence": LICENCE,
        "made_with": asdict(options),
    }


def check_counts(people: int, test: int, seed: int, workers: int, shard: tuple[int, int]) -> None:
    """Refuse numbers no population can have.

    Raises:
        InputError: Too few or too many people, a negative seed, or shards and workers that cannot be.
    """
    if not 1 <= people <= 9999 or not 0 <= test <= 9999 or seed < 0:
        raise InputError("population: 1 to 9999 people, 0 to 9999 test people and a seed of 0 or more are possible.")
    if workers < 1 or not 1 <= shard[0] <= shard[1]:
        raise InputError(
            f"population: shard {shard[0]}/{shard[1]} or {workers} workers cannot be; shards count from 1."
        )
