"""Code in overrides and in the user's own YAMLs: refused with exit code 2, whoever would have called it.

The benchmark calls what ``_target_`` of a group names; Hydra by itself calls callbacks, launcher, sweeper and logging.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import hydra
import pytest
from hydra._internal.callbacks import Callbacks
from hydra._internal.config_loader_impl import ConfigLoaderImpl

from conftest import Program
from faults.tally import tally
from frostmark.cli.entry import through_hydra
from frostmark.cli.problems import exit_code
from frostmark.config import build as building
from frostmark.config import guard
from frostmark.config.build import build
from frostmark.config.compose import compose
from frostmark.config.register import register
from frostmark.config.schema import Config
from frostmark.config.words import conf_dir
from frostmark.errors import ConfigError

LAUNCHERS = "ignore:\\s*'hydra/launcher:UserWarning"
"""What Hydra tells of launchers' YAMLs; the command line does not let it through either."""

BASE = (
    "backbone=squeezenet1_0", "backbone.weights=untrained", "dataset=synthetic", "dataset.train=20", "dataset.test=20",
    "preprocess.size=32", "reducer=none", "metrics=[geometry]", "tracking=none",
)  # fmt: skip

pytestmark = pytest.mark.filterwarnings(r"ignore:\s*'hydra/launcher/\w+' is validated:UserWarning")

FOREIGN = (
    "os.system", "posix.system", "os.popen", "os.execv", "builtins.eval", "builtins.exec", "builtins.open",
    "builtins.__import__", "builtins.getattr", "subprocess.Popen", "subprocess.run", "subprocess.getoutput",
    "runpy.run_path", "importlib.import_module", "functools.partial", "operator.methodcaller", "types.FunctionType",
    "pickle.load", "marshal.loads", "ctypes.CDLL", "webbrowser.open", "shutil.rmtree", "code.interact", "pathlib.Path",
    "numpy.load", "joblib.load", "torch.load", "torch.hub.load", "torch.jit.load", "pandas.read_pickle",
    "hydra.utils.get_method", "hydra.utils.instantiate", "hydra.utils.call", "omegaconf.OmegaConf.load",
)  # fmt: skip
"""What leads to a program, by its own name."""

ALIASES = (
    "frostmark.data.folder.os.system", "frostmark.data.folder.os", "frostmark.data.folder.hashlib",
    "frostmark.data.folder.hashlib.new", "frostmark.data.folder.Path", "frostmark.data.files.Image.open",
    "frostmark.data.files.os.popen", "frostmark.data.files.replace", "frostmark.backbones.checkpoint.torch.load",
    "frostmark.backbones.weights.pickle.loads", "frostmark.backbones.checkpoint.read_checkpoint", "frostmark.cli.main",
    "frostmark.cli.entry.os.system", "frostmark.config.build.importlib.import_module", "frostmark.config.build.build",
    "frostmark.cli.apart.run_apart", "frostmark.cli.sweep.SweepParent", "frostmark.tracking.mlflow.serve",
    "frostmark.data.folder.ImageFolder.split", "frostmark.data.folder.ImageFolder.__init__.__globals__",
    "frostmark.data.folder.__builtins__.eval", "frostmark.data.folder.__loader__.load_module",
    "frostmark.data.folder.__spec__", "frostmark.data.__path__", "frostmark.reducers.pca.__builtins__",
)  # fmt: skip
"""What leads there through modules of Frostmark."""

SPELLINGS = (
    "' os.system'", "'os.system '", "OS.SYSTEM", "'os .system'", ".os.system", "os..system", "os.system.", "os:system",
    "'ｏｓ.system'", "'оs.system'", "'os․system'", "'os\u200b.system'", "'frostmark.data.\u200bfolder.os.system'",
    "'frostmark.data.folder\u2024os.system'", "frostmark.data.", "frostmark.data..os.system", "'frostmark.data. '",
    "frostmark.data.folder.", "frostmark.data/folder.os", "'frostmark.data.../../os.system'", "frostmark.data.folder",
    "'frostmark.data.folder\\nos.system'", "'file:///tmp/payload.py'", "'payload.py'", "[os.system]", "{a:os.system}",
    "7", "true", "null", "''",
    "'__import__(\"os\").system(\"touch executed\")'", "'$(touch executed)'", "'`touch executed`'",
    "'\\x6fs.system'", "'frostmark.data.' + 'folder'", "!!python/name:os.system",
)  # fmt: skip
"""Names that a careless comparison might take for others, or for good ones."""

