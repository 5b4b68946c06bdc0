//! Which Google Cloud project is used, and who said so.

use crate::{Error, quoted};

/// The projects that Google's own SDK clients belong to (earthengine-api's `SDK_PROJECTS`): Earth Engine is not
/// enabled there, and nobody else may use them.
pub const SDK_PROJECTS: [&str; 6] =
    ["764086051850", "618104708054", "32555940559", "522309567947", "1014160490159", "1057398310658"];

/// The project of Earth Engine's default OAuth client, of no more use to others than [`SDK_PROJECTS`].
pub const EARTH_ENGINE_CLIENT_PROJECT: &str = "517222506229";

/// Whether a project belongs to a client of Google's own: [`SDK_PROJECTS`] and [`EARTH_ENGINE_CLIENT_PROJECT`].
pub fn is_googles_own(id: &str) -> bool {
    SDK_PROJECTS.contains(&id) || id == EARTH_ENGINE_CLIENT_PROJECT
}

/// A project's id or number, and where it was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// The id or the number.
    pub id: String,
    /// Where it was named: `--project`, `EE_AUTH_PROJECT`, a file.
    pub origin: String,
}

/// A place that may name a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectCandidate {
    /// What it names; `None` where it names nothing.
    pub id: Option<String>,
    /// Where it is.
    pub origin: String,
    /// Whether a person named it for this purpose, rather than its being read off a credential. One of Google's own
    /// projects is then a mistake to be told of; where derived it is passed over.
    pub named_by_person: bool,
}

impl ProjectCandidate {
    /// Named by a person.
    pub fn named(origin: impl Into<String>, id: Option<String>) -> Self {
        Self { id, origin: origin.into(), named_by_person: true }
    }

    /// Read off a credential.
    pub fn derived(origin: impl Into<String>, id: Option<String>) -> Self {
        Self { id, origin: origin.into(), named_by_person: false }
    }
}

/// The first of `candidates` that names a project.
///
/// # Errors
/// [`Outcome::Invalid`](crate::Outcome::Invalid) where a person named a project of Google's own, or something that
/// cannot be a project.
///
/// ```
/// use ee_auth_core::{ProjectCandidate, resolve_project};
/// let project = resolve_project([
///     ProjectCandidate::named("--project", None),
///     ProjectCandidate::derived("the client id", Some("764086051850".to_owned())),
///     ProjectCandidate::derived("quota_project_id", Some("my-project".to_owned())),
/// ]);
/// assert_eq!(project.unwrap().unwrap().id, "my-project");
/// ```
pub fn resolve_project(
    candidates: impl IntoIterator<Item = ProjectCandidate>,
) -> Result<Option<Project>, Error> {
    for ProjectCandidate { id, origin, named_by_person } in candidates {
        let Some(id) = id.filter(|id| !id.is_empty()) else { continue };
        let googles = is_googles_own(&id);
        if googles && !named_by_person {
            continue;
        }
        if googles {
            return Err(Error::invalid(
                "project",
                format!(
                    "{origin} names the project {id}, which belongs to Google's own sign-in client and has no \
                     Earth Engine"
                ),
            )
            .hint(
                "name a project of your own that is registered for Earth Engine: \
                 https://console.cloud.google.com/earth-engine",
            ));
        }
        if !is_plausible_project(&id) {
            if !named_by_person {
                continue;
            }
            return Err(Error::invalid(
                "project",
                format!("{origin} names the project {}, which cannot be a project's id or number", quoted(&id)),
            )
            .hint(
                "an id has 6 to 30 lower-case letters, digits and hyphens, as https://console.cloud.google.com \
                 shows it; the project's display name is something else",
            ));
        }
        return Ok(Some(Project { id, origin }));
    }
    Ok(None)
}

/// A project's number, from the OAuth client ids that are issued in it: what stands before the first `-`.
pub fn project_number(client_id: &str) -> Option<String> {
    let (number, _) = client_id.split_once('-')?;
    (!number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())).then(|| number.to_owned())
}

/// Whether `id` has the shape of a project's id, old domain-scoped ones (`example.com:project`) included, or number.
/// Deliberately wide: the point is to catch display names and pasted JSON, not to repeat Google's rules.
pub fn is_plausible_project(id: &str) -> bool {
    id.len() <= 128
        && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.' | b':'))
        && id.bytes().any(|b| b.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_told_of_googles_own_projects() {
        for id in SDK_PROJECTS.iter().chain([&EARTH_ENGINE_CLIENT_PROJECT]) {
            let named = ProjectCandidate::named("--project", Some((*id).to_owned()));
            assert!(resolve_project([named]).is_err());
            let derived = ProjectCandidate::derived("client id", Some((*id).to_owned()));
            assert_eq!(resolve_project([derived]).unwrap(), None);
        }
    }

    #[test]
    fn display_names_are_refused() {
        for bad in ["My Project", "{\"a\"", "PROJECT", "-", "..."] {
            assert!(resolve_project([ProjectCandidate::named("x", Some(bad.into()))]).is_err(), "{bad}");
        }
        for good in ["my-project", "example.com:my-project", "123456789012"] {
            assert!(resolve_project([ProjectCandidate::named("x", Some(good.into()))]).is_ok(), "{good}");
        }
    }

    #[test]
    fn the_number_stands_before_the_first_hyphen() {
        assert_eq!(project_number("1234-ab-cd.apps.googleusercontent.com").as_deref(), Some("1234"));
        assert_eq!(project_number("abc-def"), None);
        assert_eq!(project_number("1234"), None);
    }
}
