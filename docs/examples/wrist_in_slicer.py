"""The module's whole way from a script, on SYNTHETIC bones: register, review, reconstruct, evaluate, export.

    Slicer --no-main-window --python-script wrist_in_slicer.py -- results

or in Slicer's Python console: ``exec(open("wrist_in_slicer.py").read())`` (writes into the folder "XRayTo3D-example" of
your own folder). It takes about a minute on two processor cores.
"""

import sys
from pathlib import Path

import slicer

from XRayTo3D import XRayTo3DLogic


def whole_way(folder: Path) -> dict:
    """Do it all; returns the figures, and writes what was made into ``folder``."""
    logic = XRayTo3DLogic()
    figures = {}

    # 1 and 2: a CT and two radiographs of it in another pose; the radius is registered to both.
    ct, segmentation, *views = logic.loadExample()
    logic.centreInBeams(ct, segmentation, "radius")
    pose = logic.register(ct, segmentation, ["radius"], views)
    record = logic.registration(pose)
    figures["verdict"] = record["verdict"]
    logic.reviewRegistration(pose, "accepted", "the outlines lie on the bone in both views", "physicist")
    logic.saveRegistration(pose, folder / "registration")

    # 5: a knee from two radiographs. The joint is marked on them; a script may as well give origins=[(c, r), (c, r)].
    from XRayTo3DGui.reconstruct.request import originPixel

    front, side, *truths = logic.loadKneeExample()
    origins = [originPixel(node) for node in (front, side)]
    result = logic.reconstruct("knee-ap-lat-demo", [front, side], "right", origins, refine=False)
    logic.exportReconstruction(result, folder / "bones", "STL surfaces")

    # 6: each bone against the truth.
    for bone, truth in zip(bones_of(result), truths, strict=True):
        comparison = logic.evaluate(truth, bone)
        figures[bone.GetName()] = round(comparison.area.assd, 2)
    logic.exportEvaluation(comparison, folder / "evaluation")
    slicer.util.saveScene(str(folder / "example.mrb"))
    return figures


def bones_of(result) -> list:
    """The model nodes of a reconstruction, in the model's order."""
    from XRayTo3DGui.reconstruct import nodes

    return nodes.parts(result, nodes.BONE)


if __name__ in ("__main__", "__builtin__", "builtins"):
    after = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else []
    chosen = Path(after[0]) if after else Path.home() / "XRayTo3D-example"
    chosen.mkdir(parents=True, exist_ok=True)
    sys.stdout.write("".join(f"{name}: {value}\n" for name, value in whole_way(chosen).items()))
    if after:
        slicer.util.exit()
