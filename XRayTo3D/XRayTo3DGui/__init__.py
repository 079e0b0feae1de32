"""Panels of the XRayTo3D module and their bridge to the scene; nothing numerical. Slicer's camelCase."""
