//! `exec`: a command with a credential that stays fresh, which behaves as if it had been run alone.
#![allow(clippy::print_stderr, reason = "a test may say that it was skipped")]

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, kill_process_group, waitpid};

use crate::support::{Machine, run_with_input, there_is};

/// A machine with a service account's key.
fn machine() -> Machine {
    Machine::with_google().with_key()
}

/// Starts a shell script under `exec`, in a process group of its own.
fn start(machine: &Machine, script: &str) -> (Child, BufReader<std::process::ChildStdout>) {
    use std::os::unix::process::CommandExt;
    let mut command = machine.command(["exec", "--", "sh", "-c", script]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
    let mut child = command.spawn().expect("it can be run");
    let output = BufReader::new(child.stdout.take().expect("a pipe"));
    (child, output)
}

fn line(from: &mut impl BufRead) -> String {
    let mut line = String::new();
    from.read_line(&mut line).expect("a line");
    line.trim().to_owned()
}

fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}

fn number(text: &str) -> Pid {
    Pid::from_raw(text.parse().unwrap_or_else(|_| panic!("{text} is no process"))).expect("a process")
}

/// The state of a process, as `ps` shows it; `None` where there is none.
fn state(process: Pid) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero())).ok()?;
    stat.rsplit_once(')')?.1.trim().chars().next()
}

fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let start = std::time::Instant::now();
    while !condition() {
        assert!(start.elapsed() < std::time::Duration::from_secs(30), "{what}");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

const ASK: &str = r#"curl -q --silent --fail -H "Metadata-Flavor: Google" \
    "http://$GCE_METADATA_HOST/computeMetadata/v1/instance/service-accounts/default/token""#;

#[test]
fn the_command_finds_a_credential() {
    if !there_is("curl") {
        eprintln!("SKIPPED: there is no curl");
        return;
    }
    let machine = machine();
    let output = machine.run(["exec", "--via", "both", "--", "sh", "-c", ASK]).expect(0);
    assert!(
        output.json()["access_token"].as_str().is_some_and(|token| token.starts_with("ya29.")),
        "{output}"
    );
    // Without `--`, too. What follows belongs to the command.
    machine.run(["exec", "sh", "-c", "exit 7", "--via"]).expect(7);

    let show = r#"stat -c '%a' "$GOOGLE_APPLICATION_CREDENTIALS"; echo "$GOOGLE_APPLICATION_CREDENTIALS"; cat "$GOOGLE_APPLICATION_CREDENTIALS""#;
    let output = machine.run(["exec", "--", "sh", "-c", show]).expect(0);
    let [mode, path, content] = output.stdout.lines().collect::<Vec<_>>()[..] else { panic!("{output}") };
    assert_eq!(mode, "600");
    assert!(!Path::new(path).exists(), "it is gone");
    let content: serde_json::Value = serde_json::from_str(content).expect("JSON");
    assert_eq!(content["type"], "external_account_authorized_user");
    assert_eq!(content["quota_project_id"], "ee-auth-sandbox");

    let names = "env | cut -d= -f1";
    let file = machine.run(["exec", "--via", "file", "--", "sh", "-c", names]).expect(0);
    assert!(!file.stdout.contains("GCE_METADATA"), "{file}");
    let metadata = machine.with("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere");
    let metadata = metadata.run(["exec", "--via", "metadata", "--", "sh", "-c", names]).expect(0);
    assert!(!metadata.stdout.contains("GOOGLE_APPLICATION_CREDENTIALS"), "{metadata}");
    assert!(!metadata.stdout.contains("NO_GCE_CHECK"), "it would turn the metadata server off\n{metadata}");
}

#[test]
fn without_a_credential_nothing_is_run() {
    let machine = Machine::new();
    let ran = machine.working().join("ran");
    let output = machine.run(["exec", "--no-input", "--", "touch", "ran"]).expect(4);
    assert!(output.stderr.starts_with("error: no Earth Engine credential"), "{output}");
    let machine = self::machine();
    machine.google().fail("token=invalid_grant".parse().expect("a fault"));
    machine.run(["exec", "--", "touch", "ran"]).expect(5);
    assert!(!ran.exists() && !machine.working().join("ran").exists());
    machine.run(["exec"]).expect(2);
    machine.run(["exec", "--via", "pigeon", "--", "true"]).expect(2);
}

#[test]
fn statuses_and_streams_are_the_commands_own() {
    let machine = machine();
    let shell = |script: &str| machine.run(["exec", "--", "sh", "-c", script]);
    let output = shell("echo out; echo err >&2; exit 42").expect(42);
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("out\n", "err\n"));
    shell("kill -TERM $$").expect(128 + 15);
    shell("kill -KILL $$").expect(128 + 9);
    machine.run(["exec", "--", "/no/such/program"]).expect(127);
    machine.run(["exec", "--", "no-such-program"]).expect(127);
    machine.run(["exec", "--", "/etc/passwd"]).expect(126);
    let output = run_with_input(&mut machine.command(["exec", "--", "cat"]), b"in\n").expect(0);
    assert_eq!(output.stdout, "in\n");
}

