"""``xrayto3d refine``: bones fitted to any number of radiographs, from any start, with how sure each spot is."""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from XRayTo3DLib.cli.console import Progress
from XRayTo3DLib.cli.folders import require_folder_name
from XRayTo3DLib.cli.placement import add_placement_options
from XRayTo3DLib.cli.radiograph_options import add_radiograph_options
from XRayTo3DLib.cli.reconstruction_files import record_of, refined_record, say_json, tell, warn, write_reconstruction
from XRayTo3DLib.errors import InputError

if TYPE_CHECKING:
    from XRayTo3DLib.cli.refine_start import Begun
    from XRayTo3DLib.geometry import RigidPose
    from XRayTo3DLib.imaging.types import Radiograph
    from XRayTo3DLib.methods.refiner import Refiner
    from XRayTo3DLib.refinement.prior import PosePrior

EPILOG = """examples:
  xrayto3d refine --model wrist-shapes-demo --view pa.nrrd --view oblique.nrrd --side right \\
                  --origin 264,190 --origin 250,192 -o out
  xrayto3d refine --model wrist-shapes-demo --view pa.png:pa.json --start reconstructed -o out
  xrayto3d refine --model run/bundle --view pa.nrrd --start radius=radius.stl ulna=ulna.stl --side left \\
                  --pose frame.tfm -o out
  xrayto3d refine --model run/bundle --view pa.dcm --view lat.dcm --uncalibrated --side right \\
                  --origin 800,640 --origin 720,655 -o out

Radiographs as they are, soft tissue and all: one or more, at any angle to each other. The first says how the limb is
turned: it is taken for the view its file or --view-position names, else for the model's first view.
--start: a folder of xrayto3d reconstruct (it also says side and place), or one BONE=MESH for each (LPS mm).
--uncalibrated: the cameras do not share one world (two clinical exposures); where they stood is found, too.
The folder gets <bone>.vtp with the point array NormalSD_mm, reconstruction.json, report.html, overlay_*.png, and for
each radiograph drr_*.nrrd (what the model shows) and residual_*.nrrd.
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the ``refine`` sub-command to the main parser."""
    parser = subparsers.add_parser(
        "refine",
        help="fit bones to any number of radiographs, with how sure each spot is",
        description="Refine bones against radiographs. RESEARCH USE ONLY: read the warnings, look at the overlays.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--model", required=True, metavar="BUNDLE", help="bundle of shape models (shape-intensity-fit): folder or name")
    add("--view", dest="views", action="append", required=True, metavar="XRAY[:CAMERA]", help="once per radiograph")
    add("--start", nargs="+", default=[], metavar="START", help="folder of a reconstruction, or BONE=MESH ...")
    add("--side", choices=("right", "left"), help="which limb")
    add_placement_options(parser)
    add("--uncalibrated", action="store_true", help="the cameras do not share one world; find where they stood, too")
    add("--landmarks", action="store_true", help="write the bones' landmarks as well (landmarks.mrk.json)")
    add("--quick", action="store_true", help="few steps, no search for better starts: a look, not a result")
    add("--steps", type=int, metavar="N", help="steps of the last stage at most (25)")
    add("-o", "--output", type=Path, required=True, metavar="FOLDER", help="folder for the results")
    add("--json", action="store_true", help="print one JSON object and nothing else")
    add_radiograph_options(parser, view_option="--view-position")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Refine and write; returns the exit code."""
    require_folder_name(args.output)
    began = time.monotonic()
    progress = Progress("refine", quiet=args.json)
    progress.update("reading the model")
    from XRayTo3DLib.cli.models_used import loaded_model
    from XRayTo3DLib.cli.refine_start import read_start
    from XRayTo3DLib.cli.refining import METHOD, options_of, refined
    from XRayTo3DLib.cli.register import read_views
    from XRayTo3DLib.methods.refiner import Refiner
    from XRayTo3DLib.methods.scope import Exposed, outside

    refiner = Refiner(loaded_model(args.model, METHOD), options_of(args.quick, args.steps))
    if args.landmarks and not refiner.predictor.landmarks:
        raise InputError(
            f"--landmarks: the models of {Path(args.model).name} carry no landmarks; leave the option out."
        )
    start = read_start(args.start, args.side)
    _check(args, start)
    side = args.side or start.side
    frame, radiographs, held = _placed(refiner, read_views(args.views, args), args, start, side == "left")
    bundle = Path(args.model).name
    told = outside(refiner.model.expected, [Exposed.of(each) for each in radiographs], side or "", positioned=True)
    warn([each.text for each in told], progress)
    found = refined(
        refiner,
        radiographs,
        frame,
        side == "left",
        bundle=bundle,
        start=start.reconstruction,
        held=held,
        positioned=args.uncalibrated,
        told=progress.update,
    )
    notes = (*found.reconstruction.notes, *_notes(radiographs, args))
    found = replace(found, reconstruction=replace(found.reconstruction, notes=notes, outside=told))
    record = record_of(found.reconstruction, bundle, side, model_checksum=refiner.model.checksum)
    content = {**record, **refined_record(found)}
    content["seconds"] = round(time.monotonic() - began, 2)
    progress.update("writing")
    files = write_reconstruction(found.reconstruction, radiographs, content, args.output, found, args.landmarks)
    progress.done()
    if args.json:
        say_json(content, args.output)
    else:
        tell(found.reconstruction, content, files, args.output)
    return 0


def _check(args: argparse.Namespace, start: Begun) -> None:
    """Refuse to guess where a person stands."""
    if args.origin is not None and args.pose is not None:
        raise InputError("give --origin or --pose, not both.")
    if args.origin is None and args.pose is None and start.frame is None:
        raise InputError("give --origin COLUMN,ROW once per radiograph, or --pose POSE.tfm, or --start FOLDER.")
    if args.side is None and start.side is None:
        raise InputError("give --side right or --side left: which limb it is.")
    if args.uncalibrated and len(args.views) < 2:
        raise InputError("--uncalibrated is for two radiographs or more; one alone has a world of its own.")


def _placed(
    refiner: Refiner, radiographs: list[Radiograph], args: argparse.Namespace, start: Begun, mirrored: bool
) -> tuple[RigidPose, list[Radiograph], PosePrior | None]:
    """Where the frame is, the radiographs in its world, and how the limb may lie otherwise."""
    from XRayTo3DLib.cli.placement import frame_of_any_views, positioned
    from XRayTo3DLib.cli.refining import held_where_marked
    from XRayTo3DLib.geometry import RigidPose

    if args.pose is not None:
        return RigidPose.load(args.pose), radiographs, None
    canonical = refiner.model.data.canonical_views
    if args.origin is None:
        assert start.frame is not None  # checked
        frame = start.frame
    elif args.uncalibrated:
        frame, radiographs = positioned(canonical, radiographs, args, mirrored)
    else:
        frame = frame_of_any_views(canonical, radiographs, args, mirrored)
    alone = len(radiographs) == 1 or args.uncalibrated
    beam = radiographs[0].camera.view_direction if alone else None
    return frame, radiographs, held_where_marked(refiner, beam, frame)


def _notes(radiographs: list[Radiograph], args: argparse.Namespace) -> list[str]:
    notes = []
    if len(radiographs) > 1 and not args.uncalibrated and any(each.assumed_placement for each in radiographs):
        notes.append(
            "The cameras were placed by the views' names, not calibrated; with --uncalibrated it is found where they "
            "stood."
        )
    if args.quick:
        notes.append("Refined with --quick: a look, not a result.")
    return notes
