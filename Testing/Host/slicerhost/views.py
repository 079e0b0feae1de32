"""3D and slice views: slicer-core's displayable managers in plain offscreen render windows, no Qt."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

THREE_D_MANAGERS = (
    "vtkMRMLCameraDisplayableManager",
    "vtkMRMLViewDisplayableManager",
    "vtkMRMLModelDisplayableManager",
    "vtkMRMLThreeDReformatDisplayableManager",
    "vtkMRMLCrosshairDisplayableManager3D",
    "vtkMRMLOrientationMarkerDisplayableManager",
    "vtkMRMLRulerDisplayableManager",
    "vtkMRMLMarkupsDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager3D",
    "vtkMRMLTransformsDisplayableManager3D",
    "vtkMRMLLinearTransformsDisplayableManager",
    "vtkMRMLVolumeRenderingDisplayableManager",
    "vtkMRMLColorLegendDisplayableManager",
)
SLICE_MANAGERS = (
    "vtkMRMLVolumeGlyphSliceDisplayableManager",
    "vtkMRMLModelSliceDisplayableManager",
    "vtkMRMLCrosshairDisplayableManager",
    "vtkMRMLOrientationMarkerDisplayableManager",
    "vtkMRMLRulerDisplayableManager",
    "vtkMRMLScalarBarDisplayableManager",
    "vtkMRMLMarkupsDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager2D",
    "vtkMRMLTransformsDisplayableManager2D",
    "vtkMRMLLinearTransformsDisplayableManager",
    "vtkMRMLColorLegendDisplayableManager",
)
START_SIZE = (400, 400)


class View:
    """One render window driven by a view node."""

    def __init__(self, node: Any) -> None:
        self.node = node
        self.renderer = vtk.vtkRenderer()
        self.window = vtk.vtkRenderWindow()
        self.window.SetOffScreenRendering(1)
        self.window.ShowWindowOff()
        self.window.SetMultiSamples(0)
        self.window.SetSize(*START_SIZE)
        self.window.AddRenderer(self.renderer)
        self.interactor = vtk.vtkRenderWindowInteractor()
        self.interactor.SetRenderWindow(self.window)
        self.interactor.Initialize()
        self.group: Any = None

    def _add_managers(self, factory_class: Any, names: tuple[str, ...]) -> None:
        factory = factory_class.GetInstance()
        for name in names:
            if not factory.IsDisplayableManagerRegistered(name):
                factory.RegisterDisplayableManager(name)
        self.group = slicer.vtkMRMLDisplayableManagerGroup()
        self.group.Initialize(factory, self.renderer)

    def manager(self, class_name: str) -> Any:
        """The displayable manager of that class."""
        return self.group.GetDisplayableManagerByClassName(class_name)

    def look_at(self, node: Any) -> None:
        """Let the displayable managers follow the view node, or nothing.

        The legend's manager always stays: it ignores legends that are older than itself.
        """
        scene = node.GetScene() if node is not None else None
        for index in range(self.group.GetDisplayableManagerCount()):
            manager = self.group.GetNthDisplayableManager(index)
            if not manager.IsA("vtkMRMLColorLegendDisplayableManager"):
                manager.SetAndObserveMRMLScene(scene)
        if node is not None:
            self.group.SetMRMLDisplayableNode(None)
            self.group.SetMRMLDisplayableNode(node)

    def resize(self, width: int, height: int) -> None:
        """Size of the picture in pixels."""
        if tuple(self.window.GetSize()) != (width, height):
            self.window.SetSize(width, height)
            self.interactor.UpdateSize(width, height)

    def render(self) -> None:
        """Draw now."""
        self.window.Render()

    def image(self) -> np.ndarray:
        """Draw and return the picture, (rows, columns, 3) uint8, top row first."""
        self.render()
        grab = vtk.vtkWindowToImageFilter()
        grab.SetInput(self.window)
        grab.SetInputBufferTypeToRGB()
        grab.ReadFrontBufferOff()
        grab.Update()
        image = grab.GetOutput()
        columns, rows, _ = image.GetDimensions()
        pixels = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(rows, columns, 3)
        return np.ascontiguousarray(pixels[::-1])

    def save(self, path: Path) -> None:
        """Write the picture as PNG."""
        from PIL import Image

        Image.fromarray(self.image()).save(path)


class ThreeDView(View):
    """A 3D view."""

    def __init__(self, node: Any) -> None:
        super().__init__(node)
        logics = slicer.app.applicationLogic()
        self._add_managers(slicer.vtkMRMLThreeDViewDisplayableManagerFactory, THREE_D_MANAGERS)
        self.style = slicer.vtkMRMLThreeDViewInteractorStyle()
        self.style.SetDisplayableManagers(self.group)
        self.style.SetInteractor(self.interactor)
        self.logic = slicer.vtkMRMLViewLogic()
        self.logic.SetMRMLApplicationLogic(logics)
        logics.GetViewLogics().AddItem(self.logic)
        self.logic.SetMRMLScene(slicer.mrmlScene)
        self.logic.AddViewNode(node.GetLayoutName())
        self.group.SetMRMLDisplayableNode(node)

    def camera_node(self) -> Any:
        """The view's vtkMRMLCameraNode."""
        return self.manager("vtkMRMLCameraDisplayableManager").GetCameraNode()

    def reset_camera(self, rotation: bool = True, translation: bool = True, distance: bool = True) -> None:
        """Slicer's resetCamera(): look from anterior, centred, from a distance that shows everything visible."""
        with self._bare():
            self.camera_node().Reset(rotation, translation, distance, self.renderer)

    def reset_focal_point(self) -> None:
        """Slicer's resetFocalPoint(): turn around the centre of everything visible."""
        with self._bare():
            bounds = vtk.vtkBoundingBox(self.renderer.ComputeVisiblePropBounds())
        if bounds.IsValid():
            center = [0.0] * 3
            bounds.GetCenter(center)
            self.camera_node().SetFocalPoint(center)
        self.renderer.ResetCameraClippingRange()

    def fit(self) -> None:
        """Centre on everything visible and show all of it, keeping the direction."""
        self.reset_focal_point()
        with self._bare():
            self.renderer.ResetCamera()

    @contextmanager
    def _bare(self) -> Iterator[None]:
        """Without the box and its labels, which would count as visible."""
        shown = self.node.GetBoxVisible(), self.node.GetAxisLabelsVisible()
        self.node.SetBoxVisible(False)
        self.node.SetAxisLabelsVisible(False)
        yield
        self.node.SetBoxVisible(shown[0])
        self.node.SetAxisLabelsVisible(shown[1])


