//! The Earth Engine API, `https://earthengine.googleapis.com`: enough of it to see whether a token works.

use hyper::header::HeaderName;
use serde_json::{Value, json};

use crate::errors::{self, api, api_with, error_info};
use crate::message::{Answer, Reply, Request};
use crate::services::expression::{self, FUNCTIONS};
use crate::world::{ProjectState, World, holds_any};

const SERVICE: &str = "earthengine.googleapis.com";

/// Any of these opens the API.
const SCOPES: [&str; 4] =
    ["earthengine", "earthengine.readonly", "cloud-platform", "cloud-platform.read-only"];

/// Which project pays, where it is not the one in the path.
const USER_PROJECT: HeaderName = HeaderName::from_static("x-goog-user-project");

/// `POST /v1/projects/P/value:compute`.
pub(crate) fn compute(world: &mut World, request: &Request) -> Answer {
    check_access(world, request)?;
    let invalid = |message: &str| api(400, "INVALID_ARGUMENT", message);
    let body = request.json().ok_or_else(|| invalid("Invalid JSON payload received. Unexpected token."))?;
    let value = expression::evaluate(&body["expression"]).map_err(|message| invalid(&message))?;
    Ok(Reply::json(200, &json!({"result": value})))
}

/// `GET /v1/projects/P/algorithms`.
pub(crate) fn algorithms(world: &mut World, request: &Request) -> Answer {
    check_access(world, request)?;
    let algorithms: Vec<_> = FUNCTIONS.iter().map(|function| function.algorithm()).collect();
    Ok(Reply::json(200, &json!({"algorithms": algorithms})))
}

/// `GET /v1/projects/P/config`.
pub(crate) fn config(world: &mut World, request: &Request) -> Answer {
    let project = check_access(world, request)?;
    Ok(Reply::json(200, &json!({"name": format!("projects/{project}/config"), "maxConcurrentExports": "2"})))
}

/// `GET /v1alpha/projects/P/assets/A:listImages`: a collection of one image, as GDAL's EEDA driver reads it.
pub(crate) fn images(world: &mut World, request: &Request) -> Answer {
    check_access(world, request)?;
    let collection = request.path.trim_start_matches("/v1alpha/").trim_end_matches(":listImages");
    let image = json!({
        "type": "IMAGE",
        "name": format!("{collection}/ONE"),
        "id": "ONE",
        "startTime": "2020-01-01T00:00:00Z",
        "endTime": "2020-01-02T00:00:00Z",
        "updateTime": "2020-01-03T00:00:00Z",
        "bands": [],
    });
    Ok(Reply::json(200, &json!({"images": [image]})))
}

/// `GET /$discovery/rest`: the description from which earthengine-api makes its calls, cut down to those above.
pub(crate) fn discovery(world: &mut World, _: &Request) -> Answer {
    let method = |id: &str, http_method: &str, suffix: &str, response: &str| {
        json!({
            "id": format!("earthengine.projects.{id}"),
            "path": format!("v1/{{+{parameter}}}/{suffix}", parameter = parameter_of(suffix)),
            "httpMethod": http_method,
            "parameterOrder": [parameter_of(suffix)],
            "parameters": {parameter_of(suffix): {"type": "string", "required": true, "location": "path"}},
            "response": {"$ref": response},
        })
    };
    let mut compute = method("value.compute", "POST", "value:compute", "Any");
    compute["request"] = json!({"$ref": "Any"});
    Ok(Reply::json(
        200,
        &json!({
            "kind": "discovery#restDescription",
            "discoveryVersion": "v1",
            "id": "earthengine:v1",
            "name": "earthengine",
            "version": "v1",
            "protocol": "rest",
            "rootUrl": format!("{}/", world.base),
            "servicePath": "",
            "batchPath": "batch",
            "parameters": {
                "alt": {"type": "string", "location": "query"},
                "prettyPrint": {"type": "boolean", "location": "query"},
            },
            "schemas": {"Any": {"id": "Any", "type": "object", "properties": {}}},
            "resources": {"projects": {"methods": {
                "getConfig": {
                    "id": "earthengine.projects.getConfig",
                    "path": "v1/{+name}",
                    "httpMethod": "GET",
                    "parameterOrder": ["name"],
                    "parameters": {"name": {"type": "string", "required": true, "location": "path"}},
                    "response": {"$ref": "Any"},
                },
            }, "resources": {
                "algorithms": {"methods": {"list": method("algorithms.list", "GET", "algorithms", "Any")}},
                "value": {"methods": {"compute": compute}},
            }}},
        }),
    ))
}

fn parameter_of(suffix: &str) -> &'static str {
    if suffix == "algorithms" { "parent" } else { "project" }
}

/// The checks that stand before every call: the token, its scopes, and each project that is named. Returns the one in
/// the path.
fn check_access(world: &World, request: &Request) -> Result<String, Reply> {
    let caller = world.caller(request).map_err(|reason| errors::unauthenticated(reason, SERVICE))?;
    if !holds_any(&caller.scopes, &SCOPES) {
        return Err(errors::insufficient_scope(SERVICE));
    }
    let project = request.path.split('/').nth(3).unwrap_or_default();
    for project in request.header(USER_PROJECT).into_iter().chain([project]) {
        check_project(world, project)?;
    }
    Ok(project.to_owned())
}

fn check_project(world: &World, project: &str) -> Result<(), Reply> {
    refusal(world.projects.get(project).copied(), project).map_or(Ok(()), Err)
}

/// What is answered for a project in this state, `None` for one that there is not; nothing where it is ready.
pub(crate) fn refusal(state: Option<ProjectState>, project: &str) -> Option<Reply> {
    let console = "https://console.developers.google.com";
    let (message, reason) = match state {
        Some(ProjectState::Ready) => return None,
        Some(ProjectState::ApiDisabled) => (
            format!(
                "Google Earth Engine API has not been used in project {project} before or it is disabled. Enable it by \
                 visiting {console}/apis/api/{SERVICE}/overview?project={project} then retry. If you enabled this API \
                 recently, wait a few minutes for the action to propagate to our systems and retry."
            ),
            "SERVICE_DISABLED",
        ),
        Some(ProjectState::NotRegistered) => {
            let message = format!(
                "Project {project} is not registered to use Earth Engine. Visit \
                 https://console.cloud.google.com/earth-engine/configuration?project={project} to register your \
                 project. See https://developers.google.com/earth-engine/guides/access for more details."
            );
            return Some(api(403, "PERMISSION_DENIED", &message));
        }
        Some(ProjectState::NoPermission) => (
            format!(
                "Caller does not have required permission to use project {project}. Grant the caller the \
                 roles/serviceusage.serviceUsageConsumer role, or a custom role with the serviceusage.services.use \
                 permission, by visiting {console}/iam-admin/iam/project?project={project} and then retry. Propagation \
                 of the new permission may take a few minutes."
            ),
            "USER_PROJECT_DENIED",
        ),
        None => (format!("Permission denied on resource project {project}."), "CONSUMER_INVALID"),
    };
    let help: Value = json!({
        "@type": "type.googleapis.com/google.rpc.Help",
        "links": [{"description": "Google developers console", "url": console}],
    });
    let metadata = json!({"service": SERVICE, "consumer": format!("projects/{project}")});
    let details = json!([help, error_info(reason, "googleapis.com", metadata)]);
    Some(api_with(403, "PERMISSION_DENIED", &message, details))
}
