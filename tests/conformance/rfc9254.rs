//! RFC 9254 over the wire. The client of these tests sends and reads texts, so the octets are proved elsewhere, see
//! `rfc9254.md`.

use crate::common::{XML, start_server};

const CBOR: &str = "application/yang-data+cbor";

#[tokio::test]
async fn section_7_the_parameter_tells_names_from_sids() {
    let server = start_server().await;
    let target = "/restconf/data/magent-registry:registry";
    for accept in [CBOR.to_owned(), format!("{CBOR};id=name"), format!("{CBOR}; ID=\"name\"")] {
        let answer = server.ask("GET", target, &[&format!("Accept: {accept}")], "").await;
        let given = (answer.status, answer.header("content-type").to_owned());
        assert_eq!(given, (200, format!("{CBOR};id=name")), "{accept}");
        assert!(answer.header("etag").ends_with("-cbor\""), "{answer:?}");
    }
    // No module of the server has SIDs, and a document with names is not `id=sid`.
    let answer = server.ask("GET", target, &[&format!("Accept: {CBOR};id=sid")], "").await;
    assert_eq!((answer.status, answer.header("content-type")), (406, &*format!("{CBOR};id=name")));
    let or_xml = format!("Accept: {CBOR};id=sid, {XML};q=0.1");
    assert_eq!(server.ask("GET", target, &[&or_xml], "").await.header("content-type"), XML);
    let fields = [&*format!("Content-Type: {CBOR};id=other")];
    assert_eq!(server.ask("PUT", "/restconf/data/irtf-agent:data-params=d", &fields, "{}").await.status, 415);
    server.stop().await;
}
