//! Parsing JMESPath: Pratt's method with the binding powers of its reference implementation.

use super::{Compare, Node, error};
use crate::ops::Result;
use minijinja::Value;

#[derive(Debug, Clone, PartialEq)]
enum Tok {
    Name(String),
    Quoted(String),
    Literal(Value),
    Number(i64),
    Op(&'static str),
    End,
}

/// Longer ones first.
const OPERATORS: [&str; 23] = [
    "[?", "[]", "||", "&&", "==", "!=", "<=", ">=", ".", "*", "[", "]", "{", "}", "(", ")", ",", ":", "@",
    "&", "|", "!", "<",
];

/// Projections end at what binds less.
const PROJECTION_STOP: u8 = 10;

/// Deepest nesting of an expression.
const MAX_DEPTH: usize = 60;

pub(super) fn parse(expression: &str) -> Result<Node> {
    let mut parser = Parser { tokens: lex(expression)?, at: 0, depth: 0 };
    let node = parser.expression(0)?;
    match parser.peek() {
        Tok::End => Ok(node),
        other => Err(error(format!("unexpected {} in '{expression}'", describe(other)))),
    }
}

fn describe(tok: &Tok) -> String {
    match tok {
        Tok::Name(name) | Tok::Quoted(name) => format!("'{name}'"),
        Tok::Literal(_) => "literal".to_owned(),
        Tok::Number(number) => number.to_string(),
        Tok::Op(op) => format!("'{op}'"),
        Tok::End => "end of the expression".to_owned(),
    }
}

fn lex(expression: &str) -> Result<Vec<Tok>> {
    let mut out = Vec::new();
    let mut rest = expression;
    while let Some(c) = rest.chars().next() {
        if c.is_whitespace() {
            rest = &rest[c.len_utf8()..];
            continue;
        }
        if c.is_ascii_alphabetic() || c == '_' {
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
            out.push(Tok::Name(rest[..end].to_owned()));
            rest = &rest[end..];
            continue;
        }
        let negative = c == '-' && rest[1..].starts_with(|c: char| c.is_ascii_digit());
        if c.is_ascii_digit() || negative {
            let end = rest[1..].find(|c: char| !c.is_ascii_digit()).map_or(rest.len(), |end| end + 1);
            let number = rest[..end].parse().map_err(|_| error(format!("{} is too large", &rest[..end])))?;
            out.push(Tok::Number(number));
            rest = &rest[end..];
            continue;
        }
        if matches!(c, '\'' | '"' | '`') {
            let (text, after) =
                delimited(&rest[1..], c).ok_or_else(|| error(format!("unclosed {c} in '{expression}'")))?;
            rest = after;
            out.push(match c {
                '\'' => Tok::Literal(Value::from(text.replace("\\'", "'"))),
                '"' => {
                    let quoted = serde_json::from_str(&format!("\"{text}\""));
                    Tok::Quoted(quoted.map_err(|_| error(format!("bad quoted name \"{text}\"")))?)
                }
                _ => {
                    let text = text.replace("\\`", "`");
                    let text = text.trim_start();
                    // an old form: a literal text without its quotes
                    let json = serde_json::from_str(text)
                        .or_else(|_| serde_json::from_str(&format!("\"{text}\"")))
                        .map_err(|_| error(format!("bad literal `{text}`")))?;
                    Tok::Literal(crate::value::from_json(json))
                }
            });
            continue;
        }
        let op = match OPERATORS.iter().find(|op| rest.starts_with(**op)) {
            Some(op) => *op,
            None if c == '>' => ">",
            None => return Err(error(format!("unknown character '{c}' in '{expression}'"))),
        };
        out.push(Tok::Op(op));
        rest = &rest[op.len()..];
    }
    out.push(Tok::End);
    Ok(out)
}

/// The text up to the closing quote, and what follows.
fn delimited(text: &str, quote: char) -> Option<(&str, &str)> {
    let mut escaped = false;
    let (end, _) = text.char_indices().find(|(_, c)| {
        if escaped {
            escaped = false;
            return false;
        }
        escaped = *c == '\\';
        *c == quote
    })?;
    Some((&text[..end], &text[end + 1..]))
}

fn power(tok: &Tok) -> u8 {
    let Tok::Op(op) = tok else { return 0 };
    match *op {
        "|" => 1,
        "||" => 2,
        "&&" => 3,
        "==" | "!=" | "<" | "<=" | ">" | ">=" => 5,
        "[]" => 9,
        "*" => 20,
        "[?" => 21,
        "." => 40,
        "!" => 45,
        "{" => 50,
        "[" => 55,
        "(" => 60,
        _ => 0,
    }
}

struct Parser {
    tokens: Vec<Tok>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> &Tok {
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    fn next(&mut self) -> Tok {
        let tok = self.peek().clone();
        self.at += 1;
        tok
    }

    fn is(&self, op: &str) -> bool {
        matches!(self.peek(), Tok::Op(known) if *known == op)
    }

    fn expect(&mut self, op: &str) -> Result<()> {
        if self.is(op) {
            self.at += 1;
            return Ok(());
        }
        Err(error(format!("expected '{op}', got {}", describe(self.peek()))))
    }

    fn expression(&mut self, binding: u8) -> Result<Node> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(error("the expression is nested too deeply"));
        }
        let mut left = self.prefix()?;
        let mut chain = 0;
        while binding < power(self.peek()) {
            chain += 1;
            if chain > MAX_DEPTH {
                return Err(error("the expression is too long"));
            }
            left = self.infix(left)?;
        }
        self.depth -= 1;
        Ok(left)
    }

