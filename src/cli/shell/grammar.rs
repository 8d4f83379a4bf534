//! What a line means: words and a schema give a command, or say which word is wrong and what was expected. Completion
//! and help ask the same functions what can stand at a place. It never talks to a server.

use std::ops::Range;

use super::words::Word;
use crate::cli::output::Format;
use crate::client::schema::{Kind, NodeId, Schema};
use crate::client::{Content, Datastore, Element, Path};
use crate::yang::decode::distance;

/// A place in the data: its path and its node; none for the whole datastore.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Place {
    /// The path.
    pub path: Path,
    /// The schema node of its last step.
    pub node: Option<NodeId>,
}

/// What is shown: of which datastore, and which part of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// The datastore; none for the running configuration with the state.
    pub datastore: Option<Datastore>,
    /// Configuration, state or both.
    pub content: Content,
}

/// A node with a value, or an entry or container that is to be there.
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment {
    /// Where.
    pub place: Place,
    /// The value of a leaf or of an entry of a leaf-list, as JSON writes it.
    pub value: Option<String>,
}

/// How an answer is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// The form, if it is not that of the session.
    pub format: Option<Format>,
    /// Whether it is lines that the shell takes, in place of a form.
    pub as_set: bool,
    /// The texts that a line has to have, each.
    pub matches: Vec<String>,
    /// Whether the lines are only counted.
    pub is_count: bool,
}

