//! Requests that are too long, too slow, or no HTTP: what is refused before or while it is read. It never sends anything that
//! the server may accept.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use crate::http::{Client, JSON, XML, read_answer};
use crate::process::LIMIT;
use crate::victim::{DATA, ENTRY, GOOD, Request, Victim, entry};

const BIG: usize = 100 * 1024 * 1024;

#[test]
fn a_body_of_100_mb_is_refused_and_the_client_reads_why() {
    let victim = Victim::new();
    let client = victim.server.client();
    for accept in [JSON, XML] {
        let length = BIG.to_string();
        let fields = [("Content-Type", JSON), ("Accept", accept), ("Content-Length", &length)];
        let mut request = client.head("PUT", ENTRY, &fields).into_bytes();
        request.resize(request.len() + BIG, b'x');
        let answer = client.raw(&request).unwrap();
        victim.compare("100 MB", (413, "too-big", ""), &answer, accept);

        let fields = [("Content-Type", JSON), ("Accept", accept), ("Transfer-Encoding", "chunked")];
        let mut request = client.head("PUT", ENTRY, &fields).into_bytes();
        let chunk = [b"100000\r\n".to_vec(), vec![b'x'; 0x10_0000], b"\r\n".to_vec()].concat();
        for _ in 0..BIG / 0x10_0000 {
            request.extend_from_slice(&chunk);
        }
        request.extend_from_slice(b"0\r\n\r\n");
        let answer = client.raw(&request).unwrap();
        victim.compare("100 MB in chunks", (413, "too-big", ""), &answer, accept);
    }
}

/// As `curl` shows it: the status, and the body if there is one.
fn curl(victim: &Victim, directory: &std::path::Path, arguments: &[&str]) -> (u16, String) {
    let ca = victim.server.data().join("pki/ca.pem");
    let body = directory.join("answer");
    let _ = fs::remove_file(&body);
    let authorization = format!("Authorization: {}", victim.server.admin());
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--max-time", "60", "--write-out", "%{http_code}", "--cacert"]);
    command.arg(&ca).args(["--header", &authorization, "--output"]).arg(&body).args(arguments);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}: {}", arguments[0], String::from_utf8_lossy(&output.stderr));
    (String::from_utf8_lossy(&output.stdout).parse().unwrap(), fs::read_to_string(&body).unwrap_or_default())
}

#[test]
fn curl_shows_why_a_request_is_too_big_over_both_versions_of_http() {
    let victim = Victim::new();
    let directory = tempfile::tempdir().unwrap();
    let big = directory.path().join("big");
    fs::write(&big, vec![b'x'; BIG]).unwrap();
    let (url, media) = (format!("https://{}{ENTRY}", victim.server.address), format!("Content-Type: {JSON}"));
    let upload = format!("@{}", big.display());
    let long = format!("https://{}/restconf/data/{}", victim.server.address, "a".repeat(100_000));
    let less_long = format!("https://{}/restconf/data/{}", victim.server.address, "a".repeat(20_000));
    for version in ["--http1.1", "--http2"] {
        for more in [&[][..], &["--header", "Expect:"], &["--header", "Transfer-Encoding: chunked"]] {
            let mut arguments =
                vec![version, "--request", "PUT", "--header", &media, "--data-binary", &upload, &url];
            arguments.extend(more);
            let (status, body) = curl(&victim, directory.path(), &arguments);
            assert_eq!(status, 413, "{version} {more:?}: {body}");
            assert!(body.contains("\"error-tag\":\"too-big\""), "{version} {more:?}: {body}");
            victim.serves("a big body by curl");
        }
        // curl itself refuses to send 100 kB of header fields in HTTP/2.
        for url in [&long, &less_long].into_iter().filter(|url| version == "--http1.1" || url.len() < 64_000)
        {
            let (status, body) = curl(&victim, directory.path(), &[version, url]);
            assert_eq!(status, 414, "{version} {}: {body}", url.len());
            assert!(body.contains("\"error-tag\":\"too-big\""), "{version}: {body}");
            victim.serves("a long URL by curl");
        }
    }
}

