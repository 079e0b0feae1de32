"""Section 4: a model trained by a worker process that outlives Slicer."""
