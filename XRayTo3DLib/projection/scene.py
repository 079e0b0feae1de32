"""Several bones, each with its own pose, in one picture: attenuations add up along a ray, so pictures do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.projection.engines import Projector


class BoneScene:
    """Projects K bones that move independently; bones may be of either engine, and one may appear several times.

    Bones are drawn one after the other, so memory is that of one picture, whatever K is (and, with gradients, what
    autograd keeps of each).

    Args:
        projectors: One for every bone, all on one device.

    Raises:
        InputError: No projector, or projectors on several devices.
    """

    def __init__(self, projectors: Sequence[Projector]) -> None:
        self.projectors = tuple(projectors)
        if not self.projectors:
            raise InputError("a scene needs one bone at least; give it a projector for each.")
        devices = {str(projector.device) for projector in self.projectors}
        if len(devices) > 1:
            raise InputError(f"the bones of a scene lie on several devices ({', '.join(sorted(devices))}); choose one.")
        self.device = self.projectors[0].device

    def __len__(self) -> int:
        return len(self.projectors)

    def __call__(self, camera: XRayCamera, poses: Any) -> Tensor:
        """Sum of the bones' DRRs under one pose each, or a batch of such sets.

        Args:
            camera: The exposure.
            poses: CT-to-world of every bone: K :class:`RigidPose`, (K, 4, 4) or (B, K, 4, 4), LPS mm; a tensor may
                carry gradients.

        Returns:
            (rows, columns) or (B, rows, columns) float32 line integrals, dimensionless.

        Raises:
            InputError: Not one pose for every bone, or what a projector refuses.
        """
        every = self._as_poses(poses)
        # Sums of pictures, not of batches of them: a batch is as large as its result, and no larger.
        if every.ndim == 4:
            return torch.stack([self._sum(camera, each) for each in every])
        return self._sum(camera, every)

    def with_jacobian(self, camera: XRayCamera, poses: Any, motions: Sequence[Any]) -> tuple[Tensor, Tensor]:
        """The picture and its exact derivative with respect to the motion parameters of every bone.

        Args:
            camera: The exposure.
            poses: One set, K :class:`RigidPose` or (K, 4, 4), CT-to-world, LPS mm.
            motions: K functions from a zero tensor (P,) of parameters to a (4, 4) world motion after the bone's pose.

        Returns:
            (rows, columns) line integrals and (P * K, rows, columns) derivatives per unit of each parameter, those of
            the first bone first (P is 6 for a :class:`~XRayTo3DLib.registration.motion.CentredMotion`).

        Raises:
            InputError: Not one pose and motion for every bone, a batch, or what a projector refuses.
        """
        every = self._as_poses(poses)
        if every.ndim != 3:
            raise InputError("derivatives are of one set of poses at a time, (bones, 4, 4), not of a batch.")
        if len(motions) != len(self):
            raise InputError(f"a scene of {len(self)} bones needs as many motions, not {len(motions)}.")
        columns, rows = camera.size
        image, derivatives = torch.zeros(rows, columns, device=self.device), []
        for projector, pose, motion in zip(self.projectors, every, motions, strict=True):
            picture, by_motion = projector.with_jacobian(camera, pose.detach(), motion)
            image += picture
            derivatives.append(by_motion)
        return image, torch.cat(derivatives)

    def _sum(self, camera: XRayCamera, poses: Tensor) -> Tensor:
        """(rows, columns) of one set of poses (K, 4, 4)."""
        columns, rows = camera.size
        image = torch.zeros(rows, columns, device=self.device)
        for projector, pose in zip(self.projectors, poses, strict=True):
            image = image + projector(camera, pose)
        return image

    def _as_poses(self, poses: Any) -> Tensor:
        """(K, 4, 4) or (B, K, 4, 4) float64."""
        if not isinstance(poses, Tensor) and any(isinstance(each, RigidPose) for each in poses):
            poses = [torch.tensor(each.matrix.copy() if isinstance(each, RigidPose) else each) for each in poses]
        if isinstance(poses, (list, tuple)) and all(isinstance(each, Tensor) for each in poses):
            poses = torch.stack([each.double() for each in poses])
        every = torch.as_tensor(poses, dtype=torch.float64, device=self.device)
        if every.ndim not in (3, 4) or every.shape[-3:] != (len(self), 4, 4):
            raise InputError(
                f"a scene of {len(self)} bones needs a pose for each, ({len(self)}, 4, 4) or a batch of such sets, "
                f"not shape {tuple(every.shape)}."
            )
        return every
