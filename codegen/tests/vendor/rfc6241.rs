//! RFC 6241, RFC 7950 and RFC 6243 over NETCONF with the modules of `yang/` here: what can only be seen with nodes that the
//! server's own modules lack. Each test is named after its section, as in `tests/conformance`.

use super::netconf::{MODULES, Session, data, errors};
use super::server::Server;

const NONE: &str = "<default-operation>none</default-operation>";
const ROLLBACK: &str = "<error-option>rollback-on-error</error-option>";

fn yard(inside: &str) -> String {
    format!("<y:yard>{inside}</y:yard>")
}

fn berth(name: &str, attributes: &str) -> String {
    format!("<y:berth {attributes}><y:name>{name}</y:name></y:berth>")
}

/// What is in the yard, by a subtree filter.
fn in_yard(session: &mut Session, inside: &str) -> String {
    let filter = format!("<filter {MODULES}>{}</filter>", yard(inside));
    session.config(&filter).replace("<yard>", "").replace("</yard>", "")
}

/// The texts of elements of a name, in their order.
fn texts(session: &mut Session, filter: &str, name: &str) -> String {
    let reply = session.config(&format!("<filter {MODULES}>{filter}</filter>"));
    let texts: Vec<_> =
        reply.split(&format!("<{name}>")).skip(1).map(|part| part.split('<').next().unwrap()).collect();
    texts.join(" ")
}

/// Compares each of some cases; all differences are told at once.
fn compare(cases: Vec<(String, String, String)>) {
    let wrong: Vec<_> = cases.into_iter().filter(|(_, got, expected)| got != expected).collect();
    let lines: Vec<_> = wrong
        .iter()
        .map(|(case, got, expected)| format!("{case}\n  got      {got}\n  expected {expected}"))
        .collect();
    assert!(wrong.is_empty(), "{}", lines.join("\n"));
}

#[test]
fn rfc7950_sections_7_8_6_and_7_7_9_entries_go_where_insert_says() {
    let Some(server) = Server::start() else { return };
    let mut session = Session::open(&server);
    let mut cases = Vec::new();
    let all = yard("<y:berth><y:name/></y:berth>");
    let missing = "application bad-attribute app-tag=missing-instance path=/yard/berth[name='q'] bad-attribute=key bad-element=berth";
    for (name, attributes, expected) in [
        ("b", "", "b"),
        ("a", "nc:operation='create' yang:insert='first'", "a b"),
        ("d", "nc:operation='create' yang:insert='last'", "a b d"),
        ("c", "nc:operation='create' yang:insert='before' yang:key=\"[y:name='d']\"", "a b c d"),
        ("e", "nc:operation='merge' yang:insert='after' yang:key=\"[y:name = 'b']\"", "a b e c d"),
        // What is there is moved by "merge" and "replace"; without "insert" it stays, and what is new is the last.
        ("a", "nc:operation='merge' yang:insert='last'", "b e c d a"),
        ("e", "nc:operation='replace' yang:insert='first'", "e b c d a"),
        ("b", "nc:operation='replace'", "e b c d a"),
        // Beside itself it stays where it is.
        ("c", "yang:insert='after' yang:key=\"[y:name='c']\"", "e b c d a"),
        ("f", "nc:operation='create'", "e b c d a f"),
        ("q", "yang:insert='before' yang:key=\"[y:name='nosuch']\"", missing),
        (
            "q",
            "yang:insert='before'",
            "protocol missing-attribute path=/yard/berth[name='q'] bad-attribute=key bad-element=berth",
        ),
        (
            "q",
            "yang:insert='before' yang:value='a'",
            "protocol missing-attribute path=/yard/berth[name='q'] bad-attribute=key bad-element=berth",
        ),
        (
            "q",
            "yang:insert='nowhere'",
            "protocol bad-attribute path=/yard/berth[name='q'] bad-attribute=insert bad-element=berth",
        ),
        (
            "q",
            "yang:key=\"[y:name='a']\"",
            "protocol bad-attribute path=/yard/berth[name='q'] bad-attribute=key bad-element=berth",
        ),
        (
            "q",
            "yang:insert='after' yang:key=\"[y:nosuch='a']\"",
            "protocol bad-attribute path=/yard/berth[name='q'] bad-attribute=key bad-element=berth",
        ),
        (
            "q",
            "yang:insert='after' yang:key=\"[x:name='a']\"",
            "protocol bad-attribute path=/yard/berth[name='q'] bad-attribute=key bad-element=berth",
        ),
        (
            "q",
            "insert='first'",
            "application unknown-attribute path=/yard/berth bad-attribute=insert bad-element=berth",
        ),
        (
            "e",
            "nc:operation='create' yang:insert='last'",
            "application data-exists path=/yard/berth[name='e']",
        ),
        ("e", "nc:operation='delete'", "b c d a f"),
    ] {
        let told = session.edit("", &yard(&berth(name, attributes)));
        let got = if told.is_empty() { texts(&mut session, &all, "name") } else { told };
        cases.push((format!("{name} {attributes}"), got, expected.to_owned()));
    }
    // Leaf-lists, with values.
    let pilots = "<y:pilot/>";
    for (value, attributes, expected) in [
        ("b", "nc:operation='create'", "b"),
        ("a", "nc:operation='create' yang:insert='first'", "a b"),
        ("c", "nc:operation='merge' yang:insert='after' yang:value='a'", "a c b"),
        ("b", "nc:operation='merge' yang:insert='before' yang:value='a'", "b a c"),
        (
            "q",
            "nc:operation='create' yang:insert='before' yang:value='nosuch'",
            "application bad-attribute app-tag=missing-instance path=/pilot[.='q'] bad-attribute=value bad-element=pilot",
        ),
        (
            "q",
            "nc:operation='create' yang:insert='before' yang:key='a'",
            "protocol missing-attribute path=/pilot[.='q'] bad-attribute=value bad-element=pilot",
        ),
        ("a", "nc:operation='create'", "application data-exists path=/pilot[.='a']"),
        ("q", "nc:operation='delete'", "application data-missing path=/pilot[.='q']"),
        ("a", "nc:operation='delete'", "b c"),
    ] {
        let told = session.edit(NONE, &format!("<y:pilot {attributes}>{value}</y:pilot>"));
        let got = if told.is_empty() { texts(&mut session, pilots, "pilot") } else { told };
        cases.push((format!("{value} {attributes}"), got, expected.to_owned()));
    }
    // What is ordered by the system has no places.
    let colour = "<y:colour yang:insert='first'>red</y:colour>";
    let unknown =
        "protocol unknown-attribute path=/yard/colour[.='red'] bad-attribute=insert bad-element=colour";
    cases.push((colour.to_owned(), session.edit("", &yard(colour)), unknown.to_owned()));
    compare(cases);
}

