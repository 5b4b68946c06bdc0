//! `env`: settings for what cannot be wrapped.

use std::process::Command;

use crate::support::{Machine, there_is};

#[test]
fn each_shell_gets_the_token_and_the_project() {
    let machine = Machine::with_google().with_key();
    let json = machine.run(["env", "--format", "json"]).expect(0).json();
    let token = json["CLOUDSDK_AUTH_ACCESS_TOKEN"].as_str().expect("a token").to_owned();
    assert!(token.starts_with("ya29."));
    for shell in ["sh", "fish", "powershell", "cmd", "dotenv"] {
        let output = machine.run(["env", "--shell", shell]).expect(0);
        assert!(output.stdout.contains(&token) && output.stdout.contains("EARTHENGINE_PROJECT"), "{output}");
        assert_eq!(output.stderr, "");
        if there_is(shell) && matches!(shell, "sh" | "fish") {
            let script = format!("{}env printf '%s %s' $EARTHENGINE_PROJECT $EEDA_BEARER", output.stdout);
            let shown = Command::new(shell).args(["-c", &script]).output().expect("the shell");
            assert_eq!(String::from_utf8_lossy(&shown.stdout), format!("ee-auth-sandbox {token}"), "{shell}");
        }
    }
    machine.run(["env", "--shell", "csh"]).expect(2);
    Machine::new().run(["env", "--no-input"]).expect(4);
}

#[test]
fn github_masks_the_token_before_it_sets_it() {
    let machine = Machine::with_google().with_key();
    machine.run(["env", "--shell", "github"]).expect(2);
    // What wrote this has not ended its line.
    let file = machine.write("github.env", "BEFORE=1");
    let machine = machine.with("GITHUB_ENV", &file);
    let output = machine.run(["env", "--shell", "github"]).expect(0);
    let token = output.stdout.strip_prefix("::add-mask::").expect("a mask").trim();
    assert_eq!(output.stdout.lines().count(), 1, "nothing but the mask\n{output}");
    let written = std::fs::read_to_string(file).expect("the file");
    assert!(written.starts_with("BEFORE=1\n") && written.ends_with('\n'), "{written}");
    assert!(written.contains(&format!("\nEEDA_BEARER={token}\n")), "{written}");
    let again = machine.run(["env", "--shell", "github"]).expect(0);
    let twice = std::fs::read_to_string(machine.home().join("github.env")).expect("the file");
    assert!(twice.starts_with(&written) && !twice.contains("\n\n"), "{again}\n{twice}");
}