/// What a line says.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // each is the command of its name, which `COMMANDS` describes
pub enum Command {
    Show {
        source: Source,
        place: Place,
        output: Output,
    },
    Set(Vec<Assignment>),
    SetFormat(Format),
    Delete(Place),
    Edit(Place),
    Up,
    Top,
    Diff(Place),
    Validate,
    Commit,
    /// Within so many seconds, by whoever knows the name if there is one.
    CommitConfirmed(Option<u32>, Option<String>),
    /// That of this name, or else of this shell.
    CommitConfirm(Option<String>),
    CommitCancel(Option<String>),
    Discard,
    Rollback(Option<String>),
    Update(Option<&'static str>),
    Reconnect,
    Lock(Datastore),
    Unlock(Datastore),
    Call {
        path: Path,
        operation: NodeId,
        input: Vec<Element>,
        output: Output,
    },
    WatchData(Place),
    WatchStream(Option<String>),
    WatchStop,
    Help(Option<&'static str>),
    Exit,
    Nothing,
}

/// The commands, each with what it does.
pub const COMMANDS: &[(&str, &str)] = &[
    ("show", "Show data: show [configuration|state|DATASTORE] PATH [| FORMAT]"),
    ("set", "Change the candidate: set PATH VALUE, and more names and values of the same place"),
    ("delete", "Delete from the candidate: delete PATH"),
    ("edit", "Move to a place, which paths then begin at: edit PATH"),
    ("up", "Move one level up"),
    ("top", "Move to the top"),
    ("diff", "What the candidate changes: diff [PATH]"),
    ("validate", "Check the candidate"),
    ("commit", "Make the candidate the running configuration: commit [confirmed [SECONDS]|confirm|cancel]"),
    ("discard", "Forget what the candidate changes"),
    (
        "rollback",
        "Forget what the candidate changes, or prepare the way back to a revision: rollback [REVISION]",
    ),
    ("update", "Take over what others have committed: update [prefer-candidate|prefer-running]"),
    ("lock", "Lock a datastore: lock [DATASTORE]"),
    ("unlock", "Give a lock back: unlock [DATASTORE]"),
    ("discover", "Find agents: discover [skill-name NAME] …"),
    ("assign", "Assign a task: assign from AGENT to AGENT …"),
    ("negotiate", "Negotiate: negotiate from AGENT to AGENT …, or negotiate respond ID …"),
    ("call", "Invoke an operation or an action: call [PATH] NAME [PARAMETER VALUE] …"),
    ("watch", "Follow events, or data at a place: watch [stream NAME|PATH], watch stop"),
    ("reconnect", "Open a new session, after the server has ended this one"),
    ("help", "Say what the commands do: help [COMMAND]; or \"?\" anywhere in a line"),
    ("exit", "Leave the shell"),
];

/// The commands that are not begun by one or two letters, since much depends on them.
const FAR_REACHING: &[&str] =
    &["rollback", "discard", "delete", "negotiate", "assign", "commit", "update", "reconnect"];

const RESOLUTIONS: &[(&str, &str)] = &[
    ("prefer-candidate", "Where both changed the same, keep what is in the candidate"),
    ("prefer-running", "Where both changed the same, take what was committed"),
];

const FORMATS: &[(&str, &str)] = &[
    ("table", "Aligned for people"),
    ("json", "JSON (RFC 7951)"),
    ("xml", "XML (RFC 7950)"),
    ("paths", "A line for each value"),
];

const FILTERS: &[(&str, &str)] = &[
    ("set", "Lines that the shell takes"),
    ("match", "The lines with a text in them"),
    ("count", "How many lines there are"),
];

const SOURCES: &[(&str, &str)] = &[
    ("configuration", "The running configuration"),
    ("state", "State without configuration"),
    ("running", "The running datastore"),
    ("candidate", "The candidate datastore"),
    ("startup", "The startup datastore"),
    ("intended", "The intended datastore"),
    ("operational", "The operational datastore"),
];

const LOCKABLE: &[(&str, &str)] = &[
    ("candidate", "The candidate datastore"),
    ("running", "The running datastore"),
    ("startup", "The startup datastore"),
];

/// What can stand at a place of a line.
#[derive(Clone, Debug)]
pub enum Want {
    /// This word, with what it does.
    Literal(&'static str, &'static str),
    /// The name of a node, operation or action.
    Node(NodeId),
    /// The value of a key of the list at a place, whose keys before are in the path.
    Key(Place, NodeId),
    /// A value of a leaf or leaf-list.
    Value(Place),
    /// The number of a revision.
    Revision,
    /// The name of a stream of events.
    Stream,
    /// Something else, in words.
    Other(&'static str),
}

/// Why a line has no meaning, and which part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The word, or the place at the end of the line.
    pub place: Range<usize>,
    /// What is wrong with it.
    pub message: String,
}

impl Wrong {
    /// The line, a caret line and the message.
    pub fn show(&self, line: &str, prompt: &str) -> String {
        let width = |text: &str| text.chars().count();
        let before = width(line.get(..self.place.start).unwrap_or(line));
        let marked = width(line.get(self.place.clone()).unwrap_or_default()).max(1);
        let margin = " ".repeat(width(prompt) + before);
        format!("{margin}{}\n{}", "^".repeat(marked), self.message)
    }
}

/// Reads words one after another.
pub struct Reader<'s> {
    pub(super) schema: &'s Schema,
    pub(super) here: &'s Place,
    words: &'s [Word],
    at: usize,
    end: usize,
    /// What can stand at the place of the next word.
    pub(super) wants: Vec<Want>,
}

pub(super) type Outcome<T> = Result<T, Wrong>;

/// The command that words are; they are the words of `line`.
///
/// # Errors
/// A word is wrong, or one is missing.
pub fn parse(schema: &Schema, here: &Place, line: &str, words: &[Word]) -> Outcome<Command> {
    if let Some(open) = words.iter().find(|word| word.is_open) {
        let message = "the quote or bracket at its end is missing".to_owned();
        return Err(Wrong { place: open.start..open.end, message });
    }
    let mut reader = Reader::new(schema, here, words, line.trim_end().len());
    let command = reader.command()?;
    match reader.next() {
        None => Ok(command),
        Some(_) => Err(reader.one_too_many()),
    }
}

/// What can stand after these words.
///
/// # Errors
/// One of them is wrong.
pub fn wants(schema: &Schema, here: &Place, words: &[Word]) -> Outcome<Vec<Want>> {
    let end = words.last().map_or(0, |word| word.end);
    let mut reader = Reader::new(schema, here, words, end);
    match reader.command() {
        // A word that is wrong, and not one that is missing.
        Err(wrong) if reader.next().is_some() || wrong.place.start < end => Err(wrong),
        Ok(_) if reader.next().is_some() => Err(reader.one_too_many()),
        _ => Ok(reader.wants),
    }
}

impl<'s> Reader<'s> {
    fn new(schema: &'s Schema, here: &'s Place, words: &'s [Word], end: usize) -> Self {
        Reader { schema, here, words, at: 0, end, wants: Vec::new() }
    }