#[test]
fn signals_reach_the_command_and_the_file_goes() {
    let machine = machine();
    for signal in ["TERM", "INT", "HUP", "QUIT", "USR1", "USR2"] {
        let script = format!(
            "trap 'echo got; exit 9' {signal}; echo $GOOGLE_APPLICATION_CREDENTIALS; while :; do sleep 0.05; done"
        );
        let (mut child, mut output) = start(&machine, &script);
        let file = line(&mut output);
        assert!(Path::new(&file).is_file());
        let raw = Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status();
        assert!(raw.expect("there is kill").success());
        assert_eq!(line(&mut output), "got", "{signal}");
        assert_eq!(child.wait().expect("it ends").code(), Some(9), "{signal}");
        assert!(!Path::new(&file).exists(), "{signal}");
    }
    // One that ends the command ends it here, with the status of a shell.
    let (mut child, mut output) = start(&machine, "echo $GOOGLE_APPLICATION_CREDENTIALS; exec sleep 1000");
    let file = line(&mut output);
    kill_process(pid(&child), Signal::TERM).expect("it runs");
    assert_eq!(child.wait().expect("it ends").code(), Some(128 + 15));
    assert!(!Path::new(&file).exists());
}

#[test]
fn what_was_ignored_stays_ignored() {
    let machine = machine();
    let script =
        format!("trap '' HUP; exec {} exec -- sh -c 'kill -HUP $$; echo lives'", crate::support::PROGRAM);
    let mut command = machine.command(["explain"]);
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).env_clear();
    for (name, value) in command.env_clear().get_envs() {
        if let Some(value) = value {
            shell.env(name, value);
        }
    }
    let with = self::machine();
    let program = with.command(["token"]);
    let envs: Vec<_> = program.get_envs().filter_map(|(n, v)| Some((n.to_owned(), v?.to_owned()))).collect();
    shell.envs(envs);
    let output = crate::support::run(&mut shell).expect(0);
    assert_eq!(output.stdout, "lives\n");
}

#[cfg(target_os = "linux")]
#[test]
fn the_command_learns_that_the_helper_was_killed() {
    let machine = machine();
    let (mut child, mut output) = start(
        &machine,
        "trap 'echo told; exit' TERM; echo $$; echo $GOOGLE_APPLICATION_CREDENTIALS; while :; do sleep 0.05; done",
    );
    let (command, file) = (number(&line(&mut output)), line(&mut output));
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    assert_eq!(line(&mut output), "told");
    wait_for("the command has ended", || matches!(state(command), None | Some('Z')));
    // Nobody was left to do so. What it says is good for nothing any more.
    std::fs::remove_file(file).expect("it is there");
}

#[cfg(target_os = "linux")]
#[test]
fn the_helper_ends_with_the_command_whoever_is_left() {
    let machine = machine();
    let (mut child, mut output) = start(&machine, "sleep 1000 & echo $!; echo $$; read wait");
    let (grandchild, command) = (number(&line(&mut output)), number(&line(&mut output)));
    kill_process(command, Signal::KILL).expect("it runs");
    assert_eq!(child.wait().expect("it ends").code(), Some(128 + 9));
    kill_process(grandchild, Signal::KILL).expect("what the command left behind is left alone");
}

