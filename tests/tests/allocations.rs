//! Reading a warm token allocates nothing.
#![allow(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use ee_auth_fake::Fake;

/// The system's allocator, which counts what a thread asks of it.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is handed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promises are those that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn reading_a_warm_token_allocates_nothing() {
    let fake = Fake::new();
    // Tokens that somebody else got need no exchange; the path of reading one is the same.
    let token = format!("ya{}.{}", 29, "x".repeat(60));
    let resolver = ee_auth::Resolver::new(fake.host()).access_token(token.as_str());
    let credential = resolver.resolve().unwrap();
    credential.token().unwrap();
    let before = ALLOCATIONS.with(Cell::get);
    for _ in 0..1000 {
        assert_eq!(credential.token().unwrap().secret().len(), token.len());
    }
    assert_eq!(ALLOCATIONS.with(Cell::get), before);
    // The counter counts.
    drop(std::hint::black_box(Box::new(before)));
    assert!(ALLOCATIONS.with(Cell::get) > before);
}
