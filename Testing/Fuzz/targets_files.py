"""Fuzz targets of single small files: cameras, calibrations, poses, landmarks, tables, configurations, scene texts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from fuzz_case import Target

from XRayTo3DLib.dataset.case import SHAPES, read_phantom
from XRayTo3DLib.dataset.case_table import read_case_table
from XRayTo3DLib.dataset.landmarks_file import read_landmarks, write_landmarks
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.batch_pairs import pairs_from_table
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.geometry.calibration import standard_camera
from XRayTo3DLib.imaging.calibration_files import read_calibration
from XRayTo3DLib.imaging.scene_attributes import radiograph_attributes, radiograph_from_attributes
from XRayTo3DLib.imaging.types import IntensityNote, Radiograph, SpacingSource
from XRayTo3DLib.methods.catalogue import checked, shipped_configurations_folder
from XRayTo3DLib.methods.configuration import changed, read_configuration
from XRayTo3DLib.methods.settings import settings_of
from XRayTo3DLib.registration.result import Review, read_registration, record_from_text, record_review
from XRayTo3DLib.training.logs import read_metrics

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{chr(ord(name) - 1)}'] * 9)}]\n" for name in "bcdefghi"
)
CAMERA = standard_camera(1000.0, (1.0, 0.8), (20, 24), source_isocentre=900.0, view="PA")
POSE = RigidPose.from_rotation((10, 20, 30), (1, 2, 3))
NOTE = IntensityNote("line-integral", None, True, "made up")
PIXELS = np.add.outer(np.arange(24), np.arange(20)).astype(np.float32) / 20
RADIOGRAPH = Radiograph(PIXELS, CAMERA, NOTE, SpacingSource.DETECTOR, "PA", "L", "made up")


def registration(pose: RigidPose = POSE, **more: Any) -> dict[str, Any]:
    """A record with everything in it."""
    return {
        "format": "xrayto3d.registration/1",
        "version": "0.1.0",
        "research_use_only": True,
        "synthetic": True,
        "verdict": "converged",
        "reason": "All starts agree.",
        "views": [
            {"name": "zq_view", "similarity": 0.8, "initial_similarity": 0.1},
            {"name": "lat", "similarity": 0.7},
        ],
        "mean_similarity": 0.75,
        "frame": "LPS",
        "unit": "mm",
        "pose_ct_to_world": pose.matrix.tolist(),
        "initial_ct_to_world": np.eye(4).tolist(),
        "centre_ct": [1.0, 2.0, 3.0],
        "moved": {"rotation_deg": 3.5, "centre_mm": 2.0},
        "uncertainty": {"standard_deviation": {"depth": 1.0}, "axes_world": np.eye(3).tolist(), "covariance": [[1.0]]},
        "others_ct_to_world": {"ulna": pose.matrix.tolist()},
        "starts": 4,
        "agreeing_starts": 3,
        "seconds": 12.5,
        "trace": [{"stage": "coarse", "similarity": 0.4, "seconds": 0.1}],
        "settings": {"engine": "auto"},
        "review": {"status": "unreviewed", "note": "", "by_role": ""},
        **more,
    }


# ---- seeds -----------------------------------------------------------------------------------------------------------


def _cameras(folder: Path) -> None:
    CAMERA.save(folder / "zq_camera.json")


def _calibrations(folder: Path) -> None:
    lines = ["image size", "20,24", "", "camera matrix", "1000,0,10", "0,1000,12", "0,0,1", "", "rotation"]
    lines += ["1,0,0", "0,1,0", "0,0,1", "", "translation", "0", "0", "900", ""]
    (folder / "zq_calibration.txt").write_text("\n".join(lines))
    k = [[1000.0, 0, 10], [0, 1000.0, 12], [0, 0, 1]]
    content = {"K": k, "R": np.eye(3).tolist(), "t": [0, 0, 900.0], "size": [20, 24]}
    (folder / "zq_calibration.json").write_text(json.dumps(content))


def _poses(folder: Path) -> None:
    POSE.save(folder / "zq_pose.tfm")
    euler = sitk.Euler3DTransform((1, 2, 3), 0.1, 0.2, 0.3, (4, 5, 6))
    sitk.WriteTransform(euler, str(folder / "zq_euler.tfm"))
    sitk.WriteTransform(
        sitk.CompositeTransform([euler, sitk.VersorRigid3DTransform()]), str(folder / "zq_composite.tfm")
    )


def _poses_h5(folder: Path) -> None:
    POSE.save(folder / "zq_pose.h5")


def _registrations(folder: Path) -> None:
    (folder / "zq_registration.json").write_text(json.dumps(registration(), indent=1))


def _landmarks(folder: Path) -> None:
    write_landmarks({"head": (1.0, 2.0, 3.0), "neck": (4.0, -5.0, 6.5)}, folder / "zq_points.mrk.json", "made up")


def _phantoms(folder: Path) -> None:
    for name, kind in SHAPES.items():
        content = {"format": "xrayto3d.phantom/1", "anatomy": name, "parameters": kind().to_dict(), "seed": 3}
        (folder / f"zq_{name.replace(' ', '_')}.json").write_text(json.dumps(content))


def _case_tables(folder: Path) -> None:
    header = "id,ct,labels,side,patient,split,group,label_names,ct_values,ct_series,view_pa,view_lat\n"
    row = "case-1,a/ct.nrrd,a/labels.nrrd,left,p1,train,healthy,names.txt,hu,2,a/pa.png:a/pa.json,a/lat.dcm\n"
    (folder / "zq_cases.csv").write_text(header + row + row.replace("-1", "-2"))
    (folder / "zq_german.csv").write_text("id;ct;labels\ncase-1;ct.nrrd;labels.nrrd\n", encoding="utf-8-sig")


def _pair_tables(folder: Path) -> None:
    text = (
        'reference,result,case,bone\ntrue/a.vtp,found/a.vtp,case-1,radius\n"true, too/b.vtp",found/b.vtp,case-2,ulna\n'
    )
    (folder / "zq_pairs.csv").write_text(text)


def _metrics(folder: Path) -> None:
    place = folder / "zq_training"
    place.mkdir()
    (place / "metrics.csv").write_text("step,stage,stage_step,name,value\n1,first,1,loss,0.5\n2,first,2,loss,nan\n")


def _configurations(folder: Path) -> None:
    for path in sorted(shipped_configurations_folder().glob("*small.yaml")):
        (folder / f"zq_{path.name}").write_text(path.read_text())
    (folder / "zq_anchors.yaml").write_text(
        "format: xrayto3d.training/1\nmethod: &m mean-shape\nname: *m\ndata:\n  folder: x\n"
    )


def _settings(folder: Path) -> None:
    (folder / "zq_changes.txt").write_text("seed=3\ndata.folder=elsewhere\nstages.joint.lr=1e-4\n")


def _scene(folder: Path) -> None:
    (folder / "zq_attributes.json").write_text(json.dumps(radiograph_attributes(RADIOGRAPH, "A")))


# ---- readers ---------------------------------------------------------------------------------------------------------


def _read_camera(path: Path) -> None:
    camera = XRayCamera.load(path)
    camera.project([[0.0, 0.0, 0.0], [1.0, 50.0, 3.0]])
    camera.resampled((7, 9)).to_dict()
    camera.rays([[0.0, 1.0]])


def _read_calibration(path: Path) -> None:
    read_calibration(path, 1000.0, y_up=True).to_dict()


def _read_pose(path: Path) -> None:
    pose = RigidPose.load(path)
    pose.log(), pose.inverse(), pose.parameters()


def _review(path: Path) -> None:
    read_registration(path)
    record_review(path, Review.REJECTED, "no", "engineer")
    record_review(path, Review.ACCEPTED)


def _scene_record(path: Path) -> None:
    record_from_text(path.read_text("utf-8", errors="surrogateescape"), f"registration of {path.name}")


def _configuration(path: Path) -> None:
    content = read_configuration(path)
    try:
        checked(content)
        settings_of(content)
    except InputError as error:
        raise InputError(f"{path.name}: {error}") from error


def _changes(path: Path) -> None:
    """Each line as an argument of --set; an argument can hold no zero byte."""
    content = read_configuration(shipped_configurations_folder() / "wrist_pa_small.yaml")
    changes = path.read_bytes().replace(b"\0", b"").decode(errors="replace").splitlines()
    _named(path, lambda: checked(changed(content, changes[:20])))


def _attributes(path: Path) -> None:
    """Texts of a node, whatever they are: a scene file holds text only."""
    try:
        content = json.loads(path.read_bytes())
        texts = {str(name): value if isinstance(value, str) else json.dumps(value) for name, value in content.items()}
    except (ValueError, AttributeError, RecursionError):
        texts = {"XRayTo3D.Facts": path.read_text(errors="replace")}
    _named(path, lambda: radiograph_from_attributes(texts.get, np.ones((24, 20)), CAMERA, "made up"))


def _named(path: Path, read: Callable[[], object]) -> None:
    """What is no file has no file's name to tell."""
    try:
        read()
    except InputError as error:
        raise InputError(f"{path.name}: {error}") from error


