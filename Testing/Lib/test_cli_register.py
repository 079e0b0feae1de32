"""``xrayto3d register``: files, words and directions of a whole registration on the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from phantoms_analytic import BONE, BONE_CAMERAS, bone_ct
from phantoms_limb import CAMERAS, NEIGHBOUR, bare_ct, limb_ct, limb_pictures, pictures
from PIL import Image

from XRayTo3DLib.cli.main import main
from XRayTo3DLib.cli.register import split_view
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import safe_file_name
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.imaging.attenuation import attenuation_of
from XRayTo3DLib.imaging.ct_writer import write_ct, write_labels
from XRayTo3DLib.imaging.radiograph_header import write_radiograph
from XRayTo3DLib.imaging.types import IntensityNote, Radiograph, SpacingSource
from XRayTo3DLib.projection.drr import DrrProjector
from XRayTo3DLib.projection.mesh_attenuation import mesh_attenuation
from XRayTo3DLib.registration.response import METAL_SCATTER, Response
from XRayTo3DLib.shape.meshes import make_surface
from XRayTo3DLib.shape.surfaces import write_surface

TRUTH = RigidPose.from_rotation((3, -4, 2), (2, 1, -3))
CENTRE = attenuation_of(bone_ct(), "bone").centre_lps
SECOND = RigidPose.from_rotation((-2, 3, 3), (0, -2, 2), TRUTH.apply((27, 1, 5))) @ TRUTH
"""Where the picture has the second of two bones."""
QUICK = ["--starts", "3", "--screened", "32", "--pixel-sizes", "1.6", "0.8"]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CT, labels, a start, and each view as NRRD and as a 16-bit PNG with its camera."""
    folder = tmp_path_factory.mktemp("register")
    ct = bone_ct()
    write_ct(ct, folder / "ct.nrrd")
    write_labels(ct, folder / "labels.seg.nrrd")
    whole = attenuation_of(ct)
    projector = DrrProjector(whole.mu, whole.voxel_to_lps)
    for view, camera in BONE_CAMERAS.items():
        with torch.no_grad():
            pixels = projector(camera, TRUTH).numpy()
        note = IntensityNote("line-integral", None, True, "DRR")
        radiograph = Radiograph(pixels, camera, note, SpacingSource.DETECTOR, view, name=view)
        write_radiograph(radiograph, folder / f"{view.lower()}.nrrd")
        counts = np.round(60000 * np.exp(-pixels)).astype(np.uint16)
        Image.fromarray(counts).save(folder / f"{view.lower()}.png")
        camera.save(folder / f"{view.lower()}.json")
    start = RigidPose.from_rotation((2.5, -2, 3), (2, -2, 2), TRUTH.apply(CENTRE)) @ TRUTH
    start.save(folder / "start.tfm")
    return folder


