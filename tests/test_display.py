"""The displays: what is drawn, on which axes, under which names, and by scikit-learn's conventions."""

import subprocess
import sys

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.metrics import make_scorer, matthews_corrcoef
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skscratch import FirstLayerDisplay, LossCurveDisplay, ScratchMLPClassifier, TrainingCurves

X, y = load_iris(return_X_y=True)


@pytest.fixture(autouse=True)
def _draw_nowhere_and_close():
    with mpl.rc_context({"backend": "agg"}):
        yield
    plt.close("all")


def train(max_iter=6, **parameters):
    """Return a classifier trained for just so many epochs."""
    parameters = {"learning_rate": "constant", "n_iter_no_change": np.inf, "random_state": 0, **parameters}
    return ScratchMLPClassifier(4, max_iter=max_iter, **parameters).fit(X, y)


def labels(display):
    return [text.get_text() for text in display.legend_.get_texts()]


def test_training_loss_alone():
    clf = train()
    display = LossCurveDisplay.from_estimator(clf)
    (line,) = display.ax_.lines
    np.testing.assert_array_equal(line.get_xdata(), np.arange(1, 7))
    np.testing.assert_array_equal(line.get_ydata(), clf.loss_curve_)
    assert display.lines_ == {"ScratchMLPClassifier": {"training": line}}
    assert display.figure_ is display.ax_.figure
    assert display.score_ax_ is display.learning_rate_ax_ is None
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("epoch", "loss")


def test_a_validation_set_that_is_only_recorded_is_drawn_too():
    clf = ScratchMLPClassifier(4, max_iter=6, random_state=0).fit(X, y, X_val=X, y_val=y)
    display = LossCurveDisplay.from_estimator(clf)
    lines = display.lines_["ScratchMLPClassifier"]
    np.testing.assert_array_equal(lines["validation"].get_ydata(), clf.validation_loss_curve_)
    assert lines["best epoch"].get_xdata() == clf.best_iter_


@pytest.mark.parametrize(
    ("params", "epoch"),
    [
        ({"max_iter": 30}, 20),
        ({"max_iter": 16, "early_stopping": True}, 8),
        ({"max_iter": 11}, None),
        ({"max_iter": 30, "alpha": 0.01}, None),
        ({"max_iter": 30, "learning_rate": "constant", "n_iter_no_change": np.inf}, None),
    ],
    ids=str,
)
def test_the_epoch_at_which_alpha_was_selected_is_marked(params, epoch):
    clf = ScratchMLPClassifier(4, random_state=0, **params).fit(X, y)
    assert clf.alpha_iter_ == epoch
    display = LossCurveDisplay.from_estimator(clf)
    lines = display.lines_["ScratchMLPClassifier"]
    assert ("alpha selected" in lines) == ("alpha selected" in labels(display)) == (epoch is not None)
    if epoch:
        assert set(lines["alpha selected"].get_xdata()) == {epoch + 0.5}


def test_the_training_loss_jumps_where_alpha_was_selected():
    clf = ScratchMLPClassifier(4, random_state=0, max_iter=30).fit(X, y)
    steps = np.abs(np.diff(clf.loss_curve_))
    assert clf.alpha_iter_ - 1 == 15 + steps[15:].argmax()


def test_a_warm_start_marks_its_own_selection():
    clf = ScratchMLPClassifier(4, random_state=0, max_iter=12, warm_start=True).fit(X, y)
    assert clf.alpha_iter_ == 8
    assert clf.fit(X, y).alpha_iter_ == 20
    assert clf.set_params(max_iter=5).fit(X, y).alpha_iter_ is None


def test_the_penalty_is_named_where_there_is_one():
    assert labels(LossCurveDisplay.from_estimator(train())) == ["training: log loss + L2 penalty"]
    assert labels(LossCurveDisplay.from_estimator(train(alpha=0))) == ["training: log loss"]