    /// The next word.
    pub(super) fn next(&self) -> Option<&'s Word> {
        self.words.get(self.at)
    }

    /// The next word, unless the rest is for the format.
    pub(super) fn next_of_path(&self) -> Option<&'s Word> {
        self.next().filter(|word| !word.is("|"))
    }

    /// The word after the next.
    pub(super) fn second(&self) -> Option<&'s Word> {
        self.words.get(self.at + 1).filter(|word| !word.is("|"))
    }

    /// Goes past the next word.
    pub(super) fn take(&mut self) {
        self.at += 1;
        self.wants.clear();
    }

    /// That the next word is wrong, or that one is missing, with what can stand there.
    pub(super) fn wrong(&self, message: &str) -> Wrong {
        let mut names: Vec<String> = Vec::new();
        for want in &self.wants {
            let name = match want {
                Want::Literal(name, _) => (*name).to_owned(),
                Want::Node(id) => self.schema.node(*id).name.clone(),
                Want::Key(_, key) => format!("a value of {}", self.schema.node(*key).name),
                Want::Value(place) => place.node.map_or_else(String::new, |id| self.of_type(id)),
                Want::Revision => "the number of a revision".to_owned(),
                Want::Stream => "the name of a stream".to_owned(),
                Want::Other(words) => (*words).to_owned(),
            };
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let (place, near) = match self.next() {
            Some(word) => (word.start..word.end, nearest(&word.text, &names)),
            None => (self.end..self.end, Vec::new()),
        };
        let mut message = message.to_owned();
        match (near.as_slice(), names.len()) {
            ([], 0) => {}
            ([], 1..=12) => message += &format!("; expected {}", either(&names)),
            ([], _) => message += "; ? shows what can stand here",
            (near, _) => message += &format!("; did you mean {}?", either(near)),
        }
        Wrong { place, message }
    }

    /// That the next word stands after the end, or is none of those that could go on.
    fn one_too_many(&self) -> Wrong {
        self.wrong(if self.wants.is_empty() {
            "nothing more can stand here"
        } else {
            "this cannot stand here"
        })
    }

    /// That the word before was wrong.
    pub(super) fn wrong_before(&self, message: String) -> Wrong {
        let word = self.at.checked_sub(1).and_then(|at| self.words.get(at));
        Wrong { place: word.map_or(0..0, |word| word.start..word.end), message }
    }

    /// "a value of the type …".
    pub(super) fn of_type(&self, id: NodeId) -> String {
        let ty = self.schema.node(id).ty.as_ref();
        ty.map_or_else(|| "a JSON object".to_owned(), |ty| format!("a value: {}", self.schema.describe(ty)))
    }

    /// One of these words, if it is the next one.
    pub(super) fn literal(
        &mut self,
        options: &'static [(&'static str, &'static str)],
    ) -> Option<&'static str> {
        self.wants.extend(options.iter().map(|(name, help)| Want::Literal(name, help)));
        let word = self.next()?;
        let (name, _) = options.iter().find(|(name, _)| word.is(name))?;
        self.take();
        Some(name)
    }

    fn command(&mut self) -> Outcome<Command> {
        self.wants.extend(COMMANDS.iter().map(|(name, help)| Want::Literal(name, help)));
        let Some(word) = self.next() else { return Ok(Command::Nothing) };
        let text = if word.text == "quit" { "exit" } else { &word.text };
        let exact = COMMANDS.iter().find(|(name, _)| text == *name);
        let mut begun = COMMANDS.iter().filter(|(name, _)| name.starts_with(text));
        let unique = begun.next().filter(|_| begun.next().is_none());
        if let (None, Some((name, _))) = (exact, unique)
            && FAR_REACHING.contains(name)
            && text.len() < 3
        {
            return Err(self.wrong(&format!("\"{name}\" takes at least its first three letters")));
        }
        let Some((name, _)) = exact.or(unique) else {
            return Err(self.wrong("there is no such command"));
        };
        self.take();
        match *name {
            "show" => self.show(),
            "set" => self.set(),
            "delete" => self.delete(),
            "edit" => Ok(Command::Edit(self.config_place()?)),
            "up" => Ok(Command::Up),
            "top" => Ok(Command::Top),
            "diff" => Ok(Command::Diff(self.place(true, false)?)),
            "validate" => Ok(Command::Validate),
            "commit" => self.commit(),
            "discard" => Ok(Command::Discard),
            "rollback" => {
                self.wants.push(Want::Revision);
                let Some(word) = self.next() else { return Ok(Command::Rollback(None)) };
                if word.text.parse::<u64>().is_err() {
                    return Err(self.wrong("this is no number"));
                }
                self.take();
                Ok(Command::Rollback(Some(word.text.clone())))
            }
            "update" => Ok(Command::Update(self.literal(RESOLUTIONS))),
            "reconnect" => Ok(Command::Reconnect),
            "lock" | "unlock" => {
                let datastore = self.literal(LOCKABLE).and_then(|name| name.parse().ok());
                let datastore = datastore.unwrap_or(Datastore::Candidate);
                Ok(if *name == "lock" { Command::Lock(datastore) } else { Command::Unlock(datastore) })
            }
            "discover" => self.known_call("magent-registry", "discover-agents"),
            "assign" => self.known_call("magent-task", "assign-task"),
            "negotiate" => self.negotiate(),
            "call" => self.call(),
            "watch" => self.watch(),
            "help" => Ok(Command::Help(self.literal(COMMANDS))),
            _ => Ok(Command::Exit),
        }
    }

    fn show(&mut self) -> Outcome<Command> {
        let mut source = Source::default();
        // Words that are names of datastores come first; a node of such a name has its module before it.
        match self.literal(SOURCES) {
            Some("configuration") => {
                source = Source { datastore: Some(Datastore::Running), content: Content::Config };
            }
            Some("state") => source.content = Content::State,
            Some(name) => source.datastore = name.parse().ok(),
            None => {}
        }
        let place = self.place(false, false)?;
        let output = self.output()?;
        Ok(Command::Show { source, place, output })
    }

    /// `| FORMAT`, `| match TEXT` and `| count` at the end of a line.
    fn output(&mut self) -> Outcome<Output> {
        let mut output = Output::default();
        while !output.is_count && self.literal(&[("|", "Choose the format, or lines")]).is_some() {
            match self.literal(FILTERS) {
                Some("set") => output.as_set = true,
                Some("count") => output.is_count = true,
                Some(_) => {
                    self.wants.push(Want::Other("a text that the lines have in them"));
                    let Some(word) = self.next() else { return Err(self.wrong("a text is missing")) };
                    output.matches.push(word.text.clone());
                    self.take();
                }
                None => output.format = Some(self.format_name()?),
            }
        }
        Ok(output)
    }

    fn format_name(&mut self) -> Outcome<Format> {
        match self.literal(FORMATS) {
            Some("json") => Ok(Format::Json),
            Some("xml") => Ok(Format::Xml),
            Some("paths") => Ok(Format::Paths),
            Some(_) => Ok(Format::Table),
            None => Err(self.wrong(self.what("there is no such format", "a format is missing"))),
        }
    }

    /// Which of two messages is right: for a word that is there, or for one that is not.
    pub(super) fn what<'m>(&self, there: &'m str, missing: &'m str) -> &'m str {
        if self.next().is_some() { there } else { missing }
    }

    fn set(&mut self) -> Outcome<Command> {
        if self.here.node.is_none() && self.literal(&[("format", "How data is shown from now on")]).is_some()
        {
            return Ok(Command::SetFormat(self.format_name()?));
        }
        let (assignments, _) = self.content(self.here.clone(), true)?;
        match assignments.is_empty() {
            true => Err(self.wrong(self.what("there is no such node", "the name of a node is missing"))),
            false => Ok(Command::Set(assignments)),
        }
    }

    fn delete(&mut self) -> Outcome<Command> {
        let place = self.config_place()?;
        match place.node {
            Some(_) => Ok(Command::Delete(place)),
            None => Err(self.wrong("the name of a node is missing")),
        }
    }

    fn commit(&mut self) -> Outcome<Command> {
        let how = self.literal(&[
            ("confirmed", "Take the commit back unless it is confirmed in time"),
            ("confirm", "Confirm the commit, so that it stays"),
            ("cancel", "Take the confirmed commit back now"),
        ]);
        Ok(match how {
            None => Command::Commit,
            Some("confirm") => Command::CommitConfirm(self.persist_id()),
            Some("cancel") => Command::CommitCancel(self.persist_id()),
            Some(_) => {
                self.wants.push(Want::Other("seconds from 1 on, or nothing for 600"));
                let seconds =
                    self.next().and_then(|word| word.text.parse().ok()).filter(|seconds| *seconds > 0);
                if seconds.is_some() {
                    self.take();
                }
                let persist = self.literal(&[("persist", "Keep it waiting when this session ends")]);
                if persist.is_none() && self.next().is_some() {
                    return Err(self.wrong("this is no time in seconds"));
                }
                let name = match persist {
                    Some(_) => Some(self.persist_id().ok_or_else(|| self.wrong("a name is missing"))?),
                    None => None,
                };
                Command::CommitConfirmed(seconds, name)
            }
        })
    }

    /// The name of a commit that outlasts its session.
    fn persist_id(&mut self) -> Option<String> {
        self.wants.push(Want::Other("the name that it was given with \"persist\""));
        let name = self.next()?.text.clone();
        self.take();
        Some(name)
    }

    fn known_call(&mut self, module: &str, name: &str) -> Outcome<Command> {
        let mut all = self.schema.of_kind(None, Kind::Rpc);
        let found =
            all.find(|id| self.schema.node(*id).name == name && self.schema.module_name(*id) == module);
        match found {
            Some(operation) => {
                self.parameters(Place { path: Path::top(module, name), node: Some(operation) })
            }
            None => Err(self.wrong_before(format!("the server has no operation {module}:{name}"))),
        }
    }

    fn negotiate(&mut self) -> Outcome<Command> {
        if self.literal(&[("respond", "Make the next move of a negotiation")]).is_none() {
            return self.known_call("magent-task", "open-negotiation");
        }
        let names = ["interaction", "negotiations", "negotiation"];
        let mut place = Place::default();
        for name in names {
            let Some(id) = self.schema.child(place.node, "magent-task", name) else {
                return Err(self.wrong_before("the server has no negotiations".to_owned()));
            };
            place = self.below(&place, id);
        }
        self.keys(&mut place, false)?;
        let list = place.node;
        let mut actions = self.schema.of_kind(list, Kind::Action);
        match actions.find(|id| self.schema.node(*id).name == "respond") {
            Some(action) => self.parameters(self.below(&place, action)),
            None => Err(self.wrong_before("the server has no such action".to_owned())),
        }
    }

    fn watch(&mut self) -> Outcome<Command> {
        let how =
            self.literal(&[("stream", "Follow the events of a stream"), ("stop", "Follow nothing any more")]);
        match how {
            Some("stop") => Ok(Command::WatchStop),
            Some(_) => {
                self.wants.push(Want::Stream);
                let Some(word) = self.next() else {
                    return Err(self.wrong("the name of a stream is missing"));
                };
                self.take();
                Ok(Command::WatchStream(Some(word.text.clone())))
            }
            None => {
                let place = self.place(false, false)?;
                Ok(match place.node {
                    None => Command::WatchStream(None),
                    Some(_) => Command::WatchData(place),
                })
            }
        }
    }

    /// The parameters of an operation, and the format of what it answers.
    pub(super) fn parameters(&mut self, operation: Place) -> Outcome<Command> {
        let Some(id) = operation.node else { return Err(self.wrong("an operation is missing")) };
        let input = Place { path: Path::default(), node: self.schema.input(id) };
        let (_, input) = self.content(input, false)?;
        let output = self.output()?;
        Ok(Command::Call { path: operation.path, operation: id, input, output })
    }
}

/// "a, b or c".
fn either(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// The names that are like a word: those with few letters changed, those it begins with or is inside of.
fn nearest(word: &str, names: &[String]) -> Vec<String> {
    let single = names.iter().filter(|name| !name.contains(' '));
    let mut found: Vec<(usize, &String)> = single
        .filter_map(|name| {
            let is_part = word.len() >= 3 && name.contains(word);
            Some((distance(word, name).or(is_part.then_some(usize::MAX))?, name))
        })
        .collect();
    found.sort();
    found.into_iter().take(3).map(|(_, name)| name.clone()).collect()
}
