//! What the description has but once: query parameters, header fields, refusals, security schemes.
//!
//! Nothing here depends on a module.

use serde_json::{Value as Json, json};

use crate::restconf::media::Encoding;

/// What many operations refer to.
pub fn components(schemas: Json) -> Json {
    json!({
        "schemas": schemas,
        "parameters": {
            "content": query("content", "Configuration, state or both.", json!({"enum": ["all", "config", "nonconfig"], "default": "all"})),
            "depth": query("depth", "How many levels of nodes are wanted.", json!({"anyOf": [
                {"type": "integer", "minimum": 1, "maximum": 65535}, {"const": "unbounded"},
            ]})),
            "fields": query("fields", "The nodes that are wanted: \"a;b/c(d;e)\".", json!({
                "type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_.:;/()-]*$",
            })),
            "with-defaults": query("with-defaults", "What is said of values that are the default.",
                json!({"enum": ["explicit", "report-all", "report-all-tagged", "trim"], "default": "explicit"})),
            "limit": query("limit", "The most entries that are wanted; more is told with the first.", count_or_unbounded()),
            "offset": query("offset", "How many entries are skipped, behind the cursor if there is one.", json!({
                "type": "integer", "minimum": 0, "maximum": u32::MAX,
            })),
            "cursor": query("cursor", "Where the page begins, as \"next\" or \"previous\" of another page tells; empty for the first.",
                json!({"type": "string"})),
            "direction": query("direction", "Which end is the first.",
                json!({"enum": ["forwards", "backwards"], "default": "forwards"})),
            "where": query("where", "An XPath expression that is true of the entries that are wanted.", json!({"type": "string"})),
            "sort-by": query("sort-by", "The descendant of the entries whose values order them.", json!({"type": "string"})),
            "sublist-limit": query("sublist-limit", "The most entries of each list further down.", count_or_unbounded()),
            "insert": query("insert", "Where a new entry goes.", json!({"enum": ["first", "last", "before", "after"]})),
            "point": query("point", "The entry that \"before\" and \"after\" mean, as a path below the datastore.",
                json!({"type": "string", "pattern": "^/"})),
            "filter": query("filter", "An XPath expression that is true of the events that are wanted.", json!({"type": "string"})),
            "start-time": query("start-time", "Replays from this time on.", json!({"type": "string", "format": "date-time"})),
            "with-etag": query("with-etag", "Tells the transaction that last changed each container and entry.",
                json!({"type": "boolean", "default": false})),
            "with-origin": query("with-origin", "Tells where configuration comes from.", json!({"const": ""})),
            "stop-time": query("stop-time", "Ends the stream; needs \"start-time\".", json!({"type": "string", "format": "date-time"})),
            "if-match": header("If-Match", "Only if the resource has one of these entity tags."),
            "if-none-match": header("If-None-Match", "Only if the resource has none of these entity tags."),
            "last-event-id": {
                "name": "Last-Event-ID", "in": "header", "schema": {"type": "string", "pattern": "^[0-9]+([.][0-9]+)?$"},
                "description": "Goes on after this event.",
            },
        },
        "headers": {
            "ETag": {"description": "The entity tag of the representation.", "schema": {"type": "string"}},
            "Last-Modified": {"description": "When the datastore was last changed.", "schema": {"type": "string"}},
            "Location": {"description": "The URI of the new resource.", "required": true,
                "schema": {"type": "string", "format": "uri-reference"}},
        },
        "responses": {
            "created": {"description": "Created.", "headers": {
                "ETag": {"$ref": "#/components/headers/ETag"}, "Location": {"$ref": "#/components/headers/Location"},
            }},
            "put": {"description": "Created.", "headers": {"ETag": {"$ref": "#/components/headers/ETag"}}},
            "done": {"description": "Done.", "headers": {"ETag": {"$ref": "#/components/headers/ETag"}}},
            "unchanged": {"description": "The client has it already."},
            "unauthorized": {
                "description": "Credentials are missing or wrong.",
                "headers": {"WWW-Authenticate": {"required": true, "schema": {"type": "string"}}},
                "content": errors(),
            },
            "patched": {"description": "Done, with a status for each edit.", "content": content(patch_status())},
            "patch-refused": {
                "description": "Refused; of a YANG Patch, with a status for each edit.",
                "content": content(json!({"anyOf": [{"$ref": "#/components/schemas/ietf-restconf.errors"}, patch_status()]})),
            },
            "refusal": {"description": "Refused; the errors say where and why.", "content": errors()},
        },
        "securitySchemes": {
            "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "`agentconf token NAME` prints one."},
            "basic": {"type": "http", "scheme": "basic", "description": "User name and password."},
        },
    })
}

