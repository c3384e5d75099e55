//! The module `blockinfile`.

use crate::recorded::compare;

#[test]
fn does_what_ansible_does() {
    compare("blockinfile", include_str!("recorded/blockinfile.json"));
}
