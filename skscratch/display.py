"""Displays: plots of the loss curves and of the weights of the first layer.

They follow scikit-learn's conventions. A class method plots fitted estimators and returns a display. The
display holds the data, and its method ``plot`` draws it again. The matplotlib objects are attributes that end
in an underscore. matplotlib is imported only when something is plotted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

STYLES = {"training": "-", "validation": "--", "score": "-.", "learning rate": ":"}
COLORS = {"training": "C0", "validation": "C1", "score": "C2", "learning rate": "C7"}
SELECTED = "alpha selected"
LOSS_LABELS = {"training": "training: log loss", "validation": "validation: log loss"}


@dataclass(frozen=True)
class TrainingCurves:
    """The recorded values of one fit, epoch by epoch.

    Parameters
    ----------
    training : ndarray of shape (n_epochs,)
        ``loss_curve_``, the objective on the training set.
    penalized : bool
        Whether ``training`` includes an L2 penalty.
    validation : ndarray or None
        ``validation_loss_curve_``, the log loss on the validation set, without penalty.
    score : ndarray or None
        ``validation_scores_``, unless they are the negative validation loss.
    score_name : str
        The name of the score.
    learning_rate : ndarray or None
        ``learning_rate_curve_``.
    best_epoch : int or None
        ``best_iter_``, the epoch with the best validation score, counted from 1.
    alpha_epoch : int or None
        ``alpha_iter_``, the epoch after which alpha was selected, counted from 1.
    """

    training: NDArray
    penalized: bool = True
    validation: NDArray | None = None
    score: NDArray | None = None
    score_name: str = "score"
    learning_rate: NDArray | None = None
    best_epoch: int | None = None
    alpha_epoch: int | None = None

    @classmethod
    def of(cls, estimator: Any) -> Self:
        """Return the curves of a fitted classifier, or of the one inside a pipeline or search."""
        clf = _classifier_in(estimator)
        training = _curve(clf, "loss_curve_")
        if training is None:
            raise ValueError(
                f"{type(clf).__name__} has no loss_curve_ with at least one epoch: there is nothing to draw."
            )
        scoring = getattr(clf, "scoring", "accuracy")
        score = None if isinstance(scoring, str) and scoring == "loss" else _curve(clf, "validation_scores_")
        return cls(
            training,
            penalized=getattr(clf, "alpha", 0) != 0,
            validation=_curve(clf, "validation_loss_curve_"),
            score=score,
            score_name=scoring if isinstance(scoring, str) else getattr(scoring, "__name__", "score"),
            learning_rate=_curve(clf, "learning_rate_curve_"),
            best_epoch=getattr(clf, "best_iter_", None),
            alpha_epoch=getattr(clf, "alpha_iter_", None),
        )

    def items(self, *, learning_rate: bool) -> list[tuple[str, NDArray]]:
        """Return the curves that exist, each with the name of its quantity."""
        curves = [("training", self.training), ("validation", self.validation), ("score", self.score)]
        if learning_rate:
            curves.append(("learning rate", self.learning_rate))
        return [(quantity, curve) for quantity, curve in curves if curve is not None]

    def epochs(self, curve: NDArray) -> NDArray:
        """Return the epoch numbers of a curve, counted from 1; a curve may end before training does."""
        return np.arange(len(curve)) + 1

    def best_point(self) -> tuple[str, float] | None:
        """Return the name of the curve that determined the best epoch, and its value there."""
        quantity = "validation" if self.score is None else "score"
        curve = self.validation if self.score is None else self.score
        if curve is None or self.best_epoch is None:
            return None
        value = curve[self.epochs(curve) == self.best_epoch]
        return (quantity, float(value[0])) if value.size else None


class LossCurveDisplay:
    """Loss curves of one or several fitted classifiers.

    It is recommended to use :meth:`from_estimator` or :meth:`from_estimators` to create a display. All
    parameters are stored as attributes.

    The training loss and the validation loss, if there is one, share one panel. A validation score other than
    the loss has a panel of its own below it, and so does the learning rate if it is requested. In axes that
    are given, they have axes on the right instead. A dot marks the best epoch. A thin vertical line marks
    where ``alpha="auto"`` was selected.

    Parameters
    ----------
    curves : dict of {str: TrainingCurves}
        The curves by the names in the legend.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the losses.
    score_ax_ : matplotlib Axes or None
        Axes of the validation scores.
    learning_rate_ax_ : matplotlib Axes or None
        Axes of the learning rates.
    figure_ : matplotlib Figure
        Figure of these axes.
    lines_ : dict of {str: dict of {str: matplotlib Line2D}}
        The lines by classifier name and by quantity: "training", "validation", "score", "learning rate",
        "best epoch" and "alpha selected", if they exist.
    legend_ : matplotlib Legend
        The legend.

    See Also
    --------
    FirstLayerDisplay : The weights of the first layer as images.

    Notes
    -----
    Training and validation loss differ in three ways that have nothing to do with overfitting. First, only
    the training loss includes the L2 penalty, as the labels say. Second, an epoch's training loss is the mean
    over its batches, each before its own step. The validation loss is measured after the last step, half an
    epoch later on average. Third, dropout and label smoothing affect the training loss only. A validation
    loss below the training loss is therefore not an error.

    With ``alpha="auto"``, the training loss jumps after two thirds of the epochs: alpha is selected there, so
    the penalty changes. The validation loss holds no penalty and does not jump.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skscratch import LossCurveDisplay, ScratchMLPClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> clf = ScratchMLPClassifier(8, early_stopping=True, random_state=0).fit(X / 16, y)
    >>> display = LossCurveDisplay.from_estimator(clf)
    >>> display.ax_.get_ylabel()
    'loss'
    >>> sorted(display.lines_["ScratchMLPClassifier"])
    ['alpha selected', 'best epoch', 'training', 'validation']

    The curves of a long fit are easier to read on a logarithmic scale:

    >>> display.ax_.set_yscale("log")
    """

    ax_: Any
    score_ax_: Any
    learning_rate_ax_: Any
    figure_: Any
    lines_: dict[str, dict[str, Any]]
    legend_: Any

    def __init__(self, *, curves: Mapping[str, TrainingCurves]) -> None:
        self.curves = curves

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        name: str | None = None,
        ax: Any = None,
        learning_rate: bool = False,
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the curves of a fitted classifier.

        Parameters
        ----------
        estimator : estimator
            A fitted ScratchMLPClassifier, a pipeline that ends in one, or a search whose best estimator is
            either. Other classifiers with a ``loss_curve_``, such as scikit-learn's MLPClassifier, work too.
        name : str, default=None
            Key of the curves in ``lines_``; None takes the name of the classifier's class.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure, with one panel for each kind of curve.
        learning_rate : bool, default=False
            Whether to draw the learning rate as well.
        line_kw : dict, default=None
            Passed to matplotlib's ``plot`` for every curve.

        Returns
        -------
        display : LossCurveDisplay

        Examples
        --------
        .. plot::

            >>> from sklearn.datasets import load_digits
            >>> from skscratch import LossCurveDisplay, ScratchMLPClassifier
            >>> X, y = load_digits(return_X_y=True)
            >>> clf = ScratchMLPClassifier(32, learning_rate="cosine", max_iter=30, random_state=0)
            >>> clf.set_params(early_stopping=True, scoring="accuracy").fit(X / 16, y)
            ScratchMLPClassifier(...)
            >>> LossCurveDisplay.from_estimator(clf, learning_rate=True)
            <...>
        """
        name = type(_classifier_in(estimator)).__name__ if name is None else name
        return cls.from_estimators({name: estimator}, ax=ax, learning_rate=learning_rate, line_kw=line_kw)

    @classmethod
    def from_estimators(
        cls,
        estimators: Mapping[str, Any],
        *,
        ax: Any = None,
        learning_rate: bool = False,
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the curves of several fitted classifiers together.

        Each classifier has its own colour, and each quantity its own line style.

        Parameters
        ----------
        estimators : dict of {str: estimator}
            The classifiers by the names in the legend; each can be anything that :meth:`from_estimator`
            accepts.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure, with one panel for each kind of curve.
        learning_rate : bool, default=False
            Whether to draw the learning rates as well.
        line_kw : dict, default=None
            Passed to matplotlib's ``plot`` for every curve.

        Returns
        -------
        display : LossCurveDisplay

        Examples
        --------
        .. plot::

            >>> from sklearn.datasets import load_digits
            >>> from skscratch import LossCurveDisplay, ScratchMLPClassifier
            >>> X, y = load_digits(return_X_y=True)
            >>> trained = {}
            >>> for n in (8, 32):
            ...     clf = ScratchMLPClassifier(n, early_stopping=True, max_iter=40, random_state=0)
            ...     trained[f"{n} units"] = clf.fit(X / 16, y)
            >>> LossCurveDisplay.from_estimators(trained)
            <...>
        """
        display = cls(curves={name: TrainingCurves.of(clf) for name, clf in estimators.items()})
        return display.plot(ax, learning_rate=learning_rate, line_kw=line_kw)

    def plot(
        self, ax: Any = None, *, learning_rate: bool = False, line_kw: dict[str, Any] | None = None
    ) -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure, with one panel for each kind of curve.
        learning_rate : bool, default=False
            Whether to draw the learning rates as well.
        line_kw : dict, default=None
            Passed to matplotlib's ``plot`` for every curve.

        Returns
        -------
        display : LossCurveDisplay
            This object, with what was drawn in its attributes.
        """
        if not self.curves:
            raise ValueError("There are no curves to draw.")
        if learning_rate and all(curves.learning_rate is None for curves in self.curves.values()):
            raise ValueError(
                "learning_rate=True, but no learning rate was recorded (solver='lbfgs' has none)."
            )
        new_figure = ax is None
        y_labels = self._y_labels(learning_rate)
        panels = self._stacked(y_labels) if new_figure else self._on_the_right_of(ax, y_labels)
        self.ax_, self.figure_, self.lines_ = panels["loss"], panels["loss"].figure, {}
        self.score_ax_, self.learning_rate_ax_ = panels.get("score"), panels.get("learning rate")
        axes = {"training": self.ax_, "validation": self.ax_} | panels
        for i, (name, curves) in enumerate(self.curves.items()):
            self.lines_[name] = lines = {}
            for quantity, curve in curves.items(learning_rate=learning_rate):
                style = {"color": self._color(i, quantity), "linestyle": STYLES[quantity]} | (line_kw or {})
                lines[quantity] = _line(axes[quantity], curves.epochs(curve), curve, style)
            self._mark_epochs(curves, axes, lines)
        last = list(panels.values())[-1]
        (last if new_figure else self.ax_).set_xlabel("epoch")
        _prefer_whole_numbers(self.ax_.xaxis)
        self._add_legend(topmost=last, room_below=new_figure)
        return self

    def _mark_epochs(self, curves: TrainingCurves, axes: dict[str, Any], lines: dict[str, Any]) -> None:
        """Mark the selection of alpha and the best epoch, where there are any, and add the marks to lines."""
        if curves.alpha_epoch:
            # Between the last epoch with the old alpha and the first one with the new.
            lines[SELECTED] = self.ax_.axvline(curves.alpha_epoch + 0.5, color="0.6", linewidth=0.8, zorder=0)
        if best := curves.best_point():
            quantity, value = best
            color = lines[quantity].get_color()
            (dot,) = axes[quantity].plot(curves.best_epoch, value, marker="o", linestyle="none", color=color)
            lines["best epoch"] = dot

    def _y_labels(self, learning_rate: bool) -> dict[str, str]:
        """Return the label of each vertical axis that the curves need."""
        labels = {"loss": "loss"}
        score_names = {c.score_name for c in self.curves.values() if c.score is not None}
        if score_names:
            labels["score"] = f"validation {'score' if len(score_names) > 1 else min(score_names)}"
        if learning_rate:
            labels["learning rate"] = "learning rate"
        return labels

    def _stacked(self, y_labels: dict[str, str]) -> dict[str, Any]:
        """Return the panels of a new figure, one below the other, with a common horizontal axis."""
        n_small = len(y_labels) - 1
        axes = _new_axes(
            type(self),
            nrows=n_small + 1,
            sharex=True,
            squeeze=False,
            layout="constrained",
            figsize=(6.4, 4.8 + 1.4 * n_small),
            height_ratios=[3] + [1.5] * n_small,
        )[:, 0]
        for ax, label in zip(axes, y_labels.values(), strict=True):
            ax.set_ylabel(label)
        # What pyplot adds next, such as a title, belongs to the losses.
        axes[0].figure.sca(axes[0])
        return dict(zip(y_labels, axes, strict=True))

    def _on_the_right_of(self, ax: Any, y_labels: dict[str, str]) -> dict[str, Any]:
        """Return given axes for the losses, and new ones on their right, each further out."""
        axes = {"loss": ax}
        for name in list(y_labels)[1:]:
            axes[name] = ax.twinx()
            axes[name].spines["right"].set_position(("outward", 55 * (len(axes) - 2)))
        for name, label in y_labels.items():
            axes[name].set_ylabel(label)
        return axes

    def _color(self, i: int, quantity: str) -> str:
        """Return the colour of a quantity or, with several classifiers, that of the i-th classifier."""
        return COLORS[quantity] if len(self.curves) == 1 else f"C{i}"

    def _label(self, quantity: str) -> str:
        """Return the legend label of a quantity, the same for all classifiers."""
        if quantity == "training" and any(curves.penalized for curves in self.curves.values()):
            return f"{LOSS_LABELS[quantity]} + L2 penalty"
        if quantity == "score":
            return str(self.score_ax_.get_ylabel())
        if quantity == "best epoch" and len(self.curves) == 1:
            return f"best epoch: {next(iter(self.curves.values())).best_epoch}"
        return LOSS_LABELS.get(quantity, quantity)

    def _add_legend(self, topmost: Any, room_below: bool) -> None:
        """Add a legend with one entry per quantity and, if there are several, per classifier.

        The legend of several panels is below them. If several axes share one place, lines fill it, and the
        legend is on the axes that are drawn last, so that no line crosses it.
        """
        from matplotlib.lines import Line2D

        handles: dict[str, Any] = {}
        several = len(self.lines_) > 1
        if several:
            for name, lines in self.lines_.items():
                handles[name] = Line2D([], [], color=lines["training"].get_color(), linewidth=4)
        for lines in self.lines_.values():
            for quantity, line in lines.items():
                if self._label(quantity) not in handles:
                    handle = Line2D([], [])
                    handle.update_from(line)
                    handle.set_color("0.3" if several else line.get_color())
                    handles[self._label(quantity)] = handle
        parts = handles.values(), handles.keys()
        if topmost is self.ax_:
            self.legend_ = topmost.legend(*parts, loc="best")
        elif room_below:
            self.legend_ = self.figure_.legend(*parts, loc="outside lower center", ncols=2)
        else:
            # Losses fall and scores rise.
            self.legend_ = topmost.legend(*parts, loc="center right")


class FirstLayerDisplay:
    """The weights of the first layer as images, one for each unit.

    If the features are pixels, the incoming weights of each unit in the first hidden layer form an image: red
    where a bright pixel excites the unit, blue where it inhibits the unit. It is recommended to use
    :meth:`from_estimator` to create a display. All parameters are stored as attributes.

    Parameters
    ----------
    images : array-like of shape (n_units, height, width)
        One image for each unit.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the images, arranged in rows.
    figure_ : matplotlib Figure
        Figure of the axes.
    im_ : matplotlib AxesImage
        All images, arranged in one array.
    colorbar_ : matplotlib Colorbar or None
        The colour bar, if it was requested.

    See Also
    --------
    LossCurveDisplay : Loss curves of one or several fitted classifiers.

    Notes
    -----
    All units share one colour scale, symmetric about zero, so colours can be compared. The weights of a pixel
    that is always zero get no gradient: they stay at their random initial values, except that the L2 penalty
    slowly shrinks them. This is the noise at the border of handwritten digits. A blank image is a dead unit:
    its output is always zero, so only the penalty changes its weights.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skscratch import FirstLayerDisplay, ScratchMLPClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> clf = ScratchMLPClassifier(16, random_state=0, early_stopping=True).fit(X / 16, y)
    >>> display = FirstLayerDisplay.from_estimator(clf, image_shape=(8, 8))
    >>> display.images.shape
    (16, 8, 8)
    """

    ax_: Any
    figure_: Any
    im_: Any
    colorbar_: Any

    def __init__(self, *, images: ArrayLike) -> None:
        self.images = images

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        image_shape: tuple[int, int],
        units: Sequence[int] | None = None,
        ax: Any = None,
        n_columns: int | None = None,
        colorbar: bool = True,
        im_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the weights of a fitted classifier's first layer.

        Parameters
        ----------
        estimator : estimator
            A fitted ScratchMLPClassifier, a pipeline that ends in one, or a search whose best estimator is
            either. Any other classifier with ``coefs_`` works too.
        image_shape : tuple of (height, width)
            Shape of an image; height times width must be the number of features.
        units : sequence of int, default=None
            Which units to draw, in this order; None draws all of them.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        n_columns : int, default=None
            Number of images in a row; None makes the whole about as wide as it is high.
        colorbar : bool, default=True
            Whether to draw a colour bar.
        im_kw : dict, default=None
            Passed to matplotlib's ``imshow``.

        Returns
        -------
        display : FirstLayerDisplay

        Examples
        --------
        .. plot::

            >>> from sklearn.datasets import load_digits
            >>> from skscratch import FirstLayerDisplay, ScratchMLPClassifier
            >>> X, y = load_digits(return_X_y=True)
            >>> clf = ScratchMLPClassifier(16, random_state=0, early_stopping=True).fit(X / 16, y)
            >>> FirstLayerDisplay.from_estimator(clf, image_shape=(8, 8))
            <...>
        """
        clf = _classifier_in(estimator)
        W = clf.coefs_[0]
        if np.shape(image_shape) != (2,) or int(np.prod(image_shape)) != W.shape[0]:
            raise ValueError(
                f"image_shape={tuple(image_shape)} must be a height and a width whose product is the number "
                f"of features that the classifier was fitted on, which is {W.shape[0]}."
            )
        columns = W.T if units is None else W.T[list(units)]
        display = cls(images=columns.reshape(-1, *image_shape))
        return display.plot(ax, n_columns=n_columns, colorbar=colorbar, im_kw=im_kw)

    def plot(
        self,
        ax: Any = None,
        *,
        n_columns: int | None = None,
        colorbar: bool = True,
        im_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the images.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        n_columns : int, default=None
            Number of images in a row; None makes the whole about as wide as it is high.
        colorbar : bool, default=True
            Whether to draw a colour bar.
        im_kw : dict, default=None
            Passed to matplotlib's ``imshow``.

        Returns
        -------
        display : FirstLayerDisplay
            This object, with what was drawn in its attributes.
        """
        images = np.asarray(self.images)
        if images.ndim != 3 or not len(images):
            raise ValueError(f"images must have the shape (n_units, height, width), got {images.shape}.")
        canvas = _side_by_side(images, n_columns)
        if ax is None:
            height, width = canvas.shape
            # The images take 5.5 of the 6.4 inches of width; the colour bar takes the rest.
            ax = _new_axes(type(self), layout="constrained", figsize=(6.4, 5.5 * height / width))
        largest = float(np.abs(images).max())
        style = {"cmap": "RdBu_r", "vmin": -largest, "vmax": largest, "interpolation": "nearest"}
        self.ax_, self.figure_ = ax, ax.figure
        self.im_ = ax.imshow(canvas, **(style | (im_kw or {})))
        # The gaps between the images show the colour of the face.
        ax.set(xticks=[], yticks=[], facecolor="0.8")
        ax.spines[:].set_visible(False)
        self.colorbar_ = None
        if colorbar:
            self.colorbar_ = ax.figure.colorbar(self.im_, ax=ax, label="weight", shrink=0.8)
        return self


def _side_by_side(images: NDArray, n_columns: int | None) -> NDArray:
    """Arrange all images in rows of one array, separated by gaps of NaN."""
    n, height, width = images.shape
    gap = max(1, round(min(height, width) / 12))
    n_columns = ceil(sqrt(n * height / width)) if n_columns is None else n_columns
    n_columns = min(n_columns, n)
    n_rows = ceil(n / n_columns)
    canvas = np.full((n_rows, height + gap, n_columns, width + gap), np.nan)
    for i, image in enumerate(images):
        row, column = divmod(i, n_columns)
        canvas[row, :height, column, :width] = image
    return canvas.reshape(n_rows * (height + gap), n_columns * (width + gap))[:-gap, :-gap]


def _classifier_in(estimator: Any) -> Any:
    """Return the classifier, which may be inside a search or a pipeline."""
    check_is_fitted(estimator)
    if hasattr(estimator, "best_estimator_"):
        return _classifier_in(estimator.best_estimator_)
    if hasattr(estimator, "steps"):
        return _classifier_in(estimator.steps[-1][1])
    return estimator


def _curve(clf: Any, name: str) -> NDArray | None:
    """Return a curve with NaN for missing values, or None if there is no curve or it has no values."""
    curve = np.asarray(getattr(clf, name, None) or [], dtype=float)
    return None if np.isnan(curve).all() else curve


def _line(ax: Any, epochs: NDArray, curve: NDArray, style: dict[str, Any]) -> Any:
    """Draw a curve in this style, and return its line."""
    # A line through a single point is invisible.
    marker = {"marker": "."} if len(curve) == 1 else {}
    (line,) = ax.plot(epochs, curve, **(marker | style))
    return line


def _prefer_whole_numbers(axis: Any) -> None:
    """Let an axis have whole numbers only, unless its ticks were chosen in another way."""
    from matplotlib.ticker import MaxNLocator

    if isinstance(locator := axis.get_major_locator(), MaxNLocator):
        locator.set_params(integer=True)


def _new_axes(display: type, **options: Any) -> Any:
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(f"{display.__name__} draws with matplotlib: pip install matplotlib") from error
    return plt.subplots(**options)[1]
