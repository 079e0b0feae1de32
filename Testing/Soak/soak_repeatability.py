"""The same input, the same output: every case in many circumstances; and what threads, engines and digits cost in mm.

.venv/bin/python Testing/Soak/soak_repeatability.py --cases 3 --seed 0

Every case of ``Testing/Lib/repeat_cases.py`` runs in processes that differ in hash seed, order of files in folders,
working folder, locale and time zone: all must give the same bytes, or the exit code is 1. Then the figures of
docs/repeatability.md: vertices and poses with 1, 2 and 4 threads, with either projector, with weights anywhere within
the rounding of the float16 that a bundle keeps, and computed with fewer digits than they are.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

LIBRARY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(LIBRARY / "Testing" / "Lib"))

import repeat_cases as cases

from XRayTo3DLib.models import load_bundle
from XRayTo3DLib.models.find import find_bundles, shipped_models_folder
from XRayTo3DLib.projection.threads import torch_threads
from XRayTo3DLib.shape.meshes import points_of
from XRayTo3DLib.shape.shape_model_file import arrays_of
from XRayTo3DLib.shape.surface_distance import surface_distance

LIMIT_MM = 1e-3
"""What threads may move a vertex by."""
LANGUAGES = ("de_DE", "tr_TR")


def say(*words: object) -> None:
    """A line, at once."""
    print(*words, flush=True)


# ---- the same bytes --------------------------------------------------------------------------------------------------


def processes(count: int, seed: int, folder: Path) -> Iterator[tuple[str, dict[str, str], list[str], Path]]:
    """Name, environment, further words and working folder of processes that differ in what should not matter."""
    languages = [name for name in LANGUAGES if made_locale(name, folder)]
    for number in range(count):
        place = folder / f"place {number}"
        place.mkdir()
        environment = {"PYTHONHASHSEED": str(seed + 101 * number + 1), "LOCPATH": str(folder), "TMPDIR": str(place)}
        environment["TZ"] = ("UTC", "Pacific/Chatham", "America/St_Johns")[number % 3]
        words = ["--reversed-folders"] if number % 2 else []
        words += ["--threads", str(1 + number % 3)]
        language = languages[number % len(languages)] if languages and number else ""
        words += ["--locale", f"{language}.UTF-8"] if language else []
        yield f"{number}: {' '.join(words)} TZ={environment['TZ']}", environment, words, place


def made_locale(name: str, folder: Path) -> bool:
    """Whether a locale could be made in ``folder``."""
    try:
        words = ["localedef", "-i", name, "-f", "UTF-8", str(folder / f"{name}.UTF-8")]
        return subprocess.run(words, capture_output=True).returncode <= 1
    except FileNotFoundError:
        return False


def printed(names: list[str], environment: dict[str, str], words: list[str], place: Path) -> dict[str, Any]:
    """What ``repeat_cases.py`` prints there."""
    command = [sys.executable, str(LIBRARY / "Testing/Lib/repeat_cases.py"), *names, *words]
    given = {**os.environ, **environment}
    done = subprocess.run(command, cwd=place, env=given, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}: {done.stderr[-1500:]}")
    return json.loads(done.stdout)["cases"]


def same_bytes(count: int, seed: int) -> int:
    """Run every case here twice and in ``count`` other processes; returns how many faults there are."""
    faults = 0
    names = [name for name in cases.CASES if not name.startswith(("reconstruction", "derivatives"))]
    with torch_threads(1):
        first = cases.fingerprints(cases.CASES)
        for name in cases.CASES:
            again = cases.CASES[name]() == first[name]
            faults += not again
            say(f"{name:<22} {len(first[name]):>3} fingerprints, a second time: {'same' if again else 'DIFFERENT'}")
    with tempfile.TemporaryDirectory() as folder:
        for title, environment, words, place in processes(count, seed, Path(folder)):
            alone = "2" not in words and "3" not in words
            asked = list(cases.CASES) if alone else names
            found = printed(asked, environment, words, place)
            bad = [name for name in asked if found[name] != first[name]]
            faults += len(bad)
            say(f"process {title}: {len(asked)} cases, {'all the same' if not bad else f'DIFFERENT: {bad}'}")
    return faults


# ---- what threads, engines and digits cost ---------------------------------------------------------------------------


def networks() -> list[Path]:
    """Shipped bundles with a network."""
    return [path for path in find_bundles([shipped_models_folder()]) if load_bundle(path).networks]


def moved(one: dict[str, Any], other: dict[str, Any]) -> tuple[float, float]:
    """Largest ASSD of a bone, and largest distance of a vertex where both have the same triangles (else NaN), mm."""
    assd = max(surface_distance(one[n], other[n], samples=4000, require_overlap=False).assd for n in one)
    pairs = [(points_of(one[n]), points_of(other[n])) for n in one]
    alike = all(a.shape == b.shape for a, b in pairs)
    return assd, max(float(np.abs(a - b).max()) for a, b in pairs) if alike else float("nan")


def threads() -> int:
    """Vertices with 2 and 4 threads against 1."""
    faults = 0
    for path in networks():
        model = cases.loaded_model(path)
        with torch_threads(1):
            alone = cases.reconstructed(path, model)
        for count in (2, 4):
            with torch_threads(count):
                assd, vertex = moved(alone, cases.reconstructed(path, model))
            faults += not vertex < LIMIT_MM
            say(f"{path.name:<20} {count} threads against 1: vertices move by {vertex:.1e} mm at most")
    return faults


def apart_mm(one: Any, other: Any) -> float:
    """How far two poses place a point 100 mm from the world's origin apart, mm, at most."""
    degrees, millimetres = one.distance_to(other, np.zeros(3))
    return float(millimetres + np.deg2rad(degrees) * 100)


