"""Configuration of the image translation; the defaults are pix2pix's and, for the data, those of Shiode et al. 2021."""

from __future__ import annotations

from dataclasses import dataclass, field

from XRayTo3DLib.dataset.canonical_view import CanonicalView
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.methods.configuration import FORMAT
from XRayTo3DLib.methods.data import ImageConfiguration


@dataclass(frozen=True)
class PairsConfiguration:
    """Pairs of radiographs and registration-DRRs.

    Attributes:
        folder: A data set folder whose cases have views with an accepted registration, relative to the configuration.
        view: "PA" or "LAT"; "PA+LAT" for a translation that takes both.
        image: Canonical images; both pictures of a pair are brought there.
        radiograph_scale: Line integrals of a whole radiograph are divided by this.
        copies: Affine copies of each pair, new at random in every epoch (paper: 100).
        validation_share: Part of the training people kept for validation.
        folds: Number of patient-wise folds; 0 for the data set's own test people.
        fold: Which of them is tested.
    """

    folder: str
    view: str = "PA"
    image: ImageConfiguration = field(default_factory=ImageConfiguration)
    radiograph_scale: float = 4.0
    copies: int = 100
    validation_share: float = 0.15
    folds: int = 0
    fold: int = 0

    @property
    def canonical_views(self) -> tuple[CanonicalView, ...]:
        """The geometry of the pictures, one for each view."""
        image = self.image
        names = self.view.split("+")
        return tuple(CanonicalView(view, image.size, image.pixel_mm, image.source_mm) for view in names)


@dataclass(frozen=True)
class GanConfiguration:
    """pix2pix; ``l1`` weighs the absolute difference against the adversarial loss.

    Attributes:
        channels: Of the generator's and the discriminator's first level.
        downs: Halvings in the generator: 8 for 256 pixels.
        layers: Halvings in the discriminator.
        norm: "batch" or "instance".
        dropout_when_used: Keep the generator's dropout at inference, as the paper of pix2pix does.
        l1: Weight of the L1 loss.
        steps: Updates (paper: 200 epochs over 3 300 pairs).
        batch: Pairs per update.
        lr: Of both Adams (betas 0.5, 0.999); it falls linearly to 0 in the second half.
        validate_every: Updates between validations.
    """

    channels: int = 64
    downs: int = 8
    layers: int = 3
    norm: str = "batch"
    dropout_when_used: bool = False
    l1: float = 100.0
    steps: int = 660_000
    batch: int = 1
    lr: float = 2e-4
    validate_every: int = 3300


@dataclass(frozen=True)
class ImageTranslationConfiguration:
    """Everything ``xrayto3d train`` needs to know about an image translation."""

    data: PairsConfiguration
    format: str = FORMAT
    method: str = "image-translation"
    name: str = "pix2pix"
    anatomy: str = "distal forearm"
    seed: int = 0
    gan: GanConfiguration = field(default_factory=GanConfiguration)

    def __post_init__(self) -> None:
        if self.data.image.size % 2**self.gan.downs:
            raise InputError(
                f"configuration: data.image.size {self.data.image.size} must be a multiple of "
                f"{2**self.gan.downs} (gan.downs {self.gan.downs})."
            )
