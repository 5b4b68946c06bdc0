//! Files that came with a repository: where they are looked for, what they may say, and how they come to be trusted.

mod support;

use std::io::ErrorKind;
use std::path::Path;

use ee_auth_config::{Flags, LayerKind, LayerState, Origin, project_file, trust};
use ee_auth_core::Outcome;
use ee_auth_core::host::Directory;
use ee_auth_fake::{Entry, Fake, Node};
use support::{KINDS, PROJECT_FILE, USER_FILE, config, error, flagged, told, user};

const TRUST_FILE: &str = "/home/user/.local/state/ee-auth/trust.json";

/// A machine with this file in the working directory.
fn project(text: &str) -> Fake {
    Fake::new().with_file(PROJECT_FILE, text)
}

/// A directory that works in `directory`.
fn working_in(fake: Fake, directory: &str) -> Fake {
    fake.with_entry(directory, Entry::new(Node::Directory)).with_directory(Directory::Working, directory)
}

#[track_caller]
fn refused(fake: &Fake, expected: &str) {
    let told = told(&error(fake));
    assert_eq!(told, expected.trim(), "\n{told}\n");
}

/// The project that is configured, and by whom.
fn named(fake: &Fake) -> Option<String> {
    config(fake).project.map(|project| format!("{} {}", project.value, project.origin))
}

#[test]
fn it_may_set_project_scopes_and_chain() {
    let fake = project("project = \"p\"\nscopes = [\"earthengine\"]\nchain = [\"vault\", \"gcloud\"]").with_file(
        USER_FILE,
        "chain = [\"vault\"]\n[providers.vault]\nkind = \"exec\"\ncommand = [\"/bin/v\"]\n[providers.gcloud]\nexpect.project = \"mine\"",
    );
    let config = config(&fake);
    assert_eq!(config.project.unwrap().origin.to_string(), "/project/ee-auth.toml:1");
    assert_eq!(config.scopes.unwrap().value.to_string(), "earthengine");
    assert_eq!(config.chain.value, ["vault", "gcloud"]);
    assert_eq!(config.providers["vault"].options.strings("command").unwrap(), ["/bin/v"]);
    assert_eq!(config.providers["gcloud"].expect.project.as_deref(), Some("mine"));
    assert_eq!(config.layers.last().unwrap().state, LayerState::Untrusted);
}

#[test]
fn any_other_key_is_not_trusted() {
    refused(
        &project("project = \"p\"\n[providers.vault]\nkind = \"exec\"\ncommand = [\"/project/evil\"]\n"),
        "
[untrusted.project_file]
error: a project file may not set `providers` unless you allow it with `ee-auth trust`
 --> /project/ee-auth.toml:2:12
hint: whoever wrote the repository wrote this file, so it may set only project, scopes, chain; if you have read it and want it all, run `ee-auth trust /project/ee-auth.toml`",
    );
    refused(
        &project("[endpoints]\ntoken = \"https://evil.example\"\n[security]\ntoken_hosts = [\"evil.example\"]\n"),
        "
[untrusted.project_file]
error: a project file may not set `endpoints.token` unless you allow it with `ee-auth trust`
 --> /project/ee-auth.toml:2:1

error: a project file may not set `security.token_hosts` unless you allow it with `ee-auth trust`
 --> /project/ee-auth.toml:4:1
hint: whoever wrote the repository wrote this file, so it may set only project, scopes, chain; if you have read it and want it all, run `ee-auth trust /project/ee-auth.toml`",
    );
    refused(
        &project("projct = \"p\""),
        "
[untrusted.project_file]
error: a project file may not set a key other than project, scopes, chain unless you allow it with `ee-auth trust`
 --> /project/ee-auth.toml:1:1
hint: whoever wrote the repository wrote this file, so it may set only project, scopes, chain; if you have read it and want it all, run `ee-auth trust /project/ee-auth.toml`",
    );
    for key in ee_auth_config::KEYS.iter().filter(|key| !key.in_project_file) {
        let error = error(&project(&format!("{} = {}", key.path, key.example)));
        assert_eq!(error.code(), "untrusted.project_file");
        assert!(error.message().contains(&format!("`{}`", key.path)), "{error}");
        assert!(error.message().contains("ee-auth trust"), "{error}");
    }
    for text in ["profiles.work.project = \"p\"", "providers = {}", "\"project.x\" = 1", "[[project2]]"] {
        assert_eq!(error(&project(text)).outcome(), Outcome::Untrusted, "{text}");
    }
}

