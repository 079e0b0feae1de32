"""What is known of bones and views before a radiograph is looked at, as one Gaussian over all unknowns.

Bones of one person belong together: who has a wide radius has a thick ulna, and who turns the hand turns both. One
covariance over poses, shapes and densities of all bones says so; from one view it is what places the bones in depth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.geometry.frames import FloatArray

RAD = np.pi / 180.0


@dataclass(frozen=True)
class PosePrior:
    """How far something may be moved: standard deviations per axis; (3,) degrees and (3,) mm.

    Of a view, translations are along its columns, its rows and its beam.
    """

    rotation_deg: tuple[float, float, float] = (5.0, 5.0, 5.0)
    translation_mm: tuple[float, float, float] = (5.0, 5.0, 5.0)

    def __post_init__(self) -> None:
        values = np.array([*self.rotation_deg, *self.translation_mm], dtype=float)
        if values.shape != (6,) or not (np.isfinite(values).all() and np.all(values > 0)):
            raise InputError("refinement: a pose prior needs three degrees and three millimetres, all above zero.")

    @property
    def deviations(self) -> FloatArray:
        """(6,) degrees, then mm."""
        return np.array([*self.rotation_deg, *self.translation_mm], dtype=float)


@dataclass(frozen=True, eq=False)
class JointPrior:
    """A Gaussian over the unknowns of all bones.

    Unknowns of a bone: rotation against its usual pose (rotation vector, degrees), shift of its middle (mm), shape
    and density coefficients (SD). Bones follow each other in the order of ``sizes``.

    Attributes:
        sizes: By bone, the numbers of shape and density coefficients.
        mean: (u,).
        covariance: (u, u).

    Raises:
        InputError: Arrays that do not fit, or a covariance that is none.
    """

    sizes: Mapping[str, tuple[int, int]]
    mean: FloatArray
    covariance: FloatArray

    def __post_init__(self) -> None:
        count = sum(6 + k + m for k, m in self.sizes.values())
        if self.mean.shape != (count,) or self.covariance.shape != (count, count):
            raise InputError(f"refinement: the prior of {count} unknowns has arrays of {self.covariance.shape}.")
        if not (np.isfinite(self.mean).all() and np.isfinite(self.covariance).all()):
            raise InputError("refinement: the prior holds values that are not finite.")

    @property
    def parts(self) -> dict[str, slice]:
        """Where each bone's unknowns are."""
        return parts_of(self.sizes)

    def whitened(self, sizes: Mapping[str, tuple[int, int]]) -> tuple[FloatArray, FloatArray]:
        """Mean (v,) and W (v, v) with W^T W the precision, of the first shape and density coefficients only."""
        chosen: list[int] = []
        for name, part in self.parts.items():
            k, m = sizes[name]
            chosen += [*range(part.start, part.start + 6 + k)]
            density = part.start + 6 + self.sizes[name][0]
            chosen += [*range(density, density + m)]
        covariance = self.covariance[np.ix_(chosen, chosen)]
        try:
            lower = np.linalg.cholesky(covariance)
        except np.linalg.LinAlgError as error:
            raise InputError("refinement: the prior is no covariance; make the model again.") from error
        return self.mean[chosen], np.linalg.inv(lower)

    def about(self, values: Mapping[str, FloatArray], share: float) -> JointPrior:
        """The prior of a person of whom something is known already: by a method whose errors are smaller than people's.

        Args:
            values: By bone, pose and shape unknowns (6 + k,); bones that are missing stay as unknown as they were.
            share: Variance of the method's errors as a share of people's variance.
        """
        mean, smaller = self.mean.copy(), np.ones(len(self.mean))
        for name, own in values.items():
            first = self.parts[name].start
            mean[first : first + len(own)] = own
            smaller[first : first + len(own)] = np.sqrt(share)
        return JointPrior(self.sizes, mean, self.covariance * np.outer(smaller, smaller))

    def held(self, spread: PosePrior, middles: Mapping[str, FloatArray]) -> JointPrior:
        """The prior of people who are held differently as a whole: a common motion about the frame's origin is added.

        Args:
            spread: Of the motion.
            middles: By bone where its middle usually lies, (3,) mm in the frame.
        """
        common = common_motion(self.sizes, middles, np.zeros(3))
        return JointPrior(self.sizes, self.mean, self.covariance + (common * spread.deviations**2) @ common.T)


def independent(sizes: Mapping[str, tuple[int, int]], poses: Mapping[str, PosePrior]) -> JointPrior:
    """Bones that know nothing of each other: each with its own spread of poses, coefficients of SD 1."""
    deviations = np.concatenate([np.r_[poses[name].deviations, np.ones(sum(counts))] for name, counts in sizes.items()])
    return JointPrior(sizes, np.zeros(len(deviations)), np.diag(deviations**2))


def learnt(sizes: Mapping[str, tuple[int, int]], people: Sequence[FloatArray] | FloatArray) -> JointPrior:
    """The Gaussian of people's unknowns (N, u), its covariance shrunk towards its diagonal.

    By how much is told from the people themselves (Schaefer & Strimmer, Stat Appl Genet Mol Biol 4:32, 2005, target D).

    Raises:
        InputError: Fewer than three people.
    """
    values = np.asarray(people, dtype=np.float64)
    if values.ndim != 2 or len(values) < 3:
        raise InputError("refinement: a prior is learnt from three people or more.")
    count = len(values)
    mean = values.mean(axis=0)
    spread = values.std(axis=0, ddof=1)
    spread = np.where(spread > 0, spread, 1e-3)
    unit = (values - mean) / spread
    products = unit[:, :, None] * unit[:, None, :]
    correlation = products.sum(axis=0) / (count - 1)
    noise = products.var(axis=0, ddof=1) * count / (count - 1) ** 2
    away = ~np.eye(len(mean), dtype=bool)
    share = float(np.clip(noise[away].sum() / max(np.square(correlation[away]).sum(), 1e-12), 0.0, 1.0))
    correlation = (1 - share) * correlation
    np.fill_diagonal(correlation, 1.0)
    return JointPrior(sizes, mean, correlation * np.outer(spread, spread))


def parts_of(sizes: Mapping[str, tuple[int, int]]) -> dict[str, slice]:
    """Where each bone's unknowns are among those of all bones."""
    parts, first = {}, 0
    for name, (k, m) in sizes.items():
        parts[name], first = slice(first, first + 6 + k + m), first + 6 + k + m
    return parts


def common_motion(
    sizes: Mapping[str, tuple[int, int]], middles: Mapping[str, FloatArray], centre: FloatArray
) -> FloatArray:
    """(u, 6) change of all bones' unknowns by a rotation of all about ``centre`` (degrees) and a translation (mm)."""
    parts = parts_of(sizes)
    common = np.zeros((max(part.stop for part in parts.values()), 6))
    for name, part in parts.items():
        arm = np.asarray(middles[name]) - centre
        common[part.start : part.start + 6] = np.eye(6)
        common[part.start + 3 : part.start + 6, :3] = np.cross(np.eye(3), arm).T * RAD
    return common


def pose_unknowns(pose: RigidPose, usual: RigidPose, middle: FloatArray) -> FloatArray:
    """(6,) how a bone is turned (degrees) and its middle shifted (mm) against where it usually lies."""
    turn = RigidPose.from_rotation([0, 0, 0]) if pose is usual else pose @ usual.inverse()
    rotation, _ = turn.parameters()
    return np.concatenate([rotation, pose.apply(middle) - usual.apply(middle)])
