//! `edit-config` (RFC 6241 section 7.2) and `edit-data` (RFC 8526 section 3.2).
//!
//! Whether an edit can be made is not known here.

use super::{Call, EditData, OnError, Request, datastore, given, missing, no_datastore};
use crate::engine::{Datastore, Test};
use crate::netconf::NAMESPACE;
use crate::netconf::edit::{self, Default};
use crate::yang::decode::DecodeOptions;
use crate::yang::error::{Error, Tag};
use crate::yang::generated::ietf_netconf::{
    EditConfigInput, EditConfigInputDefaultOperation as DefaultOperation,
    EditConfigInputErrorOption as ErrorOption, EditConfigInputTestOption as TestOption, nodes as netconf,
};
use crate::yang::generated::ietf_netconf_nmda::{
    EditDataInput, EditDataInputDefaultOperation, nodes as nmda,
};
use crate::yang::schema::Node;
use crate::yang::xml::parse::{Element, document};

pub(super) fn edit_config(mut call: Call<'_, '_>) -> Result<Request, Error> {
    let (engine, principal, options) = (call.engine, call.principal, call.options);
    let (operation, config) = (call.operation, call.take("config")?);
    let data = call.input(taken(&config, &[&netconf::EDIT_CONFIG_INPUT_EDIT_CONTENT_CONFIG_CONFIG]))?;
    let explicit_test = data.get(&netconf::EDIT_CONFIG_INPUT_TEST_OPTION).is_some();
    let input: EditConfigInput = given(&data)?;
    let target = [input.target.candidate, input.target.running, None];
    let datastore = datastore(engine, principal, target, "target")?;
    let default = match input.default_operation {
        DefaultOperation::Merge => Default::Merge,
        DefaultOperation::Replace => Default::Replace,
        DefaultOperation::None => Default::None,
    };
    let test = match input.test_option {
        TestOption::TestOnly => Test::Only,
        TestOption::TestThenSet if explicit_test => Test::First,
        TestOption::TestThenSet | TestOption::Set => Test::AtCommit,
    };
    let on_error = match input.error_option {
        ErrorOption::StopOnError => OnError::Stop,
        ErrorOption::ContinueOnError => OnError::Continue,
        ErrorOption::RollbackOnError => OnError::Rollback,
    };
    let with_etag = input.with_etag == Some(true);
    let edit = EditData { datastore, edits: Vec::new(), known: Vec::new(), test, on_error, with_etag };
    let url = input.url.map(|url| Call::url(principal, url)).transpose()?;
    filled(edit, config, url, default, operation, &options)
}

pub(super) fn edit_data(mut call: Call<'_, '_>) -> Result<Request, Error> {
    let (engine, principal, options) = (call.engine, call.principal, call.options);
    let (operation, config) = (call.operation, call.take("config")?);
    let data = call.input(taken(&config, &[&nmda::EDIT_DATA_INPUT_EDIT_CONTENT_CONFIG_CONFIG]))?;
    let input: EditDataInput = given(&data)?;
    let default = match input.default_operation {
        EditDataInputDefaultOperation::Merge => Default::Merge,
        EditDataInputDefaultOperation::Replace => Default::Replace,
        EditDataInputDefaultOperation::None => Default::None,
    };
    let datastore = match Datastore::named(input.datastore) {
        Some(datastore @ (Datastore::Running | Datastore::Candidate(_))) => {
            engine.meant(principal, datastore)
        }
        _ => return Err(no_datastore("datastore")),
    };
    let with_etag = input.with_etag == Some(true);
    // RFC 8526 section 3.2: it is all or nothing.
    let (test, on_error) = (Test::AtCommit, OnError::Rollback);
    let edit = EditData { datastore, edits: Vec::new(), known: Vec::new(), test, on_error, with_etag };
    let url = input.url.map(|url| Call::url(principal, url)).transpose()?;
    filled(edit, config, url, default, operation, &options)
}

fn taken<'n>(config: &Option<Element<'_>>, node: &'n [&'static Node; 1]) -> &'n [&'static Node] {
    if config.is_some() { node } else { &[] }
}

fn filled(
    edit: EditData,
    config: Option<Element<'_>>,
    url: Option<String>,
    default: Default,
    operation: &Node,
    options: &DecodeOptions<'_>,
) -> Result<Request, Error> {
    match (config, url) {
        (Some(config), None) => edit.with(config, default, options).map(Request::Edit),
        (None, Some(url)) => Ok(Request::EditFrom { url, default, edit }),
        _ => Err(missing("config", operation)),
    }
}

impl EditData {
    /// The same with the edits that a `<config>` asks for.
    ///
    /// # Errors
    /// It does not fit the schema.
    fn with(
        self,
        config: Element<'_>,
        default: Default,
        options: &DecodeOptions<'_>,
    ) -> Result<EditData, Error> {
        let (edits, known) = edit::edits(config, default, options)?;
        Ok(EditData { edits, known, ..self })
    }

    /// The same with the edits of a document.
    ///
    /// # Errors
    /// It is no XML, or no `<config>` that fits the schema.
    pub fn with_document(self, text: &[u8], default: Default, depth_max: usize) -> Result<EditData, Error> {
        let options = DecodeOptions { depth_max, ..DecodeOptions::default() };
        self.with(config(text, depth_max)?, default, &options)
    }
}

/// The root of a document with configuration (RFC 6241 sections 7.2 and 8.8): `<config>`.
///
/// # Errors
/// It is no XML, or another element.
pub fn config(text: &[u8], depth_max: usize) -> Result<Element<'_>, Error> {
    let root = document(text, depth_max)?;
    if root.name == "config" && root.namespace.as_ref() == NAMESPACE {
        return Ok(root);
    }
    let message = format!("what is there is not <config xmlns=\"{NAMESPACE}\"> but <{}>", root.name);
    Err(Error::protocol(Tag::InvalidValue, message))
}
