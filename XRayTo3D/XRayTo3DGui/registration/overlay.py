"""When the overlay is drawn: soon after a change, roughly while the bone moves, in full detail when it rests."""

from __future__ import annotations

import time
from typing import Any

from XRayTo3DGui.jobs import Throttle
from XRayTo3DGui.panel import BAD
from XRayTo3DGui.registration import bone as bones
from XRayTo3DGui.registration import further
from XRayTo3DGui.scene import layouts
from XRayTo3DGui.scene import mrml_radiographs as radiographs
from XRayTo3DGui.scene.overlays import DrawnBone, Overlays
from XRayTo3DLib.errors import InputError

OVERLAY_MILLISECONDS = 30
REFINE_MILLISECONDS = 250
"""After so long without a move, the overlay is drawn in full detail; half of it follows the hand."""
RUNNING_SHARE = 4
"""While a registration runs, an overlay that took so long is drawn again after this many times as long."""


class LiveOverlay:
    """The overlay of the registration panel at the poses that the scene has."""

    def __init__(self, panel: Any) -> None:
        self.panel = panel
        self.drawn = Overlays()
        self._caches: dict[str, bones.BoneCache] = {}
        self._update = Throttle(self.update, OVERLAY_MILLISECONDS)
        self._refine = Throttle(self.refine, REFINE_MILLISECONDS)
        self._moving = False

    def request(self) -> None:
        """Draw soon, once."""
        if not self.panel.run.running:
            self._update.setInterval(OVERLAY_MILLISECONDS)
        self._update.request()

    def poseChanged(self) -> None:
        """Follow the bone, and refine when it rests."""
        self._moving = True
        self.request()
        self._refine.stop()
        self._refine.request()

    def stop(self) -> None:
        """Nothing is drawn later."""
        self._update.stop()
        self._refine.stop()

    def clear(self) -> None:
        """Stop, and remove what was drawn."""
        self.stop()
        self._caches = {}
        self.drawn.clear()

    def update(self) -> None:
        """Draw the bone over the radiographs at its present pose, or nothing where that cannot be done."""
        self._update.stop()
        parameters = self.panel.parameters
        if parameters is None:
            return
        if parameters.ctVolume is None or not radiographs.radiographNodes():
            self.drawn.hideAll()
            return
        if bones.torchProblem():
            self.drawn.hideAll()
            self.panel.say(bones.torchProblem(), BAD)
            return
        began = time.monotonic()
        try:
            width = parameters.overlayWidth // (2 if self._moving else 1)
            self.drawn.update(parameters, self._bones(), width)
        except InputError as error:
            self.drawn.hideAll()
            self.panel.say(str(error), BAD)
        self._pace(1000 * (time.monotonic() - began))

    def _bones(self) -> list[DrawnBone]:
        """The bone with its own cache, then the further ones with theirs."""
        parameters, first = self.panel.parameters, self.panel.pose()
        others = further.poses(parameters, first)
        self._caches = {each: self._caches.get(each) or bones.BoneCache() for each in others}
        drawn = [DrawnBone(bones.boneOf(parameters), self.panel.bone, first)]
        drawn += [DrawnBone(bones.boneOf(parameters, each), self._caches[each], pose) for each, pose in others.items()]
        return drawn

    def refine(self) -> None:
        """The bone rests: draw it in full detail."""
        if not self.panel.run.running:
            self._moving = False
            self.update()

    def _pace(self, milliseconds: float) -> None:
        """The overlay must not eat the registration's time: a fifth of it, then."""
        if self.panel.run.running:
            self._update.setInterval(max(OVERLAY_MILLISECONDS, round(RUNNING_SHARE * milliseconds)))

    def onZoom(self, *_args: Any) -> None:
        """Show the bone large in every radiograph."""
        self.refine()
        for node in radiographs.usedRadiographNodes():
            shown = self.drawn.outlineOf(node) or self.drawn.drrOf(node)
            if shown is not None:
                bounds = [0.0] * 6
                shown.GetRASBounds(bounds)
                layouts.zoomTo(node, bounds)
