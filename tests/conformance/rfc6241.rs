//! RFC 6241, clause by clause: the NETCONF protocol. `rfc6241.md` says which clauses have no test.

mod section_3;
mod section_6;
mod section_7;
mod section_7_2;
mod section_8;
