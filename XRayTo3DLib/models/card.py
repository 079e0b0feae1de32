"""A model bundle's card."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from XRayTo3DLib.models.bundle import Bundle


def card_text(bundle: Bundle) -> str:
    """The card as Markdown."""
    return f"# {bundle.title or bundle.method}\n"
