"""The options of every sub-command that registers bones: how widely and finely to search."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from XRayTo3DLib.registration.options import RegistrationOptions

ENGINES = ("auto", "torch", "numba")


def add_search_options(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Add the options of the local search, ``--engine`` and ``--threads``."""
    add = parser.add_argument
    add("--starts", type=int, metavar="N", help="starts at the coarsest level (default 16)")
    add("--screened", type=int, metavar="N", help="random rotations screened to choose the starts from (default 120)")
    add("--spread", type=float, metavar="DEG", help="spread of the screened rotations (default 6 degrees)")
    add("--reach", type=float, metavar="MM", help="how far round the rough pose to look (default 20 mm)")
    add("--pixel-sizes", type=float, nargs="+", metavar="MM", help="at the bone (default 2.8 1.4 0.7 0.35)")
    add("--margin", type=float, metavar="MM", help="how far round the bone to look (default 10 mm)")
    add("--optimiser", choices=("screening", "cma-es"), help="how starts are found (default screening)")
    add("--similarity", metavar="NAME", help="what is climbed (default gradient-correlation; see docs/similarities.md)")
    add("--seed", type=int, metavar="N", help="of the random starts (default 0)")
    add("--engine", choices=ENGINES, default="auto", help="projector: numba is fast, torch always there (default auto)")
    add("--threads", type=int, metavar="N", help="CPU threads (default 1)")


def search_options(args: argparse.Namespace) -> RegistrationOptions:
    """The options of :func:`add_search_options` as the library takes them.

    Raises:
        InputError: A number out of range.
    """
    from XRayTo3DLib.registration.options import RegistrationOptions

    given = {
        "starts": args.starts,
        "screened": args.screened,
        "spread_deg": args.spread,
        "reach_mm": args.reach,
        "pixel_mm": None if args.pixel_sizes is None else tuple(args.pixel_sizes),
        "margin_mm": args.margin,
        "optimiser": args.optimiser,
        "similarity": args.similarity,
        "seed": args.seed,
        "threads": args.threads,
    }
    return RegistrationOptions(**{key: value for key, value in given.items() if value is not None})
