use std::io::ErrorKind;
use std::time::Duration;

use ee_auth_core::{OAuthClient, Scopes, Secret};
use ee_auth_fake::{Change, Entry, Fake, Node};
use serde_json::json;

use super::*;

const FILE: &str = "/home/user/.config/earthengine/credentials";

/// What a login through the page is granted.
fn grant() -> Grant {
    let client = OAuthClient {
        id: "1-x.apps.googleusercontent.com".to_owned(),
        secret: Some(Secret::from("s")),
        redirect_uris: Vec::new(),
        origin: "Earth Engine's page".to_owned(),
    };
    Grant { client: Some(client), project: Some("1".to_owned()), ..plain() }
}

/// What a login with Earth Engine's own client is granted.
fn plain() -> Grant {
    Grant {
        client: None,
        refresh_token: Secret::from("r"),
        scopes: Scopes::new(["earthengine", "drive"]).unwrap(),
        redirect_uri: None,
        project: None,
        principal: Some("ada@example.com".to_owned()),
        warnings: vec!["a warning".to_owned()],
    }
}

const SCOPES: [&str; 2] =
    ["https://www.googleapis.com/auth/earthengine", "https://www.googleapis.com/auth/drive"];

fn put(fake: &Fake, grant: &Grant) -> Result<PathBuf, Error> {
    pollster::block_on(store(&fake.host(), None, grant))
}

fn set(fake: &Fake, project: Option<&str>) -> Result<PathBuf, Error> {
    pollster::block_on(set_project(&fake.host(), None, project))
}

#[track_caller]
fn content(fake: &Fake) -> Value {
    serde_json::from_str(&fake.file(FILE).expect("there is a file")).expect("it is JSON")
}

#[test]
fn the_keys_are_those_of_earthengine_api() {
    let fake = Fake::new();
    assert_eq!(put(&fake, &grant()).unwrap(), Path::new(FILE));
    let page = json!({
        "refresh_token": "r", "client_id": "1-x.apps.googleusercontent.com", "client_secret": "s", "scopes": SCOPES,
        "project": "1",
    });
    assert_eq!(content(&fake), page);
    assert_eq!(fake.entry(FILE).unwrap().mode, Some(0o600));
    assert_eq!(fake.changes(), [Change::WrittenPrivate(PathBuf::from(FILE))]);
    assert!(fake.locks().is_empty());

    let fake = Fake::new();
    let redirect_uri = Some("http://localhost:8085".to_owned());
    put(&fake, &Grant { redirect_uri, ..plain() }).unwrap();
    let localhost =
        json!({ "refresh_token": "r", "scopes": SCOPES, "redirect_uri": "http://localhost:8085" });
    assert_eq!(content(&fake), localhost);
}

#[test]
fn a_profile_has_a_directory_of_its_own() {
    let fake = Fake::new().with_file(FILE, "{}");
    let profile: ProfileName = "work".parse().unwrap();
    let path = pollster::block_on(store(&fake.host(), Some(&profile), &plain())).unwrap();
    assert_eq!(path, Path::new("/home/user/.config/earthengine/work/credentials"));
    assert_eq!(content(&fake), json!({}));
    let host = fake.host();
    let removed = remove(&pollster::block_on(lock(&host, Some(&profile))).unwrap()).unwrap();
    assert_eq!((removed, fake.file(FILE).as_deref()), (Some(path), Some("{}")));
}

#[test]
fn what_belongs_to_the_old_login_goes_and_the_rest_stays() {
    let old = json!({
        "refresh_token": "old", "client_id": "old", "client_secret": "old", "redirect_uri": "old", "scopes": ["old"],
        "project": "kept", "note": { "of": ["somebody's"] },
    });
    let fake = Fake::new().with_file(FILE, old.to_string());
    put(&fake, &plain()).unwrap();
    let wanted = json!({ "refresh_token": "r", "scopes": SCOPES, "project": "kept", "note": { "of": ["somebody's"] } });
    assert_eq!(content(&fake), wanted);
    put(&fake, &grant()).unwrap();
    assert_eq!(content(&fake)["project"], "1", "what was chosen at the login");
    // A client without a secret has none of another's.
    let client = OAuthClient { secret: None, ..grant().client.unwrap() };
    put(&fake, &Grant { client: Some(client), ..plain() }).unwrap();
    assert!(content(&fake).get("client_secret").is_none());
}