    fn prefix(&mut self) -> Result<Node> {
        let current = || Box::new(Node::Current);
        Ok(match self.next() {
            Tok::Name(name) | Tok::Quoted(name) => Node::Field(name),
            Tok::Literal(value) => Node::Literal(value),
            Tok::Op("@") => Node::Current,
            Tok::Op("&") => Node::Reference(Box::new(self.expression(0)?)),
            Tok::Op("!") => Node::Not(Box::new(self.expression(45)?)),
            Tok::Op("(") => {
                let inner = self.expression(0)?;
                self.expect(")")?;
                inner
            }
            Tok::Op("*") => {
                let then = if self.is("]") { Node::Current } else { self.projected(20)? };
                Node::ProjectValues(current(), Box::new(then))
            }
            Tok::Op("[?") => self.filter(Node::Current)?,
            Tok::Op("[]") => {
                let then = self.projected(9)?;
                Node::Project(Box::new(Node::Flatten(current())), Box::new(then))
            }
            Tok::Op("{") => self.object()?,
            Tok::Op("[") => match (self.peek(), self.tokens.get(self.at + 1)) {
                (Tok::Number(_) | Tok::Op(":"), _) => self.index(Node::Current)?,
                (Tok::Op("*"), Some(Tok::Op("]"))) => {
                    self.at += 2;
                    Node::Project(current(), Box::new(self.projected(20)?))
                }
                _ => self.list()?,
            },
            other => return Err(error(format!("unexpected {}", describe(&other)))),
        })
    }

