"""Simulate the radiograph that a CT would give: projection, blur, scatter, photon noise. The result is SYNTHETIC."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.imaging.attenuation import attenuation_of
from XRayTo3DLib.imaging.types import CtVolume, IntensityNote, Radiograph, SpacingSource

SCATTER_WIDTH_MM = 25.0
"""Standard deviation of the scattered light's spread on the detector, mm."""
EXTREMITY_KEV = 38.0
"""Effective energy of an extremity exposure of about 55 kV, keV."""


def simulate_radiograph(
    case_ct: CtVolume,
    camera: XRayCamera,
    pose: RigidPose | None = None,
    *,
    photons: float = 8000.0,
    blur_mm: float = 0.2,
    scatter: float = 0.12,
    energy_kev: float = EXTREMITY_KEV,
    seed: int | Sequence[int] = 0,
    view: str = "",
    laterality: str = "",
    name: str = "synthetic radiograph",
) -> Radiograph:
    """A SYNTHETIC radiograph of a whole CT.

    The CT's attenuation is projected (monoenergetic), turned into transmitted intensity, blurred (focal spot and
    detector), scattered light is added (a broad Gaussian of the intensity), photons are counted (Poisson), and the
    counts become line integrals again with the unattenuated beam as I0.

    Args:
        case_ct: The CT; its labels are not used.
        camera: Geometry of the exposure.
        pose: CT to world; ``None`` leaves the CT where it is.
        photons: Photons per pixel in the unattenuated beam; 0 for no noise.
        blur_mm: Standard deviation of the blur on the detector, mm.
        scatter: Scattered intensity as a share of the primary one.
        energy_kev: Effective energy, 30 to 150 keV.
        seed: Of the photon noise: a number, or several, such as (case, view), so that no two pictures share noise.
        view: "PA", "LAT", ...
        laterality: "L", "R" or "".
        name: Short name.

    Raises:
        InputError: Negative photons, blur or scatter, or an energy outside the table.
    """
    if min(photons, blur_mm, scatter) < 0 or not np.isfinite([photons, blur_mm, scatter]).all():
        raise InputError("photons, blur_mm and scatter of a simulated radiograph must be 0 or more.")
    primary = np.exp(-_line_integrals(case_ct, camera, pose or RigidPose.identity(), energy_kev))
    intensity = _spread(primary, camera, blur_mm) + scatter * _spread(primary, camera, SCATTER_WIDTH_MM)
    open_beam = 1.0 + scatter
    if photons > 0:
        counts = np.random.default_rng(seed).poisson(intensity * photons)
        intensity, open_beam = np.maximum(counts, 0.5), open_beam * photons
    pixels = -np.log(intensity / open_beam)
    said = ", ".join(str(int(number)) for number in np.ravel(seed))
    how = f"Simulated at {energy_kev:g} keV from CT {case_ct.name}; I0 is the simulated open beam."
    note = (
        f"SYNTHETIC radiograph: {photons:g} photons per pixel, blur {blur_mm:g} mm, scatter {scatter:g} of the "
        f"primary beam, seed {said}."
    )
    return Radiograph(
        pixels.astype(np.float32),
        camera,
        IntensityNote("transmitted", float(open_beam), True, how),
        SpacingSource.DETECTOR,
        view,
        laterality,
        name,
        (note, *case_ct.notes),
        synthetic=True,
    )


def _line_integrals(ct: CtVolume, camera: XRayCamera, pose: RigidPose, energy_kev: float) -> NDArray[np.float64]:
    import torch

    from XRayTo3DLib.projection.drr import DrrProjector

    attenuation = attenuation_of(ct, energy_kev=energy_kev)
    with torch.no_grad():
        projector = DrrProjector(attenuation.mu, attenuation.voxel_to_lps)
        return projector(camera, pose).cpu().numpy().astype(np.float64)


def _spread(intensity: NDArray[np.float64], camera: XRayCamera, width_mm: float) -> NDArray[np.float64]:
    """Gaussian blur of ``width_mm`` (standard deviation) on the detector."""
    column, row = camera.spacing
    return gaussian_filter(intensity, (width_mm / row, width_mm / column), mode="nearest", truncate=3.0)
