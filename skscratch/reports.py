"""Reports: what an epoch came to, how a training ended, and who is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol


@dataclass
class EpochReport:
    """What one epoch came to."""

    epoch: int
    loss: float
    learning_rate: float | None
    seconds: float = 0.0
    validation_loss: float | None = None
    score: float | None = None


class Ending(Enum):
    """Why training ended."""

    CONVERGED = "patience was spent"
    MAX_ITER = "the last epoch was reached"
    DIVERGED = "the loss or a parameter left the finite numbers"
    INTERRUPTED = "the user interrupted"
    STOPPED = "a callback asked to stop"


@dataclass
class Outcome:
    """How training ended.

    Attributes
    ----------
    ending : Ending
    reports : list of EpochReport
        One for each epoch.
    best_epoch : int
        Number of the epoch whose parameters were restored; 0 where nothing was judged.
    best_score : float or None
        What the validation gave for it.
    still_improving : bool
        Whether the last epoch was reached while patience on the training loss was not spent.
    """

    ending: Ending = Ending.MAX_ITER
    reports: list[EpochReport] = field(default_factory=list)
    best_epoch: int = 0
    best_score: float | None = None
    still_improving: bool = False


class Listener(Protocol):
    """What a trainer tells."""

    def begin_epoch(self) -> None:
        """Hear that an epoch begins."""

    def end_epoch(self, report: EpochReport) -> bool:
        """Hear what the epoch came to; return whether training is to stop."""
