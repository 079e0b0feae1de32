"""The nodes of a Slicer scene as XML elements, with the attribute names of Slicer 5."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import quote

import numpy as np

from XRayTo3DLib.evaluation.scene_colours import Colour

GREY_TABLE, LABEL_TABLE = "vtkMRMLColorTableNodeGrey", "vtkMRMLColorTableNodeLabels"  # Slicer's own, in every scene
LEGEND_TEXT = (
    "font-family:Arial;font-size:12px;font-style:normal;font-weight:normal;color:rgba(255,255,255,1);"
    "background-color:rgba(0,0,0,0);border-width:1px;border-color:rgba(255,255,255,0.0);"
    "text-shadow:1px -1px 2px rgba(0,0,0,1.0);"
)
_STORAGE = {
    "Volume": "VolumeArchetypeStorage",
    "LabelMapVolume": "VolumeArchetypeStorage",
    "Model": "ModelStorage",
    "LinearTransform": "TransformStorage",
    "MarkupsFiducial": "MarkupsJsonStorage",
    "ProceduralColor": "ProceduralColorStorage",
}
# Tags of the scene file whose class name is another.
_CLASSES = {
    "Volume": "vtkMRMLScalarVolumeNode",
    "VolumeDisplay": "vtkMRMLScalarVolumeDisplayNode",
}


def class_of(tag: str) -> str:
    """MRML class of the element ``tag``."""
    return _CLASSES.get(tag, f"vtkMRML{tag}Node")


def numbers(values: Iterable[float]) -> str:
    """Numbers as an attribute, with all their digits."""
    return " ".join(repr(float(value)) for value in np.ravel(values))


def references(**roles: str | Iterable[str] | None) -> str:
    """Node references by role: one ID, several, or None for none."""
    texts = {role: ids if isinstance(ids, str) else " ".join(ids or ()) for role, ids in roles.items()}
    return "".join(f"{role}:{text};" for role, text in texts.items() if text)


def attribute_text(attributes: Mapping[str, str]) -> str:
    """Named texts of a node as the one XML attribute that MRML keeps them in; empty ones are left out."""
    return ";".join(f"{_encoded(name)}:{_encoded(text)}" for name, text in attributes.items() if text)


def _encoded(text: str) -> str:
    """As vtkMRMLNode writes and reads it: what parts the texts is encoded, nothing else is decoded."""
    return text.replace("%", "%25").replace(";", "%3B")


class NodeList:
    """The elements of a scene in the order of the file, with an ID each."""

    def __init__(self) -> None:
        self.elements: list[ET.Element] = []
        self._counts: dict[str, int] = {}

    def add(self, tag: str, name: str, *, hidden: bool = False, description: str = "", **attributes: str) -> str:
        """Append a node; returns its ID."""
        kind = class_of(tag)
        self._counts[kind] = self._counts.get(kind, 0) + 1
        identifier = f"{kind}{self._counts[kind]}"
        common = {"id": identifier, "name": name, "description": description, "hideFromEditors": str(hidden).lower()}
        common |= {"selectable": "true", "selected": "false"}
        self.elements.append(ET.Element(tag, {**common, **attributes}))
        return identifier

    def add_singleton(self, tag: str, name: str, singleton: str, **attributes: str) -> None:
        """Append a view, layout or camera node: Slicer applies it to its own node of that name."""
        common = {"id": f"{class_of(tag)}{singleton}", "name": name, "singletonTag": singleton}
        common |= {"hideFromEditors": "false", "selectable": "true", "selected": "false"}
        self.elements.append(ET.Element(tag, {**common, **attributes}))

    def add_storage(self, tag: str, name: str, file: Path) -> str:
        """Append the storage node of a ``tag`` node for ``file`` (relative to the scene file); returns its ID."""
        address = quote(file.as_posix())
        extra: dict[str, str] = {"coordinateSystem": "LPS"} if tag in ("Model", "MarkupsFiducial") else {}
        if "Volume" in tag:
            extra = {"fileListMember0": address, "centerImage": "0", "UseOrientationFromFile": "1"}
        return self.add(_STORAGE[tag], f"{name} storage", hidden=True, fileName=address, useCompression="1", **extra)


def display_attributes(colour: Colour = (0.9, 0.9, 0.3), opacity: float = 1.0, visible: bool = True) -> dict[str, str]:
    """What every display node says."""
    return {
        "color": numbers(colour),
        "opacity": numbers([opacity]),
        "visibility": str(visible).lower(),
        "ambient": "0",
        "diffuse": "1",
        "specular": "0",
        "power": "1",
    }


def volume_display(window: float, level: float) -> dict[str, str]:
    """A grey picture with that window and level."""
    return {
        "colorNodeID": GREY_TABLE,
        "window": numbers([window]),
        "level": numbers([level]),
        "autoWindowLevel": "0",
        "interpolate": "1",
    }


def scalar_display(array: str, low: float, high: float, colours_id: str) -> dict[str, str]:
    """A model coloured by the point array ``array`` between ``low`` and ``high``."""
    return {
        "scalarVisibility": "true",
        "activeScalarName": array,
        "activeAttributeLocation": "point",
        "scalarRangeFlag": "UseManual",
        "scalarRange": numbers([low, high]),
        "colorNodeID": colours_id,
    }


def legend_attributes(title: str, primary_display: str, labels: int = 6) -> dict[str, str]:
    """The colour legend of the model with the display node ``primary_display``."""
    return {
        "references": references(primaryDisplay=primary_display),
        "orientation": "Vertical",
        "position": "0.95 0.5",
        "size": "0.04 0.5",
        "titleText": title,
        "titleTextProperty": LEGEND_TEXT,
        "labelTextProperty": LEGEND_TEXT,
        "labelFormat": "%.1f",
        "maxNumberOfColors": "256",
        "numberOfLabels": str(labels),
    }


def scene_xml(elements: Iterable[ET.Element]) -> str:
    """The whole .mrml file."""
    root = ET.Element("MRML", {"version": "Slicer5", "userTags": ""})
    root.extend(elements)
    ET.indent(root, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"
