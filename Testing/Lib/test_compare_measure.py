"""A method of a comparison measured: the truth has no error, memory is its own, an interruption loses little."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import yaml
from learning_cases import TL_NET, changed

from XRayTo3DLib.dataset.dataset_folder import DatasetFolder
from XRayTo3DLib.dataset.prepared import truth_meshes
from XRayTo3DLib.dataset.voxel_grid import VoxelGrid
from XRayTo3DLib.errors import Cancelled, InputError
from XRayTo3DLib.evaluation.compare_results import Measured
from XRayTo3DLib.experiments import compare_conditions as conditions
from XRayTo3DLib.experiments import compare_measure, compare_methods
from XRayTo3DLib.experiments.compare_files import RESULT, SHOWN, Task, keep_result, kept_result
from XRayTo3DLib.experiments.compare_measure import BoneJudge, common_grid, measured, on_grid, predicted
from XRayTo3DLib.experiments.compare_methods import RECIPES, candidates, data_part, why_not
from XRayTo3DLib.experiments.compare_recipes import SIZES
from XRayTo3DLib.experiments.compare_trials import TrialMaker, TrialSet
from XRayTo3DLib.experiments.peak_memory import STATUS
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.methods.configuration import parsed
from XRayTo3DLib.methods.data import DataConfiguration, people_of
from XRayTo3DLib.methods.registry import METHODS, method_named
from XRayTo3DLib.methods.types import ShapeFields
from XRayTo3DLib.shape.closest_points import closest_points
from XRayTo3DLib.shape.meshes import points_of, transformed
from XRayTo3DLib.shape.surfaces import read_surface

CONFIGS = Path(__file__).resolve().parents[2] / "Resources" / "configs"


class Told:
    """Takes note of everything; stops after so many people."""

    def __init__(self, stop_after: int = 10_000) -> None:
        self.texts: list[str] = []
        self.kept: list[Measured] = []
        self._left = stop_after

    def told(self, text: str, share: float) -> None:
        assert 0 <= share <= 1
        self.texts.append(text)

    def stopped(self) -> bool:
        self._left -= 1
        return self._left < 0

    def keep(self, found: Measured) -> None:
        self.kept.append(found)


@pytest.fixture(scope="module")
def task(wrists: Path, two_view_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Task:
    folder = tmp_path_factory.mktemp("compare")
    data = parsed(DataConfiguration, changed(TL_NET["data"], views=["PA", "LAT"], folder=str(wrists)))
    people = people_of(data, wrists)
    poses = [RigidPose.from_rotation([1.0, 2.0, number], [0.5, 0.0, 0.0]) for number in range(len(people.test))]
    few = tuple(each for each in conditions.CONDITIONS if each.key in ("plain", "turned+10", "metal"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conditions, "CONDITIONS", few)
        made = TrialMaker(data, people.test, poses, 1, 0).made({}, lambda text, share: None)
    TrialSet(made.cases, made.asked, {"tissue": "not today"}).save(folder / "pictures.safetensors")
    shown = (made.cases[1],)
    pictures = folder / "pictures.safetensors"
    return Task("mine", two_view_bundle, wrists, pictures, data.voxels, 300, 3, 1, 0, shown)


def test_a_method_is_measured_under_every_condition(task: Task, tmp_path: Path) -> None:
    told = Told()
    found = measured(task, tmp_path, told)
    assert {key: len(each) for key, each in found.outcomes.items()} == {"plain": 6, "turned+10": 2, "metal": 2}
    assert found.refused == {"tissue": "not today"} and found.views == ("PA", "LAT") and not found.calibrated
    assert len(found.seconds) == 3 and min(found.seconds) > 0 and found.synthetic and found.bundle_mb > 0
    assert all(0 <= outcome.dice <= 1 and outcome.method == "mine" for outcome in found.outcomes["plain"])
    assert told.texts[-1] == "mine: metal before the bones" and len(told.kept) == 3
    assert sorted(path.name for path in (tmp_path / SHOWN / task.shown[0]).iterdir()) == ["radius.vtp", "ulna.vtp"]
    if STATUS.exists():
        assert found.memory_mb >= found.before_mb > 50
    _goes_on(task, tmp_path, told.kept[0], found)


def _goes_on(task: Task, folder: Path, first: Measured, whole: Measured) -> None:
    """What was kept before a stop is not asked again, and the end is the same."""
    keep_result(folder / RESULT, first, "mark", complete=False)
    known, complete = kept_result(folder / RESULT, "mark")
    assert known is not None and not complete and kept_result(folder / RESULT, "another") == (None, False)
    told = Told()
    again = measured(task, folder, told, known)
    assert len(told.texts) == 2 and again.seconds == first.seconds
    assert {key: [o.assd_mm for o in each] for key, each in again.outcomes.items()} == {
        key: [o.assd_mm for o in each] for key, each in whole.outcomes.items()
    }


def test_only_a_calibrated_method_is_told_the_cameras(task: Task) -> None:
    asked = TrialSet.load(task.pictures).asked["turned+10"]
    for calibrated, told in ((True, [asked.cameras]), (False, None)):
        predict = Mock(return_value=["bones"])
        model = SimpleNamespace(predictor=SimpleNamespace(calibrated=calibrated, predict=predict))
        assert predicted(model, asked, 0) == "bones"  # type: ignore[arg-type]
        (images, cameras), _ = predict.call_args
        assert np.array_equal(images, asked.images[:1]) and cameras == told


class Truthful:
    """A model that gives everybody's true bones as they were held, but for those it loses."""

    def __init__(self, wrists: Path, trials: TrialSet, lost: str = "") -> None:
        self.data = SimpleNamespace(labels=("radius", "ulna"), views=("PA", "LAT"))
        self.predictor, self._lost = self, lost
        self.calibrated, self._trials, self._people = False, trials, DatasetFolder.open(wrists)

    def predict(self, images: np.ndarray, cameras: object) -> list[dict[str, Any]]:
        for asked in self._trials.asked.values():
            for number, image in enumerate(asked.images):
                if np.array_equal(image, images[0]):
                    truth = truth_meshes(self._people.case(self._trials.cases[number]))
                    return [{bone: transformed(mesh, asked.poses[number]) for bone, mesh in truth.items()}]
        raise AssertionError("these pictures are of nobody")

    def meshes(self, shapes: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
        return shapes, (self._lost,) if self._lost else ()


def test_people_are_measured_as_they_were_held_and_shown_as_they_are(
    task: Task, wrists: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials = TrialSet.load(task.pictures)
    loaded = SimpleNamespace(size=1, bundle=SimpleNamespace(synthetic=True))
    monkeypatch.setattr(compare_measure, "load_bundle", lambda path: loaded)
    model = Truthful(wrists, trials, lost="ulna")
    monkeypatch.setattr(compare_measure, "ready_model", lambda loaded: model)
    found = measured(task, tmp_path, Told())
    for outcome in (each for key in found.outcomes for each in found.outcomes[key]):
        assert outcome.assd_mm < 1e-3 and outcome.empty == (outcome.bone == "ulna")
    case = DatasetFolder.open(wrists).case(task.shown[0])
    for bone, mesh in truth_meshes(case).items():
        shown = read_surface(tmp_path / SHOWN / case.id / f"{bone}.vtp")
        assert closest_points(mesh, points_of(shown)).distances.max() < 1e-3


def test_it_stops_between_two_people(task: Task, tmp_path: Path) -> None:
    told = Told(stop_after=2)
    with pytest.raises(Cancelled, match="compare again"):
        measured(task, tmp_path, told)
    assert len(told.texts) == 2 and told.kept == []


def test_the_truth_itself_has_no_error(task: Task, wrists: Path) -> None:
    fine = replace(task, grid=VoxelGrid(40, 2.0, task.grid.centre_mm), samples=2000)
    case = DatasetFolder.open(wrists).cases("test")[0]
    truth = truth_meshes(case)
    judge = BoneJudge(fine)
    exact = judge.outcomes(case, truth, truth, seconds=0.1)
    assert [o.bone for o in exact] == ["radius", "ulna"]
    assert all(o.assd_mm < 1e-3 and o.dice == 1.0 and not o.empty for o in exact)
    aside = {
        bone: transformed(mesh, RigidPose.from_rotation([0, 0, 0], [2.0, 0, 0]).matrix) for bone, mesh in truth.items()
    }
    assert all(0.6 < o.assd_mm < 2.0 and o.dice < 0.95 for o in judge.outcomes(case, truth, aside, seconds=0.1))
    (lost,) = [o for o in judge.outcomes(case, truth, {"ulna": truth["ulna"]}, seconds=0.1) if o.empty]
    assert lost.bone == "radius" and lost.dice == 0.0 and np.isnan(lost.assd_mm)


def test_values_keep_their_place_on_another_grid() -> None:
    """Trilinear values of a linear function are that function."""
    large, small = VoxelGrid(20, 3.0, (1.0, 2.0, 3.0)), VoxelGrid(11, 2.0, (4.0, -3.0, 5.0))
    slopes = np.array([0.5, -1.0, 2.0])
    fields = ShapeFields((large.points() @ slopes)[None].astype(np.float32), 0.0, large)
    found = on_grid(fields, small)
    assert found.values[0] == pytest.approx(small.points() @ slopes, abs=1e-3) and found.grid == small
    assert on_grid(fields, large) is fields


def test_methods_are_measured_where_all_of_them_are() -> None:
    one, two = VoxelGrid(64, 2.0, (0, 5, 0)), VoxelGrid(48, 2.6667, (0, 5, 0))
    assert common_grid([one, one]) == one
    found = common_grid([one, two])
    assert found.spacing_mm == 2.0 and found.centre_mm == pytest.approx((0, 5, 0))
    reach = 0.5 * (found.size - 1) * found.spacing_mm
    assert reach <= min(0.5 * 63 * 2.0, 0.5 * 47 * 2.6667) < reach + 2.0


@pytest.mark.skipif(not STATUS.exists(), reason="no /proc here")
def test_a_process_does_not_count_the_memory_of_the_one_that_started_it() -> None:
    ballast = np.ones(60_000_000)  # 480 MB here, nothing there
    program = "from XRayTo3DLib.experiments.peak_memory import peak_memory_mb as peak; "
    program += "before = peak(); block = bytearray(10**8); print(before, peak())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    before, after = map(float, done.stdout.split())
    assert before < 300 < ballast.nbytes / 1e6 and 90 < after - before < 130


# ---- who takes part --------------------------------------------------------------------------------------------------


@pytest.fixture
def scale_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rendering people for the scale of pictures takes longer than all the rest."""
    monkeypatch.setattr(compare_methods, "_brightest", lambda dataset, part: 4.0)


@pytest.fixture(scope="module")
def tiny(wrists: Path) -> dict[str, Any]:
    return {**data_part(DatasetFolder.open(wrists), "tiny"), "folder": str(wrists)}


@pytest.mark.usefixtures("scale_known")
def test_every_method_of_the_registry_takes_part_or_says_why_not(wrists: Path) -> None:
    dataset = DatasetFolder.open(wrists)
    for name in METHODS:
        assert name in RECIPES or len(why_not(dataset, name)) > 20, name
    assert "AP radiographs in standard geometry" in why_not(dataset, "dual-face-depth")
    assert "--translation" in why_not(dataset, "style-transfer")
    names = [each.name for each in candidates(dataset, [], {}, "tiny")]
    assert names == [*RECIPES, "dual-face-depth"]
    with pytest.raises(InputError, match="'magic' is not known"):
        candidates(dataset, ["magic"], {}, "tiny")


@pytest.mark.usefixtures("scale_known")
def test_all_methods_share_people_views_and_the_cube(wrists: Path) -> None:
    dataset = DatasetFolder.open(wrists)
    for size in SIZES:
        rows = [each for each in candidates(dataset, [], {}, size) if each.configuration]  # type: ignore[arg-type]
        datas = [parsed(DataConfiguration, row.configuration["data"]) for row in rows]
        assert len({(data.views, data.pose, data.labels, data.validation_share) for data in datas}) == 1
        assert {round(data.voxels.extent_mm, 1) for data in datas} == {80.0}


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("biplanar", "knee_ap_lat_small"),
        ("encoder-decoder", "knee_encoder_decoder_small"),
        ("shape-intensity-fit", "knee_shape_fit_small"),
    ],
)
def test_small_settings_are_those_of_the_configurations(name: str, file: str) -> None:
    """One is trained by hand, the other by the comparison: the same model must come out."""
    written = yaml.safe_load((CONFIGS / f"{file}.yaml").read_text(encoding="utf-8"))
    own = RECIPES[name][1]({"grid": {"size": 64, "spacing_mm": 2.0}}, "small")
    for part in ("network", "loss", "training", "model"):
        for key, value in own.get(part, {}).items():
            assert key == "validate_every" or written[part][key] == value, f"{part}.{key}"


@pytest.mark.parametrize("name", RECIPES)
def test_every_method_accepts_its_settings(name: str, wrists: Path, tiny: dict[str, Any]) -> None:
    method, make = RECIPES[name]
    about = {"format": "xrayto3d.training/1", "method": method, "name": name, "anatomy": "wrist"}
    run = method_named(method).prepare_training({**about, **make(tiny, "tiny")}, wrists, "cpu")
    assert run.configuration["method"] == method
    if run.task is not None:
        assert all(stage.steps <= 50 for stage in run.task.stages)
