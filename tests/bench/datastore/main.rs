//! Measures edits of lists of growing size with what validates them: `edit::apply`, `when::settle` and
//! `Validator::changes`, which also keeps the tables in step. Then what an entry takes of memory, and how long it takes to
//! validate everything.
//!
//! Times are those that the thread had a processor, but for edits that are made durable. The sizes take turns in every round, so that what else the machine
//! does hits all alike. It never asserts anything about time.

#[path = "../common/allocator.rs"]
mod allocator;
mod content;
#[allow(unused, reason = "the structs are for programs, and this one needs the tables")]
mod generated;
mod report;

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agentconf::datastore::edit::{self, Edit, Operation};
use agentconf::datastore::index::Configuration;
use agentconf::datastore::validate::Validator;
use agentconf::datastore::when;
use agentconf::log::{Log, NewRecord};
use agentconf::yang::encode::EncodeOptions;
use agentconf::yang::json;
use agentconf::yang::path::Step;
use agentconf::yang::tree::{Child, Container};
use agentconf::yang::value::Value;
use clap::Parser;

use content::ENTRIES_OF_TARGET;
use generated::store::nodes;
use report::Report;
use rustix::time::{ClockId, clock_gettime};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Command line.
#[derive(Parser)]
struct Arguments {
    /// How many entries the datastores hold
    #[arg(long, value_delimiter = ',', default_value = "1000,100000,1000000")]
    entries: Vec<u64>,
    /// How many entries a datastore has that is validated as a whole
    #[arg(long, value_delimiter = ',', default_value = "1000,10000,100000,1000000")]
    whole: Vec<u64>,
    /// How often each measurement is made
    #[arg(long, default_value_t = 41)]
    rounds: u64,
    /// Edits of one kind in a round
    #[arg(long, default_value_t = 500)]
    edits: u64,
    /// Edits of one kind in a round that are made durable one by one
    #[arg(long, default_value_t = 40)]
    durable_edits: u64,
    /// What `cargo bench` says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
    /// Hold so many entries of a list and print the octets that they take
    #[arg(long, hide = true)]
    hold: Option<u64>,
    /// Hold the list with constraints, not the one without
    #[arg(long, hide = true)]
    constrained: bool,
}

fn main() -> Outcome<()> {
    let arguments = Arguments::parse();
    let validator = Validator::new(&generated::SCHEMA);
    if let Some(entries) = arguments.hold {
        println!("{}", held(&validator, entries, arguments.constrained)?);
        return Ok(());
    }
    let mut report = Report::default();
    for constrained in [false, true] {
        for &entries in &arguments.entries {
            report.memory(constrained, entries, memory(entries, constrained)?);
        }
    }
    whole(&validator, &arguments, &mut report)?;
    edits(&validator, &arguments, &mut report)?;
    print!("{report}");
    Ok(())
}

/// Octets that entries take in a process of their own.
fn memory(entries: u64, constrained: bool) -> Outcome<u64> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--hold", &entries.to_string()]);
    if constrained {
        command.arg("--constrained");
    }
    Ok(String::from_utf8(command.output()?.stdout)?.trim().parse()?)
}

/// Puts the entries one by one, as clients would, and says by how much the process grew.
fn held(validator: &Validator, entries: u64, constrained: bool) -> Outcome<u64> {
    let before = resident()?;
    let mut now = validator.empty();
    let targets = (entries / ENTRIES_OF_TARGET).max(1);
    if constrained {
        for number in 0..targets {
            let (key, target) = (content::name(number), content::target(number));
            now = edited(
                validator,
                &now,
                &content::edit(Operation::Create, &nodes::TARGET, &key, Some(target)),
            )?;
        }
    }
    for number in (0..entries).map(|n| content::scattered(n, entries)) {
        let key = content::key(number);
        let (list, entry) = match constrained {
            true => (&nodes::ENTRY, content::entry(&key, number, number, targets)),
            false => (&nodes::ITEM, content::item(number)),
        };
        now = edited(validator, &now, &content::edit(Operation::Create, list, &key, Some(entry)))?;
    }
    Ok(resident()?.saturating_sub(before))
}

/// The memory that the process occupies (Linux: `VmRSS`), in octets.
fn resident() -> Outcome<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}

/// Validates full datastores as a whole, and builds their tables.
fn whole(validator: &Validator, arguments: &Arguments, report: &mut Report) -> Outcome<()> {
    for &entries in &arguments.whole {
        eprintln!("validating {entries} entries");
        let content = Arc::new(content::filled(entries));
        for _ in 0..(1_000_000 / entries.max(1)).clamp(3, 41) {
            let start = Stopwatch::start();
            let errors = validator.datastore(&content);
            let validated = start.elapsed();
            if let Some(error) = errors.into_iter().next() {
                return Err(error.into());
            }
            let start = Stopwatch::start();
            let indexed = validator.empty().replaced(content.clone());
            report.whole(entries, validated, start.elapsed());
            drop(indexed);
        }
    }
    Ok(())
}

