"""What a comparison leaves in its folder: metrics.json, distance.vtp, distance.png and report.html."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from XRayTo3DLib import __version__
from XRayTo3DLib.evaluation import report
from XRayTo3DLib.evaluation.comparison import Comparison
from XRayTo3DLib.evaluation.distance_figure import DEFAULT_RANGE_MM, distance_figure
from XRayTo3DLib.evaluation.distance_views import Side
from XRayTo3DLib.evaluation.metrics import direction_details
from XRayTo3DLib.files import atomic_path, safe_file_name, write_json, write_text
from XRayTo3DLib.shape.surfaces import write_surface

METRICS_FORMAT = "xrayto3d.metrics/1"


def write_comparison(
    comparison: Comparison, folder: Path | str, *, range_mm: float = DEFAULT_RANGE_MM, side: Side | None = None
) -> dict[str, Path]:
    """Write the four files into ``folder`` (made if missing), each of them atomically.

    Args:
        comparison: From :func:`XRayTo3DLib.evaluation.comparison.compare`.
        folder: Where to; files of an earlier run are replaced.
        range_mm: Top of the colour bar.
        side: Body side, to name the side views lateral and medial.

    Returns:
        Paths by "metrics", "distance_map", "picture" and "report".
    """
    folder = Path(folder)
    names = {
        "metrics": "metrics.json",
        "distance_map": "distance.vtp",
        "picture": "distance.png",
        "report": "report.html",
    }
    paths = {key: folder / name for key, name in names.items()}
    picture = distance_figure(comparison, range_mm, side)
    write_json(paths["metrics"], metrics_json(comparison))
    write_surface(comparison.distance_map, paths["distance_map"])
    with atomic_path(paths["picture"]) as temporary:
        temporary.write_bytes(picture)
    write_text(paths["report"], comparison_page(comparison, picture))
    return paths


def write_comparisons(
    comparisons: Mapping[str, Comparison], folder: Path | str, *, range_mm: float = DEFAULT_RANGE_MM
) -> Path:
    """Several bones of one case: the files of each in a folder of its own, and one page with a row per bone over them.

    Args:
        comparisons: By the bone's name.
        folder: Where to, made if missing.
        range_mm: Top of the colour bar, the same for all.

    Returns:
        The page, ``report.html`` in ``folder``.
    """
    folder = Path(folder)
    parts = [report.section("All bones", _bones_table(comparisons))]
    for bone, comparison in comparisons.items():
        paths = write_comparison(comparison, folder / safe_file_name(bone), range_mm=range_mm)
        picture = report.figure(paths["picture"].read_bytes(), f"{bone}: distance to the reference")
        parts.append(report.section(bone, report.warnings(comparison.warnings), picture))
    aligned = any(comparison.alignment is not None for comparison in comparisons.values())
    parts.append(report.section("How to read this", *map(report.paragraph, [*_NOTES, _PLACE[aligned]])))
    synthetic = any(comparison.synthetic for comparison in comparisons.values())
    page = report.page("Surface comparison of several bones", parts, synthetic, footer=f"XRayTo3DLib {__version__}")
    write_text(folder / "report.html", page)
    return folder / "report.html"


_BONE_KEYS = ("assd", "asd_reference_to_result", "asd_result_to_reference", "rms", "hd95", "hd", "nsd_1mm")


def _bones_table(comparisons: Mapping[str, Comparison]) -> str:
    first = next(iter(comparisons.values()))
    rows_by_key = {row.key: row for row in first.rows}
    header = ("Bone", *(f"{rows_by_key[key].name} ({rows_by_key[key].unit})" for key in _BONE_KEYS))
    rows = [(bone, *(f"{each.value(key):.2f}" for key in _BONE_KEYS)) for bone, each in comparisons.items()]
    return report.table(rows, header, numeric=range(1, len(header)))


def metrics_json(comparison: Comparison) -> dict[str, Any]:
    """The content of metrics.json: numbers under both definitions, how they were made, no folder and no date."""
    area, vertices = comparison.area, comparison.vertices
    return {
        "format": METRICS_FORMAT,
        "program": f"XRayTo3DLib {__version__}",
        "synthetic": comparison.synthetic,
        "reference": comparison.reference_name,
        "result": comparison.result_name,
        "unit": "mm",
        "frame": "LPS",
        "seed": comparison.seed,
        "ignore_boundary_mm": area.ignore_boundary_mm,
        "alignment": None if comparison.alignment is None else comparison.alignment.tolist(),
        "metrics": {row.key: row.value for row in comparison.rows},
        "definitions": {row.key: {"unit": row.unit, "definition": row.definition} for row in comparison.rows},
        "directions": {
            "reference_to_result": direction_details(area.reference_to_result, comparison.samples),
            "result_to_reference": direction_details(area.result_to_reference, comparison.samples),
        },
        "vertex_counts": {
            "reference": len(vertices.reference_to_result.vertex_distances),
            "result": len(vertices.result_to_reference.vertex_distances),
        },
        "warnings": list(comparison.warnings),
    }


def comparison_page(comparison: Comparison, picture_png: bytes) -> str:
    """The report of one comparison as one self-contained HTML page."""
    return report.page(
        "Surface comparison",
        comparison_sections(comparison, picture_png),
        synthetic=comparison.synthetic,
        lead=f"{comparison.result_name} compared with the reference {comparison.reference_name}",
        footer=f"XRayTo3DLib {__version__}, sampling seed {comparison.seed}",
    )


def comparison_sections(comparison: Comparison, picture_png: bytes) -> list[str]:
    """The report's parts, for use in a larger report as well."""
    area = comparison.area
    first = report.tiles(
        [
            (f"{area.assd:.2f}", "mm", "ASSD, average distance"),
            (f"{area.hd95:.2f}", "mm", "HD95, 95 % lie nearer"),
            (f"{area.hd:.2f}", "mm", "HD, largest distance"),
            (f"{100 * area.share_within(1.0):.1f}", "%", "of the area within 1 mm"),
        ]
    )
    caption = (
        "The result seen from four sides of the body, coloured by the distance of each point to the reference, "
        "and the share of either surface's area at each distance. Grey: left out, nearest to an open edge."
        if area.ignore_boundary_mm is not None
        else "The result seen from four sides of the body, coloured by the distance of each point to the reference, "
        "and the share of either surface's area at each distance."
    )
    return [
        first + report.warnings(comparison.warnings),
        report.section("Where the surfaces differ", report.figure(picture_png, caption)),
        report.section("All numbers", _metrics_table(comparison)),
        report.section("The two directions", _directions_table(comparison)),
        report.section("How to read this", *map(report.paragraph, [*_NOTES, _PLACE[comparison.alignment is not None]])),
    ]


