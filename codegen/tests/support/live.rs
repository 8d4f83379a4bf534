//! The runtime's schema tables made in memory from the intermediate form, so that the runtime
//! can be tested on any modules without compiling Rust. They are never freed.

use std::borrow::Cow;
use std::sync::OnceLock;

use agentconf::yang::schema as to;
use agentconf::yang::xpath::ast as to_ast;
use agentconf_codegen::ir as from;
use agentconf_codegen::xpath::ast as from_ast;

/// The schema of the intermediate form.
pub fn schema(ir: &from::Schema) -> &'static to::Schema {
    let live = Live {
        modules: Tables::new(ir.modules.len()),
        nodes: Tables::new(ir.nodes.len()),
        identities: Tables::new(ir.identities.len()),
        types: Tables::new(ir.types.len()),
    };
    for (index, module) in ir.modules.iter().enumerate() {
        live.modules.fill(index, live.module(module));
    }
    for (index, node) in ir.nodes.iter().enumerate() {
        live.nodes.fill(index, live.node(node));
    }
    for (index, identity) in ir.identities.iter().enumerate() {
        live.identities.fill(index, live.identity(identity));
    }
    for (index, ty) in ir.types.iter().enumerate() {
        live.types.fill(index, live.ty(ty));
    }
    let modules = slice((0..ir.modules.len()).map(|index| live.modules.get(index)));
    let added = ir.module_ids().filter(|id| ir.is_added(*id)).map(|id| live.modules.get(id.0));
    let added = slice(added);
    Box::leak(Box::new(to::Schema { modules, added }))
}

/// Room for items that refer to each other in circles.
struct Tables<T: 'static>(*mut T);

impl<T> Tables<T> {
    fn new(count: usize) -> Self {
        Tables(Box::leak(Box::<[T]>::new_uninit_slice(count)).as_mut_ptr().cast())
    }

    fn get(&self, index: usize) -> &'static T {
        // SAFETY: the place is one of the slice, which is never freed. Nothing is read through
        // the reference before `schema` returns, and by then `fill` has been called for each.
        unsafe { &*self.0.add(index) }
    }

    fn fill(&self, index: usize, item: T) {
        // SAFETY: the place is one of the slice, and each is filled once.
        unsafe { self.0.add(index).write(item) }
    }
}

struct Live {
    modules: Tables<to::Module>,
    nodes: Tables<to::Node>,
    identities: Tables<to::Identity>,
    types: Tables<to::Type>,
}

