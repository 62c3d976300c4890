"""ScratchMLPClassifier: scikit-learn's conventions around the network; the maths is in the other files."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from math import nan
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context
from sklearn.neural_network import MLPClassifier
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from .activations import ACTIVATIONS
from .blas_threads import threads_for
from .callbacks import (
    Callback,
    CallbackList,
    CallbackSupportMixin,
    FitTask,
    ProgressPrinter,
    with_callbacks,
)
from .communicator import SINGLE_PROCESS, Communicator
from .export import to_sklearn
from .fitted import FittedNetwork
from .fitting import Fit, FitResult
from .floating_point import own_errstate
from .hyperparameters import (
    CONSTRAINTS,
    Hyperparameters,
    UnavailableIf,
    activation_names,
    check_hidden_layer,
    check_parameters,
    check_solver_can_use,
    warn_without_effect,
    why_no_partial_fit,
)
from .input_data import compute_dtype, read_validation_set, read_X, read_X_y, warn_if_untransformed
from .losses import LOSSES
from .network import Layers, Network, check_finite, flat_parameters
from .prediction import predict_activations, predict_logits
from .rows import Rows, check_weights
from .scoring import ValidationScore
from .settings import LARGEST_AUTO_BATCH, hidden_sizes, rows_per_batch
from .stopping import Originals
from .targets import CheckedTarget, ClassEncoding, ClassWeight, Targets
from .training_state import TrainingState
from .transaction import Transaction
from .user_warnings import warn_user


class ScratchMLPClassifier(CallbackSupportMixin, ClassifierMixin, BaseEstimator):
    """Multi-layer perceptron classifier, trained by backpropagation written by hand in NumPy.

    It minimises the weighted mean of the cross-entropy plus ``alpha / 2`` times the sum of all squared
    weights, by minibatch SGD with momentum, by Adam or by L-BFGS. Parameters have the names of scikit-learn's
    `MLPClassifier`, and of `HistGradientBoostingClassifier` where only that has the feature. Their defaults
    often differ from those of `MLPClassifier`: see :doc:`/mlpclassifier`.

    Scale the features first, for instance with `StandardScaler`. On columns of very different sizes gradient
    descent is slow or diverges.

    Parameters
    ----------
    hidden_layer_sizes : int, sequence of int or "auto", default="auto"
        Number of units of each hidden layer. "auto" is one layer with 10 units for each output, at least 100
        and at most 256. An empty sequence gives (multinomial) logistic regression.
    activation : str or sequence of str, default="alrelu"
        Activation of the hidden layers, one name for all or one for each: "identity", "logistic", "tanh",
        "relu", "leaky_relu", "alrelu", "elu", "selu", "gelu", "silu" or "softplus". "alrelu" is z above zero
        and -z/2 below; see :doc:`/user_guide/hyperparameters`.
    solver : {"sgd", "adam", "lbfgs"}, default="sgd"
        Algorithm that minimises the objective. "lbfgs" needs all rows at once and suits small data; it has no
        `partial_fit`.
    alpha : float or "auto", default="auto"
        Strength of the L2 penalty on the weights: `MLPClassifier`'s alpha divided by its batch size. "auto"
        is 3 / N for N rows; with a schedule of fixed length it is selected anew, two thirds into training,
        from a leave-one-out estimate. See :doc:`/user_guide/regularization`.
    batch_size : int or "auto", default="auto"
        Rows in a minibatch. "auto" is n_samples / 64, at least 32 and at most 256.
    learning_rate : str or callable, default="one_cycle"
        Schedule of the learning rate, which changes from epoch to epoch. "one_cycle", "cosine" and a callable
        have a fixed length: training runs for ``max_iter`` epochs. See :doc:`/user_guide/hyperparameters`.

        - "one_cycle": up to ``learning_rate_init`` in the first 30 % of the epochs, then down to about zero.
        - "cosine": from ``learning_rate_init`` down to about zero.
        - "constant": always ``learning_rate_init``.
        - "invscaling": ``learning_rate_init / (t + 1) ** power_t`` after t epochs.
        - "adaptive": divided by 5 whenever patience runs out; training ends below 1e-6.
        - callable: takes the fraction of the epochs that is done, from 0 to 1, and returns the factor for
          ``learning_rate_init``.
    learning_rate_init : float or "auto", default="auto"
        Initial learning rate; the highest one for "one_cycle". "auto" is 0.2 for SGD and 0.01 for Adam with a
        schedule of fixed length, else 0.05 and 0.001.
    power_t : float, default=0.5
        Exponent of "invscaling"; without effect on other schedules.
    max_iter : int or "auto", default="auto"
        Largest number of epochs, or of iterations of "lbfgs". "auto" is 30 with a schedule of fixed length
        (more on small data, to reach 400 steps, but at most 200), else 200. `partial_fit` with "auto" keeps
        the rate of "one_cycle" and "cosine" constant.
    shuffle : bool, default=True
        Whether to draw a new order of the rows for every epoch.
    random_state : int, RandomState instance or None, default=None
        Seed of the initial weights, the validation split, the order of the rows and dropout. With an int,
        every run gives bit-for-bit identical results.
    tol : float, default=1e-4
        Smallest improvement of the monitored value that counts; for "lbfgs" the largest component of the
        gradient at convergence.
    verbose : int, default=0
        Whether to print one line per epoch; see :doc:`/user_guide/callbacks`.
    warm_start : bool, default=False
        Whether `fit` resumes from the current parameters, optimizer and curves. Patience starts anew, and so
        does the cycle of a schedule of fixed length.
    momentum : float, default=0.9
        Momentum of SGD, in [0, 1).
    nesterovs_momentum : bool, default=True
        Whether SGD uses Nesterov's momentum.
    early_stopping : bool, default=False
        Whether to hold out a validation set (or to use ``X_val`` of `fit`) and to restore the epoch with the
        best score on it. With "one_cycle" and "cosine" and max_iter >= 12, the last quarter of ``max_iter``
        is a refit on all rows, unless ``X_val`` is given or ``warm_start=True``. See
        :doc:`/user_guide/early_stopping`.
    validation_fraction : float, default=0.1
        Fraction of the rows to hold out with ``early_stopping=True``, stratified unless y is multilabel.
    scoring : str or callable, default="loss"
        Score of the validation set, which early stopping monitors: "loss", a scikit-learn scorer or the name
        of one. It is called with ``sample_weight`` if the rows have weights.
    n_iter_no_change : int, np.inf or "auto", default="auto"
        Patience: the number of epochs without an improvement of more than ``tol`` after which training stops.
        "auto" is 10, or unlimited with a schedule of fixed length. With such a schedule, a number acts only
        together with ``early_stopping=True``.
    beta_1 : float, default=0.9
        Adam's decay rate of the first moments, in [0, 1).
    beta_2 : float, default=0.999
        Adam's decay rate of the second moments, in [0, 1).
    epsilon : float, default=1e-8
        Adam's guard against division by zero; at least the square root of the smallest positive float of the
        dtype is used.
    max_fun : int, default=15000
        Largest number of evaluations of the objective by "lbfgs".
    class_weight : dict, list of dict, "balanced" or None, default=None
        Weights of the classes, multiplied into the sample weights. "balanced" gives all classes the same
        total weight in the training set. For multilabel y, a list with one dict for each label.
    dropout : float or sequence of float, default=0.0
        Probability with which an output of a hidden layer is dropped in training, one for all layers or one
        for each.
    label_smoothing : float, default=0.0
        Fraction of each target that is spread evenly over all classes.
    max_grad_norm : float, "auto" or None, default="auto"
        Gradient clipping: longer gradients of the mean loss are scaled down to this norm. "auto" is
        ``n_outputs_ / 20``, at least 0.5. None switches it off. See :doc:`/user_guide/regularization`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels; for multilabel y the column numbers.
    coefs_ : list of ndarray
        Weights; ``coefs_[l]`` has shape (units of layer l, units of layer l + 1). You may replace them with
        arrays of the same shapes, to predict or to resume training with.
    intercepts_ : list of ndarray
        Biases; ``intercepts_[l]`` has shape (units of layer l + 1,).
    alpha_ : float
        Strength of the penalty at the end of training.
    alpha_iter_ : int or None
        The epoch after which ``alpha="auto"`` selected a new penalty, counted from 1; None if it did not.
        From then on, ``loss_curve_`` includes the new penalty.
    batch_size_ : int or None
        Rows in a minibatch, at most as many as there are training rows; None for "lbfgs".
    hidden_layer_sizes_ : tuple of int
        Number of units of each hidden layer.
    learning_rate_init_ : float or None
        The initial learning rate; a refit begins with half of it. None for "lbfgs".
    max_grad_norm_ : float or None
        Largest norm of the mean loss's gradient; None if there is no limit, and for "lbfgs".
    max_iter_ : int or None
        The largest number of epochs (iterations of "lbfgs"), including those reserved for a refit. None after
        `partial_fit` with ``max_iter="auto"``.
    n_iter_no_change_ : int, np.inf or None
        The patience; np.inf if training stops at ``max_iter_`` only, None for "lbfgs".
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if X had them.
    n_layers_ : int
        Number of layers, input and output included.
    n_outputs_ : int
        Number of logits per row: 1 for two classes, else one for each class or label.
    out_activation_ : {"softmax", "logistic"}
        Activation that turns logits into probabilities.
    n_iter_ : int
        Number of epochs (iterations of "lbfgs") of the last `fit`, or of all calls of `partial_fit`.
    t_ : int
        Number of training samples seen, counting repeats.
    loss_ : float
        The last entry of ``loss_curve_``.
    loss_curve_ : list of float
        The objective in each epoch: the weighted mean loss while the network trains, plus the penalty. The
        list grows in place when training resumes.
    best_loss_ : float or None
        The lowest entry of ``loss_curve_``; None with early stopping.
    learning_rate_curve_ : list of float
        The learning rate of each epoch; empty for "lbfgs".
    validation_loss_curve_ : list of float or None
        With a validation set, its weighted mean loss after each epoch, without penalty; NaN for epochs of
        earlier calls without validation.
    validation_scores_ : list of float or None
        With a validation set, the score after each epoch, or minus the validation loss; higher is better.
    best_validation_score_ : float or None
        The highest score of the last `fit`.
    best_iter_ : int or None
        The epoch with that score, counted from 1.
    refit_loss_curve_ : list of float or None
        The objective in each epoch of the refit, over all rows; None if there was no refit.

    See Also
    --------
    sklearn.neural_network.MLPClassifier : scikit-learn's own, with the same parameter names.
    sklearn.ensemble.HistGradientBoostingClassifier : Gradient boosting, which needs no scaled features.

    Notes
    -----
    If early stopping ends with a refit, ``coefs_``, ``intercepts_``, ``alpha_`` and ``refit_loss_curve_``
    belong to the refit, and ``max_iter_`` and ``t_`` count both runs. All other attributes describe the run
    before the refit: ``n_iter_``, ``loss_``, the other curves, the best epoch and its score.

    References
    ----------
    Bishop, "Pattern Recognition and Machine Learning", 2006, chapter 5.

    Byrd, Lu, Nocedal & Zhu, "A limited memory algorithm for bound constrained optimization", 1995.

    Kingma & Ba, "Adam: a method for stochastic optimization", 2015.

    Smith & Topin, "Super-convergence: very fast training of neural networks using large learning rates",
    2018.

    Sutskever, Martens, Dahl & Hinton, "On the importance of initialization and momentum in deep learning",
    2013.

    The user guide cites the sources of the other options.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skscratch import ScratchMLPClassifier
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
    >>> model = make_pipeline(StandardScaler(), ScratchMLPClassifier(random_state=0))
    >>> model.fit(X_train, y_train).score(X_test, y_test)
    0.96
    >>> model.predict_proba(X_test[:1]).round(2)
    array([[0.01, 0.99]])
    >>> model[-1].max_iter_, model[-1].learning_rate_init_
    (30, 0.2)
    """

    _parameter_constraints: dict = CONSTRAINTS
    _communicator: Communicator = SINGLE_PROCESS

    # What the diagram links to. "{estimator_module}" would be skscratch.classifier, but the API page bears
    # the name that users import.
    _doc_link_module = "skscratch"
    _doc_link_template = (
        "https://skscratch.readthedocs.io/en/stable/generated/skscratch.{estimator_name}.html"
    )

    # Every fitted attribute is declared here: a scorer that sets one of these on its copy changes nothing.
    classes_: NDArray
    coefs_: list[NDArray]
    intercepts_: list[NDArray]
    alpha_: float
    alpha_iter_: int | None
    batch_size_: int | None
    hidden_layer_sizes_: tuple[int, ...]
    learning_rate_init_: float | None
    max_grad_norm_: float | None
    max_iter_: int | None
    n_iter_no_change_: float | None
    n_features_in_: int
    feature_names_in_: NDArray
    n_layers_: int
    n_outputs_: int
    out_activation_: str
    n_iter_: int
    t_: int
    loss_: float
    loss_curve_: list[float]
    best_loss_: float | None
    learning_rate_curve_: list[float]
    validation_loss_curve_: list[float] | None
    validation_scores_: list[float] | None
    best_validation_score_: float | None
    best_iter_: int | None
    refit_loss_curve_: list[float] | None

    def __init__(
        self,
        hidden_layer_sizes: int | str | Sequence[int] = "auto",
        activation: str | Sequence[str] = "alrelu",
        *,
        solver: str = "sgd",
        alpha: float | str = "auto",
        batch_size: int | str = "auto",
        learning_rate: str | Callable[[float], float] = "one_cycle",
        learning_rate_init: float | str = "auto",
        power_t: float = 0.5,
        max_iter: int | str = "auto",
        shuffle: bool = True,
        random_state: int | np.random.RandomState | None = None,
        tol: float = 1e-4,
        verbose: bool | int = 0,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        scoring: str | Callable = "loss",
        n_iter_no_change: float | str = "auto",
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        max_fun: int = 15000,
        class_weight: ClassWeight = None,
        dropout: float | Sequence[float] = 0.0,
        label_smoothing: float = 0.0,
        max_grad_norm: float | str | None = "auto",
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.scoring = scoring
        self.n_iter_no_change = n_iter_no_change
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.max_fun = max_fun
        self.class_weight = class_weight
        self.dropout = dropout
        self.label_smoothing = label_smoothing
        self.max_grad_norm = max_grad_norm

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    @own_errstate
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: ArrayLike | None = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> Self:
        """Train on X and y, from new weights or (``warm_start=True``) from the current ones.

        Parameters
        ----------
        X : {array-like, sparse array} of shape (n_samples, n_features)
            Training rows. Dense arrays of any layout, memory maps and CSR are used as they are and cast batch
            by batch. Other sparse formats are converted to CSR, data frames of mixed dtypes to one array.
            float32, float16, bool and integers up to 16 bits are computed in float32, all else in float64.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Classes, with labels of any type, or a table of 0 and 1 with one column for each label.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, at least 0 and not all 0. A row of weight k counts as k copies of it, a row
            of weight 0 as absent. A factor common to all weights changes nothing.
        X_val : {array-like, sparse array} of shape (n_val, n_features), default=None
            Validation set. With ``early_stopping=True`` it is used instead of a split of X. Otherwise its
            loss and score are recorded, and training is the same as without it. Inside a Pipeline, pass
            ``transform_input=["X_val"]`` to transform it as X.
        y_val : array-like of shape (n_val,) or (n_val, n_labels), default=None
            Targets of ``X_val``.
        sample_weight_val : array-like of shape (n_val,), default=None
            Weights of ``X_val``.

        Returns
        -------
        self : ScratchMLPClassifier
            The fitted estimator. After an error, the estimator is as it was before.

        Raises
        ------
        ValueError
            If the input is invalid, if even the initial parameters have no finite loss, or if the validation
            loss is not finite after the first epoch.

        Warns
        -----
        ConvergenceWarning
            If training diverged (the last finite parameters are kept), if it reached ``max_iter`` while the
            training loss still improved, or if it hardly improved on guessing and the features are unscaled,
            alpha is far too large or the learning rate far too low.
        UserWarning
            If Ctrl-C ended training, if a parameter that was set has no effect, or if ``X_val`` lies so far
            from X that it cannot have been transformed in the same way.
        """
        with Transaction(self) as transaction:
            model = transaction.model
            task = FitTask(self, X, y, sample_weight)
            callbacks = task.epoch_callbacks(model._fitted_now)
            model._fit(X, y, sample_weight, X_val, y_val, sample_weight_val, callbacks)
            transaction.commit()
            task.end()
        return self

    @UnavailableIf(why_no_partial_fit)
    @_fit_context(prefer_skip_nested_validation=True)
    @own_errstate
    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Train for one epoch on X and y, from the current parameters.

        Each call advances the schedule by one of ``max_iter`` epochs. With ``max_iter=n``, n calls with the
        same X and y give results bit-for-bit identical to ``fit(X, y)``, unless patience acts in `fit`.
        Patience and ``early_stopping`` have no effect here.

        Parameters
        ----------
        X : {array-like, sparse array} of shape (n_samples, n_features)
            Some of the training rows.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Their targets.
        classes : array-like of shape (n_classes,), default=None
            All labels that will ever occur (for a table of labels, one entry for each column). The first call
            needs it. Later calls may omit it, but must not change it.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, at least 0 and not all 0.

        Returns
        -------
        self : ScratchMLPClassifier
            The estimator after one more epoch. After an error, it is as it was before.

        Raises
        ------
        ValueError
            If the input is invalid, if the architecture or the classes have changed, with
            ``class_weight="balanced"``, which needs the whole of y, or with ``solver="lbfgs"``, which needs
            all rows at once.
        """
        with Transaction(self) as transaction:
            transaction.model._partial_fit(X, y, classes, sample_weight)
            transaction.commit()
        return self

    @own_errstate
    def predict(self, X: ArrayLike) -> NDArray:
        """Return the most likely label of each row, which is the first one if several are equally likely.

        Parameters
        ----------
        X : {array-like, sparse array} of shape (n_samples, n_features)
            Rows to classify.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_labels)
            Labels of the type that y had in training. For multilabel targets, a table of 0 and 1, with 1 for
            labels with a probability above one half.
        """
        P = self._probabilities(X)
        return self._encoding().decode(P)

    @own_errstate
    def predict_proba(self, X: ArrayLike) -> NDArray:
        """Return the probability of each class, or of each label for multilabel targets.

        Parameters
        ----------
        X : {array-like, sparse array} of shape (n_samples, n_features)
            Rows to classify.

        Returns
        -------
        P : ndarray of shape (n_samples, n_classes), float32 or float64
            Columns in the order of ``classes_``. Rows sum to one, except for multilabel targets, where each
            entry is the probability of one label. The dtype is that of ``coefs_``.
        """
        return self._probabilities(X)

    @own_errstate
    def predict_log_proba(self, X: ArrayLike) -> NDArray:
        """Return the logarithm of each probability, accurate even if the probability rounds to 0.

        Parameters
        ----------
        X : {array-like, sparse array} of shape (n_samples, n_features)
            Rows to classify.

        Returns
        -------
        log_P : ndarray of shape (n_samples, n_classes), float32 or float64
            Computed from the logits, hence always finite.
        """
        logits = self._logits_per_class(X)
        return LOSSES[self._kind].log_probabilities(logits)

    @own_errstate
    def decision_function(self, X: ArrayLike) -> NDArray:
        """Return the logits, from which the probabilities are computed.

        Parameters
        ----------
        X : {array-like, sparse array} of shape (n_samples, n_features)
            Rows to classify.

        Returns
        -------
        logits : ndarray of shape (n_samples,) or (n_samples, n_outputs), float32 or float64
            Two classes have one logit per row, which is positive if ``classes_[1]`` is more likely. Logits
            that are too large for the dtype are scaled down, row by row, to its largest number.
        """
        logits = self._logits(X)
        return logits[:, 0] if logits.shape[1] == 1 else logits

    @own_errstate
    def hidden_activations(self, X: ArrayLike, layer: int = -1) -> NDArray:
        """Return the outputs of a hidden layer, the features that the network has learned.

        Parameters
        ----------
        X : {array-like, sparse array} of shape (n_samples, n_features)
            Input rows.
        layer : int, default=-1
            Number of the hidden layer, from 0; negative numbers count from the last one.

        Returns
        -------
        A : ndarray of shape (n_samples, n_units), float32 or float64
            The layer's outputs, after its activation function.
        """
        X = read_X(self, X)
        n_hidden = len(self._sizes) - 2
        check_hidden_layer(layer, n_hidden)
        with self._threads_to_predict(X):
            return predict_activations(self._network(), X, layer)

    def to_sklearn(self) -> MLPClassifier:
        """Return a fitted scikit-learn MLPClassifier with the same predictions, up to rounding.

        It works with all code written for that class, and needs nothing but scikit-learn.

        Returns
        -------
        mlp : MLPClassifier
            It holds copies of the parameters. The settings for further training are carried over if it has
            them; ``alpha`` and ``batch_size`` are converted. A unit of "leaky_relu" or "alrelu" becomes two
            units of "relu". If you train the copy further, the paired units diverge.

        Raises
        ------
        ValueError
            If MLPClassifier cannot express the network. It has the activations identity, logistic, tanh and
            relu, one for all hidden layers (the leaky ones count as relu), and at least two classes.
        """
        check_is_fitted(self)
        return to_sklearn(fitted_network(self), self.get_params(deep=False), vars(self), self._n_rows)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_dtype")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.classifier_tags.multi_label = True
        return tags

    def __sklearn_clone__(self) -> Any:
        if self._communicator is not SINGLE_PROCESS:
            raise ValueError(
                "A clone made inside data_parallel would train alone on every rank. Searches, "
                "cross-validation and ensembles train clones, too. Call fit of the estimator itself. To "
                "train several estimators, clone it before the block and give each clone its own block."
            )
        return super().__sklearn_clone__()

    def __getstate__(self) -> dict[str, Any]:
        # The flat vector holds the same numbers as coefs_ and intercepts_. A copy trains by itself.
        left_out = {"_flat", "_communicator"}
        state = {name: value for name, value in super().__getstate__().items() if name not in left_out}
        # Curves grow in place; those of a copy must not grow with them.
        return {name: value[:] if isinstance(value, list) else value for name, value in state.items()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if self.__sklearn_is_fitted__():
            # A copy holds separate arrays; bring them back into one vector. Replaced arrays that do not fit
            # the network stay as they are, and raise an error when they are used.
            with suppress(ValueError):
                self._publish_network(self._network())

    # ------------------------------------------------------------------------------------------------
    # Training

    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        X_val: Any,
        y_val: Any,
        sample_weight_val: Any,
        callbacks: Sequence[Callback],
    ) -> None:
        self._communicator.check_agreement(vars(self), X_val=X_val, y_val=y_val)
        check_solver_can_use(self)
        warn_without_effect(self, "fit", validates=X_val is not None)
        resume = self.warm_start and self.__sklearn_is_fitted__()
        X, y = read_X_y(self, X, y, reset=not resume)
        target = CheckedTarget.read(y)
        encoding = self._communicator.union(
            ClassEncoding.from_classes(target.present, multilabel=target.multilabel)
        )
        if resume:
            self._check_classes_unchanged(encoding, "fit with warm_start=True")
        rows = self._rows(X, encoding.encode(target, smoothing=self.label_smoothing), sample_weight)
        validation = self._given_validation(encoding, X_val, y_val, sample_weight_val)
        if validation is not None:
            warn_if_untransformed(X, validation.X)
        network, state, originals = self._resume("warm_start=True") if resume else self._start(X, encoding)
        state.begin_cycle()
        fit = self._prepare(network, state, originals, encoding, callbacks)
        with self._threads_to_train(rows):
            result = fit.run(rows, validation)
        self._keep(result, state, resumed=resume)
        # With early stopping, the best epoch is that of the validation set.
        self.best_loss_ = None if self.early_stopping else self._lowest_loss(result, resumed=resume)
        self._keep_validation(result, resumed=resume)
        self._keep_refit(result)
        self.n_iter_ = len(result.search.records)

    def _partial_fit(self, X: Any, y: Any, classes: Any, sample_weight: Any) -> None:
        resume = self.__sklearn_is_fitted__()
        if resume:
            # scikit-learn checks parameters in the first call only, but set_params may have changed them.
            self._validate_params()
        self._communicator.check_agreement(vars(self))
        check_solver_can_use(self)
        warn_without_effect(self, "partial_fit")
        X, y = read_X_y(self, X, y, reset=not resume)
        target = CheckedTarget.read(y, part=True)
        encoding = self._encoding_for_partial_fit(target, classes, resume)
        rows = self._rows(X, encoding.encode(target, smoothing=self.label_smoothing), sample_weight)
        network, state, originals = self._resume("partial_fit") if resume else self._start(X, encoding)
        fit = self._prepare(network, state, originals, encoding, ())
        with self._threads_to_train(rows):
            result = fit.run_epoch(rows)
        self._keep(result, state, resumed=resume)
        self.best_loss_ = self._lowest_loss(result, resumed=resume)
        if not resume:
            self._keep_no_validation()
            self.refit_loss_curve_ = None
        self.n_iter_ = (self.n_iter_ if resume else 0) + len(result.search.records)

    def _prepare(
        self,
        network: Network,
        state: TrainingState,
        originals: Originals,
        encoding: ClassEncoding,
        callbacks: Sequence[Callback],
    ) -> Fit:
        printers = [ProgressPrinter()] if self.verbose else []
        return Fit(
            Hyperparameters.of(self),
            network,
            encoding,
            state,
            self._communicator,
            CallbackList([*printers, *callbacks], self._communicator),
            self._make_score,
            originals,
        )

    def _threads_to_train(self, rows: Rows) -> AbstractContextManager[Any]:
        """Return the context with as many BLAS threads as this process's share of a batch deserves."""
        (n_global_rows,) = self._communicator.sum(rows.n_rows)
        batch_size = rows_per_batch(self.batch_size, n_global_rows)
        share = -(-batch_size * rows.n_rows // n_global_rows)
        return threads_for(self._sizes, rows.n_rows, share, sparse=sp.issparse(rows.X))

    def _threads_to_predict(self, X: Any) -> AbstractContextManager[Any]:
        """Return the context to predict in. Any number of rows counts as one batch of the same size.

        So the threads, and the bits of a row's answer, do not depend on how many rows come together.
        """
        return threads_for(self._sizes, X.shape[0], LARGEST_AUTO_BATCH, sparse=sp.issparse(X))

    def _start(self, X: Any, encoding: ClassEncoding) -> tuple[Network, TrainingState, Originals]:
        """Return a new network with initial weights, and the state of a training run that has not begun."""
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        seeds = np.random.SeedSequence(seed).spawn(1 + self._communicator.size)
        for_weights, *for_training = map(np.random.default_rng, seeds)
        self.classes_, self._kind = encoding.classes, encoding.kind
        hidden = hidden_sizes(self.hidden_layer_sizes, encoding.n_outputs)
        self._sizes = (X.shape[1], *hidden, encoding.n_outputs)
        self._activations = activation_names(self.activation, len(self._sizes) - 2)
        theta = np.empty(Layers.length(self._sizes), compute_dtype(X.dtype))
        network = self._network_over(theta)
        network.initialize(for_weights)
        state = TrainingState(rng=for_training[self._communicator.rank], split_seed=seed)
        return self._share(network, state), state, ()

    def _resume(self, caller: str) -> tuple[Network, TrainingState, Originals]:
        """Return copies of the fitted network and of its training state, and what was copied."""
        self._check_architecture_unchanged(caller)
        fitted = self._network()
        check_finite(fitted.layers)
        network = self._network_over(fitted.theta.copy())
        state = TrainingState.from_dict(self._training_state)
        originals = [(network.theta, fitted.theta), *state.originals(self._training_state)]
        # Other processes may replace the copies by theirs.
        return self._share(network, state), state, originals if self._communicator.size == 1 else ()

    def _share(self, network: Network, state: TrainingState) -> Network:
        """Give all processes the same parameters, and publish them as coefs_ and intercepts_."""
        self._communicator.broadcast(network.theta, vars(state), self._encoding())
        self._publish_network(network)
        return network

    def _make_score(self, rows: Rows) -> Callable[[], Any] | None:
        """Return what scores the current parameters on these rows; None if the loss is monitored."""
        if self.scoring == "loss":
            return None
        index = slice(None) if rows.index is None else rows.index
        weights = None if rows.weights is None else rows.weights[index]
        y = self._encoding().from_codes(rows.codes())
        fitted = inspect.get_annotations(ScratchMLPClassifier)
        return ValidationScore(self, fitted, self._give_parameters, rows.X[index], y, weights)

    def _give_parameters(self, other: ScratchMLPClassifier) -> None:
        """Give another estimator a copy of the current parameters."""
        other._publish_network(self._network_over(self._network().theta.copy()))

    def _fitted_now(self) -> dict[str, Any]:
        """Return the attributes with which a copy of this estimator predicts as it would now."""
        params = self.get_params(deep=False)
        fitted = {name: value for name, value in self.__getstate__().items() if name not in params}
        fitted |= {name: [array.copy() for array in fitted[name]] for name in ("coefs_", "intercepts_")}
        return {name: value for name, value in fitted.items() if "callback" not in name}

    # ------------------------------------------------------------------------------------------------
    # Fitted attributes

    def _publish_network(self, network: Network) -> None:
        self.coefs_, self.intercepts_ = list(network.layers.W), list(network.layers.b)
        self._sizes, self._dtype = network.sizes, network.theta.dtype.name
        # The vector of all parameters, for as long as these are the arrays in coefs_ and intercepts_.
        self._flat = [network.theta, *self.coefs_, *self.intercepts_]

    def _keep(self, result: FitResult, state: TrainingState, *, resumed: bool) -> None:
        """Set the attributes that fit and partial_fit have in common, and issue the warning, if any."""
        if diagnosis := result.diagnosis:
            warn_user(diagnosis.message, diagnosis.category)
        records = result.search.records
        self._training_state, self._n_rows = state.to_dict(), result.n_rows
        self.n_layers_, self.n_outputs_ = len(self._sizes), self._sizes[-1]
        self.hidden_layer_sizes_ = self._sizes[1:-1]
        self.alpha_, self.alpha_iter_ = result.alpha, state.alpha_epoch or None
        for name, number in result.settings.resolved().items():
            setattr(self, name, number)
        self.out_activation_ = LOSSES[self._kind].out_activation
        self.t_ = (self.t_ if resumed else 0) + sum(record.n_rows for record in records)
        losses = [record.loss for record in records]
        rates = [record.learning_rate for record in records if record.learning_rate is not None]
        self._extend("learning_rate_curve_", rates, resumed)
        curve = self._extend("loss_curve_", losses, resumed)
        self.loss_ = curve[-1] if curve else result.loss

    def _lowest_loss(self, result: FitResult, *, resumed: bool) -> float | None:
        """Return the lowest training loss; the whole curve is read only if the lowest one is unknown."""
        known = self.best_loss_ if resumed else None
        if known is None:
            return min(self.loss_curve_, default=self.loss_)
        return min([known, *(record.loss for record in result.search.records)])

    def _keep_validation(self, result: FitResult, *, resumed: bool) -> None:
        if not result.search.validated:
            self._keep_no_validation()
            return
        validated = [record for record in result.search.records if record.score is not None]
        n_before = len(self.loss_curve_) - len(result.search.records)
        for name, values in (
            ("validation_loss_curve_", [record.validation_loss for record in validated]),
            ("validation_scores_", [record.score for record in validated]),
        ):
            curve = self._extend(name, [], resumed)
            curve += [nan] * (n_before - len(curve)) + values
        self.best_iter_ = result.search.best_epoch
        self.best_validation_score_ = result.search.best_score

    def _keep_no_validation(self) -> None:
        self.validation_loss_curve_ = self.validation_scores_ = None
        self.best_validation_score_ = self.best_iter_ = None

    def _keep_refit(self, result: FitResult) -> None:
        records = result.refit.records if result.refit else []
        self.t_ += sum(record.n_rows for record in records)
        self.refit_loss_curve_ = [record.loss for record in records] or None

    def _extend(self, name: str, values: list, resumed: bool) -> list:
        """Append values to a curve in place, or begin a new curve; return it."""
        curve = getattr(self, name, None) if resumed else None
        if curve is None:
            setattr(self, name, curve := [])
        curve += values
        return curve

    # ------------------------------------------------------------------------------------------------
    # Checks of the input

    def _validate_params(self) -> None:
        check_parameters(self)
        super()._validate_params()

    def _rows(self, X: Any, targets: Targets, sample_weight: Any) -> Rows:
        weights = check_weights(sample_weight, X.shape[0], "sample_weight")
        return Rows(X, targets, weights).with_positive_weights()

    def _given_validation(
        self, encoding: ClassEncoding, X_val: Any, y_val: Any, sample_weight_val: Any
    ) -> Rows | None:
        if X_val is None and y_val is None and sample_weight_val is None:
            return None
        if X_val is None or y_val is None:
            missing = "X_val" if X_val is None else "y_val"
            raise ValueError(f"{missing} is missing: X_val and y_val must be passed together.")
        X_val, y_val = read_validation_set(self, X_val, y_val)
        weights = check_weights(sample_weight_val, X_val.shape[0], "sample_weight_val")
        return Rows(
            X_val, encoding.encode(CheckedTarget.read(y_val, "y_val", part=True)), weights
        ).with_positive_weights()

    def _encoding_for_partial_fit(self, target: CheckedTarget, classes: Any, resume: bool) -> ClassEncoding:
        if resume:
            if classes is not None:
                given = ClassEncoding.from_classes(classes, multilabel=self._kind == "multilabel")
                self._check_classes_unchanged(given, "partial_fit")
            return self._encoding()
        if classes is None:
            raise ValueError(
                "classes must be passed on the first call to partial_fit. Pass all labels that will ever "
                "occur, since one part of the data may not contain them all."
            )
        return ClassEncoding.from_classes(classes, multilabel=target.multilabel)

    def _check_architecture_unchanged(self, caller: str) -> None:
        wanted, fitted = hidden_sizes(self.hidden_layer_sizes, self._sizes[-1]), self._sizes[1:-1]
        for name, ours, theirs in (
            ("hidden_layer_sizes", wanted, fitted),
            ("activation", activation_names(self.activation, len(wanted)), self._activations),
        ):
            if ours != theirs:
                raise ValueError(
                    f"{name} is {ours}, but {caller} continues with the fitted network, which has {theirs}. "
                    "Set it back, or train a new network with a clone of this estimator."
                )

    def _check_classes_unchanged(self, encoding: ClassEncoding, caller: str) -> None:
        if "multilabel" in {encoding.kind, self._kind} and encoding.kind != self._kind:
            raise ValueError(
                f"{caller} continues with the fitted network, which was trained on {self._kind} targets, but "
                f"this y is {encoding.kind}. Train a new network with a clone of this estimator."
            )
        if encoding.classes.tolist() != self._encoding().classes.tolist():
            raise ValueError(
                f"{caller} continues with the fitted network, so the classes must stay the same: previously "
                f"{self.classes_}, now {encoding.classes}. Train a new network with a clone."
            )

    # ------------------------------------------------------------------------------------------------
    # The fitted network

    def _encoding(self) -> ClassEncoding:
        return ClassEncoding.for_network(self._kind, self.classes_, self._sizes[-1])

    def _network(self) -> Network:
        known = getattr(self, "_flat", ())
        theta = flat_parameters(self.coefs_, self.intercepts_, self._sizes, self._dtype, known)
        return self._network_over(theta)

    def _network_over(self, theta: NDArray) -> Network:
        return Network(self._sizes, [ACTIVATIONS[name] for name in self._activations], theta)

    def _logits(self, X: Any) -> NDArray:
        X = read_X(self, X)
        with self._threads_to_predict(X):
            return predict_logits(self._network(), X)

    def _probabilities(self, X: Any) -> NDArray:
        logits = self._logits_per_class(X)
        return LOSSES[self._kind].probabilities(logits)

    def _logits_per_class(self, X: ArrayLike) -> NDArray:
        """Return one logit per class: for two classes -z and z, whose sigmoids are the two probabilities."""
        logits = self._logits(X)
        return np.hstack([-logits, logits]) if self._kind == "binary" else logits


def fitted_network(estimator: ScratchMLPClassifier) -> FittedNetwork:
    """Return what exports need of a fitted estimator."""
    return FittedNetwork(estimator._network(), estimator._activations, estimator._encoding())
