//! Colour where a person looks, and nowhere else.

use std::process::Command;

use crate::support::{Machine, PROGRAM, run, there_is};

const ESCAPE: char = '\u{1b}';

#[test]
fn a_pipe_has_no_colour() {
    let machine = Machine::with_google().with_key();
    for arguments in
        [&["explain"][..], &["status"], &["providers"], &["config", "show"], &["token", "-vvv"], &["--help"]]
    {
        for flags in [&[][..], &["--color", "auto"], &["--color", "never"]] {
            let output = machine.run(arguments.iter().chain(flags)).expect(0);
            assert!(!output.stdout.contains(ESCAPE) && !output.stderr.contains(ESCAPE), "{output}");
        }
    }
    for arguments in [&["token"][..], &["tokne"], &["explain", "--format", "curl"]] {
        let output = Machine::new().run(arguments);
        assert!(!output.stdout.contains(ESCAPE) && !output.stderr.contains(ESCAPE), "{output}");
    }
}

#[test]
fn always_is_always() {
    let machine = Machine::new();
    let output = machine.run(["explain", "--color", "always"]).expect(4);
    assert!(output.stdout.contains(ESCAPE), "{output}");
    let output = run(machine.command(["token", "--color=always"]).env("NO_COLOR", "1")).expect(4);
    assert!(output.stderr.contains(ESCAPE), "what is said on the command line beats NO_COLOR\n{output}");
    machine.configure("projct = 1");
    let output = machine.run(["token", "--color", "always"]).expect(3);
    assert!(output.stderr.contains(ESCAPE) && output.stderr.contains("projct"), "{output}");
    // A program reads JSON: it has none, whatever is asked for.
    let output = machine.run(["token", "--color", "always", "--format", "json"]).expect(3);
    assert!(!output.stderr.contains(ESCAPE), "{output}");
}

#[test]
fn the_text_is_the_same_in_colour() {
    let machine = Machine::with_google().with_login();
    let plain = machine.run(["explain"]).expect(0).stdout;
    let colored = machine.run(["explain", "--color", "always"]).expect(0).stdout;
    let mut stripped = String::new();
    let mut parts = colored.split("\u{1b}[");
    stripped += parts.next().unwrap_or_default();
    stripped.extend(parts.filter_map(|part| part.split_once('m')).map(|(_, text)| text));
    assert_eq!(stripped, plain);
}

#[test]
fn no_color_is_honoured() {
    let machine = Machine::new();
    let explain = || machine.command(["explain"]);
    // What makes a pipe colourful, where nothing speaks against it.
    let forced = run(explain().env("CLICOLOR_FORCE", "1")).expect(4);
    assert!(forced.stdout.contains(ESCAPE), "{forced}");
    let refused = run(explain().env("CLICOLOR_FORCE", "1").env("NO_COLOR", "1")).expect(4);
    assert!(!refused.stdout.contains(ESCAPE), "{refused}");
    let refused = run(machine.command(["explain", "--color", "never"]).env("CLICOLOR_FORCE", "1")).expect(4);
    assert!(!refused.stdout.contains(ESCAPE), "{refused}");
}

/// On a terminal, which util-linux's `script` makes.
#[cfg(target_os = "linux")]
#[test]
fn a_terminal_has_colour_unless_it_is_not_wanted() {
    if !there_is("script") {
        return;
    }
    let machine = Machine::new();
    let on_terminal = |command_line: &str, variables: &[(&str, &str)]| {
        let model = machine.command(["token"]);
        let mut script = Command::new("script");
        script.args(["--quiet", "--return", "--command", command_line, "/dev/null"]).env_clear();
        script.envs(model.get_envs().filter_map(|(name, value)| Some((name, value?))));
        script.env("TERM", "xterm-256color").env("SHELL", "/bin/sh").envs(variables.iter().copied());
        run(script.current_dir(machine.working()))
    };
    let explain = format!("{PROGRAM} explain");
    assert!(on_terminal(&explain, &[]).expect(4).stdout.contains(ESCAPE));
    assert!(!on_terminal(&explain, &[("NO_COLOR", "1")]).expect(4).stdout.contains(ESCAPE));
    assert!(!on_terminal(&explain, &[("TERM", "dumb")]).expect(4).stdout.contains(ESCAPE));
    assert!(!on_terminal(&format!("{explain} --color never"), &[]).expect(4).stdout.contains(ESCAPE));
    // JSON for a person to look at is laid out, without colour.
    let json = on_terminal(&format!("{explain} --format json --color auto 2>/dev/null"), &[]).expect(4);
    assert!(json.stdout.lines().count() > 10 && !json.stdout.contains(ESCAPE), "{json}");
    let _: serde_json::Value = serde_json::from_str(&json.stdout).expect("it is JSON all the same");
}
