"""Comparison, files, colour map and report: the numbers shown are the numbers stored."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from solids import cube, sphere
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.comparison import DISTANCE_ARRAY, SIGNED_ARRAY, WEIGHT_ARRAY, compare
from XRayTo3DLib.evaluation.comparison_files import write_comparison
from XRayTo3DLib.evaluation.distance_figure import distance_figure
from XRayTo3DLib.shape.meshes import make_surface, point_array, points_of, triangle_areas, triangles_of
from XRayTo3DLib.shape.surfaces import field_text, read_surface, set_field_text, write_surface

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("private_folder_name")
    reference = write_surface(sphere(20, 60), folder / "reference.ply")
    result = write_surface(sphere(21, 50, centre=(0.7, 0, 0)), folder / "result.stl")
    comparison = compare(reference, result, samples=20_000, seed=4)
    return comparison, write_comparison(comparison, folder / "out"), folder


def test_every_file_is_written_and_nothing_else(written):
    _, paths, folder = written
    names = {p.name for p in (folder / "out").iterdir()}
    assert names == {"distance.png", "distance.vtp", "metrics.json", "report.html"}
    assert set(paths) == {"metrics", "distance_map", "picture", "report"}


def test_json_holds_both_definitions_counts_and_names_only(written):
    comparison, paths, _ = written
    text = paths["metrics"].read_text()
    content = json.loads(text)
    assert content["format"] == "xrayto3d.metrics/1"
    assert (content["reference"], content["result"]) == ("reference.ply", "result.stl")
    assert "private_folder_name" not in text + paths["report"].read_text()
    assert content["seed"] == 4
    assert content["directions"]["reference_to_result"]["area_points"] == 20_000
    assert content["vertex_counts"]["reference"] == comparison.area.reference_to_result.vertex_distances.size
    assert content["metrics"]["assd"] == comparison.area.assd
    assert content["metrics"]["vertices_asd"] == comparison.vertices.assd != comparison.area.assd
    assert set(content["definitions"]) == set(content["metrics"])
    assert all(d["unit"] in ("mm", "%") and d["definition"].endswith(".") for d in content["definitions"].values())


@pytest.mark.usefixtures("no_picture")
@pytest.mark.parametrize("ignore", [False, True])
def test_colour_map_means_are_the_tables_rows(tmp_path, ignore):
    comparison = compare(cube(30, open_top=True), sphere(18, 40, centre=(15, 15, 15)), ignore_boundary=ignore)
    surface = read_surface(write_comparison(comparison, tmp_path)["distance_map"], merge_points=False)
    distances, weights = point_array(surface, DISTANCE_ARRAY), point_array(surface, WEIGHT_ARRAY)
    counted = weights > 0
    assert counted.all() != ignore
    assert distances[counted].mean() == pytest.approx(comparison.value("map_vertex_mean"), abs=1e-6)
    assert np.average(distances, weights=weights) == pytest.approx(comparison.value("map_area_mean"), abs=1e-6)
    signed = point_array(surface, SIGNED_ARRAY)
    assert np.average(signed, weights=weights) == pytest.approx(comparison.value("map_signed_area_mean"), abs=1e-6)
    assert np.array_equal(np.abs(signed), distances)
    assert surface.GetPointData().GetScalars().GetName() == DISTANCE_ARRAY


def test_area_mean_of_the_map_is_the_mean_over_its_triangles(written):
    comparison, paths, _ = written
    surface = read_surface(paths["distance_map"], merge_points=False)
    triangles = triangles_of(surface)
    area = triangle_areas(points_of(surface), triangles)
    per_triangle = point_array(surface, DISTANCE_ARRAY)[triangles].mean(axis=1)
    mean = (area * per_triangle).sum() / area.sum()
    assert mean == pytest.approx(comparison.value("map_area_mean"), rel=1e-5)
    assert mean == pytest.approx(comparison.value("asd_result_to_reference"), abs=0.05)


def test_signed_map_is_positive_outside(written):
    comparison, _, _ = written
    signed = point_array(comparison.distance_map, SIGNED_ARRAY)
    assert signed[np.argmax(points_of(comparison.distance_map)[:, 0])] == pytest.approx(1.7, abs=0.02)


def test_report_is_self_contained_and_complete(written):
    comparison, paths, _ = written
    html = paths["report"].read_text(encoding="utf-8")
    assert not re.search(r"https?://|<script|<link|@import", html)
    assert html.count("data:image/png;base64,") == 1
    for word in ("ASSD", "HD95", "Research use only", "reference.ply", "result.stl", f"{comparison.area.assd:.3f} mm"):
        assert word in html
    assert "Synthetic" not in html


@pytest.mark.usefixtures("no_picture")
def test_synthetic_is_said_everywhere(tmp_path):
    made_up = sphere(21)
    set_field_text(made_up, "synthetic", "yes")
    write_surface(made_up, tmp_path / "made_up.vtp")
    paths = write_comparison(compare(sphere(20), tmp_path / "made_up.vtp", samples=2000), tmp_path / "out")
    assert "Synthetic data" in paths["report"].read_text(encoding="utf-8")
    assert json.loads(paths["metrics"].read_text())["synthetic"] is True
    assert field_text(read_surface(paths["distance_map"]), "synthetic")
    assert compare(sphere(20), sphere(21), samples=2000, synthetic=True).synthetic
    assert not compare(sphere(20), sphere(21), samples=2000).synthetic


@pytest.mark.usefixtures("no_picture")
def test_markup_in_file_names_cannot_enter_the_report(tmp_path):
    names = ("<b>bold</b>", "a&b")
    page = write_comparison(compare(sphere(20), sphere(21), samples=2000, names=names), tmp_path)["report"].read_text()
    assert "<b>bold" not in page
    assert "&lt;b&gt;bold" in page


@pytest.mark.usefixtures("no_picture")
def test_warnings_reach_the_report_and_the_json(tmp_path):
    comparison = compare(cube(30, open_top=True), cube(31), samples=2000)
    paths = write_comparison(comparison, tmp_path)
    assert "Not closed: the reference" in paths["report"].read_text()
    assert json.loads(paths["metrics"].read_text())["warnings"] == list(comparison.warnings) != []


def test_surfaces_in_metres_are_refused_too():
    with pytest.raises(InputError, match="Result result looks like metres.*--result-unit m"):
        compare(sphere(20), sphere(0.021))


def test_bad_options_are_told():
    with pytest.raises(InputError, match="at least 1000"):
        compare(sphere(20), sphere(21), samples=10)
    comparison = compare(sphere(20), sphere(21), samples=2000)
    with pytest.raises(InputError, match="give a positive number"):
        distance_figure(comparison, range_mm=0)


@pytest.mark.parametrize("side", [None, "left", "right"])
def test_picture_is_a_png_whatever_the_side(side):
    assert distance_figure(compare(sphere(20, 20), sphere(21, 20), samples=2000), side=side).startswith(PNG)


def test_same_input_same_files(tmp_path):
    for name in ("one", "two"):
        write_comparison(compare(sphere(20, 20), sphere(21, 20), samples=2000), tmp_path / name)
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes(), file.name


def test_surfaces_in_memory_are_checked_as_files_are():
    whole = cube()
    broken = make_surface([[0, 0, 0], [30, 0, 0], [0, float("nan"), 0]], [[0, 1, 2]])
    with pytest.raises(InputError, match="no points"):
        compare(whole, vtkPolyData())
    with pytest.raises(InputError, match="not finite"):
        compare(whole, broken)
