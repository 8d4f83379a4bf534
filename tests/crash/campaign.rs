//! The lives of one server: clients read and write all the time, it is killed, stopped, starved and robbed of its power, and it
//! begins again with what that left. In the end everything that clients were told is held against it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use agentconf::log::{Record, archive};

use crate::clients::{Client, Connect, Netconf, Outcome, Restconf, Wish};
use crate::follower::{Event, follow};
use crate::linear::{self, Deed, Operation, Value};
use crate::power;
use crate::random::Random;
use crate::server::{LIMIT, Place, Server, verify};

const REGISTERS: [&str; 3] = ["r0", "r1", "r2"];
const CLIENTS: [Connect; 6] = [
    Restconf::connect,
    Restconf::connect,
    Restconf::connect,
    Restconf::connect,
    Netconf::connect,
    Netconf::connect,
];
/// What the last entry is called, which is written to see the end of the events.
const LAST: &str = "the-last-one";

/// What is done to the answers, or to the data, that no server may do: the campaign has to find it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tampering {
    /// A start finds the data of an earlier one.
    OlderData,
    /// The power takes what was synced and told.
    SyncForgotten,
    /// A write is acknowledged and never made.
    WriteLost,
    /// A reader is told what was there before.
    ReadStale,
    /// Two events come in the wrong order.
    EventsSwapped,
    /// An event does not come.
    EventLost,
    /// An event comes twice.
    EventTwice,
}

impl Tampering {
    pub const ALL: [Tampering; 7] = [
        Tampering::OlderData,
        Tampering::SyncForgotten,
        Tampering::WriteLost,
        Tampering::ReadStale,
        Tampering::EventsSwapped,
        Tampering::EventLost,
        Tampering::EventTwice,
    ];
}

/// All that can be done to a server, and what it does meanwhile.
pub const FAULTS: [&str; 9] = [
    "killed while starting",
    "read-only",
    "stopped",
    "no file may grow",
    "full",
    "terminated",
    "killed",
    "power",
    "records archived",
];

/// What came of a campaign.
#[derive(Debug, Default)]
pub struct Told {
    /// Operations that were answered, refused, and never answered.
    pub answered: usize,
    pub refused: u64,
    pub unanswered: usize,
    /// Records that a loss of power took.
    pub lost: u64,
    pub events: usize,
    /// What was done to the server.
    pub faults: Vec<&'static str>,
    /// What should have been, and this user or machine cannot.
    pub impossible: Vec<&'static str>,
    /// Which rules were broken.
    pub wrong: Vec<String>,
}

/// What clients have done and been told, in all lives.
#[derive(Default)]
struct History {
    /// The order of all that happens.
    moment: AtomicU64,
    value: AtomicU64,
    told: Mutex<Account>,
    /// Somebody has been told something.
    news: Condvar,
}

#[derive(Default)]
struct Account {
    operations: BTreeMap<String, Vec<Operation>>,
    answered: u64,
    refused: u64,
    unanswered: u64,
    wrong: Vec<String>,
}

impl History {
    fn now(&self) -> u64 {
        self.moment.fetch_add(1, Ordering::SeqCst)
    }

    /// Does it, and remembers what came of it.
    fn ask(&self, client: &mut dyn Client, register: &str, wish: Wish) -> Outcome {
        let begin = self.now();
        let outcome = client.ask(register, wish);
        let end = self.now();
        let mut told = self.told.lock().expect("nobody panics");
        let operation = match &outcome {
            Outcome::Done(deed) => Some((*deed, end, true)),
            // It may take effect until the life ends.
            Outcome::Unknown => match wish {
                Wish::Read => None,
                Wish::Write(value) => Some((Deed::Write(value), u64::MAX, false)),
                Wish::Swap(from, to) => Some((Deed::Swap(from, to), u64::MAX, false)),
            },
            Outcome::Refused | Outcome::Wrong(_) => None,
        };
        match &outcome {
            Outcome::Done(_) => told.answered += 1,
            Outcome::Refused => told.refused += 1,
            Outcome::Unknown => told.unanswered += 1,
            Outcome::Wrong(what) => told.wrong.push(format!("{register}: {what}")),
        }
        if let Some((deed, end, is_certain)) = operation {
            let operation = Operation { deed, begin, end, is_certain };
            told.operations.entry(register.to_owned()).or_default().push(operation);
        }
        self.news.notify_all();
        outcome
    }

