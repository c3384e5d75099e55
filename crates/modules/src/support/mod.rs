//! What several modules share.

pub mod accounts;
pub mod apt_get;
pub mod der;
pub mod dpkg;
pub mod edit;
pub mod exec;
pub mod facts;
pub mod files;
pub mod glob;
pub mod http;
pub mod net;
pub mod openpgp;
pub mod openssl;
pub mod options;
pub mod regex;
pub mod results;
pub mod time;
pub mod words;
