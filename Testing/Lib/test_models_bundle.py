"""Bundles: what is saved comes back, and an older one stays whole whatever goes wrong."""

from __future__ import annotations

import hashlib
import json
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bundle_cases import NETWORKS, a_bundle, description, wrist_bundle
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.models import Bundle, load_bundle, save_bundle


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return wrist_bundle(tmp_path / "wrist")


# ---- round trips ---------------------------------------------------------------------------------------------------


def test_what_is_saved_comes_back(folder: Path) -> None:
    loaded = load_bundle(folder)
    assert loaded.bundle == a_bundle()
    assert loaded.networks == ("predictor",) and loaded.arrays == ("mean",)
    weights = loaded.weights("predictor")
    assert set(weights) == {"weight", "steps"}
    assert torch.equal(weights["weight"], NETWORKS["predictor"]["weight"])
    assert weights["steps"].dtype == torch.int64 and weights["steps"].shape == () and int(weights["steps"]) == 3
    array = loaded.array("mean")
    assert array.dtype == np.float16 and array.shape == (2, 3) and (array == 1).all()
    assert loaded.size == sum(path.stat().st_size for path in folder.glob("*.safetensors"))


def test_bundle_json_itself_may_be_named(folder: Path) -> None:
    assert load_bundle(folder / "bundle.json").folder == folder.resolve()


def test_a_network_s_state_comes_back_into_it(tmp_path: Path) -> None:
    """Tied, transposed and batch-norm tensors: what state dicts hold."""
    net = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 3))
    net[2].weight = net[0].weight
    state = {**net.state_dict(), "turned": torch.arange(6.0).reshape(2, 3).T}
    save_bundle(tmp_path / "b", a_bundle(), {"net": state})
    back = load_bundle(tmp_path / "b").weights("net")
    assert torch.equal(back.pop("turned"), state["turned"])
    other = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 3))
    other.load_state_dict(back, strict=True)
    assert all(torch.equal(value, other.state_dict()[key]) for key, value in net.state_dict().items())


@given(
    hnp.arrays(st.sampled_from([np.float32, np.int64, np.uint8, np.bool_]), hnp.array_shapes(min_dims=0, max_side=3))
)
@settings(max_examples=25, deadline=None)
def test_any_array_of_numbers_comes_back(tmp_path_factory: pytest.TempPathFactory, array: np.ndarray) -> None:
    folder = tmp_path_factory.mktemp("arrays") / "b"
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        with pytest.raises(InputError, match="NaN or infinite"):
            save_bundle(folder, a_bundle(), NETWORKS, {"x": array})
        return
    save_bundle(folder, a_bundle(), NETWORKS, {"x": array})
    back = load_bundle(folder).array("x")
    assert back.dtype == array.dtype and back.shape == array.shape and np.array_equal(back, array)


def test_float16_on_disk_is_rounded_float32_in_memory(tmp_path: Path) -> None:
    values = torch.linspace(-3, 3, 1001)
    save_bundle(tmp_path / "b", a_bundle(), {"net": {"w": values, "n": torch.tensor(7)}}, stored="float16")
    weights = load_bundle(tmp_path / "b").weights("net")
    assert weights["w"].dtype == torch.float32 and weights["n"].dtype == torch.int64
    np.testing.assert_array_equal(weights["w"].numpy(), values.numpy().astype(np.float16).astype(np.float32))
    assert (tmp_path / "b" / "net.safetensors").stat().st_size < 1001 * 2 + 200


def test_the_file_is_safetensors_by_its_specification(folder: Path) -> None:
    """Eight bytes of header length, JSON header, raw little-endian numbers: read without the package."""
    content = (folder / "predictor.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    begin, end = header["weight"]["data_offsets"]
    values = np.frombuffer(content[8 + length :][begin:end], dtype="<f4").reshape(header["weight"]["shape"])
    np.testing.assert_array_equal(values, NETWORKS["predictor"]["weight"].numpy())
    assert description(folder)["files"]["predictor.safetensors"] == {
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
    }


def test_the_same_content_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    again = save_bundle(tmp_path / "again", a_bundle(), NETWORKS, {"mean": np.ones((2, 3), np.float16)})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        path.name: path.read_bytes() for path in again.iterdir()
    }


def test_it_loads_with_torch_and_safetensors_alone(folder: Path) -> None:
    """In Slicer there is neither Lightning nor MONAI nor YAML, and a card is read before anything else is loaded."""
    program = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("lightning", "monai", "yaml", "torchvision", "scipy", "vtkmodules", "matplotlib"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Refuse())
