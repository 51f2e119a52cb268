"""The command line: the only Hydra entry.

python run.py [overrides]            one benchmark
python run.py -m [overrides]         a sweep
python run.py compare <sweep>        finished runs side by side, once more
python run.py layers backbone=vgg16  what can be tapped
python run.py ui                     browse the runs in MLflow
python run.py cache ls|verify|prune  the rows kept on disk
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from frostmark.errors import ConfigError, Terminated, nearest
from frostmark.names import visible
from frostmark.tracking.tracker import without_secrets

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from frostmark.benchmark.run import Result
    from frostmark.comparison.compared import Compared
    from frostmark.features.store import FeatureStore
    from frostmark.sweep import Finished

OVERRIDE_MARKS = ("=", "~", "+")

TAKE_VALUES = {
    "-cd", "--config-dir", "-cn", "--config-name", "-cp", "--config-path", "-c", "--cfg", "-p", "--package", "--info",
    "-i", "--experimental-rerun",
}  # fmt: skip
"""The only options of Hydra whose value is a word of its own."""

# Hydra completes our launchers' YAMLs by the schemas of their plugins, and warns that a later version will not.
# Here, so that it holds in the workers too.
warnings.filterwarnings("ignore", message=r"\s*'hydra/launcher/\w+' is validated against ConfigStore schema")


def main() -> None:
    """Entry of ``python run.py`` and of ``frostmark``."""
    signal.signal(signal.SIGTERM, terminate)
    signal.signal(signal.SIGINT, interrupt)
    arguments = sys.argv[1:]
    command = COMMANDS.get(arguments[0]) if arguments else None
    sys.exit(_guarded(lambda: command(arguments[1:]) if command else _hydra(arguments)))


def terminate(signum: int, frame: FrameType | None) -> None:
    """What SIGTERM does: everything open is closed; the second one does not wait for that."""
    signal.signal(signal.SIGTERM, _leave)
    raise Terminated


def interrupt(signum: int, frame: FrameType | None) -> None:
    """What Ctrl-C does: everything open is closed; the second one does not wait for that."""
    signal.signal(signal.SIGINT, _leave)
    raise KeyboardInterrupt


def _leave(signum: int, frame: FrameType | None) -> None:
    """At once, whatever is being done: files are whole or absent, and the next start closes the tracked run."""
    os._exit(128 + signum)


# ---------------------------------------------------------------- benchmark and sweep


def _hydra(arguments: list[str]) -> int:
    _refuse_unknown_words(arguments)
    sys.argv[1:] = _options_first(arguments)
    # Hydra prints errors in its own way and exits with 1, unless it is told to let them through.
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    import hydra

    from frostmark import sweep
    from frostmark.config import conf_dir, register_schema

    register_schema()
    errors: list[Exception] = []
    run = hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")(_job(errors))
    stopped: BaseException | None = None
    try:
        run()
    except BaseException as stop:
        stopped = stop
        raise
    finally:
        finished = sweep.finish(stopped)
        if finished is not None:
            _print_sweep(finished)
    if errors:
        raise errors[0]
    return finished.code if finished is not None else 0


def _options_first(arguments: list[str]) -> list[str]:
    """The same words as Hydra's parser takes them: ``a=1 -m b=2`` would be refused as two groups of overrides."""
    return [word for word, _ in sorted(_kinds(arguments), key=lambda kind: not kind[1])]  # otherwise in their order


def _refuse_unknown_words(arguments: list[str]) -> None:
    """Words that are neither options nor overrides: Hydra would answer with a grammar."""
    for word, is_option in _kinds(arguments):
        if not is_option and not any(mark in word for mark in OVERRIDE_MARKS):
            raise ConfigError(
                f"unknown command '{word}'",
                fix=f"one of {nearest(word, COMMANDS)}, or overrides like backbone=vgg16; --help tells more",
            )


def _kinds(arguments: list[str]) -> Iterator[tuple[str, bool]]:
    """Every word, and whether it is an option or the value of one."""
    takes_value = False
    for word in arguments:
        yield word, takes_value or word.startswith("-")
        takes_value = word in TAKE_VALUES


def _job(errors: list[Exception]) -> Callable[[DictConfig], None]:
    """What Hydra calls. A single run leaves its error in ``errors``: Hydra would print one more line of its own."""

    def benchmark(config: DictConfig) -> None:
        from hydra.core.hydra_config import HydraConfig
        from hydra.types import RunMode

        folder = Path(HydraConfig.get().runtime.output_dir)
        if HydraConfig.get().mode == RunMode.MULTIRUN:
            _job_of_sweep(config, folder, without_secrets(" ".join(HydraConfig.get().overrides.task)))
            return
        try:
            result = _benchmark(config, folder, parent=None)
        except Exception as error:
            errors.append(error)
            with suppress(OSError):
                folder.rmdir()  # if nothing was done yet, nothing is left behind
            return
        if result is not None:
            _print_result(result, config)

    return benchmark


