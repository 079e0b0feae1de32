"""Bundles: whatever a person can do wrong with the folder is refused in a sentence."""

from __future__ import annotations

import hashlib
import os
import pickle
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bundle_cases import a_bundle, refused, rewritten, wrist_bundle

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.models import load_bundle


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return wrist_bundle(tmp_path / "wrist")


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
