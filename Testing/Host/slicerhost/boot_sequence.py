"""The boot sequence. Imports slicer and PySide6 only when it runs."""

from __future__ import annotations

import sys
from typing import Any

from slicerhost import prerequisites


def boot_application(testing: bool) -> Any:
    """Fill the ``slicer`` namespace as the application does, views included; the second call changes nothing."""
    import slicer

    if hasattr(slicer, "app"):
        return slicer.app
    problem = prerequisites.missing()
    if problem:
        raise prerequisites.HostUnavailable(problem)
    prerequisites.set_environment()
    from slicerhost import purepython

    purepython.install()
    _install_widgets()
    from slicerhost.app import Application

    slicer.app = Application(testing)
    slicer.mrmlScene = slicer.app.mrmlScene()
    from slicerhost import modules

    modules.make_namespaces(slicer.app.logics)
    slicer.qSlicerScriptedLoadableModule = modules.ScriptedModule
    from slicerhost import dicom_library

    dicom_library.install()
    slicer.app.start_views()
    return slicer.app


def _install_widgets() -> None:
    """Modules ``qt`` and ``ctk``, widget classes in ``slicer``, and the .ui loader."""
    import slicer

    from slicerhost import (
        ctk_containers,
        ctk_inputs,
        ctk_values,
        pythonqt,
        qmrml_nodecombobox,
        qmrml_widgets,
        qslicer_markups,
        uiloader,
    )

    ctk = pythonqt.StrictModule("ctk")
    sys.modules["ctk"] = ctk
    classes: dict[str, type] = {}
    for room in (ctk_containers, ctk_inputs, ctk_values):
        for cls in room.CLASSES:
            classes[cls.__name__] = cls
            setattr(ctk, cls.__name__, cls)
    for room in (qmrml_nodecombobox, qmrml_widgets, qslicer_markups):
        for cls in room.CLASSES:
            classes[cls.__name__] = cls
            setattr(slicer, cls.__name__, cls)
    uiloader.QUiLoader.find_class = staticmethod(classes.get)
