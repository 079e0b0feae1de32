"""Fingerprints of everything that computes: run twice, in whatever circumstances, they must be the same bytes.

Run as a program it prints them as JSON, so that another process, with another hash seed, locale, working folder, number
of threads and order of files in folders, can be compared with this one::

    python repeat_cases.py drr meshes --reversed-folders --locale de_DE
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import locale
import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

Fingerprint = dict[str, str]


def reverse_folders() -> None:
    """Have every listing of a folder come in the reverse order of names (a file system promises none)."""
    listdir, scandir = os.listdir, os.scandir

    class Scan:
        def __init__(self, *where: Any) -> None:
            with scandir(*where) as found:
                self._entries = iter(sorted(found, key=lambda entry: os.fspath(entry.name), reverse=True))

        def __enter__(self) -> Scan:
            return self

        def __exit__(self, *_: object) -> None:
            return

        def close(self) -> None:
            return

        def __iter__(self) -> Scan:
            return self

        def __next__(self) -> Any:
            return next(self._entries)

    os.listdir = lambda *where: sorted(listdir(*where), reverse=True)  # type: ignore[assignment]
    os.scandir = Scan  # type: ignore[assignment, misc]


def digest(*parts: Any) -> str:
    """SHA-256 (12 digits) of arrays and tensors by type, shape and bytes, of everything else by its text."""
    import numpy as np

    total = hashlib.sha256()
    for part in parts:
        if hasattr(part, "detach"):
            part = part.detach().cpu().numpy()
        if isinstance(part, np.ndarray):
            total.update(f"{part.dtype}{part.shape}".encode())
            total.update(np.ascontiguousarray(part).tobytes())
        else:
            total.update(repr(part).encode())
    return total.hexdigest()[:12]


def surface_digest(surface: Any) -> str:
    """Of a surface's points and triangles."""
    from XRayTo3DLib.shape.meshes import points_of, triangles_of

    return digest(points_of(surface), triangles_of(surface))


def tree_digest(folder: Path) -> Fingerprint:
    """Of every file under ``folder`` by its path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()[:12] for path in files}


# ---- what is computed ------------------------------------------------------------------------------------------------


@functools.cache
def bone() -> Any:
    """Attenuation of an analytic bone."""
    from phantoms_analytic import bone_ct

    from XRayTo3DLib.imaging.attenuation import attenuation_of

    return attenuation_of(bone_ct(), "bone")


def truth() -> Any:
    """Where the bone is."""
    from XRayTo3DLib.geometry import RigidPose

    return RigidPose.from_rotation((3, -4, 2), (2, 1, -3))


@functools.cache
def pictures(engine: str = "torch") -> tuple[Any, ...]:
    """Radiographs of the bone, by one engine."""
    import torch
    from phantoms_analytic import BONE_CAMERAS

    from XRayTo3DLib.imaging.types import IntensityNote, Radiograph, SpacingSource
    from XRayTo3DLib.projection.engines import make_projector

    projector = make_projector(bone().mu, bone().voxel_to_lps, engine=engine)  # type: ignore[arg-type]
    note = IntensityNote("line-integral", None, True, "DRR")
    with torch.no_grad():
        return tuple(
            Radiograph(
                projector(camera, truth().matrix.copy()).numpy(), camera, note, SpacingSource.DETECTOR, view, name=view
            )
            for view, camera in BONE_CAMERAS.items()
        )


def drr(engine: str = "torch") -> Fingerprint:
    """Pictures."""
    pictures.cache_clear()
    return {f"{engine} picture": digest(*(each.pixels for each in pictures(engine)))}


def jacobian(engine: str = "torch") -> tuple[Any, Any]:
    """A picture and its derivatives by six parameters of a pose."""
    from phantoms_analytic import BONE_CAMERAS

    from XRayTo3DLib.projection.engines import make_projector
    from XRayTo3DLib.registration.motion import CentredMotion

    projector = make_projector(bone().mu, bone().voxel_to_lps, engine=engine)  # type: ignore[arg-type]
    camera = next(iter(BONE_CAMERAS.values()))
    return projector.with_jacobian(camera, truth().matrix.copy(), CentredMotion(truth().apply(bone().centre_lps)))


def derivatives(engine: str = "torch") -> Fingerprint:
    """Of a picture."""
    return {f"{engine} derivatives": digest(*jacobian(engine))}


def start() -> Any:
    """Beside the truth by 4 degrees and 3 mm."""
    from XRayTo3DLib.geometry import RigidPose

    return RigidPose.from_rotation((2, -2.5, 2.4), (1.5, 2, 1.6), truth().apply(bone().centre_lps)) @ truth()


def registered(engine: str = "torch", device: str = "cpu", **options: Any) -> Any:
    """The bone registered to its own pictures; pictures are always the torch engine's."""
    from XRayTo3DLib.registration.options import RegistrationOptions
    from XRayTo3DLib.registration.register import register

    asked = RegistrationOptions(**{"starts": 2, "screened": 8, "pixel_mm": (3.2, 1.6), **options})
    return register(bone(), list(pictures()), start(), asked, device, engine=engine)  # type: ignore[arg-type]


