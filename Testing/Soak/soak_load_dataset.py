"""Data sets of up to 2,000 SYNTHETIC cases: do time and memory grow no faster than linearly?

Run: ``python Testing/Soak/soak_load_dataset.py [--cases 2000] [--output artifacts/soak/load]`` (about 15 minutes on one
core; ``--cases 240`` takes three). A few coarse phantoms are imported under many names, each with a small radiograph
and a registration; then the data set is listed, checked, split, prepared and learnt from at four sizes, every step in a
process of its own. Exits 1 where time or memory grows too fast.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "Testing" / "Lib"), str(REPOSITORY / "Testing" / "Host")]

from load_runs import ended, options
from memory_curve import exponent, measured, table, tell

SOURCES, WARM = 6, 12
"""People made, and cases that every step is tried on before it is timed."""
SHARES = (0.125, 0.25, 0.5, 1.0)
"""Of all cases: the sizes that are compared."""
MOST_EXPONENT = 1.2
"""Time grows with this power of the number of cases at most; 1 is linear, the rest is for a busy machine."""
MOST_KB_A_CASE = 250.0
"""Memory grows by so much at most with every case: far less than a prepared case of a real data set takes."""
STEPS = ("import again", "show", "table of Slicer", "check", "split", "split again", "prepare", "train one epoch")
QUICK = ("show", "table of Slicer", "check", "split", "split again")
"""Steps of fractions of a second: the best of some tries counts."""
TRIES = 3


def main() -> int:
    parser = options(__doc__, 2000, "of the largest data set")
    parser.add_argument("--step", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.step:
        work(args.step, args.folder, args.cases, args.output)
        return 0
    return compared(args.cases, args.output)


def compared(cases: int, output: Path) -> int:
    """Every step at every size; returns the exit code."""
    place = output / "dataset"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    sizes = [round(share * cases) for share in SHARES]
    run("sources", place, SOURCES, output)
    built = run("import", place / "all", cases, output)
    seconds = {"import": [built.told["spent"][size - 1] for size in sizes]}
    peaks = {"import": [peak_until(built, built.told["passed"][size - 1]) for size in sizes]}
    curves = {"import": {"seconds": built.curve.seconds, "own_mb": built.curve.own_mb}}
    run("register", place / "all", cases, output)
    for size in sizes:
        part_of(place / "all", place / str(size), size)
    for step in STEPS:
        found = [run(step, place / str(size), size, output) for size in sizes]
        seconds[step] = [each.told["seconds"] for each in found]
        peaks[step] = [each.curve.peak_mb for each in found]
        curves[step] = {"seconds": found[-1].curve.seconds, "own_mb": found[-1].curve.own_mb}
    return judged(sizes, seconds, peaks, curves, output)


def judged(sizes: list[int], seconds: dict[str, Any], peaks: dict[str, Any], curves: Any, output: Path) -> int:
    rows, faults = [], []
    for step in seconds:
        power = exponent(sizes, seconds[step])
        each_kb = 1000 * (peaks[step][-1] - peaks[step][0]) / (sizes[-1] - sizes[0])
        doubled = seconds[step][-1] / seconds[step][-2]
        rows.append([step, *(f"{s:.3g}" for s in seconds[step]), f"{power:.2f}", f"{doubled:.2f}"])
        rows[-1] += [*(f"{mb:.0f}" for mb in peaks[step]), f"{each_kb:.0f}"]
        if power > MOST_EXPONENT:
            faults.append(f"{step}: time grows with the power {power:.2f} of the number of cases")
        if each_kb > MOST_KB_A_CASE:
            faults.append(f"{step}: {each_kb:.0f} kB more memory with every case")
    header = ["step", *(f"{n} s" for n in sizes), "power", "doubled", *(f"{n} MB" for n in sizes), "kB a case"]
    print(f"SYNTHETIC data sets of {', '.join(map(str, sizes))} cases: CPU seconds, power of growth, most memory")
    print(table(header, rows))
    figures = {"sizes": sizes, "seconds": seconds, "peaks_mb": peaks, "curves": curves}
    return ended(output / "dataset.json", faults, "time and memory grow no faster than linearly", **figures)


def run(step: str, folder: Path, cases: int, output: Path) -> Any:
    found = measured([__file__, "--step", step, "--folder", folder, "--cases", str(cases), "--output", output])
    print(f"  {step}, {cases} cases: {found.seconds:.1f} s, {found.curve.peak_mb:.0f} MB", file=sys.stderr, flush=True)
    return found


def peak_until(found: Any, end: float) -> float:
    """Highest memory until so many seconds after the process' beginning, MB."""
    return max(mb for at, mb in zip(found.curve.seconds, found.curve.own_mb, strict=True) if at <= end + 0.5)


