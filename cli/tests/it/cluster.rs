//! Machines of a cluster that share a home directory, each in namespaces of its own. Where these cannot be made, the tests
//! say `SKIPPED` and why.
#![allow(clippy::print_stderr, reason = "a test may say that it was skipped")]

mod host;

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Instant;

use ee_auth_sandbox::Service;
use rustix::fs::{FlockOperation, flock};
use serde_json::Value;

use self::host::{DEADLINE, FileSystem, Host, Meanwhile, missing};
use crate::support::{Machine, can_trace};

/// Processes that are started at once on each machine.
const PROCESSES: usize = 5;

/// A Google, and a home directory in which somebody has logged in.
struct Cluster {
    files: Machine,
    file_system: FileSystem,
}

impl Cluster {
    /// `None` where there can be none.
    fn new(file_system: FileSystem) -> Option<Self> {
        if let Some(why) = missing(file_system) {
            eprintln!("SKIPPED: {file_system:?}: {why}");
            return None;
        }
        Some(Self { files: Machine::with_google().with_login(), file_system })
    }

    /// A machine of it. All that have the same boot id are one machine to the program; without one, it cannot tell.
    fn host(&self, name: &str, boot_id: &str) -> Host {
        let google = self.files.google().address();
        Host::start(name, boot_id, self.file_system, &self.files.home(), google)
    }

    /// As many machines as asked for.
    fn hosts(&self, count: usize, have_boot_ids: bool) -> Vec<Host> {
        let boot_id = |number| if have_boot_ids { boot_id(number) } else { String::new() };
        // Names of several lengths, so that files are, too.
        (1..=count).map(|number| self.host(&"node".repeat(number), &boot_id(number))).collect()
    }

    fn cache(&self) -> PathBuf {
        self.files.home().join(".cache/ee-auth")
    }

    /// The names of what is in the cache.
    fn cached(&self) -> Vec<String> {
        names(&self.cache())
    }

    /// Reads all files over and over again, on the file server. None may be torn.
    fn reader(&self) -> Meanwhile {
        let (cache, login) = (self.cache(), self.files.home().join(".config/earthengine/credentials"));
        let file_system = self.file_system;
        // The JSON in a file, whenever it is looked at. On the server there is none for a moment while SFTP's client replaces
        // one that somebody has open.
        let whole = move |path: &Path| match fs::read(path) {
            Err(error) if error.kind() == ErrorKind::NotFound && file_system == FileSystem::Sftp => None,
            text => Some(serde_json::from_slice::<Value>(&text.expect("it is there")).expect("it is whole")),
        };
        Meanwhile::new(move || {
            for name in names(&cache).into_iter().filter(|name| name.ends_with(".json")) {
                let file = whole(&cache.join(&name));
                assert!(file.is_none_or(|file| file["access_token"].is_string() && file["seal"].is_string()));
            }
            assert!(whole(&login).is_none_or(|file| file["refresh_token"].is_string()));
        })
    }

    /// Whether Google accepts a token.
    fn is_accepted(&self, token: &str) -> bool {
        let google = self.files.google();
        let mut connection = TcpStream::connect(google.address()).expect("Google is there");
        let project = google.project_id();
        write!(
            connection,
            "GET /v1/projects/{project}/algorithms HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nConnection: \
             close\r\n\r\n",
            google.address()
        )
        .expect("it listens");
        let mut answer = String::new();
        connection.read_to_string(&mut answer).expect("it answers");
        answer.starts_with("HTTP/1.1 200 ")
    }

    fn exchanges(&self) -> usize {
        self.files.google().requests().iter().filter(|request| request.service == Service::Token).count()
    }
}

fn boot_id(number: usize) -> String {
    format!("{number:08x}-2fa1-11d2-883f-0016d3cca427")
}

fn names(directory: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    entries.map(|entry| entry.expect("a name").file_name().into_string().expect("it is text")).collect()
}

