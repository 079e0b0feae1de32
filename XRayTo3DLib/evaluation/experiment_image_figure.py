"""Pictures of image translation: radiograph, translated image, target and their difference."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.experiment_style import FAINT, INK, QUIET, blank_figure, png_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CAPTION_WIDTH = 14
_HEADING_WIDTH = 20


@dataclass(frozen=True, eq=False)
class TranslationPicture:
    """One row of the pictures of image translation; images (rows, columns) of the same size.

    Attributes:
        name: Whose, and by what ("case 7, pix2pix").
        radiograph: The input; shown from its 1st to its 99th percentile.
        translated: Line integrals.
        target: Line integrals of the bone-only DRR.
        mae: To be written beside it.
    """

    name: str
    radiograph: NDArray[np.floating]
    translated: NDArray[np.floating]
    target: NDArray[np.floating]
    mae: float


@dataclass(frozen=True, eq=False)
class SideBySide:
    """One radiograph as several translators see it; images (rows, columns) of the same size.

    Attributes:
        name: Whose.
        radiograph: The input; shown from its 1st to its 99th percentile.
        translated: Line integrals by translator.
        target: Line integrals of the bone-only DRR.
        notes: What is written below each translator's image.
    """

    name: str
    radiograph: NDArray[np.floating]
    translated: Mapping[str, NDArray[np.floating]]
    target: NDArray[np.floating]
    notes: Mapping[str, str]


_TRANSLATION_NOTE = "Line integrals on the same scales in all rows; each radiograph in a window of its own."


def translation_figure(rows: Sequence[TranslationPicture], *, title: str, synthetic: bool = False) -> bytes:
    """Radiograph, translated image, target and their difference, one row per picture, all with common scales.

    Raises:
        InputError: No picture, or images of one row that differ in size.
    """
    if not rows:
        raise InputError("There is no translated image to show.")
    for row in rows:
        if not row.radiograph.shape == row.translated.shape == row.target.shape:
            raise InputError(f"{row.name}: radiograph, translated image and target differ in size.")
    edge, gap, left, head, foot = 2.15, 0.08, 1.35, 1.1, 0.55
    width, height = left + 4 * edge + 3 * gap + 0.35, head + len(rows) * (edge + gap) + foot
    figure = blank_figure(width, height, title, _TRANSLATION_NOTE, synthetic)
    highest = max(float(row.target.max()) for row in rows) or 1.0
    limit = max(float(np.percentile(np.abs(row.translated - row.target), 99)) for row in rows) or 1.0
    shown = [("gray", None), ("gray", (0.0, highest)), ("gray", (0.0, highest)), ("RdBu_r", (-limit, limit))]
    names = ("Radiograph", "Translated", "Target (DRR)", "Translated − target")
    for number, row in enumerate(rows):
        bottom = height - head - (number + 1) * edge - number * gap
        images = (row.radiograph, row.translated, row.target, row.translated - row.target)
        for column, (image, (colours, limits)) in enumerate(zip(images, shown, strict=True)):
            box = ((left + column * (edge + gap)) / width, bottom / height, edge / width, edge / height)
            axes = figure.add_axes(box)
            low, high = limits or np.percentile(image, (1, 99))
            drawn = axes.imshow(image, cmap=colours, vmin=low, vmax=high, interpolation="nearest")
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_color(FAINT)
            if number == 0:
                axes.set_title(names[column], fontsize=9.5, color=INK, pad=5)
            if number == len(rows) - 1 and column in (1, 3):
                _colour_bar(figure, drawn, box, height, shared=column == 1, gap=gap / width)
        middle = (bottom + edge / 2) / height
        name = "\n".join(textwrap.wrap(row.name, _CAPTION_WIDTH))
        figure.text(0.35 / width, middle + 0.05 / height, name, fontsize=9, color=INK, va="bottom")
        figure.text(0.35 / width, middle - 0.05 / height, f"MAE {row.mae:.4f}", fontsize=9, color=QUIET, va="top")
    return png_of(figure)


def _colour_bar(
    figure: Figure, drawn: object, box: tuple[float, float, float, float], height: float, shared: bool, gap: float
) -> None:
    """A flat bar below the last row; the one of the translated image spans the target's column too."""
    left, bottom, wide, _ = box
    wide = 2 * wide + gap if shared else wide
    axes = figure.add_axes((left + 0.06 * wide, bottom - 0.2 / height, 0.88 * wide, 0.09 / height))
    bar = figure.colorbar(drawn, cax=axes, orientation="horizontal")
    bar.outline.set(edgecolor=QUIET, linewidth=0.6)
    bar.ax.tick_params(labelsize=8.5, colors=INK, length=3)
    bar.ax.locator_params(nbins=5)


def side_by_side_figure(rows: Sequence[SideBySide], *, title: str, synthetic: bool = False) -> bytes:
    """Radiograph, what each translator made of it, and the target; one row per radiograph, common scale.

    Raises:
        InputError: No row, or rows of different translators.
    """
    methods = list(rows[0].translated) if rows else []
    if not methods or any(list(row.translated) != methods for row in rows):
        raise InputError("Pictures side by side need rows of the same translators, one or more.")
    edge, gap, left, head, foot = 1.75, 0.08, 1.25, 1.15, 0.35
    names = ["Radiograph", *methods, "Target (DRR)"]
    width = left + len(names) * (edge + gap) + 0.3
    height = head + len(rows) * (edge + foot)
    figure = blank_figure(width, height, title, _TRANSLATION_NOTE, synthetic)
    highest = max(float(row.target.max()) for row in rows) or 1.0
    for number, row in enumerate(rows):
        bottom = height - head - number * (edge + foot) - edge
        for column, image in enumerate((row.radiograph, *row.translated.values(), row.target)):
            place = left + column * (edge + gap)
            axes = figure.add_axes((place / width, bottom / height, edge / width, edge / height))
            low, high = np.percentile(image, (1, 99)) if column == 0 else (0.0, highest)
            axes.imshow(image, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_color(FAINT)
            if number == 0:
                heading = "\n".join(textwrap.wrap(names[column], _HEADING_WIDTH))
                axes.set_title(heading, fontsize=9.5, color=INK, pad=5)
            note = row.notes.get(names[column], "") if 0 < column <= len(methods) else ""
            axes.set_xlabel(note, fontsize=8.5, color=QUIET, labelpad=4)
        name = "\n".join(textwrap.wrap(row.name, _CAPTION_WIDTH))
        figure.text(0.3 / width, (bottom + edge / 2) / height, name, fontsize=9, color=INK, va="center")
    return png_of(figure)
