//! Terms of a proposal: what makes them sound.
//!
//! Nothing here compares one proposal with another; that is for the agents.

use std::collections::HashSet;

use super::decide::Refused;
use crate::clock::Timestamp;
use crate::yang::error::Error;
use crate::yang::generated::magent_task::RoundTerm;

/// Checks what the schema alone does not say of terms (grouping `terms` of magent-types).
///
/// # Errors
/// `bad-terms`: a name stands twice, a term has not exactly one value, or a window does not end
/// after it begins.
pub fn check(terms: &[RoundTerm]) -> Result<(), Error> {
    let mut names = HashSet::new();
    for term in terms {
        let wrong = |what: String| Refused::BadTerms.error(format!("the term {:?} {what}", term.name));
        if !names.insert(term.name.as_str()) {
            return Err(wrong("stands twice; a proposal has each term once".to_owned()));
        }
        let values = [term.number.is_some(), term.text.is_some(), term.window.is_some()];
        if values.iter().filter(|given| **given).count() != 1 {
            return Err(wrong("has to have one of a number, a text and a window".to_owned()));
        }
        if let Some(window) = &term.window {
            let time = |text: &str| {
                text.parse::<Timestamp>()
                    .map_err(|e| wrong(format!("has a window with {text:?}, which is {e}")))
            };
            if time(&window.start)? >= time(&window.end)? {
                return Err(wrong(format!(
                    "has a window that begins at {} and ends at {}",
                    window.start, window.end
                )));
            }
        }
    }
    Ok(())
}
