//! The servers of a story, as processes of the program `agentconf`: which this example is too, with the arguments of that. It
//! knows of one what who runs it knows: its directory, its authority and where it listens.

use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Arc;

use agentconf::client::agent::Agent;
use agentconf::server::files::{self, Readers};
use rcgen::{CertificateParams, DnType, Issuer, KeyPair};

use crate::play::{Failure, Way, tell};
use crate::stage::{DESK, Role};

/// The settings: reports may be sent to agents on this machine.
const SETTINGS: &str = "[callbacks]\nplain-http = true\naddresses = [\"127.0.0.1/32\"]\n";

/// A process that ends with this.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    /// Starts it; the lines that it writes.
    pub fn start(command: &mut Command) -> Result<(Process, Lines<BufReader<ChildStdout>>), Failure> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let lines = BufReader::new(child.stdout.take().ok_or("a process has no output")?).lines();
        Ok((Process(child), lines))
    }

    /// How it has ended, which is waited for.
    pub fn ended(&mut self) -> Result<ExitStatus, Failure> {
        Ok(self.0.wait()?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It fails if the process has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server.
#[derive(Debug)]
pub struct Server {
    /// Its number.
    pub index: usize,
    /// Where it serves RESTCONF.
    pub https: SocketAddr,
    /// Where it serves NETCONF.
    pub tls: SocketAddr,
    data: PathBuf,
    process: Process,
}

impl Server {
    /// Starts one with a directory of its own, where each role is a user.
    pub fn start(index: usize, directory: &Path, cast: &[Role]) -> Result<Server, Failure> {
        let data = directory.join(format!("server-{index}"));
        for role in cast {
            agentconf(&["user", "add", role.name], &data)?;
        }
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let (process, https, tls) = serve(&data, any, any)?;
        tell("the stage", format_args!("server {index} is at https://{https} and tls://{tls}"));
        Ok(Server { index, https, tls, data, process })
    }

    /// SIGKILL, and a new start at the same addresses.
    pub fn kill_and_start(&mut self) -> Result<(), Failure> {
        self.process.0.kill()?;
        self.process.0.wait()?;
        self.process = serve(&self.data, self.https, self.tls)?.0;
        Ok(())
    }

    /// SIGTERM; its directory.
    pub fn stop(mut self) -> Result<PathBuf, Failure> {
        let id = rustix::process::Pid::from_child(&self.process.0);
        rustix::process::kill_process(id, rustix::process::Signal::TERM)?;
        match self.process.0.wait()?.success() {
            true => Ok(self.data),
            false => Err(format!("server {} did not stop as it should", self.index).into()),
        }
    }

    /// How a role gets to it by this URL: with a new token and a new certificate.
    pub fn way(&self, url: &str, user: &str) -> Result<Way, Failure> {
        let token = String::from_utf8(agentconf(&["token", user], &self.data)?)?;
        self.way_with(token, url, user)
    }

    fn way_with(&self, token: String, url: &str, user: &str) -> Result<Way, Failure> {
        let pki = self.data.join("pki");
        let ca = pki.join("ca.pem");
        let key = KeyPair::from_pem(&fs::read_to_string(pki.join("ca.key"))?)?;
        let issuer = Issuer::from_ca_cert_pem(&fs::read_to_string(&ca)?, key)?;
        let own = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name = Default::default();
        params.distinguished_name.push(DnType::CommonName, user);
        let beside = |extension: &str| self.data.with_file_name(format!("{user}-{}.{extension}", self.index));
        let certificate = (beside("pem"), beside("key"));
        files::replace(&certificate.0, params.signed_by(&own, &issuer)?.pem(), Readers::Owner)?;
        files::replace(&certificate.1, own.serialize_pem(), Readers::Owner)?;
        Ok(Way { url: url.to_owned(), ca, token: token.trim().to_owned(), certificate })
    }

    /// The desk at this server: an administrator.
    pub fn desk(&self) -> Result<Arc<Agent>, Failure> {
        let token = fs::read_to_string(self.data.join("admin.jwt"))?;
        self.way_with(token, &format!("https://{}", self.https), DESK)?.agent(DESK)
    }
}

/// `agentconf serve`; where it listens.
fn serve(
    data: &Path,
    https: SocketAddr,
    tls: SocketAddr,
) -> Result<(Process, SocketAddr, SocketAddr), Failure> {
    let log = fs::File::options().create(true).append(true).open(data.with_extension("log"))?;
    let settings = data.with_extension("toml");
    files::replace(&settings, SETTINGS, Readers::Owner)?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["serve", "--https", &https.to_string(), "--tls", &tls.to_string(), "--data"]).arg(data);
    command.arg("--config").arg(settings);
    let (process, mut lines) = Process::start(command.stderr(log))?;
    let mut address = |scheme: &str| -> Result<SocketAddr, Failure> {
        let line = lines.next().ok_or("a server ended before it listened")??;
        let address = line.strip_prefix("listening ").and_then(|rest| rest.strip_prefix(scheme));
        Ok(address.ok_or_else(|| format!("a server said {line:?}"))?.trim().parse()?)
    };
    let (https, tls) = (address("https")?, address("tls")?);
    Ok((process, https, tls))
}

/// What a verb of `agentconf` writes about a directory.
pub fn agentconf(verb: &[&str], data: &Path) -> Result<Vec<u8>, Failure> {
    let output = Command::new(std::env::current_exe()?).args(verb).arg("--data").arg(data).output()?;
    match output.status.success() {
        true => Ok(output.stdout),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned().into()),
    }
}
