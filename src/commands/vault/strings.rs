//! `encrypt-string`: values to be put into YAML.

use super::file::write_output;
use super::{Done, Failure, Vault, success};
use crate::cli::VaultStrings;
use crate::commands::tell;
use crate::prompt::Terminal;
use provision_engine::Prompter;
use provision_vault::Zeroizing;
use std::io::{IsTerminal, Read};
use std::path::Path;

/// Columns that the lines of an encrypted value are indented by.
const INDENT: usize = 10;

/// A text to encrypt.
struct Plain {
    text: Zeroizing<Vec<u8>>,
    name: Option<String>,
    /// "the string #1 from the command line args"
    origin: String,
}

pub fn encrypt(vault: &Vault, args: &VaultStrings) -> Done {
    let output = args.output.as_deref().unwrap_or(Path::new("-"));
    if args.output.is_some() && args.strings.len() > 1 {
        return Err(Failure::Options(
            "At most one input file may be used with the --output option".to_owned(),
        ));
    }
    let from_stdin = args.strings.iter().any(|text| text == "-")
        || args.stdin_name.is_some()
        || (args.strings.is_empty() && !args.prompt);
    if from_stdin && args.prompt {
        return Err(Failure::Options(
            "The --prompt option is not supported if also reading input from stdin".to_owned(),
        ));
    }
    let (ring, id) = vault.encrypting(&args.vault, args.encrypt_vault_id.as_deref())?;
    let mut all = Vec::new();
    if args.prompt {
        all.push(asked(args)?);
    }
    if from_stdin {
        all.push(read(args)?);
    }
    all.extend(given(args)?);
    let mut text = String::new();
    let several = all.len() > 1;
    for plain in &all {
        if several {
            match &plain.name {
                Some(name) => {
                    tell(&format!("# The encrypted version of variable (\"{name}\", {}).", plain.origin));
                }
                None => tell(&format!("# The encrypted version of {}.", plain.origin)),
            }
        }
        let envelope =
            ring.encrypt(&plain.text, &id, vault.salt()).map_err(|e| Failure::Error(e.to_string()))?;
        text.push_str(&value(plain.name.as_deref(), &envelope));
    }
    write_output(output, text.as_bytes())?;
    success("Encryption successful");
    Ok(())
}

/// `name: !vault |` with the envelope below it.
fn value(name: Option<&str>, envelope: &str) -> String {
    let mut text = name.map(|name| format!("{name}: ")).unwrap_or_default();
    text.push_str("!vault |\n");
    for line in envelope.lines() {
        text.extend(std::iter::repeat_n(' ', INDENT));
        text.push_str(line);
        text.push('\n');
    }
    text
}

fn asked(args: &VaultStrings) -> Done<Plain> {
    let ask = |prompt: &str, private: bool| {
        let answer = Prompter::ask(&Terminal, prompt, private);
        answer.ok_or_else(|| {
            Failure::Error(format!("{}: nobody answered", prompt.trim_end_matches([' ', ':'])))
        })
    };
    let name = ask("Variable name (enter for no name): ", false)?;
    let text = match args.show_input {
        true => ask("String to encrypt: ", false)?,
        false => ask("String to encrypt (hidden): ", true)?,
    };
    if text.is_empty() {
        return Err(Failure::Options(
            "The plaintext provided from the prompt was empty, not encrypting".to_owned(),
        ));
    }
    Ok(Plain {
        text: Zeroizing::new(text.into_bytes()),
        name: Some(name).filter(|name| !name.is_empty()),
        origin: "the interactive prompt".to_owned(),
    })
}

fn read(args: &VaultStrings) -> Done<Plain> {
    if std::io::stdin().is_terminal() {
        tell(
            "Reading plaintext input from stdin. (ctrl-d to end input, twice if your content does not already have \
             a newline)",
        );
    }
    let mut text = Zeroizing::new(Vec::new());
    std::io::stdin()
        .lock()
        .read_to_end(&mut text)
        .map_err(|e| Failure::Error(format!("cannot read standard input: {e}")))?;
    if text.is_empty() {
        return Err(Failure::Options("stdin was empty, not encrypting".to_owned()));
    }
    Ok(Plain { text, name: args.stdin_name.clone(), origin: "the string from stdin".to_owned() })
}

/// The texts of the command line with their names, the first name for the first text.
fn given(args: &VaultStrings) -> Done<Vec<Plain>> {
    let texts: Vec<&String> = args.strings.iter().filter(|text| *text != "-").collect();
    if !args.names.is_empty() && args.names.len() != texts.len() && !texts.is_empty() {
        tell("The number of --name options do not match the number of args.");
        if let Some(last) = args.names.last() {
            tell(&format!("The last named variable will be \"{last}\". The rest will not have names."));
        }
    }
    let mut names = args.names.iter();
    let mut all = Vec::new();
    for (index, text) in texts.into_iter().enumerate() {
        if text.is_empty() {
            return Err(Failure::Options(
                "The plaintext provided from the command line args was empty, not encrypting".to_owned(),
            ));
        }
        all.push(Plain {
            text: Zeroizing::new(text.as_bytes().to_vec()),
            name: names.next().cloned(),
            origin: format!("the string #{} from the command line args", index + 1),
        });
    }
    Ok(all)
}
