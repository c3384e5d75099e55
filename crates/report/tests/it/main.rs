//! Reporters fed with events made by hand, and Ansible's lines against what ansible-core printed.

#[cfg(test)]
mod ansible;
#[cfg(test)]
mod json;
#[cfg(test)]
mod script;
#[cfg(test)]
mod terminal;
