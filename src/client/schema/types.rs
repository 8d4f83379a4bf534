//! Types with their typedefs and restrictions resolved (RFC 7950 section 9). It never says whether a value is allowed
//! by a pattern: the server does.

use std::sync::{Arc, OnceLock};

use super::units::{DEPTH_MAX, Reader, Scope, reflow};
use super::{IdentityId, ModuleId, NodeId};
use crate::yang::statement::Statement;

/// The module of the statement that defines an annotation.
const METADATA: &str = "ietf-yang-metadata";

/// A type.
#[derive(Clone, Debug)]
pub struct Type {
    /// The name of the typedef without prefix, or of the built-in type.
    pub name: String,
    /// The `description` of the typedef.
    pub description: Option<String>,
    /// The built-in type with its restrictions.
    pub base: Base,
}

/// A built-in type with its restrictions (RFC 7950 section 4.2.4).
#[derive(Clone, Debug)]
pub enum Base {
    /// `int8` to `int64` and `uint8` to `uint64`: the allowed values.
    Integer {
        /// The number of bits.
        bits: u8,
        /// Whether it can be negative.
        signed: bool,
        /// The allowed values.
        range: Range,
    },
    /// `decimal64`.
    Decimal64 {
        /// `fraction-digits`.
        digits: u8,
        /// The allowed values, times 10 to the power of `digits`.
        range: Range,
    },
    /// `string`: its length in characters, and its patterns.
    String(Range, Vec<Pattern>),
    /// `boolean`.
    Boolean,
    /// `enumeration`.
    Enumeration(Vec<EnumValue>),
    /// `bits`, by position.
    Bits(Vec<EnumValue>),
    /// `binary`: its length in octets.
    Binary(Range),
    /// `empty`.
    Empty,
    /// `identityref`: an identity that is derived from all of these.
    IdentityRef(Vec<IdentityId>),
    /// `leafref`.
    Leafref(Leafref),
    /// `instance-identifier`.
    InstanceIdentifier,
    /// `union`; the members of unions in it are its own.
    Union(Vec<Type>),
    /// What the texts do not say.
    Unknown,
}

impl Base {
    pub(super) fn leafref_mut(&mut self) -> Option<&mut Leafref> {
        match self {
            Base::Leafref(leafref) => Some(leafref),
            _ => None,
        }
    }
}

/// Allowed values or lengths.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Range {
    /// Closed intervals, ascending; those of the type if nothing restricts it.
    pub parts: Vec<(i128, i128)>,
}

impl Range {
    /// Whether the restriction allows `value`.
    pub fn contains(&self, value: i128) -> bool {
        self.parts.iter().any(|(low, high)| (*low..=*high).contains(&value))
    }
}

/// An `enum` or a `bit`.
#[derive(Clone, Debug, PartialEq)]
pub struct EnumValue {
    /// Its name.
    pub name: String,
    /// Its value or position.
    pub value: i64,
    /// `description`.
    pub description: Option<String>,
}

/// A `pattern`.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// The XSD regular expression.
    pub xsd: String,
    /// `modifier invert-match`.
    pub invert: bool,
    pub(super) compiled: Arc<OnceLock<Option<regex::Regex>>>,
}

/// A `leafref`.
#[derive(Clone, Debug)]
pub struct Leafref {
    /// Its path as written.
    pub path: String,
    /// The leaf or leaf-list that it refers to, if that is there.
    pub target: Option<NodeId>,
    pub(super) steps: Vec<Step>,
    pub(super) absolute: bool,
    /// The module of the text that the path stands in.
    pub(super) home: ModuleId,
}

/// A step of a leafref's path.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Up,
    Down(Option<ModuleId>, String),
}

/// A type, and what its typedefs say beside.
pub(super) struct Found {
    pub(super) ty: Type,
    pub(super) default: Option<String>,
    pub(super) units: Option<String>,
}

impl<'a> Reader<'a> {
    /// Notes the types of the annotations that the texts define (RFC 7952 section 3).
    pub(super) fn read_annotations(&mut self) {
        for at in 0..self.units.len() {
            let (statement, module, scope) = (self.units[at].statement, self.units[at].module, Scope::of(at));
            for child in &statement.children {
                let Some((of, "annotation")) = self.qualified(&scope, &child.keyword) else { continue };
                let ty = child.all("type").next().filter(|_| self.schema.module(of).name == METADATA);
                if let Some(ty) = ty {
                    let ty = self.read_type(&scope, ty, 0).ty;
                    self.schema.annotations.insert((module, child.argument.clone()), ty);
                }
            }
        }
    }

