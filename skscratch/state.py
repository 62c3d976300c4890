"""The state of a training between two calls of fit or partial_fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

FIRST_PRECISION = 3.0


@dataclass
class TrainingState:
    """What training needs to go on where it left off: plain numbers and arrays, stored with the model.

    Attributes
    ----------
    rng : dict
        State of the generator that draws the order of the rows and the masks of dropout.
    split_seed : int
        Seed of the validation split; kept, so that a warm start validates on the same rows.
    solver : str
        The solver that ``memory`` belongs to.
    memory : dict
        The optimizer's vectors and counts.
    epoch : int
        Epochs trained so far, over all calls.
    schedule_start : int
        The epoch at which the present course of the learning rate began.
    divisions : int
        How often ``learning_rate="adaptive"`` has divided the rate.
    precision : float
        What ``alpha="auto"`` divides by the effective number of rows.
    """

    rng: Mapping[str, Any]
    split_seed: int
    solver: str = ""
    memory: dict[str, Any] = field(default_factory=dict)
    epoch: int = 0
    schedule_start: int = 0
    divisions: int = 0
    precision: float = FIRST_PRECISION

    def begin_course(self) -> None:
        """Let a new course of the learning rate begin with the coming epoch, and at the first precision."""
        self.schedule_start, self.precision = self.epoch, FIRST_PRECISION