def part_of(whole: Path, part: Path, size: int) -> None:
    """The first cases as a data set of their own; files are linked, for none is ever changed in place."""
    content = json.loads((whole / "dataset.json").read_text())
    content["cases"] = content["cases"][:size]
    for entry in content["cases"]:
        shutil.copytree(whole / "cases" / entry["id"], part / "cases" / entry["id"], copy_function=os.link)
    (part / "dataset.json").write_text(json.dumps(content, indent=2))


# ---- the steps, each in a process of its own -------------------------------------------------------------------------


def work(step: str, folder: Path, cases: int, output: Path) -> None:
    """Do a step, and tell what processor time it took; modules are loaded before, and other programs do not count."""
    began = time.monotonic()
    makers: dict[str, Callable[[], None]] = {
        "sources": lambda: make_sources(folder, cases),
        "import": lambda: import_cases(folder, cases, began),
        "register": lambda: register_all(folder),
    }
    if step in makers:
        makers[step]()
        return
    steps: dict[str, Callable[[Path, int], object]] = {
        "import again": lambda place, count: command("dataset", "import", place, listed(place, count), "--json"),
        "show": lambda place, _: command("dataset", "show", place, "--json"),
        "table of Slicer": slicer_table() if step == "table of Slicer" else check,
        "check": check,
        "split": lambda place, _: command("dataset", "split", place, "--test", "0.2"),
        "split again": lambda place, _: command("dataset", "split", place, "--test", "0.2", "--seed", "1"),
        "prepare": lambda place, _: command("dataset", "prepare", place, "--workers", "1", "--json"),
        "train one epoch": lambda place, count: train(place, count, output),
    }
    warm = output / "dataset" / "warm" / step.replace(" ", "-")
    if not warm.exists():
        part_of(output / "dataset" / "all", warm, WARM)
    steps[step](warm, WARM)
    taken = []
    for _ in range(TRIES if step in QUICK else 1):
        at = time.process_time()
        steps[step](folder, cases)
        taken.append(time.process_time() - at)
    tell(seconds=min(taken))


def command(*words: object) -> str:
    """A command of xrayto3d, in this process; what it said."""
    from XRayTo3DLib.cli.main import main as xrayto3d

    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = xrayto3d([str(word) for word in words])
    if code:
        sys.exit(f"xrayto3d {' '.join(map(str, words))} ended with {code}")
    return said.getvalue()


def make_sources(place: Path, count: int) -> None:
    """SYNTHETIC people, coarse, and a small radiograph of each."""
    from XRayTo3DLib.dataset.dataset_folder import DatasetFolder
    from XRayTo3DLib.dataset.phantoms import wrist_camera
    from XRayTo3DLib.dataset.population import write_population
    from XRayTo3DLib.dataset.simulate import simulate_radiograph
    from XRayTo3DLib.geometry import RigidPose
    from XRayTo3DLib.imaging.radiograph_header import write_radiograph

    write_population(place / "sources", count, 3, spacing=5.0, length_mm=70.0, mesh_spacing=3.0, workers=1)
    for case in DatasetFolder.open(place / "sources").cases():
        camera = wrist_camera("PA", spacing_mm=3.0)
        picture = simulate_radiograph(case.ct(), camera, RigidPose.identity(), seed=1, view="PA", name=case.id)
        write_radiograph(picture, case.folder / "pa.nrrd")


