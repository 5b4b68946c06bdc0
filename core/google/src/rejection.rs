//! What it means when an endpoint says no, and what to do about it.

mod federation;

use ee_auth_core::{Error, redact};
use std::time::Duration;

use ee_auth_core::is_googles_own;
use serde_json::Value;
use url::Url;

use crate::quota_project::{self, ErrorInfo};
use crate::token_endpoint::shown;

/// Who is asking, since the same error means different things to different people.
#[derive(Clone, Copy, Debug)]
pub enum Asker<'a> {
    /// A service account with this e-mail, for itself or for the subject.
    ServiceAccount {
        /// Its e-mail.
        email: &'a str,
        /// Whom it stands for, by domain-wide delegation.
        subject: Option<&'a str>,
        /// Where its key is.
        place: &'a str,
        /// Its numeric client id, where the key's file tells.
        client_id: Option<&'a str>,
        /// The scopes that it asks for.
        scopes: &'a str,
    },
    /// A person's refresh token.
    User {
        /// Where it is stored.
        place: &'a str,
        /// The command that makes a new one.
        log_in: &'a str,
        /// The OAuth client that made it.
        client_id: &'a str,
        /// How old it is at least, where that is known.
        age: Option<Duration>,
    },
    /// Somebody who has just logged in.
    Code,
    /// Somebody else's token, at the STS.
    Federation {
        /// The full resource name of the pool's provider.
        audience: &'a str,
        /// Where it is configured.
        place: &'a str,
    },
    /// The refresh token of a workforce login, at the STS.
    WorkforceLogin {
        /// Where it is stored.
        place: &'a str,
    },
}

/// The status of the redirect that brings a refusal instead of a code (RFC 6749, section 4.1.2.1).
const CONSENT: u16 = 302;

/// The error that an endpoint gave.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    status: u16,
    /// `error` of RFC 6749, section 5.2, or `status` of Google's API errors (AIP-193).
    error: String,
    /// `error_subtype`: Google's reason for a reauthentication.
    subtype: String,
    /// The words that came with it, fit to show.
    description: String,
    /// The project that Google does not let the caller use, where that is why.
    user_project: Option<Option<String>>,
}

impl Refused {
    /// What came back by the browser instead of a code; both fit to show.
    pub(crate) fn at_consent(error: &str, description: &str) -> Self {
        Self {
            status: CONSENT,
            error: error.to_owned(),
            subtype: String::new(),
            description: description.to_owned(),
            user_project: None,
        }
    }

    pub(crate) fn read(status: u16, body: &[u8]) -> Self {
        let json: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |value: &Value| value.as_str().map(redact).unwrap_or_default();
        let field = |name: &str| json.get(name).unwrap_or(&Value::Null);
        let error = field("error");
        if error.is_object() {
            let info = ErrorInfo::of(error);
            let is_user_project = info.is_user_project(error["message"].as_str().unwrap_or_default());
            return Self {
                user_project: is_user_project.then_some(info.project),
                status,
                error: text(&error["status"]),
                subtype: String::new(),
                description: text(&error["message"]),
            };
        }
        Self {
            status,
            error: text(error),
            subtype: text(field("error_subtype")),
            description: text(field("error_description")),
            user_project: None,
        }
    }
}

