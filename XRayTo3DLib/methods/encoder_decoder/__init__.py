"""Encoder-decoder (Chen and Fang 2020): radiographs through one vector to labelled voxels."""
