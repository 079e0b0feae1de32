"""The pictures of a comparison on disk: rendered once for every geometry that a method wants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from XRayTo3DLib.cli.compare_run import Told
from XRayTo3DLib.cli.models_used import loaded_translator
from XRayTo3DLib.dataset.dataset_folder import DatasetCase, DatasetFolder
from XRayTo3DLib.dataset.exposure_sampler import PoseRange
from XRayTo3DLib.dataset.prepared_files import PreparedCases, prepared_file
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.experiments.compare_conditions import CONDITIONS
from XRayTo3DLib.experiments.compare_files import fingerprint
from XRayTo3DLib.experiments.compare_methods import pose_of
from XRayTo3DLib.experiments.compare_trials import TrialMaker
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.methods.data import DataConfiguration, Part
from XRayTo3DLib.methods.translation import NONE, ViewTranslators, translators_for
from XRayTo3DLib.models.bundle_folder import BUNDLE_FILE
from XRayTo3DLib.models.checksums import file_sha256
from XRayTo3DLib.models.find import bundle_path

if TYPE_CHECKING:
    from XRayTo3DLib.cli.compare_session import Options


class PictureFiles:
    """Renders what methods are shown; what is there already is kept.

    Args:
        options: Of the comparison.
        dataset: The data set.
        test: The test people.
        hard: How many of them are asked under the harder conditions.

    Raises:
        InputError: A translator that cannot be loaded.
    """

    def __init__(self, options: Options, dataset: DatasetFolder, test: Sequence[DatasetCase], hard: int) -> None:
        self._options, self._dataset, self._test, self._hard = options, dataset, tuple(test), hard
        # Read at once: a bundle that is not there must not come to light after hours of training.
        self._given = {name: list(map(loaded_translator, each)) for name, each in options.translations.items()}
        self.made: dict[str, Path] = {}
        """Files by row."""

    def file_for(self, name: str, data: DataConfiguration, told: Told) -> Path:
        """File of everything that the method of a row is shown.

        Args:
            name: Of the row.
            data: Its views, pictures and grid.
            told: Told how far it is.
        """
        told(f"{name}: pictures", 0.0, None)
        paths = [prepared_file(case) for case in self._test]
        path = self._options.output / "pictures" / f"{fingerprint(self._about(data, paths))}.safetensors"
        if not path.exists():
            part = Part(self._test, PreparedCases(paths))
            maker = TrialMaker(data, part, self._poses(), self._hard, self._options.seed)
            maker.made(self._translators(data), lambda text, share: told(text, share, None)).save(path)
        self.made[name] = path
        return path

    def _about(self, data: DataConfiguration, paths: Sequence[Path]) -> Mapping[str, Any]:
        """Everything that the pictures depend on."""
        return {
            "views": data.views,
            "image": replace(data.image, scale=1.0),
            "cube": [data.grid.centre_mm, data.voxels.extent_mm],
            "people": [[path.name, path.stat().st_mtime_ns] for path in paths],
            "conditions": CONDITIONS,
            "hard": self._hard,
            "seed": self._options.seed,
            "translations": {name: list(map(_mark_of, each)) for name, each in self._options.translations.items()},
        }

    def _poses(self) -> list[RigidPose]:
        """How the test people are held: the same for every method."""
        pose = pose_of(self._dataset)
        held = PoseRange(tuple(pose["rotation_deg"]), tuple(pose["translation_mm"]), pose["distribution"])
        return [held.draw(np.random.default_rng([self._options.seed, 3, n])) for n in range(len(self._test))]

    def _translators(self, data: DataConfiguration) -> dict[str, ViewTranslators | str]:
        """Translators by name, or why one cannot be used with a method's pictures."""
        found: dict[str, ViewTranslators | str] = {}
        for name, given in self._given.items():
            try:
                found[name] = translators_for(given, data)
            except InputError as error:
                found[name] = str(error)
        return found


def _mark_of(bundle: str) -> str:
    return NONE if bundle == NONE else file_sha256(bundle_path(bundle) / BUNDLE_FILE)
