//! Host names as written in sources: ranges and ports.

/// More hosts than this in one range is taken for a slip.
const MAX_RANGE: usize = 1_000_000;

/// Names a host pattern stands for, and the port if it ends in one.
#[derive(Debug, PartialEq)]
pub(super) struct Expanded {
    pub names: Vec<String>,
    pub port: Option<u16>,
}

/// Expands `web[01:20].example.com:2222` and the like. `[::1]:22` is an address with a port, not a range.
///
/// # Errors
/// A message about the range.
pub(super) fn expand(pattern: &str) -> Result<Expanded, String> {
    let (host, port) = split_port(pattern);
    if host.parse::<std::net::Ipv6Addr>().is_ok() {
        return Ok(Expanded { names: vec![host.to_string()], port });
    }
    Ok(Expanded { names: expand_ranges(host)?, port })
}

/// The host without its port.
pub(super) fn split_port(pattern: &str) -> (&str, Option<u16>) {
    if let Some(rest) = pattern.strip_prefix('[')
        && let Some((inner, port)) = rest.rsplit_once("]:")
        && !inner.contains(['[', ']'])
        && let Ok(port) = port.parse()
    {
        return (inner, Some(port));
    }
    if let Some((host, port)) = pattern.rsplit_once(':')
        && !host.is_empty()
        && !colon_outside_brackets(host)
        && port.bytes().all(|b| b.is_ascii_digit())
        && let Ok(port) = port.parse()
    {
        return (host, Some(port));
    }
    // `[::1]` without a port
    let bare = pattern.strip_prefix('[').and_then(|p| p.strip_suffix(']'));
    match bare.filter(|b| b.parse::<std::net::Ipv6Addr>().is_ok()) {
        Some(address) => (address, None),
        None => (pattern, None),
    }
}

fn colon_outside_brackets(text: &str) -> bool {
    let mut depth = 0i32;
    text.chars().any(|c| {
        match c {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ => {}
        }
        // An unbalanced bracket is no place to look for a port.
        (c == ':' && depth == 0) || depth < 0
    }) || depth != 0
}

fn expand_ranges(pattern: &str) -> Result<Vec<String>, String> {
    let Some((head, rest)) = pattern.split_once('[') else { return Ok(vec![pattern.to_string()]) };
    let Some((range, tail)) = rest.split_once(']') else {
        return Err("the range is not closed with `]`".to_string());
    };
    let parts: Vec<&str> = range.split(':').collect();
    let (begin, end, step) = match parts.as_slice() {
        [begin, end] => (*begin, *end, "1"),
        [begin, end, step] => (*begin, *end, *step),
        _ => return Err("a range is written `[begin:end]` or `[begin:end:step]`".to_string()),
    };
    let begin = if begin.is_empty() { "0" } else { begin };
    if end.is_empty() {
        return Err("the range has no end".to_string());
    }
    let step: usize = match step.parse() {
        Ok(0) | Err(_) => return Err(format!("the step `{step}` is not a positive integer")),
        Ok(step) => step,
    };
    let middles = members(begin, end, step)?;
    let tails = expand_ranges(tail)?;
    if middles.len().saturating_mul(tails.len()) > MAX_RANGE {
        return Err(format!("the range stands for more than {MAX_RANGE} hosts"));
    }
    Ok(middles.iter().flat_map(|m| tails.iter().map(move |t| format!("{head}{m}{t}"))).collect())
}

fn members(begin: &str, end: &str, step: usize) -> Result<Vec<String>, String> {
    let letters: Vec<char> = ('a'..='z').chain('A'..='Z').collect();
    let letter = |text: &str| {
        let mut chars = text.chars();
        let only = chars.next().filter(|_| chars.next().is_none())?;
        letters.iter().position(|l| *l == only)
    };
    if let (Some(from), Some(to)) = (letter(begin), letter(end)) {
        if from > to {
            return Err(format!("the range starts behind its end: `{begin}` to `{end}`"));
        }
        return Ok((from..=to).step_by(step).map(|i| letters[i].to_string()).collect());
    }
    let number = |text: &str| {
        text.parse::<u64>()
            .ok()
            .filter(|_| text.bytes().all(|b| b.is_ascii_digit()))
            .ok_or_else(|| format!("`{text}` is neither a number nor a letter"))
    };
    let (from, to) = (number(begin)?, number(end)?);
    let width = if begin.len() > 1 && begin.starts_with('0') { begin.len() } else { 0 };
    if width > 0 && begin.len() != end.len() {
        return Err(format!("`{begin}` and `{end}` must have the same number of digits"));
    }
    if (to.saturating_sub(from) / step as u64) as usize > MAX_RANGE {
        return Err(format!("the range stands for more than {MAX_RANGE} hosts"));
    }
    Ok((from..=to).step_by(step).map(|i| format!("{i:0width$}")).collect())
}

#[cfg(test)]
mod tests {
    use super::expand;

    /// Against what ansible-core 2.19 printed.
    #[test]
    fn as_ansible() {
        let names = |p: &str| expand(p).map(|e| (e.names.join(" "), e.port));
        let ok = |p: &str, n: &str, port: Option<u16>| assert_eq!(names(p), Ok((n.to_string(), port)), "{p}");
        ok("h", "h", None);
        ok("h:22", "h", Some(22));
        ok("web[01:03]", "web01 web02 web03", None);
        ok("k[08:10]", "k08 k09 k10", None);
        ok("h[:3]", "h0 h1 h2 h3", None);
        ok("n[0:10:5]", "n0 n5 n10", None);
        ok("db-[a:c].ex.com", "db-a.ex.com db-b.ex.com db-c.ex.com", None);
        ok("m[a:e:2]", "ma mc me", None);
        ok("o[1:2][a:b]", "o1a o1b o2a o2b", None);
        ok("x[1:2]:33", "x1 x2", Some(33));
        ok("h[3:1]", "", None);
        ok("2001:db8::1", "2001:db8::1", None);
        ok("[2001:db8::1]:2022", "2001:db8::1", Some(2022));
        ok("w y", "w y", None);
        for bad in [
            "n[a-c]",
            "p[]",
            "h[1:]",
            "h[08:100]",
            "h[c:a]",
            "h[A:c:10]",
            "h[1:3:x]",
            "h[aa:ac]",
            "h[1:3",
            "h[1:99999999999]",
        ] {
            assert!(names(bad).is_err(), "{bad}");
        }
    }
}
