"""Words that name a picture and nobody: what is taken from file names and free header texts without asking.

Exports are often named after the person (``Miller_Anna_PA.png``), and the few free texts of a header that XRayTo3D
looks at may hold anything. So a name is taken over only if every word of it is known to be harmless; views that are
called after their inventors are not among these words, for other people have those names, too.
"""

from __future__ import annotations

import re
from pathlib import Path

VIEWS = """ap pa lat lateral ll rl lr ml lm lo lld rld llo rlo rao lao cra cau obl oblique axial axillary coronal
sagittal frontal anterior posterior anteroposterior posteroanterior medial mediolateral lateromedial dorsal volar
palmar plantar dorsopalmar dorsovolar dorsoplantar dp pd superior inferior cranial caudal left right l r tangential
sunrise skyline tunnel notch mortise scaphoid frog outlet inlet supine prone standing upright weightbearing flexion
extension stress open mouth internal external rotation view views projection"""
PARTS = """hand wrist forearm elbow humerus arm upperarm shoulder clavicle scapula finger thumb carpus carpal radius
ulna lunate hip hips pelvis femur thigh knee patella tibia fibula leg lowerleg lowlimb uplimb calf ankle foot feet toe
heel calcaneus talus hindfoot forefoot jaw skull head neck spine cspine tspine lspine sspine ctspine tlspine lsspine
cervical thoracic lumbar sacrum coccyx abdomen chest thorax rib ribs sternum sijoint extremity joint bone bones limb
upper lower distal proximal whole body hemipelvis pubis acetabulum vertebra implant"""
KINDS = """xray x ray rx radiograph radiographs picture image images img photo film scan cr dx xa rf rg ct drr fluoro
frame frames series slice slices volume crop cropped raw original linear log inverted mirrored compressed rgb colour
color grey gray mono bit truth true result results reference found start initial final first second third fourth one
two three four big large small tiny flat empty plain mask label labels seg surface mesh model file case test demo
example sample bare guess rough synthetic simulated phantom new old copy and with without of in no not number source
detector camera"""
HARMLESS = frozenset(f"{VIEWS} {PARTS} {KINDS}".split())
MOST_NUMBERS, LARGEST = 2, 999
"""Longer numbers may be a patient's or a date."""


def harmless(text: str) -> bool:
    """Whether a text is made of known words, single letters and a few small numbers only."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_A-Za-z]+", text)
    numbers = [int(word) for word in words if word.isdecimal()]
    known = all(word.isdecimal() or word.lower() in HARMLESS or (len(word) == 1 and word.isascii()) for word in words)
    return bool(words) and known and len(numbers) <= MOST_NUMBERS and max(numbers, default=0) <= LARGEST


def impersonal(text: str, otherwise: str = "") -> str:
    """``text`` where it is :func:`harmless`, else ``otherwise``."""
    return text if harmless(text) else otherwise


def shown_name(path: Path, otherwise: str) -> str:
    """Name of a file for reports, with its ending, where it is :func:`harmless`, else ``otherwise``."""
    return path.name if harmless(path.name.partition(".")[0]) else otherwise
