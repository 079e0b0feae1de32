"""One comparison from its options to the rows of its report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from XRayTo3DLib.cli.compare_clock import Clock, left_text
from XRayTo3DLib.cli.compare_run import (
    MethodFailed,
    Training,
    measured,
    opened,
    row_folder,
    same_settings,
    trained,
)
from XRayTo3DLib.cli.models_used import loaded_translator
from XRayTo3DLib.dataset.dataset_folder import DatasetCase
from XRayTo3DLib.dataset.exposure_sampler import PoseRange
from XRayTo3DLib.dataset.voxel_grid import VoxelGrid
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.compare_results import Row
from XRayTo3DLib.experiments.compare_conditions import CONDITIONS, columns
from XRayTo3DLib.experiments.compare_files import Task, fingerprint
from XRayTo3DLib.experiments.compare_measure import common_grid
from XRayTo3DLib.experiments.compare_methods import DEPTH, Candidate, candidates, data_part
from XRayTo3DLib.experiments.compare_recipes import SIZES, Size, minutes
from XRayTo3DLib.experiments.compare_trials import TrialMaker
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.methods.configuration import parsed
from XRayTo3DLib.methods.data import DataConfiguration, People, people_of
from XRayTo3DLib.methods.translation import NONE, ViewTranslators, translators_for
from XRayTo3DLib.models.bundle import load_bundle
from XRayTo3DLib.models.checksums import file_sha256

SHOWN = 3
"""Test people whose bones the report may show."""
PERSON_S = 0.7
"""A first guess of what it takes to reconstruct and measure a person, s."""
Told = Callable[[str, float | None], None]


@dataclass(frozen=True)
class Options:
    """What is compared.

    Attributes:
        dataset: The data set.
        output: Folder of the comparison.
        size: Of what is trained.
        methods: Names; empty for all that reconstruct.
        bundles: Finished models by row.
        translations: Bundles of translators by name: one, or one per view.
        seed: Of poses, noise, metal.
        people: Test people, the first so many; ``None`` for all.
        hard: Of them, how many are asked under harder conditions; ``None`` leaves it to the size.
        device: Where to train.
        threads: CPU threads of the training.
    """

    dataset: Path
    output: Path
    size: Size = "small"
    methods: tuple[str, ...] = ()
    bundles: Mapping[str, Path] = field(default_factory=dict)
    translations: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    seed: int = 0
    people: int | None = None
    hard: int | None = None
    device: str = "auto"
    threads: int | None = None


@dataclass(frozen=True, eq=False)
class Found:
    """A finished comparison.

    Attributes:
        rows: One per method.
        grid: Where all were measured.
        shown: Test people whose bones are kept, by case name.
        test: The test people.
        hard: How many of them were asked under the harder conditions.
        columns: Harder conditions by title.
        pictures: Files of the pictures by row.
        about: What was compared on, a line.
        synthetic: Whether people or training data were made up.
    """

    rows: list[Row]
    grid: VoxelGrid
    shown: tuple[str, ...]
    test: tuple[DatasetCase, ...]
    hard: int
    columns: dict[str, list[str]]
    pictures: dict[str, Path]
    about: str
    synthetic: bool


class Session:
    """Runs a comparison; started again with the same options it goes on where it was.

    Args:
        options: What is compared.
        told: Told what is done, and the share done.
    """

    def __init__(self, options: Options, told: Told) -> None:
        self._options, self._told = options, told
        self._dataset = opened(options.dataset)
        self._clock = Clock()

    def run(self) -> Found:
        """Train, render, measure.

        Raises:
            InputError: Options, a data set or a folder that cannot be used.
        """
        options = self._options
        self._told("preparing the data set", None)
        shared = data_part(self._dataset, options.size)
        people = self._people(shared)
        same_settings(
            options.output,
            {
                "dataset": file_sha256(options.dataset / "dataset.json")[:16],
                "size": options.size,
                "seed": options.seed,
                "people": len(people.test),
                "hard": self._hard(people),
            },
        )
        found = [
            self._checked(each)
            for each in candidates(self._dataset, list(options.methods), options.bundles, options.size)
        ]
        taking = [each for each in found if not each.why_not]
        if not taking:
            raise InputError("no method can take part: " + "; ".join(f"{each.name}: {each.why_not}" for each in found))
        datas = {each.name: self._data_of(each) for each in taking if each.method != DEPTH}
        grids = [data.voxels for data in datas.values()] or [parsed(DataConfiguration, shared).voxels]
        grid = common_grid(grids)
        self._clock.plan({each.name: self._expected_s(each, people) for each in taking})
        shown = _spread([case.id for case in people.test.cases])
        rows, pictures = [], {}
        for each in found:
            if each.why_not:
                rows.append(Row(each.name, each.method, why_not=each.why_not))
                continue
            self._clock.start(each.name)
            try:
                each, seconds = self._with_bundle(each)
                if each.name in datas:
                    pictures[each.name] = self._pictures(datas[each.name], people)
                task = Task(
                    each.name,
                    each.bundle or Path(),
                    options.dataset,
                    pictures.get(each.name, Path()),
                    grid,
                    SIZES[options.size].samples,
                    self._hard(people),
                    options.seed,
                    shown,
                )
                row = measured(task, row_folder(options.output, each.name) / "measurement", self._tell)
                rows.append(replace(row, training_s=seconds))
            except MethodFailed as error:
                rows.append(Row(each.name, each.method, why_not=str(error), failed=True))
            self._clock.end(each.name)
        synthetic = people.synthetic or any(row.measured is not None and row.measured.synthetic for row in rows)
        return Found(
            rows,
            grid,
            shown,
            people.test.cases,
            self._hard(people),
            columns(list(options.translations)),
            pictures,
            self._about(people, grid),
            synthetic,
        )

    def _hard(self, people: People) -> int:
        wanted = SIZES[self._options.size].hard if self._options.hard is None else self._options.hard
        return min(wanted, len(people.test))

    def _about(self, people: People, grid: VoxelGrid) -> str:
        learnt = len(people.training) + len(people.validation)
        return (
            f"Anatomy: {self._dataset.anatomy}. {learnt} people to learn from, {len(people.test)} to test on. "
            f"Trained at size {self._options.size}. Measured in a cube of {grid.extent_mm:.0f} mm, voxels of "
            f"{grid.spacing_mm:.2g} mm."
        )

    # ---- what is needed before -----------------------------------------------------------------------------------

    def _people(self, shared: Mapping[str, Any]) -> People:
        data = parsed(DataConfiguration, {**shared, "folder": str(self._options.dataset.absolute())})
        people, most = people_of(data, Path()), self._options.people
        if most is None or most >= len(people.test):
            return people
        part = people.test
        return replace(people, test=replace(part, cases=part.cases[:most], prepared=part.prepared[:most]))

    def _checked(self, candidate: Candidate) -> Candidate:
        """The candidate, or why its bundle cannot take part."""
        if candidate.bundle is None or candidate.why_not or candidate.method == DEPTH:
            return candidate
        data = load_bundle(candidate.bundle).bundle.configuration["data"]
        labels = tuple(data.get("labels", ()))
        why = ""
        if labels != self._dataset.labels:
            why = f"it was made for other bones ({', '.join(labels)})"
        elif data.get("folds"):
            why = "it was trained on a fold: this data set's test people may have taught it"
        return replace(candidate, why_not=why)

    def _data_of(self, candidate: Candidate) -> DataConfiguration:
        content = candidate.configuration or load_bundle(candidate.bundle or Path()).bundle.configuration
        return parsed(DataConfiguration, {**content["data"], "folder": str(self._options.dataset.absolute())})

    def _with_bundle(self, candidate: Candidate) -> tuple[Candidate, float]:
        if candidate.bundle is not None:
            return candidate, float("nan")
        training = Training(self._options.dataset, self._options.device, self._options.threads)
        return trained(candidate, row_folder(self._options.output, candidate.name), training, self._tell)

    # ---- pictures ------------------------------------------------------------------------------------------------

    def _pictures(self, data: DataConfiguration, people: People) -> Path:
        """File of everything that a method of this geometry is shown; rendered if it is not there."""
        options, hard = self._options, self._hard(people)
        shape = {"views": data.views, "image": data.image, "centre": data.grid.centre_mm, "edge": data.voxels.extent_mm}
        about = {
            **shape,
            "people": [_stamp(people, number) for number in range(len(people.test))],
            "conditions": CONDITIONS,
            "hard": hard,
            "seed": options.seed,
            "translations": {name: list(map(_mark_of, each)) for name, each in options.translations.items()},
        }
        path = options.output / "pictures" / f"{fingerprint(about)}.safetensors"
        if not path.exists():
            maker = TrialMaker(data, people.test, self._poses(len(people.test)), hard, options.seed)
            self._tell("pictures", 0.0, None)
            made = maker.made(self._translators(data), lambda text, share: self._tell(text, share, None))
            made.save(path)
        return path

    def _poses(self, count: int) -> list[RigidPose]:
        """How the test people are held: the same for every method."""
        pose = data_part(self._dataset, self._options.size)["pose"]
        held = PoseRange(tuple(pose["rotation_deg"]), tuple(pose["translation_mm"]), pose["distribution"])
        return [held.draw(np.random.default_rng([self._options.seed, 3, number])) for number in range(count)]

    def _translators(self, data: DataConfiguration) -> dict[str, ViewTranslators | str]:
        """Translators by name, or why one cannot be used with a method's pictures."""
        found: dict[str, ViewTranslators | str] = {}
        for name, bundles in self._options.translations.items():
            given = [loaded_translator(bundle) for bundle in bundles]
            try:
                found[name] = translators_for(given, data)
            except InputError as error:
                found[name] = str(error)
        return found

    # ---- who is told ---------------------------------------------------------------------------------------------

    def _tell(self, text: str, share: float, left_s: float | None) -> None:
        overall, left = self._clock.state(share, left_s)
        self._told(f"{text}; {left_text(left)}", overall)

    def _expected_s(self, candidate: Candidate, people: People) -> float:
        training = 0.0 if candidate.bundle else 60 * minutes(candidate.name, self._options.size)
        asked = len(people.test) + (len(CONDITIONS) - 1) * self._hard(people)
        return training + asked * PERSON_S


def _spread(names: Sequence[str]) -> tuple[str, ...]:
    """A few of them, from the first to the last."""
    places = np.linspace(0, len(names) - 1, min(SHOWN, len(names))).round().astype(int)
    return tuple(dict.fromkeys(names[place] for place in places))


def _stamp(people: People, number: int) -> list[Any]:
    """Says which prepared person it is, and changes when they are prepared anew."""
    case = people.test.cases[number]
    path = case.folder.parent.parent / "prepared" / f"{case.id}.safetensors"
    return [case.id, path.stat().st_mtime_ns]


def _mark_of(bundle: str) -> str:
    from XRayTo3DLib.models.bundle_folder import BUNDLE_FILE
    from XRayTo3DLib.models.find import bundle_path

    return NONE if bundle == NONE else file_sha256(bundle_path(bundle) / BUNDLE_FILE)
