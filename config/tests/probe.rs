mod support;
use ee_auth_config::*;
use std::hint::black_box;
use support::*;
#[test]
fn probe() {
    let host = ee_auth_fake::Fake::new().host();
    let n = 2000;
    let time = |what: &str, f: &dyn Fn()| {
        let t = std::time::Instant::now();
        for _ in 0..n {
            f()
        }
        println!("{what} {:?}", t.elapsed() / n);
    };
    time("load", &|| {
        black_box(load(&host, &KINDS, &Flags::default()).unwrap());
    });
    time("endpoints", &|| {
        black_box(ee_auth_core::Endpoints::default());
    });
    time("project file", &|| {
        black_box(project_file(&host, &Flags::default()).unwrap());
    });
    time("status", &|| {
        black_box(host.files.status(std::path::Path::new("/work/ee-auth.toml")).is_ok());
    });
    time("read", &|| {
        black_box(host.files.read(std::path::Path::new("/work/ee-auth.toml"), 100).is_ok());
    });
    let h2 = host.clone();
    let c = load(&host, &KINDS, &Flags::default()).unwrap();
    time("var", &|| {
        black_box(h2.environment.variable_os("X"));
    });
    time("values", &|| {
        black_box(c.values());
    });
}
