"""NETCONF as ncclient speaks it: hello to close, every operation, against a server that was just started.

Called as: netconf.py PORT ADMINISTRATOR PASSWORD_FILE USER PASSWORD
"""

import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest

import oopt_gnpy_libyang as ly
from lxml import etree
from ncclient import manager
from ncclient.operations import RPCError
from ncclient.xml_ import to_ele

PORT, USER, PASSWORD_FILE, OTHER, OTHER_PASSWORD = int(sys.argv[1]), *sys.argv[2:6]
with open(PASSWORD_FILE, encoding="utf-8") as file:
    PASSWORD = file.read().strip()

NC = "urn:ietf:params:xml:ns:netconf:base:1.0"
LIBRARY = "urn:ietf:params:xml:ns:yang:ietf-yang-library"
MONITORING = "urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring"
NMDA = "urn:ietf:params:xml:ns:yang:ietf-netconf-nmda"
AGENT = None  # the namespace of irtf-agent, from the server itself


def connect(user=None, password=None, **options):
    return manager.connect(
        host="127.0.0.1", port=PORT, username=user or USER, password=password or PASSWORD, hostkey_verify=False, look_for_keys=False,
        allow_agent=False, timeout=30, **options)


def config(*entries, operation=None):
    """A <config> with entries of data-params: pairs of an id and a text, or None for no text."""
    root = etree.Element(f"{{{NC}}}config", nsmap={"nc": NC})
    for name, text in entries:
        entry = etree.SubElement(root, f"{{{AGENT}}}data-params", nsmap={None: AGENT})
        if operation:
            entry.set(f"{{{NC}}}operation", operation)
        etree.SubElement(entry, f"{{{AGENT}}}id").text = name
        if text is not None:
            etree.SubElement(entry, f"{{{AGENT}}}dataType").text = "text"
            etree.SubElement(entry, f"{{{AGENT}}}data").text = text
    return etree.tostring(root).decode()


def select(name):
    return f'<data-params xmlns="{AGENT}"><id>{name}</id></data-params>'


def texts(reply):
    return {e.findtext(f"{{{AGENT}}}id"): e.findtext(f"{{{AGENT}}}data") for e in reply.data_ele.iter(f"{{{AGENT}}}data-params")}