/// In plain words: what the endpoint refused, why, and what to do. `clock_ahead` is by how many seconds this machine's
/// clock differs from the server's, where it is known.
pub(crate) fn explain(refused: &Refused, asker: &Asker<'_>, url: &Url, clock_ahead: Option<i64>) -> Error {
    let Refused { status, error, subtype, description, user_project } = refused;
    if error.is_empty() && description.is_empty() {
        return Error::unavailable(
            "malformed",
            format!("{} answered {status}, and not as Google's endpoints do", shown(url)),
        )
        .hint("a proxy or login page of the network may stand between here and Google; see what it blocks");
    }
    // What google-auth tries again: a fault of the server's, whatever the status.
    if matches!(error.as_str(), "internal_failure" | "server_error" | "temporarily_unavailable") {
        return Error::unavailable("status", format!("{} answered {error}: it failed", shown(url)))
            .hint("this passes by itself; try again in a minute");
    }
    let wrong_clock = clock_ahead.filter(|seconds| seconds.abs() > 300);
    let about_time = description.contains("short-lived") || description.contains("timeframe");
    let case = match error.as_str() {
        "invalid_grant" if is_reauthentication(subtype) || description.contains("invalid_rapt") => {
            Case::Reauthentication
        }
        error if is_reauthentication(error) => Case::Reauthentication,
        "invalid_grant" if about_time || (wrong_clock.is_some() && asker.signs()) => Case::Clock,
        "invalid_grant" => Case::Grant,
        "invalid_scope" => Case::Scope,
        "invalid_client" => Case::Client,
        "deleted_client" | "disabled_client" => Case::DeletedClient,
        "unauthorized_client" => Case::UnauthorizedClient,
        "access_denied" => Case::Denied,
        "admin_policy_enforced" => Case::Policy,
        "org_internal" => Case::Internal,
        "invalid_target" => Case::Target,
        _ => Case::Other,
    };
    let said = match (error.as_str(), description.as_str()) {
        ("", "") => format!("answered {status}"),
        (error, "") => format!("answered {error}"),
        ("", words) => format!("answered {status}: {words}"),
        (error, words) => format!("answered {error}: {}", words.trim_end_matches('.')),
    };
    // Before there is a code, there is the login alone.
    let who = if *status == CONSENT { "the login".to_owned() } else { asker.who() };
    let said = format!("{who}: {} {said}", shown(url));
    if let Some(project) = user_project {
        return quota_project::denied(&said, project.as_deref(), &asker.member());
    }
    let (detail, meaning, hint) = case.words(asker, description, wrong_clock);
    Error::rejected(detail, format!("{}. {meaning}", said.trim_end_matches('.'))).hint(hint)
}

/// Whether Google wants a person to show again that they are there ("rapt": reauthentication proof token).
fn is_reauthentication(word: &str) -> bool {
    matches!(word, "invalid_rapt" | "rapt_required")
}

impl Asker<'_> {
    fn who(&self) -> String {
        match self {
            Self::ServiceAccount { email, subject: None, place, .. } => {
                format!("service account {email} ({place})")
            }
            Self::ServiceAccount { email, subject: Some(subject), place, .. } => {
                format!("service account {email} for {subject} ({place})")
            }
            Self::User { place, .. } => format!("the stored login in {place}"),
            Self::Code => "the authorization code".to_owned(),
            Self::Federation { place, .. } => format!("the federated identity of {place}"),
            Self::WorkforceLogin { place } => format!("the workforce login in {place}"),
        }
    }

    /// How an IAM policy calls it, as far as that is known.
    fn member(&self) -> String {
        match self {
            Self::ServiceAccount { email, subject: None, .. } => format!("serviceAccount:{email}"),
            Self::ServiceAccount { subject: Some(subject), .. } => format!("user:{subject}"),
            Self::Federation { audience, .. } => format!("principalSet:{}/*", pool(audience)),
            _ => "user:YOUR-EMAIL".to_owned(),
        }
    }

    fn signs(&self) -> bool {
        matches!(self, Self::ServiceAccount { .. })
    }
}

/// The pool of a provider: `//iam.googleapis.com/…/workloadIdentityPools/POOL`.
fn pool(audience: &str) -> &str {
    audience.split_once("/providers/").map_or(audience, |(pool, _)| pool)
}

/// How long Google keeps the logins of an app in testing.
const TESTING: Duration = Duration::from_secs(7 * 86_400);
/// How long a login lasts that nobody uses.
const UNUSED: Duration = Duration::from_secs(182 * 86_400);

