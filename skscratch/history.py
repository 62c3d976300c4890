"""History: the record of each epoch, the stop reason, and the result of a training run."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from math import isfinite


@dataclass
class EpochRecord:
    """The losses, score, learning rate and time of one epoch."""

    epoch: int
    loss: float
    learning_rate: float | None
    n_rows: int
    seconds: float = 0.0
    validation_loss: float | None = None
    score: float | None = None

    @property
    def is_finite(self) -> bool:
        """Whether the training loss and any validation loss are finite."""
        return isfinite(self.loss) and (self.validation_loss is None or isfinite(self.validation_loss))

    @property
    def monitored(self) -> float:
        """The monitored value, which training minimises: minus the score, or the training loss."""
        return self.loss if self.score is None else -self.score


class StopReason(Enum):
    """Why training stopped."""

    CONVERGED = "patience ran out, or the gradient vanished"
    MAX_ITER = "the last epoch was reached"
    LINE_SEARCH = "the line search of L-BFGS found no lower value"
    DIVERGED = "the loss or a parameter became infinite or NaN"
    VALIDATION_DIVERGED = "the validation loss became infinite or NaN"
    INTERRUPTED = "the user interrupted"
    CALLBACK = "a callback asked to stop"


@dataclass(frozen=True)
class TrainingResult:
    """The result of one training run.

    Attributes
    ----------
    stop_reason : StopReason
    records : list of EpochRecord
        One for each epoch.
    validated : bool
        Whether a validation set was used.
    best_epoch : int
        Number of the epoch with the best validation score; 0 without a validation set.
    best_score : float or None
        The validation score of that epoch.
    restored : bool
        Whether the parameters are those of the best epoch.
    """

    stop_reason: StopReason
    records: list[EpochRecord] = field(default_factory=list)
    validated: bool = False
    best_epoch: int = 0
    best_score: float | None = None
    restored: bool = False

    def followed_by(self, refit: TrainingResult) -> TrainingResult:
        """Return one result for this run and the refit that follows it."""
        return replace(
            self,
            stop_reason=refit.stop_reason,
            records=[*self.records, *refit.records],
            restored=self.restored and not refit.records,
        )
