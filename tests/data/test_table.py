"""Images by a table: the same images and labels, whatever it is written in, and errors that name the lines."""

from __future__ import annotations

import csv
import json
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from frostmark.data.entries import Columns
from frostmark.data.fingerprint import fingerprint, label_digest
from frostmark.data.folder import ImageFolder
from frostmark.data.inspection import inspected
from frostmark.data.lines import read_lines
from frostmark.data.source import SPLITS, ImageSet, Limits, groups_of
from frostmark.data.table import ImageTable
from frostmark.errors import ConfigError, DataError, FrostmarkError

Cells = dict[str, list[object]]


def make_images(root: Path, count: int = 30) -> Cells:
    """PNGs of two classes, and a table of them: two label sets, ten owners."""
    cells: Cells = {"file_name": [], "label": [], "colour": [], "owner": []}
    for i in range(count):
        name = ("cat", "dog")[i % 2]
        path = root / name / f"owner{i % 10}_{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (9, 8), (i, 40 * (i % 3), 7)).save(path)
        values = (f"{name}/{path.name}", name, ("red", "green", "blue")[i % 3], i % 10)
        for column, value in zip(cells.values(), values, strict=True):
            column.append(value)
    return cells


def write(path: Path, cells: Cells) -> Path:
    """The table in the format of the file's ending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = list(zip(*cells.values(), strict=True))
    if path.suffix == ".parquet":
        pq.write_table(pa.table(cells), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(dict(zip(cells, row, strict=True))) + "\n" for row in rows))
    else:
        with path.open("w", newline="") as file:
            csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",").writerows([list(cells), *rows])
    return path


def same(one: ImageSet, other: ImageSet) -> bool:
    return fingerprint(one) == fingerprint(other) and label_digest(one) == label_digest(other)


def refused(error: type[FrostmarkError], table: ImageTable) -> FrostmarkError:
    with pytest.raises(error) as told:
        table.split("train")
    return told.value


@pytest.mark.parametrize("name", ["labels.csv", "labels.tsv", "labels.jsonl", "labels.parquet"])
def test_a_table_is_the_folder_it_is_of(name: str, tmp_path: Path) -> None:
    table = ImageTable(str(write(tmp_path / name, make_images(tmp_path))))
    folder = ImageFolder(str(tmp_path))
    assert table.name == "labels"
    assert table.classes() == folder.classes() == ("cat", "dog")
    for split in SPLITS:
        assert same(table.split(split), folder.split(split))
        assert table.split(split).files == folder.split(split).files


def test_its_order_and_that_of_its_columns_change_nothing(tmp_path: Path) -> None:
    cells = make_images(tmp_path)
    first = ImageTable(str(write(tmp_path / "a.csv", cells)))
    turned = {key: column[::-1] for key, column in reversed(cells.items())}
    second = ImageTable(str(write(tmp_path / "b.jsonl", turned)))
    assert all(same(first.split(split), second.split(split)) for split in SPLITS)


def test_splits_are_those_of_the_table_or_of_a_hash(tmp_path: Path) -> None:
    cells = make_images(tmp_path)
    cells["split"] = ["Train" if i < 18 else "val" if i < 26 else "unused" for i in range(30)]
    file = str(write(tmp_path / "labels.csv", cells))
    table = ImageTable(file)
    assert sorted(table.split("train").files) == sorted(map(str, cells["file_name"][:18]))
    assert sorted(table.split("test").files) == sorted(map(str, cells["file_name"][18:26]))
    assert table.remarks == [
        "the split val is used as the test split",
        "splits that are not used: unused (4 images)",
    ]
    hashed = ImageTable(file, columns=Columns(split=None))
    assert same(hashed.split("test"), ImageFolder(str(tmp_path)).split("test"))
    assert hashed.remarks == []


def test_a_table_of_a_folder_with_splits_is_that_folder(tmp_path: Path) -> None:
    for split in SPLITS:
        make_images(tmp_path / split, 12)
    names = [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*.png"))]
    parts = [name.split("/") for name in names]
    cells: Cells = {"file_name": list(names), "label": [p[1] for p in parts], "split": [p[0] for p in parts]}
    table, folder = ImageTable(str(write(tmp_path / "a.csv", cells))), ImageFolder(str(tmp_path))
    assert all(same(table.split(split), folder.split(split)) for split in SPLITS)


@pytest.mark.parametrize("name", ["metadata.csv", "metadata.jsonl"])
def test_the_metadata_of_a_hugging_face_folder_is_found(name: str, tmp_path: Path) -> None:
    one, two = tmp_path / "one" / "pets", tmp_path / "two" / "pets"
    write(one / name, make_images(one))
    assert same(ImageTable(root=str(one)).split("train"), ImageFolder(str(one)).split("train"))
    for split in SPLITS:
        write(two / split / name, make_images(two / split, 12))
    table = ImageTable(root=str(two))
    assert table.name == "pets"
    assert all(same(table.split(split), ImageFolder(str(two)).split(split)) for split in SPLITS)
    with pytest.raises(DataError, match=r"holds metadata\.csv or metadata\.jsonl"):
        ImageTable(root=str(tmp_path)).classes()


def test_other_labels_are_of_the_same_images(tmp_path: Path) -> None:
    file = str(write(tmp_path / "pets.csv", make_images(tmp_path)))
    plain, colours = ImageTable(file), ImageTable(file, label="colour")
    assert colours.classes() == ("blue", "green", "red")
    assert (plain.name, colours.name) == ("pets", "pets (colour)")
    for split in SPLITS:
        assert fingerprint(plain.split(split)) == fingerprint(colours.split(split))
        assert label_digest(plain.split(split)) != label_digest(colours.split(split))


def test_groups_are_a_column_or_what_an_expression_finds(tmp_path: Path) -> None:
    file = str(write(tmp_path / "labels.csv", make_images(tmp_path)))
    by_column, by_path = ImageTable(file, group="owner"), ImageTable(file, group="(owner[0-9]+)_")
    for split in SPLITS:
        groups = groups_of(by_path.split(split))
        assert groups is not None
        assert len(set(groups)) > 1
    of_train, of_test = (set(groups_of(by_column.split(split)) or ()) for split in SPLITS)
    assert of_train | of_test == set("0123456789")
    assert not of_train & of_test
    assert set(groups_of(by_path.split("test")) or ()) <= {f"owner{i}" for i in range(10)}
    assert groups_of(ImageTable(file).split("train")) is None
    assert groups_of(ImageTable(file, columns=Columns(group="owner")).split("train")) is not None
    with pytest.raises(ConfigError, match=r"dataset\.group=ownr is not a column.*Columns: owner"):
        ImageTable(file, group="ownr").split("train")


def test_what_a_spreadsheet_writes_is_read(tmp_path: Path) -> None:
    make_images(tmp_path, 4)
    cells = ("cat\\owner0_0.png", "007"), ("dog/owner1_1.png", " NA "), ("./cat/x/../owner2_2.png", "007")
    rows = [("file_name", "label"), *cells]
    text = "\r\n".join(f"{a};{b}" for a, b in rows)
    for encoding in ("utf-8-sig", "utf-16"):
        (tmp_path / "labels.csv").write_bytes(text.encode(encoding))
        table = ImageTable(str(tmp_path / "labels.csv"), columns=Columns(split=None), test_share=0.5, split_seed=1)
        names = sorted(name for split in SPLITS for name in table.split(split).files)
        assert names == ["cat/owner0_0.png", "cat/owner2_2.png", "dog/owner1_1.png"]
        assert table.classes() == ("007", "NA")


def test_values_stay_what_is_written(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('id, label,n\n"1,5","007",NA\n\n2,"two\nlines",\n')
    lines = read_lines(tmp_path / "a.csv")
    assert lines.columns == ("id", "label", "n")
    assert [lines.texts(column) for column in lines.columns] == [["1,5", "2"], ["007", "two\nlines"], ["NA", None]]
    assert [lines.place(i) for i in range(2)] == ["line 2", "line 4"]
    pq.write_table(pa.table({"label": [1.0, None, 3.0], "b": [True, False, None]}), tmp_path / "a.parquet")
    lines = read_lines(tmp_path / "a.parquet")
    assert (lines.texts("label"), lines.texts("b")) == (["1", None, "3"], ["true", "false", None])
    pq.write_table(pa.table({"label": [0.5, 1.0], "b": [b"x", b"y"]}), tmp_path / "b.parquet")
    for column in ("label", "b"):
        with pytest.raises(DataError, match=rf"column {column} holds .* \(row 0\), which is not a name"):
            read_lines(tmp_path / "b.parquet").texts(column)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", b"", "no column names"),
        ("a.csv", b"file_name,label\n", "has no lines of images"),
        ("a.csv", b"a,b\n1,2\n3\n4,5,6\n", "2 lines of .* do not have 2 cells, such as line 3: 3"),
        ("a.csv", b'a,b\n"1,2\n', "cannot be read"),
        ("a.csv", b"a,a\n1,2\n", "the column a more than once"),
        ("a.csv", "a,b\nx,caf\u00e9\n".encode("latin-1"), "is not UTF-8: byte 9 is 0xe9"),
        ("a.jsonl", b'{"a": 1}\n{"a": \n', "line 2 is not JSON"),
        ("a.jsonl", b"[1, 2]\n", "line 1 is not a JSON object"),
        ("a.parquet", b"PAR1 no PAR1", "cannot be read"),
        ("a.xlsx", b"PK", r"is not a table \(valid: \.csv, \.tsv"),
    ],
)
def test_what_is_no_table_is_named(name: str, content: bytes, told: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=told):
        read_lines(tmp_path / name)


def test_missing_columns_are_named_with_those_there_are_and_a_fix_that_works(tmp_path: Path) -> None:
    cells = make_images(tmp_path)
    file = str(
        write(tmp_path / "a.csv", {"Path": cells["file_name"], "what": cells["owner"], "species": cells["label"]})
    )
    first = refused(DataError, ImageTable(file))
    assert "has no column file_name. Columns: Path, what, species" in first.problem
    assert first.fix == "dataset.columns.file_name=Path"
    second = refused(DataError, ImageTable(file, columns=Columns(file_name="Path")))
    assert second.fix == "dataset.label=species"
    assert ImageTable(file, columns=Columns(file_name="Path"), label="species").classes() == ("cat", "dog")
    third = refused(DataError, ImageTable(file, columns=Columns(file_name="Path"), label="specis"))
    assert (third.fix, "no column specis" in third.problem) == ("dataset.label=species", True)
    with pytest.raises(ConfigError, match="which file"):
        ImageTable()
    assert "there is no file" in refused(DataError, ImageTable(str(tmp_path / "none.csv"))).problem


def test_lines_that_cannot_be_used_are_counted_and_the_first_named(tmp_path: Path) -> None:
    cells = make_images(tmp_path)
    file = tmp_path / "labels.csv"

    def of(column: str, changes: dict[int, object], **settings: object) -> str:
        changed = [changes.get(i, value) for i, value in enumerate(cells[column])]
        write(file, {**cells, column: changed})
        return refused(DataError, ImageTable(str(file), **settings)).problem  # type: ignore[arg-type]

    where = str(file)
    assert of("label", dict.fromkeys(range(7), "")) == (
        f"7 of 30 lines have no label in column label of {where}: line 2, line 3, line 4, line 5, line 6 …"
    )
    assert of("label", {i: f"l{i}" for i in range(30)}).startswith("column label of")
    assert of("file_name", {3: " "}) == f"1 of 30 lines have no file in column file_name of {where}: line 5"
    assert of("file_name", {3: "cat/no.png"}) == f"1 of 30 files of {where} are not in {tmp_path}: cat/no.png (line 5)"
    assert of("owner", {0: ""}, group="owner") == f"1 of 30 lines have no group in column owner of {where}: line 2"
    twice = of("file_name", {2: cells["file_name"][0], 3: cells["file_name"][1]})
    assert twice == (
        f"2 files stand in {where} more than once: {cells['file_name'][0]} (line 2 and line 4), {cells['file_name'][1]}"
    )


def test_paths_that_leave_the_root_are_refused_and_links_are_followed_as_in_a_folder(tmp_path: Path) -> None:
    cells = make_images(tmp_path / "pets")
    outside = tmp_path / "outside.png"
    Image.new("RGB", (9, 8)).save(outside)
    for path in ("../outside.png", "cat/../../outside.png", str(outside), "/", "a\0.png", "../pets.png"):
        file = write(tmp_path / "pets" / "labels.jsonl", {**cells, "file_name": [path, *cells["file_name"][1:]]})
        told = refused(DataError, ImageTable(str(file), on_bad_image="skip"))
        assert told.problem.startswith(f"1 of 30 paths lead out of {tmp_path / 'pets'}:"), path
    inside = str(tmp_path / "pets" / str(cells["file_name"][0]))
    file = write(tmp_path / "pets" / "labels.jsonl", {**cells, "file_name": [inside, *cells["file_name"][1:]]})
    assert same(ImageTable(str(file)).split("train"), ImageFolder(str(tmp_path / "pets")).split("train"))
    first = tmp_path / "pets" / str(cells["file_name"][0])
    first.unlink()
    first.symlink_to(outside)
    assert same(ImageTable(str(file)).split("train"), ImageFolder(str(tmp_path / "pets")).split("train"))


def test_a_wrong_root_is_told_with_the_right_one(tmp_path: Path) -> None:
    cells = make_images(tmp_path / "photos")
    file = write(tmp_path / "labels.csv", cells)
    told = refused(DataError, ImageTable(str(file)))
    assert told.fix == f"dataset.root='{tmp_path / 'photos'}'"
    assert len(ImageTable(str(file), root=str(tmp_path / "photos")).split("train")) > 10
    bare = {**cells, "file_name": [str(name).removesuffix(".png") for name in cells["file_name"]]}
    write(file, bare)
    assert ".png" in refused(DataError, ImageTable(str(file), root=str(tmp_path / "photos"))).fix


def test_missing_files_are_left_out_where_that_is_asked_for(tmp_path: Path) -> None:
    cells = make_images(tmp_path)
    file = str(write(tmp_path / "labels.csv", cells))
    (tmp_path / str(cells["file_name"][0])).unlink()
    splits = {split: ImageTable(file, on_bad_image="skip").split(split) for split in SPLITS}
    read = inspected(splits, tmp_path / "known", None, lambda line: None)
    assert sum(map(len, read.values())) == 29


def test_a_hundred_thousand_lines_are_read_in_seconds(tmp_path: Path) -> None:
    names = [f"c{i % 10}/{i // 10:06}.png" for i in range(100_000)]
    (tmp_path / "c").mkdir()
    for i in range(10_000):
        (tmp_path / "c" / f"{i:06}.png").touch()
    for c in range(10):
        (tmp_path / f"c{c}").symlink_to(tmp_path / "c")
    cells: Cells = {"file_name": list(names), "label": [name[:2] for name in names], "group": [n[-7:-4] for n in names]}
    table = ImageTable(str(write(tmp_path / "labels.csv", cells)), limit=Limits(train=10))
    start = time.process_time()
    assert sum(len(table.split(split)) for split in SPLITS) == 100_000
    assert time.process_time() - start < 5  # issue 17; 2.5 s where it was written
