//! `ee-auth plugin`, and plugins in the chain.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::support::Machine;

impl Machine {
    /// A script in the home directory; its path.
    fn script(&self, name: &str, body: &str) -> PathBuf {
        let path = self.write(name, format!("#!/bin/sh\n{body}\n"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its mode can be set");
        path
    }

    /// A plugin that counts how often it was asked for a token, and answers with this number as the token.
    fn counter(&self, cache: &str) -> PathBuf {
        let in_an_hour = "$(($(date +%s) + 3600))";
        self.script(
            "plugins/counter",
            &format!(
                r#"read -r request
case $request in
*'"op":"describe"'*)
  echo '{{"version":1,"success":true,"name":"counter","plugin_version":"1","ops":["get","logout"],"http_hosts":["a.example"]}}' ;;
*'"op":"logout"'*) rm -f "$HOME/count"; echo '{{"version":1,"success":true}}' ;;
*'"op":"get"'*)
  case $request in *'"v":[1]'*) ;; *) echo '{{"version":1,"success":false,"code":"invalid","message":"version"}}'; exit ;; esac
  echo x >> "$HOME/count"
  echo "{{\"version\":1,\"success\":true,\"access_token\":\"token-$(wc -l < "$HOME/count" | tr -d ' ')\",\"expiration_time\":{in_an_hour},\"cache\":\"{cache}\",\"principal\":\"ada@example.com\",\"project\":\"plugin-project\"}}" ;;
*) echo '{{"version":1,"success":false,"code":"invalid","message":"no such operation"}}' ;;
esac"#
            ),
        )
    }

    fn count(&self) -> usize {
        fs::read_to_string(self.home().join("count")).map_or(0, |text| text.lines().count())
    }

    /// The same machine, with a service account's tokens had by those of a plugin that answers so.
    fn standing_for_robot(self, answer: &str) -> Self {
        let plugin = self.script("plugins/broker", &format!("cat > \"$HOME/request\"\necho '{answer}'"));
        let robot = self.google().service_account().email().to_owned();
        self.configure(&format!(
            "chain = [\"robot\"]\n[providers.broker]\nkind = \"exec\"\ncommand = [\"{}\"]\n\
             [providers.robot]\nkind = \"impersonate\"\nsource = \"broker\"\ntarget = \"{robot}\"\n",
            plugin.display()
        ));
        self
    }
}

fn add(machine: &Machine, plugin: &Path) -> crate::support::Output {
    machine.run(["plugin", "add", plugin.to_str().expect("UTF-8"), "--chain", "--yes"])
}

#[test]
fn a_template_becomes_a_provider() {
    let machine = Machine::new();
    machine.write(
        machine.user_file(),
        "# mine\nchain = [ \"persistent\" ] # order\n\n[cache]\nstore = \"none\"\n",
    );
    let output = machine.run(["plugin", "new", "--lang", "python", "my-store"]).expect(0);
    let file = machine.working().join("my-store/my-store");
    assert_eq!(output.stdout, format!("{}\n", machine.working().join("my-store").display()));
    machine.run(["plugin", "new", "--lang", "python", "my-store"]).expect(3);
    machine.run(["plugin", "new", "--lang", "python", "../x"]).expect(3);
    let checked =
        machine.run(["plugin", "check", "./my-store/my-store", "--format", "json"]).expect(0).json();
    assert_eq!(checked["conformant"], true, "{checked}");
    assert_eq!(checked["manifest"]["name"], "my-store");

    // Nothing is written unasked.
    let output = machine.run(["plugin", "add", "my-store/my-store"]).expect(2);
    assert!(output.stderr.contains("--yes") && output.stderr.contains("sha256 = "), "{output}");
    let token = machine.write("token", "t0ken");
    let set = format!("token_file={}", token.display());
    let output =
        machine.run(["plugin", "add", "my-store/my-store", "--chain", "--yes", "--set", &set]).expect(0);
    assert_eq!(output.stdout, "my_store\n");
    let written = fs::read_to_string(machine.user_file()).expect("it is there");
    assert!(written.starts_with("# mine\nchain = [ \"my_store\", \"persistent\" ] # order\n"), "{written}");
    assert!(written.contains(&format!("command = [\"{}\"]", file.display())), "{written}");
    assert_eq!(machine.run(["token"]).expect(0).stdout, "t0ken\n");
    let listed = machine.run(["plugin", "list", "--format", "json"]).expect(0).json();
    assert_eq!(listed[0]["provider"], "my_store");
    assert_eq!((&listed[0]["pinned"], &listed[0]["in_chain"]), (&true.into(), &true.into()));
    machine.run(["plugin", "check", "my_store"]).expect(0);
    machine.run(["config", "validate"]).expect(0);

    // What was changed does not run, until it is added again.
    let mut text = fs::read_to_string(&file).expect("it is there");
    text.push_str("# changed\n");
    fs::write(&file, text).expect("it can be written");
    let error = machine.run(["token", "--format", "json"]).expect(7).error();
    assert_eq!(error["code"], "untrusted.sha256");
    machine.run(["plugin", "add", "my-store/my-store", "--yes", "--set", &set]).expect(0);
    assert_eq!(machine.run(["token"]).expect(0).stdout, "t0ken\n");
}

