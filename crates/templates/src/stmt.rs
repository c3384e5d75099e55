//! Running statements: loops, macros, blocks, includes.

use crate::args::Args;
use crate::error::{ErrorKind, TemplateError};
use crate::eval::{Eval, Frame, Module, assign};
use crate::ir::{Arg, BlockDef, Expr, ExprKind, ForLoop, MacroDef, Name, Place, Program, Stmt, Target};
use crate::ops::{self, Result};
use crate::value::{Dict, MutDict, View, dict, finalize, list, none, tuple, view};
use minijinja::Value;
use minijinja::value::{Object, ObjectRepr};
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

static LOOP: std::sync::LazyLock<Name> = std::sync::LazyLock::new(|| Arc::from("loop"));

/// Macro calls, includes and block nesting: deeper is a template that never ends.
const MAX_DEPTH: usize = 40;

/// What a template has produced so far: nothing, one native value, or text.
#[derive(Debug, Default)]
pub(crate) enum Out {
    #[default]
    Empty,
    One(Value),
    Text(String),
}

impl Out {
    /// Continues as text.
    fn append(&mut self, write: impl FnOnce(&mut String)) {
        if let Out::Text(text) = self {
            write(text);
            return;
        }
        let mut text = match std::mem::take(self) {
            Out::Empty => String::new(),
            Out::One(value) => printed(&value),
            Out::Text(text) => text,
        };
        write(&mut text);
        *self = Out::Text(text);
    }

    fn raw(&mut self, raw: &str) -> Result<()> {
        self.append(|text| text.push_str(raw));
        self.check_length()
    }

    fn check_length(&self) -> Result<()> {
        match self {
            Out::Text(text) => ops::check_length(text.len()),
            _ => Ok(()),
        }
    }

    fn emit(&mut self, value: Value) -> Result<()> {
        // none is no part at all: what stands beside it keeps its type
        if value.is_none() {
            return Ok(());
        }
        match self {
            Out::Empty => *self = Out::One(value),
            _ => {
                if let Out::One(first) = self {
                    ops::check(first)?;
                }
                ops::check(&value)?;
                self.append(|text| {
                    if !silent(&value) {
                        crate::text::write_str(text, &value);
                    }
                });
                self.check_length()?;
            }
        }
        Ok(())
    }

    /// For a text of about this length.
    pub(crate) fn sized(bytes: usize) -> Self {
        Out::Text(String::with_capacity(bytes))
    }

    /// As a native value: macros and captures have types, too.
    pub(crate) fn into_value(self) -> Value {
        match self {
            Out::Empty => none(),
            Out::One(value) => value,
            Out::Text(text) => Value::from(text),
        }
    }

    /// As text, for files and blocks.
    pub(crate) fn into_text(self) -> Result<String> {
        Ok(match self {
            Out::Empty => String::new(),
            Out::One(value) => {
                ops::check(&value)?;
                printed(&value)
            }
            Out::Text(text) => text,
        })
    }
}

/// None and omit print as nothing between other output.
fn printed(value: &Value) -> String {
    if silent(value) { String::new() } else { crate::text::to_str(value) }
}

fn silent(value: &Value) -> bool {
    value.is_none() || value.is_undefined() || crate::value::is_omit(value)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    Next,
    Break,
    Continue,
}

/// The blocks of a template and its parents.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    /// By name; the innermost child's first.
    chains: HashMap<Name, Vec<Arc<BlockDef>>>,
    /// Blocks being rendered: name and place in its chain.
    stack: Vec<(Name, usize)>,
    /// The parent, once `extends` was met.
    parent: Option<Arc<Program>>,
}

struct Macro {
    def: Arc<MacroDef>,
    module: Arc<Module>,
    captured: Frame,
    mutates: bool,
}

impl fmt::Debug for Macro {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Macro '{}'>", self.def.name)
    }
}

