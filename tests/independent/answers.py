#!/usr/bin/env python3
"""Asks a server for everything that it offers, in JSON and in XML, and lets `judges` read every answer against the YANG
library that the server announces. `answers.py URL CA TOKEN DIRECTORY`; the server is filled first."""
import datetime
import itertools
import json
import re
import sys
import urllib.parse
import xml.etree.ElementTree as ET
from xml.sax.saxutils import escape

from client import JSON, XML, XML_LIST, Client
from judges import Judges, Wrong
from scenario import Scenario
from yangson.schemanode import AnyContentNode, LeafListNode, LeafNode, ListNode
from yangson.xmlparser import XMLParser

DATA = "/restconf/data"
OPERATIONAL = "/restconf/ds/ietf-datastores:operational"
DATASTORES = ["running", "candidate", "intended", "operational"]
#: How many entries of a list are asked for by themselves.
ENTRIES = 3
DEFAULTS = ["report-all", "report-all-tagged", "trim", "explicit"]
NOTIFICATION = "urn:ietf:params:xml:ns:netconf:notification:1.0"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


class Walk:
    def __init__(self, client, judges):
        self.client, self.judges, self.wrong, self.asked = client, judges, [], 0
        self.modules = {namespace: module for module, namespace in judges.namespaces.items()}

    def check(self, what, judge, *given):
        """Notes what a judge has against an answer; else gives what it read."""
        try:
            return judge(*given)
        except (Wrong, AssertionError, KeyError, ValueError, ET.ParseError) as wrong:
            self.wrong.append(f"{what}: {type(wrong).__name__}: {wrong}")
            return None

    def get(self, target, accept):
        self.asked += 1
        answer = self.client.get(target, accept)
        if answer.status != 200 or answer.media_type != accept:
            self.check(f"{target} {accept}", self.refusal, answer)
        return answer

    def refusal(self, answer):
        assert 400 <= answer.status < 500, f"{answer.status} {answer.text}"
        assert answer.media_type in [JSON, XML], answer.media_type
        return self.judges.structure("errors", answer.text, answer.media_type)

    # Resources that are no data.

    def api(self):
        for accept in [JSON, XML]:
            root = self.get("/restconf", accept)
            self.check(f"/restconf {accept}", self.judges.structure, "restconf", root.text, accept)
            version = self.get("/restconf/yang-library-version", accept).text
            inside = '{"ietf-restconf:restconf":%s}' if accept == JSON else '<restconf xmlns="urn:ietf:params:xml:ns:yang:ietf-restconf">%s</restconf>'
            version = inside % version.replace('"ietf-restconf:', '"')
            self.check(f"yang-library-version {accept}", self.judges.structure, "restconf", version, accept)
        listed = list(self.get("/restconf/operations", JSON).json()["ietf-restconf:operations"])
        root = ET.fromstring(self.get("/restconf/operations", XML).text)
        names = [element.tag[1:].split("}") for element in root]
        assert [f"{self.modules[namespace]}:{name}" for namespace, name in names] == listed, (names, listed)
        for name in listed:
            node = self.judges.yangson.schema.get_child(*reversed(name.split(":")))
            self.check(f"operation {name}", lambda: (_ for _ in ()).throw(Wrong("not in the schema")) if node is None else node)

    # Data.

    def whole(self, prefix, query="", content="all"):
        """A whole datastore in both encodings, which have to say the same."""
        target, said = prefix + query, []
        for accept in [JSON, XML]:
            answer = self.get(target, accept)
            if accept == JSON:
                text = dumped(answer.json()["ietf-restconf:data"])
            else:
                text = answer.text[answer.text.index(">") + 1:answer.text.rindex("</")]
            complete = "depth" not in query and content != "nonconfig" and "fields" not in query
            said.append(self.check(f"{target} {accept}", self.judges.data, text, accept, complete, content))
        self.same(target, said)

    def same(self, target, said):
        if None not in said and said[0] != said[1]:
            self.wrong.append(f"{target}: JSON and XML differ: {first_difference(*said)}")

    def datastores(self):
        self.whole(DATA)
        self.whole(DATA, "?content=config", "config")
        self.whole(DATA, "?content=nonconfig", "nonconfig")
        for name in DATASTORES:
            prefix = f"/restconf/ds/ietf-datastores:{name}"
            content = "all" if name == "operational" else "config"
            self.whole(prefix, "", content)
            for mode in DEFAULTS:
                self.whole(prefix, f"?with-defaults={mode}", content)
        for query in ["?with-origin", "?with-origin&with-defaults=report-all-tagged"]:
            self.whole(OPERATIONAL, query)
        for depth in range(1, 8):
            self.whole(DATA, f"?depth={depth}")
        self.whole(DATA, "?fields=magent-task:interaction/tasks/task(id;status;result/verification);irtf-agent:data-params/id")

    def resources(self):
        """Each resource by itself, found in what the datastore says of itself."""
        everything = self.client.get(DATA).json()["ietf-restconf:data"]
        for chain in self.below(self.judges.yangson.schema, everything, ()):
            node, name, value, selector = chain[-1]
            path = "".join(f"/{n}{s}" for _, n, _, s in chain)
            simple = isinstance(node, (LeafNode, LeafListNode, AnyContentNode))
            queries = [""]
            if not simple:
                inner = [member for member in value if not member.startswith("@")]
                queries += ["?content=config", "?content=nonconfig", "?depth=1", "?depth=2", "?depth=unbounded"]
                queries += [f"?with-defaults={mode}" for mode in DEFAULTS]
                queries += [f"?fields={';'.join(map(urllib.parse.quote, inner[:2]))}"] if inner else []
            for query in queries:
                self.resource(DATA, path, query, chain)
            if not simple:
                self.resource(OPERATIONAL, path, "?with-origin&with-defaults=report-all-tagged", chain)

    def below(self, schema, instance, above):
        """The chains of steps to the resources below an instance: (schema node, name, value, `=KEYS` or nothing)."""
        for member, value in instance.items():
            if member.startswith("@"):
                continue
            module, _, local = member.rpartition(":")
            module = module or schema.ns
            node = schema.get_data_child(local, module)
            assert node, member
            # RFC 8040 section 3.5.3: the name of the module at the top and where it changes.
            name = local if above and above[-1][0].ns == module else f"{module}:{local}"
            if isinstance(node, ListNode):
                yield from self.entries(node, name, value, above)
            elif isinstance(node, LeafListNode):
                for one in value[:ENTRIES]:
                    yield (*above, (node, name, [one], "=" + key(one)))
            else:
                chain = (*above, (node, name, value, ""))
                yield chain
                if isinstance(value, dict) and not isinstance(node, AnyContentNode):
                    yield from self.below(node, value, chain)

    def entries(self, node, name, value, above):
        keys = [local for local, _ in node.keys]
        if not keys:
            return
        self.list(node, name, value, above)
        for entry in value[:ENTRIES] + value[ENTRIES:][-1:]:
            chain = (*above, (node, name, entry, "=" + ",".join(key(entry[local]) for local in keys)))
            yield chain
            yield from self.below(node, entry, chain)

    def list(self, node, name, value, above):
        """All of a list, and its pages (draft-ietf-netconf-list-pagination): a member in JSON, `xml-list` in XML."""
        path = "".join(f"/{n}{s}" for _, n, _, s in above) + "/" + name
        for query in ["", "?limit=2", "?limit=1&offset=1", "?direction=backwards&limit=1", "?depth=1"]:
            if "offset" in query and len(value) < 2:
                continue
            said = []
            for accept in [JSON, XML_LIST]:
                answer = self.get(DATA + path + query, accept)
                if answer.status != 200:
                    continue
                if accept == XML_LIST:
                    answer.text = answer.text[answer.text.index(">") + 1:answer.text.rindex("</")]
                text = nested(self.judges.namespaces, above, answer.text, JSON if accept == JSON else XML)
                encoding = JSON if accept == JSON else XML
                said.append(self.check(f"{DATA}{path}{query} {accept}", self.judges.data, text, encoding, False))
            if len(said) == 2:
                self.same(path + query, said)

    def resource(self, prefix, path, query, chain):
        said = []
        for accept in [JSON, XML]:
            answer = self.get(prefix + path + query, accept)
            if answer.status != 200:
                if not re.search("content=|with-origin", query):
                    self.wrong.append(f"{prefix}{path}{query}: {answer.status}")
                return
            text = nested(self.judges.namespaces, chain[:-1], answer.text, accept)
            said.append(self.check(f"{prefix}{path}{query} {accept}", self.judges.data, text, accept, False))
        self.same(prefix + path + query, said)

    # What is answered to operations and edits, and what streams tell.

    def heard(self, path, answer):
        """The answer to an operation or an action, or to an edit if there is no path."""
        what = f"{path or 'edit'} {answer.status}"
        if answer.status == 204 or not answer.text:
            assert not answer.text, answer
        elif path and answer.status == 200:
            self.check(what, self.output, path, answer)
        elif "yang-patch-status" in answer.text[:40]:
            self.check(what, self.judges.structure, "yang-patch-status", answer.text, answer.media_type)
        else:
            self.check(what, self.refusal, answer)

    def output(self, path, answer):
        steps = [step.split("=")[0] for step in path.split("/")[1:]]
        if answer.media_type == JSON:
            ((name, content),) = answer.json().items()
            assert name == steps[0].split(":")[0] + ":output", name
            content = answer.json()
        else:
            content = parsed(answer.text)
            assert content.tag == f"{{{self.judges.namespaces[steps[0].split(':')[0]]}}}output", content.tag
        return self.judges.message(content, answer.media_type, *steps)

    def streams(self, since, until):
        query = f"?start-time={since}&stop-time={urllib.parse.quote(until)}"
        told = []
        for encoding, accept in [("json", JSON), ("xml", XML)]:
            events = [self.check(f"event {text}", self.event, text, accept)
                      for text in self.client.events(f"/restconf/streams/NETCONF/{encoding}{query}")]
            assert len(events) > 50, f"{len(events)} events"
            told.append(events)
        differ = [pair for pair in zip(*told, strict=True) if None not in pair and pair[0] != pair[1]]
        self.wrong += [f"an event differs: {pair}" for pair in differ]

    def event(self, text, accept):
        if accept == JSON:
            envelope = json.loads(text)["ietf-restconf:notification"]
            time = envelope.pop("eventTime")
            ((name, content),) = envelope.items()
        else:
            envelope = parsed(text)
            assert envelope.tag == f"{{{NOTIFICATION}}}notification", envelope.tag
            first, content = envelope
            assert first.tag == f"{{{NOTIFICATION}}}eventTime", first.tag
            namespace, local = content.tag[1:].split("}")
            time, name = first.text, f"{self.modules[namespace]}:{local}"
        assert TIME.fullmatch(time), time
        self.judges.message(content, accept, name)
        return time, name

    def errors(self):
        """Refusals of many kinds, each in both encodings."""
        entry = DATA + "/irtf-agent:data-params=e"
        bodies = ["{", "{}", '{"irtf-agent:data-params":[{"id":"e","dataType":"none"}]}', '{"irtf-agent:data-params":[{"id":"e"}]}',
                  '{"irtf-agent:data-params":[{"id":"f","dataType":"text"}]}', '{"irtf-agent:data-params":[{"id":"e","x":1}]}',
                  '{"irtf-agent:context":[{"id":"e","sendFrom":"a","sendTo":"b"}]}', '{"a:b":' * 100]
        requests = [("PUT", entry, body, JSON) for body in bodies]
        requests += [("PUT", entry, f"<x xmlns='{space}'/>", XML) for space in ["", "urn:x", "urn:ietf:params:xml:ns:yang:irtf-agent"]]
        requests += [("PUT", entry, "<!DOCTYPE x><x/>", XML), ("PUT", entry, "x", "text/plain"), ("DELETE", entry, None, None)]
        requests += [("GET", target, None, None) for target in [
            "/nosuch", "/restconf/nosuch", DATA + "/a", DATA + "/irtf-agent:nosuch", DATA + "/irtf-agent:data-params=none",
            DATA + "?depth=0", DATA + "?nosuch=1", DATA + "?fields=(", DATA + "?fields=nosuch:x", DATA + "/irtf-agent:tasks=1",
            "/restconf/ds/ietf-datastores:nosuch", "/restconf/streams/NETCONF/json?filter=%2F%2F%28",
            OPERATIONAL + "/magent-task:interaction/tasks/task?where=%28&limit=1", "/restconf/subscriptions/77"]]
        requests += [("POST", "/restconf/operations/" + name, body, JSON) for name, body in [
            ("magent-task:assign-task", '{"magent-task:input":{"from":"nobody","to":"oss"}}'), ("magent-task:assign-task", None),
            ("magent-task:respond", None), ("magent-datastores:rollback", '{"magent-datastores:input":{"revision":"9999"}}'),
            ("ietf-subscribed-notifications:establish-subscription", '{"ietf-subscribed-notifications:input":{"stream":"none"}}'),
            ("ietf-subscribed-notifications:establish-subscription",
             '{"ietf-subscribed-notifications:input":{"stream":"NETCONF","stream-xpath-filter":"(("}}'),
            ("ietf-subscribed-notifications:delete-subscription", '{"ietf-subscribed-notifications:input":{"id":777}}')]]
        requests += [("PATCH", DATA, "{}", "application/yang-patch+json"), ("PUT", DATA + "/ietf-yang-library:yang-library", "{}", JSON)]
        for (method, target, body, content), accept in itertools.product(requests, [JSON, XML]):
            self.asked += 1
            answer = self.client.ask(method, target, body, accept, content)
            self.check(f"{method} {target} {body} {accept}: {answer.status} {answer.text}", self.refused_as, answer, accept)

    def refused_as(self, answer, accept):
        assert answer.media_type == accept, answer.media_type
        return self.refusal(answer)


