"""Bundles installed from folders and archives; what must not be unpacked is refused, and nothing half is left."""

from __future__ import annotations

import argparse
import json
import shutil
import zipfile
from pathlib import Path

import pytest

from XRayTo3DLib import shipped
from XRayTo3DLib.cli import models as command
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.methods.catalogue import shipped_configurations_folder
from XRayTo3DLib.models import find, install
from XRayTo3DLib.models.find import find_bundles
from XRayTo3DLib.models.install import bundle_bytes, install_bundles, remove_bundle

REPOSITORY = Path(__file__).resolve().parents[2]
EVIL = ("../evil.safetensors", "/etc/evil.safetensors", "..\\evil.json", "C:\\evil", "a/../../b")
BUNDLE = REPOSITORY / "Resources" / "models" / "wrist-shapes-demo"


@pytest.fixture
def own(tmp_path, monkeypatch) -> Path:
    """A person's own folder, not there yet."""
    monkeypatch.setenv(find.USER_FOLDER_VARIABLE, str(tmp_path / "own"))
    return tmp_path / "own"


def packed(path: Path, prefix: str = "wrist/", **more: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for each in BUNDLE.iterdir():
            archive.write(each, prefix + each.name)
        for name, content in more.items():
            archive.writestr(name, content)
    return path


def left(own: Path) -> list[str]:
    return sorted(each.name for each in own.iterdir()) if own.is_dir() else []


@pytest.mark.parametrize("prefix", ["wrist/", "deep/er/wrist/", ""])
def test_an_archive_is_installed_and_whole(own, tmp_path, prefix):
    archive = packed(tmp_path / "wrist.zip", prefix, **{"README.txt": b"words", "run.py": b"import os"})
    if prefix.startswith("deep"):
        with pytest.raises(InputError, match="holds none"):  # as with folders: one level is looked at
            install_bundles(archive)
        return
    (path,) = install_bundles(archive)
    assert path == own / "wrist"
    assert sorted(each.name for each in path.iterdir()) == ["arrays.safetensors", "bundle.json"]
    assert (path / "arrays.safetensors").read_bytes() == (BUNDLE / "arrays.safetensors").read_bytes()
    assert bundle_bytes(path) == sum(each.stat().st_size for each in BUNDLE.iterdir())
    assert left(own) == ["wrist"]


def test_a_folder_of_folders_is_installed(own, tmp_path):
    for name in ("one", "two"):
        shutil.copytree(BUNDLE, tmp_path / "mine" / name)
    assert [path.name for path in install_bundles(tmp_path / "mine")] == ["one", "two"]
    assert find_bundles([own]) == [own / "one", own / "two"]


def test_a_second_of_that_name_needs_a_word(own, tmp_path):
    install_bundles(BUNDLE)
    with pytest.raises(InputError, match="has wrist-shapes-demo already"):
        install_bundles(BUNDLE)
    (own / BUNDLE.name / "bundle.json").write_text("{}")
    install_bundles(BUNDLE, replace=True)
    assert (own / BUNDLE.name / "bundle.json").read_bytes() == (BUNDLE / "bundle.json").read_bytes()
    assert left(own) == [BUNDLE.name]


def test_changed_bundles_are_refused_all_together(own, tmp_path):
    for name in ("good", "worse"):
        shutil.copytree(BUNDLE, tmp_path / "mine" / name)
    broken = tmp_path / "mine" / "worse" / "arrays.safetensors"
    broken.write_bytes(broken.read_bytes()[:-1] + b"!")
    with pytest.raises(InputError, match="checksum differs"):
        install_bundles(tmp_path / "mine")
    assert left(own) == []


@pytest.mark.parametrize("name", EVIL)
def test_paths_that_lead_out_are_refused(own, tmp_path, name):
    with pytest.raises(InputError, match="leads out"):
        install_bundles(packed(tmp_path / "bad.zip", **{name: b"x"}))
    assert left(own) == []
    assert not (tmp_path / "evil.safetensors").exists()


def test_bombs_are_refused_before_they_are_unpacked(own, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="would unpack to"):
        install_bundles(packed(tmp_path / "bomb.zip", **{"wrist/big.safetensors": bytes(30_000_000)}))
    monkeypatch.setattr(install, "LARGEST_BYTES", 500_000)
    with pytest.raises(InputError, match="would unpack to"):
        install_bundles(packed(tmp_path / "large.zip"))
    monkeypatch.setattr(install, "MOST_FILES", 2)
    with pytest.raises(InputError, match="3 files"):
        install_bundles(packed(tmp_path / "many.zip", **{"a.txt": b""}))


def test_a_size_that_lies_is_noticed(own, tmp_path):
    path = packed(tmp_path / "liar.zip")
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            member.file_size = 10  # as a forged directory would say
        with pytest.raises((InputError, zipfile.BadZipFile)):
            install._unpack(archive, tmp_path, "liar.zip")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not really", b"words"])
def test_what_is_no_archive_is_said(own, tmp_path, content):
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(InputError, match=r"no \.zip that can be read"):
        install_bundles(tmp_path / "x.zip")
    with pytest.raises(InputError, match="there is no folder or .zip"):
        install_bundles(tmp_path / "none.zip")


def test_only_own_bundles_are_removed(own, tmp_path):
    (path,) = install_bundles(BUNDLE)
    with pytest.raises(InputError, match="not in"):
        remove_bundle(BUNDLE)
    assert BUNDLE.is_dir()
    (path / "thesis.docx").write_text("precious")
    with pytest.raises(InputError, match="thesis.docx"):
        remove_bundle(path)
    (path / "thesis.docx").unlink()
    remove_bundle(path)
    assert left(own) == []


def call(*words) -> int:
    parser = argparse.ArgumentParser(prog="xrayto3d")
    command.add_parser(parser.add_subparsers())
    args = parser.parse_args(["models", *map(str, words)])
    return args.run(args)


def test_commands(own, tmp_path, capsys):
    assert call("install", packed(tmp_path / "wrist.zip"), "--json") == 0
    assert json.loads(capsys.readouterr().out)["installed"] == [str(own / "wrist")]
    assert call("remove", "wrist") == 0
    assert "removed" in capsys.readouterr().out
    assert left(own) == []
    with pytest.raises(InputError, match="not in"):
        call("remove", "wrist-pa-demo")


def test_a_pip_installation_says_where_the_models_are(tmp_path, monkeypatch):
    """Nothing beside the library: the list of installed files is asked."""
    from importlib.metadata import PackagePath

    class Listed:
        def locate_file(self, path):
            return tmp_path / path

    names = ("configs/small.yaml", "models/wrist/bundle.json")
    files = [PackagePath(f"../../../share/xrayto3d/{name}") for name in names]
    for file in files:
        file.dist = Listed()
    monkeypatch.setattr(shipped.XRayTo3DLib, "__file__", str(tmp_path / "site" / "XRayTo3DLib" / "__init__.py"))
    monkeypatch.setattr(shipped.metadata, "files", lambda _name: [PackagePath("XRayTo3DLib/a.py"), *files])
    share = (tmp_path / "../../../share/xrayto3d").resolve()
    assert find.shipped_models_folder() == share / "models"
    assert shipped_configurations_folder() == share / "configs"
    monkeypatch.setattr(shipped.metadata, "files", lambda _name: None)
    assert find.shipped_models_folder() == tmp_path / "site" / "Resources" / "models"
