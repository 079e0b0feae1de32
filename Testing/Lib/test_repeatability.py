"""The same input gives the same output: bit by bit on one processor, whatever hash seed, folder order, locale, threads.

``Testing/Soak/soak_repeatability.py`` does the same at length, with every bundle and figures in mm.
"""

from __future__ import annotations

import json
import locale
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from repeat_cases import (
    CASES,
    Fingerprint,
    ball,
    circumstances,
    digest,
    fingerprints,
    jacobian,
    loaded_model,
    reconstructed,
    registered,
)
from torch import nn
from training_cases import TinyTask
from vtkmodules.vtkCommonCore import vtkDataArray

from XRayTo3DLib.cli.main import main
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.imaging.decimal_point import decimal_point
from XRayTo3DLib.methods.registry import TrainedModel, TrainingRun
from XRayTo3DLib.models import card_text, load_bundle
from XRayTo3DLib.models.bundle_files import rounded_as_stored
from XRayTo3DLib.models.find import shipped_models_folder
from XRayTo3DLib.projection.precision import full_precision, inference
from XRayTo3DLib.projection.threads import torch_threads
from XRayTo3DLib.shape.meshes import points_of
from XRayTo3DLib.shape.surfaces import write_surface
from XRayTo3DLib.training.loop import train

QUICK = (
    "drr",
    "registration-numba",
    "global-search",
    "refinement",
    "dataset",
    "readers",
    "meshes",
    "measurements",
)
NETWORK = "wrist-pa-demo"
"""The quickest of the shipped networks."""


@pytest.fixture(scope="module")
def here() -> dict[str, Fingerprint]:
    """What this process makes of every case."""
    return fingerprints(QUICK)


def german(folder: Path) -> str:
    """A locale with a decimal comma, made in ``folder`` where the system can; "" where it cannot."""
    try:
        done = subprocess.run(
            ["localedef", "-i", "de_DE", "-f", "UTF-8", str(folder / "de_DE.UTF-8")], capture_output=True
        )
    except FileNotFoundError:
        return ""
    return "de_DE.UTF-8" if done.returncode <= 1 else ""


