"""Float32 computed as float32: what would round it to fewer digits without a word is off for the length of a block.

A network's numbers become millimetres, so they are computed in full (24 bits of mantissa). Three things lower that
unasked: an autocast that the caller left on; convolutions on a graphics card, which PyTorch by default lets compute in
TF32 (11 bits); and matrix products, where another program in the same Python (Slicer's is shared by all extensions)
asked for fewer (``torch.set_float32_matmul_precision``).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

HIGHEST = "highest"


@contextlib.contextmanager
def full_precision(device: torch.device | str = "cpu") -> Iterator[None]:
    """Compute float32 in float32 on ``device`` inside the block; the caller's settings come back after it."""
    products, convolutions = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision(HIGHEST)
    torch.backends.cudnn.allow_tf32 = False
    try:
        with torch.autocast(torch.device(device).type, enabled=False):
            yield
    finally:
        torch.set_float32_matmul_precision(products)
        torch.backends.cudnn.allow_tf32 = convolutions


@contextlib.contextmanager
def inference(device: torch.device | str = "cpu") -> Iterator[None]:
    """As :func:`full_precision`, without gradients: how every trained network here is used."""
    with full_precision(device), torch.inference_mode():
        yield
