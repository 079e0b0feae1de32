"""A bundle named on the command line, loaded and ready to use."""

from __future__ import annotations

from typing import Any

from XRayTo3DLib.errors import InputError


def loaded_model(name: str, *methods: str) -> Any:
    """The model of a bundle (a path, or a name that ``xrayto3d models list`` shows).

    Args:
        name: The bundle.
        methods: Of which one it must be.

    Raises:
        InputError: No such bundle, a damaged one, or one of another method.
    """
    from XRayTo3DLib.methods.registry import method_named
    from XRayTo3DLib.models.bundle import load_bundle
    from XRayTo3DLib.models.find import bundle_path

    loaded = load_bundle(bundle_path(name))
    method = loaded.bundle.method
    if method not in methods:
        raise InputError(f"bundle {loaded.folder.name} is of method {method}; {' or '.join(methods)} is needed.")
    model = method_named(method).load_model(loaded.bundle.configuration, loaded.weights, loaded.array)
    model.synthetic = loaded.bundle.synthetic
    return model
