"""Masked autoencoder: what is hidden stays hidden, only that counts, and hidden patches are learnt from the rest."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.networks.masked_autoencoder import MaskedAutoencoder, masked_loss, random_patches
from XRayTo3DLib.networks.nfnet import NfNet


def small() -> MaskedAutoencoder:
    torch.manual_seed(0)
    return MaskedAutoencoder(NfNet((1, 1, 1, 1), (16, 16, 24, 32), stem=16, group=8, inputs=1))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), patch=st.sampled_from([8, 16, 32]), rows=st.integers(1, 5), share=st.floats(0, 1))
def test_every_picture_hides_its_share_of_whole_patches(seed: int, patch: int, rows: int, share: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    hidden = random_patches(3, (rows * patch, 2 * patch), patch, share, generator)
    assert hidden.shape == (3, 1, rows * patch, 2 * patch)
    patches = torch.nn.functional.avg_pool2d(hidden.float(), patch)
    assert set(patches.unique().tolist()) == {0.0, 1.0}
    assert set(patches.sum((1, 2, 3)).tolist()) == {float(min(max(round(share * 2 * rows), 1), 2 * rows - 1))}


def test_a_seed_decides_and_pictures_differ() -> None:
    def drawn(seed: int) -> torch.Tensor:
        return random_patches(8, (128, 128), generator=torch.Generator().manual_seed(seed))

    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))
    assert not torch.equal(drawn(1)[0], drawn(1)[1])
    assert float(torch.stack([drawn(seed) for seed in range(50)]).float().mean((0, 1)).std()) < 0.05


def test_hidden_pixels_are_not_seen() -> None:
    network, images = small(), torch.randn(2, 1, 64, 64, requires_grad=True)
    hidden = random_patches(2, (64, 64), generator=torch.Generator().manual_seed(1))
    guessed = network(images, hidden)
    assert guessed.shape == images.shape
    guessed.square().sum().backward()
    assert not images.grad[hidden].any()
    assert images.grad[~hidden].any()
    changed = torch.where(hidden, 99.0, images)
    torch.testing.assert_close(network(changed, hidden), guessed)
    assert network.token.grad != 0


def test_only_hidden_pixels_count() -> None:
    hidden = torch.zeros(1, 1, 4, 4, dtype=torch.bool)
    hidden[..., :2] = True
    guessed, images = torch.full((1, 1, 4, 4), 3.0), torch.zeros(1, 1, 4, 4)
    guessed[..., 2:] = 1e6
    assert float(masked_loss(guessed, images, hidden)) == 9
    assert float(masked_loss(guessed, images, torch.zeros_like(hidden))) == 0


def slopes(count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures (count, 1, 64, 64) that rise evenly in random directions, and half of their patches to hide."""
    rows, columns = torch.meshgrid(*(torch.linspace(-1.7, 1.7, 64),) * 2, indexing="ij")
    angles = 2 * torch.pi * torch.rand(count, 1, 1, 1, generator=generator)
    hidden = random_patches(count, (64, 64), share=0.5, generator=generator)
    return angles.cos() * rows + angles.sin() * columns, hidden


def test_hidden_patches_are_guessed_from_what_is_seen() -> None:
    """Of new pictures, far better than by the mean, whose error is one."""
    generator = torch.Generator().manual_seed(2)
    network = small()
    optimiser = torch.optim.AdamW(network.parameters(), 5e-3)
    for _ in range(50):
        images, hidden = slopes(8, generator)
        optimiser.zero_grad()
        masked_loss(network(images, hidden), images, hidden).backward()
        optimiser.step()
    images, hidden = slopes(8, generator)
    with torch.no_grad():
        left = float(masked_loss(network.eval()(images, hidden), images, hidden))
    assert left < 0.6


def test_wrong_pictures_are_refused() -> None:
    with pytest.raises(InputError, match="masked autoencoder: pictures"):
        small()(torch.zeros(1, 3, 64, 64), torch.zeros(1, 3, 64, 64, dtype=torch.bool))
    with pytest.raises(InputError, match="multiple of 32"):
        small()(torch.zeros(1, 1, 60, 60), torch.zeros(1, 1, 60, 60, dtype=torch.bool))
    for size in ((60, 64), (16, 16)):
        with pytest.raises(InputError, match="several patches of 16"):
            random_patches(1, size)
