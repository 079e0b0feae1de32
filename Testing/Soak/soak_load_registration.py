"""201 pairs of CT and radiograph, SYNTHETIC, registered in one batch: 195 good ones, and six that cannot be used.

Run: ``python Testing/Soak/soak_load_registration.py [--cases 201]`` (about 5 minutes on one core).
The batch is killed after a fifth and started again: what was done is not done twice, every good pair is registered to
its true pose, every bad one is told by name, and the process' memory stays. Exits 1 on a fault.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "Testing" / "Lib")]

from load_runs import BatchMemory, ended, options
from memory_curve import ENVIRONMENT, measured, tell

POSES = 8
"""Ways in which the bone was held; pairs beyond have the same pictures."""
BAD = {
    "broken file": "cannot be read",
    "wrong label": "label",
    "camera missing": "camera",
    "NaN picture": "finite",
    "bone outside the picture": "",
    "empty mask": "label",
}
"""What is wrong with a pair, and a word that its message has."""
SETTLED = 0.2
MOST_KB_EACH = 30.0
"""Growth with every pair that is allowed after the first fifth, kB: its line in the report is 1 kB."""
MOST_MM = 0.5


def main() -> int:
    parser = options(__doc__, 201, "pairs, six of them bad")
    parser.add_argument("--make", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--judge", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    place = args.output / "registration"
    if args.make or args.judge:
        make(place, args.cases) if args.make else judge(place)
        return 0
    shutil.rmtree(place, ignore_errors=True)
    measured([__file__, "--make", "--output", args.output, "--cases", str(args.cases)])
    bad = json.loads((place / "bad.json").read_text())
    from case_view_cases import QUICK_WORDS

    words = ["-m", "XRayTo3DLib.cli.main", "dataset", "register", place / "bones", "--workers", "1", *QUICK_WORDS]
    before = killed(words, place, args.cases // 5)
    done = measured(words, every_s=0.5)
    told = json.loads((place / "bones" / "registrations.json").read_text())
    stamps = registered(place)
    off = measured([__file__, "--judge", "--output", args.output]).told

    went_on = sorted(at for case, at in stamps.items() if case not in before)
    memory = BatchMemory.of(done.curve, went_on, SETTLED)
    problems = {each["case_id"]: each["note"] for each in told["views"] if each["action"] == "problem"}
    print(f"SYNTHETIC: {args.cases} pairs: {told['counts']}")
    print(f"killed after {len(before)}; {len(went_on)} more registered in {done.cpu_s:.0f} s of processor time")
    print(f"worst of the good: {off['mm']:.2f} mm in the picture's plane, {off['degrees']:.2f} degrees from the truth")
    memory.tell(len(went_on), "pair")
    for case, kind in bad.items():
        print(f"  {kind}: {problems.get(case, 'NOT TOLD')}")

    faults = [f"{case} ({kind}) was not told" for case, kind in bad.items() if case not in problems]
    faults += [f"{case}: {problems[case]!r} does not name it" for case in bad if case not in problems.get(case, case)]
    faults += [
        f"{case} ({kind}): {problems[case]}"
        for case, kind in bad.items()
        if BAD[kind] not in problems.get(case, BAD[kind]) or "bug" in problems.get(case, "")
    ]
    faults += [f"{case} could not be registered: {problems[case]}" for case in sorted(set(problems) - set(bad))]
    faults += [f"{case} was registered twice" for case, at in before.items() if stamps[case] != at]
    if len(stamps) != args.cases - len(bad):
        faults.append(f"{len(stamps)} of {args.cases - len(bad)} good pairs are registered")
    if off["mm"] > MOST_MM:
        faults.append(f"a good pair is {off['mm']:.2f} mm off in the picture's plane: {off['worst']}")
    faults += memory.faults(MOST_KB_EACH, "pair")
    well = "all good pairs registered, all bad ones told, memory stays"
    return ended(args.output / "registration.json", faults, well, **memory.figures)


def registered(place: Path) -> dict[str, float]:
    """When each pair was registered, s since 1970."""
    found = (place / "bones" / "cases").glob("*/views/pa/registration.json")
    return {path.parts[-4]: path.stat().st_mtime for path in found}


def killed(words: list[Any], place: Path, after: int) -> dict[str, float]:
    """Start the batch and kill it after so many pairs; what was done by then."""
    process = subprocess.Popen(
        [sys.executable, *map(str, words)], stdout=subprocess.DEVNULL, env={**os.environ, **ENVIRONMENT}
    )
    while len(registered(place)) < after and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return registered(place)


# ---- pairs -----------------------------------------------------------------------------------------------------------


def true_poses() -> list[Any]:
    """How the bone was held, the same every time."""
    from case_view_cases import TRUTH

    from XRayTo3DLib.geometry import RigidPose

    return [RigidPose.from_rotation((n, -n / 2, n / 3), (n / 2, 0, -n / 3)) @ TRUTH for n in range(POSES)]


def make(place: Path, cases: int) -> None:
    """The data set: every pair with a rough pose to start from."""
    from case_view_cases import bone_volume, drr

    from XRayTo3DLib.dataset.case_views import add_view
    from XRayTo3DLib.dataset.dataset_builder import GrowingDataset, start_dataset
    from XRayTo3DLib.dataset.dataset_folder import CaseEntry
    from XRayTo3DLib.geometry import RigidPose

    start_dataset(place / "bones", bones=["bone"], anatomy="bone", frame="lps", provenance="SYNTHETIC")
    dataset, poses = GrowingDataset(place / "bones"), true_poses()
    rough = RigidPose.from_rotation((2, 3, 1), (1, 1, 1))
    pictures, bad = [drr(pose) for pose in poses], {}
    kinds = dict(zip(range(3, cases, max(1, cases // len(BAD))), BAD, strict=False))
    for number in range(cases):
        name = f"case-{number + 1:03d}"
        dataset.add(CaseEntry(name, name), bone_volume())
        case = dataset.case(name)
        add_view(case, "pa", pictures[number % POSES])
        (rough @ poses[number % POSES]).save(case.folder / "initial.tfm")
        if number in kinds:
            bad[name] = kinds[number]
            spoil(case.folder, kinds[number])
    (place / "bad.json").write_text(json.dumps(bad))


def spoil(case: Path, kind: str) -> None:
    """Make a pair bad in its own way."""
    import SimpleITK as sitk
    from case_view_cases import bone_volume

    from XRayTo3DLib.geometry import RigidPose
    from XRayTo3DLib.imaging.ct_writer import write_labels

    picture, ct = case / "views" / "pa" / "radiograph.nrrd", bone_volume()
    if kind == "broken file":
        picture.write_bytes(picture.read_bytes()[: picture.stat().st_size // 2])
    elif kind == "wrong label":
        write_labels(replace(ct, label_names={"somebody else's": 1}), case / "labels.seg.nrrd")
    elif kind == "camera missing":
        (case / "views" / "pa" / "camera.json").unlink()
    elif kind == "NaN picture":
        image = sitk.ReadImage(str(picture))
        image[image.GetWidth() // 2, image.GetHeight() // 2, 0] = float("nan")
        sitk.WriteImage(image, str(picture))
    elif kind == "bone outside the picture":
        RigidPose.from_rotation((0, 0, 0), (5000, 0, 0)).save(case / "initial.tfm")
    else:
        labels = sitk.ReadImage(str(case / "labels.seg.nrrd"))
        empty = labels * 0
        for key in labels.GetMetaDataKeys():
            empty.SetMetaData(key, labels.GetMetaData(key))
        sitk.WriteImage(empty, str(case / "labels.seg.nrrd"))


def judge(place: Path) -> None:
    """How far the worst of the registered pairs is from its truth."""
    import numpy as np
    from case_view_cases import bone, error_of
    from phantoms_analytic import BONE_CAMERAS

    from XRayTo3DLib.dataset.case_views import views_of
    from XRayTo3DLib.dataset.dataset_folder import DatasetFolder

    poses, worst, camera, centre = true_poses(), (0.0, 0.0, ""), BONE_CAMERAS["PA"], bone().centre_lps
    for number, case in enumerate(DatasetFolder.open(place / "bones").cases()):
        (view,) = views_of(case)
        if view.registration_path.exists():
            true, found = poses[number % POSES], view.pose()
            pixels = camera.project(found.apply(centre)) - camera.project(true.apply(centre))
            mm = float(np.linalg.norm(pixels * camera.pixel_size_at(true.apply(centre))))
            worst = max(worst, (mm, error_of(found, true)[0], case.id))
    tell(mm=worst[0], degrees=worst[1], worst=worst[2])


if __name__ == "__main__":
    sys.exit(main())
