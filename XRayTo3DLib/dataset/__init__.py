"""Case folders on disk, phantoms and simulated radiographs."""
