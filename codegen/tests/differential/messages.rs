//! Inputs, outputs, notifications and state, given to the runtime and to libyang.
//!
//! An input gets the same verdict from both. The others are made by a server and nobody validates
//! them: what libyang finds valid can be read, what it cannot read cannot be, and both print the same.

use std::sync::Arc;

use agentconf::yang::decode::DecodeOptions;
use agentconf::yang::encode::EncodeOptions;
use agentconf::yang::error::Error;
use agentconf::yang::path::{InstancePath, Step};
use agentconf::yang::schema::{Kind, Node};
use agentconf::yang::tree::{Child, Container};
use agentconf::yang::types::ModuleNames;
use agentconf::yang::{json, xml};

use super::support::document::{Any, Body, Document, Item};
use super::support::generate::{Generator, instance_identifier};
use super::support::libyang::{self, Encoded, Format, Message, Opinion};
use super::support::random::Random;
use super::{Set, WRAPPER, is_compared, normalise, sets, setting, shown};

/// One message in its place.
struct Sent {
    kind: Message,
    /// The rpc, action or notification.
    operation: &'static Node,
    /// What is in it: the input, the output or the notification itself.
    content: &'static Node,
    /// The items above, from the top.
    above: Vec<Item>,
    /// The path that they are.
    path: InstancePath,
}

impl Sent {
    /// The whole document: the content below the operation below its ancestors.
    fn around(&self, content: Body) -> Document {
        let operation = Item { node: self.operation, body: content };
        let above = self.above.iter().rev();
        Document(vec![above.fold(operation, |inner, item| {
            let mut item = item.clone();
            if let Body::Inner(children) = &mut item.body {
                children.push(inner);
            }
            item
        })])
    }

    /// Where the content is, as the decoder has it.
    fn target(&self) -> InstancePath {
        let operation = self.path.child(Step::plain(self.operation));
        if self.kind == Message::Notification {
            operation
        } else {
            operation.child(Step::plain(self.content))
        }
    }

    /// Errors with paths that are those of the document of the content alone.
    fn of_content(&self, errors: &[Error]) -> Vec<Error> {
        let mut errors = errors.to_vec();
        for path in errors.iter_mut().filter_map(|error| error.path.as_mut()) {
            let rest = path.steps.split_off((self.path.steps.len() + 1).min(path.steps.len()));
            let rest = rest.into_iter().filter(|step| step.node != self.content);
            path.steps = std::iter::once(Step::plain(self.content)).chain(rest).collect();
        }
        errors
    }
}

/// All rpcs and actions, with their inputs and outputs, and all notifications.
fn operations(set: &Set) -> Vec<(Message, &'static Node, &'static Node)> {
    let mut found = Vec::new();
    let mut note = |node: &'static Node| match node.kind {
        Kind::Rpc { input, output } => {
            found.push((Message::Input, node, input));
            found.push((Message::Output, node, output));
        }
        _ => found.push((Message::Notification, node, node)),
    };
    let mut pending: Vec<&'static Node> = Vec::new();
    for module in set.schema.implemented() {
        module.rpcs.iter().chain(module.notifications).for_each(|node| note(node));
        pending.extend(module.data);
    }
    while let Some(node) = pending.pop() {
        node.actions.iter().chain(node.notifications).for_each(|node| note(node));
        pending.extend(node.data);
    }
    found
}

impl Set {
    fn decoded(&self, sent: &Sent, text: &str, format: Format) -> Result<Arc<Container>, Error> {
        let (target, options) = (sent.target(), DecodeOptions::default());
        let content = match format {
            Format::Json => json::decode_one(text.as_bytes(), &target, self.schema, &options)?,
            Format::Xml => xml::decode_one(text.as_bytes(), &target, self.schema, &options)?,
        };
        match content {
            Child::Container(content) => Ok(content),
            other => panic!("{target} is read as {other:?}"),
        }
    }

    fn printed(&self, sent: &Sent, content: &Container) -> Encoded {
        let options = EncodeOptions { schema: self.schema, ..Default::default() };
        let (mut json, mut xml) = (Vec::new(), Vec::new());
        json::encode_children(content, Some(sent.content), &mut json, &options);
        xml::encode_children(content, Some(sent.content), &mut xml, &options);
        Encoded { json: String::from_utf8(json).unwrap(), xml: String::from_utf8(xml).unwrap() }
    }

    /// The members of what libyang prints of an operation or of a notification.
    fn members(&self, printed: &str, content: &'static Node) -> serde_json::Value {
        let json: serde_json::Value = serde_json::from_str(printed).unwrap();
        let mut members = json.as_object().unwrap().values().next().unwrap().clone();
        normalise(&mut members, Some(content), self.schema);
        members
    }

