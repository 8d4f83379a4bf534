//! A hand-made schema with every kind of node and type, for the tests of the encodings.
//!
//! Module alpha, and beta which augments it; the product's own modules are never used here, so that they
//! can change without these tests.
//!
//! ```text
//! alpha
//! +--rw top
//! |  +--rw name? small? big? price? flag? blob? nothing? color? bits? kind? where? either?
//! |  +--rw tag*       string
//! |  +--rw item* [id] label? id
//! |  +--rw step* [id] (user-ordered) id
//! |  +--rw (mode)     case a: a1? a2?   case b: b1?
//! |  +--rw payload?   anydata
//! |  +--rw any?       anyxml
//! |  +--ro up?        boolean
//! |  +--ro log*       (keyless) text?
//! |  +--ro seen*      string
//! |  +--rw beta:extra?
//! +--rw item-by-two* [first second] first second
//! +---x run    input: name? arg* [key] key   output: result?
//! +---n happened  what?
//! ```

use super::schema::*;

pub static SCHEMA: Schema = Schema { modules: &[&ALPHA, &BETA, &IMPORTED], added: &[] };

const fn module(name: &'static str, namespace: &'static str, conformance: Conformance) -> Module {
    Module {
        name,
        revision: "",
        namespace,
        prefix: "p",
        conformance,
        features: &[],
        deviations: &[],
        submodules: &[],
        source: "",
        children: &[],
        data: &[],
        rpcs: &[],
        notifications: &[],
        identities: &[],
        annotations: &[],
    }
}

pub static ALPHA: Module = Module {
    data: &[&TOP, &PAIR],
    rpcs: &[&RUN],
    notifications: &[&HAPPENED],
    identities: &[&KIND_BASE, &KIND_ONE],
    ..module("alpha", "urn:alpha", Conformance::Implement)
};
pub static BETA: Module = Module { data: &[&OTHER], ..module("beta", "urn:beta", Conformance::Implement) };
pub static IMPORTED: Module =
    Module { identities: &[&KIND_TWO], ..module("imported", "urn:imported", Conformance::Import) };

static KIND_BASE: Identity = Identity { name: "kind-base", module: &ALPHA, bases: &[], sid: 0 };
static KIND_ONE: Identity = Identity { name: "kind-one", module: &ALPHA, bases: &[&KIND_BASE], sid: 0 };
static KIND_TWO: Identity = Identity { name: "kind-two", module: &IMPORTED, bases: &[&KIND_BASE], sid: 0 };

static STRING: Type = Type { name: "string", base: Base::String(Range::ANY, &[]) };
static INT32: Type = Type { name: "int32", base: Base::Int(32, Range::ANY) };
static SMALL_TYPE: Type = Type {
    name: "small",
    base: Base::Int(
        32,
        Range { parts: &[(0, 10)], text: "0..10", error_message: None, error_app_tag: Some("too-large") },
    ),
};
static UINT64: Type = Type { name: "uint64", base: Base::Uint(64, Range::ANY) };
static PRICE_TYPE: Type = Type { name: "decimal64", base: Base::Decimal64(2, Range::ANY) };
static BOOLEAN: Type = Type { name: "boolean", base: Base::Boolean };
static BINARY: Type = Type { name: "binary", base: Base::Binary(Range::ANY) };
static EMPTY: Type = Type { name: "empty", base: Base::Empty };
static COLOR_TYPE: Type = Type {
    name: "color",
    base: Base::Enumeration(&[EnumValue { name: "red", value: 0 }, EnumValue { name: "green", value: 1 }]),
};
static BITS_TYPE: Type = Type {
    name: "bits",
    base: Base::Bits(&[Bit { name: "one", position: 0 }, Bit { name: "two", position: 1 }]),
};
static KIND_TYPE: Type = Type { name: "kind", base: Base::IdentityRef(&[&KIND_BASE]) };
static WHERE_TYPE: Type =
    Type { name: "instance-identifier", base: Base::InstanceIdentifier { require_instance: false } };
static EITHER_TYPE: Type = Type { name: "either", base: Base::Union(&[&INT32, &KIND_TYPE, &STRING]) };

pub const fn node(name: &'static str, parent: Option<&'static Node>, index: u16, kind: Kind) -> Node {
    Node {
        name,
        module: &ALPHA,
        parent,
        index,
        kind,
        config: true,
        mandatory: false,
        status: Status::Current,
        children: &[],
        data: &[],
        actions: &[],
        notifications: &[],
        musts: &[],
        whens: &[],
        nacm: NacmDefault::None,
        sid: 0,
        description: "",
    }
}

const fn leaf(name: &'static str, parent: &'static Node, index: u16, ty: &'static Type) -> Node {
    node(name, Some(parent), index, Kind::Leaf { ty, default: None, units: "" })
}

const fn entries(user_ordered: bool) -> Entries {
    Entries { min: 0, max: u32::MAX, user_ordered }
}

const fn list(keys: &'static [&'static Node], user_ordered: bool) -> Kind {
    Kind::List { keys, uniques: &[], entries: entries(user_ordered) }
}

