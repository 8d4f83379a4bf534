//! Time: the [`Timestamp`] that everything records and the [`Clock`] that the outer layers read.
//!
//! It never gives time to the pure parts by itself: they receive a [`Timestamp`] as an argument.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

const MICROS_PER_SECOND: i64 = 1_000_000;

/// A point in time: microseconds since 1970-01-01T00:00:00Z, without leap seconds.
///
/// Every value can be written as a `yang:date-and-time` (RFC 9911), whose years have four digits. The text form is
/// canonical: UTC as `Z`, and only as many digits of the fraction as are needed. Serde writes the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Timestamp(i64);

/// Why something is not a [`Timestamp`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimestampError {
    /// The text has not the form of a `yang:date-and-time`.
    #[error("not a date and time of RFC 3339 such as 2026-11-21T05:00:00Z")]
    Form,
    /// The form is right, but there is no such date, time or offset.
    #[error("no date, time and offset that there is")]
    NoSuchTime,
    /// Before [`Timestamp::MIN`] or after [`Timestamp::MAX`].
    #[error("outside of the times that can be used: {min} to {max}", min = Timestamp::MIN, max = Timestamp::MAX)]
    Range,
}

impl Timestamp {
    /// The first point in time: 0000-01-01T00:00:00Z.
    pub const MIN: Timestamp = Timestamp(-62_167_219_200 * MICROS_PER_SECOND);
    /// The last point in time: 9999-12-30T22:00:00Z, which leaves room for every offset.
    pub const MAX: Timestamp = Timestamp(253_402_207_200 * MICROS_PER_SECOND);
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Timestamp = Timestamp(0);

    /// The point in time that is so many microseconds after the epoch; `None` outside of [`Self::MIN`] to [`Self::MAX`].
    pub fn from_micros(micros: i64) -> Option<Timestamp> {
        (Self::MIN.0..=Self::MAX.0).contains(&micros).then_some(Timestamp(micros))
    }

    /// The point in time that is so many seconds after the epoch; `None` out of range.
    pub fn from_seconds(seconds: i64) -> Option<Timestamp> {
        seconds.checked_mul(MICROS_PER_SECOND).and_then(Self::from_micros)
    }

    /// Microseconds since the epoch.
    pub fn as_micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub fn as_seconds(self) -> i64 {
        self.0.div_euclid(MICROS_PER_SECOND)
    }

    /// This point in time and so many seconds (which may be negative); `None` out of range.
    pub fn checked_add_seconds(self, seconds: i64) -> Option<Timestamp> {
        seconds
            .checked_mul(MICROS_PER_SECOND)
            .and_then(|micros| self.0.checked_add(micros))
            .and_then(Self::from_micros)
    }

    /// Like [`Self::checked_add_seconds`], but stops at [`Self::MIN`] and [`Self::MAX`].
    pub fn saturating_add_seconds(self, seconds: i64) -> Timestamp {
        let micros = self.0.saturating_add(seconds.saturating_mul(MICROS_PER_SECOND));
        Timestamp(micros.clamp(Self::MIN.0, Self::MAX.0))
    }

    /// How long it is from this point in time to `later`; zero if `later` is earlier.
    pub fn until(self, later: Timestamp) -> Duration {
        // The difference of two values in range fits into an i64.
        Duration::from_micros(u64::try_from(later.0 - self.0).unwrap_or(0))
    }
}

/// How long something takes, by a clock that nobody sets: for measures, and never for a decision.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(std::time::Instant);

impl Stopwatch {
    /// From now on.
    #[expect(clippy::disallowed_methods, reason = "this is where the clock of the machine is read")]
    pub fn start() -> Stopwatch {
        Stopwatch(std::time::Instant::now())
    }

