//! The terminal: a line editor with history, completion by Tab and help by `?`. It never carries out a command.

use std::collections::{HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::Validator;
use rustyline::{
    Cmd, CompletionType, ConditionalEventHandler, Config, Context, Editor, Event, EventContext, EventHandler,
    ExternalPrinter, Helper, KeyEvent, Modifiers, RepeatCount,
};

use super::complete::complete;
use super::grammar::Place;
use super::keys::Keys;
use super::run::Server;
use super::words::split;
use crate::cli::output::put;
use crate::client::schema::{Kind, Schema};

/// Most lines of history.
const HISTORY_MAX: usize = 1_000;
/// Widest note beside a candidate, in columns.
const NOTE_MAX: usize = 60;

/// What a person did.
#[derive(Debug, PartialEq, Eq)]
pub enum Typed {
    /// A line.
    Line(String),
    /// `?` at this place of a line.
    Help(String, usize),
    /// Control-C: the line is given up.
    Interrupt,
    /// Control-D: no more lines come.
    End,
}

/// The terminal.
pub struct Terminal {
    editor: Editor<Assistant, DefaultHistory>,
    help: Arc<Mutex<Option<usize>>>,
    history: Option<PathBuf>,
    secrets: HashSet<String>,
    /// Lines that were pasted together with the one before.
    pasted: VecDeque<String>,
}

impl Terminal {
    /// Takes the terminal. The history is in a file that only its user can read.
    ///
    /// # Errors
    /// There is no terminal.
    pub fn new(
        server: &Arc<Server>,
        keys: Keys,
        history: Option<PathBuf>,
    ) -> Result<Terminal, ReadlineError> {
        let config = Config::builder()
            .max_history_size(HISTORY_MAX)?
            .history_ignore_space(true)
            .completion_type(CompletionType::List)
            .completion_prompt_limit(200)
            .build();
        let mut editor = Editor::with_config(config)?;
        editor.set_helper(Some(Assistant {
            server: Arc::clone(server),
            here: Place::default(),
            keys,
            columns: 80,
        }));
        let help = Arc::new(Mutex::new(None));
        let question = KeyEvent::new('?', Modifiers::NONE);
        editor.bind_sequence(question, EventHandler::Conditional(Box::new(Question(Arc::clone(&help)))));
        if let Some(file) = &history {
            // Without one it begins empty.
            let _ = editor.load_history(file);
        }
        Ok(Terminal { editor, help, history, secrets: secrets(&server.schema), pasted: VecDeque::new() })
    }

    /// What prints while a line is being typed.
    ///
    /// # Errors
    /// There is no terminal.
    pub fn printer(&mut self) -> Result<impl ExternalPrinter + use<>, ReadlineError> {
        self.editor.create_external_printer()
    }

    /// Reads a line at a place; `begun` is what stands in it already, and where the cursor is.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn read(&mut self, prompt: &str, here: &Place, begun: (&str, &str)) -> Result<Typed, ReadlineError> {
        if let Some(assistant) = self.editor.helper_mut() {
            assistant.here.clone_from(here);
            assistant.keys.forget();
        }
        if let Some(line) = self.pasted.pop_front() {
            // It looks as if it had been typed here.
            put(&format!("{prompt}{line}\n"))?;
            self.remember(&line);
            return Ok(Typed::Line(line));
        }
        let columns = self.editor.dimensions().map(|(columns, _)| usize::from(columns));
        if let (Some(columns), Some(assistant)) = (columns, self.editor.helper_mut()) {
            assistant.columns = columns;
        }
        let line = match self.editor.readline_with_initial(prompt, begun) {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => return Ok(Typed::Interrupt),
            Err(ReadlineError::Eof) => return Ok(Typed::End),
            Err(error) => return Err(error),
        };
        if let Some(at) = self.help.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Ok(Typed::Help(line, at));
        }
        self.pasted.extend(line.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned));
        let line = self.pasted.pop_front().unwrap_or_default();
        self.remember(&line);
        Ok(Typed::Line(line))
    }

    /// Puts a line into the history, unless it has a secret.
    fn remember(&mut self, line: &str) {
        if line.trim().is_empty() || split(line).iter().any(|word| names_secret(&word.text, &self.secrets)) {
            return;
        }
        let added = self.editor.add_history_entry(line);
        if let (Ok(true), Some(file)) = (added, &self.history) {
            // A history that cannot be kept is no reason to stop.
            let _ = self.editor.append_history(file);
        }
    }
}

