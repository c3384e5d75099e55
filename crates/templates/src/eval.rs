//! Evaluating expressions.

use crate::args::Args;
use crate::error::TemplateError;
use crate::filters::Filter;
use crate::ir::{Arg, Cmp, Expr, ExprKind, Known, Name, Place};
use crate::ops::{self, Result};
use crate::scope::{FileContext, Scope};
use crate::templater::Templater;
use crate::tests::Test;
use crate::value::{Dict, Marker, MutDict, MutList, dict, error_value, list, none, tuple, type_name};
use minijinja::Value;
use std::cmp::Ordering;
use std::sync::{Arc, RwLock};

/// Names set by `set`, loops and macro parameters.
pub(crate) type Frame = Vec<(Name, Value)>;

/// The top-level names of one template: what `import` sees of it.
#[derive(Debug, Default)]
pub(crate) struct Module {
    vars: RwLock<Frame>,
    /// Of an included template: the names of the including one.
    parent: Option<Arc<Module>>,
    /// Does not see the variables: a template that is imported without its context.
    isolated: bool,
}

impl Module {
    pub(crate) fn with_parent(parent: Arc<Module>, inherited: Frame) -> Self {
        let isolated = parent.isolated;
        let outer = Module { vars: RwLock::new(inherited), parent: Some(parent), isolated };
        Self { vars: RwLock::default(), parent: Some(Arc::new(outer)), isolated }
    }

    /// Of a template that sees nothing but itself.
    pub(crate) fn isolated() -> Self {
        Self { isolated: true, ..Self::default() }
    }

    /// A name of its own.
    pub(crate) fn own(&self, name: &str) -> Option<Value> {
        find(&self.vars.read().unwrap_or_else(std::sync::PoisonError::into_inner), name)
    }

    pub(crate) fn get(&self, name: &str) -> Option<Value> {
        let own = {
            let vars = self.vars.read().unwrap_or_else(std::sync::PoisonError::into_inner);
            find(&vars, name)
        };
        own.or_else(|| self.parent.as_ref().and_then(|parent| parent.get(name)))
    }

    pub(crate) fn set(&self, name: Name, value: Value) {
        let mut vars = self.vars.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        assign(&mut vars, name, value);
    }

    fn clear(&self) {
        self.vars.write().unwrap_or_else(std::sync::PoisonError::into_inner).clear();
    }

    pub(crate) fn names(&self) -> Frame {
        self.vars.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

/// Deepest evaluation of expressions, across all templates that need each other: a worker's stack is 2 MiB.
const MAX_LEVEL: u32 = 250;

thread_local! {
    /// How deep the evaluation is that asks for a variable just now.
    static LEVEL: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

fn find(frame: &Frame, name: &str) -> Option<Value> {
    frame.iter().rev().find(|(known, _)| &**known == name).map(|(_, value)| value.clone())
}

pub(crate) fn assign(frame: &mut Frame, name: Name, value: Value) {
    match frame.iter_mut().find(|(known, _)| *known == name) {
        Some((_, slot)) => *slot = value,
        None => frame.push((name, value)),
    }
}

/// One evaluation: a text, a file or an expression against a scope.
pub(crate) struct Eval<'a> {
    pub(crate) templater: &'a Templater,
    pub(crate) scope: &'a Arc<dyn Scope>,
    /// Set when rendering template files: where includes are searched.
    pub(crate) file: Option<FileContext<'a>>,
    pub(crate) frames: Vec<Frame>,
    /// Frames below are invisible (those of a macro's caller).
    pub(crate) barrier: usize,
    pub(crate) module: Arc<Module>,
    /// Every module of this evaluation: macros point back at theirs, so they are emptied at the end.
    pub(crate) modules: Vec<Arc<Module>>,
    /// Literals are mutable: the program calls a method that changes its object.
    pub(crate) mutates: bool,
    /// String literals that hold templates are rendered (conditions).
    pub(crate) embedded: bool,
    /// The expression came out of a variable: it may compute, but not reach out.
    pub(crate) no_lookups: bool,
    pub(crate) depth: usize,
    /// How deep the evaluation is, that of templates around this one included.
    level: u32,
    /// Variables that were asked for: they stay the same while a template is evaluated.
    memo: Vec<(Name, Value)>,
    /// Blocks of the template being rendered and its parents, innermost child first.
    pub(crate) blocks: crate::stmt::Blocks,
}

impl Drop for Eval<'_> {
    fn drop(&mut self) {
        self.modules.iter().for_each(|module| module.clear());
    }
}

impl<'a> Eval<'a> {
    pub(crate) fn new(templater: &'a Templater, scope: &'a Arc<dyn Scope>, mutates: bool) -> Self {
        let module: Arc<Module> = Arc::default();
        Self {
            templater,
            scope,
            file: None,
            frames: Vec::new(),
            barrier: 0,
            modules: vec![module.clone()],
            module,
            mutates,
            embedded: false,
            no_lookups: false,
            depth: 0,
            level: LEVEL.get(),
            memo: Vec::new(),
            blocks: crate::stmt::Blocks::default(),
        }
    }

