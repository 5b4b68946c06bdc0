//! One machine for each finding.

use std::io;
use std::time::Duration;

use ee_auth::host::Directory;
use ee_auth_fake::{Entry, Fake, Node};
use serde_json::json;

use crate::machines::{
    ADC, CONFIG, GCLOUD, LOGIN, Says, authorized_user, google, google_that, key, logged_in, login, refusal,
    scopes,
};

/// A machine on which a rule applies.
pub(crate) struct Case {
    pub(crate) rule: &'static str,
    pub(crate) machine: Fake,
    /// What stands in its fix.
    pub(crate) fix: &'static str,
    pub(crate) online: bool,
    pub(crate) offline: bool,
    pub(crate) ci: bool,
}

fn case(rule: &'static str, machine: Fake, fix: &'static str) -> Case {
    Case { rule, machine, fix, online: false, offline: false, ci: false }
}

/// On a machine on which somebody has logged in, with Google answering so.
fn online(rule: &'static str, says: Says, fix: &'static str) -> Case {
    Case { online: true, ..case(rule, google_that(logged_in(), says), fix) }
}

fn ci(rule: &'static str, machine: Fake, fix: &'static str) -> Case {
    Case { ci: true, ..case(rule, machine, fix) }
}

fn mode(node: Node, mode: u32) -> Entry {
    Entry { mode: Some(mode), ..Entry::new(node) }
}

fn of_another(content: &str) -> Entry {
    Entry { owner: Some(1001), ..Entry::new(Node::File(content.into())) }
}

pub(crate) fn cases() -> Vec<Case> {
    let mut all = configuration();
    all.extend(chain());
    all.extend(impersonation());
    all.extend(project());
    all.extend(asked());
    all.extend(earth_engine());
    all.extend(conflicts());
    all.extend(files());
    all.extend(surroundings());
    all.extend(plugins());
    all.extend(jobs());
    all
}

fn configuration() -> Vec<Case> {
    let plugin = "[providers.x]\nkind = \"exec\"\ncommand = [\"/opt/x\"]\n";
    let with_secret = format!("{plugin}config = {{ token = \"hunter2hunter2\" }}\n");
    vec![
        case("configuration.invalid", Fake::new().with_file(CONFIG, "projct = 1"), "project"),
        case(
            "configuration.profile",
            logged_in().with_variable("EE_AUTH_PROFILE", "wrok"),
            "ee-auth --profile wrok login",
        ),
        case(
            "configuration.untrusted",
            logged_in().with_file("/project/ee-auth.toml", "[security]\ntoken_hosts = [\"evil.example\"]"),
            "ee-auth trust",
        ),
        case(
            "configuration.project_file",
            logged_in().with_file("/project/ee-auth.toml", "project = \"my-project\""),
            "config show",
        ),
        case(
            "configuration.foreign",
            logged_in().with_entry("/project/ee-auth.toml", of_another("project = \"x\"")),
            "copy",
        ),
        case(
            "configuration.link",
            logged_in()
                .with_file("/data/ee-auth.toml", "project = \"x\"")
                .with_entry("/project/ee-auth.toml", Entry::new(Node::Link("/data/ee-auth.toml".into()))),
            "copy",
        ),
        case("configuration.unused", logged_in().with_file(CONFIG, plugin), "chain"),
        case("configuration.writable", logged_in().with_file_mode(CONFIG, "", 0o666), "`chmod go-w /home"),
        case(
            "configuration.secret",
            logged_in().with_file_mode(CONFIG, with_secret, 0o644),
            "`chmod 600 /home",
        ),
    ]
}

