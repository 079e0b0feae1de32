"""Measures, tables and pictures of dual-face depth: what spheres must give, and what a reader is told."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from depth_cases import ap_camera, sphere_z
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.dataset.depth_views import DepthView
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation import case_rendering
from XRayTo3DLib.evaluation.depth_figures import DepthPicture, depth_figure, volume_figure
from XRayTo3DLib.evaluation.depth_measures import (
    ABSOLUTE,
    ALIGNED,
    DepthOutcome,
    Faces,
    bone_numbers,
    correlation,
    depth_errors,
    faces_of,
    z_centre_shift,
)
from XRayTo3DLib.evaluation.depth_report import completion_parts, losses_parts
from XRayTo3DLib.evaluation.depth_tables import (
    BIDIRECTIONAL,
    SEEN,
    DepthModel,
    completion_table,
    kind_of,
    losses_table,
)
from XRayTo3DLib.methods.types import DepthPrediction
from XRayTo3DLib.shape.depth_surface import depth_surface
from XRayTo3DLib.shape.meshes import make_surface, points_of, triangles_of

CAMERA = ap_camera(96)
CENTRE = np.array([5.0, 2.0, -3.0])


def ball(radius: float, centre: np.ndarray = CENTRE) -> vtkPolyData:
    """A fine one: a cube's grid blown up, 3000 triangles of about the same size."""
    from vtkmodules.vtkFiltersModeling import vtkLinearSubdivisionFilter
    from vtkmodules.vtkFiltersSources import vtkPlatonicSolidSource

    source, finer = vtkPlatonicSolidSource(), vtkLinearSubdivisionFilter()
    source.SetSolidTypeToIcosahedron()
    finer.SetInputConnection(source.GetOutputPort())
    finer.SetNumberOfSubdivisions(4)
    finer.Update()
    points = points_of(finer.GetOutput())
    points = points / np.linalg.norm(points, axis=1, keepdims=True) * radius + centre
    return make_surface(points, triangles_of(finer.GetOutput()))


# ---- measures --------------------------------------------------------------------------------------------------------


def test_the_shift_is_that_of_the_means_where_both_show_the_bone() -> None:
    wanted = np.array([[800.0, 810.0, np.nan], [820.0, np.nan, 700.0]])
    found = wanted - 7.5
    found[1, 2] = np.nan
    found[0, 2] = 999.0
    assert z_centre_shift(found, wanted) == pytest.approx(7.5)
    assert depth_errors(found, wanted) == pytest.approx((7.5, 7.5))
    assert depth_errors(found + 7.5, wanted) == pytest.approx((0.0, 0.0))
    assert math.isnan(z_centre_shift(np.full(3, np.nan), np.zeros(3)))
    assert np.isnan(depth_errors(np.full(3, np.nan), np.zeros(3))).all()
    with pytest.raises(InputError, match="shape"):
        z_centre_shift(found, wanted[:1])


def test_depth_errors_are_mean_and_root_mean_square() -> None:
    mae, rmse = depth_errors([800, 800, 800, 800], [801, 797, 800, 800])
    assert mae == pytest.approx(1.0) and rmse == pytest.approx(math.sqrt(10 / 4))


def test_correlation_is_numpys() -> None:
    one, two = np.random.default_rng(0).normal(0, 1, (2, 20)) + [[0], [3]]
    two += one
    assert correlation([*one, math.nan], [*two, 1.0]) == (pytest.approx(np.corrcoef(one, two)[0, 1]), 20)
    assert math.isnan(correlation([1, 2], [1, 2])[0]) and math.isnan(correlation([1, 1, 1], [1, 2, 3])[0])


def test_a_ball_one_millimetre_larger() -> None:
    truth, larger = ball(40.0), ball(41.0)
    numbers = bone_numbers(CAMERA, truth, Faces(*sphere_z(CAMERA, CENTRE, 40.0)), larger, whole=True)
    assert numbers["assd_mm"] == pytest.approx(1.0, abs=0.05) == numbers["whole_assd_mm"]
    assert numbers["hd95_mm"] == pytest.approx(1.0, abs=0.1)
    ratio = numbers["volume_mm3"] / numbers["true_volume_mm3"]
    assert ratio == pytest.approx((41 / 40) ** 3, rel=0.005)
    assert numbers["points"] == 1024 and numbers["emd_mm"] > 1.0 and numbers["cd_l2_mm2"] > 2.0
    assert 0.9 < numbers["depth_mae_mm"] < 3.0


