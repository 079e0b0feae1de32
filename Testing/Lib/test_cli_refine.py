"""``xrayto3d refine`` and ``reconstruct --refine`` as a user runs them: any views, any start, files, clear errors."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from XRayTo3DLib.cli.main import main
from XRayTo3DLib.cli.refining import options_of
from XRayTo3DLib.dataset.dataset_folder import DatasetCase, DatasetFolder
from XRayTo3DLib.dataset.exposure_ranges import PoseRange
from XRayTo3DLib.dataset.landmarks_file import read_landmarks
from XRayTo3DLib.dataset.view_pairs import read_pair, write_pairs
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.imaging.radiograph_reader import read_radiograph
from XRayTo3DLib.methods.refiner import Refiner
from XRayTo3DLib.shape.closest_points import closest_points
from XRayTo3DLib.shape.meshes import make_surface, point_array, points_of, triangles_of
from XRayTo3DLib.shape.surfaces import read_surface, write_surface

Out = pytest.CaptureFixture[str]
SIDES = ("right", "left")
BONES = ("radius", "ulna")


@pytest.fixture(scope="module")
def people(wrists: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, DatasetCase]:
    """A left and a right person of the test people, who kept still for PA and LAT."""
    folder = shutil.copytree(wrists, tmp_path_factory.mktemp("still") / "wrists")
    dataset = DatasetFolder.open(folder)
    found = {side: next(case for case in dataset.cases() if case.side == side) for side in SIDES}
    names = {case.id for case in found.values()}
    still = DatasetFolder(**{**vars(dataset), "entries": tuple(e for e in dataset.entries if e.id in names)})
    write_pairs(still, ("PA", "LAT"), pose=PoseRange(0.0, 0.0), pixel_mm=1.0)
    return found


def view_words(case: DatasetCase, *views: str) -> list[str]:
    words = []
    for view in views:
        place = case.folder / "views" / view.lower()
        words += ["--view", f"{place / 'radiograph.nrrd'}:{place / 'camera.json'}"]
    return words


def origin_words(case: DatasetCase, *views: str) -> list[str]:
    words = []
    for view in views:
        pair = read_pair(case, view)
        column, row = pair.radiograph.camera.project(pair.frame_to_world.translation)
        words += ["--origin", f"{column:.2f},{row:.2f}"]
    return words


def both(case: DatasetCase) -> list[str]:
    return [*view_words(case, "PA", "LAT"), *origin_words(case, "PA", "LAT"), "--side", case.side]


def run(*words: object) -> int:
    return main(["refine", *map(str, words)])


def off_mm(case: DatasetCase, folder: Path, bone: str) -> float:
    """Mean distance of a bone's vertices to the truth where it lay, of those that the truth has room for, mm."""
    pair = read_pair(case, "PA")
    truth = case.meshes()[bone]
    posed = make_surface(pair.pose.apply(points_of(truth)), triangles_of(truth))
    distances = closest_points(posed, points_of(read_surface(folder / f"{bone}.vtp"))).distances
    return float(np.sort(distances)[: int(0.9 * len(distances))].mean())  # the models end before the shafts do


