"""What a reconstruction leaves in its folder, refined or not: surfaces, pictures, a page, and reconstruction.json."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from XRayTo3DLib.cli.console import complain, say
from XRayTo3DLib.cli.folders import remove_stale
from XRayTo3DLib.files import safe_file_name, write_bytes, write_json, write_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from XRayTo3DLib.cli.console import Progress
    from XRayTo3DLib.cli.refining import Refined
    from XRayTo3DLib.imaging.types import Radiograph
    from XRayTo3DLib.methods.types import Reconstruction

FORMAT = "xrayto3d.reconstruction/1"
RECORD, PAGE, LANDMARKS = "reconstruction.json", "report.html", "landmarks.mrk.json"
STALE = (RECORD, PAGE, LANDMARKS, "overlay_*.png", "drr_*.nrrd", "residual_*.nrrd")


def record_of(found: Reconstruction, model: str, side: str | None, **more: Any) -> dict[str, Any]:
    """What reconstruction.json says of a reconstruction, before it is written.

    Args:
        found: The reconstruction.
        model: Name of the bundle.
        side: "right", "left" or None.
        **more: Of the command.
    """
    from XRayTo3DLib import __version__

    return {
        "format": FORMAT,
        "version": __version__,
        "research_use_only": True,
        "synthetic": found.synthetic,
        "model": model,
        "method": found.method,
        "views": list(found.views),
        "side": side,
        **more,
        "frame": "LPS",
        "unit": "mm",
        "frame_to_world": np.round(found.frame_to_world, 6).tolist(),
        "bones": list(found.meshes),
        "missing": list(found.missing),
        "outside": [{"code": each.code, "text": each.text} for each in found.outside],
        "notes": list(found.notes),
    }


def refined_record(refined: Refined) -> dict[str, Any]:
    """What a refinement adds to the record."""
    found, quality = refined.reconstruction, refined.reconstruction.quality
    return {
        "uncertainty": {
            bone: {
                "mean_sd_mm": _rounded(np.mean(sd)),
                "p95_sd_mm": _rounded(np.percentile(sd, 95)),
                "array": "NormalSD_mm",
            }
            for bone, sd in found.uncertainty_mm.items()
        },
        "measurements": [_measurement(each) for each in found.measurements],
        "quality": {
            "views": [
                {
                    "name": view.name,
                    "before": _rounded(view.before),
                    "after": _rounded(view.after),
                    "moved_deg": _rounded(view.moved_deg),
                    "moved_mm": _rounded(view.moved_mm),
                }
                for view in (quality.views if quality else ())
            ],
            "warnings": [{"code": each.code, "text": each.text} for each in (quality.findings if quality else ())],
        },
        "refinement": {
            "bundle": refined.bundle,
            "start": refined.start,
            "steps": refined.found.steps,
            "views": "positioned" if refined.positioned else "calibrated",
            "pose_sd": {
                bone: {"rotation_deg": _all(each.pose_sd[:3]), "translation_mm": _all(each.pose_sd[3:])}
                for bone, each in refined.found.bones.items()
            },
        },
    }


def _measurement(measurement: Any) -> dict[str, Any]:
    content = {name: value for name, value in asdict(measurement).items() if not name.startswith("sd_of")}
    for name in ("value", "sd"):
        content[name] = None if content[name] is None else _rounded(content[name])
    interval = content["interval_95"]
    return {**content, "interval_95": None if interval is None else _all(interval)}


def _rounded(value: Any) -> float:
    return round(float(value), 4)


def _all(values: Any) -> list[float]:
    return [_rounded(value) for value in values]


def write_reconstruction(
    found: Reconstruction,
    radiographs: Sequence[Radiograph],
    content: dict[str, Any],
    folder: Path,
    refined: Refined | None = None,
    landmarks: bool = False,
) -> list[str]:
    """Write everything; returns the names of the files.

    Args:
        found: The reconstruction, the refined one if it was.
        radiographs: What it came from.
        content: Its record, see :func:`record_of`.
        folder: Made if need be; files of an earlier run are removed.
        refined: How it was refined.
        landmarks: Whether to write the refined bones' landmarks, too.
    """
    from XRayTo3DLib.dataset.landmarks_file import write_landmarks
    from XRayTo3DLib.evaluation.reconstruction_overlay import reconstruction_overlay
    from XRayTo3DLib.shape.surfaces import write_surface

    pictures: dict[str, bytes] = {}
    if refined is None:
        for radiograph in radiographs:
            png = reconstruction_overlay(radiograph, found.meshes, synthetic=found.synthetic)
            pictures[f"overlay_{safe_file_name(radiograph.name)}.png"] = png
    else:
        pictures, text = _refinement_pictures(refined, content)
    folder.mkdir(parents=True, exist_ok=True)
    for pattern in STALE:
        remove_stale(folder, pattern)
    names = []
    for mark, meshes in (("", found.meshes), ("_seen", found.seen)):
        for bone, mesh in meshes.items():
            names.append(f"{safe_file_name(bone)}{mark}.vtp")
            write_surface(mesh, folder / names[-1])
    for name, png in pictures.items():
        names.append(name)
        write_bytes(folder / name, png)
    if refined is not None:
        names += _write_computed(refined, folder)
        names.append(PAGE)
        write_text(folder / PAGE, text)
    if refined is not None and landmarks:
        names.append(LANDMARKS)
        write_landmarks(refined.landmarks, folder / LANDMARKS, f"{found.method}, research use only")
    write_json(folder / RECORD, {**content, "files": names})
    return [*names, RECORD]


def _refinement_pictures(refined: Refined, content: dict[str, Any]) -> tuple[dict[str, bytes], str]:
    """Overlays by file name, and the page."""
    from XRayTo3DLib.evaluation.refinement_overlay import refinement_overlay, sd_range_mm
    from XRayTo3DLib.evaluation.refinement_page import refinement_page
    from XRayTo3DLib.methods.refiner import UNCERTAINTY

    found = refined.reconstruction
    assert found.quality is not None  # every refinement has it
    range_mm, shown = sd_range_mm(found.uncertainty_mm), {}
    for radiograph, view in zip(refined.radiographs, found.quality.views, strict=True):
        shown[radiograph.name] = refinement_overlay(
            radiograph, view, refined.begun, found.meshes, UNCERTAINTY, range_mm, found.synthetic
        )
    page = refinement_page(
        found,
        shown,
        UNCERTAINTY,
        range_mm,
        {bone: each.pose_sd for bone, each in refined.found.bones.items()},
        lead=f"{found.method}, models of {refined.bundle}, {refined.found.steps} steps.",
        side=content["side"],
    )
    return {f"overlay_{safe_file_name(name)}.png": png for name, png in shown.items()}, page


def _write_computed(refined: Refined, folder: Path) -> list[str]:
    """The model's radiographs and what is left of the real ones, as radiographs with their corrected cameras."""
    from XRayTo3DLib.evaluation.refinement_pictures import computed_radiographs
    from XRayTo3DLib.imaging.radiograph_header import write_radiograph

    names: list[str] = []
    assert refined.reconstruction.quality is not None  # every refinement has it
    for radiograph, view in zip(refined.radiographs, refined.reconstruction.quality.views, strict=True):
        for kind, picture in computed_radiographs(radiograph, view).items():
            names.append(f"{kind}_{safe_file_name(radiograph.name)}.nrrd")
            write_radiograph(picture, folder / names[-1])
    return names


