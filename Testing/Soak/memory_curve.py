"""Memory and time of work that grows: sampled while it runs, fitted, drawn. Linux (it reads /proc)."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

MB = 1e6
RESULT = "SOAK "
"""How the line begins on which a measured process tells what it found."""
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}


# ---- what a tree of processes holds ----------------------------------------------------------------------------------


def family(pid: int) -> list[int]:
    """A process and all that it has started and they have, those that live."""
    found, look = [], [pid]
    while look:
        each = look.pop()
        found.append(each)
        for task in Path(f"/proc/{each}/task").glob("*"):
            with contextlib.suppress(OSError):
                look += [int(child) for child in (task / "children").read_text().split()]
    return found


def memory(pid: int) -> tuple[float, float]:
    """(resident, own) memory of one process, MB of 10^6 bytes; zeros where it has ended.

    Resident (RSS) is with libraries that other programs share, so it depends on what else runs. Its own is what it has
    allocated itself; what processes share after a fork is counted once (Pss_Anon).
    """
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0, 0.0
    sizes = {line.split(":")[0]: int(line.split()[1]) for line in lines[1:] if line.endswith("kB")}
    return sizes.get("Rss", 0) * 1024 / MB, sizes.get("Pss_Anon", sizes.get("Anonymous", 0)) * 1024 / MB


@dataclass
class Curve:
    """Memory over time of a process and its children.

    Attributes:
        seconds: Since the beginning.
        rss_mb: Resident, sum over processes, MB.
        own_mb: What they have allocated themselves, MB; see :func:`memory`.
        clock: The same moments as files have them, s since 1970.
    """

    seconds: list[float] = field(default_factory=list)
    rss_mb: list[float] = field(default_factory=list)
    own_mb: list[float] = field(default_factory=list)
    clock: list[float] = field(default_factory=list)

    @property
    def peak_mb(self) -> float:
        """Most of their own."""
        return max(self.own_mb, default=0.0)


class Sampler:
    """Follows a process tree in a thread of its own while the block runs."""

    def __init__(self, pid: int | None = None, every_s: float = 0.2) -> None:
        self.curve, self._pid, self._every = Curve(), pid or os.getpid(), every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _follow(self) -> None:
        began = time.monotonic()
        while not self._stop.is_set():
            each = [memory(pid) for pid in family(self._pid)]
            self.curve.seconds.append(time.monotonic() - began)
            self.curve.clock.append(time.time())
            self.curve.rss_mb.append(sum(rss for rss, _ in each))
            self.curve.own_mb.append(sum(own for _, own in each))
            self._stop.wait(self._every)


# ---- measured in a process of its own --------------------------------------------------------------------------------


@dataclass
class Measured:
    """What a process took.

    Attributes:
        seconds: From its start to its end.
        cpu_s: Processor time of it and its children.
        curve: Its memory.
        told: The object it told, see :func:`tell`.
    """

    seconds: float
    cpu_s: float
    curve: Curve
    told: dict[str, Any]


def tell(**what: Any) -> None:
    """In a measured process: hand a result to whoever measures."""
    print(RESULT + json.dumps(what), flush=True)


def measured(words: Sequence[str | Path], every_s: float = 0.2, codes: Sequence[int] = (0,)) -> Measured:
    """Run ``python WORDS`` and measure it; exits this program where it fails."""
    began, cpu = time.monotonic(), os.times()
    process = subprocess.Popen(
        [sys.executable, *map(str, words)], stdout=subprocess.PIPE, text=True, env={**os.environ, **ENVIRONMENT}
    )
    told: dict[str, Any] = {}
    with Sampler(process.pid, every_s) as sampler:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(RESULT):
                told |= json.loads(line.removeprefix(RESULT))
    if process.wait() not in codes:
        sys.exit(f"FAULT: {' '.join(map(str, words))} ended with {process.returncode}")
    after = os.times()
    spent = after.children_user + after.children_system - cpu.children_user - cpu.children_system
    return Measured(time.monotonic() - began, spent, sampler.curve, told)


# ---- how it grows ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """A straight line through points: ``slope`` per unit with its standard error, and ``start``."""

    slope: float
    error: float
    start: float


def line(x: Sequence[float], y: Sequence[float]) -> Line:
    """Least squares."""
    along, values = np.asarray(x, float), np.asarray(y, float)
    slope, start = np.polyfit(along, values, 1)
    left = values - (slope * along + start)
    spread = float(((along - along.mean()) ** 2).sum())
    error = float(np.sqrt((left**2).sum() / max(len(along) - 2, 1) / spread))
    return Line(float(slope), error, float(start))


def by_count(curve: Curve, ended: Sequence[float]) -> tuple[list[int], list[float]]:
    """(how many were done, memory of its own in MB) whenever it was looked, from the first to the last.

    Args:
        curve: Of the process.
        ended: When each was done, s since 1970, in order.
    """
    done = np.searchsorted(ended, curve.clock, side="right")
    at_work = [(int(count), mb) for count, mb in zip(done, curve.own_mb, strict=True) if 0 < count < len(ended)]
    return [count for count, _ in at_work], [mb for _, mb in at_work]


PARTS = 5


def floor_growth(done: Sequence[float], own_mb: Sequence[float], settled: float = 0.2) -> Line:
    """How the memory's floor grows, MB for each that is done: a line through the lowest of each fifth.

    Between two of Python's collections memory goes up and down; what never comes back lifts the floor.

    Args:
        done: How many were done.
        own_mb: Memory then.
        settled: Share of all after which to look.
    """
    first, last = settled * max(done), max(done)
    ends, lowest = np.linspace(first, last, PARTS + 1), []
    for begin, end in zip(ends, ends[1:], strict=False):
        part = [(mb, count) for count, mb in zip(done, own_mb, strict=True) if begin <= count <= end]
        lowest += [min(part)] if part else []
    return line([count for _, count in lowest], [mb for mb, _ in lowest])


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Power of the size with which values grow: 1 is linear, 2 quadratic."""
    return line(np.log(sizes), np.log(values)).slope


