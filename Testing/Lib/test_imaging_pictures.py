"""Pictures without DICOM header, cameras that come with them, and our own NRRD form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from imaging_cases import COLUMNS, ROWS, correlation, limb, shown, transmitted
from PIL import Image
from scipy.spatial.transform import Rotation

from XRayTo3DLib.errors import InputError, MissingInformationError
from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.geometry.calibration import standard_camera
from XRayTo3DLib.imaging import IntensityNote, Radiograph, SpacingSource, read_radiograph, write_radiograph
from XRayTo3DLib.imaging.radiograph_info import inspect_radiograph

GEOMETRY = {"spacing": (0.15, 0.2), "sdd": 1100.0}


def oblique_camera(size: tuple[int, int] = (COLUMNS, ROWS)) -> XRayCamera:
    return XRayCamera((10, -900, 40), (-30, 180, 60), (0.9, 0.1, -0.2), (-0.2, 0.1, -0.85), (0.31, 0.47), size)


def eight_bit() -> np.ndarray:
    return shown(8).astype(np.uint8)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("a.png", eight_bit()),
        ("a.png", shown(16).astype(np.uint16)),
        ("a.tif", shown(8).astype(np.uint8)),
        ("a.tif", shown(16).astype(np.uint16)),
        ("a.tif", limb().astype(np.float32)),
        ("a.jpg", eight_bit()),
        ("a.png", np.repeat(eight_bit()[..., None], 3, axis=2)),
    ],
)
def test_every_format_gives_the_same_picture(tmp_path: Path, name: str, values: np.ndarray) -> None:
    Image.fromarray(values).save(tmp_path / name)
    radiograph = read_radiograph(tmp_path / name, **GEOMETRY)
    assert radiograph.camera.size == (COLUMNS, ROWS) and radiograph.camera.spacing == (0.15, 0.2)
    assert radiograph.intensity.mode == "attenuation"
    assert correlation(radiograph.pixels, limb()) > 0.99
    assert radiograph.pixels.max() == pytest.approx(1.6 if values.dtype.kind == "u" else 2.0, abs=0.05), "full range: 2"


@pytest.mark.parametrize("suffix", [".nrrd", ".mha", ".nii.gz", ".nii"])
def test_volumes_of_one_slice_are_read_but_their_spacing_is_asked_about(tmp_path: Path, suffix: str) -> None:
    image = sitk.GetImageFromArray(shown(12).astype(np.uint16)[None])
    image.SetSpacing((0.15, 0.2, 1.0))
    path = tmp_path / f"a{suffix}"
    sitk.WriteImage(image, str(path))
    with pytest.raises(MissingInformationError, match=r"0\.15 x 0\.2 mm") as raised:
        read_radiograph(path, sdd=1100)
    assert raised.value.missing == ("spacing_kind",)
    radiograph = read_radiograph(path, sdd=1100, spacing_kind="detector")
    assert radiograph.camera.spacing == pytest.approx((0.15, 0.2), rel=1e-6)
    assert correlation(radiograph.pixels, limb()) > 0.99


def test_colour_becomes_luminance_with_a_note(tmp_path: Path) -> None:
    colour = np.stack([eight_bit(), eight_bit() // 2, np.zeros_like(eight_bit())], axis=2)
    Image.fromarray(colour).save(tmp_path / "a.png")
    radiograph = read_radiograph(tmp_path / "a.png", **GEOMETRY)
    assert any("luminance" in note for note in radiograph.notes)
    assert correlation(radiograph.pixels, limb()) > 0.99


def test_transparency_is_left_aside(tmp_path: Path) -> None:
    grey = eight_bit()
    Image.fromarray(np.stack([grey, grey, grey, np.full_like(grey, 7)], axis=2)).save(tmp_path / "a.png")
    radiograph = read_radiograph(tmp_path / "a.png", **GEOMETRY)
    assert any("transparency" in note for note in radiograph.notes) and correlation(radiograph.pixels, limb()) > 0.99


def test_pages_must_be_chosen(tmp_path: Path) -> None:
    pages = [Image.fromarray(eight_bit()), Image.fromarray(np.ascontiguousarray(np.flipud(eight_bit())))]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(MissingInformationError, match="2 frames"):
        read_radiograph(tmp_path / "a.tif", **GEOMETRY)
    first, second = (read_radiograph(tmp_path / "a.tif", frame=frame, **GEOMETRY) for frame in (0, 1))
    np.testing.assert_array_equal(second.pixels, np.flipud(first.pixels))


@pytest.mark.parametrize(
    ("values", "word"),
    [
        (np.full((20, 20), 7, np.uint8), "every pixel has the value 7"),
        (np.where(np.eye(20) > 0, np.nan, 1).astype(np.float32), "20 pixels are not finite"),
        (np.eye(20) > 0, "mask"),
    ],
)
def test_pictures_that_show_nothing_are_refused(tmp_path: Path, values: np.ndarray, word: str) -> None:
    Image.fromarray(values).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match=word):
        read_radiograph(tmp_path / "a.tif", **GEOMETRY)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg", ".nrrd", ".nii.gz"])
def test_truncated_files_are_refused_in_words(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    if suffix in (".nrrd", ".nii.gz"):
        sitk.WriteImage(sitk.GetImageFromArray(shown(12).astype(np.uint16)), str(path), True)
    else:
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (300, 300), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match="truncated"):
        read_radiograph(path, **GEOMETRY)


def test_volumes_and_unknown_files_are_refused(tmp_path: Path) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((5, 6, 7), np.int16)), str(tmp_path / "ct.nrrd"))
    with pytest.raises(InputError, match="7x6x5 voxels.*as a CT"):
        read_radiograph(tmp_path / "ct.nrrd", **GEOMETRY)
    (tmp_path / "a.xyz").write_text("hello" * 100)
    with pytest.raises(InputError, match="neither DICOM nor"):
        read_radiograph(tmp_path / "a.xyz", **GEOMETRY)
    with pytest.raises(InputError, match="no file"):
        read_radiograph(tmp_path / "absent.png", **GEOMETRY)


# ---- cameras -------------------------------------------------------------------------------------------------


def png(tmp_path: Path, values: np.ndarray | None = None) -> Path:
    Image.fromarray(eight_bit() if values is None else values).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def test_a_given_camera_wins(tmp_path: Path) -> None:
    radiograph = read_radiograph(png(tmp_path), camera=oblique_camera(), spacing=(9, 9), sdd=50)
    assert radiograph.camera.is_close(oblique_camera())
    assert radiograph.spacing_source is SpacingSource.USER


@pytest.mark.parametrize(
    ("size", "hint"),
    [
        ((COLUMNS * 2, ROWS * 2), r"camera\.binned\(2\)"),
        ((COLUMNS // 2, ROWS // 2), r"camera\.resampled\(\(80, 96\)\)"),
        ((COLUMNS + 1, ROWS), "cropped or resampled"),
        ((ROWS, COLUMNS), "cropped or resampled"),
    ],
)
def test_a_camera_of_another_size_is_refused_with_the_remedy(tmp_path: Path, size: tuple[int, int], hint: str) -> None:
    with pytest.raises(InputError, match=hint):
        read_radiograph(png(tmp_path), camera=oblique_camera(size))


def test_everything_missing_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(MissingInformationError, match=r"--spacing .*--spacing-kind.*--sdd.*camera\.json") as raised:
        read_radiograph(png(tmp_path))
    assert raised.value.missing == ("spacing", "sdd")


def test_spacing_at_the_object_is_carried_to_the_detector(tmp_path: Path) -> None:
    answers = {"spacing": (0.15, 0.2), "spacing_kind": "calibrated", "sdd": 1000}
    with pytest.raises(MissingInformationError, match="--magnification"):
        read_radiograph(png(tmp_path), **answers)
    for extra in ({"magnification": 1.25}, {"source_isocentre": 800}):
        camera = read_radiograph(png(tmp_path), **answers, **extra).camera
        assert camera.spacing == pytest.approx((0.1875, 0.25))
        assert camera.magnification([0, 0, 0]) == pytest.approx(1.25)


@pytest.mark.parametrize(
    ("answers", "word"),
    [
        ({"spacing": (0, 0.2)}, "--spacing"),
        ({"spacing": (0.2, -1)}, "--spacing"),
        ({"spacing": (0.2, 200)}, "--spacing"),
        ({"spacing": (0.1, 0.2), "sdd": -1}, "--sdd"),
        ({"spacing": (0.1, 0.2), "sdd": float("nan")}, "--sdd"),
        ({"spacing": (0.1, 0.2), "sdd": 1000, "source_isocentre": 1200}, "--source-isocentre"),
        ({"spacing": (0.1, 0.2), "sdd": 1000, "magnification": 0.8}, "--magnification"),
        ({"spacing": (0.1, 0.2), "sdd": 1000, "spacing_kind": "film"}, "--spacing-kind"),
        ({"spacing": (0.1, 0.2), "sdd": 1000, "intensity": "bright"}, "--intensity"),
        ({"spacing": (0.1, 0.2), "sdd": 1000, "intensity": "transmitted", "i0": 0}, "--i0"),
        ({"spacing": (0.1, 0.2), "sdd": 1000, "view": "XY"}, "view"),
    ],
)
def test_absurd_answers_are_refused(tmp_path: Path, answers: dict[str, object], word: str) -> None:
    with pytest.raises(InputError, match=word):
        read_radiograph(png(tmp_path), **answers)


# ---- our own form --------------------------------------------------------------------------------------------


def radiograph(camera: XRayCamera) -> Radiograph:
    return Radiograph(
        pixels=limb(camera.size[1], camera.size[0]),
        camera=camera,
        intensity=IntensityNote("transmitted", 3500.25, True, "Measured  air."),
        spacing_source=SpacingSource.CALIBRATED,
        view="LAT",
        laterality="R",
        name="wrist lateral",
        notes=("First note.", "Second: 0.1 = note."),
        synthetic=True,
    )


@pytest.mark.parametrize("camera", [oblique_camera(), standard_camera(1000, (0.15, 0.2), (COLUMNS, ROWS), view="LL")])
def test_our_nrrd_brings_everything_back(tmp_path: Path, camera: XRayCamera) -> None:
    written = radiograph(camera)
    write_radiograph(written, tmp_path / "r.nrrd")
    back = read_radiograph(tmp_path / "r.nrrd")
    np.testing.assert_array_equal(back.pixels, written.pixels)
    assert back.camera.is_close(written.camera, 1e-6)
    assert back.intensity == IntensityNote("transmitted", 3500.25, True, "Measured air.")
    for field in ("spacing_source", "view", "laterality", "name", "notes", "synthetic"):
        assert getattr(back, field) == getattr(written, field)
    info = inspect_radiograph(tmp_path / "r.nrrd")
    assert info.missing == () and info.synthetic and info.sdd == pytest.approx(camera.sdd)


def test_the_nrrd_lies_on_the_detector(tmp_path: Path) -> None:
    """An independent reader puts each pixel centre where the camera has it."""
    camera = oblique_camera()
    write_radiograph(radiograph(camera), tmp_path / "r.nrrd")
    image = sitk.ReadImage(str(tmp_path / "r.nrrd"))
    for column, row in ((0, 0), (COLUMNS - 1, 0), (7, 50)):
        point = image.TransformIndexToPhysicalPoint((column, row, 0))
        assert point == pytest.approx(tuple(camera.pixel_to_world([column, row])), abs=1e-6)
        assert image[column, row, 0] == pytest.approx(limb()[row, column], rel=1e-6)


def test_a_rigid_move_of_the_image_carries_the_source(tmp_path: Path) -> None:
    """As when a transform is hardened in Slicer: only the image's own geometry changes."""
    camera = oblique_camera()
    write_radiograph(radiograph(camera), tmp_path / "r.nrrd")
    motion = np.eye(4)
    motion[:3, :3] = Rotation.from_euler("xyz", [30, -20, 70], degrees=True).as_matrix()
    motion[:3, 3] = [100, -50, 20]
    image = sitk.ReadImage(str(tmp_path / "r.nrrd"))
    image.SetOrigin((motion[:3, :3] @ image.GetOrigin() + motion[:3, 3]).tolist())
    image.SetDirection((motion[:3, :3] @ np.reshape(image.GetDirection(), (3, 3))).ravel().tolist())
    sitk.WriteImage(image, str(tmp_path / "r.nrrd"))
    assert read_radiograph(tmp_path / "r.nrrd").camera.is_close(camera.moved(motion), 1e-6)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "r.nrrd"
    write_radiograph(radiograph(oblique_camera()), path)
    before = path.read_bytes()

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("disk full")

    monkeypatch.setattr(sitk, "WriteImage", broken)
    with pytest.raises(InputError, match="takes no more"):
        write_radiograph(radiograph(oblique_camera()), path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_other_suffixes_and_later_versions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.nrrd"):
        write_radiograph(radiograph(oblique_camera()), tmp_path / "r.png")
    write_radiograph(radiograph(oblique_camera()), tmp_path / "r.nrrd")
    image = sitk.ReadImage(str(tmp_path / "r.nrrd"))
    image.SetMetaData("xrayto3d_format", "xrayto3d.radiograph/9")
    sitk.WriteImage(image, str(tmp_path / "r.nrrd"))
    with pytest.raises(InputError, match=r"xrayto3d\.radiograph/9"):
        read_radiograph(tmp_path / "r.nrrd")


# ---- real pictures -------------------------------------------------------------------------------------------

REAL = {
    "wrist_biplane_autoscoper/wrist_cam0*_frame*.png": "transmitted",
    "knee_biplane_autoscoper/left_knee_cam0*_frame*.png": "transmitted",
    "knee_tka_fluoro_jtml/biplane/cam?_frame???.png": "transmitted",
    "knee_tka_fluoro_jtml/mono_kneel/frame???.png": "transmitted",
    "wrist_hand_radiographs/hand-?.png": "attenuation",
}


@pytest.mark.data
@pytest.mark.parametrize("pattern", REAL)
def test_real_pictures_are_read_the_right_way_round(data_dir: Path, pattern: str) -> None:
    paths = sorted(data_dir.glob(pattern))
    assert paths
    for path in paths:
        found = read_radiograph(path, **GEOMETRY)
        assert found.intensity.mode == REAL[pattern], path.name
        assert "Chosen automatically" in found.intensity.how


@pytest.mark.data
def test_bone_is_bright_in_the_real_wrist(data_dir: Path) -> None:
    """The forearm bones lie in the lower third of the picture, air beside them."""
    path = data_dir / "wrist_biplane_autoscoper" / "wrist_cam01_frame0099.png"
    pixels = read_radiograph(path, **GEOMETRY).pixels
    assert np.median(pixels[1400:1500, 620:900]) > np.median(pixels[1100:1300, 1100:1500]) + 0.2
    assert read_radiograph(path, **GEOMETRY).intensity.i0 == 255.0


def test_transmitted_png_is_the_logarithm(tmp_path: Path) -> None:
    values = transmitted(60000).astype(np.uint16)
    found = read_radiograph(png(tmp_path, values), intensity="transmitted", i0=60000, **GEOMETRY)
    np.testing.assert_allclose(found.pixels, limb(), atol=0.001)
