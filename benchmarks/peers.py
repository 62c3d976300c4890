"""The same work, done by every tool.

Each function here prepares what is not timed (tensors, compilation, a fitted model) and returns the
function that is timed. That function trains from new initial weights and returns `(coefs, intercepts)`,
or it predicts and returns probabilities.

The work is the same: sizes, batches, dtype and epochs; SGD with Nesterov momentum and an L2 penalty;
uniform He weights, except in scikit-learn, whose public interface only offers Glorot's. Where tools
differ, the other tool has the advantage: PyTorch and JAX start from finished tensors, without the
checks, label encoding and conversions of a public `fit`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits
from workloads import MOMENTUM, SEED, Problem

from skscratch import ScratchMLPClassifier, all_blas_threads

Parameters = tuple[list[NDArray], list[NDArray]]


class LeftOut(Exception):
    """A tool does not support a workload; the message is the reason, or empty if it is obvious."""


# The two estimators


def make_ours(problem: Problem, **changes: Any) -> ScratchMLPClassifier:
    """Return our estimator, with patience that never stops training early."""
    parameters = dict(
        hidden_layer_sizes=problem.hidden,
        activation="relu",
        solver="sgd",
        alpha=problem.alpha,
        batch_size=problem.batch_size,
        learning_rate="constant",
        learning_rate_init=problem.learning_rate,
        max_iter=problem.epochs,
        random_state=SEED,
        momentum=MOMENTUM,
        nesterovs_momentum=True,
        early_stopping=False,
        n_iter_no_change=problem.epochs,
        max_grad_norm=None,  # no peer here clips
    )
    return ScratchMLPClassifier(**(parameters | changes))


def make_sklearn(problem: Problem) -> MLPClassifier:
    """Return scikit-learn's; it divides alpha by the batch size, so this multiplies by it."""
    return MLPClassifier(
        hidden_layer_sizes=problem.hidden,
        activation="relu",
        solver="sgd",
        alpha=problem.alpha * problem.batch_size,
        batch_size=problem.batch_size,
        learning_rate="constant",
        learning_rate_init=problem.learning_rate,
        max_iter=problem.epochs,
        random_state=SEED,
        momentum=MOMENTUM,
        nesterovs_momentum=True,
        early_stopping=False,
        n_iter_no_change=problem.epochs,
    )


def fit_ours(problem: Problem) -> Callable[[], Parameters]:
    return _fit_estimator(make_ours(problem), problem)


def fit_ours_with_adam(problem: Problem) -> Callable[[], Parameters]:
    if sp.issparse(problem.X) or problem.repeats > 1:
        raise LeftOut()
    # The length of Adam's steps depends on its rate, not on the gradient.
    return _fit_estimator(make_ours(problem, solver="adam", learning_rate_init=0.001), problem)


def fit_sklearn(problem: Problem) -> Callable[[], Parameters]:
    return _fit_estimator(make_sklearn(problem), problem)


def _fit_estimator(estimator: Any, problem: Problem) -> Callable[[], Parameters]:
    def train() -> Parameters:
        for _ in range(problem.repeats):
            estimator.fit(problem.X, problem.y)
        if estimator.n_iter_ != problem.epochs:
            raise RuntimeError(f"{estimator} stopped after {estimator.n_iter_} of {problem.epochs} epochs.")
        return estimator.coefs_, estimator.intercepts_

    return train


def predict_ours(problem: Problem) -> Callable[[], NDArray]:
    return _predict_estimator(_fitted_ours(problem), problem)


def predict_sklearn(problem: Problem) -> Callable[[], NDArray]:
    model = make_sklearn(problem).fit(*_few(problem))
    model.coefs_, model.intercepts_ = _fitted_weights(problem)
    return _predict_estimator(model, problem)


