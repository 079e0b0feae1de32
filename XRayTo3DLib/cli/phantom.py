"""``xrayto3d phantom``: synthetic forearms, knees and hips to try everything on without patient data."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from XRayTo3DLib.cli.console import Progress, say
from XRayTo3DLib.errors import InputError

if TYPE_CHECKING:
    from XRayTo3DLib.dataset.phantoms import PersonShape, PhantomCase
    from XRayTo3DLib.geometry import XRayCamera
    from XRayTo3DLib.imaging.types import Radiograph

EPILOG = """examples:
  xrayto3d phantom -o phantoms
  xrayto3d phantom -o phantoms --average --side left --views PA LAT
  xrayto3d phantom -o knees --anatomy knee --people 3 --views AP LAT
  xrayto3d phantom -o population --people 20 --seed 7 --spacing 1 --sex female --no-soft-tissue

Everything is SYNTHETIC: shapes computed from parameters, no patient and no real anatomy. Each folder holds ct.nrrd,
labels.seg.nrrd, landmarks.mrk.json, meshes/*.vtp, phantom.json and, with --views, views/*/radiograph.nrrd and
camera.json. All of them open in Slicer. Frame: LPS mm; forearms with fingers up and palm forward, knees and hips as
of a standing patient.
"""

ANATOMIES = ("forearm", "knee", "hip")
SPACING_MM = {"forearm": 0.6, "knee": 0.8, "hip": 0.8}
LENGTH_MM = 110.0
ENERGY_KEV = {"forearm": 38.0, "knee": 45.0, "hip": 55.0}
"""Effective energy of the simulated exposure: thicker regions are exposed with harder beams."""
COLUMNS = {
    "forearm": (
        ("inclination", "radial_inclination", "deg"),
        ("volar tilt", "volar_tilt", "deg"),
        ("variance", "ulnar_variance", "mm"),
        ("width", "distal_width", "mm"),
    ),
    "knee": (
        ("epicondylar", "epicondylar_width", "mm"),
        ("condyles AP", "condyle_depth", "mm"),
        ("plateau", "plateau_width", "mm"),
        ("slope", "plateau_slope", "deg"),
    ),
    "hip": (
        ("head", "head_diameter", "mm"),
        ("neck-shaft", "neck_shaft_angle", "deg"),
        ("anteversion", "anteversion", "deg"),
        ("offset", "femoral_offset", "mm"),
    ),
}
"""What the table shows: heading, measurement, unit."""

CUT_NOTE = "The flat ends of bones cut off at"


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the ``phantom`` sub-command to the main parser."""
    parser = subparsers.add_parser(
        "phantom",
        help="make synthetic forearms, knees or hips: CT, labels, landmarks, meshes, radiographs",
        description="Make SYNTHETIC forearms, knees or hips: CT, labels, landmarks, meshes and simulated radiographs.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER", help="gets one folder per person")
    parser.add_argument("--anatomy", choices=ANATOMIES, default="forearm", help="what to make (default forearm)")
    parser.add_argument("--people", type=int, default=1, metavar="N", help="how many different people (default 1)")
    parser.add_argument("--average", action="store_true", help="the average adult instead of drawn people")
    parser.add_argument("--seed", type=int, default=0, help="of people, texture and noise (default 0)")
    parser.add_argument("--spacing", type=float, metavar="MM", help="voxel size (default 0.6, knee and hip 0.8 mm)")
    parser.add_argument("--length", type=float, metavar="MM", help="of a forearm's bones below the joint (110 mm)")
    parser.add_argument("--sex", choices=("female", "male"), help="default: drawn")
    parser.add_argument("--side", choices=("left", "right"), help="default: drawn")
    parser.add_argument("--no-soft-tissue", action="store_true", help="bones in air")
    parser.add_argument("--no-carpals", action="store_true", help="a forearm without the hand")
    parser.add_argument(
        "--views", nargs="+", default=[], metavar="VIEW", help="radiographs to simulate: PA (knee, hip: AP), LAT"
    )
    parser.add_argument("--pixel", type=float, default=0.3, metavar="MM", help="pixel size of radiographs (0.3 mm)")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Make the phantoms and write their folders; returns the exit code."""
    _check_anatomy(args)
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
        _say_table(rows, args.anatomy)
    return 0


def _check_anatomy(args: argparse.Namespace) -> None:
    """Refuse what the anatomy does not have, and fill in its voxel size."""
    known = _views(args.anatomy)
    unknown = [view for view in args.views if view.upper() not in known]
    if unknown:
        raise InputError(f"view {unknown[0]!r} is not known; a {args.anatomy} phantom has {' and '.join(known)}.")
    if args.anatomy != "forearm" and (args.length is not None or args.no_carpals):
        raise InputError(f"--length and --no-carpals are for forearms, not for a {args.anatomy}; leave them out.")
    args.spacing = SPACING_MM[args.anatomy] if args.spacing is None else args.spacing


def _views(anatomy: str) -> tuple[str, ...]:
    from XRayTo3DLib.dataset.phantoms import exposures

    return {"forearm": exposures.WRIST_VIEWS, "knee": exposures.KNEE_VIEWS, "hip": exposures.HIP_VIEWS}[anatomy]


def _make_one(args: argparse.Namespace, number: int) -> dict[str, Any]:
    """Write one person's folder; returns its row of the table."""
    from XRayTo3DLib.dataset.case import write_case

    name = f"phantom-{number + 1:03d}"
    case = _case(args, number, name)
    pictures = {view.upper(): _expose(case, view.upper(), args) for view in args.views}
    files = write_case(case, args.output / name, pictures)
    notes = [note for picture in pictures.values() for note in picture.notes if note.startswith(CUT_NOTE)]
    return {
        "name": name,
        "folder": str(args.output / name),
        "parameters": case.shape.to_dict(),
        "measured": {key: round(value, 3) for key, value in _measured(case, args.anatomy).items()},
        "files": sorted(files),
        "notes": notes,
    }


