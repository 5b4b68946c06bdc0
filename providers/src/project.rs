//! The places that may name the project, in the order of the documentation.

use crate::ShowPath as _;
use ee_auth_config::{Config, Origin};
use ee_auth_core::{Error, Found, Project, ProjectCandidate, Search, project_number, resolve_project};

/// The project to use with a credential, or without one.
///
/// # Errors
/// [`Outcome::Invalid`](ee_auth_core::Outcome::Invalid) where a person named something that cannot be used.
pub(crate) fn resolve(
    config: &Config,
    search: &Search,
    found: Option<&Found>,
) -> Result<Option<Project>, Error> {
    resolve_project(candidates(config, search, found))
}

/// The places, first to last, each with what it names.
pub(crate) fn candidates(config: &Config, search: &Search, found: Option<&Found>) -> Vec<ProjectCandidate> {
    let variable = |name: &str| ee_auth_core::host::variable(&*search.host().environment, name);
    let configured = config.project.as_ref();
    // A flag or EE_AUTH_PROJECT comes before EARTHENGINE_PROJECT, a file after it.
    let by_hand =
        configured.filter(|project| matches!(project.origin, Origin::Flag(_) | Origin::Variable(_)));
    let in_file = configured.filter(|_| by_hand.is_none());
    let of_config = |project: Option<&ee_auth_config::Located<String>>| match project {
        Some(project) => ProjectCandidate::named(project.origin.to_string(), Some(project.value.clone())),
        None => ProjectCandidate::named("ee-auth.toml", None),
    };
    let mut candidates = vec![
        of_config(by_hand),
        ProjectCandidate::named("EARTHENGINE_PROJECT", variable("EARTHENGINE_PROJECT")),
        // geemap's.
        ProjectCandidate::named("EE_PROJECT_ID", variable("EE_PROJECT_ID")),
        of_config(in_file),
    ];
    if let Some((id, path)) = ee_auth_persistent::stored_project(search) {
        candidates.push(ProjectCandidate::named(path.shown(), Some(id)));
    }
    candidates
        .push(ProjectCandidate::named("GOOGLE_CLOUD_QUOTA_PROJECT", variable("GOOGLE_CLOUD_QUOTA_PROJECT")));
    candidates.push(ProjectCandidate::derived(
        "`quota_project_id` of the credential",
        found.and_then(|found| found.quota_project.clone()),
    ));
    #[cfg(feature = "gcloud")]
    if let Some((id, path)) = ee_auth_gcloud::quota_project(search) {
        candidates
            .push(ProjectCandidate::derived(format!("`quota_project_id` in {}", path.shown()), Some(id)));
    }
    candidates.push(ProjectCandidate::derived(
        "`project_id` of the service account",
        found.and_then(|found| found.project.clone()),
    ));
    candidates.push(ProjectCandidate::named("GOOGLE_CLOUD_PROJECT", variable("GOOGLE_CLOUD_PROJECT")));
    candidates.push(ProjectCandidate::derived(
        "the number in the credential's `client_id`",
        found.and_then(|found| found.client_id.as_deref()).and_then(project_number),
    ));
    candidates
}
