"""The XRayTo3D module of 3D Slicer: metadata, widget and logic; the work is in XRayTo3DGui and XRayTo3DLib."""

from __future__ import annotations

import logging
import sys
from functools import partial
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

try:
    import XRayTo3DLib
except ModuleNotFoundError:  # a source checkout: the library lies beside the module's folder
    sys.path.append(str(Path(__file__).resolve().parents[1]))
    import XRayTo3DLib

from XRayTo3DGui.binding import GuiBinding
from XRayTo3DGui.dataset.calls import DatasetCalls
from XRayTo3DGui.dataset.DatasetPanel import DatasetPanel
from XRayTo3DGui.evaluation.calls import EvaluationCalls
from XRayTo3DGui.evaluation.EvaluationPanel import EvaluationPanel
from XRayTo3DGui.panel import prepareLabels
from XRayTo3DGui.parameters import XRayTo3DParameterNode
from XRayTo3DGui.radiographs.calls import RadiographCalls
from XRayTo3DGui.radiographs.RadiographsPanel import RadiographsPanel
from XRayTo3DGui.reconstruct.calls import ReconstructCalls
from XRayTo3DGui.reconstruct.ReconstructPanel import ReconstructPanel
from XRayTo3DGui.registration.calls import RegistrationCalls
from XRayTo3DGui.registration.RegistrationPanel import RegistrationPanel
from XRayTo3DGui.scene.sample_calls import SampleCalls
from XRayTo3DGui.setup.calls import SetupCalls
from XRayTo3DGui.setup.SetupPanel import SetupPanel
from XRayTo3DGui.train.calls import TrainCalls
from XRayTo3DGui.train.TrainPanel import TrainPanel

OWN_PACKAGES = ("XRayTo3DGui", XRayTo3DLib.__name__)
SECTIONS = ("radiographs", "registration", "dataset", "train", "reconstruct", "evaluation", "setup")
"""In the order of work; each is ``<name>Section`` in XRayTo3D.ui."""
PAGES = "https://github.com/XRayTo3D/SlicerXRayTo3D/blob/main/"
"""Where the documentation is read."""
CATEGORY = "XRayTo3D"
"""Of the samples in Slicer's Sample Data module."""


class XRayTo3D(ScriptedLoadableModule):
    """What Slicer shows about the module."""

    def __init__(self, parent: Any) -> None:
        super().__init__(parent)
        self.parent.title = _("XRayTo3D")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Registration")]
        self.parent.dependencies = ["Markups", "Segmentations", "Transforms"]
        self.parent.contributors = ["The XRayTo3D developers"]
        self.parent.helpText = _(
            "Places CT bones where radiographs show them (2D-3D registration), makes 3D bones of radiographs with "
            "models that you can train, and judges 3D bones against a reference.<br>"
            "<b>Research use only. Not clinically validated.</b><br>"
            "To try it without data: 'Synthetic example' in section 1, then 'Register' in section 2; more in "
            "<i>Sample Data</i>.<br>"
            '<a href="{page}docs/tutorial.md">Tutorial of five minutes</a>, '
            '<a href="{page}docs/slicer.md">documentation</a>, '
            '<a href="{page}docs/scripting.md">scripting</a>.'
        ).format(page=PAGES)
        self.parent.acknowledgementText = _(
            "Built on 3D Slicer, VTK, SimpleITK, pydicom, PyTorch, MONAI and Lightning. The papers whose methods it "
            'builds on are named in the <a href="{page}README.md">README</a>; please cite those that you use.'
        ).format(page=PAGES)
        slicer.app.connect("startupCompleted()", registerSampleData)


def sampleTable() -> list[tuple[str, str, str, str]]:
    """Name, what the Sample Data module shows, the logic's method that makes it, picture in Resources/Icons."""
    return [
        ("XRayTo3D synthetic wrist", _("Synthetic wrist, to register"), "loadExample", "SampleWrist.png"),
        ("XRayTo3D synthetic knee", _("Synthetic knee, to reconstruct"), "loadKneeExample", "SampleKnee.png"),
        ("XRayTo3D synthetic radius", _("Synthetic radius, to evaluate"), "loadBonePair", "SampleRadius.png"),
    ]


def registerSampleData() -> None:
    """Add the synthetic samples to Slicer's Sample Data module, where that is loaded. Nothing is downloaded."""
    try:
        import SampleData
    except ImportError:
        return
    logic, icons = SampleData.SampleDataLogic, Path(__file__).parent / "Resources" / "Icons"
    if hasattr(logic, "registerCustomSampleDataCategory"):  # Slicer 5.12 and newer
        logic.registerCustomSampleDataCategory(CATEGORY, title=_("XRayTo3D (synthetic, computed here)"))
    # Slicer fails on None for the files: it counts them.
    nothing: dict[str, list[str]] = {each: [] for each in ("uris", "fileNames", "nodeNames", "loadFiles", "checksums")}
    for name, _description, method, picture in sampleTable():
        logic.registerCustomSampleDataSource(
            category=CATEGORY,
            sampleName=name,
            thumbnailFileName=str(icons / picture),
            customDownloader=partial(_computeSample, method),
            **nothing,
        )
    words = {name: description for name, description, *_others in sampleTable()}
    for source in slicer.modules.sampleDataSources[CATEGORY]:  # it cannot be given when registering
        source.sampleDescription = words.get(source.sampleName, source.sampleDescription)


