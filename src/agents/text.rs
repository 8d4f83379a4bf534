//! Words: what a text is made of for the search, and how much each word says of a profile.
//!
//! Words are compared in lower case, without marks on letters and without the endings of English; of scripts that put no space between words, two
//! neighbouring characters are a word. Nothing here knows what other agents say.

use std::collections::BTreeMap;

use crate::yang::generated::magent_registry::Agent;

/// A longer word is cut off.
const WORD_CHARS_MAX: usize = 48;
/// A profile is found by so many different words; what comes after them is not looked at. It is no setting: the same
/// profiles are found the same way.
const PROFILE_WORDS_MAX: usize = 1024;

/// How much a word counts in a name of an agent or a skill, in a tag, and elsewhere.
const NAME: u32 = 3;
const TAG: u32 = 2;
const PROSE: u32 = 1;

/// The length of a profile, in words as they count, for which its words have the middle level. It is fixed and no mean of what
/// there is, so that the level of a word depends on nothing but its own profile.
const TYPICAL_LENGTH: u32 = 80;

/// What a character is for the search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Script {
    /// Of a word between spaces.
    Spaced,
    /// Of a text without spaces.
    Dense,
    /// Of no word.
    Between,
}

/// Calls `found` with each word as it was written, but in lower case and without marks on letters.
pub(super) fn words(text: &str, mut found: impl FnMut(&str)) {
    let (mut run, mut script) = (String::new(), Script::Between);
    for char in text.chars().filter(|char| !is_mark(*char)).chain([' ']) {
        let next = match char {
            _ if is_dense(char) => Script::Dense,
            _ if char.is_alphanumeric() => Script::Spaced,
            _ => Script::Between,
        };
        if next != script {
            let chars: Vec<char> = run.chars().collect();
            match (script, chars.as_slice()) {
                (Script::Between, _) => {}
                (Script::Dense, [_, _, ..]) => {
                    chars.windows(2).for_each(|pair| found(&String::from_iter(pair)));
                }
                (Script::Spaced | Script::Dense, _) => {
                    found(&String::from_iter(chars.iter().take(WORD_CHARS_MAX)));
                }
            }
            run.clear();
            script = next;
        }
        if script != Script::Between {
            for char in char.to_lowercase().filter(|char| !is_mark(*char)) {
                match plain(char) {
                    Some(letters) => run.push_str(letters),
                    None => run.push(char),
                }
            }
        }
    }
}

/// Whether it is a mark on the letter before it, of a text whose letters and marks stand apart (Unicode's form NFD).
fn is_mark(char: char) -> bool {
    matches!(char, '\u{0300}'..='\u{036F}')
}

