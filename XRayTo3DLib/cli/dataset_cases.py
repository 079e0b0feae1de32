"""``xrayto3d dataset import`` and ``split``: many cases at once, and who is tested."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from XRayTo3DLib.cli.console import Progress, say
from XRayTo3DLib.cli.dataset_options import add_action
from XRayTo3DLib.cli.radiograph_options import add_radiograph_options, radiograph_arguments
from XRayTo3DLib.errors import InputError

IMPORT_EPILOG = """example, cases.csv (commas or semicolons, as a spreadsheet saves it):
  id,ct,labels,side,patient,view_pa,view_lat
  case-001,scans/1.nrrd,scans/1.seg.nrrd,left,P1,xrays/1_pa.dcm,
  case-002,scans/2,scans/2.nii.gz,right,P2,xrays/2_pa.png:xrays/2_pa.json,xrays/2_lat.png:xrays/2_lat.json

  xrayto3d dataset import mine cases.csv

id, ct and labels are needed. Further columns: side, patient, split, group, label_names, ct_values, ct_series, and one
per radiograph, named view_ and its name (view_pa, view_ap-2): the file, or file:camera.json. Files are looked for from
the table's own folder. Cases and views that are there are kept: add lines and import again. A line that cannot be used
is told at the end; the others go on.
"""
SPLIT_EPILOG = """examples:
  xrayto3d dataset split mine --test 0.2            a fifth of the people
  xrayto3d dataset split mine --test 12 --seed 1    twelve people
  xrayto3d dataset split mine --cases case-003 case-017

People are dealt, not cases: all cases of a person are on one side.
"""


def add_case_actions(actions: argparse._SubParsersAction) -> None:
    """Add the ``import`` and ``split`` actions."""
    parser = add_action(actions, "import", "add the cases that a table lists", _import, IMPORT_EPILOG)
    parser.add_argument("folder", type=Path, help="the data set; start it with dataset new")
    parser.add_argument("table", type=Path, help="CSV, a line per case")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    add_radiograph_options(parser, view_option="--view-position")
    parser = add_action(actions, "split", "choose anew who is tested", _split, SPLIT_EPILOG)
    parser.add_argument("folder", type=Path, help="the data set")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--test", metavar="N", help="a share of the people (0.2), or how many (12)")
    which.add_argument("--cases", nargs="+", metavar="ID", help="these cases, and all others of these people")
    parser.add_argument("--seed", type=int, default=0, help="of the choice (default 0)")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def _import(args: argparse.Namespace) -> int:
    from XRayTo3DLib.dataset.case_table import import_cases, read_case_table

    progress = Progress("import", quiet=args.json)
    lines = read_case_table(args.table)
    outcomes = import_cases(args.folder, lines, radiograph_arguments(args), progress.update)
    progress.done()
    counts = {action: sum(each.action == action for each in outcomes) for action in ("added", "kept", "problem")}
    if args.json:
        say(json.dumps({"counts": counts, "cases": [asdict(each) for each in outcomes]}))
        return 0
    for each in outcomes:
        if each.action == "added":
            say(f"{each.case_id}: added{', with ' + ', '.join(each.views) if each.views else ''}")
    for warning in (text for each in outcomes for text in each.warnings):
        say(f"WARNING: {warning}")
    if counts["problem"]:
        say("Not imported, or not whole:")
    for each in outcomes:
        if each.action == "problem":
            say(f"  {each.note}")
    say(f"cases added: {counts['added']}, kept: {counts['kept']}, with a problem: {counts['problem']}")
    return 0


def _split(args: argparse.Namespace) -> int:
    from XRayTo3DLib.dataset.resplit import resplit

    if args.cases is not None:
        result = resplit(args.folder, cases=args.cases)
    elif args.test.isdecimal():
        result = resplit(args.folder, people=int(args.test), seed=args.seed)
    else:
        try:
            share = float(args.test)
        except ValueError:
            raise InputError(f"--test {args.test!r} is no number; give a share such as 0.2, or how many.") from None
        result = resplit(args.folder, share=share, seed=args.seed)
    say(json.dumps(asdict(result)) if args.json else result.in_words())
    return 0