TARGETS = FOREIGN + ALIASES + SPELLINGS

BOMB = "{_target_:os.system,command:'touch executed'}"
OPEN = "{_target_:builtins.open,file:executed,mode:w}"
"""One that Hydra's own list of dangerous targets does not know."""

GROUPS = {
    "as_group": ("dataset", "backbone", "preprocess", "reducer", "dataset.limit"),
    "as_new_key": (
        "dataset.x", "backbone.x", "preprocess.x", "reducer.x", "metrics.x", "metrics.geometry.x", "dataset.limit.x",
        "layer.x", "trainer.x", "tracking.x", "uncertainty.x", "paths.x", "features.x", "x", "layer._target_",
        "_target_",
    ),
}  # fmt: skip


def in_groups() -> Iterator[list[str]]:
    """A foreign object at every place of the configuration, in every way of writing it."""
    for group in GROUPS["as_group"]:
        yield [f"{group}._target_=os.system"] if group != "reducer" else ["+reducer._target_=os.system"]
        yield [f"{group}={BOMB}"]
        yield [f"++{group}={BOMB}"]
    for key in GROUPS["as_new_key"]:
        yield [f"+{key}={BOMB if not key.endswith('_target_') else 'os.system'}"]
    for group in ("layer", "trainer", "tracking", "uncertainty", "paths", "features"):
        yield [f"++{group}._target_=os.system", f"++{group}._args_=['touch executed']"]
    yield ["metrics={x:" + BOMB + "}"]
    yield ["+metrics={x:" + BOMB + "}"]
    yield ["metrics.geometry._target_=os.system"]
    yield [f"metrics=[{BOMB}]"]
    yield [f"dataset=[{BOMB}]"]
    yield ["controls=[" + BOMB + "]"]
    yield ["dataset.limit.train=" + BOMB]
    yield ["dataset.limit.train=[" + BOMB + "]"]
    yield ["dataset.seed=" + BOMB]
    yield ["backbone.weights=" + BOMB]
    yield ["trainer.devices=" + BOMB]
    yield ["trainer.batch_size=" + BOMB]


def with_flags() -> Iterator[list[str]]:
    """Hydra's own words, which the benchmark does not know."""
    target = "dataset._target_=functools.partial"
    yield [target, "+dataset._args_=[os.system]"]
    yield ["dataset._target_=os.system", "+dataset._partial_=true"]
    for flag in ("_partial_=true", "_args_=[os.system]", "_convert_=all", "_recursive_=true", "_self_=x"):
        yield [f"+dataset.{flag}"]


def interpolated() -> Iterator[list[str]]:
    """Names that are put together only when they are asked for."""
    for target in (
        "${oc.env:EVIL}", "${oc.env:NONE,os.system}", "${oc.decode:os.system}", "${oc.select:paths.root,os.system}",
        "os.${oc.env:HALF}", "${paths.root}", "${eval:os.system}", "${hydra:job.name}", "${now:os.system}",
        "${python_version:}",
        "${oc.dict.keys:paths}", "${.nothing}", "${..paths.root}", "${dataset._target_}", "${a${b}}", "${oc.create:os}",
    ):  # fmt: skip
        yield [f"dataset._target_='{target}'", "paths.root=os.system"]
    yield ["dataset=${eval:1}"]
    yield ["+dataset.x='${oc.create:{_target_: os.system, command: touch executed}}'"]
    yield ["+dataset.x='${oc.decode:${oc.env:NODE}}'"]
    yield ["+dataset.x='${dataset}'"]
    yield ["+dataset.x=${eval:'os.system'}"]
    yield ["dataset.limit='${oc.create:${oc.decode:${oc.env:NODE}}}'"]


