//! Patterns: XML Schema regular expressions as RFC 7950 section 9.4.5 uses them, rewritten for
//! the `regex` crate, which matches in linear time.
//!
//! The source language is that of XML Schema Part 2 (second edition), appendix F, taken
//! strictly: what it does not define is refused rather than given the meaning that other
//! regular expression languages have for it. This file only rewrites text: it never compiles
//! or runs a pattern, and it refers to nothing else of the crate because codegen includes it
//! by path.

use std::fmt;

/// Longest pattern accepted, in bytes.
const LENGTH_MAX: usize = 16 * 1024;
/// Deepest nesting of groups and of class subtractions.
const DEPTH_MAX: usize = 40;
/// Largest bound of a quantifier.
const COUNT_MAX: u32 = 65_535;

/// Why a pattern was refused: where, and what would have been accepted there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternError {
    /// Byte offset in the pattern.
    pub offset: usize,
    /// What the pattern language allows at that place.
    pub expected: &'static str,
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {} of the pattern: expected {}", self.offset, self.expected)
    }
}

impl std::error::Error for PatternError {}

/// Rewrites a pattern so that the `regex` crate accepts exactly the strings that the pattern
/// matches as a whole.
///
/// `\i` and `\c` are the name characters of XML 1.0 (fifth edition); block names are those of
/// XML Schema, with the ranges that Unicode has today. The caller compiles the outcome, which
/// can still fail on the size limit of the `regex` crate.
pub fn translate(xsd: &str) -> Result<String, PatternError> {
    if xsd.len() > LENGTH_MAX {
        return Err(PatternError {
            offset: LENGTH_MAX,
            expected: "the end: a pattern has at most 16384 bytes",
        });
    }
    let mut translator = Translator { text: xsd, position: 0, depth: 0, out: String::from(r"\A(?:") };
    translator.alternatives()?;
    if translator.peek().is_some() {
        return translator.refuse("no `)` without its `(`");
    }
    translator.out.push_str(r")\z");
    Ok(translator.out)
}

type Outcome<T = ()> = Result<T, PatternError>;

/// Reads the pattern left to right and writes the translation as it goes.
struct Translator<'a> {
    text: &'a str,
    position: usize,
    depth: usize,
    out: String,
}

