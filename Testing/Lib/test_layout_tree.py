"""The repository's layout: agreed entries, small files, no machine's own paths, short and documented modules."""

from __future__ import annotations

import ast
import importlib.util
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from layout_files import REPOSITORY, python_trees, shown, tree_files

REQUIRED = {"CMakeLists.txt", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md", "pyproject.toml"}
FOLDERS = {"Resources", "Testing", "XRayTo3D", "XRayTo3DLib"}
TOP_LEVEL = REQUIRED | FOLDERS | {"CHANGELOG.md", "CITATION.cff", "constraints.txt", "docs"}
TEXT_SUFFIXES = {".py", ".md", ".toml", ".txt", ".yaml", ".yml", ".json", ".ui", ".cmake", ".svg", ".cff", ".sh", ""}
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:work|root|farm|home/\w+)/")
MAX_BYTES, MAX_LINES = 1_000_000, 400


def test_top_level_holds_only_the_agreed_entries() -> None:
    entries = {path.relative_to(REPOSITORY).parts[0] for path in tree_files()}
    assert {name for name in entries if not name.startswith(".")} - TOP_LEVEL == set()


@pytest.mark.parametrize("name", sorted(REQUIRED | FOLDERS))
def test_the_agreed_entry_is_there(name: str) -> None:
    assert (REPOSITORY / name).exists()


def test_no_file_is_larger_than_one_megabyte() -> None:
    large = [path for path in tree_files() if path.stat().st_size > MAX_BYTES and path.suffix != ".safetensors"]
    assert [shown(path) for path in large] == []


def test_model_bundles_are_small_and_whole() -> None:
    """Every bundle that comes along: 10 MB at most, its checksums right, said to be synthetic."""
    from XRayTo3DLib.models.bundle import load_bundle
    from XRayTo3DLib.models.find import find_bundles

    folders = find_bundles([REPOSITORY / "Resources" / "models"])
    assert folders
    for folder in folders:
        assert sum(path.stat().st_size for path in folder.iterdir()) <= 10e6
        assert load_bundle(folder).bundle.synthetic
    weights = [path for path in tree_files() if path.suffix == ".safetensors"]
    assert all(path.parent in folders or "corpus" in path.parts for path in weights)


def machine_paths(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if MACHINE_PATH.search(line)]


def test_no_text_file_names_a_path_of_one_machine() -> None:
    texts = [path for path in tree_files() if path.suffix in TEXT_SUFFIXES]
    found = {shown(path): machine_paths(path.read_text(encoding="utf-8")) for path in texts}
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    ("text", "found"), [("open('/ro" + "ot/x')", 1), ("see /wo" + "rk/main", 1), ("a/work/b", 0), ("/usr/share/x", 0)]
)
def test_the_search_for_machine_paths_finds_what_it_should(text: str, found: int) -> None:
    assert len(machine_paths(text)) == found


def test_library_modules_are_short() -> None:
    lengths = {shown(path): path.read_text(encoding="utf-8").count("\n") for path in python_trees("XRayTo3DLib")}
    assert lengths
    assert {name: length for name, length in lengths.items() if length >= MAX_LINES} == {}


def test_every_library_folder_is_a_package() -> None:
    """Without __init__.py a folder imports from a checkout, and pip and import-linter leave it out."""
    folders = {path.parent for path in python_trees("XRayTo3DLib")}
    assert [shown(folder) for folder in folders if not (folder / "__init__.py").is_file()] == []


def undocumented(tree: ast.Module) -> list[str]:
    """Names of the module itself and of its public functions and classes, where they have no docstring."""
    public = [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_")
    ]
    return [getattr(node, "name", "module") for node in [tree, *public] if not ast.get_docstring(node)]


def test_the_library_is_documented() -> None:
    found = {shown(path): undocumented(tree) for path, tree in python_trees("XRayTo3DLib").items()}
    assert {name: names for name, names in found.items() if names} == {}


def test_a_missing_docstring_is_found() -> None:
    source = '"""Module."""\ndef bare(): pass\ndef _private(): pass\nclass Told:\n    """Told."""\n'
    assert undocumented(ast.parse(source)) == ["bare"]


def test_layers_hold() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    if not lint.exists():
        pytest.skip("import-linter is not installed beside this Python: run `make lint`")
    done = subprocess.run([str(lint), "--no-cache"], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Rooms import only downward KEPT" in done.stdout


def test_torchvision_is_neither_wanted_nor_there() -> None:
    """It has no build for the PyTorch that CI installs, and in Slicer it would only be a second thing to break."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [
        *project["dependencies"],
        *(name for names in project["optional-dependencies"].values() for name in names),
    ]
    assert [name for names in wanted for name in names if name.startswith("torchvision")] == []
    assert importlib.util.find_spec("torchvision") is None


def test_the_command_line_is_installed_beside_this_python() -> None:
    command = Path(sys.executable).with_name("xrayto3d")
    if not command.exists() and shutil.which("xrayto3d") is None:
        pytest.fail("the xrayto3d command is not installed: run `make test`, or pip install -e .")
    done = subprocess.run([str(command), "--help"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "usage" in done.stdout.lower()
