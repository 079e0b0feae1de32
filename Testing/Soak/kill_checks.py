"""What may lie on disk after a kill: every file under a final name whole; and what must be equal at the end."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from kill_harness import final_files

from XRayTo3DLib.errors import XRayTo3DError

GROWING = frozenset({"log.txt", "progress.jsonl", "metrics.csv"})
"""Files that are only appended to: a cut last line is theirs to have, and their readers pass it over."""
TIMES = frozenset({"seconds", "eta_s", "checksum", "sha256"})


def faults_of_files(folder: Path, known: Mapping[str, str] | None = None) -> list[str]:
    """Files that their own readers cannot read, and files that are not what an undisturbed run wrote.

    Args:
        folder: After a kill.
        known: SHA-256 by relative path of files that are written once and must never be found with other content.
    """
    found = []
    for path in final_files(folder):
        try:
            read_whole(folder / path)
        except (XRayTo3DError, OSError, ValueError, RuntimeError) as error:
            found.append(f"{path} is not whole: {type(error).__name__} {error}")
        if known and str(path) in known and digest(folder / path) != known[str(path)]:
            found.append(f"{path} is not the file of the undisturbed run")
    return found


def read_whole(path: Path) -> None:
    """Read a file with the reader that the library reads it with; raises what that raises."""
    if path.name in GROWING or "tensorboard" in path.parts:
        return
    for suffix, reader in READERS.items():
        if path.name.endswith(suffix):
            reader(path)
            return
    raise ValueError(f"a file of a kind that nobody reads: {path.name}")


def _json(path: Path) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    if not path.name.startswith("landmarks") and not isinstance(content.get("format"), str):
        raise ValueError("no format")


def _nrrd(path: Path) -> None:
    import SimpleITK as sitk

    sitk.ReadImage(str(path))


def _surface(path: Path) -> None:
    from XRayTo3DLib.shape.surfaces import read_surface

    read_surface(path)


def _pose(path: Path) -> None:
    from XRayTo3DLib.geometry import RigidPose

    RigidPose.load(path)


def _tensors(path: Path) -> None:
    from safetensors.numpy import load_file

    if not load_file(path):
        raise ValueError("no tensors")


def _table(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if not text.endswith("\n") or len({len(row) for row in csv.reader(text.splitlines())}) != 1:
        raise ValueError("a table that was cut")


def _picture(path: Path) -> None:
    from PIL import Image

    with Image.open(path) as picture:
        picture.load()


def _text(path: Path) -> None:
    if not path.read_text(encoding="utf-8").strip():
        raise ValueError("empty")


def _page(path: Path) -> None:
    if not path.read_text(encoding="utf-8").rstrip().endswith("</html>"):
        raise ValueError("a page that was cut")


READERS: dict[str, Callable[[Path], None]] = {
    ".json": _json,
    ".nrrd": _nrrd,
    ".vtp": _surface,
    ".tfm": _pose,
    ".safetensors": _tensors,
    ".csv": _table,
    ".png": _picture,
    ".yaml": _text,
    ".html": _page,
}


# ---- equal at the end ----------------------------------------------------------------------------------------------


def digest(path: Path) -> str:
    """SHA-256 of a file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file by its relative path."""
    return {str(path): digest(folder / path) for path in final_files(folder)}


def differences(whole: Path, other: Path, ignored: Iterable[str] = (), values: Iterable[str] = ()) -> list[str]:
    """How two folders differ: files that only one has, and files of other bytes.

    Args:
        whole: The undisturbed run.
        other: The one that was killed.
        ignored: Patterns of files that may be there or not, of any content (what is only appended to).
        values: Patterns of JSON files that tell times: equal but for those.
    """
    left, right = (
        {path for path in final_files(folder) if not any(path.match(pattern) for pattern in ignored)}
        for folder in (whole, other)
    )
    found = [f"only the undisturbed run has {path}" for path in sorted(left - right)]
    found += [f"only the killed run has {path}" for path in sorted(right - left)]
    for path in sorted(left & right):
        if any(path.match(pattern) for pattern in values):
            same = timeless(json.loads((whole / path).read_text())) == timeless(json.loads((other / path).read_text()))
        else:
            same = (whole / path).read_bytes() == (other / path).read_bytes()
        if not same:
            found.append(f"{path} differs from that of the undisturbed run")
    return found


def timeless(value: Any) -> Any:
    """JSON values without those that tell how long something took."""
    if isinstance(value, dict):
        return {key: timeless(inner) for key, inner in value.items() if key not in TIMES}
    return [timeless(inner) for inner in value] if isinstance(value, list) else value
