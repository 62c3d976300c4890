"""What test_mpi.py runs on every rank: one case after the other; each rank writes down what it got.

    mpiexec -n 3 python -m mpi4py mpi_program.py FOLDER

With ``--fail`` instead, rank 1 meets an error that the others do not meet.
"""

import pickle
import sys
import warnings
from pathlib import Path

import numpy as np

from skscratch import ScratchMLPClassifier
from skscratch.batches import Batches
from skscratch.parallel import data_parallel

SIZE = 3
N_ROWS, BATCH_SIZE = 90, 12
# Ranks 0, 1 and 2 have 15, 30 and 45 of the 90 rows: 2, 4 and 6 in each global batch of 12.
SHARES = (2, 4, 6)
# With these numbers of rows rank 0 has no row left for the last global batch.
RAGGED = (3, 10, 30)


def make_data(kind, n=N_ROWS, dtype=np.float64):
    rng = np.random.default_rng(7)
    X = rng.normal(size=(n, 4)).astype(dtype)
    if kind == "multilabel":
        y = np.stack([X[:, 0] > 0, X[:, 1] + X[:, 2] > 0.3], axis=1).astype(int)
    else:
        y = np.digitize(X[:, 0] + X[:, 1] ** 2, [0.8] if kind == "binary" else [0.2, 1.5])
    return X, y, rng.uniform(0.2, 3.0, n)


