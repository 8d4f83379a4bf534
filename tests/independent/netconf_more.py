"""NETCONF beyond RFC 6241 as ncclient speaks it: NMDA, URLs, transaction ids, private candidates, pages, tasks.

Called as: netconf_more.py PORT ADMINISTRATOR PASSWORD_FILE USER PASSWORD HTTPS_PORT DATA
"""

import json
import ssl
import sys
import unittest
import urllib.error
import urllib.request

import netconf
from lxml import etree
from ncclient.xml_ import to_ele
from netconf import NC, OTHER, OTHER_PASSWORD, config, connect, select, texts

HTTPS, DATA = sys.argv[6], sys.argv[7]
NMDA = "urn:ietf:params:xml:ns:yang:ietf-netconf-nmda"
DS = "urn:ietf:params:xml:ns:yang:ietf-datastores"
ORIGIN = "urn:ietf:params:xml:ns:yang:ietf-origin"
TXID = "urn:ietf:params:xml:ns:netconf:txid:1.0"
WITH = "urn:ietf:params:xml:ns:yang:ietf-netconf-txid"
PAGES = "urn:ietf:params:xml:ns:yang:ietf-list-pagination-nc"
TOLD = "urn:ietf:params:xml:ns:yang:ietf-list-pagination"
PRIVATE = "urn:ietf:params:xml:ns:yang:ietf-netconf-private-candidate"
PRIVATE_CANDIDATE = "urn:ietf:params:netconf:capability:private-candidate:1.0"
TASK = "urn:x-agentconf:yang:magent-task"
BRIDGE = "urn:x-agentconf:yang:magent-irtf-bridge"


class More(netconf.Netconf):
    """The helpers of the other tests, and none of them."""

    def ask(self, text, session=None):
        reply = (session or self.session).dispatch(to_ele(text))
        return etree.fromstring(reply.xml.encode())

    def get_data(self, datastore, parameters="", session=None):
        return self.ask(
            f'<get-data xmlns="{NMDA}" xmlns:ds="{DS}" xmlns:or="{ORIGIN}" xmlns:a="{netconf.AGENT}">'
            f"<datastore>ds:{datastore}</datastore>{parameters}</get-data>", session)

    def edit(self, entries, target="running", session=None, attributes="", with_etag=False):
        wanted = f'<with-etag xmlns="{WITH}">true</with-etag>' if with_etag else ""
        body = "".join(
            f'<data-params xmlns="{netconf.AGENT}" {attributes}><id>{name}</id><dataType>text</dataType><data>{text}</data></data-params>'
            for name, text in entries)
        return self.ask(
            f'<edit-config xmlns="{NC}" xmlns:nc="{NC}" xmlns:t="{TXID}"><target><{target}/></target>'
            f"{wanted}<config>{body}</config></edit-config>", session)

    def in_running(self, name):
        return texts(self.session.get_config("running", filter=("subtree", select(name))))

    def private(self, user=None, password=None):
        session = connect(user, password, nc_params={"capabilities": [PRIVATE_CANDIDATE]})
        self.addCleanup(session.close_session)
        return session


for name in dir(netconf.Netconf):
    if name.startswith("test_"):
        setattr(More, name, None)


def entries(reply):
    return {e.findtext("{*}id"): e for e in reply.iter(f"{{{netconf.AGENT}}}data-params")}


def etag(element):
    return element.get(f"{{{TXID}}}etag")


