"""CycleGAN's nets: the published counts, layers that see what they should, the pool, least squares."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.networks.cyclegan import PictureDiscriminator, PicturePool, ResnetGenerator
from XRayTo3DLib.networks.layers import count_parameters
from XRayTo3DLib.networks.losses import least_squares_loss


@pytest.fixture(scope="module")
def published() -> tuple[ResnetGenerator, PictureDiscriminator]:
    return ResnetGenerator(), PictureDiscriminator()


def test_the_published_counts(published: tuple[ResnetGenerator, PictureDiscriminator]) -> None:
    """11.37 and 2.76 million for grey pictures; every layer's share written out."""
    generator, discriminator = published
    ends = (49 * 1 * 64 + 64) + (49 * 64 * 1 + 1)
    halvings = 9 * (64 * 128 + 128 * 256) + 128 + 256
    doublings = 9 * (256 * 128 + 128 * 64) + 128 + 64
    blocks = 9 * 2 * (9 * 256 * 256 + 256)
    assert count_parameters(generator) == ends + halvings + blocks + doublings == 11_365_633
    patches = 16 * (1 * 64 + 64 * 128 + 128 * 256 + 256 * 512 + 512 * 1) + 64 + 128 + 256 + 512 + 1
    assert count_parameters(discriminator) == patches == 2_762_689


def test_colour_pictures_give_the_counts_that_the_authors_code_prints() -> None:
    nets = ResnetGenerator(inputs=3, outputs=3), PictureDiscriminator(inputs=3), ResnetGenerator(6, 64, 3, 3)
    assert [round(count_parameters(net) / 1e6, 3) for net in nets] == [11.378, 2.765, 7.838]


def test_pictures_pass_through_the_published_nets(published: tuple[ResnetGenerator, PictureDiscriminator]) -> None:
    generator, discriminator = published
    with torch.no_grad():
        made = generator(torch.rand(1, 1, 64, 64) * 2 - 1)
        patches = discriminator(torch.zeros(1, 1, 256, 256))
    assert made.shape == (1, 1, 64, 64)
    assert patches.shape == (1, 1, 30, 30)


@pytest.mark.parametrize("norm", ["instance", "group", "batch", "none"])
def test_small_nets_of_every_norm(norm: str) -> None:
    made = ResnetGenerator(1, 4, norm=norm)(torch.rand(2, 1, 16, 12) * 2 - 1)
    assert made.shape == (2, 1, 16, 12)
    assert float(made.detach().abs().max()) < 1
    assert PictureDiscriminator(4, 1, norm=norm)(made).shape == (2, 1, 6, 4)


def seen_by(network: torch.nn.Module, size: int) -> int:
    """Width of what one output pixel in the middle sees, norms aside: those see the whole picture."""
    for module in network.modules():
        if isinstance(module, torch.nn.InstanceNorm2d):
            module.forward = lambda features: features
    picture = torch.randn(1, 1, size, size, dtype=torch.double, requires_grad=True)
    answers = network.double()(picture)
    middle = answers.shape[-1] // 2
    (seen,) = torch.autograd.grad(answers[0, 0, middle, middle], picture)
    rows = torch.nonzero(seen[0, 0].abs().sum(dim=1))
    return int(rows.max() - rows.min()) + 1


def test_a_patch_sees_70_pixels() -> None:
    assert seen_by(PictureDiscriminator(channels=2), 128) == 70


def test_a_block_widens_the_view_by_16_pixels() -> None:
    """Two 3 x 3 convolutions at a quarter of the resolution."""
    one, two = (seen_by(ResnetGenerator(blocks, 2), 96) for blocks in (1, 2))
    assert two - one == 16


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="multiples of 4"):
        ResnetGenerator(1, 2)(torch.zeros(1, 1, 18, 16))
    with pytest.raises(InputError, match="multiples of 4"):
        ResnetGenerator(1, 2)(torch.zeros(1, 1, 4, 4))
    with pytest.raises(InputError, match="one residual block"):
        ResnetGenerator(0)
    with pytest.raises(InputError, match="norm"):
        PictureDiscriminator(norm="spectral")


def test_least_squares() -> None:
    answers = torch.tensor([[[[0.5, 2.0]]], [[[-1.0, 1.0]]]])
    assert float(least_squares_loss(answers, True)) == pytest.approx((0.25 + 1 + 4 + 0) / 4)
    assert float(least_squares_loss(answers, False)) == pytest.approx((0.25 + 4 + 1 + 1) / 4)


# ---- the pool --------------------------------------------------------------------------------------------------------


def numbered(first: int, count: int) -> torch.Tensor:
    """(count, 1, 2, 2) pictures whose value is their number."""
    return torch.arange(first, first + count).float()[:, None, None, None].expand(-1, 1, 2, 2).clone()


def shown_by(pool: PicturePool, batches: list[int]) -> list[float]:
    """Numbers that the pool shows for batches of these sizes, numbered from 1."""
    shown: list[float] = []
    for batch in batches:
        shown += pool(numbered(len(shown) + 1, batch))[:, 0, 0, 0].tolist()
    return shown


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 6), st.lists(st.integers(1, 4), min_size=1, max_size=12), st.integers(0, 99))
def test_no_picture_is_lost_or_shown_twice_once_the_pool_is_full(places: int, batches: list[int], seed: int) -> None:
    torch.manual_seed(seed)
    pool = PicturePool(places, 2)
    shown = shown_by(pool, batches)
    first = shown[:places]
    assert first == list(range(1, len(first) + 1)), "until it is full every picture passes"
    kept = pool.pictures[: int(pool.kept), 0, 0, 0].tolist()
    # What came in went out or is kept; the first ones did both.
    assert sorted([*shown, *kept]) == sorted([*range(1, sum(batches) + 1), *first])


def test_every_second_picture_is_an_earlier_one() -> None:
    torch.manual_seed(0)
    shown = shown_by(PicturePool(10, 2), [1] * 2010)[10:]
    earlier = sum(number < position for position, number in enumerate(shown, 11))
    assert earlier / len(shown) == pytest.approx(0.5, abs=0.04)


def test_a_pool_goes_on_where_it_was_saved() -> None:
    pool, copy = PicturePool(3, 2), PicturePool(3, 2)
    shown_by(pool, [5])
    copy.load_state_dict(pool.state_dict())
    found = []
    for each in (pool, copy):
        torch.manual_seed(4)
        found.append(shown_by(each, [2, 3]))
    assert found[0] == found[1]
    assert list(pool.parameters()) == []


def test_pictures_from_the_pool_teach_no_generator() -> None:
    made = torch.rand(2, 1, 2, 2, requires_grad=True)
    assert not PicturePool(1, 2)(made * 2).requires_grad
