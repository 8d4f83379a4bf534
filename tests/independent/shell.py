"""`agentconf shell` in a real terminal: keys are typed, and what the screen then shows is compared.

The screen is the block of README.md that begins with SHELL. To write it there: SHELL_BLESS=1.

Called as: shell.py BINARY URL DATA README
"""

import os
import re
import sys
import tempfile
import time

import pexpect
import pyte

BINARY, URL, DATA, README = sys.argv[1:5]
SHELL = "$ agentconf shell ssh://admin@127.0.0.1:8830"
PROMPT = re.compile(r"127\.0\.0\.1[^>]*> ")
COLUMNS, LINES = 110, 400
PATIENCE = 20


class Terminal:
    def __init__(self, home, *arguments):
        self.screen = pyte.Screen(COLUMNS, LINES)
        self.stream = pyte.ByteStream(self.screen)
        environment = {**os.environ, "HOME": home, "XDG_STATE_HOME": "", "TERM": "xterm", "RUST_LOG": "error"}
        self.child = pexpect.spawn(BINARY, ["shell", *arguments], dimensions=(LINES, COLUMNS), env=environment, timeout=PATIENCE)
        self.child.delaybeforesend = None
        self.wait(lambda: self.line() and PROMPT.fullmatch(self.line() + " "))

    def line(self):
        """The line of the cursor."""
        return self.screen.display[self.screen.cursor.y].rstrip()

    def text(self):
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()

    def wait(self, condition):
        """Reads until the screen is as it should be."""
        end = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > end:
                raise SystemExit(f"the screen never became what it should be:\n{self.text()}")
            try:
                self.stream.feed(self.child.read_nonblocking(65536, timeout=0.2))
            except pexpect.TIMEOUT:
                pass
            except pexpect.EOF:
                raise SystemExit(f"the shell has ended:\n{self.text()}") from None

    def type(self, keys, shows):
        """Types, and waits until the line of the cursor ends with `shows`."""
        self.child.send(keys)
        self.wait(lambda: self.line().endswith(shows))

    def help(self, keys, shows):
        """Asks for help, and waits until it is shown and the line is there again."""
        top = self.screen.cursor.y
        self.child.send(keys + "?")
        self.wait(lambda: shows in self.text() and self.screen.cursor.y > top and self.line().endswith(keys.rstrip()))

    def enter(self, keys="", shows=""):
        """Enters a line, and waits until what it shows stands between it and a new prompt."""
        if keys:
            self.type(keys, keys.rstrip())
        top = self.screen.cursor.y
        self.child.send("\r")

        def is_there():
            between = "\n".join(self.screen.display[top + 1:self.screen.cursor.y])
            return self.screen.cursor.y > top and PROMPT.fullmatch(self.line() + " ") and shows in between
        self.wait(is_there)


EVENT = re.compile(r"^\d{4}-\d\d-\d\dT\S+ magent-.*?(?=^(?:id=\S+$|status=open$|127\.0\.0\.1))", re.M | re.S)


def normal(text):
    """Times and identifiers by their form. An event comes before or after what the operation answers, and is too wide for a line:
    events come last, without white space."""
    events = "".join(EVENT.findall(text))
    text = EVENT.sub("", text) + "\n" + re.sub(r"\s", "", events)
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:]+(\.\d+)?Z", "TIME", text)
    return re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", text)


