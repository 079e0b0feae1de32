"""How fast our projectors are beside RTK, nanodrr and DiffDRR: one run, one thread, at equal error to the closed form.

Repeats are interleaved and medians compared (ratios are what counts); slow peers get fewer repeats. Times are processor
time of this process, which others on the machine do not stretch; with two threads, time on the wall. Setting up is not
timed. Errors are relative RMS to the analytic line integral; nanodrr takes the fewer samples (half as many as voxels,
or as many) with which it comes within 5 % of our error. A gradient is, for the peers, a picture and one backward pass
to six pose parameters; for ours, the derivatives of every pixel.

    python bench_projector_speed.py               # everything, about 8 minutes on a quiet machine
    python bench_projector_speed.py --quick       # 128^3 only, no DiffDRR Siddon: a look, not a measurement
"""

from __future__ import annotations

import os

for _name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import argparse  # noqa: E402
import statistics  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any, NamedTuple  # noqa: E402

import numpy as np  # noqa: E402
import torch  # noqa: E402
from projector_cases import IDENTITY, MOTION, Case  # noqa: E402
from projector_sweep import sweep  # noqa: E402
from rtk_joseph import one_thread, rtk_geometry, rtk_projector  # noqa: E402
from torch_peers import diffdrr_projector, nanodrr_projector, pose_gradient  # noqa: E402

from XRayTo3DLib.projection.drr import DrrProjector  # noqa: E402
from XRayTo3DLib.projection.shear_warp import ShearWarpProjector  # noqa: E402

from phantoms_analytic import relative_rms  # noqa: E402  # isort: skip

HERE = Path(__file__).resolve().parent
STILL = torch.eye(4, dtype=torch.float64)
Call = Callable[[], Any]


class Target(NamedTuple):
    """``faster`` than ``slower`` at least ``times`` times."""

    faster: str
    slower: str
    times: float


FORWARD = [
    Target("numba", "RTK", 6),
    Target("numba", "nanodrr", 10),
    Target("numba", "DiffDRR Siddon", 80),
    Target("torch", "RTK", 2.5),
]
BONES = [Target("numba", "RTK", 15), Target("torch", "RTK", 2.5)]
GRADIENT = [
    Target("numba", "nanodrr", 25),
    Target("numba", "DiffDRR trilinear", 60),
    Target("torch", "nanodrr", 0),
    Target("torch", "DiffDRR trilinear", 0),
]
THREADS = [Target("two", "one", 1.6), Target("two + pose", "one + pose", 1.6)]
_missed: list[str] = []


def judge(where: str, reached: bool) -> str:
    """A word on a target, kept for the end if it was missed."""
    if not reached:
        _missed.append(where)
    return "reached" if reached else "MISSED"


