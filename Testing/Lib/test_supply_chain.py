"""What is depended on: declared, explained, bounded, imported, under licences that go with Apache-2.0; the SBOM."""

from __future__ import annotations

import functools
import json
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest
from layout_files import REPOSITORY, load_program
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]
USED = ("fast", "compressed", "train", "dicom")
"""Extras that users install; test and host are for developers."""
MODULES = {
    "PIL": "pillow",
    "yaml": "pyyaml",
    "vtkmodules": "vtk",
    "llvmlite": "numba",
    "openjpeg": "pylibjpeg-openjpeg",
}
"""What is imported by another name than its distribution's; llvmlite is numba's own and comes with it."""
SLICER = {"slicer", "qt", "ctk", "vtk", "SampleData", "DICOMLib", "PyTorchUtils", "packaging", "mrml"}
"""Slicer's own, for the module."""
PLUG_INS = {"pylibjpeg", "pylibjpeg-libjpeg", "pylibjpeg-openjpeg", "tensorboard"}
"""Never imported by us: pydicom and Lightning load them where they are installed."""
COLUMNS = 6
"""Of the table in docs/dependencies.md."""
IMPORT = re.compile(
    r"^\s*(?:from ([A-Za-z_]\w*)(?:\.\w+)* import |import ([A-Za-z_]\w*)[\w.]*(?: as \w+)?\s*(?:#.*)?$)", re.MULTILINE
)
PERMISSIVE = re.compile(
    r"MIT|BSD|0BSD|Apache|ASL|PSF|Python Software Foundation|ISC|HPND|Zlib|CC0|BSL-1\.0|Boost|Unlicense|MPL|Mozilla|"
    r"matplotlib|CMU|LLVM-exception",
    re.IGNORECASE,
)
COPYLEFT = re.compile(r"GPL|GNU|CC-BY-NC|SSPL|AGPL|Proprietary", re.IGNORECASE)


def requirements(*extras: str) -> list[Requirement]:
    """Core dependencies and those of some extras."""
    texts = [*PROJECT["project"]["dependencies"], *(text for extra in extras for text in EXTRAS[extra])]
    return [Requirement(text) for text in texts]


def declared() -> dict[str, tuple[str, set[str]]]:
    """By canonical name: versions, and where it is declared."""
    places = {"core": PROJECT["project"]["dependencies"], **EXTRAS, "build": PROJECT["build-system"]["requires"]}
    found: dict[str, tuple[str, set[str]]] = {}
    for place, texts in places.items():
        for text in texts:
            requirement = Requirement(text)
            name, versions = canonicalize_name(requirement.name), str(requirement.specifier)
            assert found.setdefault(name, (versions, set()))[0] == versions, f"{name}: other versions in {place}"
            found[name][1].add(place)
    return found


def rows() -> dict[str, list[str]]:
    """The table of docs/dependencies.md by canonical name."""
    text = (REPOSITORY / "docs" / "dependencies.md").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| package")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {canonicalize_name(row[0]): row for row in cells if len(row) == COLUMNS}


@pytest.fixture(scope="module")
def sbom() -> ModuleType:
    """The program that writes the bill of materials."""
    return load_program("sbom")


# ---- declared and explained ------------------------------------------------------------------------------------------


def test_every_dependency_is_in_the_table_and_nothing_else_is() -> None:
    assert rows().keys() == declared().keys()


@pytest.mark.parametrize("name", sorted(declared()))
def test_the_table_says_versions_place_reason_and_licence(name: str) -> None:
    versions, places = declared()[name]
    _, told, place, purpose, why, licence = rows()[name]
    assert Requirement(f"{name}{told}").specifier == Requirement(f"{name}{versions}").specifier
    assert place in places and (place != "test" or not places & {"core", *USED})
    assert purpose and licence and (why or places <= {"test", "host"})


@pytest.mark.parametrize("requirement", requirements(*USED), ids=lambda each: each.name)
def test_what_users_install_has_a_lower_bound_and_an_upper_one_or_a_reason(requirement: Requirement) -> None:
    operators = {each.operator for each in requirement.specifier}
    assert ">=" in operators
    assert "<" in operators or requirement.name in {"pillow", "numba"}, "docs/dependencies.md says why these two"


def test_nothing_comes_from_an_address() -> None:
    texts = [*PROJECT["project"]["dependencies"], *(text for texts in EXTRAS.values() for text in texts)]
    assert [text for text in texts if Requirement(text).url or "://" in text] == []
    assert "://" not in (REPOSITORY / "constraints.txt").read_text(encoding="utf-8").split("#")[-1]


# ---- constraints -----------------------------------------------------------------------------------------------------


def pins() -> dict[str, Requirement]:
    lines = (REPOSITORY / "constraints.txt").read_text(encoding="utf-8").splitlines()
    found = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(each.name): each for each in found}


def test_constraints_pin_every_dependency_within_its_bounds() -> None:
    """PyTorch's build is the Makefile's, slicer-core's version pyproject's own."""
    assert declared().keys() - pins().keys() == {"torch", "slicer-core"}
    for name, (versions, _) in declared().items():
        if name in pins():
            (pin,) = pins()[name].specifier
            assert pin.operator == "==" and Requirement(f"{name}{versions}").specifier.contains(pin.version), name