@pytest.fixture(scope="module")
def refined(people: dict[str, DatasetCase], shapes_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of a right and a left person, from the mean shape and two views."""
    folder = tmp_path_factory.mktemp("refined")
    for side, case in people.items():
        assert run("--model", shapes_bundle, *both(case), "--quick", "--landmarks", "-o", folder / side, "--json") == 0
    return folder


@pytest.fixture
def no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the bones, which takes a second: the folders of ``refined`` have it."""
    monkeypatch.setattr("XRayTo3DLib.evaluation.refinement_page.picture_of_bones", lambda *asked: b"\x89PNG")


@pytest.mark.parametrize("side", SIDES)
def test_bones_lie_where_the_radiographs_show_them(side: str, refined: Path, people: dict[str, DatasetCase]) -> None:
    record = json.loads((refined / side / "reconstruction.json").read_text())
    for bone in BONES:
        # The model is of six people: bones held 5 mm off or mirrored would be 4 mm or more away.
        assert off_mm(people[side], refined / side, bone) < 1.5
        surface = read_surface(refined / side / f"{bone}.vtp", merge_points=False)
        sd = point_array(surface, "NormalSD_mm")
        assert len(sd) == len(points_of(surface)) and np.all(np.isfinite(sd)) and sd.min() > 0
        told = record["uncertainty"][bone]
        assert told["mean_sd_mm"] == pytest.approx(sd.mean(), abs=1e-3) and told["p95_sd_mm"] >= told["mean_sd_mm"]
    assert np.linalg.det(np.array(record["frame_to_world"])[:3, :3]) == pytest.approx(1 if side == "right" else -1)
    assert record["side"] == side and record["method"] == "the mean shape + refinement" and record["synthetic"]
    assert any("--quick" in note for note in record["notes"])


def test_the_record_says_what_the_panel_shows(refined: Path) -> None:
    record = json.loads((refined / "right" / "reconstruction.json").read_text())
    views = record["quality"]["views"]
    assert [view["name"] for view in views] == record["views"] and len(views) == 2
    assert all(view["after"] > view["before"] and view["after"] > 0.5 for view in views)
    assert all(0 <= view["moved_deg"] < 3 and 0 <= view["moved_mm"] < 15 for view in views)
    assert isinstance(record["quality"]["warnings"], list)
    assert record["refinement"]["bundle"] == "bundle" and record["refinement"]["steps"] > 5
    assert record["refinement"]["start"] == "the mean shape" and record["refinement"]["views"] == "calibrated"
    assert len(record["refinement"]["pose_sd"]["ulna"]["rotation_deg"]) == 3
    measured = {each["name"]: each for each in record["measurements"]}
    assert set(measured) == {"radial_inclination", "volar_tilt", "radial_height", "ulnar_variance"}
    assert 10 < measured["radial_inclination"]["value"] < 40 and measured["radial_inclination"]["unit"] == "deg"
    assert all(each["definition"] and each["sd"] is None for each in measured.values())  # six people cannot tell
    assert {path.name for path in (refined / "right").iterdir()} == {*record["files"], "reconstruction.json"}


def test_a_left_limb_is_measured_as_a_right_one(refined: Path, people: dict[str, DatasetCase]) -> None:
    """The carried landmarks of a left wrist lie at that person's own, not at their mirror image."""
    for side in SIDES:
        pair = read_pair(people[side], "PA")
        found = read_landmarks(refined / side / "landmarks.mrk.json")
        for name, point in people[side].landmarks().items():
            if name in found:
                assert np.linalg.norm(pair.pose.apply(point) - found[name]) < 6.0, name


def test_computed_radiographs_lie_on_the_real_ones(refined: Path, people: dict[str, DatasetCase]) -> None:
    folder = refined / "right"
    for name in json.loads((folder / "reconstruction.json").read_text())["views"]:
        file = name.replace(" ", "_").replace("(", "_").replace(")", "_").strip("_")
        picture, difference = (read_radiograph(folder / f"{kind}_{file}.nrrd") for kind in ("drr", "residual"))
        real = read_pair(people["right"], "PA" if "PA" in name else "LAT").radiograph
        # The same detector, moved by a fraction of a degree and some mm; computed pictures have larger pixels.
        extent = np.multiply(picture.camera.size, picture.camera.spacing)
        assert extent == pytest.approx(np.multiply(real.camera.size, real.camera.spacing), rel=1e-3)
        assert np.linalg.norm(picture.camera.centre - real.camera.centre) < 25
        assert picture.camera.is_close(difference.camera, 1e-3)
        here = real.camera.project(picture.camera.pixel_to_world(np.array(picture.camera.size) // 2))
        share = np.array(picture.camera.size) // 2 / np.array(picture.camera.size)
        assert np.all(np.abs(here - share * real.camera.size) < 25)
        assert picture.synthetic and picture.pixels.max() > 0.3 and np.abs(difference.pixels).max() > 0


def test_the_page_holds_everything_itself(refined: Path) -> None:
    page = (refined / "left" / "report.html").read_text(encoding="utf-8")
    assert "Synthetic data" in page and "Research use only" in page and "radial inclination" in page
    assert page.count("data:image/png;base64,") == 3 and 'src="http' not in page
    for picture in (refined / "left").glob("overlay_*.png"):
        assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


@pytest.mark.usefixtures("no_picture")
def test_a_folder_is_a_start_and_says_side_and_place(
    refined: Path, people: dict[str, DatasetCase], shapes_bundle: Path, tmp_path: Path, capsys: Out
) -> None:
    case = people["left"]
    words = ["--model", shapes_bundle, *view_words(case, "PA", "LAT"), "--start", refined / "left", "--quick"]
    assert run(*words, "-o", tmp_path / "again", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    first = json.loads((refined / "left" / "reconstruction.json").read_text())
    assert told["side"] == "left" and told["method"] == "the mean shape + refinement"
    for now, before in zip(told["quality"]["views"], first["quality"]["views"], strict=True):
        assert now["before"] == pytest.approx(before["after"], abs=0.03)  # it begins where the other one ended
    assert max(off_mm(case, tmp_path / "again", bone) for bone in BONES) < 1.5
    assert run(*words, "--side", "right", "-o", tmp_path / "no") == 2
    assert "is of a left limb" in capsys.readouterr().err


@pytest.mark.usefixtures("no_picture")
def test_surfaces_of_some_bones_are_a_start(
    people: dict[str, DatasetCase], shapes_bundle: Path, tmp_path: Path, capsys: Out
) -> None:
    case = people["right"]
    pair, mesh = read_pair(case, "PA"), case.meshes()["radius"]
    aside = pair.pose.apply(points_of(mesh)) + [9.0, 0.0, 0.0]
    write_surface(make_surface(aside, triangles_of(mesh)), tmp_path / "r.stl")
    base = ["--model", shapes_bundle, *both(case), "--quick", "--steps", "1", "--json", "-o"]
    assert run(*base, tmp_path / "mean") == 0
    mean = json.loads(capsys.readouterr().out)["quality"]["views"][0]["before"]
    assert run("--start", f"radius={tmp_path / 'r.stl'}", *base, tmp_path / "out") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["quality"]["views"][0]["before"] < mean - 0.01 and told["refinement"]["start"] == "given surfaces"
    assert told["bones"] == list(BONES)


@pytest.mark.usefixtures("no_picture")
def test_one_view_does_not_know_the_depth(
    people: dict[str, DatasetCase], shapes_bundle: Path, tmp_path: Path, capsys: Out
) -> None:
    case = people["right"]
    words = [*view_words(case, "PA"), *origin_words(case, "PA"), "--side", "right", "--quick"]
    assert run("--model", shapes_bundle, *words, "-o", tmp_path / "out") == 0
    said = capsys.readouterr().out
    assert "SYNTHETIC" in said and "RESEARCH USE ONLY" in said and "likeness" in said and "NOTE" in said
    record = json.loads((tmp_path / "out" / "reconstruction.json").read_text())
    across, depth, along = record["refinement"]["pose_sd"]["radius"]["translation_mm"]  # PA: the beam runs along y
    assert depth > 5 > 2 > max(across, along)


@pytest.mark.usefixtures("no_picture")
def test_cameras_that_do_not_share_a_world(
    people: dict[str, DatasetCase], shapes_bundle: Path, tmp_path: Path, capsys: Out
) -> None:
    """The lateral's camera lies somewhere else entirely: refused, or with --uncalibrated put where laterals stand."""
    case = people["right"]
    place = case.folder / "views" / "lat"
    elsewhere = RigidPose.from_rotation([20.0, 50.0, -30.0], [300.0, -100.0, 40.0])
    XRayCamera.load(place / "camera.json").moved(elsewhere.matrix).save(tmp_path / "camera.json")
    words = ["--model", shapes_bundle, *view_words(case, "PA"), *origin_words(case, "PA", "LAT"), "--side", "right"]
    words += ["--view", f"{place / 'radiograph.nrrd'}:{tmp_path / 'camera.json'}", "--quick", "--json"]
    assert run(*words, "-o", tmp_path / "no") == 2
    assert "--uncalibrated" in capsys.readouterr().err
    assert run(*words, "--uncalibrated", "-o", tmp_path / "out") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["refinement"]["views"] == "positioned" and min(v["after"] for v in told["quality"]["views"]) > 0.5
    # Standard positioning is what these people did; the distance from the detector is assumed, and true.
    assert off_mm(case, tmp_path / "out", "radius") < 3.0


@pytest.mark.usefixtures("no_picture")
def test_reconstruct_refines_what_a_method_made(
    people: dict[str, DatasetCase], two_view_bundle: Path, shapes_bundle: Path, tmp_path: Path, monkeypatch, capsys: Out
) -> None:
    case = people["left"]
    monkeypatch.setattr("XRayTo3DLib.cli.refining.options_of", lambda: options_of(quick=True))
    words = ["reconstruct", "--model", str(two_view_bundle), *both(case), "--json", "-o"]
    assert main([*words, str(tmp_path / "plain")]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert main([*words, str(tmp_path / "out"), "--refine", str(shapes_bundle)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert plain["method"] == "tl-net" and told["method"] == "tl-net + refinement" and "quality" not in plain
    assert told["refinement"]["start"] == "tl-net" and told["measurements"] and told["missing"] == []
    assert all(f"{bone}: not found by the method" in " ".join(told["notes"]) for bone in plain["missing"])
    for bone in BONES:
        assert off_mm(case, tmp_path / "out", bone) < 1.5


@pytest.mark.usefixtures("no_picture")
def test_no_models_to_refine_with(
    people: dict[str, DatasetCase], two_view_bundle: Path, shapes_bundle: Path, tmp_path: Path, monkeypatch, capsys: Out
) -> None:
    case = people["right"]
    words = ["reconstruct", "--model", str(two_view_bundle), *both(case), "--refine", "auto", "--json", "-o"]
    monkeypatch.setattr("XRayTo3DLib.models.find.shipped_models_folder", lambda: tmp_path / "none")
    monkeypatch.setenv("XRAYTO3D_MODELS", str(tmp_path / "own"))
    monkeypatch.setattr("XRayTo3DLib.cli.refining.options_of", lambda: options_of(quick=True))
    assert main([*words, str(tmp_path / "plain")]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["method"] == "tl-net" and "no bundle of shape models of radius, ulna" in told["notes"][-1]
    shutil.copytree(shapes_bundle, tmp_path / "own" / "mine")
    assert main([*words, str(tmp_path / "out")]) == 0
    assert json.loads(capsys.readouterr().out)["refinement"]["bundle"] == "mine"


def test_an_interrupt_leaves_nothing(
    people: dict[str, DatasetCase], shapes_bundle: Path, tmp_path: Path, monkeypatch, capsys: Out
) -> None:
    usual = Refiner.steps

    def interrupted(self: Refiner, *more: object):
        yield next(iter(usual(self, *more)))
        raise KeyboardInterrupt

    monkeypatch.setattr(Refiner, "steps", interrupted)
    assert run("--model", shapes_bundle, *both(people["right"]), "-o", tmp_path / "out") == 130
    assert not (tmp_path / "out").exists() and "nothing half written" in capsys.readouterr().err


def test_what_cannot_be_refined(
    people: dict[str, DatasetCase],
    shapes_bundle: Path,
    two_view_bundle: Path,
    refined: Path,
    tmp_path: Path,
    capsys: Out,
) -> None:
    case = people["right"]
    view, at = view_words(case, "PA"), origin_words(case, "PA")
    model, side, out = ("--model", shapes_bundle), ("--side", "right"), ("-o", tmp_path / "out")
    RigidPose.identity().save(tmp_path / "pose.tfm")
    broken = shutil.copytree(refined / "right", tmp_path / "broken")
    record = json.loads((broken / "reconstruction.json").read_text())
    (broken / "reconstruction.json").write_text(json.dumps({**record, "frame_to_world": "somewhere"}))
    (tmp_path / "empty").mkdir()
    for words, message in (
        ((*model, *view, *side, *out), "give --origin"),
        ((*model, *view, *at, *out), "give --side"),
        ((*model, *view, *at, *side, "--pose", tmp_path / "pose.tfm", *out), "not both"),
        ((*model, *view, *at, *at, *side, *out), "there are 1 radiographs and 2 origins"),
        ((*model, *view, "--origin", "12;13", *side, *out), "'12;13' is not COLUMN,ROW"),
        ((*model, *view, *at, *side, "--uncalibrated", *out), "two radiographs or more"),
        ((*model, *view, *at, *side, "--steps", "0", *out), "--steps must be 1 or more"),
        (("--model", two_view_bundle, *view, *at, *side, *out), "is of method tl-net; shape-intensity-fit is needed"),
        ((*model, *view, *at, *side, "--start", tmp_path / "nowhere", *out), "there is no such folder"),
        ((*model, *view, *at, *side, "--start", tmp_path / "empty", *out), "there is no file"),
        ((*model, *view, *at, *side, "--start", broken, *out), "is damaged"),
        ((*model, *view, *at, *side, "--start", "a", "b", *out), "or BONE=MESH for each bone"),
        ((*model, *view, *at, *side, "--start", f"femur={refined / 'right' / 'ulna.vtp'}", *out), "no model of femur"),
        ((*model, *view, *side, "--origin=-2000,-1500", *out), "check pose, camera and field"),
    ):
        assert run(*words) == 2, words
        said = capsys.readouterr().err
        assert message in said and said.count("\n") <= 3, (words, said)
    assert not (tmp_path / "out").exists()
