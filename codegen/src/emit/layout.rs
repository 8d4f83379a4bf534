//! Rust expressions laid out in lines: on one line if it fits, else one item per line. It
//! knows nothing of what they mean.

/// Longest line, as in `rustfmt.toml`.
const WIDTH: usize = 110;

/// A Rust expression.
#[derive(Debug, Clone)]
pub enum Layout {
    /// Text without a place to break it.
    Text(String),
    /// `prefix` and then the expression.
    After(String, Box<Layout>),
    /// Items between brackets; `padded` puts blanks inside of them on one line.
    List { open: String, items: Vec<Layout>, close: &'static str, padded: bool },
}

impl Layout {
    /// Text without a place to break it.
    pub fn text(text: impl Into<String>) -> Self {
        Layout::Text(text.into())
    }

    /// A Rust string literal.
    pub fn literal(text: &str) -> Self {
        Layout::Text(format!("{text:?}"))
    }

    /// A Rust string literal in an `Option`.
    pub fn option(text: Option<&str>) -> Self {
        Layout::Text(format!("{text:?}"))
    }

    /// `&[items]`.
    pub fn slice(items: impl IntoIterator<Item = Layout>) -> Self {
        Layout::list("&[", items, "]")
    }

    /// `open`, items, `close`.
    pub fn list(
        open: impl Into<String>,
        items: impl IntoIterator<Item = Layout>,
        close: &'static str,
    ) -> Self {
        Layout::List { open: open.into(), items: items.into_iter().collect(), close, padded: false }
    }

    /// `name { fields }`.
    pub fn record<'a>(name: &str, fields: impl IntoIterator<Item = (&'a str, Layout)>) -> Self {
        let items = fields.into_iter().map(|(field, value)| value.after(format!("{field}: "))).collect();
        Layout::List { open: format!("{name} {{"), items, close: "}", padded: true }
    }

    /// The same after a prefix.
    pub fn after(self, prefix: impl Into<String>) -> Self {
        Layout::After(prefix.into(), Box::new(self))
    }

    /// The text, its first line beginning at column `column` of a block indented by `indent`;
    /// `tail` is how much follows on its last line.
    pub fn render(&self, indent: usize, column: usize, tail: usize) -> String {
        let flat = self.flat();
        if column + flat.chars().count() + tail <= WIDTH {
            return flat;
        }
        match self {
            Layout::Text(_) => flat,
            Layout::After(prefix, rest) => {
                prefix.clone() + &rest.render(indent, column + prefix.chars().count(), tail)
            }
            Layout::List { items, .. } if items.is_empty() => flat,
            // A single argument that is itself a list shares the lines of its brackets.
            Layout::List { open, items, close, .. } if open.ends_with('(') && items.len() == 1 => {
                let rest = items.first().map_or(String::new(), |item| {
                    item.render(indent, column + open.chars().count(), tail + close.len())
                });
                format!("{open}{rest}{close}")
            }
            Layout::List { open, items, close, .. } => {
                let inner = indent + 4;
                let mut text = open.clone();
                for item in items {
                    text += &format!("\n{}{},", " ".repeat(inner), item.render(inner, inner, 1));
                }
                text + &format!("\n{}{close}", " ".repeat(indent))
            }
        }
    }

    fn flat(&self) -> String {
        match self {
            Layout::Text(text) => text.clone(),
            Layout::After(prefix, rest) => prefix.clone() + &rest.flat(),
            Layout::List { open, items, close, padded } => {
                let items: Vec<_> = items.iter().map(Layout::flat).collect();
                let blank = if *padded && !items.is_empty() { " " } else { "" };
                format!("{open}{blank}{}{blank}{close}", items.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Layout;

    #[test]
    fn what_does_not_fit_has_one_item_per_line() {
        let short = Layout::record("A", [("b", Layout::slice([Layout::text("1")]))]);
        assert_eq!(short.render(0, 0, 0), "A { b: &[1] }");
        let long = Layout::slice([Layout::literal(&"x".repeat(60)), Layout::literal(&"y".repeat(60))]);
        let lines: Vec<_> =
            [("x", '['), ("y", ']')].iter().map(|(c, _)| format!("    {:?},", c.repeat(60))).collect();
        assert_eq!(long.render(0, 0, 0), format!("&[\n{}\n]", lines.join("\n")));
    }
}
