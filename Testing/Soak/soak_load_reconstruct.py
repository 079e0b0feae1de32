"""500 radiographs, SYNTHETIC, reconstructed by one command in one process: does memory stay, are bad ones told?

Run: ``python Testing/Soak/soak_load_reconstruct.py [--cases 500]`` (about 3 minutes on one core).
A few pictures of made-up people stand under many names; every 40th cannot be used. The process' memory is followed
from radiograph to radiograph. Then the command is started again: nothing is done twice. Exits 1 on a fault.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY)]

from load_runs import BatchMemory, ended, options
from memory_curve import measured

PEOPLE = 4
BAD = ("broken picture", "no camera", "origin outside", "no such file", "not a number")
BAD_EVERY = 40
SETTLED = 0.6
"""Share of the radiographs after which memory must stay: until then the heap may still find its size."""
MOST_KB_EACH = 20.0
"""Growth with every radiograph that is allowed, kB; a picture or model has 1000s."""


def main() -> int:
    parser = options(__doc__, 500, "radiographs")
    parser.add_argument("--make", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    place = args.output / "reconstruct"
    if args.make:
        make_pictures(place)
        return 0
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    measured([__file__, "--make", "--output", args.output])
    bad = table_of(place, args.cases)
    bundle = REPOSITORY / "Resources" / "models" / "wrist-pa-demo"
    words = ["-m", "XRayTo3DLib.cli.main", "reconstruct", "--model", bundle, "--batch", place / "cases.csv"]
    first = measured([*words, "-o", place / "out"], every_s=0.5)
    stamps = sorted(path.stat().st_mtime for path in (place / "out").glob("*/reconstruction.json"))
    told = json.loads((place / "out" / "reconstructions.json").read_text())["cases"]
    again = measured([*words, "-o", place / "out"])
    told_again = json.loads((place / "out" / "reconstructions.json").read_text())["cases"]

    memory = BatchMemory.of(first.curve, stamps, SETTLED)
    problems = {each["case"]: each["note"] for each in told if each["action"] == "problem"}
    print(f"SYNTHETIC: {args.cases} radiographs, {len(stamps)} reconstructed, {len(problems)} told as a problem")
    print(f"{first.cpu_s:.0f} s of processor time, {first.cpu_s / args.cases:.2f} s each; again: {again.cpu_s:.0f} s")
    memory.tell(len(stamps), "radiograph")
    faults = [f"{case} ({kind}) was not told" for case, kind in bad.items() if case not in problems]
    faults += [f"{case} could not be reconstructed: {problems[case]}" for case in sorted(set(problems) - set(bad))]
    faults += [f"{case}: {note}" for case, note in problems.items() if "bug" in note or len(note) > 300]
    twice = [each["case"] for each in told_again if each["action"] == "reconstructed"]
    faults += [f"{len(twice)} were reconstructed twice, first {twice[0]}"] if twice else []
    faults += memory.faults(MOST_KB_EACH, "radiograph")
    for kind in BAD:
        case = next(case for case, each in bad.items() if each == kind)
        print(f"  {kind}: {problems.get(case, 'NOT TOLD')}")
    well = "memory stays, and every bad one is told by name"
    return ended(args.output / "reconstruct.json", faults, well, **memory.figures)


def table_of(place: Path, cases: int) -> dict[str, str]:
    """Write the table, a file per radiograph; returns the bad cases and what is wrong with them."""
    known = json.loads((place / "people.json").read_text())
    lines, bad = ["case,view_pa,origin_pa,side"], {}
    for number in range(cases):
        name, person = f"case-{number + 1:04d}", known[number % len(known)]
        picture, camera, origin = place / f"{name}.nrrd", place / "pa.json", person["origin"]
        os.link(place / person["picture"], picture)
        if number % BAD_EVERY == BAD_EVERY - 1 or number < len(BAD):
            bad[name] = kind = BAD[(number if number < len(BAD) else number // BAD_EVERY) % len(BAD)]
            if kind == "broken picture":
                content = picture.read_bytes()
                picture.unlink()
                picture.write_bytes(content[: len(content) // 2])
            camera = place / "none.json" if kind == "no camera" else camera
            origin = {"origin outside": "9000 -9000", "not a number": "here"}.get(kind, origin)
            picture = place / "nothing.nrrd" if kind == "no such file" else picture
        lines.append(f"{name},{picture.name}:{camera.name},{origin},{person['side']}")
    (place / "cases.csv").write_text("\n".join(lines) + "\n")
    return bad


def make_pictures(place: Path) -> None:
    """DRRs of made-up people's bones, as the demonstration model has learnt them."""
    import numpy as np

    from XRayTo3DLib.dataset.phantoms import ForearmShape, make_forearm, wrist_camera
    from XRayTo3DLib.dataset.simulate import simulate_radiograph
    from XRayTo3DLib.geometry import RigidPose
    from XRayTo3DLib.imaging.radiograph_header import write_radiograph

    camera, people = wrist_camera("PA", spacing_mm=0.8), []
    camera.save(place / "pa.json")
    for number in range(PEOPLE):
        shape = ForearmShape.sample(np.random.default_rng(number))
        case = make_forearm(shape, spacing=1.5, length_mm=80.0, soft_tissue=False, carpals=False, mesh_spacing=3.0)
        picture = simulate_radiograph(case.ct, camera, RigidPose.identity(), seed=number, view="PA")
        write_radiograph(picture, place / f"person-{number}.nrrd")
        column, row = camera.project(np.zeros(3))
        origin = f"{column:.1f} {row:.1f}"
        people.append({"picture": f"person-{number}.nrrd", "origin": origin, "side": shape.side})
    (place / "people.json").write_text(json.dumps(people))


if __name__ == "__main__":
    sys.exit(main())
