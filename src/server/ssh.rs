//! SSH for NETCONF (RFC 6242): the host key, logging in, and channels that have the subsystem `netconf`.
//!
//! It never offers a shell, a command, a terminal or the forwarding of anything.

use std::borrow::Cow;
use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use arc_swap::ArcSwap;
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::keys::ssh_key::{self, LineEnding};
use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PrivateKey, PublicKey};
use russh::server::{
    Auth, ChannelOpenHandle, Config, Handle, Handler, Msg, PublicKeyOffer, Response, Session,
    VerifiedPublicKey,
};
use russh::{
    Channel, ChannelId, ChannelOpenFailure, ChannelWriteHalf, Disconnect, MethodKind, MethodSet, Preferred,
    SshId, cipher, compression, kex, mac,
};
use rustls::crypto::SecureRandom;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Sleep, timeout};

use super::auth::Proof;
use super::channel::{self, ChannelStream, Inlet, Room, Waiting};
use super::files::{self, FileError, Readers};
use super::listener::Shared;
use super::netconf;
use super::rates::Connected;
use super::shutdown::Shutdown;
use super::watched::{self, Complaint, Stamp};
use crate::access::{AuthError, Method, Principal, Protocol, Source};
use crate::engine::SMALL_BYTES;
use crate::limits::Limits;
use crate::netconf::session::Transport;

const SUBSYSTEM: &str = "netconf";
/// After so long a silence the client is asked whether it is there.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// Shortest time until a login is refused, so that how long it takes tells nothing.
const REFUSAL: Duration = Duration::from_millis(100);
/// How often it is asked whether who has logged in still may.
const LOOK: Duration = Duration::from_secs(2);
/// What a client is told that is disconnected.
const CLOSED: &str = "closed by the server";
/// How long the client may take to read why it is disconnected.
const GOODBYE: Duration = Duration::from_secs(1);
/// How often a connection looks whether it is its turn.
const TURN: Duration = Duration::from_millis(100);
/// What a client may send on a channel before it has to wait for us.
const WINDOW_BYTES: u32 = 256 * 1024;

const METHODS: &[MethodKind] =
    &[MethodKind::PublicKey, MethodKind::KeyboardInteractive, MethodKind::Password];
const KEX: &[kex::Name] = &[
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::ECDH_SHA2_NISTP256,
    kex::ECDH_SHA2_NISTP384,
    kex::ECDH_SHA2_NISTP521,
    kex::DH_G16_SHA512,
    kex::EXTENSION_SUPPORT_AS_SERVER,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER,
];
const CIPHERS: &[cipher::Name] =
    &[cipher::CHACHA20_POLY1305, cipher::AES_256_GCM, cipher::AES_128_GCM, cipher::AES_256_CTR];
/// Of what is encrypted alone.
const MACS: &[mac::Name] = &[mac::HMAC_SHA512_ETM, mac::HMAC_SHA256_ETM];
/// Of host and users: no DSA, and no RSA with SHA-1.
const KEYS: &[Algorithm] = &[
    Algorithm::Ed25519,
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
    Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
    Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
];

/// Why there is no SSH.
#[derive(Debug, thiserror::Error)]
pub enum SshError {
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The operating system gives no random bytes.
    #[error("no randomness for a new key")]
    Random,
    /// The file of the host key holds something else, or a key cannot be written.
    #[error("{} is not a private key in the form of OpenSSH", .0.display())]
    Key(PathBuf, #[source] ssh_key::Error),
}

/// The rules of SSH with the host key of a data directory, which is read again when it has changed.
pub struct Rules {
    data: PathBuf,
    limits: Limits,
    present: ArcSwap<Config>,
    /// What the file looked like when it was read.
    seen: Mutex<(Option<Stamp>, Complaint)>,
    /// What was sent and is not read yet, on all channels.
    waiting: Arc<Waiting>,
}

impl Rules {
    /// Reads the host key, or makes it if it is missing.
    ///
    /// # Errors
    /// The host key cannot be read or made.
    pub fn open(data: &Path, limits: &Limits, random: &dyn SecureRandom) -> Result<Rules, SshError> {
        let key = host_key(data, random)?;
        Ok(Rules {
            data: data.to_owned(),
            limits: limits.clone(),
            present: ArcSwap::from(config(key, limits)),
            seen: Mutex::new((watched::look(&host_key_file(data)), Complaint::default())),
            waiting: Arc::default(),
        })
    }