#[test]
fn section_7_2_the_operations_on_leaf_lists_cases_and_presence() {
    let Some(server) = Server::start() else { return };
    let mut session = Session::open(&server);
    let op = |operation: &str| format!("nc:operation='{operation}'");
    let mut cases = Vec::new();
    for (config, filter, expected) in [
        ("<y:colour>red</y:colour><y:colour>blue</y:colour>".to_owned(), "<y:colour/>", "<colour>red</colour><colour>blue</colour>"),
        (format!("<y:colour {}>red</y:colour>", op("create")), "", "application data-exists path=/yard/colour[.='red']"),
        (format!("<y:colour {}>green</y:colour>", op("delete")), "", "application data-missing path=/yard/colour[.='green']"),
        (format!("<y:colour {}>green</y:colour>", op("remove")), "<y:colour/>", "<colour>red</colour><colour>blue</colour>"),
        (format!("<y:colour {}>red</y:colour>", op("delete")), "<y:colour/>", "<colour>blue</colour>"),
        (format!("<y:colour {}>red</y:colour>", op("replace")), "<y:colour/>", "<colour>blue</colour><colour>red</colour>"),
        // A node of another case takes those of this one away (RFC 7950 section 7.9).
        ("<y:lumen>10</y:lumen>".to_owned(), "<y:lumen/>", "<lumen>10</lumen>"),
        ("<y:period>3</y:period><y:tint>red</y:tint>".to_owned(), "<y:lumen/><y:period/><y:tint/>", "<period>3</period><tint>red</tint>"),
        (format!("<y:lumen {}>10</y:lumen>", op("create")), "<y:lumen/><y:period/><y:tint/>", "<lumen>10</lumen>"),
        ("<y:lumen>1</y:lumen><y:period>3</y:period>".to_owned(), "", "application bad-element path=/yard/period bad-element=period"),
        (format!("<y:period {}/>", op("remove")), "<y:lumen/>", "<lumen>10</lumen>"),
        (format!("<y:period {}/>", op("delete")), "", "application data-missing path=/yard/period"),
        // With presence, a container is there or not.
        ("<y:gate/>".to_owned(), "<y:gate/>", "<gate/>"),
        (format!("<y:gate {}/>", op("create")), "", "application data-exists path=/yard/gate"),
        (format!("<y:gate {}/>", op("delete")), "<y:gate/>", ""),
        (format!("<y:gate {}/>", op("delete")), "", "application data-missing path=/yard/gate"),
        ("<y:office><y:chief>x</y:chief></y:office>".to_owned(), "", "application data-missing path=/yard/office/phone bad-element=phone; application data-missing path=/yard/office/desks bad-element=desks"),
        // Nodes of the same name of two modules.
        ("<y:name>harbour</y:name><t:name>tower</t:name>".to_owned(), "<y:name/>", "<name>harbour</name>"),
        (format!("<y:name {}/>", op("delete")), "<t:name/>", "<name xmlns=\"urn:example:yard-tower\">tower</name>"),
        (format!("<y:name {}/>", op("delete")), "", "application data-missing path=/yard/name"),
        ("<name>x</name>".to_owned(), "", "application unknown-element path=/yard bad-element=name"),
        // RFC 7950 section 15.1.
        (
            "<y:berth><y:name>a</y:name><y:sign>s</y:sign></y:berth><y:berth><y:name>b</y:name><y:sign>s</y:sign></y:berth>".to_owned(),
            "",
            "application operation-failed app-tag=data-not-unique path=/yard/berth non-unique=/yard/berth[name='a']/sign non-unique=/yard/berth[name='b']/sign",
        ),
        ("<y:berth><y:name>a</y:name><y:length>501</y:length></y:berth>".to_owned(), "", "application invalid-value path=/yard/berth[name='a']/length bad-element=length"),
        ("<y:crane><y:load>1</y:load></y:crane>".to_owned(), "<y:crane/>", "<crane><load>1</load></crane>"),
        ("<y:barge/>".to_owned(), "", "application unknown-element path=/yard bad-element=barge"),
        ("<y:papers><t:any><x>1</x></t:any></y:papers>".to_owned(), "<y:papers/>", "<papers><t:any xmlns:t=\"urn:example:yard-tower\" xmlns=\"urn:ietf:params:xml:ns:netconf:base:1.0\"><x>1</x></t:any></papers>"),
    ] {
        let told = session.edit(ROLLBACK, &yard(&config));
        let got = if told.is_empty() && !filter.is_empty() { in_yard(&mut session, filter) } else { told };
        cases.push((config, got, expected.to_owned()));
    }
    compare(cases);
}

