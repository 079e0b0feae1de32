"""X-ray geometry: frames, rigid poses and the camera of one exposure. LPS millimetres throughout."""

from XRayTo3DLib.geometry.camera import XRayCamera
from XRayTo3DLib.geometry.pose import RigidPose

__all__ = ["RigidPose", "XRayCamera"]