    /// Reads the host key again if it has changed or `all` is to be read. One that is not usable is logged and changes nothing.
    pub fn look(&self, all: bool) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (stamp, complaint) = &mut *seen;
        let now = watched::look(&host_key_file(&self.data));
        if *stamp == now && !all {
            return complaint.end();
        }
        let read = files::read(&host_key_file(&self.data)).map_err(SshError::File);
        match read.and_then(|text| read_host_key(&self.data, &text.unwrap_or_default())) {
            Ok(key) => {
                // What was not read is tried again.
                *stamp = now;
                complaint.end();
                tracing::info!("the SSH host key was read again");
                self.present.store(config(key, &self.limits));
            }
            Err(error) if all || complaint.is_new(&[now], &error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "the SSH host key stays as it was");
            }
            Err(_) => {}
        }
    }
}

fn config(key: PrivateKey, limits: &Limits) -> Arc<Config> {
    let preferred = Preferred {
        kex: Cow::Borrowed(KEX),
        key: Cow::Borrowed(KEYS),
        cipher: Cow::Borrowed(CIPHERS),
        mac: Cow::Borrowed(MACS),
        compression: Cow::Borrowed(&[compression::NONE]),
        ..Preferred::DEFAULT
    };
    Arc::new(Config {
        server_id: SshId::Standard("SSH-2.0-agentconf".into()),
        methods: MethodSet::from(METHODS),
        auth_rejection_time: REFUSAL,
        auth_rejection_time_initial: Some(Duration::ZERO),
        keys: vec![key],
        window_size: WINDOW_BYTES,
        preferred,
        max_auth_attempts: limits.login_attempts_max,
        inactivity_timeout: None,
        keepalive_interval: Some(KEEPALIVE),
        ..Config::default()
    })
}

fn host_key_file(data: &Path) -> PathBuf {
    data.join("ssh/host_ed25519")
}

/// Whether the host key of a data directory can be used, if it has one.
///
/// # Errors
/// It cannot be read, or is none.
pub fn check(data: &Path) -> Result<(), SshError> {
    let file = host_key_file(data);
    let key = files::read(&file)?.map(PrivateKey::from_openssh).transpose();
    key.map(drop).map_err(|error| SshError::Key(file, error))
}

/// Reads `ssh/host_ed25519` (mode 0600), or makes it, with the public key beside it.
fn host_key(data: &Path, random: &dyn SecureRandom) -> Result<PrivateKey, SshError> {
    files::create_directory(&data.join("ssh"))?;
    let file = host_key_file(data);
    let text = match files::read(&file)? {
        Some(text) => text,
        None => {
            let mut seed = [0; 32];
            random.fill(&mut seed).map_err(|_| SshError::Random)?;
            let key = PrivateKey::from(Ed25519Keypair::from_seed(&seed));
            let text = key.to_openssh(LineEnding::LF).map_err(|error| SshError::Key(file.clone(), error))?;
            files::create_or_read(&file, &text, Readers::Owner)?
        }
    };
    read_host_key(data, &text)
}

fn read_host_key(data: &Path, text: &str) -> Result<PrivateKey, SshError> {
    let file = host_key_file(data);
    let wrong = |error| SshError::Key(file.clone(), error);
    let key = PrivateKey::from_openssh(text).map_err(wrong)?;
    let public = key.public_key().to_openssh().map_err(wrong)? + "\n";
    let public_file = file.with_extension("pub");
    if files::read(&public_file)?.as_deref() != Some(&public) {
        files::replace(&public_file, &public, Readers::All)?;
    }
    Ok(key)
}

