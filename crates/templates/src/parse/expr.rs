//! Expressions, in Jinja2's order of precedence.

use super::lex::Tok;
use super::{Parser, describe};
use crate::ir::{Arg, Cmp, Expr, ExprKind, Known};
use crate::ops::{Arith, Result};
use minijinja::Value;
use std::borrow::Cow;

/// Methods that change the object they are called on.
const MUTATING: [&str; 12] = [
    "append",
    "extend",
    "insert",
    "pop",
    "remove",
    "clear",
    "update",
    "setdefault",
    "reverse",
    "sort",
    "popitem",
    "__setitem__",
];

/// One level above the deepest of these.
fn above<'e>(parts: impl IntoIterator<Item = &'e Expr>) -> u16 {
    parts.into_iter().map(|part| part.depth).max().unwrap_or(0) + 1
}

fn above_args(base: u16, args: &[Arg]) -> u16 {
    let deepest = args.iter().map(|arg| match arg {
        Arg::Pos(expr) | Arg::Named(_, expr) | Arg::Splat(expr) | Arg::NamedSplat(expr) => expr.depth,
    });
    deepest.max().unwrap_or(0).max(base) + 1
}

impl<'s> Parser<'s> {
    pub(super) fn expression(&mut self) -> Result<Expr> {
        self.deeper(Self::conditional)
    }

    fn conditional(&mut self) -> Result<Expr> {
        let from = self.at;
        let unknown = self.unknown.len();
        let mut expr = self.or()?;
        while self.skip_name("if") {
            self.soft += 1;
            let result = self.or();
            self.soft -= 1;
            let test = result?;
            let otherwise = if self.skip_name("else") { Some(Box::new(self.expression()?)) } else { None };
            self.unknown[unknown..].iter_mut().for_each(|(soft, _)| *soft = true);
            let depth = above([&expr, &test].into_iter().chain(otherwise.as_deref()));
            expr = self.expr(from, depth, ExprKind::If(Box::new(test), Box::new(expr), otherwise))?;
        }
        Ok(expr)
    }

    /// `or` and `and` hang to the right: a long chain is evaluated without descending into it.
    fn or(&mut self) -> Result<Expr> {
        self.chain("or", Self::and, ExprKind::Or)
    }

    fn and(&mut self) -> Result<Expr> {
        self.chain("and", Self::not, ExprKind::And)
    }

    fn chain(
        &mut self,
        word: &str,
        part: fn(&mut Self) -> Result<Expr>,
        kind: fn(Box<Expr>, Box<Expr>) -> ExprKind,
    ) -> Result<Expr> {
        let mut parts = vec![(self.at, part(self)?)];
        while self.skip_name(word) {
            if parts.len() > 2000 {
                return Err(self.fail("the expression is too long"));
            }
            parts.push((self.at, part(self)?));
        }
        let mut folded: Option<Expr> = None;
        while let Some((from, left)) = parts.pop() {
            folded = Some(match folded {
                None => left,
                // the right side is followed without descending, so it counts once
                Some(right) => {
                    let depth = above([&left]).max(right.depth);
                    self.expr(from, depth, kind(Box::new(left), Box::new(right)))?
                }
            });
        }
        folded.ok_or_else(|| self.fail("an expression is missing"))
    }

