//! Where secrets can be, and what can be wrong with them there.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ee_auth_sandbox::User;
use serde_json::{Value, json};

use super::Place;
use super::secrets::Secrets;
use crate::support::{Machine, share};

/// What makes the text that holds a secret.
type Make = fn(&Identities) -> String;

/// All secrets that one machine's Google gives out for a person and a service account.
pub(super) struct Identities {
    pub(super) machine: Machine,
    secrets: Secrets,
    pub(super) user: User,
    pub(super) pem: String,
    pub(super) key: String,
    access_token: String,
}

impl Identities {
    pub(super) fn new() -> Self {
        let machine = Machine::with_google();
        let google = machine.google();
        let (user, robot) = (google.user(), google.service_account());
        let mut secrets = Secrets::default();
        let pem = robot.pem().to_owned();
        // The armour of a PEM is the same in all.
        let body: Vec<_> = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        body.iter().for_each(|line| secrets.add(line));
        let access_token = google.access_token();
        for secret in [user.refresh_token(), user.client().secret(), &access_token] {
            let prefix =
                ["ya29.", "1//0", "GOCSPX-"].into_iter().find_map(|prefix| secret.strip_prefix(prefix));
            secrets.add(prefix.expect("secrets have the form of Google's"));
        }
        let key = robot.key_json();
        Self { machine, secrets, user, pem, key, access_token }
    }

    pub(super) fn place(
        self,
        what: impl Into<String>,
        status: Option<i32>,
        make: impl FnOnce(Machine) -> Machine,
    ) -> Place {
        let Self { machine, secrets, .. } = self;
        Place { what: what.into(), machine: make(machine), secrets, status }
    }
}

fn base64(text: &str) -> String {
    STANDARD.encode(text)
}
/// Credentials that work, one in each place that can hold one.
pub(super) fn good_places() -> Vec<Place> {
    let mut places = Vec::new();
    let variable = |name: &'static str, value: Make| {
        let identities = Identities::new();
        let value = value(&identities);
        identities.place(format!("a good {name}"), Some(0), |machine| machine.with(name, value))
    };
    places.push(variable("EE_AUTH_CREDENTIALS", |all| base64(&all.key)));

    let all = Identities::new();
    let login = all.user.earthengine_file_json();
    places.push(all.place("a stored login", Some(0), |machine| {
        let path = machine.write(".config/earthengine/credentials", login);
        // So that there is something to warn of.
        share(&path);
        machine
    }));

    places.push(variable("EARTHENGINE_TOKEN", |all| all.access_token.clone()));

    let all = Identities::new();
    let (key, refresh_token) = (all.key.clone(), all.user.refresh_token().to_owned());
    places.push(all.place(
        "a key in the configuration, and others that are not reached",
        Some(0),
        |machine| {
            let path = machine.write("key.json", &key);
            machine.configure(&format!("project = \"p\"\n[providers.service_account]\nkey_file = {path:?}"));
            let machine = machine.with("GOOGLE_APPLICATION_CREDENTIALS", &path);
            machine.write(".config/gcloud/application_default_credentials.json", &key);
            machine.write("work/ee-auth.toml", "scopes = [\"earthengine\"]");
            machine.with("EE_AUTH_PROFILE", "").with("UNRELATED", refresh_token)
        },
    ));
    places
}

/// Credentials that fail, in each place, and each in its own way.
pub(super) fn bad_places() -> Vec<Place> {
    let mut places = variables();
    places.extend(files());
    places.extend(configurations());
    places.extend(exchanges());
    places
}

