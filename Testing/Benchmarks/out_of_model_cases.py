"""Cases built to be wrong: SYNTHETIC wrists of the wrong side, in the wrong view, with implants, and other bones."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from XRayTo3DLib.dataset.actual_radiograph import ActualOptions, actual_radiograph
from XRayTo3DLib.dataset.canonical_view import CanonicalView, turned_camera
from XRayTo3DLib.dataset.dataset_folder import DatasetFolder
from XRayTo3DLib.dataset.metal import STEEL_MU, Metal
from XRayTo3DLib.dataset.prepared import _frame, truth_meshes
from XRayTo3DLib.dataset.voxel_grid import WRIST_CENTRE_MM
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.geometry.anatomical_frame import MIRROR
from XRayTo3DLib.imaging.collimation import usable_field
from XRayTo3DLib.refinement.options import View
from XRayTo3DLib.shape.meshes import points_of, transformed

TITANIUM, STEEL = 0.8, 2.0
"""Linear attenuation of what implants are made of in an extremity's beam, 1/mm: NIST XCOM at 40 keV gives 1.0 and 2.9,
less what metal itself hardens the beam by."""
IMPLANTS = ("plate", "wires", "prosthesis", "screws")
SHAFT_MM, OBLIQUE_DEG = -45.0, 45.0


@dataclass(frozen=True)
class Made:
    """One case: what it is, and the views as a user would give them.

    Attributes:
        kind: "normal", "wrong side", "other bones", "implant", "wrong view" or "oblique".
        detail: More about it.
        views: As ``refine`` takes them.
    """

    kind: str
    detail: str
    views: tuple[View, ...]


class Cases:
    """Makes cases.

    Args:
        wrists: Folder of SYNTHETIC forearms with soft tissue (``xrayto3d dataset synthetic``).
        knees: Folder of SYNTHETIC knees.
        hips: Folder of SYNTHETIC hips.
    """

    def __init__(self, wrists: str, knees: str, hips: str) -> None:
        self.cases = {
            name: DatasetFolder.open(folder).cases() for name, folder in zip(LIMBS, (wrists, knees, hips), strict=True)
        }

    def make(self, kind: str, number: int, variant: int) -> Made:
        """The case of person ``number``; ``variant`` counts the cases of a kind and chooses views and details."""
        return MAKERS[kind](self, number, variant)

    def pictures(self, limb, number, names, metal=None, away=0.0, turned=0.0):
        """Radiographs and cameras as they are believed to be: a degree and a per cent wrong.

        Args:
            limb: Of :data:`LIMBS`.
            number: Whose.
            names: Of the views.
            metal: Function of the bones' points, a generator: pieces of metal with their attenuation, or None.
            away: How far the limb was moved distally against where it is believed to be, mm.
            turned: And turned about its axis, degrees.
        """
        rng = np.random.default_rng([77, number])
        case = self.cases[limb][number]
        ct = case.ct()
        held = RigidPose.from_rotation(rng.normal(size=3) * [1.5, 5, 5], rng.normal(size=3), [0, 0, 0])
        moved = RigidPose.from_rotation([0, 0, turned], [0, 0, -away], [0, 0, 0]) @ held
        to_ct = _frame(case, ct).to_lps @ moved.inverse().matrix
        pieces = ()
        if metal is not None:
            points = {k: points_of(transformed(mesh, moved.matrix)) for k, mesh in truth_meshes(case).items()}
            pieces = metal(points, rng)
        found = []
        for name in names:
            camera = CanonicalView(name, 240, 0.4, 955.0, WRIST_CENTRE_MM).camera()
            lines = [mu / STEEL_MU * each.line_integrals(camera, RigidPose.identity()) for each, mu in pieces]
            picture = actual_radiograph(
                ct,
                camera.moved(to_ct),
                RigidPose.identity(),
                ActualOptions(),
                [number, int(name == "LAT")],
                laterality="R" if case.side == "right" else "L",
                metal=sum(lines) if lines else None,
            )
            believed = _wrong(camera, rng)
            found.append(View(picture.pixels, believed, usable_field(replace(picture, camera=camera)), name=name))
        return tuple(found)


LIMBS = ("wrists", "knees", "hips")


def _wrong(camera, rng):
    """A camera that is 1 degree and 1 % of its distance off."""
    axis = rng.normal(size=3)
    camera = camera.moved(RigidPose.from_rotation(axis / np.linalg.norm(axis), [0, 0, 0], [0, 0, 0]).matrix)
    beam = camera.normal * np.sign(camera.normal @ (camera.origin - camera.source))
    return replace(camera, source=camera.source + rng.choice([-0.01, 0.01]) * camera.sdd * beam)


def _names(variant):
    return ("PA", "LAT") if variant % 2 == 0 else ("PA",)


# ---- kinds -----------------------------------------------------------------------------------------------------------


def _normal(cases, number, variant):
    names = (("PA", "LAT"), ("PA",), ("PA", "LAT"), ("PA",), ("LAT",))[variant % 5]
    beads = variant % 5 in (2, 3)
    views = cases.pictures("wrists", number, names, metal=_beads if beads else None)
    return Made("normal", f"{'+'.join(names)}{', beads' if beads else ''}", views)


def _wrong_side(cases, number, variant):
    views = cases.pictures("wrists", number, _names(variant))
    views = tuple(replace(view, camera=view.camera.moved(MIRROR)) for view in views)
    return Made("wrong side", "+".join(_names(variant)), views)


def _other_bones(cases, number, variant):
    limb = ("knees", "hips", "shaft", "knees")[variant // 2 % 4]
    names = _names(variant)
    if limb == "shaft":
        views = cases.pictures("wrists", number, names, away=SHAFT_MM)
    else:
        views = cases.pictures(limb, number, names)
    return Made("other bones", f"{limb}, {'+'.join(names)}", views)


def _implant(cases, number, variant):
    which = IMPLANTS[variant // 2 % len(IMPLANTS)]
    mu = TITANIUM if variant // 8 % 2 == 0 else STEEL
    names = _names(variant)
    views = cases.pictures("wrists", number, names, metal=lambda bones, rng: implant(which, bones, mu, rng))
    return Made("implant", f"{which}, {'titanium' if mu == TITANIUM else 'steel'}, {'+'.join(names)}", views)


def _wrong_view(cases, number, variant):
    how = ("PA and LAT swapped", "LAT given as PA", "PA given as LAT")[variant % 3]
    if variant % 3 == 0:
        first, second = cases.pictures("wrists", number, ("PA", "LAT"))
        views = (_as(first, second), _as(second, first))
    else:
        shown, name = (("LAT", "PA"), ("PA", "LAT"))[variant % 3 - 1]
        camera = CanonicalView(name, 240, 0.4, 955.0, WRIST_CENTRE_MM).camera()
        views = (replace(cases.pictures("wrists", number, (shown,))[0], camera=camera, name=name),)
    return Made("wrong view", how, views)


def _as(place, shown):
    """What ``shown`` shows, given as ``place``."""
    return replace(place, image=shown.image, mask=shown.mask)


def _oblique(cases, number, variant):
    names = _names(variant)
    views = cases.pictures("wrists", number, names)
    turned = turned_camera(views[0].camera, np.zeros(3), OBLIQUE_DEG if variant // 2 % 2 else -OBLIQUE_DEG)
    return Made("oblique", "+".join(names), (replace(views[0], camera=turned), *views[1:]))


MAKERS = {
    "normal": _normal,
    "wrong side": _wrong_side,
    "other bones": _other_bones,
    "implant": _implant,
    "wrong view": _wrong_view,
    "oblique": _oblique,
}


# ---- metal -----------------------------------------------------------------------------------------------------------

NOTHING = np.zeros((0, 3))


def implant(which, bones, mu, rng):
    """Metal on or in a wrist's bones, points by bone in the frame, mm: pieces and their attenuation, 1/mm."""
    radius, ulna = _axis(bones["radius"]), _axis(bones["ulna"])
    if which == "plate":
        return [(each, mu) for each in _plate(bones["radius"], radius, rng)]
    if which == "wires":
        return [(_wire(_styloid(radius, rng), 0.8), mu) for _ in range(2)]
    if which == "prosthesis":
        stem = Metal(NOTHING, np.array([[ulna(-6.0), ulna(-55.0)]]), wire_radius=rng.uniform(2.0, 3.0))
        return [(stem, mu), (Metal(ulna(-4.0)[None], np.zeros((0, 2, 3)), bead_radius=rng.uniform(6.0, 8.0)), mu)]
    return [(_wire(_across(radius(z), rng), rng.uniform(1.0, 1.6)), mu) for z in (-8.0, -16.0)]


