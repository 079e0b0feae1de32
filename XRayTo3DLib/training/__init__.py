"""Training shared by all methods: stages, the loop, checkpoints, progress, logs. Needs the extra ``[train]`` to run."""