fn count_or_unbounded() -> Json {
    json!({"anyOf": [{"type": "integer", "minimum": 1, "maximum": u32::MAX}, {"const": "unbounded"}]})
}

fn query(name: &str, description: &str, schema: Json) -> Json {
    json!({"name": name, "in": "query", "description": description, "schema": schema})
}

fn header(name: &str, description: &str) -> Json {
    let list = r#"^(W/)?"[!#-~]*"( *, *(W/)?"[!#-~]*")*$"#;
    let schema = json!({"anyOf": [{"const": "*"}, {"type": "string", "pattern": list}]});
    json!({"name": name, "in": "header", "description": description, "schema": schema})
}

fn errors() -> Json {
    content(json!({"$ref": "#/components/schemas/ietf-restconf.errors"}))
}

/// The `errors` resource (RFC 8040 section 8, module `ietf-restconf`).
pub fn errors_schema() -> Json {
    let text = json!({"type": "string"});
    json!({
        "type": "object",
        "properties": {"ietf-restconf:errors": {
            "type": "object",
            "properties": {"error": {"type": "array", "minItems": 1, "items": {
                "type": "object",
                "properties": {
                    "error-type": {"enum": ["transport", "rpc", "protocol", "application"]},
                    "error-tag": text, "error-app-tag": text, "error-path": text, "error-message": text,
                    "error-info": {"type": "object"},
                },
                "required": ["error-type", "error-tag"],
                "additionalProperties": false,
            }}},
            "required": ["error"],
            "additionalProperties": false,
        }},
        "required": ["ietf-restconf:errors"],
        "additionalProperties": false,
    })
}

/// A YANG Patch (RFC 8072 section 2.5, module `ietf-yang-patch`).
pub fn yang_patch_schema() -> Json {
    let text = json!({"type": "string"});
    let operations = ["create", "delete", "insert", "merge", "move", "replace", "remove"];
    let edit = json!({
        "type": "object",
        "properties": {
            "edit-id": text, "operation": {"enum": operations}, "target": {"type": "string", "pattern": "^/"},
            "point": {"type": "string", "pattern": "^/"}, "where": {"enum": ["before", "after", "first", "last"]},
            "value": {"type": "object"},
        },
        "required": ["edit-id", "operation", "target"],
        "additionalProperties": false,
    });
    let patch = json!({
        "type": "object",
        "properties": {
            "patch-id": text, "comment": text, "edit": {"type": "array", "minItems": 1, "items": edit},
        },
        "required": ["patch-id", "edit"],
        "additionalProperties": false,
    });
    wrapped("ietf-yang-patch:yang-patch", patch)
}

fn patch_status() -> Json {
    let status = json!({"type": "object", "required": ["patch-id"]});
    wrapped("ietf-yang-patch:yang-patch-status", status)
}

/// A body in any encoding; the schema is that of the JSON one (RFC 7951).
pub fn content(schema: Json) -> Json {
    let types = Encoding::ALL.iter().map(|encoding| {
        let body = if *encoding == Encoding::Json { json!({"schema": schema}) } else { json!({}) };
        (encoding.media_type().to_owned(), body)
    });
    Json::Object(types.collect())
}

/// An object with one member.
pub fn wrapped(name: &str, value: Json) -> Json {
    json!({"type": "object", "properties": {name: value}, "required": [name], "patternProperties": {"^@": true},
        "additionalProperties": false})
}
