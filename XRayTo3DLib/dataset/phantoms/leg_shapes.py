"""The parameters of the synthetic knee and hip, their spread in people and where the numbers come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from XRayTo3DLib.dataset.phantoms.shape import Parameter, PersonShape

KNEE_POPULATION: dict[str, Parameter] = {
    "epicondylar_width": Parameter(80.0, 1.6, 64.0, 96.0, "mm", True, "Terzidis 2012, Kapur (M 83-89, F 72-79)"),
    "condyle_depth": Parameter(62.0, 1.3, 48.0, 76.0, "mm", True, "Terzidis 2012, Kapur (M 61-65, F 56-57)"),
    "notch_width": Parameter(20.0, 1.2, 12.0, 28.0, "mm", True, "Terzidis 2012 (M 22, F 18.7)"),
    "groove_depth": Parameter(5.5, 0.8, 2.0, 9.0, "mm", False, "approximate (sulcus angle 138 deg)"),
    "femur_shaft_width": Parameter(29.0, 1.0, 22.0, 37.0, "mm", True, "approximate"),
    "femur_valgus": Parameter(6.0, 1.2, 1.0, 11.0, "deg", False, "Moreland 1987 (5-7 deg)"),
    "plateau_width": Parameter(75.0, 1.5, 60.0, 90.0, "mm", True, "Kwak 2007 (73.5, Korean; approximate)"),
    "plateau_depth": Parameter(50.0, 1.3, 38.0, 62.0, "mm", True, "Kwak 2007 (47.3, Korean; approximate)"),
    "plateau_slope": Parameter(8.0, 2.5, 0.0, 16.0, "deg", False, "Hashemi 2008 (5-9 deg)"),
    "spine_height": Parameter(8.0, 0.9, 4.0, 12.0, "mm", True, "approximate"),
    "tuberosity_height": Parameter(4.0, 0.7, 1.0, 7.0, "mm", False, "approximate"),
    "tibia_shaft_width": Parameter(26.0, 1.0, 19.0, 34.0, "mm", True, "approximate"),
    "patella_width": Parameter(44.0, 1.4, 33.0, 55.0, "mm", True, "Baldwin & House 2005 (approximate)"),
    "patella_length": Parameter(41.0, 1.5, 31.0, 52.0, "mm", True, "Baldwin & House 2005 (approximate)"),
    "patella_thickness": Parameter(22.0, 0.8, 16.0, 29.0, "mm", True, "Baldwin & House 2005"),
    "patella_height": Parameter(31.0, 2.5, 22.0, 40.0, "mm", True, "approximate (Insall-Salvati about 1.1)"),
    "fibula_head_width": Parameter(22.0, 1.0, 15.0, 29.0, "mm", True, "approximate"),
    "joint_space": Parameter(5.0, 0.5, 3.0, 7.0, "mm", False, "approximate (radiographic joint space)"),
    "cortex": Parameter(4.6, 0.5, 2.0, 7.5, "mm", True, "approximate, shafts 8 cm from the joint"),
    "metaphyseal_cortex": Parameter(1.0, 0.15, 0.5, 2.0, "mm", False, "approximate"),
    "fat": Parameter(7.0, 2.0, 2.0, 16.0, "mm", False, "approximate"),
    "trabecular_hu": Parameter(230.0, 40.0, 60.0, 400.0, "HU", False, "approximate"),
}
"""Spread of the knee's parameters. "approximate" marks a value chosen to look right or rounded from several sources."""

