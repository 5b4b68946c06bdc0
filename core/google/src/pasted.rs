//! What a person pastes at the end of a login: a code, or the whole address that their browser was sent to.

use ee_auth_core::{Endpoints, Error, ExposeSecret, Secret};
use url::Url;
use url::form_urlencoded;

use crate::authorization;
use crate::identify::{Identity, identify};

/// A code that was pasted, and what came with it.
pub struct Pasted {
    /// The code.
    pub code: Secret,
    /// `state`, where a whole address was pasted.
    pub state: Option<String>,
    /// The redirect that the address was made from, where one was pasted: `http://localhost:8085`.
    pub redirect_uri: Option<String>,
}

impl Pasted {
    /// Reads what was pasted: a code with white space, line breaks or quotes around or in it; percent-encoded; the address
    /// that the browser was sent to, with or without `http://`, or the part of it after the `?`.
    ///
    /// # Errors
    /// [`Outcome::Invalid`](ee_auth_core::Outcome::Invalid) for something that holds no code;
    /// [`Outcome::Rejected`](ee_auth_core::Outcome::Rejected) for an address in which Google says no.
    pub fn parse(text: &Secret, endpoints: &Endpoints) -> Result<Self, Error> {
        // A terminal breaks long lines, and what is copied from it keeps the breaks. Neither a code nor an address has any.
        let text: zeroize::Zeroizing<String> =
            text.expose_secret().chars().filter(|c| !c.is_whitespace()).collect::<String>().into();
        let text = text.trim_matches(['"', '\'', '`', '<', '>']);
        if text.is_empty() {
            return Err(nothing("nothing was pasted"));
        }
        match query(text) {
            Some((redirect_uri, query)) => Self::of_address(redirect_uri, query, endpoints),
            None => Self::of_code(text),
        }
    }

    fn of_address(redirect_uri: Option<String>, query: &str, endpoints: &Endpoints) -> Result<Self, Error> {
        let field = |name: &str| {
            let mut values = form_urlencoded::parse(query.as_bytes()).filter(|(field, _)| field == name);
            let value = values.next().map(|(_, value)| value.into_owned());
            match values.next() {
                // Which of them counts differs between programs (RFC 6749, section 3.1).
                Some(_) => Err(nothing(&format!("the address that was pasted has `{name}` twice"))),
                None => Ok(value.filter(|value| !value.is_empty())),
            }
        };
        if let Some(error) = field("error")? {
            return Err(authorization::refusal(&error, field("error_description")?.as_deref(), endpoints));
        }
        let code = field("code")?.ok_or_else(|| {
            nothing("the address that was pasted holds no code: it is not the one that the browser ended at")
        })?;
        Ok(Self { state: field("state")?, redirect_uri, ..Self::of_code(&code)? })
    }

    fn of_code(text: &str) -> Result<Self, Error> {
        let decoded: String = percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        let other = [
            ("ya29.", "an access token"),
            ("1//", "a refresh token"),
            ("GOCSPX-", "an OAuth client's secret"),
            ("{", "JSON"),
        ];
        if let Some((_, what)) = other.iter().find(|(start, _)| decoded.starts_with(start)) {
            return Err(nothing(&format!("what was pasted is {what}, not a code")));
        }
        // Google's codes have none but these.
        if !decoded.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_-.~".contains(&b)) {
            if let Some(Identity { what, .. }) = identify(decoded.as_bytes()) {
                return Err(nothing(&format!("what was pasted looks like {what}; it is not a code")));
            }
        }
        // RFC 6749, appendix A.11.
        if !decoded.bytes().all(|b| (0x21..=0x7e).contains(&b)) || decoded.len() > 2048 {
            return Err(nothing("what was pasted is not a code"));
        }
        Ok(Self { code: Secret::from(decoded), state: None, redirect_uri: None })
    }
}