/// What stands for a small letter with a mark, or for two letters written as one; `None` for others. With a mark or without,
/// and in either form of Unicode, a word is the same. These are the letters of the languages of Europe and of Vietnamese.
#[rustfmt::skip]
fn plain(char: char) -> Option<&'static str> {
    Some(match char {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' | 'ā' | 'ă' | 'ą' | 'ǎ' | 'ạ' | 'ả' | 'ấ' | 'ầ' | 'ẩ' | 'ẫ' | 'ậ' | 'ắ' | 'ằ' | 'ẳ' | 'ẵ' | 'ặ' => "a",
        'æ' => "ae",
        'ç' | 'ć' | 'ĉ' | 'ċ' | 'č' => "c",
        'ď' | 'đ' | 'ð' => "d",
        'è' | 'é' | 'ê' | 'ë' | 'ē' | 'ĕ' | 'ė' | 'ę' | 'ě' | 'ẹ' | 'ẻ' | 'ẽ' | 'ế' | 'ề' | 'ể' | 'ễ' | 'ệ' => "e",
        'ĝ' | 'ğ' | 'ġ' | 'ģ' => "g",
        'ĥ' | 'ħ' => "h",
        'ì' | 'í' | 'î' | 'ï' | 'ĩ' | 'ī' | 'ĭ' | 'į' | 'ı' | 'ǐ' | 'ị' | 'ỉ' => "i",
        'ĵ' => "j",
        'ķ' => "k",
        'ĺ' | 'ļ' | 'ľ' | 'ł' | 'ŀ' => "l",
        'ñ' | 'ń' | 'ņ' | 'ň' => "n",
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' | 'ō' | 'ŏ' | 'ő' | 'ơ' | 'ǒ' | 'ọ' | 'ỏ' | 'ố' | 'ồ' | 'ổ' | 'ỗ' | 'ộ' | 'ớ' | 'ờ' | 'ở' | 'ỡ' | 'ợ' => "o",
        'œ' => "oe",
        'ŕ' | 'ŗ' | 'ř' => "r",
        'ś' | 'ŝ' | 'ş' | 'š' | 'ș' => "s",
        'ß' => "ss",
        'ţ' | 'ť' | 'ŧ' | 'ț' => "t",
        'þ' => "th",
        'ù' | 'ú' | 'û' | 'ü' | 'ũ' | 'ū' | 'ŭ' | 'ů' | 'ű' | 'ų' | 'ư' | 'ǔ' | 'ụ' | 'ủ' | 'ứ' | 'ừ' | 'ử' | 'ữ' | 'ự' => "u",
        'ŵ' | 'ẁ' | 'ẃ' | 'ẅ' => "w",
        'ý' | 'ÿ' | 'ŷ' | 'ỳ' | 'ỵ' | 'ỷ' | 'ỹ' => "y",
        'ź' | 'ż' | 'ž' => "z",
        'ά' => "α",
        'έ' => "ε",
        'ή' => "η",
        'ί' | 'ϊ' | 'ΐ' => "ι",
        'ό' => "ο",
        'ύ' | 'ϋ' | 'ΰ' => "υ",
        'ώ' => "ω",
        'ѓ' => "г",
        'ё' | 'ѐ' => "е",
        'й' | 'ѝ' => "и",
        'ї' => "і",
        'ќ' => "к",
        'ў' => "у",
        _ => return None,
    })
}

/// Whether it is of a script that is written without spaces: Chinese, Japanese, Korean, Thai.
pub(super) fn is_dense(char: char) -> bool {
    matches!(char,
        '\u{0E00}'..='\u{0E7F}' | '\u{3040}'..='\u{30FF}' | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}'
        | '\u{AC00}'..='\u{D7AF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3134F}')
}

/// A word without its ending: the same for "diagnose", "diagnosing" and "diagnosis". What is not plain English stays as it is.
pub(super) fn stem(word: &str) -> &str {
    if word.len() < 4 || !word.bytes().all(|b| b.is_ascii_lowercase()) {
        return word;
    }
    let has_vowel = |part: &str| part.bytes().any(|b| b"aeiouy".contains(&b));
    let mut stem = word;
    if let Some(rest) = stem.strip_suffix("sses").or_else(|| stem.strip_suffix("ies")) {
        stem = stem.get(..rest.len() + if stem.ends_with("sses") { 2 } else { 1 }).unwrap_or(stem);
    } else if let Some(rest) = stem.strip_suffix("is").filter(|rest| rest.len() > 3) {
        stem = rest;
    } else if let Some(rest) = stem.strip_suffix('s').filter(|rest| !rest.ends_with(['s', 'u', 'i'])) {
        stem = rest;
    }
    for ending in ["ing", "ed"] {
        let Some(rest) = stem.strip_suffix(ending).filter(|rest| rest.len() > 2 && has_vowel(rest)) else {
            continue;
        };
        let mut last = rest.bytes().rev();
        let (last, one_before) = (last.next(), last.next());
        let is_doubled = last == one_before && !matches!(last, Some(b'l' | b's' | b'z'));
        stem = rest.get(..rest.len() - usize::from(is_doubled)).unwrap_or(rest);
        break;
    }
    // "energy" and "energies" come to one, and "save" and "saving".
    stem.strip_suffix(['y', 'i', 'e']).filter(|rest| rest.len() > 2).unwrap_or(stem)
}

