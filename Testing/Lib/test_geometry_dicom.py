"""The spacing logic alone: every combination of tags, row and column never equal, nothing chosen silently."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from XRayTo3DLib.errors import InputError, MissingInformationError
from XRayTo3DLib.geometry.dicom import DicomGeometry, camera_from_dicom, read_geometry
from XRayTo3DLib.geometry.spacing import Answers, Question, Spacing, SpacingTags, resolve_spacing

millimetres = st.floats(0.02, 2.0).map(lambda value: round(value, 6))
pairs = st.tuples(millimetres, millimetres)
magnifications = st.floats(1.0, 3.0)


@given(pairs)
def test_dicom_s_row_comes_first_ours_last(pair: tuple[float, float]) -> None:
    dataset = Dataset()
    dataset.ImagerPixelSpacing = [pair[1], pair[0]]  # row, column
    assert read_geometry(dataset).spacing.imager == pytest.approx(pair)


@given(pairs, magnifications)
def test_imager_and_calibrated_spacing_agree_on_the_detector(pair: tuple[float, float], magnification: float) -> None:
    """Whichever of the two a file carries, the detector's spacing is the same."""
    at_object = (pair[0] / magnification, pair[1] / magnification)
    tags = [
        SpacingTags(imager=pair),
        SpacingTags(imager=pair, pixel=at_object, magnification=magnification),
        SpacingTags(pixel=at_object, calibration="GEOMETRY", magnification=magnification),
        SpacingTags(pixel=at_object, calibration="FIDUCIAL", magnification=magnification),
    ]
    for each in tags:
        found = resolve_spacing(each, Answers())
        assert isinstance(found, Spacing) and found.pair == pytest.approx(pair)


@given(pairs, magnifications, magnifications)
def test_a_wrong_magnification_is_never_swallowed(pair: tuple[float, float], true: float, said: float) -> None:
    assume(abs(true / said - 1) > 0.03 and true > 1.001)
    tags = SpacingTags(imager=pair, pixel=(pair[0] / true, pair[1] / true), magnification=said)
    with pytest.raises(InputError, match="--spacing-kind"):
        resolve_spacing(tags, Answers())
    assert resolve_spacing(tags, Answers(spacing_kind="detector")).pair == pair


@given(
    st.one_of(st.none(), pairs),
    st.one_of(st.none(), pairs),
    st.sampled_from(["", "GEOMETRY", "FIDUCIAL"]),
    st.one_of(st.none(), magnifications),
    st.one_of(st.none(), pairs),
)
def test_the_spacing_is_a_tag_s_or_asked_or_refused(imager, pixel, calibration, magnification, nominal) -> None:  # type: ignore[no-untyped-def]
    tags = SpacingTags(imager, pixel, calibration, nominal, None, magnification)
    try:
        found = resolve_spacing(tags, Answers())
    except InputError:
        assert imager is not None and pixel is not None
        return
    if isinstance(found, Question):
        assert imager is None
    elif imager is not None:
        assert found.pair == imager
    elif pixel is not None:
        assert calibration and magnification and found.pair == pytest.approx([magnification * one for one in pixel])
    else:
        assert found.pair == nominal


@given(pairs)
def test_explicit_numbers_win_over_every_contradiction(pair: tuple[float, float]) -> None:
    tags = SpacingTags(imager=(0.1, 0.2), pixel=(0.3, 0.1), aspect=(5, 1), magnification=2)
    found = resolve_spacing(tags, Answers(spacing=pair))
    assert isinstance(found, Spacing) and (found.pair, found.source) == (pair, "user")


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("ImagerPixelSpacing", [0, 0.1]),
        ("ImagerPixelSpacing", [-0.1, 0.1]),
        ("ImagerPixelSpacing", [0.1]),
        ("ImagerPixelSpacing", [0.1, 900]),
        ("DistanceSourceToDetector", -1),
        ("DistanceSourceToDetector", 1e9),
        ("EstimatedRadiographicMagnificationFactor", 0.5),
        ("PositionerPrimaryAngle", 400),
    ],
)
def test_absurd_tags_count_as_absent_with_a_note(keyword: str, value: object) -> None:
    dataset = Dataset()
    setattr(dataset, keyword, value)
    geometry = read_geometry(dataset)
    assert (geometry.spacing, geometry.sdd, geometry.angles_deg) == (SpacingTags(), None, None)
    assert any(keyword in note for note in geometry.notes)


def test_empty_tags_are_silently_absent() -> None:
    dataset = Dataset()
    dataset.ImagerPixelSpacing, dataset.DistanceSourceToDetector, dataset.PixelSpacing = None, "", []
    assert read_geometry(dataset) == DicomGeometry()


def test_everything_missing_is_asked_at_once() -> None:
    with pytest.raises(MissingInformationError) as raised:
        camera_from_dicom(DicomGeometry(), (10, 20), name="x")
    assert raised.value.missing == ("spacing", "sdd")
    assert str(raised.value).count("radiograph x") == 1


def test_the_object_stands_where_the_magnification_says() -> None:
    geometry = DicomGeometry(SpacingTags(imager=(0.1, 0.2), magnification=1.25), sdd=1000)
    camera = camera_from_dicom(geometry, (101, 51)).camera
    assert camera.magnification([0, 0, 0]) == pytest.approx(1.25)
    assert camera.principal_point == pytest.approx([50, 25])


