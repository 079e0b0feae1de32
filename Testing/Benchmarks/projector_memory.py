"""Peak memory of one engine in a process of its own (Linux): pictures and derivatives of a volume from three sides.

python projector_memory.py volume.npy voxel_mm columns rows numba|torch
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch


def peak_gb() -> float:
    """Largest resident memory of this process so far, GB (10^9 bytes)."""
    # getrusage would tell the peak of whoever started this process, if that was larger.
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e9


def main(path: str, voxel: str, columns: str, rows: str, engine: str) -> None:
    """Print the peaks: before the volume is read, after one view, after views along all three axes."""
    from XRayTo3DLib.geometry import RigidPose
    from XRayTo3DLib.geometry.calibration import standard_camera
    from XRayTo3DLib.projection.engines import make_projector
    from XRayTo3DLib.registration.motion import CentredMotion

    torch.set_num_threads(1)
    size = (int(columns), int(rows))
    spacing = 300.0 / min(size)
    camera = standard_camera(1020.0, (spacing, spacing), size, source_isocentre=700.0, view="PA")
    motion, empty = CentredMotion((3.0, -5.0, 2.0)), peak_gb()
    volume = np.load(path)
    grid = np.diag([float(voxel)] * 3 + [1.0])
    grid[:3, 3] = -0.5 * float(voxel) * (np.array(volume.shape[::-1]) - 1)
    projector = make_projector(volume, grid, engine=engine)  # type: ignore[arg-type]
    peaks = []
    for turn in ((5, 3, 8), (90, 4, 6), (3, 6, 94)):
        pose = RigidPose.from_rotation(turn)
        projector(camera, pose)
        projector.with_jacobian(camera, pose, motion)
        peaks.append(peak_gb())
    assert getattr(projector, "fallbacks", 0) == 0
    print(f"{empty:.2f} {peaks[0]:.2f} {peaks[-1]:.2f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
