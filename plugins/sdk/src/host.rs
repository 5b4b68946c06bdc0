use std::fmt;

use crate::Failure;

/// What a provider may ask of its host: ee-auth, or a program that uses its library.
///
/// Where there is no such service (no person, a host of another kind, a program that speaks only the plain protocol) the
/// functions answer a [`Failure`] that may be handed on with `?`.
#[derive(Clone, Copy)]
pub struct Host<'a>(pub(crate) &'a (dyn Services + Sync));

/// How much a log line matters. What is logged is seen with `-v`, or when the call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Something went wrong.
    Error,
    /// Something is odd.
    Warn,
    /// What is being done.
    Info,
    /// For whoever looks for a mistake.
    Debug,
    /// Everything.
    Trace,
}

/// A request of [`Host::http`]. `Debug` shows the method and the address without its query.
#[derive(Clone)]
#[must_use]
pub struct HttpRequest {
    pub(crate) method: &'static str,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Body,
}

/// What a request carries.
#[derive(Clone)]
pub(crate) enum Body {
    None,
    Json(String),
    Form(Vec<(String, String)>),
}

/// An answer of [`Host::http`], of any status. `Debug` does not show the body.
#[non_exhaustive]
pub struct HttpResponse {
    /// The status code.
    pub status: u16,
    /// The `Content-Type`, as sent; empty where none was.
    pub content_type: String,
    /// The body, at most 1 MiB.
    pub body: String,
}

impl Host<'_> {
    /// No host: for the tests of a provider. It logs nothing and has no services.
    pub fn none() -> Host<'static> {
        Host(&NoServices)
    }

    /// A line for the person who looks for a mistake. What looks like a credential is hidden there; still, put none in.
    pub fn log(&self, level: Level, message: impl fmt::Display) {
        self.0.log(level, &message.to_string());
    }

    /// [`Level::Info`]
    pub fn info(&self, message: impl fmt::Display) {
        self.log(Level::Info, message);
    }

    /// Whether nobody waits for the answer any longer. Whoever waits or loops asks at least every 100 ms.
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Sends a request with the host's proxy, certificates, timeouts and retries, to a host that the manifest lists.
    ///
    /// # Errors
    /// [`Failure::unavailable`] where no answer came.
    pub fn http(&self, request: &HttpRequest) -> Result<HttpResponse, Failure> {
        self.0.http(request)
    }

    /// Tells the person something.
    ///
    /// # Errors
    /// [`Failure::interaction_required`] where nobody is there.
    pub fn show(&self, message: &str) -> Result<(), Failure> {
        self.0.prompt(Prompt::Show { message }).map(drop)
    }

    /// Asks the person to open an https address, and to enter `code` there if it is not empty. Does not wait until they
    /// have.
    ///
    /// # Errors
    /// As [`Host::show`].
    pub fn open(&self, message: &str, url: &str, code: &str) -> Result<(), Failure> {
        self.0.prompt(Prompt::Open { message, url, code }).map(drop)
    }

    /// Asks the person for a secret, which is not shown as it is typed.
    ///
    /// # Errors
    /// As [`Host::show`].
    pub fn secret(&self, question: &str) -> Result<String, Failure> {
        self.ask(Prompt::Secret { question })
    }

    /// Asks the person for a line, which is shown as it is typed.
    ///
    /// # Errors
    /// As [`Host::show`].
    pub fn text(&self, question: &str) -> Result<String, Failure> {
        self.ask(Prompt::Text { question })
    }

    fn ask(&self, prompt: Prompt<'_>) -> Result<String, Failure> {
        self.0.prompt(prompt)?.ok_or_else(|| Failure::interaction_required("nobody answered"))
    }

    /// A value that [`Host::store`] kept, perhaps in an earlier run.
    ///
    /// # Errors
    /// [`Failure::unavailable`] where the store cannot be had.
    pub fn stored(&self, key: &str) -> Result<Option<String>, Failure> {
        self.0.store(StoreOp::Get { key })
    }

    /// Keeps a small secret for later runs: up to 64 KiB under a name of up to 128 characters.
    ///
    /// # Errors
    /// As [`Host::stored`].
    pub fn store(&self, key: &str, value: &str) -> Result<(), Failure> {
        self.0.store(StoreOp::Set { key, value }).map(drop)
    }

    /// Forgets a value; none there is no error.
    ///
    /// # Errors
    /// As [`Host::stored`].
    pub fn forget(&self, key: &str) -> Result<(), Failure> {
        self.0.store(StoreOp::Delete { key }).map(drop)
    }
}