def test_the_depth_of_a_surface_is_that_of_the_ball() -> None:
    front, back = sphere_z(CAMERA, CENTRE, 40.0)
    for found, exact in zip(faces_of(CAMERA, ball(40.0)), (front, back), strict=True):
        both = np.isfinite(found) & np.isfinite(exact)
        assert both.sum() > 1000 and np.abs(found - exact)[both].mean() < 0.1


def test_beyond_the_picture_nothing_is_measured() -> None:
    centre = np.array([0.0, 0.0, -85.0])
    truth, faces = ball(40.0, centre), Faces(*sphere_z(CAMERA, centre, 40.0))
    cut = depth_surface(CAMERA, *faces)
    numbers = bone_numbers(CAMERA, truth, faces, cut, faces, whole=True)
    assert numbers["assd_mm"] < 0.2 and numbers["hd95_mm"] < 0.8
    assert numbers["whole_assd_mm"] > 2.0
    assert numbers["depth_mae_mm"] == 0.0 and numbers["volume_mm3"] == numbers["true_volume_mm3"] > 0


def test_the_front_alone_is_far_from_the_whole_and_has_no_volume() -> None:
    truth, (front, back) = ball(40.0), sphere_z(CAMERA, CENTRE, 40.0)
    both = bone_numbers(CAMERA, truth, Faces(front, back), depth_surface(CAMERA, front, back), Faces(front, back))
    one = bone_numbers(CAMERA, truth, Faces(front, back), depth_surface(CAMERA, front, None), Faces(front, None))
    assert one["assd_mm"] > 10 * both["assd_mm"] and math.isnan(one["volume_mm3"])
    assert one["depth_mae_mm"] == 0.0


def test_a_lost_bone_is_empty() -> None:
    numbers = bone_numbers(CAMERA, ball(40.0), Faces(*sphere_z(CAMERA, CENTRE, 40.0)), None)
    assert numbers["empty"] is True and "assd_mm" not in numbers and numbers["true_volume_mm3"] > 0


# ---- tables ----------------------------------------------------------------------------------------------------------

MODELS = [
    DepthModel("front only", "128", "single", "SI", "independent", "no"),
    DepthModel("both", "128", "dual", "CASI", "independent", "yes"),
]


def outcomes(methods: tuple[str, ...], bones: tuple[str, ...] = ("femur_right", "femur_left", "pelvis_right")) -> list:
    """Five people, two radiographs each; the first method is 2 mm worse; absolute is 10 mm worse."""
    found = []
    for person in range(5):
        for view in range(2):
            for place, method in enumerate(methods):
                for bone in bones:
                    for alignment in (ALIGNED, ABSOLUTE):
                        error = 1.0 + 2 * (place == 0) + 0.1 * person + 10 * (alignment == ABSOLUTE)
                        found.append(
                            DepthOutcome(
                                f"p-{person} ap-{view}", f"p-{person}", "healthy" if person < 3 else "ill", method,
                                bone, alignment, -10.0, error, 2 * error, 3 * error, error**2, error, error,
                                200.0 + person, 200.0 + 2 * person, 4 * error, 512, 3,
                            )
                        )  # fmt: skip
    return found


def test_the_losses_table_has_the_papers_columns_and_tells_counts_and_seed() -> None:
    table = losses_table(MODELS, outcomes(("front only", "both")), ALIGNED)
    assert table.header[:6] == ("Model", "Pixels", "Faces", "Loss", "Aggregation", "Pretrained")
    assert table.rows[1][:7] == ("both", "128", "dual", "CASI", "independent", "yes", "1.20 / 1.20")
    assert table.rows[0][6] == "3.20 / 3.20" and table.rows[1][-1] == "1.000 / 1.000"
    text = table.text()
    assert "512 points" in text and "seed 3" in text and "centre-aligned loss" in text
    assert "4.78" in text and "theirs" in text and "femur / pelvis" in text
    absolute = losses_table(MODELS, outcomes(("front only", "both")), ABSOLUTE)
    assert absolute.rows[1][6] == "11.20 / 11.20" and len(absolute.rows) == 2 and "512 points" in absolute.text()


def test_a_table_of_other_bones_shows_no_figures_of_hips() -> None:
    table = losses_table(MODELS, outcomes(("front only", "both"), ("radius",)), ALIGNED)
    assert len(table.rows) == 2 and "Gu et al." not in table.text() and table.rows[1][6] == "1.20"