    /// Waits until `count` gives so many more.
    fn wait(&self, more: u64, count: impl Fn(&Account) -> u64) -> Result<(), String> {
        let told = self.told.lock().expect("nobody panics");
        let goal = count(&told) + more;
        let (_told, timeout) = self
            .news
            .wait_timeout_while(told, LIMIT, |told| count(told) < goal)
            .map_err(|_| "somebody panicked".to_owned())?;
        if timeout.timed_out() { Err("nobody is told anything any more".into()) } else { Ok(()) }
    }

    /// A life is over: what was not answered in it takes no effect any more.
    fn life_ends(&self) {
        let now = self.now();
        for operation in self.told.lock().expect("nobody panics").operations.values_mut().flatten() {
            operation.end = operation.end.min(now);
        }
    }

    /// What all registers hold is read, when nobody else does anything.
    fn read_all(&self, client: &mut Restconf) -> Result<(), String> {
        let begin = self.now();
        let held = client.all().map_err(|error| format!("the registers cannot be read: {error}"))?;
        let (end, held) = (self.now(), held.into_iter().collect::<BTreeMap<String, u64>>());
        let mut told = self.told.lock().expect("nobody panics");
        let known: BTreeSet<String> = told.operations.keys().chain(held.keys()).cloned().collect();
        for register in known {
            let deed = Deed::Read(held.get(&register).copied());
            let operation = Operation { deed, begin, end, is_certain: true };
            told.operations.entry(register).or_default().push(operation);
        }
        Ok(())
    }

    /// Values that a client was told are there, or were.
    fn told_values(&self) -> BTreeSet<u64> {
        let told = self.told.lock().expect("nobody panics");
        let certain = told.operations.values().flatten().filter(|operation| operation.is_certain);
        certain
            .filter_map(|operation| match operation.deed {
                Deed::Read(value) | Deed::Write(value) | Deed::Swap(_, value) => value,
                Deed::Kept(_) => None,
            })
            .collect()
    }
}

/// A client's work until nobody listens any more.
fn work(
    history: &History,
    connect: impl Fn() -> Option<std::io::Result<Box<dyn Client>>>,
    mut random: Random,
    name: &str,
    tampering: Option<Tampering>,
) {
    let mut number = 0;
    while let Some(made) = connect() {
        // It takes no session while its disk is full, and it may be about to end.
        let Ok(mut client) = made else { continue };
        let mut client = Tampered { client: client.as_mut(), tampering, asked: 0, before: None };
        loop {
            number += 1;
            let fresh = Some(history.value.fetch_add(1, Ordering::SeqCst) + 1_000_000);
            let register = *random.pick(&REGISTERS);
            let outcome = match random.below(10) {
                0..3 => history.ask(&mut client, register, Wish::Read),
                3..5 => history.ask(&mut client, register, Wish::Write(fresh)),
                5 => history.ask(&mut client, register, Wish::Write(None)),
                // One that is written once and stays.
                6 => history.ask(&mut client, &format!("{name}-{number}"), Wish::Swap(None, fresh)),
                _ => match history.ask(&mut client, register, Wish::Read) {
                    Outcome::Done(Deed::Read(held)) if client.can(Wish::Swap(held, fresh)) => {
                        history.ask(&mut client, register, Wish::Swap(held, fresh))
                    }
                    other => other,
                },
            };
            if outcome == Outcome::Unknown {
                break;
            }
        }
    }
}

/// A client that is lied to.
struct Tampered<'a> {
    client: &'a mut dyn Client,
    tampering: Option<Tampering>,
    asked: u64,
    before: Option<(String, Value)>,
}

