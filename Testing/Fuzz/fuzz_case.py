"""What the fuzzer knows: a target, a case made of a few files, and the verdict on what reading it did.

A target names a reader as the user meets it, and seeds that it can read::

    def seeds(folder: Path) -> None:          # write valid SYNTHETIC files or folders: each entry is a seed
        (folder / "zq_pose.tfm").write_text(...)

    def read(path: Path) -> object:           # the library call behind the command or panel; `path` is a damaged seed
        return RigidPose.load(path)

    TARGETS = (Target("pose", seeds, read),)  # in a module targets_*.py beside this one: fuzz.py finds it

Mutators are chosen by content (JSON, DICOM, PNG, gzip, zip, text with or without binary data after it, any bytes);
``mutators=(mine,)`` adds own ones, ``mine(content: bytes, rng: random.Random) -> bytes``. In a seed that is a folder,
one or more of its files are damaged, removed, emptied or exchanged. Import what the reader needs at the top of the
module (the children are forked: what is loaded before is loaded once). Give seeds names that no sentence holds by
chance: a refusal must contain the name of a file of the case, of its folder, or a stem with an underscore in it.
"""

from __future__ import annotations

import importlib
import re
import shutil
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from XRayTo3DLib.errors import XRayTo3DError, lacks_memory

FINE, REFUSED, FAULT = "fine", "refused", "fault"
LONGEST_SENTENCE = 1000
HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Target:
    """A reader, seeds it can read, and mutators beyond the common ones; see the module's text."""

    name: str
    seeds: Callable[[Path], None]
    read: Callable[[Path], object]
    mutators: tuple[Callable[..., bytes], ...] = ()


@dataclass(frozen=True)
class Case:
    """A file or folder in memory: ``files`` by path inside the folder, or the one content under ""."""

    name: str
    files: dict[str, bytes] = field(hash=False)

    @staticmethod
    def load(path: Path) -> Case:
        """A file or a folder from disk."""
        if path.is_file():
            return Case(path.name, {"": path.read_bytes()})
        inside = sorted(each for each in path.rglob("*") if each.is_file())
        return Case(path.name, {each.relative_to(path).as_posix(): each.read_bytes() for each in inside})

    def write(self, folder: Path) -> Path:
        """Write it into a folder, in place of what had its name there; the path a reader gets."""
        path = folder / self.name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        if "" in self.files:
            path.write_bytes(self.files[""])
            return path
        path.mkdir()
        for name, content in self.files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(content)
        return path

    def names(self) -> list[str]:
        """Names that tell a person which file is meant."""
        return [self.name, *(PurePosixPath(name).name for name in self.files if name)]


@dataclass(frozen=True)
class Verdict:
    """``kind`` FINE, REFUSED or FAULT; the sentence or what went wrong; ``place``: the lines it came from."""

    kind: str
    text: str = ""
    place: str = ""


def judge(read: Callable[[Path], object], path: Path, names: list[str]) -> Verdict:
    """Read a case and say how it ended. Crashes and hangs are for whoever started this process to see."""
    try:
        read(path)
    except XRayTo3DError as error:
        wrong = _wrong_sentence(str(error), names) or _memory_behind(error)
        return Verdict(FAULT if wrong else REFUSED, f"{wrong}: {str(error)!r}" if wrong else str(error), _place(error))
    except Exception as error:
        return Verdict(FAULT, f"{type(error).__name__}: {str(error)[:300]!r}", _place(error))
    return Verdict(FINE)


def load_targets(wanted: list[str] | None = None) -> list[Target]:
    """The targets of the modules targets_*.py here, or those named."""
    modules = sorted(path.stem for path in HERE.glob("targets_*.py"))
    found = [target for name in modules for target in importlib.import_module(name).TARGETS]
    unknown = set(wanted or ()) - {target.name for target in found}
    if unknown:
        raise SystemExit(f"no target {', '.join(sorted(unknown))}; there are {', '.join(each.name for each in found)}")
    return [target for target in found if not wanted or target.name in wanted]


def _wrong_sentence(message: str, names: list[str]) -> str:
    """What keeps a message from being one sentence that names the file, or ""."""
    if "Traceback" in message:
        return "traceback in the message"
    if "\n" in message or not message.isprintable():
        return "message of several lines or with control characters"
    if not 0 < len(message) <= LONGEST_SENTENCE:
        return f"message of {len(message)} characters"
    stems = [name.split(".")[0] for name in names]
    said = [*names, *(stem for stem in stems if "_" in stem)]
    if not any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", message) for name in said if name):
        return "the message does not name the file"
    return ""


def _memory_behind(error: BaseException) -> str:
    """Whether a refusal only came because memory ran out: with more of it the computer would have been filled."""
    return "memory ran out" if any(lacks_memory(cause) for cause in _chain(error)) else ""


def _chain(error: BaseException) -> list[BaseException]:
    """An error and what it came from; an error that is raised again while it is handled may come from itself."""
    found: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in found:
        found.append(cause)
        cause = cause.__cause__ or cause.__context__
    return found


def _place(error: BaseException) -> str:
    """The library's lines an error passed, of its cause too: tells cases apart that take different ways."""
    found: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(found) < 12:
        frames = traceback.extract_tb(cause.__traceback__)[-6:]
        found += [f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames]
        found.append(type(cause).__name__)
        cause = cause.__cause__ or cause.__context__
    return " ".join(found)
