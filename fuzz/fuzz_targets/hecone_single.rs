//! See `hecone_single` in `src/`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuelsync_fuzz::hecone_single(data));
