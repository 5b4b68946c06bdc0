//! What people paste, and what becomes of it.

use super::{Begun, Waiting, content, log_in, stored};
use crate::support::{Machine, run, run_with_input};

#[test]
fn a_code_is_taken_however_it_is_pasted() {
    let machine = Machine::with_google();
    for dress in ["  CODE \r\n", "'CODE'\n", "\"CODE\"", "CODE"] {
        let begun = Begun::new(&machine, &["--mode", "notebook"]);
        begun.finish(&machine, &dress.replace("CODE", &begun.code()), &[]).expect(0);
    }
    // On the command line too, where others can see it, since earthengine-api has it so.
    let begun = Begun::new(&machine, &["--mode", "notebook"]);
    let code = begun.code();
    machine.run(["login", "--authorization-code", &code, "--code-verifier", &begun.verifier]).expect(0);
}

#[test]
fn a_whole_address_is_a_code_too() {
    let machine = Machine::with_google();
    let begun = Begun::new(&machine, &["--mode", "localhost"]);
    assert!(!begun.verifier.contains(':'));
    // The browser is on another machine, where nobody listens: its address bar has the code.
    let target = begun.address.split_once('?').expect("a query").1;
    let path = format!("{}/o/oauth2/v2/auth?{target}", machine.google().base_url());
    let ended_at = redirect_of(&path);
    assert!(ended_at.starts_with("http://localhost:8085/?"), "{ended_at}");
    begun.finish(&machine, &format!("{ended_at}\n"), &[]).expect(0);
    assert_eq!(content(&machine)["redirect_uri"], "http://localhost:8085");
}

/// Where an address redirects to, without going there.
pub(super) fn redirect_of(address: &str) -> String {
    let url = address.strip_prefix("http://").expect("http");
    let (host, path) = url.split_once('/').expect("a path");
    let mut stream = std::net::TcpStream::connect(host).expect("the sandbox listens");
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    std::io::Write::write_all(&mut stream, request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).expect("UTF-8");
    let location = answer.lines().find_map(|line| line.strip_prefix("location: "));
    location.unwrap_or_else(|| panic!("{answer}")).to_owned()
}

#[test]
fn a_code_is_good_once_and_for_its_own_login() {
    let machine = Machine::with_google();
    log_in(&machine, &[]);
    let first = content(&machine);
    let begun = Begun::new(&machine, &["--mode", "notebook"]);
    let other = Begun::new(&machine, &["--mode", "notebook"]);
    let (code, other_code) = (begun.code(), other.code());
    let foreign = begun.finish(&machine, &other_code, &[]).expect(5);
    assert_eq!(foreign.error()["code"], "rejected.invalid_grant", "{foreign}");
    assert!(foreign.stderr.contains("another login"), "{foreign}");
    assert_eq!(content(&machine), first);
    // A page that nobody has opened knows nothing of the login.
    let unopened = Begun::new(&machine, &["--mode", "notebook"]);
    let unknown = unopened.finish(&machine, &code, &[]).expect(5);
    assert_eq!(unknown.error()["code"], "rejected.request", "{unknown}");
    assert_eq!(content(&machine), first);

    begun.finish(&machine, &code, &[]).expect(0);
    let second = content(&machine);
    let again = begun.finish(&machine, &code, &[]).expect(5);
    assert_eq!(again.error()["code"], "rejected.invalid_grant", "{again}");
    assert!(again.stderr.contains("used before"), "{again}");
    assert_eq!(content(&machine), second);
    // It was not sent again by itself.
    machine.google().clear_requests();
    let begun = Begun::new(&machine, &["--mode", "notebook"]);
    let code = begun.code();
    machine.google().fail("token=503".parse().expect("a fault"));
    begun.finish(&machine, &code, &[]).expect(6);
    let tokens = machine.google().requests();
    assert_eq!(tokens.iter().filter(|request| request.path == "/token").count(), 1);
}

#[test]
fn what_is_no_code_is_told_before_anything_is_sent() {
    let machine = Machine::with_google();
    let user = machine.google().user();
    let begun = Begun::new(&machine, &["--mode", "notebook"]);
    for pasted in
        ["", "\n", user.refresh_token(), "{}", "http://localhost:8085/", "http://localhost:808500/?code="]
    {
        machine.google().clear_requests();
        let output = match pasted {
            "" => run(machine
                .command(["login", "--format", "json", "--code-verifier", &begun.verifier])
                .args(["--authorization-code", "-"])),
            pasted => begun.finish(&machine, pasted, &[]),
        };
        let output = output.expect(3);
        assert_eq!(output.error()["code"], "invalid.authorization_code", "{output}");
        assert!(!pasted.contains("1//") || !output.stderr.contains(&pasted[3..]), "{output}");
        assert_eq!(machine.google().requests().len(), 0);
    }
    for verifier in ["a:b", "a:b:c:d", ":b:c", "a b:c:d"] {
        let arguments =
            ["login", "--code-verifier", verifier, "--authorization-code", "-", "--format", "json"];
        let output = run_with_input(&mut machine.command(arguments), b"4/0Ax").expect(3);
        assert_eq!(output.error()["code"], "invalid.code_verifier", "{output}");
    }
    assert!(!stored(&machine).exists());
}

/// What Google knows of time is its own: a code is as old as its clock says.
#[test]
fn a_clock_that_is_hours_off_does_not_matter() {
    for hours in [-26, -5, 5, 26] {
        let machine = Machine::with_google();
        machine.google().set_clock_offset(hours * 3600);
        log_in(&machine, &[]);
        machine.run(["token"]).expect(0);
        let waiting = Waiting::start(machine.command(["login", "--mode", "localhost:0", "--force"]));
        waiting.open();
        assert_eq!(waiting.end().0, 0, "{hours}");
    }
}
