//! Confirmed commits that are taken back after others have written: what becomes of which edits.

use agentconf::datastore::edit::{Edit, Operation};
use agentconf::engine::{Candidate, Confirm, Datastore, EditRequest, Management, Test};
use agentconf::yang::generated::SCHEMA;
use agentconf::yang::generated::ietf_netconf_acm::nodes as nacm;
use agentconf::yang::json;
use agentconf::yang::path::InstancePath;
use agentconf::yang::types::ModuleNames;
use serde_json::{Value as Json, json};

use crate::bench::{Bench, plain, principal};

const SHARED: Datastore = Datastore::Candidate(Candidate::Shared);
const LISTS: &str = "/ietf-netconf-acm:nacm/rule-list";
const GROUP: &str = "/ietf-netconf-acm:nacm/groups/group";

fn edit(operation: Operation, path: &str, body: Option<Json>) -> Edit {
    let path = InstancePath::parse(path, &SCHEMA, &ModuleNames(&SCHEMA)).expect("a path");
    let value = body.map(|body| {
        json::decode_one(body.to_string().as_bytes(), &path, &SCHEMA, &json::STORED).expect("it fits")
    });
    Edit { operation, path, value, insert: None }
}

fn group(operation: Operation, name: &str, users: &[&str]) -> Edit {
    let body = json!({"ietf-netconf-acm:group": [{"name": name, "user-name": users}]});
    let body = (!matches!(operation, Operation::Delete | Operation::Remove)).then_some(body);
    edit(operation, &format!("{GROUP}[name='{name}']"), body)
}

async fn write(bench: &Bench, datastore: Datastore, edits: Vec<Edit>) {
    let request = EditRequest { datastore, test: Test::AtCommit, edits, preconditions: Vec::new() };
    bench
        .engine
        .edit(&principal("admin"), request)
        .await
        .map_err(|refused| refused.error)
        .expect("it is valid");
}

async fn commit(bench: &Bench, edits: Vec<Edit>, follows: bool) {
    write(bench, SHARED, edits).await;
    let persist_id = follows.then(|| "t".to_owned());
    let confirm = Confirm { within_s: Some(60), persist: Some("t".to_owned()), persist_id };
    let management = Management::Commit(Candidate::Shared, confirm);
    bench.engine.manage(&principal("admin"), management).await.expect("it is valid");
}

async fn cancel(bench: &Bench) {
    let management = Management::CancelCommit { persist_id: Some("t".to_owned()) };
    bench.engine.manage(&principal("admin"), management).await.expect("it waits");
}

fn groups(bench: &Bench) -> Vec<(String, Vec<String>)> {
    let path = plain(&[&nacm::NACM]);
    let Ok(read) = bench.read_in(Datastore::Running, "admin", &path) else { return Vec::new() };
    let text = |value: &Json| value.as_str().expect("a text").to_owned();
    let each = |group: &Json| {
        let users = group["user-name"].as_array().map(|all| all.iter().map(text).collect());
        (text(&group["name"]), users.unwrap_or_default())
    };
    read["groups"]["group"].as_array().map(|all| all.iter().map(each).collect()).unwrap_or_default()
}

fn are(bench: &Bench, expected: &[(&str, &[&str])]) {
    let expected: Vec<(String, Vec<String>)> = expected
        .iter()
        .map(|(name, users)| ((*name).to_owned(), users.iter().map(|user| (*user).to_owned()).collect()))
        .collect();
    assert_eq!(groups(bench), expected);
}

/// RFC 8341: a name that is known gives nobody rights. Who may undo it by hand may take it back.
#[tokio::test]
async fn who_knows_the_name_of_anothers_commit_takes_back_what_they_may_write() {
    const ENTRY: &str = "/irtf-agent:data-params[id='w']";
    let bench = Bench::new().await;
    let rule = json!({"name": "own", "path": "/irtf-agent:data-params", "access-operations": "*", "action": "permit"});
    let list = json!({"ietf-netconf-acm:rule-list": [{"name": "ops", "group": ["ops"], "rule": [rule]}]});
    let rules = edit(Operation::Create, &format!("{LISTS}[name='ops']"), Some(list));
    write(&bench, Datastore::Running, vec![group(Operation::Create, "ops", &["ann"]), rules]).await;
    let entry = json!({"irtf-agent:data-params": [{"id": "w", "dataType": "text"}]});
    commit(&bench, vec![edit(Operation::Create, ENTRY, Some(entry))], false).await;
    let path = edit(Operation::Remove, ENTRY, None).path;
    let by = async |user: &str| {
        let management = Management::CancelCommit { persist_id: Some("t".to_owned()) };
        bench.engine.manage(&principal(user), management).await.map(drop)
    };
    let refused = by("eve").await.expect_err("no rule lets eve write");
    assert_eq!(refused.tag.as_str(), "access-denied", "{refused}");
    assert!(bench.read_in(Datastore::Running, "admin", &path).is_ok());
    by("ann").await.expect("ann may write it");
    assert!(bench.read_in(Datastore::Running, "admin", &path).is_err());
}

