"""Biplanar network (Kasten et al. 2020): radiographs lifted into a volume, and a V-Net-like network that labels it."""
