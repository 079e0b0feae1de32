"""A model bundle's card: what it is, what it expects, how well it did and what it must not be used for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from XRayTo3DLib.methods.registry import TRANSLATIONS

if TYPE_CHECKING:
    from XRayTo3DLib.models.bundle import Bundle

RESEARCH = "RESEARCH USE ONLY: not clinically validated, not a medical device."
TAGS = re.compile(r"<(?=[A-Za-z/!?])|!?\[(?=[^\]]*\]\()")
"""What begins an HTML tag, or a link or picture of Markdown."""
SYNTHETIC = (
    "SYNTHETIC: this model learnt from made-up people or simulated radiographs. "
    "Its figures say nothing about patients and real radiographs."
)


def card_text(bundle: Bundle) -> str:
    """The card as Markdown that also reads well as plain text.

    Control characters in the bundle's texts are left out: a card must not move a terminal's cursor. Nor can they be
    taken for HTML, links or headings.
    """
    warnings = [f"> **{SYNTHETIC}**", ">"] if bundle.synthetic else []
    results = "Results on test data (SYNTHETIC)" if bundle.synthetic else "Results on test data"
    lines = [
        f"# {unmarked(bundle.title or bundle.method)}",
        "",
        *warnings,
        f"> {RESEARCH}",
        *_section("What it is", [_purpose(bundle), f"Method: {bundle.method}. Version: {unmarked(bundle.version)}."]),
        *_section("Intended use", [unmarked(bundle.intended_use)]),
        *_section("Limits", _items(bundle.limitations)),
        *_section("Radiographs it expects", _views(bundle.views)),
        *_section("Voxel grid of the result", _table(bundle.grid)),
        *_section(results, _table(bundle.metrics)),
        *_section("Training", _table(bundle.training)),
        *_section("Configuration", _table(bundle.configuration)),
        *_section("Licence", [unmarked(bundle.licence)]),
        *_section("Sources", _items(bundle.sources)),
    ]
    return "".join(f"{printable(line)}\n" for line in lines)


def unmarked(text: str) -> str:
    """``text`` with a backslash before what would begin a tag, a link, a picture, a heading or a quotation."""
    text = TAGS.sub(r"\\\g<0>", text)
    return f"\\{text}" if text.lstrip()[:1] in ("#", ">", "|") else text


def printable(text: str) -> str:
    """``text`` without control characters, on one line."""
    return "".join(c if c.isprintable() else " " for c in text)


def _purpose(bundle: Bundle) -> str:
    views = " and ".join(str(view.get("view", "unnamed view")) for view in bundle.views)
    radiographs = "radiograph" if len(bundle.views) == 1 else "radiographs"
    bones = ", ".join(bundle.labels)
    made = f"pictures of {bones} alone" if bundle.method in TRANSLATIONS else f"3D surfaces of {bones}"
    return f"From {unmarked(views)} {radiographs} of the {unmarked(bundle.anatomy)} to {unmarked(made)}."


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return ["", f"## {title}", "", *lines] if lines else []


def _items(texts: Sequence[str]) -> list[str]:
    return [f"- {unmarked(text)}" for text in texts]


def _views(views: Sequence[Mapping[str, Any]]) -> list[str]:
    return [
        f"{number}. " + unmarked("; ".join(f"{name} {value}" for name, value in _flat(view)))
        for number, view in enumerate(views, start=1)
    ]


def _table(content: Mapping[str, Any]) -> list[str]:
    return [f"- {unmarked(f'{name}: {value}')}" for name, value in _flat(content)]


def _flat(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Names with dots, and values as text, of nested mappings."""
    for name, value in content.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", _text(value)


def _text(value: Any) -> str:
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value)) or "none"
    if isinstance(value, Mapping):
        return "(" + "; ".join(f"{name} {each}" for name, each in _flat(value)) + ")"
    return str(value)