def of_hydra() -> Iterator[list[str]]:
    """What Hydra calls by itself."""
    for bomb in (BOMB, OPEN):
        yield [f"+hydra.callbacks.x={bomb}"]
        yield [f"hydra.callbacks={{x:{bomb}}}"]
        yield [f"++hydra.callbacks.sweep={bomb}"]
        yield [f"hydra.launcher={bomb}", "-m"]
        yield [f"hydra.sweeper={bomb}", "-m"]
        yield [f"+hydra.launcher.x={bomb}", "-m"]
        yield [f"+hydra.sweeper.x={bomb}", "-m"]
        yield [f"+hydra.callbacks.sweep.x={bomb}", "-m"]
        yield [f"+hydra.callbacks.sweep._args_=[{bomb}]"]
        yield [f"+hydra.callbacks.sweep.x=[{{a:{bomb}}}]"]
        yield [f"hydra.job.config={bomb}"]
    for target in (
        "os.system",
        "builtins.open",
        "frostmark.cli.main",
        "frostmark.results.outcome.SweepRecord.begin",
        "' os.system'",
    ):
        yield [f"hydra.callbacks.sweep._target_={target}"]
        yield [f"+hydra.callbacks.x._target_={target}", "+hydra.callbacks.x.command='touch executed'"]
        yield [f"hydra.launcher._target_={target}", "-m"]
        yield [f"hydra.sweeper._target_={target}", "-m"]
    yield ["hydra.launcher._target_=hydra_plugins.x.Launcher", "-m"]
    yield ["hydra.sweeper._target_=hydra._internal.core_plugins.basic_launcher.BasicLauncher", "-m"]
    yield ["hydra.launcher=os.system", "-m"]
    yield ["hydra/launcher=os.system", "-m"]
    yield ["hydra/sweeper=os.system", "-m"]
    yield ["hydra/callbacks=os.system"]
    yield ["hydra.job.env_set={PYTHONPATH:.}"]
    yield ["+hydra.job.env_set.LD_PRELOAD=payload.so"]


def of_hydra_indirectly() -> Iterator[list[str]]:
    """The same behind interpolations, which lead to it only when Hydra looks."""
    node = "hydra.help.x=" + OPEN
    yield [f"+{node}"]
    yield [f"+{node}", "+hydra.callbacks.x=${hydra.help.x}"]
    yield ["+dataset.x=" + OPEN, "+hydra.callbacks.x=${dataset.x}"]
    yield ["+hydra.callbacks.x=${hydra.callbacks}"]
    yield ["hydra.callbacks=${hydra.callbacks}"]
    yield ["+hydra.callbacks.x='${oc.create:${oc.decode:${oc.env:NODE}}}'"]
    yield ["+hydra.callbacks.x._target_='${oc.env:EVIL}'"]
    yield ["+hydra.callbacks.x={_target_:'${hydra:job.name}'}", "hydra.job.name=os.system"]
    yield ["+hydra.callbacks.x='${hydra:help.x}'"]
    yield ["hydra.launcher._target_='${oc.env:EVIL}'", "-m"]
    yield ["hydra.job_logging='${hydra:help.x}'"]


LOGGING = (
    "version: 1", "root: {level: INFO, handlers: [x]}", "disable_existing_loggers: false",
)  # fmt: skip


def of_logging() -> Iterator[list[str]]:
    """Python's logging calls factories and classes, and looks up names."""
    for part in ("job_logging", "hydra_logging"):
        for handler in (
            "{class:subprocess.Popen,args:[touch,executed]}", "{'()':os.system,command:'touch executed'}",
            "{'()':builtins.open,file:executed,mode:w}", "{class:logging.handlers.SocketHandler,host:localhost,port:9}",
            "{class:logging.StreamHandler,stream:'ext://os.system'}", "{class:'frostmark.cli.entry.os.system'}",
            "{class:logging.StreamHandler,stream:'cfg://handlers'}", "{class:[os.system]}", "{class:{a:os.system}}",
            "{class:'${oc.env:EVIL}'}", "'${oc.create:${oc.decode:${oc.env:NODE}}}'",
        ):  # fmt: skip
            yield [f"hydra.{part}={{version:1,root:{{level:INFO,handlers:[x]}},handlers:{{x:{handler}}}}}"]
        for kind in ("formatters", "filters"):
            yield [f"hydra.{part}={{version:1,root:{{level:INFO}},{kind}:{{x:{{'()':builtins.open,file:executed}}}}}}"]
            yield [f"hydra.{part}={{version:1,root:{{level:INFO}},{kind}:{{x:{{class:payload.X,format:a}}}}}}"]


