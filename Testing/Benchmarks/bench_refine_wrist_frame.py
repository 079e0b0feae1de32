"""A REAL wrist in two calibrated radiographs, its radius fitted without its CT by models of SYNTHETIC people.

Frame 0099 of wrist_biplane_autoscoper. The start is a click on the middle of the radius' joint surface in both pictures
and the arm's direction in camera 02 (a PA), as ``xrayto3d reconstruct --origin --up`` takes them, and the mean shape.
The truth is the CT's own radius (over 250 HU, closed and filled slice by slice, the largest part) in the pose that the
data set publishes. The ulna has no CT.

  python Testing/Benchmarks/bench_refine_wrist_frame.py --model BUNDLE -o out

``--model`` is a bundle of shape and intensity models (Resources/configs/wrist_shape_fit_small.yaml).
"""

from __future__ import annotations

import argparse
import io
import os
import time
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import numpy as np  # noqa: E402
from bench_wrist_registration import DATA, load  # noqa: E402
from scipy.ndimage import binary_closing, binary_fill_holes, label  # noqa: E402
from vtkmodules.vtkCommonDataModel import vtkPolyData  # noqa: E402

from XRayTo3DLib.cli.models_used import loaded_model  # noqa: E402
from XRayTo3DLib.evaluation.outline_measures import outline_numbers, shadow  # noqa: E402
from XRayTo3DLib.evaluation.reconstruction_overlay import DARK, PALE, grey_range, shown_window  # noqa: E402
from XRayTo3DLib.geometry import RigidPose, XRayCamera  # noqa: E402
from XRayTo3DLib.imaging.ct_reader import read_ct  # noqa: E402
from XRayTo3DLib.imaging.types import Radiograph  # noqa: E402
from XRayTo3DLib.methods.reconstruct import GridReconstructor  # noqa: E402
from XRayTo3DLib.methods.refiner import Refiner  # noqa: E402
from XRayTo3DLib.projection.contours import drr_outline  # noqa: E402
from XRayTo3DLib.refinement.options import Anatomy, RefineOptions  # noqa: E402
from XRayTo3DLib.refinement.prior import JointPrior, PosePrior, parts_of  # noqa: E402
from XRayTo3DLib.refinement.result import refine  # noqa: E402
from XRayTo3DLib.registration.view_position import meeting_point  # noqa: E402
from XRayTo3DLib.shape.field_surface import clipped_to_box  # noqa: E402
from XRayTo3DLib.shape.label_surface import surface_from_labels  # noqa: E402
from XRayTo3DLib.shape.meshes import make_surface, points_of, transformed, triangles_of, vertex_normals  # noqa: E402
from XRayTo3DLib.shape.model_fitting import FitOptions, fit_shape_model  # noqa: E402
from XRayTo3DLib.shape.shape_intensity_model import ShapeIntensityModel  # noqa: E402
from XRayTo3DLib.shape.smooth_modes import beside_modes  # noqa: E402
from XRayTo3DLib.shape.surface_distance import surface_distance  # noqa: E402

CLICKS, UP = ((840.0, 1185.0), (700.0, 1205.0)), (0.15, -0.99)
"""Middle of the radius' joint surface in camera 01 and 02 (column, row), and where distal is in camera 02; by eye."""
PA_CAMERA = 1
BONE_HU = 250.0
HELD = PosePrior((5.0,) * 3, (3.0,) * 3)
"""How far the click and the arm's turn may be wrong."""
MARGIN_MM = 3.0
SMOOTH_MM, REACH_MM, SMOOTH_MODES = 0.7, 12.0, 30
"""Of smooth ways to differ beside those of computed people: about what proximal femora of ten people miss."""
SHOWN = {"mean shape at the click": "#e05cff", "refined": "#ff9f1c", "the CT's own radius": "#2ee6d6"}


