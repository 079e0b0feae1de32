"""Linear transforms of ITK's files (.tfm, .h5), taken apart here: ITK's own readers crash on damaged ones.

A text that ends within its parameters ITK reads as the identity without a word, one whose parameters are no numbers
ends the program, and a transform on a grid gets the memory that the file says it needs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import require_file
from XRayTo3DLib.geometry.hdf5_values import SIGNATURE, Hdf5Damaged, hdf5_values

if TYPE_CHECKING:
    from SimpleITK import Transform

MOST_BYTES, LARGEST = 1_000_000, 1e12
"""Slicer's files have 0.4 kB (.tfm) or 16 kB (.h5); and a number that no pose has."""
LINEAR = {
    "AffineTransform": ("AffineTransform", 12, (3,)),
    "MatrixOffsetTransformBase": ("AffineTransform", 12, (3,)),
    "Euler3DTransform": ("Euler3DTransform", 6, (3, 4)),
    "VersorRigid3DTransform": ("VersorRigid3DTransform", 6, (3,)),
    "VersorTransform": ("VersorTransform", 3, (3,)),
    "Similarity3DTransform": ("Similarity3DTransform", 7, (3,)),
    "ScaleVersor3DTransform": ("ScaleVersor3DTransform", 9, (3,)),
    "ScaleSkewVersor3DTransform": ("ScaleSkewVersor3DTransform", 15, (3,)),
    "ScaleTransform": ("ScaleTransform", 3, (3,)),
    "TranslationTransform": ("TranslationTransform", 3, (0,)),
    "IdentityTransform": ("TranslationTransform", 0, (0,)),
}
"""By ITK's name: SimpleITK's class, and how many parameters and fixed ones it has."""
OF_DIMENSION = ("AffineTransform", "ScaleTransform", "TranslationTransform")
COMPOSITE = "CompositeTransform"
KIND = re.compile(r"(\w+)_(?:double|float)_3_3")
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
Part = tuple[str, list[float], list[float]]


def read_linear_transform(path: Path | str) -> Transform:
    """The transform of a file, ready to map points.

    Raises:
        InputError: Missing, damaged, cut short, or not a linear transform in three dimensions.
    """
    import SimpleITK as sitk

    path = require_file(path, "pose")
    if path.stat().st_size > MOST_BYTES:
        raise InputError(f"pose: {path.name} has more than {MOST_BYTES / 1e6:g} MB; it is no rigid transform.")
    content = path.read_bytes()
    try:
        parts = list(_hdf5_parts(content) if content.startswith(SIGNATURE) else _text_parts(content, path.name))
    except Hdf5Damaged as error:
        raise InputError(_unreadable(path.name, str(error))) from error
    composite = bool(parts) and KIND.fullmatch(parts[0][0]) is not None and parts[0][0].startswith(COMPOSITE)
    transforms = [_transform(*part, path.name) for part in parts[1 if composite else 0 :]]
    if not parts or (len(parts) > 1 and not composite):
        raise InputError(_unreadable(path.name, f"it holds {len(parts) or 'no'} transforms, not one"))
    return sitk.CompositeTransform(transforms) if transforms else sitk.TranslationTransform(3)


def _text_parts(content: bytes, name: str) -> Iterator[Part]:
    """(type, parameters, fixed parameters) of each transform of a .tfm text."""
    lines = [line.strip() for line in content.decode("latin-1").splitlines()]
    if not lines or not lines[0].startswith("#Insight Transform File"):
        raise InputError(_unreadable(name, "its first line is another"))
    fields = [line.partition(":") for line in lines if line and not line.startswith("#")]
    while fields:
        tag, _, kind = fields.pop(0)
        if tag != "Transform":
            raise InputError(_unreadable(name, "a line is none of such a file"))
        numbers: list[list[float]] = []
        for wanted in () if kind.strip().startswith(COMPOSITE) else ("Parameters", "FixedParameters"):
            if not fields or fields[0][0] != wanted:
                raise InputError(f"pose: {name} is cut off: its {wanted} are missing. Copy or export it again.")
            numbers.append(_numbers(fields.pop(0)[2], name))
        yield kind.strip(), *(numbers or ([], []))  # type: ignore[misc]


def _numbers(text: str, name: str) -> list[float]:
    words = text.split()
    if not all(NUMBER.fullmatch(word) for word in words):
        raise InputError(_unreadable(name, "its parameters are not numbers"))
    return [float(word) for word in words]


def _hdf5_parts(content: bytes) -> Iterator[Part]:
    """The same of an .h5; ITK once wrote "Tranform" for "Transform"."""
    values = {path.replace("Tranform", "Transform"): value for path, value in hdf5_values(content).items()}
    places = {path.split("/")[1] for path in values if path.startswith("TransformGroup/")}
    for place in sorted(places, key=lambda each: (len(each), each)):
        kind = values.get(f"TransformGroup/{place}/TransformType")
        numbers = [
            values.get(f"TransformGroup/{place}/Transform{each}", []) for each in ("Parameters", "FixedParameters")
        ]
        if not isinstance(kind, str) or any(isinstance(each, str) for each in numbers):
            raise Hdf5Damaged("a transform has no type or no numbers")
        yield kind, *(list(map(float, each)) for each in numbers)  # type: ignore[misc]


def _transform(kind: str, parameters: list[float], fixed: list[float], name: str) -> Transform:
    import SimpleITK as sitk

    found = KIND.fullmatch(kind)
    if found is None or found[1] not in LINEAR:
        raise InputError(f"pose: {name} is not a linear 3D transform; a rigid one is needed.")
    class_name, count, fixed_counts = LINEAR[found[1]]
    if len(parameters) != count or len(fixed) not in fixed_counts:
        raise InputError(f"pose: {name} is cut off: a {found[1]} has {count} parameters. Copy or export it again.")
    if not all(abs(number) < LARGEST for number in (*parameters, *fixed)):
        raise InputError(f"pose: {name} holds numbers that no pose has (mm, radians). Export it again.")
    transform = getattr(sitk, class_name)(*((3,) if class_name in OF_DIMENSION else ()))
    if parameters:
        transform.SetFixedParameters([*fixed, 0.0][: len(transform.GetFixedParameters())])
        transform.SetParameters(parameters)
    return transform


def _unreadable(name: str, why: str) -> str:
    return f"pose: {name} is not a readable ITK transform file (.tfm, .h5): {why}; save it again from Slicer."
