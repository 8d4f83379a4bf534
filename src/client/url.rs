//! Where a server is: `ssh://[user@]host[:port]`, `tls://…`, `https://…`. It never connects, and never holds a password.

use std::fmt;
use std::str::FromStr;

/// The protocol of a [`Url`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// NETCONF over SSH (RFC 6242).
    Ssh,
    /// NETCONF over TLS (RFC 7589).
    Tls,
    /// RESTCONF (RFC 8040).
    Https,
}

impl Scheme {
    /// As it is written in a URL.
    pub fn name(self) -> &'static str {
        match self {
            Scheme::Ssh => "ssh",
            Scheme::Tls => "tls",
            Scheme::Https => "https",
        }
    }

    /// The port that IANA has assigned.
    pub fn default_port(self) -> u16 {
        match self {
            Scheme::Ssh => 830,
            Scheme::Tls => 6513,
            Scheme::Https => 443,
        }
    }
}

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Url {
    /// How it is spoken to.
    pub scheme: Scheme,
    /// Who logs in, if the URL says it.
    pub user: Option<String>,
    /// A name or an address; that of IPv6 without brackets.
    pub host: String,
    /// The TCP port; [`Scheme::default_port`] if the URL has none.
    pub port: u16,
}

impl Url {
    /// Whether the host is this machine, by name or address.
    pub fn is_loopback(&self) -> bool {
        let address = self.host.parse::<std::net::IpAddr>();
        self.host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }

    /// `host:port`, with the brackets of IPv6.
    pub fn authority(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme.name())?;
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        f.write_str(&self.authority())
    }
}

/// Why a text is no [`Url`]. It shows nothing of the text where a password could stand.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Another scheme, or none.
    #[error("a URL of a server begins with ssh://, tls:// or https://")]
    Scheme,
    /// `user:password@…`.
    #[error("a URL has no password: use --password-file, or be asked for it")]
    Password,
    /// No user before `@`.
    #[error("there is no user before the \"@\" of the URL")]
    User,
    /// No host, or one that is no name and no address.
    #[error("the URL has no good host: {0:?}")]
    Host(String),
    /// The port is no number from 1 to 65535.
    #[error("the URL has no good port: {0:?}")]
    Port(String),
    /// Something after the port.
    #[error("a URL ends with its host or port; {0:?} is more (a place in the data is another argument)")]
    Path(String),
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Url, UrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        let schemes = [Scheme::Ssh, Scheme::Tls, Scheme::Https];
        let scheme = schemes
            .into_iter()
            .find(|known| scheme.eq_ignore_ascii_case(known.name()))
            .ok_or(UrlError::Scheme)?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, more) = rest.split_at(end);
        let (user, place) = match authority.rsplit_once('@') {
            Some((user, _)) if user.contains(':') => return Err(UrlError::Password),
            Some(("", _)) => return Err(UrlError::User),
            Some((user, place)) => (Some(user.to_owned()), place),
            None => (None, authority),
        };
        if !matches!(more, "" | "/") {
            return Err(UrlError::Path(more.to_owned()));
        }
        let (host, port) = match place.strip_prefix('[').and_then(|inside| inside.split_once(']')) {
            Some((host, after)) => {
                let is_address = host.parse::<std::net::Ipv6Addr>().is_ok();
                match (is_address, after.strip_prefix(':')) {
                    (true, port) if port.is_some() || after.is_empty() => (host, port),
                    _ => return Err(UrlError::Host(place.to_owned())),
                }
            }
            None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
        };
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_' | ':');
        if host.is_empty() || !host.chars().all(is_name) {
            return Err(UrlError::Host(host.to_owned()));
        }
        let port = match port {
            None => scheme.default_port(),
            Some(port) => match port.parse::<u16>() {
                Ok(number) if number > 0 && port.bytes().all(|b| b.is_ascii_digit()) => number,
                _ => return Err(UrlError::Port(port.to_owned())),
            },
        };
        Ok(Url { scheme, user, host: host.to_owned(), port })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_a_scheme_a_host_and_maybe_a_user_and_a_port() {
        for (text, whole) in [
            ("ssh://host", "ssh://host:830"),
            ("ssh://ann@host:8830", "ssh://ann@host:8830"),
            ("TLS://host/", "tls://host:6513"),
            ("https://[::1]:8443", "https://[::1]:8443"),
            ("https://[::1]", "https://[::1]:443"),
            ("ssh://a@b@10.0.0.1", "ssh://a@b@10.0.0.1:830"),
        ] {
            let url: Url = text.parse().unwrap();
            assert_eq!(url.to_string(), whole);
            assert_eq!(whole.parse(), Ok(url));
        }
        assert!("tls://127.0.0.1".parse::<Url>().unwrap().is_loopback());
        assert!(!"tls://10.0.0.1".parse::<Url>().unwrap().is_loopback());
    }

    #[test]
    fn what_is_no_url_is_told_why() {
        let wrong = |text: &str| text.parse::<Url>().unwrap_err();
        assert_eq!(wrong("host"), UrlError::Scheme);
        assert_eq!(wrong("http://host"), UrlError::Scheme);
        assert_eq!(wrong("ssh://@host"), UrlError::User);
        assert_eq!(wrong("ssh://"), UrlError::Host("".into()));
        assert_eq!(wrong("ssh://[::1"), UrlError::Host("[".into()));
        assert_eq!(wrong("ssh://host:0"), UrlError::Port("0".into()));
        assert_eq!(wrong("ssh://host:+1"), UrlError::Port("+1".into()));
        assert_eq!(wrong("https://host/restconf"), UrlError::Path("/restconf".into()));
        let password = wrong("ssh://ann:secret@host");
        assert_eq!(password, UrlError::Password);
        assert!(!password.to_string().contains("secret"));
    }
}
