"""Real radiographs, real CT, known pose: the whole way through the panels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import real_wrist
from module_cases import settle, wait_until

pytestmark = [pytest.mark.host, pytest.mark.gl, pytest.mark.data]


def test_the_real_radius_is_found(module_widget: Any, data_dir: Path, screenshot: Any) -> None:
    truth = real_wrist.load(module_widget, data_dir)
    panel = module_widget.registration
    module_widget.radiographs.ui.showLayoutButton.click()
    module_widget.ui.radiographsSection.collapsed = True
    module_widget.ui.registrationSection.collapsed = False
    panel.movePose(real_wrist.wrong(truth, panel.centre()))
    parameters = module_widget.parameters
    parameters.starts, parameters.pixelSizes = 2, "1.4, 0.7"
    parameters.spreadDegrees = parameters.reachMillimetres = 1.0
    settle()
    panel.ui.registerButton.click()
    wait_until(lambda: not panel.run.running, 120)
    degrees, millimetres = panel.pose().distance_to(truth, panel.centre())
    assert millimetres < 1.0 and degrees < 2.5, panel.ui.verdictLabel.text
    settle()
    screenshot("real_wrist")
