"""NETCONF as netconf-console2 speaks it: each command is a program of its own, against a server that was just started.

Called as: console.py PORT ADMINISTRATOR PASSWORD_FILE
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

from lxml import etree

PORT, USER, PASSWORD_FILE = sys.argv[1:4]
with open(PASSWORD_FILE, encoding="utf-8") as file:
    PASSWORD = file.read().strip()

PROGRAM = pathlib.Path(sys.executable).with_name("netconf-console2")
NC = "urn:ietf:params:xml:ns:netconf:base:1.0"
MONITORING = "urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring"
AGENT = "urn:ietf:params:xml:ns:yang:irtf-agent"


def entry(name, text):
    return f'<data-params xmlns="{AGENT}"><id>{name}</id><dataType>text</dataType><data>{text}</data></data-params>'


class Console(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)

    def file(self, text):
        path = self.directory / f"{len(list(self.directory.iterdir()))}.xml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    def run_commands(self, *commands):
        """What the program writes: the documents, one for each answer."""
        login = ["--host", "127.0.0.1", "--port", PORT, "-u", USER, f"--password={PASSWORD}"]
        said = subprocess.run([PROGRAM, *login, *commands], capture_output=True, text=True, timeout=120)
        self.assertEqual(said.stderr, "")
        documents = said.stdout.split("<?xml version='1.0' encoding='UTF-8'?>")
        return [etree.fromstring(document.strip()) for document in documents if document.strip()]

    def well(self, *commands):
        answers = self.run_commands(*commands)
        self.assertEqual({answer.tag for answer in answers}, {f"{{{NC}}}ok"}, [etree.tostring(a) for a in answers])
        return len(answers)

    def texts(self, *commands):
        (data,) = self.run_commands(*commands)
        self.assertEqual(data.tag, f"{{{NC}}}data")
        return {e.findtext(f"{{{AGENT}}}id"): e.findtext(f"{{{AGENT}}}data") for e in data.iter(f"{{{AGENT}}}data-params")}

    def test_hello(self):
        (hello,) = self.run_commands("--hello")
        named = [capability.text for capability in hello.iter(f"{{{NC}}}capability")]
        self.assertIn("urn:ietf:params:netconf:base:1.1", named)
        self.assertIn("urn:ietf:params:netconf:capability:candidate:1.0", named)

    def test_both_versions_of_the_protocol(self):
        for version in ["1.0", "1.1"]:
            self.assertEqual(self.well("-v", version, "--discard-changes"), 1)

    def test_edit_from_a_file_and_read_with_both_filters(self):
        self.assertEqual(self.well("--edit-config", self.file(entry("c1", "x")), self.file(entry("c2", "y"))), 1)
        for filtering in ["--filter", "-x"]:
            for command in ["--get", "--get-config"]:
                read = self.texts("--ns", f"a={AGENT}", filtering, "/a:data-params[a:id='c1']", command)
                self.assertEqual(read, {"c1": "x"})

    def test_lock_edit_validate_commit_in_one_session(self):
        file = self.file(entry("c3", "z"))
        commands = ["--lock", "--edit-config", file, "--validate", "candidate", "--commit", "--unlock"]
        self.assertEqual(self.well("--db", "candidate", *commands), 5)
        self.assertEqual(self.texts("--ns", f"a={AGENT}", "-x", "/a:data-params[a:id='c3']", "--get-config"), {"c3": "z"})

    def test_an_rpc_of_ones_own(self):
        rpc = f'<get-schema xmlns="{MONITORING}"><identifier>irtf-agent</identifier></get-schema>'
        (reply,) = self.run_commands("--rpc", self.file(rpc))
        self.assertTrue(reply.findtext(f"{{{MONITORING}}}data").startswith("module irtf-agent {"))

    def test_a_refusal_has_its_tag(self):
        (error,) = self.run_commands("--kill-session", "4000000000")
        self.assertEqual(error.findtext(f"{{{NC}}}error-tag"), "invalid-value")

    def test_notifications_come_after_create_subscription(self):
        login = ["--host", "127.0.0.1", "--port", PORT, "-u", USER, f"--password={PASSWORD}"]
        # It stays until it has been told, and is ended then.
        follow = [PROGRAM, *login, "--create-subscription", "NETCONF", "--sleep", "120"]
        unbuffered = {**os.environ, "PYTHONUNBUFFERED": "1"}
        with subprocess.Popen(follow, stdout=subprocess.PIPE, text=True, env=unbuffered) as following:
            self.addCleanup(following.kill)
            told = iter(following.stdout.readline, "")
            self.assertTrue(any("ok" in line for line in told), "the program has ended")
            self.well("--edit-config", self.file(entry("c4", str(os.getpid()))))
            self.assertTrue(any("notification" in line and "c4" in line for line in told), "the program has ended")
            following.kill()


unittest.main(argv=sys.argv[:1], verbosity=2)