@pytest.fixture(scope="module")
def other_process(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What another process makes of them, in circumstances as different as can be had, and these."""
    folder = tmp_path_factory.mktemp("elsewhere")
    comma = german(folder)
    program = Path(__file__).with_name("repeat_cases.py")
    words = [*QUICK, "--reversed-folders", "--threads", "2", "--locale", comma]
    other = {"PYTHONHASHSEED": "4711", "TZ": "Pacific/Chatham", "TMPDIR": str(folder), "LOCPATH": str(folder)}
    environment = {**os.environ, **other}
    done = subprocess.run(
        [sys.executable, str(program), *words], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_the_other_process_is_another_place(other_process: dict[str, Any]) -> None:
    """Or its agreement would show nothing."""
    ours, theirs = circumstances(), other_process["circumstances"]
    assert ours["hash"] != theirs["hash"] and ours["folder"] != theirs["folder"]
    assert theirs["listed"] == ["cba", "cba"] and theirs["threads"] == 2
    assert theirs["decimal point"] == "," or not theirs["locale"]


@pytest.mark.parametrize("name", QUICK)
def test_another_process_makes_the_same_bytes(
    name: str, here: dict[str, Fingerprint], other_process: dict[str, Any]
) -> None:
    """Other hash seed, time zone, locale, folders, and number of torch's threads; folders listed in reverse."""
    assert here[name] and here[name] == other_process["cases"][name]


@pytest.mark.parametrize("name", ["drr", "registration-numba", "refinement", "readers", "meshes", "measurements"])
def test_a_second_time_gives_the_same_bytes(name: str, here: dict[str, Fingerprint]) -> None:
    assert CASES[name]() == here[name]


def test_training_ends_in_the_same_weights() -> None:
    """In other processes too: the soak program, for loading Lightning takes longer than the training."""
    assert CASES["training"]() == CASES["training"]()


def test_fingerprints_tell_what_differs(here: dict[str, Fingerprint]) -> None:
    """One bit of one number is enough."""
    one = np.ones(3, dtype=np.float32)
    other = np.nextafter(one, np.float32(2), dtype=np.float32)
    assert len({digest(one), digest(other), digest(one.astype(np.float64)), digest(one[None])}) == 4
    assert len({value for case in here.values() for value in case.values()}) > len(QUICK)


# ---- a caller's settings, threads, devices ---------------------------------------------------------------------------


@pytest.fixture
def careless() -> Iterator[None]:
    """What another program in the same Python may leave on: autocast, and matrix products of fewer digits."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


@pytest.mark.parametrize("name", ["registration-numba", "measurements"])
def test_a_callers_low_precision_changes_nothing(name: str, here: dict[str, Fingerprint], careless: None) -> None:
    assert CASES[name]() == here[name]


@pytest.fixture(scope="module")
def network() -> Any:
    """The model of the quickest shipped network."""
    return loaded_model(shipped_models_folder() / NETWORK)


def vertices(model: Any) -> dict[str, np.ndarray]:
    """Of the bones that it makes of its standard picture, mm."""
    return {name: points_of(each) for name, each in reconstructed(shipped_models_folder() / NETWORK, model).items()}


def test_a_network_answers_the_same_every_time_whatever_its_caller_left_on(
    network: Any, request: pytest.FixtureRequest
) -> None:
    before = vertices(network)
    request.getfixturevalue("careless")
    after = vertices(network)
    assert before.keys() == after.keys() and before
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_threads_move_vertices_by_less_than_a_micrometre(network: Any) -> None:
    """Sums of several threads are added in another order; see docs/repeatability.md for all bundles."""
    found = []
    for count in (1, 2):
        with torch_threads(count):
            found.append(vertices(network))
    for name, points in found[0].items():
        assert np.abs(points - found[1][name]).max() < 1e-3


@pytest.mark.parametrize("engine", ["torch", "numba"])
def test_threads_leave_pictures_alone_and_round_derivatives(engine: str) -> None:
    """Bitwise in the compiled engine; in torch's the derivatives' last digit (float32)."""
    if engine == "numba":
        pytest.importorskip("numba")
    image, slopes = jacobian(engine)
    for count in (2, 3):
        with torch_threads(count):
            other, others = jacobian(engine)
        assert torch.equal(image, other)
        assert torch.equal(slopes, others) or (engine == "torch" and (slopes - others).abs().max() < 1e-6)


@pytest.mark.parametrize("engine", ["torch", "numba"])
def test_registration_takes_its_own_threads(engine: str) -> None:
    """Whatever torch was set to; and asked for more, a pose moves by less than a micrometre at 100 mm."""
    if engine == "numba":
        pytest.importorskip("numba")
    quick = {"starts": 1, "screened": 0, "pixel_mm": (3.2,)}
    alone = registered(engine, **quick).pose
    with torch_threads(3):
        assert np.array_equal(registered(engine, **quick).pose.matrix, alone.matrix)
    asked = registered(engine, threads=2, **quick).pose
    degrees, millimetres = asked.distance_to(alone, np.zeros(3))
    assert millimetres + np.deg2rad(degrees) * 100 < 1e-3


def test_the_engines_agree_on_a_pose() -> None:
    """Trilinear rays and splines on a lattice are different sums: 0.02 degrees and 0.02 mm, as docs say."""
    pytest.importorskip("numba")
    poses = [registered(engine).pose for engine in ("torch", "numba")]
    degrees, millimetres = poses[0].distance_to(poses[1], np.zeros(3))
    assert degrees < 0.02 and millimetres < 0.02


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: agreement across devices is not tested here")
def test_a_graphics_card_agrees_with_the_processor(network: Any) -> None:
    """Vertices within 0.01 mm, a pose within 0.01 mm at 100 mm; twice on the card: the same bits."""
    here = vertices(network)
    network.predictor._networks.to("cuda")
    try:
        there, again = vertices(network), vertices(network)
    finally:
        network.predictor._networks.to("cpu")
    for name, points in here.items():
        assert np.array_equal(there[name], again[name])
        assert points.shape == there[name].shape and np.abs(points - there[name]).max() < 0.01
    poses = [registered("torch").pose, registered("torch", device="cuda").pose]
    degrees, millimetres = poses[0].distance_to(poses[1], np.zeros(3))
    assert millimetres + np.deg2rad(degrees) * 100 < 0.01


# ---- digits ----------------------------------------------------------------------------------------------------------


def test_full_precision_holds_inside_and_gives_back_what_was_set(careless: None) -> None:
    convolutions = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = True
    try:
        for block in (full_precision, inference):
            with block():
                assert torch.get_float32_matmul_precision() == "highest"
                assert not torch.backends.cudnn.allow_tf32 and not torch.is_autocast_enabled("cpu")
                assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
            assert torch.get_float32_matmul_precision() == "medium"
            assert torch.backends.cudnn.allow_tf32 and torch.is_autocast_enabled("cpu")
    finally:
        torch.backends.cudnn.allow_tf32 = convolutions


class Watching(TinyTask):
    """Notes what its networks compute in, when trained and when judged."""

    def __init__(self) -> None:
        super().__init__(steps=5)
        self.trained: set[torch.dtype] = set()
        self.judged: set[tuple[Any, ...]] = set()

    def loss(self, stage: str, optimiser: str, batch: torch.Tensor) -> dict[str, torch.Tensor]:
        self.trained.add(self.networks["maker"](batch).dtype)
        return super().loss(stage, optimiser, batch)

    def validate(self, stage: str, device: torch.device) -> dict[str, float]:
        made = self.networks["maker"](torch.randn(2, 1, 6, 6, device=device))
        settings = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
        self.judged.add((made.dtype, *settings))
        return super().validate(stage, device)


def test_mixed_precision_learns_in_16_bits_and_is_judged_in_32(tmp_path: Path) -> None:
    task = Watching()
    train(task, tmp_path, device="cpu", threads=1, precision="bf16-mixed", tensorboard=False)
    assert task.trained == {torch.bfloat16}
    assert task.judged == {(torch.float32, "highest", False)}
    assert {tensor.dtype for tensor in task.networks.state_dict().values() if tensor.is_floating_point()} == {
        torch.float32
    }


def test_figures_of_a_float16_bundle_are_of_the_weights_that_it_keeps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is tested at the end of a training are the rounded weights, and the card's command says that they are."""
    task, measured = TinyTask(steps=2), {}

    def finish() -> TrainedModel:
        measured.update({name: tensor.clone() for name, tensor in task.networks["maker"].state_dict().items()})
        shown = load_bundle(shipped_models_folder() / NETWORK).bundle
        parts = {"views": shown.views, "grid": shown.grid, "metrics": {"radius_mm": 1.0}, "summary": {"people": 1}}
        return TrainedModel({"maker": measured}, {}, shown.labels, synthetic=True, **parts)

    configuration = load_bundle(shipped_models_folder() / NETWORK).bundle.configuration
    run = TrainingRun(configuration, task, finish)
    monkeypatch.setattr("XRayTo3DLib.cli.train._prepared", lambda *_: (run, {"method": "tl-net", "seed": 0}))
    words = ["train", str(tmp_path / "any.yaml"), "-o", str(tmp_path / "run"), "--device", "cpu", "--float16", "--json"]
    assert main(words) == 0
    loaded = load_bundle(tmp_path / "run" / "bundle")
    kept = loaded.weights("maker")
    assert kept.keys() == measured.keys()
    assert all(torch.equal(kept[name], measured[name]) for name in kept)
    assert loaded.stored == "float16" and loaded.bundle.training["precision"] == "32-true"
    assert "precision: 32-true" in card_text(loaded.bundle)
    capsys.readouterr()
    assert main(["models", "show", str(tmp_path / "run" / "bundle")]) == 0
    assert "Weights are kept as float16 and computed with as float32." in capsys.readouterr().out


def test_weights_too_large_to_be_rounded_are_refused() -> None:
    network = nn.Linear(2, 1)
    with torch.no_grad():
        network.weight[0, 0] = 1e6
    with pytest.raises(InputError, match=r"weight reaches 1e\+06, too large for float16"):
        rounded_as_stored(network)


# ---- files -----------------------------------------------------------------------------------------------------------


def test_a_surface_is_written_in_the_same_bytes_whatever_was_asked_of_it_before(tmp_path: Path) -> None:
    """VTK keeps ranges that it has computed once, and writes them where it has them."""
    surface = ball()
    one = write_surface(surface, tmp_path / "one.vtp").read_bytes()
    for suffix in (".vtk", ".obj", ".ply", ".stl"):
        write_surface(surface, tmp_path / f"one{suffix}")
    surface.GetPoints().GetData().GetInformation().Set(vtkDataArray.L2_NORM_RANGE(), [1.0, 2.0], 2)
    assert write_surface(surface, tmp_path / "two.vtp").read_bytes() == one


def test_the_decimal_point_comes_and_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only where there is none, and back after the last block."""
    now = {"locale": "de_DE"}

    def setlocale(category: int, wanted: str | None = None) -> str:
        assert category == locale.LC_NUMERIC
        now["locale"] = wanted or now["locale"]
        return now["locale"]

    monkeypatch.setattr(locale, "setlocale", setlocale)
    monkeypatch.setattr(locale, "localeconv", lambda: {"decimal_point": "." if now["locale"] == "C" else ","})
    with decimal_point():
        with pytest.raises(ValueError, match="inside"), decimal_point():
            raise ValueError("inside")
        assert now["locale"] == "C"
    assert now["locale"] == "de_DE"
    now["locale"] = "C"
    with decimal_point():
        assert now["locale"] == "C"
    assert now["locale"] == "C"
