"""How fast our projectors are, and RTK's Joseph: forward, and with the six pose derivatives; errors; smoothness.

One thread each, repeats interleaved, medians. Volumes 204.8 mm wide (soft limb: smooth; limb with sharp edges; bones
alone, air elsewhere), projected obliquely (SDD 1020 mm, source to centre 700 mm). Errors are relative RMS to the
analytic line integral and between our two engines. Setting up (permuting the volume, compiling) is told apart.
"numba 1.5" is the compiled projector with less oversampling than its own 2.0.

    python bench_projector_speed.py            # 128^3 -> 128^2 and 256^3 -> 256^2
    python bench_projector_speed.py --large    # also 400^3 -> 500 x 625, with the peak memory of the process
    python bench_projector_speed.py --sweep    # half a turn in steps of 0.1 degrees: jumps
"""

from __future__ import annotations

import os

for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import argparse  # noqa: E402
import resource  # noqa: E402
import statistics  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402
import torch  # noqa: E402

from XRayTo3DLib.geometry import RigidPose, XRayCamera  # noqa: E402
from XRayTo3DLib.projection.drr import DrrProjector  # noqa: E402
from XRayTo3DLib.projection.shear_warp import ShearWarpProjector  # noqa: E402
from XRayTo3DLib.registration.motion import CentredMotion  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Lib"))
from phantoms_analytic import (  # noqa: E402
    LIMB,
    SMOOTH_LIMB,
    centred_grid,
    line_integrals,
    looking_camera,
    relative_rms,
    voxelised,
)
from rtk_joseph import camera_of, one_thread, rtk_geometry, rtk_projector  # noqa: E402

EXTENT_MM = 204.8
PHANTOMS = {"smooth": SMOOTH_LIMB, "limb": LIMB, "bones": LIMB[1:]}
MOTION = CentredMotion((3.0, -5.0, 2.0))
IDENTITY = RigidPose.identity()


