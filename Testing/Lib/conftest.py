"""Made once for all tests of learning: a data set of SYNTHETIC wrists, and tiny models trained on it."""

from __future__ import annotations

from pathlib import Path

import pytest
from learning_cases import PEOPLE, PIX2PIX, SHAPES, TESTED, TL_NET, changed, write_yaml

from XRayTo3DLib.cli.main import main
from XRayTo3DLib.dataset.dataset_folder import DatasetFolder
from XRayTo3DLib.dataset.population import write_population
from XRayTo3DLib.dataset.prepared_files import prepare_all
from XRayTo3DLib.dataset.view_pairs import write_pairs


@pytest.fixture(scope="session")
def wrists(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data set folder, prepared, with PA radiographs; left and right wrists. Tests do not change it."""
    folder = tmp_path_factory.mktemp("learning") / "wrists"
    made = {"spacing": 2.5, "mesh_spacing": 2.0, "length_mm": 70.0, "soft_tissue": True}
    write_population(folder, PEOPLE, 3, test=TESTED, workers=1, **made)
    prepare_all(folder, 1)
    write_pairs(DatasetFolder.open(folder), ("PA",), pixel_mm=1.0)
    return folder


@pytest.fixture(scope="session")
def tl_net_bundle(wrists: Path) -> Path:
    """Bundle of a TL-net of one view, trained for a few steps."""
    return _trained(wrists, "tl-net", TL_NET)


@pytest.fixture(scope="session")
def two_view_bundle(wrists: Path) -> Path:
    """Bundle of a TL-net of PA and LAT."""
    return _trained(wrists, "tl-net-2", changed(TL_NET, data={"views": ["PA", "LAT"]}))


@pytest.fixture(scope="session")
def translation_bundle(wrists: Path) -> Path:
    """Bundle of a pix2pix for the same images."""
    return _trained(wrists, "pix2pix", PIX2PIX)


@pytest.fixture(scope="session")
def shapes_bundle(wrists: Path) -> Path:
    """Bundle of shape and intensity models of a few people, with landmarks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("XRayTo3DLib.methods.shape_intensity_fit.making.WORKERS", 1)
        patch.setattr("XRayTo3DLib.methods.finish.MEAN_EXPOSURES", 3)
        return _trained(wrists, "shapes", SHAPES)


def _trained(wrists: Path, name: str, content: dict) -> Path:
    config = write_yaml(wrists.parent / f"{name}.yaml", content)
    assert main(["train", str(config), "-o", str(wrists.parent / name), "--device", "cpu", "--json"]) == 0
    return wrists.parent / name / "bundle"


@pytest.fixture
def no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Comparisons are written without drawing their picture, which takes a second and has tests of its own."""
    monkeypatch.setattr("XRayTo3DLib.evaluation.comparison_files.distance_figure", lambda *asked: b"\x89PNG")


@pytest.fixture(autouse=True, scope="session")
def _ctrl_c_interrupts() -> None:
    """Also where the tests run in the background: there a shell has its jobs ignore the interrupt."""
    import signal

    signal.signal(signal.SIGINT, signal.default_int_handler)
