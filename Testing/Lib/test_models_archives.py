"""Bundles as folders and archives from anywhere: links, names, members; nothing leads out, nothing is left half."""

from __future__ import annotations

import os
import shutil
import stat
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from bundle_cases import NETWORKS, a_bundle, refused
from test_models_safety import folder, put, said

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files.plain_names import name_problem
from XRayTo3DLib.models import load_bundle, save_bundle
from XRayTo3DLib.models.install import install_bundles, remove_bundle

__all__ = ["folder"]


# ---- links and time ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["predictor.safetensors", "bundle.json"])
@pytest.mark.parametrize("inside", [False, True])
def test_links_in_a_bundle_are_refused(folder: Path, tmp_path: Path, name: str, inside: bool) -> None:
    target = folder / "other.txt" if inside else tmp_path / "secret"
    (folder / name).rename(target)
    (folder / name).symlink_to(target)
    assert f"{name} is a link to another file" in refused(folder)
    with pytest.raises(InputError, match="is a link"):
        install_bundles(folder, tmp_path / "own")
    assert not (tmp_path / "own" / "wrist").exists()


def test_a_bundle_may_be_reached_by_a_link(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    assert load_bundle(tmp_path / "link").folder == folder.resolve()


def test_hard_links_share_nothing_with_what_is_installed(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "precious"
    os.link(folder / "predictor.safetensors", outside)
    content = outside.read_bytes()
    (path,) = install_bundles(folder, tmp_path / "own")
    (path / "predictor.safetensors").write_bytes(b"changed")
    assert outside.read_bytes() == content
    os.link(outside, path / "old.safetensors")
    remove_bundle(path, tmp_path / "own")
    assert outside.read_bytes() == content


def test_what_is_used_is_what_was_verified(folder: Path) -> None:
    loaded, path = load_bundle(folder), folder / "predictor.safetensors"
    before = path.read_bytes()
    assert loaded.shapes("predictor") == {"weight": (2, 3), "steps": ()}
    save_bundle(folder, a_bundle(), {"predictor": {"weight": torch.zeros(2, 3), "steps": torch.tensor(4)}})
    with pytest.raises(InputError, match="was changed while it was in use"):
        loaded.weights("predictor")
    path.write_bytes(before)
    put(folder, "{}")  # the description that counts is the one that was verified
    assert torch.equal(loaded.weights("predictor")["weight"], NETWORKS["predictor"]["weight"])


# ---- archives ------------------------------------------------------------------------------------------------------


def packed(path: Path, source: Path, prefix: str = "wrist/") -> zipfile.ZipFile:
    archive = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED)
    for each in source.iterdir():
        archive.write(each, prefix + each.name)
    return archive


def not_installed(archive: zipfile.ZipFile | Path, tmp_path: Path) -> str:
    path = Path(str(archive.filename)) if isinstance(archive, zipfile.ZipFile) else archive
    if isinstance(archive, zipfile.ZipFile):
        archive.close()
    before = set(tmp_path.rglob("*"))
    with pytest.raises(InputError) as caught:
        install_bundles(path, tmp_path / "own")
    assert {each for each in tmp_path.rglob("*") if each.name != "own"} <= before, "nothing is left anywhere"
    return said(caught)


PATHS = ["../x.safetensors", "/x.safetensors", "\\x.safetensors", "a/../../x.safetensors", "C:/x.safetensors"]
PATHS += ["C:x.safetensors", "\\\\server\\share\\x.safetensors", "//server/share/x.safetensors", "..\\x.safetensors"]


@pytest.mark.parametrize("name", PATHS)
def test_members_that_lead_out_are_refused(folder: Path, tmp_path: Path, name: str) -> None:
    archive = packed(tmp_path / "a.zip", folder)
    archive.writestr(zipfile.ZipInfo(name), b"x")
    assert "leads out of its folder" in not_installed(archive, tmp_path)


def test_a_member_that_is_a_link_is_refused(folder: Path, tmp_path: Path) -> None:
    archive, link = packed(tmp_path / "a.zip", folder), zipfile.ZipInfo("wrist/more.safetensors")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive.writestr(link, "/etc/passwd")
    assert "a link to another file" in not_installed(archive, tmp_path)


def test_a_zero_byte_in_a_name_is_refused(folder: Path, tmp_path: Path) -> None:
    """Python cuts names there: wrist/bundle.json\\0.txt would become wrist/bundle.json."""
    packed(tmp_path / "a.zip", folder, "wrist/").close()
    content = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(content.replace(b"wrist/arrays.safetensors", b"wrist/bundle.json\0xxxxxx"))
    assert "no name of a file" in not_installed(tmp_path / "a.zip", tmp_path)


def test_two_members_of_one_name_are_refused(folder: Path, tmp_path: Path) -> None:
    archive = packed(tmp_path / "a.zip", folder)
    with pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("wrist/bundle.json", b"{}")
    assert "two files of one name" in not_installed(archive, tmp_path)


def test_bundles_that_differ_by_capitals_are_refused(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "mine" / "wrist")
    shutil.copytree(folder, tmp_path / "mine" / "Wrist")
    assert "but for capital letters" in not_installed(tmp_path / "mine", tmp_path)
    shutil.rmtree(tmp_path / "mine" / "wrist")
    install_bundles(folder, tmp_path / "own")
    with pytest.raises(InputError, match="has wrist already"):
        install_bundles(tmp_path / "mine", tmp_path / "own", replace=True)


NAMES = ["con", "NUL.x", "x.", "x ", " x", "-x", ".x", "a\tb", "wr\u0456st", "w\u202erist", "x" * 65, "a$b", "~x"]


@pytest.mark.parametrize("name", NAMES)
def test_names_that_no_folder_should_have(folder: Path, tmp_path: Path, name: str) -> None:
    assert name_problem(name)
    if name == ".x":
        return  # hidden folders are not looked at
    (tmp_path / "mine").mkdir()
    folder.rename(tmp_path / "mine" / name)
    assert "cannot be installed so" in not_installed(tmp_path / "mine", tmp_path)


@pytest.mark.parametrize("name", ["...zip", "con.zip", "x" * 100 + ".zip"])
def test_an_archive_s_own_name_leads_nowhere(folder: Path, tmp_path: Path, name: str) -> None:
    """The stem of "...zip" is "..": the folder above the one it is unpacked in."""
    assert "cannot be installed so" in not_installed(packed(tmp_path / name, folder, ""), tmp_path)
    archive = packed(tmp_path / f"y{name}", folder, "wrist/")  # a name of its own inside: the archive's does not count
    archive.close()
    assert [path.name for path in install_bundles(tmp_path / f"y{name}", tmp_path / "own")] == ["wrist"]


def test_a_bundle_cannot_take_the_place_of_one_that_comes_along(folder: Path, tmp_path: Path) -> None:
    folder.rename(tmp_path / "wrist-pa-demo")
    assert "comes with XRayTo3D" in not_installed(tmp_path / "wrist-pa-demo", tmp_path)


def test_archives_in_archives_and_programs_are_left_alone(folder: Path, tmp_path: Path) -> None:
    archive = packed(tmp_path / "a.zip", folder)
    archive.writestr("wrist/inner.zip", bytes(5_000_000))
    archive.writestr("wrist/setup.py", b"raise SystemExit")
    archive.writestr("x" * 300 + "/" + "y" * 300, b"")
    archive.close()
    (path,) = install_bundles(tmp_path / "a.zip", tmp_path / "own")
    assert sorted(each.name for each in path.iterdir()) == [
        "arrays.safetensors",
        "bundle.json",
        "predictor.safetensors",
    ]


def test_members_over_each_other_are_refused(folder: Path, tmp_path: Path) -> None:
    """A thousand names for one place in the archive (Fifield, A better zip bomb, 2019)."""
    archive = packed(tmp_path / "a.zip", folder)
    archive.writestr("wrist/m0.safetensors", np.random.default_rng(0).bytes(40_000) * 12)
    one = archive.infolist()[-1]
    for number in range(1, 900):
        again = zipfile.ZipInfo(f"wrist/m{number}.safetensors")
        for field in ("header_offset", "compress_size", "file_size", "CRC", "compress_type", "flag_bits"):
            setattr(again, field, getattr(one, field))
        archive.filelist.append(again)
    archive._didModify = True
    assert "would unpack to" in not_installed(archive, tmp_path)


def test_a_fifo_or_a_folder_is_no_file_of_a_bundle(folder: Path) -> None:
    (folder / "predictor.safetensors").unlink()
    os.mkfifo(folder / "predictor.safetensors")
    assert "predictor.safetensors is missing" in refused(folder)


@pytest.mark.parametrize("target", ["/dev/zero", "secret"])
def test_only_what_bundle_json_lists_is_installed(folder: Path, tmp_path: Path, target: str) -> None:
    """A further link was followed: to a file of this computer, or to a device until the disk was full."""
    (tmp_path / "secret").write_text("secret")
    (folder / "extra.safetensors").symlink_to(tmp_path / target)
    (installed,) = install_bundles(folder, tmp_path / "own")
    assert {path.name for path in installed.iterdir()} == {"bundle.json", *load_bundle(folder)._files}


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("comment", [b"", b"x" * 65_535])
def test_a_list_of_files_is_not_read_where_it_is_giant(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, comment: bytes, large: bool
) -> None:
    """400,000 empty files in 40 MB took 9 s and 250 MB before they were counted."""
    with packed(tmp_path / "many.zip", folder) as archive:
        archive.comment = comment
        monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 10 if large else zipfile.ZIP_FILECOUNT_LIMIT)  # zip64
        for number in range(1100):
            archive.writestr(f"{number:06d}{'x' * 1000}", b"")
    path = tmp_path / "many.zip"
    if large:  # what older readers look at says nothing: the record before it counts
        content = path.read_bytes()
        at = content.rindex(b"PK\x05\x06") + 12
        path.write_bytes(content[:at] + bytes(4) + content[at + 4 :])
    assert len(zipfile.ZipFile(path).infolist()) > 1100
    monkeypatch.setattr(zipfile.ZipFile, "_RealGetContents", None)
    assert "lists more files than any archive" in not_installed(path, tmp_path)
