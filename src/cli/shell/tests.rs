//! What lines mean, what they are completed to and what help says, by the schema of a server that lives in a test.

use super::complete::{Known, complete};
use super::edits::{apply, difference, set};
use super::grammar::{Command, Place, parse};
use super::help::help;
use super::words::split;
use crate::cli::output::{Format, shown};
use crate::client::schema::{NodeId, Schema, Text};
use crate::client::{Change, Element};

const YANG: &str = r#"module shop {
  yang-version 1.1; namespace urn:shop; prefix s;
  identity colour; identity red { base colour; description "Like a rose."; } identity blue { base colour; }
  container shop {
    description "A shop. It sells things.";
    leaf name { type string; }
    leaf open { type boolean; default true; description "Whether people can come in."; }
    list item {
      key "name size"; description "Something that is sold.";
      leaf name { type string { length 1..20; } }
      leaf size { type enumeration { enum small { description "Fits into a bag."; } enum large; } }
      leaf price { type decimal64 { fraction-digits 2; range "0..1000"; } units euro; mandatory true;
        description "What it costs."; }
      leaf colour { type identityref { base colour; } default red; }
      leaf-list tag { type string; }
      container origin { leaf country { type string; } }
      leaf sold { type uint32; config false; }
      action sell { input { leaf count { type uint8 { range "1..max"; } } } output { leaf rest { type uint32; } } }
    }
    leaf best { type leafref { path ../item/name; } }
    container sale { presence "There is a sale."; leaf percent { type uint8; } }
  }
  rpc order { input { leaf from { type string; } list line { leaf item { type string; } leaf count { type uint8; } }
    container place { leaf street { type string; } leaf city { type string; } } anydata note; } }
}"#;
const OTHER: &str =
    "module other { namespace urn:other; prefix o; container shop { leaf hidden { type empty; } } }";

fn schema() -> Schema {
    let of = |text: &str| Text { text: text.to_owned(), implemented: true, features: Vec::new() };
    Schema::read(&[of(YANG), of(OTHER)])
}

/// A server with two items.
struct Stock;

impl Known for Stock {
    fn keys(&self, list: &Place, _: NodeId) -> Vec<String> {
        let is_first = list.path.steps.last().is_some_and(|step| step.predicates.is_empty());
        let all: &[&str] = if is_first { &["a ball", "hat"] } else { &["small"] };
        all.iter().map(|key| (*key).to_owned()).collect()
    }

    fn values(&self, _: NodeId) -> Vec<String> {
        vec!["hat".to_owned()]
    }

    fn revisions(&self) -> Vec<(String, String)> {
        vec![("3".to_owned(), "2026-01-01T00:00:00Z".to_owned())]
    }

    fn streams(&self) -> Vec<String> {
        vec!["NETCONF".to_owned()]
    }
}

fn command(line: &str) -> Command {
    parse(&schema(), &Place::default(), line, &split(line)).unwrap_or_else(|wrong| {
        panic!("{line}\n{}", wrong.show(line, ""));
    })
}

/// The caret line and the message.
fn wrong(line: &str) -> String {
    match parse(&schema(), &Place::default(), line, &split(line)) {
        Ok(command) => panic!("{line} is {command:?}"),
        Err(wrong) => wrong.show(line, ""),
    }
}

fn completed(line: &str) -> String {
    let (start, candidates) = complete(&schema(), &Place::default(), line, &Stock);
    let texts: Vec<String> = candidates.into_iter().map(|candidate| candidate.text).collect();
    format!("{start}: {}", texts.join(" "))
}

/// The paths and values that a line sets.
fn assigned(line: &str) -> Vec<String> {
    let Command::Set(all) = command(line) else { panic!("{line} sets nothing") };
    all.into_iter().map(|a| format!("{}={}", a.place.path, a.value.as_deref().unwrap_or("-"))).collect()
}

#[test]
fn set_takes_names_keys_and_values() {
    let hat = "/shop:shop/item[name='hat'][size='small']";
    for line in [
        "set shop:shop item hat small price 5.50",
        "set shop shop item hat small price 5.50",
        "set shop:shop item name hat size small price 5.50",
        "set /shop:shop/item[size='small'][name='hat']/price 5.50",
        "set /shop:shop/item[size='small'][name='hat'] price 5.50",
    ] {
        assert_eq!(assigned(line), [format!("{hat}/price=5.50")], "{line}");
    }
    assert_eq!(assigned("set shop:shop item hat small"), [format!("{hat}=-")]);
    assert_eq!(
        assigned("set shop:shop item hat small tag new tag 'very new' origin country FR price 1 colour blue"),
        [
            format!("{hat}/tag[.='new']=new"),
            format!("{hat}/tag[.='very new']=very new"),
            format!("{hat}/origin/country=FR"),
            format!("{hat}/price=1"),
            format!("{hat}/colour=shop:blue"),
        ]
    );
    // After a value, names further out can follow.
    assert_eq!(assigned("set shop:shop sale percent 5 open false").len(), 2);
    assert_eq!(assigned("set shop:shop sale"), ["/shop:shop/sale=-"]);
    assert_eq!(assigned("set other:shop hidden"), ["/other:shop/hidden="]);
    assert_eq!(command("set format json"), Command::SetFormat(Format::Json));
}

