"""What must hold between the values of a configuration, as a table of rules.

check(config)                   # ConfigError of the first rule that does not hold
RULES                           # each takes a Config and returns a ConfigError, or None

To add a rule, write one small function and list it in :data:`RULES`.
"""

from __future__ import annotations

from collections.abc import Callable

from frostmark.config import schema
from frostmark.config.schema import AUTO, BALANCED, CONTROLS, DECIDING, NORMS, POOLS, PRECISIONS, Config, Decide
from frostmark.errors import ConfigError, closest

Rule = Callable[[Config], ConfigError | None]

MIN_COUNTS = {"resamples": 40, "permutations": 19}
"""Fewer resamples have no 2.5 % quantile; fewer permutations can never give p ≤ 0.05."""

MAX_COUNT = 100_000
"""Resamples or permutations."""

TRACKING_KINDS = ("local", "server", "none")


def one_layer(config: Config) -> ConfigError | None:
    """A layer is a tap or a node, not both."""
    layer = config.layer
    if (layer.tap is None) != (layer.node is None):
        return None
    return ConfigError(
        "layer=node needs the name of the node" if layer.tap is None else "layer.node goes with layer=node",
        fix="layer=node layer.node=<name>; `python run.py layers backbone=…` lists the nodes",
    )


def known_pool(config: Config) -> ConfigError | None:
    """The pool is one of maps or of tokens, or not named."""
    pool = config.layer.pool
    if pool is None or pool in POOLS:
        return None
    return ConfigError(
        f"layer.pool={pool} is unknown", fix=f"layer.pool={closest(pool, POOLS)} (valid: {', '.join(POOLS)})"
    )


def known_norm(config: Config) -> ConfigError | None:
    """Tokens are read behind the final norm or before it."""
    norm = config.layer.norm
    if norm in NORMS:
        return None
    return ConfigError(f"layer.norm={norm} is unknown", fix="layer.norm=final, or none")


def known_output(config: Config) -> ConfigError | None:
    """The terminal shows a little or all."""
    if config.output in schema.OUTPUTS:
        return None
    return ConfigError(f"output={config.output} is unknown", fix="output=full, or short")


def known_precision(config: Config) -> ConfigError | None:
    """The precision is one that the trainer knows."""
    precision = config.trainer.precision
    if precision in PRECISIONS:
        return None
    return ConfigError(
        f"trainer.precision={precision} is unknown",
        fix=f"trainer.precision={closest(str(precision), PRECISIONS)} (valid: {', '.join(PRECISIONS)})",
    )


def possible_batch_size(config: Config) -> ConfigError | None:
    """The batch size is a positive whole number, or auto."""
    size = config.trainer.batch_size
    if size == AUTO or (isinstance(size, int) and not isinstance(size, bool) and size >= 1):
        return None
    return ConfigError(f"trainer.batch_size={size} is not a number of images", fix="trainer.batch_size=32, or auto")


def named_devices(config: Config) -> ConfigError | None:
    """Devices are a number, names, or a list of numbers and names."""
    devices = config.trainer.devices
    each = devices if isinstance(devices, list) else [devices]
    if all(isinstance(device, int | str) and not isinstance(device, bool) for device in each):
        return None
    return ConfigError(f"trainer.devices={devices} names no devices", fix="trainer.devices=1, [0,1], or auto")


def possible_store_size(config: Config) -> ConfigError | None:
    """The limit of what is stored is a number of bytes, or auto."""
    size = config.features.max_bytes
    if size == AUTO or _is_count(size):
        return None
    told = f"features.max_bytes={size} is not a number of bytes"
    return ConfigError(told, fix="features.max_bytes=auto for what the disk has room for, or 0 to keep nothing")


def possible_spot_check(config: Config) -> ConfigError | None:
    """The images of a spot check are a number, or auto."""
    count = config.features.spot_check
    if count == AUTO or _is_count(count):
        return None
    told = f"features.spot_check={count} is not a number of images"
    return ConfigError(told, fix="features.spot_check=4 (per split), 0 for none, or auto")


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def known_controls(config: Config) -> ConfigError | None:
    """Every control is one of :data:`CONTROLS`."""
    for control in config.controls:
        if control not in CONTROLS:
            return ConfigError(
                f"there is no control {control!r}",
                fix=f"controls=[{closest(str(control), CONTROLS)}] (valid: {', '.join(CONTROLS)})",
            )
    return None