/// Measures processor time: nothing that is measured waits.
struct Stopwatch(Duration);

impl Stopwatch {
    fn start() -> Self {
        Stopwatch(Self::now())
    }

    fn elapsed(&self) -> Duration {
        Self::now().saturating_sub(self.0)
    }

    fn now() -> Duration {
        Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
    }
}

/// A datastore that is edited, and a log that makes the edits durable.
struct Store {
    entries: u64,
    now: Configuration,
    log: Log,
    /// Where the log is.
    _directory: tempfile::TempDir,
}

/// Edits datastores of all sizes in turn.
fn edits(validator: &Validator, arguments: &Arguments, report: &mut Report) -> Outcome<()> {
    let mut stores = Vec::new();
    for &entries in &arguments.entries {
        eprintln!("filling {entries} entries");
        let content = Arc::new(content::filled(entries));
        let directory = tempfile::tempdir_in(std::env::current_dir()?)?;
        let log = Log::open(directory.path())?;
        stores.push(Store { entries, now: validator.empty().replaced(content), log, _directory: directory });
    }
    for round in 0..arguments.rounds {
        eprintln!("round {} of {}", round + 1, arguments.rounds);
        for turn in 0..stores.len() {
            let which = (turn + round as usize) % stores.len();
            if let Some(store) = stores.get_mut(which) {
                store.round(validator, round, arguments.edits, report)?;
                store.durable_round(validator, round, arguments.durable_edits, report)?;
            }
        }
    }
    Ok(())
}

impl Store {
    /// One round of all kinds of edits, after which the datastore is what it was before.
    fn round(&mut self, validator: &Validator, round: u64, edits: u64, report: &mut Report) -> Outcome<()> {
        let (entries, targets) = (self.entries, (self.entries / ENTRIES_OF_TARGET).max(1));
        let somewhere: Vec<u64> =
            (0..edits).map(|n| content::scattered(round * edits + n, entries)).collect();
        let list = &nodes::ENTRY;
        // Those that are created stand behind others, all over the list.
        let created = |n: usize, number: &u64| format!("{}-{n}", content::key(*number));
        let each = |edit: &dyn Fn(usize, &u64) -> Edit| -> Vec<Edit> {
            somewhere.iter().enumerate().map(|(n, number)| edit(n, number)).collect()
        };

        let create = each(&|n, number| {
            let key = created(n, number);
            let entry = content::entry(&key, *number, entries + n as u64, targets);
            content::edit(Operation::Create, list, &key, Some(entry))
        });
        self.time("create an entry", validator, &create, report)?;
        let change = each(&|n, number| {
            let mut edit = content::edit(Operation::Merge, list, &created(n, number), None);
            edit.path.steps.push(Step::plain(&nodes::ENTRY_TARGET));
            edit.value = Some(Child::Leaf(Value::string(content::name((number + 7) % targets))));
            edit
        });
        self.time("change what an entry refers to by key", validator, &change, report)?;
        let change = each(&|n, number| {
            let mut edit = content::edit(Operation::Merge, list, &created(n, number), None);
            edit.path.steps.push(Step::plain(&nodes::ENTRY_SERIAL));
            edit.value = Some(Child::Leaf(Value::Uint32(((number + 7) % targets) as u32)));
            edit
        });
        self.time("change what it refers to by another leaf", validator, &change, report)?;
        let change = each(&|n, number| {
            let mut edit = content::edit(Operation::Merge, list, &created(n, number), None);
            edit.path.steps.push(Step::plain(&nodes::ENTRY_ADDRESS));
            edit.value = Some(Child::Leaf(Value::string(format!("2001:db8:1::{n:x}"))));
            edit
        });
        self.time("change its unique leaf", validator, &change, report)?;
        let change = each(&|n, number| {
            let mut edit = content::edit(Operation::Merge, list, &created(n, number), None);
            edit.path.steps.push(Step::plain(&nodes::ENTRY_LOW));
            edit.value = Some(Child::Leaf(Value::Uint32(11)));
            edit
        });
        self.time("change what its must reads", validator, &change, report)?;
        let delete = each(&|n, number| content::edit(Operation::Delete, list, &created(n, number), None));
        self.time("delete it", validator, &delete, report)?;

        let list = &nodes::TARGET;
        let created = |n: usize, number: &u64| format!("{}-{n}", content::name(number % targets));
        let create = each(&|n, number| {
            let mut target = content::target(targets + n as u64);
            let key = created(n, number);
            target.set(&nodes::TARGET_NAME, Child::Leaf(Value::string(&key)));
            content::edit(Operation::Create, list, &key, Some(target))
        });
        self.time("create a target", validator, &create, report)?;
        let delete = each(&|n, number| content::edit(Operation::Delete, list, &created(n, number), None));
        self.time("delete a target", validator, &delete, report)?;
        let refused =
            each(&|_, number| content::edit(Operation::Delete, list, &content::name(number % targets), None));
        self.time_refusals("refuse to delete a target of ten", validator, &refused, report)
    }

