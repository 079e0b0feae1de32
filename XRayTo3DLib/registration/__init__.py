"""Intensity-based 2D-3D registration: from a rough pose of a CT bone to a refined one on one or more radiographs."""