def registration(engine: str = "torch") -> Fingerprint:
    """Pose, trace and uncertainty from screening and from CMA-ES."""
    found: Fingerprint = {}
    for optimiser in ("screening", "cma-es"):
        result = registered(engine, optimiser=optimiser)
        told = (result.pose.matrix, result.similarity, result.verdict, result.uncertainty.deviations)
        found[f"{engine} {optimiser}"] = digest(*told, [(point.stage, point.similarity) for point in result.trace])
    return found


def global_search() -> Fingerprint:
    """Every candidate."""
    from XRayTo3DLib.registration.global_search import GlobalSearchOptions, global_search

    options = GlobalSearchOptions(spacing_deg=75.0, pixel_mm=8.0, refined=2, kept=2)
    found = global_search(bone(), list(pictures()), options, place=truth().apply(bone().centre_lps))
    return {"candidates": digest(*((each.pose.matrix, each.score) for each in found))}


def refinement() -> Fingerprint:
    """Bones, uncertainty and pictures of two toys whose start was searched for."""
    from dataclasses import replace

    import test_refinement_refine as cases

    from XRayTo3DLib.refinement.result import refine

    levels = tuple(replace(level, iterations=2) for level in cases.LEVELS)
    options = replace(cases.CLEAR, levels=levels, draws=2, candidates=1, start_iterations=1, poor=-1.0)
    found = refine(cases.anatomy(), cases.shots()[:1], options)
    bones = ((name, each.points, each.normal_sd_mm) for name, each in found.bones.items())
    return {"bones": digest(*(part for each in bones for part in each)), "misfit": digest(found.misfit, found.steps)}


def training() -> Fingerprint:
    """Weights after two stages, a pair of opponents, dropout."""
    from training_cases import TinyTask, weights_of

    from XRayTo3DLib.training.loop import train

    task = TinyTask(steps=5)
    with tempfile.TemporaryDirectory() as folder:
        train(task, Path(folder), device="cpu", threads=1, log_every=1, tensorboard=False)
        table = (Path(folder) / "metrics.csv").read_text(encoding="utf-8")
    weights = weights_of(task)
    return {"weights": digest(*(part for item in weights.items() for part in item)), "metrics": digest(table)}


def dataset() -> Fingerprint:
    """Every file of a small data set of SYNTHETIC wrists, prepared."""
    from XRayTo3DLib.dataset.population import write_population
    from XRayTo3DLib.dataset.prepared_files import prepare_all

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "wrists"
        write_population(folder, 1, 3, workers=1, spacing=4.0, mesh_spacing=3.0, length_mm=60.0)
        prepare_all(folder, 1)
        return tree_digest(folder)


def readers() -> Fingerprint:
    """What is made of folders: lists of cases, of bundles, of pairs of surfaces, a CT series read slice by slice."""
    from test_imaging_ct import write_series

    from XRayTo3DLib.dataset.case_views import views_of
    from XRayTo3DLib.evaluation.batch_pairs import pairs_from_folders
    from XRayTo3DLib.imaging.ct_reader import read_ct
    from XRayTo3DLib.models.find import find_bundles, shipped_models_folder
    from XRayTo3DLib.shape.surfaces import write_surface

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for case in ("b", "a", "c"):
            for side in ("one", "two"):
                write_surface(ball(), folder / side / case / "radius.vtp")
        pairs, lonely = pairs_from_folders(folder / "one", folder / "two")
        write_series(folder / "series")
        ct = read_ct(folder / "series")
        for view in ("ap-1", "ap-01", "lat", "lat-0", "ap-10", "ap-2"):
            (folder / "views" / view).mkdir(parents=True)
        views = views_of(SimpleNamespace(id="case", folder=folder, side="left"))  # type: ignore[arg-type]
        return {
            "pairs": digest(*((pair.case, pair.bone) for pair in pairs), lonely),
            "bundles": digest([path.name for path in find_bundles([shipped_models_folder()])]),
            "series": digest(ct.hu, ct.voxel_to_lps),
            "views": digest([view.name for view in views]),
        }


@functools.cache
def ball() -> Any:
    """A closed surface."""
    import numpy as np

    from XRayTo3DLib.shape.field_surface import surface_from_field

    k, j, i = np.mgrid[:14, :15, :16]
    field = 5.2 - np.sqrt((i - 7.3) ** 2 + (j - 7.1) ** 2 + 1.3 * (k - 6.4) ** 2)
    return surface_from_field(field.astype(np.float32), np.diag([1.5, 1.5, 1.5, 1.0]), 0.0)


def meshes() -> Fingerprint:
    """A surface of a field, distances between two, points spread over one, a correspondence."""
    import numpy as np

    from XRayTo3DLib.shape.meshes import transformed
    from XRayTo3DLib.shape.surface_distance import surface_distance

    moved = transformed(ball(), np.array([[1, 0, 0, 0.7], [0, 1, 0, -0.4], [0, 0, 1, 0.2], [0, 0, 0, 1.0]]))
    found = surface_distance(ball(), moved, samples=500)
    return {
        "surface": surface_digest(ball()),
        "distance": digest(found.assd, found.rms, found.result_to_reference.mean),
    }


