"""History: the record of each epoch, the stop reason, and the result of a training run."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from math import isfinite
from operator import itemgetter

CURVES = ("loss_curve_", "learning_rate_curve_", "validation_loss_curve_", "validation_scores_")
"""The attributes of an estimator to which every epoch appends a value.

They may become long, so a call must not read or copy them as a whole.
"""


@dataclass
class EpochRecord:
    """The losses, score, learning rate and time of one epoch.

    Without ``score_decides``, the validation loss and the score are recorded, and nothing depends on them.
    ``phase`` is "search" or "refit"; it is empty if there is only one phase.
    """

    epoch: int
    loss: float
    learning_rate: float | None
    n_rows: int
    seconds: float = 0.0
    validation_loss: float | None = None
    score: float | None = None
    score_decides: bool = True
    phase: str = ""

    @property
    def is_finite(self) -> bool:
        """Whether the training loss is finite, and the validation loss too if anything depends on it."""
        validation_loss = self.validation_loss if self.score_decides else None
        return isfinite(self.loss) and (validation_loss is None or isfinite(validation_loss))

    @property
    def monitored(self) -> float:
        """The monitored value, which training minimises: minus the score, or the training loss."""
        return self.loss if self.score is None or not self.score_decides else -self.score


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
    restored : bool
        Whether the parameters are those of the best epoch.
    """

    stop_reason: StopReason
    records: list[EpochRecord] = field(default_factory=list)
    validated: bool = False
    restored: bool = False

    @property
    def best(self) -> EpochRecord | None:
        """The first record with the highest finite score, if any has one."""
        scores = [(record.score, record) for record in self.records if record.score is not None]
        finite = [(score, record) for score, record in scores if isfinite(score)]
        return max(finite, key=itemgetter(0))[1] if finite else None

    @property
    def best_epoch(self) -> int | None:
        """Number of the epoch with the best validation score."""
        return self.best.epoch if self.best else None

    @property
    def best_score(self) -> float | None:
        """The validation score of that epoch."""
        return self.best.score if self.best else None

    def followed_by(self, refit: TrainingResult) -> TrainingResult:
        """Return one result for this run and the refit that follows it."""
        return replace(
            self,
            stop_reason=refit.stop_reason,
            records=[*self.records, *refit.records],
            restored=self.restored and not refit.records,
        )