class Nmda(More):
    def test_rfc8526_3_1_1_get_data_by_origin(self):
        self.clear("o1")
        self.edit([("o1", "x")])
        mine = "<subtree-filter><a:data-params/></subtree-filter>"
        both = entries(self.get_data("operational", mine))
        self.assertIn("o1", both)
        intended = entries(self.get_data("operational", mine + "<origin-filter>or:intended</origin-filter>"))
        self.assertIn("o1", intended)
        self.assertEqual(intended["o1"].findtext("{*}data"), "x")
        nothing = entries(self.get_data("operational", mine + "<origin-filter>or:system</origin-filter>"))
        self.assertNotIn("o1", nothing)
        rest = entries(self.get_data("operational", mine + "<negated-origin-filter>or:intended</negated-origin-filter>"))
        self.assertNotIn("o1", rest)
        either = "<origin-filter>or:system</origin-filter><origin-filter>or:intended</origin-filter>"
        self.assertIn("o1", entries(self.get_data("operational", mine + either)))
        # State is not affected.
        state = self.get_data("operational", "<origin-filter>or:system</origin-filter><config-filter>false</config-filter>")
        self.assertTrue(list(state.iter("{*}netconf-state")))
        told = entries(self.get_data("operational", mine + "<origin-filter>or:intended</origin-filter><with-origin/>"))
        self.assertIn("intended", told["o1"].get(f"{{{ORIGIN}}}origin"))
        for datastore in ["running", "candidate", "intended"]:
            for filter in ["<origin-filter>or:intended</origin-filter>", "<with-origin/>"]:
                self.refused("unknown-element", self.get_data, datastore, filter)
        self.clear("o1")

    def test_rfc8526_3_1_1_max_depth_counts_from_what_is_selected(self):
        self.edit([("m1", "x")])
        one = "<subtree-filter><a:data-params><a:id>m1</a:id></a:data-params></subtree-filter>"
        for datastore in ["running", "candidate", "intended", "operational"]:
            entry = entries(self.get_data(datastore, one + "<max-depth>1</max-depth>"))["m1"]
            self.assertEqual([e.tag.split("}")[1] for e in entry], ["id"], datastore)
            entry = entries(self.get_data(datastore, one + "<max-depth>2</max-depth>"))["m1"]
            self.assertEqual(entry.findtext("{*}data"), "x", datastore)
            path = "<xpath-filter>/a:data-params[a:id='m1']</xpath-filter><max-depth>1</max-depth>"
            entry = entries(self.get_data(datastore, path))["m1"]
            self.assertIsNone(entry.find("{*}data"), datastore)
            leaf = "<xpath-filter>/a:data-params[a:id='m1']/a:data</xpath-filter><max-depth>1</max-depth>"
            self.assertEqual(entries(self.get_data(datastore, leaf))["m1"].findtext("{*}data"), "x")
        top = self.get_data("operational", "<max-depth>1</max-depth><config-filter>false</config-filter>")
        self.assertEqual(len(top.find(".//{*}netconf-state")), 0)
        self.refused("invalid-value", self.get_data, "running", "<max-depth>0</max-depth>")
        self.clear("m1")

    def test_rfc8526_3_1_1_what_get_data_refuses(self):
        for datastore in ["startup", "dynamic", "conventional"]:
            self.refused("invalid-value", self.get_data, datastore)
        self.refused("invalid-value", self.get_data, "running", "<xpath-filter>count(/a:data-params)</xpath-filter>")
        both = "<xpath-filter>/a:data-params</xpath-filter><subtree-filter/>"
        self.refused("bad-element", self.get_data, "running", both)

    def test_rfc8526_3_2_edit_data(self):
        def edit(datastore, operation, text="x", name="ed1"):
            return self.ask(
                f'<edit-data xmlns="{NMDA}" xmlns:ds="{DS}" xmlns:nc="{NC}"><datastore>ds:{datastore}</datastore><config>'
                f'<data-params xmlns="{netconf.AGENT}" nc:operation="{operation}"><id>{name}</id><dataType>text</dataType>'
                f"<data>{text}</data></data-params></config></edit-data>")

        edit("running", "create")
        self.refused("data-exists", edit, "running", "create")
        edit("running", "replace", "y")
        self.assertEqual(self.in_running("ed1"), {"ed1": "y"})
        edit("candidate", "delete")
        self.session.commit()
        self.refused("data-missing", edit, "running", "delete")
        edit("running", "remove")
        for datastore in ["startup", "intended", "operational", "dynamic"]:
            self.refused("invalid-value", edit, datastore, "merge")
        nothing = f'<edit-data xmlns="{NMDA}" xmlns:ds="{DS}"><datastore>ds:running</datastore></edit-data>'
        self.refused("missing-element", self.ask, nothing)

    def test_rfc8526_3_3_datastores_by_name_in_lock_and_validate(self):
        other = connect()
        self.addCleanup(other.close_session)
        target = f'<target><datastore xmlns="{NMDA}" xmlns:ds="{DS}">ds:running</datastore></target>'
        self.ask(f'<lock xmlns="{NC}">{target}</lock>')
        self.refused("lock-denied", other.lock, "running")
        self.ask(f'<unlock xmlns="{NC}">{target}</unlock>')
        self.refused("invalid-value", self.ask, f'<lock xmlns="{NC}">{target}</lock>'.replace("running", "operational"))
        source = f'<source><datastore xmlns="{NMDA}" xmlns:ds="{DS}">ds:candidate</datastore></source>'
        self.ask(f'<validate xmlns="{NC}">{source}</validate>')


