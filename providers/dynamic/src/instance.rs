//! An instance of a plugin, as `create` makes it.
#![allow(
    unsafe_code,
    reason = "a library's functions are called here; each block says why it may do what it does"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use ee_auth_core::Error;
use ee_auth_plugin::abi;
use zeroize::Zeroizing;

use crate::call::{CALLS, Call};
use crate::fault::breach;
use crate::library::Library;
use crate::registry::to_context;
use crate::services::{self, HOSTS, Services};

/// An instance. Several may live at once.
#[derive(Debug)]
pub(crate) struct Instance {
    provider: abi::Provider,
    /// Lent to the plugin until `destroy` has returned.
    host: Option<Box<abi::Host>>,
    number: usize,
    abandoned: AtomicBool,
    thread_safe: bool,
}

// SAFETY: the pointers in it are the plugin's, which is called from any thread as the header says; `Instance::call` is given
// to one thread at a time by its callers, unless the plugin says that it is safe.
unsafe impl Send for Instance {}
// SAFETY: as above.
unsafe impl Sync for Instance {}

/// What came of `create`.
pub(crate) enum Created {
    /// An instance.
    Instance(Instance),
    /// The plugin's failure, an answer.
    Refused(Zeroizing<Vec<u8>>),
}

/// Where a plugin puts its `eea_provider`: the room that it is promised, and more behind it, which must stay as it is.
#[repr(C, align(16))]
struct Room {
    provider: [u8; abi::PROVIDER_ROOM],
    beyond: [u8; abi::PROVIDER_ROOM],
}

const UNTOUCHED: u8 = 0xa5;

impl Instance {
    /// Makes an instance with a configuration, a JSON object. `services` are those of the instance, for what it logs between
    /// calls. Blocks for as long as the plugin does.
    ///
    /// # Errors
    /// [`Outcome::Protocol`](ee_auth_core::Outcome::Protocol) where the plugin breaks what the header says.
    pub(crate) fn create(
        library: &Library,
        config: &str,
        services: Arc<dyn Services>,
        call: &Arc<Call>,
    ) -> Result<Created, Error> {
        let number =
            HOSTS.insert(Arc::new(services::instance::Host { services, creating: AtomicUsize::new(0) }));
        let host = Box::new(abi::Host {
            size: abi::size_of::<abi::Host>(),
            abi_major: abi::MAJOR,
            ctx: to_context(number),
            log: Some(services::log),
            cancelled: Some(services::cancelled),
            extension: Some(services::extension),
        });
        let mut room = Room { provider: [0; abi::PROVIDER_ROOM], beyond: [UNTOUCHED; abi::PROVIDER_ROOM] };
        let out: *mut abi::Provider = (&raw mut room).cast();
        // SAFETY: the room is larger than the type, and aligned for it.
        unsafe { (&raw mut (*out).size).write(abi::PROVIDER_ROOM as u32) };
        let creating = CALLS.insert(call.clone());
        if let Some(host) = HOSTS.get(number) {
            host.creating.store(creating, Ordering::Relaxed);
        }
        let sink = sink(creating);
        // SAFETY: a function of a library that passed every check. `host` stays where it is until `destroy` has returned, or
        // for good; the rest lives until the function returns; `out` has the room that it says.
        let status =
            unsafe { (library.create)(&raw const *host, abi::Str::new(config), out, &raw const sink) };
        CALLS.remove(creating);
        // SAFETY: it was written above, or by the plugin; any bytes are an `eea_provider` as far as its numbers go, and its
        // pointers to functions are null or were put there as such.
        let provider = unsafe { out.read() };
        let mut instance = Self {
            provider: abi::Provider { call: None, destroy: None, ..provider },
            host: Some(host),
            number,
            abandoned: AtomicBool::new(false),
            thread_safe: library.manifest.thread_safe,
        };
        if room.beyond.iter().any(|byte| *byte != UNTOUCHED) {
            return Err(breach("memory", "its `create` wrote beyond the room for its `eea_provider`"));
        }
        if status != abi::OK {
            let answer = call.finish(status)?;
            return Ok(Created::Refused(answer));
        }
        let (size, least) = (provider.size, abi::size_of::<abi::Provider>());
        if size < least || size as usize > abi::PROVIDER_ROOM {
            return Err(breach(
                "size",
                format!(
                    "its `create` says that its `eea_provider` has {size} bytes; version 1.0 has {least}"
                ),
            ));
        }
        if provider.call.is_none() {
            return Err(breach("instance", "its `create` left `call` NULL"));
        }
        instance.provider = provider;
        Ok(Created::Instance(instance))
    }

    /// Whether several calls may run at once.
    pub(crate) fn is_thread_safe(&self) -> bool {
        self.thread_safe
    }

    /// Whether a call was abandoned, so that nothing more may be asked.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Acquire)
    }

    /// Gives the instance up with the call that runs: it is never used again, and never destroyed.
    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
    }

    /// Asks the instance, and blocks for as long as it takes. One after the other, unless it is thread-safe.
    ///
    /// # Errors
    /// As [`Call::finish`].
    pub(crate) fn call(
        &self,
        json: &str,
        remaining: Duration,
        call: &Arc<Call>,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let Some(function) = self.provider.call else { return Err(breach("instance", "its `call` is NULL")) };
        let number = CALLS.insert(call.clone());
        let sink = sink(number);
        let request = abi::Request {
            size: abi::size_of::<abi::Request>(),
            flags: 0,
            call: number as u64,
            deadline_ms: i64::try_from(remaining.as_millis()).unwrap_or(i64::MAX).max(1),
            json: abi::Str::new(json),
        };
        // SAFETY: `create` put the function there with its context, and `destroy` was not called; what is passed lives until
        // it returns, and is as the header says.
        let status = unsafe { function(self.provider.this, &raw const request, &raw const sink) };
        CALLS.remove(number);
        call.finish(status)
    }
}

fn sink(number: usize) -> abi::Sink {
    abi::Sink { size: abi::size_of::<abi::Sink>(), ctx: to_context(number), write: Some(services::write) }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if self.is_abandoned() {
            // A thread of the plugin may still look at it.
            std::mem::forget(self.host.take());
            return;
        }
        if let Some(destroy) = self.provider.destroy {
            // SAFETY: nobody else has this instance, so no call runs and none follows.
            unsafe { destroy(self.provider.this) };
        }
        HOSTS.remove(self.number);
    }
}
