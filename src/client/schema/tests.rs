//! What the reader makes of YANG texts, and that it ends on all of them.

use std::fmt::Write as _;

use super::*;
use crate::yang::generated::SCHEMA;
use crate::yang::schema as tables;

/// The texts that the server gives with get-schema, with what its YANG library says of them.
fn texts_of_the_server() -> Vec<Text> {
    let mut texts = Vec::new();
    for module in SCHEMA.modules {
        texts.push(Text {
            text: module.source.to_owned(),
            implemented: module.conformance == tables::Conformance::Implement,
            features: module.features.iter().map(|feature| (*feature).to_owned()).collect(),
        });
        let submodules = module.submodules.iter();
        texts.extend(submodules.map(|s| Text { text: s.source.to_owned(), ..Text::default() }));
    }
    texts
}

/// A node and everything in it as lines, the children by name: both schemas write the same.
trait Shown: Copy {
    fn line(self) -> String;
    fn name(self) -> String;
    fn inner(self) -> Vec<Self>;

    fn show(self, above: &str, out: &mut String) {
        let path = format!("{above}/{}", self.name());
        let _ = writeln!(out, "{path} {}", self.line());
        let mut inner = self.inner();
        inner.sort_by_key(|child| child.name());
        inner.iter().for_each(|child| child.show(&path, out));
    }
}

impl Shown for &'static tables::Node {
    fn name(self) -> String {
        self.qualified_name()
    }

    fn inner(self) -> Vec<Self> {
        let mut inner = [self.children, self.actions, self.notifications].concat();
        if let tables::Kind::Rpc { input, output } = &self.kind {
            inner.extend([input, output]);
        }
        // libyang keeps a case whose only node needs a feature.
        inner.retain(|node| !matches!(node.kind, tables::Kind::Case) || !node.children.is_empty());
        inner
    }

    fn line(self) -> String {
        let entries =
            |e: &tables::Entries| (e.min, Some(e.max).filter(|max| *max < u32::MAX), e.user_ordered);
        let kind = match &self.kind {
            tables::Kind::Container { presence } => format!("container {presence}"),
            tables::Kind::Leaf { ty, default, units } => {
                let defaults: Vec<&str> = default.iter().copied().collect();
                format!("leaf {} {defaults:?} {units:?}", shown_type(ty))
            }
            tables::Kind::LeafList { ty, defaults, entries: e, units } => {
                format!("leaf-list {} {defaults:?} {units:?} {:?}", shown_type(ty), entries(e))
            }
            tables::Kind::List { keys, entries: e, .. } => {
                let keys: Vec<&str> = keys.iter().map(|key| key.name).collect();
                format!("list {keys:?} {:?}", entries(e))
            }
            tables::Kind::Choice { default } => format!("choice {:?}", default.map(|case| case.name)),
            tables::Kind::Case => "case".to_owned(),
            tables::Kind::AnyData => "anydata".to_owned(),
            tables::Kind::AnyXml => "anyxml".to_owned(),
            tables::Kind::Rpc { .. } if self.parent.is_none() => "rpc".to_owned(),
            tables::Kind::Rpc { .. } => "action".to_owned(),
            tables::Kind::Input => "input".to_owned(),
            tables::Kind::Output => "output".to_owned(),
            tables::Kind::Notification => "notification".to_owned(),
        };
        format!(
            "{kind} config={} mandatory={} {:?} {}",
            self.config,
            self.mandatory,
            self.status,
            words(self.description)
        )
    }
}

impl Shown for (&Schema, NodeId) {
    fn name(self) -> String {
        let node = self.0.node(self.1);
        format!("{}:{}", self.0.module(node.module).name, node.name)
    }

    fn inner(self) -> Vec<Self> {
        self.0.node(self.1).children.iter().map(|id| (self.0, *id)).collect()
    }

