"""Which shape representation explains radiographs best: mesh PCA, signed-distance PCA, both in turn, or TL-net's code.

SYNTHETIC forearms (xrayto3d dataset synthetic), radius and ulna in air, held at random as the bundles' people are; 160
x 160 pixels of 0.6 mm (TL-net alone: the 64 x 64 it was trained for), cameras known. Every representation, learnt from
the same people, is refined by the same engine (refinement.refine_steps, views held still) from its mean, with two views
(PA, lateral) and with PA alone.

  floor     nearest that the representation comes to the true surfaces, when these are what it is fitted to
  two, one  ASSD after fitting two views or one, radius and ulna, mm: mean over people (largest)
  s         CPU seconds of a fit with two views, and with one

  nice -n 5 python Testing/Benchmarks/bench_shape_representations.py --data wrists --bundle run/bundle -o folder

The bundle comes from Resources/configs/wrist_shape_fit_small.yaml. About ten minutes on one CPU core; rigid alignments
are kept in the folder.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np  # noqa: E402
from scipy.ndimage import map_coordinates  # noqa: E402

from XRayTo3DLib.cli.models_used import loaded_model  # noqa: E402
from XRayTo3DLib.dataset.prepared import truth_meshes  # noqa: E402
from XRayTo3DLib.geometry import RigidPose  # noqa: E402
from XRayTo3DLib.methods.data import exposures_of, people_of  # noqa: E402
from XRayTo3DLib.methods.shape_intensity_fit.making import attenuation_of, in_volume  # noqa: E402
from XRayTo3DLib.methods.shape_intensity_fit.predictor import held_as  # noqa: E402
from XRayTo3DLib.methods.tl_net.code_model_building import build_code_model  # noqa: E402
from XRayTo3DLib.methods.validation import grid_box, meshes_of, posed_truth  # noqa: E402
from XRayTo3DLib.refinement.options import Anatomy, Placed, RefineOptions, View  # noqa: E402
from XRayTo3DLib.refinement.prior import learnt  # noqa: E402
from XRayTo3DLib.refinement.refine import refine_steps  # noqa: E402
from XRayTo3DLib.shape.field_surface import clipped_to_box  # noqa: E402
from XRayTo3DLib.shape.level_surface import read_changes, read_field  # noqa: E402
from XRayTo3DLib.shape.meshes import sample_surface, transformed  # noqa: E402
from XRayTo3DLib.shape.model_fitting import FitOptions, fit_shape_model  # noqa: E402
from XRayTo3DLib.shape.signed_distance_building import build_signed_distance_model  # noqa: E402
from XRayTo3DLib.shape.surface_distance import surface_distance  # noqa: E402

MODES, DENSITY_MODES, SPACING_MM, ROOM_MM = 20, 3, 2.0, 10.0
OPTIONS = RefineOptions(levels=tuple(replace(level, views=False) for level in RefineOptions().levels))
SAMPLES, PAST_MM, SIZE = 1500, 15.0, 160


# ---- models ----------------------------------------------------------------------------------------------------------


def distance_of(case, label, points):
    where = ((points - case.origin) / case.spacing_mm).T[::-1]
    field = case.distances[case.labels.index(label)].astype(np.float32)
    return map_coordinates(field, where, order=1, mode="nearest")


def alignments(shapes, people, chosen, folder):
    """Per bone the poses (people, 4, 4) from the shape model's frame to each person's, kept in the folder."""
    kept = folder / f"alignments-{len(chosen)}.npz"
    if not kept.is_file():
        found = {label: [] for label in shapes}
        for number in chosen:
            surfaces = in_volume(people.cases[number], people.prepared[number])
            for label, model in shapes.items():
                seen = sample_surface(surfaces[label], 1200)[0]
                found[label].append(fit_shape_model(model, seen, start=RigidPose.identity()).pose.matrix)
        np.savez(kept, **found)
    return dict(np.load(kept))


def signed_distances(shapes, people, chosen, folder, spacing_mm):
    prepared = [people.prepared[number] for number in chosen]
    poses = alignments(shapes, people, chosen, folder)
    return {
        label: build_signed_distance_model(
            lambda person, points, label=label: distance_of(prepared[person], label, points),
            lambda person, points, label=label: attenuation_of(prepared[person], label, points),
            [RigidPose(matrix) for matrix in poses[label]],
            (model.mean.min(axis=0) - ROOM_MM, model.mean.max(axis=0) + ROOM_MM),
            spacing_mm=spacing_mm,
            shape_modes=MODES,
            density_modes=DENSITY_MODES,
            label=label,
        )
        for label, model in shapes.items()
    }


def codes(net, people, chosen):
    """TL-net's decoder, its code kept to what the predictor says of the chosen people, unturned."""
    data, predictor = net.data, net.predictor
    exposures = exposures_of(data, people, 0)
    import torch

    images = torch.cat([exposures.exposed(int(number), [RigidPose.identity()]).images for number in chosen])
    with torch.inference_mode():
        found = predictor._networks["predictor"](images / data.image.scale).numpy()
    points = data.voxels.points().reshape(-1, 3)
    inside = []
    for number in chosen:
        case = people.prepared[int(number)]
        where = ((points - case.origin) / case.spacing_mm).T[::-1]
        inside.append(map_coordinates(case.mu.astype(np.float32), where, order=1, mode="constant"))
    shape = (data.voxels.size,) * 3
    decoder, inside = predictor._networks["decoder"], np.reshape(inside, (-1, *shape))
    return build_code_model(
        decoder,
        data.voxels,
        data.labels,
        found,
        inside,
        shape_modes=MODES,
        density_modes=DENSITY_MODES,
        past_mm=PAST_MM,
    )


