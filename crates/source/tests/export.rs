//! Diagnostics as programs read them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use provision_source::{Diagnostic, Diagnostics, Sources, Span, github, json, sarif};
use serde_json::Value;
use std::path::Path;

fn found() -> (Diagnostics, Sources) {
    let sources = Sources::new();
    let text = "- hosts: all\n  täsks:\n    - copy: {contnet: x}\n";
    let file = sources.add("/srv/play books/a,b.yaml", text);
    let other = sources.add("/etc/ansible/hosts", "h: 100%\n");
    let at = |file, needle: &str| {
        let start = sources.text(file).find(needle).unwrap() as u32;
        Span::new(file, start, start + needle.len() as u32)
    };
    let mut diags = Diagnostics::new();
    diags.push(
        Diagnostic::error("`copy` has no option `contnet`")
            .code("unknown-option")
            .at(at(file, "contnet"), "not known: 50%")
            .also(at(file, "copy"), "of this module")
            .note("line one\nline two")
            .help("did you mean `content`?"),
    );
    diags.push(Diagnostic::error("`täsks` is no keyword").at(at(file, "täsks"), ""));
    diags.push(Diagnostic::warning("strange: value").code("odd").at(at(other, "100%"), "here"));
    diags.push(Diagnostic::error("no playbook"));
    // A repetition is one finding.
    diags.push(Diagnostic::error("no playbook"));
    (diags, sources)
}

#[test]
fn json_has_everything_and_its_version() {
    let (diags, sources) = found();
    let text = json(&diags, &sources);
    assert!(text.ends_with("}\n"));
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&value["schema"], &value["errors"], &value["warnings"]), (&1.into(), &3.into(), &1.into()));
    let all = value["diagnostics"].as_array().unwrap();
    assert_eq!(all.len(), 4);
    assert_eq!(all[0], serde_json::json!({"severity": "error", "code": "invalid", "message": "no playbook"}));
    assert_eq!(
        all[1],
        serde_json::json!({"severity": "error", "code": "invalid", "message": "`täsks` is no keyword",
            "file": "/srv/play books/a,b.yaml", "line": 2, "column": 3, "end_line": 2, "end_column": 8})
    );
    assert_eq!(all[2]["code"], "unknown-option");
    assert_eq!(
        (&all[2]["line"], &all[2]["column"], &all[2]["end_column"]),
        (&3.into(), &14.into(), &21.into())
    );
    assert_eq!(all[2]["hint"], "did you mean `content`?");
    assert_eq!(all[2]["notes"], serde_json::json!(["line one\nline two"]));
    assert_eq!(all[2]["related"][0]["label"], "of this module");
    assert_eq!(all[2]["related"][0]["column"], 7);
    assert_eq!(all[3]["severity"], "warning");
    assert_eq!(json(&Diagnostics::new(), &sources).matches("[]").count(), 1);
}

/// What the schema of SARIF 2.1.0 requires of the parts we write.
#[test]
fn sarif_is_well_formed() {
    let (diags, sources) = found();
    let value: Value = serde_json::from_str(&sarif(&diags, &sources, Path::new("/srv"), "1.2.3")).unwrap();
    assert_eq!(value["version"], "2.1.0");
    assert!(value["$schema"].as_str().unwrap().ends_with("sarif-schema-2.1.0.json"));
    let run = &value["runs"][0];
    let driver = &run["tool"]["driver"];
    assert_eq!((&driver["name"], &driver["version"]), (&"provision".into(), &"1.2.3".into()));
    assert_eq!(run["columnKind"], "unicodeCodePoints");
    assert_eq!(run["originalUriBaseIds"]["%SRCROOT%"]["uri"], "file:///srv/");
    let rules = driver["rules"].as_array().unwrap();
    let ids: Vec<&str> = rules.iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["invalid", "odd", "unknown-option"]);
    assert_eq!(rules[2]["name"], "UnknownOption");
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 4);
    for result in results {
        let index = result["ruleIndex"].as_u64().unwrap() as usize;
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert!(["error", "warning", "note", "none"].contains(&result["level"].as_str().unwrap()));
        assert!(!result["message"]["text"].as_str().unwrap().is_empty());
        for location in result["locations"].as_array().unwrap() {
            let region = &location["physicalLocation"]["region"];
            for field in ["startLine", "startColumn", "endLine", "endColumn"] {
                assert!(region[field].as_u64().unwrap() >= 1, "{result}");
            }
        }
    }
    assert_eq!(results[0]["locations"], serde_json::json!([]));
    let artifact = &results[2]["locations"][0]["physicalLocation"]["artifactLocation"];
    assert_eq!(artifact, &serde_json::json!({"uri": "play%20books/a%2Cb.yaml", "uriBaseId": "%SRCROOT%"}));
    assert_eq!(results[2]["relatedLocations"][0]["message"]["text"], "of this module");
    let outside = &results[3]["locations"][0]["physicalLocation"]["artifactLocation"];
    assert_eq!(outside, &serde_json::json!({"uri": "file:///etc/ansible/hosts"}));
    assert_eq!(results[3]["level"], "warning");
}

#[test]
fn workflow_commands_are_escaped() {
    let (diags, sources) = found();
    let text = github(&diags, &sources, Path::new("/srv"));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines,
        [
            "::error title=invalid::no playbook",
            "::error file=play books/a%2Cb.yaml,line=2,endLine=2,col=3,endColumn=8,title=invalid::`täsks` is no keyword",
            "::error file=play books/a%2Cb.yaml,line=3,endLine=3,col=14,endColumn=21,title=unknown-option::`copy` has no option `contnet`: not known: 50%25%0Aline one%0Aline two%0Adid you mean `content`?",
            "::warning file=/etc/ansible/hosts,line=1,endLine=1,col=4,endColumn=8,title=odd::strange: value: here",
        ]
    );
}
