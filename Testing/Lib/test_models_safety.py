"""Models from anywhere: what somebody who means harm could put into a bundle is refused in a sentence (issue 9)."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bundle_cases import NETWORKS, a_bundle, refused, rewritten
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError
from safetensors.numpy import load as load_by_package
from safetensors.numpy import save as save_by_package
from torch import nn

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files.tensor_files import checked_shapes, shapes_in
from XRayTo3DLib.methods.limits import require_usual_sizes
from XRayTo3DLib.models import card_text, find, load_bundle, save_bundle
from XRayTo3DLib.models.bundle_files import tensors_from
from XRayTo3DLib.models.ready import ready_model
from XRayTo3DLib.networks.loading import loaded_networks

REPOSITORY = Path(__file__).resolve().parents[2]
SHIPPED = REPOSITORY / "Resources" / "models"
GOOD = save_by_package({"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.zeros(4, np.int64)})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save_bundle(tmp_path / "wrist", a_bundle(), NETWORKS, {"mean": np.ones((2, 3), np.float16)})


def listed(folder: Path, name: str, content: bytes) -> None:
    """Put a file into a bundle as somebody would who knows how checksums are made."""
    (folder / name).write_bytes(content)
    entry = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    rewritten(folder, lambda about: about["files"].update({name: entry}))


def said(caught: Any) -> str:
    """The message, if it is one printable sentence that a person can read."""
    message = str(caught.value)
    assert message.isprintable() and 10 < len(message) < 600
    return message


# ---- pickles ---------------------------------------------------------------------------------------------------------


class Evil:
    """Unpickled it makes a folder."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


def zipped_pickle(path: Path, evil: Evil) -> bytes:
    torch.save(evil, path)
    return path.read_bytes()


@pytest.mark.parametrize("kind", [*range(pickle.HIGHEST_PROTOCOL + 1), "torch", "npz", "gzip"])
def test_a_pickle_in_any_disguise_is_never_opened(folder: Path, tmp_path: Path, kind: Any) -> None:
    evil, mark = Evil(tmp_path / "owned"), tmp_path / "owned"
    if kind == "torch":
        content = zipped_pickle(tmp_path / "x.pt", evil)
    elif kind == "npz":
        np.savez(tmp_path / "x.npz", evil=np.array([evil], dtype=object))
        content = (tmp_path / "x.npz").read_bytes()
    else:
        content = b"\x1f\x8b" + pickle.dumps(evil) if kind == "gzip" else pickle.dumps(evil, kind)
    listed(folder, "predictor.safetensors", content)
    loaded = load_bundle(folder)
    for read in (loaded.weights, loaded.shapes):
        with pytest.raises(InputError, match="which can run code|not a safetensors file") as caught:
            read("predictor")
        said(caught)
    assert not mark.exists()
    pickle.loads(pickle.dumps(evil))
    assert mark.exists(), "the test's own poison works"


# ---- headers ---------------------------------------------------------------------------------------------------------


