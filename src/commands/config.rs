//! `provision config`: the settings in force, and where each comes from.

use super::{print, tell};
use crate::cli::{ConfigArgs, ConfigCommand, DumpFormat};
use crate::config::{Config, Means, Origin, Setting, Value, table};
use crate::exit::Exit;
use serde_json::json;

pub fn run(args: &ConfigArgs) -> Exit {
    let config = match Config::read(args.config.clone()) {
        Ok(config) => config,
        Err(text) => {
            tell(&format!("error: {text}"));
            return Exit::Usage;
        }
    };
    match &args.command {
        ConfigCommand::Dump(dump) => print(&dumped(&config, dump.only_changed, dump.format)),
        ConfigCommand::List => print(&list()),
        ConfigCommand::View => match &config.file {
            Some(file) => print(&format!("{}\n", file.text.trim_end())),
            None => {
                tell("error: there is no configuration file; `provision config list` lists the settings");
                return Exit::Usage;
            }
        },
    }
    Exit::Done
}

fn dumped(config: &Config, only_changed: bool, format: DumpFormat) -> String {
    let file = config.file.as_ref().map(|file| file.path.display().to_string());
    let mut rows: Vec<(&str, String, Value)> =
        vec![("CONFIG_FILE", String::new(), file.map_or(Value::None, Value::Text))];
    let all = config.all().into_iter().filter(|(_, _, origin)| !only_changed || **origin != Origin::Default);
    rows.extend(all.map(|(setting, value, origin)| (setting.name, origin.to_string(), value.clone())));
    rows.sort_by_key(|(name, ..)| *name);
    match format {
        DumpFormat::Display => {
            rows.iter().map(|(name, origin, value)| format!("{name}({origin}) = {value}\n")).collect()
        }
        DumpFormat::Json => {
            let rows: Vec<_> = rows
                .iter()
                .map(|(name, origin, value)| json!({"name": name, "origin": origin, "value": value.json()}))
                .collect();
            format!("{:#}\n", serde_json::Value::Array(rows))
        }
    }
}

/// Every setting: how it is given, and what it does here.
fn list() -> String {
    let mut settings: Vec<&Setting> = table::all().collect();
    settings.sort_by_key(|setting| setting.name);
    settings.into_iter().map(entry).collect()
}

fn entry(setting: &Setting) -> String {
    let mut text = format!("{}\n", setting.name);
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            text.push_str(&format!("  {name}: {value}\n"));
        }
    };
    let ini: Vec<String> = setting.ini.iter().map(|(section, key)| format!("[{section}] {key}")).collect();
    line("variable", &setting.env.join(", "));
    line("ansible.cfg", &ini.join(", "));
    line("choices", &setting.choices.join(", "));
    line("default", setting.default.unwrap_or_default());
    match setting.means {
        Means::Used(what) => line("does", what),
        Means::Moot(why) => line("changes nothing", why),
        Means::Undone(what) => line("not done", what),
    }
    text
}