def _predict_estimator(model: Any, problem: Problem) -> Callable[[], NDArray]:
    rows = problem.X[: problem.n_predicted]

    def predict() -> NDArray:
        for _ in range(problem.repeats):
            P = model.predict_proba(rows)
        return P

    return predict


def _few(problem: Problem) -> tuple[NDArray, NDArray]:
    n = 10 * problem.batch_size
    return problem.X[:n], problem.y[:n]


def _fitted_ours(problem: Problem) -> ScratchMLPClassifier:
    return make_ours(problem).fit(*_few(problem))


def _fitted_weights(problem: Problem) -> Parameters:
    """Return the weights of our fitted estimator; every tool predicts with them."""
    model = _fitted_ours(problem)
    return list(model.coefs_), list(model.intercepts_)


def within(
    make_context: Callable[[], AbstractContextManager[Any]],
    prepare: Callable[[Problem], Callable[[], Any]],
) -> Callable[[Problem], Callable[[], Any]]:
    """Return what prepares the same run inside a context."""

    def prepare_within(problem: Problem) -> Callable[[], Any]:
        run = prepare(problem)

        def run_within() -> Any:
            with make_context():
                return run()

        return run_within

    return prepare_within


def one_blas_thread() -> AbstractContextManager[Any]:
    return threadpool_limits(1, user_api="blas")


def search_ours(problem: Problem) -> Callable[[], Parameters]:
    return _search(make_ours(problem), 1.0, problem)


def search_sklearn(problem: Problem) -> Callable[[], Parameters]:
    return _search(make_sklearn(problem), problem.batch_size, problem)


def _search(estimator: Any, alpha_factor: float, problem: Problem) -> Callable[[], Parameters]:
    """Search 12 candidates in 5 folds and refit the best one on all rows, in two processes."""
    candidates = {
        "hidden_layer_sizes": [(32,), (64,), (100,)],
        "alpha": [1e-4 * alpha_factor, 1e-3 * alpha_factor],
        "learning_rate_init": [0.01, 0.02],
    }
    search = GridSearchCV(estimator, candidates, cv=5, n_jobs=2)

    def run() -> Parameters:
        best = search.fit(problem.X, problem.y).best_estimator_
        return best.coefs_, best.intercepts_

    return run


# PyTorch: eager mode, with the loop of its tutorials


def fit_torch(problem: Problem) -> Callable[[], Parameters]:
    import torch

    if problem.repeats > 1:
        raise LeftOut("it has no fit to call")
    y = torch.from_numpy(problem.y.astype(np.int64))
    if sp.issparse(problem.X):
        # Its sparse tensors cannot be indexed by a batch of rows, so each batch is made dense.
        def take(rows: torch.Tensor) -> torch.Tensor:
            return torch.from_numpy(problem.X[rows.numpy()].toarray())
    else:
        X = torch.from_numpy(problem.X)

        def take(rows: torch.Tensor) -> torch.Tensor:
            return X[rows]

    def train() -> Parameters:
        torch.manual_seed(SEED)
        model = _torch_model(problem)
        linear = [layer for layer in model if isinstance(layer, torch.nn.Linear)]
        for layer in linear:
            torch.nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
            torch.nn.init.zeros_(layer.bias)
        # One group of parameters, as usual. It penalises the biases, too, which costs no time.
        optimizer = torch.optim.SGD(
            model.parameters(),
            lr=problem.learning_rate,
            momentum=MOMENTUM,
            nesterov=True,
            weight_decay=problem.alpha,
        )
        for _ in range(problem.epochs):
            total = 0.0
            for rows in torch.randperm(len(y)).split(problem.batch_size):
                optimizer.zero_grad()
                loss = torch.nn.functional.cross_entropy(model(take(rows)), y[rows])
                loss.backward()
                optimizer.step()
                total += loss.item()
        coefs = [layer.weight.detach().numpy().T for layer in linear]
        return coefs, [layer.bias.detach().numpy() for layer in linear]

    return train


