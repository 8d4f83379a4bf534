//! Checks passwords: hashed off the async threads, a few at a time, remembered for a while, and throttled.
//!
//! An unknown user and a wrong password cost the same and get the same answer. It never keeps a password.
//!
//! Guesses of one source for one user end after a few failures, for a while. Guesses of many sources for one user take turns,
//! a few in a minute, once there were many failures; but a source from which the user has logged in lately is no stranger and
//! does not wait for them, so nobody locks a user out. Checks cost time, so they wait for each other in places of which no source
//! has more than a part, and some are kept for those who are no strangers.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::remembered::{Digest, Digester, Remembered};
use super::throttle::network;
use super::users::{self, User, UserError, Users};
use crate::access::AuthError;
use crate::clock::{Clock, Timestamp};
use crate::limits::Limits;

/// Checks passwords against the user file.
#[derive(Debug)]
pub struct Passwords {
    users: Arc<Users>,
    shared: Arc<Shared>,
    running: Arc<Semaphore>,
    places: Places,
}

#[derive(Debug)]
struct Shared {
    clock: Clock,
    limits: Limits,
    digester: Digester,
    /// The hash of no password, checked where there is no user.
    nobody: String,
    right: Mutex<Remembered<()>>,
    /// By source and user.
    failures: Mutex<Remembered<u32>>,
    /// By user, of strangers: until when there are some that count. Each counts for `login_wait_s`, one after the other.
    strangers: Mutex<Remembered<()>>,
    /// The sources of users.
    known: Mutex<Remembered<()>>,
    #[cfg(test)]
    hashed: std::sync::atomic::AtomicUsize,
}

/// Whose guesses are counted together.
#[derive(Clone, Copy)]
struct Culprit {
    /// The source and the user.
    here: Digest,
    user: Digest,
}

impl Passwords {
    /// Hashes a random password once, for users who do not exist.
    pub fn new(
        users: Arc<Users>,
        clock: Clock,
        limits: &Limits,
        digester: Digester,
    ) -> Result<Passwords, UserError> {
        let nobody = users::hash_password(&uuid::Uuid::new_v4().to_string())?;
        let shared = Shared {
            clock,
            limits: limits.clone(),
            digester,
            nobody,
            right: Mutex::new(Remembered::new(limits.credentials_remembered_max)),
            failures: Mutex::new(Remembered::new(limits.login_sources_max)),
            strangers: Mutex::new(Remembered::new(limits.login_sources_max)),
            known: Mutex::new(Remembered::new(limits.login_sources_max)),
            #[cfg(test)]
            hashed: Default::default(),
        };
        Ok(Passwords {
            users,
            shared: Arc::new(shared),
            running: Arc::new(Semaphore::new(limits.password_checks_max)),
            places: Places::new(limits.password_queue_max),
        })
    }

    /// The user, if the password is theirs. `source` is where the request came from.
    ///
    /// Errors: [`AuthError::WrongPassword`], and [`AuthError::Throttled`] even for the right password, since otherwise
    /// guesses could go on. A request that is given up meanwhile is counted all the same.
    pub async fn check(&self, source: IpAddr, name: &str, password: &str) -> Result<Arc<User>, AuthError> {
        let shared = &self.shared;
        let user = self.users.get(name);
        let hash = user.as_ref().and_then(|user| user.password.as_deref());
        let credentials = shared.digester.digest(&[
            name.as_bytes(),
            hash.unwrap_or(&shared.nobody).as_bytes(),
            password.as_bytes(),
        ]);
        let culprit = Culprit {
            here: shared.digester.digest(&[&network(source), name.as_bytes()]),
            user: shared.digester.digest(&[name.as_bytes()]),
        };

        shared.refuse_if_throttled(&culprit)?;
        if !shared.is_known_right(&credentials) {
            let is_known = shared.is_known(&culprit, shared.clock.now());
            let place = self.places.take(shared.digester.digest(&[&network(source)]), is_known);
            let _place = place.ok_or(AuthError::Throttled { retry_after_s: 1 })?;
            // The semaphore is never closed.
            let permit =
                Arc::clone(&self.running).acquire_owned().await.map_err(|_| AuthError::WrongPassword)?;
            // Those in front may have found out.
            shared.refuse_if_throttled(&culprit)?;
            if !shared.is_known_right(&credentials) {
                let (shared, password) = (Arc::clone(shared), password.to_owned());
                let hash = hash.map(str::to_owned);
                let check = move || {
                    let _permit = permit;
                    #[cfg(test)]
                    shared.hashed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    let matches =
                        users::password_matches(&password, hash.as_deref().unwrap_or(&shared.nobody));
                    let right = matches && hash.is_some();
                    shared.note(right, credentials, culprit);
                    right
                };
                let right = tokio::task::spawn_blocking(check).await.unwrap_or(false);
                if !right {
                    return Err(AuthError::WrongPassword);
                }
            }
        }
        user.ok_or(AuthError::WrongPassword)
    }
}

