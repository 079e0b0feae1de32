"""``xrayto3d reconstruct``: from radiographs and a model bundle to 3D bones, placed in the radiographs."""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from XRayTo3DLib.cli.console import Progress
from XRayTo3DLib.cli.folders import require_folder_name
from XRayTo3DLib.cli.placement import add_placement_options, origin_pixels
from XRayTo3DLib.cli.radiograph_options import add_radiograph_options
from XRayTo3DLib.cli.reconstruction_files import record_of, refined_record, say_json, tell, warn, write_reconstruction
from XRayTo3DLib.errors import InputError

if TYPE_CHECKING:
    from XRayTo3DLib.cli.refining import Refined
    from XRayTo3DLib.geometry import RigidPose
    from XRayTo3DLib.imaging.types import Radiograph
    from XRayTo3DLib.methods.reconstruct import GridReconstructor
    from XRayTo3DLib.methods.translation import ImageTranslator
    from XRayTo3DLib.methods.types import Reconstruction

AUTO = "auto"
EPILOG = """examples:
  xrayto3d reconstruct --model wrist-pa-demo --view pa.nrrd:pa.json --origin 264,190 --side right -o out
  xrayto3d reconstruct --model run/bundle --view pa.png:pa.json --view lat.png:lat.json \\
                       --origin 264,190 --origin 250,192 --side left -o out
  xrayto3d reconstruct --model run/bundle --translation gan/bundle --view wrist.dcm --origin 800,640 --side left -o out
  xrayto3d reconstruct --model hips/bundle --view pelvis.dcm -o out
  xrayto3d reconstruct --model hips/bundle --batch pelves.csv -o out

The model's method decides what it needs. dual-face-depth: one radiograph in its standard geometry, nothing else; it
also writes <bone>_seen.vtp, what the radiograph showed of a bone. All others: --side, and --origin or --pose.
--origin is where a radiograph shows the frame's origin: the middle of the radius' joint surface, or of the knee's joint
line; column and row, counted from 0.
With one view the bones' distance from the detector is assumed (--object-detector). The model sees bones alone: give
--translation with a translator's bundle for actual radiographs (two views: once for both or once per view, none leaves
a view as it is), or radiographs that show bones alone.
The folder gets <bone>.vtp (LPS mm, in the radiographs' world), reconstruction.json and overlay_*.png.
--refine then fits the bones to the radiographs as they are, and says how sure each spot is: see xrayto3d refine.

--batch takes a CSV table, a line per person, with the columns case and one per radiograph in the model's order, named
view_ and anything (view_pa, view_lat: file, or file:camera.json), and as the model needs them side, pose, and
origin_pa, origin_lat (COLUMN ROW). The model is loaded once; each case gets a folder, and a line that cannot be used is
told at the end. What is done is kept: start the command again after Ctrl-C, a crash or with new lines.
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the ``reconstruct`` sub-command to the main parser."""
    parser = subparsers.add_parser(
        "reconstruct",
        help="3D bones from radiographs, with a model bundle",
        description="Reconstruct bones from radiographs. RESEARCH USE ONLY: look at the overlay before you believe it.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--model", required=True, metavar="BUNDLE", help="model bundle: a folder, or a name from 'models list'")
    add(
        "--translation",
        action="append",
        metavar="BUNDLE",
        help="takes everything but the bones away (a bundle of image-translation, style-transfer or "
        "histogram-matching; none): once for all views, or once per view",
    )
    shown = parser.add_mutually_exclusive_group(required=True)
    shown.add_argument("--view", dest="views", action="append", metavar="XRAY[:CAMERA]", help="in the model's order")
    shown.add_argument("--batch", type=Path, metavar="TABLE", help="many people: a CSV table, a line each")
    add("--side", choices=("right", "left"), help="which limb (not for dual-face-depth)")
    add_placement_options(parser)
    add("--adapt", type=int, default=0, metavar="STEPS", help="biplanar: first fit the network to these radiographs")
    add(
        "--refine",
        metavar="BUNDLE",
        help="then fit the bones to the radiographs as given, with a bundle of shape models (auto: an installed one)",
    )
    add("-o", "--output", type=Path, required=True, metavar="FOLDER", help="folder for the results")
    add("--json", action="store_true", help="print one JSON object and nothing else")
    add_radiograph_options(parser, view_option="--view-position")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Reconstruct and write; returns the exit code."""
    require_folder_name(args.output)
    began = time.monotonic()
    progress = Progress("reconstruct", quiet=args.json)
    if args.batch is not None:
        from XRayTo3DLib.cli.reconstruct_batch import run_batch

        return run_batch(args, progress)
    progress.update("reading the model")
    found, content, files = reconstruct_one(args, *loaded(args), progress, began)
    progress.done()
    if args.json:
        say_json(content, args.output)
    else:
        tell(found, content, files, args.output)
    return 0


def loaded(args: argparse.Namespace) -> tuple[Any, list[ImageTranslator] | None]:
    """The model and the translators that the options name.

    Raises:
        InputError: A bundle that cannot be used, or options that do not belong to this model.
    """
    from XRayTo3DLib.cli.models_used import adapting, loaded_model, loaded_translator, reconstructing

    model = loaded_model(args.model, *reconstructing())
    if args.batch is None:
        _check_placement(model.needs_frame, args)
    if args.adapt:
        model = adapting(model, args.adapt)
    return model, None if args.translation is None else [loaded_translator(name) for name in args.translation]


def reconstruct_one(
    args: argparse.Namespace,
    model: Any,
    translators: list[ImageTranslator] | None,
    progress: Progress,
    began: float,
    **more: Any,
) -> tuple[Reconstruction, dict[str, Any], list[str]]:
    """Reconstruct one person and write it; returns the result, its record and the names of the files.

    Args:
        args: The command's options, of this person.
        model: From :func:`loaded`.
        translators: From :func:`loaded`.
        progress: Told what is being done.
        began: When, of time.monotonic(), s.
        **more: Further entries of the record.

    Raises:
        InputError: Radiographs, or options of the person, that cannot be used.
    """
    from XRayTo3DLib.cli.register import read_views

    _check_placement(model.needs_frame, args)
    radiographs = read_views(args.views, args)
    progress.update("reconstructing")
    refined = None
    if model.needs_frame:
        frame = _frame(model, radiographs, args)
        found = _reconstructed(model, translators, radiographs, frame, args.side == "left", progress)
        if args.refine:
            found, refined = _refined(found, model, radiographs, frame, args, progress)
    else:
        warn([*model.noticed(radiographs[0]), *(each.text for each in model.outside(radiographs[0]))], progress)
        found = model.reconstruct_view(radiographs[0])
    about = {"translation": _names(args.translation), "adaptation_steps": args.adapt}
    content = record_of(found, Path(args.model).name, args.side, model_checksum=model.checksum, **about)
    content |= {} if refined is None else refined_record(refined)
    content |= {"seconds": round(time.monotonic() - began, 2), **more}
    progress.update("writing")
    return found, content, write_reconstruction(found, radiographs, content, args.output, refined)


def _check_placement(needs_frame: bool, args: argparse.Namespace) -> None:
    """Refuse to guess where a person stands, and to be told what the model does not ask."""
    if needs_frame:
        if (args.origin is None) == (args.pose is None):
            raise InputError("give --origin COLUMN,ROW once per radiograph, or --pose POSE.tfm.")
        if args.side is None:
            raise InputError("give --side right or --side left: which limb it is.")
        return
    given = [
        f"--{name}" for name in ("origin", "pose", "side", "translation", "refine") if getattr(args, name) is not None
    ]
    if given:
        raise InputError(f"this model finds the bones by itself; leave {' and '.join(given)} out.")
    if len(args.views) != 1:
        raise InputError(f"this model reconstructs from one radiograph, not from {len(args.views)}.")


def _frame(model: GridReconstructor, radiographs: list[Radiograph], args: argparse.Namespace) -> RigidPose:
    """The reconstruction frame in the radiographs' world."""
    from XRayTo3DLib.dataset.canonical_view import frame_from_views
    from XRayTo3DLib.geometry import RigidPose

    if args.pose is not None:
        return RigidPose.load(args.pose)
    pixels = origin_pixels(args)
    views, mirrored = model.data.canonical_views, args.side == "left"
    if len(pixels) != len(radiographs) or len(views) != len(radiographs):
        raise InputError(
            f"the model needs {len(views)} radiograph(s), {' and '.join(view.view for view in views)}, with one "
            f"--origin each; {len(radiographs)} radiographs and {len(pixels)} origins were given."
        )
    cameras = [radiograph.camera for radiograph in radiographs]
    if len(pixels) > 1:
        return frame_from_views(list(views), cameras, pixels, mirrored=mirrored, up=tuple(args.up))
    return views[0].frame_from_landmark(
        cameras[0], pixels[0], object_detector_mm=args.object_detector, up=tuple(args.up), mirrored=mirrored
    )


