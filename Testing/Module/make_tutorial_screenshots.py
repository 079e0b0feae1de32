"""The tutorial's pictures: the page is walked, and each picture in it is taken where it stands. SYNTHETIC.

Run: ``python Testing/Module/make_tutorial_screenshots.py [folder]`` (default: Resources/Screenshots).
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "docs" / "tutorial.md"
sys.path[:0] = [str(REPOSITORY / "Testing" / "Host"), str(Path(__file__).parent)]
SIZE = (1366, 768)
PICTURE = re.compile(r"^!\[[^\]]*\]\(\S*/(tutorial_\w+\.png)\)", re.MULTILINE)


def main(folder: Path) -> None:
    import slicerhost

    slicerhost.boot()
    from slicerhost import modules

    module = modules.load_module(REPOSITORY / "XRayTo3D" / "XRayTo3D.py")
    widget = modules.make_module_widget(module)
    modules.enter_module(widget)
    import panel_audit as audit
    from tutorial_walker import Walker, steps_of

    walker, start, text = Walker(widget), 0, PAGE.read_text(encoding="utf-8")
    for picture in [*PICTURE.finditer(text), None]:
        end = picture.start() if picture is not None else len(text)
        with audit.shown(widget.parent):
            for step in steps_of(text[start:end]):
                for sentence in step:
                    walker.do(sentence)
        start = end
        if picture is not None:
            shoot(folder / picture.group(1), widget)


def shoot(path: Path, widget: Any) -> None:
    """Panel and views, twice: the views have their sizes after the first. The open section's result is in sight."""
    import slicer
    from module_cases import settle
    from slicerhost import screenshots

    for view in slicer.util.getNodesByClass("vtkMRMLViewNode"):
        view.SetBoxVisible(False)
        view.SetAxisLabelsVisible(False)
    for _ in range(2):
        screenshots.capture(path, widget, size=SIZE, panel_width=400, scroll_to=lowest(widget))
        settle(0.4)
    print(f"{path.name}: {path.stat().st_size // 1000} kB")


def lowest(widget: Any) -> Any:
    """What the open section shows last: its result."""
    names = {"registration": "reviewLabel", "reconstruct": "exportButton", "evaluation": "evaluationTablesButton"}
    for name, label in names.items():
        if not getattr(widget.ui, f"{name}Section").collapsed:
            return getattr(getattr(widget, name).ui, label, None)
    return None


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORY / "Resources" / "Screenshots")