/// So many times the program at once with these arguments, all that it prints in one place.
fn at_once(times: usize, arguments: &str) -> String {
    format!("for i in $(seq {times}); do /run/ee-auth {arguments} 2>&1 & done; wait")
}

/// The tokens among lines that hold nothing else.
#[track_caller]
fn tokens(lines: Vec<String>) -> Vec<String> {
    assert!(lines.iter().all(|line| line.starts_with("ya29.")), "{lines:#?}");
    lines
}

/// Everything at once: many processes on each machine, then many that write.
fn exchange_and_write(file_system: FileSystem, have_boot_ids: bool) {
    let Some(cluster) = Cluster::new(file_system) else { return };
    let mut hosts = cluster.hosts(3, have_boot_ids);
    let reader = cluster.reader();

    // Each process gets a token that is valid, and a machine makes one exchange at the most.
    hosts.iter_mut().for_each(|host| host.begin(&at_once(PROCESSES, "token")));
    for host in &mut hosts {
        let tokens = tokens(host.end());
        assert_eq!(tokens.len(), PROCESSES);
        assert!(tokens.iter().all(|token| cluster.is_accepted(token)));
        if have_boot_ids {
            assert!(tokens.iter().all(|token| *token == tokens[0]), "all of a machine have the same");
        }
    }
    let exchanges: Vec<_> = hosts.iter().map(|host| host.google.connections()).collect();
    assert!(exchanges.iter().all(|exchanges| *exchanges <= 1), "{exchanges:?}");
    assert_eq!(exchanges.iter().sum::<usize>(), cluster.exchanges());
    if file_system == FileSystem::Shared && !have_boot_ids {
        assert_eq!(cluster.exchanges(), 1, "the locks are everybody's");
    }

    // What is asked for here is always got anew, and so written. The login is written as well, and read by all; where each
    // machine has its own view of it, which FUSE may cut off at the length of another version, in turn.
    let write = at_once(2, "token --silent --min-ttl 2h");
    let read = at_once(2, "token --no-cache");
    let choose = "said=$(/run/ee-auth set-project \"of-$(hostname)\" 2>&1) || echo \"$said\"";
    let all = match file_system {
        FileSystem::Shared => format!("{write}; {choose}; {read}; {choose}; {write}"),
        FileSystem::Sftp => format!("{write}; {read}; {write}"),
    };
    hosts.iter_mut().for_each(|host| host.begin(&all));
    for host in &mut hosts {
        let tokens = tokens(host.end());
        assert_eq!(tokens.len(), 6, "each process got one");
        assert!(tokens.iter().all(|token| cluster.is_accepted(token)));
    }
    if file_system == FileSystem::Sftp {
        assert!(hosts.iter_mut().all(|host| host.run(choose).is_empty()));
    }
    // The machines look at it as well: what they find is whole, and theirs.
    let exchanges = cluster.exchanges();
    for host in &mut hosts {
        assert_eq!(tokens(host.run("/run/ee-auth token -v 2>&1")).len(), 1);
        assert!(host.run("/run/ee-auth status").iter().any(|line| line.contains("of-node")));
    }
    assert_eq!(cluster.exchanges(), exchanges);
    assert!(reader.end() > 0);

    // A file that somebody had open when it was removed, SFTP's client keeps under another name.
    let cached: Vec<_> =
        cluster.cached().into_iter().filter(|name| !name.starts_with(".fuse_hidden")).collect();
    let wanted = if have_boot_ids { hosts.len() } else { 1 };
    assert_eq!(cached.iter().filter(|name| name.ends_with(".json")).count(), wanted, "{cached:?}");
    assert_eq!(cached.len(), wanted + 1, "and when it was last looked for old ones: {cached:?}");
}

#[test]
fn machines_make_an_exchange_each_and_tear_no_file() {
    exchange_and_write(FileSystem::Shared, true);
}

#[test]
fn on_a_network_file_system_machines_make_an_exchange_each_and_tear_no_file() {
    exchange_and_write(FileSystem::Sftp, true);
}

