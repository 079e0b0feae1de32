"""Fuzz targets of whole folders: data sets, cases, views, jobs, trainings, bundles, reconstructions, comparisons."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fuzz_case import Target
from targets_files import CAMERA, POSE, RADIOGRAPH, registration
from targets_shapes import ball

from XRayTo3DLib.cli.reconstruction_files import FORMAT as RECONSTRUCTION_FORMAT
from XRayTo3DLib.cli.refine_start import read_start
from XRayTo3DLib.dataset.case_table import CaseEntry
from XRayTo3DLib.dataset.case_views import CaseView, views_of, write_registration, write_review
from XRayTo3DLib.dataset.dataset_builder import case_of
from XRayTo3DLib.dataset.dataset_folder import DatasetFolder, write_dataset_json
from XRayTo3DLib.dataset.landmarks_file import write_landmarks
from XRayTo3DLib.dataset.prepared import preparation_of
from XRayTo3DLib.dataset.registration_plan import BatchOptions, outcome_of, plan_case
from XRayTo3DLib.dataset.resplit import resplit
from XRayTo3DLib.dataset.review import view_states
from XRayTo3DLib.dataset.view_pairs import accepted_pose
from XRayTo3DLib.dataset.voxel_grid import VoxelGrid
from XRayTo3DLib.evaluation.batch_pairs import pairs_from_folders
from XRayTo3DLib.evaluation.compare_results import Measured
from XRayTo3DLib.evaluation.reconstruction_trials import ReconstructionOutcome
from XRayTo3DLib.experiments.compare_files import Task, keep_result, kept_result
from XRayTo3DLib.imaging.ct_writer import write_ct, write_labels
from XRayTo3DLib.imaging.radiograph_header import write_radiograph
from XRayTo3DLib.imaging.types import CtVolume
from XRayTo3DLib.jobs.folder import JobFolder
from XRayTo3DLib.methods.catalogue import shipped_configurations_folder
from XRayTo3DLib.methods.configuration import read_configuration
from XRayTo3DLib.methods.data_check import data_report
from XRayTo3DLib.models.bundle import Bundle, load_bundle, save_bundle
from XRayTo3DLib.models.card import card_text
from XRayTo3DLib.models.checksums import content_sha256, file_entry
from XRayTo3DLib.registration.result import Review
from XRayTo3DLib.shape.surfaces import write_surface
from XRayTo3DLib.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint, seconds_of, sha256_of
from XRayTo3DLib.training.samples import TrainingSample, samples_in, write_samples

ABOUT: dict[str, Any] = {
    "anatomy": "distal forearm",
    "labels": ["radius", "ulna"],
    "landmarks": ["head", "neck"],
    "frame": "wrist",
    "synthetic": True,
    "provenance": "made up",
    "licence": "none",
    "preparation": {"spacing_mm": 1.0, "centre_mm": [0, 0, -20]},
}
ENTRIES = [CaseEntry("case-1", "p1", "train", "left", "healthy"), CaseEntry("case-2", "p2", "test")]


# ---- seeds -----------------------------------------------------------------------------------------------------------


def _datasets(folder: Path) -> None:
    place = folder / "zq_dataset"
    for entry in ENTRIES:
        view = place / "cases" / entry.id / "views" / "pa"
        view.mkdir(parents=True)
        (view / "registration.json").write_text(json.dumps(registration()))
        POSE.save(view / "pose.tfm")
    write_dataset_json(place, ENTRIES, ABOUT)


def _views(folder: Path) -> None:
    view = CaseView("case-1", "zq_view", folder / "zq_view", "left")
    view.folder.mkdir()
    CAMERA.save(view.camera_path)
    write_radiograph(RADIOGRAPH, view.radiograph_path)
    POSE.save(view.initial_path)
    write_registration(view, {**registration(bone="radius"), "further": [registration(bone="ulna")]}, POSE)


def _cases(folder: Path) -> None:
    """One folder, whose name messages begin with."""
    case = folder / "zq_case"
    labels = np.zeros((5, 6, 7), np.uint8)
    labels[1:3, 1:5, 1:3], labels[3:, 1:5, 4:] = 1, 2
    ct = CtVolume(labels.astype(np.int16) * 700 - 1000, np.eye(4), labels, {"radius": 1, "ulna": 2}, "made up")
    (case / "meshes").mkdir(parents=True)
    write_ct(ct, case / "ct.nrrd")
    write_labels(ct, case / "labels.seg.nrrd")
    write_landmarks({"head": (1.0, 2.0, 3.0)}, case / "landmarks.mrk.json", "made up")
    write_surface(ball(), case / "meshes" / "radius.vtp")
    _views(folder)
    (case / "views").mkdir()
    (folder / "zq_view").rename(case / "views" / "pa")


def _jobs(folder: Path) -> None:
    for name in ("zq_finished", "zq_running", "zq_dead"):
        job = JobFolder.create(folder / name, "training", {"config": "x.yaml", "steps": 3})
        job.begin()
        for step in range(3):
            job.progress({"stage": "first", "step": step, "steps": 3, "losses": {"loss": 0.5}, "eta_s": 1.5})
        job.log.write_text("hello\n")
        if name == "zq_finished":
            job.finish({"bundle": "bundle"})
        if name == "zq_dead":
            mark = json.loads((job.path / "worker.json").read_text())
            (job.path / "worker.json").write_text(json.dumps({**mark, "started": "1"}))
            shutil.copy(job.path / "worker.json", job.path / "start.json")
        job._rest()


def _trainings(folder: Path) -> None:
    place = folder / "zq_training"
    tensors = {"network/a/weight": torch.arange(6.0).reshape(2, 3)}
    values = {"seconds": 3.5, "metrics": {"assd": float("nan")}}
    save_checkpoint(place, Checkpoint(0, 5, 5, tensors, {"seed": 3, "stages": [{"lr": 0.1}]}, values))
    for step in (1, 2):
        sample = TrainingSample("p1", {"radius": ball()}, {"radius": ball()}, {}, "a note")
        write_samples(place, step, "first", step, [sample])


def _bundles(folder: Path) -> None:
    bundle = Bundle(
        "tl-net",
        {"latent": 64},
        "distal forearm",
        ("radius", "ulna"),
        ({"view": "PA", "size": 64, "pixel_mm": 1.5},),
        {"size": 48, "spacing_mm": 1.667, "centre_mm": (0.0, 0.0, -26.0)},
        {"people": 200, "seed": 3, "steps": 10, "seconds": 5.0},
        {"radius_mm": 0.84, "ulna_mm": None},
        "To try XRayTo3D.",
        "Apache-2.0",
        True,
    )
    networks = {"predictor": {"weight": torch.arange(6.0).reshape(2, 3) / 7, "steps": torch.tensor(3)}}
    save_bundle(folder / "zq_bundle", bundle, networks, {"mean": np.ones((2, 3), np.float16)})


def _reconstructions(folder: Path) -> None:
    place = folder / "zq_result"
    place.mkdir()
    content = {
        "format": RECONSTRUCTION_FORMAT,
        "model": "x",
        "method": "tl-net",
        "views": ["a"],
        "side": "left",
        "synthetic": True,
        "frame_to_world": np.diag([-1.0, 1, 1, 1]).tolist(),
        "bones": ["radius"],
        "missing": ["ulna"],
        "notes": ["none"],
    }
    (place / "reconstruction.json").write_text(json.dumps(content))
    write_surface(ball(), place / "radius.vtp")


def _tasks(folder: Path) -> None:
    grid = VoxelGrid(8, 1.0, (0.0, 0.0, 0.0))
    Task("row", Path("a"), Path("b"), Path("c"), grid, 100, 2, 1, 0, ("case-1",)).save(folder / "zq_task.json")


def _results(folder: Path) -> None:
    outcome = ReconstructionOutcome("case-1", "p1", "tl-net", "radius", 1.0, 1.1, 2.0, False, 0.5)
    found = Measured(("AP",), True, {"plain": (outcome,)}, {"metal": "no"}, (0.5,), 1.0, 100.0, 50.0, 3.0, True, ("n",))
    keep_result(folder / "zq_measured.json", found, "mark", True)


# ---- readers ---------------------------------------------------------------------------------------------------------


def _read_dataset(path: Path) -> None:
    dataset = DatasetFolder.open(path)
    view_states(dataset)
    for case in dataset.cases():
        plan_case(case, BatchOptions(redo=True))
        preparation_of(case)
    data_report(read_configuration(shipped_configurations_folder() / "wrist_pa_small.yaml"), path)
    resplit(path, people=1, seed=3)
    DatasetFolder.open(path)


def _read_view(path: Path) -> None:
    view = CaseView("case-1", "zq_view", path, "left")
    outcome_of(view)
    assert view.status or view.verdict is not None
    view.initial()
    view.radiograph()
    write_review(view, Review.ACCEPTED, "good", "engineer")
    accepted_pose(path)
    view.registration()


def _read_case(path: Path) -> None:
    case = case_of(path, "left")
    case.ct(), case.landmarks(), case.meshes(), case.files()
    for view in views_of(case):
        outcome_of(view), view.pose(), view.radiograph()


def _read_job(path: Path) -> None:
    job = JobFolder.open(path)
    job.state()
    records, since = job.tail()
    job.tail(since)
    job.log_end()
    JobFolder.create(path, "training", {"steps": 4})


def _read_training(path: Path) -> None:
    """With the checksums made anew: what somebody damaged who knows how they are made."""
    latest = path / "checkpoint" / "latest.json"
    try:
        content = json.loads(latest.read_bytes())
        state = latest.parent / content["name"]
        latest.write_text(
            json.dumps({**content, "sha256": {name: sha256_of(state / name) for name in content["sha256"]}})
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        pass
    load_checkpoint(path)
    seconds_of(path)
    samples_in(path)


def _resealed(path: Path) -> None:
    """With the checksums made anew."""
    description = path / "bundle.json"
    try:
        content = json.loads(description.read_bytes())
        content["files"] = {name: file_entry(path / name) for name in content["files"]}
        content["checksum"] = content_sha256(content)
        description.write_text(json.dumps(content))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        pass
    _read_bundle(path)


def _read_bundle(path: Path) -> None:
    loaded = load_bundle(path)
    card_text(loaded.bundle)
    for name in loaded.networks:
        loaded.weights(name)
    for name in loaded.arrays:
        loaded.array(name)


def _read_reconstruction(path: Path) -> None:
    read_start([str(path)], None)
    pairs_from_folders(path, path)


def _read_result(path: Path) -> None:
    kept_result(path, "mark")


TARGETS = (
    Target("dataset", _datasets, _read_dataset),
    Target("view", _views, _read_view),
    Target("case", _cases, _read_case),
    Target("job", _jobs, _read_job),
    Target("training", _trainings, _read_training),
    Target("bundle", _bundles, _read_bundle),
    Target("bundle_resealed", _bundles, _resealed),
    Target("reconstruction", _reconstructions, _read_reconstruction),
    Target("comparison_task", _tasks, Task.load),
    Target("comparison_result", _results, _read_result),
)
