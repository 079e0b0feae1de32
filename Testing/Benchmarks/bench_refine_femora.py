"""REAL femora that the model never saw, MADE-UP inside: one person left out, two radiographs, the rest refined to them.

Six whole femora (GIAS2) and ten proximal ones (Narra et al. 2018). The model is of the others' surfaces alone
(``shape_intensity_of_surfaces``); the person's radiographs are of a fine solid with another inside
(``femur_radiographs``), AP and lateral, noise of counted photons. Each fit starts 5 degrees and 5 mm off (SD per axis).

  floor   ASSD of the model's shape nearest to the true surface, which is given: fit_shape_model, or the projection of
          the true vertices where that is nearer (it rarely is)
  fit     ASSD of what was refined, where it lies
  start   ASSD of the model's mean where the fit began

  nice -n 10 python Testing/Benchmarks/bench_refine_femora.py -o run

Ten minutes on one CPU core; the correspondence found (proximal femora) is kept in the folder.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import numpy as np  # noqa: E402
from bench_shape_models import assd, proximal  # noqa: E402
from femur_dataset import DATA  # noqa: E402
from femur_radiographs import cameras, radiographs, solid  # noqa: E402

from XRayTo3DLib.geometry import RigidPose  # noqa: E402
from XRayTo3DLib.refinement.likeness import LikenessOptions  # noqa: E402
from XRayTo3DLib.refinement.options import Anatomy, Level, RefineOptions, View  # noqa: E402
from XRayTo3DLib.refinement.prior import PosePrior, independent  # noqa: E402
from XRayTo3DLib.refinement.result import refine  # noqa: E402
from XRayTo3DLib.shape.cut_shafts import cut_normals, open_edges  # noqa: E402
from XRayTo3DLib.shape.model_curves import nearest_shape  # noqa: E402
from XRayTo3DLib.shape.model_fitting import FitOptions, fit_shape_model  # noqa: E402
from XRayTo3DLib.shape.procrustes import aligned_shapes  # noqa: E402
from XRayTo3DLib.shape.shape_intensity_model import ShapeIntensityModel  # noqa: E402
from XRayTo3DLib.shape.shape_intensity_of_surfaces import shape_intensity_of_surfaces  # noqa: E402

OFF_DEG, OFF_MM = 5.0, 5.0
BEYOND_MM, TRUE_BEYOND_MM = 40.0, 60.0
"""How far shafts that the scan cut go on straight: in the model, and in the person (more: pictures end before)."""
VOXEL_MM = 1.0
NOTHING_MOVES = PosePrior((0.01,) * 3, (0.01,) * 3)
FLOOR = FitOptions(prior=1e-3, points=3000, iterations=30, steps=25)
DATA_WEIGHT = 3000.0
EVERY_PIXEL = LikenessOptions(robust=None)
"""Bones in air: nothing in the pictures is a stranger to the model, so that no pixel loses weight."""


class Population(NamedTuple):
    """Shapes of one bone and what suits its size: cubes and pixels (mm), modes; whether its shaft is cut."""

    name: str
    shapes: np.ndarray
    triangles: np.ndarray
    cube_mm: float
    modes: int
    cut: bool


def populations(folder: Path) -> list[Population]:
    whole = np.load(DATA / "femur_full_10_gias2" / "femur_left_6x.npz")
    cut = proximal(folder)
    return [
        Population("whole femur", aligned_shapes(whole["vertices"]).shapes, whole["faces"].astype(int), 2.5, 40, False),
        Population("proximal femur", upright(cut["vertices"], cut["faces"]), cut["faces"].astype(int), 1.5, 20, True),
    ]


def upright(shapes: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Proximal femora aligned, the shaft along -z from the cut, the head towards +x."""
    shapes = aligned_shapes(shapes.astype(float)).shapes
    mean = shapes.mean(axis=0)
    up = -cut_normals(mean, triangles)[0]
    away = mean - mean[open_edges(triangles)[:, 0]].mean(axis=0)
    away = away - np.outer(away @ up, up)
    head = away[np.argmax(np.sum(away**2, axis=1))]
    head = head / np.linalg.norm(head)
    return shapes @ np.stack([head, np.cross(up, head), up]).T


def seen(population: Population, number: int) -> list[View]:
    """A person's two radiographs; of a cut bone, pictures that end where the cut is."""
    shape = population.shapes[number]
    mu, to_lps = solid(shape, population.triangles, 100 + number, VOXEL_MM, TRUE_BEYOND_MM * population.cut)
    low, high = shape.min(axis=0), shape.max(axis=0)
    middle, size = (low + high) / 2, 1.1 * (high - low)
    if population.cut:
        views = cameras(middle + [0, 0, 8.0], size[2] + 2.0, size[:2].max() + 40.0)
    else:
        views = cameras(middle, size[2] + 40.0, 160.0)
    images = radiographs(mu, to_lps, views, number)
    return [
        View(image, camera, prior=NOTHING_MOVES, name=name)
        for image, camera, name in zip(images, views, ("AP", "lateral"), strict=True)
    ]


