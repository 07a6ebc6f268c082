#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    thalweg_fuzz::json(input);
});
