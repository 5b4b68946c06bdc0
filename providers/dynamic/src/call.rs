//! One call of a plugin, and what it wrote.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ee_auth_core::Error;
use ee_auth_plugin::abi;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::fault::breach;
use crate::registry::Registry;
use crate::services::Services;

/// The calls that run. A call that was abandoned stays until the plugin returns from it.
pub(crate) static CALLS: Registry<Call> = Registry::new();

/// A call of `create` or `call`.
pub(crate) struct Call {
    pub(crate) services: Arc<dyn Services>,
    over: AtomicBool,
    written: Mutex<Written>,
}

/// What a plugin wrote in a call.
#[derive(Default)]
struct Written {
    answer: Option<Zeroizing<Vec<u8>>>,
    wrong: Option<Error>,
}

impl Call {
    pub(crate) fn new(services: Arc<dyn Services>) -> Self {
        Self { services, over: AtomicBool::new(false), written: Mutex::default() }
    }

    /// Nobody waits for it any longer.
    pub(crate) fn give_up(&self) {
        self.over.store(true, Ordering::Release);
    }

    /// Whether nobody waits for it any longer.
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire) || self.services.is_over()
    }

    /// Takes a message; the status for the plugin. The first mistake is kept, whatever the plugin makes of the status.
    pub(crate) fn write(&self, message: Option<&[u8]>) -> abi::Status {
        if self.is_over() {
            return abi::FAILED;
        }
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let wrong = match message.map(|message| (message.len(), std::str::from_utf8(message))) {
            None => Some(breach("size", "it answered with a text that has a length and no place")),
            Some((length, _)) if length > abi::MAX_MESSAGE => Some(breach(
                "too_large",
                format!("it wrote a message of {length} bytes, and {} are allowed", abi::MAX_MESSAGE),
            )),
            Some((_, Err(_))) => Some(breach("encoding", "its answer is not UTF-8 text")),
            Some((_, Ok(message))) if is_event(message) => None,
            Some(_) if written.answer.is_some() => Some(breach("two_answers", "it answered more than once")),
            Some((_, Ok(message))) => {
                let mut line = Zeroizing::new(message.as_bytes().to_vec());
                // A message is one whole, and may be written over several lines; elsewhere a line is the whole. In JSON a
                // line break can stand only where a space can (RFC 8259, section 2).
                line.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
                written.answer = Some(line);
                None
            }
        };
        match wrong {
            None => abi::OK,
            Some(error) => {
                written.wrong.get_or_insert(error);
                abi::BAD_ARGUMENT
            }
        }
    }

    /// The answer, given how the function ended.
    ///
    /// # Errors
    /// [`Outcome::Protocol`](ee_auth_core::Outcome::Protocol) where the two do not belong together, or something was wrong.
    pub(crate) fn finish(&self, status: abi::Status) -> Result<Zeroizing<Vec<u8>>, Error> {
        let written = std::mem::take(&mut *self.written.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(wrong) = written.wrong {
            return Err(wrong);
        }
        let answer = match status {
            abi::OK | abi::FAILED => written.answer.ok_or_else(|| breach("silent", "it answered nothing"))?,
            abi::BAD_ARGUMENT => {
                let message = "it ended with EEA_BAD_ARGUMENT: it does not accept what it was asked with";
                return Err(breach("status", message));
            }
            abi::INTERNAL => {
                return Err(breach("status", "it ended with EEA_INTERNAL: a bug or a panic in the plugin"));
            }
            other => {
                return Err(breach("status", format!("it ended with {other}, which is no status")));
            }
        };
        let success = status == abi::OK;
        if !seems(&answer, success) && succeeds(&answer).is_some_and(|says| says != success) {
            let message = if status == abi::OK {
                "its answer is a failure, and it ended with EEA_OK in place of EEA_FAILED"
            } else {
                "its answer is a success, and it ended with EEA_FAILED in place of EEA_OK"
            };
            return Err(breach("status", message));
        }
        Ok(answer)
    }
}

/// Messages with a key `event` may come before the answer. None is known that is not better asked with a function.
fn is_event(message: &str) -> bool {
    // Most messages are the answer, which holds no such word: it need not be parsed to know.
    message.contains("\"event\"")
        && serde_json::from_str::<Value>(message).is_ok_and(|message| message.get("event").is_some())
}

/// Whether the first thing that an answer says of its success is this: so it need not be parsed twice.
fn seems(answer: &[u8], success: bool) -> bool {
    const KEY: &[u8] = b"\"success\":";
    let Some(at) = answer.windows(KEY.len()).position(|part| part == KEY) else { return false };
    let value = answer.get(at + KEY.len()..).unwrap_or_default().trim_ascii_start();
    value.starts_with(if success { b"true" } else { b"false" })
}

/// What the answer says of its success; `None` where that cannot be told, which is for its reader to say.
fn succeeds(answer: &[u8]) -> Option<bool> {
    #[derive(serde::Deserialize)]
    struct Head {
        success: bool,
    }
    serde_json::from_slice::<Head>(answer).ok().map(|head| head.success)
}