#[tokio::test]
async fn what_others_wrote_beside_inside_and_around_it_stays() {
    use Operation::{Create, Delete, Merge, Replace};
    let bench = Bench::empty();
    write(&bench, Datastore::Running, ["a", "b", "c", "d"].map(|name| group(Create, name, &["u"])).into())
        .await;
    let own = vec![
        group(Merge, "a", &["own"]),
        group(Delete, "b", &[]),
        group(Delete, "c", &[]),
        group(Create, "n", &["own"]),
        group(Create, "o", &["own"]),
    ];
    commit(&bench, own, false).await;
    write(&bench, Datastore::Running, vec![group(Merge, "a", &["theirs"])]).await;
    write(&bench, Datastore::Running, vec![group(Create, "b", &["new"])]).await;
    write(&bench, Datastore::Running, vec![group(Delete, "d", &[])]).await;
    write(&bench, Datastore::Running, vec![group(Merge, "n", &["theirs"])]).await;
    write(&bench, Datastore::Running, vec![group(Replace, "o", &["theirs"])]).await;
    write(&bench, Datastore::Running, vec![group(Create, "p", &["theirs"])]).await;
    commit(&bench, vec![group(Create, "q", &["own"])], true).await;
    write(&bench, Datastore::Running, vec![group(Delete, "q", &[])]).await;
    cancel(&bench).await;
    let expected: [(&str, &[&str]); 5] =
        [("a", &["u", "theirs"]), ("b", &["new"]), ("c", &["u"]), ("o", &["theirs"]), ("p", &["theirs"])];
    are(&bench, &expected);
}

#[tokio::test]
async fn who_is_taken_out_of_a_group_meanwhile_stays_out_after_an_empty_commit_and_a_start() {
    let bench = Bench::empty();
    write(&bench, Datastore::Running, vec![group(Operation::Create, "g", &["eve", "bob"])]).await;
    commit(&bench, Vec::new(), false).await;
    write(&bench, Datastore::Running, vec![group(Operation::Replace, "g", &["bob"])]).await;
    let bench = bench.restart().await;
    are(&bench, &[("g", &["bob"])]);
    let bench = bench.restart().await;
    are(&bench, &[("g", &["bob"])]);
}

#[tokio::test]
async fn a_rule_list_of_others_keeps_its_place_without_what_the_commit_put_beside_it() {
    use agentconf::yang::tree::{Insert, Key};
    let list = |name: &str, insert: Option<Insert>| {
        let body = json!({"ietf-netconf-acm:rule-list": [{"name": name, "group": ["g"]}]});
        Edit { insert, ..edit(Operation::Create, &format!("{LISTS}[name='{name}']"), Some(body)) }
    };
    let bench = Bench::empty();
    write(&bench, Datastore::Running, vec![list("a", None), list("z", None)]).await;
    commit(&bench, vec![list("own", Some(Insert::After(Key::string("a"))))], false).await;
    for (name, place) in [("m", Insert::After(Key::string("own"))), ("l", Insert::Before(Key::string("own")))]
    {
        write(&bench, Datastore::Running, vec![list(name, Some(place))]).await;
    }
    cancel(&bench).await;
    let read = bench.read_in(Datastore::Running, "admin", &plain(&[&nacm::NACM])).expect("it is there");
    let names: Vec<&str> = read["rule-list"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|list| list["name"].as_str())
        .collect();
    let place = |name| names.iter().position(|other| *other == name).expect("it stays");
    assert_eq!(names.len(), 4, "{names:?}");
    assert!(place("a") < place("m") && place("m") < place("z") && place("l") < place("z"), "{names:?}");
}
