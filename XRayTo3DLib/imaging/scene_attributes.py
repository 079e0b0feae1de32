"""What a radiograph's node in a Slicer scene says about it, as text attributes: one list for writers and readers.

The picture and its detector are the volume itself, the source is a point that it refers to (:data:`SOURCE`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.imaging.radiograph_facts import RadiographFacts
from XRayTo3DLib.imaging.types import IntensityNote, Radiograph, SpacingSource

PREFIX = "XRayTo3D."
ROLE, ROLE_RADIOGRAPH = PREFIX + "Role", "Radiograph"
SOURCE = PREFIX + "Source"
SYNTHETIC = PREFIX + "Synthetic"
LETTER = PREFIX + "Letter"


def radiograph_attributes(radiograph: Radiograph, letter: str) -> dict[str, str]:
    """Attributes by name; ``letter`` (A, B, ...) names the view in layouts."""
    note = radiograph.intensity
    return {
        ROLE: ROLE_RADIOGRAPH,
        LETTER: letter,
        PREFIX + "Name": radiograph.name,
        PREFIX + "View": radiograph.view,
        PREFIX + "Laterality": radiograph.laterality,
        PREFIX + "SpacingSource": radiograph.spacing_source.value,
        PREFIX + "AssumedPlacement": str(int(radiograph.assumed_placement)),
        PREFIX + "IntensityMode": note.mode,
        PREFIX + "IntensityI0": "" if note.i0 is None else repr(float(note.i0)),
        PREFIX + "IntensityAbsolute": str(int(note.absolute)),
        PREFIX + "IntensityHow": note.how,
        PREFIX + "Notes": "\n".join(radiograph.notes),
        PREFIX + "Facts": radiograph.facts.to_text(),
        SYNTHETIC: str(int(radiograph.synthetic)),
    }


def radiograph_from_attributes(
    attribute: Callable[[str], str | None], pixels: Any, camera: XRayCamera, name: str
) -> Radiograph:
    """Inverse of :func:`radiograph_attributes`.

    Args:
        attribute: Gives the text of an attribute by its full name, or ``None``.
        pixels: (rows, columns) line integrals.
        camera: Of the picture.
        name: Short name.

    Raises:
        InputError: Attributes that nobody here wrote.
    """

    def known(key: str) -> str:
        return attribute(PREFIX + key) or ""

    try:
        i0 = float(known("IntensityI0")) if known("IntensityI0") else None
        source = SpacingSource(known("SpacingSource") or SpacingSource.USER.value)
    except ValueError as error:
        raise InputError(f"{name}: its attributes are damaged ({error}); load the radiograph again.") from error
    absolute = known("IntensityAbsolute") == "1"
    return Radiograph(
        pixels=np.asarray(pixels, dtype=np.float32),
        camera=camera,
        intensity=IntensityNote(known("IntensityMode"), i0, absolute, known("IntensityHow")),
        spacing_source=source,
        view=known("View"),
        laterality=known("Laterality"),
        name=name,
        notes=tuple(text for text in known("Notes").split("\n") if text),
        synthetic=attribute(SYNTHETIC) == "1",
        assumed_placement=known("AssumedPlacement") == "1",
        facts=RadiographFacts.from_text(known("Facts")),
    )
