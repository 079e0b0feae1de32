"""The packages as the section shows them: one row per purpose; and whether PyTorch can be used, without loading it."""

from __future__ import annotations

from dataclasses import dataclass

from slicer.i18n import tr as _

from XRayTo3DLib.packages import (
    COMPRESSED,
    DICOM,
    FAST,
    OLD,
    READY,
    TORCH,
    TRAINING,
    UNKNOWN,
    Installed,
    importable,
    installed_packages,
)

SLICERS = ("numpy", "scipy", "SimpleITK", "vtk", "pydicom", "pillow")
"""Come with Slicer, and must stay as Slicer has them: pip is never asked for these."""
GROUPED = {FAST: "Faster on a processor", COMPRESSED: "Compressed DICOM", TRAINING: "Training", DICOM: "DICOM SEG"}


@dataclass(frozen=True)
class Row:
    """Packages that serve one purpose."""

    title: str
    packages: tuple[Installed, ...]

    @property
    def ready(self) -> bool:
        """Whether all are there."""
        return all(each.state == READY for each in self.packages)

    @property
    def needed(self) -> bool:
        """Whether everyday work needs it."""
        return self.packages[0].package.group not in GROUPED

    @property
    def installable(self) -> bool:
        """Whether the module may install what is missing; Slicer's own packages it never touches."""
        return not self.ready and self.packages[0].package.name not in SLICERS

    @property
    def isTorch(self) -> bool:
        """PyTorch has an installer of its own."""
        return self.packages[0].package is TORCH

    @property
    def lacking(self) -> list[Installed]:
        """What is missing or too old."""
        return [each for each in self.packages if each.state != READY]

    @property
    def state(self) -> str:
        """The version, or what is missing: short enough for a narrow panel."""
        if self.ready:
            single = len(self.packages) == 1 and self.packages[0].version != UNKNOWN
            return self.packages[0].version if single else _("installed")
        missing = [each.package.name for each in self.lacking if each.state != OLD]
        old = [each.package.name for each in self.lacking if each.state == OLD]
        if len(missing) == len(self.packages):
            return _("missing")
        texts = [_("{names} missing").format(names=", ".join(missing))] if missing else []
        texts += [_("{names} too old").format(names=", ".join(old))] if old else []
        return "; ".join(texts)

    @property
    def details(self) -> str:
        """Every package, for the tooltip."""
        lines = []
        for each in self.packages:
            version = each.version or _("missing")
            text = _("{name} {version}: {purpose} ({minimum} or newer)")
            package = each.package
            lines.append(
                text.format(name=package.name, version=version, purpose=package.purpose, minimum=package.minimum)
            )
        return "\n".join(lines)


def rows() -> list[Row]:
    """All rows, as it stands now; nothing is imported."""
    found = {each.package.name: each for each in installed_packages()}
    pairs = [
        (_("PyTorch"), (TORCH.name,)),
        (_("Slicer's own"), SLICERS),
        (_("Models, settings"), ("safetensors", "pyyaml")),
        (_("Search, reports"), ("cma", "matplotlib")),
    ]
    made = [Row(title, tuple(found[name] for name in names)) for title, names in pairs]
    for group, title in GROUPED.items():
        made.append(Row(_(title), tuple(each for each in found.values() if each.package.group == group)))
    return made


def torchProblem(here: bool = False) -> str:
    """One sentence where PyTorch is missing or too old, else empty; PyTorch is not loaded.

    Args:
        here: The sentence is for the section Set-up itself.
    """
    (torch,) = installed_packages([TORCH])
    if torch.state == READY and importable(TORCH.name):
        return ""
    advice = _("tick it and press Install…") if here else _("install it in the section Set-up.")
    if torch.state == OLD:
        text = _("PyTorch {version} is too old, {minimum} or newer is needed: {advice}")
        return text.format(version=torch.version, minimum=TORCH.minimum, advice=advice)
    return _("PyTorch is missing: {advice}").format(advice=advice)


def trainingProblem() -> str:
    """One sentence where training cannot run here, else empty; nothing is loaded."""
    problem = torchProblem()
    if problem:
        return problem
    lacking = [row for row in rows() if not row.ready and row.packages[0].package.group == TRAINING]
    if not lacking:
        return ""
    names = ", ".join(each.package.name for each in lacking[0].lacking)
    return _("{names}: missing or too old; install them in the section Set-up.").format(names=names)
