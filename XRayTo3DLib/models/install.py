"""Model bundles put into a person's own folder, from a folder or a .zip, verified first; and removed from there."""

from __future__ import annotations

import contextlib
import json
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files.disk import require_room, writing_into
from XRayTo3DLib.files.plain_names import name_problem, same_name
from XRayTo3DLib.files.unfinished import finish_replacing, remove_folder, whole_folder
from XRayTo3DLib.models.bundle import BUNDLE_FORMAT
from XRayTo3DLib.models.bundle_folder import BUNDLE_FILE, LARGEST_BYTES, PLAIN_FILE, described, read_description
from XRayTo3DLib.models.find import find_bundles, shipped_models_folder, user_models_folder

LARGEST_RATIO = 200
"""A file of an archive that grows by more than this is refused: weights hardly shrink, a bomb does."""
MOST_FILES, LONGEST_ENTRY = 1000, 1000
"""Of an archive; and bytes that it says of one."""
LIST_END = 1 << 17
"""At an archive's end: a comment of 64 kB, and where its list of files is."""
BROKEN = (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError, RuntimeError, zlib.error)
_BLOCK = 1 << 20


def install_bundles(source: Path | str, folder: Path | str | None = None, *, replace: bool = False) -> list[Path]:
    """Copy the bundles of a folder or a .zip into a person's own folder, each verified before it is there.

    Of an archive only bundle.json and *.safetensors are unpacked; every other file in it is left alone.

    Args:
        source: A bundle's folder, a folder that holds some, or a .zip of either.
        folder: Where to; the person's own folder (:func:`XRayTo3DLib.models.find.user_models_folder`) by default.
        replace: Take the place of an installed one of the same name.

    Returns:
        The installed bundles' folders.

    Raises:
        InputError: No bundle in it, one whose checksums do not hold, an archive that is damaged, leads out of its
            folder or unpacks to too much, a name that no folder can have everywhere, or one that is taken: by an
            installed bundle, or by another bundle that comes with XRayTo3D. Nothing is installed then.
    """
    source, target = Path(source), Path(folder) if folder is not None else user_models_folder()
    if not source.exists():
        raise InputError(f"model bundle: there is no folder or .zip {source}. Check the path.")
    with _unpacked(source) as place:
        found = find_bundles([place])
        if not found:
            raise InputError(f"model bundle: {source.name} holds none: a bundle is a folder with a {BUNDLE_FILE}.")
        for bundle in found:
            read_description(bundle, BUNDLE_FORMAT)
        finish_replacing(target)
        names = [bundle.name for bundle in found]
        _check_names(found, target, replace)
        require_room(target, sum(bundle_bytes(bundle) for bundle in found), "model bundle")
        return [_put(bundle, target / name) for bundle, name in zip(found, names, strict=True)]


def remove_bundle(path: Path | str, folder: Path | str | None = None) -> None:
    """Delete an installed bundle from a person's own folder.

    Args:
        path: The bundle's folder.
        folder: The person's own folder by default.

    Raises:
        InputError: It lies elsewhere (came with XRayTo3D, or is a folder of the person's that was only pointed at),
            or holds more than a bundle's files.
    """
    path, own = Path(path).resolve(), (Path(folder) if folder is not None else user_models_folder()).resolve()
    if path.parent != own:
        raise InputError(f"model bundle {path.name}: it is not in {own}, so it is not removed; delete it yourself.")
    if not (path / BUNDLE_FILE).is_file():
        raise InputError(f"model bundle {path.name}: it is no bundle, so it is not removed.")
    strange = [each.name for each in path.iterdir() if not _is_bundle_file(each.name)]
    if strange:
        raise InputError(f"model bundle {path.name}: it holds {strange[0]}, too; delete it yourself.")
    remove_folder(path)


def bundle_bytes(path: Path | str) -> int:
    """How much room a bundle takes, bytes."""
    return sum(each.stat().st_size for each in Path(path).iterdir() if each.is_file())


# ---- inside ----------------------------------------------------------------------------------------------------------


def _check_names(found: list[Path], target: Path, replace: bool) -> None:
    """Every bundle can have its name, and nobody takes it for another one."""
    there = {same_name(each.name): each.name for each in target.iterdir()} if target.is_dir() else {}
    shipped = {same_name(each.name): each for each in find_bundles([shipped_models_folder()])}
    names: set[str] = set()
    for bundle in found:
        problem, same = name_problem(bundle.name), same_name(bundle.name)
        if problem:
            raise InputError(f"model bundle: {bundle.name[:80]!r} cannot be installed so: {problem}. Rename it.")
        if same in names:
            raise InputError(f"model bundle: two bundles are called {bundle.name} but for capital letters. Rename one.")
        if same in there and (there[same] != bundle.name or not replace):
            raise InputError(f"model bundle: {target} has {there[same]} already; remove it first, or replace it.")
        if same in shipped and _checksum(shipped[same]) != _checksum(bundle):
            raise InputError(
                f"model bundle: another bundle {bundle.name} comes with XRayTo3D, in whose place this one would be "
                f"used. Rename it."
            )
        names.add(same)


