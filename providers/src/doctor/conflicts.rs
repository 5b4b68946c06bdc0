//! Other identities that lie around, and would be used by other programs.

use crate::ShowPath as _;
use ee_auth_config::CacheStore;
use ee_auth_core::{AttemptOutcome, Finding as Found};

use super::examination::Examination;
use super::{Check, Finding, Level, Rule, Run};

pub(super) const CHECK: Check = Check {
    name: "conflicts",
    summary: "Other credentials on this machine: those that another program would use in place of this one",
    rules: &[
        &EARTHENGINE_LOGIN,
        &VARIABLE_UNUSED,
        &IN_KEYRING,
        &SCOPELESS_KEY,
        &GCLOUD_ACCOUNT,
        &OTHERS,
        &BROKEN,
    ],
    run: Run::Look(look),
};

const EARTHENGINE_LOGIN: Rule = Rule {
    name: "conflicts.earthengine_login",
    level: Level::Warning,
    meaning: "earthengine-api uses the login of ee.Authenticate() before any variable, application-default credentials or \
              metadata server. So Python, R and QGIS act as another account than ee-auth, unless `ee-auth exec` starts them",
    fix: "`ee-auth exec -- CMD` hides that login from CMD; `ee-auth logout` removes it",
};
const VARIABLE_UNUSED: Rule = Rule {
    name: "conflicts.variable_unused",
    level: Level::Warning,
    meaning: "GOOGLE_APPLICATION_CREDENTIALS is set, and another credential comes before it. With a stored login it is so in \
              earthengine-api, too",
    fix: "`unset GOOGLE_APPLICATION_CREDENTIALS`; or, if its account is the one that is wanted, `ee-auth logout`, or put \
          `application_default` first in `chain`",
};
const IN_KEYRING: Rule = Rule {
    name: "conflicts.in_keyring",
    level: Level::Note,
    meaning: "The login is in the system's keyring, where earthengine-api and other programs do not look",
    fix: "start them by ee-auth: `ee-auth exec -- python script.py`",
};
const SCOPELESS_KEY: Rule = Rule {
    name: "conflicts.scopeless_key",
    level: Level::Note,
    meaning: "With a service account's key in GOOGLE_APPLICATION_CREDENTIALS, plain `ee.Initialize()` asks for no scopes. \
              Google refuses that, and earthengine-api says \"Please authorize access to your Earth Engine account\"",
    fix: "`ee-auth exec -- python script.py`, under which it works",
};
const GCLOUD_ACCOUNT: Rule = Rule {
    name: "conflicts.gcloud_account",
    level: Level::Note,
    meaning: "gcloud keeps two logins apart: `gcloud auth login` for gcloud itself, and application-default credentials for \
              other programs. Here they, or gcloud and ee-auth, are different people",
    fix: "`gcloud config set account EMAIL`, or log the other one in again",
};
const OTHERS: Rule = Rule {
    name: "conflicts.others",
    level: Level::Note,
    meaning: "More credentials are here than the one that is used; the chain came to that one first",
    fix: "nothing, if the right one is used; else `--profile`, EE_AUTH_CHAIN or `chain` in ee-auth.toml choose another",
};
const BROKEN: Rule = Rule {
    name: "conflicts.broken",
    level: Level::Warning,
    meaning: "Further down the chain something is wrong. It does no harm while the credential before it is there",
    fix: "mend it or take it away",
};

fn look(examination: &Examination<'_>) -> Vec<Finding> {
    let Some(winner) = examination.winner() else { return Vec::new() };
    let AttemptOutcome::Found(origin) = &winner.outcome else { return Vec::new() };
    let principal = examination.credential().and_then(ee_auth_core::Credential::principal);
    let mut findings = Vec::new();
    let login = ee_auth_persistent::stored(&examination.search_without_profile()).ok().flatten();
    let login = login.filter(|(_, document)| document.has("refresh_token")).map(|(path, _)| path);
    if let Some(login) = &login {
        let place = login.shown();
        if !origin.contains(&place) {
            let title = format!("earthengine-api will use the login in {place}, not this credential");
            findings.push(Finding::of(&EARTHENGINE_LOGIN, title).at(&place));
        }
    }
    findings.extend(others(examination, winner.provider.as_str(), principal.as_deref(), login.is_some()));
    let uses_keyring =
        examination.config().is_some_and(|config| config.cache_store.value == CacheStore::Keyring);
    if uses_keyring && winner.kind.name == "persistent" && login.is_none() {
        findings.push(Finding::of(&IN_KEYRING, "ee.Initialize() alone does not find this login").at(origin));
    }
    if winner.kind.name == "application_default" && origin.contains("service account key") {
        let title = "plain ee.Initialize() is refused with the key in GOOGLE_APPLICATION_CREDENTIALS";
        findings.push(Finding::of(&SCOPELESS_KEY, title).at("GOOGLE_APPLICATION_CREDENTIALS"));
    }
    #[cfg(feature = "gcloud")]
    if let Some(gcloud) = ee_auth_gcloud::active_account(&examination.search()) {
        // A service account or a workload is another identity on purpose.
        let person = principal.filter(|who| !who.ends_with("gserviceaccount.com"));
        if let Some(person) = person.filter(|person| *person != gcloud) {
            let title = format!("gcloud acts as {gcloud}, and Earth Engine is asked as {person}");
            findings.push(Finding::of(&GCLOUD_ACCOUNT, title));
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok(CHECK.name, "no other credential gets in the way"));
    }
    findings
}

/// What the providers have that the chain did not come to.
fn others(
    examination: &Examination<'_>,
    winner: &str,
    principal: Option<&str>,
    has_login: bool,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut also = Vec::new();
    for other in &examination.others {
        match &other.found {
            // The same account by another way is no conflict.
            Found::Found(found) if found.principal.is_some() && found.principal.as_deref() == principal => {}
            Found::Found(found) if other.kind == "application_default" => {
                let title = format!("{winner} is used, and not the {}", found.origin);
                let finding = Finding::of(&VARIABLE_UNUSED, title).at("GOOGLE_APPLICATION_CREDENTIALS");
                findings.push(if has_login {
                    finding
                } else {
                    finding.fix(
                        "`unset GOOGLE_APPLICATION_CREDENTIALS`; or, if its account is the one that is wanted, take \
                         the other away, or put `application_default` first in `chain`",
                    )
                });
            }
            Found::Found(found) => also.push(format!("{}: {}", other.provider, found.origin)),
            Found::Failed(error) => {
                findings.push(Finding::from_error(&BROKEN, error).at(&other.provider));
            }
            _ => {}
        }
    }
    if !also.is_empty() {
        let title = match also.len() {
            1 => "there is another credential, which is not used".to_owned(),
            n => format!("there are {n} other credentials, which are not used"),
        };
        findings.push(Finding::of(&OTHERS, title).detail(also.join("\n")));
    }
    findings
}
