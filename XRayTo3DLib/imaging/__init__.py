"""Radiographs and CT volumes: the types, their readers and writers, and attenuation."""
