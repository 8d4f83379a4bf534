//! From libyang's compiled schema to the intermediate form. All reading of libyang's structs
//! is here and in `resolve/`; what leaves is owned data. It chooses no Rust name.

mod types;

use std::collections::HashMap;
use std::path::Path;

use yang5::ffi;

use crate::context::{sized, text};
use crate::error::{Diagnostic, Error, Result};
use crate::ir::{
    Entries, Identity, IdentityId, Kind, Module, ModuleId, Must, Nacm, Node, NodeId, Schema, Status,
    Submodule, TypeId, When,
};
use crate::link::RawType;
use crate::load::Loaded;
use crate::xpath::ast::Expr;
use crate::xpath::parse::parse;

/// The module that defines the access defaults.
const NACM: &str = "ietf-netconf-acm";

/// Reads the modules that are implemented and all that they import.
///
/// The second part holds the types of leafs and leaf-lists, for `link` to put in.
///
/// # Errors
/// A text is missing, or an expression or pattern cannot be compiled.
pub fn resolve(loaded: &Loaded) -> Result<(Schema, HashMap<NodeId, RawType>)> {
    let mut resolver = Resolver {
        loaded,
        schema: Schema::default(),
        modules: modules(loaded),
        nodes: HashMap::new(),
        identities: HashMap::new(),
        typedefs: Vec::new(),
        raw_types: HashMap::new(),
        problems: Vec::new(),
    };
    resolver.read_modules()?;
    resolver.read_identities();
    resolver.read_typedefs();
    resolver.read_trees();
    if !resolver.problems.is_empty() {
        return Err(Error::Yang(resolver.problems));
    }
    Ok((resolver.schema, resolver.raw_types))
}

/// A module of libyang; it lives as long as the context.
type LyModule = *const ffi::lys_module;
/// A compiled schema node of libyang; it lives as long as the context.
type LyNode = *const ffi::lysc_node;

struct Resolver<'a> {
    loaded: &'a Loaded,
    schema: Schema,
    /// In the order of [`Schema::modules`].
    modules: Vec<LyModule>,
    nodes: HashMap<LyNode, NodeId>,
    identities: HashMap<*const ffi::lysc_ident, IdentityId>,
    typedefs: Vec<types::Typedef>,
    raw_types: HashMap<NodeId, RawType>,
    problems: Vec<Diagnostic>,
}

/// `None` for null, else the text.
///
/// # Safety
/// As [`text`].
unsafe fn some_text(pointer: *const std::ffi::c_char) -> Option<String> {
    // SAFETY: the caller promises it.
    (!pointer.is_null()).then(|| unsafe { text(pointer) })
}

/// The modules to emit: those implemented, those of our own, and what they import.
fn modules(loaded: &Loaded) -> Vec<LyModule> {
    let mut pending: Vec<LyModule> = Vec::new();
    let mut index = 0;
    loop {
        // SAFETY: the context is alive as long as `loaded`.
        let module = unsafe { ffi::ly_ctx_get_module_iter(loaded.raw(), &raw mut index) };
        // SAFETY: the module is null or lives as long as the context.
        let Some(read) = (unsafe { module.as_ref() }) else { break };
        // SAFETY: name and revision are NUL-terminated; revision may be null.
        let (name, revision) = unsafe { (text(read.name), text(read.revision)) };
        let unasked = loaded.is_built_in(&name, &revision);
        if loaded.is_listed(&name) || loaded.is_own(&name) || (!unasked && read.implemented != 0) {
            pending.push(module);
        }
    }
    let mut found: Vec<LyModule> = Vec::new();
    while let Some(module) = pending.pop() {
        if found.contains(&module) {
            continue;
        }
        found.push(module);
        for parsed in parsed_parts(module) {
            // SAFETY: `imports` is a sized array of a parsed module, which libyang keeps.
            for import in unsafe { sized((*parsed).imports) } {
                if u32::from(import.flags) & ffi::LYS_INTERNAL == 0 && !import.module.is_null() {
                    pending.push(import.module);
                }
            }
        }
    }
    // SAFETY: name and revision are NUL-terminated; revision may be null.
    found.sort_by_key(|m| unsafe { (text((**m).name), text((**m).revision)) });
    found
}