#[test]
fn it_may_ask_for_less_than_the_user_does() {
    refused(
        &project("scopes = [\"drive\", \"https://mail.google.com/\"]"),
        "
[untrusted.project_file]
error: a project file may not ask for a scope that your own configuration does not ask for (it asks for earthengine, cloud-platform, drive, devstorage.full_control), unless you allow it with `ee-auth trust`
 --> /project/ee-auth.toml:1:20
hint: leave the scope out, add it to `scopes` in your own ee-auth.toml, or run `ee-auth trust /project/ee-auth.toml`",
    );
    let narrow = |scopes: &str| {
        project(&format!("scopes = {scopes}")).with_file(USER_FILE, "scopes = [\"earthengine\", \"openid\"]")
    };
    config(&narrow("[\"https://www.googleapis.com/auth/earthengine\"]"));
    config(&narrow("[\"openid\"]"));
    assert_eq!(error(&narrow("[\"cloud-platform\"]")).code(), "untrusted.project_file");
}

#[test]
fn its_chain_names_what_the_user_declares() {
    let fake = project("chain = [\"vault\"]");
    assert_eq!(error(&fake).message(), "/project/ee-auth.toml:1:10: unknown provider in `chain`");
    fake.set_file(USER_FILE, "chain = [\"vault\"]\n[providers.vault]\nkind = \"exec\"");
    assert_eq!(config(&fake).chain.value, ["vault"]);
    fake.set_file(PROJECT_FILE, "chain = [\"exec\"]");
    assert!(
        error(&fake).message().ends_with("unknown provider in `chain`"),
        "a kind that runs programs is not enough"
    );
}

#[test]
fn wrong_values_are_told_by_what_was_expected() {
    let error = error(&project("project = 3"));
    assert_eq!(error.code(), "invalid.config");
    assert_eq!(error.message(), "/project/ee-auth.toml:1:11: `project` must be a string");
    assert_eq!(support::error(&project("project =")).outcome(), Outcome::Invalid);
}

#[test]
fn the_chosen_profile_and_all_above_it_beat_the_project_file() {
    let fake = project("project = \"theirs\"\nchain = [\"gcloud\"]")
        .with_file(USER_FILE, "[profiles.work]\nproject = \"mine\"")
        .with_variable("EE_AUTH_PROFILE", "work");
    let config = config(&fake);
    assert_eq!(config.project.unwrap().value, "mine");
    assert_eq!(config.chain.value, ["persistent", "gcloud"]);
}

#[test]
fn the_nearest_file_counts() {
    let fake = working_in(
        Fake::new()
            .with_file("/src/ee-auth.toml", "project = \"far\"")
            .with_file("/src/a/ee-auth.toml", "project = \"near\""),
        "/src/a/b/c",
    );
    assert_eq!(named(&fake).as_deref(), Some("near /src/a/ee-auth.toml:1"));
    assert_eq!(
        project_file(&fake.host(), &Flags::default()).unwrap().as_deref(),
        Some(Path::new("/src/a/ee-auth.toml"))
    );
    fake.remove_entry("/src/a/ee-auth.toml");
    assert_eq!(named(&fake).as_deref(), Some("far /src/ee-auth.toml:1"));
}

#[test]
fn the_way_up_ends_at_a_repository() {
    let fake = working_in(
        Fake::new()
            .with_file("/src/ee-auth.toml", "project = \"outside\"")
            .with_entry("/src/repo/.git", Entry::new(Node::Directory)),
        "/src/repo/sub",
    );
    assert_eq!(named(&fake), None);
    fake.set_file("/src/repo/ee-auth.toml", "project = \"root\"");
    assert_eq!(named(&fake).as_deref(), Some("root /src/repo/ee-auth.toml:1"));

    let worktree = working_in(
        Fake::new()
            .with_file("/src/ee-auth.toml", "project = \"outside\"")
            .with_file("/src/tree/.git", "gitdir: /elsewhere"),
        "/src/tree",
    );
    assert_eq!(named(&worktree), None);
}

