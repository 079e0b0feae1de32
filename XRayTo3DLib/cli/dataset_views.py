"""``xrayto3d dataset add-view`` and ``review``: radiographs of cases, and what people say of their registrations."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from XRayTo3DLib.cli.console import say
from XRayTo3DLib.cli.dataset_options import add_action, columns
from XRayTo3DLib.cli.radiograph_options import add_radiograph_options, radiograph_arguments
from XRayTo3DLib.errors import InputError

if TYPE_CHECKING:
    from XRayTo3DLib.dataset.review import ViewState

ADD_EPILOG = """examples:
  xrayto3d dataset add-view mine case-001 wrist.dcm
  xrayto3d dataset add-view mine case-001 lat.png:lat.json --name lat
  xrayto3d dataset add-view mine case-001 pa.png --name pa-2 --spacing 0.15 0.15 --spacing-kind detector --sdd 1100

The radiograph and its camera.json stand with a colon between them; a DICOM file whose header tells its geometry needs
no camera. Views that were calibrated together must be given with their cameras: they share one world.
"""
REVIEW_EPILOG = """examples:
  xrayto3d dataset review mine                                      all views
  xrayto3d dataset review mine --status unreviewed
  xrayto3d dataset review mine case-001 pa lat --accept --role radiologist
  xrayto3d dataset review mine case-002 pa --reject --note "the ulna is off" --role radiographer

Look at views/<view>/overlay.png, or at the case in Slicer, before you decide. Give a role, never a name.
"""
STATUSES = ("unregistered", "unreviewed", "accepted", "rejected", "adjusted", "damaged")


def add_view_actions(actions: argparse._SubParsersAction) -> None:
    """Add the ``add-view`` and ``review`` actions."""
    parser = add_action(actions, "add-view", "add a radiograph to a case", _add_view, ADD_EPILOG)
    parser.add_argument("folder", type=Path, help="the data set")
    parser.add_argument("case", help="id of the case")
    parser.add_argument("radiograph", metavar="XRAY[:CAMERA]", help="the picture, and its camera.json if it needs one")
    parser.add_argument("--name", help="of the view: pa, lat, ap-2 (default: what the picture says)")
    parser.add_argument(
        "--replace", action="store_true", help="in the place of the view's picture; its registration goes with it"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    add_radiograph_options(parser, view_option="--view-position")
    parser = add_action(
        actions, "review", "list registrations, or say which are accepted and which rejected", _review, REVIEW_EPILOG
    )
    parser.add_argument("folder", type=Path, help="the data set")
    parser.add_argument("case", nargs="?", help="id of a case (default: all)")
    parser.add_argument("view", nargs="*", help="names of its views, to decide on")
    decision = parser.add_mutually_exclusive_group()
    decision.add_argument("--accept", action="store_true", help="the overlay fits")
    decision.add_argument("--reject", action="store_true", help="it does not; --note says why")
    parser.add_argument("--note", default="", help="one line; no patient data")
    parser.add_argument("--role", default="", help="who says so, by role, never by name")
    parser.add_argument("--status", choices=STATUSES, help="list only these")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def _add_view(args: argparse.Namespace) -> int:
    from XRayTo3DLib.cli.register import split_view
    from XRayTo3DLib.dataset.case_table import read_for_view
    from XRayTo3DLib.dataset.case_views import add_view
    from XRayTo3DLib.dataset.dataset_folder import DatasetFolder

    case = DatasetFolder.open(args.folder).case(args.case)
    picture, camera = split_view(args.radiograph, "")
    radiograph = read_for_view(case.id, args.name or "", picture, camera, radiograph_arguments(args))
    name = args.name or radiograph.view.lower()
    if not name:
        raise InputError(f"{picture.name} does not say which view it is; give --name pa, lat, ...")
    view = add_view(case, name, radiograph, replace=args.replace)
    notes = [radiograph.intensity.how, *radiograph.notes]
    if args.json:
        say(json.dumps({"case": case.id, "view": view.name, "folder": str(view.folder), "notes": notes}))
        return 0
    for note in notes:
        say(f"note: {note}")
    say(f"wrote {view.folder}")
    return 0


def _review(args: argparse.Namespace) -> int:
    from XRayTo3DLib.dataset.case_views import view_of, write_review
    from XRayTo3DLib.dataset.dataset_folder import DatasetFolder
    from XRayTo3DLib.dataset.review import status_counts, view_states
    from XRayTo3DLib.registration.result import Review

    dataset = DatasetFolder.open(args.folder)
    if args.accept or args.reject:
        if args.case is None or not args.view:
            raise InputError("say which registration you have looked at: dataset review FOLDER CASE VIEW --accept.")
        views = [view_of(dataset.case(args.case), name) for name in args.view]
        for view in views:
            write_review(view, Review.ACCEPTED if args.accept else Review.REJECTED, args.note, args.role)
    elif args.note or args.role:
        raise InputError("--note and --role belong to --accept or --reject; add one of them.")
    named = {name.lower() for name in args.view}
    states = [
        state
        for state in view_states(dataset, [args.case] if args.case else [])
        if (not named or state.view in named) and args.status in (None, state.status)
    ]
    counts = status_counts(states)
    if args.json:
        say(json.dumps({"counts": counts, "views": [asdict(state) for state in states]}))
        return 0
    for line in columns(("case", "view", "review", "verdict", "similarity", "note"), [_row(each) for each in states]):
        say(line)
    for state in states:
        if state.problem:
            say(state.problem)
    say(f"{len(states)} views: " + (", ".join(f"{n} {status}" for status, n in counts.items() if n) or "none"))
    return 0


def _row(state: ViewState) -> tuple[str, ...]:
    similarity = "" if state.similarity is None else f"{state.similarity:.2f}"
    said = [state.by_role, state.date, state.note]
    return state.case_id, state.view, state.status, state.verdict, similarity, ", ".join(filter(None, said))
