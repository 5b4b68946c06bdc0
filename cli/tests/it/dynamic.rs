//! Plugins in shared libraries: the examples, the templates, and those that misbehave.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use crate::support::{Machine, there_is};

const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// A library from a C source of the repository.
fn library(machine: &Machine, source: &str) -> PathBuf {
    let source = Path::new(SOURCES).join(source);
    let library = machine.home().join(source.file_name().expect("a name")).with_extension("so");
    let built = Command::new("cc")
        .args(["-std=c11", "-shared", "-fPIC", "-fvisibility=hidden", "-pthread"])
        .arg(format!("-I{SOURCES}/providers/dynamic/include"))
        .args([source.as_path(), "-o".as_ref(), &library])
        .status();
    assert!(built.expect("a C compiler").success());
    library
}

fn odd(machine: &Machine) -> PathBuf {
    library(machine, "providers/dynamic/tests/plugins/odd.c")
}

fn pin(file: &Path) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, &fs::read(file).expect("the file"));
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A chain of one plugin.
fn declare(machine: &Machine, library: &Path, more: &str) {
    machine.configure(&format!(
        "chain = [\"corp\", \"environment\"]\n[providers.corp]\nkind = \"dynamic\"\npath = {:?}\nsha256 = \"{}\"\n{more}\n",
        library.display().to_string(),
        pin(library)
    ));
}

/// A broker that answers every request with this status and body. Its address.
fn broker(status: u16, body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}/token", listener.local_addr().expect("an address"));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut request = Vec::new();
            let mut chunk = [0; 4096];
            // The form is the last of it, and names a scope.
            while !String::from_utf8_lossy(&request).contains("scope=") {
                match stream.read(&mut chunk) {
                    Ok(0) | Err(_) => break,
                    Ok(count) => request.extend_from_slice(&chunk[..count]),
                }
            }
            let _ = write!(
                stream,
                "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    address
}

/// `cargo build`, as the tests were built.
fn cargo(arguments: &[&str], directory: &Path) {
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--offline", "--quiet"]).args(arguments).current_dir(directory);
    // What cargo tells the tests of their own package means nothing to another.
    for name in ["CARGO_MANIFEST_DIR", "CARGO_PKG_NAME", "RUSTFLAGS"] {
        command.env_remove(name);
    }
    assert!(command.status().expect("cargo").success());
}

/// The example in Rust: the library, and the executable. In a directory of its own: cargo may still hold that of the tests.
fn rust_example() -> (PathBuf, PathBuf) {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("example");
    let directory = target.display().to_string();
    cargo(&["-p", "ee-auth-example-plugin", "--target-dir", &directory], Path::new(SOURCES));
    let (before, after) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let built = target.join("debug");
    (built.join(format!("{before}ee_auth_example_plugin{after}")), built.join("ee-auth-example-plugin"))
}

const TOKEN: &str = r#"{"token": "token-of-the-broker", "expires_in": 3600}"#;

#[test]
fn the_examples_ask_their_broker_whichever_way_they_run() {
    let machine = Machine::new();
    let (rust, executable) = rust_example();
    let mut libraries = vec![rust];
    if there_is("cc") {
        libraries.push(library(&machine, "examples/plugins/c/broker.c"));
    }
    let config = |address: &str| format!("config = {{ address = {address:?} }}\n");
    for (status, body, expected) in
        [(200, TOKEN, 0), (404, "{}", 4), (403, "{}", 5), (500, "{}", 6), (200, "<html>", 6)]
    {
        let config = config(&broker(status, body));
        for library in &libraries {
            for isolation in ["", "isolation = \"in_process\"\n"] {
                declare(&machine, library, &format!("{isolation}{config}"));
                let output = machine.run(["token", "--no-cache"]).expect(expected);
                assert_eq!(
                    output.stdout,
                    if expected == 0 { "token-of-the-broker\n" } else { "" },
                    "{output}"
                );
            }
        }
        machine.configure(&format!(
            "chain = [\"corp\"]\n[providers.corp]\nkind = \"exec\"\nprotocol = \"events\"\ncommand = [{:?}]\n{config}",
            executable.display().to_string()
        ));
        let output = machine.run(["token", "--no-cache"]).expect(expected);
        assert_eq!(output.stdout, if expected == 0 { "token-of-the-broker\n" } else { "" }, "{output}");
    }
}

