//! From what libyang complains of to diagnostics: which file, which line, which statement, and
//! what to do. It decides nothing about modules.

use std::path::Path;

use crate::context::Complaint;
use crate::error::{Diagnostic, Error};
use crate::source::{Source, Sources};
use crate::statement::Statement;
use crate::xpath::parse::parse;

/// The keywords of YANG (RFC 7950 section 6.1.2), to find the one that was meant.
const KEYWORDS: [&str; 67] = [
    "action",
    "anydata",
    "anyxml",
    "argument",
    "augment",
    "base",
    "belongs-to",
    "bit",
    "case",
    "choice",
    "config",
    "contact",
    "container",
    "default",
    "description",
    "deviate",
    "deviation",
    "enum",
    "error-app-tag",
    "error-message",
    "extension",
    "feature",
    "fraction-digits",
    "grouping",
    "identity",
    "if-feature",
    "import",
    "include",
    "input",
    "key",
    "leaf",
    "leaf-list",
    "length",
    "list",
    "mandatory",
    "max-elements",
    "min-elements",
    "modifier",
    "module",
    "must",
    "namespace",
    "notification",
    "ordered-by",
    "organization",
    "output",
    "path",
    "pattern",
    "position",
    "prefix",
    "presence",
    "range",
    "reference",
    "refine",
    "require-instance",
    "revision",
    "revision-date",
    "rpc",
    "status",
    "submodule",
    "type",
    "typedef",
    "unique",
    "units",
    "uses",
    "value",
    "when",
    "yang-version",
];

/// What the phrases of libyang ask of the writer of a module.
const ADVICE: [(&str, &str); 12] = [
    ("in path.", "each step of a path is a node that is there, with a prefix if it is in another module"),
    ("Invalid default", "give a default that the type allows, and without a feature that is not supported"),
    ("cannot be enabled", "leave it out of \"features\" in modules.toml, or support what it needs"),
    ("already implemented", "only one revision can be implemented; take the other out"),
    ("without making it conditional", "give the augment a \"when\", or take \"mandatory\" away"),
    ("Augment target node", "check the path and its prefixes, and whether the target needs a feature"),
    ("Deviation(s) target", "check the path and its prefixes, and whether the target needs a feature"),
    ("any (or all disabled)", "support a feature of modules.toml that one of the values needs"),
    ("Referenced type", "import the module of the typedef, and check its prefix"),
    ("referenced by a uses", "import the module of the grouping, and check its prefix"),
    ("Duplicate identifier", "give one of the two another name"),
    ("not found as a child of", "import what defines it, and check the prefix"),
];

/// All complaints as an error. `loading` is the module that was to be loaded, if there was one.
pub fn diagnostics(complaints: Vec<Complaint>, sources: &Sources, loading: &str) -> Error {
    let mut found: Vec<Diagnostic> = Vec::new();
    for complaint in complaints {
        // What follows only says that the module has failed, of which lines are known by now.
        if let Some(failed) = failed_module(&complaint.message).and_then(|name| sources.newest(name)) {
            let homeless = found.iter_mut().filter(|d| d.file.is_none());
            let homeless: Vec<_> = homeless.collect();
            let is_said = !homeless.is_empty();
            homeless.into_iter().for_each(|d| *d = stated(d.clone(), failed));
            if is_said {
                continue;
            }
        }
        found.push(diagnostic(complaint, sources));
    }
    for homeless in found.iter_mut().filter(|d| d.file.is_none()) {
        let of_path = homeless.path.trim_start_matches('/').split(':').next().unwrap_or_default();
        if let Some(source) = sources.newest(of_path).or_else(|| sources.newest(loading)) {
            *homeless = stated(homeless.clone(), source);
        }
    }
    found.dedup();
    if found.is_empty() {
        return Error::Libyang("a module is refused without a reason".to_owned());
    }
    Error::Yang(found)
}

/// All doubts as warnings. libyang does not say where a condition stands, but how it begins.
pub fn warnings(doubts: Vec<Complaint>, sources: &Sources) -> Vec<Diagnostic> {
    let mut found: Vec<Diagnostic> = Vec::new();
    // How many of the last ones have no place yet.
    let mut homeless = 0;
    for doubt in doubts {
        let condition = condition(&doubt.message);
        if condition.is_some_and(|(beginning, node)| is_sibling(beginning, node)) {
            continue;
        }
        let place = condition.and_then(|(beginning, node)| expression(beginning, node, sources));
        if doubt.message.starts_with(PREVIOUS) {
            let start = found.len() - homeless;
            for diagnostic in found.iter_mut().skip(start) {
                if let Some((source, statement)) = place {
                    let path = condition.map_or(String::new(), |(_, node)| node.to_owned());
                    *diagnostic = Diagnostic { path, ..source.problem(statement, &diagnostic.rule) };
                }
            }
            homeless = 0;
            continue;
        }
        let diagnostic = match (condition, place) {
            (Some((_, node)), Some((source, statement))) => {
                let rule = doubt.message.split("; in expr ").next().unwrap_or_default();
                let rule = format!("{rule}; check the names and prefixes, or nothing will ever be there");
                Diagnostic { path: node.to_owned(), ..source.problem(statement, &rule) }
            }
            _ => diagnostic(doubt, sources),
        };
        homeless = if diagnostic.file.is_none() { homeless + 1 } else { 0 };
        found.push(diagnostic);
    }
    let mut said = std::collections::BTreeSet::new();
    found.retain(|diagnostic| said.insert(diagnostic.to_string()));
    found
}

