"""``xrayto3d benchmark``: how well registration does, on SYNTHETIC radiographs whose truth is known."""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from XRayTo3DLib import __version__
from XRayTo3DLib.cli.console import Progress, say
from XRayTo3DLib.cli.ct_options import add_ct_options, read_ct_bone
from XRayTo3DLib.cli.folders import remove_stale, require_folder_name
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import write_bytes, write_json, write_text

if TYPE_CHECKING:
    from XRayTo3DLib.evaluation.registration_setups import TrialAnatomy
    from XRayTo3DLib.evaluation.registration_study import Solve, TrialOutcome
    from XRayTo3DLib.evaluation.registration_trials import TrialMaker

    Groups = dict[str, list[TrialOutcome]]

FORMAT = "xrayto3d.registration_benchmark/1"
INTERRUPTED = 130
CT_ENERGY_KEV = 60.0
CAPTURE_REACHES = (1.0, 2.0, 3.0)
ANATOMIES = ("wrist", "knee", "hip")
MOVING = ("bone", "limb", "surroundings")
EPILOG = """examples:
  xrayto3d benchmark registration --anatomy knee -o bench
  xrayto3d benchmark registration --anatomy wrist --views 1 --difficulty hard --seeds 10 -o bench
  xrayto3d benchmark registration --anatomy hip --views 1 --capture -o capture
  xrayto3d benchmark registration --ct ct.nrrd --labels labels.seg.nrrd --label femur -o bench --json

Each seed is one trial: SYNTHETIC radiographs (512 x 512 pixels on 300 mm, SDD 1020 mm, bone at 700 mm) with soft
tissue, scatter, noise, unknown gain and offset, and a start that is wrong by up to 10 degrees, 10 mm in the plane of
the first view and 20 mm in depth along each axis, times --reach. In hard pictures the bone moves by itself (8 degrees,
5 mm) among the others, with metal and more noise. The folder gets trials.csv, summary.json and capture_range.png.
Ctrl-C keeps what was done. No name or path of the CT is written.
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the ``benchmark`` sub-command to the main parser."""
    parser = subparsers.add_parser(
        "benchmark",
        help="measure registration on synthetic radiographs: errors, success, capture range, seconds",
        description="Measure this program on SYNTHETIC radiographs whose truth is known.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = parser.add_subparsers(title="benchmarks", metavar="BENCHMARK", required=True)
    registration = kinds.add_parser(
        "registration",
        help="random wrong starts: mTRE, success rates, capture range, seconds, what the verdict is worth",
        description="Register SYNTHETIC radiographs from random wrong starts and compare with the known truth.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = registration.add_argument
    add("-o", "--output", type=Path, required=True, metavar="FOLDER", help="folder for the results")
    which = registration.add_mutually_exclusive_group()
    which.add_argument("--anatomy", choices=ANATOMIES, default="wrist", help="a phantom's bone (default wrist)")
    which.add_argument("--ct", type=Path, metavar="CT", help="your own CT instead, with --labels and --label")
    add("--views", type=int, choices=(1, 2), default=2, help="how many: AP (wrist: PA), lateral (default 2)")
    add("--difficulty", choices=("easy", "hard"), default="easy", help="of the pictures (default easy)")
    add("--moving", choices=MOVING, help="what is registered (default: easy the limb, hard surroundings)")
    add("--reach", type=float, default=1.0, metavar="X", help="how wrong starts are, times 10 deg, 10 mm, 20 mm (1)")
    add("--capture", action="store_true", help="run reaches 1, 2 and 3 (times --reach), for the capture range")
    add("--seeds", type=int, default=40, metavar="N", help="trials per reach (default 40)")
    add("--first-seed", type=int, default=0, metavar="N", help="seeds are N, N + 1, ... (default 0)")
    add("--engine", choices=("auto", "torch", "numba"), default="auto", help="projector (default auto)")
    add("--json", action="store_true", help="print one JSON object and nothing else")
    add_ct_options(registration)
    # Each phantom has an energy of its own.
    registration.set_defaults(run=run, energy=None)


def run(args: argparse.Namespace) -> int:
    """Run the trials, write the files, print the table; returns the exit code."""
    _check(args)
    from XRayTo3DLib.evaluation.registration_setups import registered_parts, trial_cameras, usual_moving
    from XRayTo3DLib.evaluation.registration_study import registration_solver
    from XRayTo3DLib.evaluation.registration_trials import DIFFICULTIES, Reach, TrialMaker

    difficulty = DIFFICULTIES[args.difficulty]
    args.moving = args.moving or usual_moving(difficulty)
    progress = Progress("benchmark", quiet=args.json)
    progress.update("preparing the anatomy")
    anatomy = _anatomy(args)
    solve = registration_solver(*registered_parts(anatomy, args.moving, difficulty), engine=args.engine)
    cameras = trial_cameras(anatomy.views[: args.views])
    maker = TrialMaker(anatomy.ct, anatomy.label, cameras, difficulty, None, anatomy.energy_kev)
    makers = {f"reach {reach:g}": maker.reaching(Reach().times(reach)) for reach in _reaches(args)}
    remove_stale(args.output, "summary.json")
    remove_stale(args.output, "capture_range.png")
    groups: Groups = {}
    interrupted = False
    try:
        _run_all(makers, solve, args, groups, progress)
    except KeyboardInterrupt:
        if not groups:
            raise
        interrupted = True
    progress.done()
    _finish(groups, anatomy, args, interrupted)
    return INTERRUPTED if interrupted else 0


def _check(args: argparse.Namespace) -> None:
    """Refuse what would only fail after the work."""
    require_folder_name(args.output)
    if args.seeds < 1 or args.first_seed < 0:
        raise InputError("--seeds must be 1 or more and --first-seed 0 or more.")
    if not 0 < args.reach < math.inf:
        raise InputError(f"--reach must be greater than 0, not {args.reach:g}.")
    if args.ct is not None and args.labels is None:
        raise InputError("--ct needs the label map that says which bone to find; give --labels FILE.")
    if args.ct is None and (args.labels is not None or args.label is not None):
        raise InputError("--labels and --label belong to a CT of yours; give --ct FILE as well.")


def _reaches(args: argparse.Namespace) -> list[float]:
    return [factor * args.reach for factor in (CAPTURE_REACHES if args.capture else (1.0,))]


def _anatomy(args: argparse.Namespace) -> TrialAnatomy:
    from XRayTo3DLib.evaluation.registration_setups import TrialAnatomy, phantom_anatomy

    if args.ct is None:
        return phantom_anatomy(args.anatomy, args.energy)
    args.energy = CT_ENERGY_KEV if args.energy is None else args.energy
    ct, _ = read_ct_bone(args.ct, args)
    label = args.label if args.label is not None else next(iter(ct.label_names))
    return TrialAnatomy("your CT", ct, label, energy_kev=args.energy)


def _run_all(
    makers: Mapping[str, TrialMaker], solve: Solve, args: argparse.Namespace, groups: Groups, progress: Progress
) -> None:
    """Fill ``groups`` trial by trial, and write them down after each."""
    from XRayTo3DLib.evaluation.registration_study import run_trials, trials_csv

    seeds = range(args.first_seed, args.first_seed + args.seeds)
    total = len(makers) * len(seeds)
    for name, maker in makers.items():
        for outcome in run_trials(maker, solve, seeds):
            groups.setdefault(name, []).append(outcome)
            write_text(args.output / "trials.csv", trials_csv(groups))
            done = sum(map(len, groups.values()))
            found = outcome.problem or f"mTRE {outcome.end.mtre_mm:.3g} mm from {outcome.start.mtre_mm:.1f} mm"
            progress.update(f"{name}, seed {outcome.seed}: {found} in {outcome.seconds:.1f} s", done / total)


def _finish(groups: Groups, anatomy: TrialAnatomy, args: argparse.Namespace, interrupted: bool) -> None:
    """Write summary and picture, and print them."""
    from XRayTo3DLib.evaluation.capture_range import capture_curves
    from XRayTo3DLib.evaluation.registration_figures import capture_figure
    from XRayTo3DLib.evaluation.registration_study import summarise, table_text

    everything = [outcome for group in groups.values() for outcome in group]
    if all(outcome.problem for outcome in everything):
        raise InputError(f"no trial had a result: {everything[-1].problem}")
    summaries = {name: summarise(group) for name, group in groups.items()}
    curves = capture_curves(everything)
    files = {name: args.output / name for name in ("trials.csv", "summary.json", "capture_range.png")}
    content = {
        "format": FORMAT,
        "synthetic": True,
        "version": __version__,
        "interrupted": interrupted,
        "settings": _settings(anatomy, args),
        "groups": {name: summary.to_dict() for name, summary in summaries.items()},
        "capture": [curve.to_dict() for curve in curves],
    }
    write_json(files["summary.json"], content)
    write_bytes(files["capture_range.png"], capture_figure(curves, _title(anatomy, args)))
    if args.json:
        say(json.dumps({**content, "files": {name: str(path) for name, path in files.items()}}))
        return
    say(f"SYNTHETIC registration trials: {_title(anatomy, args)}")
    say(table_text(summaries))
    for curve in curves:
        say(f"capture range, {curve.success}: {curve.text}")
    for outcome in everything:
        if outcome.problem:
            say(f"note: seed {outcome.seed}: {outcome.problem}")
    if interrupted:
        say(f"interrupted after {len(everything)} of {len(_reaches(args)) * args.seeds} trials; those are kept.")
    for path in files.values():
        say(f"wrote {path}")


def _title(anatomy: TrialAnatomy, args: argparse.Namespace) -> str:
    views = " + ".join(anatomy.views[: args.views])
    what = {"bone": "the bone alone", "limb": "the limb", "surroundings": "the bone in its surroundings"}[args.moving]
    return f"{anatomy.name}, {anatomy.label}, {views}, {args.difficulty} pictures, {what} registered"


def _settings(anatomy: TrialAnatomy, args: argparse.Namespace) -> dict[str, Any]:
    """What was run, where; nothing that tells whose CT it is."""
    from XRayTo3DLib.evaluation.registration_setups import FIELD_MM, PIXELS, SDD_MM, SOURCE_BONE_MM
    from XRayTo3DLib.evaluation.registration_trials import Reach
    from XRayTo3DLib.projection.engines import engine_note

    return {
        "anatomy": anatomy.name,
        "label": anatomy.label,
        "synthetic_anatomy": anatomy.ct.synthetic,
        "views": list(anatomy.views[: args.views]),
        "difficulty": args.difficulty,
        "moving": args.moving,
        "energy_kev": anatomy.energy_kev,
        "start_at_reach_1": asdict(Reach()),
        "reaches": _reaches(args),
        "seeds": args.seeds,
        "first_seed": args.first_seed,
        "camera": {"pixels": PIXELS, "field_mm": FIELD_MM, "sdd_mm": SDD_MM, "source_bone_mm": SOURCE_BONE_MM},
        "engine": engine_note("cpu", args.engine),
        "threads": 1,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPU cores",
    }
