"""Outcomes of reconstructions: against geometry, a slow transcription of Shiode's formula, and our other distances."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage
from solids import cube, sphere
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.reconstruction_trials import outcomes_of, surface_numbers, translation_outcome
from XRayTo3DLib.shape.meshes import make_surface, points_of, triangles_of
from XRayTo3DLib.shape.surface_distance import surface_distance


def shiode(a: np.ndarray, b: np.ndarray) -> float:
    """The formula, term by term."""
    total = sum(min(math.dist(p, q) for q in b) for p in a) + sum(min(math.dist(p, q) for q in a) for p in b)
    return total / (len(a) + len(b))


def test_concentric_spheres():
    assd, _, hd95 = surface_numbers(sphere(20), sphere(21))
    assert assd == pytest.approx(1.0, abs=0.01)
    assert hd95 == pytest.approx(1.0, abs=0.02)


def test_vertices_follow_the_papers_formula():
    one, two = sphere(20, 12), sphere(21, 15, centre=(1, 0, 0))
    _, asd, _ = surface_numbers(one, two)
    assert asd == pytest.approx(shiode(points_of(one), points_of(two)), abs=1e-9)


def test_without_a_field_it_is_the_surface_distance():
    one, two = cube(30), sphere(18, 40, centre=(15, 15, 15))
    area = surface_distance(one, two, samples=5000, seed=3)
    vertices = surface_distance(one, two, method="vertices")
    expected = (area.assd, vertices.assd, area.hd95)
    assert surface_numbers(one, two, samples=5000, seed=3) == pytest.approx(expected, abs=1e-12)


def test_a_truth_that_goes_on_beyond_the_field_is_no_error():
    truth, result = sphere(20), sphere(20.5)
    upper = triangles_of(result)[points_of(result)[triangles_of(result)].mean(axis=1)[:, 2] > -5]
    half = make_surface(points_of(result), upper)
    field = ((-40, -40, -2), (40, 40, 40))
    assert surface_numbers(truth, half, field)[0] == pytest.approx(0.5, abs=0.01)
    assert surface_numbers(truth, half)[0] > 1.5


def test_one_outcome_per_true_bone_and_empty_ones_are_seen():
    truth = {"radius": sphere(20), "ulna": sphere(10), "third": sphere(5)}
    result = {"radius": sphere(21), "ulna": vtkPolyData()}
    radius, ulna, third = outcomes_of(truth, result, case="c", patient="p", method="m", seconds=2.0, samples=2000)
    assert (radius.case, radius.patient, radius.method, radius.bone) == ("c", "p", "m", "radius")
    assert (radius.empty, ulna.empty, third.empty) == (False, True, True)
    assert radius.assd_mm == pytest.approx(1, abs=0.02)
    assert radius.seconds == 2.0
    for missing in (ulna, third):
        assert all(map(math.isnan, (missing.assd_mm, missing.asd_vertices_mm, missing.hd95_mm)))


def test_a_stand_in_has_numbers_and_is_still_a_failure():
    (outcome,) = outcomes_of({"ulna": sphere(20)}, {"ulna": sphere(22)}, case="c", method="m", empty=["ulna"])
    assert outcome.empty
    assert outcome.patient == "c"
    assert outcome.assd_mm == pytest.approx(2, abs=0.02)


def test_a_result_outside_the_field_is_empty():
    far = sphere(5, 20, centre=(100, 0, 0))
    (outcome,) = outcomes_of({"b": sphere(20, 30)}, {"b": far}, case="c", method="m", field=([-30] * 3, [30] * 3))
    assert outcome.empty


def test_what_cannot_be_judged_is_refused():
    bone = {"radius": sphere(20, 20)}
    with pytest.raises(InputError, match="no true bone"):
        outcomes_of({}, bone, case="c", method="m")
    with pytest.raises(InputError, match="Case c, m: no truth for ulna; known are radius"):
        outcomes_of(bone, {"ulna": sphere(1)}, case="c", method="m")
    with pytest.raises(InputError, match="Case c, radius: the truth has no surface"):
        outcomes_of(bone, bone, case="c", method="m", field=([100] * 3, [200] * 3))
    with pytest.raises(InputError, match="two corners"):
        outcomes_of(bone, bone, case="c", method="m", field=([1] * 3, [0] * 3))


def test_mae_by_hand():
    target = np.array([[0.0, 0.1], [0.2, 0.0]])
    outcome = translation_outcome([[0.04, 0.1], [0.1, 0.0]], target, case="c", method="pix2pix")
    assert outcome.mae == pytest.approx((0.04 + 0 + 0.1 + 0) / 4)
    assert outcome.bone_mae == pytest.approx(0.05)
    assert math.isnan(translation_outcome(np.ones((2, 2)), np.zeros((2, 2)), case="c", method="m").bone_mae)


def test_structure_is_blind_to_gain_and_offset_and_sees_inversion():
    target = ndimage.gaussian_filter(np.random.default_rng(1).normal(size=(24, 20)), 2)
    other = ndimage.gaussian_filter(np.random.default_rng(2).normal(size=(24, 20)), 2)

    def structure(image):
        return translation_outcome(image, target, case="c", method="m").structure

    assert structure(3 * target + 7) == pytest.approx(1, abs=1e-6)
    assert structure(5 - target) == pytest.approx(-1, abs=1e-6)
    assert structure(np.zeros_like(target)) == 0
    edges = [[ndimage.sobel(each, axis)[1:-1, 1:-1].ravel() for each in (other, target)] for axis in (0, 1)]
    expected = np.mean([np.corrcoef(*pair)[0, 1] for pair in edges])
    assert structure(other) == pytest.approx(expected, abs=1e-6)
    assert math.isnan(translation_outcome(np.ones((2, 2)), np.ones((2, 2)), case="c", method="m").structure)


def test_images_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="differ in size"):
        translation_outcome(np.zeros((2, 2)), np.zeros((2, 3)), case="c", method="m")
    with pytest.raises(InputError, match="not finite"):
        translation_outcome([[np.nan]], [[0.0]], case="c", method="m")
