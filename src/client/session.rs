//! A session with a server: the same questions whatever the protocol. How they are asked is `netconf` and `restconf`.

use tokio::sync::OnceCell;
use tokio::sync::mpsc;

use super::credentials::Credentials;
use super::data::Element;
use super::error::{ClientError, RpcError};
use super::library::{self, Library};
use super::limits::Limits;
use super::merge;
use super::modules::Modules;
use super::netconf::{self, Netconf};
use super::path::{Path, Step};
use super::request::{Commit, Content, Datastore, Edit, Get, Notification, Push, Subscribe, TestOption};
use super::resolve;
use super::restconf::Restconf;
use super::tree;
use super::url::{Scheme, Url};

/// A session with a server. Several requests can be under way at a time. Dropping it ends the connection; [`Session::close`]
/// says goodbye.
#[derive(Debug)]
pub struct Session {
    protocol: Protocol,
    modules: OnceCell<Modules>,
    library: OnceCell<Library>,
}

#[derive(Debug)]
enum Protocol {
    Netconf(Netconf),
    Restconf(Restconf),
}

/// What a subscription brings. The session stays usable meanwhile; but who does not read lets the server wait, and with it
/// everything else of a NETCONF session. Dropping it ends the interest, over RESTCONF the subscription too.
#[derive(Debug)]
pub struct Subscription {
    pub(super) incoming: mpsc::Receiver<Result<Notification, ClientError>>,
}

impl Subscription {
    /// The next notification; none when the subscription has come to its end.
    ///
    /// # Errors
    /// The session or the connection ended before. Nothing comes after that.
    pub async fn next(&mut self) -> Option<Result<Notification, ClientError>> {
        self.incoming.recv().await
    }
}

impl Session {
    /// Connects and logs in.
    ///
    /// # Errors
    /// The server cannot be reached, is not the one it should be, takes none of the credentials, or has no version of the
    /// protocol that we have.
    pub async fn connect(
        url: &Url,
        credentials: &Credentials,
        limits: &Limits,
    ) -> Result<Session, ClientError> {
        Session::open(url, credentials, limits, false).await
    }

    /// As [`Session::connect`]; over NETCONF, edits of the candidate are this session's alone until its commit where the
    /// server announces that it has private candidates (draft-ietf-netconf-privcand).
    ///
    /// # Errors
    /// Those of [`Session::connect`].
    pub async fn connect_private(
        url: &Url,
        credentials: &Credentials,
        limits: &Limits,
    ) -> Result<Session, ClientError> {
        Session::open(url, credentials, limits, true).await
    }

    async fn open(
        url: &Url,
        credentials: &Credentials,
        limits: &Limits,
        is_private: bool,
    ) -> Result<Session, ClientError> {
        let protocol = match url.scheme {
            Scheme::Ssh | Scheme::Tls => {
                Protocol::Netconf(Netconf::connect(url, credentials, limits, is_private).await?)
            }
            Scheme::Https => Protocol::Restconf(Restconf::connect(url, credentials, limits).await?),
        };
        Ok(Session { protocol, modules: OnceCell::new(), library: OnceCell::new() })
    }

    /// The number of the session, which errors about locks name; none over RESTCONF.
    pub fn id(&self) -> Option<u32> {
        match &self.protocol {
            Protocol::Netconf(netconf) => Some(netconf.id),
            Protocol::Restconf(_) => None,
        }
    }

    /// Why the session has ended, once it has; one over RESTCONF is never known to have.
    pub fn ended(&self) -> Option<String> {
        match &self.protocol {
            Protocol::Netconf(netconf) => netconf.ended(),
            Protocol::Restconf(_) => None,
        }
    }

    /// Waits until the session has ended, and gives the reason; over RESTCONF it never does.
    pub async fn end(&self) -> String {
        match &self.protocol {
            Protocol::Netconf(netconf) => netconf.end().await,
            Protocol::Restconf(_) => std::future::pending().await,
        }
    }

    /// The server's modules. They are asked for once.
    ///
    /// # Errors
    /// The server does not tell.
    pub async fn modules(&self) -> Result<&Modules, ClientError> {
        let ask = || async {
            match &self.protocol {
                Protocol::Netconf(netconf) => netconf.modules().await,
                Protocol::Restconf(restconf) => restconf.modules().await,
            }
        };
        self.modules.get_or_try_init(ask).await
    }

    /// The server's schema, from the texts of all its modules. They are asked for once.
    ///
    /// # Errors
    /// The server does not give them.
    pub async fn library(&self) -> Result<&Library, ClientError> {
        self.library.get_or_try_init(|| library::read(self)).await
    }

    /// The YANG text of a module or submodule.
    ///
    /// # Errors
    /// The server does not have it, or does not give it.
    pub async fn source(&self, module: &str, revision: Option<&str>) -> Result<String, ClientError> {
        match &self.protocol {
            Protocol::Netconf(netconf) => netconf.source(module, revision).await,
            Protocol::Restconf(restconf) => restconf.source(self.modules().await?, module, revision).await,
        }
    }

