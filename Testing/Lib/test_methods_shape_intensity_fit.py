"""Shape and intensity models as a method: trained from a data set, kept in a bundle, asked, put to the experiment."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from learning_cases import FORMAT, changed, write_yaml

from XRayTo3DLib.cli.main import main
from XRayTo3DLib.cli.models_used import loaded_model
from XRayTo3DLib.dataset.dataset_folder import DatasetFolder
from XRayTo3DLib.dataset.prepared_files import prepared_file, read_prepared
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation import case_rendering
from XRayTo3DLib.evaluation.shape_fit_tables import FitOutcome, starts_figure
from XRayTo3DLib.experiments import shape_fit as experiment
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.methods.configuration import parsed
from XRayTo3DLib.methods.data import DataConfiguration, PoseConfiguration, exposures_of, people_of
from XRayTo3DLib.methods.reconstruct import GridReconstructor
from XRayTo3DLib.methods.shape_intensity_fit import making
from XRayTo3DLib.methods.shape_intensity_fit.configuration import ShapeIntensityConfiguration
from XRayTo3DLib.methods.shape_intensity_fit.predictor import ShapeIntensityPredictor

CONTENT: dict[str, Any] = {
    "format": FORMAT,
    "method": "shape-intensity-fit",
    "name": "tiny",
    "data": {
        "folder": "wrists",
        "views": ["PA", "LAT"],
        "grid": {"size": 16, "spacing_mm": 5.0},
        "image": {"size": 32, "pixel_mm": 3.0},
        "pose": {"rotation_deg": [4, 4, 4], "translation_mm": [1, 1, 1], "distribution": "normal"},
        "validation_share": 0.25,
    },
    "model": {"people": 3, "vertices": 120, "spacing_mm": 4.0, "shape_modes": 2, "density_modes": 1},
}


@pytest.fixture(scope="module")
def bundle(wrists: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("shape_fit")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(making, "WORKERS", 1)
        patch.setattr("XRayTo3DLib.methods.finish.MEAN_EXPOSURES", 3)
        config = write_yaml(folder / "tiny.yaml", changed(CONTENT, data={"folder": str(wrists)}))
        assert main(["train", str(config), "-o", str(folder / "run"), "--json"]) == 0
        yield folder / "run" / "bundle"


def test_a_bundle_has_all_that_is_needed(bundle: Path, wrists: Path) -> None:
    told = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))
    assert told["synthetic"] and told["method"] == "shape-intensity-fit"
    assert str(wrists) not in (bundle / "bundle.json").read_text(encoding="utf-8")
    model = loaded_model(str(bundle), "shape-intensity-fit")
    assert isinstance(model, GridReconstructor) and model.predictor.calibrated and model.synthetic
    assert isinstance(model.predictor, ShapeIntensityPredictor)
    assert {built.model.shape.people for built in model.predictor.models.values()} == {3}
    # The error on the test people, as the training wrote it down, is far below that of bones 10 mm off.
    assert max(told["metrics"][f"{bone}_mm"] for bone in ("radius", "ulna")) < 3.0


def test_cameras_are_heeded(bundle: Path, wrists: Path) -> None:
    """A person before a lateral camera that is turned by 20 degrees: told so, bones are found where they are."""
    model = loaded_model(str(bundle), "shape-intensity-fit")
    data = parsed(ShapeIntensityConfiguration, changed(CONTENT, data={"folder": str(wrists)})).data
    people = people_of(data, Path())
    sample = exposures_of(data, people.training, 0).sample("test", [0])
    turned = exposures_of(data, people.training, 0).exposed(
        int(sample.case_index[0]), [RigidPose(sample.poses[0])], turns_deg=[0.0, 20.0]
    )
    images = turned.images.numpy()
    told = model.predictor.fit(images[0], turned.cameras[0])
    untold = model.predictor.fit(images[0], model.predictor.canonical_cameras)
    truth = RigidPose(sample.poses[0])
    off = [fit.bones["radius"].pose.distance_to(truth, [0.0, 0.0, 0.0])[1] for fit in (told, untold)]
    assert off[0] < 1.0 and off[1] > 2.0
    found = model.predictor.predict(images, turned.cameras)[0]
    assert set(found) == {"radius", "ulna"} and all(mesh.GetNumberOfPolys() > 0 for mesh in found.values())


def test_outlines_of_unknown_bones(bundle: Path) -> None:
    model = loaded_model(str(bundle), "shape-intensity-fit")
    with pytest.raises(InputError, match="outlines of femur: the model's bones are radius, ulna"):
        model.predictor.fit(np.ones((2, 32, 32)), model.predictor.canonical_cameras, outlines={"femur": ()})


def test_a_bone_attenuates_where_it_is_and_goes_on_past_the_cut(wrists: Path) -> None:
    case = DatasetFolder.open(wrists).cases("train")[0]
    prepared = read_prepared(prepared_file(case))
    inside = np.argwhere(prepared.distances[0] < -prepared.spacing_mm)
    points = inside[:, ::-1] * prepared.spacing_mm + prepared.origin
    own = making.attenuation_of(prepared, "radius", points)
    assert own == pytest.approx(prepared.mu[tuple(inside.T)].astype(float), abs=1e-4)
    assert not making.attenuation_of(prepared, "ulna", points).any()
    lowest = points[np.argmin(points[:, 2])]
    if inside[:, 0].min() == 0:  # the field of view cuts the shaft
        further = making.attenuation_of(prepared, "radius", lowest[None] - [0.0, 0.0, 20.0])
        assert further == pytest.approx(making.attenuation_of(prepared, "radius", lowest[None]))


def test_the_experiment(
    bundle: Path, wrists: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(experiment, "SAMPLES", 300)
    monkeypatch.setattr(case_rendering, "SUPERSAMPLING", 1)
    words = ["experiment", "shape-fit", "--model", str(bundle), "--data", str(wrists), "-o", str(tmp_path)]
    assert main([*words, "--people", "1", "--off-mm", "5", "--off-deg", "5"]) == 0
    out = capsys.readouterr().out
    for name in (experiment.USUAL, experiment.MANUAL, experiment.PERTURBED, "SYNTHETIC people", "Converged"):
        assert name in out, name
    assert "SSIM" not in out  # theirs is a femur
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "off by 5 mm and" in page and list(tmp_path.glob("*.png"))
    fits = next(tmp_path.glob("*five*.csv")).read_text(encoding="utf-8").splitlines()
    assert len(fits) == 4 and fits[0].startswith("case,start,start_mm")


def test_starts_are_as_far_off_as_they_say() -> None:
    """Perturbed: all bones by one motion of that angle and length. By hand: every bone by its own, of that spread."""
    bones = {
        name: SimpleNamespace(usual=RigidPose.identity(), middle=np.array(middle))
        for name, middle in (("a", [30.0, 0.0, 0.0]), ("b", [-30.0, 0.0, 0.0]))
    }
    held = RigidPose.from_rotation([5.0, -10.0, 20.0], [3.0, 4.0, 5.0])
    rng = np.random.default_rng(0)

    def off(name: str, people: int) -> list[dict[str, RigidPose]]:
        trials = SimpleNamespace(poses=np.stack([held.matrix] * people))
        starts = experiment._starts(name, SimpleNamespace(bones=bones), trials, rng, 10.0, 7.0)  # type: ignore[arg-type]
        assert starts is not None
        return [{bone: pose @ held.inverse() for bone, pose in each.items()} for each in starts]

    for moves in off(experiment.PERTURBED, 5):
        assert np.allclose(moves["a"].matrix, moves["b"].matrix)
        middle = held.apply([0.0, 0.0, 0.0])
        angle = np.rad2deg(np.arccos((np.trace(moves["a"].rotation) - 1) / 2))
        assert angle == pytest.approx(7.0) and np.linalg.norm(moves["a"].apply(middle) - middle) == pytest.approx(10.0)
    by_hand = off(experiment.MANUAL, 300)
    for bone, each in bones.items():
        middle = held.apply(each.middle)
        shifts = np.array([moves[bone].apply(middle) - middle for moves in by_hand])
        assert shifts.std(axis=0) == pytest.approx(experiment.MANUAL_SD_MM, rel=0.15)
        assert np.abs(shifts.mean(axis=0)).max() < 0.5
    assert not np.allclose(by_hand[0]["a"].matrix, by_hand[0]["b"].matrix)
    assert experiment._starts(experiment.USUAL, None, None, rng, 10.0, 7.0) is None  # type: ignore[arg-type]


def test_a_fit_without_a_number_does_not_hide_the_others() -> None:
    fits = [
        FitOutcome(case, case, "by hand", 4.0, end, False, 0.1, 9, 1.0) for case, end in (("a", 0.5), ("b", math.nan))
    ]
    assert starts_figure(fits, 2.0).startswith(b"\x89PNG") and starts_figure(fits[1:], 2.0).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--people", "-1"), "--people"),
        (("--repeats", "0"), "--repeats"),
        (("--off-mm", "nan"), "--off-mm"),
        (("--off-deg", "180"), "--off-deg"),
    ],
)
def test_options_that_cannot_be(words: tuple[str, ...], message: str, tmp_path: Path, capsys: Any) -> None:
    told = ["experiment", "shape-fit", "--model", "x", "--data", "y", "-o", str(tmp_path / "out"), *words]
    assert main(told) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fit": {"metric": "mi"}}, "fit.metric"),
        ({"fit": {"prior": -1.0}}, "fit.prior and fit.contour must be 0 or more"),
        ({"fit": {"contour": math.nan}}, "fit.contour must be a number"),
        ({"model": {"people": 1}}, "model.people must be 3 or more, not 1"),
        ({"model": {"passes": 0}}, "model.passes must be 1 or more, not 0"),
        ({"model": {"spacing_mm": 0.0}}, "spacing_mm"),
    ],
)
def test_configurations_that_cannot_be(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parsed(ShapeIntensityConfiguration, changed(CONTENT, **changes))


def test_how_bones_usually_lie(bundle: Path) -> None:
    """People held more freely are looked for further away."""
    from XRayTo3DLib.methods.shape_intensity_fit.predictor import _bone

    model = loaded_model(str(bundle), "shape-intensity-fit")
    built = model.predictor.models["radius"]
    near, far = (
        _bone(built, PoseConfiguration((turn,) * 3, (shift,) * 3, "normal")) for turn, shift in ((2.0, 1.0), (9.0, 8.0))
    )
    assert near.rotation_sd_deg >= 2.0 and far.rotation_sd_deg >= 9.0
    assert far.translation_sd_mm > near.translation_sd_mm > 1.0
    even = _bone(built, PoseConfiguration((9.0,) * 3, (8.0,) * 3, "uniform"))
    assert even.rotation_sd_deg < far.rotation_sd_deg
    assert DataConfiguration("x").pose.distribution == "uniform"
