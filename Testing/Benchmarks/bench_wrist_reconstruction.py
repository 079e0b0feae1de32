"""A model trained on SYNTHETIC wrists, shown a real one: frame 0099 of wrist_biplane_autoscoper, camera 02 (PA).

The radius' CT is registered to both views first. What the model makes of (1) the registration-DRR of the radius, (2)
the radiograph itself and (3) the radiograph translated to bones alone is measured against the CT's radius, beside the
mean shape. The ulna has no CT. Writes pictures into --output.

    python Testing/Benchmarks/bench_wrist_reconstruction.py --model BUNDLE --translation BUNDLE -o out
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from bench_wrist_registration import DATA, load, wrong_start

from XRayTo3DLib.cli.models_used import loaded_model, loaded_translator
from XRayTo3DLib.dataset.canonical_view import frame_matrix
from XRayTo3DLib.dataset.wrist_landmarks import propose_wrist_landmarks
from XRayTo3DLib.evaluation.reconstruction_overlay import reconstruction_overlay
from XRayTo3DLib.evaluation.reconstruction_trials import surface_numbers
from XRayTo3DLib.experiments.trials import measured_in
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.geometry.anatomical_frame import AnatomicalFrame, wrist_frame
from XRayTo3DLib.imaging.attenuation import attenuation_of
from XRayTo3DLib.imaging.ct_reader import read_ct
from XRayTo3DLib.imaging.types import Radiograph
from XRayTo3DLib.methods.reconstruct import GridReconstructor
from XRayTo3DLib.projection.engines import make_projector
from XRayTo3DLib.registration.register import register
from XRayTo3DLib.registration.result import Verdict
from XRayTo3DLib.shape.label_surface import surface_from_labels
from XRayTo3DLib.shape.meshes import transformed

PA_CAMERA = 1
ENERGY_KEV = 38.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="wrist-pa-demo")
    parser.add_argument("--translation")
    parser.add_argument("-o", "--output", type=Path, default=Path("bench-output/wrist_reconstruction"))
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    if not DATA.is_dir():
        print(f"skipped: real anatomy not found at {DATA} (set XRAYTO3D_DATA)")
        return
    _, radiographs, reference = load()
    ct = read_ct(DATA / "wrist_biplane_autoscoper" / "rad_ct.nii.gz")
    bone = attenuation_of(ct, None, energy_kev=ENERGY_KEV)
    registered = register(bone, radiographs, wrong_start(reference, bone.centre_lps, 5.0, 4.0, 0))
    found = registered.pose
    degrees, millimetres = found.distance_to(reference, bone.centre_lps)
    print(
        f"registration: {registered.verdict.value}, {degrees:.2f} degrees and {millimetres:.2f} mm from the reference"
    )
    if registered.verdict is not Verdict.CONVERGED:
        raise SystemExit("the registration is not to be trusted: nothing to compare with.")
    filled = (ct.hu > ct.hu.min() + 1).astype(np.int32)
    labelled = replace(ct, labels=filled, label_names={"radius": 1})
    frame = wrist_frame(propose_wrist_landmarks(labelled, "right"))
    radiograph = radiographs[PA_CAMERA]
    model = loaded_model(args.model, "tl-net")
    standing = standing_frame(model, radiograph, found, frame)
    drr = make_projector(bone.mu, bone.voxel_to_lps)(radiograph.camera, found).cpu().numpy()
    inputs = {
        name: model.canonical_images([replace(radiograph, pixels=pixels)], standing, frame.mirrored)
        for name, pixels in (("registration-DRR (radius alone)", drr), ("raw radiograph", radiograph.pixels))
    }
    if args.translation:
        translator = loaded_translator(args.translation)
        translator.require_for(model.data)
        inputs["GAN-DRR"] = translator.translate(inputs["raw radiograph"][:, 0])[:, None]
    # The model sees right wrists; a left one's mirror image.
    to_frame = np.linalg.inv(frame_matrix(standing, frame.mirrored))
    surface = surface_from_labels(labelled.labels, labelled.voxel_to_lps, 1)
    truth = transformed(surface, to_frame @ found.matrix)
    print(f"{'input':<34} radius ASSD, vertices' ASD, HD95 (mm)")
    mean, _ = model.meshes(model.mean)
    _say("mean shape", truth, mean, model)
    for text, images in inputs.items():
        result = model.reconstruct_images(images, [radiograph], standing, frame.mirrored)
        meshes = {name: transformed(mesh, to_frame) for name, mesh in result.meshes.items()}
        _say(text, truth, meshes, model)
        slug = text.split(" ")[0].lower()
        title = f"Wrist frame 0099, {text}; model trained on SYNTHETIC wrists"
        (args.output / f"overlay_{slug}.png").write_bytes(reconstruction_overlay(radiograph, result.meshes, title))
    np.savez_compressed(args.output / "inputs.npz", **{name.split(" ")[0]: image for name, image in inputs.items()})


def standing_frame(
    model: GridReconstructor, radiograph: Radiograph, found: RigidPose, frame: AnatomicalFrame
) -> RigidPose:
    """Where the reconstruction frame is taken to stand, from the landmark's pixel and its true depth."""
    camera, held = radiograph.camera, found @ frame.rigid
    origin = found.apply(frame.rigid.translation)
    pixel = camera.project(origin)
    standing = model.data.canonical_views[0].frame_from_landmark(
        camera,
        pixel,
        object_detector_mm=camera.sdd - float((origin - camera.source) @ camera.view_direction),
        up=tuple(camera.project(held.apply([0.0, 0.0, 20.0])) - pixel),
        mirrored=frame.mirrored,
    )
    print(f"the wrist is turned by {held.distance_to(standing, origin)[0]:.0f} degrees against the PA view")
    return standing


def _say(name: str, truth: object, meshes: dict, model: object) -> None:
    numbers = surface_numbers(truth, meshes["radius"], measured_in(model.data.voxels))
    print(f"{name:<34} " + ("nothing to compare" if numbers is None else "  ".join(f"{n:.2f}" for n in numbers)))


if __name__ == "__main__":
    main()
