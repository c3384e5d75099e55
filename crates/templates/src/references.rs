//! What a template reads, without evaluating it.

use crate::ir::{Arg, Expr, ExprKind, ForLoop, MacroDef, Program, Stmt, Target};
use crate::templater::{FileOptions, Kind, Templater, is_template, is_whole_template};
use std::collections::HashSet;
use std::ops::Range;

/// The free variables of a template and the names nobody knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct References {
    /// Variables that must exist for the template to succeed; each once, at its first place. Variables that
    /// are guarded (`is defined`, `default`, within `if x is defined`) are not among them.
    pub required: Vec<Used>,
    /// Variables that are read but may be missing.
    pub optional: Vec<Used>,
    /// Names looked up with `lookup`, `query` or `q`, where they are written out.
    pub lookups: Vec<Used>,
    /// Template files named by `include`, `import`, `extends`, where they are written out.
    pub files: Vec<Used>,
    /// The template is a child of another: it may be that only its blocks are rendered.
    pub extends: bool,
}

/// A name and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Used {
    /// The name as written.
    pub name: String,
    /// 1-based line within the text.
    pub line: u32,
    /// Bytes within the text.
    pub range: Range<usize>,
    /// Read whenever the text is evaluated: not only in a branch, a loop's body or the right side of `and` and `or`.
    pub certain: bool,
}

impl Templater {
    /// What the text reads. A text that does not compile reads nothing: ask
    /// [`Templater::check_syntax`] first.
    pub fn references(&self, text: &str, kind: Kind) -> References {
        let mut walk = Walk::default();
        match kind {
            Kind::Expression if !is_whole_template(text.trim()) => {
                if let Ok(bare) = self.compile_expression(text) {
                    walk.expr(&bare.expr, false);
                }
            }
            Kind::Text | Kind::Expression => {
                if is_template(text)
                    && let Ok(program) = self.compile_text(text, true)
                {
                    walk.program(&program);
                }
            }
            Kind::File => {
                if let Ok(compiled) = self.compile_file(text, &FileOptions::default()) {
                    walk.program(&compiled.program);
                }
            }
        }
        walk.found
    }
}

#[derive(Default)]
struct Walk {
    found: References,
    /// Names bound by the template itself, by nesting.
    bound: Vec<HashSet<String>>,
    /// Names known to be defined here.
    guarded: Vec<String>,
    /// How many branches and loops we are in.
    maybe: usize,
}

fn used(name: &str, place: crate::ir::Place) -> Used {
    Used {
        name: name.to_owned(),
        line: place.line,
        range: place.start as usize..place.end as usize,
        certain: true,
    }
}

fn push(list: &mut Vec<Used>, item: Used) {
    match list.iter_mut().find(|known| known.name == item.name) {
        Some(known) if item.certain && !known.certain => *known = item,
        Some(_) => {}
        None => list.push(item),
    }
}

impl Walk {
    fn program(&mut self, program: &Program) {
        self.bound.push(HashSet::new());
        // macros may be called before they are defined further down
        for stmt in &program.body {
            if let Stmt::Macro(def) = stmt {
                self.bind(&def.name);
            }
        }
        self.stmts(&program.body);
        self.bound.pop();
    }

    fn bind(&mut self, name: &str) {
        if let Some(scope) = self.bound.last_mut() {
            scope.insert(name.to_owned());
        }
    }

    fn is_bound(&self, name: &str) -> bool {
        self.bound.iter().any(|scope| scope.contains(name)) || crate::functions::is_global(name)
    }

    fn target(&mut self, target: &Target) {
        match target {
            Target::Name(name) => self.bind(name),
            Target::Attr(base, _) => self.expr(base, true),
            Target::Many(targets, _) => targets.iter().for_each(|target| self.target(target)),
        }
    }

    fn scoped(&mut self, walk: impl FnOnce(&mut Self)) {
        self.bound.push(HashSet::new());
        let guards = self.guarded.len();
        walk(self);
        self.guarded.truncate(guards);
        self.bound.pop();
    }