def test_validation_loss_and_best_epoch():
    clf = train(early_stopping=True, max_iter=30, learning_rate_init=0.5)
    display = LossCurveDisplay.from_estimator(clf)
    lines = display.lines_["ScratchMLPClassifier"]
    np.testing.assert_array_equal(lines["validation"].get_ydata(), clf.validation_loss_curve_)
    assert lines["best epoch"].get_xdata() == [clf.best_iter_]
    assert lines["best epoch"].get_ydata() == [min(clf.validation_loss_curve_)]
    assert lines["best epoch"].get_color() == lines["validation"].get_color()
    assert display.score_ax_ is None
    assert labels(display) == [
        "training: log loss + L2 penalty",
        "validation: log loss",
        f"best epoch: {clf.best_iter_}",
    ]


@pytest.mark.parametrize(
    ("scoring", "name"),
    [("accuracy", "accuracy"), (make_scorer(matthews_corrcoef), "score")],
    ids=["name", "scorer"],
)
def test_a_score_has_an_axis_of_its_own_and_the_best_epoch_stands_on_it(scoring, name):
    clf = train(early_stopping=True, scoring=scoring)
    display = LossCurveDisplay.from_estimator(clf)
    lines = display.lines_["ScratchMLPClassifier"]
    assert lines["score"] in display.score_ax_.lines
    assert lines["best epoch"] in display.score_ax_.lines
    assert lines["best epoch"].get_ydata() == [clf.best_validation_score_]
    assert display.score_ax_.get_ylabel() == f"validation {name}"
    assert f"validation {name}" in labels(display)
    assert list(lines["validation"].get_ydata()) == clf.validation_loss_curve_


def test_a_scoring_function_gives_the_axis_its_name():
    def kappa(clf, X, y):
        return 0.0

    display = LossCurveDisplay.from_estimator(train(early_stopping=True, scoring=kappa))
    assert display.score_ax_.get_ylabel() == "validation kappa"


def test_learning_rate_on_request():
    clf = train(learning_rate="cosine")
    assert "learning rate" not in LossCurveDisplay.from_estimator(clf).lines_["ScratchMLPClassifier"]
    display = LossCurveDisplay.from_estimator(clf, learning_rate=True)
    line = display.lines_["ScratchMLPClassifier"]["learning rate"]
    assert line in display.learning_rate_ax_.lines
    np.testing.assert_array_equal(line.get_ydata(), clf.learning_rate_curve_)


def test_a_new_figure_has_one_panel_for_each_kind_of_curve():
    clf = train(early_stopping=True, scoring="accuracy")
    display = LossCurveDisplay.from_estimator(clf, learning_rate=True)
    panels = [display.ax_, display.score_ax_, display.learning_rate_ax_]
    assert display.figure_.axes == panels
    assert [ax.get_ylabel() for ax in panels] == ["loss", "validation accuracy", "learning rate"]
    assert [ax.get_xlabel() for ax in panels] == ["", "", "epoch"]
    display.figure_.draw_without_rendering()
    boxes = [ax.get_window_extent() for ax in panels]
    assert boxes[0].y0 > boxes[1].y1 > boxes[1].y0 > boxes[2].y1
    assert len({ax.get_xlim() for ax in panels}) == 1
    assert plt.gca() is display.ax_


def test_the_ticks_of_a_short_curve_are_whole_epochs():
    for ax in (None, plt.subplots()[1]):
        display = LossCurveDisplay.from_estimator(train(max_iter=3), ax=ax)
        np.testing.assert_array_equal(display.ax_.get_xticks() % 1, 0)


def test_given_axes_keep_their_own_ticks():
    display = LossCurveDisplay.from_estimator(train(max_iter=12))
    for prepare in (lambda ax: ax.set_xticks([1, 6, 12]), lambda ax: ax.set_xscale("log")):
        ax = plt.subplots()[1]
        prepare(ax)
        locator = ax.xaxis.get_major_locator()
        display.plot(ax)
        assert ax.xaxis.get_major_locator() is locator


def test_in_given_axes_rate_and_score_have_axes_on_the_right_that_stand_apart():
    clf = train(early_stopping=True, scoring="accuracy")
    figure, ax = plt.subplots()
    display = LossCurveDisplay.from_estimator(clf, learning_rate=True, ax=ax)
    assert display.ax_ is ax
    assert figure.axes == [ax, display.score_ax_, display.learning_rate_ax_]
    assert ax.get_xlabel() == "epoch"
    display.figure_.draw_without_rendering()
    left = [
        ax.spines["right"].get_window_extent().x1 for ax in (display.score_ax_, display.learning_rate_ax_)
    ]
    assert left[1] > left[0] + 40


