"""What a refinement shows of whether its radiographs fit the model: likeness, unusual people, moved cameras, metal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.refinement.metal_in_picture import MetalSign, metal_sign
from XRayTo3DLib.refinement.options import Anatomy, View
from XRayTo3DLib.refinement.prior import pose_unknowns
from XRayTo3DLib.refinement.result import Refinement
from XRayTo3DLib.refinement.scene import State


@dataclass(frozen=True)
class ViewSigns:
    """What a refinement says about one view.

    Attributes:
        name: Of the radiograph.
        front: Whether the beam runs along y rather than along x of the frame: PA or AP, not lateral.
        likeness: LNCC at the end, -1 to 1.
        moved: How far its camera was moved: root of the mean square of the six, in standard deviations of what it was
            believed to be accurate to.
        metal: What looks most like metal over the bones.
    """

    name: str
    front: bool
    likeness: float
    moved: float
    metal: MetalSign


@dataclass(frozen=True)
class Signs:
    """What a refinement says about whether its radiographs fit the model.

    Attributes:
        views: Per view.
        unusual: How far poses, shapes and densities are from the mean person: root of the mean square, SD.
    """

    views: tuple[ViewSigns, ...]
    unusual: float


def signs_of(found: Refinement, views: Sequence[View]) -> Signs:
    """What a refinement of ``views`` shows."""
    anatomy, state = found.posterior.anatomy, found.posterior.state
    middle = np.mean([state.bones[name].pose.apply(model.middle) for name, model in anatomy.models.items()], axis=0)
    told = [
        ViewSigns(
            view.name,
            from_front(view.camera, middle),
            each.likeness,
            _moved(each.motion, view, middle),
            metal_sign(view, each, middle),
        )
        for view, each in zip(views, found.views, strict=True)
    ]
    return Signs(tuple(told), unusual_of(anatomy, state))


def from_front(camera: XRayCamera, middle: FloatArray) -> bool:
    """Whether a camera in the frame looks along y rather than along x at the bones' middle (3,)."""
    beam = np.abs(middle - camera.source)
    return bool(beam[1] >= beam[0])


def unusual_of(anatomy: Anatomy, state: State) -> float:
    """How far a person is from the mean one: root of the mean square of the whitened unknowns of all bones, SD."""
    values, sizes = [], {}
    for name, each in state.bones.items():
        sizes[name] = (len(each.theta), len(each.phi))
        values += [pose_unknowns(each.pose, anatomy.usual[name], anatomy.models[name].middle), each.theta, each.phi]
    mean, whitening = anatomy.prior.whitened(sizes)
    return float(np.sqrt(np.mean((whitening @ (np.concatenate(values) - mean)) ** 2)))


def _moved(motion: RigidPose, view: View, middle: FloatArray) -> float:
    turn, shift = motion.parameters(middle)
    camera = view.camera
    axes = np.stack([camera.column_direction, camera.row_direction, camera.normal], axis=1)
    return float(np.sqrt(np.mean((np.r_[turn, axes.T @ shift] / view.prior.deviations) ** 2)))
