"""MLflow's own user of the object store: requests as AWS signs them, and a store that knows users and policies."""

from __future__ import annotations

import importlib
import json
import threading
from collections.abc import Iterator
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from support.environment import REPOSITORY

ROOT, MLFLOW = ("the-root", "the-root-secret"), ("mlflow-user", "mlflow-secret")


@pytest.fixture(scope="module")
def script() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(REPOSITORY / "scripts" / "server"))
        yield importlib.import_module("prepare_objects")


@pytest.mark.parametrize(
    ("query", "signature"),
    [
        ("lifecycle=", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        ("max-keys=2&prefix=J", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
    ],
)
def test_requests_are_signed_as_in_the_examples_of_amazon(script: ModuleType, query: str, signature: str) -> None:
    """ "Examples: signature calculations" in the reference of Amazon S3."""
    key = script.Key("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    address = f"https://examplebucket.s3.amazonaws.com/?{query}"
    headers = script.signed("GET", address, b"", key, "20130524T000000Z")
    assert headers["authorization"].endswith(
        f"SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature={signature}"
    )


class Store(ThreadingHTTPServer):
    """The part of an object store that is asked, in memory: users, policies, buckets. Who asks must have signed."""

    def __init__(self, script: ModuleType) -> None:
        super().__init__(("127.0.0.1", 0), Asked)
        self.script = script
        self.secrets, self.buckets = {ROOT[0]: ROOT[1]}, set[str]()
        self.policies: dict[str, dict[str, Any]] = {"everything": {"Statement": [ALL]}}
        self.policy_of: dict[str, str] = {}
        self.asked: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def may(self, who: str, action: str, resource: str) -> bool:
        """Whether a user may; root may everything."""
        statements = self.policies.get(self.policy_of.get(who, ""), {}).get("Statement", [])
        allowed = [
            s for s in statements
            if any(fnmatchcase(action, a) for a in s["Action"]) and any(fnmatchcase(resource, r) for r in s["Resource"])
        ]  # fmt: skip
        return who == ROOT[0] or bool(allowed)


ALL = {"Effect": "Allow", "Action": ["*"], "Resource": ["*"]}


class Asked(BaseHTTPRequestHandler):
    """One request."""

    server: Store

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        signer = self.headers["authorization"].partition("Credential=")[2].partition("/")[0]
        status = self._status(signer, parts.path, query, body)
        self.server.asked.append(f"{self.command} {parts.path} {signer} {status}")
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def _status(self, signer: str, path: str, query: dict[str, str], body: bytes) -> int:
        store, secret = self.server, self.server.secrets.get(signer, "")
        key = store.script.Key(signer, secret)
        mine = store.script.signed(self.command, store.address + self.path, body, key, self.headers["x-amz-date"])
        if not secret or mine["authorization"] != self.headers["authorization"]:
            return 403
        if path.startswith("/rustfs/admin/v3/"):
            return self._of_admin(signer, path.rpartition("/")[2], query, body)
        bucket = path[1:]
        if not store.may(
            signer, "s3:ListBucket" if self.command == "HEAD" else "s3:CreateBucket", f"arn:aws:s3:::{bucket}"
        ):
            return 403
        if self.command == "PUT":
            store.buckets.add(bucket)
        return 200 if bucket in store.buckets else 404

    def _of_admin(self, signer: str, step: str, query: dict[str, str], body: bytes) -> int:
        store = self.server
        if not store.may(signer, f"admin:{step}", "*"):
            return 403
        if step == "add-user":
            store.secrets[query["accessKey"]] = json.loads(body)["secretKey"]
        elif step == "add-canned-policy":
            store.policies[query["name"]] = json.loads(body)
        elif step == "set-user-or-group-policy":
            if query["policyName"] not in store.policies or query["userOrGroup"] not in store.secrets:
                return 400
            store.policy_of[query["userOrGroup"]] = query["policyName"]
        return 200

    do_GET = do_PUT = do_HEAD = _answer  # noqa: N815 (names of the standard library)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def store(script: ModuleType) -> Iterator[Store]:
    with Store(script) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield made
        made.shutdown()


def prepare(script: ModuleType, store: Store, user: tuple[str, str] = MLFLOW) -> None:
    script.prepare(store.address, "mlflow", script.Key(*ROOT), script.Key(*user))


def test_mlflow_may_use_the_bucket_and_nothing_else(script: ModuleType, store: Store) -> None:
    for secret in ("mlflow-secret", "mlflow-secret", "another-secret"):  # once more, and with a new secret
        prepare(script, store, (MLFLOW[0], secret))
        assert store.secrets == dict([ROOT, (MLFLOW[0], secret)])
    assert store.buckets == {"mlflow"}
    bucket = "arn:aws:s3:::mlflow"
    may = [("s3:GetObject", f"{bucket}/x"), ("s3:PutObject", f"{bucket}/a/b"), ("s3:ListBucket", bucket)]
    may_not = [
        ("s3:GetObject", "arn:aws:s3:::others/x"), ("s3:DeleteBucket", bucket), ("s3:PutBucketPolicy", bucket),
        ("s3:CreateBucket", "arn:aws:s3:::x"), ("s3:GetObject", "arn:aws:s3:::mlflow2/x"), ("admin:add-user", "*"),
    ]  # fmt: skip
    assert [store.may(MLFLOW[0], *asked) for asked in (*may, *may_not)] == [True] * 3 + [False] * 6
    assert store.asked[-1] == f"GET /rustfs/admin/v3/list-users {MLFLOW[0]} 403"


def test_a_user_that_may_more_is_told_of(script: ModuleType, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "policy", lambda bucket: {"Statement": [ALL]})
    with pytest.raises(SystemExit, match="it must not"):
        prepare(script, store)


def test_what_is_refused_ends_it(script: ModuleType, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.secrets[ROOT[0]] = "another"
    with pytest.raises(SystemExit, match="the object store refused to reach the bucket: 403"):
        prepare(script, store)
    store.secrets[ROOT[0]] = ROOT[1]
    monkeypatch.setattr(script, "PATIENCE_S", 0)
    monkeypatch.setattr(script, "policy", lambda bucket: {"Statement": []})
    with pytest.raises(SystemExit, match="refused to reach the bucket as MLflow's user: 403"):
        prepare(script, store)


@pytest.mark.parametrize("user", [(ROOT[0], "x"), ("x", ROOT[1])])
def test_the_keys_of_root_are_not_given_to_mlflow(script: ModuleType, store: Store, user: tuple[str, str]) -> None:
    with pytest.raises(SystemExit, match="must differ from those of root"):
        prepare(script, store, user)
    assert store.asked == []
