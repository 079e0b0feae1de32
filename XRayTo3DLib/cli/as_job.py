"""Any ``xrayto3d`` command as a job that another program watches: ``python -m XRayTo3DLib.cli.as_job JOB COMMAND ...``.

For panels and scripts, which start it with :func:`XRayTo3DLib.jobs.run.start_worker`: what the command tells of its
progress goes to the job's ``progress.jsonl``, its error to ``result.json``, and a wish to cancel interrupts it.
"""

from __future__ import annotations

import _thread
import signal
import sys
import threading
from collections.abc import Sequence

from XRayTo3DLib.cli import console
from XRayTo3DLib.cli.main import INTERRUPTED, build_parser
from XRayTo3DLib.errors import Cancelled
from XRayTo3DLib.explain import explained
from XRayTo3DLib.jobs.folder import JobFolder

LOOK_S = 0.2
"""Seconds between two looks for a wish to cancel."""


def run_as_job(folder: str, arguments: Sequence[str]) -> int:
    """Run one command in a job folder that exists.

    Args:
        folder: The job's; see :meth:`XRayTo3DLib.jobs.folder.JobFolder.create`.
        arguments: The command and its options, as for ``xrayto3d``.

    Returns:
        The command's exit code, as :mod:`XRayTo3DLib.cli.main` gives it.
    """
    job, ended = JobFolder.open(folder), threading.Event()
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it

    def tell(text: str, fraction: float | None) -> None:
        job.progress({"text": text, "fraction": fraction})

    console.LISTENERS.append(tell)
    try:
        with job.working():
            threading.Thread(target=_interrupt_when_cancelled, args=(job, ended), daemon=True).start()
            code = _run(arguments, job)
            job.finish({"exit_code": code})
            return code
    except (Cancelled, KeyboardInterrupt):
        return INTERRUPTED
    except Exception as error:
        if why := explained(error):
            console.complain(f"xrayto3d: error: {why}")
            return 2
        raise
    finally:
        ended.set()
        console.LISTENERS.remove(tell)


def _run(arguments: Sequence[str], job: JobFolder) -> int:
    """The command; whatever an interrupt made of it (an import that broke, a library's own error) is a cancel."""
    try:
        args = build_parser().parse_args(arguments)
        return int(args.run(args))
    except Exception as error:
        if job.cancelled() and not isinstance(error, Cancelled):
            raise Cancelled("Cancelled.") from error
        raise


def _interrupt_when_cancelled(job: JobFolder, ended: threading.Event) -> None:
    while not ended.wait(LOOK_S):
        if job.cancelled() and not _importing(threading.main_thread().ident or 0):
            _interrupt()
            return


def _importing(thread: int) -> bool:
    """Whether a thread is importing a module: a compiled one that is interrupted there crashes the process."""
    frame = sys._current_frames().get(thread)
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _interrupt() -> None:
    """As Ctrl-C does. A real signal where there is one: it ends a wait in the system, too."""
    main = threading.main_thread().ident
    if hasattr(signal, "pthread_kill") and main is not None:
        signal.pthread_kill(main, signal.SIGINT)
    else:
        _thread.interrupt_main()


if __name__ == "__main__":
    sys.exit(run_as_job(sys.argv[1], sys.argv[2:]))
