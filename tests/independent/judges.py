"""What others think of the server's answers: libyang (through oopt-gnpy-libyang) and yangson, each with the modules that
the server's YANG library names, taken from where it says they are. libyang reads data in JSON and XML; yangson reads data
in JSON, and outputs and notifications in both.

Where a judge is wrong, and not the server, it is told so here and nowhere else:
- yangson reads the YANG library of RFC 7895 alone, `modules-state`.
- yangson compares an identity with the text that stands in a `when`. RFC 7950 section 9.10.3 leaves no prefix in a value,
  so ietf-list-pagination's `= 'ds:operational'` never holds for it; it gets the name of the module in place of `ds`.
- Both know only annotations that a module defines. `default` is older than RFC 7952 (RFC 6243 section 6), and RFC 8040
  section 4.8.9 gives it a name in JSON: their copies of the module get the definition.
- `notifications` has a container around an event on the wire, which is no data; so its mandatory `eventTime` cannot be there.
- libyang looks for the node of an `error-path` among data. RFC 8040 section 3.6.1 has `/example-ops:input/delay`, so a path
  into an input is left out for it.
- yangson does not read anydata in XML, and says so: it has no opinion then.
"""
import json
import pathlib
import re
import xml.etree.ElementTree as ET

import oopt_gnpy_libyang as ly
from yangson import DataModel
from yangson.enumerations import ContentType, ValidationScope
from yangson.instance import RootNode
from yangson.schemanode import AnyContentNode

from client import JSON

LIBRARY = "/restconf/data?fields=ietf-yang-library:yang-library;ietf-yang-library:modules-state"
RESTCONF = "urn:ietf:params:xml:ns:yang:ietf-restconf"
PATCH = "urn:ietf:params:xml:ns:yang:ietf-yang-patch"
#: `rc:yang-data` is no data, so neither judge reads it by itself; the same groupings as data are read by both.
STRUCTURES = """module structures { yang-version 1.1; namespace "urn:structures"; prefix s;
  import ietf-restconf { prefix rc; } import ietf-yang-patch { prefix yp; }
  container all { presence "one of them"; config false; uses rc:errors; uses rc:restconf; uses yp:yang-patch-status; } }"""
#: What is replaced in the source of a module.
OF_YANGSON = {"ietf-list-pagination": ("'ds:operational'", "'ietf-datastores:operational'")}
OF_BOTH = {"notifications": ("mandatory true;", ""), "ietf-netconf-with-defaults": (
    "prefix ncwd;", "prefix ncwd; import ietf-yang-metadata { prefix md; } md:annotation default { type boolean; }")}


class Wrong(Exception):
    pass


