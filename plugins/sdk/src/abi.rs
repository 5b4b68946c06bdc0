//! The C interface of `ee_auth_plugin.h` in Rust: the same structures, in the same order.
//!
//! An author needs none of it: [`export_provider!`](crate::export_provider) writes it. It is public for hosts. What each
//! member means, who calls what from which thread, and who owns what, is said in the header beside the member; a test
//! compares the layouts with what a C compiler makes of it.

use std::ffi::{c_char, c_void};

#[doc(hidden)]
pub use crate::export::Exported;

/// `EEA_MAGIC`
pub const MAGIC: [u8; 8] = *b"EEAUTHPL";
/// `EEA_ABI_MAJOR`
pub const MAJOR: u32 = 1;
/// `EEA_ABI_MINOR`
pub const MINOR: u32 = 0;
/// `EEA_MAX_MESSAGE`, in bytes.
pub const MAX_MESSAGE: usize = 1 << 20;
/// The least number of bytes that a host has for a [`Provider`].
pub const PROVIDER_ROOM: usize = 256;
/// The name of the one symbol that a library exports.
pub const SYMBOL: &str = "eea_plugin_v1";

/// `eea_status`
pub type Status = i32;
/// `EEA_OK`
pub const OK: Status = 0;
/// `EEA_FAILED`
pub const FAILED: Status = 1;
/// `EEA_BAD_ARGUMENT`
pub const BAD_ARGUMENT: Status = 2;
/// `EEA_INTERNAL`
pub const INTERNAL: Status = 3;

/// `EEA_EXT_HTTP`
pub const HTTP: &std::ffi::CStr = c"http/1";
/// `EEA_EXT_PROMPT`
pub const PROMPT: &std::ffi::CStr = c"prompt/1";
/// `EEA_EXT_STORE`
pub const STORE: &std::ffi::CStr = c"store/1";

/// `eea_str`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Str {
    /// The first byte; may be null where `n` is 0.
    pub p: *const c_char,
    /// Bytes.
    pub n: usize,
}

impl Str {
    /// A view of `text`, good for as long as `text` is.
    pub const fn new(text: &str) -> Self {
        Self { p: text.as_ptr().cast(), n: text.len() }
    }
}

/// `eea_sink`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Sink {
    /// Bytes of this structure.
    pub size: u32,
    /// Handed back to `write`.
    pub ctx: *mut c_void,
    /// Takes one whole message.
    pub write: Option<unsafe extern "C" fn(*mut c_void, Str) -> Status>,
}

/// `eea_host`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Host {
    /// Bytes of this structure.
    pub size: u32,
    /// 1.
    pub abi_major: u32,
    /// Handed back to every function of the host.
    pub ctx: *mut c_void,
    /// A line for the person who looks for a mistake.
    pub log: Option<unsafe extern "C" fn(*mut c_void, u32, Str)>,
    /// Whether nobody waits for a call any longer.
    pub cancelled: Option<unsafe extern "C" fn(*mut c_void, u64) -> u32>,
    /// A table of functions, by name.
    pub extension: Option<unsafe extern "C" fn(*mut c_void, *const c_char) -> *const c_void>,
}

/// `eea_request`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// Bytes of this structure.
    pub size: u32,
    /// 0.
    pub flags: u32,
    /// The number of this call, never 0.
    pub call: u64,
    /// Milliseconds that remain.
    pub deadline_ms: i64,
    /// The request.
    pub json: Str,
}

/// `eea_provider`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Provider {
    /// The room there is, then the bytes that were written.
    pub size: u32,
    /// Handed back to every function of the plugin.
    pub this: *mut c_void,
    /// Answers one request.
    pub call: Option<unsafe extern "C" fn(*mut c_void, *const Request, *const Sink) -> Status>,
    /// A table of functions, by name.
    pub extension: Option<unsafe extern "C" fn(*mut c_void, *const c_char) -> *const c_void>,
    /// Frees the instance.
    pub destroy: Option<unsafe extern "C" fn(*mut c_void)>,
}

/// The type of [`Entry::create`].
pub type Create = unsafe extern "C" fn(*const Host, Str, *mut Provider, *const Sink) -> Status;

/// `eea_entry`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// [`MAGIC`]
    pub magic: [u8; 8],
    /// Bytes of this structure.
    pub size: u32,
    /// [`MAJOR`]
    pub abi_major: u32,
    /// [`MINOR`]
    pub abi_minor: u32,
    /// 0.
    pub flags: u32,
    /// The answer to `describe`.
    pub manifest: Str,
    /// Makes an instance.
    pub create: Option<Create>,
}

/// `eea_pair`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    /// The name.
    pub name: Str,
    /// The value.
    pub value: Str,
}

/// `eea_http_request`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HttpRequest {
    /// Bytes of this structure.
    pub size: u32,
    /// `GET`, `POST` or `PUT`.
    pub method: Str,
    /// The address.
    pub url: Str,
    /// The first header; may be null where there is none.
    pub headers: *const Pair,
    /// How many headers.
    pub headers_n: usize,
    /// The body, as `application/json`.
    pub json: Str,
    /// The fields of the body, as `application/x-www-form-urlencoded`; null for none.
    pub form: *const Pair,
    /// How many fields.
    pub form_n: usize,
}

/// `eea_http_response`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HttpResponse {
    /// Bytes of this structure.
    pub size: u32,
    /// The status code; 0 where there was no answer.
    pub status: u32,
    /// The body.
    pub body: Str,
    /// The `Content-Type`.
    pub content_type: Str,
    /// Why there was no answer.
    pub error: Str,
}

/// The type of the `receive` of [`HostHttp::send`].
pub type Receive = unsafe extern "C" fn(*mut c_void, *const HttpResponse);

/// `eea_host_http`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HostHttp {
    /// Bytes of this structure.
    pub size: u32,
    /// Sends a request.
    pub send: Option<
        unsafe extern "C" fn(*mut c_void, u64, *const HttpRequest, *mut c_void, Option<Receive>) -> Status,
    >,
}

/// `eea_host_prompt`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HostPrompt {
    /// Bytes of this structure.
    pub size: u32,
    /// Tells the person something.
    pub show: Option<unsafe extern "C" fn(*mut c_void, u64, Str) -> Status>,
    /// Asks the person to open an address.
    pub open: Option<unsafe extern "C" fn(*mut c_void, u64, Str, Str, Str) -> Status>,
    /// Asks the person for a line.
    pub text: Option<unsafe extern "C" fn(*mut c_void, u64, Str, *const Sink) -> Status>,
    /// Asks the person for a secret.
    pub secret: Option<unsafe extern "C" fn(*mut c_void, u64, Str, *const Sink) -> Status>,
}

/// `eea_host_store`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HostStore {
    /// Bytes of this structure.
    pub size: u32,
    /// Reads a value.
    pub get: Option<unsafe extern "C" fn(*mut c_void, u64, Str, *const Sink) -> Status>,
    /// Keeps a value.
    pub set: Option<unsafe extern "C" fn(*mut c_void, u64, Str, Str) -> Status>,
    /// Forgets a value.
    pub erase: Option<unsafe extern "C" fn(*mut c_void, u64, Str) -> Status>,
}

/// The number of bytes that `T` has, as the `size` of a structure says it.
pub const fn size_of<T>() -> u32 {
    std::mem::size_of::<T>() as u32
}