def predict_torch(problem: Problem) -> Callable[[], NDArray]:
    import torch

    model = _torch_model(problem)
    linear = [layer for layer in model if isinstance(layer, torch.nn.Linear)]
    with torch.no_grad():
        for layer, W, b in zip(linear, *_fitted_weights(problem), strict=True):
            layer.weight.copy_(torch.from_numpy(W.T.copy()))
            layer.bias.copy_(torch.from_numpy(b.copy()))
    rows = problem.X[: problem.n_predicted]

    def predict() -> NDArray:
        for _ in range(problem.repeats):
            with torch.inference_mode():
                P = torch.softmax(model(torch.from_numpy(rows)), dim=1).numpy()
        return P

    return predict


def _torch_model(problem: Problem) -> Any:
    import torch

    layers: list[torch.nn.Module] = []
    for fan_in, fan_out in zip(problem.sizes, problem.sizes[1:], strict=False):
        layers += [torch.nn.Linear(fan_in, fan_out), torch.nn.ReLU()]
    dtype = {"float32": torch.float32, "float64": torch.float64}[problem.X.dtype.name]
    return torch.nn.Sequential(*layers[:-1]).to(dtype)


# JAX: a whole epoch compiled


def fit_jax(problem: Problem) -> Callable[[], Parameters]:
    import jax
    import jax.numpy as jnp

    if problem.repeats > 1:
        raise LeftOut("it has no fit to call")
    if sp.issparse(problem.X):
        raise LeftOut("its sparse matrices cannot be indexed by a batch of rows")
    jax.config.update("jax_enable_x64", True)
    X, y = jnp.asarray(problem.X), jnp.asarray(problem.y.astype(np.int32))

    def loss(theta: Any, X: Any, y: Any) -> Any:
        # One-hot targets and a gather in every step are the fastest of the ways tried.
        targets = jax.nn.one_hot(y, problem.n_classes, dtype=X.dtype)
        return -jnp.sum(targets * jax.nn.log_softmax(_jax_scores(theta, X))) / len(y)

    @jax.jit
    def run_epoch(theta: Any, velocity: Any, X: Any, y: Any, order: Any) -> Any:
        def step(carry: Any, rows: Any) -> Any:
            theta, velocity = carry
            value, gradient = jax.value_and_grad(loss)(theta, X[rows], y[rows])
            gradient = [
                (g_W + problem.alpha * W, g_b) for (g_W, g_b), (W, _) in zip(gradient, theta, strict=True)
            ]
            eta = problem.learning_rate
            velocity = jax.tree.map(lambda v, g: MOMENTUM * v - eta * g, velocity, gradient)
            theta = jax.tree.map(lambda p, v, g: p + MOMENTUM * v - eta * g, theta, velocity, gradient)
            return (theta, velocity), value

        carry, values = jax.lax.scan(step, (theta, velocity), order)
        return *carry, values.mean()

    def train() -> Parameters:
        rng = np.random.default_rng(SEED)
        theta = [(jnp.asarray(W), jnp.asarray(b)) for W, b in _he_uniform(problem, rng)]
        velocity = jax.tree.map(jnp.zeros_like, theta)
        for _ in range(problem.epochs):
            # NumPy's permutation is faster than the one that JAX compiles.
            order = rng.permutation(len(y)).astype(np.int32).reshape(-1, problem.batch_size)
            theta, velocity, _ = run_epoch(theta, velocity, X, y, order)
        return [np.asarray(W) for W, _ in theta], [np.asarray(b) for _, b in theta]

    return train


def predict_jax(problem: Problem) -> Callable[[], NDArray]:
    import jax
    import jax.numpy as jnp

    theta = [(jnp.asarray(W), jnp.asarray(b)) for W, b in zip(*_fitted_weights(problem), strict=True)]
    rows = problem.X[: problem.n_predicted]
    probabilities = jax.jit(lambda theta, X: jax.nn.softmax(_jax_scores(theta, X)))

    def predict() -> NDArray:
        for _ in range(problem.repeats):
            P = np.asarray(probabilities(theta, rows))
        return P

    return predict


