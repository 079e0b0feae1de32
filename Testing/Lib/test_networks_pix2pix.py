"""pix2pix: the published counts, layers that see what they should, and that both nets learn."""

from __future__ import annotations

import pytest
import torch

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.networks.layers import count_parameters
from XRayTo3DLib.networks.losses import discriminator_loss, generator_loss
from XRayTo3DLib.networks.pix2pix import PatchDiscriminator, UNetGenerator


def pictures(seed: int, size: int = 32, count: int = 2) -> torch.Tensor:
    """Smooth pictures (count, 1, size, size) in [-1, 1]."""
    coarse = torch.rand(count, 1, 4, 4, generator=torch.Generator().manual_seed(seed))
    return 2 * torch.nn.functional.interpolate(coarse, size=(size, size), mode="bilinear") - 1


@pytest.fixture(scope="module")
def published() -> tuple[UNetGenerator, PatchDiscriminator]:
    return UNetGenerator(), PatchDiscriminator()


def test_the_published_counts(published: tuple[UNetGenerator, PatchDiscriminator]) -> None:
    """54.41 and 2.76 million for grey pictures; every layer's share written out."""
    generator, discriminator = published
    down = 16 * (1 * 64 + 64 * 128 + 128 * 256 + 256 * 512 + 4 * 512 * 512)
    up = 16 * (512 * 512 + 3 * 1024 * 512 + 1024 * 256 + 512 * 128 + 256 * 64 + 128 * 1) + 1
    norms = 2 * (128 + 256 + 4 * 512) + 2 * (4 * 512 + 256 + 128 + 64)
    norms_of_down = 2 * (128 + 256 + 512 + 3 * 512)
    norms_of_up = 2 * (4 * 512 + 256 + 128 + 64)
    assert norms == norms_of_down + norms_of_up
    assert count_parameters(generator) == down + up + norms == 54_407_809
    patches = 16 * (2 * 64 + 64 * 128 + 128 * 256 + 256 * 512 + 512) + 64 + 1 + 2 * (128 + 256 + 512)
    assert count_parameters(discriminator) == patches == 2_764_609


def test_colour_pictures_give_the_counts_of_the_authors_page() -> None:
    assert round(count_parameters(UNetGenerator(inputs=3, outputs=3)) / 1e6, 3) == 54.414
    assert round(count_parameters(PatchDiscriminator(inputs=6)) / 1e6, 3) == 2.769


def test_starting_weights(published: tuple[UNetGenerator, PatchDiscriminator]) -> None:
    for network in published:
        weights = torch.cat([p.detach().flatten() for name, p in network.named_parameters() if p.ndim == 4])
        assert float(weights.mean()) == pytest.approx(0.0, abs=1e-4)
        assert float(weights.std()) == pytest.approx(0.02, rel=0.01)
        scales = torch.cat(
            [m.weight.detach() for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d) and m.affine]
        )
        assert float(scales.mean()) == pytest.approx(1.0, abs=0.01)
        assert float(scales.std()) == pytest.approx(0.02, rel=0.15)
        assert all(
            float(p.detach().abs().max()) == 0 for name, p in network.named_parameters() if name.endswith("bias")
        )


def test_256_pixels_pass_through_the_published_nets(published: tuple[UNetGenerator, PatchDiscriminator]) -> None:
    generator, discriminator = published
    with torch.no_grad():
        made = generator(pictures(0, 256, 1))
        patches = discriminator(pictures(0, 256, 1), made)
    assert made.shape == (1, 1, 256, 256)
    assert patches.shape == (1, 1, 30, 30)
    assert made.abs().max() < 1


def test_a_patch_sees_70_pixels() -> None:
    discriminator = PatchDiscriminator(channels=4, norm="instance").double()
    for module in discriminator.modules():
        if isinstance(module, torch.nn.InstanceNorm2d):
            module.forward = lambda features: features  # the norm alone sees the whole picture
    made = torch.randn(1, 1, 128, 128, dtype=torch.double, requires_grad=True)
    logits = discriminator(torch.randn_like(made), made)
    (seen,) = torch.autograd.grad(logits[0, 0, 7, 7], made)
    rows, columns = torch.nonzero(seen[0, 0], as_tuple=True)
    assert int(rows.max() - rows.min()) + 1 == 70
    assert int(columns.max() - columns.min()) + 1 == 70