def interleaved(
    calls: dict[str, Call], repeats: dict[str, int], clock: Callable[[], float] = time.process_time
) -> dict[str, float]:
    """Median seconds of each, in turn: a busy machine slows all of them. Those called more than twice warm up first."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for name, call in calls.items():
        if repeats[name] > 2:
            call()
    rounds = max(repeats.values())
    for number in range(rounds):
        for name, call in calls.items():
            # So many of the rounds, spread evenly.
            if (number + 1) * repeats[name] // rounds > number * repeats[name] // rounds:
                began = clock()
                call()
                seconds[name].append(clock() - began)
    return {name: statistics.median(values) for name, values in seconds.items()}


def report(title: str, seconds: dict[str, float], errors: dict[str, float], targets: list[Target]) -> None:
    """Times, errors, and ratios beside their targets."""
    print(f"{title}\n  ms      " + ", ".join(f"{name} {1000 * value:.1f}" for name, value in seconds.items()))
    if errors:
        print("  error   " + ", ".join(f"{name} {100 * value:.3f} %" for name, value in errors.items()))
    for target in targets:
        if target.faster in seconds and target.slower in seconds:
            ratio = seconds[target.slower] / seconds[target.faster]
            line = f"{target.faster} is {ratio:.2f} times as fast as {target.slower}"
            goal = (
                f", target {target.times:g}: {judge(f'{title}: {line}', ratio >= target.times)}" if target.times else ""
            )
            print(f"  {line}{goal}")
    sys.stdout.flush()


def without_gradients(project: Callable[[torch.Tensor], torch.Tensor]) -> Call:
    """A call that draws the picture only."""

    def call() -> torch.Tensor:
        with torch.no_grad():
            return project(STILL)

    return call


def patch_of(case: Case) -> int:
    """Edge of the patches that DiffDRR draws one by one, so that its intersections fit the memory."""
    return 125 if case.size == (500, 625) else 128


def peers_of(case: Case, our_error: float, siddon: bool) -> dict[str, Call]:
    """nanodrr and DiffDRR at equal error."""
    given = (case.volume, case.grid, case.camera)
    nano = without_gradients(nanodrr_projector(*given, case.count // 2))
    if relative_rms(nano(), case.truth) > 1.05 * our_error:
        nano = without_gradients(nanodrr_projector(*given, case.count))
    patch = patch_of(case)
    calls = {
        "nanodrr": nano,
        "DiffDRR trilinear": without_gradients(diffdrr_projector(*given, "trilinear", case.count, patch)),
    }
    if siddon:
        calls["DiffDRR Siddon"] = without_gradients(diffdrr_projector(*given, "siddon", patch=patch))
    return calls


def forward(case: Case, repeats: dict[str, int], ours: dict[str, Any], peers: bool) -> None:
    """Pictures of one case."""
    camera = case.camera
    calls: dict[str, Call] = {
        "RTK": rtk_projector(case.volume, case.voxel, rtk_geometry(), case.size, case.spacing),
        **{name: lambda engine=engine: engine(camera, IDENTITY) for name, engine in ours.items()},
    }
    if peers:
        calls |= peers_of(case, relative_rms(calls["numba"](), case.truth), repeats["DiffDRR Siddon"] > 0)
    seconds = interleaved(calls, repeats)
    errors = {name: relative_rms(call(), case.truth) for name, call in calls.items() if name != "DiffDRR Siddon"}
    report(f"forward, {case}", seconds, errors, BONES if case.name == "bones" else FORWARD)


def gradient(case: Case, repeats: dict[str, int], ours: dict[str, Any]) -> None:
    """Pictures and pose gradients of one case."""
    camera, weights = case.camera, torch.ones(case.size[::-1])
    given = (case.volume, case.grid, camera)
    samples = case.count // 2
    if relative_rms(without_gradients(nanodrr_projector(*given, samples))(), case.truth) > 1.05 * relative_rms(
        ours["numba"](camera, IDENTITY), case.truth
    ):
        samples = case.count
    nano, trilinear = (nanodrr_projector(*given, samples), diffdrr_projector(*given, "trilinear", case.count))
    calls: dict[str, Call] = {
        **{name: lambda engine=engine: engine.with_jacobian(camera, IDENTITY, MOTION) for name, engine in ours.items()},
        "nanodrr": lambda: pose_gradient(nano, MOTION, weights),
        "DiffDRR trilinear": lambda: pose_gradient(trilinear, MOTION, weights),
    }
    report(f"forward + pose gradient, {case}", interleaved(calls, repeats), {}, GRADIENT)


def two_threads(case: Case, engine: ShearWarpProjector, repeats: int) -> None:
    """The compiled engine with one thread and with two, in turn."""

    def with_threads(count: int, call: Call) -> Call:
        def run() -> None:
            torch.set_num_threads(count)
            call()

        return run

    camera, calls = case.camera, {}
    for name, count in (("one", 1), ("two", 2)):
        calls[name] = with_threads(count, lambda: engine(camera, IDENTITY))
        calls[f"{name} + pose"] = with_threads(count, lambda: engine.with_jacobian(camera, IDENTITY, MOTION))
    seconds = interleaved(calls, dict.fromkeys(calls, repeats), time.perf_counter)
    torch.set_num_threads(1)
    report(
        f"numba, one thread and two ({os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}), {case}",
        seconds,
        {},
        THREADS,
    )


def memory(case: Case) -> None:
    """Peak memory of either engine in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "volume.npy"
        np.save(path, case.volume)
        for engine in ("numba", "torch"):
            command = [
                sys.executable,
                str(HERE / "projector_memory.py"),
                str(path),
                str(case.voxel),
                *map(str, case.size),
            ]
            done = subprocess.run([*command, engine], capture_output=True, text=True, check=True)
            empty, one, three = (float(word) for word in done.stdout.split())
            print(
                f"peak memory, {case}, {engine}: {one:.2f} GB with one view, {three:.2f} GB after views along all "
                f"three axes ({empty:.2f} GB of it Python and torch), target 1.5: "
                f"{judge(f'peak memory of {engine}, {case}', three < 1.5)}",
                flush=True,
            )


def measure(case: Case, fast: int, slow: int, siddon: int, gradient_size: tuple[int, int] | None) -> dict[str, Any]:
    """Everything about one case; returns our engines."""
    ours = {
        "numba": ShearWarpProjector(case.volume, case.grid),
        "torch": DrrProjector(case.volume, case.grid),
    }
    repeats = {
        "RTK": fast,
        "numba": fast,
        "torch": fast,
        "nanodrr": slow,
        "DiffDRR trilinear": slow,
        "DiffDRR Siddon": siddon,
    }
    forward(case, repeats, ours, peers=case.name != "bones")
    if gradient_size:
        gradient(case.with_detector(gradient_size), {**repeats, "DiffDRR trilinear": max(1, slow - 1)}, ours)
    return ours


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="128^3 only, without DiffDRR's Siddon")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    one_thread()
    if quick:
        for name in ("smooth", "limb", "bones"):
            measure(Case(name, 128, (128, 128)), 9, 3, 0, None if name == "bones" else (128, 128))
        return
    for name in ("smooth", "limb", "bones"):
        case = Case(name, 256, (256, 256))
        ours = measure(case, 15, 3, 2, None if name == "bones" else (256, 256))
        if name != "bones":
            two_threads(case, ours["numba"], 15)
    for name in ("smooth", "limb", "bones"):
        case = Case(name, 400, (500, 625))
        siddon = 1 if name == "smooth" else 0
        ours = measure(case, 7, 2, siddon, (256, 256) if name == "limb" else None)
        if name == "smooth":
            two_threads(case, ours["numba"], 9)
            memory(case)
    print("half a turn in steps of 0.1 degrees")
    for engine, name, around in (
        *(("numba", name, around) for name in ("smooth", "limb") for around in ("z", "x", "oblique")),
        ("torch", "limb", "oblique"),
    ):
        judge(f"sweep of {engine}, {name}, about {around}", sweep(name, engine, around))
    print("all targets reached" if not _missed else "missed:\n  " + "\n  ".join(_missed))


if __name__ == "__main__":
    main()
