"""What section 1 does, for scripts: load radiographs with their geometry."""

from __future__ import annotations


class RadiographCalls:
    """What section 1 does, for scripts: load radiographs with their geometry."""
