//! What Google's STS does with a signed `GetCallerIdentity`: it sends it to AWS. Here the signature is checked in AWS's
//! place (AWS Signature Version 4).

use percent_encoding::percent_decode_str;
use ring::digest::{SHA256, digest};
use ring::hmac::{HMAC_SHA256, Key, sign};
use serde_json::Value;
use url::Url;

use crate::world::{AwsIdentity, World};

/// The type of a subject token that is such a request.
pub(crate) const TOKEN_TYPE: &str = "urn:ietf:params:aws:token-type:aws4_request";

/// For how many seconds a signed request is accepted, as AWS has it.
const VALIDITY: i64 = 900;

/// The identity that signed a request, or why it is none.
pub(crate) fn identity(world: &World, audience: &str, token: &str) -> Result<AwsIdentity, String> {
    let text = percent_decode_str(token).decode_utf8().map_err(|_| "The token is not UTF-8.")?;
    let request: Value = serde_json::from_str(&text).map_err(|_| "The token is not JSON.")?;
    let url = Url::parse(request["url"].as_str().unwrap_or_default()).map_err(|_| "There is no URL.")?;
    let host = url.host_str().unwrap_or_default();
    let region = host.strip_prefix("sts.").and_then(|rest| rest.strip_suffix(".amazonaws.com"));
    let region = region.filter(|_| url.scheme() == "https").ok_or("The URL is not of AWS STS.")?;
    if url.query() != Some("Action=GetCallerIdentity&Version=2011-06-15") || request["method"] != "POST" {
        return Err("The request is not GetCallerIdentity.".to_owned());
    }
    let mut headers: Vec<(String, &str)> = Vec::new();
    for header in request["headers"].as_array().ok_or("There are no headers.")? {
        let (Some(key), Some(value)) = (header["key"].as_str(), header["value"].as_str()) else {
            return Err("A header is not text.".to_owned());
        };
        headers.push((key.to_ascii_lowercase(), value));
    }
    let header = |name: &str| {
        let found = headers.iter().find(|(key, _)| key == name).map(|(_, value)| *value);
        found.ok_or_else(|| format!("The header {name} is missing."))
    };
    if header("x-goog-cloud-target-resource")? != audience {
        return Err("x-goog-cloud-target-resource is not the audience.".to_owned());
    }
    if header("host")? != host {
        return Err("The host is another.".to_owned());
    }
    let date = header("x-amz-date")?;
    if (world.now() - seconds(date).ok_or("x-amz-date is no date.")?).abs() > VALIDITY {
        return Err("Signature expired.".to_owned());
    }

    let authorization = header("authorization")?;
    let part = |name: &str| {
        let parts = authorization.strip_prefix("AWS4-HMAC-SHA256 ")?.split(", ");
        parts.filter_map(|part| part.split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| value)
    };
    let (Some(credential), Some(signed), Some(signature)) =
        (part("Credential"), part("SignedHeaders"), part("Signature"))
    else {
        return Err("The authorization is malformed.".to_owned());
    };
    let scope = format!("{}/{region}/sts/aws4_request", &date[..8]);
    let key_id =
        credential.strip_suffix(&format!("/{scope}")).ok_or("The credential is of another scope.")?;
    for needed in ["host", "x-amz-date"]
        .into_iter()
        .chain(header("x-amz-security-token").map(|_| "x-amz-security-token").ok())
    {
        if !signed.split(';').any(|name| name == needed) {
            return Err(format!("{needed} is not signed."));
        }
    }
    let known =
        world.aws_identities.iter().find(|known| known.audience == audience && known.key_id == key_id);
    let known = known.ok_or("The security token included in the request is invalid.")?;

    let mut canonical = format!("POST\n/\n{}\n", url.query().unwrap_or_default());
    for name in signed.split(';') {
        canonical += &format!("{name}:{}\n", header(name)?.trim());
    }
    canonical += &format!("\n{signed}\n{}", hex(digest(&SHA256, b"").as_ref()));
    let text =
        format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex(digest(&SHA256, canonical.as_bytes()).as_ref()));
    let mut key = format!("AWS4{}", known.secret_key).into_bytes();
    for part in scope.split('/') {
        key = mac(&key, part);
    }
    if hex(&mac(&key, &text)) == signature {
        Ok(known.clone())
    } else {
        Err("The request signature we calculated does not match the signature you provided.".to_owned())
    }
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    sign(&Key::new(HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Seconds since 1970, of `20260101T000000Z`.
fn seconds(date: &str) -> Option<i64> {
    let digits = |range: std::ops::Range<usize>| {
        date.get(range).filter(|text| text.bytes().all(|b| b.is_ascii_digit()))
    };
    let text = format!(
        "{}-{}-{}T{}:{}:{}Z",
        digits(0..4)?,
        digits(4..6)?,
        digits(6..8)?,
        digits(9..11)?,
        digits(11..13)?,
        digits(13..15)?
    );
    let time = humantime::parse_rfc3339(&text).ok()?;
    i64::try_from(time.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs()).ok()
}
