"""What a training step costs, stage by stage: seconds and peak memory of small and paper-size configurations.

Every stage runs for a few steps through the training engine in a process of its own, with its validation, checkpoint
and, after the last stage, the bundle's networks loaded again and used: that a configuration runs end to end is part of
the measurement. Batch and sizes are the configuration's. The people are four SYNTHETIC ones; nothing is learnt.

  nice -n 19 python Testing/Benchmarks/bench_training_cost.py
  python Testing/Benchmarks/bench_training_cost.py --device cuda --steps 20 wrist_paper pix2pix_paper
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

CONFIGS = Path(__file__).resolve().parents[2] / "Resources" / "configs"
NAMES = ("wrist_pa_small", "wrist_paper", "pix2pix_small", "pix2pix_paper", "cyclegan_small", "cyclegan_paper")
STAGES = {
    "tl-net": ("autoencoder", "predictor", "joint"),
    "image-translation": ("pix2pix",),
    "style-transfer": ("cyclegan",),
}


class Clock:
    """Watches a training: when each step began, by the wall's clock and in the process's own CPU time."""

    def __init__(self) -> None:
        self.began: list[tuple[float, float]] = []

    def update(self, state: object) -> None:
        """What is told is not needed."""

    def cancelled(self) -> bool:
        """Asked before every step."""
        self.began.append((time.perf_counter(), time.process_time()))
        return False

    def seconds(self) -> tuple[float, float]:
        """Median over steps; the first one, which makes things ready, and the last, with what follows it, left out."""
        steps = zip(self.began[1:], self.began[2:], strict=False)
        wall, cpu = zip(*((b[0] - a[0], b[1] - a[1]) for a, b in steps), strict=True)
        return statistics.median(wall), statistics.median(cpu)


def peak_gb() -> float:
    """Largest resident memory of this process so far, GB (10^9 bytes)."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e9


def measure(config: Path, stage: str, people: Path, args: argparse.Namespace) -> dict[str, object]:
    """Run one stage of a configuration in this process."""
    import numpy as np
    import torch

    from XRayTo3DLib.methods.configuration import read_configuration
    from XRayTo3DLib.methods.registry import method_named
    from XRayTo3DLib.training.loop import train

    torch.set_num_threads(args.threads)
    content = read_configuration(config)
    content["data"] |= {"folder": str(people), "folds": 0}
    method = method_named(content["method"])
    run = method.prepare_training(content, Path(), args.device)
    plan = next(each for each in run.task.stages if each.name == stage)
    # The first step makes things ready and the last is followed by validation: neither is timed.
    run.task.stages = [replace(plan, steps=args.steps + 2, validate_every=0)]
    ready, clock = peak_gb(), Clock()
    with tempfile.TemporaryDirectory() as folder:
        train(
            run.task, folder, device=args.device, threads=args.threads, precision=args.precision,
            checkpoint_every=10**9, watcher=clock, tensorboard=False,
        )  # fmt: skip
    peak = peak_gb()
    if args.device == "cuda":
        ready, peak = 0.0, torch.cuda.max_memory_allocated() / 1e9
    model = run.finish()
    loaded = method.load_model(run.configuration, model.networks.__getitem__, model.arrays.__getitem__)
    size = content["data"]["image"]["size"]
    picture = np.zeros((1, size, size), dtype=np.float32)
    began = time.perf_counter()
    loaded.translate(picture) if hasattr(loaded, "translate") else loaded.predictor.predict(picture[None])
    return {
        "stage": stage,
        "batch": plan.batch,
        "parameters": sum(p.numel() for p in run.task.networks.parameters()),
        "seconds": clock.seconds()[0],
        "cpu_seconds": clock.seconds()[1],
        "peak_gb": peak,
        "ready_gb": ready,
        "used_seconds": time.perf_counter() - began,
        "steps": plan.steps,
    }


def make_people(folder: Path) -> None:
    """Three people to train on and one to test, with radiographs."""
    from XRayTo3DLib.dataset.dataset_folder import DatasetFolder
    from XRayTo3DLib.dataset.population import write_population
    from XRayTo3DLib.dataset.view_pairs import write_pairs

    write_population(folder, 3, test=1, soft_tissue=True, length_mm=110.0, workers=1)
    write_pairs(DatasetFolder.open(folder))


def in_own_process(config: Path, stage: str, people: Path, args: argparse.Namespace) -> dict[str, object]:
    """:func:`measure` where nothing else has taken memory."""
    command = [sys.executable, __file__, str(config), "--stage", stage, "--people", str(people), "--steps"]
    command += [str(args.steps), "--threads", str(args.threads), "--device", args.device, "--precision", args.precision]
    threads = {name: str(args.threads) for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **threads})
    if done.returncode:
        raise SystemExit(f"{config.stem}, {stage}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("configs", nargs="*", default=NAMES, help="names in Resources/configs, or files")
    add("--steps", type=int, default=4, help="timed per stage")
    add("--threads", type=int, default=1)
    add("--device", choices=("cpu", "cuda"), default="cpu")
    add("--precision", choices=("32-true", "bf16-mixed", "16-mixed"), default="32-true")
    add("--people", type=Path, help="a data set with pairs (default: one is made)")
    add("--stage", help="measure this stage of one configuration in this process; prints JSON")
    args = parser.parse_args()
    if args.stage:
        print(json.dumps(measure(Path(args.configs[0]), args.stage, args.people, args)))
        return
    with tempfile.TemporaryDirectory() as folder:
        people = args.people
        if people is None:
            people = Path(folder) / "people"
            make_people(people)
        print(
            f"{'configuration':<16} {'stage':<12} {'batch':>5} {'s/step':>8} {'CPU s':>8} {'peak GB':>8} "
            f"{'updates':>8} {'whole stage':>12}   {args.device}, {args.threads} thread(s), {args.precision}",
            flush=True,
        )
        for name in args.configs:
            config = Path(name) if name.endswith((".yaml", ".yml")) else CONFIGS / f"{name}.yaml"
            from XRayTo3DLib.methods.configuration import read_configuration

            for stage in STAGES[read_configuration(config)["method"]]:
                found = in_own_process(config, stage, people, args)
                hours = found["seconds"] * found["steps"] / 3600
                print(
                    f"{config.stem:<16} {stage:<12} {found['batch']:>5} {found['seconds']:>8.3f} "
                    f"{found['cpu_seconds']:>8.3f} {found['peak_gb']:>8.2f} {found['steps']:>8} {hours:>10.2f} h   "
                    f"{found['parameters'] / 1e6:.2f} M parameters; {found['used_seconds']:.2f} s to use it",
                    flush=True,
                )


if __name__ == "__main__":
    main()
