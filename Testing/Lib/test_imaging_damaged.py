"""Damaged, false and oversized pictures and volumes: what the fuzzer found, one by one (docs/bad-input.md)."""

from __future__ import annotations

import gzip
import io
import itertools
import struct
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from imaging_cases import correlation, dicom_header, save, shown, write_dicom
from PIL import Image

from XRayTo3DLib.errors import InputError, MissingInformationError, naming
from XRayTo3DLib.imaging import dicom_files, read_ct, read_radiograph
from XRayTo3DLib.imaging.collimation import inside_blades
from XRayTo3DLib.imaging.ct_labels import read_label_map
from XRayTo3DLib.imaging.dicom_files import open_dicom
from XRayTo3DLib.imaging.dicom_preview import preview_radiograph
from XRayTo3DLib.imaging.polarity import guess_polarity
from XRayTo3DLib.imaging.radiograph_info import inspect_radiograph
from XRayTo3DLib.imaging.volume_headers import UnsoundHeader, require_sound_header
from XRayTo3DLib.imaging.whole_picture import ADAM7, require_whole_picture

ANSWERS: dict[str, Any] = {"sdd": 1100.0, "spacing": (0.2, 0.2), "spacing_kind": "detector"}


# ---- NRRD and MetaImage headers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
@pytest.mark.parametrize("compress", [False, True])
def test_every_header_that_itk_writes_is_sound(tmp_path: Path, suffix: str, compress: bool) -> None:
    """All types of values, two to four dimensions, one to three values a voxel."""
    types = (np.uint8, np.int8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64, np.float32, np.float64)
    shapes = ((4, 5), (3, 4, 5), (2, 3, 4, 5))
    for kind, shape, vector in itertools.product(types, shapes, (False, True)):
        values = np.ones((*shape, 3) if vector else shape, kind)
        path = tmp_path / f"image{suffix}"
        sitk.WriteImage(sitk.GetImageFromArray(values, isVector=vector), str(path), compress)
        require_sound_header(path)
        path.write_bytes(path.read_bytes()[: -1 if compress else -values.itemsize])
        if not compress:
            with pytest.raises(UnsoundHeader, match="more values than the file can hold"):
                require_sound_header(path)


NRRD = "NRRD0004\ntype: short\ndimension: 3\nspace: LPS\nsizes: 2 2 2\nspace directions: (1,0,0) (0,1,0) (0,0,1)\n"
NRRD += "kinds: domain domain domain\nendian: little\nencoding: raw\nspace origin: (0,0,0)\n"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("", "", ""),
        ("\n", "\r\n", ""),
        ("type: short", "# a note\ntype: signed short int\ncontent: x\nname:=value: with: colons", ""),
        ("space: LPS", "space: right-anterior-superior", ""),
        ("type: short", "content: Brüche\ntype: short", ""),
        ("(1,0,0)", "(1e0, -0.5 ,+.0)", ""),
        ("NRRD0004", "P5", "does not begin as a NRRD"),
        ("sizes: 2 2 2", "sizes: 2 2", "2 sizes for 3 dimensions"),
        ("sizes: 2 2 2", "sizes: 2 -2 2", '"sizes" in its header cannot be'),
        ("sizes: 2 2 2", f"sizes: 2 {9**30} 2", '"sizes" in its header cannot be'),
        ("sizes: 2 2 2", "sizes: 90000 90000 90000", "more than 1073741824"),
        ("sizes: 2 2 2", "sizes: 200 200 200", "more values than the file can hold"),
        ("type: short", "type: block", "type of values that is not known"),
        ("type: short\n", "", 'lacks "type"'),
        ("encoding: raw", "encoding: bzip2", "encoding that is not known"),
        ("(1,0,0)", "(nan,0,0)", '"space directions" in its header cannot be'),
        ("(1,0,0)", f"({'A' * 5000},0,0)", "none of a NRRD"),
        ("origin: (0,0,0)", "origin: (0,0)", '"space origin" in its header cannot be'),
        ("endian: little", "endian: little\nendian: big", 'states "endian" twice'),
        ("endian: little", "byte skip: 4", "skips data"),
        ("space: LPS", "space: moon", "space that is not known"),
    ],
)
def test_headers_of_nrrd(tmp_path: Path, old: str, new: str, words: str) -> None:
    """Two of these crash ITK 5.4, two fill the memory. An empty ``words`` is a header that must be taken."""
    path = tmp_path / "ct.nrrd"
    header = (NRRD + "\n").replace(old or "\0", new)
    path.write_bytes(header.encode() + np.arange(8, dtype="<i2").tobytes())
    if words:
        with pytest.raises(InputError, match=rf"label map: ct.nrrd cannot be read: .*{words}"):
            read_label_map(path)
    else:
        assert read_label_map(path).values.ravel().tolist() == list(range(8))


