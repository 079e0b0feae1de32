"""Model bundles put into a person's own folder, from a folder or a .zip, verified first; and removed from there."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import UNFINISHED
from XRayTo3DLib.models.bundle import BUNDLE_FORMAT
from XRayTo3DLib.models.bundle_folder import BUNDLE_FILE, PLAIN_FILE, read_description
from XRayTo3DLib.models.find import find_bundles, user_models_folder

LARGEST_BYTES = 8 << 30
"""An archive that would unpack to more is refused."""
LARGEST_RATIO = 200
"""So is a file that grows by more than this: weights hardly shrink, a bomb does."""
MOST_FILES = 1000
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
            folder or unpacks to too much, or a bundle of that name is there already. Nothing is installed then.
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
        names = [source.stem if bundle == place.resolve() and source.is_file() else bundle.name for bundle in found]
        taken = [name for name in names if (target / name).exists()]
        if taken and not replace:
            raise InputError(f"model bundle: {target} has {taken[0]} already; remove it first, or replace it.")
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
    shutil.rmtree(path)


def bundle_bytes(path: Path | str) -> int:
    """How much room a bundle takes, bytes."""
    return sum(each.stat().st_size for each in Path(path).iterdir() if each.is_file())


# ---- inside ----------------------------------------------------------------------------------------------------------


def _put(bundle: Path, target: Path) -> Path:
    """Copy, verify the copy, and only then take the place of what was there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=target.parent))
    try:
        copy = work / target.name
        copy.mkdir()
        for each in bundle.iterdir():
            if _is_bundle_file(each.name):
                shutil.copyfile(each, copy / each.name)
        read_description(copy, BUNDLE_FORMAT)
        if target.exists():
            target.rename(work / "before")
        copy.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target


def _is_bundle_file(name: str) -> bool:
    return name == BUNDLE_FILE or PLAIN_FILE.fullmatch(name) is not None


@contextlib.contextmanager
def _unpacked(source: Path) -> Iterator[Path]:
    """The source as a folder."""
    if source.is_dir():
        yield source
        return
    with tempfile.TemporaryDirectory(prefix="xrayto3d-models-") as name:
        place = Path(name) / source.stem
        place.mkdir()
        try:
            with zipfile.ZipFile(source) as archive:
                _unpack(archive, place, source.name)
        except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError, RuntimeError) as error:
            raise InputError(f"model bundle: {source.name} is no .zip that can be read ({error}).") from error
        yield place


def _unpack(archive: zipfile.ZipFile, place: Path, name: str) -> None:
    members = archive.infolist()
    if len(members) > MOST_FILES:
        raise InputError(f"model bundle: {name} holds {len(members)} files; no archive of bundles has so many.")
    for member in members:
        _refuse_path(member.filename, name)
    wanted = [each for each in members if not each.is_dir() and _is_bundle_file(PurePosixPath(each.filename).name)]
    room = shutil.disk_usage(place).free
    total = sum(member.file_size for member in wanted)
    swollen = any(member.file_size > LARGEST_RATIO * max(member.compress_size, 1) + _BLOCK for member in wanted)
    if swollen or total > min(LARGEST_BYTES, room):
        raise InputError(f"model bundle: {name} would unpack to {total / 1e9:.1f} GB; it is refused.")
    for member in wanted:
        target = place / member.filename
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(member) as stream, target.open("wb") as file:
            _copy_at_most(stream, file, member.file_size, name)


def _refuse_path(path: str, name: str) -> None:
    parts = PurePosixPath(path.replace("\\", "/")).parts
    if path.startswith(("/", "\\")) or ".." in parts or any(":" in part for part in parts):
        raise InputError(f"model bundle: {name} holds {path!r}, which leads out of its folder; it is refused.")


def _copy_at_most(stream: object, file: object, size: int, name: str) -> None:
    """What an archive says of a file's size may be a lie: more than that is not written."""
    left = size
    while block := stream.read(min(_BLOCK, left + 1)):  # type: ignore[attr-defined]
        left -= len(block)
        if left < 0:
            raise InputError(f"model bundle: {name} unpacks to more than it says; it is refused.")
        file.write(block)  # type: ignore[attr-defined]
