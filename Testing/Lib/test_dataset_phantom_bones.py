"""The synthetic forearm's bones: closed, apart, connected, the right size, mirrored, the same at any sampling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import label as connected

from XRayTo3DLib.dataset.phantoms import POPULATION, ForearmShape, PhantomCase, make_forearm
from XRayTo3DLib.dataset.phantoms.anatomy import make_anatomy
from XRayTo3DLib.dataset.phantoms.landmarks import ON_SURFACE
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.shape.closest_points import closest_points
from XRayTo3DLib.shape.meshes import boundary_edges, enclosed_volume, points_of
from XRayTo3DLib.shape.surfaces import field_text


@pytest.fixture(scope="module")
def case() -> PhantomCase:
    return make_forearm(spacing=1.0, mesh_spacing=0.6)


def volume_of(case: PhantomCase, bone: str) -> float:
    """Labelled volume in ml."""
    return float(case.ct.label_mask(bone).sum() * np.prod(case.ct.spacing) / 1000)


@pytest.mark.parametrize("bone", ["radius", "ulna", "carpals"])
def test_meshes_are_closed_outward_and_marked_synthetic(case: PhantomCase, bone: str) -> None:
    mesh = case.meshes[bone]
    assert len(boundary_edges(mesh)) == 0
    assert enclosed_volume(mesh) > 0  # negative if the triangles faced inwards
    assert field_text(mesh, "synthetic") == "true"


def test_volumes_are_those_of_a_forearm(case: PhantomCase) -> None:
    volumes = {bone: enclosed_volume(mesh) / 1000 for bone, mesh in case.meshes.items()}
    assert 20 < volumes["radius"] < 36
    assert 9 < volumes["ulna"] < 18
    assert 20 < volumes["carpals"] < 45


@pytest.mark.parametrize("bone", ["radius", "ulna"])
def test_labels_are_one_piece_and_agree_with_the_mesh(case: PhantomCase, bone: str) -> None:
    assert connected(case.ct.label_mask(bone))[1] == 1
    assert volume_of(case, bone) == pytest.approx(enclosed_volume(case.meshes[bone]) / 1000, rel=0.015)
    centre = case.ct.mask_centre(case.ct.label_mask(bone))
    points = points_of(case.meshes[bone])
    assert np.all(points.min(axis=0) < centre) and np.all(centre < points.max(axis=0))


def test_mesh_vertices_lie_on_the_edge_of_the_labels(case: PhantomCase) -> None:
    mask = case.ct.label_mask("radius")
    voxels = case.ct.voxel_points(np.argwhere(mask)[:, ::-1])
    closest = closest_points(case.meshes["radius"], voxels)
    deepest = voxels[np.argmax(closest.distances)]
    assert closest.distances.max() > 5  # the middle of the metaphysis
    assert -40 < deepest[2] < 5
    rim = mask & ~np.roll(mask, 1, axis=2)
    edge = case.ct.voxel_points(np.argwhere(rim)[:, ::-1])
    assert closest_points(case.meshes["radius"], edge).distances.max() < 1.01  # one voxel


def test_the_texture_follows_the_seed_and_the_shape_does_not() -> None:
    first, again, other = (make_forearm(spacing=2.0, mesh_spacing=1.5, length_mm=60, seed=seed) for seed in (3, 3, 4))
    assert np.array_equal(first.ct.hu, again.ct.hu)
    assert not np.array_equal(first.ct.hu, other.ct.hu)
    assert np.array_equal(first.ct.labels, other.ct.labels)
    assert np.array_equal(points_of(first.meshes["radius"]), points_of(other.meshes["radius"]))


def test_volume_does_not_depend_on_the_spacing(case: PhantomCase) -> None:
    for spacing in (0.7, (1.2, 0.8, 1.5)):
        finer = make_forearm(spacing=spacing, mesh_spacing=1.5, soft_tissue=False, carpals=False)
        for bone in ("radius", "ulna"):
            assert volume_of(finer, bone) == pytest.approx(volume_of(case, bone), rel=0.02)


def test_left_is_right_mirrored() -> None:
    right, left = (make_forearm(ForearmShape(side=side), spacing=1.5, mesh_spacing=1.2) for side in ("right", "left"))
    flip = np.array([-1.0, 1.0, 1.0])
    for name, point in right.landmarks.items():
        assert left.landmarks[name] == pytest.approx(point * flip, abs=1.3), name
    assert right.landmarks["radial styloid tip"][0] > 0 > left.landmarks["radial styloid tip"][0]
    assert right.landmarks["ulnar head centre"][0] < 0 < left.landmarks["ulnar head centre"][0]
    assert volume_of(left, "radius") == pytest.approx(volume_of(right, "radius"), rel=0.01)
    assert np.array_equal(left.ct.hu[:, :, ::-1], right.ct.hu)
    assert len(boundary_edges(left.meshes["radius"])) == 0 and enclosed_volume(left.meshes["radius"]) > 0


def test_landmarks_lie_on_the_bones_where_their_names_say(case: PhantomCase) -> None:
    marks = case.landmarks
    for name in ON_SURFACE:
        bone = "ulna" if name.startswith("ulnar") else "radius"
        assert closest_points(case.meshes[bone], marks[name][None]).distances[0] < 0.5, name
    assert marks["volar rim"][1] < -5 < 5 < marks["dorsal rim"][1]
    assert marks["Lister's tubercle"][1] > marks["dorsal rim"][1]  # stands out dorsally
    assert 0 < marks["Lister's tubercle"][0] < 6  # slightly radial of the middle
    assert marks["radial styloid tip"][2] > marks["ulnar styloid tip"][2]
    assert marks["volar sigmoid notch"][1] < marks["ulnar head centre"][1] < marks["dorsal sigmoid notch"][1]
    assert marks["radial shaft proximal"][2] < marks["radial shaft distal"][2] < 0


@given(data=st.data())
@settings(max_examples=8, deadline=None, derandomize=True)
def test_no_shape_makes_bones_touch(data: st.DataObject) -> None:
    """Any person the sampler can draw, at the extremes of every parameter."""
    values = {
        name: data.draw(st.sampled_from([-2.0, 0.0, 2.0]), label=name) * parameter.sd + parameter.mean
        for name, parameter in POPULATION.items()
    }
    anatomy = make_anatomy(ForearmShape(**values), 80.0, True)
    x = np.arange(-45.0, 45.0, 1.5)[None, None, :]
    y = np.arange(-30.0, 30.0, 1.5)[None, :, None]
    z = np.arange(-80.0, 58.0, 2.0)[:, None, None]
    inside = sum((part.field(x, y, z) < 0).astype(int) for part in anatomy.parts)
    assert inside.max() == 1
    head = anatomy.ulna.head
    assert anatomy.ulna(*head) < 0 < anatomy.radius(*head)


def test_ulnar_head_fits_the_sigmoid_notch(case: PhantomCase) -> None:
    """The joint space is narrow in the middle of the notch and opens only towards its ends."""
    head, volar = case.landmarks["ulnar head centre"], case.landmarks["volar sigmoid notch"]
    dorsal = case.landmarks["dorsal sigmoid notch"]
    ulna = points_of(case.meshes["ulna"])
    seat = ulna[np.abs(ulna[:, 2] - head[2]) < 1.5]
    facing = seat[(seat[:, 0] > head[0] + 4) & (seat[:, 1] > volar[1] + 3) & (seat[:, 1] < dorsal[1] - 3)]
    gaps = closest_points(case.meshes["radius"], facing).distances
    assert gaps.min() > 1.2 and np.median(gaps) < 2.8 and gaps.max() < 4.5


@pytest.mark.parametrize(
    ("change", "message"),
    [({"side": "middle"}, "right or left"), ({"sex": "x"}, "female"), ({"volar_tilt": 60.0}, "outside")],
)
def test_impossible_people_are_refused(change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ForearmShape(**change)


@pytest.mark.parametrize("options", [{"spacing": 0.0}, {"spacing": (1, 1, 9)}, {"length_mm": 20}])
def test_impossible_grids_are_refused(options: dict) -> None:
    with pytest.raises(InputError):
        make_forearm(**options)
