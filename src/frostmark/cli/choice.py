"""A choice from its first to its last word: a race, the reports of who is left, and the run that holds both.

choose(ChoiceAsked("base", ["dataset=digits"], None, minutes=30))         # the exit code

The run of the choice is the parent of the reports, as that of a sweep is of its jobs; the same command goes on with it.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rich import box
from rich.table import Table

from frostmark.benchmark.sampled import Plan
from frostmark.benchmark.tracked import open_store
from frostmark.choosing.entering import Absent, Entrant, enter, refuse_too_few
from frostmark.choosing.race import Clock, Race, Round, run_race
from frostmark.choosing.told import HEAD, advice, line, lines, notes, rounds_csv, sentence, spending
from frostmark.cli.console import console, print_sweep
from frostmark.cli.job import job_at
from frostmark.cli.program import program, typed_command
from frostmark.cli.sweep import finish, parent_of, to_go_on_with
from frostmark.cli.under_way import Sweep, announce
from frostmark.config.candidates import read_candidates
from frostmark.config.compose import composed
from frostmark.config.words import conf_dir
from frostmark.data.files import ImageFiles
from frostmark.data.inspection import refusal
from frostmark.errors import DataError
from frostmark.names import visible, without_folders
from frostmark.results.lease import Lease
from frostmark.results.markdown import plain, table
from frostmark.results.outcome import SweepRecord
from frostmark.results.progress import ProgressLine
from frostmark.results.terminal import cell
from frostmark.tracking.machine import this_process
from frostmark.tracking.tracker import without_secrets

PAGE, ROUNDS = "choice.md", "rounds.csv"
"""Files of a choice, beside those of the comparison of who is left."""


MAX_EXPORTS = 3
"""Winners of which the command that exports them is printed."""


@dataclass(frozen=True)
class ChoiceAsked:
    """What was typed.

    Attributes:
        candidates: a list's word or path.
        words: the overrides that all candidates share.
        own: a folder of the user's own YAMLs.
        minutes: the budget; None for none.
    """

    candidates: str
    words: Sequence[str]
    own: Path | None
    minutes: float | None

    @property
    def typed(self) -> list[str]:
        """The words of the command without secrets; the budget may be another one when the choice goes on."""
        return ["choose", f"candidates={self.candidates}", *map(without_secrets, self.words)]

    @property
    def fetch(self) -> str:
        """The command that fetches the weights of all candidates."""
        return " ".join([program(), *self.typed, "--fetch"])


def fetch(asked: ChoiceAsked) -> int:
    """Download the weights that are not here; exit code 3 if some cannot be had."""
    with ProgressLine() as progress:
        entrants, absent = _entered(asked, progress)
    for one in absent:
        print(visible(f"missing: {one.title}; {one.why}"))
    print(f"{len(entrants)} of {len(entrants) + len(absent)} candidates have their weights on this machine.")
    return DataError.code if absent else 0


def choose(asked: ChoiceAsked) -> int:
    """Race, report and print; the exit code.

    Raises:
        FrostmarkError: if something is wrong that the user can mend.
    """
    clock = Clock(asked.minutes)
    with ProgressLine() as progress:
        entrants, absent = _entered(asked, progress)
    refuse_too_few(entrants, absent, asked.fetch)
    for note in absent:
        print(visible(f"skipped: {note.title}; missing here: {note.why}"), file=sys.stderr)
    _refuse_damaged(entrants[0])
    sweep = _opened(asked, entrants)
    try:
        race = _raced(entrants, clock)
        if not race.stopped:
            _report(race, asked, sweep)
    except BaseException as stopped:
        finish(sweep, stopped)
        raise
    return _ended(sweep, race, absent, asked, clock)


def _entered(asked: ChoiceAsked, progress: ProgressLine) -> tuple[list[Entrant], list[Absent]]:
    return enter(read_candidates(asked.candidates, asked.own), asked.words, asked.own, progress)


def _refuse_damaged(entrant: Entrant) -> None:
    """Try the files of both splits: the race uses no test image, and the reports, which do, come after all its passes.

    Raises:
        DataError: naming the files that are not readable images, unless they are left out.
    """
    subject = entrant.samples.subject
    splits = {name: of for name, of in subject.splits.items() if isinstance(of, ImageFiles) and not of.skip_bad}
    with ProgressLine() as progress:
        refused = refusal(splits, subject.config.mlruns / "features", None, progress)
    if refused is not None:
        raise refused


def _opened(asked: ChoiceAsked, entrants: Sequence[Entrant]) -> Sweep:
    """The folder, the record and the parent run; those of the same choice that did not end go on."""
    config = entrants[0].samples.config
    folder = config.mlruns / "_hydra" / "sweeps" / datetime.now().strftime("%Y-%m-%d_%H-%M-%S_%f")
    before = to_go_on_with(folder.parent, asked.typed, "choice")
    store = open_store(config.tracking, config.mlruns)
    choices = " ".join(asked.typed)
    title = f"choice · {without_folders(' '.join(asked.typed[1:]))}"
    run_id = None if store is None else parent_of(store, title, choices, before)
    folder.mkdir(parents=True)
    lease = Lease(folder)
    lease.take()
    earlier = None if before is None else before.folder
    SweepRecord.begin(folder, asked.typed, len(entrants), run_id, this_process(), earlier)
    announce(folder)
    return Sweep(
        folder, config.mlruns, choices, None, store, run_id, config.tracking.uri, lease, typed_command(asked.typed)
    )


def _raced(entrants: Sequence[Entrant], clock: Clock) -> Race:
    plan = Plan.of(entrants[0].samples.subject)
    sizes = ", ".join(f"{size:,}" for size in plan.sizes)
    print(visible(f"{len(entrants)} candidates race on {sizes} train images."), file=sys.stderr)

    def tell(one: Round) -> None:
        said = zip(HEAD, line(one), strict=True)
        print(visible("▸ " + " · ".join(f"{head} {value}" for head, value in said)), file=sys.stderr, flush=True)

    with ProgressLine() as progress:
        return run_race(entrants, plan, clock, progress, tell)


def _report(race: Race, asked: ChoiceAsked, sweep: Sweep) -> None:
    """Every candidate that is left reads the test images: an ordinary benchmark, a child of the choice."""
    record = SweepRecord.read(sweep.folder)
    assert record is not None, "it was just written"
    before = None if record.continues is None else Path(record.continues)
    SweepRecord.begin(sweep.folder, record.choices, len(race.left), record.run_id, record.process, before)
    for number, entrant in enumerate(race.left):
        with ProgressLine() as progress:
            progress(f"{entrant.title}: the train images that the race left out")
            entrant.samples.complete(race.plan)
        entrant.samples.release()
        config = composed(conf_dir(), list(entrant.words), asked.own)
        job_at(config, sweep.folder / str(number), entrant.words)


def _ended(sweep: Sweep, race: Race, absent: Sequence[Absent], asked: ChoiceAsked, clock: Clock) -> int:
    """Print and keep what came out."""
    finished = finish(sweep, None)
    if finished.outcomes:
        print_sweep(finished)
    spent = clock.spent
    page = choice_markdown(race, absent, asked.fetch, spent)
    files = [sweep.folder / PAGE, sweep.folder / ROUNDS]
    for file, text in zip(files, (page, rounds_csv(race)), strict=True):
        file.write_text(text, encoding="utf-8")
    if sweep.store is not None and sweep.run_id is not None:
        sweep.store.add_files(sweep.run_id, files)
        note = page if finished.compared is None else f"{page}\n{finished.compared.markdown}"
        sweep.store.add_tags(sweep.run_id, {"mlflow.note.content": note})
    terminal = console()
    terminal.print(rounds_table(race))
    for text in [*notes(race, absent, asked.fetch), spending(race, spent)]:
        terminal.print(cell(text), soft_wrap=True)
    terminal.print(cell(sentence(race)), style="bold", soft_wrap=True)
    for text in advice(race):
        terminal.print(cell(text), soft_wrap=True)
    if race.stopped:
        again = " ".join([program(), *asked.typed])
        terminal.print(cell(f"To continue, run this command, with another budget or none: {again}"), soft_wrap=True)
    reports = zip(race.left, finished.outcomes, strict=False)  # a report of each that is left, in their order
    for entrant, outcome in [report for report in reports if report[1].code == 0][:MAX_EXPORTS]:
        run = outcome.run_id or shlex.quote(str(outcome.folder))
        root = shlex.quote(f"paths.root={sweep.mlruns.parent}")  # the line is pasted in another folder, too
        print(visible(f"Take {entrant.title} with you: {program()} export {run} out/ {root}"))
    reported = race.stopped or any(outcome.code == 0 for outcome in finished.outcomes)
    print(visible(f"{'Choice' if reported else 'No choice: every report failed. The race'}: {files[0]}"))
    return finished.code


def choice_markdown(race: Race, absent: Sequence[Absent], fetch: str, minutes: float) -> str:
    """The race in one page."""
    told = "\n".join(f"- {plain(note)}" for note in notes(race, absent, fetch))
    said = plain(" ".join(advice(race)))
    shown = table(HEAD, lines(race.rounds))
    parts = [f"**{plain(sentence(race))}**", said, shown, plain(spending(race, minutes)), told]
    return "\n\n".join(part for part in parts if part) + "\n"


def rounds_table(race: Race) -> Table:
    """One line per round."""
    shown = Table(box=box.SIMPLE_HEAD, title=cell(f"By {race.plan.decider} on train"), title_style="bold")
    shown.title_justify = "left"
    for column in HEAD:
        shown.add_column(column, justify="right" if column in ("images", "in the race", "accuracy") else "left")
    for row in lines(race.rounds):
        shown.add_row(*map(cell, row))
    return shown
