"""The one place where translators plug in: from an actual radiograph to the DRR of its bones, before any method.

A translator is a model of one of :data:`TRANSLATIONS`, or nothing at all (``none``). Whoever shows radiographs to a
method asks :func:`translators_for` with what was given, and translates with the result.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.dataset.voxel_grid import WRIST_CENTRE_MM
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.methods.data import DataConfiguration, Splitting
from XRayTo3DLib.methods.image_translation.configuration import PairsConfiguration
from XRayTo3DLib.methods.registry import TRANSLATIONS as TRANSLATIONS

NONE = "none"
"""On a command line: no translator."""


class HasPictures(Protocol):
    """A configuration of pictures to learn a translation from."""

    @property
    def data(self) -> PairsConfiguration: ...  # noqa: D102


class ImageTranslator(Protocol):
    """From canonical images of actual radiographs to line integrals of the bones alone.

    Attributes:
        configuration: What it was trained with.
        synthetic: Whether its training data were made up.
    """

    configuration: Any
    synthetic: bool

    def require_for(self, data: DataConfiguration, view: str | None = None) -> None:
        """Refuse a model that was made for other images, see :func:`require_same_images`."""
        ...

    def translate(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, rows, columns) line integrals of whole limbs to those of the bones alone, as many and as large."""
        ...


class CanonicalTranslator:
    """What translators have in common.

    Args:
        configuration: What it was trained with.
    """

    def __init__(self, configuration: HasPictures) -> None:
        self.configuration = configuration
        self.synthetic = False
        """Whether its training data were made up."""

    def require_for(self, data: DataConfiguration, view: str | None = None) -> None:
        """Refuse a model that was made for other images, see :func:`require_same_images`."""
        require_same_images(self.configuration.data, data, view)


class NoTranslation:
    """Radiographs as they are."""

    configuration = None
    synthetic = False

    def require_for(self, data: DataConfiguration, view: str | None = None) -> None:
        """Fits every model."""

    def translate(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """The same images."""
        return images


@dataclass(frozen=True, eq=False)
class ViewTranslators:
    """A translator for each view of a model, in the model's order."""

    translators: tuple[ImageTranslator, ...]

    @property
    def synthetic(self) -> bool:
        """Whether any of them learnt from data that were made up."""
        return any(each.synthetic for each in self.translators)

    def translate(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, views, rows, columns) line integrals of whole limbs to those of the bones alone."""
        views = zip(self.translators, np.moveaxis(images, 1, 0), strict=True)
        return np.stack([translator.translate(view) for translator, view in views], axis=1)


def translators_for(given: Sequence[ImageTranslator], data: DataConfiguration) -> ViewTranslators:
    """One translator for each view of a model.

    Args:
        given: As many as views, in their order; or one for all views.
        data: The model's.

    Raises:
        InputError: Another number, or one that was made for other images than the model's.
    """
    views = data.views
    if len(given) not in (1, len(views)):
        raise InputError(
            f"{len(given)} translations were given, but the model has {len(views)} views, {' and '.join(views)}: give "
            f"one for all, or one for each in this order ('{NONE}' leaves a view as it is)."
        )
    chosen = tuple(given) * (len(views) if len(given) == 1 else 1)
    for translator, view in zip(chosen, views, strict=True):
        translator.require_for(data, view)
    return ViewTranslators(chosen)


def require_same_images(mine: PairsConfiguration, data: DataConfiguration, view: str | None = None) -> None:
    """Refuse a model whose images are not those a translator was trained for.

    Args:
        mine: The translator's.
        data: The model's.
        view: The view it shall translate; ``None``: the only one the model has.

    Raises:
        InputError: Its view or the size or geometry of its images differ.
    """
    # A scale is each network's own: between them go line integrals.
    image = replace(mine.image, scale=data.image.scale)
    if data.grid.centre_mm != WRIST_CENTRE_MM:
        raise InputError(
            f"translations are made for wrists, whose images' middle is at {WRIST_CENTRE_MM} mm; the model's is at "
            f"{data.grid.centre_mm} mm: leave the translation out."
        )
    wanted = data.views if view is None else (view,)
    known = {each.view for each in mine.canonical_views}
    if len(wanted) != 1 or not known.issuperset(wanted) or image != data.image:
        raise InputError(
            f"the translation bundle (view {mine.view}) was made for other images than the model "
            f"({' and '.join(wanted)}); train both with the same view and data.image."
        )


def common_pictures(translators: Iterable[ImageTranslator]) -> PairsConfiguration:
    """The pictures that translators to be compared have in common: the first one's.

    Raises:
        InputError: One of them was made for other images, or learnt from people who test another.
    """
    first, *others = (each.configuration.data for each in translators)
    for other in others:
        same = replace(other.image, scale=first.image.scale) == first.image
        if not same or not {*first.view.split("+")} <= {*other.view.split("+")}:
            raise InputError(
                f"translations to be compared must be of the same view and images; one has {first.view}, another "
                f"{other.view}, or their data.image differ."
            )
        require_same_fold(first, other)
    return first


def require_same_fold(one: Splitting, other: Splitting) -> None:
    """Nobody may be tested by one model who taught the other.

    Raises:
        InputError: Both were trained for different folds.
    """
    first, second = ((each.folds, each.fold if each.folds else 0) for each in (one, other))
    if first != second:
        raise InputError(
            f"one model was trained for fold {first[1]} of {first[0]}, another for {second[1]} of {second[0]}: one "
            f"would be tested on people who taught the other; train both on the same fold."
        )
