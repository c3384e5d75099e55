//! The module `replace`.

use crate::recorded::compare;

#[test]
fn does_what_ansible_does() {
    compare("replace", include_str!("recorded/replace.json"));
}
