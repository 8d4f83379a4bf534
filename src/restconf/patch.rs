//! YANG Patch (RFC 8072): a list of edits of a resource that all happen or none does, each with a status
//! of its own.
//!
//! A patch becomes one request to the engine. Nothing here judges what an edit does to the datastore.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use axum::response::Response;

use super::errors::{self, Refusal};
use super::home::Home;
use super::media::Encoding;
use super::params::Place;
use super::request::{Asked, decode_options};
use super::{answer, conditions, data, edit};
use crate::datastore::edit::{Edit, Operation};
use crate::engine::{EditRequest, Engine, Precondition, Refused, Test};
use crate::yang::decode::DecodeOptions;
use crate::yang::encode::EncodeOptions;
use crate::yang::error::{Error, Tag};
use crate::yang::generated::SCHEMA;
use crate::yang::generated::ietf_yang_patch::{
    Edit as PatchEdit, EditStatus, EditStatusEdit, EditStatusEditErrors, Errors, Operation as PatchOperation,
    Where, YangPatch, YangPatchStatus, nodes,
};
use crate::yang::model::Modelled;
use crate::yang::path::{InstancePath, Selector, Step};
use crate::yang::recast::recast;
use crate::yang::resource::{self, ResourcePath};
use crate::yang::tree::{AnyData, Child, Container, Insert, Key};
use crate::yang::{json, xml};

/// PATCH with a YANG Patch in `encoding`: the edits of the resource `target`, which has to exist
/// (RFC 5789 section 2, RFC 8072 section 2.1).
pub async fn apply(
    engine: &Engine,
    mut asked: Asked,
    home: &Home,
    target: InstancePath,
    encoding: Encoding,
) -> Result<Response, Refusal> {
    asked.params(Place::Nowhere)?;
    let answer_in = asked.encoding(None)?;
    let mut preconditions = conditions::of_edit(&asked.headers, &target)?;
    let body = asked.octets(engine).await?;
    let (patch, edits) = {
        let options = decode_options(engine, None);
        read(encoding, &body, asked.path_below(&home.prefix), &target, &options)?
    };
    // RFC 8072 sections 2 and 3: both belong in records for an audit.
    let (id, comment) = (start(&patch.patch_id), patch.comment.as_deref().map(start));
    tracing::info!(user = %asked.principal.name, patch = id, ?comment, edits = patch.edit.len(), "a YANG Patch");
    let edits = match edits {
        Ok(edits) => edits,
        Err((number, error)) => return Ok(status(&patch, Outcome::Edit(number, error), answer_in)),
    };
    preconditions.extend(edit::exists(&target).map(|target| Precondition::Matches(target, Vec::new())));
    let paths: Vec<InstancePath> = edits.iter().map(|edit| edit.path.clone()).collect();
    let request = EditRequest { datastore: home.edited(), test: Test::AtCommit, edits, preconditions };
    match engine.edit(&asked.principal, request).await {
        Ok(reply) => {
            let response = status(&patch, Outcome::Done, answer_in);
            Ok(edit::answered(engine, &asked, home, &target, &reply, response))
        }
        Err(refused) => match (edit::missing_target(engine, &asked, home, &target, &refused), refused) {
            (Some(missing), _) => Err(missing),
            (None, Refused { edit: Some(number), error }) => {
                let mut response = status(&patch, Outcome::Edit(number, error.clone()), answer_in);
                // RFC 8072 section 2.2; what is created need not be there.
                let creates = |edit: &PatchEdit| {
                    matches!(edit.operation, PatchOperation::Create | PatchOperation::Insert)
                };
                if paths.get(number).is_some_and(|path| edit::is_missing(&error, path))
                    && !patch.edit.get(number).is_some_and(creates)
                {
                    *response.status_mut() = StatusCode::NOT_FOUND;
                }
                Ok(response)
            }
            (None, Refused { edit: None, error }) => Ok(status(&patch, Outcome::Global(error), answer_in)),
        },
    }
}

/// As much of a text as a log takes.
fn start(text: &str) -> &str {
    const LOGGED_CHARS: usize = 100;
    text.char_indices().nth(LOGGED_CHARS).map_or(text, |(end, _)| text.get(..end).unwrap_or_default())
}

/// All edits of a patch, or the number of the first that is wrong and why.
pub type Edits = Result<Vec<Edit>, (usize, Error)>;

/// A YANG Patch of the resource `target`, whose path was asked for as `base`, and what it asks for.
///
/// # Errors
/// It is no YANG Patch.
pub fn read(
    encoding: Encoding,
    body: &[u8],
    base: &str,
    target: &InstancePath,
    options: &DecodeOptions<'_>,
) -> Result<(YangPatch, Edits), Error> {
    let (patch, values) = decode(encoding, body, options)?;
    let edits = Reading { base, target, options }.edits(&patch, &values);
    Ok((patch, edits))
}

