"""``xrayto3d train``: from a configuration and a data set to a model bundle; goes on where it was interrupted."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from XRayTo3DLib.cli.console import Progress, say
from XRayTo3DLib.cli.folders import require_folder_name
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files.disk import require_room
from XRayTo3DLib.files.links import refuse_links_out
from XRayTo3DLib.files.locks import only_one

if TYPE_CHECKING:
    from XRayTo3DLib.methods.registry import TrainedModel, TrainingRun
    from XRayTo3DLib.training.progress import TrainingState

BUNDLE = "bundle"
LOGS_BYTES = 10e6
"""Logs and samples of a training, about."""
INTENDED_USE = "Research on reconstruction of bones from radiographs. Not clinically validated, not a medical device."
EPILOG = """examples:
  xrayto3d train Resources/configs/wrist_pa_small.yaml -o run
  xrayto3d train Resources/configs/hips_ap_small.yaml --set loss.kind=si --set seed=1 -o run
  xrayto3d train my.yaml -o run --device cuda --precision bf16-mixed
  torchrun --nproc-per-node 4 -m XRayTo3DLib.cli.main train my.yaml -o run

The folder gets checkpoint/, metrics.csv, tensorboard/, samples/ and at the end bundle/, the model. Ctrl-C, a full disk
or a power cut lose nothing but the steps since the last checkpoint: the same command goes on, to the same result.
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the ``train`` sub-command to the main parser."""
    parser = subparsers.add_parser(
        "train",
        help="train a reconstruction model on a data set; the result is a model bundle",
        description="Train a reconstruction model. Needs the extra 'train': pip install 'XRayTo3DLib[train]'.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("config", type=Path, metavar="CONFIG", help="the configuration (YAML); its data folder is relative to it")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("-o", "--output", type=Path, metavar="FOLDER", help="folder of the training")
    where.add_argument("--job", type=Path, metavar="FOLDER", help="the same, as a job that others watch")
    add("--data", type=Path, metavar="FOLDER", help="data set, instead of the configuration's")
    add(
        "--set",
        dest="changes",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change one value of the configuration, such as loss.kind=si; as often as needed",
    )
    add("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"), help="where to compute (default auto)")
    add("--precision", default="32-true", choices=("32-true", "bf16-mixed", "16-mixed"), help="of the computation")
    add("--threads", type=int, metavar="N", help="CPU threads (default: as many as torch takes)")
    add("--checkpoint-every", type=int, default=200, metavar="STEPS", help="steps between checkpoints (200)")
    add("--samples", type=int, default=0, metavar="N", help="show N validation people at every validation (0)")
    add("--licence", default="not stated", help="licence of data and weights, for the bundle")
    add("--float16", action="store_true", help="store the bundle's weights in half the space")
    add("--json", action="store_true", help="print one JSON object and nothing else")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train, judge, write the bundle; returns the exit code."""
    folder = args.job or args.output
    refuse_links_out(folder, folder, "training")
    require_folder_name(folder)
    require_room(folder, what="training")
    with _watched(args) as watcher:
        prepared, content = _prepared(args, watcher)
        if prepared.task is None:
            _refuse_checkpoint(folder, content["method"])
        else:
            _train(prepared, folder, content, args, watcher)
        if not _is_first_process():
            return 0
        watcher.say("testing")
        if args.float16 and prepared.task is not None:
            from XRayTo3DLib.models.bundle_files import rounded_as_stored

            rounded_as_stored(prepared.task.networks)  # so that figures in mm are of the weights that are kept
        model = prepared.finish()
        bundle = _write(model, prepared, folder / BUNDLE, content, args)
        watcher.end({"bundle": BUNDLE, "metrics": model.metrics})
    _tell(model, bundle, args)
    return 0


def _prepared(args: argparse.Namespace, watcher: _Watcher) -> tuple[TrainingRun, dict[str, Any]]:
    from XRayTo3DLib.methods.configuration import changed, read_configuration
    from XRayTo3DLib.methods.registry import method_named

    content = changed(read_configuration(args.config), args.changes)
    data = content.get("data", {})
    if args.data is not None and isinstance(data, dict):  # anything else is refused where it is read
        content = {**content, "data": {**data, "folder": str(args.data.absolute())}}
    watcher.say("preparing the data set")
    return method_named(content["method"]).prepare_training(content, args.config.parent, _rendered_on(args)), content


def _rendered_on(args: argparse.Namespace) -> str:
    """The device that exposures are rendered on: this process's graphics card, if training takes one."""
    import os

    import torch

    wanted = args.device in ("auto", "cuda") and torch.cuda.is_available()
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if wanted else "cpu"


def _refuse_checkpoint(folder: Path, method: str) -> None:
    """Do not put a bundle that takes no steps in the place of another method's, whose training lies here."""
    from XRayTo3DLib.training.checkpoint import FOLDER

    if (folder / FOLDER).exists():
        raise InputError(
            f"training: {folder} holds the checkpoint of another method; {method} has none. Use another folder."
        )


