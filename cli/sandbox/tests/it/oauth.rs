use ee_auth_sandbox::DEFAULT_SCOPES;
use serde_json::{Value, json};

use crate::client::*;

#[test]
fn an_assertion_is_exchanged() {
    let sandbox = sandbox();
    let account = sandbox.service_account();
    for audience in ["https://oauth2.googleapis.com/token", &format!("{}/token", sandbox.base_url())] {
        let mut claims = claims(&sandbox, &account);
        claims["aud"] = audience.into();
        let answer = exchange(&sandbox, &account, &claims);
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(
            (&answer.json()["token_type"], &answer.json()["expires_in"]),
            (&json!("Bearer"), &json!(3599))
        );
        assert!(answer.json()["access_token"].as_str().unwrap().starts_with("ya29."));
        assert!(answer.json().get("scope").is_none());
    }
    let key: Value = serde_json::from_str(&account.key_json()).unwrap();
    assert_eq!(key["token_uri"], format!("{}/token", sandbox.base_url()));
    assert_eq!((&key["client_email"], &key["private_key"]), (&json!(account.email()), &json!(account.pem())));
}

#[test]
fn an_assertion_is_verified() {
    let sandbox = sandbox();
    let (account, other) = (sandbox.service_account(), sandbox.add_service_account("other"));
    assert_ne!(account.pem(), other.pem());
    sandbox.allow_delegation(account.email(), "nobody@example.com");
    const TIME: &str = "400 invalid_grant: Invalid JWT: Token must be a short-lived token (60 minutes) and in a \
                        reasonable timeframe. Check your iat and exp values in the JWT claim.";
    const SCOPE: &str = "400 invalid_scope: Invalid OAuth scope or ID token audience provided.";
    const UNAUTHORIZED: &str = "401 unauthorized_client: Client is unauthorized to retrieve access tokens using this \
                                method, or client not authorized for any of the scopes requested.";
    for (claim, value, error) in [
        ("iss", json!("ghost@example.com"), "400 invalid_grant: Invalid grant: account not found"),
        ("iss", json!(other.email()), "400 invalid_grant: Invalid JWT Signature."),
        (
            "aud",
            json!("https://sts.googleapis.com/v1/token"),
            "400 invalid_grant: Invalid JWT: Failed audience check.",
        ),
        ("iat", json!(now() - 60), TIME),
        ("exp", json!(now() + 3700), TIME),
        ("exp", Value::Null, TIME),
        ("exp", json!("soon"), TIME),
        ("scope", json!(""), SCOPE),
        ("scope", Value::Null, SCOPE),
        ("scope", json!("earthengine"), SCOPE),
        ("sub", json!("ada@example.com"), UNAUTHORIZED),
        ("sub", json!("nobody@example.com"), "400 invalid_grant: Invalid email or User ID"),
    ] {
        let mut claims = claims(&sandbox, &account);
        claims[claim] = value.clone();
        assert_eq!(exchange(&sandbox, &account, &claims).oauth_error(), error, "{claim} {value}");
    }
}

#[test]
fn the_header_of_an_assertion_is_checked() {
    let sandbox = sandbox();
    let account = sandbox.service_account();
    for (header, status) in [
        (json!({"alg": "RS256"}), 200),
        (json!({"alg": "RS256", "kid": account.key_id()}), 200),
        (json!({"alg": "RS256", "kid": "another"}), 400),
        (json!({"alg": "none", "kid": account.key_id()}), 400),
        (json!({"alg": "HS256"}), 400),
    ] {
        let assertion = assertion(&account, &header, &claims(&sandbox, &account));
        let answer = form(&sandbox, "/token", &[("grant_type", JWT_BEARER), ("assertion", &assertion)]);
        assert_eq!(answer.status, status, "{header}");
    }
}

#[test]
fn the_signature_must_be_of_the_named_key() {
    let sandbox = sandbox();
    let (account, other) = (sandbox.service_account(), sandbox.add_service_account("other"));
    for header in [json!({"alg": "RS256", "kid": account.key_id()}), json!({"alg": "RS256"})] {
        let assertion = assertion(&other, &header, &claims(&sandbox, &account));
        let answer = form(&sandbox, "/token", &[("grant_type", JWT_BEARER), ("assertion", &assertion)]);
        assert_eq!(answer.oauth_error(), "400 invalid_grant: Invalid JWT Signature.", "{header}");
    }
}