/// The patch, and the values of its edits in the encoding in which they came.
fn decode(
    encoding: Encoding,
    body: &[u8],
    options: &DecodeOptions<'_>,
) -> Result<(YangPatch, Vec<Option<AnyData>>), Error> {
    let place = InstancePath { steps: vec![Step::plain(&nodes::YANG_PATCH)] };
    let options = DecodeOptions { allow_state: true, ..*options };
    let decoded = match encoding {
        Encoding::Json | Encoding::Cbor(_) => json::decode_one(body, &place, &SCHEMA, &options),
        Encoding::Xml => xml::decode_one(body, &place, &SCHEMA, &options),
    };
    let Child::Container(patch) = decoded? else {
        return Err(Error::protocol(Tag::InvalidValue, "a yang-patch is expected"));
    };
    let edits = patch.list(&nodes::YANG_PATCH_EDIT).into_iter().flat_map(|edits| edits.iter());
    let value = |edit: std::sync::Arc<Container>| match edit.get(&nodes::YANG_PATCH_EDIT_VALUE) {
        Some(Child::Any(value)) => Some(value.clone()),
        _ => None,
    };
    let values = edits.map(value).collect();
    let patch = YangPatch::from_data(&patch)
        .map_err(|e| Error::protocol(Tag::MissingElement, e.to_string()).info("bad-element", e.node.name))?;
    Ok((patch, values))
}

/// What the edits of one patch have in common.
struct Reading<'a> {
    /// The path of the resource that is patched, as it was asked for.
    base: &'a str,
    target: &'a InstancePath,
    options: &'a DecodeOptions<'a>,
}

impl Reading<'_> {
    /// All edits, or the number of the first that is wrong and why.
    fn edits(&self, patch: &YangPatch, values: &[Option<AnyData>]) -> Result<Vec<Edit>, (usize, Error)> {
        let mut identifiers = BTreeSet::new();
        let mut read =
            |edit: &PatchEdit, value: &Option<AnyData>| match identifiers.insert(edit.edit_id.clone()) {
                true => self.edit(edit, value.as_ref()),
                false => Err(Error::protocol(Tag::InvalidValue, "another edit has the same edit-id")
                    .info("bad-element", "edit-id")),
            };
        let edits = patch.edit.iter().zip(values).enumerate();
        edits.map(|(number, (edit, value))| read(edit, value).map_err(|error| (number, error))).collect()
    }

    fn edit(&self, edit: &PatchEdit, value: Option<&AnyData>) -> Result<Edit, Error> {
        let path = self.resource(&edit.target, "target")?;
        if path.steps.is_empty() {
            // RFC 8072 section 2.4: the target is a data resource and not the datastore.
            return Err(Error::protocol(Tag::InvalidValue, "the target of an edit cannot be the datastore")
                .info("bad-element", "target"));
        }
        if data::is_whole_list(&path) {
            // RFC 8072 section 2.2: exactly one instance.
            let message = "the target of an edit is one entry, so it needs the keys or the value of that";
            return Err(Error::protocol(Tag::InvalidValue, message).at(path).info("bad-element", "target"));
        }
        let operation = match edit.operation {
            PatchOperation::Create | PatchOperation::Insert => Operation::Create,
            PatchOperation::Merge => Operation::Merge,
            PatchOperation::Move => Operation::Move,
            PatchOperation::Replace => Operation::Replace,
            PatchOperation::Delete => Operation::Delete,
            PatchOperation::Remove => Operation::Remove,
        };
        let ordered = matches!(edit.operation, PatchOperation::Insert | PatchOperation::Move);
        let insert = match ordered {
            true => Some(self.place(edit, &path)?),
            false if edit.where_.is_some() || edit.point.is_some() => {
                let message = "only insert and move have \"where\" and \"point\"";
                return Err(Error::protocol(Tag::UnknownElement, message).info("bad-element", "where"));
            }
            false => None,
        };
        let wants_value = !matches!(operation, Operation::Delete | Operation::Remove | Operation::Move);
        let value = match (value, wants_value) {
            (Some(value), true) => Some(self.value(value, &path)?),
            (None, false) => None,
            (None, true) => {
                let message = format!("{} needs a value", edit.operation.as_str());
                return Err(Error::protocol(Tag::MissingElement, message).info("bad-element", "value"));
            }
            (Some(_), false) => {
                let message = format!("{} has no value", edit.operation.as_str());
                return Err(Error::protocol(Tag::UnknownElement, message).info("bad-element", "value"));
            }
        };
        Ok(Edit { operation, path, value, insert })
    }

    /// The instance that a resource offset leads to from the target of the patch.
    fn resource(&self, offset: &str, element: &str) -> Result<InstancePath, Error> {
        let wrong = |message: String| {
            Error::protocol(Tag::InvalidValue, format!("\"{element}\": {message}"))
                .info("bad-element", element)
        };
        let below = match offset.strip_prefix('/') {
            Some("") => return Ok(self.target.clone()),
            Some(below) => below,
            None => return Err(wrong("it has to begin with \"/\"".into())),
        };
        let text = match self.base {
            "" => below.to_owned(),
            base => format!("{base}/{below}"),
        };
        let found = resource::parse(&text, &SCHEMA, self.options.depth_max);
        let found = found.map_err(|e| {
            let offset = (e.offset + offset.len()).saturating_sub(text.len());
            wrong(format!("at offset {offset}: {}", e.message))
        })?;
        match found {
            ResourcePath::Data(path) => Ok(path),
            ResourcePath::Action(..) => Err(wrong("it is an action".into())),
        }
    }

    /// The content of an edit: one member, which is the target.
    fn value(&self, value: &AnyData, path: &InstancePath) -> Result<Child, Error> {
        match value {
            AnyData::Json(value) => {
                json::decode_one(value.to_string().as_bytes(), path, &SCHEMA, self.options)
            }
            AnyData::Xml(text) => xml::decode_one(text.trim().as_bytes(), path, &SCHEMA, self.options),
        }
    }

    /// RFC 8072 section 2.4: last, unless "where" says otherwise.
    fn place(&self, edit: &PatchEdit, path: &InstancePath) -> Result<Insert, Error> {
        let Some((last, above)) = path.steps.split_last().filter(|(last, _)| last.node.user_ordered()) else {
            let message = "only entries of lists that are ordered by the user have a place";
            return Err(Error::protocol(Tag::BadElement, message).info("bad-element", "operation"));
        };
        let neighbour = || -> Result<Key, Error> {
            let point = edit.point.as_deref().ok_or_else(|| {
                Error::protocol(Tag::MissingElement, "before and after need a \"point\"")
                    .info("bad-element", "point")
            })?;
            let point = self.resource(point, "point")?;
            let key = match point.steps.split_last() {
                Some((step, around)) if step.node == last.node && around == above => match &step.selector {
                    Selector::Key(key) => Some(key.clone()),
                    Selector::Value(value) => Some(Key::new(vec![value.clone()])),
                    Selector::None | Selector::Position(_) => None,
                },
                _ => None,
            };
            let message = format!("\"point\" has to be another entry of \"{}\" here", last.node.name);
            key.ok_or_else(|| Error::protocol(Tag::InvalidValue, message).info("bad-element", "point"))
        };
        let place = edit.where_.unwrap_or(Where::Last);
        if edit.point.is_some() && matches!(place, Where::First | Where::Last) {
            let message = "\"point\" needs a \"where\" that is before or after";
            return Err(Error::protocol(Tag::UnknownElement, message).info("bad-element", "point"));
        }
        match place {
            Where::First => Ok(Insert::First),
            Where::Last => Ok(Insert::Last),
            Where::Before => neighbour().map(Insert::Before),
            Where::After => neighbour().map(Insert::After),
        }
    }
}

