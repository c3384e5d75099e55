//! `openssl_privatekey`: a private key in a file.

use crate::support::der::{self, KeyKind};
use crate::support::files::{Wanted, path_of, show};
use crate::support::openssl::{self, Made, PASSPHRASE};
use crate::support::options::Unmanaged;
use crate::{Ctx, Failure, Module, Outcome};
use provision_args::{Args, Choice, ModeArg, PathArg};
use provision_system::text::bytes_to_text;
use serde_json::Value;

/// Make a private key, and keep it as long as it is what the task asks for. The target's `openssl` makes it; the
/// file is never readable for others, not even for a moment.
#[derive(Args)]
#[args(name = "openssl_privatekey", required_together("cipher", "passphrase"))]
pub struct OpensslPrivatekeyArgs {
    /// The file.
    #[arg(required)]
    pub path: PathArg,
    /// Shall there be one?
    #[arg(default = "present")]
    pub state: State,
    /// The kind of key.
    #[arg(name = "type", default = "RSA")]
    pub kind: Type,
    /// Bits of an RSA key.
    #[arg(default = "4096")]
    pub size: u64,
    /// The curve of an ECC key, as in `secp256r1`.
    pub curve: Option<Curve>,
    /// What protects the key in its file.
    #[arg(secret)]
    pub passphrase: Option<String>,
    /// How the passphrase protects it: `auto`, which is AES with 256 bits.
    #[arg(choices("auto"))]
    pub cipher: Option<String>,
    /// How the key is written. `auto_ignore` writes pkcs1 for RSA and ECC keys and pkcs8 for others, and accepts a
    /// key that is there in either.
    #[arg(default = "auto_ignore")]
    pub format: Format,
    /// What to do with a good key in the wrong format: write it anew, or make another one.
    #[arg(default = "regenerate")]
    pub format_mismatch: Mismatch,
    /// When a key that is there may be replaced. `never`: not at all. `fail`: fail if it is not what is asked for.
    /// `partial_idempotence`: replace it then, but not when it cannot be read. `full_idempotence`: also then.
    /// `always`: every time.
    #[arg(default = "full_idempotence")]
    pub regenerate: Regenerate,
    /// Make a new key every time.
    #[arg(default = "no")]
    pub force: bool,
    /// Keep what was there under a name with the time in it (result `backup_file`).
    #[arg(default = "no")]
    pub backup: bool,
    /// Give the key's text as the result `privatekey`. Use `no_log` with it.
    #[arg(default = "no")]
    pub return_content: bool,
    /// The file's mode.
    #[arg(default = "0600")]
    pub mode: ModeArg,
    /// The user who shall own it: a name or a number.
    pub owner: Option<String>,
    /// The group that shall own it: a name or a number.
    pub group: Option<String>,
    /// Which Python library to use.
    #[arg(default = "auto", refused = "there is no Python on the target: openssl itself is used")]
    pub select_crypto_backend: String,
    #[arg(flatten)]
    pub unmanaged: Unmanaged,
}

#[derive(Choice, Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Absent,
    Present,
}

#[derive(Choice, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    #[choice("RSA")]
    Rsa,
    #[choice("DSA")]
    Dsa,
    #[choice("ECC")]
    Ecc,
    #[choice("Ed25519")]
    Ed25519,
    #[choice("Ed448")]
    Ed448,
    #[choice("X25519")]
    X25519,
    #[choice("X448")]
    X448,
}

impl Type {
    /// As openssl calls it, and its object identifier.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Rsa => ("RSA", der::RSA),
            Self::Dsa => ("DSA", "1.2.840.10040.4.1"),
            Self::Ecc => ("EC", "1.2.840.10045.2.1"),
            Self::X25519 => ("X25519", "1.3.101.110"),
            Self::X448 => ("X448", "1.3.101.111"),
            Self::Ed25519 => ("ED25519", "1.3.101.112"),
            Self::Ed448 => ("ED448", "1.3.101.113"),
        }
    }

    fn has_traditional_form(self) -> bool {
        matches!(self, Self::Rsa | Self::Dsa | Self::Ecc)
    }
}

macro_rules! curves {
    ($($variant:ident $name:tt $oid:tt)*) => {
        /// Elliptic curves by their names and object identifiers (SEC 2, RFC 5639).
        #[derive(Choice, Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Curve {
            $(#[choice($name)] $variant,)*
        }

        impl Curve {
            fn oid(self) -> &'static str {
                match self {
                    $(Self::$variant => $oid,)*
                }
            }
        }
    };
}

