"""Dual-face depth (Gu et al., 3DDX, MICCAI 2024): front and back of every bone from one radiograph."""