    fn line(self) -> String {
        let (schema, node) = (self.0, self.0.node(self.1));
        let entries = (node.min, node.max, node.user_ordered);
        let units = node.units.as_deref().unwrap_or_default();
        let kind = match (node.kind, &node.ty) {
            (Kind::Container, _) => format!("container {}", node.presence.is_some()),
            (Kind::Leaf, Some(ty)) => format!("leaf {} {:?} {units:?}", schema.shown_type(ty), node.defaults),
            (Kind::LeafList, Some(ty)) => {
                format!("leaf-list {} {:?} {units:?} {entries:?}", schema.shown_type(ty), node.defaults)
            }
            (Kind::List, _) => format!("list {:?} {entries:?}", node.keys),
            (Kind::Choice, _) => format!("choice {:?}", node.defaults.first()),
            (kind, _) => format!("{kind:?}").to_lowercase(),
        };
        let description = words(node.description.as_deref().unwrap_or_default());
        format!("{kind} config={} mandatory={} {:?} {description}", node.config, node.mandatory, node.status)
    }
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn shown_parts<T: Copy + Into<i128>>(parts: &[(T, T)], all: (i128, i128)) -> String {
    let parts: Vec<(i128, i128)> = parts.iter().map(|(low, high)| ((*low).into(), (*high).into())).collect();
    format!("{:?}", if parts.is_empty() { vec![all] } else { parts })
}

fn shown_type(ty: &tables::Type) -> String {
    let wide = (i128::from(i64::MIN), i128::from(i64::MAX));
    // The name is left out: libyang gives a typedef that restricts nothing that of its base.
    match &ty.base {
        tables::Base::Int(bits, range) => {
            let high = (1_i128 << (bits - 1)) - 1;
            format!("int{bits} {}", shown_parts(range.parts, (-high - 1, high)))
        }
        tables::Base::Uint(bits, range) => {
            format!("uint{bits} {}", shown_parts(range.parts, (0, (1_i128 << bits) - 1)))
        }
        tables::Base::Decimal64(digits, range) => {
            format!("decimal64 {digits} {}", shown_parts(range.parts, wide))
        }
        tables::Base::String(length, patterns) => {
            let mut patterns: Vec<_> = patterns.iter().map(|p| (p.xsd, p.invert)).collect();
            patterns.sort_unstable();
            format!("string {} {patterns:?}", shown_parts(length.parts, (0, u64::MAX.into())))
        }
        tables::Base::Boolean => "boolean".to_owned(),
        tables::Base::Enumeration(values) => {
            let mut values: Vec<_> = values.iter().map(|v| (v.name, i64::from(v.value))).collect();
            values.sort_unstable();
            format!("enumeration {values:?}")
        }
        tables::Base::Bits(bits) => {
            format!("bits {:?}", bits.iter().map(|b| (b.name, i64::from(b.position))).collect::<Vec<_>>())
        }
        tables::Base::Binary(length) => format!("binary {}", shown_parts(length.parts, (0, u64::MAX.into()))),
        tables::Base::Empty => "empty".to_owned(),
        tables::Base::IdentityRef(bases) => {
            let all = SCHEMA.modules.iter().flat_map(|module| module.identities);
            let derived = all.filter(|identity| bases.iter().all(|base| identity.derives_from(base)));
            let mut derived: Vec<String> = derived.map(ToString::to_string).collect();
            derived.sort();
            let bases: Vec<String> = bases.iter().map(ToString::to_string).collect();
            format!("identityref {bases:?} {derived:?}")
        }
        tables::Base::LeafRef(leafref) => {
            let mut path = String::new();
            let mut at = Some(leafref.target);
            while let Some(node) = at {
                path = format!("/{}{path}", node.qualified_name());
                at = node.data_parent();
            }
            format!("leafref {path} {}", shown_type(leafref.real))
        }
        tables::Base::InstanceIdentifier { .. } => "instance-identifier".to_owned(),
        tables::Base::Union(members) => {
            format!("union {:?}", members.iter().map(|member| shown_type(member)).collect::<Vec<_>>())
        }
    }
}

impl Schema {
    fn shown_type(&self, ty: &Type) -> String {
        match &ty.base {
            Base::Integer { bits, signed, range } => {
                format!("{}int{bits} {:?}", if *signed { "" } else { "u" }, range.parts)
            }
            Base::Decimal64 { digits, range } => format!("decimal64 {digits} {:?}", range.parts),
            Base::String(length, patterns) => {
                let mut patterns: Vec<_> = patterns.iter().map(|p| (p.xsd.as_str(), p.invert)).collect();
                patterns.sort_unstable();
                format!("string {:?} {patterns:?}", length.parts)
            }
            Base::Boolean => "boolean".to_owned(),
            Base::Enumeration(values) => {
                let mut values: Vec<_> = values.iter().map(|v| (v.name.as_str(), v.value)).collect();
                values.sort_unstable();
                format!("enumeration {values:?}")
            }
            Base::Bits(bits) => {
                format!("bits {:?}", bits.iter().map(|b| (b.name.as_str(), b.value)).collect::<Vec<_>>())
            }
            Base::Binary(length) => format!("binary {:?}", length.parts),
            Base::Empty => "empty".to_owned(),
            Base::IdentityRef(bases) => {
                let mut derived: Vec<String> =
                    self.derived(bases).into_iter().map(|id| self.identity_name(id)).collect();
                derived.sort();
                let bases: Vec<String> = bases.iter().map(|id| self.identity_name(*id)).collect();
                format!("identityref {bases:?} {derived:?}")
            }
            Base::Leafref(leafref) => {
                let mut path = String::new();
                let mut at = leafref.target;
                while let Some(id) = at {
                    path = format!("/{}{path}", (self, id).name());
                    at = self.data_parent(id);
                }
                format!("leafref {path} {}", self.shown_type(self.real_type(ty)))
            }
            Base::InstanceIdentifier => "instance-identifier".to_owned(),
            Base::Union(members) => {
                format!(
                    "union {:?}",
                    members.iter().map(|member| self.shown_type(member)).collect::<Vec<_>>()
                )
            }
            Base::Unknown => "unknown".to_owned(),
        }
    }
}

#[test]
fn every_node_of_every_module_that_the_server_serves_is_read_as_the_generator_reads_it() {
    let schema = Schema::read(&texts_of_the_server());
    assert_eq!(schema.problems(), [""; 0]);
    let mut nodes = 0;
    for module in SCHEMA.implemented() {
        let own = schema.module(schema.find_module(module.name).unwrap());
        let head = (own.revision.as_str(), own.namespace.as_str(), own.prefix.as_str());
        assert_eq!(head, (module.revision, module.namespace, module.prefix));
        let (mut expected, mut found) = (String::new(), String::new());
        let mut top = [module.children, module.rpcs, module.notifications].concat();
        top.sort_by_key(|node| node.name);
        top.iter().for_each(|node| node.show("", &mut expected));
        let mut top = own.children.clone();
        top.sort_by_key(|id| schema.node(*id).name.clone());
        top.iter().for_each(|id| (&schema, *id).show("", &mut found));
        for (expected, found) in expected.lines().zip(found.lines()) {
            assert_eq!(found, expected);
        }
        assert_eq!(found.lines().count(), expected.lines().count(), "{}", module.name);
        nodes += found.lines().count();
    }
    assert!(nodes > 1_000, "{nodes}");
}

fn read(texts: &[&str]) -> Schema {
    let of =
        |text: &&str| Text { text: (*text).to_owned(), implemented: true, features: vec!["on".to_owned()] };
    Schema::read(&texts.iter().map(of).collect::<Vec<_>>())
}

/// The paths of all data nodes, in their order.
fn paths(schema: &Schema) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Vec<NodeId> = schema.data(None);
    while let Some(id) = open.pop() {
        found.push(schema.path(id));
        open.extend(schema.data(Some(id)));
    }
    found.sort();
    found
}

