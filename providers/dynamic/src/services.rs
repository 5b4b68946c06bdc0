//! The functions of the host, as `eea_host` and its extensions hand them to a plugin.
//!
//! Whatever is asked becomes an event, as executables send it with `protocol = "events"`, and goes to [`Services`]: in process
//! these are the host's own, in a process apart they are relayed to it. There is one implementation of each service.
#![allow(unsafe_code, reason = "C calls these functions; each block says why it may do what it does")]

use std::ffi::{CStr, c_char, c_void};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ee_auth_plugin::abi::{self, BAD_ARGUMENT, FAILED, OK, Status, Str};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::call::{CALLS, Call};
use crate::registry::{Registry, from_context};

/// What a plugin may ask of its host.
pub(crate) trait Services: Send + Sync {
    /// Takes a line for the person who looks for a mistake: `error`, `warn`, `info`, `debug` or `trace`.
    fn log(&self, level: &'static str, message: &str);

    /// Answers an event: `{"ok":true,…}` or `{"ok":false,"message":"…"}`. Blocks, at the longest until the deadline.
    fn ask(&self, event: Value) -> Value;

    /// Whether the deadline has passed.
    fn is_over(&self) -> bool;
}

/// What `ctx` of an `eea_host` stands for: an instance's own services, for what is not said in a call.
pub(crate) static HOSTS: Registry<instance::Host> = Registry::new();

/// See [`HOSTS`].
pub(crate) mod instance {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    use super::Services;

