//! RFC 8040 with the modules of `yang/` here: what can only be seen with nodes that the server's own modules lack.
//! Each test is named after its section, as in `tests/conformance`, and asks over HTTPS.

use serde_json::{Value as Json, json};

use super::server::{Answer, Encoding, Server};

const YARD: &str = "/data/example-yard:yard";
const TABLES: &str = "/data/example-yard:tables";
const CONTENT: &str = "Content-Type: application/yang-data+json";

/// Asks with a body of JSON.
pub fn json(server: &Server, method: &str, target: &str, body: &Json) -> Answer {
    server.ask(method, target, &[CONTENT], &body.to_string())
}

fn get(server: &Server, target: &str) -> Answer {
    server.ask("GET", target, &[], "")
}

fn refused(status: u16, tag: &str) -> (u16, String) {
    (status, tag.to_owned())
}

/// The names of the berths in their order.
pub fn berths(server: &Server) -> Vec<String> {
    let found = get(server, &format!("{YARD}/berth")).json();
    let names = found["example-yard:berth"].as_array().unwrap().iter().map(|berth| berth["name"].clone());
    names.map(|name| name.as_str().unwrap().to_owned()).collect()
}

fn berth(name: &str) -> Json {
    json!({"example-yard:berth": [{"name": name}]})
}

#[test]
fn section_4_8_5_and_4_8_6_entries_of_lists_go_where_insert_and_point_say() {
    let Some(server) = Server::start() else { return };
    // POST to the parent, PUT to the entry; without "insert" it is the last.
    for (method, target, name, expected) in [
        ("POST", YARD, "c", "c"),
        ("POST", "/data/example-yard:yard?insert=first", "a", "a c"),
        (
            "PUT",
            "/data/example-yard:yard/berth=b?insert=after&point=/example-yard:yard/berth=a",
            "b",
            "a b c",
        ),
        (
            "POST",
            "/data/example-yard:yard?insert=before&point=%2Fexample-yard%3Ayard%2Fberth%3Da",
            "x,y/z",
            "x,y/z a b c",
        ),
        // The keys of a point are encoded on their own.
        (
            "PUT",
            "/data/example-yard:yard/berth=q?point=/example-yard:yard/berth%3Dx%252Cy%252Fz&insert=after",
            "q",
            "x,y/z q a b c",
        ),
        ("PUT", "/data/example-yard:yard/berth=l?insert=last", "l", "x,y/z q a b c l"),
    ] {
        let answer = json(&server, method, target, &berth(name));
        assert_eq!(answer.status, 201, "{method} {target}: {answer:?}");
        assert_eq!(berths(&server).join(" "), expected, "{method} {target}");
    }
    // What exists is moved by PUT, and stays where it is without "insert".
    for (target, name, expected) in [
        ("/berth=c?insert=first", "c", "c x,y/z q a b l"),
        ("/berth=a?insert=before&point=/example-yard:yard/berth=c", "a", "a c x,y/z q b l"),
        ("/berth=c?insert=after&point=/example-yard:yard/berth=c", "c", "a c x,y/z q b l"),
        ("/berth=a?insert=last", "a", "c x,y/z q b l a"),
        ("/berth=q", "q", "c x,y/z q b l a"),
    ] {
        assert_eq!(json(&server, "PUT", &format!("{YARD}{target}"), &berth(name)).status, 204, "{target}");
        assert_eq!(berths(&server).join(" "), expected, "{target}");
    }
    let before = berths(&server);
    assert_eq!(
        json(&server, "POST", &format!("{YARD}?insert=first"), &berth("a")).refusal(),
        refused(409, "data-exists")
    );
    let absent = "/berth=n?insert=after&point=/example-yard:yard/berth=nosuch";
    let answer = json(&server, "PUT", &format!("{YARD}{absent}"), &berth("n"));
    assert_eq!(answer.refusal(), refused(400, "bad-attribute"));
    assert_eq!(answer.json()["ietf-restconf:errors"]["error"][0]["error-app-tag"], "missing-instance");
    for (target, body) in [
        ("/berth=n?insert=after", berth("n")),
        ("/berth=n?insert=first&point=/example-yard:yard/berth=a", berth("n")),
        ("/berth=n?point=/example-yard:yard/berth=a", berth("n")),
        ("/berth=n?insert=after&point=/example-yard:queue=a", berth("n")),
        ("/berth=n?insert=after&point=/example-yard:yard/berth", berth("n")),
        ("/berth=n?insert=after&point=berth=a%25", berth("n")),
        ("/colour=n?insert=first", json!({"example-yard:colour": ["n"]})),
        ("/name?insert=first", json!({"example-yard:name": "n"})),
        ("?insert=first", json!({"example-yard:yard": {}})),
    ] {
        let answer = json(&server, "PUT", &format!("{YARD}{target}"), &body);
        assert_eq!(answer.refusal(), refused(400, "invalid-value"), "{target}");
    }
    assert_eq!(berths(&server), before);
    // The same at the top, for a list and a leaf-list.
    for (method, target, body) in [
        ("POST", "/data?insert=first", json!({"example-yard:pilot": ["o"]})),
        ("POST", "/data/?insert=first", json!({"example-yard:pilot": ["m"]})),
        (
            "PUT",
            "/data/example-yard:pilot=n?insert=before&point=/example-yard:pilot=o",
            json!({"example-yard:pilot": ["n"]}),
        ),
        ("POST", "/data?insert=last", json!({"example-yard:queue": [{"ship": "z"}]})),
        (
            "POST",
            "/data?insert=before&point=/example-yard:queue=z",
            json!({"example-yard:queue": [{"ship": "y"}]}),
        ),
    ] {
        assert_eq!(json(&server, method, target, &body).status, 201, "{method} {target}");
    }
    for (place, expected) in [
        ("after&point=/example-yard:pilot=m", ["m", "o", "n"]),
        ("first", ["o", "m", "n"]),
        ("after&point=/example-yard:pilot=o", ["o", "m", "n"]),
    ] {
        let target = format!("/data/example-yard:pilot=o?insert={place}");
        assert_eq!(
            json(&server, "PUT", &target, &json!({"example-yard:pilot": ["o"]})).status,
            204,
            "{place}"
        );
        assert_eq!(
            get(&server, "/data/example-yard:pilot").json(),
            json!({"example-yard:pilot": expected}),
            "{place}"
        );
    }
    let queue = get(&server, "/data/example-yard:queue?with-defaults=explicit").json();
    assert_eq!(queue, json!({"example-yard:queue": [{"ship": "y"}, {"ship": "z"}]}));
}

