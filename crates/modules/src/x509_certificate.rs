//! `x509_certificate`: a self-signed certificate in a file.

use crate::support::der::{
    self, AUTHORITY_KEY_IDENTIFIER, Certificate, Extension, KeyKind, Request, SUBJECT_KEY_IDENTIFIER,
};
use crate::support::files::{self, path_of, show};
use crate::support::openssl::{self, Made, PASSPHRASE};
use crate::support::options::FileOptions;
use crate::{Ctx, Failure, Module, Outcome};
use provision_args::{Args, Choice, PathArg};
use provision_system::text::{bytes_to_text, text_to_bytes};
use std::path::PathBuf;

/// Make a self-signed certificate, and keep it as long as it belongs to the key and says what the signing request
/// says. Certificates by other issuers are the business of an ACME client.
#[derive(Args)]
#[args(
    name = "x509_certificate",
    mutually_exclusive("privatekey_path", "privatekey_content"),
    mutually_exclusive("csr_path", "csr_content")
)]
pub struct X509CertificateArgs {
    /// The file.
    #[arg(required)]
    pub path: PathArg,
    /// Shall there be one?
    #[arg(default = "present")]
    pub state: State,
    /// Who signs it: `selfsigned` is the only one here.
    #[arg(choices("selfsigned"))]
    pub provider: Option<String>,
    /// The file of the private key that signs.
    pub privatekey_path: Option<PathArg>,
    /// The private key itself.
    #[arg(secret)]
    pub privatekey_content: Option<String>,
    /// What the private key is protected with.
    #[arg(secret)]
    pub privatekey_passphrase: Option<String>,
    /// The file of the signing request, which gives names and extensions. Without one the certificate names nobody.
    pub csr_path: Option<PathArg>,
    /// The signing request itself.
    pub csr_content: Option<String>,
    /// The version of the certificate: 3.
    #[arg(default = "3")]
    pub selfsigned_version: u8,
    /// The digest that is signed.
    #[arg(default = "sha256", alias = "digest")]
    pub selfsigned_digest: Digest,
    /// From when it is valid: `+0s`, which is when it is made.
    #[arg(default = "+0s", alias = "selfsigned_notBefore")]
    pub selfsigned_not_before: String,
    /// Until when it is valid: whole days from when it is made, as in `+3650d` or `+52w`.
    #[arg(default = "+3650d", alias = "selfsigned_notAfter")]
    pub selfsigned_not_after: String,
    /// Whether it has a subject key identifier: as the request has it, else made of the key; always made of the key;
    /// or only as the request has it.
    #[arg(default = "create_if_not_provided")]
    pub selfsigned_create_subject_key_identifier: KeyIdentifier,
    /// Times are not compared. A certificate made by `+0s` would be out of date a second later.
    #[arg(default = "yes", refused = "relative times are not compared, and others are not made")]
    pub ignore_timestamps: bool,
    /// Make a new certificate every time.
    #[arg(default = "no")]
    pub force: bool,
    /// Keep what was there under a name with the time in it (result `backup_file`).
    #[arg(default = "no")]
    pub backup: bool,
    /// Give the certificate's text as the result `certificate`.
    #[arg(default = "no")]
    pub return_content: bool,
    /// Which Python library to use.
    #[arg(default = "auto", refused = "there is no Python on the target: openssl itself is used")]
    pub select_crypto_backend: String,
    #[arg(flatten)]
    pub files: FileOptions,
}

#[derive(Choice, Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Absent,
    Present,
}

#[derive(Choice, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digest {
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

#[derive(Choice, Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyIdentifier {
    CreateIfNotProvided,
    AlwaysCreate,
    NeverCreate,
}

/// The module.
pub struct X509Certificate;

impl Module for X509Certificate {
    type Args = X509CertificateArgs;