_NOTES = (
    "The numbers under Surface distance measure from points spread evenly over the area to the nearest point of the "
    "other surface, on its triangles and not only at its vertices. They do not depend on how finely a surface is "
    "triangulated, and identical shapes give zero.",
    "The vertex-to-vertex numbers are given for comparison with publications. They grow with the spacing of the "
    "vertices and are not zero for two triangulations of the same shape: do not compare them with the numbers above.",
)
_PLACE = (
    "Both surfaces are taken as LPS millimetres in the same frame; they were not aligned to each other here.",
    "Both surfaces are taken as LPS millimetres. The result was laid on the reference rigidly before measuring: the "
    "numbers and the map tell of shape alone, not of where the result lay.",
)
"""Said without and with alignment."""


def _metrics_table(comparison: Comparison) -> str:
    rows: list[tuple[str, ...]] = []
    group, strong = None, []
    for row in comparison.rows:
        if row.group != group:
            rows.append((row.group,))
            group = row.group
        if row.key in ("assd", "hd95"):
            strong.append(len(rows))
        decimals = 1 if row.unit == "%" else 3
        rows.append((row.name, f"{row.value:.{decimals}f} {row.unit}", row.definition))
    return report.table(rows, ("Metric", "Value", "Definition"), numeric=[1], strong=strong)


def _directions_table(comparison: Comparison) -> str:
    details = [
        direction_details(direction, comparison.samples)
        for direction in (comparison.area.reference_to_result, comparison.area.result_to_reference)
    ]
    lines = (
        ("Mean", "mean_mm", "{:.3f} mm"),
        ("RMS", "rms_mm", "{:.3f} mm"),
        ("Median", "median_mm", "{:.3f} mm"),
        ("95th percentile", "p95_mm", "{:.3f} mm"),
        ("Maximum", "maximum_mm", "{:.3f} mm"),
        ("Points on the area", "area_points", "{:,}"),
        ("Vertices", "vertices", "{:,}"),
        ("Area of the surface measured from", "area_mm2", "{:,.0f} mm²"),
        ("Its open edge", "open_edge_mm", "{:.0f} mm"),
        ("Left out by the open-edge rule", "excluded_percent", "{:.1f} %"),
    )
    rows = [(name, *(form.format(detail[key]) for detail in details)) for name, key, form in lines]
    return report.table(rows, ("", "Reference to result", "Result to reference"), numeric=[1, 2])
