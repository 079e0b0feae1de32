"""The sections of the biplanar experiment's report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from XRayTo3DLib.evaluation.biplanar_figures import OutlinePicture, outlines_figure, turn_figure
from XRayTo3DLib.evaluation.biplanar_tables import (
    IN_PICTURES,
    TurnPoint,
    details_table,
    mean_of_bones,
    methods_of,
    outlines_table,
    turn_table,
    volumes_table,
)
from XRayTo3DLib.evaluation.experiment_case_figure import WRIST_VIEWS, CasePicture, case_figure
from XRayTo3DLib.evaluation.experiment_figures import box_figure
from XRayTo3DLib.evaluation.experiment_report import Part, Picture, failures
from XRayTo3DLib.evaluation.experiment_statistics import compare_methods, summarise
from XRayTo3DLib.evaluation.experiment_tables import per_patient, statistics_table
from XRayTo3DLib.evaluation.outline_measures import OutlineOutcome
from XRayTo3DLib.evaluation.reconstruction_trials import ReconstructionOutcome
from XRayTo3DLib.evaluation.software_render import ANTERIOR, FROM_LEFT, POSTERIOR

RANGES_MM = (1.0, 2.0, 3.0, 5.0, 10.0, 20.0)
"""Of the colours of surface distances: the first that is twice the largest mean error shown."""
FAR = 4.0
"""A baseline that is so many times worse than every model is left out of the box plot: it would flatten the rest."""


def biplanar_parts(
    volumes: Sequence[ReconstructionOutcome],
    outlines: Sequence[OutlineOutcome],
    *,
    baseline: str,
    background: Mapping[str, Sequence[float]] | None = None,
    turned: Mapping[str, Sequence[TurnPoint]] | None = None,
    cases: Sequence[CasePicture] = (),
    pictures: Sequence[OutlinePicture] = (),
    calibrated: Sequence[str] = (),
    shown: str = "",
    synthetic: bool = False,
) -> list[Part]:
    """Bones in space, their outlines in DRRs, the turned lateral view, statistics.

    Args:
        volumes: Of all methods, in space.
        outlines: Of all methods, in DRRs.
        baseline: The mean shape's name.
        background: By method, Dice of what is no bone.
        turned: Points by method; none if it was not asked for.
        cases: People in space as ``shown`` reconstructed them.
        pictures: The same people in DRRs.
        calibrated: Methods that are told where cameras are.
        shown: The method of the pictures.
        synthetic: Label the figures.

    Raises:
        InputError: No outcome.
    """
    space = _space(volumes, background, cases, baseline, shown, synthetic)
    parts = [space, outlines_part(outlines, pictures, shown=shown, synthetic=synthetic)]
    if turned:
        parts.append(_turned(turned, calibrated, baseline, synthetic))
    tests = tuple(
        statistics_table(compare_methods(per_patient(volumes, bone)), title=f"{bone}: Chamfer distance")
        for bone in dict.fromkeys(o.bone for o in volumes)
    )
    return [*parts, Part("Statistics", tables=tests)]


def outlines_part(
    outlines: Sequence[OutlineOutcome],
    pictures: Sequence[OutlinePicture] = (),
    *,
    title: str = IN_PICTURES,
    shown: str = "",
    synthetic: bool = False,
) -> Part:
    """Outlines in DRRs, or in radiographs; arguments as of :func:`biplanar_parts`.

    Raises:
        InputError: No outcome.
    """
    figures = []
    if pictures:
        png = outlines_figure(pictures, title=f"{shown}: {title[:1].lower()}{title[1:]}", synthetic=synthetic)
        name = title.lower().replace(" ", "-")
        figures.append(Picture(f"{name}-examples", png, "Outlines of the true and the reconstructed bones."))
    return Part(title, tables=(outlines_table(outlines, title=title),), pictures=tuple(figures))


def _space(
    volumes: Sequence[ReconstructionOutcome],
    background: Mapping[str, Sequence[float]] | None,
    cases: Sequence[CasePicture],
    baseline: str,
    shown: str,
    synthetic: bool,
) -> Part:
    """Tables, boxes and cases of bones in space."""
    values = {bone: per_patient(volumes, bone) for bone in dict.fromkeys(o.bone for o in volumes)}
    far = _is_far(volumes, baseline)
    if far:
        values = {bone: {name: v for name, v in of.items() if name != baseline} for bone, of in values.items()}
    tests = {bone: compare_methods(of).tukey for bone, of in values.items()}
    boxes = box_figure(
        values, unit="Chamfer distance (mm)", title="Bones in space: error by method", tests=tests,
        baselines=(baseline,), synthetic=synthetic,
    )  # fmt: skip
    beyond = f" The {baseline} is far above: see the table." if far else ""
    pictures = [Picture("bones-boxes", boxes, f"Chamfer distance of every patient under every method.{beyond}")]
    if cases:
        views = WRIST_VIEWS if "radius" in values else (ANTERIOR, FROM_LEFT, POSTERIOR)
        errors = [summarise([o.assd_mm for o in case.outcomes]).mean for case in cases]
        range_mm = next((each for each in RANGES_MM if each >= 2 * max(errors)), RANGES_MM[-1])
        title = f"{shown}: from the best to the worst case"
        png = case_figure(cases, title=title, views=views, range_mm=range_mm, synthetic=synthetic)
        pictures.append(Picture("bones-cases", png, "Reconstructions coloured by their distance to the true bone."))
    tables = (volumes_table(volumes, background), details_table(volumes, baseline))
    return Part("Bones in space", warnings=tuple(failures(volumes)), tables=tables, pictures=tuple(pictures))


def _is_far(volumes: Sequence[ReconstructionOutcome], baseline: str) -> bool:
    """Whether every model is many times better than the baseline."""
    errors = {method: mean_of_bones(volumes, method, "assd_mm") for method in methods_of(volumes)}
    reference = errors.pop(baseline, 0.0)
    return bool(errors) and reference > FAR * max(errors.values())


def _turned(
    turned: Mapping[str, Sequence[TurnPoint]], calibrated: Sequence[str], baseline: str, synthetic: bool
) -> Part:
    png = turn_figure(
        turned, title="A lateral camera that is turned", calibrated=calibrated, baselines=(baseline,),
        synthetic=synthetic,
    )  # fmt: skip
    picture = Picture("lateral-view-turned", png, "Error, and what was lost, over the turn of the lateral camera.")
    return Part("Lateral view turned", tables=(turn_table(turned, calibrated, (baseline,)),), pictures=(picture,))