    /// How long it is since the start.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = jiff::Timestamp::from_microsecond(self.0).map_err(|_| fmt::Error)?;
        // jiff writes UTC as `Z` and no more digits of the fraction than are needed.
        fmt::Display::fmt(&time, f)
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    /// Reads a `yang:date-and-time` with any offset. Digits after the sixth of the fraction are cut off.
    fn from_str(text: &str) -> Result<Timestamp, TimestampError> {
        let (whole, fraction, offset) = split(text.as_bytes()).ok_or(TimestampError::Form)?;
        if let Some(seconds) = plain_seconds(whole, offset) {
            return Timestamp::from_micros(seconds * 1_000_000 + micros(fraction))
                .ok_or(TimestampError::Range);
        }
        // The parts are ASCII: `split` has seen each byte.
        let part = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let seconds: jiff::Timestamp = format!("{}{}", part(whole), part(offset)).parse().map_err(|_| {
            if exists(whole, offset) { TimestampError::Range } else { TimestampError::NoSuchTime }
        })?;
        Timestamp::from_micros(seconds.as_microsecond() + micros(fraction)).ok_or(TimestampError::Range)
    }
}

/// Whether there is such a date, time and offset, be it one that can be used or not. A leap second is the last of its minute.
fn exists(whole: &[u8], offset: &[u8]) -> bool {
    let number =
        |part: &[u8]| part.iter().filter(|b| b.is_ascii_digit()).fold(0, |n, d| n * 10 + i64::from(d - b'0'));
    let is_offset = offset == b"Z" || number(offset) < 2400;
    let utc = whole.strip_suffix(b"60").map(|minute| [minute, b"59"].concat());
    is_offset && civil(utc.as_deref().unwrap_or(whole)).is_some()
}

/// The first six digits of a fraction of a second.
fn micros(fraction: &[u8]) -> i64 {
    fraction.iter().chain(std::iter::repeat(&b'0')).take(6).fold(0, |n, d| n * 10 + i64::from(d - b'0'))
}

/// The seconds of a time in UTC without a leap second, as the server itself writes them all: it reads some with every
/// request. `None` for any other, and for one that does not exist.
fn plain_seconds(whole: &[u8], offset: &[u8]) -> Option<i64> {
    if !matches!(offset, b"Z" | b"+00:00") {
        return None;
    }
    Some(jiff::tz::Offset::UTC.to_timestamp(civil(whole)?).ok()?.as_second())
}

/// A date and time without an offset; `None` if there is no such one.
fn civil(whole: &[u8]) -> Option<jiff::civil::DateTime> {
    let number = |range: std::ops::Range<usize>| {
        whole.get(range).map(|digits| digits.iter().fold(0_i16, |n, d| n * 10 + i16::from(d - b'0')))
    };
    let small = |range| number(range).and_then(|n| i8::try_from(n).ok());
    let date = jiff::civil::Date::new(number(0..4)?, small(5..7)?, small(8..10)?).ok()?;
    let time = jiff::civil::Time::new(small(11..13)?, small(14..16)?, small(17..19)?, 0).ok()?;
    Some(date.to_datetime(time))
}

/// Splits a date-and-time into the part up to the seconds, the digits of the fraction and the offset. jiff accepts
/// more forms than RFC 3339 does, so the form is checked here.
fn split(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let like = |bytes: &[u8], form: &[u8]| {
        bytes.len() == form.len()
            && bytes.iter().zip(form).all(|(b, f)| if *f == b'0' { b.is_ascii_digit() } else { b == f })
    };
    let (whole, rest) = text.split_at_checked(19)?;
    let digits = match rest.strip_prefix(b".") {
        Some(rest) => {
            Some(rest.iter().take_while(|b| b.is_ascii_digit()).count()).filter(|count| *count > 0)?
        }
        None => 0,
    };
    let (fraction, offset) = if digits == 0 { rest.split_at(0) } else { rest.split_at_checked(1 + digits)? };
    let offset_is_right = offset == b"Z" || like(offset, b"+00:00") || like(offset, b"-00:00");
    (like(whole, b"0000-00-00T00:00:00") && offset_is_right)
        .then(|| (whole, fraction.get(1..).unwrap_or(&[]), offset))
}

