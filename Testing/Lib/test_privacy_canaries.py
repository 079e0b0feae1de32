"""No name, ID, date, institution or UID of a header, a path or the computer is in anything that is said or written.

Every text-like tag of DICOM's dictionary holds a value of its own (a canary), private and nested ones too, and so do
file names and the environment; commands run, and everything they left is searched. ``soak_privacy.py`` runs them all.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import traceback
from pathlib import Path

import numpy as np
import planted_files
import pydicom
import pytest
from canaries import overheard
from phantoms_analytic import bone_ct
from PIL import Image, ImageDraw
from planted_files import GEOMETRY, WHO, bone_picture, without_paths

from XRayTo3DLib.cli.main import build_parser, main
from XRayTo3DLib.cli.register import read_views
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.batch import Measured, table_csv
from XRayTo3DLib.evaluation.batch_pairs import Pair
from XRayTo3DLib.evaluation.comparison import compare
from XRayTo3DLib.evaluation.comparison_files import comparison_page, metrics_json
from XRayTo3DLib.imaging.ct_reader import read_ct
from XRayTo3DLib.imaging.dicom_preview import preview_radiograph
from XRayTo3DLib.imaging.dicom_study import OPTIONAL, PATIENT, STUDY
from XRayTo3DLib.imaging.radiograph_header import write_radiograph
from XRayTo3DLib.imaging.radiograph_info import inspect_radiograph
from XRayTo3DLib.imaging.radiograph_reader import read_radiograph
from XRayTo3DLib.jobs.run import _environment

QUICK = ("--starts", "2", "--screened", "16", "--pixel-sizes", "1.6")
FIELD_NAME = "ZQ99999KV"
TEXTS = """Modality PhotometricInterpretation PixelIntensityRelationship PresentationLUTShape ViewPosition
BodyPartExamined ImageLaterality Laterality BurnedInAnnotation PixelSpacingCalibrationType PositionerMotion
FieldOfViewHorizontalFlip LossyImageCompression ImageType SpecificCharacterSet CollimatorShape"""
NUMBERS = """DistanceSourceToDetector DistanceSourceToPatient ImagerPixelSpacing PixelSpacing NominalScannedPixelSpacing
PixelAspectRatio EstimatedRadiographicMagnificationFactor PositionerPrimaryAngle PositionerSecondaryAngle NumberOfFrames
RescaleSlope RescaleIntercept FieldOfViewRotation WindowCenter"""


class Clinic(planted_files.Clinic):
    """Where commands run that name nobody."""

    def run(self, *words: object, code: int = 0) -> None:
        """A command; what it says, the paths that were typed aside, names nobody."""
        typed = [str(word) for word in words]
        with overheard() as heard:
            assert main(typed) == code, heard.getvalue()
        said = without_paths(heard.getvalue(), typed)
        assert self.canaries.found_in(said.encode()) == {}, said


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Clinic:
    return Clinic.below(tmp_path_factory.mktemp("privacy"))


@pytest.fixture(autouse=True)
def _somebodys_computer(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in WHO:
        monkeypatch.setenv(name, clinic.canaries.text(f"environment {name}"))
    monkeypatch.setenv("HOME", str(clinic.home))
    computer = clinic.canaries.text("name of the computer")
    monkeypatch.setattr(socket, "gethostname", lambda: computer)


@pytest.fixture(scope="module")
def radiograph(clinic: Clinic) -> Path:
    return planted_files.radiograph(clinic.named("DX", ".dcm"), clinic.canaries)


# ---- the net has no holes --------------------------------------------------------------------------------------------


def test_canaries_are_everywhere_and_are_found(clinic: Clinic, radiograph: Path) -> None:
    assert len(clinic.canaries.planted) > 4000
    found = clinic.canaries.found_in(radiograph.read_bytes())
    assert len(found) > 4000
    where = set(found.values())
    for part in (
        "DX PA PatientName",
        "DX PA OverlayComments",
        "DX preamble",
        "DX PA private UN",
        "DX PA ImageComments",
    ):
        assert part in where, part
    nested = "DX PA RequestAttributesSequence > ReferencedStudySequence > PatientName"
    assert {nested, "DX PA private sequence > ReferencedStudySequence > PatientName"} <= where
    assert {"DX PA PatientBirthDate", "DX PA StudyInstanceUID", "DX meta ImplementationVersionName"} <= where


@pytest.mark.parametrize("suffix", [".png", ".tiff", ".vtp", ".nrrd", ".mha", ".seg.nrrd"])
def test_what_is_packed_is_found_too(clinic: Clinic, suffix: str) -> None:
    makers = {
        ".vtp": planted_files.surface,
        ".nrrd": planted_files.volume,
        ".mha": planted_files.volume,
        ".seg.nrrd": planted_files.labels,
    }
    before = set(clinic.canaries.planted)
    path = makers.get(suffix, planted_files.picture)(clinic.named("packed", suffix), clinic.canaries)
    planted = set(clinic.canaries.planted) - before
    found = clinic.canaries.found_in(path.read_bytes())
    assert len(planted & set(found)) >= len(planted) - 1 - (3 if suffix == ".mha" else 0)


def test_encodings_archives_and_pages_hide_nothing(clinic: Clinic) -> None:
    import base64
    import gzip
    import io
    import zipfile

    text = clinic.canaries.text("hidden")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("a.txt", text.lower())
    page = b"data:image/png;base64," + base64.b64encode(b"x" * 60 + text.encode())
    for content in (
        text.encode("utf-16"),
        text.encode("latin-1"),
        gzip.compress(text.encode()),
        archive.getvalue(),
        page,
    ):
        assert text in clinic.canaries.found_in(content)


# ---- reading ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("modality", ["CR", "XA", "RF"])
def test_the_library_says_nothing_of_the_person(clinic: Clinic, modality: str) -> None:
    path = planted_files.radiograph(clinic.named(modality, ".dcm"), clinic.canaries, modality)
    with overheard() as heard:
        made = read_radiograph(path)
        said = [made.name, made.view, *made.notes, made.facts.to_text(), repr(preview_radiograph(path))]
        said.append(json.dumps(inspect_radiograph(path).to_dict()))
        write_radiograph(made, clinic.out / f"{modality}.nrrd")
    assert clinic.canaries.found_in("\n".join([*said, heard.getvalue()]).encode()) == {}
    assert clinic.canaries.found_in((clinic.out / f"{modality}.nrrd").read_bytes()) == {}


@pytest.mark.parametrize("keyword", TEXTS.split())
def test_the_words_that_are_looked_at_name_nobody(clinic: Clinic, keyword: str) -> None:
    """Texts of the header that a radiograph is made from, too, may hold anything."""
    _ask_everything(clinic, _with_text(clinic, keyword, FIELD_NAME))


@pytest.mark.parametrize("keyword", NUMBERS.split())
def test_numbers_that_are_none_are_not_quoted(clinic: Clinic, keyword: str) -> None:
    digits = "1234567890"
    path = _with_text(clinic, keyword, digits, "2")
    path.write_bytes(path.read_bytes().replace(digits.encode(), FIELD_NAME.encode() + b" "))
    _ask_everything(clinic, path)


@pytest.mark.parametrize("uid", ["TransferSyntaxUID", "MediaStorageSOPClassUID"])
def test_uids_of_the_meta_header_are_not_quoted(clinic: Clinic, uid: str) -> None:
    path = _with_text(clinic, "ImageComments", "none")
    header = pydicom.dcmread(path)
    old = str(getattr(header.file_meta, uid))
    own = "1.2.826.0.1.7654321.1"
    path.write_bytes(path.read_bytes().replace(old.encode(), (own + "0" * 30)[: len(old)].encode(), 1))
    clinic.canaries.planted[(own + "0" * 30)[: len(UID_SHOWN)]] = uid
    with overheard() as heard:
        main(["info", str(path)])
        _traced(lambda: read_radiograph(path), heard)
    assert own not in heard.getvalue().replace(str(path), "")


UID_SHOWN = "1.2.826.0.1.7654321.100000"


def _with_text(clinic: Clinic, keyword: str, value: str, further: str = "") -> Path:
    """A radiograph with one text, as a damaged or careless header has it."""
    from imaging_cases import write_dicom

    counts = np.round(4000 * np.exp(-bone_picture("PA")))
    folder = clinic.inputs / keyword  # of its own: a CT's reader looks at all that is in a folder
    folder.mkdir(exist_ok=True)
    path = write_dicom(folder / clinic.named(keyword, ".dcm").name, counts, **GEOMETRY)
    header = pydicom.dcmread(path)
    several = pydicom.datadict.dictionary_VM(keyword).startswith("2")
    with overheard():  # pydicom warns of values that are forbidden
        setattr(header, keyword, [value, further or value] if several else value)
        header.save_as(path)
    clinic.canaries.planted[FIELD_NAME] = keyword
    return path


def _ask_everything(clinic: Clinic, path: Path) -> None:
    """Everything that can be said of a file: facts, preview, reading, errors and their whole traces."""
    with overheard() as heard:
        main(["info", str(path)])
        main(["info", str(path), "--json"])
        _traced(lambda: main(["--debug", "drr", str(path), "--camera", str(path), "-o", "none.nrrd"]), heard)
        _traced(lambda: heard.write(repr(preview_radiograph(path)) + preview_radiograph(path).name), heard)
        _traced(lambda: heard.write(repr(read_radiograph(path))), heard)
        _traced(lambda: read_ct(path), heard)
    said = heard.getvalue().replace(str(path), "").replace(path.name, "").replace(str(path.parent), "")
    assert FIELD_NAME not in said, said[said.find(FIELD_NAME) - 300 :][:400]


def _traced(work: object, heard: object) -> None:
    """Run; an error's whole trace, chained errors too, is among what was said."""
    try:
        work()  # type: ignore[operator]
    except InputError:
        heard.write(traceback.format_exc())  # type: ignore[attr-defined]