    /// The value of an expression; markers come back as values.
    pub(crate) fn expr(&mut self, expr: &Expr) -> Result {
        if self.level >= MAX_LEVEL {
            return Err(TemplateError::new(
                crate::ErrorKind::Recursion,
                "maximum recursion depth exceeded: expressions and the templates they need are nested too deeply",
            ));
        }
        self.level += 1;
        let result = self.expr_inner(expr);
        self.level -= 1;
        result.map_err(|error| error.at(expr.place.line, expr.place.start as usize..expr.place.end as usize))
    }

    fn expr_inner(&mut self, expr: &Expr) -> Result {
        match &expr.kind {
            ExprKind::Const(value) => match value.as_str() {
                Some(text) if self.embedded && crate::templater::is_template(text) => {
                    let options = crate::RenderOptions { lazy: true, ..Default::default() };
                    self.templater
                        .render_str(text, self.scope, &options)
                        .map_err(TemplateError::without_place)
                }
                _ => Ok(value.clone()),
            },
            ExprKind::Var(name) => self.var(name, expr.place),
            ExprKind::List(items) => {
                let items = self.exprs(items)?;
                Ok(if self.mutates { Value::from_object(MutList::new(items)) } else { list(items) })
            }
            ExprKind::Tuple(items) => Ok(tuple(self.exprs(items)?)),
            ExprKind::Dict(entries) => {
                let mut map = Dict::with_capacity(entries.len());
                for (key, value) in entries {
                    let key = self.strict(key)?;
                    map.insert(key, self.expr(value)?);
                }
                Ok(self.new_dict(map))
            }
            ExprKind::Attr(base, name) => {
                let base = self.expr(base)?;
                Ok(self.attr(&base, name, expr.place))
            }
            ExprKind::Item(base, key) => {
                let base = self.expr(base)?;
                if let Some(chained) = chain(&base) {
                    return Ok(chained);
                }
                let key = self.strict(key)?;
                Ok(ops::item(&base, &key).unwrap_or_else(|| missing(&base, &key, expr.place)))
            }
            ExprKind::Slice(base, bounds) => {
                let base = self.expr(base)?;
                let mut values = [none(), none(), none()];
                for (value, bound) in values.iter_mut().zip(bounds) {
                    if let Some(bound) = bound {
                        *value = self.expr(bound)?;
                    }
                }
                ops::slice(&base, &values[0], &values[1], &values[2])
            }
            ExprKind::Not(inner) => Ok(Value::from(!self.truth(inner)?)),
            ExprKind::Neg(inner) => ops::neg(&self.expr(inner)?),
            ExprKind::Pos(inner) => ops::pos(&self.expr(inner)?),
            ExprKind::And(..) | ExprKind::Or(..) => {
                // chains hang to the right: followed, not descended into
                let mut expr = expr;
                loop {
                    let (left, right, stop) = match &expr.kind {
                        ExprKind::And(left, right) => (left, right, false),
                        ExprKind::Or(left, right) => (left, right, true),
                        _ => return self.expr(expr),
                    };
                    let value = self.expr(left)?;
                    if ops::truth(&value).map_err(|error| place(error, left))? == stop {
                        return Ok(value);
                    }
                    expr = right;
                }
            }
            ExprKind::Arith(op, left, right) => {
                let left = self.expr(left)?;
                let right = self.expr(right)?;
                ops::arith(*op, &left, &right)
            }
            ExprKind::Concat(parts) => {
                let mut text = String::new();
                for part in parts {
                    let value = self.expr(part)?;
                    ops::check_deep(&value).map_err(|error| place(error, part))?;
                    crate::text::write_str(&mut text, &value);
                }
                ops::check_length(text.len())?;
                Ok(Value::from(text))
            }
            ExprKind::Compare(first, rest) => {
                let mut left = self.strict(first)?;
                for (cmp, right) in rest {
                    let right = self.strict(right)?;
                    if !compare(*cmp, &left, &right)? {
                        return Ok(Value::from(false));
                    }
                    left = right;
                }
                Ok(Value::from(true))
            }
            ExprKind::If(test, yes, no) => {
                if self.truth(test)? {
                    self.expr(yes)
                } else if let Some(no) = no {
                    self.expr(no)
                } else {
                    Ok(Value::UNDEFINED)
                }
            }
            ExprKind::Filter(filter, input, args) => {
                let input = match input {
                    Some(input) => self.expr(input)?,
                    None => none(),
                };
                let args = self.args(args)?;
                self.known_filter(filter, input, args)
            }
            ExprKind::Test(test, subject, args) => {
                let Some(what) = test.what else { return Err(crate::names::unknown_test(&test.name)) };
                let subject = self.expr(subject)?;
                let args = self.args(args)?;
                self.run_test(what, &subject, args).map(Value::from)
            }
            ExprKind::Call(callee, args) => self.call(callee, args),
        }
    }

