"""Which pixel spacing holds on the detector: the tags, the user's answers, and never a silent choice."""

from __future__ import annotations

import math
from dataclasses import dataclass

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry.calibration import VIEWS

Pair = tuple[float, float]
CONTRADICTION = 0.02
"""Relative difference above which two statements of the same length contradict each other."""
KINDS = ("detector", "calibrated")


@dataclass(frozen=True)
class SpacingTags:
    """Pixel spacings a header states, (column, row) in mm, ``None`` where absent.

    Attributes:
        imager: At the detector (0018,1164).
        pixel: PixelSpacing (0028,0030); where it holds depends on ``calibration``.
        calibration: PixelSpacingCalibrationType (0028,0A02): GEOMETRY, FIDUCIAL or "".
        nominal: Of digitised film (0018,2010), on the film.
        aspect: Pixel aspect ratio (0028,0034): only its quotient means anything.
        magnification: Estimated radiographic magnification factor (0018,1114), SDD / source to object.
        stated: Spacing of an untagged file's own header (NRRD, NIfTI), of unknown meaning.
    """

    imager: Pair | None = None
    pixel: Pair | None = None
    calibration: str = ""
    nominal: Pair | None = None
    aspect: Pair | None = None
    magnification: float | None = None
    stated: Pair | None = None


@dataclass(frozen=True)
class Answers:
    """What the user says; each wins over the file.

    Attributes:
        spacing: (column, row) pixel spacing, mm.
        spacing_kind: ``detector`` (on the detector plane; taken when not said) or ``calibrated`` (at the object).
        sdd: Source to detector distance, mm.
        source_isocentre: Source to isocentre (object) distance, mm.
        magnification: SDD / source to object distance.
        view: One of :data:`~XRayTo3DLib.geometry.calibration.VIEWS`.

    Raises:
        InputError: A value that is not a positive number, or an unknown kind.
    """

    spacing: Pair | None = None
    spacing_kind: str | None = None
    sdd: float | None = None
    source_isocentre: float | None = None
    magnification: float | None = None
    view: str | None = None

    def __post_init__(self) -> None:
        if self.spacing is not None and len(self.spacing) != 2:
            raise InputError("the pixel spacing needs two numbers, column then row, in mm (--spacing).")
        for number in self.spacing or ():
            _require(number, 10.0, "pixel spacing", "--spacing")
        _require(self.sdd, 20000.0, "source to detector distance", "--sdd")
        _require(self.source_isocentre, 20000.0, "source to isocentre distance", "--source-isocentre")
        _require(self.magnification, 20.0, "magnification", "--magnification", least=1.0)
        if self.view is not None and self.view.upper() not in VIEWS:
            raise InputError(f"view {self.view!r} is not known; use one of {', '.join(VIEWS)} (--view).")
        if self.spacing_kind not in (None, *KINDS):
            raise InputError(
                f"spacing kind {self.spacing_kind!r} is not known; use {' or '.join(KINDS)} (--spacing-kind)."
            )


@dataclass(frozen=True)
class Question:
    """Something only the user can say: the field's name and the sentence part that asks for it."""

    field: str
    text: str


@dataclass(frozen=True)
class Spacing:
    """(column, row) mm on the detector, its source (``detector``, ``calibrated``, ``user``) and notes."""

    pair: Pair
    source: str
    notes: tuple[str, ...] = ()


def same_pair(first: Pair, second: Pair, tolerance: float = CONTRADICTION) -> bool:
    """Whether two spacings agree within a relative tolerance on both axes."""
    return all(abs(a / b - 1) <= tolerance for a, b in zip(first, second, strict=True))


def resolve_spacing(
    tags: SpacingTags, answers: Answers, geometric: float | None = None, name: str = ""
) -> Spacing | Question:
    """The spacing on the detector plane, or what to ask for.

    Args:
        tags: What the file states.
        answers: What the user states; explicit numbers win, then ``spacing_kind`` decides between tags.
        geometric: SDD / source to object distance where both are known.
        name: The picture's name, for messages.

    Raises:
        InputError: Tags that contradict each other by more than 2 % and no answer that decides.
    """
    magnification, how = _magnification(tags, answers, geometric)
    found = _from_user(tags, answers, magnification, how)
    if found is None:
        found = _from_tags(tags, magnification, how, geometric, name)
    if isinstance(found, Spacing) and answers.spacing is None:
        _check_aspect(found.pair, tags, name)
    return found


def _from_user(tags: SpacingTags, answers: Answers, magnification: float | None, how: str) -> Spacing | Question | None:
    """Numbers of the user, or the tag that the user's ``spacing_kind`` picks; ``None`` leaves it to the tags."""
    pair, source, where = answers.spacing, "user", f"Pixel spacing {_show(answers.spacing)} as given"
    if pair is None and answers.spacing_kind is not None:
        wanted = (tags.imager, tags.pixel) if answers.spacing_kind == "detector" else (tags.pixel,)
        pair = next((tag for tag in (*wanted, tags.stated) if tag is not None), None)
        source, where = answers.spacing_kind, f"Pixel spacing {_show(pair)} of the file"
    if pair is None and answers.spacing_kind == "calibrated" and (tags.imager or tags.nominal):
        return Question(
            "spacing",
            f"a pixel spacing at the object, only {_show(tags.imager or tags.nominal)} on the detector (--spacing, or "
            f"leave out --spacing-kind calibrated)",
        )
    if pair is None:
        return None
    if answers.spacing_kind != "calibrated":
        kind = "" if answers.spacing_kind else " (say --spacing-kind calibrated if it holds at the object)"
        return Spacing(pair, source, (f"{where}, taken on the detector plane{kind}.",))
    return _scaled(pair, source, where, magnification, how)


