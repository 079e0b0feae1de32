"""``xrayto3d register``: find the pose of a CT bone on one or more radiographs."""

from __future__ import annotations

import argparse
import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from XRayTo3DLib.cli.console import Progress, complain, say
from XRayTo3DLib.cli.ct_options import ENERGY_KEV, add_ct_options, add_device_option, read_ct_label, usable_device
from XRayTo3DLib.cli.folders import remove_stale, require_folder_name
from XRayTo3DLib.cli.radiograph_options import add_radiograph_options, radiograph_arguments
from XRayTo3DLib.cli.registration_options import add_search_options, search_options
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import safe_file_name, write_bytes
from XRayTo3DLib.plain_words import impersonal

if TYPE_CHECKING:
    from XRayTo3DLib.geometry import RigidPose
    from XRayTo3DLib.imaging.attenuation import Attenuation
    from XRayTo3DLib.imaging.types import Radiograph
    from XRayTo3DLib.registration.options import RegistrationOptions
    from XRayTo3DLib.registration.result import RegistrationResult

CANDIDATES = 3
"""Poses of a search everywhere that are registered; the best result is taken."""
EPILOG = """examples:
  xrayto3d register --ct ct.nrrd --labels labels.seg.nrrd --label radius \\
                    --view pa.png:pa.json --view lat.png:lat.json --initial start.tfm -o out
  xrayto3d register --ct radius_only.nii.gz --view wrist.dcm --initial start.tfm -o out --json

A view is a radiograph and its camera.json with a colon between them; a single DICOM file whose header tells its
geometry needs no camera (several would be placed by their names, which is no calibration, and the verdict says so).
With --surface a metal implant's closed surface (coordinates in mm, LPS) is registered in a CT's place.

Bones named by --label and --with move by themselves and are found together, so that one explains the other's shadow.
With --surroundings the rest of the CT is drawn too: use it when the limb was held in the CT about as in the radiograph;
it makes the result much surer. Without a label map the whole CT is registered as one body.

start.tfm is the CT's rough pose as Slicer saves it (an ITK transform that maps world to CT points, LPS mm); the result
is written the same way. Without it every rotation and place is searched first (about 15 s and two registrations more;
two views are surer than one). The folder gets pose.tfm, registration.json and overlay_*.png.

The exit code is 0 when the registration ended, whatever its verdict; read the verdict and look at the overlays.
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the ``register`` sub-command to the main parser."""
    parser = subparsers.add_parser(
        "register",
        help="find the pose of a CT bone on one or more radiographs",
        description="Register a CT bone to one or more calibrated radiographs, from a rough pose to a refined one.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--ct", type=Path, metavar="CT", help="CT file (NRRD, NIfTI, MHA) or DICOM folder")
    what.add_argument("--surface", type=Path, metavar="MESH", help="closed surface of a metal implant (.stl, .ply), mm")
    add("--view", dest="views", action="append", required=True, metavar="XRAY[:CAMERA]", help="once per radiograph")
    add("--initial", type=Path, metavar="TFM", help="rough pose of the CT; without it the bone is searched everywhere")
    add("-o", "--output", type=Path, required=True, metavar="FOLDER", help="folder for the results")
    add("--with", dest="further", action="append", default=[], metavar="NAME", help="another bone that moves by itself")
    add("--surroundings", action="store_true", help="draw the rest of the CT too: soft tissue and other bones")
    add_search_options(parser)
    add_device_option(parser)
    add("--json", action="store_true", help="print one JSON object and nothing else")
    add_ct_options(parser)
    add_radiograph_options(parser, view_option="--view-position")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Register and write the results; returns the exit code."""
    from XRayTo3DLib.geometry import RigidPose
    from XRayTo3DLib.registration.verdict import best_of

    require_folder_name(args.output)
    device, options = usable_device(args.device), search_options(args)
    initial = None if args.initial is None else RigidPose.load(args.initial)
    bones, surroundings, notes = _implant(args) if args.surface is not None else _parts(args)
    radiographs = read_views(args.views, args)
    progress = Progress("register", quiet=args.json)
    starts = [initial] if initial is not None else _found_anywhere(bones, radiographs, device, args.engine, progress)
    runs = [
        _registered(bones, radiographs, start, options, device, args.engine, surroundings, progress) for start in starts
    ]
    progress.done()
    found = {name: best_of([run[number] for run in runs]) for number, name in enumerate(bones)}
    files = _write(args.output, found, bones, radiographs)
    result = next(iter(found.values()))
    notes += [
        *(bone.note for bone in bones.values()),
        str(result.settings["engine"]),
        *(["No rough pose was given: the bone was searched everywhere first."] if initial is None else []),
        *(f"{r.name}: {note}" for r in radiographs for note in (r.intensity.how, *r.notes)),
    ]
    if args.json:
        _say_json(result, files, notes)
        return 0
    for note in notes:
        say(f"note: {note}")
    for name, each in found.items():
        _say_result(each, f"{name}: " if len(found) > 1 else "")
    for path in files.values():
        say(f"wrote {path}")
    return 0


def _registered(
    bones: dict[str, Attenuation],
    radiographs: list[Radiograph],
    initial: RigidPose,
    options: RegistrationOptions,
    device: str,
    engine: Any,
    surroundings: Attenuation | None,
    progress: Progress,
) -> list[RegistrationResult]:
    """What a registration found of every bone."""
    from XRayTo3DLib.registration.register import Registration

    parts, names = list(bones.values()), list(bones)
    registration = Registration(parts, radiographs, initial, options, device, engine, surroundings, names)
    for state in registration.steps():
        progress.update(f"{state.stage}, similarity {state.similarity:.3f}", state.fraction)
    return registration.results


def _found_anywhere(
    bones: dict[str, Attenuation], radiographs: list[Radiograph], device: str, engine: Any, progress: Progress
) -> list[RigidPose]:
    """The most promising poses of the first bone, of all rotations and places."""
    from XRayTo3DLib.registration.global_search import GlobalSearch

    search = GlobalSearch(next(iter(bones.values())), radiographs, device=device, engine=engine)
    for state in search.steps():
        progress.update(f"searching everywhere, {state.stage}", state.fraction)
    return [candidate.pose for candidate in search.candidates[:CANDIDATES]]


def _implant(args: argparse.Namespace) -> tuple[dict[str, Attenuation], None, list[str]]:
    """The solid of a surface, by its file's name where that names nobody."""
    from XRayTo3DLib.projection.mesh_attenuation import mesh_attenuation
    from XRayTo3DLib.shape.meshes import points_of, triangles_of
    from XRayTo3DLib.shape.surfaces import read_surface

    own = (args.labels, args.label, args.label_names, args.further, args.surroundings, args.ct_series)
    if any(own) or args.ct_values != "auto" or args.energy != ENERGY_KEV:
        raise InputError(
            "--surface is registered alone, as cobalt-chrome; --labels, --label, --label-names, --with, --surroundings,"
            " --ct-values, --ct-series and --energy belong to a CT."
        )
    surface = read_surface(args.surface, what="Implant", check_size=False)
    return (
        {impersonal(args.surface.stem, "implant"): mesh_attenuation(points_of(surface), triangles_of(surface))},
        None,
        [],
    )


