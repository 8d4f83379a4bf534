//! What is left to a model: the question that it is asked, and what of its answer is taken.
//!
//! It asks nobody. What the model says is data: a number of one of the moves that the rules would make, and words that are held
//! to rules of their own.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::super::Negotiations;
use super::super::course::{Accounted, Course};
use super::super::step::Party;
use super::answer::{Judged, Turn, infeasible, share};
use super::{Means, Stored, preferences};
use crate::clock::Timestamp;
use crate::limits::Limits;
use crate::yang::encode::EncodeOptions;
use crate::yang::generated::magent_policy::{
    AdviseMoveOutput, ExplainMovesOutputAccount, ExplainMovesOutputJudgement as Judgement, SetAside,
};
use crate::yang::generated::magent_task::RoundTerm;
use crate::yang::generated::magent_types::NegotiationMove;
use crate::yang::json::encode_children;
use crate::yang::model::{IdentityEnum, ModelError, Modelled};
use crate::yang::recast::recast;

/// Among how many moves a model chooses at most.
pub(super) const OPTIONS_MAX: usize = 8;
/// A move is not left to a model if there are not so many seconds left for it afterwards: the server has to make it in any case.
pub(super) const MARGIN_S: i64 = 2;
/// Longest words of a model, in characters.
const WORDS_MAX: usize = 1000;
/// So much of what the other agent says is shown to a model, in characters.
const SHOWN_MAX: usize = 4000;
/// What begins or ends markup, or titles and commands of prompts.
const MARKUP: &[char] = &['<', '>', '#', '`', '*', '_', '[', ']', '{', '}', '|', '~', '\\'];

/// What a model is asked about the next move of an agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Asked {
    /// The agent.
    pub agent: String,
    /// Until when its answer is awaited.
    pub until: Timestamp,
    /// Whether it also writes what is said with the move.
    pub is_worded: bool,
    /// The moves that the policy would make; first the one that is made without an answer.
    pub options: Vec<Possible>,
}

/// A move that a policy would make.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Possible(#[serde(with = "crate::yang::stored")] pub AdviseMoveOutput);

/// What came of asking a model.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// It said something.
    Answer {
        /// The number of a move, from 1 on.
        choice: Option<i64>,
        /// What is to be said with the move.
        content: Option<String>,
    },
    /// It said nothing that could be read.
    Nothing(SetAside),
}

/// What of an answer is taken.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Taken {
    /// The place of the move among the options.
    pub choice: usize,
    /// What is said with it.
    pub words: Option<String>,
    /// What the account of the move tells.
    pub judgement: Judgement,
}

impl Asked {
    /// The number of the round that the move will be.
    pub fn round(&self) -> u32 {
        self.options.first().map_or(0, |option| option.0.in_reply_to.saturating_add(1))
    }

    /// What of an answer is taken. In `course` it was asked.
    pub(super) fn take(&self, said: &Said, course: &Course) -> Taken {
        let count = self.options.len();
        let options = u8::try_from(count).unwrap_or(u8::MAX);
        let judgement = Judgement { options, choice: None, worded: None, set_aside: None };
        let aside = |why| Taken {
            choice: 0,
            words: None,
            judgement: Judgement { set_aside: Some(why), ..judgement.clone() },
        };
        let (choice, content) = match said {
            Said::Nothing(why) => return aside(*why),
            Said::Answer { choice, content } => (*choice, content.as_deref().filter(|_| self.is_worded)),
        };
        let choice = match choice {
            Some(number) => match usize::try_from(number).ok().and_then(|number| number.checked_sub(1)) {
                Some(place) if place < count => Some(place),
                _ => return aside(SetAside::NoSuchOption),
            },
            None if count > 1 => return aside(SetAside::Nonsense),
            None => None,
        };
        let place = choice.unwrap_or(0);
        let numbers = self.numbers(place, course);
        let words = match content {
            Some(content) => plain(content).and_then(|words| within(words, &numbers)).map(Some),
            None if self.is_worded => Err(SetAside::Nonsense),
            None => Ok(None),
        };
        let chosen = choice.filter(|_| count > 1).and_then(|place| u8::try_from(place + 1).ok());
        let judgement = Judgement {
            choice: chosen,
            worded: words.as_ref().is_ok_and(Option::is_some).then_some(()),
            set_aside: words.as_ref().err().copied(),
            ..judgement
        };
        Taken { choice: place, words: words.ok().flatten(), judgement }
    }

    /// The numbers that words of a move may have: those of the terms which it proposes, accepts or explains.
    fn numbers(&self, place: usize, course: &Course) -> BTreeSet<String> {
        let Some(Possible(option)) = self.options.get(place) else { return BTreeSet::new() };
        let own: Result<Vec<RoundTerm>, ModelError> = option.term.iter().map(recast).collect();
        let standing = || course.standing().map_or(&[][..], |round| &round.term);
        let terms = match option.move_ {
            NegotiationMove::Accept | NegotiationMove::Clarify => standing().to_vec(),
            _ => own.unwrap_or_default(),
        };
        terms.iter().flat_map(|term| numbers(&said(term))).collect()
    }
}