/// What became of a patch.
enum Outcome {
    Done,
    /// This edit was refused; those before it were not, but nothing of the patch was done.
    Edit(usize, Error),
    /// No edit by itself was at fault.
    Global(Error),
}

/// `yang-patch-status` (RFC 8072 section 2.3).
fn status(patch: &YangPatch, outcome: Outcome, encoding: Encoding) -> Response {
    let errors = |error: &Error| errors::errors(error, encoding);
    let mut said = YangPatchStatus {
        patch_id: patch.patch_id.clone(),
        errors: None,
        ok: None,
        edit_status: EditStatus::default(),
    };
    let refused = match outcome {
        Outcome::Done => {
            said.ok = Some(());
            None
        }
        Outcome::Global(error) => {
            // The same grouping gives a struct for each place, so this cannot fail.
            said.errors = recast::<_, Errors>(&errors(&error)).ok();
            Some(error)
        }
        Outcome::Edit(number, error) => {
            let reached = patch.edit.iter().take(number + 1).enumerate().map(|(at, edit)| EditStatusEdit {
                edit_id: edit.edit_id.clone(),
                ok: (at < number).then_some(()),
                errors: (at == number)
                    .then(|| recast::<_, EditStatusEditErrors>(&errors(&error)).ok())
                    .flatten(),
            });
            said.edit_status = EditStatus { edit: reached.collect() };
            Some(error)
        }
    };
    let said = Child::Container(said.to_data().into());
    let body = answer::encode(encoding, Some(YangPatchStatus::node()), &said, &EncodeOptions::default());
    let mut response = answer::ok(encoding.media_type(), body);
    if let Some(error) = refused {
        *response.status_mut() = Refusal::from(error.clone()).status();
        response.extensions_mut().insert(Told(error));
    }
    response
}

/// What an answer that has a form of its own refuses, for those who note it.
#[derive(Clone, Debug)]
pub struct Told(pub Error);
