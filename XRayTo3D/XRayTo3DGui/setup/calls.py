"""What the set-up section tells, for scripts."""

from __future__ import annotations


class SetupCalls:
    """What the set-up section tells, for scripts."""