/// Serves one connection: its channels are sessions of NETCONF, several at a time if the client wants. False if nobody logged in.
pub async fn serve<S>(stream: S, address: SocketAddr, source: Arc<Connected>, shared: &Arc<Shared>) -> bool
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Some(netconf) = &shared.netconf else { return false };
    if !has_turn(&source, shared).await {
        tracing::debug!(peer = %address, "too many connections from there on which nobody logs in");
        return false;
    }
    // Room for as many as there are permits.
    let (opened, mut channels) = mpsc::channel(shared.limits.sessions_per_connection_max.max(1));
    let (is_logged_in, login) = (Arc::new(AtomicBool::new(false)), Login::default());
    let client = Client {
        shared: Arc::clone(shared),
        address,
        source: Arc::clone(&source),
        login: login.clone(),
        is_logged_in: Arc::clone(&is_logged_in),
        waiting: HashMap::new(),
        inlets: HashMap::new(),
        opened,
        sessions: Arc::new(Semaphore::new(
            shared.limits.sessions_per_connection_max.min(Semaphore::MAX_PERMITS),
        )),
    };
    let cut = CutOnDrop(Shutdown::new());
    let stream = Cuttable::new(stream, cut.0.clone(), Duration::from_secs(shared.limits.idle_timeout_s));
    let greeted = timeout(
        Duration::from_secs(shared.limits.handshake_timeout_s),
        russh::server::run_stream(netconf.ssh.present.load_full(), stream, client),
    );
    let mut connection = tokio::select! {
        () = shared.shutdown.begun() => return false,
        greeted = greeted => match greeted {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => {
                tracing::debug!(peer = %address, %error, "no SSH");
                return false;
            }
            Err(_) => {
                tracing::debug!(peer = %address, "the SSH greeting took too long");
                return false;
            }
        },
    };
    let handle = connection.handle();
    let mut login_due =
        std::pin::pin!(tokio::time::sleep(Duration::from_secs(shared.limits.login_timeout_s)));
    let (mut is_due, mut is_over) = (false, false);
    let mut look = tokio::time::interval(LOOK);
    let mut sessions = JoinSet::new();
    loop {
        tokio::select! {
            ended = &mut connection => {
                if let Err(error) = ended {
                    tracing::debug!(peer = %address, %error, "a connection ended early");
                }
                // The streams of its sessions have ended with it.
                while sessions.join_next().await.is_some() {}
                return is_logged_in.load(Ordering::Relaxed);
            }
            Some(Opened { id, stream, user, permit }) = channels.recv() => {
                let (shared, source, handle) = (Arc::clone(shared), Arc::clone(&source), handle.clone());
                sessions.spawn(async move {
                    let _permit = permit;
                    let (stream, transport) = (Box::new(stream), Transport::Ssh);
                    let was = netconf::session(stream, user, address, transport, &source, &shared).await;
                    // Where the connection has ended there is nobody to tell.
                    let _ = handle.exit_status_request(id, u32::from(!was)).await;
                    let _ = handle.close(id).await;
                });
            }
            Some(ended) = sessions.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "a session ended badly");
                }
            }
            () = &mut login_due, if !is_due => {
                is_due = true;
                if !is_logged_in.load(Ordering::Relaxed) {
                    tracing::debug!(peer = %address, "nobody logged in in time");
                    break;
                }
            }
            _ = look.tick() => {
                if login.user().is_some_and(|(principal, proof)| !shared.authenticator.stands(&principal, &proof)) {
                    tracing::info!(peer = %address, "a connection is ended, for who logged in may not any more");
                    is_over = true;
                    break;
                }
            }
            () = shared.shutdown.begun() => break,
        }
    }
    if is_over {
        // The streams of its sessions end with it.
        let _ = timeout(GOODBYE, disconnected(&handle, &mut connection)).await;
        drop(cut);
        while sessions.join_next().await.is_some() {}
        return true;
    }
    // Whoever waits for us, for `drain_s` at most, ends the sessions that do not.
    while sessions.join_next().await.is_some() {}
    let _ = timeout(GOODBYE, disconnected(&handle, &mut connection)).await;
    is_logged_in.load(Ordering::Relaxed)
}

