"""``xrayto3d phantom``: synthetic forearms to try everything on without patient data."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from XRayTo3DLib.cli.console import Progress, say
from XRayTo3DLib.errors import InputError

if TYPE_CHECKING:
    from XRayTo3DLib.dataset.phantoms import ForearmShape, PhantomCase
    from XRayTo3DLib.geometry import XRayCamera
    from XRayTo3DLib.imaging.types import Radiograph

EPILOG = """examples:
  xrayto3d phantom -o phantoms
  xrayto3d phantom -o phantoms --average --side left --views PA LAT
  xrayto3d phantom -o population --people 20 --seed 7 --spacing 1 --sex female --no-soft-tissue

Everything is SYNTHETIC: shapes computed from parameters, no patient and no real anatomy. Each folder holds ct.nrrd,
labels.seg.nrrd, landmarks.mrk.json, meshes/*.vtp, phantom.json and, with --views, views/*/radiograph.nrrd and
camera.json. All of them open in Slicer. Frame: LPS mm, fingers up, palm forward.
"""

CUT_NOTE = "The flat ends of bones cut off at"


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the ``phantom`` sub-command to the main parser."""
    parser = subparsers.add_parser(
        "phantom",
        help="make synthetic forearms: CT, labels, landmarks, meshes, radiographs",
        description="Make SYNTHETIC distal forearms: CT, label map, landmarks, meshes and simulated radiographs.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER", help="gets one folder per person")
    parser.add_argument("--people", type=int, default=1, metavar="N", help="how many different people (default 1)")
    parser.add_argument("--average", action="store_true", help="the average adult instead of drawn people")
    parser.add_argument("--seed", type=int, default=0, help="of people, texture and noise (default 0)")
    parser.add_argument("--spacing", type=float, default=0.6, metavar="MM", help="voxel size (default 0.6 mm)")
    parser.add_argument("--length", type=float, default=110.0, metavar="MM", help="of bone below the joint (110 mm)")
    parser.add_argument("--sex", choices=("female", "male"), help="default: drawn")
    parser.add_argument("--side", choices=("left", "right"), help="default: drawn")
    parser.add_argument("--no-soft-tissue", action="store_true", help="bones in air")
    parser.add_argument("--no-carpals", action="store_true", help="radius and ulna without the hand")
    parser.add_argument("--views", nargs="+", default=[], metavar="VIEW", help="radiographs to simulate: PA LAT")
    parser.add_argument("--pixel", type=float, default=0.3, metavar="MM", help="pixel size of radiographs (0.3 mm)")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Make the phantoms and write their folders; returns the exit code."""
    from XRayTo3DLib.dataset.phantoms.exposures import WRIST_VIEWS

    unknown = [view for view in args.views if view.upper() not in WRIST_VIEWS]
    if unknown:
        raise InputError(f"view {unknown[0]!r} is not known; a phantom has {' and '.join(WRIST_VIEWS)}.")
    if not 0.05 <= args.pixel <= 5.0:
        raise InputError(f"the pixel size must lie between 0.05 and 5 mm, not {args.pixel:g}.")
    if args.people < 1 or args.seed < 0:
        raise InputError("--people must be 1 or more and --seed 0 or more.")
    progress = Progress("phantom", quiet=args.json)
    rows = []
    for number in range(args.people):
        progress.update(f"person {number + 1} of {args.people}", number / args.people)
        rows.append(_make_one(args, number))
    progress.done()
    if args.json:
        say(json.dumps({"synthetic": True, "cases": rows}))
    else:
        _say_table(rows)
    return 0


def _make_one(args: argparse.Namespace, number: int) -> dict[str, Any]:
    """Write one person's folder; returns its row of the table."""
    from XRayTo3DLib.dataset.case import write_case
    from XRayTo3DLib.dataset.phantoms import make_forearm, measure_forearm

    name = f"phantom-{number + 1:03d}"
    seed = _seed(args, number)
    case = make_forearm(
        _shape(args, number),
        spacing=args.spacing,
        length_mm=args.length,
        seed=seed,
        soft_tissue=not args.no_soft_tissue,
        carpals=not args.no_carpals,
        name=name,
    )
    pictures = {view.upper(): _expose(case, view.upper(), args) for view in args.views}
    files = write_case(case, args.output / name, pictures)
    notes = [note for picture in pictures.values() for note in picture.notes if note.startswith(CUT_NOTE)]
    return {
        "name": name,
        "folder": str(args.output / name),
        "parameters": case.shape.to_dict(),
        "measured": {key: round(value, 3) for key, value in measure_forearm(case.meshes, case.landmarks).items()},
        "files": sorted(files),
        "notes": notes,
    }


def _seed(args: argparse.Namespace, number: int) -> int:
    """Seed of a person's texture and noise; no two (seed, person) share one."""
    import numpy as np

    return int(np.random.SeedSequence([args.seed, number]).generate_state(1)[0])


def _shape(args: argparse.Namespace, number: int) -> ForearmShape:
    import numpy as np

    from XRayTo3DLib.dataset.phantoms import ForearmShape

    if args.average:
        return ForearmShape(side=args.side or "right", sex=args.sex or "")
    return ForearmShape.sample(np.random.default_rng([args.seed, number]), args.sex, args.side)


def _expose(case: PhantomCase, view: str, args: argparse.Namespace) -> Radiograph:
    from XRayTo3DLib.dataset.phantoms import wrist_camera
    from XRayTo3DLib.dataset.phantoms.exposures import WRIST_VIEWS
    from XRayTo3DLib.dataset.simulate import simulate_radiograph

    camera = wrist_camera(view, side=case.shape.side, spacing_mm=args.pixel)
    picture = simulate_radiograph(
        case.ct,
        camera,
        seed=(case.seed, 1 + WRIST_VIEWS.index(view)),
        view=view,
        laterality=case.shape.side[0].upper(),
        name=f"{case.name} {view} (synthetic)",
    )
    return replace(picture, notes=(*picture.notes, *_cut_note(case, camera, view, args.length)))


def _cut_note(case: PhantomCase, camera: XRayCamera, view: str, length: float) -> tuple[str, ...]:
    """Said where the picture shows the bones' flat ends, which no real forearm has."""
    from XRayTo3DLib.shape.meshes import points_of

    for bone in ("radius", "ulna"):
        points = points_of(case.meshes[bone])
        ends = camera.project(points[points[:, 2] < points[:, 2].min() + 1.0])
        if ends[:, 1].min() < camera.size[1] - 0.5:
            return (f"{CUT_NOTE} {length:g} mm lie inside the {view} picture; take --length 110 or more.",)
    return ()


def _say_table(rows: list[dict[str, Any]]) -> None:
    say("SYNTHETIC forearms: not real anatomy")
    say(f"{'':12} {'side':6} {'sex':7} {'inclination':>11} {'volar tilt':>10} {'variance':>9} {'width':>7}")
    for row in rows:
        shape, measured = row["parameters"], row["measured"]
        say(
            f"{row['name']:12} {shape['side']:6} {shape['sex'] or '-':7} {measured['radial_inclination']:7.1f} deg "
            f"{measured['volar_tilt']:6.1f} deg {measured['ulnar_variance']:6.1f} mm {measured['distal_width']:4.1f} mm"
        )
    for row in rows:
        for note in row["notes"]:
            say(f"note: {row['name']}: {note}")
        say(f"wrote {row['folder']}")