class Judges:
    def __init__(self, client, directory):
        directory = pathlib.Path(directory)
        self.sources, self.others = directory / "modules", directory / "modules-of-yangson"
        found = client.get(LIBRARY).json()["ietf-restconf:data"]
        (modules,) = found["ietf-yang-library:yang-library"]["module-set"]
        self.fetch(client, modules)
        self.namespaces = {m["name"]: m["namespace"] for m in modules["module"] + modules["import-only-module"]}
        self.namespaces["structures"] = "urn:structures"
        ly.set_log_options(ly.LogOptions.Store)
        self.libyang = ly.Context(str(self.sources), ly.ContextOptions.DisableSearchCwd | ly.ContextOptions.NoYangLibrary)
        for module in modules["module"]:
            self.libyang.load_module(module["name"], module.get("revision"), module.get("feature", []))
        self.libyang.load_module("structures")
        known = {(m["name"], m.get("revision")) for m in modules["module"] + modules["import-only-module"]}
        for module in self.libyang.modules():
            own = module.name == "structures" or module.name in ["yang", "default", "ietf-yang-structure-ext"]
            assert own or (module.name, module.revision) in known, f"{module.name} is needed and not announced"
        state = found["ietf-yang-library:modules-state"]
        extra = {"name": "structures", "revision": "", "namespace": "urn:structures", "conformance-type": "implement"}
        with_structures = {**state, "module": [*state["module"], extra]}
        library = json.dumps({"ietf-yang-library:modules-state": with_structures})
        self.yangson = DataModel(library, (str(self.others),))
        self.untyped = set(self.any_below(self.yangson.schema))
        self.documents = 0

    def any_below(self, node):
        if isinstance(node, AnyContentNode):
            yield f"{{{self.namespaces[node.ns]}}}{node.name}"
        for child in getattr(node, "children", []):
            yield from self.any_below(child)

    def fetch(self, client, modules):
        for folder in [self.sources, self.others]:
            folder.mkdir()
            (folder / "structures.yang").write_text(STRUCTURES)
        for module in modules["module"] + modules["import-only-module"]:
            for location in [where for m in [module, *module.get("submodule", [])] for where in m["location"]]:
                assert location.startswith(client.url), location
                answer = client.get(location.removeprefix(client.url), "application/yang")
                assert (answer.status, answer.media_type) == (200, "application/yang"), location
                name = location.rsplit("/", 1)[1]
                for folder, changes in [(self.sources, OF_BOTH), (self.others, OF_YANGSON)]:
                    answer.text = answer.text.replace(*changes.get(module["name"], ("", "")), 1)
                    (folder / name).write_text(answer.text)

    # Data, from the root of a datastore.

    def data(self, text, encoding, complete, content="all"):
        """A whole datastore's data; `complete` if no part of it was left out, so that every constraint holds."""
        self.documents += 1
        self.libyang.clean_all_errors()
        reading = ly.ParseOptions.Strict if complete else ly.ParseOptions.Strict | ly.ParseOptions.ParseOnly
        rules = ly.ValidationOptions.MultiError
        if content == "config":
            reading, rules = reading | ly.ParseOptions.NoState, rules | ly.ValidationOptions.NoState
        form = ly.DataFormat.JSON if encoding == JSON else ly.DataFormat.XML
        # libyang takes a tagged default of XML as one that nobody wrote, and would leave it out below.
        told = text if encoding == JSON else re.sub(r' wd:default="true"', "", text)
        try:
            tree = self.libyang.parse_data(told, form, reading, rules)
        except ly.Error as error:
            raise Wrong(f"libyang: {error} {[(e.message, e.data_path) for e in self.libyang.errors()]}") from None
        if encoding == JSON:
            root = self.judged(lambda: self.read(text, encoding, None))
            if complete:
                kind = ContentType.config if content == "config" else ContentType.all
                self.judged(lambda: root.validate(ValidationScope.all, kind))
        flags = ly.PrintFlags.Siblings | ly.PrintFlags.Shrink | ly.PrintFlags.KeepEmptyCont
        return self.form(ET.fromstring(f"<data>{tree.print(ly.DataFormat.XML, flags) if tree else ''}</data>"))

    def form(self, element):
        """An element as libyang wrote it, for comparisons: entries in any order, no white space, and no content of anydata
        and anyxml, since XML has no types where there is no schema."""
        inside = [] if element.tag in self.untyped else sorted((self.form(child) for child in element), key=repr)
        text = "" if element.tag in self.untyped or len(element) else element.text or ""
        return element.tag.rpartition("}")[2], text, inside

    def read(self, content, encoding, schema):
        """`content` is a text of JSON, what was parsed of one, or an element."""
        schema = schema or self.yangson.schema
        if encoding == JSON:
            cooked = schema.from_raw(json.loads(content) if isinstance(content, str) else content)
        else:
            cooked = schema.from_xml(content)
        return RootNode(cooked, schema, self.yangson.schema_data, cooked.timestamp)

    def judged(self, judge):
        try:
            return judge()
        except NotImplementedError:
            return None
        except Exception as error:  # every class of yangson's own, and what it meets itself
            raise Wrong(f"yangson: {error!r} {vars(error)}") from None

    # What is no data: structures, and what goes with operations.

    def structure(self, name, text, encoding):
        """`errors`, `restconf` or `yang-patch-status`."""
        for module, namespace in [("ietf-restconf", RESTCONF), ("ietf-yang-patch", PATCH)]:
            if encoding == JSON:
                text = text.replace(f'{{"{module}:{name}":', f'{{"{name}":', 1)
            elif text.startswith(f'<{name} xmlns="{namespace}"'):
                text = text.replace(f' xmlns="{namespace}"', ' xmlns="urn:structures"')
        text = re.sub(r'"error-path":"/[^/:]+:input[^"]*",?', "", text) if encoding == JSON else re.sub(
            r"<error-path[^>]*>/[^/:]+:input.*?</error-path>", "", text)
        inside = '{"structures:all":%s}' if encoding == JSON else '<all xmlns="urn:structures">%s</all>'
        return self.data(inside % text, encoding, False)

    def message(self, content, encoding, *path):
        """What stands in an `output`, or the one notification: an object or an element. `path` leads to its schema node."""
        self.documents += 1
        node = self.yangson.schema
        for name in path:
            module, _, local = name.rpartition(":")
            node = node.get_child(local, module or node.ns)
        root = self.judged(lambda: self.read(content, encoding, node))
        if root is not None and encoding != JSON:
            # What yangson makes of XML has names without modules at the top of a notification.
            raw = {name if ":" in name else f"{node.ns}:{name}": value for name, value in root.raw_value().items()}
            root = self.judged(lambda: self.read(raw, JSON, node))
        if root is not None:
            self.judged(lambda: root.validate(ValidationScope.syntax, ContentType.all))