impl Object for Macro {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "name" => Some(Value::from(&*self.def.name)),
            "arguments" => Some(list(self.def.params.iter().map(|name| Value::from(&**name)).collect())),
            "catch_varargs" => Some(Value::from(self.def.varargs)),
            "catch_kwargs" => Some(Value::from(self.def.kwargs)),
            "caller" => Some(Value::from(self.def.caller)),
            _ => None,
        }
    }
}

/// An imported template.
#[derive(Debug)]
struct Imported(Vec<(Name, Value)>);

impl Object for Imported {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let key = key.as_str()?;
        self.0.iter().find(|(name, _)| &**name == key).map(|(_, value)| value.clone())
    }
}

/// The variable `loop`.
#[derive(Debug)]
struct LoopObject {
    index: AtomicUsize,
    items: Arc<Vec<Value>>,
    depth: usize,
    recurse: Option<Arc<ForLoop>>,
    seen: Mutex<Option<Vec<Value>>>,
}

impl Object for LoopObject {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let index = self.index.load(Ordering::Relaxed);
        let len = self.items.len();
        Some(match key.as_str()? {
            "index" => Value::from(index + 1),
            "index0" => Value::from(index),
            "revindex" => Value::from(len - index),
            "revindex0" => Value::from(len - index - 1),
            "first" => Value::from(index == 0),
            "last" => Value::from(index + 1 == len),
            "length" => Value::from(len),
            "depth" => Value::from(self.depth),
            "depth0" => Value::from(self.depth - 1),
            "previtem" => index.checked_sub(1).and_then(|at| self.items.get(at)).cloned()?,
            "nextitem" => self.items.get(index + 1).cloned()?,
            _ => return None,
        })
    }
}

/// `cycler(…)`.
#[derive(Debug)]
pub(crate) struct Cycler {
    pub(crate) items: Vec<Value>,
    pub(crate) at: AtomicUsize,
}

impl Object for Cycler {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        (key.as_str()? == "current")
            .then(|| self.items.get(self.at.load(Ordering::Relaxed) % self.items.len().max(1)).cloned())
            .flatten()
    }
}

/// `joiner(…)`: empty at the first call.
#[derive(Debug)]
pub(crate) struct Joiner {
    pub(crate) separator: String,
    pub(crate) used: AtomicUsize,
}

impl Object for Joiner {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
}

/// Can templates call it?
pub(crate) fn is_callable(value: &Value) -> bool {
    value.downcast_object_ref::<Macro>().is_some()
        || value.downcast_object_ref::<LoopObject>().is_some()
        || value.downcast_object_ref::<Joiner>().is_some()
        || value.downcast_object_ref::<crate::functions::Global>().is_some()
}

/// The methods of `loop` and of cyclers.
pub(crate) fn loop_method(base: &Value, name: &str, args: &Args) -> Option<Result> {
    if let Some(looping) = base.downcast_object_ref::<LoopObject>() {
        return match name {
            "cycle" if !args.pos.is_empty() => {
                let at = looping.index.load(Ordering::Relaxed) % args.pos.len();
                Some(Ok(args.pos[at].clone()))
            }
            "changed" => {
                let mut seen = looping.seen.lock().unwrap_or_else(PoisonError::into_inner);
                let same = seen.as_ref().is_some_and(|seen| {
                    seen.len() == args.pos.len() && seen.iter().zip(&args.pos).all(|(a, b)| ops::equal(a, b))
                });
                *seen = Some(args.pos.clone());
                Some(Ok(Value::from(!same)))
            }
            _ => None,
        };
    }
    let cycler = base.downcast_object_ref::<Cycler>()?;
    match name {
        "next" => {
            let at = cycler.at.fetch_add(1, Ordering::Relaxed) % cycler.items.len().max(1);
            Some(Ok(cycler.items.get(at).cloned().unwrap_or_else(none)))
        }
        "reset" => {
            cycler.at.store(0, Ordering::Relaxed);
            Some(Ok(none()))
        }
        _ => None,
    }
}