fn chain() -> Vec<Case> {
    let gone = "/no/such/key.json";
    let metadata = Fake::new().with_variable("GCE_METADATA_HOST", "10.0.0.1");
    let gcloud = Fake::new()
        .with_program("gcloud", "/usr/bin/gcloud")
        .with_file(format!("{GCLOUD}/credentials.db"), "")
        .with_variable("CLOUDSDK_CORE_ACCOUNT", "ada@example.com")
        .with_variable("EE_AUTH_SCOPES", "cloud-platform,drive");
    vec![
        case("chain.none", Fake::new().with_person(["x"; 0]), "`ee-auth login`"),
        case("chain.failed", Fake::new().with_variable("GOOGLE_APPLICATION_CREDENTIALS", gone), "unset it"),
        case(
            "chain.passed_over",
            logged_in()
                .with_variable("GOOGLE_APPLICATION_CREDENTIALS", gone)
                .with_variable("EE_AUTH_CHAIN", "application_default,persistent")
                .with_file(CONFIG, "[providers.application_default]\non = { invalid = \"continue\" }"),
            "unset it",
        ),
        Case { offline: true, ..case("chain.not_probed", metadata, "without --offline") },
        case("chain.attention", gcloud, "do what it says"),
    ]
}

fn impersonation() -> Vec<Case> {
    let machine = |name| logged_in().with_variable(name, "robot@my-project.iam.gserviceaccount.com");
    vec![
        case("impersonation.on", machine("EE_AUTH_AS"), "--as none"),
        case("impersonation.on", machine("CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT"), "--as none"),
    ]
}

fn project() -> Vec<Case> {
    let without = json!({"refresh_token": "r", "scopes": scopes()}).to_string();
    let own_client =
        json!({"refresh_token": "r", "scopes": scopes(), "client_id": "4711-x", "client_secret": "s"});
    vec![
        case("project.missing", Fake::new().with_file(LOGIN, without), "ee-auth set-project"),
        case(
            "project.unusable",
            logged_in().with_variable("EARTHENGINE_PROJECT", "764086051850"),
            "console.cloud.google.com",
        ),
        case("project.of_client", Fake::new().with_file(LOGIN, own_client.to_string()), "set-project"),
        case(
            "project.earthengine_api",
            logged_in().with_variable("EARTHENGINE_PROJECT", "another-project"),
            "`ee-auth set-project another-project`",
        ),
        case(
            "project.others",
            logged_in().with_variable("GOOGLE_CLOUD_PROJECT", "another-project"),
            "out of date",
        ),
        case(
            "project.quota",
            Fake::new()
                .with_file(ADC, authorized_user(&json!({"quota_project_id": "charged-project"})))
                .with_variable("EE_AUTH_PROJECT", "another-project"),
            "set-quota-project",
        ),
    ]
}

