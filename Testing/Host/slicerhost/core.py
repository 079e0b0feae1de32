"""The MRML half of the host: real scene, real application logic, real module logics. No Qt in here."""

from __future__ import annotations

import tempfile
from typing import Any

import slicer
import vtk

from slicerhost.iomanager import IOManager
from slicerhost.subjecthierarchy import SubjectHierarchyObserver
from slicerhost.vtkerrors import VtkErrorLog

# C++ logics look each other up by these exact names.
MODULE_LOGICS = {
    "Colors": "vtkSlicerColorLogic",
    "Volumes": "vtkSlicerVolumesLogic",
    "Models": "vtkSlicerModelsLogic",
    "Transforms": "vtkSlicerTransformLogic",
    "Markups": "vtkSlicerMarkupsLogic",
    "Terminologies": "vtkSlicerTerminologiesModuleLogic",
    "Segmentations": "vtkSlicerSegmentationsModuleLogic",
    "Tables": "vtkSlicerTablesLogic",
    "Plots": "vtkSlicerPlotsLogic",
    "Texts": "vtkSlicerTextsLogic",
    "Units": "vtkSlicerUnitsLogic",
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "Sequences": "vtkSlicerSequencesLogic",
    "VolumeRendering": "vtkSlicerVolumeRenderingLogic",
    "CropVolume": "vtkSlicerCropVolumeLogic",
    "Cameras": "vtkSlicerCamerasModuleLogic",
    "SceneViews": "vtkSlicerSceneViewsModuleLogic",
    "Annotations": "vtkSlicerAnnotationModuleLogic",
    "Reformat": "vtkSlicerReformatLogic",
    "ViewControllers": "vtkSlicerViewControllersLogic",
    "Data": "vtkSlicerDataModuleLogic",
}


class MrmlCore:
    """One scene with everything that the Slicer application attaches to it, in the same order."""

    def __init__(self) -> None:
        self.errors = VtkErrorLog()
        self.temporary_path = tempfile.mkdtemp(prefix="slicerhost-")
        self.scene = self._make_scene()
        self.application_logic = self._make_application_logic()
        self.logics = {name: self._make_logic(name, cls) for name, cls in MODULE_LOGICS.items()}
        self.application_logic.SetColorLogic(self.logics["Colors"])
        self.logics["Colors"].AddDefaultColorNodes()
        self.io = IOManager(self.scene, self.logics)
        self._hierarchy = SubjectHierarchyObserver(self.scene)
        self.boot_errors = self.errors.take()
        self.errors.be_loud()

    def _make_scene(self) -> Any:
        scene = slicer.vtkMRMLScene()
        scene.SetRootDirectory(self.temporary_path)
        scene.RegisterNodeClass(slicer.vtkMRMLCommandLineModuleNode())
        crosshair = slicer.vtkMRMLCrosshairNode()
        crosshair.SetCrosshairName("default")
        scene.AddNode(crosshair)
        return scene

    def _make_application_logic(self) -> Any:
        logic = slicer.vtkSlicerApplicationLogic()
        logic.SetTemporaryPath(self.temporary_path)
        logic.SetHomeDirectory(self.temporary_path)  # the wheel has no ColorFiles: file-based colours are missing
        logic.SetShareDirectory("share")
        logic.SetMRMLScene(self.scene)
        self._connect_data_io(logic)
        self._slice_logics, self._view_logics = vtk.vtkCollection(), vtk.vtkCollection()
        logic.SetSliceLogics(self._slice_logics)
        logic.SetViewLogics(self._view_logics)
        slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance().SetMRMLApplicationLogic(logic)
        slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance().SetMRMLApplicationLogic(logic)
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(self.scene, True)
        return logic

    def _connect_data_io(self, logic: Any) -> None:
        self._remote_io = slicer.vtkMRMLRemoteIOLogic()
        self._remote_io.GetCacheManager().SetRemoteCacheDirectory(self.temporary_path)
        self._data_io = slicer.vtkDataIOManagerLogic()
        self._data_io.SetMRMLApplicationLogic(logic)
        self._data_io.SetAndObserveDataIOManager(self._remote_io.GetDataIOManager())
        logic.SetMRMLSceneDataIO(self.scene, self._remote_io, self._data_io)

    def _make_logic(self, name: str, class_name: str) -> Any:
        logic = getattr(slicer, class_name)()
        logic.SetMRMLApplicationLogic(self.application_logic)
        logic.SetMRMLScene(self.scene)
        self.application_logic.SetModuleLogic(name, logic)
        return logic