def _parts(args: argparse.Namespace) -> tuple[dict[str, Attenuation], Attenuation | None, list[str]]:
    """The bones that move by themselves, by name, the rest of the CT if it is to be drawn, and the reader's notes."""
    from XRayTo3DLib.imaging.attenuation import attenuation_of
    from XRayTo3DLib.imaging.surroundings import in_soft_tissue, surroundings_of

    ct, label = read_ct_label(args.ct, args)
    if label is None:
        if args.further or args.surroundings:
            option = "--with" if args.further else "--surroundings"
            raise InputError(f"{option} needs a label map that tells the bones; give --labels FILE and --label NAME.")
        return {ct.name: attenuation_of(ct, energy_kev=args.energy)}, None, list(ct.notes)
    names = [label, *args.further]
    if len({ct.label_value(name) for name in names}) < len(names):
        raise InputError("--with names a bone twice; name every other bone once.")
    if len({safe_file_name(name) for name in names}) < len(names):
        raise InputError(f"the files of {', '.join(names)} would have the same names; rename a segment.")
    surroundings = surroundings_of(ct, names, energy_kev=args.energy) if args.surroundings else None
    bones = {
        name: attenuation_of(ct, name, energy_kev=args.energy, in_tissue=in_soft_tissue(ct, name)) for name in names
    }
    return bones, surroundings, list(ct.notes)