def rows_of(rank, n=N_ROWS, size=BATCH_SIZE):
    """Return the rows of a rank such that global batches are those of one process on all rows in order."""
    low, high = sum(SHARES[:rank]), sum(SHARES[: rank + 1])
    parts = [
        batch[low * len(batch) // BATCH_SIZE : high * len(batch) // BATCH_SIZE]
        for batch in (np.arange(start, min(start + size, n)) for start in range(0, n, size))
    ]
    return np.concatenate(parts)


def make_mlp(**params):
    given = {
        "hidden_layer_sizes": (6, 5),
        "activation": "tanh",
        "batch_size": BATCH_SIZE,
        "learning_rate": "constant",
        "learning_rate_init": 0.05,
        "max_iter": 5,
        "n_iter_no_change": np.inf,
        "shuffle": False,
        "max_grad_norm": None,
        "random_state": 3,
    }
    return ScratchMLPClassifier(**given | params)


# Parameters with which ranks in step must give what one process gives; each is fitted with sample weights.
SAME_AS_ONE = {
    "binary": ("binary", {}),
    "multiclass": ("multiclass", {}),
    "multilabel": ("multilabel", {}),
    "adam": ("multiclass", {"solver": "adam"}),
    "lbfgs": ("multiclass", {"solver": "lbfgs", "alpha": 0.1, "tol": 1e-3, "max_iter": 100}),
    "clipped": ("multiclass", {"max_grad_norm": 0.05}),
    "class weights": ("multiclass", {"class_weight": {0: 1, 1: 3, 2: 0.5}}),
    "fixed alpha": ("multiclass", {"alpha": 0.1}),
    "patience": ("multiclass", {"max_iter": 100, "n_iter_no_change": 2, "tol": 0.02}),
    "one cycle": ("multiclass", {"learning_rate": "one_cycle", "max_iter": "auto", "alpha": 0.02}),
    "adaptive": (
        "multiclass",
        {"max_iter": 60, "n_iter_no_change": 2, "tol": 0.1, "learning_rate": "adaptive"},
    ),
}
LBFGS_ONLY = {
    "batch_size": "auto",
    "shuffle": True,
    "learning_rate": "one_cycle",
    "learning_rate_init": "auto",
    "n_iter_no_change": "auto",
}


def mlp_like_one(name):
    kind, params = SAME_AS_ONE[name]
    if params.get("solver") == "lbfgs":
        params = LBFGS_ONLY | params
    return kind, make_mlp(**params)


def early_stopper():
    return make_mlp(early_stopping=True, max_iter=60, n_iter_no_change=3, learning_rate_init=0.3)


def facts(mlp, **more):
    kept = ("classes_", "n_iter_", "t_", "loss_curve_", "validation_loss_curve_", "best_iter_", "best_loss_")
    kept += ("batch_size_", "learning_rate_init_", "n_iter_no_change_")
    return {
        "theta": np.concatenate([a.ravel() for a in (*mlp.coefs_, *mlp.intercepts_)]),
        "memory": mlp._training_state["memory"],
        **{name: getattr(mlp, name) for name in kept},
        "alpha_": mlp.alpha_,
        **more,
    }


def fit_like_one(comm, name):
    kind, mlp = mlp_like_one(name)
    X, y, w = make_data(kind)
    here = rows_of(comm.rank)
    with data_parallel(mlp, comm):
        mlp.fit(X[here], y[here], w[here])
    return facts(mlp)


def float32(comm):
    X, y, w = make_data("multiclass", dtype=np.float32)
    here, mlp = rows_of(comm.rank), make_mlp()
    with data_parallel(mlp, comm):
        mlp.fit(X[here], y[here], w[here])
    return facts(mlp)


def automatic_batch_size(comm):
    X, y, w = make_data("binary", 6144)
    here, mlp = rows_of(comm.rank, 6144, 96), make_mlp(batch_size="auto", max_iter=2)
    with data_parallel(mlp, comm):
        mlp.fit(X[here], y[here], w[here])
    return facts(mlp)


def weights_on_one_rank_only(comm):
    X, y, w = make_data("multiclass")
    here, mlp = rows_of(comm.rank), make_mlp()
    with data_parallel(mlp, comm):
        mlp.fit(X[here], y[here], w[here] if comm.rank == 1 else None)
    return facts(mlp)


def partial_fit(comm):
    X, y, w = make_data("multiclass")
    here, mlp = rows_of(comm.rank), make_mlp()
    with data_parallel(mlp):
        for _ in range(3):
            mlp.partial_fit(X[here], y[here], [0, 1, 2], w[here])
    return facts(mlp)


def given_validation(comm):
    X, y, w = make_data("multiclass")
    here, val = rows_of(comm.rank, 60), np.arange(60, 90)[comm.rank :: comm.size]
    mlp = early_stopper()
    with data_parallel(mlp, comm):
        mlp.fit(X[here], y[here], w[here], X_val=X[val], y_val=y[val], sample_weight_val=w[val])
    return facts(mlp)


def split_validation(comm):
    """Class 2 is rare: rank 0 has none of it and rank 1 a single row."""
    X, y, _ = make_data("multiclass")
    y = np.minimum(y, 1)
    here = rows_of(comm.rank)
    y[here[: (0, 1, 4)[comm.rank]]] = 2
    mlp = early_stopper().set_params(validation_fraction=0.3)
    with data_parallel(mlp, comm):
        mlp.fit(X[here], y[here])
    return facts(mlp, rows_per_epoch=mlp.t_ // mlp.n_iter_)


def a_class_of_one_row(comm):
    """Only the last rank has a row of class 1, which is the only one."""
    X, y, _ = make_data("binary")
    here, mlp = rows_of(comm.rank), early_stopper()
    y = np.zeros_like(y[here])
    y[0] = comm.rank == 2
    with data_parallel(mlp, comm):
        mlp.fit(X[here], y)
    return facts(mlp, rows_per_epoch=mlp.t_ // mlp.n_iter_)


def selected_alpha(comm):
    X, y, w = make_data("multiclass")
    here, mlp = rows_of(comm.rank), make_mlp(learning_rate="one_cycle", max_iter=30)
    with data_parallel(mlp, comm):
        mlp.fit(X[here], y[here], w[here])
    return facts(mlp)


def refit(comm):
    X, y, _ = make_data("multiclass")
    here, mlp = rows_of(comm.rank), make_mlp(early_stopping=True, learning_rate="one_cycle", max_iter=16)
    with data_parallel(mlp, comm):
        mlp.fit(X[here], y[here])
    return facts(mlp, refit_loss_curve_=mlp.refit_loss_curve_)


def hopeless_but_for_one_rank(comm):
    """Nothing can be learned here, and what is said of it depends on the rows of the last rank."""
    X, y, _ = make_data("multiclass")
    y = np.random.default_rng(1).permutation(y)
    X[rows_of(2)[0], 0] = 100
    here, mlp = rows_of(comm.rank), make_mlp(hidden_layer_sizes=3, max_iter=12)
    with data_parallel(mlp, comm), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        mlp.fit(X[here], y[here])
    return facts(mlp, warned=[str(each.message) for each in caught])


def ragged_and_shuffled(comm):
    """Ranks run out of batches at different times, and each draws its own order; the orders are noted."""
    X, y, w = make_data("multiclass", sum(RAGGED))
    first = sum(RAGGED[: comm.rank])
    here = slice(first, first + RAGGED[comm.rank])
    orders, draw = [], Batches.random_order

    def draw_and_note(self, rng):
        orders.append(draw(self, rng))
        return orders[-1]

    mlp = make_mlp(shuffle=True)
    Batches.random_order = draw_and_note
    try:
        with data_parallel(mlp, comm):
            mlp.fit(X[here], y[here], w[here])
    finally:
        Batches.random_order = draw
    return facts(mlp, orders=[first + order for order in orders])


def classes_here_and_there(comm):
    X, y, _ = make_data("multiclass")
    names = np.array(["ant", "bee", "caterpillar"])
    here = np.flatnonzero(y != comm.rank)
    mlp = make_mlp()
    with data_parallel(mlp, comm):
        mlp.fit(X[here], names[y[here]])
    return facts(mlp, predicted=mlp.predict(X))


def no_seed_and_dropout(comm):
    X, y, _ = make_data("multiclass")
    here = rows_of(comm.rank)
    mlp = make_mlp(random_state=None, dropout=0.3, shuffle=True)
    with data_parallel(mlp, comm):
        mlp.fit(X[here], y[here])
    return facts(mlp)


def divergence(comm):
    X, y, _ = make_data("multiclass")
    here = rows_of(comm.rank)
    # The rows of one rank are at fault.
    X[rows_of(1)] *= 100
    mlp = make_mlp(activation="identity", max_iter=50, momentum=0.0)
    with data_parallel(mlp, comm), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        mlp.fit(X[here], y[here])
    return facts(mlp, warned=[str(each.message) for each in caught])


def an_ordinary_estimator_afterwards(comm):
    X, y, _ = make_data("multiclass")
    here, mlp = rows_of(comm.rank), make_mlp()
    with data_parallel(mlp, comm):
        mlp.fit(X[here], y[here])
    loaded = pickle.loads(pickle.dumps(mlp))
    loaded.partial_fit(X[:5], y[:5])
    return facts(mlp, same=bool((loaded.classes_ == mlp.classes_).all()), rows=loaded.t_ - mlp.t_)


class StopAfter:
    """A callback of scikit-learn that asks to stop after an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def setup(self, estimator, context):
        """There is nothing to prepare."""

    def teardown(self, estimator, context):
        """There is nothing to put away."""

    def on_fit_task_begin(self, estimator, context):
        """Wait for the end."""

    def on_fit_task_end(self, estimator, context):
        return context.task_name == "epoch" and context.task_id + 1 == self.epoch


def stopped_on_one_rank(comm, solver):
    """Only rank 1 has a callback, and it stops after three of many epochs."""
    X, y, _ = make_data("multiclass")
    params = LBFGS_ONLY if solver == "lbfgs" else {"solver": solver}
    here, mlp = rows_of(comm.rank), make_mlp(**params | {"solver": solver, "max_iter": 30, "tol": 1e-9})
    if comm.rank == 1:
        mlp.set_callbacks(StopAfter(3))
    with data_parallel(mlp, comm):
        mlp.fit(X[here], y[here])
    return facts(mlp)


# scikit-learn has callbacks from 1.9 on.
STOPPING_SOLVERS = ("sgd", "adam", "lbfgs") if hasattr(ScratchMLPClassifier, "set_callbacks") else ()

CASES = {name: lambda comm, name=name: fit_like_one(comm, name) for name in SAME_AS_ONE}
CASES |= {
    each.__name__: each
    for each in (
        float32,
        automatic_batch_size,
        weights_on_one_rank_only,
        partial_fit,
        given_validation,
        split_validation,
        a_class_of_one_row,
        selected_alpha,
        refit,
        hopeless_but_for_one_rank,
        ragged_and_shuffled,
        classes_here_and_there,
        no_seed_and_dropout,
        divergence,
        an_ordinary_estimator_afterwards,
    )
}
CASES |= {
    f"stopped {solver}": lambda comm, solver=solver: stopped_on_one_rank(comm, solver)
    for solver in STOPPING_SOLVERS
}


def different_epochs(comm):
    X, y, _ = make_data("binary")
    return make_mlp(max_iter=5 + comm.rank), X, y


def different_solvers(comm):
    X, y, _ = make_data("binary")
    return make_mlp(**LBFGS_ONLY | {"solver": "lbfgs"}) if comm.rank else make_mlp(), X, y


def a_row_of_each_class_per_rank(comm):
    X, _, _ = make_data("binary", 2)
    return early_stopper(), X, [0, 1]


def different_dtypes(comm):
    X, y, _ = make_data("binary")
    make_here = np.float32 if comm.rank == 1 else np.float64
    return make_mlp(), X.astype(make_here), y


def different_features(comm):
    X, y, _ = make_data("binary")
    return make_mlp(), X[:, : 3 + comm.rank % 2], y


def different_labels(comm):
    X, y, _ = make_data("binary")
    return make_mlp(), X, y.astype(str) if comm.rank == 1 else y


def another_score(comm):
    X, y, _ = make_data("binary")
    return early_stopper().set_params(scoring="accuracy"), X, y


def balanced(comm):
    X, y, _ = make_data("binary")
    return make_mlp(class_weight="balanced"), X, y


MISTAKES = {
    each.__name__: each
    for each in (
        different_dtypes,
        different_features,
        different_labels,
        another_score,
        balanced,
        different_epochs,
        different_solvers,
        a_row_of_each_class_per_rank,
    )
}


def message_of(comm, mistake):
    """Return the error that a mistake leads to; all ranks meet it, so none is left waiting."""
    mlp, X, y = mistake(comm)
    try:
        with data_parallel(mlp, comm):
            mlp.fit(X, y)
    except ValueError as error:
        return str(error)
    return "no error"


def main(argument):
    from mpi4py import MPI

    warnings.simplefilter("error")
    comm = MPI.COMM_WORLD
    if argument == "--fail":
        X, y, w = make_data("binary")
        with data_parallel(make_mlp(), comm) as mlp:
            mlp.fit(X, y, -w if comm.rank == 1 else w)
        return
    results = {name: case(comm) for name, case in CASES.items()}
    messages = {name: message_of(comm, mistake) for name, mistake in MISTAKES.items()}
    Path(argument, f"rank{comm.rank}.pickle").write_bytes(pickle.dumps((results, messages)))


if __name__ == "__main__":
    main(sys.argv[1])
