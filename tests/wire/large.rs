//! Large data objects: in parts on disk, checked as a whole, gone on with after a kill, in a backup, and gone in their time.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};

use crate::elsewhere::wait_until;
use crate::http::{Answer, Client};
use crate::process::{Server, run};

const PART: usize = 1 << 20;
const PARTS: usize = 4;

fn octets(part: usize) -> Vec<u8> {
    (0..PART).map(|n| (n * 31 + part * 7 + n / 251) as u8).collect()
}

fn hexadecimal(octets: &[u8]) -> String {
    Sha256::digest(octets).iter().map(|octet| format!("{octet:02x}")).collect()
}

fn put(client: &mut Client, part: usize, more: &Json) -> Answer {
    let mut input = json!({
        "id": "video", "from": "admin", "media-type": "video/mp4", "offset": (part * PART).to_string(),
        "more": true, "binary": STANDARD.encode(octets(part)),
    });
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let body = json!({"magent-task:input": input});
    client.send("POST", "/restconf/operations/magent-task:put-data", &body).unwrap()
}

fn object(client: &mut Client) -> Json {
    let path = "/restconf/data/magent-task:interaction/data-objects/data-object=video";
    client.get(path).json()["magent-task:data-object"][0].clone()
}

/// All of it, read in pieces.
fn read(client: &mut Client) -> Vec<u8> {
    let path = "/restconf/data/magent-task:interaction/data-objects/data-object=video/read";
    let mut all = Vec::new();
    loop {
        let input = json!({"magent-task:input": {"offset": all.len().to_string(), "length": 700_001}});
        let output = client.call(path, &input)["magent-task:output"].clone();
        all.extend(STANDARD.decode(output["binary"].as_str().unwrap()).unwrap());
        match output["next-offset"].as_str() {
            Some(next) => assert_eq!(next, all.len().to_string()),
            None => return all,
        }
    }
}

#[test]
fn a_large_object_comes_in_parts_over_a_kill_and_is_checked_as_a_whole() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::start(&data, "");
    let mut client = server.client();
    let whole: Vec<u8> = (0..PARTS).flat_map(octets).collect();
    for part in 0..2 {
        assert_eq!(put(&mut client, part, &json!({})).status, 200);
    }
    server.kill();
    let log = std::fs::metadata(data.join("log.sqlite3")).unwrap().len()
        + std::fs::metadata(data.join("log.sqlite3-wal")).map_or(0, |wal| wal.len());
    assert!(log < PART as u64, "the log has {log} octets");
    let server = Server::start(&data, "");
    let mut client = server.client();
    // The size tells where to go on; what is known already is refused.
    assert_eq!(object(&mut client)["size"], (2 * PART).to_string());
    assert_eq!(put(&mut client, 1, &json!({})).status, 400);
    assert_eq!(put(&mut client, 2, &json!({})).status, 200);
    let wrong = put(&mut client, 3, &json!({"more": false, "sha256": hexadecimal(b"another")}));
    assert_eq!(wrong.status, 400, "{wrong}");
    assert!(String::from_utf8_lossy(&wrong.body).contains("bad-checksum"), "{wrong}");
    let right = put(&mut client, 3, &json!({"more": false, "sha256": hexadecimal(&whole)}));
    assert_eq!(right.json()["magent-task:output"]["complete"], true, "{right}");
    assert_eq!(object(&mut client)["sha256"], hexadecimal(&whole));
    assert!(read(&mut client) == whole);

    let verified = run(&["log", "verify"], &data);
    let said = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(verified.status.success() && said.contains("parts of data objects whole: "), "{said}");
    let part = std::fs::read_dir(data.join("blobs")).unwrap().next().unwrap().unwrap().path();
    let (kept, other) = (std::fs::read(&part).unwrap(), directory.path().join("other"));
    std::fs::write(&other, b"something else").unwrap();
    for at in [&other, &directory.path().join("none")] {
        std::fs::remove_file(&part).unwrap();
        let _ = std::fs::copy(at, &part);
        let verified = run(&["log", "verify"], &data);
        let said = String::from_utf8_lossy(&verified.stderr).into_owned();
        let name = part.file_name().unwrap().to_str().unwrap();
        assert!(!verified.status.success() && said.contains(name), "{said}");
        std::fs::write(&part, &kept).unwrap();
    }

    let backup = directory.path().join("backup");
    let made = run(&["backup", &backup.display().to_string()], &data);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let path = "/restconf/data/magent-task:interaction/data-objects/data-object=video/remove";
    assert_eq!(client.ask("POST", path, &[], b"").unwrap().status, 204);
    assert!(object(&mut client).is_null());
    server.kill();
    let restored = directory.path().join("restored");
    let back = run(&["restore", &backup.display().to_string()], &restored);
    assert!(back.status.success(), "{}", String::from_utf8_lossy(&back.stderr));
    let server = Server::start(&restored, "");
    assert!(read(&mut server.client()) == whole);
}

#[test]
fn data_goes_when_its_time_is_over() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(&directory.path().join("data"), "");
    let mut client = server.client();
    assert_eq!(put(&mut client, 0, &json!({"more": false, "lifetime": 1})).status, 200);
    assert!(object(&mut client)["expires-at"].is_string());
    let client = std::cell::RefCell::new(client);
    wait_until("it is gone", || object(&mut client.borrow_mut()).is_null());
}
