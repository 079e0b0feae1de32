"""Configuration files: what is wrong is said with its place; what is right comes back as it was written."""

from __future__ import annotations

from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from learning_cases import FORMAT, TL_NET, changed, write_yaml
from test_docs_training import KINDS

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.methods.configuration import parsed, plain, read_configuration
from XRayTo3DLib.methods.dual_face_depth.configuration import DualFaceConfiguration
from XRayTo3DLib.methods.image_translation.configuration import ImageTranslationConfiguration
from XRayTo3DLib.methods.registry import METHODS, method_named
from XRayTo3DLib.methods.tl_net.configuration import TlNetConfiguration


@dataclass(frozen=True)
class Inner:
    rate: float = 0.5
    name: str = "a"


@dataclass(frozen=True)
class Outer:
    count: int
    names: tuple[str, ...] = ("x",)
    corner: tuple[float, float, float] = (1.0, 2.0, 3.0)
    wanted: bool = False
    inner: Inner = field(default_factory=Inner)


# ---- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"format: {FORMAT}\nmethod: tl-net\ndata: {{folder: wrists\nseed: 3\n", "mine.yaml is not YAML, line 4;"),
        (f"format: {FORMAT}\n\tmethod: tl-net\n", "mine.yaml is not YAML, line 2;"),
        ("just text", f"its first line must be 'format: {FORMAT}'"),
        ("", "mine.yaml is empty"),
        ("format: xrayto3d.training/2\nmethod: tl-net\n", "is not a training configuration"),
        (f"format: {FORMAT}\n", "mine.yaml names no method"),
        (f"format: {FORMAT}\nmethod: [tl-net]\n", "mine.yaml names no method"),
    ],
)
def test_files_that_cannot_be_read(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_configuration(path)
    assert message in str(caught.value)


def test_a_file_that_is_no_text_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(b"format: \xff\xfe\x00")
    with pytest.raises(InputError, match="mine.yaml is no UTF-8 text"):
        read_configuration(path)
    with pytest.raises(InputError, match=r"other\.yaml"):
        read_configuration(tmp_path / "other.yaml")


def test_yaml_makes_no_objects(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"format: {FORMAT}\nmethod: !!python/object/apply:os.getcwd []\n", encoding="utf-8")
    with pytest.raises(InputError, match="not YAML, line 2"):
        read_configuration(path)


def test_rates_as_people_write_them(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    rest = write_yaml(tmp_path / "rest.yaml", {**TL_NET, "loss": {}}).read_text().replace("loss: {}\n", "")
    for written, value in (("1e-4", 1e-4), ("1.0e-4", 1e-4), ("1E-4", 1e-4), ("0", 0.0), (".5", 0.5)):
        path.write_text(f"{rest}loss: {{code: {written}}}\n", encoding="utf-8")
        code = parsed(TlNetConfiguration, read_configuration(path)).loss.code
        assert code == value and isinstance(code, float), written


# ---- values ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "configuration: count is missing."),
        (
            {"count": 1, "cuont": 2},
            "configuration: cuont is not known; known here: corner, count, inner, names, wanted.",
        ),
        ({"count": 1, "inner": {"rates": 1}}, "configuration: inner.rates is not known; known here: name, rate."),
        ({"count": 1, "inner": [1]}, "configuration: inner must hold 'key: value' lines, not [1]."),
        ([1], "configuration: the file must hold 'key: value' lines"),
        ({"count": 1.5}, "configuration: count must be of type int, not 1.5."),
        ({"count": True}, "configuration: count must be of type int, not True."),
        ({"count": "1"}, "configuration: count must be of type int, not '1'."),
        ({"count": None}, "configuration: count must be of type int, not None."),
        ({"count": 1, "inner": {"rate": "fast"}}, "configuration: inner.rate must be of type float, not 'fast'."),
        ({"count": 1, "inner": {"rate": True}}, "configuration: inner.rate must be of type float, not True."),
        ({"count": 1, "inner": {"name": 3}}, "configuration: inner.name must be of type str, not 3."),
        ({"count": 1, "wanted": 1}, "configuration: wanted must be of type bool, not 1."),
        ({"count": 1, "names": "x"}, "configuration: names must be a list, not 'x'."),
        ({"count": 1, "names": ["x", 2]}, "configuration: names[1] must be of type str, not 2."),
        ({"count": 1, "corner": [1, 2]}, "configuration: corner must hold 3 values, not 2."),
        ({"count": 1, "corner": [1, 2, "z"]}, "configuration: corner[2] must be of type float, not 'z'."),
    ],
)
def test_wrong_values_are_named_with_their_place(content: object, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parsed(Outer, content)
    assert str(caught.value).startswith(message)


@settings(max_examples=50, deadline=None)
@given(
    st.builds(
        Outer,
        st.integers(-(2**62), 2**62),
        st.lists(st.text(max_size=5), max_size=3).map(tuple),
        st.tuples(*[st.floats(allow_nan=False, allow_infinity=False)] * 3),
        st.booleans(),
        st.builds(Inner, st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=5)),
    )
)
def test_through_yaml_and_back(configuration: Outer) -> None:
    text = yaml.safe_dump(plain(configuration))
    assert parsed(Outer, yaml.safe_load(text)) == configuration