#[test]
fn rfc6243_defaults_are_told_in_each_mode_by_each_operation() {
    let Some(server) = Server::start() else { return };
    let mut session = Session::open(&server);
    let set = "<y:depth>12.5</y:depth><y:gate/><y:berth><y:name>a</y:name></y:berth><y:berth><y:name>b</y:name><y:length>100</y:length></y:berth>";
    assert_eq!(session.edit("", &yard(set)), "");
    let a = |length: &str| format!("<berth><name>a</name>{length}</berth>");
    let tag = "xmlns:wd=\"urn:ietf:params:xml:ns:netconf:default:1.0\" wd:default=\"true\"";
    let explicit =
        format!("<depth>12.5</depth>{}<berth><name>b</name><length>100</length></berth><gate/>", a(""));
    let trimmed = format!("{}<berth><name>b</name></berth><gate/>", a(""));
    let b = "<berth><name>b</name><length>100</length></berth>";
    let all = format!(
        "<depth>12.5</depth><open>true</open>{}{b}<gate><width>9</width></gate>",
        a("<length>100</length>")
    );
    let tagged = format!(
        "<depth>12.5</depth><open {tag}>true</open>{}{b}<gate><width {tag}>9</width></gate>",
        a(&format!("<length {tag}>100</length>"))
    );
    let filter = yard("<y:depth/><y:open/><y:gate/><y:berth/>");
    let mut cases = Vec::new();
    for (mode, expected) in [
        ("", &explicit),
        ("explicit", &explicit),
        ("trim", &trimmed),
        ("report-all", &all),
        ("report-all-tagged", &tagged),
    ] {
        let expected = format!("<yard>{expected}</yard>");
        let parameter = match mode {
            "" => String::new(),
            mode => format!(
                "<with-defaults xmlns=\"urn:ietf:params:xml:ns:yang:ietf-netconf-with-defaults\">{mode}</with-defaults>"
            ),
        };
        let got = session.config(&format!("<filter {MODULES}>{filter}</filter>{parameter}"));
        cases.push((format!("get-config {mode}"), got, expected.clone()));
        let reply = session.ask(&format!("<get><filter {MODULES}>{filter}</filter>{parameter}</get>"));
        // Of the unified datastore, what is in use is told unless it is to be left out.
        cases.push((format!("get {mode}"), data(&reply), expected.clone()));
        let nmda = "urn:ietf:params:xml:ns:yang:ietf-netconf-nmda";
        let get_data = |datastore: &str| {
            let parameter = parameter.replace("urn:ietf:params:xml:ns:yang:ietf-netconf-with-defaults", nmda);
            format!(
                "<get-data xmlns=\"{nmda}\" xmlns:ds=\"urn:ietf:params:xml:ns:yang:ietf-datastores\"><datastore>ds:{datastore}</datastore>\
                 <subtree-filter {MODULES}>{filter}</subtree-filter>{parameter}</get-data>"
            )
        };
        let reply = session.ask(&get_data("running"));
        cases.push((format!("get-data {mode}"), data(&reply), expected.clone()));
        // RFC 8526 section 3.1.1.2: what is in use in operational is explicit.
        let operational =
            if matches!(mode, "" | "explicit") { format!("<yard>{all}</yard>") } else { expected };
        cases.push((
            format!("get-data of operational {mode}"),
            data(&session.ask(&get_data("operational"))),
            operational,
        ));
    }
    let wrong = "<get-config><source><running/></source><with-defaults xmlns=\"urn:ietf:params:xml:ns:yang:ietf-netconf-with-defaults\">all</with-defaults></get-config>";
    cases.push((
        "a mode that there is not".to_owned(),
        errors(&session.ask(wrong)),
        "application invalid-value path=/get-config/with-defaults bad-element=with-defaults".to_owned(),
    ));
    // The filter is applied to what the mode leaves (section 4.5.1).
    let filtered = yard("<y:open>true</y:open>");
    let parameter = "<with-defaults xmlns=\"urn:ietf:params:xml:ns:yang:ietf-netconf-with-defaults\">report-all</with-defaults>";
    let got = session.config(&format!("<filter {MODULES}>{filtered}</filter>{parameter}"));
    cases.push((
        "filter of defaults".to_owned(),
        got.contains("<open>true</open>").to_string(),
        "true".to_owned(),
    ));
    cases.push((
        "filter without them".to_owned(),
        session.config(&format!("<filter {MODULES}>{filtered}</filter>")),
        String::new(),
    ));
    compare(cases);
}