#[test]
fn an_account_acts_for_a_person_it_may_act_for() {
    let sandbox = sandbox();
    let account = sandbox.service_account();
    sandbox.allow_delegation(account.email(), "ada@example.com");
    let mut claims = claims(&sandbox, &account);
    claims["sub"] = "ada@example.com".into();
    claims["scope"] = "openid email".into();
    let token = exchange(&sandbox, &account, &claims).json()["access_token"].as_str().unwrap().to_owned();
    let info = get(&sandbox, &format!("/tokeninfo?access_token={token}"), &[]).json();
    assert_eq!((&info["email"], &info["azp"]), (&json!("ada@example.com"), &json!(account.unique_id())));
}

#[test]
fn deleted_keys_and_accounts_are_refused() {
    let sandbox = sandbox();
    let account = sandbox.service_account();
    sandbox.delete_keys(account.email());
    let refused = exchange(&sandbox, &account, &claims(&sandbox, &account));
    assert_eq!(refused.oauth_error(), "400 invalid_grant: Invalid JWT Signature.");

    let renewed = sandbox.service_account();
    assert_eq!(exchange(&sandbox, &renewed, &claims(&sandbox, &renewed)).status, 200);
    assert_eq!(exchange(&sandbox, &account, &claims(&sandbox, &account)).status, 400);

    sandbox.delete_service_account(account.email());
    let refused = exchange(&sandbox, &account, &claims(&sandbox, &account));
    assert_eq!(refused.oauth_error(), "400 invalid_grant: Invalid grant: account not found");
}

#[test]
fn an_id_token_is_made_for_its_audience() {
    let sandbox = sandbox();
    let account = sandbox.service_account();
    let mut claims = claims(&sandbox, &account);
    claims["target_audience"] = "https://service.example".into();
    let answer = exchange(&sandbox, &account, &claims).json();
    let info = get(&sandbox, &format!("/tokeninfo?id_token={}", answer["id_token"].as_str().unwrap()), &[]);
    let info = info.json();
    assert_eq!((&info["aud"], &info["email"]), (&json!("https://service.example"), &json!(account.email())));
    assert_eq!(info["iss"], "https://accounts.google.com");
}

#[test]
fn the_clock_can_be_shifted() {
    let sandbox = sandbox();
    let account = sandbox.service_account();
    for (offset, status) in [(240, 200), (-240, 200), (7200, 400), (-7200, 400), (0, 200)] {
        sandbox.set_clock_offset(offset);
        let answer = exchange(&sandbox, &account, &claims(&sandbox, &account));
        assert_eq!(answer.status, status, "{offset}");
        let date = httpdate::parse_http_date(answer.header("date").unwrap()).unwrap();
        let date = i64::try_from(date.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()).unwrap();
        assert!((date - now() - offset).abs() <= 2, "{date}");
    }
}

#[test]
fn a_refresh_gives_a_token_for_what_was_granted() {
    let sandbox = sandbox();
    let user = sandbox.user();
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", user.refresh_token()),
        ("client_id", user.client().id()),
        ("client_secret", user.client().secret()),
    ];
    let answer = form(&sandbox, "/token", &fields).json();
    assert_eq!(answer["scope"], DEFAULT_SCOPES.join(" "));
    assert!(answer.get("refresh_token").is_none() && answer.get("id_token").is_none());

    let narrow = form(&sandbox, "/token", &[&fields[..], &[("scope", EARTH_ENGINE)]].concat()).json();
    assert_eq!(narrow["scope"], EARTH_ENGINE);
    let more = form(&sandbox, "/token", &[&fields[..], &[("scope", "openid")]].concat());
    assert_eq!(more.oauth_error(), "400 invalid_scope: Bad Request");
}