impl Eval<'_> {
    /// Runs a whole template, its parents included.
    pub(crate) fn program(&mut self, program: &Arc<Program>, out: &mut Out) -> Result<()> {
        let mut current = program.clone();
        loop {
            for block in &current.blocks {
                self.blocks.chains.entry(block.name.clone()).or_default().push(block.clone());
            }
            let mutates = std::mem::replace(&mut self.mutates, current.mutates);
            let mut own = match out {
                Out::Text(text) => Out::sized(text.capacity()),
                _ => Out::default(),
            };
            let result = self.stmts(&current.body, &mut own);
            self.mutates = mutates;
            result?;
            match self.blocks.parent.take() {
                // what the child prints outside of its blocks is dropped
                Some(parent) => current = parent,
                None => {
                    *out = own;
                    return Ok(());
                }
            }
        }
    }

    fn stmts(&mut self, stmts: &[Stmt], out: &mut Out) -> Result<Flow> {
        for stmt in stmts {
            let flow = self.stmt(stmt, out)?;
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn stmt(&mut self, stmt: &Stmt, out: &mut Out) -> Result<Flow> {
        match stmt {
            Stmt::Raw(raw) => out.raw(raw)?,
            Stmt::Emit(expr) => {
                let value = self.expr(expr)?;
                let value = if matches!(view(&value), View::Seq(_) | View::Map(_)) {
                    finalize(&value).map_err(|error| at(error, expr.place))?
                } else if crate::value::is_unknown(&value).is_some() {
                    value
                } else {
                    ops::check(&value)?;
                    value
                };
                out.emit(value).map_err(|error| at(error, expr.place))?;
            }
            Stmt::For(def) => {
                let items = self.strict(&def.iter)?;
                let items = ops::iterate(&items).map_err(|error| at(error, def.iter.place))?;
                self.run_loop(def, items, 1, out)?;
            }
            Stmt::If(branches, otherwise) => {
                for (test, body) in branches {
                    if self.truth(test)? {
                        return self.stmts(body, out);
                    }
                }
                return self.stmts(otherwise, out);
            }
            Stmt::With(assignments, body) => {
                let mut values = Vec::with_capacity(assignments.len());
                for (target, expr) in assignments {
                    values.push((target, self.expr(expr)?));
                }
                self.frames.push(Frame::new());
                let mut result =
                    values.into_iter().try_for_each(|(target, value)| self.assign(target, value));
                let mut flow = Flow::Next;
                if result.is_ok() {
                    result = self.stmts(body, out).map(|reached| flow = reached);
                }
                self.frames.pop();
                result?;
                return Ok(flow);
            }
            Stmt::Set(target, expr) => {
                let value = self.expr(expr)?;
                self.assign(target, value)?;
            }
            Stmt::SetBlock(target, filter, body) => {
                let mut value = self.capture(body)?.into_value();
                if let Some(filter) = filter {
                    value = self.filter_chain(filter, value)?;
                }
                self.assign(target, value)?;
            }
            Stmt::FilterBlock(filter, body) => {
                let text = self.capture(body)?.into_text()?;
                let value = self.filter_chain(filter, Value::from(text))?;
                out.emit(value)?;
            }
            Stmt::Group(body) => return self.stmts(body, out),
            Stmt::Block(block) => {
                if self.blocks.parent.is_none() {
                    let text = self.block(&block.name, 0, block.scoped)?;
                    out.raw(&text)?;
                }
            }
            Stmt::Extends(name) => {
                if self.blocks.parent.is_some() {
                    return Err(at(TemplateError::runtime("extended multiple times"), name.place));
                }
                let value = self.strict(name)?;
                match self.load(&value)? {
                    Some((program, _)) => self.blocks.parent = Some(program),
                    None => return Err(at(not_found(&value), name.place)),
                }
            }
            Stmt::Include { name, ignore_missing, context } => {
                self.include(name, *ignore_missing, *context, out)?;
            }
            Stmt::Import { name, target, context } => {
                let module = self.import(name, *context)?;
                let value = Value::from_object(Imported(exported(&module)));
                self.store(target.clone(), value);
            }
            Stmt::FromImport { name, names, context } => {
                let module = self.import(name, *context)?;
                for (wanted, alias) in names {
                    // a name that is not there fails where it is used
                    let value = module.own(wanted).unwrap_or_else(|| {
                        let message = format!(
                            "the template {} (imported on line {}) does not export the requested name '{wanted}'",
                            template_name(name),
                            name.place.line
                        );
                        let error = TemplateError::undefined(&**wanted, message);
                        crate::value::error_value(at(error, name.place))
                    });
                    self.store(alias.clone(), value);
                }
            }
            Stmt::Macro(def) => {
                let value = self.new_macro(def);
                self.store(def.name.clone(), value);
            }
            Stmt::CallBlock(call, def) => {
                let value = self.call_block(call, def)?;
                out.emit(value)?;
            }
            Stmt::Do(expr) => {
                self.strict(expr)?;
            }
            Stmt::Continue => return Ok(Flow::Continue),
            Stmt::Break => return Ok(Flow::Break),
        }
        Ok(Flow::Next)
    }

    /// What a body prints.
    fn capture(&mut self, body: &[Stmt]) -> Result<Out> {
        let mut out = Out::default();
        self.stmts(body, &mut out)?;
        Ok(out)
    }

    fn filter_chain(&mut self, filter: &Expr, input: Value) -> Result {
        match &filter.kind {
            ExprKind::Filter(known, inner, args) => {
                let input = match inner {
                    Some(inner) => self.filter_chain(inner, input)?,
                    None => input,
                };
                let args = self.args(args)?;
                self.known_filter(known, input, args).map_err(|error| at(error, filter.place))
            }
            _ => self.expr(filter),
        }
    }

    fn run_loop(&mut self, def: &Arc<ForLoop>, items: Vec<Value>, depth: usize, out: &mut Out) -> Result<()> {
        let items = match &def.filter {
            None => items,
            Some(filter) => {
                let mut kept = Vec::with_capacity(items.len());
                for item in items {
                    self.frames.push(Frame::new());
                    let keep = self.assign(&def.target, item.clone()).and_then(|()| self.truth(filter));
                    self.frames.pop();
                    if keep? {
                        kept.push(item);
                    }
                }
                kept
            }
        };
        if items.is_empty() {
            return self.stmts(&def.otherwise, out).map(|_| ());
        }
        let items = Arc::new(items);
        let looping = Arc::new(LoopObject {
            index: AtomicUsize::new(0),
            items: items.clone(),
            depth,
            recurse: def.recursive.then(|| def.clone()),
            seen: Mutex::new(None),
        });
        let loop_value = Value::from_dyn_object(looping.clone());
        let loop_name = LOOP.clone();
        let depth = self.frames.len();
        self.frames.push(Frame::with_capacity(4));
        let mut result = Ok(());
        for (index, item) in items.iter().enumerate() {
            looping.index.store(index, Ordering::Relaxed);
            if let Some(frame) = self.frames.last_mut() {
                frame.clear();
                frame.push((loop_name.clone(), loop_value.clone()));
            }
            match self.assign(&def.target, item.clone()).and_then(|()| self.stmts(&def.body, out)) {
                Ok(Flow::Break) => break,
                Ok(_) => {}
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
        }
        self.frames.truncate(depth);
        result
    }

    fn store(&mut self, name: Name, value: Value) {
        if self.frames.len() > self.barrier
            && let Some(frame) = self.frames.last_mut()
        {
            assign(frame, name, value);
            return;
        }
        self.module.set(name, value);
    }

    fn assign(&mut self, target: &Target, value: Value) -> Result<()> {
        match target {
            Target::Name(name) => self.store(name.clone(), value),
            Target::Attr(base, name) => {
                let object = self.strict(base)?;
                match object.downcast_object_ref::<MutDict>() {
                    Some(map) if map.namespace => {
                        map.write().insert(Value::from(&**name), value);
                        crate::value::check_depth(&object).map_err(|error| at(error, base.place))?;
                    }
                    _ => {
                        return Err(at(
                            TemplateError::runtime("cannot assign attribute on non-namespace object"),
                            base.place,
                        ));
                    }
                }
            }
            Target::Many(targets, place) => {
                let values = ops::iterate(&value).map_err(|error| at(error, *place))?;
                if values.len() != targets.len() {
                    let message = if values.len() > targets.len() {
                        format!("too many values to unpack (expected {})", targets.len())
                    } else {
                        format!(
                            "not enough values to unpack (expected {}, got {})",
                            targets.len(),
                            values.len()
                        )
                    };
                    return Err(at(TemplateError::runtime(message), *place));
                }
                for (target, value) in targets.iter().zip(values) {
                    self.assign(target, value)?;
                }
            }
        }
        Ok(())
    }

    fn new_macro(&self, def: &Arc<MacroDef>) -> Value {
        Value::from_object(Macro {
            def: def.clone(),
            module: self.module.clone(),
            captured: self.visible(),
            mutates: self.mutates,
        })
    }

    /// All local names as one frame.
    fn visible(&self) -> Frame {
        let mut all = Frame::new();
        for frame in &self.frames[self.barrier..] {
            for (name, value) in frame {
                assign(&mut all, name.clone(), value.clone());
            }
        }
        all
    }

    fn call_block(&mut self, call: &Expr, def: &Arc<MacroDef>) -> Result {
        let ExprKind::Call(callee, args) = &call.kind else {
            return Err(at(TemplateError::runtime("expected a call"), call.place));
        };
        let function = self.strict(callee)?;
        let mut args: Args = self.args(args as &[Arg])?;
        let caller = self.new_macro(def);
        args.named.push((Arc::from("caller"), caller));
        self.call_value(&function, args).map_err(|error| at(error, call.place))
    }

    /// Calls a macro, `loop` or a joiner.
    pub(crate) fn call_value(&mut self, function: &Value, args: Args) -> Result {
        if let Some(def) = function.downcast_object::<Macro>() {
            return self.call_macro(&def, args);
        }
        if let Some(looping) = function.downcast_object::<LoopObject>() {
            let Some(def) = looping.recurse.clone() else {
                return Err(TemplateError::runtime(
                    "the loop must have the 'recursive' marker to be called recursively",
                ));
            };
            let [items] = args.bind("loop()", ["iterable"])?;
            let items = ops::iterate(&items.unwrap_or_else(|| list(Vec::new())))?;
            return self.nested(|eval| {
                let mut out = Out::default();
                eval.run_loop(&def, items, looping.depth + 1, &mut out)?;
                Ok(out.into_value())
            });
        }
        if let Some(global) = function.downcast_object_ref::<crate::functions::Global>() {
            return (global.0)(self, args);
        }
        if let Some(joiner) = function.downcast_object_ref::<Joiner>() {
            let used = joiner.used.fetch_add(1, Ordering::Relaxed);
            return Ok(Value::from(if used == 0 { "" } else { &joiner.separator }));
        }
        Err(TemplateError::runtime(format!("'{}' object is not callable", crate::value::type_name(function))))
    }

    /// One level deeper; too deep is an error.
    fn nested<T>(&mut self, run: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= MAX_DEPTH {
            return Err(TemplateError::new(
                ErrorKind::Recursion,
                format!("maximum recursion depth exceeded ({MAX_DEPTH} nested macro calls or includes)"),
            ));
        }
        self.depth += 1;
        let result = run(self);
        self.depth -= 1;
        result
    }

    fn call_macro(&mut self, called: &Arc<Macro>, mut args: Args) -> Result {
        let def = &called.def;
        let mut frame: Frame = called.captured.clone();
        let caller = args.take("caller");
        let first_default = def.params.len() - def.defaults.len().min(def.params.len());
        let mut given: Vec<Option<Value>> = vec![None; def.params.len()];
        let mut extra = Vec::new();
        for (index, value) in args.pos.into_iter().enumerate() {
            match given.get_mut(index) {
                Some(slot) => *slot = Some(value),
                None => extra.push(value),
            }
        }
        let mut extra_named = Dict::new();
        for (name, value) in args.named {
            match def.params.iter().position(|param| *param == name) {
                Some(at) if given[at].is_some() => {
                    return Err(TemplateError::runtime(format!(
                        "macro '{}' got multiple values for argument '{name}'",
                        def.name
                    )));
                }
                Some(at) => given[at] = Some(value),
                None => {
                    extra_named.insert(Value::from(&*name), value);
                }
            }
        }
        if !extra.is_empty() && !def.varargs {
            return Err(TemplateError::runtime(format!(
                "macro '{}' takes not more than {} argument(s)",
                def.name,
                def.params.len()
            )));
        }
        if let (false, Some((name, _))) = (def.kwargs, extra_named.first()) {
            return Err(TemplateError::runtime(format!(
                "macro '{}' takes no keyword argument '{}'",
                def.name,
                crate::text::to_str(name)
            )));
        }
        assign(&mut frame, Arc::from("varargs"), tuple(extra));
        assign(&mut frame, Arc::from("kwargs"), dict(extra_named));
        if let Some(caller) = caller {
            assign(&mut frame, Arc::from("caller"), caller);
        }
        self.nested(|eval| {
            let module = std::mem::replace(&mut eval.module, called.module.clone());
            let barrier = std::mem::replace(&mut eval.barrier, eval.frames.len());
            let mutates = std::mem::replace(&mut eval.mutates, called.mutates);
            eval.frames.push(frame);
            let result = eval.macro_body(def, given, first_default);
            eval.frames.pop();
            eval.mutates = mutates;
            eval.barrier = barrier;
            eval.module = module;
            result
        })
    }

    fn macro_body(&mut self, def: &MacroDef, given: Vec<Option<Value>>, first_default: usize) -> Result {
        for (index, (param, value)) in def.params.iter().zip(given).enumerate() {
            let value = match value {
                Some(value) => value,
                None => match index.checked_sub(first_default).and_then(|at| def.defaults.get(at)) {
                    Some(default) => self.expr(default)?,
                    None => crate::value::error_value(TemplateError::undefined(
                        &**param,
                        format!("parameter '{param}' was not provided"),
                    )),
                },
            };
            self.store(param.clone(), value);
        }
        self.capture(&def.body).map(Out::into_value)
    }

    /// What a block prints. Unless it is scoped it sees the names of the template, not those of loops around it.
    fn block(&mut self, name: &Name, level: usize, scoped: bool) -> Result<String> {
        let Some(block) = self.blocks.chains.get(name).and_then(|chain| chain.get(level)).cloned() else {
            return Err(TemplateError::undefined(
                &**name,
                format!("there is no parent block called '{name}'"),
            ));
        };
        if block.required {
            return Err(TemplateError::runtime(format!("Required block '{name}' not found")));
        }
        self.nested(|eval| {
            eval.blocks.stack.push((name.clone(), level));
            let barrier = eval.barrier;
            if !scoped {
                eval.barrier = eval.frames.len();
            }
            eval.frames.push(Frame::new());
            let result = eval.capture(&block.body).and_then(Out::into_text);
            eval.frames.pop();
            eval.barrier = barrier;
            eval.blocks.stack.pop();
            result
        })
    }

    /// `self.name()`.
    pub(crate) fn render_block(&mut self, name: &Name) -> Result {
        self.block(name, 0, false).map(Value::from)
    }

    /// `super()`, and `super.super()` for more levels.
    pub(crate) fn super_block(&mut self, levels: usize) -> Result {
        match self.blocks.stack.last().cloned() {
            Some((name, level)) => self.block(&name, level + levels, true).map(Value::from),
            None => Err(TemplateError::undefined("super", "'super' is undefined")),
        }
    }

    fn load(&mut self, name: &Value) -> Result<Option<(Arc<Program>, String)>> {
        let Some(file) = self.file else {
            return Err(TemplateError::runtime(
                "no loader for this environment specified: only template files can include, import or extend",
            ));
        };
        let candidates = match view(name) {
            View::Str(_) => vec![name.clone()],
            _ => ops::iterate(name)?,
        };
        for candidate in candidates {
            let text = crate::text::to_str(&candidate);
            if let Some(source) = self.templater.host().read_template(&text, file.search)? {
                let compiled = self
                    .templater
                    .compile_file(&source.text, file.options)
                    .map_err(|error| in_file(error, &source.path.to_string_lossy()))?;
                let path = source.path.to_string_lossy().into_owned();
                return Ok(Some((compiled.program.clone(), path)));
            }
        }
        Ok(None)
    }

    fn include(&mut self, name: &Expr, ignore_missing: bool, context: bool, out: &mut Out) -> Result<()> {
        let value = self.strict(name)?;
        let Some((program, path)) = self.load(&value)? else {
            return if ignore_missing { Ok(()) } else { Err(at(not_found(&value), name.place)) };
        };
        let module = self.new_module(context);
        let text = self.in_module(module, &program, &path)?;
        out.raw(&text)
    }

    fn import(&mut self, name: &Expr, context: bool) -> Result<Arc<Module>> {
        let value = self.strict(name)?;
        let Some((program, path)) = self.load(&value)? else {
            return Err(at(not_found(&value), name.place));
        };
        let module = self.new_module(context);
        self.in_module(module.clone(), &program, &path)?;
        Ok(module)
    }

    /// The names of another template, which sees ours and the variables or neither.
    fn new_module(&self, context: bool) -> Arc<Module> {
        Arc::new(if context {
            Module::with_parent(self.module.clone(), self.visible())
        } else {
            Module::isolated()
        })
    }

    fn in_module(&mut self, module: Arc<Module>, program: &Arc<Program>, path: &str) -> Result<String> {
        self.modules.push(module.clone());
        self.nested(|eval| {
            let outer = std::mem::replace(&mut eval.module, module);
            let barrier = std::mem::replace(&mut eval.barrier, eval.frames.len());
            let blocks = std::mem::take(&mut eval.blocks);
            let mut out = Out::default();
            let result = eval.program(program, &mut out);
            eval.blocks = blocks;
            eval.barrier = barrier;
            eval.module = outer;
            result.and_then(|()| out.into_text())
        })
        .map_err(|error| in_file(error, path))
    }
}

fn at(error: TemplateError, place: Place) -> TemplateError {
    error.at(place.line, place.start as usize..place.end as usize)
}

/// Names the file an error is in, unless it comes from deeper inside.
fn in_file(mut error: TemplateError, path: &str) -> TemplateError {
    if error.template.is_none() {
        error.template = Some(path.to_owned());
    }
    error
}

/// The template's name as a message shows it.
fn template_name(name: &Expr) -> String {
    match &name.kind {
        ExprKind::Const(value) => crate::text::repr(value),
        _ => "of that name".to_owned(),
    }
}

/// What a template offers to those who import it: not what begins with an underscore.
fn exported(module: &Module) -> Frame {
    module.names().into_iter().filter(|(name, _)| !name.starts_with('_')).collect()
}

fn not_found(name: &Value) -> TemplateError {
    TemplateError::runtime(format!("the template {} was not found", crate::text::repr(name)))
}