/// The parsed module and its parsed submodules, which begin alike.
fn parsed_parts(module: LyModule) -> Vec<*const ffi::lysp_module> {
    // SAFETY: the module lives as long as the context and libyang keeps its parsed form.
    let main = unsafe { (*module).parsed.cast_const() };
    let mut parts = vec![main];
    // SAFETY: `includes` is a sized array.
    for include in unsafe { sized((*main).includes) } {
        // `lysp_submodule` begins with the members of `lysp_module` that are read here.
        parts.push(include.submodule.cast_const().cast());
    }
    parts
}

/// Whether a module has something that only an implementing server can have.
fn has_substance(module: LyModule) -> bool {
    parsed_parts(module).into_iter().any(|part| {
        // SAFETY: the parsed module lives as long as the context.
        let part = unsafe { &*part };
        !(part.data.is_null()
            && part.rpcs.is_null()
            && part.notifs.is_null()
            && part.augments.is_null()
            && part.deviations.is_null()
            && part.identities.is_null()
            && part.features.is_null())
    })
}

impl Resolver<'_> {
    fn read_modules(&mut self) -> Result<()> {
        for index in 0..self.modules.len() {
            let ly = self.modules[index];
            // SAFETY: the module lives as long as the context; its texts are NUL-terminated.
            let module = unsafe { &*ly };
            // SAFETY: as above.
            let (name, revision) = unsafe { (text(module.name), text(module.revision)) };
            let listed = self.loaded.is_listed(&name);
            let implemented = module.implemented != 0
                && !self.loaded.is_imported(&name)
                && (listed || has_substance(ly))
                && (listed || !self.loaded.is_built_in(&name, &revision));
            let mut submodules = Vec::new();
            // SAFETY: `submodules` is a sized array.
            for submodule in unsafe { sized(module.submodules) } {
                // SAFETY: the texts are NUL-terminated; revision may be null.
                let (name, revision) = unsafe { (text(submodule.name), text(submodule.revision)) };
                let source = self.loaded.source(&name, &revision, true)?;
                submodules.push(Submodule { name, revision, source });
            }
            let mut features = Vec::new();
            if implemented && !module.compiled.is_null() {
                // SAFETY: `features` is a sized array of NUL-terminated names.
                unsafe { sized((*module.compiled).features) }
                    .iter()
                    // SAFETY: as above.
                    .for_each(|f| features.push(unsafe { text(*f) }));
            }
            // SAFETY: `deviated_by` is a sized array of modules of the context.
            let mut deviations: Vec<_> = unsafe { sized(module.deviated_by) }
                .iter()
                // SAFETY: as above.
                .map(|m| unsafe { text((**m).name) })
                .collect();
            deviations.sort();
            let source = self.loaded.source(&name, &revision, false)?;
            self.schema.modules.push(Module {
                revision,
                // SAFETY: the texts are NUL-terminated or null.
                namespace: unsafe { text(module.ns) },
                // SAFETY: as above.
                prefix: unsafe { text(module.prefix) },
                implemented,
                program: self.loaded.is_program(&name),
                name,
                features,
                deviations,
                submodules,
                source,
                children: Vec::new(),
                data: Vec::new(),
                rpcs: Vec::new(),
                notifications: Vec::new(),
                structures: Vec::new(),
                identities: Vec::new(),
                annotations: Vec::new(),
            });
        }
        Ok(())
    }

    fn module_id(&self, module: LyModule) -> ModuleId {
        let position = self.modules.iter().position(|m| *m == module);
        // Whatever a schema node or identity belongs to was imported or implemented.
        ModuleId(position.unwrap_or_default())
    }

    fn read_identities(&mut self) {
        for (index, module) in self.modules.clone().into_iter().enumerate() {
            // SAFETY: `identities` is a sized array of a module of the context.
            for identity in unsafe { sized((*module).identities) } {
                // SAFETY: the identity lives as long as the context.
                if unsafe { ffi::lys_identity_iffeature_value(identity) } != ffi::LY_ERR::LY_SUCCESS {
                    continue;
                }
                let id = IdentityId(self.schema.identities.len());
                self.identities.insert(identity, id);
                self.schema.modules[index].identities.push(id);
                // SAFETY: the texts are NUL-terminated; the description may be null.
                let (name, description) = unsafe { (text(identity.name), text(identity.dsc)) };
                let module = ModuleId(index);
                self.schema.identities.push(Identity {
                    name,
                    module,
                    bases: Vec::new(),
                    sid: 0,
                    description,
                });
            }
        }
        let pairs: Vec<_> = self.identities.iter().map(|(pointer, id)| (*pointer, *id)).collect();
        for (pointer, base) in pairs {
            // SAFETY: `derived` is a sized array of pointers to identities of the context.
            for derived in unsafe { sized((*pointer).derived) } {
                if let Some(derived) = self.identities.get(&derived.cast_const()) {
                    self.schema.identities[derived.0].bases.push(base);
                }
            }
        }
        self.schema.identities.iter_mut().for_each(|identity| identity.bases.sort());
    }

    fn read_trees(&mut self) {
        for index in 0..self.modules.len() {
            if !self.schema.modules[index].implemented {
                continue;
            }
            // SAFETY: an implemented module has a compiled form that lives as long as the context.
            let compiled = unsafe { &*(*self.modules[index]).compiled };
            let children = self.siblings(compiled.data, None);
            let rpcs = self.siblings(compiled.rpcs.cast(), None);
            let notifications = self.siblings(compiled.notifs.cast(), None);
            let structures: Vec<LyNode> = structures(compiled).collect();
            let structures = structures.into_iter().map(|top| self.read_node(top, None)).collect();
            let annotations: Vec<_> = annotations(compiled).collect();
            let annotations =
                annotations.into_iter().map(|a| self.read_annotation(a, ModuleId(index))).collect();
            let module = &mut self.schema.modules[index];
            module.annotations = annotations;
            (module.children, module.rpcs, module.notifications) = (children, rpcs, notifications);
            module.structures = structures;
        }
        let by_id: Vec<_> = self.nodes.iter().map(|(pointer, id)| (*pointer, *id)).collect();
        for (pointer, id) in by_id {
            self.read_references(pointer, id);
        }
    }

    /// Reads a node and all siblings after it that have the same parent: libyang links the
    /// children of all cases of a choice.
    fn siblings(&mut self, first: LyNode, parent: Option<NodeId>) -> Vec<NodeId> {
        let mut ids = Vec::new();
        let mut at = first;
        // SAFETY: the node is null or lives as long as the context.
        while let Some(node) = unsafe { at.as_ref() } {
            // SAFETY: as above.
            if node.parent != unsafe { (*first).parent } {
                break;
            }
            if !self.is_left_out(node) {
                ids.push(self.read_node(at, parent));
            }
            at = node.next;
        }
        ids
    }

    /// Whether a node is of no concern: an augment by a module that is only imported, or one that libyang itself has
    /// put into a module, which `ietf-netconf` gets for the errors in its replies.
    fn is_left_out(&self, node: &ffi::lysc_node) -> bool {
        // SAFETY: the name is NUL-terminated.
        let name = unsafe { text(node.name) };
        let module = &self.schema.modules[self.module_id(node.module).0];
        let is_made_up = node.parent.is_null() && module.name == "ietf-netconf" && name == "rpc-error";
        is_made_up || self.loaded.is_imported(&module.name)
    }

    fn read_node(&mut self, pointer: LyNode, parent: Option<NodeId>) -> NodeId {
        // SAFETY: the node lives as long as the context; its texts are NUL-terminated or null.
        let node = unsafe { &*pointer };
        let flags = u32::from(node.flags);
        let id = NodeId(self.schema.nodes.len());
        self.nodes.insert(pointer, id);
        let is_choosable = ffi::LYS_LEAF | ffi::LYS_CHOICE | ffi::LYS_ANYDATA;
        self.schema.nodes.push(Node {
            // SAFETY: as above.
            name: unsafe { text(node.name) },
            module: self.module_id(node.module),
            parent,
            index: 0,
            kind: Kind::Case,
            config: flags & ffi::LYS_CONFIG_W != 0,
            mandatory: flags & ffi::LYS_MAND_TRUE != 0 && u32::from(node.nodetype) & is_choosable != 0,
            status: match flags & ffi::LYS_STATUS_MASK {
                ffi::LYS_STATUS_DEPRC => Status::Deprecated,
                ffi::LYS_STATUS_OBSLT => Status::Obsolete,
                _ => Status::Current,
            },
            children: Vec::new(),
            data: Vec::new(),
            actions: Vec::new(),
            notifications: Vec::new(),
            musts: Vec::new(),
            whens: Vec::new(),
            nacm: nacm(node),
            sid: 0,
            // SAFETY: as above.
            description: unsafe { text(node.dsc) },
        });
        let kind = self.read_kind(pointer, id);
        self.schema.nodes[id.0].kind = kind;
        if !matches!(self.schema.nodes[id.0].kind, Kind::Rpc { .. }) {
            // SAFETY: the node is alive; libyang picks the list by the kind of node.
            let (children, actions, notifications) = unsafe {
                (
                    ffi::lysc_node_child(pointer),
                    ffi::lysc_node_actions(pointer),
                    ffi::lysc_node_notifs(pointer),
                )
            };
            let children = self.siblings(children, Some(id));
            let actions = self.siblings(actions.cast(), Some(id));
            let notifications = self.siblings(notifications.cast(), Some(id));
            let read = &mut self.schema.nodes[id.0];
            (read.children, read.actions, read.notifications) = (children, actions, notifications);
        }
        self.read_conditions(pointer, id);
        id
    }

    /// An annotation as a leaf that is in no tree: its value has the form of such a leaf's (RFC 7952 section 5).
    fn read_annotation(&mut self, (name, ty): (String, *const ffi::lysc_type), module: ModuleId) -> NodeId {
        let id = NodeId(self.schema.nodes.len());
        self.schema.nodes.push(Node {
            name,
            module,
            parent: None,
            index: 0,
            kind: Kind::Leaf { ty: TypeId(0), default: None, units: String::new() },
            config: false,
            mandatory: false,
            status: Status::Current,
            children: Vec::new(),
            data: Vec::new(),
            actions: Vec::new(),
            notifications: Vec::new(),
            musts: Vec::new(),
            whens: Vec::new(),
            nacm: Nacm::None,
            sid: 0,
            description: String::new(),
        });
        let ty = self.read_type(ty, std::ptr::null(), id);
        self.raw_types.insert(id, ty);
        id
    }

    /// The kind, without what refers to other nodes: that comes last, in `read_references`.
    fn read_kind(&mut self, pointer: LyNode, id: NodeId) -> Kind {
        // SAFETY: the node lives as long as the context. For each cast below: libyang's node
        // kinds begin with `lysc_node`, and `nodetype` says which of them it is; texts are
        // NUL-terminated or null.
        let node = unsafe { &*pointer };
        let flags = u32::from(node.flags);
        match u32::from(node.nodetype) {
            ffi::LYS_CONTAINER => Kind::Container { presence: flags & ffi::LYS_PRESENCE != 0 },
            ffi::LYS_LEAF => {
                // SAFETY: see above.
                let leaf = unsafe { &*pointer.cast::<ffi::lysc_node_leaf>() };
                let ty = self.read_type(leaf.type_, pointer, id);
                self.raw_types.insert(id, ty);
                // SAFETY: see above.
                let units = unsafe { text(leaf.units) };
                Kind::Leaf { ty: TypeId(0), default: default(pointer, &leaf.dflt), units }
            }
            ffi::LYS_LEAFLIST => {
                // SAFETY: see above.
                let list = unsafe { &*pointer.cast::<ffi::lysc_node_leaflist>() };
                let ty = self.read_type(list.type_, pointer, id);
                self.raw_types.insert(id, ty);
                // SAFETY: `dflts` is a sized array.
                let defaults =
                    unsafe { sized(list.dflts) }.iter().filter_map(|d| default(pointer, d)).collect();
                // SAFETY: see above.
                let units = unsafe { text(list.units) };
                Kind::LeafList { ty: TypeId(0), defaults, entries: entries(list.min, list.max, flags), units }
            }
            ffi::LYS_LIST => {
                // SAFETY: see above.
                let list = unsafe { &*pointer.cast::<ffi::lysc_node_list>() };
                let mut entries = entries(list.min, list.max, flags);
                entries.user_ordered &= flags & ffi::LYS_KEYLESS == 0;
                Kind::List { keys: Vec::new(), uniques: Vec::new(), entries }
            }
            ffi::LYS_CHOICE => Kind::Choice { default: None },
            ffi::LYS_ANYDATA => Kind::AnyData,
            ffi::LYS_ANYXML => Kind::AnyXml,
            ffi::LYS_RPC | ffi::LYS_ACTION => {
                // SAFETY: see above.
                let rpc = unsafe { &*pointer.cast::<ffi::lysc_node_action>() };
                let input = self.read_node((&raw const rpc.input).cast(), Some(id));
                let output = self.read_node((&raw const rpc.output).cast(), Some(id));
                Kind::Rpc { input, output }
            }
            ffi::LYS_INPUT => Kind::Input,
            ffi::LYS_OUTPUT => Kind::Output,
            ffi::LYS_NOTIF => Kind::Notification,
            _ => Kind::Case,
        }
    }

    /// Keys, uniques and the default case, once all nodes are known.
    fn read_references(&mut self, pointer: LyNode, id: NodeId) {
        let is_key = |child: LyNode| {
            // SAFETY: the node lives as long as the context.
            u32::from(unsafe { (*child).flags }) & ffi::LYS_KEY != 0
        };
        match &self.schema.nodes[id.0].kind {
            Kind::List { .. } => {
                // libyang puts the key leafs first, in the order of the `key` statement.
                let of_id: HashMap<NodeId, LyNode> = self.nodes.iter().map(|(p, id)| (*id, *p)).collect();
                let children = &self.schema.nodes[id.0].children;
                let found_keys = children.iter().copied().filter(|c| {
                    matches!(self.schema.node(*c).kind, Kind::Leaf { .. })
                        && of_id.get(c).is_some_and(|p| is_key(*p))
                });
                let found_keys = found_keys.collect();
                // SAFETY: the node is a list, see `read_kind`; `uniques` is a sized array of
                // sized arrays of pointers to leafs.
                let statements = unsafe { sized((*pointer.cast::<ffi::lysc_node_list>()).uniques) };
                let chains = statements.iter().map(|leafs| {
                    // SAFETY: as above.
                    let leafs = unsafe { sized(*leafs) };
                    leafs.iter().filter_map(|leaf| self.chain(id, leaf.cast_const().cast())).collect()
                });
                let found_uniques = chains.collect();
                if let Kind::List { keys, uniques, .. } = &mut self.schema.nodes[id.0].kind {
                    (*keys, *uniques) = (found_keys, found_uniques);
                }
            }
            Kind::Choice { .. } => {
                // SAFETY: the node is a choice, see `read_kind`.
                let case: LyNode =
                    unsafe { (*pointer.cast::<ffi::lysc_node_choice>()).dflt.cast_const().cast() };
                self.schema.nodes[id.0].kind = Kind::Choice { default: self.nodes.get(&case).copied() };
            }
            _ => {}
        }
    }

    /// The data nodes from below `list` to `leaf`.
    fn chain(&self, list: NodeId, leaf: LyNode) -> Option<Vec<NodeId>> {
        let mut at = *self.nodes.get(&leaf)?;
        let mut chain = vec![at];
        loop {
            at = self.schema.data_parent(at)?;
            if at == list {
                chain.reverse();
                return Some(chain);
            }
            chain.push(at);
        }
    }

    fn read_conditions(&mut self, pointer: LyNode, id: NodeId) {
        // SAFETY: the node is alive; both lists are sized arrays that live as long as it.
        let (musts, whens) =
            unsafe { (sized(ffi::lysc_node_musts(pointer)), sized(ffi::lysc_node_when(pointer))) };
        for must in musts {
            // SAFETY: the expression and the texts live as long as the node.
            let text = unsafe { text(ffi::lyxp_get_expr(must.cond)) };
            let Some(expr) = self.expression("must", &text, must.prefixes, id) else { continue };
            // SAFETY: as above.
            let (error_message, error_app_tag) = unsafe { (some_text(must.emsg), some_text(must.eapptag)) };
            let must = Must { expr, text, error_message, error_app_tag, reads: Vec::new() };
            self.schema.nodes[id.0].musts.push(must);
        }
        for when in whens {
            // SAFETY: `when` is a sized array of pointers that live as long as the node.
            let when = unsafe { &**when };
            // SAFETY: as above.
            let text = unsafe { text(ffi::lyxp_get_expr(when.cond)) };
            let Some(expr) = self.expression("when", &text, when.prefixes, id) else { continue };
            let context = levels(pointer, when.context);
            self.schema.nodes[id.0].whens.push(When { expr, text, context, reads: Vec::new() });
        }
    }

    /// Parses an expression of the node; a name without prefix is in the node's module
    /// (RFC 7950 section 6.4.1).
    fn expression(
        &mut self,
        keyword: &str,
        text: &str,
        prefixes: *const ffi::lysc_prefix,
        id: NodeId,
    ) -> Option<Expr> {
        let default = self.schema.module(self.schema.node(id).module).name.clone();
        self.expression_in(keyword, text, prefixes, id, &default)
    }

    fn expression_in(
        &mut self,
        keyword: &str,
        expression: &str,
        prefixes: *const ffi::lysc_prefix,
        id: NodeId,
        default: &str,
    ) -> Option<Expr> {
        // SAFETY: `prefixes` is a sized array of the statement; prefixes are NUL-terminated or
        // null, modules are those of the context.
        let known: Vec<(String, String)> = unsafe { sized(prefixes) }
            .iter()
            .filter(|p| !p.prefix.is_null())
            // SAFETY: as above.
            .map(|p| unsafe { (text(p.prefix), text((*p.mod_).name)) })
            .collect();
        let resolve = |prefix: Option<&str>| match prefix {
            Some(prefix) => known.iter().find(|(p, _)| p == prefix).map(|(_, name)| name.clone()),
            None => Some(default.to_owned()),
        };
        match parse(expression, &resolve) {
            Ok(expr) => Some(expr),
            Err(error) => {
                self.problem(id, format!("{keyword} \"{expression}\": {error}"), expression);
                None
            }
        }
    }

    /// Notes what is wrong with a statement of a node, which contains `needle`.
    fn problem(&mut self, id: NodeId, rule: String, needle: &str) {
        let module = self.schema.node(id).module;
        let others = self.schema.module_ids().filter(|m| *m != module);
        let places = std::iter::once(module).chain(others);
        let mut files = places.filter_map(|m| self.schema.module(m).source.file());
        let found = files.find_map(|file| Some((Some(file), line_of(file, needle)?)));
        let (file, line) = found.unwrap_or_else(|| (self.schema.module(module).source.file(), 0));
        let problem = Diagnostic { file: file.map(Path::to_owned), line, path: self.schema.path(id), rule };
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }
}

