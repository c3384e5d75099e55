//! Whom to connect to and as whom, from variables, keywords and the command line.

use crate::render::{self, RenderError};
use crate::state::Engine;
use crate::transport::{Become, Identity, Secret, Target};
use crate::vars::TaskScope;
use provision_project::Common;
use provision_source::Node;
use provision_templates::{Scope, to_json};
use std::sync::Arc;
use std::time::Duration;

/// The first of the variables that is set, as text.
fn first(scope: &TaskScope, names: &[&str]) -> Result<Option<String>, RenderError> {
    for name in names {
        match scope.get(name) {
            Ok(Some(value)) if !value.is_none() && !provision_templates::is_omit(&value) => {
                let value = provision_templates::finalize(&value)
                    .map_err(|error| RenderError::spanned(error, provision_source::Span::NONE))?;
                return Ok(Some(render::plain(&to_json(&value))));
            }
            Ok(_) => {}
            Err(error) => return Err(RenderError::spanned(error, provision_source::Span::NONE)),
        }
    }
    Ok(None)
}

fn keyword(name: &str, node: Option<&Node>, scope: &Arc<TaskScope>) -> Result<Option<String>, RenderError> {
    let dynamic: Arc<dyn Scope> = scope.clone();
    match node {
        Some(node) if !node.is_null() => {
            let text = render::text(node, &dynamic, scope.templater())
                .map_err(|error| error.within(format!("Error processing keyword '{name}'"), node.span))?;
            Ok(Some(text).filter(|t| !t.is_empty()))
        }
        _ => Ok(None),
    }
}

fn flag(text: &str) -> bool {
    render::truth(&serde_json::Value::String(text.to_owned())).unwrap_or(false)
}

/// Where a task on `host` connects to. Variables win over keywords, keywords over the command line, as in Ansible.
pub fn target(
    engine: &Engine,
    host: &str,
    scope: &Arc<TaskScope>,
    common: Option<&Common>,
) -> Result<Target, RenderError> {
    let settings = &engine.settings;
    let connection = match first(scope, &["ansible_connection"])? {
        Some(name) => Some(name),
        None => keyword("connection", common.and_then(|c| c.connection.as_ref()), scope)?,
    };
    let connection = connection.or_else(|| settings.connection.clone()).unwrap_or_else(|| "ssh".to_owned());
    let connection = match connection.as_str() {
        "smart" | "paramiko" | "ansible.builtin.ssh" | "paramiko_ssh" => "ssh".to_owned(),
        "ansible.builtin.local" => "local".to_owned(),
        _ => connection,
    };
    let user = match first(scope, &["ansible_ssh_user", "ansible_user"])? {
        Some(user) => Some(user),
        None => keyword("remote_user", common.and_then(|c| c.remote_user.as_ref()), scope)?
            .or_else(|| settings.remote_user.clone()),
    };
    let port = match first(scope, &["ansible_ssh_port", "ansible_port"])? {
        Some(port) => Some(port),
        None => keyword("port", common.and_then(|c| c.port.as_ref()), scope)?,
    };
    let mut words = settings.ssh_args.clone();
    for name in ["ansible_ssh_args", "ansible_ssh_common_args", "ansible_ssh_extra_args"] {
        if let Some(text) = first(scope, &[name])? {
            words.extend(
                shlex::split(&text).unwrap_or_else(|| text.split_whitespace().map(str::to_owned).collect()),
            );
        }
    }
    let password =
        first(scope, &["ansible_ssh_password", "ansible_ssh_pass", "ansible_password"])?.map(Secret::new);
    let password = password.or_else(|| settings.password.clone());
    if let Some(password) = &password {
        engine.secrets.add(password.reveal());
    }
    let key = first(scope, &["ansible_ssh_private_key_file", "ansible_private_key_file"])?;
    let checking = first(scope, &["ansible_ssh_host_key_checking", "ansible_host_key_checking"])?;
    let timeout = first(scope, &["ansible_ssh_timeout", "ansible_timeout"])?
        .and_then(|t| t.parse().ok())
        .map(Duration::from_secs);
    Ok(Target {
        host: host.to_owned(),
        connection,
        address: first(scope, &["ansible_ssh_host", "ansible_host"])?.unwrap_or_else(|| host.to_owned()),
        port: match port {
            Some(text) => Some(text.parse().map_err(|_| {
                let text = format!("`{text}` is no port number");
                let error = provision_templates::TemplateError::runtime(text);
                RenderError::spanned(error, provision_source::Span::NONE)
            })?),
            None => None,
        },
        user,
        password,
        private_key: key.map(|k| expand(&k)).or_else(|| settings.private_key.clone()),
        ssh_args: words,
        host_key_checking: checking.map(|t| flag(&t)).or(settings.host_key_checking),
        connect_timeout: timeout.or(settings.connect_timeout),
    })
}

fn expand(path: &str) -> std::path::PathBuf {
    match path.strip_prefix("~/") {
        Some(rest) => std::env::home_dir().unwrap_or_default().join(rest),
        None => path.into(),
    }
}

/// As whom a task runs.
pub fn identity(
    engine: &Engine,
    scope: &Arc<TaskScope>,
    common: Option<&Common>,
) -> Result<Identity, RenderError> {
    let settings = &engine.settings;
    let wanted = match first(scope, &["ansible_become"])? {
        Some(text) => flag(&text),
        None => match common.and_then(|c| c.r#become.as_ref()) {
            Some(node) => {
                let dynamic: Arc<dyn Scope> = scope.clone();
                render::boolean(node, &dynamic, scope.templater())
                    .map_err(|error| error.within("Error processing keyword 'become'", node.span))?
            }
            None => settings.r#become,
        },
    };
    if !wanted {
        return Ok(Identity::default());
    }
    let pick = |names: &[&str],
                node: Option<&Node>,
                fallback: Option<String>|
     -> Result<Option<String>, RenderError> {
        match first(scope, names)? {
            Some(text) => Ok(Some(text)),
            None => {
                let name = names.last().map_or("", |name| name.trim_start_matches("ansible_"));
                Ok(keyword(name, node, scope)?.or(fallback))
            }
        }
    };
    let method = pick(
        &["ansible_become_method"],
        common.and_then(|c| c.become_method.as_ref()),
        settings.become_method.clone(),
    )?;
    let method = method.unwrap_or_else(|| "sudo".to_owned());
    let method = method.rsplit('.').next().unwrap_or("sudo").to_owned();
    let per = |what: &str| format!("ansible_{method}_{what}");
    let (user_var, pass_var, flags_var, exe_var) = (per("user"), per("pass"), per("flags"), per("exe"));
    let user = pick(
        &[&user_var, "ansible_become_user"],
        common.and_then(|c| c.become_user.as_ref()),
        settings.become_user.clone(),
    )?;
    let password = first(
        scope,
        &[&format!("ansible_{method}_password"), &pass_var, "ansible_become_password", "ansible_become_pass"],
    )?;
    let password = password.map(Secret::new).or_else(|| settings.become_password.clone());
    if let Some(password) = &password {
        engine.secrets.add(password.reveal());
    }
    let flags =
        pick(&[&flags_var, "ansible_become_flags"], common.and_then(|c| c.become_flags.as_ref()), None)?;
    let exe = pick(&[&exe_var, "ansible_become_exe"], common.and_then(|c| c.become_exe.as_ref()), None)?;
    Ok(Identity {
        r#become: Some(Become {
            method,
            user: user.unwrap_or_else(|| "root".to_owned()),
            password,
            flags: flags.and_then(|f| shlex::split(&f)).unwrap_or_default(),
            exe,
        }),
    })
}
