#!/usr/bin/env python3
"""Write the file lists of XRayTo3D/CMakeLists.txt and XRayTo3DLib/CMakeLists.txt from the working tree.

A file that is not listed works from a checkout and is absent from the installed extension. Counted are tracked files
and new ones that git does not ignore. With ``--check`` nothing is written: exit code 1 says the lists are out of date.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
FOLDERS = ("XRayTo3D", "XRayTo3DLib")
SCRIPTS, RESOURCES = "MODULE_PYTHON_SCRIPTS", "MODULE_PYTHON_RESOURCES"


def tree_files(repository: Path, under: str = ".") -> list[str]:
    """Paths relative to ``repository`` of its tracked files and of new ones that git does not ignore, sorted."""
    command = ["git", "-c", f"safe.directory={repository}", "ls-files", "-z", "--cached", "--others"]
    done = subprocess.run(
        [*command, "--exclude-standard", "--", under], cwd=repository, check=True, capture_output=True, text=True
    )
    return sorted({name for name in done.stdout.split("\0") if name and (repository / name).is_file()})


def expected_lists(repository: Path, folder: str) -> dict[str, list[str]]:
    """What ``folder``'s two lists must hold: Python files, and every other file except the CMake list itself."""
    names = [str(Path(name).relative_to(folder)) for name in tree_files(repository, folder)]
    return {
        SCRIPTS: [name for name in names if name.endswith(".py")],
        RESOURCES: [name for name in names if not name.endswith(".py") and name != "CMakeLists.txt"],
    }


def listed(text: str, variable: str) -> list[str]:
    """The files that ``text`` (a CMakeLists.txt) sets ``variable`` to."""
    return _block(text, variable)["files"].split()


def with_list(text: str, variable: str, files: list[str]) -> str:
    """``text`` with ``variable`` set to ``files``, one a line."""
    block = _block(text, variable)
    lines = "".join(f"  {name}\n" for name in files)
    return text[: block.start("files")] + lines + text[block.end("files") :]


def _block(text: str, variable: str) -> re.Match[str]:
    found = re.search(rf"^set\({variable}\n(?P<files>[^)]*?)  \)$", text, re.MULTILINE)
    if found is None:
        raise SystemExit(f'CMakeLists.txt has no block "set({variable} ... )" to write the list into.')
    return found


def main(arguments: list[str] | None = None) -> int:
    """Write the lists, or compare them (``--check``); returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit code 1 if a list is out of date")
    check = parser.parse_args(arguments).check
    stale = 0
    for folder in FOLDERS:
        path = REPOSITORY / folder / "CMakeLists.txt"
        text = path.read_text(encoding="utf-8")
        for variable, files in expected_lists(REPOSITORY, folder).items():
            present = listed(text, variable)
            for name in sorted(set(files) ^ set(present)):
                sys.stdout.write(f"{folder}/CMakeLists.txt: {'+' if name in files else '-'} {name}\n")
            stale += present != files
            text = with_list(text, variable, files)
        if not check:
            path.write_text(text, encoding="utf-8")
    return 1 if check and stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