    /// A round of edits as clients wait for them: each in the log before the next begins.
    fn durable_round(
        &mut self,
        validator: &Validator,
        round: u64,
        edits: u64,
        report: &mut Report,
    ) -> Outcome<()> {
        let (entries, targets) = (self.entries, (self.entries / ENTRIES_OF_TARGET).max(1));
        let list = &nodes::ENTRY;
        let somewhere: Vec<u64> =
            (0..edits).map(|n| content::scattered(round * edits + n, entries)).collect();
        let key = |number: u64| format!("{}-durable", content::key(number));
        let create = |number: u64| {
            let entry = content::entry(&key(number), number, 2 * entries + number, targets);
            content::edit(Operation::Create, list, &key(number), Some(entry))
        };
        let change = |number: u64| {
            let mut edit = content::edit(Operation::Merge, list, &key(number), None);
            edit.path.steps.push(Step::plain(&nodes::ENTRY_TARGET));
            edit.value = Some(Child::Leaf(Value::string(content::name((number + 7) % targets))));
            edit
        };
        let delete = |number: u64| content::edit(Operation::Delete, list, &key(number), None);
        let kinds: [(&'static str, &dyn Fn(u64) -> Edit); 3] = [
            ("create an entry", &create),
            ("change what an entry refers to by key", &change),
            ("delete it", &delete),
        ];
        for (what, make) in kinds {
            let edits: Vec<Edit> = somewhere.iter().map(|number| make(*number)).collect();
            let start = now();
            for edit in &edits {
                self.now = edited(validator, &self.now, edit)?;
                self.log.append(&[vec![record(edit)]])?;
            }
            report.durable(what, self.entries, per(start.elapsed(), &edits));
        }
        Ok(())
    }

    fn time(
        &mut self,
        what: &'static str,
        validator: &Validator,
        edits: &[Edit],
        report: &mut Report,
    ) -> Outcome<()> {
        let start = Stopwatch::start();
        for edit in edits {
            self.now = edited(validator, &self.now, edit)?;
        }
        report.edits(what, self.entries, per(start.elapsed(), edits));
        Ok(())
    }

    fn time_refusals(
        &self,
        what: &'static str,
        validator: &Validator,
        edits: &[Edit],
        report: &mut Report,
    ) -> Outcome<()> {
        let start = Stopwatch::start();
        for edit in edits {
            if edited(validator, &self.now, edit).is_ok() {
                return Err("what is referred to was deleted".into());
            }
        }
        report.edits(what, self.entries, per(start.elapsed(), edits));
        Ok(())
    }
}

fn per(time: Duration, edits: &[Edit]) -> Duration {
    time / u32::try_from(edits.len()).unwrap_or(u32::MAX).max(1)
}

/// The time of the machine: an edit that is made durable waits.
#[allow(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn now() -> Instant {
    Instant::now()
}

/// An edit for the log: its path and, as JSON, its content.
fn record(edit: &Edit) -> NewRecord {
    let mut payload = edit.path.to_string().into_bytes();
    if let (Some(node), Some(value)) = (edit.path.node(), &edit.value) {
        json::encode_one(node, value, &mut payload, &EncodeOptions::default());
    }
    NewRecord { at: 0, kind: 1, version: 1, actor: "bench".into(), origin: String::new(), payload }
}

/// The datastore after an edit, if that is valid.
fn edited(validator: &Validator, now: &Configuration, edit: &Edit) -> Outcome<Configuration> {
    const REVISION: u64 = 1;
    let content: Container = edit::apply(now.content(), edit, REVISION)?;
    let edits = std::slice::from_ref(edit);
    let settled = when::settle(validator, now.content(), Arc::new(content), edits, REVISION)?;
    let next = validator.changes(now, settled.content, &settled.changes);
    next.map_err(|errors| errors.into_iter().next().map_or_else(|| "refused".into(), Into::into))
}