@pytest.fixture
def case(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy to work in, with the working directory inside it."""
    shutil.copytree(template, tmp_path / "case")
    monkeypatch.chdir(tmp_path / "case")
    return tmp_path / "case"


def register(*options: str, views: tuple[str, ...] = ("pa.nrrd", "lat.nrrd"), ct: str = "ct.nrrd") -> int:
    given = [part for view in views for part in ("--view", view)]
    labels = ["--labels", "labels.seg.nrrd"] if ct == "ct.nrrd" else []
    return main(["register", "--ct", ct, *labels, *given, "--initial", "start.tfm", "-o", "out", *QUICK, *options])


def test_a_registration_s_files_and_words(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert register() == 0
    captured = capsys.readouterr()
    names = sorted(path.name for path in (case / "out").iterdir())
    assert names == ["overlay_1_PA.png", "overlay_2_LAT.png", "pose.tfm", "registration.json"]
    found = RigidPose.load("out/pose.tfm")
    degrees, millimetres = found.distance_to(TRUTH, CENTRE)
    assert degrees < 0.5 and millimetres < 0.2
    content = json.loads((case / "out/registration.json").read_text())
    assert RigidPose(content["pose_ct_to_world"]).distance_to(found, CENTRE)[1] < 1e-6
    assert f"verdict: {content['verdict']}. {content['reason']}" in captured.out
    assert content["verdict"] == "converged" and "PA: similarity" in captured.out
    for name in names:
        assert f"wrote out/{name}" in captured.out
    picture = np.asarray(Image.open(case / "out/overlay_1_PA.png").convert("RGB")).astype(int)
    turquoise = (np.abs(picture - [0x2E, 0xE6, 0xD6]).sum(axis=2) < 60).sum()
    assert min(picture.shape[:2]) > 200 and turquoise > 50  # the registered outline is drawn
    assert "\r" not in captured.err and all(line.startswith("register") for line in captured.err.splitlines())


def test_json_is_one_object_and_nothing_else(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From PNG files with cameras; every file it names is there."""
    assert register("--json", views=("pa.png:pa.json", "lat.png:lat.json")) == 0
    captured = capsys.readouterr()
    content = json.loads(captured.out)
    assert captured.err == "" and content["format"] == "xrayto3d.registration/1"
    assert content["verdict"] == "converged" and [view["name"] for view in content["views"]] == ["pa", "lat"]
    assert set(content["files"]) == {"pose", "registration", "overlay_1", "overlay_2"}
    assert all((case / path).is_file() for path in content["files"].values())
    assert any("air" in note or "I0" in note for note in content["notes"])
    assert content["settings"]["starts"] == 3 and content["settings"]["pixel_mm"] == [1.6, 0.8]
    assert max(RigidPose.load("out/pose.tfm").distance_to(TRUTH, CENTRE)) < 0.5


def test_one_view_says_what_it_cannot_know(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert register(views=("pa.nrrd",)) == 0
    assert "depth along the beam is known to" in capsys.readouterr().out


def test_views_of_the_same_name_are_told_apart(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for view in ("pa", "lat"):
        (case / view).mkdir()
        (case / f"{view}.png").rename(case / view / "wrist.png")
    assert register("--json", views=("pa/wrist.png:pa.json", "lat/wrist.png:lat.json")) == 0
    content = json.loads(capsys.readouterr().out)
    assert [view["name"] for view in content["views"]] == ["wrist", "wrist 2"]
    assert sorted(path.name for path in (case / "out").glob("*.png")) == [
        "overlay_1_wrist.png",
        "overlay_2_wrist_2.png",
    ]


def test_the_result_replaces_an_older_one(case: Path) -> None:
    (case / "out").mkdir()
    (case / "out/pose.tfm").write_text("old")
    (case / "out/notes.txt").write_text("mine")
    assert register("--seed", "3", "--spread", "1", "--reach", "2") == 0
    assert RigidPose.load("out/pose.tfm").distance_to(TRUTH, CENTRE)[1] < 0.5
    assert (case / "out/notes.txt").read_text() == "mine"


# ---- several bones, and the rest of the CT ------------------------------------------


@pytest.fixture(scope="module")
def limb_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CT of two bones in flesh, the second turned in the picture; and the same bones in a CT of air."""
    folder = tmp_path_factory.mktemp("limb")
    for name, ct in (("limb", limb_ct(2.0)), ("bare", bare_ct(2.0))):
        write_ct(ct, folder / f"{name}.nrrd")
        write_labels(ct, folder / f"{name}.seg.nrrd")
    for radiograph in limb_pictures(TRUTH, TRUTH, SECOND, CAMERAS):
        write_radiograph(radiograph, folder / f"{radiograph.name.lower()}.nrrd")
    for radiograph in pictures([(BONE, TRUTH), (NEIGHBOUR, SECOND)], CAMERAS):
        write_radiograph(radiograph, folder / f"bare_{radiograph.name.lower()}.nrrd")
    start = RigidPose.from_rotation((1.5, -1, 2), (2, -2, 2), TRUTH.apply(CENTRE)) @ TRUTH
    start.save(folder / "start.tfm")
    return folder


@pytest.fixture
def limb(limb_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(limb_template, tmp_path / "limb")
    monkeypatch.chdir(tmp_path / "limb")
    return tmp_path / "limb"


def register_limb(*options: str, ct: str = "limb", label: str = "first") -> int:
    views = ("pa.nrrd", "lat.nrrd") if ct == "limb" else ("bare_pa.nrrd", "bare_lat.nrrd")
    given = ["--ct", f"{ct}.nrrd", "--labels", f"{ct}.seg.nrrd", "--label", label]
    given += [part for view in views for part in ("--view", view)]
    quick = ["--starts", "2", "--screened", "16", "--pixel-sizes", "2.8", "1.6"]
    return main(["register", *given, "--initial", "start.tfm", "-o", "out", *quick, *options])


def test_a_bone_with_another_has_files_and_words_for_both(limb: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert register_limb("--with", "second", ct="bare") == 0
    printed = capsys.readouterr().out
    assert sorted(path.name for path in (limb / "out").iterdir()) == [
        "overlay_1_PA.png",
        "overlay_2_LAT.png",
        "overlay_second_1_PA.png",
        "overlay_second_2_LAT.png",
        "pose.tfm",
        "pose_second.tfm",
        "registration.json",
        "registration_second.json",
    ]
    for mark, other, truth, name in (("", "second", TRUTH, "first"), ("_second", "first", SECOND, "second")):
        content = json.loads((limb / f"out/registration{mark}.json").read_text())
        pose = RigidPose.load(limb / f"out/pose{mark}.tfm")
        assert pose.distance_to(truth, content["centre_ct"])[1] < 0.3
        assert pose.distance_to(truth, content["centre_ct"])[0] < 2.5
        assert np.array(content["pose_ct_to_world"]) == pytest.approx(pose.matrix)
        assert list(content["others_ct_to_world"]) == [other]
        assert content["uncertainty"]["standard_deviation"]["depth"] > 0
        assert f"{name}: verdict: {content['verdict']}. {content['reason']}" in printed
    assert printed.count("95 % uncertainty: across the first picture") == 2
    assert "wrote out/pose_second.tfm" in printed


def test_surroundings_are_drawn_and_their_place_is_told(limb: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The whole limb is found first; the second bone, turned in the picture, is part of it and costs little."""
    assert register_limb("--surroundings", "--json") == 0
    captured = capsys.readouterr()
    content = json.loads(captured.out)
    assert captured.err == "" and set(content["files"]) == {"pose", "registration", "overlay_1", "overlay_2"}
    assert list(content["others_ct_to_world"]) == ["surroundings"]
    pose = RigidPose(content["pose_ct_to_world"])
    rest = RigidPose(content["others_ct_to_world"]["surroundings"])
    assert pose.distance_to(TRUTH, CENTRE)[1] < 0.5 and rest.distance_to(TRUTH, CENTRE)[1] < 5.0
    assert content["mean_similarity"] > 0.8
    assert any("Excess over soft tissue" in note for note in content["notes"])
    stages = json.loads((limb / "out/registration.json").read_text())["trace"]
    assert {point["stage"].split(",")[0] for point in stages} == {"first", "together"}


def test_two_bones_and_the_rest_are_found_at_once(limb: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert register_limb("--with", "second", "--surroundings", "--json") == 0
    content = json.loads(capsys.readouterr().out)
    assert set(content["others_ct_to_world"]) == {"surroundings", "second"}
    assert set(content["files"]) >= {"pose", "pose_second", "registration_second", "overlay_second_2"}
    assert all((limb / path).is_file() for path in content["files"].values())
    centre = json.loads((limb / "out/registration_second.json").read_text())["centre_ct"]
    for found, truth, middle in (
        (content["pose_ct_to_world"], TRUTH, CENTRE),
        (content["others_ct_to_world"]["second"], SECOND, centre),
    ):
        degrees, millimetres = RigidPose(found).distance_to(truth, middle)
        assert millimetres < 0.4 and degrees < 2.5


@pytest.mark.parametrize(
    ("options", "ct", "words"),
    [
        (["--surroundings"], "bare", "label 'first' of CT bare does not lie in soft tissue"),
        (["--with", "first"], "limb", "--with names a bone twice; name every other bone once"),
        (["--with", "second", "--with", "second"], "limb", "--with names a bone twice"),
        (["--with", "1"], "limb", "--with names a bone twice"),
        (["--with", "tibia"], "limb", "label 'tibia' is not in the label map"),
        (["--with", "tibia", "--surroundings"], "limb", "label 'tibia' is not in the label map"),
    ],
)
def test_bones_that_are_not_there_or_lie_bare_are_told(
    limb: Path, capsys: pytest.CaptureFixture[str], options: list[str], ct: str, words: str
) -> None:
    before = sorted(limb.rglob("*"))
    assert register_limb(*options, ct=ct) == 2
    captured = capsys.readouterr()
    assert words in captured.err and captured.out == ""
    assert sorted(limb.rglob("*")) == before


@pytest.mark.parametrize("option", [["--with", "second"], ["--surroundings"]])
def test_without_labels_there_is_one_body(case: Path, capsys: pytest.CaptureFixture[str], option: list[str]) -> None:
    shutil.copy("ct.nrrd", "plain.nrrd")
    assert register(*option, ct="plain.nrrd") == 2
    words = f"{option[0]} needs a label map that tells the bones; give --labels FILE and --label NAME."
    assert words in capsys.readouterr().err and not (case / "out").exists()


# ---- an implant ------------------------------------------


@pytest.fixture
def implant(case: Path) -> Path:
    """The surface of a block with a step, and two pictures of it in metal."""
    corners = np.array([[x, y, z] for z in (0.0, 1.0) for y in (0.0, 1.0) for x in (0.0, 1.0)])
    faces = [[0, 2, 1], [1, 2, 3], [4, 5, 6], [5, 7, 6], [0, 1, 4], [1, 5, 4]]
    faces += [[2, 6, 3], [3, 6, 7], [0, 4, 2], [2, 4, 6], [1, 3, 5], [3, 7, 5]]
    points = np.concatenate([corners * (10, 14, 24) - (5, 7, 12), corners * (12, 5, 7) + (5, 0, 3)])
    triangles = np.concatenate([faces, np.add(faces, 8)])
    write_surface(make_surface(points, triangles), case / "block.stl")
    solid = mesh_attenuation(points, triangles)
    projector = DrrProjector(solid.mu, solid.voxel_to_lps)
    for view, camera in BONE_CAMERAS.items():
        with torch.no_grad():
            pixels = projector(camera, TRUTH).numpy()
        note = IntensityNote("line-integral", None, True, "DRR")
        shown = Response(scatter=METAL_SCATTER)(torch.from_numpy(pixels)).numpy()
        write_radiograph(
            Radiograph(shown, camera, note, SpacingSource.DETECTOR, view, name=view), case / f"{view.lower()}.nrrd"
        )
    return case


def register_surface(*options: str) -> int:
    given = ["--surface", "block.stl", "--view", "pa.nrrd", "--view", "lat.nrrd", "--initial", "start.tfm", "-o", "out"]
    return main(["register", *given, *QUICK, *options])


def test_a_surface_is_registered_as_metal(implant: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert register_surface("--json") == 0
    content = json.loads(capsys.readouterr().out)
    assert content["verdict"] == "converged" and any("Solid of a surface" in note for note in content["notes"])
    assert max(RigidPose.load("out/pose.tfm").distance_to(TRUTH, (0, 0, 0))) < 0.3
    assert all((implant / path).is_file() for path in content["files"].values())


@pytest.mark.parametrize(
    "option", [["--labels", "labels.seg.nrrd"], ["--with", "ulna"], ["--surroundings"], ["--energy", "80"]]
)
def test_a_surface_is_registered_alone(implant: Path, capsys: pytest.CaptureFixture[str], option: list[str]) -> None:
    assert register_surface(*option) == 2
    assert "--surface is registered alone" in capsys.readouterr().err and not (implant / "out").exists()


# ---- refusals ------------------------------------------


@pytest.mark.parametrize(
    ("options", "views", "words"),
    [
        ([], ("pa.png",), "pixel spacing"),
        ([], ("absent.nrrd",), "there is no file absent.nrrd"),
        ([], (":pa.json",), "the radiograph before the colon is missing"),
        ([], ("pa.png:absent.json",), "there is no file absent.json"),
        (["--label", "tibia"], ("pa.nrrd",), "label 'tibia' is not in the label map"),
        (["--starts", "0"], ("pa.nrrd",), "starts, kept, iterations and threads must be 1 or more"),
        (["--seed", "-1"], ("pa.nrrd",), "the seed and screened 0 or more"),
        (["--margin", "nan"], ("pa.nrrd",), "margin must be greater than zero"),
        (["--spread", "-3"], ("pa.nrrd",), "spreads and reaches must be 0 or more"),
        (["--reach", "-3"], ("pa.nrrd",), "spreads and reaches must be 0 or more"),
        (["--device", "cuda:99"], ("pa.nrrd",), "no such CUDA GPU"),
        (["--device", "tpu"], ("pa.nrrd",), "--device tpu is not known"),
        (["--initial", "away.tfm"], ("pa.nrrd",), "radiograph PA: the bone's shadow at the initial pose misses"),
        (["--initial", "behind.tfm"], ("pa.nrrd",), "beside or behind the X-ray source; move the CT"),
    ],
)
def test_what_cannot_be_done_is_2_and_leaves_nothing(
    case: Path, capsys: pytest.CaptureFixture[str], options: list[str], views: tuple[str, ...], words: str
) -> None:
    RigidPose.from_rotation((0, 0, 0), (300, 0, 0)).save("away.tfm")
    RigidPose.from_rotation((0, 0, 0), (0, 2000, 0)).save("behind.tfm")
    before = sorted(case.rglob("*"))
    assert register(*options, views=views) == 2
    captured = capsys.readouterr()
    assert words in captured.err and captured.out == ""
    assert sorted(case.rglob("*")) == before


def test_an_output_that_is_a_file_is_told_before_any_work(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (case / "out").write_text("mine")
    (case / "ct.nrrd").unlink()
    assert register() == 2
    assert "is a file; name a folder" in capsys.readouterr().err
    assert (case / "out").read_text() == "mine"


def test_an_interrupted_run_leaves_nothing(
    case: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from XRayTo3DLib.evaluation import overlay

    def interrupted(*_: object) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr(overlay, "registration_overlay", interrupted)
    before = sorted(case.rglob("*"))
    assert register(views=("pa.nrrd",)) == 130
    assert "nothing half written is left" in capsys.readouterr().err
    assert sorted(case.rglob("*")) == before


@pytest.mark.parametrize(
    ("text", "picture", "camera"),
    [
        ("pa.png:pa.json", "pa.png", "pa.json"),
        ("pa.dcm", "pa.dcm", None),
        (r"C:\x\pa.dcm", r"C:\x\pa.dcm", None),
        (r"C:\x\pa.png:C:\x\pa.JSON", r"C:\x\pa.png:C", r"\x\pa.JSON"),
        ("a:b.png", "a:b.png", None),
    ],
)
def test_views_are_split_at_the_camera(text: str, picture: str, camera: str | None) -> None:
    assert split_view(text) == (Path(picture), None if camera is None else Path(camera))


def test_a_view_without_a_picture_is_refused() -> None:
    with pytest.raises(InputError, match="before the colon is missing; write XRAY:camera.json"):
        split_view(":camera.json")


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("DX PA L", "DX_PA_L"),
        ("../../etc", "etc"),
        ("..", "view"),
        ("con.txt", "_con.txt"),
        ("", "view"),
        ("a/b:c*", "a_b_c"),
    ],
)
def test_file_names_are_safe(name: str, safe: str) -> None:
    assert safe_file_name(name) == safe
