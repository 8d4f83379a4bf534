//! What a project does with modules of its own: makes data as structs, and validates documents.
//!
//! ```text
//! own_modules                  shows a roster that is made in Rust
//! own_modules FILE.json ...    says of each file what is wrong with it as configuration
//! ```

// The module `modules`, which `build.rs` made of `yang/`.
include!(concat!(env!("OUT_DIR"), "/modules.rs"));

use std::process::ExitCode;
use std::sync::Arc;

use agentconf::datastore::validate::Validator;
use agentconf::yang::decode::DecodeOptions;
use agentconf::yang::encode::EncodeOptions;
use agentconf::yang::json::{decode_children, encode_one};
use agentconf::yang::model::Modelled;
use agentconf::yang::tree::Child;
use modules::SCHEMA;
use modules::crew_roster::identities::CLIMBING;
use modules::crew_roster::{Member, Roster, Shift};

fn main() -> ExitCode {
    let files: Vec<String> = std::env::args().skip(1).collect();
    if files.is_empty() {
        println!("{}", roster());
    }
    let mut faults = 0;
    for file in files {
        for fault in faults_of(&file) {
            println!("{file}: {fault}");
            faults += 1;
        }
    }
    if faults == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A roster as JSON.
fn roster() -> String {
    let ada = Member { name: "Ada".to_owned(), shift: Shift::Night, skill: vec![&CLIMBING], host: None };
    let roster = Child::Container(Arc::new(Roster { member: vec![ada] }.to_data()));
    let mut json = Vec::new();
    encode_one(Roster::node(), &roster, &mut json, &EncodeOptions { schema: &SCHEMA, depth: None });
    String::from_utf8_lossy(&json).into_owned()
}

/// What is wrong with a file.
fn faults_of(file: &str) -> Vec<String> {
    let bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) => return vec![error.to_string()],
    };
    match decode_children(&bytes, None, &SCHEMA, &DecodeOptions::default()) {
        Ok(content) => {
            let errors = Validator::new(&SCHEMA).datastore(&Arc::new(content));
            errors.iter().map(ToString::to_string).collect()
        }
        Err(error) => vec![error.to_string()],
    }
}
