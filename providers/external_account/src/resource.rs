//! The full resource name of a pool's provider, from what people have at hand.

use ee_auth_core::{Error, Options, quoted};

const HOST: &str = "//iam.googleapis.com/";

/// The audience that the options name: `//iam.googleapis.com/projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER`.
///
/// `provider` may be that name, with or without the host, as `google-github-actions/auth` wants it; `pool` its beginning, or
/// `NUMBER/POOL`.
///
/// # Errors
/// [`Outcome::Invalid`](ee_auth_core::Outcome::Invalid) where parts are missing, all of which are named, or contradict each
/// other.
pub(crate) fn audience(options: &Options, place: &str) -> Result<String, Error> {
    let (pool, provider) = (options.string("pool"), options.string("provider"));
    let (number, whole) = (options.string("project_number"), options.string("audience"));
    if let Some(whole) = whole {
        if pool.is_some() || provider.is_some() || number.is_some() {
            return Err(Error::invalid(
                "contradiction",
                format!("{place}: `audience` is the provider's whole name, so `pool`, `provider` and `project_number` say nothing"),
            )
            .hint("keep `audience`, or the others"));
        }
        return is_whole(without_host(&whole))
            .map(|()| format!("{HOST}{}", without_host(&whole)))
            .ok_or_else(|| wrong(place, "audience", &whole));
    }
    if let Some(name) = provider.as_deref().filter(|name| name.contains('/')) {
        let own = without_host(name);
        is_whole(own).ok_or_else(|| wrong(place, "provider", name))?;
        let other_pool = pool.is_some_and(|pool| {
            !own.contains(&format!("/{}/", without_host(&pool).rsplit('/').next().unwrap_or_default()))
        });
        let other_project = number.is_some_and(|number| !own.starts_with(&format!("projects/{number}/")));
        if other_pool || other_project {
            return Err(Error::invalid(
                "contradiction",
                format!(
                    "{place}: `provider` is a full name, and `pool` or `project_number` says something else"
                ),
            )
            .hint("keep `provider` alone"));
        }
        return Ok(format!("{HOST}{own}"));
    }
    let missing: Vec<_> = [("pool", &pool), ("provider", &provider)]
        .iter()
        .filter(|(_, value)| value.is_none())
        .map(|(name, _)| format!("`{name}`"))
        .collect();
    let (Some(pool), Some(provider)) = (pool, provider) else {
        return Err(Error::invalid("missing_field", format!("{place}: {} missing", match &missing[..] {
            [one] => format!("{one} is"),
            all => format!("{} are", all.join(" and ")),
        }))
        .hint(
            "`gcloud iam workload-identity-pools providers list --location=global --workload-identity-pool=POOL` shows the \
             full name, which can be given as `provider` alone",
        ));
    };
    if !is_id(&provider) {
        return Err(wrong(place, "provider", &provider));
    }
    let pool_name = pool_name(&pool, number.as_deref(), place)?;
    Ok(format!("{HOST}{pool_name}/providers/{provider}"))
}

/// `projects/NUMBER/locations/global/workloadIdentityPools/POOL`
fn pool_name(pool: &str, number: Option<&str>, place: &str) -> Result<String, Error> {
    let own = without_host(pool);
    let parts: Vec<_> = own.split('/').collect();
    let (in_pool, location, id) = match parts[..] {
        [id] => (None, "global", id),
        [project, id] => (Some(project), "global", id),
        ["projects", project, "locations", location, "workloadIdentityPools", id] => {
            (Some(project), location, id)
        }
        _ => return Err(wrong(place, "pool", pool)),
    };
    if !is_id(id) || !is_id(location) {
        return Err(wrong(place, "pool", pool));
    }
    let project = match (in_pool, number) {
        (Some(one), Some(other)) if one != other => {
            return Err(Error::invalid(
                "contradiction",
                format!(
                    "{place}: `pool` is of the project {}, and `project_number` is {}",
                    quoted(one),
                    quoted(other)
                ),
            )
            .hint("keep the one that is right"));
        }
        (Some(project), _) | (None, Some(project)) => project,
        (None, None) => {
            return Err(Error::invalid(
                "missing_field",
                format!("{place}: the number of the pool's project is missing"),
            )
            .hint(format!(
                "write `pool = \"NUMBER/{id}\"`; `gcloud projects describe PROJECT --format='value(projectNumber)'` shows it"
            )));
        }
    };
    if !project.bytes().all(|byte| byte.is_ascii_digit()) || project.is_empty() {
        return Err(Error::invalid(
            "project_number",
            format!("{place}: {} is not the number of a project", quoted(project)),
        )
        .hint("the STS knows projects by number: `gcloud projects describe PROJECT --format='value(projectNumber)'`"));
    }
    Ok(format!("projects/{project}/locations/{location}/workloadIdentityPools/{id}"))
}

