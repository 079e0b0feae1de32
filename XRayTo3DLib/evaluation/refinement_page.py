"""The page of a refinement: warnings first, then each radiograph, the bones by how sure they are, measurements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from XRayTo3DLib import __version__
from XRayTo3DLib.evaluation.distance_views import Side
from XRayTo3DLib.evaluation.refinement_bones import picture_of_bones
from XRayTo3DLib.evaluation.report import figure, note, page, paragraph, section, table, tiles, warnings
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.measurements.types import Measurement
from XRayTo3DLib.methods.types import Reconstruction
from XRayTo3DLib.refinement.quality import Quality


def refinement_page(
    found: Reconstruction,
    overlays: Mapping[str, bytes],
    array: str,
    range_mm: float,
    pose_sd: Mapping[str, FloatArray],
    *,
    lead: str,
    side: Side | None = None,
) -> str:
    """HTML of one refinement, self-contained.

    Args:
        found: The refined reconstruction.
        overlays: PNG by radiograph's name.
        array: Point array of its surfaces with standard deviations, mm.
        range_mm: Upper end of their colours.
        pose_sd: By bone (6,), standard deviations of its rotation (degrees) and translation (mm) in the frame.
        lead: A line under the title.
        side: Body side, if known.
    """
    quality = found.quality or Quality(())
    bones = picture_of_bones(found.meshes, array, range_mm, side)
    sections = [
        warnings([*(each.text for each in (*quality.findings, *found.outside)), *found.notes]),
        tiles(_tiles(found, quality)),
        section(
            "Each radiograph",
            *(figure(png, f"{name}: radiograph, outlines, blend, difference.") for name, png in overlays.items()),
            _views(quality),
            note(
                "Likeness: local correlation of the computed and the real radiograph; 1 is the same, 0 nothing alike. "
                "Turned, shifted: how far the view was moved against the camera that came with it."
            ),
        ),
        section(
            "How sure each spot is",
            figure(bones, "Standard deviation of every spot along the bone's normal: two of three lie within it."),
            _bones(found, pose_sd),
        ),
        *([_measurements(found.measurements)] if found.measurements else []),
    ]
    title = f"Bones refined against {' and '.join(found.views)}"
    return page(title, sections, synthetic=found.synthetic, lead=lead, footer=f"XRayTo3D {__version__}")


def _tiles(found: Reconstruction, quality: Quality) -> list[tuple[str, str, str]]:
    likeness = [(f"{quality.likeness:.2f}", "", "likeness of the radiographs, at the end")] if quality.views else []
    return likeness + [
        (f"{np.mean(sd):.2f}", "mm", f"mean standard deviation, {bone}") for bone, sd in found.uncertainty_mm.items()
    ]


def _views(quality: Quality) -> str:
    rows = [
        (each.name, f"{each.before:.2f}", f"{each.after:.2f}", f"{each.moved_deg:.2f}°", f"{each.moved_mm:.1f} mm")
        for each in quality.views
    ]
    return table(rows, ("Radiograph", "Likeness at first", "At the end", "Turned", "Shifted"), range(1, 5))


def _bones(found: Reconstruction, pose_sd: Mapping[str, FloatArray]) -> str:
    rows = []
    for bone, sd in found.uncertainty_mm.items():
        turn, shift = (", ".join(f"{value:.2f}" for value in part) for part in np.split(pose_sd[bone], 2))
        rows.append((bone, f"{np.mean(sd):.2f} mm", f"{np.percentile(sd, 95):.2f} mm", f"{turn}°", f"{shift} mm"))
    header = ("Bone", "Mean SD", "95th percentile", "SD of rotation x, y, z", "SD of place x, y, z")
    return table(rows, header, range(1, 5))


def _measurements(measurements: Sequence[Measurement]) -> str:
    rows = []
    for each in measurements:
        interval = "" if each.interval_95 is None else "{:.1f} to {:.1f}".format(*each.interval_95)
        unit = "°" if each.unit == "deg" else f" {each.unit}"
        sd = "not known" if each.sd is None else f"{each.sd:.1f}"
        rows.append((each.name.replace("_", " "), f"{each.value:.1f}{unit}", sd, interval, each.definition))
    return section(
        "Measurements",
        table(rows, ("Measurement", "Value", "SD", "95 % interval", "How it is taken"), (1, 2, 3)),
        paragraph("The SD holds both the bone's own uncertainty and that of the landmarks on it."),
    )
