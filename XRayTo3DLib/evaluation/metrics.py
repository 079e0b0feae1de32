"""The numbers of a comparison as rows of a table, each with its definition."""

from __future__ import annotations

from dataclasses import dataclass

from XRayTo3DLib.shape.surface_distance import DirectedDistance, SurfaceDistance


@dataclass(frozen=True)
class MetricRow:
    """One number: ``key`` for machines, ``name`` and ``definition`` for people, ``unit`` "mm" or "%"."""

    key: str
    group: str
    name: str
    value: float
    unit: str
    definition: str


def area_rows(distance: SurfaceDistance) -> list[MetricRow]:
    """Rows of the headline definition (points spread evenly over the area, exact point-to-triangle distance)."""
    group = "Surface distance"
    ahead, back = distance.reference_to_result, distance.result_to_reference
    table = [
        ("assd", "ASSD", distance.assd, "mm", "Average symmetric surface distance: mean of the two directions below."),
        ("asd_reference_to_result", "ASD reference to result", ahead.mean, "mm", _directed_text("reference", "result")),
        ("asd_result_to_reference", "ASD result to reference", back.mean, "mm", _directed_text("result", "reference")),
        ("rms", "RMS", distance.rms, "mm", "Root mean square distance, both directions weighted equally."),
        ("median", "Median", distance.median, "mm", "Half of both directions' points lie nearer."),
        ("hd95", "HD95", distance.hd95, "mm", "The larger of the two directed 95th percentiles (as MONAI, DeepMind)."),
        (
            "hd95_pooled",
            "HD95 pooled",
            distance.hd95_pooled,
            "mm",
            "95th percentile of both directions' points together.",
        ),
        ("hd", "HD", distance.hd, "mm", "Hausdorff distance: the largest distance found either way."),
        ("nsd_1mm", "NSD at 1 mm", 100 * distance.share_within(1.0), "%", _nsd_text(1)),
        ("nsd_2mm", "NSD at 2 mm", 100 * distance.share_within(2.0), "%", _nsd_text(2)),
    ]
    return [MetricRow(key, group, *row) for key, *row in table]


def vertex_rows(distance: SurfaceDistance) -> list[MetricRow]:
    """Rows of the papers' definition (nearest vertex to nearest vertex)."""
    group = "Vertex to vertex, as in the papers"
    ahead, back = distance.reference_to_result, distance.result_to_reference
    pooled = "Sum of all vertices' distances to the other mesh's nearest vertex / number of vertices (Shiode 2021)."
    table = [
        ("vertices_asd", "ASD, vertices", distance.assd, "mm", pooled),
        ("vertices_asd_reference_to_result", "reference to result", ahead.mean, "mm", "Reference vertices only."),
        ("vertices_asd_result_to_reference", "result to reference", back.mean, "mm", "Result vertices only."),
        ("vertices_hd95", "HD95, vertices", distance.hd95, "mm", "The larger of the two directed 95th percentiles."),
        ("vertices_hd", "HD, vertices", distance.hd, "mm", "The largest vertex-to-vertex distance either way."),
    ]
    return [MetricRow(key, group, *row) for key, *row in table]


def map_rows(area_mean: float, vertex_mean: float, signed_mean: float) -> list[MetricRow]:
    """Rows that the colour map in ``distance.vtp`` reproduces."""
    group = "Colour map (distance.vtp)"
    weighted = "SurfaceDistance_mm averaged with AreaWeight_mm2."
    plain = "Plain mean of SurfaceDistance_mm over the vertices with AreaWeight_mm2 > 0."
    signed = "SignedSurfaceDistance_mm averaged with AreaWeight_mm2; positive: the result lies outside the reference."
    table = [
        ("map_area_mean", "Mean over the area", area_mean, weighted),
        ("map_vertex_mean", "Mean over the vertices", vertex_mean, plain),
        ("map_signed_area_mean", "Signed mean over the area", signed_mean, signed),
    ]
    return [MetricRow(key, group, name, value, "mm", text) for key, name, value, text in table]


def direction_details(distance: DirectedDistance, samples: int) -> dict[str, float | int | bool]:
    """Counts and areas behind one direction, for the JSON file and the report."""
    return {
        "area_points": samples,
        "vertices": len(distance.vertex_distances),
        "area_mm2": distance.source_area,
        "open_edge_mm": distance.source_boundary,
        "open": distance.source_open,
        "excluded_percent": 100 * distance.excluded_share,
        "mean_mm": distance.mean,
        "rms_mm": distance.rms,
        "median_mm": distance.median,
        "p95_mm": distance.p95,
        "maximum_mm": distance.maximum,
    }


def _directed_text(source: str, target: str) -> str:
    return f"Mean distance from the {source} surface, every mm² counted alike, to the nearest point of the {target}."


def _nsd_text(tolerance: int) -> str:
    return f"Normalised surface Dice: share of both surfaces' area within {tolerance} mm of the other (Nikolov 2018)."
