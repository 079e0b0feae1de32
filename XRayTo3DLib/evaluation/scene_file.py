"""Writes a 3D Slicer scene without Slicer: a double click shows radiographs, bones and distance maps in place.

    scene = SceneFile("demo-output", "forearm", synthetic=True)
    pose = scene.add_transform(result.pose, "Registered pose")
    scene.add_volume("demo-output/ct.nrrd", "CT", window=(2000, 300), parent=pose)
    scene.add_radiograph(radiograph)
    scene.add_model(truth, "Radius, truth", BONE, opacity=0.4)
    scene.add_model(comparison.distance_map, "Distance", scalars=DISTANCE_ARRAY, scalar_range=(0, 5))
    scene.save()          # forearm.mrml and the folder forearm_Data
    scene.save_bundle()   # forearm.mrb, one file with everything

Everything given and written is LPS mm; Slicer turns it to RAS when it reads. No file holds an absolute path.
"""

from __future__ import annotations

import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.dataset.landmarks_file import write_landmarks
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.scene_colours import BONE, Colour, colour_points, write_colour_points
from XRayTo3DLib.evaluation.scene_nodes import (
    LABEL_TABLE,
    NodeList,
    attribute_text,
    display_attributes,
    legend_attributes,
    references,
    scalar_display,
    scene_xml,
    volume_display,
)
from XRayTo3DLib.evaluation.scene_values import grey_window, range_of, read_volume, safe_name
from XRayTo3DLib.evaluation.scene_views import SceneViews
from XRayTo3DLib.files import atomic_path, file_suffix, require_file, write_text
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.imaging.radiograph_header import write_radiograph
from XRayTo3DLib.imaging.scene_attributes import SOURCE, radiograph_attributes
from XRayTo3DLib.imaging.types import Radiograph
from XRayTo3DLib.shape.meshes import point_array, points_of
from XRayTo3DLib.shape.surfaces import write_surface

SYNTHETIC = "synthetic"
SYNTHETIC_TEXT = "Synthetic data, not a person."
_STORED = {".gz", ".nrrd", ".zip", ".png", ".jpg"}  # compressed already


@dataclass(frozen=True, eq=False)
class SceneTransform:
    """A transform in the scene, to give as ``parent``."""

    identifier: str
    pose: RigidPose


