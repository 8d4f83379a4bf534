//! What is served, put together: the log, the engine over it, and the front ends before it.
//!
//! It decides nothing; each part is told what it needs and knows nothing of the others.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, Timestamp};
use crate::config::Agent;
use crate::engine::{Engine, Options};
use crate::log::{Log, LogReader};
use crate::netconf::conversation;
use crate::restconf;
use crate::server::blobs::Blobs;
use crate::server::callbacks::{self, Callbacks};
use crate::server::judgement;
use crate::server::listener::Answer;
use crate::server::netconf::Handler;
use crate::server::operations::{self, Observed, Readiness};
use crate::server::urls::Urls;
use crate::server::vault::Vault;
use crate::server::{Application, ApplicationError, Prepared};
use crate::yang::generated::irtf_agent;

/// Between two looks at which secrets and which parts of data are used, and the least between them.
const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

/// Opens the log, replays it, and makes the front end and what runs NETCONF sessions.
///
/// # Errors
/// The log cannot be opened or does not fit this program.
pub async fn build(prepared: &Prepared) -> Result<Application, ApplicationError> {
    let config = &prepared.config;
    let (clock, limits, profile) = (prepared.clock.clone(), prepared.limits.clone(), profile(&config.agent));
    let (directory, startup) = (config.data.clone(), config.datastores.startup);
    let (url, trail, vault) = (prepared.url.clone(), prepared.trail.clone(), prepared.vault.clone());
    let (spans, judgement) = (prepared.spans.clone(), Arc::clone(&prepared.judgement));
    let accounts = prepared.accounts.clone();
    let urls = Arc::new(Urls::new(&config.netconf.url, &config.data, &limits)?);
    let schemes = urls.schemes();
    let random = rustls::crypto::ring::default_provider().secure_random;
    let callbacks = Callbacks::open(&config.data, &config.callbacks, Arc::clone(&vault), random)?;
    let callbacks = Arc::new(callbacks);
    let blobs = Arc::new(Blobs::open(&config.data, limits.clone(), clock.clone())?);
    let (receivers, judges, kept) = (Arc::clone(&callbacks), Arc::clone(&judgement), Arc::clone(&blobs));
    // Replay reads what no snapshot stands for, which can be the whole log.
    let engine = tokio::task::spawn_blocking(move || {
        let log = Log::open(&directory)?;
        let capabilities = restconf::capabilities(oldest(&log.reader(), &clock), Some(&url))
            .with_netconf(conversation::capabilities(startup, schemes));
        Ok::<Engine, ApplicationError>(Engine::open(
            log,
            Options {
                clock,
                limits,
                startup,
                profile,
                capabilities,
                receivers,
                judges,
                blobs: Some(blobs),
                vault,
                trail,
                spans,
                accounts,
            },
        )?)
    });
    let engine = engine.await??;
    sweep(&prepared.vault, &kept, &engine).await;
    let deliveries =
        tokio::spawn(callbacks::run(engine.clone(), Arc::clone(&callbacks), prepared.shutdown.clone()));
    tokio::spawn(judgement::run(engine.clone(), Arc::clone(&judgement), prepared.shutdown.clone()));
    let (vault, swept, stopping) = (prepared.vault.clone(), engine.clone(), prepared.shutdown.clone());
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = stopping.begun() => return,
                () = async {
                    tokio::time::sleep(MINUTE).await;
                    tokio::select! {
                        () = tokio::time::sleep(HOUR) => {}
                        () = kept.is_full() => {}
                    }
                    sweep(&vault, &kept, &swept).await;
                } => {}
            }
        }
    });
    let (streams, shutdown) = (engine.clone(), prepared.shutdown.clone());
    tokio::spawn(async move {
        shutdown.begun().await;
        streams.end_subscriptions();
    });
    let front = {
        let engine = engine.clone();
        Arc::new(move |request, caller| -> Answer {
            Box::pin(restconf::serve(engine.clone(), request, caller))
        })
    };
    let (sessions, stopping) = (engine.clone(), prepared.shutdown.clone());
    let netconf: Handler = Arc::new(move |stream, peer| {
        let (engine, urls, stopping) = (sessions.clone(), urls.clone(), stopping.clone());
        Box::pin(async move { conversation::serve(engine, urls, stream, peer, stopping.begun()).await })
    });
    let settings = {
        let engine = engine.clone();
        Arc::new(move || engine.snapshot().settings.clone())
    };
    let probe: operations::Probe = {
        let engine = engine.clone();
        Arc::new(move || {
            let engine = engine.clone();
            Box::pin(async move {
                match engine.probe().await {
                    Err(_) => Readiness::Writer,
                    Ok(()) if engine.meter().has_failed(engine.clock().now()) => Readiness::Storage,
                    Ok(()) => Readiness::Ready,
                }
            })
        })
    };
    let measure: operations::Measure = {
        let engine = engine.clone();
        Arc::new(move |text| {
            engine.measure(text);
            callbacks.measure(&engine.snapshot(), text);
            judgement.measure(&engine.snapshot(), text);
        })
    };
    let finish = Box::pin(async move {
        // What was delivered is durable before the writer stops.
        deliveries.await?;
        match engine.stop().await {
            Ok(()) => {}
            Err(error) if error.is_damage() => return Err(error.into()),
            // As on a full disk. What was acknowledged is durable, and the next start has it.
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(
                    error,
                    "the log was not closed cleanly, and nothing that was acknowledged is lost"
                );
            }
        }
        Ok(())
    });
    let observed = Observed { probe, measure };
    Ok(Application { front, settings, netconf: Some(netconf), observed, finish })
}