/// As a shell with job control sees it: the whole group stops and goes on.
#[cfg(target_os = "linux")]
#[test]
fn stopping_and_going_on() {
    let machine = machine();
    // Not a shell that starts one program after another: one that was stopped between vfork and exec holds up its parent.
    let script = "echo $$; exec sleep 1000";
    for (to_group, signal) in [(false, Signal::TSTP), (true, Signal::TSTP)] {
        let (mut child, mut output) = start(&machine, script);
        let command = number(&line(&mut output));
        let send = |signal| match to_group {
            true => kill_process_group(pid(&child), signal),
            false => kill_process(pid(&child), signal),
        };
        send(signal).expect("it runs");
        // An orphaned process group is not stopped by it (POSIX), and this one may be; SIGSTOP always is.
        kill_process(command, Signal::STOP).expect("it runs");
        let stopped = waitpid(Some(pid(&child)), WaitOptions::UNTRACED).expect("a state").expect("a state").1;
        assert!(stopped.stopped(), "its parent sees that it has stopped");
        assert_eq!(state(command), Some('T'));
        send(Signal::CONT).expect("it runs");
        wait_for("both go on", || {
            state(command).is_some_and(|state| state != 'T')
                && state(pid(&child)).is_some_and(|state| state != 'T')
        });
        kill_process(pid(&child), Signal::TERM).expect("it runs");
        let status = child.wait().expect("it ends");
        assert_eq!(status.code().or(status.signal()), Some(128 + 15));
    }
}

/// A shell gives its loop up where Ctrl-C has ended what it waits for, and goes on after an exit status.
#[test]
fn ctrl_c_ends_the_loop_around_it_too() {
    if !there_is("bash") || !there_is("setsid") {
        eprintln!("SKIPPED: it takes bash, and setsid");
        return;
    }
    let machine = machine();
    let temporary = machine.temporary();
    let script = r#"for turn in 1 2; do
        "$PROGRAM" exec -- sh -c 'echo "begun, with $(ls "$TMPDIR")" >&2; exec sleep 1000'
        echo "after $turn" >&2
    done"#;
    let mut command = ee_auth_terminal::command("bash");
    let program = machine.command(["exec"]);
    command.args(["-c", script]).env_clear().current_dir(machine.working());
    command.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("PROGRAM", crate::support::PROGRAM);
    let mut session = ee_auth_terminal::Session::start(command);
    session.sees("begun, with ee-auth-");
    session.types("\u{3}");
    let ended = session.ends();
    assert!(!ended.screen.contains("after"), "{}", ended.screen);
    assert_eq!(ended.status, 128 + 2);
    assert_eq!(std::fs::read_dir(temporary).expect("a directory").count(), 0, "it has tidied up");
}

const LOOK: &str = "test -e \"$HOME/.config/earthengine/credentials\" && echo login; cat \"$HOME/data.txt\"; echo new >\"$HOME/new.txt\"";

/// A machine with a service account's key first in the chain, and another login stored.
fn machine_with_two() -> Machine {
    let machine = machine().with_login();
    machine.write("data.txt", "data");
    machine
}

#[test]
fn a_stored_login_is_hidden_that_the_command_would_use_instead() {
    let machine = machine_with_two();
    let login = machine.home().join(".config/earthengine/credentials");
    for arguments in [
        &["exec"][..],
        &["exec", "--isolate", "auto"],
        &["exec", "--isolate", "always"],
        &["exec", "--isolate-home"],
    ] {
        let output = machine.run(arguments.iter().chain(&["--", "sh", "-c", LOOK])).expect(0);
        assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("data", ""), "{arguments:?}");
        assert!(login.is_file(), "it is hidden, not gone");
        let new = machine.home().join("new.txt");
        assert_eq!(std::fs::read_to_string(&new).expect("it is there"), "new\n");
        std::fs::remove_file(new).expect("it is there");
        let left = std::fs::read_dir(machine.home()).expect("a home").filter_map(Result::ok);
        assert!(left.into_iter().all(|entry| !entry.file_name().to_string_lossy().starts_with(".ee-auth")));
    }
    let output = machine.run(["-v", "exec", "--", "true"]).expect(0);
    let login = login.to_str().expect("UTF-8");
    let says = |line: &str| line.contains("hidden from the command by") && line.contains(login);
    assert!(output.stderr.lines().any(says), "{output}");
}

