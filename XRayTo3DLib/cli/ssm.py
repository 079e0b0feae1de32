"""``xrayto3d ssm``: statistical shape models: build one from surfaces, look at it, fit it to measured points."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from XRayTo3DLib.cli.console import say
from XRayTo3DLib.cli.folders import require_folder_name
from XRayTo3DLib.cli.ssm_input import corresponding_shapes, target_and_options
from XRayTo3DLib.errors import InputError

if TYPE_CHECKING:
    from XRayTo3DLib.shape.statistical_shape_model import ShapeModel

EPILOG = """examples:
  xrayto3d ssm build femora/*.ply --label femur_left -o femur.npz
  xrayto3d ssm build femora_in_correspondence.npz --corresponding -o femur.npz
  xrayto3d ssm show femur.npz --png femur.png
  xrayto3d ssm fit femur.npz part_of_a_femur.ply -o fitted
  xrayto3d ssm fit femur.npz cloud.npz --camera ap.json --direction to_model -o fitted

A model is one .npz of plain arrays; nothing is pickled. Everything is in mm, LPS. With --json one JSON object is
printed and nothing else.
"""
KEPT_MODES = 12
"""Rows of the table of modes; the picture shows the rest of the curve."""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the ``ssm`` sub-command to the main parser."""
    parser = subparsers.add_parser(
        "ssm",
        help="statistical shape models: build, show, fit",
        description="Statistical shape models of bones: build one from surfaces, look at it, fit it to points.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    _add_build(actions)
    show = actions.add_parser("show", help="a model's modes, and a picture", description="A model's modes.")
    show.add_argument("model", type=Path, metavar="MODEL", help="shape model (.npz)")
    show.add_argument("--png", type=Path, metavar="FILE", help="draw mean, modes and compactness into FILE")
    show.set_defaults(run=run_show)
    fit = _add_fit(actions)
    for action in (show, fit):
        action.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def _add_build(actions: argparse._SubParsersAction) -> None:
    build = actions.add_parser(
        "build",
        help="make a model of surfaces",
        description="Make a shape model of surfaces of one bone and one side, one per person. Without --corresponding "
        "or --aligned their vertices are brought into correspondence first (some seconds per surface).",
    )
    add = build.add_argument
    add("surfaces", type=Path, nargs="+", metavar="SURFACE", help="surfaces, or an .npz with vertices and faces")
    add("-o", "--output", type=Path, required=True, metavar="MODEL", help="where to write the model (.npz)")
    given = build.add_mutually_exclusive_group()
    given.add_argument("--corresponding", action="store_true", help="vertices correspond already; align only")
    given.add_argument("--aligned", action="store_true", help="vertices correspond and lie on one another already")
    add("--mirror", type=Path, nargs="+", default=[], metavar="SURFACE", help="those of them from the other side")
    add("--trust-sides", action="store_true", help="do not refuse surfaces that look like the other side's")
    add("--label", default="", metavar="NAME", help='the bone ("femur_left")')
    add("--modes", type=int, metavar="N", help="keep the first N modes (default all)")
    add("--vertices", type=int, default=2500, metavar="N", help="of the model, when correspondence is found (2500)")
    add("--synthetic", action="store_true", help="some of the surfaces are of no real person")
    add("--source", action="append", default=[], metavar="TEXT", help="where the surfaces came from; may be repeated")
    add("--workers", type=int, default=2, metavar="N", help="processes that look for correspondence (2)")
    add("--json", action="store_true", help="print one JSON object and nothing else")
    add("--unit", choices=("mm", "cm", "m"), default="mm", help="unit in the files (mm)")
    build.set_defaults(run=run_build)


def _add_fit(actions: argparse._SubParsersAction) -> argparse.ArgumentParser:
    fit = actions.add_parser(
        "fit",
        help="fit a model to a surface or to points",
        description="Fit a shape model to a surface or to points, which may show a part of the bone only.",
        epilog="The folder gets fitted.vtp (with uncertainty_mm on its vertices), pose.tfm (opens in Slicer) and "
        "fit.json. A target .npz holds points (n, 3) and, if known, outward normals (n, 3).",
    )
    add = fit.add_argument
    add("model", type=Path, metavar="MODEL", help="shape model (.npz)")
    add("target", type=Path, metavar="TARGET", help="surface (.vtp .ply .stl .vtk .obj) or points (.npz)")
    add("-o", "--output", type=Path, required=True, metavar="FOLDER", help="folder for the result")
    add("--direction", choices=("both", "to_model"), default="both", help="to_model for points of one face only (both)")
    add("--prior", type=float, default=0.01, metavar="W", help="weight of the model's own statistics (0.01)")
    add("--modes", type=int, metavar="N", help="use the first N modes (default all)")
    add("--scale", action="store_true", help="let the size vary as well")
    add("--robust", type=float, default=5.0, metavar="MM", help="points further off hardly count (5 mm; 0: all count)")
    add("--camera", type=Path, metavar="FILE", help="camera.json: the target shows only what this picture shows")
    add("--start", type=Path, metavar="FILE", help="start pose (.tfm) of the model; found when not given")
    add("--unit", choices=("mm", "cm", "m"), default="mm", help="unit in TARGET (mm)")
    fit.set_defaults(run=run_fit)
    return fit


def run_build(args: argparse.Namespace) -> int:
    """Read the surfaces, find correspondence where needed, write the model; returns the exit code."""
    import numpy as np

    from XRayTo3DLib.shape.procrustes import aligned_shapes
    from XRayTo3DLib.shape.shape_model_file import save_shape_model
    from XRayTo3DLib.shape.statistical_shape_model import build_shape_model
    from XRayTo3DLib.shape.surfaces import check_units

    if args.output.suffix.lower() != ".npz":
        raise InputError(f'-o: the model\'s file must end in .npz, not "{args.output.name}".')
    for name in ("modes", "vertices", "workers"):
        if (value := getattr(args, name)) is not None and value < 1:
            raise InputError(f"--{name} must be 1 or more, not {value}.")
    shapes, triangles = corresponding_shapes(args)
    if not args.aligned:
        shapes = aligned_shapes(shapes).shapes
    model = build_shape_model(
        np.asarray(shapes),
        triangles,
        label=args.label,
        synthetic=args.synthetic,
        sources=tuple(args.source),
        modes=args.modes,
    )
    check_units(model.surface(), "The model", unit=args.unit)
    save_shape_model(model, args.output)
    _tell_model(model, args.json, {"file": str(args.output)})
    if not args.json:
        say(f"wrote {args.output}")
    return 0


def run_show(args: argparse.Namespace) -> int:
    """Print a model's modes and draw its picture if asked to; returns the exit code."""
    from XRayTo3DLib.shape.shape_model_file import load_shape_model

    model = load_shape_model(args.model)
    if args.png is not None:
        from XRayTo3DLib.evaluation.shape_model_figures import shape_model_picture
        from XRayTo3DLib.files import write_bytes

        write_bytes(args.png, shape_model_picture(model))
    _tell_model(model, args.json, {"file": str(args.model), "png": None if args.png is None else str(args.png)})
    if args.png is not None and not args.json:
        say(f"wrote {args.png}")
    return 0


def run_fit(args: argparse.Namespace) -> int:
    """Fit, write surface, pose and numbers; returns the exit code."""
    from XRayTo3DLib.files import write_json
    from XRayTo3DLib.geometry import RigidPose
    from XRayTo3DLib.shape.model_fitting import fit_shape_model
    from XRayTo3DLib.shape.shape_model_file import load_shape_model
    from XRayTo3DLib.shape.surfaces import set_field_text, write_surface

    require_folder_name(args.output)
    model = load_shape_model(args.model)
    points, normals, options = target_and_options(args)
    start = None if args.start is None else RigidPose.load(args.start)
    found = fit_shape_model(model, points, options, start, normals=normals)
    content = {
        "format": "xrayto3d.shape-fit/1",
        "model": args.model.name,
        "target": args.target.name,
        "label": model.label,
        "synthetic": model.synthetic,
        "theta_sd": found.theta.tolist(),
        "pose": found.pose.matrix.tolist(),
        "scale": found.scale,
        "residual_mm": found.residual_mm,
        "uncertainty_mm": float(found.uncertainty_mm.mean()),
        "rounds": found.iterations,
        "frame": "LPS",
        "unit": "mm",
    }
    surface = found.surface()
    if model.synthetic:
        set_field_text(surface, "SYNTHETIC", "true")
    files = {name: args.output / name for name in ("fitted.vtp", "pose.tfm", "fit.json")}
    write_surface(surface, files["fitted.vtp"])
    found.pose.save(files["pose.tfm"])
    write_json(files["fit.json"], content)
    if args.json:
        say(json.dumps({**content, "files": {name: str(path) for name, path in files.items()}}))
        return 0
    _say_fit(found, model, args.target.name)
    for path in files.values():
        say(f"wrote {path}")
    return 0


def _say_fit(found: Any, model: ShapeModel, target: str) -> None:
    say(
        f"{model.label or 'model'} fitted to {target}" + (" (synthetic people in the model)" if model.synthetic else "")
    )
    say(f"  distance from the target to the surface  {found.residual_mm:8.3f} mm, mean")
    say(f"  expected error of a vertex (1 SD)        {found.uncertainty_mm.mean():8.3f} mm, mean over the bone")
    if len(found.theta):
        furthest = int(abs(found.theta).argmax())
        say(f"  furthest from the mean                   {abs(found.theta).max():8.2f} SD, mode {furthest + 1}")
        if abs(found.theta).max() > 3:
            say("note: further than 3 SD from the mean: an unusual bone, the wrong side, or points of something else.")


def _tell_model(model: ShapeModel, as_json: bool, more: dict[str, Any]) -> None:
    import numpy as np

    from XRayTo3DLib.shape.model_curves import compactness

    moves = model.deviations / np.sqrt(len(model.mean))
    held = compactness(model)
    if as_json:
        content = {"label": model.label, "people": model.people, "vertices": len(model.mean), "modes": model.size}
        content |= {"synthetic": model.synthetic, "sources": list(model.sources)}
        say(json.dumps({**content, "sd_mm": moves.tolist(), "variance_held": held.tolist(), **more}))
        return
    say(f"shape model {model.label}".rstrip())
    if model.synthetic:
        say("SYNTHETIC: not all of its people are real")
    say(f"  {model.people} {'shapes' if model.synthetic else 'people'}, {len(model.mean)} vertices, {model.size} modes")
    for source in model.sources:
        say(f"  from {source}")
    say("  mode   1 SD moves a vertex by   variance held")
    for number in range(min(model.size, KEPT_MODES)):
        say(f"  {number + 1:4d}   {moves[number]:17.3f} mm   {100 * held[number]:11.1f} %")
    if model.size > KEPT_MODES:
        say(f"  and {model.size - KEPT_MODES} more")
