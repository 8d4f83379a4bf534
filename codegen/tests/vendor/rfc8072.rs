//! RFC 8072 with the modules of `yang/` here: the edits of a YANG Patch that need lists and leaf-lists which are ordered
//! by the user, and those that are refused.

use serde_json::{Value as Json, json};

use super::rfc8040::{berths, json};
use super::server::{Answer, Server};

const YARD: &str = "/data/example-yard:yard";

fn patch(server: &Server, target: &str, edits: Vec<Json>) -> Answer {
    let numbered = edits.into_iter().enumerate().map(|(number, mut edit)| {
        edit["edit-id"] = json!(number.to_string());
        edit
    });
    let edits: Vec<Json> = numbered.collect();
    let body = json!({"ietf-yang-patch:yang-patch": {"patch-id": "p", "edit": edits}});
    server.ask("PATCH", target, &["Content-Type: application/yang-patch+json"], &body.to_string())
}

fn berth(name: &str) -> Json {
    json!({"example-yard:berth": [{"name": name}]})
}

/// The status, and the tag of the error of the edit that is named.
fn at_fault(answer: &Answer, edit: usize) -> (u16, String) {
    let status = &answer.json()["ietf-yang-patch:yang-patch-status"];
    let edit = &status["edit-status"]["edit"][edit];
    assert_eq!(edit["ok"], Json::Null, "{answer:?}");
    (answer.status, edit["errors"]["error"][0]["error-tag"].as_str().unwrap_or_default().to_owned())
}

fn refused(status: u16, tag: &str) -> (u16, String) {
    (status, tag.to_owned())
}

#[test]
fn section_2_5_entries_are_inserted_and_moved() {
    let Some(server) = Server::start() else { return };
    assert_eq!(
        json(&server, "PUT", YARD, &json!({"example-yard:yard": {"berth": [{"name": "a"}, {"name": "b"}]}}))
            .status,
        201
    );
    for (edits, expected) in [
        (
            vec![
                json!({"operation": "insert", "target": "/berth=c", "where": "before", "point": "/berth=b", "value": berth("c")}),
            ],
            "a c b",
        ),
        (
            vec![json!({"operation": "insert", "target": "/example-yard:berth=d", "value": berth("d")})],
            "a c b d",
        ),
        (
            vec![
                json!({"operation": "insert", "target": "/berth=e", "where": "after", "point": "/example-yard:berth=a", "value": berth("e")}),
            ],
            "a e c b d",
        ),
        (
            vec![
                json!({"operation": "move", "target": "/berth=d", "where": "first"}),
                json!({"operation": "move", "target": "/berth=a", "where": "after", "point": "/berth=c"}),
                json!({"operation": "move", "target": "/berth=e"}),
            ],
            "d c a b e",
        ),
    ] {
        let answer = patch(&server, YARD, edits);
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(berths(&server).join(" "), expected);
    }
    let ropes = vec![
        json!({"operation": "insert", "target": "/berth=a/rope=r", "value": {"example-yard:rope": ["r"]}}),
        json!({"operation": "insert", "target": "/berth=a/rope=q", "where": "first", "value": {"example-yard:rope": ["q"]}}),
        json!({"operation": "insert", "target": "/berth=a/rope=p", "where": "after", "point": "/berth=a/rope=q", "value": {"example-yard:rope": ["p"]}}),
        json!({"operation": "move", "target": "/berth=a/rope=q", "where": "last"}),
        json!({"operation": "create", "target": "/colour=x", "value": {"example-yard:colour": ["x"]}}),
        json!({"operation": "merge", "target": "/colour=y", "value": {"example-yard:colour": ["y"]}}),
        json!({"operation": "delete", "target": "/colour=x"}),
        json!({"operation": "remove", "target": "/colour=z"}),
    ];
    assert_eq!(patch(&server, YARD, ropes).status, 200);
    let found = server.ask("GET", &format!("{YARD}?fields=colour;berth/rope"), &[], "").json();
    assert_eq!(found["example-yard:yard"]["colour"], json!(["y"]));
    assert_eq!(found["example-yard:yard"]["berth"][2], json!({"name": "a", "rope": ["p", "r", "q"]}));
    // A patch of an entry: "/" is the entry itself, for which there is a place too.
    let itself = json!({"operation": "move", "target": "/", "where": "first"});
    assert_eq!(patch(&server, &format!("{YARD}/berth=e"), vec![itself]).status, 200);
    assert_eq!(berths(&server).join(" "), "e d c a b");
}