def measurements() -> Fingerprint:
    """Angles and lengths of a wrist, with their uncertainty."""
    import numpy as np

    from XRayTo3DLib.measurements import measurements_of
    from XRayTo3DLib.methods.registry import method_named
    from XRayTo3DLib.methods.shape_intensity_fit.predictor import ShapeIntensityPredictor
    from XRayTo3DLib.models import load_bundle
    from XRayTo3DLib.models.find import shipped_models_folder

    loaded = load_bundle(shipped_models_folder() / "wrist-shapes-demo")
    model = method_named(loaded.bundle.method).load_model(loaded.bundle.configuration, loaded.weights, loaded.array)
    predictor = model.predictor
    assert isinstance(predictor, ShapeIntensityPredictor)
    bones = {label: each.model.surface_points() for label, each in predictor.models.items()}
    random = np.random.default_rng(2)
    draws = {label: points + random.normal(0, 0.3, (20, 1, 3)) for label, points in bones.items()}
    return {"wrist": digest(measurements_of(bones, predictor.landmarks, draws, "wrist"))}


def reconstruction(*names: str) -> Fingerprint:
    """Every shipped bundle's bones of a picture that is made up but bone-like."""
    from XRayTo3DLib.models.find import find_bundles, shipped_models_folder

    found: Fingerprint = {}
    for path in find_bundles([shipped_models_folder()]):
        if not names or path.name in names:
            found |= {f"{path.name} {label}": surface_digest(each) for label, each in reconstructed(path).items()}
    return found


def loaded_model(path: Path) -> Any:
    """The model of a bundle."""
    from XRayTo3DLib.methods.registry import method_named
    from XRayTo3DLib.models import load_bundle

    loaded = load_bundle(path)
    return method_named(loaded.bundle.method).load_model(loaded.bundle.configuration, loaded.weights, loaded.array)


def reconstructed(path: Path, model: Any = None) -> dict[str, Any]:
    """By bone what a bundle makes of its standard picture."""
    from phantoms_analytic import looking_camera

    model = loaded_model(path) if model is None else model
    data = model.configuration.data if hasattr(model, "predict_depth") else model.data
    if hasattr(model, "predict_depth"):
        size = data.geometry.size
        camera = looking_camera((size, size), data.geometry.pixel_mm, sdd=data.geometry.sdd_mm)
        return dict(model.seen(model.predict_depth(bone_like((size, size)), camera)))
    size = data.image.size
    shapes = model.predictor.predict(bone_like((1, len(data.canonical_views), size, size)))[0]
    return dict(model.meshes(shapes)[0])


def bone_like(shape: tuple[int, ...]) -> Any:
    """Line integrals of two shafts, float32."""
    import numpy as np

    row, column = np.mgrid[: shape[-2], : shape[-1]] / shape[-1]
    shafts = [np.exp(-(((column - at) / 0.06) ** 2)) for at in (0.42, 0.58)]
    return np.broadcast_to((1.2 * (row > 0.3) * sum(shafts)).astype(np.float32), shape).copy()


CASES: dict[str, Callable[[], Fingerprint]] = {
    "drr": drr,
    "drr-numba": functools.partial(drr, "numba"),
    "derivatives": derivatives,
    "derivatives-numba": functools.partial(derivatives, "numba"),
    "registration": registration,
    "registration-numba": functools.partial(registration, "numba"),
    "global-search": global_search,
    "refinement": refinement,
    "training": training,
    "dataset": dataset,
    "readers": readers,
    "meshes": meshes,
    "measurements": measurements,
    "reconstruction": reconstruction,
}


def fingerprints(names: Iterable[str]) -> dict[str, Fingerprint]:
    """Of the cases named."""
    return {name: CASES[name]() for name in names}


def circumstances(language: str = "") -> dict[str, Any]:
    """What may differ between two processes: a set's order, a folder's, the decimal point, the place, threads."""
    import torch

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for each in "bca":
            (folder / each).touch()
        listed = ["".join(path.name for path in found) for found in (folder.iterdir(), folder.glob("*"))]
    return {
        "hash": hash("bone"),
        "listed": listed,
        "locale": language,
        "decimal point": locale.localeconv()["decimal_point"],
        "folder": str(Path.cwd()),
        "threads": torch.get_num_threads(),
    }


def main() -> int:
    """Print the fingerprints of the cases named, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("cases", nargs="*", choices=tuple(CASES))
    parser.add_argument("--reversed-folders", action="store_true", help="list folders in reverse order of names")
    parser.add_argument(
        "--locale", default="", help="of the C library, as a Qt program sets it; passed over if missing"
    )
    parser.add_argument("--threads", type=int, help="of torch")
    args = parser.parse_args()
    if args.reversed_folders:
        reverse_folders()
    if args.locale:
        locale.setlocale(locale.LC_ALL, args.locale)
    if args.threads:
        import torch

        torch.set_num_threads(args.threads)
    found = {"cases": fingerprints(args.cases), "circumstances": circumstances(args.locale)}
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
