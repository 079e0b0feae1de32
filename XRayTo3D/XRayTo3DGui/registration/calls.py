"""What section 2 does, for scripts: register a CT bone to radiographs, and review it."""

from __future__ import annotations


class RegistrationCalls:
    """What section 2 does, for scripts: register a CT bone to radiographs, and review it."""
