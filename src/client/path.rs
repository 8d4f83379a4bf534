//! Places in the data, as they are written: the instance-identifier of RFC 7951 section 6.11, where a list without keys
//! means all its entries. It knows no schema, so it cannot tell a list from a container.

use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Most steps of a path.
const STEPS_MAX: usize = 128;
/// Everything but the unreserved characters of RFC 3986 section 2.3 is encoded in a key.
const IN_KEY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A place in the data. Without steps it is the whole datastore.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Path {
    /// The nodes from the top.
    pub steps: Vec<Step>,
}

/// A node of a [`Path`], and which of its instances.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Step {
    /// The module that the node is of.
    pub module: String,
    /// Its name.
    pub name: String,
    /// What is known of the instance. Over RESTCONF they are keys in the order of the schema.
    pub predicates: Vec<Predicate>,
}

/// What an instance has to have.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Predicate {
    /// `[name='value']`: a leaf of the entry.
    Leaf {
        /// The module, if it is another than that of the list.
        module: Option<String>,
        /// The name of the leaf.
        name: String,
        /// Its value.
        value: String,
    },
    /// `[.='value']`: the value of a leaf-list's entry.
    Own(String),
}

/// Why a text is no path, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathError {
    /// The text.
    pub text: String,
    /// Where it goes wrong, in octets.
    pub offset: usize,
    /// What was expected there.
    pub expected: &'static str,
}

impl std::error::Error for PathError {}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, after) = self.text.split_at_checked(self.offset).unwrap_or((&self.text, ""));
        match after {
            "" => write!(f, "{before:?} is no path: {} at its end", self.expected),
            _ => write!(f, "{:?} is no path: {} before {after:?}", self.text, self.expected),
        }
    }
}

impl FromStr for Path {
    type Err = PathError;

    /// `/` is the whole datastore.
    fn from_str(text: &str) -> Result<Path, PathError> {
        if text == "/" {
            return Ok(Path::default());
        }
        let (path, rest) = Path::parse_start(text)?;
        if rest.is_empty() {
            return Ok(path);
        }
        let offset = text.len() - rest.len();
        Err(PathError { text: text.to_owned(), offset, expected: "a path goes on with \"/\" or \"[\"" })
    }
}

impl Path {
    /// Reads the path that a text begins with, and gives what stands after it.
    ///
    /// # Errors
    /// It does not begin with one.
    pub fn parse_start(text: &str) -> Result<(Path, &str), PathError> {
        let mut reader = Reader { text, at: 0 };
        let mut steps: Vec<Step> = Vec::new();
        loop {
            if !reader.takes("/") {
                match steps.is_empty() {
                    true => return Err(reader.fault("a path begins with \"/\"")),
                    false => break,
                }
            }
            if steps.len() == STEPS_MAX {
                return Err(reader.fault("a path has at most 128 steps"));
            }
            let start = reader.at;
            let first = reader.name("a name is missing")?;
            let (module, name) = match (reader.takes(":"), steps.last()) {
                (true, _) => (first, reader.name("the name after the module is missing")?),
                (false, Some(above)) => (above.module.clone(), first),
                (false, None) => {
                    reader.at = start;
                    return Err(reader.fault("the first name has its module with it, \"/module:name\","));
                }
            };
            let mut step = Step { module, name, predicates: Vec::new() };
            while reader.takes("[") {
                step.predicates.push(reader.predicate(&step)?);
            }
            steps.push(step);
        }
        Ok((Path { steps }, reader.rest()))
    }

    /// The path of `module:name`, for an operation.
    pub fn top(module: &str, name: &str) -> Path {
        let (module, name) = (module.to_owned(), name.to_owned());
        Path { steps: vec![Step { module, name, predicates: Vec::new() }] }
    }

    /// The path without its last step; none of the datastore.
    pub fn parent(&self) -> Option<Path> {
        let (_, above) = self.steps.split_last()?;
        Some(Path { steps: above.to_vec() })
    }

    /// The path below `{+restconf}/data` (RFC 8040 section 3.5.3), with a slash before each step. Keys stand in the order
    /// of the predicates.
    pub fn to_uri(&self) -> String {
        let mut uri = String::new();
        let mut above = None;
        for step in &self.steps {
            uri.push('/');
            if above != Some(&step.module) {
                uri.push_str(&step.module);
                uri.push(':');
            }
            uri.push_str(&step.name);
            for (number, predicate) in step.predicates.iter().enumerate() {
                let (Predicate::Leaf { value, .. } | Predicate::Own(value)) = predicate;
                uri.push(if number == 0 { '=' } else { ',' });
                uri.extend(utf8_percent_encode(value, IN_KEY));
            }
            above = Some(&step.module);
        }
        uri
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.steps.is_empty() {
            return f.write_str("/");
        }
        let mut above = None;
        for step in &self.steps {
            let has_module = above != Some(&step.module);
            let (module, colon) = if has_module { (step.module.as_str(), ":") } else { ("", "") };
            write!(f, "/{module}{colon}{}", step.name)?;
            for predicate in &step.predicates {
                match predicate {
                    Predicate::Own(value) => write!(f, "[.={}]", quoted(value))?,
                    Predicate::Leaf { module, name, value } => {
                        let module = module.as_ref().map(|module| format!("{module}:")).unwrap_or_default();
                        write!(f, "[{module}{name}={}]", quoted(value))?;
                    }
                }
            }
            above = Some(&step.module);
        }
        Ok(())
    }
}