impl Client for Tampered<'_> {
    fn ask(&mut self, register: &str, wish: Wish) -> Outcome {
        self.asked += 1;
        let is_turn = self.asked.is_multiple_of(11);
        match (self.tampering, wish) {
            (Some(Tampering::WriteLost), Wish::Write(value)) if is_turn => {
                return Outcome::Done(Deed::Write(value));
            }
            (Some(Tampering::ReadStale), Wish::Read) => {
                let outcome = self.client.ask(register, wish);
                let Outcome::Done(Deed::Read(held)) = outcome else { return outcome };
                let before = self.before.replace((register.to_owned(), held));
                let (_, stale) = before.filter(|(other, _)| is_turn && other == register).unwrap_or_default();
                return Outcome::Done(Deed::Read(if is_turn { stale } else { held }));
            }
            _ => {}
        }
        self.client.ask(register, wish)
    }

    fn can(&self, wish: Wish) -> bool {
        self.client.can(wish)
    }
}

/// A file system of its own, which can be full and read-only.
struct Mounted(PathBuf);

impl Mounted {
    /// None if this user may not mount anything.
    fn new(place: &Path) -> Option<Mounted> {
        fs::create_dir_all(place).expect("a directory");
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=64m", "tmpfs"]).arg(place).output();
        mount.is_ok_and(|output| output.status.success()).then(|| Mounted(place.to_owned()))
    }

    fn fill(&self) {
        use std::io::Write as _;
        let mut filler = fs::File::create(self.0.join("filler")).expect("a file");
        for size in [1 << 20, 4096, 1] {
            while filler.write_all(&vec![0; size]).is_ok() {}
        }
    }

    fn clear(&self) {
        fs::remove_file(self.0.join("filler")).expect("it is there");
    }

    fn remount(&self, how: &str) {
        let status = Command::new("mount").args(["-o", &format!("remount,{how}")]).arg(&self.0).status();
        assert!(status.expect("it runs").success());
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // At worst it stays until the machine starts anew.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// A directory in which nobody can write, until it is dropped; none if this user may write everywhere.
fn read_only<'a>(data: &'a Path, mounted: Option<&'a Mounted>) -> Option<Box<dyn FnOnce() + 'a>> {
    if let Some(mounted) = mounted {
        mounted.remount("ro");
        return Some(Box::new(|| mounted.remount("rw")));
    }
    let set = move |mode| fs::set_permissions(data, fs::Permissions::from_mode(mode)).expect("it is ours");
    set(0o500);
    if fs::File::create(data.join("probe")).is_ok() {
        fs::remove_file(data.join("probe")).expect("it is there");
        set(0o700);
        return None;
    }
    Some(Box::new(move || set(0o700)))
}

/// One campaign: so many lives, as a number has it.
pub fn run(seed: u64, lives: u64, tampering: Option<Tampering>) -> Told {
    let mut random = Random::new(seed);
    let directory = tempfile::tempdir().expect("a directory");
    // Half of them on a file system that can be full.
    let is_mounted = random.chance(50);
    let mounted = is_mounted.then(|| Mounted::new(&directory.path().join("mounted"))).flatten();
    let root = mounted.as_ref().map_or(directory.path(), |mounted| mounted.0.as_path());
    let (history, mut told) = (Arc::new(History::default()), Told::default());
    if is_mounted && mounted.is_none() {
        told.impossible.push("full");
    }
    let mut campaign = Campaign {
        place: Place::new(directory.path()),
        data: root.join("data-0"),
        root: root.to_owned(),
        mounted: mounted.as_ref(),
        history: history.clone(),
        seen: Vec::new(),
        tampering,
    };
    let ended = campaign.live_all(lives, &mut random, &mut told);
    told.wrong.extend(ended.err());
    let account = history.told.lock().expect("nobody panics");
    told.wrong.extend(account.wrong.iter().take(3).cloned());
    for (register, operations) in &account.operations {
        told.answered += operations.iter().filter(|operation| operation.is_certain).count();
        told.unanswered += operations.iter().filter(|operation| !operation.is_certain).count();
        told.wrong.extend(linear::check(operations).err().map(|why| format!("{register}: {why}")));
    }
    (told.refused, told.events) = (account.refused, campaign.seen.len());
    told
}

struct Campaign<'a> {
    place: Place,
    data: PathBuf,
    root: PathBuf,
    mounted: Option<&'a Mounted>,
    history: Arc<History>,
    /// The events that the subscriber has got.
    seen: Vec<Event>,
    tampering: Option<Tampering>,
}

impl Campaign<'_> {
    fn live_all(&mut self, lives: u64, random: &mut Random, told: &mut Told) -> Result<(), String> {
        let mut older = None;
        for life in 0..lives {
            self.before_life(life, random, told)?;
            if life == 1 {
                let copy = self.root.join("older");
                power::copy(&self.data, &copy);
                older = Some(copy);
            }
            self.live(life, random, told)?;
            self.history.life_ends();
            if self.tampering == Some(Tampering::OlderData)
                && let Some(older) = older.take()
            {
                self.data = older;
            } else if random.chance(60) || self.tampering == Some(Tampering::SyncForgotten) {
                told.faults.push("power");
                self.lose_power(life, random, told);
            }
            verify(&self.data)?;
        }
        if archive::list(&self.data).is_ok_and(|archives| !archives.is_empty()) {
            told.faults.push("records archived");
        }
        self.end()
    }

