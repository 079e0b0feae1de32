"""What section 4 does, for scripts: training in a worker process. Each method is one of ``XRayTo3DLogic``."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LOOK_S = 0.1


class TrainCalls:
    """What section 4 does, for scripts: training in a worker process."""

    def trainingMethods(self) -> dict[str, str]:
        """What can be trained: the method's name, and one sentence what it makes, for what, and what it costs."""
        from XRayTo3DLib.methods.catalogue import CATALOGUE

        return {each.name: f"{each.what} For: {each.anatomy}. {each.cost}" for each in CATALOGUE}

    def trainingConfigurations(self, method: str = "") -> dict[str, str]:
        """Configurations to start from that come with XRayTo3D.

        Args:
            method: Only this method's.

        Returns:
            Name and title; the name can be given to :meth:`startTraining`.
        """
        from XRayTo3DLib.methods.catalogue import start_configurations

        return {each.path.stem: each.title for each in start_configurations(method)}

    def checkTrainingData(
        self, configuration: str | Path, data: str | Path, changes: Mapping[str, Any] | None = None
    ) -> Any:
        """Look at a data set before training; files are looked for, not read.

        Args:
            configuration: As for :meth:`startTraining`.
            data: The data set's folder.
            changes: As for :meth:`startTraining`.

        Returns:
            ``summary``, ``problems`` (why it cannot be trained on), ``doubts``; numbers of cases by part.

        Raises:
            InputError: The configuration cannot be used.
        """
        from XRayTo3DLib.methods.data_check import data_report

        return data_report(_configured(configuration, changes)[1], data)

    def startTraining(
        self,
        configuration: str | Path,
        data: str | Path,
        folder: str | Path,
        changes: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Path:
        """Start a training in a process of its own, and return at once.

        Args:
            configuration: A YAML file, or the name of one that comes with XRayTo3D ("wrist_pa_small").
            data: The data set's folder.
            folder: New or empty; what is made lies there.
            changes: Values of the configuration by place: ``{"stages.joint.steps": 100, "seed": 3}``.
            **options: ``device`` ("auto", "cpu", "cuda", "mps"), ``threads`` (0: as torch takes), ``precision``
                ("32-true", "bf16-mixed", "16-mixed"), ``checkpointEvery`` (200 steps), ``samples`` (2 people),
                ``licence``.

        Returns:
            The folder, for the calls below. Section 4 finds it under "Training".

        Raises:
            InputError: A package is missing, or configuration, data set or folder cannot be used; says what to do.
        """
        from XRayTo3DGui.train import job as jobs
        from XRayTo3DLib.errors import InputError
        from XRayTo3DLib.methods.data_check import data_report

        path, content = _configured(configuration, changes)
        problems = data_report(content, data).problems
        if problems:
            raise InputError(problems[0])
        folder = Path(folder).absolute()
        return jobs.start(content, path.parent, Path(data).absolute(), folder, jobs.Options(**options)).path

    def trainingState(self, folder: str | Path) -> Any:
        """How a training stands: ``status``, ``message``, ``progress`` (stage, step, losses, metrics, eta_s)...

        Args:
            folder: Of the training, started by whomever.

        Raises:
            InputError: There is no training.
        """
        from XRayTo3DGui.train.job import trainingOf

        return trainingOf(folder).state()

    def waitForTraining(self, folder: str | Path, seconds: float | None = None) -> Any:
        """Wait until it has ended, while Slicer goes on drawing; returns its state.

        Args:
            folder: Of the training.
            seconds: Wait no longer than that.
        """
        import slicer

        from XRayTo3DGui.train.job import trainingOf

        job, begun = trainingOf(folder), time.monotonic()
        while not (state := job.state()).status.ended and (seconds is None or time.monotonic() - begun < seconds):
            slicer.app.processEvents()
            time.sleep(LOOK_S)
        return state

    def pauseTraining(self, folder: str | Path) -> Any:
        """Let the worker end its step, save a checkpoint and stop; waits for that, and returns the state.

        Args:
            folder: Of the training.
        """
        from XRayTo3DGui.train.job import trainingOf

        trainingOf(folder).cancel()
        return self.waitForTraining(folder)

    def resumeTraining(self, folder: str | Path) -> None:
        """Go on from the last checkpoint, with the options it was started with, to the same result.

        Args:
            folder: Of a training that was paused, failed or was killed.

        Raises:
            InputError: It runs, or a package is missing.
        """
        from XRayTo3DGui.train.job import resume

        resume(Path(folder).absolute())

    def trainingCurves(self, folder: str | Path, show: bool = False) -> list[Any]:
        """The figures of a training so far.

        Args:
            folder: Of the training.
            show: Also as tables and charts in the scene.

        Returns:
            One per stage and figure: ``stage``, ``name``, ``kind`` ("loss" or "validation"), ``steps``, ``values``.
        """
        from XRayTo3DLib.training.curves import read_curves

        found = read_curves(folder)
        if show:
            from XRayTo3DGui.train import curves

            curves.show(found, Path(folder).absolute())
        return found

    def trainingSamples(self, folder: str | Path) -> list[int]:
        """Steps at which validation people were shown, for :meth:`showTrainingSample`."""
        from XRayTo3DLib.training.samples import samples_in

        return [each.step for each in samples_in(folder)]

    def showTrainingSample(self, folder: str | Path, step: int = 0) -> list[Any]:
        """Bones of validation people as the model made them, and the truth, as models beside each other.

        Args:
            folder: Of the training.
            step: One of :meth:`trainingSamples`; 0 for the newest.

        Returns:
            The model nodes; none where the method makes pictures (they lie in the sample's folder as PNG).

        Raises:
            InputError: There is no such sample.
        """
        from slicer.i18n import tr as _

        from XRayTo3DGui.train import samples
        from XRayTo3DGui.train.job import isSynthetic, trainingOf
        from XRayTo3DLib.errors import InputError

        found = samples.sampleOf(Path(folder), step)
        if found is None:
            raise InputError(_("{folder} has no sample of that step.").format(folder=folder))
        return samples.show(found, isSynthetic(trainingOf(folder)))

    def startExperiment(self, kind: str, model: str | Path, data: str | Path, folder: str | Path) -> Path:
        """Examine a trained model on a data set's test people, in a process of its own; returns at once.

        Args:
            kind: "reconstruction", "sensitivity", "biplanar", "shape-fit", "image-translation", "depth-losses" or
                "completion"; see docs/experiments.md.
            model: The bundle's folder.
            data: The data set's folder.
            folder: New or empty; ``report/report.html`` will be in it. ``JobFolder.open(folder).state()`` tells how it
                stands.

        Raises:
            InputError: PyTorch is missing, an unknown kind, or the folder cannot be used.
        """
        from XRayTo3DGui.train.experiment import startExperiment

        return startExperiment(kind, Path(model), Path(data), Path(folder).absolute()).path


def _configured(configuration: str | Path, changes: Mapping[str, Any] | None) -> tuple[Path, dict[str, Any]]:
    """The file, and its content with the changes; raises InputError."""
    from XRayTo3DLib.methods.catalogue import checked, shipped_configurations_folder
    from XRayTo3DLib.methods.configuration import changed, read_configuration
    from XRayTo3DLib.methods.settings import value_text

    path = Path(configuration)
    if not path.exists() and len(path.parts) == 1 and not path.suffix:
        path = shipped_configurations_folder() / f"{path}.yaml"
    listed = [
        f"{key}={value_text(list(value) if isinstance(value, tuple) else value)}"
        for key, value in (changes or {}).items()
    ]
    content = changed(read_configuration(path), listed)
    checked(content)
    return path, content
