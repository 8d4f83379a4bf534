//! The server built with a vendor's modules refuses what they forbid: each kind of constraint is
//! violated over HTTPS by curl, in JSON and in XML, and the answer has the status, error-tag,
//! error-app-tag, error-path and error-info of RFC 7950 sections 8.3 and 15 and RFC 8040 section 7.

use serde_json::{Value as Json, json};

use super::server::{Encoding, Server};

/// What has to come back.
struct Refusal {
    status: u16,
    tag: &'static str,
    app_tag: Option<&'static str>,
    path: &'static str,
    message: &'static str,
    info: Option<(&'static str, Json)>,
}

/// Sends in both encodings what has to be refused.
fn refuses(server: &Server, method: &str, path: &str, json: &str, xml: &str, wanted: &Refusal) {
    let (_, before) = server.send("GET", "", Encoding::Json, "");
    let (status, answer) = server.send(method, path, Encoding::Json, json);
    assert_eq!(status, wanted.status, "{method} {path} {json}: {answer}");
    let answer: Json = serde_json::from_str(&answer).unwrap();
    let mut expected = json!({
        "error-type": "application", "error-tag": wanted.tag, "error-path": wanted.path,
        "error-message": wanted.message,
    });
    if let Some(app_tag) = wanted.app_tag {
        expected["error-app-tag"] = json!(app_tag);
    }
    if let Some((name, value)) = &wanted.info {
        expected["error-info"] = json!({ *name: value });
    }
    assert_eq!(answer["ietf-restconf:errors"]["error"], json!([expected]), "{method} {path} {json}");

    let (status, answer) = server.send(method, path, Encoding::Xml, xml);
    assert_eq!(status, wanted.status, "{method} {path} {xml}: {answer}");
    let text = |name: &str| element(&answer, name).map(|(_, text)| text);
    assert_eq!(text("error-tag").as_deref(), Some(wanted.tag), "{answer}");
    assert_eq!(text("error-app-tag").as_deref(), wanted.app_tag, "{answer}");
    assert_eq!(text("error-message").as_deref(), Some(wanted.message), "{answer}");
    let (attributes, in_xml) = element(&answer, "error-path").unwrap();
    assert_eq!(bare(&in_xml), bare(wanted.path), "{answer}");
    // In XML every name has a prefix, and every prefix stands for a namespace.
    for step in in_xml.split(['/', '[']).skip(1) {
        let (prefix, _) = step.split_once(':').unwrap();
        assert!(attributes.contains(&format!(" xmlns:{prefix}=\"")), "{answer}");
    }
    let (_, after) = server.send("GET", "", Encoding::Json, "");
    assert_eq!(before, after, "what was refused has changed nothing");
}

/// The attributes and the text of the first element of a name.
fn element(xml: &str, name: &str) -> Option<(String, String)> {
    let start = xml.find(&format!("<{name}"))? + name.len() + 1;
    let (attributes, rest) = xml[start..].split_once('>')?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    let text = text.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    Some((attributes.to_owned(), text))
}

/// A path without the qualifiers of its names.
fn bare(path: &str) -> String {
    path.split_inclusive(['/', '[']).map(|part| part.split_once(':').map_or(part, |(_, name)| name)).collect()
}

#[test]
fn a_server_with_dropped_files_refuses_what_they_forbid() {
    let Some(server) = Server::start() else { return };
    interfaces(&server);
    l3vpn(&server);
    openconfig(&server);
}

fn interfaces(server: &Server) {
    let one = "/ietf-interfaces:interfaces/interface=eth0";
    server.accepts(
        "PUT",
        one,
        r#"{"ietf-interfaces:interface":[{"name":"eth0","type":"iana-if-type:ethernetCsmacd","ietf-ip:ipv4":{}}]}"#,
    );
    // An identity that there is not.
    refuses(
        server,
        "PUT",
        one,
        r#"{"ietf-interfaces:interface":[{"name":"eth0","type":"iana-if-type:none"}]}"#,
        "<interface xmlns='urn:ietf:params:xml:ns:yang:ietf-interfaces'><name>eth0</name>\
         <type xmlns:i='urn:ietf:params:xml:ns:yang:iana-if-type'>i:none</type></interface>",
        &Refusal {
            status: 400,
            tag: "invalid-value",
            app_tag: None,
            path: "/ietf-interfaces:interfaces/interface[name='eth0']/type",
            message: "\"type\": there is no identity iana-if-type:none",
            info: Some(("ietf-netconf:bad-element", json!("type"))),
        },
    );
    // One that is not derived from the base.
    refuses(
        server,
        "PUT",
        one,
        r#"{"ietf-interfaces:interface":[{"name":"eth0","type":"ietf-l3vpn-svc:bgp"}]}"#,
        "<interface xmlns='urn:ietf:params:xml:ns:yang:ietf-interfaces'><name>eth0</name>\
         <type xmlns:l='urn:ietf:params:xml:ns:yang:ietf-l3vpn-svc'>l:bgp</type></interface>",
        &Refusal {
            status: 400,
            tag: "invalid-value",
            app_tag: None,
            path: "/ietf-interfaces:interfaces/interface[name='eth0']/type",
            message: "\"type\": identity ietf-l3vpn-svc:bgp is not derived from ietf-interfaces:interface-type",
            info: Some(("ietf-netconf:bad-element", json!("type"))),
        },
    );
    // A mandatory choice of the module that augments.
    refuses(
        server,
        "POST",
        "/ietf-interfaces:interfaces/interface=eth0/ietf-ip:ipv4",
        r#"{"ietf-ip:address":[{"ip":"192.0.2.1"}]}"#,
        "<address xmlns='urn:ietf:params:xml:ns:yang:ietf-ip'><ip>192.0.2.1</ip></address>",
        &Refusal {
            status: 409,
            tag: "data-missing",
            app_tag: Some("missing-choice"),
            path: "/ietf-interfaces:interfaces/interface[name='eth0']/ietf-ip:ipv4/address[ip='192.0.2.1']",
            message: "one of prefix-length, netmask is needed",
            info: Some(("yang:missing-choice", json!("subnet"))),
        },
    );
    // Outside of a range.
    refuses(
        server,
        "PUT",
        "/ietf-interfaces:interfaces/interface=eth0/ietf-ip:ipv4/mtu",
        r#"{"ietf-ip:mtu":20}"#,
        "<mtu xmlns='urn:ietf:params:xml:ns:yang:ietf-ip'>20</mtu>",
        &Refusal {
            status: 400,
            tag: "invalid-value",
            app_tag: None,
            path: "/ietf-interfaces:interfaces/interface[name='eth0']/ietf-ip:ipv4/mtu",
            message: "\"mtu\": 20 is outside \"68..max\"",
            info: Some(("ietf-netconf:bad-element", json!("mtu"))),
        },
    );
}

fn l3vpn(server: &Server) {
    let root = "/ietf-l3vpn-svc:l3vpn-svc";
    server.accepts(
        "PUT",
        root,
        r#"{"ietf-l3vpn-svc:l3vpn-svc":{"vpn-services":{"vpn-service":[{"vpn-id":"v1"}]},
            "sites":{"site":[{"site-id":"s1","locations":{"location":[{"location-id":"l1"}]},
              "management":{"type":"provider-managed"},
              "service":{"qos":{"qos-classification-policy":{"rule":[{"id":"1",
                "match-flow":{"l4-src-port-range":{"lower-port":80,"upper-port":90}}}]}}},
              "vpn-policies":{"vpn-policy":[{"vpn-policy-id":"p","entries":[{"id":"e","vpn":[{"vpn-id":"v1"}]}]}]}}]}}}"#,
    );
    // A change that makes the must of another leaf false.
    let flow =
        "/ietf-l3vpn-svc:l3vpn-svc/sites/site=s1/service/qos/qos-classification-policy/rule=1/match-flow";
    refuses(
        server,
        "PATCH",
        flow,
        r#"{"ietf-l3vpn-svc:match-flow":{"l4-src-port-range":{"lower-port":99}}}"#,
        "<match-flow xmlns='urn:ietf:params:xml:ns:yang:ietf-l3vpn-svc'><l4-src-port-range>\
         <lower-port>99</lower-port></l4-src-port-range></match-flow>",
        &Refusal {
            status: 412,
            tag: "operation-failed",
            app_tag: Some("must-violation"),
            path: "/ietf-l3vpn-svc:l3vpn-svc/sites/site[site-id='s1']/service/qos/qos-classification-policy/\
                   rule[id='1']/match-flow/l4-src-port-range/upper-port",
            message: "this must hold: . >= ../lower-port",
            info: None,
        },
    );
    // A reference to nothing, by writing it and by deleting its target.
    let entry = "/ietf-l3vpn-svc:l3vpn-svc/sites/site=s1/vpn-policies/vpn-policy=p/entries=e";
    refuses(
        server,
        "PATCH",
        entry,
        r#"{"ietf-l3vpn-svc:entries":[{"id":"e","vpn":[{"vpn-id":"v2"}]}]}"#,
        "<entries xmlns='urn:ietf:params:xml:ns:yang:ietf-l3vpn-svc'><id>e</id><vpn><vpn-id>v2</vpn-id></vpn></entries>",
        &Refusal {
            status: 409,
            tag: "data-missing",
            app_tag: Some("instance-required"),
            path: "/ietf-l3vpn-svc:l3vpn-svc/sites/site[site-id='s1']/vpn-policies/vpn-policy[vpn-policy-id='p']/\
                   entries[id='e']/vpn[vpn-id='v2']/vpn-id",
            message: "there is nothing with the value \"v2\" that this could refer to",
            info: None,
        },
    );
    refuses(
        server,
        "DELETE",
        "/ietf-l3vpn-svc:l3vpn-svc/vpn-services/vpn-service=v1",
        "",
        "",
        &Refusal {
            status: 409,
            tag: "data-missing",
            app_tag: Some("instance-required"),
            path: "/ietf-l3vpn-svc:l3vpn-svc/sites/site[site-id='s1']/vpn-policies/vpn-policy[vpn-policy-id='p']/\
                   entries[id='e']/vpn[vpn-id='v1']/vpn-id",
            message: "there is nothing with the value \"v1\" that this could refer to",
            info: None,
        },
    );
    // Mandatory, but only where its when holds.
    refuses(
        server,
        "PATCH",
        "/ietf-l3vpn-svc:l3vpn-svc/vpn-services/vpn-service=v1",
        r#"{"ietf-l3vpn-svc:vpn-service":[{"vpn-id":"v1","multicast":{"enabled":true,"rp":{"rp-group-mappings":
            {"rp-group-mapping":[{"id":1,"provider-managed":{"enabled":false}}]}}}}]}"#,
        "<vpn-service xmlns='urn:ietf:params:xml:ns:yang:ietf-l3vpn-svc'><vpn-id>v1</vpn-id><multicast>\
         <enabled>true</enabled><rp><rp-group-mappings><rp-group-mapping><id>1</id><provider-managed>\
         <enabled>false</enabled></provider-managed></rp-group-mapping></rp-group-mappings></rp></multicast></vpn-service>",
        &Refusal {
            status: 409,
            tag: "data-missing",
            app_tag: None,
            path: "/ietf-l3vpn-svc:l3vpn-svc/vpn-services/vpn-service[vpn-id='v1']/multicast/rp/rp-group-mappings/\
                   rp-group-mapping[id='1']/rp-address",
            message: "\"rp-address\" is mandatory and missing",
            info: Some(("ietf-netconf:bad-element", json!("rp-address"))),
        },
    );
}

