"""The profile of a tracking server: what its files promise, and the server that they describe, without containers."""

from __future__ import annotations

import base64
import json
import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import Program
from faults.tally import tally
from support import map_page
from support.environment import REPOSITORY, environment, free_port
from support.forkserver import Forkserver
from support.runs import TINY

PROFILE = REPOSITORY / "scripts" / "server"
TEXT = (PROFILE / "compose.yaml").read_text(encoding="utf-8")
SERVICES: dict[str, Any] = yaml.safe_load(TEXT)["services"]
VARIABLE = re.compile(r"\$\{(\w+)(:[?-])?([^}]*)\}")
QUICK = (
    *(word for word in TINY if not word.startswith("reducer")),
    "reducer=none",
    "metrics=[variance]",
    "uncertainty.resamples=0",
    "uncertainty.permutations=0",
)


# ---------------------------------------------------------------- the files


def test_nothing_starts_without_secrets_of_its_own() -> None:
    needed = {name for name, kind, _ in VARIABLE.findall(TEXT) if kind == ":?"}
    optional = {name for name, kind, _ in VARIABLE.findall(TEXT) if kind == ":-"}
    lines = (PROFILE / ".env.example").read_text(encoding="utf-8").splitlines()
    assert {line for line in lines if "=" in line and not line.startswith("#")} == {f"{name}=" for name in needed}
    assert {name for name in optional if any(line.startswith(f"# {name}=") for line in lines)} == optional
    assert {name for name, _, _ in VARIABLE.findall(TEXT)} == needed | optional
    for name, value in every_setting():
        if re.search("PASSWORD|KEY|USERNAME", name):
            assert value.startswith("${"), f"{name} has a value of its own"
            assert ":?" in value, f"{name} may be empty"


def every_setting() -> list[tuple[str, str]]:
    return [(name, value) for service in SERVICES.values() for name, value in service.get("environment", {}).items()]


def test_no_address_carries_a_password() -> None:
    for file in (PROFILE / "compose.yaml", PROFILE / "basic_auth.ini"):
        for authority in re.findall(r"://([^/\s]*)@", file.read_text(encoding="utf-8")):
            assert ":" not in authority, f"{file.name}: {authority}"


def test_images_are_pinned_and_mlflow_is_the_one_that_is_tested() -> None:
    constraints = (REPOSITORY / "constraints.txt").read_text(encoding="utf-8")
    tested = re.search(r"^mlflow==(.*)$", constraints, re.MULTILINE)
    assert tested is not None
    for name, service in SERVICES.items():
        assert re.search(r":v?\d+\.\d+(\.\d+)?(-full)?(@sha256:[0-9a-f]{64})?$", service["image"]), name
    assert SERVICES["mlflow"]["image"].endswith(f":v{tested.group(1)}-full")


def test_mlflow_alone_is_published_and_to_this_machine_alone() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["mlflow"]
    assert all(port.startswith("127.0.0.1:") for port in SERVICES["mlflow"]["ports"])
    assert not any("network_mode" in service or service.get("privileged") for service in SERVICES.values())


def test_every_service_is_watched_and_waits_for_what_it_needs() -> None:
    for name, service in SERVICES.items():
        once = service["restart"] == "no"
        assert once or (service["healthcheck"]["test"] and service["restart"] == "unless-stopped"), name
        assert "no-new-privileges:true" in service["security_opt"]
        assert service["logging"]["options"]["max-size"]
        for needed, how in service.get("depends_on", {}).items():
            ends = SERVICES[needed]["restart"] == "no"
            assert how["condition"] == ("service_completed_successfully" if ends else "service_healthy")
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (
                (PROFILE / source).is_file() if source.startswith("./") else source in yaml.safe_load(TEXT)["volumes"]
            )