def test_the_data_behind_the_table_is_per_patient() -> None:
    table = losses_table(MODELS, outcomes(("front only", "both")), ALIGNED)
    row = dict(zip(table.data_header, table.data[2], strict=True))
    assert (row["model"], row["bone"], row["patients"], row["outcomes"], row["empty"]) == ("both", "femur", 5, 20, 0)
    values = 1.0 + 0.1 * np.arange(5)
    assert row["assd_mm_mean"] == pytest.approx(values.mean())
    assert row["assd_mm_sd"] == pytest.approx(values.std(ddof=1))
    assert row["volume_r"] == pytest.approx(1.0) and row["volume_pairs"] == 20


def test_the_completion_table_goes_by_group_and_all_together() -> None:
    table = completion_table(outcomes((SEEN, BIDIRECTIONAL)), ALIGNED)
    headings = [row[0] for row in table.rows if len(row) == 1]
    assert headings == ["Healthy (3 people)", "Ill (2 people)", "All (5 people)"]
    assert table.rows[1][:2] == (SEEN, "3.10 / 3.10") and table.rows[2][:2] == (BIDIRECTIONAL, "1.10 / 1.10")
    theirs = [row for row in table.rows if row[0].startswith("Gu et al.")]
    assert len(theirs) == 3 and table.rows.index(theirs[0]) == 3 and theirs[-1][1] == "2.11 / 1.91"
    nameless = completion_table([replace(o, group="") for o in outcomes((SEEN, BIDIRECTIONAL))], ALIGNED)
    assert [row[0] for row in nameless.rows if len(row) == 1] == ["All (5 people)"]


def test_no_outcome_makes_no_table() -> None:
    with pytest.raises(InputError, match="aligned"):
        losses_table(MODELS, [], ALIGNED)


def test_sides_are_taken_together() -> None:
    assert [kind_of(bone) for bone in ("femur_right", "femur_left", "radius")] == ["femur", "femur", "radius"]


# ---- pictures --------------------------------------------------------------------------------------------------------


def picture(shift: float = 4.0) -> DepthPicture:
    """Two balls that overlap in the picture, found too far away."""
    pairs = [sphere_z(CAMERA, CENTRE, 40.0), sphere_z(CAMERA, CENTRE + [30, 20, 0], 25.0)]
    front, back = (np.stack(each).astype(np.float32) for each in zip(*pairs, strict=True))
    labels = ("femur_right", "pelvis_right")
    view = DepthView("p-0", "p-0", "", "ap-1", labels, np.nan_to_num(back - front).sum(0), CAMERA, front, back, back)
    found = DepthPrediction(front + shift, back + shift, np.isfinite(front), CAMERA, labels)
    truth = {"femur_right": ball(40.0), "pelvis_right": ball(25.0, CENTRE + [30, 20, 0])}
    own = [o for o in outcomes(("both",)) if o.case == "p-0 ap-0" and o.alignment == ALIGNED and o.bone in labels]
    return DepthPicture("Best", "p-0 ap-1", view, found, truth, truth, own)


def test_pictures_are_drawn_and_show_the_error() -> None:
    one, two = depth_figure([picture()], title="Depth"), depth_figure([picture(-4.0)], title="Depth")
    assert one[:8] == b"\x89PNG\r\n\x1a\n" and one != two and one == depth_figure([picture()], title="Depth")
    with pytest.raises(InputError, match="radiograph"):
        depth_figure([], title="Depth")
    single = picture()
    single = replace(single, found=replace(single.found, back_mm=None))
    width = [int.from_bytes(png[16:20], "big") for png in (depth_figure([single], title="Depth"), one)]
    assert width[0] < width[1]  # two panels fewer


def test_volumes_are_drawn() -> None:
    assert volume_figure(outcomes(("a", "b")), title="Volumes")[:4] == b"\x89PNG"
    with pytest.raises(InputError, match="volume"):
        volume_figure([replace(o, volume_mm3=math.nan) for o in outcomes(("a",))], title="Volumes")


def test_reports_have_their_tables_pictures_and_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(case_rendering, "SUPERSAMPLING", 1)  # four times as fast
    found = outcomes(("front only", "both"))
    found[-4] = replace(found[-4], empty=True, assd_mm=math.nan)
    parts = losses_parts(MODELS, found, [picture()], shown="both", synthetic=True)
    assert [table.title for table in parts[0].tables] == ["Depth losses, aligned", "Depth losses, absolute"]
    names = [each.name for each in parts[0].pictures]
    assert names == ["depth-losses-boxes", "depth-losses-depth", "depth-losses-surfaces", "depth-losses-volumes"]
    assert parts[0].warnings == ("both gave no femur_left in 1 of 10 cases.",)
    completed = completion_parts(outcomes((SEEN, BIDIRECTIONAL)))
    assert [each.name for each in completed[0].pictures] == ["completion-boxes", "completion-volumes"]
