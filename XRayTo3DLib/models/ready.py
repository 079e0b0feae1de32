"""A verified bundle as a model ready to use: what it says of itself is what it is, or it is refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.methods.catalogue import checked
from XRayTo3DLib.methods.registry import method_named
from XRayTo3DLib.models.portable import portable

if TYPE_CHECKING:
    from XRayTo3DLib.models.bundle import Bundle, LoadedBundle

MISFIT = (RuntimeError, ValueError, IndexError, KeyError, TypeError)
"""What PyTorch, NumPy and Python say of arrays that do not fit together."""


def ready_model(loaded: LoadedBundle) -> Any:
    """The model of a bundle, which knows its anatomy, whether it is synthetic, and its bundle's checksum.

    Raises:
        InputError: A description that is not its configuration's, or weights and arrays of another model; the message
            names the bundle.
    """
    bundle, name = loaded.bundle, f"bundle {loaded.folder.name}: "
    try:
        require_consistent(bundle)
        model = method_named(bundle.method).load_model(bundle.configuration, loaded.weights, loaded.array)
    except InputError as error:
        text = str(error)
        raise InputError(text if loaded.folder.name in text else name + text) from error
    except MISFIT as error:
        raise InputError(
            f"{name}its weights are not those of its networks, or its arrays do not fit together; it was written by "
            f"XRayTo3D {loaded.written_by}. Train it again, or use that version."
        ) from error
    model.synthetic, model.anatomy, model.checksum = bundle.synthetic, bundle.anatomy, loaded.checksum
    return model


def require_consistent(bundle: Bundle) -> None:
    """Refuse a bundle whose card says other bones or views than it makes or takes: who reads it would be misled.

    Raises:
        InputError: Another method, other bones or other views than its configuration's.
    """
    configuration = checked(bundle.configuration)
    data = configuration.data
    _require("method", (bundle.method,), (configuration.method,))
    if hasattr(data, "labels"):
        _require("labels", bundle.labels, data.labels)
    geometry = getattr(data, "geometry", None)
    views = (geometry,) if geometry is not None else data.canonical_views
    _require("views", [str(each.get("view")) for each in bundle.views], [each.view for each in views])
    for stated, view in zip(bundle.views, views, strict=True):
        for name, value in stated.items():
            own = portable(getattr(view, name, value))
            if own != value:
                raise InputError(
                    f"its description says {name} {value} of view {view.view}, its configuration {own}: it was put "
                    f"together wrongly. Get it anew from where it was published."
                )


def _require(what: str, stated: Sequence[str], own: Sequence[str]) -> None:
    if list(stated) != list(own):
        raise InputError(
            f"its description says {what} {', '.join(stated)}, its configuration {', '.join(own)}: it was put together "
            f"wrongly. Get it anew from where it was published."
        )
