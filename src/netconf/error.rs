//! `<rpc-error>` (RFC 6241 section 4.3).
//!
//! The only place that writes one. Nothing here decides that something is wrong.

use std::fmt::Write as _;

use crate::yang::encode::EncodeOptions;
use crate::yang::error::{Error, Info, InfoValue};
use crate::yang::path::{InstancePath, Step};
use crate::yang::schema::Kind;
use crate::yang::tree::Child;
use crate::yang::xml;

/// The namespace of the members of `error-info` that RFC 7950 section 15 has.
const YANG: &str = "urn:ietf:params:xml:ns:yang:1";

/// The error as an element, for a place where the namespace of messages is the default.
pub fn element(error: &Error) -> String {
    let mut text = String::from("<rpc-error>");
    // Writing into a string cannot fail.
    let _ = write!(
        text,
        "<error-type>{}</error-type><error-tag>{}</error-tag><error-severity>error</error-severity>",
        error.layer.as_str(),
        error.tag.as_str()
    );
    if let Some(app_tag) = &error.app_tag {
        let _ = write!(text, "<error-app-tag>{}</error-app-tag>", xml::escape(app_tag));
    }
    if let Some(path) = error.path.as_ref().and_then(InstancePath::nameable) {
        instance(&mut text, "error-path", "", path);
    }
    let _ = write!(text, "<error-message xml:lang=\"en\">{}</error-message>", xml::escape(&error.message));
    if !error.info.is_empty() {
        text.push_str("<error-info>");
        error.info.iter().filter(|member| member.value.is_nameable()).for_each(|member| {
            match operation(error, member) {
                Some(name) => {
                    info(&mut text, &Info { name: member.name, value: InfoValue::Text(name.into()) })
                }
                None => info(&mut text, member),
            }
        });
        text.push_str("</error-info>");
    }
    text.push_str("</rpc-error>");
    text
}

/// The operation, where a member of `error-info` names its input: in a message that is the element of the operation.
fn operation(error: &Error, member: &Info) -> Option<&'static str> {
    let InfoValue::Text(name) = &member.value else { return None };
    let [.., operation, input] = error.path.as_ref()?.steps.as_slice() else { return None };
    let is_input = matches!(input.node.kind, Kind::Input) && input.node.name == name.as_str();
    (is_input && member.name == "bad-element").then_some(operation.node.name)
}

fn info(text: &mut String, member: &Info) {
    let namespace = match member.name {
        "missing-choice" | "non-unique" => format!(" xmlns=\"{YANG}\""),
        _ => String::new(),
    };
    match &member.value {
        InfoValue::Text(value) => {
            let _ = write!(text, "<{0}{namespace}>{1}</{0}>", member.name, xml::escape(value));
        }
        InfoValue::Instance(path) => instance(text, member.name, &namespace, path),
        InfoValue::Structure(node, content) => {
            let mut out = Vec::new();
            let content = Child::Container(content.clone());
            xml::encode_one(node, &content, &mut out, &EncodeOptions::default());
            text.push_str(&String::from_utf8_lossy(&out));
        }
    }
}

/// An element with an instance-identifier and the prefixes that it uses.
fn instance(text: &mut String, name: &str, namespace: &str, path: &InstancePath) {
    let mut modules = Vec::new();
    // In a message, the parameters of an operation stand in its own element.
    let is_element = |step: &&Step| !matches!(step.node.kind, Kind::Input | Kind::Output);
    let path = InstancePath { steps: path.steps.iter().filter(is_element).cloned().collect() };
    let path = xml::instance(&path, &mut modules);
    let _ = write!(text, "<{name}{namespace}");
    for module in modules {
        let _ = write!(text, " xmlns:{}=\"{}\"", module.name, xml::escape(module.namespace));
    }
    let _ = write!(text, ">{}</{name}>", xml::escape(&path));
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::yang::error::Tag;
    use crate::yang::generated::SCHEMA;
    use crate::yang::types::ModuleNames;

    #[test]
    fn rfc_6241_section_4_3_all_members_in_order() {
        let path = "/irtf-agent:data-params[id='a<b']";
        let path = InstancePath::parse(path, &SCHEMA, &ModuleNames(&SCHEMA)).unwrap();
        let error = Error::application(Tag::DataMissing, "\"x\" & more")
            .at(path.clone())
            .app_tag("instance-required")
            .info("bad-element", "x")
            .info("non-unique", path);
        let namespace = SCHEMA.module("irtf-agent").unwrap().namespace;
        let place =
            format!(" xmlns:irtf-agent=\"{namespace}\">/irtf-agent:data-params[irtf-agent:id='a&lt;b']</");
        assert_eq!(
            element(&error),
            format!(
                "<rpc-error><error-type>application</error-type><error-tag>data-missing</error-tag>\
                 <error-severity>error</error-severity><error-app-tag>instance-required</error-app-tag>\
                 <error-path{place}error-path><error-message xml:lang=\"en\">&quot;x&quot; &amp; more</error-message>\
                 <error-info><bad-element>x</bad-element><non-unique xmlns=\"{YANG}\"{place}non-unique></error-info>\
                 </rpc-error>"
            )
        );
    }
}
