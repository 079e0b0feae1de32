"""Installing the Slicer way, and only after asking: PyTorch by its extension, the rest by Slicer's pip."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from subprocess import CalledProcessError
from typing import Any

import slicer
from slicer.i18n import tr as _

from XRayTo3DGui.setup.packages import SLICERS, Row, torchProblem
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.packages import TORCH

REQUESTER, EXTENSION = "XRayTo3D", "PyTorch"


def install(chosen: Iterable[Row]) -> str:
    """Install what is missing of some rows; asks first.

    Returns:
        One sentence: what was done, "" where the person said no.

    Raises:
        InputError: It cannot be installed; the sentence says what to do.
    """
    wanted = [row for row in chosen if row.installable]
    said = ""
    if any(row.isTorch for row in wanted):
        said = installTorch()
        if torchProblem():
            return said  # the others would bring a PyTorch of their own
    requirements = [each.package.requirement for row in wanted if not row.isTorch for each in row.lacking]
    if not requirements:
        return said
    if torchProblem() and any(row.packages[0].package.group == "training" for row in wanted):
        raise InputError(_("Install PyTorch first: the packages for training would bring another build of it."))
    return installPackages(requirements) or said


# ---- PyTorch ---------------------------------------------------------------------------------------------------------


def installTorch() -> str:
    """PyTorch for this computer's graphics card, chosen by the PyTorch extension; see :func:`install`."""
    try:
        import PyTorchUtils
    except ModuleNotFoundError:
        return _installExtension()
    logic = PyTorchUtils.PyTorchUtilsLogic()
    try:
        torch = logic.installTorch(askConfirmation=True, torchVersionRequirement=f">={TORCH.minimum}")
    except (ImportError, OSError, ValueError, CalledProcessError) as error:
        text = _("PyTorch could not be installed ({error}). The module PyTorch Utils says more.")
        raise InputError(text.format(error=error)) from error
    importlib.invalidate_caches()
    if torch is None:
        return ""
    return torchProblem() or _("PyTorch {version} is installed.").format(version=metadata.version("torch"))


def _installExtension() -> str:
    model = extensionsModel()
    if model is None:
        text = _("Install the extension PyTorch (View > Extensions Manager), restart Slicer, and come back here.")
        raise InputError(text)
    question = _(
        "PyTorch is installed by the extension 'PyTorch', which picks the build for your graphics card.\n\n"
        "Download and install that extension now? Slicer must be restarted afterwards."
    )
    if not slicer.util.confirmOkCancelDisplay(question, windowTitle=_("Install the PyTorch extension")):
        return ""
    if not model.installExtensionFromServer(EXTENSION, False):  # no restart: the scene may not be saved
        text = _(
            "The extension PyTorch could not be installed: is there a network? View > Extensions Manager says more."
        )
        raise InputError(text)
    return _("The extension PyTorch is installed. Restart Slicer, then install PyTorch here.")


def extensionsModel() -> Any:
    """Slicer's extensions manager, None in a Slicer without one."""
    manager = getattr(slicer.app, "extensionsManagerModel", None)
    return manager() if manager is not None else None


# ---- the others ------------------------------------------------------------------------------------------------------


def installPackages(requirements: list[str]) -> str:
    """Install packages by Slicer's pip, its own libraries and PyTorch left as they are; see :func:`install`.

    Args:
        requirements: As pip reads them, ``["numba>=0.59"]``.
    """
    with tempfile.TemporaryDirectory(prefix="XRayTo3D-") as folder:
        constraints = writeConstraints(Path(folder) / "constraints.txt")
        try:
            done = _pip(requirements, constraints)
        except CalledProcessError as error:
            text = _("pip could not install {names}; the Python console says why.")
            raise InputError(text.format(names=", ".join(requirements))) from error
    importlib.invalidate_caches()
    return _("Installed: {names}.").format(names=", ".join(requirements)) if done else ""


def _pip(requirements: list[str], constraints: Path) -> bool:
    """Ask and install; False where the person said no."""
    try:
        packaging = importlib.import_module("slicer.packaging")  # Slicer 5.12 and newer
    except ImportError:
        return _pipOfSlicer510(requirements, constraints)
    from packaging.requirements import Requirement  # comes with Slicer

    try:
        packaging.pip_ensure(list(map(Requirement, requirements)), constraints=str(constraints), requester=REQUESTER)
    except CalledProcessError:
        raise
    except RuntimeError:  # how it says that the person declined
        return False
    return True


def _pipOfSlicer510(requirements: list[str], constraints: Path) -> bool:
    """It does not ask by itself."""
    question = _("XRayTo3D wants to install Python packages from the internet into Slicer:\n\n{names}\n\nInstall them?")
    if not slicer.util.confirmOkCancelDisplay(
        question.format(names="\n".join(requirements)), windowTitle=_("Install packages")
    ):
        return False
    slicer.util.pip_install([*requirements, "--constraint", str(constraints)])
    return True


def writeConstraints(path: Path) -> Path:
    """Nothing that Slicer or PyTorch came with may change: their versions, as a constraints file of pip."""
    lines = []
    for name in (*SLICERS, TORCH.name):
        try:
            lines.append(f"{name}=={metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
