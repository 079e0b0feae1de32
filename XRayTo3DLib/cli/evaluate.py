"""``xrayto3d evaluate``: how far a result's surface is from a reference."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

from XRayTo3DLib.cli.console import say
from XRayTo3DLib.cli.folders import require_folder_name
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.plain_words import shown_name

if TYPE_CHECKING:
    from XRayTo3DLib.evaluation.comparison import Comparison

EPILOG = """examples:
  xrayto3d evaluate ct_femur.ply reconstruction.vtp -o evaluation
  xrayto3d evaluate ct_femur.stl reconstruction.vtp -o evaluation --ignore-boundary
  xrayto3d evaluate scan.stl result.ply -o evaluation --unit m --range 3 --json
  xrayto3d evaluate ct_labels.seg.nrrd radius.vtp --bone radius -o evaluation
  xrayto3d evaluate --batch pairs.csv -o evaluation
  xrayto3d evaluate --batch dataset reconstructions -o evaluation

Both surfaces must be in the same frame (LPS mm; a file that says SPACE=RAS is turned). They are not aligned, unless
--align is given. The folder gets metrics.json, distance.vtp (opens in Slicer), distance.png and report.html (opens in
a browser). --batch takes a CSV table with the columns reference and result (case, bone), or two folders with
<case>/<bone>.vtp in each (or a segmentation per case); it writes table.csv, summary.json, report.html, and pairs/.
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the ``evaluate`` sub-command to the main parser."""
    parser = subparsers.add_parser(
        "evaluate",
        help="compare a result's surface with a reference: table, colour map, report",
        description="Compare a result's surface with a reference: table, colour map in mm, report.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    surfaces = ".vtp .ply .stl .vtk .obj"
    parser.add_argument(
        "reference", type=Path, metavar="REFERENCE", help=f"true surface ({surfaces}), or segmentation (.seg.nrrd ...)"
    )
    parser.add_argument("result", type=Path, nargs="?", metavar="RESULT", help=f"surface to judge ({surfaces})")
    parser.add_argument("--batch", action="store_true", help="many pairs: a table, or two folders")
    parser.add_argument("--bone", default="", metavar="NAME", help="which segment of REFERENCE")
    parser.add_argument(
        "--align", action="store_true", help="lay RESULT on REFERENCE rigidly first: shape alone is measured"
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER", help="folder for the results")
    parser.add_argument("--unit", choices=("mm", "cm", "m"), default="mm", help="unit in REFERENCE (default mm)")
    parser.add_argument("--result-unit", choices=("mm", "cm", "m"), default="mm", help="unit in RESULT (default mm)")
    parser.add_argument(
        "--ignore-boundary",
        action="store_true",
        help="leave out what is nearest to the other surface's open edge, such as a cut shaft",
    )
    parser.add_argument(
        "--boundary-margin", type=float, metavar="MM", help="leave out what is within MM of that edge, too"
    )
    parser.add_argument("--range", type=float, default=5.0, metavar="MM", help="top of the colour bar (default 5 mm)")
    parser.add_argument("--side", choices=("left", "right"), help="body side: names the side views lateral and medial")
    parser.add_argument("--seed", type=int, default=0, help="of the points spread over the surfaces (default 0)")
    parser.add_argument("--synthetic", action="store_true", help="label everything as synthetic data")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Compare, write the files, print the table (or one JSON object); returns the exit code."""
    _check(args)
    if args.batch:
        from XRayTo3DLib.cli.evaluate_batch import run_batch

        return run_batch(args)
    from XRayTo3DLib.evaluation.comparison import compare
    from XRayTo3DLib.evaluation.comparison_files import metrics_json, write_comparison
    from XRayTo3DLib.evaluation.reference_surface import is_label_file, label_file_surface

    labels = is_label_file(args.reference)
    comparison = compare(
        label_file_surface(args.reference, args.bone) if labels else args.reference,
        args.result,
        reference_unit=args.unit,
        result_unit=args.result_unit,
        ignore_boundary=args.ignore_boundary if args.boundary_margin is None else args.boundary_margin,
        align=args.align,
        seed=args.seed,
        synthetic=args.synthetic,
        names=(f"{shown_name(args.reference, 'reference')}: {args.bone}".removesuffix(": "), "result"),
    )
    paths = write_comparison(comparison, args.output, range_mm=args.range, side=args.side)
    if args.json:
        say(json.dumps({**metrics_json(comparison), "files": {key: str(path) for key, path in paths.items()}}))
        return 0
    _say_table(comparison)
    for path in paths.values():
        say(f"wrote {path}")
    return 0


def _check(args: argparse.Namespace) -> None:
    """Refuse what would only fail after the work."""
    require_folder_name(args.output)
    if args.result is None and not args.batch:
        raise InputError("Give two surfaces, the reference and the result; or --batch and a table of pairs.")
    if args.seed < 0:
        raise InputError(f"--seed must be 0 or more, not {args.seed}.")
    if not 0 < args.range < math.inf:
        raise InputError(f"--range must be greater than 0 mm, not {args.range:g}.")
    if args.boundary_margin is not None and not 0 <= args.boundary_margin < math.inf:
        raise InputError(f"--boundary-margin must be 0 mm or more, not {args.boundary_margin:g}.")


def _say_table(comparison: Comparison) -> None:
    say(f"{comparison.result_name} compared with {comparison.reference_name}")
    if comparison.synthetic:
        say("synthetic data: not a person")
    group = None
    for row in comparison.rows:
        if row.group != group:
            say(f"\n{row.group}")
            group = row.group
        say(f"  {row.name:<28} {row.value:9.3f} {row.unit}")
    say()
    for sentence in comparison.warnings:
        say(f"note: {sentence}")
