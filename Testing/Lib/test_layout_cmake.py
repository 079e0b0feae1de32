"""The extension's CMake files: lists equal the tree, metadata as the index reads it, the installed tree imports."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from layout_files import REPOSITORY, cmake_lists

TOP = (REPOSITORY / "CMakeLists.txt").read_text(encoding="utf-8")
MOCK = Path(__file__).parent / "cmake_mock"


@pytest.mark.parametrize("folder", cmake_lists.FOLDERS)
@pytest.mark.parametrize("variable", [cmake_lists.SCRIPTS, cmake_lists.RESOURCES])
def test_lists_equal_the_tree(folder: str, variable: str) -> None:
    listed = cmake_lists.listed((REPOSITORY / folder / "CMakeLists.txt").read_text(encoding="utf-8"), variable)
    expected = cmake_lists.expected_lists(REPOSITORY, folder)[variable]
    assert listed == expected, "run .ci/update_cmake_lists.py"


def test_the_module_its_interface_and_its_icon_are_in_the_package() -> None:
    files = cmake_lists.expected_lists(REPOSITORY, "XRayTo3D")
    assert "XRayTo3D.py" in files[cmake_lists.SCRIPTS]
    assert "Resources/Icons/XRayTo3D.svg" in files[cmake_lists.RESOURCES]
    assert "Resources/requirements.txt" in files[cmake_lists.RESOURCES]
    assert any(name.endswith(".ui") for name in files[cmake_lists.RESOURCES])


def test_writing_a_list_and_reading_it_back() -> None:
    text = "set(MODULE_PYTHON_SCRIPTS\n  old.py\n  )\n\nset(MODULE_PYTHON_RESOURCES\n  )\n"
    written = cmake_lists.with_list(text, cmake_lists.SCRIPTS, ["a.py", "b/c.py"])
    assert cmake_lists.listed(written, cmake_lists.SCRIPTS) == ["a.py", "b/c.py"]
    assert cmake_lists.listed(written, cmake_lists.RESOURCES) == []
    assert cmake_lists.with_list(written, cmake_lists.SCRIPTS, ["old.py"]) == text


def metadata(name: str) -> str:
    """EXTENSION_<name> by the index's own kind of reading: one plain quoted line."""
    found = re.findall(rf'^set\(EXTENSION_{name} "([^"$]+)"\)$', TOP, re.MULTILINE)
    assert len(found) == 1, f"EXTENSION_{name} must be one plain quoted line"
    return found[0]


def test_project_name_and_marker() -> None:
    assert re.search(r"project\((\w+)", TOP).group(1) == "XRayTo3D"
    assert "\n## NEXT_MODULE\n" in TOP


@pytest.mark.parametrize("name", ["ICONURL", "SCREENSHOTURLS"])
def test_pictures_are_files_of_this_repository(name: str) -> None:
    raw = metadata("HOMEPAGE").replace("https://github.com/", "https://raw.githubusercontent.com/") + "/main/"
    for url in metadata(name).split(" "):
        assert url.startswith(raw)
        assert url.endswith(".png")
        picture = REPOSITORY / url.removeprefix(raw)
        assert picture.is_file(), f"{name}: {picture.relative_to(REPOSITORY)} is not there"
        assert picture.read_bytes().startswith(b"\x89PNG")


def test_icon_is_128_by_128() -> None:
    from PIL import Image

    with Image.open(REPOSITORY / "Resources" / "Icons" / "XRayTo3D.png") as picture:
        assert picture.size == (128, 128)


