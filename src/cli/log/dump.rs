//! `agentconf log dump`: the records of the event log, read one after another and written as they are read.
//!
//! It never interprets a payload, and never has more of the log in memory than a scan reads at a time.

use std::error::Error;
use std::io::Write;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::cli::{Place, is_closed, output};
use crate::clock::Timestamp;
use crate::engine::{Actor, KINDS};
use crate::ids::hexadecimal;
use crate::log::{LogError, LogReader, Record};

/// The arguments of `log dump`.
#[derive(Debug, Args)]
pub struct Dump {
    #[command(flatten)]
    place: Place,
    /// The first position [default: that of the first record there is].
    #[arg(long, value_name = "POSITION")]
    from: Option<u64>,
    /// The last position [default: the end].
    #[arg(long, value_name = "POSITION")]
    to: Option<u64>,
    /// Only records of this kind, by its name or number; may be repeated. Names: edited, agents, tasks, negotiation, startup,
    /// session, commit.
    #[arg(long = "kind", value_name = "KIND")]
    kinds: Vec<Kind>,
    /// How they are written: `json`, an object a line, or `text`, a line for people.
    #[arg(long, value_enum, default_value_t = Format::Json)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Json,
    Text,
}

/// The number of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kind(u16);

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Kind, String> {
        let named = KINDS.iter().find(|(_, name)| *name == text).map(|(number, _)| *number);
        let number = named.or_else(|| text.parse().ok());
        number.map(Kind).ok_or_else(|| {
            let names: Vec<&str> = KINDS.iter().map(|(_, name)| *name).collect();
            format!("neither a number nor one of {}", names.join(", "))
        })
    }
}

/// A record as it is written. Members that are not there have no meaning for it: the server itself comes from nowhere.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Line<'a> {
    position: u64,
    time: String,
    kind: &'a str,
    kind_number: u16,
    version: u8,
    /// The position of the first record of its transaction.
    transaction: u64,
    /// Whether it is the last one.
    transaction_end: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    user: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<u32>,
    /// Whether the server did it, be it because of what the user had begun.
    by_server: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_port: Option<u16>,
    payload: &'a RawValue,
    hash: String,
}

impl Dump {
    pub(super) fn run(self) -> Result<(), Box<dyn Error>> {
        let log = LogReader::open_checked(&self.place.load_existing()?.data)?;
        let mut output = output::lines_out();
        match self.write(&log, &mut output).and_then(|()| Ok(output.flush()?)) {
            Err(error) if is_closed(error.as_ref()) => Ok(()),
            done => done,
        }
    }

    fn write(&self, log: &LogReader, output: &mut impl Write) -> Result<(), Box<dyn Error>> {
        let first = log.first()?.next_position();
        let from = self.from.map_or(first, |from| from.max(1));
        let mut transaction = begins(log, first, from)?;
        for record in log.scan(from - 1).up_to(self.to.unwrap_or(u64::MAX)) {
            let record = record?;
            if self.kinds.is_empty() || self.kinds.contains(&Kind(record.kind)) {
                self.line(&record, transaction, output)?;
            }
            if record.transaction_end {
                transaction = record.position.saturating_add(1);
            }
        }
        Ok(())
    }

    fn line(&self, record: &Record, transaction: u64, output: &mut impl Write) -> Result<(), Box<dyn Error>> {
        let actor = Actor::recorded(record);
        let source = actor.origin.map(|origin| origin.source);
        let time =
            Timestamp::from_micros(record.at).map_or_else(|| record.at.to_string(), |at| at.to_string());
        let kind =
            KINDS.iter().find(|(number, _)| *number == record.kind).map_or("unknown", |(_, name)| name);
        let hash = hexadecimal(&record.hash);
        let payload: &RawValue = serde_json::from_slice(&record.payload)?;
        if self.format == Format::Text {
            let user = match (actor.user, actor.session) {
                ("", _) => "the server".to_owned(),
                (user, Some(session)) => format!("{user} in session {session}"),
                (user, None) => user.to_owned(),
            };
            let from = match actor.origin {
                Some(origin) => format!(" ({origin})"),
                None if actor.by_server && !actor.user.is_empty() => " (by the server)".to_owned(),
                None => String::new(),
            };
            writeln!(output, "{} {time} {kind} {user}{from} {payload}", record.position)?;
            return Ok(());
        }
        let line = Line {
            position: record.position,
            time,
            kind,
            kind_number: record.kind,
            version: record.version,
            transaction,
            transaction_end: record.transaction_end,
            user: actor.user,
            session: actor.session,
            by_server: actor.by_server,
            method: actor.origin.and_then(|origin| origin.method).map(|method| method.as_str()),
            protocol: source.map(|source| source.protocol.as_str()),
            source_host: source.map(|source| source.address.ip().to_string()),
            source_port: source.map(|source| source.address.port()),
            payload,
            hash,
        };
        serde_json::to_writer(&mut *output, &line)?;
        output.write_all(b"\n")?;
        Ok(())
    }
}

/// The first position of the transaction that a position belongs to, as far as it is there.
fn begins(log: &LogReader, first: u64, mut position: u64) -> Result<u64, LogError> {
    while position > first {
        match log.read(position - 2, 1)?.first() {
            Some(before) if !before.transaction_end => position -= 1,
            _ => break,
        }
    }
    Ok(position)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{Head, Log, NewRecord};

    #[test]
    fn a_log_whose_beginning_is_kept_no_longer_is_written_from_its_first_record() {
        let directory = tempfile::tempdir().unwrap();
        let (at, actor, origin) = (1, String::new(), String::new());
        let record = NewRecord { at, kind: 1, version: 1, actor, origin, payload: b"[]".to_vec() };
        let before = Head { position: 6, hash: [1; 32], latest_at: 0 };
        let mut log = Log::open_after(directory.path(), &before).unwrap();
        log.append(&[vec![record.clone(), record.clone()], vec![record]]).unwrap();
        let lines = |from| {
            let place = Place { config: None, data: None };
            let dump = Dump { place, from, to: None, kinds: Vec::new(), format: Format::Json };
            let mut output = Vec::new();
            dump.write(&log.reader(), &mut output).unwrap();
            String::from_utf8(output).unwrap().lines().count()
        };
        assert_eq!([None, Some(7), Some(8), Some(9)].map(lines), [3, 3, 2, 1]);
    }
}
