"""What lies in a bundle's folder, checked from the outside in before any of it is used."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import PICKLED_SUFFIXES, require_file
from XRayTo3DLib.models.checksums import AGAIN, bytes_sha256, check_file, content_sha256

BUNDLE_FILE = "bundle.json"
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
    content = _read_json(folder)
    _check_format(folder, content, expected_format)
    if content.get("checksum") != content_sha256(content):
        raise InputError(
            f"model bundle {folder.name}: {BUNDLE_FILE} was changed after it was written (another checksum). {AGAIN}"
        )
    for name, entry in _files(folder, content).items():
        check_file(folder / name, entry)
    return folder, content


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


def _read_json(folder: Path) -> dict[str, Any]:
    path = require_file(folder / BUNDLE_FILE, f"model bundle {folder.name}")
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise InputError(f"model bundle {folder.name}: {BUNDLE_FILE} is not a JSON file ({error}). {AGAIN}") from error
    if not isinstance(content, dict):
        raise InputError(f"model bundle {folder.name}: {BUNDLE_FILE} does not hold a JSON object. {AGAIN}")
    return content


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is no JSON number")


def _check_format(folder: Path, content: Mapping[str, Any], expected: str) -> None:
    found, (kind, version) = str(content.get("format")), expected.split("/")
    if found == expected:
        return
    number = found.removeprefix(f"{kind}/")
    if found.startswith(f"{kind}/") and number.isdigit() and int(number) > int(version):
        raise InputError(
            f"model bundle {folder.name}: it was written by a newer XRayTo3D (format {number}, this one reads "
            f"{version}). Update XRayTo3D."
        )
    raise InputError(
        f'model bundle {folder.name}: {BUNDLE_FILE} has format {found!r}, expected "{expected}". Is it a model bundle?'
    )


def _files(folder: Path, content: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The listed files; every network and the arrays have theirs, and no name leads out of the folder."""
    files, networks, arrays = content.get("files"), content.get("networks"), content.get("arrays")
    entries_fit = isinstance(files, dict) and all(_is_entry(entry) for entry in files.values())
    if not (entries_fit and _are_names(networks) and _are_names(arrays) and (networks or arrays)):
        raise InputError(
            f"model bundle {folder.name}: {BUNDLE_FILE} does not list its files, networks and arrays. {AGAIN}"
        )
    strange = [name for name in files if not PLAIN_FILE.fullmatch(name)]
    if strange:
        raise InputError(f"model bundle {folder.name}: {strange[0]!r} is no file a bundle may have. {AGAIN}")
    needed = {f"{name}.safetensors" for name in (*networks, *(["arrays"] if arrays else []))}
    if needed != set(files):
        unmatched = sorted(needed ^ set(files))
        raise InputError(
            f"model bundle {folder.name}: networks and files do not match ({', '.join(unmatched)}). {AGAIN}"
        )
    return files


def _is_entry(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("bytes"), int)
        and isinstance(entry.get("sha256"), str)
        and SHA256.fullmatch(entry["sha256"]) is not None
    )


def _are_names(names: Any) -> bool:
    return isinstance(names, list) and all(isinstance(name, str) for name in names)