/// Waits, as long as a greeting may take, until a source may have one more connection on which nobody has logged in. False if
/// it may not, or the server stops.
async fn has_turn(source: &Connected, shared: &Shared) -> bool {
    let turn = async {
        while source.begins_login().is_err() {
            tokio::time::sleep(TURN).await;
        }
    };
    tokio::select! {
        () = shared.shutdown.begun() => false,
        turn = timeout(Duration::from_secs(shared.limits.handshake_timeout_s), turn) => turn.is_ok(),
    }
}

async fn disconnected<F: Future + Unpin>(handle: &Handle, connection: &mut F) {
    let _ = handle.disconnect(Disconnect::ByApplication, CLOSED.into(), "en".into()).await;
    connection.await;
}

/// Who has logged in on a connection.
#[derive(Clone, Default)]
struct Login(Arc<Mutex<Option<(Principal, Proof)>>>);

impl Login {
    fn user(&self) -> Option<(Principal, Proof)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, user: (Principal, Proof)) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(user);
    }
}

/// A channel that has become a session.
struct Opened {
    id: ChannelId,
    stream: ChannelStream,
    user: (Principal, Proof),
    permit: OwnedSemaphorePermit,
}

/// One connection, as the library asks about it.
struct Client {
    shared: Arc<Shared>,
    address: SocketAddr,
    source: Arc<Connected>,
    login: Login,
    is_logged_in: Arc<AtomicBool>,
    /// Channels that have no subsystem yet.
    waiting: HashMap<ChannelId, ChannelWriteHalf<Msg>>,
    /// Where what arrives for the sessions is put: the library's own queue would have the whole connection wait for a
    /// session that does not read. They end with the connection, as they are dropped then.
    inlets: HashMap<ChannelId, Inlet>,
    opened: mpsc::Sender<Opened>,
    sessions: Arc<Semaphore>,
}

impl Client {
    async fn by_password(&mut self, name: &str, password: &str) -> Auth {
        match self.shared.authenticator.by_login(name, password, self.address).await {
            Ok((principal, proof)) => {
                self.logged_in(principal, proof);
                Auth::Accept
            }
            Err(error) => {
                tracing::warn!(peer = %self.address, %error, "credentials were refused");
                self.shared.trail.not_authenticated(name, Some(Method::Password), self.origin(), &error);
                refused()
            }
        }
    }

    fn origin(&self) -> Source {
        Source { protocol: Protocol::NetconfSsh, address: self.address }
    }

    fn logged_in(&mut self, principal: Principal, proof: Proof) {
        let principal = principal.from(self.origin());
        self.shared.trail.authenticated(&principal);
        self.login.set((principal, proof));
    }

    /// Who has logged in, if the proof still stands.
    fn user(&self) -> Option<(Principal, Proof)> {
        self.login.user().filter(|(principal, proof)| self.shared.authenticator.stands(principal, proof))
    }

    fn key_refused(&self, name: &str) {
        let (method, error) = (Some(Method::PublicKey), AuthError::WrongKey);
        self.shared.trail.not_authenticated(name, method, self.origin(), &error);
    }

    /// The user, if the key is one of theirs and is used with a good algorithm.
    fn by_key(&self, name: &str, key: &PublicKey, algorithm: &Algorithm) -> Option<(Principal, Proof)> {
        let is_it =
            |line: &str| PublicKey::from_openssh(line).is_ok_and(|own| own.key_data() == key.key_data());
        KEYS.contains(algorithm).then(|| self.shared.authenticator.by_key(name, is_it)).flatten()
    }
}

