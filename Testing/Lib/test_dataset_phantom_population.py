"""People drawn by the sampler measure like people, and the measurements follow the parameters."""

from __future__ import annotations

import numpy as np
import pytest

from XRayTo3DLib.dataset.phantoms import POPULATION, ForearmShape, make_forearm, measure_forearm
from XRayTo3DLib.errors import InputError

PEOPLE = 10


def measured(shape: ForearmShape) -> dict[str, float]:
    case = make_forearm(shape, spacing=3.0, mesh_spacing=0.7, length_mm=90, carpals=False, soft_tissue=False)
    return measure_forearm(case.meshes, case.landmarks)


@pytest.fixture(scope="module")
def population() -> list[tuple[ForearmShape, dict[str, float]]]:
    rng = np.random.default_rng(20)
    shapes = [ForearmShape.sample(rng) for _ in range(PEOPLE)]
    return [(shape, measured(shape)) for shape in shapes]


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("radial_inclination", 20.0, 26.0),
        ("volar_tilt", 7.0, 15.0),
        ("radial_height", 9.0, 14.0),
        ("ulnar_variance", -1.8, 1.2),
        ("distal_width", 28.0, 34.0),
        ("distal_depth", 18.0, 23.0),
    ],
)
def test_means_lie_in_the_published_ranges(population: list, name: str, low: float, high: float) -> None:
    assert low < np.mean([result[name] for _, result in population]) < high


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [("radial_inclination", 1.0), ("volar_tilt", 1.0), ("ulnar_variance", 0.7), ("distal_width", 0.5)],
)
def test_every_measurement_tracks_its_parameter(population: list, name: str, tolerance: float) -> None:
    """Measured on the mesh alone, left and right."""
    assert {shape.side for shape, _ in population} == {"left", "right"}
    for shape, result in population:
        assert result[name] == pytest.approx(getattr(shape, name), abs=tolerance)


def test_a_dorsally_tilted_radius_measures_as_one() -> None:
    result = measured(ForearmShape(volar_tilt=-15.0, radial_inclination=14.0))
    assert result["volar_tilt"] == pytest.approx(-15.0, abs=2.5)
    assert result["radial_inclination"] == pytest.approx(14.0, abs=2.0)
    assert result["radial_height"] < 9.0


def test_people_vary_as_the_table_says() -> None:
    rng = np.random.default_rng(5)
    drawn = [ForearmShape.sample(rng) for _ in range(400)]
    for name, parameter in POPULATION.items():
        values = np.array([getattr(shape, name) for shape in drawn])
        spread = np.hypot(parameter.sd, 0.075 * parameter.mean if parameter.follows_size else 0.0)
        assert values.mean() == pytest.approx(parameter.mean, abs=0.25 * spread), name
        assert values.std() == pytest.approx(spread, rel=0.25), name


def test_men_are_larger_and_lengths_go_together() -> None:
    rng = np.random.default_rng(6)
    women, men = ([ForearmShape.sample(rng, sex=sex) for _ in range(150)] for sex in ("female", "male"))
    assert np.mean([shape.distal_width for shape in men]) > np.mean([shape.distal_width for shape in women]) + 2.5
    everyone = women + men
    widths, heads = ([getattr(shape, name) for shape in everyone] for name in ("distal_width", "ulna_head_diameter"))
    assert np.corrcoef(widths, heads)[0, 1] > 0.5


def test_the_sampler_repeats_itself_and_obeys() -> None:
    first, second = (ForearmShape.sample(np.random.default_rng(9), sex="male", side="left") for _ in range(2))
    assert first == second and first.sex == "male" and first.side == "left"
    assert ForearmShape.sample(np.random.default_rng(10), sex="male", side="left") != first
    with pytest.raises(InputError, match="female"):
        ForearmShape.sample(np.random.default_rng(9), sex="other")


def test_measuring_says_what_is_missing() -> None:
    with pytest.raises(InputError, match="ulna"):
        measure_forearm({"radius": None}, {})