    /// What can go wrong before a server listens.
    fn before_life(&self, life: u64, random: &mut Random, told: &mut Told) -> Result<(), String> {
        if random.chance(20) {
            told.faults.push("killed while starting");
            let (mut process, listening) = self.place.spawn(&self.data);
            // It is good whether it listens before this time or not.
            let _ = listening.recv_timeout(Duration::from_millis(random.below(300)));
            process.kill().and_then(|()| process.wait()).map_err(|error| error.to_string())?;
        }
        if life > 0 && random.chance(30) {
            let Some(writable) = read_only(&self.data, self.mounted) else {
                told.impossible.push("read-only");
                return Ok(());
            };
            told.faults.push("read-only");
            let (mut process, listening) = self.place.spawn(&self.data);
            let listens = listening.recv_timeout(LIMIT).is_ok_and(|said| !said.is_empty());
            let _ = process.kill();
            let status = process.wait().map_err(|error| error.to_string())?;
            writable();
            if listens || status.success() || !self.place.log().contains("cannot ") {
                return Err(format!(
                    "a start in a directory that may only be read: {status} {}",
                    self.place.log()
                ));
            }
        }
        Ok(())
    }

    fn live(&mut self, life: u64, random: &mut Random, told: &mut Told) -> Result<(), String> {
        let mut server = self.place.start(&self.data)?;
        let mut client = self.client(&server)?;
        self.history.read_all(&mut client)?;
        let threads: Vec<_> = CLIENTS
            .iter()
            .enumerate()
            .map(|(number, connect)| {
                let (history, doors, connect) = (self.history.clone(), server.doors.clone(), *connect);
                let (random, tampering) = (Random::new(random.next()), self.tampering);
                let name = format!("c-{life}-{number}");
                thread::spawn(move || work(&history, || connect(&doors), random, &name, tampering))
            })
            .collect();
        let (doors, mut seen) = (server.doors.clone(), std::mem::take(&mut self.seen));
        let follower = thread::spawn(move || {
            let followed = follow(&doors, &mut seen, LAST);
            (seen, followed)
        });
        let suffered = self.suffer(&mut server, random, told);
        drop(server);
        for thread in threads {
            thread.join().map_err(|_| "a client panicked")?;
        }
        let (seen, followed) = follower.join().map_err(|_| "the subscriber panicked")?;
        self.seen = seen;
        let log = self.place.log();
        if log.contains("panicked") {
            return Err(format!("a thread of the server panicked:\n{log}"));
        }
        suffered.and(followed)
    }

    fn client(&self, server: &Server) -> Result<Restconf, String> {
        let made = Restconf::new(&server.doors).ok_or("nobody listens")?;
        made.map_err(|error| error.to_string())
    }

