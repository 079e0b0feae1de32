"""How a job stands, for whoever watches."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class JobStatus(Enum):
    """Where a job is; ``DEAD`` is a worker that ended without a word (killed, power cut) and can be started again."""

    WAITING = "waiting"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"
    DEAD = "dead"

    @property
    def ended(self) -> bool:
        """Whether nothing more will come unless somebody starts the job again."""
        return self not in (JobStatus.WAITING, JobStatus.RUNNING)


@dataclass(frozen=True)
class JobState:
    """One look at a job.

    Attributes:
        status: Where it is.
        message: Why it failed or what happened, in a sentence; empty while all is well.
        result: What the worker handed over at the end; empty before.
        progress: The newest progress record, if there is one.
        silent_s: Seconds since the worker's last sign of life (it gives one every two seconds).
        cancelling: Whether somebody asked it to stop and it has not said yet that it did; of a dead one, that it was
            asked to before it ended.
    """

    status: JobStatus
    message: str = ""
    result: dict[str, Any] = field(default_factory=dict)
    progress: dict[str, Any] | None = None
    silent_s: float = 0.0
    cancelling: bool = False

    @property
    def stopped(self) -> bool:
        """Whether it ended because somebody asked it to: by itself, or by force where it did not heed."""
        return self.status is JobStatus.CANCELLED or (self.status is JobStatus.DEAD and self.cancelling)
