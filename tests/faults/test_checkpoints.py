"""Checkpoints that hold code, and damaged ones: refused in words, and nothing in them is ever run."""

from __future__ import annotations

import builtins
import code
import functools
import io
import json
import operator
import os
import pickle
import random
import runpy
import struct
import subprocess
import sys
import tarfile
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save
from torch import Tensor

from faults.tally import tally
from frostmark.backbones.checkpoint import read_checkpoint
from frostmark.backbones.load import TorchvisionBackbone
from frostmark.errors import DataError

SHELL = "touch executed"
PYTHON = "open('executed', 'w').close()"
IMPORTED = "__import__('os').system('touch executed')"

Files = dict[str, bytes]
"""File name → content."""


class Call:
    """Pickled, it is a call of ``function``; what is more is told to the unpickler as any ``__reduce__`` may."""

    def __init__(self, function: Callable[..., Any], *arguments: Any, more: tuple[Any, ...] = ()) -> None:
        self.reduced = (function, arguments, *more)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.reduced


def calls() -> dict[str, Call]:
    """Functions of the standard library, of numpy and of torch that lead to a program."""
    return {
        "os.system": Call(os.system, SHELL),
        "os.popen": Call(os.popen, SHELL),
        "os.spawn": Call(os.spawnlp, os.P_WAIT, "touch", "touch", "executed"),
        "os.posix_spawn": Call(os.posix_spawnp, "touch", ["touch", "executed"], {}),
        "os.open": Call(os.open, "executed", os.O_CREAT),
        "subprocess.Popen": Call(subprocess.Popen, ["touch", "executed"]),
        "subprocess.run": Call(subprocess.run, SHELL.split()),
        "subprocess.getoutput": Call(subprocess.getoutput, SHELL),
        "eval": Call(builtins.eval, IMPORTED),
        "exec": Call(builtins.exec, PYTHON),
        "open": Call(builtins.open, "executed", "w"),
        "getattr": Call(eval, "getattr(__import__('os'), 'system')('touch executed')"),
        "map": Call(list, Call(map, os.system, [SHELL])),
        "partial": Call(functools.partial(os.system), SHELL),
        "methodcaller": Call(operator.methodcaller("system", SHELL), os),
        "runpy": Call(runpy.run_path, "payload.py"),
        "runsource": Call(code.InteractiveInterpreter().runsource, PYTHON),
        "path": Call(Path("executed").touch),
        "loads": Call(pickle.loads, pickle.dumps(Call(os.system, SHELL))),
        "numpy.load": Call(np.load, "payload.npy", None, True),
        "torch.load": Call(torch.load, "payload.bin", None, pickle),
        "torch.hub": Call(torch.hub.load, ".", "payload"),
        "torch.jit": Call(torch.jit.load, "payload.pt"),
        "state_setter": Call(dict, more=(SHELL, None, None, os.system)),
        "items": Call(list, more=(None, iter([Call(os.system, SHELL)]))),
        "values": Call(dict, more=(None, None, iter([(1, Call(os.system, SHELL))]))),
    }


def picklable(calls: dict[str, Call]) -> dict[str, bytes]:
    """Those that pickle at all, in the newest protocol; not everything in the library is named where it lies."""
    found = {}
    for name, call in calls.items():
        try:
            found[name] = pickle.dumps({"w": call})
        except (pickle.PicklingError, TypeError, AttributeError):
            continue
    return found


# ---------------------------------------------------------------- opcodes written by hand


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def short(value: str) -> bytes:
    return b"\x8c" + bytes([len(value)]) + value.encode()


ARGUMENT = text(SHELL)

