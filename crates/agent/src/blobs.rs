//! Contents asked of the controller, streamed.

use crate::{Out, reply};
use provision_modules::Blobs;
use provision_system::SysError;
use provision_wire::Reply;
use sha2::{Digest, Sha256};
use std::io::{self, Read};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};

/// A part of a content, or why there is none.
pub struct Piece {
    pub sha256: String,
    pub data: Result<Vec<u8>, String>,
    pub last: bool,
}

/// The controller's contents, for one call.
pub struct Remote {
    pub id: u64,
    pub out: Out,
    pub pieces: Arc<Mutex<Receiver<Piece>>>,
}

impl Blobs for Remote {
    fn open(&self, sha256: &str) -> Result<Box<dyn Read>, SysError> {
        let need = Reply::Need { id: self.id, sha256: sha256.to_owned() };
        reply(&self.out, &need).map_err(|e| SysError::new("ask the controller for a file", e.to_string()))?;
        Ok(Box::new(Stream {
            sha256: sha256.to_owned(),
            digest: Sha256::new(),
            pieces: self.pieces.clone(),
            buffer: Vec::new(),
            at: 0,
            done: false,
        }))
    }
}

/// Reads pieces as they come and fails at the end when they are not what was asked for.
struct Stream {
    sha256: String,
    digest: Sha256,
    pieces: Arc<Mutex<Receiver<Piece>>>,
    buffer: Vec<u8>,
    at: usize,
    done: bool,
}

impl Stream {
    fn next(&mut self) -> io::Result<()> {
        loop {
            let piece = {
                let pieces = self.pieces.lock().unwrap_or_else(|e| e.into_inner());
                pieces.recv().map_err(|_| io::Error::other("the connection was closed"))?
            };
            // What is left of a content that an earlier call did not read to its end.
            if piece.sha256 != self.sha256 {
                continue;
            }
            let data = piece.data.map_err(io::Error::other)?;
            self.digest.update(&data);
            self.buffer = data;
            self.at = 0;
            self.done = piece.last;
            if piece.last && hex::encode(self.digest.clone().finalize()) != self.sha256 {
                return Err(io::Error::other("the file changed on the controller while it was sent"));
            }
            return Ok(());
        }
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at == self.buffer.len() {
            if self.done {
                return Ok(0);
            }
            self.next()?;
        }
        let length = into.len().min(self.buffer.len() - self.at);
        into[..length].copy_from_slice(&self.buffer[self.at..self.at + length]);
        self.at += length;
        Ok(length)
    }
}
