//! From text to the compiled form: Jinja2's grammar in full.
//!
//! The parser is ours and not minijinja's, since that one lacks parts of Jinja2 (unary plus, `required` and `scoped`
//! blocks, contexts of imports, line statements of any kind) and gives no promise about its syntax tree.

mod escape;
mod expr;
mod lex;
mod stmt;

pub(crate) use lex::Syntax;

use crate::error::{ErrorKind, TemplateError};
use crate::ir::{Bare, BlockDef, Expr, ExprKind, Name, Place, Program};
use crate::ops::Result;
use lex::{Tok, Token};
use std::collections::HashSet;
use std::sync::Arc;

/// Deepest expression: beyond it evaluation might exhaust the stack.
const MAX_DEPTH: u16 = 100;

/// Deepest nesting of brackets, prefixes and blocks: each level takes many steps of the parser, and a worker's stack has
/// 2 MiB.
const MAX_NESTING: u16 = 40;

/// Compiles a template text.
pub(crate) fn program(source: &str, syntax: &Syntax) -> Result<Program> {
    let normal;
    let source = if source.contains('\r') {
        normal = source.replace("\r\n", "\n").replace('\r', "\n");
        &normal
    } else {
        source
    };
    let mut parser = Parser::new(lex::template(source, syntax)?);
    let body = parser.template()?;
    parser.check_known()?;
    Ok(Program { body, blocks: parser.blocks, mutates: parser.mutates })
}

/// Compiles a bare expression.
pub(crate) fn expression(source: &str) -> Result<Bare> {
    let syntax = Syntax::default();
    let mut parser = Parser::new(lex::expression(source, &syntax)?);
    let expr = parser.expression()?;
    if !matches!(parser.peek(), Tok::End) {
        return Err(parser.fail("chunk after expression"));
    }
    parser.check_known()?;
    Ok(Bare { expr, mutates: parser.mutates, embedded: parser.embedded })
}

struct Parser<'s> {
    tokens: Vec<Token<'s>>,
    at: usize,
    depth: u16,
    /// Ends that open blocks are waiting for, for the message about a missing one.
    waiting: Vec<&'static [&'static str]>,
    names: HashSet<Name>,
    blocks: Vec<Arc<BlockDef>>,
    mutates: bool,
    embedded: bool,
    /// Which of `varargs`, `kwargs` and `caller` the macro being read uses.
    uses: [bool; 3],
    /// Within conditions: what is unknown there may never be asked for.
    soft: usize,
    /// Filters and tests nobody knows, and whether that is put off until they are asked for.
    unknown: Vec<(bool, TemplateError)>,
}

impl<'s> Parser<'s> {
    fn new(tokens: Vec<Token<'s>>) -> Self {
        Self {
            tokens,
            at: 0,
            depth: 0,
            waiting: Vec::new(),
            names: HashSet::new(),
            blocks: Vec::new(),
            mutates: false,
            embedded: false,
            uses: [false; 3],
            soft: 0,
            unknown: Vec::new(),
        }
    }

    fn check_known(&mut self) -> Result<()> {
        match self.unknown.iter().position(|(soft, _)| !soft) {
            Some(at) => Err(self.unknown.remove(at).1),
            None => Ok(()),
        }
    }

    fn peek(&self) -> &Tok<'s> {
        &self.tokens[self.at.min(self.tokens.len() - 1)].tok
    }

    fn look(&self) -> &Tok<'s> {
        &self.tokens[(self.at + 1).min(self.tokens.len() - 1)].tok
    }

    fn next(&mut self) -> Tok<'s> {
        let tok = self.peek().clone();
        self.at += 1;
        tok
    }

    fn is_op(&self, op: &str) -> bool {
        matches!(self.peek(), Tok::Op(known) if *known == op)
    }

    fn is_name(&self, name: &str) -> bool {
        matches!(self.peek(), Tok::Name(known) if *known == name)
    }

    fn skip_op(&mut self, op: &str) -> bool {
        let found = self.is_op(op);
        self.at += usize::from(found);
        found
    }

    fn skip_name(&mut self, name: &str) -> bool {
        let found = self.is_name(name);
        self.at += usize::from(found);
        found
    }

    fn expect_op(&mut self, op: &str) -> Result<()> {
        if self.skip_op(op) { Ok(()) } else { Err(self.expected(op)) }
    }

    fn expect_name(&mut self, name: &str) -> Result<()> {
        if self.skip_name(name) { Ok(()) } else { Err(self.expected(name)) }
    }

    /// A name that is no delimiter of anything.
    fn any_name(&mut self) -> Result<&'s str> {
        match self.peek() {
            Tok::Name(name) => {
                let name = *name;
                self.at += 1;
                Ok(name)
            }
            _ => Err(self.expected("name")),
        }
    }

    fn name(&mut self, name: &str) -> Name {
        if let Some(known) = self.names.get(name) {
            return known.clone();
        }
        let name: Name = Arc::from(name);
        self.names.insert(name.clone());
        name
    }

    fn token(&self, at: usize) -> &Token<'s> {
        &self.tokens[at.min(self.tokens.len() - 1)]
    }

    /// From the token `from` to the one before the current.
    fn place(&self, from: usize) -> Place {
        let first = self.token(from);
        let last = self.token(self.at.saturating_sub(1).max(from));
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Place { line: first.line, start: offset(first.start), end: offset(last.end) }
    }

    fn expr(&self, from: usize, depth: u16, kind: ExprKind) -> Result<Expr> {
        if depth > MAX_DEPTH {
            return Err(self.fail("the expression is nested too deeply"));
        }
        Ok(Expr { place: self.place(from), depth, kind })
    }

    /// Runs one level deeper.
    fn deeper<T>(&mut self, run: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= MAX_NESTING {
            return Err(self.fail("the template is nested too deeply"));
        }
        self.depth += 1;
        let result = run(self);
        self.depth -= 1;
        result
    }

    /// An error at the current token.
    fn fail(&self, message: impl Into<String>) -> TemplateError {
        let token = self.token(self.at);
        TemplateError::new(ErrorKind::Syntax, message).at(token.line, token.start..token.end)
    }

    fn fail_at(&self, place: Place, message: impl Into<String>) -> TemplateError {
        TemplateError::new(ErrorKind::Syntax, message)
            .at(place.line, place.start as usize..place.end as usize)
    }

    fn expected(&self, what: &str) -> TemplateError {
        self.fail(match self.peek() {
            Tok::End => format!("unexpected end of template, expected '{what}'."),
            found => format!("expected token '{what}', got {}", describe(found)),
        })
    }
}

/// The token as Jinja's messages call it.
fn describe(tok: &Tok<'_>) -> String {
    match tok {
        Tok::Data(_) => "'template data / text'".to_owned(),
        Tok::VariableBegin => "'begin of print statement'".to_owned(),
        Tok::VariableEnd => "'end of print statement'".to_owned(),
        Tok::BlockBegin => "'begin of statement block'".to_owned(),
        Tok::BlockEnd => "'end of statement block'".to_owned(),
        Tok::Name(name) => format!("'{name}'"),
        Tok::Str(_) => "'string'".to_owned(),
        Tok::Int(_) | Tok::Huge => "'integer'".to_owned(),
        Tok::Float(_) => "'float'".to_owned(),
        Tok::Op(op) => format!("'{op}'"),
        Tok::End => "'end of template'".to_owned(),
    }
}