def poses() -> int:
    """One registration with other threads and engines; and without compiled functions."""
    alone = {engine: cases.registered(engine).pose for engine in ("torch", "numba")}
    faults = 0
    for engine, pose in alone.items():
        for count in (2, 4):
            apart = apart_mm(pose, cases.registered(engine, threads=count).pose)
            faults += not apart < LIMIT_MM
            say(f"registration, {engine}, {count} threads against 1: {apart:.1e} mm")
    say(f"registration, torch against numba: {apart_mm(*alone.values()):.1e} mm")
    return faults


def within_rounding(values: Any, random: np.random.Generator) -> Any:
    """Numbers that float16 rounds to ``values`` (float32 that float16 holds exactly), drawn evenly."""
    half = np.asarray(values, dtype=np.float16)
    step = np.spacing(np.abs(half)).astype(np.float32)
    return np.asarray(values, dtype=np.float32) + step * random.uniform(-0.5, 0.5, half.shape).astype(np.float32)


def weights_of(path: Path, change: Callable[[Any], Any]) -> Any:
    """A bundle's model with changed weights."""
    from XRayTo3DLib.methods.registry import method_named

    loaded = load_bundle(path)

    def weights(name: str) -> dict[str, Any]:
        kept = loaded.weights(name).items()
        return {n: torch.as_tensor(change(t.numpy())) if t.is_floating_point() else t for n, t in kept}

    return method_named(loaded.bundle.method).load_model(loaded.bundle.configuration, weights, loaded.array)


def stored_digits(draws: int, seed: int) -> None:
    """What storing weights as float16 changes: weights drawn from all that round to the ones kept."""
    random = np.random.default_rng(seed)
    for path in networks():
        kept = cases.reconstructed(path)
        found = []
        for _ in range(draws):
            found.append(moved(kept, cases.reconstructed(path, weights_of(path, lambda v: within_rounding(v, random)))))
        say(
            f"{path.name:<20} weights kept as {load_bundle(path).stored}: ASSD {np.mean([a for a, _ in found]):.1e} mm "
            f"on average, {max(a for a, _ in found):.1e} at most in {draws} draws"
        )


