"""``xrayto3d dataset synthetic``: data sets of SYNTHETIC wrists, knees and hips."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from XRayTo3DLib.cli.console import Progress, say
from XRayTo3DLib.cli.dataset_options import add_action, add_work_options, parse_shard
from XRayTo3DLib.cli.folders import require_folder_name
from XRayTo3DLib.errors import InputError

PEOPLE = {"wrist": 240, "knee": 200, "hips": 160}
"""How many people are made if nothing is said."""
PERSON_BYTES = {"wrist": 1.2e6, "knee": 4e6, "hips": 10e6}
"""What a person takes on the disk at the usual voxel size, about; with soft tissue three times that."""
SPACING_MM = {"wrist": 1.0, "knee": 1.5, "hips": 2.0}
NAMES = {"wrist": "wrists", "knee": "right knees", "hips": "hips"}
SYNTHETIC_OPTIONS = {
    "wrist": ("--length", "--turn-sd", "--soft-tissue"),
    "hips": ("--exposures", "--pixel-mm", "--diseased-share"),
}


def add_synthetic(actions: argparse._SubParsersAction) -> None:
    """Add the ``synthetic`` action."""
    parser = add_action(actions, "synthetic", "make a data set of SYNTHETIC wrists, knees or hips", _synthetic)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER", help="the data set")
    parser.add_argument("--anatomy", choices=tuple(PEOPLE), default="wrist", help="what to make (default wrist)")
    parser.add_argument("--people", type=int, metavar="N", help="to train on (240 wrists, 200 knees, 160 hips)")
    parser.add_argument("--test", type=int, default=40, metavar="N", help="further people to test on (default 40)")
    parser.add_argument("--seed", type=int, default=0, help="of people, texture and how they are held (default 0)")
    parser.add_argument("--spacing", type=float, metavar="MM", help="voxel size (wrists 1 mm, knees 1.5 mm, hips 2 mm)")
    wrist = parser.add_argument_group("wrists")
    wrist.add_argument("--length", type=float, metavar="MM", help="of the bones below the joint (80 mm)")
    wrist.add_argument("--turn-sd", type=float, metavar="DEG", help="SD of pro- and supination (4 deg)")
    wrist.add_argument("--soft-tissue", action="store_true", help="whole limbs with the hand's bones, not bones in air")
    hips = parser.add_argument_group("hips")
    hips.add_argument("--exposures", type=int, metavar="N", help="AP radiographs per person (4)")
    hips.add_argument("--pixel-mm", type=float, metavar="MM", help="pixel pitch on the detector (1.2 mm)")
    hips.add_argument("--diseased-share", type=float, metavar="SHARE", help="people with osteoarthritis (0.25)")
    add_work_options(parser)


def _synthetic(args: argparse.Namespace) -> int:
    options = _population_options(args)
    require_folder_name(args.output, _needed_bytes(args, options))
    progress = Progress("dataset", quiet=args.json)
    path = _writer(args.anatomy)(args.output, seed=args.seed, test=args.test, report=progress.update, **options)
    progress.done()
    people, what = options["people"], NAMES[args.anatomy]
    if args.json:
        say(json.dumps({"synthetic": True, "dataset": str(path), "people": people, "test": args.test}))
    else:
        say(f"SYNTHETIC {what}, not real anatomy: {people} to train on, {args.test} to test on, in {args.output}")
    return 0


def _needed_bytes(args: argparse.Namespace, options: dict[str, Any]) -> float:
    """About what the people that are not there yet will take."""
    usual, spacing = PERSON_BYTES[args.anatomy], SPACING_MM[args.anatomy]
    each = usual * (3 if args.soft_tissue else 1) * max(1.0, (spacing / max(args.spacing or spacing, 0.1)) ** 3)
    people = max(0, options["people"] + args.test)
    there = sum(1 for _ in (args.output / "cases").glob("*/ct.nrrd"))
    return max(0, people - there) / max(1, options["shard"][1]) * each


def _writer(anatomy: str) -> Callable[..., Path]:
    if anatomy == "hips":
        from XRayTo3DLib.dataset.hip_population import write_hip_population

        return write_hip_population
    if anatomy == "knee":
        from XRayTo3DLib.dataset.knee_population import write_knee_population

        return write_knee_population
    from XRayTo3DLib.dataset.population import write_population

    return write_population


def _population_options(args: argparse.Namespace) -> dict[str, Any]:
    """What the anatomy's writer is called with; options of the other anatomy are refused."""
    given = {
        "wrist": {"length_mm": args.length, "turn_sd_deg": args.turn_sd, "soft_tissue": args.soft_tissue or None},
        "knee": {},
        "hips": {"exposures": args.exposures, "pixel_mm": args.pixel_mm, "diseased_share": args.diseased_share},
    }
    for anatomy, options in given.items():
        if anatomy != args.anatomy and any(value is not None for value in options.values()):
            raise InputError(f"{' and '.join(SYNTHETIC_OPTIONS[anatomy])} are for --anatomy {anatomy}; leave them out.")
    options = {name: value for name, value in given[args.anatomy].items() if value is not None}
    if args.spacing is not None:
        options["spacing"] = args.spacing
    people = PEOPLE[args.anatomy] if args.people is None else args.people
    return {"people": people, "workers": args.workers, "shard": parse_shard(args.shard), **options}
