"""Statistical shape models: principal components against numpy's covariance, files, curves."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shape_model_cases import blob, blob_model, family, ways

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.shape_model_figures import generalisation_picture, shape_model_picture
from XRayTo3DLib.shape.meshes import enclosed_volume
from XRayTo3DLib.shape.model_curves import compactness, generalisation, specificity
from XRayTo3DLib.shape.shape_model_file import arrays_of, load_shape_model, model_from_arrays, save_shape_model
from XRayTo3DLib.shape.statistical_shape_model import ShapeModel, build_shape_model

MODEL = blob_model()
THETAS = st.lists(st.floats(-3, 3), min_size=3, max_size=3).map(np.array)


def test_deviations_are_those_of_numpys_covariance():
    shapes, triangles = family(9, resolution=6)
    model = build_shape_model(shapes, triangles)
    eigenvalues = np.linalg.eigvalsh(np.cov(shapes.reshape(9, -1).T))[::-1]
    assert model.size == 3, "the family varies in three ways only"
    assert model.deviations == pytest.approx(np.sqrt(eigenvalues[:3]))


def test_modes_are_orthonormal_and_span_what_the_family_varies_in():
    flat = MODEL.modes.reshape(3, -1)
    assert flat @ flat.T == pytest.approx(np.eye(3), abs=1e-12)
    known = ways(blob()[0]).reshape(3, -1)
    assert np.linalg.svd(flat @ known.T)[1] == pytest.approx(np.ones(3), abs=1e-9)


def test_people_have_coefficients_of_one_standard_deviation_and_come_back_exactly():
    shapes, _ = family(20)
    thetas = np.array([MODEL.coefficients(shape) for shape in shapes])
    assert thetas.mean(axis=0) == pytest.approx(np.zeros(3), abs=1e-9)
    assert thetas.std(axis=0, ddof=1) == pytest.approx(np.ones(3))
    assert MODEL.projected(shapes[4]) == pytest.approx(shapes[4], abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(THETAS)
def test_coefficients_undo_shape(theta):
    assert MODEL.coefficients(MODEL.shape(theta)) == pytest.approx(theta, abs=1e-9)


@settings(max_examples=10, deadline=None)
@given(THETAS)
def test_mirror_image_of_a_shape_is_the_mirrored_models_shape(theta):
    other = MODEL.mirrored()
    assert other.shape(theta) == pytest.approx(MODEL.shape(theta) * [-1, 1, 1])
    assert enclosed_volume(other.surface(theta)) == pytest.approx(enclosed_volume(MODEL.surface(theta)))
    assert other.label == "blob_right"
    assert other.mirrored().label == "blob_left"


def test_triangles_that_face_inward_are_turned_round():
    shapes, triangles = family(4, resolution=6)
    for faces in (triangles, triangles[:, ::-1]):
        assert enclosed_volume(build_shape_model(shapes, faces).surface()) > 1000


def test_truncated_by_number_and_by_variance():
    share = compactness(MODEL)
    assert share[-1] == pytest.approx(1)
    assert MODEL.truncated(modes=2).size == 2
    assert MODEL.truncated(variance=share[0]).size == 1
    assert MODEL.truncated(variance=share[0] + 1e-6).size == 2
    assert MODEL.truncated(variance=1.0).size == 3
    nothing = MODEL.truncated(modes=0)
    assert nothing.shape() == pytest.approx(MODEL.mean)
    assert nothing.coefficients(MODEL.mean).shape == (0,)
    for wrong in ({}, {"modes": 1, "variance": 0.5}, {"modes": -1}, {"variance": 0.0}, {"variance": 1.1}):
        with pytest.raises(InputError):
            MODEL.truncated(**wrong)


def test_what_makes_no_model_is_refused():
    shapes, triangles = family(3, resolution=6)
    for wrong, message in (
        (shapes[:1], "at least two"),
        (np.repeat(shapes[:1], 3, axis=0), "all the same"),
        (shapes[:, :, :2], "shape"),
        (np.where(shapes > 30, np.nan, shapes), "not finite"),
    ):
        with pytest.raises(InputError, match=message):
            build_shape_model(wrong, triangles)
    with pytest.raises(InputError, match="outside"):
        build_shape_model(shapes, triangles + 1)
    with pytest.raises(InputError, match="4 coefficients for 3 modes"):
        MODEL.shape([0, 0, 0, 1])
    with pytest.raises(InputError, match="own vertices"):
        MODEL.coefficients(MODEL.mean[1:])
    with pytest.raises(InputError, match="larger than zero"):
        ShapeModel(MODEL.mean, MODEL.modes, [1, 0, 1], MODEL.triangles)


@pytest.mark.parametrize(("precision", "tolerance_mm"), [(np.float64, 1e-12), (np.float32, 1e-5), (np.float16, 0.02)])
def test_file_keeps_shapes_to_its_precision_and_every_fact(tmp_path, precision, tolerance_mm):
    path = save_shape_model(MODEL, tmp_path / "model.npz", precision)
    found = load_shape_model(path)
    theta = [2.0, -1.0, 3.0]
    assert found.shape(theta) == pytest.approx(MODEL.shape(theta), abs=tolerance_mm)
    assert (found.label, found.people, found.synthetic, found.sources) == ("blob_left", 20, True, ("computed",))
    assert np.array_equal(found.triangles, MODEL.triangles)
    assert model_from_arrays(arrays_of(MODEL.truncated(0))).size == 0


def test_a_mode_that_rounds_to_nothing_does_not_spoil_the_file(tmp_path):
    faint = ShapeModel(MODEL.mean, MODEL.modes, [*MODEL.deviations[:2], 1e-8], MODEL.triangles)
    found = load_shape_model(save_shape_model(faint, tmp_path / "model.npz", np.float16))
    assert found.size == 2
    assert found.deviations == pytest.approx(faint.deviations[:2], rel=1e-3)


def test_files_that_are_no_model_are_refused(tmp_path):
    path = save_shape_model(MODEL, tmp_path / "model.npz")
    arrays = arrays_of(MODEL)
    cut = tmp_path / "cut.npz"
    cut.write_bytes(path.read_bytes()[:3000])
    pickled = tmp_path / "pickled.npz"
    np.savez(pickled, **{**arrays, "mean": np.array([{"a": 1}], dtype=object)})
    with zipfile.ZipFile(pickled) as archive:
        assert "mean.npy" in archive.namelist()
    foreign = tmp_path / "foreign.npz"
    np.savez(foreign, vertices=MODEL.mean)
    later = tmp_path / "later.npz"
    np.savez(later, **{**arrays, "header": np.frombuffer(b'{"format": "xrayto3d.shape-model/2"}', dtype=np.uint8)})
    single = tmp_path / "single.npz"
    with single.open("wb") as file:
        np.save(file, MODEL.mean)
    people = tmp_path / "people.npz"
    header = b'{"format": "xrayto3d.shape-model/1", "people": "many"}'
    np.savez(people, **{**arrays, "header": np.frombuffer(header, dtype=np.uint8)})
    odd = tmp_path / "odd.npz"
    np.savez(odd, **{**arrays, "displacements": arrays["displacements"][:, 1:]})
    for file, message in (
        (cut, "damaged"),
        (pickled, "pickled"),
        (foreign, "lacks mean"),
        (later, "format 'xrayto3d.shape-model/2'"),
        (single, "single array"),
        (people, "people.npz: the field people must be a whole number"),
        (odd, "odd.npz: shape model: modes"),
        (tmp_path / "absent.npz", "no file"),
        (tmp_path / "model.zip", "end in .npz"),
    ):
        with pytest.raises(InputError, match=message):
            load_shape_model(file)


def test_people_left_out_are_found_exactly_with_as_many_modes_as_the_family_has():
    shapes, triangles = family(8, resolution=8)
    found = generalisation(shapes, triangles, samples=200)
    assert found.modes == (0, 1, 2, 3, 4, 5, 6)
    assert found.vertex_mm.shape == (8, 7)
    assert np.all(found.vertex_mm[:, 3:] < 1e-6)
    assert np.all(found.vertex_mm[:, 0] > 0.5)
    assert np.all(np.diff(found.vertex_mm.mean(axis=0))[:3] < 0)
    assert np.all(found.surface_mm[:, 3:] < 1e-6)
    assert np.all(found.surface_mm[:, 0] < found.vertex_mm[:, 0])
    with pytest.raises(InputError, match="0 to 6 modes"):
        generalisation(shapes, triangles, [7])
    with pytest.raises(InputError, match="at least three"):
        generalisation(shapes[:2], triangles)


def test_the_person_left_out_is_in_no_model_of_theirs():
    shapes, triangles = family(5, resolution=8)
    own = np.random.default_rng(0).normal(size=shapes.shape)  # what nobody else has
    found = generalisation(shapes + own, triangles)
    assert found.vertex_mm[:, -1].min() > 1.0


def test_specificity_is_the_distance_to_the_nearest_person():
    shapes, _ = family(20)
    found = specificity(MODEL, shapes, samples=10, seed=3)
    theta = np.random.default_rng(3).standard_normal(3)
    by_hand = min(np.linalg.norm(MODEL.shape(theta) - shape, axis=1).mean() for shape in shapes)
    assert found[0] == pytest.approx(by_hand)
    assert np.array_equal(found, specificity(MODEL, shapes, samples=10, seed=3))
    assert specificity(MODEL.truncated(0), MODEL.mean[None], 1) == pytest.approx([0])


def test_pictures_are_png_and_refuse_nothing_to_draw():
    shapes, triangles = family(5, resolution=8)
    assert shape_model_picture(build_shape_model(shapes, triangles), modes=1).startswith(b"\x89PNG")
    assert generalisation_picture({"blobs": generalisation(shapes, triangles)}).startswith(b"\x89PNG")
    with pytest.raises(InputError, match="no modes"):
        shape_model_picture(MODEL.truncated(0))
    with pytest.raises(InputError, match="no population"):
        generalisation_picture({})