def untrained_in_one_process(config: Config) -> ConfigError | None:
    """The untrained control does not run in several processes."""
    if "untrained" not in config.controls or not config.trainer.strategy.startswith("ddp"):
        return None
    return ConfigError(
        "controls=[untrained] runs in one process, trainer=ddp in several",
        fix="run trainer=ddp first, then the same command with trainer=auto: the rows of the network are then stored",
    )


def possible_counts(config: Config) -> ConfigError | None:
    """Resamples and permutations are enough to say anything, or none."""
    for name, count in vars(config.uncertainty).items():
        if count and not MIN_COUNTS[name] <= count <= MAX_COUNT:
            return ConfigError(
                f"uncertainty.{name}={count} is out of range ({MIN_COUNTS[name]} to {MAX_COUNT:,})",
                fix=f"uncertainty.{name}=1000, or 0 for none",
            )
    return None


def possible_neighbours(config: Config) -> ConfigError | None:
    """So many train images can ask each other for neighbours."""
    most = config.neighbours.exact_up_to
    if most >= 1000:
        return None
    return ConfigError(
        f"neighbours.exact_up_to={most} is out of range (at least 1000 train images)",
        fix="neighbours.exact_up_to=200000",
    )


def possible_workers(config: Config) -> ConfigError | None:
    """So many processes can decode images; wrong numbers are not found where stored rows are read."""
    workers = config.trainer.num_workers
    if workers is None or workers >= 0:
        return None
    return ConfigError(f"trainer.num_workers={workers} is not a number of processes", fix="trainer.num_workers=0")


def possible_seed(config: Config) -> ConfigError | None:
    """The seed fits into 32 bits."""
    if 0 <= config.seed < 2**32:
        return None
    return ConfigError(f"seed={config.seed} is not a seed", fix="seed=0 (0 to 4294967295)")


def known_tracking(config: Config) -> ConfigError | None:
    """The kind of tracking is known, and a server has an address."""
    tracking = config.tracking
    if tracking.kind not in TRACKING_KINDS:
        return ConfigError(
            f"tracking.kind={tracking.kind} is unknown",
            fix="tracking=local, server or none",
            wrong=[f"tracking.kind={tracking.kind}"],
        )
    if not tracking.experiment.strip():
        return ConfigError("tracking.experiment has no name", fix="tracking.experiment=frostmark")
    if tracking.kind == "server" and not tracking.uri:
        return ConfigError("tracking=server needs its address", fix="tracking.uri=http://host:5000")
    return None


def known_decision(config: Config) -> ConfigError | None:
    """What decides is known."""
    return wrong_decision(config.decide)


def wrong_decision(decide: Decide) -> ConfigError | None:
    """What is wrong unless one of the families that can decides, and ``balanced`` is one of its words."""
    family, balanced = decide.family, str(decide.balanced).lower()
    if family not in DECIDING:
        return ConfigError(
            f"decide={family}: no family of this name can decide",
            fix=f"decide={closest(family, DECIDING)} (valid: linear, knn)",
            wrong=[f"decide.family={family}"],
        )
    if balanced not in BALANCED:
        return ConfigError(
            f"decide.balanced={decide.balanced} is unknown",
            fix=f"decide.balanced={closest(balanced, BALANCED)} (valid: auto, true, false)",
        )
    return None


RULES: tuple[Rule, ...] = (
    one_layer,
    known_pool,
    known_norm,
    known_output,
    known_precision,
    possible_batch_size,
    named_devices,
    possible_store_size,
    possible_spot_check,
    known_controls,
    untrained_in_one_process,
    possible_counts,
    possible_neighbours,
    possible_workers,
    possible_seed,
    known_tracking,
    known_decision,
)


def check(config: Config) -> None:
    """Apply every rule to the whole configuration.

    Raises:
        ConfigError: of the first rule that does not hold, naming the values that do not fit.
    """
    for rule in RULES:
        problem = rule(config)
        if problem is not None:
            raise problem
