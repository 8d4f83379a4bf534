//! Descriptions as Rust doc comments. YANG's text is no Markdown, so nothing in it may be
//! taken for markup: tables and lists stay as they are, in a block of text.

/// Longest line of a doc comment, without indentation and slashes.
const WIDTH: usize = 96;

/// The doc comment of a description, or of `fallback` if there is none, indented.
pub fn doc(description: &str, fallback: &str, indent: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    for paragraph in paragraphs(description) {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        if is_flowing(&paragraph) {
            flow(&paragraph, &mut lines);
        } else {
            lines.push("```text".to_owned());
            lines.extend(paragraph.iter().map(|line| line.replace("```", "'''")));
            lines.push("```".to_owned());
        }
    }
    if lines.is_empty() {
        lines.push(fallback.to_owned());
    }
    let blank = " ".repeat(indent);
    lines.iter().map(|line| format!("{blank}/// {line}").trim_end().to_owned() + "\n").collect()
}

/// The paragraphs, without the indentation that all lines after the first share.
fn paragraphs(description: &str) -> Vec<Vec<String>> {
    let lines: Vec<String> =
        description.lines().map(|l| l.replace('\t', "    ").trim_end().to_owned()).collect();
    let depth = |line: &String| line.len() - line.trim_start().len();
    let shared = lines.iter().skip(1).filter(|l| !l.is_empty()).map(depth).min().unwrap_or(0);
    let mut paragraphs = vec![Vec::new()];
    for (number, line) in lines.iter().enumerate() {
        let line = if number == 0 { line.trim_start() } else { line.get(shared..).unwrap_or_default() };
        match paragraphs.last_mut() {
            Some(last) if !line.is_empty() => last.push(line.to_owned()),
            _ => paragraphs.push(Vec::new()),
        }
    }
    paragraphs.retain(|paragraph| !paragraph.is_empty());
    paragraphs
}

/// Whether line breaks mean nothing: no line is indented or has columns.
fn is_flowing(paragraph: &[String]) -> bool {
    paragraph.iter().all(|line| {
        let columns = line.split(". ").any(|part| part.trim_start().contains("  "));
        !line.starts_with(' ') && !columns
    })
}

fn flow(paragraph: &[String], lines: &mut Vec<String>) {
    let mut line = String::new();
    for word in paragraph.iter().flat_map(|l| l.split_whitespace()) {
        let word = escape(word);
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line += &word;
    }
    lines.push(line);
}

/// A word that Markdown shows as it is; a URL becomes a link.
fn escape(word: &str) -> String {
    if let Some(start) = word.find("http://").or_else(|| word.find("https://")) {
        let (before, url) = word.split_at(start);
        let end = url.find(['<', '>', '`', '"']).unwrap_or(url.len());
        let end = url[..end].trim_end_matches([',', '.', ';', ':', ')', '\'']).len();
        // Brackets that the text has around the URL are those of the link.
        let before = before.strip_suffix('<').unwrap_or(before);
        let after = url[end..].strip_prefix('>').unwrap_or(&url[end..]);
        return format!("{}<{}>{}", escape(before), &url[..end], escape(after));
    }
    let mut text = String::new();
    for (index, c) in word.char_indices() {
        // Marks that begin a list or heading if the word comes first on a line.
        let begins = index == 0 && matches!(c, '-' | '+' | '=');
        let numbers =
            index > 0 && matches!(c, '.' | ')') && word[..index].bytes().all(|b| b.is_ascii_digit());
        let marks = matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' | '~' | '&');
        if begins || numbers || marks {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::doc;

    #[test]
    fn prose_flows_and_tables_stay() {
        let text = "First\n   line_a <b>.\n\n     x  -> y\n     z  -> w";
        assert_eq!(
            doc(text, "", 0),
            "/// First line\\_a \\<b\\>.\n///\n/// ```text\n///   x  -> y\n///   z  -> w\n/// ```\n"
        );
    }

    #[test]
    fn an_absent_description_has_a_fallback() {
        assert_eq!(doc("", "`a`.", 4), "    /// `a`.\n");
    }

    #[test]
    fn urls_are_links_and_list_marks_are_text() {
        assert_eq!(doc("See http://a.b/c. - 1. x", "", 0), "/// See <http://a.b/c>. \\- 1\\. x\n");
        assert_eq!(doc("(<https://a.b/c>)", "", 0), "/// (<https://a.b/c>)\n");
    }
}
