//! The paths of the description: every resource with the methods that it has for somebody with given rights.
//!
//! Which methods a data resource has is known to `data`; here they are described.

use serde_json::{Map, Value as Json, json};

use super::parts::{self, content, wrapped};
use super::schemas::{Schemas, member, one_line, only_one};
use super::{MEDIA_TYPE, PATH, Rights, types};
use crate::restconf::{
    PREFIX, PREFIX_DATA, PREFIX_OPERATIONS, PREFIX_SUBSCRIPTIONS, answer, data, params, streams,
};
use crate::yang::generated::SCHEMA;
use crate::yang::path::{InstancePath, Selector, Step};
use crate::yang::schema::{Kind, Node};

/// The description of what somebody with these rights can do.
pub fn make(rights: &Rights) -> Json {
    let mut document = Document { rights, schemas: Schemas::default(), paths: Map::new() };
    document.schemas.made.insert("ietf-restconf.errors".into(), parts::errors_schema());
    document.schemas.made.insert("ietf-yang-patch.yang-patch".into(), parts::yang_patch_schema());
    document.schemas.made.insert(types::STRING.into(), types::any_string());
    document.fixed();
    document.operations();
    document.datastores();
    let top: Vec<&'static Node> = rights.top().collect();
    for node in top {
        document.data(node, None, &Place { path: PREFIX_DATA.to_owned(), parameters: Vec::new() });
    }
    let tags: Vec<Json> = SCHEMA.implemented().map(|module| json!({"name": module.name})).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "agentconf",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "RESTCONF (RFC 8040) over the modules that the tags name. What a GET answers, HEAD answers without \
                the body; OPTIONS tells the methods of any resource. The schemas are of the JSON encoding (RFC 7951). \
                Below each datastore lie the same data resources as below the first.",
            "license": {"name": env!("CARGO_PKG_LICENSE"), "identifier": env!("CARGO_PKG_LICENSE")},
        },
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {"basic": []}],
        "tags": tags,
        "paths": document.paths,
        "components": parts::components(document.schemas.made.into()),
    })
}

struct Document<'r> {
    rights: &'r Rights,
    schemas: Schemas,
    paths: Map<String, Json>,
}

/// A new child.
struct Child {
    schema: Json,
    /// Whether it can be one with an order.
    user_ordered: bool,
}

/// A path template and its parameters.
#[derive(Clone)]
struct Place {
    path: String,
    parameters: Vec<Json>,
}

impl Place {
    fn below(&self, segment: &str) -> Place {
        Place { path: format!("{}/{segment}", self.path), parameters: self.parameters.clone() }
    }

    /// An entry: `=` and a parameter for each of these leafs.
    fn entry(&self, of: &Node, leafs: &[&'static Node]) -> Place {
        let mut place = self.clone();
        for (i, leaf) in leafs.iter().enumerate() {
            let taken = |name: &str| place.parameters.iter().any(|parameter| parameter["name"] == name);
            let mut name =
                if of == *leaf { of.name.to_owned() } else { format!("{}-{}", of.name, leaf.name) };
            while taken(&name) {
                name.push('_');
            }
            let schema = leaf.ty().map_or_else(|| json!({}), |ty| types::schema(ty, leaf.module));
            place.path.push_str(&format!("{}{{{name}}}", if i == 0 { '=' } else { ',' }));
            place.parameters.push(json!({"name": name, "in": "path", "required": true, "schema": schema}));
        }
        place
    }
}

impl Document<'_> {
    fn add(&mut self, place: &Place, methods: Map<String, Json>) {
        let mut item = methods;
        if !place.parameters.is_empty() {
            item.insert("parameters".into(), place.parameters.clone().into());
        }
        self.paths.insert(place.path.clone(), item.into());
    }

    fn get(&mut self, path: &str, tag: &str, parameters: Json, content: Json) {
        let mut operation =
            operation(tag, parameters, json!({"200": {"description": "Found.", "content": content}}));
        if !path.starts_with(PREFIX) && path.starts_with("/.well-known/") {
            operation["security"] = json!([]);
        }
        self.paths.insert(path.to_owned(), json!({ "get": operation }));
    }

