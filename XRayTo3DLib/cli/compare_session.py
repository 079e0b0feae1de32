"""One comparison from its options to the rows of its report."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from XRayTo3DLib.cli.compare_clock import Clock, left_text
from XRayTo3DLib.cli.compare_pictures import PictureFiles
from XRayTo3DLib.cli.compare_run import BUNDLE, MethodFailed, Training, measured, row_folder, same_settings, trained
from XRayTo3DLib.dataset.dataset_folder import DatasetCase, DatasetFolder
from XRayTo3DLib.dataset.prepared_files import prepare_all
from XRayTo3DLib.dataset.voxel_grid import VoxelGrid
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.compare_results import Row
from XRayTo3DLib.experiments.compare_conditions import CONDITIONS, columns
from XRayTo3DLib.experiments.compare_files import Task
from XRayTo3DLib.experiments.compare_measure import common_grid
from XRayTo3DLib.experiments.compare_methods import DEPTH, Candidate, candidates, field_of
from XRayTo3DLib.experiments.compare_recipes import SIZES, Size, minutes
from XRayTo3DLib.experiments.compare_refine import MARK, NO_PLACE, why_not_refined
from XRayTo3DLib.methods.configuration import parsed
from XRayTo3DLib.methods.data import DataConfiguration
from XRayTo3DLib.models.bundle import load_bundle
from XRayTo3DLib.models.checksums import file_sha256
from XRayTo3DLib.training.checkpoint import seconds_of

SHOWN = 3
"""Test people whose bones the report may show."""
PERSON_S, REFINED_S = 0.7, 3.0
"""A first guess of what it takes to reconstruct and measure a person, and to refine one, s."""
SHAPES, AUTO = "shape-intensity-fit", Path("auto")
"""Whose models refine, and how they are asked for."""
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
        refine: Bundle of shape models; every method then has a second row, refined with them. ``AUTO``: those that the
            comparison trains or is given as shape-intensity-fit.
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
    refine: Path | None = None


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

    Raises:
        InputError: A data set that cannot be used, or without people to test.
    """

    def __init__(self, options: Options, told: Told) -> None:
        self._options, self._told = options, told
        self._dataset = DatasetFolder.open(options.dataset)
        self._dataset.cases("train")
        self._test = self._dataset.cases("test")[: options.people]
        wanted = SIZES[options.size].hard if options.hard is None else options.hard
        self._hard = min(wanted, len(self._test))
        self._pictures = PictureFiles(options, self._dataset, self._test, self._hard)
        self._clock = Clock()

    def run(self) -> Found:
        """Train, render, measure.

        Raises:
            InputError: Options or a folder that cannot be used, or no method that takes part.
        """
        options = self._options
        self._told("looking at the data set", None)
        self._remember()
        found = candidates(self._dataset, list(options.methods), options.bundles, options.size)
        taking = [each for each in found if not each.why_not]
        if not taking:
            raise InputError("no method can take part: " + "; ".join(f"{each.name}: {each.why_not}" for each in found))
        datas = {each.name: self._data_of(each) for each in taking if each.method != DEPTH}
        if datas:  # Once for all, so that it is in nobody's time.
            prepare_all(options.dataset, report=lambda name, share: self._told(f"preparing {name}", share))
        grid = common_grid([data.voxels for data in datas.values()]) if datas else self._whole_field()
        shown = _spread([case.id for case in self._test])
        self._check_refine(taking)
        expected = {each.name: self._expected_s(each) for each in taking}
        if options.refine is not None:
            expected |= {each.name + MARK: self._asked_s(PERSON_S + REFINED_S) for each in taking}
        self._clock.plan(expected)
        rows = [self._row(each, datas.get(each.name), grid, shown) for each in found]
        if options.refine is not None:
            again = [self._refined_row(each, datas.get(each.name), grid, shown, rows) for each in taking]
            rows = [row for own in rows for row in (own, *(each for each in again if each.name == own.name + MARK))]
        return Found(
            rows,
            grid,
            shown,
            self._test,
            self._hard,
            columns(list(options.translations)),
            self._pictures.made,
            self._about(grid),
            self._dataset.synthetic or any(row.measured is not None and row.measured.synthetic for row in rows),
        )

    def _remember(self) -> None:
        """Refuse a folder that holds another comparison."""
        content = {
            "dataset": file_sha256(self._options.dataset / "dataset.json")[:16],
            "size": self._options.size,
            "seed": self._options.seed,
            "people": len(self._test),
            "hard": self._hard,
        }
        same_settings(self._options.output, content)

    def _check_refine(self, taking: Sequence[Candidate]) -> None:
        if self._options.refine == AUTO and SHAPES not in [each.name for each in taking]:
            raise InputError(f"--refine auto takes the models of {SHAPES}, which takes no part; name a bundle instead.")

    def _refined_row(
        self,
        candidate: Candidate,
        data: DataConfiguration | None,
        grid: VoxelGrid,
        shown: tuple[str, ...],
        rows: Sequence[Row],
    ) -> Row:
        """One method again, its bones refined; or why not."""
        name, method, bundle = candidate.name + MARK, candidate.method, self._options.refine
        own = {row.name: row for row in rows}
        if own[candidate.name].failed:
            return Row(name, method, why_not="the method itself failed")
        if data is None:
            return Row(name, method, why_not=NO_PLACE)
        if bundle == AUTO:
            if own[SHAPES].failed:
                return Row(name, method, why_not=f"there are no shape models: {SHAPES} failed")
            given = self._options.bundles.get(SHAPES)
            bundle = given or row_folder(self._options.output, SHAPES) / "training" / BUNDLE
        assert bundle is not None  # refining is asked for
        why = why_not_refined(self._dataset.labels, load_bundle(bundle).bundle.labels)
        return Row(name, method, why_not=why) if why else self._row(candidate, data, grid, shown, bundle)

    def _row(
        self,
        candidate: Candidate,
        data: DataConfiguration | None,
        grid: VoxelGrid,
        shown: tuple[str, ...],
        refine: Path | None = None,
    ) -> Row:
        """One method, trained and measured, perhaps refined; or why not."""
        name, method, options = candidate.name, candidate.method, self._options
        if candidate.why_not:
            return Row(name, method, why_not=candidate.why_not)
        trained_in = row_folder(options.output, name)
        name += "" if refine is None else MARK
        folder = row_folder(options.output, name)
        self._clock.start(name)
        try:
            bundle, seconds = candidate.bundle, math.nan
            if bundle is not None:
                seconds = seconds_of(bundle.parent) or math.nan
            else:
                training = Training(options.dataset, options.device, options.threads)
                bundle, seconds = trained(candidate, trained_in, training, self._tell)
            pictures = Path() if data is None else self._pictures.file_for(name, data, self._tell)
            numbers = {"people": len(self._test), "hard": self._hard, "seed": options.seed}
            task = Task(
                name,
                bundle,
                options.dataset,
                pictures,
                grid,
                SIZES[options.size].samples,
                shown=shown,
                refine=refine,
                **numbers,
            )
            row = measured(task, method, folder / "measurement", self._tell)
        except MethodFailed as error:
            return Row(name, method, why_not=str(error), failed=True)
        finally:
            self._clock.end(name)
        return replace(row, training_s=seconds, given=candidate.bundle is not None)

    def _data_of(self, candidate: Candidate) -> DataConfiguration:
        content = candidate.configuration or load_bundle(candidate.bundle or Path()).bundle.configuration
        return parsed(DataConfiguration, {**content["data"], "folder": str(self._options.dataset.absolute())})

    def _whole_field(self) -> VoxelGrid:
        """The cube that methods on a grid would reconstruct."""
        centre, half = field_of(self._dataset)
        voxels = SIZES[self._options.size].voxels
        return VoxelGrid(voxels, 2 * half / voxels, tuple(centre.tolist()))

    def _about(self, grid: VoxelGrid) -> str:
        return (
            f"Anatomy: {self._dataset.anatomy}. {len(self._dataset.cases('train'))} people to learn from, "
            f"{len(self._test)} to test on. Trained at size {self._options.size}. Measured in a cube of "
            f"{grid.extent_mm:.0f} mm, voxels of {grid.spacing_mm:.2g} mm."
        )

    # ---- who is told ---------------------------------------------------------------------------------------------

    def _tell(self, text: str, share: float, left_s: float | None) -> None:
        overall, left = self._clock.state(share, left_s)
        self._told(f"{text}; {left_text(left)}", overall)

    def _expected_s(self, candidate: Candidate) -> float:
        training = 0.0 if candidate.bundle else 60 * minutes(candidate.name, self._options.size)
        return training + self._asked_s(PERSON_S)

    def _asked_s(self, person_s: float) -> float:
        """What asking everybody takes, s."""
        return person_s * (len(self._test) + (len(CONDITIONS) - 1) * self._hard)


def _spread(names: Sequence[str]) -> tuple[str, ...]:
    """A few of them, from the first to the last."""
    places = np.linspace(0, len(names) - 1, min(SHOWN, len(names))).round().astype(int)
    return tuple(dict.fromkeys(names[place] for place in places))
