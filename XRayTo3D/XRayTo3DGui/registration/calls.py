"""What section 2 does, for scripts: register CT bones to radiographs, and review. Methods of ``XRayTo3DLogic``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any


def _quietly(_step: Any) -> None:
    """Nobody wants to know how far it is."""


class RegistrationCalls:
    """What section 2 does, for scripts: register CT bones to radiographs, and review the results.

    A pose is a linear transform node under which CT, segmentation and bone model lie. All lengths are mm, angles
    degrees; poses take CT coordinates to the world.
    """

    def register(
        self,
        ctVolume: Any,
        segmentation: Any = None,
        segments: Sequence[str] = (),
        radiographs: Sequence[Any] | None = None,
        start: str = "here",
        surroundings: bool = False,
        refine: bool = False,
        onStep: Callable[[Any], None] = _quietly,
        **options: Any,
    ) -> Any:
        """Register bones to radiographs as *Register* does; waits, while Slicer goes on drawing.

        Args:
            ctVolume: The CT's volume node.
            segmentation: Segmentation or label map node; ``None`` registers the whole CT as one body.
            segments: Names or IDs; the first is the bone that is judged, others move by themselves and are found too.
            radiographs: Volume nodes of section 1; ``None`` takes those that are ticked.
            start: "here" (as the bone lies), "views" (as the radiographs' views say), "landmarks" or "everywhere".
            surroundings: Draw the rest of the CT too.
            refine: Do not search, only sharpen the pose; ``start`` is "here" then.
            onStep: Called with each ``XRayTo3DGui.registration.search.Step``: ``fraction``, ``stage``, ``similarity``.
            **options: Fields of ``XRayTo3DLib.registration.options.RegistrationOptions``; the others are as under
                *Advanced*.

        Returns:
            The pose node; :meth:`registration` gives its record.

        Raises:
            InputError: Something cannot be used; the sentence says what, and the bone is back where it was.
        """
        from XRayTo3DGui.registration import script

        parameters = self.getParameterNode()
        script.choose(parameters, ctVolume, segmentation, segments, radiographs, surroundings)
        return script.register(parameters, "here" if refine else start, refine, options, onStep)

    def placeByView(
        self,
        ctVolume: Any,
        segmentation: Any = None,
        segment: str = "",
        marks: dict[Any, tuple[float, float]] | None = None,
        bodyPart: str = "",
    ) -> Any:
        """Bring a bone to where the ticked radiographs' views (AP, PA, LAT ...) show it.

        Args:
            ctVolume: The CT's volume node, in standard orientation.
            segmentation: Segmentation or label map node, or ``None``.
            segment: Name or ID; "" is the whole CT.
            marks: (column, row) where the bone's middle is seen, by radiograph node; where there is none, the middle of
                the picture.
            bodyPart: DICOM body part ("WRIST", "KNEE" ...): how a limb is laid for a lateral view.

        Returns:
            The pose node.

        Raises:
            InputError: No radiograph says its view.
        """
        from XRayTo3DGui.registration import script

        parameters = self.getParameterNode()
        script.choose(parameters, ctVolume, segmentation, [segment] if segment else [])
        return script.placeByViews(parameters, marks, bodyPart)

    def placeByLandmarks(self, ctVolume: Any, ctLandmarks: Any, seen: dict[Any, Any]) -> tuple[Any, float]:
        """Bring a CT to where its landmarks project onto those of the radiographs.

        Args:
            ctVolume: The CT's volume node.
            ctLandmarks: Point list on the CT.
            seen: Point list on each radiograph, by radiograph node; the same name is the same point.

        Returns:
            The pose node, and how far the landmarks miss on average, mm.

        Raises:
            InputError: Too few landmarks.
        """
        from XRayTo3DGui.registration import script
        from XRayTo3DGui.scene.mrml_radiographs import LANDMARKS

        parameters = self.getParameterNode()
        if parameters.ctVolume is not ctVolume:
            script.choose(parameters, ctVolume)
        parameters.ctLandmarks = ctLandmarks
        for node, points in seen.items():
            node.SetNodeReferenceID(LANDMARKS, points.GetID())
        return script.placeByLandmarks(parameters)

    def centreInBeams(self, ctVolume: Any, segmentation: Any = None, segment: str = "") -> Any:
        """Move a bone, without turning it, to where the beams of the ticked radiographs meet; returns the pose node.

        Arguments as in :meth:`placeByView`.
        """
        from XRayTo3DGui.registration import pose, script
        from XRayTo3DGui.scene import mrml
        from XRayTo3DGui.scene import mrml_radiographs as radiographs

        parameters = self.getParameterNode()
        script.choose(parameters, ctVolume, segmentation, [segment] if segment else [])
        node = pose.ensurePose(parameters)
        cameras = [radiographs.cameraFromNode(each) for each in radiographs.usedRadiographNodes()]
        return script.moveTo(
            parameters, pose.centredInBeams(mrml.poseFromNode(node), script.centre(parameters), cameras)
        )

    def makeBoneModels(self, ctVolume: Any, segmentation: Any = None, segments: Sequence[str] = ()) -> list[Any]:
        """Surfaces of bones as models that move with their poses; names and IDs as in :meth:`register`."""
        from XRayTo3DGui.registration import script

        parameters = self.getParameterNode()
        script.choose(parameters, ctVolume, segmentation, segments)
        return script.boneModels(parameters)

    def drr(self, ctVolume: Any, radiograph: Any, segmentation: Any = None, segment: str = "", pose: Any = None) -> Any:
        """The radiograph that a bone would give (DRR), with a radiograph's geometry.

        Args:
            ctVolume: The CT's volume node.
            radiograph: Volume node of section 1: its X-ray geometry.
            segmentation: Segmentation or label map node, or ``None``.
            segment: Name or ID; "" is the whole CT.
            pose: Transform node; ``None`` is the transform that the CT lies under.

        Returns:
            (rows, columns) float32 line integrals of attenuation.

        Raises:
            InputError: A bone or radiograph that cannot be used.
        """
        from XRayTo3DGui.registration import bone, script
        from XRayTo3DGui.scene import mrml, mrml_radiographs
        from XRayTo3DLib.geometry import RigidPose

        parameters = self.getParameterNode()
        (segmentId,) = script.segmentIds(segmentation, [segment]) if segment else ("",)
        node = pose or ctVolume.GetParentTransformNode()
        where = mrml.poseFromNode(node) if node is not None else RigidPose.identity()
        camera = mrml_radiographs.cameraFromNode(radiograph)
        chosen = bone.Bone(ctVolume, parameters.ctValues, segmentation, segmentId, parameters.energyKev)
        ready = bone.BoneCache().work(chosen)
        return script.computed(lambda: ready().drr(camera, where))

    def registration(self, poseNode: Any) -> dict[str, Any] | None:
        """The record of a registration (verdict, poses, uncertainty, review) that a pose node keeps, or ``None``."""
        from XRayTo3DGui.registration.review import recordOf

        return recordOf(poseNode)

    def reviewRegistration(self, poseNode: Any, status: str, comment: str = "", role: str = "") -> dict[str, Any]:
        """Accept or reject a registration; returns its record.

        Args:
            poseNode: What :meth:`register` returned.
            status: "accepted" or "rejected".
            comment: Needed to reject. No patient data.
            role: Of the person who judges ("radiographer"), never a name.

        Raises:
            InputError: Nothing registered there, another status, or a rejection without a comment.
        """
        from XRayTo3DGui.registration.review import judge

        return judge(poseNode, status, comment, role)

    def saveRegistration(self, poseNode: Any, folder: str | Path) -> list[Path]:
        """Write pose.tfm and registration.json (of further bones too) into a folder, made where missing.

        Raises:
            InputError: Nothing registered there, or the bone was moved since.
        """
        from XRayTo3DGui.registration.review import saveRecordOf

        return saveRecordOf(poseNode, Path(folder))
