"""The options of every sub-command that reads a CT and projects one of its bones."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from XRayTo3DLib.errors import InputError

if TYPE_CHECKING:
    from XRayTo3DLib.imaging.attenuation import Attenuation
    from XRayTo3DLib.imaging.types import CtVolume

ENERGY_KEV = 60.0


def add_ct_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--labels``, ``--label``, ``--label-names``, ``--ct-values``, ``--ct-series`` and ``--energy``."""
    group = parser.add_argument_group("CT")
    add = group.add_argument
    add("--labels", type=Path, metavar="FILE", help="label map or Slicer segmentation of the CT (.nrrd, .nii.gz)")
    add("--label", metavar="NAME", help="the bone, by name or number (default: the only label there is)")
    add("--label-names", type=Path, metavar="FILE", help="names of the labels: JSON or Slicer colour table (.ctbl)")
    add(
        "--ct-values",
        choices=("auto", "hu", "offset1024"),
        default="auto",
        help="what the CT stores: Hounsfield units, or HU + 1024 (default: auto, and it says what it found)",
    )
    add("--ct-series", type=int, metavar="N", help="which series of a DICOM folder, counted from 1")
    energy = f"effective energy of the radiograph (default {ENERGY_KEV:g} keV)"
    add("--energy", type=float, default=ENERGY_KEV, metavar="KEV", help=energy)


def add_device_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--device``; :func:`usable_device` checks what was given."""
    parser.add_argument("--device", default="cpu", help='"cpu" (default) or "cuda"')


def usable_device(name: str) -> str:
    """``name`` if torch can compute there.

    Raises:
        InputError: No such device here.
    """
    import torch

    if name == "cpu":
        return name
    if name.partition(":")[0] != "cuda":
        raise InputError(f'--device {name} is not known; use "cpu" or "cuda".')
    number = name.partition(":")[2] or "0"
    if not number.isdigit() or int(number) >= torch.cuda.device_count():
        raise InputError(f"--device {name}: this torch sees no such CUDA GPU; leave the option out to use the CPU.")
    return name


def read_ct_bone(path: Path, args: argparse.Namespace) -> tuple[CtVolume, Attenuation]:
    """The CT and the attenuation of the chosen bone (of everything, without a label map)."""
    from XRayTo3DLib.imaging.attenuation import attenuation_of

    ct, label = read_ct_label(path, args)
    return ct, attenuation_of(ct, label, energy_kev=args.energy)


def read_ct_label(path: Path, args: argparse.Namespace) -> tuple[CtVolume, str | None]:
    """The CT and the chosen label; none without a label map.

    Raises:
        InputError: A label without a map, or several to choose from.
    """
    from XRayTo3DLib.imaging.ct_reader import read_ct

    if args.label is not None and args.labels is None:
        raise InputError("--label needs the label map that holds it; give --labels FILE.")
    if args.label_names is not None and args.labels is None:
        raise InputError("--label-names names the labels of a label map; give --labels FILE as well.")
    ct = read_ct(path, labels=args.labels, values=args.ct_values, label_names=args.label_names, series=args.ct_series)
    if ct.labels is None or args.label is not None:
        return ct, args.label
    names = list(ct.label_names)
    if len(names) != 1:
        raise InputError(f"the label map has several labels ({', '.join(names)}); choose one with --label NAME.")
    return ct, names[0]
