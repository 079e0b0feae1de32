"""What the actions of ``xrayto3d dataset`` share: their parsers, workers and shards."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

from XRayTo3DLib.errors import InputError


def add_action(
    actions: argparse._SubParsersAction,
    name: str,
    what: str,
    run: Callable[[argparse.Namespace], int],
    epilog: str | None = None,
) -> argparse.ArgumentParser:
    """A parser of one action; ``what`` is its help, ``run`` what it calls, ``epilog`` its examples."""
    parser = actions.add_parser(
        name,
        help=what,
        description=what[0].upper() + what[1:] + ".",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser


def add_work_options(parser: argparse.ArgumentParser) -> None:
    """Workers, shard and JSON output."""
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="processes (default 2)")
    parser.add_argument("--shard", default="1/1", metavar="I/N", help="only every N-th case, from the I-th (1/1)")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table with aligned columns; a text of several lines is one."""
    table = [[" ".join(cell.split("\n")) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[place]) for row in table) for place in range(len(header))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]


def parse_shard(text: str) -> tuple[int, int]:
    """(i, n) of "i/n".

    Raises:
        InputError: Not two numbers, or not from 1/n to n/n.
    """
    try:
        first, count = (int(part) for part in text.split("/"))
    except ValueError:
        raise InputError(f"--shard {text!r} is not I/N, such as 1/4.") from None
    if not 1 <= first <= count:
        raise InputError(f"--shard {text!r} cannot be: it counts from 1/N to N/N.")
    return first, count
