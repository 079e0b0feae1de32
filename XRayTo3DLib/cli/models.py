"""``xrayto3d models``: trained models: which there are, what they are, whether whole; calibrate their uncertainty."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from XRayTo3DLib.cli.console import say
from XRayTo3DLib.errors import InputError

if TYPE_CHECKING:
    from XRayTo3DLib.models.bundle import LoadedBundle

EPILOG = """examples:
  xrayto3d models list
  xrayto3d models list my_models --json
  xrayto3d models show my_models/wrist
  xrayto3d models verify my_models/wrist
  xrayto3d models install downloads/wrist.zip
  xrayto3d models remove wrist
  xrayto3d models calibrate ssim/bundle --data wrists --people 60 -o ssim_calibrated

A model is a bundle: a folder with bundle.json and *.safetensors. BUNDLE is such a folder, or the name of an installed
one: those that come with XRayTo3D, and those in the folder XRAYTO3D_MODELS (default .xrayto3d/models at home).
Every command checks all checksums; a changed, cut or missing file and a pickled one are refused (exit code 2).
With --json one JSON object is printed and nothing else.
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the ``models`` sub-command to the main parser."""
    parser = subparsers.add_parser(
        "models",
        help="list, show, verify, install trained models",
        description="Trained models: which there are, what they are, whether they are whole.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="one line per model bundle", description="One line per model bundle.")
    listing.add_argument("folders", type=Path, nargs="*", metavar="FOLDER", help="where to look (default: installed)")
    show = actions.add_parser("show", help="a bundle's card", description="Print a bundle's card.")
    verify = actions.add_parser("verify", help="check a bundle", description="Check every file and every weight.")
    _add_installing(actions)
    calibrate = actions.add_parser(
        "calibrate",
        help="make a model's refinements say honestly how sure they are",
        description="Refine people of known bones, and write the bundle again with an uncertainty that holds.",
    )
    _add_calibration(calibrate)
    for action, run in ((listing, run_list), (show, run_show), (verify, run_verify), (calibrate, run_calibrate)):
        if action is not listing:
            action.add_argument("bundle", metavar="BUNDLE", help="bundle folder, or name of an installed one")
        action.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
        action.set_defaults(run=run)


def _add_installing(actions: argparse._SubParsersAction) -> None:
    install = actions.add_parser(
        "install", help="copy bundles to where they are found by name", description="Verify bundles and copy them."
    )
    install.add_argument("source", type=Path, metavar="SOURCE", help="folder or .zip of a bundle, or of some")
    install.add_argument("--replace", action="store_true", help="take the place of an installed one of that name")
    remove = actions.add_parser("remove", help="delete an installed bundle", description="Delete an installed bundle.")
    remove.add_argument("bundle", metavar="BUNDLE", help="its name, or its folder")
    for action, run in ((install, run_install), (remove, run_remove)):
        action.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
        action.set_defaults(run=run)


def run_install(args: argparse.Namespace) -> int:
    """Verify bundles and copy them into the person's own folder; returns the exit code."""
    from XRayTo3DLib.models.install import install_bundles

    paths = [str(path) for path in install_bundles(args.source, replace=args.replace)]
    say(json.dumps({"installed": paths}) if args.json else "\n".join(f"installed {path}" for path in paths))
    return 0


def run_remove(args: argparse.Namespace) -> int:
    """Delete a bundle from the person's own folder; returns the exit code."""
    from XRayTo3DLib.models.find import bundle_path
    from XRayTo3DLib.models.install import remove_bundle

    path = bundle_path(args.bundle)
    remove_bundle(path)
    say(json.dumps({"removed": str(path)}) if args.json else f"removed {path}")
    return 0


def _add_calibration(action: argparse.ArgumentParser) -> None:
    add = action.add_argument
    add("--data", type=Path, required=True, metavar="FOLDER", help="data set of others than the model learnt from")
    add("-o", "--output", type=Path, required=True, metavar="FOLDER", help="the new bundle")
    add("--people", type=int, default=60, metavar="N", help="how many of the data set's training people (60)")
    add("--skip", type=int, default=0, metavar="N", help="leave out the first N of them (0)")
    add("--views", action="append", metavar="PA,LAT", help="a set of views for each number (PA,LAT and PA)")
    add("--seed", type=int, default=0, metavar="N", help="of exposures (0)")


