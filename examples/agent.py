#!/usr/bin/env python3
"""An agent of one's own in standard Python: registers, follows the events, takes its tasks, reports their results.
Needs AGENTCONF_URL (https://127.0.0.1:8443), AGENTCONF_TOKEN and AGENTCONF_CA (the file pki/ca.pem of the server)."""
import itertools, json, os, ssl, urllib.parse, urllib.request

NAME = "python-agent"
TLS = ssl.create_default_context(cafile=os.environ["AGENTCONF_CA"])
HEADERS = {"Authorization": "Bearer " + os.environ["AGENTCONF_TOKEN"], "Content-Type": "application/yang-data+json"}

def ask(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    url = os.environ["AGENTCONF_URL"] + "/restconf/" + path
    return urllib.request.urlopen(urllib.request.Request(url, data, HEADERS), context=TLS)

def work(order):  # the place for what the agent can do
    return {"content": "Done: " + order.get("content", "")}

events = ask("streams/NETCONF/json")  # before anything can happen, so that nothing is missed
ask("operations/magent-registry:register-agent", {"magent-registry:input": {
    "name": NAME, "description": "Does what it is told", "version": "1.0.0", "provider": "me", "lifetime": 86400}})
missed = ask("operations/magent-task:query-tasks", {"magent-task:input": {"to": [NAME], "status": ["created"]}}).read()
heard = (json.loads(line[5:])["ietf-restconf:notification"] for line in events if line.startswith(b"data:"))
created = (e for e in (n.get("magent-task:task-event", {}) for n in heard) if e.get("event") == "created" and e["to"] == NAME)
waiting = (task["id"] for task in json.loads(missed or "{}").get("magent-task:output", {}).get("task", []))
for task in itertools.chain(waiting, (event["task"] for event in created)):
    path = "data/magent-task:interaction/tasks/task=" + urllib.parse.quote(task, safe="")
    order = json.load(ask(path))["magent-task:task"][0]
    if order["status"] == "created":
        ask(path + "/report", {"magent-task:input": {"status": "processing"}})
        ask(path + "/report", {"magent-task:input": {"status": "finished", "result": work(order)}})