class Netconf(unittest.TestCase):
    def setUp(self):
        self.session = connect()
        self.addCleanup(self.session.close_session)

    def refused(self, tag, call, *arguments, **options):
        with self.assertRaises(RPCError) as caught:
            call(*arguments, **options)
        self.assertEqual(caught.exception.tag, tag, caught.exception)
        return caught.exception

    def clear(self, *names, source="running"):
        self.session.edit_config(target=source, config=config(*[(n, None) for n in names], operation="remove"))

    def test_rfc6241_8_1_hello_names_what_the_server_can(self):
        named = list(self.session.server_capabilities)
        for capability in ["base:1.0", "base:1.1"]:
            self.assertIn(f"urn:ietf:params:netconf:{capability}", named)
        for capability in [
            "writable-running:1.0", "candidate:1.0", "confirmed-commit:1.1", "rollback-on-error:1.0", "validate:1.1",
            "xpath:1.0", "notification:1.0", "interleave:1.0", "partial-lock:1.0",
        ]:
            self.assertIn(f"urn:ietf:params:netconf:capability:{capability}", named)
        self.assertTrue(any("yang-library:1.1?revision=2019-01-04&content-id=" in c for c in named))
        self.assertTrue(any("with-defaults:1.0?basic-mode=explicit" in c for c in named))

    def test_rfc6241_7_2_each_operation_of_edit_config(self):
        s = self.session
        s.edit_config(target="running", config=config(("n1", "x")))
        self.assertEqual(texts(s.get_config("running", filter=("subtree", select("n1")))), {"n1": "x"})
        self.refused("data-exists", s.edit_config, target="running", config=config(("n1", "y"), operation="create"))
        s.edit_config(target="running", config=config(("n1", "y"), operation="replace"))
        s.edit_config(target="running", config=config(("n1", None)), default_operation="none")
        self.assertEqual(texts(s.get_config("running", filter=("subtree", select("n1")))), {"n1": "y"})
        s.edit_config(target="running", config=config(("n1", None), operation="delete"))
        error = self.refused("data-missing", s.edit_config, target="running", config=config(("n1", None), operation="delete"))
        self.assertIn("data-params", error.path)
        s.edit_config(target="running", config=config(("n1", None), operation="remove"))

    def test_rfc6241_7_2_what_is_passed_through_is_there_and_deletions_are_of_the_schema(self):
        s = self.session
        self.clear("p1")
        for target in ["running", "candidate"]:
            error = self.refused("data-missing", s.edit_config, target=target, config=config(("p1", None)), default_operation="none")
            self.assertIn("p1", error.path)
        s.edit_config(target="running", config=config(("p1", "x")))
        s.edit_config(target="running", config=config(("p1", "y")), default_operation="none")
        self.assertEqual(texts(s.get_config("running", filter=("subtree", select("p1")))), {"p1": "x"})
        # Beside what is changed, what is only passed through is no part of what is told of the change.
        beside = etree.fromstring(config(("p1", None)))
        beside.append(etree.fromstring(config(("p0", "z"), operation="create"))[0])
        s.edit_config(target="running", config=etree.tostring(beside).decode(), default_operation="none")
        self.assertEqual(texts(s.get_config("running", filter=("subtree", select("p0")))), {"p0": "z"})
        self.clear("p0")
        key = config(("p1", None)).replace("<id>", '<id nc:operation="delete">')
        error = self.refused("bad-attribute", s.edit_config, target="running", config=key)
        self.assertIn("p1", error.path)
        unknown = config(("p1", "x"), operation="delete").replace("dataType", "nosuch")
        self.refused("unknown-element", s.edit_config, target="running", config=unknown)
        empty = config(("p1", ""), operation="delete").replace("<dataType>text</dataType>", "<dataType/>")
        s.edit_config(target="running", config=empty)
        self.assertEqual(texts(s.get_config("running", filter=("subtree", select("p1")))), {})

    def test_rfc6241_7_2_error_options(self):
        s = self.session
        self.clear("o1", "o2", "o3")
        wrong = etree.fromstring(config(("o1", "x"), operation="create"))
        wrong.append(etree.fromstring(config(("o2", None), operation="delete"))[0])
        wrong.append(etree.fromstring(config(("o3", "x"), operation="create"))[0])
        wrong = etree.tostring(wrong).decode()
        self.refused("data-missing", s.edit_config, target="running", config=wrong, error_option="rollback-on-error")
        self.assertEqual(texts(s.get_config("running", filter=("subtree", select("o1")))), {})
        self.refused("data-missing", s.edit_config, target="running", config=wrong, error_option="stop-on-error")
        self.assertEqual(texts(s.get_config("running", filter=("subtree", select("o1")))), {"o1": "x"})
        self.assertEqual(texts(s.get_config("running", filter=("subtree", select("o3")))), {})
        self.clear("o1")
        self.refused("data-missing", s.edit_config, target="running", config=wrong, error_option="continue-on-error")
        self.assertEqual(texts(s.get_config("running", filter=("subtree", select("o3")))), {"o3": "x"})
        self.clear("o1", "o3")

    def test_rfc6241_7_2_test_only_changes_nothing(self):
        s = self.session
        s.edit_config(target="running", config=config(("t1", "x")), test_option="test-only")
        self.assertEqual(texts(s.get_config("running", filter=("subtree", select("t1")))), {})

    def test_rfc6241_7_1_and_8_9_filters(self):
        s = self.session
        s.edit_config(target="running", config=config(("f1", "x"), ("f2", "y")))
        both = s.get_config("running", filter=("xpath", ({"a": AGENT}, "/a:data-params[a:id='f1' or a:id='f2']")))
        self.assertEqual(texts(both), {"f1": "x", "f2": "y"})
        leaf = f'<data-params xmlns="{AGENT}"><id>f2</id><data/></data-params>'
        self.assertEqual(texts(s.get_config("running", filter=("subtree", leaf))), {"f2": "y"})
        state = s.get(filter=("subtree", '<netconf-state xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring"><sessions/></netconf-state>'))
        sessions = state.data_ele.findall(".//{*}session")
        mine = [e for e in sessions if e.findtext("{*}session-id") == s.session_id]
        self.assertEqual([e.findtext("{*}username") for e in mine], [USER])
        self.assertEqual(len(s.get(filter=("subtree", '<nosuch xmlns="urn:nosuch"/>')).data_ele), 0)
        self.refused("invalid-value", s.get_config, "running", filter=("xpath", "/a["))
        self.clear("f1", "f2")

    def test_rfc6241_7_5_locks(self):
        other = connect()
        self.addCleanup(other.close_session)
        with self.session.locked("running"):
            error = self.refused("lock-denied", other.lock, "running")
            self.assertIn(f"<session-id>{self.session.session_id}</session-id>", error.info.replace("nc:", ""))
            self.refused("in-use", other.edit_config, target="running", config=config(("l1", "x")))
            self.session.edit_config(target="running", config=config(("l1", "x")))
        other.edit_config(target="running", config=config(("l1", None), operation="delete"))
        self.refused("operation-failed", self.session.unlock, "running")

    def test_a_lock_is_gone_with_its_session_however_it_ends(self):
        other = connect()
        other.lock("running")
        other._session.transport.close()  # as if the machine had lost its network
        while True:
            try:
                self.session.lock("running")
                break
            except RPCError as error:  # until the server sees that the connection is gone
                self.assertEqual(error.tag, "lock-denied")
        self.session.unlock("running")

    def test_rfc6241_8_3_candidate(self):
        s = self.session
        s.discard_changes()
        s.edit_config(target="candidate", config=config(("c1", "x")))
        self.assertEqual(texts(s.get_config("running", filter=("subtree", select("c1")))), {})
        self.assertEqual(texts(s.get_config("candidate", filter=("subtree", select("c1")))), {"c1": "x"})
        s.validate("candidate")
        s.commit()
        self.assertEqual(texts(s.get_config("running", filter=("subtree", select("c1")))), {"c1": "x"})
        s.edit_config(target="candidate", config=config(("c1", None), operation="delete"))
        s.discard_changes()
        s.copy_config(source="running", target="candidate")
        s.commit()
        self.clear("c1")

    def test_rfc6241_8_4_confirmed_commit(self):
        s = self.session
        s.discard_changes()
        s.edit_config(target="candidate", config=config(("cc1", "x")))
        s.commit(confirmed=True, timeout="60")
        self.assertEqual(texts(s.get_config("running", filter=("subtree", select("cc1")))), {"cc1": "x"})
        s.cancel_commit()
        self.assertEqual(texts(s.get_config("running", filter=("subtree", select("cc1")))), {})
        s.edit_config(target="candidate", config=config(("cc1", "x")))
        s.commit(confirmed=True, timeout="60", persist="token")
        other = connect()
        self.addCleanup(other.close_session)
        other.commit(persist_id="token")
        self.assertEqual(texts(s.get_config("running", filter=("subtree", select("cc1")))), {"cc1": "x"})
        s.edit_config(target="candidate", config=config(("cc1", None), operation="delete"))
        third = connect()
        third.commit(confirmed=True, timeout="60")
        third.close_session()
        self.assertEqual(texts(s.get_config("running", filter=("subtree", select("cc1")))), {"cc1": "x"})
        self.clear("cc1")

    def test_rfc6241_7_9_kill_session(self):
        other = connect()
        other.lock("running")
        self.refused("invalid-value", self.session.kill_session, self.session.session_id)
        self.session.kill_session(other.session_id)
        self.session.lock("running")
        self.session.unlock("running")

    def test_rfc8341_3_2_3_who_is_no_administrator_ends_locks_and_replaces_nothing(self):
        eve = connect(OTHER, OTHER_PASSWORD)
        self.addCleanup(eve.close_session)
        self.refused("access-denied", eve.kill_session, self.session.session_id)
        self.refused("access-denied", eve.lock, "running")
        self.refused("access-denied", eve.commit)
        for target in ["running", "candidate"]:
            inline = to_ele(
                f'<copy-config xmlns="{NC}"><target><{target}/></target><source><config/></source></copy-config>')
            self.refused("access-denied", eve.dispatch, inline)
        self.assertTrue(self.session.get_config("running").ok)
        # What is everybody's stays everybody's.
        eve.edit_config(target="running", config=config(("eve1", "x")))
        self.clear("eve1")

    def test_rfc6022_3_1_get_schema(self):
        text = self.session.get_schema("irtf-agent").data
        self.assertTrue(text.startswith("module irtf-agent"), text[:40])
        self.refused("invalid-value", self.session.get_schema, "nosuch")

    def test_rfc5277_notifications_with_replay(self):
        s = connect()
        self.addCleanup(s.close_session)
        self.session.edit_config(target="running", config=config(("e1", "x")))
        s.create_subscription(start_time="2020-01-01T00:00:00Z")
        seen = []
        while not seen or "replayComplete" not in seen[-1]:
            told = s.take_notification(timeout=30)
            self.assertIsNotNone(told, "the replay goes on to its end")
            seen.append(told.notification_xml)
        self.assertTrue(any("netconf-config-change" in xml and "e1" in xml for xml in seen))
        self.clear("e1")
        told = s.take_notification(timeout=30).notification_xml
        self.assertIn("netconf-config-change", told)
        self.assertIn(f"<session-id>{self.session.session_id}</session-id>", told)
        # RFC 6241, :interleave: requests go on meanwhile.
        self.assertEqual(texts(s.get_config("running", filter=("subtree", select("e1")))), {})

    def test_rfc5277_2_1_1_after_its_stop_time_a_session_can_subscribe_again(self):
        s = connect()
        self.addCleanup(s.close_session)
        for _ in range(2):
            s.create_subscription(start_time="2020-01-01T00:00:00Z", stop_time="2020-01-02T00:00:00Z")
            told = ""
            while "notificationComplete" not in told:
                told = s.take_notification(timeout=30).notification_xml
        s.create_subscription()
        self.refused("in-use", s.create_subscription)

    def test_rfc8640_a_dynamic_subscription_comes_on_its_session(self):
        rpc = to_ele(
            '<establish-subscription xmlns="urn:ietf:params:xml:ns:yang:ietf-subscribed-notifications">'
            "<stream>NETCONF</stream></establish-subscription>")
        s = connect()
        self.addCleanup(s.close_session)
        reply = s.dispatch(rpc)
        self.assertIn("<id", reply.xml)
        self.session.edit_config(target="running", config=config(("d1", "x")))
        self.assertIn("netconf-config-change", s.take_notification(timeout=30).notification_xml)
        self.clear("d1")

    def test_rfc7950_7_15_an_action_and_7_14_an_rpc(self):
        library = self.session.get(filter=("subtree", '<yang-library xmlns="urn:ietf:params:xml:ns:yang:ietf-yang-library"><module-set><module><name>magent-registry</name><namespace/></module></module-set></yang-library>'))
        registry = library.data_ele.findtext(".//{*}module/{*}namespace")
        register = to_ele(
            f'<register-agent xmlns="{registry}"><name>nc-agent</name><description>d</description><version>1.0.0</version>'
            "<provider>p</provider><lifetime>600</lifetime></register-agent>")
        self.assertNotIn("rpc-error", self.session.dispatch(register).xml)
        renew = to_ele(
            f'<action xmlns="urn:ietf:params:xml:ns:yang:1"><registry xmlns="{registry}"><agents><agent><name>nc-agent</name>'
            "<renew><lifetime>700</lifetime></renew></agent></agents></registry></action>")
        self.assertNotIn("rpc-error", self.session.dispatch(renew).xml)
        found = self.session.get(filter=("subtree", f'<registry xmlns="{registry}"><agents><agent><name>nc-agent</name></agent></agents></registry>'))
        self.assertEqual(found.data_ele.findtext(".//{*}agent/{*}provider"), "p")

    def test_rfc8526_get_data_and_edit_data(self):
        nmda, ds = "urn:ietf:params:xml:ns:yang:ietf-netconf-nmda", "urn:ietf:params:xml:ns:yang:ietf-datastores"
        edit = to_ele(
            f'<edit-data xmlns="{nmda}" xmlns:ds="{ds}"><datastore>ds:running</datastore>'
            f'<config><data-params xmlns="{AGENT}"><id>nmda1</id><dataType>text</dataType></data-params></config></edit-data>')
        self.assertIn("ok", self.session.dispatch(edit).xml)
        get = to_ele(
            f'<get-data xmlns="{nmda}" xmlns:ds="{ds}"><datastore>ds:operational</datastore>'
            f'<subtree-filter><data-params xmlns="{AGENT}"><id>nmda1</id></data-params></subtree-filter>'
            "<with-origin/></get-data>")
        reply = self.session.dispatch(get).xml
        self.assertIn("nmda1", reply)
        self.assertIn("intended", reply)
        self.clear("nmda1")

    def test_rfc6241_4_3_what_is_wrong_names_itself(self):
        unknown = to_ele('<nosuch xmlns="urn:nosuch"/>')
        self.refused("unknown-namespace", self.session.dispatch, unknown)
        self.refused("operation-not-supported", self.session.dispatch, to_ele(f'<nosuch xmlns="{NC}"/>'))
        body = config(("w1", "x")).replace("dataType>text", "dataType>nosuch")
        error = self.refused("invalid-value", self.session.edit_config, target="running", config=body)
        self.assertIn("w1", error.path)

    def test_fifty_sessions_at_once(self):
        failed = []

        def work(number):
            try:
                session = connect()
                session.edit_config(target="running", config=config((f"p{number}", "x")))
                assert texts(session.get_config("running", filter=("subtree", select(f"p{number}")))) == {f"p{number}": "x"}
                session.close_session()
            except Exception as error:  # reported by the main thread
                failed.append(repr(error))

        workers = [threading.Thread(target=work, args=(n,)) for n in range(50)]
        [w.start() for w in workers]
        [w.join() for w in workers]
        self.assertEqual(failed, [])
        self.clear(*[f"p{n}" for n in range(50)])

    def test_two_hundred_pipelined_requests_are_answered_in_order(self):
        s = connect(manager_params={"timeout": 60})
        self.addCleanup(s.close_session)
        s.async_mode = True
        replies = []
        for n in range(100):
            replies.append(s.edit_config(target="running", config=config(("pipe", str(n)))))
            replies.append(s.get_config("running", filter=("subtree", select("pipe"))))
        for n, reply in enumerate(replies):
            reply.event.wait(60)
            if n % 2:
                self.assertEqual(texts(reply.reply), {"pipe": str(n // 2)})
        s.async_mode = False
        self.clear("pipe")

    def test_rfc6022_3_1_every_schema_compiles_and_every_reply_is_of_them(self):
        s = self.session
        s.edit_config(target="running", config=config(("s1", "x")))
        library = s.get(filter=("subtree", f'<yang-library xmlns="{LIBRARY}"/>')).data_ele
        listed = s.get(filter=("subtree", f'<netconf-state xmlns="{MONITORING}"><schemas/></netconf-state>')).data_ele
        folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder)
        for schema in listed.iter(f"{{{MONITORING}}}schema"):
            name, version = (schema.findtext(f"{{{MONITORING}}}{member}") for member in ["identifier", "version"])
            file = folder / (f"{name}@{version}.yang" if version else f"{name}.yang")
            file.write_text(s.get_schema(name, version=version or None, format="yang").data)
        # All that the library names is there, and nothing else: modules and submodules.
        named = [e for kind in ["module", "import-only-module", "submodule"] for e in library.iter(f"{{{LIBRARY}}}{kind}")]
        names = {(e.findtext(f"{{{LIBRARY}}}name"), e.findtext(f"{{{LIBRARY}}}revision")) for e in named}
        self.assertEqual({f"{name}@{revision}.yang" if revision else f"{name}.yang" for name, revision in names}, {f.name for f in folder.iterdir()})
        pyang = subprocess.run(
            [pathlib.Path(sys.executable).with_name("pyang"), "--path", folder, *sorted(folder.iterdir())], capture_output=True, text=True)
        self.assertEqual(pyang.returncode, 0, pyang.stderr)
        libyang = ly.Context(str(folder), ly.ContextOptions.DisableSearchCwd | ly.ContextOptions.NoYangLibrary)
        for module in library.iter(f"{{{LIBRARY}}}module"):
            features = [e.text for e in module.iter(f"{{{LIBRARY}}}feature")]
            libyang.load_module(module.findtext(f"{{{LIBRARY}}}name"), module.findtext(f"{{{LIBRARY}}}revision"), features)
        get_data = f'<get-data xmlns="{NMDA}" xmlns:ds="urn:ietf:params:xml:ns:yang:ietf-datastores"><datastore>ds:%s</datastore></get-data>'
        config_alone = ly.ParseOptions.Strict | ly.ParseOptions.NoState
        for text, reading, rules in [
            (s.get().data_xml, ly.ParseOptions.Strict, ly.ValidationOptions.MultiError),
            (s.get_config("running").data_xml, config_alone, ly.ValidationOptions.NoState),
            (s.get_config("candidate").data_xml, config_alone, ly.ValidationOptions.NoState),
            (s.dispatch(to_ele(get_data % "running")).xml, config_alone, ly.ValidationOptions.NoState),
            (s.dispatch(to_ele(get_data % "operational")).xml, ly.ParseOptions.Strict, ly.ValidationOptions.MultiError),
        ]:
            root = etree.fromstring(text.encode())
            root = root if root.tag.endswith("}data") else root[0]
            content = "".join(etree.tostring(child, with_tail=False).decode() for child in root)
            self.assertIn("s1", content)
            try:
                libyang.parse_data(content, ly.DataFormat.XML, reading, rules)
            except ly.Error as error:
                self.fail(f"{error} {[(e.message, e.data_path) for e in libyang.errors()]}")
        self.clear("s1")


class Authentication(unittest.TestCase):
    def test_a_wrong_password_is_refused(self):
        with self.assertRaises(Exception):
            manager.connect(
                host="127.0.0.1", port=PORT, username=USER, password="wrong-password", hostkey_verify=False,
                look_for_keys=False, allow_agent=False, timeout=10)


def namespace():
    with connect() as session:
        text = session.get_schema("irtf-agent").data
    return text.split('namespace "')[1].split('"')[0]


if __name__ == "__main__":
    AGENT = namespace()
    unittest.main(argv=[sys.argv[0], "-v"])
