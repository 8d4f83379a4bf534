//! Rules of RFC 7950 that libyang does not check, or of which it does not say the line. It looks at the text of one
//! module at a time, and only outside of `standard/`, where nothing can be mended.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Diagnostic;
use crate::source::{Source, Sources};
use crate::statement::Statement;

/// What a module and its submodules break.
pub fn broken(sources: &Sources, source: &Source) -> Vec<Diagnostic> {
    let parts = sources.parts(source);
    let mut rules = Rules { sources, parts: &parts, found: Vec::new() };
    for part in &parts {
        part.statement().walk(&mut |above, s| rules.statement(part, above, s));
    }
    rules.duplicates();
    rules.circles("typedef", "type", "7.3");
    rules.circles("feature", "if-feature", "7.20.1");
    rules.imports(source);
    rules.found
}

struct Rules<'a> {
    sources: &'a Sources,
    /// The module and its submodules.
    parts: &'a [&'a Source],
    found: Vec<Diagnostic>,
}

impl<'a> Rules<'a> {
    fn say(&mut self, part: &Source, statement: &Statement, rule: &str, section: &str) {
        self.found.push(part.problem(statement, &format!("{rule} (RFC 7950 section {section})")));
    }

    fn statement(&mut self, part: &'a Source, above: &[&'a Statement], s: &'a Statement) {
        match s.keyword.as_str() {
            "list" => self.key(part, s),
            "leaf" | "leaf-list" | "typedef" => self.default(part, above, s),
            "action" | "notification"
                if above.iter().any(|a| a.keyword == "list" && a.get("key").is_none()) =>
            {
                let section = if s.keyword == "action" { "7.15" } else { "7.16" };
                self.say(part, s, "a list without a key is around it; give the list a key", section);
            }
            keyword if keyword.contains(':') => self.extension(part, s),
            _ => {}
        }
        if matches!(s.keyword.as_str(), "typedef" | "grouping") {
            let is_same = |other: &&Statement| other.keyword == s.keyword && other.argument == s.argument;
            let around = above.iter().rev().skip(1).flat_map(|a| &a.children).find(is_same);
            let at_top = || self.top(&s.keyword, &s.argument).filter(|_| !above.is_empty()).map(|(_, s)| s);
            if let Some(other) = around.or_else(at_top) {
                let rule = format!("that of line {} is hidden by it; give one another name", other.line);
                self.say(part, s, &rule, "5.5");
            }
        }
    }

    fn key(&mut self, part: &Source, list: &Statement) {
        let Some(key) = list.get("key") else { return };
        for leaf in list.all("leaf").filter(|leaf| key.split_whitespace().any(|name| name == leaf.argument)) {
            if let Some(condition) = leaf.all("if-feature").next() {
                self.say(part, condition, &format!("\"{}\" is a key; take it out", leaf.argument), "7.8.2");
            }
        }
    }

    fn default(&mut self, part: &'a Source, above: &[&'a Statement], s: &'a Statement) {
        let Some(mut ty) = s.all("type").next() else { return };
        let mut at = part;
        let mut seen = BTreeSet::new();
        for default in s.all("default") {
            // A circle of typedefs has an end here.
            while seen.insert((&at.name, &ty.argument)) {
                let words: Vec<&str> = default.argument.split_whitespace().collect();
                let names = ty.children.iter().filter(|v| match v.keyword.as_str() {
                    "enum" => v.argument == default.argument,
                    "bit" => words.contains(&v.argument.as_str()),
                    _ => false,
                });
                let mut conditions = names.filter(|v| v.get("if-feature").is_some());
                if let Some(value) = conditions.next() {
                    let rule = format!("\"{}\" is there only with a feature; take another", value.argument);
                    let section = if s.keyword == "leaf-list" { "7.7.4" } else { "7.6.4" };
                    self.say(part, default, &rule, section);
                    break;
                }
                if ty.argument == "empty" {
                    self.say(part, default, "the type \"empty\" has no default; take it out", "9.11");
                }
                let Some((next, definition)) = self.typedef(at, above, &ty.argument) else { break };
                let Some(below) = definition.all("type").next() else { break };
                (at, ty) = (next, below);
            }
        }
    }

    /// The typedef that a name means at a place, with the module or submodule that has it.
    fn typedef(
        &self,
        part: &'a Source,
        above: &[&'a Statement],
        name: &str,
    ) -> Option<(&'a Source, &'a Statement)> {
        let (prefix, name) = name.split_once(':').unwrap_or(("", name));
        let is_it = |s: &&Statement| s.keyword == "typedef" && s.argument == name;
        if let Some((module, revision)) = part.import(prefix) {
            let module = self.sources.find(module, revision, false)?;
            let parts = self.sources.parts(module).into_iter();
            return parts.into_iter().find_map(|p| Some((p, p.statement().children.iter().find(is_it)?)));
        }
        let mut places: Vec<(&Source, &Statement)> = Vec::new();
        let is_here = self.parts.iter().any(|p| p.path == part.path);
        if is_here {
            places.extend(above.iter().rev().map(|a| (part, *a)));
            places.extend(self.parts.iter().map(|p| (*p, p.statement())));
        } else {
            places.extend(self.sources.parts(part).into_iter().map(|p| (p, p.statement())));
        }
        places.into_iter().find_map(|(part, s)| Some((part, s.children.iter().find(is_it)?)))
    }

    /// The definition of this kind and name at the top of the module.
    fn top(&self, keyword: &str, name: &str) -> Option<(&'a Source, &'a Statement)> {
        let mut all = self.parts.iter().flat_map(|p| p.statement().children.iter().map(|s| (*p, s)));
        all.find(|(_, s)| s.keyword == keyword && s.argument == name)
    }

    fn extension(&mut self, part: &'a Source, s: &Statement) {
        let Some((prefix, name)) = s.keyword.split_once(':') else { return };
        let parts = match part.import(prefix) {
            // What no file has, libyang has in itself.
            Some((module, revision)) => match self.sources.find(module, revision, false) {
                Some(module) => self.sources.parts(module),
                None => return,
            },
            None if part.prefix() == Some(prefix) => self.parts.to_vec(),
            None => return self.say(part, s, "no import has this prefix; import what defines it", "7.19"),
        };
        let mut extensions = parts.iter().flat_map(|p| p.statement().all("extension"));
        let Some(definition) = extensions.find(|s| s.argument == name) else {
            let module = parts.first().map_or("", |p| p.name.as_str());
            let rule = format!("the module \"{module}\" has no extension of this name; check it");
            return self.say(part, s, &rule, "7.19");
        };
        match (definition.get("argument"), s.span.is_empty()) {
            (Some(argument), true) => {
                self.say(part, s, &format!("the argument \"{argument}\" is missing; give it"), "7.19.2");
            }
            (None, false) => self.say(part, s, "the extension has no argument; take it out", "7.19.2"),
            _ => {}
        }
    }

    /// Definitions of the same name, which are unique in a module with its submodules.
    fn duplicates(&mut self) {
        let mut seen: BTreeMap<(&str, &str), (&Source, &Statement)> = BTreeMap::new();
        for part in self.parts {
            for s in &part.statement().children {
                if !matches!(
                    s.keyword.as_str(),
                    "typedef" | "grouping" | "identity" | "feature" | "extension"
                ) {
                    continue;
                }
                if let Some((other, first)) = seen.insert((&s.keyword, &s.argument), (*part, s)) {
                    let place = format!("{}:{}", other.path.display(), first.line);
                    self.say(part, s, &format!("another one is in {place}; give one another name"), "6.2.1");
                }
            }
        }
    }

    /// Definitions that refer to themselves, by way of others or not.
    fn circles(&mut self, keyword: &str, reference: &str, section: &str) {
        let mut edges: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for part in self.parts {
            for definition in part.statement().all(keyword) {
                let to = edges.entry(&definition.argument).or_default();
                definition.walk(&mut |_, s| {
                    if s.keyword == reference {
                        to.extend(s.argument.split([' ', '(', ')', '\n', '\t']).filter_map(|word| {
                            match word.split_once(':') {
                                Some((prefix, name)) => (part.prefix() == Some(prefix)).then_some(name),
                                None => Some(word),
                            }
                        }));
                    }
                });
            }
        }
        for name in edges.keys() {
            let (mut seen, mut open) = (BTreeSet::new(), vec![*name]);
            while let Some(at) = open.pop() {
                let to = edges.get(at).into_iter().flatten().copied();
                open.extend(to.filter(|next| seen.insert(*next)));
            }
            if let Some((part, definition)) = self.top(keyword, name).filter(|_| seen.contains(name)) {
                self.say(part, definition, "it refers to itself in a circle; break it", section);
            }
        }
    }

    /// Imports by which a module imports itself, by way of others or not.
    fn imports(&mut self, source: &'a Source) {
        for (part, import) in self.parts.iter().flat_map(|p| p.statement().all("import").map(|s| (*p, s))) {
            let (mut seen, mut open) = (BTreeSet::new(), vec![import]);
            while let Some(import) = open.pop() {
                let found = self.sources.find(&import.argument, import.get("revision-date"), false);
                let Some(found) = found.filter(|found| seen.insert(&found.path)) else { continue };
                let parts = self.sources.parts(found);
                open.extend(parts.into_iter().flat_map(|p| p.statement().all("import")));
            }
            if seen.contains(&source.path) {
                let rule = format!("\"{}\" imports itself in a circle; break it", source.name);
                self.say(part, import, &rule, "5.1");
            }
        }
    }
}
