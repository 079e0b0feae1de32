"""The stand-in for slicer.packaging: asks as Slicer 5.12 does, and installs nothing."""

import pytest
from packaging.requirements import Requirement

ABSENT = "surely-no-such-package>=1.0"


@pytest.fixture
def pip(slicer_app, monkeypatch):
    from slicerhost import pip

    monkeypatch.setattr(pip, "pretended", [])
    return pip


def test_what_is_there_is_not_asked_for(pip, shown_messages):
    import slicer.packaging

    slicer.packaging.pip_ensure([Requirement("numpy>=1.0")], requester="Test")
    assert shown_messages.shown == [] and pip.pretended == []


def test_yes_notes_the_arguments_and_constraints(pip, shown_messages, tmp_path):
    import slicer.packaging

    constraints = tmp_path / "constraints.txt"
    constraints.write_text("numpy==2\n")
    shown_messages.answer = True
    slicer.packaging.pip_ensure(
        [Requirement("numpy>=1.0"), Requirement(ABSENT)], constraints=str(constraints), requester="Test"
    )
    assert pip.pretended == [[ABSENT, "--constraint", "numpy==2\n"]]
    assert ABSENT in shown_messages.shown[0][1]


def test_no_raises_as_slicer_does(pip, shown_messages):
    import slicer.packaging

    shown_messages.answer = False
    with pytest.raises(RuntimeError, match="declined"):
        slicer.packaging.pip_ensure([Requirement(ABSENT)])
    assert pip.pretended == []


def test_nothing_is_asked_under_testing_unless_pretended(slicer_app, shown_messages):
    import slicer.packaging

    slicer.packaging.pip_ensure([Requirement(ABSENT)])
    assert shown_messages.shown == []


def test_a_comment_behind_a_requirement_is_refused_as_in_slicer(pip, tmp_path):
    from packaging.requirements import InvalidRequirement

    good, bad = tmp_path / "good.txt", tmp_path / "bad.txt"
    good.write_text("# a comment\nnumpy>=1.0\n-c other.txt\n\n")
    bad.write_text("numpy>=1.0   # why\n")
    assert [str(each) for each in pip.load_requirements(good)] == ["numpy>=1.0"]
    with pytest.raises(InvalidRequirement):
        pip.load_requirements(bad)


def test_texts_are_no_requirements_as_in_slicer(pip):
    import slicer.packaging

    with pytest.raises(AttributeError, match="Requirement"):
        slicer.packaging.pip_ensure([ABSENT])