class SceneFile:
    """Collects the content of one scene; every ``add_...`` writes its data file at once.

    Args:
        folder: Where to; made if missing.
        name: Of the scene's files, without suffix.
        synthetic: Label everything as synthetic, in names and descriptions.

    Raises:
        InputError: A name that cannot be a file's.
    """

    def __init__(self, folder: Path | str, name: str = "scene", *, synthetic: bool = False) -> None:
        if safe_name(name) != name.replace(" ", "_"):
            raise InputError(f'Scene name "{name}": use letters, digits, spaces, "-", "_" and ".".')
        self.folder, self.name, self.synthetic = Path(folder), name, synthetic
        self.folder.mkdir(parents=True, exist_ok=True)
        self._data = Path(f"{safe_name(name)}_Data")
        self._files: list[Path] = []
        self._nodes, self._views = NodeList(), SceneViews()
        self._colours: dict[tuple[float, float], str] = {}

    def add_transform(self, pose: RigidPose, name: str) -> SceneTransform:
        """Add a pose (CT to world); what gets it as ``parent`` is moved by it."""
        file = self._new_file(name, ".tfm")
        pose.save(self.folder / file)
        return SceneTransform(self._add_stored("LinearTransform", self._label(name), file), pose)

    def add_volume(
        self,
        path: Path | str,
        name: str,
        *,
        window: tuple[float, float] | None = None,
        labels: bool = False,
        parent: SceneTransform | None = None,
    ) -> None:
        """Add a CT or another volume; the first one is shown in the slice views that no radiograph needs.

        Args:
            path: A NRRD file in LPS; taken as it is when it lies in the scene's folder, else copied beside the scene.
            name: Of the node.
            window: (width, level) of the grey values; from the values themselves when not given.
            labels: It is a label map, shown in colours over the volume.
            parent: The transform it hangs under.

        Raises:
            InputError: No readable NRRD file.
        """
        path = require_file(path, "scene volume")
        if not file_suffix(path).endswith(".nrrd"):
            raise InputError(f"scene volume: give a .nrrd file, not {path.name}.")
        geometry, sample = read_volume(path)
        tag = "LabelMapVolume" if labels else "Volume"
        shown = {"colorNodeID": LABEL_TABLE} if labels else volume_display(*(window or grey_window(sample)))
        display = self._nodes.add(f"{tag}Display", f"{name} display", hidden=True, **display_attributes(), **shown)
        identifier = self._add_stored(tag, self._label(name), self._adopt(path), display, parent)
        world = _moved(geometry, parent)
        if labels:
            self._views.labels.append(identifier)
        else:
            self._views.volumes.append((identifier, world.mean(axis=0), float(np.ptp(world, axis=0).max())))

    def add_radiograph(self, radiograph: Radiograph, name: str | None = None) -> None:
        """Add a radiograph where its detector was, its source as a point, and its ``camera.json``.

        The first three are shown in the red, yellow and green slice views, and in 3D.
        """
        name = name or radiograph.name
        synthetic = radiograph.synthetic or self.synthetic
        file = write_radiograph(radiograph, self.folder / self._new_file(name, ".nrrd")).relative_to(self.folder)
        radiograph.camera.save(self.folder / self._new_file(f"{name} camera", ".json"))
        display = self._nodes.add(
            "VolumeDisplay",
            f"{name} display",
            hidden=True,
            **display_attributes(),
            **volume_display(*grey_window(radiograph.pixels)),
        )
        source = self._add_source(radiograph, name, synthetic)
        letter = "ABCD"[min(len(self._views.radiographs), 3)]
        identifier = self._add_stored(
            "Volume",
            self._label(name, synthetic),
            file,
            display,
            synthetic=synthetic,
            links={SOURCE: source},
            attributes=attribute_text(radiograph_attributes(radiograph, letter)),
        )
        self._views.radiographs.append((identifier, radiograph.camera))
        columns, rows = radiograph.camera.size
        corners = [[0, 0], [columns - 1, 0], [0, rows - 1], [columns - 1, rows - 1]]
        self._views.points.append(radiograph.camera.pixel_to_world(corners))

    def add_model(
        self,
        surface: vtkPolyData,
        name: str,
        colour: Colour = BONE,
        *,
        opacity: float = 1.0,
        visible: bool = True,
        scalars: str | None = None,
        scalar_range: tuple[float, float] | None = None,
        legend: str | None = "Surface distance (mm)",
        parent: SceneTransform | None = None,
    ) -> None:
        """Add a surface.

        Args:
            surface: LPS mm.
            name: Of the node.
            colour: Red, green, blue 0..1 (:data:`~XRayTo3DLib.evaluation.scene_colours.BONE`, ``RESULT``).
            opacity: 0..1.
            visible: Show it when the scene opens.
            scalars: Point array that colours it instead.
            scalar_range: Its values at the ends of the colour map; a range from below zero gets a two-sided map.
                From the array's own values when not given.
            legend: Title of the colour legend (unit included); None for no legend.
            parent: The transform it hangs under.

        Raises:
            InputError: No points, or no such array.
        """
        if surface.GetNumberOfPoints() == 0:
            raise InputError(f'Model "{name}" is empty.')
        attributes = display_attributes(colour, opacity, visible) | {"visibility2D": "true"}
        if scalars is not None:
            low, high = scalar_range or range_of(point_array(surface, scalars))
            attributes |= scalar_display(scalars, low, high, self._colour_node(low, high))
        file = self._new_file(name, ".vtp")
        write_surface(surface, self.folder / file)
        displays = [self._nodes.add("ModelDisplay", f"{name} display", hidden=True, **attributes)]
        if scalars is not None and legend and visible:
            text = legend_attributes(legend, displays[0])
            displays.append(
                self._nodes.add(
                    "ColorLegendDisplay", f"{name} legend", hidden=True, visibility="true", visibility2D="false", **text
                )
            )
        self._add_stored("Model", self._label(name), file, displays, parent)
        if visible:
            self._views.points.append(_moved(points_of(surface), parent))

    def save(self) -> Path:
        """Write ``<name>.mrml`` beside its data; returns its path."""
        path = self.folder / f"{self.name}.mrml"
        write_text(path, self._xml())
        return path

    def save_bundle(self) -> Path:
        """Write ``<name>.mrb``, one file that holds the scene and all its data; returns its path."""
        path = self.folder / f"{self.name}.mrb"
        with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as bundle:
            bundle.writestr(f"{self.name}/{self.name}.mrml", self._xml())
            for file in self._files:
                kind = zipfile.ZIP_STORED if file.suffix in _STORED else zipfile.ZIP_DEFLATED
                bundle.write(self.folder / file, f"{self.name}/{file.as_posix()}", kind)
        return path

    def _xml(self) -> str:
        complete = NodeList()
        self._views.add_nodes(complete)
        return scene_xml([*complete.elements, *self._nodes.elements])

    def _label(self, name: str, synthetic: bool | None = None) -> str:
        marked = self.synthetic if synthetic is None else synthetic
        return f"{name} ({SYNTHETIC})" if marked and SYNTHETIC not in name.lower() else name

    def _add_stored(
        self,
        tag: str,
        name: str,
        file: Path,
        display: str | list[str] | None = None,
        parent: SceneTransform | None = None,
        *,
        synthetic: bool | None = None,
        links: dict[str, str] | None = None,
        **texts: str,
    ) -> str:
        """Append a node and its storage node; ``links`` are further references, ``texts`` XML attributes."""
        marked = self.synthetic if synthetic is None else synthetic
        roles = references(
            display=display,
            storage=self._nodes.add_storage(tag, name, file),
            transform=parent.identifier if parent else None,
            **(links or {}),
        )
        return self._nodes.add(tag, name, description=SYNTHETIC_TEXT if marked else "", references=roles, **texts)

    def _add_source(self, radiograph: Radiograph, name: str, synthetic: bool) -> str:
        label = f"{name} source"
        file = self._new_file(label, ".mrk.json")
        write_landmarks(
            {label: radiograph.camera.source}, self.folder / file, SYNTHETIC_TEXT if synthetic else "X-ray focal spot"
        )
        colour = display_attributes((1.0, 0.8, 0.2)) | {"selectedColor": "1 0.8 0.2", "glyphScale": "3"}
        display = self._nodes.add("MarkupsFiducialDisplay", f"{label} display", hidden=True, **colour)
        return self._add_stored("MarkupsFiducial", self._label(label, synthetic), file, display, synthetic=synthetic)

    def _colour_node(self, low: float, high: float) -> str:
        """ID of the colour map of that range; models with the same range share it."""
        if (low, high) not in self._colours:
            points = colour_points(low, high)
            name = f"XRayTo3D distance {low:g} to {high:g} mm"
            file = self._new_file(name, ".txt")
            write_colour_points(points, self.folder / file)
            storage = self._nodes.add_storage("ProceduralColor", name, file)
            self._colours[low, high] = self._nodes.add(
                "ProceduralColor",
                name,
                attributes="Category:XRayTo3D",
                references=references(storage=storage),
                type="-1",
            )
        return self._colours[low, high]

    def _new_file(self, name: str, suffix: str) -> Path:
        """A new file's path relative to the scene's folder."""
        stem, number = safe_name(name), 1
        while (file := self._data / f"{stem}{suffix}") in self._files:
            number += 1
            stem = f"{safe_name(name)}_{number}"
        self._files.append(file)
        return file

    def _adopt(self, path: Path) -> Path:
        """``path`` relative to the scene's folder, copied there if it lies elsewhere."""
        if path.resolve().is_relative_to(self.folder.resolve()):
            file = path.resolve().relative_to(self.folder.resolve())
            self._files += [] if file in self._files else [file]
            return file
        suffix = file_suffix(path)
        file = self._new_file(path.name[: -len(suffix)], suffix)
        with atomic_path(self.folder / file) as temporary:
            shutil.copyfile(path, temporary)
        return file


def _moved(points: FloatArray, parent: SceneTransform | None) -> FloatArray:
    return points if parent is None else parent.pose.apply(points)
