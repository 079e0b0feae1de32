"""The ``xrayto3d`` command, one file per sub-command."""

import os

# Our matrices are small: threads of numpy's BLAS wait longer than they work. To be said before numpy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

if os.environ.get("XRAYTO3D_WORKER"):  # set by jobs.run.start_worker: what is printed goes into a job's log
    from XRayTo3DLib.cli.shared_log import share_output

    share_output()
