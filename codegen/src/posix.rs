//! Patterns of modules that say of themselves, with OpenConfig's extension `regexp-posix`, that
//! their patterns are POSIX extended regular expressions. It is only asked for such modules.

/// Rewrites a pattern for the `regex` crate, if it has the anchors of POSIX. Without them it is
/// taken as RFC 7950 section 9.4.5 says, which is what the modules mean by it: they give the same
/// pattern with anchors beside it.
pub fn translate(pattern: &str) -> Option<String> {
    if !(pattern.starts_with('^') || (pattern.ends_with('$') && !pattern.ends_with(r"\$"))) {
        return None;
    }
    // "." is any character there, a line break too.
    let mut out = String::from("(?s)");
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        out.push(c);
        match c {
            '\\' => out.extend(chars.next()),
            '[' => {
                out.extend(chars.next_if_eq(&'^'));
                if chars.next_if_eq(&']').is_some() {
                    out.push_str(r"\]");
                }
                bracket(&mut chars, &mut out);
            }
            _ => {}
        }
    }
    Some(out)
}

/// The rest of a bracket expression, in which only "]" and classes mean something.
fn bracket(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, out: &mut String) {
    while let Some(c) = chars.next() {
        match c {
            ']' => return out.push(c),
            '[' if chars.peek() == Some(&':') => {
                out.push(c);
                for c in chars.by_ref() {
                    out.push(c);
                    if c == ']' {
                        break;
                    }
                }
            }
            '[' | '\\' | '&' | '~' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::translate;

    #[test]
    fn anchors_are_those_of_posix() {
        let regex = |pattern| regex::Regex::new(&translate(pattern).unwrap()).unwrap();
        assert!(regex("^[0-9]+$").is_match("12") && !regex("^[0-9]+$").is_match("a12"));
        assert!(regex("^a").is_match("a\nb") && regex(r"a\.[[:digit:]]$").is_match("xa.1"));
        assert!(regex(r"^[]\[&&]+$").is_match(r"]\[&"));
        assert_eq!(translate("[0-9]+"), None);
        assert_eq!(translate(r"a\$"), None);
    }
}
