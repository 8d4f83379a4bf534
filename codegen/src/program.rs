//! What other modules must leave as it is: nodes that a program's own code is written for. It looks at deviations
//! alone, for what others augment gets no field. It never decides which modules these are; `modules.toml` does.

use crate::error::Diagnostic;
use crate::ir::{Kind, NodeId, Schema};
use crate::source::{Source, Sources};
use crate::statement::Statement;

/// The substatements of `deviate` that change the Rust type of a field.
const CHANGING: [&str; 3] = ["config", "mandatory", "type"];

/// The deviations of a module that take nodes of the program's modules away, or change their types.
pub fn refused(
    sources: &Sources,
    source: &Source,
    is_program: impl Fn(&str) -> bool,
) -> impl Iterator<Item = Diagnostic> {
    let mut found = Vec::new();
    for (part, deviation, steps) in deviations(sources, source) {
        let Some((module, _)) = steps.last().filter(|(module, _)| is_program(module)) else { continue };
        for deviate in deviation.all("deviate") {
            if deviate.argument == "not-supported" {
                found.push(part.problem(deviate, &rule(deviation, module, "needs the node")));
            }
            let changing = deviate.children.iter().filter(|s| CHANGING.contains(&s.keyword.as_str()));
            let what = |s: &Statement| format!("needs its \"{}\" to stay", s.keyword);
            found.extend(changing.map(|s| part.problem(s, &rule(deviation, module, &what(s)))));
        }
    }
    found.into_iter()
}

/// The deviations of a module that give a leaf of operations or state a default, or take it away: its field is optional
/// only without.
pub fn refused_defaults(sources: &Sources, source: &Source, schema: &Schema) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (part, deviation, steps) in deviations(sources, source) {
        let Some(node) = target(schema, &steps).map(|id| schema.node(id)) else { continue };
        let module = schema.module(node.module);
        if !module.program || node.config || !matches!(node.kind, Kind::Leaf { .. }) {
            continue;
        }
        let adding = deviation.all("deviate").filter(|s| s.argument != "replace");
        for default in adding.flat_map(|s| s.all("default")) {
            let rule = rule(deviation, &module.name, "needs to know whether the leaf has one");
            found.push(part.problem(default, &rule));
        }
    }
    found
}

fn rule(deviation: &Statement, module: &str, need: &str) -> String {
    format!(
        "\"{}\" is of \"{module}\", which the program's code is written for and {need}; leave this deviation out, \
         and forbid what is not wanted with a \"must\" or by access control",
        deviation.argument
    )
}

/// A deviation: the module or submodule that has it, and the module and name of each step of its target.
type Deviation<'a> = (&'a Source, &'a Statement, Vec<(&'a str, &'a str)>);

/// The deviations of a module and its submodules.
fn deviations<'a>(sources: &'a Sources, source: &'a Source) -> Vec<Deviation<'a>> {
    let mut found = Vec::new();
    for part in sources.parts(source) {
        for deviation in part.statement().all("deviation") {
            let steps = deviation.argument.split('/').skip(1).map(str::trim);
            let step = |step: &'a str| {
                let (prefix, name) = step.split_once(':').unwrap_or(("", step));
                (part.import(prefix).map_or(source.name.as_str(), |(module, _)| module), name)
            };
            found.push((part, deviation, steps.map(step).collect()));
        }
    }
    found
}

/// The schema node at the end of the steps.
fn target(schema: &Schema, steps: &[(&str, &str)]) -> Option<NodeId> {
    let (first, rest) = steps.split_first()?;
    let is = |id: &NodeId, (module, name): &(&str, &str)| {
        let node = schema.node(*id);
        node.name == *name && schema.module(node.module).name == *module
    };
    let modules = schema.modules.iter().filter(|m| m.implemented && m.name == first.0);
    let mut tops = modules.flat_map(|m| m.children.iter().chain(&m.rpcs).chain(&m.notifications));
    let top = *tops.find(|id| is(id, first))?;
    rest.iter().try_fold(top, |at, step| {
        let node = schema.node(at);
        if let Kind::Rpc { input, output } = node.kind {
            return Some(if step.1 == "input" { input } else { output });
        }
        let mut below = node.children.iter().chain(&node.actions).chain(&node.notifications);
        below.find(|id| is(id, step)).copied()
    })
}