def test_mlflow_asks_who_it_is_tells_nobody_and_runs_nothing() -> None:
    assert "--app-name=basic-auth" in SERVICES["mlflow"]["command"]
    (hosts,) = [word for word in SERVICES["mlflow"]["command"] if word.startswith("--allowed-hosts=")]
    default = VARIABLE.findall(hosts)[0][2]
    assert "*" not in default.split(",")
    settings = SERVICES["mlflow"]["environment"]
    assert settings["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert settings["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"


# ---------------------------------------------------------------- the server


@contextmanager
def postgres(password: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """``host:port`` of a PostgreSQL with an empty database ``mlflow`` of the user ``mlflow``, and its process."""
    initdb = shutil.which("initdb") or next(map(str, Path("/usr/lib/postgresql").glob("*/bin/initdb")), None)
    if initdb is None:
        pytest.skip("there is no PostgreSQL on this machine")
    folder, port = Path(tempfile.mkdtemp(prefix="postgres-")), free_port()
    try:
        (folder / "password").write_text(password, encoding="utf-8")
        as_owner = {**_owned(folder), "cwd": folder, "stdout": subprocess.DEVNULL}
        data = ["-D", str(folder / "data")]
        words = ["-U", "mlflow", f"--pwfile={folder / 'password'}", "--auth=scram-sha-256", "--no-sync", "--locale=C"]
        subprocess.run([initdb, *data, *words, "--encoding=UTF8"], check=True, **as_owner)
        settings = ["listen_addresses=127.0.0.1", f"port={port}", "unix_socket_directories=", "fsync=off"]
        server = str(Path(initdb).resolve().with_name("postgres"))
        with (folder / "log").open("w") as log, subprocess.Popen(
            [server, *data, *(word for setting in settings for word in ("-c", setting))], stderr=log, **as_owner
        ) as process:  # fmt: skip
            try:
                _make_database(port, password)
                yield f"127.0.0.1:{port}", process
            finally:
                process.send_signal(signal.SIGINT)  # at once, whoever is connected
    finally:
        shutil.rmtree(folder)


def _owned(folder: Path) -> dict[str, Any]:
    """PostgreSQL refuses to run as root: then another user owns its folder and runs it."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    owner = names.get("postgres") or names["nobody"]
    for path in (folder, *folder.iterdir()):
        os.chown(path, owner.pw_uid, owner.pw_gid)
    return {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}


def _make_database(port: int, password: str) -> None:
    psycopg2 = pytest.importorskip("psycopg2", reason="pip install 'frostmark[server]'")
    for _ in range(120):
        try:
            database = psycopg2.connect(
                host="127.0.0.1", port=port, user="mlflow", password=password, dbname="postgres"
            )
            break
        except psycopg2.OperationalError:
            time.sleep(0.25)
    else:
        pytest.fail("PostgreSQL did not start")
    database.autocommit = True
    with database.cursor() as cursor:
        cursor.execute("CREATE DATABASE mlflow")
    database.close()


@contextmanager
def mlflow(folder: Path, database: str, values: Mapping[str, str]) -> Iterator[str]:
    """The address of the server that compose.yaml describes: its own words, with this machine's places in them."""
    pytest.importorskip("flask_wtf", reason="pip install 'frostmark[server]'")
    port = free_port()
    (folder / "kept").mkdir()
    auth = folder / "basic_auth.ini"
    auth.write_text((PROFILE / "basic_auth.ini").read_text(encoding="utf-8").replace("@database/", f"@{database}/"))
    places = {
        "/basic_auth.ini": str(auth),
        "@database/": f"@{database}/",
        "s3://mlflow": str(folder / "kept"),
        "--host=0.0.0.0": "--host=127.0.0.1",
        "--port=5000": f"--port={port}",
        "--workers=2": "--workers=1",
    }

    def here(word: str) -> str:
        word = VARIABLE.sub(lambda found: values.get(found[1], found[3]), word)
        for theirs, ours in places.items():
            word = word.replace(theirs, ours)
        return word

    service = SERVICES["mlflow"]
    words = [sys.executable, "-m", *map(here, service["command"])]
    settings = {name: here(value) for name, value in service["environment"].items()}
    with (folder / "log").open("w") as log, subprocess.Popen(
        words, cwd=folder, env=environment(**settings), stdout=log, stderr=log
    ) as process:  # fmt: skip
        try:
            for _ in range(360):
                if status(f"http://127.0.0.1:{port}/health") == 200:
                    break
                assert process.poll() is None, (folder / "log").read_text()
                time.sleep(0.25)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def request(address: str, who: tuple[str, str] | None = None, **more: str) -> urllib.request.Request:
    login = {} if who is None else {"Authorization": f"Basic {base64.b64encode(':'.join(who).encode()).decode()}"}
    return urllib.request.Request(address, headers={**login, **more})


def status(address: str, who: tuple[str, str] | None = None, **more: str) -> int:
    try:
        with urllib.request.urlopen(request(address, who, **more), timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code
    except OSError:
        return 0


def add_user(address: str, admin: tuple[str, str], name: str, password: str) -> None:
    asked = request(f"{address}/api/2.0/mlflow/users/create", admin, **{"Content-Type": "application/json"})
    asked.data = json.dumps({"username": name, "password": password}).encode()
    with urllib.request.urlopen(asked, timeout=10) as answer:
        assert answer.status == 200


def own_secrets() -> dict[str, str]:
    names = re.findall(r"^(\w+)=$", (PROFILE / ".env.example").read_text(encoding="utf-8"), re.MULTILINE)
    return {name: secrets.token_hex(16) for name in names}


# A database, MLflow's migrations, a browser and two programs take most of a minute.
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_sweep_goes_to_the_server_and_no_secret_with_it(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = own_secrets()
    admin, user = (
        (values["ADMIN_USERNAME"], values["ADMIN_PASSWORD"]),
        ("u" + secrets.token_hex(8), secrets.token_hex(16)),
    )
    served, work = tmp_path / "served", tmp_path / "work"
    served.mkdir()
    work.mkdir()
    with postgres(values["POSTGRES_PASSWORD"]) as (database, _), mlflow(served, database, values) as address:
        listing = f"{address}/api/2.0/mlflow/experiments/search?max_results=10"
        assert [status(listing), status(listing, (admin[0], "wrong")), status(listing, admin)] == [401, 401, 200]
        assert status(listing, admin, Host="elsewhere.example") == 403
        add_user(address, admin, *user)

        words = ("-m", *QUICK, "layer=stage2,last_conv", "tracking=server", f"tracking.uri={address}")
        stranger = program(*words, cwd=work)
        assert stranger.returncode == 4, stranger.stderr
        assert "\nFix: " in stranger.stderr
        login = {"MLFLOW_TRACKING_USERNAME": user[0], "MLFLOW_TRACKING_PASSWORD": user[1]}
        done = program(*words, cwd=work, **login)
        assert done.returncode == 0, done.stderr

        for name, value in login.items():
            monkeypatch.setenv(name, value)
        told = _read_back(address, tmp_path / "fetched")
        _visit(address, user, told["link"])
    told["terminal"] = stranger.stdout + stranger.stderr + done.stdout + done.stderr
    log = (served / "log").read_text()
    written = [path for place in (work, served / "kept", tmp_path / "fetched") for path in place.rglob("*")]
    told |= {str(path): path.read_bytes().decode("latin-1") for path in written if path.is_file()}
    for name, secret in {**values, "name": user[0], "password": user[1]}.items():
        assert not [where for where, text in told.items() if secret in text], name
        assert secret not in log or name == "ADMIN_USERNAME"  # who runs the server is told whom it made


# As above: a database, MLflow's migrations and two programs.
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_nobody_changes_the_runs_of_somebody_else(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = own_secrets()
    admin = (values["ADMIN_USERNAME"], values["ADMIN_PASSWORD"])
    people = {name: secrets.token_hex(16) for name in ("ann", "ben")}
    served, work = tmp_path / "served", tmp_path / "work"
    served.mkdir()
    work.mkdir()
    with postgres(values["POSTGRES_PASSWORD"]) as (database, _), mlflow(served, database, values) as address:
        for person in people.items():
            add_user(address, admin, *person)
        words = (*QUICK, "layer=last_conv", "tracking=server", f"tracking.uri={address}")
        logins = {
            name: {"MLFLOW_TRACKING_USERNAME": name, "MLFLOW_TRACKING_PASSWORD": password}
            for name, password in people.items()
        }
        for name, login in logins.items():
            done = program(*words, f"tracking.experiment={name}", cwd=work, **login)
            assert done.returncode == 0, done.stderr
        refused = program(*words, "tracking.experiment=ann", cwd=work, **logins["ben"])
        assert refused.returncode == 4
        assert "Fix: tracking.experiment=" in refused.stderr
        for name, value in logins["ben"].items():
            monkeypatch.setenv(name, value)
        _tries_to_change(address)


def _tries_to_change(address: str) -> None:
    """Ben reads the run of Ann, and changes nothing of it; his own he may delete."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    client = MlflowClient(tracking_uri=address)
    runs = {}
    for name in ("ann", "ben"):
        experiment = client.get_experiment_by_name(name)
        assert experiment is not None
        (runs[name],) = client.search_runs([experiment.experiment_id])
    theirs, experiment_id = runs["ann"].info.run_id, runs["ann"].info.experiment_id
    assert runs["ann"].data.metrics["cost/images_forwarded"] > 0
    changes: list[Callable[[], object]] = [
        lambda: client.log_metric(theirs, "test/accuracy", 1.0),
        lambda: client.set_tag(theirs, "mlflow.note.content", "better"),
        lambda: client.delete_tag(theirs, "backbone"),
        lambda: client.log_text(theirs, "better", "summary.md"),
        lambda: client.set_terminated(theirs, "FAILED"),
        lambda: client.delete_run(theirs),
        lambda: client.delete_experiment(experiment_id),
        lambda: client.create_run(experiment_id),
    ]
    for change in changes:
        with pytest.raises((MlflowException, OSError), match="Permission denied"):
            change()
    assert client.get_run(theirs).to_dictionary() == runs["ann"].to_dictionary()
    client.delete_run(runs["ben"].info.run_id)


def _read_back(address: str, fetched: Path) -> dict[str, str]:
    """The sweep as the server tells it; everything in it as text."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=address)
    experiment = client.get_experiment_by_name("frostmark")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    parent, *jobs = sorted(runs, key=lambda run: run.data.tags.get("layer", ""))
    assert [job.data.tags["mlflow.parentRunId"] for job in jobs] == [parent.info.run_id] * 2
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert sorted(job.data.metrics["cost/images_forwarded"] for job in jobs) == [0, 151]
    fetched.mkdir()
    for job in jobs:
        assert job.info.artifact_uri.startswith("mlflow-artifacts:")  # clients never see the store
        folder = fetched / job.info.run_id
        folder.mkdir()
        client.download_artifacts(job.info.run_id, "", str(folder))
        assert (folder / "summary.md").stat().st_size > 0
    link = f"#/experiments/{experiment.experiment_id}/runs/{jobs[0].info.run_id}"
    return {"link": link} | {run.info.run_id: json.dumps(_but_who_made_it(run.to_dictionary())) for run in runs}


def _but_who_made_it(run: dict[str, Any]) -> dict[str, Any]:
    """A run without the two places in which MLflow keeps whose it is."""
    assert run["info"].pop("user_id") == run["data"]["tags"].pop("mlflow.user")
    return run


def _visit(address: str, user: tuple[str, str], link: str) -> None:
    """The page of a run, in a browser (where there is one) that was asked for a name and a password."""
    assert [status(f"{address}/"), status(f"{address}/", user)] == [401, 200]
    if shutil.which("chromium") is None:
        return
    with map_page.chromium() as browser:
        page = browser.new_page(http_credentials={"username": user[0], "password": user[1]})
        page.goto(f"{address}/{link}")
        page.get_by_text("squeezenet1_0 · last_conv · synthetic").first.wait_for(timeout=60_000)


@pytest.mark.faults
@pytest.mark.timeout(900)
def test_a_database_that_stops_in_the_middle_costs_no_result(forkserver: Forkserver, tmp_path: Path) -> None:
    values = own_secrets()
    served, work = tmp_path / "served", tmp_path / "work"
    served.mkdir()
    work.mkdir()
    with postgres(values["POSTGRES_PASSWORD"]) as (database, process), mlflow(served, database, values) as address:
        login = {
            "MLFLOW_TRACKING_USERNAME": values["ADMIN_USERNAME"],
            "MLFLOW_TRACKING_PASSWORD": values["ADMIN_PASSWORD"],
        }
        words = (*QUICK, "dataset.train=4000", "tracking=server", f"tracking.uri={address}")
        run = forkserver.start(*words, cwd=work, **login)
        while "extracting" not in run.stderr:
            assert run.poll() is None, run.stderr
            time.sleep(0.05)
        process.send_signal(signal.SIGQUIT)  # at once, as if its machine had gone
        process.wait(30)
        code = run.wait(240)
    (file,) = work.glob("mlruns/_hydra/runs/*/raw/metrics.json")
    found = json.loads(file.read_text(encoding="utf-8"))["values"]
    kept = code == 4 and "\nFix: " in run.stderr and found["cost/images_forwarded"] > 4000
    tally("PostgreSQL stopped in the middle of a run: 0 results lost", 1, int(kept), f"exit {code}")
