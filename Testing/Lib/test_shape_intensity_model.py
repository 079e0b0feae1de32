"""Shape and intensity models: fields against scipy, masses and building against people known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import RBFInterpolator
from shape_intensity_cases import egg, egg_attenuation, egg_population, egg_surface

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.shape.shape_intensity_building import build_shape_intensity_model
from XRayTo3DLib.shape.shape_intensity_extension import SmoothExtension
from XRayTo3DLib.shape.shape_intensity_model import ShapeIntensityModel, intensity_arrays, intensity_model_from


def test_fields_are_those_of_scipy() -> None:
    rng = np.random.default_rng(0)
    centres, places = rng.normal(size=(40, 3)) * 10, rng.normal(size=(60, 3)) * 12
    moves = rng.normal(size=(40, 3, 2))
    theirs = RBFInterpolator(centres, moves.reshape(40, 6), kernel="linear", degree=1)(places)
    assert SmoothExtension(centres).at(places, moves).reshape(60, 6) == pytest.approx(theirs, abs=1e-8)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000))
def test_affine_moves_are_carried_exactly_everywhere(seed: int) -> None:
    rng = np.random.default_rng(seed)
    centres, places = rng.normal(size=(20, 3)) * 10, rng.normal(size=(15, 3)) * 30
    matrix, shift = rng.normal(size=(3, 3)), rng.normal(size=3)
    field = SmoothExtension(centres)
    moves = (centres @ matrix.T + shift)[..., None]
    assert field.at(places, moves)[..., 0] == pytest.approx(places @ matrix.T + shift, abs=1e-6)
    assert field.gradients(places, moves)[..., 0] == pytest.approx(np.tile(matrix, (15, 1, 1)), abs=1e-7)


def test_gradients_are_those_of_differences() -> None:
    rng = np.random.default_rng(1)
    centres, places, moves = rng.normal(size=(30, 3)) * 10, rng.normal(size=(25, 3)) * 8, rng.normal(size=(30, 3, 2))
    field = SmoothExtension(centres)
    found = field.gradients(places, moves)
    for axis in range(3):
        step = 1e-5 * np.eye(3)[axis]
        slope = (field.at(places + step, moves) - field.at(places - step, moves)) / 2e-5
        assert found[:, :, axis] == pytest.approx(slope, abs=1e-5)


def test_too_few_points_for_a_field() -> None:
    with pytest.raises(InputError, match="5 points"):
        SmoothExtension(np.eye(3))
    flat = np.concatenate([np.random.default_rng(0).normal(size=(8, 2)), np.zeros((8, 1))], axis=1)
    with pytest.raises(InputError, match="one plane"):
        SmoothExtension(flat)


def test_parts_swell_as_space_does() -> None:
    """Longer by a fifth along one axis: parts move by the stretch, and volume is larger by a fifth everywhere."""
    model = egg()
    longer = 0.2 * model.shape.mean[:, 2] * np.array([[0.0], [0.0], [1.0]])
    theta = np.tensordot(model.shape.modes, longer.T, axes=2) / model.shape.deviations
    instance = model.instance(theta)
    assert instance.points == pytest.approx(model.points * [1.0, 1.0, 1.2], abs=2e-3)
    assert instance.masses == pytest.approx(1.2 * model.density * model.spacing_mm**3, rel=2e-3)


def test_slopes_of_masses() -> None:
    model = egg()
    rng = np.random.default_rng(0)
    theta, phi = rng.normal(size=model.shape.size), rng.normal(size=len(model.density_modes))
    found = model.instance(theta, phi)
    for number in range(len(theta)):
        step = 1e-2 * np.eye(len(theta))[number]
        slope = (model.instance(theta + step, phi).masses - model.instance(theta - step, phi).masses) / 2e-2
        assert found.by_shape[:, number] == pytest.approx(slope, abs=1e-3 * float(np.abs(found.masses).max()))
    assert model.instance(theta).masses + found.by_density @ phi == pytest.approx(found.masses, abs=1e-5)


def test_people_are_found_again() -> None:
    """Ellipsoids of three radii and two densities: the model is theirs, and shows a person's density where it is."""
    people = egg_population(12)
    built = build_shape_intensity_model(
        np.stack([egg_surface(person)[0] for person in people]),
        egg_surface(people[0])[1],
        lambda number, points: egg_attenuation(people[number], points),
        spacing_mm=2.0,
        density_modes=4,
    )
    model = built.model
    assert model.shape.size == 3 and built.rotation_sd_deg < 0.01 and built.translation_sd_mm < 0.01
    person = people[5]
    theta = model.shape.coefficients(egg_surface(person)[0])
    inside = np.linalg.norm(model.points / model.shape.mean.max(axis=0), axis=1) < 0.85
    wanted = egg_attenuation(person, model.instance(theta).points)
    phi = np.linalg.lstsq(model.density_modes.T[inside], (wanted - model.density)[inside], rcond=None)[0]
    shown = model.density + phi @ model.density_modes
    assert shown[inside] == pytest.approx(wanted[inside], abs=0.003)
    assert np.ptp(wanted[inside]) > 0.008


def test_arrays_round_trip() -> None:
    model = egg()
    again = intensity_model_from(intensity_arrays(model), "egg")
    assert again.density == pytest.approx(model.density, rel=1e-3)
    assert again.instance([1.0, -1.0]).points == pytest.approx(model.instance([1.0, -1.0]).points, abs=0.01)
    arrays = intensity_arrays(model)
    del arrays["density"]
    with pytest.raises(InputError, match="lacks density"):
        intensity_model_from(arrays, "egg")


def test_larger_cubes_hold_as_much() -> None:
    model = egg()
    thin = model.thinned(2, 2, 1)
    assert thin.shape.size == 2 and len(thin.density_modes) == 1 and thin.spacing_mm == 2 * model.spacing_mm
    theta = [1.0, -0.5]
    assert thin.instance(theta).masses.sum() == pytest.approx(model.instance(theta).masses.sum(), rel=0.03)
    assert thin.fields[0] == pytest.approx(model.fields[0][_kept(model, thin)][..., :2], abs=1e-6)


def _kept(model: ShapeIntensityModel, thin: ShapeIntensityModel) -> list[int]:
    where = {tuple(np.round(point, 2)): number for number, point in enumerate(model.points)}
    return [where[tuple(np.round(point, 2))] for point in thin.points]


def test_arrays_that_do_not_fit() -> None:
    model = egg()
    with pytest.raises(InputError, match="do not fit"):
        ShapeIntensityModel(model.shape, model.points, 2.0, model.density[:-1], model.density_modes)
    with pytest.raises(InputError, match="density modes"):
        ShapeIntensityModel(model.shape, model.points, 2.0, model.density, model.density_modes[:, :-1])
    with pytest.raises(InputError, match="not finite"):
        ShapeIntensityModel(model.shape, model.points, 2.0, model.density * np.nan, model.density_modes)
    with pytest.raises(InputError, match="coefficients for"):
        model.instance(np.zeros(9))
