"""What a method makes of validation people while it is trained, as files to look at; they change nothing it learns.

::

    samples/step-002000/            the step is counted over all stages
      sample.json                   stage, step, and per person which bones were found, in which frame
      1-<person>/<bone>.vtp         the method's answer, LPS mm in the reconstruction frame
      1-<person>/<bone>_truth.vtp   the truth, held the same way
      1-<person>/pictures.png       of methods that make pictures: side by side, from left to right as sample.json says
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import read_json, safe_file_name, write_json
from XRayTo3DLib.files.unfinished import remove_folder, remove_unfinished, unfinished_folder

if TYPE_CHECKING:
    from vtkmodules.vtkCommonDataModel import vtkPolyData

FOLDER, SAMPLE_FILE, PICTURES = "samples", "sample.json", "pictures.png"
SAMPLE_FORMAT = "xrayto3d.training-sample/1"
KEPT = 20
"""So many of the newest stay; a long training would fill the disk."""
GAP = 4
"""Pixels between two pictures."""


@dataclass(frozen=True, eq=False)
class TrainingSample:
    """One validation person.

    Attributes:
        person: The case's name in the data set.
        found: Bones as the method makes them now, LPS mm in the reconstruction frame; a lost bone is missing.
        truth: The true bones, held the same way.
        pictures: By title, in this order: (rows, columns) grey values from 0 (black) to 1 (white).
        note: What a person must know to judge it, one sentence.
    """

    person: str
    found: Mapping[str, vtkPolyData] = field(default_factory=dict)
    truth: Mapping[str, vtkPolyData] = field(default_factory=dict)
    pictures: Mapping[str, NDArray[np.floating]] = field(default_factory=dict)
    note: str = ""


@runtime_checkable
class GivesSamples(Protocol):
    """A task (see ``plan.Task``) that can show what it makes of validation people."""

    def samples(self, stage: str, device: Any, count: int) -> Sequence[TrainingSample]:
        """Of the first ``count`` validation people, always the same; none in a stage that makes nothing to look at."""


@dataclass(frozen=True)
class SampleFolder:
    """Samples of one moment, as they lie on disk.

    Attributes:
        path: The folder.
        step: Steps of all stages until then.
        stage: In which stage.
        stage_step: After how many of its steps.
        people: One mapping per person: person, folder, found, truth (lists of bones), pictures (titles), note.
    """

    path: Path
    step: int
    stage: str
    stage_step: int
    people: tuple[dict[str, Any], ...]


def write_samples(
    folder: Path, step: int, stage: str, stage_step: int, samples: Sequence[TrainingSample], kept: int = KEPT
) -> Path | None:
    """Write the samples of one moment, whole or not at all; the oldest go.

    Args:
        folder: The training's.
        step: Steps of all stages.
        stage: The stage's name.
        stage_step: Steps of the stage.
        samples: None: nothing is written.
        kept: So many of the newest stay.
    """
    if not samples:
        return None
    place = folder / FOLDER
    place.mkdir(parents=True, exist_ok=True)
    remove_unfinished(place)
    unfinished = unfinished_folder(place)
    people = [_write(unfinished, number, sample) for number, sample in enumerate(samples, start=1)]
    about = {"format": SAMPLE_FORMAT, "frame": "LPS mm, reconstruction frame", "step": step, "stage": stage}
    write_json(unfinished / SAMPLE_FILE, {**about, "stage_step": stage_step, "people": people})
    path = place / f"step-{step:06d}"
    if path.exists():  # done before an interruption, and again now
        remove_folder(path)
    unfinished.rename(path)
    for old in samples_in(folder)[:-kept]:
        remove_folder(old.path)
    return path


def samples_in(folder: Path | str) -> list[SampleFolder]:
    """The samples of a training, oldest first; a damaged one is left out."""
    found = []
    for path in sorted((Path(folder) / FOLDER).glob("step-*")):
        try:
            content = read_json(path / SAMPLE_FILE, "training sample", SAMPLE_FORMAT)
            people = tuple(dict(each) for each in content["people"])
            found.append(SampleFolder(path, int(content["step"]), content["stage"], content["stage_step"], people))
        except (InputError, KeyError, TypeError, ValueError):
            continue
    return sorted(found, key=lambda each: each.step)


def as_grey(picture: NDArray[np.floating], low: float, high: float) -> NDArray[np.float32]:
    """Values from ``low`` (black) to ``high`` (white) as 0 to 1; what is no number is black."""
    scaled = (np.asarray(picture, dtype=np.float32) - low) / max(high - low, 1e-6)
    return np.nan_to_num(np.clip(scaled, 0.0, 1.0))


def _write(folder: Path, number: int, sample: TrainingSample) -> dict[str, Any]:
    from XRayTo3DLib.shape.surfaces import write_surface

    place = folder / f"{number}-{safe_file_name(sample.person)}"
    place.mkdir()
    for bone, mesh in sample.found.items():
        write_surface(mesh, place / f"{safe_file_name(bone)}.vtp")
    for bone, mesh in sample.truth.items():
        write_surface(mesh, place / f"{safe_file_name(bone)}_truth.vtp")
    if sample.pictures:
        _write_pictures(place / PICTURES, list(sample.pictures.values()))
    return {
        "person": sample.person,
        "folder": place.name,
        "found": list(sample.found),
        "truth": list(sample.truth),
        "pictures": list(sample.pictures),
        "note": sample.note,
    }


def _write_pictures(path: Path, pictures: Sequence[NDArray[np.floating]]) -> None:
    from PIL import Image

    rows = max(picture.shape[0] for picture in pictures)
    gap = np.ones((rows, GAP))
    parts: list[NDArray[np.floating]] = []
    for picture in pictures:
        parts += [np.pad(picture, ((0, rows - picture.shape[0]), (0, 0))), gap]
    values = np.concatenate(parts[:-1], axis=1)
    Image.fromarray(np.uint8(np.round(255 * np.clip(values, 0, 1)))).save(path)
