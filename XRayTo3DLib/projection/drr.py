"""Digitally reconstructed radiographs (DRR): line integrals of attenuation through a posed volume.

Joseph's method in torch: rays march along the volume axis they are most parallel to, every slice is sampled
bilinearly, and the sum is scaled by the path length per slice (Joseph, IEEE TMI 1:192, 1982). It runs on the CPU and
CUDA, in batches of poses, and gradients flow to pose, camera motion (through the pose) and voxel values.

On the CPU a shear-warp (``torch_shear_warp``) draws what it can, several times as fast and within 0.3 %: everything but
volumes that want gradients and unusual beams.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.geometry.frames import matrix
from XRayTo3DLib.projection.ray_bundle import MarchingRays, VoxelRays, pixel_grid
from XRayTo3DLib.projection.shear_warp_views import Tangents, VoxelView
from XRayTo3DLib.projection.torch_shear_warp import PictureOfPose, TorchShearWarp

SAMPLES_PER_CHUNK = 2_000_000
"""Bilinear samples taken at once: bounds memory (about 40 bytes each with gradients) whatever the volume's size."""
SHARED_AXIS_LIMIT = 1.5
"""One marching axis serves all rays while no ray runs this much faster along another axis."""


class DrrProjector:
    """Projects one volume under any camera and pose.

    Args:
        mu: (slices, rows, columns) linear attenuation, 1/mm; array or tensor. A tensor that requires gradients
            receives them.
        voxel_to_lps: (4, 4) voxel centres (column, row, slice, 1) to CT points, LPS mm.
        device: Where to compute, for instance "cpu" or "cuda".
        shear_warp: Whether a shear-warp may draw on the CPU; else all is Joseph's method.

    Raises:
        InputError: ``mu`` is not a volume, not finite or empty (nothing but air).
    """

    def __init__(
        self, mu: Any, voxel_to_lps: Any, device: str | torch.device = "cpu", *, shear_warp: bool = True
    ) -> None:
        self.device = torch.device(device)
        volume = torch.as_tensor(mu, dtype=torch.float32, device=self.device)
        if volume.ndim != 3:
            raise InputError(f"a DRR needs a volume (slices, rows, columns), not shape {tuple(volume.shape)}.")
        if not bool(torch.isfinite(volume).all()):
            raise InputError("the attenuation volume holds values that are not finite (NaN); check the CT.")
        transform = matrix(voxel_to_lps, (4, 4), "voxel_to_lps")
        if not volume.requires_grad:
            volume, transform = _crop_air(volume, transform)
        # One layer of air all round: images fade at the volume's border instead of jumping.
        self._volume = functional.pad(volume, (1, 1, 1, 1, 1, 1))
        shift = np.eye(4)
        shift[:3, 3] = -1.0
        padded_to_lps = transform @ shift
        self._lps_to_voxel = torch.as_tensor(np.linalg.inv(padded_to_lps), dtype=torch.float64, device=self.device)
        self._corners = _corners(self._volume.shape) @ padded_to_lps[:3, :3].T + padded_to_lps[:3, 3]
        self._by_axis: dict[int, Tensor] = {}
        fast = shear_warp and self.device.type == "cpu" and not volume.requires_grad
        self._shear_warp = TorchShearWarp(self._volume) if fast else None

    def __call__(self, camera: XRayCamera, pose: Any) -> Tensor:
        """DRR under one pose or a batch.

        Args:
            camera: The exposure.
            pose: CT-to-world as :class:`RigidPose`, (4, 4) or (B, 4, 4); a tensor may carry gradients.

        Returns:
            (rows, columns) or (B, rows, columns) float32 line integrals, dimensionless.

        Raises:
            InputError: A pose that is not finite or of another shape.
        """
        poses = self._as_poses(pose)
        if poses.ndim == 2:
            return self._project(camera, poses)
        return torch.stack([self._project(camera, single) for single in poses])

    def with_jacobian(self, camera: XRayCamera, pose: Any, motion: Any) -> tuple[Tensor, Tensor]:
        """A DRR and its exact derivative with respect to rigid-motion parameters.

        Each pixel depends only on its own ray's four numbers (offset and slope, see ``ray_bundle``), so one backward
        pass gives every pixel's derivative by those, and the chain rule does the rest.

        Args:
            camera: The exposure.
            pose: (4, 4) CT-to-world.
            motion: Function from a zero tensor (P,) of parameters to a (4, 4) world motion applied after the pose.

        Returns:
            (rows, columns) line integrals and (P, rows, columns) derivatives per unit of each parameter.
        """
        base = self._as_poses(pose)
        if base.ndim != 2:
            raise InputError(f"derivatives are of one pose at a time, (4, 4), not shape {tuple(base.shape)}.")
        fast = self._fast_with_jacobian(camera, base, motion)
        if fast is not None:
            return fast
        window = self._window(camera, base)
        columns, rows = camera.size
        if window is None:
            image = torch.zeros(rows, columns, device=self.device)
            count = _parameter_count(motion)
            return image, image.new_zeros(count, rows, columns)
        column, row, width, height = window
        pixels = pixel_grid(width, height, self.device)
        near = camera.cropped(column, row, width, height)
        integrals = torch.zeros(len(pixels), device=self.device)
        derivatives = torch.zeros(len(pixels), _parameter_count(motion), device=self.device)
        for axis, chosen in _marching_axes(VoxelRays(near, base, self._lps_to_voxel), pixels):
            found = self._march_with_jacobian(near, base, motion, pixels[chosen], axis)
            integrals[chosen], derivatives[chosen] = found
        frame = (column, columns - column - width, row, rows - row - height)
        image = functional.pad(integrals.reshape(height, width), frame)
        return image, functional.pad(derivatives.T.reshape(-1, height, width), frame)

    def _march_with_jacobian(
        self, camera: XRayCamera, base: Tensor, motion: Any, pixels: Tensor, axis: int
    ) -> tuple[Tensor, Tensor]:
        """(N,) line integrals of rays that march along ``axis``, and their derivatives (N, P), float32."""

        def rays_of(parameters: Tensor) -> tuple[Tensor, ...]:
            return tuple(VoxelRays(camera, motion(parameters) @ base, self._lps_to_voxel).march(pixels, axis))

        zero = torch.zeros(_parameter_count(motion), dtype=torch.float64, device=self.device)
        rays = MarchingRays(*rays_of(zero))
        tangents = torch.func.jacfwd(rays_of)(zero)
        leaves = [leaf.detach().requires_grad_() for leaf in rays[:4]]
        with torch.enable_grad():
            sums = self._march(MarchingRays(*leaves, *rays[4:]), axis)
            slopes = torch.autograd.grad(sums.sum(), leaves)
        sums = sums.detach()
        derivative = sum(g[:, None] * t for g, t in zip(slopes, tangents[:4], strict=True)) * rays.step_mm[:, None]
        derivative = derivative + sums[:, None] * tangents[4]
        return (sums * rays.step_mm).float(), derivative.float()

    # ---- one pose -----------------------------------------------------------------------------------------

    def _project(self, camera: XRayCamera, pose: Tensor) -> Tensor:
        fast = self._fast(camera, pose)
        if fast is not None:
            return fast
        columns, rows = camera.size
        window = self._window(camera, pose)
        if window is None:
            # Air times zero: a DRR that shows nothing still has its (zero) gradients.
            return torch.zeros(rows, columns, device=self.device) + 0.0 * (pose.sum().float() + self._volume[0, 0, 0])
        column, row, width, height = window
        near = camera.cropped(column, row, width, height)
        pixels = pixel_grid(width, height, self.device)
        voxel_rays = VoxelRays(near, pose, self._lps_to_voxel)
        image = self._line_integrals(voxel_rays, pixels).float().reshape(height, width)
        return functional.pad(image, (column, columns - column - width, row, rows - row - height))

    def _fast(self, camera: XRayCamera, pose: Tensor) -> Tensor | None:
        """(rows, columns) by shear-warp, or None where that cannot be."""
        if self._shear_warp is None:
            return None
        rays = VoxelRays(camera, pose, self._lps_to_voxel)
        view = VoxelView(rays.source.detach().numpy(), rays.matrix.detach().numpy(), camera.ray_matrix)
        plan = self._shear_warp.plan(view, camera.size)
        if plan is None:
            return None
        if torch.is_grad_enabled() and pose.requires_grad:
            return PictureOfPose.apply(rays.source, rays.matrix, self._shear_warp, view.rays_mm, camera.size, plan)
        with torch.no_grad():
            return self._shear_warp.picture(view, camera.size, plan)

    def _fast_with_jacobian(self, camera: XRayCamera, pose: Tensor, motion: Any) -> tuple[Tensor, Tensor] | None:
        if self._shear_warp is None:
            return None
        to_voxel, base = self._lps_to_voxel.numpy(), pose.detach().numpy()
        view = VoxelView.of(camera, base, to_voxel)
        plan = self._shear_warp.plan(view, camera.size)
        if plan is None:
            return None
        tangents = Tangents.of(camera, base, motion, to_voxel, self._shear_warp.middle - view.source)
        with torch.no_grad():
            return self._shear_warp.with_tangents(view, camera.size, plan, tangents)

    def _line_integrals(self, voxel_rays: VoxelRays, pixels: Tensor) -> Tensor:
        """(N,) line integrals, each ray along the axis that :func:`_marching_axes` gives it."""
        result = torch.zeros(len(pixels), dtype=torch.float64, device=self.device)
        for axis, chosen in _marching_axes(voxel_rays, pixels):
            rays = voxel_rays.march(pixels[chosen], axis)
            result[chosen] = self._march(rays, axis) * rays.step_mm
        return result

    def _march(self, rays: MarchingRays, axis: int) -> Tensor:
        """(N,) sums of bilinear samples over all slices along ``axis`` between source and detector."""
        slices = self._slices(axis)
        count = len(slices)
        inside = _between_source_and_detector(rays, count)
        chunk = max(1, SAMPLES_PER_CHUNK // max(1, len(rays.offset_u)))
        total = torch.zeros_like(rays.offset_u, dtype=torch.float32)
        needs_grad = torch.is_grad_enabled() and (slices.requires_grad or rays.offset_u.requires_grad)
        for first in range(0, count, chunk):
            arguments = (slices[first : first + chunk], first, rays, inside)
            if needs_grad and count > chunk:
                total = total + checkpoint(_sample_slices, *arguments, use_reentrant=False)
            else:
                total = total + _sample_slices(*arguments)
        return total.double()

    # ---- helpers ------------------------------------------------------------------------------------------

    def _slices(self, axis: int) -> Tensor:
        """The volume with ``axis`` (0 column, 1 row, 2 slice) first, contiguous, kept for the next call."""
        if self._volume.requires_grad:
            return self._volume.movedim(2 - axis, 0)
        if axis not in self._by_axis:
            self._by_axis[axis] = self._volume.movedim(2 - axis, 0).contiguous()
        return self._by_axis[axis]

    def _window(self, camera: XRayCamera, pose: Tensor) -> tuple[int, int, int, int] | None:
        """(column, row, width, height) of the pixels that can see the volume, or None; all when in doubt."""
        corners = self._corners @ pose[:3, :3].detach().cpu().numpy().T + pose[:3, 3].detach().cpu().numpy()
        pixels = camera.project(corners)
        columns, rows = camera.size
        if np.isnan(pixels).any():
            return 0, 0, columns, rows
        low = np.maximum(np.floor(pixels.min(axis=0)).astype(int), 0)
        high = np.minimum(np.ceil(pixels.max(axis=0)).astype(int) + 1, [columns, rows])
        if np.any(high <= low):
            return None
        return int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1])

    def _as_poses(self, pose: Any) -> Tensor:
        if isinstance(pose, RigidPose):
            pose = pose.matrix.copy()
        poses = torch.as_tensor(pose, dtype=torch.float64, device=self.device)
        if poses.shape[-2:] != (4, 4) or poses.ndim not in (2, 3):
            raise InputError(f"a pose is a 4 x 4 matrix or a batch of them, not shape {tuple(poses.shape)}.")
        if not bool(torch.isfinite(poses).all()):
            raise InputError("a pose holds values that are not finite (NaN).")
        return poses


