"""A bundle named on the command line, loaded and ready to use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from XRayTo3DLib.errors import InputError

if TYPE_CHECKING:
    from XRayTo3DLib.methods.translation import ImageTranslator


def loaded_model(name: str, *methods: str) -> Any:
    """The model of a bundle (a path, or a name that ``xrayto3d models list`` shows).

    Args:
        name: The bundle.
        methods: Of which one it must be.

    Raises:
        InputError: No such bundle, a damaged one, one of another method, or weights of other networks.
    """
    from XRayTo3DLib.models.bundle import load_bundle
    from XRayTo3DLib.models.find import bundle_path
    from XRayTo3DLib.models.ready import ready_model

    loaded = load_bundle(bundle_path(name))
    method = loaded.bundle.method
    if method not in methods:
        wanted = " or ".join(filter(None, (", ".join(methods[:-1]), methods[-1])))
        raise InputError(f"bundle {loaded.folder.name} is of method {method}; {wanted} is needed.")
    return ready_model(loaded)


def adapting(model: Any, steps: int) -> Any:
    """A biplanar model that is fitted to each person's radiographs before it answers.

    Args:
        model: Of :func:`loaded_model`.
        steps: At most so many.

    Raises:
        InputError: Another method's model, or no step.
    """
    from XRayTo3DLib.methods.biplanar.adaptation import Adaptation
    from XRayTo3DLib.methods.biplanar.predictor import BiplanarPredictor

    predictor = getattr(model, "predictor", None)
    if not isinstance(predictor, BiplanarPredictor):
        raise InputError("--adapt: only a biplanar model can be fitted to radiographs; leave the option out.")
    model.predictor = predictor.adapting(Adaptation(steps))
    return model


def reconstructing() -> tuple[str, ...]:
    """Every method that makes bones of radiographs, not other pictures."""
    from XRayTo3DLib.methods.registry import METHODS
    from XRayTo3DLib.methods.translation import TRANSLATIONS

    return tuple(name for name in METHODS if name not in TRANSLATIONS)


def named_bundles(words: list[str], option: str = "--model") -> dict[str, str]:
    """NAME=BUNDLE, ... as bundle by name.

    Raises:
        InputError: Another form, or a name given twice.
    """
    named: dict[str, str] = {}
    for word in words:
        name, equals, bundle = word.partition("=")
        if not (name and equals and bundle):
            raise InputError(f'{option} {word}: write NAME=BUNDLE, such as "mine=run/bundle".')
        if name in named:
            raise InputError(f"{option}: two models are called {name}; give each a name of its own.")
        named[name] = bundle
    return named


def loaded_translator(name: str) -> ImageTranslator:
    """The translator of a bundle, or for "none" one that leaves radiographs as they are.

    Raises:
        InputError: No such bundle, a damaged one, or one of another method.
    """
    from XRayTo3DLib.methods.translation import NONE, TRANSLATIONS, NoTranslation

    return NoTranslation() if name == NONE else loaded_model(name, *TRANSLATIONS)
