"""What is taken over from file names and free header texts without asking."""

from __future__ import annotations

import pytest

from XRayTo3DLib.plain_words import harmless, impersonal


@pytest.mark.parametrize(
    "text", ["PA", "wrist_ap", "Knee LAT", "lat-2", "view A", "WristPA", "radius_12", "case 7", "HAND", "ap"]
)
def test_words_that_name_nobody(text: str) -> None:
    assert harmless(text) and impersonal(text, "other") == text


@pytest.mark.parametrize(
    "text",
    [
        "Miller",
        "Rosenberg",
        "miller_anna_pa",
        "AnnaPA",
        "PA^Miller",
        "19500214",
        "1234",
        "pa_1_2_3",
        "Müller",
        "РА",
        "",
        "-",
        "ßap",
    ],
)
def test_what_may_name_somebody_is_left_out(text: str) -> None:
    assert not harmless(text) and impersonal(text, "other") == "other"
