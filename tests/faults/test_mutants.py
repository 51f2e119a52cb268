"""The tests tested: without any one of its guards the program must fail one of them.

Each mutant is a copy of the repository in which one guard was taken out, and the tests that should notice.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from faults.tally import tally
from support.environment import REPOSITORY, environment

STORE, DAMAGE = "tests/features/test_store.py", "tests/faults/test_damage.py"
SPOT_CHECK, WRITER = "tests/benchmark/test_spot_check.py", "tests/features/test_writer.py"
ROOM = "tests/benchmark/test_room.py"


@dataclass(frozen=True)
class Mutant:
    """A guard (``file``, ``text``), what stands there without it, and the tests that should notice."""

    guard: str
    file: str
    text: str
    without: str
    tests: tuple[str, ...]


MUTANTS = (
    Mutant("fsync of a file", "features/entry.py", "os.fsync(file.fileno())", "pass", (STORE, DAMAGE)),
    Mutant("fsync of the folder", "features/entry.py", "            _sync_folder(self.folder)\n", "", (STORE, DAMAGE)),
    Mutant(
        "atomic rename",
        "features/entry.py",
        'self.folder / f".{name}.{uuid.uuid4().hex}"',
        "self.folder / name",
        (STORE, DAMAGE),
    ),
    Mutant("digest of a shard", "features/files.py", "digest_of(content) != match.group(2)", "False", (STORE, DAMAGE)),
    Mutant(
        "a file's place", "features/files.py", 'return "" if metadata == place_of(', 'return "" if True or (', (STORE,)
    ),
    Mutant(
        "digest of the manifest",
        "features/entry.py",
        "body if _is_manifest(body) and _sealed(body) == content else None",
        "body if _is_manifest(body) else None",
        (STORE, DAMAGE),
    ),
    Mutant("count of the shards", "features/entry.py", "if len(names) != len(self.shards):", "if False:", (STORE,)),
    Mutant("shape of the rows", "features/entry.py", "if rows.shape != (len(shard), self.width) or", "if", (STORE,)),
    Mutant(
        "a full disk in words", "features/entry.py", "problem.errno in (errno.ENOSPC, errno.EDQUOT)", "False", (STORE,)
    ),
    Mutant(
        "half-written files go",
        "features/entry.py",
        "                temporary.unlink()\n",
        "                pass\n",
        (STORE,),
    ),
    Mutant("whole names of what follows", "features/entry.py", "named.group(1) == name and ", "", (STORE,)),
    Mutant(
        "verification when an entry is opened",
        "features/entry.py",
        "intact = {number for number, path in self._files() if self._verified(path)}",
        "intact = {number for number, path in self._files()}",
        (STORE, DAMAGE),
    ),
    Mutant(
        "room asked for beforehand",
        "features/store.py",
        "if needed > shutil.disk_usage(self.folder).free:",
        "if False:",
        (STORE,),
    ),
    Mutant(
        "lock of an extraction",
        "features/store.py",
        "                held.enter_context(self._lock(key))\n",
        "                pass\n",
        (STORE, "tests/faults/test_processes.py::test_of_several_processes_one_extracts"),
    ),
    Mutant("mark of an entry in use", "features/store.py", "if self._in_use(key) or ", "if ", (STORE,)),
    Mutant(
        "weights in the key",
        "features/key.py",
        "return digest_of(canonical(deciding))",
        'return digest_of(canonical({**deciding, "weights": ""}))',
        (STORE,),
    ),
    Mutant(
        "rows that are no numbers",
        "lit/callbacks/store.py",
        "        if len(bad):\n",
        "        if False:\n",
        ("tests/lit/test_pass.py", "tests/benchmark/test_extraction.py"),
    ),
    Mutant(
        "values that are no numbers",
        "results/record.py",
        "if not math.isfinite(value):",
        "if False:",
        ("tests/results", "tests/benchmark/test_run.py"),
    ),
    Mutant(
        "images are what they were",
        "data/decode.py",
        "if digest is not None and digest_of(content) != digest:",
        "if False:",
        ("tests/faults/test_images.py",),
    ),
    Mutant(
        "allow-list of formats",
        "data/decode.py",
        ", formats=(*FORMATS, *formats_of(content))",
        "",
        ("tests/faults/test_images.py",),
    ),
    Mutant(
        "too large pictures",
        "data/decode.py",
        "if width * height > MAX_PIXELS:",
        "if False:",
        ("tests/faults/test_images.py",),
    ),
    Mutant("skipped images in the fingerprint", "data/files.py", " + left_out", "", ("tests/faults/test_images.py",)),
    Mutant(
        "weights_only",
        "backbones/checkpoint.py",
        'map_location="cpu", weights_only=True)',
        'map_location="cpu", weights_only=False)',
        ("tests/faults/test_checkpoints.py", "tests/backbones/test_checkpoint.py"),
    ),
    Mutant(
        "missing tensors",
        "backbones/loading.py",
        "return not lacking or body().isdisjoint(lacking)",
        "return True",
        ("tests/backbones/test_loading.py",),
    ),
    Mutant(
        "tensors of another network",
        "backbones/loading.py",
        "if body is None or not all(",
        "if body is None or not any(",
        ("tests/backbones/test_loading.py",),
    ),
    Mutant(
        "layers that the weights do not have",
        "backbones/network.py",
        "if self.gives(tap):",
        "if True:",
        ("tests/backbones/test_loading.py",),
    ),
    Mutant(
        "pickles of repositories",
        "backbones/hub.py",
        "SAFE = FILES[:1]",
        "SAFE = FILES",
        ("tests/backbones/test_timm_described.py",),
    ),
    Mutant(
        "arguments of a repository's configuration",
        "backbones/timm_described.py",
        "    _refuse_arguments(arguments, name)\n",
        "",
        ("tests/backbones/test_timm_described.py",),
    ),
    Mutant(
        "digest of a download",
        "backbones/weights.py",
        "hexdigest().startswith(expected.group(1))",
        'hexdigest() != ""',
        ("tests/backbones/test_weights.py",),
    ),
    Mutant(
        "allow-list of targets",
        "config/build.py",
        "if not _within(module_name, packages):",
        "if False:",
        ("tests/config/test_build.py", "tests/faults/test_overrides.py"),
    ),
    Mutant(
        "targets by where they were defined",
        "config/build.py",
        "_within(made.__module__, packages)",
        "True",
        ("tests/config/test_build.py", "tests/faults/test_overrides.py"),
    ),
    Mutant(
        "Hydra's own targets",
        "config/guard.py",
        "        refuse_foreign(config)\n",
        "",
        ("tests/faults/test_overrides.py",),
    ),
    Mutant(
        "formulas in CSV",
        "results/tables.py",
        "value.startswith(_NOT_AS_IT_IS)",
        "False",
        ("tests/results/test_report.py", "tests/faults/test_names.py"),
    ),
    Mutant(
        "escapes in HTML",
        "results/page.py",
        "autoescape=True",
        "autoescape=False",
        ("tests/results/test_page.py", "tests/faults/test_names.py"),
    ),
    Mutant(
        "control characters",
        "names.py",
        "return _ACTS.sub(_escaped, name)",
        "return name",
        ("tests/faults/test_names.py",),
    ),
    Mutant(
        "secrets",
        "tracking/tracker.py",
        'return _CREDENTIALS.sub("//", text)',
        "return text",
        ("tests/tracking/test_mlflow.py", "tests/config/test_shown.py"),
    ),
    Mutant(
        "a lost tracker",
        "tracking/steady.py",
        "        except TrackingError as problem:\n",
        "        except ZeroDivisionError as problem:\n",
        ("tests/tracking/test_steady.py",),
    ),
    Mutant(
        "runs left open",
        "tracking/mlflow.py",
        "            close_left(self._client(), self.experiment_id)\n",
        "",
        ("tests/tracking/test_mlflow.py",),
    ),
    Mutant(
        "rows that are not the network's",
        "benchmark/spot_check.py",
        "        if wrong.any():\n",
        "        if False:\n",
        (SPOT_CHECK,),
    ),
    Mutant(
        "rows that are no numbers, held against the network",
        "benchmark/spot_check.py",
        "wrong = ~(apart <= self.most)",
        "wrong = apart > self.most",
        (SPOT_CHECK,),
    ),
    Mutant(
        "the check of what others stored",
        "benchmark/spot_check.py",
        "return 0 if is_own(entry.folder, entry.about()) else AUTO_COUNT",
        "return 0",
        (SPOT_CHECK,),
    ),
    Mutant(
        "the host of an entry", "features/writer.py", "if about.get(HOST) != host():", "if False:", (WRITER, SPOT_CHECK)
    ),
    Mutant(
        "the owners of files", "features/writer.py", "return user is None or all(", "return True or all(", (WRITER,)
    ),
    Mutant(
        "room on the disk", "benchmark/room.py", "return size - there <= self.of_disk if", "return True if", (ROOM,)
    ),
    Mutant(
        "room for the layers of a sweep", "benchmark/extraction.py", "if lacking <= max(left, 0):", "if True:", (ROOM,)
    ),
    Mutant(
        "bytes of a file in the store",
        "regular.py",
        "if status.st_size > most:",
        "if False:",
        ("tests/test_regular.py",),
    ),
    Mutant(
        "bytes of an array in an archive",
        "comparison/files.py",
        "    if entry.file_size > most:\n",
        "    if False:\n",
        ("tests/comparison/test_comparison.py",),
    ),
    Mutant(
        "lines of the pairs of many classes",
        "results/pair_tables.py",
        'kind="stable")[:most]]',
        'kind="stable")]',
        ("tests/results/test_pair_tables.py",),
    ),
    Mutant(
        "cells in the picture of many classes",
        "figures/pairs.py",
        "return -(-count // MAX_DRAWN)",
        "return 1",
        ("tests/figures/test_figures.py",),
    ),
    Mutant(
        "bytes of the thumbnails",
        "results/maps.py",
        "    sprites = make_sprites(images, most)\n",
        "    sprites = make_sprites(images, 10**9)\n",
        ("tests/results/test_maps.py",),
    ),
    Mutant(
        "jobs that were composed already",
        "cli/sweeper.py",
        "if tuple(job) not in composed",
        "",
        ("tests/cli/test_composing.py",),
    ),
    Mutant(
        "a process that was given a number again",
        "tracking/machine.py",
        "abs(psutil.Process(int(pid)).create_time() - float(created)) < 1",
        "psutil.pid_exists(int(pid))",
        ("tests/tracking/test_mlflow.py",),
    ),
    Mutant(
        "links in the store",
        "features/files.py",
        "if folder.is_symlink():",
        "if False:",
        ("tests/features/test_files.py",),
    ),
    Mutant(
        "regular files alone",
        "regular.py",
        "if not stat.S_ISREG(status.st_mode):",
        "if False:",
        ("tests/test_regular.py",),
    ),
    Mutant(
        "deadline of a request",
        "tracking/patience.py",
        "            response = within(seconds, answered)\n",
        "            response = answered()\n",
        ("tests/tracking/test_patience.py",),
    ),
    Mutant(
        "bound of an answer",
        "tracking/patience.py",
        "        if taken > most:\n",
        "        if False:\n",
        ("tests/tracking/test_patience.py",),
    ),
    Mutant(
        "who answers is MLflow",
        "tracking/client.py",
        "    if not identifier:\n",
        "    if False:\n",
        ("tests/tracking/test_patience.py",),
    ),
    Mutant(
        "what goes while it is verified",
        "features/store.py",
        "if problems and stored.has_gone():",
        "if False:",
        ("tests/features/test_beside.py",),
    ),
    Mutant(
        "threads are not waited for",
        "waiting.py",
        "wait=False, cancel_futures=True",
        "wait=True",
        ("tests/cli/test_signals.py",),
    ),
    Mutant(
        "nor at the end",
        "cli/leaving.py",
        "    if code not in STOPPED:\n",
        "    if True:\n",
        ("tests/cli/test_signals.py",),
    ),
    Mutant(
        "closing has an end",
        "cli/signals.py",
        "if _closing and time.monotonic() - _closing[0] > CLOSING_S:",
        "if False:",
        ("tests/cli/test_signals.py",),
    ),
    Mutant(
        "Markdown of a name",
        "results/markdown.py",
        r'_MARKS.sub(r"\\\g<0>", visible(" ".join(str(value).split())))',
        'visible(" ".join(str(value).split()))',
        ("tests/results/test_markdown.py",),
    ),
    Mutant(
        "HTML of a name",
        "results/markdown.py",
        '.replace("<", "&lt;")',
        "",
        ("tests/results/test_markdown.py",),
    ),
    Mutant(
        "code ends where it began",
        "results/markdown.py",
        '.replace("`", "\'")',
        "",
        ("tests/results/test_markdown.py",),
    ),
    Mutant(
        "signs of life",
        "results/lease.py",
        "                _touch(self._file, make=0)\n",
        "                pass\n",
        ("tests/results/test_outcome.py",),
    ),
    Mutant(
        "a lease is given back",
        "results/lease.py",
        "            self._file.unlink()\n",
        "            pass\n",
        ("tests/results/test_outcome.py",),
    ),
    Mutant(
        "a database without room",
        "tracking/client.py",
        "if folder is not None and any(word in text for word in _FULL):",
        "if False:",
        ("tests/program/test_full_disk.py",),
    ),
    Mutant(
        "the full disk's own bytes",
        "benchmark/run.py",
        "with disk_named(folder), _tracked",
        "with _tracked",
        ("tests/program/test_full_disk.py",),
    ),
    Mutant(
        "a database of a later MLflow",
        "tracking/client.py",
        "if found and _has_revision(found.group(1)):",
        "if found:",
        ("tests/tracking/test_mlflow.py",),
    ),
    Mutant(
        "scores of pixels with other labels",
        "benchmark/kept_scores.py",
        "[label_digest(images) for images in subject.splits.values()]",
        "len(subject.splits)",
        ("tests/benchmark/test_kept_scores.py",),
    ),
    Mutant(
        "a stop that does not wake the main thread",
        "cli/signals.py",
        "elif kind and not arrived and not _closing:",
        "elif False:",
        ("tests/cli/test_signals.py",),
    ),
    Mutant(
        "a stop that the interpreter ignores",
        "cli/signals.py",
        "    sys.unraisablehook = ignored",
        "    del ignored",
        ("tests/cli/test_signals.py",),
    ),
    Mutant(
        "two signals at once",
        "cli/signals.py",
        "if time.monotonic() - _first[0] > TOGETHER_S:",
        "if True:",
        ("tests/cli/test_signals.py",),
    ),
    Mutant(
        "a job ends with its parent",
        "cli/signals.py",
        "    os.kill(os.getpid(), signal.SIGTERM)\n",
        "    return\n",
        ("tests/cli/test_signals.py",),
    ),
    Mutant(
        "links below mlruns",
        "regular.py",
        '0 if links else getattr(os, "O_NOFOLLOW", 0)',
        "0",
        ("tests/test_regular.py",),
    ),
    Mutant(
        "nothing is written through a link",
        "regular.py",
        '    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")',
        "    temporary = path",
        ("tests/test_regular.py",),
    ),
    Mutant(
        "the configuration of an earlier job is a file",
        "cli/job.py",
        'read_regular(folder / "config.yaml", MAX_BYTES).decode()',
        '(folder / "config.yaml").read_text()',
        ("tests/house/test_reads.py",),
    ),
    Mutant(
        "the database is a file",
        "tracking/client.py",
        "            if not stat.S_ISREG(path.lstat().st_mode):",
        "            if False:",
        ("tests/tracking/test_mlflow.py",),
    ),
    Mutant(
        "artifacts are files",
        "tracking/client.py",
        "    here = _here(str(client.get_run(run_id).info.artifact_uri))",
        "    here = None",
        ("tests/tracking/test_mlflow.py",),
    ),
    Mutant(
        "parts of a manifest",
        "features/entry.py",
        "        words\n",
        "        True\n",
        ("tests/features/test_files.py",),
    ),
    Mutant(
        "locks that lead elsewhere",
        "features/store.py",
        "        refuse_link(folder)\n",
        "",
        ("tests/features/test_files.py",),
    ),
    Mutant(
        "the time of a manifest alone",
        "features/store.py",
        ", follow_symlinks=False",
        "",
        ("tests/features/test_files.py",),
    ),
    Mutant(
        "draws that are numbers",
        "comparison/files.py",
        'np.isfinite(array).all()):\n        raise ValueError(f"{name}: there are none',
        'True):\n        raise ValueError(f"{name}: there are none',
        ("tests/comparison/test_files.py",),
    ),
    Mutant(
        "labels of a class",
        "comparison/files.py",
        'if kind == "labels" and len(array)',
        "if False and len(array)",
        ("tests/comparison/test_files.py",),
    ),
    Mutant(
        "values in their range",
        "comparison/runs.py",
        "            check_range(values, kinds)\n",
        "",
        ("tests/comparison/test_files.py",),
    ),
    Mutant(
        "ranges of this version",
        "comparison/files.py",
        "kinds = {**kinds, **known_kinds()}",
        "kinds = {**known_kinds(), **kinds}",
        ("tests/comparison/test_files.py",),
    ),
    Mutant(
        "kept scores are numbers",
        "benchmark/kept_scores.py",
        "isinstance(value, Undefined) or math.isfinite(value)",
        "True",
        ("tests/benchmark/test_kept_scores.py",),
    ),
    Mutant(
        "a working folder that went away",
        "lit/trainer.py",
        "default_root_dir=tempfile.gettempdir(),",
        "",
        ("tests/program/test_vanished.py",),
    ),
    Mutant(
        "options of Hydra",
        "cli/entry.py",
        'if word.startswith("-") and name not in OPTIONS:',
        "if False:",
        ("tests/cli/test_entry.py",),
    ),
)


def place_of(mutant: Mutant, root: Path) -> Path:
    return root / "src" / "frostmark" / mutant.file


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.guard)
def test_the_guard_is_where_it_is_looked_for(mutant: Mutant) -> None:
    assert place_of(mutant, REPOSITORY).read_text(encoding="utf-8").count(mutant.text) == 1


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("mutants") / "copy"
    root.mkdir()
    for name in ("src", "tests", "conf", "scripts"):
        shutil.copytree(REPOSITORY / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("run.py", "pyproject.toml", "README.md"):
        shutil.copy(REPOSITORY / name, root / name)
    return root


def fails(root: Path, tests: tuple[str, ...]) -> bool:
    """Whether a test fails; that none could be run is no answer."""
    done = subprocess.run(
        [sys.executable, "-B", "-m", "pytest", "-q", "-x", "-n", "0", "-p", "no:cacheprovider", *tests],
        cwd=root, env=environment(), capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stdout[-2000:] + done.stderr[-2000:]
    return done.returncode == 1


@pytest.mark.faults
@pytest.mark.timeout(2400)
@pytest.mark.parametrize("part", range(4))
def test_every_mutant_is_caught(part: int, copy: Path) -> None:
    mine = MUTANTS[part::4]
    survivors = []
    for mutant in mine:
        place = place_of(mutant, copy)
        whole = place.read_text(encoding="utf-8")
        place.write_text(whole.replace(mutant.text, mutant.without), encoding="utf-8")
        try:
            if not fails(copy, mutant.tests):
                survivors.append(mutant.guard)
        finally:
            place.write_text(whole, encoding="utf-8")
    tally(
        "mutants caught", len(mine), len(mine) - len(survivors), "; ".join(f"survived: {guard}" for guard in survivors)
    )
