"""What is wrong with image files, before a result is made of them.

splits = inspected({"train": files, "test": others}, known=Path("mlruns/features"), folder=run_folder, progress)
raise refusal(splits, known, folder, progress) or problem       # a pass came upon a damaged file: all of them are named

Every file is read once before anything is forwarded: for its digest, and what its first bytes show. That a picture
breaks off in the middle is seen when it is decoded, which the pass does. Then, and where damaged files are to be left
out, all files are tried, each set of files once on a machine.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import PIL

from frostmark.data.decode import MAX_BYTES, Held, UnreadableImageError, decode, digest_of, listed
from frostmark.data.files import ImageFiles
from frostmark.data.heif import heic_reader
from frostmark.data.source import ImageSet
from frostmark.data.threads import each
from frostmark.errors import DataError
from frostmark.regular import read_regular, write_whole

MAX_NAMED = 20
"""Damaged files that an error names; the rest are in a file."""

Progress = Callable[[str], None]


def inspected(
    splits: Mapping[str, ImageSet], known: Path, folder: Path | None, progress: Progress
) -> dict[str, ImageSet]:
    """The splits with the digest of every file; those that are no readable image left out, if they are to be skipped.

    Splits whose digests are known were inspected before, for another network: their files are not read once more.

    Args:
        known: where it is noted what was tried before, by content.
        folder: where the names of more than :data:`MAX_NAMED` damaged files go.
        progress: told how far it is.

    Raises:
        DataError: naming the files that are no readable image, if any shows it at once; unless they are to be skipped.
    """
    read: dict[str, ImageSet] = {}
    damaged = False
    for split, images in splits.items():
        if not isinstance(images, ImageFiles) or images.digests is not None:
            read[split] = images
            continue
        digests, bad = _listed(images, split, progress)
        images = replace(images, digests=digests)
        if images.skip_bad:
            images = images.without(_bad(images, known, split, progress))
            if not len(images):
                raise DataError(f"the {split} split holds no readable image", fix="repair its files")
        else:
            damaged = damaged or bool(bad)
        read[split] = images
    refused = refusal(read, known, folder, progress) if damaged else None
    if refused is not None:
        raise refused
    return read


def refusal(splits: Mapping[str, ImageSet], known: Path, folder: Path | None, progress: Progress) -> DataError | None:
    """What to raise of splits with damaged files, all of which it names; None if every file can be decoded."""
    problems = [
        problem
        for split, images in splits.items()
        if isinstance(images, ImageFiles)
        for problem in _bad(images, known, split, progress).values()
    ]
    if not problems:
        return None
    named = "\n".join(f"  {problem}" for problem in problems[:MAX_NAMED])
    rest = ""
    if len(problems) > MAX_NAMED and folder is not None:
        file = folder / "bad_images.txt"
        file.write_text("\n".join(problems) + "\n", encoding="utf-8", errors="backslashreplace")
        rest = f"\n  … and {len(problems) - MAX_NAMED} more: all are in {file}"
    count = "1 file is not a readable image"
    if len(problems) != 1:
        count = f"{len(problems):,} files are not readable images"
    return DataError(
        f"{count}:\n{named}{rest}",
        fix="repair or remove them, or leave them out: dataset.on_bad_image=skip",
    )


def _listed(images: ImageFiles, split: str, progress: Progress) -> tuple[list[bytes], list[int]]:
    """The digest of every file, and the positions of those whose first bytes show a problem."""
    digests, bad = [], []
    for i, (digest, problem) in enumerate(each(listed, images.paths)):
        digests.append(digest)
        if problem:
            bad.append(i)
        progress(f"reading {split}: {i + 1:,} of {len(images):,} files{_so_far(images, bad)}")
    return digests, bad


def _bad(images: ImageFiles, known: Path, split: str, progress: Progress) -> dict[int, str]:
    """Position → problem of the files that cannot be decoded."""
    note = known / ".inspected" / f"{digest_of(b''.join([_rules(images), *images.content()])).hex()}.json"
    with suppress(OSError, ValueError, AttributeError, RecursionError):
        noted = {int(i): str(problem) for i, problem in json.loads(read_regular(note, MAX_BYTES)).items()}
        if all(0 <= i < len(images) for i in noted):
            return noted
    decoding = replace(images.decoding, least=1)  # as quickly as a format allows: all of the file is read anyway
    bad: dict[int, str] = {}

    def problem_of(path: Path | Held) -> str:
        try:
            decode(path, None, decoding)
        except UnreadableImageError as problem:
            return problem.problem
        return ""

    for i, problem in enumerate(each(problem_of, images.paths)):
        if problem:
            bad[i] = problem
        progress(f"trying every file of {split}: {i + 1:,} of {len(images):,}{_so_far(images, list(bad))}")
    with suppress(OSError):  # it is only found out once more
        note.parent.mkdir(parents=True, exist_ok=True)
        write_whole(note, json.dumps(bad))
    return bad


def _rules(images: ImageFiles) -> bytes:
    """What decides, beside the files, which of them can be read."""
    return f"Pillow {PIL.__version__}, HEIC {heic_reader()}, {images.decoding.bits} bits".encode()


def _so_far(images: ImageFiles, bad: Sequence[int]) -> str:
    """The damaged files as far as they are known, for whoever waits."""
    return f", {len(bad):,} damaged so far, the first {images.name(images.paths[bad[0]])}" if bad else ""
