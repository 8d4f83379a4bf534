//! Versions: of agents (Semantic Versioning 2.0.0), and those at the end of names such as `feasibility-v1.0` or `a2a/0.3`.
//!
//! What is written shorter than the specification demands is taken too, as `1` and `v1.2`. Nothing here knows a profile.

use std::cmp::Ordering;
use std::collections::BTreeMap;

/// A version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version {
    numbers: [u64; 3],
    /// The identifiers of a pre-release; a release has none.
    pre_release: Vec<String>,
}

impl Version {
    /// The version that a text is.
    pub(super) fn read(text: &str) -> Option<Version> {
        let text = text.trim().trim_start_matches(['v', 'V']);
        let text = text.split_once('+').map_or(text, |(version, _build)| version);
        let (numbers, pre_release) = text.split_once('-').map_or((text, None), |(n, pre)| (n, Some(pre)));
        let mut version = Version { numbers: [0; 3], pre_release: Vec::new() };
        let mut parts = numbers.split('.');
        for (at, number) in version.numbers.iter_mut().enumerate() {
            match parts.next() {
                Some(part) if part.bytes().all(|b| b.is_ascii_digit()) => *number = part.parse().ok()?,
                Some(_) => return None,
                None if at == 0 => return None,
                None => {}
            }
        }
        if parts.next().is_some() {
            return None;
        }
        for identifier in pre_release.into_iter().flat_map(|pre| pre.split('.')) {
            if identifier.is_empty() || !identifier.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
                return None;
            }
            version.pre_release.push(identifier.to_owned());
        }
        Some(version)
    }

    /// What versions that are compatible have in common: the major number, and with 0 the minor one too.
    pub(super) fn family(&self) -> (u64, u64) {
        match self.numbers {
            [0, minor, _] => (0, minor),
            [major, ..] => (major, 0),
        }
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Precedence (section 11).
impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let number = |text: &String| text.parse::<u64>().ok();
        let identifiers = |a: &String, b: &String| match (number(a), number(b)) {
            (Some(a), Some(b)) => a.cmp(&b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => a.cmp(b),
        };
        let pre_release = match (self.pre_release.is_empty(), other.pre_release.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => {
                let pairs = self.pre_release.iter().zip(&other.pre_release);
                let differ = pairs.map(|(a, b)| identifiers(a, b)).find(|order| order.is_ne());
                differ.unwrap_or_else(|| self.pre_release.len().cmp(&other.pre_release.len()))
            }
        };
        self.numbers.cmp(&other.numbers).then(pre_release)
    }
}

/// Standards have greater numbers, which tell them apart and not their versions: TS 28.541, IEEE 802.11.
const MAJOR_MAX: u64 = 20;

/// A name in lower case, and the version at its end if it has one: behind `/` any, behind `-`, `_`, `:` or a space one with a
/// `v` before it, or with a point and a major number that is not greater than 20, so that `cell-5` and `ts-28.541` are names.
pub(super) fn split(text: &str) -> (String, Option<Version>) {
    for (at, separator) in text.match_indices(['-', '_', '/', ':', ' ']) {
        let (Some(name), Some(rest)) = (text.get(..at), text.get(at + 1..)) else { continue };
        let is_said = separator == "/" || rest.starts_with(['v', 'V']);
        if !name.is_empty()
            && let Some(version) = Version::read(rest)
            && (is_said
                || rest.contains('.') && version.numbers.first().is_some_and(|major| *major <= MAJOR_MAX))
        {
            return (name.to_lowercase(), Some(version));
        }
    }
    (text.to_lowercase(), None)
}

