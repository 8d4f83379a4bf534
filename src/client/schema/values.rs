//! Values as people and JSON write them (RFC 7951 section 6), where names of other modules have the module before a
//! colon, against their types. It never has the last word: the server checks what it is sent.

use std::fmt::Write as _;
use std::sync::Arc;

use super::types::{Base, Pattern, Range, Type, scaled};
use super::{IdentityId, ModuleId, Schema};

impl Schema {
    /// Whether a leaf with this type, in the module `home`, can have the value.
    pub fn fits(&self, ty: &Type, home: ModuleId, value: &str) -> bool {
        match &self.real_type(ty).base {
            Base::Integer { range, .. } => value.parse().is_ok_and(|number| range.contains(number)),
            Base::Decimal64 { digits, range } => {
                scaled(value, *digits).is_some_and(|number| range.contains(number))
            }
            Base::String(length, patterns) => {
                let count = i128::try_from(value.chars().count()).unwrap_or(i128::MAX);
                length.contains(count) && patterns.iter().all(|pattern| pattern.allows(value))
            }
            Base::Boolean => matches!(value, "true" | "false"),
            Base::Enumeration(values) => values.iter().any(|known| known.name == value),
            Base::Bits(bits) => {
                value.split_whitespace().all(|name| bits.iter().any(|known| known.name == name))
            }
            Base::Binary(_) => value.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/= \n".contains(&b)),
            Base::Empty => value.is_empty(),
            Base::IdentityRef(bases) => self.identity_of(bases, home, value).is_some(),
            Base::InstanceIdentifier => value.starts_with('/'),
            Base::Union(members) => members.iter().any(|member| self.fits(member, home, value)),
            Base::Leafref(_) | Base::Unknown => true,
        }
    }

    /// The member of a union that a value is of, or the type itself; leafrefs are followed.
    pub fn member<'a>(&'a self, ty: &'a Type, home: ModuleId, value: &str) -> &'a Type {
        let real = self.real_type(ty);
        match &real.base {
            Base::Union(members) => {
                let found = members.iter().find(|member| self.fits(member, home, value));
                found.map_or(real, |member| self.real_type(member))
            }
            _ => real,
        }
    }

    /// The identity that `name` or `module:name` means in a leaf of the module `home`.
    pub fn identity_of(&self, bases: &[IdentityId], home: ModuleId, value: &str) -> Option<IdentityId> {
        let (module, name) = value.split_once(':').unwrap_or((&self.module(home).name, value));
        let is_it = |id: &IdentityId| {
            let identity = self.identity(*id);
            identity.name == name && self.module(identity.module).name == module
        };
        self.derived(bases).into_iter().find(is_it)
    }