    /// A value that is there.
    pub(crate) fn strict(&mut self, expr: &Expr) -> Result {
        let value = self.expr(expr)?;
        ops::check(&value).map_err(|error| place(error, expr))?;
        Ok(value)
    }

    pub(crate) fn truth(&mut self, expr: &Expr) -> Result<bool> {
        let value = self.expr(expr)?;
        ops::truth(&value).map_err(|error| place(error, expr))
    }

    fn exprs(&mut self, exprs: &[Expr]) -> Result<Vec<Value>> {
        exprs.iter().map(|expr| self.expr(expr)).collect()
    }

    pub(crate) fn new_dict(&self, map: Dict) -> Value {
        if self.mutates { Value::from_object(MutDict::new(map, false)) } else { dict(map) }
    }

    pub(crate) fn local(&self, name: &str) -> Option<Value> {
        self.frames[self.barrier..]
            .iter()
            .rev()
            .find_map(|frame| find(frame, name))
            .or_else(|| self.module.get(name))
    }

    fn var(&mut self, name: &Name, at: Place) -> Result {
        if let Some(value) = self.local(name) {
            return Ok(value);
        }
        if self.module.isolated {
            return Ok(crate::functions::global(name)
                .unwrap_or_else(|| Value::from_object(Marker::Undefined(name.clone(), at))));
        }
        if let Some((_, value)) = self.memo.iter().find(|(known, _)| Arc::ptr_eq(known, name)) {
            return Ok(value.clone());
        }
        let outer = LEVEL.replace(self.level);
        let found = self.scope.get(name);
        LEVEL.set(outer);
        match found {
            Ok(Some(value)) => {
                self.memo.push((name.clone(), value.clone()));
                Ok(value)
            }
            Ok(None) => match crate::functions::global(name) {
                Some(value) => Ok(value),
                None => Ok(Value::from_object(Marker::Undefined(name.clone(), at))),
            },
            Err(error) => match &error.kind {
                crate::ErrorKind::Undefined { .. } => {
                    Ok(error_value(error.without_place().at(at.line, at.start as usize..at.end as usize)))
                }
                crate::ErrorKind::Unknown { reason } => Ok(crate::value::unknown_value(reason.clone())),
                _ => Err(error.without_place()),
            },
        }
    }

    pub(crate) fn attr(&mut self, base: &Value, name: &str, at: Place) -> Value {
        if let Some(value) = ops::attr(base, name) {
            return value;
        }
        chain(base).unwrap_or_else(|| missing(base, &Value::from(name), at))
    }

