"""Picture of the scene that `xrayto3d demo` leaves, opened by Slicer's own reader: radiographs, bone and colour map.

python Testing/Module/make_demo_screenshot.py demo-output/wrist-1/scene/wrist-1.mrb [scene_demo.png]
"""

from __future__ import annotations

import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "Testing" / "Host"))


def main() -> None:
    import slicerhost

    app = slicerhost.boot()
    import slicer
    from slicerhost.screenshots import capture

    scene = Path(sys.argv[1]).resolve()
    picture = Path(sys.argv[2]) if len(sys.argv) > 2 else REPOSITORY / "Resources/Screenshots/scene_demo.png"
    slicer.util.loadScene(str(scene), {"clear": True})
    app.processEvents()
    capture(picture, None, size=(1500, 950))
    print(f"wrote {picture}")


if __name__ == "__main__":
    main()