impl Negotiations {
    /// What a model has led to that was asked at this position of the log; `None` if nobody waits for it any more.
    pub fn judged(
        &self,
        id: &str,
        (position, said): (u64, &Said),
        now: Timestamp,
        limits: &Limits,
    ) -> Option<Judged> {
        let course = self.get(id)?;
        let (_, asked) = course.asked().filter(|(asked, _)| *asked == position)?;
        self.taken(course, asked, said, now, limits)
    }

    /// Until when a model can answer, if it can be asked about the next move.
    pub(super) fn may_ask(
        &self,
        course: &Course,
        stored: &Stored,
        now: Timestamp,
        patience: Duration,
        limits: &Limits,
    ) -> Option<Timestamp> {
        let wanted = &stored.policy.judgement;
        let agent = course.head.turn.as_deref()?;
        let was_asked = |one: &&Arc<Accounted>| one.agent == agent && one.account.judgement.is_some();
        let is_free = (wanted.rank || wanted.word)
            && self.asked.len() < limits.judgements_waiting_max
            && course.accounts.iter().filter(was_asked).count() < usize::from(wanted.times);
        let until = now.saturating_add_seconds(i64::try_from(patience.as_secs()).unwrap_or(i64::MAX));
        let is_in_time = course.expires_at().is_none_or(|end| until.saturating_add_seconds(MARGIN_S) < end);
        (is_free && is_in_time).then_some(until)
    }

    /// What the answer of a model leads to: the move that it chose, if the policy still allows that, or else the one that is
    /// made without it.
    pub(super) fn taken(
        &self,
        course: &Course,
        asked: &Asked,
        said: &Said,
        now: Timestamp,
        limits: &Limits,
    ) -> Option<Judged> {
        let mover = self.mover(course, now)?;
        let (means, stored, party) = mover;
        let mut otherwise = self.by(course, means, stored, party, (now, limits.negotiation_bytes_max), 0).0;
        let taken = asked.take(said, course);
        let mut turn = otherwise.clone();
        let mut judgement = taken.judgement;
        if judgement.choice.is_some() || judgement.worded.is_some() {
            let chosen =
                asked.options.get(taken.choice).and_then(|it| Turn::of_possible(&asked.agent, &it.0));
            let allowed = chosen.filter(|chosen| self.allows(course, mover, &otherwise, chosen, now));
            match allowed {
                Some(chosen) => turn = chosen.saying(taken.words),
                None => judgement = no_longer(&judgement),
            }
        }
        tell(&mut otherwise.account.account, no_longer(&judgement));
        tell(&mut turn.account.account, judgement);
        Some(Judged { turn, otherwise })
    }

    /// Whether a policy that would now make the move `own` allows another one instead.
    fn allows(
        &self,
        course: &Course,
        (means, stored, party): (&Means, &Arc<Stored>, Party),
        own: &Turn,
        other: &Turn,
        now: Timestamp,
    ) -> bool {
        let is_same = own.account.account.move_ == other.account.account.move_;
        if !other.proposes() {
            return is_same;
        }
        let regions = infeasible(means, stored, party, now, course.fulfilled());
        let Some(prepared) = stored.prepared() else { return false };
        let Some(offer) = preferences::offer(&other.terms, &stored.policy) else { return false };
        let worth = prepared.utility(&offer).and_then(share).map(|worth| worth.digits);
        let target = own.account.account.target.map(|target| target.digits);
        is_same && worth >= target && prepared.is_acceptable(&offer, &regions)
    }
}

/// The question in a negotiation, if one is asked: all that a model is told of it.
pub fn question(course: &Course) -> Option<Json> {
    let (_, asked) = course.asked()?;
    let options = asked.options.iter().zip(1..).map(|(Possible(option), number)| {
        let told = told(option);
        json!({"number": number, "move": told["move"], "terms": told["term"], "says": told["content"]})
    });
    let mut asks: Vec<&str> = Vec::new();
    if asked.options.len() > 1 {
        asks.push("choice");
    }
    if asked.is_worded {
        asks.push("content");
    }
    let latest = course.rounds.last().map(|round| {
        let told = told(round.as_ref());
        let content: String = round.content.iter().flat_map(|text| text.chars()).take(SHOWN_MAX).collect();
        json!({"move": told["move"], "terms": told["term"], "content": content})
    });
    Some(json!({
        "negotiation": course.head.type_.identity().name,
        "other-agent": latest,
        "options": options.collect::<Vec<_>>(),
        "asked-for": asks,
    }))
}

/// A struct as its JSON.
fn told<T: Modelled>(of: &T) -> Json {
    let mut text = Vec::new();
    encode_children(&of.to_data(), Some(T::node()), &mut text, &EncodeOptions::default());
    serde_json::from_slice(&text).unwrap_or_default()
}

/// A term in words: its name, its value and its unit.
pub(super) fn said(term: &RoundTerm) -> String {
    let value = match (&term.number, &term.text, &term.window) {
        (Some(number), ..) => {
            let text = number.to_string();
            text.strip_suffix(".0").unwrap_or(&text).to_owned()
        }
        (_, Some(text), _) => text.clone(),
        (.., Some(window)) => format!("{} to {}", window.start, window.end),
        _ => String::new(),
    };
    let unit = term.unit.iter().map(|unit| format!(" {unit}")).collect::<String>();
    format!("{} {value}{unit}", term.name)
}

