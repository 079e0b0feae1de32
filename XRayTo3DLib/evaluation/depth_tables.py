"""The tables of dual-face depth in the layout of Gu et al. 2024 (3DDX): losses and faces, and completion by group.

Right and left bones are taken together, and numbers per patient, because pictures and sides of one patient are not
independent.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, replace

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.depth_measures import ALIGNED, DepthOutcome, correlation
from XRayTo3DLib.evaluation.experiment_statistics import Summary, summarise
from XRayTo3DLib.evaluation.experiment_tables import DASH, Table, per_patient

PAPER_ASSD_MM: tuple[tuple[tuple[str, ...], dict[str, float]], ...] = (
    (("256", "single", "SI", DASH, "no"), {"pelvis": 4.78, "femur": 5.54}),
    (("256", "dual", "SI", DASH, "no"), {"pelvis": 2.11, "femur": 2.28}),
    (("256", "dual", "CASI", "dependent", "no"), {"pelvis": 1.96, "femur": 2.20}),
    (("256", "dual", "CASI", "independent", "no"), {"pelvis": 1.95, "femur": 2.15}),
    (("256", "dual", "CASI", "independent", "yes"), {"pelvis": 1.93, "femur": 2.12}),
    (("512", "dual", "CASI", "independent", "yes"), {"pelvis": 1.80, "femur": 1.99}),
    (("1024", "dual", "CASI", "independent", "yes"), {"pelvis": 1.76, "femur": 1.95}),
)
"""Their Table 1: pixels, faces, loss, aggregation, pretraining; ASSD after alignment, mm."""
SEEN, DIRECTIONAL, BIDIRECTIONAL = "as seen", "completed, directional", "completed, bidirectional"
PAPER_COMPLETION_MM = {
    SEEN: {"pelvis": 2.34, "femur": 3.78},
    DIRECTIONAL: {"pelvis": 1.95, "femur": 2.19},
    BIDIRECTIONAL: {"pelvis": 1.91, "femur": 2.11},
}
"""ASSD of their healthy people, mm."""
HEALTHY = "healthy"
WHY_ALIGNED = (
    "Why aligned: one radiograph hardly tells how far bones lie from the detector, and the centre-aligned loss (CASI) "
    "ignores one shift of all depth on purpose, so that the network spends itself on shape. Such a network's depth is "
    "right only up to that shift; at use it is put where the training people lay on average. Aligned numbers come "
    "after the one shift per radiograph, along the detector's normal, that makes mean depth that of the truth, as in "
    "the paper: they judge shape. Absolute numbers are what a user gets."
)
_ABSOLUTE = "Absolute: as a user gets it; the aligned table says why both are given."
_THEIRS = (
    "The lines of Gu et al. (3DDX, MICCAI 2024) are theirs, on radiographs of their own patients: other people, other "
    "images. They are not a comparison."
)
MEASURES = {
    "assd_mm": ("ASSD (mm)", 2),
    "hd95_mm": ("HD95 (mm)", 2),
    "emd_mm": ("EMD (mm)", 2),
    "cd_l2_mm2": ("CD-l2 (mm²)", 1),
    "depth_mae_mm": ("Depth MAE (mm)", 2),
    "depth_rmse_mm": ("Depth RMSE (mm)", 2),
    "whole_assd_mm": ("ASSD, whole bone (mm)", 2),
}
"""Column titles and decimals by the attribute of an outcome."""
VOLUME = "Volume r"
LOSS_MEASURES = ("assd_mm", "hd95_mm", "emd_mm", "cd_l2_mm2", "depth_mae_mm", "depth_rmse_mm")
COMPLETION_MEASURES = ("assd_mm", "hd95_mm", "emd_mm", "cd_l2_mm2", "whole_assd_mm")


@dataclass(frozen=True)
class DepthModel:
    """What the paper's table says of a model.

    Attributes:
        name: As the outcomes' ``method``.
        pixels: Rows and columns of its picture.
        faces: "dual" or "single".
        loss: "CASI" or "SI".
        aggregation: "independent" or "dependent".
        pretrained: "yes" or "no".
    """

    name: str
    pixels: str
    faces: str
    loss: str
    aggregation: str
    pretrained: str


def kind_of(bone: str) -> str:
    """Which bone, whichever side: "femur" of "femur_right"."""
    return bone.removesuffix("_right").removesuffix("_left")


def sentence_case(text: str) -> str:
    """With a capital first letter, the rest as it is."""
    return text[:1].upper() + text[1:]


def by_kind(outcomes: Iterable[DepthOutcome], alignment: str) -> list[DepthOutcome]:
    """Outcomes of one alignment, right and left bones under one name."""
    return [replace(o, bone=kind_of(o.bone)) for o in outcomes if o.alignment == alignment]


def losses_table(
    models: Sequence[DepthModel], outcomes: Sequence[DepthOutcome], alignment: str, *, paper: bool = True
) -> Table:
    """Table 1 of the paper: a row per model; numbers of every kind of bone side by side.

    Args:
        models: Rows, in order.
        outcomes: Of these models, of any alignment.
        alignment: "aligned" or "absolute": which outcomes are shown.
        paper: Show the paper's own lines (they are aligned).

    Raises:
        InputError: No outcome of that alignment.
    """
    chosen, kinds = _chosen(outcomes, alignment)
    rows, data = [], []
    for model in models:
        own = [o for o in chosen if o.method == model.name]
        rows.append((*astuple(model), *_cells(own, kinds, LOSS_MEASURES)))
        data += [(*astuple(model), alignment, *_numbers(own, kind, LOSS_MEASURES)) for kind in kinds]
    if paper and alignment == ALIGNED and set(kinds) & {"pelvis", "femur"}:
        blanks = (DASH,) * len(LOSS_MEASURES)
        rows += [("Gu et al.", *what, _joined(kinds, of), *blanks) for what, of in PAPER_ASSD_MM]
    header = ("Model", "Pixels", "Faces", "Loss", "Aggregation", "Pretrained", *_titles(LOSS_MEASURES))
    notes = (_cells_note(kinds), _measures_note(chosen), *_alignment_notes(alignment, len(rows) > len(models)))
    data_header = ("model", "pixels", "faces", "loss", "aggregation", "pretrained", "alignment")
    return Table(
        f"Depth losses, {alignment}", header, tuple(rows), tuple(range(6, len(header))), notes,
        (*data_header, *_data_header(LOSS_MEASURES)), tuple(data),
    )  # fmt: skip


def completion_table(outcomes: Sequence[DepthOutcome], alignment: str, *, paper: bool = True) -> Table:
    """What was seen, and completed by shape models in either way, by group of people.

    Args:
        outcomes: Of any alignment; methods in the order of their first appearance.
        alignment: "aligned" or "absolute": which outcomes are shown.
        paper: Show the paper's own lines for healthy people (they are aligned).

    Raises:
        InputError: No outcome of that alignment.
    """
    chosen, kinds = _chosen(outcomes, alignment)
    methods = list(dict.fromkeys(o.method for o in chosen))
    rows, data, theirs = [], [], False
    for group, members in _groups(chosen).items():
        people = len({o.patient for o in members})
        rows.append((f"{sentence_case(group)} ({people} {'person' if people == 1 else 'people'})",))
        for method in methods:
            own = [o for o in members if o.method == method]
            rows.append((method, *_cells(own, kinds, COMPLETION_MEASURES)))
            data += [(group, method, alignment, *_numbers(own, kind, COMPLETION_MEASURES)) for kind in kinds]
        if paper and group == HEALTHY and alignment == ALIGNED and set(kinds) & {"pelvis", "femur"}:
            blanks, theirs = (DASH,) * len(COMPLETION_MEASURES), True
            rows += [(f"Gu et al., {name}", _joined(kinds, of), *blanks) for name, of in PAPER_COMPLETION_MM.items()]
    header = ("Surface", *_titles(COMPLETION_MEASURES))
    notes = (_cells_note(kinds), _measures_note(chosen), _COMPLETED, *_alignment_notes(alignment, theirs))
    return Table(
        f"Completion, {alignment}", header, tuple(rows), tuple(range(1, len(header))), notes,
        ("group", "surface", "alignment", *_data_header(COMPLETION_MEASURES)), tuple(data),
    )  # fmt: skip


_COMPLETED = (
    "As seen: the surface straight from the depth maps. Completed: a shape model fitted to it, with distances from the "
    "points to the model alone (directional) or both ways (bidirectional). ASSD, whole bone: also where the picture "
    "does not show the bone."
)


def _chosen(outcomes: Sequence[DepthOutcome], alignment: str) -> tuple[list[DepthOutcome], list[str]]:
    chosen = by_kind(outcomes, alignment)
    if not chosen:
        raise InputError(f'There is no outcome "{alignment}" to make a table of.')
    return chosen, list(dict.fromkeys(o.bone for o in chosen))


def _groups(outcomes: Sequence[DepthOutcome]) -> dict[str, list[DepthOutcome]]:
    """Outcomes by group, healthy people first; and all together where there is more than one group."""
    names = sorted({o.group for o in outcomes}, key=lambda name: (name != HEALTHY, name))
    groups = {name: [o for o in outcomes if o.group == name] for name in names if name}
    return groups if len(groups) == 1 and "" not in names else {**groups, "all": list(outcomes)}


def _summary(outcomes: Sequence[DepthOutcome], kind: str, measure: str) -> Summary:
    """Over patients of one method."""
    return summarise([value for of in per_patient(outcomes, kind, measure).values() for value in of.values()])


def _volume(outcomes: Sequence[DepthOutcome], kind: str) -> tuple[float, int]:
    own = [o for o in outcomes if o.bone == kind]
    return correlation([o.volume_mm3 for o in own], [o.true_volume_mm3 for o in own])


def _cells(outcomes: Sequence[DepthOutcome], kinds: Sequence[str], measures: Sequence[str]) -> list[str]:
    cells = []
    for measure in measures:
        values = {kind: _summary(outcomes, kind, measure).mean for kind in kinds}
        cells.append(_joined(kinds, values, MEASURES[measure][1]))
    return [*cells, _joined(kinds, {kind: _volume(outcomes, kind)[0] for kind in kinds}, 3)]


def _joined(kinds: Sequence[str], values: Mapping[str, float], decimals: int = 2) -> str:
    numbers = [values.get(kind, math.nan) for kind in kinds]
    return " / ".join(DASH if math.isnan(number) else f"{number:.{decimals}f}" for number in numbers)


def _titles(measures: Sequence[str]) -> list[str]:
    return [*(MEASURES[measure][0] for measure in measures), VOLUME]


def _numbers(outcomes: Sequence[DepthOutcome], kind: str, measures: Sequence[str]) -> list[object]:
    """One line of the CSV: means and SDs over patients, unrounded."""
    own = [o for o in outcomes if o.bone == kind]
    summaries = [_summary(outcomes, kind, measure) for measure in measures]
    r, pairs = _volume(outcomes, kind)
    counts = [kind, len({o.patient for o in own}), len(own), sum(o.empty for o in own)]
    return [*counts, *(number for each in summaries for number in (each.mean, each.sd)), r, pairs]


def _data_header(measures: Sequence[str]) -> tuple[str, ...]:
    columns = [f"{measure}_{number}" for measure in measures for number in ("mean", "sd")]
    return "bone", "patients", "outcomes", "empty", *columns, "volume_r", "volume_pairs"


def _alignment_notes(alignment: str, theirs: bool) -> tuple[str, ...]:
    why = WHY_ALIGNED if alignment == ALIGNED else _ABSOLUTE
    return (why, _THEIRS) if theirs else (why,)


def _cells_note(kinds: Sequence[str]) -> str:
    order = f"Cells: {' / '.join(kinds)}, right and left together. " if len(kinds) > 1 else ""
    return order + "Means over patients; standard deviations are in the CSV file."


def _measures_note(outcomes: Sequence[DepthOutcome]) -> str:
    counts, seeds = {o.points for o in outcomes if o.points}, {o.seed for o in outcomes}
    count = f"{min(counts, default=0)} to {max(counts)}" if len(counts) > 1 else str(min(counts, default=0))
    return (
        "Surfaces are compared where the picture shows them. ASSD: area-weighted point-to-surface distance, mean of "
        "both directions. HD95: the larger of the two directed 95th percentiles. EMD: mean distance of the best "
        f"pairing, CD-l2: mean squared distances of both directions added, {count} points of each surface (seed "
        f"{', '.join(map(str, sorted(seeds)))}); both fall with more points and are not zero for equal surfaces. "
        "Depth: along the detector's normal, over pixels that show the bone in both. Volume r: Pearson's correlation "
        "of the volume between front and back with the true one, over radiographs and sides."
    )
