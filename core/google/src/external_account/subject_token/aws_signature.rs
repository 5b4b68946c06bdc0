//! The request that proves an AWS identity, signed (AWS Signature Version 4) and written as Google's STS wants it.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use ee_auth_core::host::{Environment, variable};
use ee_auth_core::{Error, ExposeSecret, Secret};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tracing::subscriber::{NoSubscriber, with_default};
use url::Url;

use super::aws::KEY_ID;

/// The header by which a request is bound to one pool's provider, so that nobody can use it for another.
const TARGET: &str = "x-goog-cloud-target-resource";

/// What Python's `urllib.parse.quote` leaves as it is, which Google's library uses here.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// AWS's keys.
pub(super) struct Keys {
    pub(super) id: String,
    pub(super) secret: Secret,
    pub(super) session_token: Option<Secret>,
}

impl Keys {
    /// Those in the usual variables, where both are set.
    pub(super) fn from_environment(environment: &dyn Environment) -> Option<Self> {
        Some(Self {
            id: variable(environment, KEY_ID)?,
            secret: variable(environment, "AWS_SECRET_ACCESS_KEY")?.into(),
            session_token: variable(environment, "AWS_SESSION_TOKEN").map(Secret::from),
        })
    }
}

/// The subject token: a signed POST to `url`, which is written as `text`, as JSON, percent-encoded.
///
/// Google's libraries leave the target resource out of the signature; Google's documentation recommends to sign it, and so
/// it is signed here.
pub(super) fn caller_identity(
    url: &Url,
    text: &str,
    region: &str,
    keys: &Keys,
    audience: &str,
    now: SystemTime,
) -> Result<Secret, Error> {
    let host = url.host_str().unwrap_or_default();
    let mut headers = vec![("host".to_owned(), host.to_owned()), (TARGET.to_owned(), audience.to_owned())];
    let signed = signed_headers(url, region, keys, &headers, now)?;
    headers.extend(signed);
    headers.sort();
    let headers: Vec<_> = headers
        .into_iter()
        .map(|(name, value)| {
            // The spelling of Google's library.
            let name = if name == "authorization" { "Authorization".to_owned() } else { name };
            json!({ "key": name, "value": value })
        })
        .collect();
    let request: Value = json!({ "url": text, "method": "POST", "headers": headers });
    Ok(Secret::from(utf8_percent_encode(&request.to_string(), KEPT).to_string()))
}

