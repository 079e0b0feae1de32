"""What section 6 does, for scripts: judge bones against a reference."""

from __future__ import annotations


class EvaluationCalls:
    """What section 6 does, for scripts: judge bones against a reference."""
