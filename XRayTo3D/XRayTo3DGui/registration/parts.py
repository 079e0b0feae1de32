"""What is registered: the attenuation of every bone that moves by itself, and the rest of the CT if it is drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from slicer.i18n import tr as _

from XRayTo3DGui.parameters import CT_VALUES
from XRayTo3DGui.registration import further
from XRayTo3DGui.registration.bone import ctReader
from XRayTo3DGui.scene.mrml_segments import ctWithSegmentsReader
from XRayTo3DLib.errors import InputError


@dataclass(frozen=True)
class Parts:
    """Bones by name, the first one first, with what the rest of the CT throws a shadow with (or None)."""

    bones: dict[str, Any]
    surroundings: Any


def partsOf(parameters: Any) -> Parts:
    """Read CT and segments, and make them ready to project; raises as :func:`partsReader`."""
    return partsReader(parameters)()


def partsReader(parameters: Any) -> Callable[[], Parts]:
    """Nodes are read now; what it returns makes them ready to project, in any thread.

    Raises:
        InputError: No CT, or an unusable segment. When called: the same, or the rest of the CT is wanted where it holds
            no soft tissue.
    """
    kev, wanted, drawRest = parameters.energyKev, further.bonesOf(parameters), parameters.drawRest
    if not parameters.segmentId or parameters.segmentation is None:
        return partial(_whole, ctReader(parameters), next(iter(wanted)), kev)
    ids = [bone.segmentId for bone in wanted.values()]
    read = ctWithSegmentsReader(parameters.ctVolume, parameters.segmentation, ids, CT_VALUES[parameters.ctValues])
    refusal = _("{bone} does not lie in soft tissue in this CT; untick 'Draw the rest of the CT too'.")
    return partial(_segments, read, list(wanted), kev, drawRest, refusal)


def _whole(read: Callable[[], Any], name: str, kev: float) -> Parts:
    from XRayTo3DLib.imaging.attenuation import attenuation_of

    return Parts({name: attenuation_of(read(), energy_kev=kev)}, None)


def _segments(read: Callable[[], Any], names: list[str], kev: float, drawRest: bool, refusal: str) -> Parts:
    from XRayTo3DLib.imaging.attenuation import attenuation_of
    from XRayTo3DLib.imaging.surroundings import in_soft_tissue, surroundings_of

    ct = read()
    inTissue = {name: in_soft_tissue(ct, name) for name in names}
    if drawRest and not all(inTissue.values()):
        raise InputError(refusal.format(bone=next(name for name in names if not inTissue[name])))
    rest = surroundings_of(ct, names, energy_kev=kev) if drawRest else None
    return Parts({name: attenuation_of(ct, name, energy_kev=kev, in_tissue=inTissue[name]) for name in names}, rest)
