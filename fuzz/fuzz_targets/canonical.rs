//! See `canonical` in `src/`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuelsync_fuzz::canonical(data));
