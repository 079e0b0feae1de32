"""REAL shapes, MADE-UP attenuation: proximal femora from one AP view, by a TL-net that has not seen the person.

Ten people (femur_dataset.py), ten trainings of a small TL-net, each on eight of them, one more to validate by, and one
left out to be tested in a few random poses. Mean shape and ridge regression learn from the same people and stand in the
same table. A further row says what the autoencoder makes of the true bone itself: no radiograph can do better through
this code. Half an hour on one CPU core; a run that was interrupted goes on where it was.

  nice -n 19 python Testing/Benchmarks/bench_femur_leave_one_out.py -o run
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path

for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np  # noqa: E402
import torch  # noqa: E402
from femur_dataset import DATA, PROVENANCE, SOURCE, write_femur_dataset  # noqa: E402

from XRayTo3DLib.dataset.exposure_sampler import Sample  # noqa: E402
from XRayTo3DLib.evaluation.experiment_case_figure import CasePicture, pick_cases  # noqa: E402
from XRayTo3DLib.evaluation.experiment_report import reconstruction_parts, write_experiment  # noqa: E402
from XRayTo3DLib.evaluation.reconstruction_trials import ReconstructionOutcome  # noqa: E402
from XRayTo3DLib.experiments.trials import Trials, judge  # noqa: E402
from XRayTo3DLib.methods.baselines.mean_shape import MeanShape  # noqa: E402
from XRayTo3DLib.methods.baselines.ridge import ImageRidge  # noqa: E402
from XRayTo3DLib.methods.configuration import read_configuration  # noqa: E402
from XRayTo3DLib.methods.data import DataConfiguration, Part, exposures_of, people_of  # noqa: E402
from XRayTo3DLib.methods.reconstruct import GridReconstructor  # noqa: E402
from XRayTo3DLib.methods.registry import TrainedModel, TrainingRun, method_named  # noqa: E402
from XRayTo3DLib.methods.tl_net.predictor import fields_of  # noqa: E402
from XRayTo3DLib.methods.types import ShapeFields  # noqa: E402
from XRayTo3DLib.training.loop import train  # noqa: E402

CONFIG = Path(__file__).resolve().parents[2] / "Resources" / "configs" / "femur_ap_small.yaml"
MEAN, RIDGE, TL_NET, CODED = "mean shape", "ridge", "TL-net", "autoencoder, given the true bone"
LEARNT_EXPOSURES, TESTED_EXPOSURES = 40, 4
"""Of every person: for the baselines, and of the one tested."""


@dataclass(frozen=True)
class Coded:
    """The bones that the autoencoder makes of the true ones; looks at no image."""

    run: TrainingRun
    sample: Sample
    data: DataConfiguration

    def predict(self, images: np.ndarray) -> list[ShapeFields]:
        """One answer per exposure of the sample."""
        del images
        networks = self.run.task.networks.eval()
        with torch.inference_mode():
            return fields_of(networks["decoder"](networks["encoder"](self.sample.soft_labels)), self.data.voxels)


def trained(content: dict, fold: int, dataset: Path, folder: Path) -> tuple[TrainingRun, TrainedModel]:
    """A TL-net that has not seen the person of this fold."""
    content = {**content, "data": {**content["data"], "folder": str(dataset.absolute()), "fold": fold}}
    run = method_named(content["method"]).prepare_training(content, Path(), "cpu")
    settings = {**run.configuration, "data": {**run.configuration["data"], "folder": ""}}
    train(run.task, folder, device="cpu", threads=1, checkpoint_every=100, configuration=settings, tensorboard=False)
    return run, run.finish()


def learnt(data: DataConfiguration, part: Part, stage: str) -> tuple[np.ndarray, np.ndarray]:
    """Images and signed distances of many exposures of some people."""
    exposures = exposures_of(data, part, 0)
    samples = [
        exposures.sample(stage, range(start, start + len(part)), distances=True)
        for start in range(0, LEARNT_EXPOSURES * len(part), len(part))
    ]
    return tuple(np.concatenate([getattr(s, name).numpy() for s in samples]) for name in ("images", "distances"))


def tested(run: TrainingRun, model: TrainedModel) -> tuple[list[ReconstructionOutcome], CasePicture]:
    """What all methods make of the person left out; the picture is of the TL-net's last exposure."""
    module = method_named("tl-net")
    reconstructor: GridReconstructor = module.load_model(
        run.configuration, model.networks.__getitem__, model.arrays.__getitem__
    )
    data = reconstructor.data
    people = people_of(data, Path())
    sample = exposures_of(data, people.test, 0).sample("test", range(TESTED_EXPOSURES * len(people.test)))
    cases = [people.test.cases[int(index)] for index in sample.case_index]
    trials = Trials(cases, sample.images.numpy(), np.asarray(sample.poses))
    learning = learnt(data, people.training, "baselines")
    methods = {
        MEAN: MeanShape(learning[1], data.voxels),
        RIDGE: ImageRidge(*learning, data.voxels, learnt(data, people.validation, "validation")),
        TL_NET: reconstructor.predictor,
        CODED: Coded(run, sample, data),
    }
    judged = {name: judge(name, method, reconstructor, trials) for name, method in methods.items()}
    last, case = judged[TL_NET], cases[-1].id
    picture = CasePicture("", case, trials.truth(len(cases) - 1), last.meshes[case], last.outcomes[-1:])
    return [outcome for each in judged.values() for outcome in each.outcomes], picture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("bench-output/femora"), help="folder for data set, trainings, report"
    )
    parser.add_argument("--config", type=Path, default=CONFIG)
    parser.add_argument("--folds", type=int, nargs="*", help="only these (default: all)")
    args = parser.parse_args()
    if not (DATA / SOURCE).is_dir():
        print(f"skipped: real anatomy not found at {DATA / SOURCE} (set XRAYTO3D_DATA)")
        return
    torch.set_num_threads(1)
    dataset = args.output / "data"
    write_femur_dataset(dataset, DATA / SOURCE)
    content = read_configuration(args.config)
    outcomes: list[ReconstructionOutcome] = []
    pictures: dict[str, CasePicture] = {}
    for fold in range(content["data"]["folds"]) if args.folds is None else args.folds:
        began = time.perf_counter()
        found, picture = tested(*trained(content, fold, dataset, args.output / f"fold-{fold}"))
        outcomes += found
        pictures[picture.case] = picture
        means = {o.method: np.mean([p.assd_mm for p in found if p.method == o.method]) for o in found}
        numbers = ", ".join(f"{method} {mean:.2f}" for method, mean in means.items())
        print(f"{picture.case}: ASSD mm {numbers}  ({time.perf_counter() - began:.0f} s)", flush=True)
    picked = pick_cases(outcomes, TL_NET)
    rows = [replace(pictures[case], title=title) for title, case in picked.items()]
    parts = reconstruction_parts(
        outcomes, title="Proximal femora, leave-one-out", baselines=(MEAN, RIDGE), cases=rows, paper=False
    )
    write_experiment(
        args.output / "report", "Real shapes", parts, synthetic=False, outcomes=outcomes, lead=PROVENANCE
    )  # fmt: skip
    for part in parts:
        for table in part.tables:
            print(table.text())
    print(PROVENANCE)


if __name__ == "__main__":
    main()