def _marching_axes(voxel_rays: VoxelRays, pixels: Tensor) -> list[tuple[int, Any]]:
    """Marching axes and which rays take them (an index): one axis for all where it can serve, else each its own."""
    speed = voxel_rays.directions(pixels).detach().abs()
    axis = int(speed.sum(dim=0).argmax())
    if bool((speed.amax(dim=1) <= SHARED_AXIS_LIMIT * speed[:, axis]).all()):
        return [(axis, slice(None))]
    nearest = speed.argmax(dim=1)
    groups = [(each, torch.nonzero(nearest == each)[:, 0]) for each in range(3)]
    return [(each, rays) for each, rays in groups if len(rays)]


def _sample_slices(slices: Tensor, first: int, rays: MarchingRays, inside: Tensor | None) -> Tensor:
    """(N,) sum over slices ``first`` ... of bilinear samples, float32."""
    count, height, width = slices.shape
    scale = torch.tensor([2.0 / (width - 1), 2.0 / (height - 1)], dtype=torch.float64, device=slices.device)
    slope = torch.stack([rays.slope_u, rays.slope_v], dim=-1) * scale
    start = torch.stack([rays.offset_u, rays.offset_v], dim=-1) * scale - 1.0 + first * slope
    # Large offsets cancelled in float64 above; what is left (-1 to 1) is safe in float32, and half the memory.
    k = torch.arange(count, dtype=torch.float32, device=slices.device)[:, None, None]
    grid = torch.addcmul(start.float(), slope.float(), k)[:, None]
    samples = functional.grid_sample(slices[:, None], grid, align_corners=True)[:, 0, 0]
    if inside is not None:
        samples = samples * inside[first : first + count]
    return samples.sum(dim=0)


