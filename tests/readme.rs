//! The tour of README.md prints what README.md says.
//!
//! Every `console` block is run, in one shell and in order, against a server of its own; times
//! and identifiers that differ from run to run are compared by their form. To write what was
//! printed into README.md: `README_BLESS=1 cargo test --test readme`.

#![allow(clippy::expect_used, clippy::panic)] // tests

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use regex::Regex;

const MARK: &str = "@@@ next @@@";

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; the test has said so then.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_tour_prints_what_it_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("README.md")).expect("README.md is there");
    let directory = tempfile::tempdir().expect("a directory");
    let binary = Path::new(env!("CARGO_BIN_EXE_agentconf"));

    let mut child = Command::new(binary)
        .args(["serve", "--https", "127.0.0.1:0"])
        .current_dir(directory.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the server starts");
    let stdout = child.stdout.take().expect("it is piped");
    let _server = Server(child);
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).expect("the server says where it listens");
    let port = line.trim().rsplit(':').next().expect("a port").to_owned();

    let steps = steps(&text);
    assert!(steps.len() > 15, "the tour was found");
    let mut script = String::from("exec 2>&1\n");
    for step in &steps {
        script += &format!("echo '{MARK}'\n{}\n", step.command.replace(":8443", &format!(":{port}")));
    }
    let path = std::env::var("PATH").expect("a path");
    let path = format!("{}:{path}", binary.parent().expect("a folder").display());
    let output =
        Command::new("bash").args(["-c", &script]).env("PATH", path).current_dir(directory.path()).output();
    let printed = String::from_utf8(output.expect("bash runs").stdout).expect("UTF-8");
    let printed: Vec<&str> = printed.split(&format!("{MARK}\n")).skip(1).collect();
    assert_eq!(printed.len(), steps.len());

    if std::env::var_os("README_BLESS").is_some() {
        return bless(root, &text, &steps, &printed);
    }
    for (step, printed) in steps.iter().zip(&printed) {
        assert_eq!(normal(printed), normal(&step.output), "output of: {}", step.command);
    }
}

#[test]
fn its_rust_is_of_an_example_that_is_compiled() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |file: &str| fs::read_to_string(root.join(file)).expect("it is there");
    let (readme, example) = (read("README.md"), read("examples/agent.rs"));
    let shown: Vec<&str> =
        readme.split("```rust\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(!shown.is_empty() && shown.iter().all(|code| example.contains(code)), "{shown:?}");
}

/// A command of a `console` block, the lines it stands in, and the output below it.
struct Step {
    command: String,
    output: String,
    /// The lines of the output in the file.
    lines: std::ops::Range<usize>,
}

fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut inside = false;
    for (number, line) in text.lines().enumerate() {
        match (inside, line) {
            (false, "```console") => inside = true,
            (true, "```") => inside = false,
            (true, _) if line.starts_with("$ ") => {
                let after = number + 1;
                steps.push(Step { command: line[2..].into(), output: String::new(), lines: after..after });
            }
            (true, _) => {
                let step = steps.last_mut().expect("a block begins with a command");
                match line.strip_prefix("> ") {
                    Some(more) => {
                        step.command += &format!("\n{more}");
                        step.lines = number + 1..number + 1;
                    }
                    None => {
                        step.output += &format!("{line}\n");
                        step.lines.end = number + 1;
                    }
                }
            }
            (false, _) => {}
        }
    }
    steps
}

/// Times, hashes and chosen identifiers by their form.
fn normal(text: &str) -> String {
    let time = Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z").expect("it is right");
    let hash = Regex::new(r"[0-9a-f]{64}").expect("it is right");
    let text = time.replace_all(text, "TIME");
    hash.replace_all(&text, "HASH").trim().to_owned()
}

fn bless(root: &Path, text: &str, steps: &[Step], printed: &[&str]) {
    let lines: Vec<&str> = text.lines().collect();
    let mut blessed = Vec::new();
    let mut at = 0;
    for (step, printed) in steps.iter().zip(printed) {
        blessed.extend_from_slice(&lines[at..step.lines.start]);
        blessed.extend(printed.lines());
        at = step.lines.end;
    }
    blessed.extend_from_slice(&lines[at..]);
    fs::write(root.join("README.md"), blessed.join("\n") + "\n").expect("README.md is written");
}