    fn run(args: X509CertificateArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        let path = path_of(ctx, &args.path)?;
        let old = ctx.sys.stat(&path, true)?;
        if args.state == State::Absent {
            return openssl::remove(ctx, &path, old.as_ref(), args.backup);
        }
        let days = args.check()?;
        openssl::check_directory(ctx, &path)?;
        if old.as_ref().is_some_and(|meta| meta.is_dir()) {
            return Err(Failure::new(format!("{} is a directory", show(&path))));
        }
        let owner = args.files.wanted().look_up(ctx)?;
        let later = |ctx: &Ctx<'_>| {
            let outcome = openssl::later(ctx, "certificate", &path, old.as_ref(), "self-signed")?;
            Ok(owner.finish(args.inputs(ctx, outcome)?))
        };
        let Some(input) = Input::read(&args, ctx)? else { return later(ctx) };
        let content = match &old {
            Some(_) if !args.force => Some(ctx.sys.read(&path)?),
            _ => None,
        };
        let fits = |content: &Vec<u8>| parse(content).is_some_and(|found| input.is_met_by(&found, &args));
        let (content, outcome) = match content.filter(fits) {
            Some(content) => {
                owner.apply(ctx, &path, true)?;
                (content, Outcome::new())
            }
            None => match input.sign(&args, ctx, days)? {
                Made::Later => return later(ctx),
                Made::Done(made) => {
                    if !fits(&made) {
                        return Err(Failure::new(
                            "openssl made a certificate that is not what was asked for",
                        ));
                    }
                    let flags = (false, args.backup);
                    let outcome = openssl::replace(ctx, &path, old.as_ref(), &made, &owner, flags)?;
                    (made, outcome)
                }
            },
        };
        let Some(certificate) = parse(&content) else {
            return Err(Failure::new("the certificate cannot be read"));
        };
        let mut outcome = args
            .inputs(ctx, outcome.with("filename", show(&path)))?
            .with("notBefore", certificate.not_before)
            .with("notAfter", certificate.not_after)
            .with("serial_number", der::decimal(&certificate.serial));
        if args.return_content {
            outcome = outcome.with("certificate", bytes_to_text(&content));
        }
        Ok(owner.finish(outcome))
    }
}

fn parse(pem: &[u8]) -> Option<Certificate> {
    Certificate::parse(&der::from_pem(pem, &["CERTIFICATE", "X509 CERTIFICATE"])?)
}

impl X509CertificateArgs {
    /// Refuses what cannot be done; the number of days that the certificate is valid.
    fn check(&self) -> Result<u64, Failure> {
        if self.provider.is_none() {
            return Err(Failure::new("state is present but all of the following are missing: provider"));
        }
        if self.privatekey_path.is_none() && self.privatekey_content.is_none() {
            return Err(Failure::new(
                "The private key file must be given: privatekey_path or privatekey_content",
            ));
        }
        if self.selfsigned_version != 3 {
            return Err(Failure::new("only certificates of version 3 are made: selfsigned_version is 3"));
        }
        let now = || relative(&self.selfsigned_not_before) == Some(0);
        if !now() {
            return Err(Failure::new(
                "selfsigned_not_before: only +0s is done, when the certificate is made",
            ));
        }
        let day = 24 * 3600;
        match relative(&self.selfsigned_not_after) {
            Some(seconds) if seconds >= day && seconds % day == 0 => Ok(seconds / day),
            _ => Err(Failure::new(format!(
                "selfsigned_not_after: only whole days from now are done, as in +3650d: not {}",
                self.selfsigned_not_after
            ))),
        }
    }

    fn inputs(&self, ctx: &Ctx<'_>, outcome: Outcome) -> Result<Outcome, Failure> {
        let name = |path: &Option<PathArg>| match path {
            Some(path) => path_of(ctx, path).map(|path| Some(show(&path))),
            None => Ok(None),
        };
        Ok(outcome.with("privatekey", name(&self.privatekey_path)?).with("csr", name(&self.csr_path)?))
    }
}

/// Seconds of `+1w2d3h4m5s`; None for another form.
fn relative(text: &str) -> Option<u64> {
    let mut rest = text.trim().strip_prefix('+')?;
    let mut total = 0_u64;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..end].parse().ok()?;
        let unit = match rest.as_bytes()[end] {
            b'w' => 7 * 86_400,
            b'd' => 86_400,
            b'h' => 3600,
            b'm' => 60,
            b's' => 1,
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(unit)?)?;
        rest = &rest[end + 1..];
    }
    Some(total)
}

