"""Dual-face depth in a comparison: what is seen is measured in the frame of the CT, in the box of all methods."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from depth_cases import LABELS, configuration, write_depth_dataset
from numpy.typing import NDArray
from test_compare_measure import Told

from XRayTo3DLib.dataset.dataset_folder import DatasetFolder
from XRayTo3DLib.dataset.depth_view_files import depth_views
from XRayTo3DLib.dataset.voxel_grid import VoxelGrid
from XRayTo3DLib.errors import Cancelled
from XRayTo3DLib.evaluation.compare_results import ALIGNED, Measured
from XRayTo3DLib.experiments import compare_depth
from XRayTo3DLib.experiments.compare_files import SHOWN, Task
from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.methods.dual_face_depth.reconstruct import DualFaceReconstructor
from XRayTo3DLib.methods.types import DepthPrediction

OFF_MM = 8.0


class OffInDepth:
    """Knows the depth of every radiograph, but for a shift; also of a picture with noise or metal."""

    models = None
    synthetic = True
    seen = DualFaceReconstructor.seen

    def __init__(self, folder: Path) -> None:
        self.configuration = configuration()
        cases = DatasetFolder.open(folder).cases("test")
        self.views = list(depth_views(cases, self.configuration.data.geometry, workers=1))
        self.asked: list[NDArray[np.float32]] = []

    def predict_depth(self, image: NDArray[np.float32], camera: XRayCamera) -> DepthPrediction:
        self.asked.append(image)
        view = min(self.views, key=lambda view: float(np.mean(np.abs(view.image - image))))
        front, back = view.front_mm + np.float32(OFF_MM), view.back_mm + np.float32(OFF_MM)
        return DepthPrediction(front, back, np.isfinite(front), camera, view.labels)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_depth_dataset(tmp_path_factory.mktemp("compare_depth") / "ellipsoids", 2, 2, 1)


@pytest.fixture
def model(folder: Path, monkeypatch: pytest.MonkeyPatch) -> OffInDepth:
    model = OffInDepth(folder)
    loaded = SimpleNamespace(size=2_000_000, bundle=SimpleNamespace(synthetic=True))
    monkeypatch.setattr(compare_depth, "load_bundle", lambda path: loaded)
    monkeypatch.setattr(compare_depth, "ready_model", lambda loaded: model)
    return model


def measured(folder: Path, output: Path, told: Told, known: Measured | None = None) -> Measured:
    grid = VoxelGrid(24, 4.0, (0.0, 0.0, -30.0))
    task = Task("depth", Path("bundle"), folder, Path(), grid, 500, 2, 1, 0, ("p-2",))
    return compare_depth.measured_depth(task, output, told, known)


def test_bones_are_measured_in_the_ct_whatever_the_pose(model: OffInDepth, folder: Path, tmp_path: Path) -> None:
    """People stand a centimetre and some degrees off: aligned depth, moved back to the CT, meets the truth."""
    told = Told()
    found = measured(folder, tmp_path, told)
    assert {key: len(each) for key, each in found.outcomes.items()} == {
        "plain": 4, ALIGNED: 4, "noise-100": 2, "noise-25": 2, "metal": 2,
    }  # fmt: skip
    for plain, aligned in zip(found.outcomes["plain"], found.outcomes[ALIGNED], strict=True):
        assert plain.bone == aligned.bone in LABELS and plain.case == aligned.case
        assert aligned.assd_mm < 1.3 and plain.assd_mm > aligned.assd_mm + 1.5
        assert plain.dice < 0.85 and not plain.empty
    assert {o.case for o in found.outcomes["metal"]} == {"p-2"}  # the first one alone
    assert set(found.refused) == {
        "turned-5", "turned+5", "turned-10", "turned+10", "shifted-5", "shifted-10", "tissue",
    }  # fmt: skip
    assert found.views == ("AP",) and len(found.seconds) == 2 and found.bundle_mb == 2.0 and found.synthetic
    assert sorted(path.stem for path in (tmp_path / SHOWN / "p-2").iterdir()) == sorted(LABELS)
    warm, first, second, noise, strong, metal = model.asked
    assert np.array_equal(warm, first) and not np.array_equal(first, second)
    assert np.std(strong - first) > 1.5 * np.std(noise - first) > 0
    assert (metal - first).max() > 0.5 and np.mean(metal != first) < 0.3
    assert len(told.kept) == 4
    again = measured(folder, tmp_path, told, told.kept[1])  # stopped after the second condition
    assert len(model.asked) == 6 + 1 + 2 and again.seconds == found.seconds
    assert again.outcomes["plain"] == found.outcomes["plain"] and set(again.outcomes) == set(found.outcomes)


@pytest.mark.usefixtures("model")
def test_it_stops_between_two_people(folder: Path, tmp_path: Path) -> None:
    told = Told(stop_after=1)
    with pytest.raises(Cancelled, match="compare again"):
        measured(folder, tmp_path, told)
    assert len(told.texts) == 1 and told.kept == []
