//! What a project does with modules of its own: makes data as structs, writes it as JSON and XML
//! and reads it back, and validates documents.
//!
//! ```text
//! own_modules                  shows a roster that is made in Rust
//! own_modules FILE.json ...    says of each file what is wrong with it as configuration
//! ```

// The module `modules`, which `build.rs` made of `yang/`.
include!(concat!(env!("OUT_DIR"), "/modules.rs"));

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use agentconf::datastore::validate::Validator;
use agentconf::yang::decode::DecodeOptions;
use agentconf::yang::encode::EncodeOptions;
use agentconf::yang::model::Modelled;
use agentconf::yang::path::InstancePath;
use agentconf::yang::tree::{Child, Container};
use agentconf::yang::{json, xml};
use modules::SCHEMA;
use modules::crew_roster::identities::Skill;
use modules::crew_roster::{Member, Roster, Shift};

fn main() -> ExitCode {
    let files: Vec<String> = std::env::args().skip(1).collect();
    let mut faults = 0;
    if files.is_empty()
        && let Err(error) = show()
    {
        println!("{error}");
        faults += 1;
    }
    for file in files {
        for fault in faults_of(&file) {
            println!("{file}: {fault}");
            faults += 1;
        }
    }
    if faults == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Makes a roster, validates it, and shows it in both encodings.
fn show() -> Result<(), Box<dyn Error>> {
    // What the module wants to be there is an argument of `new`, the rest is a field.
    let ada = Member { skill: vec![Skill::Climbing], ..Member::new("Ada", Shift::Night) };
    let path = InstancePath::of(Member::node(), [ada.key()?])?;
    let roster = Roster { member: vec![ada, Member::new("Ben", Shift::Day)] };

    let data = Arc::new(roster.to_checked_data()?);
    let errors = Validator::new(&SCHEMA).datastore(&Arc::new(datastore(data.clone())));
    if let Some(error) = errors.first() {
        return Err(error.to_string().into());
    }

    let options = EncodeOptions { schema: &SCHEMA, ..EncodeOptions::default() };
    let (mut json, mut xml) = (Vec::new(), Vec::new());
    json::encode_one(Roster::node(), &Child::Container(data.clone()), &mut json, &options);
    xml::encode_one(Roster::node(), &Child::Container(data), &mut xml, &options);
    println!("{path}\n{}\n{}", String::from_utf8_lossy(&json), String::from_utf8_lossy(&xml));

    let whole = InstancePath::of(Roster::node(), [])?;
    let options = DecodeOptions::default();
    let from_json = json::decode_one(&json, &whole, &SCHEMA, &options).map_err(|e| e.to_string())?;
    let from_xml = xml::decode_one(&xml, &whole, &SCHEMA, &options).map_err(|e| e.to_string())?;
    for read in [from_json, from_xml] {
        let Child::Container(data) = read else { return Err("this is no container".into()) };
        if Roster::from_data(&data)? != roster {
            return Err("what was read is not what was written".into());
        }
    }
    climbers(&roster);
    Ok(())
}

fn climbers(roster: &Roster) {
    for member in &roster.member {
        let climbs = member.skill.iter().any(|skill| match skill {
            Skill::Climbing => true,
            // A module that is compiled elsewhere can derive skills of its own.
            Skill::Unlisted(other) => other.name.starts_with("climbing"),
        });
        println!("{} {}", member.name, if climbs { "climbs" } else { "stays below" });
    }
}

/// A datastore with nothing but this roster.
fn datastore(roster: Arc<Container>) -> Container {
    let mut datastore = Container::default();
    datastore.set(Roster::node(), Child::Container(roster));
    datastore
}

/// What is wrong with a file.
fn faults_of(file: &str) -> Vec<String> {
    let bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) => return vec![error.to_string()],
    };
    match json::decode_children(&bytes, None, &SCHEMA, &DecodeOptions::default()) {
        Ok(content) => {
            let errors = Validator::new(&SCHEMA).datastore(&Arc::new(content));
            errors.iter().map(ToString::to_string).collect()
        }
        Err(error) => vec![error.to_string()],
    }
}
