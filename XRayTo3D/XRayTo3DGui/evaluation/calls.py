"""What section 6 does, for scripts: judge bones against a reference. Each method is one of ``XRayTo3DLogic``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from XRayTo3DLib.errors import InputError


class EvaluationCalls:
    """What section 6 does, for scripts: judge bones against a reference."""

    def evaluate(self, reference: Any, result: Any, segment: str = "", **options: Any) -> Any:
        """Measure one bone against its reference and color it by the distance; waits, while Slicer goes on drawing.

        Args:
            reference: Model, segmentation, label map or reconstruction node; it is never changed.
            result: Model node to judge. Transforms of both are applied.
            segment: ID of the reference's segment, or the label's number as text; "" for the one of the same name.
            **options: ``ignoreBoundary`` (False: leave out what is nearest to an open edge), ``align`` (False: lay the
                result on the reference rigidly first), ``maximum`` (5.0: end of the color map, mm), ``signed`` (False).

        Returns:
            The library's ``Comparison``: ``area.assd``, ``area.hd95``, ... in mm, ``rows`` with all numbers.

        Raises:
            InputError: They cannot be compared, or hold several bones (see :meth:`evaluateCase`).
        """
        found = self.evaluateCase(reference, result, segment, **options)
        if len(found) > 1:
            raise InputError(_("These are several bones: use evaluateCase, or give a segment and a model."))
        return next(iter(found.values()))

    def evaluateCase(self, reference: Any, result: Any, segment: str = "", **options: Any) -> dict[str, Any]:
        """Measure every bone of a reconstruction against the reference's bone of its name.

        Args:
            reference: As for :meth:`evaluate`.
            result: The text node of a reconstruction (:meth:`reconstruct` returns it), or a model node.
            segment: Only this segment.
            **options: As for :meth:`evaluate`.

        Returns:
            A ``Comparison`` by the bone's name; bones that could not be measured are left out and logged.

        Raises:
            InputError: No bone could be measured.
        """
        import logging

        from XRayTo3DGui.evaluation import nodes
        from XRayTo3DGui.evaluation.measure import measureSteps
        from XRayTo3DGui.evaluation.sources import bonesOf

        found = None
        for step in measureSteps(reference, result, segment, **options):
            found = step
            slicer.app.processEvents()
        for problem in found.problems:
            logging.warning("Not measured: %s", problem)
        measured = [bone.node for bone in bonesOf(result) if bone.name in found.comparisons]
        nodes.showOnly([nodes.find(nodes.MAP, node) for node in measured])
        for node in measured:
            if node.GetDisplayNode() is not None:
                node.GetDisplayNode().SetVisibility(False)
        return dict(found.comparisons)

    def exportEvaluation(self, comparisons: Any, folder: str | Path, maximum: float = 5.0) -> Path:
        """Write metrics.json, distance.vtp (LPS mm), distance.png and report.html; of several bones one page over them.

        Args:
            comparisons: What :meth:`evaluate` or :meth:`evaluateCase` returned.
            folder: Made where missing.
            maximum: Top of the color bar, mm.

        Returns:
            The page.
        """
        from XRayTo3DGui.evaluation.run import reportSteps

        several = comparisons if isinstance(comparisons, dict) else {comparisons.result_name: comparisons}
        page = None
        for step in reportSteps(several, Path(folder), maximum):
            page = step
            slicer.app.processEvents()
        return page

    def evaluateBatch(
        self,
        references: str | Path,
        results: str | Path | None,
        folder: str | Path,
        ignoreBoundary: bool = False,
        align: bool = False,
    ) -> dict[str, Any]:
        """Measure many cases in a worker process; waits, while Slicer goes on drawing.

        Args:
            references: Folder with a folder per case (true surfaces or a segmentation), a data set, or a table of
                pairs: CSV with the columns reference and result, perhaps case and bone.
            results: Folder with a folder per case of surfaces to judge; None with a table.
            folder: Gets table.csv, summary.json, report.html and pairs/.
            ignoreBoundary: Leave out what is nearest to an open edge.
            align: Lay each result on its reference rigidly first.

        Returns:
            The content of summary.json: statistics per bone in mm, and what could not be measured.

        Raises:
            InputError: Something is missing, or no pair could be measured.
        """
        from XRayTo3DGui.evaluation import batch
        from XRayTo3DLib.jobs.state import JobStatus

        options = {"ignoreBoundary": ignoreBoundary, "align": align}
        job = batch.startBatch(str(references), str(results or ""), str(folder), **options)
        while not job.state().status.ended:
            slicer.app.processEvents()
            time.sleep(0.05)
        state = job.state()
        if state.status is not JobStatus.FINISHED:
            raise InputError(state.message or _("The batch was stopped."))
        return batch.readSummary(folder)
