"""Stand-in for ``slicer.packaging`` and ``slicer.util.pip_install``: asks as Slicer 5.12 does, installs nothing.

``pretended`` None (the usual): whoever gets as far as installing fails. A list: every installation is noted there, as
the arguments that pip would have got.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import slicer
from packaging.requirements import Requirement

pretended: list[list[str]] | None = None


def pip_install(requirements: str | Sequence[str], constraints: str | Path | None = None, **_named: Any) -> None:
    """Note what would be installed, or refuse."""
    arguments = requirements.split() if isinstance(requirements, str) else [str(each) for each in requirements]
    if pretended is None:
        raise RuntimeError(f"the test host installs nothing, asked for: {arguments}")
    if constraints is not None:
        arguments += ["--constraint", Path(constraints).read_text(encoding="utf-8")]
    pretended.append(arguments)


def pip_uninstall(requirements: str | Sequence[str]) -> None:
    """Refused."""
    raise RuntimeError(f"the test host removes nothing, asked for: {requirements}")


def load_requirements(path: str | Path) -> list[Requirement]:
    """The lines of a requirements file; as Slicer's, it takes no comment behind a requirement."""
    lines = (line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines())
    return [Requirement(line) for line in lines if line and line[0] not in "#-"]


def pip_check(requirements: Any) -> bool:
    """Whether all are installed, by their metadata."""
    for each in _listed(requirements):
        try:
            if metadata.version(each.name) not in each.specifier:
                return False
        except metadata.PackageNotFoundError:
            return False
    return True


def pip_ensure(
    requirements: Any,
    constraints: str | Path | None = None,
    requester: str | None = None,
    skip_in_testing: bool = True,
    **_named: Any,
) -> None:
    """What is missing is asked for and installed; RuntimeError where the person declines.

    Slicer skips it under ``--testing``; here only while nothing is pretended.
    """
    missing = [str(each) for each in _listed(requirements) if not pip_check(each)]
    if not missing or (skip_in_testing and pretended is None and slicer.app.testingEnabled()):
        return
    question = f"{requester or 'A module'} needs to install: {', '.join(missing)}"
    if not slicer.util.confirmOkCancelDisplay(question):
        raise RuntimeError("User declined to install required packages")
    pip_install(missing, constraints)


def _listed(requirements: Any) -> list[Requirement]:
    if isinstance(requirements, Requirement):
        requirements = [requirements]
    for each in requirements:
        if not isinstance(each, Requirement):  # Slicer asks it for its name
            raise AttributeError(f"{each!r} is no packaging.requirements.Requirement")
    return list(requirements)