def _scaled(pair: Pair, source: str, where: str, magnification: float | None, how: str) -> Spacing | Question:
    """A spacing at the object plane, carried to the detector."""
    if magnification is None:
        return Question(
            "magnification",
            f"how far {where[0].lower() + where[1:]}, which holds at the object, is "
            f"magnified (--magnification, or --sdd with --source-isocentre)",
        )
    detector = (pair[0] * magnification, pair[1] * magnification)
    note = (
        f"{where}, which holds at the object, times magnification {magnification:.4g} ({how}) = {_show(detector)} "
        f"on the detector."
    )
    return Spacing(detector, source, (note,))


def _from_tags(
    tags: SpacingTags, magnification: float | None, how: str, geometric: float | None, name: str
) -> Spacing | Question:
    if tags.imager is not None:
        note = f"Pixel spacing {_show(tags.imager)} on the detector plane, from ImagerPixelSpacing (0018,1164)."
        return Spacing(tags.imager, "detector", (note, *_check_both(tags, geometric, name)))
    if tags.pixel is not None and tags.calibration in ("GEOMETRY", "FIDUCIAL"):
        where = f"Calibrated ({tags.calibration}) PixelSpacing {_show(tags.pixel)}"
        _check_magnifications(tags, magnification, geometric, name)
        return _scaled(tags.pixel, "calibrated", where, magnification, how)
    if tags.pixel is not None:
        text = f"whether its PixelSpacing {_show(tags.pixel)} holds on the detector or at the object (--spacing-kind)"
        return Question("spacing_kind", text)
    if tags.nominal is not None:
        note = f"Pixel spacing {_show(tags.nominal)} of the digitised film (0018,2010), taken as the detector plane."
        return Spacing(tags.nominal, "detector", (note,))
    if tags.stated is not None and tags.stated != (1.0, 1.0):
        text = f"whether its spacing {_show(tags.stated)} holds on the detector or at the object (--spacing-kind)"
        return Question("spacing_kind", text)
    return Question("spacing", "the pixel spacing, column and row in mm (--spacing with --spacing-kind)")


def _check_both(tags: SpacingTags, geometric: float | None, name: str) -> tuple[str, ...]:
    """Imager and calibrated spacing must fit each other and the magnification; returns notes."""
    if tags.pixel is None or tags.imager is None or same_pair(tags.imager, tags.pixel, 1e-4):
        return ()
    ratios = (tags.imager[0] / tags.pixel[0], tags.imager[1] / tags.pixel[1])
    both = f"ImagerPixelSpacing {_show(tags.imager)} and PixelSpacing {_show(tags.pixel)}"
    if abs(ratios[0] / ratios[1] - 1) > CONTRADICTION or min(ratios) < 1 - CONTRADICTION:
        raise InputError(f"radiograph {name}: {both} contradict each other (column, row); {OVERRIDE}.")
    ratio = math.sqrt(ratios[0] * ratios[1])
    expected, source = tags.magnification, "EstimatedRadiographicMagnificationFactor"
    if expected is None and tags.calibration != "FIDUCIAL":
        expected, source = geometric, "SDD / source to patient distance"
    if expected is not None and abs(ratio / expected - 1) > CONTRADICTION:
        raise InputError(
            f"radiograph {name}: {both} differ by a magnification of {ratio:.3f}, but {source} says {expected:.3f}; "
            f"{OVERRIDE}."
        )
    return (f"PixelSpacing {_show(tags.pixel)} holds at the object (magnification {ratio:.3f}) and was not used.",)


def _check_magnifications(tags: SpacingTags, magnification: float | None, geometric: float | None, name: str) -> None:
    """Where a header tells its magnification twice, and the picture was calibrated by it, both must be one."""
    if magnification is None or geometric is None or magnification != tags.magnification:
        return
    if tags.calibration == "GEOMETRY" and abs(magnification / geometric - 1) > CONTRADICTION:
        raise InputError(
            f"radiograph {name}: EstimatedRadiographicMagnificationFactor says {magnification:.3f}, SDD / source to "
            f"patient distance {geometric:.3f}; give the right --magnification, or --spacing."
        )


OVERRIDE = "say which holds with --spacing-kind detector or calibrated, or give --spacing"


def _check_aspect(pair: Pair, tags: SpacingTags, name: str) -> None:
    """Pixel aspect ratio is vertical \\ horizontal; ours is (column, row) = (horizontal, vertical)."""
    if tags.aspect is None:
        return
    stated, found = tags.aspect[1] / tags.aspect[0], pair[1] / pair[0]
    if abs(found / stated - 1) > CONTRADICTION:
        raise InputError(
            f"radiograph {name}: spacing {_show(pair)} has the ratio row / column {found:.3f}, but PixelAspectRatio "
            f"(0028,0034) says {stated:.3f}; give the right --spacing."
        )


def _magnification(tags: SpacingTags, answers: Answers, geometric: float | None) -> tuple[float | None, str]:
    user = None if answers.source_isocentre is None else geometric
    choices = (
        (answers.magnification, "as given"),
        (user, "SDD / given source to isocentre"),
        (tags.magnification, "EstimatedRadiographicMagnificationFactor"),
        (geometric, "SDD / source to object distance"),
    )
    return next(((value, how) for value, how in choices if value is not None), (None, ""))


def _show(pair: Pair | None) -> str:
    return "" if pair is None else f"{pair[0]:.5g} x {pair[1]:.5g} mm"


def _require(value: float | None, most: float, what: str, option: str, least: float = 0.0) -> None:
    if value is None:
        return
    if not math.isfinite(value) or value > most or (value < least if least else value <= 0):
        bound = f"at least {least:g}" if least else "greater than zero"
        raise InputError(f"{what} must be {bound} and at most {most:g}, not {value:g} ({option}).")