def _benchmark(config: DictConfig, folder: Path, parent: str | None) -> Result | None:
    from frostmark.benchmark.run import run_benchmark
    from frostmark.config import typed
    from frostmark.sweep import layers_of_sweep

    checked = typed(config)
    return run_benchmark(checked, folder, parent, layers_of_sweep(checked))


def _job_of_sweep(config: DictConfig, folder: Path, choices: str) -> None:
    """One job: whatever goes wrong in it is told and written down, and the other jobs go on."""
    from hydra.core.hydra_config import HydraConfig

    print(f"\n▸ {visible(choices)}", file=sys.stderr, flush=True)
    if _done_before(config, folder, choices):
        return
    launcher = str(HydraConfig.get().launcher._target_)
    if launcher.endswith(".BasicLauncher"):
        _work_of_job(config, folder, choices)
    else:
        # Executors give up every job when one of their workers dies: the work is done in a process of its own.
        from frostmark.apart import run_apart

        run_apart(_work_of_job, config, folder, choices)


def _done_before(config: DictConfig, folder: Path, choices: str) -> bool:
    """Whether the sweep that this one goes on with has the result already, of the same images and weights."""
    from frostmark.sweep import earlier

    outcome = earlier(choices)
    if outcome is None or not _still_holds(config, Path(str(outcome.folder))):
        return False
    print(f"  done before: {outcome.folder}", file=sys.stderr, flush=True)
    outcome.write(folder)
    return True


def _still_holds(config: DictConfig, folder: Path) -> bool:
    from frostmark.benchmark.labels import identity
    from frostmark.comparison.runs import Run
    from frostmark.config import typed
    from frostmark.shown import shown

    with suppress(Exception):  # whatever is wrong with it is told when the job is done again
        yaml = (folder / "config.yaml").read_text(encoding="utf-8")
        if yaml == shown(typed(config), {}).yaml:
            return identity(typed(config)).items() <= Run.read(folder).tags.items()
    return False


def _work_of_job(config: DictConfig, folder: Path, choices: str) -> None:
    from frostmark.outcome import Outcome
    from frostmark.sweep import parent_run, refuse_many_devices

    def work() -> None:
        refuse_many_devices(config)
        found.append(_benchmark(config, folder, parent_run()))

    Outcome(choices, choices, code=None, pid=os.getpid()).write(folder)
    found: list[Result | None] = []
    told: list[str] = []
    try:
        code = _guarded(work, told)
    except (KeyboardInterrupt, Terminated) as stop:
        Outcome(choices, choices, 143 if isinstance(stop, Terminated) else 130, "interrupted").write(folder)
        raise
    result = found[0] if found else None
    if result is None:
        Outcome(choices, choices, code, told[0] if told else "").write(folder)
        return
    # Before anything is printed: whoever reads may have gone, and the result is not lost with them.
    accuracy = result.values.get("test/neighbours/knn_accuracy")
    Outcome(choices, result.title, 0, "", result.run_id, accuracy, str(folder)).write(folder)
    _print_result(result, config, with_link=False)


# ---------------------------------------------------------------- sub-commands


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{self.prog}: {message}", fix=f"{self.prog} --help")


def _layers(arguments: list[str]) -> int:
    """List taps and nodes of a backbone, without its weights."""
    from frostmark.config import build, compose, conf_dir
    from frostmark.report.layers import layers_table

    parser = _Parser(prog=f"{_program()} layers", description=_layers.__doc__)
    parser.add_argument("overrides", nargs="*", help="backbone=<choice>, backbone.name=…, preprocess.size=…")
    parser.add_argument("--nodes", action="store_true", help="all nodes, not the taps alone")
    parser.add_argument("-cd", "--config-dir", type=Path, help="a folder of your own YAMLs")
    options = parser.parse_args(arguments)
    config = compose(conf_dir(), options.overrides, options.config_dir)
    backbone = build(config.backbone, "backbone")
    survey = backbone.survey(build(config.preprocess, "preprocess").pipeline(backbone.preset).size)
    _console().print(layers_table(backbone.name, survey.size, survey.rows(options.nodes)))
    if not options.nodes:
        print(f"layer=<tap>, or layer=node layer.node=<node>; all {len(survey.nodes)} nodes: add --nodes")
    return 0