# ---- commands --------------------------------------------------------------------------------------------------------


def test_registering_leaves_nothing_of_headers_and_file_names_behind(clinic: Clinic, radiograph: Path) -> None:
    ct = planted_files.series(clinic.named("CT", ""), clinic.canaries)
    labels = planted_files.labels(clinic.named("labels", ".seg.nrrd"), clinic.canaries)
    camera = planted_files.camera(clinic.named("camera", ".json"), clinic.canaries)
    start = planted_files.pose(clinic.named("pose", ".tfm"), clinic.canaries)
    picture = planted_files.picture(clinic.named("picture", ".png"), clinic.canaries)
    views = ("--view", f"{radiograph}:{camera}", "--view", f"{picture}:{camera}")
    bone, out = ("--ct", ct, "--labels", labels, "--label", "bone"), clinic.out / "registered"
    clinic.run("register", *bone, *views, "--initial", start, "-o", out, *QUICK)
    names = {"overlay_1_DX_PA_R.png", "overlay_2_radiograph.png", "pose.tfm", "registration.json"}
    assert {path.name for path in out.iterdir()} == names
    clinic.run("drr", *bone[1:], "--camera", camera, "-o", clinic.out / "drr.nrrd")
    _add_to_data_set(clinic, ct, labels, f"{radiograph}:{camera}")
    assert clinic.canaries.found_under(clinic.out) == {}
    assert len([path for path in clinic.out.rglob("*") if path.is_file()]) > 10


