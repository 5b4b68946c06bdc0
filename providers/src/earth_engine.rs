//! Whether Earth Engine accepts a credential.

use ee_auth_core::host::{Body, Method, Request, Response};
use ee_auth_core::retry::{self, Repeat};
use ee_auth_core::{Credential, Error, Token, json, redact};
use serde::Deserialize;
use serde_json::{Value, json};

/// The expression for the sum of two numbers, in Earth Engine's serialized form.
pub fn sum(left: i64, right: i64) -> Value {
    json!({
        "result": "0",
        "values": { "0": { "functionInvocationValue": {
            "functionName": "Number.add",
            "arguments": { "left": { "constantValue": left }, "right": { "constantValue": right } },
        } } },
    })
}

/// The value of an expression, computed by Earth Engine with a token of `credential` and for its project
/// (`projects.value.compute` of the REST API). Blocks.
///
/// # Errors
/// Those of the exchange; [`Outcome::Invalid`](ee_auth_core::Outcome::Invalid) where there is no project;
/// [`Outcome::Rejected`](ee_auth_core::Outcome::Rejected) where Earth Engine does not accept the token, or not for that
/// project, which is explained; [`Outcome::Unavailable`](ee_auth_core::Outcome::Unavailable) where it cannot be asked.
pub fn compute(credential: &Credential, expression: &Value) -> Result<Value, Error> {
    pollster::block_on(compute_async(credential, expression))
}

/// As [`compute`], without blocking the thread.
///
/// # Errors
/// As [`compute`].
pub async fn compute_async(credential: &Credential, expression: &Value) -> Result<Value, Error> {
    let Some(project) = credential.project() else {
        return Err(Error::invalid(
            "project",
            "Earth Engine needs a Google Cloud project, and none is named",
        )
        .hint("`ee-auth set-project ID` stores one beside the login; or set EARTHENGINE_PROJECT, or `project = \"…\"` in ee-auth.toml"));
    };
    let exchange = credential.exchange();
    let base = exchange.settings.endpoints.earthengine.as_str().trim_end_matches('/');
    let url = url::Url::parse(&format!("{base}/v1/projects/{}/value:compute", project.id))
        .map_err(|_| Error::invalid("project", format!("{:?} cannot be a project", project.id)))?;
    let token = credential.token_async().await?;
    let mut response = ask(credential, &token, &url, &project.id, expression).await?;
    if response.status == 401 && token.was_cached() {
        // One that was kept from before may have been taken back since. Whether a new one can be had is what matters.
        credential.invalidate(&token);
        let token = credential.token_async().await?;
        response = ask(credential, &token, &url, &project.id, expression).await?;
    }
    if response.status != 200 {
        return Err(refusal(&response, &project.id, base, credential.principal().as_deref()));
    }
    let answer: Answer = json::object(&response.body).map_err(|_| {
        Error::unavailable("malformed", "Earth Engine answered, but not with the JSON of a result")
            .hint("a proxy or login page of the network may stand between here and Google")
    })?;
    Ok(answer.result)
}

/// A successful answer of `value:compute`.
#[derive(Deserialize)]
struct Answer {
    result: Value,
}

async fn ask(
    credential: &Credential,
    token: &Token,
    url: &url::Url,
    project: &str,
    expression: &Value,
) -> Result<Response, Error> {
    let request = Request::new(Method::Post, url.clone())
        .with_header("authorization", format!("Bearer {}", token.secret()))
        .with_header("x-goog-user-project", project)
        .with_body(Body::Json(json!({ "expression": expression }).to_string().into()));
    retry::send(&credential.exchange().host, request, Repeat::Safe)
        .await
        .map_err(|error| error.explain("asking Earth Engine"))
}

/// What it means when Earth Engine does not answer: where most people are stuck.
fn refusal(response: &Response, project: &str, base: &str, principal: Option<&str>) -> Error {
    let json: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let message = redact(json.pointer("/error/message").and_then(Value::as_str).unwrap_or_default());
    let details = json.pointer("/error/details").and_then(Value::as_array);
    let reason = details
        .and_then(|details| details.iter().find_map(|detail| detail.get("reason")?.as_str()))
        .unwrap_or_default();
    let said = format!("{base} answered {}: {message}", response.status);
    if let Some(unavailable) = response.unavailable(base) {
        return unavailable;
    }
    match (response.status, reason) {
        (401, _) => Error::rejected("token", said).hint("Earth Engine does not accept the token; get a new one"),
        (_, "SERVICE_DISABLED") => Error::rejected("api_disabled", said).hint(format!(
            "turn the Earth Engine API on for {project}: \
             https://console.cloud.google.com/apis/library/earthengine.googleapis.com?project={project}"
        )),
        (403, _) if message.contains("not registered") => Error::rejected("not_registered", said).hint(format!(
            "register {project} for Earth Engine: https://console.cloud.google.com/earth-engine/configuration?project={project}"
        )),
        (403, "ACCESS_TOKEN_SCOPE_INSUFFICIENT") => Error::rejected("scope", said)
            .hint("the token lacks the scope `earthengine`; ask for it with --scopes, or log in again"),
        (403, "BILLING_DISABLED") => Error::rejected("billing", said).hint(format!(
            "link a billing account to {project}: https://console.cloud.google.com/billing/linkedaccount?project={project}"
        )),
        (403, "CONSUMER_INVALID") => no_project(said),
        (403, _) if message.contains("not found or deleted") => no_project(said),
        (403, _) => Error::rejected("permission", said).hint(permission(project, principal)),
        (404, _) => no_project(said),
        _ => Error::rejected("refused", said).hint("name another project (`ee-auth set-project ID`, or --project), or use another credential"),
    }
}

/// The roles that are wanted, and for a known account the commands that an owner of the project runs.
fn permission(project: &str, principal: Option<&str>) -> String {
    let grant = |who: &str| {
        let kind = if who.ends_with("gserviceaccount.com") { "serviceAccount" } else { "user" };
        let command = |role: &str| {
            format!(
                "`gcloud projects add-iam-policy-binding {project} --member={kind}:{who} --role=roles/{role}`"
            )
        };
        format!(": {} and {}", command("serviceusage.serviceUsageConsumer"), command("earthengine.viewer"))
    };
    format!(
        "the account needs the roles Earth Engine Resource Viewer and Service Usage Consumer in {project}, which an owner \
         grants{}; or another project has to be named: `ee-auth set-project ID`, or --project",
        principal.map(grant).unwrap_or_default()
    )
}

fn no_project(said: String) -> Error {
    Error::rejected("no_project", said)
        .hint("name a project that exists: `ee-auth set-project ID`, or --project; its id is on https://console.cloud.google.com")
}
