//! The section `[judgement]`: the model that is asked where a policy leaves something to one. It never reads the files that it names.

use std::path::PathBuf;

use serde::Deserialize;

use super::{Network, is_loopback};

/// Longest time that an answer is awaited, in seconds: so long a negotiation stands still.
const TIMEOUT_MAX_S: u32 = 60;
/// Longest answer that can be allowed, in octets.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Most requests that can be allowed at a time.
const REQUESTS_MAX: usize = 256;

/// The section `[judgement]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Judgement {
    /// Where it is asked, as OpenAI's chat completions are: an `https` URL, or an `http` URL of this machine, such as
    /// `http://127.0.0.1:11434/v1/chat/completions`.
    pub url: String,
    /// The name of the model.
    pub model: String,
    /// A file with the token that it is shown, in its first line. It is read again when it has changed. None without it.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// PEM files with the authorities that it has its certificate of. Without any those that the machine trusts.
    #[serde(default)]
    pub authorities: Vec<PathBuf>,
    /// Addresses and networks beside the public ones where it may be, such as `10.1.0.0/16`.
    #[serde(default)]
    pub addresses: Vec<Network>,
    /// How long an answer is awaited, in seconds.
    #[serde(default = "timeout")]
    pub timeout: u32,
    /// How many requests are under way at a time.
    #[serde(default = "requests")]
    pub requests_max: usize,
    /// Longest answer, in octets.
    #[serde(default = "answer_bytes")]
    pub answer_bytes_max: usize,
}

fn timeout() -> u32 {
    10
}

fn requests() -> usize {
    8
}

fn answer_bytes() -> usize {
    64 << 10
}

impl Judgement {
    /// The paths that are named here.
    pub(super) fn files_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        self.token_file.iter_mut().chain(&mut self.authorities)
    }

    /// Whether it is on this machine, and asked without TLS.
    pub fn is_plain(&self) -> bool {
        self.url.starts_with("http://")
    }

    /// The key of what makes no sense, and the predicate that says why.
    pub(super) fn nonsense(&self) -> Option<(&'static str, &'static str)> {
        let rest = ["http://", "https://"].iter().find_map(|scheme| self.url.strip_prefix(scheme));
        let rest = rest.filter(|rest| !rest.is_empty() && !rest.starts_with(['/', ':', '?']));
        let Some(rest) = rest.filter(|rest| !rest.contains(['@', '#', ' '])) else {
            return Some(("url", "is no https URL"));
        };
        let within = |value: usize, most: usize| (1..=most).contains(&value);
        let all = [
            (
                "url",
                self.is_plain() && !is_loopback(rest),
                "is http and not on this machine: what it is asked could be read",
            ),
            ("model", self.model.trim().is_empty(), "is empty"),
            ("timeout", !(1..=TIMEOUT_MAX_S).contains(&self.timeout), "is not 1 to 60 seconds"),
            ("requests-max", !within(self.requests_max, REQUESTS_MAX), "is not 1 to 256"),
            ("answer-bytes-max", !within(self.answer_bytes_max, ANSWER_BYTES_MAX), "is not 1 to 1048576"),
        ];
        all.into_iter().find(|(_, is_wrong, _)| *is_wrong).map(|(key, _, why)| (key, why))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_asked_over_tls_or_on_this_machine_with_limits() {
        let nonsense = |text: &str| {
            let text =
                if text.contains("url") { text.to_owned() } else { format!("url = 'https://a/v1'\n{text}") };
            let text = if text.contains("model") { text } else { format!("model = 'm'\n{text}") };
            toml::from_str::<Judgement>(&text).unwrap().nonsense().map(|(key, _)| key)
        };
        for fine in [
            "",
            "url = 'http://localhost:1/v1'",
            "url = 'http://[::1]:1/'",
            "timeout = 60",
            "requests-max = 256",
        ] {
            assert_eq!(nonsense(fine), None, "{fine}");
        }
        for (wrong, key) in [
            ("url = 'http://10.0.0.1/v1'", "url"),
            ("url = 'http://localhost.example/v1'", "url"),
            ("url = 'ftp://a/'", "url"),
            ("url = 'https://u@a/'", "url"),
            ("url = 'https:///v1'", "url"),
            ("model = ' '", "model"),
            ("timeout = 0", "timeout"),
            ("timeout = 61", "timeout"),
            ("requests-max = 0", "requests-max"),
            ("answer-bytes-max = 1048577", "answer-bytes-max"),
        ] {
            assert_eq!(nonsense(wrong), Some(key), "{wrong}");
        }
    }
}