class Urls(More):
    def copy(self, source, target, session=None):
        return self.ask(f'<copy-config xmlns="{NC}"><target>{target}</target><source>{source}</source></copy-config>', session)

    def test_rfc6241_8_8_a_file_is_written_read_and_removed(self):
        self.assertIn("urn:ietf:params:netconf:capability:url:1.0?scheme=file", list(self.session.server_capabilities))
        url = "<url>file:///saved.xml</url>"
        self.edit([("u1", "x")])
        self.copy("<running/>", url)
        with open(f"{DATA}/files/saved.xml", "rb") as file:
            saved = etree.fromstring(file.read())
        self.assertEqual(saved.tag, f"{{{NC}}}config")
        self.assertEqual(entries(saved)["u1"].findtext("{*}data"), "x")
        self.clear("u1")
        self.ask(f'<validate xmlns="{NC}"><source>{url}</source></validate>')
        self.ask(f'<edit-config xmlns="{NC}"><target><running/></target>{url}</edit-config>')
        self.assertEqual(self.in_running("u1"), {"u1": "x"})
        self.clear("u1")
        self.ask(
            f'<edit-data xmlns="{NMDA}" xmlns:ds="{DS}"><datastore>ds:running</datastore>{url}</edit-data>')
        self.assertEqual(self.in_running("u1"), {"u1": "x"})
        self.clear("u1")
        self.copy(url, "<candidate/>")
        self.assertEqual(texts(self.session.get_config("candidate", filter=("subtree", select("u1")))), {"u1": "x"})
        self.session.discard_changes()
        self.copy(url, "<url>file:///other.xml</url>")
        for name in ["saved", "other"]:
            self.ask(f'<delete-config xmlns="{NC}"><target><url>file:///{name}.xml</url></target></delete-config>')
        self.refused("data-missing", self.copy, url, "<candidate/>")

    def test_rfc6241_8_8_what_a_url_cannot_name(self):
        for url in [
            "file:///../admin.jwt", "file:///etc/passwd", "file:////etc/passwd", "file://host/a", "file:///..%2Fadmin.jwt",
            "https://127.0.0.1/a", "http://127.0.0.1/a", "ftp://example.net/a", "a",
        ]:
            self.refused("invalid-value", self.copy, "<running/>", f"<url>{url}</url>")
            self.refused("invalid-value", self.copy, f"<url>{url}</url>", "<candidate/>")
        self.refused("invalid-value", self.copy, "<url>file:///a</url>", "<url>file:///a</url>")

    def test_urls_are_the_administrators(self):
        eve = connect(OTHER, OTHER_PASSWORD)
        self.addCleanup(eve.close_session)
        url = "<url>file:///eve.xml</url>"
        self.refused("access-denied", self.copy, "<running/>", url, eve)
        self.refused("access-denied", self.ask, f'<edit-config xmlns="{NC}"><target><running/></target>{url}</edit-config>', eve)
        self.refused("access-denied", self.ask, f'<validate xmlns="{NC}"><source>{url}</source></validate>', eve)
        self.refused("access-denied", self.ask, f'<delete-config xmlns="{NC}"><target>{url}</target></delete-config>', eve)


