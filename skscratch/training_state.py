"""Training state: what is kept between two calls of fit or partial_fit."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

INITIAL_PRIOR_PRECISION = 3.0


@dataclass
class TrainingState:
    """Everything besides weights and biases that training needs to resume where it stopped.

    Attributes
    ----------
    rng : numpy.random.Generator
        Draws the order of the rows, the dropout masks and the sample of rows for alpha selection.
    split_seed : int
        Seed of the validation split. A warm start reuses it, so it validates on the same rows.
    solver : str
        The solver that ``memory`` belongs to.
    memory : dict
        The optimizer's vectors and counters.
    epoch : int
        Number of epochs trained so far, in all calls.
    cycle_start : int
        Value of ``epoch`` when the current cycle of the learning-rate schedule began.
    n_reductions : int
        How often ``learning_rate="adaptive"`` has reduced the rate.
    prior_precision : float
        Prior precision c: ``alpha="auto"`` is c divided by the effective sample size.
    alpha_epoch : int
        The epoch after which ``alpha="auto"`` was selected in this training; 0 if it was not.
    sample_size : float
        Effective sample size of all rows seen so far; 0 if it is not known.
    sketch : ndarray
        What the number of distinct rows is estimated from, see `skscratch.sample_size`.
    """

    rng: np.random.Generator
    split_seed: int
    solver: str = ""
    memory: dict[str, Any] = field(default_factory=dict)
    epoch: int = 0
    cycle_start: int = 0
    n_reductions: int = 0
    prior_precision: float = INITIAL_PRIOR_PRECISION
    alpha_epoch: int = 0
    sample_size: float = 0.0
    sketch: NDArray = field(default_factory=lambda: np.empty(0))

    def begin_cycle(self) -> None:
        """Begin a new cycle of the schedule, with the initial prior precision."""
        self.cycle_start, self.prior_precision = self.epoch, INITIAL_PRIOR_PRECISION
        self.alpha_epoch = 0

    def begin_refit(self) -> None:
        """Begin to train on all rows, without the optimizer's memory, which is not that of the best epoch."""
        self.memory, self.cycle_start = {}, self.epoch
        self.sample_size, self.sketch = 0.0, np.empty(0)

    def to_dict(self) -> dict[str, Any]:
        """Return the state as numbers and arrays, to be stored with the model."""
        return vars(self) | {"rng": self.rng.bit_generator.state}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Return the state that ``to_dict`` stored; arrays are copied."""
        values = copy.deepcopy(dict(stored))
        rng = np.random.default_rng()
        rng.bit_generator.state = values.pop("rng")
        return cls(rng=rng, **values)

    def originals(self, stored: Mapping[str, Any]) -> list[tuple[NDArray, NDArray]]:
        """Return pairs of each array in ``memory`` and the one in ``stored`` from which it was copied."""
        pairs = ((array, stored["memory"][name]) for name, array in self.memory.items())
        return [pair for pair in pairs if isinstance(pair[0], np.ndarray)]
