"""Methods in plain words, configurations to start from, single values changed, and data sets looked at beforehand."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from learning_cases import PIX2PIX, TL_NET, changed

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.methods.biplanar import configuration as biplanar
from XRayTo3DLib.methods.catalogue import CATALOGUE, checked, entry_named, start_configurations
from XRayTo3DLib.methods.configuration import plain
from XRayTo3DLib.methods.data_check import data_report
from XRayTo3DLib.methods.registry import METHODS, TRANSLATIONS, method_named
from XRayTo3DLib.methods.settings import length_changes, settings_of, value_text


def test_every_method_is_in_the_catalogue_and_has_a_configuration_to_start_from() -> None:
    assert {entry.name for entry in CATALOGUE} == set(METHODS)
    assert {entry.name for entry in CATALOGUE if entry.makes == "pictures"} == set(TRANSLATIONS)
    for entry in CATALOGUE:
        starts = start_configurations(entry.name)
        assert starts and not starts[0].large, entry.name
        for start in starts:
            assert start.content["method"] == start.method == entry.name
            assert start.content["name"] == start.title
            assert checked(start.content).method == entry.name
    assert len(start_configurations()) == len(list(start_configurations()[0].path.parent.glob("*.yaml")))
    with pytest.raises(InputError, match="'magic' is not known; choose"):
        entry_named("magic")


def test_stepped_says_whether_there_is_a_task(wrists: Path) -> None:
    for content in (TL_NET, PIX2PIX, {**TL_NET, "method": "mean-shape"}):
        if content["method"] == "mean-shape":
            content = {"format": TL_NET["format"], "method": "mean-shape", "data": TL_NET["data"]}
        content = changed(content, data={"folder": str(wrists)})
        run = method_named(content["method"]).prepare_training(content, Path(), "cpu")
        assert (run.task is not None) == entry_named(content["method"]).stepped


def test_reading_configurations_loads_no_torch() -> None:
    program = (
        "import sys\n"
        "from XRayTo3DLib.methods.catalogue import start_configurations\n"
        "from XRayTo3DLib.methods.settings import settings_of\n"
        "from XRayTo3DLib.methods import data_check\n"
        "from XRayTo3DLib.training import curves, samples\n"
        "found = [settings_of(each.content) for each in start_configurations()]\n"
        "print(len(found), [n for n in ('torch', 'monai', 'lightning', 'matplotlib', 'skimage') if n in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]") and not done.stdout.startswith("0")


def test_the_volume_network_has_the_same_defaults() -> None:
    from XRayTo3DLib.networks import volume_net

    assert (biplanar.CHANNELS, biplanar.CONVOLUTIONS) == (volume_net.CHANNELS, volume_net.CONVOLUTIONS)


# ---- single values ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", start_configurations(), ids=lambda each: each.path.stem)
def test_every_value_as_a_change_is_the_same_configuration(start) -> None:
    settings = settings_of(start.content)
    again = checked(start.content)
    assert settings_of(start.content, [each.change for each in settings]) == settings
    assert plain(again)["seed"] == {each.key: each.value for each in settings}["seed"]
    assert not {"format", "method", "data.folder"} & {each.key for each in settings}


def test_values_are_typed_as_people_write_them() -> None:
    assert [value_text(each) for each in ([["PA", "LAT"], 1e-5, True, "batch", "1", "a: b", ""])] == [
        "[PA, LAT]",
        "1e-05",
        "true",
        "batch",
        '"1"',
        '"a: b"',
        '""',
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("stages.joint.steps=many", "stages.joint.steps must be of type int"),
        ("stages.joint.stepps=3", "stages.joint.stepps is not known"),
        ("network.predictor=vgg", "network.predictor must be one of"),
        ("data.views=PA", "data.views must be a list"),
        ("seed", "give a place"),
    ],
)
def test_wrong_changes_are_refused_with_their_place(change: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        settings_of(TL_NET, [change])


def test_length() -> None:
    changes = length_changes(settings_of(TL_NET), 0.5)
    assert changes == ["stages.autoencoder.steps=3", "stages.predictor.steps=2", "stages.joint.steps=2"]
    assert length_changes(settings_of(TL_NET), 1e-9)[0].endswith("steps=1")
    with pytest.raises(InputError, match="above 0"):
        length_changes(settings_of(TL_NET), 0.0)


# ---- data sets -------------------------------------------------------------------------------------------------------


def test_a_data_set_that_can_be_used(wrists: Path) -> None:
    report = data_report(TL_NET, wrists)
    assert report.problems == () and report.synthetic
    assert (report.training, report.validation, report.test) == (6, 2, 3)
    assert "11 cases (6 training, 2 validation, 3 test); radius, ulna." in report.summary
    assert "SYNTHETIC" in report.summary
    assert len(report.doubts) == 1 and "Only 6 people" in report.doubts[0]
    assert data_report(PIX2PIX, wrists).problems == ()


def test_problems_are_told_before_training(wrists: Path, tmp_path: Path) -> None:
    (missing,) = data_report(TL_NET, tmp_path / "nowhere").problems
    assert "nowhere" in missing
    (bones,) = data_report(changed(TL_NET, data={"labels": ["femur"]}), wrists).problems
    assert "radius, ulna" in bones and "femur" in bones
    (few,) = data_report(changed(TL_NET, data={"validation_share": 0.99}), wrists).problems
    assert "too few" in few
    (view,) = data_report(changed(PIX2PIX, data={"view": "LAT"}), wrists).problems
    assert view.startswith("No accepted registration of view LAT: wrist-0001, ") and "and 8 more" in view


def test_unprepared_cases_and_rejected_views(wrists: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(wrists, tmp_path / "wrists")
    shutil.rmtree(folder / "prepared")
    report = data_report(TL_NET, folder)
    assert report.problems == () and any("11 of 11 cases are not prepared" in each for each in report.doubts)
    next((folder / "cases").glob("*/landmarks.mrk.json")).unlink()
    record = next((folder / "cases").glob("*/views/pa/registration.json"))
    content = json.loads(record.read_text())
    content["review"]["status"] = "rejected"
    record.write_text(json.dumps(content))
    assert any("No landmarks yet" in each for each in data_report(TL_NET, folder).problems)
    (pairs,) = [each for each in data_report(PIX2PIX, folder).problems if "view PA" in each]
    assert record.parts[-4] in pairs
