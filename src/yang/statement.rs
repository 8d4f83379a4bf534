//! The statements of a YANG text (RFC 7950 section 6.3), with lines. It reads what it can of a
//! broken text and judges nothing. It refers to nothing else of the crate: codegen has it too.

use std::ops::Range;

/// A statement.
#[derive(Debug, Default)]
pub struct Statement {
    /// The keyword, with the prefix of an extension.
    pub keyword: String,
    /// The argument, its quotes resolved; empty for none.
    pub argument: String,
    /// The line of the keyword, counted from 1.
    pub line: u64,
    /// Where in the text the argument is, quotes included.
    pub span: Range<usize>,
    /// Its substatements.
    pub children: Vec<Statement>,
}

impl Statement {
    /// The statements of a text, below one without a keyword.
    pub fn parse(text: &str) -> Statement {
        Self::parse_until(text, &|_| false)
    }

    /// The same, but only what comes before the body of the module (RFC 7950 section 7.1.1).
    pub fn parse_header(text: &str) -> Statement {
        const HEADER: [&str; 11] = [
            "yang-version",
            "namespace",
            "prefix",
            "belongs-to",
            "import",
            "include",
            "organization",
            "contact",
            "description",
            "reference",
            "revision",
        ];
        Self::parse_until(text, &|keyword| !keyword.contains(':') && !HEADER.contains(&keyword))
    }

    /// Ends at a substatement of the module with a keyword that `is_end`.
    fn parse_until(text: &str, is_end: &dyn Fn(&str) -> bool) -> Statement {
        let mut open = vec![Statement::default()];
        let mut reader = Reader { text, at: 0, line: 1 };
        while let Some(token) = reader.token() {
            match token {
                Token::Open | Token::End => {}
                Token::Close => close(&mut open),
                Token::Word(keyword) if open.len() == 2 && is_end(&keyword) => break,
                Token::Word(keyword) => {
                    let mut statement = Statement::default();
                    (statement.keyword, statement.line) = (keyword, reader.line);
                    let next = reader.argument(&mut statement);
                    match next {
                        Some(Token::Open) => open.push(statement),
                        // A text can end early or lack a semicolon.
                        _ => open
                            .last_mut()
                            .into_iter()
                            .for_each(|o| o.children.push(std::mem::take(&mut statement))),
                    }
                    if matches!(next, Some(Token::Close)) {
                        close(&mut open);
                    }
                }
            }
        }
        while open.len() > 1 {
            close(&mut open);
        }
        open.pop().unwrap_or_default()
    }

    /// The substatements with a keyword.
    pub fn all<'a>(&'a self, keyword: &'a str) -> impl Iterator<Item = &'a Statement> {
        self.children.iter().filter(move |child| child.keyword == keyword)
    }

    /// The argument of the first substatement with a keyword.
    pub fn get(&self, keyword: &str) -> Option<&str> {
        self.children.iter().find(|s| s.keyword == keyword).map(|s| s.argument.as_str())
    }

    /// Calls `visit` with every statement below and those around it, the outermost first.
    pub fn walk<'a>(&'a self, visit: &mut dyn FnMut(&[&'a Statement], &'a Statement)) {
        // A stack of its own: a text can nest deeper than the thread's stack.
        let mut above: Vec<&Statement> = Vec::new();
        let mut pending: Vec<(usize, &Statement)> = self.children.iter().rev().map(|s| (0, s)).collect();
        while let Some((depth, statement)) = pending.pop() {
            above.truncate(depth);
            visit(&above, statement);
            above.push(statement);
            pending.extend(statement.children.iter().rev().map(|s| (depth + 1, s)));
        }
    }
}

impl Drop for Statement {
    /// Frees what is below without recursion, for the reason given in [`Statement::walk`].
    fn drop(&mut self) {
        let mut pending = std::mem::take(&mut self.children);
        while let Some(mut statement) = pending.pop() {
            pending.append(&mut statement.children);
        }
    }
}

/// Ends the innermost open statement; one brace too many is ignored.
fn close(open: &mut Vec<Statement>) {
    if open.len() > 1
        && let (Some(done), Some(parent)) = (open.pop(), open.last_mut())
    {
        parent.children.push(done);
    }
}

enum Token {
    Open,
    Close,
    End,
    Word(String),
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    line: u64,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn advance(&mut self, bytes: usize) {
        let to = (self.at + bytes).min(self.text.len());
        let passed = self.text.get(self.at..to).unwrap_or_default();
        self.line += u64::try_from(passed.matches('\n').count()).unwrap_or(0);
        self.at = to;
    }

