"""What the networks of dual-face depth cost on a CPU: seconds and peak memory of one picture, and of a training step.

Every row runs in a process of its own, with random weights (cost does not depend on them), folded for use. Wall time
is what a person waits for on an idle machine; CPU time over all threads is what it costs on a busy one. Peak memory is
that of the whole process, PyTorch (about 0.3 GB) included; ready: before the first picture.

  nice -n 19 python Testing/Benchmarks/bench_depth_network_cost.py
  python Testing/Benchmarks/bench_depth_network_cost.py --threads 1 --train tiny:128 segmentation-tiny:128
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

OUTPUTS, LABELS, BATCH = 8, 4, 8
ROWS = (
    "tiny:128", "f0:256", "f0:512", "f0:1024",
    "segmentation-tiny:128", "segmentation-full:256", "segmentation-full:512", "segmentation-full:1024",
)  # fmt: skip


def peak_gb() -> float:
    """Largest resident memory of this process so far, GB (10^9 bytes)."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e9


def make_network(name: str):
    """``f0`` and ``tiny``: depth; ``segmentation-full`` and ``segmentation-tiny``."""
    from XRayTo3DLib.networks.depth_decoder import depth_network
    from XRayTo3DLib.networks.segmentation import segmentation_network

    if name.startswith("segmentation-"):
        return segmentation_network(LABELS, name.removeprefix("segmentation-"))
    return depth_network(OUTPUTS, name)


def measure(name: str, side: int, args: argparse.Namespace) -> dict[str, float]:
    """One row in this process."""
    import torch

    from XRayTo3DLib.networks.layers import count_parameters
    from XRayTo3DLib.networks.nfnet import folded

    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    began = time.perf_counter()
    network = make_network(name)
    parameters = count_parameters(network)
    network = network if args.train else folded(network)
    made, ready = time.perf_counter() - began, peak_gb()
    images = torch.randn(BATCH if args.train else 1, 1, side, side)
    once = training_step(network, images) if args.train else use(network, images)
    walls, costs = [], []
    for _ in range(args.repeats + 1):
        began = time.perf_counter(), time.process_time()
        once()
        walls.append(time.perf_counter() - began[0])
        costs.append(time.process_time() - began[1])
    found = {"parameters": parameters, "made": made, "ready_gb": ready, "peak_gb": peak_gb(), "first": walls[0]}
    return found | {"wall": statistics.median(walls[1:]), "cpu": statistics.median(costs[1:])}


def use(network, images):
    """One picture, no gradients."""
    import torch

    def once() -> None:
        with torch.inference_mode():
            network(images)

    return once


def training_step(network, images):
    """Forward, loss, backward and AdamW."""
    import torch

    from XRayTo3DLib.networks.depth_losses import centre_aligned_loss
    from XRayTo3DLib.networks.segmentation_losses import segmentation_loss

    optimiser = torch.optim.AdamW(network.parameters(), 1e-4)
    with torch.no_grad():
        wanted = torch.randn_like(network(images))

    def once() -> None:
        optimiser.zero_grad()
        found = network(images)
        if wanted.shape[1] == LABELS:
            loss = segmentation_loss(found, (wanted > 0).float())
        else:
            loss = centre_aligned_loss(900 + 50 * found, 900 + 50 * wanted, wanted > 0)
        loss.backward()
        optimiser.step()

    return once


def in_own_process(row: str, args: argparse.Namespace) -> dict[str, float]:
    """:func:`measure` where nothing else has taken memory."""
    command = [
        sys.executable,
        __file__,
        row,
        "--inside",
        "--threads",
        str(args.threads),
        "--repeats",
        str(args.repeats),
    ]
    threads = {name: str(args.threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    done = subprocess.run(
        [*command, *(["--train"] if args.train else [])],
        capture_output=True, text=True, check=False, env={**os.environ, **threads},
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{row}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("rows", nargs="*", default=ROWS, help="network:pixels a side")
    add("--threads", type=int, default=2)
    add("--repeats", type=int, default=3, help="timed, after one that makes things ready")
    add("--train", action="store_true", help=f"a training step of {BATCH} pictures instead of one picture's use")
    add("--inside", action="store_true", help="measure the one row in this process; prints JSON")
    args = parser.parse_args()
    if args.inside:
        name, side = args.rows[0].split(":")
        print(json.dumps(measure(name, int(side), args)))
        return
    what = f"training step of {BATCH} pictures" if args.train else "one picture"
    print(f"{what}, {args.threads} thread(s)")
    names = ("million", "wall s", "first s", "CPU s", "peak GB", "ready GB", "made s")
    print(f"{'network':<24}", *(f"{name:>8}" for name in names))
    for row in args.rows:
        found = in_own_process(row, args)
        print(
            f"{row:<24} {found['parameters'] / 1e6:>8.2f} {found['wall']:>8.3f} {found['first']:>8.3f} "
            f"{found['cpu']:>8.3f} {found['peak_gb']:>8.2f} {found['ready_gb']:>8.2f} {found['made']:>8.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