YAMLS = {
    "dataset/evil": "_target_: os.system\ncommand: touch executed\n",
    "dataset/tagged": "_target_: !!python/name:os.system\n",
    "dataset/applied": "_target_: !!python/object/apply:os.system ['touch executed']\n",
    "reducer/evil": "_target_: frostmark.data.folder.os.system\n",
    "hydra/launcher/evil": "_target_: os.system\ncommand: touch executed\n",
    "hydra/sweeper/evil": "_target_: builtins.open\nfile: executed\nmode: w\n",
    "hydra/callbacks/evil": "x:\n  _target_: builtins.open\n  file: executed\n  mode: w\n",
    "hydra/job_logging/evil": (
        "version: 1\nroot: {handlers: [x]}\nhandlers:\n  x: {(): builtins.open, file: executed, mode: w}\n"
    ),
    "experiment/evil": (
        "# @package _global_\nhydra:\n  callbacks:\n    x: {_target_: builtins.open, file: executed, mode: w}\n"
    ),
    "experiment/logging": (
        "# @package _global_\nhydra:\n  job_logging:\n    root: {handlers: [x]}\n"
        "    handlers:\n      x: {(): builtins.open, file: executed, mode: w}\n"
    ),
    "experiment/environment": "# @package _global_\nhydra:\n  job:\n    env_set: {PYTHONPATH: .}\n",
}  # fmt: skip
"""A folder of the attacker's own YAMLs."""


def of_folders() -> Iterator[list[str]]:
    """The same, from a folder that somebody was given."""
    for choice in YAMLS:
        group, _, name = choice.rpartition("/")
        words = [f"{'+' if group == 'hydra/callbacks' else ''}{group}={name}"]
        multirun = ["-m"] if group in ("hydra/launcher", "hydra/sweeper") else []
        yield ["--config-dir", "theirs", *words, *multirun]
        yield [f"hydra.searchpath=[file://{Path('theirs').absolute()}]", *words, *multirun]
    # Only some of the jobs name it: what every job of a sweep is made of is looked at as well.
    yield ["--config-dir", "theirs", "-m", "experiment=logging,evil"]
    yield ["--config-dir", "theirs", "-m", "hydra.sweeper.params={experiment:'evil,logging'}"]
    yield ["-m", "+hydra.sweeper.params={hydra.job_logging.x:1}", "++hydra.sweeper.params.dataset='" + BOMB + "'"]


def everything() -> list[list[str]]:
    """All that is typed on a command line."""
    kinds = (in_groups, with_flags, interpolated, of_hydra, of_hydra_indirectly, of_logging, of_folders)
    return [words for kind in kinds for words in kind()]


# ---------------------------------------------------------------- trying them


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to be attacked in."""
    for name, text in YAMLS.items():
        file = tmp_path / "theirs" / f"{name}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    (tmp_path / "payload.py").write_text("open('executed', 'w').close()\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    return tmp_path


ENVIRONMENT = {"EVIL": "os.system", "HALF": "system", "NODE": OPEN}


def fault(code: int, told: str, work: Path) -> str:
    """What is wrong with how a command was refused; empty if nothing is."""
    if (work / "executed").exists():
        (work / "executed").unlink()
        return "it was executed"
    if code != 2:
        return f"exit code {code}: {told[-300:]}"
    if "Traceback" in told or told.count("\nFix: ") != 1 or not told.startswith("Error: "):
        return f"told so: {told[-300:]}"
    return ""


def ordered(words: list[str]) -> list[str]:
    """A command line: options first, since Hydra's parser takes no overrides behind them."""
    options = [word for word in words if word.startswith("-") or word == "theirs"]
    return [*options, *BASE, *(word for word in words if word not in options)]


Command = Callable[[list[str]], tuple[int, str]]


