"""The views a network is shown: a pinhole camera fixed in the reconstruction frame, and real pictures brought to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.dataset.voxel_grid import WRIST_CENTRE_MM
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.geometry.anatomical_frame import MIRROR
from XRayTo3DLib.geometry.calibration import VIEWS
from XRayTo3DLib.geometry.frames import FloatArray, matrix, vector3
from XRayTo3DLib.imaging.types import Radiograph
from XRayTo3DLib.registration.view_position import meeting_point, point_at

DETECTOR_AT = 1.25
"""Detector of a canonical camera, in distances from the source to the frame's origin: behind all bones."""
OBJECT_DETECTOR_MM = 45.0
"""Articular centre to detector of a wrist laid on the cassette, mm."""
ANGLE_LIMIT_DEG = 30.0
"""A picture whose beam is turned from the view's by more is another view."""
ROWS_DOWN = np.array([0.0, 0.0, -1.0])
"""Rows run from +z to -z of the frame (a wrist's from distal to proximal), as pictures are hung."""


@dataclass(frozen=True)
class CanonicalView:
    """A pinhole camera in the reconstruction frame (mm; +z distal, +x radial, -y volar in a right wrist).

    The image has ``size`` x ``size`` pixels whose pitch is ``pixel_mm`` where the central ray, at right angles to the
    detector, meets the plane through ``centre_mm``.

    Attributes:
        view: "PA", "AP", "LAT" (beam along +x), "LL" (the same) or "RL" (beam along -x); the beam and column directions
            of :data:`~XRayTo3DLib.geometry.calibration.VIEWS`, rows from distal to proximal.
        size: Pixels along rows and columns.
        pixel_mm: Pitch of the pixels in the plane through the centre, mm.
        source_mm: Distance of the source from the plane through the frame's origin across the beam, mm.
        centre_mm: (3,) point on the central ray, mm: the centre of the voxel grid.

    Raises:
        InputError: An unknown view, or sizes and lengths that are not above zero.
    """

    view: str = "PA"
    size: int = 64
    pixel_mm: float = 1.5
    source_mm: float = 955.0
    centre_mm: tuple[float, float, float] = WRIST_CENTRE_MM

    def __post_init__(self) -> None:
        if self.view not in VIEWS:
            raise InputError(f"view {self.view!r} is not known; use one of {', '.join(VIEWS)}.")
        if self.size != int(self.size) or self.size < 1:
            raise InputError(f"a view needs a whole number of pixels, 1 or more, not {self.size}.")
        if not (np.isfinite([self.pixel_mm, self.source_mm]).all() and min(self.pixel_mm, self.source_mm) > 0):
            raise InputError("pixel_mm and source_mm of a view must be greater than zero.")
        x, y, z = vector3(self.centre_mm, "centre of the view").tolist()
        object.__setattr__(self, "centre_mm", (x, y, z))
        object.__setattr__(self, "size", int(self.size))
        if self._depth_mm <= 0:
            raise InputError(f"the source of view {self.view} lies beyond its centre; source_mm must be larger.")

    @property
    def _axes(self) -> FloatArray:
        """(3, 3) columns: along columns, along rows, from source to detector, in the frame."""
        beam, columns = VIEWS[self.view]
        return np.stack([np.array(columns, dtype=float), ROWS_DOWN, np.array(beam, dtype=float)], axis=1)

    @property
    def _depth_mm(self) -> float:
        """Source to the plane through the centre, mm."""
        return self.source_mm + float(self._axes[:, 2] @ self.centre_mm)

    def camera(self, subpixels: int = 1) -> XRayCamera:
        """The camera in the reconstruction frame, with ``subpixels`` x ``subpixels`` rays through every pixel."""
        column, row, beam = self._axes.T
        source = np.array(self.centre_mm) - beam * self._depth_mm
        distance = DETECTOR_AT * self.source_mm
        pitch = self.pixel_mm * distance / self._depth_mm / subpixels
        half = 0.5 * (self.size * subpixels - 1) * pitch
        origin = source + beam * distance - half * (column + row)
        return XRayCamera(source, origin, column, row, (pitch, pitch), (self.size * subpixels,) * 2)

    def plane_points(self, subpixels: int = 1) -> FloatArray:
        """(rows, columns, 3) where the pixels' rays meet the plane through the centre, in the frame, mm."""
        column, row, _ = self._axes.T
        count = self.size * subpixels
        steps = (np.arange(count) - 0.5 * (count - 1)) * self.pixel_mm / subpixels
        return np.array(self.centre_mm) + steps[None, :, None] * column + steps[:, None, None] * row

    # ---- real pictures ------------------------------------------------------------------------------------

    def resampled(
        self, radiograph: Radiograph, frame_to_world: RigidPose, mirrored: bool = False
    ) -> NDArray[np.float32]:
        """A real radiograph as this view would have shown it: (size, size) line integrals, 0 outside the picture.

        Every pixel is the mean over its area of what the radiograph shows of the plane through the centre. What lies
        before or behind that plane is shown as the radiograph's own source sees it: with a source at 955 mm, a bone
        25 mm before the plane is 2.6 % larger, and as much smaller in a radiograph exposed from the other side.

        Args:
            radiograph: The picture and its camera.
            frame_to_world: The anatomical frame of the person in the camera's world, LPS mm.
            mirrored: Whether it is a left limb, seen here as a right one (x is mirrored before ``frame_to_world``).

        Raises:
            InputError: The beam is turned from the view's by more than :data:`ANGLE_LIMIT_DEG` (either way round), or
                the centre is not in the picture.
        """
        camera, to_world = radiograph.camera, frame_matrix(frame_to_world, mirrored)
        angle = self.beam_angle_deg(camera, frame_to_world, mirrored)
        if min(angle, 180.0 - angle) > ANGLE_LIMIT_DEG:
            raise InputError(
                f"radiograph {radiograph.name}: its beam is {angle:.0f} degrees off the {self.view} view of the model; "
                f"check the view and the pose, {ANGLE_LIMIT_DEG:.0f} degrees are allowed."
            )
        subpixels = self._subpixels(camera, to_world)
        require_shown(radiograph, to_world[:3, :3] @ np.array(self.centre_mm) + to_world[:3, 3])
        points = self.plane_points(subpixels) @ to_world[:3, :3].T + to_world[:3, 3]
        return area_means(radiograph.pixels, camera.project(points), subpixels)

    def _subpixels(self, camera: XRayCamera, to_world: FloatArray) -> int:
        """Samples across a pixel: one for each of the picture's pixels or more, 16 at most."""
        centre = to_world[:3, :3] @ np.array(self.centre_mm) + to_world[:3, 3]
        return int(np.clip(np.ceil(self.pixel_mm / min(camera.pixel_size_at(centre))), 1, 16))

    def beam_angle_deg(self, camera: XRayCamera, frame_to_world: RigidPose, mirrored: bool = False) -> float:
        """Angle between a camera's ray to the centre and the view's beam, 0 to 180 degrees (180: from behind)."""
        to_world = frame_matrix(frame_to_world, mirrored)
        ray = to_world[:3, :3] @ np.array(self.centre_mm) + to_world[:3, 3] - camera.source
        beam = to_world[:3, :3] @ self._axes[:, 2]
        return float(np.rad2deg(np.arccos(np.clip(ray @ beam / np.linalg.norm(ray), -1.0, 1.0))))

    def frame_from_landmark(
        self,
        camera: XRayCamera,
        pixel: Any,
        *,
        object_detector_mm: float = OBJECT_DETECTOR_MM,
        up: tuple[float, float] = (0.0, -1.0),
        shows_first: str = "",
        mirrored: bool = False,
    ) -> RigidPose:
        """The anatomical frame in the world of one radiograph, from where it shows the frame's origin.

        The limb is taken to lie parallel to the detector, as this view shows it. How the person really lay differs by
        a few degrees, as the people of the training do.

        Args:
            camera: The radiograph's camera.
            pixel: (column, row) of the articular centre.
            object_detector_mm: Assumed distance of the origin from the detector along its normal, mm.
            up: Direction (columns, rows) in the picture that points to +z of the frame, along a wrist distally.
            shows_first: "right" or "left": the side of the picture that shows +x of the anatomical frame (PA, AP) or
                +y, dorsal (LAT). "" takes the side for which the beam runs as in this view.
            mirrored: Whether it is a left limb, which this view shows as a right one.

        Returns:
            Anatomical frame to world, LPS mm; for a left limb of the frame before mirroring.

        Raises:
            InputError: A distance that does not lie between detector and source, no direction, or another side.
        """
        place = point_at(camera, matrix(pixel, (2,), "pixel (column, row)"), camera.sdd - float(object_detector_mm))
        return self._frame_at(camera, place, up, shows_first, mirrored)

    def _frame_at(self, camera: XRayCamera, place: FloatArray, up: Any, shows_first: str, mirrored: bool) -> RigidPose:
        if shows_first not in ("", "left", "right"):
            raise InputError(f"the side of the picture is left or right, not {shows_first!r}.")
        up = matrix(up, (2,), "direction of distal in the picture") * camera.spacing
        length = float(np.hypot(*up))
        if length < 1e-9:
            raise InputError("the direction that points distally in the picture has length zero; give two numbers.")
        rows = -(up[0] * camera.column_direction + up[1] * camera.row_direction) / length
        columns = (-up[1] * camera.column_direction + up[0] * camera.row_direction) / length
        beam = camera.normal * np.sign((camera.origin - camera.source) @ camera.normal)
        axes = self._axes
        if mirrored:
            axes[:, 2] = MIRROR[:3, :3] @ axes[:, 2]
        hand = float(np.linalg.det(axes)) * float(np.linalg.det(np.stack([columns, rows, beam], axis=1)))
        if shows_first == "":
            columns = columns * np.sign(hand)
        else:
            sign = 1.0 if shows_first == "right" else -1.0
            columns, beam = sign * columns, sign * np.sign(hand) * beam
        result = np.eye(4)
        result[:3, :3] = np.stack([columns, rows, beam], axis=1) @ axes.T
        result[:3, 3] = place
        return RigidPose(result)


