"""Configuration of dual-face depth; the defaults are those of Gu et al. 2024 (3DDX) where the paper states them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from XRayTo3DLib.dataset.standard_geometry import StandardGeometry
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.methods.configuration import FORMAT

METHOD = "dual-face-depth"
HIP_LABELS = ("femur_right", "pelvis_right", "femur_left", "pelvis_left")
CHOICES = {
    "faces": ("dual", "single"),
    "network.encoder": ("tiny", "f0"),
    "network.segmentation": ("tiny", "full"),
    "loss.kind": ("casi", "si"),
    "loss.aggregate": ("independent", "dependent"),
}
MULTIPLE = 32
"""The encoder halves a picture five times."""
LEAST, FULL_MULTIPLE = 64, 128
"""Smallest picture of the depth network; the full segmentation network halves one seven times."""


@dataclass(frozen=True)
class DepthDataConfiguration:
    """What to learn from.

    Attributes:
        folder: A data set folder whose cases have views with an accepted registration, relative to the configuration.
        labels: Bones, in the order of the networks' channels.
        geometry: Every radiograph is brought there; its size must be a multiple of 32.
        scale: Line integrals are divided by this, the same number for every picture.
        validation_share: Part of the training people kept for validation.
        folds: Number of patient-wise folds (paper: 4); 0 for the data set's own test people.
        fold: Which of them is tested.
        unlabelled: A folder of further radiographs that pretraining sees, with everything below it; "" for none.
    """

    folder: str
    labels: tuple[str, ...] = HIP_LABELS
    geometry: StandardGeometry = field(default_factory=StandardGeometry)
    scale: float = 4.0
    validation_share: float = 0.1
    folds: int = 0
    fold: int = 0
    unlabelled: str = ""


@dataclass(frozen=True)
class DepthNetworkConfiguration:
    """The networks.

    Attributes:
        encoder: Of the depth network: "f0" is NFNet-F0, "tiny" its small sister for CPUs.
        channels: Of the decoder; 0 for 256 with "f0" (paper) and 64 with "tiny".
        norm: Of the decoder: "instance" (paper), "group" or "batch".
        segmentation: "full" is as large as nnU-Net's, "tiny" for CPUs.
        weights: A file of timm's ``dm_nfnet_f0`` weights (safetensors) to begin with, relative to the configuration.
        segmentation_weights: ``segmentation.safetensors`` of a finished bundle, relative to the configuration: several
            depth networks can share one segmentation network, and leave that stage out (0 steps).
    """

    encoder: str = "f0"
    channels: int = 0
    norm: str = "instance"
    segmentation: str = "full"
    weights: str = ""
    segmentation_weights: str = ""


@dataclass(frozen=True)
class DepthLossConfiguration:
    """The loss on depth, equations (1) to (4).

    Attributes:
        kind: "casi" (centre-aligned, shift along depth left open) or "si" (absolute depth counts).
        aggregate: "independent" (each channel by itself) or "dependent" (all pixels of all channels together).
    """

    kind: str = "casi"
    aggregate: str = "independent"


@dataclass(frozen=True)
class AugmentationConfiguration:
    """How training pictures are changed, RandAugment-like (Cubuk et al. 2020): some operations of one magnitude.

    Attributes:
        operations: Photometric operations per picture, drawn from those of ``augmentation.OPERATIONS``.
        magnitude: 0 (none) to 1 (strongest) of each.
        mirror: Show half of the people mirrored, right and left bones swapped.
        rotation_deg: Turns in the picture's plane about the principal point, standard deviation, degrees.
    """

    operations: int = 2
    magnitude: float = 0.5
    mirror: bool = True
    rotation_deg: float = 5.0


@dataclass(frozen=True)
class DepthStageConfiguration:
    """One training stage.

    Attributes:
        steps: Updates; 0 leaves the stage out.
        epochs: Instead of ``steps``: how often every training view is seen.
        batch: Views per update, over all processes.
        lr: (Highest) learning rate of AdamW.
        weight_decay: Of AdamW.
        schedule: "constant", "one-cycle", "linear-decay", "cosine" or "warm-restarts".
        first: Warm restarts: the first period, in epochs where the stage is given in epochs, else in updates.
        factor: Warm restarts: how many times longer than the last each period is.
        validate_every: Updates between validations; 0 for only one at the end.
    """

    steps: int = 0
    epochs: int = 0
    batch: int = 8
    lr: float = 2e-4
    weight_decay: float = 1e-4
    schedule: str = "warm-restarts"
    first: int = 10
    factor: int = 2
    validate_every: int = 0

    @property
    def trained(self) -> bool:
        """Whether there is anything to do."""
        return self.steps > 0 or self.epochs > 0

    def __post_init__(self) -> None:
        if self.steps < 0 or self.epochs < 0 or self.batch < 1:
            raise InputError(
                f"configuration: a stage of {self.steps} steps, {self.epochs} epochs and batch {self.batch} cannot be; "
                f"steps and epochs begin at 0, batch at 1."
            )


@dataclass(frozen=True)
class DepthStagesConfiguration:
    """Masked-autoencoder pretraining, segmentation, depth; 630 epochs are 10 + 20 + ... + 320 (paper)."""

    pretraining: DepthStageConfiguration = field(default_factory=DepthStageConfiguration)
    segmentation: DepthStageConfiguration = field(default_factory=lambda: DepthStageConfiguration(epochs=630))
    depth: DepthStageConfiguration = field(default_factory=lambda: DepthStageConfiguration(epochs=630))


@dataclass(frozen=True)
class CompletionConfiguration:
    """Shape models of the bones, made from training people, that complete what was seen.

    Attributes:
        people: How many training people they are made of; 0 for none.
        modes: Modes of variation kept.
        points: Vertices of a model.
    """

    people: int = 0
    modes: int = 20
    points: int = 1500


@dataclass(frozen=True)
class DualFaceConfiguration:
    """Everything ``xrayto3d train`` needs to know about dual-face depth.

    ``faces`` is "dual" (front and back) or "single" (front only: the baseline of the paper).
    """

    data: DepthDataConfiguration
    format: str = FORMAT
    method: str = METHOD
    name: str = "Dual-face depth"
    anatomy: str = "hip"
    seed: int = 0
    faces: str = "dual"
    network: DepthNetworkConfiguration = field(default_factory=DepthNetworkConfiguration)
    loss: DepthLossConfiguration = field(default_factory=DepthLossConfiguration)
    augmentation: AugmentationConfiguration = field(default_factory=AugmentationConfiguration)
    stages: DepthStagesConfiguration = field(default_factory=DepthStagesConfiguration)
    completion: CompletionConfiguration = field(default_factory=CompletionConfiguration)

    def __post_init__(self) -> None:
        for place, known in CHOICES.items():
            value = self
            for name in place.split("."):
                value = getattr(value, name)
            if value not in known:
                raise InputError(f"configuration: {place} must be one of {', '.join(known)}, not {value!r}.")
        self._check_pictures()
        if not (self.stages.segmentation.trained or self.network.segmentation_weights):
            raise InputError(
                "configuration: nothing finds the bones in a picture; give stages.segmentation steps, or a finished "
                "network as network.segmentation_weights."
            )
        if not 0 <= self.augmentation.magnitude <= 1:
            raise InputError("configuration: augmentation.magnitude lies between 0 and 1.")
        if self.augmentation.operations < 0 or not 0 <= self.augmentation.rotation_deg <= 180:
            raise InputError("configuration: augmentation.operations and .rotation_deg (up to 180) begin at 0.")
        if self.network.channels < 0:
            raise InputError("configuration: network.channels is a multiple of 4, or 0 for the encoder's own.")

    def _check_pictures(self) -> None:
        size, labels = self.data.geometry.size, self.data.labels
        if size < LEAST or size % MULTIPLE:
            raise InputError(
                f"configuration: data.geometry.size must be a multiple of {MULTIPLE}, at least {LEAST}, not {size}."
            )
        if self.network.segmentation == "full" and (size < 2 * FULL_MULTIPLE or size % FULL_MULTIPLE):
            raise InputError(
                f"configuration: network.segmentation full needs a data.geometry.size of 256 or more, a multiple of "
                f"{FULL_MULTIPLE}, not {size}; change it, or take network.segmentation: tiny."
            )
        if not labels or len(set(labels)) < len(labels):
            raise InputError("configuration: data.labels must be one or more bones that differ.")
        if not 0 < self.data.scale < math.inf:
            raise InputError("configuration: data.scale must be above 0.")

    @property
    def outputs(self) -> int:
        """Channels of the depth network: all fronts in the bones' order, then all backs."""
        return len(self.data.labels) * (2 if self.faces == "dual" else 1)
