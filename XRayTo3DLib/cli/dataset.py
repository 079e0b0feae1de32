"""``xrayto3d dataset``: make, check and prepare the cases that a reconstruction learns from."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from XRayTo3DLib.cli.console import Progress, say
from XRayTo3DLib.cli.dataset_cases import add_case_actions
from XRayTo3DLib.cli.dataset_options import add_action, add_work_options, parse_shard
from XRayTo3DLib.cli.dataset_register import add_register
from XRayTo3DLib.cli.dataset_synthetic import add_synthetic
from XRayTo3DLib.cli.dataset_views import add_view_actions
from XRayTo3DLib.cli.folders import require_folder_name
from XRayTo3DLib.errors import InputError

if TYPE_CHECKING:
    from XRayTo3DLib.dataset.dataset_folder import DatasetFolder

EPILOG = """examples:
  xrayto3d dataset synthetic -o wrists --people 240 --test 40
  xrayto3d dataset new mine --bones radius ulna --provenance "our hospital, 2019-2024" --licence "not to be shared"
  xrayto3d dataset add mine case-001 --ct scan.nrrd --labels scan.seg.nrrd --side left
  xrayto3d dataset import mine cases.csv
  xrayto3d dataset landmarks mine/cases/case-001
  xrayto3d dataset add-view mine case-001 pa.dcm
  xrayto3d dataset register mine
  xrayto3d dataset review mine case-001 pa --accept --role radiologist
  xrayto3d dataset split mine --test 0.2
  xrayto3d dataset show mine
  xrayto3d dataset prepare mine --workers 2
  xrayto3d dataset synthetic -o limbs --people 60 --test 20 --soft-tissue
  xrayto3d dataset pairs limbs --view PA
  xrayto3d dataset synthetic -o hips --anatomy hips --people 160 --test 40
  xrayto3d dataset prepare hips --depth 128