OPCODES = {
    "global_reduce": b"cos\nsystem\n" + ARGUMENT + b"\x85R.",
    "global_posix": b"cposix\nsystem\n" + ARGUMENT + b"\x85R.",
    "global_eval": b"cbuiltins\neval\n" + text(IMPORTED) + b"\x85R.",
    "global_old_name": b"c__builtin__\neval\n" + text(IMPORTED) + b"\x85R.",
    "protocol_0": b"cos\nsystem\n(S'touch executed'\ntR.",
    "stack_global": b"\x80\x04" + short("os") + short("system") + b"\x93" + ARGUMENT + b"\x85R.",
    "stack_global_dotted": b"\x80\x04" + short("torch") + short("os.system") + b"\x93" + ARGUMENT + b"\x85R.",
    "global_dotted": b"\x80\x04ctorch\nserialization.os.system\n" + ARGUMENT + b"\x85R.",
    "getattr_of_import": (
        b"cbuiltins\ngetattr\n(cbuiltins\n__import__\n"
        + text("os")
        + b"\x85R"
        + text("system")
        + b"tR"
        + ARGUMENT
        + b"\x85R."
    ),
    "inst": b"(" + ARGUMENT + b"ios\nsystem\n.",
    "obj": b"(cos\nsystem\n" + ARGUMENT + b"o.",
    "newobj": b"\x80\x02csubprocess\nPopen\n" + ARGUMENT + b"\x85\x81.",
    "newobj_ex": b"\x80\x04csubprocess\nPopen\n]" + ARGUMENT + b"a\x85}\x92.",
    "build_setstate": (
        b"\x80\x02ccollections\nOrderedDict\n)R}" + text("__setstate__") + b"cos\nsystem\nsb" + ARGUMENT + b"b."
    ),
    "build_module": b"\x80\x02ccodeop\nCompile\n)R}" + text("__class__") + b"cos\nsystem\nsb.",
    "ext1": b"\x80\x02\x82\x01.",
    "ext2": b"\x80\x02\x83\x01\x00.",
    "ext4": b"\x80\x02\x84\x01\x00\x00\x00.",
    "persistent_id": b"cos\nsystem\n" + ARGUMENT + b"\x85RQ.",
    "persistent_text": b"Ptouch executed\n.",
    "memo": b"\x80\x02cos\nsystem\nq\x000h\x00" + ARGUMENT + b"\x85R.",
    "dropped": b"\x80\x02cos\nsystem\n" + ARGUMENT + b"\x85R0}.",
    "marked": b"\x80\x02(cos\nsystem\n" + ARGUMENT + b"\x85R1}.",
    "first_of_two": b"\x80\x02cos\nsystem\n" + ARGUMENT + b"\x85R.\x80\x02}.",
    "in_a_key": b"\x80\x02}cos\nsystem\n" + ARGUMENT + b"\x85RK\x01s.",
    "setitems": b"\x80\x02}(" + text("w") + b"cos\nsystem\n" + ARGUMENT + b"\x85Ru.",
    "frame": b"\x80\x04\x95\x28\x00\x00\x00\x00\x00\x00\x00cos\nsystem\n" + ARGUMENT + b"\x85R.",
    "bytearray": b"\x80\x05\x96\x02\x00\x00\x00\x00\x00\x00\x00ab0cos\nsystem\n" + ARGUMENT + b"\x85R.",
    "getattr_of_allowed": (
        b"\x80\x02cbuiltins\ngetattr\nctorch._utils\n_rebuild_tensor_v2\n" + text("__globals__") + b"\x86R."
    ),
    "rebuild_from_type": (
        b"\x80\x02ctorch._tensor\n_rebuild_from_type_v2\n(cos\nsystem\ncbuiltins\nint\n" + ARGUMENT + b"\x85Nt\x85R."
    ),
    "rebuild_parameter_of_call": b"\x80\x02ctorch._utils\n_rebuild_parameter\n(cos\nsystem\n"
    + ARGUMENT
    + b"\x85RI01\n}tR.",
}


# ---------------------------------------------------------------- where code may lie


def nested() -> Iterator[tuple[str, Any]]:
    """Places in what a checkpoint holds."""
    bomb = Call(os.system, SHELL)
    good = torch.zeros(2)
    yield "alone", bomb
    yield "in_state_dict", {"state_dict": {"w": bomb, "v": good}}
    yield "beside_state_dict", {"state_dict": {"w": good}, "optimizer": bomb}
    yield "as_key", {bomb: good}
    yield "in_ordered", OrderedDict([("w", good), ("v", bomb)])
    yield "in_list", [good, bomb]
    yield "in_tuple", {"w": (good, (bomb,))}
    yield "in_set_of_tuples", {"w": {("v", 1)}, "v": bomb}
    yield "as_size", {"w": torch.Size([1]), "v": bomb}
    hooked = OrderedDict(w=good)
    hooked._metadata = bomb  # type: ignore[attr-defined]  # torch's own place for versions
    yield "as_versions", hooked
    marked = torch.zeros(2)
    marked.extra = bomb  # type: ignore[attr-defined]
    yield "on_a_tensor", {"w": marked}
    yield "on_a_parameter", {"w": with_state(torch.nn.Parameter(good), bomb)}
    yield "in_numpy", {"w": np.array([bomb], dtype=object)}
    yield "in_namespace", {"w": good, "args": SimpleNamespace(x=bomb)}
    yield "in_a_module", torch.nn.Sequential(with_state(torch.nn.Linear(1, 1), bomb))