/// A value between quotes (RFC 7950 section 14, `quoted-string`): single ones unless it has one inside.
pub fn quoted(value: &str) -> String {
    match value.contains('\'') {
        false => format!("'{value}'"),
        true => format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")),
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn fault(&self, expected: &'static str) -> PathError {
        PathError { text: self.text.to_owned(), offset: self.at, expected }
    }

    fn takes(&mut self, what: &str) -> bool {
        let is_next = self.rest().starts_with(what);
        self.at += if is_next { what.len() } else { 0 };
        is_next
    }

    fn skip_spaces(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t']).len();
    }

    /// An identifier (RFC 7950 section 6.2).
    fn name(&mut self, expected: &'static str) -> Result<String, PathError> {
        let rest = self.rest();
        let is_inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let name = rest.split(|c| !is_inside(c)).next().unwrap_or_default();
        if !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            return Err(self.fault(expected));
        }
        self.at += name.len();
        Ok(name.to_owned())
    }

    /// What stands after `[`, and the `]`.
    fn predicate(&mut self, step: &Step) -> Result<Predicate, PathError> {
        self.skip_spaces();
        let leaf = match self.takes(".") {
            true => None,
            false => {
                let first = self.name("the name of a key, or \".\", is missing")?;
                Some(match self.takes(":") {
                    true => (Some(first), self.name("the name after the module is missing")?),
                    false => (None, first),
                })
            }
        };
        self.skip_spaces();
        if !self.takes("=") {
            return Err(self.fault("\"=\" is missing"));
        }
        self.skip_spaces();
        let value = self.value()?;
        self.skip_spaces();
        if !self.takes("]") {
            return Err(self.fault("\"]\" is missing"));
        }
        Ok(match leaf {
            None => Predicate::Own(value),
            Some((module, name)) => {
                Predicate::Leaf { module: module.filter(|module| *module != step.module), name, value }
            }
        })
    }

    /// A text between quotes; in double ones a backslash escapes (RFC 7950 section 6.1.3).
    fn value(&mut self) -> Result<String, PathError> {
        let is_double = match (self.takes("'"), self.takes("\"")) {
            (true, _) => false,
            (_, true) => true,
            _ => return Err(self.fault("a value between quotes is missing")),
        };
        let quote = if is_double { '"' } else { '\'' };
        let mut value = String::new();
        let mut chars = self.rest().char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                c if c == quote => {
                    self.at += at + 1;
                    return Ok(value);
                }
                '\\' if is_double => match chars.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, 't')) => value.push('\t'),
                    Some((_, c @ ('"' | '\\'))) => value.push(c),
                    _ => {
                        self.at += at;
                        return Err(self.fault("a backslash stands before n, t, \" or another backslash"));
                    }
                },
                c => value.push(c),
            }
        }
        self.at = self.text.len();
        Err(self.fault("the quote at the end of the value is missing"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn path(text: &str) -> Path {
        text.parse().unwrap()
    }

    #[test]
    fn rfc_7951_section_6_11_a_path_is_written_as_it_is_read() {
        for text in [
            "/",
            "/ietf-interfaces:interfaces/interface[name='eth0']/ietf-ip:ipv4/ip",
            "/a:b/c[d='1'][e=\"it's\"]",
            "/a:b[.='x]/y']",
            "/a:b[x:c='1']",
        ] {
            assert_eq!(path(text).to_string(), text);
        }
        assert_eq!(path("/a:b/a:c[ a:d = \"1\" ]").to_string(), "/a:b/c[d='1']");
        assert_eq!(path("/a:b[c=\"\\\"\\n\\\\\"]").steps[0].predicates.len(), 1);
    }

    #[test]
    fn rfc_8040_section_3_5_3_a_path_is_a_uri() {
        assert_eq!(path("/").to_uri(), "");
        assert_eq!(path("/a:b/c[d='x/y'][e='1,2']/f:g").to_uri(), "/a:b/c=x%2Fy,1%2C2/f:g");
        assert_eq!(path("/a:b[.='é']").to_uri(), "/a:b=%C3%A9");
        assert_eq!(path("/a:b/c[d='']").to_uri(), "/a:b/c=");
    }

    #[test]
    fn an_error_points_at_its_place() {
        let wrong = |text: &str| {
            let error = text.parse::<Path>().unwrap_err();
            (error.offset, error.expected)
        };
        assert_eq!(wrong(""), (0, "a path begins with \"/\""));
        assert_eq!(wrong("/b").0, 1);
        assert_eq!(wrong("/a:b/"), (5, "a name is missing"));
        assert_eq!(wrong("/a:b[c='1'"), (10, "\"]\" is missing"));
        assert_eq!(wrong("/a:b[c=1]"), (7, "a value between quotes is missing"));
        assert_eq!(wrong("/a:b[c='1]"), (10, "the quote at the end of the value is missing"));
        assert_eq!(wrong("/a:b x").0, 4);
        assert_eq!(wrong("/a:é"), (3, "the name after the module is missing"));
        let error = "/a:b/[c='1']".parse::<Path>().unwrap_err().to_string();
        assert_eq!(error, "\"/a:b/[c='1']\" is no path: a name is missing before \"[c='1']\"");
        let long = "/a:b".to_owned() + &"/c".repeat(STEPS_MAX);
        assert_eq!(wrong(&long).1, "a path has at most 128 steps");
    }

    #[test]
    fn what_stands_after_a_path_is_left() {
        let (path, rest) = Path::parse_start("/a:b[c='=']/d=e=f").unwrap();
        assert_eq!((path.to_string().as_str(), rest), ("/a:b[c='=']/d", "=e=f"));
    }
}