A data set is a folder: dataset.json, and cases/<id>/ with ct.nrrd, labels.seg.nrrd, landmarks.mrk.json and, where there
are any, meshes/<bone>.vtp. Slicer opens all of them; drag a landmark that is not right and save it to the same file.
--json prints one JSON object and nothing else.
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the ``dataset`` sub-command to the main parser."""
    parser = subparsers.add_parser(
        "dataset",
        help="make, check and prepare a folder of cases to train on",
        description="Make, check and prepare a folder of cases to train a reconstruction on.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    add_synthetic(actions)
    _add_new(actions)
    _add_add(actions)
    _add_landmarks(actions)
    _add_prepare(actions)
    _add_pairs(actions)
    add_case_actions(actions)
    add_view_actions(actions)
    add_register(actions)
    show = add_action(actions, "show", "say what is in a data set and what its cases still lack", _show)
    show.add_argument("folder", type=Path, help="the data set")
    show.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def _add_new(actions: argparse._SubParsersAction) -> None:
    parser = add_action(actions, "new", "start a data set of your own", _new)
    parser.add_argument("folder", type=Path, help="the data set")
    parser.add_argument("--bones", nargs="+", default=["radius", "ulna"], help="as the labels are named (radius ulna)")
    parser.add_argument("--anatomy", default="distal forearm", help='what it shows (default "distal forearm")')
    parser.add_argument(
        "--frame", choices=("wrist", "lps"), default="wrist", help="align by wrist landmarks, or take bones as they lie"
    )
    parser.add_argument("--provenance", default="not stated", help="where the cases come from, one sentence")
    parser.add_argument("--licence", default="not stated", help="what may be done with them")


def _add_add(actions: argparse._SubParsersAction) -> None:
    parser = add_action(actions, "add", "add a CT and its segmentation to a data set", _add)
    parser.add_argument("folder", type=Path, help="the data set")
    parser.add_argument("id", help="name of the case; no patient data")
    parser.add_argument("--ct", type=Path, required=True, metavar="CT", help="NRRD, NIfTI or DICOM folder")
    parser.add_argument("--labels", type=Path, required=True, metavar="FILE", help="label map or Slicer segmentation")
    parser.add_argument("--label-names", type=Path, metavar="FILE", help="names of the labels: JSON or .ctbl")
    parser.add_argument("--ct-values", choices=("auto", "hu", "offset1024"), default="auto", help="what the CT stores")
    parser.add_argument("--ct-series", type=int, metavar="N", help="which series of a DICOM folder, counted from 1")
    parser.add_argument(
        "--patient", metavar="ID", help="whose it is, if a person has several cases (default: the case)"
    )
    parser.add_argument("--side", choices=("right", "left"), default="", help="default: not stated")
    parser.add_argument("--split", choices=("train", "test"), default="train", help="default train")


def _add_landmarks(actions: argparse._SubParsersAction) -> None:
    parser = add_action(
        actions, "landmarks", "propose the landmarks of a wrist, for you to check in Slicer", _landmarks
    )
    parser.add_argument(
        "case",
        type=Path,
        nargs="+",
        help="folder of a case, <dataset>/cases/<id>; or a data set: all its cases without landmarks",
    )
    parser.add_argument("--side", choices=("right", "left"), default="", help="default: as in the data set, or told")
    parser.add_argument("--replace", action="store_true", help="overwrite landmarks that are there")


def _add_prepare(actions: argparse._SubParsersAction) -> None:
    parser = add_action(actions, "prepare", "bring all cases into the form that networks learn from", _prepare)
    parser.add_argument("folder", type=Path, help="the data set")
    parser.add_argument(
        "--depth", type=int, metavar="PIXELS", help="depth maps of the registered views at this size, not volumes"
    )
    depth = parser.add_argument_group("with --depth: the standard exposure")
    depth.add_argument("--field", type=float, metavar="MM", help="width of the detector (400 mm)")
    depth.add_argument("--sdd", type=float, metavar="MM", help="source to detector distance (1000 mm)")
    depth.add_argument("--view", metavar="VIEW", help="which view (AP)")
    add_work_options(parser)


def _add_pairs(actions: argparse._SubParsersAction) -> None:
    what = 'simulate SYNTHETIC "actual" radiographs with the true pose of the bones, for image translation'
    parser = add_action(actions, "pairs", what, _pairs)
    parser.add_argument("folder", type=Path, help="the data set; its CTs should have soft tissue")
    parser.add_argument(
        "--registered", action="store_true", help="simulate nothing: draw the bones of the registrations accepted"
    )
    parser.add_argument("--view", nargs="+", choices=("PA", "LAT"), default=["PA"], help="which (default PA)")
    parser.add_argument("--split", choices=("train", "test"), help="only these cases (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="of poses and of how radiographs differ (default 0)")
    parser.add_argument("--pixel", type=float, default=0.4, metavar="MM", help="pixel pitch on the detector (0.4 mm)")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def _new(args: argparse.Namespace) -> int:
    from XRayTo3DLib.dataset.dataset_builder import start_dataset

    require_folder_name(args.folder)
    path = start_dataset(
        args.folder,
        bones=args.bones,
        anatomy=args.anatomy,
        frame=args.frame,
        provenance=args.provenance,
        licence=args.licence,
    )
    say(f"wrote {path}; add cases with: xrayto3d dataset add {args.folder} ID --ct CT --labels LABELS")
    return 0


def _add(args: argparse.Namespace) -> int:
    from XRayTo3DLib.dataset.dataset_builder import add_case
    from XRayTo3DLib.dataset.dataset_folder import CaseEntry
    from XRayTo3DLib.imaging.ct_reader import read_ct

    ct = read_ct(
        args.ct,
        labels=args.labels,
        values=args.ct_values,
        label_names=args.label_names,
        series=args.ct_series,
        name=args.id,
    )
    place = add_case(args.folder, CaseEntry(args.id, args.patient or args.id, args.split, args.side), ct)
    say(f"wrote {place}")
    return 0


def _landmarks(args: argparse.Namespace) -> int:
    from XRayTo3DLib.dataset.dataset_builder import case_of, propose_landmarks

    for folder in args.case:
        if (folder / "dataset.json").exists():
            _landmarks_of_all(folder, args.replace)
        else:
            say(f"wrote {propose_landmarks(case_of(folder, args.side), replace=args.replace)}")
    say("These are proposals: look at them in Slicer, drag what is not right and save to the same file.")
    return 0


def _landmarks_of_all(folder: Path, replace: bool) -> None:
    from XRayTo3DLib.dataset.dataset_builder import propose_missing
    from XRayTo3DLib.dataset.dataset_folder import DatasetFolder

    progress = Progress("landmarks")
    done, refused = propose_missing(DatasetFolder.open(folder), replace=replace, report=progress.update)
    progress.done()
    for why in refused.values():
        say(why)
    say(f"{len(done)} cases have proposed landmarks now, {len(refused)} have none.")


def _prepare(args: argparse.Namespace) -> int:
    if args.depth is None and any(value is not None for value in (args.field, args.sdd, args.view)):
        raise InputError("--field, --sdd and --view are for depth maps; add --depth PIXELS, such as --depth 128.")
    progress = Progress("prepare", quiet=args.json)
    cases = _prepare_cases(args, progress) if args.depth is None else _prepare_depth(args, progress)
    progress.done()
    if args.json:
        say(json.dumps({"prepared": len(cases), "folder": str(args.folder / "prepared")}))
    else:
        what = "cases are" if args.depth is None else f"depth views of {args.depth} pixels are"
        say(f"{len(cases)} {what} prepared in {args.folder / 'prepared'}")
    return 0


def _prepare_cases(args: argparse.Namespace, progress: Progress) -> Sequence[Any]:
    from XRayTo3DLib.dataset.prepared_files import prepare_all

    return prepare_all(args.folder, args.workers, shard=parse_shard(args.shard), report=progress.update)


def _prepare_depth(args: argparse.Namespace, progress: Progress) -> Sequence[Any]:
    from XRayTo3DLib.dataset.dataset_folder import DatasetFolder
    from XRayTo3DLib.dataset.depth_view_files import depth_views
    from XRayTo3DLib.dataset.standard_geometry import StandardGeometry

    given = {"size": args.depth, "field_mm": args.field, "sdd_mm": args.sdd, "view": args.view}
    geometry = StandardGeometry(**{name: value for name, value in given.items() if value is not None})
    first, count = parse_shard(args.shard)
    cases = DatasetFolder.open(args.folder).cases()[first - 1 :: count]
    return depth_views(cases, geometry, args.workers, progress.update)


def _pairs(args: argparse.Namespace) -> int:
    from XRayTo3DLib.dataset.dataset_folder import DatasetFolder
    from XRayTo3DLib.dataset.view_pairs import write_pairs

    if args.seed < 0 or not 0.05 <= args.pixel <= 10.0:
        raise InputError(f"--seed {args.seed} or --pixel {args.pixel:g} cannot be; use 0 or more, and 0.05 to 10 mm.")
    dataset, views = DatasetFolder.open(args.folder), list(dict.fromkeys(args.view))
    progress = Progress("pairs", quiet=args.json)
    if args.registered:
        return _registered_pairs(dataset, views, args, progress)
    write_pairs(dataset, views, split=args.split, pixel_mm=args.pixel, seed=args.seed, report=progress.update)
    progress.done()
    count = len(dataset.cases(args.split)) * len(views)
    if args.json:
        say(json.dumps({"synthetic": True, "radiographs": count, "views": views, "folder": str(args.folder)}))
    else:
        say(f"{count} SYNTHETIC radiographs with registrations are in {args.folder / 'cases'}/<id>/views")
    return 0


def _registered_pairs(dataset: DatasetFolder, views: list[str], args: argparse.Namespace, progress: Progress) -> int:
    from XRayTo3DLib.dataset.view_pairs import write_registered_drrs

    done, others = write_registered_drrs(dataset, views, split=args.split, report=progress.update)
    progress.done()
    if args.json:
        say(json.dumps({"pairs": done, "left_out": others, "folder": str(args.folder)}))
        return 0
    for why in others.values():
        say(f"left out: {why}")
    say(f"{len(done)} pairs of radiograph and drr.nrrd are in {args.folder / 'cases'}/<id>/views")
    return 0


def _show(args: argparse.Namespace) -> int:
    from XRayTo3DLib.dataset.dataset_folder import DatasetFolder
    from XRayTo3DLib.dataset.review import status_counts, view_states

    dataset = DatasetFolder.open(args.folder)
    cases = dataset.cases()
    counts = {split: sum(case.split == split for case in cases) for split in ("train", "test")}
    groups = Counter(case.group for case in cases if case.group)
    unmarked = [case.id for case in cases if dataset.landmarks and not case.landmarks_path.exists()]
    states = view_states(dataset)
    if args.json:
        about = {"anatomy": dataset.anatomy, "labels": dataset.labels, "synthetic": dataset.synthetic, **counts}
        more = {"provenance": dataset.provenance, "without_landmarks": unmarked, "groups": groups}
        more |= {"cases": [asdict(entry) for entry in dataset.entries], "view_counts": status_counts(states)}
        more |= {"views": [asdict(state) for state in states]}
        say(json.dumps(about | more))
        return 0
    say(f"{'SYNTHETIC ' if dataset.synthetic else ''}{dataset.anatomy}: {', '.join(dataset.labels)}")
    say(f"  {counts['train']} cases to train on, {counts['test']} to test on, {len({c.patient for c in cases})} people")
    if groups:
        say("  " + ", ".join(f"{group} {count}" for group, count in sorted(groups.items())))
    if states:
        counts = [f"{count} {status}" for status, count in status_counts(states).items() if count]
        say(f"  {len(states)} views: {', '.join(counts)}")
    say(f"  {dataset.provenance}  Licence: {dataset.licence}")
    if unmarked:
        say(f"  {len(unmarked)} cases have no landmarks yet, first {unmarked[0]}: xrayto3d dataset landmarks CASE")
    return 0
