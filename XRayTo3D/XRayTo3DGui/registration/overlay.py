"""When the overlay is drawn: soon after a change, roughly while the bone moves, in full detail when it rests.

Nodes are read and filled here; reading the CT, projecting and finding edges is done in a thread, so that neither a
large CT nor a slow projector ever holds up Qt.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from XRayTo3DGui.jobs import StepRunner, Throttle, inThread
from XRayTo3DGui.panel import BAD
from XRayTo3DGui.parameters import OVERLAY_DIFFERENCE, OVERLAY_OFF
from XRayTo3DGui.registration import bone as bones
from XRayTo3DGui.registration import further
from XRayTo3DGui.scene import layouts, mrml
from XRayTo3DGui.scene import mrml_radiographs as radiographs
from XRayTo3DGui.scene.overlay_pictures import Drawing, DrawnBone, DrawnView, draw
from XRayTo3DGui.scene.overlays import Overlays
from XRayTo3DLib.errors import InputError

OVERLAY_MILLISECONDS = 30
REFINE_MILLISECONDS = 250
"""After so long without a move, the overlay is drawn in full detail."""
MOVING_MILLISECONDS = 40.0
"""What drawing may take while the bone moves: detail is given up for it."""
LEAST_WIDTH = 48
RUNNING_SHARE = 4
"""While a registration runs, an overlay that took so long is drawn again after this many times as long."""
SLICE_SECONDS = 0.01


class LiveOverlay:
    """The overlay of the registration panel at the poses that the scene has."""

    def __init__(self, panel: Any) -> None:
        self.panel = panel
        self.drawn = Overlays()
        self._caches: dict[str, bones.BoneCache] = {}
        self._update = Throttle(self.update, OVERLAY_MILLISECONDS)
        self._refine = Throttle(self.refine, REFINE_MILLISECONDS)
        self._runner = StepRunner(self._onState, self._onDrawn, self._onFailed, sliceSeconds=SLICE_SECONDS)
        self._drawing: Drawing | None = None
        self._used: list[bones.BoneCache] = []
        self._began = 0.0
        self._moving = self._again = False
        self._afterwards: Callable[[], None] | None = None
        self._pixelMs = 0.0
        """What a pixel of the last overlay took: the next one's width while the bone moves."""
        self._width = 0

    @property
    def busy(self) -> bool:
        """Whether something is still to be drawn."""
        return self._runner.running or self._again or self._update.wanted or self._refine.wanted

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
        self._runner.cancel()
        self._again, self._afterwards = False, None

    def clear(self) -> None:
        """Stop, and remove what was drawn."""
        self.stop()
        self._caches = {}
        self.drawn.clear()

    # ---- drawing -------------------------------------------------------------------------------------------------

    def update(self) -> None:
        """Begin to draw the bones over the radiographs at their present poses; or hide what cannot be drawn."""
        self._update.stop()
        parameters = self.panel.parameters
        if parameters is None:
            return
        if self._runner.running:
            self._again = True
            return
        if parameters.ctVolume is None or not radiographs.radiographNodes():
            self.drawn.hideAll()
            return
        if bones.torchMissing():
            self.drawn.hideAll()
            self.panel.say(bones.torchMissing(), BAD)
            return
        try:
            work = self._work(parameters)
        except InputError as error:
            self._onFailed(error)
            return
        self._began = time.monotonic()
        self._runner.start(inThread(work))

    def _work(self, parameters: Any) -> Callable[[], Drawing]:
        """What a thread has to do; the nodes are read now."""
        mode = parameters.overlayMode
        drawn = self._bones()
        views = [self._view(node, mode) for node in radiographs.usedRadiographNodes()] if mode != OVERLAY_OFF else []
        self._width = self._widthNow(parameters.overlayWidth)
        return partial(draw, views, drawn, mode, self._width)

    def _view(self, node: Any, mode: str) -> DrawnView:
        pixels = mrml.voxels(node)[0] if mode == OVERLAY_DIFFERENCE else None
        return DrawnView(node.GetID(), radiographs.cameraFromNode(node), pixels)

    def _widthNow(self, full: int) -> int:
        """Full detail at rest; while the bone moves as much as can be drawn in time."""
        if not self._moving or self._pixelMs <= 0:
            return full
        return max(min(LEAST_WIDTH, full), min(full, round(math.sqrt(MOVING_MILLISECONDS / self._pixelMs))))

    def _bones(self) -> list[DrawnBone]:
        """The bone with its own cache, then the further ones with theirs."""
        parameters, first = self.panel.parameters, self.panel.pose()
        others = further.poses(parameters, first)
        self._caches = {each: self._caches.get(each) or bones.BoneCache() for each in others}
        self._used = [self.panel.bone, *self._caches.values()]
        chosen = [bones.boneOf(parameters), *(bones.boneOf(parameters, each) for each in others)]
        places = [first, *others.values()]
        parts = zip(self._used, chosen, places, strict=True)
        return [DrawnBone(cache.work(bone), pose) for cache, bone, pose in parts]

    def _onState(self, drawing: Drawing | None) -> None:
        self._drawing = drawing

    def _onDrawn(self) -> None:
        drawing, self._drawing = self._drawing, None
        parameters = self.panel.parameters
        if drawing is None or parameters is None:
            return
        milliseconds = 1000 * (time.monotonic() - self._began)
        caches = self._used
        fresh = any(cache.isNew(bone) for cache, bone in zip(caches, drawing.bones, strict=True))
        for cache, bone in zip(caches, drawing.bones, strict=True):
            cache.take(bone)
        if not fresh:  # else reading the CT was most of it
            self._pixelMs = milliseconds / max(1, self._width) ** 2
        self.drawn.show(drawing, parameters)
        if fresh:
            self.panel.boneReady()
        if self.panel.run.running:  # the overlay must not eat the registration's time: a fifth of it, then
            self._update.setInterval(max(OVERLAY_MILLISECONDS, round(RUNNING_SHARE * milliseconds)))
        self._next()

    def _next(self) -> None:
        """What was asked for meanwhile."""
        if self._again:
            self._again = False
            self._update.request()
        elif self._afterwards is not None:
            afterwards, self._afterwards = self._afterwards, None
            afterwards()

    def _onFailed(self, error: Exception) -> None:
        self.drawn.hideAll()
        self._afterwards = None
        if isinstance(error, (ImportError, OSError)) and bones.torchProblem():
            error = InputError(bones.torchProblem())
        if not isinstance(error, InputError):
            raise error
        self.panel.say(str(error), BAD)
        self._next()

    def refine(self) -> None:
        """The bone rests: draw it in full detail."""
        if not self.panel.run.running:
            self._moving = False
            self.update()

    # ---- looking -------------------------------------------------------------------------------------------------

    def onZoom(self, *_args: Any) -> None:
        """Show the bone large in every radiograph, as soon as it is drawn."""
        if not self.busy and self._zoom():
            return
        self._afterwards = self._zoom
        self._refine.stop()
        self.refine()

    def _zoom(self) -> bool:
        found = False
        for node in radiographs.usedRadiographNodes():
            shown = self.drawn.shownOf(node)
            if shown is not None:
                bounds = [0.0] * 6
                shown.GetRASBounds(bounds)
                layouts.zoomTo(node, bounds)
                found = True
        return found
