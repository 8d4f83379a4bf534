"""The server and one side of a negotiation that it plays by a policy, over RESTCONF on one connection.

It never knows what an offer is worth.
"""

import http.client
import json
import ssl
import subprocess
import tempfile
import time
from pathlib import Path

OURS, OTHER = "tournament-server-side", "tournament-other-side"
TIMEOUT = 30.0
IDLE = 5.0  # negotiators of NegMAS can think for longer than the server keeps a silent connection


class Refused(Exception):
    """The server answered with an error."""


class Server:
    """The built server with a data directory of its own; it ends with the `with` block."""

    def __init__(self, binary):
        self.folder = tempfile.TemporaryDirectory(prefix="agentconf-tournament-")
        data = Path(self.folder.name) / "data"
        log = open(Path(self.folder.name) / "log", "w")
        self.process = subprocess.Popen(
            [binary, "serve", "--data", str(data), "--https", "127.0.0.1:0"],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        for line in self.process.stdout:
            if line.startswith("listening https "):
                self.address = line.split()[-1]
                break
        else:
            raise SystemExit(f"the server does not start: {Path(log.name).read_text()}")
        trust = ssl.create_default_context(cafile=str(data / "pki/ca.pem"))
        host, port = self.address.rsplit(":", 1)
        self.connection = http.client.HTTPSConnection(host, int(port), context=trust, timeout=TIMEOUT)
        self.headers = {
            "Authorization": "Bearer " + (data / "admin.jwt").read_text().strip(),
            "Content-Type": "application/yang-data+json",
            "Accept": "application/yang-data+json",
        }
        self.seconds = 0.0  # that requests took
        self.used = 0.0  # when the connection was used last
        for name in (OURS, OTHER):
            self.call(
                "operations/magent-registry:register-agent",
                "magent-registry",
                {"name": name, "description": "Plays a tournament", "version": "1.0.0", "provider": "tournament"},
            )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.folder.cleanup()

    def call(self, path, module, values):
        """An operation; the output as an object."""
        body = json.dumps({f"{module}:input": values})
        began = time.perf_counter()
        if began - self.used > IDLE:
            self.connection.close()
        self.connection.request("POST", f"/restconf/{path}", body, self.headers)
        response = self.connection.getresponse()
        text = response.read()
        self.used = time.perf_counter()
        self.seconds += self.used - began
        if response.status >= 300:
            raise Refused(f"{response.status} {text.decode(errors='replace')[:500]}")
        answer = json.loads(text) if text else {}
        return answer.get(f"{module}:output", {})

    def wants(self, policy):
        """Says what the server's side wants."""
        self.call("operations/magent-policy:set-policy", "magent-policy", {"agent": OURS, "name": "all", **policy})


class Side:
    """The server's side in one negotiation. What it says is a pair of a move and terms."""

    def __init__(self, server, rounds):
        self.server, self.rounds, self.id, self.number = server, rounds, None, 0

    def opens(self):
        """Its first proposal."""
        output = self.server.call(
            "operations/magent-policy:open-by-policy",
            "magent-policy",
            {"type": "magent-task:feasibility", "from": OURS, "to": OTHER, "max-rounds": self.rounds, "content": "Play"},
        )
        self.id, self.number = output["id"], 1
        return "propose", output["term"]

    def hears(self, terms):
        """Its answer to a proposal of the other side."""
        if self.id is None:
            output = self.server.call(
                "operations/magent-task:open-negotiation",
                "magent-task",
                {
                    "type": "feasibility",
                    "from": OTHER,
                    "to": OURS,
                    "max-rounds": self.rounds,
                    "content": "Play",
                    "term": terms,
                },
            )
            self.id = output["id"]
        else:
            output = self.respond("counter", terms)
        reply = output.get("reply")
        if reply is None:
            raise Refused(f"no answer to round {self.number + 1} of {self.id}: {output}")
        self.number = reply["number"]
        return reply["move"], reply.get("term", [])

    def ends(self, move):
        """The other side accepts or rejects the last proposal; the status is said."""
        return self.respond(move, [])["status"]

    def gives_up(self):
        """The other side rejects, so that nothing stays open; it may be over already."""
        try:
            self.ends("reject")
        except Refused:
            pass

    def respond(self, move, terms):
        values = {"from": OTHER, "in-reply-to": self.number, "move": move}
        if terms:
            values["term"] = terms
        path = f"data/magent-task:interaction/negotiations/negotiation={self.id}/respond"
        return self.server.call(path, "magent-task", values)
