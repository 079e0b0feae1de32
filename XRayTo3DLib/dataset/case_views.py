"""The radiographs of a case on disk, where its CT was registered to them, and what people said of that.

::

    cases/<id>/views/<view>/
      radiograph.nrrd  camera.json            the picture and its geometry
      initial.tfm                             optional: a rough pose to start from (also cases/<id>/initial.tfm)
      registration.json  pose.tfm             where the bone was found, and the review
      registration_<bone>.json  pose_<bone>.tfm      of further bones that move by themselves

Files that belong together are written together; where a write was killed half way, the next one to read the view puts
the rest in place. ``registration.json`` comes last and holds the pose once more, so that a change by hand is seen.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from XRayTo3DLib.dataset.dataset_folder import DatasetCase
from XRayTo3DLib.dataset.places import view_folder
from XRayTo3DLib.dataset.turns import changing_view, wait_for_view
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import safe_file_name, write_json, written_together
from XRayTo3DLib.files.unfinished import finish_replacing, whole_folder
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.imaging.radiograph_header import write_radiograph
from XRayTo3DLib.imaging.radiograph_reader import open_any, read_radiograph
from XRayTo3DLib.imaging.types import Radiograph
from XRayTo3DLib.registration.result import (
    NO_REVIEW,
    SAME_POSE,
    Review,
    check_record,
    read_registration,
    recorded_pose,
    reviewed,
)

UNREGISTERED = "unregistered"
STATUSES = (UNREGISTERED, *(review.value for review in Review))
"""What :attr:`CaseView.status` can say."""
TRUSTED = (Review.ACCEPTED.value, Review.ADJUSTED.value)
"""Statuses of registrations that a person stands behind."""
FURTHER = "further"
"""Key of a record under which the records of further bones are; each has its ``bone``."""
EARLIER = "earlier_results"
KEPT = ("verdict", "reason", "mean_similarity", "pose_ct_to_world", "uncertainty", "review", "earlier_reviews")
"""What stays of a registration that a person judged and another one follows (as in Slicer)."""
SIDES = {"right": "R", "left": "L"}
SAME_CAMERA_MM = 1e-3


@dataclass(frozen=True)
class CaseView:
    """One radiograph of a case; files are read when asked for, so that it is never out of date.

    Attributes:
        case_id: Name of the case.
        name: Of the view: its folder's ("pa", "lat", "ap-1").
        folder: ``<dataset>/cases/<case_id>/views/<name>``.
        side: The case's, "right", "left" or "" where not known.
    """

    case_id: str
    name: str
    folder: Path
    side: str = ""

    @property
    def radiograph_path(self) -> Path:
        """``radiograph.nrrd``, whether or not it is there; so are the other paths."""
        return self.folder / "radiograph.nrrd"

    @property
    def camera_path(self) -> Path:
        """``camera.json``."""
        return self.folder / "camera.json"

    @property
    def registration_path(self) -> Path:
        """``registration.json``."""
        return self.folder / "registration.json"

    @property
    def pose_path(self) -> Path:
        """``pose.tfm``."""
        return self.folder / "pose.tfm"

    @property
    def initial_path(self) -> Path:
        """``initial.tfm``."""
        return self.folder / "initial.tfm"

    def radiograph(self) -> Radiograph:
        """The picture with its camera, LPS mm.

        Raises:
            InputError: A file is missing or cannot be used, camera.json is not the picture's geometry, or the picture
                is of the other side; the message names case and view.
        """
        finish_replacing(self.folder)
        with self._named():
            camera = XRayCamera.load(self.camera_path)
            saved = open_any(self.radiograph_path).saved
            if saved is not None and not camera.is_close(saved.camera, SAME_CAMERA_MM):
                raise InputError(
                    "camera.json is not the geometry in the header of radiograph.nrrd; add the radiograph again with "
                    "the camera that is right."
                )
            radiograph = read_radiograph(self.radiograph_path, camera=camera)
            _refuse_other_side(radiograph, self.side)
        return radiograph

    def initial(self) -> RigidPose | None:
        """A rough CT-to-world pose that somebody put there, or ``None``.

        Raises:
            InputError: ``initial.tfm`` is no rigid transform.
        """
        if not self.initial_path.exists():
            return None
        with self._named():
            return RigidPose.load(self.initial_path)

    def registration(self) -> dict[str, Any] | None:
        """Content of ``registration.json``, with those of further bones under :data:`FURTHER`; ``None`` without one.

        Raises:
            InputError: It cannot be read, lacks what every registration has, or is not about ``pose.tfm``.
        """
        finish_replacing(self.folder)
        try:
            return self._registration()
        except InputError:  # somebody may have put one file in place and not yet the next
            wait_for_view(self.folder)
            return self._registration()

    def _registration(self) -> dict[str, Any] | None:
        if not self.registration_path.exists():
            return None
        with self._named():
            record = _checked_record(read_registration(self.registration_path), self.registration_path.name)
            recorded_pose(self.folder, record)
            further = [_checked_record(read_registration(path), path.name) for path in self._further_paths()]
        return {**record, FURTHER: further} if further else record

    def pose(self) -> RigidPose | None:
        """CT to world, LPS mm, of the (first) bone; ``None`` where it is not registered.

        Raises:
            InputError: As :meth:`registration`.
        """
        record = self.registration()
        return None if record is None else RigidPose(np.array(record["pose_ct_to_world"]))

    @property
    def status(self) -> str:
        """One of :data:`STATUSES`; raises InputError as :meth:`registration`."""
        record = self.registration()
        return UNREGISTERED if record is None else str(record["review"]["status"])

    @property
    def verdict(self) -> str:
        """ "", "converged", "ambiguous" or "failed"; raises InputError as :meth:`registration`."""
        record = self.registration()
        return "" if record is None else str(record["verdict"])

    def refused(self, error: InputError) -> InputError:
        """The same error with the names of case and view in front."""
        text, mark = str(error), f"case {self.case_id}, view {self.name}: "
        return error if text.startswith(mark) else InputError(mark + text)

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        """Errors inside name case and view."""
        try:
            yield
        except InputError as error:
            raise self.refused(error) from error

    def _further_paths(self) -> list[Path]:
        return sorted(self.folder.glob("registration_*.json"))


def views_of(case: DatasetCase) -> tuple[CaseView, ...]:
    """All views of a case, by name ("ap-2" before "ap-10"); those without a picture too, for they are an error.

    Raises:
        InputError: A link that leads out of the data set's folder.
    """
    places = [place for place in case.folder.glob("views/*") if place.is_dir() and not place.name.startswith(".")]
    for place in places:
        view_folder(case.folder, place.name)
    return tuple(CaseView(case.id, p.name, p, case.side) for p in sorted(places, key=lambda p: view_order(p.name)))


def view_of(case: DatasetCase, name: str) -> CaseView:
    """One view of a case.

    Raises:
        InputError: There is none of that name.
    """
    views = {view.name: view for view in views_of(case)}
    if name.lower() not in views:
        known = ", ".join(views) or "no view at all"
        raise InputError(f"case {case.id} has no view {name!r}; it has {known}. xrayto3d dataset add-view adds one.")
    return views[name.lower()]


def add_view(case: DatasetCase, name: str, radiograph: Radiograph, *, replace: bool = False) -> CaseView:
    """Write a radiograph and its camera into ``views/<name>/`` of a case.

    Args:
        case: The case.
        name: Of the view ("PA", "lat", "ap-1"; written in lower case). Views of one direction are told apart by a
            number.
        radiograph: Line integrals and camera; several views that were calibrated together share one world.
        replace: Put it in the place of the view's picture. The registration there goes with the picture it was about.

    Returns:
        The view.

    Raises:
        InputError: No plain folder name, a view of that name is there (without ``replace``), or the other side.
    """
    name = name.lower()
    if not name or safe_file_name(name) != name or name.startswith("."):
        raise InputError(f"case {case.id}: view {name!r} is no plain folder name; use pa, lat, ap-1, ...")
    view = CaseView(case.id, name, view_folder(case.folder, name), case.side)
    with view._named():
        _refuse_other_side(radiograph, view.side)
    if view.folder.exists() and not replace:
        raise InputError(f"case {case.id} has a view {name} already; take another name ({name}-2), or replace it.")
    if view.folder.exists():
        with (
            changing_view(view.folder),
            written_together(view.folder, "radiograph.nrrd", _about_the_picture(view)) as new,
        ):
            _write_picture(new, radiograph)
        return view
    with whole_folder(view.folder) as new:
        _write_picture(new, radiograph)
    return view


def write_registration(
    view: CaseView, record: Mapping[str, Any], pose: RigidPose, pictures: Mapping[str, bytes] | None = None
) -> None:
    """Write where a bone was found, all files together; those of bones no longer told of go.

    Args:
        view: The view.
        record: As ``RegistrationResult.to_dict`` makes it, review included; records of further bones under
            :data:`FURTHER`, each with its ``bone``.
        pose: CT to world, LPS mm; the record's ``pose_ct_to_world``.
        pictures: Of it, PNG by file name ("overlay.png").

    Raises:
        InputError: No registration's record, one about another pose, or two bones of one name.
    """
    with view._named():
        records = {"": _checked_record(record)}
        for each in record.get(FURTHER, ()):
            mark = f"_{safe_file_name(str(each.get('bone', '')))}"
            if mark in records:
                raise InputError(f"two further bones are called {each.get('bone', '')!r}; rename a segment.")
            records[mark] = _checked_record(each)
        if not np.allclose(pose.matrix, record["pose_ct_to_world"], atol=SAME_POSE):
            raise InputError("the record is about another pose; register again, or take the record's pose.")
    poses = {mark: RigidPose(np.array(each["pose_ct_to_world"])) for mark, each in records.items()}
    with _uninterrupted(), changing_view(view.folder):
        earlier = (*view._further_paths(), *view.folder.glob("pose_*.tfm"))
        gone = [path.name for path in earlier if f"_{path.stem.partition('_')[2]}" not in records]
        with written_together(view.folder, "registration.json", gone) as new:
            for name, picture in (pictures or {}).items():
                (new / name).write_bytes(picture)
            for mark, each in records.items():
                poses[mark].save(new / f"pose{mark}.tfm")
                write_json(new / f"registration{mark}.json", each)


def keeping_earlier(record: Mapping[str, Any], before: Mapping[str, Any] | None) -> dict[str, Any]:
    """``record`` with what a person said of the registrations before it under ``earlier_results``.

    Args:
        record: Of a registration that is about to take the place of another one.
        before: That one, or ``None``. If nobody judged it, it is not kept, but those before it are.
    """
    if before is None:
        return dict(record)
    known = [*record.get(EARLIER, ())]
    earlier = [*before.get(EARLIER, ())]
    if before["review"]["status"] != Review.UNREVIEWED.value:
        earlier.append({key: before[key] for key in KEPT if key in before})
    kept = [each for each in earlier if not any(_is_same(each, other) for other in known)] + known
    return {**record, EARLIER: kept} if kept else dict(record)


def _is_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two earlier results are one: the same pose, judged the same way; a date may not be known yet."""
    judged = [{key: each["review"].get(key, "") for key in NO_REVIEW} for each in (one, other)]
    return judged[0] == judged[1] and np.allclose(one["pose_ct_to_world"], other["pose_ct_to_world"], atol=SAME_POSE)