impl Translator<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.position..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.position += c.len_utf8();
        Some(c)
    }

    fn take(&mut self, expected: char) -> bool {
        let found = self.peek() == Some(expected);
        if found {
            self.position += expected.len_utf8();
        }
        found
    }

    fn refuse<T>(&self, expected: &'static str) -> Outcome<T> {
        Err(PatternError { offset: self.position, expected })
    }

    fn enter(&mut self) -> Outcome {
        self.depth += 1;
        if self.depth > DEPTH_MAX { self.refuse("at most 40 levels of nesting") } else { Ok(()) }
    }

    /// `regExp ::= branch ('|' branch)*`; a branch can be empty.
    fn alternatives(&mut self) -> Outcome {
        loop {
            match self.peek() {
                None | Some(')') => return Ok(()),
                Some('|') => {
                    self.position += 1;
                    self.out.push('|');
                }
                Some(c) => {
                    self.atom(c)?;
                    self.quantifier()?;
                }
            }
        }
    }

    /// `atom ::= Char | charClass | '(' regExp ')'`, where `c` is the next character.
    fn atom(&mut self, c: char) -> Outcome {
        match c {
            '(' => {
                self.enter()?;
                self.position += 1;
                self.out.push_str("(?:");
                self.alternatives()?;
                if !self.take(')') {
                    return self.refuse("`)`");
                }
                self.out.push(')');
                self.depth -= 1;
            }
            '[' => {
                self.position += 1;
                self.class()?;
            }
            '.' => {
                self.position += 1;
                self.out.push_str(r"[^\n\r]");
            }
            '\\' => match self.escape()? {
                Escape::Char(c) => push_literal(&mut self.out, c),
                Escape::Class(class) => self.out.push_str(&class),
            },
            '?' | '*' | '+' | '{' => return self.refuse("something to repeat before a quantifier"),
            ']' | '}' => return self.refuse("`]` and `}` to be escaped outside a class or quantifier"),
            c => {
                self.position += c.len_utf8();
                push_literal(&mut self.out, c);
            }
        }
        Ok(())
    }

    /// `quantifier ::= [?*+] | ('{' quantity '}')`, at most one.
    fn quantifier(&mut self) -> Outcome {
        let Some(c @ ('?' | '*' | '+' | '{')) = self.peek() else { return Ok(()) };
        self.position += 1;
        self.out.push(c);
        if c == '{' {
            let least = self.count()?;
            self.out.push_str(&least.to_string());
            if self.take(',') {
                self.out.push(',');
                if self.peek() != Some('}') {
                    let start = self.position;
                    let most = self.count()?;
                    if most < least {
                        self.position = start;
                        return self.refuse("an upper bound that is not below the lower one");
                    }
                    self.out.push_str(&most.to_string());
                }
            }
            if !self.take('}') {
                return self.refuse("`}`");
            }
            self.out.push('}');
        }
        match self.peek() {
            Some('?' | '*' | '+' | '{') => self.refuse("one quantifier only"),
            _ => Ok(()),
        }
    }

    fn count(&mut self) -> Outcome<u32> {
        let digits = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return self.refuse("a number");
        }
        match self.rest().get(..digits).and_then(|text| text.parse().ok()) {
            Some(count) if count <= COUNT_MAX => {
                self.position += digits;
                Ok(count)
            }
            _ => self.refuse("a number up to 65535"),
        }
    }

    /// A character class expression after its `[`, up to and with its `]`.
    ///
    /// `charGroup ::= posCharGroup | negCharGroup | charClassSub`. The group is written into
    /// brackets of its own if something is subtracted from it, because in the `regex` crate
    /// `^` would otherwise negate the difference.
    fn class(&mut self) -> Outcome {
        self.enter()?;
        let start = self.out.len();
        self.out.push('[');
        if self.take('^') {
            self.out.push('^');
        }
        let mut first = true;
        loop {
            let rest = self.rest();
            if rest.starts_with(']') {
                if first {
                    return self.refuse("a character or range in the class (`]` is escaped as `\\]`)");
                }
                self.position += 1;
                self.out.push(']');
                break;
            }
            if rest.starts_with("-[") {
                if first {
                    return self.refuse("something to subtract from");
                }
                self.position += 2;
                self.out.push(']');
                self.out.insert(start, '[');
                self.out.push_str("--");
                self.class()?;
                if !self.take(']') {
                    return self.refuse("`]`: a subtraction ends its class");
                }
                self.out.push(']');
                break;
            }
            self.class_part(first)?;
            first = false;
        }
        self.depth -= 1;
        Ok(())
    }

    /// One character, range or class escape within a class.
    fn class_part(&mut self, first: bool) -> Outcome {
        let start = self.position;
        let low = match self.peek() {
            None => return self.refuse("`]`"),
            Some('[') => return self.refuse("`[` to be escaped or to follow a `-`"),
            Some('\\') => match self.escape()? {
                Escape::Char(c) => c,
                Escape::Class(class) => {
                    self.out.push_str(&class);
                    return Ok(());
                }
            },
            Some('-') => {
                let after = self.rest().get(1..).unwrap_or_default();
                if !(first || after.starts_with(']') || after.starts_with("-[")) {
                    return self
                        .refuse("`-` at the begin or end of the class, between two characters, or escaped");
                }
                self.position += 1;
                self.out.push_str(r"\-");
                return Ok(());
            }
            Some(c) => {
                self.position += c.len_utf8();
                c
            }
        };
        push_literal(&mut self.out, low);
        let after = self.rest().strip_prefix('-').and_then(|rest| rest.chars().next());
        let Some(after) = after.filter(|c| !matches!(c, ']' | '[' | '-')) else { return Ok(()) };
        self.position += 1;
        let high = match after {
            '\\' => match self.escape()? {
                Escape::Char(c) => c,
                Escape::Class(_) => {
                    self.position = start;
                    return self.refuse("a range between two characters");
                }
            },
            c => {
                self.position += c.len_utf8();
                c
            }
        };
        if high < low {
            self.position = start;
            return self.refuse("a range whose end is not before its start");
        }
        self.out.push('-');
        push_literal(&mut self.out, high);
        Ok(())
    }

    /// An escape, from its `\`.
    fn escape(&mut self) -> Outcome<Escape> {
        self.position += 1;
        let start = self.position;
        let class = match self.next() {
            Some('n') => return Ok(Escape::Char('\n')),
            Some('r') => return Ok(Escape::Char('\r')),
            Some('t') => return Ok(Escape::Char('\t')),
            Some(
                c @ ('\\' | '|' | '.' | '?' | '*' | '+' | '(' | ')' | '{' | '}' | '-' | '[' | ']' | '^'),
            ) => return Ok(Escape::Char(c)),
            Some('s') => r"[ \t\n\r]".to_owned(),
            Some('S') => r"[^ \t\n\r]".to_owned(),
            Some('d') => r"\p{Nd}".to_owned(),
            Some('D') => r"\P{Nd}".to_owned(),
            Some('w') => r"[^\p{P}\p{Z}\p{C}]".to_owned(),
            Some('W') => r"[\p{P}\p{Z}\p{C}]".to_owned(),
            Some('i') => format!("[{NAME_START}]"),
            Some('I') => format!("[^{NAME_START}]"),
            Some('c') => format!("[{NAME_START}{NAME_MORE}]"),
            Some('C') => format!("[^{NAME_START}{NAME_MORE}]"),
            Some('p') => self.property("")?,
            Some('P') => self.property("^")?,
            _ => {
                self.position = start;
                return self.refuse(
                    "one of n r t \\ | . ? * + ( ) { } - [ ] ^ s S i I c C d D w W p{…} P{…} after `\\`",
                );
            }
        };
        Ok(Escape::Class(class))
    }

    /// The `{…}` of `\p{…}`: a general category or `Is` and the name of a block.
    fn property(&mut self, negation: &str) -> Outcome<String> {
        if !self.take('{') {
            return self.refuse("`{` after `\\p` or `\\P`");
        }
        let Some(length) = self.rest().find('}') else { return self.refuse("`}` after the property") };
        let name = self.rest().get(..length).unwrap_or_default();
        let mut class = format!("[{negation}");
        if let Some(block) = name.strip_prefix("Is") {
            let ranges = BLOCKS.iter().filter(|(name, ..)| *name == block);
            let plain = class.len();
            for (_, low, high) in ranges {
                class.push_str(&format!(r"\x{{{low:X}}}-\x{{{high:X}}}"));
            }
            if class.len() == plain {
                return self.refuse("the name of a Unicode block of XML Schema after `Is`");
            }
        } else if CATEGORIES.contains(&name) {
            class.push_str(&format!(r"\p{{{name}}}"));
        } else {
            return self.refuse("a Unicode general category or `Is` and the name of a block");
        }
        class.push(']');
        self.position += length + 1;
        Ok(class)
    }
}

