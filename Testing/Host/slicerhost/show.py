"""``python -m slicerhost.show [module.py]``: the module in a window, for a developer with a screen."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
WINDOW_SIZE = (1600, 1000)


def main() -> int:
    """Open the window and run until it is closed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("module", nargs="?", type=Path, default=REPOSITORY / "XRayTo3D" / "XRayTo3D.py")
    parser.add_argument("--load", nargs="*", default=[], help="files to load first")
    arguments = parser.parse_args()
    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or os.name == "nt":
        os.environ.setdefault("QT_QPA_PLATFORM", "")
    import slicerhost

    app = slicerhost.boot(testing=False)
    window = make_window(arguments.module, arguments.load)
    window.show()
    return app.exec_()


def make_window(module_file: Path, files: list[str]) -> object:
    """Panel on the left, the views of the current layout on the right, kept up to date."""
    import slicer
    from PySide6 import QtWidgets

    from slicerhost import modules, screenshots
    from slicerhost.panes import layout_widget

    for name in files:
        slicer.util.loadNodeFromFile(name, slicer.app.ioManager().fileType(name), {})
    widget = modules.make_module_widget(modules.load_module(module_file))
    modules.enter_module(widget)
    window = QtWidgets.QSplitter()
    panel = QtWidgets.QWidget()
    screenshots.add_panel(QtWidgets.QHBoxLayout(panel), widget.parent, screenshots.PANEL_WIDTH)
    window.addWidget(panel)
    window.addWidget(layout_widget())
    manager = slicer.app.layoutManager()
    manager.connect("layoutChanged(int)", lambda *_: window.replaceWidget(1, layout_widget()))
    window.resize(*WINDOW_SIZE)
    window.setWindowTitle(f"Slicer test host: {module_file.stem}")
    return window


if __name__ == "__main__":
    raise SystemExit(main())
