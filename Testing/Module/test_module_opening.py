"""Opening the module in a fresh host loads nothing heavy; its time: Testing/Benchmarks/bench_module_opening.py."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.host
REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.append(str(REPOSITORY / "Testing" / "Benchmarks"))


def test_opening_loads_neither_torch_nor_monai_nor_lightning(slicer_app: Any) -> None:
    """Nor anything else that takes long: a person who opens the module to look at it waits for nothing."""
    import bench_module_opening as bench

    assert {"torch", "monai", "lightning", "scipy"} <= set(bench.HEAVY)
    found = bench.opened(REPOSITORY / "XRayTo3D" / "XRayTo3D.py")
    assert found["heavy"] == []
    assert found["whole"] > found["import"] > 0


def test_what_is_heavy_would_be_seen(slicer_app: Any, tmp_path: Path) -> None:
    import bench_module_opening as bench

    module = tmp_path / "EmptyOne.py"
    module.write_text("import scipy\n" + bench.EMPTY, encoding="utf-8")
    assert bench.opened(module)["heavy"] == ["scipy"]