/// What an escape stands for: one character, or a class written for the `regex` crate.
enum Escape {
    Char(char),
    Class(String),
}

/// Writes one character so that it stands for itself, within a class and outside.
fn push_literal(out: &mut String, c: char) {
    match c {
        '\n' => out.push_str(r"\n"),
        '\r' => out.push_str(r"\r"),
        '\t' => out.push_str(r"\t"),
        '\\' | '.' | '+' | '*' | '?' | '(' | ')' | '|' | '[' | ']' | '{' | '}' | '^' | '$' | '#' | '&'
        | '-' | '~' => {
            out.push('\\');
            out.push(c);
        }
        c => out.push(c),
    }
}

/// NameStartChar of XML 1.0 (fifth edition), production 4.
const NAME_START: &str = r":A-Z_a-z\x{C0}-\x{D6}\x{D8}-\x{F6}\x{F8}-\x{2FF}\x{370}-\x{37D}\x{37F}-\x{1FFF}\x{200C}-\x{200D}\x{2070}-\x{218F}\x{2C00}-\x{2FEF}\x{3001}-\x{D7FF}\x{F900}-\x{FDCF}\x{FDF0}-\x{FFFD}\x{10000}-\x{EFFFF}";
/// What NameChar has beyond NameStartChar (production 4a).
const NAME_MORE: &str = r"\-.0-9\x{B7}\x{300}-\x{36F}\x{203F}-\x{2040}";

