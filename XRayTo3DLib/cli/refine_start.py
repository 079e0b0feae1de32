"""Where ``xrayto3d refine`` starts: a folder of a reconstruction, or one surface file per bone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from XRayTo3DLib.cli.models_used import named_bundles
from XRayTo3DLib.cli.reconstruction_files import FORMAT, RECORD
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import read_json, safe_file_name

if TYPE_CHECKING:
    from XRayTo3DLib.geometry import RigidPose
    from XRayTo3DLib.methods.types import Reconstruction


@dataclass(frozen=True, eq=False)
class Begun:
    """What a refinement starts from.

    Attributes:
        reconstruction: Bones, LPS mm in the radiographs' world; None for the mean shape.
        side: Which limb, where it is known.
        frame: The frame to the world, where it is known.
    """

    reconstruction: Reconstruction | None = None
    side: str | None = None
    frame: RigidPose | None = None


def read_start(words: Sequence[str], side: str | None) -> Begun:
    """The start that the words of ``--start`` name.

    Args:
        words: One folder, or BONE=MESH ...; empty for the mean shape.
        side: What ``--side`` says.

    Raises:
        InputError: Neither, a damaged folder, a mesh that cannot be read, or another side than the folder's.
    """
    if not words:
        return Begun()
    if len(words) == 1 and "=" not in words[0]:
        return _of_folder(Path(words[0]), side)
    return _of_meshes(words)


def _of_meshes(words: Sequence[str]) -> Begun:
    from XRayTo3DLib.methods.types import Reconstruction
    from XRayTo3DLib.shape.surfaces import read_surface

    wrong = [word for word in words if "=" not in word]
    if wrong:
        raise InputError(f"--start {wrong[0]}: give one folder of a reconstruction, or BONE=MESH for each bone.")
    meshes = {bone: read_surface(Path(path), what=bone) for bone, path in named_bundles(list(words), "--start").items()}
    return Begun(Reconstruction(meshes, np.eye(4), "given surfaces", ()))


def _of_folder(folder: Path, side: str | None) -> Begun:
    from XRayTo3DLib.geometry import RigidPose
    from XRayTo3DLib.geometry.anatomical_frame import MIRROR
    from XRayTo3DLib.methods.refiner import METHOD
    from XRayTo3DLib.methods.types import Reconstruction
    from XRayTo3DLib.shape.surfaces import read_surface

    if not folder.is_dir():
        raise InputError(f"--start {folder}: there is no such folder; name one that xrayto3d reconstruct wrote.")
    record = read_json(folder / RECORD, "start", FORMAT)
    try:
        bones, matrix = [str(bone) for bone in record["bones"]], np.array(record["frame_to_world"], dtype=np.float64)
        known, synthetic = record.get("side"), bool(record["synthetic"])
        method = str(record["method"]).removesuffix(f" + {METHOD}")
        missing = tuple(str(bone) for bone in record.get("missing", ()))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"--start {folder}: {RECORD} is damaged ({error}); reconstruct again.") from error
    if known is not None and side is not None and side != known:
        raise InputError(f"--start {folder} is of a {known} limb, but --side says {side}.")
    meshes = {bone: read_surface(folder / f"{safe_file_name(bone)}.vtp", what=bone) for bone in bones}
    try:
        frame = RigidPose(matrix @ MIRROR if known == "left" else matrix) if known is not None else None
    except ValueError as error:  # of another shape, or InputError
        raise InputError(f"--start {folder}: frame_to_world of {RECORD} is damaged ({error})") from error
    return Begun(Reconstruction(meshes, matrix, method, (), missing, synthetic), known, frame)
