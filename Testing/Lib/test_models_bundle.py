"""Bundles: what is saved comes back, and whatever a person can do wrong with the folder is refused in a sentence."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.models import Bundle, load_bundle, save_bundle
from XRayTo3DLib.models.checksums import content_sha256

NETWORKS = {"predictor": {"weight": torch.arange(6.0).reshape(2, 3) / 7, "steps": torch.tensor(3)}}


def a_bundle(**changes: Any) -> Bundle:
    content: dict[str, Any] = {
        "method": "tl-net",
        "configuration": {"latent": 64, "lr": 1e-4},
        "anatomy": "distal forearm",
        "labels": ("radius", "ulna"),
        "views": ({"view": "PA", "size": 64, "pixel_mm": 1.5},),
        "grid": {"size": 48, "spacing_mm": 1.667, "centre_mm": (0.0, 0.0, -26.0)},
        "training": {"people": 200},
        "metrics": {"radius_mm": 0.84, "ulna_mm": None},
        "intended_use": "To try XRayTo3D.",
        "licence": "Apache-2.0",
        "synthetic": True,
    }
    return Bundle(**{**content, **changes})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save_bundle(tmp_path / "wrist", a_bundle(), NETWORKS, {"mean": np.ones((2, 3), np.float16)})


def description(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "bundle.json").read_text(encoding="utf-8"))


def rewritten(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """As somebody would who knows how checksums are made."""
    content = description(folder)
    change(content)
    content["checksum"] = content_sha256(content)
    (folder / "bundle.json").write_text(json.dumps(content), encoding="utf-8")


def refused(folder: Path | str) -> str:
    with pytest.raises(InputError) as caught:
        load_bundle(folder)
    message = str(caught.value)
    assert "\n" not in message and len(message) < 400
    return message


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


# ---- what a person can do to the folder ----------------------------------------------------------------------------


def test_every_changed_bit_of_the_weights_is_refused(folder: Path) -> None:
    for path in folder.glob("*.safetensors"):
        content = path.read_bytes()
        for place in range(len(content)):
            changed = bytearray(content)
            changed[place] ^= 1 << (place % 8)
            path.write_bytes(changed)
            assert f"{path.name} was changed" in refused(folder)
        path.write_bytes(content)
    assert load_bundle(folder).bundle == a_bundle()


def test_a_changed_byte_of_the_description_is_refused_or_means_nothing(folder: Path) -> None:
    path, whole = folder / "bundle.json", load_bundle(folder)
    content, harmless = path.read_bytes(), 0
    places = range(0, len(content), 4)
    for place in places:
        change = 1 << (place // 4 % 7)
        path.write_bytes(content[:place] + bytes([content[place] ^ change]) + content[place + 1 :])
        try:
            loaded = load_bundle(folder)
        except InputError:
            continue
        harmless += 1  # a space that became another one
        assert (loaded.bundle, loaded.networks, loaded.arrays) == (whole.bundle, whole.networks, whole.arrays)
        assert loaded.written_by == whole.written_by and loaded._files == whole._files
    assert harmless < len(places) / 2


def test_line_endings_that_version_control_changes_are_no_change(folder: Path) -> None:
    path = folder / "bundle.json"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert load_bundle(folder).bundle == a_bundle()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_download_cut_short_is_refused(folder: Path, share: float) -> None:
    path = folder / "predictor.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert f"bytes instead of {len(content)}; it was cut short" in refused(folder)


def test_a_description_cut_short_is_refused_wherever(folder: Path) -> None:
    path = folder / "bundle.json"
    content = path.read_bytes()
    for length in range(0, len(content) - 2, 7):
        path.write_bytes(content[:length])
        assert "empty (0 bytes)" in (message := refused(folder)) or "not a JSON file" in message


def do_missing_weights(folder: Path) -> None:
    (folder / "predictor.safetensors").unlink()


def do_weights_are_a_folder(folder: Path) -> None:
    (folder / "predictor.safetensors").unlink()
    (folder / "predictor.safetensors").mkdir()


def do_missing_description(folder: Path) -> None:
    (folder / "bundle.json").unlink()


def do_nested(folder: Path) -> None:
    """As archives are often unpacked."""
    inside = folder / "wrist-1.0"
    inside.mkdir()
    for path in [*folder.glob("*.safetensors"), folder / "bundle.json"]:
        path.rename(inside / path.name)


def do_gone(folder: Path) -> None:
    shutil.rmtree(folder)


def do_zip(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_bytes(b"PK\x03\x04")


def do_pickle_beside(folder: Path) -> None:
    (folder / "model.PT").write_bytes(pickle.dumps({"a": 1}))


def do_pickle_deeper(folder: Path) -> None:
    (folder / "old" / "er").mkdir(parents=True)
    (folder / "old" / "er" / "last.ckpt").write_bytes(b"x")


def do_newer(folder: Path) -> None:
    rewritten(folder, lambda content: content.update(format="xrayto3d.bundle/2"))


def do_other_format(folder: Path) -> None:
    rewritten(folder, lambda content: content.update(format="xrayto3d.camera/1"))


def do_list(folder: Path) -> None:
    (folder / "bundle.json").write_text("[1, 2]", encoding="utf-8")


def do_binary(folder: Path) -> None:
    (folder / "bundle.json").write_bytes(b"\xff\xfe\x00{")


def do_deep(folder: Path) -> None:
    (folder / "bundle.json").write_text("[" * 100_000, encoding="utf-8")


def do_nan(folder: Path) -> None:
    path = folder / "bundle.json"
    path.write_text(path.read_text(encoding="utf-8").replace("0.84", "NaN"), encoding="utf-8")


def do_better_metrics(folder: Path) -> None:
    path = folder / "bundle.json"
    path.write_text(path.read_text(encoding="utf-8").replace("0.84", "0.24"), encoding="utf-8")


def do_not_synthetic(folder: Path) -> None:
    path = folder / "bundle.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"synthetic": true', '"synthetic": false'), "utf-8")


def do_unknown_method(folder: Path) -> None:
    rewritten(folder, lambda content: content.update(method="magic"))


def do_no_labels(folder: Path) -> None:
    rewritten(folder, lambda content: content.update(labels=[]))


def do_lacks_views(folder: Path) -> None:
    rewritten(folder, lambda content: content.pop("views"))


def do_wrong_type(folder: Path) -> None:
    rewritten(folder, lambda content: content.update(views="PA"))


def do_synthetic_is_text(folder: Path) -> None:
    rewritten(folder, lambda content: content.update(synthetic="no"))


def do_no_files(folder: Path) -> None:
    rewritten(folder, lambda content: content.pop("files"))


def do_no_networks(folder: Path) -> None:
    rewritten(folder, lambda content: content.update(networks=[], arrays=[]))


def do_leads_out(folder: Path) -> None:
    rewritten(
        folder, lambda content: content["files"].update({"../x.safetensors": content["files"]["arrays.safetensors"]})
    )


def do_lists_a_pickle(folder: Path) -> None:
    rewritten(folder, lambda content: content["files"].update({"x.pt": content["files"]["arrays.safetensors"]}))


def do_names_another_network(folder: Path) -> None:
    rewritten(folder, lambda content: content["networks"].append("decoder"))


def do_swapped(folder: Path) -> None:
    shutil.copy(folder / "arrays.safetensors", folder / "predictor.safetensors")


WRONG = [
    (do_missing_weights, "predictor.safetensors is missing"),
    (do_weights_are_a_folder, "predictor.safetensors is missing"),
    (do_missing_description, "has no bundle.json. Choose the folder that holds one"),
    (do_nested, "Did you mean its folder wrist-1.0?"),
    (do_gone, "there is no folder"),
    (do_zip, "is a file; give the folder that holds bundle.json, unpacked"),
    (do_pickle_beside, "model.PT, a pickled or foreign checkpoint"),
    (do_pickle_deeper, "old/er/last.ckpt, a pickled"),
    (do_newer, "newer XRayTo3D (format 2, this one reads 1). Update"),
    (do_other_format, "'xrayto3d.camera/1', expected \"xrayto3d.bundle/1\""),
    (do_list, "does not hold a JSON object"),
    (do_binary, "not a JSON file"),
    (do_deep, "nested too deeply"),
    (do_nan, "NaN is no JSON number"),
    (do_better_metrics, "bundle.json was changed"),
    (do_not_synthetic, "bundle.json was changed"),
    (do_unknown_method, "method 'magic' is unknown"),
    (do_no_labels, "labels must be one or more names"),
    (do_lacks_views, "lacks views"),
    (do_wrong_type, "views must be"),
    (do_synthetic_is_text, "synthetic must be true or false"),
    (do_no_files, "does not list its files"),
    (do_no_networks, "does not list its files, networks"),
    (do_leads_out, "'../x.safetensors' is no file a bundle may have"),
    (do_lists_a_pickle, "'x.pt' is no file a bundle may have"),
    (do_names_another_network, "networks and files do not match (decoder.safetensors)"),
    (do_swapped, "predictor.safetensors"),
]


@pytest.mark.parametrize(("harm", "words"), WRONG, ids=[harm.__name__[3:] for harm, _ in WRONG])
def test_a_harmed_folder_is_refused(folder: Path, harm: Callable[[Path], None], words: str) -> None:
    harm(folder)
    assert words in refused(folder)


def test_files_that_do_no_harm_are_passed_over(folder: Path) -> None:
    for name in (".DS_Store", "Thumbs.db", "notes.txt", "README.md"):
        (folder / name).write_text("x", encoding="utf-8")
    assert load_bundle(folder).bundle == a_bundle()


def test_a_pickle_in_safetensors_clothing_is_never_unpickled(folder: Path, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "owned"),)

    path = folder / "predictor.safetensors"
    path.write_bytes(pickle.dumps(Evil()))
    entry = {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "bytes": path.stat().st_size}
    rewritten(folder, lambda content: content["files"].update({path.name: entry}))
    with pytest.raises(InputError, match="wrist/predictor.safetensors is a pickle, under another name"):
        load_bundle(folder).weights("predictor")
    assert not (tmp_path / "owned").exists()


def test_a_change_after_loading_is_noticed_before_use(folder: Path) -> None:
    loaded = load_bundle(folder)
    path = folder / "predictor.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    with pytest.raises(InputError, match="was changed while it was in use"):
        loaded.weights("predictor")
    path.unlink()
    with pytest.raises(InputError, match="cannot be read"):
        loaded.weights("predictor")


def test_other_names_are_refused_with_those_there_are(folder: Path) -> None:
    loaded = load_bundle(folder)
    with pytest.raises(InputError, match="no network 'encoder'; it has predictor"):
        loaded.weights("encoder")
    with pytest.raises(InputError, match="no array 'modes'; it has mean"):
        loaded.array("modes")


def test_without_safetensors_a_sentence_says_what_to_do(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    with pytest.raises(InputError, match="need the Python package safetensors.*pip install safetensors"):
        load_bundle(folder).weights("predictor")


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