/// Whatever hides it: a command that would change a login unseen, or say that it is gone, changes nothing and says why.
#[test]
fn a_hidden_login_is_neither_changed_nor_said_to_be() {
    use crate::support::PROGRAM;
    let machine = machine_with_two();
    let login = machine.home().join(".config/earthengine/credentials");
    let before = std::fs::read(&login).expect("a login");
    for command in [&["set-project", "other-project"][..], &["unset-project"], &["login"], &["logout"]] {
        let mut arguments = vec!["exec", "--", PROGRAM];
        arguments.extend(command);
        let output = machine.run(arguments);
        assert_eq!(std::fs::read(&login).expect("a login"), before, "{command:?}: {output}");
        if command == ["unset-project"] || command == ["login"] {
            continue;
        }
        let output = output.expect(1);
        assert!(output.stderr.contains("`ee-auth exec` hides it from this command"), "{command:?}: {output}");
        assert!(output.stderr.contains("run this without `ee-auth exec`"), "{command:?}: {output}");
    }
}

#[test]
fn a_stored_login_is_visible_and_told_of_where_nothing_may_be_hidden() {
    let machine = machine_with_two();
    let output = machine.run(["exec", "--isolate", "never", "--", "sh", "-c", LOOK]).expect(0);
    assert_eq!(output.stdout, "login\ndata");
    let login = machine.home().join(".config/earthengine/credentials");
    assert!(
        output.stderr.contains(login.to_str().expect("UTF-8")) && output.stderr.contains("--isolate"),
        "{output}"
    );
    let quiet = machine.run(["exec", "-q", "--isolate", "never", "--", "true"]).expect(0);
    assert_eq!(quiet.stderr, "");
    machine.run(["exec", "--isolate", "sometimes", "--", "true"]).expect(2);
    // What cannot hide anything says so, too.
    for command in ["env", "serve"] {
        let told = "instead of this credential; `ee-auth exec -- CMD` hides it";
        let said = if command == "env" {
            machine.run(["env"]).expect(0).stderr
        } else {
            let mut child = machine
                .command(["serve"])
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("it can be run");
            line(&mut BufReader::new(child.stdout.take().expect("a pipe")));
            child.kill().expect("it runs");
            String::from_utf8(child.wait_with_output().expect("it ends").stderr).expect("UTF-8")
        };
        assert!(said.contains(told), "{command}: {said}");
    }
}

/// A client that uses it uses the credential.
#[test]
fn the_login_that_is_the_credential_is_visible() {
    let machine = Machine::with_google().with_login();
    machine.write("data.txt", "data");
    let output = machine.run(["exec", "--", "sh", "-c", LOOK]).expect(0);
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("login\ndata", ""));
    let output = machine.run(["exec", "--isolate", "always", "--", "sh", "-c", LOOK]).expect(0);
    assert_eq!(output.stdout, "data");
}

/// It would be another project, or more than was asked for.
#[test]
fn the_same_login_is_hidden_where_the_credential_has_another_project_or_scopes() {
    let machine = Machine::with_google().with_login();
    machine.write("data.txt", "data");
    let login = machine.home().join(".config/earthengine/credentials");
    let scopes = ["--scopes", "earthengine,cloud-platform", "exec", "--", "sh", "-c", LOOK];
    let output = machine.run(scopes).expect(0);
    assert_eq!(output.stdout, "data", "{output}");
    let content = std::fs::read_to_string(&login).expect("a login");
    let mut content: serde_json::Value = serde_json::from_str(&content).expect("JSON");
    content["project"] = "stored-project".into();
    std::fs::write(&login, content.to_string()).expect("it can be written");
    let project = ["--project", "other-project", "exec", "--", "sh", "-c", LOOK];
    assert_eq!(machine.run(project).expect(0).stdout, "data");
    assert_eq!(machine.run(["exec", "--", "sh", "-c", LOOK]).expect(0).stdout, "login\ndata");
}