#[test]
fn a_wrong_word_is_marked_and_what_was_expected_is_said() {
    for (line, marked) in [
        ("shwo", "^^^^\nthere is no such command; did you mean show?"),
        ("show shop", "     ^^^^\nseveral modules have this name: other:shop, shop:shop"),
        (
            "set shop:shop item hat small prise 5",
            "                             ^^^^^\nthere is no such node in item; did you mean price?",
        ),
        (
            "set shop:shop item hat medium",
            "                       ^^^^^^\nthis is no value of size; expected small, large",
        ),
        (
            "set shop:shop item hat small price 1000.01",
            "                                   ^^^^^^^\nthis is no decimal64 (0.0..1000.0)",
        ),
        (
            "set shop:shop item hat",
            "                      ^\nthe key size is missing; expected a value of size",
        ),
        ("set shop:shop open", "                  ^\na value is missing; expected a value: boolean"),
        (
            "set shop:shop item hat small sold 5",
            "                             ^^^^\nsold is state, which the server alone sets",
        ),
        ("set /shop:shop/itm", "               ^^^\nthere is no such node in shop"),
        ("set shop:shop name 'x", "                   ^^\nthe quote or bracket at its end is missing"),
        ("commit now", "       ^^^\nthis cannot stand here; expected confirmed, confirm or cancel"),
        ("commit confirmed soon", "                 ^^^^\nthis is no time in seconds"),
        ("commit confirmed 5 persist", "                          ^\na name is missing"),
        ("show shop:shop | yaml", "                 ^^^^\nthere is no such format"),
        ("discover", "^^^^^^^^\nthe server has no operation magent-registry:discover-agents"),
        ("delete", "      ^\nthe name of a node is missing"),
        ("call odrer", "     ^^^^^\nthere is no such operation; did you mean order?"),
    ] {
        let found = wrong(line);
        assert!(found.starts_with(marked), "{line}\n{found}\nexpected\n{marked}");
    }
}

