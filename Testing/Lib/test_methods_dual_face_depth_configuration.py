"""Configurations of dual-face depth: what is changed on the command line, and what is refused."""

from __future__ import annotations

import pytest
from depth_cases import CONTENT, configuration

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.methods.configuration import changed


def test_a_place_and_a_value_change_a_configuration() -> None:
    content = changed(CONTENT, ["loss.kind=si", "data.scale=3", "data.labels=[a_right]", "seed=7"])
    assert content["loss"] == {"kind": "si"} and content["data"]["scale"] == 3 and content["seed"] == 7
    assert content["data"]["labels"] == ["a_right"] and content["data"]["folder"] == "people"
    assert "loss" not in CONTENT and CONTENT["data"]["scale"] == 2.0


@pytest.mark.parametrize("change", ["loss.kind", "=3", "data.scale.deeper=3", "seed=[1"])
def test_a_change_that_is_none_is_refused(change: str) -> None:
    with pytest.raises(InputError, match="--set"):
        changed(CONTENT, [change])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("loss.kind=mse", "loss.kind must be one of casi, si"),
        ("loss.aggregate=sum", "loss.aggregate"),
        ("faces=triple", "faces must be one of"),
        ("network.encoder=resnet", "network.encoder"),
        ("data.geometry.size=100", "multiple of 32"),
        ("data.geometry.size=32", "at least 64"),
        ("data.geometry.field_mm=.inf", "field_mm must be a number"),
        ("network.segmentation=full", "256 or more"),
        ("network.channels=-4", "network.channels"),
        ("data.labels=[]", "data.labels"),
        ("data.labels=[a, a]", "data.labels"),
        ("data.scale=.nan", "data.scale"),
        ("augmentation.operations=-1", "augmentation.operations"),
        ("augmentation.rotation_deg=.nan", "rotation_deg"),
        ("stages.depth.batch=0", "batch 0 cannot be"),
        ("stages.depth.steps=-3", "-3 steps"),
        ("data.scale=0", "data.scale"),
        ("augmentation.magnitude=2", "augmentation.magnitude"),
        ("stages.segmentation.steps=0", "nothing finds the bones"),
        ("loss.kin=si", "loss.kin is not known"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(change: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        configuration(change)
