//! What a call of a library costs beside the plugin's own work, which here is next to none: it writes a constant. Beside it the
//! same function is called with nothing around it, with a sink that copies what it is given.
#![allow(
    missing_docs,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    unsafe_code,
    reason = "a measurement, which builds what it measures"
)]

use std::process::Command;

use criterion::{Criterion, criterion_group, criterion_main};
use ee_auth_core::{OptionValue, Options, Search, Settings};
use ee_auth_dynamic::{Direct, KIND};
use ee_auth_plugin_host::trust::Pin;

const SOURCE: &str = r#"
#include <string.h>
#include "ee_auth_plugin.h"
static const char MANIFEST[] = "{\"name\":\"constant\",\"ops\":[\"get\"],\"thread_safe\":true}";
static const char ANSWER[] = "{\"version\":1,\"success\":true,\"access_token\":\"constant\",\"cache\":\"session\"}";
static eea_status call(void *self, const eea_request *request, const eea_sink *out) {
  eea_str answer = {ANSWER, sizeof ANSWER - 1};
  (void)self;
  (void)request;
  return out->write(out->ctx, answer);
}
static eea_status create(const eea_host *host, eea_str config, eea_provider *out, const eea_sink *err) {
  (void)host;
  (void)config;
  (void)err;
  out->size = sizeof *out;
  out->call = call;
  return EEA_OK;
}
/* The same call with nothing around it, through a pointer that the compiler must not see through. */
static eea_status (*volatile pointer)(void *, const eea_request *, const eea_sink *) = call;
static eea_status copy(void *to, eea_str answer) {
  memcpy(to, answer.p, answer.n);
  return EEA_OK;
}
static eea_status (*volatile copies)(void *, eea_str) = copy;
EEA_EXPORT eea_status bare(const char *json, size_t n) {
  static char to[4096];
  eea_sink out = {sizeof out, to, copies};
  eea_request request = {sizeof request, 0, 1, 30000, {json, n}};
  return pointer(NULL, &request, &out);
}
const eea_entry eea_plugin_v1 = {EEA_MAGIC, sizeof(eea_entry), 1, 0, 0, {MANIFEST, sizeof MANIFEST - 1}, create};
"#;

const REQUEST: &str = r#"{"v":[1],"op":"get","scopes":["https://www.googleapis.com/auth/earthengine"],"deadline_ms":30000,"config":{}}"#;

fn calls(c: &mut Criterion) {
    let directory = tempfile::tempdir().unwrap();
    let (source, library) = (directory.path().join("constant.c"), directory.path().join("constant.so"));
    std::fs::write(&source, SOURCE).unwrap();
    let include = concat!("-I", env!("CARGO_MANIFEST_DIR"), "/include");
    let built = Command::new("cc")
        .args(["-O2", "-shared", "-fPIC", include])
        .arg(&source)
        .arg("-o")
        .arg(&library)
        .status();
    if !built.is_ok_and(|status| status.success()) {
        return;
    }
    // SAFETY: it was built above, and has this function.
    let (bare, _library) = unsafe {
        let library = libloading::Library::new(&library).unwrap();
        let bare = *library.get::<unsafe extern "C" fn(*const u8, usize) -> i32>(b"bare\0").unwrap();
        (bare, library)
    };
    // SAFETY: the text lives on.
    c.bench_function("a bare call of the function", |b| {
        b.iter(|| unsafe { bare(REQUEST.as_ptr(), REQUEST.len()) })
    });
    let host = ee_auth_host::system();
    let pin = Pin::of(&std::fs::read(&library).unwrap());
    let direct = Direct::new(&host, &library, &pin, "{}").unwrap();
    c.bench_function("a call, in process", |b| b.iter(|| direct.call(REQUEST).unwrap()));

    let mut options = Options::default();
    options.set("path", OptionValue::Path(library));
    options.set("sha256", OptionValue::String(pin.to_string()));
    options.set("isolation", OptionValue::String("in_process".to_owned()));
    let provider = (KIND.build)("constant", &options).unwrap();
    let search = Search::new(host, Settings::default());
    c.bench_function("finding, in process", |b| b.iter(|| pollster::block_on(provider.find(&search))));
}

criterion_group!(benches, calls);
criterion_main!(benches);