def true_radius(reference: RigidPose) -> vtkPolyData:
    """The CT's radius where the radiographs show it, world mm."""
    ct = read_ct(DATA / "wrist_biplane_autoscoper" / "rad_ct.nii.gz")
    bone = np.stack([binary_fill_holes(each) for each in binary_closing(ct.hu > BONE_HU, iterations=3)])
    parts, _ = label(bone)
    largest = (parts == np.argmax(np.bincount(parts.ravel())[1:]) + 1).astype(np.int32)
    return transformed(surface_from_labels(largest, ct.voxel_to_lps, 1), reference.matrix)


def clicked_frame(model: GridReconstructor, radiographs: list[Radiograph]) -> RigidPose:
    """Reconstruction frame to world: the origin where both clicks' rays meet, turned as camera 02 sees a PA."""
    camera = radiographs[PA_CAMERA].camera
    place = meeting_point([each.camera for each in radiographs], CLICKS)
    away = camera.sdd - float((place - camera.source) @ camera.view_direction)
    return model.data.canonical_views[0].frame_from_landmark(
        camera, camera.project(place), object_detector_mm=away, up=UP, mirrored=False
    )


class Judge:
    """Compares surfaces in the reconstruction frame with the true radius, over the length that both have."""

    def __init__(self, truth: vtkPolyData, cameras: list[XRayCamera], shortest: float) -> None:
        self.truth, self.cameras = truth, cameras
        self.low = max(float(points_of(truth)[:, 2].min()), shortest) + MARGIN_MM

    def part(self, surface: vtkPolyData) -> vtkPolyData:
        """What lies in the length that both have."""
        return clipped_to_box(surface, np.array([-80.0, -80.0, self.low]), np.array([80.0, 80.0, 60.0]))

    def say(self, name: str, surface: vtkPolyData, more: str = "") -> None:
        """Print ASSD, HD95 and the mean distance of outlines in each view, mm at the bone."""
        found = surface_distance(
            self.part(self.truth), self.part(surface), ignore_boundary=1.0, require_overlap=False
        )  # fmt: skip
        outlines = "  ".join(f"{self._outline(camera, surface):.2f}" for camera in self.cameras)
        print(f"{name:<36} ASSD {found.assd:.2f}  HD95 {found.hd95:.2f}  outlines {outlines} mm{more}", flush=True)

    def _outline(self, camera: XRayCamera, surface: vtkPolyData) -> float:
        top = camera.project(np.zeros(3))
        down = camera.project(np.array([0, 0, self.low + 2.0])) - top
        length = np.linalg.norm(down)
        rows, columns = np.mgrid[: camera.size[1], : camera.size[0]]
        window = ((columns - top[0]) * down[0] + (rows - top[1]) * down[1]) / length < length
        pixel = camera.pixel_size_at(np.zeros(3))
        numbers = outline_numbers(shadow(camera, self.truth), shadow(camera, surface), pixel, window)
        assert numbers is not None  # the radius is in the window
        return (numbers.from_truth_mm + numbers.to_truth_mm) / 2


def with_smooth(anatomy: Anatomy) -> Anatomy:
    """The same people, who may also differ smoothly as no computed person does."""
    models = {}
    for name, model in anatomy.models.items():
        assert isinstance(model, ShapeIntensityModel)
        shape = beside_modes(model.shape, SMOOTH_MM, REACH_MM, SMOOTH_MODES)
        models[name] = replace(model, shape=shape, _fields=None)
    old = anatomy.prior
    sizes = {name: (k + SMOOTH_MODES, m) for name, (k, m) in old.sizes.items()}
    kept = []
    for name, part in parts_of(sizes).items():
        shapes = 6 + old.sizes[name][0]
        kept += [*range(part.start, part.start + shapes), *range(part.start + shapes + SMOOTH_MODES, part.stop)]
    count = max(part.stop for part in parts_of(sizes).values())
    mean, covariance = np.zeros(count), np.eye(count)
    mean[kept], covariance[np.ix_(kept, kept)] = old.mean, old.covariance
    return Anatomy(models, anatomy.usual, JointPrior(sizes, mean, covariance))


