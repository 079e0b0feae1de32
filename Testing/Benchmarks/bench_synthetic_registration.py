"""SYNTHETIC wrists: the radius registered to simulated PA and lateral radiographs from starts 8 degrees and 8 mm off.

Every person has another shape, pose (6 degrees, 6 mm per axis), noise and start. Success: mTRE over the bone's surface
points under 1 mm.
"""

from __future__ import annotations

import argparse
import statistics

import numpy as np

from XRayTo3DLib.dataset.phantoms import ForearmShape, make_forearm, wrist_camera
from XRayTo3DLib.dataset.simulate import EXTREMITY_KEV, simulate_radiograph
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.imaging.attenuation import attenuation_of
from XRayTo3DLib.registration.register import register
from XRayTo3DLib.shape.meshes import points_of

VIEWS = ("PA", "LAT")


def one_person(number: int, seed: int, bone_name: str, engine: str):
    generator = np.random.default_rng([seed, number])
    case = make_forearm(ForearmShape.sample(generator), spacing=0.6, seed=number)
    truth = RigidPose.from_rotation(generator.uniform(-6, 6, 3), generator.uniform(-6, 6, 3))
    views = [
        simulate_radiograph(
            case.ct, wrist_camera(view, side=case.shape.side), truth, seed=(seed, number, index), view=view, name=view
        )
        for index, view in enumerate(VIEWS)
    ]
    bone = attenuation_of(case.ct, bone_name, energy_kev=EXTREMITY_KEV)
    axis, direction = (v / np.linalg.norm(v) for v in generator.normal(size=(2, 3)))
    start = RigidPose.from_rotation(8.0 * axis, 8.0 * direction, truth.apply(bone.centre_lps)) @ truth
    result = register(bone, views, start, engine=engine)
    return result.pose.mean_target_error(truth, points_of(case.meshes[bone_name])[::20]), result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--bone", choices=("radius", "ulna"), default="radius")
    parser.add_argument("--engine", choices=("auto", "torch", "numba"), default="auto")
    args = parser.parse_args()
    errors, seconds = [], []
    for number in range(args.people):
        error, result = one_person(number, args.seed, args.bone, args.engine)
        errors.append(error)
        seconds.append(result.seconds)
        agreeing = f"{result.agreeing} of {result.starts} starts agree"
        print(
            f"person {number:2d}: mTRE {error:5.2f} mm  {result.verdict.value:10} {agreeing}  {result.seconds:5.1f} s"
        )
    print(
        f"SYNTHETIC {args.bone}, two views: {sum(e < 1 for e in errors)} of {args.people} under 1 mm, median mTRE "
        f"{statistics.median(errors):.2f} mm, median {statistics.median(seconds):.1f} s; {result.settings['engine']}"
    )


if __name__ == "__main__":
    main()
