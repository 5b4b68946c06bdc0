//! The header: compilers take it, and lay its structures out as `ee_auth_plugin::abi` does.
#![cfg(unix)]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "tests run compilers, and end where that fails"
)]

mod support;

use std::fmt::Write;
use std::mem::{offset_of, size_of};
use std::process::Command;

use ee_auth_plugin::abi;
use support::{Libraries, has};

const INCLUDE: &str = concat!("-I", env!("CARGO_MANIFEST_DIR"), "/include");

fn compile(compiler: &str, flags: &[&str], source: &str, extension: &str) -> Option<Vec<u8>> {
    if !has(compiler) {
        return None;
    }
    let directory = Libraries::new();
    let file = directory.path().join(format!("test.{extension}"));
    let program = directory.path().join("test");
    std::fs::write(&file, source).unwrap();
    let output = Command::new(compiler)
        .args(flags)
        .args(["-pedantic", "-Wall", "-Wextra", "-Werror", INCLUDE])
        .args([file.as_os_str(), "-o".as_ref(), program.as_os_str()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{compiler}: {}", String::from_utf8_lossy(&output.stderr));
    Some(Command::new(program).output().unwrap().stdout)
}

#[test]
fn it_compiles_as_c_and_as_cxx() {
    let source = r#"
        #include "ee_auth_plugin.h"
        #include "ee_auth_plugin.h"
        static eea_status create(const eea_host *host, eea_str config, eea_provider *out, const eea_sink *err) {
          (void)host; (void)config; (void)out; (void)err;
          return EEA_INTERNAL;
        }
        static const char manifest[] = "{}";
        const eea_entry eea_plugin_v1 = {EEA_MAGIC, sizeof(eea_entry), EEA_ABI_MAJOR, EEA_ABI_MINOR, 0,
                                         {manifest, sizeof manifest - 1}, create};
        int main(void) { return EEA_MAX_MESSAGE == 0; }
    "#;
    compile("cc", &["-std=c11"], source, "c");
    compile("c++", &["-std=c++17"], source, "cpp");
    compile("c++", &["-std=c++11"], source, "cpp");
}

/// `NAME size` and `NAME.member offset` for each.
macro_rules! layouts {
    ($($c:literal $rust:ty { $($member:ident $(as $c_member:literal)?),* })*) => {{
        let mut rust = String::new();
        let mut c = String::from("#include <stddef.h>\n#include <stdio.h>\n#include \"ee_auth_plugin.h\"\nint main(void) {\n");
        $(
            writeln!(rust, "{} {}", $c, size_of::<$rust>()).unwrap();
            writeln!(c, "printf(\"{} %zu\\n\", sizeof({}));", $c, $c).unwrap();
            $(
                let name = [$($c_member,)? stringify!($member)][0];
                writeln!(rust, "{}.{} {}", $c, name, offset_of!($rust, $member)).unwrap();
                writeln!(c, "printf(\"{}.{} %zu\\n\", offsetof({}, {}));", $c, name, $c, name).unwrap();
            )*
        )*
        c.push_str("return 0; }\n");
        (rust, c)
    }};
}

#[test]
fn both_sides_lay_structures_out_alike() {
    let (rust, c) = layouts! {
        "eea_str" abi::Str { p, n }
        "eea_sink" abi::Sink { size, ctx, write }
        "eea_host" abi::Host { size, abi_major, ctx, log, cancelled, extension }
        "eea_request" abi::Request { size, flags, call, deadline_ms, json }
        "eea_provider" abi::Provider { size, this as "self", call, extension, destroy }
        "eea_entry" abi::Entry { magic, size, abi_major, abi_minor, flags, manifest, create }
        "eea_pair" abi::Pair { name, value }
        "eea_http_request" abi::HttpRequest { size, method, url, headers, headers_n, json, form, form_n }
        "eea_http_response" abi::HttpResponse { size, status, body, content_type, error }
        "eea_host_http" abi::HostHttp { size, send }
        "eea_host_prompt" abi::HostPrompt { size, show, open, text, secret }
        "eea_host_store" abi::HostStore { size, get, set, erase }
    };
    if let Some(printed) = compile("cc", &["-std=c11"], &c, "c") {
        assert_eq!(String::from_utf8(printed).unwrap(), rust);
    }
}