#[test]
fn rfc6243_sections_2_3_3_and_4_5_what_is_set_to_its_default_and_what_is_tagged_so() {
    let Some(server) = Server::start() else { return };
    let mut session = Session::open(&server);
    let mut cases = Vec::new();
    let invalid = "application invalid-value path=/yard/open bad-element=open";
    for (config, expected) in [
        // Set by the client, it is there; set by the server, it is not.
        ("<y:open nc:operation='delete'/>", "application data-missing path=/yard/open"),
        ("<y:open nc:operation='create'>true</y:open>", "<open>true</open>"),
        ("<y:open nc:operation='create'>true</y:open>", "application data-exists path=/yard/open"),
        ("<y:open nc:operation='delete'/>", ""),
        ("<y:open>false</y:open>", "<open>false</open>"),
        // A tag makes it what it is by default.
        ("<y:open wd:default='true'>true</y:open>", ""),
        ("<y:open>false</y:open>", "<open>false</open>"),
        ("<y:open nc:operation='replace' wd:default='1'>true</y:open>", ""),
        ("<y:open wd:default='true'>true</y:open>", ""),
        ("<y:open wd:default='false'>true</y:open>", "<open>true</open>"),
        ("<y:open wd:default='true'>false</y:open>", invalid),
        (
            "<y:open nc:operation='create' wd:default='true'>true</y:open>",
            "application data-exists path=/yard/open",
        ),
        ("<y:open nc:operation='delete' wd:default='true'>true</y:open>", invalid),
        ("<y:open nc:operation='remove' wd:default='0'>true</y:open>", invalid),
        (
            "<y:open wd:default='maybe'>true</y:open>",
            "protocol bad-attribute path=/yard/open bad-attribute=default bad-element=open",
        ),
        ("<y:open nc:operation='remove'/>", ""),
        ("<y:open nc:operation='create' wd:default='true'>true</y:open>", ""),
        (
            "<y:name wd:default='true'>x</y:name>",
            "application invalid-value path=/yard/name bad-element=name",
        ),
        ("<y:gate wd:default='true'/>", "application invalid-value path=/yard/gate bad-element=gate"),
        // All that stands by default is what is reported with tags.
        ("<y:level>7</y:level>", ""),
        ("<y:level wd:default='true'>1</y:level><y:level wd:default='true'>2</y:level>", ""),
        ("<y:berth><y:name>a</y:name><y:length wd:default='true'>100</y:length></y:berth>", ""),
    ] {
        let told = session.edit("", &yard(config));
        let got = if told.is_empty() { in_yard(&mut session, "<y:open/>") } else { told };
        cases.push((config.to_owned(), got, expected.to_owned()));
    }
    cases.push(("levels".to_owned(), in_yard(&mut session, "<y:level/>"), String::new()));
    let none = session.edit(NONE, &yard("<y:open wd:default='true'>true</y:open>"));
    cases.push(("without an operation".to_owned(), none, invalid.to_owned()));
    let copy = |inside: &str, parameter: &str| {
        let config = format!("<config {MODULES}>{}</config>", yard(inside));
        format!("<copy-config><target><running/></target><source>{config}</source>{parameter}</copy-config>")
    };
    let mode = "<with-defaults xmlns=\"urn:ietf:params:xml:ns:yang:ietf-netconf-with-defaults\">trim</with-defaults>";
    // What a report with tags says can be written back, and is what was there.
    for (operation, expected) in [
        (copy("<y:depth>12.5</y:depth><y:open wd:default='true'>true</y:open>", ""), "<ok/>"),
        (copy("<y:depth>12.5</y:depth><y:open wd:default='true'>true</y:open>", mode), "<ok/>"),
        (copy("<y:open wd:default='true'>false</y:open>", ""), ""),
    ] {
        let reply = session.ask(&operation);
        let expected = if expected.is_empty() { invalid } else { expected };
        let got = if reply == "<ok/>" { reply } else { errors(&reply) };
        cases.push((operation, got, expected.to_owned()));
        cases.push((
            "what is set".to_owned(),
            session.config(""),
            "<yard><depth>12.5</depth></yard>".to_owned(),
        ));
    }
    let between =
        format!("<copy-config><target><candidate/></target><source><running/></source>{mode}</copy-config>");
    cases.push(("between datastores".to_owned(), session.ask(&between), "<ok/>".to_owned()));
    compare(cases);
}

