//! The C interface from the other side, as a host uses it.

use std::ffi::CStr;
use std::ptr;
use std::sync::Mutex;

use super::*;
use crate::{Answer, Failure, Manifest, Request};

struct Echo {
    prefix: String,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    prefix: String,
}

impl Provider for Echo {
    type Config = Config;

    const MANIFEST: Manifest = Manifest::new("echo", "1.0.0");

    fn create(config: Config, _host: &Host<'_>) -> Result<Self, Failure> {
        match config.prefix.as_str() {
            "panic" => panic!("a secret"),
            "refuse" => Err(Failure::invalid("no")),
            _ => Ok(Self { prefix: config.prefix }),
        }
    }

    fn get(&self, request: &Request, host: &Host<'_>) -> Result<Answer, Failure> {
        match request.project.as_deref() {
            Some("panic") => panic!("a secret"),
            Some("log") => host.info("hello"),
            Some("cancelled") => assert!(host.is_cancelled()),
            Some("store") => return host.stored("key").map(|_| Answer::access_token("none")),
            _ => {}
        }
        Ok(Answer::access_token(format!("{}-{}", self.prefix, request.scopes.join(","))))
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        assert_ne!(self.prefix, "bad-drop");
    }
}

static ENTRY: Exported = Exported::new::<Echo>(&JSON);
static JSON: [u8; Echo::MANIFEST.json_len()] = Echo::MANIFEST.json();

#[derive(Default)]
struct Kept {
    written: Mutex<Vec<String>>,
    logged: Mutex<Vec<String>>,
}

unsafe extern "C" fn keep(ctx: *mut c_void, message: Str) -> Status {
    // SAFETY: the tests below pass a `Kept` that outlives the call.
    let kept = unsafe { &*ctx.cast::<Kept>() };
    kept.written.lock().unwrap().push(unsafe { borrowed(message) }.unwrap().to_owned());
    OK
}

unsafe extern "C" fn log(ctx: *mut c_void, _level: u32, message: Str) {
    // SAFETY: as above.
    let kept = unsafe { &*ctx.cast::<Kept>() };
    kept.logged.lock().unwrap().push(unsafe { borrowed(message) }.unwrap().to_owned());
}

unsafe extern "C" fn cancelled(_ctx: *mut c_void, call: u64) -> u32 {
    u32::from(call == 7)
}

unsafe extern "C" fn no_extension(_ctx: *mut c_void, id: *const std::ffi::c_char) -> *const c_void {
    // SAFETY: names end with NUL.
    assert_eq!(unsafe { CStr::from_ptr(id) }, abi::STORE);
    ptr::null()
}

fn host(kept: &Kept) -> abi::Host {
    abi::Host {
        size: abi::size_of::<abi::Host>(),
        abi_major: 1,
        ctx: ptr::from_ref(kept).cast_mut().cast(),
        log: Some(log),
        cancelled: Some(cancelled),
        extension: Some(no_extension),
    }
}

fn sink(kept: &Kept) -> Sink {
    Sink { size: abi::size_of::<Sink>(), ctx: ptr::from_ref(kept).cast_mut().cast(), write: Some(keep) }
}

fn room() -> abi::Provider {
    abi::Provider { size: 256, this: ptr::null_mut(), call: None, extension: None, destroy: None }
}

fn make(kept: &Kept, host: &abi::Host, config: &str) -> (Status, abi::Provider) {
    let mut out = room();
    let create = ENTRY.0.create.unwrap();
    let status = unsafe { create(host, Str::new(config), &mut out, &sink(kept)) };
    (status, out)
}

fn ask(kept: &Kept, provider: &abi::Provider, json: &str) -> Status {
    let request = abi::Request {
        size: abi::size_of::<abi::Request>(),
        flags: 0,
        call: 7,
        deadline_ms: 1000,
        json: Str::new(json),
    };
    unsafe { provider.call.unwrap()(provider.this, &request, &sink(kept)) }
}