/// Why a stored login has ended, as far as its age and its OAuth client tell, and what to do.
fn ended(log_in: &str, client_id: &str, age: Option<Duration>) -> (&'static str, String, String) {
    let again = format!("log in again: `{log_in}`");
    let is_own = !is_googles_own(client_id.split('-').next().unwrap_or_default());
    let days = |age: Duration| age.as_secs() / 86_400;
    let (meaning, hint) = match age {
        Some(age) if is_own && age >= TESTING => (
            format!(
                "The login is {} days old, and an app in testing keeps logins for seven days: if the OAuth client is in \
                 testing, that is the cause; else it was revoked, or the password was changed",
                days(age)
            ),
            format!(
                "{again}; one that lasts needs the OAuth client's app to be in production \
                 (https://console.cloud.google.com/auth/audience) or Earth Engine's own client, and unattended work a \
                 service account"
            ),
        ),
        Some(age) if age >= UNUSED => (
            format!(
                "The login is {} days old: it was probably unused for six months; or it was revoked, or the password was \
                 changed",
                days(age)
            ),
            again,
        ),
        _ if is_own => (
            "The login has ended: it was revoked, the password was changed, it was unused for six months, or its OAuth \
             client's app is in testing, which keeps logins for seven days"
                .to_owned(),
            format!(
                "{again}; if logins last seven days only, put the app into production: \
                 https://console.cloud.google.com/auth/audience"
            ),
        ),
        _ => (
            "The login has ended: it was revoked, the password was changed, or it was unused for six months".to_owned(),
            again,
        ),
    };
    ("invalid_grant", meaning, hint)
}

enum Case {
    Reauthentication,
    Clock,
    Grant,
    Scope,
    Client,
    DeletedClient,
    UnauthorizedClient,
    Denied,
    Policy,
    Internal,
    Target,
    Other,
}

const KEYS: &str = "https://console.cloud.google.com/iam-admin/serviceaccounts";

