"""Every command on files full of canaries, then everything that was written and said is searched for them.

.venv/bin/python Testing/Soak/soak_privacy.py            prints a table, exits 1 where anything is found
.venv/bin/python Testing/Soak/soak_privacy.py --quick    without training and what needs a model

What a person types (case ids, output folders, notes) is no canary; the inputs' names, their folders, the home folder,
the user and the computer are. Commands, and the processes they start, are also watched for connections and look-ups.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

TESTING = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTING / "Lib"))

import numpy as np
import planted_files
from canaries import overheard
from learning_cases import PIX2PIX, SHAPES, TL_NET, changed, write_yaml
from network_watch import Watch
from planted_files import TRUTH, WHO, Clinic, without_paths

from XRayTo3DLib.cli.main import main
from XRayTo3DLib.dataset.dataset_folder import DatasetFolder
from XRayTo3DLib.dataset.view_pairs import read_pair, write_pairs
from XRayTo3DLib.imaging.ct_reader import read_ct

QUICK = ("--starts", "3", "--screened", "32", "--pixel-sizes", "1.6", "0.8")
PEOPLE, TESTED = 7, 2


@dataclass
class Soak(Clinic):
    """What was found by command, and who looked for connections."""

    rows: list[tuple[str, int, float, str]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    watch: Watch = field(default_factory=Watch)

    def __post_init__(self) -> None:
        for name in WHO:
            os.environ[name] = self.canaries.text(f"environment {name}")
        os.environ["HOME"] = str(self.home)
        os.environ["XRAYTO3D_MODELS"] = str(self.out / "models")
        socket.gethostname = platform.node = lambda: os.environ["HOSTNAME"]
        self.watch.follow_children(self.home.parent)

    def run(self, title: str, *words: object, code: int = 0) -> None:
        """A command as a person types it; what it says and wrote is searched at once."""
        typed = [str(word) for word in words]
        self.searched(title, lambda: self._ended(typed, code), typed)

    def _ended(self, typed: list[str], code: int) -> None:
        ended = main(typed)
        if ended != code:
            self.faults.append(f"{' '.join(typed[:2])}: exit code {ended}, not {code}")

    def searched(self, title: str, work: Callable[[], object], typed: list[str] = ()) -> None:  # type: ignore[assignment]
        """Do it; add a row with what was found in what it said and left."""
        before = _stamps(self.out)
        began = time.monotonic()
        with overheard() as heard, self.watch.watching(title):
            try:
                work()
            except SystemExit as error:
                self.faults.append(f"{title}: exit {error.code}")
        said = without_paths(heard.getvalue(), [*typed, str(self.home)])
        found = {f"said: {text}": where for text, where in self.canaries.found_in(said.encode()).items()}
        written = [path for path, stamp in _stamps(self.out).items() if before.get(path) != stamp]
        for path in written:
            name = str(path.relative_to(self.out))
            content = path.read_bytes() if path.exists() else b""
            leaks = self.canaries.found_in(name.encode()) | self.canaries.found_in(content)
            found |= {f"{name}: {text}": where for text, where in leaks.items()}
        self.rows.append((title, len(written), time.monotonic() - began, f"{len(found)} found" if found else "none"))
        self.faults += [f"{title}: {place} ({where})" for place, where in found.items()]
        row = self.rows[-1]
        sys.__stdout__.write(f"{row[0]:<44} {row[1]:>5} files {row[2]:7.1f} s   {row[3]}\n")
        sys.__stdout__.flush()
        if any(fault.startswith(typed[0] if typed else title) for fault in self.faults[-1:]):
            sys.__stdout__.write(heard.getvalue()[-1500:] + "\n")


def _stamps(folder: Path) -> dict[Path, int]:
    """When each file was written; a worker that ends may just be removing one."""
    stamps = {}
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            if path.is_file():
                stamps[path] = path.stat().st_mtime_ns
    return stamps


# ---- without learning ------------------------------------------------------------------------------------------------


def one_case(soak: Soak) -> None:
    """Loading, projecting, registering, judging; and a data set of one's own."""
    canaries = soak.canaries
    pictures = {m: planted_files.radiograph(soak.named(m, ".dcm"), canaries, m) for m in ("CR", "DX", "XA", "RF")}
    lateral = planted_files.radiograph(soak.named("lateral", ".dcm"), canaries, "DX", "LAT")
    ct = planted_files.series(soak.named("CT", ""), canaries)
    volumes = [planted_files.volume(soak.named("volume", suffix), canaries) for suffix in (".nrrd", ".nii.gz", ".mha")]
    labels = planted_files.labels(soak.named("labels", ".seg.nrrd"), canaries)
    flat = [planted_files.picture(soak.named("picture", suffix), canaries) for suffix in (".png", ".tiff")]
    cameras = {view: planted_files.camera(soak.named("camera", ".json"), canaries, view) for view in ("PA", "LAT")}
    start = planted_files.pose(soak.named("pose", ".tfm"), canaries)
    surfaces = [
        planted_files.surface(soak.named("bone", suffix), canaries) for suffix in (".vtp", ".stl", ".ply", ".obj")
    ]
    bone = ("--ct", ct, "--labels", labels, "--label", "bone")
    soak.run("info, four kinds of DICOM", "info", *pictures.values(), lateral)
    soak.run("info --json", "info", *pictures.values(), *flat, "--json")
    soak.run("info of a CT", "info", volumes[0], code=2)
    words = ("--sdd", "1000", "--spacing", "0.8", "0.9", "--size", "110", "120", "--view", "PA")
    soak.run("camera", "camera", *words, "-o", soak.out / "camera.json")
    for number, path in enumerate((ct, *volumes)):
        words = (path, "--labels", labels, "--label", "bone", "--camera", cameras["PA"])
        soak.run(f"drr {path.suffix or 'DICOM series'}", "drr", *words, "-o", soak.out / f"drr{number}.nrrd")
    views = ("--view", f"{pictures['DX']}:{cameras['PA']}", "--view", f"{lateral}:{cameras['LAT']}")
    soak.run("register, DICOM", "register", *bone, *views, "--initial", start, "-o", soak.out / "register", *QUICK)
    views = ("--view", f"{flat[0]}:{cameras['PA']}", "--view", f"{flat[1]}:{cameras['PA']}")
    soak.run("register, files named after people", "register", "--ct", volumes[0], *views, "--initial", start,
             "-o", soak.out / "register-2", *QUICK)  # fmt: skip
    soak.run("register an implant", "register", "--surface", surfaces[1], "--view", f"{pictures['XA']}:{cameras['PA']}",
             "--initial", start, "-o", soak.out / "register-3", *QUICK)  # fmt: skip
    soak.run("evaluate", "evaluate", surfaces[0], surfaces[1], "-o", soak.out / "evaluate")
    soak.run(
        "evaluate a segmentation", "evaluate", labels, surfaces[2], "--bone", "bone", "-o", soak.out / "evaluate-2"
    )
    table = soak.named("table of pairs", ".csv")
    table.write_text(
        f"case,bone,reference,result\none,bone,{surfaces[0]},{surfaces[3]}\ntwo,bone,{labels},{surfaces[2]}\n"
    )
    soak.run("evaluate --batch", "evaluate", "--batch", table, "-o", soak.out / "evaluate-batch")
    others = [planted_files.surface(soak.named("bone", ".vtp"), canaries, stretched=1.0 + 0.1 * n) for n in (1, 2)]
    soak.run("ssm build", "ssm", "build", surfaces[0], *others, "--aligned", "-o", soak.out / "shapes.npz")
    mine = soak.out / "mine"
    soak.run("dataset new", "dataset", "new", mine, "--bones", "bone", "--frame", "lps", "--anatomy", "a crooked bone")
    soak.run("dataset add", "dataset", "add", mine, "case-1", "--ct", ct, "--labels", labels)
    soak.run("dataset add-view", "dataset", "add-view", mine, "case-1", f"{pictures['DX']}:{cameras['PA']}")
    lines = ["id,ct,labels,view_pa,view_lat", f"case-2,{volumes[0]},{labels},{flat[0]}:{cameras['PA']},{lateral}"]
    lines += [f"case-3,{volumes[1]},{labels},{pictures['CR']},", f"case-4,{labels},{ct},,"]
    list_ = soak.named("table of cases", ".csv")
    list_.write_text("\n".join(lines) + "\n")
    soak.searched(
        "dataset import", lambda: main(["dataset", "import", str(mine), str(list_)]), [*_typed_in(list_), str(list_)]
    )
    soak.searched("dataset import as a job, a bad line", lambda: _as_job(soak, mine, list_))
    TRUTH.save(mine / "cases" / "case-1" / "initial.tfm")
    soak.run("dataset register", "dataset", "register", mine, "--case", "case-1", *QUICK)
    soak.run("dataset review", "dataset", "review", mine, "case-1", "pa", "--accept", "--role", "radiographer")
    soak.run("dataset review, listed", "dataset", "review", mine, "--json")
    soak.run("dataset split", "dataset", "split", mine, "--cases", "case-2")
    soak.run("dataset show", "dataset", "show", mine, "--json")
    soak.run("dataset prepare", "dataset", "prepare", mine, "--workers", "1")
    soak.run("doctor", "doctor", "--json", "-o", soak.out / "doctor.json", "--folder", soak.out)