def turned_camera(camera: XRayCamera, centre_mm: Any, about_z_deg: float) -> XRayCamera:
    """A camera swung about the axis through ``centre_mm`` along z, as a C-arm round a limb; the bones stay.

    Args:
        camera: In a frame whose z runs along the limb.
        centre_mm: (3,) point on the axis, mm.
        about_z_deg: Counter-clockwise seen from +z, degrees.
    """
    motion = RigidPose.from_rotation([0.0, 0.0, float(about_z_deg)], [0.0, 0.0, 0.0], centre_mm)
    return camera.moved(motion.matrix)


def frame_from_views(
    views: list[CanonicalView], cameras: list[XRayCamera], pixels: Any, *, mirrored: bool = False, **options: Any
) -> RigidPose:
    """The anatomical frame in one world from several calibrated radiographs; its origin is where the rays meet.

    Args:
        views: What each radiograph shows; the first says how the limb is turned.
        cameras: Their cameras, in one world.
        pixels: (column, row) of the articular centre in each.
        mirrored: Whether it is a left limb.
        **options: ``up`` and ``shows_first`` of the first, as :meth:`CanonicalView.frame_from_landmark` takes them.

    Raises:
        InputError: Not one camera and pixel per view, or a beam more than :data:`ANGLE_LIMIT_DEG` off its view.
    """
    if not views or not len(views) == len(cameras) == len(pixels):
        raise InputError(f"{len(views)} views, {len(cameras)} cameras and {len(pixels)} pixels; one each is needed.")
    place = meeting_point(cameras, [matrix(pixel, (2,), "pixel (column, row)") for pixel in pixels])
    up, side = options.get("up", (0.0, -1.0)), options.get("shows_first", "")
    frame = views[0]._frame_at(cameras[0], place, up, side, mirrored)
    for view, camera in zip(views, cameras, strict=True):
        angle = view.beam_angle_deg(camera, frame, mirrored)
        if min(angle, 180.0 - angle) > ANGLE_LIMIT_DEG:
            raise InputError(
                f"the {view.view} radiograph's beam is {angle:.0f} degrees off that view; check the cameras."
            )
    return frame


