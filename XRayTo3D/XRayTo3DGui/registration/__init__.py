"""Section 2: where a CT bone is on the radiographs."""
