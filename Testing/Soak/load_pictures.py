"""The picture of the load runs: time and memory against the number of cases, memory from case to case.

Run: ``python Testing/Soak/load_pictures.py [picture]`` after the four ``soak_load_*.py``; default picture:
Resources/Screenshots/load_memory.png.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from memory_curve import Panel, draw

REPOSITORY = Path(__file__).resolve().parents[2]
FIGURES = REPOSITORY / "artifacts" / "soak" / "load"
STEPS = {"train one epoch": "train", "prepare": "prepare", "import": "import", "show": "list"}


def main() -> None:
    picture = Path(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORY / "Resources" / "Screenshots" / "load_memory.png"
    figures = Path(sys.argv[2]) if len(sys.argv) > 2 else FIGURES
    data, bones, pairs, module = (
        json.loads((figures / f"{name}.json").read_text())
        for name in ("dataset", "reconstruct", "registration", "module")
    )
    draw([*of_dataset(data), of_batch(bones, pairs), of_module(module)], picture)
    print(picture)


def of_dataset(data: dict[str, Any]) -> list[Panel]:
    sizes = data["sizes"]
    first = data["seconds"]["prepare"][0] / 8
    time = {name: (sizes, data["seconds"][step]) for step, name in STEPS.items()}
    most = {name: (sizes, data["peaks_mb"][step]) for step, name in STEPS.items()}
    return [
        Panel(
            "Time grows with the number of cases",
            "processor seconds, both axes logarithmic",
            "cases",
            "s",
            time,
            points=True,
            logarithmic=True,
            ideal=("linear", [sizes[0], sizes[-1]], [first, first * sizes[-1] / sizes[0]]),
        ),
        Panel(
            "Memory has its bounds",
            "most of a process; training keeps small cases ready, 2 GB at most",
            "cases",
            "MB",
            most,
            points=True,
        ),
    ]


def of_batch(bones: dict[str, Any], pairs: dict[str, Any]) -> Panel:
    curves = {"reconstruct": (bones["done"], bones["own_mb"]), "register": (pairs["done"], pairs["own_mb"])}
    return Panel(
        "Batches keep their memory",
        "one process each; ups and downs are Python's collections",
        "radiographs reconstructed, pairs registered",
        "MB",
        curves,
    )


def of_module(module: dict[str, Any]) -> Panel:
    names = {"case opened and closed": "case opened, closed", "registered": "registered"}
    names |= {"scene filled and closed": "scene closed"}
    curves, begun = {}, 0
    for name, own in module["own_mb"].items():
        curves[names[name]] = (list(range(begun + 1, begun + len(own) + 1)), own)
        begun += len(own)
    says = "one session on the test host, one kind of round after the other"
    return Panel("So does the module in Slicer", says, "rounds", "MB", curves)


if __name__ == "__main__":
    main()