#[test]
fn section_2_2_an_edit_is_of_one_instance_that_is_there_unless_it_creates_it() {
    let Some(server) = Server::start() else { return };
    let content = json!({"example-yard:yard": {"berth": [{"name": "a"}, {"name": "b"}], "colour": ["x"]}});
    assert_eq!(json(&server, "PUT", YARD, &content).status, 201);
    let fine = json!({"operation": "merge", "target": "/name", "value": {"example-yard:name": "n"}});
    for (edit, status, tag) in [
        (json!({"operation": "delete", "target": "/berth"}), 400, "invalid-value"),
        (json!({"operation": "remove", "target": "/colour"}), 400, "invalid-value"),
        (json!({"operation": "replace", "target": "/berth", "value": berth("z")}), 400, "invalid-value"),
        (
            json!({"operation": "merge", "target": "/colour", "value": {"example-yard:colour": ["z"]}}),
            400,
            "invalid-value",
        ),
        (
            json!({"operation": "merge", "target": "/berth=z", "value": {"example-yard:berth": [{"name": "z"}, {"name": "y"}]}}),
            400,
            "bad-element",
        ),
        (json!({"operation": "delete", "target": "/berth=z"}), 404, "data-missing"),
        (json!({"operation": "delete", "target": "/colour=z"}), 404, "data-missing"),
        (json!({"operation": "delete", "target": "/shed"}), 404, "data-missing"),
        (json!({"operation": "move", "target": "/berth=z", "where": "last"}), 404, "data-missing"),
        (
            json!({"operation": "merge", "target": "/berth=z/sign", "value": {"example-yard:sign": "s"}}),
            404,
            "data-missing",
        ),
        (
            json!({"operation": "create", "target": "/berth=z/sign", "value": {"example-yard:sign": "s"}}),
            409,
            "data-missing",
        ),
        (json!({"operation": "create", "target": "/berth=a", "value": berth("a")}), 409, "data-exists"),
        (
            json!({"operation": "insert", "target": "/berth=a", "where": "last", "value": berth("a")}),
            409,
            "data-exists",
        ),
        (
            json!({"operation": "move", "target": "/berth=a", "where": "after", "point": "/berth=z"}),
            400,
            "bad-attribute",
        ),
        (json!({"operation": "move", "target": "/berth=a", "where": "after"}), 400, "missing-element"),
        (
            json!({"operation": "move", "target": "/berth=a", "where": "first", "point": "/berth=b"}),
            400,
            "unknown-element",
        ),
        (json!({"operation": "move", "target": "/berth=a", "point": "/berth=b"}), 400, "unknown-element"),
        (
            json!({"operation": "move", "target": "/berth=a", "where": "after", "point": "/colour=x"}),
            400,
            "invalid-value",
        ),
        (json!({"operation": "move", "target": "/colour=x", "where": "first"}), 400, "bad-element"),
        (
            json!({"operation": "insert", "target": "/gate", "value": {"example-yard:gate": {}}}),
            400,
            "bad-element",
        ),
        (
            json!({"operation": "create", "target": "/berth=c", "where": "first", "value": berth("c")}),
            400,
            "unknown-element",
        ),
        (json!({"operation": "create", "target": "/berth=a/inspect", "value": {}}), 400, "invalid-value"),
        (json!({"operation": "create", "target": "", "value": {}}), 400, "invalid-value"),
        (json!({"operation": "create", "target": "/barge", "value": {}}), 400, "invalid-value"),
    ] {
        let answer = patch(&server, YARD, vec![fine.clone(), edit.clone()]);
        assert_eq!(at_fault(&answer, 1), refused(status, tag), "{edit}");
    }
    assert_eq!(
        server.ask("GET", &format!("{YARD}?content=config"), &[], "").json(),
        content,
        "nothing was done"
    );
    // Section 2.1: the target of the request is one instance too, and there.
    for (target, status) in
        [("/berth", 400), ("/colour", 400), ("/berth=z", 404), ("/office", 404), ("/nosuch", 404)]
    {
        let edit = json!({"operation": "remove", "target": "/"});
        let answer = patch(&server, &format!("{YARD}{target}"), vec![edit]);
        assert_eq!(answer.refusal(), refused(status, "invalid-value"), "{target}");
    }
    let options = server.ask("OPTIONS", &format!("{YARD}/berth"), &[], "");
    assert_eq!((options.header("allow"), options.header("accept-patch")), ("GET, HEAD, OPTIONS", ""));
}

