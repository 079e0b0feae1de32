"""Reconstruction systems, one folder each; :mod:`registry` lists them, :mod:`types` says what they all return."""
