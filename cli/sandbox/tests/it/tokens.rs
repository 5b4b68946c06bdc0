use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rsa::PublicKeyComponents;
use ring::signature::RSA_PKCS1_2048_8192_SHA256;
use serde_json::json;

use crate::client::*;

#[test]
fn revoking_either_token_ends_the_grant() {
    for by_refresh_token in [true, false] {
        let sandbox = sandbox();
        let user = sandbox.user();
        let access = sandbox.access_token_for(&user, &[EARTH_ENGINE]);
        let token = if by_refresh_token { user.refresh_token() } else { &access };
        let answer = form(&sandbox, "/revoke", &[("token", token)]);
        assert_eq!((answer.status, answer.json()), (200, json!({})));

        let again = form(&sandbox, "/revoke", &[("token", token)]);
        assert_eq!(again.status, 400, "{}", again.text());
        assert_eq!(get(&sandbox, &format!("/tokeninfo?access_token={access}"), &[]).status, 400);
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", user.refresh_token()),
            ("client_id", user.client().id()),
            ("client_secret", user.client().secret()),
        ];
        let refresh = form(&sandbox, "/token", &fields);
        assert_eq!(refresh.oauth_error(), "400 invalid_grant: Token has been expired or revoked.");
    }
    let sandbox = sandbox();
    let unknown = form(&sandbox, "/revoke", &[("token", "ya29.unknown")]);
    assert_eq!(unknown.oauth_error(), "400 invalid_token: Token expired or revoked");
}

#[test]
fn tokeninfo_tells_what_a_token_is() {
    let sandbox = sandbox();
    let user = sandbox.add_user("bob@example.com", &sandbox.client(), &["openid", "email", EARTH_ENGINE]);
    let token = sandbox.access_token_for(&user, &["email", EARTH_ENGINE]);
    let info = form(&sandbox, "/tokeninfo", &[("access_token", &token)]).json();
    assert_eq!(info["email"], "bob@example.com");
    assert_eq!(info["scope"], format!("email {EARTH_ENGINE}"));
    assert_eq!(info["aud"], sandbox.client().id());
    assert!(info["expires_in"].as_str().unwrap().parse::<u32>().unwrap() > 3500);

    let plain = sandbox.access_token_for(&user, &[EARTH_ENGINE]);
    assert!(get(&sandbox, &format!("/tokeninfo?access_token={plain}"), &[]).json().get("email").is_none());

    let authorization = format!("Bearer {token}");
    let person = get(&sandbox, "/oauth2/v3/userinfo", &[("Authorization", &authorization)]).json();
    assert_eq!((&person["email"], &person["sub"]), (&json!("bob@example.com"), &info["sub"]));
    assert_eq!(get(&sandbox, "/oauth2/v3/userinfo", &[]).status, 401);
}

#[test]
fn tokens_expire() {
    let sandbox = sandbox();
    sandbox.set_token_lifetime(std::time::Duration::from_secs(60));
    let token = sandbox.access_token();
    let target = format!("/tokeninfo?access_token={token}");
    assert_eq!(get(&sandbox, &target, &[]).status, 200);
    sandbox.set_clock_offset(60);
    assert_eq!(get(&sandbox, &target, &[]).oauth_error(), "400 invalid_token: Invalid Value");
    let gone = form(&sandbox, "/revoke", &[("token", &token)]);
    assert_eq!(gone.oauth_error(), "400 invalid_token: Token expired or revoked");
}

#[test]
fn the_certificates_verify_id_tokens() {
    let sandbox = sandbox();
    let flavor = [("Metadata-Flavor", "Google")];
    let target = "/computeMetadata/v1/instance/service-accounts/default/identity?audience=a";
    let token = get(&sandbox, target, &flavor).text();
    let (signed, signature) = token.rsplit_once('.').unwrap();

    let keys = get(&sandbox, "/oauth2/v3/certs", &[]).json();
    let part = |name: &str| URL_SAFE_NO_PAD.decode(keys["keys"][0][name].as_str().unwrap()).unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    PublicKeyComponents { n: part("n"), e: part("e") }
        .verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &signature)
        .unwrap();
}