HIP_POPULATION: dict[str, Parameter] = {
    "head_diameter": Parameter(47.0, 0.9, 38.0, 56.0, "mm", True, "Noble 1988; Asala 2001 (F 43, M 48-50)"),
    "neck_shaft_angle": Parameter(127.0, 4.5, 112.0, 142.0, "deg", False, "Noble 1988; Toogood 2009 (129)"),
    "anteversion": Parameter(11.0, 6.0, -5.0, 32.0, "deg", False, "Toogood 2009 (9.7); Jiang 2015 (10.6)"),
    "femoral_offset": Parameter(43.0, 4.0, 28.0, 58.0, "mm", True, "Noble 1988"),
    "neck_width": Parameter(34.0, 1.2, 24.0, 42.0, "mm", True, "approximate"),
    "trochanter_height": Parameter(-2.0, 3.0, -12.0, 8.0, "mm", False, "approximate, tip above the head's centre"),
    "lesser_trochanter": Parameter(9.0, 1.2, 4.0, 14.0, "mm", True, "approximate, above the shaft"),
    "femur_shaft_width": Parameter(29.0, 1.0, 22.0, 37.0, "mm", True, "approximate"),
    "adduction": Parameter(6.5, 1.0, 2.0, 11.0, "deg", False, "Moreland 1987 (shaft to mechanical axis)"),
    "joint_space": Parameter(4.0, 0.4, 2.0, 6.0, "mm", False, "Lequesne 2004 (radiographic)"),
    "half_pelvis": Parameter(90.0, 2.0, 72.0, 108.0, "mm", True, "Seidel 1995 (hip centre to midline)"),
    "cup_inclination": Parameter(48.0, 4.0, 30.0, 62.0, "deg", False, "Wang 2017 (48.8); Tohtz 2010 (53)"),
    "cup_anteversion": Parameter(19.0, 5.0, 2.0, 38.0, "deg", False, "Wang 2017 (14); Tohtz 2010 (21-25)"),
    "ilium_thickness": Parameter(5.5, 0.6, 3.5, 8.0, "mm", False, "approximate, iliac fossa"),
    "cortex": Parameter(5.5, 0.6, 2.0, 8.5, "mm", True, "approximate, shaft below the lesser trochanter"),
    "metaphyseal_cortex": Parameter(1.3, 0.2, 0.6, 2.5, "mm", False, "approximate"),
    "fat": Parameter(18.0, 5.0, 4.0, 40.0, "mm", False, "approximate"),
    "trabecular_hu": Parameter(220.0, 40.0, 60.0, 400.0, "HU", False, "approximate"),
    "head_flattening": Parameter(0.0, 0.0, 0.0, 6.0, "mm", False, "osteoarthritis only, approximate"),
}
"""Spread of the hip's parameters. "approximate" marks a value chosen to look right or rounded from several sources."""


@dataclass(frozen=True)
class KneeShape(PersonShape):
    """One synthetic person's knee in extension. SYNTHETIC: no real anatomy is behind it.

    Lengths in mm, angles in degrees; spread and sources in :data:`KNEE_POPULATION` (~ approximate).

    Attributes:
        epicondylar_width: Femur across the epicondyles, 80 mm (women ~75, men ~85; Terzidis et al. 2012,
            Anat Res Int 679658: 79 and 89; Kapur et al., Folia Medica: 72 and 83).
        condyle_depth: Femur from trochlea to posterior condyles, ~62 mm (the same, 56 to 65).
        notch_width: Intercondylar notch, ~20 mm (Terzidis et al. 2012).
        groove_depth: Trochlear groove below the lateral ridge, ~5.5 mm.
        femur_shaft_width: ~29 mm, 12 cm above the joint.
        femur_valgus: Femoral shaft against the joint's normal, 6 deg (Moreland et al. 1987, JBJS 69-A).
        plateau_width: Tibial plateau, medial to lateral, 75 mm (Kwak et al. 2007, Knee 14: 73.5 in Koreans).
        plateau_depth: Tibial plateau, front to back, ~50 mm (the same: 47.3).
        plateau_slope: Posterior slope, 5 to 9 deg (Hashemi et al. 2008, JBJS 90-A).
        spine_height: Medial intercondylar tubercle above the plateau, ~8 mm.
        tuberosity_height: Tibial tuberosity above the anterior cortex, ~4 mm.
        tibia_shaft_width: ~26 mm, 12 cm below the joint.
        patella_width: ~44 mm (Baldwin & House 2005, J Arthroplasty 20).
        patella_length: ~41 mm.
        patella_thickness: 22 mm.
        patella_height: Middle of the patella above the joint line, ~31 mm.
        fibula_head_width: ~22 mm.
        joint_space: Between femur and tibia, ~5 mm.
        cortex: Of the shafts 8 cm from the joint, ~4.6 mm.
        metaphyseal_cortex: ~1 mm.
        fat: Subcutaneous fat, ~7 mm.
        trabecular_hu: Mean of the trabecular bone, ~230 HU.

    Raises:
        InputError: An unknown side or sex, or a value outside its range.
    """

    region: ClassVar[str] = "knee"
    population: ClassVar[dict[str, Parameter]] = KNEE_POPULATION

    epicondylar_width: float = 80.0
    condyle_depth: float = 62.0
    notch_width: float = 20.0
    groove_depth: float = 5.5
    femur_shaft_width: float = 29.0
    femur_valgus: float = 6.0
    plateau_width: float = 75.0
    plateau_depth: float = 50.0
    plateau_slope: float = 8.0
    spine_height: float = 8.0
    tuberosity_height: float = 4.0
    tibia_shaft_width: float = 26.0
    patella_width: float = 44.0
    patella_length: float = 41.0
    patella_thickness: float = 22.0
    patella_height: float = 31.0
    fibula_head_width: float = 22.0
    joint_space: float = 5.0
    cortex: float = 4.6
    metaphyseal_cortex: float = 1.0
    fat: float = 7.0
    trabecular_hu: float = 230.0

    @property
    def size(self) -> float:
        """Size relative to the mean adult, from the epicondylar width."""
        return self.epicondylar_width / KNEE_POPULATION["epicondylar_width"].mean