def _as_job(soak: Soak, dataset: Path, table: Path) -> None:
    """An import in a process of its own, as the panel starts it; one line cannot be used."""
    from XRayTo3DLib.jobs.folder import JobFolder
    from XRayTo3DLib.jobs.run import follow, start_worker

    text = table.read_text().replace("case-", "again-")
    damaged = soak.named("damaged", ".dcm")
    damaged.write_bytes(planted_files.radiograph(damaged, soak.canaries).read_bytes()[:-9000])
    table.write_text(text.replace("again-3,", f"again-5,{damaged},{damaged},,\nagain-3,"))
    job = JobFolder.create(soak.out / "job", "dataset-import", {"dataset": dataset})
    start_worker(job, ["-m", "XRayTo3DLib.cli.as_job", str(job.path), "dataset", "import", str(dataset), str(table)])
    list(follow(job))
    for path in (job.log, job.path / "result.json"):
        path.write_text(
            without_paths(path.read_text(), [text.replace(str(soak.home), "~") for text in _typed_in(table)])
        )


def _typed_in(table: Path) -> list[str]:
    """Paths of a table, and their folders: a sentence about a file that cannot be used names it, to be of use."""
    texts = [text for line in table.read_text().replace(",", "\n").splitlines() for text in line.split(":")]
    return [each for text in texts if "/" in text for each in (text, str(Path(text).parent))]


