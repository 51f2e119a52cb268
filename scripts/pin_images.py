"""Pin the images of Dockerfile and scripts/server/compose.yaml to digests, as a registry has them now.

    python scripts/pin_images.py                 # needs docker with buildx, and a network; writes both files
    python scripts/pin_images.py --dry-run       # prints what it would write

``name:tag`` becomes ``name:tag@sha256:…``. An image that has a digest stays as it is: take the digest away to renew it.
"""

from __future__ import annotations

import argparse
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FILES = (ROOT / "Dockerfile", ROOT / "scripts" / "server" / "compose.yaml")

IMAGE = re.compile(
    r"^(?P<before>ARG PYTHON=|\s+image: |x-\w+: &\w+ )(?P<image>[\w./-]+:[\w.-]+)(?P<digest>@sha256:[0-9a-f]{64})?",
    re.MULTILINE,
)
"""Where the two files name an image."""


def pinned(text: str, look_up: Callable[[str], str]) -> str:
    """``text`` with a digest behind every image that has none."""

    def one(found: re.Match[str]) -> str:
        return found[0] if found["digest"] else f"{found[0]}@{look_up(found['image'])}"

    return IMAGE.sub(one, text)


def digest_of(image: str) -> str:
    """What the registry says of a tag: the digest of its list of platforms."""
    words = ["docker", "buildx", "imagetools", "inspect", image, "--format", "{{.Manifest.Digest}}"]
    digest = subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
        raise SystemExit(f"{image}: the registry gave {digest!r} instead of a digest")
    return digest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dry-run", action="store_true", help="print what would be written")
    dry = parser.parse_args().dry_run
    for file in FILES:
        text = pinned(file.read_text(encoding="utf-8"), digest_of)
        print(text) if dry else file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
