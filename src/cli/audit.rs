//! `agentconf audit …`: writes who did what, whether or not a server runs. It never changes anything and shows no value.

use std::error::Error;
use std::io::Write;

use clap::{Args, Subcommand, ValueEnum};

use super::{Place, is_closed, output};
use crate::audit::Reader;
use crate::clock::Timestamp;
use crate::engine::{History, Place as Position, Wanted};
use crate::log::LogReader;
use crate::server::audit::DIRECTORY;
use crate::yang::encode::EncodeOptions;
use crate::yang::generated::magent_audit::{Kind as Kinds, QueryAuditOutputEntry};
use crate::yang::json;
use crate::yang::model::Modelled;

/// The verbs of `audit`.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Write changes, sessions, authentications, invocations and refusals in the order of time, one JSON object a line, with
    /// the members that an `entry` of the output of magent-audit:query-audit has.
    Export(Export),
}

/// The arguments of `audit export`.
#[derive(Debug, Args)]
pub struct Export {
    #[command(flatten)]
    place: Place,
    /// Nothing from before this time, such as 2026-11-21T05:00:00Z.
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,
    /// Nothing from after this time.
    #[arg(long, value_name = "TIME")]
    to: Option<Timestamp>,
    /// Only what this user did, or who claimed to be this user.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Only this kind; may be repeated.
    #[arg(long = "kind", value_name = "KIND")]
    kinds: Vec<Kind>,
}

/// A kind of entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    Change,
    Session,
    Authentication,
    Invocation,
    Refusal,
    Administration,
    Dropped,
}

impl Kind {
    fn as_yang(self) -> Kinds {
        match self {
            Kind::Change => Kinds::Change,
            Kind::Session => Kinds::Session,
            Kind::Authentication => Kinds::Authentication,
            Kind::Invocation => Kinds::Invocation,
            Kind::Refusal => Kinds::Refusal,
            Kind::Administration => Kinds::Administration,
            Kind::Dropped => Kinds::Dropped,
        }
    }
}

impl Audit {
    pub(super) fn run(self) -> Result<(), Box<dyn Error>> {
        let Audit::Export(export) = self;
        export.run()
    }
}

impl Export {
    fn run(self) -> Result<(), Box<dyn Error>> {
        let data = self.place.load_existing()?.data;
        let kinds = self.kinds.into_iter().map(Kind::as_yang).collect();
        let wanted = Wanted { from: self.from, to: self.to, user: self.user, kinds };
        let (log, trail) = (LogReader::open_checked(&data)?, Reader::new(&data.join(DIRECTORY)));
        let mut history = History::new(&log, Some(&trail), wanted, Position::default())?;
        let mut output = output::lines_out();
        match write(&mut history, &mut output) {
            Err(error) if is_closed(error.as_ref()) => Ok(()),
            done => done,
        }
    }
}

fn write(history: &mut History, output: &mut impl Write) -> Result<(), Box<dyn Error>> {
    while let Some(audited) = history.look() {
        let Some(audited) = audited? else { continue };
        let mut line = Vec::new();
        let node = Some(QueryAuditOutputEntry::node());
        json::encode_children(&audited.to_data(), node, &mut line, &EncodeOptions::default());
        line.push(b'\n');
        output.write_all(&line)?;
    }
    output.flush()?;
    Ok(())
}
