//! What the service manager is told of the server's life: datagrams of the protocol of sd_notify(3), if it wants any.
//!
//! It never waits, and a service manager that does not listen is none: nothing depends on it.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The service manager.
#[derive(Debug, Default)]
pub struct Notify {
    socket: Option<UnixDatagram>,
    watchdog: Option<Duration>,
}

impl Notify {
    /// The one that the environment names: `NOTIFY_SOCKET`, `WATCHDOG_USEC`, `WATCHDOG_PID`.
    pub fn from_environment() -> Notify {
        let Some(address) = std::env::var_os("NOTIFY_SOCKET") else { return Notify::default() };
        let socket = connect(address.as_bytes());
        if let Err(error) = &socket {
            tracing::warn!(%error, "the service manager cannot be told anything");
        }
        let variable = |name| std::env::var(name).ok();
        let is_for_us = variable("WATCHDOG_PID").is_none_or(|id| id == std::process::id().to_string());
        let microseconds = variable("WATCHDOG_USEC").and_then(|text| text.parse().ok());
        let watchdog = microseconds.filter(|count| *count > 0 && is_for_us).map(Duration::from_micros);
        Notify { socket: socket.ok(), watchdog }
    }

    /// Within which time it wants to hear that the server lives, if it does.
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// All listeners accept.
    pub fn ready(&self) {
        self.tell("READY=1");
    }

    /// The configuration is being read again; [`Self::ready`] follows.
    pub fn reloading(&self) {
        // By the clock that systemd compares with the time at which it asked (`Type=notify-reload`).
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let microseconds = now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec / 1000);
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={microseconds}"));
    }

    /// What `systemctl status` shows of the server. A line.
    pub fn status(&self, text: &str) {
        self.tell(&format!("STATUS={}", text.replace(char::is_control, " ")));
    }

    /// The server ends.
    pub fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// The server lives.
    pub fn alive(&self) {
        if self.watchdog.is_some() {
            self.tell("WATCHDOG=1");
        }
    }

    fn tell(&self, state: &str) {
        if let Some(socket) = &self.socket
            && let Err(error) = socket.send(state.as_bytes())
        {
            tracing::debug!(%error, state, "the service manager was not told");
        }
    }
}

/// A name that begins with `@` is in the abstract namespace.
fn connect(address: &[u8]) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    match address.strip_prefix(b"@") {
        Some(name) => socket.connect_addr(&SocketAddr::from_abstract_name(name)?)?,
        None => socket.connect(std::ffi::OsStr::from_bytes(address))?,
    }
    Ok(socket)
}