def a_file(header: Any, data: bytes = bytes(24), length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(shape: Any, begin: Any = 0, end: Any = 24, dtype: Any = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


TWICE = b'{"a":{"dtype":"F32","shape":[6],"data_offsets":[0,24]},"a":{"dtype":"F32","shape":[6],"data_offsets":[0,24]}}'
BAD_FILES = {
    "empty": b"",
    "seven bytes": b"1234567",
    "header beyond the file": a_file({"a": entry([6])}, length=10_000),
    "header of exabytes": a_file({"a": entry([6])}, length=2**63),
    "header of 4 GB": a_file({"a": entry([6])}, length=2**32),
    "no header": a_file(b"", length=0),
    "header is a list": a_file([1, 2]),
    "header is no JSON": a_file(b"{'a': 1}"),
    "nested without end": a_file(b'{"a":' * 20_000),
    "giant shape": a_file({"a": entry([10**6, 10**6])}),
    "giant shape of nothing": a_file({"a": entry([0, 2**60], 0, 0)}, b""),
    "product that wraps": a_file({"a": entry([2**40, 2**24], 0, 0)}, b""),
    "overlap": a_file({"a": entry([6]), "b": entry([6])}),
    "half an overlap": a_file({"a": entry([4], 0, 16), "b": entry([4], 8, 24)}),
    "gap": a_file({"a": entry([2], 0, 8), "b": entry([2], 16, 24)}),
    "more data": a_file({"a": entry([6])}, bytes(25)),
    "less data": a_file({"a": entry([6])}, bytes(23)),
    "backwards": a_file({"a": entry([6], 24, 0)}),
    "negative": a_file({"a": entry([-6])}),
    "a share of one": a_file({"a": entry([1.5, 4])}),
    "true": a_file({"a": entry([True, 6])}),
    "shape is text": a_file({"a": entry("6")}),
    "three offsets": a_file({"a": {"dtype": "F32", "shape": [6], "data_offsets": [0, 12, 24]}}),
    "no offsets": a_file({"a": {"dtype": "F32", "shape": [6]}}),
    "another kind": a_file({"a": entry([24], dtype="F8_E4M3")}),
    "kind is a list": a_file({"a": entry([6], dtype=["F32"])}),
    "a thousand axes": a_file({"a": entry([1] * 1000 + [6])}),
    "named twice": a_file(TWICE),
    "not a number": a_file({"a": entry([6])}, struct.pack("<6f", 1, 2, 3, float("nan"), 5, 6)),
    "infinite": a_file({"a": entry([6])}, struct.pack("<6f", 1, 2, 3, float("inf"), 5, 6)),
}


@pytest.mark.parametrize("content", BAD_FILES.values(), ids=BAD_FILES)
def test_a_header_that_lies_is_refused_before_memory_is_taken(content: bytes) -> None:
    tracemalloc.start()
    with pytest.raises(InputError) as caught:
        tensors_from(content, "b/net.safetensors")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "net.safetensors" in said(caught)
    assert peak < 20_000_000


def test_a_header_of_sixteen_megabytes_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    with path.open("wb") as stream:
        stream.write(struct.pack("<Q", 2_000_000_000))
        stream.truncate(2_000_000_100)  # sparse: takes no room
    with pytest.raises(InputError, match="its header would have 2000000000 of"):
        shapes_in(path, "net.safetensors")


TENSORS = st.dictionaries(
    st.text(min_size=1, max_size=8),
    st.tuples(
        st.sampled_from([np.float32, np.float16, np.float64, np.int64, np.int32, np.uint8, np.bool_]),
        st.lists(st.integers(0, 4), max_size=4),
    ),
    max_size=5,
).filter(lambda found: "__metadata__" not in found)


@given(TENSORS)
@settings(max_examples=60, deadline=None)
def test_every_file_of_the_package_is_understood(tensors: dict[str, Any]) -> None:
    made = {name: np.zeros(shape, kind) for name, (kind, shape) in tensors.items() if "\0" not in name}
    try:
        content = save_by_package(made)
    except UnicodeEncodeError:  # half a character
        return
    assert checked_shapes(content, "x") == {name: array.shape for name, array in made.items()}


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255), st.booleans())
@settings(max_examples=150, deadline=None)
def test_a_damaged_file_is_what_the_package_reads_or_refused(place: int, change: int, cut: bool) -> None:
    content = GOOD[:place] if cut else GOOD[:place] + bytes([GOOD[place] ^ change]) + GOOD[place + 1 :]
    try:
        shapes = checked_shapes(content, "x")
    except InputError:
        return
    try:
        assert shapes == {name: array.shape for name, array in load_by_package(content).items()}
    except (SafetensorError, KeyError):  # stricter than we are: then it refuses, and tensors_from says so
        with pytest.raises(InputError):
            tensors_from(content, "x")


# ---- networks that are not those of the file -----------------------------------------------------------------------


