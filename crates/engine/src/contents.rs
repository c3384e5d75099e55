//! File contents that the controller holds for a call: sent only when the target has others.

use crate::transport::{Content, Contents};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

/// Contents up to this size (bytes) travel with the call: asking for them would cost a round trip.
pub const INLINE: usize = 32 << 10;

/// The contents of one call.
#[derive(Debug, Default)]
pub struct Store(HashMap<String, Content>);

impl Contents for Store {
    fn find(&self, sha256: &str) -> Option<Content> {
        self.0.get(sha256).cloned()
    }
}

impl Store {
    /// Offers bytes; their address.
    pub fn add_bytes(&mut self, bytes: impl Into<Arc<[u8]>>) -> String {
        let bytes: Arc<[u8]> = bytes.into();
        let sha256 = hex::encode(Sha256::digest(&bytes));
        self.0.insert(sha256.clone(), Content::Bytes(bytes));
        sha256
    }

    /// Offers a file; its address and size. It is read as a stream, now and when it is sent.
    pub fn add_file(&mut self, path: &Path) -> io::Result<(String, u64)> {
        let mut file = std::fs::File::open(path)?;
        let mut digest = Sha256::new();
        let mut buffer = vec![0; 256 << 10];
        let mut size = 0;
        loop {
            let read = file.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            size += read as u64;
            digest.update(&buffer[..read]);
        }
        let sha256 = hex::encode(digest.finalize());
        self.0.insert(sha256.clone(), Content::File(path.to_owned()));
        Ok((sha256, size))
    }
}
