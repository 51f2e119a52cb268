"""What a file is: junk, cut files and files of other kinds, whatever they are called."""

from __future__ import annotations

import gzip
import io
import pickle
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.numpy import save

from frostmark.backbones.checkpoint import read_checkpoint
from frostmark.data.lines import read_lines
from frostmark.errors import DataError
from frostmark.features.given import read_rows
from frostmark.signatures import kind_of

ARRAYS = {"train": np.ones((4, 3), np.float32), "test_labels": np.arange(4)}


def written(write: Callable[[io.BytesIO], object]) -> bytes:
    file = io.BytesIO()
    write(file)
    return file.getvalue()


def archive(file: io.BytesIO) -> None:
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("word/document.xml", "<a/>")


NPZ = written(lambda file: np.savez(file, **ARRAYS))
SAFETENSORS = save(ARRAYS)
PARQUET = written(lambda file: pq.write_table(pa.table({"split": ["train"]}), file))
TORCH = written(lambda file: torch.save({"w": torch.zeros(900)}, file))
JUNK: dict[str, tuple[bytes, str]] = {
    "random bytes": (random.Random(1).randbytes(5000), ""),
    "nothing": (b"", "an empty file"),
    "zero bytes": (bytes(900), "a file of zero bytes"),
    "empty archive": (b"PK\x05\x06" + bytes(18), "an empty ZIP archive"),
    "cut npz": (NPZ[:-9], "a ZIP archive that was cut off or damaged"),
    "other archive": (written(archive), "a ZIP archive of other files, such as 'word/document.xml'"),
    "table": (b"file_name,label\n1.png,cat\n", 'a text file that begins with "file_name,label"'),
    "table in another alphabet": ("имя_файла,метка\n".encode() * 99, 'a text file that begins with "имя_файла,метка"'),
    "page": (b"\n<!DOCTYPE html><html></html>", "a web page"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer"),
    "pickle": (pickle.dumps(ARRAYS), "a pickle"),
    "array": (written(lambda file: np.save(file, ARRAYS["train"])), "one array of np.save (.npy)"),
    "packed": (gzip.compress(NPZ), "a gzip archive"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(99), "an HDF5 file"),
    "npz": (NPZ, "an npz file"),
    "torch": (TORCH, "a file of torch.save"),
    "safetensors": (SAFETENSORS, "a safetensors file"),
    "cut safetensors": (SAFETENSORS[:-9], f"{len(SAFETENSORS) - 9} of {len(SAFETENSORS)} bytes are there"),
    "safetensors cut in its header": (SAFETENSORS[:30], "a safetensors file that was cut off in its header"),
    "damaged header": (b"\x20" + bytes(7) + b"{" * 40, "a safetensors file with a damaged header"),
    "parquet": (PARQUET, "a parquet file"),
    "cut parquet": (PARQUET[:-9], "a parquet file that was cut off"),
}
RAW = ("Errno", "Error while deserializing", "PytorchStreamReader", "pop from", "out of range", "magic bytes")
"""Pieces of what libraries say."""


@pytest.mark.parametrize("name", JUNK)
def test_a_file_is_called_what_it_is(name: str, tmp_path: Path) -> None:
    content, words = JUNK[name]
    (tmp_path / "file").write_bytes(content)
    told = kind_of(tmp_path / "file").words
    assert words in told if words else told == ""


@pytest.mark.parametrize("ending", [".npz", ".safetensors", ".parquet"])
@pytest.mark.parametrize("name", JUNK)
def test_a_file_of_rows_that_is_something_else_is_told_as_what_it_is(name: str, ending: str, tmp_path: Path) -> None:
    content, words = JUNK[name]
    file = tmp_path / f"rows{ending}"
    file.write_bytes(content)
    with pytest.raises(DataError) as refused:
        read_rows(file)
    told = refused.value.problem
    assert ("pickle" in told) == (name == "pickle")
    assert not any(raw in told for raw in RAW), told
    if f".{name}" != ending and (name, ending) != ("pickle", ".npz"):
        assert (words or f"its bytes are not those of a {ending} file") in told


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
@pytest.mark.parametrize("name", [name for name in JUNK if name not in ("torch", "safetensors")])
def test_a_checkpoint_that_is_something_else_is_told_as_what_it_is(name: str, ending: str, tmp_path: Path) -> None:
    content, words = JUNK[name]
    file = tmp_path / f"weights{ending}"
    file.write_bytes(content)
    with pytest.raises(DataError) as refused:
        read_checkpoint(file)
    assert (words or "it does not contain weights") in refused.value.problem
    assert not any(raw in refused.value.problem for raw in RAW), refused.value.problem


@pytest.mark.parametrize("name", ["npz", "parquet", "pickle", "HDF5"])
def test_a_table_that_is_something_else_is_not_one_in_another_encoding(name: str, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_bytes(JUNK[name][0])
    with pytest.raises(DataError, match=f"cannot be read: it is {JUNK[name][1]}"):
        read_lines(tmp_path / "labels.csv")


def test_a_folder_by_the_name_of_a_file_is_told_of(tmp_path: Path) -> None:
    for name, read in (("rows.npz", read_rows), ("labels.csv", read_lines), ("last.ckpt", read_checkpoint)):
        (tmp_path / name).mkdir()
        with pytest.raises(DataError, match=f"{name} is a folder"):
            read(tmp_path / name)
