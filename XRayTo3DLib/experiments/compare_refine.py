"""A method of a comparison and what refinement makes of its bones: the radiographs as they are, the same cameras."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.experiments.compare_conditions import TISSUE, TRANSLATED
from XRayTo3DLib.experiments.compare_trials import Asked, TrialSet
from XRayTo3DLib.methods.reconstruct import GridReconstructor
from XRayTo3DLib.methods.refiner import METHOD, Refiner
from XRayTo3DLib.refinement.options import View
from XRayTo3DLib.shape.meshes import make_surface

MARK = f" + {METHOD}"
"""What a row's name ends with."""
NO_PLACE = "refinement must be told where the limb lies, and this method is not"


def why_not_refined(labels: Sequence[str], bundle_labels: Sequence[str]) -> str:
    """Why bones cannot be refined with a bundle's models; empty if they can."""
    if tuple(labels) == tuple(bundle_labels):
        return ""
    return f"the shape models are of other bones ({', '.join(bundle_labels)})"


class RefinedMethod:
    """Refines whatever a method made of a person.

    Args:
        model: A bundle of shape and intensity models.
        trials: Where the radiographs are that translators made their pictures of.
    """

    def __init__(self, model: GridReconstructor, trials: TrialSet) -> None:
        self._refiner, self._trials = Refiner(model), trials
        self.refused: list[str] = []
        """Why somebody could not be refined, one sentence each; their bones stay as the method has them."""

    def bones(
        self, meshes: Mapping[str, vtkPolyData], missing: Sequence[str], asked: Asked, number: int
    ) -> tuple[dict[str, vtkPolyData], tuple[str, ...]]:
        """A person's bones in the frame, mm, and those that are lost.

        Args:
            meshes: The method's.
            missing: Bones that it lost; they are begun where such bones usually lie.
            asked: The condition.
            number: Of the person.
        """
        shown = self._trials.asked[TISSUE] if asked.condition.family == TRANSLATED else asked
        views = [
            View(image, camera, name=f"view {place + 1}")
            for place, (image, camera) in enumerate(zip(shown.images[number], shown.cameras, strict=True))
        ]
        start = {bone: mesh for bone, mesh in meshes.items() if bone not in missing and mesh.GetNumberOfPolys() > 0}
        try:
            found = self._refiner.refine(views, start)
        except InputError as error:
            self.refused.append(str(error))
            return dict(meshes), tuple(missing)
        return {bone: make_surface(each.points, each.triangles) for bone, each in found.bones.items()}, ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader should know."""
        if not self.refused:
            return ()
        return (
            f"{len(self.refused)} reconstructions could not be refined and are the method's own: {self.refused[0]}",
        )
