//! draft-ietf-netconf-list-pagination and draft-ietf-netconf-list-pagination-rc: pages of lists and leaf-lists. A
//! section is one of the former unless the name of its test begins with `rc`.

use agentconf::limits::Limits;
use serde_json::{Value as Json, json};

use crate::common::{Answer, JSON, TestServer, XML, start_server, start_server_with};

/// The list in a datastore that has configuration alone, and where it is shown with state.
const RUNNING: &str = "/restconf/ds/ietf-datastores:running/irtf-agent:data-params";
const UNIFIED: &str = "/restconf/data/irtf-agent:data-params";
const OPERATIONAL: &str = "/restconf/ds/ietf-datastores:operational/irtf-agent:data-params";
/// A leaf-list of state: candidate, rollback-on-error, validate and writable-running, and no startup.
const LEAF_LIST: &str =
    "/restconf/data/ietf-yang-library:yang-library/module-set=all/module=ietf-netconf/feature";
const XML_LIST: &str = "Accept: application/yang-data+xml-list";

/// A server with as many entries: `d0000`, `d0001`, …, of which each third has no description.
async fn server_with(limits: Limits, count: usize) -> TestServer {
    let server = start_server_with(limits).await;
    let entry = |n: usize| match n % 3 {
        0 => json!({"id": format!("d{n:04}"), "dataType": "text"}),
        _ => json!({"id": format!("d{n:04}"), "dataType": "text", "description": format!("x{}", 9 - n % 10)}),
    };
    let entries: Vec<Json> = (0..count).map(entry).collect();
    let body = json!({"ietf-restconf:data": {"irtf-agent:data-params": entries}}).to_string();
    let done = server.ask("PATCH", "/restconf/data", &[&format!("Content-Type: {JSON}")], &body).await;
    assert_eq!(done.status, 204, "{done:?}");
    server
}

async fn server_of(count: usize) -> TestServer {
    server_with(Limits::default(), count).await
}

/// The numbers of the entries of a page.
fn numbers(answer: &Answer) -> Vec<usize> {
    let json = answer.json();
    let entries = json["irtf-agent:data-params"].as_array().unwrap_or_else(|| panic!("{answer:?}"));
    let number = |entry: &Json| entry["id"].as_str()?.strip_prefix('d')?.parse().ok();
    entries.iter().map(|entry| number(entry).unwrap_or_else(|| panic!("{entry}"))).collect()
}

/// What is told of a page by its first entry.
fn told(answer: &Answer, name: &str) -> Json {
    answer.json()["irtf-agent:data-params"][0]["@"][format!("ietf-list-pagination:{name}")].clone()
}

/// The status, `error-type`, `error-tag` and `error-app-tag`.
fn refusal(answer: &Answer) -> (u16, String, String, String) {
    let error = answer.json()["ietf-restconf:errors"]["error"][0].clone();
    let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
    assert!(!text("error-message").is_empty(), "{answer:?}");
    (answer.status, text("error-type"), text("error-tag"), text("error-app-tag"))
}

fn wrong(status: u16, layer: &str, tag: &str, app_tag: &str) -> (u16, String, String, String) {
    let app_tag = if app_tag.is_empty() { String::new() } else { format!("ietf-list-pagination:{app_tag}") };
    (status, layer.to_owned(), tag.to_owned(), app_tag)
}

