//! The frames between the controller and the agent. No I/O here but the codec: frames can be replayed and
//! fuzzed without a socket.
//!
//! A frame on the wire is a little-endian `u32` length and that many bytes of postcard. Each side sends one
//! `Hello` first; a side that reads another version stops with [`WireError::Version`].

use provision_system::{Identity, Mutation, Stream};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};

/// Changes whenever a frame changes its meaning.
pub const VERSION: u32 = 2;

/// No frame is larger (bytes); contents travel as chunks.
pub const MAX_FRAME: usize = 64 << 20;

/// Contents are cut into pieces of at most this many bytes.
pub const CHUNK: usize = 256 << 10;

/// The line the agent prints before its first frame, so that noise of a login shell is told from frames.
pub const READY: &[u8] = b"\x01provision-agent-ready\x02\n";

/// Controller to agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Request {
    Hello {
        version: u32,
    },
    Call(Call),
    /// A piece of the content asked for by [`Reply::Need`], in order; the last one has `last`.
    Chunk {
        sha256: String,
        data: Vec<u8>,
        last: bool,
    },
    /// The controller cannot give that content.
    NoContent {
        sha256: String,
        why: String,
    },
    /// End the running call; its children are killed.
    Cancel {
        id: u64,
    },
}

/// One module call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    pub id: u64,
    /// Fully qualified module name.
    pub module: String,
    /// Templated arguments: a JSON object.
    pub args: Vec<u8>,
    pub check: bool,
    pub diff: bool,
    /// The task's `environment:`.
    pub env: BTreeMap<String, String>,
    /// Send output of streaming commands while they run.
    pub stream: bool,
    /// What earlier calls of this dry run would have changed under another identity: laid under this agent's overlay.
    pub predicted: Vec<Mutation>,
    /// Run it in a process of its own that outlives agent and connection, for at most so many seconds (`async`).
    pub background: Option<u64>,
}

/// Agent to controller.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Reply {
    Hello(Box<Hello>),
    /// Send this content as [`Request::Chunk`]s.
    Need {
        id: u64,
        sha256: String,
    },
    /// Output of a running command.
    Output {
        id: u64,
        stream: Stream,
        data: Vec<u8>,
    },
    Done(Box<Done>),
}

/// Who answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    pub version: u32,
    pub identity: Identity,
    pub pid: u32,
    /// As `uname -m` says.
    pub machine: String,
}

/// A finished call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Done {
    pub id: u64,
    pub status: Status,
    /// A JSON object: what `register` gets, with `changed`, and `diff` when asked for.
    pub result: Vec<u8>,
    pub mutations: Vec<Mutation>,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    Ok,
    Failed,
    /// The arguments were wrong; nothing was touched. `result.problems` lists them.
    BadArgs,
}

/// Why a stream of frames ended.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    #[error("the connection was closed")]
    Closed,
    #[error("the agent speaks protocol {theirs}, this controller {VERSION}")]
    Version { theirs: u32 },
    #[error("a frame of {0} bytes is over the limit of {MAX_FRAME}")]
    TooLarge(usize),
    #[error("a frame cannot be read: {0}")]
    Garbled(#[from] postcard::Error),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A frame as bytes, with its length before it.
pub fn encode<T: Serialize>(frame: &T) -> Result<Vec<u8>, WireError> {
    let mut bytes = postcard::to_extend(frame, vec![0; 4])?;
    let length = bytes.len() - 4;
    if length > MAX_FRAME {
        return Err(WireError::TooLarge(length));
    }
    let prefix = u32::try_from(length).map_err(|_| WireError::TooLarge(length))?.to_le_bytes();
    bytes[..4].copy_from_slice(&prefix);
    Ok(bytes)
}

/// The length that a prefix announces.
pub fn frame_length(prefix: [u8; 4]) -> Result<usize, WireError> {
    let length = u32::from_le_bytes(prefix) as usize;
    if length > MAX_FRAME { Err(WireError::TooLarge(length)) } else { Ok(length) }
}

/// The frame in `bytes` (without the prefix).
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, WireError> {
    Ok(postcard::from_bytes(bytes)?)
}

/// Writes one frame and flushes.
pub fn send<T: Serialize>(to: &mut dyn Write, frame: &T) -> Result<(), WireError> {
    to.write_all(&encode(frame)?)?;
    Ok(to.flush()?)
}

/// Reads one frame; [`WireError::Closed`] at a clean end.
pub fn receive<T: DeserializeOwned>(from: &mut dyn Read) -> Result<T, WireError> {
    let mut prefix = [0; 4];
    match from.read_exact(&mut prefix) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(WireError::Closed),
        other => other?,
    }
    let mut bytes = vec![0; frame_length(prefix)?];
    from.read_exact(&mut bytes)?;
    decode(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back() {
        let call = Request::Call(Call {
            id: 7,
            module: "ansible.builtin.ping".into(),
            args: b"{}".to_vec(),
            check: true,
            diff: false,
            env: BTreeMap::from([("A".into(), "b".into())]),
            stream: false,
            predicted: vec![],
            background: Some(30),
        });
        let mut bytes = Vec::new();
        send(&mut bytes, &call).unwrap();
        send(&mut bytes, &Request::Cancel { id: 7 }).unwrap();
        let mut reader = bytes.as_slice();
        assert_eq!(receive::<Request>(&mut reader).unwrap(), call);
        assert_eq!(receive::<Request>(&mut reader).unwrap(), Request::Cancel { id: 7 });
        assert!(matches!(receive::<Request>(&mut reader), Err(WireError::Closed)));
    }

    #[test]
    fn a_huge_or_broken_frame_is_refused() {
        assert!(matches!(frame_length([0xff; 4]), Err(WireError::TooLarge(_))));
        let mut broken: &[u8] = &[3, 0, 0, 0, 0xff, 0xff, 0xff];
        assert!(matches!(receive::<Reply>(&mut broken), Err(WireError::Garbled(_))));
        let mut short: &[u8] = &[9, 0, 0, 0, 1];
        assert!(matches!(receive::<Reply>(&mut short), Err(WireError::Io(_))));
    }
}
