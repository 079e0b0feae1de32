"""Radiographs and CT volumes: the types, their readers and writers, and attenuation."""

from XRayTo3DLib.imaging.attenuation import Attenuation, attenuation_of, hu_to_attenuation
from XRayTo3DLib.imaging.ct_reader import read_ct
from XRayTo3DLib.imaging.ct_writer import write_ct, write_labels
from XRayTo3DLib.imaging.radiograph_header import write_radiograph
from XRayTo3DLib.imaging.radiograph_reader import read_radiograph
from XRayTo3DLib.imaging.types import CtVolume, IntensityNote, Radiograph, SpacingSource

__all__ = [
    "Attenuation",
    "CtVolume",
    "IntensityNote",
    "Radiograph",
    "SpacingSource",
    "attenuation_of",
    "hu_to_attenuation",
    "read_ct",
    "read_radiograph",
    "write_ct",
    "write_labels",
    "write_radiograph",
]
