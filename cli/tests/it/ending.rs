//! What is left of the program when a signal ends it: no plugin, no file.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::Machine;

const SIGNALS: [Signal; 3] = [Signal::HUP, Signal::INT, Signal::TERM];

/// How long anything is waited for. Only a test that fails waits so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program that never answers, and leaves a child behind that has what it has.
const HOLD: &str = "exec 3>\"$HOLD\"\nsleep 1000 &\necho ready >&3\nwait\n";

/// One that is alone.
const HOLD_ALONE: &str = "exec 3>\"$HOLD\"\necho ready >&3\nexec sleep 1000\n";

/// The same as a library: the process that loads it has a child as well.
const LIBRARY: &str = r#"
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include "ee_auth_plugin.h"
static const char MANIFEST[] = "{\"name\":\"hold\",\"ops\":[\"get\"]}";
static eea_status call(void *self, const eea_request *request, const eea_sink *out) {
  int held = open(getenv("HOLD"), O_WRONLY);
  (void)self, (void)request, (void)out;
  if (held < 0 || fork() < 0 || write(held, "ready\n", 6) != 6) return EEA_INTERNAL;
  for (;;) pause();
}
static eea_status create(const eea_host *host, eea_str config, eea_provider *out, const eea_sink *err) {
  (void)host, (void)config, (void)err;
  out->size = sizeof *out;
  out->call = call;
  return EEA_OK;
}
EEA_EXPORT const eea_entry eea_plugin_v1 = {EEA_MAGIC, sizeof(eea_entry), 1, 0, 0, {MANIFEST, sizeof MANIFEST - 1}, create};
"#;

/// A FIFO that processes hold: it tells when the first is there, and when the last is gone.
struct Held {
    path: PathBuf,
    news: Receiver<String>,
}

impl Held {
    fn new(machine: &Machine) -> Self {
        let path = machine.home().join("held");
        assert!(Command::new("mkfifo").arg(&path).status().expect("there is mkfifo").success());
        let (sender, news) = channel();
        let from = path.clone();
        thread::spawn(move || {
            let mut fifo = BufReader::new(fs::File::open(from).expect("the FIFO"));
            let mut text = String::new();
            fifo.read_line(&mut text).expect("a line");
            let _ = sender.send(text);
            let _ = fifo.read_to_string(&mut String::new());
            let _ = sender.send("gone".to_owned());
        });
        Self { path, news }
    }

    #[track_caller]
    fn wait_for(&self, wanted: &str) {
        assert_eq!(self.news.recv_timeout(PATIENCE).as_deref().map(str::trim), Ok(wanted));
    }
}

/// A machine with a plugin in its chain, and what the plugin holds.
fn machine(script: &str) -> (Machine, Held) {
    let machine = Machine::with_google();
    let held = Held::new(&machine);
    let plugin = script_at(&machine, "plugin", script);
    machine.configure(&format!(
        "chain = [\"corp\"]\n[providers.corp]\nkind = \"exec\"\ncommand = [{plugin:?}]\nenv = [\"HOLD\"]\n"
    ));
    let machine = machine.with("HOLD", &held.path);
    (machine, held)
}