fn openconfig(server: &Server) {
    let ethernet = r#","openconfig-if-ethernet:ethernet":{"config":{"mac-address":"00:00:5e:00:53:01"}}"#;
    let interface = |kind: &str, more: &str| {
        format!(
            r#"{{"openconfig-interfaces:interface":[{{"name":"e0","config":{{"name":"e0",
                "type":"iana-if-type:{kind}"}},"subinterfaces":{{"subinterface":[{{"index":0,"config":{{"index":0}}}}]}}{more}}}]}}"#
        )
    };
    let one = "/openconfig-interfaces:interfaces/interface=e0";
    server.accepts("PUT", one, &interface("ethernetCsmacd", ethernet));
    // What is written where its when is false.
    refuses(
        server,
        "PUT",
        one,
        &interface("tunnel", ethernet),
        "<interface xmlns='http://openconfig.net/yang/interfaces'><name>e0</name><config><name>e0</name>\
         <type xmlns:i='urn:ietf:params:xml:ns:yang:iana-if-type'>i:tunnel</type></config>\
         <ethernet xmlns='http://openconfig.net/yang/interfaces/ethernet'><config>\
         <mac-address>00:00:5e:00:53:01</mac-address></config></ethernet></interface>",
        &Refusal {
            status: 400,
            tag: "unknown-element",
            app_tag: None,
            path: "/openconfig-interfaces:interfaces/interface[name='e0']/openconfig-if-ethernet:ethernet",
            message: "\"ethernet\" cannot be here: its \"when\" does not hold",
            info: Some(("ietf-netconf:bad-element", json!("ethernet"))),
        },
    );
    // What stands there goes when its when becomes false (RFC 7950 section 8.2).
    let (status, answer) = server.send(
        "PATCH",
        &format!("{one}/config"),
        Encoding::Json,
        r#"{"openconfig-interfaces:config":{"type":"iana-if-type:tunnel"}}"#,
    );
    assert_eq!(status, 204, "{answer}");
    let (_, left) = server.send("GET", one, Encoding::Json, "");
    assert!(left.contains("tunnel") && !left.contains("ethernet"), "{left}");

    let instance = "/openconfig-network-instance:network-instances/network-instance=n";
    server.accepts(
        "PUT",
        instance,
        r#"{"openconfig-network-instance:network-instance":[{"name":"n","config":{"name":"n",
            "type":"openconfig-network-instance-types:L3VRF"},
            "interfaces":{"interface":[{"id":"1","config":{"id":"1","interface":"e0","subinterface":0}}]}}]}"#,
    );
    let entry =
        "/openconfig-network-instance:network-instances/network-instance[name='n']/interfaces/interface";
    let leafs: Vec<String> = ["1", "2"]
        .iter()
        .flat_map(|id| ["interface", "subinterface"].map(|leaf| format!("{entry}[id='{id}']/config/{leaf}")))
        .collect();
    refuses(
        server,
        "POST",
        &format!("{instance}/interfaces"),
        r#"{"openconfig-network-instance:interface":[{"id":"2","config":{"id":"2","interface":"e0","subinterface":0}}]}"#,
        "<interface xmlns='http://openconfig.net/yang/network-instance'><id>2</id><config><id>2</id>\
         <interface>e0</interface><subinterface>0</subinterface></config></interface>",
        &Refusal {
            status: 412,
            tag: "operation-failed",
            app_tag: Some("data-not-unique"),
            path: "/openconfig-network-instance:network-instances/network-instance[name='n']/interfaces/interface",
            message: "two \"interface\" have the same e0, 0",
            info: Some(("yang:non-unique", json!(leafs))),
        },
    );
}
