"""Real anatomy: the largest bone of each CT of `ct_extremities_sts`, registered to SYNTHETIC radiographs of that CT.

The CTs are patients' (The Cancer Imaging Archive, Soft-tissue-Sarcoma), the radiographs are computed, so that the truth
is known. Bones are what lies above a threshold: joints may hold two of them together. Trials and tables are those of
`xrayto3d benchmark registration`.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from bench_registration import study
from scipy import ndimage

from XRayTo3DLib.evaluation.registration_setups import TrialAnatomy
from XRayTo3DLib.evaluation.registration_study import table_text
from XRayTo3DLib.imaging.ct_reader import read_ct
from XRayTo3DLib.imaging.types import CtVolume

DATA = Path(os.environ.get("XRAYTO3D_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
BONE_HU, SMALLEST, BONES = 250.0, 2000, 4
CASES = ((2, "easy", 1.0), (2, "hard", 1.0), (1, "easy", 1.0), (1, "hard", 1.0), (1, "easy", 3.0))
MOVING = "surroundings"
"""The bone is registered, in easy pictures too, the rest of the CT being drawn."""


def threshold_labels(ct: CtVolume) -> CtVolume:
    """The CT with its largest bones (above a threshold, closed and filled) as labels bone1, bone2, ..., by size."""
    dense = ndimage.binary_opening(ndimage.gaussian_filter(ct.hu, 0.5) > BONE_HU)
    pieces, count = ndimage.label(dense)
    sizes = ndimage.sum(dense, pieces, range(1, count + 1))
    labels, names = np.zeros(ct.hu.shape, np.int32), {}
    for rank, piece in enumerate(np.argsort(-sizes)[:BONES], start=1):
        if sizes[piece] < SMALLEST:
            break
        labels[_solid(pieces == piece + 1) & (labels == 0)] = rank
        names[f"bone{rank}"] = rank
    return CtVolume(ct.hu, ct.voxel_to_lps, labels, names, ct.name)


def _solid(mask: np.ndarray) -> np.ndarray:
    closed = ndimage.binary_closing(np.pad(mask, 3), iterations=3)[3:-3, 3:-3, 3:-3]
    return np.stack([ndimage.binary_fill_holes(section) for section in closed])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--ct", nargs="+", metavar="NAME", help="only CTs whose file name has NAME in it")
    parser.add_argument("--engine", choices=("auto", "torch", "numba"), default="auto")
    args = parser.parse_args()
    paths = sorted((DATA / "ct_extremities_sts").glob("*_CT.nii.gz"))
    if not paths:
        print(f"skipped: real CTs not found at {DATA / 'ct_extremities_sts'} (set XRAYTO3D_DATA)")
        return
    for path in paths:
        if args.ct is None or any(name in path.name for name in args.ct):
            show(path, range(args.first_seed, args.first_seed + args.seeds), args.engine)


def show(path: Path, seeds: Sequence[int], engine: str) -> None:
    name = path.name.removesuffix("_CT.nii.gz")
    anatomy = TrialAnatomy(name, threshold_labels(read_ct(path)), "bone1")
    print(f"\n{name}: real CT, largest bone, SYNTHETIC radiographs, seeds {seeds[0]} to {seeds[-1]}", flush=True)
    columns = {
        f"{v}v {pictures} x{r:g}": study(anatomy, v, pictures, r, seeds, engine, MOVING) for v, pictures, r in CASES
    }
    print(table_text(columns), flush=True)


if __name__ == "__main__":
    main()
