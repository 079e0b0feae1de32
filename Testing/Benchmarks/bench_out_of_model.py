"""Which constructed cases a refinement warns of, and how often it warns of normal people.

SYNTHETIC wrists with soft tissue, scatter, noise, gain, blades and side markers, cameras a degree and 1 % of their
distance wrong, that no model was learnt from; refined with a bundle of shape and intensity models. Half of all cases
have two views (PA and lateral), the others one.

  normal       100 people: two views, PA alone, LAT alone; two in five with three steel beads anywhere in the field
  wrong side   50, told to be the other side
  other bones  50: SYNTHETIC knees and hips, and the forearm's shaft 45 mm proximally
  implant      50: volar plate with screws, two pins, prosthesis of the ulnar head, two screws; titanium and steel
  wrong view   24: PA and lateral swapped, one given as the other
  oblique      8: the first view's beam 45 degrees off

  nice -n 5 python Testing/Benchmarks/bench_out_of_model.py --wrists ... --knees ... --hips ... --bundle ... -o folder

Two to three CPU seconds a case. Evidence is kept in the folder, one line a case: a run that was stopped goes on, and
--tables prints what is there. --part 1/2 makes every second case.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from out_of_model_cases import Cases  # noqa: E402

from XRayTo3DLib.cli.models_used import loaded_model  # noqa: E402
from XRayTo3DLib.errors import InputError  # noqa: E402
from XRayTo3DLib.refinement.metal_in_picture import MetalSign  # noqa: E402
from XRayTo3DLib.refinement.options import RefineOptions  # noqa: E402
from XRayTo3DLib.refinement.out_of_model import (  # noqa: E402
    Evidence,
    Limits,
    ViewLimits,
    evidence_of,
    findings_from,
)
from XRayTo3DLib.refinement.result import refine  # noqa: E402
from XRayTo3DLib.refinement.signs import Signs, ViewSigns  # noqa: E402
from XRayTo3DLib.refinement.trials import Trial  # noqa: E402

COUNTS = {"normal": 100, "wrong side": 50, "other bones": 50, "implant": 50, "wrong view": 24, "oblique": 8}
FIRST, PEOPLE = 140, 100
WIDE = Limits(front=ViewLimits(0.86, 0.75, 0.62), side=ViewLimits(0.77, 0.6, 0.55))
"""Trials are made of more views than the limits ask for, so that tables of other limits need no new refinement."""
ONCE = RefineOptions(poor=-1.0)
"""Wrong cases are searched for once: a second search costs four seconds and leaves them wrong."""
CODES = (
    "wrong-side",
    "not-these-bones",
    "implant",
    "poor-match",
    "unusual-shape",
    "camera-moved-far",
    "refused",
)
MEANT = {
    "wrong side": {"wrong-side"},
    "other bones": {"not-these-bones", "poor-match", "refused"},
    "implant": {"implant"},
    "wrong view": {"not-these-bones", "poor-match"},
}


def plan():
    """(kind, person, variant), kinds mixed, so that a part of it shows all."""
    cases = [
        (i / n, kind, FIRST + (37 * k + i) % PEOPLE, i) for k, (kind, n) in enumerate(COUNTS.items()) for i in range(n)
    ]
    return [case[1:] for case in sorted(cases)]


def evidence(cases, anatomy, kind, number, variant, again):
    """One case as a dictionary."""
    made = cases.make(kind, number, variant)
    told = {"kind": kind, "number": number, "variant": variant, "detail": made.detail}
    begun = time.process_time()
    try:
        found = refine(anatomy, made.views, RefineOptions() if again or kind == "normal" else ONCE)
    except InputError as error:
        return {**told, "refused": str(error)}
    refined = time.process_time()
    known = evidence_of(found, made.views, WIDE)
    return {**told, **asdict(known), "seconds": [refined - begun, time.process_time() - refined]}


def read(row):
    """The evidence of a row."""
    views = tuple(ViewSigns(**{**view, "metal": MetalSign(**view["metal"])}) for view in row["signs"]["views"])
    trials = tuple(each and Trial(**each) for each in row["other_side"])
    return Evidence(Signs(views, row["signs"]["unusual"]), trials)


def asked_for(known, limits):
    """Evidence without the trials that these limits would not have asked for."""
    views = known.signs.views
    return Evidence(
        known.signs,
        tuple(
            e if limits.of(v).none <= v.likeness < limits.of(v).doubt else None
            for e, v in zip(known.other_side, views, strict=True)
        ),
    )


def codes_of(row, limits):
    """What a case is warned of."""
    if "refused" in row:
        return {"refused"}
    return {finding.code for finding in findings_from(asked_for(read(row), limits), limits)}


def tables(rows, limits):
    """Print how many cases of each kind get each code."""
    print(f"{'kind':<13}{'cases':>6}{'any':>6}{'meant':>7}  " + "  ".join(CODES))
    for kind in COUNTS:
        own = [codes_of(row, limits) for row in rows if row["kind"] == kind]
        if not own:
            continue
        counts = Counter(code for codes in own for code in codes)
        meant = sum(bool(codes & MEANT.get(kind, set())) for codes in own)
        told = "  ".join(f"{counts[code]:>{len(code)}}" for code in CODES)
        print(f"{kind:<13}{len(own):>6}{sum(map(bool, own)):>6}{meant:>7}  {told}")
    print("\nby detail: cases, warned of")
    for kind in COUNTS:
        for detail in sorted({row["detail"] for row in rows if row["kind"] == kind}):
            own = [codes_of(row, limits) for row in rows if row["kind"] == kind and row["detail"] == detail]
            print(f"  {kind:<13}{detail:<34}{len(own):>4}{sum(map(bool, own)):>4}")


def main():
    """Make what is missing, print tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("wrists", "knees", "hips", "bundle"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--part", default="1/1")
    parser.add_argument("--again", action="store_true", help="search again for what is poorly explained, as a user's")
    parser.add_argument("--tables", action="store_true", help="only print")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    part, parts = (int(each) for each in options.part.split("/"))
    if not options.tables:
        cases = Cases(options.wrists, options.knees, options.hips)
        anatomy = loaded_model(options.bundle, "shape-intensity-fit").predictor.anatomy()
        path = options.output / f"evidence-{part}-{parts}.jsonl"
        done = {(row["kind"], row["variant"]) for row in _rows(options.output)}
        for kind, number, variant in plan()[part - 1 :: parts]:
            if (kind, variant) not in done:
                row = evidence(cases, anatomy, kind, number, variant, options.again)
                with path.open("a") as file:
                    file.write(json.dumps(row) + "\n")
    tables(_rows(options.output), Limits())


def _rows(folder):
    return [json.loads(line) for path in sorted(folder.glob("*.jsonl")) for line in path.read_text().splitlines()]


if __name__ == "__main__":
    main()