def write_review(view: CaseView, review: Review, note: str, role: str) -> None:
    """Write what a person says of a view's registration, with the time (UTC); what was said before is kept beside it.

    Args:
        view: The view.
        review: Accepted, rejected, ...
        note: Why; a rejection needs one. No patient data.
        role: Who says so, by role ("radiologist"), never by name.

    Raises:
        InputError: Not registered, files that contradict each other, or a rejection without a note.
    """
    with view._named():
        if view.registration() is None:
            raise InputError("there is no registration to judge; register it first.")
        if review is Review.REJECTED and not note.strip():
            raise InputError("a rejection needs a note that says why; write one line.")
    with changing_view(view.folder):
        content = read_registration(view.registration_path)
        changed = reviewed(content, review, note.strip(), role.strip())
        changed["review"] |= {"date": datetime.now(UTC).isoformat(timespec="seconds")}
        write_json(view.registration_path, changed)


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ctrl-C waits until files that belong together are written."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _frame: caught.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if caught:
            raise KeyboardInterrupt


def _checked_record(record: Mapping[str, Any], where: str = "the registration") -> dict[str, Any]:
    """The record of one bone, if it has what every registration has.

    Raises:
        InputError: It has not.
    """
    check_record(record, where)
    own = {key: value for key, value in record.items() if key != FURTHER}
    return {**own, "review": record.get("review") or dict(NO_REVIEW)}


def _refuse_other_side(radiograph: Radiograph, side: str) -> None:
    """A CT of one side is not registered to a picture of the other."""
    if radiograph.laterality and side and SIDES[side] != radiograph.laterality:
        raise InputError(f"the radiograph is of side {radiograph.laterality}, the case is {side}; check which it is.")


def _write_picture(folder: Path, radiograph: Radiograph) -> None:
    radiograph.camera.save(folder / "camera.json")
    write_radiograph(radiograph, folder / "radiograph.nrrd")


def _about_the_picture(view: CaseView) -> list[str]:
    """Names of the files that go with a view's picture; ``registration.json`` first: without it nothing else counts."""
    patterns = ("registration.json", "registration_*.json", "pose*.tfm", "overlay*.png", "drr.nrrd")
    return [path.name for pattern in patterns for path in sorted(view.folder.glob(pattern))]


def view_order(name: str) -> tuple[str, int, str]:
    """Key to sort views by name: "ap-2" before "ap-10"; "ap-02" and "ap-2" have an order, too."""
    stem, _, number = name.rpartition("-")
    return (stem, int(number), name) if number.isdecimal() else (name, 0, name)
