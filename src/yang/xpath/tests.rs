//! Evaluation over a small hand-made schema and tree.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;

use imbl::{OrdMap, Vector};

use super::ast::{Axis, Expr, NodeTest, Path, Start, Step};
use super::eval::{EvalError, XValue, number_text};
use super::{Cursor, Slot, evaluate, holds, parse, targets};
use crate::yang::path::{InstancePath, Selector, Step as PathStep};
use crate::yang::schema::*;
use crate::yang::tree::{Child, Container, Insert, Key, List, StateList, UserList};
use crate::yang::value::{Bits, Value};

// The schema:
//
// +--rw sys
// |  +--rw name?   string "box"        +--rw opts      non-presence, leaf x? "1"
// |  +--rw mtu?    uint16 1500         +--rw pres!     presence, y? "1", loop? "L" when "../loop"
// |  +--rw kind?   identityref         +--rw (c)?      case a: a1?, a2? "A"; case b (default): b1? "B"
// |  +--rw tag*    string              +--rw w?        "W", when "../mtu = 9000"
// |  +--rw more*   string, default "d1", "d2"
// +--rw item* [id]       id, n? int32, color? enum, flags? bits, ref? leafref to sub/q
// |  +--rw sub* [p q]    user-ordered: p uint16, q string, v? string
// +--ro state* [id]      id uint32
// +--rw inst?  instance-identifier
// +---x op     input: p?, d? "D"
// item: +---x act  input: p?

static MODULE: Module = Module {
    name: "mod",
    revision: "",
    namespace: "urn:mod",
    prefix: "m",
    conformance: Conformance::Implement,
    features: &[],
    deviations: &[],
    submodules: &[],
    source: "",
    children: &[&SYS, &ITEM, &STATE, &INST],
    data: &[&SYS, &ITEM, &STATE, &INST],
    rpcs: &[&OP],
    notifications: &[],
    identities: &[&BASE, &MIDDLE, &END],
    annotations: &[],
};
static SCHEMA: Schema = Schema { modules: &[&MODULE], added: &[] };

static BASE: Identity = Identity { name: "base", module: &MODULE, bases: &[], sid: 0 };
static MIDDLE: Identity = Identity { name: "middle", module: &MODULE, bases: &[&BASE], sid: 0 };
static END: Identity = Identity { name: "end", module: &MODULE, bases: &[&MIDDLE], sid: 0 };

static STRING: Type = Type { name: "string", base: Base::String(Range::ANY, &[]) };
static UINT16: Type = Type { name: "uint16", base: Base::Uint(16, Range::ANY) };
static UINT32: Type = Type { name: "uint32", base: Base::Uint(32, Range::ANY) };
static INT32: Type = Type { name: "int32", base: Base::Int(32, Range::ANY) };
static IDENTITY: Type = Type { name: "identityref", base: Base::IdentityRef(&[&BASE]) };
static COLORS: [EnumValue; 2] = [EnumValue { name: "red", value: 3 }, EnumValue { name: "blue", value: -1 }];
static COLOR: Type = Type { name: "color", base: Base::Enumeration(&COLORS) };
static BITS: [Bit; 2] = [Bit { name: "up", position: 0 }, Bit { name: "fast", position: 4 }];
static FLAGS: Type = Type { name: "flags", base: Base::Bits(&BITS) };
static INSTANCE: Type =
    Type { name: "instance-identifier", base: Base::InstanceIdentifier { require_instance: true } };
static REF: Type = Type {
    name: "ref",
    base: Base::LeafRef(LeafRef {
        path: &REF_PATH,
        text: "/m:item/m:sub[m:p = 1]/m:q",
        target: &SUB_Q,
        require_instance: true,
        real: &STRING,
    }),
};
static REF_PATH: Expr = Expr::Path(Path {
    start: Start::Root,
    steps: std::borrow::Cow::Borrowed(&[step("item"), filtered("sub", &REF_PREDICATES), step("q")]),
});
static REF_PREDICATES: [Expr; 1] = [Expr::Binary(
    super::ast::Operator::Equal,
    std::borrow::Cow::Borrowed(&[
        Expr::Path(Path { start: Start::Context, steps: std::borrow::Cow::Borrowed(&[step("p")]) }),
        Expr::Number(1.0),
    ]),
)];