fn asked() -> Vec<Case> {
    let federated = "chain = [\"ci\"]\nproject = \"my-project\"\n[providers.ci]\nkind = \"external_account\"\n\
                     audience = \"//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q\"\n\
                     preset = \"aws\"\n";
    let mut failed = google(Fake::new().with_file(CONFIG, federated));
    for (name, value) in
        [("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "s"), ("AWS_REGION", "not/a/region")]
    {
        failed = failed.with_variable(name, value);
    }
    let skewed = logged_in();
    let clock = skewed.clone();
    let skewed = google(skewed).with_response({
        let mut response = ee_auth_fake::answer(400, "{}");
        response.date = Some(clock.time() + Duration::from_secs(3600));
        response
    });
    let future = Fake::new();
    let written = future.time() + Duration::from_secs(3600);
    let content = Node::File(login(&scopes()).into());
    let future = future.with_entry(LOGIN, Entry { modified: Some(written), ..Entry::new(content) });
    vec![
        online("network.unreachable", |_| Some((0, json!(null))), "HTTPS_PROXY"),
        online(
            "token.refused",
            |path| (path == "/token").then(|| (400, json!({"error": "invalid_grant"}))),
            "ee-auth login --force",
        ),
        online("token.unavailable", |path| (path == "/token").then(|| (503, json!({}))), "again"),
        Case { online: true, ..case("token.failed", failed, "AWS_REGION") },
        online(
            "token.scopes",
            |path| {
                (path == "/tokeninfo")
                    .then(|| (200, json!({"scope": "https://www.googleapis.com/auth/drive"})))
            },
            "ee-auth login --force",
        ),
        online("token.unknown", |path| (path == "/tokeninfo").then(|| (400, json!({}))), "earth_engine"),
        Case { online: true, ..case("clock.wrong", skewed, "timedatectl") },
        case("clock.behind_files", future, "date -u"),
    ]
}

fn earth_engine() -> Vec<Case> {
    macro_rules! refused {
        ($status:literal, $reason:literal, $message:literal) => {
            |path: &str| path.ends_with("value:compute").then(|| refusal($status, $reason, $message))
        };
    }
    vec![
        online(
            "earth_engine.not_registered",
            refused!(403, "", "Not signed up for Earth Engine or project is not registered."),
            "https://console.cloud.google.com/earth-engine/configuration?project=my-project",
        ),
        online(
            "earth_engine.api_disabled",
            refused!(403, "SERVICE_DISABLED", "Google Earth Engine API has not been used in project"),
            "https://console.cloud.google.com/apis/library/earthengine.googleapis.com?project=my-project",
        ),
        online(
            "earth_engine.permission",
            refused!(403, "USER_PROJECT_DENIED", "Caller does not have required permission"),
            "Service Usage Consumer",
        ),
        online(
            "earth_engine.no_project",
            refused!(403, "", "Project 'projects/my-project' not found or deleted."),
            "ee-auth set-project",
        ),
        online(
            "earth_engine.billing",
            refused!(403, "BILLING_DISABLED", "This API method requires billing to be enabled."),
            "https://console.cloud.google.com/billing/linkedaccount?project=my-project",
        ),
        online(
            "earth_engine.scope",
            refused!(403, "ACCESS_TOKEN_SCOPE_INSUFFICIENT", "Request had insufficient scopes."),
            "--scopes",
        ),
        online("earth_engine.token", refused!(401, "", "Request had invalid credentials."), "new one"),
        online("earth_engine.unavailable", refused!(503, "", "busy"), "again"),
        online("earth_engine.refused", refused!(400, "", "no"), "another"),
    ]
}

fn conflicts() -> Vec<Case> {
    let ada = authorized_user(&json!({"account": "ada@example.com", "quota_project_id": "my-project"}));
    let bob = authorized_user(&json!({"account": "bob@example.com", "refresh_token": "b"}));
    let adc = "GOOGLE_APPLICATION_CREDENTIALS";
    vec![
        case(
            "conflicts.earthengine_login",
            logged_in().with_variable("EE_AUTH_CREDENTIALS", ada.clone()),
            "ee-auth exec -- CMD",
        ),
        case(
            "conflicts.variable_unused",
            logged_in().with_file("/keys/bob.json", bob).with_variable(adc, "/keys/bob.json"),
            "`unset GOOGLE_APPLICATION_CREDENTIALS`",
        ),
        case(
            "conflicts.in_keyring",
            Fake::new()
                .with_variable("EE_AUTH_CACHE", "keyring")
                .with_keyring_entry("credentials", login(&scopes())),
            "ee-auth exec",
        ),
        case(
            "conflicts.scopeless_key",
            Fake::new().with_file("/keys/key.json", key()).with_variable(adc, "/keys/key.json"),
            "ee-auth exec -- python",
        ),
        case(
            "conflicts.gcloud_account",
            Fake::new()
                .with_file(ADC, ada.clone())
                .with_file(format!("{GCLOUD}/credentials.db"), "")
                .with_variable("CLOUDSDK_CORE_ACCOUNT", "grace@example.com"),
            "gcloud config set account",
        ),
        case("conflicts.others", logged_in().with_file(ADC, ada), "--profile"),
        case("conflicts.broken", logged_in().with_variable(adc, "/no/such/file.json"), "unset it"),
    ]
}

fn files() -> Vec<Case> {
    let all = login(&scopes());
    let with = |scopes: &[&str]| {
        let long: Vec<_> =
            scopes.iter().map(|name| format!("https://www.googleapis.com/auth/{name}")).collect();
        Fake::new().with_file(LOGIN, login(&long))
    };
    let content = Node::File(all.clone().into());
    vec![
        case(
            "credential_files.readable",
            Fake::new().with_entry(LOGIN, mode(content, 0o644)),
            "`chmod 600 /home/user/.config/earthengine/credentials`",
        ),
        case("credential_files.owner", Fake::new().with_entry(LOGIN, of_another(&all)), "sudo chown"),
        case(
            "credential_files.directory",
            logged_in().with_entry("/home/user/.config/earthengine", mode(Node::Directory, 0o777)),
            "`chmod go-w /home/user/.config/earthengine`",
        ),
        case(
            "credential_files.link",
            Fake::new()
                .with_file("/shared/login", all)
                .with_entry(LOGIN, Entry::new(Node::Link("/shared/login".into()))),
            "EE_AUTH_CREDENTIALS",
        ),
        case(
            "credential_files.damaged",
            logged_in().with_file(ADC, "{").with_variable("EE_AUTH_CHAIN", "persistent"),
            "again",
        ),
        case("credential_files.scopes", with(&["drive"]), "ee-auth login --force"),
        case("credential_files.fewer_scopes", with(&["earthengine"]), "--mode localhost"),
        case(
            "credential_files.old_format",
            Fake::new().with_file(LOGIN, r#"{"refresh_token": "r", "project": "my-project"}"#),
            "--force",
        ),
        case(
            "credential_files.no_quota_project",
            logged_in().with_file(ADC, authorized_user(&json!({}))),
            "set-quota-project",
        ),
        case(
            "credential_files.unknown_keys",
            Fake::new()
                .with_file(LOGIN, r#"{"refresh_token": "r", "projet": "p", "scopes": ["earthengine"]}"#),
            "correct it",
        ),
    ]
}

fn surroundings() -> Vec<Case> {
    let old = Duration::from_secs(3 * 24 * 3600);
    let stand_in = logged_in();
    let then = stand_in.time() - old;
    let stand_in = stand_in.with_entry(
        "/home/user/.ee-auth-home-a",
        Entry { modified: Some(then), ..Entry::new(Node::Directory) },
    );
    let dead = google_that(logged_in(), |_| Some((0, json!(null))))
        .with_variable("GCE_METADATA_HOST", "127.0.0.1:9")
        .with_variable("CPL_MACHINE_IS_GCE", "YES");
    let no_locks = google(logged_in());
    no_locks.refuse_locks(Some(io::ErrorKind::Unsupported));
    let cache = |bits| logged_in().with_entry("/home/user/.cache/ee-auth", mode(Node::Directory, bits));
    vec![
        case(
            "variables.misspelt",
            logged_in().with_variable("GOOGLE_APPLICATION_CREDENTIAL", "x"),
            "CREDENTIALS",
        ),
        case(
            "variables.unread_credential",
            logged_in().with_variable("EE_ROBOT", key()),
            "EE_AUTH_CREDENTIALS",
        ),
        case("variables.empty", logged_in().with_variable("EE_AUTH_CREDENTIALS", " "), "unset"),
        case(
            "variables.unknown",
            logged_in().with_variable("EE_AUTH_NONSENSE", "x"),
            "`unset EE_AUTH_NONSENSE`",
        ),
        case("gcloud.not_on_path", logged_in().with_file(format!("{GCLOUD}/credentials.db"), ""), "PATH"),
        case("gcloud.not_there", Fake::new(), "ee-auth login"),
        case("login.no_home", Fake::new().without_directory(Directory::Home), "HOME"),
        case(
            "login.sudo",
            Fake::new()
                .with_user_id(Some(0))
                .with_directory(Directory::Home, "/root")
                .with_variable("SUDO_USER", "ada"),
            "without sudo",
        ),
        case("login.nobody", Fake::new(), "--quiet"),
        case(
            "login.no_browser",
            Fake::new().with_person(["x"; 0]).with_variable("SSH_CONNECTION", "a 1 b 22"),
            "--mode notebook",
        ),
        case("cache.no_place", logged_in().without_directory(Directory::Cache), "XDG_CACHE_HOME"),
        case("cache.not_writable", cache(0o500), "`chmod u+w /home"),
        case("cache.shared", cache(0o777), "`chmod go-w /home"),
        Case { online: true, ..case("cache.no_locks", no_locks, "local disk") },
        case("cache.off", logged_in().with_variable("EE_AUTH_CACHE", "none"), "EE_AUTH_CACHE"),
        case("proxy.malformed", logged_in().with_variable("HTTPS_PROXY", "http://"), "http://HOST:PORT"),
        case("proxy.malformed", logged_in().with_variable("all_proxy", "socks://a:1"), "socks5h://"),
        case(
            "proxy.spellings",
            logged_in().with_variable("HTTPS_PROXY", "http://a:1").with_variable("https_proxy", "http://b:1"),
            "unset one",
        ),
        case("proxy.loopback", logged_in().with_variable("https_proxy", "proxy:3128"), "NO_PROXY"),
        case(
            "trust_store.missing",
            logged_in().with_variable("SSL_CERT_FILE", "/no/ca.pem"),
            "unset SSL_CERT_FILE",
        ),
        case(
            "trust_store.no_certificate",
            logged_in().with_file("/ca.pem", "x").with_variable("SSL_CERT_FILE", "/ca.pem"),
            "openssl x509",
        ),
        case(
            "trust_store.python_only",
            logged_in()
                .with_file("/ca.pem", "-----BEGIN CERTIFICATE-----")
                .with_variable("REQUESTS_CA_BUNDLE", "/ca.pem"),
            "SSL_CERT_FILE=",
        ),
        case("leftovers.dead_server", dead, "`unset GCE_METADATA_HOST CPL_MACHINE_IS_GCE`"),
        case(
            "leftovers.gone_file",
            Fake::new().with_variable("GOOGLE_APPLICATION_CREDENTIALS", "/tmp/ee-auth-x.json"),
            "`unset GOOGLE_APPLICATION_CREDENTIALS`",
        ),
        case("leftovers.stand_in", stand_in, "rm -r /home/user/.ee-auth-home-a"),
        case(
            "leftovers.unfinished",
            logged_in().with_file("/home/user/.config/earthengine/work/.ee-auth-Ab3dE9", "{"),
            "rm /home/user/.config/earthengine/work/.ee-auth-Ab3dE9",
        ),
    ]
}

fn plugins() -> Vec<Case> {
    let with = |table: &str| {
        logged_in().with_file(
            CONFIG,
            format!("chain = [\"persistent\", \"x\"]\n[providers.x]\nkind = \"exec\"\ncommand = [\"/opt/x\"]\n{table}"),
        )
    };
    let there = |machine: Fake| machine.with_file_mode("/opt/x", "#!/bin/sh", 0o755);
    let pin = "sha256 = \"2f1d3a1b5a0d9d6d3d7b4f9f3e9f0f7f2f1d3a1b5a0d9d6d3d7b4f9f3e9f0f7f\"\n";
    let manifest = r#"{"version":1,"success":true,"name":"x","plugin_version":"1","ops":["describe"]}"#;
    vec![
        case("plugins.untrusted", there(with(pin)), "plugin add"),
        case("plugins.broken", there(with("")).with_output(1, "", "oh"), "`ee-auth plugin check x`"),
        case("plugins.no_get", there(with("")).with_output(0, manifest, ""), "`ee-auth plugin check x`"),
        case(
            "plugins.unpinned",
            there(with("")).with_output(0, manifest, ""),
            "`ee-auth plugin add /opt/x --name x`",
        ),
    ]
}

fn jobs() -> Vec<Case> {
    let event = r#"{"pull_request": {"head": {"repo": {"full_name": "eve/earth"}}}}"#;
    let federated = "chain = [\"ci\"]\n[providers.ci]\nkind = \"external_account\"\npreset = \"github\"\n\
                     audience = \"//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q\"\n";
    let github = || Fake::new().with_variable("GITHUB_ACTIONS", "true");
    vec![
        ci(
            "ci.fork",
            github()
                .with_variable("GITHUB_EVENT_NAME", "pull_request")
                .with_variable("GITHUB_REPOSITORY", "ada/earth")
                .with_file("/event.json", event)
                .with_variable("GITHUB_EVENT_PATH", "/event.json"),
            "status 4",
        ),
        ci("ci.empty", github().with_variable("EE_AUTH_CREDENTIALS", " "), "environment"),
        ci("ci.id_token", github().with_file(CONFIG, federated), "id-token: write"),
        ci("ci.github_id_token", github(), "id-token: write"),
        ci("ci.wrapped", github().with_variable("EE_AUTH_CREDENTIALS", "'1//r'"), "gh secret set"),
    ]
}
