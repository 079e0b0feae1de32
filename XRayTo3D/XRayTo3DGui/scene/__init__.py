"""Nodes of the MRML scene and the library's types, both ways; layouts, folders and overlays. All panels use it."""
