//! Secrets in what a client writes: taken out before the writer sees them, so that no datastore, no difference and no
//! record of the log ever has one.
//!
//! What is left refers to them (`magent-access`'s type `secret`); of a private key it is `hidden-private-key` (RFC 9640).

use std::fmt;
use std::sync::Arc;

use super::request::{Invocation, Refused};
use crate::access::{Access, Principal, Reference, Rules, Settings};
use crate::datastore::edit::{Edit, Operation};
use crate::yang::error::{Error, Tag};
use crate::yang::generated::ietf_keystore::nodes as keystore;
use crate::yang::generated::magent_access::nodes;
use crate::yang::generated::magent_task::nodes as task;
use crate::yang::model;
use crate::yang::path::{InstancePath, Selector, Step};
use crate::yang::schema::Node;
use crate::yang::tree::{Child, Container, List};
use crate::yang::value::Value;

use keystore::{
    KEYSTORE_ASYMMETRIC_KEYS_ASYMMETRIC_KEY_PRIVATE_KEY_FORMAT as FORMAT,
    KEYSTORE_ASYMMETRIC_KEYS_ASYMMETRIC_KEY_PRIVATE_KEY_TYPE_CLEARTEXT_PRIVATE_KEY_CLEARTEXT_PRIVATE_KEY as CLEARTEXT,
    KEYSTORE_ASYMMETRIC_KEYS_ASYMMETRIC_KEY_PRIVATE_KEY_TYPE_HIDDEN_PRIVATE_KEY_HIDDEN_PRIVATE_KEY as HIDDEN,
};
use nodes::{
    ACCESS_API_KEYS_API_KEY_SECRET as API_KEY,
    ACCESS_TOKEN_ISSUERS_TOKEN_ISSUER_KEYS_INTROSPECTION_INTROSPECTION_CLIENT_SECRET as CLIENT,
    ACCESS_TOKEN_ISSUERS_TOKEN_ISSUER_KEYS_INTROSPECTION_INTROSPECTION_ENDPOINT as ENDPOINT,
    ACCESS_USERS_USER_PASSWORD as PASSWORD,
};

/// Longest bearer token.
const TOKEN_BYTES_MAX: usize = 4096;
/// Most secrets in one request: each password takes tens of milliseconds.
const SECRETS_MAX: usize = 256;