fn without_host(name: &str) -> &str {
    let name = name.strip_prefix("https:").unwrap_or(name);
    name.strip_prefix(HOST).unwrap_or(name)
}

/// Whether this is the name of a provider, of a workload or a workforce pool.
fn is_whole(name: &str) -> Option<()> {
    let parts: Vec<_> = name.split('/').collect();
    let known = match parts[..] {
        ["projects", number, "locations", location, "workloadIdentityPools", pool, "providers", provider] => {
            !number.is_empty()
                && number.bytes().all(|byte| byte.is_ascii_digit())
                && [location, pool, provider].into_iter().all(is_id)
        }
        ["locations", location, "workforcePools", pool, "providers", provider] => {
            [location, pool, provider].into_iter().all(is_id)
        }
        _ => false,
    };
    known.then_some(())
}

/// The ids of pools and providers have lower-case letters, digits and hyphens.
fn is_id(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 63
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn wrong(place: &str, option: &str, text: &str) -> Error {
    Error::invalid("resource", format!("{place}: {} is no `{option}`", quoted(text))).hint(
        "a provider's full name is projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER; `pool` \
         may be NUMBER/POOL and `provider` the last part; the project goes by its number, not by its id",
    )
}

#[cfg(test)]
mod tests {
    use ee_auth_core::OptionValue;

    use super::*;

    const WHOLE: &str =
        "//iam.googleapis.com/projects/12/locations/global/workloadIdentityPools/ci/providers/github";

    fn given(options: &[(&str, &str)]) -> Result<String, Error> {
        let mut set = Options::default();
        for (name, value) in options {
            set.set(*name, OptionValue::String((*value).to_owned()));
        }
        audience(&set, "[providers.x]")
    }

    #[test]
    fn a_provider_is_named_in_every_way_that_people_have_it() {
        let bare = WHOLE.trim_start_matches(HOST);
        let pool = bare.trim_end_matches("/providers/github");
        for options in [
            &[("pool", "12/ci"), ("provider", "github")][..],
            &[("pool", "ci"), ("provider", "github"), ("project_number", "12")],
            &[("pool", pool), ("provider", "github")],
            &[("pool", pool), ("provider", "github"), ("project_number", "12")],
            &[("provider", bare)],
            &[("provider", bare), ("pool", "12/ci")],
            &[("provider", WHOLE)],
            &[("audience", bare)],
            &[("audience", WHOLE)],
            &[("audience", &format!("https:{WHOLE}"))],
        ] {
            assert_eq!(given(options).unwrap(), WHOLE, "{options:?}");
        }
        let workforce = "//iam.googleapis.com/locations/global/workforcePools/people/providers/okta";
        assert_eq!(given(&[("audience", workforce)]).unwrap(), workforce);
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        for (options, code, word) in [
            (&[][..], "invalid.missing_field", "`pool` and `provider` are"),
            (&[("pool", "12/ci")], "invalid.missing_field", "`provider` is"),
            (
                &[("pool", "ci"), ("provider", "github")],
                "invalid.missing_field",
                "number of the pool's project",
            ),
            (
                &[("pool", "my-project/ci"), ("provider", "github")],
                "invalid.project_number",
                "\"my-project\"",
            ),
            (&[("pool", "12/CI"), ("provider", "github")], "invalid.resource", "`pool`"),
            (&[("pool", "a/b/c"), ("provider", "github")], "invalid.resource", "`pool`"),
            (&[("pool", "12/ci"), ("provider", "../x")], "invalid.resource", "`provider`"),
            (&[("pool", "12/ci"), ("provider", "git hub")], "invalid.resource", "`provider`"),
            (&[("audience", "https://evil.example/x")], "invalid.resource", "`audience`"),
            (&[("audience", WHOLE), ("pool", "12/ci")], "invalid.contradiction", "`audience`"),
            (&[("provider", WHOLE), ("pool", "12/other")], "invalid.contradiction", "`provider`"),
            (&[("provider", WHOLE), ("project_number", "13")], "invalid.contradiction", "`provider`"),
            (
                &[("pool", "12/ci"), ("provider", "github"), ("project_number", "13")],
                "invalid.contradiction",
                "`project_number`",
            ),
        ] {
            let error = given(options).expect_err(&format!("{options:?}"));
            assert_eq!(error.code(), code, "{options:?}: {error}");
            assert!(error.message().contains(word), "{options:?}: {error}");
        }
    }
}