def with_state(thing: Any, bomb: Call) -> Any:
    thing.extra = bomb
    return thing


def zipped(data: bytes, name: str = "archive/data.pkl", compression: int = zipfile.ZIP_STORED) -> bytes:
    """An archive as torch writes it, by hand."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr(name, data)
        archive.writestr("archive/version", b"3\n")
        archive.writestr("archive/byteorder", b"little")
    return file.getvalue()


def tarred(data: bytes) -> bytes:
    """The format of torch before 0.1.10."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name in ("sys_info", "storages", "tensors", "pickle"):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return file.getvalue()


def legacy(data: bytes, place: int) -> bytes:
    """The format of torch before 1.6: five pickles in a row, one of which holds the code."""
    parts = [0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}, {}, []]
    return b"".join(data if i == place else pickle.dumps(part, 2) for i, part in enumerate(parts))


def torch_saved(content: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, **options)
    return file.getvalue()


def scripted(data: bytes) -> bytes:
    """A TorchScript archive with code in its attributes and in its constants."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", data)
        archive.writestr("archive/constants.pkl", data)
        archive.writestr("archive/version", b"3\n")
        archive.writestr("archive/code/__torch__.py", f"import os\nos.system('{SHELL}')\n")
    return file.getvalue()


def hostile() -> Files:
    """All of them."""
    bomb = OPCODES["global_reduce"]
    files = {f"call_{name}.pth": data for name, data in picklable(calls()).items()}
    files |= {f"opcode_{name}.pth": data for name, data in OPCODES.items()}
    files |= {f"zip_{name}.pth": zipped(data) for name, data in OPCODES.items()}
    for name, content in nested():
        files[f"{name}.pth"] = torch_saved(content)
        files[f"{name}_before_zip.pth"] = torch_saved(content, _use_new_zipfile_serialization=False)
    files |= {f"protocol_{p}.pth": pickle.dumps({"w": Call(os.system, SHELL)}, p) for p in range(6)}
    files |= {f"legacy_{place}.pth": legacy(bomb, place) for place in range(5)}
    files |= {
        "tar.pth": tarred(bomb), "script.pt": scripted(bomb), "called.safetensors": bomb,
        "zip_called.safetensors": zipped(bomb), "deflated.pth": zipped(bomb, compression=zipfile.ZIP_DEFLATED),
        "other_folder.pth": zipped(bomb, "../archive/data.pkl"), "at_top.pth": zipped(bomb, "data.pkl"),
        "twice.pth": torch_saved({"w": torch.zeros(1)}) + zipped(bomb), "after_text.pth": b"# weights\n" + bomb,
        "numpy.pth": numpy_saved(), "script.pth": f"#!/usr/bin/env python\n{PYTHON}\n".encode(),
    }  # fmt: skip
    return files


def numpy_saved() -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([Call(os.system, SHELL)], dtype=object), allow_pickle=True)
    return file.getvalue()


def refusal(path: Path) -> str:
    """What is wrong with how a file was refused; empty if nothing is."""
    try:
        read_checkpoint(path)
    except DataError as problem:
        return "" if str(path) in problem.problem and problem.fix else f"it does not say which: {problem}"
    except BaseException as problem:
        return f"{type(problem).__name__}: {problem}"
    return "it was read"


def payloads() -> None:
    """What some of the calls look for in the working directory."""
    bomb = OPCODES["global_reduce"]
    Path("payload.py").write_text(PYTHON, encoding="utf-8")
    Path("hubconf.py").write_text(PYTHON, encoding="utf-8")
    Path("payload.npy").write_bytes(numpy_saved())
    Path("payload.bin").write_bytes(bomb)


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def test_code_in_a_checkpoint_is_refused_and_never_run(tmp_path: Path, work: Path) -> None:
    payloads()
    before = set(work.iterdir())
    files = hostile()
    wrong = []
    for name, data in files.items():
        path = tmp_path / name
        path.write_bytes(data)
        problem = refusal(path)
        if set(work.iterdir()) != before:
            problem = "it was executed"
            (work / "executed").unlink(missing_ok=True)
        if problem:
            wrong.append(f"{name}: {problem}")
    assert len(files) >= 100
    tally("hostile checkpoints refused, nothing executed", len(files), len(files) - len(wrong), "; ".join(wrong))


ARMED = """
import pickle, sys
for name in sys.argv[2:]:
    try:
        if sys.argv[1] == "torch":
            import torch
            torch.load(name, weights_only=False)
        else:
            pickle.loads(open(name, "rb").read())
    except BaseException:
        pass
    import os, time
    for _ in range(20):
        if os.path.exists("executed"):
            os.remove("executed")
            print(name)
            break
        time.sleep(0.01)