@pytest.mark.parametrize(
    ("letters", "view", "column", "row"),
    [
        (("L", "F"), "AP", (1, 0, 0), (0, 0, -1)),
        (("R", "F"), "PA", (-1, 0, 0), (0, 0, -1)),
        (("L", "H"), "AP", (1, 0, 0), (0, 0, 1)),
        (("F", "R"), "AP", (0, 0, -1), (-1, 0, 0)),
        (("P", "F"), "", (0, 1, 0), (0, 0, -1)),
        (("A", "F"), "RL", (0, -1, 0), (0, 0, -1)),
        (("P", "F"), "AP", (1, 0, 0), (0, 0, -1)),  # a side view's letters on an AP: left aside
    ],
)
def test_the_hanging_follows_the_patient_orientation(
    letters: tuple[str, str], view: str, column: tuple[float, ...], row: tuple[float, ...]
) -> None:
    geometry = DicomGeometry(
        SpacingTags(imager=(0.1, 0.2)), 1000, 800, None, view, columns_towards=letters[0], rows_towards=letters[1]
    )
    camera = camera_from_dicom(geometry, (100, 50)).camera
    assert camera.column_direction == pytest.approx(column) and camera.row_direction == pytest.approx(row)
    assert camera.sdd == pytest.approx(1000) and math.isclose(camera.magnification([0, 0, 0]), 1.25)
    assert camera.principal_point == pytest.approx([49.5, 24.5])


# ---- frames of a moving C-arm, and answers that win ------------------------------------------------------------


def rotating(primary: object, secondary: object = None, motion: str = "DYNAMIC") -> Dataset:
    dataset = Dataset()
    dataset.NumberOfFrames, dataset.PositionerMotion = 4, motion
    dataset.PositionerPrimaryAngle, dataset.PositionerSecondaryAngle = -10.0, 5.0
    if primary is not None:
        dataset.PositionerPrimaryAngleIncrement = primary
    if secondary is not None:
        dataset.PositionerSecondaryAngleIncrement = secondary
    return dataset


@pytest.mark.parametrize(
    ("primary", "secondary", "frame", "expected"),
    [
        (2.5, None, 0, (-10.0, 5.0)),
        (2.5, -1.0, 3, (-2.5, 2.0)),
        ([0.0, 3.0, 7.0, 12.0], [0.0, 0.0, 1.0, 1.5], 2, (-3.0, 6.0)),
        ([0.0, 3.0, 7.0, 12.0], None, 3, (2.0, 5.0)),
    ],
)
def test_every_frame_of_a_moving_c_arm_has_its_own_angles(
    primary: object, secondary: object, frame: int, expected: tuple[float, float]
) -> None:
    """DICOM C.8.7.5.1.3: one value is the step per frame, several are offsets from the first frame's angle."""
    geometry = read_geometry(rotating(primary, secondary), frame)
    assert geometry.angles_deg == pytest.approx(expected) and geometry.notes == ()


def test_a_moving_c_arm_that_does_not_say_how_is_noted() -> None:
    assert read_geometry(rotating(None), 0).notes == ()
    assert read_geometry(rotating(None, motion="STATIC"), 2).notes == ()
    moved = read_geometry(rotating(None), 2)
    assert moved.angles_deg == (-10.0, 5.0) and "DYNAMIC" in moved.notes[0] and "frame 2" in moved.notes[0]
    wrong = read_geometry(rotating([0.0, 1.0]), 1)
    assert wrong.angles_deg == (-10.0, 5.0) and "PositionerPrimaryAngleIncrement" in wrong.notes[0]


def test_a_given_view_says_that_it_drops_the_angles() -> None:
    geometry = DicomGeometry(SpacingTags(imager=(0.1, 0.2)), 1000, 800, (30.0, 20.0))
    applied, given = (camera_from_dicom(geometry, (100, 50), Answers(view=view)) for view in (None, "PA"))
    assert abs(applied.camera.view_direction[0]) > 0.3 and given.camera.view_direction == pytest.approx((0, -1, 0))
    assert any("30 and 20 degrees were left aside" in note for note in given.notes)
    assert not any("left aside" in note for note in applied.notes)


def test_the_user_s_source_isocentre_wins_over_the_header_s_magnification() -> None:
    tags = SpacingTags(pixel=(0.1, 0.2), calibration="FIDUCIAL", magnification=1.5)
    solved = camera_from_dicom(DicomGeometry(tags, 1000), (100, 50), Answers(source_isocentre=800))
    assert solved.camera.spacing == pytest.approx((0.125, 0.25))
    assert solved.camera.magnification([0, 0, 0]) == pytest.approx(1.25)
    header = camera_from_dicom(DicomGeometry(tags, 1000, 700), (100, 50), Answers(magnification=1.25))
    assert header.camera.spacing == pytest.approx((0.125, 0.25))
    assert header.camera.magnification([0, 0, 0]) == pytest.approx(1.25)


@pytest.mark.parametrize("tags", [SpacingTags(imager=(0.1, 0.2)), SpacingTags(nominal=(0.1, 0.2))])
def test_a_calibrated_spacing_that_the_file_does_not_have_is_asked_for(tags: SpacingTags) -> None:
    answers = Answers(spacing_kind="calibrated", magnification=1.2)
    with pytest.raises(MissingInformationError, match=r"at the object, only 0\.1 x 0\.2 mm.*--spacing") as raised:
        camera_from_dicom(DicomGeometry(tags, 1000), (100, 50), answers, "x")
    assert raised.value.missing == ("spacing",)
    given = Answers(spacing=(0.1, 0.2), spacing_kind="calibrated", magnification=1.2)
    assert camera_from_dicom(DicomGeometry(tags, 1000), (100, 50), given).camera.spacing == pytest.approx((0.12, 0.24))