/// Whether a word names a leaf with a secret, by itself or at the end of a path.
fn names_secret(word: &str, secrets: &HashSet<String>) -> bool {
    let last = word.split('[').next().unwrap_or(word).rsplit(['/', ':']).next().unwrap_or(word);
    secrets.contains(last)
        || (word.starts_with('/') && word.split(['/', ':', '[', '=']).any(|p| secrets.contains(p)))
}

/// The names of the leafs whose values are secrets.
fn secrets(schema: &Schema) -> HashSet<String> {
    let mut found = HashSet::new();
    for (_, module) in schema.modules() {
        let mut open = module.children.clone();
        while let Some(id) = open.pop() {
            let node = schema.node(id);
            open.extend(&node.children);
            let words = ["password", "passphrase", "secret", "private-key", "crypt-hash", "token"];
            let ty = node.ty.as_ref().map(|ty| ty.name.as_str()).unwrap_or_default();
            let is_secret = words.iter().any(|word| node.name.contains(word) || ty.contains(word));
            if is_secret && matches!(node.kind, Kind::Leaf | Kind::LeafList) {
                found.insert(node.name.clone());
            }
        }
    }
    found
}

/// `?`: the line is given back as it is, so that help can be shown below it.
struct Question(Arc<Mutex<Option<usize>>>);

impl ConditionalEventHandler for Question {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        let before = context.line().get(..context.pos())?;
        if split(before).last().is_some_and(|word| word.is_open) {
            // Between quotes it is a letter like others.
            return None;
        }
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(context.pos());
        Some(Cmd::AcceptLine)
    }
}

/// Completes words.
struct Assistant {
    server: Arc<Server>,
    here: Place,
    keys: Keys,
    /// How wide the terminal is.
    columns: usize,
}

impl Completer for Assistant {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> Result<(usize, Vec<Pair>), ReadlineError> {
        let line = line.get(..pos).unwrap_or(line);
        // Of lines that were pasted, the last one.
        let (above, line) = line.rsplit_once('\n').map_or((0, line), |(above, line)| (above.len() + 1, line));
        let (start, candidates) = complete(&self.server.schema, &self.here, line, &self.keys);
        let width =
            candidates.iter().map(|candidate| candidate.text.chars().count()).max().unwrap_or_default();
        let room = self.columns.saturating_sub(width + 3).min(NOTE_MAX);
        let pair = |candidate: super::complete::Candidate| {
            let note: String = candidate.note.chars().filter(|c| !c.is_control()).take(room).collect();
            let display = match note.is_empty() {
                true => candidate.text.clone(),
                false => format!("{:width$}  {note}", candidate.text),
            };
            Pair { display, replacement: candidate.text + " " }
        };
        Ok((above + start, candidates.into_iter().map(pair).collect()))
    }
}

impl Hinter for Assistant {
    type Hint = String;
}
impl Highlighter for Assistant {}
impl Validator for Assistant {}
impl Helper for Assistant {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::schema::Text;

    #[test]
    fn a_line_with_a_secret_is_known() {
        let text =
            "module a { namespace urn:a; prefix a; typedef crypt-hash { type string; } container user {
            leaf password { type string; } leaf code { type crypt-hash; } leaf name { type string; } } }";
        let text = Text { text: text.to_owned(), implemented: true, features: Vec::new() };
        let secrets = secrets(&Schema::read(&[text]));
        let has_secret = |line: &str| split(line).iter().any(|word| names_secret(&word.text, &secrets));
        assert!(has_secret("set user password x"));
        assert!(has_secret("set user code x"));
        assert!(has_secret("set /a:user/password x"));
        assert!(has_secret("set a:user a:password x"));
        assert!(!has_secret("set user name x"));
    }
}
