"""Rigid poses: SE(3), moving to world, LPS mm, with the centre of rotation explicit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import atomic_path
from XRayTo3DLib.geometry.frames import FloatArray, apply_matrix, matrix, vector3
from XRayTo3DLib.geometry.transform_file import read_linear_transform

RIGID_TOLERANCE = 1e-4
"""Largest departure of R^T R from the identity that still counts as a rotation (files hold few digits)."""
LAST_ROW, LAST_ROW_TOLERANCE = np.array([0.0, 0.0, 0.0, 1.0]), np.array([1e-9, 1e-9, 1e-9, 1e-5])


def _rotations() -> Any:
    """SciPy's Rotation. Imported when first used: it takes longer to load than all else that Slicer loads of ours."""
    from scipy.spatial.transform import Rotation

    return Rotation


@dataclass(frozen=True, eq=False)
class RigidPose:
    """A rigid motion that carries CT (moving) points to world points, LPS mm.

    Attributes:
        matrix: (4, 4) homogeneous matrix, rotation and translation in mm; re-orthonormalised when made.

    Raises:
        InputError: The matrix is not rigid (scaled, sheared or mirrored) or not finite.
    """

    matrix: FloatArray

    def __post_init__(self) -> None:
        given = matrix(self.matrix, (4, 4), "pose matrix")
        rotation = given[:3, :3]
        if np.any(np.abs(given[3] - LAST_ROW) > LAST_ROW_TOLERANCE):
            raise InputError("pose matrix is not affine: its last row must be 0 0 0 1.")
        if np.linalg.det(rotation) < 0:
            raise InputError(
                "pose matrix mirrors (determinant below zero), a rigid pose cannot; check LPS against RAS."
            )
        error = float(np.abs(rotation.T @ rotation - np.eye(3)).max())
        if error > RIGID_TOLERANCE:
            raise InputError(
                f"pose matrix is not rigid (departs from a rotation by {error:.2g}): it scales or shears. "
                f"Give a rigid transform."
            )
        left, _, right = np.linalg.svd(rotation)
        clean = np.eye(4)
        clean[:3, :3], clean[:3, 3] = left @ right, given[:3, 3]
        clean.flags.writeable = False
        object.__setattr__(self, "matrix", clean)

    @property
    def rotation(self) -> FloatArray:
        """(3, 3) rotation matrix."""
        return self.matrix[:3, :3]

    @property
    def translation(self) -> FloatArray:
        """(3,) translation in mm (where the CT frame's origin goes)."""
        return self.matrix[:3, 3]

    @classmethod
    def identity(cls) -> RigidPose:
        """The pose that leaves the CT where it is."""
        return cls(np.eye(4))

    @classmethod
    def from_rotation(
        cls, rotation_deg: Any, translation_mm: Any = (0.0, 0.0, 0.0), centre: Any = (0.0, 0.0, 0.0)
    ) -> RigidPose:
        """Rotation vector (axis times angle, degrees) about ``centre`` (mm), then translation (mm).

        A point p goes to R (p - centre) + centre + translation.
        """
        centre = vector3(centre, "centre of rotation")
        rotation = _rotations().from_rotvec(vector3(rotation_deg, "rotation").copy(), degrees=True).as_matrix()
        result = np.eye(4)
        result[:3, :3] = rotation
        result[:3, 3] = centre + vector3(translation_mm, "translation") - rotation @ centre
        return cls(result)

    def parameters(self, centre: Any = (0.0, 0.0, 0.0)) -> tuple[FloatArray, FloatArray]:
        """Rotation vector in degrees and translation in mm about ``centre``: inverse of :meth:`from_rotation`."""
        centre = vector3(centre, "centre of rotation")
        rotation_deg = _rotations().from_matrix(self.rotation).as_rotvec(degrees=True)
        return rotation_deg, self.translation - centre + self.rotation @ centre

    @classmethod
    def exp(cls, twist: Any) -> RigidPose:
        """SE(3) exponential of a twist (wx, wy, wz in radians, vx, vy, vz in mm)."""
        twist = matrix(twist, (6,), "twist").copy()
        omega, velocity = twist[:3], twist[3:]
        result = np.eye(4)
        result[:3, :3] = _rotations().from_rotvec(omega).as_matrix()
        result[:3, 3] = left_jacobian(omega) @ velocity
        return cls(result)

    def log(self) -> FloatArray:
        """SE(3) logarithm, (6,): rotation in radians, then translation part in mm; inverse of :meth:`exp`."""
        omega = _rotations().from_matrix(self.rotation).as_rotvec()
        velocity = np.linalg.solve(left_jacobian(omega), self.translation)
        return np.concatenate([omega, velocity])

    def __matmul__(self, other: RigidPose) -> RigidPose:
        return RigidPose(self.matrix @ other.matrix)

    def inverse(self) -> RigidPose:
        """World to CT."""
        result = np.eye(4)
        result[:3, :3] = self.rotation.T
        result[:3, 3] = -self.rotation.T @ self.translation
        return RigidPose(result)

    def apply(self, points: Any) -> FloatArray:
        """Map CT points (..., 3) in LPS mm to world points."""
        return apply_matrix(self.matrix, points)

    def distance_to(self, other: RigidPose, centre: Any) -> tuple[float, float]:
        """Rotation angle (degrees) and displacement of the CT point ``centre`` (mm) between two poses."""
        relative = _rotations().from_matrix(self.rotation.T @ other.rotation)
        shift = np.linalg.norm(self.apply(centre) - other.apply(centre))
        return float(np.rad2deg(relative.magnitude())), float(shift)

    def mean_target_error(self, truth: RigidPose, targets: Any) -> float:
        """mTRE: mean distance in mm of CT points ``targets`` (N, 3) under this pose and the true one."""
        targets = np.asarray(targets, dtype=np.float64).reshape(-1, 3)
        return float(np.linalg.norm(self.apply(targets) - truth.apply(targets), axis=1).mean())

    def save(self, path: Path | str) -> None:
        """Write an ITK transform file (``.tfm`` or ``.h5``), LPS mm.

        The file holds **world to CT**, ITK's resampling direction: Slicer opens it as the CT's transform to world.
        """
        import SimpleITK as sitk

        inverse = self.inverse()
        transform = sitk.AffineTransform(3)
        transform.SetMatrix(inverse.rotation.ravel().tolist())
        transform.SetTranslation(inverse.translation.tolist())
        with atomic_path(path) as temporary:
            sitk.WriteTransform(transform, str(temporary))
            _require_written(self, temporary)

    @classmethod
    def load(cls, path: Path | str) -> RigidPose:
        """Read an ITK transform file that maps world points to CT points (see :meth:`save`).

        Raises:
            InputError: Missing, unreadable, not linear, or not rigid.
        """
        transform, path = read_linear_transform(path), Path(path)
        origin = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
        columns = [np.array(transform.TransformPoint(tuple(axis))) - origin for axis in np.eye(3)]
        world_to_ct = np.eye(4)
        world_to_ct[:3, :3], world_to_ct[:3, 3] = np.stack(columns, axis=1), origin
        try:
            return cls(world_to_ct).inverse()
        except InputError as error:
            raise InputError(f"pose: {path.name}: {error}") from error


def _require_written(pose: RigidPose, path: Path) -> None:
    """ITK does not notice when a transform finds no room on the disk."""
    try:
        whole = np.allclose(RigidPose.load(path).matrix, pose.matrix, atol=1e-5)
        whole &= path.suffix.lower() != ".tfm" or path.read_bytes().endswith(b"\n")
    except InputError as error:
        raise OSError(f"{path.name} was not written to its end") from error
    if not whole:
        raise OSError(f"{path.name} was not written to its end")


def left_jacobian(omega: FloatArray) -> FloatArray:
    """Left Jacobian of SO(3) (Barfoot, State Estimation for Robotics, eq. 7.77)."""
    angle = float(np.linalg.norm(omega))
    cross = np.array([[0, -omega[2], omega[1]], [omega[2], 0, -omega[0]], [-omega[1], omega[0], 0]])
    if angle < 1e-6:
        return np.eye(3) + cross / 2 + cross @ cross / 6
    first = (1 - np.cos(angle)) / angle**2
    second = (angle - np.sin(angle)) / angle**3
    return np.eye(3) + first * cross + second * cross @ cross