def _beads(bones, rng):
    """Three beads anywhere in the field, over the bones too."""
    return [(Metal(rng.uniform([-45, -20, -65], [30, 20, 10], (3, 3)), np.zeros((0, 2, 3))), STEEL)]


def _axis(points):
    """The middle of a bone's cross-section at a height z, mm."""
    return lambda z: points[np.abs(points[:, 2] - z) < 3.0].mean(axis=0)


def _wire(ends, radius):
    return Metal(NOTHING, np.array([ends]), wire_radius=radius)


def _styloid(radius, rng):
    """A pin from the styloid across the shaft."""
    start = radius(-5.0) + [rng.uniform(4, 10), rng.uniform(-3, 3), 4.0]
    return start, radius(rng.uniform(-50.0, -40.0)) + [rng.uniform(-7, -3), rng.uniform(-3, 3), 0.0]


def _across(middle, rng):
    half = np.array([rng.uniform(8, 12), rng.uniform(-6, 6), rng.uniform(-4, 4)])
    return middle - half, middle + half


def _plate(points, radius, rng):
    """A plate on the volar side: strips of wires side by side, a wider head, and screws."""
    length, width = rng.uniform(40, 55), rng.uniform(7, 9)
    volar = {z: points[np.abs(points[:, 2] - z) < 3.0][:, 1].min() - 1.0 for z in (-8.0, -14.0, -14.0 - length)}
    strips = []
    for offset in np.arange(-width / 2, width / 2 + 0.1, 1.0):
        ends = [np.array([radius(z)[0] + offset, volar[z], z]) for z in (-14.0, -14.0 - length)]
        strips.append(ends)
    for z in np.arange(-16.0, -6.0, 1.0):
        middle = np.array([radius(z)[0], volar[-8.0], z])
        strips.append([middle - [10, 0, 0], middle + [10, 0, 0]])
    found = [Metal(NOTHING, np.array(strips), wire_radius=0.8)]
    for z, x in ((-9.0, -6.0), (-9.0, 0.0), (-9.0, 6.0), (-25.0, 0.0), (-35.0, 0.0), (-14.0 - length + 5, 0.0)):
        head = np.array([radius(z)[0] + x, volar[-14.0], z])
        found.append(_wire((head, head + [0, rng.uniform(12, 18), 0]), 1.2))
    return found