def _reconstructed(
    model: GridReconstructor,
    given: list[ImageTranslator] | None,
    radiographs: list[Radiograph],
    frame: RigidPose,
    mirrored: bool,
    progress: Progress,
) -> Reconstruction:
    from XRayTo3DLib.methods.translation import NoTranslation, translators_for

    images, cameras = model.shown_images(radiographs, frame, mirrored)
    translators = None if given is None else translators_for(given, model.data)
    if translators is not None:
        images = translators.translate(images)
    translated = any(not isinstance(each, NoTranslation) for each in given or ())
    told = model.outside(radiographs, frame, mirrored, images, translated=translated)
    warn([each.text for each in told], progress)
    found = model.reconstruct_images(images, radiographs, frame, mirrored, cameras)
    synthetic = found.synthetic or (translators is not None and translators.synthetic)
    return replace(found, outside=told, synthetic=synthetic)


def _refined(
    found: Reconstruction,
    model: GridReconstructor,
    radiographs: list[Radiograph],
    frame: RigidPose,
    args: argparse.Namespace,
    progress: Progress,
) -> tuple[Reconstruction, Refined | None]:
    """The reconstruction refined against the radiographs as given; as it was, with a note, where auto finds no model.

    Raises:
        InputError: A bundle that cannot be used, or without a model of a bone.
    """
    from XRayTo3DLib.cli.models_used import loaded_model
    from XRayTo3DLib.cli.refining import METHOD, held_where_marked, options_of, refined, shapes_bundle
    from XRayTo3DLib.methods.refiner import Refiner

    bundle = args.refine
    if bundle == AUTO:
        bundle = args.model if model.method == METHOD else shapes_bundle(model.data.labels)
        if bundle is None:
            note = f"Not refined: no bundle of shape models of {', '.join(model.data.labels)} is installed."
            return replace(found, notes=(*found.notes, note)), None
    refiner = Refiner(loaded_model(str(bundle), METHOD), options_of())
    beam = radiographs[0].camera.view_direction if len(radiographs) == 1 else None
    done = refined(
        refiner,
        radiographs,
        frame,
        args.side == "left",
        bundle=Path(bundle).name,
        start=found,
        held=None if args.pose is not None else held_where_marked(refiner, beam, frame),
        told=progress.update,
    )
    return done.reconstruction, done


def _names(bundles: list[str] | None) -> str | list[str] | None:
    """The translations' names; one for all views is told as such."""
    names = None if bundles is None else [Path(bundle).name for bundle in bundles]
    return names[0] if names is not None and len(names) == 1 else names