from XRayTo3DLib.models import card_text, load_bundle
loaded = load_bundle(sys.argv[1])
card_text(loaded.bundle)
assert "torch" not in sys.modules
print(loaded.weights("predictor")["weight"].sum().item() * 7, loaded.array("mean").sum())
"""
    done = subprocess.run([sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=True)
    assert [round(float(value), 4) for value in done.stdout.split()] == [15.0, 6.0]


def test_paths_of_this_machine_do_not_leave_it(tmp_path: Path) -> None:
    where = {"dataset": "/data/jane doe/wrists", "windows": "C:\\Users\\jane\\wrists", "near": "cases/wrists"}
    save_bundle(tmp_path / "b", a_bundle(configuration=where, training={"folder": Path("/data/jane doe/x")}), NETWORKS)
    loaded = load_bundle(tmp_path / "b").bundle
    assert loaded.configuration == {"dataset": "wrists", "windows": "wrists", "near": "cases/wrists"}
    assert loaded.training == {"folder": "x"}
    assert "jane" not in (tmp_path / "b" / "bundle.json").read_text(encoding="utf-8")


# ---- saving --------------------------------------------------------------------------------------------------------


def test_an_older_bundle_is_replaced_whole(folder: Path) -> None:
    save_bundle(folder, a_bundle(version="2"), {"decoder": {"w": torch.zeros(2)}})
    assert sorted(path.name for path in folder.iterdir()) == ["bundle.json", "decoder.safetensors"]
    assert load_bundle(folder).bundle.version == "2"
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_a_system_without_weights_has_arrays_alone(tmp_path: Path) -> None:
    mean = np.arange(6, dtype=np.float16).reshape(2, 3)
    found = load_bundle(save_bundle(tmp_path / "mean", a_bundle(), {}, {"mean": mean}))
    assert found.networks == () and found.arrays == ("mean",)
    assert sorted(path.name for path in found.folder.iterdir()) == ["arrays.safetensors", "bundle.json"]
    assert np.array_equal(found.array("mean"), mean) and found.array("mean").dtype == np.float16


@pytest.mark.parametrize(
    ("networks", "options", "words"),
    [
        ({}, {}, "needs a network or an array"),
        ({"net": {}}, {}, "has no tensors"),
        ({"net": {"w": torch.tensor([1.0, float("nan")])}}, {}, "net': w holds NaN or infinite"),
        ({"net": {"w": torch.tensor([float("-inf")])}}, {}, "holds NaN or infinite"),
        ({"net": {"w": torch.tensor([1e5])}}, {"stored": "float16"}, "too large for float16; store this bundle as"),
        ({"net": {"w": [1.0]}}, {}, "w is a list, a tensor is needed"),
        ({"../net": {"w": torch.zeros(1)}}, {}, "cannot name a network"),
        ({"arrays": {"w": torch.zeros(1)}}, {}, "cannot name a network"),
        (NETWORKS, {"stored": "int8"}, "float32, float16, not 'int8'"),
        (NETWORKS, {"arrays": {"x": np.array(["a"])}}, "stores numbers only"),
        (NETWORKS, {"arrays": {"x": np.array([None])}}, "stores numbers only"),
        (NETWORKS, {"arrays": {"x": np.array([np.nan])}}, "holds NaN"),
    ],
)
def test_what_cannot_be_saved_leaves_the_older_bundle(
    folder: Path, networks: Any, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError, match=None) as caught:
        save_bundle(folder, a_bundle(version="2"), networks, **options)
    assert words in str(caught.value)
    assert load_bundle(folder).bundle == a_bundle()
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_a_full_disk_leaves_the_older_bundle(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, content: bytes) -> int:
        with self.open("wb") as stream:
            stream.write(content[:3])
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="the disk of .* takes no more"):
        save_bundle(folder, a_bundle(version="2"), NETWORKS)
    monkeypatch.undo()
    assert load_bundle(folder).bundle == a_bundle()
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_the_older_bundle_comes_back_if_the_new_one_cannot_be_moved(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    move = Path.replace

    def fails(self: Path, target: Path) -> Path:
        if target == folder and self.name == folder.name:
            raise PermissionError(13, "Permission denied", str(target))
        return move(self, target)

    monkeypatch.setattr(Path, "replace", fails)
    with pytest.raises(OSError, match="cannot be written to"):
        save_bundle(folder, a_bundle(version="2"), NETWORKS)
    assert load_bundle(folder).bundle == a_bundle()
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_a_folder_of_something_else_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("dear", encoding="utf-8")
    with pytest.raises(InputError, match="holds something else than a model bundle"):
        save_bundle(tmp_path, a_bundle(), NETWORKS)
    with pytest.raises(InputError, match="is a file; choose another folder"):
        save_bundle(tmp_path / "thesis.tex", a_bundle(), NETWORKS)
    assert (tmp_path / "thesis.tex").read_text(encoding="utf-8") == "dear"


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    save_bundle(tmp_path / "new", a_bundle(), NETWORKS)
    assert load_bundle(tmp_path / "new").networks == ("predictor",)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"method": " "}, "method must be text"),
        ({"licence": ""}, "licence must be text"),
        ({"labels": ("radius", "radius")}, "labels must be one or more names that differ"),
        ({"labels": "radius"}, "labels must be a list"),
        ({"views": ()}, "views must be one object or more"),
        ({"synthetic": 1}, "synthetic must be true or false"),
        ({"metrics": None}, "metrics must be an object"),
        ({"configuration": {"f": print}}, "configuration.f is a builtin_function_or_method"),
        ({"limitations": ("", "b")}, "limitations must be a list of texts"),
    ],
)
def test_a_description_that_says_too_little_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        a_bundle(**changes)


def test_numbers_of_numpy_and_torch_become_plain() -> None:
    bundle = a_bundle(metrics={"a": np.float32(0.5), "b": torch.tensor(2.0), "c": np.array([1, 2]), "d": float("inf")})
    assert bundle.metrics == {"a": 0.5, "b": 2.0, "c": [1, 2], "d": None}
    assert replace(bundle, version="2").metrics == bundle.metrics
    assert Bundle.from_dict(json.loads(json.dumps(bundle.to_dict()))) == bundle