    /// An instance's side of its host.
    pub(crate) struct Host {
        pub(crate) services: Arc<dyn Services>,
        /// The number of the call of `create`.
        pub(crate) creating: AtomicUsize,
    }
}

/// The bytes that `text` borrows; `None` where it has a length and no place.
///
/// # Safety
/// `text` is as the header says: `n` bytes at `p` that stay as they are until the function returns.
pub(crate) unsafe fn bytes<'a>(text: Str) -> Option<&'a [u8]> {
    match text.n {
        0 => Some(&[]),
        n if text.p.is_null() || n > isize::MAX as usize => None,
        // SAFETY: there are `n` bytes, as the caller says.
        n => Some(unsafe { std::slice::from_raw_parts(text.p.cast(), n) }),
    }
}

/// The text that `text` borrows, if it is short enough and UTF-8.
///
/// # Safety
/// As [`bytes`].
unsafe fn text<'a>(text: Str) -> Option<&'a str> {
    // SAFETY: as the caller says.
    let bytes = unsafe { bytes(text) }.filter(|bytes| bytes.len() <= abi::MAX_MESSAGE)?;
    std::str::from_utf8(bytes).ok()
}

/// Whether there is a structure of at least the size that version 1.0 has.
///
/// # Safety
/// `structure` is null or points to a structure that begins with its size, and is aligned.
unsafe fn is_whole<T>(structure: *const T) -> bool {
    // SAFETY: it is not null, and begins with four bytes that say its size.
    !structure.is_null() && unsafe { structure.cast::<u32>().read() } >= abi::size_of::<T>()
}

/// `write` of the sinks that plugins get.
pub(crate) unsafe extern "C" fn write(ctx: *mut c_void, message: Str) -> Status {
    let Some(call) = CALLS.get(from_context(ctx)) else { return FAILED };
    // SAFETY: the plugin lends the text for the length of this call.
    call.write(unsafe { bytes(message) })
}

/// `log` of `eea_host`
pub(crate) unsafe extern "C" fn log(ctx: *mut c_void, level: u32, message: Str) {
    // SAFETY: the plugin lends the text for the length of this call.
    let Some(message) = (unsafe { bytes(message) }) else { return };
    let message = String::from_utf8_lossy(message.get(..4096).unwrap_or(message));
    let level = match level {
        1 => "error",
        2 => "warn",
        3 => "info",
        5 => "trace",
        _ => "debug",
    };
    if let Some(host) = HOSTS.get(from_context(ctx)) {
        host.services.log(level, &message);
    }
}

/// `cancelled` of `eea_host`
pub(crate) unsafe extern "C" fn cancelled(ctx: *mut c_void, call: u64) -> u32 {
    let number = match (call, HOSTS.get(from_context(ctx))) {
        (0, Some(host)) => host.creating.load(std::sync::atomic::Ordering::Relaxed),
        (call, _) => usize::try_from(call).unwrap_or_default(),
    };
    u32::from(CALLS.get(number).is_none_or(|call| call.is_over()))
}

/// `extension` of `eea_host`
pub(crate) unsafe extern "C" fn extension(_ctx: *mut c_void, id: *const c_char) -> *const c_void {
    if id.is_null() {
        return std::ptr::null();
    }
    // SAFETY: names end with NUL, as the header says.
    let id = unsafe { CStr::from_ptr(id) };
    match () {
        () if id == abi::HTTP => std::ptr::from_ref(&HTTP).cast(),
        () if id == abi::PROMPT => std::ptr::from_ref(&PROMPT).cast(),
        () if id == abi::STORE => std::ptr::from_ref(&STORE).cast(),
        () => std::ptr::null(),
    }
}

static HTTP: abi::HostHttp = abi::HostHttp { size: abi::size_of::<abi::HostHttp>(), send: Some(send) };
static PROMPT: abi::HostPrompt = abi::HostPrompt {
    size: abi::size_of::<abi::HostPrompt>(),
    show: Some(show),
    open: Some(open),
    text: Some(ask_text),
    secret: Some(secret),
};
static STORE: abi::HostStore = abi::HostStore {
    size: abi::size_of::<abi::HostStore>(),
    get: Some(get),
    set: Some(set),
    erase: Some(erase),
};

/// The call of that number, while it runs and somebody waits for it.
fn running(call: u64) -> Option<Arc<Call>> {
    CALLS.get(usize::try_from(call).ok()?).filter(|call| !call.is_over())
}

/// Adds a field to an event.
pub(crate) fn add(event: &mut Value, name: &str, value: impl Into<Value>) {
    if let Value::Object(fields) = event {
        fields.insert(name.to_owned(), value.into());
    }
}

fn is_ok(reply: &Value) -> bool {
    reply.get("ok") == Some(&Value::Bool(true))
}

/// Asks the services of a call.
fn ask(call: u64, event: Value) -> Option<Value> {
    let reply = running(call)?.services.ask(event);
    is_ok(&reply).then_some(reply)
}

/// Asks, and hands the `value` or the `answer` of the reply to `out`.
///
/// # Safety
/// `out` is as the header says.
unsafe fn ask_for_value(call: u64, event: Value, out: *const abi::Sink) -> Status {
    // SAFETY: null or a structure that begins with its size.
    if unsafe { !is_whole(out) } {
        return BAD_ARGUMENT;
    }
    // SAFETY: it is whole, and good until this function returns.
    let out = unsafe { out.read() };
    let Some(write) = out.write else { return BAD_ARGUMENT };
    let Some(reply) = ask(call, event) else { return FAILED };
    match reply.get("value").or(reply.get("answer")).and_then(Value::as_str) {
        // SAFETY: a function of the plugin with the context that belongs to it; the text lives until it has returned.
        Some(value) => unsafe { write(out.ctx, Str::new(value)) },
        None => OK,
    }
}

fn done(reply: Option<Value>) -> Status {
    if reply.is_some() { OK } else { FAILED }
}

/// `show` of `eea_host_prompt`
unsafe extern "C" fn show(_ctx: *mut c_void, call: u64, message: Str) -> Status {
    // SAFETY: here and below, the plugin lends its texts for the length of the call.
    let Some(message) = (unsafe { text(message) }) else { return BAD_ARGUMENT };
    done(ask(call, json!({"event": "prompt", "kind": "show", "message": message})))
}

/// `open` of `eea_host_prompt`
unsafe extern "C" fn open(_ctx: *mut c_void, call: u64, message: Str, url: Str, code: Str) -> Status {
    // SAFETY: as above.
    let (Some(message), Some(url), Some(code)) = (unsafe { (text(message), text(url), text(code)) }) else {
        return BAD_ARGUMENT;
    };
    let mut event = json!({"event": "prompt", "kind": "open", "message": message, "url": url});
    if !code.is_empty() {
        add(&mut event, "kind", "code");
        add(&mut event, "code", code);
    }
    done(ask(call, event))
}

/// `text` of `eea_host_prompt`
unsafe extern "C" fn ask_text(_ctx: *mut c_void, call: u64, question: Str, out: *const abi::Sink) -> Status {
    // SAFETY: as above.
    unsafe { ask_person("text", call, question, out) }
}

/// `secret` of `eea_host_prompt`
unsafe extern "C" fn secret(_ctx: *mut c_void, call: u64, question: Str, out: *const abi::Sink) -> Status {
    // SAFETY: as above.
    unsafe { ask_person("secret", call, question, out) }
}

/// Asks the person for a line.
///
/// # Safety
/// Text and sink are as the header says.
unsafe fn ask_person(kind: &str, call: u64, question: Str, out: *const abi::Sink) -> Status {
    // SAFETY: as the caller says.
    let Some(question) = (unsafe { text(question) }) else { return BAD_ARGUMENT };
    let event = json!({"event": "prompt", "kind": kind, "message": question});
    // SAFETY: the plugin lends the sink for the length of this call.
    unsafe { ask_for_value(call, event, out) }
}

/// `get` of `eea_host_store`
unsafe extern "C" fn get(_ctx: *mut c_void, call: u64, key: Str, out: *const abi::Sink) -> Status {
    // SAFETY: as above.
    let Some(key) = (unsafe { text(key) }) else { return BAD_ARGUMENT };
    // SAFETY: as above.
    unsafe { ask_for_value(call, json!({"event": "store", "op": "get", "key": key}), out) }
}

/// `set` of `eea_host_store`
unsafe extern "C" fn set(_ctx: *mut c_void, call: u64, key: Str, value: Str) -> Status {
    // SAFETY: as above.
    let (Some(key), Some(value)) = (unsafe { (text(key), text(value)) }) else { return BAD_ARGUMENT };
    done(ask(call, json!({"event": "store", "op": "set", "key": key, "value": value})))
}

/// `erase` of `eea_host_store`
unsafe extern "C" fn erase(_ctx: *mut c_void, call: u64, key: Str) -> Status {
    // SAFETY: as above.
    let Some(key) = (unsafe { text(key) }) else { return BAD_ARGUMENT };
    done(ask(call, json!({"event": "store", "op": "delete", "key": key})))
}

/// `send` of `eea_host_http`
unsafe extern "C" fn send(
    _ctx: *mut c_void,
    call: u64,
    request: *const abi::HttpRequest,
    receiver: *mut c_void,
    receive: Option<abi::Receive>,
) -> Status {
    // SAFETY: null or a structure that begins with its size.
    if unsafe { !is_whole(request) } {
        return BAD_ARGUMENT;
    }
    // SAFETY: it is whole, and good until this function returns.
    let event = unsafe { http_event(&*request) };
    let (Some(event), Some(receive)) = (event, receive) else { return BAD_ARGUMENT };
    let Some(call) = running(call) else { return FAILED };
    let reply = call.services.ask(event);
    let said = |key: &str| reply.get(key).and_then(Value::as_str).unwrap_or_default();
    let status = reply.get("status").and_then(Value::as_u64).filter(|_| is_ok(&reply)).unwrap_or_default();
    let status = u32::try_from(status).unwrap_or_default();
    // What is no text travels in base64.
    let decoded = Zeroizing::new(STANDARD.decode(said("body_base64")).unwrap_or_default());
    let body = if decoded.is_empty() { said("body").as_bytes() } else { &decoded };
    let error = if status == 0 { said("message") } else { "" };
    let response = abi::HttpResponse {
        size: abi::size_of::<abi::HttpResponse>(),
        status,
        body: Str { p: body.as_ptr().cast(), n: body.len() },
        content_type: Str::new(said("content_type")),
        error: Str::new(error),
    };
    // SAFETY: a function of the plugin with the context that belongs to it; the response lives until it has returned.
    unsafe { receive(receiver, &raw const response) };
    if status == 0 { FAILED } else { OK }
}

/// The event for a request.
///
/// # Safety
/// The request and what it points to are as the header says.
unsafe fn http_event(request: &abi::HttpRequest) -> Option<Value> {
    // SAFETY: here and below, as the caller says.
    let (method, url, json) = unsafe { (text(request.method)?, text(request.url)?, text(request.json)?) };
    // SAFETY: as above.
    let headers = unsafe { pairs(request.headers, request.headers_n)? };
    let mut event = json!({"event": "http", "method": method, "url": url, "headers": headers});
    if !json.is_empty() {
        add(&mut event, "json", serde_json::from_str::<Value>(json).ok()?);
    }
    if !request.form.is_null() {
        // SAFETY: as above.
        add(&mut event, "form", unsafe { pairs(request.form, request.form_n)? });
    }
    Some(event)
}

/// Pairs as an object; `None` where there are too many, or one is no text.
///
/// # Safety
/// There are `n` pairs at `first`, which are as the header says.
unsafe fn pairs(first: *const abi::Pair, n: usize) -> Option<Map<String, Value>> {
    match n {
        0 => return Some(Map::new()),
        _ if first.is_null() || n > 100 => return None,
        _ => {}
    }
    // SAFETY: there are that many, as the caller says.
    let pairs = unsafe { std::slice::from_raw_parts(first, n) };
    // SAFETY: as the caller says.
    let pair = |pair: &abi::Pair| unsafe { Some((text(pair.name)?.to_owned(), text(pair.value)?.into())) };
    pairs.iter().map(pair).collect()
}
