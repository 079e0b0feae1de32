"""Simulate the radiograph that a CT would give: projection, blur, scatter, photon noise. The result is SYNTHETIC."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.imaging.attenuation import attenuation_of
from XRayTo3DLib.imaging.types import CtVolume, IntensityNote, Radiograph, SpacingSource

if TYPE_CHECKING:
    from XRayTo3DLib.projection.engines import Engine

SCATTER_WIDTH_MM = 25.0
"""Standard deviation of the scattered light's spread on the detector, mm."""
EXTREMITY_KEV = 38.0
"""Effective energy of an extremity exposure of about 55 kV, keV."""


class SimulatedLimb:
    """A CT ready to be X-rayed again and again, its bones together or each with a pose of its own.

    Moving a labelled bone takes its excess over soft tissue (``attenuation_of(in_tissue=True)``) away where it was and
    adds it where it goes; line integrals being linear, nothing else changes.

    Args:
        ct: The CT; labels are used for the bones that move.
        energy_kev: Effective energy, 30 to 150 keV.
        engine: Projector engine, see :func:`~XRayTo3DLib.projection.engines.make_projector`.

    Raises:
        InputError: An energy outside the table.
    """

    def __init__(self, ct: CtVolume, energy_kev: float = EXTREMITY_KEV, engine: Engine = "torch") -> None:
        self.ct, self.energy_kev = ct, energy_kev
        self._engine = engine
        self._projectors: dict[str | None, Callable[..., Any]] = {}

    def line_integrals(
        self, camera: XRayCamera, pose: RigidPose, moved: Mapping[str, RigidPose] | None = None
    ) -> NDArray[np.float64]:
        """(rows, columns) line integrals of the CT under ``pose`` with the labels of ``moved`` at their own poses.

        Raises:
            InputError: An unknown label.
        """
        total = self._drr(None, camera, pose)
        for label, own in (moved or {}).items():
            total += self._drr(label, camera, own) - self._drr(label, camera, pose)
        return np.maximum(total, 0)

    def _drr(self, label: str | None, camera: XRayCamera, pose: RigidPose) -> NDArray[np.float64]:
        import torch

        from XRayTo3DLib.projection.engines import make_projector

        if label not in self._projectors:
            part = attenuation_of(self.ct, label, energy_kev=self.energy_kev, in_tissue=label is not None)
            self._projectors[label] = make_projector(part.mu, part.voxel_to_lps, engine=self._engine)
        with torch.no_grad():
            return self._projectors[label](camera, pose).cpu().numpy().astype(np.float64)


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
    """A SYNTHETIC radiograph of a whole CT: its line integrals, exposed (see :func:`expose`).

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
    _check_exposure(photons, blur_mm, scatter)
    line_integrals = SimulatedLimb(case_ct, energy_kev).line_integrals(camera, pose or RigidPose.identity())
    picture = expose(line_integrals, camera, photons=photons, blur_mm=blur_mm, scatter=scatter, seed=seed, name=name)
    how = f"Simulated at {energy_kev:g} keV from CT {case_ct.name}; I0 is the simulated open beam."
    return replace(
        picture,
        intensity=replace(picture.intensity, how=how),
        view=view,
        laterality=laterality,
        notes=(*picture.notes, *case_ct.notes),
    )


def expose(
    line_integrals: NDArray[np.floating],
    camera: XRayCamera,
    *,
    photons: float = 8000.0,
    blur_mm: float = 0.2,
    scatter: float = 0.12,
    seed: int | Sequence[int] = 0,
    name: str = "synthetic radiograph",
) -> Radiograph:
    """A SYNTHETIC radiograph of line integrals (rows, columns).

    Transmitted intensity is blurred (focal spot and detector), scattered light is added (a broad Gaussian of the
    intensity), photons are counted (Poisson), and the counts become line integrals again with the unattenuated beam
    as I0. Arguments and errors as in :func:`simulate_radiograph`.
    """
    _check_exposure(photons, blur_mm, scatter)
    primary = np.exp(-np.asarray(line_integrals, dtype=np.float64))
    intensity = _spread(primary, camera, blur_mm) + scatter * _spread(primary, camera, SCATTER_WIDTH_MM)
    open_beam = 1.0 + scatter
    if photons > 0:
        counts = np.random.default_rng(seed).poisson(intensity * photons)
        intensity, open_beam = np.maximum(counts, 0.5), open_beam * photons
    pixels = -np.log(intensity / open_beam)
    said = ", ".join(str(int(number)) for number in np.ravel(seed))
    note = (
        f"SYNTHETIC radiograph: {photons:g} photons per pixel, blur {blur_mm:g} mm, scatter {scatter:g} of the "
        f"primary beam, seed {said}."
    )
    how = "Simulated; I0 is the simulated open beam."
    return Radiograph(
        pixels.astype(np.float32),
        camera,
        IntensityNote("transmitted", float(open_beam), True, how),
        SpacingSource.DETECTOR,
        name=name,
        notes=(note,),
        synthetic=True,
    )


def _check_exposure(photons: float, blur_mm: float, scatter: float) -> None:
    if min(photons, blur_mm, scatter) < 0 or not np.isfinite([photons, blur_mm, scatter]).all():
        raise InputError("photons, blur_mm and scatter of a simulated radiograph must be 0 or more.")


def _spread(intensity: NDArray[np.float64], camera: XRayCamera, width_mm: float) -> NDArray[np.float64]:
    """Gaussian blur of ``width_mm`` (standard deviation) on the detector."""
    column, row = camera.spacing
    return gaussian_filter(intensity, (width_mm / row, width_mm / column), mode="nearest", truncate=3.0)