#[test]
fn section_3_5_3_an_entry_of_a_leaf_list_is_a_resource() {
    let Some(server) = Server::start() else { return };
    let entry = format!("{YARD}/colour=deep%20red%2C");
    let body = json!({"example-yard:colour": ["deep red,"]});
    let other = json!({"example-yard:colour": ["blue"]});
    assert_eq!(json(&server, "PATCH", &entry, &body).refusal(), refused(404, "invalid-value"));
    assert_eq!(json(&server, "PUT", &entry, &other).refusal(), refused(400, "invalid-value"));
    let two = json!({"example-yard:colour": ["deep red,", "blue"]});
    assert_eq!(json(&server, "PUT", &entry, &two).refusal(), refused(400, "bad-element"));
    assert_eq!(json(&server, "PUT", &entry, &body).status, 201);
    assert_eq!(json(&server, "PUT", &entry, &body).status, 204);
    assert_eq!(json(&server, "PATCH", &entry, &body).status, 204);
    assert_eq!(json(&server, "PATCH", &entry, &other).refusal(), refused(400, "invalid-value"));
    let made = json(&server, "POST", YARD, &other);
    assert_eq!(made.header("location"), format!("{}/restconf{YARD}/colour=blue", server.origin));
    assert_eq!(json(&server, "POST", YARD, &other).refusal(), refused(409, "data-exists"));
    assert_eq!(json(&server, "POST", YARD, &two).refusal(), refused(400, "invalid-value"));
    assert_eq!(json(&server, "POST", &entry, &other).refusal(), refused(405, "operation-not-supported"));
    assert_eq!(get(&server, &entry).json(), body);
    let (status, xml) = server.send("GET", "/example-yard:yard/colour=blue", Encoding::Xml, "");
    assert_eq!((status, xml.as_str()), (200, r#"<colour xmlns="urn:example:yard">blue</colour>"#));
    for method in ["PUT", "PATCH", "POST", "DELETE"] {
        let whole = json(&server, method, &format!("{YARD}/colour"), &two);
        assert_eq!(whole.refusal(), refused(400, "invalid-value"), "{method}");
    }
    assert_eq!(server.ask("DELETE", &entry, &[], "").status, 204);
    assert_eq!(server.ask("DELETE", &entry, &[], "").refusal(), refused(404, "invalid-value"));
    assert_eq!(get(&server, &format!("{YARD}/colour")).json(), other);
}

#[test]
fn section_3_5_3_keys_of_every_type_are_decoded_once_and_names_are_those_of_their_module() {
    let Some(server) = Server::start() else { return };
    let all = json!({"example-yard:tables": {
        "text": [{"key": ""}, {"key": "%"}, {"key": "%2C"}, {"key": ".."}, {"key": "a+b"}, {"key": "a,b/c"}, {"key": "ü \"'"}],
        "pair": [{"first": -1, "second": "x,", "note": "n"}, {"first": 2, "second": ""}],
        "fraction": [{"key": "1.5"}],
        "either": [{"key": 7}, {"key": "all"}, {"key": "seven"}],
        "freight": [{"key": "example-yard:coal"}, {"key": "example-yard-tower:ore"}],
        "seal": [{"key": "+/8="}],
        "marks": [{"key": ""}, {"key": "fragile heavy"}],
        "switch": [{"key": true}],
        "place": [{"key": "/example-yard:yard/berth[name='a,b/c']"}]}});
    assert_eq!(json(&server, "PUT", TABLES, &all).status, 201);
    for (path, list, number) in [
        ("text=", "text", 0),
        ("text=%25", "text", 1),
        ("text=%252C", "text", 2),
        ("text=..", "text", 3),
        ("text=%2e%2E", "text", 3),
        ("text=a+b", "text", 4),
        ("text=a%2Bb", "text", 4),
        ("text=a%2Cb%2Fc", "text", 5),
        ("text=%C3%BC%20%22'", "text", 6),
        // The order is that of the "key" statement.
        ("pair=-1,x%2C", "pair", 0),
        ("pair=2,", "pair", 1),
        ("fraction=1.500", "fraction", 0),
        ("either=7", "either", 0),
        ("either=all", "either", 1),
        ("either=seven", "either", 2),
        ("freight=coal", "freight", 0),
        ("freight=example-yard%3Acoal", "freight", 0),
        ("freight=example-yard-tower:ore", "freight", 1),
        ("seal=%2B%2F8%3D", "seal", 0),
        ("marks=", "marks", 0),
        ("marks=heavy%20fragile", "marks", 1),
        ("switch=true", "switch", 0),
        ("place=%2Fexample-yard%3Ayard%2Fberth%5Bname%3D%27a%2Cb%2Fc%27%5D", "place", 0),
        ("example-yard:text=", "text", 0),
    ] {
        let wanted = &all["example-yard:tables"][list][number];
        let target = format!("{TABLES}/{path}");
        let found = get(&server, &target).json();
        assert_eq!(found[format!("example-yard:{list}")], json!([wanted]), "{path}");
        // What the server calls it is what it is called.
        assert_eq!(server.ask("DELETE", &target, &[], "").status, 204, "{path}");
        let made = json(&server, "POST", TABLES, &json!({format!("example-yard:{list}"): [wanted]}));
        assert_eq!(made.status, 201, "{path}: {made:?}");
        let location = made.header("location").strip_prefix(&format!("{}/restconf", server.origin)).unwrap();
        assert_eq!(get(&server, location).json(), found, "{path}: {location}");
    }
    for path in [
        "text=a,b",
        "text=%",
        "text=%2",
        "text=%FC",
        "text=%C0%AF",
        "text=%ED%A0%80",
        "pair=2",
        "pair=-1,x,y",
        "pair=x,-1",
        "switch=1",
        "freight=ore",
        "fraction=1.2345",
        "text=a//key",
        "text/key",
        "/text",
        "tex%zt",
    ] {
        assert_eq!(
            get(&server, &format!("{TABLES}/{path}")).refusal(),
            refused(400, "invalid-value"),
            "{path}"
        );
    }
    for path in ["text=b", "text=%252525", "either=08x", "nosuch", "example-yard-tower:text=", "text=/nosuch"]
    {
        assert_eq!(
            get(&server, &format!("{TABLES}/{path}")).refusal(),
            refused(404, "invalid-value"),
            "{path}"
        );
    }
    // Nodes of two modules with one name.
    let yard = json!({"example-yard:yard": {"name": "harbour", "example-yard-tower:name": "tower",
        "berth": [{"name": "a", "length": 5, "example-yard-tower:length": 6}],
        "example-yard-tower:tower": {"height": 7}}});
    assert_eq!(json(&server, "PUT", YARD, &yard).status, 201);
    assert_eq!(get(&server, &format!("{YARD}?content=config")).json(), yard);
    for (path, body) in [
        ("name", json!({"example-yard:name": "harbour"})),
        ("example-yard:name", json!({"example-yard:name": "harbour"})),
        ("example-yard-tower:name", json!({"example-yard-tower:name": "tower"})),
        ("berth=a/length", json!({"example-yard:length": 5})),
        ("berth=a/example-yard-tower:length", json!({"example-yard-tower:length": 6})),
        // Below a node of a module its own names need no prefix.
        ("example-yard-tower:tower/height", json!({"example-yard-tower:height": 7})),
    ] {
        assert_eq!(get(&server, &format!("{YARD}/{path}")).json(), body, "{path}");
    }
    for path in [
        "tower",
        "example-yard-tower:berth",
        "nosuch:name",
        "example-yard-tower:tower/example-yard:height",
        "barge",
    ] {
        assert_eq!(
            get(&server, &format!("{YARD}/{path}")).refusal(),
            refused(404, "invalid-value"),
            "{path}"
        );
    }
    let made =
        json(&server, "PUT", &format!("{YARD}/example-yard-tower:name"), &json!({"example-yard:name": "x"}));
    assert_eq!(made.refusal(), refused(400, "unknown-element"));
    let fields =
        get(&server, &format!("{YARD}?fields=example-yard-tower:name;berth/example-yard-tower:length"))
            .json();
    assert_eq!(
        fields,
        json!({"example-yard:yard": {"example-yard-tower:name": "tower", "berth": [{"name": "a", "example-yard-tower:length": 6}]}})
    );
    assert_eq!(get(&server, "/data/example-yard:watch/sighting=1").refusal(), refused(400, "invalid-value"));
    assert_eq!(
        get(&server, "/data/example-yard:watch/sighting/what").refusal(),
        refused(404, "invalid-value")
    );
}

#[test]
fn section_3_5_4_and_4_8_9_defaults_are_told_as_the_client_wants() {
    let Some(server) = Server::start() else { return };
    let set = json!({"example-yard:yard": {"depth": "12.5", "gate": {}, "berth": [{"name": "a"}, {"name": "b", "length": 100}]}});
    assert_eq!(json(&server, "PUT", YARD, &set).status, 201);
    // A leaf or leaf-list that is not set is what it is by default.
    for (path, value) in [
        ("open", json!({"example-yard:open": true})),
        ("level", json!({"example-yard:level": [1, 2]})),
        ("gate/width", json!({"example-yard:width": 9})),
        ("lumen", json!({"example-yard:lumen": 4000})),
        ("example-yard-tower:tower/height", json!({"example-yard-tower:height": 30})),
        ("berth=a/length", json!({"example-yard:length": 100})),
    ] {
        let target = format!("{YARD}/{path}");
        assert_eq!(get(&server, &target).json(), value, "{path}");
        assert_eq!(get(&server, &format!("{target}?with-defaults=report-all")).json(), value, "{path}");
        for mode in ["explicit", "trim"] {
            let answer = get(&server, &format!("{target}?with-defaults={mode}"));
            assert_eq!(answer.refusal(), refused(404, "invalid-value"), "{path} {mode}");
        }
        // It is not there to be deleted (RFC 6243 section 2.3.3).
        assert_eq!(
            server.ask("DELETE", &target, &[], "").status,
            if path == "level" { 400 } else { 404 },
            "{path}"
        );
    }
    for path in ["tint", "office/chief", "berth=c/length", "example-yard-tower:name"] {
        assert_eq!(
            get(&server, &format!("{YARD}/{path}")).refusal(),
            refused(404, "invalid-value"),
            "{path}"
        );
    }
    let default = || json!({"ietf-netconf-with-defaults:default": true});
    for (mode, expected) in [
        ("explicit", set["example-yard:yard"].clone()),
        ("trim", json!({"gate": {}, "berth": [{"name": "a"}, {"name": "b"}]})),
        (
            "report-all",
            json!({"depth": "12.5", "open": true, "level": [1, 2], "gate": {"width": 9}, "lumen": 4000,
            "berth": [{"name": "a", "length": 100}, {"name": "b", "length": 100}], "example-yard-tower:tower": {"height": 30}}),
        ),
        (
            "report-all-tagged",
            json!({"depth": "12.5", "open": true, "@open": default(), "level": [1, 2],
            "@level": [default(), default()], "gate": {"width": 9, "@width": default()}, "lumen": 4000, "@lumen": default(),
            "berth": [{"name": "a", "length": 100, "@length": default()}, {"name": "b", "length": 100}],
            "example-yard-tower:tower": {"height": 30, "@height": default()}}),
        ),
    ] {
        let answer = get(&server, &format!("{YARD}?with-defaults={mode}"));
        assert_eq!(answer.json(), json!({"example-yard:yard": expected}), "{mode}");
    }
    let (_, xml) =
        server.send("GET", "/example-yard:yard/gate?with-defaults=report-all-tagged", Encoding::Xml, "");
    assert_eq!(
        xml,
        r#"<gate xmlns="urn:example:yard"><width xmlns:wd="urn:ietf:params:xml:ns:netconf:default:1.0" wd:default="true">9</width></gate>"#
    );
    // A node of another case takes the default away, and brings those of its own.
    assert_eq!(
        json(&server, "PUT", &format!("{YARD}/period"), &json!({"example-yard:period": 3})).status,
        201
    );
    assert_eq!(get(&server, &format!("{YARD}/lumen")).status, 404);
    assert_eq!(get(&server, &format!("{YARD}/tint")).json(), json!({"example-yard:tint": "white"}));
    // What is set to what it would be anyway is set.
    assert_eq!(
        json(&server, "PUT", &format!("{YARD}/open"), &json!({"example-yard:open": true})).status,
        201
    );
    assert_eq!(get(&server, &format!("{YARD}/open?with-defaults=explicit")).status, 200);
    assert_eq!(get(&server, &format!("{YARD}/open?with-defaults=trim")).status, 404);
    assert_eq!(server.ask("DELETE", &format!("{YARD}/open"), &[], "").status, 204);
}

#[test]
fn rfc_8527_section_3_2_datastores_have_no_defaults_that_nobody_uses() {
    let Some(server) = Server::start() else { return };
    assert_eq!(json(&server, "PUT", YARD, &json!({"example-yard:yard": {"name": "n"}})).status, 201);
    let ds =
        |name: &str, rest: &str| get(&server, &format!("/ds/ietf-datastores:{name}/example-yard:yard{rest}"));
    // Section 3.2: RFC 8040 section 3.5.4 tells of defaults in the unified datastore alone.
    for name in ["running", "candidate", "intended"] {
        assert_eq!(ds(name, "/open").refusal(), refused(404, "invalid-value"), "{name}");
        assert_eq!(
            ds(name, "/open?with-defaults=report-all").json(),
            json!({"example-yard:open": true}),
            "{name}"
        );
    }
    // Section 3.2.1: what is in use is there without asking, unless it is to be trimmed.
    for mode in ["", "?with-defaults=explicit", "?with-defaults=report-all"] {
        assert_eq!(
            ds("operational", &format!("/open{mode}")).json(),
            json!({"example-yard:open": true}),
            "{mode}"
        );
    }
    assert_eq!(ds("operational", "/open?with-defaults=trim").refusal(), refused(404, "invalid-value"));
    let tagged = ds("operational", "/open?with-defaults=report-all-tagged").json();
    assert_eq!(tagged["@example-yard:open"], json!({"ietf-netconf-with-defaults:default": true}));
    // Section 3.2.2.
    let origins = ds("operational", "?with-origin&fields=name;open").json();
    let origin = |name: &str| json!({"ietf-origin:origin": format!("ietf-origin:{name}")});
    assert_eq!(
        origins,
        json!({"example-yard:yard": {"@": origin("intended"), "name": "n", "open": true, "@open": origin("default")}})
    );
    // An empty container without presence is nowhere, whatever it was written with.
    let empty = json!({"example-yard:shed": {"corner": {}}});
    for (method, below, status) in [("POST", "", 201), ("PUT", "/shed", 204)] {
        let target = format!("/ds/ietf-datastores:candidate/example-yard:yard{below}");
        assert_eq!(json(&server, method, &target, &empty).status, status, "{method}");
        assert_eq!(ds("candidate", "/shed").refusal(), refused(404, "invalid-value"), "{method}");
    }
}

#[test]
fn section_4_4_1_and_4_5_containers_that_are_empty() {
    let Some(server) = Server::start() else { return };
    let shed = json!({"example-yard:shed": {}});
    // Without presence it says nothing: it is taken, and there is nothing to read.
    for (parent, body) in
        [("/data", json!({"example-yard:yard": {"shed": {"corner": {}}}})), (YARD, shed.clone())]
    {
        let made = json(&server, "POST", parent, &body);
        assert_eq!(made.status, 201, "{parent}: {made:?}");
        assert_eq!(get(&server, YARD).refusal(), refused(404, "invalid-value"), "{parent}");
    }
    let (status, _) =
        server.send("POST", "", Encoding::Xml, r#"<yard xmlns="urn:example:yard"><shed/></yard>"#);
    assert_eq!(status, 201);
    for body in [
        json!({}),
        json!({"example-yard:queue": []}),
        json!({"example-yard:yard": {}, "example-yard:tables": {}}),
    ] {
        assert_eq!(json(&server, "POST", "/data", &body).refusal(), refused(400, "invalid-value"), "{body}");
    }
    // With presence it is there, once.
    let gate = json!({"example-yard:gate": {}});
    assert_eq!(
        json(&server, "PATCH", &format!("{YARD}/gate"), &gate).refusal(),
        refused(404, "invalid-value")
    );
    assert_eq!(json(&server, "POST", YARD, &gate).status, 201);
    assert_eq!(json(&server, "POST", YARD, &gate).refusal(), refused(409, "data-exists"));
    assert_eq!(json(&server, "PUT", &format!("{YARD}/gate"), &gate).status, 204);
    assert_eq!(get(&server, YARD).json(), json!({"example-yard:yard": {"gate": {}}}));
    // What has something in it exists, and an empty one in its place empties it.
    assert_eq!(
        json(&server, "PUT", &format!("{YARD}/shed/corner/tool"), &json!({"example-yard:tool": "saw"}))
            .status,
        201
    );
    assert_eq!(json(&server, "POST", YARD, &shed).refusal(), refused(409, "data-exists"));
    assert_eq!(json(&server, "PATCH", &format!("{YARD}/shed"), &shed).status, 204);
    assert_eq!(
        get(&server, &format!("{YARD}/shed/corner")).json(),
        json!({"example-yard:corner": {"tool": "saw"}})
    );
    assert_eq!(json(&server, "PUT", &format!("{YARD}/shed"), &shed).status, 204);
    assert_eq!(get(&server, &format!("{YARD}/shed")).refusal(), refused(404, "invalid-value"));
    assert_eq!(
        server.ask("DELETE", &format!("{YARD}/shed"), &[], "").refusal(),
        refused(404, "invalid-value")
    );
    // It can always be written into, if what it is in is there.
    let corner = json!({"example-yard:shed": {"corner": {"tool": "axe"}}});
    assert_eq!(json(&server, "PATCH", &format!("{YARD}/shed"), &corner).status, 204);
    assert_eq!(
        json(&server, "PATCH", &format!("{YARD}/crane"), &json!({"example-yard:crane": {"load": 1}})).status,
        204
    );
    assert_eq!(
        json(&server, "PUT", &format!("{YARD}/papers"), &json!({"example-yard:papers": {"x": [1, "a"]}}))
            .status,
        201
    );
    assert_eq!(
        get(&server, &format!("{YARD}/papers")).json(),
        json!({"example-yard:papers": {"x": [1, "a"]}})
    );
}

#[test]
fn section_7_1_all_that_is_wrong_is_told_at_once() {
    let Some(server) = Server::start() else { return };
    let told = |answer: &Answer| -> Vec<(String, String)> {
        let errors = answer.json()["ietf-restconf:errors"]["error"].as_array().unwrap().clone();
        let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        errors.iter().map(|error| (text(&error["error-tag"]), text(&error["error-path"]))).collect()
    };
    let at = |tag: &str, path: &str| (tag.to_owned(), format!("/example-yard:yard{path}"));
    let missing = json(&server, "POST", YARD, &json!({"example-yard:office": {}}));
    assert_eq!(missing.status, 409);
    let office = ["chief", "phone", "desks"].map(|leaf| at("data-missing", &format!("/office/{leaf}")));
    assert_eq!(told(&missing), office);
    let wrong = json!({"example-yard:yard": {"depth": "deep", "open": 7, "name": "ok", "level": [1, 1000], "berth": [
        {"name": "a", "length": 900}, {"length": 5}, {"name": "b"}, {"name": "b"}],
        "office": {"chief": "x", "phone": "none", "desks": -1}}});
    let answer = json(&server, "PUT", YARD, &wrong);
    assert_eq!(answer.status, 400);
    let mut found = told(&answer);
    found.sort();
    let mut expected = vec![
        at("invalid-value", "/depth"),
        at("invalid-value", "/open"),
        at("invalid-value", "/level"),
        at("invalid-value", "/berth[name='a']/length"),
        at("missing-element", "/berth[2]"),
        at("invalid-value", "/berth[name='b']"),
        at("invalid-value", "/office/phone"),
        at("invalid-value", "/office/desks"),
    ];
    expected.sort();
    assert_eq!(found, expected);
    let (status, xml) = server.send(
        "PUT",
        "/example-yard:yard",
        Encoding::Xml,
        r#"<yard xmlns="urn:example:yard"><depth>deep</depth><open>7</open></yard>"#,
    );
    assert_eq!((status, xml.matches("<error>").count()), (400, 2), "{xml}");
    // However many there are.
    let many: Vec<Json> = (0..1000).map(|number| json!({"name": number.to_string(), "length": 0})).collect();
    let answer = json(&server, "PUT", YARD, &json!({"example-yard:yard": {"berth": many}}));
    assert_eq!((answer.status, told(&answer).len()), (400, 32));
    // In the input of an operation, too; its paths begin there.
    let answer = json(
        &server,
        "POST",
        "/operations/example-yard:signal",
        &json!({"example-yard:input": {"flags": [1, 2]}}),
    );
    assert_eq!(answer.status, 400);
    let paths: Vec<String> = told(&answer).into_iter().map(|(_, path)| path).collect();
    assert_eq!(paths, ["/example-yard:input/flags", "/example-yard:input/flags"]);
    assert_eq!(get(&server, YARD).status, 404);
}

#[test]
fn section_3_6_operations_that_nobody_carries_out_are_still_checked() {
    let Some(server) = Server::start() else { return };
    let call = |target: &str, input: Json| {
        json(&server, "POST", target, &json!({"example-yard:input": input})).refusal()
    };
    assert_eq!(json(&server, "PUT", &format!("{YARD}/berth=a"), &berth("a")).status, 201);
    let signal = "/operations/example-yard:signal";
    let inspect = format!("{YARD}/berth=a/inspect");
    for (target, input, status, tag) in [
        (signal, json!({"flags": ["a"], "flashes": 1}), 400, "bad-element"),
        (signal, json!({"nosuch": 1}), 400, "unknown-element"),
        (signal, json!({}), 409, "data-missing"),
        (signal, json!({"flashes": 1}), 501, "operation-not-supported"),
        (&inspect, json!({"quick": [null], "minutes": 5}), 400, "bad-element"),
        (&inspect, json!({}), 409, "data-missing"),
        (&inspect, json!({"quick": [null]}), 501, "operation-not-supported"),
        (&format!("{YARD}/berth/inspect"), json!({"quick": [null]}), 400, "invalid-value"),
        (&format!("{YARD}/inspect"), json!({"quick": [null]}), 404, "invalid-value"),
    ] {
        assert_eq!(call(target, input.clone()), refused(status, tag), "{target} {input}");
    }
    let shut = server.ask("POST", &format!("{YARD}/gate/shut"), &[], "");
    assert_eq!(shut.refusal(), refused(501, "operation-not-supported"));
    for target in [&inspect, signal] {
        let options = server.ask("OPTIONS", target, &[], "");
        assert_eq!((options.status, options.header("allow")), (200, "POST, OPTIONS"), "{target}");
        assert_eq!(get(&server, target).refusal(), refused(405, "operation-not-supported"), "{target}");
    }
}

#[test]
fn section_3_7_submodules_can_be_read_and_features_are_those_that_are_supported() {
    let Some(server) = Server::start() else { return };
    let set = get(&server, "/data/ietf-yang-library:yang-library/module-set").json();
    let modules = set["ietf-yang-library:module-set"][0]["module"].as_array().unwrap().clone();
    let yard = modules.iter().find(|module| module["name"] == "example-yard").unwrap();
    assert_eq!(yard["feature"], json!(["cranes"]));
    let submodule = &yard["submodule"][0];
    assert_eq!(
        (&submodule["name"], &submodule["revision"]),
        (&json!("example-yard-watch"), &json!("2026-11-21"))
    );
    for (place, text) in [
        (&yard["location"], "module example-yard {"),
        (&submodule["location"], "submodule example-yard-watch {"),
    ] {
        let path = place[0].as_str().unwrap().split_once("/yang/").unwrap().1;
        let source = server.ask("GET", &format!("/../yang/{path}"), &[], "");
        assert_eq!(source.status, 404, "dots are no way out of a path");
        let source = server.outside(&format!("/yang/{path}"));
        assert_eq!((source.status, source.header("content-type")), (200, "application/yang"));
        assert!(source.body.starts_with(text), "{source:?}");
    }
    let legacy = get(&server, "/data/ietf-yang-library:modules-state/module=example-yard,2026-11-21").json();
    assert_eq!(legacy["ietf-yang-library:module"][0]["submodule"][0]["name"], "example-yard-watch");
    assert_eq!(get(&server, "/data/example-yard:watch").refusal(), refused(404, "invalid-value"));
    assert_eq!(get(&server, "/data/example-yard-watch:watch").refusal(), refused(404, "invalid-value"));
}

#[test]
fn section_4_8_2_and_4_8_3_the_depth_of_fields_counts_from_what_is_selected() {
    let Some(server) = Server::start() else { return };
    let yard = json!({"example-yard:yard": {"name": "n", "shed": {"corner": {"tool": "saw"}}, "berth": [{"name": "a", "length": 5}]}});
    assert_eq!(json(&server, "PUT", YARD, &yard).status, 201);
    for (query, expected) in [
        ("fields=shed/corner&depth=1", json!({"shed": {"corner": {}}})),
        ("fields=shed/corner&depth=2", json!({"shed": {"corner": {"tool": "saw"}}})),
        ("fields=shed/corner/tool&depth=1", json!({"shed": {"corner": {"tool": "saw"}}})),
        ("fields=name;berth&depth=1", json!({"name": "n", "berth": [{"name": "a"}]})),
        (
            "fields=shed(corner(tool));berth(length)&depth=1",
            json!({"shed": {"corner": {"tool": "saw"}}, "berth": [{"name": "a", "length": 5}]}),
        ),
        ("fields=shed&depth=unbounded", json!({"shed": {"corner": {"tool": "saw"}}})),
        ("depth=2", json!({"name": "n", "shed": {}, "berth": [{"name": "a"}]})),
    ] {
        let answer = get(&server, &format!("{YARD}?{query}"));
        assert_eq!(answer.json(), json!({"example-yard:yard": expected}), "{query}");
    }
    let top = get(&server, "/data?fields=example-yard:yard/shed/corner&depth=1").json();
    assert_eq!(top, json!({"ietf-restconf:data": {"example-yard:yard": {"shed": {"corner": {}}}}}));
}
