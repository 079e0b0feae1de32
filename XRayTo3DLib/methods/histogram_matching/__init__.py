"""Histogram matching as a translator: whole radiographs with the grey values of DRRs, no network."""