def test_a_network_is_made_only_when_its_shapes_are_those_of_the_file() -> None:
    devices, net = [], nn.ModuleDict({"net": nn.Linear(3, 2)})

    def make() -> nn.ModuleDict:
        devices.append(torch.empty(0).device.type)
        return nn.ModuleDict({"net": nn.Linear(3, 2)})

    class Stored:
        def __init__(self, shapes: dict[str, tuple[int, ...]]) -> None:
            self._shapes, self.read = shapes, 0

        def shapes(self, name: str) -> dict[str, tuple[int, ...]]:
            return self._shapes

        def weights(self, name: str) -> dict[str, torch.Tensor]:
            self.read += 1
            return net["net"].state_dict()

    for wrong in ({"weight": (2, 3)}, {"weight": (3, 2), "bias": (2,)}, {"weight": (2, 3), "bias": (2,), "more": (1,)}):
        stored = Stored(wrong)
        with pytest.raises(InputError, match="its weights are not those of its networks: net (lacks|has)"):
            loaded_networks(make, ("net",), stored.weights)
        assert not stored.read
    assert set(devices) == {"meta"}
    made = loaded_networks(make, ("net",), Stored({"weight": (2, 3), "bias": (2,)}).weights)
    assert devices[-1] == "cpu" and torch.equal(made["net"].weight, net["net"].weight)


def forged(tmp_path: Path, change: Callable[[dict[str, Any]], None], name: str = "wrist-pa-demo") -> Path:
    folder = shutil.copytree(SHIPPED / name, tmp_path / "forged")
    rewritten(folder, change)
    return folder


def test_a_small_file_with_a_giant_configuration_is_refused(tmp_path: Path) -> None:
    def bomb(about: dict[str, Any]) -> None:
        about["configuration"]["network"].update(width=4096, channels=2048)  # 200 GB, were it made

    with pytest.raises(InputError, match="bundle forged: its weights are not those of its networks") as caught:
        ready_model(load_bundle(forged(tmp_path, bomb)))
    said(caught)


SIZES = {
    "data.grid.size": 10**6,
    "data.image.size": 10**7,
    "data.geometry.size": 10**7,
    "network.channels": 10**9,
    "network.width": 10**9,
    "network.depth": 10**6,
    "network.latent": 10**400,
    "gan.blocks": 10**9,
    "gan.downs": 40,
    "completion.points": 10**12,
    "data.views": ["PA"] * 10_000,
    "network.channels ": [10**9, 1],
}


@pytest.mark.parametrize("place", SIZES)
def test_sizes_that_no_computer_has_are_refused(place: str) -> None:
    content: Any = SIZES[place]
    for part in reversed(place.strip().split(".")):
        content = {part: content}
    with pytest.raises(InputError, match=f"configuration: {place.strip()} is") as caught:
        require_usual_sizes(content)
    said(caught)


def test_feature_maps_beyond_memory_are_refused_and_papers_sizes_are_not() -> None:
    with pytest.raises(InputError, match="take more memory"):
        require_usual_sizes({"data": {"image": {"size": 4096}}, "gan": {"channels": 1024}})
    for path in (REPOSITORY / "Resources" / "configs").glob("*.yaml"):
        import yaml

        require_usual_sizes(yaml.safe_load(path.read_text(encoding="utf-8")))


def test_arrays_of_another_shape_are_refused(tmp_path: Path) -> None:
    loaded = load_bundle(SHIPPED / "wrist-pa-demo")
    networks = {name: loaded.weights(name) for name in loaded.networks}
    wrong = save_bundle(tmp_path / "wrong", loaded.bundle, networks, {"mean_distances": np.zeros((1, 2, 2, 2))})
    with pytest.raises(InputError, match=r"mean_distances has shape \(1, 2, 2, 2\), its configuration makes it"):
        ready_model(load_bundle(wrong))