# ---- with learning ---------------------------------------------------------------------------------------------------


def learning(soak: Soak) -> None:
    """A data set made of canaried files, trained on by three methods; reconstructions, refinements, comparisons."""
    people = _imported_people(soak)
    pa = {**TL_NET["data"], "folder": str(people)}
    configs = {
        "tl-net": changed(TL_NET, data=pa),
        "pix2pix": changed(PIX2PIX, data={"folder": str(people)}),
        "shapes": changed(SHAPES, data={"folder": str(people)}, model={"people": 4}),
        "mean": {"format": TL_NET["format"], "method": "mean-shape", "name": "mean", "data": pa},
    }
    for name, content in configs.items():
        config = write_yaml(soak.inputs / f"{name}.yaml", content)
        if name == "tl-net":
            soak.searched("train as a job (log, checkpoint, bundle)", lambda c=config: _trained_as_job(soak, c))
        else:
            soak.run(f"train {name}", "train", config, "-o", soak.out / name, "--device", "cpu", "--samples", "1")
    bundle, shapes = soak.out / "tl-net" / "bundle", soak.out / "shapes" / "bundle"
    soak.run("models list", "models", "list", soak.out)
    soak.run("models verify", "models", "verify", bundle)
    soak.run("models show", "models", "show", bundle)
    soak.run("models install", "models", "install", bundle)
    case = next(case for case in DatasetFolder.open(people).cases("test"))
    pair = read_pair(case, "PA")
    side, path = case.side[:1].upper(), soak.named("wrist", ".dcm")
    picture = planted_files.radiograph(path, soak.canaries, picture=pair.radiograph.pixels, ImageLaterality=side)
    camera = soak.named("wrist camera", ".json")
    pair.radiograph.camera.save(camera)
    column, row = pair.radiograph.camera.project(pair.frame_to_world.translation)
    words = ("--view", f"{picture}:{camera}", "--origin", f"{column:.2f},{row:.2f}", "--side", case.side)
    made = soak.out / "reconstruct"
    soak.run("reconstruct", "reconstruct", "--model", bundle, *words, "-o", made)
    soak.run("reconstruct, translated and refined", "reconstruct", "--model", bundle, *words, "--translation",
             soak.out / "pix2pix" / "bundle", "--refine", shapes, "-o", soak.out / "reconstruct-2")  # fmt: skip
    soak.run("refine", "refine", "--model", shapes, *words, "--start", made, "--quick", "-o", soak.out / "refine")
    soak.run("experiment reconstruction", "experiment", "reconstruction", "--data", people, "--model", bundle,
             "-o", soak.out / "experiment")  # fmt: skip
    soak.run("compare", "compare", "--data", people, "-o", soak.out / "compare", "--size", "tiny", "--methods",
             "mean-shape", "--models", f"mine={bundle}", "--people", "1", "--hard", "1")  # fmt: skip


