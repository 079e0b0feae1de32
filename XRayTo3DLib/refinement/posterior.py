"""How far a refinement may be trusted: the Laplace posterior at its end, per vertex, per pose, and in draws.

About the optimum the posterior is taken as a Gaussian whose precision is that of the radiographs plus the prior's
(MacKay, Neural Comput 4:448, 1992). Neighbouring pixels err together and no model is right: the radiographs' share is
divided by a ``temperature``, and what no shape of the model can show is added as a ``floor``; both are calibrated on
people with known bones (``calibration``), by the number of views, so that intervals hold what they say. About a wrong
optimum a Laplace posterior is as narrow as about the right one, but there a view is explained less well than usual: how
much less widens the bones' place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.refinement.options import Anatomy
from XRayTo3DLib.refinement.prior import RAD, parts_of
from XRayTo3DLib.refinement.scene import Scene, State
from XRayTo3DLib.shape.meshes import make_surface, vertex_normals


@dataclass(frozen=True)
class Trust:
    """What makes the posterior honest.

    Attributes:
        temperature: What the radiographs' precision is divided by.
        floor_mm: By bone, standard deviation along the normal of what the model cannot show, mm.
        usual_misfit: Up to here a view's misfit (1 - LNCC, the worst view's) is as it usually is.
        misfit_mm: By how many mm per unit of misfit beyond that every bone's place is less certain.
    """

    temperature: float = 1.0
    floor_mm: Mapping[str, float] = field(default_factory=dict)
    usual_misfit: float = 2.0
    misfit_mm: float = 0.0

    def __post_init__(self) -> None:
        if not (0 < self.temperature < np.inf and all(0 <= each < np.inf for each in self.floor_mm.values())):
            raise InputError("refinement: temperature must be above zero, floors 0 mm or more.")
        if not (0 <= self.usual_misfit <= 2 and 0 <= self.misfit_mm < np.inf):
            raise InputError("refinement: a usual misfit lies between 0 and 2, mm per misfit are 0 or more.")

    def wrong_mm(self, misfit: float) -> float:
        """Standard deviation of a bone's place, along any direction, because of a misfit, mm."""
        return self.misfit_mm * max(0.0, misfit - self.usual_misfit)


@dataclass(frozen=True)
class Trusts:
    """Trust by the number of views: one view leaves more to the prior than two do, and errs otherwise.

    Attributes:
        by_views: For one view, two, ...; the last one goes for more.
    """

    by_views: tuple[Trust, ...] = (Trust(),)

    def __post_init__(self) -> None:
        if not self.by_views:
            raise InputError("refinement: trust is needed for one view at least.")

    def of(self, views: int) -> Trust:
        """For so many views."""
        return self.by_views[min(max(views, 1), len(self.by_views)) - 1]


