//! `discover-agents`: which agents meet the conditions, in pages.
//!
//! Without a text to look for, agents come in the order of their numbers; with one, the best match comes first (BM25). A
//! cursor says after which agent the next part begins, and by which words and weights the first part was ranked, so
//! registrations that come and go between two parts neither repeat nor hide another agent. Nothing is changed here.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::index::{Facet, flag};
use super::search::{Place, Search, Union};
use super::{Registry, Shown, text};
use crate::clock::Timestamp;
use crate::limits::Limits;
use crate::yang::encode::EncodeOptions;
use crate::yang::error::{Error, Tag};
use crate::yang::generated::magent_registry::{
    Agent, DiscoverAgentsInput, DiscoverAgentsOutput, DiscoverAgentsOutputAgent, DiscoverAgentsOutputMatched,
    nodes::DISCOVER_AGENTS_INPUT_TEXT,
};
use crate::yang::json;
use crate::yang::model::Modelled;
use crate::yang::recast::recast;

/// A word that no agent has stands for so many others.
const EXPANSIONS_MAX: usize = 8;
/// So many words of one text are taken for misspelt; of each some hundred others are looked up.
const CORRECTED_MAX: usize = 4;
/// The sum of the weights of the words of a text.
const WEIGHTS_MAX: i16 = 128;

impl Registry {
    /// `discover-agents`: the agents that are registered at the time `now`, meet the conditions
    /// and that are `shown`.
    ///
    /// # Errors
    /// `bad-cursor`; `too-big` if the text has too many words, `invalid-value` if it has none.
    pub fn discover(
        &self,
        now: Timestamp,
        input: &DiscoverAgentsInput,
        shown: Shown<'_>,
        limits: &Limits,
    ) -> Result<DiscoverAgentsOutput, Error> {
        let words = input.text.as_deref().map(|text| words(text, limits)).transpose()?.unwrap_or_default();
        let search = search_of(input);
        let cursor =
            input.cursor.as_deref().map(|cursor| Cursor::read(cursor, &search, limits)).transpose()?;
        let asked = input.limit.map_or(limits.discover_agents_max, usize::from);
        let count = asked.min(limits.discover_agents_max);
        let is_shown = |number: u32| self.is_shown(number, now, shown);

        let mut matched = None;
        let mut ranked = Vec::new();
        let mut places: Vec<Place> = if words.is_empty() {
            let mut search = Search { required: self.conditions(input), ..Search::default() };
            let numbers = search.first(cursor.as_ref().map(|cursor| cursor.number), count + 1, is_shown);
            numbers.into_iter().map(|number| Place { score: Reverse(0), number }).collect()
        } else {
            let after =
                cursor.as_ref().map(|cursor| Place { score: Reverse(cursor.score), number: cursor.number });
            let mut any = cursor.as_ref().is_some_and(|cursor| cursor.any);
            // No cursor tells a word that only others have, who may not be seen.
            let is_held = |word: &str| {
                self.index.with(Facet::Word, word).is_some_and(|set| {
                    let mut having = Search { required: vec![Union::of([set])], ..Search::default() };
                    shown.is_none() || !having.first(None, 1, is_shown).is_empty()
                })
            };
            ranked = cursor.map_or_else(|| self.ranked(&words, &is_held), |cursor| cursor.words);
            let find = |any: bool| self.text_search(input, &ranked, any).best(after, count + 1, is_shown);
            let mut found = find(any);
            // Better some of the words than nothing.
            if found.is_empty() && after.is_none() && ranked.len() > 1 {
                found = find(true);
                any = !found.is_empty();
            }
            matched =
                Some(if any { DiscoverAgentsOutputMatched::Any } else { DiscoverAgentsOutputMatched::All });
            found
        };
        let more = places.len() > count;
        places.truncate(count);
        let next_cursor = places.last().filter(|_| more).map(|last| {
            let any = matched == Some(DiscoverAgentsOutputMatched::Any);
            Cursor { search, number: last.number, score: last.score.0, any, words: ranked }.to_text()
        });
        let agents = places.iter().filter_map(|place| self.numbered(place.number));
        let agent = agents.map(output).collect::<Result<_, _>>()?;
        Ok(DiscoverAgentsOutput { agent, matched, next_cursor })
    }

