"""The report of a batch as one self-contained HTML page: statistics per bone, every pair, what was not measured."""

from __future__ import annotations

from collections.abc import Sequence

from XRayTo3DLib import __version__
from XRayTo3DLib.evaluation import report
from XRayTo3DLib.evaluation.batch import ALL_BONES, PERCENT, SHOWN, Measured, Options, summaries
from XRayTo3DLib.evaluation.experiment_statistics import Summary

TITLES = {
    "assd": "ASSD (mm)",
    "hd95": "HD95 (mm)",
    "rms": "RMS (mm)",
    "hd": "HD (mm)",
    "nsd_1mm": "NSD at 1 mm (%)",
    "nsd_2mm": "NSD at 2 mm (%)",
    "vertices_asd": "ASD, vertices (mm)",
}
WORST = 5
_NOTES = (
    "ASSD is the average distance between the two surfaces, measured from points spread evenly over their area to the "
    "nearest point on the other's triangles; HD95 is the larger of the two directed 95th percentiles, HD the largest "
    "distance, NSD the share of both surfaces within that distance. ASD, vertices, is the definition of papers that "
    "go from vertex to vertex: it grows with the meshes' spacing and is not comparable with ASSD.",
    "Mean ± standard deviation (n - 1) over the pairs; the bones of one person are not independent of each other.",
)
_PLACE = (
    "All surfaces are taken as LPS millimetres where they lie; nothing was aligned.",
    "Each result was laid on its reference rigidly before measuring: the numbers tell of shape alone.",
)


def batch_page(measured: Sequence[Measured], options: Options, unmatched: Sequence[str] = ()) -> str:
    """The page.

    Args:
        measured: Every pair of the batch.
        options: How they were measured.
        unmatched: Sentences on results without a reference.
    """
    good = [each for each in measured if not each.problem]
    bad = [f"{each.pair.name}: {each.problem}" for each in measured if each.problem]
    sections = [_tiles(measured) + report.warnings([_PLACE[1]] if options.align else [])]
    if bad or unmatched:
        sections.append(report.section("Not measured", *map(report.paragraph, [*bad, *unmatched])))
    if good:
        sections.append(report.section("Statistics", _statistics(good), _picture(good)))
        sections.append(report.section("The worst pairs", _pairs(_worst(good))))
        sections.append(report.section("Every pair", _pairs(good)))
    notes = [*_NOTES, _PLACE[options.align], *dict.fromkeys(text for each in good for text in _common(each, good))]
    sections.append(report.section("How to read this", *map(report.paragraph, notes)))
    return report.page(
        "Evaluation of a batch",
        sections,
        synthetic=any(each.synthetic for each in good),
        lead=f"{len(good)} of {len(measured)} pairs measured",
        footer=f"XRayTo3DLib {__version__}, sampling seed {options.seed}",
    )


def _tiles(measured: Sequence[Measured]) -> str:
    groups = summaries(measured)
    if not groups:
        return ""
    whole = next(iter(groups.values()))
    return report.tiles(
        [
            (whole["assd"].text(), "mm", "ASSD, mean ± SD"),
            (whole["hd95"].text(), "mm", "HD95, mean ± SD"),
            (f"{whole['hd'].high:.2f}", "mm", "largest distance of all"),
            (str(whole["assd"].n), "pairs", "measured"),
        ]
    )


def _statistics(good: Sequence[Measured]) -> str:
    groups = summaries(good)
    header = ("Bone", "n", *(TITLES[key] for key in SHOWN), "Median ASSD", "Range of ASSD")
    rows = [
        (bone, str(of["assd"].n), *(_text(key, of[key]) for key in SHOWN), *_range(of)) for bone, of in groups.items()
    ]
    strong = [0] if ALL_BONES in groups else []
    return report.table(rows, header, numeric=range(1, len(header)), strong=strong)


def _text(key: str, of: Summary) -> str:
    return of.text(1 if key in PERCENT else 2)


def _range(of: dict[str, Summary]) -> tuple[str, str]:
    assd = of["assd"]
    return f"{assd.median:.2f}", f"{assd.low:.2f} to {assd.high:.2f}"


def _picture(good: Sequence[Measured]) -> str:
    """Box plots of the ASSD, a box per bone; none of fewer than three pairs."""
    from XRayTo3DLib.evaluation.experiment_figures import box_figure

    if len(good) < 3:
        return ""
    bones = list(dict.fromkeys(each.pair.bone for each in good))
    values = {
        bone: {f"{number}": each.values["assd"] for number, each in enumerate(good) if each.pair.bone == bone}
        for bone in bones
    }
    synthetic = any(each.synthetic for each in good)
    png = box_figure({"ASSD": values}, unit="ASSD (mm)", title="Average surface distance", synthetic=synthetic)
    return report.figure(png, "A box per bone: median and quartiles; a dot per pair.")


def _worst(good: Sequence[Measured]) -> list[Measured]:
    return sorted(good, key=lambda each: -each.values["assd"])[:WORST]


def _pairs(measured: Sequence[Measured]) -> str:
    header = ("Pair", *(TITLES[key] for key in SHOWN), "Note")
    rows = [
        (
            each.pair.name,
            *(f"{each.values[key]:.{1 if key in PERCENT else 2}f}" for key in SHOWN),
            "not closed" if any(text.startswith("Not closed") for text in each.warnings) else "",
        )
        for each in measured
    ]
    return report.table(rows, header, numeric=range(1, len(header) - 1))


def _common(each: Measured, good: Sequence[Measured]) -> list[str]:
    """What is to be said of surfaces with open edges, once."""
    opened = sum(any(text.startswith("Not closed") for text in other.warnings) for other in good)
    return [f"{opened} of {len(good)} pairs have a surface that is not closed."] if opened and each is good[0] else []
