//! Identifiers that the server chooses, and octets as texts that name something.
//!
//! Time and randomness come in as arguments, so that a decision can be repeated exactly;
//! nothing here reads a clock or a random source.

use crate::clock::Timestamp;

/// The time of a decision and what new identifiers are made of.
#[derive(Debug, Clone)]
pub struct Fresh {
    /// The time at which the decision is made.
    pub now: Timestamp,
    entropy: [u8; 10],
    used: u16,
}

impl Fresh {
    /// A source for one decision; `entropy` has to be random and used only once.
    pub fn new(now: Timestamp, entropy: [u8; 10]) -> Self {
        Fresh { now, entropy, used: 0 }
    }

    /// A new UUID in text form (RFC 9562 section 5.7: version 7, ordered by time).
    pub fn uuid(&mut self) -> String {
        let mut random = self.entropy;
        let [high, low] = self.used.to_be_bytes();
        random[0] ^= high;
        random[1] ^= low;
        self.used = self.used.wrapping_add(1);
        let millis = u64::try_from(self.now.as_micros() / 1000).unwrap_or_default();
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid().to_string()
    }
}

/// Octets in hexadecimal, as of a hash.
pub fn hexadecimal(octets: &[u8]) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digit = |number: u8| DIGITS.get(usize::from(number)).copied().unwrap_or_default();
    octets.iter().flat_map(|octet| [digit(octet >> 4), digit(octet & 15)]).collect()
}

/// The first half of a hash in hexadecimal, which is enough to tell things apart.
pub fn half(hash: &[u8]) -> String {
    hexadecimal(hash.get(..hash.len() / 2).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_are_written_in_hexadecimal() {
        assert_eq!(hexadecimal(&[0x00, 0x0f, 0xa0, 0xff]), "000fa0ff");
        assert_eq!(half(&[0x12, 0x34, 0x56, 0x78]), "1234");
    }

    #[test]
    fn identifiers_differ_within_a_decision_and_repeat_with_it() {
        let make = || {
            let mut fresh =
                Fresh::new(Timestamp::from_micros(1_800_000_000_000_000).expect("in range"), [7; 10]);
            [fresh.uuid(), fresh.uuid()]
        };
        let [first, second] = make();
        assert_ne!(first, second);
        assert_eq!(make(), [first, second]);
    }
}