def _imported_people(soak: Soak) -> Path:
    """SYNTHETIC wrists that go through files with canaries into a data set of one's own."""
    source = soak.home.parent / "source"
    words = (
        "--people",
        PEOPLE,
        "--test",
        TESTED,
        "--spacing",
        "2.5",
        "--length",
        "70",
        "--soft-tissue",
        "--workers",
        1,
    )
    with overheard():
        main([str(word) for word in ("dataset", "synthetic", "-o", source, *words)])
        write_pairs(DatasetFolder.open(source), ("PA",), pixel_mm=1.0)
    lines = ["id,ct,labels,side,split,view_pa"]
    for number, case in enumerate(DatasetFolder.open(source).cases()):
        ct = read_ct(case.folder / "ct.nrrd", labels=case.folder / "labels.seg.nrrd")
        make = planted_files.series if number == 0 else planted_files.volume
        scan = make(soak.named("scan", "" if number == 0 else ".nrrd"), soak.canaries, ct)
        labels = planted_files.labels(soak.named("labels", ".seg.nrrd"), soak.canaries, ct)
        pair = read_pair(case, "PA")
        side, path = case.side[:1].upper(), soak.named("PA", ".dcm")
        picture = planted_files.radiograph(path, soak.canaries, picture=pair.radiograph.pixels, ImageLaterality=side)
        camera = soak.named("camera", ".json")
        pair.radiograph.camera.save(camera)
        lines.append(f"person-{number + 1},{scan},{labels},{case.side},{case.split},{picture}:{camera}")
    table, people = soak.named("table", ".csv"), soak.out / "people"
    table.write_text("\n".join(lines) + "\n")
    soak.run("dataset new, of people", "dataset", "new", people, "--bones", "radius", "ulna", "--licence", "CC0")
    soak.run("dataset import, of people", "dataset", "import", people, table)
    soak.run("dataset landmarks", "dataset", "landmarks", people)
    for number, case in enumerate(DatasetFolder.open(source).cases()):
        read_pair(case, "PA").pose.save(people / "cases" / f"person-{number + 1}" / "initial.tfm")
    quick = ("--starts", "1", "--screened", "8", "--pixel-sizes", "2.8", "--workers", "1")
    soak.run("dataset register, of people", "dataset", "register", people, "--bone", "radius", "--separately", *quick)
    for number in range(PEOPLE + TESTED):
        soak.run("dataset review, of people", "dataset", "review", people, f"person-{number + 1}", "pa", "--accept")
    soak.run("dataset pairs", "dataset", "pairs", people, "--registered")
    soak.run("dataset prepare, of people", "dataset", "prepare", people, "--workers", "1")
    return people


def _trained_as_job(soak: Soak, config: Path) -> None:
    from XRayTo3DLib.jobs.run import follow, start_training

    job = start_training(config, soak.out / "tl-net", ["--device", "cpu", "--samples", "1", "--checkpoint-every", "2"])
    list(follow(job))
    time.sleep(1.0)  # the worker goes a moment after its result
    state = job.state()
    if state.status.value != "finished":
        soak.faults.append(f"train as a job: {state.status.value}, {state.message}")


def packages(soak: Soak) -> None:
    """Packages that phone home do it when they are imported; in a process of its own."""
    code = "import lightning.fabric, matplotlib.pyplot, monai, numba, pydicom, SimpleITK, skimage, tensorboard, torch"
    soak.searched("import of all packages", lambda: subprocess.run([sys.executable, "-c", code], check=True))


def report(soak: Soak) -> int:
    """The table's end; returns the exit code."""
    files = [path for path in soak.out.rglob("*") if path.is_file()]
    left = soak.canaries.found_under(soak.out)
    size = sum(path.stat().st_size for path in files) / 1e6
    soak.faults += [f"at the end, {name}: {found}" for name, found in left.items()]
    soak.watch.read_children()
    soak.faults += [f"network: {event}" for event in soak.watch.forbidden]
    lines = [
        f"canaries planted    {len(soak.canaries.planted)}",
        f"commands            {len(soak.rows)}",
        f"files written       {len(files)} ({size:.1f} MB)",
        f"canaries found      {sum(len(found) for found in left.values())}",
        f"connections tried   {len(soak.watch.forbidden)}",
        f"programs started    {', '.join(soak.watch.programs) or 'none'} ({soak.watch.children} Pythons watched)",
        *[f"FAULT {fault}" for fault in dict.fromkeys(soak.faults)],
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if soak.faults else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="without training and what needs a model")
    parser.add_argument("--keep", type=Path, help="work in this new folder and leave everything there to look at")
    return parser.parse_args()


if __name__ == "__main__":
    args = arguments()
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    folder = args.keep or Path(tempfile.mkdtemp(prefix="soak-privacy-"))
    try:
        soak = Soak.below(folder)
        one_case(soak)
        if not args.quick:
            learning(soak)
            packages(soak)
        code = report(soak)
    finally:
        if args.keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(code)
