"""Which model bundles there are, and the chosen one's card. Only descriptions are read; the worker verifies weights."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from XRayTo3DGui.panel import BAD, UNSURE
from XRayTo3DLib.errors import InputError

FOLDERS_SETTING = "XRayTo3D/ModelFolders"
SELF_PLACING = ("dual-face-depth",)
"""Methods that find the limb by themselves: neither side nor joint is asked."""
PLAIN_S, REFINE_S = 5, 20
BASE_GB, GB_PER_MB, REFINE_GB = 0.5, 0.02, 1.2
"""Measured with the models that come along, see docs/reconstruct.md."""
SHAPE_MODELS = "shape-intensity-fit"
"""The method whose bundles can be fitted to any number of radiographs, and refine other models' bones."""


@dataclass(frozen=True, eq=False)
class BundleEntry:
    """One bundle in the list; ``bundle`` is None where ``problem`` says why it cannot be used."""

    path: Path
    bundle: Any
    problem: str = ""
    checksum: str = ""

    @property
    def title(self) -> str:
        """What the list shows."""
        from XRayTo3DLib.models.card import printable

        return printable((self.bundle.title or self.path.name) if self.bundle is not None else self.path.name)

    @property
    def views(self) -> list[str]:
        """View positions it expects, in its order."""
        return [str(view.get("view", "")) for view in self.bundle.views] if self.bundle is not None else []

    @property
    def anyViews(self) -> bool:
        """Whether it takes any number of radiographs at any angle."""
        return self.bundle is not None and self.bundle.method == SHAPE_MODELS

    @property
    def needsFrame(self) -> bool:
        """Whether it must be told side and place of the limb."""
        return self.bundle is not None and self.bundle.method not in SELF_PLACING


def bundleEntries(translations: bool = False) -> list[BundleEntry]:
    """Models that make bones, or those that translate radiographs: the person's own first, then those shipped."""
    from XRayTo3DLib.methods.registry import TRANSLATIONS
    from XRayTo3DLib.models.find import find_bundles, shipped_models_folder, user_models_folder

    entries = [readEntry(path) for path in find_bundles([*rememberedFolders(), user_models_folder()])]
    entries += [readEntry(path) for path in find_bundles([shipped_models_folder()])]
    unique = {entry.path: entry for entry in entries}.values()
    return [
        entry for entry in unique if translations == (entry.bundle is not None and entry.bundle.method in TRANSLATIONS)
    ]


def refinerOf(entry: BundleEntry | None) -> BundleEntry | None:
    """An installed bundle of shape models of all this model's bones, to refine them with; None where there is none."""
    if entry is None or not entry.needsFrame or entry.anyViews:
        return None
    labels = set(entry.bundle.labels)
    return next((each for each in bundleEntries() if each.anyViews and labels <= set(each.bundle.labels)), None)


def readEntry(path: Path) -> BundleEntry:
    """The description of one bundle; what is wrong with it is kept, not raised."""
    from XRayTo3DLib.models.bundle import BUNDLE_FORMAT, Bundle
    from XRayTo3DLib.models.bundle_folder import described
    from XRayTo3DLib.models.ready import require_consistent

    try:
        content = described(path, BUNDLE_FORMAT)
        bundle = Bundle.from_dict(content)
        require_consistent(bundle)
        return BundleEntry(path, bundle, checksum=content["checksum"])
    except (OSError, InputError) as error:
        return BundleEntry(path, None, str(error))


def rememberedFolders() -> list[Path]:
    """Folders that the person added, in this session or an earlier one, as far as they are there."""
    stored = slicer.app.settings().value(FOLDERS_SETTING) or ""
    return [Path(line) for line in str(stored).split("\n") if line and Path(line).is_dir()]


def rememberFolder(folder: Path) -> list[Path]:
    """Add a folder to the list for good; returns the bundles in it.

    Raises:
        InputError: There is none.
    """
    from XRayTo3DLib.models.find import find_bundles

    found = find_bundles([folder])
    if not found:
        text = _("{folder} holds no model: choose a bundle's folder (it has a bundle.json), or one that holds some.")
        raise InputError(text.format(folder=folder))
    folders = [folder, *(each for each in rememberedFolders() if each != folder)]
    slicer.app.settings().setValue(FOLDERS_SETTING, "\n".join(map(str, folders)))
    return found


def forgetFolderOf(path: Path) -> None:
    """Take the folders through which that bundle was found out of the list; nothing is deleted."""
    folders = [each for each in rememberedFolders() if path.resolve() not in (each.resolve(), *_inside(each))]
    slicer.app.settings().setValue(FOLDERS_SETTING, "\n".join(map(str, folders)))


def _inside(folder: Path) -> list[Path]:
    from XRayTo3DLib.models.find import find_bundles

    return find_bundles([folder])


