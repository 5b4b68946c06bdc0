//! What holds for anything that is put into a variable, a file or a scope.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use ee_auth::{Resolver, Scopes, Secret};
use ee_auth_core::Search;
use ee_auth_environment::Recognised;
use ee_auth_fake::Fake;
use ee_auth_tests::leak::Secrets;
use ee_auth_tests::template::{ROBOT, Templates};
use ee_auth_tests::{fuzz, logs};
use proptest::prelude::*;
use proptest::test_runner::Config;

static TEMPLATES: LazyLock<Templates> = LazyLock::new(Templates::new);

fn config(cases: u32) -> Config {
    Config { cases, failure_persistence: None, ..Config::default() }
}

/// What stands before and after a secret that somebody pasted: what a credential looks like there, and anything.
fn surroundings() -> impl Strategy<Value = (String, String)> {
    let anything = || "\\PC{0,20}";
    prop_oneof![
        (anything(), anything()),
        ("[ \\t\\r\\n\"'\u{feff}]{0,3}", "[ \\t\\r\\n\"'\u{feff}]{0,3}").prop_map(|(a, b)| (a, b)),
        Just(("{\"type\": \"service_account\", \"private_key\": \"".to_owned(), "\"}".to_owned())),
        Just((
            format!(
                "{{\"type\": \"service_account\", \"client_email\": \"{ROBOT}\", \"private_key\": \"-----BEGIN PRIVATE KEY-----\\n"
            ),
            "\\n-----END PRIVATE KEY-----\\n\"}".to_owned()
        )),
        Just(("{\"type\": \"authorized_user\", \"refresh_token\": \"".to_owned(), "\\u0000\"}".to_owned())),
        Just(("{\"refresh_token\": \"".to_owned(), String::new())),
        Just(("{\"refresh_token\": {\"".to_owned(), "\": 1}}".to_owned())),
        Just(("{\"a\": ".to_owned(), "}".to_owned())),
        Just(("-----BEGIN PRIVATE KEY-----\n".to_owned(), "\n-----END PRIVATE KEY-----\n".to_owned())),
        Just(("1//".to_owned(), " x".to_owned())),
        Just(("ya29.".to_owned(), "\u{e9}".to_owned())),
        Just(("/keys/".to_owned(), ".json".to_owned())),
        Just(("${{ secrets.".to_owned(), " }}".to_owned())),
        Just(("4/0A".to_owned(), String::new())),
    ]
}

/// What a pasted secret is turned into on its way.
fn on_the_way() -> impl Strategy<Value = fn(&str) -> String> {
    prop::sample::select(vec![
        str::to_owned as fn(&str) -> String,
        |text| STANDARD.encode(text),
        |text| URL_SAFE_NO_PAD.encode(text),
        |text| STANDARD.encode(STANDARD.encode(text)),
        |text| serde_json::Value::from(text).to_string(),
    ])
}

proptest! {
    #![proptest_config(config(256))]

    #[test]
    fn no_variable_shows_what_it_holds(
        variable in prop::sample::select(ee_auth_environment::names().collect::<Vec<_>>()),
        secret in "[A-Za-z0-9]{24}",
        (before, after) in surroundings(),
        encode in on_the_way(),
        email in prop::option::of(Just(ROBOT)),
    ) {
        let value = encode(&format!("{before}{secret}{after}"));
        let mut fake = Fake::new().with_variable(variable, value);
        for name in ["EE_SERVICE_ACCOUNT", "GEE_SERVICE_ACCOUNT"].into_iter().filter(|name| *name != variable) {
            if let Some(email) = email {
                fake = fake.with_variable(name, email);
            }
        }
        let mut secrets = Secrets::default();
        secrets.add(&secret);
        secrets.add(&encode(&secret));
        let mark = logs::mark();
        let resolver = Resolver::new(fake.host());
        let resolved = resolver.look().expect("there is no configuration that could be wrong");
        let mut shown = vec![format!("{resolved:?}")];
        if let Err(error) = &resolved.credential {
            shown.push(format!("{error:?} {error} {:?} {:?}", error.rendered(), error.attempts()));
            prop_assert!(!error.message().contains(char::is_control), "{error:?}");
        }
        shown.extend(fake.files_read().iter().map(|path| path.display().to_string()));
        shown.extend(logs::since(mark));
        for text in shown {
            prop_assert_eq!(secrets.first_in(&text), None);
        }
        prop_assert!(fake.requests().is_empty());
    }

    #[test]
    fn no_variable_makes_finding_panic(
        variable in prop::sample::select(ee_auth_environment::names().collect::<Vec<_>>()),
        bytes in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        #[cfg(unix)]
        let value = <std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(bytes);
        #[cfg(not(unix))]
        let value = String::from_utf8_lossy(&bytes).into_owned();
        let resolved = Resolver::new(Fake::new().with_variable(variable, value).host()).look();
        prop_assert!(resolved.is_ok());
    }
}