    /// The names of the values that a type has: those of enumerations, identities, bits and booleans, each with its
    /// description. An identity has the name of its module.
    pub fn names<'a>(&'a self, ty: &'a Type) -> Vec<(String, Option<&'a str>)> {
        match &self.real_type(ty).base {
            Base::Boolean => vec![("true".to_owned(), None), ("false".to_owned(), None)],
            Base::Enumeration(values) | Base::Bits(values) => {
                values.iter().map(|value| (value.name.clone(), value.description.as_deref())).collect()
            }
            Base::IdentityRef(bases) => {
                let describe = |id| (self.identity_name(id), self.identity(id).description.as_deref());
                self.derived(bases).into_iter().map(describe).collect()
            }
            Base::Union(members) => {
                let mut names: Vec<_> = members.iter().flat_map(|member| self.names(member)).collect();
                names.dedup();
                names
            }
            _ => Vec::new(),
        }
    }

    /// The type in a few words: `uint8 (1..10)`.
    pub fn describe(&self, ty: &Type) -> String {
        let real = self.real_type(ty);
        let mut text = ty.name.clone();
        let is_builtin = |name: &str| name == base_name(&real.base);
        if !is_builtin(&text) && !matches!(ty.base, Base::Leafref(_)) {
            let _ = write!(text, ", {}", base_name(&real.base));
        }
        match (&ty.base, &real.base) {
            (Base::Leafref(leafref), _) => {
                let target = leafref.target.map(|target| self.path(target));
                let _ = write!(text, " to {}", target.as_deref().unwrap_or(&leafref.path));
            }
            (_, Base::Integer { range, .. }) => {
                let _ = write!(text, " ({})", shown(range, 0));
            }
            (_, Base::Decimal64 { digits, range }) => {
                let _ = write!(text, " ({})", shown(range, *digits));
            }
            (_, Base::String(length, patterns)) => {
                let any = length.parts == [(0, u64::MAX.into())];
                if !any {
                    let _ = write!(text, " ({} characters)", shown(length, 0));
                }
                // A pattern of an address can be longer than a screen.
                for pattern in patterns.iter().filter(|pattern| pattern.xsd.len() <= 60) {
                    let not = if pattern.invert { " not" } else { "" };
                    let _ = write!(text, "{not} like {}", pattern.xsd);
                }
            }
            (_, Base::Union(members)) => {
                let members: Vec<String> = members.iter().map(|member| self.describe(member)).collect();
                let _ = write!(text, " of {}", members.join(", or "));
            }
            _ => {}
        }
        text
    }

    /// A value as XML has it: with the prefixes that it uses and their namespaces (RFC 7950 sections 9.10.3 and
    /// 9.13.2). The prefix of a module is its name.
    pub fn to_prefixes(&self, ty: &Type, home: ModuleId, value: &str) -> (String, Vec<(String, Arc<str>)>) {
        let namespace = |module: ModuleId| Arc::from(self.module(module).namespace.as_str());
        match &self.member(ty, home, value).base {
            Base::IdentityRef(bases) => {
                let module = self.identity_of(bases, home, value).map(|id| self.identity(id).module);
                let Some(module) = module else { return (value.to_owned(), Vec::new()) };
                let name = &self.module(module).name;
                let local = value.rsplit(':').next().unwrap_or(value);
                (format!("{name}:{local}"), vec![(name.clone(), namespace(module))])
            }
            Base::InstanceIdentifier => {
                let mut used = Vec::new();
                let mut above = None;
                let text = renamed(value, &mut |prefix| {
                    above = prefix.map(str::to_owned).or(above.take());
                    let name = above.clone()?;
                    if !used.contains(&name) {
                        used.push(name.clone());
                    }
                    Some(name)
                });
                let find = |name: String| self.find_module(&name).map(|module| (name, namespace(module)));
                (text, used.into_iter().filter_map(find).collect())
            }
            _ => (value.to_owned(), Vec::new()),
        }
    }

    /// The reverse: a text of XML with the names of modules in place of prefixes. A name without prefix is of the
    /// module `home`.
    pub fn from_prefixes(
        &self,
        ty: &Type,
        home: ModuleId,
        text: &str,
        prefixes: &[(String, Arc<str>)],
    ) -> String {
        let module_of = |prefix: &str| {
            let namespace =
                prefixes.iter().find(|(known, _)| known == prefix).map(|(_, namespace)| namespace);
            let module = namespace.and_then(|namespace| self.find_namespace(namespace));
            module.map_or_else(|| prefix.to_owned(), |module| self.module(module).name.clone())
        };
        let identity = || match text.trim().split_once(':') {
            Some((prefix, name)) => format!("{}:{name}", module_of(prefix)),
            None => format!("{}:{}", self.module(home).name, text.trim()),
        };
        let instance = || {
            let mut above = None;
            renamed(text.trim(), &mut |prefix| {
                let module = module_of(prefix?);
                let is_new = above.as_ref() != Some(&module);
                above = Some(module.clone());
                is_new.then_some(module)
            })
        };
        let real = self.real_type(ty);
        match &real.base {
            Base::IdentityRef(_) => identity(),
            Base::InstanceIdentifier => instance(),
            Base::Union(members) => {
                let found = members.iter().find_map(|member| {
                    let value = match self.real_type(member).base {
                        Base::IdentityRef(_) => identity(),
                        Base::InstanceIdentifier => instance(),
                        _ => text.to_owned(),
                    };
                    self.fits(member, home, &value).then_some(value)
                });
                found.unwrap_or_else(|| text.to_owned())
            }
            _ => text.to_owned(),
        }
    }
}

impl Pattern {
    /// Whether the pattern allows the text. One that cannot be translated allows everything.
    pub fn allows(&self, text: &str) -> bool {
        let compile = || regex::Regex::new(&crate::yang::pattern::translate(&self.xsd).ok()?).ok();
        let regex = self.compiled.get_or_init(compile);
        regex.as_ref().is_none_or(|regex| regex.is_match(text) != self.invert)
    }
}

/// The name of a built-in type.
fn base_name(base: &Base) -> String {
    let name = match base {
        Base::Integer { bits, signed, .. } => return format!("{}int{bits}", if *signed { "" } else { "u" }),
        Base::Decimal64 { .. } => "decimal64",
        Base::String(..) => "string",
        Base::Boolean => "boolean",
        Base::Enumeration(_) => "enumeration",
        Base::Bits(_) => "bits",
        Base::Binary(_) => "binary",
        Base::Empty => "empty",
        Base::IdentityRef(_) => "identityref",
        Base::Leafref(_) => "leafref",
        Base::InstanceIdentifier => "instance-identifier",
        Base::Union(_) => "union",
        Base::Unknown => "unknown",
    };
    name.to_owned()
}

/// A range: `1..10 or 20`, decimal64 values with their point.
fn shown(range: &Range, digits: u8) -> String {
    let number = |value: i128| {
        let power = 10_i128.pow(u32::from(digits));
        match digits {
            0 => value.to_string(),
            _ => {
                let sign = if value < 0 { "-" } else { "" };
                let fraction = format!("{:01$}", (value % power).abs(), usize::from(digits));
                let fraction = fraction.trim_end_matches('0');
                let fraction = if fraction.is_empty() { "0" } else { fraction };
                format!("{sign}{}.{fraction}", (value / power).abs())
            }
        }
    };
    let parts = range.parts.iter().map(|(low, high)| match (low == high, *high) {
        (true, _) => number(*low),
        (_, high) if high == i128::from(u64::MAX) => format!("{} or more", number(*low)),
        _ => format!("{}..{}", number(*low), number(*high)),
    });
    parts.collect::<Vec<_>>().join(" or ")
}

