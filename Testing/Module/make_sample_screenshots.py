"""Pictures of the samples for Slicer's Sample Data module: 260 x 280 pixels, SYNTHETIC.

Run: ``python Testing/Module/make_sample_screenshots.py`` (writes XRayTo3D/Resources/Icons/Sample*.png).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
ICONS = REPOSITORY / "XRayTo3D" / "Resources" / "Icons"
sys.path[:0] = [str(REPOSITORY / "Testing" / "Host"), str(Path(__file__).parent)]
SIZE, LARGER = (260, 280), 3


def main(_folder: Path | None = None) -> None:
    import slicerhost

    slicerhost.boot()
    import slicer
    from slicerhost import modules

    module = modules.load_module(REPOSITORY / "XRayTo3D" / "XRayTo3D.py")
    widget = modules.make_module_widget(module)
    modules.enter_module(widget)
    widget.logic.loadExample()
    widget.registration.onBoneModel()
    radiograph(widget, "SampleWrist.png")
    slicer.mrmlScene.Clear()
    widget.logic.loadKneeExample()
    radiograph(widget, "SampleKnee.png")
    slicer.mrmlScene.Clear()
    from module_cases import wait_until

    reference, _result = widget.logic.loadBonePair()
    reference.GetDisplayNode().SetVisibility(False)
    widget.evaluation.ui.evaluationMeasureButton.click()
    wait_until(lambda: not widget.evaluation.run.running)
    settle()
    three_d("SampleRadius.png")


def settle() -> None:
    from module_cases import settle as wait

    wait(0.5)


def radiograph(widget: Any, name: str) -> None:
    """The first radiograph, as the slice view shows it."""
    from PIL import Image

    from XRayTo3DGui.scene import mrml_radiographs

    node = mrml_radiographs.radiographNodes()[0]
    pixels = mrml_radiographs.radiographFromNode(node).pixels
    low, high = (float(each) for each in (pixels.min(), pixels.max()))
    picture = Image.fromarray(((pixels - low) / (high - low) * 255).clip(0, 255).astype("uint8"))
    save(picture.convert("RGB"), name)


def three_d(name: str) -> None:
    """The bone with its colours, alone in the 3D view."""
    import slicer
    from PIL import Image
    from slicerhost import screenshots

    for view in slicer.util.getNodesByClass("vtkMRMLViewNode"):
        view.SetBoxVisible(False)
        view.SetAxisLabelsVisible(False)
    manager = slicer.app.layoutManager()
    manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutOneUp3DView)
    settle()
    path = ICONS / name
    for _ in range(2):
        screenshots.capture(path, None, size=(SIZE[0] * LARGER, SIZE[1] * LARGER))
        threeD = manager.threeDWidget(0).threeDView()
        threeD.resetFocalPoint()
        threeD.resetCamera()
        settle()
    with Image.open(path) as picture:
        save(picture.convert("RGB").crop((8, 40, picture.width - 8, picture.height - 8)), name)


def save(picture: Any, name: str) -> None:
    """Cut to the form, from the middle, and made small."""
    from PIL import ImageOps

    ImageOps.fit(picture, SIZE).save(ICONS / name, optimize=True)
    print(f"{name}: {(ICONS / name).stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
