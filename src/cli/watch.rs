//! `agentconf watch`: writes events, or updates of data, as they come. It never reconnects.

use std::error::Error;

use clap::{Args, ValueEnum};

use super::connection::Connection;
use super::{UsageError, block_on, library, output};
use crate::client::schema::Schema;
use crate::client::{ClientError, Datastore, Notification, Path, Push, Subscribe, json, resolve};

/// The arguments of `watch`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  agentconf watch
  agentconf watch --filter /magent-task:task-event --from 2026-01-01T00:00:00Z
  agentconf watch ssh://admin@127.0.0.1:8830 --push /magent-task:interaction/tasks --datastore operational")]
pub struct Watch {
    /// The server's URL (default: AGENTCONF_URL, or else the server on this machine).
    #[arg(value_name = "URL")]
    url: Option<String>,
    /// Stream of events [default: NETCONF].
    #[arg(long, value_name = "NAME")]
    stream: Option<String>,
    /// Only events with this node: /module:notification/name[key='value'].
    #[arg(long, value_name = "PATH")]
    filter: Option<Path>,
    /// Begin with the events since then, such as 2026-01-01T00:00:00Z.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// End with the events until then.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// In place of events, follow the data of this node.
    #[arg(long, value_name = "PATH", conflicts_with_all = ["stream", "filter", "from", "until"])]
    push: Option<Path>,
    /// Datastore of the data that is followed [default: operational].
    #[arg(long, value_name = "NAME", requires = "push")]
    datastore: Option<Datastore>,
    /// Tell the data every so many seconds [default: whenever it changes].
    #[arg(long, value_name = "S", requires = "push", value_parser = period)]
    period: Option<u32>,
    /// End after so many notifications.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Form of the output.
    #[arg(long, value_enum, default_value_t = Form::Json)]
    format: Form,
    #[command(flatten)]
    connection: Connection,
}

/// How a notification is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// In one line (RFC 8040 section 6.4).
    Json,
    /// In one line (RFC 5277 section 4).
    Xml,
    /// A line for each value: when, and its path, =, the value.
    Paths,
}

/// Seconds, with up to two decimals, in hundredths.
fn period(text: &str) -> Result<u32, &'static str> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let hundredths = match part.len() {
        0 => Ok(0),
        1 => part.parse::<u32>().map(|tenths| tenths * 10),
        2 => part.parse::<u32>(),
        _ => return Err("at most two decimals"),
    };
    let all =
        whole.parse::<u32>().ok().and_then(|whole| whole.checked_mul(100)?.checked_add(hundredths.ok()?));
    all.filter(|all| *all > 0).ok_or("a number of seconds above 0")
}

impl Watch {
    pub(super) fn run(self) -> Result<(), Box<dyn Error>> {
        let (url, more) = self.connection.place(self.url.iter().cloned().collect())?;
        if let Some(more) = more.first() {
            return Err(UsageError::of(format!(
                "{more:?} is no URL; a place is named with --push or --filter"
            ))
            .into());
        }
        block_on(async {
            let session = self.connection.open(&url).await?;
            let library = library(&session).await?;
            let mut subscription = match &self.push {
                Some(path) => {
                    let (path, _) = resolve::resolve(&library.schema, path)?;
                    let datastore = self.datastore.unwrap_or(Datastore::Operational);
                    session.push(&Push { datastore, path, period: self.period }).await?
                }
                None => {
                    let filter = self.filter.as_ref().map(|path| resolve::resolve(&library.schema, path));
                    let subscribe = Subscribe {
                        stream: self.stream.clone(),
                        filter: filter.transpose()?.map(|(path, _)| path),
                        from: self.from.clone(),
                        until: self.until.clone(),
                        after: None,
                    };
                    session.subscribe(&subscribe).await?
                }
            };
            let mut left = self.count.unwrap_or(u64::MAX);
            while left > 0 {
                let next = tokio::select! {
                    next = subscription.next() => next,
                    _ = tokio::signal::ctrl_c() => break,
                };
                let Some(notification) = next else {
                    // Only a time was given for the end.
                    match self.until {
                        Some(_) => break,
                        None => return Err(ClientError::Ended("the server sends nothing more".into()).into()),
                    }
                };
                if !output::put(&line(&library.schema, &notification?, self.format))? {
                    break;
                }
                left -= 1;
            }
            // What was asked for is there, whatever the goodbye.
            let _ = session.close().await;
            Ok(())
        })
    }
}

fn line(schema: &Schema, notification: &Notification, form: Form) -> String {
    let event = std::slice::from_ref(&notification.event);
    let time = serde_json::Value::from(notification.time.as_str());
    match form {
        Form::Json => {
            let body = json::encode(schema, None, event).compact();
            // An object of one member, whose braces are those of the notification too.
            let member = body.strip_prefix('{').and_then(|body| body.strip_suffix('}')).unwrap_or_default();
            format!("{{\"ietf-restconf:notification\":{{\"eventTime\":{time},{member}}}}}\n")
        }
        Form::Xml => {
            let time = crate::yang::xml::escape(&notification.time);
            format!(
                "<notification xmlns=\"urn:ietf:params:xml:ns:netconf:notification:1.0\"><eventTime>{time}</eventTime>{}\
                 </notification>\n",
                notification.event.to_xml().replace('\n', "&#10;")
            )
        }
        Form::Paths => {
            let lines = output::paths(schema, None, event);
            lines.lines().map(|line| format!("{} {line}\n", notification.time)).collect()
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_in_hundredths_of_a_second() {
        assert_eq!(period("1"), Ok(100));
        assert_eq!(period("0.5"), Ok(50));
        assert_eq!(period("2.25"), Ok(225));
        for wrong in ["", "0", "-1", "1.234", "x", "1.x", "99999999999"] {
            assert!(period(wrong).is_err(), "{wrong}");
        }
    }
}
