//! The words of a line, with their places. It never says what a word means.

/// A word of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Its text, quotes resolved.
    pub text: String,
    /// Where it begins in the line, in octets, quotes included.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// The quote that it begins with.
    pub quote: Option<char>,
    /// Whether its quote is not closed.
    pub is_open: bool,
}

impl Word {
    /// Whether it stands for itself and not between quotes.
    pub fn is(&self, text: &str) -> bool {
        self.quote.is_none() && self.text == text
    }
}

/// Takes a line apart. Words are separated by white space; one in quotes may have some, and so may what is between the
/// brackets of a path. In double quotes a backslash stands before `"`, `\`, `n` and `t`. What follows a `#` at the
/// beginning of a word is a comment.
pub fn split(line: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut at = 0;
    while let Some(first) = line.get(at..).and_then(|rest| rest.chars().next()) {
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        if first == '#' {
            break;
        }
        let word = match first {
            '\'' | '"' => quoted(line, at, first),
            '|' => Word { text: "|".to_owned(), start: at, end: at + 1, quote: None, is_open: false },
            _ => plain(line, at),
        };
        at = word.end;
        words.push(word);
    }
    words
}

fn quoted(line: &str, start: usize, quote: char) -> Word {
    let mut text = String::new();
    let mut chars = line.get(start + 1..).unwrap_or_default().char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            c if c == quote => {
                return Word { text, start, end: start + at + 2, quote: Some(quote), is_open: false };
            }
            '\\' if quote == '"' => match chars.next() {
                Some((_, 'n')) => text.push('\n'),
                Some((_, 't')) => text.push('\t'),
                Some((_, c)) => text.push(c),
                None => {}
            },
            c => text.push(c),
        }
    }
    Word { text, start, end: line.len(), quote: Some(quote), is_open: true }
}

fn plain(line: &str, start: usize) -> Word {
    let rest = line.get(start..).unwrap_or_default();
    let (mut inside, mut quote) = (false, None);
    let mut end = rest.len();
    for (at, c) in rest.char_indices() {
        match (inside, quote, c) {
            (true, Some(q), _) => quote = quote.filter(|_| c != q),
            (true, None, '\'' | '"') => quote = Some(c),
            (true, None, ']') => inside = false,
            (true, None, _) => {}
            (false, _, '[') => inside = true,
            (false, _, c) if c.is_whitespace() || c == '|' => {
                end = at;
                break;
            }
            _ => {}
        }
    }
    let text = rest.get(..end).unwrap_or_default().to_owned();
    Word { text, start, end: start + end, quote: None, is_open: inside }
}

/// A value as a word: between quotes if it needs some.
pub fn quote(value: &str) -> String {
    let is_plain = |c: char| {
        !c.is_whitespace() && !c.is_control() && !matches!(c, '\'' | '"' | '|' | '[' | ']' | '\\' | '?')
    };
    if !value.is_empty() && !value.starts_with(['#', '/', '*']) && value.chars().all(is_plain) {
        return value.to_owned();
    }
    let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").replace('\t', "\\t");
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(line: &str) -> Vec<String> {
        split(line).into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn words_are_separated_by_space_unless_they_are_quoted() {
        assert_eq!(texts("show  a|json # so"), ["show", "a", "|", "json"]);
        assert_eq!(texts(r#"set a 'b "c"' "d \"e\"\n""#), ["set", "a", "b \"c\"", "d \"e\"\n"]);
        assert_eq!(texts("show /a:b[c='d e]|']/f it's"), ["show", "/a:b[c='d e]|']/f", "it's"]);
        assert!(texts("  # nothing").is_empty());
    }

    #[test]
    fn a_word_knows_its_place_and_whether_it_is_open() {
        let words = split("a 'b c");
        assert_eq!((words[1].start, words[1].end, words[1].is_open), (2, 6, true));
        assert_eq!(split("x \"é\" y")[1].end, 6);
        assert!(split("/a[b='")[0].is_open);
    }

    #[test]
    fn a_quoted_value_is_that_word() {
        for value in ["a", "", "a b", "it's", "\"", "a\nb", "#", "\\", "|", "/a", "?", "é"] {
            assert_eq!(texts(&quote(value)), [value]);
        }
    }
}
