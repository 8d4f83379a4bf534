//! Where we and libyang differ, and who is right by which clause. Random documents keep clear of
//! these. An entry that is no longer true fails its test, so that the list only has what is so.

use super::support::libyang::{self, Format};
use super::{Set, sets};

/// What one side does with a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Accepts,
    /// It accepts, and prints this.
    Prints(&'static str),
    Refuses,
}
use Verdict::{Accepts, Prints, Refuses};

/// One difference.
struct Difference {
    set: &'static str,
    format: Format,
    document: &'static str,
    ours: Verdict,
    /// Who is right and why.
    because: &'static str,
}

const DIFFERENCES: &[Difference] = &[
    Difference {
        set: "golden-types",
        format: Format::Json,
        document: r#"{"types:all":{"word":"t^$","many":["1"]}}"#,
        ours: Accepts,
        because: "We: \\w is all but punctuation, separators and others, so symbols too (RFC 7950 section 9.4.5, \
                  XSD 1.0 part 2 appendix F.1.1). libyang takes PCRE2's \\w.",
    },
    Difference {
        set: "golden-patterns",
        format: Format::Json,
        document: r#"{"patterns:box":{"name":"256"}}"#,
        ours: Refuses,
        because: "We: \\i is the first character of an XML name (RFC 7950 section 9.4.5, XSD 1.0 part 2 appendix \
                  F.1.1). libyang cannot compile the pattern and gets the module without it.",
    },
    Difference {
        set: "golden-patterns",
        format: Format::Json,
        document: r#"{"patterns:box":{"consonants":"AQI="}}"#,
        ours: Refuses,
        because: "We: a class can be subtracted (RFC 7950 section 9.4.5, XSD 1.0 part 2 appendix F.1). libyang \
                  gets the module without this pattern.",
    },
    Difference {
        set: "lists",
        format: Format::Xml,
        document: "<all xmlns=\"urn:test:lists\"><server><name>a</name></server><step><b>2</b><a>s</a><sub>1</sub></step>\
                   <quiet><quieter><few>a</few><few>b</few></quieter></quiet></all>",
        ours: Accepts,
        because: "Both: keys are sent first (RFC 7950 section 7.8.5), which we do; nothing is lost by reading \
                  them wherever they stand.",
    },
    Difference {
        set: "golden-augment",
        format: Format::Json,
        document: r#"{"base:box":{"more:inside":{}},"base:plain":{}}"#,
        ours: Accepts,
        because: "We: a container without presence and content says nothing (RFC 7950 section 7.5.1), so there \
                  is no node whose when could be false.",
    },
    Difference {
        set: "golden-nacm",
        format: Format::Json,
        document: r#"{"nacm:settings":{"below":"c"},"nacm:settings":{}}"#,
        ours: Refuses,
        because: "We: names of members are unique (RFC 7951 section 1 with RFC 7493 section 2.3).",
    },
    Difference {
        set: "golden-nacm",
        format: Format::Xml,
        document: "<settings xmlns=\"urn:test:nacm\"><below>c</below></settings>\
                   <settings xmlns=\"urn:test:nacm\"/>",
        ours: Refuses,
        because: "We: a container has one instance below its parent (RFC 7950 section 7.5).",
    },
    Difference {
        set: "references",
        format: Format::Json,
        document: r#"{"references:uses":{"at":"/references:counted"}}"#,
        ours: Accepts,
        because: "We: a container without presence exists in the accessible tree (RFC 7950 sections 6.4.1 and \
                  9.13). libyang finds it or not, depending on the order of validation.",
    },
    Difference {
        set: "references",
        format: Format::Json,
        document: r#"{"references:uses":{"ats":["/references:counted/total"]}}"#,
        ours: Accepts,
        because: "We: a leaf whose default is in use exists in the accessible tree (RFC 7950 sections 6.4.1, \
                  7.6.1 and 9.13). libyang finds it or not, depending on the order of validation.",
    },
    Difference {
        set: "lists",
        format: Format::Json,
        document: r#"{"lists:all":{"server":[{"name":"a"}],"sorted":[3,1,2],"quiet":{"quieter":{"few":["b","a"]}}}}"#,
        ours: Prints(
            r#"{"lists:all":{"server":[{"name":"a"}],"sorted":[3,1,2],"quiet":{"quieter":{"few":["b","a"]}}}}"#,
        ),
        because: "Both: the system may order the entries as it likes (RFC 7950 section 7.7.7). We keep the order \
                  in which they came, libyang sorts them.",
    },
    Difference {
        set: "golden-union",
        format: Format::Xml,
        document: "<mixed xmlns=\"urn:test:union\">5 </mixed>",
        ours: Refuses,
        because: "We: no blank belongs to a number (RFC 7950 section 9.2.1); a union that also takes texts \
                  cannot be read as if there was none.",
    },
    Difference {
        set: "golden-types",
        format: Format::Json,
        document: r#"{"types:all":{"many":[" 5"]}}"#,
        ours: Refuses,
        because: "We: no blank belongs to a number (RFC 7950 section 9.2.1), and JSON adds none.",
    },
    Difference {
        set: "values",
        format: Format::Json,
        document: r#"{"values:identities":{"both":"round"}}"#,
        ours: Refuses,
        because: "We: the identity has to be derived from all bases (RFC 7950 section 9.10.2).",
    },
    Difference {
        set: "golden-types",
        format: Format::Json,
        document: r#"{"types:all":{"many":["0x1F"]}}"#,
        ours: Refuses,
        because: "We: hexadecimal and octal numbers are for default statements (RFC 7950 section 9.2.1).",
    },
    Difference {
        set: "values",
        format: Format::Json,
        document: r#"{"values:texts":{"octets":"A Q=="}}"#,
        ours: Accepts,
        because: "libyang: base64 has no blanks (RFC 7950 section 9.8.2, RFC 4648 section 3.3). We read over \
                  them, because base64 is often broken into lines.",
    },
    Difference {
        set: "golden-conditions",
        format: Format::Json,
        document: r#"{"conditions:limits":{"low":2,"high":3,"mode":{"a":"c"},"name":"é"}}"#,
        ours: Refuses,
        because: "We: string-length() counts characters (XPath 1.0 section 4.2). libyang counts octets.",
    },
    Difference {
        set: "golden-types",
        format: Format::Json,
        document: r#"{"types:all":{"int64":"08","many":["1"]}}"#,
        ours: Accepts,
        because: "We: leading zeros are allowed, and an octal number is none of data (RFC 7950 section 9.2.1).",
    },
    Difference {
        set: "golden-union",
        format: Format::Xml,
        document: "<target xmlns=\"urn:test:union\">-5</target><mixed xmlns=\"urn:test:union\">-5</mixed>",
        ours: Prints(r#"{"union:target":"-5","union:mixed":-5}"#),
        because: "libyang: the leafref, which has a target, is the first member that fits (RFC 7950 section \
                  9.12). We choose when the text is read, where the target is not known, and take the other.",
    },
];

#[test]
fn every_listed_difference_is_one() {
    let mut wrong = Vec::new();
    for Difference { set, format, document, ours: wanted, because } in DIFFERENCES {
        let (_, dir) = sets().into_iter().find(|(name, _)| name == set).unwrap();
        let set = Set::new(&dir);
        let theirs = libyang::check(&set.loaded, document, *format);
        let ours = set.ours(document, *format).map(|content| set.print(&content).json);
        let so = match (wanted, &ours, &theirs) {
            (Accepts, Ok(_), Err(_)) | (Refuses, Err(_), Ok(_)) => true,
            (Prints(text), Ok(ours), Ok(theirs)) => ours == text && *ours != theirs.json,
            _ => false,
        };
        if !so {
            wrong.push(format!("{document}\n{wanted:?}: {because}\nwe: {ours:?}\nlibyang: {theirs:?}"));
        }
    }
    assert!(wrong.is_empty(), "not so: {}", wrong.join("\n\n"));
}
