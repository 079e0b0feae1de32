"""What every representation of a bone's shape offers to a refinement, whatever it is made of."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.geometry.frames import FloatArray


class DeformableInstance(Protocol):
    """A bone in the model's frame, mm, as parts that cast shadows."""

    @property
    def points(self) -> NDArray[np.floating]:
        """(N, 3) where the parts are."""
        ...

    @property
    def masses(self) -> NDArray[np.floating]:
        """(N,) attenuation times volume of each, mm^2."""
        ...

    @property
    def moves(self) -> NDArray[np.floating] | None:
        """(N, 3, k) how each part moves per SD of each way to differ in shape, mm; None: they never move."""
        ...

    @property
    def by_shape(self) -> NDArray[np.floating]:
        """(N, k) how much the masses change per SD of shape."""
        ...

    @property
    def by_density(self) -> NDArray[np.floating]:
        """(N, m) per SD of density."""
        ...


class DeformableModel(Protocol):
    """A bone whose shape and density differ between people, in its own frame, mm.

    Offered by :class:`~XRayTo3DLib.shape.shape_intensity_model.ShapeIntensityModel` (principal components of vertices),
    :class:`~XRayTo3DLib.shape.signed_distance_model.SignedDistanceModel` (of signed distances), and the code of a
    TL-net.
    """

    @property
    def size(self) -> int:
        """Number of ways to differ in shape, k."""
        ...

    @property
    def density_size(self) -> int:
        """Number of ways to differ in density, m."""
        ...

    @property
    def middle(self) -> FloatArray:
        """(3,) what rotations are about."""
        ...

    @property
    def triangles(self) -> NDArray[np.int64]:
        """(t, 3) vertex numbers of its surface."""
        ...

    def instance(self, theta: Any = (), phi: Any = ()) -> DeformableInstance:
        """The bone with shape ``theta`` (k,) and density ``phi`` (m,), SD."""
        ...

    def surface_points(self, theta: Any = ()) -> FloatArray:
        """(n, 3) vertices of its surface."""
        ...

    def surface_moves(self, theta: Any = ()) -> FloatArray:
        """(k, n, 3) how they move per SD, mm."""
        ...

    def thinned(self, factor: int, shape_modes: int, density_modes: int) -> DeformableModel:
        """A coarser model with its first modes only."""
        ...