const fn step(name: &'static str) -> Step {
    filtered(name, &[])
}

const fn filtered(name: &'static str, predicates: &'static [Expr]) -> Step {
    Step {
        axis: Axis::Child,
        test: NodeTest::Name {
            module: std::borrow::Cow::Borrowed("mod"),
            name: std::borrow::Cow::Borrowed(name),
        },
        predicates: std::borrow::Cow::Borrowed(predicates),
    }
}

const fn node(name: &'static str, parent: Option<&'static Node>, index: u16, kind: Kind) -> Node {
    Node {
        name,
        module: &MODULE,
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

const fn leaf(
    name: &'static str,
    parent: &'static Node,
    index: u16,
    ty: &'static Type,
    default: Option<&'static str>,
) -> Node {
    node(name, Some(parent), index, Kind::Leaf { ty, default, units: "" })
}

const fn entries(user_ordered: bool) -> Entries {
    Entries { min: 0, max: u32::MAX, user_ordered }
}

const NON_PRESENCE: Kind = Kind::Container { presence: false };

static SYS: Node = Node {
    data: &[&NAME, &MTU, &KIND, &TAG, &OPTS, &PRES, &A1, &A2, &B1, &W, &MORE],
    ..node("sys", None, 0, NON_PRESENCE)
};
static NAME: Node = leaf("name", &SYS, 0, &STRING, Some("box"));
static MTU: Node = leaf("mtu", &SYS, 1, &UINT16, Some("1500"));
static KIND: Node = leaf("kind", &SYS, 2, &IDENTITY, None);
static TAG: Node = node(
    "tag",
    Some(&SYS),
    3,
    Kind::LeafList { ty: &STRING, defaults: &[], entries: entries(true), units: "" },
);
static OPTS: Node = Node { data: &[&X], ..node("opts", Some(&SYS), 4, NON_PRESENCE) };
static X: Node = leaf("x", &OPTS, 0, &STRING, Some("1"));
static PRES: Node =
    Node { data: &[&Y, &LOOP], ..node("pres", Some(&SYS), 5, Kind::Container { presence: true }) };
static Y: Node = leaf("y", &PRES, 0, &STRING, Some("1"));
static C: Node =
    Node { data: &[&A1, &A2, &B1], ..node("c", Some(&SYS), 0, Kind::Choice { default: Some(&CASE_B) }) };
static CASE_A: Node = Node { data: &[&A1, &A2], ..node("a", Some(&C), 0, Kind::Case) };
static CASE_B: Node = Node { data: &[&B1], ..node("b", Some(&C), 0, Kind::Case) };
static A1: Node = leaf("a1", &CASE_A, 6, &STRING, None);
static A2: Node = leaf("a2", &CASE_A, 7, &STRING, Some("A"));
static B1: Node = leaf("b1", &CASE_B, 8, &STRING, Some("B"));
static W: Node = Node {
    whens: &[When { expr: &W_WHEN, text: "../mtu = 9000", context: 0, reads: &[&MTU] }],
    ..leaf("w", &SYS, 9, &STRING, Some("W"))
};
static W_WHEN: Expr = Expr::Binary(
    super::ast::Operator::Equal,
    std::borrow::Cow::Borrowed(&[
        Expr::Path(Path { start: Start::Context, steps: std::borrow::Cow::Borrowed(&[UP, step("mtu")]) }),
        Expr::Number(9000.0),
    ]),
);
const UP: Step =
    Step { axis: Axis::Parent, test: NodeTest::Node, predicates: std::borrow::Cow::Borrowed(&[]) };
static MORE: Node = node(
    "more",
    Some(&SYS),
    10,
    Kind::LeafList { ty: &STRING, defaults: &["d1", "d2"], entries: entries(false), units: "" },
);
static LOOP: Node = Node {
    whens: &[When { expr: &LOOP_WHEN, text: "../loop", context: 0, reads: &[&LOOP] }],
    ..leaf("loop", &PRES, 1, &STRING, Some("L"))
};
static LOOP_WHEN: Expr =
    Expr::Path(Path { start: Start::Context, steps: std::borrow::Cow::Borrowed(&[UP, step("loop")]) });

static ITEM: Node = Node {
    data: &[&ID, &N, &COLOR_LEAF, &FLAGS_LEAF, &REF_LEAF, &SUB],
    actions: &[&ACT],
    ..node("item", None, 1, Kind::List { keys: &[&ID], uniques: &[], entries: entries(false) })
};
static ID: Node = leaf("id", &ITEM, 0, &STRING, None);
static N: Node = leaf("n", &ITEM, 1, &INT32, None);
static COLOR_LEAF: Node = leaf("color", &ITEM, 2, &COLOR, None);
static FLAGS_LEAF: Node = leaf("flags", &ITEM, 3, &FLAGS, None);
static REF_LEAF: Node = leaf("ref", &ITEM, 4, &REF, None);
static SUB: Node = Node {
    data: &[&SUB_P, &SUB_Q, &SUB_V],
    ..node(
        "sub",
        Some(&ITEM),
        5,
        Kind::List { keys: &[&SUB_P, &SUB_Q], uniques: &[], entries: entries(true) },
    )
};
static SUB_P: Node = leaf("p", &SUB, 0, &UINT16, None);
static SUB_Q: Node = leaf("q", &SUB, 1, &STRING, None);
static SUB_V: Node = leaf("v", &SUB, 2, &STRING, None);
static STATE: Node = Node {
    config: false,
    data: &[&STATE_ID],
    ..node("state", None, 2, Kind::List { keys: &[&STATE_ID], uniques: &[], entries: entries(false) })
};
static STATE_ID: Node = leaf("id", &STATE, 0, &UINT32, None);
static INST: Node = node("inst", None, 3, Kind::Leaf { ty: &INSTANCE, default: None, units: "" });

static OP: Node = node("op", None, 0, Kind::Rpc { input: &OP_INPUT, output: &OP_OUTPUT });
static OP_INPUT: Node = Node { data: &[&OP_P, &OP_D], ..node("input", Some(&OP), 0, Kind::Input) };
static OP_OUTPUT: Node = node("output", Some(&OP), 0, Kind::Output);
static OP_P: Node = leaf("p", &OP_INPUT, 0, &STRING, None);
static OP_D: Node = leaf("d", &OP_INPUT, 1, &STRING, Some("D"));
static ACT: Node = node("act", Some(&ITEM), 0, Kind::Rpc { input: &ACT_INPUT, output: &ACT_OUTPUT });
static ACT_INPUT: Node = Node { data: &[&ACT_P], ..node("input", Some(&ACT), 0, Kind::Input) };
static ACT_OUTPUT: Node = node("output", Some(&ACT), 0, Kind::Output);
static ACT_P: Node = leaf("p", &ACT_INPUT, 0, &STRING, None);

/// A state list with so many entries that a scan would exceed the budget.
#[derive(Debug)]
struct Endless;

const ENDLESS: u32 = 3_000_000;

impl Endless {
    fn entry(id: u32) -> (Key, Arc<Container>) {
        let mut entry = Container::default();
        entry.set(&STATE_ID, Child::Leaf(Value::Uint32(id)));
        (Key::new(vec![Value::Uint32(id)]), Arc::new(entry))
    }
}

impl StateList for Endless {
    fn get(&self, key: &Key) -> Option<Arc<Container>> {
        match key.values() {
            [Value::Uint32(id)] if *id < ENDLESS => Some(Endless::entry(*id).1),
            _ => None,
        }
    }
    fn after(&self, key: Option<&Key>, count: usize) -> Vec<(Key, Arc<Container>)> {
        let first = match key.map(Key::values) {
            Some([Value::Uint32(id)]) => id + 1,
            _ => 0,
        };
        (first..ENDLESS).take(count).map(Endless::entry).collect()
    }
    fn before(&self, key: Option<&Key>, count: usize) -> Vec<(Key, Arc<Container>)> {
        let end = match key.map(Key::values) {
            Some([Value::Uint32(id)]) => *id,
            _ => ENDLESS,
        };
        (0..end).rev().take(count).map(Endless::entry).collect()
    }
    fn len(&self) -> usize {
        ENDLESS as usize
    }
}

fn string(text: &str) -> Child {
    Child::Leaf(Value::string(text))
}

fn container(children: impl IntoIterator<Item = (&'static Node, Child)>) -> Container {
    let mut container = Container::default();
    for (node, child) in children {
        container.set(node, child);
    }
    container
}

fn sub(entries: &[(u32, &str, &str)]) -> Child {
    let mut list = UserList::default();
    for (p, q, v) in entries {
        let p = Value::Uint32(*p);
        let entry = [(&SUB_P, Child::Leaf(p.clone())), (&SUB_Q, string(q)), (&SUB_V, string(v))];
        list.insert(Key::new(vec![p, Value::string(q)]), Arc::new(container(entry)), &Insert::Last);
    }
    Child::List(List::User(Box::new(list)))
}

/// Items a, b and c; b has two subs in the order (2, "z"), (1, "y"), a has (1, "w").
fn items() -> Child {
    let color = |i: usize| Child::Leaf(Value::Enum(&COLORS[i]));
    let flags = Child::Leaf(Value::Bits(Bits([&BITS[1]].into_iter().collect())));
    let n = |n| Child::Leaf(Value::Int32(n));
    let all = [
        ("a", vec![(&N, n(5)), (&COLOR_LEAF, color(0)), (&SUB, sub(&[(1, "w", "va")]))]),
        (
            "b",
            vec![
                (&N, n(-7)),
                (&FLAGS_LEAF, flags),
                (&REF_LEAF, string("y")),
                (&SUB, sub(&[(2, "z", "v1"), (1, "y", "v2")])),
            ],
        ),
        ("c", vec![(&COLOR_LEAF, color(1)), (&REF_LEAF, string("z"))]),
    ];
    let mut map = OrdMap::new();
    for (id, mut children) in all {
        children.push((&ID, string(id)));
        map.insert(Key::string(id), Arc::new(container(children)));
    }
    Child::List(List::Sorted(map))
}

fn tree(sys: Vec<(&'static Node, Child)>) -> Cursor {
    let path = InstancePath {
        steps: vec![PathStep { node: &ITEM, selector: Selector::Key(Key::string("b")) }, PathStep::plain(&N)],
    };
    let mut root = container([(&ITEM, items()), (&INST, Child::Leaf(Value::Instance(Arc::new(path))))]);
    if !sys.is_empty() {
        root.set(&SYS, Child::Container(Arc::new(container(sys))));
    }
    Cursor::root(&SCHEMA, Arc::new(root))
}

/// The tree with the state list.
fn endless() -> Cursor {
    let mut root = Container::clone(tree(vec![]).content().unwrap());
    root.set(&STATE, Child::List(List::State(Arc::new(Endless))));
    Cursor::root(&SCHEMA, Arc::new(root))
}

fn at(context: &Cursor, text: &str) -> Result<XValue, EvalError> {
    let module = |prefix: Option<&str>| match prefix {
        None | Some("m") => Some("mod".to_owned()),
        Some(_) => None,
    };
    evaluate(&parse(text, &module).unwrap_or_else(|error| panic!("{text}: {error}")), context)
}

/// A value for comparison: nodes by their paths.
fn shown(context: &Cursor, text: &str) -> String {
    match at(context, text).unwrap_or_else(|error| panic!("{text}: {error}")) {
        XValue::Bool(value) => value.to_string(),
        XValue::Number(number) => number_text(number),
        XValue::Text(text) => format!("'{text}'"),
        XValue::Nodes(nodes) => {
            nodes.iter().map(|node| node.path().to_string()).collect::<Vec<_>>().join(" ")
        }
    }
}

fn check(context: &Cursor, cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(shown(context, text), *expected, "{text}");
    }
}

fn item(root: &Cursor, id: &str) -> Cursor {
    root.instances(&ITEM).find(|entry| entry.path().to_string().contains(&format!("'{id}'"))).unwrap()
}

#[test]
fn numbers_strings_and_booleans_convert_as_in_xpath() {
    check(
        &tree(vec![]),
        &[
            ("1 div 0", "Infinity"),
            ("-1 div 0", "-Infinity"),
            ("0 div 0", "NaN"),
            ("5 mod -2", "1"),
            ("-5 mod 2", "-1"),
            ("1.5 mod 0.5", "0"),
            ("string(-0)", "'0'"),
            ("string(0.1 + 0.2)", "'0.30000000000000004'"),
            ("string(1000000000000000000000)", "'1000000000000000000000'"),
            ("number(' -1.5 ')", "-1.5"),
            ("number('+1')", "NaN"),
            ("number('1e3')", "NaN"),
            ("number('.5')", "0.5"),
            ("number('-')", "NaN"),
            ("number('inf')", "NaN"),
            ("number(true())", "1"),
            ("boolean('false')", "true"),
            ("boolean(0 div 0)", "false"),
            ("1 = '1'", "true"),
            ("true() = 'x'", "true"),
            ("'a' < 'b'", "false"),
            ("2 > 1 = true()", "true"),
            ("not(1 = 2) and (1 or 1 div 0)", "true"),
        ],
    );
}

#[test]
fn string_functions() {
    check(
        &tree(vec![]),
        &[
            ("concat('a', 1, true())", "'a1true'"),
            ("starts-with('abc', 'ab')", "true"),
            ("contains('abc', '')", "true"),
            ("substring-before('1999/04', '/')", "'1999'"),
            ("substring-after('1999/04', '/')", "'04'"),
            ("substring-after('1999', '/')", "''"),
            ("substring('12345', 2, 3)", "'234'"),
            ("substring('12345', 2)", "'2345'"),
            ("substring('12345', 1.5, 2.6)", "'234'"),
            ("substring('12345', 0, 3)", "'12'"),
            ("substring('12345', 0 div 0, 3)", "''"),
            ("substring('12345', -42, 1 div 0)", "'12345'"),
            ("substring('12345', -1 div 0, 1 div 0)", "''"),
            ("string-length('né')", "2"),
            ("normalize-space('  a \n b ')", "'a b'"),
            ("translate('bar', 'abc', 'AB')", "'BAr'"),
            ("translate('--aaa--', 'abc-', 'ABC')", "'AAA'"),
            ("round(2.5)", "3"),
            ("round(-2.5)", "-2"),
            ("floor(-2.5)", "-3"),
            ("ceiling(2.1)", "3"),
        ],
    );
}

#[test]
fn paths_axes_and_positions() {
    let root = tree(vec![(&TAG, Child::LeafList(Arc::new(vec![Value::string("t1"), Value::string("t2")])))]);
    check(
        &root,
        &[
            ("/item/id", "/mod:item[id='a']/id /mod:item[id='b']/id /mod:item[id='c']/id"),
            ("item[2]", "/mod:item[id='b']"),
            ("item[last()]/id", "/mod:item[id='c']/id"),
            ("item[position() < 3][2]/id", "/mod:item[id='b']/id"),
            ("item[color][2]/id", "/mod:item[id='c']/id"),
            ("(item/sub)[2]/q", "/mod:item[id='b']/sub[p='2'][q='z']/q"),
            ("item/sub[1]/q", "/mod:item[id='a']/sub[p='1'][q='w']/q /mod:item[id='b']/sub[p='2'][q='z']/q"),
            ("item[id = 'b']/preceding-sibling::*[1]", "/mod:item[id='a']"),
            ("item[id = 'a']/following-sibling::item[1]", "/mod:item[id='b']"),
            ("item[id = 'b']/id/ancestor::node()[1]", "/mod:item[id='b']"),
            ("count(item[id = 'b']/id/ancestor::node())", "2"),
            ("count(item[id = 'b']/id/ancestor-or-self::*)", "2"),
            (
                "item/sub/q/..",
                "/mod:item[id='a']/sub[p='1'][q='w'] /mod:item[id='b']/sub[p='2'][q='z'] /mod:item[id='b']/sub[p='1'][q='y']",
            ),
            ("item/sub/../id", "/mod:item[id='a']/id /mod:item[id='b']/id"),
            ("item[id='a']/sub/following::id[1]", "/mod:item[id='b']/id"),
            (
                "item[id='b']/sub[2]/preceding::q",
                "/mod:item[id='a']/sub[p='1'][q='w']/q /mod:item[id='b']/sub[p='2'][q='z']/q",
            ),
            (
                "item[id='b']/descendant::v",
                "/mod:item[id='b']/sub[p='2'][q='z']/v /mod:item[id='b']/sub[p='1'][q='y']/v",
            ),
            ("item[id='b']//q[. = 'y']", "/mod:item[id='b']/sub[p='1'][q='y']/q"),
            (
                "item/sub/v | item/id | item[1]/id",
                "/mod:item[id='a']/id /mod:item[id='a']/sub[p='1'][q='w']/v /mod:item[id='b']/id /mod:item[id='b']/sub[p='2'][q='z']/v /mod:item[id='b']/sub[p='1'][q='y']/v /mod:item[id='c']/id",
            ),
            ("sys/tag[2]", "/mod:sys/tag[.='t2']"),
            ("string(sys/tag[2]/text())", "'t2'"),
            ("count(sys/tag/node())", "2"),
            ("item/@id | item/namespace::*", ""),
            ("item/comment()", ""),
            ("count(item/*)", "13"),
            ("item[1]/m:*[1]/self::m:id", "/mod:item[id='a']/id"),
            ("local-name(item)", "'item'"),
            ("name(item)", "'mod:item'"),
            ("namespace-uri(item)", "'urn:mod'"),
            ("name(/)", "''"),
            ("string(item[id='b']/sub[1])", "'2zv1'"),
            ("/..", ""),
        ],
    );
    let expected = "/mod:item[id='b']/sub[p='1'][q='y']/v";
    assert_eq!(shown(&item(&root, "b"), "./sub[last()]/v"), expected);
}

#[test]
fn comparisons_with_node_sets_are_existential() {
    check(
        &tree(vec![]),
        &[
            ("item/id = 'b'", "true"),
            ("item/id != 'b'", "true"),
            ("not(item/id = 'x')", "true"),
            ("item/n < 0", "true"),
            ("0 > item/n", "true"),
            ("item/n > 5", "false"),
            ("item/n = 5", "true"),
            ("item/sub/q = item/ref", "true"),
            ("item/id = item/ref", "false"),
            ("item/id != item/id", "true"),
            ("item[1]/id != item[1]/id", "false"),
            ("item/n < item/n", "true"),
            ("item/zzz = ''", "false"),
            ("item/zzz = false()", "true"),
            ("item = true()", "true"),
            ("sum(item/n)", "-2"),
            ("count(item)", "3"),
        ],
    );
    assert_eq!(at(&tree(vec![]), "'a' | item").unwrap_err(), EvalError::NotNodes("`|`"));
    assert!(matches!(at(&tree(vec![]), "count(1)"), Err(EvalError::NotNodes(_))));
    assert!(matches!(at(&tree(vec![]), "'a'[1]"), Err(EvalError::NotNodes(_))));
}

#[test]
fn defaults_in_use_and_non_presence_containers_exist() {
    let empty = tree(vec![]);
    check(
        &empty,
        &[
            ("string(sys/name)", "'box'"),
            ("sys/mtu = 1500", "true"),
            ("string(sys/opts/x)", "'1'"),
            ("sys/pres", ""),
            ("sys/pres/y", ""),
            ("sys/b1", "/mod:sys/b1"),
            ("sys/a2", ""),
            ("sys/w", ""),
            ("sys/more", "/mod:sys/more[.='d1'] /mod:sys/more[.='d2']"),
        ],
    );
    let case_a = tree(vec![(&A1, string("x")), (&MTU, Child::Leaf(Value::Uint32(9000)))]);
    check(
        &case_a,
        &[("string(sys/a2)", "'A'"), ("sys/b1", ""), ("string(sys/w)", "'W'"), ("sys/mtu = 1500", "false")],
    );
    let present = tree(vec![
        (&PRES, Child::Container(Arc::default())),
        (&MORE, Child::LeafList(Arc::new(vec![Value::string("own")]))),
    ]);
    check(&present, &[("string(sys/pres/y)", "'1'"), ("sys/more", "/mod:sys/more[.='own']")]);
}

#[test]
fn conditions_that_depend_on_themselves_are_an_error() {
    let present = tree(vec![(&PRES, Child::Container(Arc::default()))]);
    assert_eq!(at(&present, "sys/pres/loop").unwrap_err(), EvalError::TooNested);
}

#[test]
fn functions_of_yang() {
    let root = tree(vec![(&KIND, Child::Leaf(Value::Identity(&END)))]);
    check(
        &root,
        &[
            ("derived-from(sys/kind, 'm:base')", "true"),
            ("derived-from(sys/kind, 'end')", "false"),
            ("derived-from-or-self(sys/kind, 'm:end')", "true"),
            ("derived-from-or-self(item/id, 'm:end')", "false"),
            ("sys/kind = 'mod:end'", "true"),
            ("sys/kind = 'm:end'", "true"),
            ("sys/kind = 'end'", "true"),
            ("sys/kind != 'm:end'", "false"),
            ("sys/kind = 'x:end'", "false"),
            ("enum-value(item/color)", "3"),
            ("enum-value(item[3]/color)", "-1"),
            ("enum-value(item/id)", "NaN"),
            ("bit-is-set(item/flags, 'fast')", "true"),
            ("bit-is-set(item/flags, 'up')", "false"),
            ("re-match('1.22.333', '\\d{1,3}\\.\\d{1,3}\\.\\d{1,3}')", "true"),
            ("re-match('x1', '\\d')", "false"),
            ("deref(inst)", "/mod:item[id='b']/n"),
            ("deref(item/ref)/../v", "/mod:item[id='b']/sub[p='1'][q='y']/v"),
            ("deref(item[3]/ref)", ""),
            ("deref(item/id)", ""),
            ("item[current()/inst]", "/mod:item[id='a'] /mod:item[id='b'] /mod:item[id='c']"),
        ],
    );
    assert!(matches!(at(&root, "re-match('a', '(')"), Err(EvalError::Pattern(_))));
    assert!(matches!(at(&root, "re-match('a', '((\\i{999}){999}){999}')"), Err(EvalError::Pattern(_))));
}

#[test]
fn a_leafref_finds_its_targets_by_key_and_by_scan() {
    let root = tree(vec![]);
    let found = |id: &str| {
        let item = item(&root, id);
        let leaf = item.instances(&REF_LEAF).next().unwrap();
        targets(&leaf).unwrap().iter().map(|node| node.path().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(found("b"), ["/mod:item[id='b']/sub[p='1'][q='y']/q"]);
    assert!(found("c").is_empty());
    assert!(targets(&root).unwrap().is_empty());
}

#[test]
fn equality_of_keys_is_a_look_up() {
    let root = endless();
    check(
        &root,
        &[
            ("state[id = '2999999']/id", "/mod:state[id='2999999']/id"),
            ("state[id = 2999999]/id", "/mod:state[id='2999999']/id"),
            ("state['2999999' = ./id][1]", "/mod:state[id='2999999']"),
            ("state[id > 0 and id = 7]", "/mod:state[id='7']"),
            ("state[id = '07']", ""),
            ("state[id = 'x']", ""),
            ("state[id = 7.5]", ""),
            ("state[id = 3000000]", ""),
            ("state[id = /item/n]", "/mod:state[id='5']"),
            ("state[id = current()/item/n][id != 5]", ""),
            ("boolean(state)", "true"),
            ("boolean(state[id > 10])", "true"),
            ("item/sub[p = 1 and q = 'y']", "/mod:item[id='b']/sub[p='1'][q='y']"),
            ("item/sub[q = /item/ref][p = '2']", "/mod:item[id='b']/sub[p='2'][q='z']"),
            ("item/sub[p = 1][q = ../ref]", "/mod:item[id='b']/sub[p='1'][q='y']"),
            ("item[id = /item/id]/id", "/mod:item[id='a']/id /mod:item[id='b']/id /mod:item[id='c']/id"),
        ],
    );
    assert_eq!(at(&root, "state[id = 7 or id = 8]").unwrap_err(), EvalError::TooManySteps);
    assert_eq!(at(&root, "count(state)").unwrap_err(), EvalError::TooManySteps);
}

#[test]
fn an_operation_is_seen_in_the_tree_of_its_data() {
    let root = tree(vec![]);
    let input = Arc::new(container([(&OP_P, string("b"))]));
    let op = root.operation(&OP, &OP_INPUT, input);
    check(
        &op,
        &[
            ("p", "/mod:op/p"),
            ("string(d)", "'D'"),
            ("/op/p", "/mod:op/p"),
            ("/item[id = current()/p]/n", "/mod:item[id='b']/n"),
            ("../item[1]/id", "/mod:item[id='a']/id"),
        ],
    );
    let act = item(&root, "b").operation(&ACT, &ACT_INPUT, Arc::new(container([(&ACT_P, string("z"))])));
    check(
        &act,
        &[
            ("p = 'z'", "true"),
            ("/item[id = 'b']/act/p", "/mod:item[id='b']/act/p"),
            ("/item/act", "/mod:item[id='b']/act"),
            ("../sub[p = 2][q = current()/p]/v", "/mod:item[id='b']/sub[p='2'][q='z']/v"),
            ("preceding-sibling::sub[1]/v", "/mod:item[id='b']/sub[p='1'][q='y']/v"),
        ],
    );
    check(&root, &[("/op", "")]);
}

#[test]
fn a_dummy_is_the_context_of_the_when_of_a_missing_node() {
    let root = tree(vec![(&MTU, Child::Leaf(Value::Uint32(9000)))]);
    let sys = root.instances(&SYS).next().unwrap();
    assert!(holds(&W_WHEN, &sys.dummy(&W)).unwrap());
    assert!(holds(&parse("not(node()) and ../mtu", &|_| None).unwrap(), &sys.dummy(&PRES)).unwrap());
}

#[test]
fn positions_identify_entries_without_keys() {
    let entry = || Arc::new(container([(&SUB_V, string("x"))]));
    let entries = Vector::from(vec![entry(), entry()]);
    let root = Cursor::root(&SCHEMA, Arc::default());
    let item = root.entry(
        &ITEM,
        Slot::Index(1),
        Arc::new(container([(&SUB, Child::List(List::Sequence(Box::new(entries))))])),
    );
    check(
        &item,
        &[("sub[2]/v", "/mod:item[2]/sub[2]/v"), ("count(sub | sub)", "2"), ("sub/v = 'x'", "true")],
    );
}

#[test]
fn hostile_expressions_end() {
    let root = endless();
    for text in [
        "//*",
        "//*[//*]",
        "//state//id",
        "state[following::*]",
        "/state/preceding-sibling::*",
        "item[count(//state) > 0]",
        "string(/)",
        "//state[id[../id[../id]]] = 'x'",
        "state = state",
        "state[re-match('x', concat('\\i{1,90}', id))]",
    ] {
        assert_eq!(at(&root, text).unwrap_err(), EvalError::TooManySteps, "{text}");
    }
}
