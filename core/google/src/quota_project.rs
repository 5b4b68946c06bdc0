//! The project that a request is charged to, where Google does not let the caller use it.

use ee_auth_core::{Error, redact};
use serde_json::Value;

/// The reason that Google gives (`google.rpc.ErrorInfo`), and the project, of an error of AIP-193.
pub(crate) struct ErrorInfo {
    pub(crate) reason: String,
    /// `projects/NUMBER` without the prefix.
    pub(crate) project: Option<String>,
}

impl ErrorInfo {
    pub(crate) fn of(error: &Value) -> Self {
        let details = || error.get("details").and_then(Value::as_array).into_iter().flatten();
        let info = details().find(|detail| detail.get("reason").is_some_and(Value::is_string));
        let reason = info.and_then(|info| info.get("reason")?.as_str()).map(redact).unwrap_or_default();
        let consumer = info.and_then(|info| info.get("metadata")?.get("consumer")?.as_str());
        let message = error.get("message").and_then(Value::as_str).unwrap_or_default();
        let project = consumer
            .and_then(|consumer| consumer.strip_prefix("projects/"))
            .or_else(|| message.split_once("to use project ").map(|(_, rest)| first_word(rest)))
            .or_else(|| message.split_once("?project=").map(|(_, rest)| first_word(rest)));
        Self { reason, project: project.filter(|id| is_project(id)).map(str::to_owned) }
    }

    /// Whether the caller may not charge requests to the project.
    pub(crate) fn is_user_project(&self, message: &str) -> bool {
        self.reason == "USER_PROJECT_DENIED"
            || message.contains("serviceusage.services.use")
            || message.contains("serviceUsageConsumer")
    }
}

/// Google's own remedy, as a command. `said` is what was answered to whom; `member` is how a policy calls the caller.
pub(crate) fn denied(said: &str, project: Option<&str>, member: &str) -> Error {
    let project = project.unwrap_or("PROJECT");
    Error::rejected(
        "user_project",
        format!("{}. The caller may not use the project {project} for quota", said.trim_end_matches('.')),
    )
    .hint(format!(
        "an owner of {project} runs `gcloud projects add-iam-policy-binding {project} --member={member} \
         --role=roles/serviceusage.serviceUsageConsumer`; it takes effect within minutes. Or name another quota project: \
         GOOGLE_CLOUD_QUOTA_PROJECT, or `quota_project_id` or `workforce_pool_user_project` in the file"
    ))
}

fn first_word(text: &str) -> &str {
    text.split(|c: char| c.is_whitespace() || "&)\"'".contains(c))
        .next()
        .unwrap_or_default()
        .trim_end_matches('.')
}

/// Whether it can be a project's id or number, so that it may stand in a command.
fn is_project(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.:".contains(&b))
}
