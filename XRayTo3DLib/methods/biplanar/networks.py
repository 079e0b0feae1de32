"""The lift and the network of a biplanar model, from its configuration."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.methods.biplanar.configuration import CALIBRATED, BiplanarConfiguration
from XRayTo3DLib.methods.data import DataConfiguration
from XRayTo3DLib.networks.volume_net import VolumeNet
from XRayTo3DLib.projection.back_projection import ParallelView, back_projected, lifting_grid

VOLUME = "volume"
ANOTHER_VIEW_DEG = 60.0
"""A camera that looks from further off its view than this is another view's: the wrong order, or one view twice."""


def make_networks(configuration: BiplanarConfiguration) -> nn.ModuleDict:
    """The volume network, with random weights."""
    data, network = configuration.data, configuration.network
    net = VolumeNet(
        len(data.views), 1 + len(data.labels), network.channels, network.convolutions, network.norm, network.folded
    )
    if data.grid.size % net.multiple:
        raise InputError(
            f"configuration: data.grid.size is {data.grid.size}; this network needs a multiple of {net.multiple}."
        )
    return nn.ModuleDict({VOLUME: net})


class Lift:
    """Pictures of people into volumes, one channel per view.

    Args:
        data: Views and grid.
        kind: One of ``configuration.LIFTS``.
    """

    def __init__(self, data: DataConfiguration, kind: str) -> None:
        self.calibrated = kind == CALIBRATED
        self.views = data.canonical_views
        self.canonical = tuple(view.camera() for view in self.views)
        """The canonical views' cameras, in the reconstruction frame, mm."""
        self._points = torch.as_tensor(data.voxels.points())
        views = zip(self.canonical, self.views, strict=True)
        taken = self.canonical if self.calibrated else [ParallelView.of(each, view.centre_mm) for each, view in views]
        self._grids = torch.stack([lifting_grid(view, self._points) for view in taken])

    def cameras(self, count: int, cameras: Sequence[Sequence[XRayCamera]] | None) -> list[tuple[XRayCamera, ...]]:
        """Where ``count`` people's pictures are taken to come from: ``cameras`` only if this lift looks at them."""
        if cameras is None or not self.calibrated:
            return [self.canonical] * count
        return [tuple(each) for each in cameras]

    def check(self, images: Tensor, cameras: Sequence[Sequence[XRayCamera]] | None) -> None:
        """Refuse other than (B, views, n, n) pictures of the model's size, with one camera per view or none at all.

        Raises:
            InputError: Not as many views or pixels as the model has, or cameras that do not fit.
        """
        views, pixels = len(self.canonical), self.views[0].size
        if images.ndim != 4 or images.shape[1:] != (views, pixels, pixels):
            raise InputError(
                f"this model reconstructs from {views} radiograph(s) of a person; pictures of shape "
                f"{tuple(images.shape)} were given, not (people, {views}, {pixels}, {pixels})."
            )
        if cameras is not None and [len(each) for each in cameras] != [views] * len(images):
            raise InputError(
                f"this model reconstructs from {views} radiograph(s) of a person, with one camera each; "
                f"{len(images)} people came with {[len(each) for each in cameras]} cameras."
            )
        if cameras is not None and self.calibrated:
            for each in cameras:
                self._check_angles(each)

    def _check_angles(self, cameras: Sequence[XRayCamera]) -> None:
        """Refuse cameras that another view's would be: the lift would be right, but nothing was learnt of it."""
        for number, (view, camera) in enumerate(zip(self.views, cameras, strict=True), start=1):
            angle = view.beam_angle_deg(camera, RigidPose.identity())
            if min(angle, 180.0 - angle) > ANOTHER_VIEW_DEG:
                raise InputError(
                    f"radiograph {number}: its beam is {angle:.0f} degrees off the {view.view} view of the model; "
                    f"give one radiograph of each view, in the order {', '.join(each.view for each in self.views)}."
                )

    def __call__(self, images: Tensor, cameras: Sequence[Sequence[XRayCamera]] | None = None) -> Tensor:
        """(B, views, Z, Y, X) of ``images`` (B, views, n, n), seen by ``cameras`` (the frame's; None: canonical ones).

        Raises:
            InputError: Not as many views as the model has, or cameras that do not fit.
        """
        self.check(images, cameras)
        self._points, self._grids = self._points.to(images.device), self._grids.to(images.device)
        grids = torch.stack([self._grids_of(each) for each in self.cameras(len(images), cameras)])
        return back_projected(images, grids)

    def _grids_of(self, cameras: tuple[XRayCamera, ...]) -> Tensor:
        """(views, Z, Y, X, 2); those of the canonical cameras are kept."""
        if cameras is self.canonical or all(map(_same, cameras, self.canonical)):
            return self._grids
        return torch.stack([lifting_grid(camera, self._points) for camera in cameras])


def _same(one: XRayCamera, other: XRayCamera) -> bool:
    return one is other or (one.size == other.size and np.allclose(one.projection_matrix, other.projection_matrix))