/// The words of a profile without their endings, each with its level: 1 to 255, the more the better it stands for the profile. It
/// is what BM25 makes of how often the word is there and of the length of the profile, with k1 = 1.2 and b = 0.75.
pub(super) fn of_profile(agent: &Agent) -> BTreeMap<String, u8> {
    let (mut counts, mut length) = (BTreeMap::<String, u32>::new(), 0_u32);
    let mut add = |weight: u32, text: &str| {
        words(text, |word| {
            let word = stem(word);
            if let Some(count) = counts.get_mut(word) {
                *count = count.saturating_add(weight);
            } else if counts.len() < PROFILE_WORDS_MAX {
                counts.insert(word.to_owned(), weight);
            }
            length = length.saturating_add(weight);
        });
    };
    add(NAME, &agent.name);
    agent.alias.iter().for_each(|alias| add(NAME, alias));
    add(PROSE, &agent.description);
    for skill in &agent.skills.skill {
        add(NAME, &skill.skill_name);
        skill.skill_tags.iter().for_each(|tag| add(TAG, tag));
        skill.skill_description.iter().chain(&skill.examples).for_each(|text| add(PROSE, text));
    }
    // All times 1000: whole numbers come out the same on every machine.
    let norm = 300 + 900 * u64::from(length) / u64::from(TYPICAL_LENGTH);
    let level = |count: u32| {
        let count = u64::from(count) * 1000;
        u8::try_from(255 * count / (count + norm)).unwrap_or(u8::MAX).max(1)
    };
    counts.into_iter().map(|(word, count)| (word, level(count))).collect()
}

/// The words that differ from this one by a letter: one more, one less, another one, or two that have changed places.
pub(super) fn misspelt(word: &str) -> impl Iterator<Item = String> {
    const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz0123456789";
    let chars: Vec<char> = word.chars().collect();
    let with = move |first: usize, between: &[char], last: usize| -> String {
        chars.iter().take(first).chain(between).chain(chars.iter().skip(last)).collect()
    };
    let chars: Vec<char> = word.chars().collect();
    (0..=chars.len()).flat_map(move |at| {
        let pair: Vec<char> = chars.iter().skip(at).take(2).rev().copied().collect();
        let mut variants: Vec<String> = LETTERS.chars().map(|letter| with(at, &[letter], at)).collect();
        if at < chars.len() {
            variants.push(with(at, &[], at + 1));
            variants.extend(LETTERS.chars().map(|letter| with(at, &[letter], at + 1)));
        }
        if pair.len() == 2 {
            variants.push(with(at, &pair, at + 2));
        }
        variants
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        words(text, |word| found.push(stem(word).to_owned()));
        found
    }

    #[test]
    fn forms_of_a_word_come_to_one() {
        for forms in [
            "diagnose diagnoses diagnosing diagnosed diagnosis Diagnosis",
            "fault faults FAULT",
            "energy energies",
            "save saves saving saved",
            "plan plans planning planned",
            "process processes processing processed",
            "analysis analyse analyses analysing",
            "optimize optimizing optimized",
        ] {
            let stems = all(forms);
            assert!(stems.windows(2).all(|pair| pair[0] == pair[1]), "{stems:?}");
        }
        assert_eq!(
            all("sing king red status bus is 5gs"),
            ["sing", "king", "red", "status", "bus", "is", "5gs"]
        );
    }

    #[test]
    fn words_of_all_scripts_are_told_apart() {
        assert_eq!(all("IP-core/5G_x, ÄRGER. Ωmega"), ["ip", "cor", "5g", "x", "arger", "ωmega"]);
        assert_eq!(all("故障诊断 a"), ["故障", "障诊", "诊断", "a"]);
        assert_eq!(all("x故y"), ["x", "故", "y"]);
        assert_eq!(all(&"z".repeat(500))[0].len(), WORD_CHARS_MAX);
    }

    #[test]
    fn marks_on_letters_make_no_difference_in_either_form() {
        for (text, word) in [
            ("façade", "facad"),
            ("fac\u{327}ade", "facad"),
            ("Müllabfuhr", "mullabfuhr"),
            ("MU\u{308}LLABFUHR", "mullabfuhr"),
            ("Straße", "strass"),
            ("İzmir", "izmir"),
            ("Łódź", "lodz"),
            ("Việt", "viet"),
            ("Йод", "иод"),
            ("И\u{306}од", "иод"),
        ] {
            assert_eq!(all(text), [word], "{text}");
        }
        assert_eq!(all("\u{301}"), [""; 0]);
    }

    #[test]
    fn variants_are_all_that_differ_by_a_letter() {
        let all: Vec<String> = misspelt("abc").collect();
        for variant in ["ac", "acb", "abxc", "xabc", "abc9", "abd", "bac", "bc"] {
            assert!(all.iter().any(|held| held == variant), "{variant}");
        }
        assert!(!all.iter().any(|held| held == "cba"));
    }
}
