"""Real data: the CT radius registered to the two wrist radiographs of frame 0099, from random wrong starts.

Starts are off by a fixed angle about a random axis and a fixed distance in a random direction (about the bone's
centre). Success: the bone's centre within 1 mm and the rotation within 2 degrees of the reference pose that the data
set publishes (itself an intensity registration, repeatable to 0.05 mm and 0.2 to 0.7 degrees).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from pathlib import Path

import numpy as np

from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.imaging.attenuation import attenuation_of
from XRayTo3DLib.imaging.calibration_files import read_calibration
from XRayTo3DLib.imaging.ct_reader import read_ct
from XRayTo3DLib.imaging.radiograph_reader import read_radiograph
from XRayTo3DLib.registration.register import register

DATA = Path(os.environ.get("XRAYTO3D_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
SDD_MM = 1200.0
LIMIT_DEG, LIMIT_MM = 2.0, 1.0


def load():
    folder = DATA / "wrist_biplane_autoscoper"
    views = []
    for name in ("cam01", "cam02"):
        camera = read_calibration(folder / f"xr_calib_wrist_{name}.txt", SDD_MM)
        views.append(read_radiograph(folder / f"wrist_{name}_frame0099.png", camera=camera))
    reference = json.loads((folder / "radius_reference_poses.json").read_text())["frames"]["0099"]["world_from_volume"]
    return attenuation_of(read_ct(folder / "rad_ct.nii.gz")), views, RigidPose(reference)


def wrong_start(truth: RigidPose, centre: np.ndarray, degrees: float, millimetres: float, seed: int) -> RigidPose:
    generator = np.random.default_rng(seed)
    axis, direction = (v / np.linalg.norm(v) for v in generator.normal(size=(2, 3)))
    return RigidPose.from_rotation(degrees * axis, millimetres * direction, truth.apply(centre)) @ truth


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--degrees", type=float, default=5.0)
    parser.add_argument("--millimetres", type=float, default=4.0)
    parser.add_argument("--engine", choices=("auto", "torch", "numba"), default="auto")
    args = parser.parse_args()
    if not DATA.is_dir():
        print(f"skipped: real anatomy not found at {DATA} (set XRAYTO3D_DATA)")
        return
    bone, views, reference = load()
    successes, seconds = 0, []
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        start = wrong_start(reference, bone.centre_lps, args.degrees, args.millimetres, seed)
        result = register(bone, views, start, engine=args.engine)
        degrees, millimetres = result.pose.distance_to(reference, bone.centre_lps)
        good = degrees <= LIMIT_DEG and millimetres <= LIMIT_MM
        successes += good
        seconds.append(result.seconds)
        print(
            f"seed {seed:3d}: {degrees:5.2f} deg {millimetres:5.2f} mm  {'hit ' if good else 'MISS'} "
            f"{result.verdict.value:10} similarity {result.mean_similarity:.3f}  {result.seconds:5.1f} s",
            flush=True,
        )
    print(
        f"{successes} of {args.seeds} within {LIMIT_MM:g} mm and {LIMIT_DEG:g} degrees from {args.degrees:g} degrees, "
        f"{args.millimetres:g} mm; median {statistics.median(seconds):.1f} s per registration, one thread; "
        f"{result.settings['engine']}"
    )


if __name__ == "__main__":
    main()
