"""``xrayto3d drr``: a digitally reconstructed radiograph of a CT."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from XRayTo3DLib.cli.console import say
from XRayTo3DLib.cli.ct_options import add_ct_options, add_device_option, read_ct_bone, usable_device
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import atomic_path, file_suffix

if TYPE_CHECKING:
    from XRayTo3DLib.imaging.types import Radiograph

EPILOG = """examples:
  xrayto3d drr ct.nrrd --camera camera.json -o drr.nrrd
  xrayto3d drr ct.nii.gz --labels labels.seg.nrrd --label radius --pose pose.tfm --camera camera.json -o drr.png

The NRRD holds line integrals (float, dimensionless) as a one-slice volume that lies where the detector is, so that
Slicer shows it in place. A PNG holds the same from 0 (black) to the largest (white), 16 bit, with no geometry.
pose.tfm is the CT's pose as Slicer saves it (an ITK transform that maps world to CT points, LPS mm).
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the ``drr`` sub-command to the main parser."""
    parser = subparsers.add_parser(
        "drr",
        help="project a CT (or one bone of it) as a radiograph would see it",
        description="Project a CT, or one labelled bone of it, as a radiograph with the given geometry would see it.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("ct", type=Path, metavar="CT", help="CT file (NRRD, NIfTI, MHA) or DICOM folder")
    parser.add_argument("--camera", type=Path, required=True, metavar="JSON", help="the exposure's camera.json")
    parser.add_argument("--pose", type=Path, metavar="TFM", help="the CT's pose (default: where it is)")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help=".nrrd or .png")
    parser.add_argument("--bin", type=int, default=1, metavar="N", help="N x N detector pixels as one (default 1)")
    add_device_option(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    add_ct_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Project and write; returns the exit code."""
    from XRayTo3DLib.geometry import RigidPose, XRayCamera
    from XRayTo3DLib.imaging.radiograph_header import write_radiograph

    if file_suffix(args.output) not in (".nrrd", ".png"):
        raise InputError(f"output {args.output.name}: write .nrrd (line integrals) or .png (a picture).")
    device = usable_device(args.device)
    camera = XRayCamera.load(args.camera).binned(args.bin)
    pose = RigidPose.identity() if args.pose is None else RigidPose.load(args.pose)
    ct, bone = read_ct_bone(args.ct, args)
    drr = _project(bone, camera, pose, device, ct.name)
    if file_suffix(args.output) == ".png":
        _write_png(drr, args.output)
    else:
        write_radiograph(drr, args.output)
    peak = float(drr.pixels.max())
    notes = [*ct.notes, bone.note]
    if peak == 0:
        notes.append("The picture is empty: no ray meets the volume. Check pose and camera.")
    if args.json:
        content = {"output": str(args.output), "size": list(camera.size), "largest_line_integral": peak}
        say(json.dumps({**content, "notes": notes}))
        return 0
    for note in notes:
        say(f"note: {note}")
    say(f"wrote {args.output} ({camera.size[0]} x {camera.size[1]} pixels, largest line integral {peak:.3f})")
    return 0


def _project(bone: object, camera: object, pose: object, device: str, name: str) -> Radiograph:
    import torch

    from XRayTo3DLib.imaging.types import IntensityNote, Radiograph, SpacingSource
    from XRayTo3DLib.projection.drr import DrrProjector

    with torch.no_grad():
        projector = DrrProjector(bone.mu, bone.voxel_to_lps, device)  # type: ignore[attr-defined]
        # The shear-warp's splines ring a little below zero beside sharp edges; attenuation has no such line integrals.
        pixels = projector(camera, pose).clamp(min=0).cpu().numpy()  # type: ignore[arg-type]
    note = IntensityNote("line-integral", None, True, f"DRR of CT {name}: line integrals of attenuation.")
    synthetic = bone.synthetic  # type: ignore[attr-defined]
    return Radiograph(pixels, camera, note, SpacingSource.DETECTOR, name=f"{name} DRR", synthetic=synthetic)


def _write_png(drr: Radiograph, path: Path) -> None:
    import numpy as np
    from PIL import Image

    peak = max(float(drr.pixels.max()), 1e-12)
    values = np.clip(np.round(drr.pixels / peak * 65535), 0, 65535).astype(np.uint16)
    with atomic_path(path) as temporary:
        Image.fromarray(values).save(temporary)
