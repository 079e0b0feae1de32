"""One view fitted again as if it were of the other side: coarsely, and only to see whether that does as well."""

from __future__ import annotations

from dataclasses import dataclass, replace

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry.anatomical_frame import MIRROR
from XRayTo3DLib.refinement.options import Anatomy, Level, RefineOptions, View
from XRayTo3DLib.refinement.refine import refine_steps
from XRayTo3DLib.refinement.scene import Scene, State

TRIAL = RefineOptions(
    levels=(Level(2.5, 4.0, 3, True, 0, 0, False, 8), Level(2.5, 4.0, 3, False, 6, 1, False, 8)),
    draws=12,
    candidates=1,
    start_iterations=3,
)
"""How other explanations are fitted: coarsely."""


@dataclass(frozen=True)
class Trial:
    """One view fitted as if something else held.

    Attributes:
        likeness: LNCC, at the trial's resolution.
        gain: By how much that is more than what the refinement has there.
    """

    likeness: float
    gain: float


def other_side(anatomy: Anatomy, view: View, state: State) -> Trial:
    """One view as if the limb were of the other side.

    Args:
        anatomy: The bones.
        view: As it was given.
        state: What the refinement found, its only view this one.
    """
    here = Scene(anatomy, [view], TRIAL.levels[-1], TRIAL, state)
    stands = here.likeness[0].value(here.pictures(here.fitting(state))[0])
    try:
        *_, last = refine_steps(anatomy, [replace(view, camera=view.camera.moved(MIRROR))], TRIAL)
    except InputError:
        # Seen so, the bones would lie beside the picture: that explains nothing.
        return Trial(-1.0, -1.0 - stands)
    likeness = last.scene.likeness[0].value(last.scene.pictures(last.state)[0])
    return Trial(likeness, likeness - stands)