/// An array of tasks, as a scheduler starts them.
#[test]
fn tasks_that_start_at_once_make_one_exchange() {
    if !there_is("curl") {
        eprintln!("SKIPPED: there is no curl");
        return;
    }
    let machine = Machine::with_google().with_login();
    // What a client does: it looks for the login first, and then asks the endpoint.
    let task = r#"test -e "$HOME/.config/earthengine/credentials" && exit 9
        secret=$(sed 's/.*"refresh_token":"\([^"]*\)".*/\1/' "$GOOGLE_APPLICATION_CREDENTIALS")
        url=$(sed 's/.*"token_url":"\([^"]*\)".*/\1/' "$GOOGLE_APPLICATION_CREDENTIALS")
        curl -q --silent --fail --noproxy '*' -d "grant_type=refresh_token&refresh_token=$secret" "$url" | grep -o 'ya29[^"]*'"#;
    let start = || {
        let mut command = machine.command(["exec", "--isolate", "always", "--", "sh", "-c", task]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it can be run")
    };
    let tasks: Vec<_> = (0..8).map(|_| start()).collect();
    let mut tokens: Vec<_> = tasks
        .into_iter()
        .map(|task| {
            let output = task.wait_with_output().expect("it ends");
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).expect("UTF-8")
        })
        .collect();
    tokens.dedup();
    assert_eq!(tokens.len(), 1);
    let requests = machine.google().requests();
    let exchanges = requests.iter().filter(|request| request.service == ee_auth_sandbox::Service::Token);
    assert_eq!(exchanges.count(), 1);
}

/// As for everybody but root.
#[cfg(target_os = "linux")]
#[test]
fn a_user_without_rights_hides_a_login_as_well() {
    let machine = machine_with_two().without_rights();
    let script = format!("{LOOK}; id -u; id -g; echo $PPID; readlink /proc/self/ns/user");
    let output = machine.run(["-v", "exec", "--", "sh", "-c", &script]).expect(0);
    let lines: Vec<_> = output.stdout.lines().collect();
    assert_eq!(lines[0].trim_start_matches("data"), rustix::process::geteuid().to_string(), "{output}");
    assert_eq!(lines[1], rustix::process::getegid().to_string());
    assert!(!output.stdout.contains("login"), "{output}");
    let ours = std::fs::read_link("/proc/self/ns/user").expect("a namespace");
    if output.stderr.contains("a user and mount namespace") {
        assert_ne!(Path::new(lines[3]), ours);
    } else {
        assert!(output.stderr.contains("by HOME="), "{output}");
        eprintln!("SKIPPED: this system has no user namespaces");
    }
    assert_eq!(std::fs::read_to_string(machine.home().join("new.txt")).expect("it is there"), "new\n");
}

/// Neither a namespace nor a directory of links: the command would use the wrong login.
#[test]
fn where_a_login_cannot_be_hidden_the_command_does_not_start() {
    let machine = machine_with_two().without_namespaces();
    // Nothing can be created in it, even by root.
    let home = machine.home();
    let full = Command::new("chattr").args(["+i"]).arg(&home).stderr(Stdio::null()).status();
    let by_mode = || std::fs::set_permissions(&home, std::os::unix::fs::PermissionsExt::from_mode(0o500));
    let immutable = full.is_ok_and(|status| status.success());
    if !immutable {
        by_mode().expect("a mode");
    }
    if std::fs::write(home.join("probe"), "").is_ok() {
        eprintln!("SKIPPED: everything can be written here");
        let _ = std::fs::set_permissions(&home, std::os::unix::fs::PermissionsExt::from_mode(0o700));
        return;
    }
    let output = machine.run(["exec", "--", "sh", "-c", "touch work/ran"]);
    let never = machine.run(["exec", "--isolate", "never", "--", "true"]);
    let _ = Command::new("chattr").args(["-i"]).arg(&home).stderr(Stdio::null()).status();
    let _ = std::fs::set_permissions(&home, std::os::unix::fs::PermissionsExt::from_mode(0o700));
    let output = output.expect(3);
    assert!(output.stderr.starts_with("error: cannot hide the login in"), "{output}");
    assert!(
        output.stderr.contains("--isolate never") && output.stderr.contains("ee-auth logout"),
        "{output}"
    );
    assert!(!machine.working().join("ran").exists());
    never.expect(0);
}

