"""What the program prints for a person: a result, a sweep, a comparison.

print_result(result, config)
print_sweep(finished)
print_comparison(compared)
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from frostmark.benchmark.result import Result
from frostmark.cli.leaving import nobody_reads
from frostmark.cli.program import program
from frostmark.cli.sweep import Finished
from frostmark.comparison.across import AcrossSets
from frostmark.comparison.across_files import across_table
from frostmark.comparison.best import of_the_best
from frostmark.comparison.cards import card_sentence
from frostmark.comparison.compared import Compared
from frostmark.comparison.tables import ranking_table
from frostmark.config.schema import Config
from frostmark.names import visible
from frostmark.results.outcome import Outcome, new_remarks, standing, time_left
from frostmark.results.short_table import short_table
from frostmark.results.tables import metric_lines, metrics_table, notes, sweep_table
from frostmark.results.terminal import cell, linked
from frostmark.tracking.tracker import without_secrets

WIDTH = 130
"""Columns where nobody watches: tables in files and pipes are not broken."""


class _Terminal(Console):
    """One that goes on when nobody reads any more: a run that is over ends as any other."""

    def on_broken_pipe(self) -> None:
        """What is printed from here on goes nowhere."""
        nobody_reads()


def console() -> Console:
    """The terminal, or what stands in for it."""
    return _Terminal(width=None if sys.stdout.isatty() else WIDTH, emoji=False)


def print_result(result: Result, config: Config, with_link: bool = True) -> None:
    """The answer of one benchmark, its metrics, and where its files are."""
    terminal = console()
    terminal.print()
    terminal.print(cell(result.title))
    terminal.print(cell(result.about))
    if result.answer:
        terminal.print()
        terminal.print(cell(" ".join(result.answer)), style="bold")
    terminal.print()
    if config.output == "full" or result.findings is None or not result.answer:
        terminal.print(metrics_table(result.values, result.undefined, result.chance, result.kinds))
        said = notes(result.values, result.undefined, result.kinds)
    else:
        terminal.print(short_table(result.findings, terminal.width))
        said = [f"All {_count(result)} metrics: -v, or summary.md"]
    terminal.print()
    terminal.print(_listed([*result.remarks, *said]))
    print_place("Files", result.folder)
    if with_link:
        print(how_to_open(result.link, config.tracking.uri, config.paths.root))


def print_job(result: Result, config: Config, sweep: Path, job: str) -> None:
    """A job of a sweep that ended well: one line and what no other job has said, or all of it where that is asked for.

    Args:
        sweep: its folder.
        job: the overrides of the job.
    """
    if config.output == "full":
        print_result(result, config, with_link=False)
        return
    parts = [f"{standing(sweep)} {result.title}", result.sentence, time_left(sweep)]
    print(visible(" · ".join(part for part in parts if part)), flush=True)
    if remarks := new_remarks(sweep, job):
        console().print(_listed(remarks))


def _listed(notes: Sequence[str]) -> Table:
    """Notes one below the other; those of several lines hang."""
    table = Table.grid(padding=(0, 1))
    for note in notes:
        table.add_row("-", cell(note))
    return table


def _count(result: Result) -> int:
    """Metrics of the run, with those that are undefined."""
    return len(metric_lines(result.values, result.undefined, result.chance, result.kinds)[1])


def print_place(words: str, path: Path) -> None:
    """Where something is, on a line of its own."""
    console().print(linked(words, path), soft_wrap=True)


def how_to_open(link: str | None, uri: str | None, root: str) -> str:
    """Where a run is in MLflow's pages, and the command that serves them."""
    if link is None:
        return "Not tracked (tracking=none): the results are only in the files above."
    if uri:
        return f"Open it in MLflow: {without_secrets(uri)}/{link}"
    where = "" if root == "." else f" {visible(shlex.quote(f'paths.root={root}'))}"
    return f"Open it in MLflow: {program()} ui{where}, then http://127.0.0.1:5000/{link}"


def print_sweep(finished: Finished) -> None:
    """How the jobs ended, if one did not end well; the comparison, and where everything is."""
    if not finished.outcomes:
        print("No job was started.")
    elif any(outcome.code != 0 for outcome in finished.outcomes):
        _print_jobs(finished.outcomes)
    if finished.compared is not None:
        print_comparison(finished.compared)
        print_place("Comparison", finished.folder / "comparison.html")
        for words, page in _report_of_the_best(finished.compared):
            print_place(words, page)
    elif finished.not_compared:
        print(visible(f"No comparison: {finished.not_compared}"))
    if finished.across is not None:
        print_across(finished.across)
        print_place("Over the data sets", finished.folder / "across.html")
    root = str(finished.mlruns.parent)
    where = "." if root == str(Path.cwd()) else root
    name = f"Sweep {finished.run_id or finished.folder.name}"
    print(f"{name} · {how_to_open(finished.link, finished.uri, where)}")


def _report_of_the_best(compared: Compared) -> Iterator[tuple[str, Path]]:
    """Where the errors and doubtful labels of the layer in the first place are."""
    for best in compared.parts[0].verdict.contenders[:1]:
        if best.run.folder is not None and (best.run.folder / "report.html").is_file():
            yield f"Report of {best.name}", best.run.folder / "report.html"


def _print_jobs(outcomes: Sequence[Outcome]) -> None:
    terminal = console()
    terminal.print()
    jobs = [words or o.title for o, words in zip(outcomes, differing(outcomes), strict=True)]
    decided = {o.metric for o in outcomes if o.metric}
    metric = decided.pop() if len(decided) == 1 else "accuracy"
    terminal.print(sweep_table([(job, o.code, o.accuracy) for job, o in zip(jobs, outcomes, strict=True)], metric))
    told: dict[str, int] = {}
    for position, outcome in enumerate(outcomes):
        if outcome.code == 0:
            continue
        problem = outcome.problem or "did not finish"
        first = told.setdefault(problem, position)
        again = first != position and len(problem) > len("the same problem as job 0")
        print(visible(f"#{position}: {f'the same problem as job {first}' if again else problem}"))


def differing(outcomes: Sequence[Outcome]) -> list[str]:
    """The overrides of each job without those that all of them share."""
    words = [o.job.split() for o in outcomes]
    shared = set(words[0]).intersection(*words[1:]) if len(words) > 1 else set()
    return [" ".join(w for w in job if w not in shared) for job in words]


def print_across(across: AcrossSets) -> None:
    """The ranking over data sets, or why there is none."""
    terminal = console()
    terminal.print()
    terminal.print(across_table(across))
    terminal.print(cell(across.sentence), style="bold", soft_wrap=True)
    for note in across.notes:
        terminal.print(cell(f"Note: {note}"), soft_wrap=True)
    terminal.print()


def print_comparison(compared: Compared) -> None:
    """The ranking and the verdict of every group of runs that may be compared."""
    terminal = console()
    for part in compared.parts:
        terminal.print()
        if part.verdict.contenders:
            terminal.print(ranking_table(part.group, part.verdict, terminal.width))
        terminal.print(cell(part.verdict.sentence), style="bold", soft_wrap=True)
        for said in of_the_best(part.verdict):
            terminal.print(cell(said), soft_wrap=True)
        if cards := card_sentence(part.group, part.verdict):
            terminal.print(cell(cards), soft_wrap=True)
        for remark in part.remarks:
            terminal.print(cell(f"Note: {remark}"), soft_wrap=True)
    terminal.print()