#[test]
fn long_targets_and_heads_are_refused() {
    let victim = Victim::new();
    // Up to where the server looks at it, up to where the library does, and beyond what it takes of a head.
    for length in [20_000, 60_000, 100_000, 300_000] {
        let target = format!("/restconf/data/irtf-agent:data-params={}", "a".repeat(length));
        let head = victim.server.client().head("GET", &target, &[]);
        victim.refuses_bytes("a long target", (414, "too-big", ""), head.as_bytes());
    }
    let target = format!("/restconf/data/irtf-agent:data-params={}", "a".repeat(20_000));
    victim.refuses("a long target", (414, "too-big", ""), Request::new("GET", &target, b""));
    let target = format!("/restconf/data?fields={}", "a;".repeat(10_000));
    victim.refuses("a long query", (414, "too-big", ""), Request::new("GET", &target, b""));
    let client = victim.server.client();
    // The library takes up to twice what it is told.
    let long = "a".repeat(200_000);
    victim.refuses_bytes(
        "a long field",
        (431, "too-big", ""),
        client.head("GET", DATA, &[("X-Long", &long)]).as_bytes(),
    );
    let many = vec![("X", "y"); 200];
    victim.refuses_bytes("many fields", (431, "too-big", ""), client.head("GET", DATA, &many).as_bytes());
}

/// RFC 9113 sections 4.1 and 6.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// RFC 7541 section 6.2.2: a literal without indexing, both texts without Huffman codes.
pub fn literal(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| {
        let mut coded = Vec::new();
        match text.len() {
            short @ 0..127 => coded.push(short as u8),
            long => {
                coded.push(127);
                let mut rest = long - 127;
                while rest >= 128 {
                    coded.push((rest % 128) as u8 | 128);
                    rest /= 128;
                }
                coded.push(rest as u8);
            }
        }
        coded.extend_from_slice(text.as_bytes());
        coded
    };
    [vec![0], text(name), text(value)].concat()
}

/// No library sends it, so it is put together here. The server's library answers by itself, with 431 alone.
#[test]
fn a_target_of_100_kb_in_http_2_is_refused() {
    const HEADERS: u8 = 1;
    const CONTINUATION: u8 = 9;
    let victim = Victim::new();
    let target = format!("/restconf/data/{}", "a".repeat(100_000));
    let fields = [(":method", "GET"), (":scheme", "https"), (":authority", "localhost"), (":path", &target)];
    let block: Vec<u8> = fields.iter().flat_map(|(name, value)| literal(name, value)).collect();
    let mut request = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    request.extend(frame(4, 0, 0, b""));
    let parts: Vec<&[u8]> = block.chunks(16_000).collect();
    for (i, part) in parts.iter().enumerate() {
        let (kind, end_stream) = if i == 0 { (HEADERS, 1) } else { (CONTINUATION, 0) };
        let end_headers = if i + 1 == parts.len() { 4 } else { 0 };
        request.extend(frame(kind, end_stream | end_headers, 1, part));
    }
    let mut connection = victim.server.client().connect_with(&[b"h2"]).unwrap();
    connection.get_mut().write_all(&request).unwrap();
    let answer = loop {
        let mut head = [0; 9];
        connection.read_exact(&mut head).unwrap();
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        connection.read_exact(&mut payload).unwrap();
        if head[5..] == [0, 0, 0, 1] {
            break (head[3], payload);
        }
    };
    // RFC 7541: `:status` from the static table, its value as Huffman codes of "431" or as it is.
    let status = [&[0x48, 0x83, 0x69, 0x90, 0xff][..], &[0x48, 0x03, b'4', b'3', b'1']];
    let (kind, block) = answer;
    assert_eq!(kind, HEADERS);
    assert!(status.iter().any(|status| block.starts_with(status)), "{block:x?}");
    victim.serves("a long target in HTTP/2");
}

#[test]
fn broken_http_is_refused() {
    let victim = Victim::new();
    let client = victim.server.client();
    let good = client.head("GET", DATA, &[]);
    let without_end = good.strip_suffix("\r\n").unwrap();
    let broken = [
        ("nonsense", "nonsense\r\n\r\n".to_owned()),
        ("NULs", "\0\0\0\0\r\n\r\n".to_owned()),
        ("no version", format!("GET {DATA}\r\n\r\n")),
        ("an unknown version", good.replace("HTTP/1.1", "HTTP/3.0")),
        ("a space in the target", good.replacen(DATA, "/rest conf", 1)),
        ("a NUL in the target", good.replacen(DATA, "/rest\0conf", 1)),
        ("a NUL in a field", format!("{without_end}X: a\0b\r\n\r\n")),
        ("a field name with a space", format!("{without_end}X y: a\r\n\r\n")),
        ("a field without a colon", format!("{without_end}nonsense\r\n\r\n")),
        ("a folded field", format!("{without_end}X: a\r\n b\r\n\r\n")),
        ("no Host", good.replacen("Host", "X-Host", 1)),
        ("two Hosts", format!("{without_end}Host: x\r\n\r\n")),
        ("a length that is no number", format!("{without_end}Content-Length: x\r\n\r\n")),
        ("a negative length", format!("{without_end}Content-Length: -1\r\n\r\n")),
        ("two lengths", format!("{without_end}Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx")),
        ("a length too large", format!("{without_end}Content-Length: 99999999999999999999999\r\n\r\n")),
        ("an unknown coding", format!("{without_end}Transfer-Encoding: nosuch\r\n\r\n")),
    ];
    for (name, bytes) in broken {
        victim.refuses_bytes(name, (400, "malformed-message", ""), bytes.as_bytes());
    }
    let head = client.head("PUT", ENTRY, &[("Content-Type", JSON), ("Transfer-Encoding", "chunked")]);
    victim.refuses_bytes(
        "a bad chunk",
        (400, "malformed-message", ""),
        format!("{head}nonsense\r\n").as_bytes(),
    );
}

