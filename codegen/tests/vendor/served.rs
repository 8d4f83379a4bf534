//! The server built with a vendor's modules refuses what they forbid: each kind of constraint is
//! violated over HTTPS by curl, in JSON and in XML, and the answer has the status, error-tag,
//! error-app-tag, error-path and error-info of RFC 7950 sections 8.3 and 15 and RFC 8040 section 7.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use agentconf_codegen::Compiler;
use serde_json::{Value as Json, json};

use super::{copy, drop_all, packages, project};

/// The server with the vendor's modules, in `target/`, where it stays for the next time.
fn built(packages: &[PathBuf; 3]) -> PathBuf {
    let root = project();
    let package = root.join("target/vendor-server");
    if package.exists() {
        std::fs::remove_dir_all(&package).unwrap();
    }
    copy(&root.join("src"), &package.join("src"));
    copy(&root.join("yang"), &package.join("yang"));
    // The only one of these modules with a "unique".
    drop_all(&package.join("yang"), packages, &["openconfig-network-instance"]);
    let out = package.join("src/yang/generated");
    std::fs::remove_dir_all(&out).unwrap();
    std::fs::create_dir_all(&out).unwrap();
    let files = Compiler::new().yang_dir(package.join("yang")).out_dir(&out).compile();
    for (name, text) in files.unwrap_or_else(|e| panic!("{e}")) {
        std::fs::write(out.join(name), text).unwrap();
    }
    // A workspace and a program of its own, so that the project's program stays what it is.
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let (before, after) = manifest.split_once("[[bench]]").unwrap();
    let (_, after) = after.split_once("\n\n").unwrap();
    let manifest = format!("{before}[[bin]]\nname = \"vendor-server\"\npath = \"src/main.rs\"\n\n{after}")
        .replace("members = [\".\", \"codegen\"]", "members = [\".\"]");
    std::fs::write(package.join("Cargo.toml"), manifest).unwrap();
    std::fs::copy(root.join("Cargo.lock"), package.join("Cargo.lock")).unwrap();
    let target = root.join("target");
    let mut cargo = Command::new(env!("CARGO"));
    let built = cargo.args(["build", "--offline", "--quiet", "--bin", "vendor-server"]);
    let built = built.current_dir(&package).env("CARGO_TARGET_DIR", &target).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    target.join("debug/vendor-server")
}

/// A running server; it ends with this.
struct Server {
    process: Child,
    data: tempfile::TempDir,
    url: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Encoding {
    Json,
    Xml,
}

impl Server {
    fn start(program: &Path) -> Server {
        let data = tempfile::tempdir().unwrap();
        let mut process = Command::new(program)
            .args(["serve", "--https", "127.0.0.1:0", "--data"])
            .arg(data.path().join("data"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let listening = lines.map_while(Result::ok).find_map(|line| {
            line.strip_prefix("listening https ").map(|address| format!("https://{address}/restconf/data"))
        });
        Server { process, data, url: listening.unwrap() }
    }

    /// The status and the body of the answer.
    fn send(&self, method: &str, path: &str, encoding: Encoding, body: &str) -> (u16, String) {
        let data = self.data.path().join("data");
        let token = std::fs::read_to_string(data.join("admin.jwt")).unwrap();
        let media_type = match encoding {
            Encoding::Json => "application/yang-data+json",
            Encoding::Xml => "application/yang-data+xml",
        };
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--max-time", "60", "--write-out", "\n%{http_code}"])
            .arg("--cacert")
            .arg(data.join("pki/ca.pem"))
            .args(["--request", method, "--header", &format!("Authorization: Bearer {}", token.trim())])
            .args(["--header", &format!("Accept: {media_type}")]);
        if !body.is_empty() {
            curl.args(["--header", &format!("Content-Type: {media_type}"), "--data-binary", body]);
        }
        let output = curl.arg(format!("{}{path}", self.url)).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let (body, status) = text.rsplit_once('\n').unwrap();
        (status.parse().unwrap(), body.to_owned())
    }

    fn accepts(&self, method: &str, path: &str, body: &str) {
        let (status, answer) = self.send(method, path, Encoding::Json, body);
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
    }

    /// Sends in both encodings what has to be refused.
    fn refuses(&self, method: &str, path: &str, json: &str, xml: &str, wanted: &Refusal) {
        let (_, before) = self.send("GET", "", Encoding::Json, "");
        let (status, answer) = self.send(method, path, Encoding::Json, json);
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

        let (status, answer) = self.send(method, path, Encoding::Xml, xml);
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
        let (_, after) = self.send("GET", "", Encoding::Json, "");
        assert_eq!(before, after, "what was refused has changed nothing");
    }
}

/// What has to come back.
struct Refusal {
    status: u16,
    tag: &'static str,
    app_tag: Option<&'static str>,
    path: &'static str,
    message: &'static str,
    info: Option<(&'static str, Json)>,
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
    let Some(packages) = packages() else { return };
    let server = Server::start(&built(&packages));
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
    server.refuses(
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
    server.refuses(
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
    server.refuses(
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
    server.refuses(
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
    server.refuses(
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
    server.refuses(
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
    server.refuses(
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
    server.refuses(
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
    server.refuses(
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
    server.refuses(
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