#[tokio::test]
async fn section_3_1_1_where_keeps_the_entries_that_match() {
    let server = server_of(20).await;
    for list in [RUNNING, UNIFIED, OPERATIONAL] {
        for (filter, wanted) in [
            ("unfiltered", (0..20).collect::<Vec<_>>()),
            ("description='x4'", vec![5]),
            ("irtf-agent:description%3D'x4'", vec![5]),
            ("not(description)%20and%20id%3C'0'%20or%20starts-with(id,'d001')", (10..20).collect()),
            ("../irtf-agent:data-params[id='d0003']/id=id", vec![3]),
            ("no-such-leaf=1", vec![]),
            ("false()", vec![]),
        ] {
            let answer = server.get(&format!("{list}?where={filter}")).await;
            assert_eq!(answer.status, 200, "{filter}: {answer:?}");
            assert_eq!(numbers(&answer), wanted, "{list} {filter}");
        }
    }
    let answer = server.get(&format!("{RUNNING}?where=not(description)&limit=2&offset=1")).await;
    assert_eq!((numbers(&answer), told(&answer, "remaining")), (vec![3, 6], json!(4)));
    for filter in ["", "((", "nosuch:a", "$x", "re-match(id,'[')", "count(1)"] {
        let answer = server.get(&format!("{RUNNING}?where={filter}")).await;
        assert_eq!(refusal(&answer), wrong(400, "application", "invalid-value", ""), "{filter}");
    }
    server.stop().await;
}

#[tokio::test]
async fn section_3_1_2_sort_by_orders_by_a_leaf_and_missing_values_are_last() {
    let server = server_of(9).await;
    for list in [RUNNING, UNIFIED, OPERATIONAL] {
        let answer = server.get(&format!("{list}?sort-by=description")).await;
        assert_eq!(numbers(&answer), [8, 7, 5, 4, 2, 1, 0, 3, 6], "{list}");
        let answer = server.get(&format!("{list}?sort-by=irtf-agent:description&direction=backwards")).await;
        assert_eq!(numbers(&answer), [6, 3, 0, 1, 2, 4, 5, 7, 8], "{list}");
        let answer = server.get(&format!("{list}?sort-by=id&limit=2")).await;
        assert_eq!((numbers(&answer), told(&answer, "locale")), (vec![0, 1], json!("C")), "{list}");
        assert_eq!(numbers(&server.get(&format!("{list}?sort-by=none")).await), (0..9).collect::<Vec<_>>());
    }
    // A cursor stands for the same entry in any order.
    let first = server.get(&format!("{RUNNING}?sort-by=description&limit=4")).await;
    assert_eq!((numbers(&first), told(&first, "remaining")), (vec![8, 7, 5, 4], json!(5)));
    let next = told(&first, "next");
    let next = next.as_str().expect("a cursor");
    let second = server.get(&format!("{RUNNING}?sort-by=description&limit=4&cursor={next}")).await;
    assert_eq!((numbers(&second), told(&second, "remaining")), (vec![2, 1, 0, 3], json!(1)));
    let previous = told(&second, "previous");
    let previous = previous.as_str().expect("a cursor");
    let again = server.get(&format!("{RUNNING}?sort-by=description&limit=4&cursor={previous}")).await;
    assert_eq!(numbers(&again), numbers(&first));
    for name in ["nosuch", "nosuch:id", "description/id", "", "id/"] {
        let answer = server.get(&format!("{RUNNING}?sort-by={name}")).await;
        assert_eq!(refusal(&answer), wrong(400, "application", "invalid-value", ""), "{name}");
    }
    server.stop().await;
}

#[tokio::test]
async fn section_3_1_3_the_only_locale_is_that_of_code_points() {
    let server = server_of(3).await;
    for locale in ["C", "POSIX", "C.UTF-8"] {
        let answer = server.get(&format!("{RUNNING}?sort-by=id&locale={locale}")).await;
        assert_eq!((answer.status, told(&answer, "locale")), (200, json!("C")), "{locale}");
    }
    let answer = server.get(&format!("{RUNNING}?sort-by=id&locale=sv_SE")).await;
    assert_eq!(refusal(&answer), wrong(501, "application", "invalid-value", "locale-unavailable"));
    let answer = server.get(&format!("{RUNNING}?locale=C")).await;
    assert_eq!(refusal(&answer), wrong(400, "application", "invalid-value", ""));
    server.stop().await;
}

