"""Prepared cases against libigl, the CT's own mass, the mirrored person and the same bones in soft tissue."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import igl
import numpy as np
import pytest
import SimpleITK as sitk
from safetensors.numpy import save_file
from scipy.ndimage import map_coordinates

from XRayTo3DLib.dataset.case import write_case
from XRayTo3DLib.dataset.dataset_folder import CaseEntry, DatasetCase, DatasetFolder, write_dataset_json
from XRayTo3DLib.dataset.landmarks_file import read_landmarks, write_landmarks
from XRayTo3DLib.dataset.phantoms import ForearmShape, make_forearm
from XRayTo3DLib.dataset.prepared import Preparation, PreparedCase, prepare, truth_meshes
from XRayTo3DLib.dataset.prepared_files import PreparedCases, prepare_all, prepared_file, read_prepared
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files.described_arrays import stored_key
from XRayTo3DLib.geometry.anatomical_frame import WRIST_LANDMARKS
from XRayTo3DLib.geometry.frames import apply_matrix
from XRayTo3DLib.imaging.attenuation import hu_to_attenuation
from XRayTo3DLib.imaging.ct_reader import read_ct
from XRayTo3DLib.imaging.ct_writer import write_labels
from XRayTo3DLib.shape.meshes import points_of, triangles_of

PEOPLE = {"right": ("right", False), "left": ("left", False), "limb": ("right", True)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One person three times: right, mirrored to left, and within a whole limb."""
    place = tmp_path_factory.mktemp("dataset")
    for name, (side, tissue) in PEOPLE.items():
        case = make_forearm(
            ForearmShape(side=side),
            spacing=1.0,
            length_mm=60,
            soft_tissue=tissue,
            carpals=tissue,
            mesh_spacing=1.0,
            name=name,
        )
        write_case(case, place / "cases" / name)
    entries = [CaseEntry(name, name, "train", side) for name, (side, _) in PEOPLE.items()]
    about = {"anatomy": "distal forearm", "labels": ["radius", "ulna"], "landmarks": list(WRIST_LANDMARKS)}
    about |= {"frame": "wrist", "synthetic": True, "provenance": "test", "licence": "none"}
    write_dataset_json(place, entries, about)
    return place


@pytest.fixture(scope="module")
def cases(folder: Path) -> dict[str, DatasetCase]:
    return {case.id: case for case in DatasetFolder.open(folder).cases()}


@pytest.fixture(scope="module")
def prepared(cases: dict[str, DatasetCase]) -> dict[str, PreparedCase]:
    return {name: prepare(case) for name, case in cases.items()}


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> DatasetCase:
    """The right wrist in a folder that a test may spoil."""
    shutil.copytree(folder, tmp_path / "copy", ignore=shutil.ignore_patterns("left", "limb", "prepared"))
    case = DatasetFolder.open(folder).case("right")
    return replace(case, folder=tmp_path / "copy" / "cases" / "right")


def test_distances_are_those_of_libigl(prepared: dict[str, PreparedCase], cases: dict[str, DatasetCase]) -> None:
    case = prepared["left"]
    z, y, x = np.meshgrid(*(np.arange(n) for n in case.mu.shape), indexing="ij")
    points = apply_matrix(case.voxel_to_frame, np.stack([x, y, z], axis=-1)).reshape(-1, 3)
    chosen = np.random.default_rng(0).choice(len(points), 6000, replace=False)
    for label, surface in truth_meshes(cases["left"]).items():
        peer = igl.signed_distance(points[chosen], points_of(surface), triangles_of(surface))[0]
        found = case.distances[case.labels.index(label)].astype(float).ravel()[chosen]
        assert np.abs(found - np.clip(peer, -6, 6)).max() < 0.1
        assert np.abs(found - peer)[np.abs(peer) < 2].max() < 0.002  # float16


def test_the_mass_is_that_of_ever_finer_voxels(prepared: dict[str, PreparedCase]) -> None:
    masses = []
    for spacing in (1.0, 0.5):
        person = make_forearm(spacing=spacing, length_mm=60, soft_tissue=False, carpals=False, mesh_spacing=3.0)
        masses.append(hu_to_attenuation(person.ct.hu, energy_kev=38.0)[0].sum() * spacing**3)
    # Voxels half in air lose attenuation in proportion to their size: the straight line through both, at size 0.
    finest = 2 * masses[1] - masses[0]
    assert prepared["right"].mu.astype(float).sum() == pytest.approx(finest, rel=0.005)
    assert abs(masses[0] / finest - 1) > 0.03
    assert prepared["right"].synthetic and prepared["right"].patient == "right"


