//! `ee-auth sandbox`

use crate::support::{Machine, Output, PROGRAM, run, there_is};

/// Runs the program inside of `ee-auth sandbox`.
#[track_caller]
fn inside(machine: &Machine, flags: &[&str], arguments: &[&str]) -> Output {
    machine.run(["sandbox"].iter().chain(flags).chain(&["--", PROGRAM]).chain(arguments))
}

#[test]
fn the_tour_shows_both_tokens_and_what_earth_engine_answers() {
    let machine = Machine::new();
    let output = machine.run(["sandbox"]).expect(0);
    assert_eq!(output.stderr, "", "{output}");
    let acts: Vec<_> = output.stdout.split("\n1. ").nth(1).expect("a first act").split("\n2. ").collect();
    let [first, rest] = acts[..] else { panic!("two parts are wanted\n{output}") };
    let (second, third) = rest.split_once("\n3. ").expect("a third act");
    for (act, provider) in [(first, "persistent"), (second, "environment")] {
        assert!(act.contains(&format!("Uses {provider}")), "{act}");
        assert!(act.contains("Token ya29."), "{act}");
        assert!(act.contains("Earth Engine 1 + 2 = 3"), "{act}");
        assert_eq!(act.matches("not reached").count(), if provider == "persistent" { 5 } else { 7 }, "{act}");
    }
    assert!(
        third.contains("error: ") && third.contains("help: ") && third.contains("invalid_grant"),
        "{third}"
    );
}

#[test]
fn the_tour_needs_nothing_and_reads_nothing() {
    // A wrong configuration, a broken login and a variable that would all be errors elsewhere.
    let machine = Machine::new().with("EE_AUTH_CREDENTIALS", "{").with("EE_AUTH_CHAIN", "nonsense");
    machine.configure("projct = 1");
    machine.write(".config/earthengine/credentials", "{");
    machine.run(["sandbox"]).expect(0);
}

#[test]
fn the_tour_needs_no_proxy() {
    let proxied =
        Machine::new().with("HTTP_PROXY", "http://127.0.0.1:1").with("http_proxy", "http://127.0.0.1:1");
    let output = proxied.run(["sandbox"]).expect(0);
    assert_eq!(output.stdout.matches("1 + 2 = 3").count(), 2, "{output}");
}

#[test]
fn a_command_has_its_own_status() {
    let machine = Machine::new();
    let shell = |script: &str| machine.run(["sandbox", "--", "sh", "-c", script]);
    let output = shell("echo out; echo err >&2; exit 0").expect(0);
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("out\n", "err\n"));
    shell("exit 3").expect(3);
    shell("exit 42").expect(42);
    shell("kill -TERM $$").expect(128 + 15);
    shell("kill -KILL $$").expect(128 + 9);
    let missing = machine.run(["sandbox", "--", "/no/such/program"]).expect(127);
    assert!(missing.stderr.starts_with("error: /no/such/program could not be run"), "{missing}");
    let script = machine.write("no-program", "text");
    let refused = machine.run([&"sandbox", &"-q", &"--", &script.to_str().expect("UTF-8")]).expect(126);
    assert!(refused.stderr.starts_with("error: "), "an error is said with -q, too\n{refused}");
}

#[test]
fn a_command_reads_standard_input() {
    let machine = Machine::new();
    let mut command = machine.command(["sandbox", "--", "cat"]);
    let output = crate::support::run_with_input(&mut command, b"in\n").expect(0);
    assert_eq!(output.stdout, "in\n");
}

