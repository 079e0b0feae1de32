"""Clinical exposures, the experiment on refinement and calibration of a bundle, on a few SYNTHETIC people."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from XRayTo3DLib.cli.main import main
from XRayTo3DLib.cli.models_used import loaded_model
from XRayTo3DLib.cli.refining import options_of
from XRayTo3DLib.dataset.clinical_exposures import ClinicalOptions, believed_camera, clinical_exposure
from XRayTo3DLib.dataset.dataset_folder import DatasetFolder
from XRayTo3DLib.dataset.voxel_grid import WRIST_CENTRE_MM
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry.calibration import standard_camera
from XRayTo3DLib.models import load_bundle
from XRayTo3DLib.refinement.posterior import Trust
from XRayTo3DLib.shape.meshes import points_of

COARSE = ClinicalOptions(pixels=60, pixel_mm=1.6)
CAMERA = standard_camera(1000.0, (0.5, 0.5), (200, 160), source_isocentre=800.0)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No search for other starts: what a refinement itself is worth is tested elsewhere."""
    monkeypatch.setattr("XRayTo3DLib.methods.refiner.RefineOptions", lambda: options_of(quick=True))


@pytest.mark.parametrize("moves", ["source", "detector"])
def test_cameras_are_believed_as_wrong_as_asked(moves: str) -> None:
    """By exactly so many degrees about an axis through the origin, and so many percent of the distance."""
    options = ClinicalOptions(camera_turn_deg=2.0, sdd_error=0.01, sdd_moves=moves)
    rng = np.random.default_rng(0)
    signs = set()
    for _ in range(12):
        found = believed_camera(CAMERA, options, rng)
        axes = [np.stack([c.column_direction, c.row_direction, c.normal], axis=1) for c in (CAMERA, found)]
        angle = np.rad2deg(np.arccos((np.trace(axes[1] @ axes[0].T) - 1) / 2))
        assert angle == pytest.approx(2.0, abs=1e-6)
        assert abs(found.sdd / CAMERA.sdd - 1) == pytest.approx(0.01, abs=1e-9)
        signs.add(np.sign(found.sdd - CAMERA.sdd))
        # What stays keeps its distance from the origin, which is what cameras are turned about.
        stays, goes = ("origin", "source") if moves == "source" else ("source", "origin")
        lengths = [{name: np.linalg.norm(getattr(c, name)) for name in (stays, goes)} for c in (CAMERA, found)]
        assert lengths[1][stays] == pytest.approx(lengths[0][stays], abs=1e-6)
        assert abs(lengths[1][goes] - lengths[0][goes]) > 5.0
    assert signs == {-1.0, 1.0}
    assert believed_camera(CAMERA, ClinicalOptions(0.0, 0.0), rng).is_close(CAMERA)


def test_exposures_are_the_same_whatever_else_is_asked_for(wrists: Path) -> None:
    case = DatasetFolder.open(wrists).cases("test")[0]
    both = clinical_exposure(case, ("PA", "LAT"), WRIST_CENTRE_MM, COARSE, 4, 1)
    alone = clinical_exposure(case, ("LAT",), WRIST_CENTRE_MM, COARSE, 4, 1)
    other = clinical_exposure(case, ("LAT",), WRIST_CENTRE_MM, COARSE, 4, 2)
    lateral = both.only(("LAT",))
    assert np.array_equal(lateral.radiographs[0].pixels, alone.radiographs[0].pixels)
    assert lateral.radiographs[0].camera.is_close(alone.radiographs[0].camera)
    assert not np.array_equal(alone.radiographs[0].pixels, other.radiographs[0].pixels)
    assert all(each.synthetic and not each.intensity.absolute for each in both.radiographs)
    for wrong in ((), ("AP",)):
        with pytest.raises(InputError):
            both.only(wrong)


