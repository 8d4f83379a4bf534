//! libFuzzer's entry for `netconf::greeting`. It checks nothing by itself.

#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| agentconf_fuzz::netconf::greeting(octets));