impl TryFrom<i64> for Timestamp {
    type Error = TimestampError;

    fn try_from(micros: i64) -> Result<Timestamp, TimestampError> {
        Timestamp::from_micros(micros).ok_or(TimestampError::Range)
    }
}

impl From<Timestamp> for i64 {
    fn from(time: Timestamp) -> i64 {
        time.0
    }
}

/// Writes a [`Timestamp`] as RFC 3339 text where people read the file: `#[serde(with = "clock::rfc3339")]`.
pub mod rfc3339 {
    use super::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Writes the canonical text.
    pub fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(time)
    }

    /// Reads the text; an error says what is wrong with it.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Where the time comes from. Cheap to clone; clones show the same time.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Manual(Arc<watch::Sender<Timestamp>>),
}

/// How long [`Clock::sleep_until`] sleeps before it looks at the system clock again, which may have been set.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

impl Clock {
    /// The clock of the operating system.
    pub fn system() -> Clock {
        Clock(Source::System)
    }

    /// The time now.
    #[expect(clippy::disallowed_methods, reason = "this is where the clock of the machine is read")]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => {
                // A system clock outside of the years 0 to 9999 is shown as the nearest time that is inside.
                let micros = jiff::Timestamp::now().as_microsecond();
                Timestamp(micros.clamp(Timestamp::MIN.0, Timestamp::MAX.0))
            }
            Source::Manual(time) => *time.borrow(),
        }
    }

    /// Waits until the clock shows `time` or later.
    pub async fn sleep_until(&self, time: Timestamp) {
        match &self.0 {
            Source::System => loop {
                let left = self.now().until(time);
                if left.is_zero() {
                    return;
                }
                tokio::time::sleep(left.min(LOOK_AGAIN)).await;
            },
            Source::Manual(now) => {
                // It fails only without a sender, and `now` is one.
                let _ = now.subscribe().wait_for(|now| *now >= time).await;
            }
        }
    }
}

/// A clock that moves when it is told to: for tests and simulations.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<watch::Sender<Timestamp>>);

impl ManualClock {
    /// A clock that shows `start`.
    pub fn new(start: Timestamp) -> ManualClock {
        ManualClock(Arc::new(watch::Sender::new(start)))
    }

    /// The [`Clock`] that shows the time of this one.
    pub fn clock(&self) -> Clock {
        Clock(Source::Manual(self.0.clone()))
    }

    /// Sets the time and wakes who waits for it.
    pub fn set(&self, time: Timestamp) {
        self.0.send_replace(time);
    }

