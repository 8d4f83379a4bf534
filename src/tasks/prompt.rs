//! The sections of a prompt: what stands under `##` and a title in a text (section 5.2 of the magent draft, figure 7).
//!
//! It reads a text and never changes it; a text without sections is one without sections, and no error.

use std::sync::Arc;

use crate::yang::generated::magent_task::{MessageSection, Section};
use crate::yang::model::Modelled;
use crate::yang::schema::Node;
use crate::yang::tree::{Child, Container, List};
use crate::yang::value::Value;

/// More sections of one text are not told apart.
const SECTIONS_MAX: usize = 256;
/// The titles of the draft, its spelling first. They are titles where they stand, also in the middle of a line.
const TITLES: [&str; 4] =
    ["target object", "task description", "environmental infomation", "environmental information"];

/// A section of a text.
#[derive(Debug, PartialEq, Eq)]
struct Part<'a> {
    title: &'a str,
    /// The XML element that is all of it.
    element: Option<&'a str>,
    text: &'a str,
}

/// Puts the sections of what an entry says beside it: of the leaf `content` into the list `list`.
pub(super) fn show(entry: &mut Container, content: &'static Node, list: &'static Node) {
    let Some(text) = entry.leaf(content).and_then(Value::as_str) else { return };
    let parts = parts(text);
    if parts.is_empty() {
        return;
    }
    let mut sections = List::empty(list);
    for (number, part) in (1..).zip(parts) {
        let owned = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let (title, element, text) =
            (Some(part.title.to_owned()), part.element.and_then(owned), owned(part.text));
        let section = match list == MessageSection::node() {
            true => MessageSection { number, title, element, text }.to_data(),
            false => Section { number, title, element, text }.to_data(),
        };
        sections.put(list, None, Arc::new(section));
    }
    entry.set(list, Child::List(sections));
}

/// The sections, in their order. What stands before the first title is in none.
fn parts(text: &str) -> Vec<Part<'_>> {
    let mut starts: Vec<(usize, usize, &str)> = Vec::new();
    for (mark, _) in text.match_indices("##") {
        let is_run = text.get(..mark).is_some_and(|before| before.ends_with('#'))
            || text.get(mark + 2..).is_none_or(|after| after.starts_with('#'));
        if starts.len() < SECTIONS_MAX
            && !is_run
            && let Some((title, end)) = title(text, mark)
        {
            starts.push((mark, end, title));
        }
    }
    let ends = starts.iter().skip(1).map(|(mark, ..)| *mark).chain([text.len()]);
    let parts = starts.iter().zip(ends).map(|((_, begin, title), end)| {
        let (element, text) = unwrapped(text.get(*begin..end).unwrap_or_default().trim());
        Part { title, element, text }
    });
    parts.collect()
}

/// The title after the signs at `mark`, and where it ends; `None` if these begin no section.
fn title(text: &str, mark: usize) -> Option<(&str, usize)> {
    let after = text.get(mark + 2..)?;
    let blank = after.len() - after.trim_start_matches([' ', '\t']).len();
    let (begin, rest) = (mark + 2 + blank, after.get(blank..)?);
    let is_title = |title: &&&str| {
        let found = rest.get(..title.len()).is_some_and(|start| start.eq_ignore_ascii_case(title));
        found && rest.get(title.len()..).is_some_and(|next| !next.starts_with(char::is_alphanumeric))
    };
    if let Some(known) = TITLES.iter().find(is_title) {
        return Some((rest.get(..known.len())?, begin + known.len()));
    }
    // So that each line is read to its end once at most, before it is looked for.
    let before = text.get(..mark)?.trim_end_matches(|c: char| c != '\n' && c.is_whitespace());
    if !before.is_empty() && !before.ends_with('\n') {
        return None;
    }
    let line = rest.split(['\n', '\r', '<']).next().unwrap_or_default();
    // Another title in the same line ends this one.
    let line = line.split("##").next().unwrap_or_default();
    let title = line.trim_end();
    (!title.is_empty()).then_some((title, begin + line.len()))
}

/// The element that is all of a text, and what is in it. An attribute, or the stray quote of the draft's figure, is passed over.
fn unwrapped(text: &str) -> (Option<&str>, &str) {
    let whole = || {
        let inside = text.strip_prefix('<')?.strip_suffix('>')?;
        let is_of_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':');
        let name = inside.split(|c| !is_of_name(c)).next().filter(|name| !name.is_empty())?;
        let (_, rest) = inside.split_once('>')?;
        let (body, end) = rest.rsplit_once("</")?;
        let end = end.strip_prefix(name)?;
        let is_one = !end.starts_with(is_of_name) && !body.contains(&format!("</{name}"));
        is_one.then(|| (name, body.trim()))
    };
    whole().map_or((None, text), |(name, body)| (Some(name), body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(&str, Option<&str>, &str)> {
        parts(text).into_iter().map(|part| (part.title, part.element, part.text)).collect()
    }

    #[test]
    fn the_figure_of_the_draft_has_three_sections() {
        let figure = "<content namespace=\\\"prompt\\\">\n   ##target object\n   <object\">cell 7</object\">\n   \
                      ##task description\n   <description>\n find the cause </description>\n   \
                      ##environmental infomation\n   <environmentInput a=\"b\">night</environmentInput>";
        assert_eq!(
            read(figure),
            [
                ("target object", Some("object"), "cell 7"),
                ("task description", Some("description"), "find the cause"),
                ("environmental infomation", Some("environmentInput"), "night"),
            ]
        );
    }

    #[test]
    fn the_titles_of_the_draft_stand_anywhere_in_a_line() {
        assert_eq!(
            read("## target object cell 7 ## Task Description restart it; see note ## 3"),
            [("target object", None, "cell 7"), ("Task Description", None, "restart it; see note ## 3")]
        );
        assert_eq!(read("##task description"), [("task description", None, "")]);
        assert_eq!(
            read("a ##task descriptions"),
            [],
            "no title of the draft, and not at the beginning of a line"
        );
    }

    #[test]
    fn other_titles_begin_a_line_and_end_with_it() {
        let text =
            "Please.\r\n##Constraints\r\nno outage\r\n\r\n  ## Deadline  \ntonight\n### not one\n#nor this";
        assert_eq!(
            read(text),
            [("Constraints", None, "no outage"), ("Deadline", None, "tonight\n### not one\n#nor this"),]
        );
        assert_eq!(read("no sections # at all"), []);
        assert_eq!(read("##\n##  \n"), []);
        assert_eq!(read("##a <b>1</b><b>2</b>"), [("a", None, "<b>1</b><b>2</b>")]);
    }

    #[test]
    fn a_long_text_of_one_line_is_read_in_time() {
        let (done, sections) = std::sync::mpsc::sync_channel(1);
        std::thread::spawn(move || done.send(parts(&"##a".repeat(350_000)).len()));
        let limit = std::time::Duration::from_secs(60);
        assert_eq!(
            sections.recv_timeout(limit),
            Ok(1),
            "1 MiB, which took minutes if each mark had its line read"
        );
    }

    #[test]
    fn any_text_is_read() {
        for text in ["##", "####", "##é<é>é</é>", "##a\n<a></a", "<a>##b</a>", "##a <>", "##a <a></b>"] {
            assert!(parts(text).len() <= 1, "{text}");
        }
        assert_eq!(parts(&"##a\n".repeat(10_000)).len(), SECTIONS_MAX);
    }
}
