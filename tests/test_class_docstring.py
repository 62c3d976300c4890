"""The docstring of the class: short, and true of its parameters and attributes."""

import inspect
import re

import pandas as pd
import pytest
from estimators import data

from skscratch import ScratchMLPClassifier


def entries(section):
    """Return the lines of each entry's description in a section of the docstring, by the entry's name."""
    text = inspect.cleandoc(ScratchMLPClassifier.__doc__)
    body = re.search(rf"^{section}\n-+\n(.*?)(?=^[^\n]+\n---+$)", text, re.MULTILINE | re.DOTALL)[1]
    found = {}
    for line in body.splitlines():
        if heading := re.match(r"(\w+) : ", line):
            found[heading[1]] = lines = []
        elif line.strip():
            lines.append(line.strip())
    return found


@pytest.mark.parametrize(("section", "most"), [("Parameters", 4), ("Attributes", 3)])
def test_no_description_is_long(section, most):
    for name, lines in entries(section).items():
        text = "\n".join(lines)
        if name == "learning_rate":
            text, *choices = text.split("\n- ")
            assert all(choice.count("\n") < 2 for choice in choices)
        assert 1 <= len(text.splitlines()) <= most, name


def test_every_parameter_is_described_in_the_order_of_the_signature():
    assert list(entries("Parameters")) == list(inspect.signature(ScratchMLPClassifier).parameters)


def test_the_attributes_are_those_that_fit_sets_and_the_class_declares():
    X, y = data()
    clf = ScratchMLPClassifier(3, max_iter=2).fit(pd.DataFrame(X, columns=list("abcd")), y)
    fitted = {name for name in vars(clf) if name.endswith("_") and not name.startswith("_")}
    declared = {name for name in inspect.get_annotations(ScratchMLPClassifier) if not name.startswith("_")}
    assert set(entries("Attributes")) == fitted == declared
