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

KNOWN = {
    "": {"name", "services", "volumes"},
    "service": {
        "image", "command", "environment", "volumes", "ports", "depends_on", "healthcheck", "restart", "logging",
        "security_opt", "cap_drop", "cap_add", "read_only", "pids_limit", "mem_limit", "shm_size", "tmpfs",
    },
    "healthcheck": {"test", "interval", "timeout", "retries", "start_period"},
    "logging": {"driver", "options"},
    "options": {"max-size", "max-file"},
    "depends_on": {"condition"},
}  # fmt: skip
"""What Compose calls the keys that are used here, by where they stand."""


def strange_keys(text: str) -> list[str]:
    """The keys of a profile that Compose does not know, or that nobody here has looked up; most it would refuse."""
    content = yaml.safe_load(text)
    found = [key for key in content if not key.startswith("x-") and key not in KNOWN[""]]
    for service in content.get("services", {}).values():
        logging, waited = service.get("logging", {}), service.get("depends_on", {})
        parts = [("service", service), ("healthcheck", service.get("healthcheck", {})), ("logging", logging)]
        parts += [("options", logging.get("options", {})), *(("depends_on", how) for how in waited.values())]
        found += [key for part, keys in parts for key in keys if key not in KNOWN[part]]
        found += [needed for needed in waited if needed not in content["services"]]
        found += [key for key in service.get("environment", {}) if not re.fullmatch("[A-Z][A-Z0-9_]*", key)]
    return found


def keys_of_mlflow(text: str) -> list[str]:
    settings = services(text)["mlflow"]["environment"]
    return [settings[name].partition(":")[0] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")]


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
    "shared memory is given to it": (
        lambda text: re.search(r"^# .*docker run .*--shm-size \d+g ", text, re.MULTILINE) is not None,
        ("--shm-size 2g ", ""),
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
    "what lasts is watched": (
        every(lambda s: s["restart"] == "no" or {"test", "interval", "timeout", "retries"} <= s["healthcheck"].keys()),
        ("      test: [CMD, pg_isready, --username=mlflow, --dbname=mlflow]\n", "      disable: true\n"),
    ),
    "the database has shared memory": (
        lambda text: re.fullmatch(r"\d+mb", services(text)["database"].get("shm_size", "")) is not None,
        ("    shm_size: 128mb\n", ""),
    ),
    "root of the object store is known to itself and to what prepares it": (
        lambda text: {n for n, s in services(text).items() if "S3_ROOT" in str(s)} == {"objects", "prepare"},
        ("AWS_SECRET_ACCESS_KEY: ${S3_SECRET_KEY", "AWS_SECRET_ACCESS_KEY: ${S3_ROOT_SECRET_KEY"),
    ),
    "MLflow is a user of its own there": (
        lambda text: keys_of_mlflow(text) == ["${S3_ACCESS_KEY", "${S3_SECRET_KEY"],
        ("      AWS_ACCESS_KEY_ID: ${S3_ACCESS_KEY:?", "      AWS_ACCESS_KEY_ID: ${S3_ADMIN_KEY:?"),
    ),
    "every key is one of Compose's": (lambda text: strange_keys(text) == [], ("    mem_limit: 4g", "    memory: 4g")),
    "nobody has the machine": (
        every(lambda s: not s.get("privileged") and "network_mode" not in s and "pid" not in s),
        ("  prepare: #", "  rogue: {privileged: true, image: x}\n  prepare: #"),
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


@pytest.mark.parametrize(
    ("mine", "wrong"),
    [
        ("services:", "service:"), ("    healthcheck:", "    healthchek:"), ("shm_size", "shmsize"),
        ("retries:", "retrys:"), ("max-size", "maxsize"), ("driver:", "drivers:"), ("condition:", "when:"),
        ("  cap_drop", "  cap-drop"), ("prepare: {", "bucket: {"), ("POSTGRES_DB:", "POSTGRES-DB:"),
        ("\nvolumes:", "\nvolume:"), ("pids_limit", "pid_limit"),
    ],
)  # fmt: skip
def test_a_key_that_is_spelled_wrong_is_seen(mine: str, wrong: str) -> None:
    assert mine in COMPOSE
    assert strange_keys(COMPOSE.replace(mine, wrong)) != []


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
