"""What is to be trained, as the parameter node says: method, configuration, single values changed; no Qt."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from XRayTo3DGui.parameters import DEVICES
from XRayTo3DGui.train.job import Options
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.methods.catalogue import shipped_configurations_folder
from XRayTo3DLib.methods.configuration import changed, read_configuration
from XRayTo3DLib.methods.settings import Setting, is_length, length_changes, settings_of

VIEWS_KEYS = ("data.views", "data.view", "data.geometry.view")


@dataclass(frozen=True)
class Choice:
    """A configuration file and what is changed of it.

    Attributes:
        path: The file.
        content: What is in it.
        changes: "KEY=VALUE", one each.
        base: Its values, unchanged.
        settings: Its values with the changes.
    """

    path: Path
    content: dict[str, Any]
    changes: tuple[str, ...]
    base: tuple[Setting, ...]
    settings: tuple[Setting, ...]

    @property
    def method(self) -> str:
        """Name of the method."""
        return str(self.content["method"])

    @property
    def whole(self) -> dict[str, Any]:
        """The configuration with the changes."""
        return changed(self.content, self.changes)

    def value(self, key: str) -> Any:
        """A value, None where the method has none of that name."""
        return next((each.value for each in self.settings if each.key == key), None)

    def isChanged(self, key: str) -> bool:
        """Whether a value is not the file's."""
        return any(each.partition("=")[0] == key for each in self.changes)

    # ---- the few things that matter --------------------------------------------------------------------------------

    @property
    def lengths(self) -> list[Setting]:
        """How long each stage is."""
        return [each for each in self.settings if is_length(each)]

    @property
    def percent(self) -> int:
        """How long it is, compared with the file's; 100 where it takes no steps."""
        before = {each.key: each.value for each in self.base if is_length(each)}
        pairs = [(each.value, before[each.key]) for each in self.lengths if each.key in before]
        return round(100 * pairs[0][0] / pairs[0][1]) if pairs else 100

    @property
    def batchKeys(self) -> list[str]:
        """Places of the batch of every stage."""
        return [each.key for each in self.settings if each.key.rpartition(".")[2] == "batch"]

    @property
    def viewsKey(self) -> str:
        """Where the views are named, empty where it has none."""
        return next((key for key in VIEWS_KEYS if self.value(key) is not None), "")

    @property
    def viewsText(self) -> str:
        """The views as people write them: "PA, LAT"."""
        value = self.value(self.viewsKey)
        return ", ".join(value if isinstance(value, list) else str(value or "").split("+"))

    def viewsChange(self, text: str) -> str:
        """A change to other views.

        Raises:
            InputError: A view that is not known, or none.
        """
        from XRayTo3DLib.geometry.calibration import VIEWS

        names = [each.upper() for each in text.replace(",", " ").replace("+", " ").split()]
        wrong = [each for each in names if each not in VIEWS]
        if wrong or not names:
            text = _("Views are named {known}, not '{name}'.")
            raise InputError(text.format(known=", ".join(VIEWS), name=", ".join(wrong) or " "))
        if isinstance(self.value(self.viewsKey), list):
            return f"{self.viewsKey}=[{', '.join(names)}]"
        return f"{self.viewsKey}={'+'.join(names)}"


def startPath(parameters: Any) -> Path | None:
    """The chosen configuration file; a scene of another computer names one that comes with XRayTo3D by its name."""
    chosen = parameters.trainStart
    if not chosen:
        return None
    return Path(chosen) if Path(chosen).is_absolute() else shipped_configurations_folder() / f"{chosen}.yaml"


def changesOf(parameters: Any) -> tuple[str, ...]:
    """What was changed of the configuration."""
    return tuple(line for line in parameters.trainChanges.split("\n") if line.strip())


def choiceOf(parameters: Any) -> Choice | None:
    """What is chosen; None while nothing is.

    Raises:
        InputError: The file, or a change of it, cannot be used.
    """
    path = startPath(parameters)
    if path is None:
        return None
    return _choice(path, path.stat().st_mtime if path.exists() else 0.0, changesOf(parameters))


@lru_cache(maxsize=16)
def _choice(path: Path, _changedAt: float, changes: tuple[str, ...]) -> Choice:
    content = read_configuration(path)
    return Choice(path, content, changes, tuple(settings_of(content)), tuple(settings_of(content, changes)))


def setChanges(parameters: Any, *changes: str) -> None:
    """Change values; what is the file's own again is no change any more.

    Raises:
        InputError: A value that cannot be; nothing is changed then.
    """
    choice = choiceOf(parameters)
    if choice is None:
        return
    own = {each.key: each.value for each in choice.base}
    wanted = {each.partition("=")[0]: each for each in (*choice.changes, *changes)}
    tried = settings_of(choice.content, list(wanted.values()))
    kept = [wanted[each.key] for each in tried if each.key in wanted and each.value != own.get(each.key)]
    parameters.trainChanges = "\n".join(kept)


def setLength(parameters: Any, percent: int) -> None:
    """Make every stage so long, compared with the file's."""
    choice = choiceOf(parameters)
    if choice is not None and choice.lengths:
        setChanges(parameters, *length_changes(choice.base, percent / 100))


def optionsOf(parameters: Any) -> Options:
    """How it is computed."""
    return Options(
        DEVICES[parameters.trainDevice],
        parameters.trainThreads,
        parameters.trainPrecision,
        parameters.trainCheckpointEvery,
        parameters.trainSamples,
        parameters.trainLicence,
    )
