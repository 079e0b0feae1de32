"""The networks of dual-face depth, from its configuration."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import read_json, require_file
from XRayTo3DLib.files.tensor_files import read_tensors, require_shapes
from XRayTo3DLib.methods.configuration import plain
from XRayTo3DLib.methods.dual_face_depth.configuration import DualFaceConfiguration
from XRayTo3DLib.networks.depth_decoder import depth_network
from XRayTo3DLib.networks.masked_autoencoder import MaskedAutoencoder
from XRayTo3DLib.networks.nfnet import load_timm_weights
from XRayTo3DLib.networks.segmentation import segmentation_network

DEPTH, SEGMENTATION, PRETRAINING = "depth", "segmentation", "pretraining"
"""Names of the stages, and of the networks they train."""
BUNDLE_FORMAT = "xrayto3d.bundle/1"
SHARED = ("labels", "geometry", "scale", "folds", "fold")
"""What two trainings must have alike in ``data`` for one to take the other's segmentation network over: channels,
pictures, and who is tested."""


def make_networks(configuration: DualFaceConfiguration, learn: bool = False) -> nn.ModuleDict:
    """ "depth": (B, 1, N, N) to raw numbers (B, faces * bones, N, N); "segmentation": to logits (B, bones, N, N).

    ``learn``: to be trained, which needs MONAI; a finished model does not.
    """
    network, bones = configuration.network, len(configuration.data.labels)
    return nn.ModuleDict(
        {
            DEPTH: depth_network(configuration.outputs, network.encoder, network.channels, network.norm),
            SEGMENTATION: segmentation_network(bones, network.segmentation, learn),
        }
    )


def make_trained_networks(configuration: DualFaceConfiguration, near: Path) -> nn.ModuleDict:
    """The networks of a training, from its seed and the weights the configuration wants to begin with.

    The masked autoencoder, where there is pretraining, shares its encoder with the depth network.

    Args:
        configuration: Sizes, weights, stages.
        near: Folder that paths start from.

    Raises:
        InputError: A file of weights that is missing or does not fit, or a segmentation network that learnt other
            bones, other pictures, or people who are tested here.
    """
    torch.manual_seed(configuration.seed)
    networks, network = make_networks(configuration, learn=True), configuration.network
    if network.weights:
        if network.encoder != "f0":
            raise InputError("configuration: network.weights are of network.encoder f0; the tiny one has none.")
        load_timm_weights(networks[DEPTH].encoder, require_file(near / network.weights, "weights of the encoder"))
    if network.segmentation_weights:
        path = require_file(near / network.segmentation_weights, "weights of the segmentation network")
        _require_alike(path.with_name("bundle.json"), configuration)
        _load(networks[SEGMENTATION], path)
    if configuration.stages.pretraining.trained:
        networks[PRETRAINING] = MaskedAutoencoder(networks[DEPTH].encoder)
    return networks


def _require_alike(path: Path, configuration: DualFaceConfiguration) -> None:
    """Compare with the training that the bundle beside the weights says they come from, where there is one."""
    if not path.exists():
        return
    about = read_json(path, "network.segmentation_weights", BUNDLE_FORMAT, {"configuration": {"data": dict}})
    theirs = about["configuration"]["data"]
    ours = plain(configuration)["data"]
    if other := [name for name in SHARED if theirs.get(name) != ours[name]]:
        raise InputError(
            f"configuration: network.segmentation_weights come from a training whose data.{other[0]} is "
            f"{theirs.get(other[0])}, here it is {ours[other[0]]}; take those of a training with the same data."
        )


def _load(network: nn.Module, path: Path) -> None:
    what = "configuration: network.segmentation_weights"
    wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    tensors = read_tensors(path, what)
    require_shapes(
        {name: tuple(tensor.shape) for name, tensor in tensors.items()},
        wanted,
        f"{what}, {path.name}, is not of this segmentation network: it",
        "Give the segmentation.safetensors of a bundle with the same bones and network.segmentation.",
    )
    network.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
