//! From minijinja's syntax tree to ours.
//!
//! minijinja parses; evaluation is ours, because Ansible's meaning of undefined values, Python's operators
//! and printing, and native types are not reachable through minijinja's machine.

use crate::error::{ErrorKind, TemplateError};
use crate::ir::{
    Arg, Bare, BlockDef, Cmp, Expr, ExprKind, ForLoop, MacroDef, Name, Place, Program, Stmt, Target,
};
use crate::ops::{Arith, Result};
use minijinja::Value;
use minijinja::machinery::{Span, ast, parse, parse_expr};
use minijinja::syntax::SyntaxConfig;
use std::collections::HashSet;
use std::sync::Arc;

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

/// Compiles a template text. `literal_escapes`: backslashes in string literals stand for themselves, as
/// Ansible has it everywhere but in template files.
pub(crate) fn program(source: &str, syntax: SyntaxConfig, literal_escapes: bool) -> Result<Program> {
    let mut lowerer = Lowerer::new(source, literal_escapes);
    let doubled;
    let tree = match parse(source, "<template>", syntax.clone()) {
        Err(error) if literal_escapes && error.kind() == minijinja::ErrorKind::BadEscape => {
            // an escape minijinja refuses ('C:\users'): literal anyway, so double it and parse again
            doubled = source.replace('\\', "\\\\");
            lowerer = Lowerer::new(&doubled, false);
            lowerer.undouble = true;
            parse(&doubled, "<template>", syntax)
        }
        other => other,
    }
    .map_err(|error| syntax_error(source, &error))?;
    let ast::Stmt::Template(template) = &tree else {
        return Err(TemplateError::new(ErrorKind::Syntax, "not a template"));
    };
    let body = lowerer.stmts(&template.children)?;
    Ok(Program { body, blocks: lowerer.blocks, mutates: lowerer.mutates })
}

/// Compiles a bare expression.
pub(crate) fn expression(source: &str) -> Result<Bare> {
    let mut lowerer = Lowerer::new(source, false);
    let tree = parse_expr(source).map_err(|error| syntax_error(source, &error))?;
    let expr = lowerer.expr(&tree)?;
    Ok(Bare { expr, mutates: lowerer.mutates, embedded: lowerer.embedded })
}

fn syntax_error(source: &str, error: &minijinja::Error) -> TemplateError {
    let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    let mut out = TemplateError::new(ErrorKind::Syntax, detail);
    out.line = error.line().and_then(|line| u32::try_from(line).ok());
    out.range = error.range().map(|range| {
        range.start.min(source.len())..range.end.clamp(range.start.min(source.len()), source.len())
    });
    out
}

struct Lowerer<'a> {
    source: &'a str,
    literal_escapes: bool,
    /// Inside `{{ }}` of a text whose escapes are literal; `{% %}` has escapes everywhere.
    literal: bool,
    undouble: bool,
    /// Some string literal holds a template.
    embedded: bool,
    mutates: bool,
    blocks: Vec<Arc<BlockDef>>,
    names: HashSet<Name>,
    uses: Vec<&'static str>,
}