    /// What a `type` statement says.
    pub(super) fn read_type(&mut self, scope: &Scope<'a>, statement: &'a Statement, depth: usize) -> Found {
        let name = &statement.argument;
        let unknown = |name: &str| Found {
            ty: Type { name: name.to_owned(), description: None, base: Base::Unknown },
            default: None,
            units: None,
        };
        if depth > DEPTH_MAX || !self.spend_on(statement) {
            self.problem(scope, statement, "its definition does not end");
            return unknown(name);
        }
        if let Some(base) = builtin(name) {
            let base = self.restrict(base, scope, statement, depth);
            let ty = Type { name: name.clone(), description: None, base };
            return Found { ty, default: None, units: None };
        }
        let defined = self.definition(scope, "typedef", name);
        let of = defined.and_then(|(scope, typedef)| Some((scope, typedef, typedef.all("type").next()?)));
        let Some((inner, typedef, of)) = of else {
            self.problem(scope, statement, "there is no such type");
            return unknown(name);
        };
        let mut found = self.read_type(&inner, of, depth + 1);
        found.ty.base = self.restrict(found.ty.base, scope, statement, depth);
        found.ty.name.clone_from(&typedef.argument);
        found.ty.description = typedef.get("description").map(reflow);
        if let Some(default) = typedef.get("default") {
            found.default = Some(self.read_default(&inner, &found.ty, default));
        }
        found.units = typedef.get("units").map(str::to_owned).or(found.units);
        found
    }

    /// A default value: the name of an identity gets that of its module.
    pub(super) fn read_default(&self, scope: &Scope<'a>, ty: &Type, value: &str) -> String {
        let is_identity = match &ty.base {
            Base::IdentityRef(_) => true,
            Base::Union(members) => {
                value.contains(':') && members.iter().any(|m| matches!(m.base, Base::IdentityRef(_)))
            }
            _ => false,
        };
        match self.qualified(scope, value).filter(|_| is_identity) {
            Some((module, name)) => format!("{}:{name}", self.schema.module(module).name),
            None => value.to_owned(),
        }
    }

    /// The base with what the statement restricts of it.
    fn restrict(
        &mut self,
        mut base: Base,
        scope: &Scope<'a>,
        statement: &'a Statement,
        depth: usize,
    ) -> Base {
        if let (Base::Decimal64 { digits, range }, Some(own)) = (&mut base, statement.get("fraction-digits"))
        {
            *digits = own.parse().ok().filter(|digits| (1..=18).contains(digits)).unwrap_or(1);
            range.parts = vec![(i64::MIN.into(), i64::MAX.into())];
        }
        match &mut base {
            Base::Integer { range, .. } => narrow(range, statement.get("range"), 0),
            Base::Decimal64 { digits, range } => narrow(range, statement.get("range"), *digits),
            Base::Binary(length) => narrow(length, statement.get("length"), 0),
            Base::String(length, patterns) => {
                narrow(length, statement.get("length"), 0);
                patterns.extend(statement.all("pattern").map(|pattern| Pattern {
                    xsd: pattern.argument.clone(),
                    invert: pattern.get("modifier") == Some("invert-match"),
                    compiled: Arc::default(),
                }));
            }
            Base::Enumeration(values) => self.choose(values, "enum", "value", scope, statement),
            Base::Bits(values) => {
                self.choose(values, "bit", "position", scope, statement);
                values.sort_by_key(|bit| bit.value);
            }
            Base::IdentityRef(bases) => {
                for base in statement.all("base") {
                    bases.extend(self.find_identity(scope, base));
                }
            }
            Base::Leafref(leafref) => {
                if let Some(path) = statement.get("path") {
                    self.read_path(leafref, scope, path);
                }
            }
            Base::Union(members) => {
                for member in statement.all("type") {
                    let member = self.read_type(scope, member, depth + 1).ty;
                    match member.base {
                        Base::Union(inner) if self.spend(256 * inner.len()) => members.extend(inner),
                        Base::Union(_) => {}
                        _ => members.push(member),
                    }
                }
            }
            _ => {}
        }
        base
    }

