"""Servers that never come to an end, or that are none of MLflow's: known in seconds, in little memory."""

from __future__ import annotations

import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from frostmark.errors import TrackingError
from frostmark.tracking import patience
from frostmark.tracking.client import MAX_PAGES, client_of
from frostmark.tracking.mlflow import MlflowStore
from frostmark.waiting import within

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """The address of a server that reads what is asked and answers in its own way."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    threading.Thread(target=one, args=(connection,), daemon=True).start()

        def one(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                while b"\r\n\r\n" not in connection.recv(1 << 16, socket.MSG_PEEK):
                    pass
                connection.recv(1 << 16)
                answer(connection)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


def dripping_head(connection: socket.socket) -> None:
    for byte in b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 600:
        connection.send(bytes([byte]))
        time.sleep(0.2)


def dripping_body(connection: socket.socket) -> None:
    connection.send(HEAD + b"Content-Length: 1000\r\n\r\n")
    for _ in range(600):
        connection.send(b" ")
        time.sleep(0.2)


def endless_body(connection: socket.socket) -> None:
    connection.send(HEAD + b"\r\n")
    while True:
        connection.send(b" " * (1 << 20))


def endless_head(connection: socket.socket) -> None:
    connection.send(HEAD)
    while True:
        connection.send(b"X: y\r\n" * (1 << 10))


def closed(body: bytes) -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)


@pytest.mark.parametrize("answer", [dripping_head, dripping_body, endless_body, endless_head])
def test_an_answer_without_an_end_is_not_waited_for(
    answer: Callable[[socket.socket], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "DEADLINE_S", 2.0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with answering(answer) as address:
        start = time.monotonic()
        with pytest.raises(TrackingError, match="does not answer"):
            MlflowStore(address, "frostmark").connect()
        assert time.monotonic() - start < 12
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400_000  # kB


@pytest.mark.parametrize("body", [b"{}", b'{"experiment": {}}', b'{"experiment": {"name": "frostmark"}}'])
def test_who_answers_everything_is_not_taken_for_a_server(body: bytes) -> None:
    with answering(closed(body)) as address, pytest.raises(TrackingError, match="is not an MLflow server") as told:
        MlflowStore(address, "frostmark").connect()
    assert "tracking.uri" in told.value.fix


@pytest.mark.parametrize("body", [b"<html>hello</html>", b"[]", b"null", b"\xff\xfe", b'{"experiment": 3}'])
def test_who_answers_something_else_is_not_either(body: bytes) -> None:
    with answering(closed(body)) as address, pytest.raises(TrackingError):
        MlflowStore(address, "frostmark").connect()


def test_a_redirect_is_not_followed() -> None:
    asked: list[bytes] = []

    def elsewhere(connection: socket.socket) -> None:
        asked.append(b"x")
        closed(b'{"experiment": {"experiment_id": "7", "name": "frostmark"}}')(connection)

    with answering(elsewhere) as page:

        def redirect(connection: socket.socket) -> None:
            connection.sendall(f"HTTP/1.1 302 Found\r\nLocation: {page}/\r\nContent-Length: 0\r\n\r\n".encode())

        with answering(redirect) as address, pytest.raises(TrackingError):
            MlflowStore(address, "frostmark").connect()
    assert asked == []


def test_a_file_that_never_ends_is_not_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """MLflow fetches files in pieces of a megabyte, behind the answer's head."""
    from mlflow.store.artifact.http_artifact_repo import HttpArtifactRepository

    monkeypatch.setattr(patience, "DEADLINE_S", 1.0)
    monkeypatch.setattr(patience, "SLOWEST", 1 << 20)
    monkeypatch.setattr(patience, "MAX_FILE", 20 << 20)
    for answer, told in (
        (dripping_body, "no complete answer within 2 s"),
        (endless_body, "longer than 20,971,520 bytes"),
    ):
        with answering(answer) as address:
            client_of(address)
            repository = HttpArtifactRepository(f"{address}/api/2.0/mlflow-artifacts/artifacts/x")
            start = time.monotonic()
            with pytest.raises(OSError, match=told):
                repository._download_file("draws.npz", str(tmp_path / "draws.npz"))
            assert time.monotonic() - start < 10


@pytest.mark.timeout(60)
def test_a_list_of_runs_that_never_ends_is_not_read_for_ever() -> None:
    """Every answer is whole and quick, and names another page."""
    asked: list[bytes] = []

    def ever_another(connection: socket.socket) -> None:
        asked.append(b"x")
        found = b'"experiment": {"experiment_id": "7", "name": "frostmark"}'
        closed(b'{%s, "runs": [], "next_page_token": "t%d"}' % (found, len(asked)))(connection)

    with answering(ever_another) as address, pytest.raises(TrackingError, match="pages of runs"):
        MlflowStore(address, "frostmark").finished("frostmark")
    assert MAX_PAGES <= len(asked) <= MAX_PAGES + 5


def test_within_gives_and_raises_what_the_work_does() -> None:
    assert within(5, lambda: 3) == 3
    with pytest.raises(ZeroDivisionError):
        within(5, lambda: 1 / 0)
    with pytest.raises(TimeoutError, match="within 0 s"):
        within(0.1, lambda: time.sleep(3))
