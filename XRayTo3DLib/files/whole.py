"""Files are written whole or not at all, and foreign model files are refused before anything opens them."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files.disk import HalfInPlace, sentence, writing_into
from XRayTo3DLib.files.json_values import MOST_BYTES, Shape, check_fields, parse_json
from XRayTo3DLib.files.plain_names import reserved
from XRayTo3DLib.files.unfinished import GONE, READY, to_disk, unfinished_folder

# Pickled or executable model formats: opening one can run code, so no reader here ever does.
PICKLED_SUFFIXES = frozenset({".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".npy", ".npz", ".bin", ".h5ad"})
LONGEST_NAME = 150
"""Bytes of UTF-8; with a prefix and a suffix they fit in the 255 of most systems."""
DOUBLE_SUFFIXES = (".nii.gz", ".seg.nrrd", ".mrk.json")


def file_suffix(path: Path | str) -> str:
    """Lower-case suffix of ``path``, double ones (``.nii.gz``, ``.seg.nrrd``, ``.mrk.json``) whole."""
    name = Path(path).name.lower()
    for suffix in DOUBLE_SUFFIXES:
        if name.endswith(suffix):
            return suffix
    return Path(name).suffix


def safe_file_name(name: str) -> str:
    """``name`` as it can be called everywhere, and in its own folder.

    All but letters, digits, dot, dash and underscore is replaced; dots and underscores at its ends, and what is longer
    than 150 bytes, are left out; what would be a device of Windows gets an underscore before it.
    """
    plain = "".join(c if c.isalnum() or c in ".-_" else "_" for c in name).strip("._")
    kept = plain.encode()[:LONGEST_NAME].decode(errors="ignore").rstrip("._")
    return f"_{kept}" if reserved(kept) else kept or "view"


def require_file(path: Path | str, what: str) -> Path:
    """Return ``path`` if it is a readable, non-empty file that is safe to open.

    Args:
        path: The file.
        what: What it should hold, for the message ("CT", "camera", "initial pose").

    Raises:
        InputError: It is missing, a folder, empty, not readable, or a pickled checkpoint.
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
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise InputError(f"{what}: {path.name} cannot be opened ({error.strerror}). May you read it?") from error
    return path


@contextlib.contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` (same suffix); rename it to ``path`` only if the block succeeds.

    What was written is on the disk itself before it has its name: after a power cut, too, ``path`` is the old or the
    new file, whole.
    """
    path = Path(path)
    with _unfinished_in(path.parent) as folder:
        temporary = folder / path.name
        yield temporary
        to_disk(temporary)
        temporary.replace(path)


@contextlib.contextmanager
def written_together(folder: Path | str, last: str = "", gone: Iterable[str] = ()) -> Iterator[Path]:
    """Yield an empty folder; the files that the block writes there take their places in ``folder``, all or none.

    Each takes its place in one step. If one cannot, those before it are put back as they were; where the process is
    killed between two of them, ``unfinished.finish_replacing`` puts the rest in place.

    Args:
        folder: Made if missing.
        last: Name of the file that comes after all others: whoever finds it new finds the others new, too.
        gone: Names of files of ``folder`` that go before any new one comes.

    Raises:
        CannotWrite: The disk is full, or the folder may not be written to; ``folder`` is as it was.
    """
    folder = Path(folder)
    with _unfinished_in(folder) as work:
        new, old = work / "new", work / "old"
        new.mkdir()
        old.mkdir()
        yield new
        names = sorted((path.name for path in new.iterdir()), key=lambda name: (name == last, name))
        going = [name for name in gone if (folder / name).exists()]
        (new / GONE).write_text("\n".join(going), encoding="utf-8")
        for name in (*names, GONE):
            to_disk(new / name)
        for name in (*going, *names):
            _keep(folder / name, old / name)
        _move_together(going, names, new.rename(work / READY), old, folder)


@contextlib.contextmanager
def _unfinished_in(parent: Path) -> Iterator[Path]:
    """A folder in ``parent`` that is there within the block; what cannot be written is told while the disk is full."""
    with writing_into(parent):
        folder = unfinished_folder(parent)
    try:
        with writing_into(parent):
            yield folder
    except HalfInPlace:
        raise
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)


def _keep(path: Path, copy: Path) -> None:
    """The same file under a second name; a copy where the file system has no such thing."""
    if not path.exists():
        return
    try:
        copy.hardlink_to(path)
    except OSError:
        shutil.copy2(path, copy)


def _move_together(going: list[str], names: list[str], new: Path, old: Path, folder: Path) -> None:
    moved: list[str] = []
    try:
        for name in going:
            moved.append(name)
            (folder / name).unlink()
        for name in names:
            (new / name).replace(folder / name)
            moved.append(name)
    except BaseException as error:
        try:
            for name in moved:
                if (old / name).exists():
                    (old / name).replace(folder / name)
                else:
                    (folder / name).unlink()
        except OSError:
            raise HalfInPlace(f"{sentence(error, folder)} Files of it are half in place: start again.") from error
        raise


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


def read_json(path: Path | str, what: str, expected_format: str, shape: Shape | None = None) -> dict[str, Any]:
    """Read a JSON object whose ``format`` field is ``expected_format`` (for instance ``xrayto3d.camera/1``).

    A byte order mark, as Windows editors write it, is passed over.

    Args:
        path: The file.
        what: What it should hold, for the message ("camera").
        expected_format: See above.
        shape: Which fields it must have and of which kind, as ``json_values.check_fields`` takes it.

    Raises:
        InputError: Missing or unreadable file, not JSON, another format or version, or fields that are missing or of
            another kind.
    """
    path = require_file(path, what)
    where = f"{what}: {path.name}"
    content = read_json_values(path, where)
    found = content.get("format") if isinstance(content, dict) else None
    if found != expected_format:
        raise InputError(
            f'{where} has format {repr(found)[:60]}, expected "{expected_format}". '
            f"Write it with XRayTo3D {expected_format.split('/')[-1]}.x or convert it."
        )
    if shape is not None:
        check_fields(content, shape, where)
    return content


def read_json_values(path: Path, where: str) -> Any:
    """Any JSON file's content; see ``json_values.parse_json``, also for the InputErrors, which begin with ``where``."""
    with path.open("rb") as stream:
        return parse_json(stream.read(MOST_BYTES + 1), where)


def read_text(path: Path | str, what: str, most_bytes: int = MOST_BYTES) -> str:
    """Text of a file; a byte order mark is passed over.

    Args:
        path: The file.
        what: What it should hold, for the message ("case table").
        most_bytes: A larger one is refused: it is another file.

    Raises:
        InputError: Missing, empty, too large, or not UTF-8.
    """
    path = require_file(path, what)
    if path.stat().st_size > most_bytes:
        raise InputError(f"{what}: {path.name} has more than {most_bytes / 1e6:g} MB, too many. Is it the right file?")
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{what}: {path.name} is no UTF-8 text. Is it the right file, saved as UTF-8?") from error
