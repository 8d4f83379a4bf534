#!/usr/bin/env python3
"""A browser follows the events of a server with its own EventSource, over a restart of the server, and loses none.
`browser.py DATA SERVER...`, where SERVER... is the command that serves DATA at the address after it.

chromedriver drives headless Chromium over the WebDriver protocol. A page cannot give EventSource an `Authorization`; the
browser adds the credentials with which the page was loaded (HTTP Basic), and no script ever sees them."""
import json
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.request

from client import Client

LIMIT = 60
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"]
FOLLOW = """
window.seen = []; window.opened = 0;
window.source = new EventSource('/restconf/streams/NETCONF/json');
window.source.onopen = () => { window.opened += 1; };
window.source.onmessage = event => window.seen.push([event.lastEventId, event.data]);
"""


class Server:
    def __init__(self, data, command):
        self.data, self.command, self.address = data, command, "127.0.0.1:0"
        self.start()

    def start(self):
        arguments = [*self.command, "serve", "--data", self.data, "--https", self.address]
        self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        self.address = self.process.stdout.readline().strip().removeprefix("listening https ")
        assert self.address, "the server does not start"

    def kill(self):
        self.process.kill()
        self.process.wait()

    def client(self):
        data = pathlib.Path(self.data)
        return Client(f"https://{self.address}", data / "pki/ca.pem", (data / "admin.jwt").read_text().strip())


class Browser:
    """A session of WebDriver (W3C)."""

    def __init__(self, profile):
        self.driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, text=True)
        line = next(line for line in self.driver.stdout if "successfully on port " in line)
        port = line.strip().rstrip(".").rsplit(" ", 1)[1]
        self.url = f"http://127.0.0.1:{port}/session"
        self.profile = profile

    def __enter__(self):
        options = {"args": [*FLAGS, f"--user-data-dir={self.profile}"]}
        # The server's certificate is of its own authority, which the browser does not know.
        wanted = {"browserName": "chrome", "acceptInsecureCerts": True, "goog:chromeOptions": options}
        try:
            self.url += "/" + self.send("", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]
        except BaseException:
            self.driver.kill()
            raise
        return self

    def send(self, command, body, method="POST"):
        request = urllib.request.Request(self.url + command, json.dumps(body).encode(), {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=LIMIT) as answer:
            return json.load(answer)["value"]

    def run(self, script):
        return self.send("/execute/sync", {"script": script, "args": []})

    def wait(self, script, enough):
        """What a script says as soon as that is enough."""
        until = time.monotonic() + LIMIT
        while not enough(said := self.run(script)):
            assert time.monotonic() < until, f"{script}: still {said}"
            time.sleep(0.05)  # a page cannot be waited for
        return said

    def __exit__(self, *_):
        try:
            self.send("", {}, "DELETE")
        finally:
            self.driver.kill()
            self.driver.wait()


def put(client, number):
    answer = client.ask("PUT", f"/restconf/data/irtf-agent:data-params=b{number}",
                        {"irtf-agent:data-params": [{"id": f"b{number}", "dataType": "text"}]})
    assert answer.status == 201, answer


def named(seen):
    """The entries that events tell of, with the ids of the events."""
    told = [(place, json.loads(data)["ietf-restconf:notification"]) for place, data in seen]
    changes = [(place, event["ietf-netconf-notifications:netconf-config-change"]) for place, event in told
               if "ietf-netconf-notifications:netconf-config-change" in event]
    return [(place, change["edit"][0]["target"]) for place, change in changes]


def main(data, *command):
    server = Server(data, command)
    try:
        with tempfile.TemporaryDirectory() as profile, Browser(profile) as browser:
            follow(server, browser)
    finally:
        server.kill()


def follow(server, browser):
    password = (pathlib.Path(server.data) / "admin.password").read_text().strip()
    browser.send("/url", {"url": f"https://admin:{password}@{server.address}/"})
    assert browser.run("return document.title") == "agentconf"
    assert browser.run("return document.querySelectorAll('h2').length") >= 4
    browser.run(FOLLOW)
    browser.wait("return window.opened", lambda opened: opened == 1)
    client = server.client()
    for number in range(3):
        put(client, number)
    browser.wait("return window.seen", lambda seen: len(named(seen)) == 3)

    server.kill()
    browser.wait("return window.source.readyState", lambda state: state == 0)
    server.start()
    client = server.client()
    for number in range(3, 6):
        put(client, number)
    seen = browser.wait("return window.seen", lambda seen: len(named(seen)) >= 6)
    put(client, 6)
    seen = browser.wait("return window.seen", lambda seen: len(named(seen)) >= 7)
    assert browser.run("return window.opened") == 2, "it was opened once and reconnected once"
    entries = [target for _, target in named(seen)]
    assert entries == [f"/irtf-agent:data-params[id='b{number}']" for number in range(7)], entries
    places = [tuple(map(int, place.split("."))) for place, _ in seen]
    assert places == sorted(set(places)), f"ids do not rise: {places}"
    print(f"{len(seen)} events, none lost and none twice")


if __name__ == "__main__":
    main(*sys.argv[1:])