def warn(sentences: Sequence[str], progress: Progress) -> None:
    """Say to a person, before it is done, in what a model is asked for something that it was not made for."""
    if sentences:
        progress.done()
    for text in sentences:
        complain(f"WARNING: {text}")


def tell(found: Reconstruction, content: dict[str, Any], files: list[str], folder: Path) -> None:
    """Say to a person what was found, and what to look at."""
    say(f"{content['method']} from {', '.join(found.views)}, {content['seconds']:.1f} s")
    for warning in found.quality.findings if found.quality else ():
        say(f"WARNING: {warning.text}")
    for each in found.outside:
        say(f"WARNING, not what the model was made for: {each.text}")
    for note in found.notes:
        say(f"NOTE: {note}")
    if found.quality:
        for view in found.quality.views:
            say(
                f"  {view.name}: likeness {view.before:.2f} -> {view.after:.2f}, "
                f"view moved {view.moved_deg:.2f} degrees and {view.moved_mm:.1f} mm"
            )
        for bone, sd in found.uncertainty_mm.items():
            say(f"  {bone}: standard deviation {np.mean(sd):.2f} mm, 95th percentile {np.percentile(sd, 95):.2f} mm")
    for measurement in found.measurements:
        say(f"  {measurement}")
    if found.synthetic:
        say("SYNTHETIC: radiographs or training data were simulated.")
    for name in files:
        say(f"  {folder / name}")
    say("RESEARCH USE ONLY. Look at the overlay: outlines that miss the bones tell of a wrong reconstruction.")


def say_json(content: dict[str, Any], folder: Path) -> None:
    """The record as one JSON object."""
    say(json.dumps({**content, "folder": str(folder)}))
