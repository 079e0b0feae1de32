"""Forearm measurements: angles drawn by hand come out, whatever the pose and side; and those of a whole phantom."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial import ConvexHull

from XRayTo3DLib.dataset.phantoms import ForearmShape, make_forearm
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.geometry.anatomical_frame import NOTCH_TO_STYLOID_DEG
from XRayTo3DLib.measurements import forearm_landmarks, forearm_measures
from XRayTo3DLib.measurements.forearm import RADIUS_LANDMARKS, ULNA_LANDMARKS, found_in_frame, resting_ruler
from XRayTo3DLib.shape.meshes import points_of


def drawn(inclination: float = 23.0, tilt: float = 11.0, variance: float = -0.7) -> dict[str, np.ndarray]:
    """Landmarks of a right wrist in its frame (+x radial, +y dorsal, +z distal), by trigonometry.

    The styloid lies 28 mm radial of the ulnar corner; so that the frame's x comes out as x, the volar end of the notch
    lies where its definition says, seen from the hand.
    """
    tilt_, height = np.deg2rad(tilt), 28.0 * np.tan(np.deg2rad(inclination))
    corner, styloid = np.array([-13.0, 0.0, -3.0]), np.array([15.0, 0.0, height - 3.0])
    volar = corner + [0.0, -28.0 * np.tan(np.deg2rad(NOTCH_TO_STYLOID_DEG)), -1.0]
    return {
        "articular centre": np.zeros(3),
        "radial styloid tip": styloid,
        "volar sigmoid notch": volar,
        "dorsal sigmoid notch": 2 * corner - volar,
        "volar rim": np.array([-5.0, -9.0 * np.cos(tilt_), -9.0 * np.sin(tilt_)]),
        "dorsal rim": np.array([-6.0, 9.0 * np.cos(tilt_), 9.0 * np.sin(tilt_)]),
        "radial shaft distal": np.array([1.0, 0.0, -35.0]),
        "radial shaft proximal": np.array([1.0, 0.0, -75.0]),
        "ulnar head dome": np.array([-22.0, 3.0, variance - 3.0]),
    }


angles, shifts = st.floats(-179, 179), st.floats(-300, 300)


@settings(max_examples=40, deadline=None)
@given(
    st.floats(5, 35),
    st.floats(-25, 25),
    st.floats(-5, 5),
    arrays(float, 3, elements=angles),
    arrays(float, 3, elements=shifts),
    st.booleans(),
)
def test_what_is_drawn_is_measured_in_any_pose_and_on_either_side(
    inclination, tilt, variance, turn, shift, left
) -> None:
    pose, mirror = RigidPose.from_rotation(turn, shift), np.array([-1.0 if left else 1.0, 1.0, 1.0])
    points = {name: pose.apply(point * mirror) for name, point in drawn(inclination, tilt, variance).items()}
    found = forearm_measures(points)
    assert found["radial_inclination"] == pytest.approx(inclination, abs=1e-6)
    assert found["volar_tilt"] == pytest.approx(tilt, abs=1e-6)
    assert found["ulnar_variance"] == pytest.approx(variance, abs=1e-6)
    assert found["radial_height"] == pytest.approx(28.0 * np.tan(np.deg2rad(inclination)), abs=1e-6)


@pytest.mark.parametrize(
    ("missing", "left"),
    [
        ("ulnar head dome", {"radial_inclination", "volar_tilt", "radial_height"}),
        ("dorsal rim", {"radial_inclination", "radial_height", "ulnar_variance"}),
        ("dorsal sigmoid notch", {"volar_tilt"}),
        ("radial shaft distal", set()),
    ],
)
def test_what_landmarks_do_not_allow_is_left_out(missing: str, left: set) -> None:
    assert set(forearm_measures({name: point for name, point in drawn().items() if name != missing})) == left


@settings(max_examples=50, deadline=None)
@given(arrays(float, (12, 2), elements=st.floats(-20, 20).map(lambda value: round(value, 3)), unique=True))
def test_the_ruler_rests_on_the_longest_upper_edge_of_the_hull(points) -> None:
    """Against Qhull, which knows nothing of chains: its upper edges are those whose normal points up."""
    hull = ConvexHull(points, qhull_options="QJ Qt" if np.linalg.matrix_rank(points - points[0]) < 2 else "Qt")
    upper = [edge for edge, normal in zip(hull.simplices, hull.equations, strict=True) if normal[1] > 1e-9]
    longest = max(abs(np.diff(points[edge, 0]))[0] for edge in upper)
    first, second = resting_ruler(points[:, 0], points[:, 1])
    assert points[second, 0] - points[first, 0] >= longest - 1e-6
    slope = np.diff(points[[first, second]], axis=0)[0]
    above = slope[0] * (points - points[first])[:, 1] - slope[1] * (points - points[first])[:, 0]
    assert above.max() <= 1e-6 * np.linalg.norm(slope) * 40


@pytest.fixture(scope="module", params=["right", "left"])
def phantom(request):
    shape = ForearmShape(side=request.param, radial_inclination=20.0, volar_tilt=4.0, ulnar_variance=1.5)
    return make_forearm(shape, spacing=3.0, mesh_spacing=0.7, length_mm=90, carpals=False, soft_tissue=False)


def test_a_phantom_measures_as_it_was_made_in_any_pose(phantom) -> None:
    """By landmarks found on its bones, with the views along the wrist's own axes."""
    pose = RigidPose.from_rotation([30, -80, 50], [100, -20, 40])
    bones = {label: pose.apply(points_of(mesh)) for label, mesh in phantom.meshes.items()}
    found = forearm_landmarks(bones, {name: pose.apply(point) for name, point in phantom.landmarks.items()})
    assert set(found["radius"]) == set(RADIUS_LANDMARKS) and set(found["ulna"]) == set(ULNA_LANDMARKS)
    values = forearm_measures({**found["radius"], **found["ulna"]})
    assert values["radial_inclination"] == pytest.approx(20.0, abs=1.0)
    assert values["volar_tilt"] == pytest.approx(4.0, abs=1.5)
    assert values["ulnar_variance"] == pytest.approx(1.5, abs=0.7)


def test_a_missing_bone_or_landmark_is_named(phantom) -> None:
    bones = {label: points_of(mesh) for label, mesh in phantom.meshes.items()}
    with pytest.raises(InputError, match="radius is missing"):
        found_in_frame({"ulna": bones["ulna"]}, phantom.landmarks)
    few = {name: point for name, point in phantom.landmarks.items() if name != "ulnar head centre"}
    with pytest.raises(InputError, match="ulnar head centre is missing"):
        forearm_landmarks(bones, few)