class Txids(More):
    def read(self, filter="", attribute="", source="running"):
        filter = f"<filter>{filter}</filter>" if filter else ""
        return self.ask(
            f'<get-config xmlns="{NC}" xmlns:t="{TXID}" {attribute}><source><{source}/></source>{filter}</get-config>')

    def known(self, name, txid):
        return f'<data-params xmlns="{netconf.AGENT}" t:etag="{txid}"><id>{name}</id></data-params>'

    def test_txid_3_2_txids_are_told_when_asked_for(self):
        self.assertIn("urn:ietf:params:netconf:capability:txid:etag:1.0", list(self.session.server_capabilities))
        made = etag(self.edit([("x1", "a")], with_etag=True).find("{*}ok"))
        self.assertIsNotNone(made)
        self.assertIsNone(etag(self.edit([("x2", "a")]).find("{*}ok")))
        reply = self.read(attribute='t:etag="?"')
        self.assertEqual(etag(entries(reply)["x1"]), made)
        self.assertNotEqual(etag(reply.find("{*}data")), made, "x2 was changed after it")
        one = self.read(self.known("x1", "?"))
        self.assertEqual(etag(entries(one)["x1"]), made)
        self.assertIsNone(etag(one.find("{*}data")))
        plain = self.read(f'<data-params xmlns="{netconf.AGENT}"><id>x1</id></data-params>')
        self.assertIsNone(etag(entries(plain)["x1"]))
        data = self.get_data("running", f'<subtree-filter xmlns:t="{TXID}">{self.known("x1", "?")}</subtree-filter>')
        self.assertEqual(etag(entries(data)["x1"]), made)
        self.clear("x1", "x2")

    def test_txid_3_3_what_is_known_is_left_out(self):
        made = etag(self.edit([("x3", "a")], with_etag=True).find("{*}ok"))
        same = entries(self.read(self.known("x3", made)))["x3"]
        self.assertEqual((etag(same), len(same)), ("=", 1))
        newer = etag(self.edit([("x3", "b")], with_etag=True).find("{*}ok"))
        other = entries(self.read(self.known("x3", made)))["x3"]
        self.assertEqual((etag(other), other.findtext("{*}data")), (newer, "b"))
        whole = self.read(attribute=f't:etag="{newer}"').find("{*}data")
        self.assertEqual((etag(whole), len(whole)), ("=", 0))
        self.clear("x3")

    def test_txid_3_6_edits_depend_on_what_is_known(self):
        made = etag(self.edit([("x4", "a")], with_etag=True).find("{*}ok"))
        newer = etag(self.edit([("x4", "b")], attributes=f't:etag="{made}"', with_etag=True).find("{*}ok"))
        error = self.refused("operation-failed", self.edit, [("x4", "c")], attributes=f't:etag="{made}"')
        self.assertEqual(error.type, "protocol")
        info = etree.fromstring(error.info.encode()).find(f"{{{WITH}}}txid-value-mismatch-error-info")
        self.assertIn("x4", info.findtext("{*}mismatch-path"))
        self.assertEqual(info.findtext("{*}mismatch-etag-value"), newer)
        self.assertEqual(self.in_running("x4"), {"x4": "b"})
        self.refused("operation-failed", self.edit, [("x4", "c")], attributes='t:etag="?"')
        self.clear("x4")

    def test_txid_3_7_in_a_candidate_the_commit_depends_on_it(self):
        s = self.session
        made = etag(self.edit([("x5", "a")], with_etag=True).find("{*}ok"))
        self.edit([("x5", "b")], "candidate", attributes=f't:etag="{made}"')
        self.assertEqual(etag(entries(self.read(self.known("x5", "?"), source="candidate"))["x5"]), "!")
        other = connect()
        self.addCleanup(other.close_session)
        self.edit([("x5", "c")], session=other)
        self.refused("operation-failed", s.commit)
        s.discard_changes()
        made = etag(entries(self.read(self.known("x5", "?"), source="candidate"))["x5"])
        self.edit([("x5", "b")], "candidate", attributes=f't:etag="{made}"')
        reply = self.ask(f'<commit xmlns="{NC}"><with-etag xmlns="{WITH}">true</with-etag></commit>')
        self.assertEqual(etag(reply.find("{*}ok")), etag(entries(self.read(self.known("x5", "?")))["x5"]))
        self.clear("x5")


