"""REAL knees: DRRs of the whole CT, soft tissue and other bones in them, and a femur refined to them without that CT.

Three knees of ct_extremities_sts (``knee_bones``: how their femora are found). The model is of six other people's LEFT
femora (GIAS2, surfaces alone). Two views, AP and lateral, 0.5 mm pixels, noise of counted photons. The start is a
click on the joint line in both (2 mm off, SD) with the limb along the scanner's axes, and the mean shape; both sides
are tried and the one that is more alike is taken.

  python Testing/Benchmarks/bench_refine_ct_knees.py -o out
"""

from __future__ import annotations

import argparse
import io
import os
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import numpy as np  # noqa: E402
from femur_radiographs import ENERGY_KEV, radiographs  # noqa: E402
from knee_bones import DATA, JOINT_SLICE, Knee, femur_model, mirrored, read_knee  # noqa: E402
from vtkmodules.vtkCommonDataModel import vtkPolyData  # noqa: E402

from XRayTo3DLib.evaluation.outline_measures import field_window, outline_numbers, shadow  # noqa: E402
from XRayTo3DLib.evaluation.reconstruction_overlay import DARK, PALE  # noqa: E402
from XRayTo3DLib.geometry import RigidPose, XRayCamera  # noqa: E402
from XRayTo3DLib.geometry.calibration import standard_camera  # noqa: E402
from XRayTo3DLib.imaging.attenuation import attenuation_of, tissue_attenuation  # noqa: E402
from XRayTo3DLib.projection.contours import drr_outline  # noqa: E402
from XRayTo3DLib.refinement.options import Anatomy, Level, RefineOptions, View  # noqa: E402
from XRayTo3DLib.refinement.prior import PosePrior, independent  # noqa: E402
from XRayTo3DLib.refinement.result import Refinement, refine  # noqa: E402
from XRayTo3DLib.shape.field_surface import clipped_to_box  # noqa: E402
from XRayTo3DLib.shape.meshes import make_surface, points_of, triangles_of, vertex_normals  # noqa: E402
from XRayTo3DLib.shape.model_fitting import FitOptions, fit_shape_model  # noqa: E402
from XRayTo3DLib.shape.shape_intensity_model import ShapeIntensityModel  # noqa: E402
from XRayTo3DLib.shape.surface_distance import surface_distance  # noqa: E402

PIXEL_MM, FIELD_MM = 0.5, 200.0
CUBE_MM, MODES = 2.0, 30
CLICK_MM = 2.0
HELD = PosePrior((8.0, 8.0, 10.0), (5.0, 5.0, 5.0))
INSIDE_MM = 2.0
"""So far inside the CT's box surfaces are compared, and twice as far outlines."""
LEVELS = (
    Level(4.0, 8.0, 2, True, 0, 0, False, 12),
    Level(4.0, 8.0, 2, False, 6, 2, False, 12),
    Level(2.0, 4.0, 1, False, 100, 100, True, 15),
    Level(2.0, 2.5, 1, False, 100, 100, True, 15),
)
SHOWN = {"mean shape at the click": "#e05cff", "refined": "#ff9f1c", "the CT's own femur": "#2ee6d6"}


def exposures(knee: Knee) -> list[View]:
    """AP and lateral DRRs of the whole CT; only rays that stay inside its box may be compared."""
    whole = attenuation_of(knee.ct, None, energy_kev=ENERGY_KEV)
    middle = (points_of(knee.femur).min(axis=0) + points_of(knee.femur).max(axis=0)) / 2
    size = (round(FIELD_MM / PIXEL_MM),) * 2
    cameras = [
        standard_camera(1100, (PIXEL_MM,) * 2, size, source_isocentre=1000, view=view, isocentre=middle)
        for view in ("AP", "LAT")
    ]
    images = radiographs(whole.mu, whole.voxel_to_lps, cameras, 0)
    low, high = knee.low + INSIDE_MM, knee.high - INSIDE_MM
    return [
        View(image, camera, field_window(camera, low, high), name=name)
        for image, camera, name in zip(images, cameras, ("AP", "lateral"), strict=True)
    ]


def refined(model: ShapeIntensityModel, views: list[View], place: np.ndarray) -> tuple[Anatomy, Refinement]:
    """From the mean shape whose joint lies at ``place``."""
    usual = RigidPose.from_rotation([0, 0, 0], place)
    prior = independent({"femur": (model.size, model.density_size)}, {"femur": HELD})
    anatomy = Anatomy({"femur": model}, {"femur": usual}, prior)
    return anatomy, refine(anatomy, views, RefineOptions(levels=LEVELS, margin_mm=10.0))