def test_description_is_short_and_says_what_it_is_not_for() -> None:
    description = metadata("DESCRIPTION")
    assert len(re.findall(r"\.(?: |$)", description)) <= 2
    assert "research" in description


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The tree that CMake installs with the stand-in for Slicer, and the names of the tests it registers."""
    for tool in ("cmake", "c++"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed: the extension's CMake files are not run")
    build, prefix = tmp_path_factory.mktemp("build"), tmp_path_factory.mktemp("install")
    run("cmake", "-S", REPOSITORY, "-B", build, f"-DSlicer_DIR={MOCK}", f"-DCMAKE_INSTALL_PREFIX={prefix}")
    run("cmake", "--install", build)
    tests = run("ctest", "--test-dir", build, "--show-only")
    return prefix / "qt-scripted-modules", re.findall(r"Test +#\d+: (\S+)", tests)


def run(*command: str | Path) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert done.returncode == 0, f"{command[0]} failed:\n{done.stdout}{done.stderr}"
    return done.stdout


def test_installed_files_are_the_tree(installed: tuple[Path, list[str]]) -> None:
    root, _ = installed
    found = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    module = cmake_lists.expected_lists(REPOSITORY, "XRayTo3D")
    library = cmake_lists.expected_lists(REPOSITORY, "XRayTo3DLib")
    expected = {name for files in module.values() for name in files}
    expected |= {f"XRayTo3DLib/{name}" for files in library.values() for name in files}
    for folder in ("Resources/configs", "Resources/models"):
        expected |= set(cmake_lists.tree_files(REPOSITORY, folder))
    assert found == expected


def test_models_are_found_where_they_are_installed(installed: tuple[Path, list[str]]) -> None:
    root, _ = installed
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from XRayTo3DLib.models.find import bundle_path\n"
        "print(bundle_path('wrist-pa-demo'))"
    )
    found = Path(run(sys.executable, "-P", "-c", program, root).strip())
    assert found == root / "Resources" / "models" / "wrist-pa-demo"
    assert (found / "bundle.json").is_file()


def test_configurations_are_found_where_they_are_installed(installed: tuple[Path, list[str]]) -> None:
    root, _ = installed
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from XRayTo3DLib.methods.catalogue import start_configurations\n"
        "print(*[each.path for each in start_configurations()], sep='\\n')"
    )
    found = run(sys.executable, "-P", "-c", program, root).split()
    there = cmake_lists.tree_files(REPOSITORY, "Resources/configs")
    assert sorted(found) == sorted(str(root / name) for name in there)


def test_pip_installs_every_model_and_configuration() -> None:
    import tomllib

    with (REPOSITORY / "pyproject.toml").open("rb") as stream:
        listed = tomllib.load(stream)["tool"]["setuptools"]["data-files"]
    models = {path.parent.name for path in (REPOSITORY / "Resources" / "models").glob("*/bundle.json")}
    wanted = {f"share/xrayto3d/models/{name}": [f"Resources/models/{name}/*"] for name in models}
    assert listed == {"share/xrayto3d/configs": ["Resources/configs/*"], **wanted}


def test_installed_library_imports_from_there(installed: tuple[Path, list[str]]) -> None:
    root, _ = installed
    program = (
        "import pathlib, pkgutil, importlib, sys\n"
        "root = pathlib.Path(sys.argv[1]); sys.path.insert(0, str(root))\n"
        "import XRayTo3DLib\n"
        "names = [m.name for m in pkgutil.walk_packages(XRayTo3DLib.__path__, 'XRayTo3DLib.') if m.ispkg]\n"
        "modules = [importlib.import_module(n) for n in ['XRayTo3DLib', 'XRayTo3DLib.geometry.camera', *names]]\n"
        "assert all(pathlib.Path(m.__file__).is_relative_to(root) for m in modules), modules\n"
        "print(len(names))\n"
    )
    printed = run(sys.executable, "-c", program, root)
    packages = [name for name in cmake_lists.tree_files(REPOSITORY, "XRayTo3DLib") if name.endswith("/__init__.py")]
    assert int(printed) == len(packages) - 1
    assert (root / "XRayTo3D.py").is_file()


def test_slicer_would_run_our_tests(installed: tuple[Path, list[str]]) -> None:
    _, tests = installed
    assert set(tests) == {
        "py_XRayTo3D",
        "py_nomainwindow_qSlicerXRayTo3DModuleGenericTest",
        "py_test_layout_light_imports",
    }
