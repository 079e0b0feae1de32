"""What section 3 does, for scripts: data sets on disk."""

from __future__ import annotations


class DatasetCalls:
    """What section 3 does, for scripts: data sets on disk."""