def test_a_left_wrist_is_prepared_like_its_mirror_image(prepared: dict[str, PreparedCase]) -> None:
    right, left = prepared["right"], prepared["left"]
    assert left.frame.mirrored and not right.frame.mirrored
    np.testing.assert_allclose(left.origin, right.origin)
    difference = np.abs(left.distances.astype(float) - right.distances)  # the meshes' vertices are others
    assert difference.max() < 0.25 and difference.mean() < 0.002
    assert np.corrcoef(left.mu.ravel().astype(float), right.mu.ravel().astype(float))[0, 1] > 0.98  # other texture


def test_bones_come_out_of_soft_tissue_as_they_are_in_air(prepared: dict[str, PreparedCase]) -> None:
    air, limb = prepared["right"], prepared["limb"]
    assert air.mu.shape == limb.mu.shape
    np.testing.assert_allclose(air.distances.astype(float), limb.distances, atol=0.01)
    difference = limb.mu.astype(float) - air.mu  # the trabeculae differ at random
    assert abs(difference.sum()) < 0.005 * air.mu.astype(float).sum()
    for axis in (1, 2):  # line integrals from the front and from the side
        shadow = air.mu.astype(float).sum(axis)
        assert np.abs(difference.sum(axis)).mean() < 0.015 * shadow[shadow > 0].mean()


def test_the_excess_is_the_bone_less_the_tissue_it_displaces(
    cases: dict[str, DatasetCase], prepared: dict[str, PreparedCase]
) -> None:
    case = prepare(cases["right"], Preparation(excess=True))
    deep = case.distances.min(axis=0) < -2
    tissue = float(hu_to_attenuation(np.array([40.0]), energy_kev=38.0)[0][0])
    np.testing.assert_allclose((prepared["right"].mu - case.mu)[deep].astype(float), tissue, atol=1e-4)


def test_labels_alone_give_nearly_the_same_distances(copy: DatasetCase, prepared: dict[str, PreparedCase]) -> None:
    shutil.rmtree(copy.folder / "meshes")
    found, true = prepare(copy), prepared["right"]
    corner = (true.origin - found.origin)[::-1]
    where = np.stack(np.meshgrid(*(np.arange(n) for n in true.mu.shape), indexing="ij")) + corner[:, None, None, None]
    for channel in range(2):
        theirs = map_coordinates(found.distances[channel].astype(float), where, order=0, cval=6.0)
        ours = true.distances[channel].astype(float)
        near = np.abs(ours) < 2
        assert abs((theirs - ours)[near].mean()) < 0.05
        assert np.abs(theirs - ours)[near].mean() < 0.16  # a binary map of 1 mm voxels knows no better


def test_truth_meshes_lie_on_the_zero_level(cases: dict[str, DatasetCase], prepared: dict[str, PreparedCase]) -> None:
    case = prepared["left"]
    for number, (label, surface) in enumerate(truth_meshes(cases["left"]).items()):
        assert label == case.labels[number]
        voxels = (points_of(surface) - case.origin) / case.spacing_mm
        values = map_coordinates(case.distances[number].astype(np.float32), voxels.T[::-1], order=1)
        assert np.abs(values).mean() < 0.05


def test_the_grid_covers_the_field_and_not_more(cases: dict[str, DatasetCase]) -> None:
    options = Preparation(field_mm=20.0, margin_mm=5.0)
    case = prepare(cases["right"], options)
    low = case.origin - np.array(options.centre_mm)
    high = low + np.array(case.mu.shape[::-1]) - 1
    assert low[2] == pytest.approx(-25.0, abs=1.0) and np.all(high <= 25.0 + 9.0)
    with pytest.raises(InputError, match="right.*field"):
        prepare(cases["right"], Preparation(centre_mm=(500.0, 0.0, 0.0)))


