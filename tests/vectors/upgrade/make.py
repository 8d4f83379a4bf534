"""Makes a data directory as a version of agentconf writes it, and what that version says is in it.

    python3 tests/vectors/upgrade/make.py BINARY tests/vectors/upgrade/NAME [without-secrets | with-snapshot]

BINARY is that version's own. Run it once for a version that is released, and never change what it made: every later version has
to read it."""
import base64
import json
import pathlib
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "independent"))
from client import Client  # noqa: E402
from scenario import Scenario  # noqa: E402

PASSWORD = "a password of the fixture"
READ = ["/restconf/data/irtf-agent:data-params", "/restconf/data/irtf-agent:data", "/restconf/data/irtf-agent:tasks",
        "/restconf/data/magent-task:interaction/tasks", "/restconf/data/magent-task:interaction/data-objects",
        "/restconf/data/magent-task:interaction/contexts",
        "/restconf/data/magent-task:interaction/negotiations/negotiation=n-2",
        "/restconf/data/magent-task:interaction/negotiations/negotiation=n-3",
        "/restconf/data/magent-access:access/users"]


# A policy of an agent of the scenario. It goes with the registration, so nobody reads it later; its records stay.
POLICY = {"agent": "oss", "name": "p", "reservation": "0.2", "term": [
    {"name": "price", "unit": "EUR", "weight": "1", "number": {
        "min": "10", "max": "100", "step": "5", "point": [{"at": "10", "worth": "0"}, {"at": "100", "worth": "1"}]}}]}
LATER = {"irtf-agent:data-params": [{"id": "later", "dataType": "text", "data": "after the snapshot"}]}


def main(binary, place, form="with-secrets"):
    place = pathlib.Path(place)
    data = place / "data"
    place.mkdir()
    verb = lambda *words, given="": subprocess.run([binary, *words, "--data", data], input=given, text=True,
                                                   capture_output=True, check=True).stdout
    server, url = start(binary, data, 1 if form == "with-snapshot" else None)
    verb("user", "add", "ann", "--group", "admin", "--password-stdin", given=PASSWORD)
    key = verb("key", "add", "ann").strip().splitlines()[-1] if "key" in verb_names(binary) else None
    client = Client(url, str(data / "pki/ca.pem"), (data / "admin.jwt").read_text().strip())
    scenario = Scenario(client, lambda path, answer: None)
    for part in [scenario.agents, scenario.configuration, scenario.negotiations, scenario.tasks, scenario.draft]:
        part()
    # What is configured of who gets in, and its secret: since there is a vault.
    user = {"magent-access:access": {"users": {"user": [{"name": "bea", "group": ["admin"], "password": "$0$" + PASSWORD}]}}}
    status = 0 if form == "without-secrets" else client.ask("PATCH", "/restconf/data/magent-access:access", user).status
    if form == "with-snapshot":
        # The end of this server writes a snapshot, the older records are archived, and the next server adds to the log alone.
        scenario.invoke("operations/magent-policy:set-policy", POLICY)
        stop(server)
        position = max(int(file.stem) for file in (data / "snapshots").iterdir())
        verb("log", "compact", "--to", str(position - 10))
        server, url = start(binary, data, 1_000_000)
        client = Client(url, client.ca, client.token)
        assert client.ask("PUT", "/restconf/data/irtf-agent:data-params=later", LATER).status == 201
    answers = {path: client.get(path) for path in READ}
    known = {path: answer.json() for path, answer in answers.items() if answer.status == 200}
    stop(server)
    passwords = {"ann": PASSWORD, **({"bea": PASSWORD} if status == 204 else {})}
    told = {"version": verb_version(binary), "passwords": passwords, "api-key": key, "data": known}
    (place / "expected.json").write_text(json.dumps(told, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
    left = data / "log.sqlite3-wal"
    assert not left.exists() or left.stat().st_size == 0, "the end of the server has put all of it into the store"
    for file in [data / "admin.jwt", data.with_suffix(".toml"), *data.glob("log.sqlite3-*"), *data.rglob("*.lock")]:
        file.unlink(missing_ok=True)
    print(place, status, {path: answer.status for path, answer in answers.items()})


def start(binary, data, events_min):
    """A server on the directory, and its URL. It writes a snapshot at its end after so many events, if that is said."""
    words = []
    if events_min is not None:
        config = data.with_suffix(".toml")
        config.write_text(f"[limits]\nsnapshot_events_min = {events_min}\n")
        words = ["--config", config]
    server = subprocess.Popen([binary, "serve", "--https", "127.0.0.1:0", *words, "--data", data], stdout=subprocess.PIPE, text=True)
    return server, "https://" + server.stdout.readline().split()[-1]


def stop(server):
    server.send_signal(signal.SIGTERM)
    assert server.wait(60) == 0


def verb_names(binary):
    return subprocess.run([binary, "--help"], capture_output=True, text=True, check=True).stdout.split()


def verb_version(binary):
    return subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout.strip()


main(*sys.argv[1:])