    /// The agent with a number.
    pub(super) fn numbered(&self, number: u32) -> Option<&Agent> {
        self.agents.get(self.index.name(number)?).map(|held| &held.entry)
    }

    /// Whether an agent is registered at the time `now`, and shown.
    pub(super) fn is_shown(&self, number: u32, now: Timestamp, shown: Shown<'_>) -> bool {
        let is_past = self.expiry.get_min().is_some_and(|(at, _)| *at <= now);
        if !is_past && shown.is_none() {
            return true;
        }
        let Some(name) = self.index.name(number) else { return false };
        (!is_past || self.contains(name, now)) && shown.is_none_or(|shown| shown(name))
    }

    /// The agents that meet each of the conditions.
    fn conditions(&self, input: &DiscoverAgentsInput) -> Vec<Union<'_>> {
        let (streaming, pushing) = (input.streaming, input.push_notifications);
        let of_flag =
            |value: Option<bool>| value.map(|value| flag(Some(value)).to_owned()).into_iter().collect();
        let (streaming, pushing): (Vec<String>, Vec<String>) = (of_flag(streaming), of_flag(pushing));
        let all = [
            (Facet::Type, &input.type_),
            (Facet::Provider, &input.provider),
            (Facet::Domain, &input.domain),
            (Facet::ManagementObject, &input.management_object),
            (Facet::SkillName, &input.skill_name),
            (Facet::SkillTag, &input.skill_tag),
            (Facet::InputMode, &input.input_mode),
            (Facet::OutputMode, &input.output_mode),
            (Facet::Negotiate, &input.negotiate),
            (Facet::Streaming, &streaming),
            (Facet::PushNotifications, &pushing),
            (Facet::Protocol, &input.protocol),
            (Facet::AuthenticationScheme, &input.authentication_scheme),
        ];
        let given = all.into_iter().filter(|(_, values)| !values.is_empty());
        let mut unions: Vec<Union<'_>> = given
            .map(|(facet, values)| Union::of(values.iter().filter_map(|value| self.index.with(facet, value))))
            .collect();
        if !input.name.is_empty() {
            unions
                .push(Union::listed(input.name.iter().filter_map(|name| self.index.number(name)).collect()));
        }
        if unions.is_empty() {
            unions.push(Union::of(self.index.with(Facet::Any, "")));
        }
        unions
    }

    /// The search for agents that meet the conditions and have all of the words, or any.
    fn text_search(&self, input: &DiscoverAgentsInput, words: &[Ranked], any: bool) -> Search<'_> {
        let sets = |words: &[String]| -> Vec<_> {
            words.iter().filter_map(|word| self.index.with(Facet::Word, word)).collect()
        };
        let mut required = self.conditions(input);
        if any {
            required.push(Union::of(words.iter().flat_map(|(_, words)| sets(words))));
        } else {
            required.extend(words.iter().map(|(_, words)| Union::of(sets(words))));
        }
        let scored = words.iter().map(|(weight, words)| (*weight, Union::of(sets(words)))).collect();
        Search { required, scored }
    }

    /// What each word stands for, with weights: the fewer agents have it, the more it counts.
    fn ranked(&self, words: &BTreeSet<String>, is_held: &dyn Fn(&str) -> bool) -> Vec<Ranked> {
        let mut corrected = 0;
        let meant: Vec<Vec<String>> =
            words.iter().map(|word| self.meant(word, &mut corrected, is_held)).collect();
        let agents = self.agents.len() as f64;
        let rarities: Vec<f64> = meant
            .iter()
            .map(|words| {
                let sets = words.iter().filter_map(|word| self.index.with(Facet::Word, word));
                let having = (sets.map(|set| set.len()).sum::<usize>() as f64).min(agents);
                (1.0 + (agents - having + 0.5) / (having + 0.5)).ln()
            })
            .collect();
        let all: f64 = rarities.iter().sum();
        let left = f64::from(WEIGHTS_MAX) - rarities.len() as f64;
        let weight = |rarity: f64| 1 + (left.max(0.0) * rarity / all) as i16;
        rarities.into_iter().map(weight).zip(meant).collect()
    }

    /// The words that are looked for in place of one: that word if an agent has it, else those that begin with it, else
    /// those from which it differs by a letter.
    fn meant(&self, word: &str, corrected: &mut usize, is_held: &dyn Fn(&str) -> bool) -> Vec<String> {
        let stem = text::stem(word);
        if is_held(stem) {
            return vec![stem.to_owned()];
        }
        let mut found: Vec<(usize, String)> = Vec::new();
        if word.chars().count() > 2 || word.chars().all(text::is_dense) {
            let beginning = self.index.beginning_with(word);
            let beginning = beginning.filter(|(word, _)| is_held(word));
            found.extend(beginning.map(|(word, set)| (set.len(), word.to_owned())));
        }
        if found.is_empty() && word.chars().count() > 3 && *corrected < CORRECTED_MAX {
            *corrected += 1;
            let variants: BTreeSet<String> = text::misspelt(word)
                .chain([stem.to_owned()])
                .map(|word| text::stem(&word).to_owned())
                .collect();
            let held = variants
                .into_iter()
                .filter(|word| is_held(word))
                .filter_map(|word| Some((self.index.with(Facet::Word, &word)?.len(), word)));
            found.extend(held);
        }
        found.sort_unstable_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        found.into_iter().take(EXPANSIONS_MAX).map(|(_, word)| word).collect()
    }
}

