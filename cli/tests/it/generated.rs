//! What is made from the definitions of the flags: completions and man pages.

use std::process::Command;

use crate::support::{Machine, run, run_with_input, there_is};

const COMMANDS: [&str; 10] =
    ["token", "status", "explain", "doctor", "providers", "config", "trust", "cache", "completions", "man"];

#[test]
fn completions_for_every_shell() {
    let machine = Machine::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = machine.run(["completions", shell]).expect(0).stdout;
        for word in COMMANDS.iter().chain(&["min-ttl", "profile", "no-cache"]) {
            assert!(script.contains(word), "{shell}: {word}");
        }
        // Shells that can check without running.
        let check = match shell {
            "bash" | "zsh" => &["-n"][..],
            "fish" => &["--no-execute"],
            _ => continue,
        };
        if there_is(shell) {
            let mut command = Command::new(shell);
            let output = run_with_input(command.args(check), script.as_bytes()).expect(0);
            assert_eq!(output.stderr, "", "{output}");
        }
    }
}

#[test]
fn bash_completes() {
    if !there_is("bash") {
        return;
    }
    let script = Machine::new().run(["completions", "bash"]).expect(0).stdout;
    // As bash calls it: the command, the word to complete, the word before.
    let ask = "\nCOMP_WORDS=(ee-auth token --min); COMP_CWORD=2\n\
               complete -p ee-auth >/dev/null && _ee__auth ee-auth --min token; echo \"${COMPREPLY[@]}\"\n";
    let mut bash = Command::new("bash");
    let output = run_with_input(bash.args(["--norc", "--noprofile"]), format!("{script}{ask}").as_bytes());
    assert_eq!(output.expect(0).stdout, "--min-ttl\n");
}

#[test]
fn man_pages_render() {
    let machine = Machine::new();
    let page = machine.run(["man"]).expect(0).stdout;
    assert!(page.contains(".TH ee-auth 1"), "{page}");
    for command in COMMANDS {
        let page = machine.run(["man", command]).expect(0).stdout;
        let first = page.lines().find(|line| line.starts_with(".TH")).expect("a title");
        assert!(first.starts_with(&format!(".TH ee-auth-{command} 1")), "{first}");
        assert!(first.contains(env!("CARGO_PKG_VERSION")), "{first}");
    }
    if there_is("groff") {
        for arguments in [&["man"][..], &["man", "token"]] {
            let page = machine.run(arguments).expect(0).stdout;
            let mut groff = Command::new("groff");
            let output = run_with_input(groff.args(["-man", "-Tutf8", "-ww"]), page.as_bytes()).expect(0);
            assert_eq!(output.stderr, "", "{output}");
            assert!(output.stdout.contains("Never ask anybody anything"), "{output}");
        }
    }
    let mut man = Command::new("man");
    if there_is("man") && run(man.arg("--version")).status == 0 {
        let page = machine.write("ee-auth.1", page);
        let output =
            run(Command::new("man").arg("-l").arg(page).env("MANPAGER", "cat").env("LC_ALL", "C.UTF-8"));
        assert!(output.expect(0).stdout.contains("NAME"));
    }
}
