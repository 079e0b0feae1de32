"""Mean shape, principal components and ridge regression against numpy's SVD and the closed form."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from XRayTo3DLib.dataset.voxel_grid import VoxelGrid
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.methods.baselines.mean_shape import MeanShape
from XRayTo3DLib.methods.baselines.ridge import CLIP_MM, PENALTIES, ImageRidge, principal_components

GRID = VoxelGrid(3, 2.0)
Rows = NDArray[np.float32]


def normal(seed: int, *shape: int) -> Rows:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def examples(seed: int, count: int) -> tuple[Rows, Rows]:
    """(count, 2, 4, 5) images and (count, 2, 3, 3, 3) distances within the clip that depend on them a little."""
    images = normal(seed, count, 2, 4, 5)
    link = normal(99, 40, 54) / 10
    noise = 0.3 * normal(seed + 1, count, 54)
    return images, np.clip(images.reshape(count, 40) @ link + noise, -3.9, 3.9).reshape(count, 2, 3, 3, 3)


def test_the_mean_shape_looks_at_no_image() -> None:
    _, distances = examples(0, 7)
    mean = MeanShape(distances, GRID)
    found = mean.predict(normal(1, 4, 1, 5, 5))
    assert len(found) == 4
    for fields in found:
        assert fields.values == pytest.approx(-distances.mean(axis=0), abs=1e-6)
        assert fields.level == 0.0 and fields.grid == GRID and fields.values.dtype == np.float32


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), people=st.integers(3, 9), size=st.integers(3, 30), count=st.integers(1, 12))
def test_components_are_those_of_the_singular_values(seed: int, people: int, size: int, count: int) -> None:
    rows = normal(seed, people, size) * np.linspace(1, 3, size, dtype=np.float32) + 5
    found = principal_components(rows, count)
    centred = rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)
    left, values, axes = np.linalg.svd(centred, full_matrices=False)
    kept = min(count, people - 1, size)
    assert found.axes.shape == (kept, size)
    for number in range(kept):
        sign = np.sign(found.axes[number] @ axes[number])
        if np.min(np.abs(np.delete(values, number) - values[number])) < 0.05 * values[number]:
            continue  # axes of equal values may turn into each other
        assert found.axes[number] == pytest.approx(sign * axes[number], abs=2e-3)
        assert found.scores[:, number] == pytest.approx(sign * left[:, number] * values[number], abs=2e-3 * values[0])
    assert found.axes @ found.axes.T == pytest.approx(np.eye(kept), abs=1e-3)
    assert found.project(rows) == pytest.approx(found.scores, abs=2e-3 * values[0])


def test_components_of_too_little() -> None:
    for rows in (normal(0, 1, 5), np.full((3, 5), np.nan, dtype=np.float32)):
        with pytest.raises(InputError, match="two or more finite examples"):
            principal_components(rows, 3)


def kernel_ridge(images: Rows, wanted: Rows, asked: Rows, penalty: float) -> NDArray[np.float64]:
    """Ridge regression with all of the images, solved through inner products; the intercept is not punished."""
    x, y = (each.reshape(len(each), -1).astype(np.float64) for each in (images, wanted))
    new = asked.reshape(len(asked), -1) - x.mean(axis=0)
    x, middle, y = x - x.mean(axis=0), y.mean(axis=0), y - y.mean(axis=0)
    products = x @ x.T
    directions = np.linalg.matrix_rank(products)
    lasting = penalty * np.trace(products) / directions
    return middle + new @ x.T @ np.linalg.solve(products + lasting * np.eye(len(x)), y)


def test_with_all_components_it_is_ridge_regression() -> None:
    images, distances = examples(0, 25)
    asked, _ = examples(50, 6)
    ridge = ImageRidge(images, distances, GRID, examples(60, 10), image_components=100, shape_components=100)
    expected = kernel_ridge(images, distances, asked, ridge.penalty)
    found = ridge.predict(asked)
    for fields, row in zip(found, expected, strict=True):
        assert fields.values.ravel() == pytest.approx(-row, abs=2e-3)
        assert fields.values.shape == (2, 3, 3, 3) and fields.level == 0.0


def test_the_penalty_is_the_one_that_suits_people_not_seen() -> None:
    images, distances = examples(0, 25)
    judges = examples(60, 40)
    ridge = ImageRidge(images, distances, GRID, judges, image_components=100, shape_components=100)
    errors = {
        penalty: np.sum((kernel_ridge(images, distances, judges[0], penalty) - judges[1].reshape(40, -1)) ** 2)
        for penalty in PENALTIES
    }
    assert ridge.penalty == min(errors, key=errors.__getitem__)
    assert PENALTIES[0] < ridge.penalty < PENALTIES[-1], "the example should have its best in between"


def test_fewer_components_leave_out_the_small_ones() -> None:
    images, distances = examples(0, 25)
    asked, _ = examples(50, 5)
    ridge = ImageRidge(images, distances, GRID, examples(60, 10), image_components=6, shape_components=4)
    shown, shapes = images.reshape(25, -1).astype(np.float64), distances.reshape(25, -1).astype(np.float64)
    axes = np.linalg.svd(shown - shown.mean(axis=0))[2][:6]
    shape_axes = np.linalg.svd(shapes - shapes.mean(axis=0))[2][:4]
    projected = kernel_ridge(
        (shown - shown.mean(axis=0)) @ axes.T,
        (shapes - shapes.mean(axis=0)) @ shape_axes.T,
        (asked.reshape(5, -1) - shown.mean(axis=0)) @ axes.T,
        ridge.penalty,
    )
    expected = shapes.mean(axis=0) + projected @ shape_axes
    found = np.stack([fields.values.ravel() for fields in ridge.predict(asked)])
    assert found == pytest.approx(-expected, abs=2e-3)


def test_what_depends_on_images_exactly_is_found_exactly() -> None:
    rng = np.random.default_rng(0)
    shown, shaped = rng.standard_normal((3, 40)), rng.standard_normal((3, 54)) / 5

    def people(count: int) -> tuple[Rows, Rows]:
        latent = np.clip(rng.standard_normal((count, 3)), -2, 2)
        return (
            (latent @ shown).reshape(count, 2, 4, 5).astype(np.float32),
            (1 + latent @ shaped).reshape(count, 2, 3, 3, 3).astype(np.float32),
        )

    ridge = ImageRidge(*people(30), GRID, people(10))
    images, distances = people(5)
    assert np.abs(distances).max() < CLIP_MM
    assert ridge.penalty == PENALTIES[0]
    for fields, wanted in zip(ridge.predict(images), distances, strict=True):
        assert fields.values == pytest.approx(-wanted, abs=1e-3)


def test_distances_far_from_the_surface_count_as_far_and_no_more() -> None:
    images, distances = examples(0, 12)
    far, farther = distances.copy(), distances.copy()
    far[:, :, 0], farther[:, :, 0] = CLIP_MM, 50.0
    judges = examples(60, 6)
    found, other = (ImageRidge(images, each, GRID, judges).predict(judges[0]) for each in (far, farther))
    for one, two in zip(found, other, strict=True):
        assert np.array_equal(one.values, two.values)
