"""Radiographs as clinics hand them over, made SYNTHETIC for image translation: all that a DRR of bones does not show.

Soft tissue and other bones, beam hardness, scatter, noise, collimator blades, the lines of an anti-scatter grid, an
exposure whose open beam is not known, and a side marker burned into the picture. Its partner is the registration-DRR:
the segmented bones alone, in the same pose, before the same camera.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.dataset.prepared import PreparedCase
from XRayTo3DLib.dataset.simulate import SimulatedLimb, expose
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.imaging.types import CtVolume, IntensityNote, Radiograph
from XRayTo3DLib.projection.engines import Engine, make_projector

LETTERS = {
    "R": ("####.", "#...#", "#...#", "####.", "#.#..", "#..#.", "#...#"),
    "L": ("#....", "#....", "#....", "#....", "#....", "#....", "#####"),
}
"""Side markers, dot by dot."""
MARKER_DOT_MM, MARKER_BORDER_MM = 1.4, 5.0
"""Size of a marker's dots on the detector, and its distance from the edge of the exposed field."""
BLADE = 5.0
"""Line integral of a collimator blade: next to nothing but scatter comes through."""


@dataclass(frozen=True)
class ActualOptions:
    """What an "actual" radiograph differs in; of every (low, high) one value is drawn per picture, uniformly.

    Attributes:
        energy_kev: Effective energy.
        photons: Photons per pixel in the open beam.
        scatter: Scattered intensity as a share of the primary one.
        blur_mm: Standard deviation of the blur on the detector, mm.
        gain: Factor on the line integrals: the detector's curve.
        offset: Added to all line integrals: the open beam is not known.
        grid: Amplitude of the anti-scatter grid's lines, line integral.
        grid_per_mm: Lines of the grid per mm on the detector; finer than the pixels they show as moire.
        blades_mm: How far each collimator blade covers the detector, mm.
        marker: Whether a side marker is burned in where the side is known.

    Raises:
        InputError: A range that is no range, or reaches below zero where nothing can.
    """

    energy_kev: tuple[float, float] = (34.0, 44.0)
    photons: tuple[float, float] = (2000.0, 12000.0)
    scatter: tuple[float, float] = (0.1, 0.5)
    blur_mm: tuple[float, float] = (0.15, 0.35)
    gain: tuple[float, float] = (0.85, 1.15)
    offset: tuple[float, float] = (-0.3, 0.3)
    grid: tuple[float, float] = (0.0, 0.03)
    grid_per_mm: tuple[float, float] = (3.8, 4.2)
    blades_mm: tuple[float, float] = (0.0, 24.0)
    marker: bool = True

    def __post_init__(self) -> None:
        for each in fields(self):
            if each.name == "marker":
                continue
            low, high = getattr(self, each.name)
            if not (np.isfinite([low, high]).all() and low <= high and (low >= 0 or each.name == "offset")):
                raise InputError(f"{each.name} of an actual radiograph needs (low, high), not {(low, high)}.")

    def draw(self, rng: np.random.Generator) -> dict[str, float]:
        """One value of every range, by name."""
        names = [each.name for each in fields(self) if each.name != "marker"]
        return {name: float(rng.uniform(*getattr(self, name))) for name in names}