def interleaved(engines: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median seconds of each, run in turn so that a busy machine slows all of them."""
    seconds: dict[str, list[float]] = {name: [] for name in engines}
    for engine in engines.values():
        engine()
    for _ in range(repeats):
        for name, engine in engines.items():
            began = time.perf_counter()
            engine()
            seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(values) for name, values in seconds.items()}


def run(name: str, count: int, size: tuple[int, int], repeats: int) -> None:
    """Time and compare one phantom at one size."""
    voxel, spacing = EXTENT_MM / count, 300.0 / min(size)
    geometry = rtk_geometry()
    camera = camera_of(geometry, size, spacing)
    grid = centred_grid((count,) * 3, voxel)
    volume = voxelised(PHANTOMS[name], (count,) * 3, grid)
    began = time.perf_counter()
    fast = ShearWarpProjector(volume, grid)
    fast(camera, IDENTITY)
    ready = time.perf_counter() - began
    coarse = ShearWarpProjector(volume, grid, oversampling=1.5)
    slow = DrrProjector(volume, grid)
    truth = line_integrals(PHANTOMS[name], camera)
    rtk = rtk_projector(volume, voxel, geometry, size, spacing)
    errors = {
        "RTK": relative_rms(rtk(), truth),
        "torch": relative_rms(slow(camera, IDENTITY), truth),
        "numba": relative_rms(fast(camera, IDENTITY), truth),
        "numba 1.5": relative_rms(coarse(camera, IDENTITY), truth),
    }
    apart = relative_rms(fast(camera, IDENTITY), slow(camera, IDENTITY))
    times = interleaved(
        {
            "RTK": rtk,
            "torch": lambda: slow(camera, IDENTITY),
            "numba": lambda: fast(camera, IDENTITY),
            "numba 1.5": lambda: coarse(camera, IDENTITY),
            "numba + pose": lambda: fast.with_jacobian(camera, IDENTITY, MOTION),
            "torch + pose": lambda: slow.with_jacobian(camera, IDENTITY, MOTION),
        },
        repeats,
    )
    print(
        f"{name:6} {count}^3 -> {size[0]} x {size[1]}\n  ms    "
        + ", ".join(f"{engine} {1000 * value:.1f}" for engine, value in times.items())
        + f"; numba made ready in {ready:.2f} s\n  RTK / numba {times['RTK'] / times['numba']:.1f} "
        f"(oversampling 1.5: {times['RTK'] / times['numba 1.5']:.1f}), "
        f"torch / numba {times['torch'] / times['numba']:.1f}, RTK / torch {times['RTK'] / times['torch']:.2f}, "
        f"with pose derivatives torch / numba {times['torch + pose'] / times['numba + pose']:.1f}, "
        f"RTK's picture / numba's with derivatives {times['RTK'] / times['numba + pose']:.1f}\n  error "
        + ", ".join(f"{engine} {100 * value:.3f} %" for engine, value in errors.items())
        + f"; numba to torch {100 * apart:.3f} %",
        flush=True,
    )


def unexplained(projector: ShearWarpProjector, camera: XRayCamera, axis: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Per step the largest change of a pixel that the mean of the derivatives at its ends does not foretell."""
    found, before = [], None
    for angle in angles:
        image, derivatives = projector.with_jacobian(
            camera, RigidPose.from_rotation(axis * angle), CentredMotion([0] * 3)
        )
        slope = np.tensordot(axis, derivatives[:3].numpy(), 1)
        if before is not None:
            foretold = 0.5 * (angles[1] - angles[0]) * (slope + before[1])
            found.append(np.abs(image.numpy() - before[0] - foretold).max())
        before = image.numpy(), slope
    return np.array(found)


def sweep(name: str, count: int = 128, pixels: int = 64) -> None:
    """Half a turn about three axes. A jump stays as high in steps ten times as fine; a bend or an edge does not."""
    grid = centred_grid((count,) * 3, EXTENT_MM / count)
    volume = voxelised(PHANTOMS[name], (count,) * 3, grid)
    camera = looking_camera((pixels, pixels), 300 / pixels, turn_deg=(0, 0, 0))
    projector = ShearWarpProjector(volume, grid)
    height = float(projector(camera, IDENTITY).max())
    for axis in np.array([[0, 0, 1.0], [1.0, 0, 0], [0.31, 0.21, 0.927]]):
        angles = np.arange(0, 180.05, 0.1)
        coarse = unexplained(projector, camera, axis / np.linalg.norm(axis), angles)
        worst = np.argsort(-coarse)[:10]
        fine = [
            unexplained(projector, camera, axis / np.linalg.norm(axis), angles[w] + np.arange(11) * 0.01).max()
            for w in worst
        ]
        print(
            f"{name:6} half a turn about {axis.tolist()}: largest unforetold change {100 * coarse.max() / height:.3f} %"
            f" of the range at {angles[coarse.argmax()]:.1f} degrees (median {100 * np.median(coarse) / height:.4f} %);"
            f" of the ten worst steps, in tenths {100 * max(fine) / height:.3f} %; to torch: {projector.fallbacks}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--large", action="store_true", help="also 400^3 -> 500 x 625")
    parser.add_argument("--sweep", action="store_true", help="also half a turn in steps of 0.1 degrees")
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    torch.set_num_threads(1)
    began = time.perf_counter()
    small = ShearWarpProjector(np.ones((9, 9, 9), np.float32), np.eye(4))
    small.with_jacobian(looking_camera((9, 9), 3.0), IDENTITY, MOTION)
    small(looking_camera((9, 9), 3.0), IDENTITY)
    print(f"compiling, or loading what was compiled before: {time.perf_counter() - began:.1f} s")
    if options.sweep:
        sweep("smooth")
        sweep("limb")

    one_thread()
    for count in (128, 256):
        for name in PHANTOMS:
            run(name, count, (count, count), options.repeats)
    if options.large:
        for name in ("bones", "limb"):
            run(name, 400, (500, 625), max(3, options.repeats // 3))
            print(f"  peak memory of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GB")


if __name__ == "__main__":
    main()
