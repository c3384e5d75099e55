//! YAML of any kind: nodes, their places, and what is said about mistakes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use provision_source::{Diagnostics, Node, Sources, Yaml};

fuzz_target!(|data: &[u8]| {
    let sources = Sources::new();
    let Ok(file) = sources.add_bytes("fuzz.yml", data.to_vec()) else { return };
    let mut diags = Diagnostics::new();
    for document in provision_source::load(&sources, file, &mut diags).into_iter().flatten() {
        places(&document, &sources);
        let _ = document.to_json();
    }
    let _ = provision_source::render(&diags, &sources, false, Some(80));
    let _ = provision_source::json(&diags, &sources);
});

fn places(node: &Node, sources: &Sources) {
    let _ = sources.location(node.span);
    match &node.value {
        Yaml::Str(text) => {
            let middle = (0..=text.len() / 2).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            let _ = node.span_within(sources, middle, 1);
        }
        Yaml::Seq(items) => items.iter().for_each(|item| places(item, sources)),
        Yaml::Map(map) => map.iter().for_each(|(key, value)| {
            places(key, sources);
            places(value, sources);
        }),
        _ => {}
    }
}