impl Live {
    fn nodes(&self, ids: &[from::NodeId]) -> &'static [&'static to::Node] {
        slice(ids.iter().map(|id| self.nodes.get(id.0)))
    }

    fn identities(&self, ids: &[from::IdentityId]) -> &'static [&'static to::Identity] {
        slice(ids.iter().map(|id| self.identities.get(id.0)))
    }

    fn module(&self, module: &from::Module) -> to::Module {
        let submodules = module.submodules.iter().map(|s| to::Submodule {
            name: text(&s.name),
            revision: text(&s.revision),
            source: "",
        });
        to::Module {
            name: text(&module.name),
            revision: text(&module.revision),
            namespace: text(&module.namespace),
            prefix: text(&module.prefix),
            conformance: match module.implemented {
                true => to::Conformance::Implement,
                false => to::Conformance::Import,
            },
            features: slice(module.features.iter().map(|f| text(f))),
            deviations: slice(module.deviations.iter().map(|d| text(d))),
            submodules: slice(submodules),
            source: "",
            children: self.nodes(&module.children),
            data: self.nodes(&module.data),
            rpcs: self.nodes(&module.rpcs),
            notifications: self.nodes(&module.notifications),
            identities: self.identities(&module.identities),
            annotations: self.nodes(&module.annotations),
        }
    }

    fn identity(&self, identity: &from::Identity) -> to::Identity {
        to::Identity {
            name: text(&identity.name),
            module: self.modules.get(identity.module.0),
            bases: self.identities(&identity.bases),
            sid: identity.sid,
        }
    }

    fn node(&self, node: &from::Node) -> to::Node {
        let musts = node.musts.iter().map(|must| to::Must {
            expr: leak(expr(&must.expr)),
            text: text(&must.text),
            error_message: option(&must.error_message),
            error_app_tag: option(&must.error_app_tag),
            reads: self.nodes(&must.reads),
        });
        let whens = node.whens.iter().map(|when| to::When {
            expr: leak(expr(&when.expr)),
            text: text(&when.text),
            context: u8::try_from(when.context).unwrap(),
            reads: self.nodes(&when.reads),
        });
        to::Node {
            name: text(&node.name),
            module: self.modules.get(node.module.0),
            parent: node.parent.map(|parent| self.nodes.get(parent.0)),
            index: u16::try_from(node.index).unwrap(),
            kind: self.kind(&node.kind),
            config: node.config,
            mandatory: node.mandatory,
            status: match node.status {
                from::Status::Current => to::Status::Current,
                from::Status::Deprecated => to::Status::Deprecated,
                from::Status::Obsolete => to::Status::Obsolete,
            },
            children: self.nodes(&node.children),
            data: self.nodes(&node.data),
            actions: self.nodes(&node.actions),
            notifications: self.nodes(&node.notifications),
            musts: slice(musts),
            whens: slice(whens),
            nacm: match node.nacm {
                from::Nacm::None => to::NacmDefault::None,
                from::Nacm::DenyWrite => to::NacmDefault::DenyWrite,
                from::Nacm::DenyAll => to::NacmDefault::DenyAll,
            },
            sid: node.sid,
            description: "",
        }
    }

    fn kind(&self, kind: &from::Kind) -> to::Kind {
        let entries =
            |e: &from::Entries| to::Entries { min: e.min, max: e.max, user_ordered: e.user_ordered };
        match kind {
            from::Kind::Container { presence } => to::Kind::Container { presence: *presence },
            from::Kind::Leaf { ty, default, units } => {
                to::Kind::Leaf { ty: self.types.get(ty.0), default: option(default), units: text(units) }
            }
            from::Kind::LeafList { ty, defaults, entries: number, units } => to::Kind::LeafList {
                ty: self.types.get(ty.0),
                defaults: slice(defaults.iter().map(|d| text(d))),
                entries: entries(number),
                units: text(units),
            },
            from::Kind::List { keys, uniques, entries: number } => {
                to::Kind::List {
                    keys: self.nodes(keys),
                    uniques: slice(uniques.iter().map(|leafs| to::Unique {
                        leafs: slice(leafs.iter().map(|chain| self.nodes(chain))),
                    })),
                    entries: entries(number),
                }
            }
            from::Kind::Choice { default } => {
                to::Kind::Choice { default: default.map(|case| self.nodes.get(case.0)) }
            }
            from::Kind::Case => to::Kind::Case,
            from::Kind::AnyData => to::Kind::AnyData,
            from::Kind::AnyXml => to::Kind::AnyXml,
            from::Kind::Rpc { input, output } => {
                to::Kind::Rpc { input: self.nodes.get(input.0), output: self.nodes.get(output.0) }
            }
            from::Kind::Input => to::Kind::Input,
            from::Kind::Output => to::Kind::Output,
            from::Kind::Notification => to::Kind::Notification,
        }
    }

    fn ty(&self, ty: &from::Type) -> to::Type {
        let types = |ids: &[from::TypeId]| slice(ids.iter().map(|id| self.types.get(id.0)));
        let base = match &ty.base {
            from::Base::Int(bits, values) => to::Base::Int(*bits, range(values)),
            from::Base::Uint(bits, values) => to::Base::Uint(*bits, range(values)),
            from::Base::Decimal64(digits, values) => to::Base::Decimal64(*digits, range(values)),
            from::Base::String(length, patterns) => {
                to::Base::String(range(length), slice(patterns.iter().map(|p| leak(pattern(p)))))
            }
            from::Base::Boolean => to::Base::Boolean,
            from::Base::Enumeration(values) => to::Base::Enumeration(slice(
                values.iter().map(|v| to::EnumValue { name: text(&v.name), value: v.value }),
            )),
            from::Base::Bits(bits) => to::Base::Bits(slice(
                bits.iter().map(|(name, position)| to::Bit { name: text(name), position: *position }),
            )),
            from::Base::Binary(length) => to::Base::Binary(range(length)),
            from::Base::Empty => to::Base::Empty,
            from::Base::IdentityRef(bases) => to::Base::IdentityRef(self.identities(bases)),
            from::Base::LeafRef(leafref) => to::Base::LeafRef(to::LeafRef {
                path: leak(expr(&leafref.path)),
                text: text(&leafref.text),
                target: self.nodes.get(leafref.target.0),
                require_instance: leafref.require_instance,
                real: self.types.get(leafref.real.0),
            }),
            from::Base::InstanceIdentifier(require_instance) => {
                to::Base::InstanceIdentifier { require_instance: *require_instance }
            }
            from::Base::Union(members) => to::Base::Union(types(members)),
        };
        to::Type { name: text(&ty.name), base }
    }
}

