"""What ``layoutManager().sliceWidget(...)`` and its like return: Slicer's view widget API over the host's views."""

from __future__ import annotations

from typing import Any

from slicerhost.charts import PlotView
from slicerhost.views import SliceView, ThreeDView, View

AXES = ("Left", "Right", "Posterior", "Anterior", "Inferior", "Superior")  # order of a view node's axis labels


class _RenderedView:
    """Methods that slice and 3D views share."""

    def __init__(self, view: View) -> None:
        self._view = view

    def renderWindow(self) -> Any:
        """The vtkRenderWindow."""
        return self._view.window

    def interactor(self) -> Any:
        """The vtkRenderWindowInteractor."""
        return self._view.interactor

    def renderer(self) -> Any:
        """The vtkRenderer."""
        return self._view.renderer

    def displayableManagerByClassName(self, name: str) -> Any:
        """One displayable manager."""
        return self._view.manager(name)

    def forceRender(self) -> None:
        """Draw now."""
        self._view.render()

    scheduleRender = forceRender


class _SliceViewProxy(_RenderedView):
    def mrmlSliceNode(self) -> Any:
        return self._view.node


class _SliceController:
    def __init__(self, view: SliceView) -> None:
        self._view = view

    def fitSliceToBackground(self) -> None:
        self._view.logic.FitSliceToBackground()

    def setSliceVisible(self, visible: bool) -> None:
        self._view.node.SetSliceVisible(bool(visible))

    def setSliceOffsetValue(self, offset: float) -> None:
        self._view.logic.SetSliceOffset(float(offset))

    def setSliceLink(self, linked: bool) -> None:
        self._view.logic.GetSliceCompositeNode().SetLinkedControl(bool(linked))

    def setVisible(self, _visible: bool) -> None:
        """Controllers are always drawn."""


class SliceWidget:
    """qMRMLSliceWidget."""

    def __init__(self, view: SliceView) -> None:
        self.view = view

    def sliceLogic(self) -> Any:
        """The vtkMRMLSliceLogic."""
        return self.view.logic

    def mrmlSliceNode(self) -> Any:
        """The vtkMRMLSliceNode."""
        return self.view.node

    def mrmlSliceCompositeNode(self) -> Any:
        """The vtkMRMLSliceCompositeNode."""
        return self.view.logic.GetSliceCompositeNode()

    def sliceView(self) -> Any:
        """qMRMLSliceView."""
        return _SliceViewProxy(self.view)

    def sliceController(self) -> Any:
        """qMRMLSliceControllerWidget."""
        return _SliceController(self.view)

    def fitSliceToBackground(self) -> None:
        """Show the whole background."""
        self.view.logic.FitSliceToBackground()


class _ThreeDViewProxy(_RenderedView):
    def mrmlViewNode(self) -> Any:
        return self._view.node

    def cameraNode(self) -> Any:
        return self._view.camera_node()

    def resetCamera(self, rotation: bool = True, translation: bool = True, distance: bool = True) -> None:
        self._view.reset_camera(rotation, translation, distance)

    def resetFocalPoint(self) -> None:
        self._view.reset_focal_point()

    def rotateToViewAxis(self, axis: int) -> None:
        camera = self._view.camera_node()
        camera.RotateTo(getattr(camera, AXES[axis]))


class _ThreeDController:
    def __init__(self, view: ThreeDView) -> None:
        self._view = view

    def resetFocalPoint(self) -> None:
        self._view.reset_focal_point()

    def setBlackBackground(self) -> None:
        self._view.node.SetBackgroundColor(0, 0, 0)
        self._view.node.SetBackgroundColor2(0, 0, 0)

    def setWhiteBackground(self) -> None:
        self._view.node.SetBackgroundColor(1, 1, 1)
        self._view.node.SetBackgroundColor2(1, 1, 1)

    def setVisible(self, _visible: bool) -> None:
        """Controllers are always drawn."""


class ThreeDWidget:
    """qMRMLThreeDWidget."""

    def __init__(self, view: ThreeDView) -> None:
        self.view = view

    def threeDView(self) -> Any:
        """qMRMLThreeDView."""
        return _ThreeDViewProxy(self.view)

    def mrmlViewNode(self) -> Any:
        """The vtkMRMLViewNode."""
        return self.view.node

    def viewLogic(self) -> Any:
        """The vtkMRMLViewLogic."""
        return self.view.logic

    def threeDController(self) -> Any:
        """qMRMLThreeDViewControllerWidget."""
        return _ThreeDController(self.view)


class TableWidget:
    """qMRMLTableWidget."""

    def __init__(self, node: Any) -> None:
        self.node = node

    def mrmlTableViewNode(self) -> Any:
        """The vtkMRMLTableViewNode."""
        return self.node

    def tableView(self) -> Any:
        """A widget that shows the view node's table."""
        import slicer

        view = slicer.qMRMLTableView()
        view.setMRMLTableNode(self.node.GetTableNode())
        return view


class PlotWidget:
    """qMRMLPlotWidget."""

    def __init__(self, view: PlotView) -> None:
        self.view = view

    def mrmlPlotViewNode(self) -> Any:
        """The vtkMRMLPlotViewNode."""
        return self.view.node

    def plotView(self) -> Any:
        """qMRMLPlotView."""
        return self

    def fitToContent(self) -> None:
        """Charts are always fitted."""

    def repaint(self) -> None:
        """Charts are drawn when a picture is taken."""
