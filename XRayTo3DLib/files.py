"""Files are written whole or not at all, and foreign model files are refused before anything opens them."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from XRayTo3DLib.errors import InputError

# Pickled or executable model formats: opening one can run code, so no reader here ever does.
PICKLED_SUFFIXES = frozenset({".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".npy", ".npz", ".bin", ".h5ad"})
DOUBLE_SUFFIXES = (".nii.gz", ".seg.nrrd", ".mrk.json")
UNFINISHED = ".writing-"
"""How names begin of what is being written; a process that was killed leaves some behind."""


def file_suffix(path: Path | str) -> str:
    """Lower-case suffix of ``path``, double ones (``.nii.gz``, ``.seg.nrrd``, ``.mrk.json``) whole."""
    name = Path(path).name.lower()
    for suffix in DOUBLE_SUFFIXES:
        if name.endswith(suffix):
            return suffix
    return Path(name).suffix


def safe_file_name(name: str) -> str:
    """``name`` with everything but letters, digits, dot, dash and underscore replaced."""
    return "".join(c if c.isalnum() or c in ".-_" else "_" for c in name).strip("_") or "view"


def require_file(path: Path | str, what: str) -> Path:
    """Return ``path`` if it is a readable, non-empty file that is safe to open.

    Args:
        path: The file.
        what: What it should hold, for the message ("CT", "camera", "initial pose").

    Raises:
        InputError: It is missing, a folder, empty, or a pickled checkpoint.
    """
    path = Path(path)
    if path.suffix.lower() in PICKLED_SUFFIXES:
        raise InputError(
            f"{what}: {path.name} is a foreign checkpoint or pickled file ({path.suffix}); XRayTo3D never opens "
            f"those because they can run code. Export it to an open format (safetensors, NRRD, JSON) first."
        )
    if not path.exists():
        raise InputError(f"{what}: there is no file {path}. Check the path.")
    if path.is_dir():
        raise InputError(f"{what}: {path} is a folder, a file is needed.")
    if path.stat().st_size == 0:
        raise InputError(f"{what}: {path.name} is empty (0 bytes). Copy or export it again.")
    return path


@contextlib.contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` (same suffix); rename it to ``path`` only if the block succeeds."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=path.parent))
    temporary = folder / path.name
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
        folder.rmdir()


def remove_unfinished(folder: Path) -> None:
    """Remove what a process that was killed while writing into ``folder`` left there; nobody else may be writing."""
    for path in folder.glob(f"{UNFINISHED}*"):
        shutil.rmtree(path)


def write_text(path: Path | str, text: str) -> None:
    """Write ``text`` as UTF-8, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_bytes(path: Path | str, content: bytes) -> None:
    """Write ``content``, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def write_json(path: Path | str, content: dict[str, Any]) -> None:
    """Write ``content`` as indented JSON, atomically; NaN is refused, for no other reader takes it."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def read_json(path: Path | str, what: str, expected_format: str) -> dict[str, Any]:
    """Read a JSON object whose ``format`` field is ``expected_format`` (for instance ``xrayto3d.camera/1``).

    A byte order mark, as Windows editors write it, is passed over.

    Raises:
        InputError: Missing or unreadable file, not JSON, or another format or version.
    """
    path = require_file(path, what)
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{what}: {path.name} is not a JSON file ({error}). Is it the right file?") from error
    found = content.get("format") if isinstance(content, dict) else None
    if found != expected_format:
        raise InputError(
            f'{what}: {path.name} has format {found!r}, expected "{expected_format}". '
            f"Write it with XRayTo3D {expected_format.split('/')[-1]}.x or convert it."
        )
    return content
