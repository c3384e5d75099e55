//! `vault` and `unvault`: data encrypted with a password that the template has.

use super::Table;
use crate::args::{Args, Param};
use crate::error::TemplateError;
use crate::eval::Eval;
use crate::ops::Result;
use crate::value::type_name;
use minijinja::Value;
use provision_vault::{Keyring, Zeroizing};
use std::sync::Arc;

pub(super) const TABLE: Table = &[("vault", vault), ("unvault", unvault)];

/// The id that Ansible's filters give when none is asked for.
const ID: &str = "filter_default";

fn vault(eval: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let [secret, salt, vault_id, wrap] = args.bind("vault", ["secret", "salt", "vault_id", "wrap_object"])?;
    let secret = secret.required("vault", "secret")?;
    let keyring = keyring(&secret, &vault_id.text(ID)?)?;
    let Some(text) = value.as_str() else {
        return Err(TemplateError::runtime(format!(
            "Can only vault strings, instead we got <class '{}'>.",
            type_name(&value)
        )));
    };
    let salt = salt.given().map(crate::text::to_str);
    let id = keyring.ids().next().unwrap_or(ID);
    let envelope = keyring
        .encrypt(text.as_bytes(), id, salt.as_deref().map(str::as_bytes))
        .map_err(|error| TemplateError::runtime(format!("Unable to encrypt: {error}")))?;
    if wrap.flag(false)? {
        let plain = eval.templater.vault().keep(envelope.into(), text.into());
        return Ok(Value::from(plain));
    }
    Ok(Value::from(envelope))
}

fn unvault(eval: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let [secret, vault_id] = args.bind("unvault", ["secret", "vault_id"])?;
    let secret = secret.required("unvault", "secret")?;
    let keyring = keyring(&secret, &vault_id.text(ID)?)?;
    let Some(text) = value.as_str() else {
        return Err(TemplateError::runtime(format!(
            "Vault should be in the form of a string, instead we got <class '{}'>.",
            type_name(&value)
        )));
    };
    // A value that came out of `!vault` is its envelope, to this filter.
    let envelope = eval.templater.vault().envelope_of(text);
    let text = envelope.as_deref().unwrap_or(text);
    if !provision_vault::is_encrypted(text.as_bytes()) {
        return Ok(value);
    }
    let plain = keyring
        .decrypt(text.as_bytes())
        .map_err(|error| TemplateError::runtime(format!("Unable to decrypt: {error}")))?;
    let plain: Arc<str> = String::from_utf8_lossy(&plain).into();
    eval.templater.vault().tell(&plain);
    Ok(Value::from(plain))
}

fn keyring(secret: &Value, id: &str) -> Result<Keyring> {
    let Some(secret) = secret.as_str() else {
        return Err(TemplateError::runtime(format!(
            "Secret passed is required to be a string, instead we got <class '{}'>.",
            type_name(secret)
        )));
    };
    Ok(Keyring::new(vec![(id.to_owned(), Zeroizing::new(secret.as_bytes().to_vec()))], false))
}
