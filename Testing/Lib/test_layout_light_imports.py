"""What Slicer loads at start imports nothing heavy. Standard library only: a Slicer build runs this file too."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import unittest
from pathlib import Path

HEAVY = ("torch", "torchvision", "matplotlib", "skimage", "lightning", "monai")
STARTUP_ROOMS = ("geometry", "imaging", "shape", "evaluation")

PROGRAM = """
import importlib, sys
for name in sys.argv[2:]:
    importlib.import_module(name)
print(",".join(name for name in sys.argv[1].split(",") if name in sys.modules))
"""


def library_folder() -> Path:
    """The folder of the package XRayTo3DLib that this Python imports."""
    spec = importlib.util.find_spec("XRayTo3DLib")
    if spec is None or spec.origin is None:
        raise AssertionError("XRayTo3DLib cannot be imported: it is not installed beside the module.")
    return Path(spec.origin).parent


def modules_of(room: str) -> list[str]:
    """Dotted names of every module of ``room``."""
    library = library_folder()
    paths = sorted((library / room).rglob("*.py"))
    names = (".".join(path.relative_to(library.parent).with_suffix("").parts) for path in paths)
    return [name.removesuffix(".__init__") for name in names]


def heavy_after_importing(*names: str) -> list[str]:
    """Which of HEAVY a fresh Python has loaded after importing ``names``."""
    environment = {**os.environ, "PYTHONPATH": str(library_folder().parent)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, ",".join(HEAVY), *names], capture_output=True, text=True, env=environment
    )
    if done.returncode:
        raise AssertionError(f"importing {', '.join(names)} failed:\n{done.stderr}")
    return [name for name in done.stdout.strip().split(",") if name]


class LightImportsTest(unittest.TestCase):
    """Slicer must start quickly, and without PyTorch installed."""

    def test_the_package_itself_is_light(self) -> None:
        self.assertEqual(heavy_after_importing("XRayTo3DLib", "XRayTo3DLib.errors", "XRayTo3DLib.files"), [])

    def test_the_rooms_loaded_at_start_are_light(self) -> None:
        for room in STARTUP_ROOMS:
            with self.subTest(room=room):
                names = modules_of(room)
                self.assertIn(f"XRayTo3DLib.{room}", names)
                self.assertEqual(heavy_after_importing(*names), [])

    def test_a_heavy_import_would_be_seen(self) -> None:
        probe = next(name for name in ("matplotlib", "skimage", "json") if importlib.util.find_spec(name))
        program = PROGRAM.replace("sys.argv[1]", repr(probe))
        done = subprocess.run([sys.executable, "-c", program, "", probe], capture_output=True, text=True, check=True)
        self.assertEqual(done.stdout.strip(), probe)


if __name__ == "__main__":
    unittest.main()