def _add_to_data_set(clinic: Clinic, ct: Path, labels: Path, view: str) -> None:
    mine = clinic.out / "mine"
    clinic.run("dataset", "new", mine, "--bones", "bone", "--frame", "lps", "--anatomy", "a crooked bone")
    table = clinic.named("table", ".csv")
    table.write_text(f"id,ct,labels,view_pa\ncase-1,{ct},{labels},{view}\n")
    clinic.run("dataset", "import", mine, table)
    clinic.run("dataset", "show", mine)


def test_reports_do_not_name_files_after_people(clinic: Clinic) -> None:
    """Exports are often named after the person; a report is shown around."""
    bones = [planted_files.surface(clinic.named("bone", suffix), clinic.canaries) for suffix in (".vtp", ".stl")]
    comparison = compare(*bones, samples=1000)
    page = comparison_page(comparison, b"") + json.dumps(metrics_json(comparison))
    assert clinic.canaries.found_in(page.encode()) == {} and "result compared with the reference reference" in page
    pictures = [planted_files.picture(clinic.named("picture", suffix), clinic.canaries) for suffix in (".png", ".tiff")]
    clinic.run("info", *pictures)
    table = table_csv([Measured(Pair("one", "bone", *bones))])
    assert clinic.canaries.found_in(table.encode()) == {}


def test_harmless_names_of_files_are_kept(clinic: Clinic) -> None:
    assert read_radiograph(_simple_png(clinic, "wrist_pa.png"), sdd=1000.0, spacing=(0.8, 0.9)).name == "wrist_pa"


