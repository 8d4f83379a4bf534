//! libFuzzer's entry for `credentials::ssh_key`. It checks nothing by itself.

#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| agentconf_fuzz::credentials::ssh_key(octets));