/// What people paste into a variable, and what becomes of it on the way.
fn variables() -> Vec<Place> {
    let damages: [(&str, Make); 12] = [
        ("cut off", |all| all.key[..all.key.len() / 2].to_owned()),
        ("cut off in base64", |all| base64(&all.key)[..1001].to_owned()),
        ("the PEM alone", |all| all.pem.clone()),
        ("the body of the PEM alone", |all| all.pem.lines().nth(1).unwrap_or_default().to_owned()),
        ("JSON in which a secret stands without quotes", |all| {
            format!("{{\"refresh_token\": {}}}", all.user.refresh_token())
        }),
        ("a secret given twice", |all| {
            let token = all.user.refresh_token();
            format!("{{\"{token}\": 1, \"{token}\": 2}}")
        }),
        ("a secret with a line break", |all| {
            format!("{{\"refresh_token\": \"{}\\r\\nx\"}}", all.user.refresh_token())
        }),
        ("another type", |all| format!("{{\"type\": \"{}\"}}", all.user.refresh_token())),
        ("words around it", |all| format!("token: {} ", all.access_token)),
        ("a client's secret", |all| all.user.client().secret().to_owned()),
        ("the client's file", |all| all.user.client().client_json()),
        ("a path with a secret in it", |all| format!("/no/such/{}/key.json", all.user.refresh_token())),
    ];
    let mut names =
        ["EE_AUTH_CREDENTIALS", "EARTHENGINE_CREDENTIALS", "EE_SERVICE_ACCOUNT_KEY"].into_iter().cycle();
    let mut places: Vec<_> = damages
        .into_iter()
        .map(|(damage, value)| {
            let all = Identities::new();
            let (name, value) = (names.next().expect("they go round"), value(&all));
            all.place(format!("{name}: {damage}"), Some(3), |machine| machine.with(name, value))
        })
        .collect();
    type Pair = fn(&Identities) -> [(&'static str, String); 2];
    let pairs: [(&str, Pair); 3] = [
        ("a key that is not the account's", |all| {
            [
                ("EE_SERVICE_ACCOUNT", "other@p.iam.gserviceaccount.com".to_owned()),
                ("EE_SA_CREDENTIALS_FILE", all.key.clone()),
            ]
        }),
        ("a key where the e-mail should be", |all| {
            [("GEE_SERVICE_ACCOUNT", all.pem.clone()), ("GEE_KEY_FILE", all.pem.clone())]
        }),
        ("two different credentials", |all| {
            [
                ("EARTHENGINE_TOKEN", all.user.refresh_token().to_owned()),
                ("GEE_SERVICE_ACCOUNT_KEY", all.key.clone()),
            ]
        }),
    ];
    places.extend(pairs.into_iter().map(|(what, variables)| {
        let all = Identities::new();
        let variables = variables(&all);
        let with = |machine: Machine, (name, value): (&'static str, String)| machine.with(name, value);
        all.place(what, Some(3), |machine| variables.into_iter().fold(machine, with))
    }));
    // A key itself where its path should be: what CI jobs do with this variable.
    let values: [(&str, Make); 3] = [
        ("JSON", |all| all.key.clone()),
        ("base64", |all| base64(&all.key)),
        ("a token", |all| all.user.refresh_token().to_owned()),
    ];
    places.extend(values.into_iter().map(|(what, value)| {
        let all = Identities::new();
        let value = value(&all);
        all.place(format!("GOOGLE_APPLICATION_CREDENTIALS: {what}"), Some(3), |machine| {
            machine.with("GOOGLE_APPLICATION_CREDENTIALS", value)
        })
    }));
    places
}

/// Files that are wrong, where each provider looks.
fn files() -> Vec<Place> {
    let adc = ".config/gcloud/application_default_credentials.json";
    let login = ".config/earthengine/credentials";
    let with = |json: &str, field: &str, value: Value| {
        let mut json: Value = serde_json::from_str(json).expect("JSON");
        json[field] = value;
        json.to_string()
    };
    let mut places = Vec::new();
    let mut add =
        |what: &str, path: &'static str, status: Option<i32>, content: &dyn Fn(&Identities) -> String| {
            let all = Identities::new();
            let content = content(&all);
            places.push(all.place(format!("{path}: {what}"), status, |machine| {
                let path = machine.write(path, content);
                if path.ends_with("key.json") {
                    machine.with("GOOGLE_APPLICATION_CREDENTIALS", path)
                } else {
                    machine
                }
            }));
        };
    add("cut off", login, Some(3), &|all| {
        let login = all.user.earthengine_file_json();
        login[..login.len() - 9].to_owned()
    });
    add("not JSON", login, Some(3), &|all| format!("refresh_token = {}", all.user.refresh_token()));
    add("a secret among the scopes", login, None, &|all| {
        with(&all.user.earthengine_file_json(), "scopes", json!([all.user.refresh_token()]))
    });
    add("a list of secrets", login, Some(3), &|all| {
        with(&all.user.earthengine_file_json(), "refresh_token", json!([all.user.refresh_token()]))
    });
    add("a secret as the project", login, None, &|all| {
        with(&all.user.earthengine_file_json(), "project", json!(all.user.refresh_token()))
    });
    add("no client's secret", adc, Some(3), &|all| {
        with(&all.user.authorized_user_json(), "client_secret", Value::Null)
    });
    add("another universe", adc, Some(7), &|all| {
        with(&all.user.authorized_user_json(), "universe_domain", json!(all.user.refresh_token()))
    });
    add("a broken key", "key.json", Some(3), &|all| {
        with(&all.key, "private_key", json!(all.pem.replacen('M', "", 1)))
    });
    add("a key without its lines", "key.json", None, &|all| {
        with(&all.key, "private_key", json!(all.pem.replace('\n', " ")))
    });
    add("a secret as the address", "key.json", Some(3), &|all| {
        with(&all.key, "client_email", json!(all.pem))
    });
    add("a strange host with a password", "key.json", Some(7), &|all| {
        let password = all.user.client().secret();
        with(&all.key, "token_uri", json!(format!("https://user:{password}@oauth2.googleapis.com/token")))
    });
    add("a secret in an address", "key.json", None, &|all| {
        with(
            &all.key,
            "token_uri",
            json!(format!("https://evil.example/{}?t={}", all.access_token, all.access_token)),
        )
    });
    places
}

/// Secrets that have slipped into the configuration, and into variables that mean something else.
fn configurations() -> Vec<Place> {
    let texts: [(&str, Make); 9] = [
        ("an unknown key", |all| format!("client_secret = {:?}", all.user.client().secret())),
        ("a wrong type", |all| format!("scopes = {:?}", all.user.refresh_token())),
        ("an unknown provider", |all| format!("chain = [{:?}]", all.user.refresh_token())),
        ("no TOML", |all| all.key.clone()),
        ("the PEM", |all| all.pem.clone()),
        ("a key over several lines", |all| {
            format!("[providers.service_account]\nprivate_key = \"\"\"{}\"\"\"", all.pem)
        }),
        ("a password in an address", |all| {
            format!("[endpoints]\ntoken = \"https://user:{}@sts.example/token\"", all.user.client().secret())
        }),
        ("a string without its end", |all| format!("[providers.x]\ntoken = \"{}", all.access_token)),
        ("a table of that name", |all| format!("[providers.\"{}\"]\nkind = \"nothing\"", all.access_token)),
    ];
    let mut places: Vec<_> = texts
        .into_iter()
        .map(|(what, text)| {
            let all = Identities::new();
            let text = text(&all);
            all.place(format!("ee-auth.toml: {what}"), Some(3), |machine| {
                machine.write(machine.user_file(), text);
                machine
            })
        })
        .collect();
    let all = Identities::new();
    let text = format!("client_secret = {:?}", all.user.client().secret());
    places.push(all.place("a project file", Some(7), |machine| {
        machine.write("work/ee-auth.toml", text);
        machine
    }));
    let names = [
        "EE_AUTH_PROJECT",
        "EE_AUTH_PROFILE",
        "EE_AUTH_SCOPES",
        "EE_AUTH_CHAIN",
        "EE_AUTH_CACHE",
        "EE_AUTH_CONFIG",
        "EE_AUTH_LOG",
        "EARTHENGINE_PROJECT",
    ];
    places.extend(names.map(|name| {
        let all = Identities::new();
        let value = all.user.refresh_token().to_owned();
        all.place(format!("{name} holds a refresh token"), None, |machine| machine.with(name, value))
    }));
    let names = [
        "EE_AUTH_PROJECT",
        "EARTHENGINE_PROJECT",
        "EE_AUTH_SCOPES",
        "EE_AUTH_CHAIN",
        "EE_AUTH_CONFIG",
        "EE_AUTH_LOG",
    ];
    places.extend(names.map(|name| {
        let all = Identities::new();
        let value = all.key.clone();
        // A level on the command line is enough, whatever the variable says.
        let status = (name != "EE_AUTH_LOG").then_some(3);
        all.place(format!("{name} holds a key"), status, |machine| machine.with_login().with(name, value))
    }));
    let all = Identities::new();
    let key = all.key.clone();
    places.push(all.place("a key in the place of its path", Some(3), |machine| {
        machine.configure(&format!("[providers.service_account]\nkey_file = '''{key}'''"));
        machine
    }));
    places
}

/// What fails on the way to a token, or is refused there.
fn exchanges() -> Vec<Place> {
    let mut places = Vec::new();
    for (rule, status) in [
        ("token=invalid_grant", 5),
        ("token=bad-signature", 5),
        ("token=invalid_scope", 5),
        ("token=html", 6),
        ("token=not-json", 6),
        ("token=newline-token", 6),
        ("token=no-expiry", 6),
        ("token=redirect:https://evil.example/", 6),
    ] {
        for robot in [true, false] {
            let all = Identities::new();
            let (key, login) = (all.key.clone(), all.user.earthengine_file_json());
            places.push(all.place(
                format!("{rule}, of a service account: {robot}"),
                Some(status),
                |machine| {
                    machine.google().fail(rule.parse().expect("a fault"));
                    machine.write(".config/earthengine/credentials", login);
                    if robot { machine.with("EE_SERVICE_ACCOUNT_KEY", key) } else { machine }
                },
            ));
        }
    }
    let all = Identities::new();
    let password = all.user.client().secret().to_owned();
    places.push(all.place("a metadata server with a password", Some(3), |machine| {
        machine.with("GCE_METADATA_HOST", format!("user:{password}@metadata"))
    }));
    places
}
