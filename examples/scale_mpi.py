"""Data-parallel training with MPI, on several processes or machines.

Every rank holds a part of the rows. In each step, every rank computes the gradient of its own batch, and one
all-reduce turns these into the gradient of the global batch. All ranks therefore hold the same network. A
single process would get this network from the same batches, up to rounding in sums.

The example needs ``pip install "skscratch[mpi]"``, which includes an MPI library for one machine. On a
cluster, use the cluster's own. ``docs/user_guide/distributed.rst`` has the rules. Run it with

    mpiexec -n 2 python -m mpi4py examples/scale_mpi.py

``-m mpi4py`` stops all ranks if one of them fails. Divide the cores among the ranks: NumPy's BLAS may start
threads of its own, so set for example OPENBLAS_NUM_THREADS=1.
"""

import numpy as np
from mpi4py import MPI
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skscratch import ScratchMLPClassifier
from skscratch.parallel import data_parallel


def scale(X_here, comm):
    """Return the mean and the standard deviation of every feature over the rows of all ranks."""
    sums = np.stack([np.ones(X_here.shape[1]) * len(X_here), X_here.sum(axis=0), (X_here**2).sum(axis=0)])
    n, total, squares = comm.allreduce(sums)
    mean = total / n
    return mean, np.maximum(np.sqrt(squares / n - mean**2), 1e-9)


def main():
    """Train on digits with early stopping; rank 0 prints the results."""
    comm = MPI.COMM_WORLD
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
    # On a cluster, every rank would read its own files here.
    X_here, y_here = X_train[comm.rank :: comm.size], y_train[comm.rank :: comm.size]
    mean, deviation = scale(X_here, comm)

    mlp = ScratchMLPClassifier(64, batch_size=100, early_stopping=True, random_state=0)
    with data_parallel(mlp, comm):
        mlp.fit((X_here - mean) / deviation, y_here)

    bits = comm.gather([array.tobytes() for array in (*mlp.coefs_, *mlp.intercepts_)])
    if comm.rank == 0:
        print(f"{comm.size} ranks, {len(y_here)} rows on the first, {mlp.n_iter_} epochs")
        print(f"all ranks hold the same network: {all(each == bits[0] for each in bits)}")
        print(f"test accuracy: {mlp.score((X_test - mean) / deviation, y_test):.3f}")


if __name__ == "__main__":
    main()