def test_the_discriminator_judges_the_pair() -> None:
    discriminator = PatchDiscriminator(channels=8).eval()
    radiograph, picture = pictures(1), pictures(2)
    assert not torch.allclose(discriminator(radiograph, picture), discriminator(pictures(3), picture))
    assert not torch.allclose(discriminator(radiograph, picture), discriminator(radiograph, pictures(3)))


def test_small_nets_and_other_norms() -> None:
    for norm in ("batch", "instance", "group"):
        generator, discriminator = UNetGenerator(6, 16, norm=norm), PatchDiscriminator(2, 16, 2, norm)
        made = generator(pictures(0, 64))
        assert made.shape == (2, 1, 64, 64)
        assert discriminator(pictures(0, 64), made).shape == (2, 1, 14, 14)
    assert count_parameters(UNetGenerator(6, 16)) == count_parameters(UNetGenerator(6, 16, norm="instance"))


def answers_differ(network: UNetGenerator) -> bool:
    """Whether two looks at the same picture give different answers."""
    seen = pictures(1, 64)
    return not torch.equal(network(seen), network(seen))


def test_dropout_while_training_and_afterwards_are_two_flags() -> None:
    torch.manual_seed(0)
    assert answers_differ(UNetGenerator(6, 8).train())
    assert not answers_differ(UNetGenerator(6, 8).eval())
    assert answers_differ(UNetGenerator(6, 8, dropout_when_used=True).eval())
    assert not answers_differ(UNetGenerator(6, 8, dropout=False, dropout_when_used=True).train())


def test_only_the_inner_layers_are_dropped() -> None:
    assert UNetGenerator(8, 2).dropped == {4, 5, 6}
    assert UNetGenerator(6, 2).dropped == {4}


def test_the_same_seed_makes_the_same_net_and_the_same_training_answer() -> None:
    def answer() -> torch.Tensor:
        torch.manual_seed(3)
        return UNetGenerator(6, 8)(pictures(1, 64))

    assert torch.equal(answer(), answer())


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="multiple of 64"):
        UNetGenerator(6, 4)(pictures(0, 96))
    with pytest.raises(InputError, match="at least 5"):
        UNetGenerator(4, 4)
    with pytest.raises(InputError, match="norm"):
        PatchDiscriminator(norm="spectral")


def test_both_nets_learn_three_pairs_by_heart() -> None:
    """The generator comes close to pictures unlike what it is given, against a discriminator that learns too."""
    torch.manual_seed(0)
    given, wanted = pictures(4, 32, 3), pictures(5, 32, 3)
    generator, discriminator = UNetGenerator(5, 16, dropout=False), PatchDiscriminator(2, 8, 2)
    of_generator = torch.optim.Adam(generator.parameters(), 2e-3, (0.5, 0.999))
    of_discriminator = torch.optim.Adam(discriminator.parameters(), 2e-4, (0.5, 0.999))
    before = float((generator(given) - wanted).detach().abs().mean())
    for _ in range(40):
        made = generator(given)
        of_discriminator.zero_grad()
        discriminator_loss(discriminator(given, wanted), discriminator(given, made.detach())).backward()
        of_discriminator.step()
        of_generator.zero_grad()
        generator_loss(discriminator(given, made), made, wanted).backward()
        of_generator.step()
    after = float((generator(given) - wanted).detach().abs().mean())
    assert after < 0.2 * before, (before, after)


def test_the_discriminator_alone_learns_to_tell_pairs_apart() -> None:
    """Right and wrong pictures of the same kind: only the pair tells."""
    torch.manual_seed(0)
    given = pictures(6, 32, 4)
    discriminator = PatchDiscriminator(2, 8, 2)
    optimiser = torch.optim.Adam(discriminator.parameters(), 2e-3, (0.5, 0.999))
    for _ in range(60):
        optimiser.zero_grad()
        discriminator_loss(discriminator(given, given), discriminator(given, given.roll(1, dims=0))).backward()
        optimiser.step()
    right, wrong = discriminator(given, given), discriminator(given, given.roll(1, dims=0))
    assert float((right > 0).float().mean()) > 0.9
    assert float((wrong < 0).float().mean()) > 0.9