def test_every_installation_of_the_makefile_is_constrained() -> None:
    lines = (REPOSITORY / "Makefile").read_text(encoding="utf-8").splitlines()
    installs = [line for line in lines if "$(PIP) install" in line and "--upgrade pip" not in line]
    free = [line for line in installs if "$(CONSTRAINED)" not in line and "--no-deps" not in line]
    assert installs and [line.split("install")[1].strip() for line in free] == ["$(TORCH)"], "it is a pin itself"


# ---- imported --------------------------------------------------------------------------------------------------------


@functools.cache
def imported(folder: str) -> dict[str, set[str]]:
    """Third-party modules that are imported under ``folder``, and where; at file scope or in a function."""
    found: dict[str, set[str]] = {}
    for path in sorted((REPOSITORY / folder).rglob("*.py")):
        names = {one or other for one, other in IMPORT.findall(path.read_text(encoding="utf-8"))}
        for name in names - set(sys.stdlib_module_names):
            found.setdefault(name, set()).add(path.name)
    ours = {"XRayTo3D", "XRayTo3DLib", "XRayTo3DGui"}
    return {name: where for name, where in found.items() if name not in ours}


def distribution(module: str) -> str:
    return canonicalize_name(MODULES.get(module, module))


def test_every_import_of_the_library_is_a_declared_dependency() -> None:
    known = {canonicalize_name(each.name) for each in requirements(*USED)}
    found = imported("XRayTo3DLib")
    assert len(found) > 10
    assert {name: where for name, where in found.items() if distribution(name) not in known} == {}


def test_every_import_of_the_module_is_slicers_or_a_declared_dependency() -> None:
    known = {canonicalize_name(each.name) for each in requirements(*USED)}
    strange = {name for name in imported("XRayTo3D") if distribution(name) not in known} - SLICER
    assert strange == set()


def test_every_dependency_is_imported_or_a_plug_in() -> None:
    used = {distribution(name) for name in imported("XRayTo3DLib")}
    wanted = {canonicalize_name(each.name) for each in requirements(*USED)}
    assert wanted - used == PLUG_INS


# ---- licences --------------------------------------------------------------------------------------------------------


def test_licences_go_with_apache(sbom: ModuleType) -> None:
    """Of everything that core, fast, train and dicom bring and that is installed here, whole trees."""
    tree = sbom.closure(requirements("fast", "train", "dicom"))
    assert {"torch", "numpy", "vtk", "simpleitk"} <= tree.keys() and len(tree) > 25
    free = [name for name in tree if not name.startswith(("nvidia-", "cuda-"))]  # PyTorch's, see docs/dependencies.md
    licences = {name: sbom.licence_of(name) for name in free}
    bad = {n: text for n, text in licences.items() if COPYLEFT.search(text) or not PERMISSIVE.search(text)}
    assert bad == {}


def test_the_gpl_comes_only_to_who_asks_for_it(sbom: ModuleType) -> None:
    more = sbom.closure(requirements("compressed")).keys() - sbom.closure(requirements()).keys()
    if "pylibjpeg-libjpeg" not in more:
        pytest.skip("pylibjpeg-libjpeg is not installed")
    assert [name for name in more if COPYLEFT.search(sbom.licence_of(name))] == ["pylibjpeg-libjpeg"]


# ---- bill of materials, wheel ----------------------------------------------------------------------------------------


def test_the_bill_lists_what_is_installed_and_is_the_same_every_time(tmp_path: Path) -> None:
    program = str(REPOSITORY / ".ci" / "sbom.py")
    texts = []
    for number in ("0", "1"):
        path = tmp_path / f"{number}.json"
        command = [sys.executable, program, "--extras", "fast", "-o", str(path)]
        subprocess.run(command, check=True, cwd=tmp_path, env={"PYTHONHASHSEED": number}, stdout=subprocess.DEVNULL)
        texts.append(path.read_bytes())
    assert texts[0] == texts[1]
    bill = json.loads(texts[0])
    versions = {each["name"].lower(): each["version"] for each in bill["components"] if each["type"] == "library"}
    for requirement in requirements("fast"):
        assert versions[requirement.name.lower()] == metadata.version(requirement.name)
    references = {each["bom-ref"] for each in bill["components"]} | {bill["metadata"]["component"]["bom-ref"]}
    for each in bill["dependencies"]:
        assert {each["ref"], *each["dependsOn"]} <= references
    models = {each["name"] for each in bill["components"] if each["type"] == "machine-learning-model"}
    assert models == {path.name for path in (REPOSITORY / "Resources" / "models").iterdir()}


def test_every_shipped_model_and_configuration_goes_into_the_wheel() -> None:
    listed = PROJECT["tool"]["setuptools"]["data-files"]
    models = {f"share/xrayto3d/models/{path.name}" for path in (REPOSITORY / "Resources" / "models").iterdir()}
    assert listed.keys() == models | {"share/xrayto3d/configs"}
    assert listed == {place: [place.replace("share/xrayto3d", "Resources") + "/*"] for place in listed}


def test_security_policy_says_where_to_report_and_invents_no_address() -> None:
    text = (REPOSITORY / ".github" / "SECURITY.md").read_text(encoding="utf-8")
    assert "security/advisories/new" in text and "Supported versions" in text
    assert re.findall(r"[\w.+-]+@[\w-]+\.\w+", text) == []