#[test]
fn what_a_plugin_says_of_its_tokens_is_kept_to() {
    for (cache, runs) in [("expires", 1), ("session", 3), ("never", 3)] {
        let machine = Machine::new();
        add(&machine, &machine.counter(cache)).expect(0);
        // The checks have asked it, too.
        fs::remove_file(machine.home().join("count")).expect("it was asked");
        for _ in 0..2 {
            machine.run(["token"]).expect(0);
        }
        let status = machine.run(["status", "--format", "json"]).expect(0).json();
        assert_eq!(machine.count(), runs, "{cache}");
        assert_eq!(status["principal"], "ada@example.com", "{cache}");
        assert_eq!(status["project"], "plugin-project", "{cache}");
        let before = machine.count();
        machine.run(["token", "--no-cache"]).expect(0);
        assert_eq!(machine.count(), before + 1, "{cache}");
    }
}

#[test]
fn plugins_take_part_in_what_the_chain_does() {
    let machine = Machine::new();
    let plugin = machine.counter("session");
    add(&machine, &plugin).expect(0);
    let explained = machine.run(["explain", "--format", "json"]).expect(0).json();
    assert_eq!(explained["resolved"], "counter");
    assert_eq!(explained["attempts"][0]["looked_at"][0], plugin.to_str().expect("UTF-8"));
    let before = machine.count();
    let explained = machine.run(["explain", "--offline", "--format", "json"]);
    assert_eq!(explained.json()["attempts"][0]["outcome"], "not_probed");
    assert_eq!(machine.count(), before);
    let out = machine.run(["logout", "--format", "json"]).expect(0).json();
    assert_eq!(out["plugins"][0], "counter");
    // `status` after it found another; the count begins anew.
    assert!(machine.count() <= 1);
    let provider = &machine.run(["providers", "--format", "json"]).expect(0).json()[0];
    assert_eq!((&provider["name"], &provider["kind"]), (&"counter".into(), &"exec".into()));
}

#[test]
fn a_kept_token_does_not_outlive_a_login_or_a_logout() {
    let machine = Machine::new();
    let plugin = machine.script(
        "plugins/signed",
        r#"read -r request
case $request in
*'"op":"describe"'*) echo '{"version":1,"success":true,"name":"signed","ops":["get","login","logout"]}' ;;
*'"op":"login"'*) echo x >> "$HOME/who"; echo '{"version":1,"success":true}' ;;
*'"op":"logout"'*) rm -f "$HOME/who"; echo '{"version":1,"success":true}' ;;
*) [ -e "$HOME/who" ] || { echo '{"version":1,"success":false,"code":"not_found","message":"nobody"}'; exit; }
  echo "{\"version\":1,\"success\":true,\"access_token\":\"of-$(wc -l < "$HOME/who" | tr -d ' ')\",\"expiration_time\":$(($(date +%s) + 3600)),\"cache\":\"expires\"}" ;;
