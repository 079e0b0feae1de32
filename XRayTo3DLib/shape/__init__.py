"""Surfaces of bones: reading, writing, measuring and comparing them. Everything is in LPS mm."""