#[test]
fn clients_that_stop_half_way_do_not_hold_the_server_up() {
    let victim = Victim::new();
    let client = victim.server.client();
    let head = client.head("PUT", ENTRY, &[("Content-Type", JSON), ("Content-Length", "1000")]);

    let answer = client.raw(format!("{head}{{\"irtf-").as_bytes()).unwrap();
    victim.compare("half a body, then nothing", (408, "operation-failed", ""), &answer, JSON);

    // Nobody is there to be told; that the server goes on is all.
    for part in [&head[..0], &head[..20], &head[..head.len() - 2], &head, &format!("{head}{{")] {
        let mut connection = client.connect().unwrap();
        connection.get_mut().write_all(part.as_bytes()).unwrap();
        drop(connection);
        victim.serves("a request that ends half-way");
    }

    // A head that does not end is cut off; RFC 9110 section 15.5.9 lets the server answer or only close.
    for part in ["", "GET", &head[..head.len() - 2]] {
        let mut connection = client.connect().unwrap();
        connection.get_mut().write_all(part.as_bytes()).unwrap();
        if let Ok(answer) = read_answer(&mut connection, false) {
            assert_eq!(answer.status, 408, "{answer}");
        }
        victim.serves("a head that does not end");
    }

    // Byte for byte, and never the end: it is cut off although bytes keep coming.
    let mut connection = client.connect().unwrap();
    let stream = connection.get_mut();
    stream.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    stream.sock.set_read_timeout(Some(std::time::Duration::from_millis(100))).unwrap();
    let mut byte = [0];
    let ends = (0..LIMIT.as_millis() / 100).any(|_| {
        let written = stream.write_all(b"X: y\r\n").and_then(|()| stream.flush());
        let waiting = |error: &std::io::Error| {
            matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
        };
        written.is_err() || !stream.read(&mut byte).is_err_and(|error| waiting(&error))
    });
    assert!(ends, "a head that comes for ever is taken for ever");
    victim.serves("a head that comes for ever");
}

#[test]
fn what_is_no_tls_is_closed() {
    let victim = Victim::new();
    let garbage: Vec<u8> = (0..5000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for bytes in
        [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), garbage, vec![0x16, 3, 1, 0xff, 0xff], Vec::new()]
    {
        let mut tcp = TcpStream::connect(victim.server.address).unwrap();
        tcp.set_read_timeout(Some(LIMIT)).unwrap();
        // It may close before it has taken everything.
        let _ = tcp.write_all(&bytes);
        let _ = tcp.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = tcp.read_to_end(&mut answer);
        assert!(answer.len() < 100, "at most an alert: {answer:?}");
        victim.serves("what is no TLS");
    }
    let connections: Vec<TcpStream> =
        (0..300).map(|_| TcpStream::connect(victim.server.address).unwrap()).collect();
    victim.serves("300 idle connections");
    drop(connections);
    victim.serves("300 closed connections");
}

#[test]
fn requests_behind_a_refused_one_are_not_taken_from_its_body() {
    let victim = Victim::new();
    let client: Client = victim.server.client();
    // What follows a refused upload is its body, whatever it looks like.
    let hidden =
        client.head("PUT", ENTRY, &[("Content-Type", JSON), ("Content-Length", "58")]) + &entry(GOOD);
    let length = (17 * 1024 * 1024).to_string();
    let mut request = client.head("PUT", "/nosuch", &[("Content-Type", JSON), ("Content-Length", &length)]);
    request.push_str(&hidden);
    let answer = client.raw(request.as_bytes()).unwrap();
    assert_eq!(answer.status, 404, "{answer}");
    victim.serves("a request in a body");
}