/// The places in which passwords wait to be checked.
#[derive(Debug)]
struct Places {
    most: usize,
    /// How many each source has.
    taken: Mutex<HashMap<Digest, usize>>,
}

/// A place. Dropping it gives it back.
struct Place<'p> {
    places: &'p Places,
    source: Digest,
}

impl Places {
    fn new(most: usize) -> Places {
        Places { most, taken: Mutex::default() }
    }

    /// A place, if there is one: a source has a quarter of them at most, and the last quarter is for who `is_known`.
    fn take(&self, source: Digest, is_known: bool) -> Option<Place<'_>> {
        let mut taken = lock(&self.taken);
        let of_source = taken.get(&source).copied().unwrap_or_default();
        let kept = if is_known { 0 } else { self.most / 4 };
        if of_source >= (self.most / 4).max(1) || taken.values().sum::<usize>() + kept >= self.most {
            return None;
        }
        taken.insert(source, of_source + 1);
        Some(Place { places: self, source })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Entry::Occupied(mut of_source) = lock(&self.places.taken).entry(self.source) {
            *of_source.get_mut() -= 1;
            if *of_source.get() == 0 {
                of_source.remove();
            }
        }
    }
}

impl Shared {
    fn is_known_right(&self, credentials: &Digest) -> bool {
        lock(&self.right).get(credentials, self.clock.now()).is_some()
    }

    /// Even what is remembered to be right is not compared then, or a guess could be told from it as often as one likes.
    fn refuse_if_throttled(&self, culprit: &Culprit) -> Result<(), AuthError> {
        let now = self.clock.now();
        let wait = match lock(&self.failures).get(&culprit.here, now) {
            Some((count, end)) if *count >= self.limits.login_failures_max => Some(now.until(end).as_secs()),
            _ => self.turn_s(culprit, now),
        };
        wait.map_or(Ok(()), |seconds| Err(AuthError::Throttled { retry_after_s: seconds + 1 }))
    }

    /// In how many seconds it is the turn of a stranger; `None` if it is now.
    fn turn_s(&self, culprit: &Culprit, now: Timestamp) -> Option<u64> {
        if self.is_known(culprit, now) {
            return None;
        }
        let free = self
            .limits
            .login_wait_s
            .saturating_mul(self.limits.login_failures_user_max.saturating_sub(1).into());
        let (_, end) = lock(&self.strangers).get(&culprit.user, now)?;
        now.until(end)
            .checked_sub(Duration::from_secs(free))
            .filter(|wait| !wait.is_zero())
            .map(|wait| wait.as_secs())
    }

    fn is_known(&self, culprit: &Culprit, now: Timestamp) -> bool {
        lock(&self.known).get(&culprit.here, now).is_some()
    }

