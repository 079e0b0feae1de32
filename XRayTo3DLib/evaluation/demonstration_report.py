"""The demonstration's report: one self-contained page."""

from __future__ import annotations

from collections.abc import Sequence

from XRayTo3DLib import __version__
from XRayTo3DLib.evaluation.comparison_files import comparison_sections
from XRayTo3DLib.evaluation.demonstration import BONE_NAME, START_DEG, START_MM, DemoPerson, DemoRegistration
from XRayTo3DLib.evaluation.report import figure, page, paragraph, section, table, tiles


def demonstration_page(people: Sequence[DemoPerson]) -> str:
    """HTML of all registrations and comparisons, every one of them synthetic."""
    both = [person.registrations[0] for person in people]
    worst = max(r.mtre_mm for r in both)
    numbers = tiles(
        [
            (f"{worst:.2f}", "mm", "largest mTRE with two views"),
            (f"{max(r.start_mm for r in both):.1f}", "mm", "largest mTRE at the start"),
            (f"{max(p.comparison.value('assd') for p in people):.2f}", "mm", "largest ASSD of the registered bone"),
            (f"{max(r.result.seconds for r in both):.0f}", "s", "longest registration"),
        ]
    )
    rows = [_row(person.name, registration) for person in people for registration in person.registrations]
    header = ("Person", "Views", "Start mTRE", "mTRE", "In plane", "Similarity", "Verdict", "Time")
    overview = section(
        "Registrations",
        paragraph(
            f"Each start is wrong by {START_DEG:g} degrees about a random axis and {START_MM:g} mm in a random "
            f"direction. mTRE is the mean distance, over the surface of the {BONE_NAME}, between found and true "
            f"position. In plane leaves out the part along the first view's beam, which one view hardly shows. Bone "
            f"and surroundings are drawn from the very CT that the radiographs were computed from, posed alike: real "
            f"radiographs are harder."
        ),
        table(rows, header, numeric=(2, 3, 4, 5, 7)),
    )
    sections = [numbers, overview]
    for person in people:
        sections += _person_sections(person)
    return page(
        "XRayTo3D demonstration: from radiographs to a judged bone",
        sections,
        synthetic=True,
        lead="Synthetic wrists, simulated radiographs with soft tissue, scatter and noise.",
        footer=f"XRayTo3D {__version__}",
    )


def _row(name: str, registration: DemoRegistration) -> tuple[str, ...]:
    result = registration.result
    return (
        name,
        " + ".join(registration.views),
        f"{registration.start_mm:.1f} mm",
        f"{registration.mtre_mm:.2f} mm",
        f"{registration.in_plane_mm:.2f} mm",
        f"{result.mean_similarity:.2f}",
        result.verdict.value,
        f"{result.seconds:.1f} s",
    )


def _person_sections(person: DemoPerson) -> list[str]:
    registration = person.registrations[0]
    pictures = [
        figure(path.read_bytes(), f"{person.name}, {key.removeprefix('overlay_')} view: start and result (synthetic)")
        for key, path in registration.files.items()
        if key.startswith("overlay_")
    ]
    picture = person.files["picture"].read_bytes()
    return [
        section(f"{person.name}: registration with two views", paragraph(registration.result.reason), *pictures),
        *comparison_sections(person.comparison, picture),
    ]
