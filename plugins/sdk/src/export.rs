//! A provider behind the C interface: what [`export_provider!`](crate::export_provider) puts into a library.
//!
//! Everything that arrives from the other side is looked at before it is used: null pointers, structures that are smaller than
//! those of version 1.0, text that is not UTF-8. What cannot be looked at is what the header asks of a host: that a pointer
//! points to what its type says, and for how long.
#![allow(unsafe_code, reason = "the C interface is spoken here; each block says why it may do what it does")]

use std::ffi::c_void;

use crate::abi::{self, BAD_ARGUMENT, FAILED, INTERNAL, OK, Sink, Status, Str};
use crate::abi_host::AbiServices;
use crate::guard::guarded;
use crate::respond::{create, parse, respond};
use crate::{Host, Provider};

/// Exports a [`Provider`] as a shared library for ee-auth: the symbol `eea_plugin_v1` of `ee_auth_plugin.h`.
///
/// It stands once in a crate of the type `cdylib`. Panics are caught at every boundary; build without `panic = "abort"`, or a
/// panic ends the process in which the library runs.
#[macro_export]
macro_rules! export_provider {
    ($provider:ty) => {
        const _: () = {
            const MANIFEST: $crate::Manifest = <$provider as $crate::Provider>::MANIFEST;
            static JSON: [u8; MANIFEST.json_len()] = MANIFEST.json();
            #[allow(non_upper_case_globals, reason = "the header gives the name")]
            #[allow(unsafe_code, reason = "no other symbol has this name, which the header reserves")]
            #[unsafe(no_mangle)]
            pub static eea_plugin_v1: $crate::abi::Exported = $crate::abi::Exported::new::<$provider>(&JSON);
        };
    };
}

/// An [`abi::Entry`] that may be a `static`.
#[doc(hidden)]
#[repr(transparent)]
#[derive(Debug)]
pub struct Exported(pub abi::Entry);

// SAFETY: nothing in it is ever written, and its pointers are to constants.
unsafe impl Sync for Exported {}

impl Exported {
    /// The entry of a provider whose manifest is `manifest`.
    pub const fn new<P: Provider>(manifest: &'static [u8]) -> Self {
        Self(abi::Entry {
            magic: abi::MAGIC,
            size: abi::size_of::<abi::Entry>(),
            abi_major: abi::MAJOR,
            abi_minor: abi::MINOR,
            flags: 0,
            manifest: Str { p: manifest.as_ptr().cast(), n: manifest.len() },
            create: Some(create_instance::<P>),
        })
    }
}

/// What `self` of an `eea_provider` points to.
struct Instance<P> {
    provider: P,
    /// Good until `destroy` has returned, as the header says.
    host: *const abi::Host,
}

/// The text that `text` borrows, if it is UTF-8.
///
/// # Safety
/// `text` is as the header says: `n` bytes at `p` that stay as they are for `'a`.
pub(crate) unsafe fn borrowed<'a>(text: Str) -> Option<&'a str> {
    if text.n == 0 {
        return Some("");
    }
    if text.p.is_null() || text.n > isize::MAX as usize {
        return None;
    }
    // SAFETY: the caller says that there are `n` bytes, and neither is `p` null nor `n` too large.
    let bytes = unsafe { std::slice::from_raw_parts(text.p.cast::<u8>(), text.n) };
    std::str::from_utf8(bytes).ok()
}

/// Whether there is a structure of at least the size that version 1.0 has. Its first member is its size.
///
/// # Safety
/// `structure` is null or points to a structure that begins with its size, and is aligned.
pub(crate) unsafe fn is_whole<T>(structure: *const T) -> bool {
    // SAFETY: it is not null, and begins with four bytes that say its size.
    !structure.is_null() && unsafe { structure.cast::<u32>().read() } >= abi::size_of::<T>()
}

/// Hands a message over.
///
/// # Safety
/// `sink` passed [`is_whole`], and is good until now.
unsafe fn write(sink: *const Sink, json: &str) -> Status {
    // SAFETY: as the caller says, the structure is there and as large as the type.
    let sink = unsafe { sink.read() };
    match sink.write {
        // SAFETY: the text lives until the function returns, which is all that the header asks.
        Some(write) => unsafe { write(sink.ctx, Str::new(json)) },
        None => BAD_ARGUMENT,
    }
}

