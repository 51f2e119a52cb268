"""Inspect a data set before any benchmark: classes, splits, copies, damaged files, and the cost of a run.

python run.py check dataset=./flowers backbone=resnet50
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from rich import box
from rich.table import Table

from frostmark.benchmark.checking import SAMPLE, Checked, check_images
from frostmark.benchmark.subject import Given
from frostmark.cli.commands.cache import sized
from frostmark.cli.console import console
from frostmark.cli.parser import Parser
from frostmark.config.compose import compose
from frostmark.config.words import conf_dir
from frostmark.errors import DataError
from frostmark.names import visible
from frostmark.results.progress import ProgressLine
from frostmark.results.terminal import cell
from frostmark.stats.grouped import count_groups, largest_share

MAX_CLASSES = 30
"""Lines of the table of classes."""

MAX_NAMED = 10
"""Copies and damaged files that are named."""


def run(arguments: list[str]) -> int:
    """Print what was found; exit code 3 if a run would refuse the data set."""
    parser = Parser.of("check", __doc__)
    parser.add_argument("overrides", nargs="*", help="dataset=<choice or folder>, backbone=…, as for a benchmark")
    parser.add_argument("-cd", "--config-dir", type=Path, help="a folder of your own YAML files")
    options = parser.parse_args(arguments)
    config = compose(conf_dir(), options.overrides, options.config_dir)
    with ProgressLine() as progress:
        checked = check_images(config, Given(), progress)
    terminal = console()
    terminal.print(cell(title(checked)), style="bold")
    terminal.print(classes_table(checked))
    if len(checked.classes) > MAX_CLASSES:
        print(f"These are the {MAX_CLASSES} classes with the fewest train images, of {len(checked.classes):,}.")
    for line in findings(checked, config.seed):
        terminal.print(cell(line), soft_wrap=True)
    terminal.print(cell("Warnings" if checked.remarks else "No warnings"), style="bold")
    for remark in checked.remarks:
        terminal.print(cell(f"  {remark}"), soft_wrap=True)
    if checked.damaged and config.dataset.get("on_bad_image") != "skip":
        raise refused(checked)
    return 0


def title(checked: Checked) -> str:
    """The data set in one line."""
    images = checked.images
    split = ", ".join(f"{count:,} {split}" for split, count in images.items())
    return visible(f"{checked.name}: {sum(images.values()):,} images of {len(checked.classes):,} classes ({split})")


def classes_table(checked: Checked) -> Table:
    """How many images of each class the splits have; of many classes those with the fewest train images."""
    counts = {split: np.bincount(of, minlength=len(checked.classes)) for split, of in checked.labels.items()}
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("class")
    for split in counts:
        table.add_column(split, justify="right")
    shown = np.arange(len(checked.classes))
    if len(shown) > MAX_CLASSES:
        shown = np.argsort(counts["train"], kind="stable")[:MAX_CLASSES]
    for c in shown.tolist():
        table.add_row(cell(checked.classes[c]), *(f"{count[c]:,}" for count in counts.values()))
    return table


def findings(checked: Checked, seed: int) -> Iterator[str]:
    """What was found, one thing a line."""
    yield from checked.said
    yield _groups(checked)
    if len(checked.sizes):
        yield _sizes(checked.sizes)
    yield from _looked_at(checked, seed)
    yield from _copies(checked)
    yield from _damaged(checked)
    yield from _estimated(checked)


def refused(checked: Checked) -> DataError:
    """Why a run would not begin."""
    count = len(checked.damaged)
    files = "1 file is not a readable image" if count == 1 else f"{count:,} files are not readable images"
    return DataError(
        f"{files}: a benchmark would refuse this data set",
        fix="repair or remove them, or leave them out: dataset.on_bad_image=skip",
    )


def _groups(checked: Checked) -> str:
    if checked.groups is None:
        return "Groups: none known; intervals assume that the images are independent of each other"
    of = (f"{count_groups(g):,} in {s} (the largest has {largest_share(g):.1%})" for s, g in checked.groups.items())
    return f"Groups: {', '.join(of)}"


def _sizes(sizes: np.ndarray) -> str:
    pixels = sizes.prod(axis=1)
    small, middle, large = (sizes[np.argsort(pixels, kind="stable")[int(q * (len(sizes) - 1))]] for q in (0, 0.5, 1))
    if len(np.unique(sizes, axis=0)) == 1:
        return f"Sizes: {small[0]} × {small[1]} pixels"
    return (
        f"Sizes: {small[0]} × {small[1]} to {large[0]} × {large[1]} pixels, the median image {middle[0]} × {middle[1]}"
    )


def _looked_at(checked: Checked, seed: int) -> Iterator[str]:
    looked_at, images = sum(checked.looked_at.values()), sum(checked.images.values())
    if looked_at < images:
        yield (
            f"Sample: {looked_at:,} of {images:,} files were decoded, drawn with seed={seed} (at most {SAMPLE:,}). "
            "Sizes, near copies and damage describe the sample; exact copies, and damage in the first bytes, all files"
        )


def _copies(checked: Checked) -> Iterator[str]:
    leaks = checked.leaks
    told = leaks.told(checked.images["test"])
    yield f"Copies: {told}"
    if leaks.exact_only:
        yield f"  {leaks.exact_only}"
    pairs = zip(leaks.test.tolist(), leaks.train.tolist(), leaks.how, strict=True)
    for test, train, how in islice(pairs, MAX_NAMED):
        yield f"  {_name(checked, 'test', test)}: {how} of {_name(checked, 'train', train)}"
    if len(leaks.test) > MAX_NAMED:
        yield f"  … and {len(leaks.test) - MAX_NAMED:,} more; a run lists all in tables/leaks.csv"


def _name(checked: Checked, split: str, position: int) -> str:
    return str(checked.files[split][position]) if split in checked.files else f"{split} image {position:,}"


def _damaged(checked: Checked) -> Iterator[str]:
    yield f"Damaged files: {len(checked.damaged) or 'none'}"
    yield from (f"  {problem}" for problem in checked.damaged[:MAX_NAMED])
    if len(checked.damaged) > MAX_NAMED:
        yield f"  … and {len(checked.damaged) - MAX_NAMED:,} more"


def _estimated(checked: Checked) -> Iterator[str]:
    guess = checked.estimate
    on = "this machine's GPU" if guess.device == "cuda" else "this machine's CPU"
    parts = f"{_duration(guess.forwarding)} for the network"
    if guess.reading:
        parts += f", {_duration(guess.reading)} for reading the files"
    yield f"First run: about {_duration(guess.seconds)} on {on} ({parts}), then metrics and maps; {guess.network}"
    yield f"Store: {sized(guess.store)} in mlruns/features"
    if guess.weights:
        yield f"Weights: missing here, {guess.weights}"


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