    fn suffer(&self, server: &mut Server, random: &mut Random, told: &mut Told) -> Result<(), String> {
        let history = &self.history;
        let answered = |more| history.wait(more, |account| account.answered);
        answered(random.within(20, 120))?;
        for _ in 0..random.below(3) {
            match random.below(3) {
                0 => {
                    told.faults.push("stopped");
                    server.signal("-STOP");
                    // Clients give up.
                    history.wait(random.within(1, 3), |account| account.unanswered)?;
                    server.signal("-CONT");
                }
                1 => {
                    told.faults.push("no file may grow");
                    server.limit_files(Some(1));
                    history.wait(random.within(1, 20), |account| account.refused)?;
                    server.limit_files(None);
                }
                _ => {
                    let Some(mounted) = self.mounted else { continue };
                    told.faults.push("full");
                    mounted.fill();
                    history.wait(random.within(1, 20), |account| account.refused)?;
                    mounted.clear();
                }
            }
            answered(random.within(20, 120))?;
        }
        // The moment of an answer is no random moment of the next write.
        for _ in 0..random.below(300_000) {
            std::hint::spin_loop();
        }
        if random.chance(20) {
            told.faults.push("terminated");
            server.signal("-TERM");
        } else {
            told.faults.push("killed");
            server.signal("-KILL");
        }
        server.ended();
        Ok(())
    }

    fn lose_power(&mut self, life: u64, random: &mut Random, told: &mut Told) {
        let values = self.history.told_values();
        let seen = self.seen.last().and_then(|(id, _)| id.split('.').next()?.parse::<u64>().ok());
        let of_record = |record: &Record| {
            let payload = String::from_utf8_lossy(&record.payload);
            // Of anything but a value that nobody knows somebody may have been told.
            let numbers = payload.split(|c: char| !c.is_ascii_digit()).filter_map(|text| text.parse().ok());
            let written: Vec<u64> =
                numbers.filter(|number| *number >= 1_000_000 && *number < 1_000_000_000).collect();
            seen.is_some_and(|seen| record.position <= seen)
                || written.is_empty()
                || written.iter().any(|value| values.contains(value))
        };
        let is_ignored = self.tampering == Some(Tampering::SyncForgotten);
        let to = self.root.join(format!("data-{}", life + 1));
        told.lost += power::fail(&self.data, &to, &power::Told { of_record: &of_record, is_ignored }, random);
        fs::remove_dir_all(&self.data).expect("it is there");
        self.data = to;
    }

    /// Faults have ended: everything is read once more, and the events are compared with those that came piece by piece.
    fn end(&mut self) -> Result<(), String> {
        let server = self.place.start(&self.data)?;
        let mut client = self.client(&server)?;
        self.history.read_all(&mut client)?;
        let fresh = Some(self.history.value.fetch_add(1, Ordering::SeqCst) + 1_000_000);
        let outcome = self.history.ask(&mut client, LAST, Wish::Swap(None, fresh));
        if outcome != Outcome::Done(Deed::Swap(None, fresh)) {
            return Err(format!("it does not write again: {outcome:?}"));
        }
        follow(&server.doors, &mut self.seen, LAST)?;
        let middle = self.seen.len() / 2;
        match self.tampering {
            Some(Tampering::EventsSwapped) => self.seen.swap(middle, middle + 1),
            Some(Tampering::EventLost) => drop(self.seen.remove(middle)),
            Some(Tampering::EventTwice) => self.seen.insert(middle, self.seen[middle].clone()),
            _ => {}
        }
        let mut replayed = Vec::new();
        follow(&server.doors, &mut replayed, LAST)?;
        if let Some(at) =
            (0..replayed.len().max(self.seen.len())).find(|at| replayed.get(*at) != self.seen.get(*at))
        {
            return Err(format!(
                "the subscriber has got, as event {at}, {:?}; it is {:?}",
                self.seen.get(at),
                replayed.get(at)
            ));
        }
        drop(server);
        verify(&self.data).map(drop)
    }
}
