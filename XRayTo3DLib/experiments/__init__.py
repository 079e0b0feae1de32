"""The papers' experiments on any data set: trained models and baselines, asked about the same people."""
