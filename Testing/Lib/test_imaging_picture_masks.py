"""Bones outlined in a radiograph: overlapping layers, part of a picture, one picture per bone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry.calibration import standard_camera
from XRayTo3DLib.imaging.picture_masks import picture_masks, read_segmented_picture

CAMERA = standard_camera(1000.0, (0.5, 0.4), (40, 30), source_isocentre=800.0, view="LAT")
FEMUR, PATELLA = np.zeros((30, 40), dtype=bool), np.zeros((30, 40), dtype=bool)
FEMUR[5:20, 8:30], PATELLA[10:25, 25:35] = True, True


def image_of(values: np.ndarray, *, first=(0, 0), away: float = 0.0):
    """A one-slice image (rows, columns, layers) that lies on the detector from pixel ``first`` (column, row) on."""
    image = sitk.GetImageFromArray(values[None], isVector=values.ndim == 3)
    image.SetOrigin((CAMERA.pixel_to_world(first) + away * CAMERA.normal).tolist())
    image.SetSpacing((*CAMERA.spacing, 1.0))
    directions = np.stack([CAMERA.column_direction, CAMERA.row_direction, CAMERA.normal], axis=1)
    image.SetDirection(directions.ravel().tolist())
    return image


def segmentation(path: Path, layers: np.ndarray, **where) -> Path:
    """As Slicer saves one whose segments overlap: a layer each, names in the header."""
    image = image_of(layers.astype(np.uint8), **where)
    for number, name in enumerate(("femur", "patella")):
        fields = {"ID": f"Segment_{number}", "Name": name, "Layer": str(number), "LabelValue": "1"}
        for key, value in fields.items():
            image.SetMetaData(f"Segment{number}_{key}", value)
    sitk.WriteImage(image, str(path))
    return path


def test_bones_that_overlap_are_both_whole(tmp_path: Path) -> None:
    segmentation(tmp_path / "mask.seg.nrrd", np.stack([FEMUR, PATELLA], axis=-1))
    found = picture_masks(tmp_path, CAMERA)
    assert list(found) == ["femur", "patella"] and (FEMUR & PATELLA).any()
    assert np.array_equal(found["femur"], FEMUR) and np.array_equal(found["patella"], PATELLA)


def test_part_of_a_picture_is_put_where_it_lies(tmp_path: Path) -> None:
    layers = np.stack([FEMUR, PATELLA], axis=-1)[4:26, 7:36]
    path = segmentation(tmp_path / "mask.seg.nrrd", layers, first=(7, 4))
    found = read_segmented_picture(path, CAMERA)
    assert np.array_equal(found["femur"], FEMUR) and np.array_equal(found["patella"], PATELLA)
    elsewhere = segmentation(tmp_path / "away.seg.nrrd", layers, first=(7, 4), away=30.0)
    with pytest.raises(InputError, match="does not lie on"):
        read_segmented_picture(elsewhere, CAMERA)


def test_a_label_map_without_names_and_pictures_of_single_bones(tmp_path: Path) -> None:
    sitk.WriteImage(image_of((FEMUR * 1).astype(np.uint8)), str(tmp_path / "mask.nrrd"))
    assert np.array_equal(picture_masks(tmp_path, CAMERA)["label 1"], FEMUR)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    assert picture_masks(pictures, CAMERA) == {}
    Image.fromarray(PATELLA.astype(np.uint8) * 255).save(pictures / "mask_patella.png")
    assert np.array_equal(picture_masks(pictures, CAMERA)["patella"], PATELLA)
    Image.fromarray(PATELLA[:9].astype(np.uint8)).save(pictures / "mask_tibia.png")
    with pytest.raises(InputError, match="40 x 9 pixels"):
        picture_masks(pictures, CAMERA)


@pytest.mark.parametrize("value", [1, 256, 40000])
def test_a_picture_is_bone_wherever_it_is_not_zero(value: int, tmp_path: Path) -> None:
    """Values that grey of 8 bits does not know: of 16 bits, of fractions; colours; what is seen through."""
    Image.fromarray(FEMUR.astype(np.uint16) * np.uint16(value)).save(tmp_path / "mask_deep.png")
    Image.fromarray(FEMUR.astype(np.float32) / np.float32(value)).save(tmp_path / "mask_share.tif")
    red = np.zeros((*FEMUR.shape, 4), dtype=np.uint8)
    red[..., 3], red[FEMUR, 0] = 255, 1
    Image.fromarray(red).save(tmp_path / "mask_red.png")
    Image.fromarray(FEMUR).save(tmp_path / "mask_bits.png")
    found = picture_masks(tmp_path, CAMERA)
    assert sorted(found) == ["bits", "deep", "red", "share"]
    for name, mask in found.items():
        assert np.array_equal(mask, FEMUR), name


def test_a_lossy_picture_is_no_mask(tmp_path: Path) -> None:
    """Its edges are surrounded by specks that are not zero."""
    Image.fromarray(FEMUR.astype(np.uint8) * 255).save(tmp_path / "mask_femur.jpg")
    with pytest.raises(InputError, match="JPEG"):
        picture_masks(tmp_path, CAMERA)


def test_what_is_no_mask_is_refused(tmp_path: Path) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(np.ones((3, 30, 40), np.uint8)), str(tmp_path / "volume.nrrd"))
    with pytest.raises(InputError, match="is a volume"):
        read_segmented_picture(tmp_path / "volume.nrrd", CAMERA)
    sitk.WriteImage(sitk.GetImageFromArray(np.ones((9, 9), np.uint8)), str(tmp_path / "flat.nrrd"))
    with pytest.raises(InputError, match="draw it on"):
        read_segmented_picture(tmp_path / "flat.nrrd", CAMERA)
    (tmp_path / "mask_femur.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match="cannot be read"):
        picture_masks(tmp_path, CAMERA)


def test_a_mask_that_is_hung_otherwise_is_turned_and_one_of_another_view_refused(tmp_path: Path) -> None:
    """One of the same size was laid on the picture as it was: mirrored, or another view's."""
    mirrored = image_of(np.ascontiguousarray(FEMUR[:, ::-1]).astype(np.uint8), first=(39, 0))
    directions = np.array(mirrored.GetDirection()).reshape(3, 3) * (-1, 1, -1)
    mirrored.SetDirection(directions.ravel().tolist())
    sitk.WriteImage(mirrored, str(tmp_path / "mirrored.nrrd"))
    assert np.array_equal(read_segmented_picture(tmp_path / "mirrored.nrrd", CAMERA)["label 1"], FEMUR)
    other = standard_camera(1000.0, (0.5, 0.4), (40, 30), source_isocentre=800.0, view="PA")
    sitk.WriteImage(image_of(FEMUR.astype(np.uint8)), str(tmp_path / "lateral.nrrd"))
    with pytest.raises(InputError, match="does not lie on"):
        read_segmented_picture(tmp_path / "lateral.nrrd", other)
    nearer = standard_camera(1100.0, (0.5, 0.4), (40, 30), source_isocentre=800.0, view="LAT")  # calibrated anew
    assert np.array_equal(read_segmented_picture(tmp_path / "lateral.nrrd", nearer)["label 1"], FEMUR)
