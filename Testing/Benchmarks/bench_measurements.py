"""How far measurements from landmarks that a shape model carries are from people's own, and how far they say they are.

Models of 80 people and their landmarks from the first part of a data set of SYNTHETIC wrists; on its test people the
models are fitted to the true surfaces, and what is measured there is compared with the phantom's own measurements. Then
the same with vertices drawn about the fit (SD of theta 0.3): is the true value in the interval as often as it says?

    xrayto3d dataset synthetic -o wrists --people 240 --test 40
    python bench_measurements.py wrists
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from XRayTo3DLib.dataset.dataset_folder import DatasetCase, DatasetFolder
from XRayTo3DLib.dataset.phantoms import measure_forearm
from XRayTo3DLib.dataset.prepared import truth_meshes
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.geometry.anatomical_frame import wrist_frame
from XRayTo3DLib.measurements import learn_from_people, measurements_of, person_landmarks
from XRayTo3DLib.shape.correspondence import CorrespondenceOptions, correspond_population
from XRayTo3DLib.shape.meshes import make_surface, points_of, sample_surface, triangles_of
from XRayTo3DLib.shape.model_fitting import FitOptions, fit_shape_model
from XRayTo3DLib.shape.statistical_shape_model import ShapeModel, build_shape_model

PEOPLE, TESTED, MODES, VERTICES, DRAWS = 80, 40, 20, 800, 200
SHAPE_SD = 0.3


def main() -> None:
    data = DatasetFolder.open(sys.argv[1])
    cases = data.cases("train")
    chosen = [cases[number] for number in np.unique(np.linspace(0, len(cases) - 1, PEOPLE).astype(int))]
    models = {label: model_of(chosen, label) for label in data.labels}
    landmarks = learn_from_people(
        {label: shapes for label, (_, shapes) in models.items()}, [landmarks_of(case) for case in chosen], MODES
    )
    for carried in landmarks.values():
        for name, sd in carried.sd_mm.items():
            print(f"{name:22s} {sd:5.2f} mm")
    errors: dict[str, list[tuple[float, float, bool, bool]]] = {}
    for number, case in enumerate(data.cases("test")[:TESTED]):
        for name, row in tested(
            case, {label: model for label, (model, _) in models.items()}, landmarks, number
        ).items():
            errors.setdefault(name, []).append(row)
    print(f"\n{'':20s}  mean    SD  worst  said SD  in 95 %   in 95 % with doubt of shape")
    for name, rows in errors.items():
        error, said, inside, inside_drawn = np.array(rows).T
        print(
            f"{name:20s} {error.mean():5.2f} {error.std(ddof=1):5.2f} {np.abs(error).max():6.2f} {said.mean():8.2f}"
            f" {inside.sum():4.0f}/{len(rows)} {inside_drawn.sum():10.0f}/{len(rows)}"
        )


def model_of(cases: list[DatasetCase], label: str) -> tuple[ShapeModel, Any]:
    """A bone's model and the people (N, n, 3) it was made of, mm in the wrist's frame."""
    options = CorrespondenceOptions(
        bend="drift",
        align=False,
        vertices=VERTICES,
        source_points=500,
        target_points=1200,
        passes=1,
        check_sides=False,
    )
    shapes, triangles = correspond_population([truth_meshes(case)[label] for case in cases], options=options)
    return build_shape_model(shapes, triangles, label=label, modes=MODES, synthetic=True), shapes


def landmarks_of(case: DatasetCase) -> dict[str, dict[str, Any]]:
    """A person's landmarks by bone in the wrist's frame."""
    given = case.landmarks()
    frame = wrist_frame(given)
    bones = {label: (points_of(mesh), triangles_of(mesh)) for label, mesh in truth_meshes(case).items()}
    return person_landmarks(bones, {name: frame.points_from_lps(point) for name, point in given.items()}, "wrist")


def tested(
    case: DatasetCase, models: dict[str, ShapeModel], landmarks: dict[str, Any], seed: int
) -> dict[str, tuple[float, float, bool, bool]]:
    """Error, said SD, and whether the truth is in the interval: of the fit, and of a shape drawn about it."""
    truth = measure_forearm(case.meshes(), case.landmarks())
    rng = np.random.default_rng(seed)
    exact, drawn, exact_draws, draws = {}, {}, {}, {}
    for label, mesh in truth_meshes(case).items():
        points, _ = sample_surface(make_surface(points_of(mesh), triangles_of(mesh)), 3000)
        fit = fit_shape_model(models[label], points, FitOptions(), RigidPose.identity())
        noise = rng.normal(size=(DRAWS + 1, models[label].size)) * SHAPE_SD
        # The reconstruction is one draw about the truth, its posterior as wide about the reconstruction.
        theta = fit.theta + noise[0]
        place = lambda each, model=models[label], pose=fit.pose: pose.apply(model.shape(each))  # noqa: E731
        exact[label], drawn[label] = fit.points, place(theta)
        exact_draws[label] = np.repeat(fit.points[None], DRAWS, axis=0)
        draws[label] = np.array([place(theta + each) for each in noise[1:]])
    fitted = {each.name: each for each in measurements_of(exact, landmarks, exact_draws, "wrist")}
    doubted = {each.name: each for each in measurements_of(drawn, landmarks, draws, "wrist")}
    return {
        name: (each.value - truth[name], each.sd, *(inside(row[name], truth[name]) for row in (fitted, doubted)))
        for name, each in fitted.items()
    }


def inside(measurement: Any, truth: float) -> bool:
    low, high = measurement.interval_95
    return low <= truth <= high


if __name__ == "__main__":
    main()