@dataclass(frozen=True, eq=False)
class Posterior:
    """A Gaussian over all unknowns: bones (see ``prior``), then six of each view (degrees, mm along its axes).

    Attributes:
        anatomy: The bones.
        state: Its middle.
        sizes: By bone, how many shape and density coefficients are unknown.
        data: (u, u) precision that the radiographs give, at temperature 1.
        prior: (u, u) precision of the prior.
        trust: What it was made with.
        views: Of how many radiographs.
        misfit: 1 - LNCC of the view that is explained worst, 0 to 2.
    """

    anatomy: Anatomy
    state: State
    sizes: Mapping[str, tuple[int, int]]
    data: FloatArray
    prior: FloatArray
    trust: Trust
    views: int
    misfit: float = 0.0

    @cached_property
    def covariance(self) -> FloatArray:
        """(u, u)."""
        covariance = np.linalg.inv(self.data / self.trust.temperature + self.prior)
        return np.asarray(0.5 * (covariance + covariance.T))

    def trusted(self, trust: Trust) -> Posterior:
        """The same refinement believed otherwise."""
        return replace(self, trust=trust)

    def points(self, name: str) -> FloatArray:
        """(n, 3) vertices of a bone, mm, in the frame."""
        placed = self.state.bones[name]
        return placed.pose.apply(self.anatomy.models[name].surface_points(placed.theta))

    def moves(self, name: str) -> FloatArray:
        """(n, 3, 6 + k) how a bone's vertices move per degree, mm and SD of its pose and shape."""
        placed, model = self.state.bones[name], self.anatomy.models[name]
        arms = self.points(name) - placed.pose.apply(model.middle)
        turns = np.stack([np.cross(axis, arms) * RAD for axis in np.eye(3)], axis=2)
        shifts = np.broadcast_to(np.eye(3), (len(arms), 3, 3))
        shapes = np.einsum("de,kne->ndk", placed.pose.rotation, model.surface_moves(placed.theta))
        return np.concatenate([turns, shifts, shapes[:, :, : self.sizes[name][0]]], axis=2)

    def normals(self, name: str) -> FloatArray:
        """(n, 3) outward unit normals of a bone's vertices."""
        return vertex_normals(self.points(name), self.anatomy.models[name].triangles)

    def normal_sd_mm(self, name: str) -> FloatArray:
        """(n,) standard deviation of each vertex along its normal, mm."""
        along = self.along_normals(name)
        variance = np.einsum("nu,nu->n", along @ self.block(name), along)
        return np.sqrt(np.maximum(variance, 0) + self.trust.floor_mm.get(name, 0.0) ** 2 + self.wrong_mm**2)

    @property
    def wrong_mm(self) -> float:
        """Standard deviation of every bone's place, along any direction, because of the misfit, mm."""
        return self.trust.wrong_mm(self.misfit)

    def along_normals(self, name: str) -> FloatArray:
        """(n, 6 + k) how a bone's vertices move along their normals per degree, mm and SD of its pose and shape."""
        return np.einsum("nd,ndu->nu", self.normals(name), self.moves(name))

    def pose_sd(self, name: str) -> FloatArray:
        """(6,) of a bone's rotation (degrees) and translation (mm)."""
        return np.sqrt(np.diag(self.block(name))[:6])

    def view_sd(self, number: int) -> FloatArray | None:
        """(6,) of a view's rotation (degrees) and translation along its columns, rows, beam (mm); None: held still."""
        first = max(part.stop for part in parts_of(self.sizes).values()) + 6 * number
        if first >= len(self.covariance):
            return None
        return np.sqrt(np.diag(self.covariance)[first : first + 6])

    def draws(self, count: int, seed: int = 0) -> dict[str, FloatArray]:
        """By bone (count, n, 3) vertices of people who might be the one in the radiographs, mm: same draw, same person.

        Vertices move along straight lines from the middle; what the model cannot show is added as noise that is smooth
        over the surface (all of a bone's vertices alike along the normal would be too kind, each for itself too cruel).
        """
        rng = np.random.default_rng(seed)
        values, vectors = np.linalg.eigh(self.covariance)
        drawn = rng.normal(size=(count, len(values))) * np.sqrt(np.maximum(values, 0)) @ vectors.T
        found = {}
        for name, part in parts_of(self.sizes).items():
            own = drawn[:, part.start : part.start + 6 + self.sizes[name][0]]
            points = self.points(name)
            moved = points + np.einsum("ndu,su->snd", self.moves(name), own)
            moved = moved + self.wrong_mm * rng.normal(size=(count, 1, 3))
            floor = self.trust.floor_mm.get(name, 0.0)
            if floor > 0:
                moved = moved + floor * _smooth_noise(points, count, rng)[:, :, None] * self.normals(name)
            found[name] = moved
        return found

    def surface(self, name: str) -> object:
        """The bone's surface in the frame, mm."""
        return make_surface(self.points(name), self.anatomy.models[name].triangles)

    def block(self, name: str) -> FloatArray:
        """(6 + k, 6 + k) covariance of a bone's pose and shape."""
        part = parts_of(self.sizes)[name]
        count = 6 + self.sizes[name][0]
        return self.covariance[part.start : part.start + count, part.start : part.start + count]


NOISE_REACH_MM = 8.0
"""How far along a surface what the model cannot show goes on, mm."""
NOISE_CENTRES = 60


def _smooth_noise(points: FloatArray, count: int, rng: np.random.Generator) -> FloatArray:
    """(count, n) noise of SD 1 that is alike at neighbouring points (n, 3): weighted sums over random centres."""
    centres = points[rng.permutation(len(points))[:NOISE_CENTRES]]
    weights = np.exp(-0.5 * ((points[:, None] - centres[None]) ** 2).sum(axis=2) / NOISE_REACH_MM**2)
    weights /= np.maximum(np.linalg.norm(weights, axis=1, keepdims=True), 1e-12)
    return rng.normal(size=(count, len(centres))) @ weights.T


def posterior_of(scene: Scene, state: State, trust: Trust | Trusts | None = None) -> Posterior:
    """The posterior at the end of a refinement (its last step's scene and state)."""
    views = len(scene.views)
    chosen = trust.of(views) if isinstance(trust, Trusts) else trust or Trust()
    about = scene.linearised(state)
    misfits = [1 - each.value(shown) for each, shown in zip(scene.likeness, scene.pictures(state), strict=True)]
    return Posterior(scene.anatomy, state, scene.sizes, about.data, about.prior, chosen, views, max(misfits))