/// The weight of a word, and what it stands for.
type Ranked = (i16, Vec<String>);

/// The words that are looked for, as they were written but in lower case.
fn words(text: &str, limits: &Limits) -> Result<BTreeSet<String>, Error> {
    let mut words = BTreeSet::new();
    text::words(text, |word| {
        if words.len() <= limits.search_words_max {
            words.insert(word.to_owned());
        }
    });
    if words.len() > limits.search_words_max {
        let message = format!("'text' has more than {} words", limits.search_words_max);
        return Err(Error::application(Tag::TooBig, message).of_parameter(&DISCOVER_AGENTS_INPUT_TEXT));
    }
    if words.is_empty() {
        let message = "there is no word in 'text'; without it all agents are found";
        return Err(Error::application(Tag::InvalidValue, message).of_parameter(&DISCOVER_AGENTS_INPUT_TEXT));
    }
    Ok(words)
}

/// What tells a search from others, whichever part of it is asked for.
fn search_of(input: &DiscoverAgentsInput) -> String {
    let search = DiscoverAgentsInput { limit: None, cursor: None, ..input.clone() };
    let mut text = Vec::new();
    let node = Some(DiscoverAgentsInput::node());
    json::encode_children(&search.to_data(), node, &mut text, &EncodeOptions::default());
    URL_SAFE_NO_PAD.encode(Sha256::digest(&text).iter().take(9).copied().collect::<Vec<u8>>())
}

/// Where a part of a search has ended.
#[derive(Serialize, Deserialize)]
struct Cursor {
    /// [`search_of`] it.
    search: String,
    /// The number of the last agent.
    number: u32,
    /// Its score.
    score: i16,
    /// Whether any of the words suffices.
    any: bool,
    /// What the words of the text stood for in the first part: what comes and goes changes the weights, and must not
    /// change the order.
    words: Vec<Ranked>,
}

impl Cursor {
    fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    fn read(text: &str, search: &str, limits: &Limits) -> Result<Cursor, Error> {
        let octets = URL_SAFE_NO_PAD.decode(text).ok();
        let cursor: Option<Cursor> = octets.and_then(|octets| serde_json::from_slice(&octets).ok());
        let fits = |cursor: &Cursor| {
            let weights = cursor.words.iter().map(|(weight, _)| i32::from(*weight));
            cursor.search == search
                && cursor.words.len() <= limits.search_words_max
                && cursor.words.iter().all(|(weight, words)| *weight > 0 && words.len() <= EXPANSIONS_MAX)
                && weights.sum::<i32>() <= i32::from(WEIGHTS_MAX).max(limits.search_words_max as i32)
        };
        cursor.filter(fits).ok_or_else(|| {
            let message = "'cursor' is not the 'next-cursor' of an earlier part of this search";
            Error::application(Tag::InvalidValue, message).app_tag("bad-cursor")
        })
    }
}

fn output(agent: &Agent) -> Result<DiscoverAgentsOutputAgent, Error> {
    let mut found: DiscoverAgentsOutputAgent =
        recast(agent).map_err(|e| Error::application(Tag::OperationFailed, e.to_string()))?;
    found.expires_at.clone_from(&agent.registration.expires_at);
    Ok(found)
}