@pytest.mark.parametrize("name", ["wrist-shapes-demo", "knee-ap-lat-demo"])
def test_arrays_that_do_not_fit_together_are_one_sentence(name: str, tmp_path: Path) -> None:
    """Every array as a single number or with an axis more: refused, or of that shape all the same."""
    loaded, refusals = load_bundle(SHIPPED / name), 0
    known = {each: loaded.array(each) for each in loaded.arrays}
    for number, each in enumerate(known):
        found = {**known, each: np.float32(1.0) if number % 2 else known[each][None]}
        object.__setattr__(loaded, "array", found.__getitem__)
        try:
            ready_model(loaded)
        except InputError as error:
            refusals += 1
            assert str(error).isprintable()
    assert refusals >= len(known) / 2


# ---- a card that is not what is inside -----------------------------------------------------------------------------


def other_anatomy(about: dict[str, Any]) -> None:
    about["labels"] = ["femur", "tibia"]


def other_view(about: dict[str, Any]) -> None:
    about["views"][0]["view"] = "LAT"


def other_pixels(about: dict[str, Any]) -> None:
    about["views"][0]["pixel_mm"] = 0.1


def other_method(about: dict[str, Any]) -> None:
    about["method"] = "biplanar"


@pytest.mark.parametrize("change", [other_anatomy, other_view, other_pixels, other_method])
def test_a_card_that_is_not_the_configuration_is_refused(tmp_path: Path, change: Any) -> None:
    with pytest.raises(InputError, match=r"forged.*its description says .* its configuration .* put together wrongly"):
        ready_model(load_bundle(forged(tmp_path, change)))


@pytest.mark.parametrize("name", sorted(path.name for path in SHIPPED.iterdir() if path.is_dir()))
def test_what_comes_along_is_not_refused(name: str) -> None:
    loaded = load_bundle(SHIPPED / name)
    model = ready_model(loaded)
    assert model.checksum == loaded.checksum and model.anatomy == loaded.bundle.anatomy and not loaded.unknown
    assert model.expected.labels == loaded.bundle.labels and model.expected.synthetic


# ---- descriptions --------------------------------------------------------------------------------------------------


def text_of(folder: Path) -> str:
    return (folder / "bundle.json").read_text(encoding="utf-8")


def put(folder: Path, text: str | bytes) -> None:
    (folder / "bundle.json").write_bytes(text if isinstance(text, bytes) else text.encode())


DESCRIPTIONS = {
    "named twice": (lambda text: text.replace('"method":', '"method": "magic", "method":', 1), "'method' twice"),
    "a checksum twice": (lambda text: text.replace('"checksum":', '"checksum": "0", "checksum":', 1), "twice"),
    "endless number": (lambda text: text.replace("0.84", "1e999"), "too large a number"),
    "long number": (lambda text: text.replace("0.84", "9" * 5000), "too large a number"),
    "nested": (lambda text: text.replace("0.84", "[" * 5000 + "]" * 5000), "nested too deeply"),
    "a megabyte": (lambda text: text.replace("0.84", '"' + "x" * 2_000_000 + '"'), "has more than 1 MB"),
    "half a character": (lambda text: text.replace("0.84", '"\\ud800"'), "half a character"),
    "no checksum": (lambda text: text.replace('"checksum"', '"Checksum"'), "another checksum"),
    "checksum of text": (lambda text: text.replace('"checksum": "', '"checksum": "0'), "another checksum"),
}


@pytest.mark.parametrize("kind", DESCRIPTIONS)
def test_a_description_that_is_made_to_harm_is_refused(folder: Path, kind: str) -> None:
    change, words = DESCRIPTIONS[kind]
    put(folder, change(text_of(folder)))
    assert words in refused(folder)