    /// What `value[key]` is when there is none, by subscript or by attribute.
    pub(crate) fn missing(&mut self, value: &Value, key: &Value) -> Value {
        let found = key.as_str().and_then(|name| ops::attr(value, name));
        found.or_else(|| chain(value)).unwrap_or_else(|| missing(value, key, Place::default()))
    }

    /// Evaluates call arguments; a missing value among them fails where it is used, not here.
    pub(crate) fn args(&mut self, args: &[Arg]) -> Result<Args> {
        let mut out = Args::default();
        for arg in args {
            match arg {
                Arg::Pos(expr) => {
                    let value = self.expr(expr)?;
                    out.pos.push(value);
                }
                Arg::Named(name, expr) => {
                    let value = self.expr(expr)?;
                    out.named.push((name.clone(), value));
                }
                Arg::Splat(expr) => {
                    let value = self.strict(expr)?;
                    out.pos.extend(ops::iterate(&value)?);
                }
                Arg::NamedSplat(expr) => {
                    let value = self.strict(expr)?;
                    for (key, value) in ops::as_dict(&value)? {
                        out.named.push((Arc::from(crate::text::to_str(&key)), value));
                    }
                }
            }
        }
        Ok(out)
    }

    pub(crate) fn known_filter(&mut self, filter: &Known<Filter>, input: Value, args: Args) -> Result {
        match filter.what {
            Some(what) => self.run_filter(what, input, args),
            None => Err(crate::names::unknown_filter(&filter.name)),
        }
    }

    /// Applies a filter by its name.
    pub(crate) fn filter(&mut self, name: &str, input: Value, args: Args) -> Result {
        let (_, filter) = crate::names::filter(name)?;
        self.run_filter(filter, input, args)
    }

    fn run_filter(&mut self, filter: Filter, input: Value, args: Args) -> Result {
        if !filter.lazy {
            if let Some(Marker::Unknown(_)) = crate::value::marker(&input) {
                return Ok(input);
            }
            if filter.shallow {
                ops::check(&input)?;
                args.check()?;
            } else {
                ops::check_deep(&input)?;
                args.check_deep()?;
            }
        }
        (filter.call)(self, input, args)
    }

    /// Asks a test by its name.
    pub(crate) fn test(&mut self, name: &str, subject: &Value, args: Args) -> Result<bool> {
        let (_, test) = crate::names::test(name)?;
        self.run_test(test, subject, args)
    }

    fn run_test(&mut self, test: Test, subject: &Value, args: Args) -> Result<bool> {
        if !test.lazy {
            ops::check(subject)?;
            args.check()?;
        }
        (test.call)(self, subject, args)
    }

    fn call(&mut self, callee: &Expr, args: &[Arg]) -> Result {
        if let Some(levels) = super_levels(callee)
            && self.local("super").is_none()
        {
            return self.super_block(levels);
        }
        if let ExprKind::Attr(base_expr, name) = &callee.kind {
            if let ExprKind::Var(var) = &base_expr.kind
                && &**var == "self"
            {
                return self.render_block(name);
            }
            let base = self.expr(base_expr)?;
            if let Some(unknown @ Marker::Unknown(_)) = crate::value::marker(&base) {
                return Err(unknown.error());
            }
            ops::check(&base).map_err(|error| place(error, base_expr))?;
            let args = self.args(args)?;
            return self.method(&base, base_expr, name, callee.place, args);
        }
        if let ExprKind::Var(name) = &callee.kind
            && self.local(name).is_none()
            && let Some(function) = crate::functions::find(name)
        {
            let args = self.args(args)?;
            return function(self, args);
        }
        let function = self.strict(callee)?;
        let args = self.args(args)?;
        self.call_value(&function, args)
    }

    fn method(&mut self, base: &Value, base_expr: &Expr, name: &str, at: Place, args: Args) -> Result {
        if let Some(value) = ops::attr(base, name)
            && crate::stmt::is_callable(&value)
        {
            return self.call_value(&value, args);
        }
        args.check()?;
        if crate::methods::mutates(name) {
            let mutable = self.make_mutable(base, base_expr)?;
            if let Some(result) = crate::methods::mutate(&mutable, name, &args) {
                crate::value::check_depth(&mutable)?;
                return result;
            }
        }
        if let Some(result) = crate::stmt::loop_method(base, name, &args) {
            return result;
        }
        match crate::methods::call(base, name, args) {
            Some(result) => result,
            None => match ops::attr(base, name) {
                Some(value) => {
                    Err(TemplateError::runtime(format!("'{}' object is not callable", type_name(&value))))
                }
                None => {
                    let missing = missing(base, &Value::from(name), at);
                    ops::check(&missing).map(|()| missing)
                }
            },
        }
    }