/// The client may try again, as often as `login_attempts_max` lets it. Without that the library takes the method away.
fn refused() -> Auth {
    Auth::Reject { proceed_with_methods: Some(MethodSet::from(METHODS)), partial_success: false }
}

impl Handler for Client {
    type Error = russh::Error;

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, russh::Error> {
        Ok(self.by_password(user, password).await)
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        user: &str,
        _submethods: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, russh::Error> {
        let Some(mut answers) = response else {
            return Ok(Auth::Partial {
                name: "".into(),
                instructions: "".into(),
                prompts: vec![("Password: ".into(), false)].into(),
            });
        };
        let answer = answers.next().unwrap_or_default();
        match std::str::from_utf8(&answer) {
            Ok(password) => Ok(self.by_password(user, password).await),
            Err(_) => Ok(refused()),
        }
    }

    async fn auth_publickey_offered(
        &mut self,
        user: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Result<Auth, russh::Error> {
        let is_known = self.by_key(user, offer.public_key, offer.algorithm).is_some();
        if !is_known {
            self.key_refused(user);
        }
        Ok(if is_known { Auth::Accept } else { refused() })
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, russh::Error> {
        let Some((principal, proof)) = self.by_key(user, key.public_key, key.algorithm) else {
            self.key_refused(user);
            return Ok(refused());
        };
        self.logged_in(principal, proof);
        Ok(Auth::Accept)
    }

    async fn auth_succeeded(&mut self, _session: &mut Session) -> Result<(), russh::Error> {
        if !self.is_logged_in.swap(true, Ordering::Relaxed) {
            self.source.logged_in();
        }
        Ok(())
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        let id = channel.id();
        if self.user().is_none() {
            reply.reject(ChannelOpenFailure::AdministrativelyProhibited).await;
            return session.disconnect(Disconnect::ByApplication, CLOSED, "en");
        }
        if self.waiting.len() >= self.shared.limits.sessions_per_connection_max {
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
        } else {
            let (_, channel_out) = channel.split();
            self.waiting.insert(id, channel_out);
            reply.accept().await;
        }
        Ok(())
    }

    async fn channel_close(&mut self, id: ChannelId, _session: &mut Session) -> Result<(), russh::Error> {
        self.waiting.remove(&id);
        self.inlets.remove(&id);
        Ok(())
    }

    async fn channel_eof(&mut self, id: ChannelId, _session: &mut Session) -> Result<(), russh::Error> {
        if let Some(inlet) = self.inlets.get(&id) {
            inlet.no_more();
        }
        Ok(())
    }

    async fn data(&mut self, id: ChannelId, data: &[u8], _session: &mut Session) -> Result<(), russh::Error> {
        if let Some(inlet) = self.inlets.get(&id)
            && !inlet.put(data)
        {
            tracing::warn!(peer = %self.address, "a session is ended, too many requests wait for their turn");
        }
        Ok(())
    }

    async fn subsystem_request(
        &mut self,
        id: ChannelId,
        name: &str,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        let Some(user) = self.user() else {
            return session.disconnect(Disconnect::ByApplication, CLOSED, "en");
        };
        let permit = Arc::clone(&self.sessions).try_acquire_owned();
        let (SUBSYSTEM, Ok(permit), Some(netconf)) = (name, permit, &self.shared.netconf) else {
            return session.channel_failure(id);
        };
        let Some(channel) = self.waiting.remove(&id) else { return session.channel_failure(id) };
        session.channel_success(id)?;
        // One message that is as long as it may be, and what a client sends before it has to wait.
        let limits = &self.shared.limits;
        let room = Room {
            stream: limits.body_bytes_max.saturating_add(WINDOW_BYTES as usize),
            always: SMALL_BYTES,
            user: limits.received_bytes_user_max,
            all: limits.received_bytes_max,
        };
        let waiting = &netconf.ssh.waiting;
        let (stream, inlet) = channel::stream(channel.make_writer(), &user.0.name, room, waiting);
        self.inlets.retain(|_, inlet| inlet.is_used());
        self.inlets.insert(id, inlet);
        self.opened.try_send(Opened { id, stream, user, permit }).map_err(|_| russh::Error::Disconnect)
    }

    async fn shell_request(&mut self, id: ChannelId, session: &mut Session) -> Result<(), russh::Error> {
        session.channel_failure(id)
    }

    async fn exec_request(
        &mut self,
        id: ChannelId,
        _command: &[u8],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        session.channel_failure(id)
    }

    async fn pty_request(
        &mut self,
        id: ChannelId,
        _term: &str,
        _columns: u32,
        _rows: u32,
        _width: u32,
        _height: u32,
        _modes: &[(russh::Pty, u32)],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        session.channel_failure(id)
    }

    async fn env_request(
        &mut self,
        id: ChannelId,
        _name: &str,
        _value: &str,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        session.channel_failure(id)
    }

    async fn x11_request(
        &mut self,
        id: ChannelId,
        _single: bool,
        _protocol: &str,
        _cookie: &str,
        _screen: u32,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        session.channel_failure(id)
    }
}

/// Ends a connection with whoever serves it.
struct CutOnDrop(Shutdown);

impl Drop for CutOnDrop {
    fn drop(&mut self) {
        self.0.begin();
    }
}

/// A stream that can be ended from outside: the library serves a connection in a task of its own, which nothing else ends. It
/// fails too when it has not been able to write for too long, for the library does not read meanwhile, and it has ended when it
/// was shut down, for the library would wait for the client to close its side.
struct Cuttable<S> {
    stream: S,
    cut: Pin<Box<dyn Future<Output = ()> + Send>>,
    is_cut: bool,
    patience: Duration,
    /// While nothing can be written.
    stuck: Option<Pin<Box<Sleep>>>,
}

impl<S> Cuttable<S> {
    fn new(stream: S, cut: Shutdown, patience: Duration) -> Cuttable<S> {
        Cuttable {
            stream,
            cut: Box::pin(async move { cut.begun().await }),
            is_cut: false,
            patience,
            stuck: None,
        }
    }

    fn is_cut(&mut self, cx: &mut Context<'_>) -> bool {
        self.is_cut = self.is_cut || self.cut.as_mut().poll(cx).is_ready();
        self.is_cut
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Cuttable<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_cut(cx) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Cuttable<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_cut(cx) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let this = &mut *self;
        let written = Pin::new(&mut this.stream).poll_write(cx, buf);
        if written.is_ready() {
            this.stuck = None;
            return written;
        }
        let patience = this.patience;
        let stuck = this.stuck.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        stuck.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = std::task::ready!(Pin::new(&mut self.stream).poll_shutdown(cx));
        self.is_cut = true;
        Poll::Ready(result)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn a_connection_that_cannot_write_is_given_up_or_cut() {
        let (ours, _unread) = tokio::io::duplex(1);
        let mut stuck = Cuttable::new(ours, Shutdown::new(), Duration::ZERO);
        assert_eq!(stuck.write_all(b"long").await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        let (ours, _unread) = tokio::io::duplex(1);
        let cut = CutOnDrop(Shutdown::new());
        let mut stuck = Cuttable::new(ours, cut.0.clone(), Duration::from_secs(3600));
        let written = tokio::spawn(async move { stuck.write_all(b"long").await });
        drop(cut);
        assert_eq!(written.await.unwrap().unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
    }

    #[tokio::test]
    async fn a_connection_that_was_shut_down_does_not_wait_for_its_client() {
        let (ours, _open) = tokio::io::duplex(1);
        let mut stream = Cuttable::new(ours, Shutdown::new(), Duration::from_secs(3600));
        stream.shutdown().await.unwrap();
        assert!(stream.read_u8().await.is_err());
    }
}
