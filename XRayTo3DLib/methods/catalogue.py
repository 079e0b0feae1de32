"""Every method in plain words, its configuration class, and the configurations to start from; no torch for that."""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.methods.configuration import parsed, read_configuration
from XRayTo3DLib.shipped import shipped_folder

BONES, PICTURES = "bones", "pictures"


@dataclass(frozen=True)
class MethodEntry:
    """A method for people who choose one.

    Attributes:
        name: As the registry and configurations name it.
        title: In plain words.
        what: One sentence: what it makes of what.
        anatomy: For which anatomies there are configurations to start from.
        views: Which radiographs it takes.
        cost: Expected time and memory, as measured.
        makes: "bones", or "pictures" of bones alone.
        configuration: Module and class of its configuration.
        stepped: Whether it is trained in steps: curves, pause, samples. The others are ready at once.
    """

    name: str
    title: str
    what: str
    anatomy: str
    views: str
    cost: str
    makes: str
    configuration: tuple[str, str]
    stepped: bool = True


def _configuration(room: str, name: str) -> tuple[str, str]:
    return f"XRayTo3DLib.methods.{room}.configuration", name


CATALOGUE = (
    MethodEntry(
        "tl-net",
        "TL-net: bones by a learnt code",
        "Makes 3D bones of radiographs that show bones alone.",
        "Wrist, proximal femur",
        "One view or several, fixed when it is trained",
        "Small: 17 minutes on two CPU cores, 2 GB. The paper's size: days on a CPU; take a graphics card.",
        BONES,
        _configuration("tl_net", "TlNetConfiguration"),
    ),
    MethodEntry(
        "biplanar",
        "Biplanar network: bones from two views",
        "Lifts calibrated views that show bones alone into a volume and labels its voxels.",
        "Knee",
        "Two calibrated views, at any angle",
        "Small: 20 to 30 minutes on two CPU cores. The paper's size needs a graphics card.",
        BONES,
        _configuration("biplanar", "BiplanarConfiguration"),
    ),
    MethodEntry(
        "dual-face-depth",
        "Dual-face depth: bones from one view",
        "Finds the front and back of every bone in one ordinary radiograph, and completes them by shape models.",
        "Both hips",
        "One view, as it is",
        "Small: 25 minutes on two CPU cores, 0.4 GB for the networks. The paper's size needs a graphics card.",
        BONES,
        _configuration("dual_face_depth", "DualFaceConfiguration"),
    ),
    MethodEntry(
        "shape-intensity-fit",
        "Shape models, fitted to radiographs",
        "Builds models of shape and density that are fitted to radiographs, and that refine other models' bones.",
        "Wrist, knee",
        "One to four views, at any angle",
        "Small: 2 to 5 minutes on two CPU cores. It takes no steps.",
        BONES,
        _configuration("shape_intensity_fit", "ShapeIntensityConfiguration"),
        stepped=False,
    ),
    MethodEntry(
        "encoder-decoder",
        "Encoder-decoder: a plain network",
        "Makes voxels of bones out of one vector per view; a baseline.",
        "Knee",
        "Two views, fixed when it is trained",
        "Small: 10 minutes on one CPU core.",
        BONES,
        _configuration("encoder_decoder", "EncoderDecoderConfiguration"),
    ),
    MethodEntry(
        "image-translation",
        "pix2pix: pictures of bones alone",
        "Learns from pairs of a radiograph and its registered CT; its model goes before TL-net or a biplanar network.",
        "Wrist",
        "The view of the pairs",
        "Small: about 10 minutes on one CPU core. The paper's size: a week on a CPU, 2.1 GB; take a graphics card.",
        PICTURES,
        _configuration("image_translation", "ImageTranslationConfiguration"),
    ),
    MethodEntry(
        "style-transfer",
        "CycleGAN: the same without pairs",
        "Learns from radiographs of some people and CTs of others; less exact than pairs.",
        "Wrist",
        "The view of the radiographs",
        "Small: a quarter of an hour on one CPU core. The published size needs a graphics card.",
        PICTURES,
        _configuration("style_transfer", "StyleTransferConfiguration"),
    ),
    MethodEntry(
        "histogram-matching",
        "Histogram matching: no network",
        "Gives radiographs the grey values of computed ones; what a translation must beat.",
        "Wrist",
        "The view of the pairs",
        "Seconds. It takes no steps.",
        PICTURES,
        _configuration("histogram_matching", "HistogramMatchingConfiguration"),
        stepped=False,
    ),
    MethodEntry(
        "ridge",
        "Ridge regression: a baseline",
        "Computes bones as a linear function of the pixels.",
        "Knee",
        "Two views, fixed when it is trained",
        "About a minute on one CPU core, 1 GB. It takes no steps.",
        BONES,
        _configuration("baselines", "RidgeConfiguration"),
        stepped=False,
    ),
    MethodEntry(
        "nearest-shape",
        "Nearest person: a baseline",
        "Answers with the bones of the training person whose pictures are most alike.",
        "Knee",
        "Two views, fixed when it is trained",
        "About a minute on one CPU core. It takes no steps.",
        BONES,
        _configuration("baselines", "NearestConfiguration"),
        stepped=False,
    ),
    MethodEntry(
        "mean-shape",
        "Mean shape: what all must beat",
        "Answers with the mean of the training people's bones, whatever the radiographs show.",
        "Knee",
        "It looks at none",
        "About a minute on one CPU core. It takes no steps.",
        BONES,
        _configuration("baselines", "BaselineConfiguration"),
        stepped=False,
    ),
)
"""In the order that a newcomer reads them."""


