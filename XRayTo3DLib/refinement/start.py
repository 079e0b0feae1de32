"""Where a refinement starts: any method's meshes, brought to the models' poses and shapes."""

from __future__ import annotations

from collections.abc import Mapping

from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.refinement.options import Anatomy, Placed
from XRayTo3DLib.shape.meshes import points_of, triangles_of, vertex_normals
from XRayTo3DLib.shape.model_fitting import FitOptions, fit_shape_model
from XRayTo3DLib.shape.shape_intensity_model import ShapeIntensityModel

FIT = FitOptions(prior=0.02, direction="both", points=800, iterations=20, steps=8, robust_mm=3.0)
"""Towards the surface as it is; the prior keeps what an open or noisy mesh does not say."""


def start_from(anatomy: Anatomy, meshes: Mapping[str, vtkPolyData]) -> dict[str, Placed]:
    """Pose and shape of each bone's model nearest to a mesh.

    Args:
        anatomy: The bones.
        meshes: By bone, mm, in the reconstruction frame; may be open; bones that are missing start as they usually are.

    Raises:
        InputError: A mesh of a bone that the anatomy does not have, or one without surface.
    """
    unknown = sorted(set(meshes) - set(anatomy.models))
    if unknown:
        raise InputError(f"refinement: there is no model of {unknown[0]}; the models are {', '.join(anatomy.models)}.")
    return {name: _placed(anatomy, name, mesh) for name, mesh in meshes.items()}


def _placed(anatomy: Anatomy, name: str, mesh: vtkPolyData) -> Placed:
    if mesh.GetNumberOfPolys() == 0:
        raise InputError(f"refinement: the mesh of {name} has no surface; leave it out or reconstruct again.")
    model = anatomy.models[name]
    if not isinstance(model, ShapeIntensityModel):
        raise InputError(f"refinement: the model of {name} has no vertices of its own; it cannot start from a mesh.")
    points = points_of(mesh)
    normals = vertex_normals(points, triangles_of(mesh))
    fitted = fit_shape_model(model.shape, points, FIT, anatomy.usual[name], normals=normals)
    return Placed(fitted.pose, fitted.theta)