/// How a message begins that only says where the ones before it belong.
const PREVIOUS: &str = "Previous warning generated by XPath ";

/// The beginning of the condition that a doubt is about, and the path of its context node.
fn condition(message: &str) -> Option<(&str, &str)> {
    let (front, node) = message.trim_end_matches('.').rsplit_once("\" with context node \"")?;
    let start = ["; in expr \"", "] \""].iter().find_map(|mark| Some(front.find(mark)? + mark.len()))?;
    Some((front.get(start..)?, node.trim_end_matches('"')))
}

/// Whether a condition has just named entries of the same list: libyang looks for them among the other nodes alone.
fn is_sibling(beginning: &str, node: &str) -> bool {
    let Some((_, name)) = beginning.rsplit_once("-sibling::") else { return false };
    name.rsplit(':').next() == node.rsplit(['/', ':']).next()
}

/// The `must` or `when` that begins so, of those the one nearest to a node.
fn expression<'a>(beginning: &str, node: &str, sources: &'a Sources) -> Option<(&'a Source, &'a Statement)> {
    let steps: Vec<&str> = node.split(['/', ':']).collect();
    let mut best: Option<(usize, (&Source, &Statement))> = None;
    for source in sources.iter() {
        source.statement().walk(&mut |above, s| {
            let is_it = matches!(s.keyword.as_str(), "must" | "when") && s.argument.contains(beginning);
            if is_it {
                let around = above.iter().filter(|s| steps.contains(&s.argument.as_str())).count();
                let score = around * 2 + usize::from(s.argument.starts_with(beginning)) + 1;
                if best.is_none_or(|(other, _)| score > other) {
                    best = Some((score, (source, s)));
                }
            }
        });
    }
    best.map(|(_, place)| place)
}

/// The module that a complaint says could not be parsed.
fn failed_module(message: &str) -> Option<&str> {
    message.split_once("arsing ").and_then(|(_, rest)| rest.split('"').nth(1))
}

fn diagnostic(complaint: Complaint, sources: &Sources) -> Diagnostic {
    let Complaint { message, path, line } = complaint;
    let mut rule = message.trim_end_matches('.').to_owned();
    if let Some(advice) = advice(&message) {
        rule += &format!("; {advice}");
    }
    let place = (line == 0).then(|| place(&path, sources)).flatten();
    match place {
        Some((source, statement)) => {
            let statement = broken_expression(statement).unwrap_or(statement);
            if message.contains("eviation") || message.contains("Duplicate identifier") {
                for (other, amending) in amending(&path, sources, statement) {
                    rule += &format!("; also look at {}:{}", other.path.display(), amending.line);
                }
            }
            Diagnostic { path, ..source.problem(statement, &rule) }
        }
        None => Diagnostic { file: None, line, path, rule },
    }
}

/// The diagnostic, which is about the text of this source, with the statement of its line.
fn stated(diagnostic: Diagnostic, source: &Source) -> Diagnostic {
    let Diagnostic { line, path, rule, .. } = diagnostic;
    let mut on_line = None;
    source.statement().walk(&mut |_, s| {
        if s.line <= line && s.line > 0 {
            on_line = Some(s);
        }
    });
    match on_line.filter(|s| s.line == line) {
        Some(statement) => Diagnostic { path, ..source.problem(statement, &rule) },
        None => Diagnostic { file: Some(source.path.clone()), line, path, rule },
    }
}

/// What to do about it, if that can be said.
fn advice(message: &str) -> Option<String> {
    if message.ends_with("expected a keyword.") {
        let word = message.split('"').nth(1)?;
        let near = KEYWORDS.iter().map(|k| (distance(k, word), *k)).min()?;
        return (near.0 <= 2).then(|| format!("perhaps \"{}\" is meant", near.1));
    }
    let found = ADVICE.iter().find(|(phrase, _)| message.contains(phrase));
    found.map(|(_, advice)| (*advice).to_owned())
}