def more_files(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda about: about["files"].update({name: about["files"]["arrays.safetensors"]})


CHANGES = {
    "older": (lambda about: about.update(format="xrayto3d.bundle/0"), "an older XRayTo3D (format 0"),
    "newer": (lambda about: about.update(format="xrayto3d.bundle/999"), "a newer XRayTo3D (format 999"),
    "no version": (lambda about: about.update(format="xrayto3d.bundle/1.5"), "Is it a model bundle?"),
    "a number": (lambda about: about.update(format=1), "Is it a model bundle?"),
    "no sha": (lambda about: about["files"]["arrays.safetensors"].pop("sha256"), "does not list its files"),
    "sha of capitals": (lambda about: about["files"]["arrays.safetensors"].update(sha256="A" * 64), "does not list"),
    "wrong sha": (lambda about: about["files"]["arrays.safetensors"].update(sha256="0" * 64), "checksum differs"),
    "size is true": (lambda about: about["files"]["arrays.safetensors"].update(bytes=True), "does not list its files"),
    "size below zero": (lambda about: about["files"]["arrays.safetensors"].update(bytes=-1), "does not list its files"),
    "a network twice": (lambda about: about["networks"].append("predictor"), "does not list its files"),
    "petabytes": (lambda about: about["files"]["arrays.safetensors"].update(bytes=10**15), "more than 8 GB"),
    "a path": (more_files("a/b.safetensors"), "is no file a bundle may have"),
    "a drive": (more_files("c:b.safetensors"), "is no file a bundle may have"),
    "a device": (more_files("con.safetensors"), "is no file a bundle may have"),
    "a capital": (more_files("A.safetensors"), "is no file a bundle may have"),
    "a look-alike": (more_files("\u0430b.safetensors"), "is no file a bundle may have"),
    "no bone": (lambda about: about.update(labels=[""]), "labels must be"),
    "a bone of paths": (lambda about: about.update(labels=["..", "radius"]), "labels must be"),
    "bones alike as files": (lambda about: about.update(labels=["a/b", "a_b"]), "labels must be"),
    "bones alike but capitals": (lambda about: about.update(labels=["Radius", "radius"]), "labels must be"),
    "a bone that is a device": (lambda about: about.update(labels=["NUL"]), "labels must be"),
    "a thousand bones": (lambda about: about.update(labels=[f"b{n}" for n in range(1000)]), "labels must be"),
    "a bone that steers": (lambda about: about.update(labels=["radius\x1b[2J"]), "labels must be"),
    "a novel": (lambda about: about.update(intended_use="x" * 10_000), "intended_use must be text"),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_a_description_that_is_forged_whole_is_refused(folder: Path, kind: str) -> None:
    change, words = CHANGES[kind]
    rewritten(folder, change)
    assert words in refused(folder)


def test_fields_of_a_later_version_are_passed_over_and_told(folder: Path) -> None:
    rewritten(folder, lambda about: about.update(only_for_adults=True))
    assert load_bundle(folder).unknown == ("only_for_adults",)


# ---- what is shown -------------------------------------------------------------------------------------------------


def test_a_card_is_no_page_and_steers_no_terminal() -> None:
    evil = "<script>alert(1)</script> [x](http://evil) ![p](file:///etc/passwd)\n# Validated\n\x1b[2J\u202e"
    text = card_text(a_bundle(intended_use=evil, limitations=(evil, "> not synthetic"), title=evil, sources=(evil,)))
    assert all(each.isprintable() or each == "\n" for each in text)
    for mark in ("<script", "[x](", "![p](", "</script"):
        assert text.count(mark) == text.count(f"\\{mark}") > 0, mark
    assert "\n# Validated" not in text and "\n> not synthetic" not in text
    assert card_text(a_bundle(limitations=("Errors < 5 mm, [1, 2].",))).count("Errors < 5 mm, [1, 2].") == 1


def test_a_model_is_found_by_its_own_name_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(find.USER_FOLDER_VARIABLE, str(tmp_path))
    for name in ("../wrist-pa-demo", "wrist-pa-demo/", "wrist-pa-dem\u043e", "WRIST-PA-DEMO"):
        path = None
        try:
            path = find.bundle_path(name)
        except InputError:
            continue
        assert not path.exists() or path == SHIPPED / "wrist-pa-demo"