fn script_at(machine: &Machine, name: &str, body: &str) -> PathBuf {
    let path = machine.write(name, format!("#!/bin/sh\n{body}"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its mode can be set");
    path
}

fn start(mut command: Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it can be run")
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("it runs");
}

/// Its status as a shell has it.
fn status(mut child: Child) -> i32 {
    let status = child.wait().expect("it ends");
    status.code().or_else(|| Some(128 + status.signal()?)).expect("a status or a signal")
}

#[test]
fn a_signal_ends_plugins_with_all_that_they_started() {
    for signal in SIGNALS {
        let (machine, held) = machine(HOLD);
        let child = start(machine.command(["token"]));
        held.wait_for("ready");
        send(&child, signal);
        assert_eq!(status(child), 128 + signal.as_raw());
        held.wait_for("gone");
    }
}

#[test]
fn a_signal_ends_the_process_of_a_library() {
    for signal in SIGNALS {
        let (machine, held) = machine("");
        let source = machine.write("hold.c", LIBRARY);
        let library = source.with_extension("so");
        let include = concat!("-I", env!("CARGO_MANIFEST_DIR"), "/../providers/dynamic/include");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", include]).arg(&source).arg("-o").arg(&library);
        assert!(compiler.status().expect("a C compiler").success());
        let digest = ring::digest::digest(&ring::digest::SHA256, &fs::read(&library).expect("the library"));
        let pin: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        machine.configure(&format!(
            "chain = [\"corp\"]\n[providers.corp]\nkind = \"dynamic\"\npath = {library:?}\nsha256 = \"{pin}\"\nenv = [\"HOLD\"]\n"
        ));
        let child = start(machine.command(["token"]));
        held.wait_for("ready");
        send(&child, signal);
        assert_eq!(status(child), 128 + signal.as_raw());
        held.wait_for("gone");
    }
}

#[test]
fn a_signal_ends_gcloud() {
    let (machine, held) = machine("");
    let machine = machine.with("CLOUDSDK_AUTH_ACCESS_TOKEN", "gclouds-own");
    machine.configure("chain = [\"gcloud\"]");
    let gcloud = script_at(&machine, "bin/gcloud", HOLD);
    let mut command = machine.command(["token"]);
    let path = std::env::var("PATH").expect("a PATH");
    command.env("PATH", format!("{}:{path}", gcloud.parent().expect("a directory").display()));
    let child = start(command);
    held.wait_for("ready");
    send(&child, Signal::TERM);
    assert_eq!(status(child), 128 + Signal::TERM.as_raw());
    held.wait_for("gone");
}

/// Nobody can wait for SIGKILL; the kernel ends what was started.
#[test]
#[cfg(target_os = "linux")]
fn a_plugin_does_not_outlive_a_program_that_is_killed() {
    let (machine, held) = machine(HOLD_ALONE);
    let child = start(machine.command(["token"]));
    held.wait_for("ready");
    send(&child, Signal::KILL);
    assert_eq!(status(child), 128 + Signal::KILL.as_raw());
    held.wait_for("gone");
}

/// As `nohup` starts a program.
#[test]
fn a_signal_that_is_ignored_ends_nothing() {
    let (machine, held) = machine(
        "exec 3>\"$HOLD\"\necho ready >&3\nread -r go <\"$HOLD.go\"\n\
         echo '{\"version\":1,\"success\":true,\"access_token\":\"token\"}'\n",
    );
    let go = PathBuf::from(format!("{}.go", held.path.display()));
    assert!(Command::new("mkfifo").arg(&go).status().expect("there is mkfifo").success());
    let inner = machine.command(["token"]);
    let mut command = Command::new("env");
    command.arg("--ignore-signal=HUP").arg(inner.get_program()).args(inner.get_args()).env_clear();
    command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("it can be run");
    held.wait_for("ready");
    send(&child, Signal::HUP);
    fs::File::options().write(true).open(go).expect("the plugin reads").write_all(b"go\n").expect("it reads");
    let mut token = String::new();
    child.stdout.take().expect("a pipe").read_to_string(&mut token).expect("text");
    assert_eq!((token.as_str(), status(child)), ("token\n", 0));
}

/// The names in a directory that begin like this.
fn names(directory: &Path, prefix: &str) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory").flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with(prefix))
        .collect()
}

/// Whenever the signal comes: before there is a command it ends the program, and then the command.
#[test]
fn exec_leaves_no_file_behind_whenever_it_is_ended() {
    for (round, signal) in SIGNALS.into_iter().cycle().take(12).enumerate() {
        let machine = Machine::with_google().with_key().with_login().without_namespaces();
        let temporary = machine.temporary();
        let isolate = round % 2 == 0;
        let arguments =
            ["exec", "--isolate", if isolate { "always" } else { "never" }, "--", "sleep", "1000"];
        let mut child = start(machine.command(arguments));
        let began = Instant::now();
        let there = || match isolate {
            true => !names(&machine.home(), ".ee-auth-home-").is_empty(),
            false => !names(&temporary, "ee-auth-").is_empty(),
        };
        while !there() {
            assert!(child.try_wait().expect("a child").is_none() && began.elapsed() < PATIENCE);
        }
        send(&child, signal);
        assert_eq!(status(child), 128 + signal.as_raw());
        assert_eq!(names(&temporary, ""), [""; 0], "{signal:?}");
        assert_eq!(names(&machine.home(), ".ee-auth-"), [""; 0], "{signal:?}");
    }
}

#[test]
fn what_a_killed_exec_left_is_tidied_up_by_the_next() {
    let machine = Machine::with_google().with_key().with_login().without_namespaces();
    let held = Held::new(&machine);
    let temporary = machine.temporary();
    let machine = machine.with("HOLD", &held.path);
    let script =
        format!("echo new >\"$HOME/result.txt\"\necho $$ >\"$HOME/pid\"\ntrap '' TERM\n{HOLD_ALONE}");
    let child = start(machine.command(["exec", "--isolate-home", "--", "sh", "-c", &script]));
    held.wait_for("ready");
    send(&child, Signal::KILL);
    assert_eq!(status(child), 128 + Signal::KILL.as_raw());
    let left = names(&machine.home(), ".ee-auth-home-");
    assert_eq!((left.len(), names(&temporary, "ee-auth-").len()), (1, 1));

    // The command lives on without it: its home directory stays.
    let show = "ls \"$TMPDIR\" | wc -l";
    let output = machine.run(["exec", "--isolate-home", "--", "sh", "-c", show]).expect(0);
    assert_eq!(output.stdout.trim(), "1", "the file of nobody is gone");
    assert_eq!(names(&machine.home(), ".ee-auth-home-"), left);
    assert!(!machine.home().join("result.txt").exists());

    let pid = fs::read_to_string(machine.home().join(&left[0]).join("pid"));
    let pid =
        pid.expect("the command wrote it").trim().parse().ok().and_then(Pid::from_raw).expect("a number");
    kill_process(pid, Signal::KILL).expect("it runs");
    held.wait_for("gone");
    machine.run(["exec", "--isolate-home", "--", "true"]).expect(0);
    assert_eq!(names(&machine.home(), ".ee-auth-home-"), [""; 0]);
    assert_eq!(fs::read_to_string(machine.home().join("result.txt")).expect("it is kept"), "new\n");
}

/// How many commands there are at once in the tests below.
const MANY: usize = 24;

/// Each writes files into directories that all create, and tells of each file, once it is written, outside of the home
/// directory. So what is told of must be there afterwards.
const WRITE_AND_TELL: &str = r#"
    for round in 1 2 3 4 5; do
        mkdir -p "$HOME/all/create/this" "$HOME/.config/new"
        for file in "$HOME/$1-$round" "$HOME/all/create/this/$1-$round" "$HOME/.config/new/$1-$round"; do
            echo "$1 $round" >"$file"
        done
        echo $$ >"$TOLD/$1-$round"
    done"#;

/// Runs [`MANY`] commands at once, of which `kill` may kill the one of a number: it is given `ee-auth` and the round that its
/// command has reached, with the command's process.
fn many_at_once_lose_nothing(machine: Machine, kill: impl Fn(usize, &mut Child, &str, Pid) -> bool) {
    let told = machine.working().join("told");
    fs::create_dir(&told).expect("it can be made");
    let machine = machine.with("TOLD", &told);
    // The token is there already: it is not what this is about.
    machine.run(["token"]).expect(0);
    let mut children: Vec<_> = (0..MANY)
        .map(|number| {
            let number = number.to_string();
            start(machine.command([
                "exec",
                "--isolate",
                "always",
                "--",
                "sh",
                "-c",
                WRITE_AND_TELL,
                "sh",
                &number,
            ]))
        })
        .collect();
    let began = Instant::now();
    let mut running: Vec<usize> = (0..MANY).collect();
    while !running.is_empty() {
        assert!(began.elapsed() < 4 * PATIENCE, "they end");
        running.retain(|number| {
            let child = &mut children[*number];
            let told = names(&told, &format!("{number}-"));
            for name in told {
                let process =
                    fs::read_to_string(machine.working().join("told").join(&name)).unwrap_or_default();
                let Some(process) = process.trim().parse().ok().and_then(Pid::from_raw) else { continue };
                if kill(*number, child, &name, process) {
                    break;
                }
            }
            child.try_wait().expect("a child").is_none()
        });
    }
    // What was killed leaves nothing for good. Its command may still be ending.
    while !names(&machine.home(), ".ee-auth-").is_empty() {
        assert!(began.elapsed() < 4 * PATIENCE, "nothing is left: {:?}", names(&machine.home(), ".ee-auth-"));
        machine.run(["exec", "--", "true"]).expect(0);
    }
    let told = names(&told, "");
    assert!(told.len() >= MANY, "each gets to the first round");
    for name in told {
        for directory in ["", "all/create/this", ".config/new"] {
            let path = machine.home().join(directory).join(&name);
            let content =
                fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert_eq!(content.trim(), name.replace('-', " "));
        }
    }
}

fn busy_machine() -> Machine {
    Machine::with_google().with_key().with_login()
}

/// Kills `ee-auth`, its command, or both, when the command has got somewhere.
fn kill_some(number: usize, child: &mut Child, told: &str, process: Pid) -> bool {
    if told != format!("{number}-{}", number % 5 + 1) {
        return false;
    }
    if number % 4 != 1 {
        let _ = child.kill();
    }
    if number % 4 > 0 {
        let _ = kill_process(process, Signal::KILL);
    }
    true
}

#[test]
fn many_commands_at_once_lose_nothing() {
    many_at_once_lose_nothing(busy_machine(), |_, _, _, _| false);
}

#[test]
fn many_commands_at_once_lose_nothing_without_namespaces() {
    many_at_once_lose_nothing(busy_machine().without_namespaces(), |_, _, _, _| false);
}

#[test]
fn many_commands_that_are_killed_lose_nothing() {
    many_at_once_lose_nothing(busy_machine(), kill_some);
}

#[test]
fn many_commands_that_are_killed_lose_nothing_without_namespaces() {
    many_at_once_lose_nothing(busy_machine().without_namespaces(), kill_some);
}

/// The login is hidden all the same, and doctor gives back what a killed one has left.
#[test]
fn without_namespaces_doctor_gives_back_what_was_left() {
    let machine = busy_machine().without_namespaces();
    let told = machine.working().join("told");
    let script = r#"test -e "$HOME/.config/earthengine/credentials" && exit 9; echo new >"$HOME/result"; echo $$ >"$0.new"; mv "$0.new" "$0"; exec sleep 1000"#;
    let mut command = machine.command(["-v", "exec", "--", "sh", "-c", script]);
    command.arg(&told).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it can be run");
    let began = Instant::now();
    while !told.exists() {
        assert!(child.try_wait().expect("a child").is_none() && began.elapsed() < PATIENCE);
    }
    let process = fs::read_to_string(&told).expect("a number").trim().parse().ok().and_then(Pid::from_raw);
    let _ = child.kill();
    let said = child.wait_with_output().expect("it ends").stderr;
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(said.contains("by HOME=") && said.contains("/.config/earthengine/credentials"), "{said}");
    let _ = kill_process(process.expect("a process"), Signal::KILL);
    let mut doctors = Vec::new();
    while !machine.home().join("result").exists() {
        assert!(began.elapsed() < PATIENCE);
        doctors.push(machine.run(["doctor", "--offline"]));
    }
    let last = doctors.last().expect("one");
    assert!(last.stderr.contains("moved what a command had created in"), "{last}");
    assert_eq!(names(&machine.home(), ".ee-auth-"), [""; 0]);
}

/// A server deals with signals itself, also once it has had to run a plugin.
#[test]
fn a_server_ends_as_before() {
    let answer = r#"{"version":1,"success":true,"access_token":"token"}"#;
    for (signal, expected) in [(Signal::TERM, 0), (Signal::INT, 130)] {
        let (machine, _held) = machine(&format!("echo '{answer}'\n"));
        let mut command = machine.command(["serve", "-v"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it can be run");
        let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
        output.read_line(&mut String::new()).expect("a line");
        send(&child, Signal::HUP);
        let mut said = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        assert!(said.by_ref().map_while(Result::ok).any(|line| line.contains("was read again")));
        send(&child, signal);
        let _ = output.read_to_string(&mut String::new());
        assert_eq!(status(child), expected);
    }
}