def _ui(arguments: list[str]) -> int:
    """Open MLflow's pages on mlruns/."""
    from frostmark.config import Config, Paths
    from frostmark.tracking.mlflow import WORKFLOW, MlflowStore, serve, serving_environment

    parser = _Parser(prog=f"{_program()} ui", description=_ui.__doc__)
    parser.add_argument("root", nargs="?", default="paths.root=.", help="paths.root=<folder that holds mlruns/>")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5000)
    options = parser.parse_args(arguments)
    mlruns = Config(paths=Paths(options.root.removeprefix("paths.root="))).mlruns
    MlflowStore.local(mlruns, "frostmark").connect()
    command = serve(mlruns, options.host, options.port)
    address = f"http://{options.host}:{options.port}/#/experiments?{WORKFLOW}"
    print(f"MLflow on {mlruns}: {address} (Ctrl-C stops it)", flush=True)
    os.execve(command[0], command, {**os.environ, **serving_environment()})


def _compare(arguments: list[str]) -> int:
    """Set finished runs side by side: comparison.html, .png, .csv and .md, and the verdict."""
    from frostmark.benchmark.tracked import open_existing_store
    from frostmark.comparison.named import compare_named
    from frostmark.config import Config, Paths, Tracking
    from frostmark.results.progress import ProgressLine

    parser = _Parser(prog=f"{_program()} compare", description=_compare.__doc__)
    parser.add_argument(
        "what",
        nargs="+",
        help="a sweep's run or folder, two or more runs (identifiers or folders), or the name of an experiment; also "
        "paths.root=<folder that holds mlruns/>, tracking.uri=<server>",
    )
    options = parser.parse_args(arguments)
    keys = dict(word.split("=", 1) for word in options.what if word.startswith(("paths.root=", "tracking.uri=")))
    names = [word for word in options.what if word.partition("=")[0] not in keys]
    if not names:
        parser.error("name a sweep, runs or an experiment")
    uri = keys.get("tracking.uri")
    tracking = Tracking(kind="server" if uri else "local", uri=uri)
    mlruns = Config(paths=Paths(keys.get("paths.root", "."))).mlruns
    with ProgressLine() as progress:
        opened = partial(open_existing_store, tracking, mlruns)
        compared, folder, link = compare_named(names, mlruns, opened, progress)
    _print_comparison(compared)
    print(visible(f"Files: {folder}"))
    if link is not None:
        print(_how_to_open(link, uri, keys.get("paths.root", ".")))
    return 0


def _cache(arguments: list[str]) -> int:
    """List, verify or prune the rows kept in mlruns/features."""
    from frostmark.config import Config, Paths
    from frostmark.features.store import FeatureStore
    from frostmark.report.cache import age_seconds, cache_table, size_bytes, sized

    parser = _Parser(prog=f"{_program()} cache", description=_cache.__doc__)
    where = _Parser(add_help=False)
    where.add_argument("root", nargs="?", default="paths.root=.", help="paths.root=<folder that holds mlruns/>")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ls|verify|prune", parser_class=_Parser)
    actions.add_parser("ls", parents=[where], help="what is there, by its last use")
    actions.add_parser("verify", parents=[where], help="read every file and check its digest")
    prune = actions.add_parser("prune", parents=[where], help="remove what was not used for long, never what is in use")
    prune.add_argument("--older-than", type=age_seconds, metavar="30d", help="not used for so long (m, h, d, w)")
    prune.add_argument("--max-size", type=size_bytes, metavar="10GB", help="keep so much, the latest used (kB, MB, GB)")
    prune.add_argument("--dry-run", action="store_true", help="say what would go, and remove nothing")
    options = parser.parse_args(arguments)
    store = FeatureStore(Config(paths=Paths(options.root.removeprefix("paths.root="))).mlruns / "features")
    if options.action == "ls":
        found = store.stored()
        _console().print(cache_table(found))
        print(f"{len(found)} entries, {sized(sum(entry.size for entry in found))} in {store.folder}")
        return 0
    if options.action == "verify":
        return _verify(store)
    if options.older_than is None and options.max_size is None:
        parser.error("prune needs --older-than or --max-size")
    return _prune(store, options.older_than, options.max_size, options.dry_run)


def _verify(store: FeatureStore) -> int:
    from frostmark.errors import DataError

    count = damaged = 0
    for entry, problems in store.verify():
        count += 1
        damaged += bool(problems)
        for problem in problems:
            print(visible(f"{entry.folder}: {problem} ({entry.words})"))
    if damaged:
        raise DataError(
            f"{damaged} of {count} entries of {store.folder} are damaged",
            fix="run the benchmark that uses them again: what is damaged is set aside and extracted anew",
        )
    print(f"{count} entries verified, none damaged")
    return 0