#[test]
fn a_damaged_file_is_replaced_by_a_login_alone() {
    for damaged in ["", "{", "[]", "null", "\"text\"", "{\"refresh_token\": \"old\"", "\u{feff}{}"] {
        let fake = Fake::new().with_file(FILE, damaged);
        let error = set(&fake, Some("my-project")).unwrap_err();
        assert_eq!(error.code(), "invalid.json", "{damaged}");
        assert!(error.next_step().unwrap().contains("ee-auth login --force"));
        assert!(set(&fake, None).is_err());
        assert_eq!(fake.file(FILE).unwrap(), damaged);
        put(&fake, &plain()).unwrap();
        assert_eq!(content(&fake), json!({ "refresh_token": "r", "scopes": SCOPES }), "{damaged}");
    }
    // What is no file at all is nobody's to replace.
    for node in
        [Node::Directory, Node::Fifo, Node::Zeros(2 << 20), Node::Unreadable(ErrorKind::PermissionDenied)]
    {
        let fake = Fake::new().with_entry(FILE, Entry::new(node.clone()));
        assert_eq!(put(&fake, &plain()).unwrap_err().code(), "invalid.unreadable", "{node:?}");
        assert_eq!(fake.entry(FILE).unwrap().node, node);
        assert!(fake.locks().is_empty());
    }
}

#[test]
fn the_project_alone_is_set_and_taken_away() {
    let fake = Fake::new();
    set(&fake, None).unwrap();
    assert!(fake.changes().is_empty(), "there is nothing to take away");
    set(&fake, Some("my-project")).unwrap();
    assert_eq!(content(&fake), json!({ "project": "my-project" }));
    put(&fake, &plain()).unwrap();
    set(&fake, Some("another")).unwrap();
    let stored = content(&fake);
    assert_eq!((&stored["project"], &stored["refresh_token"]), (&json!("another"), &json!("r")));
    set(&fake, None).unwrap();
    assert_eq!(content(&fake), json!({ "refresh_token": "r", "scopes": SCOPES }));
}

fn log_out(fake: &Fake) -> Result<Option<PathBuf>, Error> {
    let host = fake.host();
    let file = pollster::block_on(lock(&host, None))?;
    remove(&file)
}

#[test]
fn a_link_is_replaced_and_not_followed() {
    let fake = Fake::new().with_file("/data/elsewhere", "{\"note\": 1}");
    let fake = fake.with_entry(FILE, Entry::new(Node::Link("/data/elsewhere".into())));
    put(&fake, &plain()).unwrap();
    assert_eq!(fake.file("/data/elsewhere").unwrap(), "{\"note\": 1}");
    assert_eq!(content(&fake)["note"], 1, "what it led to was read");
    assert!(matches!(fake.entry(FILE).unwrap().node, Node::File(_)));
}

#[test]
fn a_full_disk_leaves_the_old_login() {
    let fake = Fake::new().with_file(FILE, "{\"refresh_token\": \"old\"}");
    for kind in [ErrorKind::StorageFull, ErrorKind::ReadOnlyFilesystem, ErrorKind::PermissionDenied] {
        fake.refuse_changes(Some(kind));
        for error in [
            put(&fake, &grant()).unwrap_err(),
            set(&fake, Some("my-project")).unwrap_err(),
            log_out(&fake).unwrap_err(),
        ] {
            assert_eq!(error.code(), "internal.unwritable");
            assert!(error.message().contains(FILE) && error.next_step().is_some(), "{error:?}");
        }
        assert_eq!(content(&fake), json!({ "refresh_token": "old" }));
    }
}