def converse(home):
    t = Terminal(home, URL, "--data", DATA)
    # An entry, with completion of names and values.
    t.type("set data-par\t", "set data-params")
    t.type("pic-1 dataT\t", "dataType")
    t.type("im\t", "dataType image")
    t.enter("description 'Cell 7, from the east'")
    # A wrong word is marked.
    t.enter("set data-params pic-1 formatt image/png", "did you mean format?")
    # Help on the word at the cursor, and the line goes on.
    t.help("set data-params pic-1 format ", "data format")
    t.enter("image/png")
    t.enter("diff", "+ /irtf-agent:data-params[id='pic-1']/format=image/png")
    t.enter("validate", "it is valid")
    t.enter("commit confirmed 120", "committed")
    t.enter("commit confirm", "confirmed")
    # The keys that exist.
    t.type("show running data-params \t", "data-params pic-1")
    t.enter("| json", '"irtf-agent:data-params"')
    t.enter("delete data-params pic-1")
    t.enter("diff", "- /irtf-agent:data-params[id='pic-1']/dataType=image")
    t.enter("rollback", "discarded")
    # Agents.
    t.enter("call register-agent name planner version 1.0.0 provider example description 'Plans the network'", "registered-at")
    t.enter("discover name planner | paths", "Plans the network")
    t.enter("watch", "following the stream NETCONF")
    t.type("negotiate type feas\t", "magent-task:feasibility")
    t.enter("from planner to agentconf content 'Can you do it by noon?'", "negotiation-event")
    t.enter("watch stop", "nothing is followed")
    t.type("exit", "exit")
    shown = t.text()
    t.child.send("\r")
    t.child.expect(pexpect.EOF)
    return shown


def compare(shown):
    """The screen and README.md."""
    with open(README, encoding="utf-8") as file:
        text = file.read()
    block = re.search(r"```text\n" + re.escape(SHELL) + r"\n(.*?)\n```", text, re.S)
    if not block:
        raise SystemExit(f"README.md has no block that begins with {SHELL}:\n{shown}")
    if os.environ.get("SHELL_BLESS"):
        with open(README, "w", encoding="utf-8") as file:
            file.write(text[:block.start(1)] + shown + text[block.end(1):])
    elif normal(shown) != normal(block[1]):
        raise SystemExit(f"README.md says:\n{normal(block[1])}\nbut the screen shows:\n{normal(shown)}")


def remembers_no_secret(home):
    """The history is there at the next start, readable for its user alone, and has no line with a secret."""
    file = os.path.join(home, ".local/state/agentconf/history")
    if os.stat(file).st_mode & 0o077:
        raise SystemExit("others can read the history")
    with open(file, encoding="utf-8") as lines:
        history = lines.read()
    if "commit confirmed 120" not in history:
        raise SystemExit(f"the history lacks what was entered:\n{history}")
    t = Terminal(home, URL, "--data", DATA)
    t.type("\x1b[A", "exit")
    t.type("\x15", ">")
    t.child.send("\x04")
    t.child.expect(pexpect.EOF)


def keeps_every_line(home):
    """Lines that are pasted or typed ahead are commands, one after another; a paste with brackets waits for its end."""
    t = Terminal(home, URL, "--data", DATA)
    t.child.send("set data-params p-1 dataType text\rset data-params p-2 dataType text\rdiff\r")
    t.wait(lambda: "+ /irtf-agent:data-params[id='p-2']/dataType=text" in t.text() and PROMPT.fullmatch(t.line() + " "))
    t.enter("discard", "discarded")
    t.child.send("\x1b[200~set data-params p-3 dataType text\nset data-params p-4 dataType text\ndiff data-params p-4\n\x1b[201~\r")
    t.wait(lambda: "+ /irtf-agent:data-params[id='p-4']/dataType=text" in t.text() and PROMPT.fullmatch(t.line() + " "))
    # Leaving is warned of, and the warning is not answered by half a word.
    t.enter("exit", "not committed")
    t.enter("exi", "written in full")
    t.enter("commit confirmed 1", "committed")
    t.wait(lambda: "not confirmed within 1 s" in t.text())
    t.enter("commit confirm", "no confirmed commit")
    t.child.send("exit\r")
    t.child.expect(pexpect.EOF)


with tempfile.TemporaryDirectory() as home:
    compare(converse(home))
    remembers_no_secret(home)
    keeps_every_line(home)
print("the screen is as README.md shows it")