@dataclass(frozen=True)
class HipShape(PersonShape):
    """One synthetic person's hip, standing. SYNTHETIC: no real anatomy is behind it.

    Lengths in mm, angles in degrees; spread and sources in :data:`HIP_POPULATION` (~ approximate).

    Attributes:
        head_diameter: Femoral head, 47 mm (women ~44, men ~50; Noble et al. 1988, Clin Orthop 235; Asala 2001,
            Forensic Sci Int 117).
        neck_shaft_angle: 127 +- 4.5 deg (Noble et al. 1988; Toogood et al. 2009, Clin Orthop 467: 129).
        anteversion: Femoral neck before the frontal plane, 11 deg (Toogood et al. 2009: 9.7; Jiang et al. 2015,
            Medicine 94: 10.6).
        femoral_offset: Head's centre to the shaft's axis, 43 mm (Noble et al. 1988).
        neck_width: Femoral neck, top to bottom, ~34 mm.
        trochanter_height: Tip of the greater trochanter above the head's centre, ~-2 mm.
        lesser_trochanter: How far it stands out from the shaft, ~9 mm.
        femur_shaft_width: ~29 mm, 12 cm below the head.
        adduction: Femoral shaft against the vertical, 6 to 7 deg (Moreland et al. 1987, JBJS 69-A).
        joint_space: Between head and acetabulum, 4 mm (Lequesne et al. 2004, Ann Rheum Dis 63).
        half_pelvis: Hip centre to the midline, 90 mm (Seidel et al. 1995, J Biomech 28).
        cup_inclination: Of the acetabular opening, 48 deg (radiographic definition; Wang et al. 2017, BMC
            Musculoskelet Disord 18: 48.8; Tohtz et al. 2010, Technol Health Care 18: 53).
        cup_anteversion: ~19 deg.
        ilium_thickness: Iliac wing at its thinnest, ~5.5 mm.
        cortex: Of the shaft below the lesser trochanter, ~5.5 mm.
        metaphyseal_cortex: ~1.3 mm.
        fat: Subcutaneous fat, ~18 mm.
        trabecular_hu: Mean of the trabecular bone, ~220 HU.
        head_flattening: How much of the head's top is worn off, 0 mm in the healthy; osteophytes grow with it.

    Raises:
        InputError: An unknown side or sex, or a value outside its range.
    """

    region: ClassVar[str] = "hip"
    population: ClassVar[dict[str, Parameter]] = HIP_POPULATION

    head_diameter: float = 47.0
    neck_shaft_angle: float = 127.0
    anteversion: float = 11.0
    femoral_offset: float = 43.0
    neck_width: float = 34.0
    trochanter_height: float = -2.0
    lesser_trochanter: float = 9.0
    femur_shaft_width: float = 29.0
    adduction: float = 6.5
    joint_space: float = 4.0
    half_pelvis: float = 90.0
    cup_inclination: float = 48.0
    cup_anteversion: float = 19.0
    ilium_thickness: float = 5.5
    cortex: float = 5.5
    metaphyseal_cortex: float = 1.3
    fat: float = 18.0
    trabecular_hu: float = 220.0
    head_flattening: float = 0.0

    @property
    def size(self) -> float:
        """Size relative to the mean adult, from the femoral head."""
        return self.head_diameter / HIP_POPULATION["head_diameter"].mean