esac"#,
    );
    machine.configure(&format!(
        "chain = [\"signed\"]\n[providers.signed]\nkind = \"exec\"\ncommand = [{plugin:?}]\n"
    ));
    machine.write("who", "x\n");
    assert_eq!(machine.run(["token"]).expect(0).stdout, "of-1\n");
    machine.write("who", "x\nx\n");
    assert_eq!(machine.run(["token"]).expect(0).stdout, "of-1\n", "it is kept");
    // Google is not there to say whose it is.
    machine.run(["login", "--mode", "signed"]);
    assert_eq!(machine.run(["token"]).expect(0).stdout, "of-3\n");
    machine.run(["logout"]).expect(0);
    machine.run(["token"]).expect(4);

    // What another provider takes its credential from logs out as well.
    machine.write("who", "x\n");
    machine.configure(&format!(
        "chain = [\"robot\"]\n[providers.signed]\nkind = \"exec\"\ncommand = [{plugin:?}]\n\
         [providers.robot]\nkind = \"impersonate\"\nsource = \"signed\"\ntarget = \"robot@p.iam.gserviceaccount.com\"\n"
    ));
    let out = machine.run(["logout", "--format", "json"]).expect(0).json();
    assert_eq!(out["plugins"][0], "signed");
    assert!(!machine.home().join("who").exists());
}

#[test]
fn a_plugin_that_is_added_again_stays_as_it_was_declared() {
    let machine = Machine::new();
    let plugin = machine.script("plugins/printer", "echo \"$1-$SHOP\"");
    let file = plugin.to_str().expect("UTF-8");
    let first = ["--protocol", "token-stdout", "--env", "SHOP", "--chain", "--yes", "--", "t0ken"];
    machine.run([&["plugin", "add", file][..], &first].concat()).expect(0);
    let before = fs::read_to_string(machine.user_file()).expect("it is there");
    machine.script("plugins/printer", "echo \"$1-$SHOP\" # newer");
    machine.run(["token"]).expect(7);
    let output = machine.run(["plugin", "add", file, "--yes"]).expect(0);
    assert!(!output.stderr.contains("next:"), "it is in the chain: {output}");
    assert_eq!(machine.run(["token"]).expect(0).stdout, "t0ken-\n");
    let after = fs::read_to_string(machine.user_file()).expect("it is there");
    let but_pin =
        |text: &str| text.lines().filter(|line| !line.starts_with("sha256")).collect::<Vec<_>>().join("\n");
    assert_eq!(but_pin(&before), but_pin(&after));
    assert_ne!(before, after);
    machine.run(["plugin", "add", file, "--yes", "--", "other"]).expect(0);
    assert_eq!(machine.run(["token"]).expect(0).stdout, "other-\n");
}

#[test]
fn what_cannot_be_a_plugin_is_not_added() {
    let machine = Machine::new();
    let garbage = machine.script("plugins/garbage", "echo hello");
    let output = machine.run(["plugin", "check", garbage.to_str().expect("UTF-8")]).expect(8);
    assert!(output.stdout.contains("its answer is not JSON"), "{output}");
    let output = add(&machine, &garbage).expect(8);
    assert!(
        output.stderr.contains("nothing was written") && output.stderr.contains("token-stdout"),
        "{output}"
    );
    assert!(!machine.user_file().exists());
    // Standard output as it is.
    let args =
        ["plugin", "add", garbage.to_str().expect("UTF-8"), "--protocol", "token-stdout", "--chain", "--yes"];
    machine.run(args).expect(0);
    assert_eq!(machine.run(["token"]).expect(0).stdout, "hello\n");
    // A name that the file may not have would make it unreadable.
    for name in ["a b", "x.y", "", "é", "persistent"] {
        machine.run([&args[..], &["--name", name]].concat()).expect(3);
    }
    machine.run(["config", "validate"]).expect(0);
    fs::set_permissions(&garbage, fs::Permissions::from_mode(0o777)).expect("its mode can be set");
    machine.run(["token"]).expect(7);
    assert_eq!(add(&machine, &garbage).expect(7).stdout, "");
    let output = machine.run(["plugin", "check", "no-such-file"]).expect(3);
    assert!(output.stderr.contains("`ee-auth plugin list`"), "{output}");
}

#[test]
fn a_script_that_needs_its_siblings_is_checked_in_place_and_that_is_said() {
    let machine = Machine::new();
    let counter = machine.counter("session");
    let script = machine.script("plugins/wrapper", ". \"$(dirname \"$0\")/counter\"");
    let output = add(&machine, &script).expect(0);
    assert!(output.stderr.contains("needs the files beside it"), "{output}");
    assert!(fs::read_to_string(machine.user_file()).expect("it is there").contains("in_place = true"));
    assert!(machine.run(["token"]).expect(0).stdout.starts_with("token-"));
    drop(counter);
}

