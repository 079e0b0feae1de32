"""What there is to look at of a training: curves, sample bones or pictures, and in the end the model."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from XRayTo3DGui.panel import BAD, plain, showStatus
from XRayTo3DGui.reconstruct import bundles
from XRayTo3DGui.train import curves, samples
from XRayTo3DGui.train import job as jobs
from XRayTo3DLib.methods.catalogue import PICTURES, entry_named
from XRayTo3DLib.training.samples import SampleFolder, samples_in

PICTURE_WIDTH = 330


class TrainWatching:
    """Curves, samples, the finished model; shown while a training is watched."""

    def __init__(self, panel: Any) -> None:
        self.panel, self.ui = panel, panel.ui
        self.layout = curves.CurvesLayout()
        self._samples: list[SampleFolder] = []
        self._stages: list[str] = []
        self._drawn: tuple[Any, ...] | None = None
        self._shown: tuple[Any, ...] | None = None
        self._bundle: Path | None = None
        self._filling = False
        ui = self.ui
        ui.trainStageCombo.connect("currentIndexChanged(int)", self._onStage)
        ui.trainCurvesButton.connect("clicked(bool)", self.onCurves)
        ui.trainSampleCombo.connect("currentIndexChanged(int)", self._onSample)
        ui.trainSampleButton.connect("clicked(bool)", self.onShowSample)
        ui.trainUseButton.connect("clicked(bool)", self.onUse)
        ui.trainShowFolderButton.connect("clicked(bool)", self.onFolder)

    @property
    def _job(self) -> Path | None:
        job = self.panel.run.job
        return job.path if job is not None else None

    def forget(self) -> None:
        """Another training is watched from now on, or none."""
        self._drawn = self._shown = self._bundle = None
        self._samples, self._stages = [], []

    def remove(self, job: Path) -> None:
        """Take a training out of the scene."""
        curves.remove(job)
        samples.remove()
        self.layout.back()

    # ---- following -------------------------------------------------------------------------------------------------

    def updateSteps(self) -> Iterator[None]:
        """New figures or samples were read: draw what changed, a little a step."""
        self._samples = samples_in(self._job)
        yield None
        yield from self._drawSteps()
        parameters = self.panel.parameters
        newest = self._samples[-1].step if self._samples else 0
        if parameters is not None and parameters.trainFollowSamples and newest and self._shown != (self._job, newest):
            self._show(self._samples[-1])
            yield None

    def sync(self) -> None:
        """Controls as the training has it."""
        ui, job = self.ui, self._job
        ui.trainWatchWidget.setVisible(job is not None)
        if job is None:
            showStatus(ui.trainSampleLabel, "")
            ui.trainPictureLabel.setVisible(False)
            return
        if self._drawn is not None and self._drawn != self._wanted():
            self.panel.run.refresh()
        self._syncCurves()
        self._syncSamples()
        self._syncBundle(job)

    def _syncCurves(self) -> None:
        ui, reader = self.ui, self.panel.run.reader
        stages = list(dict.fromkeys(each.stage for each in reader.curves)) if reader is not None else []
        self._filling = True
        try:
            if stages != self._stages or ui.trainStageCombo.count == 0:
                self._stages = stages
                ui.trainStageCombo.clear()
                ui.trainStageCombo.addItems([_("All stages"), *stages])
            stage = self.panel.parameters.trainCurveStage
            ui.trainStageCombo.currentIndex = stages.index(stage) + 1 if stage in stages else 0
        finally:
            self._filling = False
        none = "" if stages else _("The first figures come after ten steps")
        if not stages and not self._stepped():
            none = _("This method takes no steps: it has no curves")
        for widget, ready in (
            (ui.trainStageCombo, _("Which stage's curves are drawn")),
            (ui.trainLogCheckBox, _("Losses on a logarithmic scale")),
            (ui.trainCurvesButton, _("Losses and validation figures below the 3D view; press again to go back")),
        ):
            widget.enabled, widget.toolTip = not none, none or ready
        ui.trainCurvesButton.text = _("Hide curves") if self.layout.shown else _("Show curves")

    def _syncSamples(self) -> None:
        ui, steps = self.ui, [each.step for each in self._samples]
        titles = [samples.sampleTitle(each) for each in reversed(self._samples)]
        self._filling = True
        try:
            if [ui.trainSampleCombo.itemText(index) for index in range(1, ui.trainSampleCombo.count)] != titles:
                ui.trainSampleCombo.clear()
                ui.trainSampleCombo.addItems([_("Newest"), *titles])
            chosen = self.panel.parameters.trainSampleStep
            ui.trainSampleCombo.currentIndex = len(steps) - steps.index(chosen) if chosen in steps else 0
        finally:
            self._filling = False
        none = "" if steps else self._noSamples()
        for widget, ready in (
            (ui.trainSampleCombo, _("Bones (or pictures) of validation people, as the model made them then")),
            (ui.trainSampleButton, _("Put them into the scene beside the truth, or show the pictures here")),
        ):
            widget.enabled, widget.toolTip = not none, none or ready

    def _noSamples(self) -> str:
        if not self._stepped():
            return _("This method takes no steps: it shows no samples")
        if "--samples" in (words := jobs.optionsOf(self.panel.run.job)) and words[words.index("--samples") + 1] == "0":
            return _("This training was started without samples")
        return _("The first samples come with the first validation")

    def _stepped(self) -> bool:
        entry = self.panel.run.entry
        return entry is None or entry.stepped

    # ---- curves ----------------------------------------------------------------------------------------------------

    def _onStage(self, index: int) -> None:
        if not self._filling and self.panel.parameters is not None and index >= 0:
            self.panel.parameters.trainCurveStage = self._stages[index - 1] if index else ""

    def _wanted(self) -> tuple[Any, ...] | None:
        """What the charts are to show now; None where there is nothing yet."""
        reader, parameters = self.panel.run.reader, self.panel.parameters
        if reader is None or parameters is None or not reader.curves:
            return None
        stage = parameters.trainCurveStage
        stage = stage if any(each.stage == stage for each in reader.curves) else ""
        return (self._job, stage, parameters.trainCurveLog, sum(len(each.steps) for each in reader.curves))

    def _drawSteps(self) -> Iterator[None]:
        """Into the scene's tables and charts, where something changed."""
        wanted = self._wanted()
        if wanted is None or wanted == self._drawn:
            return
        self._drawn = wanted
        yield from curves.showSteps(self.panel.run.reader.curves, *wanted[:3])
        if self.layout.shown:
            self.layout.fill(self._job)

    def onCurves(self, *_args: Any) -> None:
        """Show the charts, or the layout of before."""
        if self.layout.shown:
            self.layout.back()
        elif self._job is not None:
            for _step in self._drawSteps():
                pass
            self.layout.show(self._job)
        self._syncCurves()

    # ---- samples ---------------------------------------------------------------------------------------------------

    def _onSample(self, index: int) -> None:
        if self._filling or self.panel.parameters is None or index < 0:
            return
        self.panel.parameters.trainSampleStep = self._samples[-index].step if index else 0
        if self._shown is not None:
            self.onShowSample()

    def onShowSample(self, *_args: Any) -> None:
        """Show the chosen sample."""
        with slicer.util.tryWithErrorDisplay(_("The sample could not be shown.")), self._explaining():
            sample = samples.sampleOf(self._job, self.panel.parameters.trainSampleStep)
            if sample is not None:
                self._show(sample)

    def _explaining(self) -> Any:
        return self.panel.explaining(lambda text, colour="": showStatus(self.ui.trainSampleLabel, plain(text), colour))

    def _show(self, sample: SampleFolder) -> None:
        first = not samples.nodes()
        shown = samples.show(sample, jobs.isSynthetic(self.panel.run.job))
        if shown and first:
            samples.lookAt()
        self._shown = (self._job, sample.step)
        text = _("{title}. {note}").format(title=samples.sampleTitle(sample), note=samples.noteOf(sample))
        showStatus(self.ui.trainSampleLabel, plain(text))
        self._showPictures(samples.picturesOf(sample))

    def _showPictures(self, paths: list[Path]) -> None:
        """One below the other, as wide as the panel."""
        label = self.ui.trainPictureLabel
        label.setVisible(bool(paths))
        lines = [f'<img src="{escape(path.as_posix())}" width="{PICTURE_WIDTH}">' for path in paths]
        label.text = "<br>".join(lines)

    # ---- the finished model ----------------------------------------------------------------------------------------

    def _syncBundle(self, job: Path) -> None:
        ui, bundle = self.ui, jobs.bundleOf(self.panel.run.job)
        ui.trainDoneWidget.setVisible(bundle is not None)
        if bundle is None or bundle == self._bundle:
            return
        self._bundle = bundle
        showStatus(ui.trainBundleLabel, bundles.cardSummary(bundles.readEntry(bundle)))

    def onUse(self, *_args: Any) -> None:
        """Add the model to those of section 5 and go there."""
        bundle, widget = jobs.bundleOf(self.panel.run.job), self.panel.widget
        if bundle is None:
            return
        useInReconstruct(bundle, self.panel.parameters)
        widget.reconstruct.inputs.readBundles()
        widget.reconstruct.sync()
        widget.ui.reconstructSection.collapsed = False

    def onFolder(self, *_args: Any) -> None:
        """In the computer's file manager."""
        if not qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(self._job))):
            self.panel.say(_("The folder is {folder}").format(folder=self._job), BAD)


def useInReconstruct(bundle: Path, parameters: Any) -> None:
    """Remember the model's folder and choose it in section 5, as model or as translation of radiographs."""
    path = str(bundles.rememberFolder(bundle)[0])
    entry = bundles.readEntry(bundle)
    if entry.bundle is not None and entry_named(entry.bundle.method).makes == PICTURES:
        parameters.reconstructTranslation = path
    else:
        parameters.reconstructBundle = path