class SliceView(View):
    """A slice view; the reformatted image is one image actor, where Slicer uses CTK's light box."""

    def __init__(self, node: Any) -> None:
        super().__init__(node)
        logics = slicer.app.applicationLogic()
        self.renderer.GetActiveCamera().ParallelProjectionOn()
        self._add_managers(slicer.vtkMRMLSliceViewDisplayableManagerFactory, SLICE_MANAGERS)
        self.style = slicer.vtkMRMLSliceViewInteractorStyle()
        self.logic = slicer.vtkMRMLSliceLogic()
        self.logic.SetMRMLApplicationLogic(logics)
        logics.GetSliceLogics().AddItem(self.logic)
        self.style.SetSliceLogic(self.logic)
        self.style.SetDisplayableManagers(self.group)
        self.logic.SetMRMLScene(slicer.mrmlScene)
        self.logic.SetSliceNode(node)
        self.group.SetMRMLDisplayableNode(node)
        self.style.SetInteractor(self.interactor)
        self._add_image_actor()
        self.logic.ResizeSliceNode(*START_SIZE)

    def _add_image_actor(self) -> None:
        self._mapper = vtk.vtkImageMapper()
        self._mapper.SetColorWindow(255)
        self._mapper.SetColorLevel(127.5)
        self._actor = vtk.vtkActor2D()
        self._actor.SetMapper(self._mapper)
        self._actor.GetProperty().SetDisplayLocationToBackground()
        self._actor.SetVisibility(False)
        self.renderer.AddViewProp(self._actor)
        self.logic.AddObserver(vtk.vtkCommand.ModifiedEvent, self._show_image)

    def _show_image(self, *_: Any) -> None:
        connection = self.logic.GetImageDataConnection()
        self._actor.SetVisibility(connection is not None)
        self._mapper.SetInputConnection(connection)
        self.group.InvokeEvent(vtk.vtkCommand.UpdateEvent)

    def resize(self, width: int, height: int) -> None:
        """Size of the picture in pixels; whatever was in the field of view stays in it."""
        if tuple(self.window.GetSize()) == (width, height):
            return
        across, down, depth = self.node.GetFieldOfView()
        super().resize(width, height)
        self.logic.ResizeSliceNode(width, height)
        scale = max(across / width, down / height)
        self.node.SetFieldOfView(scale * width, scale * height, depth)

    def fit(self) -> None:
        """Show the whole background."""
        self.logic.ResizeSliceNode(*self.window.GetSize())
        self.logic.FitSliceToBackground()
        self.logic.SnapSliceOffsetToIJK()