def levels(cube_mm: float) -> tuple[Level, ...]:
    """Coarse pictures and wide windows first: whole bones differ by centimetres."""
    return (
        Level(2 * cube_mm, 8 * cube_mm, 2, True, 0, 0, False, 15),
        Level(2 * cube_mm, 8 * cube_mm, 2, False, 4, 1, False, 15),
        Level(2 * cube_mm, 4 * cube_mm, 2, False, 12, 2, False, 15),
        Level(cube_mm, 2.5 * cube_mm, 1, False, 100, 100, False, 12),
        Level(cube_mm, 1.2 * cube_mm, 1, False, 100, 100, False, 12),
    )


def floor_of(model: ShapeIntensityModel, truth: np.ndarray, triangles: np.ndarray) -> float:
    """ASSD of the model's nearest shape, the true surface being given."""
    placed, projected = nearest_shape(model.shape, truth)
    fitted = fit_shape_model(model.shape, truth, FLOOR, RigidPose.identity()).points
    return min(assd(placed, projected, triangles), assd(truth, fitted, triangles))


def refined(population: Population, model: ShapeIntensityModel, views: list[View], start: RigidPose) -> np.ndarray:
    """Vertices (n, 3) of the bone refined from the model's mean at ``start``, which is where the prior places it."""
    sizes = {"femur": (model.size, model.density_size)}
    prior = independent(sizes, {"femur": PosePrior((10.0,) * 3, (10.0,) * 3)})
    anatomy = Anatomy({"femur": model}, {"femur": start}, prior)
    options = RefineOptions(DATA_WEIGHT, EVERY_PIXEL, margin_mm=20.0, levels=levels(population.cube_mm), draws=0)
    return refine(anatomy, views, options).bones["femur"].points


def one(population: Population, number: int, views: list[View], smooth: bool) -> tuple[float, float, float, float]:
    """Floor, start and fit of a person left out, ASSD in mm, and CPU seconds of the fit."""
    others, truth = np.delete(population.shapes, number, axis=0), population.shapes[number]
    model = shape_intensity_of_surfaces(
        others,
        population.triangles,
        spacing_mm=population.cube_mm,
        shape_modes=population.modes,
        smooth=smooth,
        beyond_mm=BEYOND_MM * population.cut,
        label=population.name,
    ).model
    random = np.random.default_rng(number)
    start = RigidPose.from_rotation(random.normal(size=3) * OFF_DEG, random.normal(size=3) * OFF_MM, model.middle)
    began = time.process_time()
    found = refined(population, model, views, start)
    seconds = time.process_time() - began
    triangles = population.triangles
    return (
        floor_of(model, truth, triangles),
        assd(truth, start.apply(model.shape.mean), triangles),
        assd(truth, found, triangles),
        seconds,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=Path("bench-output/refine_femora"))
    parser.add_argument("--only", help="part of a population's name")
    parser.add_argument("--people", type=int, help="of each population at most")
    args = parser.parse_args()
    if not DATA.is_dir():
        print(f"skipped: real anatomy not found at {DATA} (set XRAYTO3D_DATA)")
        return
    args.output.mkdir(parents=True, exist_ok=True)
    for population in populations(args.output):
        if args.only and args.only not in population.name:
            continue
        rows: dict[bool, list] = {True: [], False: []}
        for number in range(len(population.shapes))[: args.people]:
            views = seen(population, number)
            for smooth, found in rows.items():
                found.append(one(population, number, views, smooth))
            floor, start, fit, seconds = rows[True][-1]
            print(
                f"{population.name} {number}: floor {floor:.2f}, start {start:.2f}, fit {fit:.2f} mm ({seconds:.1f} s)"
                f"; people's own modes alone: floor {rows[False][-1][0]:.2f}, fit {rows[False][-1][2]:.2f}",
                flush=True,
            )
        for smooth, what in ((True, "with smooth modes"), (False, "people's own modes")):
            table = np.array(rows[smooth])
            floor, start, fit, seconds = table.mean(axis=0)
            print(
                f"{population.name}, {len(table)} people left out, {what}: floor {floor:.2f}, start {start:.2f}, "
                f"fit {fit:.2f} mm, {fit / floor:.2f} of the floor (worst {np.max(table[:, 2] / table[:, 0]):.2f}), "
                f"CPU {seconds:.1f} s"
            )


if __name__ == "__main__":
    main()
