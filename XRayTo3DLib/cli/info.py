"""``xrayto3d info``: what a radiograph file is, what it says about its geometry and what is missing."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from XRayTo3DLib.cli.console import complain, say
from XRayTo3DLib.errors import XRayTo3DError

if TYPE_CHECKING:
    from XRayTo3DLib.imaging.radiograph_info import RadiographInfo

EPILOG = """examples:
  xrayto3d info wrist_ap.dcm wrist_lat.dcm
  xrayto3d info knee.png --json

Never prints patient data. Exit code 0 when every file can be read (even if something is missing), else 2.
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the ``info`` sub-command to the main parser."""
    parser = subparsers.add_parser(
        "info",
        help="what radiograph files are, their geometry, and what is missing",
        description="What radiograph files are, what they say about spacing and geometry, and what is missing.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("radiographs", nargs="+", type=Path, metavar="RADIOGRAPH", help="DICOM, PNG, TIFF, NRRD, ...")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print what is known of each file; unreadable ones are reported and the rest still shown."""
    from XRayTo3DLib.imaging.radiograph_info import inspect_radiograph

    found: list[dict[str, object]] = []
    failed = 0
    for path in args.radiographs:
        try:
            info = inspect_radiograph(path)
        except XRayTo3DError as error:
            failed += 1
            found.append({"file": str(path), "error": str(error)})
            complain(f"error: {error}")
            continue
        found.append({"file": str(path), **info.to_dict()})
        if not args.json:
            say("\n".join(info_lines(path, info)) + "\n")
    if args.json:
        say(json.dumps({"format": "xrayto3d.info/1", "radiographs": found}, indent=2))
    return 2 if failed else 0


def info_lines(path: Path, info: RadiographInfo) -> list[str]:
    """The human form of an info: a title and one line per fact."""
    facts = [
        ("picture", _picture(info)),
        ("view", " ".join(part for part in (info.view or "not known", _side(info.laterality)) if part)),
        ("intensity", _intensity(info)),
        *[
            ("spacing", f"{fact.value[0]:.5g} x {fact.value[1]:.5g} mm, {fact.tag}: {fact.meaning}")
            for fact in info.spacings
        ],
        ("SDD", "not stated" if info.sdd is None else f"{info.sdd:g} mm (source to detector)"),
    ]
    if not info.spacings:
        facts.insert(3, ("spacing", "not stated"))
    if info.source_patient is not None:
        facts.append(("to patient", f"{info.source_patient:g} mm (source to table or patient, not to the bone)"))
    if info.magnification is not None:
        facts.append(("magnification", f"{info.magnification:g} (estimated, at the object)"))
    if info.angles_deg is not None:
        facts.append(("positioner", f"{info.angles_deg[0]:g} (LAO +), {info.angles_deg[1]:g} (CRA +) degrees"))
    facts += [("note", note) for note in info.notes]
    facts.append(("missing" if info.missing else "complete", info.advice or "it can be used as it is"))
    return [f"{path}", *[f"  {title:<14}{text}" for title, text in facts]]


def _picture(info: RadiographInfo) -> str:
    parts = [
        " ".join(part for part in (info.kind, info.modality) if part),
        f"{info.size[0]} x {info.size[1]} pixels",
        f"{info.frames} frames" if info.frames > 1 else "",
        f"{info.bits} bit",
        info.photometric,
        info.compression,
        "SYNTHETIC" if info.synthetic else "",
    ]
    return ", ".join(part for part in parts if part)


def _intensity(info: RadiographInfo) -> str:
    stated = f"{info.intensity_relation}, " if info.intensity_relation else ""
    doubt = "" if info.intensity_confident else " (weak evidence: check, or set --intensity)"
    return f"{stated}read as {info.intensity}: {info.intensity_reason}{doubt}"


def _side(laterality: str) -> str:
    return {"L": "left", "R": "right"}.get(laterality, "")