    /// A value of the variables becomes a private mutable copy under its name before a method changes it.
    fn make_mutable(&mut self, base: &Value, base_expr: &Expr) -> Result {
        if base.downcast_object_ref::<MutList>().is_some() || base.downcast_object_ref::<MutDict>().is_some()
        {
            return Ok(base.clone());
        }
        let copy = match crate::value::view(base) {
            crate::value::View::Seq(_) if !base.is_tuple() => {
                Value::from_object(MutList::new(ops::iterate(base)?))
            }
            crate::value::View::Map(_) => Value::from_object(MutDict::new(ops::as_dict(base)?, false)),
            _ => return Ok(base.clone()),
        };
        self.store_back(base_expr, copy.clone())?;
        Ok(copy)
    }

    fn store_back(&mut self, target: &Expr, value: Value) -> Result<()> {
        match &target.kind {
            ExprKind::Var(name) => {
                for frame in self.frames[self.barrier..].iter_mut().rev() {
                    if let Some((_, slot)) = frame.iter_mut().find(|(known, _)| known == name) {
                        *slot = value;
                        return Ok(());
                    }
                }
                self.module.set(name.clone(), value);
            }
            ExprKind::Attr(base_expr, name) => {
                let base = self.expr(base_expr)?;
                let base = self.make_mutable(&base, base_expr)?;
                if let Some(map) = base.downcast_object_ref::<MutDict>() {
                    map.write().insert(Value::from(&**name), value);
                }
            }
            ExprKind::Item(base_expr, key) => {
                let key = self.strict(key)?;
                let base = self.expr(base_expr)?;
                let base = self.make_mutable(&base, base_expr)?;
                if let Some(map) = base.downcast_object_ref::<MutDict>() {
                    map.write().insert(key, value);
                } else if let (Some(list), Some(index)) =
                    (base.downcast_object_ref::<MutList>(), key.as_usize())
                    && let Some(slot) = list.write().get_mut(index)
                {
                    *slot = value;
                }
            }
            // the result of an expression: nobody else can see the change
            _ => {}
        }
        Ok(())
    }
}

/// How many parents up `super`, `super.super`, … is.
fn super_levels(callee: &Expr) -> Option<usize> {
    match &callee.kind {
        ExprKind::Var(name) if &**name == "super" => Some(1),
        ExprKind::Attr(base, name) if &**name == "super" => super_levels(base).map(|levels| levels + 1),
        _ => None,
    }
}

/// What follows from an attribute of a marker: the marker.
fn chain(base: &Value) -> Option<Value> {
    crate::value::marker(base).map(|_| base.clone())
}

fn missing(base: &Value, key: &Value, at: Place) -> Value {
    Value::from_object(Marker::Missing(type_name(base), key.clone(), at))
}

fn place(error: TemplateError, expr: &Expr) -> TemplateError {
    error.at(expr.place.line, expr.place.start as usize..expr.place.end as usize)
}

fn compare(cmp: Cmp, left: &Value, right: &Value) -> Result<bool> {
    let order =
        |sign: &str, wanted: fn(Ordering) -> bool| Ok(ops::compare(sign, left, right)?.is_some_and(wanted));
    match cmp {
        Cmp::Eq => Ok(ops::equal(left, right)),
        Cmp::Ne => Ok(!ops::equal(left, right)),
        Cmp::Lt => order("<", Ordering::is_lt),
        Cmp::Le => order("<=", Ordering::is_le),
        Cmp::Gt => order(">", Ordering::is_gt),
        Cmp::Ge => order(">=", Ordering::is_ge),
        Cmp::In => ops::contains(right, left),
        Cmp::NotIn => ops::contains(right, left).map(|found| !found),
    }
}