def test_what_is_left_out_takes_its_default() -> None:
    assert parsed(Outer, {"count": 1, "inner": {"name": "b"}}) == Outer(1, inner=Inner(0.5, "b"))


# ---- what is shipped -------------------------------------------------------------------------------------------------


def test_every_method_has_its_configuration_here() -> None:
    assert set(KINDS) == set(METHODS)
    for name, kind in KINDS.items():
        assert callable(method_named(name).load_model)
        required = {each.name for each in fields(kind) if each.default is each.default_factory is MISSING}
        told = dict.fromkeys(required - {"data"}, name)
        assert parsed(kind, {"data": {"folder": "x"}, **told}).method == name


def test_every_shipped_configuration_is_understood(repository: Path) -> None:
    paths = sorted((repository / "Resources" / "configs").glob("*.yaml"))
    assert len(paths) >= 2
    for path in paths:
        content = read_configuration(path)
        configuration = parsed(KINDS[content["method"]], content)
        assert parsed(KINDS[content["method"]], plain(configuration)) == configuration


def test_the_defaults_are_the_papers() -> None:
    """Shiode et al. 2021: 128 voxels of 0.625 mm; 35 000, 35 000 and 15 000 updates; 1e-4, 1e-4 and 1e-5; batch 4."""
    found = parsed(TlNetConfiguration, {"data": {"folder": "x"}})
    assert (found.data.grid.size, found.data.grid.spacing_mm) == (128, 0.625)
    assert found.data.pose.rotation_deg == (30,) * 3 and found.data.pose.translation_mm == (30,) * 3
    assert found.data.validation_share == 0.15
    stages = asdict(found.stages)
    assert [(stage["steps"], stage["lr"]) for stage in stages.values()] == [(35000, 1e-4), (35000, 1e-4), (15000, 1e-5)]
    assert (found.loss.code, found.loss.latent) == (1e-4, 1e-4)
    gan = parsed(ImageTranslationConfiguration, {"data": {"folder": "x"}}).gan
    assert (gan.lr, gan.l1, gan.steps) == (2e-4, 100.0, 200 * 3300)


def test_the_defaults_of_depth_are_the_papers() -> None:
    """Gu et al. 2024: NFNet-F0, centre-aligned loss, AdamW at 2e-4, 630 epochs that are 10 + 20 + ... + 320."""
    found = parsed(DualFaceConfiguration, {"data": {"folder": "x"}})
    assert (found.network.encoder, found.faces, found.outputs, found.loss.kind) == ("f0", "dual", 8, "casi")
    depth = found.stages.depth
    assert (depth.lr, depth.schedule, depth.first, depth.factor) == (2e-4, "warm-restarts", 10, 2)
    assert depth.epochs == 630 == sum(10 * 2**period for period in range(6))
    assert not found.stages.pretraining.trained


def test_an_unknown_method() -> None:
    with pytest.raises(InputError, match="'magic' is not known; choose .*image-translation, .*tl-net"):
        method_named("magic")


def test_sizes_that_do_not_halve() -> None:
    content = changed({"data": {"folder": "x", "image": {"size": 96}}}, gan={"downs": 6})
    with pytest.raises(InputError, match=r"data.image.size 96 must be a multiple of 64"):
        parsed(ImageTranslationConfiguration, content)
