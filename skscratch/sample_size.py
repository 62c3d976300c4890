"""Sample size: how many different rows training has seen, in one call or in many small ones.

``alpha="auto"`` is c / N. In ``fit``, N is the effective sample size of the training rows. ``partial_fit``
may be given any part of the data, a single row or all rows once more, so N must cover the parts before, and
count no row twice. Let D be the number of distinct rows seen so far. After each call,

    N <- max(effective size of this call, N * (D with this call) / (D before it))

If every call has the same rows, D does not change, and N is that of ``fit``.

A call with few rows makes a small step of the data, but a whole step of the penalty. So if the effective
size n of the call is below 32, alpha is n / 32 times c / N. In the long run, the penalty then pulls as with
32 rows in each step.

D is estimated from a sketch, the k smallest hashes of all rows (Bar-Yossef et al. 2002). Hashes are uniform
between 0 and 1. If the k-th smallest is h, about (k - 1) / h distinct rows have been hashed. The estimate is
exact up to k - 1 rows; beyond that its standard error is 9 %.

====== ============= ==============================================================
symbol shape         meaning
====== ============= ==============================================================
N      number        effective sample size of all rows seen so far
n      number        effective sample size of the rows in this call
D      number        number of distinct rows, estimated, over all processes
sketch (k,) or less  the smallest hashes of the rows of this process, in their order
====== ============= ==============================================================
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .batches import Batches
from .copies import hashes
from .training_state import TrainingState

LENGTH_OF_SKETCH = 128
FULL_STEP = 32  # rows; batch_size="auto" makes no smaller batches if there are more rows


def sample_size(state: TrainingState, batches: Batches) -> float:
    """Return N, which covers these rows and all that the state has seen before; update the state."""
    rows, communicator = batches.rows, batches.communicator
    sketch = merge(state.sketch, hashes(rows.X, rows.codes(), rows.positions))
    before, after = communicator.sum(n_distinct(state.sketch), n_distinct(sketch))
    grown = state.sample_size * max(1.0, after / before) if before else 0.0
    state.sketch, state.sample_size = sketch, max(batches.effective_size, grown)
    return state.sample_size


def alpha_from_precision(c: float, N: float, batches: Batches) -> float:
    """Return alpha = c / N * min(1, n / 32)."""
    return c / N * min(1.0, batches.effective_size / FULL_STEP)


def merge(sketch: NDArray, new: NDArray) -> NDArray:
    """Return the sketch of all rows, given that of some and the hashes of others."""
    return np.unique(np.concatenate([sketch, new]))[:LENGTH_OF_SKETCH]


def n_distinct(sketch: NDArray) -> float:
    """Return about how many distinct rows the sketch has seen."""
    k = len(sketch)
    return k if k < LENGTH_OF_SKETCH else (k - 1) / float(sketch[-1])