def _prune(store: FeatureStore, older_than: float | None, max_size: int | None, dry_run: bool) -> int:
    from frostmark.report.cache import sized

    freed = 0
    for entry in store.to_prune(older_than, max_size):
        gone = dry_run or store.remove(entry)
        what = "in use, kept" if not gone else "would go" if dry_run else "removed"
        freed += entry.size if gone else 0
        print(visible(f"{what}: {entry.folder.name[:8]} {sized(entry.size)} {entry.words}"))
    print(f"{'Would free' if dry_run else 'Freed'} {sized(freed)}")
    return 0


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "compare": _compare,
    "layers": _layers,
    "ui": _ui,
    "cache": _cache,
}


# ---------------------------------------------------------------- errors


def _guarded(work: Callable[[], Any], tell: list[str] | None = None) -> int:
    """Run ``work`` and return an exit code; problems are printed as one paragraph (and kept in ``tell``).

    In a sweep (``tell`` given) Ctrl-C and SIGTERM are passed on: they end more than this job.
    """
    try:
        result = work()
        return result if isinstance(result, int) else 0
    except (KeyboardInterrupt, Terminated) as stop:
        if tell is not None:
            raise
        if os.environ.get("LOCAL_RANK", "0") == "0":  # once, not for every process of a job
            print(
                "\nStopped. Nothing that was finished is lost.\nFix: the same command goes on from here.",
                file=sys.stderr,
            )
        return 143 if isinstance(stop, Terminated) else 130
    except Exception as error:
        from frostmark.config import explained

        problem = explained(error)
        if os.environ.get("FROSTMARK_DEBUG") == "1":
            traceback.print_exc()
        print(f"Error: {problem}".replace("python run.py", _program()), file=sys.stderr, flush=True)
        if tell is not None:
            tell.append(problem.problem.splitlines()[0])
        return problem.code


# ---------------------------------------------------------------- output


def _console() -> Any:
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 130, emoji=False)


def _print_result(result: Result, config: DictConfig, with_link: bool = True) -> None:
    from frostmark.results.tables import metrics_table, notes
    from frostmark.results.terminal import cell

    console = _console()
    console.print()
    console.print(cell(result.title), style="bold")
    console.print(cell(result.about), soft_wrap=True)
    console.print(metrics_table(result.values, result.undefined, result.chance))
    for note in notes(result.values, result.undefined):
        console.print(cell(note))
    print(visible(f"Files: {result.folder}"))
    if with_link:
        print(_how_to_open(result.link, config.tracking.uri, config.paths.root))


def _how_to_open(link: str | None, uri: str | None, root: str) -> str:
    if link is None:
        return "Not tracked (tracking=none): the files above are all there is."
    if uri:
        return f"Open it in MLflow: {without_secrets(uri)}/{link}"
    where = "" if root == "." else f" {visible(shlex.quote(f'paths.root={root}'))}"
    return f"Open it in MLflow: {_program()} ui{where}, then http://127.0.0.1:5000/{link}"


def _print_sweep(finished: Finished) -> None:
    from frostmark.results.tables import sweep_table
    from frostmark.sweep import differing

    outcomes = finished.outcomes
    if outcomes:
        console = _console()
        console.print()
        jobs = [words or o.title for o, words in zip(outcomes, differing(outcomes), strict=True)]
        console.print(sweep_table([(job, o.code, o.accuracy) for job, o in zip(jobs, outcomes, strict=True)]))
        for position, outcome in enumerate(outcomes):
            if outcome.code != 0:
                print(visible(f"#{position}: {outcome.problem or 'did not end'}"))
    else:
        print("No job was started.")
    if finished.compared is not None:
        _print_comparison(finished.compared)
        print(visible(f"Comparison: {finished.folder / 'comparison.html'}"))
    elif finished.not_compared:
        print(visible(f"No comparison: {finished.not_compared}"))
    root = str(finished.mlruns.parent)
    where = "." if root == str(Path.cwd()) else root
    name = f"Sweep {finished.run_id or finished.folder.name}"
    print(f"{name} · {_how_to_open(finished.link, finished.uri, where)}")


def _print_comparison(compared: Compared) -> None:
    from frostmark.comparison.cards import card_sentence
    from frostmark.comparison.tables import ranking_table
    from frostmark.results.terminal import cell

    console = _console()
    for part in compared.parts:
        console.print()
        if part.verdict.contenders:
            console.print(ranking_table(part.group, part.verdict))
        console.print(cell(part.verdict.sentence), style="bold", soft_wrap=True)
        if cards := card_sentence(part.group, part.verdict):
            console.print(cell(cards), soft_wrap=True)
        for remark in part.remarks:
            console.print(cell(f"Note: {remark}"), soft_wrap=True)
    console.print()


def _program() -> str:
    """What the user types: the installed command, or the file of a checkout."""
    return "frostmark" if Path(sys.argv[0]).stem == "frostmark" else "python run.py"