# ---- floors ----------------------------------------------------------------------------------------------------------


def nearest_level(surfaces, read, size, start=None, rounds=15):
    """Pose and coefficients of level sets that go through points of the true surfaces: Gauss-Newton, robust.

    ``read(theta)`` gives per bone the field, its changes per SD, and where its lattice lies.
    """
    points = [sample_surface(each, SAMPLES)[0] for each in surfaces]
    pose, theta, middle = start or RigidPose.identity(), np.zeros(size), np.concatenate(points).mean(axis=0)
    for _ in range(rounds):
        square, gradient = 1e-3 * np.eye(6 + size), np.concatenate([np.zeros(6), 1e-3 * theta])
        for seen, (field, changes, lattice) in zip(points, read(theta), strict=True):
            local = pose.inverse().apply(seen)
            value, slope = read_field(field, local, *lattice)
            steep = np.maximum(np.linalg.norm(slope, axis=1), 0.3 * np.median(np.linalg.norm(slope, axis=1)))
            away, normal = value / steep, (slope / steep[:, None]) @ pose.rotation.T
            by_shape = read_changes(changes, local, *lattice).T / steep[:, None]
            turns = np.cross(seen - middle, normal) * np.pi / 180
            jacobian = np.concatenate([-turns, -normal, by_shape], axis=1)
            weight = 1 / (1 + away**2)
            square += jacobian.T @ (weight[:, None] * jacobian)
            gradient += jacobian.T @ (weight * away)
        step = -np.linalg.solve(square, gradient)
        step /= max(1.0, float(np.abs(step).max()) / 2.0)
        pose = RigidPose.from_rotation(step[:3], step[3:6], middle) @ pose
        theta = theta + step[6:]
    return pose, theta


def level_of(model):
    """What :func:`nearest_level` reads of a signed-distance model."""
    return lambda theta: [(model.distances(theta), model.modes, (model.origin, model.spacing_mm))]


def distance_floor(model, surface, start):
    pose, theta = nearest_level([surface], level_of(model), model.size, start)
    return transformed(model.surface(theta), pose.matrix)


