"""The sections of the biplanar experiment's report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from XRayTo3DLib.evaluation.biplanar_figures import OutlinePicture, outlines_figure, turn_figure
from XRayTo3DLib.evaluation.biplanar_tables import (
    IN_PICTURES,
    TurnPoint,
    details_table,
    outlines_table,
    turn_table,
    volumes_table,
)
from XRayTo3DLib.evaluation.experiment_case_figure import WRIST_VIEWS, CasePicture, case_figure
from XRayTo3DLib.evaluation.experiment_figures import box_figure
from XRayTo3DLib.evaluation.experiment_report import Part, Picture, failures
from XRayTo3DLib.evaluation.experiment_statistics import compare_methods
from XRayTo3DLib.evaluation.experiment_tables import per_patient, statistics_table
from XRayTo3DLib.evaluation.outline_measures import OutlineOutcome
from XRayTo3DLib.evaluation.reconstruction_trials import ReconstructionOutcome
from XRayTo3DLib.evaluation.software_render import ANTERIOR, FROM_LEFT, POSTERIOR

CASE_RANGE_MM = 5.0


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
    tests = {bone: compare_methods(of).tukey for bone, of in values.items()}
    boxes = box_figure(
        values, unit="Chamfer distance (mm)", title="Bones in space: error by method", tests=tests,
        baselines=(baseline,), synthetic=synthetic,
    )  # fmt: skip
    pictures = [Picture("bones-boxes", boxes, "Chamfer distance of every patient under every method.")]
    if cases:
        views = WRIST_VIEWS if "radius" in values else (ANTERIOR, FROM_LEFT, POSTERIOR)
        png = case_figure(
            cases, title=f"{shown}: from the best to the worst case", views=views, range_mm=CASE_RANGE_MM,
            synthetic=synthetic,
        )  # fmt: skip
        pictures.append(Picture("bones-cases", png, "Reconstructions coloured by their distance to the true bone."))
    tables = (volumes_table(volumes, background), details_table(volumes, baseline))
    return Part("Bones in space", warnings=tuple(failures(volumes)), tables=tables, pictures=tuple(pictures))


def _turned(
    turned: Mapping[str, Sequence[TurnPoint]], calibrated: Sequence[str], baseline: str, synthetic: bool
) -> Part:
    png = turn_figure(
        turned, title="A lateral camera that is turned", calibrated=calibrated, baselines=(baseline,),
        synthetic=synthetic,
    )  # fmt: skip
    picture = Picture("lateral-view-turned", png, "Error, and what was lost, over the turn of the lateral camera.")
    return Part("Lateral view turned", tables=(turn_table(turned, calibrated, (baseline,)),), pictures=(picture,))