impl<'a> Lowerer<'a> {
    fn new(source: &'a str, literal_escapes: bool) -> Self {
        Self {
            source,
            literal_escapes,
            literal: false,
            embedded: false,
            undouble: false,
            mutates: false,
            blocks: Vec::new(),
            names: HashSet::new(),
            uses: Vec::new(),
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

    fn place(&self, span: Span) -> Place {
        let (start, end) = if self.undouble {
            let real = |offset: u32| {
                let before = self.source.get(..offset as usize).unwrap_or_default();
                offset - u32::try_from(before.matches('\\').count() / 2).unwrap_or(0)
            };
            (real(span.start_offset), real(span.end_offset))
        } else {
            (span.start_offset, span.end_offset)
        };
        Place { line: u32::from(span.start_line), start, end: end.max(start) }
    }

    fn stmts(&mut self, stmts: &[ast::Stmt<'_>]) -> Result<Vec<Stmt>> {
        stmts.iter().map(|stmt| self.stmt(stmt)).collect()
    }

    fn stmt(&mut self, stmt: &ast::Stmt<'_>) -> Result<Stmt> {
        Ok(match stmt {
            ast::Stmt::Template(template) => Stmt::Group(self.stmts(&template.children)?),
            ast::Stmt::EmitRaw(raw) => {
                Stmt::Raw(if self.undouble { raw.raw.replace("\\\\", "\\") } else { raw.raw.to_owned() })
            }
            ast::Stmt::EmitExpr(emit) => {
                self.literal = self.literal_escapes;
                let expr = self.expr(&emit.expr);
                self.literal = false;
                Stmt::Emit(expr?)
            }
            ast::Stmt::ForLoop(stmt) => Stmt::For(Arc::new(ForLoop {
                target: self.target(&stmt.target)?,
                iter: self.expr(&stmt.iter)?,
                filter: stmt.filter_expr.as_ref().map(|filter| self.expr(filter)).transpose()?,
                recursive: stmt.recursive,
                body: self.stmts(&stmt.body)?,
                otherwise: self.stmts(&stmt.else_body)?,
            })),
            ast::Stmt::IfCond(stmt) => {
                Stmt::If(self.expr(&stmt.expr)?, self.stmts(&stmt.true_body)?, self.stmts(&stmt.false_body)?)
            }
            ast::Stmt::WithBlock(stmt) => Stmt::With(
                stmt.assignments
                    .iter()
                    .map(|(target, expr)| Ok((self.target(target)?, self.expr(expr)?)))
                    .collect::<Result<_>>()?,
                self.stmts(&stmt.body)?,
            ),
            ast::Stmt::Set(stmt) => Stmt::Set(self.target(&stmt.target)?, self.expr(&stmt.expr)?),
            ast::Stmt::SetBlock(stmt) => Stmt::SetBlock(
                self.target(&stmt.target)?,
                stmt.filter.as_ref().map(|filter| self.expr(filter)).transpose()?,
                self.stmts(&stmt.body)?,
            ),
            ast::Stmt::AutoEscape(stmt) => Stmt::Group(self.stmts(&stmt.body)?),
            ast::Stmt::FilterBlock(stmt) => {
                Stmt::FilterBlock(self.expr(&stmt.filter)?, self.stmts(&stmt.body)?)
            }
            ast::Stmt::Block(stmt) => {
                let block = Arc::new(BlockDef { name: self.name(stmt.name), body: self.stmts(&stmt.body)? });
                self.blocks.push(block.clone());
                Stmt::Block(block)
            }
            ast::Stmt::Extends(stmt) => Stmt::Extends(self.expr(&stmt.name)?),
            ast::Stmt::Include(stmt) => {
                Stmt::Include { name: self.expr(&stmt.name)?, ignore_missing: stmt.ignore_missing }
            }
            ast::Stmt::Import(stmt) => Stmt::Import(self.expr(&stmt.expr)?, self.target(&stmt.name)?),
            ast::Stmt::FromImport(stmt) => {
                let expr = self.expr(&stmt.expr)?;
                let mut names = Vec::with_capacity(stmt.names.len());
                for (name, alias) in &stmt.names {
                    let name = self.var_name(name)?;
                    let alias = match alias {
                        Some(alias) => self.var_name(alias)?,
                        None => name.clone(),
                    };
                    names.push((name, alias));
                }
                Stmt::FromImport(expr, names)
            }
            ast::Stmt::Macro(stmt) => Stmt::Macro(Arc::new(self.macro_def(stmt)?)),
            ast::Stmt::CallBlock(stmt) => {
                let call = self.call(&stmt.call)?;
                Stmt::CallBlock(call, Arc::new(self.macro_def(&stmt.macro_decl)?))
            }
            ast::Stmt::Continue(_) => Stmt::Continue,
            ast::Stmt::Break(_) => Stmt::Break,
            ast::Stmt::Do(stmt) => Stmt::Do(self.call(&stmt.call)?),
        })
    }

    fn macro_def(&mut self, def: &ast::Macro<'_>) -> Result<MacroDef> {
        let outer = std::mem::take(&mut self.uses);
        let params = def.args.iter().map(|arg| self.var_name(arg)).collect::<Result<_>>()?;
        let defaults = def.defaults.iter().map(|expr| self.expr(expr)).collect::<Result<_>>()?;
        let body = self.stmts(&def.body)?;
        let uses = std::mem::replace(&mut self.uses, outer);
        Ok(MacroDef {
            name: self.name(def.name),
            params,
            defaults,
            body,
            varargs: uses.contains(&"varargs"),
            kwargs: uses.contains(&"kwargs"),
        })
    }

    fn var_name(&mut self, expr: &ast::Expr<'_>) -> Result<Name> {
        match expr {
            ast::Expr::Var(var) => Ok(self.name(var.id)),
            other => Err(self.bad(other, "expected a name")),
        }
    }

    fn target(&mut self, expr: &ast::Expr<'_>) -> Result<Target> {
        Ok(match expr {
            ast::Expr::Var(var) => Target::Name(self.name(var.id)),
            ast::Expr::GetAttr(attr) => {
                self.mutates = true;
                Target::Attr(self.expr(&attr.expr)?, self.name(attr.name))
            }
            ast::Expr::List(list) => Target::Many(
                list.items.iter().map(|item| self.target(item)).collect::<Result<_>>()?,
                self.place(list.span()),
            ),
            ast::Expr::Tuple(tuple) => Target::Many(
                tuple.items.iter().map(|item| self.target(item)).collect::<Result<_>>()?,
                self.place(tuple.span()),
            ),
            other => return Err(self.bad(other, "cannot assign to this expression")),
        })
    }

    fn bad(&self, expr: &ast::Expr<'_>, message: &str) -> TemplateError {
        let place = self.place(expr.span());
        TemplateError::new(ErrorKind::Syntax, message)
            .at(place.line, place.start as usize..place.end as usize)
    }

    fn boxed(&mut self, expr: &ast::Expr<'_>) -> Result<Box<Expr>> {
        self.expr(expr).map(Box::new)
    }

    fn maybe(&mut self, expr: Option<&ast::Expr<'_>>) -> Result<Option<Box<Expr>>> {
        expr.map(|expr| self.boxed(expr)).transpose()
    }

    fn exprs(&mut self, exprs: &[ast::Expr<'_>]) -> Result<Vec<Expr>> {
        exprs.iter().map(|expr| self.expr(expr)).collect()
    }

    fn args(&mut self, args: &[ast::CallArg<'_>]) -> Result<Vec<Arg>> {
        args.iter()
            .map(|arg| {
                Ok(match arg {
                    ast::CallArg::Pos(expr) => Arg::Pos(self.expr(expr)?),
                    ast::CallArg::Kwarg(name, expr) => Arg::Named(self.name(name), self.expr(expr)?),
                    ast::CallArg::PosSplat(expr) => Arg::Splat(self.expr(expr)?),
                    ast::CallArg::KwargSplat(expr) => Arg::NamedSplat(self.expr(expr)?),
                })
            })
            .collect()
    }

    fn call(&mut self, call: &ast::Spanned<ast::Call<'_>>) -> Result<Expr> {
        if let ast::Expr::GetAttr(attr) = &call.expr {
            self.mutates |= MUTATING.contains(&attr.name);
        }
        let callee = self.boxed(&call.expr)?;
        Ok(Expr { place: self.place(call.span()), kind: ExprKind::Call(callee, self.args(&call.args)?) })
    }

    fn expr(&mut self, expr: &ast::Expr<'_>) -> Result<Expr> {
        let place = self.place(expr.span());
        let kind = match expr {
            ast::Expr::Var(var) => {
                for special in ["varargs", "kwargs"] {
                    if var.id == special {
                        self.uses.push(special);
                    }
                }
                ExprKind::Var(self.name(var.id))
            }
            ast::Expr::Const(constant) => {
                let value = self.constant(&constant.value, constant.span());
                self.embedded |= value.as_str().is_some_and(crate::templater::is_template);
                ExprKind::Const(value)
            }
            ast::Expr::Slice(slice) => ExprKind::Slice(
                self.boxed(&slice.expr)?,
                [
                    self.maybe(slice.start.as_ref())?,
                    self.maybe(slice.stop.as_ref())?,
                    self.maybe(slice.step.as_ref())?,
                ],
            ),
            ast::Expr::UnaryOp(unary) => match unary.op {
                ast::UnaryOpKind::Not => ExprKind::Not(self.boxed(&unary.expr)?),
                ast::UnaryOpKind::Neg => ExprKind::Neg(self.boxed(&unary.expr)?),
            },
            ast::Expr::BinOp(binary) => self.binary(binary)?,
            ast::Expr::Compare(compare) => ExprKind::Compare(
                self.boxed(&compare.expr)?,
                compare
                    .ops
                    .iter()
                    .map(|op| {
                        let sign = match op.op {
                            ast::CompareOpKind::Eq => Cmp::Eq,
                            ast::CompareOpKind::Ne => Cmp::Ne,
                            ast::CompareOpKind::Lt => Cmp::Lt,
                            ast::CompareOpKind::Lte => Cmp::Le,
                            ast::CompareOpKind::Gt => Cmp::Gt,
                            ast::CompareOpKind::Gte => Cmp::Ge,
                            ast::CompareOpKind::In => Cmp::In,
                            ast::CompareOpKind::NotIn => Cmp::NotIn,
                        };
                        Ok((sign, self.expr(&op.expr)?))
                    })
                    .collect::<Result<_>>()?,
            ),
            ast::Expr::IfExpr(cond) => ExprKind::If(
                self.boxed(&cond.test_expr)?,
                self.boxed(&cond.true_expr)?,
                self.maybe(cond.false_expr.as_ref())?,
            ),
            ast::Expr::Filter(filter) => ExprKind::Filter(
                self.known(filter.name, place, true)?,
                self.maybe(filter.expr.as_ref())?,
                self.args(&filter.args)?,
            ),
            ast::Expr::Test(test) => ExprKind::Test(
                self.known(test.name, place, false)?,
                self.boxed(&test.expr)?,
                self.args(&test.args)?,
            ),
            ast::Expr::GetAttr(attr) => ExprKind::Attr(self.boxed(&attr.expr)?, self.name(attr.name)),
            ast::Expr::GetItem(item) => {
                ExprKind::Item(self.boxed(&item.expr)?, self.boxed(&item.subscript_expr)?)
            }
            ast::Expr::Call(call) => return self.call(call),
            ast::Expr::List(list) => ExprKind::List(self.exprs(&list.items)?),
            ast::Expr::Tuple(tuple) => ExprKind::Tuple(self.exprs(&tuple.items)?),
            ast::Expr::Map(map) => ExprKind::Dict(
                map.keys
                    .iter()
                    .zip(&map.values)
                    .map(|(key, value)| Ok((self.expr(key)?, self.expr(value)?)))
                    .collect::<Result<_>>()?,
            ),
        };
        Ok(Expr { place, kind })
    }

    /// The short name of a filter or test (`ansible.builtin.bool` is `bool`), which must exist.
    fn known(&mut self, name: &str, place: Place, filter: bool) -> Result<Name> {
        let short = crate::names::short(name);
        let found = if filter { crate::filters::exists(short) } else { crate::tests::exists(short) };
        if found {
            return Ok(self.name(short));
        }
        let error =
            if filter { crate::names::unknown_filter(name) } else { crate::names::unknown_test(name) };
        Err(error.at(place.line, place.start as usize..place.end as usize))
    }

    fn binary(&mut self, binary: &ast::BinOp<'_>) -> Result<ExprKind> {
        let left = self.boxed(&binary.left)?;
        let right = self.boxed(&binary.right)?;
        let compare = |cmp, left, right: Box<Expr>| ExprKind::Compare(left, vec![(cmp, *right)]);
        Ok(match binary.op {
            ast::BinOpKind::Eq => compare(Cmp::Eq, left, right),
            ast::BinOpKind::Ne => compare(Cmp::Ne, left, right),
            ast::BinOpKind::Lt => compare(Cmp::Lt, left, right),
            ast::BinOpKind::Lte => compare(Cmp::Le, left, right),
            ast::BinOpKind::Gt => compare(Cmp::Gt, left, right),
            ast::BinOpKind::Gte => compare(Cmp::Ge, left, right),
            ast::BinOpKind::In => compare(Cmp::In, left, right),
            ast::BinOpKind::ScAnd => ExprKind::And(left, right),
            ast::BinOpKind::ScOr => ExprKind::Or(left, right),
            ast::BinOpKind::Add => ExprKind::Arith(Arith::Add, left, right),
            ast::BinOpKind::Sub => ExprKind::Arith(Arith::Sub, left, right),
            ast::BinOpKind::Mul => ExprKind::Arith(Arith::Mul, left, right),
            ast::BinOpKind::Div => ExprKind::Arith(Arith::Div, left, right),
            ast::BinOpKind::FloorDiv => ExprKind::Arith(Arith::FloorDiv, left, right),
            ast::BinOpKind::Rem => ExprKind::Arith(Arith::Rem, left, right),
            ast::BinOpKind::Pow => ExprKind::Arith(Arith::Pow, left, right),
            ast::BinOpKind::Concat => ExprKind::Concat(left, right),
        })
    }

    fn constant(&self, value: &Value, span: Span) -> Value {
        if value.as_str().is_none() {
            return value.clone();
        }
        let raw = self.source.get(span.start_offset as usize..span.end_offset as usize).unwrap_or_default();
        if self.literal
            && raw.contains('\\')
            && let Some(text) = literal_text(raw)
        {
            return Value::from(text);
        }
        value.clone()
    }
}

/// The text of one or several adjacent string literals with every backslash kept, except the one that
/// protects a quote.
fn literal_text(raw: &str) -> Option<String> {
    let mut out = String::new();
    let mut chars = raw.chars();
    while let Some(quote) = chars.next() {
        if quote.is_whitespace() {
            continue;
        }
        if quote != '\'' && quote != '"' {
            return None;
        }
        loop {
            match chars.next()? {
                '\\' => {
                    let next = chars.next()?;
                    out.push('\\');
                    out.push(next);
                }
                c if c == quote => break,
                c => out.push(c),
            }
        }
    }
    Some(out)
}
