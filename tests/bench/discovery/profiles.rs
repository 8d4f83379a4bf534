//! Agents as they could be, by number: nothing is timed here.
//!
//! Each has about 40 words of its own texts. How often a word is used falls with its rank, as in any language; `agent` is in
//! every profile and `network` in most.

use agentconf::yang::generated::magent_registry::{Agent, Endpoint, Registration, Skill};

/// How many different words there are beside numbers.
const WORDS: u64 = 30_000;
/// Domains, providers and tags, of which each agent has one or two.
pub const DOMAINS: u64 = 8;
/// Providers.
pub const PROVIDERS: u64 = 40;
/// Tags.
pub const TAGS: u64 = 500;

/// Numbers that look like chance, the same for a seed.
pub struct Random(u64);

impl Random {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// One below a bound.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % bound
    }

    /// A word, frequent ones more often.
    pub fn word(&mut self) -> String {
        // The rank of a word whose share is the reverse of its rank.
        let share = self.below(1 << 20) as f64 / f64::from(1 << 20);
        word(((WORDS as f64).powf(share)) as u64 - 1)
    }
}

/// The word of a rank; the first is in most profiles.
pub fn word(rank: u64) -> String {
    const SYLLABLES: [&str; 16] =
        ["ba", "co", "di", "fu", "gra", "ke", "lo", "mi", "nor", "pa", "qui", "ro", "su", "tel", "va", "zon"];
    if rank == 0 {
        return "network".to_owned();
    }
    let mut left = rank + 256;
    let mut word = String::new();
    while left > 0 {
        word.extend(SYLLABLES.get((left % 16) as usize).copied());
        left /= 16;
    }
    word
}

/// The domain of a number.
pub fn domain(number: u64) -> String {
    format!("domain {number}")
}

/// The provider of a number.
pub fn provider(number: u64) -> String {
    format!("Provider {number}")
}

/// The tag of a number.
pub fn tag(number: u64) -> String {
    format!("tag {number}")
}

/// An agent.
pub fn agent(number: u64) -> Agent {
    let mut random = Random::new(number + 1);
    let mut text = |words: u64| (0..words).map(|_| random.word()).collect::<Vec<_>>().join(" ");
    let skills: Vec<Skill> = (0..2)
        .map(|which| Skill {
            skill_description: Some(text(8)),
            examples: vec![text(5)],
            ..Skill::new(format!("{}-{which}", text(1)))
        })
        .collect();
    let description = format!("An agent that {}.", text(14));
    let provider = provider(random.below(PROVIDERS));
    let registration = Registration {
        owner: Some(format!("user {}", random.below(1000))),
        expires_at: Some("2030-01-01T00:00:00Z".to_owned()),
        ..Registration::new("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z")
    };
    let name = format!("acme-{number:07}-v1");
    let mut agent = Agent::new(name, description, "1.2.0", provider, registration);
    agent.type_ = Some(format!("type {}", random.below(5)));
    agent.domain = vec![domain(random.below(DOMAINS)), domain(random.below(DOMAINS))];
    agent.domain.dedup();
    agent.management_object = vec![format!("subnet {}", random.below(10_000))];
    agent.skills.skill = skills;
    for skill in &mut agent.skills.skill {
        skill.skill_tags = vec![tag(random.below(TAGS)), tag(random.below(20))];
        skill.skill_tags.dedup();
        skill.input_modes = vec!["text".to_owned(), "image".to_owned()];
        skill.output_modes = vec!["text".to_owned()];
    }
    agent.capability.streaming = Some(random.below(2) == 0);
    agent.capability.negotiate = vec!["acp-task-feasibility-negotiation-v1.0".to_owned()];
    agent.endpoints.endpoint = vec![Endpoint {
        protocol: Some("restconf".to_owned()),
        ..Endpoint::new(format!("https://a{number}.example/"))
    }];
    agent
}
