"""Networks with stored weights: quick to load, for each reconstruction waits for it."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
import torch
from torch import nn
from XRayTo3DLib.networks.image_encoders import ResNetPredictor
from XRayTo3DLib.networks.loading import loaded_networks

def make():
    return nn.ModuleDict({"encoder": ResNetPredictor(latent=3, width=4)})

stored = make()["encoder"].state_dict()
loaded = loaded_networks(make, ["encoder"], lambda name: stored)["encoder"].state_dict()
assert list(loaded) == list(stored) and all(torch.equal(loaded[name], stored[name]) for name in stored)
print("torch._dynamo" in sys.modules)
"""


def test_networks_are_loaded_without_pytorch_s_compiler() -> None:
    """It takes a second to import, and random numbers for tensors without memory would bring it."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "False", done.stdout + done.stderr[-2000:]
