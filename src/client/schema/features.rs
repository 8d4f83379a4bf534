//! `if-feature` (RFC 7950 section 7.20.2) by the features that the server announces. It never fails: an expression
//! that cannot be read is true, since it is better to show a node too many than to hide one.

use super::units::{DEPTH_MAX, Reader, Scope};
use crate::yang::statement::Statement;

impl<'a> Reader<'a> {
    /// Whether each `if-feature` of a statement holds.
    pub(super) fn has_features(&mut self, scope: &Scope<'a>, statement: &'a Statement) -> bool {
        let mut holds = true;
        for condition in statement.all("if-feature") {
            let text = condition.argument.replace('(', " ( ").replace(')', " ) ");
            let mut words = text.split_whitespace().peekable();
            let value = either(&mut words, 0, &|name| {
                self.qualified(scope, name).is_some_and(|(module, name)| self.has_feature(module, name))
            });
            match value.filter(|_| words.next().is_none()) {
                Some(value) => holds &= value,
                None => self.problem(scope, condition, "the expression cannot be read"),
            }
        }
        holds
    }
}

type Words<'w> = std::iter::Peekable<std::str::SplitWhitespace<'w>>;

/// Terms with `or` between them. All are read, whatever the first ones say.
fn either(words: &mut Words<'_>, depth: usize, has: &dyn Fn(&str) -> bool) -> Option<bool> {
    let mut value = both(words, depth, has)?;
    while words.next_if_eq(&"or").is_some() {
        value |= both(words, depth, has)?;
    }
    Some(value)
}

/// Factors with `and` between them.
fn both(words: &mut Words<'_>, depth: usize, has: &dyn Fn(&str) -> bool) -> Option<bool> {
    let mut value = factor(words, depth, has)?;
    while words.next_if_eq(&"and").is_some() {
        value &= factor(words, depth, has)?;
    }
    Some(value)
}

fn factor(words: &mut Words<'_>, depth: usize, has: &dyn Fn(&str) -> bool) -> Option<bool> {
    let mut negated = false;
    while words.next_if_eq(&"not").is_some() {
        negated = !negated;
    }
    let value = match words.next()? {
        "(" if depth < DEPTH_MAX => {
            let value = either(words, depth + 1, has)?;
            words.next_if_eq(&")")?;
            value
        }
        "(" | ")" | "and" | "or" => return None,
        name => has(name),
    };
    Some(value != negated)
}
