"""``xrayto3d reconstruct`` as a user runs it: bones in the radiograph's world, files, notes, clear errors."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from XRayTo3DLib.cli.main import main
from XRayTo3DLib.dataset.canonical_view import CanonicalView
from XRayTo3DLib.dataset.dataset_folder import DatasetCase, DatasetFolder
from XRayTo3DLib.dataset.view_pairs import ViewPair, read_pair, write_pairs
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.methods.reconstruct import GridReconstructor
from XRayTo3DLib.shape.meshes import enclosed_volume, points_of
from XRayTo3DLib.shape.surfaces import read_surface

Out = pytest.CaptureFixture[str]
SIDES = ("right", "left")


def case_of(wrists: Path, side: str) -> DatasetCase:
    return next(case for case in DatasetFolder.open(wrists).cases() if case.side == side)


def view_of(case: DatasetCase, view: str = "pa", picture: str = "radiograph") -> str:
    place = case.folder / "views" / view
    return f"{place / picture}.nrrd:{place / 'camera.json'}"


def origin_of(pair: ViewPair) -> str:
    """Where the radiograph shows the middle of the joint surface."""
    column, row = pair.radiograph.camera.project(pair.frame_to_world.translation)
    return f"{column:.2f},{row:.2f}"


def words_of(bundle: Path, case: DatasetCase, *more: object) -> list[str]:
    pair = read_pair(case, "PA")
    words = ["--model", bundle, "--view", view_of(case), "--origin", origin_of(pair), "--side", case.side, *more]
    return [str(word) for word in words]


def run(*words: object) -> int:
    return main(["reconstruct", *map(str, words)])


def off_truth(case: DatasetCase, pair: ViewPair, folder: Path, bone: str) -> list[float]:
    """From the middle of the truth, posed as registered, to that of the result: across, in depth (PA), along; mm."""
    frame = pair.frame_to_world.inverse()
    truth, found = (
        frame.apply(points) for points in (pair.pose.apply(points_of(case.meshes()[bone])), _points(folder, bone))
    )
    low = max(truth[:, 2].min(), found[:, 2].min())
    return np.abs(_middle(found, low) - _middle(truth, low)).tolist()


def _points(folder: Path, bone: str) -> np.ndarray:
    return points_of(read_surface(folder / f"{bone}.vtp"))


def _middle(points: np.ndarray, low: float) -> np.ndarray:
    kept = points[points[:, 2] >= low]
    return (kept.min(axis=0) + kept.max(axis=0)) / 2


@pytest.mark.parametrize("side", SIDES)
def test_bones_lie_where_the_radiograph_shows_them(
    side: str, wrists: Path, tl_net_bundle: Path, tmp_path: Path, capsys: Out
) -> None:
    case = case_of(wrists, side)
    pair = read_pair(case, "PA")
    assert run(*words_of(tl_net_bundle, case, "-o", tmp_path / "out", "--json")) == 0
    told = json.loads(capsys.readouterr().out)
    for bone in ("radius", "ulna"):
        # The model has hardly been trained: what is tested is where a bone of a wrist lands, not how good it is.
        across, depth, along = off_truth(case, pair, tmp_path / "out", bone)
        assert across < 4 and along < 6 and depth < 15  # people are held within 5 degrees and 4 mm
        assert enclosed_volume(read_surface(tmp_path / "out" / f"{bone}.vtp")) > 1000
    assert told["bones"] == ["radius", "ulna"]
    turned = np.linalg.det(np.array(told["frame_to_world"])[:3, :3])
    assert turned == pytest.approx(1 if side == "right" else -1, abs=1e-4)
    assert told["side"] == side and told["frame"] == "LPS" and told["unit"] == "mm" and told["method"] == "tl-net"
    assert told["synthetic"] and told["research_use_only"] and told["seconds"] > 0
    written = json.loads((tmp_path / "out" / "reconstruction.json").read_text())
    assert {path.name for path in (tmp_path / "out").iterdir()} == {*written["files"], "reconstruction.json"}
    (picture,) = (tmp_path / "out").glob("overlay_*.png")
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_the_other_side_is_not_where_the_bones_are(wrists: Path, tl_net_bundle: Path, tmp_path: Path, capsys: Out):
    """The ulna of a wrist taken for the other one lands on the radius' side: the test above can fail."""
    case = case_of(wrists, "left")
    words = words_of(tl_net_bundle, case, "-o", tmp_path / "out", "--json")
    words[words.index("left")] = "right"
    assert run(*words) == 0
    assert off_truth(case, read_pair(case, "PA"), tmp_path / "out", "ulna")[0] > 20
    capsys.readouterr()


