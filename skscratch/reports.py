"""Reports: what an epoch came to, how a training ended, and who is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from math import isfinite
from typing import Protocol


@dataclass
class EpochReport:
    """What one epoch came to."""

    epoch: int
    loss: float
    learning_rate: float | None
    n_rows: int
    seconds: float = 0.0
    validation_loss: float | None = None
    score: float | None = None

    @property
    def is_finite(self) -> bool:
        """Whether the parameters that the epoch ended with are usable."""
        return isfinite(self.loss) and (self.validation_loss is None or isfinite(self.validation_loss))

    @property
    def watched(self) -> float:
        """What training is judged by, of which less is better: the score if there is one, else the loss."""
        return self.loss if self.score is None else -self.score


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
        Number of the epoch that the validation judged best; 0 where nothing was judged.
    best_score : float or None
        What the validation gave for it.
    restored : bool
        Whether the parameters are those of the best epoch.
    still_improving : bool
        Whether the last epoch was reached while patience on the training loss was not spent.
    judged : bool
        Whether there were validation rows.
    n_before_closing : int or None
        Number of epochs before the closing course, which trains on the validation rows as well.
    """

    ending: Ending = Ending.MAX_ITER
    reports: list[EpochReport] = field(default_factory=list)
    best_epoch: int = 0
    best_score: float | None = None
    restored: bool = False
    still_improving: bool = False
    judged: bool = False
    n_before_closing: int | None = None

    def close(self) -> None:
        """Take note that the reports from now on are those of the closing course."""
        self.n_before_closing = len(self.reports)

    def take_closing(self) -> list[EpochReport]:
        """Remove the reports of the closing course, if there was one, and return them."""
        if self.n_before_closing is None:
            return []
        closing = self.reports[self.n_before_closing :]
        del self.reports[self.n_before_closing :]
        return closing

    @property
    def grew(self) -> bool:
        """Whether the last epoch's loss is more than twice the first one's."""
        return len(self.reports) > 1 and self.reports[-1].loss > 2 * self.reports[0].loss

    def is_hardly_better_than(self, guessing: float) -> bool:
        """Return whether ten epochs or more have not brought the loss below four fifths of guessing's."""
        return len(self.reports) >= 10 and self.reports[-1].loss > 0.8 * guessing


class Listener(Protocol):
    """What a trainer tells."""

    def begin_epoch(self) -> None:
        """Hear that an epoch begins."""

    def end_epoch(self, report: EpochReport) -> bool:
        """Hear what the epoch came to; return whether training is to stop."""
