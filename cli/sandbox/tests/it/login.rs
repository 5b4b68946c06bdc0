use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ee_auth_sandbox::{Consent, DEFAULT_SCOPES, Sandbox, visit};
use serde_json::{Value, json};
use url::Url;

use crate::client::*;

const VERIFIER: &str = "a-verifier-of-at-least-forty-three-characters-in-length";
const REDIRECT: &str = "http://localhost:1/";

fn s256(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(ring::digest::digest(&ring::digest::SHA256, verifier.as_bytes()))
}

/// Asks for a code, and returns the fields of the redirect.
fn authorize(sandbox: &Sandbox, change: (&str, &str)) -> Result<Vec<(String, String)>, Answer> {
    let client = sandbox.client();
    let challenge = s256(VERIFIER);
    let mut fields = vec![
        ("client_id", client.id()),
        ("redirect_uri", REDIRECT),
        ("response_type", "code"),
        ("scope", "openid https://www.googleapis.com/auth/earthengine"),
        ("state", "some state"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    fields.retain(|(name, _)| *name != change.0);
    fields.push(change);
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let answer = get(sandbox, &format!("/o/oauth2/v2/auth?{query}"), &[]);
    if answer.status != 302 {
        return Err(answer);
    }
    let location = Url::parse(answer.header("location").unwrap()).unwrap();
    assert_eq!(location.port(), Some(1));
    Ok(location.query_pairs().into_owned().collect())
}

fn field<'a>(fields: &'a [(String, String)], name: &str) -> &'a str {
    fields.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value)
}

fn redeem(sandbox: &Sandbox, code: &str, change: (&str, &str)) -> Answer {
    let client = sandbox.client();
    let mut fields = vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("client_id", client.id()),
        ("client_secret", client.secret()),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ];
    fields.retain(|(name, _)| *name != change.0);
    fields.push(change);
    form(sandbox, "/token", &fields)
}

#[test]
fn a_code_is_given_and_redeemed_once() {
    let sandbox = sandbox();
    let fields = authorize(&sandbox, ("prompt", "consent")).ok().unwrap();
    assert_eq!(field(&fields, "state"), "some state");
    let code = field(&fields, "code");
    assert!(code.starts_with("4/0"));

    let answer = redeem(&sandbox, code, ("x", "y"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = answer.json();
    assert!(answer["refresh_token"].as_str().unwrap().starts_with("1//"));
    assert!(answer["access_token"].is_string() && answer["id_token"].is_string());
    assert_eq!(redeem(&sandbox, code, ("x", "y")).oauth_error(), "400 invalid_grant: Bad Request");

    let refreshed = form(
        &sandbox,
        "/token",
        &[
            ("grant_type", "refresh_token"),
            ("refresh_token", answer["refresh_token"].as_str().unwrap()),
            ("client_id", sandbox.client().id()),
            ("client_secret", sandbox.client().secret()),
        ],
    );
    assert_eq!(refreshed.status, 200);
}

#[test]
fn a_code_is_bound_to_its_request() {
    let sandbox = sandbox();
    let other = sandbox.add_client("1-other", "other");
    let fields = authorize(&sandbox, ("x", "y")).ok().unwrap();
    let code = field(&fields, "code");
    for (change, error) in [
        (("code_verifier", "another"), "400 invalid_grant: Invalid code verifier."),
        (("code_verifier", ""), "400 invalid_grant: Missing code verifier."),
        (("redirect_uri", "http://localhost:2/"), "400 redirect_uri_mismatch: Bad Request"),
        (("client_id", other.id()), "401 invalid_client: The provided client secret is invalid."),
        (("code", "4/0Aunknown"), "400 invalid_grant: Malformed auth code."),
    ] {
        assert_eq!(redeem(&sandbox, code, change).oauth_error(), error, "{change:?}");
    }
    sandbox.set_clock_offset(601);
    assert_eq!(redeem(&sandbox, code, ("x", "y")).oauth_error(), "400 invalid_grant: Bad Request");
    sandbox.set_clock_offset(0);
    assert_eq!(redeem(&sandbox, code, ("x", "y")).status, 200);
}

#[test]
fn a_wrong_request_is_answered_by_a_page() {
    let sandbox = sandbox();
    for (change, status, said) in [
        (("client_id", "1-ghost"), 401, "invalid_client"),
        (("client_id", ""), 400, "client_id"),
        (("redirect_uri", "https://evil.example/"), 400, "redirect_uri_mismatch"),
        (("redirect_uri", "urn:ietf:wg:oauth:2.0:oob"), 400, "out-of-band"),
        (("response_type", "token"), 400, "response_type"),
        (("scope", ""), 400, "scope"),
        (("scope", "earthengine"), 400, "invalid_scope"),
        (("code_challenge_method", "plain"), 400, "S256"),
    ] {
        let page = authorize(&sandbox, change).err().unwrap();
        assert_eq!(page.status, status, "{change:?}");
        assert!(page.text().contains(said), "{change:?}: {}", page.text());
    }
    sandbox.delete_client(&sandbox.client());
    assert!(authorize(&sandbox, ("x", "y")).err().unwrap().text().contains("deleted_client"));
}

#[test]
fn a_person_may_refuse_or_grant_less() {
    let sandbox = sandbox();
    sandbox.set_consent(Consent::Deny);
    let fields = authorize(&sandbox, ("x", "y")).ok().unwrap();
    assert_eq!((field(&fields, "error"), field(&fields, "state")), ("access_denied", "some state"));
    assert_eq!(field(&fields, "code"), "");

    sandbox.set_consent(Consent::GrantOnly(vec![EARTH_ENGINE.to_owned()]));
    let fields = authorize(&sandbox, ("x", "y")).ok().unwrap();
    let answer = redeem(&sandbox, field(&fields, "code"), ("x", "y")).json();
    assert_eq!(answer["scope"], EARTH_ENGINE);
    assert!(answer.get("id_token").is_none());
}

#[test]
fn faults_reach_the_program_through_the_browser() {
    let sandbox = sandbox();
    sandbox.fail("authorize=wrong-statex1".parse().unwrap());
    let fields = authorize(&sandbox, ("x", "y")).ok().unwrap();
    assert_eq!(field(&fields, "state"), "another");
    assert!(!field(&fields, "code").is_empty());

    sandbox.fail("token=no-refresh-tokenx1".parse().unwrap());
    let answer = redeem(&sandbox, field(&fields, "code"), ("x", "y")).json();
    assert!(answer["access_token"].is_string() && answer.get("refresh_token").is_none());

    sandbox.fail("authorize=admin_policy_enforcedx1".parse().unwrap());
    let fields = authorize(&sandbox, ("x", "y")).ok().unwrap();
    assert_eq!((field(&fields, "error"), field(&fields, "state")), ("admin_policy_enforced", "some state"));
}

#[test]
fn a_visit_follows_the_redirect_to_the_program() {
    let sandbox = sandbox();
    // The sandbox stands in for the program that waits for the code.
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("client_id", sandbox.client().id()),
            ("redirect_uri", &format!("{}/elsewhere", sandbox.base_url())),
            ("response_type", "code"),
            ("scope", EARTH_ENGINE),
        ])
        .finish();
    let page = visit(&format!("{}/o/oauth2/auth?{query}", sandbox.base_url())).unwrap();
    assert_eq!(page.status, 404);
    assert!(page.url.contains("/elsewhere?code=4%2F0A"), "{}", page.url);
    assert!(page.authorization_code().is_none());
}