curves! {
    Secp192r1 "secp192r1" "1.2.840.10045.3.1.1"
    Secp224r1 "secp224r1" "1.3.132.0.33"
    Secp256k1 "secp256k1" "1.3.132.0.10"
    Secp256r1 "secp256r1" "1.2.840.10045.3.1.7"
    Secp384r1 "secp384r1" "1.3.132.0.34"
    Secp521r1 "secp521r1" "1.3.132.0.35"
    BrainpoolP256r1 "brainpoolP256r1" "1.3.36.3.3.2.8.1.1.7"
    BrainpoolP384r1 "brainpoolP384r1" "1.3.36.3.3.2.8.1.1.11"
    BrainpoolP512r1 "brainpoolP512r1" "1.3.36.3.3.2.8.1.1.13"
    Sect163k1 "sect163k1" "1.3.132.0.1"
    Sect163r2 "sect163r2" "1.3.132.0.15"
    Sect233k1 "sect233k1" "1.3.132.0.26"
    Sect233r1 "sect233r1" "1.3.132.0.27"
    Sect283k1 "sect283k1" "1.3.132.0.16"
    Sect283r1 "sect283r1" "1.3.132.0.17"
    Sect409k1 "sect409k1" "1.3.132.0.36"
    Sect409r1 "sect409r1" "1.3.132.0.37"
    Sect571k1 "sect571k1" "1.3.132.0.38"
    Sect571r1 "sect571r1" "1.3.132.0.39"
}

#[derive(Choice, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Auto,
    AutoIgnore,
    Pkcs1,
    Pkcs8,
}

#[derive(Choice, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mismatch {
    Convert,
    Regenerate,
}

#[derive(Choice, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Regenerate {
    Always,
    Fail,
    FullIdempotence,
    Never,
    PartialIdempotence,
}

/// The module.
pub struct OpensslPrivatekey;

impl Module for OpensslPrivatekey {
    type Args = OpensslPrivatekeyArgs;

    fn run(args: OpensslPrivatekeyArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        let path = path_of(ctx, &args.path)?;
        let old = ctx.sys.stat(&path, true)?;
        if args.state == State::Absent {
            return openssl::remove(ctx, &path, old.as_ref(), args.backup);
        }
        args.check()?;
        openssl::check_directory(ctx, &path)?;
        if old.as_ref().is_some_and(|meta| meta.is_dir()) {
            return Err(Failure::new(format!("{} is a directory", show(&path))));
        }
        let wanted =
            Wanted { mode: Some(&args.mode), owner: args.owner.as_deref(), group: args.group.as_deref() };
        let owner = wanted.look_up(ctx)?;
        let content = match &old {
            Some(_) => Some(ctx.sys.read(&path)?),
            None => None,
        };
        let fate = args.fate(ctx, content.as_deref())?;
        let (key, mut outcome) = match fate {
            Fate::Keep => {
                owner.apply(ctx, &path, true)?;
                (content.unwrap_or_default(), Outcome::new())
            }
            Fate::Convert | Fate::Make => {
                let key = match (fate, &content) {
                    (Fate::Convert, Some(content)) => content.clone(),
                    _ => match openssl::make(ctx, &args.genpkey())? {
                        Made::Done(key) => key,
                        Made::Later => {
                            let outcome =
                                openssl::later(ctx, "private key", &path, old.as_ref(), &args.described())?;
                            return Ok(owner.finish(args.finish(outcome)));
                        }
                    },
                };
                let key = args.encode(ctx, key)?;
                let flags = (true, args.backup);
                (key.clone(), openssl::replace(ctx, &path, old.as_ref(), &key, &owner, flags)?)
            }
        };
        let public = openssl::public_key(ctx, &key, args.passphrase.as_deref())?;
        outcome = outcome.with("filename", show(&path)).with("fingerprint", openssl::fingerprints(&public));
        if args.return_content {
            outcome = outcome.with("privatekey", bytes_to_text(&key));
        }
        Ok(owner.finish(args.finish(outcome)))
    }
}

/// What is to be done with the key that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Keep,
    Convert,
    Make,
}

impl OpensslPrivatekeyArgs {
    fn check(&self) -> Result<(), Failure> {
        if self.kind == Type::Ecc && self.curve.is_none() {
            return Err(Failure::new("type is ECC but all of the following are missing: curve"));
        }
        if self.kind == Type::Dsa {
            return Err(Failure::new("keys of the type DSA are not made: nothing accepts them any more"));
        }
        if self.format == Format::Pkcs1 && !self.kind.has_traditional_form() {
            let kind = self.kind.as_str();
            return Err(Failure::new(format!("{kind} keys can only be written as pkcs8")));
        }
        Ok(())
    }