/// What two parties have in common of names with versions: of each name the highest version that both support, as it was written.
/// Who has a version supports those of its family before it; who says none takes any.
pub(super) fn common(these: &[String], those: &[String]) -> Vec<String> {
    let (these, those) = (by_name(these), by_name(those));
    let mut common = Vec::new();
    for (name, ours) in &these {
        let Some(theirs) = those.get(name) else { continue };
        let best = match (ours.keys().last(), theirs.keys().last()) {
            (Some(Some(_)), Some(Some(_))) => {
                let shared = ours.iter().rev().filter(|(family, _)| family.is_some());
                shared.filter_map(|(family, ours)| Some(ours.min(theirs.get(family)?))).next()
            }
            (Some(_), Some(Some(_))) => theirs.values().last(),
            _ => ours.values().last(),
        };
        common.extend(best.map(|(_, text)| (*text).to_owned()));
    }
    common
}

/// By name, and then by family, the highest version with its text.
type Named<'a> = BTreeMap<String, BTreeMap<Option<(u64, u64)>, (Option<Version>, &'a str)>>;

fn by_name(texts: &[String]) -> Named<'_> {
    let mut named = Named::new();
    for text in texts {
        let (name, version) = split(text);
        let families = named.entry(name).or_default();
        let family = version.as_ref().map(Version::family);
        let highest = families.entry(family).or_insert_with(|| (version.clone(), text));
        if version > highest.0 {
            *highest = (version, text);
        }
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn semver_11_precedence() {
        let order = [
            "0.9",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1",
            "v1.0.1+build.7",
            "1.2",
            "2.0.0",
            "10.0",
        ];
        let versions: Vec<Version> = order.iter().map(|text| Version::read(text).unwrap()).collect();
        assert!(versions.windows(2).all(|pair| pair[0] < pair[1]));
        for text in
            ["", "v", "1.", "1.x", "1.2.3.4", "one", "1.0-", "-1", "1.0.0-a_b", "99999999999999999999"]
        {
            assert_eq!(Version::read(text), None, "{text}");
        }
    }

    #[test]
    fn versions_at_the_end_of_names_are_told_from_numbers() {
        let version = |text: &str| split(text).1.map(|version| version.numbers);
        assert_eq!(version("acp-task-feasibility-negotiation-v1.0"), Some([1, 0, 0]));
        assert_eq!(version("A2A/0.3"), Some([0, 3, 0]));
        assert_eq!(version("netconf 1.1"), Some([1, 1, 0]));
        assert_eq!(version("x-v2-beta.1"), Some([2, 0, 0]));
        for name in [
            "cell-5",
            "5g",
            "restconf",
            "v1",
            "text/plain",
            "-v1",
            "TS-28.541",
            "ieee 802.11",
            "3gpp:29.500.1",
        ] {
            assert_eq!(version(name), None, "{name}");
        }
    }

    #[test]
    fn the_common_version_is_the_highest_that_both_support() {
        for (ours, theirs, expected) in [
            (&["f-v1.0", "f-v2.1"][..], &["f-v1.4", "f-v2.0"][..], &["f-v2.0"][..]),
            (&["f-v1.3"], &["f-v1.1"], &["f-v1.1"]),
            (&["f-v1.0"], &["f-v2.0"], &[]),
            (&["f-v0.2"], &["f-v0.3"], &[]),
            (&["f-v0.2.1"], &["f-v0.2.9"], &["f-v0.2.1"]),
            (&["RESTCONF", "netconf"], &["restconf"], &["RESTCONF"]),
            (&["f"], &["f-v1.0", "f-v2.0"], &["f-v2.0"]),
            (&["f-v3.0"], &["F"], &["f-v3.0"]),
            (&["a"], &["b"], &[]),
            (&["TS-28.541", "ieee 802.11"], &["TS-28.532", "ieee 802.3"], &[]),
            (&["TS-28.541/16.2"], &["ts-28.541/16.4", "ts-28.532/16.4"], &["TS-28.541/16.2"]),
        ] {
            let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
            assert_eq!(common(&texts(ours), &texts(theirs)), expected, "{ours:?} {theirs:?}");
        }
    }
}
