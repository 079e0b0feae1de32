"""``xrayto3d models``: which trained models there are, what they are, and whether they are whole."""

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

A model is a bundle: a folder with bundle.json and *.safetensors. BUNDLE is such a folder, or the name of an installed
one: those that come with XRayTo3D, and those in the folder XRAYTO3D_MODELS (default .xrayto3d/models at home).
Every command checks all checksums; a changed, cut or missing file and a pickled one are refused (exit code 2).
With --json one JSON object is printed and nothing else.
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the ``models`` sub-command to the main parser."""
    parser = subparsers.add_parser(
        "models",
        help="list, show and verify trained models",
        description="Trained models: which there are, what they are, whether they are whole.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="one line per model bundle", description="One line per model bundle.")
    listing.add_argument("folders", type=Path, nargs="*", metavar="FOLDER", help="where to look (default: installed)")
    show = actions.add_parser("show", help="a bundle's card", description="Print a bundle's card.")
    verify = actions.add_parser("verify", help="check a bundle", description="Check every file and every weight.")
    for action, run in ((listing, run_list), (show, run_show), (verify, run_verify)):
        if action is not listing:
            action.add_argument("bundle", metavar="BUNDLE", help="bundle folder, or name of an installed one")
        action.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
        action.set_defaults(run=run)


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
