//! Machines, and a Google for them.

use ee_auth::host::HttpErrorKind;
use ee_auth_fake::{Fake, answer, failure};
use serde_json::{Value, json};

pub(crate) const LOGIN: &str = "/home/user/.config/earthengine/credentials";
pub(crate) const CONFIG: &str = "/home/user/.config/ee-auth/ee-auth.toml";
pub(crate) const GCLOUD: &str = "/home/user/.config/gcloud";
pub(crate) const ADC: &str = "/home/user/.config/gcloud/application_default_credentials.json";

pub(crate) fn scopes() -> Vec<String> {
    let names = ["earthengine", "cloud-platform", "drive", "devstorage.full_control"];
    names.map(|name| format!("https://www.googleapis.com/auth/{name}")).to_vec()
}

/// A login as earthengine-api stores it.
pub(crate) fn login(scopes: &[String]) -> String {
    json!({"refresh_token": "r", "scopes": scopes, "project": "my-project"}).to_string()
}

/// A machine on which somebody has logged in.
pub(crate) fn logged_in() -> Fake {
    Fake::new().with_file(LOGIN, login(&scopes()))
}

/// A login as gcloud stores it.
pub(crate) fn authorized_user(more: &Value) -> String {
    let mut file =
        json!({"type": "authorized_user", "client_id": "1-x", "client_secret": "s", "refresh_token": "g"});
    for (key, value) in more.as_object().unwrap() {
        file[key] = value.clone();
    }
    file.to_string()
}

/// A service account's key.
pub(crate) fn key() -> String {
    json!({
        "type": "service_account",
        "client_email": "robot@my-project.iam.gserviceaccount.com",
        "private_key": ee_auth_tests::keys::rsa().pem,
        "project_id": "my-project",
    })
    .to_string()
}

/// What Google answers to a request for this path; `None` for what it answers as a rule.
pub(crate) type Says = fn(&str) -> Option<(u16, Value)>;

/// A machine with a Google that answers.
pub(crate) fn google(machine: Fake) -> Fake {
    google_that(machine, |_| None)
}

/// A machine with a Google that answers some paths in its own way.
pub(crate) fn google_that(machine: Fake, says: Says) -> Fake {
    let clock = machine.clone();
    machine.with_server(move |request| {
        let path = request.url.path();
        let token = json!({"access_token": "a", "expires_in": 3599, "token_type": "Bearer"});
        let (status, body) = match (says(path), path) {
            (Some((0, _)), _) => return Err(failure(HttpErrorKind::Connect, "nothing listens there")),
            (Some(answer), _) => answer,
            (None, "/token") => (200, token),
            (None, "/tokeninfo") => {
                (200, json!({"email": "ada@example.com", "scope": scopes().join(" "), "expires_in": "3599"}))
            }
            (None, path) if path.ends_with("value:compute") => (200, json!({"result": 3})),
            (None, path) => panic!("nobody asks for {path}"),
        };
        let mut response = answer(status, body.to_string());
        response.date = Some(clock.time());
        Ok(response)
    })
}

/// A refusal of Earth Engine's.
pub(crate) fn refusal(status: u16, reason: &str, message: &str) -> (u16, Value) {
    let details = json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}]);
    (
        status,
        json!({"error": {"code": status, "status": "PERMISSION_DENIED", "message": message, "details": details}}),
    )
}
