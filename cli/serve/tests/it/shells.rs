//! Values come out of real shells as they went in.

use std::process::Command;

use ee_auth_serve::Shell;

const VALUES: [&str; 8] = [
    "plain",
    "ya29.a0AbC-_d",
    "two words",
    "it's",
    r#"a "b" `c` $d $(e) \f \\g"#,
    "*?[x]~ #!;&|<>()",
    "\u{2018}typographic\u{2019} é \u{1f30d}",
    r"ends with a backslash \",
];

/// Runs `program` on a script that sets a variable and prints it.
fn round_trip(program: &str, shell: Shell, print: &str) {
    if Command::new(program).arg("-c").arg("true").output().is_err() {
        eprintln!("SKIPPED: there is no {program}");
        return;
    }
    for value in VALUES {
        let script = format!("{}\n{print}", shell.set("VALUE", value).unwrap());
        let output = Command::new(program).arg("-c").arg(&script).env("LC_ALL", "C.UTF-8").output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), value, "{program}: {script}: {output:?}");
    }
}

#[test]
fn sh() {
    for program in ["sh", "bash", "dash", "zsh"] {
        round_trip(program, Shell::Sh, "env printf %s \"$VALUE\"");
    }
}

#[test]
fn fish() {
    round_trip("fish", Shell::Fish, "command env printf %s $VALUE");
}

/// A reader of `.env` files that is nearly everywhere: a shell.
#[test]
fn dotenv() {
    round_trip("sh", Shell::Dotenv, "printf %s \"$VALUE\"");
}
