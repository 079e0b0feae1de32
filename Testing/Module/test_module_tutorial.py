"""docs/tutorial.md walked word by word: every press and choice with the real widgets, every promise looked for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import panel_audit as audit
import pytest
from tutorial_walker import Sentence, Walker, sentences_of, steps_of

pytestmark = pytest.mark.host
PAGE = Path(__file__).resolve().parents[2] / "docs" / "tutorial.md"


def test_the_tutorial_gives_what_it_promises(module_widget: Any) -> None:
    with audit.shown(module_widget.parent):
        walker = Walker(module_widget)
        walker.walk(PAGE)
    kinds = {text.split(" **")[0].split(" ")[0] for text in walker.done}
    assert {"Open", "Press", "Choose", "Type", "You", "Wait", "Close", "In"} <= kinds
    assert len(walker.done) > 30


def test_every_bold_word_of_the_steps_is_done_or_looked_for() -> None:
    page = PAGE.read_text(encoding="utf-8")
    steps = steps_of(page)
    assert len(steps) == len(re.findall(r"^\d+\. ", page, re.MULTILINE))
    verbs = ("Open", "Press", "Choose", "Tick", "Type", "Unfold", "You see", "In Sample Data")
    bold = [each.text for step in steps for each in step if "**" in each.text]
    assert [text for text in bold if not text.startswith(verbs)] == []


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Press **A**. Then look. You see **b. c**.", 3),
        ("It is 0.4 mm. Yes", 2),
        ("You see **Done.** Go", 2),
    ],
)
def test_sentences_are_cut_outside_bold_words(text: str, count: int) -> None:
    assert len(sentences_of(text)) == count


def test_the_walker_does_not_believe_everything(module_widget: Any) -> None:
    with audit.shown(module_widget.parent):
        walker = Walker(module_widget)
        walker.do(Sentence(1, "Open **1 Radiographs**."))
        for wrong in (
            "Press **No such button**.",
            "Press **Load radiograph**.",  # greyed
            "You see **something that is not there**.",
            "You see **ASSD**: about **0.4 mm**.",
            "Open **7 Nowhere**.",
            "Shout **loudly**.",
        ):
            with pytest.raises(AssertionError):
                walker.do(Sentence(1, wrong))
