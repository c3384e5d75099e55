//! The agents at hand: the one built into this binary, others in a directory.

use std::path::PathBuf;
use std::sync::OnceLock;

/// A compressed agent.
pub struct Agent {
    /// SHA-256 of the uncompressed program, hex.
    pub hash: &'static str,
    /// As `uname -m` names it.
    pub machine: &'static str,
    /// gzip.
    pub compressed: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// Where agents for other processors are looked for, in order: `$PROVISION_AGENTS`, beside this program, the system's data
/// directory. The file's name is `provision-agent-MACHINE`, uncompressed.
pub fn directories() -> Vec<PathBuf> {
    let mut dirs: Vec<PathBuf> =
        std::env::var_os("PROVISION_AGENTS").map(PathBuf::from).into_iter().collect();
    let own = std::env::current_exe().ok().and_then(|exe| exe.parent().map(|dir| dir.join("agents")));
    dirs.extend(own);
    dirs.push("/usr/share/provision/agents".into());
    dirs
}

/// The compressed agent for a processor; the error says where one was looked for.
///
/// The bootstrap names the embedded agent's hash; another processor's agent is stored under that same name, since the two are of
/// one version.
pub fn for_machine(machine: &str) -> Result<std::borrow::Cow<'static, [u8]>, String> {
    if same(machine, EMBEDDED.machine) {
        return Ok(EMBEDDED.compressed.into());
    }
    let name = format!("provision-agent-{machine}");
    let dirs = directories();
    let Some(path) = dirs.iter().map(|dir| dir.join(&name)).find(|path| path.is_file()) else {
        let tried: Vec<String> = dirs.iter().map(|dir| dir.display().to_string()).collect();
        return Err(format!(
            "there is no agent for {machine} processors; {name} was looked for in {}",
            tried.join(", ")
        ));
    };
    let program = std::fs::read(&path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    let compressed = std::io::Write::write_all(&mut encoder, &program).and_then(|()| encoder.finish());
    compressed.map(Into::into).map_err(|e| e.to_string())
}

/// Two names of one processor.
fn same(a: &str, b: &str) -> bool {
    static PAIRS: OnceLock<[(&str, &str); 2]> = OnceLock::new();
    let pairs = PAIRS.get_or_init(|| [("amd64", "x86_64"), ("arm64", "aarch64")]);
    let canonical = |name: &str| {
        pairs.iter().find(|(other, _)| *other == name).map_or(name.to_owned(), |(_, n)| (*n).to_owned())
    };
    canonical(a) == canonical(b)
}