def entry_named(method: str) -> MethodEntry:
    """The method's entry.

    Raises:
        InputError: No such method.
    """
    for entry in CATALOGUE:
        if entry.name == method:
            return entry
    raise InputError(f"method {method!r} is not known; choose {', '.join(sorted(each.name for each in CATALOGUE))}.")


def configuration_class(method: str) -> type[Any]:
    """The dataclass that a method's configuration is read into.

    Raises:
        InputError: No such method.
    """
    module, name = entry_named(method).configuration
    return getattr(importlib.import_module(module), name)


def checked(content: dict[str, Any]) -> Any:
    """A configuration's content as its method's dataclass, defaults filled in.

    Raises:
        InputError: No such method, an unknown or missing key, or a value that cannot be, named with its place.
    """
    return parsed(configuration_class(str(content.get("method"))), content)


# ---- configurations to start from ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class StartConfiguration:
    """A configuration that comes with XRayTo3D.

    Attributes:
        path: Its file.
        method: Name of its method.
        title: Its name for people.
    """

    path: Path
    method: str
    title: str

    @property
    def content(self) -> dict[str, Any]:
        """What is in it; raises InputError as ``read_configuration``."""
        return read_configuration(self.path)

    @property
    def short_title(self) -> str:
        """The same without the method, for narrow lists: "wrist, one PA view (paper)"."""
        parts = [part for part in self.title.split(", ")[1:] if part not in ("the paper's size", "as published")]
        return (", ".join(parts) or self.title).replace("pixels", "px") + (" (paper)" if self.large else "")

    @property
    def large(self) -> bool:
        """Whether it is of a paper's size and wants a graphics card."""
        return "paper" in self.path.stem


def shipped_configurations_folder() -> Path:
    """Where they lie: in a checkout, in an installed extension, or where pip puts them."""
    return shipped_folder("configs")


def start_configurations(method: str = "", folder: Path | None = None) -> list[StartConfiguration]:
    """The configurations to start from, small ones first.

    Args:
        method: Only this method's; all of them if empty.
        folder: Where to look; those that come with XRayTo3D if ``None``.
    """
    paths = sorted((folder or shipped_configurations_folder()).glob("*.yaml"))
    found = [_start_configuration(path) for path in paths]
    return sorted((each for each in found if method in ("", each.method)), key=_order)


def _order(start: StartConfiguration) -> tuple[bool, int, str]:
    """Small before large, then as the method's entry names the anatomies."""
    anatomies = next((each.anatomy.lower() for each in CATALOGUE if each.name == start.method), "")
    return start.large, anatomies.find(start.path.stem.partition("_")[0]), start.path.stem.removesuffix("_small")


def _start_configuration(path: Path) -> StartConfiguration:
    """By its two first lines: twenty whole files take YAML a tenth of a second."""
    text = path.read_text(encoding="utf-8")
    method, name = (re.search(rf"^{key}: *(.+?) *$", text, re.MULTILINE) for key in ("method", "name"))
    return StartConfiguration(path, method[1] if method else "", name[1] if name else path.stem)
