//! The end of the server: a flag that everything can wait for, and the signals that set it.
//!
//! It never ends the process; those who wait for it end their work.

use std::io;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Whether the server is to stop. Clones are the same flag.
#[derive(Clone, Debug)]
pub struct Shutdown(Arc<watch::Sender<bool>>);

impl Shutdown {
    /// A flag that is not set.
    #[allow(clippy::new_without_default)] // a flag that nobody else has would be of no use
    pub fn new() -> Shutdown {
        Shutdown(Arc::new(watch::Sender::new(false)))
    }

    /// Sets the flag: stop accepting, let requests end, end event streams.
    pub fn begin(&self) {
        self.0.send_replace(true);
    }

    /// Whether the flag is set.
    pub fn has_begun(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until the flag is set.
    pub async fn begun(&self) {
        // It fails only without a sender, and `self` is one.
        let _ = self.0.subscribe().wait_for(|begun| *begun).await;
    }
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signalled {
    /// To stop, with the name of the signal.
    Stop(&'static str),
    /// To read the configuration again.
    Reload,
}

/// SIGTERM, SIGINT and SIGHUP. SIGXFSZ, which comes with a write beyond the limit on the size of files, is taken too, as who
/// writes is told of it by the write; by itself it would end the process.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    _file_size: Signal,
}

impl Signals {
    /// From now on these signals no longer end the process by themselves.
    pub fn listen() -> io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            _file_size: signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?,
        })
    }

    /// Waits for the next of them. SIGHUPs that came meanwhile are one.
    pub async fn next(&mut self) -> Signalled {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => Signalled::Stop("SIGTERM"),
            _ = self.interrupt.recv() => Signalled::Stop("SIGINT"),
            _ = self.hang_up.recv() => Signalled::Reload,
        }
    }

    /// Waits for SIGTERM or SIGINT and says which. A SIGHUP waits for [`Self::next`].
    pub async fn stop(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