def _dumped_yaml(content: bytes, rng: Any) -> bytes:
    """YAML's own traps: aliases, tags, types, nesting."""
    trap = rng.choice(
        [
BOMB,
            "seed: !!python/object/apply:os.system ['true']\n",
            "seed: !!int abc\n",
            "name: !!binary ////\n",
            "data: &a\n  folder: *a\n",
            "seed: 2001-99-99\n",
            "seed: 0x" + "f" * 400 + "\n",
            "seed: " + "9" * 5000 + "\n",
            "data: " + "[" * 3000 + "]" * 3000 + "\n",
            "data: " + "{a: " * 500 + "}" * 500 + "\n",
            "? [a, b]\n: 3\n",
            "3: 4\n",
            "null: 4\n",
            "<<: {seed: 3}\n",
            "<<: 3\n",
            "seed: 1_000\nseed: 190:20:30\n",
            "steps: !!set {a, b}\n",
            "stages: !!omap [a: 1]\n",
            "lr: .inf\nseed: .nan\n",
        ]
    )  # fmt: skip
    lines = content.split(b"\n")
    at = rng.randrange(len(lines) + 1)
    if rng.random() < 0.5:
        indent = lines[at - 1][: len(lines[at - 1]) - len(lines[at - 1].lstrip())] if at else b""
        return b"\n".join([*lines[:at], *(indent + each.encode() for each in trap.splitlines()), *lines[at:]])
    names = [line.split(":")[0] for line in content.decode(errors="replace").splitlines() if ":" in line] or ["x"]
    return content + f"\n{rng.choice(names).strip()}: {trap.partition(': ')[2] or 1}".encode()


TARGETS = (
    Target("camera", _cameras, _read_camera),
    Target("calibration", _calibrations, _read_calibration),
    Target("pose", _poses, _read_pose),
    Target("pose_h5", _poses_h5, _read_pose),
    Target("registration", _registrations, _review),
    Target("scene_record", _registrations, _scene_record),
    Target("scene_attributes", _scene, _attributes),
    Target("landmarks", _landmarks, read_landmarks),
    Target("phantom", _phantoms, read_phantom),
    Target("case_table", _case_tables, read_case_table),
    Target("pair_table", _pair_tables, pairs_from_table),
    Target("metrics", _metrics, read_metrics),
    Target("configuration", _configurations, _configuration, (_dumped_yaml,) * 3),
    Target("set_option", _settings, _changes),
)