def frame_matrix(frame_to_world: RigidPose, mirrored: bool) -> FloatArray:
    """(4, 4) from the reconstruction frame (a left limb seen as a right one) to the world, mm."""
    return frame_to_world.matrix @ MIRROR if mirrored else frame_to_world.matrix


def require_shown(radiograph: Radiograph, point: FloatArray) -> None:
    """Refuse a radiograph that does not show ``point`` (3,), LPS mm."""
    middle = radiograph.camera.project(point)
    if not np.all((middle > -0.5) & (middle < np.array(radiograph.camera.size) - 0.5)):
        raise InputError(
            f"radiograph {radiograph.name}: the middle of the bones is not in the picture; check the landmark."
        )


def area_means(image: NDArray[np.float32], pixels: FloatArray, subpixels: int) -> NDArray[np.float32]:
    """(rows, columns) means over ``subpixels`` x ``subpixels`` samples of a picture; 0 outside or behind the source.

    Args:
        image: (rows, columns).
        pixels: (rows * subpixels, columns * subpixels, 2) where the samples lie in it (column, row).
        subpixels: Samples across a pixel.
    """
    fine = _bilinear(image, pixels)
    rows, columns = (count // subpixels for count in fine.shape)
    return fine.reshape(rows, subpixels, columns, subpixels).mean(axis=(1, 3)).astype(np.float32)


def _bilinear(image: NDArray[np.float32], pixels: FloatArray) -> FloatArray:
    """(rows, columns) of a picture at (rows, columns, 2) pixels (column, row); 0 outside or behind the source."""
    from scipy.ndimage import map_coordinates

    where = np.moveaxis(np.nan_to_num(pixels[..., ::-1], nan=-10.0), -1, 0)
    inside = np.all([(at >= -0.5) & (at <= count - 0.5) for at, count in zip(where, image.shape, strict=True)], axis=0)
    return map_coordinates(image.astype(np.float64), where, order=1, mode="nearest") * inside
