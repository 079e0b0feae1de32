"""Which Python packages XRayTo3D uses, what for, and which are there: by their metadata, nothing is imported."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata


@dataclass(frozen=True)
class Package:
    """One package that is used.

    Attributes:
        name: As on PyPI.
        minimum: Oldest version that works, "2.4".
        purpose: What cannot be done without it, a few words.
        group: One of :data:`GROUPS`.
        module: What Python imports; "" where that is the name.
        limits: Versions that may not work or must not be had, "<3"; docs/dependencies.md says why.
    """

    name: str
    minimum: str
    purpose: str
    group: str
    module: str = ""
    limits: str = ""

    @property
    def requirement(self) -> str:
        """As pip reads it: ``safetensors>=0.4,<1``."""
        return f"{self.name}>={self.minimum}" + (f",{self.limits}" if self.limits else "")


NEEDED, FAST, COMPRESSED, TRAINING, DICOM = "needed", "fast", "compressed", "training", "dicom"
GROUPS = (NEEDED, FAST, COMPRESSED, TRAINING, DICOM)
"""``needed`` for everyday work; the others each for one thing, see the purposes."""

PACKAGES = (
    Package("torch", "2.4", "registration, reconstruction, training", NEEDED, limits="<3"),
    Package("numpy", "1.26", "everything", NEEDED, limits="<3"),
    Package("scipy", "1.11", "everything", NEEDED, limits="<2"),
    Package("SimpleITK", "2.3", "CTs and segmentations", NEEDED, limits="<3"),
    Package("vtk", "9.2", "surfaces and measuring", NEEDED, limits="<10"),
    Package("pydicom", "2.4", "DICOM files", NEEDED, limits="<4"),
    Package("pillow", "10", "PNG and TIFF radiographs, pictures", NEEDED, "PIL"),
    Package("safetensors", "0.4", "models and training", NEEDED, limits="<1"),
    Package("pyyaml", "6", "settings of a training", NEEDED, "yaml", limits="<7"),
    Package("cma", "3.4", "registration from far away", NEEDED, limits="<5"),
    Package("matplotlib", "3.8", "reports with figures", NEEDED, limits="<4"),
    Package("numba", "0.59", "projections many times as fast on a CPU", FAST),
    Package("pylibjpeg", "2.0", "compressed DICOM files", COMPRESSED, limits="<3"),
    Package("pylibjpeg-libjpeg", "2.1", "compressed DICOM files (JPEG)", COMPRESSED, "libjpeg", limits="<3"),
    Package("pylibjpeg-openjpeg", "2.0", "compressed DICOM files (JPEG 2000)", COMPRESSED, "openjpeg", limits="<3"),
    Package("lightning", "2.4", "training", TRAINING, limits="<3,!=2.6.2,!=2.6.3"),
    Package("monai", "1.4", "training", TRAINING, limits="<2"),
    Package("tensorboard", "2.16", "curves of a training in a browser", TRAINING, limits="<3"),
    Package("highdicom", "0.27", "segmentations as DICOM SEG", DICOM, limits="<1"),
)

TORCH = PACKAGES[0]
MISSING, OLD, READY = "missing", "old", "ready"
UNKNOWN = "unknown"
"""Version of a package that is there without metadata, as Slicer's own VTK is."""


@dataclass(frozen=True)
class Installed:
    """One package as it is found.

    Attributes:
        package: What is wanted.
        version: What is there; "" where nothing is.
    """

    package: Package
    version: str

    @property
    def state(self) -> str:
        """``missing``, ``old`` (too old to be used) or ``ready``."""
        if not self.version:
            return MISSING
        if self.version == UNKNOWN:
            return READY
        return READY if version_tuple(self.version) >= version_tuple(self.package.minimum) else OLD


def installed_packages(packages: Iterable[Package] = PACKAGES) -> list[Installed]:
    """Every package with the version that this Python would import, without importing it."""
    return [Installed(package, installed_version(package.name, package.module)) for package in packages]


def installed_version(name: str, module: str = "") -> str:
    """The version of a package by its metadata; :data:`UNKNOWN` where it has none, "" where it is not installed."""
    try:
        return metadata.version(name) or UNKNOWN
    except metadata.PackageNotFoundError:
        return UNKNOWN if importable(module or name) else ""


def importable(module: str) -> bool:
    """Whether Python would find that top-level module; it is not imported."""
    try:
        return module.isidentifier() and importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # taken away in a test, or half removed
        return False


def version_tuple(text: str) -> tuple[int, ...]:
    """The numbers a version begins with, trailing noughts dropped: ``2.13.0+cpu`` is (2, 13)."""
    found = re.match(r"\d+(?:\.\d+)*", text)
    numbers = [int(part) for part in found.group().split(".")] if found else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def problems(found: Iterable[Installed]) -> list[str]:
    """One sentence for each package that is needed for everyday work, and missing or too old."""
    return [_sentence(each) for each in found if each.package.group == NEEDED and each.state != READY]


def _sentence(found: Installed) -> str:
    package = found.package
    if found.state == MISSING:
        return f"{package.name} is missing: {package.purpose} will not work."
    return f"{package.name} {found.version} is too old: {package.minimum} or newer is needed for {package.purpose}."


def by_group(found: Iterable[Installed]) -> Mapping[str, list[Installed]]:
    """The packages of each group, groups in their order."""
    listed = list(found)
    return {group: [each for each in listed if each.package.group == group] for group in GROUPS}
