"""How a training stands, in words: stage, step, losses, validation, pace and the time that is left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slicer.i18n import tr as _

from XRayTo3DLib.jobs.folder import JobFolder
from XRayTo3DLib.jobs.state import JobState


class Pace:
    """Seconds a step, from the newest two records of one stage."""

    def __init__(self) -> None:
        self.secondsPerStep: float | None = None
        self._last: Mapping[str, Any] | None = None

    def take(self, record: Mapping[str, Any]) -> None:
        """Note a progress record."""
        last = self._last
        if last is not None and last.get("stage") == record.get("stage"):
            steps = (record.get("step") or 0) - (last.get("step") or 0)
            seconds = (record.get("seconds") or 0.0) - (last.get("seconds") or 0.0)
            if steps > 0 and seconds > 0:
                self.secondsPerStep = seconds / steps
        self._last = record if record.get("stage") else last


def text(state: JobState, pace: Pace, job: JobFolder) -> str:
    """The sentence of a training at work."""
    record = state.progress or {}
    if not record.get("stage"):
        said = job.log_end(1).removeprefix("train").strip()
        return said[:1].upper() + said[1:] if said else _("Starting the worker…")
    if record["step"] >= record["steps"] and record["stage_number"] >= record["stages"]:
        return _("All steps done: judging the model on the test people…")
    lines = [
        _("Stage {number} of {count}, {stage}: step {step} of {steps}").format(
            number=record["stage_number"],
            count=record["stages"],
            stage=record["stage"],
            step=record["step"],
            steps=record["steps"],
        )
    ]
    losses = [f"{name} {value:.3g}" for name, value in _numbers(record.get("losses")) if name.endswith("loss")]
    if losses:
        lines.append(", ".join(losses).capitalize())
    figures = [figure(name, value) for name, value in _numbers(record.get("metrics")) if value or name != "lost"]
    if figures:
        lines.append(_("Validation: {figures}").format(figures=", ".join(figures)))
    lines.append(_left(record, pace))
    return ". ".join(each for each in lines if each) + "."


def where(state: JobState) -> str:
    """In which stage and step it stopped; empty before the first step."""
    record = state.progress or {}
    if not record.get("stage"):
        return ""
    text = _("in stage {stage} at about step {step} of {steps}")
    return text.format(stage=record["stage"], step=record["step"], steps=record["steps"])


def fraction(state: JobState) -> float | None:
    """How much of it is done, 0 to 1, stages counted equally; None before the first step."""
    record = state.progress or {}
    if not record.get("stage"):
        return None
    return (record["stage_number"] - 1 + record["step"] / record["steps"]) / record["stages"]


def figure(name: str, value: float) -> str:
    """A validation figure: "radius 1.20 mm"."""
    if name == "lost":
        return _("1 bone lost") if value == 1 else _("{count:.0f} bones lost").format(count=value)
    if name.endswith("_mm"):
        return _("{name} {value:.2f} mm").format(name=name.removesuffix("_mm").replace("_", " "), value=value)
    return f"{name.replace('_', ' ')} {value:.4g}"


def duration(seconds: float) -> str:
    """A time that people can plan with."""
    if seconds < 60:
        return _("less than a minute")
    if seconds < 2 * 3600:
        one = _("about a minute")
        return one if seconds < 90 else _("about {minutes:.0f} minutes").format(minutes=seconds / 60)
    if seconds < 48 * 3600:
        return _("about {hours:.0f} hours").format(hours=seconds / 3600)
    return _("about {days:.1f} days").format(days=seconds / 86400)


def _left(record: Mapping[str, Any], pace: Pace) -> str:
    parts = []
    if pace.secondsPerStep is not None:
        parts.append(_("{seconds:.2g}\u00a0s a step").format(seconds=pace.secondsPerStep))
    if record.get("eta_s") is not None:
        parts.append(_("{time} left").format(time=duration(record["eta_s"])))
    return ", ".join(parts)


def _numbers(values: Any) -> list[tuple[str, float]]:
    """Those that are numbers: NaN is written as null."""
    return [(name, float(each)) for name, each in (values or {}).items() if isinstance(each, int | float)]
