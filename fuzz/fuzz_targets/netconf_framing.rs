//! libFuzzer's entry for `netconf::framings`. It checks nothing by itself.

#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| agentconf_fuzz::netconf::framings(octets));