fn request(project: &str) -> String {
    format!(r#"{{"v":[1],"op":"get","scopes":["a","b"],"project":"{project}"}}"#)
}

fn last(kept: &Kept) -> serde_json::Value {
    serde_json::from_str(kept.written.lock().unwrap().last().unwrap()).unwrap()
}

#[test]
fn a_provider_is_made_asked_and_destroyed() {
    let kept = Kept::default();
    let host = host(&kept);
    let (status, provider) = make(&kept, &host, r#"{"prefix":"x"}"#);
    assert_eq!((status, provider.size), (OK, abi::size_of::<abi::Provider>()));
    assert_eq!(ask(&kept, &provider, &request("log")), OK);
    assert_eq!(last(&kept)["access_token"], "x-a,b");
    assert_eq!(*kept.logged.lock().unwrap(), ["hello"]);
    assert_eq!(ask(&kept, &provider, &request("cancelled")), OK);
    assert_eq!(ask(&kept, &provider, &request("store")), FAILED);
    assert!(last(&kept)["message"].as_str().unwrap().contains("store/1"));
    assert_eq!(ask(&kept, &provider, "{"), FAILED);
    assert_eq!(last(&kept)["code"], "invalid");
    unsafe { provider.destroy.unwrap()(provider.this) };
}

#[test]
fn panics_stay_on_their_side() {
    let kept = Kept::default();
    let host = host(&kept);
    assert_eq!(make(&kept, &host, r#"{"prefix":"panic"}"#).0, INTERNAL);
    let (_, provider) = make(&kept, &host, r#"{"prefix":"bad-drop"}"#);
    assert_eq!(ask(&kept, &provider, &request("panic")), INTERNAL);
    assert_eq!(ask(&kept, &provider, &request("fine")), OK);
    unsafe { provider.destroy.unwrap()(provider.this) };
    let logged = kept.logged.lock().unwrap();
    assert_eq!(logged.len(), 2);
    assert!(logged.iter().all(|line| line.contains("export_tests.rs:") && !line.contains("a secret")));
}

#[test]
fn a_provider_that_cannot_be_made_says_why() {
    let kept = Kept::default();
    let host = host(&kept);
    for (config, said) in [
        (r#"{"prefix":"refuse"}"#, "no"),
        (r#"{"prefix":1}"#, "expected a string"),
        (r#"{"prefi":"x"}"#, "unknown field `prefi`"),
        ("{", "not JSON"),
    ] {
        assert_eq!(make(&kept, &host, config).0, FAILED);
        let answer = last(&kept);
        assert_eq!(answer["code"], "invalid");
        assert!(answer["message"].as_str().unwrap().contains(said), "{answer}");
    }
}

#[test]
fn what_a_host_passes_is_looked_at_first() {
    let kept = Kept::default();
    let good = host(&kept);
    let create = ENTRY.0.create.unwrap();
    let config = Str::new(r#"{"prefix":"x"}"#);
    let mut out = room();
    let err = sink(&kept);
    let small_host = abi::Host { size: 8, ..good };
    let other_host = abi::Host { abi_major: 2, ..good };
    let small_err = Sink { size: 4, ..err };
    let bytes = b"\xff";
    let not_text = Str { p: bytes.as_ptr().cast(), n: 1 };
    unsafe {
        assert_eq!(create(ptr::null(), config, &mut out, &err), BAD_ARGUMENT);
        assert_eq!(create(&small_host, config, &mut out, &err), BAD_ARGUMENT);
        assert_eq!(create(&other_host, config, &mut out, &err), BAD_ARGUMENT);
        assert_eq!(create(&good, config, ptr::null_mut(), &err), BAD_ARGUMENT);
        assert_eq!(create(&good, config, &mut out, &small_err), BAD_ARGUMENT);
        assert_eq!(create(&good, config, &mut out, ptr::null()), BAD_ARGUMENT);
        assert_eq!(create(&good, not_text, &mut out, &err), BAD_ARGUMENT);
        assert_eq!(create(&good, Str { p: ptr::null(), n: 3 }, &mut out, &err), BAD_ARGUMENT);
        out.size = 16;
        assert_eq!(create(&good, config, &mut out, &err), BAD_ARGUMENT);
    }
    assert!(out.call.is_none() && kept.written.lock().unwrap().is_empty());
    let (_, provider) = make(&kept, &good, r#"{"prefix":"x"}"#);
    unsafe {
        let call = provider.call.unwrap();
        assert_eq!(call(provider.this, ptr::null(), &err), BAD_ARGUMENT);
        assert_eq!(call(ptr::null_mut(), ptr::null(), &err), BAD_ARGUMENT);
        provider.destroy.unwrap()(ptr::null_mut());
        provider.destroy.unwrap()(provider.this);
    }
}