def test_a_person_reads_what_to_look_at(wrists: Path, tl_net_bundle: Path, tmp_path: Path, capsys: Out) -> None:
    assert run(*words_of(tl_net_bundle, case_of(wrists, "right"), "-o", tmp_path / "out")) == 0
    out = capsys.readouterr().out
    assert "SYNTHETIC" in out and "RESEARCH USE ONLY" in out and "radius.vtp" in out
    lost = json.loads((tmp_path / "out" / "reconstruction.json").read_text())["missing"]
    assert bool(lost) == ("this is the mean shape" in out)


def test_a_known_pose_instead_of_a_landmark(wrists: Path, tl_net_bundle: Path, tmp_path: Path, capsys: Out) -> None:
    case = case_of(wrists, "left")
    pair = read_pair(case, "PA")
    pixel = pair.radiograph.camera.project(pair.frame_to_world.translation)
    frame = CanonicalView("PA").frame_from_landmark(pair.radiograph.camera, pixel, mirrored=True)
    frame.save(tmp_path / "frame.tfm")
    rest = ("--model", tl_net_bundle, "--view", view_of(case), "--side", "left")
    assert run(*rest, "--pose", tmp_path / "frame.tfm", "-o", tmp_path / "posed") == 0
    assert run(*words_of(tl_net_bundle, case, "-o", tmp_path / "pointed")) == 0
    for bone in ("radius", "ulna"):
        assert _points(tmp_path / "posed", bone) == pytest.approx(_points(tmp_path / "pointed", bone), abs=0.02)
    capsys.readouterr()


def test_nearer_to_the_detector(wrists: Path, tl_net_bundle: Path, tmp_path: Path, capsys: Out) -> None:
    case = case_of(wrists, "right")
    camera = read_pair(case, "PA").radiograph.camera
    middles = []
    for distance in (45, 25):
        out = tmp_path / str(distance)
        assert run(*words_of(tl_net_bundle, case, "--object-detector", distance, "-o", out)) == 0
        frame = np.array(json.loads((out / "reconstruction.json").read_text())["frame_to_world"])
        middles.append(frame[:3, 3])
    assert (middles[1] - middles[0]) @ camera.view_direction == pytest.approx(20, abs=0.01)
    capsys.readouterr()


def test_an_actual_radiograph_is_translated_first(
    wrists: Path, tl_net_bundle: Path, translation_bundle: Path, tmp_path: Path, capsys: Out
) -> None:
    case = case_of(wrists, "right")
    words = words_of(tl_net_bundle, case, "--translation", translation_bundle, "-o", tmp_path / "out", "--json")
    assert run(*words) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["translation"] == "bundle" and told["model"] == "bundle"
    across, _, along = off_truth(case, read_pair(case, "PA"), tmp_path / "out", "radius")
    assert across < 6 and along < 8


@pytest.fixture(scope="module")
def two_views(wrists: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, DatasetCase]:
    """A left and a right person in PA and LAT. Each picture is of another moment: only the PA shows where they lie."""
    folder = shutil.copytree(wrists, tmp_path_factory.mktemp("views") / "wrists")
    dataset = DatasetFolder.open(folder)
    found = {side: case_of(folder, side) for side in SIDES}
    still = dataset.__class__(**{**vars(dataset), "entries": tuple(e for e in dataset.entries if e.id in
                              {case.id for case in found.values()})})  # fmt: skip
    from XRayTo3DLib.dataset.exposure_ranges import PoseRange

    write_pairs(still, ("PA", "LAT"), pose=PoseRange(0.0, 0.0), pixel_mm=1.0)
    return found


def test_each_view_has_its_own_translation(
    two_views, two_view_bundle: Path, translation_bundle: Path, tmp_path: Path, capsys: Out, monkeypatch
) -> None:
    shown, usual = [], GridReconstructor.reconstruct_images
    keep = lambda self, images, *more: shown.append(images) or usual(self, images, *more)  # noqa: E731
    monkeypatch.setattr(GridReconstructor, "reconstruct_images", keep)
    case = two_views["right"]
    words = ["--model", two_view_bundle, "--side", "right", "--json"]
    for view in ("PA", "LAT"):
        words += ["--view", view_of(case, view.lower()), "--origin", origin_of(read_pair(case, view))]
    for name, given in {"raw": (), "none": ("none",), "first": (translation_bundle, "none")}.items():
        options = [word for each in given for word in ("--translation", each)]
        assert run(*words, *options, "-o", tmp_path / name) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["translation"] == {"raw": None, "none": "none", "first": ["bundle", "none"]}[name]
    raw, none, first = shown
    assert np.array_equal(raw, none) and np.array_equal(raw[:, 1], first[:, 1])
    assert not np.array_equal(raw[:, 0], first[:, 0]) and first[:, 0].max() <= 1, "as pix2pix makes them"
    for given, message in (((translation_bundle,), "other images than the model (LAT)"), (3 * ("none",), "2 views")):
        options = [word for each in given for word in ("--translation", each)]
        assert run(*words, *options, "-o", tmp_path / "no") == 2
        assert message in capsys.readouterr().err