#[test]
fn section_2_3_all_that_is_wrong_with_an_edit_or_with_the_whole_is_told() {
    let Some(server) = Server::start() else { return };
    let told = |errors: &Json| errors["error"].as_array().unwrap().len();
    let edit = json!({"operation": "merge", "target": "/berth=a", "value": {"example-yard:berth": [{"name": "a", "length": 900, "sign": 7}]}});
    let answer = patch(&server, YARD, vec![edit]);
    let status = &answer.json()["ietf-yang-patch:yang-patch-status"];
    assert_eq!((answer.status, told(&status["edit-status"]["edit"][0]["errors"])), (400, 2), "{answer:?}");
    // Validation is of what all edits together have made, wherever that is wrong.
    let office = vec![
        json!({"operation": "create", "target": "/office", "value": {"example-yard:office": {}}}),
        json!({"operation": "create", "target": "/office/chief", "value": {"example-yard:chief": "x"}}),
    ];
    let answer = patch(&server, YARD, office);
    let status = &answer.json()["ietf-yang-patch:yang-patch-status"];
    assert_eq!((answer.status, told(&status["errors"])), (409, 2), "{answer:?}");
    assert_eq!(server.ask("GET", YARD, &[], "").status, 404);
    // Without edits nothing is to be done.
    assert_eq!(patch(&server, "/data", vec![]).status, 200);
}

#[test]
fn section_2_2_what_compare_writes_is_a_patch_that_makes_the_one_of_the_other() {
    let Some(server) = Server::start() else { return };
    let source = json!({"example-yard:yard": {"name": "n", "colour": ["red", "blue"], "berth": [
        {"name": "a", "rope": ["1", "2", "3", "4"]}, {"name": "b"}, {"name": "c"}]}});
    let target = json!({"example-yard:yard": {"colour": ["blue", "green"], "level": [7], "berth": [
        {"name": "c"}, {"name": "a", "rope": ["4", "1", "5", "3"]}, {"name": "d", "sign": "s"}]}});
    let running = "/ds/ietf-datastores:running/example-yard:yard";
    let candidate = "/ds/ietf-datastores:candidate/example-yard:yard";
    assert_eq!(json(&server, "PUT", running, &source).status, 201);
    assert_eq!(json(&server, "PUT", candidate, &target).status, 204);
    let input = json!({"magent-datastores:input": {
        "source": {"datastore": "ietf-datastores:running"}, "target": {"datastore": "ietf-datastores:candidate"}}});
    let compared = json(&server, "POST", "/operations/magent-datastores:compare", &input).json();
    let mut edits = compared["magent-datastores:output"]["differences"]["yang-patch"]["edit"].clone();
    for edit in edits.as_array_mut().unwrap() {
        edit.as_object_mut().unwrap().remove("source-value");
    }
    let patched = patch(&server, "/ds/ietf-datastores:running", edits.as_array().unwrap().clone());
    assert_eq!(patched.status, 200, "{edits}: {patched:?}");
    let config = |target: &str| server.ask("GET", &format!("{target}?content=config"), &[], "").json();
    assert_eq!(config(running), target);
    let compared = json(&server, "POST", "/operations/magent-datastores:compare", &input);
    assert!(!compared.body.contains("yang-patch\":{\"patch-id\":\"differences\",\"edit\""), "{compared:?}");
}
