//! `ee-auth config`

use std::fs;

use serde_json::{Value, json};

use crate::support::{Machine, assert_shape};

#[track_caller]
fn values(machine: &Machine, arguments: &[&str]) -> Value {
    let output = machine.run(["config", "show", "--format", "json"].iter().chain(arguments)).expect(0);
    let shown = output.json();
    assert_shape(&shown, &[("layers", "[object]"), ("values", "object")]);
    for layer in shown["layers"].as_array().expect("layers") {
        assert!(
            layer["layer"].is_string() && layer["path"].is_string() && layer["state"].is_string(),
            "{layer}"
        );
    }
    for (key, value) in shown["values"].as_object().expect("values") {
        assert!(value.get("value").is_some() && value["origin"].is_string(), "{key}: {value}");
    }
    shown
}

#[test]
fn show_says_where_each_value_comes_from() {
    let machine = Machine::with_google();
    machine.configure("project = \"mine\"\nscopes = [\"earthengine\", \"drive\"]\n");
    machine.write("work/.git/HEAD", "");
    machine.write("work/ee-auth.toml", "\nscopes = [\"earthengine\"]\n");
    let machine = machine.with("EE_AUTH_CHAIN", "environment");
    let shown = values(&machine, &["--project", "flag"]);
    let values = &shown["values"];
    assert_eq!(values["project"], json!({"value": "flag", "origin": "--project"}));
    assert_eq!(values["chain"], json!({"value": ["environment"], "origin": "EE_AUTH_CHAIN"}));
    assert_eq!(values["cache.store"], json!({"value": "disk", "origin": "default"}));
    let project_file = machine.working().join("ee-auth.toml");
    assert_eq!(values["scopes"]["origin"], format!("{}:2", project_file.display()));
    let token = &values["endpoints.token"];
    assert_eq!(token["value"], format!("{}/token", machine.google().base_url()));
    assert!(
        token["origin"].as_str().expect("a place").starts_with(machine.user_file().to_str().expect("UTF-8"))
    );
    assert_eq!(values["profile"]["value"], Value::Null, "what is not set is null, never absent");

    let layers = shown["layers"].as_array().expect("layers");
    let named = |name: &str| layers.iter().find(|layer| layer["layer"] == name).expect("a layer");
    assert_eq!(
        (&named("user")["path"], &named("user")["state"]),
        (&json!(machine.user_file()), &json!("read"))
    );
    assert_eq!(
        (&named("project")["path"], &named("project")["state"]),
        (&json!(project_file), &json!("untrusted"))
    );

    let text = machine.run(["config", "show", "--origin"]).expect(0);
    assert!(
        text.stdout.contains(&format!("project = \"mine\"  # {}:1\n", machine.user_file().display())),
        "{text}"
    );
    assert!(text.stdout.contains("cache.store = \"disk\"  # default\n"), "{text}");
    let bare = machine.run(["config", "show"]).expect(0);
    assert!(bare.stdout.contains("project = \"mine\"\n") && !bare.stdout.contains('#'), "{bare}");
    // What it prints is TOML, key by key.
    let copy = machine.write("copy.toml", &bare.stdout);
    machine.run([&"config", &"validate", copy.to_str().as_ref().expect("UTF-8")]).expect(0);
}

#[test]
fn path_says_where_the_file_is_or_would_be() {
    let machine = Machine::new();
    let output = machine.run(["config", "path"]).expect(0);
    assert_eq!(output.stdout, format!("{}\n", machine.user_file().display()));
    assert!(output.stderr.contains("absent"), "{output}");
    let other = machine.write("other.toml", "");
    let named = machine
        .run(["config", "path", "--config", other.to_str().expect("UTF-8"), "--format", "json"])
        .expect(0);
    assert_eq!(named.json()["user"], json!(other));
    assert_eq!(named.json()["layers"].as_array().map(Vec::len), Some(2), "{named}");

    // It helps most when something is wrong.
    machine.configure("projct = 1");
    let broken = machine.run(["config", "path"]).expect(0);
    assert_eq!(broken.stdout, output.stdout);
    machine.run(["config", "path", "--format", "json"]).expect(0).json();
}

#[test]
fn init_writes_a_file_that_is_valid_and_never_over_another() {
    let machine = Machine::new();
    let output = machine.run(["config", "init"]).expect(0);
    assert_eq!(output.stdout, format!("{}\n", machine.user_file().display()));
    let written = fs::read_to_string(machine.user_file()).expect("it was written");
    let validated = machine.run(["config", "validate"]).expect(0);
    assert_eq!(validated.stderr, "", "{validated}");
    // Nothing in it changes anything yet.
    let shown = values(&machine, &[]);
    for (key, value) in shown["values"].as_object().expect("values") {
        assert_eq!(value["origin"], "default", "{key}");
        let last = key.rsplit('.').next().expect("a name");
        assert!(key == "profile" || written.contains(last), "`{key}` is not in the template");
    }

    fs::write(machine.user_file(), "project = \"mine\"\n").expect("it can be written");
    let output = machine.run(["config", "init", "--format", "json"]).expect(3);
    assert_eq!(output.error()["code"], "invalid.exists");
    assert_eq!(fs::read_to_string(machine.user_file()).expect("it is there"), "project = \"mine\"\n");

    let output = machine.run(["config", "init", "new/ee-auth.toml", "--format", "json"]).expect(0);
    let path = machine.working().join("new/ee-auth.toml");
    assert_eq!(output.json()["path"], json!(path), "{output}");
    assert_eq!(fs::read_to_string(&path).expect("it was written"), written);
}

