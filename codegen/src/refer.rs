//! Which modules a module reads nodes of: where its leafrefs and conditions lead, those of the typedefs and groupings of
//! others among them. It goes by the texts, and can name a module more than is needed; libyang says what is wrong.

use std::collections::BTreeSet;

use crate::source::{Source, Sources};
use crate::statement::Statement;

/// The names of these modules; its own among them if it reads its own nodes.
pub fn referred(sources: &Sources, source: &Source) -> BTreeSet<String> {
    let mut walk = Walk { sources, found: BTreeSet::new(), seen: BTreeSet::new(), open: Vec::new() };
    for part in sources.parts(source) {
        walk.statement(source, part, part.statement());
    }
    while let Some((module, keyword, name)) = walk.open.pop() {
        for part in sources.parts(module) {
            for definition in part.statement().all(keyword).filter(|s| s.argument == name) {
                walk.statement(module, part, definition);
            }
        }
    }
    walk.found
}

struct Walk<'a> {
    sources: &'a Sources,
    found: BTreeSet<String>,
    /// Definitions of other modules that were met, by module, keyword and name.
    seen: BTreeSet<(&'a str, &'static str, &'a str)>,
    /// Those that were not looked into.
    open: Vec<(&'a Source, &'static str, &'a str)>,
}

impl<'a> Walk<'a> {
    /// Looks at all that is below a statement of a part of a module.
    fn statement(&mut self, module: &'a Source, part: &'a Source, statement: &'a Statement) {
        statement.walk(&mut |_, s| match s.keyword.as_str() {
            "path" | "must" | "when" => {
                for prefix in prefixes(&s.argument) {
                    match part.import(prefix) {
                        Some((name, _)) => self.found.insert(name.to_owned()),
                        None => self.found.insert(module.name.clone()),
                    };
                }
            }
            "type" => self.definition(module, part, "typedef", &s.argument),
            "uses" => self.definition(module, part, "grouping", &s.argument),
            _ => {}
        });
    }

    /// Notes a definition at the top of a module; what is nested is walked where it stands.
    fn definition(&mut self, module: &'a Source, part: &'a Source, keyword: &'static str, name: &'a str) {
        let (prefix, name) = name.split_once(':').unwrap_or(("", name));
        let of = match part.import(prefix) {
            Some((module, revision)) => self.sources.find(module, revision, false),
            None => Some(module),
        };
        if let Some(of) = of.filter(|of| self.seen.insert((&of.name, keyword, name))) {
            self.open.push((of, keyword, name));
        }
    }
}

/// The prefixes of an expression, and words that look like some.
fn prefixes(expression: &str) -> impl Iterator<Item = &str> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    expression.match_indices(':').map(move |(at, _)| {
        let before = &expression[..at];
        before.rfind(|c| !is_name(c)).and_then(|end| before.get(end + 1..)).unwrap_or(before)
    })
}

#[cfg(test)]
mod tests {
    use super::prefixes;

    #[test]
    fn a_prefix_is_what_stands_before_a_colon() {
        let found: Vec<_> = prefixes("/if:interfaces/a-b:c[d=current()/e:f] or child::g").collect();
        assert_eq!(found, ["if", "a-b", "e", "child", ""]);
    }
}
