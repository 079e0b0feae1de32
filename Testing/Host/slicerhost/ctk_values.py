"""Stand-ins for CTK's number widgets: sliders, spin boxes and ranges, with the real ones' defaults."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore

from slicerhost.declare import flat_row, parent_of, plain_property, with_setters
from slicerhost.pythonqt import qt

MOST_STEPS = 100_000
Property, Signal = QtCore.Property, QtCore.Signal


class ctkDoubleSpinBox(qt.QDoubleSpinBox):
    """QDoubleSpinBox with CTK's extra properties."""

    decimalsOption = plain_property(int, "decimalsOption", 0)
    setMode = plain_property(int, "setMode", 0)
    invertedControls = plain_property(bool, "invertedControls", False)


@with_setters
class ctkDoubleSlider(qt.QWidget):
    """A slider of floats; the value is kept exactly, only its picture has steps."""

    valueChanged = Signal(float)
    valueIsChanging = Signal(float)
    positionChanged = Signal(float)
    rangeChanged = Signal(float, float)
    sliderPressed = Signal()
    sliderReleased = Signal()

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*parent_of(arguments))
        self._minimum, self._maximum, self._value, self._step = 0.0, 99.99, 0.0, 1.0
        orientation = next((a for a in arguments if isinstance(a, qt.Qt.Orientation)), qt.Qt.Horizontal)
        self._slider = qt.QSlider(orientation)
        self._slider.objectName = "qt_slider"
        self._slider.valueChanged.connect(self._on_slider)
        self._slider.sliderPressed.connect(self.sliderPressed)
        self._slider.sliderReleased.connect(self.sliderReleased)
        self._build()
        self._show_value()

    def _build(self) -> None:
        flat_row(self, self._slider)

    def _steps(self) -> int:
        width = self._maximum - self._minimum
        return max(1, min(MOST_STEPS, round(width / (self._step or 1.0))))

    def _show_value(self) -> None:
        width = self._maximum - self._minimum
        position = round((self._value - self._minimum) / width * self._steps()) if width > 0 else 0
        self._slider.blockSignals(True)
        self._slider.setRange(0, self._steps())
        self._slider.setValue(position)
        self._slider.blockSignals(False)

    def _on_slider(self, position: int) -> None:
        self.setValue(self._minimum + (self._maximum - self._minimum) * position / self._steps())

    def setValue(self, value: float) -> None:
        """Take a value, clamped to the range; signals only a change."""
        value = min(max(float(value), self._minimum), self._maximum)
        if value != self._value:
            self._value = value
            self._show_value()
            self.valueIsChanging.emit(value)
            self.valueChanged.emit(value)

    def setMinimum(self, minimum: float) -> None:
        """Lower end of the range."""
        self._set_range(float(minimum), max(self._maximum, float(minimum)))

    def setMaximum(self, maximum: float) -> None:
        """Upper end of the range."""
        self._set_range(min(self._minimum, float(maximum)), float(maximum))

    def _set_range(self, minimum: float, maximum: float) -> None:
        if (minimum, maximum) == (self._minimum, self._maximum):
            return
        self._minimum, self._maximum = minimum, maximum
        self.setValue(self._value)
        self._show_value()
        self.rangeChanged.emit(minimum, maximum)

    def setSingleStep(self, step: float) -> None:
        """Step of the arrows."""
        self._step = float(step)
        self._show_value()

    value = Property(float, lambda self: self._value, setValue)
    minimum = Property(float, lambda self: self._minimum, setMinimum)
    maximum = Property(float, lambda self: self._maximum, setMaximum)
    singleStep = Property(float, lambda self: self._step, setSingleStep)
    pageStep = plain_property(float, "pageStep", 10.0)
    tickInterval = plain_property(float, "tickInterval", 0.0)
    tracking = plain_property(bool, "tracking", True)
    orientation = Property(
        int, lambda self: self._slider.orientation, lambda self, value: setattr(self._slider, "orientation", value)
    )
    invertedAppearance = plain_property(bool, "invertedAppearance", False)


