"""A model asked for something that it was not made for: said before it is asked, and in every form of the result."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_methods_reconstruct import PERSON, Oracle, exposed, exposed_from, reconstructor

from XRayTo3DLib.cli.main import main
from XRayTo3DLib.dataset.canonical_view import CanonicalView
from XRayTo3DLib.dataset.standard_geometry import StandardGeometry
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.imaging import write_radiograph
from XRayTo3DLib.imaging.types import Radiograph
from XRayTo3DLib.methods.scope import Expected, Exposed, expected_of, outside
from XRayTo3DLib.methods.types import Reconstruction
from XRayTo3DLib.models import load_bundle
from XRayTo3DLib.models.find import shipped_models_folder
from XRayTo3DLib.shape.meshes import make_surface

VIEWS = {"PA": CanonicalView("PA", 48, 2.0), "LAT": CanonicalView("LAT", 48, 2.0)}
FRAME = RigidPose.identity()


def expected(*views: str, **changes: Any) -> Expected:
    known = {"anatomy": "distal forearm", "labels": ("radius", "ulna"), "turned_deg": 15.0, "bones_alone": True}
    known |= {"views": tuple(VIEWS[view] for view in views), "synthetic": False}
    return Expected(**{**known, **changes})


def shot(taken: str = "PA", **changes: Any) -> Exposed:
    """As the model was trained: the view's own camera on a larger detector, finer."""
    camera = CanonicalView(taken, 240, 0.5).camera()
    return replace(Exposed(f"the {taken}", camera, taken, "R", synthetic=True), **changes)


def codes(model: Expected, *shots: Exposed, side: str = "right", frame: RigidPose | None = FRAME, **how: Any) -> list:
    found = outside(model, shots, side, frame, **how)
    assert all(each.text.endswith(".") and each.text.isprintable() for each in found)
    return [each.code for each in found]


def test_what_it_was_made_for_is_not_spoken_of() -> None:
    assert codes(expected("PA"), shot()) == []
    assert codes(expected("PA", "LAT"), shot(), shot("LAT", view="LL")) == []
    assert codes(expected("PA"), shot(view="", laterality=""), frame=None) == []


@pytest.mark.parametrize(
    ("part", "anatomy", "found"),
    [
        ("KNEE", "distal forearm", ["other-anatomy"]),
        ("CHEST", "distal forearm", ["other-anatomy"]),
        ("WRIST", "distal forearm", []),
        ("HAND", "wrist", []),
        ("HIP", "hip", []),
        ("", "knee", []),
        ("SOMETHING ELSE", "knee", []),
    ],
)
def test_another_body_part(part: str, anatomy: str, found: list[str]) -> None:
    assert codes(expected("PA", anatomy=anatomy), shot(body_part=part)) == found


def test_another_side() -> None:
    assert codes(expected("PA"), shot(laterality="L")) == ["other-side"]
    both = expected(labels=("femur_left", "femur_right"), view="AP", bones_alone=False)
    assert codes(both, shot(view="AP"), side="", frame=None) == ["other-side"]
    assert codes(both, shot(view="AP", laterality=""), side="", frame=None) == []


def test_another_view_or_number_of_views() -> None:
    assert codes(expected("PA"), shot(view="LAT")) == ["other-view"]
    assert codes(expected("PA", "LAT"), shot()) == ["number-of-views"]
    assert codes(expected("PA", "LAT"), shot(), shot()) == ["other-view", "one-camera", "angle"]


def test_views_that_do_not_share_a_world() -> None:
    pair = shot(assumed_placement=True), shot("LAT", assumed_placement=True)
    assert codes(expected("PA", "LAT"), *pair) == ["not-calibrated"]
    assert codes(expected("PA", "LAT"), *pair, positioned=True) == []


def at_distance(share: float) -> Exposed:
    """The source that many times as far from the joint, by hand from the standard formula."""
    far = CanonicalView("PA", 240, 0.5, 955.0 * share)
    return shot(camera=far.camera())