    /// The values of an enumeration or of bits: those that the statement has, or those of its typedef among them.
    fn choose(
        &mut self,
        values: &mut Vec<EnumValue>,
        keyword: &'a str,
        number: &str,
        scope: &Scope<'a>,
        statement: &'a Statement,
    ) {
        let mut next = 0;
        let mut own = Vec::new();
        for value in statement.all(keyword) {
            let inherited = values.iter().find(|other| other.name == value.argument);
            let written = value.get(number).and_then(|number| number.parse().ok());
            let number = written.or(inherited.map(|other| other.value)).unwrap_or(next);
            next = next.max(number.saturating_add(1));
            let description = value
                .get("description")
                .map(reflow)
                .or_else(|| inherited.and_then(|o| o.description.clone()));
            if self.has_features(scope, value) && self.spend_on(value) {
                own.push(EnumValue { name: value.argument.clone(), value: number, description });
            }
        }
        if statement.all(keyword).next().is_some() {
            *values = own;
        }
    }

    fn read_path(&mut self, leafref: &mut Leafref, scope: &Scope<'a>, path: &str) {
        path.clone_into(&mut leafref.path);
        leafref.home = self.units[scope.unit].module;
        let bare = without_predicates(path);
        // What `deref()` gives is known only from data.
        if bare.contains("deref") {
            return;
        }
        let bare = bare.strip_prefix("current()/").unwrap_or(&bare);
        leafref.absolute = bare.starts_with('/');
        for step in bare.split('/').filter(|step| !step.is_empty()) {
            let step = match (step, self.qualified(scope, step)) {
                ("..", _) => Step::Up,
                (_, Some((module, name))) => {
                    Step::Down(step.contains(':').then_some(module), name.to_owned())
                }
                (_, None) => return leafref.steps.clear(),
            };
            leafref.steps.push(step);
        }
    }
}

/// A path without what is in brackets, and without white space.
fn without_predicates(path: &str) -> String {
    let mut found = String::new();
    let (mut open, mut quote) = (0_usize, None);
    for c in path.chars() {
        match (quote, c) {
            (Some(q), _) => quote = quote.filter(|_| c != q),
            (None, '"' | '\'') => quote = Some(c),
            (None, '[') => open += 1,
            (None, ']') => open = open.saturating_sub(1),
            (None, c) if open == 0 && !c.is_whitespace() => found.push(c),
            _ => {}
        }
    }
    found
}

/// The base of a built-in type.
fn builtin(name: &str) -> Option<Base> {
    let integer = |bits: u8, signed: bool| {
        let high = (1_i128 << (bits - u8::from(signed))) - 1;
        let low = if signed { -high - 1 } else { 0 };
        Base::Integer { bits, signed, range: Range { parts: vec![(low, high)] } }
    };
    let any = || Range { parts: vec![(0, u64::MAX.into())] };
    Some(match name {
        "int8" => integer(8, true),
        "int16" => integer(16, true),
        "int32" => integer(32, true),
        "int64" => integer(64, true),
        "uint8" => integer(8, false),
        "uint16" => integer(16, false),
        "uint32" => integer(32, false),
        "uint64" => integer(64, false),
        "decimal64" => Base::Decimal64 { digits: 1, range: Range::default() },
        "string" => Base::String(any(), Vec::new()),
        "boolean" => Base::Boolean,
        "enumeration" => Base::Enumeration(Vec::new()),
        "bits" => Base::Bits(Vec::new()),
        "binary" => Base::Binary(any()),
        "empty" => Base::Empty,
        "identityref" => Base::IdentityRef(Vec::new()),
        "leafref" => Base::Leafref(Leafref {
            path: String::new(),
            target: None,
            steps: Vec::new(),
            absolute: false,
            home: ModuleId(0),
        }),
        "instance-identifier" => Base::InstanceIdentifier,
        "union" => Base::Union(Vec::new()),
        _ => return None,
    })
}

/// Puts a written restriction in place of the one that it restricts; one that cannot be read changes nothing.
fn narrow(range: &mut Range, written: Option<&str>, digits: u8) {
    let Some(written) = written else { return };
    let limits = (range.parts.first().map(|part| part.0), range.parts.last().map(|part| part.1));
    let number = |text: &str| match text.trim() {
        "min" => limits.0,
        "max" => limits.1,
        text => scaled(text, digits),
    };
    let parts = written.split('|').map(|part| {
        let (low, high) = part.split_once("..").unwrap_or((part, part));
        Some((number(low)?, number(high)?))
    });
    if let Some(parts) = parts.collect() {
        range.parts = parts;
    }
}

/// A decimal number times 10 to the power of `digits`; none if it is none or has more digits after its point.
pub fn scaled(text: &str, digits: u8) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = usize::from(digits);
    if fraction.len() > digits || whole.len() > 30 || (text.contains('.') && fraction.is_empty()) {
        return None;
    }
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    format!("{whole}{fraction:0<digits$}").parse().ok()
}