/// Words that are plain text, without what is around them.
fn plain(content: &str) -> Result<&str, SetAside> {
    let words = content.trim();
    let is_odd = |c: char| {
        (c.is_control() && c != '\n')
            || is_unseen(c)
            || MARKUP.contains(&c)
            // Digits and fractions that no rule for numbers would see.
            || (c.is_numeric() && !c.is_ascii_digit())
    };
    let is_plain = !words.is_empty()
        && words.chars().count() <= WORDS_MAX
        && !words.contains("://")
        && !words.contains(is_odd);
    if is_plain { Ok(words) } else { Err(SetAside::NotPlain) }
}

/// Whether a character changes how others look, or is not seen itself.
fn is_unseen(c: char) -> bool {
    matches!(u32::from(c),
        0xad | 0x34f | 0x61c | 0x115f | 0x1160 | 0x17b4 | 0x17b5 | 0x180b..=0x180f | 0x200b..=0x200f
        | 0x2028..=0x202e | 0x2060..=0x206f | 0x2800 | 0x3164 | 0xfe00..=0xfe0f | 0xfeff | 0xffa0 | 0xfff0..=0xfffb
        | 0xe000..=0xf8ff | 0x1d173..=0x1d17a | 0xe0000..=0xe0fff | 0xf0000..=0x10ffff)
}

/// Words that have no other numbers than these.
fn within(words: &str, known: &BTreeSet<String>) -> Result<String, SetAside> {
    match numbers(words).is_subset(known) {
        true => Ok(words.to_owned()),
        false => Err(SetAside::OtherNumbers),
    }
}

/// The numbers in a text, in a form in which the same ones are equal: without zeros and commas that mean nothing.
fn numbers(text: &str) -> BTreeSet<String> {
    let is_inside = |c: char| c.is_ascii_digit() || c == '.' || c == ',';
    let tokens = text.split(|c: char| !is_inside(c)).map(|token| token.trim_matches(['.', ',']));
    let same = |token: &str| {
        let token = token.replace(',', "");
        let (whole, rest) = token.split_once('.').unwrap_or((&token, ""));
        let (whole, rest) = (whole.trim_start_matches('0'), rest.trim_end_matches('0'));
        let whole = if whole.is_empty() { "0" } else { whole };
        if rest.is_empty() { whole.to_owned() } else { format!("{whole}.{rest}") }
    };
    tokens.filter(|token| !token.is_empty()).map(same).collect()
}

/// Adds to an account what a model had to do with its move.
pub(super) fn tell(account: &mut ExplainMovesOutputAccount, judgement: Judgement) {
    let options = judgement.options;
    if let Some(choice) = judgement.choice {
        account.reason.push_str(&format!(" A model chose it, the number {choice} of {options}."));
    }
    if judgement.worded.is_some() {
        account.reason.push_str(" A model has worded it.");
    }
    if let Some(why) = judgement.set_aside {
        account.reason.push_str(&format!(" What a model was to say was set aside: {}.", why.as_str()));
    }
    account.judgement = Some(judgement);
}

/// What was to be taken of an answer, where that turns out not to be possible.
fn no_longer(judgement: &Judgement) -> Judgement {
    let set_aside = judgement.set_aside.unwrap_or(SetAside::NoLongerPossible);
    Judgement { options: judgement.options, choice: None, worded: None, set_aside: Some(set_aside) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_plain_text_and_nothing_that_is_unseen_or_markup() {
        for good in
            ["Ninety euros, please.", "Zwei\nZeilen: é", " 50 % (as before); \"yes\" ", &"x".repeat(1000)]
        {
            assert_eq!(plain(good), Ok(good.trim()), "{good:?}");
        }
        for wrong in [
            "",
            " \n ",
            "a\tb",
            "a\u{0}b",
            "a\u{1b}[31mb",
            "<b>x</b>",
            "##task description x",
            "`rm`",
            "see https://a/",
            "a\u{202e}b",
            "a\u{200b}b",
            "\u{feff}a",
            "\u{e0041}",
            "a\u{2028}b",
            "٥ euros",
            "５",
            "½",
            "Ⅴ",
            &"x".repeat(1001),
        ] {
            assert_eq!(plain(wrong), Err(SetAside::NotPlain), "{wrong:?}");
        }
    }

    #[test]
    fn numbers_are_compared_as_numbers() {
        let known = numbers("price 90.5 EUR, 1000, 2026-11-22T06:00:00Z");
        for good in ["none", "90.50!", "1,000 of 90.5", "006, 22. and 2026", "It is 1000."] {
            assert!(within(good, &known).is_ok(), "{good}");
        }
        for other in ["9", "5", "90", "905", "90.55", "1001", "90,5", "-1", "1e3"] {
            assert_eq!(within(other, &known), Err(SetAside::OtherNumbers), "{other}");
        }
    }
}
