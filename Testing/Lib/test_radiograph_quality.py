"""Each finding on a picture made to have it, and none on a usual one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from imaging_cases import limb, write_dicom
from PIL import Image, ImageDraw, ImageFont

from XRayTo3DLib.geometry.calibration import standard_camera
from XRayTo3DLib.imaging import IntensityNote, Radiograph, SpacingSource, read_radiograph
from XRayTo3DLib.imaging.geometry_edit import GeometryEdit, edit_geometry
from XRayTo3DLib.imaging.radiograph_facts import RadiographFacts
from XRayTo3DLib.imaging.radiograph_quality import check_radiograph, check_sides, measure_picture

ROWS, COLUMNS = 480, 400
LINE_INTEGRAL = IntensityNote("line-integral", None, True, "made")


def usual(pixels: np.ndarray | None = None, **more: object) -> Radiograph:
    """A forearm-like picture with noise, 0.2 mm pixels, SDD 1100 mm, right side."""
    if pixels is None:
        pixels = limb(ROWS, COLUMNS) + np.random.default_rng(1).normal(0, 0.01, (ROWS, COLUMNS))
    rows, columns = pixels.shape
    camera = standard_camera(1100.0, (0.2, 0.2), (columns, rows), source_isocentre=1000.0)
    known = {"view": "AP", "laterality": "R", "name": "limb", **more}
    return Radiograph(pixels, camera, LINE_INTEGRAL, SpacingSource.DETECTOR, **known)


def codes(radiograph: Radiograph) -> set[str]:
    return {finding.code for finding in check_radiograph(radiograph)}


def severity(radiograph: Radiograph, code: str) -> str:
    return next(finding.severity for finding in check_radiograph(radiograph) if finding.code == code)


def edited(**values: object) -> Radiograph:
    start = usual(facts=RadiographFacts(isocentre_mm=1000.0, isocentre_from="you", spacing_from="you"))
    return edit_geometry(start, GeometryEdit(**values))


def test_nothing_is_said_of_a_usual_radiograph() -> None:
    assert check_radiograph(usual()) == ()


def test_saturated_bone_is_said_with_its_share() -> None:
    pixels = np.clip(usual().pixels, None, 1.8)
    share = float(np.mean(pixels >= 1.8))
    found = {finding.code: finding.sentence for finding in check_radiograph(usual(pixels))}
    assert share > 0.03 and f"{100 * share:.0f} %" in found["saturated"]
    assert "window" not in found["saturated"]


def test_a_narrow_window_cuts_at_both_ends() -> None:
    (finding,) = check_radiograph(usual(np.clip(usual().pixels, 0.6, 1.6)))
    assert finding.code == "saturated" and "narrow display window" in finding.sentence


def test_clipped_air_alone_is_usual() -> None:
    assert codes(usual(np.clip(usual().pixels, 0.2, None))) == set()


def test_low_contrast_and_few_grey_levels() -> None:
    assert "contrast" in codes(usual(0.04 * usual().pixels))
    assert "levels" in codes(usual(np.round(usual().pixels * 5) / 5))
    assert "levels" not in codes(usual(np.round(usual().pixels * 60) / 60))


@pytest.mark.parametrize(("share", "wanted"), [(0.9, None), (0.6, "note"), (0.35, "warning")])
def test_a_small_field_is_said(share: float, wanted: str | None) -> None:
    pixels = np.full((ROWS, COLUMNS), 4.0)
    rows, columns = round(share * ROWS), round(share * COLUMNS)
    top, left = (ROWS - rows) // 2, (COLUMNS - columns) // 2
    pixels[top : top + rows, left : left + columns] = limb(rows, columns)
    margin = 0.025 * 2  # beside a blade, of the shorter side
    assert measure_picture(usual(pixels)).field == pytest.approx((share - margin) ** 2, abs=0.03)
    assert ("field" in codes(usual(pixels))) == (wanted is not None)
    if wanted:
        assert severity(usual(pixels), "field") == wanted


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"sdd": 300.0, "source_isocentre": 250.0}, "sdd"),
        ({"sdd": 4000.0}, "sdd"),
        ({"spacing": (0.02, 0.02)}, "spacing"),
        ({"spacing": (1.0, 1.0)}, "spacing"),
        ({"spacing": (0.2, 0.21)}, "unequal"),
        ({"laterality": ""}, "side"),
    ],
)
def test_an_unusual_geometry_is_said(values: dict[str, object], code: str) -> None:
    assert codes(edited(**values)) == {code}


def test_sizes() -> None:
    assert codes(usual(limb(200, 300))) == {"small"}
    large = replace(usual().camera, size=(6200, 40))
    wide = usual().pixels[:40, np.linspace(0, COLUMNS - 1, 6200).astype(int)]
    assert "large" in codes(replace(usual(), pixels=wide, camera=large))


def header(folder: Path, **tags: object) -> Path:
    stored = np.round((usual().pixels + 0.1) * 800)
    stored = 4095 - stored if tags.get("photometric") == "MONOCHROME1" else stored
    known = {"ImagerPixelSpacing": [0.2, 0.2], "DistanceSourceToDetector": 1100, "ImageLaterality": "R"}
    return write_dicom(folder / "a.dcm", stored, **{**known, "ViewPosition": "AP", **tags})


def test_what_the_header_declares_is_said(tmp_path: Path) -> None:
    assert codes(read_radiograph(header(tmp_path))) == set()
    assert codes(read_radiograph(header(tmp_path, BurnedInAnnotation="YES"))) == {"text"}
    assert codes(read_radiograph(header(tmp_path, LossyImageCompression="01"))) == {"lossy"}
    assert codes(read_radiograph(header(tmp_path, photometric="MONOCHROME1"))) == {"inverted"}
    assert codes(read_radiograph(header(tmp_path, PatientOrientation=["R", "F"]))) == {"hung"}
    unknown = read_radiograph(header(tmp_path, ViewPosition=""))
    assert codes(unknown) == {"view"} and severity(unknown, "view") == "warning"


def test_two_spacings_must_differ_by_the_magnification(tmp_path: Path) -> None:
    tags = {"PixelSpacing": [0.16, 0.16]}
    path = header(tmp_path, **tags)
    assert codes(read_radiograph(path, spacing_kind="detector")) == {"spacings"}
    assert codes(read_radiograph(path, spacing_kind="detector", source_isocentre=880.0)) == set()


def test_a_side_against_the_file_and_against_the_other_view(tmp_path: Path) -> None:
    radiograph = read_radiograph(header(tmp_path))
    other = edit_geometry(radiograph, GeometryEdit(laterality="L"))
    assert severity(other, "side") == "warning"
    sides = {"PA": radiograph.laterality, "LAT": other.laterality}
    assert [finding.code for finding in check_sides(sides)] == ["sides-differ"]
    assert check_sides({"PA": "R", "LAT": "R", "oblique": ""}) == ()


def test_a_doubtful_polarity_is_said() -> None:
    assert codes(usual(facts=RadiographFacts(intensity_sure=False))) == {"intensity"}


@pytest.mark.parametrize("bright", [True, False])
@pytest.mark.parametrize("height", [9, 14, 28])
def test_burned_in_text_is_seen(bright: bool, height: int) -> None:
    start = usual().pixels
    layer = Image.new("1", (COLUMNS, ROWS), 0)
    draw = ImageDraw.Draw(layer)
    draw.fontmode = "1"
    draw.text((8, 8), "DOE JOHN 1970-01-01", fill=1, font=ImageFont.load_default(size=height))
    pixels = np.where(np.asarray(layer), 3.6 if bright else -1.5, start)
    assert "text" in codes(usual(pixels)) and "text" not in codes(usual())


def test_a_side_marker_is_no_text() -> None:
    layer = Image.new("1", (COLUMNS, ROWS), 0)
    ImageDraw.Draw(layer).text((300, 30), "R 2", fill=1, font=ImageFont.load_default(size=40))
    assert codes(usual(np.where(np.asarray(layer), 3.6, usual().pixels))) == set()
