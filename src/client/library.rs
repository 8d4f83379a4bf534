//! The schema of a server, from the YANG texts that it gives. It never judges them: what cannot be had or read is a problem
//! to be shown.

use std::sync::Arc;

use futures_util::stream::{self, StreamExt};

use super::error::ClientError;
use super::modules::Modules;
use super::schema::{Schema, Text};
use super::session::Session;

/// How many texts are asked for at a time.
const AT_A_TIME: usize = 8;

/// What a server's texts say.
#[derive(Debug)]
pub struct Library {
    /// The schema, as far as there are texts. It outlives the session for who keeps it.
    pub schema: Arc<Schema>,
    /// The modules whose texts the server does not give, and why.
    pub missing: Vec<(String, ClientError)>,
}

/// Reads the texts of all modules and submodules.
///
/// # Errors
/// The server does not tell its modules, or gives the text of none.
pub async fn read(session: &Session) -> Result<Library, ClientError> {
    let wanted = wanted(session.modules().await?);
    let ask = |(name, revision, text): (String, Option<String>, Text)| async move {
        let source = session.source(&name, revision.as_deref()).await;
        (name, source.map(|source| Text { text: source, ..text }))
    };
    let answers: Vec<_> = stream::iter(wanted).map(ask).buffered(AT_A_TIME).collect().await;
    let (mut texts, mut missing) = (Vec::new(), Vec::new());
    for (name, answer) in answers {
        match answer {
            Ok(text) => texts.push(text),
            Err(error @ (ClientError::Ended(_) | ClientError::Timeout { .. })) => return Err(error),
            Err(error) => missing.push((name, error)),
        }
    }
    match (texts.is_empty(), missing.pop()) {
        (true, Some((_, error))) => Err(error),
        (_, last) => {
            missing.extend(last);
            Ok(Library { schema: Arc::new(Schema::read(&texts)), missing })
        }
    }
}

/// Every text: its name, its revision, and how the server has it.
fn wanted(modules: &Modules) -> Vec<(String, Option<String>, Text)> {
    let mut wanted: Vec<(String, Option<String>, Text)> = Vec::new();
    for module in &modules.all {
        let text = Text {
            text: String::new(),
            implemented: module.is_implemented,
            features: module.features.clone(),
        };
        wanted.push((module.name.clone(), module.revision.clone(), text.clone()));
        for (name, revision) in &module.submodules {
            wanted.push((name.clone(), revision.clone(), text.clone()));
        }
    }
    wanted
}