    /// What is not the same in both opinions of a message; and our complaints.
    fn compare(
        &self,
        sent: &Sent,
        datastore: (&Arc<Container>, &str),
        document: &Document,
        format: Format,
    ) -> (Option<String>, Vec<Error>) {
        let text = self.text(document, format);
        let read = self.decoded(sent, &text, format);
        let complaints = match &read {
            Err(error) => vec![error.clone()],
            Ok(content) if sent.kind == Message::Input => {
                let above = (!sent.path.steps.is_empty()).then_some(&sent.path);
                self.validator.input(datastore.0.clone(), above, sent.operation, content.clone())
            }
            Ok(_) => Vec::new(),
        };
        if complaints.iter().any(|e| e.message.contains("stands ")) {
            return (None, complaints); // As in `Set::differ`.
        }
        let theirs = self.opinion(sent, datastore.1, &document.0[0].body, format);
        let difference = match (&read, &theirs) {
            (Ok(content), Opinion::Valid(printed)) if complaints.is_empty() => {
                self.differing_messages(sent, datastore.1, content, printed)
            }
            // Keys are unique in an output too (RFC 7950 section 7.8.2); libyang does not look.
            (Err(error), Opinion::Valid(_)) if sent.kind == Message::Output && is_repetition(error) => None,
            (_, Opinion::Valid(_)) => Some(format!("only we refuse: {}", shown(&complaints))),
            (Ok(_), Opinion::Unread(theirs)) => Some(format!("only libyang cannot read: {theirs:#?}")),
            (Ok(_), Opinion::Invalid(theirs)) if sent.kind == Message::Input => match complaints.is_empty() {
                true => Some(format!("only libyang refuses: {theirs:#?}")),
                false => self.differing_errors(&complaints, theirs, true),
            },
            (_, Opinion::Unread(theirs) | Opinion::Invalid(theirs)) if sent.kind == Message::Input => {
                self.differing_errors(&complaints, theirs, false)
            }
            _ => None,
        };
        (difference, complaints)
    }

    fn opinion(&self, sent: &Sent, datastore: &str, content: &Body, format: Format) -> Opinion {
        let whole = sent.around(content.clone());
        libyang::message(&self.loaded, datastore, &self.text(&whole, format), format, sent.kind)
    }

    fn differing_messages(
        &self,
        sent: &Sent,
        datastore: &str,
        content: &Arc<Container>,
        theirs: &Encoded,
    ) -> Option<String> {
        let ours = self.printed(sent, content);
        let wanted = self.members(&theirs.json, sent.content);
        if self.members(&format!("{{\"x\":{}}}", ours.json), sent.content) != wanted {
            return Some(format!("printed JSON\n ours:   {}\n theirs: {}", ours.json, theirs.json));
        }
        let any = Any { json: ours.json.leak(), xml: ours.xml.leak() };
        let document = Document(vec![Item { node: sent.content, body: Body::Any(any) }]);
        for format in [Format::Json, Format::Xml] {
            let text = self.text(&document, format);
            match self.decoded(sent, &text, format) {
                Ok(again) if self.printed(sent, &again).json == *any_of(&document).json => {}
                other => return Some(format!("we read what we print, {text}\n as {other:?}")),
            }
            match self.opinion(sent, datastore, &document.0[0].body, format) {
                Opinion::Valid(printed) if self.members(&printed.json, sent.content) == wanted => {}
                other => return Some(format!("libyang reads what we print, {text}\n as {other:?}")),
            }
        }
        None
    }
}

fn any_of(document: &Document) -> &Any {
    match &document.0[0].body {
        Body::Any(any) => any,
        _ => unreachable!("made as content without schema"),
    }
}

/// A valid datastore, as we and as libyang take it.
fn datastore(set: &Set, generator: &mut Generator) -> Option<(Arc<Container>, Document)> {
    let mut document = generator.document();
    let settled = generator.settle(&mut document, |document| set.complaints(document));
    let content = settled.then(|| set.ours(&document.json(), Format::Json).ok()).flatten()?;
    Some((content, document))
}