#[test]
fn a_plugin_that_cannot_be_copied_is_refused_and_not_run_in_place() {
    let machine = Machine::new();
    let script = machine.counter("session");
    // A file where the directory of the copies would be, as a full disk would have it: no copy can be made.
    let blocked = machine.write(".cache/ee-auth/plugins", "");
    let output = add(&machine, &script).expect(8);
    assert!(output.stderr.contains("its private copy cannot be made"), "{output}");
    assert!(!machine.user_file().exists(), "{output}");
    fs::remove_file(blocked).expect("it is there");
    add(&machine, &script).expect(0);
    assert!(!fs::read_to_string(machine.user_file()).expect("it is there").contains("in_place"));
}

#[test]
fn a_projects_file_runs_nothing_that_it_brings_along() {
    let machine = Machine::new();
    let plugin = machine.script("plugins/mine", "touch \"$HOME/ran\"; echo t0ken");
    let table = |pin: &str| {
        format!(
            "chain = [\"theirs\"]\n[providers.theirs]\nkind = \"exec\"\ncommand = [\"{}\"]\nprotocol = \"token-stdout\"\n{pin}",
            plugin.display()
        )
    };
    machine.write("work/ee-auth.toml", table(""));
    assert_eq!(
        machine.run(["token", "--format", "json"]).expect(7).error()["code"],
        "untrusted.project_file"
    );
    machine.run(["trust"]).expect(0);
    assert_eq!(machine.run(["token", "--format", "json"]).expect(7).error()["code"], "untrusted.unpinned");
    assert!(!machine.home().join("ran").exists());
    let digest = ring::digest::digest(&ring::digest::SHA256, &fs::read(&plugin).expect("it is there"));
    let pin: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    machine.write("work/ee-auth.toml", table(&format!("sha256 = \"{pin}\"\n")));
    machine.run(["token"]).expect(7);
    machine.run(["trust"]).expect(0);
    assert_eq!(machine.run(["token"]).expect(0).stdout, "t0ken\n");
}

#[test]
fn a_plugins_token_stands_for_a_service_account() {
    let machine = Machine::with_google();
    let adas = machine.google().access_token();
    let in_an_hour =
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs() + 3600;
    let machine = machine.standing_for_robot(&format!(
        r#"{{"version":1,"success":true,"access_token":"{adas}","expiration_time":{in_an_hour},"principal":"ada@example.com"}}"#
    ));

    let token = machine.run(["token", "--format", "json"]).expect(0).json();
    let robot = machine.google().service_account().email().to_owned();
    assert_eq!((&token["provider"], &token["principal"]), (&"robot".into(), &robot.into()));
    assert_ne!(token["access_token"], adas);
    let request = fs::read_to_string(machine.home().join("request")).expect("it was asked");
    assert!(request.contains(r#""scopes":["https://www.googleapis.com/auth/cloud-platform"]"#), "{request}");
    let requests = machine.google().requests();
    let [asked] = &requests[..] else { panic!("one request is wanted: {requests:?}") };
    assert!(asked.path.ends_with(":generateAccessToken"), "{asked}");
    let bearer = asked.content().expect("the sandbox's own").header("authorization").map(str::to_owned);
    assert_eq!(bearer, Some(format!("Bearer {adas}")));

    let id_token = machine.run(["token", "--id-token", "--audience", "https://a.example"]).expect(0).stdout;
    assert_eq!(id_token.split('.').count(), 3, "{id_token}");
}

#[test]
fn what_a_plugin_says_that_is_to_stand_for_a_service_account() {
    for (code, status) in [("not_found", 4), ("rejected", 5), ("unavailable", 6)] {
        let answer =
            format!(r#"{{"version":1,"success":false,"code":"{code}","message":"the vault is shut"}}"#);
        let machine = Machine::with_google().standing_for_robot(&answer);
        let output = machine.run(["token"]).expect(status);
        assert!(output.stderr.contains("its source `broker`"), "{output}");
        assert!(output.stderr.contains("the vault is shut"), "{output}");
        assert_eq!(machine.google().requests().len(), 0);
    }
}