#[test]
fn a_template_builds_and_passes_the_checks_as_it_was_written() {
    let machine = Machine::new();
    let check = |library: &Path| {
        let output = machine.run(["plugin".as_ref(), "check".as_ref(), library.as_os_str()]).expect(0);
        assert!(
            output.stdout.contains("keeps to the protocol") && !output.stdout.contains("failed"),
            "{output}"
        );
        let token = machine.write("token", "token-in-a-file\n");
        let set = format!("token_file={}", token.display());
        let library = library.display().to_string();
        machine
            .run(["plugin", "add", &library, "--name", "mine", "--chain", "--yes", "--set", &set])
            .expect(0);
        assert_eq!(machine.run(["token", "--no-cache"]).expect(0).stdout, "token-in-a-file\n");
        fs::remove_file(machine.user_file()).expect("it is there");
    };
    machine.run(["plugin", "new", "--lang", "rust", "corp-tokens"]).expect(0);
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("template");
    cargo(&["--target-dir", &target.display().to_string()], &machine.working().join("corp-tokens"));
    let name = format!("{}corp_tokens{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    check(&target.join("debug").join(name));
    if there_is("cc") && there_is("make") {
        machine.run(["plugin", "new", "--lang", "c", "corp-c"]).expect(0);
        let directory = machine.working().join("corp-c");
        let made = Command::new("make").args(["-s", "CFLAGS=-O1 -Werror"]).current_dir(&directory).status();
        assert!(made.expect("make").success());
        check(&directory.join("corp-c.so"));
    }
}

#[test]
fn whatever_a_library_does_is_an_error_of_it_and_no_more() {
    if !there_is("cc") {
        return;
    }
    let machine = Machine::new();
    let library = odd(&machine);
    for (does, code, words) in [
        ("segfault", "protocol.crash", "it crashed"),
        ("exit", "protocol.exit", "exit status 0"),
        ("spin", "protocol.timeout", "did not answer within 1.0 s"),
        ("two", "protocol.two_answers", "more than once"),
        ("utf8", "protocol.encoding", "UTF-8"),
    ] {
        let table = format!("timeout = \"1s\"\nconfig = {{ do = \"{does}\" }}");
        declare(&machine, &library, &table);
        let output = machine.run(["token", "--format", "json"]).expect(8);
        let error = output.error();
        assert_eq!((&error["code"], &error["provider"]), (&code.into(), &"corp".into()), "{output}");
        assert!(error["message"].as_str().is_some_and(|message| message.contains(words)), "{output}");
        declare(&machine, &library, &format!("{table}\non = {{ protocol = \"continue\" }}"));
        let next = machine.command(["token"]).env("EE_AUTH_CREDENTIALS", "ya29.next").output();
        assert_eq!(next.expect("it runs").stdout, b"ya29.next\n", "{does}");
    }
    // What it writes to standard output is not taken for its answer, nor for the program's.
    declare(&machine, &library, "config = { do = \"stdout\" }");
    assert_eq!(machine.run(["token", "--no-cache"]).expect(0).stdout, "the-real-one\n");
    declare(&machine, &library, "env = [\"CARGO_PKG_NAME\", \"LD_ODD\"]");
    let refused = machine.run(["token", "--format", "json"]).expect(3).error();
    assert_eq!(refused["code"], "invalid.env", "{refused}");
    declare(&machine, &library, "config = { do = \"environment\" }\nenv = [\"CARGO_PKG_NAME\"]");
    let mut command = machine.command(["token", "--no-cache"]);
    let output = command.env("CARGO_PKG_NAME", "x").env("CARGO_MANIFEST_DIR", "y").output();
    assert_eq!(output.expect("it runs").stdout, b"named-x-other-unset\n");
}

#[test]
fn what_cannot_be_vouched_for_is_not_loaded() {
    if !there_is("cc") {
        return;
    }
    let machine = Machine::new();
    let library = odd(&machine);
    let path = library.display().to_string();
    declare(&machine, &library, "config = { do = \"nothing\" }");
    machine.run(["token", "--no-cache"]).expect(0);
    let offline = machine.run(["explain", "--offline", "--format", "json"]);
    assert_eq!(offline.json()["attempts"][0]["outcome"], "not_probed", "{offline}");
    fs::set_permissions(&library, fs::Permissions::from_mode(0o777)).expect("its mode can be set");
    assert!(machine.run(["token"]).expect(7).stderr.contains("it can be written by everybody"));
    fs::set_permissions(&library, fs::Permissions::from_mode(0o700)).expect("its mode can be set");
    let mut bytes = fs::read(&library).expect("the library");
    bytes.push(0);
    fs::write(&library, bytes).expect("it can be written");
    assert!(machine.run(["token"]).expect(7).stderr.contains("it is not the file that was pinned"));
    machine
        .configure(&format!("chain = [\"corp\"]\n[providers.corp]\nkind = \"dynamic\"\npath = {path:?}\n"));
    assert!(machine.run(["token"]).expect(3).stderr.contains("`sha256` is missing"));
}
