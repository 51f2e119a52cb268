"""Rows made elsewhere: what is read of the three kinds of files, and what is refused, by name and with a way out."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow
import pytest
import torch
from pyarrow import parquet
from safetensors.numpy import save_file

from frostmark.errors import ConfigError, DataError
from frostmark.features.formats import read_contents, write_safetensors
from frostmark.features.given import read_rows, rows_of

RNG = np.random.default_rng(0)
TRAIN, TEST = RNG.normal(size=(6, 3)).astype(np.float32), RNG.normal(size=(4, 3)).astype(np.float32)
WIDE = {"train": RNG.normal(size=(6, 5)), "test": RNG.normal(size=(4, 5))}
TRAIN_LABELS, TEST_LABELS = np.array([0, 1, 0, 1, 0, 1]), np.array([1, 0, 1, 0])
CLASSES = ["cat", "dog"]
GROUPS = {"train": ["p1", "p1", "p2", "p2", "p3", "p3"], "test": ["p4", "p4", "p5", "p1"]}
FILES = {split: [f"{split}/{n}é.png" for n in range(count)] for split, count in (("train", 6), ("test", 4))}
ABOUT = {"dataset": "pets", "backbone": "mine"}

ALL = {
    "fc/train": TRAIN, "fc/test": TEST, "conv.2/train": WIDE["train"], "conv.2/test": WIDE["test"],
    "train_labels": TRAIN_LABELS, "test_labels": TEST_LABELS, "classes": CLASSES, "about": json.dumps(ABOUT),
    **{f"{split}_{what}": of[split] for split in FILES for what, of in (("groups", GROUPS), ("files", FILES))},
}  # fmt: skip
PLAIN = {"train": TRAIN, "test": TEST, "train_labels": TRAIN_LABELS, "test_labels": TEST_LABELS}


def npz(path: Path) -> Path:
    np.savez(path, **ALL)  # type: ignore[arg-type]
    return path


def safetensors(path: Path) -> Path:
    tensors = {key: of for key, of in ALL.items() if isinstance(of, np.ndarray)}
    texts = {key: of if key == "about" else json.dumps(of) for key, of in ALL.items() if key not in tensors}
    save_file(tensors, path, {**texts, "format": "pt"})
    return path


def table(path: Path) -> Path:
    """Lines of both splits mixed, labels as names, one layer in lists of a fixed size."""
    order = np.array([0, 6, 1, 2, 7, 3, 8, 4, 9, 5])

    def mixed(train: object, test: object) -> list[object]:
        both = [*train, *test]  # type: ignore[misc]
        return [both[i] for i in order]

    labels = [CLASSES[label] for label in (*TRAIN_LABELS, *TEST_LABELS)]
    wide = pyarrow.FixedSizeListArray.from_arrays(np.concatenate(mixed(*WIDE.values())), 5)
    columns = {
        "split": mixed(["train"] * 6, ["test"] * 4), "label": [labels[i] for i in order],
        "group": mixed(*GROUPS.values()), "file": mixed(*FILES.values()),
        "fc": pyarrow.array(mixed(TRAIN.tolist(), TEST.tolist()), pyarrow.list_(pyarrow.float32())), "conv.2": wide,
    }  # fmt: skip
    metadata = {"classes": json.dumps(CLASSES), "about": json.dumps(ABOUT)}
    parquet.write_table(pyarrow.table(columns).replace_schema_metadata(metadata), path)
    return path


KINDS: dict[str, Callable[[Path], Path]] = {"npz": npz, "safetensors": safetensors, "parquet": table}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_holds_the_same(kind: str, tmp_path: Path) -> None:
    given = read_rows(KINDS[kind](tmp_path / f"features.{kind}"))
    assert set(given.layers) == {"fc", "conv.2"}
    assert given.classes == ("cat", "dog")
    assert {split: of.tolist() for split, of in given.labels.items()} == {
        "train": TRAIN_LABELS.tolist(), "test": TEST_LABELS.tolist(),
    }  # fmt: skip
    assert {split: of.tolist() for split, of in given.groups.items()} == GROUPS
    assert {split: list(of) for split, of in given.files.items()} == FILES
    assert given.about == ABOUT
    fc, conv = given.layer("fc"), given.layer("conv.2")
    assert (fc.width, fc.kind, conv.width, conv.kind) == (3, "float32", 5, "float64")
    np.testing.assert_array_equal(fc.rows["train"], TRAIN)
    np.testing.assert_array_equal(fc.rows["test"], TEST)
    np.testing.assert_array_equal(conv.rows["train"], WIDE["train"].astype(np.float32))
    assert all(rows.dtype == np.float32 for rows in conv.rows.values())


def test_the_same_rows_are_the_same_whatever_held_them(tmp_path: Path) -> None:
    read = [read_rows(make(tmp_path / f"features.{kind}")) for kind, make in KINDS.items()]
    assert len({given.layer("fc").digest for given in read}) == 1
    assert len({given.fingerprint("test") for given in read}) == 1


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_half_and_double_precision_become_float32(kind: type) -> None:
    layer = rows_of(PLAIN | {"train": TRAIN.astype(kind), "test": TEST.astype(kind)}).layer("rows")
    np.testing.assert_array_equal(layer.rows["train"], TRAIN.astype(kind).astype(np.float32))
    assert layer.kind == np.dtype(kind).name


def test_arrays_tensors_and_lists_in_memory_are_taken() -> None:
    given = rows_of({"train": torch.from_numpy(TRAIN), "test": TEST.tolist(), "train_labels": ["b", "a"] * 3,
                     "test_labels": ["a"] * 4, "train_files": [Path("x")] * 6, "test_files": ["y"] * 4,
                     "about": {"dataset": "pets"}})  # fmt: skip
    assert given.layers == ("rows",)
    assert given.classes == ("a", "b")
    assert given.labels["train"].tolist() == [1, 0] * 3
    assert given.files["train"] == ("x",) * 6
    np.testing.assert_array_equal(given.layer("rows").rows["train"], TRAIN)


def fingerprints(**more: object) -> list[str]:
    given = rows_of(PLAIN | more)
    return [given.fingerprint(split) for split in ("train", "test")]


def test_images_are_known_by_what_is_said_of_them_else_by_files_else_by_labels() -> None:
    labels = {"train_labels": 1 - TRAIN_LABELS, "test_labels": 1 - TEST_LABELS}
    files = {f"{split}_files": of for split, of in FILES.items()}
    said = {"about": {"train_fingerprint": "0" * 32, "test_fingerprint": "1" * 32}}
    assert fingerprints(train=2 * TRAIN) == fingerprints() != fingerprints(**labels)
    assert fingerprints(**files, **labels) == fingerprints(**files) != fingerprints()
    assert fingerprints(train_groups=[1] * 6, test_groups=[1] * 4) != fingerprints()
    assert fingerprints(**said, **files) == ["0" * 32, "1" * 32]


# ---------------------------------------------------------------- what is refused

NAN = TRAIN.copy()
NAN[[1, 4], 2] = np.nan, np.inf


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"train": NAN}, r"'train': 2 of 6 rows are not finite float32 numbers; first rows: 1, 4"),
        ({"train": np.full((6, 3), 1e300)}, "6 of 6 rows are not finite"),
        ({"train": TRAIN[:5]}, "'train' has 5 rows for 6 labels in 'train_labels'"),
        ({"test": TEST[:, :2]}, "layer rows has 3 features in train and 2 features in test"),
        ({"train": TRAIN.astype(int)}, "'train' is int64"),
        ({"train": TRAIN[None]}, r"has the shape \(1, 6, 3\)"),
        ({"train": TRAIN[:, :0], "test": TEST[:, :0]}, r"has the shape \(6, 0\)"),
        ({"train_labels": TRAIN_LABELS.astype(float)}, "'train_labels' are float64"),
        ({"train_labels": TRAIN_LABELS - 1}, "'train_labels' reach from -1 to 0"),
        ({"train_labels": TRAIN_LABELS * 9, "classes": CLASSES}, "reach from 0 to 9, and there are 2 classes"),
        ({"train_labels": TRAIN_LABELS * 10**9}, "reach from 0 to 1000000000"),
        ({"train_labels": ["cat"] * 6, "test_labels": ["cow"] * 4, "classes": CLASSES}, "'test_labels' holds 'cow'"),
        ({"train_labels": TRAIN_LABELS[:, None]}, r"has the shape \(6, 1\)"),
        ({"test_labels": TEST_LABELS[:0]}, "the test split has no image"),
        ({"classes": ["cat", "cat"]}, "'classes' names a class twice"),
        ({"train_groups": [1] * 6}, "has 'train_groups' and no 'test_groups'"),
        ({"train_groups": [1] * 5, "test_groups": [1] * 4}, "5 values in 'train_groups' for 6 images of train"),
        ({"train_groups": [0.5] * 6, "test_groups": [1] * 4}, "'train_groups' holds float64"),
        ({"train_group": [1] * 6}, "has 'train_group', which nothing reads. Nearest: train_groups"),
        ({"fc/train": TRAIN}, "has 'fc/train' and no rows of test beside it"),
        ({"rows/train": TRAIN, "rows/test": TEST}, "has 'train' and 'rows/train': one layer twice"),
        ({"a\x1b[31m/train": TRAIN, "a\x1b[31m/test": TEST}, "cannot be typed"),
        ({"${oc.env:HOME}/train": TRAIN, "${oc.env:HOME}/test": TEST}, "cannot be typed"),
        ({"about": {"data": "x"}}, "'about' has the key 'data'. Nearest: "),
        ({"about": {"dataset": 7}}, "not a JSON object of texts"),
        ({"about": "{"}, "not a JSON object of texts"),
        ({"about": {"test_fingerprint": "../x"}}, "not 32 hexadecimal digits"),
        ({"train": [[1.0], [1.0, 2.0]]}, "'train' of the mapping of rows is not an array"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named_with_a_way_out(more: dict[str, object], told: str) -> None:
    with pytest.raises(DataError, match=told) as refused:
        rows_of(PLAIN | more).layer("rows")
    assert refused.value.fix


@pytest.mark.parametrize("key", PLAIN)
def test_what_is_missing_is_named(key: str) -> None:
    with pytest.raises(DataError, match=f"no rows of {key}|no '{key}'"):
        rows_of({name: of for name, of in PLAIN.items() if name != key})


def test_a_file_without_rows_is_told_of_with_what_it_has() -> None:
    with pytest.raises(DataError, match="no rows 'train' and 'test', only X_train, y_train"):
        rows_of({"X_train": TRAIN, "y_train": TRAIN_LABELS})


def test_an_unknown_layer_is_told_of_with_the_others(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"features.npz has no layer 'fcc'. Its layers: fc"):
        read_rows(npz(tmp_path / "features.npz")).layer("fcc")


class Bomb:
    """What a pickle would run."""

    ran = False

    def __reduce__(self) -> tuple[object, ...]:
        return setattr, (Bomb, "ran", True)


def test_pickled_objects_are_refused_and_not_run(tmp_path: Path) -> None:
    np.savez(tmp_path / "array.npz", **PLAIN, classes=np.array([Bomb(), Bomb()], dtype=object))
    (tmp_path / "pickle.npz").write_bytes(pickle.dumps(Bomb()))
    for name in ("array", "pickle"):
        with pytest.raises(DataError, match="pickled objects, which could run code") as refused:
            read_rows(tmp_path / f"{name}.npz")
        assert "dtype=str" in refused.value.fix
    assert not Bomb.ran


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_are_named_and_never_crash(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"features.{kind}"
    whole = KINDS[kind](path).read_bytes()

    def told() -> str:
        """What is said of the file; nothing where it can be read."""
        try:
            given = read_rows(path)
            for layer in given.layers:
                given.layer(layer)
        except (DataError, ConfigError) as problem:
            return problem.fix
        except MemoryError:  # a length in the header: told of as what the machine lacks
            return "memory"
        return ""

    generator = np.random.default_rng(1)
    contents = [b"", b"<html>", whole[: len(whole) // 2], whole[:-1], whole[9:]]
    for _ in range(60):
        changed = bytearray(whole)
        for place in generator.integers(0, len(whole), 4):
            changed[place] ^= int(generator.integers(1, 256))
        contents.append(bytes(changed))
    for number, content in enumerate(contents):
        path.write_bytes(content)
        # Where a changed byte is one of a number or a name, nobody can tell.
        assert told() or number >= 5, f"content {number} was read"


def test_other_files_and_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").touch()
    np.save(tmp_path / "one.npy", TRAIN)
    (tmp_path / "one.npy").rename(tmp_path / "one.npz")
    for name, told in (("rows.csv", "is not a file of rows"), ("no.npz", "there is no file"), ("one.npz", "one array")):
        with pytest.raises(DataError, match=told):
            read_rows(tmp_path / name)


def test_kinds_that_numpy_lacks_are_told_of(tmp_path: Path) -> None:
    from safetensors.torch import save_file as save_tensors

    tensors = {name: torch.from_numpy(np.asarray(of)) for name, of in PLAIN.items()}
    save_tensors(tensors | {"train": tensors["train"].bfloat16()}, tmp_path / "half.safetensors")
    with pytest.raises(DataError, match="'train' are BF16") as refused:
        read_rows(tmp_path / "half.safetensors").layer("rows")
    assert "float()" in refused.value.fix


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"label": [0, 1], "fc": [[1.0], [2.0]]}, "no column 'split'"),
        ({"split": ["train", "val"], "label": [0, 1], "fc": [[1.0], [2.0]]}, "'split' holds 'val'"),
        ({"split": ["train", None], "label": [0, 1], "fc": [[1.0], [2.0]]}, "'split' holds None"),
        ({"split": ["train", "test"], "label": [0, None], "fc": [[1.0], [2.0]]}, "holds None"),
        ({"split": ["train", "test"], "label": [0, 1], "id": [0, 1], "fc": [[1.0], [2.0]]}, "the column 'id' is of"),
        ({"split": ["train", "test"], "label": [0, 0], "fc": [[1.0], [2.0, 3.0]]}, "not of one length: 1, 2"),
        ({"split": ["train", "test"], "label": [0, 0], "fc": [[1.0], None]}, "not of one length"),
        ({"split": ["train", "test"], "label": [0, 0], "fc": [[1.0], [None]]}, "1 of 1 rows are not finite"),
        ({"split": ["train", "test"], "label": [0, 0], "fc": [["a"], ["b"]]}, "is object|is str"),
    ],
)
def test_tables_that_do_not_fit_are_refused(columns: dict[str, list[object]], told: str, tmp_path: Path) -> None:
    parquet.write_table(pyarrow.table(columns), tmp_path / "rows.parquet")
    with pytest.raises(DataError, match=told):
        read_rows(tmp_path / "rows.parquet").layer("fc")


def test_what_is_written_is_read_and_never_half_there(tmp_path: Path) -> None:
    path = tmp_path / "out.safetensors"
    tensors = {key: of for key, of in ALL.items() if isinstance(of, np.ndarray)}
    write_safetensors(path, tensors, {"classes": json.dumps(CLASSES)})
    contents = read_contents(path)
    assert set(contents.keys) == {*tensors, "classes"}
    np.testing.assert_array_equal(contents.read("fc/train"), TRAIN)
    assert [file.name for file in tmp_path.iterdir()] == ["out.safetensors"]
    with pytest.raises(DataError, match="no folder"):
        write_safetensors(tmp_path / "no" / "out.safetensors", tensors, {})


def test_a_shuffled_frame_of_pandas_is_read(tmp_path: Path) -> None:
    """Pandas keeps the numbers of the lines as a column of its own."""
    pandas = pytest.importorskip("pandas")
    rows = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
    frame = pandas.DataFrame({"split": ["train", "test"] * 4, "label": ["a", "a", "b", "b"] * 2, "fc": list(rows)})
    frame.sample(frac=1, random_state=0).to_parquet(tmp_path / "rows.parquet")
    given = read_rows(tmp_path / "rows.parquet")
    assert given.layers == ("fc",)
    assert given.layer("fc").rows["train"].shape == (4, 3)