#[test]
fn groupings_are_refined_and_augmented_where_they_are_used() {
    let schema = read(&["module a { namespace urn:a; prefix a;
        grouping g { container c { leaf l { type t; } choice x { leaf one { type string; } } } }
        typedef t { type uint8 { range '1..10|20'; } default 2; units s; }
        container top { typedef t { type string; }
            uses g { refine c/l { default 3; } augment c/x { leaf two { if-feature 'on and not off'; type t; } } }
            leaf off { if-feature off; type t; } } }"]);
    assert_eq!(schema.problems(), [""; 0]);
    assert_eq!(paths(&schema), ["/a:top", "/a:top/c", "/a:top/c/l", "/a:top/c/one", "/a:top/c/two"]);
    let at = |path: &[&str]| path.iter().fold(None, |at, name| schema.child(at, "a", name)).unwrap();
    let leaf = schema.node(at(&["top", "c", "l"]));
    assert_eq!((leaf.defaults.as_slice(), leaf.units.as_deref()), (&["3".to_owned()][..], Some("s")));
    let Some(Base::Integer { range, .. }) = leaf.ty.as_ref().map(|ty| &ty.base) else { panic!("an integer") };
    assert_eq!((range.contains(10), range.contains(11), range.contains(20)), (true, false, true));
    // The name is looked up where the augment stands, so it is the typedef of the container.
    let two = schema.node(at(&["top", "c", "two"])).ty.as_ref().unwrap();
    assert!(matches!(two.base, Base::String(..)), "{two:?}");
}

#[test]
fn other_modules_augment_deviate_and_derive() {
    let schema = read(&[
        "module b { namespace urn:b; prefix b; import a { prefix x; }
            identity deep { base x:root; } identity deeper { base deep; }
            augment /x:top/x:added { leaf more { type leafref { path '../../x:id'; } } }
            deviation /x:top/x:id { deviate replace { type int8; } deviate add { default 1; } }
            deviation /x:top/x:gone { deviate not-supported; } }",
        "module c { namespace urn:c; prefix c; import a { prefix a; }
            augment /a:top { container added { config false; } } }",
        "module a { namespace urn:a; prefix a; include s; identity root; }",
        "submodule s { belongs-to a { prefix p; }
            container top { leaf id { type string; } leaf gone { type string; }
                leaf kind { type identityref { base p:root; } default p:root; } } }",
    ]);
    assert_eq!(schema.problems(), [""; 0]);
    // What c adds is not in the module that b looks for it in.
    assert_eq!(paths(&schema), ["/a:top", "/a:top/c:added", "/a:top/id", "/a:top/kind"]);
    let top = schema.child(None, "a", "top");
    let kind = schema.node(schema.child(top, "a", "kind").unwrap());
    assert_eq!(kind.defaults, ["a:root"]);
    let Some(Base::IdentityRef(bases)) = kind.ty.as_ref().map(|ty| &ty.base) else { panic!("an identity") };
    let names: Vec<String> = schema.derived(bases).into_iter().map(|id| schema.identity_name(id)).collect();
    assert_eq!(names, ["b:deep", "b:deeper"]);
    let id = schema.node(schema.child(top, "a", "id").unwrap());
    assert_eq!((id.defaults[0].as_str(), id.ty.as_ref().unwrap().name.as_str()), ("1", "int8"));
}

