"""Fills a server: agents, negotiations, tasks in every status, contexts, data objects, configuration, revisions,
subscriptions. Every operation, action and edit is told to `heard` with what it answered."""
from client import JSON, XML

LONG = "2099-01-01T00:00:00Z"
TERMS = [{"name": "time", "number": "30.25", "unit": "minutes"}, {"name": "how", "text": "remote <first> & \"then\""},
         {"name": "when", "window": {"start": "2026-11-21T22:00:00Z", "end": "2026-11-22T02:00:00+02:00"}}]
TEXT = "ünïcode \U0001f6f0, <tags> & 'quotes', \"more\", a tab\tand a line\nbelow"
ORDER = "## target object\nlink\n## task description\ndiagnose"


class Scenario:
    """`invoke` and `edit` do something and tell of it."""

    def __init__(self, client, heard):
        self.client, self.heard = client, heard

    def invoke(self, path, given, accept=JSON, status=(200, 204)):
        name = path.removeprefix("operations/").removeprefix("data/")
        module = name.split(":")[0]
        body = None if given is None else {module + ":input": given}
        answer = self.client.ask("POST", "/restconf/" + path, body, accept)
        assert answer.status in status, (path, given, answer)
        self.heard(path, answer)
        return answer

    def both(self, path, given, **kind):
        """The same twice, for what may be done again: the answer in each encoding."""
        self.invoke(path, given, **kind)
        return self.invoke(path, given, accept=XML, **kind)

    def edit(self, method, path, body, status=(200, 201, 204), **kind):
        answer = self.client.ask(method, "/restconf/data" + path, body, **kind)
        assert answer.status in status, (method, path, body, answer)
        self.heard(None, answer)
        return answer

    def run(self):
        self.agents()
        self.configuration()
        self.negotiations()
        self.tasks()
        self.patches()
        self.datastores()
        self.draft()
        self.subscriptions()

    def agents(self):
        for name in ["oss", "a, b/c d?=%25", "ü&<agent>'\""]:
            self.both("operations/magent-registry:register-agent", {
                "name": name, "description": TEXT, "version": "1.0.0", "provider": "p & q", "alias": "alias",
                "type": "executor", "domain": ["IP", "optical"], "management-object": ["link", "node"],
                "skills": {"skill": [{"skill-name": "diagnose", "skill-description": TEXT, "skill-tags": ["fault", "x"],
                                      "input-modes": ["text"], "output-modes": ["text"], "examples": ["do, it"]}]},
                "capability": {"streaming": True, "push-notifications": False, "negotiate": ["one", "two"]},
                "authentication": {"authentication-methods": [{"accessinfo-id": "1", "scheme": "bearer"}]},
                "endpoints": {"endpoint": [{"url": "https://a.example:1/x?y=1&z=2", "protocol": "RESTCONF"}]},
                "lifetime": 86400})
        self.both("operations/magent-registry:discover-agents", {"domain": ["IP"]})
        self.both("operations/magent-registry:discover-agents", {"limit": 1})
        self.both("data/magent-registry:registry/agents/agent=oss/renew", {"lifetime": 90000})
        self.invoke("operations/magent-registry:register-agent", {
            "name": "leaves", "description": "d", "version": "1", "provider": "p"})
        self.invoke("data/magent-registry:registry/agents/agent=leaves/deregister", {"reason": "done"})

    def configuration(self):
        for kind in ["text", "image"]:
            self.edit("PUT", f"/irtf-agent:data-params=d-{kind}", {"irtf-agent:data-params": [
                {"id": "d-" + kind, "dataType": kind, "description": TEXT, "data": "x", "finished": True}]})
        self.edit("POST", "", {"irtf-agent:data-params": [{"id": "k,ey/=%", "dataType": "text"}]})
        self.edit("PUT", "/irtf-agent:data", {"irtf-agent:data": {"any": [1, "two", None, {"x": True}]}})
        self.edit("PUT", "/ietf-subscribed-notifications:filters", {"ietf-subscribed-notifications:filters": {
            "stream-filter": [{"name": "f", "stream-xpath-filter": "/magent-task:task-event"}],
            "ietf-yang-push:selection-filter": [{"filter-id": "s", "datastore-xpath-filter": "/irtf-agent:tasks"}]}})

    def negotiations(self):
        a, b = "oss", "a, b/c d?=%25"
        target = "data/magent-task:interaction/negotiations/negotiation="
        for number, moves in enumerate([[], ["counter"], ["counter", "accept"], ["reject"]]):
            name = f"n-{number}"
            self.invoke("operations/magent-task:open-negotiation", {
                "id": name, "type": "feasibility" if number else "magent-task:feasibility", "from": a, "to": b,
                "context": "c-1", "term": TERMS, "content": TEXT, "lifetime": 86400, "max-rounds": 9,
                "structured-content": {"hints": {"deep": [{"x": 1}, {"y": [1, 2.5], "z": True}]}},
                "data": [{"id": f"neg-{number}", "data-type": "text", "text": TEXT}]}, accept=[JSON, XML][number % 2])
            for at, move in enumerate(moves):
                given = {"from": [b, a][at % 2], "in-reply-to": at + 1, "move": move}
                if move == "counter":
                    given["term"] = TERMS[:2]
                self.invoke(f"{target}{name}/respond", given, accept=[XML, JSON][at % 2])

    def tasks(self):
        target = "data/magent-task:interaction/tasks/task="
        report = lambda name, **given: self.invoke(f"{target}{name}/report", given, accept=[JSON, XML][len(given) % 2])
        statuses = ["created", "processing", "finished", "failed", "blocked", "cancelled", "suspended", "rejected"]
        for status in statuses:
            name = "t-" + status
            self.invoke("operations/magent-task:assign-task", {
                "id": name, "from": "oss", "to": "a, b/c d?=%25", "type": "diagnosis", "context": "c-1",
                **({"negotiation": "n-2"} if status == "created" else {}),
                "content": TEXT, "expected-response": "cause", "deadline": LONG, "asynchronous": True,
                "structured-content": {"magent-types:y": {"z": [True, False], "n": [None]}}, "term-explains": [{"term": "RSRP", "explanation": TEXT}],
                "data": [{"id": "obj-" + name, "data-type": "image", "media-type": "text/plain", "binary": "AAEC/w=="}],
                **({} if status == "created" else {"parent": "t-created"})})
            if status in ["processing", "finished", "suspended"]:
                report(name, status="processing", progress=10)
            if status == "blocked":
                report(name, status="processing")
                report(name, status=status, **{"input-request": {"content": TEXT, "structured-content": {"q": "?"}}})
                answer = {"request": 1, "content": "yes", "data": [{"id": "answered", "text": "t"}]}
                self.invoke(f"{target}{name}/answer", answer)
                report(name, status=status, **{"input-request": {"content": "and this?"}})
            if status == "finished":
                report(name, status=status, result={"content": TEXT, "structured-content": {"r": [1.5]},
                                                    "data": [{"id": "res", "url": "https://a.example/r"}]})
                self.invoke(f"{target}{name}/verify", {"verdict": "accepted", "comment": TEXT}, accept=XML)
            if status in ["failed", "rejected"]:
                report(name, status=status, reason="no way")
            if status == "cancelled":
                self.invoke(f"{target}{name}/cancel", {"reason": "not needed"})
            if status == "suspended":
                self.invoke(f"{target}{name}/suspend", {"reason": "later"})
        self.both("operations/magent-task:query-tasks", {"from": ["oss"]})
        self.both("operations/magent-task:query-tasks", {"limit": 2})
        self.invoke("operations/magent-task:put-data", {"id": "chunks", "from": "oss", "data-type": "image",
                                                        "binary": "AAEC", "offset": "0", "more": True}, accept=XML)
        self.invoke("operations/magent-task:put-data", {"id": "chunks", "from": "oss", "binary": "AwQ=", "offset": "3"})

    def patches(self):
        """YANG Patch: what is done, and what each kind of edit is refused for."""
        value = {"irtf-agent:data-params": [{"id": "p", "dataType": "text"}]}
        target = "/irtf-agent:data-params=p"
        edit = lambda number, operation, **more: {"edit-id": str(number), "operation": operation, "target": target, **more}
        done = [edit(1, "create", value=value), edit(2, "merge", value=value), edit(3, "replace", value=value)]
        for edits, status in [
            (done, [200]), ([edit(1, "create", value=value)], [409]), ([edit(1, "delete")], [200]),
            ([edit("<ü>", "delete")], [409, 404]), ([edit(1, "remove")], [200]),
            ([edit(1, "merge", value=value), edit(2, "delete"), edit(3, "delete")], [404, 409]),
            ([edit(1, "merge")], [400]), ([edit(1, "merge", value={"irtf-agent:nosuch": 1})], [400]),
            ([edit(1, "merge", value={"irtf-agent:data-params": [{"id": "p", "dataType": "none"}]})], [400]),
        ]:
            patch = {"ietf-yang-patch:yang-patch": {"patch-id": "p & <q>", "comment": TEXT, "edit": edits}}
            for accept in [JSON, XML] if status != [200] else [[JSON, XML][len(edits) % 2]]:
                self.edit("PATCH", "", patch, status, content="application/yang-patch+json", accept=accept)

    def datastores(self):
        candidate = "/restconf/ds/ietf-datastores:candidate/irtf-agent:data-params=map"
        body = {"irtf-agent:data-params": [{"id": "map", "dataType": "text", "data": TEXT}]}
        assert self.client.ask("PUT", candidate, body).status == 201
        datastore = lambda name: {"datastore": "ietf-datastores:" + name}
        self.both("operations/magent-datastores:compare", {"source": datastore("running"), "target": datastore("candidate")})
        self.invoke("operations/ietf-netconf:commit", None)
        listed = self.client.get("/restconf/data/magent-datastores:revisions").json()["magent-datastores:revisions"]
        numbers = [revision["number"] for revision in listed["revision"]]
        self.both("operations/magent-datastores:compare", {"source": {"revision": numbers[0]}, "target": datastore("running")})
        self.invoke("operations/magent-datastores:rollback", {"revision": numbers[-2]})

    def draft(self):
        self.edit("PUT", "/irtf-agent:tasks", {"irtf-agent:tasks": {
            "task-sendFrom": "oss", "task-sendTo": "a, b/c d?=%25", "commuType": "taskAssgin", "task-id": "t-draft",
            "content": ORDER, "expected-response": "cause", "task-async": True,
            "term-explains": [{"term": "x", "explaination": TEXT}], "msg-data": "d-text"}})
        self.invoke("operations/irtf-agent:task-negotiate", {
            "task-sendFrom": "oss", "task-sendTo": "a, b/c d?=%25", "commuType": "taskNegotiate", "task-id": "t-draft",
            "content": [ORDER]}, status=(200, 204, 400, 412))

    def subscriptions(self):
        establish = "operations/ietf-subscribed-notifications:establish-subscription"
        given = {"stream": "NETCONF", "stream-xpath-filter": "/magent-task:task-event", "stop-time": LONG}
        self.both(establish, given)
        self.both(establish, {"stream": "NETCONF", "stream-subtree-filter": {"magent-task:task-event": {}},
                              "replay-start-time": "2020-01-01T00:00:00Z", "encoding": "ietf-subscribed-notifications:encode-xml"})
        push = {"ietf-yang-push:datastore": "ietf-datastores:operational",
                "ietf-yang-push:datastore-xpath-filter": "/irtf-agent:data-params"}
        self.both(establish, {**push, "ietf-yang-push:periodic": {"period": 100000}})
        self.both(establish, {**push, "ietf-yang-push:on-change": {"dampening-period": 10, "sync-on-start": True}})
