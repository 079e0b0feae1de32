"""The training pages against the code: every key of a configuration with its default, the YAML, links into pages."""

from __future__ import annotations

import re
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import yaml
from test_docs import FENCE, PAGES, REPOSITORY

from XRayTo3DLib.methods.baselines.configuration import (
    BaselineConfiguration,
    NearestConfiguration,
    RidgeConfiguration,
)
from XRayTo3DLib.methods.biplanar.configuration import BiplanarConfiguration
from XRayTo3DLib.methods.configuration import parsed
from XRayTo3DLib.methods.dual_face_depth.configuration import DualFaceConfiguration
from XRayTo3DLib.methods.encoder_decoder.configuration import EncoderDecoderConfiguration
from XRayTo3DLib.methods.histogram_matching.configuration import HistogramMatchingConfiguration
from XRayTo3DLib.methods.image_translation.configuration import ImageTranslationConfiguration
from XRayTo3DLib.methods.shape_intensity_fit.configuration import ShapeIntensityConfiguration
from XRayTo3DLib.methods.style_transfer.configuration import StyleTransferConfiguration
from XRayTo3DLib.methods.tl_net.configuration import TlNetConfiguration

KINDS = {
    "tl-net": TlNetConfiguration,
    "image-translation": ImageTranslationConfiguration,
    "style-transfer": StyleTransferConfiguration,
    "histogram-matching": HistogramMatchingConfiguration,
    "dual-face-depth": DualFaceConfiguration,
    "biplanar": BiplanarConfiguration,
    "mean-shape": BaselineConfiguration,
    "nearest-shape": NearestConfiguration,
    "ridge": RidgeConfiguration,
    "encoder-decoder": EncoderDecoderConfiguration,
    "shape-intensity-fit": ShapeIntensityConfiguration,
}
SECTIONS = {
    "tl-net": ("train.md", "All methods on this page", "TL-net"),
    "image-translation": ("train.md", "All methods on this page", "Pictures", "Image translation"),
    "style-transfer": ("train.md", "All methods on this page", "Pictures", "Style transfer"),
    "histogram-matching": ("train.md", "All methods on this page", "Pictures"),
    "dual-face-depth": ("dual-face-depth.md", "Dual-face depth"),
    "biplanar": ("biplanar.md", "Biplanar network"),
    "mean-shape": ("baselines.md", "All baselines"),
    "nearest-shape": ("baselines.md", "All baselines", "Nearest training shape"),
    "ridge": ("baselines.md", "All baselines", "Ridge regression"),
    "encoder-decoder": ("baselines.md", "All baselines", "Encoder-decoder"),
    "shape-intensity-fit": ("shape-intensity-fit.md", "Shape and intensity models"),
}
STAGES = {
    "tl-net": ("autoencoder", "predictor", "joint"),
    "image-translation": (),
    "style-transfer": (),
    "histogram-matching": (),
    "dual-face-depth": ("pretraining", "segmentation", "depth"),
    "biplanar": (),
    "mean-shape": (),
    "nearest-shape": (),
    "ridge": (),
    "encoder-decoder": (),
    "shape-intensity-fit": (),
}
CONFIGURATIONS = sorted((REPOSITORY / "Resources" / "configs").glob("*.yaml"))
REQUIRED = "required"


def defaults(kind: Any, before: str = "", instance: Any = None) -> dict[str, Any]:
    """Every key of a configuration, dotted, with its default or REQUIRED."""
    found: dict[str, Any] = {}
    hints = get_type_hints(kind)
    for field in fields(kind):
        key = f"{before}{field.name}"
        if instance is not None:
            value = getattr(instance, field.name)
        elif field.default is not MISSING:
            value = field.default
        else:
            value = REQUIRED if field.default_factory is MISSING else field.default_factory()
        if is_dataclass(hints[field.name]):
            found |= defaults(hints[field.name], f"{key}.", None if value == REQUIRED else value)
        else:
            found[key] = list(value) if isinstance(value, tuple) else value
    return found


def documented(method: str) -> dict[str, list[Any]]:
    """Keys of the page's tables for a method; the default's values, several where stages or methods differ."""
    page, *sections = SECTIONS[method]
    text = (REPOSITORY / "docs" / page).read_text(encoding="utf-8")
    found: dict[str, list[Any]] = {}
    for section in sections:
        body = re.search(rf"^### {section}\n(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL)
        assert body, section
        for row in re.findall(r"^\| `(.+?)` \| (.+?) \|", body.group(1), re.MULTILINE):
            cells = re.findall(r"`(.+?)`", row[1]) or [row[1]]
            values = [yaml.safe_load(cell) if cell != REQUIRED else REQUIRED for cell in cells]
            found |= expanded(row[0], values, STAGES[method])
    return found


def expanded(key: str, values: list[Any], stages: tuple[str, ...]) -> dict[str, list[Any]]:
    """``stages.<stage>.x`` for every stage."""
    if "<stage>" not in key:
        return {key: values}
    each = values if len(values) == len(stages) else values * len(stages)
    return {key.replace("<stage>", stage): [value] for stage, value in zip(stages, each, strict=True)}


@pytest.mark.parametrize("method", KINDS)
def test_every_key_of_a_configuration_is_documented_with_its_default(method):
    page, code = documented(method), defaults(KINDS[method])
    assert set(page) == set(code)
    for key, value in code.items():
        if page[key] == [REQUIRED]:
            assert value in (REQUIRED, "xrayto3d.training/1", method), key
        else:
            assert value in page[key], f"{key}: {value} in the code, {page[key]} on the page"


def yaml_blocks() -> list[tuple[str, str]]:
    blocks = [(page.name, *found) for page in PAGES for found in FENCE.findall(page.read_text(encoding="utf-8"))]
    return [(page, block) for page, language, block in blocks if language == "yaml"]


def test_there_are_configurations_to_check():
    assert len(yaml_blocks()) >= 2
    assert len(CONFIGURATIONS) >= 2


@pytest.mark.parametrize(("page", "block"), yaml_blocks())
def test_every_documented_configuration_can_be_used(page, block):
    content = yaml.safe_load(block)
    parsed(KINDS[content["method"]], content)


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: path.name)
def test_every_configuration_of_the_repository_can_be_used(path):
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    parsed(KINDS[content["method"]], content)


def anchors(page: Path) -> set[str]:
    """What a page's headings are called in links, as GitHub makes them."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def anchored_links() -> list[tuple[Path, str, str]]:
    pattern = re.compile(r"\]\(([^)#\s:]*)#([^)\s]+)\)")
    return [(page, *found) for page in PAGES for found in pattern.findall(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize(("page", "target", "anchor"), anchored_links())
def test_every_link_into_a_page_finds_its_heading(page, target, anchor):
    linked = page.parent / target if target else page
    assert anchor in anchors(linked), f"{page.name} points to {target}#{anchor}"
