//! How problems are put together for a person: several at once, places, colours, no secrets; and files that cannot be
//! read at all.

mod support;

use ee_auth_config::{Flags, validate};
use ee_auth_core::Outcome;
use ee_auth_fake::{Entry, Fake, Node};
use support::{KINDS, USER_FILE, error, flagged, refused, told, user};

#[test]
fn several_problems_are_told_at_once_in_the_order_of_the_file() {
    refused(
        "\
projct = \"x\"
chain = [\"vualt\", \"gcloud\", \"gcloud\"]

[providers.vault]
kind = \"exec\"
timeout = 10
on = { unavailable = \"go\" }
",
        "
error: unknown key `projct`; did you mean `project`?
 --> FILE:1:1
  |
1 | projct = \"x\"
  | ^^^^^^ unknown
  |
  = help: the keys here are project, scopes, chain, impersonate, login, cache, plugins, endpoints, security, providers, profiles

error: unknown provider `vualt` in `chain`; did you mean `vault`?
 --> FILE:2:10
  |
2 | chain = [\"vualt\", \"gcloud\", \"gcloud\"]
  |          ^^^^^^^
  |
  = help: the providers are explicit, environment, service_account, persistent, application_default, gcloud, metadata, notebook, localhost, vault

error: `chain`: `gcloud` is named twice
 --> FILE:2:29
  |
2 | chain = [\"vualt\", \"gcloud\", \"gcloud\"]
  |                             ^^^^^^^^
  |
  = help: a provider is asked once: leave out one of the two

error: `providers.vault.timeout` must be a duration like \"10s\" or \"5m\", not an integer
 --> FILE:6:11
  |
6 | timeout = 10
  |           ^^
  |
  = help: write it as \"10s\"

error: `providers.vault.on.unavailable` must be one of \"continue\", \"stop\", not `go`
 --> FILE:7:22
  |
7 | on = { unavailable = \"go\" }
  |                      ^^^^
hint: the file has 5 problems; `ee-auth config validate FILE` shows them",
    );
}

#[test]
fn a_file_of_problems_is_told_in_part_and_at_once() {
    let text: String = (0..100_000).map(|i| format!("k{i}=1\n")).collect();
    let error = error(&user(&text));
    assert_eq!(error.rendered().unwrap().matches("error: unknown key").count(), 20);
    assert!(error.next_step().unwrap().starts_with("the file has 20 problems or more"));

    let names: Vec<_> = (0..100_000).map(|i| format!("\"n{i}\"")).collect();
    let long = support::error(&user(&format!("chain = [{}]", names.join(","))));
    assert!(long.message().ends_with("`chain` has more than 1000 items"), "{}", long.message());
}

#[test]
fn a_line_that_nobody_reads_is_not_shown() {
    let text = format!("projct = \"{}\"", "x".repeat(900_000));
    refused(
        &text,
        "
error: unknown key `projct`; did you mean `project`?
 --> FILE:1:1
hint: the keys here are project, scopes, chain, impersonate, login, cache, plugins, endpoints, security, providers, profiles",
    );
}

#[test]
fn tabs_wide_characters_and_windows_line_ends_keep_the_place() {
    refused(
        "\u{feff}# é\r\n\t'日本' = 1 # é\r\n",
        "
error: unknown key `日本`
 --> FILE:2:2
  |
2 |     '日本' = 1 # é
  |     ^^^^^^ unknown
hint: the keys here are project, scopes, chain, impersonate, login, cache, plugins, endpoints, security, providers, profiles",
    );
}

#[test]
fn what_may_be_a_secret_is_starred_out() {
    refused(
        "client_secret = \"hunter2\"",
        "
error: unknown key `client_secret`
 --> FILE:1:1
  |
1 | client_secret = \"*******\"
  | ^^^^^^^^^^^^^ unknown
hint: the keys here are project, scopes, chain, impersonate, login, cache, plugins, endpoints, security, providers, profiles",
    );
    refused(
        "project = [\"é\", \"1//canary\", \"x\"]",
        "
error: `project` must be a string, not an array
 --> FILE:1:11
  |
1 | project = [\"é\", \"*********\", \"x\"]
  |           ^^^^^^^^^^^^^^^^^^^^^^^",
    );
    let canary = "ya29.canary";
    for text in [
        format!("chain = [\"{canary}\"]"),
        format!("\"{canary}\" = 1"),
        format!("[cache]\nstore = \"{canary}\""),
        format!("[providers.v]\nkind = \"{canary}\""),
        format!("[providers.\"{canary}\"]"),
        format!("[profiles.\"{canary} \"]"),
        format!("[endpoints]\ntoken = \"{canary}\""),
        format!("scopes = [\"{canary}\\\\\"]"),
        format!("project = {canary}"),
        format!("[security]\ntoken_hosts = [\"{canary}/\"]"),
        "[providers.vault]\nkind = \"exec\"\nconfig = { password = \"canary\" }, x".to_owned(),
        format!("[providers.vault]\nkind = \"exec\"\nconfig = {{ a = {{ \"{canary}\" = inf }} }}"),
    ] {
        let error = error(&user(&text));
        let all = format!("{error:?} {error} {}", told(&error));
        assert!(!all.contains("canary"), "{all}");
    }
}

#[test]
fn control_characters_of_a_file_do_not_reach_the_terminal() {
    let error = error(&user("\"\\u001b[31mred\" = 1\nproject = 3 # \u{7f}"));
    assert!(!told(&error).contains('\u{1b}') && !told(&error).contains('\u{7f}'), "{}", told(&error));
}

#[test]
fn colours_are_there_when_asked_for() {
    let flags = Flags { color: true, ..Flags::default() };
    let colored = flagged(&user("projct = 1"), &flags).expect_err("unknown key");
    assert!(colored.rendered().unwrap().contains("\u{1b}["));
    assert!(!colored.message().contains('\u{1b}'));
    assert!(!error(&user("projct = 1")).rendered().unwrap().contains('\u{1b}'));
}

#[test]
fn files_that_are_no_text() {
    let utf16: Vec<u8> = "\u{feff}project = 1".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (content, message) in [
        (utf16, "FILE: the file is UTF-16, not UTF-8"),
        (b"\n\nproject = \"\xff\"".to_vec(), "FILE:3: the file is not UTF-8 text"),
    ] {
        let error = error(&Fake::new().with_file(USER_FILE, content));
        assert_eq!(error.message().replace(USER_FILE, "FILE"), message);
        assert_eq!(error.code(), "invalid.encoding");
    }
    let error = error(&Fake::new().with_file(USER_FILE, vec![0; 1000]));
    assert_eq!(error.outcome(), Outcome::Invalid);
}

#[test]
fn files_that_cannot_be_read() {
    for (node, message) in [
        (Node::Directory, "reading the configuration FILE: it is a directory, not a file"),
        (Node::Fifo, "reading the configuration FILE: it is a named pipe, not a file"),
        (
            Node::Zeros(10 << 20),
            "reading the configuration FILE: it has 10485760 bytes; at most 1048576 are read",
        ),
        (
            Node::Unreadable(std::io::ErrorKind::PermissionDenied),
            "reading the configuration FILE: permission denied",
        ),
    ] {
        let error = error(&Fake::new().with_entry(USER_FILE, Entry::new(node)));
        assert_eq!(error.message().replace(USER_FILE, "FILE"), message);
        assert_eq!(error.code(), "invalid.config_file");
        assert!(error.next_step().is_some());
    }
}

#[test]
fn validate_checks_one_file() {
    let fake = Fake::new()
        .with_file("/project/good.toml", "[providers.vault]\nkind = \"exec\"")
        .with_file("/project/bad.toml", "projct = 1")
        .with_file("/project/ee-auth.toml", "nonsense");
    let check = |path: &str| validate(&fake.host(), &KINDS, path.as_ref(), false);
    assert_eq!(
        check("good.toml").unwrap(),
        ["/project/good.toml:2: the provider `vault` is declared, and no chain names it"]
    );
    let bad = check("/project/bad.toml").expect_err("unknown key");
    assert_eq!(bad.message(), "/project/bad.toml:1:1: unknown key `projct`; did you mean `project`?");
    let missing = check("none.toml").expect_err("missing");
    assert!(missing.message().contains("/project/none.toml: no such file"), "{}", missing.message());
}

#[test]
fn broken_syntax() {
    refused(
        "project = my-project",
        "
error: string values must be quoted, expected literal string
 --> FILE:1:11
  |
1 | project = my-project
  |           ^^^^^^^^^^",
    );
    refused(
        "project = \"a\"\n\nproject = \"b\"",
        "
error: the key `project` is given twice
 --> FILE:3:1
  |
3 | project = \"b\"
  | ^^^^^^^
hint: leave out one of the two",
    );
    refused(
        "project = [\n\"a\"",
        "
error: unclosed array, expected `]`
 --> FILE:2:4
  |
2 | \"a\"
  |    ^",
    );
    refused(
        "[providers.service_account]\nkey_file = \"C:\\Users\\ada\\key.json\"",
        "
error: too few unicode value digits, expected unicode hexadecimal value
 --> FILE:2:17
  |
2 | key_file = \"C:\\Users\\ada\\key.json\"
  |                 ^
hint: in double quotes `\\` begins an escape: write a path of Windows in single quotes",
    );
    refused(
        "{\n  \"type\": \"service_account\"\n}",
        "
error: invalid key-value pair, expected key
 --> FILE:1:1
  |
1 | {
  | ^
hint: this looks like JSON, as credentials are; the configuration is written in TOML",
    );
    refused(
        "project = \"a\u{0}b\"",
        "
error: invalid basic string, expected non-double-quote visible characters, `\\`
 --> FILE:1:13
  |
1 | project = \"a\u{2400}b\"
  |             ^",
    );
}

#[test]
fn nesting_that_would_overflow_the_stack() {
    for text in [
        format!("a = {}", "[".repeat(100_000)),
        format!("a = {}", "{a = ".repeat(100_000)),
        format!("[{}a]", "a.".repeat(100_000)),
    ] {
        let error = error(&user(&text));
        assert!(error.message().ends_with("nested more than 16 deep here"), "{}", error.message());
    }
}
