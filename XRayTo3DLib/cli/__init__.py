"""The ``xrayto3d`` command, one file per sub-command."""