    /// Moves the time by so many seconds.
    pub fn advance_seconds(&self, seconds: i64) {
        self.0.send_modify(|time| *time = time.saturating_add_seconds(seconds));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn text_is_canonical() {
        for (text, canonical) in [
            ("2026-11-21T05:00:00Z", "2026-11-21T05:00:00Z"),
            ("2026-11-21T05:00:00.000Z", "2026-11-21T05:00:00Z"),
            ("2026-11-21T05:00:00.123456Z", "2026-11-21T05:00:00.123456Z"),
            ("2026-11-21T05:00:00.1234569Z", "2026-11-21T05:00:00.123456Z"),
            ("2026-11-21T05:00:00.50Z", "2026-11-21T05:00:00.5Z"),
            ("2026-11-21T05:00:00.000001+02:00", "2026-11-21T03:00:00.000001Z"),
            ("2026-11-21T05:00:00-00:00", "2026-11-21T05:00:00Z"),
            ("1969-12-31T23:59:59.9Z", "1969-12-31T23:59:59.9Z"),
            ("0000-01-01T00:00:00Z", "0000-01-01T00:00:00Z"),
        ] {
            assert_eq!(time(text).to_string(), canonical, "{text}");
        }
        assert_eq!(time("9999-12-30T22:00:00Z"), Timestamp::MAX);
        assert_eq!(time("0000-01-01T00:00:00Z"), Timestamp::MIN);
        assert_eq!(Timestamp::MAX.to_string(), "9999-12-30T22:00:00Z");
        assert_eq!(time("1969-12-31T23:59:59.9Z").as_micros(), -100_000);
        assert_eq!(time("1969-12-31T23:59:59.9Z").as_seconds(), -1);
    }

    #[test]
    fn forms_that_rfc_3339_does_not_have_are_refused() {
        for text in [
            "",
            "2026-11-21",
            "2026-11-21 05:00:00Z",
            "2026-11-21t05:00:00z",
            "2026-11-21T05:00Z",
            "2026-11-21T05:00:00",
            "2026-11-21T05:00:00.Z",
            "2026-11-21T05:00:00,5Z",
            "2026-11-21T05:00:00+0200",
            "2026-11-21T05:00:00+02",
            "2026-11-21T05:00:00Z[UTC]",
            " 2026-11-21T05:00:00Z",
            "2026-11-21T05:00:00Z\n",
            "+002026-11-21T05:00:00Z",
            "２026-11-21T05:00:00Z",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(TimestampError::Form), "{text}");
        }
        for text in [
            "2027-02-30T05:00:00Z",
            "2026-02-29T05:00:00Z",
            "2026-11-21T24:00:00Z",
            "2026-11-21T05:00:00+99:00",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(TimestampError::NoSuchTime), "{text}");
        }
        for text in ["9999-12-31T23:59:59Z", "9999-12-31T23:59:60-01:00", "0000-01-01T00:00:00+01:00"] {
            assert_eq!(text.parse::<Timestamp>(), Err(TimestampError::Range), "{text}");
        }
        assert_eq!(
            TimestampError::Range.to_string(),
            "outside of the times that can be used: 0000-01-01T00:00:00Z to 9999-12-30T22:00:00Z"
        );
    }

    #[test]
    fn arithmetic_ends_at_the_range() {
        assert_eq!(Timestamp::MAX.checked_add_seconds(1), None);
        assert_eq!(Timestamp::EPOCH.checked_add_seconds(i64::MAX), None);
        assert_eq!(Timestamp::MAX.saturating_add_seconds(i64::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::MIN.saturating_add_seconds(i64::MIN), Timestamp::MIN);
        assert_eq!(Timestamp::EPOCH.checked_add_seconds(60), Some(time("1970-01-01T00:01:00Z")));
        assert_eq!(Timestamp::EPOCH.until(time("1970-01-01T00:01:00Z")), Duration::from_secs(60));
        assert_eq!(Timestamp::MAX.until(Timestamp::MIN), Duration::ZERO);
        assert_eq!(Timestamp::from_micros(i64::MIN), None);
    }

    #[test]
    fn serde_writes_the_number_and_refuses_what_is_out_of_range() {
        assert_eq!(serde_json::to_string(&time("1970-01-01T00:00:01Z")).unwrap(), "1000000");
        assert_eq!(serde_json::from_str::<Timestamp>("1000000").unwrap(), time("1970-01-01T00:00:01Z"));
        assert!(serde_json::from_str::<Timestamp>("9223372036854775807").is_err());
    }

    #[tokio::test]
    async fn sleepers_wake_when_the_manual_clock_gets_there() {
        let manual = ManualClock::new(Timestamp::EPOCH);
        let clock = manual.clock();
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move {
                clock.sleep_until(Timestamp::EPOCH.saturating_add_seconds(10)).await;
                clock.now()
            }
        });
        manual.advance_seconds(4);
        manual.advance_seconds(6);
        assert_eq!(sleeper.await.unwrap(), Timestamp::EPOCH.saturating_add_seconds(10));
        clock.sleep_until(Timestamp::EPOCH).await;
    }
}