/// Names of the credentials that can be pasted.
const CREDENTIALS: [&str; 8] = [
    "service_account_key",
    "other_service_account_key",
    "breaks_as_crlf:service_account_key",
    "breaks_unescaped:service_account_key",
    "authorized_user",
    "earthengine_file",
    "refresh_token",
    "access_token",
];

/// White space, byte order marks and one pair of quotes around a text.
fn wrapped() -> impl Strategy<Value = (String, String)> {
    let space = || "[ \\t\\r\\n\u{feff}]{0,4}";
    (space(), prop::sample::select(vec!["", "'", "\""]), space()).prop_map(|(outside, quote, inside)| {
        (format!("{outside}{quote}{inside}"), format!("{inside}{quote}{outside}"))
    })
}

/// Base64 in lines.
fn base64() -> impl Strategy<Value = (fn(&str) -> String, usize, &'static str)> {
    let encode = prop::sample::select(vec![
        (|text| STANDARD.encode(text)) as fn(&str) -> String,
        |text| STANDARD_NO_PAD.encode(text),
        |text| URL_SAFE.encode(text),
        |text| URL_SAFE_NO_PAD.encode(text),
        |text| {
            STANDARD.encode(
                format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>(),
            )
        },
    ]);
    (encode, 20_usize..200, prop::sample::select(vec!["", "\n", "\r\n", " ", "\\n", "\\r\\n"]))
}

fn in_lines(text: &str, width: usize, end: &str) -> String {
    text.as_bytes().chunks(width).map(String::from_utf8_lossy).collect::<Vec<_>>().join(end)
}

fn recognised(value: &str) -> Recognised {
    let search = Search::with_defaults(Fake::new().host());
    Recognised::from_value(&Secret::from(value), "THE_VARIABLE", &search).expect("it is a credential")
}

proptest! {
    #![proptest_config(config(128))]

    #[test]
    fn a_credential_is_the_same_in_every_wrapping(
        name in prop::sample::select(&CREDENTIALS),
        inner in wrapped(),
        base64 in prop::option::of(base64()),
        outer in wrapped(),
    ) {
        let credential = TEMPLATES.value(name);
        let mut value = format!("{}{credential}{}", inner.0, inner.1);
        if let Some((encode, width, end)) = base64 {
            value = format!("{}{}{}", outer.0, in_lines(&encode(&value), width, end), outer.1);
        }
        let plain = recognised(&credential).shape;
        let wrapped = recognised(&value);
        prop_assert!(wrapped.shape.same_as(&plain) && plain.same_as(&wrapped.shape));
        prop_assert_eq!(wrapped.place.ends_with("(base64)"), base64.is_some());
        // And none of the others.
        for other in ["other_service_account_key", "refresh_token"].into_iter().filter(|other| *other != name) {
            prop_assert!(!wrapped.shape.same_as(&recognised(&TEMPLATES.value(other)).shape), "{}", other);
        }
    }

    #[test]
    fn a_credential_is_the_same_as_a_string_of_json(name in prop::sample::select(&CREDENTIALS)) {
        let credential = TEMPLATES.value(name);
        let quoted = serde_json::Value::from(credential.as_str()).to_string();
        prop_assert!(recognised(&quoted).shape.same_as(&recognised(&credential).shape));
    }
}

/// What may stand in a scope (RFC 6749, section 3.3), commas aside, which separate them here.
fn scope() -> impl Strategy<Value = String> {
    prop_oneof![
        "[!#-+\\--\\[\\]-~]{1,20}",
        "https://www\\.googleapis\\.com/auth/[!#-+\\--\\[\\]-~]{0,20}",
        prop::sample::select(vec!["openid", "email", "profile", "earthengine", "devstorage.read_only"])
            .prop_map(str::to_owned),
        prop::sample::select(vec!["openid", "email", "", "a:b"])
            .prop_map(|name| format!("https://www.googleapis.com/auth/{name}")),
    ]
}

proptest! {
    #![proptest_config(config(256))]

    #[test]
    fn scopes_survive_being_written(names in prop::collection::vec(scope(), 0..6)) {
        let scopes = Scopes::new(&names).expect("all of these are scopes");
        prop_assert_eq!(&scopes.to_parameter().parse::<Scopes>().expect("a parameter"), &scopes);
        prop_assert_eq!(&scopes.to_string().parse::<Scopes>().expect("what a person sees"), &scopes);
        prop_assert_eq!(&Scopes::new(scopes.short_names()).expect("short names"), &scopes);
        prop_assert!(scopes.is_subset_of(&scopes));
        prop_assert!(scopes.iter().count() <= names.len());
    }

    #[test]
    fn whatever_is_no_scope_is_refused_or_written_back(text in "\\PC{0,40}|[ -~\\t\\n]{0,40}") {
        if let Ok(scopes) = text.parse::<Scopes>() {
            prop_assert!(scopes.iter().all(|scope| !scope.contains([' ', '"', '\\', ','])));
            prop_assert_eq!(scopes.to_string().parse::<Scopes>().expect("it was one"), scopes);
        }
    }
}

