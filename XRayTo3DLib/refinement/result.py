"""What a refinement ends with: bones with their uncertainty, views with what the model shows and what is left over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.refinement.likeness import LocalLikeness
from XRayTo3DLib.refinement.options import Anatomy, Placed, RefineOptions, View
from XRayTo3DLib.refinement.posterior import Posterior, Trust, Trusts, posterior_of
from XRayTo3DLib.refinement.refine import Step, refine_steps
from XRayTo3DLib.refinement.scene import Scene, State


@dataclass(frozen=True, eq=False)
class RefinedBone:
    """One bone, in the frame, mm.

    Attributes:
        points: (n, 3) vertices.
        triangles: (t, 3) vertex numbers.
        placed: Pose, shape and density.
        normal_sd_mm: (n,) standard deviation of each vertex along its normal, mm.
        pose_sd: (6,) of rotation (degrees) and translation (mm).
    """

    points: FloatArray
    triangles: NDArray[np.int64]
    placed: Placed
    normal_sd_mm: FloatArray
    pose_sd: FloatArray


@dataclass(frozen=True, eq=False)
class RefinedView:
    """One radiograph, at the resolution of the last stage.

    Attributes:
        name: Of the radiograph.
        camera: Where it is now believed to be, in the frame, of ``picture``'s pixels.
        motion: How it was moved, in the frame.
        motion_sd: (6,) of that: degrees, mm along columns, rows, beam; None where it was held still.
        picture: (rows, columns) what the model shows, line integrals of its bones.
        residual: (rows, columns) model minus radiograph, both locally normalised (SD 1); NaN where not compared.
        likeness: LNCC between both, -1 to 1.
        before: The same for what the refinement started with.
    """

    name: str
    camera: XRayCamera
    motion: RigidPose
    motion_sd: FloatArray | None
    picture: FloatArray
    residual: FloatArray
    likeness: float
    before: float


@dataclass(frozen=True, eq=False)
class Refinement:
    """The end of a refinement.

    Attributes:
        bones: By name.
        views: In the order given.
        posterior: For draws, and everything that is not kept elsewhere.
        steps: Taken, trials of starts included.
        misfit: What was minimised.
    """

    bones: dict[str, RefinedBone]
    views: tuple[RefinedView, ...]
    posterior: Posterior
    steps: int
    misfit: float


def refine(
    anatomy: Anatomy,
    views: Sequence[View],
    options: RefineOptions | None = None,
    start: Mapping[str, Placed] | None = None,
    trust: Trust | Trusts | None = None,
) -> Refinement:
    """Refine to the end; see :func:`~XRayTo3DLib.refinement.refine.refine_steps`.

    Raises:
        InputError: As for ``refine_steps``.
    """
    steps = list(refine_steps(anatomy, views, options, start))
    return finished(steps[-1], len(steps), start or {}, trust)


def finished(last: Step, steps: int, start: Mapping[str, Placed], trust: Trust | Trusts | None = None) -> Refinement:
    """What a refinement has come to with its last step, also where it was stopped early.

    Args:
        last: The last step.
        steps: How many were taken.
        start: What it started with.
        trust: Of the posterior; may be given by the number of views.
    """
    scene, state = last.scene, last.state
    if scene.level.together:  # stopped early: what is unknown is each bone's own pose all the same
        level = replace(scene.level, together=False)
        scene = Scene(scene.anatomy, scene.views, level, scene.options, state)
    posterior = posterior_of(scene, state, trust)
    bones = {
        name: RefinedBone(
            posterior.points(name),
            scene.anatomy.models[name].triangles,
            placed,
            posterior.normal_sd_mm(name),
            posterior.pose_sd(name),
        )
        for name, placed in state.bones.items()
    }
    still = tuple(RigidPose.identity() for _ in scene.views)
    begun = scene.fitting(State({**scene.anatomy.mean(), **start}, still))
    return Refinement(bones, _views(scene, state, begun, posterior), posterior, steps, last.cost)


def _views(scene: Scene, state: State, begun: State, posterior: Posterior) -> tuple[RefinedView, ...]:
    found = []
    pictures = scene.pictures(state), _pictures(scene, begun)
    for number, (likeness, picture, first) in enumerate(zip(scene.likeness, *pictures, strict=True)):
        residual = np.full(picture.shape, np.nan)
        residual[likeness.mask] = likeness.residuals(picture)
        found.append(
            RefinedView(
                scene.views[number].name,
                scene.cameras_of(state)[number],
                state.motions[number],
                posterior.view_sd(number),
                picture,
                residual,
                likeness.value(picture),
                _value(likeness, first),
            )
        )
    return tuple(found)


def _value(likeness: LocalLikeness, picture: FloatArray) -> float:
    """LNCC; 0 for a start that shows nothing where the bones were found."""
    return likeness.value(picture) if picture[likeness.mask].any() else 0.0


def _pictures(scene: Scene, begun: State) -> list[FloatArray]:
    """What the start shows; nothing where it lies beside a source."""
    try:
        return scene.pictures(begun)
    except InputError:
        return [np.zeros(camera.size[::-1]) for camera in scene.cameras]