/// The address that `ee.Authenticate(auth_mode="notebook")` prints.
fn notebook_address(sandbox: &Sandbox, request_id: &str) -> String {
    let scopes =
        url::form_urlencoded::byte_serialize(DEFAULT_SCOPES.join(" ").as_bytes()).collect::<String>();
    let (tc, cc) = (s256(VERIFIER), s256("client verifier"));
    format!("{}/client-auth?scopes={scopes}&request_id={request_id}&tc={tc}&cc={cc}", sandbox.base_url())
}

fn fetch(sandbox: &Sandbox, body: &Value) -> Value {
    let headers = [("Content-Type", "application/json; charset=UTF-8")];
    let timeout = std::time::Duration::from_secs(10);
    send(sandbox, "POST", "/client-auth/fetch", &headers, body.to_string().as_bytes(), timeout)
        .unwrap()
        .json()
}

#[test]
fn the_notebook_authenticator_hands_out_a_code_and_a_client() {
    let sandbox = sandbox();
    let page = visit(&notebook_address(&sandbox, "r1")).unwrap();
    let code = page.authorization_code().unwrap();

    let fetched = fetch(&sandbox, &json!({"request_id": "r1", "client_verifier": "client verifier"}));
    assert_eq!(fetched["client_id"], sandbox.client().id());
    assert_eq!(fetched["scopes"], json!(DEFAULT_SCOPES));

    let answer = redeem(&sandbox, code, ("redirect_uri", "urn:ietf:wg:oauth:2.0:oob"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.json()["refresh_token"].is_string());
}

#[test]
fn the_notebook_authenticator_refuses() {
    let sandbox = sandbox();
    let address = notebook_address(&sandbox, "r1");
    for wrong in [
        address.replace("request_id=r1", ""),
        address.replace("&cc=", "&cc=x"),
        address.replace("scopes=", "s="),
    ] {
        assert_eq!(visit(&wrong).unwrap().status, 400, "{wrong}");
    }
    let refusal = json!({"error": "Unknown request_id"});
    assert_eq!(fetch(&sandbox, &json!({"request_id": "r1", "client_verifier": "client verifier"})), refusal);

    let code = visit(&address).unwrap().authorization_code().unwrap().to_owned();
    let refusal = json!({"error": "Invalid client_verifier"});
    assert_eq!(fetch(&sandbox, &json!({"request_id": "r1", "client_verifier": "another"})), refusal);
    assert_eq!(fetch(&sandbox, &json!({"request_id": "r1"})), json!({"error": "Missing client_verifier"}));
    let other_redirect = redeem(&sandbox, &code, ("x", "y"));
    assert_eq!(other_redirect.oauth_error(), "400 redirect_uri_mismatch: Bad Request");

    sandbox.set_consent(Consent::Deny);
    let page = visit(&address).unwrap();
    assert_eq!((page.status, page.authorization_code()), (403, None));
}

#[test]
fn the_choice_of_read_only_is_kept() {
    let sandbox = sandbox();
    let read_only = "https://www.googleapis.com/auth/earthengine.readonly";
    sandbox.set_consent(Consent::GrantOnly(vec![read_only.to_owned()]));
    let page = visit(&notebook_address(&sandbox, "r1")).unwrap();
    let fetched = fetch(&sandbox, &json!({"request_id": "r1", "client_verifier": "client verifier"}));
    assert_eq!(fetched["scopes"], json!([read_only]));
    let code = page.authorization_code().unwrap();
    let answer = redeem(&sandbox, code, ("redirect_uri", "urn:ietf:wg:oauth:2.0:oob"));
    assert_eq!(answer.json()["scope"], read_only);
}