def test_true_bones_lie_where_true_cameras_see_them(wrists: Path) -> None:
    """The segmented bones' DRR covers the true surface's projection, also of a left limb; the believed camera's not."""
    for case in DatasetFolder.open(wrists).cases("test")[:2]:
        found = clinical_exposure(case, ("PA",), WRIST_CENTRE_MM, ClinicalOptions(6.0, pixels=60, pixel_mm=1.6), 0, 0)
        shown = found.bone_drrs()[0].pixels > 0.02
        shares = []
        for camera in (found.cameras[0], found.radiographs[0].camera):
            pixels = np.rint(camera.project(np.concatenate([points_of(m) for m in found.bones.values()]))).astype(int)
            inside = np.all((pixels >= 0) & (pixels < 60), axis=1)
            shares.append(shown[pixels[inside, 1], pixels[inside, 0]].mean())
        assert shares[0] > 0.97
        assert shares[1] < shares[0]


def test_options_that_cannot_be_are_refused() -> None:
    for wrong in ({"camera_turn_deg": -1.0}, {"sdd_error": 0.5}, {"sdd_moves": "bones"}):
        with pytest.raises(InputError):
            ClinicalOptions(**wrong)


@pytest.mark.usefixtures("quick")
def test_the_experiment_writes_its_report(
    wrists: Path, shapes_bundle: Path, tl_net_bundle: Path, translation_bundle: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    command = [
        "experiment", "refinement", "--model", str(shapes_bundle), "--data", str(wrists), "--people", "2",
        "--views", "PA,LAT", "--views", "PA", "--starts", f"tl={tl_net_bundle}",
        "--translation", str(translation_bundle), "-o", str(tmp_path / "report"), "--json",
    ]  # fmt: skip
    assert main(command) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["synthetic"] is True
    starts = {key: [(row["start"], row["bone"]) for row in told[key]["starts"]] for key in ("PA,LAT", "PA")}
    assert starts["PA,LAT"] == [("mean shape", "radius"), ("mean shape", "ulna")]
    assert [name for name, _ in starts["PA"][::2]] == ["mean shape", "tl, bone DRRs", "tl, translated"]
    for row in told["PA,LAT"]["starts"]:
        assert row["people"] == 2 and 0 < row["after_median_mm"] < 5.0
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert "SYNTHETIC" in page.upper() and "moves the source" in page
    for name in ("before-after-pa-lat", "before-after-pa", "coverage", "error-uncertainty"):
        assert (tmp_path / "report" / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_a_start_that_fits_no_views_is_refused(
    wrists: Path, shapes_bundle: Path, tl_net_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["experiment", "refinement", "--model", str(shapes_bundle), "--data", str(wrists), "-o"]
    assert main([*command, str(tmp_path / "r"), "--starts", f"tl={tl_net_bundle}"]) == 2
    assert "ask for PA as well" in capsys.readouterr().err


@pytest.mark.usefixtures("quick")
def test_a_bundle_is_calibrated(
    wrists: Path, shapes_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = loaded_model(str(shapes_bundle), "shape-intensity-fit").predictor.trust
    assert before.by_views == (Trust(1.0, {"radius": 0.0, "ulna": 0.0}),)
    command = ["models", "calibrate", str(shapes_bundle), "--data", str(wrists), "--views", "PA", "-o"]
    assert main([*command, str(tmp_path / "new"), "--people", "5"]) == 0
    assert "1 view(s), 5 people: temperature" in capsys.readouterr().out
    after = loaded_model(str(tmp_path / "new"), "shape-intensity-fit").predictor.trust
    told = load_bundle(tmp_path / "new").bundle.training["uncertainty calibrated"]["1 view"]
    assert after.by_views[0].temperature == pytest.approx(told["temperature"])
    assert dict(after.by_views[0].floor_mm) == pytest.approx(told["floor_mm"])
    assert after != before
    assert main([*command, str(tmp_path / "few"), "--people", "3"]) == 2
    assert "give 5 or more" in capsys.readouterr().err