/// Every line of the template that shows a setting is right as it stands.
#[test]
fn what_the_template_shows_is_valid() {
    let machine = Machine::new();
    machine.run(["config", "init"]).expect(0);
    let template = fs::read_to_string(machine.user_file()).expect("it was written");
    let setting = |line: &str| {
        let line = line.strip_prefix('#')?.trim_start();
        let is_key =
            |key: &str| !key.is_empty() && key.bytes().all(|b| b.is_ascii_lowercase() || b"_.".contains(&b));
        let is_setting = line.split_once('=').is_some_and(|(key, _)| is_key(key.trim()));
        (is_setting || line.starts_with('[')).then(|| line.to_owned())
    };
    let settings: Vec<_> = template.lines().filter_map(setting).collect();
    assert!(settings.len() > 5, "{template}");
    let path = machine.write("all.toml", settings.join("\n"));
    machine.run(["config", "validate", path.to_str().expect("UTF-8")]).expect(0);
}

#[test]
fn validate_shows_the_place_the_text_and_the_nearest_name() {
    let machine = Machine::new();
    for (content, place, underlined, said) in [
        ("projct = \"p\"\n", "1:1", "projct", "did you mean `project`?"),
        (
            "\n[security]\nallow_executable = true\n",
            "3:1",
            "allow_executable",
            "did you mean `allow_executables`?",
        ),
        ("project = 7\n", "1:11", "7", "must be a string"),
        ("chain = [\"environment\", \"gclod\"]\n", "1:25", "\"gclod\"", "did you mean `gcloud`?"),
        ("[providers.service_account]\nkeyfile = \"k\"\n", "2:1", "keyfile", "did you mean `key_file`?"),
        ("[providers.x]\nkind = \"exce\"\n", "2:8", "\"exce\"", ""),
        ("project = \"a\"\nproject = \"b\"\n", "2:1", "project", "given twice"),
        ("[endpoints]\ntoken = \"http://example.com/token\"\n", "2:9", "\"http://example.com/token\"", ""),
        ("project = \"p\n", "1:", "", ""),
        ("[cache]\nstore = \"disc\"\n", "2:9", "\"disc\"", "did you mean `disk`?"),
    ] {
        let path = machine.write("wrong.toml", content);
        let path = path.to_str().expect("UTF-8");
        for arguments in [&["config", "validate", path][..], &["token", "--config", path]] {
            let output = machine.run(arguments).expect(3);
            assert_eq!(output.stdout, "", "{output}");
            assert!(output.stderr.contains(&format!("{path}:{place}")), "{output}");
            assert!(output.stderr.contains(said), "{said}\n{output}");
            let line =
                output.stderr.lines().find(|line| line.contains('^')).expect("something is underlined");
            assert!(underlined.is_empty() || line.matches('^').count() == underlined.len(), "{output}");
            let json = machine.run(arguments.iter().chain(&["--format", "json"])).expect(3);
            let message = json.error()["message"].clone();
            assert!(message.as_str().expect("a message").contains(&format!("{path}:{place}")), "{json}");
        }
    }
}

#[test]
fn validate_says_so_where_nothing_is_wrong() {
    let machine = Machine::new();
    let path = machine.write(
        "right.toml",
        "chain = [\"environment\"]\n[providers.spare]\nkind = \"service_account\"\nkey_file = \"k\"\n",
    );
    let path = path.to_str().expect("UTF-8");
    let output = machine.run(["config", "validate", path]).expect(0);
    assert!(output.stdout.contains("is valid"), "{output}");
    assert!(output.stderr.contains(&format!("{path}:")) && output.stderr.contains("`spare`"), "{output}");
    let json = machine.run(["config", "validate", path, "--format", "json"]).expect(0).json();
    assert_eq!(json["valid"], true);
    assert_eq!(json["warnings"].as_array().map(Vec::len), Some(1), "{json}");
    machine.run(["config", "validate", "no-such-file.toml"]).expect(3);
}

#[test]
fn schema_is_json_that_knows_the_keys() {
    let machine = Machine::new();
    let schema = machine.run(["config", "schema"]).expect(0).json();
    assert!(
        schema["$schema"].as_str().is_some_and(|address| address.contains("json-schema.org")),
        "{schema:#}"
    );
    let properties = schema["properties"].as_object().expect("properties");
    for key in values(&machine, &[])["values"].as_object().expect("values").keys() {
        let top = key.split('.').next().expect("a name");
        assert!(top == "profile" || properties.contains_key(top), "{key}");
    }
}

#[test]
fn config_shows_no_secret_of_a_plugin_or_an_address() {
    let machine = Machine::new();
    machine.configure("[endpoints]\ntoken = \"https://name:hunter2hunter2@sts.example/token\"\n");
    let output = machine.run(["config", "show", "--origin"]);
    assert!(!output.stdout.contains("hunter2") && !output.stderr.contains("hunter2"), "{output}");
}