/// The variables in which `ee-auth` looks for a credential: the command has a token, and needs no key.
#[test]
fn the_command_does_not_inherit_a_credential() {
    let machine = Machine::with_google();
    let key = machine.google().service_account().key_json();
    let names: Vec<_> = ee_auth::credential_variables().collect();
    assert!(names.len() > 10 && names.contains(&"EE_AUTH_CREDENTIALS"));
    let machine = names.iter().fold(machine, |machine, name| machine.with(name, key.as_str()));
    let show = "env | cut -d= -f1; env | grep -c 'BEGIN PRIVATE KEY'; :";
    let output = machine.run(["-v", "exec", "--", "sh", "-c", show]).expect(0);
    for name in names {
        assert!(output.stdout.lines().all(|line| line != name), "{name}: {output}");
        assert!(output.stderr.contains(name), "{name}: {output}");
    }
    assert_eq!(output.stdout.lines().last(), Some("0"), "{output}");
    assert!(!output.stderr.contains("BEGIN"), "{output}");
    // And `ee-auth` in it has the same credential.
    let machine = self::machine().with("PROGRAM", crate::support::PROGRAM);
    let outer = machine.run(["token"]).expect(0).stdout;
    let inner = machine.run(["exec", "--", "sh", "-c", "\"$PROGRAM\" token"]).expect(0).stdout;
    assert_eq!(inner, outer);
}

/// Where nothing stands in the chain before the file that is meant for other clients, and nothing in the configuration says that
/// this machine may be asked for tokens.
#[test]
fn ee_auth_itself_is_a_client_like_others() {
    for via in ["file", "metadata", "both"] {
        let machine = Machine::with_google().with_login().with("PROGRAM", crate::support::PROGRAM);
        machine.write("empty.toml", "");
        let nested = r#"export EE_AUTH_CONFIG="$HOME/empty.toml"
            "$PROGRAM" token && "$PROGRAM" explain && ls -A "$TMPDIR" | wc -l"#;
        let arguments = ["exec", "--isolate-home", "--via", via, "--", "sh", "-c", nested];
        let output = machine.run(arguments).expect(0);
        let token = machine.run(["token"]).expect(0).stdout;
        assert!(output.stdout.starts_with(&token), "{output}");
        let by_file = via != "metadata";
        let lends = output.stdout.contains("what `ee-auth exec` or `serve` lends, by the file");
        assert_eq!(lends, by_file, "{output}");
        let left = output.stdout.lines().last().map(str::trim);
        assert_eq!(left, Some(if by_file { "1" } else { "0" }), "nothing lies beside the file: {output}");
    }
}

/// A file cannot say of itself that it is lent.
#[test]
fn a_file_that_leads_elsewhere_is_not_believed_under_exec_either() {
    let machine = Machine::with_google().with_login().with("PROGRAM", crate::support::PROGRAM);
    machine.write("empty.toml", "");
    let file = r#"{"type": "external_account_authorized_user", "token_url": "http://127.0.0.1:9/v1/oauthtoken",
        "refresh_token": "r", "client_id": "c", "client_secret": "s"}"#;
    let file = machine.write("other.json", file);
    let nested = format!(
        "EE_AUTH_CONFIG=\"$HOME/empty.toml\" GOOGLE_APPLICATION_CREDENTIALS={} \"$PROGRAM\" token",
        file.display()
    );
    machine.run(["exec", "--isolate-home", "--", "sh", "-c", &nested]).expect(7);
}

#[test]
fn a_token_endpoint_that_fails_is_not_felt_while_the_token_is_valid() {
    if !there_is("curl") {
        eprintln!("SKIPPED: there is no curl");
        return;
    }
    let machine = machine();
    let script = format!("while read line; do {ASK} >/dev/null; echo $?; done");
    let (mut child, mut output) = start(&machine, &script);
    let mut input = child.stdin.take().expect("a pipe");
    let mut ask = || {
        input.write_all(b"\n").expect("it reads");
        line(&mut output)
    };
    assert_eq!(ask(), "0");
    machine.google().fail("all=reset".parse().expect("a fault"));
    for _ in 0..10 {
        assert_eq!(ask(), "0");
    }
    drop(input);
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    let mut rest = String::new();
    output.read_to_string(&mut rest).expect("an end");
    assert_eq!(rest, "");
}
