"""Is there text burned into a picture: many small parts of one extreme value, side by side in a line."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WHY = "it may name the patient. Crop it away."
LEAST_LETTERS = 8
"""In one line; a side marker with its label has fewer."""
HEIGHTS = (5, 80)
"""Pixels of a letter."""
RING = 2
"""Pixels around a letter that must be clearly different."""
CLEAR = 0.25
"""Of the picture's range, between a letter and what is around it."""


def text_note(declared: str, pixels: NDArray[np.floating]) -> str:
    """A sentence where a picture holds text, by its header or by its looks; "" where not.

    Args:
        declared: BurnedInAnnotation (0028,0301): "YES", "NO" or "".
        pixels: (rows, columns).
    """
    if declared == "YES":
        return f"The file declares burned-in text: {WHY}"
    return f"There seems to be burned-in text: {WHY}" if looks_like_text(pixels) else ""


def looks_like_text(pixels: NDArray[np.floating]) -> bool:
    """Whether a line of at least eight letter-like parts is in a picture (rows, columns); words drawn by a program.

    Letters have one value at an end of the grey range, sharp edges, about one height, and stand in a row. Noise,
    trabeculae and the digits of a ruler do not do all of that.
    """
    low, high = (float(value) for value in (pixels.min(), pixels.max()))
    width = 0.01 * (high - low)
    if high <= low:
        return False
    return _line_of_letters(pixels >= high - width, pixels, high - low) or _line_of_letters(
        pixels <= low + width, pixels, high - low
    )


def _line_of_letters(mask: NDArray[np.bool_], pixels: NDArray[np.floating], span: float) -> bool:
    from scipy.ndimage import find_objects, label

    parts, count = label(mask, structure=np.ones((3, 3)))
    if count < LEAST_LETTERS or count > 20000:
        return False
    boxes = []
    for number, where in enumerate(find_objects(parts), start=1):
        rows, columns = where
        height, width = rows.stop - rows.start, columns.stop - columns.start
        if not HEIGHTS[0] <= height <= HEIGHTS[1] or not 1 <= width <= 2 * height:
            continue
        if _stands_out(pixels, parts, number, where, span):
            boxes.append(((rows.start + rows.stop) / 2, height, columns.start))
    return any(_neighbours(box, boxes) >= LEAST_LETTERS for box in boxes)


def _stands_out(
    pixels: NDArray[np.floating], parts: NDArray[np.int_], number: int, where: tuple[slice, slice], span: float
) -> bool:
    """A sharp edge all around, and no filled block."""
    from scipy.ndimage import binary_dilation

    rows, columns = (slice(max(0, each.start - RING), each.stop + RING) for each in where)
    inside = parts[rows, columns] == number
    ring = binary_dilation(inside, iterations=RING) & ~inside
    if not ring.any():
        return False
    around = np.abs(pixels[rows, columns][ring] - pixels[rows, columns][inside].mean())
    return bool(np.median(around) > CLEAR * span and np.percentile(around, 25) > CLEAR * span / 2)


def _neighbours(box: tuple[float, int, int], boxes: list[tuple[float, int, int]]) -> int:
    """Letters of about the same height in the line of one, not farther along it than thirty heights."""
    middle, height, left = box
    return sum(
        abs(other - middle) < 0.5 * height and 0.6 < tall / height < 1.7 and 0 <= start - left < 30 * height
        for other, tall, start in boxes
    )
