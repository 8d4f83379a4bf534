//! Names of the enums of identities and of their variants. The enums are in the Rust module of
//! identities, so that no struct loses its name to one.
//!
//! A variant is named after its identity. Where two are the same, identities of the base's own
//! module come first, then those of other modules by name; the later one gets its module's name in
//! front.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{camel, unique};
use crate::ir::{Base, IdentityId, ModuleId, Schema};

/// What no enum there can be named: the tables are made of it.
const RESERVED: [&str; 3] = ["Identity", "Option", "Self"];

/// The variant for identities that were not known.
pub const UNLISTED: &str = "Unlisted";

/// An enum and its variants, in the order of modules and definitions.
#[derive(Debug)]
pub struct IdentityEnum {
    pub name: String,
    pub variants: Vec<(IdentityId, String)>,
}

/// An enum for each identity that is the only base of an identityref.
pub fn enums(schema: &Schema) -> HashMap<IdentityId, IdentityEnum> {
    let bases = schema.types.iter().filter_map(|ty| match &ty.base {
        Base::IdentityRef(bases) if bases.len() == 1 => bases.first().copied(),
        _ => None,
    });
    let bases: BTreeSet<IdentityId> = bases.collect();
    let mut derived: HashMap<IdentityId, Vec<IdentityId>> = HashMap::new();
    for (index, identity) in schema.identities.iter().enumerate() {
        for base in &identity.bases {
            derived.entry(*base).or_default().push(IdentityId(index));
        }
    }
    let mut taken: HashMap<ModuleId, HashSet<String>> = HashMap::new();
    let mut enums = HashMap::new();
    for base in bases {
        let identity = schema.identity(base);
        let taken = taken
            .entry(identity.module)
            .or_insert_with(|| RESERVED.iter().map(|r| (*r).to_owned()).collect());
        let name = unique(taken, camel(&identity.name), "");
        enums.insert(base, IdentityEnum { name, variants: variants(schema, &derived, base) });
    }
    enums
}

fn variants(
    schema: &Schema,
    derived: &HashMap<IdentityId, Vec<IdentityId>>,
    base: IdentityId,
) -> Vec<(IdentityId, String)> {
    let mut found = BTreeSet::new();
    let mut pending = vec![base];
    while let Some(at) = pending.pop() {
        let below = derived.get(&at).into_iter().flatten();
        pending.extend(below.filter(|identity| found.insert(**identity)));
    }
    let own = schema.identity(base).module;
    // The program matches all variants, so no other module can add one.
    let fixed = schema.module(own).program;
    let is_known = |id: &IdentityId| !fixed || schema.module(schema.identity(*id).module).program;
    let mut found: Vec<IdentityId> = found.into_iter().filter(is_known).collect();
    found.sort_by_key(|id| (schema.identity(*id).module != own, *id));
    let mut taken: HashSet<String> = [UNLISTED, "Self"].map(str::to_owned).into();
    let name = |id: IdentityId| {
        let identity = schema.identity(id);
        let name = camel(&identity.name);
        let long = || camel(&schema.module(identity.module).name) + &name;
        let name = if taken.contains(&name) { long() } else { name };
        (id, unique(&mut taken, name, ""))
    };
    found.into_iter().map(name).collect()
}
