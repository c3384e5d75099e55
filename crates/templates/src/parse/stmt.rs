//! Statements.

use super::lex::Tok;
use super::{Parser, describe};
use crate::ir::{BlockDef, Expr, ExprKind, ForLoop, MacroDef, Name, Stmt, Target};
use crate::ops::Result;
use std::sync::Arc;

impl<'s> Parser<'s> {
    /// A whole template.
    pub(super) fn template(&mut self) -> Result<Vec<Stmt>> {
        let body = self.body(&[])?;
        match self.peek() {
            Tok::End => Ok(body),
            _ => Err(self.unknown_tag()),
        }
    }

    /// Statements up to the beginning of a block with one of these words, which is the next token then.
    fn body(&mut self, ends: &'static [&'static str]) -> Result<Vec<Stmt>> {
        self.waiting.push(ends);
        let body = self.deeper(|parser| parser.statements(ends))?;
        self.waiting.pop();
        Ok(body)
    }

    fn statements(&mut self, ends: &'static [&'static str]) -> Result<Vec<Stmt>> {
        let mut out = Vec::new();
        loop {
            match self.peek() {
                Tok::Data(text) => {
                    let text = text.clone().into_owned();
                    self.at += 1;
                    match out.last_mut() {
                        Some(Stmt::Raw(before)) => before.push_str(&text),
                        _ => out.push(Stmt::Raw(text)),
                    }
                }
                Tok::VariableBegin => {
                    self.at += 1;
                    let expr = self.tuple(true, &[], false)?;
                    if !matches!(self.next(), Tok::VariableEnd) {
                        self.at -= 1;
                        return Err(self.expected("end of print statement"));
                    }
                    out.push(Stmt::Emit(expr));
                }
                Tok::BlockBegin => {
                    self.at += 1;
                    if let Tok::Name(name) = self.peek()
                        && ends.contains(name)
                    {
                        return Ok(out);
                    }
                    let stmt = self.statement()?;
                    out.extend(stmt);
                    self.block_end()?;
                }
                _ => {
                    if ends.is_empty() {
                        return Ok(out);
                    }
                    return Err(self.unknown_tag());
                }
            }
        }
    }

    fn block_end(&mut self) -> Result<()> {
        if matches!(self.peek(), Tok::BlockEnd) {
            self.at += 1;
            return Ok(());
        }
        Err(self.expected("end of statement block"))
    }

    /// The body of a block, from the end of its opening tag to the end word, which is taken.
    fn inside(&mut self, ends: &'static [&'static str]) -> Result<(Vec<Stmt>, &'s str)> {
        // Jinja2 reads over a colon here, as in Python
        self.skip_op(":");
        self.block_end()?;
        let body = self.body(ends)?;
        Ok((body, self.any_name()?))
    }

    fn unknown_tag(&self) -> crate::TemplateError {
        let mut message = match self.peek() {
            Tok::Name(name) => format!("Encountered unknown tag '{name}'."),
            Tok::End => "Unexpected end of template.".to_owned(),
            other => format!("tag name expected, got {}", describe(other)),
        };
        let wanted: Vec<String> = match self.waiting.iter().rev().find(|ends| !ends.is_empty()) {
            Some(ends) => ends.iter().map(|end| format!("'{end}'")).collect(),
            None => Vec::new(),
        };
        if !wanted.is_empty() {
            message.push_str(&format!(" Jinja was looking for the following tags: {}.", wanted.join(" or ")));
        }
        self.fail(message)
    }

    fn statement(&mut self) -> Result<Vec<Stmt>> {
        let Tok::Name(word) = *self.peek() else { return Err(self.fail("tag name expected")) };
        let begin = self.at;
        self.at += 1;
        Ok(vec![match word {
            "for" => self.for_loop()?,
            "if" => self.if_block()?,
            "with" => self.with_block()?,
            "set" => self.set()?,
            "block" => self.block()?,
            "extends" => Stmt::Extends(self.expression()?),
            "include" => self.include()?,
            "import" => self.import()?,
            "from" => self.names_import()?,
            "macro" => {
                let name = self.target_name()?;
                let (params, defaults) = self.signature()?;
                Stmt::Macro(Arc::new(self.macro_body(name, params, defaults, &["endmacro"])?))
            }
            "call" => self.call_block()?,
            "filter" => {
                let chain = self.filter_chain()?;
                let (body, _) = self.inside(&["endfilter"])?;
                Stmt::FilterBlock(chain, body)
            }
            "autoescape" => {
                self.expression()?;
                let (body, _) = self.inside(&["endautoescape"])?;
                Stmt::Group(body)
            }
            "print" => {
                let mut out = Vec::new();
                while !matches!(self.peek(), Tok::BlockEnd | Tok::End) {
                    if !out.is_empty() {
                        self.expect_op(",")?;
                    }
                    out.push(Stmt::Emit(self.expression()?));
                }
                return Ok(out);
            }
            "do" => Stmt::Do(self.tuple(true, &[], false)?),
            "break" => Stmt::Break,
            "continue" => Stmt::Continue,
            _ => {
                self.at = begin;
                return Err(self.unknown_tag());
            }
        }])
    }

    fn for_loop(&mut self) -> Result<Stmt> {
        let target = self.target(&["in"], false)?;
        self.expect_name("in")?;
        let iter = self.tuple(false, &["recursive"], false)?;
        let filter = if self.skip_name("if") { Some(self.expression()?) } else { None };
        let recursive = self.skip_name("recursive");
        let (body, end) = self.inside(&["endfor", "else"])?;
        let otherwise = if end == "else" { self.inside(&["endfor"])?.0 } else { Vec::new() };
        Ok(Stmt::For(Arc::new(ForLoop { target, iter, filter, recursive, body, otherwise })))
    }

    fn if_block(&mut self) -> Result<Stmt> {
        let mut branches = Vec::new();
        self.soft += 1;
        let stmt = self.branches(&mut branches);
        self.soft -= 1;
        Ok(Stmt::If(branches, stmt?))
    }

    fn branches(&mut self, branches: &mut Vec<(Expr, Vec<Stmt>)>) -> Result<Vec<Stmt>> {
        loop {
            let test = self.tuple(false, &[], false)?;
            let (body, end) = self.inside(&["elif", "else", "endif"])?;
            branches.push((test, body));
            match end {
                "elif" => {}
                "else" => return Ok(self.inside(&["endif"])?.0),
                _ => return Ok(Vec::new()),
            }
        }
    }

    fn with_block(&mut self) -> Result<Stmt> {
        let mut assignments = Vec::new();
        while !matches!(self.peek(), Tok::BlockEnd) {
            if !assignments.is_empty() {
                self.expect_op(",")?;
            }
            let target = self.target(&[], false)?;
            self.expect_op("=")?;
            assignments.push((target, self.expression()?));
        }
        let (body, _) = self.inside(&["endwith"])?;
        Ok(Stmt::With(assignments, body))
    }

    fn set(&mut self) -> Result<Stmt> {
        let target = self.target(&[], true)?;
        if self.skip_op("=") {
            return Ok(Stmt::Set(target, self.tuple(true, &[], false)?));
        }
        let filter = if self.skip_op("|") { Some(self.filter_chain()?) } else { None };
        let (body, _) = self.inside(&["endset"])?;
        Ok(Stmt::SetBlock(target, filter, body))
    }

    fn block(&mut self) -> Result<Stmt> {
        let at = self.at;
        let name = self.any_name()?;
        let name = self.name(name);
        if self.blocks.iter().any(|block| block.name == name) {
            let place = self.place(at);
            return Err(self.fail_at(place, format!("block '{name}' defined twice")));
        }
        let scoped = self.skip_name("scoped");
        let required = self.skip_name("required");
        if self.is_op("-") {
            return Err(self.fail(
                "Block names in Jinja have to be valid Python identifiers and may not contain hyphens, use an \
                 underscore instead.",
            ));
        }
        let (body, _) = self.inside(&["endblock"])?;
        if required && !body.iter().all(|stmt| matches!(stmt, Stmt::Raw(text) if text.trim().is_empty())) {
            return Err(self.fail("Required blocks can only contain comments or whitespace"));
        }
        self.skip_name(&name);
        let block = Arc::new(BlockDef { name, body, scoped, required });
        self.blocks.push(block.clone());
        Ok(Stmt::Block(block))
    }

    /// `with context` or `without context`, else the default.
    fn context(&mut self, default: bool) -> bool {
        let with = match (self.peek(), self.look()) {
            (Tok::Name("with"), Tok::Name("context")) => true,
            (Tok::Name("without"), Tok::Name("context")) => false,
            _ => return default,
        };
        self.at += 2;
        with
    }

    fn include(&mut self) -> Result<Stmt> {
        let name = self.expression()?;
        let ignore_missing =
            matches!((self.peek(), self.look()), (Tok::Name("ignore"), Tok::Name("missing")));
        self.at += if ignore_missing { 2 } else { 0 };
        let context = self.context(true);
        Ok(Stmt::Include { name, ignore_missing, context })
    }

    fn import(&mut self) -> Result<Stmt> {
        let name = self.expression()?;
        self.expect_name("as")?;
        let target = self.target_name()?;
        let context = self.context(false);
        Ok(Stmt::Import { name, target, context })
    }

    fn names_import(&mut self) -> Result<Stmt> {
        let name = self.expression()?;
        self.expect_name("import")?;
        let mut names = Vec::new();
        let mut context = false;
        loop {
            if !names.is_empty() && !self.skip_op(",") {
                context = self.context(false);
                break;
            }
            let tokens = (self.peek(), self.look());
            if matches!(tokens, (Tok::Name("with" | "without"), Tok::Name("context"))) {
                context = self.context(false);
                break;
            }
            if !names.is_empty() && matches!(self.peek(), Tok::BlockEnd) {
                break;
            }
            let imported = self.target_name()?;
            if imported.starts_with('_') {
                return Err(self.fail("names starting with an underline can not be imported"));
            }
            let alias = if self.skip_name("as") { self.target_name()? } else { imported.clone() };
            names.push((imported, alias));
        }
        Ok(Stmt::FromImport { name, names, context })
    }

    fn signature(&mut self) -> Result<(Vec<Name>, Vec<Expr>)> {
        let (mut params, mut defaults) = (Vec::new(), Vec::new());
        self.expect_op("(")?;
        while !self.skip_op(")") {
            if !params.is_empty() {
                self.expect_op(",")?;
                if self.skip_op(")") {
                    break;
                }
            }
            let param = self.target_name()?;
            if self.skip_op("=") {
                defaults.push(self.expression()?);
            } else if !defaults.is_empty() {
                return Err(self.fail("non-default argument follows default argument"));
            }
            params.push(param);
        }
        Ok((params, defaults))
    }

    fn macro_body(
        &mut self,
        name: Name,
        params: Vec<Name>,
        defaults: Vec<Expr>,
        end: &'static [&'static str],
    ) -> Result<MacroDef> {
        let outer = std::mem::take(&mut self.uses);
        let (body, _) = self.inside(end)?;
        let [varargs, kwargs, caller] = std::mem::replace(&mut self.uses, outer);
        Ok(MacroDef { name, params, defaults, body, varargs, kwargs, caller })
    }

    fn call_block(&mut self) -> Result<Stmt> {
        let (params, defaults) = if self.is_op("(") { self.signature()? } else { (Vec::new(), Vec::new()) };
        let call = self.expression()?;
        if !matches!(call.kind, ExprKind::Call(..)) {
            return Err(self.fail_at(call.place, "expected call"));
        }
        let name = self.name("caller");
        let def = self.macro_body(name, params, defaults, &["endcall"])?;
        Ok(Stmt::CallBlock(call, Arc::new(def)))
    }

    /// A name that may be assigned to.
    fn target_name(&mut self) -> Result<Name> {
        let at = self.at;
        let name = self.any_name()?;
        if matches!(name, "true" | "false" | "none" | "True" | "False" | "None") {
            let place = self.place(at);
            return Err(self.fail_at(place, format!("can't assign to '{name}'")));
        }
        Ok(self.name(name))
    }

    /// What an assignment writes to. `stop`: words that end it; `attributes`: namespaces may be written to.
    fn target(&mut self, stop: &[&str], attributes: bool) -> Result<Target> {
        if attributes && let (Tok::Name(name), Tok::Op(".")) = (self.peek(), self.look()) {
            let name = *name;
            let from = self.at;
            let name = self.name(name);
            self.at += 1;
            let base = self.expr(from, 1, ExprKind::Var(name))?;
            self.at += 1;
            let attr = self.any_name()?;
            self.mutates = true;
            return Ok(Target::Attr(base, self.name(attr)));
        }
        let from = self.at;
        let mut targets = Vec::new();
        let mut many = false;
        loop {
            if matches!(self.peek(), Tok::BlockEnd) && targets.is_empty() {
                return Err(self.fail(format!("Expected an expression, got {}", describe(self.peek()))));
            }
            targets.push(if self.skip_op("(") {
                let inner = self.deeper(|parser| parser.target(&[], attributes))?;
                self.expect_op(")")?;
                inner
            } else {
                let name = self.target_name()?;
                Target::Name(name)
            });
            if !self.skip_op(",") {
                break;
            }
            many = true;
            let ended = match self.peek() {
                Tok::BlockEnd | Tok::Op("=" | ")") => true,
                Tok::Name(name) => stop.contains(name),
                _ => false,
            };
            if ended {
                break;
            }
        }
        if !many && let Some(single) = targets.pop() {
            return Ok(single);
        }
        Ok(Target::Many(targets, self.place(from)))
    }
}