    /// Passes white space and comments.
    fn space(&mut self) {
        loop {
            let rest = self.rest();
            let blank =
                rest.len() - rest.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}').len();
            let skip = match &rest[blank..] {
                after if after.starts_with("//") => after.find('\n').unwrap_or(after.len()),
                after if after.starts_with("/*") => after.find("*/").map_or(after.len(), |end| end + 2),
                _ => 0,
            };
            self.advance(blank + skip);
            if skip == 0 {
                return;
            }
        }
    }

    fn token(&mut self) -> Option<Token> {
        self.space();
        let token = match self.rest().chars().next()? {
            '{' => Token::Open,
            '}' => Token::Close,
            ';' => Token::End,
            _ => return self.string().map(Token::Word),
        };
        self.advance(1);
        Some(token)
    }

    /// Reads an argument into the statement, and the token after it.
    fn argument(&mut self, statement: &mut Statement) -> Option<Token> {
        self.space();
        let start = self.at;
        if self.rest().starts_with(['{', '}', ';']) {
            return self.token();
        }
        statement.argument = self.string()?;
        statement.span = start..self.at;
        loop {
            self.space();
            // Strings are joined only if the first is quoted (RFC 7950 section 6.1.3).
            if !self.rest().starts_with('+') || !self.text[start..].starts_with(['"', '\'']) {
                break;
            }
            self.advance(1);
            self.space();
            statement.argument += &self.string()?;
            statement.span = start..self.at;
        }
        match self.rest().chars().next()? {
            '{' | '}' | ';' => self.token(),
            _ => None,
        }
    }

    /// Reads a word or a quoted string.
    fn string(&mut self) -> Option<String> {
        let rest = self.rest();
        let first = rest.chars().next()?;
        let (text, length) = match first {
            '\'' => {
                let inner = rest[1..].split('\'').next().unwrap_or_default();
                (inner.to_owned(), inner.len() + 2)
            }
            '"' => unquoted(rest),
            _ => {
                let end = rest.find(|c: char| c.is_whitespace() || matches!(c, ';' | '{' | '}'));
                let word = &rest[..end.unwrap_or(rest.len())];
                (word.to_owned(), word.len())
            }
        };
        self.advance(length.max(1));
        Some(text)
    }
}

/// The string in double quotes that the text begins with, and its length with the quotes.
fn unquoted(text: &str) -> (String, usize) {
    let mut string = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (string, at + 1),
            '\\' => match chars.next() {
                Some((_, 'n')) => string.push('\n'),
                Some((_, 't')) => string.push('\t'),
                Some((_, c @ ('"' | '\\'))) => string.push(c),
                // YANG 1 keeps the backslash, YANG 1.1 has no other escape.
                Some((_, c)) => string.extend(['\\', c]),
                None => {}
            },
            c => string.push(c),
        }
    }
    (string, text.len())
}

#[cfg(test)]
mod tests {
    use super::Statement;

    #[test]
    fn statements_have_arguments_and_lines() {
        let text = "\u{feff}/* module */ module a { // x\n leaf \"b\" + 'c' {\n  type string; }\n}";
        let module = &Statement::parse(text).children[0];
        assert_eq!((module.keyword.as_str(), module.argument.as_str(), module.line), ("module", "a", 1));
        let leaf = &module.children[0];
        assert_eq!((leaf.argument.as_str(), leaf.line, &text[leaf.span.clone()]), ("bc", 2, "\"b\" + 'c'"));
        assert_eq!((leaf.get("type"), leaf.children[0].line), (Some("string"), 3));
    }

    #[test]
    fn escapes_are_those_of_yang() {
        let root = Statement::parse(r#"pattern "\\i\c\"\t";"#);
        assert_eq!(root.children[0].argument, "\\i\\c\"\t");
    }

    #[test]
    fn a_broken_text_gives_what_there_is() {
        let root = Statement::parse("module a { leaf b { type string }");
        assert_eq!(root.children[0].children[0].get("type"), Some("string"));
        assert!(Statement::parse("}}").children.is_empty());
        assert_eq!(Statement::parse("a \"").children[0].argument, "");
        let deep = "a {".repeat(200_000);
        assert_eq!(Statement::parse(&deep).children.len(), 1);
    }

    #[test]
    fn a_walk_knows_what_is_above() {
        let root = Statement::parse("a 1 { b 2 { c 3; } d 4; }");
        let mut seen = Vec::new();
        root.walk(&mut |above, s| seen.push((above.len(), s.keyword.clone())));
        assert_eq!(seen, [(0, "a".into()), (1, "b".into()), (2, "c".into()), (1, "d".into())]);
    }
}
