"""SYNTHETIC registrations of wrist, knee and hip: easy and hard pictures, two views and one, near and wide starts.

The same trials and tables as `xrayto3d benchmark registration` (docs/benchmark.md). Few seeds by default; 40 tell more.
"""

from __future__ import annotations

import argparse

from XRayTo3DLib.evaluation.registration_setups import (
    ANATOMIES,
    TrialAnatomy,
    phantom_anatomy,
    registered_parts,
    trial_cameras,
    usual_moving,
)
from XRayTo3DLib.evaluation.registration_study import Summary, registration_solver, run_trials, summarise, table_text
from XRayTo3DLib.evaluation.registration_trials import DIFFICULTIES, Reach, TrialMaker

CASES = ((2, "easy", 1.0), (2, "hard", 1.0), (1, "easy", 1.0), (1, "hard", 1.0), (1, "easy", 3.0))
"""Views, pictures, reach of the starts."""


def study(
    anatomy: TrialAnatomy,
    views: int,
    pictures: str,
    reach: float,
    seeds: range,
    engine: str = "auto",
    moving: str | None = None,
) -> Summary:
    """One column of a table; ``moving`` says what is registered, the usual if ``None``."""
    difficulty = DIFFICULTIES[pictures]
    cameras = trial_cameras(anatomy.views[:views])
    maker = TrialMaker(anatomy.ct, anatomy.label, cameras, difficulty, Reach().times(reach), anatomy.energy_kev)
    parts = registered_parts(anatomy, moving or usual_moving(difficulty), difficulty)
    return summarise(list(run_trials(maker, registration_solver(*parts, engine=engine), seeds)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--anatomy", nargs="+", choices=ANATOMIES, default=ANATOMIES)
    parser.add_argument("--engine", choices=("auto", "torch", "numba"), default="auto")
    args = parser.parse_args()
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    anatomies = [phantom_anatomy(name) for name in args.anatomy]
    for views, pictures, reach in CASES:
        print(f"\nSYNTHETIC, {views} view(s), {pictures} pictures, reach {reach:g}, seeds {seeds.start} to {seeds[-1]}")
        summaries = {each.name: study(each, views, pictures, reach, seeds, args.engine) for each in anatomies}
        print(table_text(summaries), flush=True)


if __name__ == "__main__":
    main()
