"""Kills processes with SIGKILL just before every single one of their file operations; run as a script, prints JSON.

    kill_nursery.py FOLDER WORK[:EVERY] ...

One child is forked for every file operation of a work (or every third, with :3); it is killed just before that one.
Then what lies on disk is looked at as the next command would, and the work is done again. Printed is how many
operations there were. Without a work all of them are killed.
"""

from __future__ import annotations

import json
import shutil
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from killed_children import in_child, killed_before

from XRayTo3DLib.dataset.case_table import import_cases, read_case_table
from XRayTo3DLib.dataset.case_views import CaseView, add_view, write_registration, write_review
from XRayTo3DLib.dataset.dataset_builder import start_dataset
from XRayTo3DLib.dataset.dataset_folder import CaseEntry, DatasetCase, DatasetFolder, write_dataset_json
from XRayTo3DLib.dataset.population import begin_population, case_to_make
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.geometry.calibration import standard_camera
from XRayTo3DLib.imaging.ct_writer import write_ct, write_labels
from XRayTo3DLib.imaging.types import CtVolume, IntensityNote, Radiograph, SpacingSource
from XRayTo3DLib.models.bundle import Bundle, load_bundle, save_bundle
from XRayTo3DLib.models.find import find_bundles
from XRayTo3DLib.models.install import install_bundles, remove_bundle
from XRayTo3DLib.registration.result import RegistrationResult, Review, Verdict
from XRayTo3DLib.training.samples import TrainingSample, write_samples


class Work:
    """Work that is killed: ``before`` it, itself, what must hold after a kill, and what when it was done again."""

    def before(self, folder: Path) -> None:
        """What is there; ``folder`` is new."""

    def do(self, folder: Path) -> None:
        """The work; done again it goes on."""
        raise NotImplementedError

    def check_killed(self, folder: Path) -> None:
        """Raises where something is half done."""

    def check_done(self, folder: Path) -> None:
        """Raises where it is not as after an undisturbed run."""


def bundle(value: float, folder: Path) -> Path:
    """A bundle of one array."""
    about = {"anatomy": "wrist", "labels": ("radius",), "views": ({"view": "PA"},), "grid": {"size": 16}}
    about |= {"training": {}, "metrics": {}, "intended_use": "None.", "licence": "Apache-2.0", "synthetic": True}
    made = Bundle("mean-shape", {}, **about)  # type: ignore[arg-type]
    return save_bundle(folder, made, {}, {"mean": np.full((2, 3), value, np.float32)})


class Bundles(Work):
    """A bundle takes another one's place."""

    def before(self, folder: Path) -> None:
        bundle(1.0, folder / "own" / "wrist")
        bundle(2.0, folder / "new" / "wrist")

    def do(self, folder: Path) -> None:
        bundle(2.0, folder / "own" / "wrist")

    def check_killed(self, folder: Path) -> None:
        assert self._values(folder) in ([1.0], [2.0]), self._values(folder)

    def check_done(self, folder: Path) -> None:
        assert self._values(folder) == [2.0]

    def _values(self, folder: Path) -> list[float]:
        return [float(load_bundle(path).array("mean")[0, 0]) for path in find_bundles([folder / "own"])]


class Installed(Bundles):
    """The same by ``models install --replace``."""

    def do(self, folder: Path) -> None:
        install_bundles(folder / "new", folder / "own", replace=True)


class Removed(Bundles):
    """``models remove``: the bundle is there, whole, or not at all."""

    def do(self, folder: Path) -> None:
        if self._values(folder):
            remove_bundle(folder / "own" / "wrist", folder / "own")

    def check_killed(self, folder: Path) -> None:
        assert self._values(folder) in ([1.0], []), self._values(folder)
        assert bool(self._values(folder)) == (folder / "own" / "wrist").exists()

    def check_done(self, folder: Path) -> None:
        assert not (folder / "own" / "wrist").exists()


class Added(Work):
    """A case of one's own is imported into a data set."""

    def before(self, folder: Path) -> None:
        start_dataset(folder / "set", bones=["bone"], frame="lps")
        hu = np.arange(120, dtype=np.float32).reshape(4, 5, 6) - 1000
        labels = np.zeros(hu.shape, np.int32)
        labels[1:3, 1:3, 1:3] = 1
        ct = CtVolume(hu, np.eye(4), labels=labels, label_names={"bone": 1}, name="small")
        write_ct(ct, folder / "ct.nrrd")
        write_labels(ct, folder / "labels.seg.nrrd")
        (folder / "cases.csv").write_text("id,ct,labels\ncase-1,ct.nrrd,labels.seg.nrrd\n")

    def do(self, folder: Path) -> None:
        (outcome,) = import_cases(folder / "set", read_case_table(folder / "cases.csv"))
        assert outcome.action in ("added", "kept"), outcome.note

    def check_killed(self, folder: Path) -> None:
        content = json.loads((folder / "set" / "dataset.json").read_text())
        if content["cases"]:
            self.check_done(folder)

    def check_done(self, folder: Path) -> None:
        assert DatasetFolder.open(folder / "set").case("case-1").ct().label_value("bone") == 1


