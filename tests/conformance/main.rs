//! What the documents ask of a server, clause by clause: a file for each document, a test for each clause, through
//! a whole server over TLS.

#![allow(clippy::expect_used, clippy::panic)] // tests

mod common;
mod list_pagination;
mod netconf;
mod rfc5277;
mod rfc5717;
mod rfc6022;
mod rfc6241;
mod rfc7951;
mod rfc7952;
mod rfc8040;
mod rfc8072;
mod rfc8341;
mod rfc8526;
mod rfc8527;
mod rfc8639;
mod rfc8640;
mod rfc8641;
mod rfc8650;
mod rfc9254;
mod slow_readers;
mod subscriber;
mod transaction_id;
mod withdrawn;