fn leak<T>(item: T) -> &'static T {
    Box::leak(Box::new(item))
}

fn slice<T>(items: impl IntoIterator<Item = T>) -> &'static [T] {
    Vec::leak(items.into_iter().collect())
}

fn text(text: &str) -> &'static str {
    String::leak(text.to_owned())
}

fn option(text: &Option<String>) -> Option<&'static str> {
    text.as_deref().map(self::text)
}

fn range<T: Copy>(range: &from::Range<T>) -> to::Range<T> {
    to::Range {
        parts: slice(range.parts.iter().copied()),
        text: text(&range.text),
        error_message: option(&range.error_message),
        error_app_tag: option(&range.error_app_tag),
    }
}

fn pattern(pattern: &from::Pattern) -> to::Pattern {
    to::Pattern {
        xsd: text(&pattern.xsd),
        regex: text(&pattern.regex),
        invert: pattern.invert,
        error_message: option(&pattern.error_message),
        error_app_tag: option(&pattern.error_app_tag),
        compiled: OnceLock::new(),
    }
}

/// The variant of the same name.
macro_rules! same {
    ($of:ident, $value:expr, $($variant:ident)*) => {
        match $value { $(from_ast::$of::$variant => to_ast::$of::$variant,)* }
    };
}

fn expr(expr: &from_ast::Expr) -> to_ast::Expr {
    match expr {
        from_ast::Expr::Binary(operator, operands) => to_ast::Expr::Binary(
            same!(Operator, operator, Or And Equal NotEqual Less LessOrEqual Greater GreaterOrEqual
                Add Subtract Multiply Divide Modulo Union),
            exprs(operands),
        ),
        from_ast::Expr::Negate(operand) => to_ast::Expr::Negate(exprs(operand)),
        from_ast::Expr::Number(number) => to_ast::Expr::Number(*number),
        from_ast::Expr::Literal(literal) => to_ast::Expr::Literal(literal.clone()),
        from_ast::Expr::Call(function, arguments) => to_ast::Expr::Call(
            same!(Function, function, Last Position Count Id LocalName NamespaceUri Name String Concat
                StartsWith Contains SubstringBefore SubstringAfter Substring StringLength NormalizeSpace
                Translate Boolean Not True False Lang Number Sum Floor Ceiling Round Current ReMatch Deref
                DerivedFrom DerivedFromOrSelf EnumValue BitIsSet),
            exprs(arguments),
        ),
        from_ast::Expr::Path(path) => to_ast::Expr::Path(to_ast::Path {
            start: match &path.start {
                from_ast::Start::Root => to_ast::Start::Root,
                from_ast::Start::Context => to_ast::Start::Context,
                from_ast::Start::Filter(primary, predicates) => {
                    to_ast::Start::Filter(exprs(primary), exprs(predicates))
                }
            },
            steps: path.steps.iter().map(step).collect(),
        }),
    }
}

fn exprs(list: &[from_ast::Expr]) -> Cow<'static, [to_ast::Expr]> {
    list.iter().map(expr).collect()
}

fn step(step: &from_ast::Step) -> to_ast::Step {
    let test = match &step.test {
        from_ast::NodeTest::Name { module, name } => {
            to_ast::NodeTest::Name { module: module.clone(), name: name.clone() }
        }
        from_ast::NodeTest::AnyOf { module } => to_ast::NodeTest::AnyOf { module: module.clone() },
        from_ast::NodeTest::Any => to_ast::NodeTest::Any,
        from_ast::NodeTest::Node => to_ast::NodeTest::Node,
        from_ast::NodeTest::Text => to_ast::NodeTest::Text,
        from_ast::NodeTest::Nothing => to_ast::NodeTest::Nothing,
    };
    to_ast::Step {
        axis: same!(Axis, step.axis, Child Parent SelfNode Descendant DescendantOrSelf Ancestor
            AncestorOrSelf PrecedingSibling FollowingSibling Preceding Following Attribute Namespace),
        test,
        predicates: exprs(&step.predicates),
    }
}
