//! Changing data resources: POST, PUT, PATCH and DELETE (RFC 8040 sections 4.4 to 4.7).
//!
//! Each becomes one edit with its preconditions, which the engine judges in the same step. Nothing here looks
//! at the datastore beforehand.

use axum::http::StatusCode;
use axum::http::header::{HeaderValue, LOCATION};
use axum::response::Response;

use super::errors::Refusal;
use super::home::Home;
use super::media::Encoding;
use super::params::{InsertAt, Place};
use super::request::{Asked, decode_options};
use super::{answer, conditions, data};
use crate::datastore::edit::{Edit, Operation};
use crate::engine::{Content, EditMetadata, EditReply, EditRequest, Engine, Precondition, Refused, Test};
use crate::yang::decode::DecodeOptions;
use crate::yang::error::{Error, Layer, Tag};
use crate::yang::generated::SCHEMA;
use crate::yang::path::{InstancePath, Selector, Step};
use crate::yang::resource::{self, ResourcePath};
use crate::yang::schema::Kind;
use crate::yang::tree::{Child, Container, Insert, Key};

/// POST: a new child of the resource `parent`.
pub async fn create(
    engine: &Engine,
    mut asked: Asked,
    home: &Home,
    parent: InstancePath,
) -> Result<Response, Refusal> {
    let insert = asked.params(Place::Insert)?.insert;
    let mut preconditions = conditions::of_edit(&asked.headers, &parent)?;
    let (encoding, body) = body(engine, &mut asked).await?;
    let (content, defaults, txids) = decode_below(engine, encoding, &body, &parent)?;
    preconditions.extend(txids);
    let (path, value, is_default) =
        only_child(content, defaults, &parent).map_err(|e| e.at(parent.clone()))?;
    let insert = place(insert, &path, engine)?;
    let mut edits =
        vec![Edit { operation: Operation::Create, path: path.clone(), value: Some(value), insert }];
    // RFC 6243 section 4.5.2: it must not have been set, and is not set afterwards.
    edits.extend(is_default.then(|| removal(path.clone())));
    let reply = engine.edit(&asked.principal, request(home, edits, preconditions)).await;
    let reply = reply.map_err(|e| refusal(engine, &asked, home, &parent, e))?;
    let mut response = answered(engine, &asked, home, &path, &reply, answer::empty(StatusCode::CREATED));
    if let Ok(location) =
        HeaderValue::try_from(asked.uri(&format!("{}{}", home.prefix, resource::format(&path))))
    {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// PUT: the resource, whether it exists or not.
pub async fn replace(
    engine: &Engine,
    mut asked: Asked,
    home: &Home,
    path: InstancePath,
) -> Result<Response, Refusal> {
    let insert = asked.params(Place::Insert)?.insert;
    let mut preconditions = conditions::of_edit(&asked.headers, &path)?;
    let insert = place(insert, &path, engine)?;
    let (encoding, body) = body(engine, &mut asked).await?;
    let (value, defaults, txids) = decode(engine, encoding, &body, &path)?;
    preconditions.extend(txids);
    let is_default = defaults.iter().any(|default| default.steps == path.steps);
    // An empty container without presence is not there afterwards.
    let is_absent =
        exists(&path).is_none() && matches!(&value, Child::Container(inside) if inside.is_empty());
    let edits = match is_default {
        true => vec![removal(path.clone())],
        // Other nodes that are to have their defaults are simply not in it.
        false => vec![Edit { operation: Operation::Replace, path: path.clone(), value: Some(value), insert }],
    };
    let reply = engine.edit(&asked.principal, request(home, edits, preconditions)).await;
    let reply = reply.map_err(|e| e.error)?;
    let created = !is_default && !is_absent && reply.created.first() == Some(&true);
    let status = if created { StatusCode::CREATED } else { StatusCode::NO_CONTENT };
    Ok(answered(engine, &asked, home, &path, &reply, answer::empty(status)))
}

/// PATCH, the plain one: merged into the resource, which has to exist.
pub async fn merge(
    engine: &Engine,
    mut asked: Asked,
    home: &Home,
    path: InstancePath,
) -> Result<Response, Refusal> {
    asked.params(Place::Nowhere)?;
    let mut preconditions = conditions::of_edit(&asked.headers, &path)?;
    let (encoding, body) = body(engine, &mut asked).await?;
    let (value, defaults, txids) = decode(engine, encoding, &body, &path)?;
    preconditions.extend(txids);
    // RFC 8040 section 4.6.1: PATCH does not create its target.
    preconditions.extend(exists(&path).map(|target| Precondition::Matches(target, Vec::new())));
    let mut edits =
        vec![Edit { operation: Operation::Merge, path: path.clone(), value: Some(value), insert: None }];
    edits.extend(defaults.into_iter().map(removal));
    let reply = engine.edit(&asked.principal, request(home, edits, preconditions)).await;
    let reply = reply.map_err(|e| refusal(engine, &asked, home, &path, e))?;
    Ok(answered(engine, &asked, home, &path, &reply, answer::empty(StatusCode::NO_CONTENT)))
}

/// DELETE.
pub async fn delete(
    engine: &Engine,
    asked: Asked,
    home: &Home,
    path: InstancePath,
) -> Result<Response, Refusal> {
    asked.params(Place::Nowhere)?;
    let preconditions = conditions::of_edit(&asked.headers, &path)?;
    let edit = Edit { operation: Operation::Delete, path: path.clone(), value: None, insert: None };
    let reply = engine.edit(&asked.principal, request(home, vec![edit], preconditions)).await;
    reply.map_err(|e| refusal(engine, &asked, home, &path, e))?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

fn request(home: &Home, edits: Vec<Edit>, preconditions: Vec<Precondition>) -> EditRequest {
    EditRequest { datastore: home.edited(), test: Test::AtCommit, edits, preconditions }
}

/// Instances that are to have their defaults.
type Defaults = Vec<(InstancePath, Child)>;

/// The children in a body that are to be created, without what is to have its default, and the conditions in it.
fn decode_below(
    engine: &Engine,
    encoding: Encoding,
    body: &[u8],
    parent: &InstancePath,
) -> Result<(Container, Defaults, Vec<Precondition>), Error> {
    let said = EditMetadata::new(&SCHEMA);
    let options = DecodeOptions { keep_empty: true, ..decode_options(engine, Some(&said)) };
    let content = answer::decode_below(encoding, body, parent, &options)?;
    let (defaults, txids) = said.into_parts();
    Ok((content, defaults, txids))
}

/// The instance in a body, what in it is to be set to its default, and the conditions in it.
fn decode(
    engine: &Engine,
    encoding: Encoding,
    body: &[u8],
    path: &InstancePath,
) -> Result<(Child, Vec<InstancePath>, Vec<Precondition>), Error> {
    let said = EditMetadata::new(&SCHEMA);
    let value = answer::decode(encoding, body, path, &decode_options(engine, Some(&said)))?;
    let (defaults, txids) = said.into_parts();
    Ok((value, defaults.into_iter().map(|(path, _)| path).collect(), txids))
}

/// A node whose default is in use is a node that is not set.
fn removal(path: InstancePath) -> Edit {
    Edit { operation: Operation::Remove, path, value: None, insert: None }
}

async fn body(engine: &Engine, asked: &mut Asked) -> Result<(Encoding, axum::body::Bytes), Refusal> {
    asked.body(engine).await?.ok_or_else(|| {
        let error =
            Error::protocol(Tag::MalformedMessage, "a body with the content of the resource is expected");
        Error { layer: Layer::Rpc, ..error }.into()
    })
}

/// RFC 8040 section 4.4.1: "exactly one instance of the expected data resource", and whether it is to have its default.
fn only_child(
    content: Container,
    defaults: Defaults,
    parent: &InstancePath,
) -> Result<(InstancePath, Child, bool), Error> {
    let wrong = || {
        Error::protocol(Tag::InvalidValue, "the body has to have exactly one child of the target resource")
    };
    let is_child = |(path, _): &(InstancePath, Child)| path.steps.len() == parent.steps.len() + 1;
    let mut tagged = defaults.into_iter().filter(is_child);
    let mut children = content.iter();
    let (node, child) = match (children.next(), tagged.next()) {
        (None, Some((path, child))) if tagged.next().is_none() => return Ok((path, child, true)),
        (Some(found), None) if children.next().is_none() => found,
        _ => return Err(wrong()),
    };
    let (step, child) = match child {
        Child::List(list) => {
            let mut entries = list.iter();
            let (Some(entry), None) = (entries.next(), entries.next()) else { return Err(wrong()) };
            let key = entry.key(node).ok_or_else(wrong)?;
            (Step { node, selector: Selector::Key(key) }, Child::Container(entry))
        }
        Child::LeafList(values) => {
            let [value] = values.as_slice() else { return Err(wrong()) };
            (Step { node, selector: Selector::Value(value.clone()) }, Child::Leaf(value.clone()))
        }
        Child::Leaf(_) | Child::Container(_) | Child::Any(_) => (Step::plain(node), child.clone()),
    };
    Ok((parent.child(step), child, false))
}

/// Where a new or moved entry goes (RFC 8040 sections 4.8.5 and 4.8.6).
fn place(insert: Option<InsertAt>, path: &InstancePath, engine: &Engine) -> Result<Option<Insert>, Refusal> {
    let Some(insert) = insert else { return Ok(None) };
    let wrong = |message: String| Refusal::from(Error::protocol(Tag::InvalidValue, message));
    let Some((last, above)) = path.steps.split_last().filter(|(last, _)| last.node.user_ordered()) else {
        return Err(wrong("\"insert\" is for entries of lists that are ordered by the user".into()));
    };
    let neighbour = |point: &str| {
        let text = point.strip_prefix('/').unwrap_or(point);
        let parsed = resource::parse(text, &SCHEMA, engine.limits().depth_max)
            .map_err(|e| wrong(format!("\"point\" at offset {}: {}", e.offset, e.message)))?;
        match parsed {
            ResourcePath::Data(point) => match point.steps.split_last() {
                Some((Step { node, selector: Selector::Key(key) }, around))
                    if *node == last.node && around == above =>
                {
                    Ok(key.clone())
                }
                Some((Step { node, selector: Selector::Value(value) }, around))
                    if *node == last.node && around == above =>
                {
                    Ok(Key::new(vec![value.clone()]))
                }
                _ => Err(wrong(format!("\"point\" has to be another entry of \"{}\" here", last.node.name))),
            },
            ResourcePath::Action(..) => Err(wrong("\"point\" is an action".into())),
        }
    };
    Ok(Some(match insert {
        InsertAt::First => Insert::First,
        InsertAt::Last => Insert::Last,
        InsertAt::Before(point) => Insert::Before(neighbour(&point)?),
        InsertAt::After(point) => Insert::After(neighbour(&point)?),
    }))
}

/// The instance whose existence is that of `path`. A container without presence always exists if what it is in
/// does (RFC 7950 section 7.5.1); `None` if nothing is needed.
pub fn exists(path: &InstancePath) -> Option<InstancePath> {
    let always = |step: &&Step| matches!(step.node.kind, Kind::Container { presence: false });
    let count = path.steps.len() - path.steps.iter().rev().take_while(always).count();
    let steps = path.steps.get(..count).filter(|steps| !steps.is_empty())?;
    Some(InstancePath { steps: steps.to_vec() })
}

/// 404 if a precondition did not hold because there is no target: without the target the request would have
/// come to nothing in any case, so its conditions are not looked at (RFC 9110 section 13.2.1).
pub fn missing_target(
    engine: &Engine,
    asked: &Asked,
    home: &Home,
    target: &InstancePath,
    refused: &Refused,
) -> Option<Refusal> {
    let needed = exists(target).filter(|_| refused.is_failed_precondition())?;
    let error = engine.read(&asked.principal, home.datastore, &needed, Content::All).err()?;
    (error.tag == Tag::DataMissing).then(|| Refusal::from(error).into_not_found())
}

/// The answer to an edit of a `target` that has to exist.
fn refusal(engine: &Engine, asked: &Asked, home: &Home, target: &InstancePath, refused: Refused) -> Refusal {
    missing_target(engine, asked, home, target, &refused).unwrap_or_else(|| target_missing(refused, target))
}

/// 404 if what the edit itself missed is the resource that was asked for, or something it is in. What would be
/// missing after the edit is another matter.
fn target_missing(refused: Refused, target: &InstancePath) -> Refusal {
    match refused.edit.is_some() && is_missing(&refused.error, target) {
        true => Refusal::from(refused.error).into_not_found(),
        false => refused.error.into(),
    }
}

/// Whether what an edit of `target` missed is that, or something it is in.
pub fn is_missing(error: &Error, target: &InstancePath) -> bool {
    let around = error.path.as_ref().is_some_and(|path| target.steps.starts_with(&path.steps));
    error.tag == Tag::DataMissing && error.app_tag.is_none() && around
}

/// The answer to an edit that was made, with the entity tag that the resource has got by it.
pub fn answered(
    engine: &Engine,
    asked: &Asked,
    home: &Home,
    path: &InstancePath,
    reply: &EditReply,
    mut response: Response,
) -> Response {
    let encoding = Encoding::accepted(&asked.headers, path.node()).unwrap_or(Encoding::Json);
    // A newer revision is somebody else's, and its tag would let the client overwrite what it has not seen.
    let found = engine.read(&asked.principal, home.datastore, path, Content::All).ok();
    let found = found.filter(|found| found.revision <= reply.revision);
    let tag = found.map(|found| conditions::entity_tag(found.revision, encoding, false));
    data::validators(&mut response, tag, path.steps.is_empty().then_some(reply.changed_at));
    response
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn path(text: &str) -> InstancePath {
        match resource::parse(text, &SCHEMA, 16) {
            Ok(ResourcePath::Data(path)) => path,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn containers_without_presence_always_exist() {
        assert_eq!(exists(&path("irtf-agent:tasks")), None);
        assert_eq!(exists(&path("")), None);
        let skill = path("irtf-agent:agent/skills/skill=s");
        assert_eq!(exists(&skill).as_ref(), Some(&skill));
        let leaf = path("irtf-agent:agent/name");
        assert_eq!(exists(&leaf).as_ref(), Some(&leaf));
    }

    #[test]
    fn only_what_is_missing_around_the_target_makes_it_missing() {
        let target = path("irtf-agent:agent/skills/skill=s");
        let missing = |at: &str| Error::application(Tag::DataMissing, "").at(path(at));
        let of = |edit, error| target_missing(Refused { edit, error }, &target).status().as_u16();
        let status = |error| of(Some(0), error);
        assert_eq!(status(missing("irtf-agent:agent/skills/skill=s")), 404);
        assert_eq!(status(missing("irtf-agent:agent/skills")), 404);
        assert_eq!(status(missing("irtf-agent:agent/name")), 409);
        assert_eq!(status(missing("irtf-agent:agent/skills").app_tag("instance-required")), 409);
        assert_eq!(status(Error::application(Tag::DataMissing, "")), 409);
        assert_eq!(of(None, missing("irtf-agent:agent/skills/skill=s")), 409, "after the edit");
    }
}