def modules_of(model: Any) -> list[nn.Module]:
    """Every layer of a model's networks."""
    predictor = getattr(model, "predictor", model)
    tops = [value for value in vars(predictor).values() if isinstance(value, nn.Module)]
    return list({id(each): each for top in tops for each in top.modules()}.values())


def as_tf32(values: torch.Tensor) -> torch.Tensor:
    """Rounded to the eleven bits of NVIDIA's TF32."""
    bits = values.detach().contiguous().view(torch.int32)
    return ((bits + 0x1000) & ~0x1FFF).view(torch.float32)


def in_tf32(model: Any) -> Any:
    """A model whose convolutions and products see weights and inputs as a graphics card rounds them in TF32."""
    for layer in modules_of(model):
        if hasattr(layer, "weight") and isinstance(layer.weight, torch.Tensor) and layer.weight.ndim > 1:
            layer.weight.data = as_tf32(layer.weight.data)
            layer.register_forward_pre_hook(lambda _, given: tuple(as_tf32(each) for each in given))
    return model


def lower_digits() -> None:
    """What a network would answer in fewer digits, and that an autocast of the caller does not do it."""
    for path in networks():
        kept = cases.reconstructed(path)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            held, _ = moved(kept, cases.reconstructed(path))
        tf32, _ = moved(kept, cases.reconstructed(path, in_tf32(cases.loaded_model(path))))
        rounded = weights_of(path, lambda values: torch.as_tensor(values).bfloat16().float().numpy())
        bf16, _ = moved(kept, cases.reconstructed(path, rounded))
        say(f"{path.name:<20} ASSD under autocast {held:.1e} mm; TF32 would be {tf32:.1e}, bfloat16 weights {bf16:.1e}")


def shape_models() -> None:
    """What the float16 of a shape model's modes changes in people drawn from it, mm."""
    model = cases.loaded_model(shipped_models_folder() / "wrist-shapes-demo")
    random = np.random.default_rng(0)
    for label, built in model.predictor.models.items():
        kept = arrays_of(built.model.shape, np.float16)["displacements"].astype(np.float32)
        off = within_rounding(kept, random) - kept
        people = random.normal(size=(200, len(kept)))
        by_vertex = np.linalg.norm(np.einsum("pk,kvc->pvc", people, off), axis=2)
        say(f"shape model {label:<8} modes kept as float16: {by_vertex.mean():.1e} mm, {by_vertex.max():.1e} at most")


def prepared() -> None:
    """What the float16 of prepared cases changes: of surfaces, mm, and of line integrals, in shares of the largest."""
    from XRayTo3DLib.dataset.dataset_folder import DatasetFolder
    from XRayTo3DLib.dataset.population import write_population
    from XRayTo3DLib.dataset.prepared import prepare
    from XRayTo3DLib.shape.field_surface import surface_from_field

    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        write_population(folder, 1, 3, workers=1, spacing=1.0, mesh_spacing=1.0, length_mm=70.0)
        case = prepare(DatasetFolder.open(folder).cases("train")[0])
    field = case.distances[0].astype(np.float32)
    surfaces = [surface_from_field(each, case.voxel_to_frame, 0.0) for each in (field, within_rounding(field, random))]
    apart = surface_distance(*surfaces, samples=20000).assd
    mu = case.mu.astype(np.float32)
    sums = [each.sum(axis=1) for each in (mu, within_rounding(mu, random))]
    share = np.abs(sums[0] - sums[1]).max() / sums[0].max()
    say(f"prepared case, kept as float16: surfaces {apart:.1e} mm (ASSD), line integrals {share:.1e} of the largest")


def main() -> int:
    """Everything; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cases", type=int, default=4, help="other processes (4)")
    parser.add_argument("--draws", type=int, default=5, help="draws of weights (5)")
    parser.add_argument("--seed", type=int, default=0, help="of hash seeds and draws (0)")
    args = parser.parse_args()
    faults = same_bytes(args.cases, args.seed) + threads() + poses()
    stored_digits(args.draws, args.seed)
    lower_digits()
    shape_models()
    prepared()
    say(f"faults: {faults}")
    return 1 if faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