class Registered(Work):
    """A view is registered again, with a further bone: both are of one registration, and no review is lost."""

    def before(self, folder: Path) -> None:
        camera = standard_camera(1000.0, (2.0, 2.0), (8, 6), view="PA")
        note = IntensityNote("line-integral", None, True, "made up")
        picture = Radiograph(np.zeros((6, 8), np.float32), camera, note, SpacingSource.DETECTOR)
        add_view(self._case(folder), "pa", picture)
        self._register(folder, 1.0, ("ulna", "lunate"))
        write_review(self._view(folder), Review.ACCEPTED, "it fits", "radiologist")

    def do(self, folder: Path) -> None:
        self._register(folder, 2.0, ("ulna",))

    def check_killed(self, folder: Path) -> None:
        record = self._view(folder).registration()
        assert record is not None
        places = [each["pose_ct_to_world"][0][3] for each in (record, *record["further"])]
        assert places in ([1.0, 1.0, 1.0], [2.0, 2.0]), places
        said = [record["review"], *(each["review"] for each in record.get("earlier_results", ()))]
        assert [each["by_role"] for each in said if each["status"] == "accepted"] == ["radiologist"], said

    def check_done(self, folder: Path) -> None:
        self.check_killed(folder)
        assert self._view(folder).pose().matrix[0, 3] == 2.0  # type: ignore[union-attr]

    def _case(self, folder: Path) -> Any:
        return DatasetCase("c", folder / "cases" / "c", "P", "train", "left", ("radius",), "lps", False)

    def _view(self, folder: Path) -> Any:
        return CaseView("c", "pa", folder / "cases" / "c" / "views" / "pa", "left")

    def _register(self, folder: Path, place: float, further: tuple[str, ...]) -> None:
        pose = RigidPose.from_rotation((0, 0, 0), (place, 0, 0))
        result = RegistrationResult(
            pose, pose, np.zeros(3), ("pa",), (0.7,), (0.2,), Verdict.CONVERGED, "It fits.", (), 4, 3, 1.5
        )
        before = self._view(folder).registration()
        record: dict[str, Any] = {**result.to_dict(), "further": [{**result.to_dict(), "bone": b} for b in further]}
        if before is not None:
            said = [*before.get("earlier_results", ())]
            judged = before["review"]["status"] == "accepted"
            record["earlier_results"] = said + [{k: before[k] for k in ("review", "pose_ct_to_world")}] * judged
        write_registration(self._view(folder), record, pose)


class Samples(Work):
    """What a training shows of its people: the oldest go, each whole or not there."""

    def before(self, folder: Path) -> None:
        for step in (2, 4):
            self._write(folder, step)

    def do(self, folder: Path) -> None:
        self._write(folder, 6)

    def check_killed(self, folder: Path) -> None:
        for place in (folder / "samples").glob("step-*"):
            assert (place / "sample.json").is_file(), f"{place.name} is half there"
            assert len(list(place.rglob("*"))) == 3, f"{place.name} is half there"

    def check_done(self, folder: Path) -> None:
        self.check_killed(folder)
        assert sorted(path.name for path in (folder / "samples").iterdir()) == ["step-000004", "step-000006"]

    def _write(self, folder: Path, step: int) -> None:
        sample = TrainingSample("P1", {}, {}, {"PA": np.zeros((4, 4))})
        write_samples(folder, step, "alone", step, [sample], kept=2)


class People(Work):
    """A synthetic person is made again with other options: one or the other, never half of both."""

    def before(self, folder: Path) -> None:
        self._write(folder, 4.0)

    def do(self, folder: Path) -> None:
        self._write(folder, 4.5)

    def check_killed(self, folder: Path) -> None:
        place = folder / "cases" / "wrist-0001"
        if not place.exists():
            assert not (folder / "dataset.json").exists(), "a data set without its case"
            return
        found = {(place / name).read_text() for name in ("ct.txt", "labels.txt")}
        found.add(str(json.loads((place / "person.json").read_text())["spacing"]))
        assert len(found) == 1, "half of one person, half of another"
        if (folder / "dataset.json").exists():
            assert json.loads((folder / "dataset.json").read_text())["made_with"] == {"spacing": float(found.pop())}

    def check_done(self, folder: Path) -> None:
        self.check_killed(folder)
        assert (folder / "cases" / "wrist-0001" / "ct.txt").read_text() == "4.5"

    def _write(self, folder: Path, spacing: float) -> None:
        options = {"spacing": spacing}
        begin_population(folder, options)
        with case_to_make(folder / "cases" / "wrist-0001", options) as new:
            for name in ("ct.txt", "labels.txt") if new is not None else ():
                (new / name).write_text(str(spacing))  # type: ignore[operator]
        write_dataset_json(folder, [CaseEntry("wrist-0001", "P1")], {"synthetic": True, "made_with": options})


WORKS = {each.__name__.lower(): each() for each in (Bundles, Installed, Removed, Added, Registered, Samples, People)}


# ---- killing -------------------------------------------------------------------------------------------------------


def kill_at_operations(work: Work, folder: Path, every: int) -> int:
    """Returns how many operations there are, about; raises SystemExit where something was half done."""
    if in_child(partial(work.before, folder / "before")):
        raise SystemExit("what the work begins with could not be made")
    for operation in range(every - 1, 2000, every):
        here = folder / str(operation)
        shutil.copytree(folder / "before", here)
        ended = in_child(partial(killed_before, operation, partial(work.do, here)))
        if ended == 0:
            return operation
        if ended != -signal.SIGKILL or in_child(partial(go_on, work, here)):
            raise SystemExit(f"killed before file operation {operation}, and then it failed")
        shutil.rmtree(here)
    raise SystemExit("the work takes more than 2000 file operations")


def go_on(work: Work, folder: Path) -> None:
    """What was killed is looked at, and done again; nothing unfinished lies about then."""
    work.check_killed(folder)
    work.do(folder)
    work.check_done(folder)
    left = list(folder.rglob(".writing-*"))
    assert not left, left


if __name__ == "__main__":
    told = {}
    for word in sys.argv[2:] or WORKS:
        name, _, step = word.partition(":")
        told[name] = kill_at_operations(WORKS[name], Path(sys.argv[1]) / name, int(step or 1))
    print(json.dumps(told))
