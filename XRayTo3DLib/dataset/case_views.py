"""The radiographs of a case on disk, where its CT was registered to them, and what people said of that.

::

    cases/<id>/views/<view>/
      radiograph.nrrd  camera.json            the picture and its geometry
      initial.tfm                             optional: a rough pose to start from (also cases/<id>/initial.tfm)
      registration.json  pose.tfm             where the bone was found, and the review
      registration_<bone>.json  pose_<bone>.tfm      of further bones that move by themselves

Every file is written whole or not at all; ``registration.json`` comes last and holds the pose once more, so that a
write which was stopped half way is seen.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from XRayTo3DLib.dataset.dataset_folder import DatasetCase
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import UNFINISHED, read_json, safe_file_name, write_json
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.imaging.radiograph_header import write_radiograph
from XRayTo3DLib.imaging.radiograph_reader import open_any, read_radiograph
from XRayTo3DLib.imaging.types import Radiograph
from XRayTo3DLib.registration.result import RESULT_FORMAT, Review, Verdict, reviewed

UNREGISTERED = "unregistered"
STATUSES = (UNREGISTERED, *(review.value for review in Review))
"""What :attr:`CaseView.status` can say."""
TRUSTED = (Review.ACCEPTED.value, Review.ADJUSTED.value)
"""Statuses of registrations that a person stands behind."""
FURTHER = "further"
"""Key of a record under which the records of further bones are; each has its ``bone``."""
SIDES = {"right": "R", "left": "L"}
SAME_CAMERA_MM = 1e-3
SAME_POSE = 1e-4


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
        if not self.registration_path.exists():
            return None
        with self._named():
            record = _checked_record(read_json(self.registration_path, "registration", RESULT_FORMAT))
            if not np.allclose(RigidPose.load(self.pose_path).matrix, record["pose_ct_to_world"], atol=SAME_POSE):
                raise InputError(
                    "pose.tfm is not the pose of registration.json: one of them was changed by itself; register again."
                )
            further = [read_json(path, "registration", RESULT_FORMAT) for path in self._further_paths()]
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
    """All views of a case, by name ("ap-2" before "ap-10"); those without a picture too, for they are an error."""
    places = [place for place in case.folder.glob("views/*") if place.is_dir() and not place.name.startswith(".")]
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
    view = CaseView(case.id, name, case.folder / "views" / name, case.side)
    if not name or safe_file_name(name) != name or name.startswith("."):
        raise InputError(f"case {case.id}: view {name!r} is no plain folder name; use pa, lat, ap-1, ...")
    with view._named():
        _refuse_other_side(radiograph, view.side)
    if view.folder.exists() and not replace:
        raise InputError(f"case {case.id} has a view {name} already; take another name ({name}-2), or replace it.")
    if view.folder.exists():
        _forget_registration(view)
        _write_picture(view.folder, radiograph)
        return view
    view.folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=view.folder.parent))
    try:
        (beside / name).mkdir()
        _write_picture(beside / name, radiograph)
        (beside / name).rename(view.folder)
    finally:
        shutil.rmtree(beside)
    return view


def write_registration(view: CaseView, record: Mapping[str, Any], pose: RigidPose) -> None:
    """Write where a bone was found: ``pose.tfm``, then ``registration.json``; files of bones no longer told of go.

    Args:
        view: The view.
        record: As ``RegistrationResult.to_dict`` makes it, review included; records of further bones under
            :data:`FURTHER`, each with its ``bone``.
        pose: CT to world, LPS mm; the record's ``pose_ct_to_world``.

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
    with _uninterrupted():
        for path in (*view._further_paths(), *view.folder.glob("pose_*.tfm")):
            if f"_{path.stem.partition('_')[2]}" not in records:
                path.unlink()
        for mark in reversed(records):
            poses[mark].save(view.folder / f"pose{mark}.tfm")
            write_json(view.folder / f"registration{mark}.json", records[mark])


def write_review(view: CaseView, review: Review, note: str, role: str) -> None:
    """Write what a person says of a view's registration, with today's date; what was said before is kept beside it.

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
    content = read_json(view.registration_path, "registration", RESULT_FORMAT)
    changed = reviewed(content, review, note.strip(), role.strip())
    changed["review"] |= {"date": date.today().isoformat()}
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


def _checked_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record of one bone, if it has what every registration has.

    Raises:
        InputError: It has not.
    """
    review = record.get("review") or {"status": Review.UNREVIEWED.value, "note": "", "by_role": ""}
    own = {**{key: value for key, value in record.items() if key != FURTHER}, "review": review}
    if record.get("format") != RESULT_FORMAT:
        raise InputError(f'the registration has format {record.get("format")!r}, expected "{RESULT_FORMAT}".')
    if record.get("verdict") not in [verdict.value for verdict in Verdict]:
        raise InputError(f"the registration's verdict {record.get('verdict')!r} is not known; register again.")
    if not isinstance(review, Mapping) or review.get("status") not in STATUSES[1:]:
        raise InputError("the registration's review is not known; register again.")
    try:
        RigidPose(np.array(record["pose_ct_to_world"], dtype=np.float64))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"the registration holds no pose ({error}); register again.") from error
    return own


def _refuse_other_side(radiograph: Radiograph, side: str) -> None:
    """A CT of one side is not registered to a picture of the other."""
    if radiograph.laterality and side and SIDES[side] != radiograph.laterality:
        raise InputError(f"the radiograph is of side {radiograph.laterality}, the case is {side}; check which it is.")


def _write_picture(folder: Path, radiograph: Radiograph) -> None:
    radiograph.camera.save(folder / "camera.json")
    write_radiograph(radiograph, folder / "radiograph.nrrd")


def _forget_registration(view: CaseView) -> None:
    """``registration.json`` goes first: without it nothing else counts."""
    view.registration_path.unlink(missing_ok=True)
    for pattern in ("registration_*.json", "pose*.tfm", "overlay*.png", "drr.nrrd"):
        for path in view.folder.glob(pattern):
            path.unlink()


def view_order(name: str) -> tuple[str, int]:
    """Key to sort views by name: "ap-2" before "ap-10"."""
    stem, _, number = name.rpartition("-")
    return (stem, int(number)) if number.isdecimal() else (name, 0)