def _case(args: argparse.Namespace, number: int, name: str) -> PhantomCase:
    from XRayTo3DLib.dataset import phantoms

    make = {"forearm": phantoms.make_forearm, "knee": phantoms.make_knee, "hip": phantoms.make_hip}[args.anatomy]
    options: dict[str, Any] = {"soft_tissue": not args.no_soft_tissue, "name": name}
    if args.anatomy == "forearm":
        options |= {"length_mm": LENGTH_MM if args.length is None else args.length, "carpals": not args.no_carpals}
    return make(_shape(args, number), spacing=args.spacing, seed=_seed(args, number), **options)


def _measured(case: PhantomCase, anatomy: str) -> dict[str, float]:
    from XRayTo3DLib.dataset import phantoms

    if anatomy == "forearm":
        return phantoms.measure_forearm(case.meshes, case.landmarks)
    return (phantoms.measure_knee if anatomy == "knee" else phantoms.measure_hip)(case.meshes)


def _seed(args: argparse.Namespace, number: int) -> int:
    """Seed of a person's texture and noise; no two (seed, person) share one."""
    import numpy as np

    return int(np.random.SeedSequence([args.seed, number]).generate_state(1)[0])


def _shape(args: argparse.Namespace, number: int) -> PersonShape:
    import numpy as np

    from XRayTo3DLib.dataset.phantoms import ForearmShape, HipShape, KneeShape

    kind = {"forearm": ForearmShape, "knee": KneeShape, "hip": HipShape}[args.anatomy]
    if args.average:
        return kind(side=args.side or "right", sex=args.sex or "")
    return kind.sample(np.random.default_rng([args.seed, number]), args.sex, args.side)


def _expose(case: PhantomCase, view: str, args: argparse.Namespace) -> Radiograph:
    from XRayTo3DLib.dataset import phantoms
    from XRayTo3DLib.dataset.simulate import simulate_radiograph

    cameras = {"forearm": phantoms.wrist_camera, "knee": phantoms.knee_camera, "hip": phantoms.hip_camera}
    camera = cameras[args.anatomy](view, side=case.shape.side, spacing_mm=args.pixel)
    picture = simulate_radiograph(
        case.ct,
        camera,
        energy_kev=ENERGY_KEV[args.anatomy],
        seed=(case.seed, 1 + _views(args.anatomy).index(view)),
        view=view,
        laterality=case.shape.side[0].upper(),
        name=f"{case.name} {view} (synthetic)",
    )
    if args.anatomy != "forearm":
        return picture
    length = LENGTH_MM if args.length is None else args.length
    return replace(picture, notes=(*picture.notes, *_cut_note(case, camera, view, length)))


def _cut_note(case: PhantomCase, camera: XRayCamera, view: str, length: float) -> tuple[str, ...]:
    """Said where the picture shows the bones' flat ends, which no real forearm has."""
    from XRayTo3DLib.shape.meshes import points_of

    for bone in ("radius", "ulna"):
        points = points_of(case.meshes[bone])
        ends = camera.project(points[points[:, 2] < points[:, 2].min() + 1.0])
        if ends[:, 1].min() < camera.size[1] - 0.5:
            return (f"{CUT_NOTE} {length:g} mm lie inside the {view} picture; take --length 110 or more.",)
    return ()


def _say_table(rows: list[dict[str, Any]], anatomy: str) -> None:
    columns = COLUMNS[anatomy]
    say(f"SYNTHETIC {anatomy}s: not real anatomy")
    say(f"{'':12} {'side':6} {'sex':7}" + "".join(f" {heading:>12}" for heading, _, _ in columns))
    for row in rows:
        shape, measured = row["parameters"], row["measured"]
        cells = [f"{measured[key]:.1f} {unit}" for _, key, unit in columns]
        say(f"{row['name']:12} {shape['side']:6} {shape['sex'] or '-':7}" + "".join(f" {cell:>12}" for cell in cells))
    for row in rows:
        for note in row["notes"]:
            say(f"note: {row['name']}: {note}")
        say(f"wrote {row['folder']}")
