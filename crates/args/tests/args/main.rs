//! The derives and the conversions, against what Ansible was seen to do.

mod conversions;
mod declared;
mod loading;
mod values;