impl fmt::Debug for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Host")
    }
}

impl Level {
    /// `EEA_LOG_*`
    pub(crate) fn number(self) -> u32 {
        match self {
            Self::Error => 1,
            Self::Warn => 2,
            Self::Info => 3,
            Self::Debug => 4,
            Self::Trace => 5,
        }
    }

    /// The name in JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

impl HttpRequest {
    /// A `GET` of an address.
    pub fn get(url: impl Into<String>) -> Self {
        Self { method: "GET", url: url.into(), headers: Vec::new(), body: Body::None }
    }

    /// A `POST` of JSON to an address.
    pub fn post_json(url: impl Into<String>, body: &serde_json::Value) -> Self {
        Self { method: "POST", body: Body::Json(body.to_string()), ..Self::get(url) }
    }

    /// A `POST` of a form to an address.
    pub fn post_form<I, N, V>(url: impl Into<String>, fields: I) -> Self
    where
        I: IntoIterator<Item = (N, V)>,
        N: Into<String>,
        V: Into<String>,
    {
        let fields = fields.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { method: "POST", body: Body::Form(fields), ..Self::get(url) }
    }

    /// The same request as a `PUT`.
    pub fn put(mut self) -> Self {
        self.method = "PUT";
        self
    }

    /// The same request with one more header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.url.split(['?', '#']).next().unwrap_or_default();
        write!(f, "{} {address}", self.method)
    }
}

impl fmt::Debug for HttpResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpResponse").field("status", &self.status).finish_non_exhaustive()
    }
}

/// What a host does for a provider, whichever way the two are connected.
pub(crate) trait Services {
    fn log(&self, level: Level, message: &str);
    fn is_cancelled(&self) -> bool;
    fn http(&self, request: &HttpRequest) -> Result<HttpResponse, Failure>;
    fn prompt(&self, prompt: Prompt<'_>) -> Result<Option<String>, Failure>;
    fn store(&self, op: StoreOp<'_>) -> Result<Option<String>, Failure>;
}

/// What is to be shown to a person.
#[derive(Clone, Copy)]
pub(crate) enum Prompt<'a> {
    Show { message: &'a str },
    Open { message: &'a str, url: &'a str, code: &'a str },
    Text { question: &'a str },
    Secret { question: &'a str },
}

/// What is to be done with the store.
#[derive(Clone, Copy)]
pub(crate) enum StoreOp<'a> {
    Get { key: &'a str },
    Set { key: &'a str, value: &'a str },
    Delete { key: &'a str },
}

/// Where a host has no such service.
pub(crate) fn no_service(name: &str) -> Failure {
    Failure::invalid(format!("the host of this plugin has no service {name}"))
}

struct NoServices;

impl Services for NoServices {
    fn log(&self, _level: Level, _message: &str) {}

    fn is_cancelled(&self) -> bool {
        false
    }

    fn http(&self, _request: &HttpRequest) -> Result<HttpResponse, Failure> {
        Err(no_service("http/1"))
    }

    fn prompt(&self, _prompt: Prompt<'_>) -> Result<Option<String>, Failure> {
        Err(no_service("prompt/1"))
    }

    fn store(&self, _op: StoreOp<'_>) -> Result<Option<String>, Failure> {
        Err(no_service("store/1"))
    }
}
