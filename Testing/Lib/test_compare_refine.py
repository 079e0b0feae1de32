"""Second rows of a comparison: what refinement makes of a method's bones, under the same conditions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from learning_cases import SHAPES

from XRayTo3DLib.cli import compare_run
from XRayTo3DLib.cli.compare_session import AUTO, Options, Session
from XRayTo3DLib.cli.compare_worker import work
from XRayTo3DLib.cli.models_used import loaded_model
from XRayTo3DLib.dataset.dataset_folder import DatasetFolder
from XRayTo3DLib.dataset.prepared import truth_meshes
from XRayTo3DLib.dataset.voxel_grid import VoxelGrid
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.compare_tables import title_of
from XRayTo3DLib.experiments import compare_conditions as conditions
from XRayTo3DLib.experiments import compare_refine
from XRayTo3DLib.experiments.compare_files import Task
from XRayTo3DLib.experiments.compare_refine import RefinedMethod, why_not_refined
from XRayTo3DLib.experiments.compare_trials import Asked, TrialMaker, TrialSet
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.methods.configuration import parsed
from XRayTo3DLib.methods.data import DataConfiguration, people_of
from XRayTo3DLib.methods.refiner import Refiner
from XRayTo3DLib.refinement.options import RefineOptions
from XRayTo3DLib.shape.closest_points import closest_points
from XRayTo3DLib.shape.meshes import points_of

FEW = tuple(each for each in conditions.CONDITIONS if each.key in ("plain", "tissue"))


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    options = RefineOptions(draws=0)
    quick = replace(options, levels=tuple(replace(level, iterations=4) for level in options.levels))
    monkeypatch.setattr(compare_refine, "Refiner", lambda model: Refiner(model, quick))


@pytest.fixture(scope="module")
def trials(wrists: Path) -> TrialSet:
    data = parsed(DataConfiguration, {**SHAPES["data"], "folder": str(wrists)})
    people = people_of(data, wrists)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conditions, "CONDITIONS", FEW)
        return TrialMaker(data, people.test, [RigidPose.identity()] * len(people.test), 1, 0).made(
            {}, lambda *told: None
        )


def test_lost_bones_are_found_where_they_are(trials: TrialSet, wrists: Path, shapes_bundle: Path) -> None:
    model = loaded_model(str(shapes_bundle), "shape-intensity-fit")
    asked = trials.asked["plain"]
    method = RefinedMethod(model, trials)
    meshes, missing = method.bones({}, ("radius", "ulna"), asked, 0)
    assert set(meshes) == {"radius", "ulna"} and missing == () and method.notes == ()
    truth = truth_meshes(DatasetFolder.open(wrists).case(trials.cases[0]))
    for bone, mesh in meshes.items():
        assert np.median(closest_points(truth[bone], points_of(mesh)).distances) < 1.5


def test_translated_pictures_are_refined_as_they_were_exposed(
    trials: TrialSet, shapes_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[np.ndarray] = []

    def taken(self: Refiner, views: Any, meshes: Any) -> Any:
        seen.extend(view.image for view in views)
        raise InputError("enough")

    monkeypatch.setattr(Refiner, "refine", taken)
    model = loaded_model(str(shapes_bundle), "shape-intensity-fit")
    raw = trials.asked["tissue"]
    asked = Asked(conditions.translated("x"), np.zeros_like(raw.images), raw.poses, raw.cameras)
    method, own = RefinedMethod(model, trials), {"radius": SimpleNamespace(GetNumberOfPolys=lambda: 1)}
    assert method.bones(own, ("ulna",), asked, 0) == (
        own,
        ("ulna",),
    )  # who cannot be refined stays as the method has it
    assert [np.array_equal(each, given) for each, given in zip(seen, raw.images[0], strict=True)] == [True, True]
    assert method.notes == ("1 reconstructions could not be refined and are the method's own: enough",)


def test_models_of_other_bones_refine_nothing() -> None:
    assert why_not_refined(("radius", "ulna"), ("radius", "ulna")) == ""
    assert "other bones (femur)" in why_not_refined(("radius", "ulna"), ("femur",))


def test_a_task_remembers_what_refines(tmp_path: Path) -> None:
    grid = VoxelGrid(8, 5.0, (0.0, 0.0, 0.0))
    task = Task("a + refinement", tmp_path, tmp_path, tmp_path, grid, 1, 1, 1, 0, ("x",), tmp_path / "shapes")
    task.save(tmp_path / "task.json")
    assert Task.load(tmp_path / "task.json") == task
    replace(task, refine=None).save(tmp_path / "task.json")
    assert Task.load(tmp_path / "task.json").refine is None


def test_every_method_has_a_second_row(
    wrists: Path, shapes_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Finished models: one whose bones are refined with its own models' bundle, and none that is asked for in vain."""
    monkeypatch.setattr(compare_run, "start_worker", lambda job, arguments: work(Path(arguments[-1])))
    monkeypatch.setattr(conditions, "CONDITIONS", FEW)
    options = Options(
        wrists, tmp_path / "out", "tiny", ("shape-intensity-fit", "dual-face-depth"),
        {"shape-intensity-fit": shapes_bundle}, people=1, hard=1, refine=AUTO,
    )  # fmt: skip
    found = Session(options, lambda text, share: None).run()
    rows = {row.name: row for row in found.rows}
    assert list(rows) == ["shape-intensity-fit", "shape-intensity-fit + refinement", "dual-face-depth"]
    first, second = (rows[name].measured for name in list(rows)[:2])
    assert first is not None and second is not None and set(first.outcomes) == set(second.outcomes)
    assert second.bundle_mb == pytest.approx(2 * first.bundle_mb)  # the method's own and the shapes
    errors = {
        key: [np.mean([o.assd_mm for o in each.outcomes[key]]) for each in (first, second)] for key in ("tissue",)
    }
    assert errors["tissue"][1] < errors["tissue"][0]  # soft tissue is what the refinement minds less
    assert title_of("tl-net + refinement") == title_of("tl-net") + " + refinement"
    with pytest.raises(InputError, match="takes no part; name a bundle"):
        lost = replace(options, methods=("mean-shape",), bundles={}, output=tmp_path / "b")
        Session(lost, lambda text, share: None).run()
