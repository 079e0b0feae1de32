"""How good is a result: metrics, statistics, pictures and reports. Needs surfaces and nothing else."""
