"""Radiographs with outlined bones: an accepted registration places the frame, or nothing does."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from XRayTo3DLib.dataset.canonical_view import frame_matrix
from XRayTo3DLib.dataset.dataset_folder import DatasetFolder
from XRayTo3DLib.dataset.prepared import truth_meshes
from XRayTo3DLib.dataset.segmented_views import segmented_views
from XRayTo3DLib.dataset.view_pairs import read_pair
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.volume_measures import dice
from XRayTo3DLib.projection.silhouette import mesh_silhouette
from XRayTo3DLib.shape.meshes import points_of, transformed, triangles_of


@pytest.fixture
def registered(wrists: Path, tmp_path: Path) -> DatasetFolder:
    """The wrists with masks of one bone's shadow where their registrations say it is."""
    folder = shutil.copytree(wrists, tmp_path / "wrists")
    opened = DatasetFolder.open(folder)
    for case in opened.cases("test"):
        pair = read_pair(case, "PA")
        to_world = frame_matrix(pair.frame_to_world, pair.case.frame.mirrored)
        bone = transformed(truth_meshes(case)["radius"], to_world)
        image = Image.fromarray(mesh_silhouette(pair.radiograph.camera, points_of(bone), triangles_of(bone)))
        image.save(case.folder / "views" / "pa" / "mask_radius.png")
    return opened


def test_a_registration_places_the_frame(registered: DatasetFolder) -> None:
    """Left wrists are mirrored; the bones in the frame throw the shadow that was outlined in the radiograph's world."""
    cases = registered.cases("test")
    assert {case.side for case in cases} == {"left", "right"}
    for case in cases:
        (view,) = segmented_views(case)
        bone = truth_meshes(case)["radius"]
        drawn = mesh_silhouette(view.radiograph.camera, points_of(bone), triangles_of(bone))
        assert dice(drawn, view.masks["radius"]) > 0.99
        drr = read_pair(case, "PA").drr
        assert (drr[drawn] > 0.02 * drr.max()).mean() > 0.9  # the CT's bones are there too


def test_what_does_not_place_the_frame_is_refused(registered: DatasetFolder) -> None:
    case = registered.cases("test")[0]
    place = case.folder / "views" / "pa"
    text = (place / "registration.json").read_text()
    (place / "registration.json").write_text(text.replace("accepted", "rejected"))
    with pytest.raises(InputError, match=f"{case.id}: the registration of view PA is rejected"):
        segmented_views(case)
    (place / "registration.json").write_text(text)
    (place / "camera.json").rename(place / "kept.json")
    with pytest.raises(InputError, match="camera"):
        segmented_views(case)
    (place / "kept.json").rename(place / "camera.json")
    (case.folder / "ct.nrrd").unlink()
    with pytest.raises(InputError, match=r"no CT that it places; add frame\.tfm"):
        segmented_views(case)
