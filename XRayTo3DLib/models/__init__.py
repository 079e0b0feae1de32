"""Model bundles: a trained method in one folder (JSON and safetensors, nothing pickled), with checksums and a card."""

from XRayTo3DLib.models.bundle import Bundle, LoadedBundle, load_bundle, save_bundle
from XRayTo3DLib.models.card import card_text

__all__ = ["Bundle", "LoadedBundle", "card_text", "load_bundle", "save_bundle"]
