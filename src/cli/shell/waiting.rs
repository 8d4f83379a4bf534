//! A confirmed commit that waits to be confirmed, and its time. What the server does at its end, this never does itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;

/// A confirmed commit of this shell. Dropping it forgets it.
#[derive(Debug)]
pub struct Waiting {
    /// The name by which other sessions confirm it, and by which it outlasts its own.
    pub persist: Option<String>,
    is_over: Arc<AtomicBool>,
    timer: JoinHandle<()>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.timer.abort();
    }
}

impl Waiting {
    /// Counts the seconds in which it has to be confirmed, and tells when they are over.
    pub fn start(seconds: u32, persist: Option<String>, tell: impl Fn(String) + Send + 'static) -> Waiting {
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let timer = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(seconds.into())).await;
            over.store(true, Ordering::Relaxed);
            tell(format!(
                "the commit was not confirmed within {seconds} s: running is again what it was before it\n"
            ));
        });
        Waiting { persist, is_over, timer }
    }

    /// Whether its time is over.
    pub fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }
}
