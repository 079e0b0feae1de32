"""What is unusual about a radiograph: its picture, its geometry, and what its file declares, in sentences.

Nothing is said of what is usual: an empty list means that nothing was found, not that the picture is good.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from XRayTo3DLib.imaging.burned_in_text import WHY, looks_like_text
from XRayTo3DLib.imaging.collimation import usable_field
from XRayTo3DLib.imaging.geometry_edit import hung_mirrored, shown_geometry
from XRayTo3DLib.imaging.radiograph_facts import ASSUMED, IMAGER, PIXEL, source_word
from XRayTo3DLib.imaging.types import Radiograph

PROBLEM, WARNING, NOTE = "problem", "warning", "note"
SEVERITIES = (PROBLEM, WARNING, NOTE)
MEASURED_SIZE = 1024
"""Longest side at which the exposed field is looked for."""
OPAQUE_SHARE = 0.02
"""Of the exposed field, at the most opaque value. Air at the other end of the range is usual."""
LEAST_LEVELS, LEAST_CONTRAST = 48, 0.15
"""Grey levels in use, and line integrals between the 1st and the 99th percentile, of the exposed field."""
SMALL_FIELD, HALF_FIELD = 0.2, 0.6
SDD_MM = (500.0, 3000.0)
SPACING_MM = (0.04, 1.0)
SHORT_SIDE, LONG_SIDE = 256, 6000
UNEQUAL, CONTRADICTION = 0.01, 0.02


@dataclass(frozen=True)
class Finding:
    """One thing that is unusual.

    Attributes:
        severity: ``problem`` (results will be wrong), ``warning`` (look at it) or ``note`` (good to know).
        code: Short name that stays when the sentence is reworded.
        sentence: For the person at the screen.
    """

    severity: str
    code: str
    sentence: str


@dataclass(frozen=True)
class PictureMeasures:
    """What is measured in the pixels alone; shares are of the exposed field, 0 to 1.

    Attributes:
        field: Share of the picture that was exposed.
        opaque: Share at the most opaque value.
        transparent: Share at the most transparent value.
        levels: Different values between the 1st and the 99th percentile.
        contrast: Line integral between these.
        text: Whether there seems to be burned-in text.
    """

    field: float
    opaque: float
    transparent: float
    levels: int
    contrast: float
    text: bool


def check_radiograph(radiograph: Radiograph, measures: PictureMeasures | None = None) -> tuple[Finding, ...]:
    """Everything unusual about one radiograph, the worst first.

    Args:
        radiograph: The picture with its geometry and facts.
        measures: Of its pixels, where they were measured before; they cost a second for a large picture.
    """
    measures = measures or measure_picture(radiograph)
    found = [*_of_picture(radiograph, measures), *_of_geometry(radiograph), *_of_file(radiograph, measures)]
    return tuple(sorted(found, key=lambda finding: SEVERITIES.index(finding.severity)))


def check_sides(sides: Mapping[str, str]) -> tuple[Finding, ...]:
    """Whether the radiographs of one case are of one side.

    Args:
        sides: "L", "R" or "" by the radiographs' names.
    """
    if len({side for side in sides.values() if side}) < 2:
        return ()
    names = ", ".join(f"{name} {side}" for name, side in sides.items() if side)
    return (Finding(PROBLEM, "sides-differ", f"The radiographs are of different sides ({names})."),)


def measure_picture(radiograph: Radiograph) -> PictureMeasures:
    """Look at the pixels; every n-th of a large picture."""
    step = max(1, -(-max(radiograph.pixels.shape) // MEASURED_SIZE))
    pixels = radiograph.pixels[::step, ::step]
    rows, columns = pixels.shape
    camera = radiograph.camera.resampled((columns, rows))
    field = usable_field(replace(radiograph, pixels=pixels, camera=camera))
    inside = pixels[field]
    low, high = np.percentile(inside, [1, 99])
    between = inside[(inside >= low) & (inside <= high)]
    return PictureMeasures(
        field=float(field.mean()),
        opaque=float(np.mean(inside >= inside.max())),
        transparent=float(np.mean(inside <= inside.min())),
        levels=len(np.unique(between)),
        contrast=float(high - low),
        text=looks_like_text(radiograph.pixels),
    )


# ---- the picture -----------------------------------------------------------------------------------------------------


def _of_picture(radiograph: Radiograph, measures: PictureMeasures) -> Iterator[Finding]:
    if measures.contrast < LEAST_CONTRAST:
        yield Finding(
            WARNING,
            "contrast",
            f"Very low contrast: the exposed field spans line integrals of only {measures.contrast:.2f}.",
        )
    if measures.levels < LEAST_LEVELS:
        yield Finding(
            WARNING,
            "levels",
            f"Only {measures.levels} grey levels are in use: fine structures are lost; export 12 bit.",
        )
    if measures.opaque > OPAQUE_SHARE:
        window = (
            " Air is cut off too, as by a narrow display window: export again."
            if measures.transparent > OPAQUE_SHARE
            else ""
        )
        yield Finding(
            WARNING,
            "saturated",
            f"{100 * measures.opaque:.0f} % of the exposed field is saturated at the most opaque value: bone or metal "
            f"is cut off there.{window}",
        )
    yield from _of_field(measures.field)
    columns, rows = radiograph.camera.size
    if min(columns, rows) < SHORT_SIDE:
        yield Finding(NOTE, "small", f"A small picture ({columns} × {rows} pixels): export it in full size.")
    if max(columns, rows) > LONG_SIDE:
        yield Finding(NOTE, "large", f"A large picture ({columns} × {rows} pixels): crop it, or everything is slow.")


def _of_field(field: float) -> Iterator[Finding]:
    if field < SMALL_FIELD:
        yield Finding(WARNING, "field", f"Only {100 * field:.0f} % of the picture was exposed: crop it to that.")
    elif field < HALF_FIELD:
        yield Finding(NOTE, "field", f"{100 * field:.0f} % of the picture was exposed: crop it to that.")


# ---- the geometry ----------------------------------------------------------------------------------------------------


def _of_geometry(radiograph: Radiograph) -> Iterator[Finding]:
    camera, facts = radiograph.camera, radiograph.facts
    column, row = camera.spacing
    if not SDD_MM[0] <= camera.sdd <= SDD_MM[1]:
        yield Finding(
            WARNING,
            "sdd",
            f"Source–detector distance {camera.sdd:.0f} mm is unusual ({SDD_MM[0]:.0f} to {SDD_MM[1]:.0f} mm); is it "
            f"in mm?",
        )
    if (column, row) == (1.0, 1.0):
        yield Finding(WARNING, "spacing", "Pixel spacing of exactly 1 mm: that is what programs write that know none.")
    elif not all(SPACING_MM[0] <= value <= SPACING_MM[1] for value in (column, row)):
        yield Finding(
            WARNING,
            "spacing",
            f"Pixel spacing {column:.3g} × {row:.3g} mm on the detector is unusual ({SPACING_MM[0]} to "
            f"{SPACING_MM[1]:g} mm).",
        )
    if abs(column / row - 1) > UNEQUAL:
        yield Finding(
            NOTE, "unequal", f"Pixels are not square ({column:.4g} × {row:.4g} mm); was the picture stretched?"
        )
    yield from _of_spacings(radiograph)
    if source_word(facts.view_from) == ASSUMED:
        yield Finding(WARNING, "view", "The view is not known: the radiograph was placed as AP. Choose its view.")
    elif not radiograph.view and radiograph.assumed_placement:
        yield Finding(NOTE, "view", "The view is not known.")
    yield from _of_side(radiograph)


def _of_spacings(radiograph: Radiograph) -> Iterator[Finding]:
    """Detector and calibrated spacing must differ by the magnification."""
    stated = {tag: np.array(pair) for tag, *pair in radiograph.facts.stated_spacings}
    if IMAGER not in stated or PIXEL not in stated:
        return
    ratio = float(np.mean(stated[IMAGER] / stated[PIXEL]))
    magnification = shown_geometry(radiograph).magnification or 1.0
    if abs(ratio - 1) > CONTRADICTION and abs(ratio / magnification - 1) > CONTRADICTION:
        yield Finding(
            WARNING,
            "spacings",
            f"The file's two pixel spacings mean a magnification of {ratio:.3f}, the geometry one of "
            f"{magnification:.3f}: check the source–object distance.",
        )


def _of_side(radiograph: Radiograph) -> Iterator[Finding]:
    facts, side = radiograph.facts, radiograph.laterality
    words = {"L": "left", "R": "right"}
    if not side:
        yield Finding(NOTE, "side", "Left or right is not known: choose the side.")
    elif facts.stated_laterality and facts.stated_laterality != side:
        yield Finding(
            WARNING,
            "side",
            f"The file says {words[facts.stated_laterality]}, you said {words[side]}: look at the marker.",
        )
    if facts.mirrored:
        yield Finding(NOTE, "mirrored", "The picture was mirrored here: its side marker should read right now.")
    elif radiograph.assumed_placement and hung_mirrored(radiograph.camera):
        yield Finding(
            NOTE,
            "hung",
            "The header says that the picture hangs mirrored, and the camera follows: markers read backwards.",
        )


# ---- the file --------------------------------------------------------------------------------------------------------


def _of_file(radiograph: Radiograph, measures: PictureMeasures) -> Iterator[Finding]:
    facts = radiograph.facts
    if not facts.intensity_sure:
        yield Finding(
            WARNING, "intensity", "It is not sure that bone is bright: look, else set Intensities and load again."
        )
    if facts.burned_in == "YES":
        yield Finding(NOTE, "text", f"The file declares burned-in text: {WHY}")
    elif measures.text:
        yield Finding(NOTE, "text", f"There seems to be burned-in text: {WHY}")
    if facts.lossy:
        yield Finding(NOTE, "lossy", f"Compressed with loss ({facts.lossy}): edges may have moved a little.")
    if facts.photometric == "MONOCHROME1":
        yield Finding(NOTE, "inverted", "Stored inverted (MONOCHROME1) and turned over: bone is bright here.")
