"""ScratchMLPClassifier: scikit-learn's manners around the network; the maths is in the other files."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import check_scoring
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from .activations import ACTIVATIONS, Activation
from .batches import Batches, compute_dtype
from .dropout import Dropped
from .lbfgs import LBFGS
from .listeners import Audience, CallbackListener, CallbackSupportMixin, Printer, with_callbacks
from .losses import LOSSES
from .network import Layers, Network, flat_parameters
from .objective import Objective
from .optimizers import SGD, Adam, Optimizer
from .parameters import (
    CONSTRAINTS,
    UnavailableIf,
    activation_names,
    check_solver_can_use,
    dropout_rates,
    hidden_sizes,
    why_no_partial_fit,
)
from .prediction import activate_rows, score_rows
from .reports import Ending, Listener, Outcome
from .rows import Rows, check_weights, split_off_validation, weigh_classes
from .schedules import Adaptive, Annealed, Constant, Cosine, InverseScaling, OneCycle, Schedule
from .state import TrainingState
from .stopping import Patience
from .targets import Labels
from .training import Trainer, Validation

AUTO_ALPHA = 3.0
AUTO_LEARNING_RATE = {"sgd": 0.1, "adam": 0.001, "lbfgs": 1.0}
VALIDATION_CHUNK = 512


class ScratchMLPClassifier(CallbackSupportMixin, ClassifierMixin, BaseEstimator):
    """Multi-layer perceptron classifier."""

    _parameter_constraints: dict = CONSTRAINTS

    def __init__(
        self,
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        solver="sgd",
        alpha="auto",
        batch_size="auto",
        learning_rate="constant",
        learning_rate_init="auto",
        power_t=0.5,
        max_iter=200,
        shuffle=True,
        random_state=None,
        tol=1e-4,
        verbose=0,
        warm_start=False,
        momentum=0.9,
        nesterovs_momentum=True,
        early_stopping=False,
        validation_fraction=0.1,
        scoring="loss",
        n_iter_no_change=10,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        max_fun=15000,
        class_weight=None,
        dropout=0.0,
        label_smoothing=0.0,
        max_grad_norm=None,
    ):
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
        """Train on X and y."""
        with self._callback_task(X, y, sample_weight) as listen, _all_or_nothing(self) as model:
            model._fit(X, y, sample_weight, X_val, y_val, sample_weight_val, listen)
        return self

    @UnavailableIf(why_no_partial_fit)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Train for one epoch on X and y, going on from what was learned before."""
        with _all_or_nothing(self) as model:
            model._partial_fit(X, y, classes, sample_weight)
        return self

    def predict(self, X: ArrayLike) -> NDArray:
        """Return the most likely label of each row."""
        scores = self._scores(X)
        return self._labels().decode(scores)

    def predict_proba(self, X: ArrayLike) -> NDArray:
        """Return the probability of each class (of each label, for multilabel targets)."""
        scores = self._scores_per_class(X)
        return LOSSES[self._kind].probabilities(scores)

    def predict_log_proba(self, X: ArrayLike) -> NDArray:
        """Return the logarithm of the probability of each class, exact also where that rounds to 0."""
        scores = self._scores_per_class(X)
        return LOSSES[self._kind].log_probabilities(scores)

    def decision_function(self, X: ArrayLike) -> NDArray:
        """Return the scores (logits) that the probabilities are computed from."""
        scores = self._scores(X)
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def hidden_activations(self, X: ArrayLike, layer: int = -1) -> NDArray:
        """Return what a hidden layer makes of X: the features that the network has learned."""
        X = self._check_X(X)
        n_hidden = len(self._sizes) - 2
        if not -n_hidden <= layer < n_hidden:
            raise ValueError(
                f"layer={layer} is out of range: the network has {n_hidden} hidden layer(s), numbered from 0; "
                "negative numbers count from the last one."
            )
        return activate_rows(self._network(), X, layer)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "coefs_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.classifier_tags.multi_label = True
        return tags

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if self.__sklearn_is_fitted__():
            # A copy holds each array by itself; bring them back into one vector.
            self._publish_network(self._network())

    # ------------------------------------------------------------------------------------------------
    # Training

    def _fit(self, X, y, sample_weight, X_val, y_val, sample_weight_val, listen) -> None:
        check_solver_can_use(self)
        warm = self.warm_start and self.__sklearn_is_fitted__()
        X, y = self._check_X_y(X, y, reset=not warm)
        labels = Labels.seen_in(y)
        if warm:
            self._check_classes_unchanged(labels, "fit with warm_start=True")
        training = self._rows(X, y, sample_weight, labels)
        held_out = self._given_validation(labels, X_val, y_val, sample_weight_val)
        state, theta = self._take_up(copy_arrays=True) if warm else self._begin(X, labels)
        state.schedule_start = state.epoch
        if self.early_stopping and held_out is None:
            rng = np.random.default_rng(state.split_seed)
            training, held_out = split_off_validation(training, labels, self.validation_fraction, rng)
        training, weighed = weigh_classes(self.class_weight, labels, training, held_out)
        network, rng = self._network_in_training(theta, state)
        objective, batches = self._objective(network, training)
        listener = Audience([*([Printer()] if self.verbose else []), *listen(self)])
        with np.errstate(over="ignore", invalid="ignore"):
            if self.solver == "lbfgs":
                trainer = LBFGS(objective, batches, state, tol=self.tol, max_fun=self.max_fun)
                outcome = trainer.run(self.max_iter, listener)
            else:
                trainer = self._trainer(objective, batches, state, rng)
                validation = self._validation(objective, weighed, held_out)
                outcome = trainer.run(self.max_iter, self._patience(trainer), validation, listener)
            self._judge_ending(outcome, trainer)
        self._publish_outcome(outcome, trainer, goes_on=warm)
        self._publish_validation(outcome, goes_on=warm)
        self.n_iter_ = len(outcome.reports)

    def _partial_fit(self, X, y, classes, sample_weight) -> None:
        check_solver_can_use(self)
        goes_on = self.__sklearn_is_fitted__()
        X, y = self._check_X_y(X, y, reset=not goes_on)
        labels = self._labels_for_partial_fit(y, classes, goes_on)
        training = self._rows(X, y, sample_weight, labels)
        training, _ = weigh_classes(self.class_weight, labels, training, None)
        state, theta = self._take_up() if goes_on else self._begin(X, labels)
        network, rng = self._network_in_training(theta, state)
        trainer = self._trainer(*self._objective(network, training), state, rng)
        self._warn_at_end_of_schedule(trainer)
        with np.errstate(over="ignore", invalid="ignore"):
            outcome = trainer.run(1, None, listener=Audience([Printer()] if self.verbose else []))
            self._judge_ending(outcome, trainer)
        self._publish_outcome(outcome, trainer, goes_on=goes_on)
        if not goes_on:
            self._publish_no_validation()
        self.n_iter_ = (self.n_iter_ if goes_on else 0) + len(outcome.reports)

    def _begin(self, X, labels: Labels) -> tuple[TrainingState, NDArray]:
        """Return the state of a training that has not begun, and new parameters."""
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        for_weights, for_training = map(np.random.default_rng, np.random.SeedSequence(seed).spawn(2))
        self.classes_, self._kind = labels.classes, labels.kind
        self._sizes = (X.shape[1], *hidden_sizes(self.hidden_layer_sizes), labels.n_outputs)
        state = TrainingState(rng=for_training.bit_generator.state, split_seed=seed)
        theta = np.empty(Layers.length(self._sizes), compute_dtype(X.dtype))
        Network(self._sizes, self._hidden_functions(), theta).draw(for_weights)
        return state, theta

    def _take_up(self, *, copy_arrays: bool = False) -> tuple[TrainingState, NDArray]:
        """Return the state of the training so far and the fitted parameters."""
        wanted, fitted = hidden_sizes(self.hidden_layer_sizes), self._sizes[1:-1]
        if wanted != fitted:
            raise ValueError(
                f"hidden_layer_sizes is {wanted}, but the network that training would go on with has {fitted}. "
                "Set it back, or train a new network with a clone of this estimator."
            )
        state, theta = TrainingState(**self._training_state), self._network().theta
        if copy_arrays or not theta.flags.writeable:
            state, theta = copy.deepcopy(state), theta.copy()
        return state, theta

    def _network_in_training(
        self, theta: NDArray, state: TrainingState
    ) -> tuple[Network, np.random.Generator]:
        """Return the network over theta, with dropout if asked for, and the generator of all random choices."""
        rng = np.random.default_rng()
        rng.bit_generator.state = state.rng
        functions = self._hidden_functions()
        rates = dropout_rates(self.dropout, len(functions))
        dropped = [
            Dropped(phi, rate, rng) if rate else phi for phi, rate in zip(functions, rates, strict=True)
        ]
        network = Network(self._sizes, dropped, theta)
        self._publish_network(network)
        return network, rng

    def _hidden_functions(self) -> list[Activation]:
        self._activations = activation_names(self.activation, len(self._sizes) - 2)
        return [ACTIVATIONS[name] for name in self._activations]

    def _objective(self, network: Network, rows: Rows) -> tuple[Objective, Batches]:
        batch_size = 200 if self.batch_size == "auto" else self.batch_size
        alpha = AUTO_ALPHA / rows.weight_sum if self.alpha == "auto" else self.alpha
        objective = Objective(network, LOSSES[self._kind], alpha)
        return objective, Batches(rows, batch_size, objective.loss, network)

    def _trainer(
        self, objective: Objective, batches: Batches, state: TrainingState, rng: np.random.Generator
    ) -> Trainer:
        eta_0 = (
            AUTO_LEARNING_RATE[self.solver] if self.learning_rate_init == "auto" else self.learning_rate_init
        )
        return Trainer(
            objective,
            self._optimizer(objective, state),
            self._schedule(eta_0, state),
            batches,
            state,
            rng,
            eta_0=eta_0,
            momentum=self.momentum,
            shuffle=self.shuffle,
            max_grad_norm=self.max_grad_norm,
        )

    def _optimizer(self, objective: Objective, state: TrainingState) -> Optimizer:
        """Return the optimizer, with its memory where the same one was at work before."""
        optimizer: Optimizer
        memory = state.memory if state.solver == self.solver else None
        if self.solver == "sgd":
            optimizer = SGD(objective, nesterov=self.nesterovs_momentum, memory=memory)
        else:
            optimizer = Adam(
                objective, beta_1=self.beta_1, beta_2=self.beta_2, epsilon=self.epsilon, memory=memory
            )
        state.solver, state.memory = self.solver, optimizer.memory
        return optimizer

    def _schedule(self, eta_0: float, state: TrainingState) -> Schedule:
        if callable(self.learning_rate):
            return Annealed(self.max_iter, self.learning_rate)
        schedules: dict[str, Callable[[], Schedule]] = {
            "constant": Constant,
            "invscaling": lambda: InverseScaling(self.power_t),
            "adaptive": lambda: Adaptive(eta_0, state),
            "cosine": lambda: Cosine(self.max_iter),
            "one_cycle": lambda: OneCycle(self.max_iter),
        }
        return schedules[self.learning_rate]()

    def _patience(self, trainer: Trainer) -> Patience | None:
        """Return the patience, but none on the training loss where the rate comes down by itself."""
        if trainer.schedule.anneals and not self.early_stopping:
            return None
        return Patience(self.n_iter_no_change, self.tol)

    def _validation(
        self, objective: Objective, weighed: Rows | None, held_out: Rows | None
    ) -> Validation | None:
        if weighed is None or held_out is None:
            return None
        batches = Batches(weighed, VALIDATION_CHUNK, objective.loss, objective.network)
        return Validation(objective, batches, self._score_on(held_out))

    def _score_on(self, rows: Rows) -> Callable[[], float] | None:
        """Return a function that scores the parameters as they are when it is called; None to watch the loss."""
        if self.scoring == "loss":
            return None
        # The scorer is shown a copy of this estimator, whose coefs_ are views of the parameters in training.
        # It knows no feature names, because the rows that it is shown have none.
        shown = copy.copy(self)
        vars(shown).pop("feature_names_in_", None)
        scorer = check_scoring(shown, self.scoring)
        index = slice(None) if rows.index is None else rows.index
        X, y = rows.X[index], self._labels().from_codes(rows.codes())
        weights = {} if rows.weights is None else {"sample_weight": rows.weights[index]}
        return lambda: scorer(shown, X, y, **weights)

    @contextmanager
    def _callback_task(self, X, y, sample_weight) -> Iterator[Callable[[Any], list[Listener]]]:
        """Open the task that scikit-learn's callbacks see; yield what makes their listener, if there are any."""
        if not getattr(self, "_skl_callbacks", None):
            yield lambda model: []
            return
        data = {"X": X, "y": y}
        data["metadata"] = None if sample_weight is None else {"sample_weight": sample_weight}
        context = self._init_callback_context(max_subtasks=self.max_iter)
        context.call_on_fit_task_begin(estimator=self, **data)
        yield lambda model: [CallbackListener(context, self, fitted=model._fitted_now, **data)]
        context.call_on_fit_task_end(estimator=self, reconstruction_attributes={}, **data)

    def _fitted_now(self) -> dict[str, Any]:
        """Return what a copy of this estimator needs in order to predict with the present parameters."""
        fitted = {
            name: value for name, value in vars(self).items() if name not in self.get_params(deep=False)
        }
        fitted |= {name: [array.copy() for array in fitted[name]] for name in ("coefs_", "intercepts_")}
        return {name: value for name, value in fitted.items() if "callback" not in name}

    # ------------------------------------------------------------------------------------------------
    # What is kept of a training

    def _publish_network(self, network: Network) -> None:
        self.coefs_, self.intercepts_ = list(network.layers.W), list(network.layers.b)
        self._sizes, self._dtype = network.sizes, network.theta.dtype.name

    def _publish_outcome(self, outcome: Outcome, trainer: Trainer | LBFGS, *, goes_on: bool) -> None:
        reports = outcome.reports
        self._training_state = vars(trainer.state)
        self.n_layers_, self.n_outputs_ = len(self._sizes), self._sizes[-1]
        self.out_activation_ = trainer.objective.loss.out_activation
        self.t_ = (self.t_ if goes_on else 0) + trainer.batches.n_rows * len(reports)
        self.loss_curve_ = self._so_far("loss_curve_", goes_on) + [r.loss for r in reports]
        rates = [r.learning_rate for r in reports if r.learning_rate is not None]
        self.learning_rate_curve_ = self._so_far("learning_rate_curve_", goes_on) + rates
        self.loss_ = self.loss_curve_[-1] if self.loss_curve_ else trainer.present_loss()

    def _publish_validation(self, outcome: Outcome, *, goes_on: bool) -> None:
        if not self.early_stopping:
            self._publish_no_validation()
            return
        reports = outcome.reports
        self.best_loss_ = None
        self.validation_loss_curve_ = self._so_far("validation_loss_curve_", goes_on) + [
            r.validation_loss for r in reports
        ]
        self.validation_scores_ = self._so_far("validation_scores_", goes_on) + [r.score for r in reports]
        self.best_iter_, self.best_validation_score_ = outcome.best_epoch or None, outcome.best_score

    def _publish_no_validation(self) -> None:
        self.best_loss_ = min(self.loss_curve_, default=self.loss_)
        self.validation_loss_curve_ = self.validation_scores_ = None
        self.best_validation_score_ = self.best_iter_ = None

    def _so_far(self, name: str, goes_on: bool) -> list:
        """Return the curve so far; it is empty where a new training begins."""
        return list(getattr(self, name, None) or []) if goes_on else []

    def _judge_ending(self, outcome: Outcome, trainer: Trainer | LBFGS) -> None:
        """Warn of an ending that the user would want to know of; raise where nothing usable is left."""
        n_epochs = len(outcome.reports)
        if outcome.ending is Ending.DIVERGED:
            mend = "Scale the features (StandardScaler), lower learning_rate_init, or set max_grad_norm=1."
            if not np.isfinite(trainer.present_loss()):
                raise ValueError(
                    "Training diverged at once: even the parameters that it starts from have no finite loss. "
                    f"{mend}"
                )
            _warn(
                f"Training diverged in epoch {n_epochs + 1}: the loss or a parameter became infinite or NaN. The "
                f"last finite parameters, those after epoch {n_epochs}, are kept. {mend}",
                ConvergenceWarning,
            )
        elif outcome.ending is Ending.INTERRUPTED:
            best = (
                f"those of epoch {outcome.best_epoch}, the best one"
                if outcome.best_epoch
                else "its last ones"
            )
            _warn(
                f"Training was interrupted after {n_epochs} epoch(s); the parameters are {best}.", UserWarning
            )
        elif outcome.still_improving and self.solver == "lbfgs":
            _warn(
                f"L-BFGS ended before the gradient fell below tol={self.tol:g}: max_iter={self.max_iter} or "
                f"max_fun={self.max_fun} was reached, or rounding left nothing to gain. Raise them, raise tol, "
                "or pass X as float64.",
                ConvergenceWarning,
            )
        elif outcome.still_improving:
            _warn(
                f"Training reached max_iter={self.max_iter} before the training loss came to rest: it still "
                f"improved by more than tol={self.tol:g} within {self.n_iter_no_change} epochs. Raise max_iter, or "
                "set n_iter_no_change=np.inf to ask for just so many epochs.",
                ConvergenceWarning,
            )

    def _warn_at_end_of_schedule(self, trainer: Trainer) -> None:
        done = trainer.state.epoch - trainer.state.schedule_start
        if trainer.schedule.anneals and done == self.max_iter:
            _warn(
                f"learning_rate={self.learning_rate!r} has come to its end after max_iter={self.max_iter} epochs; "
                "from here on partial_fit goes on at the last rate. Raise max_iter to spread it over more calls.",
                UserWarning,
            )

    # ------------------------------------------------------------------------------------------------
    # Checks of what the user passes

    def _check_X(self, X: ArrayLike) -> Any:
        check_is_fitted(self)
        return _as_csr_array(validate_data(self, X, accept_sparse="csr", reset=False))

    def _check_X_y(self, X: ArrayLike, y: ArrayLike, *, reset: bool) -> tuple[Any, Any]:
        X, y = validate_data(self, X, y, accept_sparse="csr", multi_output=True, reset=reset)
        if y.ndim == 2 and y.shape[1] == 1 and not sp.issparse(y):
            y = column_or_1d(y, warn=True)
        return _as_csr_array(X), y

    def _rows(self, X, y, sample_weight, labels: Labels) -> Rows:
        weights = check_weights(sample_weight, X.shape[0], "sample_weight")
        return Rows(X, labels.encode(y, smoothing=self.label_smoothing), weights).only_positive()

    def _given_validation(self, labels: Labels, X_val, y_val, sample_weight_val) -> Rows | None:
        if X_val is None and y_val is None and sample_weight_val is None:
            return None
        if X_val is None or y_val is None:
            missing = "X_val" if X_val is None else "y_val"
            raise ValueError(f"{missing} is missing: X_val and y_val must be passed together.")
        if not self.early_stopping:
            raise ValueError(
                "X_val and y_val were passed, but early_stopping is False, so nothing would use them. Set "
                "early_stopping=True, or do not pass them."
            )
        X_val, y_val = self._check_X_y(X_val, y_val, reset=False)
        weights = check_weights(sample_weight_val, X_val.shape[0], "sample_weight_val")
        return Rows(X_val, labels.encode(y_val, name="y_val"), weights).only_positive()

    def _labels_for_partial_fit(self, y, classes, goes_on: bool) -> Labels:
        if goes_on:
            if classes is not None:
                given = Labels.of_classes(classes, multilabel=self._kind == "multilabel")
                self._check_classes_unchanged(given, "partial_fit")
            return self._labels()
        if classes is None:
            raise ValueError(
                "classes must be passed on the first call to partial_fit: all labels that will ever occur, since "
                "one part of the data may not hold them all."
            )
        return Labels.of_classes(classes, multilabel=type_of_target(y).startswith("multilabel"))

    def _check_classes_unchanged(self, labels: Labels, caller: str) -> None:
        if labels.kind != self._kind or not np.array_equal(labels.classes, self.classes_):
            raise ValueError(
                f"{caller} goes on with the network that it has, so the classes must stay the same: previously "
                f"{self.classes_}, now {labels.classes}."
            )

    # ------------------------------------------------------------------------------------------------
    # What was fitted

    def _labels(self) -> Labels:
        return Labels(self._kind, self.classes_)

    def _network(self) -> Network:
        theta = flat_parameters(self.coefs_, self.intercepts_, self._sizes, np.dtype(self._dtype))
        return Network(self._sizes, [ACTIVATIONS[name] for name in self._activations], theta)

    def _scores(self, X: ArrayLike) -> NDArray:
        X = self._check_X(X)
        return score_rows(self._network(), X)

    def _scores_per_class(self, X: ArrayLike) -> NDArray:
        """Return one score per class: for two classes -z and z, whose sigmoids are the two probabilities."""
        scores = self._scores(X)
        return np.hstack([-scores, scores]) if self._kind == "binary" else scores


@contextmanager
def _all_or_nothing(estimator: ScratchMLPClassifier) -> Iterator[ScratchMLPClassifier]:
    """Work on a shallow copy, whose attributes become the estimator's own only if nothing was raised."""
    model = copy.copy(estimator)
    yield model
    vars(estimator).clear()
    vars(estimator).update(vars(model))


def _as_csr_array(X: Any) -> Any:
    return sp.csr_array(X) if sp.issparse(X) else X


def _warn(message: str, category: type[Warning]) -> None:
    warnings.warn(message, category, stacklevel=6)
