"""What is registered: the attenuation of every bone that moves by itself, and the rest of the CT if it is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from slicer.i18n import tr as _

from XRayTo3DGui.parameters import CT_VALUES
from XRayTo3DGui.registration import further
from XRayTo3DGui.registration.bone import ctOf
from XRayTo3DGui.scene.mrml_segments import ctWithSegments
from XRayTo3DLib.errors import InputError


@dataclass(frozen=True)
class Parts:
    """Bones by name, the first one first, with what the rest of the CT throws a shadow with (or None)."""

    bones: dict[str, Any]
    surroundings: Any


def partsOf(parameters: Any) -> Parts:
    """Read CT and segments, and make them ready to project.

    Raises:
        InputError: No CT, an unusable segment, or the rest of the CT is wanted where it holds no soft tissue.
    """
    from XRayTo3DLib.imaging.attenuation import attenuation_of
    from XRayTo3DLib.imaging.surroundings import in_soft_tissue, surroundings_of

    kev, wanted = parameters.energyKev, further.bonesOf(parameters)
    if not parameters.segmentId or parameters.segmentation is None:
        return Parts({name: attenuation_of(ctOf(parameters), energy_kev=kev) for name in wanted}, None)
    ids = [bone.segmentId for bone in wanted.values()]
    ct = ctWithSegments(parameters.ctVolume, parameters.segmentation, ids, CT_VALUES[parameters.ctValues])
    inTissue = {name: in_soft_tissue(ct, name) for name in wanted}
    if parameters.drawRest and not all(inTissue.values()):
        name = next(name for name, inside in inTissue.items() if not inside)
        text = _("{bone} does not lie in soft tissue in this CT; untick 'Draw the rest of the CT too'.")
        raise InputError(text.format(bone=name))
    rest = surroundings_of(ct, list(wanted), energy_kev=kev) if parameters.drawRest else None
    bones = {name: attenuation_of(ct, name, energy_kev=kev, in_tissue=inTissue[name]) for name in wanted}
    return Parts(bones, rest)