/// `create` of `eea_entry`
unsafe extern "C" fn create_instance<P: Provider>(
    host: *const abi::Host,
    config: Str,
    out: *mut abi::Provider,
    err: *const Sink,
) -> Status {
    // SAFETY: null or structures that begin with their sizes: the header says so of all three.
    let whole = unsafe { is_whole(host) && is_whole(out.cast_const()) && is_whole(err) };
    // SAFETY: the host lends the text for the length of this call.
    let (true, Some(config)) = (whole, unsafe { borrowed(config) }) else { return BAD_ARGUMENT };
    // SAFETY: `host` is whole.
    if unsafe { (*host).abi_major } != abi::MAJOR {
        return BAD_ARGUMENT;
    }
    // SAFETY: `host` is whole, and good until `destroy` has returned.
    let services = unsafe { AbiServices::new(host, 0) };
    let created = guarded(|| {
        let config = serde_json::from_str(config).map_err(|error| {
            crate::Failure::invalid(format!("`config` of the plugin is not JSON: {error}"))
        })?;
        create::<P>(config, &Host(&services)).map(|provider| Box::new(Instance { provider, host }))
    });
    match created {
        Ok(Ok(instance)) => {
            let provider = abi::Provider {
                size: abi::size_of::<abi::Provider>(),
                this: Box::into_raw(instance).cast(),
                call: Some(call::<P>),
                extension: None,
                destroy: Some(destroy::<P>),
            };
            // SAFETY: `out` is whole, so there is room; the host lends it for writing.
            unsafe { out.write(provider) };
            OK
        }
        Ok(Err(failure)) => {
            // SAFETY: `err` is whole, and good until this function returns.
            unsafe { write(err, &failure.to_json()) };
            FAILED
        }
        Err(place) => panicked(&services, &place),
    }
}

/// `call` of `eea_provider`
unsafe extern "C" fn call<P: Provider>(
    this: *mut c_void,
    request: *const abi::Request,
    out: *const Sink,
) -> Status {
    // SAFETY: null or structures that begin with their sizes: the header says so of both.
    if this.is_null() || unsafe { !is_whole(request) || !is_whole(out) } {
        return BAD_ARGUMENT;
    }
    // SAFETY: `create_instance` made it, and `destroy` has not been called; others share it, since it is `Sync`.
    let instance = unsafe { &*this.cast::<Instance<P>>() };
    // SAFETY: `request` is whole, and good until this function returns.
    let request = unsafe { request.read() };
    // SAFETY: as the request to which it belongs.
    let Some(json) = (unsafe { borrowed(request.json) }) else { return BAD_ARGUMENT };
    // SAFETY: `create_instance` found it whole, and it is good until `destroy` has returned.
    let services = unsafe { AbiServices::new(instance.host, request.call) };
    let answered = guarded(|| match parse(json) {
        Ok(wire) => respond(&instance.provider, wire, &Host(&services)),
        Err(failure) => failure.into(),
    });
    match answered {
        Ok(response) => {
            // SAFETY: `out` is whole, and good until this function returns.
            let written = unsafe { write(out, &response.json) };
            match written {
                OK if response.success => OK,
                _ => FAILED,
            }
        }
        Err(place) => panicked(&services, &place),
    }
}

/// `destroy` of `eea_provider`
unsafe extern "C" fn destroy<P: Provider>(this: *mut c_void) {
    if this.is_null() {
        return;
    }
    // SAFETY: `create_instance` made it, no call runs, and none follows: this is the last that is heard of it.
    let instance = unsafe { Box::from_raw(this.cast::<Instance<P>>()) };
    // A panic of the author's `Drop` ends here. The host is told nothing: nobody waits for an answer.
    let _ = guarded(|| drop(instance));
}

fn panicked(services: &AbiServices, place: &str) -> Status {
    Host(services).log(crate::Level::Error, format_args!("the plugin panicked at {place}"));
    INTERNAL
}

#[cfg(test)]
#[path = "export_tests.rs"]
mod tests;