impl Case {
    /// The code after the dot, what it means, what to do.
    fn words(
        &self,
        asker: &Asker<'_>,
        description: &str,
        wrong_clock: Option<i64>,
    ) -> (&'static str, String, String) {
        let own = |detail, meaning: &str, hint: &str| (detail, meaning.to_owned(), hint.to_owned());
        let log_in = match asker {
            Asker::User { log_in, .. } => log_in,
            _ => "ee-auth login --force",
        };
        let log_in_again = format!("log in again: `{log_in}`");
        match (self, asker) {
            (Self::Reauthentication, _) => (
                "invalid_rapt",
                "Your organisation ends Google Cloud sessions after some hours and wants you to sign in again".to_owned(),
                format!(
                    "{log_in_again}; for work that runs unattended, use a service account, which no session limit ends"
                ),
            ),
            (Self::Clock, _) => (
                "invalid_grant",
                match wrong_clock {
                    Some(ahead) if ahead > 0 => format!("This machine's clock is {} ahead of Google's", span(ahead)),
                    Some(behind) => format!("This machine's clock is {} behind Google's", span(-behind)),
                    None => "Google does not accept the time that the assertion was signed at".to_owned(),
                },
                "set the clock right (`timedatectl set-ntp true` on most Linux systems) and try again".to_owned(),
            ),
            (Self::Grant, Asker::ServiceAccount { email, .. }) if description.contains("Signature") => (
                "invalid_grant",
                "The key does not belong to the account any more: it was deleted or disabled, or the file was changed"
                    .to_owned(),
                format!("look at the keys of {email} and make a new one: {KEYS}"),
            ),
            (Self::Grant, Asker::ServiceAccount { email, subject, .. }) => (
                "invalid_grant",
                match subject {
                    None => format!("Google knows no account {email}: it was deleted or disabled"),
                    Some(subject) => {
                        format!("Google knows no account {subject}, or none that {email} may stand for")
                    }
                },
                format!("see whether the account exists and is enabled: {KEYS}"),
            ),
            (Self::Grant, Asker::User { log_in, client_id, age, .. }) => ended(log_in, client_id, *age),
            (Self::Grant | Self::UnauthorizedClient | Self::Other, Asker::Federation { audience, place }) => {
                federation::words(description, audience, place)
            }
            (Self::Target, Asker::Federation { audience, place }) => (
                "invalid_target",
                format!("There is no provider {audience}, or it or its pool is disabled or deleted"),
                format!("see which there are: `gcloud iam workload-identity-pools list --location=global`; correct {place}"),
            ),
            (Self::Grant, Asker::WorkforceLogin { .. }) => own(
                "invalid_grant",
                "The login has ended: its session is over, it was revoked, or another program has used it up",
                "log in again: `gcloud auth application-default login --login-config=…`",
            ),
            (Self::Client, Asker::Federation { place, .. } | Asker::WorkforceLogin { place }) => (
                "invalid_client",
                "The STS does not know the OAuth client, or its secret is another one".to_owned(),
                format!("make {place} again with gcloud"),
            ),
            (Self::Scope, Asker::Federation { .. }) => own(
                "invalid_scope",
                "One of the scopes that were asked for does not exist, or none was asked for",
                "correct `scopes` in ee-auth.toml, EE_AUTH_SCOPES or --scopes",
            ),
            (Self::Grant, Asker::Code) => own(
                "invalid_grant",
                "The code was used before, has expired (a code lasts a few minutes), or belongs to another login",
                "start the login again and paste the new code",
            ),
            (Self::Scope, Asker::ServiceAccount { .. }) => own(
                "invalid_scope",
                "One of the scopes that were asked for does not exist, or none was asked for",
                "correct `scopes` in ee-auth.toml, EE_AUTH_SCOPES or --scopes; `earthengine` is enough for Earth \
                 Engine alone",
            ),
            (Self::Scope, Asker::Code) => own(
                "invalid_scope",
                "One of the scopes that were asked for does not exist, or this OAuth client may not ask for it",
                "correct `scopes` in ee-auth.toml, EE_AUTH_SCOPES or --scopes; `earthengine` is enough for Earth \
                 Engine alone",
            ),
            (Self::Scope, _) => (
                "invalid_scope",
                "More was asked for than was granted at the login".to_owned(),
                format!("log in again and grant all scopes: `{log_in}`, or ask for fewer with --scopes"),
            ),
            (Self::Client, Asker::User { place, .. }) => (
                "invalid_client",
                "Google does not know the OAuth client, or its secret is another one".to_owned(),
                format!(
                    "`client_id` and `client_secret` in {place} must be of the client that made the login; \
                     {log_in_again}"
                ),
            ),
            (Self::Client, _) => own(
                "invalid_client",
                "Google does not know the OAuth client, or its secret is another one",
                "download the client's JSON again: https://console.cloud.google.com/apis/credentials",
            ),
            (Self::DeletedClient, _) => (
                "deleted_client",
                "The OAuth client that made this login was deleted or disabled, and its logins with it".to_owned(),
                format!(
                    "log in again with another client: `{log_in}`, or restore yours within 30 days: \
                     https://console.cloud.google.com/apis/credentials"
                ),
            ),
            (Self::UnauthorizedClient, Asker::ServiceAccount { email, subject, client_id, scopes, .. }) => (
                "unauthorized_client",
                match subject {
                    Some(subject) => format!("{email} may not stand for {subject} with these scopes"),
                    None => format!(
                        "{email} may not ask for these scopes by itself: data of Google Workspace needs domain-wide \
                         delegation and a `subject`"
                    ),
                },
                format!(
                    "a Workspace administrator grants domain-wide delegation at \
                     https://admin.google.com/ac/owl/domainwidedelegation to the client id {} with exactly the scopes \
                     {scopes}{}",
                    client_id.map_or_else(
                        || format!("of {email} (`gcloud iam service-accounts describe {email} --format='value(oauth2ClientId)'`)"),
                        str::to_owned
                    ),
                    match subject {
                        Some(_) => "",
                        None => ", and `subject` in ee-auth.toml names the person; Earth Engine needs none of it: `--scopes earthengine`",
                    }
                ),
            ),
            (Self::UnauthorizedClient, _) => own(
                "unauthorized_client",
                "The OAuth client may not ask in this way, or the login was made by another client",
                &log_in_again,
            ),
            (Self::Denied, _) => own(
                "access_denied",
                "Somebody, or a policy of the organisation, refused the access",
                "log in again and allow the access; if an administrator blocks it, ask for the app to be allowed",
            ),
            (Self::Policy, _) => own(
                "admin_policy_enforced",
                "Your organisation's policy does not allow this app the scopes it asks for",
                "ask your administrator to allow it, or use an OAuth client or service account of your organisation's",
            ),
            (Self::Internal, _) => own(
                "org_internal",
                "The OAuth client is for accounts of its own organisation alone",
                "sign in with an account of that organisation, or log in with another OAuth client",
            ),
            (Self::Other, Asker::Code) => own(
                "refused",
                "The login was not accepted",
                "log in again; `--mode notebook` takes another way",
            ),
            (Self::Other | Self::Target, _) => own(
                "refused",
                "The credential was not accepted",
                "`ee-auth explain` shows where the credential comes from; get a new one from there",
            ),
        }
    }
}

