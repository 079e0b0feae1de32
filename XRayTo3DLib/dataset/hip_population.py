"""A data set of SYNTHETIC hips: people drawn at random, each with CT, meshes and AP radiographs in known poses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from XRayTo3DLib.dataset.case import write_case
from XRayTo3DLib.dataset.dataset_folder import SPLITS, CaseEntry, write_dataset_json
from XRayTo3DLib.dataset.exposure_ranges import PoseRange
from XRayTo3DLib.dataset.phantoms import HipsShape, PhantomCase, make_hips, pelvis_camera
from XRayTo3DLib.dataset.population import (
    LICENCE,
    PROVENANCE,
    begin_population,
    case_to_make,
    check_counts,
    make_each,
)
from XRayTo3DLib.dataset.simulate import SimulatedLimb, expose
from XRayTo3DLib.dataset.view_pairs import gradient_correlation, write_true_pose
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.imaging.radiograph_header import write_radiograph

HIP_BONES = ("femur_right", "pelvis_right", "femur_left", "pelvis_left")
"""The bones to learn, in the order of their channels."""
HELD = PoseRange((5.0, 2.5, 2.5), (6.0, 10.0, 12.0), "normal")
"""How people lie: pelvic tilt (about x) and other turns; shift in the picture (x, z) and along the beam (y)."""
ENERGY_KEV, PHOTONS, BLUR_MM, SCATTER = (50.0, 62.0), (1e5, 1e6), (0.3, 0.8), (0.06, 0.20)
"""Ranges of the beam's energy (per person), and per exposure of photons in a pixel, blur and scatter."""


@dataclass(frozen=True)
class HipPopulationOptions:
    """How people are made.

    Attributes:
        seed: Of people, texture, poses and exposures.
        spacing: Voxel size, mm.
        mesh_spacing: Sampling of the meshes, mm.
        exposures: AP radiographs per person.
        pixel_mm: Pixel pitch on the detector of 400 x 400 mm.
        diseased_share: Share of people with osteoarthritis of both hips.
    """

    seed: int = 0
    spacing: float = 2.0
    mesh_spacing: float = 2.0
    exposures: int = 4
    pixel_mm: float = 1.2
    diseased_share: float = 0.25


def write_hip_population(
    folder: Path | str,
    people: int,
    seed: int = 0,
    *,
    test: int = 0,
    spacing: float = 2.0,
    mesh_spacing: float = 2.0,
    exposures: int = 4,
    pixel_mm: float = 1.2,
    diseased_share: float = 0.25,
    workers: int = 2,
    shard: tuple[int, int] = (1, 1),
    report: Callable[[str, float], None] | None = None,
) -> Path:
    """Write (or finish) a data set of SYNTHETIC hips with AP radiographs.

    Each case has CT, labels, landmarks and meshes as :func:`make_hips` makes them, and ``views/ap-1`` ... with
    radiograph.nrrd, camera.json, pose.tfm and a registration.json accepted by "simulation". A person depends on the
    seed and its own number only: more can be added later, whole cases made with the same options are kept, and shards
    of one population can be made on several machines into one folder.

    Args:
        folder: Gets ``cases/<id>/`` and ``dataset.json``.
        people: How many people to train on.
        seed: Of people, texture, poses and exposures.
        test: How many further people to test on.
        spacing: Voxel size, mm.
        mesh_spacing: Sampling of the meshes, mm.
        exposures: AP radiographs per person, 0 to 99, each with the person held differently (:data:`HELD`).
        pixel_mm: Pixel pitch on the detector, 0.1 to 10 mm.
        diseased_share: Share of people with osteoarthritis, 0 to 1; cases carry it as their group.
        workers: Processes; 1 makes them in this one.
        shard: (i, n), i from 1: make every n-th person only.
        report: Called with (case id, share done).

    Returns:
        ``dataset.json``.

    Raises:
        InputError: A number out of range.
    """
    check_counts(people, test, seed, workers, shard)
    if not 0 <= exposures <= 99 or not 0.1 <= pixel_mm <= 10.0 or not 0.0 <= diseased_share <= 1.0:
        raise InputError(
            f"population: {exposures} exposures, pixels of {pixel_mm:g} mm or a diseased share of {diseased_share:g} "
            f"cannot be; use 0 to 99, 0.1 to 10 mm and 0 to 1."
        )
    options = HipPopulationOptions(seed, spacing, mesh_spacing, exposures, pixel_mm, diseased_share)
    begin_population(Path(folder), asdict(options))
    counts = (("train", people), ("test", test))
    entries = [_entry(options, split, number) for split, count in counts for number in range(count)]
    make_each(
        entries[shard[0] - 1 :: shard[1]], partial(_write_person, Path(folder) / "cases", options), workers, report
    )
    return write_dataset_json(folder, entries, _description(options))