#[test]
fn the_way_up_ends_at_the_home_directory() {
    let fake = working_in(
        Fake::new()
            .with_file("/home/ee-auth.toml", "project = \"beyond\"")
            .with_file("/home/user/ee-auth.toml", "project = \"home\""),
        "/home/user/src",
    );
    assert_eq!(named(&fake).as_deref(), Some("home /home/user/ee-auth.toml:1"));
    fake.remove_entry("/home/user/ee-auth.toml");
    assert_eq!(named(&fake), None);
}

#[test]
fn the_way_up_ends_at_a_mount_point() {
    let on = |device| Entry { device, ..Entry::new(Node::Directory) };
    let fake = Fake::new()
        .with_file("/mnt/ee-auth.toml", "project = \"beyond\"")
        .with_entry("/mnt", on(1))
        .with_entry("/mnt/disk", on(2))
        .with_entry("/mnt/disk/a", on(2))
        .with_directory(Directory::Working, "/mnt/disk/a");
    assert_eq!(named(&fake), None);
    fake.set_entry(
        "/mnt/disk/ee-auth.toml",
        Entry { device: 2, ..Entry::new(Node::File(b"project = \"disk\"".into())) },
    );
    assert_eq!(named(&fake).as_deref(), Some("disk /mnt/disk/ee-auth.toml:1"));
}

#[test]
fn links_to_the_working_directory_are_followed() {
    let fake = Fake::new()
        .with_file("/real/repo/ee-auth.toml", "project = \"p\"")
        .with_file("/home/user/ee-auth.toml", "project = \"wrong\"")
        .with_entry("/real/repo/sub", Entry::new(Node::Directory))
        .with_entry("/home/user/link", Entry::new(Node::Link("/real/repo/sub".into())))
        .with_directory(Directory::Working, "/home/user/link");
    assert_eq!(named(&fake).as_deref(), Some("p /real/repo/ee-auth.toml:1"));
}

#[test]
fn the_file_of_another_user_is_not_read() {
    let foreign = |text: &str| Entry { owner: Some(0), ..Entry::new(Node::File(text.into())) };
    let fake = working_in(
        Fake::new()
            .with_file("/src/ee-auth.toml", "project = \"mine\"")
            .with_entry("/src/a/ee-auth.toml", foreign("[endpoints]\ntoken = \"https://evil.example\"")),
        "/src/a",
    );
    let config = config(&fake);
    assert_eq!(config.project.unwrap().value, "mine", "and the search goes on");
    assert!(config.layers.iter().any(|layer| layer.kind == LayerKind::Project
        && layer.state == LayerState::Foreign
        && layer.path == Path::new("/src/a/ee-auth.toml")));
    assert_eq!(config.warnings, ["/src/a/ee-auth.toml: not read, since it belongs to another user"]);
    assert!(!fake.files_read().iter().any(|path| path == Path::new("/src/a/ee-auth.toml")));

    let root = fake.clone().with_user_id(Some(0));
    assert_eq!(error(&root).code(), "untrusted.project_file", "it is root's, and root reads it");
    let error = trust::trust(&fake.with_user_id(Some(1000)).host(), Path::new("/src/a/ee-auth.toml"))
        .expect_err("foreign");
    assert_eq!(error.outcome(), Outcome::Untrusted);
}

#[test]
fn where_the_user_is_not_known_the_home_directory_says_who_it_is() {
    let entry = |owner, node| Entry { owner: Some(owner), ..Entry::new(node) };
    let fake = Fake::new()
        .with_user_id(None)
        .with_entry("/home/user", entry(7, Node::Directory))
        .with_entry(PROJECT_FILE, entry(8, Node::File(b"project = \"p\"".into())));
    assert_eq!(named(&fake), None);
    fake.set_entry(PROJECT_FILE, entry(7, Node::File(b"project = \"p\"".into())));
    assert!(named(&fake).is_some());
}

#[test]
fn a_file_that_is_loaded_already_is_no_project_file() {
    let own = working_in(user("[cache]\nstore = \"none\""), "/home/user/.config/ee-auth");
    assert_eq!(config(&own).layers.len(), 2);

    let named = project("[cache]\nstore = \"none\"").with_variable("EE_AUTH_CONFIG", "ee-auth.toml");
    assert_eq!(config(&named).cache_store.origin, Origin::file(PROJECT_FILE, 2));

    let linked = project("[cache]\nstore = \"none\"")
        .with_entry(USER_FILE, Entry::new(Node::Link(PROJECT_FILE.into())));
    assert_eq!(config(&linked).layers.len(), 2);

    let replaced = working_in(user("[cache]\nstore = \"none\""), "/home/user/.config/ee-auth")
        .with_file("/other.toml", "");
    let flags = Flags { config: Some("/other.toml".into()), ..Flags::default() };
    assert_eq!(flagged(&replaced, &flags).unwrap().layers.len(), 2, "the user's own is never a project's");
}

