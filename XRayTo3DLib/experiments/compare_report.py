"""A finished comparison as a report: what was measured, with the bones and pictures of one person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from XRayTo3DLib.dataset.dataset_folder import DatasetCase
from XRayTo3DLib.dataset.prepared import truth_meshes
from XRayTo3DLib.dataset.voxel_grid import VoxelGrid
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.compare_figures import by_error
from XRayTo3DLib.evaluation.compare_pictures import ShownInput
from XRayTo3DLib.evaluation.compare_report import ShownPerson, ShownPictures, comparison_parts, headline, summary
from XRayTo3DLib.evaluation.compare_results import Row
from XRayTo3DLib.evaluation.compare_tables import PLAIN, Columns, overall
from XRayTo3DLib.evaluation.depth_tables import sentence_case
from XRayTo3DLib.evaluation.experiment_case_figure import WRIST_VIEWS
from XRayTo3DLib.evaluation.experiment_report import write_experiment
from XRayTo3DLib.evaluation.software_render import ANTERIOR, FROM_LEFT, View
from XRayTo3DLib.experiments.compare_conditions import TISSUE
from XRayTo3DLib.experiments.compare_files import SHOWN
from XRayTo3DLib.experiments.compare_trials import TrialSet
from XRayTo3DLib.files import safe_file_name
from XRayTo3DLib.methods.validation import grid_box
from XRayTo3DLib.shape.field_surface import clipped_to_box
from XRayTo3DLib.shape.surfaces import read_surface

VIEWS: Mapping[str, tuple[View, ...]] = {"wrist": WRIST_VIEWS[:2], "lps": (ANTERIOR, FROM_LEFT)}


@dataclass(frozen=True, eq=False)
class Written:
    """A report on disk.

    Attributes:
        page: report.html.
        texts: For a terminal.
        content: For a program: JSON types.
    """

    page: Path
    texts: tuple[str, ...]
    content: dict[str, Any]


def write_comparison(
    folder: Path,
    rows: Sequence[Row],
    columns: Columns,
    hard: int,
    *,
    test: Sequence[DatasetCase],
    shown: Sequence[str],
    grid: VoxelGrid,
    pictures: Mapping[str, Path],
    about: str,
    synthetic: bool,
) -> Written:
    """Write report.html, tables and figures into the comparison's folder.

    Args:
        folder: Of the comparison.
        rows: Methods.
        columns: Harder conditions by title.
        hard: How many people were asked under them.
        test: The people.
        shown: Those whose bones were kept, by name.
        grid: Where all were measured.
        pictures: File of what each row was shown.
        about: A line under the title.
        synthetic: Whether people or training data were made up.

    Raises:
        InputError: No method gave a number; says why, method by method.
    """
    if not any(row.of(PLAIN) for row in rows):
        told = "; ".join(f"{row.name}: {row.why_not or 'it reconstructed nobody'}" for row in rows)
        raise InputError(f"no method gave a number to compare. {told}")
    cases = {case.id: case for case in test}
    person = _person(folder, rows, [cases[name] for name in shown], grid)
    inputs = _inputs(rows, pictures)
    parts = comparison_parts(rows, columns, hard, person=person, pictures=inputs, synthetic=synthetic)
    outcomes = [outcome for row in rows for outcome in row.of(PLAIN)]
    files = write_experiment(
        folder,
        "Comparison of methods",
        parts,
        synthetic=synthetic,
        outcomes=outcomes,
        lead=about,
        numbers=headline(rows),
    )
    table = parts[0].tables[0]
    return Written(
        files["report.html"], (table.text(), summary(rows)), _content(table, synthetic, files["report.html"])
    )


def _content(table: Any, synthetic: bool, page: Path) -> dict[str, Any]:
    rows = [dict(zip(table.data_header, row, strict=True)) for row in table.data]
    plain = [{key: None if value != value else value for key, value in row.items()} for row in rows]
    return {"synthetic": synthetic, "methods": plain, "report": str(page)}


def _person(folder: Path, rows: Sequence[Row], cases: Sequence[DatasetCase], grid: VoxelGrid) -> ShownPerson | None:
    """Of the people whose bones were kept the one whom the best method found neither easy nor hard."""
    best = by_error(rows)[0]
    errors = {case.id: overall([o for o in best.of(PLAIN) if o.case == case.id]).mean for case in cases}
    known = sorted((case for case in cases if errors[case.id] == errors[case.id]), key=lambda case: errors[case.id])
    if not known:
        return None
    case = known[(len(known) - 1) // 2]
    bones = {row.name: _bones(folder / safe_file_name(row.name) / "measurement" / SHOWN / case.id) for row in rows}
    low, high = grid_box(grid)
    truth = {bone: clipped_to_box(mesh, low, high) for bone, mesh in truth_meshes(case).items()}
    truth = {bone: mesh for bone, mesh in truth.items() if mesh.GetNumberOfPolys()}
    return ShownPerson(case.id, truth, {name: each for name, each in bones.items() if each}, VIEWS[case.frame])


def _bones(folder: Path) -> dict[str, Any]:
    return {path.stem: read_surface(path, what=path.stem) for path in sorted(folder.glob("*.vtp"))}


def _inputs(rows: Sequence[Row], pictures: Mapping[str, Path]) -> ShownPictures | None:
    """The first person's pictures as the first method on a grid was shown them."""
    for row in rows:
        if row.measured is not None and row.name in pictures:
            trials = TrialSet.load(pictures[row.name])
            last = {each.condition.column: each for each in trials.asked.values()}
            shown = tuple(
                ShownInput(sentence_case(each.condition.text), each.images[0], each.condition.family == TISSUE)
                for each in last.values()
            )
            return ShownPictures(trials.cases[0], shown, row.measured.views)
    return None