def save(path: Path, **what: Any) -> None:
    """Figures as JSON, for the pictures and the documentation."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(what, indent=1, default=lambda value: asdict(value)) + "\n", encoding="utf-8")


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Aligned columns."""
    cells = [list(header), *[[f"{each:.4g}" if isinstance(each, float) else str(each) for each in row] for row in rows]]
    widths = [max(len(row[place]) for row in cells) for place in range(len(header))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)


# ---- pictures --------------------------------------------------------------------------------------------------------

INK, QUIET, GRID = "#1f2933", "#6b7785", "#e4e7eb"
COLOURS = ("#0b6e99", "#c8553d", "#6a994e", "#8e6c8a")


@dataclass(frozen=True)
class Panel:
    """One diagram: ``curves`` by name as (x, y), what is on the axes, and one sentence under the title."""

    title: str
    says: str
    x: str
    y: str
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]]
    points: bool = False
    logarithmic: bool = False
    ideal: tuple[str, Sequence[float], Sequence[float]] | None = None
    """A dashed line with its name: what linear growth would be."""


def draw(panels: Sequence[Panel], path: Path, columns: int = 2) -> Path:
    """Small multiples, lines named where they end."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = -(-len(panels) // columns)
    style = {"font.family": "DejaVu Sans", "font.size": 10, "axes.edgecolor": QUIET, "text.color": INK}
    with pyplot.rc_context(style):
        figure, axes = pyplot.subplots(rows, columns, figsize=(5.6 * columns, 3.5 * rows), dpi=150, squeeze=False)
        for axis, panel in zip(axes.flat, panels, strict=False):
            _draw(axis, panel)
        for axis in axes.flat[len(panels) :]:
            axis.set_visible(False)
        figure.tight_layout(h_pad=2.2, w_pad=2.5)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path)
        pyplot.close(figure)
    return path


def _draw(axis: Any, panel: Panel) -> None:
    for spine in ("top", "right"):
        axis.spines[spine].set_visible(False)
    axis.grid(True, color=GRID, linewidth=0.8)
    axis.set_axisbelow(True)
    axis.tick_params(colors=QUIET, length=3)
    axis.set_title(panel.title, loc="left", fontsize=11.5, fontweight="bold", pad=22)
    axis.text(0, 1.03, panel.says, transform=axis.transAxes, fontsize=9.5, color=QUIET, va="bottom")
    axis.set_xlabel(panel.x, color=QUIET)
    axis.set_ylabel(panel.y, color=QUIET)
    for (_, (x, y)), colour in zip(panel.curves.items(), COLOURS, strict=False):
        axis.plot(x, y, color=colour, linewidth=1.6, marker="o" if panel.points else None, markersize=4)
    ends = {name: (x[-1], y[-1], colour) for (name, (x, y)), colour in zip(panel.curves.items(), COLOURS, strict=False)}
    if panel.ideal is not None:
        name, x, y = panel.ideal
        axis.plot(x, y, color=QUIET, linewidth=1, linestyle=(0, (4, 3)))
        ends[name] = (x[-1], y[-1], QUIET)
    if panel.logarithmic:
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.xaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_major_formatter("{x:g}")
        axis.minorticks_off()
    else:
        axis.set_ylim(0, 1.12 * max(max(y) for _, y in panel.curves.values()))
        axis.set_xlim(left=0)
    if panel.points:
        axis.set_xticks(next(iter(panel.curves.values()))[0])
    _name_ends(axis, ends)


def _name_ends(axis: Any, ends: Mapping[str, tuple[float, float, str]]) -> None:
    """Each line's name right of its end, pushed up where names would lie on each other."""
    to_share, lowest = axis.transData + axis.transAxes.inverted(), -1.0
    right = max(to_share.transform((x, y))[0] for x, y, _ in ends.values())
    placed = sorted((to_share.transform((x, y))[1], to_share.transform((x, y))[0], n) for n, (x, y, _) in ends.items())
    for height, along, name in placed:
        if along < right - 0.02:  # ends inside the diagram: nothing is above it there
            line = next(each for each in axis.lines if each.get_color() == ends[name][2])
            height = to_share.transform((0, max(line.get_ydata()[len(line.get_ydata()) // 2 :])))[1]
            axis.text(along, height + 0.02, name, transform=axis.transAxes, fontsize=9, color=ends[name][2], ha="right")
            continue
        lowest = max(height, lowest + 0.065)
        axis.text(along + 0.012, lowest, name, transform=axis.transAxes, fontsize=9, color=ends[name][2], va="center")