def _jax_scores(theta: Any, X: Any) -> Any:
    import jax

    for W, b in theta[:-1]:
        X = jax.nn.relu(X @ W + b)
    W, b = theta[-1]
    return X @ W + b


def _he_uniform(problem: Problem, rng: np.random.Generator) -> list[tuple[NDArray, NDArray]]:
    dtype = problem.X.dtype
    return [
        (
            rng.uniform(-1, 1, (fan_in, fan_out)).astype(dtype) * dtype.type(np.sqrt(6 / fan_in)),
            np.zeros(fan_out, dtype),
        )
        for fan_in, fan_out in zip(problem.sizes, problem.sizes[1:], strict=False)
    ]


# TensorFlow: a step compiled by tf.function


def fit_tensorflow(problem: Problem) -> Callable[[], Parameters]:
    import tensorflow as tf

    if problem.repeats > 1:
        raise LeftOut("it has no fit to call")
    if sp.issparse(problem.X):
        raise LeftOut("its sparse tensors cannot be indexed by a batch of rows")
    X, y = tf.constant(problem.X), tf.constant(problem.y.astype(np.int32))
    pairs = _he_uniform(problem, np.random.default_rng(SEED))
    theta = [tf.Variable(array) for pair in pairs for array in pair]
    velocity = [tf.Variable(tf.zeros_like(variable)) for variable in theta]

    @tf.function
    def step(rows: Any) -> Any:
        a = tf.gather(X, rows)
        with tf.GradientTape() as tape:
            for W, b in zip(theta[:-2:2], theta[1:-2:2], strict=True):
                a = tf.nn.relu(a @ W + b)
            scores = a @ theta[-2] + theta[-1]
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.gather(y, rows), scores)
            loss = tf.reduce_mean(losses)
        for p, v, g in zip(theta, velocity, tape.gradient(loss, theta), strict=True):
            if p.shape.rank == 2:
                g += problem.alpha * p
            v.assign(MOMENTUM * v - problem.learning_rate * g)
            p.assign_add(MOMENTUM * v - problem.learning_rate * g)
        return loss

    def train() -> Parameters:
        rng = np.random.default_rng(SEED)
        for variable, array in zip(
            theta, [array for pair in _he_uniform(problem, rng) for array in pair], strict=True
        ):
            variable.assign(array)
        for variable in velocity:
            variable.assign(tf.zeros_like(variable))
        for _ in range(problem.epochs):
            order = rng.permutation(len(problem.y)).astype(np.int32)
            for rows in tf.constant(order.reshape(-1, problem.batch_size)):
                step(rows)
        return [W.numpy() for W in theta[::2]], [b.numpy() for b in theta[1::2]]

    return train


# The lower bound: the matrix products alone


def fit_products(problem: Problem) -> Callable[[], None]:
    """Multiply for every batch: forward, weight gradient, and input gradient except in the first layer."""
    if problem.repeats > 1:
        raise LeftOut()
    n, dtype = problem.batch_size, problem.X.dtype
    rng = np.random.default_rng(SEED)
    W = [W for W, _ in _he_uniform(problem, rng)]
    a = [rng.standard_normal((n, size)).astype(dtype) for size in problem.sizes]
    delta = [rng.standard_normal((n, size)).astype(dtype) for size in problem.sizes]
    gradient = [np.empty_like(W_l) for W_l in W]
    last = len(W) - 1
    if sp.issparse(problem.X):
        # SciPy's sparse products take no out=.
        a[0] = problem.X[:n]

        def first_forward() -> None:
            a[1] = a[0] @ W[0]

        def first_gradient() -> None:
            gradient[0] = a[0].T @ delta[1]
    else:

        def first_forward() -> None:
            np.dot(a[0], W[0], out=a[1])

        def first_gradient() -> None:
            np.dot(a[0].T, delta[1], out=gradient[0])

    def multiply() -> None:
        for _ in range(problem.epochs * problem.n_batches):
            first_forward()
            for l in range(1, last + 1):
                np.dot(a[l], W[l], out=a[l + 1])
            for l in range(last, 0, -1):
                np.dot(a[l].T, delta[l + 1], out=gradient[l])
                np.dot(delta[l + 1], W[l].T, out=delta[l])
            first_gradient()

    return multiply