def draw_hips(seed: int, split: str, number: int, diseased_share: float) -> tuple[HipsShape, int]:
    """Shape and texture seed of one person of a population; disease does not change who the others are."""
    sequence = np.random.SeedSequence([seed, SPLITS.index(split), number])
    rng = np.random.default_rng(sequence)
    group = "osteoarthritis" if rng.uniform() < diseased_share else "healthy"
    return HipsShape.sample(rng, group=group), int(sequence.generate_state(1)[0])


def _entry(options: HipPopulationOptions, split: str, number: int) -> CaseEntry:
    name = f"hips-{'' if split == 'train' else 'test-'}{number + 1:04d}"
    shape, _ = draw_hips(options.seed, split, number, options.diseased_share)
    return CaseEntry(name, name, split, "", shape.group)


def _write_person(cases: Path, options: HipPopulationOptions, entry: CaseEntry) -> str:
    """Write one case unless it is there, made with the same options; returns its id."""
    with case_to_make(cases / entry.id, asdict(options)) as folder:
        if folder is not None:
            _make_person(folder, options, entry)
    return entry.id


def _make_person(folder: Path, options: HipPopulationOptions, entry: CaseEntry) -> None:
    number = int(entry.id[-4:]) - 1
    shape, texture = draw_hips(options.seed, entry.split, number, options.diseased_share)
    case = make_hips(shape, options.spacing, texture, mesh_spacing=options.mesh_spacing, name=entry.id)
    write_case(case, folder)
    _expose(case, folder, options, [options.seed, SPLITS.index(entry.split), number])


def _expose(case: PhantomCase, folder: Path, options: HipPopulationOptions, seeds: list[int]) -> None:
    """Simulate the exposures of one person and write them with their true poses; registration.json comes last."""
    camera = pelvis_camera("AP", spacing_mm=options.pixel_mm)
    energy = float(np.random.default_rng([*seeds, 0]).uniform(*ENERGY_KEV))
    body = SimulatedLimb(case.ct, energy)
    for number in range(1, options.exposures + 1):
        rng = np.random.default_rng([*seeds, number])
        pose = HELD.draw(rng)
        drr = body.line_integrals(camera, pose)
        name = f"{case.name} AP {number} (synthetic)"
        picture = expose(
            drr,
            camera,
            photons=float(np.exp(rng.uniform(*np.log(PHOTONS)))),
            blur_mm=float(rng.uniform(*BLUR_MM)),
            scatter=float(rng.uniform(*SCATTER)),
            seed=(*seeds, number, 1),
            name=name,
        )
        picture = replace(picture, view="AP", notes=(*picture.notes, *case.ct.notes))
        place = folder / "views" / f"ap-{number}"
        place.mkdir(parents=True, exist_ok=True)
        write_radiograph(picture, place / "radiograph.nrrd")
        camera.save(place / "camera.json")
        write_true_pose(place, pose, np.zeros(3), name, gradient_correlation(picture, drr))


def _description(options: HipPopulationOptions) -> dict[str, object]:
    return {
        "anatomy": "hips",
        "labels": list(HIP_BONES),
        "landmarks": [],
        "frame": "lps",
        "synthetic": True,
        "provenance": PROVENANCE,
        "licence": LICENCE,
        "made_with": asdict(options),
    }