    fn stmts(&mut self, stmts: &[Stmt]) {
        stmts.iter().for_each(|stmt| self.stmt(stmt));
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match stmt {
            Stmt::Raw(_) | Stmt::Continue | Stmt::Break => {}
            Stmt::Emit(expr) | Stmt::Do(expr) => self.expr(expr, false),
            Stmt::For(def) => self.for_loop(def),
            Stmt::If(branches, otherwise) => {
                let guards = self.guarded.len();
                let maybe = self.maybe;
                for (test, body) in branches {
                    self.expr(test, false);
                    self.guarded_by(test, true, |walk| walk.stmts(body));
                    // the next condition is asked only if this one did not hold
                    self.learn(test, false);
                    self.maybe += 1;
                }
                self.stmts(otherwise);
                self.maybe = maybe;
                self.guarded.truncate(guards);
            }
            Stmt::With(assignments, body) => self.scoped(|walk| {
                for (target, expr) in assignments {
                    walk.expr(expr, true);
                    walk.target(target);
                }
                walk.stmts(body);
            }),
            Stmt::Set(target, expr) => {
                // a set of a missing variable fails only where the new name is used
                self.expr(expr, false);
                self.target(target);
            }
            Stmt::SetBlock(target, filter, body) => {
                if let Some(filter) = filter {
                    self.expr(filter, false);
                }
                self.scoped(|walk| walk.stmts(body));
                self.target(target);
            }
            Stmt::FilterBlock(filter, body) => {
                self.expr(filter, false);
                self.stmts(body);
            }
            Stmt::Group(body) => self.stmts(body),
            Stmt::Block(block) => self.scoped(|walk| walk.stmts(&block.body)),
            Stmt::Extends(name) => {
                self.found.extends = true;
                self.file(name);
            }
            Stmt::Include { name, .. } => self.file(name),
            Stmt::Import { name, target, .. } => {
                self.file(name);
                self.bind(target);
            }
            Stmt::FromImport { name, names, .. } => {
                self.file(name);
                names.iter().for_each(|(_, alias)| self.bind(alias));
            }
            Stmt::Macro(def) => {
                self.bind(&def.name);
                self.macro_def(def);
            }
            Stmt::CallBlock(call, def) => {
                self.expr(call, false);
                self.macro_def(def);
            }
        }
    }

    fn for_loop(&mut self, def: &ForLoop) {
        self.expr(&def.iter, false);
        self.maybe += 1;
        self.scoped(|walk| {
            walk.target(&def.target);
            if let Some(filter) = &def.filter {
                walk.expr(filter, false);
                walk.learn(filter, true);
            }
            walk.stmts(&def.body);
        });
        self.scoped(|walk| walk.stmts(&def.otherwise));
        self.maybe -= 1;
    }

    /// A macro may never be called: what it reads is optional.
    fn macro_def(&mut self, def: &MacroDef) {
        self.scoped(|walk| {
            for default in &def.defaults {
                walk.expr(default, true);
            }
            for param in &def.params {
                walk.bind(param);
            }
            let required = std::mem::take(&mut walk.found.required);
            walk.stmts(&def.body);
            for item in std::mem::replace(&mut walk.found.required, required) {
                push(&mut walk.found.optional, item);
            }
        });
    }

    fn file(&mut self, name: &Expr) {
        if let ExprKind::Const(value) = &name.kind
            && let Some(text) = value.as_str()
        {
            push(&mut self.found.files, used(text, name.place));
        }
        self.expr(name, false);
    }

    fn guarded_by(&mut self, test: &Expr, outcome: bool, walk: impl FnOnce(&mut Self)) {
        let guards = self.guarded.len();
        self.learn(test, outcome);
        self.maybe += 1;
        walk(self);
        self.maybe -= 1;
        self.guarded.truncate(guards);
    }

    /// What is known to be defined once `test` has turned out as `outcome`.
    fn learn(&mut self, test: &Expr, outcome: bool) {
        match &test.kind {
            ExprKind::Test(test, subject, _) if &*test.name == "defined" && outcome => {
                self.learn_root(subject)
            }
            ExprKind::Test(test, subject, _) if &*test.name == "undefined" && !outcome => {
                self.learn_root(subject);
            }
            ExprKind::Not(inner) => self.learn(inner, !outcome),
            ExprKind::And(left, right) if outcome => {
                self.learn(left, true);
                self.learn(right, true);
            }
            ExprKind::Or(left, right) if !outcome => {
                self.learn(left, false);
                self.learn(right, false);
            }
            // `x | default(false)` being true means x is there
            ExprKind::Filter(_, Some(input), _) if outcome => self.learn(input, true),
            ExprKind::Var(name) if outcome => self.guarded.push(name.to_string()),
            ExprKind::Attr(..) | ExprKind::Item(..) if outcome => self.learn_root(test),
            // 'x' in vars, 'y' in x
            ExprKind::Compare(first, rest) if outcome => {
                if let (ExprKind::Const(value), [(crate::ir::Cmp::In, container)]) = (&first.kind, &rest[..])
                    && let (Some(name), ExprKind::Var(var)) = (value.as_str(), &container.kind)
                    && matches!(&**var, "vars" | "hostvars")
                {
                    self.guarded.push(name.to_owned());
                }
            }
            _ => {}
        }
    }

