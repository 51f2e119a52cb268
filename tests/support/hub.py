"""A Hugging Face hub on this machine: what its library asks for, answered as the real one answers.

with serving_hub() as hub:
    hub.put("org/model", {"config.json": b"{}", "model.safetensors": data})       # → the commit
    hub.gate("org/model", token="hf_secret")
    hub.requests                                                    # ["HEAD /org/model/resolve/main/config.json", …]
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest


@dataclass
class Hub:
    """Repositories with their revisions, and what was asked.

    Attributes:
        address: of the server.
        commits: repository → commit → file → content.
        heads: repository → the commit of ``main``.
        tokens: gated repository → who may read it.
        requests: method and path, in order.
    """

    address: str
    commits: dict[str, dict[str, dict[str, bytes]]] = field(default_factory=dict)
    heads: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)

    def put(self, repository: str, files: Mapping[str, bytes]) -> str:
        """A new commit on ``main``."""
        digest = hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()
        self.commits.setdefault(repository, {})[digest] = dict(files)
        self.heads[repository] = digest
        return digest

    def gate(self, repository: str, token: str) -> None:
        self.tokens[repository] = token

    def answer(self, path: str, authorization: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body."""
        parts = path.strip("/").split("/")
        repository = "/".join(parts[:2])
        if repository not in self.commits:
            return 401, {"X-Error-Code": "RepoNotFound"}, b""
        if len(parts) < 5 or parts[2] != "resolve":
            return 200, {}, b""
        if self.tokens.get(repository, "") not in authorization:
            return (
                403,
                {"X-Error-Code": "GatedRepo", "X-Error-Message": f"Access to model {repository} is restricted"},
                b"",
            )
        commit = self.heads[repository] if parts[3] == "main" else parts[3]
        if commit not in self.commits[repository]:
            return 404, {"X-Error-Code": "RevisionNotFound"}, b""
        content = self.commits[repository][commit].get("/".join(parts[4:]))
        if content is None:
            return 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit}, b""
        large = parts[-1].endswith(
            (".safetensors", ".bin")
        )  # they are named by their SHA-256, others as git names them
        etag = hashlib.sha256(content).hexdigest() if large else hashlib.sha1(content).hexdigest()
        return 200, {"X-Repo-Commit": commit, "ETag": f'"{etag}"'}, content


@contextmanager
def serving_hub() -> Iterator[Hub]:
    """The hub, while the context is open."""
    hub = Hub("")

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            hub.requests.append(f"{self.command} {self.path}")

        def do_GET(self) -> None:
            status, headers, content = hub.answer(self.path, self.headers.get("Authorization", ""))
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        do_HEAD = do_GET  # noqa: N815

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    hub.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def used_hub(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The same, asked by this process instead of the real one, with an empty cache in ``folder``."""
    constants = pytest.importorskip("huggingface_hub", reason="pip install 'frostmark[timm]'").constants
    with serving_hub() as hub:
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", False)
        monkeypatch.setattr(constants, "ENDPOINT", hub.address)
        template = hub.address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder / "cache"))
        monkeypatch.delenv("HF_TOKEN", raising=False)
        yield hub