/// What a certificate is made of.
struct Input {
    key: Vec<u8>,
    /// Of the private key.
    public_key: Vec<u8>,
    csr: Option<(Vec<u8>, Request)>,
}

impl Input {
    /// None: an earlier task of this dry run would make the key or the request.
    fn read(args: &X509CertificateArgs, ctx: &Ctx<'_>) -> Result<Option<Self>, Failure> {
        let load = |path: &Option<PathArg>, content: &Option<String>, what: &str| {
            if let Some(text) = content {
                return Ok(Some(text_to_bytes(text)));
            }
            let Some(path) = path else { return Ok(Some(Vec::new())) };
            let path = path_of(ctx, path)?;
            match ctx.sys.stat(&path, true)? {
                Some(_) => Ok(Some(ctx.sys.read(&path)?)),
                None if ctx.sys.uncertain() => Ok(None),
                None => Err(Failure::new(format!("The {what} file {} does not exist", show(&path)))),
            }
        };
        let key = load(&args.privatekey_path, &args.privatekey_content, "private key")?;
        let csr = load(&args.csr_path, &args.csr_content, "certificate signing request")?;
        let (Some(key), Some(csr)) = (key, csr) else { return Ok(None) };
        let public_key = match openssl::public_key(ctx, &key, args.privatekey_passphrase.as_deref()) {
            Ok(public_key) => public_key,
            // openssl itself may come with an earlier task.
            Err(_) if ctx.sys.uncertain() && ctx.sys.find_program("openssl")?.is_none() => return Ok(None),
            Err(failure) => return Err(failure),
        };
        let csr = match args.csr_path.is_some() || args.csr_content.is_some() {
            true => {
                let labels = ["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"];
                let request = der::from_pem(&csr, &labels).and_then(|der| Request::parse(&der));
                let request =
                    request.ok_or_else(|| Failure::new("the certificate signing request cannot be read"))?;
                Some((csr, request))
            }
            false => None,
        };
        Ok(Some(Self { key, public_key, csr }))
    }

    /// Ansible's comparison: the key, the names, the extensions, the version.
    fn is_met_by(&self, found: &Certificate, args: &X509CertificateArgs) -> bool {
        let empty = [0x30, 0];
        let (subject, wanted): (&[u8], &[Extension]) = match &self.csr {
            Some((_, request)) => (&request.subject, &request.extensions),
            None => (&empty, &[]),
        };
        let identifier = |list: &[Extension]| {
            list.iter()
                .find(|extension| extension.oid == SUBJECT_KEY_IDENTIFIER)
                .map(|found| found.value.clone())
        };
        let (has, asked) = (identifier(&found.extensions), identifier(wanted));
        let identified = match args.selfsigned_create_subject_key_identifier {
            KeyIdentifier::NeverCreate => has == asked,
            KeyIdentifier::CreateIfNotProvided => has.is_some() && (asked.is_none() || asked == has),
            KeyIdentifier::AlwaysCreate => has.is_some(),
        };
        // The identifier of the authority is openssl's addition: it repeats that of the subject.
        let rest = |list: &[Extension]| {
            let mut rest: Vec<Extension> = list
                .iter()
                .filter(|one| one.oid != SUBJECT_KEY_IDENTIFIER && one.oid != AUTHORITY_KEY_IDENTIFIER)
                .cloned()
                .collect();
            rest.sort();
            rest
        };
        found.public_key == self.public_key
            && found.version == 3
            && found.subject == subject
            && found.issuer == subject
            && identified
            && rest(&found.extensions) == rest(wanted)
    }

