"""What the host needs on this machine, checked without risk: opening a window without OpenGL is a crash."""

from __future__ import annotations

import ctypes
import importlib.util
import os

PIP_PACKAGES = {"slicer": "slicer-core==5.12.4.0", "PySide6": "PySide6-Essentials"}
APT_PACKAGES = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libfontconfig.so.1": "libfontconfig1",
    "libdbus-1.so.3": "libdbus-1-3",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libbrotlidec.so.1": "libbrotli1",
}
EGL_WINDOW = "vtkEGLRenderWindow"
ALL_APT_PACKAGES = (
    "libegl1 libgl1 libgl1-mesa-dri libglib2.0-0 libfontconfig1 libdbus-1-3 libxkbcommon0 libbrotli1 fonts-dejavu-core"
)


class HostUnavailable(RuntimeError):
    """The host can't run on this machine; the message says what to install."""


def set_environment() -> None:
    """Choose offscreen Qt and VTK windows unless the user chose others. Call before Qt or VTK open a window."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", EGL_WINDOW)


def missing() -> str:
    """Say in one sentence what is missing and how to install it; empty when the host can run."""
    wheels = [wheel for name, wheel in PIP_PACKAGES.items() if importlib.util.find_spec(name) is None]
    if wheels:
        return f"the Slicer test host needs: pip install {' '.join(wheels)}"
    packages = sorted({package for name, package in APT_PACKAGES.items() if not _loads(name)})
    if packages:
        return f"missing system libraries ({' '.join(packages)}): apt-get install {ALL_APT_PACKAGES}"
    uses_egl = os.environ.get("VTK_DEFAULT_OPENGL_WINDOW", EGL_WINDOW) == EGL_WINDOW
    if uses_egl and _egl_device_count() < 1:
        return f"no OpenGL driver found through EGL (libgl1-mesa-dri): apt-get install {ALL_APT_PACKAGES}"
    return ""


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _egl_device_count() -> int:
    """Devices EGL offers; 0 without a driver, where VTK's first window would be a segmentation fault."""
    egl = ctypes.CDLL("libEGL.so.1")
    egl.eglGetProcAddress.restype = ctypes.c_void_p
    address = egl.eglGetProcAddress(b"eglQueryDevicesEXT")
    if not address:
        return 0
    query = ctypes.CFUNCTYPE(ctypes.c_uint, ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_int))(address)
    count = ctypes.c_int(0)
    return count.value if query(0, None, ctypes.byref(count)) else 0