#[test]
fn trust_makes_it_the_users_word_until_it_changes() {
    let fake = project("[cache]\nstore = \"none\"");
    let host = fake.host();
    let path = Path::new(PROJECT_FILE);
    assert_eq!(error(&fake).outcome(), Outcome::Untrusted);
    assert!(!trust::is_trusted(&host, path).unwrap());

    let trusted = trust::trust(&host, Path::new("ee-auth.toml")).unwrap();
    assert_eq!(trusted.path, path);
    assert_eq!(trusted.sha256.len(), 64);
    assert_eq!(trust::list(&host).unwrap(), [trusted]);
    assert!(trust::is_trusted(&host, path).unwrap());
    assert_eq!(fake.entry(TRUST_FILE).unwrap().mode, Some(0o600));
    let config = config(&fake);
    assert_eq!(config.cache_store.origin, Origin::file(PROJECT_FILE, 2));
    assert_eq!(config.layers.last().unwrap().state, LayerState::Trusted);

    fake.set_file(PROJECT_FILE, "[cache]\nstore = \"disk\"");
    assert!(!trust::is_trusted(&host, path).unwrap());
    refused(
        &fake,
        "
[untrusted.project_file]
error: the project file has changed since you trusted it, and may not set `cache.store` unless you allow it with `ee-auth trust`
 --> /project/ee-auth.toml:2:1
hint: look at what has changed, then run `ee-auth trust /project/ee-auth.toml`",
    );

    assert!(trust::untrust(&host, path).unwrap());
    assert!(!trust::untrust(&host, path).unwrap());
    assert!(trust::list(&host).unwrap().is_empty());
    assert!(error(&fake).message().contains("a project file may not set"));
}

#[test]
fn trust_is_of_one_file_and_not_of_its_content() {
    let text = "[cache]\nstore = \"none\"";
    let fake = project(text).with_file("/elsewhere/ee-auth.toml", text);
    trust::trust(&fake.host(), Path::new(PROJECT_FILE)).unwrap();
    fake.set_directory(Directory::Working, "/elsewhere");
    assert_eq!(error(&fake).outcome(), Outcome::Untrusted);
}

#[test]
fn what_a_trusted_file_runs_is_pinned() {
    let fake = project("chain = [\"vault\"]\n[providers.vault]\nkind = \"exec\"\ncommand = [\"/bin/v\"]");
    trust::trust(&fake.host(), Path::new(PROJECT_FILE)).unwrap();
    refused(
        &fake,
        "
[untrusted.unpinned]
error: a project file must pin what the provider `vault` runs: `sha256` is missing
 --> /project/ee-auth.toml:2:12
  |
2 | [providers.vault]
  |            ^^^^^
hint: add `sha256 = \"…\"`, as `sha256sum FILE` prints it",
    );
    // A pin of the user's holds as well, unless the kind is another.
    fake.set_file(USER_FILE, "chain = [\"vault\"]\n[providers.vault]\nkind = \"exec\"\nsha256 = \"00\"");
    config(&fake);
    fake.set_file(USER_FILE, "chain = [\"vault\"]\n[providers.vault]\nkind = \"dynamic\"\nsha256 = \"00\"");
    assert_eq!(error(&fake).code(), "untrusted.unpinned");

    let pinned =
        project("chain = [\"v\"]\n[providers.v]\nkind = \"dynamic\"\npath = \"lib.so\"\nsha256 = \"00\"");
    trust::trust(&pinned.host(), Path::new(PROJECT_FILE)).unwrap();
    assert_eq!(config(&pinned).providers["v"].options.path("path").unwrap(), Path::new("/project/lib.so"));
    let robot = project("chain = [\"r\"]\n[providers.r]\nkind = \"impersonate\"\nsource = \"gcloud\"");
    trust::trust(&robot.host(), Path::new(PROJECT_FILE)).unwrap();
    config(&robot);
}