#[tokio::test]
async fn section_3_1_4_direction_turns_the_order_round() {
    let server = server_of(200).await;
    for list in [RUNNING, UNIFIED, OPERATIONAL] {
        let backwards = server.get(&format!("{list}?direction=backwards")).await;
        assert_eq!(numbers(&backwards), (0..200).rev().collect::<Vec<_>>(), "{list}");
        let forwards = server.get(&format!("{list}?direction=forwards")).await;
        assert_eq!(numbers(&forwards), (0..200).collect::<Vec<_>>(), "{list}");
        let page = server.get(&format!("{list}?direction=backwards&offset=70&limit=2")).await;
        assert_eq!((numbers(&page), told(&page, "remaining")), (vec![129, 128], json!(128)), "{list}");
    }
    let answer = server.get(&format!("{RUNNING}?direction=up")).await;
    assert_eq!(refusal(&answer), wrong(400, "application", "invalid-value", ""));
    server.stop().await;
}

#[tokio::test]
async fn section_3_1_5_offset_skips_entries_and_is_refused_beyond_the_end() {
    let server = server_of(5).await;
    for list in [RUNNING, UNIFIED, OPERATIONAL] {
        for (offset, wanted) in [(0, vec![0, 1, 2, 3, 4]), (4, vec![4]), (5, vec![])] {
            let answer = server.get(&format!("{list}?offset={offset}")).await;
            assert_eq!((answer.status, numbers(&answer)), (200, wanted), "{list} {offset}");
        }
        let answer = server.get(&format!("{list}?offset=6")).await;
        assert_eq!(
            refusal(&answer),
            wrong(416, "application", "invalid-value", "offset-out-of-range"),
            "{list}"
        );
    }
    for offset in ["-1", "+1", "x", "", "4294967296"] {
        let answer = server.get(&format!("{RUNNING}?offset={offset}")).await;
        assert_eq!(refusal(&answer), wrong(400, "application", "invalid-value", ""), "{offset}");
    }
    let answer = server.get(&format!("{RUNNING}?offset=0&cursor=")).await;
    assert_eq!(refusal(&answer), wrong(400, "application", "invalid-value", ""));
    server.stop().await;
}

