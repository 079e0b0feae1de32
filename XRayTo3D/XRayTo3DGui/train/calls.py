"""What section 4 does, for scripts: training in a worker process."""

from __future__ import annotations


class TrainCalls:
    """What section 4 does, for scripts: training in a worker process."""
