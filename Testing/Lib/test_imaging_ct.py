"""CT volumes of any orientation, DICOM series and their gaps, label maps and segmentations."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from imaging_cases import dicom_header, save
from scipy.spatial.transform import Rotation

from XRayTo3DLib.errors import InputError, MissingInformationError
from XRayTo3DLib.imaging import CtVolume, read_ct, write_ct, write_labels
from XRayTo3DLib.imaging.ct_reader import UNKNOWN_SIDES, UNKNOWN_SPACING
from XRayTo3DLib.imaging.itk_images import lps_image

SHAPE = (9, 11, 13)  # slices, rows, columns


def volume() -> np.ndarray:
    """HU with air, and every voxel different along each axis."""
    slices, rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    return (-1000 + 7 * columns + 31 * rows + 131 * slices).astype(np.int16)


def geometry(kind: str) -> np.ndarray:
    rotation = {
        "straight": np.eye(3),
        "flipped": np.diag([-1.0, -1.0, 1.0]),
        "sagittal": np.array([[0, 0, 1.0], [1, 0, 0], [0, -1, 0]]).T,
        "mirrored": np.diag([1.0, 1.0, -1.0]),
        "oblique": Rotation.from_euler("xyz", [20, -35, 50], degrees=True).as_matrix(),
    }[kind]
    to_lps = np.eye(4)
    to_lps[:3, :3] = rotation * [0.4, 0.7, 1.3]
    to_lps[:3, 3] = [-120.5, 33.25, 801.0]
    return to_lps


KINDS = ("straight", "flipped", "sagittal", "mirrored", "oblique")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("suffix", [".nrrd", ".mha", ".mhd", ".nii.gz", ".nii"])
def test_any_orientation_is_kept(tmp_path: Path, kind: str, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    sitk.WriteImage(lps_image(volume(), geometry(kind)), str(path))
    ct = read_ct(path)
    np.testing.assert_array_equal(ct.hu, volume())
    corners = [[0, 0, 0], [12, 0, 0], [0, 10, 0], [0, 0, 8]]
    expected = np.array(corners) @ geometry(kind)[:3, :3].T + geometry(kind)[:3, 3]
    np.testing.assert_allclose(ct.voxel_points(corners), expected, atol=2e-4)  # NIfTI keeps single precision


@pytest.mark.parametrize("kind", KINDS)
def test_writing_and_reading_back(tmp_path: Path, kind: str) -> None:
    ct = CtVolume(volume(), geometry(kind))
    back = read_ct(write_ct(ct, tmp_path / "a.nrrd"))
    np.testing.assert_array_equal(back.hu, ct.hu)
    np.testing.assert_allclose(back.voxel_to_lps, ct.voxel_to_lps, atol=1e-9)


# ---- Hounsfield units ----------------------------------------------------------------------------------------


def write(tmp_path: Path, values: np.ndarray) -> Path:
    sitk.WriteImage(lps_image(values, geometry("straight")), str(tmp_path / "a.nrrd"))
    return tmp_path / "a.nrrd"


def bone_only() -> np.ndarray:
    values = np.zeros(SHAPE, np.uint16)
    values[3:6, 3:8, 3:9] = 2200
    return values


def test_unsigned_values_with_an_empty_outside_are_hu_plus_1024(tmp_path: Path) -> None:
    ct = read_ct(write(tmp_path, bone_only()))
    assert (ct.hu.min(), ct.hu.max()) == (-1024, 1176)
    assert any("HU + 1024" in note for note in ct.notes)
    assert read_ct(write(tmp_path, bone_only()), values="hu").hu.max() == 2200


def test_ambiguous_values_are_asked_about(tmp_path: Path) -> None:
    values = (bone_only() + 40).astype(np.int16)
    with pytest.raises(MissingInformationError, match="--ct-values") as raised:
        read_ct(write(tmp_path, values))
    assert raised.value.missing == ("ct_values",)
    assert read_ct(write(tmp_path, values), values="hu").hu.max() == 2240
    assert read_ct(write(tmp_path, values), values="offset1024").hu.max() == 1216


def test_a_bone_masked_volume_in_plain_hu_is_asked_about(tmp_path: Path) -> None:
    """Outside exactly 0 as in HU + 1024, but spongy bone of 100 to 600: that would be air."""
    values = np.zeros(SHAPE, np.int16)
    values[3:6, 3:8, 3:9] = np.linspace(100, 1500, 90).reshape(3, 5, 6)
    with pytest.raises(MissingInformationError, match="--ct-values") as raised:
        read_ct(write(tmp_path, values))
    assert raised.value.missing == ("ct_values",)


@pytest.mark.parametrize(
    ("values", "word"),
    [
        (np.full(SHAPE, 3, np.int16), "every voxel"),
        (np.where(volume() == -1000, np.nan, volume()).astype(np.float32), "not finite"),
        ((volume() > 0).astype(np.uint8), "label map"),
        (volume().astype(np.float32) * 1e4, "no Hounsfield"),
        (volume()[:1], "not one three-dimensional"),
    ],
)
def test_what_is_no_ct_is_refused(tmp_path: Path, values: np.ndarray, word: str) -> None:
    with pytest.raises(InputError, match=word):
        read_ct(write(tmp_path, values))


def test_two_and_four_dimensions_pictures_and_vectors_are_refused(tmp_path: Path) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(volume()[0]), str(tmp_path / "two.nrrd"))
    four = sitk.JoinSeries([lps_image(volume(), geometry("straight"))] * 2)
    sitk.WriteImage(four, str(tmp_path / "four.nrrd"))
    vector = sitk.GetImageFromArray(np.zeros((*SHAPE, 3), np.int16), isVector=True)
    sitk.WriteImage(vector, str(tmp_path / "vector.nrrd"))
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((9, 9), np.uint8)), str(tmp_path / "a.png"))
    words = {"two.nrrd": "radiograph", "four.nrrd": "time series", "vector.nrrd": "3 values", "a.png": "picture"}
    for name, word in words.items():
        with pytest.raises(InputError, match=word):
            read_ct(tmp_path / name)


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("suffix", [".nrrd", ".nii.gz", ".mha", ".nii"])
def test_truncated_volumes_are_refused(tmp_path: Path, suffix: str, compressed: bool) -> None:
    path = tmp_path / f"a{suffix}"
    noise = np.random.default_rng(0).integers(-1000, 1000, (20, 30, 40)).astype(np.int16)
    sitk.WriteImage(lps_image(noise, geometry("straight")), str(path), compressed)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match="truncated"):
        read_ct(path)


# ---- DICOM series --------------------------------------------------------------------------------------------


def write_series(folder: Path, kind: str = "oblique", uid: str = "1.2.3", modality: str = "CT", **tags: object) -> Path:
    """The volume as DICOM slices, in file names that do not follow their order. Rows and columns differ in size."""
    folder.mkdir(exist_ok=True)
    to_lps = geometry(kind)
    axes = to_lps[:3, :3] / np.linalg.norm(to_lps[:3, :3], axis=0)
    for number, values in enumerate(volume()):
        place = (to_lps @ [0, 0, number, 1])[:3]
        dataset = dicom_header(modality, SeriesInstanceUID=uid, **tags)
        dataset.ImagePositionPatient = [f"{value:.6f}" for value in place]
        dataset.ImageOrientationPatient = [f"{value:.9f}" for value in (*axes[:, 0], *axes[:, 1])]
        dataset.PixelSpacing = [0.7, 0.4]  # row, column
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.Rows, dataset.Columns = values.shape
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
        dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
        dataset.PixelData = (values + 1024).astype("<u2").tobytes()
        save(dataset, folder / f"{(number * 4) % 9:03d}-{uid}.dcm")
    return folder


@pytest.mark.parametrize("kind", ["straight", "oblique", "sagittal"])
def test_a_series_is_the_volume(tmp_path: Path, kind: str) -> None:
    """Every voxel where it was; the slices may be stacked from the other end."""
    ct = read_ct(write_series(tmp_path / "s", kind))
    slices, rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    points = ct.voxel_points(np.stack([columns, rows, slices], axis=-1))
    inverse = np.linalg.inv(geometry(kind))
    column, row, number = np.moveaxis(points @ inverse[:3, :3].T + inverse[:3, 3], -1, 0)
    np.testing.assert_allclose(ct.hu, -1000 + 7 * column + 31 * row + 131 * number, atol=0.01)
    assert ct.spacing == pytest.approx((0.4, 0.7, 1.3), abs=1e-5)
    assert ct.name == "CT"
    same = read_ct(next((tmp_path / "s").iterdir()))
    np.testing.assert_array_equal(same.hu, ct.hu)


def unsigned_series(folder: Path, **tags: object) -> Path:
    """Slices whose values from 0 up, with a large outside of 0, look like HU + 1024; tags set or (``None``) deleted."""
    import pydicom

    for path in write_series(folder, "straight").iterdir():
        dataset = pydicom.dcmread(path)
        values = np.where(volume()[0] % 2 == 0, 0, 2200).astype("<u2")
        dataset.RescaleIntercept, dataset.PixelData = 0, values.tobytes()
        for keyword, value in tags.items():
            delattr(dataset, keyword) if value is None else setattr(dataset, keyword, value)
        save(dataset, path)
    return folder


def test_dicom_that_states_its_rescaling_is_not_guessed(tmp_path: Path) -> None:
    stated = read_ct(unsigned_series(tmp_path / "a"))
    assert (stated.hu.min(), stated.hu.max()) == (0, 2200) and stated.notes == ()
    for name, tags in (("b", {"RescaleIntercept": None}), ("c", {"RescaleType": "US"})):
        guessed = read_ct(unsigned_series(tmp_path / name, **tags))
        assert guessed.hu.min() == -1024 and any("HU + 1024" in note for note in guessed.notes)
    assert read_ct(tmp_path / "a", values="offset1024").hu.min() == -1024


def test_a_file_brings_its_own_series(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "s", "straight", "1.2.3")
    write_series(folder, "oblique", "1.2.4")
    slice_files(folder)[0].unlink()
    for uid, kind in (("1.2.3", "straight"), ("1.2.4", "oblique")):
        ct = read_ct(next(folder.glob(f"*-{uid}.dcm")))
        step = ct.voxel_to_lps[:3, 0] / 0.4
        assert step == pytest.approx(geometry(kind)[:3, 0] / 0.4, abs=1e-5)
        assert any("2 series" in note for note in ct.notes)
    write_series(tmp_path / "mr", modality="MR", uid="1.2.5")
    moved = next((tmp_path / "mr").iterdir()).rename(folder / "mr.dcm")
    with pytest.raises(InputError, match="no CT slice"):
        read_ct(moved)


def slice_files(folder: Path) -> list[Path]:
    """In the order of their places."""
    import pydicom

    files = sorted(folder.iterdir())
    return sorted(files, key=lambda path: float(pydicom.dcmread(path).ImagePositionPatient[2]))


def test_missing_slices_are_found(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "s", "straight")
    slice_files(folder)[4].unlink()
    with pytest.raises(InputError, match=r"between slice 4 and 5 of 8 .* 2\.6 mm, elsewhere 1\.3 mm \(1 missing\)"):
        read_ct(folder)


def test_doubled_and_single_slices_are_refused(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "s")
    (folder / "copy.dcm").write_bytes(slice_files(folder)[2].read_bytes())
    with pytest.raises(InputError, match="same place"):
        read_ct(folder)
    for path in slice_files(folder)[1:]:
        path.unlink()
    with pytest.raises(InputError, match="single CT slice"):
        read_ct(folder)


def test_several_series_are_listed_without_names_and_chosen(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "s", "straight", "1.2.3", SeriesDescription="Secretname knee")
    write_series(folder, "oblique", "1.2.4")
    slice_files(folder)[0].unlink()
    with pytest.raises(
        MissingInformationError, match=r"2 series \(1: 9 slices of 13 x 11; 2: 8 slices.*--ct-series"
    ) as raised:
        read_ct(folder)
    assert "Secretname" not in str(raised.value) and raised.value.missing == ("ct_series",)
    assert read_ct(folder, series=1).size == (13, 11, 9)
    with pytest.raises(InputError, match="no series 3"):
        read_ct(folder, series=3)


def test_other_modalities_and_empty_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no CT slices \(found MR\)"):
        read_ct(write_series(tmp_path / "s", modality="MR"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no DICOM files"):
        read_ct(tmp_path / "empty")
    with pytest.raises(InputError, match="no file"):
        read_ct(tmp_path / "absent.nrrd")


def test_a_truncated_slice_is_named(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "s")
    path = slice_files(folder)[3]
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(InputError, match=f"{path.name}.*truncated"):
        read_ct(folder)


# ---- labels --------------------------------------------------------------------------------------------------


def labelled(kind: str = "oblique") -> CtVolume:
    labels = np.zeros(SHAPE, np.uint8)
    labels[2:5, 3:8, 3:6], labels[5:8, 2:9, 7:12] = 1, 4
    return CtVolume(volume(), geometry(kind), labels, {"radius": 1, "ulna": 4})


@pytest.mark.parametrize("kind", KINDS)
def test_a_segmentation_comes_back_with_names(tmp_path: Path, kind: str) -> None:
    ct = labelled(kind)
    write_ct(ct, tmp_path / "ct.nrrd")
    write_labels(ct, tmp_path / "l.seg.nrrd")
    back = read_ct(tmp_path / "ct.nrrd", labels=tmp_path / "l.seg.nrrd")
    np.testing.assert_array_equal(back.labels, ct.labels)
    assert back.label_names == {"radius": 1, "ulna": 4} and back.notes == ()
    header = sitk.ReadImage(str(tmp_path / "l.seg.nrrd"))
    colours = {header.GetMetaData(f"Segment{number}_Color") for number in (0, 1)}
    assert len(colours) == 2 and header.GetMetaData("Segment1_LabelValue") == "4"


def test_layers_of_a_segmentation_are_merged(tmp_path: Path) -> None:
    """As Slicer writes overlapping segments: a vector per voxel, each layer with its own label values."""
    ct = labelled("straight")
    layers = np.stack([(ct.labels == 1) * 1, (ct.labels == 4) * 1], axis=-1).astype(np.uint8)
    layers[3, 4, 4, 1] = 1  # overlap: the later segment wins
    image = sitk.GetImageFromArray(layers, isVector=True)
    image.CopyInformation(lps_image(ct.hu, ct.voxel_to_lps))
    for number, (name, layer) in enumerate((("radius", 0), ("ulna", 1))):
        for key, value in {"ID": f"S{number}", "Name": name, "LabelValue": "1", "Layer": str(layer)}.items():
            image.SetMetaData(f"Segment{number}_{key}", value)
    sitk.WriteImage(image, str(tmp_path / "l.seg.nrrd"))
    write_ct(ct, tmp_path / "ct.nrrd")
    back = read_ct(tmp_path / "ct.nrrd", labels=tmp_path / "l.seg.nrrd")
    assert back.label_names == {"radius": 1, "ulna": 2}
    assert back.labels[3, 4, 4] == 2 and back.label_mask("radius").sum() == (ct.labels == 1).sum() - 1
    assert any("2 layers" in note for note in back.notes)


@pytest.mark.parametrize("layers", [False, True])
def test_segments_that_share_a_name_stay_apart(tmp_path: Path, layers: bool) -> None:
    ct = labelled("straight")
    maps = [(ct.labels == 1).astype(np.uint8), 4 * (ct.labels == 4).astype(np.uint8)]
    extra = np.zeros_like(maps[0])
    extra[0, 0, 0] = 9
    maps.append(extra)
    values = np.stack(maps, axis=-1) if layers else sum(maps)
    image = sitk.GetImageFromArray(values, isVector=layers)
    image.CopyInformation(lps_image(ct.hu, ct.voxel_to_lps))
    for number, (name, value) in enumerate((("Bone", 1), ("Bone", 4), ("bone", 9))):
        layer = str(number if layers else 0)
        for key, text in {"ID": f"S{number}", "Name": name, "LabelValue": str(value), "Layer": layer}.items():
            image.SetMetaData(f"Segment{number}_{key}", text)
    sitk.WriteImage(image, str(tmp_path / "l.seg.nrrd"))
    write_ct(ct, tmp_path / "ct.nrrd")
    back = read_ct(tmp_path / "ct.nrrd", labels=tmp_path / "l.seg.nrrd")
    assert list(back.label_names) == ["Bone", "Bone (2)", "bone (3)"]
    np.testing.assert_array_equal(back.label_mask("Bone (2)"), ct.labels == 4)
    np.testing.assert_array_equal(back.label_mask("bone"), ct.labels == 1)
    assert any("share a name" in note and "Bone (2)" in note for note in back.notes)


@pytest.mark.parametrize("label", ["0", 0, "00"])
def test_the_background_is_no_bone(label: str | int) -> None:
    with pytest.raises(InputError, match="0 is the background"):
        labelled().label_mask(label)


def test_a_raised_digit_is_no_number() -> None:
    with pytest.raises(InputError, match="not in the label map"):
        labelled().label_value("²")


def test_synthetic_anatomy_stays_labelled_through_files(tmp_path: Path) -> None:
    made = CtVolume(volume(), geometry("oblique"), labelled().labels, {"radius": 1, "ulna": 4}, synthetic=True)
    real = CtVolume(volume(), geometry("oblique"), labelled().labels, {"radius": 1, "ulna": 4})
    for name, ct in (("made", made), ("real", real)):
        write_ct(ct, tmp_path / f"{name}.nrrd")
        write_labels(ct, tmp_path / f"{name}.seg.nrrd")
    assert read_ct(tmp_path / "made.nrrd").synthetic and not read_ct(tmp_path / "real.nrrd").synthetic
    assert any("SYNTHETIC" in note for note in read_ct(tmp_path / "made.nrrd").notes)
    assert sitk.ReadImage(str(tmp_path / "made.nrrd")).GetMetaData("xrayto3d_synthetic") == "1"
    assert read_ct(tmp_path / "real.nrrd", labels=tmp_path / "made.seg.nrrd").synthetic
    assert not read_ct(tmp_path / "real.nrrd", labels=tmp_path / "real.seg.nrrd").synthetic


def test_another_grid_is_resampled_in_place(tmp_path: Path) -> None:
    """Segmentations of Slicer are often cropped: the same voxels, another origin and size."""
    ct = labelled()
    cropped, moved = ct.labels[1:9, 1:10, 2:13], ct.voxel_to_lps.copy()
    moved[:3, 3] = ct.voxel_points([2, 1, 1])
    sitk.WriteImage(lps_image(cropped, moved), str(tmp_path / "l.nii.gz"))
    write_ct(ct, tmp_path / "ct.nrrd")
    back = read_ct(tmp_path / "ct.nrrd", labels=tmp_path / "l.nii.gz")
    np.testing.assert_array_equal(back.labels, ct.labels)
    assert any("resampled" in note for note in back.notes) and back.label_names == {"label 1": 1, "label 4": 4}


def test_labels_elsewhere_empty_or_no_labels_are_refused(tmp_path: Path) -> None:
    ct = labelled()
    write_ct(ct, tmp_path / "ct.nrrd")
    away = ct.voxel_to_lps.copy()
    away[:3, 3] += 500
    cases = {
        "away.nrrd": (lps_image(ct.labels, away), "lies inside"),
        "empty.nrrd": (lps_image(ct.labels * 0, ct.voxel_to_lps), "empty"),
        "ct.nii": (lps_image(volume(), ct.voxel_to_lps), "not labels"),
        "half.nrrd": (lps_image(ct.labels * np.float32(0.5), ct.voxel_to_lps), "whole numbers"),
    }
    for name, (image, word) in cases.items():
        sitk.WriteImage(image, str(tmp_path / name))
        with pytest.raises(InputError, match=word):
            read_ct(tmp_path / "ct.nrrd", labels=tmp_path / name)


def test_names_come_from_json_or_a_colour_table(tmp_path: Path) -> None:
    ct = labelled()
    write_ct(ct, tmp_path / "ct.nrrd")
    sitk.WriteImage(lps_image(ct.labels, ct.voxel_to_lps), str(tmp_path / "l.nrrd"))
    (tmp_path / "n.json").write_text(json.dumps({"radius": 1, "femur": 9}))
    (tmp_path / "n.ctbl").write_text(
        "# Color table\n0 Background 0 0 0 0\n1 radius 255 0 0 255\n4 ulna_bone 0 0 9 255\n"
    )
    read = {
        name: read_ct(tmp_path / "ct.nrrd", labels=tmp_path / "l.nrrd", label_names=tmp_path / name)
        for name in ("n.json", "n.ctbl")
    }
    assert read["n.json"].label_names == {"radius": 1, "label 4": 4}
    assert read["n.ctbl"].label_names == {"radius": 1, "ulna bone": 4}
    (tmp_path / "bad.json").write_text("[1, 2]")
    with pytest.raises(InputError, match="label names"):
        read_ct(tmp_path / "ct.nrrd", labels=tmp_path / "l.nrrd", label_names=tmp_path / "bad.json")


# ---- real ----------------------------------------------------------------------------------------------------


@pytest.mark.data
def test_the_real_series_equals_its_nifti(data_dir: Path) -> None:
    folder = data_dir / "ct_extremities_sts"
    series, nifti = read_ct(folder / "dicom_STS_042"), read_ct(folder / "STS_042_CT.nii.gz")
    np.testing.assert_array_equal(series.hu, nifti.hu)
    np.testing.assert_allclose(series.voxel_to_lps, nifti.voxel_to_lps, atol=1e-4)
    assert nifti.hu.min() == -1000 and nifti.spacing == pytest.approx((0.977, 0.977, 3.27), abs=1e-3)


@pytest.mark.data
def test_the_real_pelvis_with_metal_and_labels(data_dir: Path) -> None:
    folder = data_dir / "ct_pelvis_totalsegmentator"
    ct = read_ct(folder / "example_ct.nii.gz", labels=folder / "example_seg_fast_force_split.nii.gz")
    assert ct.hu.max() == 3382 and ct.notes == ()
    left, right = (ct.mask_centre(ct.label_mask(label)) for label in (75, 76))
    assert left[0] > right[0] + 50, "the left femur lies to the patient's left (LPS +x)"


@pytest.mark.data
def test_the_real_wrist_pieces_are_hu_plus_1024(data_dir: Path) -> None:
    ct = read_ct(data_dir / "wrist_biplane_autoscoper" / "rad_ct.nii.gz")
    assert (ct.hu.min(), ct.hu.max()) == (-1024, 3071) and any("HU + 1024" in note for note in ct.notes)


def test_voxels_of_1_mm_are_doubted_unless_we_made_them(tmp_path: Path) -> None:
    """Synthetic people have such voxels: whoever followed the README was told to check their size."""
    for name, synthetic in (("made", True), ("other", False)):
        write_ct(CtVolume(volume(), np.eye(4), synthetic=synthetic), tmp_path / f"{name}.nrrd")
    assert UNKNOWN_SPACING in read_ct(tmp_path / "other.nrrd").notes
    assert UNKNOWN_SPACING not in read_ct(tmp_path / "made.nrrd").notes


# ---- numbers that would be wrong without a word ----------------------------------------------------------------------


def twice_as_long(dataset: Any, number: int) -> None:
    dataset.ImageOrientationPatient = [2 * float(value) for value in dataset.ImageOrientationPatient]


def not_at_right_angles(dataset: Any, number: int) -> None:
    dataset.ImageOrientationPatient = [1, 0, 0, 0.1, 0.995, 0]


def negative_spacing(dataset: Any, number: int) -> None:
    dataset.PixelSpacing = [-0.7, 0.4]


def slope_of_nothing(dataset: Any, number: int) -> None:
    dataset.RescaleSlope = 0


def slope_upside_down(dataset: Any, number: int) -> None:
    dataset.RescaleSlope = -1


def half_without_intercept(dataset: Any, number: int) -> None:
    if number % 2:
        del dataset.RescaleIntercept


def half_a_metre(dataset: Any, number: int) -> None:
    dataset.PixelSpacing = [700, 400]


SPOILT = [
    (twice_as_long, "orientation of slice"),
    (not_at_right_angles, "orientation of slice"),
    (negative_spacing, "lacks a position, orientation or pixel spacing"),
    (slope_of_nothing, "no number above 0"),
    (slope_upside_down, "no number above 0"),
    (half_without_intercept, "some slices"),
    (half_a_metre, "mm long, as no CT is"),
]


@pytest.mark.parametrize(("spoil", "words"), SPOILT)
def test_a_series_whose_sizes_or_values_contradict_themselves_is_refused(
    tmp_path: Path, spoil: Callable[[Any, int], None], words: str
) -> None:
    """All were read: bones twice as large, mirrored, or 1024 HU off in every second slice."""
    folder = write_series(tmp_path / "ct")
    for number, path in enumerate(slice_files(folder)):
        dataset = pydicom.dcmread(path)
        spoil(dataset, number)
        dataset.save_as(path)
    with pytest.raises(InputError, match=words):
        read_ct(folder)


@pytest.mark.parametrize("text", ['{"radius": 1.9}', '{"radius": true}', '{"radius": "1"}', '{"radius": 1, "ulna": 1}'])
def test_label_names_that_could_mean_another_label_are_refused(tmp_path: Path, text: str) -> None:
    """1.9 was 1; of two names of one label the last counted."""
    ct = labelled()
    write_ct(ct, tmp_path / "ct.nrrd")
    sitk.WriteImage(lps_image(ct.labels, ct.voxel_to_lps), str(tmp_path / "l.nrrd"))
    (tmp_path / "n.json").write_text(text)
    with pytest.raises(InputError, match=r"label names: n\.json"):
        read_ct(tmp_path / "ct.nrrd", labels=tmp_path / "l.nrrd", label_names=tmp_path / "n.json")
    (tmp_path / "n.json").write_text('{"ra\\n\\ndius": 1}')
    read = read_ct(tmp_path / "ct.nrrd", labels=tmp_path / "l.nrrd", label_names=tmp_path / "n.json")
    assert list(read.label_names)[0] == "ra dius"


@pytest.mark.parametrize("name", ["ct.nrrd", "ct.mha", "ct.nii"])
def test_a_volume_that_does_not_say_where_left_is_is_told(tmp_path: Path, name: str) -> None:
    """It was taken for left-posterior-superior without a word."""
    image = sitk.GetImageFromArray(volume().astype(np.int16))
    image.SetSpacing((0.4, 0.7, 1.3))
    path = tmp_path / name
    sitk.WriteImage(image, str(path), useCompression=False)
    assert read_ct(path).notes == ()
    content = path.read_bytes()
    if name == "ct.nii":
        content = content[:252] + bytes(4) + content[256:]  # qform_code and sform_code
    elif name == "ct.mha":
        content = content.replace(b"TransformMatrix", b"Comment")
    else:
        head, _, data = content.partition(b"\n\n")
        lines = [line for line in head.split(b"\n") if not line.startswith((b"space", b"kinds"))]
        content = b"\n".join([*lines, b"spacings: 0.4 0.7 1.3"]) + b"\n\n" + data
    path.write_bytes(content)
    assert read_ct(path).notes == (UNKNOWN_SIDES,)
    assert read_ct(path).spacing == pytest.approx([0.4, 0.7, 1.3])
