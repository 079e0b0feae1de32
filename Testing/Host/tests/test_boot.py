"""The host starts, cleans up, and notices errors."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.host, pytest.mark.gl]


def test_scene_application_and_modules_are_there(slicer_app):
    import slicer

    assert slicer.mrmlScene is slicer_app.mrmlScene()
    assert slicer.modules.colors.logic().IsA("vtkSlicerColorLogic")
    # Behind them stand those of layouts that earlier tests have shown: as in Slicer, a view that was made stays.
    assert slicer_app.layoutManager().sliceViewNames()[:3] == ["Red", "Green", "Yellow"]
