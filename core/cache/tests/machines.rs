//! Machines that share a home directory. Each is one fake machine at another moment: the files stay, the kernel and the
//! clock are another's.
#![allow(clippy::unwrap_used, reason = "a test panics where something is not as it should be")]

mod support;

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ee_auth_cache::{DiskCache, clear, directory};
use ee_auth_core::host::Directory;
use ee_auth_core::{Token, TokenKey, TokenStore};
use ee_auth_fake::Fake;
use proptest::prelude::*;
use support::{Bank, HOUR, key};

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
const MINUTE: Duration = Duration::from_secs(60);

/// The home directory of several machines.
struct Cluster {
    fake: Fake,
    bank: Bank,
    /// What a clock would show that is right.
    time: SystemTime,
    /// When the tokens were got, by the right clock, from the first.
    got: Vec<SystemTime>,
}

impl Cluster {
    fn new() -> Self {
        let fake = Fake::new();
        let time = fake.time();
        Self { fake, bank: Bank::new(), time, got: Vec::new() }
    }

    /// A new process on machine `number`, whose clock is so many seconds ahead. What it would print: the number of the
    /// token.
    fn token_on(&mut self, number: u32, ahead: i64) -> usize {
        self.fake.set_file(BOOT_ID, format!("{number:08x}-2fa1-11d2-883f-0016d3cca427\n"));
        let ahead_by = Duration::from_secs(ahead.unsigned_abs());
        self.fake.set_time(if ahead < 0 { self.time - ahead_by } else { self.time + ahead_by });
        let credential = self.bank.credential(&self.fake);
        let token = credential.token().unwrap().secret().to_owned();
        self.got.resize(self.bank.exchanges(), self.time);
        token.strip_prefix("token ").unwrap().parse().unwrap()
    }

    /// Whether a token is one that Google still accepts.
    fn is_valid(&self, token: usize) -> bool {
        self.time < self.got[token - 1] + HOUR
    }
}

#[test]
fn each_machine_has_a_token_of_its_own() {
    let mut cluster = Cluster::new();
    assert_eq!([1, 2, 1, 2, 3].map(|machine| cluster.token_on(machine, 0)), [1, 2, 1, 2, 3]);
    // After a restart it is another machine.
    assert_eq!(cluster.token_on(4, 0), 4);
    assert_eq!(clear(&cluster.fake.host()).unwrap(), 4, "all of them are removed");
}

#[test]
fn a_clock_that_is_behind_does_not_make_another_machines_token_younger() {
    let mut cluster = Cluster::new();
    assert_eq!(cluster.token_on(1, 0), 1);
    // By a clock that is ten minutes behind, that token has just been got, and is valid for ten minutes longer than Google
    // will have it.
    for passed in [11, 51] {
        cluster.time += MINUTE * passed;
        let token = cluster.token_on(2, -600);
        assert!(cluster.is_valid(token), "token {token}");
        assert_eq!(token, 2);
    }
}

#[test]
fn what_is_removed_is_removed_for_all_machines() {
    let mut cluster = Cluster::new();
    cluster.token_on(1, 0);
    cluster.token_on(2, 0);
    let (fake, now) = (&cluster.fake, cluster.fake.time());
    let cache = DiskCache::new(fake.host());
    cache.save(&key("another"), &Token::new("t", now, now + HOUR));
    let newer = directory(&fake.host()).unwrap().join(format!("{}.v2.json", digest_of(fake)));
    fake.set_file(&newer, "");
    cache.remove(&bank_key());
    assert!(fake.entry(&newer).is_none());
    let names = fake.host().files.list(&directory(&fake.host()).unwrap()).unwrap();
    assert_eq!(names.len(), 2, "the other credential's token, and a mark: {names:?}");
    assert!(cache.load(&key("another")).is_some());
    // Where nothing is, nothing is removed.
    for empty in [Fake::new(), Fake::new().without_directory(Directory::Cache)] {
        DiskCache::new(empty.host()).remove(&bank_key());
        assert_eq!(empty.changes(), []);
    }
}

/// The key under which the bank's tokens are kept.
fn bank_key() -> TokenKey {
    let mut key = key("bank");
    key.complete("test", "googleapis.com");
    key
}

/// What the names of the bank's files begin with, as the lock's does.
fn digest_of(fake: &Fake) -> String {
    let turn = pollster::block_on(DiskCache::new(fake.host()).turn(&bank_key()));
    let name = fake.locks()[0].file_name().unwrap().to_str().unwrap().to_owned();
    drop(turn);
    name[..64].to_owned()
}

#[test]
fn nobody_waits_for_a_lock_of_another_machine() {
    let mut cluster = Cluster::new();
    cluster.token_on(1, 0);
    let cache = DiskCache::new(cluster.fake.host());
    let other = TokenKey::new("other");
    let held = pollster::block_on(cache.turn(&other));
    assert!(held.is_some());
    cluster.token_on(2, 0);
    let sleeps = cluster.fake.sleeps().len();
    assert!(pollster::block_on(cache.turn(&other)).is_some());
    assert_eq!(cluster.fake.sleeps().len(), sleeps);
}

#[test]
fn a_name_of_the_kernel_that_is_no_name_is_not_used() {
    let directory = Path::new("/home/user/.cache/ee-auth");
    for name in ["", "\n", "../../evil", "a b", &"0".repeat(65)] {
        let fake = Fake::new().with_file(BOOT_ID, name);
        let now = fake.time();
        DiskCache::new(fake.host()).save(&key("a"), &Token::new("t", now, now + HOUR));
        let files = fake.host().files.list(directory).unwrap();
        let kept: Vec<PathBuf> =
            files.iter().map(PathBuf::from).filter(|name| name.extension().is_some()).collect();
        assert_eq!(kept.len(), 1, "{name:?}: {files:?}");
        assert_eq!(kept[0].to_str().unwrap().len(), 64 + ".v1.json".len(), "{name:?}: {files:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Machines whose clocks are up to a quarter of an hour apart, in any order, over some hours.
    #[test]
    fn no_machine_serves_what_has_expired(
        ahead in prop::array::uniform4(-900_i64..900),
        uses in prop::collection::vec((0_usize..4, 0_u32..40 * 60), 1..40),
    ) {
        let mut cluster = Cluster::new();
        for (machine, passed) in uses {
            cluster.time += Duration::from_secs(1) * passed;
            let token = cluster.token_on(machine as u32, ahead[machine]);
            prop_assert!(cluster.is_valid(token), "machine {machine} served token {token}");
        }
    }
}