#[test]
fn trust_of_what_is_not_there() {
    let fake = Fake::new();
    let host = fake.host();
    let missing = trust::trust(&host, Path::new("/project/none.toml")).expect_err("missing");
    assert!(missing.message().starts_with("looking for /project/none.toml: "), "{missing}");
    assert_eq!(missing.outcome(), Outcome::Invalid);
    assert!(!trust::untrust(&host, Path::new("/project/none.toml")).unwrap());

    fake.set_file(PROJECT_FILE, "");
    trust::trust(&host, Path::new(PROJECT_FILE)).unwrap();
    fake.remove_entry(PROJECT_FILE);
    assert!(trust::untrust(&host, Path::new(PROJECT_FILE)).unwrap(), "a file that is gone can be forgotten");
}

#[test]
fn a_list_that_cannot_be_relied_on() {
    let fake = project("project = \"p\"");
    for content in
        ["", "[]", "{\"version\":2,\"files\":{}}", "{\"version\":1}", "{\"version\":1,\"files\":[]}", "\0"]
    {
        fake.set_file(TRUST_FILE, content);
        let error = error(&fake);
        assert_eq!(error.code(), "invalid.trust", "{content:?}");
        assert!(error.message().contains(TRUST_FILE), "{error}");
    }
    let writable =
        project("project = \"p\"").with_file_mode(TRUST_FILE, "{\"version\":1,\"files\":{}}", 0o666);
    assert_eq!(error(&writable).code(), "untrusted.trust");
    let foreign = project("project = \"p\"").with_entry(
        TRUST_FILE,
        Entry { owner: Some(5), ..Entry::new(Node::File(b"{\"version\":1,\"files\":{}}".into())) },
    );
    assert_eq!(error(&foreign).code(), "untrusted.trust");

    let full = project("[cache]\nstore = \"none\"");
    full.refuse_changes(Some(ErrorKind::StorageFull));
    let error = trust::trust(&full.host(), Path::new(PROJECT_FILE)).expect_err("no room");
    assert_eq!(error.outcome(), Outcome::Internal);
    assert!(error.message().starts_with("keeping the list of trusted files"), "{error}");
    let homeless = project("").without_directory(Directory::State);
    assert!(trust::trust(&homeless.host(), Path::new(PROJECT_FILE)).is_err());
}

#[test]
fn without_a_project_file_the_list_is_not_read() {
    let fake = Fake::new().with_file(TRUST_FILE, "nonsense");
    config(&fake);
    assert!(!fake.files_read().iter().any(|path| path == Path::new(TRUST_FILE)));
}

#[test]
fn a_link_is_not_a_project_file() {
    let linked = |target: &str| {
        working_in(
            Fake::new()
                .with_file("/mine/ee-auth.toml", "[cache]\nstore = \"none\"")
                .with_file("/src/ee-auth.toml", "project = \"above\"")
                .with_entry("/src/evil/ee-auth.toml", Entry::new(Node::Link(target.into()))),
            "/src/evil",
        )
    };
    // What is trusted where it leads is not trusted here.
    let fake = linked("/mine/ee-auth.toml");
    trust::trust(&fake.host(), Path::new("/mine/ee-auth.toml")).unwrap();
    let config = config(&fake);
    assert_eq!(config.project.unwrap().value, "above", "and the search goes on");
    assert_eq!(config.cache_store.origin, Origin::Default);
    assert_eq!(config.warnings, ["/src/evil/ee-auth.toml: not read, since it is a symbolic link"]);
    assert!(config.layers.iter().any(|layer| layer.state == LayerState::Link));
    // Nor can it be trusted by its own name.
    for path in ["/src/evil/ee-auth.toml", "ee-auth.toml"] {
        let error = trust::trust(&fake.host(), Path::new(path)).expect_err("a link");
        assert_eq!(error.code(), "untrusted.project_file");
        assert!(error.message().contains("/src/evil/ee-auth.toml is a symbolic link"), "{error}");
        assert!(!trust::is_trusted(&fake.host(), Path::new(path)).unwrap());
    }
    // What an older version has trusted through it is revoked by either name.
    assert!(trust::untrust(&fake.host(), Path::new("ee-auth.toml")).unwrap());
    assert!(trust::list(&fake.host()).unwrap().is_empty());
    // One that leads nowhere is one, and a relative one.
    for target in ["/nowhere", "../../mine/ee-auth.toml", "ee-auth.toml"] {
        assert_eq!(named(&linked(target)).as_deref(), Some("above /src/ee-auth.toml:1"), "{target}");
    }
}

