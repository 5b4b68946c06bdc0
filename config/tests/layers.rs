//! Which layer wins, and where every value is said to come from.

mod support;

use std::path::Path;
use std::time::Duration;

use ee_auth_config::{
    CacheStore, DEFAULT_CHAIN, Flags, LayerKind, LayerState, Origin, PluginHost, default_profile,
    set_default_profile, user_file,
};
use ee_auth_core::host::Directory;
use ee_auth_core::{Endpoints, ExposeSecret as _, Field, Outcome, Scopes, Secret};
use ee_auth_fake::Fake;
use serde_json::json;
use support::{SYSTEM_FILE, USER_FILE, config, error, flagged, user};

/// The file of the documentation, whole.
const EXAMPLE: &str = include_str!("example.toml");

fn flags(set: impl FnOnce(&mut Flags)) -> Flags {
    let mut flags = Flags::default();
    set(&mut flags);
    flags
}

#[test]
fn nothing_configured_is_the_defaults() {
    let fake = Fake::new();
    let config = config(&fake);
    assert_eq!(config.chain.value, DEFAULT_CHAIN);
    assert_eq!(config.chain.origin, Origin::Default);
    assert!(config.project.is_none() && config.scopes.is_none() && config.profile.is_none());
    assert_eq!(config.cache_store.value, CacheStore::Disk);
    assert_eq!(config.endpoints, Endpoints::default());
    assert!(!config.allow_executables.value);
    assert_eq!(config.universe_domain.value, "googleapis.com");
    assert!(config.warnings.is_empty());
    let layers: Vec<_> = config.layers.iter().map(|layer| (layer.kind.name(), layer.state.name())).collect();
    assert_eq!(layers, [("system", "absent"), ("user", "absent")]);
    let names: Vec<_> = config.chain_providers().map(|provider| provider.name.as_str()).collect();
    assert_eq!(names, DEFAULT_CHAIN);
    assert!(fake.changes().is_empty());
}

#[test]
fn the_default_chain_has_the_kinds_that_there_are() {
    let kinds: Vec<_> = support::KINDS.iter().copied().filter(|kind| kind.name != "gcloud").collect();
    let config = ee_auth_config::load(&Fake::new().host(), &kinds, &Flags::default()).unwrap();
    assert_eq!(config.chain.value.len(), DEFAULT_CHAIN.len() - 1);
    assert!(config.chain_providers().count() == config.chain.value.len());
}

#[test]
fn the_example_of_the_documentation() {
    let config = config(&user(EXAMPLE));
    assert_eq!(config.project.as_ref().unwrap().value, "my-ee-project");
    assert_eq!(config.project.as_ref().unwrap().origin, Origin::file(USER_FILE, 1));
    assert_eq!(config.scopes.as_ref().unwrap().value.to_string(), "earthengine, cloud-platform");
    assert_eq!(config.chain.value, ["environment", "vault", "service_account", "persistent"]);
    assert_eq!(config.client_file.as_ref().unwrap().value, Path::new("/home/user/my-oauth-client.json"));
    assert_eq!(plugin_host(&config), Path::new("/usr/local/bin/ee-auth"));
    assert_eq!(config.endpoints, Endpoints::default());
    assert!(config.trusted_hosts.check(Field::Sts, "https://sts.corp.example/v1/token").is_ok());

    let key = &config.providers["service_account"];
    assert_eq!(key.options.path("key_file").unwrap(), Path::new("/home/user/keys/ee.json"));
    assert!(matches!(key.declared_in, Origin::File { line: 5, .. }), "{}", key.declared_in);

    let vault = &config.providers["vault"];
    assert_eq!(vault.kind.name, "exec");
    assert_eq!(vault.options.strings("command").unwrap(), ["/usr/local/bin/ee-auth-vault", "--role", "ee"]);
    assert_eq!(vault.options.duration("timeout").unwrap(), Duration::from_secs(10));
    assert_eq!(vault.options.table("config").unwrap()["mount"], "gcp");
    assert_eq!(vault.expect.project.as_deref(), Some("my-ee-project"));
    assert_eq!(vault.continue_on, [Outcome::Unavailable]);
    assert_eq!(vault.options.iter().count(), 6, "neither kind nor expect nor on is an option");

    assert_eq!(config.providers["ci_robot"].options.string("source").unwrap(), "persistent");
    let warned: Vec<_> = config.warnings.iter().map(|warning| warning.rsplit(": ").next().unwrap()).collect();
    assert_eq!(
        warned,
        [
            "the provider `corp` is declared, and no chain names it",
            "the provider `ci_robot` is declared, and no chain names it"
        ]
    );
}