def test_files_are_kept_until_something_changes(copy: DatasetCase) -> None:
    path = prepared_file(copy)
    first = path.stat().st_mtime_ns
    assert prepared_file(copy).stat().st_mtime_ns == first
    assert path == copy.folder.parent.parent / "prepared" / "right.safetensors"
    stored, fresh = read_prepared(path), prepare(copy)
    np.testing.assert_array_equal(stored.mu, fresh.mu)
    np.testing.assert_array_equal(stored.distances, fresh.distances)
    np.testing.assert_array_equal(stored.frame.to_lps, fresh.frame.to_lps)
    assert (stored.id, stored.labels, stored.spacing_mm) == ("right", ("radius", "ulna"), 1.0)
    assert read_prepared(prepared_file(copy, Preparation(spacing_mm=2.0))).spacing_mm == 2.0
    marks = read_landmarks(copy.landmarks_path)
    write_landmarks(marks | {"articular centre": marks["articular centre"] + [0, 0, 1.0]}, copy.landmarks_path)
    moved = read_prepared(prepared_file(copy, Preparation(spacing_mm=2.0)))
    assert moved.frame.to_lps[2, 3] == pytest.approx(stored.frame.to_lps[2, 3] + 1.0)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match="damaged"):
        read_prepared(path)
    assert read_prepared(prepared_file(copy)).id == "right"


def test_all_cases_are_read_when_asked_for(folder: Path, cases: dict[str, DatasetCase]) -> None:
    coarse = Preparation(spacing_mm=3.0)
    told: list[str] = []
    all_of_them = prepare_all(folder, 1, options=coarse, report=lambda name, share: told.append(name))
    assert told == [case.id for case in all_of_them] == list(cases)
    few = PreparedCases([folder / "prepared" / f"{name}.safetensors" for name in cases], memory=0)
    assert few[0] is few[0] and few[-1].id == "limb" and few[1:][0].id == "left"
    first = few[0]
    assert few[1].id == "left" and few[0] is not first  # only one stays in memory


def spoil_nan(case: DatasetCase) -> None:
    ct = read_ct(case.folder / "ct.nrrd")
    hu = ct.hu.copy()
    hu[3, 3, 3] = np.nan
    image = sitk.ReadImage(str(case.folder / "ct.nrrd"))
    broken = sitk.GetImageFromArray(hu)
    broken.CopyInformation(image)
    sitk.WriteImage(broken, str(case.folder / "ct.nrrd"))


def spoil_labels(case: DatasetCase, empty: bool) -> None:
    ct = case.ct()
    assert ct.labels is not None
    names = ct.label_names if empty else {"radius": 1}
    spoiled = replace(ct, labels=np.where(ct.labels == 2, 0, ct.labels), label_names=names)
    write_labels(spoiled, case.folder / "labels.seg.nrrd")


def spoil_landmarks(case: DatasetCase) -> None:
    marks = {name: point + [0.0, 300.0, 0.0] for name, point in read_landmarks(case.landmarks_path).items()}
    write_landmarks(marks, case.landmarks_path)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (spoil_nan, "NaN|finite"),
        (lambda case: spoil_labels(case, True), "ulna"),
        (lambda case: spoil_labels(case, False), "ulna"),
        (lambda case: case.landmarks_path.unlink(), "landmarks"),
        (spoil_landmarks, "mm from the radius"),
        (lambda case: (case.folder / "labels.seg.nrrd").unlink(), "label map"),
        (lambda case: (case.folder / "meshes" / "ulna.vtp").write_text("nothing"), "ulna"),
    ],
)
def test_bad_input_names_the_case(copy: DatasetCase, spoil: object, message: str) -> None:
    spoil(copy)  # type: ignore[operator]
    with pytest.raises(InputError, match=f"^case right.*({message})"):
        prepare(copy)


def test_a_side_that_contradicts_the_landmarks_is_refused(cases: dict[str, DatasetCase]) -> None:
    with pytest.raises(InputError, match="right is a left wrist"):
        prepare(replace(cases["right"], side="left"))


@pytest.mark.parametrize("about", ["[" * 100_000, '{"key":' + "9" * 5000 + "}", '["key"]', '{"key": "mine"}'])
def test_a_description_that_cannot_be_read_is_that_of_an_old_file(tmp_path: Path, about: str) -> None:
    """Nested without end, or a number of 5,000 digits: tracebacks, whenever the data set was prepared."""
    save_file({"mu": np.zeros(3)}, tmp_path / "one.safetensors", metadata={"about": about})
    assert stored_key(tmp_path / "one.safetensors") == ("mine" if "mine" in about else "")
    assert stored_key(tmp_path / "missing.safetensors") == stored_key(tmp_path) == ""