def key(value):
    """A value of a key as it stands in a URI."""
    return urllib.parse.quote(str(value).lower() if isinstance(value, bool) else str(value), safe="")


def nested(namespaces, chain, text, encoding):
    """An answer with its ancestors around it, as the datastore would have it."""
    if encoding == JSON:
        inner = json.loads(text)
        for node, _, value, _ in reversed(chain):
            prefix = f"{node.ns}:"
            inner = {member.replace(prefix, "", 1): below for member, below in inner.items()}
            if isinstance(node, ListNode):
                inner = [{**{local: value[local] for local, _ in node.keys}, **inner}]
            inner = {prefix + node.name: inner}
        return dumped(inner)
    for node, _, value, _ in reversed(chain):
        if isinstance(node, ListNode):
            keys = [(local, f"<{local}>{escape(str(value[local]))}</{local}>") for local, _ in node.keys]
            is_key = any(text.startswith(f"<{local} ") for local, _ in keys)
            text = "".join(text if text.startswith(f"<{local} ") else one for local, one in keys) + ("" if is_key else text)
        # An identity in a key has the name of its module before it.
        spaces = "".join(f' xmlns:{module}="{space}"' for module, space in namespaces.items())
        text = f'<{node.name} xmlns="{namespaces[node.ns]}"{spaces}>{text}</{node.name}>'
    return text