def test_no_learning_rate_to_draw():
    clf = ScratchMLPClassifier(4, solver="lbfgs", max_iter=500, tol=1e-2, random_state=0).fit(X, y)
    LossCurveDisplay.from_estimator(clf)
    with pytest.raises(ValueError, match="no learning rate was recorded"):
        LossCurveDisplay.from_estimator(clf, learning_rate=True)


def test_several_estimators_are_told_apart_by_colour_and_quantities_by_style():
    display = LossCurveDisplay.from_estimators(
        {"short": train(2, early_stopping=True), "long": train(5, early_stopping=True), "plain": train()}
    )
    lines = display.lines_
    assert list(lines) == ["short", "long", "plain"]
    for ours in lines.values():
        assert len({line.get_color() for line in ours.values()}) == 1
    assert len({ours["training"].get_color() for ours in lines.values()}) == 3
    assert len({ours["training"].get_linestyle() for ours in lines.values()}) == 1
    assert lines["short"]["validation"].get_linestyle() != lines["short"]["training"].get_linestyle()
    assert labels(display) == [
        "short",
        "long",
        "plain",
        "training: log loss + L2 penalty",
        "validation: log loss",
        "best epoch",
    ]


def test_scores_with_different_names_share_an_axis():
    display = LossCurveDisplay.from_estimators(
        {name: train(2, early_stopping=True, scoring=name) for name in ("accuracy", "balanced_accuracy")}
    )
    assert display.score_ax_.get_ylabel() == "validation score"
    assert len(display.score_ax_.lines) == 4


def test_pipelines_searches_and_other_classifiers():
    pipeline = make_pipeline(StandardScaler(), train())
    search = GridSearchCV(pipeline, {"scratchmlpclassifier__alpha": [0.1]}, cv=2)
    theirs = MLPClassifier(4, max_iter=5, n_iter_no_change=10, early_stopping=True, tol=0)
    with pytest.warns(match="Maximum iterations"):
        theirs.fit(X, y)
    display = LossCurveDisplay.from_estimators(
        {"pipeline": pipeline.fit(X, y), "search": search.fit(X, y), "theirs": theirs}
    )
    assert list(display.lines_["theirs"]) == ["training", "score"]
    np.testing.assert_array_equal(
        display.lines_["search"]["training"].get_ydata(), search.best_estimator_[-1].loss_curve_
    )


def test_a_curve_that_is_shorter_than_the_training_begins_with_it():
    curves = TrainingCurves(np.arange(5.0), validation=np.array([3.0, 1.0]), best_epoch=2)
    line = LossCurveDisplay(curves={"a": curves}).plot().lines_["a"]
    assert list(line["validation"].get_xdata()) == [1, 2]
    assert line["best epoch"].get_ydata() == [1.0]


def test_a_best_epoch_outside_the_curve_is_not_marked():
    curves = TrainingCurves(np.arange(5.0), validation=np.array([3.0, 1.0]), best_epoch=5)
    assert "best epoch" not in LossCurveDisplay(curves={"a": curves}).plot().lines_["a"]


def test_epochs_without_validation_leave_a_gap():
    clf = train(3, early_stopping=True)
    clf.partial_fit(X, y)
    clf.validation_loss_curve_ = [0.5, None, 0.25, None]
    display = LossCurveDisplay.from_estimator(clf)
    line = display.lines_["ScratchMLPClassifier"]["validation"]
    np.testing.assert_array_equal(line.get_ydata(), [0.5, np.nan, 0.25, np.nan])
    clf.validation_loss_curve_ = [None] * 4
    assert "validation" not in LossCurveDisplay.from_estimator(clf).lines_["ScratchMLPClassifier"]


def test_a_single_epoch_shows_as_a_point():
    clf = ScratchMLPClassifier(4, random_state=0).partial_fit(X, y, classes=[0, 1, 2])
    (line,) = LossCurveDisplay.from_estimator(clf).ax_.lines
    assert line.get_marker() == "."


