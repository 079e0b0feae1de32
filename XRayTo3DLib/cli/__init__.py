"""The ``xrayto3d`` command, one file per sub-command."""

import os

# Our matrices are small: threads of numpy's BLAS wait longer than they work. To be said before numpy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
