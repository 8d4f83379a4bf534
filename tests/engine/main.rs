//! The engine through its own door, without sockets: what is decided, made durable, announced and
//! there again after a restart; and what users can do to each other and to the server.

#![allow(clippy::expect_used, clippy::panic)] // tests

mod abuse;
mod bench;
mod confirmed;
mod datastores;
mod delegations;
mod draft;
mod flows;
mod judgement;
mod policies;
mod promises;
mod quotas;
mod secrets;
mod sessions;
mod snapshots;
