"""The configuration keys that every model and task shares."""

from __future__ import annotations

from dataclasses import dataclass

from npr.errors import ConfigError
from npr.fields import one_of, whole, within

EVAL_NORMS = ("running", "batch", "both")


@dataclass(frozen=True)
class TrainConfig:
    """The keys that every model and task shares; the others are the fields of the chosen parts.

    Parameters
    ----------
    model, task, optimizer, schedule : str
        Registry names.
    preset : str
        Where values come from that are given nowhere else; "none" for the defaults alone.
    optimizer_orth : str
        Optimiser of the parameters behind orthogonal matrices, with the rate lr_orth; empty for the same one.
        Options that both have are shared.
    batch_size : int
        Sequences per update.
    epochs, steps : int
        Length of training: updates, or passes if `steps` is 0.
    updates_per_epoch : int
        What counts as one epoch; 0 for one pass over the training data, or 1,000 where no sequence comes twice.
    max_time : float
        Seconds of training, over all resumes, after which it ends; 0 for no limit.
    seed : int
        Of everything random in the run except the task's own choices.
    threads : int
        CPU threads, 0 for all cores; results do not depend on it.
    dtype : {"float32", "float64"}
        Of parameters and activations.
    device : {"cpu", "cuda"}
        Where to compute.
    tf32 : bool
        Whether a device multiplies matrices of float32 with the 10-bit mantissas of TF32.
    data, data_dir : str
        Which data and where; see the task.
    eval_every : int
        Updates between validations, 0 for an epoch.
    eval_norm : {"running", "batch", "both"}
        Statistics that batch norm uses in evaluation. With "both" two figures are reported and the one with
        stored statistics selects.
    reestimate : int
        Training batches over which the stored statistics are estimated anew, without dropout, before each
        evaluation; 0 takes the running averages of training.
    checkpoint_every : int
        Updates between checkpoints, 0 for none but those at a new best and at the end.
    keep : int
        Newest checkpoints that stay; that of the best validation stays in addition.
    log_every : int
        Updates per row of metrics.jsonl.
    inspect_every : int
        Updates between stored inspections, 0 for none; see `npr.training.inspections`.
    bptt_checkpoint : int
        Steps between the states that the forward pass keeps, for long sequences: memory falls, time grows by a forward
        pass, results stay the same to the last bit; see `npr.networks.recomputed`. 0 keeps the states of all steps, as
        inspections always do.
    csv, tensorboard : bool
        Whether the rows are kept as metrics.csv and as event files of TensorBoard, too.
    run_dir : str
        The run folder; empty for a new one below ./runs.
    """

    model: str = "indrnn"
    task: str = "pmnist"
    preset: str = "laptop"
    batch_size: int = 32
    epochs: int = 10
    steps: int = 0
    updates_per_epoch: int = 0
    max_time: float = 0.0
    optimizer: str = "adam"
    optimizer_orth: str = ""
    schedule: str = "constant"
    seed: int = 1
    threads: int = 0
    dtype: str = "float32"
    device: str = "cpu"
    tf32: bool = False
    data: str = "auto"
    data_dir: str = ""
    eval_every: int = 0
    eval_norm: str = "running"
    reestimate: int = 0
    checkpoint_every: int = 500
    keep: int = 2
    log_every: int = 50
    inspect_every: int = 0
    bptt_checkpoint: int = 0
    csv: bool = False
    tensorboard: bool = False
    run_dir: str = ""

    def __post_init__(self) -> None:
        positive = ("batch_size", "log_every", "keep")
        counts = (
            "epochs",
            "steps",
            "updates_per_epoch",
            "eval_every",
            "reestimate",
            "checkpoint_every",
            "inspect_every",
            "bptt_checkpoint",
            "threads",
        )
        whole("[1, inf)", **{key: getattr(self, key) for key in positive})
        whole("[0, inf)", **{key: getattr(self, key) for key in (*counts, "seed")})
        within("[0, inf)", max_time=self.max_time)
        one_of(EVAL_NORMS, eval_norm=self.eval_norm)
        one_of(("float32", "float64"), dtype=self.dtype)
        one_of(("cpu", "cuda"), device=self.device)
        if self.tf32 and self.device == "cpu":
            raise ConfigError("tf32 = true works on a CUDA device only: set device = 'cuda', or leave tf32 out.")
        if self.tf32 and self.dtype != "float32":
            raise ConfigError("tf32 = true rounds products of float32, and dtype = 'float64' has none: leave tf32 out.")
        if not self.epochs and not self.steps:
            raise ConfigError("epochs = 0 and steps = 0: one of them must say how long to train.")