"""
"""Loads files as nobody should, and prints those that left their mark."""


def marked(how: str, files: Files, work: Path) -> list[str]:
    """The files that leave their mark when they are loaded without the guard."""
    for name, data in files.items():
        (work / name).write_bytes(data)
    done = subprocess.run([sys.executable, "-c", ARMED, how, *files], capture_output=True, text=True, timeout=240)
    return done.stdout.split()


def test_the_code_would_run_where_nobody_looks(work: Path) -> None:
    """The files above are what they claim to be: without the guard they do execute."""
    # Without torch, which takes seconds to import.
    files = {f"{name}.pth": data for name, data in OPCODES.items() if b"torch" not in data}
    assert len(marked("pickle", files, work)) >= 18


@pytest.mark.faults
def test_the_code_would_run_in_torch_too(work: Path) -> None:
    payloads()
    files = hostile()
    assert len(marked("torch", files, work)) >= 100


# ---------------------------------------------------------------- damaged


@functools.cache
def state() -> dict[str, Tensor]:
    return dict(TorchvisionBackbone("squeezenet1_0", "untrained").load(seed=3).state_dict())


def tensors_of(name: str, data: bytes) -> Files:
    """A whole file, cut at twenty places."""
    stem, _, suffix = name.rpartition(".")
    cuts = [0, 1, 2, 7, 8, 9, 63, 64, 65, *(len(data) * i // 12 for i in range(1, 12)), len(data) - 1]
    return {f"{stem}_cut_{cut}.{suffix}": data[:cut] for cut in sorted(set(cuts))}


def safetensors(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    encoded = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(encoded) if length is None else length) + encoded + data


def entry(begin: int, end: int, shape: tuple[int, ...] = (2,), dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def damaged_safetensors() -> Files:
    return {
        "huge_length.safetensors": safetensors({}, length=2**63),
        "long_length.safetensors": safetensors({}, length=500),
        "short_length.safetensors": safetensors({"w": entry(0, 8)}, bytes(8), length=5),
        "no_json.safetensors": safetensors(b"{" * 40), "list.safetensors": safetensors([1, 2]),
        "deep_json.safetensors": safetensors(b"[" * 100_000), "empty.safetensors": safetensors({}),
        "overlapping.safetensors": safetensors({"a": entry(0, 8), "b": entry(4, 12)}, bytes(12)),
        "hole.safetensors": safetensors({"a": entry(0, 8), "b": entry(12, 20)}, bytes(20)),
        "beyond.safetensors": safetensors({"a": entry(0, 8)}, bytes(4)),
        "backwards.safetensors": safetensors({"a": entry(8, 0)}, bytes(8)),
        "wrong_shape.safetensors": safetensors({"a": entry(0, 8, (3,))}, bytes(8)),
        "huge_shape.safetensors": safetensors({"a": entry(0, 8, (2**40, 2**40))}, bytes(8)),
        "negative_shape.safetensors": safetensors({"a": entry(0, 8, (-2,))}, bytes(8)),
        "unknown_kind.safetensors": safetensors({"a": entry(0, 8, dtype="OBJECT")}, bytes(8)),
        "more_behind.safetensors": safetensors({"a": entry(0, 8)}, bytes(99)),
        "header_of_200_mb.safetensors": safetensors(b" " * (200 * 2**20)),
        "words_alone.safetensors": safetensors({"__metadata__": {"format": "pt"}}),
    }  # fmt: skip


def quantised() -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch will not make any more of them; the files are there
        return torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)


def strange_contents() -> Files:
    """Archives that torch reads, and that hold no weights."""
    good = torch.zeros(2)
    sparse = torch.sparse_coo_tensor([[0]], [1.0], (2,), check_invariants=True)
    contents = {
        "number": 7, "text": "weights", "none": None, "list": [good], "bare": good, "empty": {},
        "empty_nested": {"state_dict": {}}, "text_in_it": {"w": "weights"}, "number_in_it": {"w": 1.5},
        "list_in_it": {"w": [good]}, "none_in_it": {"w": None}, "number_as_key": {1: good},
        "deeper": {"state_dict": {"model": {"more": {"w": good}}}}, "tuple_as_key": {("a",): good},
        "complex": {"w": torch.zeros(2, dtype=torch.complex64)}, "sparse": {"w": sparse},
        "quantised": {"w": quantised()},
        "without_data": {"w": torch.zeros(2, device="meta")},
    }  # fmt: skip
    return {f"{name}.pth": torch_saved(content) for name, content in contents.items()}


def damaged() -> Files:
    noise = random.Random(11).randbytes(5000)
    small = {"w": torch.arange(2000.0), "v": torch.zeros(3)}
    files = {
        "empty.pth": b"", "noise.pth": noise, "zeros.pth": bytes(5000), "page.pth": b"\n <!DOCTYPE html><html></html>",
        "feed.pth": b"<?xml version='1.0'?><Error>AccessDenied</Error>", "answer.pth": b'{"message": "Not Found"}',
        "pointer.pth": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 7\n",
        "pointer.safetensors": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 7\n",
        "page.safetensors": b"<html></html>", "words.pth": b"Too many requests\n",
        "packed.pth": b"\x1f\x8b\x08" + noise,
        "no_archive.pth": b"PK\x03\x04" + noise, "empty_archive.pth": b"PK\x05\x06" + bytes(18),
        "archive_of_nothing.pth": zipped(b""), "archive_of_noise.pth": zipped(noise),
        "hdf5.pth": b"\x89HDF\r\n\x1a\n" + noise, "onnx.pth": b"\x08\x07\x12\x07pytorch" + noise,
        "tar.pth": tarred(noise), "torch_called.safetensors": torch_saved(small), "noise.safetensors": noise,
        "deep.pth": b"\x80\x02" + b"(" * 10**6,
        "pickled_numbers.pth": pickle.dumps({"w": [1.0]}), "claims_much.pth": b"\x80\x02X\xff\xff\xff\x7f" + noise,
    }  # fmt: skip
    files |= tensors_of("new.pth", torch_saved(small))
    files |= tensors_of("old.pth", torch_saved(small, _use_new_zipfile_serialization=False))
    files |= tensors_of("whole.safetensors", save(small))
    return files | damaged_safetensors() | strange_contents()


def test_damaged_checkpoints_are_refused(tmp_path: Path, work: Path) -> None:
    wrong = []
    files = damaged()
    for name, data in files.items():
        path = tmp_path / name
        path.write_bytes(data)
        problem = refusal(path)
        if problem:
            wrong.append(f"{name}: {problem}")
    path = tmp_path / "folder.pth"
    path.mkdir()
    wrong += [f"{name}: {told}" for name in ("folder.pth", "missing.pth") if (told := refusal(tmp_path / name))]
    assert list(work.iterdir()) == []
    tried = len(files) + 2
    tally("damaged checkpoints refused", tried, tried - len(wrong), "; ".join(wrong))


def strange_states() -> dict[str, dict[str, Tensor]]:
    """Tensors that are weights, of something else."""
    whole, first = state(), "features.0.weight"
    claimed = torch.zeros(1, dtype=torch.float64)
    return {
        "other architecture": dict(TorchvisionBackbone("alexnet", "untrained").load(seed=0).state_dict()),
        "one missing": {k: v for k, v in whole.items() if k != first},
        "one more": {**whole, "features.99.weight": torch.zeros(1)},
        "another shape": {**whole, first: torch.zeros(1)},
        "transposed": {**whole, first: whole[first].transpose(0, 1)},
        "whole numbers": {**whole, first: whole[first].to(torch.int8)},
        "yes and no": {**whole, first: whole[first] > 0},
        # A few bytes that claim to be a tensor of eight terabytes: nothing may be computed with it.
        "one more, claimed": {**whole, "more": claimed.expand(2**40)},
        "another shape, claimed": {**whole, first: claimed.expand(2**40)},
        "another case": {k.upper(): v for k, v in whole.items()},
        "half a prefix": {f"module.{k}" if i % 2 else k: v for i, (k, v) in enumerate(whole.items())},
    }


def test_weights_of_something_else_are_refused(tmp_path: Path) -> None:
    wrong = []
    for name, content in strange_states().items():
        path = tmp_path / "w.pth"
        torch.save(content, path)
        try:
            TorchvisionBackbone("squeezenet1_0", str(path)).load(0)
            wrong.append(f"{name}: it was read")
        except DataError as problem:
            if f"{path} does not hold" not in problem.problem or not problem.fix:
                wrong.append(f"{name}: {problem}")
        except Exception as problem:
            wrong.append(f"{name}: {type(problem).__name__}: {problem}")
    tried = len(strange_states())
    tally("weights of something else refused", tried, tried - len(wrong), "; ".join(wrong))
