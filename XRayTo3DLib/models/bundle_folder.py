"""What lies in a bundle's folder, checked from the outside in before any of it is used."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import PICKLED_SUFFIXES, require_file
from XRayTo3DLib.files.json_values import parse_json
from XRayTo3DLib.files.plain_names import name_problem
from XRayTo3DLib.files.unfinished import finish_replacing
from XRayTo3DLib.models.checksums import AGAIN, bytes_sha256, check_file, content_sha256

BUNDLE_FILE = "bundle.json"
LARGEST_DESCRIPTION = 1_000_000
"""Bytes of a bundle.json; ours have a few thousand."""
LARGEST_BYTES = 8 << 30
"""Bytes of all files of a bundle together."""
SHA256 = re.compile(r"[0-9a-f]{64}")
PLAIN_FILE = re.compile(r"[a-z][a-z0-9_-]*\.safetensors")


def read_description(folder: Path | str, expected_format: str) -> tuple[Path, dict[str, Any]]:
    """The bundle's folder and its ``bundle.json``, after every checksum held.

    Args:
        folder: The bundle's folder, or its ``bundle.json``.
        expected_format: For instance "xrayto3d.bundle/1".

    Raises:
        InputError: See :func:`XRayTo3DLib.models.bundle.load_bundle`.
    """
    folder = _bundle_folder(Path(folder))
    _refuse_pickles(folder)
    content = described(folder, expected_format)
    files = _files(folder, content)
    for name in files:
        _refuse_link(folder / name)
    for name, entry in files.items():
        check_file(folder / name, entry)
    return folder, content


def described(folder: Path, expected_format: str) -> dict[str, Any]:
    """Content of a folder's ``bundle.json`` if it is whole; the bundle's other files are not looked at.

    Args:
        folder: That holds it.
        expected_format: For instance "xrayto3d.bundle/1".

    Raises:
        InputError: Missing, a link, too large, no JSON, of another format or version, or changed.
    """
    _refuse_link(folder / BUNDLE_FILE)
    content = _read_json(folder)
    _check_format(folder, content, expected_format)
    if content.get("checksum") != content_sha256(content):
        raise InputError(
            f"model bundle {folder.name}: {BUNDLE_FILE} was changed after it was written (another checksum). {AGAIN}"
        )
    return content


def verified_bytes(path: Path, entry: Mapping[str, Any]) -> bytes:
    """A listed file's bytes, compared with its checksum after reading: what is used is what was verified.

    Raises:
        InputError: The file is missing or was changed.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"model bundle {path.parent.name}: {path.name} cannot be read ({error.strerror}). {AGAIN}"
        ) from error
    if bytes_sha256(content) != entry["sha256"]:
        raise InputError(f"model bundle {path.parent.name}: {path.name} was changed while it was in use. {AGAIN}")
    return content


def _bundle_folder(path: Path) -> Path:
    if path.name == BUNDLE_FILE and path.is_file():
        path = path.parent
    if not path.exists():
        finish_replacing(path.absolute().parent)
    if not path.exists():
        raise InputError(f"model bundle: there is no folder {path}. Check the path.")
    if not path.is_dir():
        raise InputError(f"model bundle: {path.name} is a file; give the folder that holds {BUNDLE_FILE}, unpacked.")
    if not (path / BUNDLE_FILE).is_file():
        inside = sorted(each.parent.name for each in path.glob(f"*/{BUNDLE_FILE}"))
        hint = f"Did you mean its folder {', '.join(inside)}?" if inside else "Choose the folder that holds one."
        raise InputError(f"model bundle: {path} has no {BUNDLE_FILE}. {hint}")
    return path.resolve()


def _refuse_pickles(folder: Path) -> None:
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in PICKLED_SUFFIXES:
            raise InputError(
                f"model bundle {folder.name}: it holds {path.relative_to(folder)}, a pickled or foreign checkpoint, "
                f"which can run code; no bundle of XRayTo3D has one. Use the bundle as it was published."
            )


def _refuse_link(path: Path) -> None:
    """A bundle's files are its own: a link could show what its sender has no business with."""
    if path.is_symlink():
        raise InputError(f"model bundle {path.parent.name}: {path.name} is a link to another file. {AGAIN}")


def _read_json(folder: Path) -> dict[str, Any]:
    where = f"model bundle {folder.name}: {BUNDLE_FILE}"
    path = require_file(folder / BUNDLE_FILE, f"model bundle {folder.name}")
    try:
        with path.open("rb") as stream:
            text = stream.read(LARGEST_DESCRIPTION + 1)
    except OSError as error:
        raise InputError(f"{where} cannot be read ({error.strerror}). {AGAIN}") from error
    if len(text) > LARGEST_DESCRIPTION:
        raise InputError(f"{where} has more than {LARGEST_DESCRIPTION // 1_000_000} MB; no bundle's has. {AGAIN}")
    content = parse_json(text, where)
    if not isinstance(content, dict):
        raise InputError(f"{where} does not hold a JSON object. {AGAIN}")
    return content


def _check_format(folder: Path, content: Mapping[str, Any], expected: str) -> None:
    found, (kind, version) = str(content.get("format")), expected.split("/")
    if found == expected:
        return
    number = found.removeprefix(f"{kind}/")
    if found.startswith(f"{kind}/") and re.fullmatch(r"[0-9]{1,6}", number):
        newer = int(number) > int(version)
        raise InputError(
            f"model bundle {folder.name}: it was written by {'a newer' if newer else 'an older'} XRayTo3D (format "
            f"{number}, this one reads {version}). "
            + ("Update XRayTo3D." if newer else "Get it anew from where it was published, or train it again.")
        )
    raise InputError(
        f'model bundle {folder.name}: {BUNDLE_FILE} has format {found[:60]!r}, expected "{expected}". '
        "Is it a model bundle?"
    )


def _files(folder: Path, content: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The listed files; every network and the arrays have theirs, and no name leads out of the folder."""
    files, networks, arrays = content.get("files"), content.get("networks"), content.get("arrays")
    entries_fit = isinstance(files, dict) and all(_is_entry(entry) for entry in files.values())
    if not (entries_fit and _are_names(networks) and _are_names(arrays) and (networks or arrays)):
        raise InputError(
            f"model bundle {folder.name}: {BUNDLE_FILE} does not list its files, networks and arrays. {AGAIN}"
        )
    strange = [name for name in files if not PLAIN_FILE.fullmatch(name) or name_problem(name)]
    if strange:
        raise InputError(f"model bundle {folder.name}: {strange[0]!r} is no file a bundle may have. {AGAIN}")
    needed = {f"{name}.safetensors" for name in (*networks, *(["arrays"] if arrays else []))}
    if needed != set(files):
        unmatched = sorted(needed ^ set(files))
        raise InputError(
            f"model bundle {folder.name}: networks and files do not match ({', '.join(unmatched)}). {AGAIN}"
        )
    if sum(entry["bytes"] for entry in files.values()) > LARGEST_BYTES:
        raise InputError(f"model bundle {folder.name}: it would take more than {LARGEST_BYTES >> 30} GB. {AGAIN}")
    return files


def _is_entry(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and type(entry.get("bytes")) is int
        and entry["bytes"] >= 0
        and isinstance(entry.get("sha256"), str)
        and SHA256.fullmatch(entry["sha256"]) is not None
    )


def _are_names(names: Any) -> bool:
    return isinstance(names, list) and all(isinstance(name, str) for name in names) and len(names) == len(set(names))
