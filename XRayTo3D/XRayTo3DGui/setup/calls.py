"""What the set-up section tells and does, for scripts. Each method is one of ``XRayTo3DLogic``."""

from __future__ import annotations

import time
from typing import Any

LOOK_S = 0.05


class SetupCalls:
    """What the set-up section tells and does, for scripts."""

    def installedPackages(self) -> dict[str, str]:
        """The Python packages that XRayTo3D uses, by name.

        Returns:
            Each package's version; "" where it is missing, "unknown" where it has no metadata. Nothing is imported.
        """
        from XRayTo3DLib.packages import installed_packages

        return {each.package.name: each.version for each in installed_packages()}

    def torchProblem(self) -> str:
        """One sentence where PyTorch is missing or too old, else empty; PyTorch is not loaded."""
        from XRayTo3DGui.setup.packages import torchProblem

        return torchProblem()

    def examineComputer(self, folder: str | None = None) -> dict[str, Any]:
        """Which device computes, memory and disk; asked of a worker, waited for while Slicer goes on drawing.

        Args:
            folder: Where there should be room on the disk; default the person's own folder.

        Returns:
            What ``xrayto3d doctor --json`` prints: ``machine``, ``device``, ``packages``, ``problems``; sizes in bytes.

        Raises:
            InputError: The worker could not be started, or ended without an answer.
        """
        import slicer

        from XRayTo3DGui.setup.device import answerOf, discard, startDoctor

        job = startDoctor(folder)
        try:
            while not job.state().status.ended:
                slicer.app.processEvents()
                time.sleep(LOOK_S)
            return answerOf(job)
        finally:
            discard(job)