#[test]
fn nothing_real_is_visible_inside() {
    let real = Machine::with_google();
    let (key, token) = (real.google().service_account().key_json(), real.google().access_token());
    let mut machine = real.with_login();
    for name in [
        "EE_AUTH_CREDENTIALS",
        "EARTHENGINE_TOKEN",
        "EE_SERVICE_ACCOUNT_KEY",
        "GEE_SERVICE_ACCOUNT_JSON",
        "GOOGLE_OAUTH_ACCESS_TOKEN",
        "CLOUDSDK_AUTH_ACCESS_TOKEN",
        "GCE_METADATA_HOST",
    ] {
        machine = machine.with(name, &token);
    }
    let adc = machine.write(".config/gcloud/application_default_credentials.json", &key);
    let machine = machine.with("GOOGLE_APPLICATION_CREDENTIALS", adc).with("HARMLESS", "kept");

    let output = machine.run(["sandbox", "--", "env"]).expect(0);
    assert!(!output.stdout.contains(&token) && !output.stdout.contains("application_default"), "{output}");
    assert!(
        output.stdout.contains("\nHARMLESS=kept\n") || output.stdout.starts_with("HARMLESS=kept\n"),
        "{output}"
    );
    let told = output.stderr.lines().next().expect("a line");
    for name in [
        "EE_AUTH_CREDENTIALS",
        "EARTHENGINE_TOKEN",
        "GOOGLE_OAUTH_ACCESS_TOKEN",
        "CLOUDSDK_AUTH_ACCESS_TOKEN",
    ] {
        assert!(told.contains(name), "{name}\n{output}");
        assert!(!output.stdout.contains(name), "{name}\n{output}");
    }
    let home = output.stdout.lines().find_map(|line| line.strip_prefix("HOME=")).expect("a home");
    assert!(!machine.home().starts_with(home) && !home.starts_with(machine.home().to_str().expect("UTF-8")));

    let status = inside(&machine, &["-q"], &["status", "--format", "json"]).expect(0);
    let status = status.json();
    assert!(status["origin"].as_str().expect("an origin").contains("/ee-auth-sandbox-"), "{status}");
    assert_eq!(machine.google().requests().len(), 0, "the other Google was not asked");
    assert!(!std::path::Path::new(home).exists(), "the throw-away home is thrown away");
}

#[test]
fn a_token_is_won_inside() {
    let machine = Machine::new();
    let output = inside(&machine, &[], &["token"]).expect(0);
    assert!(output.stdout.starts_with("ya29."), "{output}");
    let status = inside(&machine, &[], &["status", "--online", "--format", "json"]).expect(0).json();
    assert_eq!(status["project"], "ee-auth-sandbox");
    if there_is("curl") {
        let script = "curl -q --silent --fail \"$EE_AUTH_SANDBOX_URL/v1/projects/ee-auth-sandbox/config\" \
                      -H \"$(\"$1\" token --format header)\"";
        let mut command = machine.command(["sandbox", "--", "sh", "-c", script, "sh", PROGRAM]);
        // A proxy for everything, in both spellings, does not get what is meant for the sandbox.
        for name in ["http_proxy", "HTTP_PROXY", "ALL_PROXY"] {
            command.env(name, "http://127.0.0.1:1");
        }
        let output = run(command.env("no_proxy", "intranet.example")).expect(0);
        assert!(output.json()["name"].is_string(), "{output}");
    }
}

#[test]
fn what_fails_inside_fails_as_it_would_outside() {
    let machine = Machine::new();
    // Tried again, and won.
    let output = inside(&machine, &["--fail", "token=503x1"], &["token", "-v"]).expect(0);
    assert!(output.stdout.starts_with("ya29."), "{output}");
    assert!(output.stderr.contains("trying again"), "{output}");
    for (rules, status, code) in [
        (&["--fail", "token=invalid_grant"][..], 5, "rejected.invalid_grant"),
        (&["--fail", "token=invalid_scope"], 5, "rejected.invalid_scope"),
        (&["--fail", "token=html"], 6, "unavailable.malformed"),
        (&["--fail", "all=redirect"], 6, "unavailable.redirected"),
        (&["--fail", "sts=reset", "--fail", "token=no-token"], 6, "unavailable.malformed"),
    ] {
        let output = inside(&machine, rules, &["token", "--format", "json"]).expect(status);
        assert_eq!(output.error()["code"], code, "{output}");
    }
    // What is asked for outside holds inside.
    let machine = machine.with("EE_AUTH_LOG", "debug");
    let output = inside(&machine, &[], &["token"]).expect(0);
    assert!(output.stderr.lines().any(|line| line.starts_with("debug ")), "{output}");
    // A fault of another service does not matter.
    inside(&machine, &["--fail", "metadata=500"], &["token"]).expect(0);
}

#[test]
fn the_faults_are_listed_and_each_is_taken() {
    let machine = Machine::new();
    let output = machine.run(["sandbox", "--list-faults"]).expect(0);
    for (name, meaning) in ee_auth_sandbox::faults() {
        assert!(
            output.stdout.lines().any(|line| line.contains(name) && line.contains(meaning)),
            "{name}\n{output}"
        );
    }
    let json = machine.run(["sandbox", "--list-faults", "--format", "json"]).expect(0).json();
    assert_eq!(json["faults"].as_array().map(Vec::len), Some(ee_auth_sandbox::faults().count()));
    for service in ee_auth_sandbox::Service::ALL {
        let rule = format!("{}=reset", service.name());
        machine.run(["sandbox", "--fail", &rule, "--", "true"]).expect(0);
    }
}