/// When the oldest event happened that is still there; now if there is none. `None` if that cannot be read: nothing but what a
/// stream says of itself needs it, so a damaged archive does not keep the server from starting.
fn oldest(log: &LogReader, clock: &Clock) -> Option<Timestamp> {
    match log.first().and_then(|first| log.read(first.position, 1)) {
        Ok(records) => records.first().map_or(Some(clock.now()), |record| Timestamp::from_micros(record.at)),
        Err(error) => {
            tracing::warn!(%error, "the oldest event cannot be read");
            None
        }
    }
}

/// Has it seen which secrets and which parts of data are used.
async fn sweep(vault: &Arc<Vault>, blobs: &Arc<Blobs>, engine: &Engine) {
    let (vault, blobs, engine) = (vault.clone(), blobs.clone(), engine.clone());
    let swept = tokio::task::spawn_blocking(move || {
        vault.sweep(|| {
            let state = engine.snapshot();
            (state.references(), state.private_keys())
        });
        blobs.sweep(|| engine.snapshot().tasks.parts_aside().map(str::to_owned).collect())
    });
    match swept.await {
        Err(error) => tracing::error!(%error, "which secrets and parts of data are used cannot be seen"),
        Ok(Err(error)) => tracing::warn!(%error, "which parts of data are used cannot be seen"),
        Ok(Ok(())) => {}
    }
}

/// The profile as the draft's module has it: its `domain` and `management-object` are one text.
pub(crate) fn profile(agent: &Agent) -> irtf_agent::Agent {
    let joined = |values: &[String]| (!values.is_empty()).then(|| values.join(", "));
    irtf_agent::Agent {
        alias: agent.alias.clone(),
        type_: agent.kind.clone(),
        domain: joined(&agent.domain),
        management_object: joined(&agent.management_object),
        capability: irtf_agent::Capability {
            streaming: Some(true),
            push_notifications: Some(true),
            negotiate: Some(
                "acp-task-feasibility-negotiation-v1.0, acp-task-fulfillment-negotiation-v1.0".into(),
            ),
        },
        ..irtf_agent::Agent::new(&agent.name, &agent.description, &agent.version, &agent.provider)
    }
}
