"""Error of our DRR and of RTK's Joseph projector to the analytic line integral, on the same volumes in one run.

Phantoms: smooth (anisotropic Gaussians) and sharp-edged (ellipsoids, 3 x 3 x 3 sub-samples per voxel), 204.8 mm wide at
128^3 and 256^3, projected obliquely onto 128^2 and 256^2 pixels (SDD 1020 mm, source to centre 700 mm). Both projectors
get the same float32 volume and the same geometry (RTK's own, read back as an XRayCamera).
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch

from XRayTo3DLib.projection.drr import DrrProjector

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Lib"))
from phantoms_analytic import LIMB, SMOOTH_LIMB, line_integrals, relative_rms, voxelised  # noqa: E402
from rtk_joseph import camera_of, one_thread, rtk_geometry, rtk_projector  # noqa: E402

EXTENT_MM = 204.8
REPEATS = 5
PHANTOMS = (("smooth", SMOOTH_LIMB), ("sharp", LIMB))


def run(name: str, phantom, count: int) -> float:
    """Print one line; returns our error over RTK's."""
    pixels, spacing, voxel = count, 300.0 / count, EXTENT_MM / count
    geometry = rtk_geometry()
    camera = camera_of(geometry, (pixels, pixels), spacing)
    to_lps = np.diag([voxel, voxel, voxel, 1.0])
    to_lps[:3, 3] = -(count - 1) / 2 * voxel
    volume = voxelised(phantom, (count,) * 3, to_lps)
    truth = line_integrals(phantom, camera)
    projector = DrrProjector(volume, to_lps)
    engines = {
        "RTK Joseph": rtk_projector(volume, voxel, geometry, (pixels, pixels), spacing),
        "XRayTo3D": lambda: projector(camera, np.eye(4)).numpy(),
    }
    errors = {engine: relative_rms(project(), truth) for engine, project in engines.items()}
    seconds: dict[str, list[float]] = {engine: [] for engine in engines}
    for _ in range(REPEATS):  # interleaved, so that a busy machine slows both
        for engine, project in engines.items():
            began = time.perf_counter()
            project()
            seconds[engine].append(time.perf_counter() - began)
    times = {engine: statistics.median(values) for engine, values in seconds.items()}
    ratio = errors["XRayTo3D"] / errors["RTK Joseph"]
    print(
        f"{name:7} {count}^3 -> {pixels}^2   error RTK {100 * errors['RTK Joseph']:.3f} %, "
        f"ours {100 * errors['XRayTo3D']:.3f} %, ratio {ratio:.3f}   "
        f"time RTK {1000 * times['RTK Joseph']:.0f} ms, ours {1000 * times['XRayTo3D']:.0f} ms, "
        f"RTK / ours {times['RTK Joseph'] / times['XRayTo3D']:.2f}"
    )
    return ratio


def main() -> None:
    torch.set_num_threads(1)
    one_thread()
    ratios = [run(name, phantom, n) for n in (128, 256) for name, phantom in PHANTOMS]
    print(f"largest ratio of errors {max(ratios):.3f} (wanted: at most 1.05)")


if __name__ == "__main__":
    main()
