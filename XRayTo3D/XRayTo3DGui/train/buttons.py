"""What the training's two buttons do now, and why they cannot."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from XRayTo3DGui.panel import showMissing
from XRayTo3DLib.jobs.state import JobStatus


def showButtons(run: Any) -> None:
    """Texts, tooltips and what is enabled, as the watched training (or a new one) stands."""
    button, forgetButton = run.ui.trainButton, run.ui.trainForgetButton
    finished = run.state is not None and run.state.status is JobStatus.FINISHED
    button.setVisible(not finished)
    problem = ""
    if run.pausing:
        text, tip = (
            _("End it now"),
            _("Do not wait for the step's end; what was learnt since the last checkpoint is lost"),
        )
    elif run.running and not run.stepped:
        text, tip = _("Stop"), _("End the worker; Resume begins anew, for this method takes no steps")
    elif run.running:
        text, tip = (
            _("Pause"),
            _("The worker ends its step, saves a checkpoint and stops; Resume goes on, to the same result"),
        )
    elif run.job is not None:
        problem = run.panel.packagesProblem(run.entry)
        text, tip = _("Resume"), _("Go on from the last checkpoint, to the same result as without the pause")
    else:
        problem = run.panel.form.problem()
        text, tip = _("Start training"), _("Train in a process of its own; it goes on when Slicer is closed")
    button.text, button.enabled, button.toolTip = text, not problem, problem or tip
    showMissing(run.ui.trainHint, run.panel.form.unsaid(problem))
    forgetButton.setVisible(run.job is not None)
    forgetButton.text = _("Stop and forget") if run.running else _("Forget")
    forgetButton.toolTip = _("Let go of this training, after asking; its folder stays on the disk")