    /// Resources that do not depend on a module.
    fn fixed(&mut self) {
        const TAG: &str = "ietf-restconf";
        let version = json!({"type": "string", "pattern": "^\\d{4}-\\d{2}-\\d{2}$"});
        let api = json!({
            "type": "object",
            "properties": {
                "data": {"type": "object"}, "operations": {"type": "object"}, "yang-library-version": version,
            },
            "required": ["data", "operations", "yang-library-version"],
        });
        let none = || json!([]);
        self.get(PREFIX, TAG, none(), content(wrapped("ietf-restconf:restconf", api)));
        let name = "ietf-restconf:yang-library-version";
        self.get(&format!("{PREFIX}/yang-library-version"), TAG, none(), content(wrapped(name, version)));
        let empty = json!({"const": [null]});
        let operations = json!({"type": "object", "additionalProperties": empty});
        self.get(PREFIX_OPERATIONS, TAG, none(), content(wrapped("ietf-restconf:operations", operations)));
        self.get(
            PATH,
            TAG,
            none(),
            json!({MEDIA_TYPE: {"schema": {"type": "object", "required": ["openapi"]}}}),
        );
        let links = json!({"schema": {"type": "object", "required": ["links"]}});
        let both = json!({"application/xrd+xml": {}, "application/json": links});
        self.get("/.well-known/host-meta", TAG, none(), both);
        self.get("/.well-known/host-meta.json", TAG, none(), json!({"application/json": links}));
        let module = json!([{
            "name": "module", "in": "path", "required": true, "description": "NAME@REVISION or NAME",
            "schema": {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_.-]*(@\\d{4}-\\d{2}-\\d{2})?$"},
        }]);
        self.get(
            "/yang/{module}.yang",
            TAG,
            module,
            json!({"application/yang": {"schema": {"type": "string"}}}),
        );
        let parameters = || references("parameters", &["filter", "start-time", "stop-time", "last-event-id"]);
        let events = || json!({"text/event-stream": {"schema": {"type": "string"}}});
        for encoding in streams::ENCODINGS {
            let path = format!("{PREFIX}/streams/{}/{}", streams::NAME, encoding.name());
            self.get(&path, TAG, parameters(), events());
        }
        let id = json!([{
            "name": "id", "in": "path", "required": true, "description": "What establish-subscription gave.",
            "schema": {"type": "integer"},
        }]);
        self.get(&format!("{PREFIX_SUBSCRIPTIONS}/{{id}}"), TAG, id, events());
    }

    fn operations(&mut self) {
        let rpcs: Vec<&'static Node> = self.rights.rpcs().collect();
        for rpc in rpcs {
            let path = format!("{PREFIX_OPERATIONS}/{}", rpc.qualified_name());
            self.invocation(rpc, &Place { path, parameters: Vec::new() });
        }
    }

    fn invocation(&mut self, operation: &'static Node, place: &Place) {
        let Kind::Rpc { input, output } = operation.kind else { return };
        let mut responses = json!({"204": {"description": "Done; there is no output."}});
        if !output.data.is_empty() {
            let schema = wrapped(&output.qualified_name(), self.schemas.object(output, &|_| true));
            responses["200"] = json!({"description": "Done.", "content": content(schema)});
        }
        let mut post = self::operation(operation.module.name, json!([]), responses);
        if !input.data.is_empty() {
            let schema = self.schemas.object(input, &|_| true);
            post["requestBody"] = json!({"content": content(wrapped(&input.qualified_name(), schema))});
        }
        if !operation.description.is_empty() {
            post["description"] = one_line(operation.description).into();
        }
        self.add(place, Map::from_iter([("post".to_owned(), post)]));
    }

    fn datastores(&mut self) {
        let top: Vec<&'static Node> = self.rights.top().collect();
        let rights = self.rights;
        let shown = |node: &Node| rights.readable.contains(node);
        let schema = wrapped(answer::DATA_MEMBER, self.schemas.datastore(&top, &shown));
        let root = InstancePath::default();
        let mut all = vec![(PREFIX_DATA.to_owned(), true)];
        all.extend_from_slice(rights.datastores());
        let writable: Vec<&'static Node> =
            top.into_iter().filter(|node| rights.writable.contains(node)).collect();
        let child = self.child(None, &writable);
        for (path, editable) in all {
            let methods = if editable && child.is_some() { data::methods(&root) } else { data::READ_ONLY };
            let mut methods = self.methods("ietf-restconf", methods, &schema, child.as_ref(), (false, false));
            if path.ends_with(":operational")
                && let Some(Json::Array(parameters)) =
                    methods.get_mut("get").map(|get| &mut get["parameters"])
            {
                parameters.push(json!({"$ref": "#/components/parameters/with-origin"}));
            }
            self.add(&Place { path, parameters: Vec::new() }, methods);
        }
    }

    /// The resource of a node, and all those below it.
    fn data(&mut self, node: &'static Node, parent: Option<&'static Node>, above: &Place) {
        if !self.rights.readable.contains(node) {
            return;
        }
        let place = above.below(&member(node, parent));
        let entry = match node.kind {
            Kind::LeafList { .. } => place.entry(node, &[node]),
            Kind::List { keys, .. } => place.entry(node, keys),
            _ => return self.instance(node, &place, Selector::None),
        };
        self.instance(node, &place, Selector::None);
        // The entries of a list without keys have no path.
        if entry.path != place.path {
            self.instance(node, &entry, Selector::Position(1));
        }
    }