def _checksum(bundle: Path) -> str:
    return str(json.loads((bundle / BUNDLE_FILE).read_text(encoding="utf-8-sig")).get("checksum"))


def _put(bundle: Path, target: Path) -> Path:
    """Copy, verify the copy, and only then take the place of what was there."""
    names = (BUNDLE_FILE, *described(bundle, BUNDLE_FORMAT)["files"])  # of what else lies there nothing is known
    with whole_folder(target) as copy:
        for name in names:
            shutil.copyfile(bundle / name, copy / name)  # bytes alone, which are verified next
        read_description(copy, BUNDLE_FORMAT)
    return target


def _is_bundle_file(name: str) -> bool:
    return name == BUNDLE_FILE or PLAIN_FILE.fullmatch(name) is not None


@contextlib.contextmanager
def _unpacked(source: Path) -> Iterator[Path]:
    """The source as a folder."""
    if source.is_dir():
        yield source
        return
    problem = name_problem(source.stem)
    with tempfile.TemporaryDirectory(prefix="xrayto3d-models-") as name:
        place = Path(name) / ("archive" if problem else source.stem)
        place.mkdir()
        try:
            _refuse_giant_list(source)
            with zipfile.ZipFile(source) as archive:
                _unpack(archive, place, source.name)
        except BROKEN as error:
            raise InputError(f"model bundle: {source.name} is no .zip that can be read ({error}).") from error
        except OSError as error:
            raise InputError(f"model bundle: {source.name} cannot be unpacked ({error.strerror or error}).") from error
        if problem and (place / BUNDLE_FILE).exists():  # at the top of the archive: it is called so
            raise InputError(f"model bundle: {source.name[:80]!r} cannot be installed so: {problem}. Rename it.")
        yield place


def _refuse_giant_list(source: Path) -> None:
    """An archive's list of files, which is read as a whole before anything can be asked of it, is of a modest size.

    Its last bytes say how long it is (APPNOTE.TXT, 4.3.16), or a record before them does (4.3.14).
    """
    with source.open("rb") as stream:
        stream.seek(max(0, source.stat().st_size - LIST_END))
        end = stream.read()
    at = end.rfind(b"PK\x05\x06")
    large = at >= 76 and end[at - 20 : at - 16] == b"PK\x06\x07"
    size = end[at - 36 : at - 28] if large else end[at + 12 : at + 16]
    if at >= 0 and int.from_bytes(size, "little") > MOST_FILES * LONGEST_ENTRY:
        raise InputError(f"model bundle: {source.name} lists more files than any archive of bundles; it is refused.")


def _unpack(archive: zipfile.ZipFile, place: Path, name: str) -> None:
    members = archive.infolist()
    if len(members) > MOST_FILES:
        raise InputError(f"model bundle: {name} holds {len(members)} files; no archive of bundles has so many.")
    for member in members:
        _refuse_member(member, name)
    wanted = [each for each in members if not each.is_dir() and _is_of_bundle(PurePosixPath(each.filename))]
    if len({same_name(each.filename) for each in wanted}) < len(wanted):
        raise InputError(f"model bundle: {name} holds two files of one name; it is refused.")
    total = sum(member.file_size for member in wanted)
    swollen = any(member.file_size > LARGEST_RATIO * max(member.compress_size, 1) + _BLOCK for member in wanted)
    swollen |= total > LARGEST_RATIO * Path(str(archive.filename)).stat().st_size + _BLOCK  # files over each other
    if swollen or total > LARGEST_BYTES:
        raise InputError(f"model bundle: {name} would unpack to {total / 1e9:.1f} GB; it is refused.")
    require_room(place, total, f"model bundle: {name} is unpacked")
    with writing_into(place):
        for member in wanted:
            target = place / member.filename
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(member) as stream, target.open("wb") as file:
                _copy_at_most(stream, file, member.file_size, name)


def _is_of_bundle(path: PurePosixPath) -> bool:
    """At the top of the archive or one folder down: deeper ones are not looked for."""
    return len(path.parts) <= 2 and _is_bundle_file(path.name)


def _refuse_member(member: zipfile.ZipInfo, name: str) -> None:
    """What leads out of the folder, means another file than it says, or is a link is in no honest archive."""
    path = member.orig_filename
    parts = PurePosixPath(path.replace("\\", "/")).parts
    if path.startswith(("/", "\\")) or ".." in parts or any(":" in part for part in parts):
        raise InputError(f"model bundle: {name} holds {path[:80]!r}, which leads out of its folder; it is refused.")
    if "\0" in path or not path.isprintable():
        raise InputError(f"model bundle: {name} holds {path[:80]!r}, which is no name of a file; it is refused.")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise InputError(f"model bundle: {name} holds {path[:80]!r}, a link to another file; it is refused.")


def _copy_at_most(stream: object, file: object, size: int, name: str) -> None:
    """What an archive says of a file's size may be a lie: more than that is not written."""
    left = size
    while block := stream.read(min(_BLOCK, left + 1)):  # type: ignore[attr-defined]
        left -= len(block)
        if left < 0:
            raise InputError(f"model bundle: {name} unpacks to more than it says; it is refused.")
        file.write(block)  # type: ignore[attr-defined]