#[test]
fn every_message_gets_the_same_verdict_as_from_libyang() {
    let cases = setting("DIFFERENTIAL_CASES", 600);
    let seed = setting("DIFFERENTIAL_SEED", 1);
    let only = std::env::var("DIFFERENTIAL_SET").ok();
    let most = setting("DIFFERENTIAL_SHOWN", 5);
    let mut differences = 0;
    for (name, dir) in sets() {
        if only.as_ref().is_some_and(|only| *only != name) || !is_compared(&name) {
            continue;
        }
        let set = Set::new(&dir);
        let operations = operations(&set);
        if operations.is_empty() {
            continue;
        }
        let mut generator = Generator::new(set.schema, Random::new(seed, &format!("messages of {name}")));
        let (mut done, mut valid, mut shown) = (0, 0, 0);
        let mut around = None;
        while done < cases {
            if done % 50 == 0 || around.is_none() {
                around = datastore(&set, &mut generator).or(around);
            }
            done += 1;
            let Some((content, beside)) = &mut around else { continue };
            let (kind, operation, part) = *generator.random.pick(&operations).unwrap();
            let Some(above) = generator.ancestors(operation, beside) else { continue };
            let Some(sent) = placed(&set, kind, operation, part, above) else { continue };
            let json = beside.json();
            let mut document = generator.message(part, beside);
            for _ in 0..4 {
                let mut all = Vec::new();
                for format in [Format::Json, Format::Xml] {
                    let (difference, complaints) = set.compare(&sent, (content, &json), &document, format);
                    done += 1;
                    valid += u64::from(complaints.is_empty());
                    all.extend(complaints);
                    if let Some(difference) = difference {
                        shown += 1;
                        if shown <= most {
                            println!("--- {name}, {kind:?} of {}, {format:?}: {difference}", operation.name);
                            println!(
                                "{}\nbeside {json}\n",
                                set.text(&sent.around(document.0[0].body.clone()), format)
                            );
                        }
                    }
                }
                if all.is_empty() {
                    generator.mutate(&mut document);
                } else {
                    generator.repair(&mut document, &sent.of_content(&all));
                }
                if document.0.len() != 1 || document.0[0].node != part {
                    break;
                }
            }
            generator.alone();
        }
        println!("{name}: {done} messages, {valid} valid, {shown} differences");
        assert!(valid * 3 >= done, "{name}: of {done} messages only {valid} are valid");
        differences += shown;
    }
    assert_eq!(differences, 0);
}

/// The message with its path.
fn placed(
    set: &Set,
    kind: Message,
    operation: &'static Node,
    content: &'static Node,
    above: Vec<Item>,
) -> Option<Sent> {
    let mut sent = Sent { kind, operation, content, above, path: InstancePath::default() };
    if !sent.above.is_empty() {
        let mut document = sent.around(Body::Inner(Vec::new()));
        // Each ancestor's child on the way is its last.
        let mut place = vec![0];
        for item in &sent.above[..sent.above.len() - 1] {
            let Body::Inner(keys) = &item.body else { return None };
            place.push(keys.len());
        }
        let text = instance_identifier(&mut document, &place)?.plain();
        sent.path = InstancePath::parse(&text, set.schema, &ModuleNames(set.schema)).ok()?;
    }
    Some(sent)
}