    /// The capabilities that the server announces, as URIs.
    pub fn capabilities(&self) -> impl Iterator<Item = &str> {
        let all = match &self.protocol {
            Protocol::Netconf(netconf) => &netconf.capabilities,
            Protocol::Restconf(restconf) => &restconf.capabilities,
        };
        all.iter().map(String::as_str)
    }

    /// Reads data. The answer is the top nodes with what was asked for inside; what is not there is left out.
    ///
    /// # Errors
    /// The server refuses, or cannot do it.
    pub async fn get(&self, get: &Get) -> Result<Vec<Element>, ClientError> {
        let mut found: Vec<Element> = Vec::new();
        for paths in tree::groups(&get.paths) {
            let get = Get { paths, ..get.clone() };
            let modules = self.modules().await?;
            let answer = match &self.protocol {
                Protocol::Netconf(netconf) => {
                    let mut found = netconf.get(modules, &get).await?;
                    if let (Some(depth), false) = (get.depth, netconf::has_depth(&get)) {
                        let steps = get.paths.iter().map(|path| path.steps.len()).max().unwrap_or(1);
                        let levels = steps.max(1) + usize::from(depth) - 1;
                        resolve::prune(&self.library().await?.schema, None, &mut found, levels);
                    }
                    found
                }
                Protocol::Restconf(restconf) if get.paths.iter().any(resolve::may_be_open) => {
                    let schema = &self.library().await?.schema;
                    let paths = get.paths.iter().flat_map(|path| resolve::opened(schema, path)).collect();
                    let mut found = restconf.get(modules, &Get { paths, ..get.clone() }).await?;
                    let wanted: Vec<&[Step]> = get.paths.iter().map(|path| path.steps.as_slice()).collect();
                    resolve::keep(schema, None, &mut found, &wanted);
                    found
                }
                Protocol::Restconf(restconf) => restconf.get(modules, &get).await?,
            };
            // A server may answer in pieces too.
            match found.is_empty() && !merge::has_repeats(&answer) {
                true => found = answer,
                false => merge::put(&self.library().await?.schema, None, &mut found, answer),
            }
        }
        Ok(found)
    }

    /// Makes changes.
    ///
    /// # Errors
    /// The server refuses them, or cannot do what is asked.
    pub async fn edit(&self, edit: &Edit) -> Result<(), ClientError> {
        for change in &edit.changes {
            if change.operation.has_value() != change.value.is_some() {
                return Err(ClientError::Request(format!(
                    "to {} {} takes {} value",
                    change.operation.name(),
                    change.path,
                    if change.value.is_some() { "no" } else { "a" }
                )));
            }
            if change.path.steps.is_empty() && edit.changes.len() > 1 {
                return Err(ClientError::Request("a change of the whole datastore is the only one".into()));
            }
        }
        let modules = self.modules().await?;
        match &self.protocol {
            Protocol::Netconf(netconf) => netconf.edit(modules, edit).await,
            Protocol::Restconf(restconf) => restconf.edit(modules, edit).await,
        }
    }

    /// Invokes an rpc (a path of one step) or an action (a path that ends with it); what it answers is inside of `output`.
    ///
    /// # Errors
    /// The server refuses.
    pub async fn call(&self, operation: &Path, input: Vec<Element>) -> Result<Vec<Element>, ClientError> {
        let modules = self.modules().await?;
        match &self.protocol {
            Protocol::Netconf(netconf) => netconf.call(modules, operation, input).await,
            Protocol::Restconf(restconf) => restconf.call(modules, operation, input).await,
        }
    }

    /// Locks a datastore (RFC 6241 section 7.5).
    ///
    /// # Errors
    /// Another has a lock, or the protocol has none.
    pub async fn lock(&self, datastore: Datastore) -> Result<(), ClientError> {
        self.netconf("lock")?.operation("lock", vec![tree::target(datastore)]).await
    }

    /// Gives a lock back.
    ///
    /// # Errors
    /// It is not ours.
    pub async fn unlock(&self, datastore: Datastore) -> Result<(), ClientError> {
        self.netconf("unlock")?.operation("unlock", vec![tree::target(datastore)]).await
    }

    /// Checks a datastore (RFC 6241 section 8.6).
    ///
    /// # Errors
    /// It is not valid, or the server does not check it.
    pub async fn validate(&self, datastore: Datastore) -> Result<(), ClientError> {
        self.operation("validate", vec![tree::source(datastore)]).await
    }

    /// Makes the candidate the running configuration.
    ///
    /// # Errors
    /// It is not valid, is in use, or there is no candidate.
    pub async fn commit(&self, commit: &Commit) -> Result<(), ClientError> {
        self.operation("commit", tree::commit(commit)).await
    }