    fn fate(&self, ctx: &Ctx<'_>, content: Option<&[u8]>) -> Result<Fate, Failure> {
        let Some(content) = content else { return Ok(Fate::Make) };
        if self.force || self.regenerate == Regenerate::Always {
            return Ok(Fate::Make);
        }
        let text = String::from_utf8_lossy(content);
        let encrypted = text.contains("ENCRYPTED");
        let kind = if encrypted == self.passphrase.is_some() {
            let public = openssl::public_key(ctx, content, self.passphrase.as_deref());
            // A machine without openssl cannot tell a good key from a bad one.
            if public.is_err() {
                openssl::ask(ctx, &openssl::command(["version"], None))?;
            }
            public.ok().and_then(|public| KeyKind::parse(&public))
        } else {
            None
        };
        let hint = "Will not proceed. To force regeneration, call the module with `regenerate` set to \
            `full_idempotence` or `always`, or with `force=true`.";
        let Some(kind) = kind else {
            return match self.regenerate {
                Regenerate::FullIdempotence => Ok(Fate::Make),
                _ => Err(Failure::new(format!(
                    "Unable to read the key. The key is protected with a another passphrase / no passphrase \
                     or broken. {hint}"
                ))),
            };
        };
        if !self.matches(&kind) {
            return match self.regenerate {
                Regenerate::Never => Ok(Fate::Keep),
                Regenerate::Fail => {
                    let hint =
                        hint.replace("full_idempotence` or", "partial_idempotence`, `full_idempotence` or");
                    Err(Failure::new(format!("Key has wrong type and/or size. {hint}")))
                }
                _ => Ok(Fate::Make),
            };
        }
        let is_pkcs8 = text.contains("-----BEGIN PRIVATE KEY-----")
            || text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----");
        if self.format == Format::AutoIgnore || is_pkcs8 != self.traditional() {
            return Ok(Fate::Keep);
        }
        match (self.regenerate, self.format_mismatch) {
            (Regenerate::Never, _) => Ok(Fate::Keep),
            (_, Mismatch::Convert) => Ok(Fate::Convert),
            (Regenerate::Fail, Mismatch::Regenerate) => {
                Err(Failure::new(format!("Key has wrong format. {hint}")))
            }
            _ => Ok(Fate::Make),
        }
    }

    fn matches(&self, found: &KeyKind) -> bool {
        let (_, oid) = self.kind.names();
        let curve = self.curve.filter(|_| self.kind == Type::Ecc).map(Curve::oid);
        found.algorithm == oid
            && (self.kind != Type::Rsa || found.bits == Some(self.size))
            && (self.kind != Type::Ecc || found.curve.as_deref() == curve)
    }

    /// Written in the form from before PKCS #8.
    fn traditional(&self) -> bool {
        match self.format {
            Format::Pkcs1 => true,
            Format::Pkcs8 => false,
            Format::Auto | Format::AutoIgnore => self.kind.has_traditional_form(),
        }
    }

    fn genpkey(&self) -> provision_system::Command {
        let (name, _) = self.kind.names();
        let mut words = vec!["genpkey".to_owned(), "-algorithm".to_owned(), name.to_owned()];
        let mut option = |value: String| words.extend(["-pkeyopt".to_owned(), value]);
        match (self.kind, self.curve) {
            (Type::Rsa, _) => option(format!("rsa_keygen_bits:{}", self.size)),
            (Type::Ecc, Some(curve)) => {
                // Two curves have older names in openssl.
                let name = match curve {
                    Curve::Secp256r1 => "prime256v1",
                    Curve::Secp192r1 => "prime192v1",
                    other => other.as_str(),
                };
                option(format!("ec_paramgen_curve:{name}"));
                option("ec_param_enc:named_curve".to_owned());
            }
            _ => {}
        }
        openssl::command(words, None)
    }

    /// The key in its form, under its passphrase.
    fn encode(&self, ctx: &Ctx<'_>, key: Vec<u8>) -> Result<Vec<u8>, Failure> {
        let pass = format!("env:{PASSPHRASE}");
        let mut words = vec!["pkey", "-passin", &pass];
        if self.traditional() {
            words.push("-traditional");
        }
        if self.passphrase.is_some() {
            words.extend(["-aes-256-cbc", "-passout", &pass]);
        }
        openssl::ask(ctx, &openssl::command(words, self.passphrase.as_deref()).stdin(key))
    }

    /// For a reader.
    fn described(&self) -> String {
        match (self.kind, self.curve) {
            (Type::Rsa, _) => format!("RSA {}", self.size),
            (Type::Ecc, Some(curve)) => format!("ECC {}", curve.as_str()),
            (kind, _) => kind.as_str().to_owned(),
        }
    }

    fn finish(&self, outcome: Outcome) -> Outcome {
        let outcome = outcome.with("type", self.kind.as_str()).with("size", self.size);
        match self.curve {
            Some(curve) if self.kind == Type::Ecc => outcome.with("curve", Value::from(curve.as_str())),
            _ => outcome,
        }
    }
}
