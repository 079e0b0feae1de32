"""Picture for the documentation: a DRR and the depth maps of the bones in it. SYNTHETIC forearm.

Run: ``python Testing/Module/make_depth_picture.py [folder]`` (default: Resources/Screenshots).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from XRayTo3DLib.dataset.phantoms import ForearmShape, make_forearm, wrist_camera
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.imaging.attenuation import attenuation_of
from XRayTo3DLib.projection.depth_maps import bone_depths, z_from_distance
from XRayTo3DLib.projection.engines import make_projector
from XRayTo3DLib.shape.meshes import points_of, triangles_of

REPOSITORY = Path(__file__).resolve().parents[2]


def main(folder: Path) -> None:
    case = make_forearm(ForearmShape(), spacing=0.8)
    camera = wrist_camera("PA").binned(2)
    names = ("radius", "ulna")
    maps = bone_depths(
        camera, {name: (points_of(case.meshes[name]), triangles_of(case.meshes[name])) for name in names}
    )
    bone = attenuation_of(case.ct)
    pictures: list[tuple[str, Any, str, str]] = [
        (
            "DRR",
            np.asarray(make_projector(bone.mu, bone.voxel_to_lps)(camera, RigidPose.identity())),
            "gray",
            "line integral",
        )
    ]
    for side, outermost in (("front", np.fmin), ("back", np.fmax)):
        z = [z_from_distance(camera, getattr(maps[name], f"{side}_mm")) for name in names]
        pictures.append((f"{side} of {' and '.join(names)}", outermost.reduce(z), "viridis_r", "z from the source, mm"))
    thickness = np.sum([np.nan_to_num(maps[name].thickness_mm) for name in names], axis=0)
    pictures.append(("thickness", np.where(thickness > 0, thickness, np.nan), "magma", "mm"))
    draw(folder / "depth_maps.png", pictures)


def draw(path: Path, pictures: list[tuple[str, Any, str, str]]) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 4.0), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (title, picture, colours, unit) in zip(figure.subplots(1, len(pictures)), pictures, strict=True):
        shown = axes.imshow(picture, cmap=colours)
        axes.set_title(title)
        axes.set_axis_off()
        figure.colorbar(shown, ax=axes, label=unit, shrink=0.7)
    figure.suptitle("SYNTHETIC forearm, PA")
    figure.savefig(path, dpi=80)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORY / "Resources" / "Screenshots")
