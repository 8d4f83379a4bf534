//! The questions that rules of NACM cannot answer: who speaks for an agent, who sees what is private to agents, and what
//! all share as long as nobody has configured who may have it.

use super::{Principal, Rules};
use crate::yang::schema::Node;

/// Operations that work on whole datastores, whoever wrote what is in them.
const OF_WHOLE_DATASTORES: [(&str, &str); 4] = [
    ("ietf-netconf", "commit"),
    ("ietf-netconf", "copy-config"),
    ("ietf-netconf", "discard-changes"),
    ("magent-datastores", "rollback"),
];

/// Whether an rpc may be invoked (RFC 8341 section 3.4.4). In whose name it is done is judged with [`may_act_for`].
pub fn may_invoke(rules: &Rules, operation: &'static Node) -> bool {
    let on_everything = OF_WHOLE_DATASTORES.contains(&(operation.module.name, operation.name));
    rules.may_invoke(operation) && !(on_everything && rules.keeps_shared())
}

/// Whether the principal may have the server read and write configuration at a URL: in its directory and at other servers.
pub fn may_use_urls(principal: &Principal) -> bool {
    principal.is_admin() && !principal.is_reader()
}

/// Whether the principal may speak in the name of an agent with this owner.
pub fn may_act_for(principal: &Principal, owner: Option<&str>) -> bool {
    principal.is_admin() || owner == Some(principal.name.as_str())
}

/// Whether the principal may see what is private to these agents; `owner` tells whose an
/// agent is. Without parties it concerns everybody.
pub fn may_see<'a>(
    principal: &Principal,
    parties: &[String],
    owner: impl Fn(&str) -> Option<&'a str>,
) -> bool {
    parties.is_empty()
        || parties.iter().any(|agent| may_act_for(principal, owner(agent)))
        || principal.is_admin()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Method;

    fn principal(name: &str, groups: &[&str]) -> Principal {
        let groups = groups.iter().map(|g| (*g).to_owned()).collect();
        Principal::new(name, groups, Method::Local)
    }

    #[test]
    fn only_the_owner_and_administrators_speak_for_an_agent() {
        assert!(may_act_for(&principal("ip", &[]), Some("ip")));
        assert!(!may_act_for(&principal("oss", &[]), Some("ip")));
        assert!(!may_act_for(&principal("oss", &[]), None));
        assert!(may_act_for(&principal("root", &["admin"]), Some("ip")));
    }

    #[test]
    fn what_is_private_is_seen_by_its_parties_alone() {
        let owner = |agent: &str| if agent == "ip-agent" { Some("ip") } else { None };
        let parties = ["ip-agent".to_owned(), "oss-agent".to_owned()];
        assert!(may_see(&principal("ip", &[]), &parties, owner));
        assert!(!may_see(&principal("eve", &[]), &parties, owner));
        assert!(may_see(&principal("eve", &[]), &[], owner));
    }
}