def _between_source_and_detector(rays: MarchingRays, count: int) -> Tensor | None:
    """(count, N) mask of samples with 0 < lambda < 1, or None when all of them are (the usual case)."""
    with torch.no_grad():
        last = rays.lambda_zero + (count - 1) * rays.lambda_step
        low = torch.minimum(rays.lambda_zero, last).min()
        high = torch.maximum(rays.lambda_zero, last).max()
        if low > 0 and high < 1:
            return None
        k = torch.arange(count, dtype=torch.float64, device=last.device)[:, None]
        position = rays.lambda_zero + k * rays.lambda_step
        return (position > 0) & (position < 1)


def _crop_air(volume: Tensor, transform: np.ndarray) -> tuple[Tensor, np.ndarray]:
    """The box that holds everything but air, and its matrix."""
    filled = volume != 0
    if not bool(filled.any()):
        raise InputError("the attenuation volume is empty, nothing but air to project; check the CT and the label.")
    box, shift = [], np.eye(4)
    for axis in range(3):
        one, other = (each for each in range(3) if each != axis)
        inside = torch.nonzero(filled.any(dim=other).any(dim=one))
        box.append(slice(int(inside[0]), int(inside[-1]) + 1))
        shift[2 - axis, 3] = box[-1].start
    return volume[box[0], box[1], box[2]], transform @ shift


def _corners(shape: torch.Size) -> np.ndarray:
    """(8, 3) corner voxel indices (column, row, slice) of a volume (slices, rows, columns)."""
    ends = [(0, n - 1) for n in reversed(shape)]
    return np.array([[i, j, k] for i in ends[0] for j in ends[1] for k in ends[2]], dtype=np.float64)


def _parameter_count(motion: Any) -> int:
    return int(getattr(motion, "parameter_count", 6))