#[test]
fn what_cannot_be_resolved_is_named_and_the_rest_is_there() {
    let schema = read(&[
        "module a { prefix a; import nowhere { prefix n; }\n leaf l { type n:t; }\n uses g; leaf m { type string; } }",
        "module b { grouping g { container c { uses g; } } uses g;
            typedef t { type u; } typedef u { type t; } leaf l { type t; } identity i { base i; } }",
        "submodule s { belongs-to nowhere; }",
        "no module",
    ]);
    assert_eq!(paths(&schema), ["/a:l", "/a:m", "/b:c", "/b:l"]);
    let problems = schema.problems().join("\n");
    for part in [
        "a, line 1: import nowhere: the imported module is not there",
        "a, line 2: type n:t: there is no such type",
        "a, line 3: uses g: there is no such grouping",
        "b, line 1: uses g: the grouping uses itself",
        "its definition does not end",
        "s: its module is not there",
    ] {
        assert!(problems.contains(part), "{part}\n{problems}");
    }
    let ty = schema.node(schema.child(None, "b", "l").unwrap()).ty.as_ref().unwrap();
    assert!(matches!(ty.base, Base::Unknown));
    assert_eq!(schema.derived(&[IdentityId(0)]), [IdentityId(0)]);
}

#[test]
fn hostile_texts_end() {
    let deep = format!("module a {{ {} }}", "container c {".repeat(100_000));
    assert!(read(&[&deep]).problems()[0].contains("nested too deeply"));
    // Each grouping uses the one before twice, each union is made of the one before twice.
    let mut doubled = "module a { grouping g0 { leaf l { type t0; } } typedef t0 { type union { type int8; type string; } }".to_owned();
    for n in 1..60 {
        let before = n - 1;
        doubled += &format!(
            " grouping g{n} {{ container a {{ uses g{before}; }} container b {{ uses g{before}; }} }}"
        );
        doubled += &format!(" typedef t{n} {{ type union {{ type t{before}; type t{before}; }} }}");
    }
    for used in ["uses g59;", "leaf l { type t59; }"] {
        let schema = read(&[&format!("{doubled} {used} }}")]);
        assert!(schema.problems().iter().any(|p| p.contains("too large")), "{:?}", schema.problems());
    }
    let circle = "module a { leaf a { type leafref { path ../b; } } leaf b { type leafref { path ../a; } } }";
    let schema = read(&[circle]);
    let ty = schema.node(schema.child(None, "a", "a").unwrap()).ty.as_ref().unwrap();
    assert!(matches!(schema.real_type(ty).base, Base::Leafref(_)));
    for text in [
        "",
        "module",
        "module {",
        "module a { augment",
        "module a { leaf; list l { key } uses; type { path } }",
    ] {
        read(&[text]);
    }
}
