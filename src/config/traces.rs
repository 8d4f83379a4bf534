//! The section `[operations.traces]`: where spans are told (OTLP over HTTP, as protobuf). It never reads the files that it names.

use std::path::PathBuf;

use serde::Deserialize;

use super::is_loopback;

/// The section `[operations.traces]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Traces {
    /// The collector: an `http` or `https` URL, such as `http://127.0.0.1:4318/v1/traces`.
    pub endpoint: String,
    /// A file with further fields of its requests, `NAME: VALUE` on each line; it is read at the start and at a reload.
    #[serde(default)]
    pub headers_file: Option<PathBuf>,
    /// PEM files with the authorities that the collector has its certificate of. Without any those that the machine trusts.
    #[serde(default)]
    pub authorities: Vec<PathBuf>,
    /// Of which part of the requests that say nothing of a trace spans are told. What users have begun they decide.
    #[serde(default)]
    pub ratio: Ratio,
    /// What the server is called there.
    #[serde(default = "service_name")]
    pub service_name: String,
}

/// A part of a whole, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "f64")]
pub struct Ratio(u32);

impl Ratio {
    /// How many out of a million.
    pub fn per_million(self) -> u32 {
        self.0
    }
}

impl Default for Ratio {
    fn default() -> Ratio {
        Ratio(1_000_000)
    }
}

impl TryFrom<f64> for Ratio {
    type Error = &'static str;

    fn try_from(part: f64) -> Result<Ratio, &'static str> {
        match (0.0..=1.0).contains(&part) {
            true => Ok(Ratio((part * 1e6).round() as u32)),
            false => Err("a ratio is 0 to 1"),
        }
    }
}

fn service_name() -> String {
    "agentconf".to_owned()
}

impl Traces {
    /// The paths that are named here.
    pub(super) fn files_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        self.headers_file.iter_mut().chain(&mut self.authorities)
    }

    /// The key of what makes no sense, and the predicate that says why.
    pub(super) fn nonsense(&self) -> Option<(&'static str, &'static str)> {
        let rest = ["http://", "https://"].iter().find_map(|scheme| self.endpoint.strip_prefix(scheme));
        let is_url = rest.is_some_and(|rest| {
            !rest.starts_with(['/', ':']) && !rest.is_empty() && !rest.contains(['@', '#', ' '])
        });
        let endpoint = (!is_url).then_some(("endpoint", "is no http or https URL"));
        let is_secret_open = self.headers_file.is_some()
            && self.endpoint.strip_prefix("http://").is_some_and(|rest| !is_loopback(rest));
        let open = is_secret_open.then_some((
            "headers-file",
            "would be sent in the clear: the endpoint has to be https, or on this machine",
        ));
        endpoint.or(open).or(self.service_name.is_empty().then_some(("service-name", "is empty")))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_fields_goes_in_the_clear_to_this_machine_alone() {
        let nonsense = |endpoint: &str| {
            let text = format!("endpoint = \"{endpoint}\"\nheaders-file = \"f\"");
            toml::from_str::<Traces>(&text).unwrap().nonsense().map(|(key, _)| key)
        };
        for open in [
            "http://collector:4318/v1",
            "http://10.0.0.1/",
            "http://localhost.example/",
            "http://[fd00::1]:1/",
        ] {
            assert_eq!(nonsense(open), Some("headers-file"), "{open}");
        }
        for fine in
            ["https://collector/v1", "http://127.0.0.1:4318/v1", "http://[::1]:4318", "http://localhost/"]
        {
            assert_eq!(nonsense(fine), None, "{fine}");
        }
    }
}