    fn note(&self, right: bool, credentials: Digest, culprit: Culprit) {
        let now = self.clock.now();
        let after = |time: Timestamp, seconds| {
            time.saturating_add_seconds(i64::try_from(seconds).unwrap_or(i64::MAX))
        };
        let Limits { login_wait_s, login_known_s, credentials_remembered_s, .. } = self.limits;
        if right {
            lock(&self.failures).remove(&culprit.here);
            lock(&self.known).insert(culprit.here, (), after(now, login_known_s), now);
            lock(&self.right).insert(credentials, (), after(now, credentials_remembered_s), now);
            return;
        }
        let mut failures = lock(&self.failures);
        let count = failures.get(&culprit.here, now).map_or(0, |(count, _)| *count);
        failures.insert(culprit.here, count.saturating_add(1), after(now, login_wait_s), now);
        drop(failures);
        if !self.is_known(&culprit, now) {
            let mut strangers = lock(&self.strangers);
            let end = strangers.get(&culprit.user, now).map_or(now, |(_, end)| end);
            strangers.insert(culprit.user, (), after(end, login_wait_s), now);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::clock::{ManualClock, Timestamp};
    use crate::server::test_directory::TestDirectory;
    use std::net::Ipv4Addr;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));

    struct Fixture {
        data: TestDirectory,
        clock: ManualClock,
        passwords: Passwords,
    }

    fn set_password(data: &TestDirectory, name: &str, password: Option<&str>) {
        let password = password.map(|password| users::hash_password(password).unwrap());
        let user =
            User { groups: Default::default(), password, ssh_keys: Vec::new(), created: Timestamp::EPOCH };
        users::edit(data.path(), |map| Ok(map.insert(name.into(), user))).unwrap();
    }

    fn fixture() -> Fixture {
        let data = TestDirectory::new();
        set_password(&data, "ann", Some("correct horse"));
        set_password(&data, "token-only", None);
        let clock = ManualClock::new(Timestamp::EPOCH);
        let limits = Limits {
            login_failures_max: 3,
            login_failures_user_max: 6,
            login_wait_s: 30,
            ..Limits::default()
        };
        let digester = Digester::new(rustls::crypto::ring::default_provider().secure_random).unwrap();
        let users = Arc::new(Users::open(data.path()).unwrap());
        let passwords = Passwords::new(users, clock.clock(), &limits, digester).unwrap();
        Fixture { data, clock, passwords }
    }

    #[tokio::test]
    async fn only_the_right_password_of_a_user_is_right() {
        let f = fixture();
        f.passwords.check(HERE, "ann", "correct horse").await.unwrap();
        f.passwords.check(HERE, "ann", "correct horse").await.unwrap();
        for (name, password) in
            [("ann", "wrong horse"), ("bob", "correct horse"), ("token-only", ""), ("", "")]
        {
            let error = f.passwords.check(HERE, name, password).await.unwrap_err();
            assert_eq!(error, AuthError::WrongPassword, "{name}");
        }
    }

    #[tokio::test]
    async fn a_changed_password_takes_effect_at_once() {
        let f = fixture();
        f.passwords.check(HERE, "ann", "correct horse").await.unwrap();
        set_password(&f.data, "ann", Some("battery staple"));
        assert_eq!(f.passwords.check(HERE, "ann", "correct horse").await, Err(AuthError::WrongPassword));
        f.passwords.check(HERE, "ann", "battery staple").await.unwrap();
        users::edit(f.data.path(), |map| Ok(map.remove("ann"))).unwrap();
        assert_eq!(f.passwords.check(HERE, "ann", "battery staple").await, Err(AuthError::WrongPassword));
    }

    #[tokio::test]
    async fn failures_throttle_one_source_and_user_for_a_while() {
        let f = fixture();
        for _ in 0..3 {
            assert_eq!(f.passwords.check(HERE, "ann", "wrong horse").await, Err(AuthError::WrongPassword));
        }
        f.clock.advance_seconds(10);
        let throttled = Err(AuthError::Throttled { retry_after_s: 21 });
        assert_eq!(f.passwords.check(HERE, "ann", "correct horse").await, throttled);
        f.passwords.check(ELSEWHERE, "ann", "correct horse").await.unwrap();
        assert_eq!(f.passwords.check(HERE, "bob", "whatever").await, Err(AuthError::WrongPassword));
        f.clock.advance_seconds(20);
        f.passwords.check(HERE, "ann", "correct horse").await.unwrap();
    }

