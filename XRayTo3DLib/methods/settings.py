"""A configuration as a flat list of places and values, for people who change single values in a table."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.methods.catalogue import checked
from XRayTo3DLib.methods.configuration import changed, plain

FIXED = ("format", "method", "data.folder")
"""Places that are not changed one by one."""
LENGTHS = ("steps", "epochs")
"""Last part of the places that say how long a training is."""


@dataclass(frozen=True)
class Setting:
    """One value.

    Attributes:
        key: Its place, such as ``stages.joint.steps``.
        value: JSON types; lists stay whole.
    """

    key: str
    value: Any

    @property
    def text(self) -> str:
        """The value as it is typed: ``[PA, LAT]``, ``1e-05``, ``true``."""
        return value_text(self.value)

    @property
    def change(self) -> str:
        """As ``xrayto3d train --set`` takes it."""
        return f"{self.key}={self.text}"


def settings_of(content: Mapping[str, Any], changes: Sequence[str] = ()) -> list[Setting]:
    """Every value of a configuration with some changed, defaults filled in, in the configuration's order.

    Args:
        content: Of ``read_configuration``.
        changes: "loss.kind=si", one each.

    Raises:
        InputError: A change that is not known or of the wrong type, named with its place.
    """
    configuration = plain(checked(changed(dict(content), changes)))
    return [Setting(key, value) for key, value in _flat(configuration) if key not in FIXED]


def length_changes(settings: Sequence[Setting], share: float) -> list[str]:
    """Changes that make a training that much longer or shorter: all steps and epochs above 0 times ``share``.

    Args:
        settings: Of the unchanged configuration.
        share: 1 leaves it as it is.

    Raises:
        InputError: A share that is not above 0.
    """
    if not 0 < share < float("inf"):
        raise InputError(f"the length of a training must be above 0, not {share:g} times the configuration's.")
    lengths = [each for each in settings if is_length(each)]
    return [Setting(each.key, max(1, round(each.value * share))).change for each in lengths]


def is_length(setting: Setting) -> bool:
    """Whether it says how long a stage is (and the stage is done at all)."""
    return setting.key.rpartition(".")[2] in LENGTHS and isinstance(setting.value, int) and setting.value > 0


def value_text(value: Any) -> str:
    """A value as YAML reads it back to the same: plain words without quotation marks where that is safe."""
    if isinstance(value, list):
        return f"[{', '.join(value_text(each) for each in value)}]"
    if isinstance(value, str):
        return value if _plain_word(value) else json.dumps(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _plain_word(text: str) -> bool:
    import yaml

    try:
        return yaml.safe_load(text) == text and yaml.safe_load(f"[{text}]") == [text]
    except yaml.YAMLError:
        return False


def _flat(content: Mapping[str, Any], where: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in content.items():
        place = f"{where}.{name}" if where else name
        if isinstance(value, Mapping):
            yield from _flat(value, place)
        else:
            yield place, value