@pytest.mark.parametrize(("share", "found"), [(0.88, ["distance"]), (0.92, []), (1.08, []), (1.12, ["distance"])])
def test_another_distance(share: float, found: list[str]) -> None:
    assert codes(expected("PA"), at_distance(share)) == found


@pytest.mark.parametrize(("turn", "found"), [(14.0, []), (16.0, ["angle"]), (-20.0, ["angle"])])
def test_another_angle(turn: float, found: list[str]) -> None:
    centre = np.array(VIEWS["PA"].centre_mm)
    swung = RigidPose.from_rotation([0, 0, turn], [0, 0, 0], centre)
    camera = shot().camera.moved(swung.matrix)
    assert [code for code in codes(expected("PA"), shot(camera=camera)) if code == "angle"] == found


def test_from_behind_and_where_cameras_are_known() -> None:
    behind = shot(camera=CanonicalView("AP", 240, 0.5, 955.0).camera())
    assert "from-behind" in codes(expected("PA"), behind)
    assert "from-behind" not in codes(expected("PA", calibrated=True), behind)


def test_coarse_pixels_and_a_small_field() -> None:
    coarse = shot(camera=CanonicalView("PA", 40, 3.5).camera())
    assert codes(expected("PA"), coarse) == ["coarse-pixels"]
    small = shot(camera=CanonicalView("PA", 160, 0.5).camera())  # 80 of the 96 mm that the model looks at
    (found,) = outside(expected("PA"), [small], "right", FRAME)
    assert found.code == "field-of-view"
    assert float(found.text.split("shows ")[1].split(" %")[0]) == pytest.approx(100 * (80 / 96) ** 2, abs=8)


def test_actual_radiographs() -> None:
    model, actual = expected("PA", synthetic=True), shot(synthetic=False, absolute=False)
    assert codes(model, actual) == ["actual-radiograph", "not-translated", "grey-values"]
    assert codes(model, actual, translated=True) == ["actual-radiograph"]
    assert codes(replace(model, synthetic=False), actual, translated=True) == []
    shapes = expected(synthetic=True, bones_alone=False)
    assert codes(shapes, actual) == ["actual-radiograph"]


def test_what_bundles_say_of_themselves() -> None:
    found = {path.name: expected_of(load_bundle(path).bundle) for path in shipped_models_folder().glob("*-demo")}
    wrist, knee, hips, shapes = (
        found[f"{name}-demo"] for name in ("wrist-pa", "knee-ap-lat", "hips-ap", "wrist-shapes")
    )
    assert wrist.view_names == ("PA",) and wrist.turned_deg == 15.0 and wrist.bones_alone and not wrist.calibrated
    assert knee.view_names == ("AP", "LAT") and knee.turned_deg == 15.0 + 12.0 and knee.calibrated
    assert hips.view_names == ("AP",) and not hips.bones_alone
    assert shapes.view_names == () and not shapes.bones_alone
    assert all(each.synthetic for each in found.values())


# ---- in the result -------------------------------------------------------------------------------------------------


def test_the_result_says_it_to_whoever_asked() -> None:
    model = reconstructor(("PA",), Oracle())
    model.anatomy, model.synthetic = "distal forearm", True
    known = exposed("PA", False)
    assert [each.code for each in model.reconstruct([known], PERSON).outside] == []
    actual = replace(known, synthetic=False, view="LAT", laterality="L")
    found = model.reconstruct([actual], PERSON)
    assert [each.code for each in found.outside] == ["other-side", "other-view", "actual-radiograph", "not-translated"]
    assert found.outside == model.outside([actual], PERSON)


def test_pictures_of_more_than_bones_are_told() -> None:
    model, known = reconstructor(("PA",), Oracle()), exposed("PA", False)
    limb = replace(known, pixels=known.pixels + np.float32(1.0))
    (found,) = model.reconstruct([limb], PERSON).outside
    assert found.code == "not-bones-alone" and "100 % of the picture are opaque" in found.text