/// Bytes, text, JSON of some shape, and a credential with something changed in it.
fn document() -> impl Strategy<Value = Vec<u8>> {
    let json = prop_oneof![
        Just("null".to_owned()),
        "-?[0-9]{1,30}(\\.[0-9]{1,30})?(e[0-9]{1,3})?",
        "\"[a-z_\\\\u0-9]{0,20}\"",
    ]
    .prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec(
                (
                    "type|refresh_token|client_id|scopes|private_key|client_email|universe_domain|[a-z]{1,5}",
                    inner
                ),
                0..4
            )
            .prop_map(|fields| {
                let fields: Vec<_> =
                    fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
                format!("{{{}}}", fields.join(","))
            }),
        ]
    });
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..64),
        "\\PC{0,64}".prop_map(String::into_bytes),
        json.prop_map(String::into_bytes),
        changed(vec!["service_account_key", "authorized_user", "earthengine_file"]),
    ]
}

/// One of these with a part of it replaced by something else.
fn changed(names: Vec<&'static str>) -> impl Strategy<Value = Vec<u8>> {
    let part = (any::<prop::sample::Index>(), 0_usize..8);
    let other = prop_oneof!["[\\[\\]{}\",:\\\\n \\x00-\\x1f]{0,4}", "\\PC{0,4}"];
    (prop::sample::select(names), part, other).prop_map(|(name, (at, length), other)| {
        let mut bytes = TEMPLATES.value(name).into_bytes();
        let start = at.index(bytes.len());
        let end = (start + length).min(bytes.len());
        bytes.splice(start..end, other.into_bytes());
        bytes
    })
}

/// TOML that is nearly right.
fn toml() -> impl Strategy<Value = Vec<u8>> {
    let key = "project|scopes|chain|providers|profiles|endpoints|security|token|token_hosts|kind|key_file|on|expect|[a-z_.\"-]{1,12}";
    let value = prop_oneof![
        Just("\"persistent\"".to_owned()),
        Just("[\"environment\", \"persistent\"]".to_owned()),
        Just("{ invalid = \"continue\" }".to_owned()),
        "[0-9]{1,5}|true|\"\\PC{0,10}\"|\\[{1,40}|\\{{1,40}|'[^']{0,10}",
    ];
    let line = prop_oneof![
        4 => (key, value).prop_map(|(key, value)| format!("{key} = {value}")),
        1 => (key, prop::option::of(key)).prop_map(|(table, inner)| match inner {
            Some(inner) => format!("[{table}.{inner}]"),
            None => format!("[{table}]"),
        }),
        1 => "\\PC{0,20}",
    ];
    prop::collection::vec(line, 0..8).prop_map(|lines| lines.join("\n").into_bytes())
}

fn token_answer() -> impl Strategy<Value = Vec<u8>> {
    let value =
        prop_oneof!["\"\\PC{0,12}\"", "-?[0-9]{1,20}(\\.[0-9]{1,5})?(e[0-9]{1,3})?", Just("null".to_owned())];
    let field = ("access_token|expires_in|token_type|scope|id_token|refresh_token", value);
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..64),
        prop::collection::vec(field, 0..6).prop_map(|fields| {
            let fields: Vec<_> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
            format!("{{{}}}", fields.join(",")).into_bytes()
        }),
    ]
}

// The bodies that the fuzzer runs, on what chance makes: so that they compile, and hold, everywhere.
proptest! {
    #![proptest_config(config(256))]

    #[test]
    fn a_credential_file_is_taken_or_refused(bytes in document()) {
        fuzz::document(&bytes);
    }

    #[test]
    fn a_value_is_taken_or_refused(bytes in document()) {
        fuzz::environment_value(&bytes);
        fuzz::environment_value(STANDARD.encode(&bytes).as_bytes());
    }

    #[test]
    fn a_configuration_is_taken_or_refused(bytes in toml()) {
        fuzz::config_file(&bytes);
    }

    #[test]
    fn an_answer_is_taken_or_refused(bytes in token_answer()) {
        fuzz::token_answer(&bytes);
        fuzz::plugin_answer(&bytes);
        fuzz::plugin_manifest(&bytes);
    }
}
