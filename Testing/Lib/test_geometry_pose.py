"""RigidPose: group, exponential, centre of rotation, target errors, and the file in ITK's convention."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from geometry_cases import finite, rotations, vectors
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import expm

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.geometry.hdf5_values import SIGNATURE, Hdf5Damaged, hdf5_values

POSE = RigidPose.from_rotation([10, -40, 65], [12.345678, -300.0, 7.0], [1, 2, 3])
POINTS = np.array([[0.0, 0, 0], [100, 0, 0], [0, -50, 0], [3, 4, 500]])


@st.composite
def poses(draw: st.DrawFn) -> RigidPose:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = draw(rotations()), draw(vectors(1000.0))
    return RigidPose(matrix)


def affine(linear: object, shift: object = (0, 0, 0)) -> np.ndarray:
    result = np.eye(4)
    result[:3, :3], result[:3, 3] = linear, shift
    return result


# ---- group -------------------------------------------------------------------------------------------------


def test_a_quarter_turn_about_the_superior_axis_takes_left_to_posterior() -> None:
    pose = RigidPose.from_rotation([0, 0, 90], [0, 0, 5])
    assert pose.apply([1, 0, 0]) == pytest.approx([0, 1, 5])
    assert pose.apply([[0, 1, 0], [0, 0, 1]]) == pytest.approx(np.array([[-1, 0, 5], [0, 0, 6]]))


@given(poses(), poses())
def test_composition_and_inverse(a: RigidPose, b: RigidPose) -> None:
    assert (a @ b).apply(POINTS) == pytest.approx(a.apply(b.apply(POINTS)), abs=1e-6)
    assert a.inverse().apply(a.apply(POINTS)) == pytest.approx(POINTS, abs=1e-6)
    assert (a @ a.inverse()).matrix == pytest.approx(np.eye(4), abs=1e-9)


@given(poses())
def test_distances_between_points_stay(pose: RigidPose) -> None:
    def lengths(points: np.ndarray) -> np.ndarray:
        return np.linalg.norm(points[1:] - points[:-1], axis=1)

    assert lengths(pose.apply(POINTS)) == pytest.approx(lengths(POINTS))
    assert np.linalg.det(pose.rotation) == pytest.approx(1.0)


# ---- exponential and logarithm ---------------------------------------------------------------------------------


@given(poses())
def test_log_then_exp(pose: RigidPose) -> None:
    assert RigidPose.exp(pose.log()).matrix == pytest.approx(pose.matrix, abs=1e-6)


@given(rotations(limit_deg=170.0), finite(-9, 3), vectors(500.0))
def test_exp_then_log_from_large_to_tiny_angles(rotation: np.ndarray, power: float, velocity: np.ndarray) -> None:
    omega = RigidPose(affine(rotation)).log()[:3] * min(10**power, 1.0)
    twist = np.concatenate([omega, velocity])
    assert RigidPose.exp(twist).log() == pytest.approx(twist, abs=1e-6)


@given(vectors(1.5), vectors(200.0))
def test_exp_is_the_matrix_exponential(omega: np.ndarray, velocity: np.ndarray) -> None:
    generator = np.zeros((4, 4))
    generator[:3, :3] = [[0, -omega[2], omega[1]], [omega[2], 0, -omega[0]], [-omega[1], omega[0], 0]]
    generator[:3, 3] = velocity
    assert RigidPose.exp([*omega, *velocity]).matrix == pytest.approx(expm(generator), abs=1e-8)


@pytest.mark.parametrize("angle", [9e-7, 2e-6, 1e-3])
def test_exp_of_small_angles_curves_as_it_should(angle: float) -> None:
    """Turning about x while moving along y bends the way by half the angle towards z."""
    twist = [angle, 0, 0, 0, 1000.0, 0]
    assert RigidPose.exp(twist).translation == pytest.approx(
        [0, 1000 * np.sin(angle) / angle, 1000 * np.tan(angle / 2) * np.sin(angle) / angle], abs=1e-6
    )


def test_log_of_the_identity_is_zero() -> None:
    assert RigidPose.identity().log() == pytest.approx(np.zeros(6), abs=1e-15)


# ---- centre of rotation ------------------------------------------------------------------------------------------


@given(vectors(60.0), vectors(300.0), vectors(500.0))
def test_the_centre_only_feels_the_translation(rotation: np.ndarray, shift: np.ndarray, centre: np.ndarray) -> None:
    pose = RigidPose.from_rotation(rotation, shift, centre)
    assert pose.apply(centre) == pytest.approx(centre + shift, abs=1e-9)
    rotation_deg, translation_mm = pose.parameters(centre)
    assert rotation_deg == pytest.approx(rotation, abs=1e-6)
    assert translation_mm == pytest.approx(shift, abs=1e-6)


def test_rotation_about_another_centre_is_another_pose() -> None:
    turn = [0, 0, 90]
    assert RigidPose.from_rotation(turn, centre=[10, 0, 0]).translation == pytest.approx([10, -10, 0])
    assert RigidPose.from_rotation(turn).translation == pytest.approx([0, 0, 0])


# ---- errors between poses ------------------------------------------------------------------------------------------


def test_mean_target_error_of_a_shift_and_of_a_turn() -> None:
    truth = RigidPose.from_rotation([20, 0, 0], [5, 6, 7])
    shifted = RigidPose(affine(truth.rotation, truth.translation + [3, 4, 0]))
    assert shifted.mean_target_error(truth, POINTS) == pytest.approx(5.0)
    # Half a turn about z: points on the axis stay, a point 10 mm off it moves 20 mm.
    half_turn = RigidPose.from_rotation([0, 0, 180])
    assert half_turn.mean_target_error(RigidPose.identity(), [[0, 0, 9], [10, 0, 0]]) == pytest.approx(10.0)
    assert half_turn.mean_target_error(half_turn, POINTS) == 0.0
    assert half_turn.mean_target_error(RigidPose.identity(), [10, 0, 0]) == pytest.approx(20.0)


def test_distance_to_gives_degrees_and_millimetres_at_a_point() -> None:
    turned = RigidPose.from_rotation([0, 0, 3], [0, 0, 2], centre=[100, 0, 0])
    assert turned.distance_to(RigidPose.identity(), [100, 0, 0]) == pytest.approx((3.0, 2.0))
    degrees, shift = turned.distance_to(RigidPose.identity(), [0, 0, 0])
    assert degrees == pytest.approx(3.0)
    assert shift == pytest.approx(np.hypot(2.0, 2 * 100 * np.sin(np.deg2rad(1.5))))


# ---- what is no rigid pose -----------------------------------------------------------------------------------------

MIRROR, SCALE, SHEAR = np.diag([-1.0, 1, 1]), 1.01 * np.eye(3), [[1, 0.01, 0], [0, 1, 0], [0, 0, 1]]


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        (affine(MIRROR), "mirrors"),
        (affine(SCALE), "not rigid.*scales or shears"),
        (affine(SHEAR), "not rigid.*scales or shears"),
        (affine(np.zeros((3, 3))), "not rigid"),
        (affine(np.eye(3), [0, np.nan, 0]), "not finite"),
        (np.eye(3), r"shape \(4, 4\)"),
        (np.diag([1.0, 1, 1, 2]), "last row"),
    ],
)
def test_what_is_not_rigid_is_refused(matrix: np.ndarray, words: str) -> None:
    with pytest.raises(InputError, match=words):
        RigidPose(matrix)


def test_few_digits_are_cleaned_up() -> None:
    rounded = np.round(POSE.matrix, 5)
    pose = RigidPose(rounded)
    assert pose.rotation.T @ pose.rotation == pytest.approx(np.eye(3), abs=1e-14)
    assert pose.matrix == pytest.approx(POSE.matrix, abs=2e-5)


# ---- pose.tfm ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".tfm", ".h5"])
def test_the_file_holds_world_to_ct_as_itk_reads_it(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "views" / f"pose{suffix}"
    POSE.save(path)
    transform = sitk.ReadTransform(str(path))
    world = POSE.apply([10.0, -20.0, 30.0])
    assert transform.TransformPoint(world.tolist()) == pytest.approx([10.0, -20.0, 30.0])
    assert RigidPose.load(path).matrix == pytest.approx(POSE.matrix, abs=1e-9)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_resampling_a_ct_with_the_file_puts_it_where_the_pose_says(tmp_path: Path) -> None:
    """The meaning of the convention: an ITK resampler fed with pose.tfm moves the CT as RigidPose does."""
    shift = RigidPose.from_rotation([0, 0, 0], [4.0, 0, -2.0])
    shift.save(tmp_path / "pose.tfm")
    ct = sitk.Image(20, 20, 20, sitk.sitkFloat32)
    ct[5, 6, 7] = 1000.0
    moved = sitk.Resample(ct, ct, sitk.ReadTransform(str(tmp_path / "pose.tfm")))
    assert shift.apply([5, 6, 7]) == pytest.approx([9, 6, 5])
    assert moved[9, 6, 5] == pytest.approx(1000.0)
    assert moved[5, 6, 7] == pytest.approx(0.0)


@pytest.mark.parametrize(
    "transform",
    [
        sitk.Euler3DTransform((1, 2, 3), 0.1, 0.2, 0.3, (4, 5, 6)),
        sitk.VersorRigid3DTransform((0, 0, 1), 0.4, (1, 2, 3), (7, 8, 9)),
        sitk.TranslationTransform(3, (1, 2, 3)),
        sitk.Transform(),
        sitk.CompositeTransform(
            [sitk.Euler3DTransform((1, 2, 3), 0.1, 0.2, 0.3), sitk.TranslationTransform(3, (1, 2, 3))]
        ),
        sitk.Similarity3DTransform(1.0, (0.0, 0.6, 0.0), 0.3, (4, 5, 6), (7, 8, 9)),
        sitk.ScaleVersor3DTransform((1, 1, 1), (0, 0, 1), 0.4, (1, 2, 3), (7, 8, 9)),
        sitk.VersorTransform((1, 0, 0), 0.7, (1, 2, 3)),
    ],
    ids=["euler", "versor", "translation", "identity", "composite", "similarity", "scale", "turn"],
)
@pytest.mark.parametrize("suffix", [".tfm", ".h5"])
def test_other_rigid_transforms_are_read(tmp_path: Path, transform: sitk.Transform, suffix: str) -> None:
    path = tmp_path / f"pose{suffix}"
    sitk.WriteTransform(transform, str(path))
    back = RigidPose.load(path).inverse()
    for read in (transform, sitk.ReadTransform(str(path))):
        assert back.apply([1.0, 2.0, 3.0]) == pytest.approx(read.TransformPoint((1.0, 2.0, 3.0)))


def test_a_compressed_file_is_read(tmp_path: Path) -> None:
    itk = pytest.importorskip("itk")
    transform = itk.Euler3DTransform[itk.D].New()
    transform.SetRotation(0.1, 0.2, 0.3)
    writer = itk.TransformFileWriterTemplate[itk.D].New(FileName=str(tmp_path / "pose.h5"), UseCompression=True)
    writer.SetInput(transform)
    writer.Update()
    back = RigidPose.load(tmp_path / "pose.h5").inverse()
    assert back.apply([1.0, 2.0, 3.0]) == pytest.approx(transform.TransformPoint((1.0, 2.0, 3.0)))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("Parameters: Transform 0 0 0 0 0", "parameters are not numbers"),
        ("Parameters: 0 0 0", "a Euler3DTransform has 6 parameters"),
        ("Parameters: 0 0 0 0 0 1e999", "numbers that no pose has"),
        ("Parameter: 0 0 0 0 0 0", "its Parameters are missing"),
    ],
)
def test_what_ends_itk_is_refused(tmp_path: Path, line: str, words: str) -> None:
    """The first of these crashes ITK 5.4."""
    head, rest = "#Insight Transform File V1.0\n#Transform 0\n", "FixedParameters: 0 0 0 0\n"
    (tmp_path / "pose.tfm").write_text(f"{head}Transform: Euler3DTransform_double_3_3\n{line}\n{rest}")
    with pytest.raises(InputError, match=rf"pose\.tfm.*{words}"):
        RigidPose.load(tmp_path / "pose.tfm")


@pytest.mark.parametrize(
    ("transform", "words"),
    [
        (sitk.ScaleTransform(3, (2, 2, 2)), "not rigid"),
        (sitk.AffineTransform(MIRROR.ravel().tolist(), (0, 0, 0)), "mirrors"),
        (sitk.Euler2DTransform(), "not a linear 3D transform"),
        (sitk.BSplineTransform(3), "not a linear 3D transform"),
    ],
    ids=["scaled", "mirrored", "2D", "spline"],
)
def test_a_transform_that_is_no_pose_is_refused(tmp_path: Path, transform: sitk.Transform, words: str) -> None:
    sitk.WriteTransform(transform, str(tmp_path / "pose.tfm"))
    with pytest.raises(InputError, match=words) as caught:
        RigidPose.load(tmp_path / "pose.tfm")
    assert "pose.tfm" in str(caught.value)


def test_a_text_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    """ITK itself reads a file cut within its parameters as the identity, without a word."""
    POSE.save(tmp_path / "whole.tfm")
    content = (tmp_path / "whole.tfm").read_bytes()
    path = tmp_path / "pose.tfm"
    for length in range(1, content.rindex(b"0")):
        path.write_bytes(content[:length])
        with pytest.raises(InputError, match="cut off|not a readable"):
            RigidPose.load(path)
    path.write_bytes(content.rstrip())
    assert RigidPose.load(path).matrix == pytest.approx(POSE.matrix, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("pose.tfm", b"", "empty"),
        ("pose.tfm", b"hello", "not a readable ITK transform"),
        ("pose.h5", b"\x89HDF\r\n\x1a\n and no more", "not a readable ITK transform"),
        ("pose.pt", b"PK\x03\x04", "foreign checkpoint.*never opens"),
        ("pose.npy", b"\x93NUMPY", "foreign checkpoint.*never opens"),
    ],
)
def test_a_file_that_is_no_transform_is_refused(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=words):
        RigidPose.load(tmp_path / name)


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no file"):
        RigidPose.load(tmp_path / "pose.tfm")
    with pytest.raises(InputError, match="is a folder"):
        RigidPose.load(tmp_path)


def test_big_endian_numbers_are_not_taken_for_others(tmp_path: Path) -> None:
    """Read as if they were little-endian a move of any size was next to none."""
    RigidPose.from_rotation((0, 0, 0), (10, 20, 30)).save(tmp_path / "pose.h5")
    content = (tmp_path / "pose.h5").read_bytes()
    (tmp_path / "pose.h5").write_bytes(content.replace(b"\x11\x20\x3f\x00\x08", b"\x11\x21\x3f\x00\x08"))
    with pytest.raises(InputError, match=r"pose\.h5 .*big-endian"):
        RigidPose.load(tmp_path / "pose.h5")


def test_a_file_of_messages_without_end_is_refused() -> None:
    """20 objects of 20,000 empty messages took 0.7 s in 80 kB, growing with the square."""

    def header(messages: bytes) -> bytes:
        return b"OHDR\x02\x02" + struct.pack("<I", len(messages)) + messages + b"\0\0\0\0"

    def link(name: bytes, place: int) -> bytes:
        data = b"\x01\x00" + bytes([len(name)]) + name + struct.pack("<Q", place)
        return b"\x06" + struct.pack("<HB", len(data), 0) + data

    names = [b"%03d" % number for number in range(200)]
    place = 48 + len(header(b"".join(link(name, 0) for name in names)))
    start = SIGNATURE + bytes([2, 8, 8, 0]) + struct.pack("<4Q", 0, 2**64 - 1, 0, 48) + b"\0\0\0\0"
    root, empty = header(b"".join(link(name, place) for name in names)), header(b"\0\0\0\0" * 20_000)
    with pytest.raises(Hdf5Damaged, match="too many messages"):
        hdf5_values(start + root + empty)
