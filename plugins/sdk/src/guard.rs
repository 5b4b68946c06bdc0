//! Panics, which must leave neither a function that C calls nor a program whose standard output is an answer.

use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// What `work` answers; or, where it panicked, the place in the source. What it panicked with is not shown anywhere: it may
/// be a secret.
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if GUARDED.get() {
                let place = info.location().map(|at| format!("{}:{}", at.file(), at.line()));
                PLACE.set(place.unwrap_or_default());
            } else {
                before(info);
            }
        }));
    });
    let outer = GUARDED.replace(true);
    // What `work` had borrowed is not looked at again: an instance whose call panicked is still asked, and a lock that was
    // held then is poisoned, as everywhere in Rust.
    let result = panic::catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        let place = PLACE.take();
        // Dropping a payload runs the author's code, which may panic too; what that panics with is left where it is.
        if let Err(again) = panic::catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            std::mem::forget(again);
        }
        place
    });
    GUARDED.set(outer);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_place() {
        assert_eq!(guarded(|| 7), Ok(7));
        let place = guarded(|| panic!("a secret")).unwrap_err();
        assert!(place.contains("guard.rs:") && !place.contains("secret"));
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("dropped");
            }
        }
        assert!(guarded(|| panic::panic_any(Bomb)).is_err());
    }
}