    fn learn_root(&mut self, subject: &Expr) {
        match &subject.kind {
            ExprKind::Var(name) => self.guarded.push(name.to_string()),
            ExprKind::Attr(base, _) | ExprKind::Item(base, _) => self.learn_root(base),
            _ => {}
        }
    }

    fn variable(&mut self, name: &str, place: crate::ir::Place, optional: bool) {
        if self.is_bound(name) {
            return;
        }
        let list = if optional || self.guarded.iter().any(|known| known == name) {
            &mut self.found.optional
        } else {
            &mut self.found.required
        };
        push(list, Used { certain: self.maybe == 0, ..used(name, place) });
    }

    fn args(&mut self, args: &[Arg]) {
        for arg in args {
            match arg {
                Arg::Pos(expr) | Arg::Named(_, expr) | Arg::Splat(expr) | Arg::NamedSplat(expr) => {
                    self.expr(expr, false);
                }
            }
        }
    }

    /// `optional`: a missing value does no harm here.
    fn expr(&mut self, expr: &Expr, optional: bool) {
        match &expr.kind {
            ExprKind::Const(_) => {}
            ExprKind::Var(name) => self.variable(name, expr.place, optional),
            ExprKind::List(items) | ExprKind::Tuple(items) => {
                items.iter().for_each(|item| self.expr(item, optional));
            }
            ExprKind::Dict(entries) => {
                for (key, value) in entries {
                    self.expr(key, false);
                    self.expr(value, optional);
                }
            }
            ExprKind::Attr(base, _) => self.expr(base, optional),
            ExprKind::Item(base, key) => {
                self.expr(base, optional);
                self.expr(key, optional);
            }
            ExprKind::Slice(base, bounds) => {
                self.expr(base, false);
                bounds.iter().flatten().for_each(|bound| self.expr(bound, false));
            }
            ExprKind::Not(inner) | ExprKind::Neg(inner) | ExprKind::Pos(inner) => self.expr(inner, false),
            ExprKind::And(left, right) => {
                self.expr(left, false);
                self.guarded_by(left, true, |walk| walk.expr(right, optional));
            }
            ExprKind::Or(left, right) => {
                self.expr(left, false);
                self.guarded_by(left, false, |walk| walk.expr(right, optional));
            }
            ExprKind::Arith(_, left, right) => {
                self.expr(left, false);
                self.expr(right, false);
            }
            ExprKind::Concat(parts) => parts.iter().for_each(|part| self.expr(part, false)),
            ExprKind::Compare(first, rest) => {
                self.expr(first, false);
                rest.iter().for_each(|(_, right)| self.expr(right, false));
            }
            ExprKind::If(test, yes, no) => {
                self.expr(test, false);
                self.guarded_by(test, true, |walk| walk.expr(yes, optional));
                if let Some(no) = no {
                    self.guarded_by(test, false, |walk| walk.expr(no, optional));
                }
            }
            ExprKind::Filter(filter, input, args) => {
                let tolerant = matches!(&*filter.name, "default" | "d");
                if let Some(input) = input {
                    self.expr(input, tolerant || (optional && &*filter.name == "mandatory"));
                }
                if tolerant {
                    // the replacement is needed only if the value is missing
                    for arg in args {
                        if let Arg::Pos(expr) | Arg::Named(_, expr) = arg {
                            self.expr(expr, true);
                        }
                    }
                } else {
                    self.args(args);
                }
            }
            ExprKind::Test(test, subject, args) => {
                self.expr(subject, matches!(&*test.name, "defined" | "undefined"));
                self.args(args);
            }
            ExprKind::Call(callee, args) => self.call(callee, args),
        }
    }

    fn call(&mut self, callee: &Expr, args: &[Arg]) {
        match &callee.kind {
            ExprKind::Var(name) if matches!(&**name, "lookup" | "query" | "q") => {
                if let Some(Arg::Pos(first)) = args.first()
                    && let ExprKind::Const(value) = &first.kind
                    && let Some(text) = value.as_str()
                {
                    push(&mut self.found.lookups, used(text, first.place));
                }
            }
            // a function nobody knows is reported as an undefined variable
            ExprKind::Var(name) => self.variable(name, callee.place, false),
            ExprKind::Attr(base, _) => self.expr(base, false),
            _ => self.expr(callee, false),
        }
        self.args(args);
    }
}
