"""The end of a run: the chosen state meets the test split, and the figures are stored."""

from __future__ import annotations

from npr.errors import StorageError
from npr.params import Buffers
from npr.training.evaluation import Stop, never, reestimated, score
from npr.training.metrics import Row
from npr.training.parts import Parts, Weights
from npr.training.result import Result, labelled, write_result
from npr.training.run_folder import RESULT, RunFolder
from npr.training.state import Best, TrainingState
from npr.training.window import FIGURES


def chosen(parts: Parts, state: TrainingState, stop: Stop = never) -> Best:
    """The state with the best validation; where nothing was held out, the last one.

    The best comes with the very statistics of batch norm it was validated with.
    """
    return state.best or as_it_is(parts, state, stop)


def as_it_is(parts: Parts, state: TrainingState, stop: Stop = never) -> Best:
    """The state itself, ready to be measured."""
    weights = Weights(state.params, state.buffers)
    return Best(state.step, {}, weights._replace(buffers=reestimated(parts, weights, state.step, stop)), None)


def measure_test(parts: Parts, state: TrainingState, stop: Stop) -> Result:
    """Result of a trained state; reads the test split.

    Raises
    ------
    Stopped
        If `stop` said so.
    """
    best = chosen(parts, state, stop)
    test = score(parts, best.weights, "test", parts.train.eval_norm, stop)
    return describe(parts, state, best)._replace(test=test)


def describe(parts: Parts, state: TrainingState, best: Best) -> Result:
    """What is known about a state without reading any data."""
    return Result(
        run="",
        model=parts.train.model,
        task=parts.dataset.name,
        steps=state.step,
        best_step=best.step,
        seconds=state.seconds,
        norm=parts.train.eval_norm if _normalised(state.buffers) else "",
        stopped="",
        train={key: state.last_row[key] for key in FIGURES if key in state.last_row},
        validation=best.scores,
        test={},
        baseline=parts.baseline._asdict() if parts.baseline else None,
    )


def _normalised(buffers: Buffers) -> bool:
    """Whether there are statistics of batch norm among the buffers."""
    return any(name.rpartition(".")[2] in ("mean", "var") for name in buffers)


def record(folder: RunFolder, state: TrainingState, result: Result) -> Row:
    """Add the test figures to the last row of metrics, which is returned, and store the result.

    Raises
    ------
    StorageError
        If they cannot be written; a note carries them instead.
    """
    row = {
        **state.last_row,
        **labelled("test", result.test),
        "best_step": result.best_step,
        "seconds": result.seconds,
    }
    try:
        folder.metrics.cut(state.step - 1)
        folder.metrics.append(row)
        folder.metrics.flush(durable=True)
        write_result(folder.disk, folder.path / RESULT, result)
    except OSError as error:
        message = f"Could not store the result in '{folder.path}': {error.strerror or error}."
        failure = StorageError(f"{message} Free space, then 'npr resume {folder.path}'.")
        failure.add_note(f"Training is complete and saved. Test figures: {result.test}.")
        raise failure from error
    return row
