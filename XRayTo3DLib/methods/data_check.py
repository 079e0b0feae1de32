"""Whether a data set can be learnt from, before a training is started: who is in it, what is missing. Without torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from XRayTo3DLib.dataset.case_views import TRUSTED
from XRayTo3DLib.dataset.dataset_folder import DatasetCase, DatasetFolder
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.methods.catalogue import PICTURES, checked, entry_named
from XRayTo3DLib.methods.data import split_cases

FEW = 20
"""Fewer training people than this make a model that knows them by heart."""
NAMED = 3
PARTS = ("training", "validation", "test")


@dataclass(frozen=True)
class DataReport:
    """What a data set is, seen by a configuration.

    Attributes:
        summary: One sentence: people, parts, bones, whether it is synthetic.
        problems: Why it cannot be trained on, one sentence each; empty if it can.
        doubts: What a person should know before starting, one sentence each.
        training, validation, test: Numbers of cases.
        synthetic: Whether the data set says that it is made up.
    """

    summary: str
    problems: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    training: int = 0
    validation: int = 0
    test: int = 0
    synthetic: bool = False


def data_report(content: dict[str, Any], folder: Path | str) -> DataReport:
    """Look at a data set as a configuration would use it; files are looked for, not read.

    Args:
        content: Of ``read_configuration``, with changes.
        folder: The data set.

    Raises:
        InputError: The configuration itself cannot be used.
    """
    configuration = checked(content)
    try:
        dataset = DatasetFolder.open(folder)
    except InputError as error:
        return DataReport("", (str(error),))
    problems, doubts = list(_bones(dataset, configuration.data)), []
    parts: tuple[tuple[DatasetCase, ...], ...] = ((), (), ())
    try:
        _, parts = split_cases(str(Path(folder).absolute()), Path(), configuration.data)
    except InputError as error:
        problems.append(str(error))
    cases = [case for part in parts for case in part]
    problems += _cases(dataset, cases, content, configuration)
    if cases and len(parts[0]) < FEW:
        doubts.append(f"Only {len(parts[0])} people to learn from: the model will know them by heart, not bones.")
    unprepared = sum(not _prepared(case) for case in cases)
    if unprepared and _prepares(content):
        doubts.append(f"{unprepared} of {len(cases)} cases are not prepared: the start takes longer by that.")
    summary = _summary(dataset, [len(part) for part in parts])
    return DataReport(summary, tuple(problems), tuple(doubts), *(len(part) for part in parts), dataset.synthetic)


def _summary(dataset: DatasetFolder, counts: Sequence[int]) -> str:
    parts = ", ".join(f"{count} {name}" for count, name in zip(counts, PARTS, strict=True))
    kind = "SYNTHETIC " if dataset.synthetic else ""
    bones = ", ".join(label.replace("_", " ") for label in dataset.labels)
    return f"{kind}{dataset.anatomy}: {len(dataset.entries)} cases ({parts}); {bones}."


def _bones(dataset: DatasetFolder, data: Any) -> Iterable[str]:
    wanted = getattr(data, "labels", dataset.labels)
    if hasattr(data, "geometry"):  # dual-face depth takes some of the data set's bones
        wrong = [label for label in wanted if label not in dataset.labels]
    else:
        wrong = list(wanted) if tuple(wanted) != dataset.labels else []
    if wrong:
        yield (
            f"The data set's bones are {', '.join(dataset.labels)}; the configuration wants {', '.join(wanted)}: "
            f"change data.labels, or choose another configuration."
        )


def _cases(dataset: DatasetFolder, cases: Sequence[DatasetCase], content: Any, configuration: Any) -> Iterable[str]:
    """What is missing in cases' folders."""
    missing = [case.id for case in cases if dataset.landmarks and not case.landmarks_path.exists()]
    if missing and _prepares(content):
        yield f"No landmarks yet: {_named(missing)}; propose them, and look at them, first."
    for view in _views(content, configuration):
        lacking = [case.id for case in cases if not _accepted(case, view)]
        if lacking and view:
            yield f"No accepted registration of view {view}: {_named(lacking)}; register and review them first."
        elif cases and len(lacking) == len(cases):
            yield "No case has a view with an accepted registration; register and review them first."


def _views(content: dict[str, Any], configuration: Any) -> tuple[str, ...]:
    """Views that every case must have; "" for any view of any case; none where radiographs are computed."""
    if entry_named(content["method"]).makes == PICTURES:
        return tuple(configuration.data.view.split("+"))
    return () if _prepares(content) else ("",)


def _prepares(content: dict[str, Any]) -> bool:
    """Whether the method learns from prepared cases (all but dual-face depth, which learns from views)."""
    return content["method"] != "dual-face-depth"


def _accepted(case: DatasetCase, view: str) -> bool:
    places = [case.folder / "views" / view.lower()] if view else sorted((case.folder / "views").glob("*"))
    return any(_status(place / "registration.json") in TRUSTED for place in places)


def _status(path: Path) -> str:
    from XRayTo3DLib.registration.result import read_registration

    if not path.exists():
        return ""
    try:
        return str((read_registration(path).get("review") or {}).get("status"))
    except InputError:
        return "damaged"


def _prepared(case: DatasetCase) -> bool:
    return (case.folder.parent.parent / "prepared" / f"{case.id}.safetensors").exists()


def _named(cases: Sequence[str]) -> str:
    more = f" and {len(cases) - NAMED} more" if len(cases) > NAMED else ""
    return ", ".join(cases[:NAMED]) + more
