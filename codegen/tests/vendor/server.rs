//! The server built with a vendor's modules and with those of `yang/` here, started and asked by curl. It never says
//! what an answer has to be.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use agentconf_codegen::Compiler;
use serde_json::Value as Json;

use super::{copy, drop_all, packages, project};

/// The features that the server is to support of the modules here.
const FEATURES: &str = "example-yard = [\"cranes\"]\n";

/// The server with the vendor's modules, in `target/`, where it stays for the next time. Tests that are processes of their own
/// take turns here, and find what the first has built of the same sources.
fn built(packages: &[PathBuf; 3]) -> PathBuf {
    let target = project().join("target");
    let turn = std::fs::File::create(target.join("vendor-server.lock")).unwrap();
    turn.lock().unwrap();
    let (stamp, program) = (target.join("vendor-server.stamp"), target.join("debug/vendor-server"));
    let sources = sources();
    if std::fs::read_to_string(&stamp).ok().as_ref() != Some(&sources) || !program.is_file() {
        build(packages);
        std::fs::write(&stamp, sources).unwrap();
    }
    program
}

/// What stands for all that the server is built of.
fn sources() -> String {
    fn add(path: &Path, hasher: &mut DefaultHasher) {
        if path.is_dir() {
            let mut below: Vec<PathBuf> =
                std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
            below.sort();
            below.iter().for_each(|path| add(path, hasher));
        } else {
            path.hash(hasher);
            std::fs::read(path).unwrap().hash(hasher);
        }
    }
    let mut hasher = DefaultHasher::new();
    let parts = ["src", "yang", "codegen/src", "codegen/tests/vendor", "Cargo.toml", "Cargo.lock"];
    let packages = ["tests/requirements.txt", "tests/requirements-models.txt"];
    parts.iter().chain(&packages).for_each(|part| add(&project().join(part), &mut hasher));
    format!("{:016x}", hasher.finish())
}

fn build(packages: &[PathBuf; 3]) {
    let root = project();
    let temp = tempfile::tempdir().unwrap();
    let package = temp.path();
    copy(&root.join("src"), &package.join("src"));
    copy(&root.join("yang"), &package.join("yang"));
    // The only one of these modules with a "unique".
    drop_all(&package.join("yang"), packages, &["openconfig-network-instance"]);
    copy(&root.join("codegen/tests/vendor/yang"), &package.join("yang/vendor/own"));
    let settings = package.join("yang/modules.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    // The table of features is its last.
    std::fs::write(&settings, text + FEATURES).unwrap();
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
    let (target, lasting) = (root.join("target"), root.join("target/vendor-server"));
    mirror(package, &lasting);
    let mut cargo = Command::new(env!("CARGO"));
    let built = cargo.args(["build", "--offline", "--quiet", "--bin", "vendor-server"]);
    let built = built.current_dir(&lasting).env("CARGO_TARGET_DIR", &target).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
}

/// Makes a folder what another is. Files that are the same stay untouched, so that they are not compiled again.
fn mirror(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(to).unwrap() {
        let old = entry.unwrap().path();
        match (from.join(old.file_name().unwrap()).exists(), old.is_dir()) {
            (true, _) => {}
            (false, true) => std::fs::remove_dir_all(&old).unwrap(),
            (false, false) => std::fs::remove_file(&old).unwrap(),
        }
    }
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            mirror(&path, &target);
        } else if std::fs::read(&target).ok() != std::fs::read(&path).ok() {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

/// A running server; it ends with this.
pub struct Server {
    process: Child,
    data: tempfile::TempDir,
    token: String,
    /// Scheme, host and port.
    pub origin: String,
    /// Host and port of NETCONF over TLS.
    pub netconf: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Encoding {
    Json,
    Xml,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    head: String,
    pub body: String,
}

impl Answer {
    /// The value of a header field, or nothing.
    pub fn header(&self, name: &str) -> &str {
        let field = |line: &'_ str| line.split_once(": ").is_some_and(|(n, _)| n.eq_ignore_ascii_case(name));
        self.head
            .lines()
            .find(|line| field(line))
            .and_then(|line| line.split_once(": "))
            .map_or("", |(_, v)| v)
    }

    /// The body as JSON.
    pub fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// The status and the error-tag of the first error.
    pub fn refusal(&self) -> (u16, String) {
        let tag = self.json()["ietf-restconf:errors"]["error"][0]["error-tag"].clone();
        (self.status, tag.as_str().unwrap_or_default().to_owned())
    }
}

impl Server {
    /// Starts the server, which is built once; `None` if the vendor's modules are missing.
    pub fn start() -> Option<Server> {
        static PROGRAM: OnceLock<Option<PathBuf>> = OnceLock::new();
        let program = PROGRAM.get_or_init(|| packages().map(|packages| built(&packages))).as_ref()?;
        let data = tempfile::tempdir().unwrap();
        let mut process = Command::new(program)
            .args(["serve", "--https", "127.0.0.1:0", "--tls", "127.0.0.1:0", "--data"])
            .arg(data.path().join("data"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok);
        let listening: Vec<String> =
            lines.filter_map(|line| line.strip_prefix("listening ").map(str::to_owned)).take(2).collect();
        let address = |scheme: &str| listening.iter().find_map(|line| line.strip_prefix(scheme)).unwrap();
        let (origin, netconf) = (format!("https://{}", address("https ")), address("tls ").to_owned());
        let token = std::fs::read_to_string(data.path().join("data/admin.jwt")).unwrap();
        Some(Server { process, data, token: token.trim().to_owned(), origin, netconf })
    }

    /// A file of its data.
    pub fn file(&self, name: &str) -> PathBuf {
        self.data.path().join("data").join(name)
    }

    /// Reads what is not below `/restconf`.
    pub fn outside(&self, path: &str) -> Answer {
        self.exchange("GET", path, &[], "")
    }

    /// Sends a request for a target below `/restconf`, with these header fields.
    pub fn ask(&self, method: &str, target: &str, fields: &[&str], body: &str) -> Answer {
        self.exchange(method, &format!("/restconf{target}"), fields, body)
    }

    fn exchange(&self, method: &str, path: &str, fields: &[&str], body: &str) -> Answer {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--include", "--path-as-is", "--max-time", "60"])
            .arg("--cacert")
            .arg(self.data.path().join("data/pki/ca.pem"))
            .args(["--header", &format!("Authorization: Bearer {}", self.token)]);
        curl.args(["--globoff", "--request", method]);
        for field in fields {
            curl.args(["--header", field]);
        }
        if !body.is_empty() {
            curl.args(["--data-binary", body]);
        }
        let output = curl.arg(format!("{}{path}", self.origin)).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// A request below `/restconf/data` with what goes and comes in one encoding: the status and the body.
    pub fn send(&self, method: &str, path: &str, encoding: Encoding, body: &str) -> (u16, String) {
        let media_type = match encoding {
            Encoding::Json => "application/yang-data+json",
            Encoding::Xml => "application/yang-data+xml",
        };
        let fields = [format!("Accept: {media_type}"), format!("Content-Type: {media_type}")];
        let fields = [fields[0].as_str(), fields[1].as_str()];
        let fields = if body.is_empty() { &fields[..1] } else { &fields[..] };
        let answer = self.ask(method, &format!("/data{path}"), fields, body);
        (answer.status, answer.body)
    }

    /// The same in JSON, which has to succeed.
    pub fn accepts(&self, method: &str, path: &str, body: &str) {
        let (status, answer) = self.send(method, path, Encoding::Json, body);
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
    }
}
