"""Shape models on disk: one ``.npz`` of plain arrays (no pickled objects) with a JSON header inside.

Arrays, format ``xrayto3d.shape-model/1``:

``mean`` (n, 3) mm, ``displacements`` (k, n, 3) mm: what each mode adds for +1 SD (modes times deviations),
``triangles`` (m, 3), ``header`` bytes of UTF-8 JSON: format, label, people, synthetic, sources, frame, unit.

A mode's deviation is the length of its displacement, so low precision (float16 in model bundles) costs a rounding of
the displacements in mm (1 part in 2000) and nothing else.
"""

from __future__ import annotations

import io
import json
import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import atomic_path
from XRayTo3DLib.files.json_values import check_fields, parse_json
from XRayTo3DLib.shape.statistical_shape_model import ShapeModel

SHAPE_MODEL_FORMAT = "xrayto3d.shape-model/1"
HEADER = {"label?": str, "people?": int, "synthetic?": bool, "sources?": [str]}
NAMES = ("mean", "displacements", "triangles", "header")
MOST_BYTES = 1_000_000_000
NOT_ARRAYS = (
    zipfile.BadZipFile,
    zlib.error,
    tokenize.TokenError,
    struct.error,
    ValueError,
    TypeError,
    LookupError,
    SyntaxError,
    EOFError,
    OSError,
    RuntimeError,
)
"""What zipfile and NumPy raise of an archive that is none, or of a header that cannot be parsed."""


def arrays_of(model: ShapeModel, precision: Any = np.float32) -> dict[str, NDArray[Any]]:
    """A model as plain arrays by name (see the module's head).

    Args:
        model: The model.
        precision: Number type of the displacements: float64 keeps all digits, float32 1e-7 of them, float16 (bundles)
            1 part in 2000; a mode that rounds to nothing is left out. The mean is float32 unless float64 is asked for.
    """
    precision = np.dtype(precision)
    displacements = (model.modes * model.deviations[:, None, None]).astype(precision)
    header = {
        "format": SHAPE_MODEL_FORMAT,
        "label": model.label,
        "people": model.people,
        "synthetic": model.synthetic,
        "sources": list(model.sources),
        "frame": "the model's own",
        "unit": "mm",
    }
    return {
        "mean": model.mean.astype(np.float64 if precision == np.float64 else np.float32),
        "displacements": displacements[np.any(displacements, axis=(1, 2))],
        "triangles": model.triangles.astype(np.int32),
        "header": np.frombuffer(json.dumps(header).encode(), dtype=np.uint8).copy(),
    }


def model_from_arrays(arrays: Mapping[str, Any], name: str = "shape model") -> ShapeModel:
    """The model of :func:`arrays_of`; ``name`` is what messages call it.

    Raises:
        InputError: Missing arrays, another format or version, or arrays that do not fit together.
    """
    missing = [each for each in NAMES if each not in arrays]
    if missing:
        raise InputError(f"{name} is no shape model: it lacks {', '.join(missing)}. Make one with xrayto3d ssm build.")
    header = _header(np.asarray(arrays["header"]), name)
    try:
        displacements = np.asarray(arrays["displacements"], dtype=np.float64)
        if displacements.ndim != 3:
            raise InputError(f"displacements must have shape (k, n, 3), not {displacements.shape}.")
        deviations = np.sqrt(np.sum(displacements**2, axis=(1, 2)))
        return ShapeModel(
            np.asarray(arrays["mean"], dtype=np.float64),
            displacements / np.where(deviations > 0, deviations, 1.0)[:, None, None],
            deviations,
            arrays["triangles"],
            label=str(header.get("label", "")),
            people=int(header.get("people", 0)),
            synthetic=bool(header.get("synthetic", False)),
            sources=tuple(str(each) for each in header.get("sources", ())),
        )
    except (TypeError, ValueError) as error:  # InputError is one of them
        raise InputError(f"{name}: {error}") from error


def save_shape_model(model: ShapeModel, path: Path | str, precision: Any = np.float32) -> Path:
    """Write a model as ``.npz``, atomically.

    Raises:
        InputError: Another suffix than .npz.
    """
    path = Path(path)
    _require_suffix(path)
    with atomic_path(path) as temporary:
        np.savez_compressed(temporary, **arrays_of(model, precision))
    return path


def load_shape_model(path: Path | str) -> ShapeModel:
    """Read a model written by :func:`save_shape_model`; pickled content is refused, never run.

    Raises:
        InputError: Missing, damaged, pickled, or no shape model.
    """
    path = Path(path)
    _require_suffix(path)
    if not path.is_file():
        raise InputError(f"shape model: there is no file {path}. Check the path.")
    return model_from_arrays(read_arrays(path), path.name)


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays of an .npz by name; pickled content is refused, never run.

    Raises:
        InputError: Damaged, pickled, or another kind of file.
    """
    with path.open("rb") as stream:
        if stream.read(6) == b"\x93NUMPY":
            raise InputError(f"{path.name} is a single array (.npy) under another name; give an .npz of named arrays.")
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(info.file_size for info in archive.infolist()) > MOST_BYTES:
                raise InputError(f"{path.name} unpacks to more than {MOST_BYTES / 1e9:g} GB; it is no shape model.")
            return {info.filename.removesuffix(".npy"): _array(archive.read(info)) for info in archive.infolist()}
    except InputError:
        raise
    except NOT_ARRAYS as error:
        raise InputError(
            f"{path.name} is damaged, no .npz of arrays, or holds pickled objects, which are never run; make it again."
        ) from error


def _array(content: bytes) -> NDArray[Any]:
    """An array of an .npz; its header is held against what follows before anything is made of it.

    Raises:
        ValueError: Objects (pickled), another shape than there are numbers, or no array.
    """
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
    shape, by_columns, dtype = header(stream)
    rest = content[stream.tell() :]
    if dtype.hasobject or min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != len(rest):
        raise ValueError("an array is not what its header says")
    return np.frombuffer(rest, dtype).reshape(shape, order="F" if by_columns else "C").copy()


def _require_suffix(path: Path) -> None:
    if path.suffix.lower() != ".npz":
        raise InputError(f'shape model: "{path.name}" must end in .npz.')


def _header(content: NDArray[Any], name: str) -> dict[str, Any]:
    if content.dtype != np.uint8:
        raise InputError(f"{name}: its header is no text; make it again.")
    header = parse_json(content.tobytes(), f"{name}: its header")
    found = header.get("format") if isinstance(header, dict) else None
    if found != SHAPE_MODEL_FORMAT:
        raise InputError(f'{name} has format {found!r}, expected "{SHAPE_MODEL_FORMAT}".')
    check_fields(header, HEADER, name)
    return header
