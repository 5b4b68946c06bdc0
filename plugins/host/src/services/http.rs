//! `http/1`: requests through the host's proxy, trust store, timeouts and retries.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ee_auth_core::Secret;
use ee_auth_core::host::{Body, Method, Request};
use ee_auth_core::retry::{self, Repeat};
use serde_json::{Map, Value, json};
use url::Url;

use super::{Refused, Reply, Services, host_name, is_protected, text};
use crate::RefusalCode;

/// The most headers that a request may have.
const MAX_HEADERS: usize = 32;

impl Services {
    /// `{"event": "http", "method": "GET|POST|PUT", "url": "https://…", "headers": {…}, "json": …}`, or `"form": {…}` in place of
    /// `json`. Replied with `status`, `content_type` and `body`, which is `body_base64` where it is no text.
    pub(super) async fn http(&self, event: &Map<String, Value>) -> Reply {
        let request = self.request(event)?;
        let shown = format!("{request:?}");
        // What changes something is not sent twice.
        let repeat = if request.method == Method::Get { Repeat::Safe } else { Repeat::UntilSent };
        let response = retry::send(&self.host, request, repeat)
            .await
            .map_err(|error| Refused::new(RefusalCode::Unavailable, format!("{shown}: {}", error.message)))?;
        let mut reply = Map::new();
        reply.insert("status".to_owned(), json!(response.status));
        reply.insert("content_type".to_owned(), json!(response.content_type));
        match std::str::from_utf8(&response.body) {
            Ok(body) => reply.insert("body".to_owned(), json!(body)),
            Err(_) => reply.insert("body_base64".to_owned(), json!(STANDARD.encode(&*response.body))),
        };
        Ok(reply)
    }

    fn request(&self, event: &Map<String, Value>) -> Result<Request, Refused> {
        let method = match event.get("method").and_then(Value::as_str).unwrap_or("GET") {
            "GET" => Method::Get,
            "POST" => Method::Post,
            "PUT" => Method::Put,
            _ => return Err(Refused::invalid("`method` must be GET, POST or PUT")),
        };
        let url = Url::parse(text(event, "url")?).map_err(|_| Refused::invalid("`url` is no address"))?;
        let host = host_name(&url).ok_or_else(|| Refused::invalid("`url` names no host"))?;
        // This machine, without a port, is all of its ports.
        let local = url.host().filter(ee_auth_core::is_loopback).map(|name| name.to_string());
        if !self.http_hosts.contains(&host) && !local.is_some_and(|name| self.http_hosts.contains(&name)) {
            let message =
                format!("{host} is not among `http_hosts` of the plugin's manifest; nothing was sent");
            return Err(Refused::new(RefusalCode::Rejected, message));
        }
        if !is_protected(&url) {
            let message =
                "only https, or http to this machine, and no user name in the address; nothing was sent";
            return Err(Refused::new(RefusalCode::Rejected, message));
        }
        let mut request = Request::new(method, url);
        request.timeout = request.timeout.min(self.left());
        for (name, value) in headers(event)? {
            request = request.with_header(name, value);
        }
        match (event.get("json"), event.get("form")) {
            (Some(_), Some(_)) => Err(Refused::invalid("a request has `json` or `form`, not both")),
            (Some(json), None) => Ok(request.with_body(Body::Json(Secret::from(json.to_string())))),
            (None, Some(Value::Object(fields))) => {
                let fields: Option<Vec<_>> =
                    fields.iter().map(|(name, value)| Some((name.as_str(), value.as_str()?))).collect();
                let fields =
                    fields.ok_or_else(|| Refused::invalid("the values of `form` must be strings"))?;
                Ok(request.with_body(Body::form(fields)))
            }
            (None, Some(_)) => Err(Refused::invalid("`form` must be an object")),
            (None, None) => Ok(request),
        }
    }
}

/// The headers of a request, as RFC 9110 allows them (sections 5.1 and 5.5). Those that say where the request goes and how
/// long it is are the client's to write.
fn headers(event: &Map<String, Value>) -> Result<Vec<(String, Secret)>, Refused> {
    const CLIENTS_OWN: [&str; 7] =
        ["host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "proxy-authorization"];
    let fields = match event.get("headers") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Object(fields)) if fields.len() <= MAX_HEADERS => fields,
        _ => {
            return Err(Refused::invalid(format!(
                "`headers` must be an object with at most {MAX_HEADERS} keys"
            )));
        }
    };
    let is_token = |name: &str| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
    };
    fields
        .iter()
        .map(|(name, value)| {
            let lower = name.to_ascii_lowercase();
            let value = value.as_str().filter(|value| value.bytes().all(|b| (0x20..0x7f).contains(&b)));
            match value {
                Some(value) if is_token(name) && !CLIENTS_OWN.contains(&lower.as_str()) => {
                    Ok((lower, Secret::from(value)))
                }
                _ => Err(Refused::invalid("a header has a name or a value that none may have")),
            }
        })
        .collect()
}
