"""Make the bucket of the tracking server, and the user of the object store that MLflow is: run by compose.yaml.

ENDPOINT=http://objects:9000 BUCKET=mlflow ROOT_ACCESS_KEY=… ROOT_SECRET_KEY=… ACCESS_KEY=… SECRET_KEY=… \\
    python prepare_objects.py

MLflow's user may read, write and delete what is in the bucket, and nothing else. What is there already stays; a new
SECRET_KEY takes the place of the old one. At the end both are tried: MLflow's user must reach the bucket, and must not
reach the users. Only the standard library is used.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.error import HTTPError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import Request, urlopen

REGION = "us-east-1"
POLICY = "mlflow-artifacts"
ADMIN = "/rustfs/admin/v3"
PATIENCE_S = 30
"""Seconds until a user that was made has to be known."""


@dataclass(frozen=True)
class Key:
    """Who asks: an access key and its secret."""

    access: str
    secret: str


def policy(bucket: str) -> dict[str, object]:
    """What MLflow may do: everything in the bucket, but neither remove nor reconfigure it."""
    in_bucket = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
    of_bucket = ["s3:ListBucket", "s3:GetBucketLocation", "s3:ListBucketMultipartUploads"]
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": of_bucket, "Resource": [f"arn:aws:s3:::{bucket}"]},
            {
                "Effect": "Allow",
                "Action": [*in_bucket, "s3:ListMultipartUploadParts"],
                "Resource": [f"arn:aws:s3:::{bucket}/*"],
            },
        ],
    }


def signed(method: str, address: str, body: bytes, key: Key, now: str) -> dict[str, str]:
    """The headers of a request that AWS Signature Version 4 asks for.

    Args:
        now: the time, as ``20130524T000000Z``.
    """
    parts, digest = urlsplit(address), hashlib.sha256(body).hexdigest()
    headers = {"host": parts.netloc, "x-amz-content-sha256": digest, "x-amz-date": now}
    names, query = ";".join(headers), "&".join(sorted(parts.query.split("&")))
    lines = [f"{name}:{value}" for name, value in headers.items()]
    asked = "\n".join([method, parts.path, query, *lines, "", names, digest])
    scope = f"{now[:8]}/{REGION}/s3/aws4_request"
    told = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(asked.encode()).hexdigest()])
    secret = f"AWS4{key.secret}".encode()
    for word in scope.split("/"):
        secret = hmac.digest(secret, word.encode(), "sha256")
    signature = hmac.digest(secret, told.encode(), "sha256").hex()
    signer = f"Credential={key.access}/{scope}, SignedHeaders={names}, Signature={signature}"
    return {**headers, "authorization": f"AWS4-HMAC-SHA256 {signer}"}


def ask(endpoint: str, method: str, path: str, key: Key, query: Mapping[str, str], body: bytes = b"") -> int:
    """The status of the answer."""
    asked = urlencode(query, quote_via=quote)
    address = f"{endpoint}{path}" + (f"?{asked}" if asked else "")
    headers = signed(method, address, body, key, time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()))
    headers["content-type"] = "application/json"  # or urllib says that the body is a form
    try:
        with urlopen(Request(address, body or None, headers, method=method), timeout=10) as answer:
            return int(answer.status)
    except HTTPError as refusal:
        with refusal:
            return refusal.code


def prepare(endpoint: str, bucket: str, root: Key, user: Key) -> None:
    """Make bucket, policy and user, and try what the user may do.

    Raises:
        SystemExit: if a step is refused, or if the user may do more than it must.
    """
    if user.access == root.access or user.secret == root.secret:
        raise SystemExit("ACCESS_KEY and SECRET_KEY must differ from those of root")
    if ask(endpoint, "HEAD", f"/{bucket}", root, {}) == 404:  # refused is not missing
        _require("make the bucket", ask(endpoint, "PUT", f"/{bucket}", root, {}))
    _require("reach the bucket", ask(endpoint, "HEAD", f"/{bucket}", root, {}))
    content = {
        "add-canned-policy": ({"name": POLICY}, policy(bucket)),
        "add-user": ({"accessKey": user.access}, {"secretKey": user.secret, "status": "enabled"}),
        "set-user-or-group-policy": ({"policyName": POLICY, "userOrGroup": user.access, "isGroup": "false"}, None),
    }
    for step, (query, value) in content.items():
        body = b"" if value is None else json.dumps(value).encode()
        _require(step, ask(endpoint, "PUT", f"{ADMIN}/{step}", root, query, body))
    deadline = time.monotonic() + PATIENCE_S
    while (status := ask(endpoint, "HEAD", f"/{bucket}", user, {})) != 200 and time.monotonic() < deadline:
        time.sleep(0.5)
    _require("reach the bucket as MLflow's user", status)
    if ask(endpoint, "GET", f"{ADMIN}/list-users", user, {}) != 403:
        raise SystemExit("MLflow's user can list the users of the object store: it must not")


def _require(step: str, status: int) -> None:
    if status != 200:
        raise SystemExit(f"the object store refused to {step}: {status}")


def main() -> None:
    root = Key(os.environ["ROOT_ACCESS_KEY"], os.environ["ROOT_SECRET_KEY"])
    user = Key(os.environ["ACCESS_KEY"], os.environ["SECRET_KEY"])
    prepare(os.environ["ENDPOINT"], os.environ["BUCKET"], root, user)
    print(f"s3://{os.environ['BUCKET']} is there, and MLflow's user reaches it alone")


if __name__ == "__main__":
    main()