@pytest.fixture
def command(work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command line in this process: nothing that it is asked for here may come so far as to change it."""
    monkeypatch.setattr("frostmark.cli.job.work_of_job", refuse_to_begin)
    monkeypatch.setattr("frostmark.cli.job.run_benchmark", made_of)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")

    def run(words: list[str]) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["run.py", *ordered(words)])
        capsys.readouterr()
        try:
            code = exit_code(lambda: through_hydra(sys.argv[1:]))
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        return code, capsys.readouterr().err

    return run


def refuse_to_begin(*_: object, **__: object) -> None:
    raise AssertionError("a job of a sweep began")


def made_of(chosen: Config, *_: object, **__: object) -> None:
    """Everything that a benchmark makes of a configuration, and no benchmark."""
    for group in ("backbone", "preprocess", "dataset"):
        build(getattr(chosen, group), group, object)
    if (chosen.reducer or {}).get("_target_"):
        build(chosen.reducer or {}, "reducer", object)
    for name, node in chosen.metrics.items():
        build(node, f"metrics.{name}", object)


def tried(commands: list[list[str]], command: Command, work: Path) -> list[str]:
    """Those that were not refused as they should."""
    wrong = []
    for words in commands:
        problem = fault(*command(words), work)
        if problem:
            wrong.append(f"{words}: {problem}")
    return wrong


def test_every_foreign_name_is_refused(work: Path) -> None:
    words = [f"+metrics.t{i}._target_={target}" for i, target in enumerate(TARGETS)]
    nested = [f"+metrics.geometry.t{i}._target_={target}" for i, target in enumerate(TARGETS)]
    chosen = compose(conf_dir(), [*BASE, *(word for word in words + nested if parsed(word))])
    refused = 0
    nodes = [node for name, node in chosen.metrics.items() if name != "geometry"]
    nodes += [{**chosen.metrics["geometry"], "x": v} for k, v in chosen.metrics["geometry"].items() if k[0] == "t"]
    for node in nodes:
        with pytest.raises(ConfigError, match="is not allowed") as told:
            build(node, "metrics.x", object)
        refused += bool(told.value.fix) and not (work / "executed").exists()
    assert len(nodes) >= 150
    tally("foreign targets refused", len(nodes), refused)


def parsed(word: str) -> bool:
    """Whether Hydra's grammar takes it at all; what it does not take is refused by that."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        OverridesParser.create().parse_override(word)
    except HydraException:
        return False
    return True


FEW = 25
"""Every so many of the commands, and one of each kind, are tried in every run; all of them behind ``faults``."""

KINDS = (in_groups, with_flags, interpolated, of_hydra, of_hydra_indirectly, of_logging)


def one_of_each() -> list[list[str]]:
    return [next(iter(kind())) for kind in KINDS]


def test_hostile_overrides_are_refused(command: Command, work: Path) -> None:
    commands = [*one_of_each(), *everything()[::FEW]]
    wrong = tried(commands, command, work)
    tally(
        "hostile overrides refused, nothing executed (sample)",
        len(commands),
        len(commands) - len(wrong),
        "; ".join(wrong),
    )


@pytest.mark.faults
@pytest.mark.timeout(1200)
def test_all_hostile_overrides_are_refused(command: Command, work: Path) -> None:
    commands = everything()
    assert len(commands) >= 150
    wrong = tried(commands, command, work)
    tally("hostile overrides refused, nothing executed", len(commands), len(commands) - len(wrong), "\n".join(wrong))


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_the_program_refuses_them_too(program: Program, work: Path) -> None:
    """As above, with the real program: one of each kind, and those of the folder."""
    commands = one_of_each() + list(of_folders())[::3]
    wrong = []
    for words in commands:
        done = program(*ordered(words), cwd=work, **ENVIRONMENT)
        problem = fault(done.returncode, done.stderr, work)
        if problem:
            wrong.append(f"{words}: {problem}")
        # A sweep notes what it was asked for before its jobs are made; of a single run nothing stays.
        assert "-m" in words or not [path for path in work.glob("mlruns/**/*") if path.is_file()], words
    tally("hostile overrides refused by the program", len(commands), len(commands) - len(wrong), "; ".join(wrong))


# ---------------------------------------------------------------- what is ours still works, and the trap as well


@pytest.mark.filterwarnings(LAUNCHERS)
@pytest.mark.parametrize(
    "words",
    [
        [], ["hydra/launcher=joblib"], ["hydra/launcher=gpus"], ["hydra/launcher=submitit_local"],
        ["hydra/launcher=submitit_slurm"],
        ["hydra/job_logging=default", "hydra/hydra_logging=default"], ["hydra.run.dir=/tmp/elsewhere"],
        ["experiment=report"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_what_is_ours_is_allowed(words: list[str]) -> None:
    compose(conf_dir(), [*(word for word in BASE if "experiment=report" not in words), *words])


def test_without_the_guard_hydra_calls_what_it_is_told(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hydra's own list does not hold everything, so the guard is what refuses it."""
    register()
    monkeypatch.setattr("hydra._internal.hydra.ConfigLoaderImpl", ConfigLoaderImpl)
    with hydra.initialize_config_dir(str(conf_dir()), version_base="1.3"):
        composed = hydra.compose("config", [f"+hydra.callbacks.x={OPEN}"], return_hydra_config=True)
    with pytest.raises(ConfigError, match=r"hydra\.callbacks\.x\._target_=builtins\.open is not allowed"):
        guard.refuse_foreign(composed)
    for file in Callbacks(composed).callbacks:
        if hasattr(file, "close"):
            file.close()
    assert (work / "executed").exists()


def test_without_the_list_of_rooms_a_foreign_target_is_called(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "allowed", lambda target: lambda command: os.system(command))
    build({"_target_": "os.system", "command": "touch executed"}, "dataset", object)
    assert (work / "executed").exists()
