"""A biplanar network fitted to one person: nearer in views it never saw, and no further than true bones go."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from exposure_cases import ball_case
from learning_cases import changed
from test_methods_biplanar import BIPLANAR

from XRayTo3DLib.dataset.canonical_view import CanonicalView, turned_camera
from XRayTo3DLib.dataset.exposure_sampler import Exposures, PoseRange, Sample
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.outline_measures import outline_numbers, shadow
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.methods.biplanar.adaptation import Adaptation
from XRayTo3DLib.methods.biplanar.attenuation import bone_attenuation, true_likeness
from XRayTo3DLib.methods.biplanar.configuration import CALIBRATED, BiplanarConfiguration
from XRayTo3DLib.methods.biplanar.networks import VOLUME, Lift, make_networks
from XRayTo3DLib.methods.biplanar.predictor import BiplanarPredictor
from XRayTo3DLib.methods.biplanar.task import STAGE
from XRayTo3DLib.methods.configuration import parsed
from XRayTo3DLib.methods.types import ShapeFields
from XRayTo3DLib.methods.validation import meshes_of
from XRayTo3DLib.networks.losses import soft_cross_entropy
from XRayTo3DLib.networks.volume_losses import surface_weights


@pytest.fixture(scope="module")
def balls() -> tuple[BiplanarPredictor, Exposures]:
    """A network that has learnt two balls held one way, in a few seconds, and those people."""
    content = changed(BIPLANAR, data={"folder": "", "view_turn_deg": 0, "image": {"pixel_mm": 2.6, "scale": 1.0}})
    configuration = parsed(BiplanarConfiguration, changed(content, network={"channels": [8, 16]}))
    data = configuration.data
    exposures = Exposures([ball_case()], data.canonical_views, data.voxels, PoseRange(5.0, 2.0), 0)
    torch.manual_seed(0)
    networks, lift = make_networks(configuration), Lift(data, CALIBRATED)
    adam = torch.optim.Adam(networks.parameters(), 1e-2)
    for step in range(60):
        sample = exposures.sample(STAGE, [2 * step, 2 * step + 1], distances=True)
        assert sample.distances is not None
        logits = networks[VOLUME](lift(sample.images))
        adam.zero_grad()
        soft_cross_entropy(logits, sample.soft_labels, surface_weights(sample.distances)).backward()
        adam.step()
    attenuation = bone_attenuation(exposures)
    return BiplanarPredictor(configuration, networks, attenuation, true_likeness(exposures, attenuation)), exposures


def outline_error(fields: ShapeFields, truth: Sample, turn: float) -> float:
    """Chamfer of outlines, mm, mean over bones, seen from the first view's place swung by ``turn`` degrees."""
    views = [CanonicalView("PA", 96, 1.0, centre_mm=fields.grid.centre_mm)]
    camera = turned_camera(views[0].camera(), fields.grid.centre_mm, turn)
    pixel_mm = camera.pixel_size_at(fields.grid.centre_mm)
    true = ShapeFields(truth.soft_labels[0].numpy(), 0.5, fields.grid)
    there, here = (meshes_of(each, ("radius", "ulna")) for each in (true, fields))
    numbers = [outline_numbers(shadow(camera, there[bone]), shadow(camera, here[bone]), pixel_mm) for bone in there]
    return float(np.mean([each.chamfer_mm for each in numbers if each is not None]))


@pytest.mark.parametrize("turn", [45.0, -45.0])
def test_fitting_brings_outlines_nearer_in_views_that_the_network_never_saw(
    turn: float, balls: tuple[BiplanarPredictor, Exposures]
) -> None:
    predictor, exposures = balls
    errors = []
    for shift in ((6, 0, 0), (5, 5, -6), (8, -6, 4)):  # held as nobody was
        sample = exposures.exposed(0, [RigidPose.from_rotation((0, 0, 0), shift)])
        pair = predictor, predictor.adapting(Adaptation(20, 1e-3))
        found = [each.predict(sample.images.numpy(), sample.cameras)[0] for each in pair]
        errors.append([outline_error(fields, sample, turn) for fields in found])
    plain, fitted = np.mean(errors, axis=0)
    assert fitted < 0.9 * plain


def test_fitting_stops_where_true_bones_are(balls: tuple[BiplanarPredictor, Exposures]) -> None:
    predictor, exposures = balls
    sample = exposures.exposed(0, [RigidPose.from_rotation((0, 0, 0), (5, 5, -6))])
    images, asked = sample.images.numpy(), Adaptation(15, 1e-3)
    enough = BiplanarPredictor(predictor.configuration, predictor.networks, predictor.attenuation, 0.5, asked)
    assert np.array_equal(enough.predict(images)[0].values, predictor.predict(images)[0].values)
    never = BiplanarPredictor(predictor.configuration, predictor.networks, predictor.attenuation, 1.0, asked)
    assert not np.allclose(never.predict(images)[0].values, predictor.predict(images)[0].values, atol=0.02)
    assert 0.9 < predictor.likeness < 1.0


@pytest.mark.parametrize("options", [(0, 1e-4), (5, 0.0)])
def test_fits_that_do_nothing_are_refused(options: tuple[int, float]) -> None:
    with pytest.raises(InputError, match="adaptation"):
        Adaptation(*options)