def code_floor(model, truth, start):
    lattice = model.grid.voxel_to_frame[:3, 3], model.grid.spacing_mm

    def read(theta):
        fields, changes = model.log_odds(theta), model.log_odds_slopes(theta)
        return [(field, changes[:, bone], lattice) for bone, field in enumerate(fields)]

    pose, theta = nearest_level([truth[bone] for bone in model.bones], read, model.size, start)
    return {bone: transformed(each, pose.matrix) for bone, each in model.surfaces(theta).items()}


def mesh_floor(shape, surface, start):
    seen = sample_surface(surface, 2 * SAMPLES)[0]
    return fit_shape_model(shape, seen, FitOptions(), start).surface()


# ---- fits ------------------------------------------------------------------------------------------------------------


class Representations:
    """All of them, ready to be fitted."""

    def __init__(self, fitter, distances, code, net):
        self.net, self.code = net, code.model
        self.distances = {label: built.model for label, built in distances.items()}
        held = held_as(fitter.configuration.data.pose)
        people = np.concatenate([built.people for built in distances.values()], axis=1)
        self.anatomies = {
            "mesh": fitter.anatomy(),
            "distance": anatomy(self.distances, people, held),
            "tl_code": anatomy({code.model.label: code.model}, code.people, held),
        }

    def mesh(self, image, cameras, options=OPTIONS):
        return self._surfaces(self._refined("mesh", image, cameras, options))

    def distance(self, image, cameras, options=OPTIONS):
        return self._surfaces(self._refined("distance", image, cameras, options))

    def both(self, image, cameras):
        """Signed distances from where the mesh's refinement ended."""
        start = {}
        for label, bone in self._refined("mesh", image, cameras, OPTIONS).items():
            model = self.distances[label]
            local = self.anatomies["mesh"].models[label].surface(bone.theta)
            start[label] = Placed(bone.pose, nearest_level([local], level_of(model), model.size, rounds=5)[1])
        options = replace(OPTIONS, levels=OPTIONS.levels[-1:])
        return self._surfaces(self._refined("distance", image, cameras, options, start))

    def tl_code(self, image, cameras):
        body = self._refined("tl_code", image, cameras, OPTIONS)[self.code.label]
        return {bone: transformed(each, body.pose.matrix) for bone, each in self.code.surfaces(body.theta).items()}

    def tl_net(self, image, cameras):
        """What the network says by itself; two views only."""
        return meshes_of(self.net.predictor.predict(image[None])[0], self.net.data.labels)

    def _refined(self, name, image, cameras, options, start=None):
        views = [View(picture, camera) for picture, camera in zip(image, cameras, strict=True)]
        self.used, self.last = self.anatomies[name], list(refine_steps(self.anatomies[name], views, options, start))[-1]
        return self.last.state.bones

    def _surfaces(self, placed):
        models = self.used.models
        return {k: transformed(models[k].surface(each.theta), each.pose.matrix) for k, each in placed.items()}


def anatomy(models, people, held):
    """Models whose people's unknowns (N, u) are known, held as a whole like the bundle's people."""
    sizes = {label: (model.size, model.density_size) for label, model in models.items()}
    prior = learnt(sizes, people).held(held, {label: model.middle for label, model in models.items()})
    return Anatomy(models, {label: RigidPose.identity() for label in models}, prior)


# ---- the table -------------------------------------------------------------------------------------------------------


def errors(truth, found, grid):
    low, high = grid_box(grid)
    return [
        surface_distance(
            surface, clipped_to_box(found[label], low, high), samples=6000, ignore_boundary=True, require_overlap=False
        ).assd
        for label, surface in truth.items()
    ]


