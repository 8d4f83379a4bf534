//! libFuzzer's entry for `xml_data`. It checks nothing by itself.

#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| agentconf_fuzz::xml_data(octets));
