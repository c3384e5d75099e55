//! Facts in files, as Ansible's plugin `jsonfile` keeps them: one file for each host, which both may use.
//!
//! A file holds `{"__payload__": "<facts as JSON>"}`. In what Ansible wrote, values may stand in wrappers that say where
//! they come from (`{"value": …, "tags": […], "__ansible_type": "_AnsibleTaggedStr"}`).

use crate::config::{Config, table};
use provision_engine::facts::FactCache;
use serde_json::{Map, Value, json};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// What Ansible 2.19 puts before a host's name: the version of the layout.
const LAYOUT: &str = "s1_";

/// The cache the configuration asks for; None for `memory`, which is the run's own.
///
/// # Errors
/// A cache that is not done, or a directory that cannot be had, as a text for the user.
pub fn open(config: &Config) -> Result<Option<Arc<dyn FactCache>>, String> {
    let plugin = config.text(&table::CACHE_PLUGIN).unwrap_or_default();
    match plugin.rsplit('.').next().unwrap_or_default() {
        "memory" | "" => return Ok(None),
        "jsonfile" => {}
        _ => {
            return Err(format!(
                "fact_caching: the cache `{plugin}` is not done; there are jsonfile and memory"
            ));
        }
    }
    let Some(dir) = config.path(&table::CACHE_PLUGIN_CONNECTION) else {
        return Err(
            "fact_caching = jsonfile needs fact_caching_connection, the directory of the files".to_owned()
        );
    };
    std::fs::create_dir_all(&dir)
        .map_err(|error| format!("the fact cache {} cannot be made: {error}", dir.display()))?;
    let timeout = config.number(&table::CACHE_PLUGIN_TIMEOUT).filter(|seconds| *seconds > 0);
    Ok(Some(Arc::new(JsonFiles {
        dir,
        prefix: config.given(&table::CACHE_PLUGIN_PREFIX).unwrap_or_default(),
        timeout: timeout.map(Duration::from_secs),
    })))
}

struct JsonFiles {
    dir: PathBuf,
    prefix: String,
    /// None: facts never expire.
    timeout: Option<Duration>,
}

impl JsonFiles {
    fn path(&self, host: &str) -> Result<PathBuf, String> {
        if host.contains('/') {
            return Err(format!("the fact cache cannot keep a host with a slash in its name: {host}"));
        }
        Ok(self.dir.join(format!("{}{LAYOUT}{host}", self.prefix)))
    }

    fn is_expired(&self, path: &Path) -> bool {
        let written = std::fs::metadata(path).and_then(|meta| meta.modified());
        match (self.timeout, written) {
            (Some(timeout), Ok(written)) => {
                SystemTime::now().duration_since(written).is_ok_and(|age| age > timeout)
            }
            _ => false,
        }
    }
}

impl FactCache for JsonFiles {
    fn load(&self, host: &str) -> Result<Option<Map<String, Value>>, String> {
        let path = self.path(host)?;
        let wrong =
            |why: String| format!("the cached facts of {host} in {} are not used: {why}", path.display());
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(wrong(error.to_string())),
        };
        if self.is_expired(&path) {
            return Ok(None);
        }
        let whole: Value = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        let facts = match whole.get("__payload__").and_then(Value::as_str) {
            Some(payload) => serde_json::from_str(payload).map_err(|error| wrong(error.to_string()))?,
            None => whole,
        };
        match bare(facts) {
            Value::Object(facts) => Ok(Some(facts)),
            _ => Err(wrong("this is no mapping".to_owned())),
        }
    }

    fn store(&self, host: &str, facts: &Map<String, Value>) -> Result<(), String> {
        let path = self.path(host)?;
        let text = json!({"__payload__": json!(facts).to_string()}).to_string();
        let beside = path.with_file_name(format!(".{}{LAYOUT}{host}.{}", self.prefix, std::process::id()));
        let written = std::fs::File::create(&beside)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .and_then(|()| std::fs::rename(&beside, &path));
        written.map_err(|error| {
            _ = std::fs::remove_file(&beside);
            format!("the facts of {host} cannot be kept in {}: {error}", path.display())
        })
    }

    fn expire(&self, host: &str) -> Result<(), String> {
        let path = self.path(host)?;
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(format!("the cached facts {} cannot be removed: {error}", path.display()))
            }
            _ => Ok(()),
        }
    }
}

/// The value without Ansible's wrappers.
fn bare(value: Value) -> Value {
    match value {
        Value::Object(mut map) if is_wrapper(&map) => bare(map.remove("value").unwrap_or_default()),
        Value::Object(map) => map.into_iter().map(|(name, value)| (name, bare(value))).collect(),
        Value::Array(items) => items.into_iter().map(bare).collect(),
        other => other,
    }
}

fn is_wrapper(map: &Map<String, Value>) -> bool {
    let kind = map.get("__ansible_type").and_then(Value::as_str).unwrap_or_default();
    kind.starts_with("_AnsibleTagged") && map.contains_key("value")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(dir: &Path) -> JsonFiles {
        JsonFiles { dir: dir.to_owned(), prefix: "p_".to_owned(), timeout: Some(Duration::from_secs(60)) }
    }

    #[test]
    fn keeps_and_forgets() {
        let dir = tempfile::tempdir().unwrap();
        let cache = cache(dir.path());
        assert_eq!(cache.load("h"), Ok(None));
        let facts = json!({"ansible_distribution": "Debian", "n": [1, {"a": "ä"}]});
        cache.store("h", facts.as_object().unwrap()).unwrap();
        assert_eq!(cache.load("h").unwrap().map(Value::Object), Some(facts));
        let names: Vec<_> =
            std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["p_s1_h"]);
        let old = SystemTime::now() - Duration::from_secs(61);
        std::fs::File::options()
            .write(true)
            .open(dir.path().join("p_s1_h"))
            .unwrap()
            .set_modified(old)
            .unwrap();
        assert_eq!(cache.load("h"), Ok(None));
        cache.expire("h").unwrap();
        cache.expire("h").unwrap();
        assert!(!dir.path().join("p_s1_h").exists());
        assert!(cache.store("../h", &Map::new()).is_err());
    }

    #[test]
    fn reads_what_ansible_wrote() {
        let dir = tempfile::tempdir().unwrap();
        // As ansible-core 2.19.14 wrote it.
        let payload = r#"{"module_setup": true, "foo": {"value": "bar", "tags": [{"path": "/p.yaml", "line_num": 5, "col_num": 23, "__ansible_type": "Origin"}, {"__ansible_type": "TrustedAsTemplate"}], "__ansible_type": "_AnsibleTaggedStr"}, "lst": {"value": [{"value": 1, "tags": [], "__ansible_type": "_AnsibleTaggedInt"}, {"value": {"a": "x"}, "tags": [], "__ansible_type": "_AnsibleTaggedDict"}], "tags": [], "__ansible_type": "_AnsibleTaggedList"}}"#;
        std::fs::write(dir.path().join("p_s1_h"), json!({"__payload__": payload}).to_string()).unwrap();
        assert_eq!(
            cache(dir.path()).load("h").unwrap().map(Value::Object),
            Some(json!({"module_setup": true, "foo": "bar", "lst": [1, {"a": "x"}]}))
        );
    }

    #[test]
    fn what_is_damaged_is_said() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["", "{", "[1]", "{\"__payload__\": \"{\"}"] {
            std::fs::write(dir.path().join("p_s1_h"), text).unwrap();
            let error = cache(dir.path()).load("h").unwrap_err();
            assert!(error.contains("p_s1_h"), "{error}");
        }
    }
}
