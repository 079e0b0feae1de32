"""Measuring in steps: surfaces are taken from the scene, compared in a thread, and put back as coloured maps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from slicer.i18n import tr as _

from XRayTo3DGui.evaluation import nodes
from XRayTo3DGui.evaluation.sources import BonePair, isSynthetic, missing, pairsOf, surfaceOf
from XRayTo3DGui.jobs import inThread
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.comparison import Comparison, compare
from XRayTo3DLib.plain_words import impersonal

# What the library says to users of the command line, in the words of the module.
WORDS = (
    ("give --unit m (or multiply by 1000)", "scale it by 1000 (module Transforms)"),
    ("give --result-unit m (or multiply by 1000)", "scale it by 1000 (module Transforms)"),
    ("divide the coordinates by 1000", "scale it by 0.001 (module Transforms)"),
    ("Give the unit of each (--unit, --result-unit)", "Scale one of them (module Transforms)"),
    ("Export it again in LPS, or write SPACE=RAS into its header", "Load it again with the other coordinate system"),
)


@dataclass
class Evaluation:
    """What a measurement found so far.

    Attributes:
        comparisons: By the bone's name.
        problems: A sentence for each bone that was not measured.
        doing: What is being done now, for people.
        share: Of the work, 0..1.
    """

    comparisons: dict[str, Comparison] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    doing: str = ""
    share: float = 0.0


def measureSteps(
    reference: Any,
    result: Any,
    segmentId: str = "",
    *,
    ignoreBoundary: bool = False,
    align: bool = False,
    maximum: float = 5.0,
    signed: bool = False,
) -> Iterator[Evaluation]:
    """Measure every pair of bones and show each; a pair that cannot be measured is told, and the rest goes on.

    Args:
        reference: Model, segmentation, label map or reconstruction node: the true bones.
        result: Model or reconstruction (text node): the bones to judge.
        segmentId: Which segment of the reference; "" pairs by name.
        ignoreBoundary: Leave out what is nearest to the other's open edge.
        align: Lay each result on its reference rigidly first.
        maximum: End of the color map, mm.
        signed: Color by the signed distance.

    Raises:
        InputError: No pair could be measured.
    """
    problem = missing(reference, segmentId, result)
    if problem:
        raise InputError(problem + ".")
    pairs, lonely = pairsOf(reference, segmentId, result)
    found = Evaluation(problems=[_("{name}: the reference has no bone of that name.").format(name=n) for n in lonely])
    for number, pair in enumerate(pairs):
        found.doing = _("Measuring {name} ({number} of {count})…").format(
            name=pair.name, number=number + 1, count=len(pairs)
        )
        found.share = number / len(pairs)
        yield found
        try:
            for each in _measured(pair, ignoreBoundary, align):
                if each is None:
                    yield found
                else:
                    comparison, truth = each
            nodes.referenceModel(pair, truth)
            yield found
            nodes.showMap(comparison, pair.result.node, maximum, signed)
            yield found
            nodes.showNumbers(comparison, pair.result.node, maximum)
            found.comparisons[pair.name] = comparison
        except InputError as error:
            found.problems.append(f"{pair.name}: {inPanelWords(str(error))}" if len(pairs) > 1 else _words(error))
        yield found
    if not found.comparisons:
        raise InputError(" ".join(found.problems))
    if len(pairs) > 1:
        nodes.showSummary(result, found.comparisons)
    found.share = 1.0
    yield found


def _measured(pair: BonePair, ignoreBoundary: bool, align: bool) -> Iterator[Any]:
    """None while it works; last the comparison and the reference's surface."""
    truthOf, judgedOf = surfaceOf(pair.reference), surfaceOf(pair.result)
    synthetic = isSynthetic(pair.reference.node) or isSynthetic(pair.result.node)
    # Of segments a person chose the names; a model's is its file's, and that may be a person's.
    reference = impersonal(pair.reference.name, "reference") if pair.reference.isModel else pair.reference.name
    names = (reference, impersonal(pair.result.node.GetName(), "result"))

    def work() -> tuple[Comparison, Any]:
        truth = truthOf()
        options = {"ignore_boundary": ignoreBoundary, "align": align, "synthetic": synthetic, "names": names}
        return compare(truth, judgedOf(), **options), truth

    yield from inThread(work)


def _words(error: InputError) -> str:
    return inPanelWords(str(error))


def inPanelWords(sentence: str) -> str:
    """The library's sentence without the command line's options."""
    for said, meant in WORDS:
        sentence = sentence.replace(said, _(meant))
    return sentence
