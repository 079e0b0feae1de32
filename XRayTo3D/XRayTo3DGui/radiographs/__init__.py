"""Section 1: radiographs with their X-ray geometry."""
