"""What parses what lies on the disk: whatever is there, it answers and never breaks."""

from __future__ import annotations

import argparse
import json
import math
import string
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from frostmark.cli.commands.cache import age_seconds, size_bytes
from frostmark.features.entry import MANIFEST, Entry, problem_of, read_manifest, shard_number
from frostmark.features.key import RowKey, canonical, digest_of
from frostmark.features.memo import Memo
from frostmark.results.outcome import SweepRecord, has_ended, outcomes
from frostmark.tracking.tracker import without_secrets

FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
WORDS = st.text(string.printable, max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda of: (
        st.lists(of, max_size=3)
        | st.dictionaries(
            st.sampled_from(["a", "b", "body", "shards", "host", "folder", "__metadata__"]), of, max_size=3
        )
    ),
    max_leaves=5,
)
DEEP = b"[" * 200_000
"""Python's own parser gives up here, in its own way."""
KEYS = st.builds(
    RowKey, WORDS, WORDS, WORDS, WORDS, WORDS, WORDS, WORDS, WORDS, st.integers(0, 10**9), WORDS, st.integers(0, 9)
)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    entry = Entry(tmp_path_factory.mktemp("entry"), RowKey(*"abcdefgh", 0, "i"), 3)
    entry.commit({"backbone": "resnet18"})
    return (entry.folder / MANIFEST).read_bytes()


@FEW
@given(content=st.binary(max_size=300) | JSON.map(lambda body: canonical({"body": body, "digest": "0" * 32})))
@example(content=DEEP)
@example(content=canonical({"body": [], "digest": digest_of(canonical([]))}))
def test_any_bytes_are_no_manifest(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(content)
    assert read_manifest(tmp_path / "m") is None


@settings(FEW, max_examples=200)
@given(data=st.data())
def test_a_manifest_with_anything_changed_is_none(data: st.DataObject, manifest: bytes, tmp_path: Path) -> None:
    start = data.draw(st.integers(0, len(manifest)))
    end = data.draw(st.integers(start, len(manifest)))
    changed = manifest[:start] + data.draw(st.binary(max_size=20)) + manifest[end:]
    (tmp_path / "m").write_bytes(changed)
    assert (read_manifest(tmp_path / "m") is not None) == (changed == manifest)


@settings(FEW, max_examples=200)
@given(one=KEYS, other=KEYS)
def test_keys_differ_where_anything_in_them_does(one: RowKey, other: RowKey) -> None:
    assert (one.digest() == other.digest()) == (asdict(one) == asdict(other))
    assert one.digest() == RowKey(**asdict(one)).digest()


@FEW
@given(name=st.text(max_size=60), content=st.binary(max_size=200))
def test_any_file_is_a_shard_or_is_not(name: str, content: bytes, tmp_path: Path) -> None:
    assert shard_number(Path(name or "x")) is None or name.startswith("rows-")
    for kept in ("x", "rows-000001-" + "0" * 32 + ".safetensors", "derived-a-" + "0" * 32 + ".safetensors"):
        (tmp_path / kept).write_bytes(content)
        assert problem_of(tmp_path / kept, "k" * 32)


@FEW
@given(header=st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
@example(header=DEEP)
def test_a_file_of_the_right_digest_is_still_no_shard(header: bytes, tmp_path: Path) -> None:
    content = len(header).to_bytes(8, "little") + header
    path = tmp_path / f"rows-000001-{digest_of(content)}.safetensors"
    path.write_bytes(content)
    assert problem_of(path, "k" * 32)


@FEW
@given(content=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
@example(content=DEEP)
@example(content=b'{"code": 1}')
def test_notes_that_cannot_be_read_are_as_good_as_none(content: bytes, tmp_path: Path) -> None:
    for name in ("memo.json", "sweep.json", "outcome.json"):
        (tmp_path / name).write_bytes(content)
    assert type(Memo(tmp_path / "memo.json").get("a")) in (type(None), int)
    assert SweepRecord.read(tmp_path) is None
    assert has_ended(tmp_path) is False  # an outcome has more than one field
    (tmp_path / "0").mkdir(exist_ok=True)
    (tmp_path / "0" / "outcome.json").write_bytes(content)
    assert [outcome.code for outcome in outcomes(tmp_path)] == [None]


@FEW
@given(text=WORDS | st.from_regex(r"[0-9.]{1,20}(B|GB|s|w)", fullmatch=True))
@example(text="9" * 400 + "GB")
@example(text="9" * 5000)
@example(text="1.2.3s")
def test_sizes_and_ages_are_numbers_or_refused(text: str) -> None:
    for parse in (size_bytes, age_seconds):
        try:
            assert 0 <= parse(text) < math.inf
        except (argparse.ArgumentTypeError, ValueError):
            continue


@FEW
@given(
    user=st.text(string.ascii_letters + string.digits + "-._~%!$&'()*+,;=", max_size=9),
    password=st.text(string.ascii_letters + string.digits + "-._~%!$&()*+,;=:/@?#[]", max_size=20),
)
def test_no_password_survives(user: str, password: str) -> None:
    for inside in (f"{password}SECRET", f"SECRET{password}"):
        shown = without_secrets(f"see https://{user}:{inside}@host:5000/path and go on")
        assert shown == "see https://host:5000/path and go on"


@pytest.mark.parametrize("word", ["password", "api_key", "access_token", "sslpassword", "client_secret", "PASSWORD"])
def test_no_password_in_a_query_survives(word: str) -> None:
    shown = without_secrets(f"postgresql://host/runs?user=u&{word}=SECRET&sslmode=require")
    assert shown == f"postgresql://host/runs?user=u&{word}=…&sslmode=require"


@pytest.mark.faults
@pytest.mark.timeout(300)
def test_a_minute_of_atheris_finds_nothing(manifest: bytes, tmp_path: Path) -> None:
    """Guided by coverage, which hypothesis is not."""
    import subprocess
    import sys

    from support.environment import REPOSITORY, environment

    pytest.importorskip("atheris", reason="pip install atheris: the fuzzer guided by coverage is not installed")
    (tmp_path / "seeds").mkdir()
    (tmp_path / "seeds" / "manifest").write_bytes(manifest)
    code = (
        "import sys, atheris, pathlib\n"
        "with atheris.instrument_imports(include=['frostmark']):\n"
        "    from frostmark.features.entry import read_manifest, shard_number, problem_of\n"
        "path = pathlib.Path('m')\n"
        "def one(data):\n"
        "    path.write_bytes(data); body = read_manifest(path); shard_number(path); problem_of(path, 'k')\n"
        "    assert body is None or data == pathlib.Path('seeds/manifest').read_bytes()\n"
        "atheris.Setup([sys.argv[0], '-max_total_time=60', 'seeds'], one); atheris.Fuzz()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment(PYTHONPATH=str(REPOSITORY / "src")),
        capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
