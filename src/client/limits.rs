//! What the client takes from a server, and how long it waits. It never waits or counts itself.

use std::time::Duration;

/// The limits of one session.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Longest time for a connection and its handshakes, each; not counted is what a person takes to answer.
    pub connect: Duration,
    /// Longest time for the answer to a request to come completely.
    pub reply: Duration,
    /// Longest message, in octets.
    pub message_bytes_max: usize,
    /// Longest hello and longest head of an answer, in octets.
    pub hello_bytes_max: usize,
    /// Deepest nesting of elements.
    pub depth_max: usize,
    /// How many notifications wait for who follows them; with more, the server has to wait.
    pub notifications_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connect: Duration::from_secs(10),
            reply: Duration::from_secs(60),
            message_bytes_max: 1 << 30,
            hello_bytes_max: 1 << 20,
            depth_max: 128,
            notifications_max: 1000,
        }
    }
}
