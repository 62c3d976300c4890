"""Out-of-core training: Parquet in chunks, or a memory-mapped NumPy file.

There are two ways to train on data that does not fit into memory. Both use the same rows here:

1. Read a Parquet file in chunks, and pass every chunk to ``partial_fit``. Only one chunk is in memory at a
   time, and the optimizer's memory is kept from call to call. Chunks come in the file's order, so the file
   should not be sorted by class.
2. Map a NumPy file into memory, and pass it to ``fit``. ``fit`` gathers the rows of a few minibatches at a
   time, in a new random order every epoch. The file is never copied as a whole.

Parquet needs pyarrow (``pip install pyarrow``). Run the example with
``python examples/scale_out_of_core.py``, and add ``--rows 20000000`` for more rows.
``docs/user_guide/streaming.rst`` has the rules.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from skscratch import ScratchMLPClassifier

N_FEATURES, CLASSES = 20, np.arange(3)
ROWS_AT_ONCE = 10_000


def draw_rows(n_rows, seed):
    """Draw rows of three classes that are not linearly separable."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, N_FEATURES)).astype(np.float32)
    return X, np.digitize(X[:, 0] * X[:, 1] + X[:, 2], [-0.6, 0.6])


def write_files(folder, n_rows):
    """Write the same rows as Parquet and as NumPy files, a chunk at a time."""
    parquet, numpy_X, numpy_y = (Path(folder) / name for name in ("rows.parquet", "X.npy", "y.npy"))
    X_map = np.lib.format.open_memmap(numpy_X, "w+", np.float32, (n_rows, N_FEATURES))
    y_map = np.lib.format.open_memmap(numpy_y, "w+", np.int64, (n_rows,))
    names = [f"x{j}" for j in range(N_FEATURES)]
    schema = pa.schema([*((name, pa.float32()) for name in names), ("y", pa.int64())])
    with pq.ParquetWriter(parquet, schema) as writer:
        for seed, start in enumerate(range(0, n_rows, ROWS_AT_ONCE)):
            X, y = draw_rows(min(ROWS_AT_ONCE, n_rows - start), seed)
            X_map[start : start + len(X)], y_map[start : start + len(X)] = X, y
            writer.write_table(pa.table([*X.T, y], schema=schema))
    return parquet, numpy_X, numpy_y


def read_parquet(path):
    """Yield the file's rows in chunks."""
    for batch in pq.ParquetFile(path).iter_batches(batch_size=ROWS_AT_ONCE):
        *columns, y = batch.columns
        yield np.column_stack([column.to_numpy() for column in columns]), y.to_numpy()


def stream(parquet, n_epochs=3):
    """Train on a Parquet file, several times over."""
    # alpha="auto" would depend on the rows of each chunk; a number is the same for all of them.
    # Without max_iter, the learning rate is constant, since the number of calls is unknown.
    mlp = ScratchMLPClassifier(64, solver="adam", alpha=1e-5, batch_size=100, random_state=0)
    for _ in range(n_epochs):
        for X, y in read_parquet(parquet):
            mlp.partial_fit(X, y, classes=CLASSES)
    return mlp


def fit_mapped(numpy_X, numpy_y, n_epochs=3):
    """Train on memory-mapped files."""
    mlp = ScratchMLPClassifier(
        64,
        solver="adam",
        alpha=1e-5,
        batch_size=100,
        max_iter=n_epochs,
        random_state=0,
    )
    return mlp.fit(np.load(numpy_X, mmap_mode="r"), np.load(numpy_y, mmap_mode="r"))


def main(n_rows=200_000):
    """Train both ways and return the accuracies on fresh rows."""
    X_test, y_test = draw_rows(10_000, seed=10**6)
    with tempfile.TemporaryDirectory() as folder:
        parquet, numpy_X, numpy_y = write_files(folder, n_rows)
        print(f"{n_rows:,} rows, {numpy_X.stat().st_size / 1e6:.0f} MB, at most {ROWS_AT_ONCE:,} at once")
        streamed = stream(parquet).score(X_test, y_test)
        print(f"Parquet, partial_fit:   test accuracy {streamed:.3f}")
        mapped = fit_mapped(numpy_X, numpy_y).score(X_test, y_test)
        print(f"memory-mapped, fit:     test accuracy {mapped:.3f}")
    return streamed, mapped


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    main(parser.parse_args().rows)