def run_calibrate(args: argparse.Namespace) -> int:
    """Refine people of known bones and write the bundle with calibrated uncertainty; returns the exit code."""
    from XRayTo3DLib.cli.console import Progress
    from XRayTo3DLib.cli.folders import require_folder_name
    from XRayTo3DLib.cli.models_used import loaded_model
    from XRayTo3DLib.experiments.refinement_calibration import calibrate, calibrated_bundle
    from XRayTo3DLib.methods.refiner import Refiner
    from XRayTo3DLib.models import load_bundle
    from XRayTo3DLib.models.find import bundle_path
    from XRayTo3DLib.refinement.calibration import LEVELS

    require_folder_name(args.output)
    if args.people < 1 or args.skip < 0 or args.seed < 0:
        raise InputError("--people must be 1 or more, --skip and --seed 0 or more.")
    progress = Progress("calibrate", quiet=args.json)
    refiner = Refiner(loaded_model(args.bundle, "shape-intensity-fit"))
    views = [tuple(each.split(",")) for each in args.views or ["PA,LAT", "PA"]]
    found = calibrate(
        refiner, args.data, views=views, people=args.people, skip=args.skip, seed=args.seed, report=progress.update
    )
    loaded = load_bundle(bundle_path(args.bundle))
    written = calibrated_bundle(loaded, found, args.data.name, args.output)
    progress.done()
    if args.json:
        say(json.dumps({"bundle": str(written), "calibrated": load_bundle(written).bundle.training}))
        return 0
    for each in found:
        floors = ", ".join(f"{bone} {floor:.2f}" for bone, floor in each.trust.floor_mm.items())
        trust = each.trust
        say(
            f"{each.views} view(s), {each.people} people: temperature {trust.temperature:.3g}, floors {floors} mm, "
            f"{trust.misfit_mm:.3g} mm per misfit above {trust.usual_misfit:.2f}"
        )
        for bone, held in each.coverage.items():
            shares = "  ".join(f"{100 * p:g} %: {100 * seen:.0f} %" for p, seen in zip(LEVELS, held, strict=True))
            say(f"  {bone:<10} intervals hold  {shares}")
    say(f"bundle: {written}")
    return 0


def run_list(args: argparse.Namespace) -> int:
    """Print a line per bundle, also of those that cannot be used; returns the exit code."""
    from XRayTo3DLib.models import load_bundle
    from XRayTo3DLib.models.find import find_bundles, shipped_models_folder, user_models_folder

    for folder in args.folders:
        if not folder.is_dir():
            raise InputError(f"there is no folder {folder}; name a folder that holds model bundles.")
    folders = args.folders or [user_models_folder(), shipped_models_folder()]
    rows: list[dict[str, Any]] = []
    for path in find_bundles(folders):
        try:
            rows.append(_summary(load_bundle(path)))
        except InputError as error:
            rows.append({"name": path.name, "folder": str(path), "error": str(error)})
    if args.json:
        say(json.dumps({"bundles": rows}))
        return 0
    for row in rows:
        say(_line(row))
    if not rows:
        say(f"no model bundle in {', '.join(map(str, folders))}")
    return 0


def run_show(args: argparse.Namespace) -> int:
    """Print a bundle's card; returns the exit code."""
    from XRayTo3DLib.models import card_text, load_bundle
    from XRayTo3DLib.models.find import bundle_path

    loaded = load_bundle(bundle_path(args.bundle))
    if args.json:
        say(json.dumps({**_summary(loaded), "bundle": loaded.bundle.to_dict()}))
        return 0
    say(card_text(loaded.bundle))
    if loaded.unknown:
        say(f"This XRayTo3D does not know, and passes over: {', '.join(loaded.unknown)}. Update it to read all of it.")
    if loaded.networks:
        say(f"Weights are kept as {loaded.stored} and computed with as float32.")
    say(f"{loaded.folder}: {_megabytes(loaded.size)}, written by XRayTo3D {loaded.written_by}, every checksum holds")
    return 0


def run_verify(args: argparse.Namespace) -> int:
    """Check a bundle's files and read all of its weights; returns the exit code."""
    from XRayTo3DLib.models import load_bundle
    from XRayTo3DLib.models.find import bundle_path

    loaded = load_bundle(bundle_path(args.bundle))
    counts = {name: sum(each.numel() for each in loaded.weights(name).values()) for name in loaded.networks}
    shapes = {name: list(loaded.array(name).shape) for name in loaded.arrays}
    if args.json:
        say(json.dumps({**_summary(loaded), "parameters": counts, "arrays": shapes}))
        return 0
    for name, count in counts.items():
        say(f"  network {name:<20} {count:>12,} numbers")
    for name, shape in shapes.items():
        say(f"  array   {name:<20} {' x '.join(map(str, shape)) or '1'}")
    say(f"{loaded.folder.name} is whole: {_megabytes(loaded.size)}, every checksum holds")
    return 0


def _summary(loaded: LoadedBundle) -> dict[str, Any]:
    bundle = loaded.bundle
    return {
        "name": loaded.folder.name,
        "folder": str(loaded.folder),
        "title": bundle.title,
        "method": bundle.method,
        "version": bundle.version,
        "anatomy": bundle.anatomy,
        "labels": list(bundle.labels),
        "views": [str(view.get("view", "unnamed")) for view in bundle.views],
        "synthetic": bundle.synthetic,
        "bytes": loaded.size,
        "stored": loaded.stored,
    }


def _line(row: dict[str, Any]) -> str:
    from XRayTo3DLib.models.card import printable

    if "error" in row:
        return f"{printable(row['name']):<24} CANNOT BE USED: {printable(row['error'])}"
    what = f"{row['method']}, {'+'.join(row['views'])} -> {', '.join(row['labels'])} ({row['anatomy']})"
    label = "SYNTHETIC, " if row["synthetic"] else ""
    return f"{row['name']:<24} {printable(what)}, {label}{_megabytes(row['bytes'])}"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