#[test]
fn show_and_delete_take_places() {
    let place = |line: &str| match command(line) {
        Command::Show { place, .. } | Command::Delete(place) | Command::WatchData(place) => {
            place.path.to_string()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(place("show shop:shop item"), "/shop:shop/item");
    assert_eq!(place("show running shop:shop item * origin | json"), "/shop:shop/item/origin");
    assert_eq!(place("show state shop:shop item hat"), "/shop:shop/item[name='hat']");
    assert_eq!(place("sh /shop:shop/item[name='hat']|xml"), "/shop:shop/item[name='hat']");
    assert_eq!(
        place("delete shop:shop item hat small tag new"),
        "/shop:shop/item[name='hat'][size='small']/tag[.='new']"
    );
    assert_eq!(place("watch shop:shop item"), "/shop:shop/item");
    assert!(wrong("delete shop:shop item hat").contains("the key size is missing"));
}

#[test]
fn call_makes_the_input_in_the_order_of_the_schema() {
    let input = |line: &str| match command(line) {
        Command::Call { input, path, .. } => {
            format!(
                "{path} {}",
                input.iter().map(Element::to_xml).collect::<String>().replace(" xmlns=\"urn:shop\"", "")
            )
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(
        input(
            "call order place city Bonn street 'A 1' line item x count 2 line item y from me note '{\"a\":\"b\"}'"
        ),
        "/shop:order <from>me</from><line><item>x</item><count>2</count></line><line><item>y</item></line>\
         <place><street>A 1</street><city>Bonn</city></place><note><a>b</a></note>"
    );
    assert_eq!(
        input("call shop:shop item hat small sell count 3 | json"),
        "/shop:shop/item[name='hat'][size='small']/sell <count>3</count>"
    );
    assert!(wrong("call shop:shop item hat small sell count 0").contains("uint8 (1..255)"));
    assert!(wrong("call order note {").contains("this is no JSON"));
}

#[test]
fn tab_shows_what_can_stand_there_and_what_exists() {
    for (line, expected) in [
        ("sho", "0: show"),
        ("co", "0: commit"),
        ("commit ", "7: confirmed confirm cancel"),
        ("commit confirmed 60 ", "20: persist"),
        ("show oper", "5: operational"),
        ("show other:shop | j", "18: json"),
        ("set shop:shop ", "14: name open item best sale"),
        ("set shop:shop item ", "19: \"a ball\" hat"),
        ("set shop:shop item \"a b", "19: \"a ball\""),
        ("set shop:shop item hat ", "23: small large"),
        ("set shop:shop item hat small ", "29: price colour tag origin"),
        ("set shop:shop item hat small colour b", "36: shop:blue"),
        ("set shop:shop item hat small price ", "35: "),
        ("set shop:shop open ", "19: true false"),
        ("set shop:shop best ", "19: hat"),
        ("show shop:shop item ", "20: \"a ball\" hat"),
        ("show shop:shop item hat small so", "30: sold"),
        ("rollback ", "9: 3"),
        ("watch stream ", "13: NETCONF"),
        ("call ", "5: order shop"),
        ("call order ", "11: from line place note"),
        ("call shop:shop item hat small ", "30: sell"),
        ("nonsense ", "9: "),
    ] {
        assert_eq!(completed(line), expected, "{line}");
    }
    assert!(completed("show ").contains("other:shop shop:shop"), "{}", completed("show "));
}

#[test]
fn help_is_what_the_schema_says() {
    let of = |line: &str| help(&schema(), &Place::default(), line);
    assert_eq!(
        of("set shop:shop item hat small price"),
        "shop:price, leaf\n  What it costs.\n  type       decimal64 (0.0..1000.0)\n  units      euro\n  mandatory  yes\n"
    );
    assert_eq!(of("set shop:shop item hat small price "), of("set shop:shop item hat small price"));
    assert_eq!(
        of("set shop:shop item hat small colour "),
        "shop:colour, leaf\n  type     identityref\n           shop:blue\n           shop:red  Like a rose.\n  default  shop:red\n"
    );
    assert!(of("set shop:shop o").starts_with("shop:open, leaf\n  Whether people can come in.\n"));
    assert!(of("set shop:shop item ").starts_with("A key of item"));
    assert!(of("set shop:shop ").contains("item  Something that is sold.\n"), "{}", of("set shop:shop "));
    assert!(of("").contains("commit     Make the candidate the running configuration"));
    assert_eq!(
        of("commit conf"),
        "confirmed  Take the commit back unless it is confirmed in time\nconfirm    Confirm the commit, so that it stays\n"
    );
    assert!(of("shwo ").starts_with("there is no such command"));
}

#[test]
fn what_is_not_committed_is_seen_as_a_difference() {
    let schema = schema();
    let before = "<shop xmlns='urn:shop'><open>true</open><item><name>hat</name><size>small</size><price>5.0</price></item>\
                  <item><name>ball</name><size>large</size><price>1.0</price></item></shop>";
    let before = vec![Element::parse(before.as_bytes(), 9).unwrap()];
    let mut changes: Vec<Change> = Vec::new();
    for line in [
        "set shop:shop item hat small price 6.0 tag new",
        "set shop:shop item shoe large price 2.0 origin country IT",
        "set shop:shop sale",
        "delete shop:shop item ball large",
        "delete shop:shop best",
    ] {
        match command(line) {
            Command::Set(all) => {
                changes.extend(all.iter().map(|assignment| set(&schema, assignment).unwrap()))
            }
            Command::Delete(place) => changes.push(super::edits::delete(&place)),
            other => panic!("{other:?}"),
        }
    }
    let after = apply(&schema, &before, &changes);
    let paths = |data: &[Element]| shown(&schema, None, data, Format::Paths);
    assert_eq!(
        difference(&paths(&before), &paths(&after)),
        "- /shop:shop/item[name='ball'][size='large']/price=1.0\n\
         - /shop:shop/item[name='hat'][size='small']/price=5.0\n\
         + /shop:shop/item[name='hat'][size='small']/price=6.0\n\
         + /shop:shop/item[name='hat'][size='small']/tag[.='new']\n\
         + /shop:shop/item[name='shoe'][size='large']/origin/country=IT\n\
         + /shop:shop/item[name='shoe'][size='large']/price=2.0\n\
         + /shop:shop/sale\n"
    );
    assert_eq!(difference("a=1\n", "a=1\n"), "");
}

#[test]
fn what_still_stands_when_something_is_put_into_it_is_not_gone() {
    let (empty, full) = ("/a:c/l[k='a/b=1']\n", "/a:c/l[k='a/b=1']/v=1\n");
    assert_eq!(difference(empty, full), "+ /a:c/l[k='a/b=1']/v=1\n");
    assert_eq!(difference(full, empty), "- /a:c/l[k='a/b=1']/v=1\n");
    // Another entry, and a value that only begins like the other.
    assert_eq!(difference("/a:c/l[k='1']\n", "/a:c/l[k='12']/v=1\n").lines().count(), 2);
    assert_eq!(difference("/a:c/v=x\n", "/a:c/v=x/y\n"), "- /a:c/v=x\n+ /a:c/v=x/y\n");
}