/// The general categories of appendix F; `Cs` is not among them.
const CATEGORIES: &[&str] = &[
    "L", "Lu", "Ll", "Lt", "Lm", "Lo", "M", "Mn", "Mc", "Me", "N", "Nd", "Nl", "No", "P", "Pc", "Pd", "Ps",
    "Pe", "Pi", "Pf", "Po", "Z", "Zs", "Zl", "Zp", "S", "Sm", "Sc", "Sk", "So", "C", "Cc", "Cf", "Co", "Cn",
];

/// Blocks by their names in XML Schema (the name of Unicode without spaces), first and last
/// character. A name that stands twice has two ranges.
#[rustfmt::skip]
const BLOCKS: &[(&str, u32, u32)] = &[
    ("BasicLatin", 0x0, 0x7F), ("Latin-1Supplement", 0x80, 0xFF), ("LatinExtended-A", 0x100, 0x17F),
    ("LatinExtended-B", 0x180, 0x24F), ("IPAExtensions", 0x250, 0x2AF),
    ("SpacingModifierLetters", 0x2B0, 0x2FF), ("CombiningDiacriticalMarks", 0x300, 0x36F),
    ("Greek", 0x370, 0x3FF), ("GreekandCoptic", 0x370, 0x3FF), ("Cyrillic", 0x400, 0x4FF),
    ("Armenian", 0x530, 0x58F), ("Hebrew", 0x590, 0x5FF), ("Arabic", 0x600, 0x6FF),
    ("Syriac", 0x700, 0x74F), ("Thaana", 0x780, 0x7BF), ("Devanagari", 0x900, 0x97F),
    ("Bengali", 0x980, 0x9FF), ("Gurmukhi", 0xA00, 0xA7F), ("Gujarati", 0xA80, 0xAFF),
    ("Oriya", 0xB00, 0xB7F), ("Tamil", 0xB80, 0xBFF), ("Telugu", 0xC00, 0xC7F), ("Kannada", 0xC80, 0xCFF),
    ("Malayalam", 0xD00, 0xD7F), ("Sinhala", 0xD80, 0xDFF), ("Thai", 0xE00, 0xE7F), ("Lao", 0xE80, 0xEFF),
    ("Tibetan", 0xF00, 0xFFF), ("Myanmar", 0x1000, 0x109F), ("Georgian", 0x10A0, 0x10FF),
    ("HangulJamo", 0x1100, 0x11FF), ("Ethiopic", 0x1200, 0x137F), ("Cherokee", 0x13A0, 0x13FF),
    ("UnifiedCanadianAboriginalSyllabics", 0x1400, 0x167F), ("Ogham", 0x1680, 0x169F),
    ("Runic", 0x16A0, 0x16FF), ("Khmer", 0x1780, 0x17FF), ("Mongolian", 0x1800, 0x18AF),
    ("LatinExtendedAdditional", 0x1E00, 0x1EFF), ("GreekExtended", 0x1F00, 0x1FFF),
    ("GeneralPunctuation", 0x2000, 0x206F), ("SuperscriptsandSubscripts", 0x2070, 0x209F),
    ("CurrencySymbols", 0x20A0, 0x20CF), ("CombiningMarksforSymbols", 0x20D0, 0x20FF),
    ("CombiningDiacriticalMarksforSymbols", 0x20D0, 0x20FF), ("LetterlikeSymbols", 0x2100, 0x214F),
    ("NumberForms", 0x2150, 0x218F), ("Arrows", 0x2190, 0x21FF), ("MathematicalOperators", 0x2200, 0x22FF),
    ("MiscellaneousTechnical", 0x2300, 0x23FF), ("ControlPictures", 0x2400, 0x243F),
    ("OpticalCharacterRecognition", 0x2440, 0x245F), ("EnclosedAlphanumerics", 0x2460, 0x24FF),
    ("BoxDrawing", 0x2500, 0x257F), ("BlockElements", 0x2580, 0x259F), ("GeometricShapes", 0x25A0, 0x25FF),
    ("MiscellaneousSymbols", 0x2600, 0x26FF), ("Dingbats", 0x2700, 0x27BF),
    ("BraillePatterns", 0x2800, 0x28FF), ("CJKRadicalsSupplement", 0x2E80, 0x2EFF),
    ("KangxiRadicals", 0x2F00, 0x2FDF), ("IdeographicDescriptionCharacters", 0x2FF0, 0x2FFF),
    ("CJKSymbolsandPunctuation", 0x3000, 0x303F), ("Hiragana", 0x3040, 0x309F),
    ("Katakana", 0x30A0, 0x30FF), ("Bopomofo", 0x3100, 0x312F), ("HangulCompatibilityJamo", 0x3130, 0x318F),
    ("Kanbun", 0x3190, 0x319F), ("BopomofoExtended", 0x31A0, 0x31BF),
    ("EnclosedCJKLettersandMonths", 0x3200, 0x32FF), ("CJKCompatibility", 0x3300, 0x33FF),
    ("CJKUnifiedIdeographsExtensionA", 0x3400, 0x4DBF), ("CJKUnifiedIdeographs", 0x4E00, 0x9FFF),
    ("YiSyllables", 0xA000, 0xA48F), ("YiRadicals", 0xA490, 0xA4CF), ("HangulSyllables", 0xAC00, 0xD7AF),
    ("PrivateUse", 0xE000, 0xF8FF), ("PrivateUseArea", 0xE000, 0xF8FF),
    ("CJKCompatibilityIdeographs", 0xF900, 0xFAFF), ("AlphabeticPresentationForms", 0xFB00, 0xFB4F),
    ("ArabicPresentationForms-A", 0xFB50, 0xFDFF), ("CombiningHalfMarks", 0xFE20, 0xFE2F),
    ("CJKCompatibilityForms", 0xFE30, 0xFE4F), ("SmallFormVariants", 0xFE50, 0xFE6F),
    ("ArabicPresentationForms-B", 0xFE70, 0xFEFF), ("Specials", 0xFEFF, 0xFEFF),
    ("HalfwidthandFullwidthForms", 0xFF00, 0xFFEF), ("Specials", 0xFFF0, 0xFFFF),
    ("OldItalic", 0x10300, 0x1032F), ("Gothic", 0x10330, 0x1034F), ("Deseret", 0x10400, 0x1044F),
    ("ByzantineMusicalSymbols", 0x1D000, 0x1D0FF), ("MusicalSymbols", 0x1D100, 0x1D1FF),
    ("MathematicalAlphanumericSymbols", 0x1D400, 0x1D7FF),
    ("CJKUnifiedIdeographsExtensionB", 0x20000, 0x2A6DF),
    ("CJKCompatibilityIdeographsSupplement", 0x2F800, 0x2FA1F), ("Tags", 0xE0000, 0xE007F),
    ("PrivateUse", 0xF0000, 0xFFFFD), ("PrivateUse", 0x100000, 0x10FFFD),
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::translate;

    /// Whether the pattern matches, through its translation.
    fn matches(xsd: &str, text: &str) -> bool {
        regex::Regex::new(&translate(xsd).unwrap()).unwrap().is_match(text)
    }

    fn refused_at(xsd: &str) -> usize {
        translate(xsd).unwrap_err().offset
    }

    #[test]
    fn patterns_match_the_whole_string() {
        assert!(matches("a|bc", "bc"));
        assert!(!matches("a|bc", "ab"));
        assert!(!matches("a|bc", "abc"));
        assert!(matches("", ""));
        assert!(!matches("a", "a\n"));
        assert!(matches("a||b", ""));
        assert!(matches("(|a)b", "b"));
    }

    #[test]
    fn anchors_are_ordinary_characters() {
        assert!(matches("^a$", "^a$"));
        assert!(!matches("^a$", "a"));
        assert!(matches("[a^$]+", "^a$"));
        assert!(matches("[^^]", "a"));
        assert!(!matches("[^^]", "^"));
    }

    #[test]
    fn the_dot_matches_neither_line_feed_nor_carriage_return() {
        assert!(matches(".*", "a b\u{2028}\u{85}"));
        assert!(!matches(".*", "a\nb"));
        assert!(!matches(".*", "a\rb"));
        assert!(matches(r"[\s\S]*", "a\r\nb"));
    }

    #[test]
    fn class_escapes_have_the_meaning_of_xml_schema() {
        assert!(matches(r"\d+", "4\u{664}"));
        assert!(!matches(r"\d", "\u{bd}"));
        assert!(matches(r"\s{4}", " \t\n\r"));
        assert!(!matches(r"\s", "\u{a0}"));
        assert!(!matches(r"\s", "\u{b}"));
        assert!(matches(r"\w", "$"));
        assert!(!matches(r"\w", "_"));
        assert!(matches(r"\W", "_"));
        assert!(matches(r"\i\c*", "_a-1.b:c\u{b7}"));
        assert!(!matches(r"\i", "1"));
        assert!(matches(r"\I", "1"));
        assert!(matches(r"\C", " "));
        assert!(matches(r"[\i-[:]][\c-[:]]*", "a.b"));
        assert!(!matches(r"[\i-[:]][\c-[:]]*", "a:b"));
    }

    #[test]
    fn properties_are_categories_and_blocks() {
        assert!(matches(r"\p{Lu}\P{Lu}", "Éé"));
        assert!(matches(r"\p{IsBasicLatin}*", "az\u{7f}"));
        assert!(!matches(r"\p{IsBasicLatin}", "é"));
        assert!(matches(r"[\p{IsBasicLatin}\p{IsLatin-1Supplement}]+", "né"));
        assert!(matches(r"[^\P{IsGreek}]", "α"));
        assert!(matches(r"\p{IsPrivateUse}{2}", "\u{e000}\u{100000}"));
        assert_eq!(refused_at(r"\p{Cs}"), 3);
        assert_eq!(refused_at(r"a\p{IsKlingon}"), 4);
        assert_eq!(refused_at(r"\pL"), 2);
        assert_eq!(refused_at(r"\p{L"), 3);
    }

    #[test]
    fn a_class_can_be_subtracted() {
        assert!(matches("[a-z-[aeiou]]+", "xyz"));
        assert!(!matches("[a-z-[aeiou]]", "e"));
        assert!(matches("[^a-c-[x]]", "d"));
        assert!(!matches("[^a-c-[x]]", "x"));
        assert!(!matches("[^a-c-[x]]", "a"));
        assert!(matches("[a-z-[b-y-[m]]]+", "amz"));
        assert!(matches("[a--[b]]+", "a-"));
        assert!(!matches("[a-[a]]", "a"));
        assert!(!matches("[^- &-[^&$*]]", "a"));
        assert!(matches(r"[,1-é-[_\P{L}]]+", "ab"));
    }

    #[test]
    fn operators_of_the_regex_crate_are_ordinary_characters() {
        assert!(matches("[a&&b]+", "a&b"));
        assert!(matches("[!~~#]+", "~#!"));
        assert!(matches("[+*?.(){}|$]+", "+*?.(){}|$"));
        assert!(matches("a#&~-b<>", "a#&~-b<>"));
        assert!(matches("[:alpha:]+", "pal:"));
        assert!(matches("[-a]+[a-]", "-a-"));
        assert!(!matches(r"[^\(-]", "-"));
        assert!(matches(r"[\]\[\\\-\^]+", r"]-[\^"));
        assert!(matches(r"[\t-\r]", "\n"));
    }

    #[test]
    fn quantifiers_are_greedy_and_bounded() {
        assert!(matches("a{2}", "aa"));
        assert!(matches("a{2,}", "aaa"));
        assert!(!matches("a{2,3}", "aaaa"));
        assert!(matches("a{0}", ""));
        assert!(matches("(a*){3,}", ""));
        assert_eq!(refused_at("a{3,2}"), 4);
        assert_eq!(refused_at("a{,2}"), 2);
        assert_eq!(refused_at("a{2"), 3);
        assert_eq!(refused_at("a{65536}"), 2);
        assert_eq!(refused_at("a{99999999999999999999}"), 2);
        assert_eq!(refused_at("a*?"), 2);
        assert_eq!(refused_at("a**"), 2);
        assert_eq!(refused_at("*a"), 0);
        assert_eq!(refused_at("a|+"), 2);
    }

    #[test]
    fn what_xml_schema_does_not_define_is_refused() {
        assert_eq!(refused_at("(?=a)"), 1);
        assert_eq!(refused_at("(?i)a"), 1);
        assert_eq!(refused_at(r"(a)\1"), 4);
        assert_eq!(refused_at(r"\ba"), 1);
        assert_eq!(refused_at(r"\$"), 1);
        assert_eq!(refused_at("a\\"), 2);
        assert_eq!(refused_at("é)"), 2);
        assert_eq!(refused_at("(a"), 2);
        assert_eq!(refused_at("a]"), 1);
        assert_eq!(refused_at("a}"), 1);
        assert_eq!(refused_at("[]"), 1);
        assert_eq!(refused_at("[^]"), 2);
        assert_eq!(refused_at("[a"), 2);
        assert_eq!(refused_at("[z-a]"), 1);
        assert_eq!(refused_at("[a-c-e]"), 4);
        assert_eq!(refused_at(r"[a-\d]"), 1);
        assert_eq!(refused_at("[a[b]]"), 2);
        assert_eq!(refused_at("[-[a]]"), 1);
        assert_eq!(refused_at("[a-z-[a]b]"), 8);
    }

    #[test]
    fn length_and_depth_are_limited() {
        assert!(translate(&"a".repeat(16 * 1024)).is_ok());
        assert_eq!(refused_at(&"a".repeat(16 * 1024 + 1)), 16 * 1024);
        let nested = |n: usize| format!("{}a{}", "(".repeat(n), ")".repeat(n));
        assert!(matches(&nested(40), "a"));
        assert_eq!(refused_at(&nested(41)), 40);
        assert_eq!(refused_at(&"[a-".repeat(100)), 40 * 3 + 1);
    }

    #[test]
    fn every_block_and_category_compiles() {
        for (name, low, _) in super::BLOCKS {
            let low = char::from_u32(*low).unwrap();
            assert!(matches(&format!(r"\p{{Is{name}}}"), &low.to_string()), "{name}");
            assert!(!matches(&format!(r"[\P{{Is{name}}}]"), &low.to_string()), "{name}");
        }
        for name in super::CATEGORIES {
            matches(&format!(r"\p{{{name}}}"), "a");
        }
    }
}
