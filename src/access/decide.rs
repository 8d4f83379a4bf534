//! The default policy, as a table of questions.
//!
//! Administrators may do everything. Other users read everything but what agents say to each
//! other in private, write only the draft's own tree, and act only for agents of theirs.

use super::Principal;
use crate::yang::schema::{NacmDefault, Node};

/// The module whose configuration every agent may write: its write operations are how a client
/// that knows only the draft gives tasks, and each is checked again as the task that it is.
const OPEN_FOR_WRITING: &str = "irtf-agent";

/// Operations that work on whole datastores, whoever wrote what is in them.
const OF_WHOLE_DATASTORES: [(&str, &str); 4] = [
    ("ietf-netconf", "commit"),
    ("ietf-netconf", "copy-config"),
    ("ietf-netconf", "discard-changes"),
    ("magent-datastores", "rollback"),
];

/// Whether the principal may read instances of this node (RFC 8341 section 3.2.4). Entries that
/// are private to agents are judged one by one with [`may_see`].
pub fn may_read(principal: &Principal, node: &Node) -> bool {
    principal.is_admin() || node.nacm != NacmDefault::DenyAll
}

/// Whether the principal may create, change or delete instances of this node
/// (RFC 8341 section 3.2.5).
pub fn may_write(principal: &Principal, node: &Node) -> bool {
    principal.is_admin() || (node.nacm == NacmDefault::None && node.module.name == OPEN_FOR_WRITING)
}

/// Whether the principal may invoke the rpc or action (RFC 8341 section 3.2.3). In whose name
/// it is done is judged with [`may_act_for`].
pub fn may_execute(principal: &Principal, operation: &Node) -> bool {
    let on_everything = OF_WHOLE_DATASTORES.contains(&(operation.module.name, operation.name));
    principal.is_admin() || (operation.nacm != NacmDefault::DenyAll && !on_everything)
}

/// Whether the principal may edit the candidate that all share. Who commits it answers for all that is in it, and who
/// discards it takes everybody's work away.
pub fn may_prepare(principal: &Principal) -> bool {
    principal.is_admin()
}

/// Whether the principal may lock a datastore or a part of it, which keeps everybody else from writing there.
pub fn may_lock(principal: &Principal) -> bool {
    principal.is_admin()
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