#[test]
fn nothing_is_changed_or_removed_while_another_holds_the_lock() {
    let fake = Fake::new().with_file(FILE, "{\"refresh_token\": \"old\"}");
    let lock = fake.host().files.try_lock(Path::new("/home/user/.config/earthengine/.credentials.lock"));
    let held = lock.unwrap().expect("nobody has it");
    for error in [
        put(&fake, &grant()).unwrap_err(),
        set(&fake, Some("my-project")).unwrap_err(),
        log_out(&fake).unwrap_err(),
    ] {
        assert_eq!(error.code(), "unavailable.locked");
        assert!(error.message().contains("/.credentials.lock; its owner may be suspended"), "{error}");
    }
    let waited: Duration = fake.sleeps().iter().sum();
    assert!((30..31).contains(&waited.as_secs()), "ten seconds each: {waited:?}");
    assert_eq!(content(&fake), json!({ "refresh_token": "old" }));
    drop(held);
    assert!(log_out(&fake).unwrap().is_some());
    // Where there are no locks, nobody waits.
    let fake = Fake::new();
    fake.refuse_locks(Some(ErrorKind::Unsupported));
    put(&fake, &plain()).unwrap();
    assert!(fake.sleeps().is_empty());
}

#[test]
fn logging_out_removes_what_killed_writers_left() {
    let left = "/home/user/.config/earthengine/.ee-auth-Ab3dE9";
    let fake = Fake::new().with_file(FILE, "{}").with_file(left, "{\"refresh_token\": \"r\"}");
    log_out(&fake).unwrap();
    assert!(fake.file(left).is_none());
    // Also where nobody is logged in.
    fake.set_file(left, "{\"refresh_token\": \"r\"}");
    assert_eq!(log_out(&fake).unwrap(), None);
    assert!(fake.file(left).is_none());
}

#[test]
fn changes_at_once_are_one_after_the_other() {
    let fake = Fake::new();
    std::thread::scope(|scope| {
        scope.spawn(|| put(&fake, &plain()).unwrap());
        scope.spawn(|| set(&fake, Some("my-project")).unwrap());
    });
    let both = json!({ "refresh_token": "r", "scopes": SCOPES, "project": "my-project" });
    assert_eq!(content(&fake), both, "neither change is lost");
}

#[test]
fn profiles_are_the_directories_with_a_login() {
    assert_eq!(profiles(&Fake::new().host()).unwrap(), []);
    let below = |name: &str| format!("/home/user/.config/earthengine/{name}");
    let fake = Fake::new()
        .with_file(FILE, "{}")
        .with_file(below("work/credentials"), "{}")
        .with_file(below("Ada Lovelace/credentials"), "{}")
        .with_file(below("notes/other"), "")
        .with_file(below("rgee_sessioninfo.txt"), "");
    let names: Vec<_> = profiles(&fake.host()).unwrap().into_iter().map(|profile| profile.name).collect();
    assert_eq!(names, ["Ada Lovelace", "work"]);
}

#[test]
fn removing_is_said_and_done_once() {
    let fake = Fake::new().with_file(FILE, "{");
    assert_eq!(log_out(&fake).unwrap().as_deref(), Some(Path::new(FILE)));
    assert_eq!(log_out(&fake).unwrap(), None);
    assert!(fake.locks().is_empty());
}

#[test]
fn without_a_home_directory_there_is_nowhere_to_store() {
    let fake = Fake::new().without_directory(ee_auth_core::host::Directory::Home);
    assert_eq!(put(&fake, &plain()).unwrap_err().code(), "invalid.no_home");
    assert_eq!(set(&fake, None).unwrap_err().code(), "invalid.no_home");
    assert_eq!(profiles(&fake.host()).unwrap(), []);
}
