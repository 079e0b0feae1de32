"""A model bundle: one folder with ``bundle.json`` and ``*.safetensors``; written whole, verified before it is used.

Nothing in it can run code: weights and arrays are safetensors, the description is JSON, and a pickled file anywhere in
the folder is refused. ``bundle.json`` holds the SHA-256 of every file and of its own content.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from XRayTo3DLib import __version__
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import safe_file_name
from XRayTo3DLib.files.disk import require_room
from XRayTo3DLib.files.plain_names import LONGEST, name_problem, reserved, same_name
from XRayTo3DLib.files.tensor_files import shapes_in
from XRayTo3DLib.methods.registry import METHODS
from XRayTo3DLib.models.bundle_files import (
    ARRAYS,
    array_from,
    folder_to_write,
    tensors_from,
    write_arrays,
    write_network,
)
from XRayTo3DLib.models.bundle_folder import BUNDLE_FILE, read_description, verified_bytes
from XRayTo3DLib.models.checksums import content_sha256, file_entry
from XRayTo3DLib.models.portable import portable

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

BUNDLE_FORMAT = "xrayto3d.bundle/1"
STORED = ("float32", "float16")
NAME = re.compile(r"[a-z][a-z0-9_-]*")
LONGEST_VERSION = 40
MOST_LABELS, MOST_VIEWS, MOST_TEXTS, LONGEST_TEXT = 64, 16, 100, 4000
"""Bones, views, limits or sources, and characters of one text of a bundle."""
WRITTEN = frozenset({"format", "written_by", "research_use_only", "networks", "arrays", "stored", "files", "checksum"})
"""What bundle.json holds besides the description."""


@dataclass(frozen=True)
class Bundle:
    """What a trained model is, what it expects and how well it did; everything but its weights.

    Attributes:
        method: Name of the reconstruction method, as the registry of methods knows it ("tl-net", ...).
        configuration: Whatever the method needs to build its networks again, in JSON types.
        anatomy: Body part and region ("distal forearm").
        labels: Names of the bones, in the order of the networks' channels.
        views: One dict per radiograph it expects, in order: view position and canonical geometry (mm, degrees).
        grid: Voxel grid of the result: size, spacing in mm, centre in mm in the reconstruction frame (LPS-handed).
        training: Summary of the training data and the recipe: number of people, seed, steps, seconds, ...
        metrics: Results on test data, in mm where they are distances; None where there is none.
        intended_use: One or two sentences: what for, and what not.
        licence: Licence of weights and data (SPDX name or a sentence).
        synthetic: Whether any training data was made up; then the card says so loudly.
        version: Version of this model, chosen by who trained it.
        title: A short name for lists; the folder's name where it is empty.
        limitations: Known limits, one sentence each.
        sources: What it builds on: papers, data sets.

    Raises:
        InputError: A field is empty, too long or of the wrong type; or holds what JSON cannot; or bones are called
            what no file can be.
    """

    method: str
    configuration: dict[str, Any]
    anatomy: str
    labels: tuple[str, ...]
    views: tuple[dict[str, Any], ...]
    grid: dict[str, Any]
    training: dict[str, Any]
    metrics: dict[str, Any]
    intended_use: str
    licence: str
    synthetic: bool
    version: str = "1"
    title: str = ""
    limitations: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("method", "anatomy", "intended_use", "licence", "version"):
            _require(_is_text(getattr(self, name)), name, "text")
        _require(self.title == "" or _is_text(self.title), "title", "text")
        _require(isinstance(self.synthetic, bool), "synthetic", "true or false")
        for name in ("configuration", "grid", "training", "metrics"):
            _require(isinstance(getattr(self, name), dict), name, "an object of names and values")
            object.__setattr__(self, name, portable(getattr(self, name), name))
        for name in ("labels", "limitations", "sources"):
            object.__setattr__(self, name, _texts(getattr(self, name), name))
        files = {same_name(safe_file_name(label)) for label in self.labels}
        _require(0 < len(self.labels) == len(files) <= MOST_LABELS, "labels", "one or more names that differ")
        for label in self.labels:  # files are called so
            fits = label.isprintable() and len(label) <= LONGEST and not reserved(label)
            _require(fits, "labels", f"short names that files can have, which {label[:40]!r} cannot be")
        views = self.views
        _require(isinstance(views, list | tuple) and all(isinstance(v, dict) for v in views), "views", "objects")
        _require(0 < len(views) <= MOST_VIEWS, "views", f"one object or more, {MOST_VIEWS} at most")
        object.__setattr__(self, "views", tuple(portable(list(views), "views")))

    def to_dict(self) -> dict[str, Any]:
        """JSON types; inverse of :meth:`from_dict`."""
        return portable({each.name: getattr(self, each.name) for each in fields(self)})

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Bundle:
        """The bundle that :meth:`to_dict` wrote; fields it does not know are passed over.

        Raises:
            InputError: A field is missing, empty or of the wrong type.
        """
        optional = {"version", "title", "limitations", "sources"}
        missing = [each.name for each in fields(cls) if each.name not in content and each.name not in optional]
        if missing:
            raise InputError(f"model bundle: {BUNDLE_FILE} lacks {', '.join(missing)}; write the bundle again.")
        return cls(**{each.name: content[each.name] for each in fields(cls) if each.name in content})


@dataclass(frozen=True, eq=False)
class LoadedBundle:
    """A verified bundle; weights and arrays are read, and verified again, when they are asked for.

    Attributes:
        bundle: The description.
        folder: Where it lies.
        networks: Names of its networks.
        arrays: Names of its arrays.
        size: Bytes of all its files but ``bundle.json``.
        written_by: Version of XRayTo3D that wrote it.
        stored: Digits that its networks' weights were kept with, "float32" or "float16"; they come back as float32.
        checksum: Of the description, which holds those of all files: two bundles of one checksum are the same.
        unknown: Fields of the description that this version does not know, and passes over.
    """

    bundle: Bundle
    folder: Path
    networks: tuple[str, ...]
    arrays: tuple[str, ...]
    size: int
    written_by: str
    stored: str
    checksum: str
    unknown: tuple[str, ...]
    _files: dict[str, dict[str, Any]] = field(repr=False)

    def weights(self, name: str) -> dict[str, Tensor]:
        """Tensors of a network by name, on the CPU, for ``load_state_dict``; float16 on disk is float32 here.

        Raises:
            InputError: No such network, or its file was changed since it was verified.
        """
        file = self._file_of(name)
        return tensors_from(verified_bytes(self.folder / file, self._files[file]), f"{self.folder.name}/{file}")

    def shapes(self, name: str) -> dict[str, tuple[int, ...]]:
        """Shapes of a network's tensors by name; no more of its file is read than the header.

        Raises:
            InputError: No such network, or a file that is no safetensors.
        """
        file = self._file_of(name)
        return shapes_in(self.folder / file, f"{self.folder.name}/{file}")

    def _file_of(self, name: str) -> str:
        if name not in self.networks:
            raise InputError(f"model bundle {self.folder.name}: no network {name!r}; it has {_listed(self.networks)}.")
        return f"{name}.safetensors"

    def array(self, name: str) -> np.ndarray:
        """One of the arrays, in the shape and type it was saved with.

        Raises:
            InputError: No such array, or its file was changed since it was verified.
        """
        if name not in self.arrays:
            raise InputError(f"model bundle {self.folder.name}: no array {name!r}; it has {_listed(self.arrays)}.")
        content = verified_bytes(self.folder / ARRAYS, self._files[ARRAYS])
        return array_from(content, name, f"{self.folder.name}/{ARRAYS}")


def save_bundle(
    folder: Path | str,
    bundle: Bundle,
    networks: Mapping[str, Mapping[str, Tensor]],
    arrays: Mapping[str, np.ndarray] | None = None,
    stored: str = "float32",
) -> Path:
    """Write a bundle, whole or not at all; an older bundle there is replaced once the new one is whole.

    The same bundle and weights give the same bytes.

    Args:
        folder: The bundle's folder; new, empty, or an older bundle.
        bundle: The description.
        networks: Tensors (a state dict) by network name; names are small letters, digits, dash and underscore. A
            system without weights has none.
        arrays: Numbers the method needs besides (mean shape, grids) by name, kept in their own type.
        stored: "float16" halves the files; weights then come back rounded to about three digits.

    Returns:
        The folder.

    Raises:
        InputError: The folder holds something else; a name cannot be a file name; there is nothing to store; a
            tensor is not finite, or too large for float16; safetensors is not installed.
    """
    folder, arrays = Path(folder), dict(arrays or {})
    _check_names(networks, arrays, stored)
    require_room(folder, _bytes_of(networks, arrays), "model bundle")
    with folder_to_write(folder, BUNDLE_FILE) as temporary:
        for name, tensors in networks.items():
            write_network(temporary / f"{name}.safetensors", name, tensors, half=stored == "float16")
        if arrays:
            write_arrays(temporary / ARRAYS, arrays)
        content = {
            "format": BUNDLE_FORMAT,
            "written_by": __version__,
            "research_use_only": True,
            **bundle.to_dict(),
            "networks": sorted(networks),
            "arrays": sorted(arrays),
            "stored": stored,
            "files": {path.name: file_entry(path) for path in sorted(temporary.iterdir())},
        }
        text = json.dumps({**content, "checksum": content_sha256(content)}, indent=2, allow_nan=False)
        (temporary / BUNDLE_FILE).write_text(text + "\n", encoding="utf-8", newline="\n")
        load_bundle(temporary)
    return folder


def _bytes_of(networks: Mapping[str, Mapping[str, Tensor]], arrays: Mapping[str, np.ndarray]) -> int:
    """About what they take on the disk."""
    tensors = [each for tensors in networks.values() for each in tensors.values() if hasattr(each, "element_size")]
    whole = sum(each.numel() * each.element_size() for each in tensors)
    return whole + sum(getattr(each, "nbytes", 0) for each in arrays.values())


def load_bundle(folder: Path | str) -> LoadedBundle:
    """Verify a bundle and describe it; weights follow by :meth:`LoadedBundle.weights`.

    Args:
        folder: The bundle's folder (or its bundle.json).

    Raises:
        InputError: No bundle, one from a newer XRayTo3D, for an unknown method, with a changed, cut or missing file,
            or with a pickled file in it.
    """
    folder, content = read_description(folder, BUNDLE_FORMAT)
    try:
        bundle = Bundle.from_dict(content)
    except InputError as error:
        raise InputError(str(error).replace("model bundle:", f"model bundle {folder.name}:", 1)) from error
    if bundle.method not in METHODS:
        raise InputError(
            f"model bundle {folder.name}: its method {bundle.method!r} is unknown to XRayTo3D {__version__}, which has "
            f"{_listed(sorted(METHODS))}. Update XRayTo3D, or use another bundle."
        )
    files = content["files"]
    return LoadedBundle(
        bundle=bundle,
        folder=folder,
        networks=tuple(content["networks"]),
        arrays=tuple(content["arrays"]),
        size=sum(entry["bytes"] for entry in files.values()),
        written_by=str(content.get("written_by", ""))[:LONGEST_VERSION],
        stored=content["stored"] if content.get("stored") in STORED else "unknown",
        checksum=content["checksum"],
        unknown=tuple(sorted(set(content) - WRITTEN - {each.name for each in fields(Bundle)})),
        _files=files,
    )


def _check_names(networks: Mapping[str, Any], arrays: Mapping[str, Any], stored: str) -> None:
    if stored not in STORED:
        raise InputError(f"weights can be stored as {_listed(STORED)}, not {stored!r}.")
    if not networks and not arrays:
        raise InputError("a model bundle needs a network or an array; none was given.")
    for name in (*networks, *arrays):
        if not NAME.fullmatch(name) or name == "arrays" or (name in networks and name_problem(name)):
            raise InputError(
                f"{name!r} cannot name a network or array: use small letters, digits, - and _, not 'arrays' itself nor "
                f"a device of Windows."
            )


def _texts(value: Any, name: str) -> tuple[str, ...]:
    whole = isinstance(value, list | tuple) and all(map(_is_text, value)) and len(value) <= MOST_TEXTS
    _require(whole, name, "a list of texts")
    return tuple(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip()) and len(value) <= LONGEST_TEXT


def _require(condition: bool, name: str, wanted: str) -> None:
    if not condition:
        raise InputError(f"model bundle: {name} must be {wanted}.")


def _listed(names: Collection[str]) -> str:
    return ", ".join(names) or "none"