#[test]
fn later_layers_win_key_by_key() {
    let fake = Fake::new()
        .with_file(SYSTEM_FILE, "project = \"system\"\nscopes = [\"drive\"]\n[cache]\nstore = \"none\"")
        .with_file(USER_FILE, "project = \"user\"\n\nchain = [\"gcloud\"]")
        .with_file("/project/ee-auth.toml", "project = \"project\"");
    let load = |flags: &Flags| flagged(&fake, flags).unwrap();
    let none = Flags::default();

    let config = load(&none);
    assert_eq!(config.project.as_ref().unwrap().value, "project");
    assert_eq!(config.project.unwrap().origin.to_string(), "/project/ee-auth.toml:1");
    assert_eq!(config.scopes.unwrap().origin.to_string(), "/etc/ee-auth/ee-auth.toml:2");
    assert_eq!(config.chain.origin, Origin::file(USER_FILE, 3));
    assert_eq!(config.cache_store.value, CacheStore::None);
    let layers: Vec<_> = config.layers.iter().map(|layer| (layer.kind, layer.state)).collect();
    assert_eq!(
        layers,
        [
            (LayerKind::System, LayerState::Read),
            (LayerKind::User, LayerState::Read),
            (LayerKind::Project, LayerState::Untrusted)
        ]
    );

    fake.set_variable("EE_AUTH_PROJECT", " variable ");
    fake.set_variable("EE_AUTH_SCOPES", "earthengine, drive");
    fake.set_variable("EE_AUTH_CHAIN", "persistent, metadata");
    fake.set_variable("EE_AUTH_CACHE", "memory");
    let config = load(&none);
    assert_eq!(config.project.as_ref().unwrap().value, "variable");
    assert_eq!(config.project.unwrap().origin, Origin::Variable("EE_AUTH_PROJECT"));
    assert_eq!(config.scopes.unwrap().value, "earthengine drive".parse::<Scopes>().unwrap());
    assert_eq!(config.chain.value, ["persistent", "metadata"]);
    assert_eq!(config.chain.origin, Origin::Variable("EE_AUTH_CHAIN"));
    assert_eq!(config.cache_store.value, CacheStore::Memory);

    let config = load(&flags(|flags| {
        flags.project = Some("flag".into());
        flags.scopes = Some("drive".into());
        flags.chain = Some("gcloud".into());
    }));
    assert_eq!(config.project.as_ref().unwrap().value, "flag");
    assert_eq!(config.project.unwrap().origin, Origin::Flag("--project"));
    assert_eq!(config.scopes.unwrap().origin, Origin::Flag("--scopes"));
    assert_eq!(config.chain.value, ["gcloud"]);
}

#[test]
fn an_empty_variable_is_unset() {
    let fake = user("project = \"user\"");
    for name in [
        "EE_AUTH_PROJECT",
        "EE_AUTH_SCOPES",
        "EE_AUTH_CHAIN",
        "EE_AUTH_CACHE",
        "EE_AUTH_CONFIG",
        "EE_AUTH_PROFILE",
    ] {
        fake.set_variable(name, " ");
    }
    let config = config(&fake);
    assert_eq!(config.project.unwrap().value, "user");
    assert_eq!(config.chain.value, DEFAULT_CHAIN);
    assert!(config.profile.is_none());
}

