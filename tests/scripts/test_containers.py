"""Dockerfile and compose.yaml as an auditor reads them: one rule at a time, and a copy that breaks the rule."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from support.environment import REPOSITORY

DOCKERFILE = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = (REPOSITORY / "scripts" / "server" / "compose.yaml").read_text(encoding="utf-8")


def instructions(text: str) -> list[tuple[str, str]]:
    """(instruction, rest) of a Dockerfile, comments left out and lines joined."""
    plain = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    return [(word, rest.strip()) for line in plain.splitlines() if line for word, _, rest in [line.partition(" ")]]


def of(text: str, word: str) -> list[str]:
    return [rest for instruction, rest in instructions(text) if instruction == word]


def services(text: str) -> dict[str, dict[str, Any]]:
    return dict(yaml.safe_load(text)["services"])


def every(holds: Callable[[dict[str, Any]], object]) -> Callable[[str], bool]:
    return lambda text: all(holds(service) for service in services(text).values())


EXACT = r":v?\d+\.\d+(\.\d+)?(-[\w.-]+)?(@sha256:[0-9a-f]{64})?$"
"""A tag with at least the second number of a version, or a digest behind it."""

OF_DOCKERFILE: dict[str, tuple[Callable[[str], bool], tuple[str, str]]] = {
    "the base has an exact version": (
        lambda text: all(
            re.search(EXACT, rest.partition("=")[2]) for rest in of(text, "ARG") if rest.startswith("PYTHON=")
        ),
        ("python:3.12.12-slim-bookworm", "python:latest"),
    ),
    "every stage has that base": (
        lambda text: {rest.split()[0] for rest in of(text, "FROM")} == {"${PYTHON}"},
        ("FROM ${PYTHON}\n", "FROM python\n"),
    ),
    "the last user is not root": (lambda text: of(text, "USER")[-1] == "1000", ("USER 1000", "USER root")),
    "pip installs the versions that were tested": (
        lambda text: all(
            "-c constraints.txt" in part
            for run in of(text, "RUN")
            for part in run.split("pip")[1:]
            if " install" in part
        ),
        ("install -c constraints.txt .", "install ."),
    ),
    "pip keeps no cache": (
        lambda text: any("PIP_NO_CACHE_DIR=1" in rest for rest in of(text, "ENV")),
        ("PIP_NO_CACHE_DIR=1 ", ""),
    ),
    "no address of a package index": (
        lambda text: "http" not in text,
        ('TORCH_INDEX=""', 'TORCH_INDEX="https://example.org"'),
    ),
    "the index of torch is a build argument": (
        lambda text: 'TORCH_INDEX=""' in of(text, "ARG"),
        ('ARG TORCH_INDEX=""\n', ""),
    ),
    "anybody may write to /runs": (
        lambda text: any("chmod 1777 /runs" in run for run in of(text, "RUN")),
        (" && chmod 1777 /runs", ""),
    ),
    "a user without a home has one": (
        lambda text: any("HOME=/tmp" in rest for rest in of(text, "ENV")),
        (" HOME=/tmp", ""),
    ),
    "files are copied, not added": (lambda text: of(text, "ADD") == [], ("COPY src", "ADD src")),
    "nothing is fetched by a shell": (
        lambda text: not any(re.search("curl|wget|apt-get", run) for run in of(text, "RUN")),
        ("RUN python", "RUN curl x; python"),
    ),
    "the program is the entry, as words": (
        lambda text: of(text, "ENTRYPOINT") == ['["frostmark"]'],
        ('ENTRYPOINT ["frostmark"]', "ENTRYPOINT frostmark"),
    ),
    "it says whether it is watched": (lambda text: len(of(text, "HEALTHCHECK")) == 1, ("HEALTHCHECK NONE\n", "")),
}

OF_COMPOSE: dict[str, tuple[Callable[[str], bool], tuple[str, str]]] = {
    "no service has a right of root": (
        every(lambda s: s["cap_drop"] == ["ALL"]),
        ("cap_drop: [ALL]", "cap_drop: [NET_RAW]"),
    ),
    "nothing gains rights": (
        every(lambda s: s["security_opt"] == ["no-new-privileges:true"]),
        ("no-new-privileges:true", "no-new-privileges:false"),
    ),
    "only the database has rights, those of its start": (
        lambda text: {name for name, s in services(text).items() if s.get("cap_add")} == {"database"},
        ("    mem_limit: 4g\n", "    mem_limit: 4g\n    cap_add: [SYS_ADMIN]\n"),
    ),
    "nothing is written outside volumes": (
        every(lambda s: s["read_only"] and "/tmp" in s["tmpfs"]),
        ("read_only: true", "read_only: false"),
    ),
    "memory has a limit": (
        every(lambda s: re.fullmatch(r"\d+[mg]", s.get("mem_limit", ""))),
        ("    mem_limit: 4g\n", ""),
    ),
    "processes have a limit": (every(lambda s: 0 < s["pids_limit"] <= 512), ("pids_limit: 256", "pids_limit: -1")),
    "images have exact versions": (
        every(lambda s: re.search(EXACT, s["image"])),
        ("postgres:17.11", "postgres:latest"),
    ),
    "logs have an end": (every(lambda s: s["logging"]["options"]["max-size"]), ("max-size: 10m", 'max-size: ""')),
    "nobody has the machine": (
        every(lambda s: not s.get("privileged") and "network_mode" not in s and "pid" not in s),
        ("  bucket: #", "  rogue: {privileged: true, image: x}\n  bucket: #"),
    ),
    "files of the machine are only read": (
        every(lambda s: all(v.endswith(":ro") for v in s.get("volumes", []) if v.startswith((".", "/")))),
        ("/basic_auth.ini:ro", "/basic_auth.ini"),
    ),
}


@pytest.mark.parametrize("rule", OF_DOCKERFILE)
def test_the_dockerfile_keeps_a_rule_that_a_copy_breaks(rule: str) -> None:
    holds, (mine, broken) = OF_DOCKERFILE[rule]
    assert holds(DOCKERFILE)
    assert mine in DOCKERFILE
    assert not holds(DOCKERFILE.replace(mine, broken))


@pytest.mark.parametrize("rule", OF_COMPOSE)
def test_the_profile_keeps_a_rule_that_a_copy_breaks(rule: str) -> None:
    holds, (mine, broken) = OF_COMPOSE[rule]
    assert holds(COMPOSE)
    assert mine in COMPOSE
    assert not holds(COMPOSE.replace(mine, broken))


def test_images_without_a_digest_are_pinned_and_others_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(REPOSITORY / "scripts"))
    script = importlib.import_module("pin_images")
    digest = "sha256:" + 64 * "a"
    asked: list[str] = []

    def look_up(image: str) -> str:
        asked.append(image)
        return digest

    for text in (DOCKERFILE, COMPOSE):
        once = script.pinned(text, look_up)
        assert "@" in once
        assert script.pinned(once, look_up) == once  # what is pinned stays as it is
        assert once.replace(f"@{digest}", "") == text
        assert all("@sha256:" in found["image"] + (found["digest"] or "") for found in script.IMAGE.finditer(once))
    assert "python:3.12.12-slim-bookworm" in asked
    assert not any(image.startswith("rustfs") for image in asked)
    assert not any("@" in image for image in asked)