def parsed(text):
    """An element, with the declarations of namespaces that yangson looks for."""
    return XMLParser(text).root


def dumped(value):
    """libyang 4 does not read pairs of `\\u`, which RFC 8259 section 7 has for what is beyond the first 65536 characters."""
    return json.dumps(value, ensure_ascii=False)


def first_difference(a, b):
    """Where two forms of `Judges.form` differ."""
    if a[:2] == b[:2] and len(a[2]) == len(b[2]):
        one, other = next((pair for pair in zip(a[2], b[2]) if pair[0] != pair[1]), (None, None))
        return f"/{a[0]}{first_difference(one, other)}" if one else ""
    return f"/{str(a)[:300]} and {str(b)[:300]}"


def main(url, ca, token, directory):
    client = Client(url, ca, token)
    judges = Judges(client, directory)
    walk = Walk(client, judges)
    Scenario(client, walk.heard).run()
    walk.api()
    walk.datastores()
    walk.resources()
    walk.errors()
    walk.streams("2020-01-01T00:00:00Z", datetime.datetime.now(datetime.UTC).isoformat())
    print(f"{walk.asked} requests, {judges.documents} documents judged, {len(walk.wrong)} wrong")
    for wrong in walk.wrong[:60]:
        print(wrong[:700])
    return 1 if walk.wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