#[test]
fn rfc7950_section_7_15_actions_of_an_instance() {
    let Some(server) = Server::start() else { return };
    let mut session = Session::open(&server);
    assert_eq!(session.edit("", &yard(&(berth("a", "") + "<y:gate/>"))), "");
    let action =
        |inside: &str| format!("<action xmlns=\"urn:ietf:params:xml:ns:yang:1\" {MODULES}>{inside}</action>");
    let inspect = |name: &str, inside: &str| {
        action(&yard(&format!("<y:berth><y:name>{name}</y:name><y:inspect>{inside}</y:inspect></y:berth>")))
    };
    let mut cases = Vec::new();
    for (operation, expected) in [
        (
            inspect("a", ""),
            "application data-missing app-tag=missing-choice path=/yard/berth[name='a']/inspect missing-choice=how",
        ),
        (
            inspect("a", "<y:minutes>x</y:minutes>"),
            "application invalid-value path=/yard/berth[name='a']/inspect/minutes bad-element=minutes",
        ),
        (
            inspect("a", "<y:quick/><y:minutes>1</y:minutes>"),
            "application bad-element path=/yard/berth[name='a']/inspect/minutes bad-element=minutes",
        ),
        (
            inspect("a", "<y:nosuch/>"),
            "application unknown-element path=/yard/berth[name='a']/inspect bad-element=nosuch",
        ),
        (action(""), "protocol missing-element bad-element=action"),
        (action(&yard("")), "protocol missing-element path=/yard bad-element=action"),
        (
            action(&yard("<y:gate><y:shut/></y:gate><y:gate><y:shut/></y:gate>")),
            "protocol bad-element path=/yard bad-element=action",
        ),
        (
            action(&yard("<y:gate><y:nosuch/></y:gate>")),
            "application unknown-element path=/yard/gate bad-element=nosuch",
        ),
        (
            action(&yard("<y:berth><y:inspect><y:quick/></y:inspect></y:berth>")),
            "application missing-element path=/yard/berth bad-element=name",
        ),
        (
            "<inspect xmlns=\"urn:example:yard\"/>".to_owned(),
            "protocol operation-not-supported bad-element=inspect",
        ),
        (
            "<signal xmlns=\"urn:example:yard\"/>".to_owned(),
            "application data-missing app-tag=missing-choice path=/signal missing-choice=with",
        ),
    ] {
        let reply = session.ask(&operation);
        let got = if reply.starts_with("<rpc-error>") { errors(&reply) } else { reply };
        cases.push((operation, got, expected.to_owned()));
    }
    // Nobody has written what these do.
    let nobody = errors(&session.ask(&inspect("a", "<y:quick/>")));
    cases.push(("nobody".to_owned(), nobody, "protocol operation-not-supported".to_owned()));
    compare(cases);
}
