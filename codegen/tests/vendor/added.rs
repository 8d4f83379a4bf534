//! What a vendor's module adds to the server's own: configuration there is kept, checked and served, and what an operation
//! does not read is refused.

use serde_json::json;

use super::server::{Encoding, Server};

#[test]
fn what_a_vendor_adds_to_the_servers_data_is_served_and_to_its_operations_refused() {
    let Some(server) = Server::start() else { return };
    let entry = |hint: &str| {
        json!({"irtf-agent:data-params": [
            {"id": "d1", "dataType": "text", "data": "x", "example-yard-hints:hint": hint}]})
        .to_string()
    };
    let path = "/irtf-agent:data-params=d1";
    let (status, answer) = server.send("PUT", path, Encoding::Json, &entry("much too long"));
    assert!(status == 400 && answer.contains("\"invalid-value\""), "{status} {answer}");
    server.accepts("PUT", path, &entry("quay"));
    for target in
        [path.to_owned(), format!("{path}?content=config"), format!("{path}/example-yard-hints:hint")]
    {
        let (_, answer) = server.send("GET", &target, Encoding::Json, "");
        assert!(answer.contains(r#""example-yard-hints:hint":"quay""#), "{target}: {answer}");
    }

    let query = |input: serde_json::Value| {
        let body = json!({"magent-task:input": input}).to_string();
        let fields = ["Content-Type: application/yang-data+json", "Accept: application/yang-data+json"];
        server.ask("POST", "/operations/magent-task:query-tasks", &fields, &body)
    };
    assert!(matches!(query(json!({"from": ["a"]})).status, 200 | 204));
    let refused = query(json!({"from": ["a"], "example-yard-hints:hint": "quay"}));
    assert_eq!(refused.refusal(), (501, "operation-not-supported".to_owned()));
    assert!(refused.body.contains("example-yard-hints:hint"), "{refused:?}");
}
