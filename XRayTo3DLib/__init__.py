"""XRayTo3D: from one or two plain radiographs to patient-specific 3D bones. Research use only.

The library thinks in LPS millimetres; arrays are [slice, row, column], points are (x, y, z).
Nothing heavy is imported here: every room (geometry, imaging, projection, ...) is imported by name.
"""

__version__ = "0.1.0"
