//! A person at a terminal: what is typed, and Ctrl-C.

use ee_auth_sandbox::visit;
use ee_auth_terminal::{Ended, Session, command};

use super::{content, stored};
use crate::support::{Machine, PROGRAM};

/// The program on a terminal.
fn start(machine: &Machine, arguments: &[&str]) -> Session {
    let here = machine.command([""; 0]);
    let mut command = command(PROGRAM);
    command.args(arguments).env_clear().current_dir(machine.working());
    command.envs(here.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Session::start(command)
}

/// The address that is shown.
#[track_caller]
fn address(session: &mut Session) -> String {
    session.sees("http://");
    let rest = session.sees("\r\n");
    format!("http://{rest}")
}

const QUESTION: &str = "Paste the code that the page shows at the end (Ctrl-C stops):";

#[test]
fn a_code_is_pasted() {
    let machine = Machine::with_google();
    let mut session = start(&machine, &["login", "--mode", "notebook"]);
    let address = address(&mut session);
    session.sees(QUESTION);
    // Nothing but Enter first, and what is no code: it is explained, and asked for again.
    session.types("\n");
    session.sees("nothing was pasted");
    session.sees(QUESTION);
    let code = visit(&address).expect("the page opens").authorization_code().expect("a code").to_owned();
    session.types(&format!("  {code} \n"));
    let Ended { stdout, status, screen } = session.ends();
    assert_eq!(status, 0, "{screen}");
    assert!(stdout.starts_with("Logged in"), "{stdout}");
    assert!(content(&machine)["refresh_token"].is_string());
}

#[test]
fn whoever_pastes_nothing_useful_is_not_asked_for_ever() {
    let machine = Machine::with_google();
    let mut session = start(&machine, &["login", "--mode", "notebook"]);
    for _ in 0..3 {
        session.sees(QUESTION);
        session.types("{}\n");
    }
    let Ended { stdout, status, screen } = session.ends();
    assert_eq!((stdout.as_str(), status), ("", 3), "{screen}");
    // Ctrl-D
    let mut session = start(&machine, &["login", "--mode", "notebook"]);
    session.sees(QUESTION);
    session.types("\u{4}");
    let Ended { status, screen, .. } = session.ends();
    assert_eq!(status, 4, "{screen}");
    assert!(!stored(&machine).exists());
}

#[test]
fn ctrl_c_stops_every_wait() {
    let machine = Machine::with_google();
    machine
        .write("work/notebook.toml", format!("chain = [\"notebook\"]\n{}", machine.google().config_toml()));
    for (arguments, waits) in [
        (&["login", "--mode", "notebook"][..], QUESTION),
        (&["login", "--mode", "localhost:0"], "Ctrl-C stops"),
        (&["token", "--config", "notebook.toml"], QUESTION),
    ] {
        let mut session = start(&machine, arguments);
        session.sees(waits);
        session.types("\u{3}");
        let Ended { stdout, status, screen } = session.ends();
        assert_eq!((stdout.as_str(), status), ("", 130), "{arguments:?}\n{screen}");
    }
    assert!(!stored(&machine).exists());
}

/// The browser is on another machine: its last address is pasted.
#[test]
fn the_address_that_a_browser_ended_at_is_pasted() {
    let machine = Machine::with_google();
    let mut session = start(&machine, &["login", "--mode", "localhost:0"]);
    let address = address(&mut session);
    session.sees("paste");
    session.types("http://localhost:1/?state=another&code=4/0Ax\n");
    session.sees("another login");
    session.sees("paste");
    // The redirect leads to whoever waits here, so it is asked for its address alone.
    let ended_at = super::codes::redirect_of(&address);
    session.types(&format!("{ended_at}\n"));
    let Ended { stdout, status, screen } = session.ends();
    assert_eq!(status, 0, "{screen}");
    assert!(stdout.starts_with("Logged in"), "{stdout}");
}

/// The second pass: the whole chain has nothing, and there is somebody to ask.
#[test]
fn token_logs_in_where_there_is_a_person() {
    let machine = Machine::with_google();
    // Without gcloud, which may be where the tests run.
    machine.configure("chain = [\"environment\", \"persistent\", \"notebook\", \"localhost\"]");
    let mut session = start(&machine, &["token"]);
    session.sees("No provider of the chain has a credential. Logging in with notebook");
    let address = address(&mut session);
    session.sees(QUESTION);
    let code = visit(&address).expect("the page opens").authorization_code().expect("a code").to_owned();
    session.types(&format!("{code}\n"));
    let Ended { stdout, status, screen } = session.ends();
    assert_eq!(status, 0, "{screen}");
    assert!(stdout.starts_with("ya29.") && stdout.lines().count() == 1, "data alone is on standard output");
    machine.run(["token"]).expect(0);
    // Other commands ask nobody.
    let none = Machine::with_google();
    let session = start(&none, &["status"]);
    assert_eq!(session.ends().status, 4);
}