@with_setters
class ctkSliderWidget(ctkDoubleSlider):
    """Slider and spin box in one row; like CTK's, its inner children are called Slider and SpinBox."""

    def _build(self) -> None:
        self._spin = qt.QDoubleSpinBox()
        self._slider.objectName, self._spin.objectName = "Slider", "SpinBox"
        self._spin.setKeyboardTracking(False)
        self._spin.setMinimumWidth(76)
        self._spin.valueChanged.connect(self._on_spin)
        flat_row(self, self._slider, self._spin)

    def _on_spin(self, value: float) -> None:
        self.setValue(value)

    def _show_value(self) -> None:
        super()._show_value()
        self._spin.blockSignals(True)
        self._spin.setRange(self._minimum, self._maximum)
        self._spin.setSingleStep(self._step)
        self._spin.setValue(self._value)
        self._spin.blockSignals(False)

    def setDecimals(self, decimals: int) -> None:
        """Decimals shown; the value is not rounded to them."""
        self._spin.blockSignals(True)
        self._spin.setDecimals(int(decimals))
        self._spin.blockSignals(False)
        self._show_value()

    def setSuffix(self, suffix: str) -> None:
        """Text after the number."""
        self._spin.setSuffix(suffix)

    def setPrefix(self, prefix: str) -> None:
        """Text before the number."""
        self._spin.setPrefix(prefix)

    def setSpinBoxVisible(self, visible: bool) -> None:
        """Show the spin box."""
        self._spin.setVisible(visible)

    decimals = Property(int, lambda self: self._spin.decimals, setDecimals)
    suffix = Property(str, lambda self: self._spin.suffix, setSuffix)
    prefix = Property(str, lambda self: self._spin.prefix, setPrefix)
    spinBoxVisible = Property(bool, lambda self: not self._spin.isHidden(), setSpinBoxVisible)
    popupSlider = plain_property(bool, "popupSlider", False)
    synchronizeSiblings = plain_property(int, "synchronizeSiblings", 0)


@with_setters
class ctkRangeWidget(qt.QWidget):
    """Two numbers, lower and upper, that can't cross."""

    valuesChanged = Signal(float, float)
    valuesAreChanging = Signal(float, float)
    minimumValueChanged = Signal(float)
    maximumValueChanged = Signal(float)
    rangeChanged = Signal(float, float)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*parent_of(arguments))
        self._range, self._values = (0.0, 99.0), (0.0, 99.0)
        self._low, self._high = qt.QDoubleSpinBox(), qt.QDoubleSpinBox()
        self._low.objectName, self._high.objectName = "MinimumSpinBox", "MaximumSpinBox"
        self._low.valueChanged.connect(lambda value: self.setValues(value, max(value, self._values[1])))
        self._high.valueChanged.connect(lambda value: self.setValues(min(value, self._values[0]), value))
        flat_row(self, self._low, self._high)
        self._show()

    def _show(self) -> None:
        for box, value in zip((self._low, self._high), self._values, strict=True):
            box.blockSignals(True)
            box.setRange(*self._range)
            box.setValue(value)
            box.blockSignals(False)

    def setRange(self, minimum: float, maximum: float) -> None:
        """Ends of the range."""
        self._range = (float(minimum), max(float(minimum), float(maximum)))
        self.rangeChanged.emit(*self._range)
        self.setValues(*self._values)
        self._show()

    def setValues(self, low: float, high: float) -> None:
        """Take both values, clamped and in order; signals only a change."""
        low, high = (min(max(float(value), self._range[0]), self._range[1]) for value in (low, high))
        before, self._values = self._values, (min(low, high), max(low, high))
        if self._values == before:
            return
        self._show()
        if self._values[0] != before[0]:
            self.minimumValueChanged.emit(self._values[0])
        if self._values[1] != before[1]:
            self.maximumValueChanged.emit(self._values[1])
        self.valuesChanged.emit(*self._values)

    def setDecimals(self, decimals: int) -> None:
        """Decimals shown."""
        self._low.setDecimals(decimals)
        self._high.setDecimals(decimals)

    def setSingleStep(self, step: float) -> None:
        """Step of the arrows."""
        self._low.setSingleStep(step)
        self._high.setSingleStep(step)

    minimum = Property(float, lambda self: self._range[0], lambda self, value: self.setRange(value, self._range[1]))
    maximum = Property(float, lambda self: self._range[1], lambda self, value: self.setRange(self._range[0], value))
    minimumValue = Property(
        float, lambda self: self._values[0], lambda self, value: self.setValues(value, self._values[1])
    )
    maximumValue = Property(
        float, lambda self: self._values[1], lambda self, value: self.setValues(self._values[0], value)
    )
    decimals = Property(int, lambda self: self._low.decimals, setDecimals)
    singleStep = Property(float, lambda self: self._low.singleStep, setSingleStep)


CLASSES = [ctkDoubleSpinBox, ctkDoubleSlider, ctkSliderWidget, ctkRangeWidget]
