//! A client of servers of NETCONF and RESTCONF, whoever made them. It knows nothing of this server.

pub mod schema;