const fn leaf_list(ty: &'static Type) -> Kind {
    Kind::LeafList { ty, defaults: &[], entries: entries(false), units: "" }
}

pub static TOP: Node = Node {
    data: &[
        &NAME, &SMALL, &BIG, &PRICE, &FLAG, &BLOB, &NOTHING, &COLOR, &BITS, &KIND, &WHERE, &EITHER, &TAG,
        &ITEM, &STEP, &A1, &A2, &B1, &PAYLOAD, &ANY, &UP, &LOG, &SEEN, &EXTRA,
    ],
    ..node("top", None, 0, Kind::Container { presence: false })
};
pub static NAME: Node = leaf("name", &TOP, 0, &STRING);
static SMALL: Node = leaf("small", &TOP, 1, &SMALL_TYPE);
static BIG: Node = leaf("big", &TOP, 2, &UINT64);
static PRICE: Node = leaf("price", &TOP, 3, &PRICE_TYPE);
static FLAG: Node = leaf("flag", &TOP, 4, &BOOLEAN);
static BLOB: Node = leaf("blob", &TOP, 5, &BINARY);
static NOTHING: Node = leaf("nothing", &TOP, 6, &EMPTY);
static COLOR: Node = leaf("color", &TOP, 7, &COLOR_TYPE);
static BITS: Node = leaf("bits", &TOP, 8, &BITS_TYPE);
static KIND: Node = leaf("kind", &TOP, 9, &KIND_TYPE);
static WHERE: Node = leaf("where", &TOP, 10, &WHERE_TYPE);
static EITHER: Node = leaf("either", &TOP, 11, &EITHER_TYPE);
pub static TAG: Node = node("tag", Some(&TOP), 12, leaf_list(&STRING));
pub static ITEM: Node = Node { data: &[&LABEL, &ID], ..node("item", Some(&TOP), 13, list(&[&ID], false)) };
static LABEL: Node = leaf("label", &ITEM, 0, &STRING);
static ID: Node = leaf("id", &ITEM, 1, &INT32);
static STEP: Node = Node { data: &[&STEP_ID], ..node("step", Some(&TOP), 14, list(&[&STEP_ID], true)) };
static STEP_ID: Node = leaf("id", &STEP, 0, &STRING);
static MODE: Node = node("mode", Some(&TOP), 0, Kind::Choice { default: None });
static CASE_A: Node = node("a", Some(&MODE), 0, Kind::Case);
static CASE_B: Node = node("b", Some(&MODE), 0, Kind::Case);
static A1: Node = leaf("a1", &CASE_A, 15, &STRING);
static A2: Node = leaf("a2", &CASE_A, 16, &STRING);
static B1: Node = leaf("b1", &CASE_B, 17, &STRING);
pub static PAYLOAD: Node = node("payload", Some(&TOP), 18, Kind::AnyData);
pub static ANY: Node = node("any", Some(&TOP), 19, Kind::AnyXml);
static UP: Node = Node { config: false, ..leaf("up", &TOP, 20, &BOOLEAN) };
static LOG: Node = Node { config: false, data: &[&TEXT], ..node("log", Some(&TOP), 21, list(&[], false)) };
static TEXT: Node = Node { config: false, ..leaf("text", &LOG, 0, &STRING) };
static SEEN: Node = Node { config: false, ..node("seen", Some(&TOP), 22, leaf_list(&STRING)) };
static EXTRA: Node = Node { module: &BETA, ..leaf("extra", &TOP, 23, &STRING) };

static PAIR: Node =
    Node { data: &[&FIRST, &SECOND], ..node("item-by-two", None, 1, list(&[&SECOND, &FIRST], false)) };
static FIRST: Node = leaf("first", &PAIR, 0, &STRING);
static SECOND: Node = leaf("second", &PAIR, 1, &KIND_TYPE);

static OTHER: Node = Node { module: &BETA, ..node("other", None, 2, Kind::Container { presence: true }) };

pub static RUN: Node = node("run", None, 0, Kind::Rpc { input: &INPUT, output: &OUTPUT });
pub static INPUT: Node =
    Node { config: false, data: &[&RUN_NAME, &ARG], ..node("input", Some(&RUN), 0, Kind::Input) };
static RUN_NAME: Node = Node { config: false, ..leaf("name", &INPUT, 0, &STRING) };
static ARG: Node =
    Node { config: false, data: &[&ARG_KEY], ..node("arg", Some(&INPUT), 1, list(&[&ARG_KEY], false)) };
static ARG_KEY: Node = Node { config: false, ..leaf("key", &ARG, 0, &STRING) };
pub static OUTPUT: Node =
    Node { config: false, data: &[&RESULT], ..node("output", Some(&RUN), 0, Kind::Output) };
static RESULT: Node = Node { config: false, ..leaf("result", &OUTPUT, 0, &UINT64) };
pub static HAPPENED: Node =
    Node { config: false, data: &[&WHAT], ..node("happened", None, 0, Kind::Notification) };
static WHAT: Node = Node { config: false, ..leaf("what", &HAPPENED, 0, &KIND_TYPE) };