def listed(folder: Path, cases: int) -> Path:
    """A table that names the sources over and over, each line another person."""
    from XRayTo3DLib.dataset.dataset_folder import DatasetFolder

    place = next(each for each in folder.parents if (each / "sources").is_dir())
    sources = DatasetFolder.open(place / "sources").cases()
    lines = ["id,ct,labels,side,view_pa"]
    for number in range(cases):
        case = sources[number % len(sources)]
        files = (case.folder / name for name in ("ct.nrrd", "labels.seg.nrrd"))
        lines.append(f"case-{number + 1:05d},{','.join(map(str, files))},{case.side},{case.folder / 'pa.nrrd'}")
    path = folder.with_suffix(".csv")
    path.write_text("\n".join(lines) + "\n")
    return path


def import_cases(folder: Path, cases: int, began: float) -> None:
    """As a person imports a table; notes when each case was in."""
    from XRayTo3DLib.cli import console
    from XRayTo3DLib.dataset.dataset_builder import start_dataset
    from XRayTo3DLib.files import write_json

    warm = folder.parent / "warm-import"
    for place in (folder, warm):
        path = start_dataset(place, frame="lps", provenance="SYNTHETIC, made for a test", licence="Apache-2.0")
        write_json(path, json.loads(path.read_text()) | {"preparation": {"spacing_mm": 4.0, "clip_mm": 8.0}})
    command("dataset", "import", warm, listed(warm, SOURCES), "--json")
    lines, spent, passed, cpu = listed(folder, cases), [], [], time.process_time()

    def note(_text: str, _share: float | None) -> None:
        spent.append(time.process_time() - cpu)
        passed.append(time.monotonic() - began)

    console.LISTENERS.append(note)
    command("dataset", "import", folder, lines, "--json")
    tell(spent=spent[1 : cases + 1], passed=passed[1 : cases + 1])  # told when a case begins, and at the end


def register_all(folder: Path) -> None:
    """A registration beside every radiograph, written as the batch does; here its pose is known."""
    from XRayTo3DLib.dataset.case_views import views_of, write_registration
    from XRayTo3DLib.dataset.dataset_folder import DatasetFolder
    from XRayTo3DLib.geometry import RigidPose
    from XRayTo3DLib.registration.result import RegistrationResult, TracePoint, Verdict

    pose = RigidPose.identity()
    record = RegistrationResult(
        pose=pose, initial=pose, centre=(0.0, 0.0, -30.0), view_names=("pa",), similarity=(0.9,),
        initial_similarity=(0.3,), verdict=Verdict.CONVERGED, reason="Made for a test.",
        trace=(TracePoint("first", 0.9, 0.1),), starts=4, agreeing=4, seconds=1.0, synthetic=True,
    ).to_dict()  # fmt: skip
    for case in DatasetFolder.open(folder).cases():
        for view in views_of(case):
            write_registration(view, record, pose)


def slicer_table() -> Callable[[Path, int], object]:
    """What fills the table of section 3 in Slicer, on the test host."""
    import slicerhost
    from slicerhost import modules

    slicerhost.boot()
    modules.load_module(REPOSITORY / "XRayTo3D" / "XRayTo3D.py")
    from XRayTo3DGui.dataset import listing

    def shown(place: Path, _count: int) -> object:
        about = listing.readAbout(place)
        return listing.summary(about, list(listing.Listing().rowSteps(about)))

    return shown


def configuration(folder: Path, cases: int) -> dict[str, Any]:
    """A tiny TL-net; its predictor sees every training person once."""
    from learning_cases import TL_NET, changed

    epoch = max(1, round(0.8 * 0.75 * cases / 4))  # a fifth is tested on, a quarter of the rest validates
    steps = {"autoencoder": {"steps": 2}, "predictor": {"steps": epoch}, "joint": {"steps": 2}}
    return changed(TL_NET, data={"folder": str(folder)}, stages=steps)


def check(folder: Path, _count: int) -> object:
    """As Slicer's section 4 looks at a data set before a training."""
    from XRayTo3DLib.methods.data_check import data_report

    return data_report(configuration(folder, 100), folder)


def train(folder: Path, cases: int, output: Path) -> None:
    """Train, test on a fifth of the people, write the bundle."""
    from learning_cases import write_yaml

    place = output / "dataset" / f"run-{folder.name}-{cases}"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    command("dataset", "split", folder, "--test", "0.2")
    config = write_yaml(place / "tiny.yaml", configuration(folder, cases))
    command("train", config, "-o", place / "run", "--device", "cpu", "--threads", "1", "--json")


if __name__ == "__main__":
    sys.exit(main())
