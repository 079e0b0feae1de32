"""The networks of a TL-net, from its configuration."""

from __future__ import annotations

from torch import nn

from XRayTo3DLib.methods.tl_net.configuration import TlNetConfiguration
from XRayTo3DLib.networks.image_encoders import AlexNetPredictor, ResNetPredictor
from XRayTo3DLib.networks.tl_net import VoxelDecoder, VoxelEncoder


def make_networks(configuration: TlNetConfiguration) -> nn.ModuleDict:
    """Encoder, decoder and predictor, with random weights."""
    network, data = configuration.network, configuration.data
    labels, size = len(data.labels), data.grid.size
    shape = {"channels": network.channels, "depth": network.depth or None, "norm": network.norm}
    if network.predictor == "alexnet":
        predictor: nn.Module = AlexNetPredictor(len(data.views), network.latent)
    else:
        predictor = ResNetPredictor(
            len(data.views),
            network.latent,
            network.width,
            network.predictor_norm,
            stem_stride=network.stem_stride,
            pooled=network.pooled,
        )
    return nn.ModuleDict(
        {
            "encoder": VoxelEncoder(labels, size, network.latent, **shape),
            "decoder": VoxelDecoder(
                labels, size, network.latent, up_sampling=network.up_sampling, head=network.head, **shape
            ),
            "predictor": predictor,
        }
    )