def _write(
    folder: Path,
    found: dict[str, RegistrationResult],
    bones: dict[str, Attenuation],
    radiographs: list[Radiograph],
) -> dict[str, Path]:
    """Pose, result and overlays of every bone; those of further bones have its name in theirs."""
    from XRayTo3DLib.evaluation.overlay import registration_overlay

    pictures: dict[str, tuple[str, bytes]] = {}
    for place, (name, result) in enumerate(found.items()):
        mark = f"{safe_file_name(name)}_" if place else ""
        for number, radiograph in enumerate(radiographs, start=1):
            overlay = registration_overlay(radiograph, bones[name], result.pose, result.initial)
            key = f"overlay_{mark}{number}"
            pictures[key] = f"{key}_{safe_file_name(radiograph.name)}.png", overlay
    files: dict[str, Path] = {}
    for place, (name, result) in enumerate(found.items()):
        mark = f"_{safe_file_name(name)}" if place else ""
        files[f"pose{mark}"] = folder / f"pose{mark}.tfm"
        files[f"registration{mark}"] = folder / f"registration{mark}.json"
        result.pose.save(files[f"pose{mark}"])
        result.save(files[f"registration{mark}"])
    remove_stale(folder, "overlay_*.png")
    for key, (name, picture) in pictures.items():
        files[key] = folder / name
        write_bytes(files[key], picture)
    return files


def read_views(views: list[str], args: argparse.Namespace) -> list[Radiograph]:
    """Radiographs of ``XRAY:CAMERA`` texts; names are made unique, and text in a picture is warned of."""
    from XRayTo3DLib.geometry import XRayCamera
    from XRayTo3DLib.imaging.burned_in_text import WHY
    from XRayTo3DLib.imaging.radiograph_reader import read_radiograph

    radiographs: list[Radiograph] = []
    for text in views:
        picture, camera = split_view(text)
        arguments: dict[str, Any] = radiograph_arguments(args)
        if camera is not None:
            arguments["camera"] = XRayCamera.load(camera)
        radiograph = read_radiograph(picture, **arguments)
        radiographs.append(replace(radiograph, name=_unique(radiograph.name, [r.name for r in radiographs])))
        for note in radiograph.notes:
            if note.endswith(WHY):
                complain(f"WARNING: {radiographs[-1].name}: {note}")
    return radiographs


def _unique(name: str, taken: list[str]) -> str:
    """``name``, with a number after it where it is taken."""
    names = itertools.chain([name], (f"{name} {number}" for number in itertools.count(2)))
    return next(each for each in names if each not in taken)


def split_view(text: str, option: str = "--view ") -> tuple[Path, Path | None]:
    """Picture and camera of ``XRAY:CAMERA.json`` (or of ``XRAY`` alone); a Windows drive's colon stays."""
    picture, colon, camera = text.rpartition(":")
    if colon and camera.lower().endswith(".json"):
        if not picture:
            raise InputError(f"{option}{text}: the radiograph before the colon is missing; write XRAY:camera.json.")
        return Path(picture), Path(camera)
    if colon and picture and not Path(text).exists() and Path(picture).exists():
        raise InputError(
            f"{option}{text}: after the colon a camera.json is wanted; "
            f"xrayto3d camera {camera} -o camera.json makes one."
        )
    return Path(text), None


def _say_json(result: RegistrationResult, files: dict[str, Path], notes: list[str]) -> None:
    content = result.to_dict()
    del content["trace"]
    say(json.dumps({**content, "notes": notes, "files": {key: str(path) for key, path in files.items()}}))


def _say_result(result: RegistrationResult, mark: str) -> None:
    degrees, millimetres = result.moved
    say(f"{mark}verdict: {result.verdict.value}. {result.reason}")
    for name, found, start in zip(result.view_names, result.similarity, result.initial_similarity, strict=True):
        say(f"  {name}: similarity {found:.3f} (start {start:.3f})")
    if result.uncertainty is not None:
        say(f"  {result.uncertainty.in_words()}")
    say(f"{mark}moved {degrees:.2f} degrees and {millimetres:.2f} mm from the start in {result.seconds:.1f} s")