#[test]
fn a_link_on_the_way_to_a_project_file_lends_it_no_trust() {
    let fake = Fake::new()
        .with_file("/mine/project/ee-auth.toml", "[cache]\nstore = \"none\"")
        .with_entry("/src/evil", Entry::new(Node::Link("/mine/project".into())));
    // The file is known by the directory that it is really in, and that is where its paths begin.
    let trusted = trust::trust(&fake.host(), Path::new("/src/evil/ee-auth.toml")).unwrap();
    assert_eq!(trusted.path, Path::new("/mine/project/ee-auth.toml"));
    let fake = working_in(fake, "/mine/project");
    assert_eq!(config(&fake).cache_store.origin, Origin::file("/mine/project/ee-auth.toml", 2));
    // With another directory in the place of the link, nothing is trusted.
    fake.set_entry("/src/evil", Entry::new(Node::Directory));
    fake.set_file("/src/evil/ee-auth.toml", "[cache]\nstore = \"none\"");
    let fake = working_in(fake, "/src/evil");
    assert_eq!(error(&fake).code(), "untrusted.project_file");
}

#[test]
fn a_link_may_mark_the_root_of_a_repository() {
    for target in ["/elsewhere/git", "/nowhere"] {
        let fake = working_in(
            Fake::new()
                .with_file("/src/ee-auth.toml", "project = \"above\"")
                .with_file("/elsewhere/git/config", "")
                .with_entry("/src/repo/.git", Entry::new(Node::Link(target.into()))),
            "/src/repo",
        );
        assert_eq!(named(&fake), None, "{target}");
    }
}

#[test]
fn nothing_is_trusted_in_a_directory_that_another_user_can_write() {
    let directory = |owner, mode| Entry { owner, mode: Some(mode), ..Entry::new(Node::Directory) };
    let text = "[providers.service_account]\nkey_file = \"key.json\"";
    for (owner, mode, may) in [
        (None, 0o755, true),
        (Some(0), 0o755, true),
        (None, 0o775, true),
        (None, 0o777, false),
        (Some(0), 0o1777, false),
        (Some(7), 0o755, false),
    ] {
        let fake = project(text);
        fake.set_entry("/project", directory(owner, mode));
        let outcome = trust::trust(&fake.host(), Path::new(PROJECT_FILE));
        assert_eq!(outcome.is_ok(), may, "{owner:?} {mode:o}");
        // Nor later on.
        fake.set_entry("/project", directory(None, 0o755));
        trust::trust(&fake.host(), Path::new(PROJECT_FILE)).unwrap();
        assert!(trust::is_trusted(&fake.host(), Path::new(PROJECT_FILE)).unwrap());
        fake.set_entry("/project", directory(owner, mode));
        assert_eq!(trust::is_trusted(&fake.host(), Path::new(PROJECT_FILE)).unwrap(), may);
        let loaded = ee_auth_config::load(&fake.host(), &KINDS, &Flags::default());
        assert_eq!(loaded.is_ok(), may, "{owner:?} {mode:o}");
    }
}

/// Files of other programs, and ee-auth.toml with something wrong at every place. The word is in each several times.
const HOLDING: [&str; 22] = [
    "machine host login me password c4n4ry\n",
    "c4n4ry",
    "c4n4ry = 1",
    "c4n4ry = \"c4n4ry",
    "\"c4n4ry\" = {",
    "[c4n4ry]\nc4n4ry = 1",
    "[c4n4ry.c4n4ry]\nc4n4ry = 1\nc4n4ry = 1",
    "c4n4ry = 1\nc4n4ry = 2",
    "project = \"c4n4ry c4n4ry\"",
    "project = [\"c4n4ry\"]",
    "project = c4n4ry",
    "project.c4n4ry = 1",
    "scopes = [\"c4n4ry\"]",
    "scopes = \"c4n4ry\"",
    "scopes = [\"https://c4n4ry/\", 1]",
    "chain = [\"c4n4ry\"]",
    "chain = [\"gcloud\", \"c4n4ry\", \"c4n4ry\"]",
    "providers.c4n4ry = 1",
    "[providers.\"c4n4ry c4n4ry\"]\nkind = \"c4n4ry\"",
    "[providers.service_account]\nkey_file = \"c4n4ry\"\nc4n4ry = 1",
    "[profiles.\"c4n4ry c4n4ry\"]\nproject = \"c4n4ry\"",
    "{\"refresh_token\": \"c4n4ry\"}",
];

