"""Cards, checksums, portable values and where bundles are found."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bundle_cases import NETWORKS, a_bundle
from hypothesis import given
from hypothesis import strategies as st

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.methods.registry import TRANSLATIONS
from XRayTo3DLib.models import card_text, save_bundle
from XRayTo3DLib.models.checksums import content_sha256, file_sha256
from XRayTo3DLib.models.find import bundle_path, find_bundles, shipped_models_folder, user_models_folder
from XRayTo3DLib.models.portable import portable, shareable_text

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


# ---- the card ------------------------------------------------------------------------------------------------------


def test_a_synthetic_model_says_so_first_and_again_at_its_figures() -> None:
    lines = card_text(a_bundle(title="Wrist demo")).splitlines()
    assert lines[0] == "# Wrist demo"
    assert lines[2].startswith("> **SYNTHETIC:") and "RESEARCH USE ONLY" in lines[4]
    results = lines.index("## Results on test data (SYNTHETIC)")
    assert lines[results + 2 : results + 4] == ["- radius_mm: 0.84", "- ulna_mm: not known"]


def test_a_model_of_real_data_does_not() -> None:
    text = card_text(a_bundle(synthetic=False))
    assert "SYNTHETIC" not in text and "RESEARCH USE ONLY" in text and "## Results on test data\n" in text


def test_a_translation_is_not_said_to_make_surfaces() -> None:
    for method in TRANSLATIONS:
        text = card_text(a_bundle(method=method, grid={}))
        assert "From PA radiograph of the distal forearm to pictures of radius, ulna alone." in text


def test_everything_a_user_needs_is_on_the_card() -> None:
    bundle = a_bundle(
        views=({"view": "PA", "pixel_mm": 1.5}, {"view": "LAT", "pixel_mm": 1.5}),
        limitations=("No casts.",),
        sources=("Shiode et al. 2021",),
        training={"people": {"training": 170, "validation": 30}, "real": False},
    )
    text = card_text(bundle)
    for words in (
        "From PA and LAT radiographs of the distal forearm to 3D surfaces of radius, ulna.",
        "1. view PA; pixel_mm 1.5\n2. view LAT; pixel_mm 1.5",
        "- people.training: 170\n- people.validation: 30\n- real: no",
        "- size: 48\n- spacing_mm: 1.667\n- centre_mm: 0, 0, -26",
        "- No casts.",
        "- Shiode et al. 2021",
        "To try XRayTo3D.",
        "Apache-2.0",
        "- lr: 0.0001",
    ):
        assert words in text
    assert "## Limits" not in card_text(a_bundle())


def test_a_bundle_s_texts_cannot_move_the_terminal_s_cursor() -> None:
    text = card_text(a_bundle(intended_use="safe\x1b[2J\rcertified", metrics={"a\x07\nb": "x\x1b"}))
    assert all(character.isprintable() or character == "\n" for character in text)
    assert "safe [2J certified" in text


# ---- checksums -----------------------------------------------------------------------------------------------------


def test_a_file_s_checksum_is_what_sha256sum_prints(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(np.arange(700_000, dtype=np.uint32).tobytes())  # several blocks
    done = subprocess.run(["sha256sum", str(path)], capture_output=True, text=True, check=True)
    assert file_sha256(path) == done.stdout.split()[0]
    path.write_bytes(b"abc")  # FIPS 180-2, B.1
    assert file_sha256(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_description_s_checksum_by_hand() -> None:
    text = '{"a":[1,2.5,null],"b":"\\u00e9"}'
    expected = hashlib.sha256(text.encode()).hexdigest()
    assert content_sha256({"b": "é", "checksum": "whatever", "a": [1, 2.5, None]}) == expected


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_a_checksum_survives_being_written_and_read(content: dict[str, Any]) -> None:
    assume_finite = json.loads(json.dumps(portable(content)))
    assert content_sha256(json.loads(json.dumps(assume_finite, indent=3))) == content_sha256(assume_finite)


# ---- values that leave the machine ---------------------------------------------------------------------------------


@given(JSON)
def test_portable_values_are_json_and_stay(value: Any) -> None:
    once = portable(value)
    assert json.loads(json.dumps(once, allow_nan=False)) == once
    assert portable(once) == once or "/" in json.dumps(once) or "\\" in json.dumps(once)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("/people/jo/data/wrists", "wrists"),
        ("~/data/wrists", "wrists"),
        ("~jane/wrists", "wrists"),
        ("C:\\Users\\jane\\ct.nrrd", "ct.nrrd"),
        ("d:/jane/ct.nrrd", "ct.nrrd"),
        ("\\\\server\\jane\\ct.nrrd", "ct.nrrd"),
        (Path("/people/jo/x.json"), "x.json"),
        ("cases/p001", "cases/p001"),
        ("mean of 3 views, ~5 mm / bone", "mean of 3 views, ~5 mm / bone"),
        ("~5 mm / bone", "~5 mm / bone"),
        ("mm/px", "mm/px"),
        ((1, np.float64(2.5), {"a": torch.tensor([1, 2])}), [1, 2.5, {"a": [1, 2]}]),
        ({3: float("nan"), "b": {2, 1}}, {"3": None, "b": [1, 2]}),
        (np.bool_(True), True),
    ],
)
def test_portable(value: Any, expected: Any) -> None:
    assert portable(value) == expected


def test_what_json_cannot_hold_is_named() -> None:
    with pytest.raises(InputError, match=r"training\.a\[1\] is a object"):
        portable({"a": [1, object()]}, "training")


def test_messages_keep_their_paths_but_not_the_person(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/people/jo")
    assert (
        shareable_text("there is no file /people/jo/ct.nrrd, nor /data/x") == "there is no file ~/ct.nrrd, nor /data/x"
    )
    monkeypatch.setenv("HOME", "/")
    assert shareable_text("there is no file /data/x") == "there is no file /data/x"


# ---- where they are ------------------------------------------------------------------------------------------------


def test_bundles_are_found_in_folders_and_as_folders(tmp_path: Path) -> None:
    for name in ("b", "a"):
        save_bundle(tmp_path / "models" / name, a_bundle(), NETWORKS)
    (tmp_path / "models" / "notes").mkdir()
    (tmp_path / "models" / ".writing-x").mkdir()
    (tmp_path / "models" / ".writing-x" / "bundle.json").touch()
    models = tmp_path / "models"
    assert [path.name for path in find_bundles([models])] == ["a", "b"]
    assert [path.name for path in find_bundles([models / "b", models, tmp_path / "nowhere"])] == ["b", "a"]


def test_a_bundle_goes_by_path_or_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XRAYTO3D_MODELS", str(tmp_path / "mine"))
    assert user_models_folder() == tmp_path / "mine"
    save_bundle(tmp_path / "mine" / "wrist", a_bundle(), NETWORKS)
    assert bundle_path("wrist") == (tmp_path / "mine" / "wrist").resolve()
    monkeypatch.chdir(tmp_path / "mine")
    assert bundle_path("wrist") == Path("wrist")
    assert bundle_path("some/where") == Path("some/where")
    with pytest.raises(InputError, match="no model bundle elbow, neither here nor by name; installed: .*wrist"):
        bundle_path("elbow")


def test_a_person_s_folder_is_at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XRAYTO3D_MODELS", raising=False)
    assert user_models_folder() == Path.home() / ".xrayto3d" / "models"


def test_shipped_bundles_are_beside_the_library(repository: Path) -> None:
    assert shipped_models_folder() == repository / "Resources" / "models"
