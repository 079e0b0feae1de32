"""JSON from anywhere: what cannot be used is refused in one printable sentence; what can comes through."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from XRayTo3DLib.errors import LONGEST, InputError
from XRayTo3DLib.files.json_values import check_fields, check_values, parse_json

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
PLAIN = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
)
VALUES = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4))
SHAPE = {"name": str, "count?": int, "size": [float], "about??": {"synthetic": bool}, "by": {"*": str}}
GOOD: dict[str, Any] = {"name": "a", "size": [1, 2.5], "by": {"x": "y"}}


@settings(deadline=None)
@given(VALUES)
def test_what_json_holds_comes_through(value: Any) -> None:
    assert parse_json(json.dumps(value).encode(), "a file") == value


@settings(deadline=None)
@given(st.binary(max_size=60) | st.text(max_size=30))
def test_whatever_it_is_it_is_read_or_refused(content: bytes | str) -> None:
    try:
        parse_json(content, "camera: pa.json")
    except InputError as error:
        assert str(error).startswith("camera: pa.json") and str(error).isprintable()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 100_000, "nested too deeply"),
        ("[" * 70 + "]" * 70, "nested too deeply"),
        ('{"a": NaN}', "NaN is no JSON number"),
        ('{"a": 1e999}', "too large a number"),
        ('{"a": ' + "9" * 5000 + "}", "too large a number"),
        ('["\\ud800"]', "half a character"),
        ('{"\\u0000": 1}', "zero byte"),
        ("{'a': 1}", "not a JSON file"),
        (" " * 32_000_001, "more than 32 MB"),
    ],
)
def test_what_nothing_can_be_done_with_is_refused(text: str, words: str) -> None:
    with pytest.raises(InputError, match=rf"^a file .*{words}"):
        parse_json(text, "a file")


def test_values_that_hold_themselves_or_blow_up_are_refused() -> None:
    """YAML's aliases can make both."""
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(InputError, match="nested too deeply"):
        check_values(endless, "a file")
    bomb: list[Any] = ["x"] * 9
    for _ in range(9):
        bomb = [bomb] * 9
    with pytest.raises(InputError, match="more than 1000 values"):
        check_values(bomb, "a file", most=1000)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": 3}, "the field name must be text, not a whole number"),
        ({"count": True}, "the field count must be a whole number, not true or false"),
        ({"count": None}, "the field count must be a whole number, not null"),
        ({"size": [1, "2"]}, r"the field size\[1\] must be a number, not text"),
        ({"size": [float("inf")]}, r"the field size\[0\] must be a number, not one that is not finite"),
        ({"size": {}}, "the field size must be a list, not an object"),
        ({"about": {}}, "the field about.synthetic is missing"),
        ({"by": {"x": []}}, "the field by.x must be text, not a list"),
    ],
)
def test_a_field_of_another_kind_is_named(change: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=f"^a file: {words}"):
        check_fields({**GOOD, **change}, SHAPE, "a file")


@pytest.mark.parametrize("more", [{}, {"about": None}, {"about": {"synthetic": True}}, {"count": 3}, {"other": [None]}])
def test_fields_that_fit_pass(more: dict[str, Any]) -> None:
    check_fields({**GOOD, **more}, SHAPE, "a file")


def test_no_object_at_all() -> None:
    with pytest.raises(InputError, match="its content must be an object, not a list"):
        check_fields([], SHAPE, "a file")


def test_messages_are_one_printable_line() -> None:
    """A name in a file must not steer a terminal or fill the screen."""
    error = InputError("case \x1b[31m\u202e: two\nlines\r\n" + "x" * 5000)
    assert str(error).isprintable() and len(str(error)) <= LONGEST and str(error).startswith("case ?[31m?: two lines x")


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', '{"b": [{"a": {}, "c": 1, "a": 2}]}', '{"\\u0061": 1, "a": 1}'])
def test_a_field_is_named_once(text: str) -> None:
    """Of two spacings in a camera.json the last one counted, and other readers take the first."""
    with pytest.raises(InputError, match="camera: pa.json names 'a' twice"):
        parse_json(text, "camera: pa.json")
    assert parse_json('{"a": {"a": 1}, "b": [{"a": 1}, {"a": 1}]}', "x") == {"a": {"a": 1}, "b": [{"a": 1}, {"a": 1}]}