    fn infix(&mut self, left: Node) -> Result<Node> {
        let Tok::Op(op) = self.next() else { return Err(error("an operator is missing")) };
        let boxed = Box::new;
        Ok(match op {
            "." if self.is("*") => {
                self.at += 1;
                let then = self.projected(40)?;
                Node::ProjectValues(boxed(left), boxed(then))
            }
            "." => {
                let then = self.dotted(40)?;
                Node::Sub(boxed(left), boxed(then))
            }
            "|" => Node::Sub(boxed(left), boxed(self.expression(1)?)),
            "||" => Node::Or(boxed(left), boxed(self.expression(2)?)),
            "&&" => Node::And(boxed(left), boxed(self.expression(3)?)),
            "(" => {
                let Node::Field(name) = left else { return Err(error("only a function can be called")) };
                let mut args = Vec::new();
                while !self.is(")") {
                    if !args.is_empty() {
                        self.expect(",")?;
                    }
                    args.push(self.expression(0)?);
                }
                self.expect(")")?;
                Node::Call(name, args)
            }
            "[?" => self.filter(left)?,
            "[]" => {
                let then = self.projected(9)?;
                Node::Project(boxed(Node::Flatten(boxed(left))), boxed(then))
            }
            "[" if matches!(self.peek(), Tok::Number(_) | Tok::Op(":")) => self.index(left)?,
            "[" => {
                self.expect("*")?;
                self.expect("]")?;
                let then = self.projected(20)?;
                Node::Project(boxed(left), boxed(then))
            }
            comparison => {
                let compare = match comparison {
                    "==" => Compare::Eq,
                    "!=" => Compare::Ne,
                    "<" => Compare::Lt,
                    "<=" => Compare::Le,
                    ">" => Compare::Gt,
                    ">=" => Compare::Ge,
                    other => return Err(error(format!("unexpected '{other}'"))),
                };
                Node::Compare(compare, boxed(left), boxed(self.expression(5)?))
            }
        })
    }

    fn filter(&mut self, left: Node) -> Result<Node> {
        let condition = self.expression(0)?;
        self.expect("]")?;
        let then = if self.is("[]") { Node::Current } else { self.projected(21)? };
        Ok(Node::ProjectIf(Box::new(left), Box::new(then), Box::new(condition)))
    }

    /// What follows a projection and applies to each of its items.
    fn projected(&mut self, binding: u8) -> Result<Node> {
        if power(self.peek()) < PROJECTION_STOP {
            return Ok(Node::Current);
        }
        match self.peek() {
            Tok::Op("[" | "[?") => self.expression(binding),
            Tok::Op(".") => {
                self.at += 1;
                self.dotted(binding)
            }
            other => Err(error(format!("unexpected {}", describe(other)))),
        }
    }

    fn dotted(&mut self, binding: u8) -> Result<Node> {
        match self.peek() {
            Tok::Name(_) | Tok::Quoted(_) | Tok::Op("*") => self.expression(binding),
            Tok::Op("[") => {
                self.at += 1;
                self.list()
            }
            Tok::Op("{") => {
                self.at += 1;
                self.object()
            }
            other => Err(error(format!("unexpected {} after '.'", describe(other)))),
        }
    }

    /// An index or a slice, of which the second projects.
    fn index(&mut self, left: Node) -> Result<Node> {
        let mut bounds = [None; 3];
        let mut part = 0;
        loop {
            match self.next() {
                Tok::Number(number) if bounds[part].is_none() => bounds[part] = Some(number),
                Tok::Op(":") if part < 2 => part += 1,
                Tok::Op("]") => break,
                other => return Err(error(format!("unexpected {} in an index", describe(&other)))),
            }
        }
        if part == 0 {
            let index = bounds[0].ok_or_else(|| error("an index is missing"))?;
            return Ok(Node::Sub(Box::new(left), Box::new(Node::Index(index))));
        }
        if bounds[2] == Some(0) {
            return Err(error("the step of a slice cannot be 0"));
        }
        let sliced = Node::Sub(Box::new(left), Box::new(Node::Slice(bounds)));
        let then = self.projected(20)?;
        Ok(Node::Project(Box::new(sliced), Box::new(then)))
    }

    fn list(&mut self) -> Result<Node> {
        let mut nodes = vec![self.expression(0)?];
        while !self.is("]") {
            self.expect(",")?;
            nodes.push(self.expression(0)?);
        }
        self.at += 1;
        Ok(Node::List(nodes))
    }

    fn object(&mut self) -> Result<Node> {
        let mut entries = Vec::new();
        loop {
            let key = match self.next() {
                Tok::Name(key) | Tok::Quoted(key) => key,
                other => return Err(error(format!("expected a key, got {}", describe(&other)))),
            };
            self.expect(":")?;
            entries.push((key, self.expression(0)?));
            if self.is("}") {
                self.at += 1;
                return Ok(Node::Object(entries));
            }
            self.expect(",")?;
        }
    }
}