/// How many characters have to be put in, left out or changed to get from one word to the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(32).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for ((y, above_left), above) in b.iter().zip(&row).zip(row.iter().skip(1)) {
            let left = next.last().copied().unwrap_or_default();
            next.push((above_left + usize::from(x != *y)).min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

/// The statement that a schema path of libyang leads to, which can be in a grouping of another
/// module: that of the same name with most of the path around it.
fn place<'a>(path: &str, sources: &'a Sources) -> Option<(&'a Source, &'a Statement)> {
    let last = last_step(path);
    let (keyword, name) = match last.strip_prefix('{').and_then(|l| l.strip_suffix("'}")?.split_once("='")) {
        Some((keyword, argument)) => (Some(keyword), argument),
        None => (None, last.rsplit(':').next().unwrap_or_default()),
    };
    // The module of the node is the last one named.
    let modules: Vec<&str> = path.split('/').filter_map(|step| Some(step.split_once(':')?.0)).collect();
    let steps: Vec<&str> = path.split('/').map(|step| step.rsplit(':').next().unwrap_or_default()).collect();
    let mut best: Option<(usize, (&Source, &Statement))> = None;
    for source in sources.iter() {
        let own = modules.iter().rposition(|m| *m == source.name).map_or(0, |at| at + 1);
        source.statement().walk(&mut |above, statement| {
            let is_it = match keyword {
                Some(keyword) => statement.keyword == keyword && statement.argument == name,
                None => statement.argument == name && is_node(&statement.keyword),
            };
            if is_it {
                let around = above.iter().filter(|s| steps.contains(&s.argument.as_str())).count();
                let score = around * 16 + own + 1;
                if best.is_none_or(|(other, _)| score > other) {
                    best = Some((score, (source, statement)));
                }
            }
        });
    }
    best.map(|(_, place)| place)
}

/// The first substatement with an expression that cannot be parsed.
fn broken_expression(statement: &Statement) -> Option<&Statement> {
    let mut expressions = statement.children.iter().filter(|s| matches!(s.keyword.as_str(), "must" | "when"));
    expressions.find(|s| parse(&s.argument, &|_| Some(String::new())).is_err())
}

/// The augments and deviations of the node at a path, or of its parent, but for `except`.
fn amending<'a>(path: &str, sources: &'a Sources, except: &Statement) -> Vec<(&'a Source, &'a Statement)> {
    let names: Vec<&str> =
        path.split(['/', '\'']).map(|step| step.rsplit(':').next().unwrap_or_default()).collect();
    let mut found = Vec::new();
    for source in sources.iter() {
        let amending = source.statement().children.iter();
        for statement in amending.filter(|s| matches!(s.keyword.as_str(), "augment" | "deviation")) {
            let target = statement.argument.rsplit(['/', ':']).next().unwrap_or_default();
            if names.contains(&target) && !std::ptr::eq(statement, except) {
                found.push((source, statement));
            }
        }
    }
    found
}

/// The last step of a schema path; one in braces can have slashes in it.
fn last_step(path: &str) -> &str {
    match path.rfind('{') {
        Some(at) if path.ends_with('}') => &path[at..],
        _ => path.rsplit('/').next().unwrap_or_default(),
    }
}

fn is_node(keyword: &str) -> bool {
    matches!(
        keyword,
        "action"
            | "anydata"
            | "anyxml"
            | "case"
            | "choice"
            | "container"
            | "leaf"
            | "leaf-list"
            | "list"
            | "notification"
            | "rpc"
    )
}

/// The statement of a file that a schema path leads to, with its line.
pub fn located(diagnostic: Diagnostic) -> Diagnostic {
    let name = last_step(&diagnostic.path).rsplit(':').next().unwrap_or_default().to_owned();
    let text = diagnostic.file.as_deref().map(Path::to_owned).and_then(|f| std::fs::read_to_string(f).ok());
    let root = Statement::parse(&text.unwrap_or_default());
    let mut found = None;
    root.walk(&mut |_, s| {
        if found.is_none() && is_node(&s.keyword) && s.argument == name {
            found = Some((s.line, s.keyword.clone()));
        }
    });
    match found {
        Some((line, keyword)) => {
            let rule = format!("{keyword} \"{name}\": {}", diagnostic.rule);
            Diagnostic { line, rule, ..diagnostic }
        }
        None => diagnostic,
    }
}

#[cfg(test)]
mod tests {
    use super::{advice, condition, distance, is_sibling, last_step};

    #[test]
    fn a_misspelt_keyword_is_recognised() {
        let said =
            |word: &str| advice(&format!("Invalid character sequence \"{word}\", expected a keyword."));
        assert_eq!(said("tipe").as_deref(), Some("perhaps \"type\" is meant"));
        assert_eq!(said("nonsense"), None);
        assert_eq!(distance("leaf", "leaf-list"), 5);
    }

    #[test]
    fn a_doubt_says_its_condition_and_entries_of_the_same_list_are_none() {
        let said = |name: &str| {
            format!(
                "Schema node \"{name}\" not found; in expr \"count(preceding-sibling::{name}\" with context node \"/a:l\"."
            )
        };
        assert_eq!(condition(&said("l")), Some(("count(preceding-sibling::l", "/a:l")));
        let is_left_out =
            |name: &str| condition(&said(name)).is_some_and(|(text, node)| is_sibling(text, node));
        assert!(is_left_out("l") && is_left_out("a:l") && !is_left_out("m"));
    }

    #[test]
    fn the_last_step_can_be_a_statement() {
        assert_eq!(last_step("/a:b/c"), "c");
        assert_eq!(last_step("/a:{augment='/b:c/d'}"), "{augment='/b:c/d'}");
    }
}
