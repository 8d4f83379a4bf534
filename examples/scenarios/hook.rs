//! Where an agent is told of its tasks by requests, as one that holds no connection open: the reports that a server sends to a URL.
//! Each is taken once it is dealt with, so what an agent was told when it died is told again. It believes nothing that a
//! report says but which task to look at.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use agentconf::server::files::{self, Readers};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use crate::play::{Done, Failure, failed};

/// What such an endpoint is called in the registry.
pub const PROTOCOL: &str = "callback";
/// Longest report that is read.
const BYTES_MAX: usize = 1 << 20;

/// Where the reports come, on a port of this machine.
pub struct Hook {
    kept: Kept,
    file: PathBuf,
    reports: mpsc::Receiver<Report>,
}

/// What is left of it when the process dies.
#[derive(Serialize, Deserialize)]
struct Kept {
    address: SocketAddr,
    /// The newest report that was dealt with, for each task.
    last: BTreeMap<String, u64>,
}

/// That something has happened to a task.
pub struct Report {
    /// Which one.
    pub task: String,
    id: u64,
    taken: oneshot::Sender<()>,
}

impl Hook {
    /// Where it was before, or anywhere; what it keeps is in this file.
    pub async fn open(file: &Path) -> Done<Hook> {
        let mut kept = match files::read(file).map_err(failed)? {
            Some(text) => serde_json::from_str(&text).map_err(failed)?,
            None => Kept { address: SocketAddr::from(([127, 0, 0, 1], 0)), last: BTreeMap::new() },
        };
        let listener = TcpListener::bind(kept.address).await.map_err(failed)?;
        kept.address = listener.local_addr().map_err(failed)?;
        let (told, reports) = mpsc::channel(1);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let told = told.clone();
                let service = service_fn(move |request| take(request, told.clone()));
                // What breaks off is told again.
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        let hook = Hook { kept, file: file.to_owned(), reports };
        hook.save()?;
        Ok(hook)
    }

    /// What others write into their orders.
    pub fn url(&self) -> String {
        format!("http://{}/", self.kept.address)
    }

    /// The next report.
    pub async fn next(&mut self) -> Done<Report> {
        self.reports.recv().await.ok_or_else(|| failed("nobody listens any more"))
    }

    /// Whether it was not dealt with before: what is told again has the same identifier.
    pub fn is_new(&self, report: &Report) -> bool {
        self.kept.last.get(&report.task).is_none_or(|last| *last < report.id)
    }

    /// Takes a report that was dealt with.
    pub fn take(&mut self, report: Report) -> Done {
        if self.is_new(&report) {
            self.kept.last.insert(report.task, report.id);
            self.save()?;
        }
        // Who has told it may have gone, and tells it again.
        let _ = report.taken.send(());
        Ok(())
    }

    fn save(&self) -> Done {
        let text = serde_json::to_string(&self.kept).map_err(failed)?;
        files::replace(&self.file, text, Readers::Owner).map_err(failed)
    }
}

/// A request of the server; it is answered when the report is taken.
async fn take(
    request: Request<Incoming>,
    told: mpsc::Sender<Report>,
) -> Result<Response<Empty<Bytes>>, Failure> {
    let id = request.headers().get("event-id").ok_or("no Event-Id")?.to_str()?.parse()?;
    let body = Limited::new(request.into_body(), BYTES_MAX).collect().await?.to_bytes();
    let body: Json = serde_json::from_slice(&body)?;
    let task = body["ietf-restconf:notification"]["magent-task:task-event"]["task"].as_str();
    let (taken, is_taken) = oneshot::channel();
    told.send(Report { task: task.ok_or("no task")?.to_owned(), id, taken }).await?;
    is_taken.await?;
    let mut answer = Response::new(Empty::new());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    Ok(answer)
}