def test_a_swung_view_is_told() -> None:
    model = reconstructor(("PA",), Oracle())
    model.data = replace(model.data, pose=replace(model.data.pose, rotation_deg=(2.0, 2.0, 2.0)))
    swung = RigidPose.from_rotation([0, 0, 12.0], [0, 0, 0], VIEWS["PA"].centre_mm)
    found = model.reconstruct([exposed_from("PA", swung, False)], PERSON)
    assert [each.code for each in found.outside] == ["angle"] and "12 degrees off" in found.outside[0].text


def test_the_page_begins_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from XRayTo3DLib.evaluation import refinement_page

    monkeypatch.setattr(refinement_page, "picture_of_bones", lambda *_: b"png")
    bone = make_surface(np.eye(3), np.array([[0, 1, 2]]))
    found = outside(expected("PA"), [shot(laterality="L", name="<b>x</b>")], "right")
    result = Reconstruction({"radius": bone}, np.eye(4), "tl-net", ("x",), outside=found)
    text = refinement_page.refinement_page(result, {}, "SD", 1.0, {}, lead="x")
    assert '<div class="warning" role="note">&lt;b&gt;x&lt;/b&gt; says side L, but right was chosen.</div>' in text


def test_the_standard_geometry_says_the_same_with_and_without_pixels() -> None:
    geometry = StandardGeometry(64, 120.0, 1000.0, "PA")
    picture = exposed("PA", False)
    camera = CanonicalView("PA", 300, 0.4, 780.0).camera()
    for view, size in (("PA", 300), ("", 300), ("", 240)):
        camera = CanonicalView("PA", size, 0.4, 780.0).camera()
        pixels = np.zeros((size, size), np.float32)
        one = replace(picture, pixels=pixels, camera=camera, view=view)
        assert geometry.noticed(Exposed.of(one)) == geometry.resampled(one)[2]
    with pytest.raises(InputError, match="shows view LAT"):
        geometry.noticed(Exposed("x", camera, "LAT"))


@pytest.fixture
def other_person(tmp_path: Path) -> Radiograph:
    """A left knee's lateral that is no computed radiograph, from too far away."""
    view = CanonicalView("PA", 120, 1.0, 1300.0)
    known = exposed("PA", False, RigidPose.identity())
    pixels = np.linspace(1.0, 2.0, 120 * 120, dtype=np.float32).reshape(120, 120)
    actual = replace(known, pixels=pixels, camera=view.camera(), view="LAT", laterality="L", synthetic=False)
    facts = replace(actual.facts, body_part="KNEE", sdd_from="file")
    return replace(actual, facts=facts, name="knee")


def test_the_command_says_it_before_and_in_the_record(
    other_person: Radiograph, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from XRayTo3DLib.methods.reconstruct import GridReconstructor

    write_radiograph(other_person, tmp_path / "knee.nrrd")
    RigidPose.identity().save(tmp_path / "pose.tfm")
    usual, said_before = GridReconstructor.reconstruct_images, []

    def asked(self: Any, *more: Any) -> Any:
        said_before.append(capsys.readouterr().err)
        return usual(self, *more)

    monkeypatch.setattr(GridReconstructor, "reconstruct_images", asked)
    words = ["--model", "wrist-pa-demo", "--view", tmp_path / "knee.nrrd", "--pose", tmp_path / "pose.tfm"]
    assert main([*map(str, ("reconstruct", *words, "--side", "right", "-o", tmp_path / "out", "--json"))]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [each["code"] for each in told["outside"]] == [
        "other-anatomy",
        "other-side",
        "other-view",
        "distance",
        "actual-radiograph",
        "not-translated",
        "not-bones-alone",
    ]
    for each in told["outside"]:
        assert f"WARNING: {each['text']}\n" in said_before[0]
    assert told["model_checksum"] == load_bundle(shipped_models_folder() / "wrist-pa-demo").checksum
    assert json.loads((tmp_path / "out" / "reconstruction.json").read_text())["outside"] == told["outside"]
