"""Names of bones as SNOMED CT codes, the way DICOM writes them (PS3.16, CID 7151 and what it includes)."""

from __future__ import annotations

import re
from dataclasses import dataclass

SCHEME = "SCT"
CATEGORY = ("91723000", "Anatomical Structure")
BONE = ("272673000", "Bone")
"""What is said of a bone that is not in :data:`BONES`; the segment's label still has its name."""
BONES = {
    "radius": ("62413002", "Radius"),
    "ulna": ("23416004", "Ulna"),
    "humerus": ("85050009", "Humerus"),
    "scaphoid": ("30518006", "Scaphoid"),
    "clavicle": ("51299004", "Clavicle"),
    "scapula": ("79601000", "Scapula"),
    "femur": ("71341001", "Femur"),
    "tibia": ("12611008", "Tibia"),
    "patella": ("64234005", "Patella"),
    "fibula": ("87342007", "Fibula"),
    "talus": ("67453005", "Talus"),
    "calcaneus": ("80144004", "Calcaneus"),
    "pelvis": ("118645006", "Pelvis"),
    "hemipelvis": ("118645006", "Pelvis"),
    "hip": ("118645006", "Pelvis"),
    "sacrum": ("54735007", "Sacrum"),
    "l1": ("66794005", "L1 vertebra"),
    "l2": ("14293000", "L2 vertebra"),
    "l3": ("36470004", "L3 vertebra"),
    "l4": ("11994002", "L4 vertebra"),
    "l5": ("49668003", "L5 vertebra"),
}
SIDES = {"right": ("24028007", "Right"), "left": ("7771000", "Left")}
SIDE_WORDS = {"right": "right", "r": "right", "left": "left", "l": "left"}


@dataclass(frozen=True)
class BoneCode:
    """A bone in SNOMED CT: (code, meaning) of what it is, and of its side where that is known."""

    kind: tuple[str, str]
    side: tuple[str, str] | None


def bone_code(name: str, side: str | None = None) -> BoneCode:
    """The code of a bone by its name ("radius", "femur_left", "Pelvis right").

    Args:
        name: As a model or a segmentation calls it.
        side: "right" or "left" where the name does not say.
    """
    words = [word for word in re.split(r"[^a-z0-9]+", name.lower()) if word]
    kind = next((BONES[word] for word in words if word in BONES), BONE)
    said = next((SIDE_WORDS[word] for word in words if word in SIDE_WORDS), (side or "").lower())
    return BoneCode(kind, SIDES.get(said))