def _computeSample(method: str, _source: Any = None) -> list[Any]:
    """Nothing is downloaded: the case is computed. Radiographs are shown: a person asked for something to look at."""
    from XRayTo3DGui.scene.layouts import XRayLayout

    nodes = getattr(XRayTo3DLogic(), method)()
    widget = getattr(slicer.modules, "XRayTo3DWidget", None)
    (widget.radiographs.layout if widget is not None else XRayLayout()).show()
    return nodes


class XRayTo3DWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """Collapsible sections in the order of work; each is a panel of its own."""

    def __init__(self, parent: Any = None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic: XRayTo3DLogic | None = None
        self.panels: list[Any] = []
        self.sections: list[Any] = []
        self._parameterNode: Any = None
        self._binding: Any = None

    def setup(self) -> None:
        super().setup()
        self.logic = XRayTo3DLogic()
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/XRayTo3D.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        self.radiographs = RadiographsPanel(self)
        self.registration = RegistrationPanel(self)
        self.reconstruct = ReconstructPanel(self)
        self.evaluation = EvaluationPanel(self)
        self.dataset = DatasetPanel(self)
        self.train = TrainPanel(self)
        self.setupPanel = SetupPanel(self)
        self.panels = [
            self.radiographs,
            self.registration,
            self.dataset,
            self.train,
            self.reconstruct,
            self.evaluation,
            self.setupPanel,
        ]
        self.sections = [getattr(self.ui, f"{name}Section") for name in SECTIONS]
        for section, panel in zip(self.sections, self.panels, strict=True):
            panelWidget = panel.setup()
            panelWidget.setMRMLScene(slicer.mrmlScene)
            prepareLabels(panel.ui)
            section.layout().addWidget(panelWidget)
            section.connect("contentsCollapsed(bool)", partial(self.onSection, section))
        uiWidget.setMRMLScene(slicer.mrmlScene)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(scene, scene.EndImportEvent, self.onSceneEndImport)
        self.initializeParameterNode()

    def cleanup(self) -> None:
        self.setParameterNode(None)
        self.removeObservers()
        for panel in self.panels:
            panel.cleanup()
        self.panels, self.sections = [], []

    def onSection(self, opened: Any, collapsed: bool) -> None:
        """One section is open at a time: the panel fits a small screen, and the step of work is plain."""
        for section in self.sections if not collapsed else []:
            if section is not opened:
                section.collapsed = True

    def enter(self) -> None:
        self.initializeParameterNode()

    def exit(self) -> None:
        self.setParameterNode(None)

    def onSceneStartClose(self, _caller: Any, _event: str) -> None:
        self.setParameterNode(None)

    def onSceneEndClose(self, _caller: Any, _event: str) -> None:
        if self.parent.isEntered:
            self.initializeParameterNode()

    def onSceneEndImport(self, _caller: Any, _event: str) -> None:
        """A scene file may have brought its own parameters and radiographs: follow them."""
        if self.parent.isEntered:
            self.setParameterNode(None)
            self.initializeParameterNode()

    def initializeParameterNode(self) -> None:
        if self._parameterNode is None and self.logic is not None:
            self.setParameterNode(self.logic.getParameterNode())

    @property
    def parameters(self) -> Any:
        """The parameter node, None while the module is left or the scene closes."""
        return self._parameterNode

    def setParameterNode(self, node: Any) -> None:
        if self._parameterNode is not None:
            self._binding.disconnect()
        self._parameterNode = node
        self._binding = GuiBinding(node, self.ui) if node is not None else None
        for panel in self.panels:
            panel.setParameterNode(node)

    def onReload(self) -> None:
        """Slicer's developer button reloads only this file; drop the packages so that they are imported anew."""
        logging.debug("Reloading XRayTo3D with %s", ", ".join(OWN_PACKAGES))
        self.cleanup()
        for name in [name for name in sys.modules if name.split(".")[0] in OWN_PACKAGES]:
            del sys.modules[name]
        super().onReload()


class XRayTo3DLogic(
    SampleCalls,
    RadiographCalls,
    RegistrationCalls,
    DatasetCalls,
    TrainCalls,
    ReconstructCalls,
    EvaluationCalls,
    SetupCalls,
    ScriptedLoadableModuleLogic,
):
    """What scripts call: everything that the panels do, section by section; docs/scripting.md lists it.

    Conversions between nodes and the library's types are in ``XRayTo3DGui.scene.mrml``.
    """

    def getParameterNode(self) -> XRayTo3DParameterNode:
        return XRayTo3DParameterNode(super().getParameterNode())


class XRayTo3DTest(ScriptedLoadableModuleTest):
    """Runs in Slicer: the way from radiographs to a camera and back, on the synthetic wrist."""

    def setUp(self) -> None:
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        self.setUp()
        self.test_example()

    def test_example(self) -> None:
        from XRayTo3DGui.registration import bone, pose
        from XRayTo3DGui.scene import mrml
        from XRayTo3DGui.scene.mrml_radiographs import radiographFromNode

        if bone.torchProblem():
            self.skipTest(bone.torchProblem())
        logic = XRayTo3DLogic()
        nodes = logic.loadExample(ctSpacing=1.5, pixelSpacing=1.2)
        radiograph = radiographFromNode(nodes[2])
        self.assertTrue(radiograph.synthetic)
        self.assertAlmostEqual(radiograph.camera.sdd, 1000.0, places=3)
        parameters = logic.getParameterNode()
        pose.ensurePose(parameters)
        self.assertIs(nodes[0].GetParentTransformNode(), parameters.poseTransform)
        image = bone.BoneCache().drr(parameters, radiograph.camera, mrml.poseFromNode(parameters.poseTransform))
        self.assertEqual(image.shape, radiograph.pixels.shape)
        self.assertGreater(float(image.max()), 0.2)
        self.delayDisplay("Test passed")
