"""Editing a radiograph's geometry value by value: against cameras made anew, and by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from imaging_cases import shown, write_dicom

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry.calibration import VIEWS, standard_camera
from XRayTo3DLib.geometry.spacing import Answers
from XRayTo3DLib.imaging import Radiograph, read_radiograph, write_radiograph
from XRayTo3DLib.imaging.geometry_edit import (
    GeometryEdit,
    edit_geometry,
    hung_mirrored,
    mirror_radiograph,
    shown_geometry,
)
from XRayTo3DLib.imaging.radiograph_facts import RadiographFacts
from XRayTo3DLib.imaging.radiograph_reader import open_array, settle_radiograph

PICTURE = shown(12)


def asked(**answers: object) -> Radiograph:
    """An array of 80 x 96 pixels with answers."""
    known = {"spacing": (0.4, 0.3), "sdd": 1100.0, "view": "AP", **answers}
    return settle_radiograph(open_array(PICTURE, "limb"), Answers(**known))


@given(
    sdd=st.floats(600, 2000),
    share=st.floats(0.5, 1.0),
    spacing=st.tuples(st.floats(0.05, 1.0), st.floats(0.05, 1.0)),
    view=st.sampled_from(sorted(VIEWS)),
    offset=st.tuples(st.floats(-40, 40), st.floats(-40, 40)),
)
def test_an_edited_camera_is_the_one_made_from_the_same_numbers(
    sdd: float, share: float, spacing: tuple[float, float], view: str, offset: tuple[float, float]
) -> None:
    start = asked(source_isocentre=900.0, view="PA")
    edit = GeometryEdit(
        spacing=spacing, sdd=sdd, source_isocentre=sdd * share, principal_offset=offset, view=view, laterality="R"
    )
    edited = edit_geometry(start, edit)
    foot = ((80 - 1) / 2 + offset[0], (96 - 1) / 2 + offset[1])
    expected = standard_camera(sdd, spacing, (80, 96), source_isocentre=sdd * share, view=view, principal_point=foot)
    assert edited.camera.is_close(expected, 1e-6)
    assert (edited.view, edited.laterality) == (view, "R")
    numbers = shown_geometry(edited)
    assert numbers.spacing == pytest.approx(spacing) and numbers.sdd == pytest.approx(sdd)
    assert numbers.source_isocentre == pytest.approx(sdd * share)
    assert numbers.principal_offset == pytest.approx(offset, abs=1e-6)


def test_an_object_on_the_detector_stays_on_it() -> None:
    edited = edit_geometry(asked(), GeometryEdit(sdd=1500.0))
    assert edited.camera.is_close(standard_camera(1500.0, (0.4, 0.3), (80, 96), view="AP"), 1e-9)
    assert edited.facts.sdd_from == "edited: was 1100 mm" and edited.facts.spacing_from == "you"


def test_a_number_said_to_hold_at_the_object_is_carried_to_the_detector() -> None:
    edited = edit_geometry(asked(source_isocentre=880.0), GeometryEdit(spacing_kind="calibrated"))
    assert edited.camera.spacing == pytest.approx((0.4 * 1100 / 880, 0.3 * 1100 / 880))
    assert shown_geometry(edited).spacing == pytest.approx((0.4, 0.3)), "the number that was given stays"
    back = edit_geometry(edited, GeometryEdit(spacing_kind="detector"))
    assert back.camera.spacing == pytest.approx((0.4, 0.3))


def test_a_calibrated_spacing_follows_the_magnification() -> None:
    start = asked(spacing_kind="calibrated", magnification=1.2)
    assert start.camera.spacing == pytest.approx((0.48, 0.36))
    edited = edit_geometry(start, GeometryEdit(source_isocentre=1100 / 1.1))
    assert edited.camera.spacing == pytest.approx((0.44, 0.33))


def test_a_camera_given_as_a_whole_keeps_its_source() -> None:
    camera = standard_camera(900.0, (0.4, 0.3), (80, 96), source_isocentre=700.0, angles_deg=(20.0, 10.0))
    start = settle_radiograph(open_array(PICTURE, "limb"), Answers(), camera=camera)
    assert {start.facts.spacing_from, start.facts.sdd_from} == {"camera file"}
    assert shown_geometry(start).source_isocentre is None
    edited = edit_geometry(start, GeometryEdit(sdd=1000.0, view="LAT"))
    assert edited.camera.source == pytest.approx(camera.source)
    assert edited.camera.sdd == pytest.approx(1000.0)
    assert edited.camera.view_direction == pytest.approx(camera.view_direction), "a view is a word here"
    with pytest.raises(InputError, match="given as a whole"):
        edit_geometry(start, GeometryEdit(source_isocentre=800.0))


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (GeometryEdit(sdd=-1.0), "greater than zero"),
        (GeometryEdit(source_isocentre=1200.0), "swapped"),
        (GeometryEdit(spacing=(0.0, 0.3)), "pixel spacing must be"),
        (GeometryEdit(view="XY"), "not known"),
        (GeometryEdit(laterality="left"), "L, R or empty"),
        (GeometryEdit(principal_offset=(np.nan, 0.0)), "central ray"),
    ],
)
def test_what_is_no_geometry_is_refused(edit: GeometryEdit, words: str) -> None:
    with pytest.raises(InputError, match=words):
        edit_geometry(asked(), edit)


def test_a_mirrored_picture_shows_the_world_mirrored() -> None:
    """A point that was at distance d to the right of the central ray is then as far to its left."""
    start = edit_geometry(asked(source_isocentre=900.0), GeometryEdit(principal_offset=(7.0, -3.0)))
    twice = mirror_radiograph(mirror_radiograph(start))
    assert twice.camera.is_close(start.camera, 1e-9) and np.array_equal(twice.pixels, start.pixels)
    mirrored = mirror_radiograph(start)
    point = np.array([12.0, 30.0, -8.0])
    before, after = start.camera.project(point), mirrored.camera.project(point * [-1, 1, 1])
    assert after == pytest.approx([79 - before[0], before[1]]), "x = 0 is the plane of the central ray"


def test_a_picture_that_hangs_mirrored_is_not_mirrored_again(tmp_path: Path) -> None:
    path = write_dicom(
        tmp_path / "a.dcm", PICTURE, PatientOrientation=["R", "F"], ViewPosition="AP", PixelSpacing=[0.3, 0.4]
    )
    start = read_radiograph(path, spacing_kind="detector", sdd=1100)
    assert hung_mirrored(start.camera) and not hung_mirrored(asked().camera)
    assert not any(hung_mirrored(asked(view=view).camera) for view in VIEWS)
    with pytest.raises(InputError, match="hangs mirrored"):
        mirror_radiograph(start)


def test_every_value_says_where_it_came_from(tmp_path: Path) -> None:
    path = write_dicom(
        tmp_path / "a.dcm",
        PICTURE,
        PixelSpacing=[0.3, 0.4],
        PixelSpacingCalibrationType="GEOMETRY",
        DistanceSourceToDetector=1100,
        EstimatedRadiographicMagnificationFactor=1.1,
        ViewPosition="PA",
        ImageLaterality="L",
        BurnedInAnnotation="YES",
        LossyImageCompression="01",
    )
    facts = read_radiograph(path).facts
    assert facts.spacing_from == "file: PixelSpacing (0028,0030)" and facts.spacing_kind == "calibrated"
    assert facts.sdd_from.startswith("file: DistanceSourceToDetector")
    assert "Magnification" in facts.isocentre_from and facts.isocentre_mm == pytest.approx(1000.0)
    assert facts.principal_from.startswith("assumed") and facts.view_from.startswith("file: ViewPosition")
    assert (facts.stated_laterality, facts.burned_in, bool(facts.lossy)) == ("L", "YES", True)
    assert facts.stated_spacings == (("PixelSpacing (0028,0030)", 0.4, 0.3),)
    answered = read_radiograph(path, sdd=1200, view="AP", spacing=(0.2, 0.2)).facts
    assert (answered.sdd_from, answered.view_from, answered.spacing_from) == ("you", "you", "you")


def test_facts_survive_a_file(tmp_path: Path) -> None:
    edited = edit_geometry(asked(), GeometryEdit(sdd=1500.0, laterality="L"))
    again = read_radiograph(write_radiograph(edited, tmp_path / "a.nrrd"))
    assert again.facts == edited.facts
    assert RadiographFacts.from_text("") == RadiographFacts()
    older = replace(edited, facts=RadiographFacts())
    assert read_radiograph(write_radiograph(older, tmp_path / "b.nrrd")).facts.sdd_from == "file: header by XRayTo3D"


def test_an_array_is_asked_about_as_a_file_is() -> None:
    from XRayTo3DLib.errors import MissingInformationError

    for spacing, missing in (((1.0, 1.0), "spacing"), ((0.2, 0.3), "spacing_kind"), (None, "spacing")):
        with pytest.raises(MissingInformationError) as caught:
            settle_radiograph(open_array(PICTURE, "limb", spacing=spacing), Answers(sdd=1000.0))
        assert caught.value.missing == (missing,)
    with pytest.raises(MissingInformationError, match="2 frames"):
        open_array(np.stack([PICTURE, PICTURE]), "limb")
    colour = np.repeat(np.round(PICTURE / 16).astype(np.uint8)[None, :, :, None], 3, axis=3)
    opened = open_array(colour, "limb")
    assert opened.size == (80, 96) and opened.picture.highest == 255