/// A secret that is to be kept.
#[derive(Clone, Copy)]
pub enum Secret<'a> {
    /// The password of a user.
    Password(&'a str),
    /// The hash of one by argon2id, as a PHC string.
    PasswordHash(&'a str),
    /// The secret of an API key.
    ApiKey(&'a str),
    /// What the server proves who it is to another one with.
    Client(&'a str),
    /// What it shows to a receiver of reports.
    Token(&'a str),
}

/// Where secrets are kept, and what only it knows of them.
pub trait Vault: fmt::Debug + Send + Sync {
    /// Keeps a secret, durably, or what is needed of it, for a purpose, as [`Reference::new`] has it. Takes tens of
    /// milliseconds.
    ///
    /// # Errors
    /// It is none that could be used, or cannot be written; never with the secret.
    fn keep(&self, secret: Secret<'_>, purpose: &str) -> Result<Reference, Error>;

    /// Keeps a private key in DER: PKCS #8, PKCS #1 or SEC 1. Certificates with its public key find it.
    ///
    /// # Errors
    /// It is none that could be used, or cannot be written.
    fn keep_key(&self, key: &[u8]) -> Result<(), Error>;

    /// A new secret of 256 random bits, which is not kept yet.
    ///
    /// # Errors
    /// The operating system gives none.
    fn random(&self) -> Result<String, Error>;

    /// Whether this is the secret that is kept there as it is.
    fn is(&self, reference: &Reference, secret: &str) -> bool;

    /// Whether what is referred to is kept. From now on it is used.
    ///
    /// # Errors
    /// It is not.
    fn uses(&self, reference: &Reference) -> Result<(), Error>;

    /// Whether all that these settings refer to is kept and can be used.
    ///
    /// # Errors
    /// What is not.
    fn check(&self, settings: &Settings) -> Result<(), Error>;
}

/// No vault: nothing that has a secret can be configured.
#[derive(Debug)]
pub struct NoVault;

impl Vault for NoVault {
    fn keep(&self, _: Secret<'_>, _: &str) -> Result<Reference, Error> {
        Err(Error::application(Tag::OperationNotSupported, "this server keeps no secrets"))
    }

    fn keep_key(&self, _: &[u8]) -> Result<(), Error> {
        self.keep(Secret::Client(""), "").map(drop)
    }

    fn random(&self) -> Result<String, Error> {
        self.keep(Secret::Client(""), "").map(|reference| reference.to_string())
    }

    fn is(&self, _: &Reference, _: &str) -> bool {
        false
    }

    fn uses(&self, _: &Reference) -> Result<(), Error> {
        self.keep_key(&[])
    }

    fn check(&self, settings: &Settings) -> Result<(), Error> {
        match settings.references().next() {
            None if settings.certificate.is_none() => Ok(()),
            _ => self.keep_key(&[]),
        }
    }
}

/// The bearer token in the input of an operation, and where it is sent.
pub(super) fn token(invocation: &Invocation) -> Option<(String, String)> {
    let (operation, input) = (invocation.operation, &invocation.input);
    if operation == &task::ASSIGN_TASK {
        let callback = input.container(&task::ASSIGN_TASK_INPUT_CALLBACK)?;
        text_of(callback, &task::ASSIGN_TASK_INPUT_CALLBACK_TOKEN, &task::ASSIGN_TASK_INPUT_CALLBACK_URL)
    } else if operation == &task::INTERACTION_TASKS_TASK_SUBSCRIBE {
        let (token, url) = (
            &task::INTERACTION_TASKS_TASK_SUBSCRIBE_INPUT_TOKEN,
            &task::INTERACTION_TASKS_TASK_SUBSCRIBE_INPUT_URL,
        );
        text_of(input, token, url)
    } else {
        None
    }
}

fn text_of(said: &Container, token: &Node, url: &Node) -> Option<(String, String)> {
    let text = |leaf: &Node| said.leaf(leaf).and_then(Value::as_str).map(str::to_owned);
    Some((text(token)?, text(url)?))
}

/// Puts what a token is kept under in its place.
pub(super) fn replace_token(invocation: &mut Invocation, reference: &Reference) {
    let kept = reference.to_string();
    let input = Arc::make_mut(&mut invocation.input);
    if invocation.operation != &task::ASSIGN_TASK {
        return model::put(input, &task::INTERACTION_TASKS_TASK_SUBSCRIBE_INPUT_TOKEN, &kept);
    }
    let callback = &task::ASSIGN_TASK_INPUT_CALLBACK;
    if let Some(inside) = input.container(callback) {
        let mut inside = Container::clone(inside);
        model::put(&mut inside, &task::ASSIGN_TASK_INPUT_CALLBACK_TOKEN, &kept);
        input.set(callback, Child::Container(Arc::new(inside)));
    }
}

/// Keeps a bearer token (RFC 6750 section 2.1) for a URL.
///
/// # Errors
/// It is none, or cannot be kept.
pub(super) fn keep_token(vault: &dyn Vault, token: &str, url: &str) -> Result<Reference, Error> {
    let is_of_token = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
    if token.is_empty() || token.len() > TOKEN_BYTES_MAX || !token.chars().all(is_of_token) {
        let message = "a bearer token has letters, digits and -._~+/= alone";
        return Err(Error::application(Tag::InvalidValue, message).info("bad-element", "token"));
    }
    vault.keep(Secret::Token(token), url)
}

/// Whether there are secrets in these edits, so that they take their time.
pub fn are_in(edits: &[Edit]) -> bool {
    edits.iter().any(is_in)
}

fn is_in(edit: &Edit) -> bool {
    let node = edit.path.node();
    edit.value.as_ref().is_some_and(|value| may_have(node) && has(node, value))
}

/// Refuses edits that have secrets still, which were not taken out because their user may not write them.
///
/// # Errors
/// `access-denied`.
pub(super) fn refuse(principal: &Principal, edits: &[Edit]) -> Result<(), Refused> {
    let Some((number, edit)) = edits.iter().enumerate().find(|(_, edit)| is_in(edit)) else { return Ok(()) };
    let message = format!("{} may not write all of this", principal.name);
    let error = Error::application(Tag::AccessDenied, message).at(edit.path.clone());
    Err(Refused { edit: Some(number), error })
}

/// Whether there are secrets in a whole configuration.
pub(super) fn are_in_tree(content: &Container) -> bool {
    content.iter().any(|(node, child)| may_have(Some(node)) && has(Some(node), child))
}

/// The edits without the secrets, which are kept. Those that the user may not write stay: the edit is going to be refused.
///
/// # Errors
/// A secret cannot be kept.
pub(super) fn taken_out(
    vault: &dyn Vault,
    rules: &Arc<Rules>,
    mut edits: Vec<Edit>,
) -> Result<Vec<Edit>, Refused> {
    let mut taking = Taking { vault, rules, left: SECRETS_MAX };
    let mut hidden = Vec::new();
    for (number, edit) in edits.iter_mut().enumerate() {
        let Some(value) = edit.value.take() else { continue };
        let last = edit.path.node();
        let at_fault = |error: Error| Refused { edit: Some(number), error };
        let value = taking.child(&edit.path, last, value, None).map_err(at_fault)?;
        if last == Some(&CLEARTEXT) && value == Child::Leaf(Value::Empty) {
            edit.path.steps.pop();
            hidden.push(edit.path.clone());
            edit.path.steps.push(Step::plain(&HIDDEN));
        }
        edit.value = Some(value);
    }
    // A hidden key has no format.
    for edit in &mut edits {
        let is_of_hidden = |(last, above): (&Step, &[Step])| {
            last.node == &FORMAT && hidden.iter().any(|path| path.steps == above)
        };
        if edit.path.steps.split_last().is_some_and(is_of_hidden) {
            (edit.operation, edit.value) = (Operation::Remove, None);
        }
    }
    Ok(edits)
}

/// A whole configuration without the secrets.
///
/// # Errors
/// A secret cannot be kept.
pub(super) fn taken_out_of_tree(
    vault: &dyn Vault,
    rules: &Arc<Rules>,
    content: Arc<Container>,
) -> Result<Arc<Container>, Error> {
    let mut taking = Taking { vault, rules, left: SECRETS_MAX };
    match taking.child(&InstancePath::default(), None, Child::Container(content), None)? {
        Child::Container(content) => Ok(content),
        _ => Ok(Arc::default()),
    }
}

/// Whether a node, the root if it is `None`, may have secrets in it.
fn may_have(node: Option<&Node>) -> bool {
    let roots = [&nodes::ACCESS, &keystore::KEYSTORE];
    let mut up = std::iter::successors(node, |node| node.parent);
    node.is_none() || up.any(|node| roots.contains(&node))
}

fn has(node: Option<&Node>, child: &Child) -> bool {
    let is_secret = |text: &str| Reference::read(text).is_none();
    match child {
        Child::Leaf(Value::Binary(_)) => node == Some(&CLEARTEXT),
        Child::Leaf(value) => {
            [&PASSWORD, &API_KEY, &CLIENT].map(Some).contains(&node) && value.as_str().is_some_and(is_secret)
        }
        Child::Container(container) => {
            container.iter().any(|(node, child)| may_have(Some(node)) && has(Some(node), child))
        }
        Child::List(list) => list.iter().any(|entry| has(node, &Child::Container(entry))),
        Child::LeafList(_) | Child::Any(_) => false,
    }
}

struct Taking<'a> {
    vault: &'a dyn Vault,
    rules: &'a Arc<Rules>,
    left: usize,
}

impl Taking<'_> {
    /// A node without secrets; `beside` is what it stands in, as far as that is written with it.
    fn child(
        &mut self,
        path: &InstancePath,
        node: Option<&'static Node>,
        child: Child,
        beside: Option<&Container>,
    ) -> Result<Child, Error> {
        if !may_have(node) || !has(node, &child) {
            return Ok(child);
        }
        match child {
            Child::Leaf(value) => self.leaf(path, node, value, beside).map(Child::Leaf),
            Child::Container(container) => Ok(Child::Container(Arc::new(self.container(path, &container)?))),
            Child::List(list) => match node {
                Some(node) => self.list(path, node, &list).map(Child::List),
                None => Ok(Child::List(list)),
            },
            other => Ok(other),
        }
    }

    fn container(&mut self, path: &InstancePath, container: &Container) -> Result<Container, Error> {
        let mut all = container.clone();
        for (node, child) in container.iter() {
            let value =
                self.child(&path.child(Step::plain(node)), Some(node), child.clone(), Some(container))?;
            if node == &CLEARTEXT && value == Child::Leaf(Value::Empty) {
                all.remove(&CLEARTEXT);
                all.remove(&FORMAT);
                all.set(&HIDDEN, value);
            } else {
                all.set(node, value);
            }
        }
        Ok(all)
    }

    fn list(&mut self, path: &InstancePath, node: &'static Node, list: &List) -> Result<List, Error> {
        let mut all = list.clone();
        for entry in list.iter() {
            let key = entry.key(node);
            let selector = key.clone().map_or(Selector::None, Selector::Key);
            let mut place = path.clone();
            place.steps.pop();
            let entry = self.container(&place.child(Step { node, selector }), &entry)?;
            all.put(node, key, Arc::new(entry));
        }
        Ok(all)
    }

    fn leaf(
        &mut self,
        path: &InstancePath,
        node: Option<&'static Node>,
        value: Value,
        beside: Option<&Container>,
    ) -> Result<Value, Error> {
        let may = |access| self.rules.may(access, path);
        if !may(Access::Create) && !may(Access::Update) {
            return Ok(value);
        }
        let many = || {
            let message = format!("a request can bring {SECRETS_MAX} secrets at most");
            Error::application(Tag::TooBig, message).at(path.clone())
        };
        self.left = self.left.checked_sub(1).ok_or_else(many)?;
        let placed = |error: Error| error.at(path.clone());
        if let Value::Binary(key) = &value {
            return self.vault.keep_key(key).map(|()| Value::Empty).map_err(placed);
        }
        let text = value.as_str().unwrap_or_default();
        let secret = match (text.strip_prefix("$0$"), node) {
            (Some(clear), Some(node)) if node == &PASSWORD => Secret::Password(clear),
            (Some(clear), Some(node)) if node == &API_KEY => Secret::ApiKey(clear),
            (Some(clear), _) => Secret::Client(clear),
            (None, Some(node)) if node == &PASSWORD && text.starts_with("$argon2id$") => {
                Secret::PasswordHash(text)
            }
            _ => {
                let message = "a secret is written as $0$ and the clear text, or as what was read of it";
                return Err(placed(Error::application(Tag::InvalidValue, message)));
            }
        };
        // Where it is sent.
        let endpoint = beside.and_then(|beside| beside.leaf(&ENDPOINT)).map(Value::canonical);
        let purpose = match (&secret, endpoint) {
            (Secret::Client(_), Some(endpoint)) => endpoint,
            (Secret::Client(_), None) => {
                let message = "the secret for an issuer is written together with its endpoint, for which alone it is good";
                return Err(placed(Error::application(Tag::InvalidValue, message)));
            }
            _ => path.to_string(),
        };
        let kept = self.vault.keep(secret, &purpose).map_err(placed)?;
        Ok(Value::string(kept.to_string()))
    }
}