class PrivateCandidates(More):
    def update(self, session, mode=None):
        mode = f"<resolution-mode>{mode}</resolution-mode>" if mode else ""
        return self.ask(f'<update xmlns="{PRIVATE}">{mode}</update>', session)

    def data(self, session, name):
        return texts(session.get_config("candidate", filter=("subtree", select(name))))

    def test_a_private_candidate_is_seen_by_nobody_else_and_merged(self):
        self.assertIn(PRIVATE_CANDIDATE, list(self.session.server_capabilities))
        self.clear("p1", "p2")
        one, two = self.private(), self.private()
        self.edit([("p1", "x")], "candidate", one)
        self.edit([("p2", "y")], "candidate", two)
        for session, mine, other in [(one, "p1", "p2"), (two, "p2", "p1")]:
            self.assertEqual(list(self.data(session, mine)), [mine])
            self.assertEqual(self.data(session, other), {})
        self.assertEqual(self.data(self.session, "p1"), {}, "the shared one is another")
        one.commit()
        self.assertEqual(self.data(two, "p1"), {}, "a branch stays what it was")
        two.commit()
        self.assertEqual((self.in_running("p1"), self.in_running("p2")), ({"p1": "x"}, {"p2": "y"}))
        self.edit([("p1", "z")], "candidate", one)
        one.discard_changes()
        self.assertEqual(self.data(one, "p1"), {"p1": "x"})
        self.clear("p1", "p2")

    def test_conflicts_are_told_and_resolved_as_asked(self):
        self.clear("p3", "p4")
        self.edit([("p3", "0")])
        s = self.private()

        def diverge():
            self.session.edit_config(target="running", config=config(("p3", "0")))
            s.discard_changes()
            self.edit([("p3", "mine")], "candidate", s)
            self.edit([("p3", "theirs"), ("p4", "new")])

        diverge()
        error = self.refused("operation-failed", s.commit)
        self.assertIn("p3", error.path)
        self.refused("operation-failed", self.update, s)
        self.refused("operation-failed", self.update, s, "revert-on-conflict")
        self.assertEqual((self.data(s, "p3"), self.data(s, "p4")), ({"p3": "mine"}, {}))
        self.update(s, "prefer-candidate")
        self.assertEqual((self.data(s, "p3"), self.data(s, "p4")), ({"p3": "mine"}, {"p4": "new"}))
        s.commit()
        self.assertEqual(self.in_running("p3"), {"p3": "mine"})
        self.clear("p4")
        diverge()
        self.update(s, "prefer-running")
        self.assertEqual((self.data(s, "p3"), self.data(s, "p4")), ({"p3": "theirs"}, {"p4": "new"}))
        s.commit()
        self.assertEqual(self.in_running("p3"), {"p3": "theirs"})
        self.refused("operation-not-supported", self.update, self.session)
        self.clear("p3", "p4")

    def test_locks_and_the_end_of_a_session(self):
        one = self.private()
        two = connect(nc_params={"capabilities": [PRIVATE_CANDIDATE]})
        one.lock("candidate")
        two.lock("candidate")
        self.edit([("p5", "x")], "candidate", two)
        with self.session.locked("running"):
            self.refused("in-use", two.commit)
            self.edit([("p5", "y")], "candidate", two)
        two.unlock("candidate")
        self.assertEqual(self.data(two, "p5"), {"p5": "y"}, "the unlock discards nothing")
        self.session.kill_session(two.session_id)
        three = self.private()
        self.assertEqual(self.data(three, "p5"), {})
        self.assertEqual(self.in_running("p5"), {})

    def test_users_commit_what_they_may_edit(self):
        eve = self.private(OTHER, OTHER_PASSWORD)
        self.edit([("p6", "x")], "candidate", eve)
        eve.commit()
        self.assertEqual(self.in_running("p6"), {"p6": "x"})
        self.refused("access-denied", eve.commit, confirmed=True, timeout="60")
        inline = f'<copy-config xmlns="{NC}"><target><candidate/></target><source><config/></source></copy-config>'
        self.refused("access-denied", self.ask, inline, eve)
        self.update(eve)
        shared = connect(OTHER, OTHER_PASSWORD)
        self.addCleanup(shared.close_session)
        self.refused("access-denied", shared.commit)
        self.refused("access-denied", self.edit, [("p6", "y")], "candidate", shared)
        self.clear("p6")