#[test]
fn wrong_variables_and_flags_are_named() {
    for (name, value, message) in [
        ("EE_AUTH_SCOPES", "a\\b", "EE_AUTH_SCOPES: \"a\\\\b\" is not an OAuth scope"),
        ("EE_AUTH_SCOPES", ",", "EE_AUTH_SCOPES is empty"),
        (
            "EE_AUTH_CHAIN",
            "gclod",
            "EE_AUTH_CHAIN: unknown provider `gclod` in `chain`; did you mean `gcloud`?",
        ),
        ("EE_AUTH_CHAIN", "gcloud,gcloud", "EE_AUTH_CHAIN: `gcloud` is named twice"),
        (
            "EE_AUTH_CACHE",
            "disc",
            "EE_AUTH_CACHE must be one of \"disk\", \"keyring\", \"memory\", \"none\", not `disc`; did you mean `disk`?",
        ),
        ("EE_AUTH_PROFILE", "../x", "EE_AUTH_PROFILE: \"../x\" cannot be the name of a profile"),
        ("EE_AUTH_CONFIG", "/none", "EE_AUTH_CONFIG: reading the configuration /none: no such file"),
        (
            "EE_AUTH_CONFIG",
            "/home",
            "EE_AUTH_CONFIG: reading the configuration /home: it is a directory, not a file",
        ),
    ] {
        let error = error(&Fake::new().with_variable(name, value));
        assert_eq!(error.message(), message);
        assert_eq!(error.outcome(), Outcome::Invalid);
    }
    type Set = fn(&mut Flags, String);
    let cases: [(Set, &str, &str); 6] = [
        (|flags, value| flags.project = Some(value), "", "--project is empty"),
        (|flags, value| flags.scopes = Some(value), "é", "--scopes: \"é\" is not an OAuth scope"),
        (|flags, value| flags.profile = Some(value), "", "--profile: \"\" cannot be the name of a profile"),
        (
            |flags, value| flags.config = Some(value.into()),
            "x.toml",
            "--config: reading the configuration /project/x.toml: no such file",
        ),
        (
            |flags, value| flags.config = Some(value.into()),
            "~bob/x",
            "--config: `~bob/x`: of `~`, only `~/` is understood",
        ),
        (|flags, value| flags.chain = Some(value), "x", "--chain: unknown provider `x` in `chain`"),
    ];
    for (set, value, message) in cases {
        let error = flagged(&Fake::new(), &flags(|flags| set(flags, value.to_owned()))).expect_err(message);
        assert_eq!(error.message(), message);
        assert_eq!(error.outcome(), Outcome::Invalid);
    }
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_no_text_is_an_error() {
    use std::os::unix::ffi::OsStringExt as _;
    let value = || std::ffi::OsString::from_vec(b"\xff".to_vec());
    for name in ["EE_AUTH_PROJECT", "EE_AUTH_PROFILE"] {
        let error = error(&Fake::new().with_variable(name, value()));
        assert_eq!(error.message(), format!("the variable {name} is not UTF-8 text"));
    }
    let error = error(&Fake::new().with_variable("EE_AUTH_CONFIG", value()));
    assert!(error.message().starts_with("EE_AUTH_CONFIG: reading the configuration /project/"), "{error}");
}

#[test]
fn another_file_in_the_place_of_the_users() {
    let fake = user("project = \"user\"")
        .with_file(SYSTEM_FILE, "scopes = [\"drive\"]")
        .with_file("/project/other.toml", "project = \"other\"")
        .with_file("/home/user/third.toml", "project = \"third\"");
    fake.set_variable("EE_AUTH_CONFIG", "other.toml");
    let config = config(&fake);
    assert_eq!(config.project.unwrap().origin.to_string(), "/project/other.toml:1");
    assert!(config.scopes.is_some(), "the system's file is read all the same");

    let over = flags(|flags| flags.config = Some("~/third.toml".into()));
    let config = flagged(&fake, &over).unwrap();
    assert_eq!(config.project.unwrap().value, "third");
    let path = user_file(&fake.host(), &over).unwrap().unwrap();
    assert_eq!(
        (path.value.as_path(), path.origin),
        (Path::new("/home/user/third.toml"), Origin::Flag("--config"))
    );
}

#[test]
fn a_machine_without_a_home_directory_still_loads() {
    let fake = Fake::new()
        .without_directory(Directory::Home)
        .without_directory(Directory::Config)
        .without_directory(Directory::State)
        .with_variable("EE_AUTH_PROJECT", "p");
    let config = config(&fake);
    assert_eq!(config.project.unwrap().value, "p");
    assert_eq!(config.layers.len(), 1);
    assert!(set_default_profile(&fake.host(), None).is_err());

    fake.set_file("/etc/ee-auth/ee-auth.toml", "[login]\nclient_file = \"~/x\"");
    let error = error(&fake);
    assert!(error.message().contains("`~/x` is in the home directory, and none is known"), "{error}");
}

#[test]
fn paths_begin_where_their_file_is() {
    let fake = Fake::new().with_file(
        "/srv/conf/ee.toml",
        "[providers.service_account]\nkey_file = \"keys/ee.json\"\n[login]\nclient_file = \"/abs/c.json\"\n\
         [plugins]\nhost = \"./~odd\"",
    );
    let config = flagged(&fake, &flags(|flags| flags.config = Some("/srv/conf/ee.toml".into()))).unwrap();
    assert_eq!(
        config.providers["service_account"].options.path("key_file").unwrap(),
        Path::new("/srv/conf/keys/ee.json")
    );
    assert_eq!(config.client_file.as_ref().unwrap().value, Path::new("/abs/c.json"));
    assert_eq!(plugin_host(&config), Path::new("/srv/conf/~odd"));
}

#[test]
fn only_googles_one_allows_executables() {
    for (value, allowed) in [("1", true), ("0", false), ("true", false), ("", false)] {
        let fake = Fake::new().with_variable("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", value);
        assert_eq!(config(&fake).allow_executables.value, allowed, "{value}");
    }
    let both = user("[security]\nallow_executables = true")
        .with_variable("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "0");
    assert!(config(&both).allow_executables.value, "the variable allows; it does not forbid");
}

#[test]
fn a_provider_is_put_together_key_by_key() {
    let fake = Fake::new()
        .with_file(
            SYSTEM_FILE,
            "[providers.vault]\nkind = \"exec\"\ncommand = [\"/bin/v\"]\ntimeout = \"1s\"\n\
             expect.project = \"p\"\non = { unavailable = \"continue\", rejected = \"continue\" }",
        )
        .with_file(
            USER_FILE,
            "chain = [\"vault\"]\n[providers.vault]\ntimeout = \"2s\"\non.rejected = \"stop\"\n\
             [profiles.work.providers.vault]\ntimeout = \"3s\"",
        );
    let config = config(&fake);
    let vault = &config.providers["vault"];
    assert_eq!(vault.options.strings("command").unwrap(), ["/bin/v"]);
    assert_eq!(vault.options.duration("timeout").unwrap(), Duration::from_secs(2));
    assert_eq!(vault.expect.project.as_deref(), Some("p"));
    assert_eq!(vault.continue_on, [Outcome::Unavailable]);
    assert_eq!(vault.declared_in, Origin::file(SYSTEM_FILE, 2));

    let work = flagged(&fake, &flags(|flags| flags.profile = Some("work".into()))).unwrap();
    assert_eq!(work.providers["vault"].options.duration("timeout").unwrap(), Duration::from_secs(3));
}

#[test]
fn a_profile_puts_its_account_first_unless_its_table_sets_a_chain() {
    let fake = user(
        "chain = [\"gcloud\", \"persistent\", \"metadata\"]\nproject = \"home\"\n\
         [profiles.work]\nproject = \"work\"\n\
         [profiles.ci]\nchain = [\"environment\"]\ncache.store = \"none\"\n\
         [profiles.robot.providers.robot]\nkind = \"impersonate\"\nsource = \"persistent\"\n\
         [profiles.robot]\nchain = [\"robot\"]",
    );
    let chosen = |name: &str| flagged(&fake, &flags(|flags| flags.profile = Some(name.into()))).unwrap();

    let work = chosen("work");
    assert_eq!(work.chain.value, ["persistent", "gcloud", "metadata"]);
    assert_eq!(work.project.unwrap().origin, Origin::file(USER_FILE, 4));
    assert_eq!(work.profile.unwrap().origin, Origin::Flag("--profile"));

    let ci = chosen("ci");
    assert_eq!(ci.chain.value, ["environment"]);
    assert_eq!(ci.project.unwrap().value, "home");
    assert_eq!(ci.cache_store.value, CacheStore::None);

    let robot = chosen("robot");
    assert_eq!(robot.chain.value, ["robot"]);
    assert_eq!(robot.providers["robot"].kind.name, "impersonate");

    let free = chosen("free");
    assert_eq!(free.chain.value[0], "persistent");
    assert_eq!(free.project.unwrap().value, "home");

    let none = config(&fake);
    assert_eq!(none.chain.value, ["gcloud", "persistent", "metadata"]);
    assert!(!none.providers.contains_key("robot"), "it is the profile's");
    let tables: Vec<_> = none.profiles.iter().map(|(name, origin)| format!("{name} {origin}")).collect();
    assert_eq!(
        tables,
        [format!("ci {USER_FILE}:5"), format!("robot {USER_FILE}:11"), format!("work {USER_FILE}:3")]
    );

    fake.set_variable("EE_AUTH_PROFILE", "work");
    assert_eq!(config(&fake).chain.value[0], "persistent");
    fake.set_variable("EE_AUTH_CHAIN", "gcloud,persistent");
    assert_eq!(config(&fake).chain.value, ["gcloud", "persistent"], "the variable says it in full");
    assert_eq!(chosen("ci").chain.value, ["gcloud", "persistent"], "and goes above a profile");
}

#[test]
fn a_profile_has_a_table_in_every_file() {
    let fake = Fake::new()
        .with_file(SYSTEM_FILE, "[profiles.work]\nproject = \"system\"\nscopes = [\"drive\"]")
        .with_file(USER_FILE, "[profiles.work]\nproject = \"user\"")
        .with_variable("EE_AUTH_PROFILE", "work");
    let config = config(&fake);
    assert_eq!(config.project.unwrap().origin, Origin::file(USER_FILE, 2));
    assert_eq!(config.scopes.unwrap().origin, Origin::file(SYSTEM_FILE, 3));
}

#[test]
fn a_profile_puts_persistent_into_a_chain_without_it() {
    let fake = user("chain = [\"gcloud\"]").with_variable("EE_AUTH_PROFILE", "work");
    assert_eq!(config(&fake).chain.value, ["persistent", "gcloud"]);
}

#[test]
fn the_profile_in_use_is_remembered() {
    let fake = user("[profiles.work]\nproject = \"work\"");
    let host = fake.host();
    assert!(default_profile(&host).unwrap().is_none());
    set_default_profile(&host, Some(&"work".parse().unwrap())).unwrap();
    let config = config(&fake);
    assert_eq!(config.project.unwrap().value, "work");
    // It was not chosen for this run, so it beats nothing that was.
    assert_eq!(config.chain.value[0], "explicit");
    let state = "/home/user/.local/state/ee-auth/profile";
    assert_eq!(config.profile.unwrap().origin.to_string(), state);
    assert_eq!(fake.file(state).unwrap(), "work\n");

    let other = flagged(&fake, &flags(|flags| flags.profile = Some("other".into()))).unwrap();
    assert_eq!(other.profile.unwrap().value.as_str(), "other");

    fake.set_file(state, "../evil");
    let error = error(&fake);
    assert_eq!(
        error.message(),
        format!("the default profile in {state}: \"../evil\" cannot be the name of a profile")
    );
    set_default_profile(&host, None).unwrap();
    assert!(support::config(&fake).profile.is_none());
}

#[test]
fn values_tell_every_key_with_its_origin() {
    let values = config(&user(EXAMPLE)).values();
    let told = |key: &str| {
        let value = &values[key];
        (value.value.clone(), value.origin.to_string().replace(USER_FILE, "FILE"))
    };
    assert_eq!(told("project"), (json!("my-ee-project"), "FILE:1".to_owned()));
    assert_eq!(told("scopes"), (json!(["earthengine", "cloud-platform"]), "FILE:2".to_owned()));
    assert_eq!(told("providers.vault.timeout"), (json!("10s"), "FILE:12".to_owned()));
    assert_eq!(told("providers.vault.config"), (json!({"mount": "gcp"}), "FILE:15".to_owned()));
    assert_eq!(told("providers.service_account.kind"), (json!("service_account"), "FILE:5".to_owned()));
    assert_eq!(told("profile"), (json!(null), "default".to_owned()));
    assert_eq!(told("endpoints.token").0, json!("https://oauth2.googleapis.com/token"));

    let defaults = config(&Fake::new()).values();
    assert_eq!(defaults["project"].value, json!(null));
    assert_eq!(defaults["chain"].value, json!(DEFAULT_CHAIN));
    assert_eq!(defaults["cache.store"].value, json!("disk"));
    assert_eq!(defaults["security.token_hosts"].value, json!([]));
    assert!(defaults.values().all(|value| value.origin == Origin::Default));
}

#[test]
fn secrets_in_a_plugins_table_are_neither_shown_nor_debugged() {
    let secret = Secret::from("canary-4711");
    let canary = secret.expose_secret();
    let config = config(&user(&format!(
        "chain = [\"v\"]\n[providers.v]\nkind = \"exec\"\ncommand = [\"/bin/v\", \"ya29.{canary}\"]\n\
         config = {{ password = \"{canary}\", deep = {{ api_token = [\"{canary}\"], x = \"1//{canary}\" }}, mount = \"gcp\" }}"
    )));
    assert!(!format!("{config:?}").contains(canary));
    let values = config.values();
    assert!(!format!("{values:?}").contains(canary), "{values:?}");
    assert_eq!(values["providers.v.config"].value["mount"], "gcp");
    assert_eq!(config.providers["v"].options.table("config").unwrap()["password"], canary);
}

#[test]
fn settings_for_providers() {
    let fake =
        user("[endpoints]\ntoken = \"http://127.0.0.1:1/t\"\n[security]\nuniverse_domain = \"Corp.example\"")
            .with_variable("EE_AUTH_PROFILE", "work")
            .with_variable("EE_AUTH_SCOPES", "drive");
    let config = config(&fake);
    assert_eq!(config.values()["endpoints.sts"].value, "https://sts.corp.example/v1/token");
    let settings = config.settings();
    assert_eq!(settings.endpoints.token.as_str(), "http://127.0.0.1:1/t");
    assert_eq!(settings.endpoints.revoke, Endpoints::default().revoke);
    assert_eq!(settings.universe_domain, "corp.example");
    // The services that federation needs are under the universe's domain, and are trusted there alone.
    assert_eq!(settings.endpoints.sts.as_str(), "https://sts.corp.example/v1/token");
    assert_eq!(settings.endpoints.iam_credentials.as_str(), "https://iamcredentials.corp.example/");
    assert!(settings.trusted_hosts.check(Field::Sts, "https://sts.corp.example/v1/token").is_ok());
    assert!(settings.trusted_hosts.check(Field::Sts, "https://sts.googleapis.com/v1/token").is_err());
    assert!(!settings.allow_executables);
    assert_eq!(settings.profile.unwrap().as_str(), "work");
    assert_eq!(settings.scopes.unwrap().to_string(), "drive");
}

#[test]
fn a_provider_that_another_is_made_of_is_used() {
    let config = config(&user(
        "chain = [\"robot\"]\n[providers.robot]\nkind = \"impersonate\"\nsource = \"vault\"\n\
         [providers.vault]\nkind = \"exec\"\n[providers.idle]\nkind = \"exec\"\n\
         [profiles.work]\nchain = [\"used\"]\n[profiles.work.providers.used]\nkind = \"exec\"\n\
         [profiles.work.providers.idle]\nkind = \"exec\"",
    ));
    let idle =
        |line: usize| format!("{USER_FILE}:{line}: the provider `idle` is declared, and no chain names it");
    assert_eq!(config.warnings, [idle(8), idle(14)]);
}

#[test]
fn a_port_is_a_number() {
    for (text, port) in [("8085", 8085), ("0", 0), ("0xFFFF", 65_535)] {
        let config = config(&user(&format!("[providers.localhost]\nport = {text}\n")));
        assert_eq!(config.providers["localhost"].options.port("port"), Some(port), "{text}");
    }
}

/// What `plugins.host` says.
fn plugin_host(config: &ee_auth_config::Config) -> &Path {
    let Some(PluginHost::Named(program)) = &config.plugin_host else { panic!("{:?}", config.plugin_host) };
    &program.value
}
