//! The built server, asked over HTTPS as strangers ask it: the verdict for each sample, what hostile requests get, and what
//! is left after `kill -9`. These tests know the server from outside alone and never call into the engine.

#![allow(clippy::unwrap_used, clippy::panic)]

mod attacks;
mod audit;
mod backup;
mod callbacks;
mod clients;
mod configured;
mod crash;
mod delegated;
mod documents;
mod elsewhere;
mod hostile;
mod http;
mod issuers;
mod judgement;
mod large;
mod largest;
mod netconf;
mod operations;
mod overload;
mod patience;
mod process;
mod registry;
mod reload;
mod renewal;
mod replayed;
mod samples;
mod starved;
mod traces;
mod transport;
mod upgrade;
mod victim;
mod ways_in;