class Pages(More):
    def page(self, parameters, operation="get-config", filter=None):
        filter = filter or f'<filter><data-params xmlns="{netconf.AGENT}"/></filter>'
        source = "<source><running/></source>" if operation == "get-config" else ""
        if operation == "get-data":
            filter = f'<subtree-filter><a:data-params/></subtree-filter>'
            return self.get_data("running", f'{filter}<list-pagination xmlns="{PAGES}">{parameters}</list-pagination>')
        return self.ask(
            f'<{operation} xmlns="{NC}">{source}{filter}<list-pagination xmlns="{PAGES}">{parameters}</list-pagination></{operation}>')

    def test_pages_of_a_list_with_each_operation(self):
        names = [f"g{n}" for n in range(6)]
        self.edit([(name, str(9 - n)) for n, name in enumerate(names)])
        mine = "<where>starts-with(id, 'g')</where>"
        for operation in ["get", "get-config", "get-data"]:
            first = entries(self.page(f"{mine}<limit>2</limit>", operation))
            self.assertEqual(list(first), names[:2], operation)
            told = first["g0"].get(f"{{{TOLD}}}remaining")
            self.assertIn(told, ["4", "unknown"])
            following = first["g0"].get(f"{{{TOLD}}}next")
            second = entries(self.page(f"{mine}<cursor>{following}</cursor><limit>2</limit>", operation))
            self.assertEqual(list(second), names[2:4], operation)
            back = entries(self.page(f"{mine}<direction>backwards</direction><limit>1</limit>", operation))
            self.assertEqual(list(back), names[-1:], operation)
            skipped = entries(self.page(f"{mine}<offset>4</offset>", operation))
            self.assertEqual(list(skipped), names[4:], operation)
            by_data = entries(self.page(f"{mine}<sort-by>data</sort-by><limit>1</limit>", operation))
            self.assertEqual(list(by_data), names[-1:], operation)
            none = entries(self.page("<where>id = 'nosuch'</where>", operation))
            self.assertEqual(list(none), [], operation)
        xpath = f'<filter xmlns:a="{netconf.AGENT}" type="xpath" select="/a:data-params"/>'
        self.assertEqual(len(entries(self.page(f"{mine}<limit>3</limit>", filter=xpath))), 3)
        self.clear(*names)

    def test_what_is_no_page(self):
        error = self.refused("invalid-value", self.page, "<where>id = 'nosuch'</where><offset>5</offset>")
        self.assertEqual(error.type, "application")
        self.assertIn("offset-out-of-range", error.app_tag)
        self.refused("invalid-value", self.page, "<limit>0</limit>")
        self.refused("invalid-value", self.page, "<cursor>x</cursor><limit>1</limit>")
        leaf = f'<filter><data-params xmlns="{netconf.AGENT}"><data/></data-params></filter>'
        self.refused("invalid-value", self.page, "<limit>1</limit>", filter=leaf)
        tasks = f'<filter><tasks xmlns="{netconf.AGENT}"/></filter>'
        self.refused("invalid-value", self.page, "<limit>1</limit>", filter=tasks)


