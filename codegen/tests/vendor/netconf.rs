//! A session of NETCONF over TLS with the server, through `openssl s_client`. It never says what a reply has to be.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::server::Server;

pub const NC: &str = "urn:ietf:params:xml:ns:netconf:base:1.0";
const END: &str = "]]>]]>";

/// A session of the administrator, of base:1.0.
pub struct Session {
    process: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Drop for Session {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Session {
    /// Begins a session with a certificate that the server's own authority issues.
    pub fn open(server: &Server) -> Session {
        let file = |name: &str| server.file(name).into_os_string().into_string().unwrap();
        let (authority, issuing) = (file("pki/ca.pem"), file("pki/ca.key"));
        let (certificate, key) = (file("admin.pem"), file("admin.key"));
        let issued = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-subj",
                "/CN=admin",
            ])
            .args([
                "-days",
                "1",
                "-addext",
                "basicConstraints=critical,CA:FALSE",
                "-CA",
                &authority,
                "-CAkey",
                &issuing,
            ])
            .args(["-keyout", &key, "-out", &certificate])
            .output()
            .unwrap();
        assert!(issued.status.success(), "{}", String::from_utf8_lossy(&issued.stderr));
        let mut process = Command::new("openssl")
            .args([
                "s_client",
                "-quiet",
                "-verify_return_error",
                "-connect",
                &server.netconf,
                "-CAfile",
                &authority,
            ])
            .args(["-cert", &certificate, "-key", &key])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (to, from) = (process.stdin.take().unwrap(), BufReader::new(process.stdout.take().unwrap()));
        let mut session = Session { process, to, from };
        let base = "urn:ietf:params:netconf:base:1.0";
        session.send(&format!(
            "<hello xmlns=\"{NC}\"><capabilities><capability>{base}</capability></capabilities></hello>"
        ));
        assert!(session.message().contains("<hello "));
        session
    }

    fn send(&mut self, message: &str) {
        self.to.write_all(format!("{message}{END}").as_bytes()).unwrap();
        self.to.flush().unwrap();
    }

    fn message(&mut self) -> String {
        let mut octets = Vec::new();
        while !octets.ends_with(END.as_bytes()) {
            let read = self.from.read_until(b'>', &mut octets).unwrap();
            assert!(read > 0, "it ends: {}", String::from_utf8_lossy(&octets));
        }
        octets.truncate(octets.len() - END.len());
        String::from_utf8(octets).unwrap()
    }

    /// What is in the reply to an operation.
    pub fn ask(&mut self, operation: &str) -> String {
        self.send(&format!("<rpc xmlns=\"{NC}\" message-id=\"1\">{operation}</rpc>"));
        let reply = self.message();
        let start = format!("<rpc-reply xmlns=\"{NC}\" message-id=\"1\">");
        let content = reply.strip_prefix(&start).and_then(|rest| rest.strip_suffix("</rpc-reply>"));
        content.unwrap_or_else(|| panic!("{reply}")).to_owned()
    }

    /// `<edit-config>` of the running datastore with the operations of a `<config>`, where `y` and `t` are the modules of
    /// `yang/` here: the errors as `TYPE TAG [app-tag=…] [path=…] [NAME=…]…`, or nothing.
    pub fn edit(&mut self, parameters: &str, config: &str) -> String {
        let config = format!("<config {MODULES}>{config}</config>");
        let reply =
            self.ask(&format!("<edit-config><target><running/></target>{parameters}{config}</edit-config>"));
        if reply == "<ok/>" { String::new() } else { errors(&reply) }
    }

    /// What there is in a datastore, in place of its own declarations with the prefixes of [`MODULES`].
    pub fn config(&mut self, parameters: &str) -> String {
        let reply = self.ask(&format!("<get-config><source><running/></source>{parameters}</get-config>"));
        data(&reply)
    }
}

/// Prefixes for a request.
pub const MODULES: &str = "xmlns:nc=\"urn:ietf:params:xml:ns:netconf:base:1.0\" xmlns:yang=\"urn:ietf:params:xml:ns:yang:1\" \
                           xmlns:wd=\"urn:ietf:params:xml:ns:netconf:default:1.0\" xmlns:y=\"urn:example:yard\" xmlns:t=\"urn:example:yard-tower\"";

/// What is in `<data>`, without the namespace of the yard.
pub fn data(reply: &str) -> String {
    let (start, rest) = reply.split_once('>').unwrap();
    assert!(start.starts_with("<data"), "{reply}");
    rest.strip_suffix("</data>")
        .unwrap_or_else(|| panic!("{reply}"))
        .replace(" xmlns=\"urn:example:yard\"", "")
}

/// The errors of a reply.
pub fn errors(reply: &str) -> String {
    let mut all = Vec::new();
    for error in reply.split_inclusive("</rpc-error>") {
        let member = |name: &str| {
            let (_, rest) = error.split_once(&format!("<error-{name}"))?;
            let (_, rest) = rest.split_once('>')?;
            rest.split_once(&format!("</error-{name}>")).map(|(text, _)| text.to_owned())
        };
        let mut told =
            format!("{} {}", member("type").unwrap_or_else(|| panic!("{reply}")), member("tag").unwrap());
        for (name, shown) in [("app-tag", "app-tag"), ("path", "path")] {
            if let Some(text) = member(name) {
                told += &format!(" {shown}={}", bare(&text));
            }
        }
        let mut info = member("info").unwrap_or_default();
        while let Some((start, rest)) = info.clone().strip_prefix('<').and_then(|rest| rest.split_once('>')) {
            let name = start.split(' ').next().unwrap_or_default();
            let (value, rest) = rest.split_once(&format!("</{name}>")).unwrap();
            told += &format!(" {name}={}", bare(value));
            info = rest.to_owned();
        }
        all.push(told);
    }
    all.join("; ")
}

/// A path without its prefixes.
fn bare(path: &str) -> String {
    if !path.starts_with('/') {
        return path.to_owned();
    }
    path.split_inclusive(['/', '[']).map(|part| part.split_once(':').map_or(part, |(_, name)| name)).collect()
}