def floor(model: ShapeIntensityModel, usual: RigidPose, judge: Judge) -> vtkPolyData:
    """The model's nearest surface when the true one is given."""
    part = judge.part(judge.truth)
    points = points_of(part)
    options = FitOptions(prior=1e-3, points=2000, steps=25, clip=lambda world: world[:, 2] > judge.low)
    normals = vertex_normals(points, triangles_of(part))
    return make_surface(fit_shape_model(model.shape, points, options, usual, normals=normals).points, model.triangles)


def picture(radiographs: list[Radiograph], frame: RigidPose, shown: dict[str, vtkPolyData]) -> bytes:
    """Both radiographs with the outlines of everything ``shown`` (frame, mm)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 8.2), dpi=110, facecolor=DARK)
    axes = figure.subplots(1, 2)
    for axis, radiograph, view in zip(axes, radiographs, ("camera 01 (oblique)", "camera 02 (PA)"), strict=True):
        low, high = shown_window(radiograph.camera, frame.apply(points_of(shown["refined"])))
        dark, bright = grey_range(radiograph, low, high)
        axis.imshow(radiograph.pixels, cmap="gray", vmin=dark, vmax=bright)
        camera = radiograph.camera.moved(frame.inverse().matrix)
        for name, surface in shown.items():
            for part, line in enumerate(drr_outline(shadow(camera, surface).astype(float), 0.5)):
                text = "" if part else name
                axis.plot(line[:, 0], line[:, 1], color=SHOWN[name], linewidth=1.3, label=text)
        axis.set(xlim=(low[0], high[0]), ylim=(high[1], low[1]), xticks=[], yticks=[])
        axis.set_title(view, color=PALE, fontsize=11)
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="lower center", ncols=3, frameon=False, labelcolor="white")
    figure.suptitle("A REAL wrist, refined without its CT; models of SYNTHETIC people", color="white", fontsize=13)
    figure.subplots_adjust(0.01, 0.06, 0.99, 0.91, wspace=0.03)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", facecolor=DARK)
    return buffer.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="wrist-shapes-demo")
    parser.add_argument("-o", "--output", type=Path, default=Path("bench-output/refine_wrist_frame"))
    args = parser.parse_args()
    if not DATA.is_dir():
        print(f"skipped: real anatomy not found at {DATA} (set XRAYTO3D_DATA)")
        return
    args.output.mkdir(parents=True, exist_ok=True)
    _, radiographs, reference = load()
    model = loaded_model(args.model, "shape-intensity-fit")
    refiner, frame = Refiner(model), clicked_frame(model, radiographs)
    views = refiner.views(radiographs, frame)
    people = refiner.predictor.anatomy(HELD)
    radius = people.models["radius"]
    mean = transformed(make_surface(radius.surface_points(), radius.triangles), people.usual["radius"].matrix)
    truth = transformed(true_radius(reference), frame.inverse().matrix)
    judge = Judge(truth, [view.camera for view in views], float(points_of(mean)[:, 2].min()))
    judge.say("mean shape at the click", mean)
    shown = {"mean shape at the click": mean}
    for anatomy, name in ((people, "computed people"), (with_smooth(people), "and smooth differences")):
        judge.say(f"floor: {name}", floor(anatomy.models["radius"], anatomy.usual["radius"], judge))
        began = time.process_time()
        found = refine(anatomy, views, RefineOptions(), trust=refiner.trust)
        bone = found.bones["radius"]
        seconds = time.process_time() - began
        surface = make_surface(bone.points, bone.triangles)
        alike = ", ".join(f"{view.before:.2f} to {view.likeness:.2f}" for view in found.views)
        more = f"; likeness {alike}; SD {np.median(bone.normal_sd_mm):.2f} mm (median); CPU {seconds:.0f} s"
        judge.say(f"refined: {name}", surface, more)
        shown.setdefault("refined", surface)
    shown["the CT's own radius"] = truth
    (args.output / "wrist_frame.png").write_bytes(picture(radiographs, frame, shown))


if __name__ == "__main__":
    main()