/// An instance-identifier with other prefixes: `rename` is asked for each name, with the prefix it has, and gives the
/// one it gets.
fn renamed(path: &str, rename: &mut dyn FnMut(Option<&str>) -> Option<String>) -> String {
    let mut out = String::new();
    let mut rest = path;
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    while let Some(c) = rest.chars().next() {
        if matches!(c, '\'' | '"') {
            let end = rest.get(1..).and_then(|inner| inner.find(c)).map_or(rest.len(), |end| end + 2);
            out.push_str(&rest[..end]);
            rest = &rest[end..];
        } else if c.is_alphabetic() || c == '_' {
            let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
            let (first, after) = rest.split_at(end);
            let (prefix, name, after) = match after.strip_prefix(':') {
                Some(after) => {
                    let end = after.find(|c| !is_name(c)).unwrap_or(after.len());
                    (Some(first), &after[..end], &after[end..])
                }
                None => (None, first, after),
            };
            if let Some(prefix) = rename(prefix) {
                out.push_str(&prefix);
                out.push(':');
            }
            out.push_str(name);
            rest = after;
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::{NodeId, Text};
    use super::*;

    fn schema() -> Schema {
        let text = "module a { namespace urn:a; prefix a; identity root; identity one { base root; }
            leaf number { type int8 { range '-5..5|7'; } } leaf decimal { type decimal64 { fraction-digits 2; range '0.5..max'; } }
            leaf text { type string { length '2..max'; pattern '[a-z]+'; } } leaf kind { type identityref { base root; } }
            leaf any { type union { type uint8; type identityref { base root; } type enumeration { enum x; } } }
            leaf place { type instance-identifier; } leaf ref { type leafref { path ../number; } }
            leaf flags { type bits { bit b; bit c; } } }";
        let other =
            "module b { namespace urn:b; prefix b; import a { prefix a; } identity two { base a:one; } }";
        let of = |text: &str| Text { text: text.to_owned(), implemented: true, features: Vec::new() };
        Schema::read(&[of(text), of(other)])
    }

    fn leaf(schema: &Schema, name: &str) -> (Type, ModuleId) {
        let id: NodeId = schema.child(None, "a", name).unwrap();
        (schema.node(id).ty.clone().unwrap(), schema.node(id).module)
    }

    #[test]
    fn rfc_7950_section_9_values_fit_their_types() {
        let schema = schema();
        for (name, good, bad) in [
            ("number", "-5 7", "6 8 x 1.0"),
            ("ref", "7", "6"),
            ("decimal", "0.5 0.51 12", "0.4 1.234 x ."),
            ("text", "ab", "a AB a1"),
            ("kind", "one a:one b:two", "root two b:one c:one"),
            ("any", "255 x b:two", "256 y"),
            ("flags", "b c", "d"),
        ] {
            let (ty, home) = leaf(&schema, name);
            assert!(good.split(' ').all(|value| schema.fits(&ty, home, value)), "{name}");
            assert!(!bad.split(' ').any(|value| schema.fits(&ty, home, value)), "{name}");
        }
    }

    #[test]
    fn names_of_modules_become_prefixes_and_come_back() {
        let schema = schema();
        for (name, value, text) in [
            ("kind", "b:two", "b:two"),
            ("kind", "a:one", "a:one"),
            ("any", "b:two", "b:two"),
            ("any", "7", "7"),
            ("place", "/a:x/y[k='a:b']/b:z", "/a:x/a:y[a:k='a:b']/b:z"),
        ] {
            let (ty, home) = leaf(&schema, name);
            let (written, prefixes) = schema.to_prefixes(&ty, home, value);
            assert_eq!(written, text);
            assert_eq!(schema.from_prefixes(&ty, home, &written, &prefixes), value);
        }
        let (ty, home) = leaf(&schema, "any");
        assert_eq!(schema.from_prefixes(&ty, home, "p:two", &[("p".to_owned(), "urn:b".into())]), "b:two");
        assert_eq!(schema.from_prefixes(&ty, home, "one", &[]), "a:one");
    }

    #[test]
    fn a_type_is_described_in_a_few_words() {
        let schema = schema();
        for (name, words) in [
            ("number", "int8 (-5..5 or 7)"),
            ("text", "string (2 or more characters) like [a-z]+"),
            ("ref", "leafref to /a:number"),
            ("any", "union of uint8 (0..255), or identityref, or enumeration"),
            ("decimal", "decimal64 (0.5..92233720368547758.07)"),
        ] {
            assert_eq!(schema.describe(&leaf(&schema, name).0), words);
        }
    }
}