/// A difference, as in `listed`. libyang: an instance-identifier is of a data tree, which a notification
/// is too (RFC 7950 sections 3 and 9.13). Ours lead to configuration and state alone, where a client can
/// read what they mean.
#[test]
fn an_instance_identifier_does_not_lead_into_its_own_notification() {
    let (_, dir) = sets().into_iter().find(|(name, _)| name == "messages").unwrap();
    let set = Set::new(&dir);
    let event = operations(&set).into_iter().find(|(.., node)| node.name == "event").unwrap().2;
    let sent = placed(&set, Message::Notification, event, event, Vec::new()).unwrap();
    let text = |at: &str| format!(r#"{{"messages:event":{{"time":"now","added":"{at}"}}}}"#);
    for (at, ours) in [("/messages:event/time", false), ("/messages:totals/raw", true)] {
        let theirs = libyang::message(&set.loaded, "{}", &text(at), Format::Json, Message::Notification);
        assert!(matches!(theirs, Opinion::Valid(_)), "{theirs:?}");
        assert_eq!(set.decoded(&sent, &text(at), Format::Json).is_ok(), ours);
    }
}

#[test]
fn state_is_read_and_printed_as_by_libyang() {
    let cases = setting("DIFFERENTIAL_CASES", 600);
    let seed = setting("DIFFERENTIAL_SEED", 1);
    let only = std::env::var("DIFFERENTIAL_SET").ok();
    let most = setting("DIFFERENTIAL_SHOWN", 5);
    let mut differences = 0;
    for (name, dir) in sets() {
        if only.as_ref().is_some_and(|only| *only != name) || !is_compared(&name) {
            continue;
        }
        let set = Set::new(&dir);
        let mut generator = Generator::new(set.schema, Random::new(seed, &format!("state of {name}")));
        let (mut done, mut valid, mut shown) = (0, 0, 0);
        while done < cases {
            let mut document = generator.with_state();
            generator.settle(&mut document, |document| {
                match set.with_state(&document.json(), Format::Json) {
                    Ok(content) => set.validator.datastore(&Arc::new(content)),
                    Err(error) => vec![error],
                }
            });
            for _ in 0..4 {
                for format in [Format::Json, Format::Xml] {
                    let text = set.text(&document, format);
                    let theirs = libyang::message(&set.loaded, "{}", &text, format, Message::State);
                    done += 1;
                    let difference = match (set.with_state(&text, format), theirs) {
                        (Ok(content), Opinion::Valid(printed)) => {
                            valid += 1;
                            set.differing_states(&content, &printed)
                        }
                        (Ok(_), Opinion::Unread(theirs)) => {
                            Some(format!("only libyang cannot read: {theirs:#?}"))
                        }
                        // Of state libyang says but a warning when keys, or the values of a leaf-list of
                        // configuration, are not unique (RFC 7950 sections 7.7 and 7.8.2).
                        (Err(error), Opinion::Valid(_)) if is_repetition(&error) => None,
                        (Err(error), Opinion::Valid(_)) => Some(format!("only we cannot read: {error}")),
                        _ => None,
                    };
                    if let Some(difference) = difference {
                        shown += 1;
                        if shown <= most {
                            println!("--- {name}, {format:?}: {difference}\n{text}\n");
                        }
                    }
                }
                generator.mutate(&mut document);
            }
        }
        println!("{name}: {done} documents with state, {valid} valid, {shown} differences");
        // The project's own state has much that is mandatory, and nothing repairs it.
        let share = if name == "project" { 20 } else { 3 };
        assert!(valid * share >= done, "{name}: of {done} documents only {valid} are valid");
        differences += shown;
    }
    assert_eq!(differences, 0);
}

/// JSON with all values as texts: in XML, the member of a union that a text is of is not always the
/// one it was of.
fn untyped(json: &str) -> serde_json::Value {
    fn plain(json: &mut serde_json::Value) {
        match json {
            serde_json::Value::Object(members) => members.values_mut().for_each(plain),
            serde_json::Value::Array(items) => items.iter_mut().for_each(plain),
            serde_json::Value::String(_) => {}
            other => *other = other.to_string().into(),
        }
    }
    let mut json = serde_json::from_str(json).unwrap();
    plain(&mut json);
    json
}

fn is_repetition(error: &Error) -> bool {
    ["the same keys", "more than once"].iter().any(|words| error.message.contains(words))
}

impl Set {
    fn with_state(&self, document: &str, format: Format) -> Result<Container, Error> {
        let options = DecodeOptions { allow_state: true, ..DecodeOptions::default() };
        match format {
            Format::Json => json::decode_children(document.as_bytes(), None, self.schema, &options),
            Format::Xml => {
                let wrapped = format!("<data xmlns=\"urn:wrapper\">{document}</data>");
                xml::decode_wrapped(wrapped.as_bytes(), &WRAPPER, self.schema, &options)
            }
        }
    }

    fn differing_states(&self, content: &Container, theirs: &Encoded) -> Option<String> {
        let ours = self.print(content);
        let wanted = self.normal(&theirs.json);
        if self.normal(&ours.json) != wanted {
            return Some(format!("printed JSON\n ours:   {}\n theirs: {}", ours.json, theirs.json));
        }
        let opinion = |text: &str, format| libyang::message(&self.loaded, "{}", text, format, Message::State);
        for (format, text, theirs) in
            [(Format::Json, &ours.json, &theirs.json), (Format::Xml, &ours.xml, &theirs.xml)]
        {
            match self.with_state(text, format).map(|again| self.print(&again)) {
                Ok(again) if untyped(&again.json) == untyped(&ours.json) => {}
                other => return Some(format!("we read what we print, {text}\n as {other:?}")),
            }
            match (opinion(text, format), opinion(theirs, format)) {
                (Opinion::Valid(a), Opinion::Valid(b)) if self.normal(&a.json) == self.normal(&b.json) => {}
                // The member of a union that it has chosen in XML is none in its JSON.
                (_, Opinion::Unread(_) | Opinion::Invalid(_)) => {}
                other => return Some(format!("libyang reads what we print, {text}\n as {other:?}")),
            }
        }
        None
    }
}
