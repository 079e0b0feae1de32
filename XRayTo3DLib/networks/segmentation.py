"""Which pixels see which bone: a two-dimensional U-Net as nnU-Net plans it (Isensee et al., Nat Methods 2021), MONAI's.

Bones overlap in a radiograph, so every label has a channel of its own, independent of the others.
"""

from __future__ import annotations

from torch import Tensor, nn

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.networks.dynamic_unet import DynamicUnet
from XRayTo3DLib.networks.layers import channels_together, require

FILTERS = {"full": (32, 64, 128, 256, 512, 512, 512, 512), "tiny": (8, 16, 32, 64, 96)}
"""Feature maps of each stage; all but the first halve. "full" is nnU-Net's plan for pictures of 512 pixels."""


class SegmentationNetwork(nn.Module):
    """Pictures (B, 1, H, W) to logits (B, labels, H, W), above zero inside.

    Args:
        labels: Bones.
        filters: Feature maps of each stage, three or more.
        learns: MONAI's own network, to be trained; False: the same without MONAI (:mod:`dynamic_unet`), for use.

    Raises:
        InputError: MONAI is not installed.
    """

    def __init__(self, labels: int, filters: tuple[int, ...], learns: bool = True) -> None:
        super().__init__()
        self.step = 2 ** (len(filters) - 1)
        self.network = _monai_unet(labels, filters) if learns else DynamicUnet(1, labels, filters)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, labels, H, W) of ``images`` (B, 1, H, W).

        Raises:
            InputError: Sides that cannot be halved as often as there are stages, or too small.
        """
        rows, columns = images.shape[-2:]
        fits = rows % self.step == 0 and columns % self.step == 0 and min(rows, columns) > self.step
        require(
            fits,
            f"segmentation: pictures must be a multiple of {self.step} pixels high and wide, and larger,"
            f" not {rows} x {columns}.",
        )
        return self.network(channels_together(images))


def segmentation_network(labels: int, size: str = "full", learns: bool = True) -> SegmentationNetwork:
    """A network by the name of its size.

    Args:
        labels: Bones.
        size: "full": sides multiples of 128, 256 or more; "tiny": multiples of 16, 32 or more, for a CPU.
        learns: To be trained, which needs MONAI; False: for use only, with the weights of one that was.

    Raises:
        InputError: The size is unknown, or MONAI is not installed.
    """
    require(size in FILTERS, f"segmentation: there is no size {size!r}; choose one of {', '.join(FILTERS)}.")
    return SegmentationNetwork(labels, FILTERS[size], learns)


def _monai_unet(labels: int, filters: tuple[int, ...]) -> nn.Module:
    try:
        from monai.networks.nets.dynunet import DynUNet
    except ImportError as error:
        how = 'pip install "XRayTo3DLib[train]"'
        raise InputError(f"segmentation: training needs MONAI; install it with: {how}") from error

    halvings = [2] * (len(filters) - 1)
    kernels, strides = [3] * len(filters), [1, *halvings]
    network = DynUNet(2, 1, labels, kernels, strides, halvings, filters)
    # The same layers again under other names; only these two paths are used, and files hold each weight once.
    for name in ("input_block", "downsamples", "bottleneck", "upsamples"):
        delattr(network, name)
    return network
