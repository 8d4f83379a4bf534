//! libFuzzer's entry for `cbor_data`. It checks nothing by itself.

#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| agentconf_fuzz::cbor_data(octets));
