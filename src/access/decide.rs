//! The questions that rules of NACM cannot answer: who speaks for an agent, who sees what is private to agents, and what
//! all share as long as nobody has configured who may have it.

use super::{Principal, Rules};
use crate::clock::Timestamp;
use crate::yang::generated::magent_registry::DelegatedRight;
use crate::yang::schema::Node;

/// Operations that work on whole datastores, whoever wrote what is in them.
const OF_WHOLE_DATASTORES: [(&str, &str); 5] = [
    ("ietf-netconf", "cancel-commit"),
    ("ietf-netconf", "commit"),
    ("ietf-netconf", "copy-config"),
    ("ietf-netconf", "discard-changes"),
    ("magent-datastores", "rollback"),
];

/// What tells of all users, whatever rules permit: it is for auditors alone, and for all of them.
const OF_AUDITORS: (&str, &str) = ("magent-audit", "query-audit");

/// Whether an rpc may be invoked (RFC 8341 section 3.4.4). In whose name it is done is judged with [`may_act_for`].
pub fn may_invoke(rules: &Rules, principal: &Principal, operation: &'static Node) -> bool {
    if (operation.module.name, operation.name) == OF_AUDITORS {
        return principal.sees_all();
    }
    let on_everything = OF_WHOLE_DATASTORES.contains(&(operation.module.name, operation.name));
    rules.may_invoke(operation) && !(on_everything && rules.keeps_shared())
}

/// Whether the principal may have the server read and write configuration at a URL: in its directory and at other servers.
pub fn may_use_urls(principal: &Principal) -> bool {
    principal.is_admin() && !principal.is_reader()
}

/// What is done for an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// What can be delegated.
    May(DelegatedRight),
    /// To delegate, and to take that back. It cannot be delegated itself, nor be done with a credential that is bound to an
    /// agent: what is granted would outlive it.
    Delegate,
}

/// What is known of who speaks for agents.
pub trait Speakers {
    /// The user whom the agent's name belongs to; `None` if nobody has registered it.
    fn owner(&self, agent: &str) -> Option<&str>;

    /// Whether a user may do something for the agent by delegation at the time `now`.
    fn is_delegated(&self, agent: &str, user: &str, right: DelegatedRight, now: Timestamp) -> bool;
}

/// Whether the principal may do this for the agent at the time `now`: its owner and administrators do everything, others
/// what was delegated to them. A name that nobody has registered is that of its user. With a credential that is bound to an
/// agent nothing is done for another one.
pub fn may_act_for(
    principal: &Principal,
    agent: &str,
    deed: Deed,
    now: Timestamp,
    speakers: &impl Speakers,
) -> bool {
    if principal.is_bound_to_another(agent) {
        return false;
    }
    let user = principal.name.as_str();
    let is_own = principal.is_admin() || speakers.owner(agent).unwrap_or(agent) == user;
    match deed {
        Deed::May(right) => is_own || speakers.is_delegated(agent, user, right, now),
        Deed::Delegate => is_own && principal.agent.is_none(),
    }
}

/// Whether the principal may see what is private to these agents at the time `now`: who may read for one of them,
/// administrators and auditors. Without parties it concerns everybody.
pub fn may_see(principal: &Principal, parties: &[String], now: Timestamp, speakers: &impl Speakers) -> bool {
    let reads =
        |agent: &String| may_act_for(principal, agent, Deed::May(DelegatedRight::Read), now, speakers);
    parties.is_empty() || principal.sees_all() || parties.iter().any(reads)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Method;

    fn principal(name: &str, groups: &[&str]) -> Principal {
        let groups = groups.iter().map(|g| (*g).to_owned()).collect();
        Principal::new(name, groups, Method::Local)
    }

    /// The agent `ip-agent` is that of `ip`, and until the tenth second `ctl` may work for it.
    struct Known;

    impl Speakers for Known {
        fn owner(&self, agent: &str) -> Option<&str> {
            (agent == "ip-agent").then_some("ip")
        }

        fn is_delegated(&self, agent: &str, user: &str, right: DelegatedRight, now: Timestamp) -> bool {
            (agent, user, right) == ("ip-agent", "ctl", DelegatedRight::Work) && now < at(10)
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds).unwrap_or(Timestamp::EPOCH)
    }

    const WORK: Deed = Deed::May(DelegatedRight::Work);

    fn may(principal: &Principal, agent: &str, deed: Deed, seconds: i64) -> bool {
        may_act_for(principal, agent, deed, at(seconds), &Known)
    }

    #[test]
    fn the_owner_and_administrators_do_everything_for_an_agent_and_strangers_nothing() {
        for deed in [WORK, Deed::May(DelegatedRight::Read), Deed::Delegate] {
            assert!(may(&principal("ip", &[]), "ip-agent", deed, 0));
            assert!(may(&principal("root", &["admin"]), "ip-agent", deed, 0));
            assert!(!may(&principal("oss", &[]), "ip-agent", deed, 0));
            assert!(!may(&principal("otto", &["auditor"]), "ip-agent", deed, 0));
            assert!(
                !may(&principal("ip-agent", &[]), "ip-agent", deed, 0),
                "a name that belongs to another user"
            );
            assert!(may(&principal("eve", &[]), "eve", deed, 0), "a name that nobody has registered");
        }
    }

    #[test]
    fn a_delegate_does_what_was_granted_for_that_agent_and_that_time() {
        let delegate = principal("ctl", &[]);
        assert!(may(&delegate, "ip-agent", WORK, 9));
        assert!(!may(&delegate, "ip-agent", WORK, 10));
        assert!(!may(&delegate, "ip-agent", Deed::May(DelegatedRight::Assign), 9));
        assert!(!may(&delegate, "ip-agent", Deed::Delegate, 9));
        assert!(!may(&delegate, "oss-agent", WORK, 9));
    }

    #[test]
    fn a_credential_that_is_bound_to_an_agent_is_good_for_that_agent_alone() {
        let bound = |name: &str, groups: &[&str], agent: &str| {
            principal(name, groups).bound_to(Some(agent.to_owned()))
        };
        assert!(may(&bound("ip", &[], "ip-agent"), "ip-agent", WORK, 0));
        assert!(!may(&bound("ip", &[], "ip-agent"), "ip", WORK, 0));
        assert!(!may(&bound("oss", &[], "ip-agent"), "ip-agent", WORK, 0), "no more than its user");
        assert!(may(&bound("ctl", &[], "ip-agent"), "ip-agent", WORK, 0));
        assert!(!may(&bound("root", &["admin"], "ip-agent"), "ip-agent", WORK, 0));
        assert!(!may(&bound("ip", &[], "ip-agent"), "ip-agent", Deed::Delegate, 0));
    }

    #[test]
    fn what_is_private_is_seen_by_its_parties_administrators_and_auditors() {
        let parties = ["ip-agent".to_owned(), "oss-agent".to_owned()];
        let sees = |principal: &Principal| may_see(principal, &parties, at(0), &Known);
        assert!(sees(&principal("ip", &[])));
        assert!(sees(&principal("root", &["admin"])));
        assert!(sees(&principal("otto", &["auditor"])));
        assert!(!sees(&principal("eve", &[])));
        assert!(!sees(&principal("ctl", &[])), "it may work and not read");
        assert!(!sees(&principal("otto", &["auditor", "admin"]).bound_to(Some("otto".to_owned()))));
        assert!(may_see(&principal("eve", &[]), &[], at(0), &Known));
    }
}
