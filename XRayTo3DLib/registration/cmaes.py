"""CMA-ES: a search without derivatives that learns the shape of the hill it climbs.

Hansen and Ostermeier, Evolutionary Computation 9:159, 2001, in the authors' package ``cma`` (Hansen et al.,
zenodo.2559634). Every generation is evaluated as one batch, so a projector that is fast for many poses at once is used
well. For wide starts and rugged hills; near the top Levenberg-Marquardt is a hundred times cheaper.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from XRayTo3DLib.errors import InputError


class Best(NamedTuple):
    """The best candidate so far: parameters (P,) and their value."""

    parameters: NDArray[np.float64]
    value: float


def cmaes(
    evaluate: Callable[[NDArray[np.float64]], ArrayLike],
    start: ArrayLike,
    sigma: ArrayLike,
    *,
    population: int,
    evaluations: int,
    seed: int,
    tolerance: float = 1e-6,
) -> Iterator[Best]:
    """Maximise ``evaluate``; yields the best so far after every generation. To cancel, stop iterating.

    The same seed gives the same candidates; numpy's global random numbers are neither used nor touched. The start
    itself is not evaluated: compare the result with it where that matters.

    Args:
        evaluate: Values (B,), higher is better, of candidates (B, P): a whole population in one call. A value that is
            not finite counts as the worst.
        start: (P,) where to begin, P at least 2, in any units.
        sigma: (P,) spread of the first generation per parameter (standard deviation), in the same units. It sets the
            scale between parameters: take what each may be wrong by.
        population: Candidates per generation, at least 4.
        evaluations: Ends before more candidates than this were evaluated.
        seed: Of the random numbers, at least 0.
        tolerance: Ends when the spread of every parameter is below this share of ``sigma``.

    Raises:
        InputError: Something above does not hold, or no candidate of a generation has a finite value.
    """
    begin, scale = np.asarray(start, dtype=np.float64), np.asarray(sigma, dtype=np.float64)
    _check(begin, scale, population, evaluations, seed)
    return _search(evaluate, begin, scale, population, evaluations // population, seed, tolerance)


def _search(
    evaluate: Callable[[NDArray[np.float64]], ArrayLike],
    begin: NDArray[np.float64],
    scale: NDArray[np.float64],
    population: int,
    generations: int,
    seed: int,
    tolerance: float,
) -> Iterator[Best]:
    strategy = _strategy(len(begin), population, seed, tolerance)
    best = Best(begin, -np.inf)
    for _ in range(generations):
        steps = strategy.ask()
        candidates = begin + scale * np.asarray(steps)
        values = _finite(evaluate(candidates.copy()), population)
        strategy.tell(steps, list(-values))
        top = int(values.argmax())
        if values[top] > best.value:
            best = Best(candidates[top].copy(), float(values[top]))
        yield best
        if strategy.stop():
            return


def _strategy(parameters: int, population: int, seed: int, tolerance: float):  # noqa: ANN202 - cma has no types
    """CMA-ES in units of sigma, silent, without files, and with random numbers of its own."""
    import cma

    random = np.random.default_rng(seed)
    options = {
        "popsize": population,
        "randn": lambda *shape: random.standard_normal(shape),
        "seed": np.nan,  # the only value that keeps cma from seeding numpy's global numbers
        "tolx": tolerance,
        "verbose": -10,  # below -9: also reads no signals file from the working folder
        "verb_log": 0,
    }
    return cma.CMAEvolutionStrategy(np.zeros(parameters), 1.0, options)


def _finite(values: ArrayLike, population: int) -> NDArray[np.float64]:
    """(B,) values, those that are not finite replaced by the worst that is."""
    found = np.asarray(values, dtype=np.float64)
    if found.shape != (population,):
        raise InputError(f"CMA-ES: {population} candidates were given, values of shape {found.shape} came back.")
    finite = np.isfinite(found)
    if not finite.any():
        raise InputError("CMA-ES: no candidate has a finite value; start nearer, or with a smaller spread.")
    return np.where(finite, found, found[finite].min())


def _check(begin: NDArray, scale: NDArray, population: int, evaluations: int, seed: int) -> None:
    if begin.ndim != 1 or len(begin) < 2 or not np.isfinite(begin).all():
        raise InputError(f"CMA-ES: the start must be at least 2 finite numbers, not {begin.tolist()}.")
    if scale.shape != begin.shape or not (np.isfinite(scale) & (scale > 0)).all():
        raise InputError(f"CMA-ES: sigma must be {len(begin)} numbers above zero, not {scale.tolist()}.")
    if population < 4 or evaluations < population or seed < 0:
        raise InputError(
            f"CMA-ES: population {population} (at least 4), evaluations {evaluations} (at least one population) "
            f"or seed {seed} (at least 0) is too small."
        )
