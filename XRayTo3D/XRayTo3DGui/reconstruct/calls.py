"""What section 5 does, for scripts: bones from radiographs with a model. Each method is one of ``XRayTo3DLogic``."""

from __future__ import annotations

from pathlib import Path
from typing import Any


class ReconstructCalls:
    """What section 5 does, for scripts: bones from radiographs with a model."""

    def reconstruct(
        self,
        model: str | Path,
        radiographs: list[Any],
        side: str = "",
        origins: list[tuple[float, float]] | None = None,
        frameTransform: Any = None,
        **options: Any,
    ) -> Any:
        """Make bones of radiographs with a model bundle, as section 5 does; waits, while Slicer goes on drawing.

        Args:
            model: The bundle's folder, or the name of one that comes with XRayTo3D.
            radiographs: Volume nodes of section 1, in the order of the model's views.
            side: "right" or "left"; "" for a model that finds the limb by itself (dual-face depth).
            origins: (column, row) of the joint's middle in each radiograph, pixels from 0.
            frameTransform: Instead of ``origins``: the transform node that moves the limb's frame to its place.
            **options: ``objectDetector`` (mm, one view), ``up`` (columns, rows), ``translation`` (a bundle), ``refine``
                (True: where shape models of the bones are installed), ``uncalibrated`` (False; shape models alone),
                ``caseName`` (folder of the subject hierarchy).

        Returns:
            The text node that holds reconstruction.json; ``XRayTo3DGui.reconstruct.nodes.parts`` gives its bones.

        Raises:
            InputError: Something cannot be used; the sentence says what.
        """
        from XRayTo3DGui.reconstruct import script

        options.setdefault("caseName", self.getParameterNode().caseName)
        request = script.requestOf(model, radiographs, side, origins, frameTransform, **options)
        return script.run(request)

    def exportReconstruction(self, result: Any, folder: str | Path, kind: str = "STL surfaces") -> list[Path]:
        """Write a reconstruction's bones (LPS mm) and reconstruction.json into a folder; returns the files.

        Args:
            result: What :meth:`reconstruct` returned.
            folder: Made where missing.
            kind: One of ``XRayTo3DGui.parameters.EXPORTS``.
        """
        from XRayTo3DGui.reconstruct.export import exportResult

        return exportResult(result, Path(folder), kind)
