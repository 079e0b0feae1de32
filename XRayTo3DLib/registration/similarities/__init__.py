"""Similarity measures of DRRs to a radiograph, one file each; ``registration.similarity`` lists them by name."""