/// The headers that the signature adds.
fn signed_headers(
    url: &Url,
    region: &str,
    keys: &Keys,
    headers: &[(String, String)],
    now: SystemTime,
) -> Result<Vec<(String, String)>, Error> {
    let failed = || {
        Error::invalid("aws", "the request to AWS cannot be signed: a key or the audience has odd characters")
            .hint("set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN again")
    };
    let credentials = Credentials::new(
        keys.id.as_str(),
        keys.secret.expose_secret(),
        keys.session_token.as_ref().map(|token| token.expose_secret().to_owned()),
        None,
        "ee-auth",
    );
    let identity = credentials.into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("sts")
        .time(now)
        .settings(SigningSettings::default())
        .build()
        .map_err(|_| failed())?
        .into();
    let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let request = SignableRequest::new("POST", url.as_str(), headers, SignableBody::Bytes(b""))
        .map_err(|_| failed())?;
    // At its most talkative level it would tell the program's log the session token.
    let signed =
        with_default(NoSubscriber::default(), || sign(request, &parameters)).map_err(|_| failed())?;
    let (instructions, _) = signed.into_parts();
    Ok(instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

#[cfg(test)]
mod tests {
    use std::fmt;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use percent_encoding::percent_decode_str;
    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata, Subscriber};

    use super::*;

    /// The credentials of AWS's published test suite for Signature Version 4 (`aws-sig-v4-test-suite`).
    fn published() -> Keys {
        Keys {
            id: ["AKIDEXA", "MPLE"].concat(),
            secret: ["wJalrXUtnFEMI/K7MDENG", "+bPxRfiCYEXAMPLEKEY"].concat().into(),
            session_token: None,
        }
    }

    fn at(rfc3339: &str) -> SystemTime {
        humantime::parse_rfc3339(rfc3339).unwrap()
    }

    #[test]
    fn signatures_are_those_of_the_published_test_suite() {
        // The case `post-vanilla`, whose service is called `service`; that the name here is `sts` changes the signature,
        // so it is held against one that is worked out below from the specification's own words.
        let url = Url::parse("https://example.amazonaws.com/").unwrap();
        let headers = [("host".to_owned(), "example.amazonaws.com".to_owned())];
        let signed =
            signed_headers(&url, "us-east-1", &published(), &headers, at("2015-08-30T12:36:00Z")).unwrap();
        let authorization = &signed.iter().find(|(name, _)| name == "authorization").unwrap().1;
        let canonical = "POST\n/\n\nhost:example.amazonaws.com\nx-amz-date:20150830T123600Z\n\nhost;x-amz-date\n\
                         e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let expected = by_hand(canonical, "20150830T123600Z", "us-east-1", "sts", &published());
        assert!(authorization.ends_with(&format!("Signature={expected}")), "{authorization}");
        // And by hand for the suite's own service name, against the signature that AWS publishes.
        assert_eq!(
            by_hand(canonical, "20150830T123600Z", "us-east-1", "service", &published()),
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"
        );
    }

    /// Tasks 2 and 3 of the specification, with ring.
    fn by_hand(canonical: &str, date: &str, region: &str, service: &str, keys: &Keys) -> String {
        use ring::{digest, hmac};
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let mac = |key: &[u8], text: &str| {
            hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
        };
        let day = &date[..8];
        let hash = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
        let text = format!("AWS4-HMAC-SHA256\n{date}\n{day}/{region}/{service}/aws4_request\n{hash}");
        let mut key = format!("AWS4{}", keys.secret.expose_secret()).into_bytes();
        for part in [day, region, service, "aws4_request"] {
            key = mac(&key, part);
        }
        hex(&mac(&key, &text))
    }

    #[test]
    fn a_subject_token_is_a_request_in_json() {
        let keys = Keys { session_token: Some("a session".into()), ..published() };
        let url = "https://sts.us-east-2.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15";
        let audience = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x";
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
        let token =
            caller_identity(&Url::parse(url).unwrap(), url, "us-east-2", &keys, audience, now).unwrap();
        let token = token.expose_secret();
        assert!(token.starts_with("%7B%22headers%22%3A%5B"), "{token}");
        assert!(!token.contains(['{', '"', ' ', '+']), "{token}");
        let json: Value = serde_json::from_str(&percent_decode_str(token).decode_utf8().unwrap()).unwrap();
        assert_eq!((&json["url"], &json["method"]), (&json!(url), &json!("POST")));
        let header = |name: &str| {
            let found = json["headers"].as_array().unwrap().iter().find(|header| header["key"] == name);
            found.unwrap_or_else(|| panic!("no {name}"))["value"].as_str().unwrap().to_owned()
        };
        assert_eq!(header("host"), "sts.us-east-2.amazonaws.com");
        assert_eq!(header(TARGET), audience);
        assert_eq!(header("x-amz-date"), "20260101T000000Z");
        assert_eq!(header("x-amz-security-token"), "a session");
        let authorization = header("Authorization");
        let signed = "SignedHeaders=host;x-amz-date;x-amz-security-token;x-goog-cloud-target-resource, ";
        assert!(authorization.contains(signed), "{authorization}");
        let canonical = format!(
            "POST\n/\nAction=GetCallerIdentity&Version=2011-06-15\nhost:sts.us-east-2.amazonaws.com\n\
             x-amz-date:20260101T000000Z\nx-amz-security-token:a session\nx-goog-cloud-target-resource:{audience}\n\n\
             host;x-amz-date;x-amz-security-token;x-goog-cloud-target-resource\n\
             e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        let expected = by_hand(&canonical, "20260101T000000Z", "us-east-2", "sts", &keys);
        assert!(authorization.ends_with(&format!("Signature={expected}")), "{authorization}");
    }

    /// What a program sees that listens to everything.
    #[derive(Clone, Default)]
    struct Listener(Arc<Mutex<String>>);

    impl Visit for Listener {
        fn record_debug(&mut self, _field: &Field, value: &dyn fmt::Debug) {
            self.0.lock().unwrap().push_str(&format!("{value:?}"));
        }
    }

    impl Subscriber for Listener {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn event(&self, event: &Event<'_>) {
            event.record(&mut self.clone());
        }

        fn enter(&self, _: &Id) {}

        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn a_program_that_listens_hears_no_session_token() {
        let keys = Keys { session_token: Some("a session".into()), ..published() };
        let url = Url::parse("https://sts.us-east-2.amazonaws.com").unwrap();
        let listener = Listener::default();
        with_default(listener.clone(), || {
            tracing::trace!(heard = "this");
            signed_headers(&url, "us-east-2", &keys, &[], at("2026-01-01T00:00:00Z")).unwrap();
        });
        let heard = listener.0.lock().unwrap();
        assert!(heard.contains("this") && !heard.contains("a session"), "{heard}");
    }
}
