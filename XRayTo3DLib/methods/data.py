"""The data a system learns from: its part of a configuration, and a data set's people split and made ready."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from XRayTo3DLib.dataset.canonical_view import CanonicalView
from XRayTo3DLib.dataset.dataset_folder import DatasetCase, DatasetFolder
from XRayTo3DLib.dataset.splits import patient_folds, training_validation
from XRayTo3DLib.dataset.voxel_grid import WRIST_CENTRE_MM, VoxelGrid
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose

if TYPE_CHECKING:  # configurations are read in Slicer, which does not load torch for that
    from XRayTo3DLib.dataset.exposure_sampler import Exposures, Sample
    from XRayTo3DLib.dataset.prepared_files import PreparedCases


@dataclass(frozen=True)
class GridConfiguration:
    """Voxels of the reconstruction: a cube of ``size`` voxels of ``spacing_mm``, about ``centre_mm``."""

    size: int = 128
    spacing_mm: float = 0.625
    centre_mm: tuple[float, float, float] = WRIST_CENTRE_MM


@dataclass(frozen=True)
class ImageConfiguration:
    """Canonical images: ``size`` pixels square, ``pixel_mm`` at the grid's centre, source ``source_mm`` before it.

    Line integrals are divided by ``scale``, the same number for every image: how dark a bone is says how thick it is.

    Raises:
        InputError: A scale that is not above zero.
    """

    size: int = 256
    pixel_mm: float = 0.4
    source_mm: float = 955.0
    scale: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.scale < math.inf:
            raise InputError(f"configuration: data.image.scale must be above zero, not {self.scale:g}.")


@dataclass(frozen=True)
class PoseConfiguration:
    """How people are held, at random: rotations about x, y, z (degrees) and translations along them (mm).

    "uniform" within these limits (the paper's), or "normal" with these standard deviations.
    """

    rotation_deg: tuple[float, float, float] = (30.0, 30.0, 30.0)
    translation_mm: tuple[float, float, float] = (30.0, 30.0, 30.0)
    distribution: str = "uniform"


@dataclass(frozen=True)
class DataConfiguration:
    """What to learn from.

    Attributes:
        folder: A data set folder (``dataset.json``), relative to the configuration file.
        labels: Bones to reconstruct.
        views: Canonical views, of ``geometry.calibration.VIEWS``.
        grid: Of the reconstruction.
        image: Of the canonical images.
        pose: Of augmentation, and of the people tested.
        validation_share: Part of the training people kept for validation.
        folds: Number of patient-wise folds; 0 for the data set's own test people.
        fold: Which of them is tested.
        prerendered: Different exposures per person, shown again and again; 0 for new ones in every step.
        noise: Standard deviation of noise on the training images, in units of ``scale``.
        view_turn_deg: How far each view is swung about the limb at random in training, uniform within these limits,
            degrees: for systems that are told where the cameras really were, or are to mind less where they were.

    Raises:
        InputError: No label or no view, or noise or a number of exposures below zero.
    """

    folder: str
    labels: tuple[str, ...] = ("radius", "ulna")
    views: tuple[str, ...] = ("PA",)
    grid: GridConfiguration = field(default_factory=GridConfiguration)
    image: ImageConfiguration = field(default_factory=ImageConfiguration)
    pose: PoseConfiguration = field(default_factory=PoseConfiguration)
    validation_share: float = 0.15
    folds: int = 0
    fold: int = 0
    prerendered: int = 0
    noise: float = 0.0
    view_turn_deg: float = 0.0

    def __post_init__(self) -> None:
        if not self.labels or not self.views:
            raise InputError("configuration: data.labels and data.views must each name one or more.")
        if not 0 <= self.noise < math.inf or self.prerendered < 0:
            raise InputError("configuration: data.noise and data.prerendered must be 0 or more.")

    @property
    def voxels(self) -> VoxelGrid:
        """The grid."""
        return VoxelGrid(self.grid.size, self.grid.spacing_mm, self.grid.centre_mm)

    @property
    def canonical_views(self) -> tuple[CanonicalView, ...]:
        """The views, in their order."""
        image = self.image
        return tuple(
            CanonicalView(view, image.size, image.pixel_mm, image.source_mm, self.grid.centre_mm) for view in self.views
        )


@dataclass(frozen=True)
class Part:
    """People of one part of a split: where they lie, and prepared."""

    cases: tuple[DatasetCase, ...]
    prepared: PreparedCases

    def __len__(self) -> int:
        return len(self.cases)


@dataclass(frozen=True)
class People:
    """A data set's people, split; no patient is in two parts."""

    training: Part
    validation: Part
    test: Part
    synthetic: bool


def people_of(configuration: DataConfiguration, near: Path) -> People:
    """The data set's people, prepared and split.

    Args:
        configuration: Which data set, and how it is split.
        near: Folder that a relative ``folder`` starts from.

    Raises:
        InputError: No such data set, other bones in it, a case that cannot be prepared, or a split that leaves a part
            empty.
    """
    dataset, parts = split_cases(configuration.folder, near, configuration)
    if dataset.labels != configuration.labels:
        raise InputError(
            f"the data set's bones are {', '.join(dataset.labels)}; the configuration wants "
            f"{', '.join(configuration.labels)}: change data.labels."
        )
    training, validation, test = (_part(part) for part in parts)
    # One made-up case makes the whole made up, whatever the data set says of itself.
    synthetic = dataset.synthetic or any(part.prepared.synthetic for part in (training, validation, test))
    return People(training, validation, test, synthetic)


class Splitting(Protocol):
    """How a data set is split, see :class:`DataConfiguration`."""

    @property
    def validation_share(self) -> float: ...  # noqa: D102
    @property
    def folds(self) -> int: ...  # noqa: D102
    @property
    def fold(self) -> int: ...  # noqa: D102


Cases = tuple[DatasetCase, ...]
Data = TypeVar("Data", bound=Splitting)


def in_folder(data: Data, folder: Path) -> Data:
    """The same configuration of data (it has a ``folder``) with another data set."""
    return replace(data, folder=str(folder.absolute()))  # type: ignore[type-var]


def split_cases(folder: str, near: Path, splitting: Splitting) -> tuple[DatasetFolder, tuple[Cases, Cases, Cases]]:
    """A data set, and its cases for training, validation and test.

    Raises:
        InputError: No such data set, or a split that leaves nobody for training or validation.
    """
    dataset = DatasetFolder.open(near / folder)
    if splitting.folds:
        parts = _fold(dataset.cases(), splitting)
    else:
        training, validation = training_validation(dataset.cases("train"), splitting.validation_share)
        parts = tuple(training), tuple(validation), dataset.cases("test")
    for name, part in zip(("training", "validation"), parts, strict=False):
        if not part:
            raise InputError(f"data set {dataset.folder.name}: nobody is left for {name}; it has too few people.")
    return dataset, parts


def tested_cases(folder: Path, splitting: Splitting) -> Cases:
    """The cases whose people a training kept out: the data set's test people, or those of its fold.

    Raises:
        InputError: No such data set or fold, or nobody to test.
    """
    dataset = DatasetFolder.open(folder)
    return _fold(dataset.cases(), splitting)[2] if splitting.folds else dataset.cases("test")


def _fold(cases: Cases, splitting: Splitting) -> tuple[Cases, Cases, Cases]:
    if not 0 <= splitting.fold < splitting.folds:
        raise InputError(
            f"configuration: data.fold is {splitting.fold}; with {splitting.folds} folds it lies between 0 "
            f"and {splitting.folds - 1}."
        )
    fold = patient_folds(cases, splitting.folds, 0, splitting.validation_share)[splitting.fold]
    training, validation, test = (
        tuple(case for case in cases if case.id in part)
        for part in (set(fold.train), set(fold.validation), set(fold.test))
    )
    return training, validation, test


def _part(cases: Sequence[DatasetCase]) -> Part:
    from XRayTo3DLib.dataset.prepared_files import PreparedCases, prepared_file

    return Part(tuple(cases), PreparedCases([prepared_file(case) for case in cases]))


def exposures_of(
    configuration: DataConfiguration, part: Part, seed: int, device: str = "cpu", *, turned: bool = False
) -> Exposures:
    """Random exposures of some people, as the configuration says; ``turned`` swings the views as in training."""
    from XRayTo3DLib.dataset.exposure_sampler import Exposures, PoseRange

    pose = configuration.pose
    return Exposures(
        part.prepared,
        configuration.canonical_views,
        configuration.voxels,
        PoseRange(pose.rotation_deg, pose.translation_mm, pose.distribution),
        seed,
        device,
        prerendered=configuration.prerendered or None,
        view_turn_deg=configuration.view_turn_deg if turned else 0.0,
    )


def require_bones_in_grid(exposures: Exposures, labels: Sequence[str]) -> None:
    """Refuse a grid that a bone of the first person does not reach: nothing could be learnt.

    Raises:
        InputError: Names the bone.
    """
    shown = exposures.exposed(0, [RigidPose.identity()]).soft_labels
    for label, voxels in zip(labels, shown[0], strict=True):
        if not bool(voxels.any()):
            raise InputError(
                f"configuration: nothing of the first person's {label} lies in data.grid; change its size, "
                f"spacing_mm or centre_mm (mm in the anatomical frame)."
            )


def moved(sample: Sample, device: Any) -> Sample:
    """A sample on another device."""
    distances = None if sample.distances is None else sample.distances.to(device)
    images, labels = sample.images.to(device), sample.soft_labels.to(device)
    return replace(sample, images=images, soft_labels=labels, distances=distances)
