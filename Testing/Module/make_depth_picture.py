"""Picture for the documentation: a DRR and the depth maps of the bones in it. SYNTHETIC forearm.

Run: ``python Testing/Module/make_depth_picture.py [folder]`` (default: Resources/Screenshots).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from XRayTo3DLib.dataset.phantoms import ForearmShape, make_forearm, wrist_camera
from XRayTo3DLib.evaluation.experiment_style import INK, QUIET, blank_figure, png_of
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
    drr = np.asarray(make_projector(bone.mu, bone.voxel_to_lps)(camera, RigidPose.identity()))
    pictures: list[tuple[str, Any, str, str]] = [("DRR", drr, "gray", "line integral")]
    for side, outermost in (("front", np.fmin), ("back", np.fmax)):
        z = [z_from_distance(camera, getattr(maps[name], f"{side}_mm")) for name in names]
        pictures.append((f"Depth of the {side}", outermost.reduce(z), "cividis_r", "z from the source (mm)"))
    thickness = np.sum([np.nan_to_num(maps[name].thickness_mm) for name in names], axis=0)
    pictures.append(("Thickness", np.where(thickness > 0, thickness, np.nan), "magma", "along the ray (mm)"))
    draw(folder / "depth_maps.png", pictures, window_of(thickness > 0))


def window_of(shown: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Rows and columns of the pixels that are shown, with a tenth of the picture round them."""
    places, margin = np.argwhere(shown), max(shown.shape) // 10
    low, high = np.maximum(places.min(axis=0) - margin, 0), places.max(axis=0) + 1 + margin
    return slice(low[0], high[0]), slice(low[1], high[1])


def draw(path: Path, pictures: list[tuple[str, Any, str, str]], window: tuple[slice, slice]) -> None:
    figure = blank_figure(
        9.6, 6.0, "One camera, four projections", "Radius and ulna in a PA view, pixel on pixel.", True
    )
    grid = figure.subplots(2, len(pictures), height_ratios=(1, 0.035))
    figure.subplots_adjust(left=0.04, right=0.96, top=0.8, bottom=0.12, wspace=0.12, hspace=0.06)
    for (axes, bar), (title, picture, colours, unit) in zip(grid.T, pictures, strict=True):
        shown = axes.imshow(picture[window], cmap=colours, aspect="auto")
        axes.set_title(title, fontsize=10.5, color=INK, loc="left", fontweight="bold")
        axes.set_axis_off()
        scale = figure.colorbar(shown, cax=bar, orientation="horizontal", ticks=MaxNLocator(4))
        scale.set_label(unit, fontsize=9, color=QUIET)
        scale.outline.set_visible(False)
        bar.tick_params(labelsize=9, colors=INK, length=3)
    path.write_bytes(png_of(figure))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORY / "Resources" / "Screenshots")