def test_axes_that_are_given_are_used_and_plot_can_be_repeated():
    figure, (left, right) = plt.subplots(1, 2)
    display = LossCurveDisplay.from_estimator(train(), ax=left, name="net", line_kw={"linewidth": 7})
    assert display.ax_ is left
    assert display.figure_ is figure
    assert display.lines_["net"]["training"].get_linewidth() == 7
    assert display.plot(right) is display
    assert display.ax_ is right


def test_users_may_override_any_style():
    display = LossCurveDisplay.from_estimator(
        train(), line_kw={"color": "red", "linestyle": ":", "label": "x"}
    )
    (line,) = display.ax_.lines
    assert (line.get_color(), line.get_linestyle(), line.get_label()) == ("red", ":", "x")


def test_epochs_are_whole_numbers_on_the_axis():
    display = LossCurveDisplay.from_estimator(train(3))
    assert all(tick == round(tick) for tick in display.ax_.get_xticks())


def test_nothing_to_draw():
    with pytest.raises(NotFittedError):
        LossCurveDisplay.from_estimator(ScratchMLPClassifier())
    with pytest.raises(ValueError, match="StandardScaler has no loss_curve_"):
        LossCurveDisplay.from_estimator(StandardScaler().fit(X))
    with pytest.raises(ValueError, match="no curves"):
        LossCurveDisplay(curves={}).plot()


@pytest.fixture(scope="module")
def reader():
    X, y = load_digits(return_X_y=True)
    clf = ScratchMLPClassifier(7, max_iter=2, n_iter_no_change=np.inf, random_state=0)
    return clf.fit(X, y)


def test_first_layer_images_are_the_units_weights(reader):
    display = FirstLayerDisplay.from_estimator(reader, image_shape=(8, 8))
    np.testing.assert_array_equal(display.images, [w.reshape(8, 8) for w in reader.coefs_[0].T])
    canvas = display.im_.get_array()
    # Seven images in rows of three, a line between them.
    assert canvas.shape == (3 * 9 - 1, 3 * 9 - 1)
    np.testing.assert_array_equal(canvas[:8, :8], display.images[0])
    np.testing.assert_array_equal(canvas[9:17, 18:26], display.images[5])
    assert np.ma.getmaskarray(np.ma.masked_invalid(canvas))[8].all()
    assert np.ma.getmaskarray(np.ma.masked_invalid(canvas))[18:, 9:].all()


def test_first_layer_scale_is_symmetric(reader):
    display = FirstLayerDisplay.from_estimator(reader, image_shape=(8, 8))
    largest = np.abs(reader.coefs_[0]).max()
    np.testing.assert_allclose(display.im_.get_clim(), (-largest, largest))
    assert display.colorbar_.mappable is display.im_


def test_first_layer_of_some_units_in_a_given_shape(reader):
    figure, ax = plt.subplots()
    display = FirstLayerDisplay.from_estimator(
        make_pipeline(StandardScaler(), reader),
        image_shape=(4, 16),
        units=[6, 0],
        ax=ax,
        n_columns=1,
        colorbar=False,
        im_kw={"cmap": "gray"},
    )
    assert (display.ax_, display.figure_, display.colorbar_) == (ax, figure, None)
    assert display.im_.get_array().shape == (9, 16)
    assert display.im_.get_cmap().name == "gray"
    np.testing.assert_array_equal(display.images[0].ravel(), reader.coefs_[0][:, 6])


def test_first_layer_that_does_not_fit(reader):
    with pytest.raises(ValueError, match=r"image_shape=\(28, 28\).* which is 64"):
        FirstLayerDisplay.from_estimator(reader, image_shape=(28, 28))
    with pytest.raises(ValueError, match=r"image_shape=\(64,\)"):
        FirstLayerDisplay.from_estimator(reader, image_shape=(64,))
    with pytest.raises(ValueError, match="got \\(2, 3\\)"):
        FirstLayerDisplay(images=np.zeros((2, 3))).plot()


def test_matplotlib_is_imported_only_to_draw():
    script = (
        "import sys, skscratch, skscratch.display; assert not any('matplotlib' in m for m in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_without_matplotlib_the_error_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match="LossCurveDisplay draws with matplotlib: pip install matplotlib"):
        LossCurveDisplay.from_estimator(train())