def actual_radiograph(
    ct: CtVolume,
    camera: XRayCamera,
    pose: RigidPose,
    options: ActualOptions | None = None,
    seed: int | Sequence[int] = 0,
    *,
    view: str = "",
    laterality: str = "",
    name: str = "actual radiograph (synthetic)",
    engine: Engine = "auto",
    metal: NDArray[np.floating] | None = None,
) -> Radiograph:
    """A SYNTHETIC radiograph of a whole CT as a clinic would hand it over.

    Args:
        ct: With its soft tissue; labels are not used.
        camera: Geometry of the exposure.
        pose: CT to world, LPS mm.
        options: What it differs in; :class:`ActualOptions` by default.
        seed: Of everything drawn: a number, or several, such as (case, view).
        view: "PA", "LAT", ...
        laterality: "L" or "R" for a marker, or "".
        name: Short name.
        engine: Projector engine.
        metal: (rows, columns) line integrals of what the CT does not hold, added before the exposure.

    Returns:
        Line integrals without a physical scale (``intensity.absolute`` is false).

    Raises:
        InputError: An energy outside the table.
    """
    options = ActualOptions() if options is None else options
    seeds = [int(number) for number in np.ravel(seed)]
    rng = np.random.default_rng([*seeds, 0])
    drawn = options.draw(rng)
    line_integrals = SimulatedLimb(ct, drawn["energy_kev"], engine).line_integrals(camera, pose)
    if metal is not None:
        line_integrals = line_integrals + metal
    field = _exposed_field(camera, options, rng)
    picture = expose(
        np.where(field, line_integrals, BLADE),
        camera,
        photons=drawn["photons"],
        blur_mm=drawn["blur_mm"],
        scatter=drawn["scatter"],
        seed=[*seeds, 1],
        name=name,
    )
    pixels = picture.pixels + drawn["grid"] * _grid_lines(camera, drawn["grid_per_mm"], rng)
    pixels = drawn["gain"] * pixels + drawn["offset"]
    if options.marker and laterality in LETTERS:
        _burn_in(pixels, laterality, camera, field)
    note = IntensityNote("line-integral", None, False, "Simulated; gain and open beam are not known.")
    told = "SYNTHETIC radiograph: " + ", ".join(f"{key} {value:.4g}" for key, value in drawn.items()) + "."
    return replace(
        picture,
        pixels=pixels.astype(np.float32),
        intensity=note,
        view=view,
        laterality=laterality,
        notes=(told, *ct.notes),
    )


def registration_drr(
    case: PreparedCase, camera: XRayCamera, pose: RigidPose, engine: Engine = "auto"
) -> NDArray[np.float32]:
    """The DRR of a case's segmented bones alone as a registration has placed them, with the case's own attenuation.

    Args:
        case: The bones; they need not be simulated.
        camera: The radiograph's.
        pose: CT to world, LPS mm.
        engine: Projector engine.

    Returns:
        (rows, columns) line integrals, dimensionless, 0 where no bone is.
    """
    import torch

    # A left wrist was mirrored when it was prepared: this matrix mirrors it back.
    to_lps = case.frame.to_lps @ case.voxel_to_frame
    with torch.no_grad():
        return make_projector(case.mu.astype(np.float32), to_lps, engine=engine)(camera, pose).numpy()


def _exposed_field(camera: XRayCamera, options: ActualOptions, rng: np.random.Generator) -> NDArray[np.bool_]:
    """(rows, columns): what four blades, each at its own distance, leave open."""
    columns, rows = camera.size
    left, right, top, bottom = rng.uniform(*options.blades_mm, 4)
    x, y = np.arange(columns) * camera.spacing[0], np.arange(rows) * camera.spacing[1]
    across, down = (x >= left) & (x <= x[-1] - right), (y >= top) & (y <= y[-1] - bottom)
    return down[:, None] & across[None, :]


def _grid_lines(camera: XRayCamera, per_mm: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """(1, columns) of a sine along the rows, as the pixels sample it."""
    where = np.arange(camera.size[0]) * camera.spacing[0]
    return np.sin(2 * np.pi * (per_mm * where + rng.uniform()))[None, :]


def _burn_in(pixels: NDArray[np.floating], laterality: str, camera: XRayCamera, field: NDArray[np.bool_]) -> None:
    """Draw the side's letter in white into the upper corner of the exposed field, in place."""
    letter = np.array([[dot == "#" for dot in row] for row in LETTERS[laterality]])
    column, row = camera.spacing
    shape = np.maximum(np.round(np.array(letter.shape) * MARKER_DOT_MM / np.array([row, column])).astype(int), 1)
    dots = [np.arange(count) * size // count for count, size in zip(shape, letter.shape, strict=True)]
    first = [int(np.flatnonzero(field.any(axis=1 - axis))[0]) for axis in (0, 1)]
    top, left = first[0] + round(MARKER_BORDER_MM / row), first[1] + round(MARKER_BORDER_MM / column)
    place = pixels[top : top + shape[0], left : left + shape[1]]
    place[letter[np.ix_(*dots)][: place.shape[0], : place.shape[1]]] = pixels.max()
