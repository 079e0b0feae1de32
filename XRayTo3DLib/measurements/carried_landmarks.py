"""Landmarks that a shape model carries: each a weighted combination of the model's vertices.

The weights sum to one, so a landmark moves, turns, mirrors and stretches with the vertices; that serves points on the
bone (a styloid's tip), inside it (a femoral head's centre) and past its end (a shaft's axis) alike. They are learnt
from people in correspondence whose landmarks are known: least squares over the people, as if every vertex were off by
so much on its own (ridge regression), from the nearest vertices or from some spread over the bone, whichever predicts
people left out better. How far those are off is kept: it is the landmark's own uncertainty.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.shape.coherent_point_drift_kernel import spread_out

FloatArray = NDArray[np.float64]
NOISES_MM = (0.1, 0.3, 1.0)
"""How far a vertex may be off by itself, per axis: keeps weights small, so that a landmark does not jump with it."""
HANGS_ON = 200
"""Vertices that a landmark hangs on at most."""
FOLDS = 8
LANDMARKS_FORMAT = "xrayto3d.carried-landmarks/1"


@dataclass(frozen=True, eq=False)
class CarriedLandmarks:
    """Landmarks of one bone on the vertices of its shape model.

    Attributes:
        label: The bone ("radius").
        names: (L,) of the landmarks.
        vertices: (L, w) which vertices each one hangs on.
        weights: (L, w) how much on each; every row sums to 1.
        covariance: (3L, 3L) mm^2 of how far the carried landmarks lie from people's own ones, on people left out;
            x, y, z of the first, then of the next; along the axes of ``mean``. NaN where too few people tell.
        mean: (n, 3) vertices of the model's mean, mm: which way ``covariance`` lies.

    Raises:
        InputError: Arrays that do not fit together.
    """

    label: str
    names: tuple[str, ...]
    vertices: NDArray[np.int64]
    weights: FloatArray
    covariance: FloatArray
    mean: FloatArray

    def __post_init__(self) -> None:
        count = len(self.names)
        fits = self.vertices.ndim == 2 and self.vertices.shape == self.weights.shape and len(self.vertices) == count
        if not fits or self.covariance.shape != (3 * count, 3 * count) or self.mean.shape[1:] != (3,) or not count:
            raise InputError(f"carried landmarks of {self.label}: the arrays do not fit together; make them again.")
        if self.vertices.min() < 0 or self.vertices.max() >= len(self.mean):
            raise InputError(f"carried landmarks of {self.label}: a landmark hangs on a vertex that does not exist.")
        if not np.allclose(self.weights.sum(axis=1), 1.0, atol=1e-4):
            raise InputError(f"carried landmarks of {self.label}: a landmark's weights do not sum to 1.")

    @property
    def sd_mm(self) -> dict[str, float]:
        """How far off each carried landmark is on people left out: root mean square distance, mm, by name."""
        variances = np.diag(self.covariance).reshape(-1, 3).sum(axis=1)
        return dict(zip(self.names, np.sqrt(variances).tolist(), strict=True))

    def at(self, points: Any) -> dict[str, FloatArray]:
        """Landmarks by name, (..., 3), on the model's vertices ``points`` (..., n, 3), mm, in any pose.

        Raises:
            InputError: Another number of vertices than the model's.
        """
        points = self._of_model(points)
        found = np.einsum("lw,...lwd->...ld", self.weights, points[..., self.vertices, :])
        return {name: found[..., number, :] for number, name in enumerate(self.names)}

    def errors(self, points: Any, count: int, rng: np.random.Generator) -> dict[str, FloatArray]:
        """``count`` draws (count, 3) by name of how far the landmarks may be off on a bone ``points`` (n, 3), mm.

        Drawn from the normal distribution of ``covariance``, turned as the bone is turned from the mean.

        Raises:
            InputError: Another number of vertices than the model's, or no covariance is known.
        """
        points = self._of_model(points)
        if not np.isfinite(self.covariance).all():
            raise InputError(f"carried landmarks of {self.label}: how far they are off is not known.")
        drawn = rng.multivariate_normal(np.zeros(len(self.covariance)), self.covariance, count, method="eigh")
        turned = drawn.reshape(count, -1, 3) @ _turn(self.mean, points).T
        return {name: turned[:, number] for number, name in enumerate(self.names)}

    def _of_model(self, points: Any) -> FloatArray:
        points = np.asarray(points, dtype=np.float64)
        if points.ndim < 2 or points.shape[-2:] != self.mean.shape:
            raise InputError(
                f"carried landmarks of {self.label}: they are for {len(self.mean)} vertices of its shape model, "
                f"not for an array of shape {points.shape}."
            )
        return points


def learn_landmarks(
    shapes: Any, landmarks: Mapping[str, Any], label: str = "", modes: int | None = None
) -> CarriedLandmarks:
    """Landmarks on a model's vertices, from people whose landmarks are known.

    Args:
        shapes: (N, n, 3) mm, people in correspondence, aligned (as they were for the shape model).
        landmarks: Name to (N, 3) mm, each person's own, where that person's shape lies.
        label: The bone.
        modes: How many the shape model keeps: every person is seen as that model shows it (people left out, as a model
            without them does), so that what it leaves out counts as error. None: as they are.

    Raises:
        InputError: No people or landmarks, or numbers of people that differ.
    """
    shapes = np.asarray(shapes, dtype=np.float64)
    if shapes.ndim != 3 or shapes.shape[-1] != 3 or not len(shapes) or not landmarks:
        raise InputError(f"carried landmarks of {label or 'a bone'}: give shapes (N, n, 3) and at least one landmark.")
    known = {name: np.asarray(points, dtype=np.float64) for name, points in landmarks.items()}
    for name, points in known.items():
        if points.shape != (len(shapes), 3) or not np.isfinite(points).all():
            raise InputError(
                f'carried landmarks: "{name}" needs three finite numbers for each of {len(shapes)} people.'
            )
    folds = _folds(shapes, modes)
    seen = _seen(shapes, shapes, modes)
    learnt = [_learnt(seen, folds, points) for points in known.values()]
    left = np.concatenate([each[2] for each in learnt], axis=1)
    unknown = np.full((left.shape[1], left.shape[1]), np.nan)
    return CarriedLandmarks(
        label,
        tuple(known),
        np.stack([each[0] for each in learnt]),
        np.stack([each[1] for each in learnt]),
        left.T @ left / len(left) if len(shapes) > FOLDS else unknown,
        shapes.mean(axis=0),
    )


def arrays_of(landmarks: CarriedLandmarks) -> dict[str, NDArray[Any]]:
    """Carried landmarks as plain arrays by name, for a bundle; inverse of :func:`landmarks_from`."""
    header = {"format": LANDMARKS_FORMAT, "label": landmarks.label, "names": landmarks.names, "unit": "mm"}
    return {
        "vertices": landmarks.vertices.astype(np.int32),
        "weights": landmarks.weights.astype(np.float32),
        "covariance": landmarks.covariance.astype(np.float32),
        "mean": landmarks.mean.astype(np.float32),
        "header": np.frombuffer(json.dumps(header).encode(), dtype=np.uint8).copy(),
    }


def landmarks_from(arrays: Mapping[str, Any], name: str = "carried landmarks") -> CarriedLandmarks:
    """The landmarks of :func:`arrays_of`; ``name`` is what messages call them.

    Raises:
        InputError: An array is missing, another format, or arrays that do not fit together.
    """
    missing = [each for each in ("vertices", "weights", "covariance", "mean", "header") if each not in arrays]
    if missing:
        raise InputError(f'{name}: the array "{missing[0]}" is missing; make the model again.')
    try:
        header = json.loads(np.asarray(arrays["header"]).astype(np.uint8).tobytes().decode())
        found, label, names = header["format"], str(header["label"]), tuple(map(str, header["names"]))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{name}: the header is damaged ({error}); make the model again.") from error
    if found != LANDMARKS_FORMAT:
        raise InputError(f'{name} have format {found!r}, expected "{LANDMARKS_FORMAT}".')
    weights, covariance, mean = (
        np.asarray(arrays[each], dtype=np.float64) for each in ("weights", "covariance", "mean")
    )
    return CarriedLandmarks(label, names, np.asarray(arrays["vertices"], dtype=np.int64), weights, covariance, mean)


@dataclass(frozen=True)
class _Fold:
    """Some people left out (N,) and how a model of the others shows the others and them: (M, n, 3), (N - M, n, 3)."""

    out: NDArray[np.bool_]
    others: FloatArray
    left: FloatArray


def _folds(shapes: FloatArray, modes: int | None) -> list[_Fold]:
    """With one person only, nobody is left out."""
    number = np.arange(len(shapes)) % FOLDS
    folds = []
    for each in np.unique(number):
        out = number == each
        others = shapes if out.all() else shapes[~out]
        folds.append(_Fold(out, _seen(others, others, modes), _seen(others, shapes[out], modes)))
    return folds


def _seen(people: FloatArray, shapes: FloatArray, modes: int | None) -> FloatArray:
    """``shapes`` (M, n, 3) as a model of ``people`` with so many modes shows them."""
    if modes is None or modes >= len(people) - 1 and people is shapes:
        return shapes
    mean = people.mean(axis=0)
    _, _, directions = np.linalg.svd((people - mean).reshape(len(people), -1), full_matrices=False)
    kept = directions[: min(modes, len(people) - 1)]
    return mean + ((shapes - mean).reshape(len(shapes), -1) @ kept.T @ kept).reshape(shapes.shape)


def _learnt(
    seen: FloatArray, folds: list[_Fold], points: FloatArray
) -> tuple[NDArray[np.int64], FloatArray, FloatArray]:
    """Vertices (w,), weights (w,) and errors (N, 3) on people left out, of the best vertices and noise."""
    mean = seen.mean(axis=0)
    near = np.argsort(np.linalg.norm(mean - points.mean(axis=0), axis=1))[:HANGS_ON]
    tried = [
        (chosen, noise, _left_out(folds, chosen, points, noise))
        for chosen in (near, spread_out(mean, HANGS_ON))
        for noise in NOISES_MM
    ]
    chosen, noise, errors = min(tried, key=lambda each: float(np.sum(each[2] ** 2)))
    return chosen, _weights(seen[:, chosen], points, noise), errors


def _left_out(folds: list[_Fold], chosen: NDArray[np.int64], points: FloatArray, noise_mm: float) -> FloatArray:
    """Errors (N, 3) of everybody, by weights learnt without them."""
    errors = np.empty_like(points)
    for fold in folds:
        known = points if fold.out.all() else points[~fold.out]
        weights = _weights(fold.others[:, chosen], known, noise_mm)
        errors[fold.out] = np.einsum("nwd,w->nd", fold.left[:, chosen], weights) - points[fold.out]
    return errors


def _weights(shapes: FloatArray, points: FloatArray, noise_mm: float) -> FloatArray:
    """Weights (w,) summing to 1 that take vertices (N, w, 3) to points (N, 3): least squares with a ridge."""
    count = shapes.shape[1]
    across = np.swapaxes(shapes - points[:, None], 1, 2).reshape(-1, count)
    # What each vertex alone adds to the error's square: with weights that sum to 1 the error is ``across @ weights``.
    system = np.zeros((count + 1, count + 1))
    system[:count, :count] = across.T @ across + len(across) * noise_mm**2 * np.eye(count)
    system[:count, count] = system[count, :count] = 1.0
    return np.linalg.solve(system, np.eye(count + 1)[count])[:count]


def _turn(mean: FloatArray, points: FloatArray) -> FloatArray:
    """Orthogonal matrix (3, 3) that turns (and mirrors, if need be) the mean as ``points`` lie."""
    left, _, right = np.linalg.svd((points - points.mean(axis=0)).T @ (mean - mean.mean(axis=0)))
    return left @ right