/// Seconds in the largest unit that fits.
fn span(seconds: i64) -> String {
    match seconds {
        ..=119 => format!("{seconds} seconds"),
        120..=7_199 => format!("{} minutes", seconds / 60),
        7_200..=172_799 => format!("{} hours", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(body: &str, asker: &Asker<'_>, ahead: Option<i64>) -> Error {
        let url = Url::parse("https://oauth2.googleapis.com/token").unwrap();
        explain(&Refused::read(400, body.as_bytes()), asker, &url, ahead)
    }

    const KEY: Asker<'_> = Asker::ServiceAccount {
        email: "robot@example.iam.gserviceaccount.com",
        subject: None,
        place: "key.json",
        client_id: Some("100000000000000000001"),
        scopes: "https://www.googleapis.com/auth/earthengine",
    };
    const USER: Asker<'_> = user("1-own.apps.googleusercontent.com", None);

    const fn user(client_id: &'static str, age: Option<u64>) -> Asker<'static> {
        let age = match age {
            None => None,
            Some(days) => Some(Duration::from_secs(days * 86_400)),
        };
        let (place, log_in) = ("~/.config/earthengine/credentials", "ee-auth login --force");
        Asker::User { place, log_in, client_id, age }
    }

    #[test]
    fn a_login_older_than_seven_days_of_a_client_in_testing_says_so() {
        const ENDED: &str =
            r#"{"error":"invalid_grant","error_description":"Token has been expired or revoked."}"#;
        const OWN: &str = "1-own.apps.googleusercontent.com";
        const EARTH_ENGINE: &str = "517222506229-x.apps.googleusercontent.com";
        for (client_id, age, testing, words) in [
            (OWN, Some(8), true, "8 days old"),
            (OWN, Some(200), true, "200 days old"),
            (OWN, Some(6), true, "seven days"),
            (OWN, None, true, "seven days"),
            (EARTH_ENGINE, Some(8), false, "revoked"),
            (EARTH_ENGINE, Some(200), false, "200 days old"),
            (EARTH_ENGINE, None, false, "revoked"),
        ] {
            let error = explained(ENDED, &user(client_id, age), None);
            assert_eq!(error.code(), "rejected.invalid_grant");
            assert!(error.message().contains(words), "{error}");
            assert_eq!(error.message().contains("testing"), testing, "{error}");
            let hint = error.next_step().unwrap();
            assert!(hint.contains("ee-auth login --force"), "{hint}");
            assert_eq!(hint.contains("https://console.cloud.google.com/auth/audience"), testing, "{hint}");
        }
    }

    #[test]
    fn a_key_that_may_not_ask_names_delegation_with_its_client_id_and_scopes() {
        const REFUSED: &str =
            r#"{"error":"unauthorized_client","error_description":"Client is unauthorized"}"#;
        for subject in [None, Some("ada@example.com")] {
            let asker = match KEY {
                Asker::ServiceAccount { email, place, client_id, scopes, .. } => {
                    Asker::ServiceAccount { email, subject, place, client_id, scopes }
                }
                other => other,
            };
            let error = explained(REFUSED, &asker, None);
            let hint = error.next_step().unwrap();
            for word in [
                "domain-wide delegation",
                "100000000000000000001",
                "https://www.googleapis.com/auth/earthengine",
            ] {
                assert!(hint.contains(word), "{word} in {hint}");
            }
            assert!(!hint.contains("ee-auth login"), "{hint}");
        }
    }

    #[test]
    fn a_quota_project_that_may_not_be_used_comes_with_googles_remedy() {
        const DENIED: &str = r#"{"error":{"status":"PERMISSION_DENIED","message":"no",
            "details":[{"reason":"USER_PROJECT_DENIED","metadata":{"consumer":"projects/my-quota"}}]}}"#;
        const AUDIENCE: &str = "//iam.googleapis.com/locations/global/workforcePools/staff/providers/idp";
        let error = explained(DENIED, &Asker::Federation { audience: AUDIENCE, place: "adc.json" }, None);
        assert_eq!(error.code(), "rejected.user_project");
        let hint = error.next_step().unwrap();
        assert!(hint.contains("binding my-quota --member=principalSet://iam.googleapis.com/locations/global/workforcePools/staff/* "), "{hint}");
        assert!(hint.contains("roles/serviceusage.serviceUsageConsumer"), "{hint}");
    }

    #[test]
    fn each_refusal_has_its_code_and_a_next_step() {
        for (body, asker, code) in [
            (
                r#"{"error":"invalid_grant","error_description":"Invalid JWT Signature."}"#,
                &KEY,
                "rejected.invalid_grant",
            ),
            (
                r#"{"error":"invalid_grant","error_description":"Token has been expired or revoked."}"#,
                &USER,
                "rejected.invalid_grant",
            ),
            (r#"{"error":"invalid_grant","error_subtype":"invalid_rapt"}"#, &USER, "rejected.invalid_rapt"),
            (r#"{"error":"invalid_scope"}"#, &USER, "rejected.invalid_scope"),
            (r#"{"error":"invalid_client"}"#, &USER, "rejected.invalid_client"),
            (r#"{"error":"deleted_client"}"#, &USER, "rejected.deleted_client"),
            (r#"{"error":"unauthorized_client"}"#, &KEY, "rejected.unauthorized_client"),
            (r#"{"error":{"status":"PERMISSION_DENIED","message":"no"}}"#, &KEY, "rejected.refused"),
            (r#"{"error":"temporarily_unavailable"}"#, &USER, "unavailable.status"),
            ("<html>", &KEY, "unavailable.malformed"),
        ] {
            let error = explained(body, asker, None);
            assert_eq!(error.code(), code, "{body}");
            assert!(error.next_step().is_some());
        }
    }

    #[test]
    fn a_wrong_clock_is_told_from_a_wrong_key() {
        let body = r#"{"error":"invalid_grant","error_description":"Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe."}"#;
        let error = explained(body, &KEY, Some(-3 * 3600));
        assert!(error.message().contains("clock is 3 hours behind"), "{error}");
    }

    #[test]
    fn what_a_server_repeats_is_not_shown() {
        let body = r#"{"error":"invalid_grant","error_description":"bad token 1//0abcdef"}"#;
        assert!(!explained(body, &USER, None).message().contains("0abcdef"));
    }
}