    /// Makes changes in the candidate and commits it, as a whole or not at all. Where the candidate is shared, changes of others
    /// in it are not committed along with these; nor are these left there if they fail.
    ///
    /// # Errors
    /// The server refuses the changes or the commit, the candidate is in use, or has changes of somebody else.
    pub async fn edit_and_commit(&self, edit: &Edit) -> Result<(), ClientError> {
        let edit = Edit { datastore: Datastore::Candidate, ..edit.clone() };
        let changed = "the candidate has changes of somebody else, which would be committed too: commit or discard them first";
        let is_locked = match &self.protocol {
            Protocol::Netconf(netconf) if netconf.is_private => false,
            Protocol::Netconf(_) => {
                // Only a candidate without changes can be locked (RFC 6241 section 7.5).
                self.lock(Datastore::Candidate).await.map_err(|error| match error {
                    ClientError::Refused(errors) if errors.iter().any(is_changed) => {
                        ClientError::Unsupported(changed.into())
                    }
                    error => error,
                })?;
                true
            }
            Protocol::Restconf(_) => {
                let read = async |datastore| {
                    let all = Get { datastore: Some(datastore), content: Content::Config, ..Get::default() };
                    self.get(&all).await
                };
                if read(Datastore::Candidate).await? != read(Datastore::Running).await? {
                    return Err(ClientError::Unsupported(changed.into()));
                }
                false
            }
        };
        let done = match self.edit(&edit).await {
            Ok(()) => self.commit(&Commit::default()).await,
            Err(error) => Err(error),
        };
        if done.is_err() {
            // The first error is the one to tell.
            let _ = self.discard().await;
        }
        if is_locked {
            // It ends with the session too.
            let _ = self.unlock(Datastore::Candidate).await;
        }
        done
    }

    /// Takes a confirmed commit back (RFC 6241 section 8.4.4.1).
    ///
    /// # Errors
    /// There is none.
    pub async fn cancel_commit(&self, persist_id: Option<&str>) -> Result<(), ClientError> {
        self.operation(
            "cancel-commit",
            persist_id.map(|id| tree::base("persist-id", id)).into_iter().collect(),
        )
        .await
    }

    /// Makes the candidate what the running configuration is.
    ///
    /// # Errors
    /// There is no candidate, or it is locked.
    pub async fn discard(&self) -> Result<(), ClientError> {
        self.operation("discard-changes", Vec::new()).await
    }

    /// Puts a datastore in the place of another.
    ///
    /// # Errors
    /// The server does not allow that.
    pub async fn copy(&self, from: Datastore, to: Datastore) -> Result<(), ClientError> {
        self.operation("copy-config", vec![tree::target(to), tree::source(from)]).await
    }

    /// Follows events.
    ///
    /// # Errors
    /// The server refuses, or the session follows events already.
    pub async fn subscribe(&self, subscribe: &Subscribe) -> Result<Subscription, ClientError> {
        match &self.protocol {
            Protocol::Netconf(netconf) => netconf.subscribe(self.modules().await?, subscribe).await,
            Protocol::Restconf(restconf) => restconf.subscribe(subscribe).await,
        }
    }

    /// Follows data.
    ///
    /// # Errors
    /// The server refuses, or cannot do it.
    pub async fn push(&self, push: &Push) -> Result<Subscription, ClientError> {
        let modules = self.modules().await?;
        match &self.protocol {
            Protocol::Netconf(netconf) => netconf.push(modules, push).await,
            Protocol::Restconf(restconf) => restconf.push(modules, push).await,
        }
    }

    /// Ends the session.
    ///
    /// # Errors
    /// The server does not say goodbye. The session is over all the same.
    pub async fn close(self) -> Result<(), ClientError> {
        match self.protocol {
            Protocol::Netconf(netconf) => netconf.close().await,
            Protocol::Restconf(_) => Ok(()),
        }
    }

    /// An operation of `ietf-netconf` without an answer.
    async fn operation(&self, name: &str, input: Vec<Element>) -> Result<(), ClientError> {
        match &self.protocol {
            Protocol::Netconf(netconf) => netconf.operation(name, input).await,
            Protocol::Restconf(restconf) => restconf.operation(name, input).await,
        }
    }

    fn netconf(&self, what: &str) -> Result<&Netconf, ClientError> {
        match &self.protocol {
            Protocol::Netconf(netconf) => Ok(netconf),
            Protocol::Restconf(_) => {
                let message = format!("RESTCONF has no {what}: it has no sessions; use ssh:// or tls://");
                Err(ClientError::Unsupported(message))
            }
        }
    }
}

/// That the options of a read can be had together.
pub(super) fn check(get: &Get) -> Result<(), ClientError> {
    let is_operational = matches!(get.datastore, None | Some(Datastore::Operational));
    if get.content == Content::State && !is_operational {
        return Err(ClientError::Request("only the operational datastore has state".into()));
    }
    if get.origin && get.datastore != Some(Datastore::Operational) {
        return Err(ClientError::Request("only the operational datastore has origins".into()));
    }
    if get.depth == Some(0) {
        return Err(ClientError::Request("a depth is at least 1".into()));
    }
    Ok(())
}

/// Whether a lock was refused because of changes in the candidate.
fn is_changed(error: &RpcError) -> bool {
    let is_nobodys = |info: &Element| info.name == "session-id" && info.text.trim() == "0";
    error.tag == "lock-denied" && error.info.iter().any(is_nobodys)
}

/// Whether nothing is to be set.
pub(super) fn is_test(edit: &Edit) -> bool {
    edit.test == Some(TestOption::TestOnly)
}
