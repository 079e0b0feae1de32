"""``xrayto3d camera``: write the ``camera.json`` that the other commands want."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from XRayTo3DLib.cli.console import say
from XRayTo3DLib.errors import InputError, MissingInformationError
from XRayTo3DLib.files import file_suffix

if TYPE_CHECKING:
    from XRayTo3DLib.geometry import XRayCamera

EPILOG = """examples:
  xrayto3d camera --sdd 1000 --spacing 0.2 0.2 --size 1200 1500 --view PA -o pa.json
  xrayto3d camera --sdd 1000 --spacing 0.2 0.2 --size 1200 1500 --view LAT --source-isocentre 950 -o lat.json
  xrayto3d camera cam01_calibration.txt --sdd 1200 -o cam01.json
  xrayto3d camera wrist.dcm -o wrist.json

From numbers: a source, and a detector at right angles to the central ray, round the world's origin (LPS mm).
From a calibration: XMALab or Autoscoper text, or JSON with OpenCV's K, R, t and size (pixels and mm).
From DICOM: what the header says; what it lacks is asked for with the same options.
"""

CALIBRATIONS = (".txt", ".json")
# The options that mean something, by what the camera is made from.
STANDARD = frozenset({"sdd", "spacing", "size", "view", "source_isocentre", "principal_point", "angles"})
CALIBRATION = frozenset({"sdd", "from_corner", "y_up"})
RADIOGRAPH = frozenset({"sdd", "spacing", "spacing_kind", "view", "source_isocentre", "magnification", "frame"})


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the ``camera`` sub-command to the main parser."""
    parser = subparsers.add_parser(
        "camera",
        help="write a camera.json: from numbers, a calibration file or a DICOM header",
        description="Write the geometry of an X-ray exposure as camera.json.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("source", type=Path, nargs="?", metavar="FILE", help="calibration (.txt, .json) or DICOM file")
    add("-o", "--output", type=Path, required=True, metavar="JSON", help="the camera.json to write")
    add("--sdd", type=float, metavar="MM", help="source to detector distance")
    add("--spacing", type=float, nargs=2, metavar=("COL", "ROW"), help="pixel spacing on the detector, mm")
    add("--spacing-kind", choices=("detector", "calibrated"), help="where a DICOM file's spacing holds")
    add("--size", type=int, nargs=2, metavar=("COLUMNS", "ROWS"), help="pixels of the picture")
    add("--view", type=str.upper, metavar="VIEW", help="AP, PA, LAT (= LL) or RL")
    add("--source-isocentre", type=float, metavar="MM", help="source to isocentre; default: isocentre on the detector")
    add("--magnification", type=float, metavar="M", help="carries a calibrated spacing to the detector")
    add(
        "--principal-point",
        type=float,
        nargs=2,
        metavar=("COL", "ROW"),
        help="pixel of the central ray (default middle)",
    )
    add("--angles", type=float, nargs=2, metavar=("P", "S"), help="C-arm angles, degrees (LAO, CRA +)")
    add("--from-corner", action="store_true", help="the calibration counts pixels from the picture's corner")
    add("--y-up", action="store_true", help="the calibration counts rows upwards from the bottom")
    add("--frame", type=int, metavar="N", help="frame of a multi-frame DICOM file, counted from 0")
    add("--json", action="store_true", help="print one JSON object and nothing else")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Make the camera and write it; returns the exit code."""
    if args.output.suffix.lower() != ".json":
        raise InputError(f"output {args.output.name}: a camera is written as .json.")
    camera = _camera(args)
    camera.save(args.output)
    facts = {
        "output": str(args.output),
        "sdd_mm": round(camera.sdd, 3),
        "spacing_mm": [round(value, 6) for value in camera.spacing],
        "size": list(camera.size),
        "principal_point": [round(float(value), 3) for value in camera.principal_point],
    }
    if args.json:
        say(json.dumps(facts))
        return 0
    say(f"SDD {facts['sdd_mm']:g} mm, spacing {camera.spacing[0]:.4g} x {camera.spacing[1]:.4g} mm on the detector,")
    column, row = facts["principal_point"]
    say(f"{camera.size[0]} x {camera.size[1]} pixels, central ray at column {column:g}, row {row:g}")
    say(f"wrote {args.output}")
    return 0


def _camera(args: argparse.Namespace) -> XRayCamera:
    if args.source is None:
        _refuse_others(args, STANDARD, "a camera from numbers")
        return _standard(args)
    if file_suffix(args.source) in CALIBRATIONS:
        _refuse_others(args, CALIBRATION, "a calibration file")
        return _calibrated(args)
    _refuse_others(args, RADIOGRAPH, "a radiograph")
    from XRayTo3DLib.imaging.radiograph_reader import read_radiograph

    return read_radiograph(
        args.source,
        frame=args.frame,
        spacing=None if args.spacing is None else tuple(args.spacing),
        spacing_kind=args.spacing_kind,
        sdd=args.sdd,
        source_isocentre=args.source_isocentre,
        magnification=args.magnification,
        view=args.view,
    ).camera


def _refuse_others(args: argparse.Namespace, known: frozenset[str], what: str) -> None:
    """Options that would be dropped silently are an error."""
    given = {name for name in STANDARD | CALIBRATION | RADIOGRAPH if getattr(args, name) not in (None, False)}
    others = sorted(given - known)
    if others:
        options = ", ".join("--" + name.replace("_", "-") for name in others)
        raise InputError(f"{options} means nothing for {what}; leave it out.")


def _calibrated(args: argparse.Namespace) -> XRayCamera:
    from XRayTo3DLib.imaging.calibration_files import read_calibration

    if args.sdd is None:
        raise MissingInformationError(
            "a pinhole calibration does not say how far the detector is; give --sdd MM (any value near the real "
            "one: projections do not depend on it).",
            ("sdd",),
        )
    return read_calibration(args.source, args.sdd, from_corner=args.from_corner, y_up=args.y_up)


def _standard(args: argparse.Namespace) -> XRayCamera:
    from XRayTo3DLib.geometry.calibration import standard_camera

    needed = {"sdd": args.sdd, "spacing": args.spacing, "size": args.size, "view": args.view}
    absent = tuple(name for name, value in needed.items() if value is None)
    if absent:
        options = ", ".join(f"--{name}" for name in absent)
        raise MissingInformationError(f"without a file, a camera needs {options} as well.", absent)
    return standard_camera(
        args.sdd,
        tuple(args.spacing),
        tuple(args.size),
        source_isocentre=args.source_isocentre,
        view=args.view,
        principal_point=None if args.principal_point is None else tuple(args.principal_point),
        angles_deg=(0.0, 0.0) if args.angles is None else tuple(args.angles),
    )
