//! Envelopes of vaulted data: whatever can be read is written and read again as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use provision_vault::Envelope;

fuzz_target!(|data: &[u8]| {
    if let Ok(envelope) = Envelope::parse(data) {
        assert_eq!(Envelope::parse(envelope.to_text().as_bytes()), Ok(envelope));
    }
});