def predict_products(problem: Problem) -> Callable[[], None]:
    rows = problem.X[: problem.n_predicted]
    W, _ = _fitted_weights(problem)
    a = [np.empty((len(rows), size), rows.dtype) for size in problem.sizes]

    def multiply() -> None:
        for _ in range(problem.repeats):
            np.dot(rows, W[0], out=a[1])
            for l in range(1, len(W)):
                np.dot(a[l], W[l], out=a[l + 1])

    return multiply


OURS, ADAM, FLOOR = "skscratch", "adam", "products"
ONE_THREAD, ALL_THREADS = "skscratch on one thread", "skscratch on all threads"
# Our own time is divided by the time of these; the time of all others is divided by ours.
OURS_ABOVE = (FLOOR, ONE_THREAD)

# What is timed, by kind of workload and by tool.
TOOLS: dict[str, dict[str, Callable[[Problem], Callable[[], Any]]]] = {
    "fit": {
        OURS: fit_ours,
        "scikit-learn": fit_sklearn,
        "PyTorch": fit_torch,
        "JAX": fit_jax,
        "TensorFlow": fit_tensorflow,
        FLOOR: fit_products,
        ADAM: fit_ours_with_adam,
        ONE_THREAD: within(one_blas_thread, fit_ours),
        ALL_THREADS: within(all_blas_threads, fit_ours),
    },
    "predict": {
        OURS: predict_ours,
        "scikit-learn": predict_sklearn,
        "PyTorch": predict_torch,
        "JAX": predict_jax,
        FLOOR: predict_products,
        ONE_THREAD: within(one_blas_thread, predict_ours),
        ALL_THREADS: within(all_blas_threads, predict_ours),
    },
    "search": {OURS: search_ours, "scikit-learn": search_sklearn},
}


def cross_entropy(problem: Problem, result: Parameters | NDArray | None) -> float | None:
    """Return the mean cross-entropy of a tool's result, summed in float64 for all tools."""
    if result is None:
        return None
    if isinstance(result, tuple):
        return _loss_of_parameters(problem, *result)
    P = np.asarray(result, dtype=np.float64)
    return float(-np.log(P[np.arange(len(P)), problem.y[: len(P)]]).mean())


def _loss_of_parameters(problem: Problem, coefs: list[NDArray], intercepts: list[NDArray]) -> float:
    total = 0.0
    for start in range(0, len(problem.y), 10_000):
        a, y = problem.X[start : start + 10_000], problem.y[start : start + 10_000]
        for W, b in zip(coefs[:-1], intercepts[:-1], strict=True):
            a = np.maximum(a @ W + b, 0)
        scores = np.asarray(a @ coefs[-1] + intercepts[-1], dtype=np.float64)
        total += float((np.logaddexp.reduce(scores, axis=1) - scores[np.arange(len(y)), y]).sum())
    return total / len(problem.y)


def check_dtype(problem: Problem, result: Parameters | NDArray | None) -> None:
    """Raise if a tool computed in another precision than that of its input."""
    if result is None:
        return
    arrays = [*result[0], *result[1]] if isinstance(result, tuple) else [result]
    dtypes = {np.asarray(array).dtype for array in arrays}
    if dtypes != {problem.X.dtype}:
        raise RuntimeError(f"Asked for {problem.X.dtype}, the tool computed in {dtypes}.")