class Judge:
    """Compares surfaces with the CT's femur, inside the CT's box."""

    def __init__(self, knee: Knee, views: list[View]) -> None:
        self.knee, self.views = knee, views
        self.box = knee.low + INSIDE_MM, knee.high - INSIDE_MM

    def assd(self, surface: vtkPolyData) -> float:
        """ASSD of what both have in the box, mm."""
        parts = (clipped_to_box(each, *self.box) for each in (self.knee.femur, surface))
        return surface_distance(*parts, ignore_boundary=1.0, require_overlap=False).assd

    def outline(self, camera: XRayCamera, surface: vtkPolyData) -> float:
        """Mean distance of outlines, mm at the bone, where rays stay inside the box."""
        window = field_window(camera, self.knee.low + 2 * INSIDE_MM, self.knee.high - 2 * INSIDE_MM)
        pixel = camera.pixel_size_at(self.knee.joint)
        numbers = outline_numbers(shadow(camera, self.knee.femur), shadow(camera, surface), pixel, window)
        return float("nan") if numbers is None else (numbers.from_truth_mm + numbers.to_truth_mm) / 2

    def text(self, surface: vtkPolyData) -> str:
        """Both, for people."""
        outlines = ", ".join(f"{view.name} {self.outline(view.camera, surface):.2f}" for view in self.views)
        return f"ASSD {self.assd(surface):.2f} mm, outlines {outlines} mm"


def floor(model: ShapeIntensityModel, usual: RigidPose, judge: Judge) -> vtkPolyData:
    """The model's nearest surface when the CT's is given."""
    part = clipped_to_box(judge.knee.femur, *judge.box)
    points = points_of(part)
    low, high = judge.box
    options = FitOptions(
        prior=1e-3,
        points=2000,
        steps=20,
        clip=lambda world: np.all((world > low + 1) & (world < high - 1), axis=1),
    )
    normals = vertex_normals(points, triangles_of(part))
    return make_surface(fit_shape_model(model.shape, points, options, usual, normals=normals).points, model.triangles)


def picture(rows: list[tuple[str, list[View], dict[str, vtkPolyData]]]) -> bytes:
    """Every knee's two pictures with the outlines of what is shown (LPS, mm)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2 * len(rows), 9.0), dpi=100, facecolor=DARK)
    axes = figure.subplots(2, len(rows), squeeze=False)
    for column, (name, views, shown) in enumerate(rows):
        for axis, view in zip(axes[:, column], views, strict=True):
            dark, bright = np.percentile(view.image[view.mask], [1, 99.8])
            axis.imshow(view.image, cmap="gray", vmin=dark, vmax=bright)
            for text, surface in shown.items():
                for part, line in enumerate(drr_outline(shadow(view.camera, surface).astype(float), 0.5)):
                    more = "" if part else text
                    axis.plot(line[:, 0], line[:, 1], color=SHOWN[text], linewidth=1.2, label=more)
            axis.set(xticks=[], yticks=[], xlim=(0, view.image.shape[1]), ylim=(view.image.shape[0], 0))
            axis.set_title(f"{name}, {view.name}", color=PALE, fontsize=10)
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="lower center", ncols=3, frameon=False, labelcolor="white")
    figure.suptitle("DRRs of REAL knees; femora refined without their CT", color="white", fontsize=13)
    figure.subplots_adjust(0.01, 0.05, 0.99, 0.92, wspace=0.03, hspace=0.08)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", facecolor=DARK)
    return buffer.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=Path("bench-output/refine_ct_knees"))
    parser.add_argument("--only", nargs="*", default=list(JOINT_SLICE))
    args = parser.parse_args()
    if not DATA.is_dir():
        print(f"skipped: real anatomy not found at {DATA} (set XRAYTO3D_DATA)")
        return
    args.output.mkdir(parents=True, exist_ok=True)
    left = femur_model(CUBE_MM, MODES, float(tissue_attenuation(ENERGY_KEV)))
    sides = {"left": left, "right": mirrored(left)}
    rows = []
    for number, name in enumerate(args.only):
        knee = read_knee(name)
        views = exposures(knee)
        judge = Judge(knee, views)
        place = knee.joint + np.random.default_rng(number).normal(size=3) * CLICK_MM
        began = time.process_time()
        tried = {side: refined(model, views, place) for side, model in sides.items()}
        seconds = time.process_time() - began
        alike = {side: float(np.mean([view.likeness for view in found.views])) for side, (_, found) in tried.items()}
        side = max(alike, key=lambda each: alike[each])
        anatomy, found = tried[side]
        model, usual, bone = sides[side], anatomy.usual["femur"], found.bones["femur"]
        mean = make_surface(usual.apply(model.surface_points()), model.triangles)
        surface = make_surface(bone.points, bone.triangles)
        both = ", ".join(f"{each} {value:.3f}" for each, value in alike.items())
        print(f"{name}: {side} (likeness {both}), CPU {seconds:.0f} s for both sides")
        print(f"  start   {judge.text(mean)}")
        print(f"  floor   {judge.text(floor(model, usual, judge))}")
        print(f"  refined {judge.text(surface)}; SD {np.median(bone.normal_sd_mm):.2f} mm (median)", flush=True)
        shown = dict(zip(SHOWN, (mean, surface, knee.femur), strict=True))
        rows.append((name, views, shown))
    (args.output / "ct_knees.png").write_bytes(picture(rows))


if __name__ == "__main__":
    main()