#[tokio::test]
async fn section_3_1_6_following_the_cursors_gives_each_entry_once_and_leads_back() {
    let server = server_of(150).await;
    for list in [RUNNING, UNIFIED, OPERATIONAL] {
        for query in ["limit=40", "limit=40&direction=backwards", "limit=40&where=not(description)"] {
            let (mut all, mut pages) = (Vec::new(), Vec::new());
            let mut cursor = String::new();
            let last = loop {
                let answer = server.get(&format!("{list}?{query}&cursor={cursor}")).await;
                let page = numbers(&answer);
                all.extend(page.clone());
                pages.push(page);
                match told(&answer, "next").as_str() {
                    None | Some("") => break answer,
                    Some(next) => cursor = next.to_owned(),
                }
            };
            let whole = server.get(&format!("{list}?{}", query.replace("limit=40", "limit=unbounded"))).await;
            assert_eq!(all, numbers(&whole), "{list} {query}");
            assert!(pages.len() > 1 && told(&last, "remaining").is_null(), "{list} {query}: {last:?}");
            let mut at = last;
            while let Some(previous) = told(&at, "previous").as_str().filter(|cursor| !cursor.is_empty()) {
                pages.pop();
                at = server.get(&format!("{list}?{query}&cursor={previous}")).await;
                assert_eq!(Some(&numbers(&at)), pages.last(), "{list} {query}");
            }
            assert_eq!(pages.len(), 1, "{list} {query}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn section_3_1_6_a_cursor_without_an_entry_is_not_found() {
    let server = server_of(5).await;
    let first = server.get(&format!("{RUNNING}?limit=2")).await;
    let cursor = told(&first, "next");
    let page = format!("{RUNNING}?limit=2&cursor={}", cursor.as_str().expect("a cursor"));
    assert_eq!(numbers(&server.get(&page).await), [2, 3]);
    assert_eq!(server.ask("DELETE", &format!("{UNIFIED}=d0002"), &[], "").await.status, 204);
    let not_found = wrong(404, "application", "invalid-value", "cursor-not-found");
    assert_eq!(refusal(&server.get(&page).await), not_found);
    for cursor in ["x", "%00", "ZDA5OTk5Ng", "%2F%2F%2F%2F", "YSxi"] {
        let answer = server.get(&format!("{RUNNING}?cursor={cursor}")).await;
        assert_eq!(refusal(&answer), not_found, "{cursor}");
    }
    // Entries of leaf-lists have none.
    let answer = server.get(&format!("{LEAF_LIST}?cursor=YQ")).await;
    assert_eq!(refusal(&answer), wrong(501, "application", "operation-not-supported", ""));
    let capabilities = server.get("/restconf/data/ietf-system-capabilities:system-capabilities").await.json();
    let operational =
        &capabilities["ietf-system-capabilities:system-capabilities"]["datastore-capabilities"][0];
    let all = json!([{"node-selector": "/", "ietf-list-pagination:cursor-supported": true}]);
    assert_eq!(operational["per-node-capabilities"], all);
    server.stop().await;
}

#[tokio::test]
async fn section_3_1_7_a_limited_list_tells_how_many_remain() {
    let server = server_of(5).await;
    for list in [RUNNING, UNIFIED, OPERATIONAL] {
        let answer = server.get(&format!("{list}?limit=2")).await;
        assert_eq!((numbers(&answer), told(&answer, "remaining")), (vec![0, 1], json!(3)), "{list}");
        for limit in ["5", "6", "unbounded", "4294967295"] {
            let answer = server.get(&format!("{list}?limit={limit}")).await;
            assert_eq!(numbers(&answer), [0, 1, 2, 3, 4], "{list} {limit}");
            assert!(!answer.body.contains("ietf-list-pagination"), "{answer:?}");
        }
    }
    for limit in ["0", "-1", "x", "", "4294967296"] {
        let answer = server.get(&format!("{RUNNING}?limit={limit}")).await;
        assert_eq!(refusal(&answer), wrong(400, "application", "invalid-value", ""), "{limit}");
    }
    server.stop().await;
}

#[tokio::test]
async fn section_3_1_7_what_would_take_too_long_to_count_is_unknown() {
    let server = server_of(1500).await;
    let unified = server.get(&format!("{UNIFIED}?limit=2")).await;
    assert_eq!((numbers(&unified), told(&unified, "remaining")), (vec![0, 1], json!("unknown")));
    let running = server.get(&format!("{RUNNING}?limit=2")).await;
    assert_eq!(told(&running, "remaining"), 1498);
    server.stop().await;
}

#[tokio::test]
async fn section_3_1_leaf_lists_have_pages_too() {
    let server = start_server().await;
    let whole = server.get(LEAF_LIST).await.json()["ietf-yang-library:feature"].clone();
    let whole = whole.as_array().expect("features").clone();
    let mut sorted: Vec<String> = whole.iter().filter_map(|f| f.as_str().map(str::to_owned)).collect();
    sorted.sort();
    assert!(whole.len() >= 4, "{whole:?}");
    let page = server.get(&format!("{LEAF_LIST}?limit=2&offset=1")).await.json();
    assert_eq!(page["ietf-yang-library:feature"], json!(whole[1..3]));
    let remaining = json!([{"ietf-list-pagination:remaining": whole.len() - 3}, null]);
    assert_eq!(page["@ietf-yang-library:feature"], remaining);
    let page = server.get(&format!("{LEAF_LIST}?sort-by=feature&direction=backwards")).await.json();
    sorted.reverse();
    assert_eq!(page["ietf-yang-library:feature"], json!(sorted));
    let page = server.get(&format!("{LEAF_LIST}?where=starts-with(.,'ca')")).await.json();
    assert_eq!(page, json!({"ietf-yang-library:feature": ["candidate"]}));
    server.stop().await;
}

#[tokio::test]
async fn section_3_2_1_sublist_limit_limits_lists_below_whatever_is_read() {
    let server = server_of(5).await;
    let library = "/restconf/data/ietf-yang-library:yang-library";
    let modules = server.get(&format!("{library}/module-set=all/module")).await.json();
    let count = modules["ietf-yang-library:module"].as_array().expect("modules").len();
    for target in [format!("{library}/module-set=all"), format!("{library}/module-set")] {
        let answer = server.get(&format!("{target}?sublist-limit=2")).await.json();
        let shown = answer["ietf-yang-library:module-set"][0]["module"].as_array().expect("modules").clone();
        assert_eq!(shown.len(), 2, "{answer}");
        assert_eq!(shown[0]["@"], json!({"ietf-list-pagination:remaining": count - 2}));
        assert!(shown[1].get("@").is_none(), "{answer}");
    }
    // The target itself is limited by other parameters.
    assert_eq!(numbers(&server.get(&format!("{RUNNING}?sublist-limit=1")).await), [0, 1, 2, 3, 4]);
    let both = server.get(&format!("{library}/module-set=all/module?limit=3&sublist-limit=1")).await.json();
    let both = both["ietf-yang-library:module"].as_array().expect("modules").clone();
    assert_eq!((both.len(), &both[0]["@"]["ietf-list-pagination:remaining"]), (3, &json!(count - 3)));
    let features = server.get(&format!("{library}/module-set=all/module=ietf-netconf?sublist-limit=1")).await;
    let features = features.json()["ietf-yang-library:module"][0].clone();
    assert_eq!(features["feature"].as_array().map(Vec::len), Some(1), "{features}");
    assert!(features["@feature"][0]["ietf-list-pagination:remaining"].as_u64() >= Some(3), "{features}");
    // The datastore is whatever there is too.
    let whole = server.get("/restconf/ds/ietf-datastores:running?sublist-limit=2").await.json();
    let entries = whole["ietf-restconf:data"]["irtf-agent:data-params"].as_array().expect("entries").clone();
    assert_eq!((entries.len(), &entries[0]["@"]["ietf-list-pagination:remaining"]), (2, &json!(3)));
    for limit in ["0", "x", ""] {
        let answer = server.get(&format!("{RUNNING}?sublist-limit={limit}")).await;
        assert_eq!(refusal(&answer), wrong(400, "application", "invalid-value", ""), "{limit}");
    }
    server.stop().await;
}

#[tokio::test]
async fn rc_section_2_2_xml_has_one_element_around_all_entries() {
    let server = server_of(3).await;
    let answer = server.ask("GET", &format!("{RUNNING}?limit=2"), &[XML_LIST], "").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/yang-data+xml-list"));
    assert_eq!(
        answer.body,
        concat!(
            "<xml-list><data-params xmlns=\"urn:ietf:params:xml:ns:yang:irtf-agent\" ",
            "xmlns:lpg=\"urn:ietf:params:xml:ns:yang:ietf-list-pagination\" lpg:remaining=\"1\" ",
            "lpg:next=\"ZDAwMDI\" lpg:previous=\"\"><id>d0000</id><dataType>text</dataType></data-params>",
            "<data-params xmlns=\"urn:ietf:params:xml:ns:yang:irtf-agent\"><id>d0001</id>",
            "<dataType>text</dataType><description>x8</description></data-params></xml-list>"
        )
    );
    let tag = answer.header("etag").to_owned();
    let one = server.ask("GET", &format!("{RUNNING}?limit=1"), &[&format!("Accept: {XML}")], "").await;
    assert_eq!((one.status, one.header("content-type")), (200, XML));
    assert_ne!(one.header("etag"), tag, "another representation");
    let known = [XML_LIST, &format!("If-None-Match: {tag}")];
    assert_eq!(server.ask("GET", &format!("{RUNNING}?limit=2"), &known, "").await.status, 304);
    let none = server.ask("GET", &format!("{RUNNING}?where=false()"), &[XML_LIST], "").await;
    assert_eq!((none.status, none.body.as_str()), (200, "<xml-list></xml-list>"));
    let whole = server.ask("GET", RUNNING, &[XML_LIST], "").await;
    assert_eq!((whole.status, whole.body.matches("<data-params").count()), (200, 3));
    // It is for lists, and for who accepts it.
    assert_eq!(server.ask("GET", &format!("{RUNNING}=d0001"), &[XML_LIST], "").await.status, 406);
    let xml = server.ask("GET", RUNNING, &[&format!("Accept: {XML}")], "").await;
    assert_eq!(xml.status, 400, "{xml:?}");
    let either = ["Accept: application/yang-data+json;q=0.5, application/yang-data+xml-list"];
    assert!(server.ask("GET", RUNNING, &either, "").await.body.starts_with("<xml-list>"));
    server.stop().await;
}

#[tokio::test]
async fn rc_section_3_the_parameters_are_for_reading_lists_and_leaf_lists_alone() {
    let server = server_of(3).await;
    let misplaced = wrong(400, "protocol", "operation-not-supported", "");
    for parameter in [
        "limit=1",
        "limit=unbounded",
        "offset=0",
        "cursor=",
        "direction=forwards",
        "sort-by=id",
        "locale=C",
        "where=1",
    ] {
        for target in ["/restconf/data", "/restconf/data/irtf-agent:agent", &format!("{RUNNING}=d0001")] {
            let answer = server.get(&format!("{target}?{parameter}")).await;
            assert_eq!(refusal(&answer), misplaced, "{target} {parameter}");
        }
        let answer = server.post(&format!("/restconf/data?{parameter}"), "{}").await;
        assert_eq!(refusal(&answer), misplaced, "{parameter}");
    }
    let answer = server.put(&format!("{UNIFIED}=d0001?sublist-limit=1"), "{}").await;
    assert_eq!(refusal(&answer), misplaced);
    let answer = server.get(&format!("{RUNNING}?limit=1&limit=1")).await;
    assert_eq!(answer.refusal(), (400, "invalid-value".to_owned()));
    let head = server.ask("HEAD", &format!("{RUNNING}?limit=1"), &[], "").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    let absent = server.get("/restconf/data/irtf-agent:context?limit=1").await;
    assert_eq!(absent.refusal(), (404, "invalid-value".to_owned()));
    let cbor = ["Accept: application/yang-data+cbor"];
    assert_eq!(server.ask("GET", &format!("{RUNNING}?limit=1"), &cbor, "").await.status, 400);
    server.stop().await;
}

#[tokio::test]
async fn rc_section_3_pages_go_with_the_other_parameters() {
    let server = server_of(9).await;
    let query =
        "limit=2&sort-by=description&content=config&fields=description&with-defaults=report-all-tagged";
    let answer = server.get(&format!("{OPERATIONAL}?{query}&with-origin")).await;
    assert_eq!((numbers(&answer), told(&answer, "remaining")), (vec![8, 7], json!(7)));
    let entry = &answer.json()["irtf-agent:data-params"][1];
    let origin = json!({"ietf-origin:origin": "ietf-origin:intended"});
    assert_eq!(entry, &json!({"@": origin, "id": "d0007", "description": "x2"}));
    server.stop().await;
}

#[tokio::test]
async fn rc_section_5_1_the_capabilities_are_announced() {
    let server = start_server().await;
    let all = server.get("/restconf/data/ietf-restconf-monitoring:restconf-state/capabilities").await.body;
    for name in ["limit", "offset", "cursor", "direction", "sort-by", "locale", "where", "sublist-limit"] {
        assert!(all.contains(&format!("\"urn:ietf:params:restconf:capability:{name}:1.0\"")), "{name}");
    }
    let module = "ietf-yang-library:yang-library/module-set=all/module=ietf-list-pagination";
    let module = server.get(&format!("/restconf/data/{module}")).await.json();
    assert_eq!(module["ietf-yang-library:module"][0]["feature"], json!(["sort"]));
    server.stop().await;
}

#[tokio::test]
async fn what_a_page_costs_has_limits() {
    let limits =
        Limits { page_entries_max: 50, page_offset_max: 20, page_steps_max: 2000, ..Limits::default() };
    let server = server_with(limits, 60).await;
    let denied = wrong(409, "application", "resource-denied", "");
    for list in [RUNNING, UNIFIED, OPERATIONAL] {
        for query in [
            "direction=backwards",
            "sort-by=description&limit=1",
            "where=false()",
            "where=id%3D'd0055'&limit=1",
            "where=count(//*)%3E1000&limit=1",
            "offset=21&limit=1",
        ] {
            let answer = server.get(&format!("{list}?{query}")).await;
            assert_eq!(refusal(&answer), denied, "{list} {query}");
        }
        for query in
            ["limit=50", "limit=2&offset=20", "sort-by=id&limit=1", "where=starts-with(id,'d000')&limit=2"]
        {
            let answer = server.get(&format!("{list}?{query}")).await;
            assert_eq!(answer.status, 200, "{list} {query}: {answer:?}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn what_is_private_is_in_no_page() {
    let server = start_server().await;
    let (ip, eve) = (server.add_user("ip"), server.add_user("eve"));
    let post = [format!("Content-Type: {JSON}")];
    let fields: Vec<&str> = post.iter().map(String::as_str).collect();
    let register = |name: &str| {
        json!({"magent-registry:input": {"name": name, "description": name, "provider": "p", "version": "1.0.0", "domain": ["IP"]}}).to_string()
    };
    for name in ["ip-agent", "other"] {
        let target = "/restconf/operations/magent-registry:register-agent";
        let answer = server.ask_as(&ip, "POST", target, &fields, &register(name)).await;
        assert!(answer.status < 300, "{answer:?}");
    }
    for n in 0..3 {
        let order = json!({"magent-task:input": {"from": "ip-agent", "to": "other", "content": format!("t{n}"), "asynchronous": true}});
        let target = "/restconf/operations/magent-task:assign-task";
        let answer = server.ask_as(&ip, "POST", target, &fields, &order.to_string()).await;
        assert!(answer.status < 300, "{answer:?}");
    }
    let tasks = "/restconf/data/magent-task:interaction/tasks/task";
    for query in ["limit=2", "limit=2&direction=backwards", "sort-by=id&limit=2", "where=true()&limit=2"] {
        let seen = server.ask_as(&ip, "GET", &format!("{tasks}?{query}"), &[], "").await;
        let shown = seen.json()["magent-task:task"].clone();
        assert_eq!(shown.as_array().map(Vec::len), Some(2), "{query}: {seen:?}");
        assert_eq!(shown[0]["@"]["ietf-list-pagination:remaining"], 1, "{query}");
        let unseen = server.ask_as(&eve, "GET", &format!("{tasks}?{query}"), &[], "").await;
        assert_eq!(unseen.status, 404, "{query}: {unseen:?}");
    }
    // What another list is asked for does not tell of it either.
    let filter = "/magent-task:interaction/tasks/task";
    for (token, agents) in [(&ip, true), (&eve, false)] {
        let target = format!("/restconf/data/magent-registry:registry/agents/agent?where={filter}");
        let answer = server.ask_as(token, "GET", &target, &[], "").await;
        let shown = answer.json()["magent-registry:agent"].as_array().is_some_and(|shown| !shown.is_empty());
        assert_eq!((answer.status, shown), (200, agents), "{answer:?}");
    }
    server.stop().await;
}