@pytest.mark.parametrize("name", ["ct.nrrd", "ct.mha", "ct.nii", "ct.nii.gz"])
def test_directions_beyond_all_measure(tmp_path: Path, name: str) -> None:
    """With 1e308 in them ITK never ends. As they are, all four are read the same."""
    image = sitk.GetImageFromArray(np.arange(8, dtype=np.int16).reshape(2, 2, 2))
    image.SetSpacing((1, 1, 2.5))
    path = tmp_path / name
    sitk.WriteImage(image, str(path))
    assert read_label_map(path).voxel_to_lps.diagonal().tolist() == [1, 1, 2.5, 1]
    content = gzip.decompress(path.read_bytes()) if name.endswith("gz") else path.read_bytes()
    texts = {"ct.nrrd": (b"2.5)", b"1e308)"), "ct.mha": (b"0 0 1\n", b"0 1e308 1\n")}
    old, new = texts.get(name, (struct.pack("<f", 2.5), struct.pack("<f", 3e38)))
    assert old in content
    content = content.replace(old, new)
    path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    with pytest.raises(InputError, match=f'{name} cannot be read: the ".*" in its header cannot be'):
        read_label_map(path)


@pytest.mark.parametrize("name", ["../secret.raw", "/etc/passwd", "C:\\secret.raw", "LIST", "part%03d.raw", "gone.raw"])
@pytest.mark.parametrize("header", [".nhdr", ".mhd"])
def test_a_header_reads_no_other_folder(tmp_path: Path, name: str, header: str) -> None:
    folder = tmp_path / "case"
    folder.mkdir()
    (tmp_path / "secret.raw").write_bytes(bytes(range(27)))
    image = sitk.GetImageFromArray(np.zeros((3, 3, 3), np.uint8))
    sitk.WriteImage(image, str(folder / f"ct{header}"))
    text = (folder / f"ct{header}").read_text()
    assert "ct.raw" in text
    (folder / f"ct{header}").write_text(text.replace("ct.raw", name))
    with pytest.raises(InputError, match=rf"ct{header} cannot be read: .*data file"):
        read_label_map(folder / f"ct{header}")


def test_nor_through_a_link(tmp_path: Path) -> None:
    folder = tmp_path / "case"
    folder.mkdir()
    (tmp_path / "secret.raw").write_bytes(bytes(range(27)))
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((3, 3, 3), np.uint8)), str(folder / "ct.nhdr"))
    (folder / "ct.raw").unlink()
    (folder / "ct.raw").symlink_to(tmp_path / "secret.raw")
    with pytest.raises(InputError, match="data file outside its folder"):
        read_label_map(folder / "ct.nhdr")


def test_other_readers_of_itk_are_not_tried(tmp_path: Path) -> None:
    """A PNG called .nrrd was read as one, and so would any of ITK's twenty formats."""
    Image.fromarray(np.ones((4, 5), np.uint8)).save(tmp_path / "x.png")
    for name in ("x.nrrd", "x.mha", "x.nii"):
        (tmp_path / "x.png").replace(tmp_path / name)
        with pytest.raises(InputError, match=f"CT: {name} cannot be read"):
            read_ct(tmp_path / name)
        (tmp_path / name).replace(tmp_path / "x.png")


def test_layers_and_labels_a_segmentation_lacks(tmp_path: Path) -> None:
    path = tmp_path / "x.seg.nrrd"

    def write(**changed: str) -> None:
        image = sitk.GetImageFromArray(np.ones((2, 3, 4), np.uint8))
        fields = {"ID": "a", "Name": "radius\x1b[31m", "Layer": "0", "LabelValue": "1", **changed}
        for key, value in fields.items():
            image.SetMetaData(f"Segment0_{key}", value)
        sitk.WriteImage(image, str(path))

    write()
    assert list(read_label_map(path).names) == ["radius[31m"]
    for changed in ({"Layer": "4"}, {"Layer": "-1"}, {"LabelValue": "9.5"}, {"LabelValue": "9" * 30}):
        write(**changed)
        with pytest.raises(InputError, match="x.seg.nrrd names a layer or label value for segment 0"):
            read_label_map(path)


# ---- pictures whose data end too early -----------------------------------------------------------------------------


