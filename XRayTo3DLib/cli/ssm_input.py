"""What ``xrayto3d ssm`` reads: surfaces in or out of correspondence, targets of a fit."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from XRayTo3DLib.cli.console import Progress
from XRayTo3DLib.errors import InputError

if TYPE_CHECKING:
    from XRayTo3DLib.shape.model_fitting import FitOptions


def corresponding_shapes(args: argparse.Namespace) -> tuple[Any, Any]:
    """Vertices (N, n, 3) in correspondence, mm, and triangles (m, 3); found where the options do not say they are.

    Raises:
        InputError: Fewer than two surfaces, or ones that do not correspond although said so.
    """
    from XRayTo3DLib.shape.surfaces import UNITS_MM

    if len(args.surfaces) == 1 and args.surfaces[0].suffix.lower() == ".npz":
        if not (args.corresponding or args.aligned):
            raise InputError("an .npz holds vertices in correspondence: say --corresponding or --aligned.")
        arrays = _arrays(args.surfaces[0], ("vertices", "faces"))
        return arrays["vertices"] * UNITS_MM[args.unit], arrays["faces"]
    surfaces = _surfaces(args)
    if args.corresponding or args.aligned:
        return _stacked(surfaces, args.surfaces)
    from XRayTo3DLib.shape.correspondence import CorrespondenceOptions, correspond_population

    progress = Progress("correspondence", quiet=args.json)
    options = CorrespondenceOptions(vertices=args.vertices, check_sides=not args.trust_sides)
    names = [path.name for path in args.surfaces]
    shapes = correspond_population(surfaces, options=options, workers=args.workers, report=progress.update, names=names)
    progress.done()
    return shapes


def _surfaces(args: argparse.Namespace) -> list[Any]:
    import numpy as np

    from XRayTo3DLib.shape.meshes import transformed
    from XRayTo3DLib.shape.surfaces import read_surface

    if len(args.surfaces) < 2:
        raise InputError("a shape model needs surfaces of at least two people; one was given.")
    unknown = [path.name for path in args.mirror if path not in args.surfaces]
    if unknown:
        raise InputError(f"--mirror: {', '.join(unknown)} is not among the surfaces given.")
    kept = args.corresponding or args.aligned
    surfaces = [read_surface(path, unit=args.unit, merge_points=not kept) for path in args.surfaces]
    flip = np.diag([-1.0, 1.0, 1.0, 1.0])
    return [
        transformed(surface, flip) if path in args.mirror else surface
        for path, surface in zip(args.surfaces, surfaces, strict=True)
    ]


def _stacked(surfaces: list[Any], paths: list[Path]) -> tuple[Any, Any]:
    import numpy as np

    from XRayTo3DLib.shape.meshes import points_of, triangles_of

    shapes = [points_of(surface) for surface in surfaces]
    triangles = triangles_of(surfaces[0])
    for shape, surface, path in zip(shapes, surfaces, paths, strict=True):
        if shape.shape != shapes[0].shape or not _same_triangles(triangles_of(surface), triangles):
            raise InputError(
                f"{path.name} has other vertices or triangles than {paths[0].name}, so they do not correspond; leave "
                f"out --corresponding and --aligned, then correspondence is found."
            )
    return np.stack(shapes), triangles


def _same_triangles(one: Any, other: Any) -> bool:
    """Whether two surfaces have the same triangles, whichever way round (a mirrored one is turned)."""
    import numpy as np

    return one.shape == other.shape and bool(np.array_equal(np.sort(one, axis=1), np.sort(other, axis=1)))


def target_and_options(args: argparse.Namespace) -> tuple[Any, Any, FitOptions]:
    """The target's points (n, 3), LPS mm, their normals or None, and how to fit.

    Raises:
        InputError: A file that cannot be read, or an option that makes no sense.
    """
    from XRayTo3DLib.geometry import XRayCamera
    from XRayTo3DLib.shape.meshes import boundary_length, sample_surface
    from XRayTo3DLib.shape.model_fitting import FitOptions
    from XRayTo3DLib.shape.model_fitting_clip import edge_clip, frustum_clip
    from XRayTo3DLib.shape.surfaces import UNITS_MM, read_surface

    if not 0 <= args.robust < math.inf:
        raise InputError(f"--robust must be 0 mm or more, not {args.robust:g}.")
    clip = None if args.camera is None else frustum_clip(XRayCamera.load(args.camera))
    normals = None
    if args.target.suffix.lower() == ".npz":
        arrays = _arrays(args.target, ("points",))
        points, normals = arrays["points"] * UNITS_MM[args.unit], arrays.get("normals")
    else:
        surface = read_surface(args.target, unit=args.unit, what="Target")
        points, _ = sample_surface(surface, 4000)
        if clip is None and boundary_length(surface) > 0:
            clip = edge_clip(surface, margin_mm=1.0)
    options = FitOptions(
        prior=args.prior,
        direction=args.direction,
        robust_mm=args.robust or None,
        scale=args.scale,
        clip=clip,
        modes=args.modes,
    )
    return points, normals, options


def _arrays(path: Path, names: tuple[str, ...]) -> dict[str, Any]:
    """Arrays of an .npz without pickled objects; ``names`` must be there."""
    from XRayTo3DLib.shape.shape_model_file import read_arrays

    if not path.is_file():
        raise InputError(f"there is no file {path}. Check the path.")
    arrays = {name: array for name, array in read_arrays(path).items() if array.dtype.kind in "fiu"}
    missing = [name for name in names if name not in arrays]
    if missing:
        raise InputError(f"{path.name} lacks the arrays {', '.join(missing)}.")
    return arrays
