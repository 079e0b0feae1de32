#!/usr/bin/env python3
"""Build the wheel of a commit (the last) so that anybody gets the same bytes, and check that it is so.

    python .ci/wheel.py -o dist          # build
    python .ci/wheel.py --check          # build twice under other circumstances, compare bytes and contents
    python .ci/wheel.py --check --install  # and install it into a fresh environment, with what it needs, and try it

What makes two builds differ: times (SOURCE_DATE_EPOCH is the commit's), permissions (an export with modes of its own,
whatever the clone's umask), files that lie about (only committed ones are exported), and the version of setuptools
(the one that constraints.txt names). Left to the Python that builds: how its zlib compresses.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from importlib import metadata
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
SHIPPED = ("Resources/configs/", "Resources/models/")
SHARE = "data/share/xrayto3d/"


def git(*words: str) -> bytes:
    """What git says of this repository."""
    command = ["git", "-c", f"safe.directory={REPOSITORY}", *words]
    return subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True).stdout


def exported(folder: Path, commit: str) -> Path:
    """A commit's files under ``folder``, with modes that do not depend on anybody's umask."""
    with tarfile.open(fileobj=io.BytesIO(git("archive", "--format=tar", commit))) as archive:
        archive.extractall(folder, filter="data")
    for path in (folder, *folder.rglob("*")):
        runs = path.is_dir() or os.access(path, os.X_OK)
        path.chmod(0o755 if runs else 0o644)
    return folder


def builder(folder: Path) -> Path:
    """A Python of its own with pip and the pinned setuptools; returns its path."""
    pin = re.search(r"^setuptools==\S+", (REPOSITORY / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    if pin is None:
        raise SystemExit("constraints.txt does not pin setuptools; add a line such as setuptools==84.2.1.")
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    subprocess.run([python, "-m", "pip", "--quiet", "install", pin.group(), "wheel"], check=True)
    return python


def build(output: Path, commit: str) -> Path:
    """Build the wheel of a commit into ``output``; returns it."""
    os.umask(0o022)
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        source = exported(Path(name) / "XRayTo3D", commit)
        python = builder(Path(name) / "builder")
        epoch = os.environ.get("SOURCE_DATE_EPOCH") or git("log", "-1", "--format=%ct", commit).decode().strip()
        environment = {**os.environ, "SOURCE_DATE_EPOCH": epoch, "PYTHONHASHSEED": "0"}
        words = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(output.absolute())]
        subprocess.run([python, "-m", "pip", *words, "."], cwd=source, env=environment, check=True)
    (wheel,) = output.glob("*.whl")
    return wheel


# ---- checks ----------------------------------------------------------------------------------------------------------


def sha256(path: Path) -> str:
    """Of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def built_elsewhere(folder: Path, commit: str, umask: int, **environment: str) -> Path:
    """The wheel, built by this program in a process with other habits."""
    folder.mkdir(parents=True)
    given = {**os.environ, "TMPDIR": str(folder), **environment}
    words = [sys.executable, str(Path(__file__)), "-o", str(folder / "dist"), "--commit", commit]
    subprocess.run(words, cwd=folder, env=given, umask=umask, check=True, stdout=subprocess.DEVNULL)
    (wheel,) = (folder / "dist").glob("*.whl")
    return wheel


def expected(commit: str) -> set[str]:
    """What the wheel is to hold, besides its own description: the library, configurations and demonstration models."""
    names = git("ls-tree", "-r", "--name-only", commit).decode().splitlines()
    library = {name for name in names if name.startswith("XRayTo3DLib/") and name.endswith((".py", ".json"))}
    shipped = {name.removeprefix("Resources/") for name in names if name.startswith(SHIPPED)}
    return library | {SHARE + name for name in shipped}


def contents(wheel: Path) -> set[str]:
    """Names inside, without the version that data and description carry."""
    with zipfile.ZipFile(wheel) as archive:
        return {re.sub(r"^[\w.]+-[\d.]+\.data/", "", name) for name in archive.namelist() if ".dist-info/" not in name}


def tried(wheel: Path, folder: Path) -> None:
    """Install the wheel into a fresh environment and use it there."""
    venv.create(folder, with_pip=True)
    place = folder / ("Scripts" if os.name == "nt" else "bin")
    pins = folder / "constraints.txt"
    text = (REPOSITORY / "constraints.txt").read_text(encoding="utf-8")
    with contextlib.suppress(metadata.PackageNotFoundError):  # the same build of PyTorch as here, not one for a card
        text += f"torch=={metadata.version('torch')}\n"
    pins.write_text(text, encoding="utf-8")
    words = ["--quiet", "install", str(wheel), "--constraint", str(pins)]
    subprocess.run([place / "python", "-m", "pip", *words], check=True)
    for words in (["doctor"], ["models", "list"]):
        subprocess.run([place / "xrayto3d", *words], cwd=folder, check=True)
    subprocess.run([place / "python", "-m", "pip", "check"], check=True)


def check(commit: str, output: Path, install: bool) -> int:
    """Build twice and compare, keep the wheel in ``output`` where it is sound; returns the exit code."""
    commit = git("rev-parse", commit).decode().strip()  # somebody may commit while this runs
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        one = built_elsewhere(folder / "one", commit, 0o077, TZ="UTC", LC_ALL="C")
        two = built_elsewhere(folder / "a longer way" / "two", commit, 0o002, TZ="Pacific/Chatham", LC_ALL="C.utf8")
        wanted, found = expected(commit), contents(one)
        missing, strange = sorted(wanted - found), sorted(found - wanted)
        same = one.read_bytes() == two.read_bytes()
        sys.stdout.write(f"{one.name}: {one.stat().st_size / 1e6:.1f} MB, {len(found)} files\n")
        sys.stdout.write(f"sha256 {sha256(one)}\nsha256 {sha256(two)}\n")
        sys.stdout.write("built twice: the same bytes\n" if same else "built twice: DIFFERENT bytes\n")
        for what, names in (("missing", missing), ("not expected", strange)):
            sys.stdout.write("".join(f"{what}: {each}\n" for each in names))
        if install:
            tried(one, folder / "fresh")
        if not same or missing or strange:
            return 1
        output.mkdir(parents=True, exist_ok=True)
        sys.stdout.write(f"{shutil.copy2(one, output)}\n")
        return 0


def main() -> int:
    """Build, or check; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("-o", "--output", type=Path, default=REPOSITORY / "dist", help="folder for the wheel (dist)")
    parser.add_argument("--check", action="store_true", help="build twice under other circumstances and compare")
    parser.add_argument("--install", action="store_true", help="with --check: install the wheel and try it")
    parser.add_argument("--commit", default="HEAD", help="which commit (the last)")
    args = parser.parse_args()
    if args.check:
        return check(args.commit, args.output, args.install)
    wheel = build(args.output, args.commit)
    sys.stdout.write(f"{wheel}\nsha256 {sha256(wheel)}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