/// The redirect and the query in what may be an address: the one that the browser was sent to.
fn query(text: &str) -> Option<(Option<String>, &str)> {
    let fields = |query: &str| {
        form_urlencoded::parse(query.as_bytes())
            .any(|(name, _)| matches!(&*name, "code" | "error" | "state" | "client_id"))
    };
    let lower = text.to_ascii_lowercase();
    if lower.starts_with("http://") || lower.starts_with("https://") {
        let query = text.split_once('?').map_or("", |(_, query)| query.split('#').next().unwrap_or_default());
        // One that is no address after all holds no code either way.
        return Some((Url::parse(text).ok().and_then(|url| origin(&url)), query));
    }
    match text.split_once('?') {
        // A browser that hides `http://` may copy it that way, too.
        Some((before, query)) if fields(query) => {
            let url = Url::parse(&format!("http://{before}")).ok();
            Some((url.and_then(|url| origin(&url)), query))
        }
        Some(_) => None,
        None => (text.contains("code=") || text.contains("error=")).then_some((None, text)),
    }
}

/// The redirect that an address was made from, as earthengine-api writes it: without a path.
fn origin(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let path = url.path().trim_end_matches('/');
    Some(format!("{}://{host}{port}{path}", url.scheme()))
}

fn nothing(what: &str) -> Error {
    Error::invalid("authorization_code", what).hint(
        "paste the code that the page shows at the end; or, where the browser ended at an address that begins with \
         http://localhost, that whole address",
    )
}

/// Whether a state that came back belongs to this login.
///
/// # Errors
/// [`Outcome::Rejected`](ee_auth_core::Outcome::Rejected) where it belongs to another.
pub fn check_state(came_back: Option<&str>, ours: &str) -> Result<(), Error> {
    match came_back {
        Some(other) if other != ours => Err(Error::rejected(
            "state",
            "what was pasted belongs to another login than the one that is running",
        )
        .hint("open the address that was shown last, and paste what comes of it")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pasted(text: &str) -> Result<Pasted, Error> {
        Pasted::parse(&Secret::from(text), &Endpoints::default())
    }

    #[test]
    fn a_code_is_found_however_it_was_pasted() {
        let code = format!("4/0A{}", "b-_".repeat(10));
        let encoded = code.replace('/', "%2F");
        for text in [
            code.clone(),
            format!("  {code}\r\n"),
            format!("\"{code}\""),
            format!("'{code}'"),
            encoded.clone(),
            format!("{}\n{}", &code[..20], &code[20..]),
            format!("http://localhost:8085/?state=x&code={encoded}&scope=a%20b"),
            format!("http://localhost:8085?code={encoded}#"),
            format!("localhost:8085/?code={encoded}&scope=a"),
            format!("code={encoded}&scope=a"),
            format!("HTTP://localhost:8085/?code={encoded}"),
        ] {
            let pasted = pasted(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(pasted.code.expose_secret(), code, "{text}");
        }
    }

    #[test]
    fn a_whole_address_brings_its_state_and_redirect() {
        let pasted = pasted("http://localhost:9000/?state=abc&code=4/x").ok().unwrap();
        assert_eq!(pasted.state.as_deref(), Some("abc"));
        assert_eq!(pasted.redirect_uri.as_deref(), Some("http://localhost:9000"));
        assert!(check_state(pasted.state.as_deref(), "abc").is_ok());
        assert_eq!(check_state(pasted.state.as_deref(), "abd").unwrap_err().code(), "rejected.state");
        assert!(check_state(None, "abd").is_ok());
    }

    #[test]
    fn what_is_no_code_is_named() {
        for (text, code) in [
            ("", "invalid.authorization_code"),
            ("  \n", "invalid.authorization_code"),
            ("http://localhost:8085/?error=access_denied&state=x", "rejected.access_denied"),
            (
                "https://accounts.google.com/o/oauth2/v2/auth?client_id=x&scope=y",
                "invalid.authorization_code",
            ),
            ("http://localhost:8085/?code=a&code=b", "invalid.authorization_code"),
            ("http://localhost:808500/", "invalid.authorization_code"),
            ("{\"a\":1}", "invalid.authorization_code"),
            ("é", "invalid.authorization_code"),
        ] {
            assert_eq!(pasted(text).err().expect(text).code(), code, "{text}");
        }
        let token = format!("ya{}.{}", 29, "x".repeat(30));
        assert!(pasted(&token).err().unwrap().message().contains("access token"));
    }
}