#[test]
fn a_refresh_is_narrowed_scope_by_scope() {
    const EMAIL: &str = "https://www.googleapis.com/auth/userinfo.email";
    const READ_ONLY: &str = "https://www.googleapis.com/auth/earthengine.readonly";
    let sandbox = sandbox();
    let user = sandbox.add_user("eve@example.com", &sandbox.client(), &[EARTH_ENGINE, "email"]);
    let client = sandbox.client();
    let ask = |scope: &str| {
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", user.refresh_token()),
            ("client_id", client.id()),
            ("client_secret", client.secret()),
            ("scope", scope),
        ];
        form(&sandbox, "/token", &fields)
    };
    assert_eq!(
        ask(READ_ONLY).oauth_error(),
        "400 invalid_scope: Bad Request",
        "`earthengine` is another scope"
    );
    assert_eq!(ask(&format!("{EARTH_ENGINE} {READ_ONLY}")).oauth_error(), "400 invalid_scope: Bad Request");
    for spelled in ["email", EMAIL] {
        assert_eq!(ask(spelled).json()["scope"], EMAIL, "Google answers with the address");
    }
}

#[test]
fn a_refresh_takes_the_client_from_the_header_too() {
    use base64::Engine as _;
    let sandbox = sandbox();
    let user = sandbox.user();
    let client = format!("{}:{}", user.client().id(), user.client().secret());
    let authorization = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(client));
    let body = format!("grant_type=refresh_token&refresh_token={}", user.refresh_token());
    let headers =
        [("Content-Type", "application/x-www-form-urlencoded"), ("Authorization", authorization.as_str())];
    let timeout = std::time::Duration::from_secs(10);
    assert_eq!(send(&sandbox, "POST", "/token", &headers, body.as_bytes(), timeout).unwrap().status, 200);
}

#[test]
fn a_refresh_is_refused_in_googles_words() {
    let sandbox = sandbox();
    let (user, other) = (sandbox.user(), sandbox.add_client("1-other", "other"));
    let (id, secret) = (user.client().id(), user.client().secret());
    for (token, id, secret, error) in [
        ("", id, secret, "400 invalid_request: Missing required parameter: refresh_token"),
        ("1//unknown", id, secret, "400 invalid_grant: Bad Request"),
        (
            user.refresh_token(),
            "",
            secret,
            "400 invalid_request: Could not determine client ID from request.",
        ),
        (user.refresh_token(), id, "", "400 invalid_request: client_secret is missing."),
        (user.refresh_token(), "2-ghost", secret, "401 invalid_client: The OAuth client was not found."),
        (user.refresh_token(), id, "wrong", "401 invalid_client: The provided client secret is invalid."),
        (user.refresh_token(), other.id(), other.secret(), "401 unauthorized_client: Unauthorized"),
    ] {
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
            ("client_id", id),
            ("client_secret", secret),
        ];
        assert_eq!(form(&sandbox, "/token", &fields).oauth_error(), error);
    }
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", user.refresh_token()),
        ("client_id", id),
        ("client_secret", secret),
    ];
    sandbox.revoke(user.refresh_token());
    let revoked = form(&sandbox, "/token", &fields);
    assert_eq!(revoked.oauth_error(), "400 invalid_grant: Token has been expired or revoked.");
    sandbox.delete_client(user.client());
    let deleted = form(&sandbox, "/token", &fields);
    assert_eq!(deleted.oauth_error(), "401 deleted_client: The OAuth client was deleted.");
}

#[test]
fn a_request_must_make_sense() {
    let sandbox = sandbox();
    for (fields, error) in [
        (&[][..], "400 invalid_request: Missing required parameter: grant_type"),
        (&[("grant_type", "password")], "400 unsupported_grant_type: Invalid grant_type: password"),
        (&[("grant_type", JWT_BEARER)], "400 invalid_request: Missing required parameter: assertion"),
        (&[("grant_type", JWT_BEARER), ("assertion", "x")], "400 invalid_grant: Bad Request"),
        (
            &[("grant_type", JWT_BEARER), ("grant_type", JWT_BEARER)],
            "400 invalid_request: OAuth 2 parameters can only have a single value: grant_type",
        ),
    ] {
        assert_eq!(form(&sandbox, "/token", fields).oauth_error(), error);
    }
    assert_eq!(get(&sandbox, "/token", &[]).status, 405);
    assert_eq!(get(&sandbox, "/nowhere", &[]).status, 404);
}
