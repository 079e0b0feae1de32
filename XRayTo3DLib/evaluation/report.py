"""Small pieces of HTML that make one self-contained page: no script, no font, nothing fetched from anywhere."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape

WIDE = 10
"""Tables of more columns are set smaller."""
RESEARCH_USE = "Research use only. Not clinically validated; not a medical device."

_STYLE = """
:root { color-scheme: light; --ink: #1b2733; --quiet: #5d6b7a; --line: #dfe4ea; --accent: #14507d; }
* { box-sizing: border-box; }
body { margin: 0; background: #f4f6f8; color: var(--ink);
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 1040px; margin: 32px auto; padding: 40px 48px 32px; background: #fff; border: 1px solid var(--line);
  border-radius: 8px; }
h1 { font-size: 27px; line-height: 1.25; margin: 0 0 4px; letter-spacing: -.01em; }
h2 { font-size: 18px; margin: 36px 0 10px; padding-bottom: 6px; border-bottom: 1px solid var(--line); }
h3 { font-size: 15px; margin: 26px 0 6px; }
p.note { color: var(--quiet); font-size: 13px; line-height: 1.5; max-width: 90ch; }
p { margin: 8px 0; } .lead { color: var(--quiet); margin-bottom: 0; }
.synthetic { display: inline-block; margin: 0 0 14px; padding: 3px 12px; border-radius: 999px; background: #5b3a8c;
  color: #fff; font-weight: 600; font-size: 13px; letter-spacing: .03em; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th { text-align: left; font-weight: 600; color: var(--quiet); font-size: 12.5px; padding: 6px 14px 6px 0;
  border-bottom: 1px solid var(--line); }
td { padding: 6px 14px 6px 0; border-bottom: 1px solid #eef1f4; vertical-align: baseline; }
main:has(table.wide) { max-width: 1180px; }
table.wide { font-size: 12.3px; } table.wide th { font-size: 11.5px; }
table.wide th, table.wide td { padding-right: 8px; }
th:last-child, td:last-child, table.wide th:last-child, table.wide td:last-child { padding-right: 0; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
th { vertical-align: bottom; } td.number { white-space: nowrap; } section { overflow-x: auto; }
td.name { white-space: nowrap; } td.quiet { color: var(--quiet); }
tr.head td { font-weight: 650; color: var(--accent); padding-top: 16px; }
tr.strong td { font-weight: 650; } tr.strong td.quiet { font-weight: 400; }
.tiles { display: flex; flex-wrap: wrap; gap: 14px; margin: 22px 0 0; }
.tile { flex: 1 1 150px; border: 1px solid var(--line); border-radius: 8px; padding: 12px 16px; }
.tile b { display: block; font-size: 25px; line-height: 1.2; font-variant-numeric: tabular-nums; }
.tile b small { font-size: 14px; font-weight: 500; color: var(--quiet); }
.tile span { color: var(--quiet); font-size: 13px; }
.warning { margin: 10px 0; padding: 10px 14px; border-left: 4px solid #c77700; background: #fff6e6;
  border-radius: 0 6px 6px 0; }
figure { margin: 14px 0 0; } figure img { width: 100%; height: auto; display: block; }
figcaption { color: var(--quiet); font-size: 13.5px; margin-top: 8px; }
footer { margin-top: 36px; padding-top: 12px; border-top: 1px solid var(--line); color: var(--quiet); font-size: 13px; }
@media print { body { background: #fff; } main { margin: 0; padding: 0; border: 0; max-width: none; }
  figure, table, .tiles { break-inside: avoid; } }
"""


def section(title: str, *html: str) -> str:
    """A heading (plain text) over ready-made HTML."""
    return f"<section><h2>{escape(title)}</h2>{''.join(html)}</section>"


def subheading(title: str) -> str:
    """A smaller heading (plain text) inside a section."""
    return f"<h3>{escape(title)}</h3>"


def note(text: str) -> str:
    """A remark under a table, in small print (plain text)."""
    return f'<p class="note">{escape(text)}</p>'


def paragraph(text: str) -> str:
    """A paragraph of plain text."""
    return f"<p>{escape(text)}</p>"


def warnings(sentences: Iterable[str]) -> str:
    """One marked box per sentence; nothing when there is none."""
    return "".join(f'<div class="warning" role="note">{escape(text)}</div>' for text in sentences)


def tiles(numbers: Iterable[tuple[str, str, str]]) -> str:
    """The few numbers to see first: (value, unit, caption) each."""
    boxes = "".join(
        f'<div class="tile"><b>{escape(value)} <small>{escape(unit)}</small></b><span>{escape(caption)}</span></div>'
        for value, unit, caption in numbers
    )
    return f'<div class="tiles">{boxes}</div>'


def table(
    rows: Iterable[Sequence[str]], header: Sequence[str], numeric: Iterable[int] = (), strong: Iterable[int] = ()
) -> str:
    """A table of plain text.

    Args:
        rows: Cells; a row of one cell is a sub-heading over the full width, of two (in a wider table) a name and a
            sentence over the rest of it.
        header: Column titles.
        numeric: Columns that are numbers (right-aligned, equal digits).
        strong: Rows to set in bold.
    """
    numeric, strong = set(numeric), set(strong)
    kinds = ["number" if k in numeric else "name" if k == 0 else "quiet" for k in range(len(header))]
    head = "".join(f'<th class="{kind}">{escape(text)}</th>' for kind, text in zip(kinds, header, strict=True))
    body = []
    for number, row in enumerate(rows):
        if len(row) == 1:
            body.append(f'<tr class="head"><td colspan="{len(header)}">{escape(row[0])}</td></tr>')
            continue
        if len(row) == 2 < len(header):
            name, sentence = map(escape, row)
            body.append(
                f'<tr><td class="name">{name}</td><td class="quiet" colspan="{len(header) - 1}">{sentence}</td></tr>'
            )
            continue
        cells = "".join(f'<td class="{kind}">{escape(text)}</td>' for kind, text in zip(kinds, row, strict=True))
        marker = ' class="strong"' if number in strong else ""
        body.append(f"<tr{marker}>{cells}</tr>")
    opening = '<table class="wide">' if len(header) > WIDE else "<table>"
    return f"{opening}<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"


def figure(png_bytes: bytes, caption: str) -> str:
    """A PNG picture inside the page, with a caption in plain text."""
    data = base64.b64encode(png_bytes).decode("ascii")
    text = escape(caption)
    return f'<figure><img alt="{text}" src="data:image/png;base64,{data}"><figcaption>{text}</figcaption></figure>'


def page(title: str, sections: Iterable[str], synthetic: bool = False, lead: str = "", footer: str = "") -> str:
    """The whole page.

    Args:
        title: Plain text.
        sections: Ready-made HTML, in order.
        synthetic: Show the label "Synthetic data".
        lead: A line under the title, plain text.
        footer: A line after the research-use line (program and version), plain text.
    """
    label = '<div class="synthetic">Synthetic data: not a person</div>' if synthetic else ""
    under = f'<p class="lead">{escape(lead)}</p>' if lead else ""
    closing = f"<footer>{escape(RESEARCH_USE)}{'<br>' + escape(footer) if footer else ''}</footer>"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><main>"
        f"{label}<h1>{escape(title)}</h1>{under}{''.join(sections)}{closing}</main></body></html>\n"
    )