/// The extensions that a module uses itself, each with its module and name.
fn extensions(module: &ffi::lysc_module) -> impl Iterator<Item = (String, String, &ffi::lysc_ext_instance)> {
    // SAFETY: `exts` is a sized array that lives as long as the context.
    let instances = unsafe { sized(module.exts) }.iter();
    instances.map(|instance| {
        // SAFETY: definitions and modules live as long as the context; names are NUL-terminated.
        let (module, name) = unsafe {
            let definition = &*instance.def;
            (text((*definition.module).name), text(definition.name))
        };
        (module, name, instance)
    })
}

/// The name and type of each annotation of a module whose features are there (RFC 7952 section 3).
fn annotations(module: &ffi::lysc_module) -> impl Iterator<Item = (String, *const ffi::lysc_type)> {
    // SAFETY: names are NUL-terminated.
    let of = unsafe { text((*module.mod_).name) };
    // libyang lends its own to this one, for the attributes of `edit-config` and `filter`: its text has none.
    let is_lent = of == "ietf-netconf";
    let annotations = extensions(module)
        .filter(move |(module, name, _)| !is_lent && module == "ietf-yang-metadata" && name == "annotation");
    annotations.filter_map(|(_, _, instance)| {
        // SAFETY: `substmts` is a sized array that lives as long as the context.
        let mut parts = unsafe { sized(instance.substmts) }.iter();
        let part = parts.find(|part| part.stmt == ffi::ly_stmt::LY_STMT_TYPE && !part.storage_p.is_null())?;
        // SAFETY: libyang keeps the type behind a pointer; the argument is NUL-terminated.
        let (ty, name) = unsafe { ((*part.storage_p).cast::<ffi::lysc_type>(), text(instance.argument)) };
        (!ty.is_null()).then_some((name, ty.cast_const()))
    })
}

