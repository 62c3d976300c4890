"""The diagram that notebooks show: the link to the API page, parameters and fitted attributes."""

import html
import re

import pytest
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_html_repr

from skscratch import ScratchMLPClassifier

API_PAGE = "https://skscratch.readthedocs.io/en/stable/generated/skscratch.ScratchMLPClassifier.html"
X, Y = load_iris(return_X_y=True, as_frame=True)

in_a_pipeline_too = pytest.mark.parametrize("pipeline", [False, True], ids=["alone", "in a pipeline"])


def shown(pipeline=False, fitted=True, kind=ScratchMLPClassifier):
    """Return a classifier and the diagram of it, or of the pipeline that it is in."""
    clf = kind(hidden_layer_sizes=(8,), max_iter=5, random_state=0)
    whole = make_pipeline(StandardScaler(), clf) if pipeline else clf
    return clf, estimator_html_repr(whole.fit(X, Y) if fitted else whole)


def doc_links(diagram):
    """Return address and label of every link to an estimator's documentation."""
    return re.findall(r'<a class="sk-estimator-doc-link[^>]* href="([^"]*)">\?<span>([^<]*)</span>', diagram)


def text(piece):
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", piece)).split())


def table(diagram, caption):
    """Return the last table with this caption, as {name: the row's HTML}; it is the classifier's."""
    body = diagram.rpartition(f"<summary>{caption}</summary>")[2].partition("</table>")[0]
    rows = re.findall(r'<tr class="(?:default|user-set)">.*?</tr>', body, re.DOTALL)
    # A tooltip may follow the name in its cell.
    return {text(re.search(r'<td class="param">.*?</td>', row, re.DOTALL)[0]).split()[0]: row for row in rows}


def cells(row):
    return [text(cell) for cell in re.findall(r"<td.*?</td>", row, re.DOTALL)]


@in_a_pipeline_too
@pytest.mark.parametrize("fitted", [False, True], ids=["unfitted", "fitted"])
def test_the_diagram_links_to_the_api_page(pipeline, fitted):
    ours = [link for link in doc_links(shown(pipeline, fitted)[1]) if "scikit-learn.org" not in link[0]]
    assert ours == [(API_PAGE, "Documentation for ScratchMLPClassifier")]


def test_a_subclass_of_ones_own_has_no_page_here():
    class Mine(ScratchMLPClassifier):
        pass

    assert doc_links(shown(kind=Mine)[1]) == []


@pytest.mark.skipif(
    not hasattr(ScratchMLPClassifier, "_get_params_html"),
    reason="this version of scikit-learn shows no table of parameters",
)
@in_a_pipeline_too
@pytest.mark.parametrize("fitted", [False, True], ids=["unfitted", "fitted"])
def test_the_diagram_shows_the_parameters(pipeline, fitted):
    clf, diagram = shown(pipeline, fitted)
    parameters = table(diagram, "Parameters")
    assert parameters.keys() == clf.get_params().keys()
    assert cells(parameters["max_iter"])[-1] == "5"
    assert cells(parameters["alpha"])[-1] == "'auto'"
    set_by_user = {name for name, row in parameters.items() if 'class="user-set"' in row}
    assert set_by_user == {"hidden_layer_sizes", "max_iter", "random_state"}


@pytest.mark.skipif(
    not hasattr(ScratchMLPClassifier, "_get_fitted_attr_html"),
    reason="this version of scikit-learn shows no fitted attributes",
)
@in_a_pipeline_too
def test_the_diagram_shows_what_was_fitted(pipeline):
    clf, diagram = shown(pipeline)
    attributes = table(diagram, "Fitted attributes")
    assert {
        name: cells(attributes[name])[1:] for name in ("classes_", "loss_", "n_iter_", "out_activation_")
    } == {
        "classes_": [f"ndarray[{clf.classes_.dtype}](3,)", "[0,1,2]"],
        "loss_": ["float", f"{clf.loss_:.4g}"],
        "n_iter_": ["int", "5"],
        "out_activation_": ["str", "'softmax'"],
    }
    # Arrays of different shapes, so a list: the diagram shows how each of the two begins and ends.
    for name in ("coefs_", "intercepts_"):
        _, kind, value = cells(attributes[name])
        assert kind == "list"
        assert value.count("array(") == 2
    # Each of them has its explanation, and a link to it.
    for name, row in attributes.items():
        assert f'href="{API_PAGE}#:~:text={name},-' in row
        assert cells(row)[0].startswith(f"{name} {name}: ")


def test_an_unfitted_estimator_shows_no_fitted_attributes():
    assert "<summary>Fitted attributes</summary>" not in shown(fitted=False)[1]