class PartialLocks(More):
    LOCK = "urn:ietf:params:xml:ns:netconf:partial-lock:1.0"

    def lock(self, *expressions, session=None):
        selects = "".join(f"<select>{expression}</select>" for expression in expressions)
        reply = self.ask(f'<partial-lock xmlns="{self.LOCK}" xmlns:a="{netconf.AGENT}">{selects}</partial-lock>', session)
        return reply.findtext("{*}lock-id"), [e.text for e in reply.findall("{*}locked-node")]

    def unlock(self, id, session=None):
        return self.ask(f'<partial-unlock xmlns="{self.LOCK}"><lock-id>{id}</lock-id></partial-unlock>', session)

    def test_rfc5717_2_4_a_part_is_locked_for_one_session(self):
        self.edit([("k1", "x"), ("k2", "x")])
        other = connect()
        id, nodes = self.lock("/a:data-params[a:id='k1']", "/a:data-params[a:id='k1']/a:data")
        self.assertTrue(nodes and all("k1" in node for node in nodes))
        error = self.refused("lock-denied", self.lock, "/a:data-params[a:id='k1']/a:data", session=other)
        self.assertIn(f">{self.session.session_id}<", error.info)
        error = self.refused("lock-denied", other.lock, "running")
        self.assertIn(f">{self.session.session_id}<", error.info)
        self.refused("in-use", self.edit, [("k1", "y")], session=other)
        self.edit([("k2", "y")], session=other)
        self.edit([("k1", "y")])
        self.edit([("k1", "z")], "candidate", other)
        self.refused("in-use", other.commit)
        other.discard_changes()
        theirs, _ = self.lock("/a:data-params[a:id='k2']", session=other)
        self.refused("invalid-value", self.unlock, theirs)
        self.unlock(id)
        self.refused("invalid-value", self.unlock, id)
        other.close_session()
        again, _ = self.lock("/a:data-params[a:id='k2']")
        self.unlock(again)
        self.clear("k1", "k2")

    def test_rfc5717_2_4_1_what_cannot_be_locked(self):
        error = self.refused("invalid-value", self.lock, "count(/a:data-params)")
        self.assertEqual(error.app_tag, "not-a-node-set")
        error = self.refused("operation-failed", self.lock, "/a:data-params[a:id='nosuch']")
        self.assertEqual(error.app_tag, "no-matches")
        self.refused("invalid-value", self.lock, "/a:[")
        self.refused("operation-failed", self.lock)
        self.edit([("k3", "x")])
        other = connect()
        self.addCleanup(other.close_session)
        with other.locked("running"):
            error = self.refused("lock-denied", self.lock, "/a:data-params")
            self.assertIn(f">{other.session_id}<", error.info)
        eve = connect(OTHER, OTHER_PASSWORD)
        self.addCleanup(eve.close_session)
        self.refused("access-denied", self.lock, "/a:data-params", session=eve)
        self.clear("k3")


