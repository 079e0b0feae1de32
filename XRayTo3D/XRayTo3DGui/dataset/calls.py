"""What section 3 does, for scripts: data sets on disk. Each method is one of ``XRayTo3DLogic``."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import slicer

LOOK_S = 0.1


class DatasetCalls:
    """What section 3 does, for scripts: make a data set, fill it, work on all its cases, review them, split them.

    A data set is a folder; docs/datasets.md says what lies in it. Lengths are in mm, files in LPS.
    """

    # ---- making ---------------------------------------------------------------------------------------------

    def makeDataset(
        self,
        folder: str | Path,
        bones: Sequence[str] = ("radius", "ulna"),
        anatomy: str = "distal forearm",
        frame: str = "wrist",
        provenance: str = "not stated",
        licence: str = "not stated",
    ) -> Path:
        """Start an empty data set for cases of your own.

        Args:
            folder: Made where missing.
            bones: As the segments are named, in the order that models will have them.
            anatomy: What the CTs show.
            frame: "wrist" (aligned by five landmarks) or "lps" (bones as they lie in the CT).
            provenance: Where the cases come from, one sentence without patient data.
            licence: What may be done with them.

        Returns:
            The folder.

        Raises:
            InputError: There is a data set already, or no bone is named.
        """
        from XRayTo3DLib.dataset.dataset_builder import start_dataset

        start_dataset(folder, bones=bones, anatomy=anatomy, frame=frame, provenance=provenance, licence=licence)
        return Path(folder)

    def makeSyntheticDataset(
        self,
        folder: str | Path,
        anatomy: str = "wrist",
        people: int = 40,
        test: int = 8,
        seed: int = 0,
        spacing: float | None = None,
        wait: bool = True,
    ) -> Any:
        """Make a data set of SYNTHETIC people (no patient, no real anatomy) in a process of its own.

        Args:
            folder: Made where missing; people that are there are kept.
            anatomy: "wrist", "knee" or "hips" (with AP radiographs).
            people: How many to train on.
            test: How many further ones to test on.
            seed: The same one makes the same people.
            spacing: Of the CTs' voxels, mm; None: the anatomy's usual one.
            wait: Whether to wait for the end, while Slicer goes on drawing.

        Returns:
            The job's folder (a ``JobFolder``).

        Raises:
            InputError: A job runs there, the folder holds other cases, or the job failed.
        """
        from XRayTo3DGui.dataset import making, work

        making.checkPeopleFolder(Path(folder))
        options = {"anatomy": anatomy, "people": people, "test": test, "seed": seed, "spacing": spacing}
        return self._datasetJob(folder, work.SYNTHETIC, options, wait)

    # ---- filling --------------------------------------------------------------------------------------------

    def addCase(
        self,
        folder: str | Path,
        caseId: str = "",
        volumeNode: Any = None,
        segmentationNode: Any = None,
        side: str = "",
        split: str = "train",
        person: str = "",
    ) -> str:
        """Add the scene's case to a data set: CT, bones, and the radiographs that are ticked in section 2.

        Where they are registered (section 2), pose, record and review go with them.

        Args:
            folder: The data set.
            caseId: Its name, no patient data; "" takes the next free ``case-001``, ``case-002`` ...
            volumeNode: The CT; None: the one of section 2.
            segmentationNode: Its bones, named as the data set's; None: the one of section 2.
            side: "right", "left" or "".
            split: "train" or "test".
            person: Whose it is, where a person has several cases; "" takes the id.

        Returns:
            The case's id.

        Raises:
            InputError: Something is missing, or the id is taken.
        """
        from XRayTo3DGui.dataset import collect, listing, work
        from XRayTo3DLib.dataset.dataset_folder import CaseEntry

        parameters = self.getParameterNode()
        for name, node in (("ctVolume", volumeNode), ("segmentation", segmentationNode)):
            if node is not None:
                setattr(parameters, name, node)
        caseId = caseId or work.suggestedId([case.id for case in listing.readAbout(folder).cases])
        entry = CaseEntry(caseId, person or caseId, split, side)
        for _doing in collect.addSteps(folder, entry, parameters):
            slicer.app.processEvents()
        return caseId

    def importCases(self, folder: str | Path, table: str | Path | list[dict[str, str]], wait: bool = True) -> Any:
        """Add CTs and segmentations from files, in a process of its own; cases that are there are kept.

        Args:
            folder: The data set.
            table: A CSV file with the columns id, ct, labels, and if wanted side, split, patient, view_pa, ... (see
                docs/datasets.md), or such lines as dictionaries with absolute paths.
            wait: Whether to wait for the end.

        Returns:
            The job's folder (a ``JobFolder``).

        Raises:
            InputError: The table cannot be used, a job runs there, or the job failed.
        """
        from XRayTo3DGui.dataset import work

        return self._datasetJob(folder, work.IMPORT, work.importOptions(table), wait)

    # ---- all cases at once ------------------------------------------------------------------------------------

    def registerAll(self, folder: str | Path, redo: bool = False, workers: int = 2, wait: bool = True) -> Any:
        """Register every case's bones to its radiographs, in a process of its own; what is accepted is kept.

        Args:
            folder: The data set.
            redo: Also what is registered already, but not accepted.
            workers: How many processes.
            wait: Whether to wait for the end.

        Returns:
            The job's folder (a ``JobFolder``).

        Raises:
            InputError: A job runs there, or the job failed.
        """
        from XRayTo3DGui.dataset import work

        return self._datasetJob(folder, work.REGISTER, {"redo": redo, "workers": workers}, wait)

    def proposeLandmarks(self, folder: str | Path, wait: bool = True) -> Any:
        """Propose the landmarks of wrists that have none; arguments and result as :meth:`registerAll`."""
        from XRayTo3DGui.dataset import work

        return self._datasetJob(folder, work.LANDMARKS, {}, wait)

    def prepareDataset(self, folder: str | Path, workers: int = 2, wait: bool = True) -> Any:
        """Bring all cases into the form that networks learn from; arguments and result as :meth:`registerAll`."""
        from XRayTo3DGui.dataset import work

        return self._datasetJob(folder, work.PREPARE, {"workers": workers}, wait)

    def _datasetJob(self, folder: str | Path, kind: str, options: dict[str, Any], wait: bool) -> Any:
        from XRayTo3DGui import job_watch
        from XRayTo3DGui.dataset import job_box, work

        job = work.start(folder, kind, options)
        job_watch.remember(job_box.RECENT, job.path)
        while wait and not work.stateOf(job).status.ended:
            slicer.app.processEvents()
            time.sleep(LOOK_S)
        if wait:
            work.requireFinished(job)
        return job

    # ---- browsing and reviewing --------------------------------------------------------------------------------

    def datasetTable(self, folder: str | Path, wanted: str = "All cases") -> list[Any]:
        """The cases of a data set: id, person, side, split, what is lacking, and each view with its state.

        Args:
            folder: The data set.
            wanted: One of ``XRayTo3DGui.parameters.CASE_FILTERS``.

        Returns:
            ``XRayTo3DGui.dataset.listing.CaseRow`` in the data set's order.

        Raises:
            InputError: No data set there.
        """
        from XRayTo3DGui.dataset import listing

        rows = listing.Listing().rowSteps(listing.readAbout(folder))
        return [row for row in rows if listing.matches(row, wanted)]

    def datasetSummary(self, folder: str | Path) -> dict[str, Any]:
        """Numbers of a data set: cases, people, train, test, views by state, what is lacking."""
        from XRayTo3DGui.dataset import listing

        return listing.summary(listing.readAbout(folder), self.datasetTable(folder))

    def openCase(self, folder: str | Path, caseId: str, view: str = "") -> None:
        """Open a case in the scene, in the place of the one that is open, with pose and record of its registration.

        Args:
            folder: The data set.
            caseId: Of the case.
            view: Open the views that belong to this one; "" chooses those to review, else not registered.

        Raises:
            InputError: A file is missing or cannot be used.
        """
        from XRayTo3DGui.dataset import browse

        browse.openCase(folder, caseId, self.getParameterNode(), view)

    def nextToReview(self, folder: str | Path) -> str:
        """Open the next case with a registration that nobody has judged; returns its id, "" where there is none."""
        from XRayTo3DGui.dataset import browse

        return browse.nextCase(folder, self.getParameterNode())

    def closeCase(self) -> None:
        """Take the open case out of the scene; its folder keeps all that was saved."""
        from XRayTo3DGui.dataset import open_case

        open_case.closeCase(self.getParameterNode())

    def saveCaseLandmarks(self) -> Path:
        """Write the open case's landmarks as the scene has them into its folder; returns the file.

        Raises:
            InputError: No case with landmarks is open, or a point is not placed.
        """
        from XRayTo3DGui.dataset import open_case

        return open_case.saveLandmarks(self.getParameterNode())

    # ---- splitting ----------------------------------------------------------------------------------------------

    def splitDataset(self, folder: str | Path, share: float, seed: int = 0) -> Any:
        """Deal the people of a data set anew into train and test; all cases of a person stay together.

        Args:
            folder: The data set.
            share: Of the people that are kept to test on, 0 to less than 1.
            seed: The same one deals the same people.

        Returns:
            ``XRayTo3DLib.dataset.resplit.Split``: who is where, and who changed sides.

        Raises:
            InputError: No data set, a number out of range, or nobody left to train on.
        """
        from XRayTo3DLib.dataset.resplit import resplit

        return resplit(folder, share=share, seed=seed)