    fn not(&mut self) -> Result<Expr> {
        let from = self.at;
        if self.skip_name("not") {
            let inner = self.deeper(Self::not)?;
            return self.expr(from, inner.depth + 1, ExprKind::Not(Box::new(inner)));
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Result<Expr> {
        let from = self.at;
        let first = self.sum()?;
        let mut rest = Vec::new();
        loop {
            let cmp = match self.peek() {
                Tok::Op("==") => Cmp::Eq,
                Tok::Op("!=") => Cmp::Ne,
                Tok::Op("<") => Cmp::Lt,
                Tok::Op("<=") => Cmp::Le,
                Tok::Op(">") => Cmp::Gt,
                Tok::Op(">=") => Cmp::Ge,
                Tok::Name("in") => Cmp::In,
                Tok::Name("not") if matches!(self.look(), Tok::Name("in")) => {
                    self.at += 1;
                    Cmp::NotIn
                }
                _ => break,
            };
            self.at += 1;
            rest.push((cmp, self.sum()?));
        }
        if rest.is_empty() {
            return Ok(first);
        }
        let depth = above(rest.iter().map(|(_, expr)| expr).chain([&first]));
        self.expr(from, depth, ExprKind::Compare(Box::new(first), rest))
    }

    fn sum(&mut self) -> Result<Expr> {
        self.arith(Self::concat, &[("+", Arith::Add), ("-", Arith::Sub)])
    }

    fn concat(&mut self) -> Result<Expr> {
        let from = self.at;
        let first = self.term()?;
        if !self.is_op("~") {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.skip_op("~") {
            parts.push(self.term()?);
        }
        self.expr(from, above(&parts), ExprKind::Concat(parts))
    }

    fn term(&mut self) -> Result<Expr> {
        self.arith(
            Self::power,
            &[("*", Arith::Mul), ("/", Arith::Div), ("//", Arith::FloorDiv), ("%", Arith::Rem)],
        )
    }

    fn power(&mut self) -> Result<Expr> {
        self.arith(|parser| parser.unary(true), &[("**", Arith::Pow)])
    }

    fn arith(&mut self, part: fn(&mut Self) -> Result<Expr>, ops: &[(&str, Arith)]) -> Result<Expr> {
        let from = self.at;
        let mut left = part(self)?;
        while let Tok::Op(sign) = self.peek() {
            let Some((_, op)) = ops.iter().find(|(known, _)| known == sign) else { break };
            self.at += 1;
            let right = part(self)?;
            let depth = above([&left, &right]);
            left = self.expr(from, depth, ExprKind::Arith(*op, Box::new(left), Box::new(right)))?;
        }
        Ok(left)
    }

    fn unary(&mut self, filters: bool) -> Result<Expr> {
        let from = self.at;
        let expr = if self.skip_op("-") {
            let inner = self.deeper(|parser| parser.unary(false))?;
            self.expr(from, inner.depth + 1, ExprKind::Neg(Box::new(inner)))?
        } else if self.skip_op("+") {
            let inner = self.deeper(|parser| parser.unary(false))?;
            self.expr(from, inner.depth + 1, ExprKind::Pos(Box::new(inner)))?
        } else {
            self.primary()?
        };
        let expr = self.postfix(from, expr)?;
        if filters { self.filters(from, expr) } else { Ok(expr) }
    }

    fn primary(&mut self) -> Result<Expr> {
        let from = self.at;
        let kind = match self.next() {
            Tok::Name("true" | "True") => ExprKind::Const(Value::from(true)),
            Tok::Name("false" | "False") => ExprKind::Const(Value::from(false)),
            Tok::Name("none" | "None") => ExprKind::Const(Value::from(())),
            Tok::Name(name) => {
                self.uses[0] |= name == "varargs";
                self.uses[1] |= name == "kwargs";
                self.uses[2] |= name == "caller";
                ExprKind::Var(self.name(name))
            }
            Tok::Str(mut text) => {
                while let Tok::Str(more) = self.peek() {
                    text.push_str(more);
                    self.at += 1;
                }
                self.embedded |= crate::templater::is_template(&text);
                ExprKind::Const(Value::from(text))
            }
            Tok::Int(number) => ExprKind::Const(crate::value::int(number)),
            Tok::Float(number) => ExprKind::Const(Value::from(number)),
            Tok::Huge => {
                self.at = from;
                return Err(self.fail("integers of more than 128 bits are not supported"));
            }
            Tok::Op("(") => {
                let inner = self.deeper(|parser| parser.tuple(true, &[], true))?;
                self.expect_op(")")?;
                return Ok(inner);
            }
            Tok::Op("[") => {
                let items = self.items("]")?;
                let depth = above(&items);
                return self.expr(from, depth, ExprKind::List(items));
            }
            Tok::Op("{") => {
                let mut entries = Vec::new();
                while !self.skip_op("}") {
                    if !entries.is_empty() {
                        self.expect_op(",")?;
                        if self.skip_op("}") {
                            break;
                        }
                    }
                    let key = self.expression()?;
                    self.expect_op(":")?;
                    entries.push((key, self.expression()?));
                }
                let depth = above(entries.iter().flat_map(|(key, value)| [key, value]));
                return self.expr(from, depth, ExprKind::Dict(entries));
            }
            other => {
                self.at = from;
                return Err(self.fail(format!("unexpected {}", describe(&other))));
            }
        };
        self.expr(from, 1, kind)
    }

    fn items(&mut self, close: &str) -> Result<Vec<Expr>> {
        let mut items = Vec::new();
        while !self.skip_op(close) {
            if !items.is_empty() {
                self.expect_op(",")?;
                if self.skip_op(close) {
                    break;
                }
            }
            items.push(self.expression()?);
        }
        Ok(items)
    }

    /// One expression, or several with commas. `conditions`: `x if y` may occur; `stop`: words that end it too.
    pub(super) fn tuple(&mut self, conditions: bool, stop: &[&str], parentheses: bool) -> Result<Expr> {
        let from = self.at;
        let mut items = Vec::new();
        let mut is_tuple = false;
        loop {
            if !items.is_empty() {
                if !self.skip_op(",") {
                    break;
                }
                is_tuple = true;
            }
            let ended = match self.peek() {
                Tok::VariableEnd | Tok::BlockEnd | Tok::End | Tok::Op(")") => true,
                Tok::Name(name) => stop.contains(name),
                _ => false,
            };
            if ended {
                break;
            }
            items.push(if conditions { self.expression()? } else { self.deeper(Self::or)? });
        }
        if !is_tuple {
            if let Some(single) = items.pop() {
                return Ok(single);
            }
            // only parentheses make a tuple of nothing
            if !parentheses {
                return Err(self.fail(format!("Expected an expression, got {}", describe(self.peek()))));
            }
        }
        self.expr(from, above(&items), ExprKind::Tuple(items))
    }

    /// Attributes, subscripts and calls.
    pub(super) fn postfix(&mut self, from: usize, mut expr: Expr) -> Result<Expr> {
        loop {
            expr = match self.peek() {
                Tok::Op(".") => {
                    self.at += 1;
                    match self.next() {
                        Tok::Name(name) => {
                            let name = self.name(name);
                            self.expr(from, expr.depth + 1, ExprKind::Attr(Box::new(expr), name))?
                        }
                        Tok::Int(index) => {
                            let key = self.expr(self.at - 1, 1, ExprKind::Const(crate::value::int(index)))?;
                            self.expr(from, expr.depth + 1, ExprKind::Item(Box::new(expr), Box::new(key)))?
                        }
                        _ => {
                            self.at -= 1;
                            return Err(self.fail("expected name or number"));
                        }
                    }
                }
                Tok::Op("[") => {
                    self.at += 1;
                    self.subscript(from, expr)?
                }
                Tok::Op("(") => self.call(from, expr)?,
                _ => return Ok(expr),
            };
        }
    }

    fn subscript(&mut self, from: usize, base: Expr) -> Result<Expr> {
        let inner = self.at;
        let mut bounds: [Option<Box<Expr>>; 3] = [None, None, None];
        let mut is_slice = false;
        let mut keys = Vec::new();
        if self.is_op("]") {
            return Err(self.fail("expected subscript expression"));
        }
        loop {
            let mut part = 0;
            while !self.is_op("]") && !self.is_op(",") {
                if self.skip_op(":") {
                    is_slice = true;
                    part += 1;
                    if part > 2 {
                        return Err(self.fail("a slice has at most three parts"));
                    }
                    continue;
                }
                if bounds[part].is_some() {
                    return Err(self.expected("]"));
                }
                bounds[part] = Some(Box::new(self.expression()?));
            }
            if is_slice {
                break;
            }
            match bounds[0].take() {
                Some(key) => keys.push(*key),
                None => return Err(self.fail(format!("unexpected {}", describe(self.peek())))),
            }
            if !self.skip_op(",") {
                break;
            }
        }
        self.expect_op("]")?;
        if is_slice {
            let depth = above(bounds.iter().flatten().map(|bound| &**bound).chain([&base]));
            return self.expr(from, depth, ExprKind::Slice(Box::new(base), bounds));
        }
        let key = match keys.len() {
            1 => keys.remove(0),
            _ => {
                let depth = above(&keys);
                self.expr(inner, depth, ExprKind::Tuple(keys))?
            }
        };
        let depth = above([&base, &key]);
        self.expr(from, depth, ExprKind::Item(Box::new(base), Box::new(key)))
    }

    fn call(&mut self, from: usize, callee: Expr) -> Result<Expr> {
        let args = self.arguments()?;
        if let ExprKind::Attr(_, name) = &callee.kind {
            self.mutates |= MUTATING.contains(&&**name);
        }
        self.expr(from, above_args(callee.depth, &args), ExprKind::Call(Box::new(callee), args))
    }

    fn arguments(&mut self) -> Result<Vec<Arg>> {
        self.expect_op("(")?;
        let mut args: Vec<Arg> = Vec::new();
        while !self.skip_op(")") {
            if !args.is_empty() {
                self.expect_op(",")?;
                if self.skip_op(")") {
                    break;
                }
            }
            let named = args.iter().any(|arg| matches!(arg, Arg::Named(..) | Arg::NamedSplat(_)));
            let splat = args.iter().any(|arg| matches!(arg, Arg::NamedSplat(_)));
            let arg = match (self.peek(), self.look()) {
                (Tok::Op("*"), _) if !splat => {
                    self.at += 1;
                    Arg::Splat(self.expression()?)
                }
                (Tok::Op("**"), _) if !splat => {
                    self.at += 1;
                    Arg::NamedSplat(self.expression()?)
                }
                (Tok::Name(name), Tok::Op("=")) if !splat => {
                    let name = *name;
                    let name = self.name(name);
                    self.at += 2;
                    Arg::Named(name, self.expression()?)
                }
                _ if named => return Err(self.fail("invalid syntax for function call expression")),
                _ => Arg::Pos(self.expression()?),
            };
            args.push(arg);
        }
        Ok(args)
    }

    /// Filters, tests and calls of what they yield.
    fn filters(&mut self, from: usize, mut expr: Expr) -> Result<Expr> {
        loop {
            expr = match self.peek() {
                Tok::Op("|") => {
                    self.at += 1;
                    self.filter(from, Some(expr))?
                }
                Tok::Name("is") => {
                    self.at += 1;
                    self.test(from, expr)?
                }
                Tok::Op("(") => self.call(from, expr)?,
                _ => return Ok(expr),
            };
        }
    }

    /// The name of a filter or test, dots included.
    fn dotted(&mut self) -> Result<(usize, String)> {
        let from = self.at;
        let mut name = self.any_name()?.to_owned();
        while self.skip_op(".") {
            name.push('.');
            name.push_str(self.any_name()?);
        }
        Ok((from, name))
    }

    /// One filter, its name being the next token.
    fn filter(&mut self, from: usize, input: Option<Expr>) -> Result<Expr> {
        let (at, name) = self.dotted()?;
        let name = self.known(at, &name, crate::names::filter)?;
        let args = if self.is_op("(") { self.arguments()? } else { Vec::new() };
        let depth = above_args(input.as_ref().map_or(0, |input| input.depth), &args);
        self.expr(from, depth, ExprKind::Filter(name, input.map(Box::new), args))
    }

    /// The filters of a block: a chain without a subject.
    pub(super) fn filter_chain(&mut self) -> Result<Expr> {
        let from = self.at;
        let mut chain = self.filter(from, None)?;
        while self.skip_op("|") {
            chain = self.filter(from, Some(chain))?;
        }
        Ok(chain)
    }

    fn test(&mut self, from: usize, subject: Expr) -> Result<Expr> {
        let negated = self.skip_name("not");
        let (at, name) = self.dotted()?;
        let name = self.known(at, &name, crate::names::test)?;
        let args = match self.peek() {
            Tok::Op("(") => self.arguments()?,
            Tok::Name("else" | "or" | "and") => Vec::new(),
            Tok::Name("is") => return Err(self.fail("You cannot chain multiple tests with is")),
            // a word of the statement around it is no argument
            Tok::Name("if" | "in" | "not" | "recursive") => Vec::new(),
            Tok::Name(_) | Tok::Str(_) | Tok::Int(_) | Tok::Huge | Tok::Float(_) | Tok::Op("[" | "{") => {
                let argument = self.at;
                let primary = self.deeper(Self::primary)?;
                vec![Arg::Pos(self.postfix(argument, primary)?)]
            }
            _ => Vec::new(),
        };
        let depth = above_args(subject.depth, &args);
        let test = self.expr(from, depth, ExprKind::Test(name, Box::new(subject), args))?;
        if negated { self.expr(from, depth + 1, ExprKind::Not(Box::new(test))) } else { Ok(test) }
    }

    /// What a name means, which only those in conditions need not.
    fn known<T>(
        &mut self,
        from: usize,
        name: &str,
        find: impl Fn(&str) -> Result<(Cow<'_, str>, T)>,
    ) -> Result<Known<T>> {
        match find(name) {
            Ok((kept, what)) => Ok(Known { name: self.name(&kept), what: Some(what) }),
            Err(error) => {
                let place = self.place(from);
                let error = error.at(place.line, place.start as usize..place.end as usize);
                let known = Known { name: self.name(name), what: None };
                self.unknown.push((self.soft > 0, error));
                Ok(known)
            }
        }
    }
}