#[test]
fn machines_that_cannot_be_told_apart_take_turns_and_tear_no_file() {
    exchange_and_write(FileSystem::Shared, false);
}

#[test]
fn on_a_network_file_system_machines_that_cannot_be_told_apart_tear_no_file() {
    exchange_and_write(FileSystem::Sftp, false);
}

#[test]
fn a_file_that_a_network_file_system_replaces_in_two_steps_is_found() {
    let Some(cluster) = Cluster::new(FileSystem::Sftp) else { return };
    if !can_trace() {
        eprintln!("SKIPPED: strace is missing, or may trace nothing here");
        return;
    }
    let mut host = cluster.host("node", &boot_id(1));
    let first = tokens(host.run("/run/ee-auth token 2>&1"));
    let kept = cluster.cached().into_iter().find(|name| name.ends_with(".json")).expect("it was kept");
    for (directory, name) in [(".config/earthengine", "credentials"), (".cache/ee-auth", &kept)] {
        // Away at the first look alone; at several, while the old file has the name that such file systems give it.
        for times in ["1", "1..5"] {
            let line = format!(
                "strace -f -qq -o /dev/null -e inject=openat:error=ENOENT:when={times} -P /run/home/{directory}/{name} \
                 /run/ee-auth token 2>&1"
            );
            assert_eq!(tokens(host.run(&line)), first, "{name}");
            let hidden = cluster.files.home().join(directory).join(".fuse_hidden0000000d00000001");
            fs::write(hidden, "").expect("it can be written");
        }
    }
    assert_eq!(cluster.exchanges(), 1);
    // What is not there at all is not looked for without end.
    fs::remove_file(cluster.files.home().join(".config/earthengine/credentials")).expect("it is there");
    assert_eq!(host.run("/run/ee-auth token >/dev/null 2>&1; echo $?"), ["4"]);
}

/// What becomes of a process in the midst of its exchange.
#[derive(Clone, Copy, Debug)]
enum End {
    Killed,
    Stopped,
}

/// A machine that has its turn and does not give it back keeps no other waiting, nor itself after it was started anew.
fn nobody_waits_for(end: End, file_system: FileSystem) {
    let Some(cluster) = Cluster::new(file_system) else { return };
    let mut hosts = cluster.hosts(3, true);
    let mut first = hosts.remove(0);
    first.google.hold();
    first.run("/run/ee-auth token >/dev/null &");
    first.google.until(1);
    let lock = cluster.cached().into_iter().find(|name| name.ends_with(".lock")).expect("it has its turn");
    assert!(lock.contains(&boot_id(1)), "{lock}");
    match end {
        End::Killed => first.kill(),
        End::Stopped => drop(first.run("kill -STOP $!")),
    }
    // A server that has not noticed: to whoever asks, the lock is held.
    let still_there = fs::File::open(cluster.cache().join(&lock));
    let held = still_there.inspect(|file| {
        let _ = flock(file, FlockOperation::NonBlockingLockExclusive);
    });

    hosts.push(cluster.host("node", &boot_id(4)));
    let start = Instant::now();
    hosts.iter_mut().for_each(|host| host.begin(&at_once(PROCESSES, "token -v")));
    for host in &mut hosts {
        let tokens = tokens(host.end());
        assert!(tokens.len() == PROCESSES && tokens.iter().all(|token| cluster.is_accepted(token)));
        assert_eq!(host.google.connections(), 1);
    }
    assert!(start.elapsed() < DEADLINE, "{:?}", start.elapsed());
    drop(held);
}

#[test]
fn nobody_waits_for_a_machine_that_has_died() {
    nobody_waits_for(End::Killed, FileSystem::Shared);
}

#[test]
fn nobody_waits_for_a_machine_that_is_stopped() {
    nobody_waits_for(End::Stopped, FileSystem::Shared);
}

#[test]
fn on_a_network_file_system_nobody_waits_for_a_machine_that_has_died() {
    nobody_waits_for(End::Killed, FileSystem::Sftp);
}