#[test]
fn nothing_that_stands_in_an_untrusted_file_is_shown() {
    for text in HOLDING {
        let fake = project(text);
        let told = format!("{:?} {}", error(&fake), told(&error(&fake)));
        assert!(!told.contains("c4n4ry"), "{text}\n{told}");
        assert!(told.contains("/project/ee-auth.toml:"), "where it is wrong\n{text}\n{told}");
    }
    let latin = project("").with_file(PROJECT_FILE, b"c4n4ry \xff".to_vec());
    assert!(!told(&error(&latin)).contains("c4n4ry"));
    // Nor once it was trusted and has changed.
    let fake = project("project = \"p\"");
    trust::trust(&fake.host(), Path::new(PROJECT_FILE)).unwrap();
    fake.set_file(PROJECT_FILE, "[c4n4ry]\nc4n4ry = 1");
    assert!(!told(&error(&fake)).contains("c4n4ry"));
    // What is trusted is the user's own, and is shown.
    let fake = project("c4n4ry = 1");
    trust::trust(&fake.host(), Path::new(PROJECT_FILE)).unwrap();
    assert!(told(&error(&fake)).contains("c4n4ry"));
}

#[test]
fn validating_shows_nothing_of_an_untrusted_file() {
    for text in HOLDING.iter().chain(&[
        "[cache]\nstore = \"c4n4ry\"",
        "cache.store = [\"c4n4ry\"]",
        "cache.c4n4ry = 1",
    ]) {
        let fake = project(text).with_file("/home/user/.netrc", *text);
        fake.set_entry("/project/other.toml", Entry::new(Node::Link("/home/user/.netrc".into())));
        for path in ["ee-auth.toml", "other.toml"] {
            let Err(error) = ee_auth_config::validate(&fake.host(), &KINDS, Path::new(path), false) else {
                continue;
            };
            assert!(!told(&error).contains("c4n4ry"), "{path} {text}\n{}", told(&error));
        }
        // A draft of the user's is shown.
        fake.set_file("/project/draft.toml", "c4n4ry = 1");
        let error =
            ee_auth_config::validate(&fake.host(), &KINDS, Path::new("draft.toml"), false).unwrap_err();
        assert!(told(&error).contains("c4n4ry"));
    }
}

#[test]
fn changes_to_the_list_at_once_are_all_recorded() {
    let fake = Fake::new();
    let names: Vec<String> = (0..16).map(|number| format!("/many/{number}/ee-auth.toml")).collect();
    names.iter().for_each(|name| fake.set_file(name, ""));
    // Each thread that waits moves the fake clock, so the time to wait can pass before the lock is free: then it asks again.
    let waited = |error: &ee_auth_core::Error| error.code() == "unavailable.locked";
    let trust =
        |name: &str| while trust::trust(&fake.host(), Path::new(name)).is_err_and(|error| waited(&error)) {};
    let revoke = |name: &str| {
        while trust::untrust(&fake.host(), Path::new(name)).is_err_and(|error| waited(&error)) {}
    };
    std::thread::scope(|scope| {
        for name in &names {
            scope.spawn(|| trust(name));
        }
    });
    assert_eq!(trust::list(&fake.host()).unwrap().len(), names.len());
    std::thread::scope(|scope| {
        let (revoked, trusted) = names.split_at(8);
        for (revoked, trusted) in revoked.iter().zip(trusted) {
            scope.spawn(|| revoke(revoked));
            scope.spawn(|| trust(trusted));
        }
    });
    let left: Vec<_> = trust::list(&fake.host()).unwrap().into_iter().map(|trusted| trusted.path).collect();
    assert_eq!(left.len(), 8, "{left:?}");
}

#[test]
fn a_list_that_is_locked_for_good_is_not_written() {
    let fake = project("");
    let _held =
        fake.host().files.try_lock(&Path::new(TRUST_FILE).with_file_name(".trust.json.lock")).unwrap();
    let error = trust::trust(&fake.host(), Path::new(PROJECT_FILE)).expect_err("somebody holds it");
    assert_eq!(error.code(), "unavailable.locked");
    assert!(error.message().contains("timed out waiting for the lock"), "{error}");
    assert!(fake.file(TRUST_FILE).is_none());
}