class BothProtocols(More):
    def restconf(self, method, path, body=None, status=200):
        with open(f"{DATA}/admin.jwt", encoding="utf-8") as file:
            token = file.read().strip()
        trusted = ssl.create_default_context(cafile=f"{DATA}/pki/ca.pem")
        request = urllib.request.Request(
            f"https://127.0.0.1:{HTTPS}/restconf/{path}", method=method, data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/yang-data+json", "Accept": "application/yang-data+json"})
        try:
            with urllib.request.urlopen(request, context=trusted, timeout=30) as answer:
                got, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            got, text = error.code, error.read()
        self.assertEqual(got, status, text)
        return json.loads(text) if text else None

    def register(self, name):
        self.restconf("POST", "operations/magent-registry:register-agent", {"magent-registry:input": {
            "name": name, "description": "an agent", "version": "1.0.0", "provider": "p", "lifetime": 3600}})

    def told(self, session, *wanted):
        """What comes on a session until each of the texts stood in a notification."""
        wanted, seen = set(wanted), []
        while wanted:
            notification = session.take_notification(timeout=30)
            self.assertIsNotNone(notification, (wanted, seen))
            seen.append(notification.notification_xml)
            wanted = {text for text in wanted if text not in seen[-1]}

    def test_the_drafts_tasks_are_an_order_over_netconf_too(self):
        self.register("worker")
        watch = connect()
        self.addCleanup(watch.close_session)
        watch.create_subscription()
        task = (
            f'<tasks xmlns="{netconf.AGENT}"><task-sendFrom>admin</task-sendFrom><task-sendTo>worker</task-sendTo>'
            "<commuType>taskAssgin</commuType><task-id>over-netconf</task-id>"
            "<content>## target object\nlink\n## task description\ndiagnose</content></tasks>")
        order = f'<edit-config xmlns="{NC}"><target><TARGET/></target><config>{task}</config></edit-config>'
        self.refused("operation-not-supported", self.ask, order.replace("TARGET", "candidate"))
        self.ask(order.replace("TARGET", "running"))
        self.told(watch, "over-netconf")
        path = "data/magent-task:interaction/tasks/task=over-netconf"
        made = self.restconf("GET", path)["magent-task:task"][0]
        self.assertEqual((made["from"], made["to"]), ("admin", "worker"))
        shown = self.ask(f'<get xmlns="{NC}"><filter><tasks xmlns="{netconf.AGENT}"/></filter></get>')
        self.assertEqual(shown.findtext(".//{*}task-id"), "over-netconf")
        wrong = order.replace("TARGET", "running").replace("worker", "nobody-here").replace("over-netconf", "other")
        self.refused("data-missing", self.ask, wrong)
        self.ask(
            f'<edit-config xmlns="{NC}" xmlns:nc="{NC}"><target><running/></target><config>'
            f'<tasks xmlns="{netconf.AGENT}" nc:operation="remove"/></config></edit-config>')

    def test_an_exchange_begun_over_restconf_goes_on_over_netconf_and_back(self):
        for name in ["asker", "doer"]:
            self.register(name)
        over_netconf = connect()
        self.addCleanup(over_netconf.close_session)
        over_netconf.create_subscription()
        with open(f"{DATA}/admin.jwt", encoding="utf-8") as file:
            token = file.read().strip()
        stream = urllib.request.urlopen(urllib.request.Request(
            self.stream(), headers={"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}),
            context=ssl.create_default_context(cafile=f"{DATA}/pki/ca.pem"), timeout=30)
        self.addCleanup(stream.close)
        opened = self.restconf("POST", "operations/magent-task:open-negotiation", {"magent-task:input": {
            "id": "m15", "type": "magent-task:feasibility", "from": "asker", "to": "doer", "content": "can you?"}})
        self.assertEqual(opened["magent-task:output"]["id"], "m15")
        # The answer of the draft's own operation, over NETCONF.
        countered = self.ask(
            f'<task-negotiate xmlns="{netconf.AGENT}"><task-sendFrom>doer</task-sendFrom><task-sendTo>asker</task-sendTo>'
            "<content>## target object\nlink\n## task description\nonly at night</content><type>FEASIBILITY</type>"
            f'<round xmlns="{BRIDGE}"><negotiation>m15</negotiation><in-reply-to>1</in-reply-to><move>counter</move>'
            "<content>only at night</content></round></task-negotiate>")
        self.assertEqual(countered.findtext(".//{*}round/{*}number"), "2")
        self.restconf("POST", "data/magent-task:interaction/negotiations/negotiation=m15/respond", {
            "magent-task:input": {"from": "asker", "in-reply-to": 2, "move": "accept"}})
        for end in [self.ask(
                f'<get xmlns="{NC}"><filter><interaction xmlns="{TASK}"><negotiations><negotiation><id>m15</id></negotiation>'
                "</negotiations></interaction></filter></get>").findtext(".//{*}negotiation/{*}status"),
                self.restconf("GET", "data/magent-task:interaction/negotiations/negotiation=m15")["magent-task:negotiation"][0]["status"]]:
            self.assertEqual(end, "agreed")
        moves = ["counter", "agreed"]
        self.told(over_netconf, *moves)
        seen = ""
        while not all(move in seen for move in ["m15", *moves]):
            line = stream.readline().decode()
            self.assertTrue(line, "the stream goes on")
            seen += line
        # A lock that is held over NETCONF is in the way over RESTCONF.
        entry = {"irtf-agent:data-params": [{"id": "m15", "dataType": "text", "data": "x"}]}
        with over_netconf.locked("running"):
            refused = self.restconf("PUT", "data/irtf-agent:data-params=m15", entry, 409)
            error = refused["ietf-restconf:errors"]["error"][0]
            self.assertEqual(error["error-tag"], "in-use")
        self.restconf("PUT", "data/irtf-agent:data-params=m15", entry, 201)
        self.assertEqual(self.in_running("m15"), {"m15": "x"})
        self.clear("m15")

    def stream(self):
        streams = self.restconf("GET", "data/ietf-restconf-monitoring:restconf-state/streams/stream=NETCONF")
        ways = streams["ietf-restconf-monitoring:stream"][0]["access"]
        return next(way["location"] for way in ways if way["encoding"] == "json")


if __name__ == "__main__":
    netconf.AGENT = netconf.namespace()
    unittest.main(argv=[sys.argv[0], "-v"])