def shown(rows):
    rows = np.array(rows)
    return "  ".join(f"{mean:.2f} ({most:.2f})" for mean, most in zip(rows.mean(axis=0), rows.max(axis=0), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--tl-net", default="wrist-pa-lat-demo")
    parser.add_argument("--people", type=int, default=12)
    parser.add_argument("--scale", type=float, default=1.0, help="people this much larger than those learnt from")
    parser.add_argument("--spacing", type=float, default=SPACING_MM)
    parser.add_argument("--only", default="mesh,distance,both,tl_code,tl_net")
    parser.add_argument("-o", "--output", type=Path, required=True)
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    fitter = loaded_model(given.bundle, "shape-intensity-fit").predictor
    net = loaded_model(given.tl_net, "tl-net")
    data = replace(fitter.configuration.data, folder=str(given.data.absolute()))
    people = people_of(data, Path())
    chosen = np.unique(np.linspace(0, len(people.training) - 1, fitter.configuration.model.people).astype(int))
    shapes = {label: bone.model.shape for label, bone in fitter.bones.items()}
    clock = time.process_time()
    distances = signed_distances(shapes, people.training, chosen, given.output, given.spacing)
    print(f"signed distances: {time.process_time() - clock:.0f} s", flush=True)
    clock = time.process_time()
    ready = Representations(fitter, distances, codes(net, people.training, chosen), net)
    print(f"codes: {time.process_time() - clock:.0f} s", flush=True)
    report(given, ready, shapes, people.test, data)


def scaled(case, by):
    """A person ``by`` times as large."""
    return replace(
        case,
        distances=(case.distances * by).astype(np.float16),
        spacing_mm=case.spacing_mm * by,
        origin=case.origin * by,
        clip_mm=case.clip_mm * by,
    )


def report(given, ready, shapes, part, data) -> None:
    larger = np.diag([given.scale] * 3 + [1.0])
    part = replace(part, prepared=[scaled(each, given.scale) for each in part.prepared])
    fine = replace(data, image=replace(data.image, size=SIZE, pixel_mm=data.image.size * data.image.pixel_mm / SIZE))
    coarse, sample = (
        exposures_of(each, part, 1).sample("representations", range(given.people)) for each in (data, fine)
    )
    cameras, grid = [view.camera() for view in fine.canonical_views], data.voxels
    table = {name: {"floor": [], "two": [], "one": [], "s": []} for name in ("mean", *given.only.split(","))}
    for number, (image, matrix) in enumerate(zip(sample.images.numpy(), sample.poses, strict=True)):
        whole = truth_meshes(part.cases[int(sample.case_index[number])])
        whole = {label: transformed(each, larger) for label, each in whole.items()}
        truth = posed_truth(whole, matrix, grid)
        held = RigidPose(matrix)
        mean = {label: shape.surface() for label, shape in shapes.items()}
        table["mean"]["two"].append(errors(truth, mean, grid))
        floors = {
            "mesh": lambda t=truth, h=held: {k: mesh_floor(shapes[k], each, h) for k, each in t.items()},
            "distance": lambda t=truth, h=held: {k: distance_floor(ready.distances[k], s, h) for k, s in t.items()},
            "tl_code": lambda t=truth, h=held: code_floor(ready.code, t, h),
        }
        for name in given.only.split(","):
            fit, row = getattr(ready, name), table[name]
            if name in floors:
                row["floor"].append(errors(truth, floors[name](), grid))
            spent = []
            for views, what in ((2, "two"), (1, "one"))[: 1 if name == "tl_net" else 2]:
                clock = time.process_time()
                shown = coarse.images[number].numpy() if name == "tl_net" else image
                found = fit(shown[:views], cameras[:views])
                spent.append(time.process_time() - clock)
                row[what].append(errors(truth, found, grid))
            row["s"].append(spent)
            print(number, name, {k: np.round(v[-1], 2).tolist() for k, v in row.items() if v}, flush=True)
    for name, row in table.items():
        print(f"{name:10s}", "; ".join(f"{what} {shown(rows)}" for what, rows in row.items() if rows))


if __name__ == "__main__":
    main()