/// The node at the top of each structure and each template of a module.
fn structures(module: &ffi::lysc_module) -> impl Iterator<Item = LyNode> {
    extensions(module).filter(|(_, _, e)| !e.compiled.is_null()).filter_map(|(module, name, instance)| {
        match (module.as_str(), name.as_str()) {
            // SAFETY: libyang keeps the container of a structure behind a pointer.
            ("ietf-yang-structure-ext", "structure") => Some(unsafe { *instance.compiled.cast::<LyNode>() }),
            // The only node of a template is a container or a choice of such.
            ("ietf-restconf", "yang-data") => Some(instance.compiled.cast_const().cast()),
            _ => None,
        }
    })
}

/// The line of the first occurrence of the text's beginning, as far as it is on one line.
fn line_of(source: &Path, needle: &str) -> Option<u64> {
    let text = std::fs::read_to_string(source).ok()?;
    let needle: String = needle.chars().take_while(|c| *c != '\n').take(24).collect();
    let position = text.find(&needle)?;
    u64::try_from(text[..position].lines().count().max(1)).ok()
}

fn nacm(node: &ffi::lysc_node) -> Nacm {
    // SAFETY: `exts` is a sized array; definitions and modules live as long as the context and
    // their names are NUL-terminated.
    let names = unsafe { sized(node.exts) }.iter().map(|e| unsafe {
        let definition = &*e.def;
        (text((*definition.module).name), text(definition.name))
    });
    names
        .filter(|(module, _)| module == NACM)
        .map(|(_, name)| match name.as_str() {
            "default-deny-write" => Nacm::DenyWrite,
            "default-deny-all" => Nacm::DenyAll,
            _ => Nacm::None,
        })
        .next()
        .unwrap_or(Nacm::None)
}

