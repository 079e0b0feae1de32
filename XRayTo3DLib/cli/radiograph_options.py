"""The options of every sub-command that reads a radiograph."""

from __future__ import annotations

import argparse
from typing import Any

INTENSITIES = ("auto", "transmitted", "attenuation", "line-integral")
VIEWS = ("AP", "PA", "LAT", "LL", "RL")


def add_radiograph_options(parser: argparse.ArgumentParser, view_option: str = "--view") -> None:
    """Add the options that answer what a file does not say; see ``docs/load.md``.

    ``view_option`` renames the last one for a command whose ``--view`` means something else.
    """
    group = parser.add_argument_group("radiograph", "what the file does not say, or should not be believed on")
    add = group.add_argument
    add("--frame", type=int, metavar="N", help="frame of a multi-frame file, counted from 0")
    add(
        "--intensity",
        choices=INTENSITIES,
        default="auto",
        help="transmitted: bones dark; attenuation: bones bright (default: auto, and it says why)",
    )
    add("--i0", type=float, metavar="VALUE", help="stored value of the beam in air")
    add("--spacing", type=float, nargs=2, metavar=("COL", "ROW"), help="pixel spacing along columns and rows, mm")
    add(
        "--spacing-kind",
        choices=("detector", "calibrated"),
        help="where the spacing holds: on the detector plane, or at the object (calibrated with a ball or ruler)",
    )
    add("--sdd", type=float, metavar="MM", help="source to detector distance (also SID, film-focus distance)")
    add("--source-isocentre", type=float, metavar="MM", help="source to isocentre (object) distance")
    add("--magnification", type=float, metavar="M", help="source-detector over source-object distance")
    add(view_option, dest="view", choices=VIEWS, type=str.upper, help="how the detector stands to the patient")


def radiograph_arguments(args: argparse.Namespace) -> dict[str, Any]:
    """The options as keyword arguments of ``read_radiograph``."""
    return {
        "frame": args.frame,
        "intensity": args.intensity,
        "i0": args.i0,
        "spacing": None if args.spacing is None else (args.spacing[0], args.spacing[1]),
        "spacing_kind": args.spacing_kind,
        "sdd": args.sdd,
        "source_isocentre": args.source_isocentre,
        "magnification": args.magnification,
        "view": args.view,
    }