def removalProblem(entry: BundleEntry | None) -> str:
    """Why a bundle cannot be removed from the list; empty where it can."""
    from XRayTo3DLib.models.find import shipped_models_folder

    if entry is None:
        return _("Choose a model first")
    if entry.path.parent == shipped_models_folder().resolve():
        return _("This model comes with XRayTo3D; it cannot be removed")
    return ""


def inventory() -> str:
    """How many models there are, how large, and where, as rich text."""
    from XRayTo3DLib.models.find import find_bundles, shipped_models_folder, user_models_folder
    from XRayTo3DLib.models.install import bundle_bytes

    places = [(_("Yours, in {folder}"), user_models_folder())]
    places += [(_("Yours, in {folder}"), folder) for folder in rememberedFolders()]
    places += [(_("With XRayTo3D"), shipped_models_folder())]
    lines = []
    for title, folder in places:
        found = find_bundles([folder])
        size = sum(bundle_bytes(path) for path in found) / 1e6
        text = _("{title}: 1 model, {size:.1f} MB") if len(found) == 1 else _("{title}: {count} models, {size:.1f} MB")
        lines.append(escape(text.format(title=title.format(folder=folder), count=len(found), size=size)))
    return "<br>".join(lines)


def chosenEntry(entries: Iterable[BundleEntry], stored: str) -> BundleEntry | None:
    """The entry a scene remembers, by path or, on another machine, by the folder's name."""
    entries = list(entries)
    byPath = [entry for entry in entries if str(entry.path) == stored]
    byName = [entry for entry in entries if entry.path.name == Path(stored).name]
    return next(iter([*byPath, *byName]), None) if stored else None


def plain(text: str) -> str:
    """A text for a tooltip or message box, shown as it is: a name with tags in it would be taken for a page."""
    return f"<qt>{escape(text)}</qt>" if "<" in text else text


# ---- the card --------------------------------------------------------------------------------------------------------


def cardSummary(entry: BundleEntry) -> str:
    """The card's essence as rich text: what it makes of what, how well, and what it must not be used for."""
    if entry.bundle is None:
        text = _("This model cannot be used: {problem}").format(problem=entry.problem)
        return f'<span style="color:{BAD}">{escape(text)}</span>'
    bundle = entry.bundle
    views = _("One to four radiographs, any views,") if entry.anyViews else " + ".join(entry.views)
    what = _("{views} of the {anatomy} → <b>{bones}</b>").format(
        views=escape(views), anatomy=escape(bundle.anatomy), bones=escape(_bones(bundle.labels))
    )
    lines = [what]
    if bundle.synthetic:
        text = _("SYNTHETIC: learnt from made-up people; its figures say nothing about patients.")
        lines.append(f'<span style="color:{UNSURE}"><b>{text}</b></span>')
    lines.append(expectedCost(entry))
    if figures := _figures(bundle.metrics):
        lines.append(_("On its test people: {figures}.").format(figures=escape(figures)))
    limits = "".join(f"<li>{escape(each)}</li>" for each in bundle.limitations)
    items = f'<ul style="margin-top:2px; margin-bottom:0px; margin-left:12px; -qt-list-indent:0">{limits}</ul>'
    return "<br>".join(lines) + (items if limits else "")


def expectedCost(entry: BundleEntry) -> str:
    """How long it takes and how much memory it needs, from what the demonstration models needed per megabyte."""
    from XRayTo3DLib.models.install import bundle_bytes

    plain = (PLAIN_S, BASE_GB + GB_PER_MB * bundle_bytes(entry.path) / 1e6)
    first = _("Takes {seconds} s, {memory:.1f} GB of memory")
    text = first.format(seconds=plain[0], memory=plain[1])
    if entry.anyViews:
        return first.format(seconds=REFINE_S, memory=REFINE_GB) + "."
    if refinerOf(entry) is None:
        return text + "."
    more = _("refined {seconds} s, {memory:.1f} GB").format(seconds=REFINE_S, memory=REFINE_GB)
    return f"{text}; {more}."


def _bones(labels: Iterable[str]) -> str:
    return ", ".join(label.replace("_", " ") for label in labels)


def _figures(metrics: dict[str, Any]) -> str:
    """Surface distances of the bones; other measures are in the whole card."""
    found = [(name.removesuffix("_mm"), value) for name, value in metrics.items() if name.endswith("_mm")]
    return ", ".join(
        f"{name.replace('_', ' ')} {value:.2f} mm" for name, value in found if isinstance(value, int | float)
    )


def wholeCard(entry: BundleEntry) -> str:
    """All of the card, as text."""
    from XRayTo3DLib.models.card import card_text

    return card_text(entry.bundle) if entry.bundle is not None else entry.problem