    /// The resource that a node with this selector is, and all those below it.
    fn instance(&mut self, node: &'static Node, place: &Place, selector: Selector) {
        let whole = selector == Selector::None;
        let many = matches!(node.kind, Kind::List { .. } | Kind::LeafList { .. });
        let path = InstancePath { steps: vec![Step { node, selector }] };
        let editable = self.rights.writable.contains(node);
        let offered = if editable { data::methods(&path) } else { data::READ_ONLY };
        let mut value = self.schemas.value(node);
        if !whole {
            only_one(&mut value, node);
        }
        let body = wrapped(&node.qualified_name(), value);
        let below = node.data.iter().copied().filter(|child| self.rights.writable.contains(child));
        let below: Vec<&'static Node> = below.filter(|child| !child.is_key()).collect();
        let child = if offered.contains("POST") { self.child(Some(node), &below) } else { None };
        let of_what = (node.user_ordered(), many && whole);
        let methods = self.methods(node.module.name, offered, &body, child.as_ref(), of_what);
        self.add(place, methods);
        if many && whole {
            return;
        }
        for child in node.data {
            self.data(child, Some(node), place);
        }
        for action in node.actions.iter().copied().filter(|action| self.rights.executable.contains(action)) {
            self.invocation(action, &place.below(&member(action, Some(node))));
        }
    }

    /// What a POST to a resource with these children takes.
    fn child(&mut self, parent: Option<&'static Node>, children: &[&'static Node]) -> Option<Child> {
        let user_ordered = children.iter().any(|child| child.user_ordered());
        (!children.is_empty()).then(|| Child { schema: self.schemas.child(parent, children), user_ordered })
    }

    /// What the methods of a data resource take and give; whether that is ordered by the user, and a list or leaf-list
    /// as a whole. Those for which there is no body are left out.
    fn methods(
        &self,
        tag: &str,
        offered: &str,
        body: &Json,
        child: Option<&Child>,
        (user_ordered, of_list): (bool, bool),
    ) -> Map<String, Json> {
        let into = |ordered: bool| {
            let all = ["if-match", "if-none-match", "insert", "point"];
            all.into_iter().take(if ordered { 4 } else { 2 }).collect::<Vec<_>>()
        };
        let mut methods = Map::new();
        for method in offered.split(", ") {
            let described = match (method, child) {
                ("GET", _) => {
                    let found = json!({"description": "Found.", "content": content(body.clone()), "headers": {
                        "ETag": {"$ref": "#/components/headers/ETag"},
                        "Last-Modified": {"$ref": "#/components/headers/Last-Modified"},
                    }});
                    let responses =
                        json!({"200": found, "304": {"$ref": "#/components/responses/unchanged"}});
                    let mut parameters = vec![
                        "content",
                        "depth",
                        "fields",
                        "with-defaults",
                        "with-etag",
                        "sublist-limit",
                        "if-none-match",
                    ];
                    if of_list {
                        // There is one locale, so "locale" has nothing to choose.
                        parameters.extend(params::OF_LISTS.iter().filter(|name| **name != "locale"));
                    }
                    operation(tag, references("parameters", &parameters), responses)
                }
                ("POST", Some(child)) => {
                    let created = json!({"201": {"$ref": "#/components/responses/created"}});
                    with_body(
                        operation(tag, references("parameters", &into(child.user_ordered)), created),
                        &child.schema,
                    )
                }
                ("PUT", _) => {
                    let responses = json!({
                        "201": {"$ref": "#/components/responses/put"}, "204": {"$ref": "#/components/responses/done"},
                    });
                    with_body(operation(tag, references("parameters", &into(user_ordered)), responses), body)
                }
                ("PATCH", _) => {
                    let done = json!({"204": {"$ref": "#/components/responses/done"}});
                    let mut patch =
                        with_body(operation(tag, references("parameters", &["if-match"]), done), body);
                    // RFC 8072 section 2: another media type, with another answer.
                    patch["responses"]["200"] = json!({"$ref": "#/components/responses/patched"});
                    patch["responses"]["4XX"] = json!({"$ref": "#/components/responses/patch-refused"});
                    let whole =
                        json!({"schema": {"$ref": "#/components/schemas/ietf-yang-patch.yang-patch"}});
                    patch["requestBody"]["content"]["application/yang-patch+json"] = whole;
                    patch["requestBody"]["content"]["application/yang-patch+xml"] = json!({});
                    patch
                }
                ("DELETE", _) => {
                    let done = json!({"204": {"$ref": "#/components/responses/done"}});
                    operation(tag, references("parameters", &["if-match"]), done)
                }
                _ => continue,
            };
            methods.insert(method.to_ascii_lowercase(), described);
        }
        methods
    }
}

/// An operation, with the answers that every one can have.
fn operation(tag: &str, parameters: Json, mut responses: Json) -> Json {
    responses["401"] = json!({"$ref": "#/components/responses/unauthorized"});
    responses["4XX"] = json!({"$ref": "#/components/responses/refusal"});
    responses["5XX"] = json!({"$ref": "#/components/responses/refusal"});
    let mut operation = json!({"tags": [tag], "responses": responses});
    if parameters.as_array().is_some_and(|parameters| !parameters.is_empty()) {
        operation["parameters"] = parameters;
    }
    operation
}

fn with_body(mut operation: Json, schema: &Json) -> Json {
    operation["requestBody"] = json!({"required": true, "content": content(schema.clone())});
    operation
}

fn references(kind: &str, names: &[&str]) -> Json {
    names.iter().map(|name| json!({ "$ref": format!("#/components/{kind}/{name}") })).collect()
}