    #[tokio::test]
    async fn unknown_users_are_throttled_like_known_ones() {
        let f = fixture();
        for _ in 0..3 {
            assert_eq!(f.passwords.check(HERE, "nobody", "wrong").await, Err(AuthError::WrongPassword));
        }
        assert!(matches!(f.passwords.check(HERE, "nobody", "wrong").await, Err(AuthError::Throttled { .. })));
    }

    #[tokio::test]
    async fn the_right_password_clears_the_failures() {
        let f = fixture();
        for _ in 0..3 {
            for _ in 0..2 {
                let _ = f.passwords.check(HERE, "ann", "wrong horse").await;
            }
            f.clock.advance_seconds(301); // forget that it was right
            f.passwords.check(HERE, "ann", "correct horse").await.unwrap();
        }
    }

    fn stranger(number: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(198, 51, 100, number))
    }

    #[tokio::test]
    async fn guesses_of_many_take_turns_and_lock_nobody_out() {
        let f = fixture();
        f.passwords.check(HERE, "ann", "correct horse").await.unwrap();
        for number in 0..6 {
            assert_eq!(
                f.passwords.check(stranger(number), "ann", "wrong").await,
                Err(AuthError::WrongPassword)
            );
        }
        let throttled = |retry_after_s| Err(AuthError::Throttled { retry_after_s });
        for password in ["wrong", "correct horse"] {
            assert_eq!(f.passwords.check(ELSEWHERE, "ann", password).await, throttled(31), "{password}");
        }
        f.passwords.check(HERE, "ann", "correct horse").await.unwrap();
        assert_eq!(f.passwords.check(HERE, "ann", "wrong").await, Err(AuthError::WrongPassword));
        // A turn for one guess, then for another one.
        f.clock.advance_seconds(30);
        assert_eq!(f.passwords.check(stranger(9), "ann", "wrong").await, Err(AuthError::WrongPassword));
        assert_eq!(f.passwords.check(ELSEWHERE, "ann", "correct horse").await, throttled(31));
        f.clock.advance_seconds(30);
        f.passwords.check(ELSEWHERE, "ann", "correct horse").await.unwrap();
        assert_eq!(f.passwords.check(stranger(9), "bob", "wrong").await, Err(AuthError::WrongPassword));
    }

    #[test]
    fn no_source_takes_all_places_in_which_passwords_wait() {
        let places = Places::new(8);
        let take = |source: u8, is_known| places.take([source; 32], is_known);
        let held: Vec<_> = (1..=3).flat_map(|source| [take(source, false), take(source, false)]).collect();
        assert!(held.iter().all(Option::is_some));
        assert!(take(1, false).is_none() && take(1, true).is_none(), "a source has two of eight");
        assert!(take(4, false).is_none(), "the last two are for who has logged in lately");
        let known = [take(4, true), take(4, true)];
        assert!(known.iter().all(Option::is_some) && take(5, true).is_none());
        drop((held, known));
        assert!(lock(&places.taken).is_empty());
    }

    #[tokio::test]
    async fn all_that_is_refused_costs_the_same() {
        let f = fixture();
        let hashed = || f.passwords.shared.hashed.load(std::sync::atomic::Ordering::Relaxed);
        for (name, password) in [
            ("ann", "wrong horse"),
            ("nobody", "wrong horse"),
            ("token-only", "wrong horse"),
            ("\u{ff41}nn", ""),
        ] {
            for _ in 0..3 {
                let before = hashed();
                let answer = f.passwords.check(HERE, name, password).await;
                assert_eq!((answer, hashed() - before), (Err(AuthError::WrongPassword), 1), "{name}");
            }
            let before = hashed();
            let answer = f.passwords.check(HERE, name, password).await;
            let throttled = Err(AuthError::Throttled { retry_after_s: 31 });
            assert_eq!((answer, hashed() - before), (throttled, 0), "{name}");
        }
    }
}
