"""The table of packages equals what pyproject.toml asks for, and versions are compared as numbers."""

from __future__ import annotations

import sys
import tomllib

import pytest
from layout_files import REPOSITORY
from packaging.requirements import Requirement
from packaging.version import Version

from XRayTo3DLib import packages


def declared() -> dict[str, str]:
    """Versions by canonical name of pyproject.toml: what is always needed, and the extras that users install."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    texts = [*project["dependencies"], *extras["fast"], *extras["compressed"], *extras["train"], *extras["dicom"]]
    return {Requirement(text).name.lower(): str(Requirement(text).specifier) for text in texts}


def test_the_table_is_what_pyproject_asks_for() -> None:
    table = {each.name.lower(): str(Requirement(each.requirement).specifier) for each in packages.PACKAGES}
    assert table == declared()


def test_everything_has_a_group_and_a_purpose() -> None:
    assert {each.group for each in packages.PACKAGES} == set(packages.GROUPS)
    assert all(each.purpose for each in packages.PACKAGES)


def test_what_runs_these_tests_is_found_by_metadata_and_not_imported() -> None:
    found = {each.package.name: each for each in packages.installed_packages()}
    import numpy

    assert found["numpy"].version == numpy.__version__
    assert found["torch"].state == packages.READY
    assert packages.problems(found.values()) == []


@pytest.mark.parametrize(
    ("older", "newer"), [("2.4", "2.13.0+cpu"), ("1.9.9", "1.10"), ("6", "6.0.1"), ("2.4.0", "2.4.1rc1"), ("9", "10.0")]
)
def test_versions_compare_as_numbers(older: str, newer: str) -> None:
    assert Version(older) < Version(newer)  # packaging's word for it
    assert packages.version_tuple(older) < packages.version_tuple(newer)


def test_nought_at_the_end_makes_no_difference() -> None:
    assert packages.version_tuple("2.4.0") == packages.version_tuple("2.4") == (2, 4)


@pytest.mark.parametrize(
    ("version", "state"), [("", "missing"), ("2.2.2", "old"), ("2.4", "ready"), ("unknown", "ready")]
)
def test_states(version: str, state: str) -> None:
    found = packages.Installed(packages.TORCH, version)
    assert found.state == state
    assert bool(packages.problems([found])) is (state != "ready")


def test_problems_say_what_will_not_work_and_which_version_is_needed() -> None:
    old, missing = (packages.problems([packages.Installed(packages.TORCH, text)]) for text in ("2.2.2", ""))
    assert old == ["torch 2.2.2 is too old: 2.4 or newer is needed for registration, reconstruction, training."]
    assert missing == ["torch is missing: registration, reconstruction, training will not work."]


def test_what_is_only_for_one_thing_is_no_problem() -> None:
    training = [each for each in packages.PACKAGES if each.group == packages.TRAINING]
    assert packages.problems([packages.Installed(each, "") for each in training]) == []


def test_a_package_without_metadata_is_there_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slicer's own VTK is built with it."""

    def version(name: str) -> str:
        raise packages.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(packages.metadata, "version", version)
    assert packages.installed_version("pyyaml", "yaml") == packages.UNKNOWN
    monkeypatch.setitem(sys.modules, "yaml", None)
    assert packages.installed_version("pyyaml", "yaml") == ""
    assert packages.installed_version("pylibjpeg-libjpeg") == "", "no module has such a name"
