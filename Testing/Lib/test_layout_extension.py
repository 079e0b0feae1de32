"""The extension as the extensions index looks at it: the catalog entry against its schema's rules and CMake."""

from __future__ import annotations

import json
import re

import pytest
from layout_files import REPOSITORY

ENTRY = REPOSITORY / "docs" / "examples" / "XRayTo3D.json"
TOP = (REPOSITORY / "CMakeLists.txt").read_text(encoding="utf-8")
REQUIRED = {"$schema", "category", "scm_url"}
ALLOWED = REQUIRED | {
    "build_dependencies", "build_subdirectory", "scm_revision", "scm_type", "tier", "enabled", "dicom_support_rule",
}  # fmt: skip
"""Fields of the catalog entry schema 1.0.2; it allows no others."""


def metadata(name: str) -> str:
    (found,) = re.findall(rf'^set\(EXTENSION_{name} "([^"]+)"\)$', TOP, re.MULTILINE)
    return found


@pytest.fixture
def entry() -> dict[str, object]:
    return json.loads(ENTRY.read_text(encoding="utf-8"))


def test_the_entry_has_the_schema_s_fields(entry: dict[str, object]) -> None:
    assert set(entry) >= REQUIRED and set(entry) <= ALLOWED
    assert str(entry["$schema"]).endswith("slicer-extension-catalog-entry-schema-v1.0.2.json#")
    assert entry["tier"] in (1, 3, 5)
    assert b"\r" not in ENTRY.read_bytes()


def test_the_entry_agrees_with_cmake(entry: dict[str, object]) -> None:
    assert re.search(r"project\((\w+)\)", TOP).group(1) == ENTRY.stem
    assert entry["category"] == metadata("CATEGORY")
    assert entry["build_dependencies"] == metadata("DEPENDS").split(" ")
    assert entry["build_subdirectory"] == metadata("BUILD_SUBDIRECTORY")
    assert entry["scm_url"] == metadata("HOMEPAGE") + ".git"


def test_name_and_repository(entry: dict[str, object]) -> None:
    assert not ENTRY.stem.lower().startswith("slicer")
    repository = str(entry["scm_url"]).rsplit("/", 1)[1].removesuffix(".git")
    assert repository == f"Slicer{ENTRY.stem}"


def test_slicer_is_told_for_which_dicom_it_is_good(entry: dict[str, object]) -> None:
    rule = str(entry["dicom_support_rule"])
    assert re.findall(r"Modality == '(\w+)'", rule) == ["CR", "DX", "XA", "RF"]


def test_the_front_page_has_what_reviewers_look_for() -> None:
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert text.startswith("# XRayTo3D")
    for part in (
        "## In 3D Slicer",
        "docs/tutorial.md",
        "## Safety and privacy",
        "how to cite",
        "LICENSE",
        "![",
        "Research use",
    ):
        assert part in text, part


def test_every_citation_file_field_that_citing_needs_is_there() -> None:
    import yaml

    found = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors", "license", "repository-code"} <= set(found)
    assert found["repository-code"] == metadata("HOMEPAGE")