fn entries(min: u32, max: u32, flags: u32) -> Entries {
    // libyang marks what it does not order itself; "ordered-by" counts only in configuration
    // and input (RFC 7950 section 7.7.7), and for a list with keys.
    let counts = flags & (ffi::LYS_CONFIG_W | ffi::LYS_IS_INPUT) != 0;
    let max = if max == 0 { u32::MAX } else { max };
    Entries { min, max, user_ordered: counts && flags & ffi::LYS_ORDBY_USER != 0 }
}

/// The default in canonical form, with module names where the module has prefixes.
fn default(node: LyNode, value: &ffi::lysc_value) -> Option<String> {
    if value.str_.is_null() {
        return None;
    }
    let mut canonical = std::ptr::null();
    // SAFETY: the node, the value and its prefixes live as long as the context; libyang writes
    // a string of its dictionary, which is given back below.
    unsafe {
        ffi::lyd_value_validate_dflt(
            node,
            value.str_,
            value.prefixes,
            std::ptr::null(),
            std::ptr::null_mut(),
            &raw mut canonical,
        );
        if canonical.is_null() {
            return Some(text(value.str_));
        }
        let found = text(canonical);
        ffi::lydict_remove((*(*node).module).ctx, canonical);
        Some(found)
    }
}

/// Levels of the data tree from `node` up to `context`; a null context is the root.
fn levels(node: LyNode, context: LyNode) -> usize {
    // SAFETY: the node is null or lives as long as the context.
    let data_node = |node: LyNode| unsafe { ffi::lysc_data_node(node) };
    // SAFETY: as above; it is not null, see the loop.
    let parent = |node: LyNode| data_node(unsafe { (*node).parent });
    let context = data_node(context);
    let mut at = node;
    let mut levels = 0;
    while at != context && !at.is_null() {
        at = parent(at);
        levels += 1;
    }
    levels
}