def _train(
    prepared: TrainingRun, folder: Path, content: dict[str, Any], args: argparse.Namespace, watcher: _Watcher
) -> None:
    try:
        from XRayTo3DLib.training.loop import train
    except ImportError as error:
        raise InputError("training needs Lightning: pip install 'XRayTo3DLib[train]'.") from error
    require_room(folder, _needed_bytes(prepared.task), "training")
    # Where the data lie may change between two parts of a training; what they are may not.
    settings = {**prepared.configuration, "data": {**prepared.configuration["data"], "folder": ""}}
    train(
        prepared.task,
        folder,
        seed=int(content.get("seed", 0)),
        device=args.device,
        threads=args.threads,
        precision=args.precision,
        checkpoint_every=args.checkpoint_every,
        watcher=watcher,
        configuration=settings,
        samples=args.samples,
    )


def _needed_bytes(task: Any) -> float:
    """About what a training writes: two checkpoints of weights and two moments each, and the bundle twice."""
    weights = sum(tensor.numel() * tensor.element_size() for tensor in task.networks.state_dict().values())
    return LOGS_BYTES + 8 * weights


def _write(
    model: TrainedModel, prepared: TrainingRun, folder: Path, content: dict[str, Any], args: argparse.Namespace
) -> Path:
    from XRayTo3DLib.models.bundle import Bundle, save_bundle

    configuration = {**prepared.configuration, "data": {**prepared.configuration["data"], "folder": ""}}
    bundle = Bundle(
        method=content["method"],
        configuration=configuration,
        anatomy=configuration["anatomy"],
        labels=model.labels,
        views=model.views,
        grid=model.grid,
        training={**model.summary, **({} if prepared.task is None else {"precision": args.precision})},
        metrics=model.metrics,
        intended_use=INTENDED_USE,
        licence=args.licence,
        synthetic=model.synthetic,
        title=configuration["name"],
        limitations=model.limitations,
        sources=model.sources,
    )
    stored = "float16" if args.float16 else "float32"
    return save_bundle(folder, bundle, model.networks, dict(model.arrays), stored=stored)


def _tell(model: TrainedModel, bundle: Path, args: argparse.Namespace) -> None:
    if args.json:
        say(json.dumps({"bundle": str(bundle), "metrics": model.metrics, "synthetic": model.synthetic}))
        return
    say(f"model:  {bundle}" + ("  (trained on SYNTHETIC data)" if model.synthetic else ""))
    for name, value in model.metrics.items():
        say(f"  {name:<24} {value:.3f}")
    say("RESEARCH USE ONLY. Figures are of the data set's test people.")


def _is_first_process() -> bool:
    import os

    return int(os.environ.get("RANK", "0")) == 0


# ---- who watches --------------------------------------------------------------------------------------------------


class _Watcher:
    """A progress line, and the job folder's files where there is one."""

    def __init__(self, progress: Progress, job: Any = None) -> None:
        self._progress, self._job = progress, job

    def say(self, text: str) -> None:
        """What is being done outside the steps."""
        self._progress.update(text)

    def update(self, state: TrainingState) -> None:
        """A line such as: autoencoder 120/600, loss 0.031, 3 min left."""
        if self._job is not None:
            self._job.update(state)
        loss = ", ".join(f"{name} {value:.4g}" for name, value in state.losses.items() if name.endswith("loss"))
        left = "" if state.eta_s is None else f", {state.eta_s / 60:.0f} min left"
        done = (state.stage_number - 1 + state.step / state.steps) / state.stages
        self._progress.update(f"{state.stage} {state.step}/{state.steps}, {loss}{left}", done)

    def cancelled(self) -> bool:
        """Whether the job was cancelled."""
        return self._job is not None and self._job.cancelled()

    def end(self, result: dict[str, Any]) -> None:
        """The training ended well."""
        self._progress.done()
        if self._job is not None:
            self._job.finish(result)


@contextmanager
def _watched(args: argparse.Namespace) -> Iterator[_Watcher]:
    progress = Progress("train", quiet=args.json or not _is_first_process())
    if not _is_first_process():
        yield _Watcher(progress)
        return
    from XRayTo3DLib.jobs.folder import LOCK, LOCK_WAIT_S, JobFolder

    if args.job is None:
        busy = f"training: another process works in {args.output}; wait for its end, or train into another folder."
        with only_one(args.output / LOCK, busy, LOCK_WAIT_S):
            yield _Watcher(progress)
        return
    # Started by hand the folder is no job yet; one that jobs.run made is.
    job = JobFolder(args.job)
    if not (args.job / "job.json").exists():
        job = JobFolder.create(args.job, "training", {"config": args.config.name})
    with job.working():
        yield _Watcher(progress, job)