@pytest.mark.parametrize("side", SIDES)
def test_two_views_find_the_depth(side: str, two_views, two_view_bundle: Path, tmp_path: Path, capsys: Out) -> None:
    case = two_views[side]
    pairs = [read_pair(case, view) for view in ("PA", "LAT")]
    words = ["--model", two_view_bundle, "--side", side, "-o", tmp_path / "out", "--json"]
    for view, pair in zip(("pa", "lat"), pairs, strict=True):
        words += ["--view", view_of(case, view), "--origin", origin_of(pair)]
    assert run(*words) == 0
    told = json.loads(capsys.readouterr().out)
    found = np.array(told["frame_to_world"])[:3, 3]
    assert found == pytest.approx(pairs[0].frame_to_world.translation, abs=0.1)
    assert len(list((tmp_path / "out").glob("overlay_*.png"))) == 2
    for bone in ("radius", "ulna"):
        assert max(off_truth(case, pairs[0], tmp_path / "out", bone)) < 6  # between people


def test_what_cannot_be_reconstructed(
    wrists: Path, tl_net_bundle: Path, translation_bundle: Path, two_view_bundle: Path, tmp_path: Path, capsys: Out
) -> None:
    case = case_of(wrists, "right")
    view, out = ("--view", view_of(case)), ("-o", tmp_path / "out")
    model, side = ("--model", tl_net_bundle), ("--side", "right")
    RigidPose.identity().save(tmp_path / "pose.tfm")
    damaged = shutil.copytree(tl_net_bundle, tmp_path / "damaged")
    content = bytearray((damaged / "decoder.safetensors").read_bytes())
    content[-3] ^= 1
    (damaged / "decoder.safetensors").write_bytes(content)
    (tmp_path / "file").write_text("x")
    at = ("--origin", origin_of(read_pair(case, "PA")))
    for words, message in (
        ((*model, *view, *side, *out), "give --origin"),
        ((*model, *view, *out, *at), "give --side"),
        ((*model, *view, *side, *out, *at, "--pose", tmp_path / "pose.tfm"), "or --pose"),
        ((*model, *view, *side, *out, "--origin", "12;13"), "'12;13' is not COLUMN,ROW"),
        ((*model, *view, *side, *out, "--origin", "12"), "'12' is not COLUMN,ROW"),
        ((*model, *view, *side, *out, *at, *at), "1 radiographs and 2 origins"),
        ((*model, *view, *view, *side, *out, *at, *at), "the model needs 1 radiograph(s), PA"),
        (("--model", two_view_bundle, *view, *side, *out, *at), "the model needs 2 radiograph(s), PA and LAT"),
        ((*model, *view, *side, *out, "--origin", "60,1500"), "check the"),
        ((*model, *view, *side, *out, *at, "--object-detector", "5000"), "detector"),
        (
            ("--model", translation_bundle, *view, *side, *out, *at),
            "is of method image-translation; tl-net, dual-face-depth, ",
        ),
        ((*model, "--translation", tl_net_bundle, *view, *side, *out, *at), "or histogram-matching is needed"),
        (("--model", "no-such-model", *view, *side, *out, *at), "no model bundle no-such-model"),
        (("--model", damaged, *view, *side, *out, *at), "decoder.safetensors"),
        ((*model, "--view", tmp_path / "nothing.nrrd", *side, *out, *at), "nothing.nrrd"),
        ((*model, *view, *side, *at, "-o", tmp_path / "file"), "is a file"),
    ):
        assert run(*words) == 2, words
        assert message in capsys.readouterr().err, words
    assert not (tmp_path / "out").exists()


def test_it_needs_neither_lightning_nor_numba(wrists: Path, tl_net_bundle: Path, tmp_path: Path) -> None:
    """As in Slicer, where only torch and safetensors are installed besides what Slicer has."""
    code = (
        "import sys\n"
        "for name in ('lightning', 'monai', 'torchvision', 'timm', 'numba', 'tensorboard', 'yaml', 'skimage'):\n"
        "    sys.modules[name] = None\n"
        "from XRayTo3DLib.cli.main import main\n"
        "sys.exit(main(['--debug', 'reconstruct', *sys.argv[1:]]))\n"
    )
    words = words_of(tl_net_bundle, case_of(wrists, "right"), "-o", tmp_path / "out", "--json")
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["bones"] == ["radius", "ulna"]