def _chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


def _png(values: np.ndarray, interlaced: bool, drop: int = 0) -> bytes:
    """An 8 bit grey PNG by hand, Adam7 or plain, without the last ``drop`` bytes of its pixels."""
    passes = ADAM7 if interlaced else ((0, 0, 1, 1),)
    parts = [values[upper::down, left::across] for left, upper, across, down in passes]
    data = b"".join(b"\0" + row.tobytes() for part in parts if part.size for row in part)
    header = values.shape[1].to_bytes(4, "big") + values.shape[0].to_bytes(4, "big") + bytes([8, 0, 0, 0, interlaced])
    packed = zlib.compress(data[: len(data) - drop])
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("shape", [(2, 2), (3, 9), (8, 8), (17, 5)])
def test_a_png_must_hold_all_its_pixels(tmp_path: Path, shape: tuple[int, int], interlaced: bool) -> None:
    """Pillow decodes the whole one as it was, and the cut one without a word."""
    values = (1 + np.arange(np.prod(shape)).reshape(shape)).astype(np.uint8)
    path = tmp_path / "x.png"
    path.write_bytes(_png(values, interlaced))
    with Image.open(path) as opened:
        require_whole_picture(opened, path)
        assert np.array_equal(np.asarray(opened), values)
    path.write_bytes(_png(values, interlaced, drop=shape[1] + 1))  # the last row
    with Image.open(path) as opened:
        assert np.asarray(opened).size == values.size
    with pytest.raises(InputError, match="x.png cannot be read: it cannot be decoded as PNG"):
        read_radiograph(path, **ANSWERS)


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_every_mode_that_pillow_writes_is_whole(tmp_path: Path, mode: str, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    values = np.arange(35).reshape(5, 7)
    plain = Image.fromarray(values.astype(np.uint16 if mode == "I;16" else np.uint8))
    (plain if mode == "I;16" else plain.convert(mode)).save(path)
    with Image.open(path) as opened:
        require_whole_picture(opened, path)


def test_a_tiff_without_some_of_its_strips(tmp_path: Path) -> None:
    path = tmp_path / "x.tif"
    Image.fromarray(shown(8).astype(np.uint8)).save(path, tiffinfo={278: 8})
    content = bytearray(path.read_bytes())
    with Image.open(path) as opened:
        rows = opened.size[1]
    at = content.index((257).to_bytes(2, "little") + (4).to_bytes(2, "little"))  # ImageLength, LONG
    content[at + 8 : at + 12] = (2 * rows).to_bytes(4, "little")
    path.write_bytes(content)
    with Image.open(path) as opened:
        assert np.asarray(opened)[rows + 8 :].max() == 0  # black, and no word of it
    with pytest.raises(InputError, match="x.tif cannot be read"):
        inspect_radiograph(path)


def test_sizes_that_no_memory_holds(tmp_path: Path) -> None:
    header = (30_000).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(bytes(9))) + _chunk(b"IEND", b"")
    (tmp_path / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    write_dicom(tmp_path / "x.dcm", shown())
    dataset = pydicom.dcmread(tmp_path / "x.dcm")
    dataset.Rows = dataset.Columns = 30_000
    dataset.save_as(tmp_path / "x.dcm")
    for name in ("x.png", "x.dcm"):
        with pytest.raises(InputError, match=f"{name} states more pixels than the 100 million"):
            inspect_radiograph(tmp_path / name)


@settings(max_examples=60, deadline=None)
@given(shape=st.tuples(st.integers(2, 40), st.integers(2, 40)), seed=st.integers(0, 10**6), dark=st.booleans())
def test_the_smallest_pictures_have_a_field_and_a_polarity(shape: tuple[int, int], seed: int, dark: bool) -> None:
    """A blade one pixel from the side, strips: nothing to look at, and no reason to stop."""
    values = np.random.default_rng(seed).random(shape)
    values[:1] += 5.0 if dark else 0.0
    assert inside_blades(values).shape == shape
    assert guess_polarity(values).mode in ("transmitted", "attenuation")


def test_a_long_strip_is_looked_at_in_blocks() -> None:
    """In full, one of 20 x 1,000,000 takes seconds."""
    strip = np.tile(np.linspace(0, 1, 20), (300_000, 1))
    tracemalloc.start()
    guess_polarity(strip)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < strip.nbytes / 4


# ---- DICOM ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["US", "OW"])
def test_a_modality_table_in_either_form(tmp_path: Path, kind: str) -> None:
    """As words (OW), which most writers use, it was no number to us. The table here is the negative."""
    item = pydicom.Dataset()
    item.LUTDescriptor, item.ModalityLUTType = [4096, 0, 16], "US"
    table = np.arange(4096, dtype="<u2")[::-1]
    item.add_new("LUTData", kind, table.tolist() if kind == "US" else table.tobytes())
    path = write_dicom(tmp_path / "x.dcm", shown(), "XA", ModalityLUTSequence=[item])
    looked_up = read_radiograph(path, intensity="transmitted", **ANSWERS)
    plain = read_radiograph(write_dicom(tmp_path / "y.dcm", shown(), "XA"), intensity="attenuation", **ANSWERS)
    assert correlation(looked_up.pixels, plain.pixels) > 0.8
    item.LUTData = table.tolist()[:9] if kind == "US" else table.tobytes()[:9]
    path = write_dicom(tmp_path / "x.dcm", shown(), "XA", ModalityLUTSequence=[item])
    with pytest.raises(InputError, match="the modality LUT of x.dcm is damaged"):
        inspect_radiograph(path)


def test_a_length_of_4_gb_takes_no_memory(tmp_path: Path) -> None:
    """Python's files take it before they look how much there is."""
    path = write_dicom(tmp_path / "x.dcm", shown())
    content = path.read_bytes()
    at = content.index(b"\xe0\x7f\x10\x00OW")
    path.write_bytes(content[: at + 8] + b"\xfe\xff\xff\xff" + content[at + 12 :])
    tracemalloc.start()
    assert inspect_radiograph(path).size == (80, 96)  # for all pixels are there
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6


def test_a_deflated_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 30 kB and 30 MB; and what is deflated and modest is read."""
    dataset = dicom_header("DX", PatientComments="x" * 20)
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    save(dataset, tmp_path / "x.dcm")
    assert open_dicom(tmp_path / "x.dcm", "radiograph").Modality == "DX"
    dataset.add_new(0x00091001, "OB", bytes(30_000_000))
    save(dataset, tmp_path / "x.dcm")
    assert (tmp_path / "x.dcm").stat().st_size < 100_000
    monkeypatch.setattr(dicom_files, "MOST_INFLATED", 20_000_000)
    tracemalloc.start()
    with pytest.raises(InputError, match="x.dcm is not a readable DICOM file"):
        open_dicom(tmp_path / "x.dcm", "radiograph")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10e6


def test_sequences_nested_where_a_text_belongs(tmp_path: Path) -> None:
    """As a text they are all that is in them, and the errors in them: this took minutes."""
    item = pydicom.Dataset()
    for _ in range(30):
        outer = pydicom.Dataset()
        outer.add_new(0x00081140, "SQ", [item])
        item = outer
    path = write_dicom(tmp_path / "x.dcm", shown())
    dataset = pydicom.dcmread(path)
    dataset.add_new("ViewPosition", "SQ", [item])
    dataset.save_as(path)
    assert preview_radiograph(path).size == (80, 96)


@pytest.mark.parametrize(
    ("keyword", "value", "words"),
    [
        ("BitsStored", 40000, "BitsStored of x.dcm is no number of bits"),
        ("NumberOfFrames", "9" * 12, "the pixels of x.dcm .* cannot be decoded"),
        ("SpecificCharacterSet", "nonsense", ""),
        ("RescaleSlope", "0", "RescaleSlope of x.dcm is zero"),
    ],
)
def test_values_that_cannot_be(tmp_path: Path, keyword: str, value: Any, words: str) -> None:
    path = write_dicom(tmp_path / "x.dcm", shown())
    dataset = pydicom.dcmread(path)
    with pydicom.config.disable_value_validation():
        setattr(dataset, keyword, value)
        content = io.BytesIO()
        dataset.save_as(content)
    path.write_bytes(content.getvalue())
    if words:
        with pytest.raises(InputError, match=words):
            inspect_radiograph(path)
    else:
        assert inspect_radiograph(path).frames == 1


def test_a_refusal_names_the_file_and_keeps_what_is_missing(tmp_path: Path) -> None:
    """DICOM pictures are called by their tags, which may be the same of several."""
    path = write_dicom(tmp_path / "x.dcm", np.full((96, 80), 7), "DX")
    with pytest.raises(InputError, match="x.dcm: radiograph DX: every pixel has the value 7"):
        inspect_radiograph(path)
    with pytest.raises(MissingInformationError, match=r"^x.dcm: .*does not say the pixel spacing") as refusal:
        read_radiograph(write_dicom(path, shown(), "DX"))
    assert refusal.value.missing == ("spacing", "sdd")
    with pytest.raises(InputError, match=r"^x.dcm is empty$"), naming(path):
        raise InputError("x.dcm is empty")


# ---- units and sizes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("units", ['space units: "m" "m" "m"', 'space units: "cm" "cm" "cm"', 'units: "mm" "um" "mm"'])
def test_another_unit_than_mm_is_not_passed_over(tmp_path: Path, units: str) -> None:
    """ITK does so: a bone was ten or a thousand times as small."""
    data = np.arange(8, dtype="<i2").tobytes()
    (tmp_path / "a.nrrd").write_bytes(f"{NRRD}{units}\n\n".encode() + data)
    with pytest.raises(InputError, match=r"a\.nrrd cannot be read: .*another unit than mm"):
        read_label_map(tmp_path / "a.nrrd")
    (tmp_path / "a.nrrd").write_bytes(f'{NRRD}space units: "mm" "" "millimeter"\n\n'.encode() + data)
    assert read_label_map(tmp_path / "a.nrrd").values.size == 8


@pytest.mark.parametrize("space", ["scanner-xyz", "3D-right-handed", "3D-left-handed"])
def test_a_space_that_does_not_say_where_left_is(tmp_path: Path, space: str) -> None:
    """ITK takes it for the patient's: a left hand was a right one."""
    header = NRRD.replace("LPS", space) + "\n"
    (tmp_path / "a.nrrd").write_bytes(header.encode() + np.arange(8, dtype="<i2").tobytes())
    with pytest.raises(InputError, match="space that is not known"):
        read_label_map(tmp_path / "a.nrrd")


@pytest.mark.parametrize(
    "line", ["DistanceUnits = cm", "ElementToIntensityFunctionSlope = 2", "ElementToIntensityFunctionOffset = -1024"]
)
def test_what_itk_passes_over_in_a_metaimage(tmp_path: Path, line: str) -> None:
    start = "ObjectType = Image\nNDims = 3\nDimSize = 2 2 2\n"
    end = "ElementType = MET_SHORT\nElementDataFile = LOCAL\n"
    data = np.arange(8, dtype="<i2").tobytes()
    (tmp_path / "a.mha").write_bytes(f"{start}{line}\n{end}".encode() + data)
    with pytest.raises(InputError, match=line.partition(" ")[0]):
        read_label_map(tmp_path / "a.mha")
    plain = {"DistanceUnits": "mm", "ElementToIntensityFunctionSlope": "1", "ElementToIntensityFunctionOffset": "0"}
    key = line.partition(" ")[0]
    (tmp_path / "a.mha").write_bytes(f"{start}{key} = {plain[key]}\n{end}".encode() + data)
    assert read_label_map(tmp_path / "a.mha").values.size == 8


def test_a_nifti_with_two_voxel_sizes(tmp_path: Path) -> None:
    image = sitk.GetImageFromArray(np.arange(8, dtype=np.int16).reshape(2, 2, 2))
    image.SetSpacing((0.5, 0.5, 1.0))
    sitk.WriteImage(image, str(tmp_path / "a.nii"))
    content = bytearray((tmp_path / "a.nii").read_bytes())
    struct.pack_into("<hh12f", content, 252, 0, 1, *([0.0] * 12))
    for scale, refused in ((1.0, False), (2.0, True)):
        rows = (0.5 * scale, 0, 0, 10, 0, 0.5 * scale, 0, 20, 0, 0, scale, 30)
        struct.pack_into("<12f", content, 280, *rows)
        (tmp_path / "a.nii").write_bytes(content)
        if refused:
            with pytest.raises(InputError, match="voxels of different size"):
                read_label_map(tmp_path / "a.nii")
        else:
            assert read_label_map(tmp_path / "a.nii").values.size == 8


def test_a_segment_of_the_background_is_refused(tmp_path: Path) -> None:
    """In a layer of its own all that is around the bones became that bone."""
    image = sitk.GetImageFromArray(np.ones((2, 3, 4, 2), np.uint8), isVector=True)
    for number, value in enumerate("10"):
        fields = {"ID": f"s{number}", "Name": f"bone {number}", "Layer": str(number), "LabelValue": value}
        for key, text in fields.items():
            image.SetMetaData(f"Segment{number}_{key}", text)
    sitk.WriteImage(image, str(tmp_path / "a.seg.nrrd"))
    with pytest.raises(InputError, match="label value for segment 1"):
        read_label_map(tmp_path / "a.seg.nrrd")