@pytest.mark.parametrize("asked", [False, True])
def test_dicom_seg_names_the_patient_only_when_asked_and_then_no_more_than_the_study(
    clinic: Clinic, asked: bool
) -> None:
    pytest.importorskip("highdicom", "0.27", reason="DICOM SEG needs highdicom: pip install '.[dicom]'")
    from XRayTo3DLib.imaging.dicom_segmentation import Origin, write_dicom_segmentation

    radiograph = planted_files.radiograph(
        clinic.named("SEG", ".dcm"), clinic.canaries, PatientSex="F", PatientAge="044Y"
    )
    path = clinic.home / f"asked {asked}.dcm"
    with overheard() as heard:
        write_dicom_segmentation(bone_ct(4.0), path, Origin(), [radiograph] if asked else [])
    assert clinic.canaries.found_in(heard.getvalue().encode()) == {}
    found = {where.rpartition(" ")[2] for where in clinic.canaries.found_in(path.read_bytes()).values()}
    assert found == ({*PATIENT, *STUDY, *OPTIONAL, "SOPInstanceUID", "SeriesInstanceUID"} - SHORT if asked else set())


SHORT = {"PatientAge", "PatientSex", "StudyTime"}
"""Too short for a canary of their own."""


def test_a_worker_s_log_names_no_home_folder(clinic: Clinic) -> None:
    """Whatever a worker prints, a trace too; it was started by jobs.run, which says so in the environment."""
    home = str(clinic.home)
    code = f"import XRayTo3DLib.cli; print({home!r}); raise ValueError({home!r} + '/ct.nrrd')"
    asked = {**_environment(), "HOME": home}
    ended = subprocess.run([sys.executable, "-c", code], env=asked, capture_output=True, text=True, check=False)
    assert ended.stdout == "~\n" and ended.stderr.strip().endswith("ValueError: ~/ct.nrrd")


def test_tensorboard_s_files_do_not_name_the_computer(clinic: Clinic) -> None:
    pytest.importorskip("tensorboard")
    from XRayTo3DLib.training.logs import TrainingLog

    log = TrainingLog(clinic.out / "log")
    log.add("stage", 1, 1, {"loss": 0.5})
    log.close()
    (file,) = (clinic.out / "log").rglob("events.*")
    assert ".computer." in file.name and clinic.canaries.found_under(clinic.out / "log") == {}


# ---- text in the picture ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["declared", "seen"])
def test_burned_in_text_is_warned_of_at_every_way_in(clinic: Clinic, way: str, capsys: pytest.CaptureFixture) -> None:
    if way == "declared":
        path = _with_text(clinic, "BurnedInAnnotation", "YES")
        assert preview_radiograph(path).burned_in
    else:
        path = _simple_png(clinic, "written.png", "MILLER ANNA 1950")
    answers = ["--sdd", "1000", "--spacing", "0.8", "0.9", "--spacing-kind", "detector", "--view-position", "PA"]
    mine = clinic.out / f"texts {way}"
    ct, labels = (make(clinic.named(way, suffix), clinic.canaries) for make, suffix in SCAN)
    (clinic.inputs / f"{way}.csv").write_text(f"id,ct,labels,view_lat\ntwo,{ct},{labels},{path}\n")
    main(["dataset", "new", str(mine), "--bones", "bone", "--frame", "lps"])
    main(["dataset", "add", str(mine), "one", "--ct", str(ct), "--labels", str(labels)])
    capsys.readouterr()
    for words in (
        ("info", path),
        ("dataset", "add-view", mine, "one", path, "--name", "pa", *answers),
        ("dataset", "import", mine, clinic.inputs / f"{way}.csv", *answers),
    ):
        assert main([str(word) for word in words]) == 0
        assert "burned-in text: it may name the patient" in capsys.readouterr().out, words[:2]
    words = ["refine", "--model", "none", "--view", str(path), *answers, "-o", str(clinic.out / "none")]
    read_views([str(path)], build_parser().parse_args(words))  # of register, reconstruct and refine
    assert "burned-in text: it may name the patient" in capsys.readouterr().err


SCAN = ((planted_files.volume, ".nrrd"), (planted_files.labels, ".seg.nrrd"))


def _simple_png(clinic: Clinic, name: str, text: str = "") -> Path:
    picture = Image.fromarray(np.round(60000 * np.exp(-bone_picture("PA"))).astype(np.uint16).repeat(2, 0).repeat(2, 1))
    if text:
        drawn = Image.new("L", picture.size)
        ImageDraw.Draw(drawn).text((4, 4), text, fill=255, font_size=14)
        picture = Image.fromarray(np.where(np.asarray(drawn) > 127, 0, np.asarray(picture)).astype(np.uint16))
    picture.save(clinic.inputs / name)
    return clinic.inputs / name
