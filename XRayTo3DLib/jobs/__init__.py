"""Long work in a process of its own: a job folder that the worker writes and anybody watches, at any time."""

from XRayTo3DLib.jobs.folder import JobFolder
from XRayTo3DLib.jobs.state import JobState, JobStatus

__all__ = ["JobFolder", "JobState", "JobStatus"]