    fn sign(&self, args: &X509CertificateArgs, ctx: &Ctx<'_>, days: u64) -> Result<Made, Failure> {
        if let Some((_, request)) = &self.csr
            && request.public_key != self.public_key
        {
            return Err(Failure::new("the certificate signing request is for another private key"));
        }
        let mut scratch = Scratch { ctx, files: Vec::new() };
        let made = self.sign_with(args, &mut scratch, days);
        let removed = scratch.remove();
        match made {
            // Scratch files cannot be made then, and nothing would run anyway.
            Err(Stop::Dry) => openssl::make(ctx, &openssl::command(["x509", "-req"], None)),
            Err(Stop::Failed(failure)) => Err(failure),
            Ok(made) => removed.map(|()| made),
        }
    }

    fn sign_with(
        &self,
        args: &X509CertificateArgs,
        scratch: &mut Scratch<'_>,
        days: u64,
    ) -> Result<Made, Stop> {
        let ctx = scratch.ctx;
        let passphrase = args.privatekey_passphrase.as_deref();
        let pass = format!("env:{PASSPHRASE}");
        let key = scratch.file(&self.key)?;
        let csr = match &self.csr {
            Some((csr, _)) => scratch.file(csr)?,
            None => {
                let config = scratch.file(b"[req]\ndistinguished_name = dn\n[dn]\n")?;
                let words = ["req", "-new", "-subj", "/", "-passin", &pass, "-config", &config, "-key", &key];
                let request = openssl::ask(ctx, &openssl::command(words, passphrase))?;
                scratch.file(&request)?
            }
        };
        let extensions = scratch.file(self.extensions(args).as_bytes())?;
        let digest = format!("-{}", args.selfsigned_digest.as_str());
        let days = days.to_string();
        let mut words = vec!["x509", "-req", "-in", &csr, "-signkey", &key, "-passin", &pass, "-days", &days];
        words.extend(["-extfile", &extensions]);
        // The signatures of RFC 8410 have their digest built in.
        let built_in = ["1.3.101.112", "1.3.101.113"];
        if !KeyKind::parse(&self.public_key).is_some_and(|kind| built_in.contains(&kind.algorithm.as_str())) {
            words.push(&digest);
        }
        Ok(openssl::make(ctx, &openssl::command(words, passphrase))?)
    }

    /// The request's extensions byte for byte, as openssl's configuration files can say them; openssl before 3.0
    /// cannot copy them itself.
    fn extensions(&self, args: &X509CertificateArgs) -> String {
        let wanted = self.csr.as_ref().map(|(_, request)| request.extensions.as_slice()).unwrap_or_default();
        let always = args.selfsigned_create_subject_key_identifier == KeyIdentifier::AlwaysCreate;
        let never = args.selfsigned_create_subject_key_identifier == KeyIdentifier::NeverCreate;
        let asked = wanted.iter().any(|extension| extension.oid == SUBJECT_KEY_IDENTIFIER);
        let mut text = String::new();
        for extension in wanted.iter().filter(|one| !(always && one.oid == SUBJECT_KEY_IDENTIFIER)) {
            let critical = if extension.critical { "critical," } else { "" };
            let value: Vec<String> = extension.value.iter().map(|byte| format!("{byte:02X}")).collect();
            text.push_str(&format!("{} = {critical}DER:{}\n", extension.oid, value.join(":")));
        }
        if always || (!never && !asked) {
            text.push_str("subjectKeyIdentifier = hash\n");
        }
        text
    }
}

/// Why no certificate was made.
enum Stop {
    Dry,
    Failed(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Files for openssl to read, nobody else's to see.
struct Scratch<'a> {
    ctx: &'a Ctx<'a>,
    files: Vec<PathBuf>,
}

impl Scratch<'_> {
    fn file(&mut self, data: &[u8]) -> Result<String, Stop> {
        match self.ctx.sys.make_temp(None, &mut &*data, 0o600) {
            Ok(path) => {
                let name = files::show(&path);
                self.files.push(path);
                Ok(name)
            }
            Err(error) if error.is_not_in_dry_run() => Err(Stop::Dry),
            Err(error) => Err(Stop::Failed(error.into())),
        }
    }

    fn remove(self) -> Result<(), Failure> {
        for path in &self.files {
            self.ctx.sys.remove_temp(path)?;
        }
        Ok(())
    }
}
